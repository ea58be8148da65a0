/*
 * keep: bytes that could not be passed on at once: a queueing client's
 * request, the rest of a short write, the start of a message that has to be
 * looked at whole.
 *
 * Blocks come in size classes from the free lists of a loop, so that the steady
 * state allocates nothing; what exceeds the largest class is malloc'ed. A
 * keep without bytes owns no block. Free lists are bounded and trimmed.
 *
 * Thread: the loop's.
 */
#ifndef IO_KEEP_H
#define IO_KEEP_H

#include "base/base.h"

struct keep_pool;

struct keep {
	uint8_t *data;
	uint32_t start;
	uint32_t end;
	uint32_t cap;
};

static inline size_t
keep_len(const struct keep *k)
{
	return k->end - k->start;
}

static inline const uint8_t *
keep_head(const struct keep *k)
{
	return k->data + k->start;
}

/* False when memory is out, or past 1 GB; nothing is lost then. */
bool keep_append(struct keep_pool *f, struct keep *k, const void *p,
    size_t n);
/* Eats n bytes at the start; the last byte gives the block back. */
void keep_consume(struct keep_pool *f, struct keep *k, size_t n);
void keep_clear(struct keep_pool *f, struct keep *k);

/* The free lists themselves: one set per loop, see loop_keeps(). */
struct keep_pool *keep_pool_new(void);
void keep_pool_free(struct keep_pool *p);
/* Bytes in free lists, for SHOW MEM. */
size_t keep_pool_bytes(const struct keep_pool *p);

#endif
