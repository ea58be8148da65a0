/*
 * The parts of one relay and what they say to each other.
 *
 * relay.c: its beginning and end, and when it is done. relay_clock.c: its
 * timeouts. relay_up.c: the client's bytes. relay_down.c: the server's.
 * relay_sync.c: the replay of the client's settings. relay_stmt.c: prepared
 * statements; relay_sql.c: those of SQL's PREPARE; relay_again.c: batches that
 * are sent twice. relay_state.c: what the client's statements do to its session;
 * relay_listen.c: LISTEN. relay_reset.c: RESET of what the client asked for at
 * login. relay_slow.c: queries that take long.
 */
#ifndef POOLING_RELAY_PRIVATE_H
#define POOLING_RELAY_PRIVATE_H

#include <string.h>

#include "io/gather.h"
#include "pooling/relay.h"
#include "proto/journal.h"
#include "proto/sql.h"
#include "proto/texts.h"

/* Cancel requests under way at one server. */
#define MAX_CANCELS 2
/* How long the replay of settings may take. */
#define SYNC_US (15 * USEC_PER_SEC)

/* What the relays of a worker share. */
struct relay_pool {
	struct relay *spare;
	int n;
	uint64_t unnamed_id; /* the last one given; begins at random */
	struct gather out; /* of the batch that is being handled */
	struct sql_info info; /* of the text that is being looked at */
};

/* What is remembered of a query while it runs, if slow ones are told of. */
#define SLOW_TEXT 512 /* bytes of its text that count */
struct relay_slow {
	uint64_t rows;
	size_t text_n;
	char sqlstate[6];
	uint8_t text[SLOW_TEXT];
};

/* Of a batch that is kept. */
enum again_stage {
	AGAIN_FIRST, /* it has been sent */
	AGAIN_WAITS, /* its error was swallowed; up to ReadyForQuery */
	AGAIN_SECOND, /* it has been sent again; the answer to its Describe,
		       * of which the client has the first half */
};

struct relay {
	struct relay *next; /* in the free list */
	struct relay_pool *home;
	struct relay_args a;
	struct relay_slow *slow; /* NULL until it is needed; stays */
	struct pool_settings *set;
	uint32_t up_skip; /* of a message to the server, still to come */
	bool up_drop; /* ... and it is not sent on */
	bool tracked; /* prepared statements are followed */
	bool stalled; /* the client's bytes wait: RELAY_UP_WAIT */
	bool hears; /* ... for relay_heard(), with a ReadyForQuery held back */
	uint32_t batch; /* Syncs sent */
	uint32_t unnamed_batch; /* ... when the last unnamed Parse was */
	bool sql_portal; /* the unnamed portal prepares or deallocates */
	bool may_set; /* something under way may change settings */
	uint32_t down_skip;
	bool down_forward; /* ... and whether its bytes go to the client */
	bool syncing; /* our SET runs; the client's bytes are held */
	bool sync_both; /* ... of parameters and of other settings */
	bool cancel_wanted; /* a cancel came meanwhile */
	bool block; /* statement mode: the server is in a transaction block */
	bool may_commit; /* something that may commit has been sent */
	bool named_commit; /* a named statement that commits exists */
	bool server_fatal; /* its ErrorResponse was FATAL or worse */
	bool over;
	bool yields; /* a session too ends with its transaction */
	bool timed; /* some timeout is configured */
	usec_t xact_us; /* when the transaction began; 0 = none */
	usec_t query_us; /* when the query began; 0 = none runs */
	usec_t request_us;
	usec_t idle_us; /* since when it idles in a transaction */
	usec_t gone_us; /* client_eof since */
	usec_t sync_us; /* our SET runs since */
	struct err *lacking; /* why our own Parse failed, for its EXECUTE */
	usec_t pin_us; /* pinned, and idle since */
	bool looked; /* the text that comes again has been looked at */
	bool watched; /* what texts do to the session matters */
	bool reset; /* the server is to be reset behind this client */
	bool had_error; /* since everything was answered last */
	/* relay_again.c. The statement of the batch that is kept, which the
	 * server has until that has been answered; NULL: none is kept. */
	struct stmt *again;
	bool again_seen; /* the client was told of its columns before */
	enum again_stage again_stage;
	uint64_t again_told; /* hash of the parameters it was told; 0: none */
	struct buf again_bytes; /* as they were sent; the memory stays */
	unsigned pins; /* enum pin */
	uint32_t text_batch; /* changes with every Query and Sync */
	struct relay_state *state; /* NULL: nothing has been done */
	bool asked_for; /* startup settings, which a RESET gives back */
	struct resets *resets; /* under way; nearly always NULL */
	struct timer timer;
	struct task task; /* brings over() */
	enum relay_end end;
	const char *reason;
	struct err *err;
};

static inline struct server *
relay_server_of(const struct relay *r)
{
	return r->a.server;
}

/* ---- relay.c: its end ---- */

/* Ends, each with what the owner and the log are told. None does anything
 * when the relay is over already. */
void relay_client_left(struct relay *r, const char *reason, bool at_once);
void relay_client_refused(struct relay *r, const struct err *e);
void relay_client_error(struct relay *r, const char *sqlstate,
    const char *text);
void relay_client_bad_header(struct relay *r, struct span bytes);
/* e NULL: the server's own FATAL has been passed on. */
void relay_server_failed(struct relay *r, const struct err *e,
    const char *reason);
void relay_server_nonsense(struct relay *r, const char *reason);
/* A clean server goes back to its pool. */
void relay_finish(struct relay *r, enum relay_end how, const struct err *e,
    const char *reason);
/* The client's part is over; the server is drained or closed. at_once: what
 * runs is cancelled without waiting for client_gone_grace. */
void relay_leave_server(struct relay *r, bool at_once);
/* Tells the owner in this turn, but not inside what is going on. */
void relay_end(struct relay *r, enum relay_end how, const struct err *e,
    const char *reason);

/* After a batch either way: is anybody done? */
void relay_settle(struct relay *r);
/* Reading stops on the side whose counterpart does not keep up. */
void relay_balance(struct relay *r);

/* ---- relay_clock.c ---- */

void relay_set_timer(struct relay *r);
void relay_on_timer(struct timer *t);
/* The first message of a query, or of a transaction. */
void relay_begin_query(struct relay *r);
/* Nothing is owed any more. */
void relay_end_query(struct relay *r);
/* The client keeps an idle server: its clock begins. */
void relay_pinned(struct relay *r);

/* They end now: counters and histograms are told. */
static inline void
relay_note_query(struct relay *r, usec_t now)
{
	uint64_t us = (uint64_t)(now - r->query_us);

	r->a.server->counters.query_us += us;
	if (LIKELY(r->a.latency))
		hist_add(&r->a.latency->h[LATENCY_QUERY], us);
}

static inline void
relay_note_xact(struct relay *r, usec_t now)
{
	uint64_t us = (uint64_t)(now - r->xact_us);

	r->a.server->counters.xact_us += us;
	if (LIKELY(r->a.latency))
		hist_add(&r->a.latency->h[LATENCY_XACT], us);
}

/* ---- relay_up.c ---- */

extern const struct stream_ops relay_client_ops;

/* Handles the client's bytes; returns how many are left over: the start of a
 * message that has to be there further. */
size_t relay_feed_up(struct relay *r, const uint8_t *p, size_t n);
/* ... and they are kept by this. */
void relay_keep_rest(struct relay *r, const uint8_t *p, size_t n);
/* What was held goes on now. */
void relay_feed_held(struct relay *r);
/* The client's bytes have been passed on. */
void relay_after_up(struct relay *r);

/* ---- relay_stmt.c ---- */

/* What becomes of a message. */
enum relay_up {
	RELAY_UP_PASS, /* goes on as it is, and is to be booked */
	RELAY_UP_BOOKED, /* has been dealt with; what goes on begins at *from */
	RELAY_UP_WAIT, /* what it means is not certain yet: it waits */
	RELAY_UP_FAIL, /* the client is to be told e, FATAL */
};
/* A Parse, Bind, Describe, Close or, if sql_portal, Execute, of which n bytes at p are there. What is
 * sent before it stands in the worker's `out`, and behind that from *from. */
enum relay_up relay_statement(struct relay *r, const struct frame_info *f,
    const uint8_t *p, size_t n, const uint8_t **from, struct err *e);
/* In place of a Query or a Parse something goes on that fails, and the client
 * is told e in place of its error: so a transaction goes the way it would go if
 * the server itself had refused it. */
enum relay_up relay_refuse(struct relay *r, const struct frame_info *f,
    const uint8_t *p, size_t n, const uint8_t **from, struct err *e);
/* The same for a Query. */
enum relay_up relay_statement_query(struct relay *r,
    const struct frame_info *f, const uint8_t *p, size_t n,
    const uint8_t **from, struct err *e);
/* The pipeline has news: takes them up, and puts answers that are made up
 * into `out`. */
void relay_statement_news(struct relay *r);

/* ---- relay_again.c: a batch whose first statement may be stale ---- */

/* A Bind or Describe of st, which the server has: it is the first of its batch,
 * nothing is under way, and it stands alone in `out`. seen: the client was
 * told of its columns earlier. */
static inline void
relay_again_keep(struct relay *r, struct stmt *st, bool seen)
{
	r->again = st;
	r->again_seen = seen;
	r->again_stage = AGAIN_FIRST;
	r->again_told = 0;
	r->again_bytes.start = r->again_bytes.end = 0;
}
/* A longer batch is not kept. */
#define AGAIN_MAX (64 * 1024)
/* While one is kept: what is in `out` will be sent. */
static inline void
relay_again_note(struct relay *r)
{
	if (UNLIKELY(!gather_copy(&r->home->out, &r->again_bytes, AGAIN_MAX)))
		r->again = NULL;
}
/* While one is kept: a message of the server, of which all is there or not. */
enum again {
	AGAIN_PASS, /* it is as any other */
	AGAIN_SWALLOW, /* the client does not see it */
	AGAIN_BAD, /* it does not fit */
};
enum again relay_again_got(struct relay *r, uint8_t type, struct span body,
    bool whole);
/* The same for the first byte of what comes: nearly always it is BindComplete,
 * and nothing can be wrong any more. */
static inline void
relay_again_begins(struct relay *r, uint8_t type)
{
	if (LIKELY(type == '2' && r->again_stage == AGAIN_FIRST))
		r->again = NULL;
}

/* ---- relay_state.c ---- */

/* Each message on its way up, of which n bytes at p are there, before it is
 * booked (also more than once, if it has to wait). False with e: it is to be
 * refused. */
bool relay_state_up(struct relay *r, const struct frame_info *f,
    const uint8_t *p, size_t n, struct err *e);
/* What the client has set as of now, within its transaction; *steady becomes
 * false if something else holds until the end of it. */
struct settings *relay_state_settings(const struct relay *r, bool *steady);
/* With a state only: an answer to the client on its way down, C I s E or Z.
 * Returns v, or what becomes of it instead: PIPE_REPLACE, a CommandComplete of
 * LISTEN goes on in its place; PIPE_SWALLOW, it is held back. */
enum pipe_verdict relay_state_got(struct relay *r, uint8_t type,
    struct span body, enum pipe_verdict v);
/* The client listens, and what it does is followed from its first word on. */
void relay_state_begin(struct relay *r);
/* Without a state: a CommandComplete that no text had announced? */
void relay_state_surprise(struct relay *r, struct span tag);
/* A text has been sent that may have done anything. */
void relay_state_doubt(struct relay *r);
/* The server is asked what it has: the row it answers with, and the end of the
 * answer. */
bool relay_state_asks(const struct relay *r);
static inline bool
relay_state_is_asking(const struct relay *r)
{
	return UNLIKELY(r->state != NULL) && relay_state_asks(r);
}
void relay_state_answer(struct relay *r, struct span row);
void relay_state_asked(struct relay *r);
/* Everything is answered. */
static inline void
relay_state_settled(struct relay *r)
{
	if (UNLIKELY(*r->a.texts != NULL))
		texts_settle(r->a.texts, r->had_error);
	r->had_error = false;
}
/* ... and the server is idle; with a state only. True when it cannot go: it is
 * asked something, or the client is pinned to it. Else the state is over. */
bool relay_state_holds(struct relay *r);
/* With a state only: the client leaves the server as it is. */
void relay_state_leave(struct relay *r);
void relay_state_free(struct relay *r);

/* How a text is to be read that the client sends now: for sql_scan(). */
unsigned relay_scan_options(const struct relay *r);

/* ---- relay_reset.c: only while asked_for ---- */

/* A text of this content is sent; or one that nobody has read yet. */
void relay_reset_note(struct relay *r, const struct sql_info *info);
void relay_reset_text(struct relay *r, struct span text);
/* With resets under way only: a CommandComplete; everything is answered (true:
 * our SETs are sent, see relay_sync()); these are. */
void relay_reset_completed(struct relay *r, struct span tag);
bool relay_reset_apply(struct relay *r);
void relay_reset_applied(struct relay *r);
/* What is under way failed, or the relay ends. */
void relay_reset_free(struct relay *r);

/* ---- relay_listen.c ---- */

/* Whether that statement is a LISTEN that the pool's fanout carries out, so that
 * UNLISTEN goes to the client's server; and whether there is one. */
bool relay_listen_is_shared(const struct relay *r, const struct sql_info *info,
    const struct sql_stmt *s);
bool relay_listen_any_shared(const struct relay *r,
    const struct sql_info *info);
/* With a state only: a message of this type is to come behind an answer that
 * may be held back. */
bool relay_listen_waits(const struct relay *r, uint8_t type);

/* ---- relay_down.c ---- */

extern const struct stream_ops relay_server_ops;

/* ---- relay_slow.c: only while slow_us is set ---- */

void relay_slow_new(struct relay *r);
void relay_slow_tell(struct relay *r, usec_t run_us);
/* Of the query that runs; 0 = its text is not kept. */
uint64_t relay_slow_fingerprint(const struct relay *r);
/* A query begins; its text comes behind. */
static inline void
relay_slow_begin(struct relay *r)
{
	if (UNLIKELY(!r->slow))
		relay_slow_new(r);
	r->slow->rows = 0;
	r->slow->text_n = 0;
	r->slow->sqlstate[0] = '\0';
}

void relay_slow_keep(struct relay *r, uint8_t type, const uint8_t *body,
    size_t n);
void relay_slow_count(struct relay *r, const uint8_t *body, size_t n);

/* body: of a Query or Parse, or the beginning of it. A query of several
 * messages goes by its first text. */
static inline void
relay_slow_text(struct relay *r, uint8_t type, const uint8_t *body, size_t n)
{
	struct relay_slow *sl = r->slow;

	if (sl->text_n)
		return;
	if (UNLIKELY(type != 'Q' || n > sizeof(sl->text))) {
		relay_slow_keep(r, type, body, n);
		return;
	}
	memcpy(sl->text, body, n);
	sl->text_n = n;
}

/* body: of a CommandComplete: "SELECT 5", "INSERT 0 5", "BEGIN". */
static inline void
relay_slow_complete(struct relay *r, const uint8_t *body, size_t n)
{
	if (UNLIKELY(!r->slow))
		return;
	/* Most give a few rows. */
	if (LIKELY(n > 2 && body[n - 1] == 0 && body[n - 3] == ' ' &&
		body[n - 2] >= '0' && body[n - 2] <= '9'))
		r->slow->rows += (uint64_t)(body[n - 2] - '0');
	else
		relay_slow_count(r, body, n);
}
/* The query is over; query_us still says when it began. */
static inline void
relay_slow_end(struct relay *r, usec_t now)
{
	if (UNLIKELY(now - r->query_us >= r->a.slow_us))
		relay_slow_tell(r, now - r->query_us);
	r->a.wait_us = 0;
}

/* ---- relay_sync.c ---- */

/* Makes the server's settings those of the client. False when a SET is under
 * way, behind which the client's bytes have to wait. */
bool relay_sync(struct relay *r);
/* Our SETs have been answered, or not yet. */
void relay_synced(struct relay *r);
/* The same by these texts (freed; either may be empty, not both). */
void relay_send_sets(struct relay *r, struct buf *params,
    struct buf *settings);
/* The ErrorResponse to one of them. */
void relay_sync_refused(struct relay *r, struct span body);
/* The server's error as ours; NULL when it cannot be read. */
struct err *relay_error_of(struct span body);

#endif
