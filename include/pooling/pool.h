/*
 * pool: the servers of one (database, user), shared by all workers.
 *
 * Everything here stands under the pool's mutex: the counts by state (the
 * ledger), the idle servers by worker, the queue of waiters, the failure
 * state. The rule is to decide under the lock and to act after it: no
 * callback, system call, allocation or post happens while it is held.
 *
 * Acquire: never past a queue. An idle server of this worker is taken at
 * once; else the waiter queues and, if what is under way (logging in, being
 * tested, moving) does not cover the queue, one more idle server is fetched
 * from another worker or one more is opened, within every bound.
 * A waiter is served by whatever comes free first, on its own worker: so
 * handing over a server to a waiter never crosses threads; servers do.
 *
 * Release: to the first waiter of this worker, unless the oldest waiter of
 * all has waited clearly longer; then the server moves to that one's worker,
 * where the question is asked again on arrival.
 *
 * Failure: `down` keeps what went wrong with the last attempt, since when,
 * and how often. A refusal (wrong password, no such database) fails those who
 * wait at once; "cannot be reached" fails them server_down_after behind the
 * first failure, unless the pool has a usable server. The pool's timer, on its
 * home worker, tries again in the background.
 *
 * Lock order: registry, pool, quota; one pool at a time.
 */
#ifndef POOLING_POOL_H
#define POOLING_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "base/base.h"
#include "base/err.h"
#include "io/loop.h"
#include "policy/config.h"
#include "pooling/latency.h"
#include "pooling/quota.h"
#include "pooling/server.h"
#include "pooling/stats.h"
#include "proto/stmt.h"

struct hub;
struct pool;

/* Somebody who lives as long as the pool and keeps a server of it. */
struct pool_guest {
	/* Any thread; no lock is held. What it has may stay no longer: servers
	 * are to be new ones, or the bounds have changed. */
	void (*renew)(struct pool_guest *g);
	void (*free)(struct pool_guest *g);
};

/* What an error was, shared by all who are told of it. */
struct fault {
	_Atomic int refs;
	struct err err;
};
struct fault *fault_new(const struct err *e);
struct fault *fault_ref(struct fault *f);
void fault_unref(struct fault *f);

enum waiter_state {
	WAITER_OUT,
	WAITER_QUEUED,
	WAITER_GRANTED, /* server is set; the task brings it this turn */
	WAITER_WELCOME, /* no server, but the welcome is there; by mail */
	WAITER_FAILED, /* fault is set; by mail */
};

/* Embedded in a client. Its callbacks run on its own worker, never inside
 * pool_acquire(). */
struct waiter {
	TAILQ_ENTRY(waiter) all;
	TAILQ_ENTRY(waiter) mine;
	struct pool *pool;
	int worker;
	enum waiter_state state; /* under the pool's mutex while QUEUED */
	bool greet; /* waits for the welcome only */
	bool posted; /* its mail is under way */
	usec_t since_us;
	struct server *server;
	struct fault *fault;
	void (*granted)(struct waiter *w, struct server *s);
	void (*welcomed)(struct waiter *w);
	void (*failed)(struct waiter *w, const struct err *e);
	struct task task;
	struct mail mail;
};
TAILQ_HEAD(waiter_list, waiter);

enum acquire {
	ACQUIRE_GOT,
	ACQUIRE_QUEUED,
	ACQUIRE_FULL, /* so many wait already: e says on what limit */
	ACQUIRE_FAILED, /* there is no use in waiting */
};

/* Limits and times as they apply to this pool. Immutable, shared by pools that
 * are alike, and never freed before the registry is: so they can be read
 * without a lock. RELOAD makes new ones where something has changed. */
struct pool_settings {
	struct pool_settings *next; /* the registry's */
	enum pool_mode mode;
	int size; /* 0 = no limit */
	int min_size;
	bool min_always; /* also while the pool has no client */
	int reserve;
	usec_t reserve_after_us;
	bool round_robin;
	int login_parallel;
	usec_t handover_slack_us;
	usec_t lifetime_us;
	usec_t idle_timeout_us;
	usec_t login_retry_us;
	usec_t down_after_us;
	usec_t check_delay_us;
	char *check_query; /* "" = an empty query; NULL = no checks */
	char *reset_query; /* "" = none */
	bool reset_always;
	enum session_state session_state;
	bool unknown_dirty; /* unknown_functions = dirty */
	char *stateful_functions;
	usec_t pin_timeout_us;
	/* For one replication client: its server is closed behind it, and what
	 * it wants to be set stands in the StartupMessage. */
	const char *replication; /* "logical", "physical"; NULL = no such */
	usec_t query_timeout_us;
	usec_t idle_transaction_timeout_us;
	usec_t transaction_timeout_us;
	usec_t write_timeout_us;
	int max_prepared; /* statements of one server; 0 = not tracked */
	uint32_t max_inspected;
	bool gone_cancel;
	usec_t gone_grace_us;
};

/* Whether what clients do to their sessions matters: servers go round. */
static inline bool
pool_settings_watch(const struct pool_settings *set)
{
	return set->mode != POOL_SESSION && !set->replication;
}

/* Per worker part. */
struct pool_side {
	struct server_list idle; /* most recently used first */
	struct waiter_list waiters; /* oldest first */
	int n_waiters;
	int incoming; /* servers on their way to this worker */
	int moving; /* ... of these, the ones that are logged in already */
	_Atomic(struct latency *) latency; /* NULL until it is used */
};

struct pool_down {
	bool down; /* the last attempt failed */
	bool refused; /* ... by a plain refusal */
	usec_t since_us; /* first failure with no usable server; 0 = none */
	usec_t last_us; /* when the last attempt failed */
	usec_t next_us; /* no attempt before this, unless somebody comes */
	usec_t backoff_us;
	int attempts;
	/* When an attempt that is under way got further last; 0 = none is. */
	usec_t stirred_us;
	struct fault *fault;
};

/* What SHOW POOLS prints. */
struct pool_counts {
	int clients; /* logged in to it */
	int waiting;
	int sv[SV_STATES];
	int used; /* idle, and due for a check before use */
	int cancels; /* cancel connections under way */
	int cancels_waiting;
	usec_t maxwait_us;
	int total; /* that count against its size */
	uint64_t reuses, opens, steals, handovers, evictions;
};

/* The limit that those who wait are up against: a setting's name, or "paused",
 * "server_down", "none". */
struct pool_bind {
	const char *limit; /* a literal */
	char detail[240];
};

struct pool {
	_Atomic int refs;
	pthread_mutex_t mu;
	struct hub *hub;
	struct database *db;
	struct user *user;
	const char *user_name;
	/* Of auth_user, where its database has another forced user. */
	bool own_user;
	_Atomic(struct pool_settings *) set;
	struct server_target *target;
	struct welcome *welcome;
	/* Servers of an older one are closed. Written under the lock. */
	_Atomic uint64_t generation;
	bool paused; /* by itself or by its database, or all */
	bool dead; /* removed: waiters fail, servers close */
	/* the ledger */
	int count[SV_STATES];
	int total; /* all that count against the bounds */
	int n_stale; /* ... of these, the ones of an older generation */
	int n_waiting;
	bool claims; /* it has left a claim with a quota */
	_Atomic int n_clients;
	struct waiter_list waiters;
	struct pool_side *side; /* one per worker; NULL until used */
	struct quota_member by_db;
	struct quota_member by_user;
	_Atomic(struct pool_guest *) guest; /* NULL until there is one */
	struct pool_down down;
	struct stmt_table *stmts; /* NULL until used */
	struct counters stats;
	struct counters stats_old; /* at the last but one period's end */
	struct counters stats_mid; /* at the last period's end */
	bool was_primary; /* one of its servers has said so */
	usec_t demoted_us; /* when one was found to be a standby; 0 = never */
	usec_t moved_us; /* when a server was last handed over */
	uint64_t reuses, opens, steals, handovers, evictions;
	int home; /* the worker that runs the timer */
	struct timer timer;
	usec_t timer_us; /* what it is set to; 0 = not */
	bool timer_held; /* it is set, and holds a reference */
	struct mail tick;
	bool tick_posted;
	/* Stands in the registry's names, which hold a reference. Written
	 * under the registry's mutex. */
	_Atomic bool named;
};

struct pool *pool_new(struct hub *hub, struct database *db, struct user *user,
    int home);
struct pool *pool_ref(struct pool *p);
/* Where it leaves the registry's reference as the last one, the registry may
 * put the pool to sleep (its mutex is taken then). */
void pool_unref(struct pool *p);
/* Nothing in it would be missed: no client, no server, no failure that is
 * fresh. For the registry, under its mutex. */
bool pool_may_rest(struct pool *p);

/* Takes over the reference to target. A target
 * that differs in where or as whom begins a new generation. */
void pool_configure(struct pool *p, struct pool_settings *set,
    struct server_target *target);

/* What servers are made for now, with a reference. */
struct server_target *pool_target(struct pool *p);
/* What a login of the pool's own user has just proven: keys, and the secret it
 * was found to have (NULL: none, or the configuration has one). */
void pool_set_login(struct pool *p, const char *secret,
    const struct scram_keys *keys);

/* ---- worker threads; w->worker names the calling one ---- */
enum acquire pool_acquire(struct pool *p, struct waiter *w, usec_t now,
    struct server **out, struct err *e);
/* Leaves the queue, or gives back what was granted. False when its mail is
 * still under way: the waiter must stay put until failed() or welcomed(). */
bool pool_leave(struct pool *p, struct waiter *w);
/* A waiter's own clock: the reserve may be due. Returns when to ask again, or
 * 0. */
usec_t pool_waited(struct pool *p, struct waiter *w, usec_t now);
/* An idle server is closed if its name stands for other addresses now; one that
 * is in use will be when it is free. */
void pool_look_if_moved(struct server *s);
/* The server has answered that it is read-only. If it is a standby, and the pool
 * has had a primary: closes those of the pool's servers that are standbys, has
 * the name looked up again, and passes over standbys of its host list. What a
 * client has made read-only itself changes nothing. */
void pool_read_only(struct server *s);
/* The relay is done: status I and nothing owed. May migrate or close it. */
void pool_release(struct server *s);
/* The client has gone; the server is to be drained (see server_drain). */
void pool_drain(struct server *s, bool now, bool may_commit);
/* In doubt: close it. */
void pool_discard(struct server *s, const char *reason);
/* Where this worker counts; good while a server of the pool is linked. */
struct latency *pool_latency(struct pool *p, int worker);
/* A client's login took so long. Not counted in a pool that is not in use. */
void pool_note_login(struct pool *p, int worker, usec_t us);
/* Adds what a relay has counted so far. */
void pool_count(struct pool *p, struct counters *c);
/* Where its clients' prepared statements are shared. */
struct stmt_table *pool_statements(struct pool *p);
/* The pool's welcome, with a reference, or NULL. */
struct welcome *pool_welcome(struct pool *p);

/* ---- any thread ---- */
void pool_pause(struct pool *p);
void pool_resume(struct pool *p);
/* Servers made so far are closed when they can be; the welcome is forgotten. */
void pool_reconnect(struct pool *p);
/* No new life: waiters fail with e, idle servers close. */
void pool_kill(struct pool *p, const struct err *e);
/* Waiters fail with e. */
void pool_fail_waiters(struct pool *p, const struct err *e);
void pool_read(struct pool *p, usec_t now, struct pool_counts *out,
    struct counters *stats);
void pool_binding(struct pool *p, struct pool_bind *out);
/* Adds to out. */
void pool_read_latency(struct pool *p, struct hist_sum out[N_LATENCIES]);
/* What went wrong with the last attempt to connect, if it failed. */
bool pool_last_error(struct pool *p, struct err *e);
bool pool_is_dead(struct pool *p);
/* Servers that hold up PAUSE: linked, tested, draining. */
int pool_busy(struct pool *p);
/* Servers that RECONNECT and the like have yet to see closed. */
int pool_stale(struct pool *p);
/* Lets those with claims on q try again, as long as it has room. For those who
 * are left, and for what is above the limit, idle servers are closed. */
void pool_wake_claims(struct quota *q);
/* A slot in one of its quotas, or time, may allow it to open a server. */
void pool_pump(struct pool *p);

#endif
