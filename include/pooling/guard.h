/*
 * guard: how often who may knock. It counts connections, their rate and failed
 * logins by source address, and logins and failed logins by user name.
 *
 * A source is an IPv4 address, or the /64 network of an IPv6 one, since that
 * is what one host has at its disposal. Unix sockets are not bounded.
 *
 * Connections and rate: one too many is told why (53300), at its
 * StartupMessage, where drivers show it; beyond twice the limit connections
 * are dropped as they come. A rate is a bucket of one second's worth; there is
 * a second one for those who are told.
 *
 * Failed logins: from fail_max on, the source is refused for 1 s, then 2, 4
 * ... up to backoff; so is the user name, whether there is such a user or not,
 * but for the GUARD_FRIENDS sources from which it has logged in last: nobody
 * can lock another one out of where he works, and failures there count against
 * the source alone. Who is refused hears the same for a right password as for
 * a wrong one, also when it was in the middle of its exchange as the limit was
 * reached: so a thousand guesses sent at once are worth no more than fail_max.
 * A login that succeeds clears nothing, else one good account would pay for
 * guesses at another. Counts are forgotten after twice the back-off without a
 * failure.
 *
 * Memory: what has no connection and still has something to remember is kept
 * up to GUARD_KEPT entries, the longest untouched go first.
 *
 * Thread: any. 16 locks, one at a time, nothing called or allocated under one.
 */
#ifndef POOLING_GUARD_H
#define POOLING_GUARD_H

#include "base/base.h"
#include "base/err.h"
#include "io/addr.h"
#include "policy/config.h"
#include "policy/userlist.h"

#define GUARD_KEPT 65536
#define GUARD_FRIENDS 16

struct guard;
struct guard_source;

struct guard *guard_new(void);
void guard_free(struct guard *g);

enum guard_answer {
	GUARD_IN,
	GUARD_TELL, /* to be refused with the error */
	GUARD_DROP, /* to be closed without a word */
};

/* A connection has come. *src has to be given back by guard_leave(); NULL when
 * nothing is counted (a Unix socket, GUARD_DROP). */
enum guard_answer guard_enter(struct guard *g, const struct addr *peer,
    const struct config *cfg, usec_t now, struct guard_source **src,
    struct err *e);
void guard_leave(struct guard *g, struct guard_source *src, usec_t now);

/* May it try to log in now? False with the error of one who has to wait. src
 * may be NULL. */
bool guard_may_try(struct guard *g, struct guard_source *src,
    const char *user, const struct config *cfg, usec_t now, struct err *e);
/* The exchange is over, and the proof was good or not. False with the error if
 * it has to wait all the same: what it said must not be told. */
bool guard_judge(struct guard *g, struct guard_source *src, const char *user,
    bool good, const struct config *cfg, usec_t now, struct err *e);

/* For SHOW. */
struct guard_line {
	bool is_user;
	char name[USERLIST_NAME_MAX + 1]; /* address, network or user */
	int connections; /* of a source */
	int failed; /* logins, not forgotten yet */
	usec_t blocked_us; /* for how much longer; 0 = not */
	uint64_t refused; /* since it was made */
};
struct guard_totals {
	uint64_t too_many; /* max_source_connections */
	uint64_t too_fast; /* max_source_rate, max_user_rate */
	uint64_t dropped; /* of those, without a word */
	uint64_t failed; /* logins */
	uint64_t waiting; /* refused for failed logins before */
	uint64_t entries, evicted;
};
void guard_totals(struct guard *g, struct guard_totals *out);
/* Up to cap lines, in no order; how many. */
size_t guard_lines(struct guard *g, struct guard_line *out, size_t cap,
    usec_t now);

#endif
