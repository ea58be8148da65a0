/*
 * crowd: how many wait for a server, and how many may (max_waiting_clients):
 * in the whole process, for one database, for one user.
 *
 * Who arrives is counted before it queues, and one more than may is never
 * counted, whatever the threads do; so the bound is hard. All who queue count:
 * queries, logins that wait for a server's welcome, auth_query.
 *
 * Threads: any; it takes no lock and may be called under one.
 */
#ifndef POOLING_CROWD_H
#define POOLING_CROWD_H

#include <stdatomic.h>

#include "base/base.h"
#include "base/err.h"

struct crowd {
	_Atomic int n;
	_Atomic int max; /* 0 = no limit */
};

/* The three that one waiter counts in. */
struct crowds {
	struct crowd *process, *database, *user;
	const char *database_name, *user_name; /* for the message */
};

/* Counts one more in all three, or in none; then e says (53300) which is
 * full. */
bool crowds_enter(const struct crowds *c, struct err *e);
void crowds_leave(const struct crowds *c);

#endif
