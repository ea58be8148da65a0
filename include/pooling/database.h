/*
 * database: the run-time records of a database and of a user: what all their
 * pools share. The registry makes and owns them.
 *
 * Threads: atomics any; the rest as said beside it.
 */
#ifndef POOLING_DATABASE_H
#define POOLING_DATABASE_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "base/base.h"
#include "pooling/crowd.h"
#include "pooling/quota.h"
#include "pooling/stats.h"

struct slot;

struct database {
	bool automatic; /* made from the "*" line */
	bool strange; /* ... and nobody has been let in to it yet */
	/* Pools, and whoever is about to ask for one. An automatic one goes
	 * only when there are none. Taken under the registry's mutex. */
	_Atomic int refs;
	_Atomic bool paused;
	_Atomic bool disabled;
	_Atomic int clients; /* logged in */
	_Atomic int max_clients; /* 0 = none */
	struct crowd waiting;
	struct quota servers;
	/* Of pools that are asleep or no more; under the registry's mutex. */
	uint8_t *gone; /* as counters_pack() has it; NULL = nothing */
	LIST_HEAD(, slot) slots; /* its pools, asleep or not */
	int n_awake;
	bool resting; /* in the list of those without a pool awake */
	uint32_t rest_s; /* since when; monotonic */
	uint32_t rest_period; /* ... and in which period of SHOW STATS */
	TAILQ_ENTRY(database) rest_link;
	char name[];
};

static inline void
database_unref(struct database *d)
{
	if (d)
		atomic_fetch_sub(&d->refs, 1);
}

struct user {
	char *name;
	_Atomic int clients;
	_Atomic int max_clients;
	_Atomic uint64_t old_logins; /* by the old one of two secrets */
	struct crowd waiting; /* for servers of its pools */
	struct quota servers;
};

#endif
