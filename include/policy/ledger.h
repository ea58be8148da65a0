/*
 * ledger: what a pool does next, from its counts alone.
 *
 * The pool fills in a view of itself, under its lock, and does as it is told.
 * So every rule about bounds, fairness and moving servers between workers
 * stands here, in the open, and is tested without a thread or a socket.
 *
 * Pure.
 */
#ifndef POLICY_LEDGER_H
#define POLICY_LEDGER_H

#include "base/base.h"

/* For those who wait. */
struct ledger_demand {
	bool paused;
	bool dead;
	int waiting; /* clients in the queue */
	int coming; /* servers on their way: logging in, tested, moving */
	int near; /* ... of these, the logged-in ones: they come in no time */
	int idle; /* shelves that are not empty */
	int total; /* servers that count */
	int size; /* 0 = no limit */
	int reserve;
	bool reserve_due; /* the oldest has waited long enough for it */
	int min; /* keep at least this many; 0 when not wanted now */
	int logging_in;
	int login_parallel;
	bool may_try; /* no back-off stands in the way */
	bool probe; /* the server was down, it is time to look again */
};
enum ledger_next {
	LEDGER_WAIT, /* nothing to be done */
	LEDGER_FETCH, /* bring an idle server to a waiter, from any shelf */
	LEDGER_OPEN, /* one more connection, if the quotas have room */
};
enum ledger_next ledger_next(const struct ledger_demand *d);

/* For a server that has become free on a worker. */
struct ledger_offer {
	bool stale; /* of an older generation */
	bool paused;
	bool dead;
	bool expired; /* its lifetime is over */
	bool over; /* a quota has more in use than it allows now */
	int total, size, reserve;
	usec_t hungry_us; /* since when another pool claims a slot; 0 = none */
	int hungry_held; /* ... and how many it has */
	int held; /* slots of that quota that this pool has */
	usec_t mine_us; /* since when this worker's first waits; 0 = none */
	usec_t oldest_us; /* since when the oldest elsewhere waits; 0 = none,
			   * or it is being brought a server already */
	usec_t slack_us;
	usec_t moved_us; /* when a server was last moved past a waiter */
	usec_t now_us;
};
enum ledger_fate {
	LEDGER_GRANT, /* to this worker's first waiter */
	LEDGER_MOVE, /* to the worker of the oldest */
	LEDGER_IDLE,
	LEDGER_CLOSE_STALE,
	LEDGER_CLOSE_PAUSED,
	LEDGER_CLOSE_EXPIRED,
	LEDGER_CLOSE_SURPLUS,
	LEDGER_CLOSE_EVICTED, /* its slot is worth more elsewhere */
};
enum ledger_fate ledger_fate(const struct ledger_offer *o);

#endif
