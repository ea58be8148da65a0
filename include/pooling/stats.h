/*
 * stats: what SHOW STATS counts, for one pool.
 *
 * A relay counts into a struct of its own and adds it to the pool's when it
 * holds the pool's lock anyway; so counting costs no lock and no atomic.
 */
#ifndef POOLING_STATS_H
#define POOLING_STATS_H

#include "base/base.h"
#include "base/buf.h"

struct counters {
	uint64_t assignments; /* times a client was linked to a server */
	uint64_t xacts; /* transactions begun */
	uint64_t queries; /* queries begun; a pipelined run counts once */
	uint64_t received; /* bytes of client messages sent to servers */
	uint64_t sent; /* bytes of server messages handled for clients */
	uint64_t xact_us;
	uint64_t query_us;
	uint64_t wait_us; /* time spent in the queue, by those served */
	uint64_t client_parses; /* named Parse, once statements are tracked */
	uint64_t server_parses;
	uint64_t binds;
	uint64_t logins; /* clients welcomed */
};

/* to += from, and from becomes zero. */
void counters_move(struct counters *to, struct counters *from);
void counters_add(struct counters *to, const struct counters *from);
/* Each field: now - before. */
void counters_diff(struct counters *out, const struct counters *now,
    const struct counters *before);

bool counters_are_zero(const struct counters *c);
/* Appends what is not zero; counters_unpack() reads that back and returns
 * where it ends. */
void counters_pack(struct buf *out, const struct counters *c);
const uint8_t *counters_unpack(const uint8_t *p, struct counters *c);
/* Bytes; 0 for NULL. */
size_t counters_packed_size(const uint8_t *p);

#endif
