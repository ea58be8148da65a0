/*
 * lookup: asks PostgreSQL for a user's secret (auth_query).
 *
 * The query runs as auth_user through an ordinary pool of (auth_dbname or the
 * client's database, auth_user), waits in its queue and counts as everything
 * does. It is sent as unnamed Parse, Bind, Describe, Execute and Sync; all it
 * takes from the client is the user name, as a bound value. What clients of
 * that pool have set before is reset first.
 *
 * The result has two columns, user and secret, or a third one with a second
 * secret that is valid too. Not more than two rows are fetched, however many
 * there are.
 *
 * Whoever gives up calls lookup_abandon(): a query that runs is drained as that
 * of a client that has gone.
 *
 * Thread: the worker's.
 */
#ifndef POOLING_LOOKUP_H
#define POOLING_LOOKUP_H

#include "base/base.h"
#include "base/err.h"
#include "policy/config.h"
#include "pooling/hub.h"

struct lookup;

enum lookup_verdict {
	LOOKUP_FOUND,
	LOOKUP_NONE, /* no such user, or nothing that may be believed */
	LOOKUP_FAILED, /* nobody could be asked */
};

struct lookup_result {
	enum lookup_verdict verdict;
	const char *secret; /* FOUND; "" for NULL: nothing matches it */
	const char *old_secret; /* FOUND; NULL = none */
	struct err err; /* NONE, FAILED: why, for the log alone; or not set */
};

struct lookup_args {
	struct hub *hub;
	struct loop *loop;
	int worker;
	const struct config *cfg;
	const char *database; /* that the client asked for */
	const struct database_conf *conf; /* NULL: we have no such database */
	const char *user;
	/* Once, never inside lookup_start(); what r points to is wiped and gone
	 * afterwards, and so is the lookup. */
	void (*done)(void *arg, const struct lookup_result *r);
	void *arg;
};

/* Whether there is anybody to ask: auth_user is set, and a database. */
bool lookup_is_possible(const struct config *cfg,
    const struct database_conf *conf);
struct lookup *lookup_start(const struct lookup_args *a);
/* done() will not be called. */
void lookup_abandon(struct lookup *lk);

#endif
