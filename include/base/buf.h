/*
 * buf: a growing run of bytes, filled at the end and eaten at the start.
 *
 * An empty buf owns no memory: buf_init() and {0} are the same, and
 * buf_free() gives everything back. Growth fails only when the size was a
 * peer's choice (buf_try_*); the others abort when memory is out.
 *
 * Thread: none of its own; one owner at a time.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/base.h"

struct buf {
	uint8_t *data;
	size_t start; /* first byte not yet eaten */
	size_t end; /* behind the last byte */
	size_t cap;
};

static inline size_t
buf_len(const struct buf *b)
{
	return b->end - b->start;
}

static inline const uint8_t *
buf_head(const struct buf *b)
{
	/* No arithmetic on the NULL of a buf without memory. */
	return b->data ? b->data + b->start : NULL;
}

static inline struct span
buf_span(const struct buf *b)
{
	return SPAN(buf_head(b), buf_len(b));
}

void buf_init(struct buf *b);
void buf_free(struct buf *b);
/* Overwrites what it held before giving it back. */
void buf_wipe_free(struct buf *b);
/* Forgets the bytes, keeps the memory. */
void buf_reset(struct buf *b);
/* Makes room for n more bytes behind end and returns where they go; the
 * caller fills them and adds to end. */
uint8_t *buf_reserve(struct buf *b, size_t n);
bool buf_try_reserve(struct buf *b, size_t n);
void buf_append(struct buf *b, const void *p, size_t n);
bool buf_try_append(struct buf *b, const void *p, size_t n);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
/* Eats n <= buf_len() bytes at the start. */
void buf_consume(struct buf *b, size_t n);

#endif
