/*
 * quota: a bound on server connections over several pools: all pools of one
 * database (max_db_connections, or the pool-size rule), or of one user
 * (max_user_connections).
 *
 * A slot is taken before a connection is begun and given back when its socket
 * has been seen to end. A pool that finds no slot leaves a claim; whoever
 * gives a slot back is handed the oldest claim and must let that pool try
 * again. Under the quota's mutex there is no moment at which a slot is free
 * and a claim is asleep, which is what a bare atomic counter would lose.
 *
 * Lock order: registry, pool, quota. Nothing is called out to while it is
 * held. Threads: any.
 */
#ifndef POOLING_QUOTA_H
#define POOLING_QUOTA_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "base/base.h"

struct pool;

/* Embedded in each pool, one per quota. */
struct quota_member {
	struct pool *pool;
	TAILQ_ENTRY(quota_member) claim_link;
	TAILQ_ENTRY(quota_member) holder_link;
	usec_t since_us; /* of the claim; 0 = none */
	int held; /* slots this pool has */
};
TAILQ_HEAD(quota_list, quota_member);

struct quota {
	pthread_mutex_t mu;
	int limit; /* 0 = none */
	int used;
	struct quota_list claims; /* pools with waiters and no slot, oldest first */
	struct quota_list holders; /* pools that have slots */
	/* Since when the oldest claim stands; 0 = none. Read without the
	 * mutex at each release. */
	_Atomic usec_t hungry_us;
};

void quota_init(struct quota *q, int limit);
void quota_fini(struct quota *q);
/* Takes a slot, or leaves (or keeps) the member's claim. */
bool quota_take(struct quota *q, struct quota_member *m, usec_t now);
/* Gives a slot back. Returns the pool with the oldest claim, which is
 * withdrawn, with a reference that the caller must drop; or NULL. */
struct pool *quota_give(struct quota *q, struct quota_member *m);
/* The pool has no waiters any more. */
void quota_withdraw(struct quota *q, struct quota_member *m);
/* A new limit; returns a claim's pool to wake, as quota_give() does. */
struct pool *quota_set_limit(struct quota *q, int limit);
/* Copies up to cap holders other than m, each with a reference. */
size_t quota_holders(struct quota *q, const struct quota_member *m,
    struct pool **out, size_t cap);
int quota_used(struct quota *q);
static inline usec_t
quota_hungry_us(struct quota *q)
{
	return atomic_load_explicit(&q->hungry_us, memory_order_relaxed);
}

#endif
