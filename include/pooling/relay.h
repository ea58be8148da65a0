/*
 * relay: one client linked to one server: bytes both ways, framed in place,
 * with the ledger of replies owed kept on the way.
 *
 * The hot path. A read takes up to LOOP_RBUF bytes into the loop's buffer;
 * whole runs of messages are written on from there with one write. Kept are
 * only the start of a message that has to be looked at whole, and what a
 * socket did not take.
 *
 * The relay holds a client's stream and a server, and tells the client's owner
 * once how it ended; by then the server has gone back to its pool (or is
 * draining, or closing) and the stream is the owner's again.
 *
 * When it ends: in transaction and statement mode when the server is idle
 * (status I, nothing owed) and the client stands between two messages; in
 * session mode when the client leaves.
 *
 * Back-pressure: reading from a server stops while more than RELAY_HIGH bytes
 * are unsent to its client, and the other way round. What is left of a reply
 * (at most that) in the client's own buffer does not hold the server.
 *
 * Thread: the worker's.
 */
#ifndef POOLING_RELAY_H
#define POOLING_RELAY_H

#include "base/base.h"
#include "base/err.h"
#include "io/stream.h"
#include "pooling/pool.h"
#include "pooling/server.h"
#include "proto/channels.h"
#include "proto/wire.h"
#include "proto/texts.h"

struct relay;
struct relay_pool;

#define RELAY_HIGH (64 * 1024)

/* Bytes of a Query or Parse that are looked at: enough for its first word. */
#define RELAY_PEEK 64
/* Whether the n bytes at p of a message that is not whole are too few to begin
 * with: it is not sent on yet, so it needs no server either. tracked: see
 * relay_tracks(). */
bool relay_wants_more(const struct pool_settings *set, bool tracked,
    const struct frame_info *f, const uint8_t *p, size_t n);
/* Whether more than n bytes of what begins at p are wanted. */
bool relay_lacks(const struct pool_settings *set, bool tracked,
    const uint8_t *p, size_t n);
/* Whether prepared statements are followed. One that has some when the setting
 * changes keeps them. */
static inline bool
relay_tracks(const struct pool_settings *set, const struct stmt_client *c)
{
	return (set->max_prepared > 0 && set->mode != POOL_SESSION &&
	    !set->replication) || c != NULL;
}

enum relay_end {
	RELAY_DONE, /* the client goes on without a server */
	RELAY_LEFT, /* the client has gone or said Terminate: close it */
	RELAY_FAILED, /* tell the client err, FATAL, and close it */
	RELAY_TOLD, /* the server's own FATAL was passed on: close it */
	RELAY_CANCELED, /* the client's request was never sent: answer it with
			 * 57014 */
};

/* A query that took at least slow_us. */
struct slow_query {
	usec_t run_us;
	usec_t wait_us; /* before it, for a server */
	uint64_t rows; /* as its CommandCompletes say */
	uint32_t pid; /* of the server */
	const char *sqlstate; /* of its first error; "" = none */
	uint64_t fingerprint; /* of its first text; 0 = it had none */
};

struct relay_owner {
	/* A slow query is over; may come inside anything but relay_start(). */
	void (*slow)(void *arg, const struct slow_query *q);
	/* The server has sent an error. */
	void (*error)(void *arg, const char *sqlstate);
	/* The client is to hear this from now on (the same as before: what was
	 * notified until now). That takes its time, and a ReadyForQuery (I) is
	 * held back meanwhile. The owner sends it, and calls relay_heard() if
	 * the relay is still there; it may be over before. */
	void (*hear)(void *arg, struct channels *want);
	/* The client stands between two transactions and keeps its server. */
	void (*rests)(void *arg);
	/* Not inside relay_start(). reason goes to the log. */
	void (*over)(void *arg, enum relay_end end, const struct err *e,
	    const char *reason);
};

struct relay_args {
	struct loop *loop;
	struct stream *client; /* its user pointer is the relay's meanwhile */
	struct keep *held; /* the client's: bytes not yet forwarded */
	struct server *server; /* SV_ACTIVE, and this client's */
	struct pool *pool;
	struct latency *latency; /* the worker's; NULL: not counted */
	struct param_set **params; /* the client's; may be replaced */
	struct settings **settings; /* the same */
	struct stmt_client **stmts; /* the client's; made here */
	struct settings **startup; /* what it asked for at login */
	const struct param_set *asked; /* ... of tracked names; or NULL */
	struct texts **texts; /* its statements that touch the session */
	struct channels **heard; /* what it listens on, elsewhere */
	const struct relay_owner *owner;
	void *arg;
	bool greeting; /* no query: the client's settings are tried */
	uint32_t client_pid; /* what it was told is its process */
	bool client_eof; /* it has sent all it will */
	bool no_query; /* disable_pqexec */
	uint32_t max_packet;
	usec_t slow_us; /* tell of queries that take as long; 0 = of none */
	usec_t wait_us; /* that the first one has waited for its server */
};

/* Relays come from a free list of the worker. */
struct relay_pool *relay_pool_new(void);
void relay_pool_free(struct relay_pool *rp);

/* Links them. `first` are bytes of the client that stand before anything that
 * will be read (or NULL: take what is held). */
struct relay *relay_start(struct relay_pool *rp, const struct relay_args *a,
    const struct span *first);
/* The owner ends it from outside (KILL, a timeout of his own): the server is
 * drained or closed, over() does not come. */
void relay_abort(struct relay *r);
/* The client is to leave: in session mode too it ends with RELAY_DONE when its
 * transaction is over; now, if at_rest and none is open. */
void relay_yield(struct relay *r, bool at_rest);
/* RELOAD: another slow_us, from the next query on. */
void relay_set_slow(struct relay *r, usec_t slow_us);
/* A CancelRequest for the client. done() comes when it has been dealt with. */
void relay_cancel(struct relay *r, void (*done)(void *arg), void *arg);
/* What hear() asked for is done, or could not be; *heard says which. */
void relay_heard(struct relay *r);
/* The client may be told something that is no answer: it keeps its server and
 * does nothing. */
bool relay_is_at_rest(const struct relay *r);
/* The client has got a part of a message: nothing may be said to it that is
 * not the rest of it. */
bool relay_is_mid_message(const struct relay *r);
/* For SHOW. */
const struct server *relay_server(const struct relay *r);
const void *relay_client(const struct relay *r); /* the owner's arg */
/* What holds the server: "executing", "idle in transaction", ... and since
 * when. */
struct relay_hold {
	const char *state; /* a literal */
	usec_t since_us;
	usec_t xact_us; /* when the transaction began; 0 = none is open */
	/* Of the query that runs; 0 = not known, since slow queries are not
	 * looked for (log_min_duration). */
	uint64_t fingerprint;
};
void relay_describe(const struct relay *r, struct relay_hold *out);
usec_t relay_query_since(const struct relay *r);
usec_t relay_request_us(const struct relay *r);
/* Why the client is kept on this server: enum pin, see proto/journal.h. */
unsigned relay_pins(const struct relay *r);
/* What tells apart statements of the same text that a server may understand in
 * different ways: all settings but application_name. params are named by
 * names. */
uint64_t relay_fingerprint(const struct param_names *names,
    const struct param_set *params, const struct settings *settings);
/* Adds what it has counted to the pool. */
void relay_flush_stats(struct relay *r);

#endif
