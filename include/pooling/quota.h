/*
 * quota: a bound on server connections over several pools: all pools of one
 * database (max_db_connections, or the pool-size rule), or of one user
 * (max_user_connections).
 *
 * A slot is taken before a connection is begun and given back when its socket
 * has been seen to end. A pool that finds no slot leaves a claim; whoever
 * gives a slot back lets the pool try again that has the fewest, and of those
 * the one that has claimed for longest.
 * Under the quota's mutex there is no moment at which a slot is free
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
	_Atomic int *refs; /* the pool's */
	TAILQ_ENTRY(quota_member) claim_link;
	TAILQ_ENTRY(quota_member) holder_link;
	_Atomic usec_t since_us; /* of the claim; 0 = none */
	_Atomic int held; /* slots this pool has; written under the mutex */
};
TAILQ_HEAD(quota_list, quota_member);

struct quota {
	pthread_mutex_t mu;
	/* Written under the mutex, read without it at each release. */
	_Atomic int limit; /* 0 = none */
	_Atomic int used;
	struct quota_list claims; /* pools with waiters and no slot, oldest first */
	struct quota_list holders; /* pools that have slots */
	/* Connections being closed so that a claim can be met. */
	_Atomic int evicting;
	_Atomic int n_claims;
	/* The claim that is met next: since when it stands, 0 = none, and how
	 * many slots that pool has. Read without the mutex at each release. */
	_Atomic usec_t hungry_us;
	_Atomic int hungry_held;
};

void quota_init(struct quota *q, int limit);
void quota_fini(struct quota *q);
/* Takes a slot, or leaves (or keeps) the member's claim; now 0: without a
 * claim. */
bool quota_take(struct quota *q, struct quota_member *m, usec_t now);
void quota_give(struct quota *q, struct quota_member *m);
/* While there is room: withdraws the claim that is met next and returns its pool, with a
 * reference that the caller drops after letting it try again. To be called
 * until it gives NULL whenever a slot was given back: a pool that was woken
 * may have no use for the slot just now. */
struct pool *quota_next(struct quota *q);
/* The pool has no waiters any more. */
void quota_withdraw(struct quota *q, struct quota_member *m);
/* A new limit; quota_next() follows. */
void quota_set_limit(struct quota *q, int limit);
/* Copies up to cap holders, each with a reference. */
size_t quota_holders(struct quota *q, struct pool **out, size_t cap);
int quota_used(struct quota *q);
/* How many more connections should be closed, for claims and for the limit.
 * Takes no lock. */
int quota_wants(const struct quota *q);
/* The limit was lowered below what is in use. Takes no lock. */
bool quota_is_over(const struct quota *q);
/* Since when a claim of another pool than m's waits for which no connection is
 * being closed yet; 0 = none. Takes no lock. */
usec_t quota_hungry(struct quota *q, const struct quota_member *m);
/* How many slots the pool has that made it. Takes no lock. */
int quota_hungry_held(const struct quota *q);

#endif
