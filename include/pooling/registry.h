/*
 * registry: the databases, users and pools that exist at run time, by name.
 *
 * A record is made at the first login that needs it, after authentication,
 * and lives as long as the configuration has it or something refers to it.
 * A pool that nobody uses any more is put away until somebody comes: 100,000
 * of them must not cost much.
 * One mutex, taken at login and by the console, never per transaction.
 */
#ifndef POOLING_REGISTRY_H
#define POOLING_REGISTRY_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "base/base.h"
#include "base/err.h"
#include "policy/config.h"
#include "pooling/database.h"
#include "pooling/pool.h"

struct hub;
struct host_table;
struct registry;

struct registry *registry_new(struct hub *hub);
void registry_free(struct registry *r);

/* The record of a database that cfg has (or its "*" allows), with a reference
 * (database_unref()); NULL if it has none. Users are made for any name: call it for proven ones only. */
struct database *registry_database(struct registry *r,
    const struct config *cfg, const char *name);
struct user *registry_user(struct registry *r, const struct config *cfg,
    const char *name);
/* The same for a login that has not been proven yet, whose secret is asked for
 * there. Strangers may name what they like, so those that nobody was ever let
 * in to are bounded in number, and go soon. NULL also when there are too many
 * (*many). */
#define STRANGE_DATABASES_MAX 200
struct database *registry_ask_database(struct registry *r,
    const struct config *cfg, const char *name, bool *many);
/* Without making one, and without a reference. Main thread. */
struct database *registry_find(struct registry *r, const char *name);

struct pool_key {
	struct database *db;
	const struct database_conf *conf;
	const char *login_user;
	const char *login_secret; /* for the server login; may be NULL */
	const struct scram_keys *keys; /* proven pass-through keys, or NULL */
	bool own_user; /* auth_user: whatever the database's forced user is */
};
/* Databases with a forced user have their min_pool_size from the start: their
 * one pool is known without a client. */
void registry_prewarm(struct registry *r, const struct config *cfg);
/* A replication client asks for a walsender of its own (protocol chapter 55.4):
 * a pool of one server, which nobody shares and which ends with the client. It
 * counts against the limits of its database and user. */
struct pool_walsender {
	const char *replication; /* "database" or "yes" */
	const char *options; /* "" = none */
	const struct param_set *params; /* go into the StartupMessage */
};
struct pool *registry_walsender_pool(struct registry *r,
    const struct config *cfg, const struct pool_key *k,
    const struct pool_walsender *w);
/* The client has gone. */
void registry_drop_walsender(struct registry *r, struct pool *p);
/* The pool, with a reference; made if need be. NULL when a RELOAD has taken
 * the database away meanwhile, or given it another forced user. */
struct pool *registry_pool(struct registry *r, const struct config *cfg,
    const struct pool_key *k);

/* How the servers' hosts do, for SHOW HOSTS. */
struct host_table *registry_hosts(struct registry *r);

/* RELOAD: every record and pool takes over what the new snapshot says; what it
 * has no more is removed (its pools die with `database removed`). */
void registry_apply(struct registry *r, const struct config *cfg);

/* Calls fn for every pool / database / user, by name, with a reference held
 * for the call. Not for use inside fn: registry functions. */
void registry_each_pool(struct registry *r,
    void (*fn)(void *arg, struct pool *p), void *arg);
void registry_each_database(struct registry *r,
    void (*fn)(void *arg, struct database *d), void *arg);
void registry_each_user(struct registry *r,
    void (*fn)(void *arg, struct user *u), void *arg);

/* A pool that nobody uses falls asleep: it has no struct pool then, and is no
 * part of registry_each_pool(). Calls fn for each of these, in no order. Main
 * thread. */
void registry_each_asleep(struct registry *r,
    void (*fn)(void *arg, struct database *d, const char *user), void *arg);
/* Asleep or not. */
size_t registry_count_pools(struct registry *r);
/* What pools that are asleep or no more have counted: all of it, and what of
 * it belongs to this period of SHOW STATS and the one before. A database may
 * come more than once. Main thread. */
void registry_each_gone(struct registry *r,
    void (*fn)(void *arg, const char *database, const struct counters *total,
	const struct counters *recent),
    void *arg);
/* A period of SHOW STATS is over: adds what those have counted in it. */
void registry_end_period(struct registry *r, struct counters *sum);
/* RECONNECT: what sleeping pools would greet with is forgotten; db NULL =
 * all. Main thread. */
void registry_forget_welcomes(struct registry *r, const struct database *db);
/* The part of registry_apply() about pools that sleep. */
void registry_apply_asleep(struct registry *r, const struct config *cfg);

/*
 * Forgets pools that have slept for pool_idle_timeout, and databases made from
 * the "*" line of which no pool was awake for autodb_idle_timeout; not while
 * they are paused or disabled. A bounded number at a time: true if more is due.
 * What pools have counted stays with their database, and goes with it. Main
 * thread.
 */
bool registry_sweep(struct registry *r, const struct config *cfg);

/* PAUSE and RESUME; db NULL = all. New pools of a paused database are born
 * paused. */
void registry_pause(struct registry *r, struct database *db);
void registry_resume(struct registry *r, struct database *db);
bool registry_is_paused(const struct registry *r);
/* Servers that hold up PAUSE, of one database or all. */
int registry_busy(struct registry *r, struct database *db);
/* Servers that are to be closed and are not yet, of one database or all. */
int registry_stale(struct registry *r, struct database *db);
/* Server connections of any kind, of one database or all. */
int registry_servers(struct registry *r, struct database *db);

#endif
