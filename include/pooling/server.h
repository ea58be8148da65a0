/*
 * server: one connection to a PostgreSQL server: made, logged in, checked,
 * cleaned, drained and ended. It knows nothing of pools or clients; whoever
 * owns it at the moment (the pool, or a relay while a client is linked) is
 * told through server_owner.
 *
 * States, and what SHOW prints for them, are a table in server.c;
 * server_enter() is the only writer.
 *
 *   connecting -> login -> idle <-> active -> draining -> idle
 *                           |  \-> tested -> idle       (reset, check)
 *                           |-> migrating -> idle       (to another worker)
 *                           '-> canceling -> idle       (a cancel is under way)
 *   any -> closing -> closed
 *
 * A server counts against its pool's bound from before connect() until its
 * socket has been seen to end: `closing` sends Terminate (behind a cancel, if
 * something is still running) and waits for the end of file, so that the
 * backend is really gone before another one is started.
 *
 * Thread: that of the loop it is on; state is written under the pool's lock
 * by the pool, and read by it only.
 */
#ifndef POOLING_SERVER_H
#define POOLING_SERVER_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "base/base.h"
#include "base/err.h"
#include "io/dns.h"
#include "io/loop.h"
#include "io/stream.h"
#include "pooling/stats.h"
#include "proto/auth.h"
#include "proto/param.h"
#include "proto/pipeline.h"

enum server_state {
	SV_CONNECTING,
	SV_LOGIN,
	SV_IDLE,
	SV_ACTIVE,
	SV_TESTED,
	SV_DRAINING,
	SV_CANCELING,
	SV_MIGRATING,
	SV_CLOSING,
	SV_CLOSED,
	SV_STATES
};
/* "idle", "active", ... as SHOW SERVERS prints it. */
const char *server_state_show(enum server_state st);
/* The name in logs. */
const char *server_state_name(enum server_state st);

/* Where and as whom to log in. Immutable, counted, shared by the servers of a
 * pool; a changed configuration makes a new one. */
struct server_target {
	_Atomic int refs;
	char *database; /* the name clients use, for messages */
	char *host; /* "" = unix_socket_dir; "/..." or "@..." = directory */
	int port;
	char *dbname;
	char *user;
	char *secret; /* of any kind, NULL if there is none */
	struct scram_keys keys; /* pass-through */
	bool has_keys;
	char *connect_query; /* "" = none */
	/* name, value, ..., NULL: put into the StartupMessage */
	char **startup;
	struct param_names *names;
	char *unix_socket_dir;
	usec_t connect_timeout_us;
	bool log_connections;
	struct dns *dns;
	/* cancel connections of this pool at once */
	_Atomic int cancels;
	int max_cancels;
	usec_t cancel_wait_us;
};
struct server_target *target_ref(struct server_target *t);
void target_unref(struct server_target *t);

/* What the first server of a pool said at login; every later client's welcome
 * is made from it. Immutable, counted. */
struct welcome {
	_Atomic int refs;
	struct param_set *params; /* the tracked ones */
	size_t n; /* bytes of ParameterStatus messages, untracked ones */
	uint8_t bytes[];
};
struct welcome *welcome_ref(struct welcome *w);
void welcome_unref(struct welcome *w);

struct server;

/* All on the server's thread. None may free the server; it is freed at the
 * end of the turn after gone(). */
struct server_owner {
	/* Logged in; state is SV_LOGIN until the owner moves it. */
	void (*ready)(struct server *s);
	/* Connect or login failed: what, whether a retry may help (the peer
	 * could not be reached, 57P03, 53300) or it was a plain refusal. The
	 * server is closing. */
	void (*failed)(struct server *s, const struct err *e, bool refused);
	/* Reset or check query, drain, or the last cancel in flight is over;
	 * ok: it may be used again. */
	void (*settled)(struct server *s, bool ok);
	/* An idle server ended, or said something it should not. */
	void (*lost)(struct server *s, const char *reason);
	/* A deadline the owner set with server_set_deadline() has come. */
	void (*expired)(struct server *s);
	/* The socket has ended: stop counting it. */
	void (*gone)(struct server *s);
};

TAILQ_HEAD(server_list, server);

struct server {
	struct stream stream;
	const struct server_owner *owner;
	void *pool; /* the owner's; opaque here */
	void *relay; /* while active; opaque here */
	struct loop *loop;
	int worker; /* index of the worker it is on, or moves to */
	enum server_state state;
	uint64_t id;
	uint64_t generation; /* of the pool when it was begun */
	struct server_target *target;
	struct pipeline pipeline;
	struct param_set *params;
	struct keep in; /* start of a message not yet whole */
	uint32_t skip; /* bytes left of a message that is streamed past */
	uint32_t pid;
	uint8_t key[256];
	uint16_t key_n;
	struct addr addr; /* the peer's */
	usec_t born_us; /* connect begun */
	usec_t ready_us; /* logged in */
	usec_t idle_us; /* idle since */
	usec_t lifetime_us; /* with its jitter; 0 = none */
	usec_t request_us; /* when the current query began */
	usec_t deadline_us; /* see server_set_deadline() */
	int cancels; /* cancel connections in flight at it */
	bool cancel_dirty; /* one of them did not end cleanly */
	bool dirty; /* reset before the next client */
	bool ever_used;
	bool close_flag; /* set by the pool: close when it can be */
	bool intent_close; /* while migrating: it ended under way */
	bool eof; /* the socket has ended */
	bool started; /* SHOW may list it */
	struct login_state *login; /* until logged in */
	struct welcome *welcome; /* made during login, for the pool to take */
	int job; /* enum server_job, inside server.c */
	struct timer timer;
	struct task bury;
	struct task wake;
	struct mail mail;
	TAILQ_ENTRY(server) entry; /* the pool's idle list */
	TAILQ_ENTRY(server) all; /* the worker's list */
	const char *close_reason;
	struct counters counters; /* not yet added to the pool's */
};

/* Begins to connect; the answer is ready() or failed(). */
struct server *server_new(struct server_target *t,
    const struct server_owner *owner, void *pool, uint64_t id);
void server_start(struct server *s, struct loop *l);

/* The only writer of state. */
void server_enter(struct server *s, enum server_state st);

/* Runs `sql` and swallows the answer; settled() tells. */
void server_run(struct server *s, const char *sql, usec_t timeout_us);
/* Its client has gone: let what it sent end (cancelled after grace unless it
 * may be a COMMIT), roll back, settled(). */
void server_drain(struct server *s, usec_t grace_us, bool cancel,
    bool may_commit, usec_t deadline_us);
/* Sends a cancel request for what runs now; settled() comes, if the server is
 * SV_CANCELING, when the last one has ended. */
void server_cancel(struct server *s, void (*done)(void *arg), void *arg);
/* Ends it: orderly, as described above. reason goes to the log. Idempotent. */
void server_retire(struct server *s, const char *reason);

/* Between loops; only while nothing is unsent. */
void server_leave(struct server *s);
void server_arrive(struct server *s, struct loop *l);

/* While idle: expired() at deadline_us; 0 = never. */
void server_set_deadline(struct server *s, usec_t deadline_us);

/* Takes up a ParameterStatus. */
void server_parameter(struct server *s, const char *name, const char *value);
/* For logs: "S-17: db/user@host:port". */
#define SERVER_LABEL 240
void server_label(const struct server *s, char out[SERVER_LABEL]);

#endif
