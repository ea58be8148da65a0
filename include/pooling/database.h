/*
 * database: the run-time records of a database and of a user: what all their
 * pools share. The registry makes and owns them.
 *
 * Threads: atomics any; the rest as said beside it.
 */
#ifndef POOLING_DATABASE_H
#define POOLING_DATABASE_H

#include <stdatomic.h>

#include "base/base.h"
#include "pooling/crowd.h"
#include "pooling/quota.h"
#include "pooling/stats.h"

struct database {
	bool automatic; /* made from the "*" line */
	_Atomic bool paused;
	_Atomic bool disabled;
	_Atomic int clients; /* logged in */
	_Atomic int max_clients; /* 0 = none */
	struct crowd waiting;
	struct quota servers;
	/* Of pools that are asleep or no more; under the registry's mutex. */
	uint8_t *gone; /* as counters_pack() has it; NULL = nothing */
	char name[];
};

struct user {
	char *name;
	_Atomic int clients;
	_Atomic int max_clients;
	_Atomic uint64_t old_logins; /* by the old one of two secrets */
	struct crowd waiting; /* for servers of its pools */
	struct quota servers;
};

#endif
