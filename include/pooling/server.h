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
#include "io/loop.h"
#include "io/stream.h"
#include "pooling/stats.h"
#include "pooling/target.h"
#include "proto/auth.h"
#include "proto/param.h"
#include "proto/pipeline.h"
#include "proto/settings.h"
#include "proto/stmt.h"

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

struct server;
struct quota;

/* All on the server's thread. None may free the server; it is freed at the
 * end of the turn after gone(). */
struct server_owner {
	/* Wants to be in state st: the owner does its counting and calls
	 * server_move(). */
	void (*enter)(struct server *s, enum server_state st);
	/* The login has got a step further. */
	void (*progress)(struct server *s);
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
	void *relay; /* while a client is linked; opaque here */
	void *asker; /* while auth_query runs on it; the same */
	struct loop *loop;
	int worker; /* index of the worker it is on, or moves to */
	/* Written under the pool's lock; its own thread reads it without,
	 * and asks again under the lock before it acts on SV_IDLE. */
	_Atomic(enum server_state) state;
	uint64_t id;
	uint64_t generation; /* of the pool when it was begun */
	struct server_target *target;
	struct pipeline pipeline;
	struct param_set *params;
	struct settings *settings; /* what clients have set with SQL */
	struct stmt_server *stmts; /* NULL until used */
	uint64_t unnamed_id; /* whose unnamed statement it has; 0: nobody's */
	struct keep in; /* start of a message not yet whole */
	uint32_t skip; /* bytes left of a message that is streamed past */
	uint32_t skip_out; /* bytes that a message sent to it still lacks */
	uint32_t pid;
	uint8_t key[256];
	uint16_t key_n;
	char *host; /* of the target's list */
	size_t host_i; /* its place there */
	bool host_counted;
	/* The attempt failed for its host's sake, and there are others; or for
	 * the sake of the protocol that was asked for. */
	bool try_other;
	struct addr addr; /* the peer's */
	struct dns_host *dns_host; /* of the name it was found by, or NULL */
	unsigned dns_version;
	_Atomic bool standby; /* it says that it is one (PostgreSQL 14 and later) */
	bool primary; /* ... or that it is none */
	bool demoted; /* it was taken for a primary and is none: close it */
	bool moved; /* that name stands for other addresses now */
	struct addr local;
	usec_t born_us; /* connect begun */
	usec_t born_wall_us;
	usec_t idle_us; /* idle since */
	usec_t lifetime_us; /* with its jitter; 0 = none */
	usec_t request_us; /* when the current query began */
	usec_t since_us; /* when it came to be tested, draining, closing ... */
	usec_t cancel_at_us; /* draining: cancel then; 0 = never */
	usec_t patience_us; /* in login: so long it may well get no further */
	usec_t deadline_us; /* draining: give up then; 0 = never */
	int cancels; /* cancel connections in flight at it */
	bool cancel_dirty; /* one of them did not end cleanly */
	bool dirty; /* reset before the next client */
	bool reset_all; /* ... with DISCARD ALL, whatever the reset query */
	bool spoilt; /* no reset helps: close it */
	bool intent_close; /* MIGRATING: to be closed on arrival */
	bool eof; /* the socket has ended */
	bool strict; /* TESTED: an SQL error means it is not usable */
	bool rolled_back; /* DRAINING: ROLLBACK has been sent */
	bool inbound; /* counted as on its way to `worker` */
	bool ever_used;
	bool listens; /* active: for all clients of the pool */
	bool touched; /* a client has had it since auth_query reset it */
	bool testing_reset; /* TESTED: by the reset query */
	int from; /* MIGRATING: the worker it leaves */
	struct quota *evicted_for; /* closed for the sake of another pool */
	struct login_state *login; /* until logged in */
	struct welcome *welcome; /* made during login, for the pool to take */
	struct timer timer;
	struct task bury;
	struct mail mail;
	TAILQ_ENTRY(server) entry; /* the pool's idle list */
	TAILQ_ENTRY(server) all; /* the worker's list */
	bool listed; /* ... it stands there */
	const char *close_reason;
	struct counters counters; /* not yet added to the pool's */
};

/* Not connected yet. Takes over no reference. */
struct server *server_new(struct server_target *t,
    const struct server_owner *owner, void *pool, uint64_t id);
/* Begins to connect; the answer is ready() or failed(). */
void server_start(struct server *s, struct loop *l);
/* A server that was never started, or has gone. */
void server_free(struct server *s);

static inline enum server_state
server_state(const struct server *s)
{
	return atomic_load_explicit(&s->state, memory_order_relaxed);
}

/* Sets the state, if the move is a legal one. For the owner. */
void server_move(struct server *s, enum server_state st);

/* Takes the stream's events again (after a relay had them). */
void server_listen(struct server *s);
/* TESTED: runs `sql` and swallows the answer; settled() tells. strict: an SQL
 * error counts as failure (reset), else only a dead connection does (check). */
void server_run(struct server *s, const char *sql, bool strict,
    usec_t timeout_us);
/* DRAINING: its client has gone: let what it sent end (cancelled at
 * cancel_at_us), roll back, settled(). */
void server_drain(struct server *s, usec_t cancel_at_us, usec_t deadline_us);
/* Sends a cancel request for what runs now. done() may be NULL. A server that
 * is CANCELING gets settled() when the last one has ended. */
void server_cancel(struct server *s, void (*done)(void *arg), void *arg);
/* Ends it: orderly, as described above. reason is a literal; it goes to the
 * log. Idempotent. */
void server_retire(struct server *s, const char *reason);

/* Between loops; only while nothing is unsent. */
void server_leave(struct server *s);
void server_arrive(struct server *s, struct loop *l);

/* While idle: expired() at deadline_us; 0 = never. */
void server_set_deadline(struct server *s, usec_t deadline_us);

/* `sql` has run: what clients had set is gone, if that is what it does. */
void server_forget_settings(struct server *s, const char *sql);
/* A CommandComplete, before the pipeline gets it: what SQL has done to
 * prepared statements. True when all have gone. */
bool server_command_tag(struct server *s, struct span tag);
/* Takes up what the pipeline tells of prepared statements. */
void server_statement_news(struct server *s);
/* Takes up a ParameterStatus; the index of a tracked one, else -1. */
int server_parameter(struct server *s, struct span body);
/* Whether its name does not stand for its address any more. */
bool server_has_moved(struct server *s);
/* For logs: "S-17: db/user@host:port". */
#define SERVER_LABEL 300
void server_label(const struct server *s, char out[SERVER_LABEL]);

#endif
