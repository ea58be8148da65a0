/* What a client asks for: without a server, in the queue, linked to one. */
#include <string.h>

#include "client_private.h"
#include "pooling/tally.h"
#include "proto/msg.h"
#include "proto/reply.h"
#include "proto/wire.h"

/* ---- linked to a server ---- */

static void relay_over(void *arg, enum relay_end end, const struct err *e,
    const char *reason);

static void relay_slow(void *arg, const struct slow_query *q);

static void
relay_error(void *arg, const char *sqlstate)
{
	struct client *c = arg;

	tally_add(c->home->hub->tallies[c->home->worker], TALLY_SERVER,
	    sqlstate, "");
}

static const struct relay_owner relay_owner = {
	.slow = relay_slow,
	.error = relay_error,
	.hear = client_hear,
	.rests = client_rests,
	.over = relay_over,
};

/* first: see relay_start(). */
static void
link_server(struct client *c, struct server *s, const struct span *first)
{
	struct relay_args a = {
		.loop = c->home->loop,
		.client = &c->stream,
		.held = &c->held,
		.server = s,
		.pool = c->pool,
		.params = &c->params,
		.settings = &c->settings,
		.startup = &c->startup,
		.asked = c->asked,
		.texts = &c->texts,
		.heard = &c->heard,
		.greeting = c->state == CL_GREET,
		.stmts = &c->stmts,
		.owner = &relay_owner,
		.arg = c,
		.client_pid = (uint32_t)c->cancel.key[0] << 24 |
		    (uint32_t)c->cancel.key[1] << 16 |
		    (uint32_t)c->cancel.key[2] << 8 | c->cancel.key[3],
		.client_eof = c->gone,
		.no_query = c->home->cfg->disable_pqexec,
		.max_packet = (uint32_t)c->home->cfg->max_packet_size,
		.slow_us = c->home->cfg->log_min_duration_us,
	};

	if (UNLIKELY(a.slow_us) && !first)
		a.wait_us = loop_now(a.loop) - c->waiter.since_us;
	/* Until it is welcomed the clock of the login runs on. */
	if (!a.greeting)
		timer_clear(&c->timer);
	if (!a.greeting) {
		a.latency = pool_latency(c->pool, c->home->worker);
		hist_add(&a.latency->h[LATENCY_WAIT], first ? 0 :
		    (uint64_t)(loop_now(a.loop) - c->waiter.since_us));
	}
	client_enter(c, CL_ACTIVE);
	c->notified = false;
	c->relay = relay_start(c->home->relays, &a, first);
}

/* A server, to see whether it takes what the client asked for at login. */
void
client_try_settings(struct client *c, struct server *s)
{
	c->greeting = true;
	link_server(c, s, NULL);
}

static void
relay_slow(void *arg, const struct slow_query *q)
{
	client_log_slow(arg, q);
}

void
client_granted(struct waiter *w, struct server *s)
{
	struct client *c = CONTAINER_OF(w, struct client, waiter);

	if (c->state == CL_GREET && !c->waiter.greet) {
		client_try_settings(c, s);
		return;
	}
	if (c->state == CL_GREET) {
		/* Only the welcome was wanted. */
		pool_release(s);
		c->waiter.welcomed(&c->waiter);
		return;
	}
	if (c->state != CL_WAITING) {
		(void)ensure(false);
		pool_release(s);
		return;
	}
	link_server(c, s, NULL);
}

void
client_wait_failed(struct waiter *w, const struct err *e)
{
	struct client *c = CONTAINER_OF(w, struct client, waiter);

	if (c->state == CL_CLOSED)
		loop_bury(c->home->loop, &c->bury);
	else
		client_fatal(c, e);
}

/* ---- messages of a client without a server ---- */

static void client_input(struct client *c, const uint8_t *p, size_t n);

void
client_keep(struct client *c, const uint8_t *p, size_t n)
{
	if (!keep_append(loop_keeps(c->home->loop), &c->held, p, n))
		client_fail(c, "53200", "out of memory");
}

/* False: the request is refused for e, and the client stays. */
static bool
acquire(struct client *c, const uint8_t *p, size_t n, struct err *e)
{
	usec_t now = loop_now(c->home->loop);
	struct span first = SPAN(p, n);
	struct server *s;

	c->request_us = now;
	c->waiter.greet = false;
	switch (pool_acquire(c->pool, &c->waiter, now, &s, e)) {
	case ACQUIRE_GOT:
		link_server(c, s, &first);
		break;
	case ACQUIRE_QUEUED:
		client_enter(c, CL_WAITING);
		client_keep(c, p, n);
		if (c->state == CL_WAITING)
			client_set_waiting_timer(c);
		break;
	case ACQUIRE_FULL:
		return false;
	case ACQUIRE_FAILED:
		client_fatal(c, e);
		break;
	}
	return true;
}

/* What a client may leave unread of what it is told. */
#define UNREAD_MAX (64 * 1024)

/*
 * Too many wait: the request at hand is answered with e, the session goes on.
 * The caller drops the message; of a batch, all up to its Sync is dropped.
 */
static void
refuse_at_once(struct client *c, uint8_t type, const struct err *e)
{
	struct buf b = { 0 };
	struct err told = *e;

	if (stream_unsent(&c->stream) > UNREAD_MAX) {
		client_fatal(c, e);
		return;
	}
	if (c->home->cfg->pgbouncer_sqlstates)
		copy_str(told.sqlstate, sizeof(told.sqlstate), "08P01");
	client_tally(c, e);
	client_log_full(c, e);
	reply_error(&b, "ERROR", &told);
	if (type == 'Q' || type == 'F')
		reply_ready(&b, 'I');
	else
		c->skip_sync = true;
	client_send(c, &b);
}

/* The request at the start of p will not be carried out: 57014, and what
 * belongs to it is dropped. */
static void
refuse_request(struct client *c)
{
	struct buf b = { 0 };
	struct err e;
	bool simple = keep_len(&c->held) &&
	    (keep_head(&c->held)[0] == 'Q' || keep_head(&c->held)[0] == 'F');
	struct frame_info f = { 0 };
	size_t n = keep_len(&c->held);

	err_set(&e, "57014", "canceling statement due to user request");
	client_tally(c, &e);
	reply_error(&b, "ERROR", &e);
	if (simple) {
		reply_ready(&b, 'I');
		/* Its head was looked at when it came. */
		if (wire_frame(keep_head(&c->held), n, INT32_MAX, &f) ==
		    FRAME_WHOLE) {
			keep_consume(loop_keeps(c->home->loop), &c->held,
			    f.size);
		} else {
			c->skip = f.size - (uint32_t)n;
			keep_clear(loop_keeps(c->home->loop), &c->held);
		}
	} else {
		c->skip_sync = true;
	}
	client_send(c, &b);
}

/* Goes on with what is held. */
void
client_input_held(struct client *c)
{
	struct keep k = c->held;

	memset(&c->held, 0, sizeof(c->held));
	if (keep_len(&k))
		client_input(c, keep_head(&k), keep_len(&k));
	keep_clear(loop_keeps(c->home->loop), &k);
	if (c->gone && c->state == CL_IDLE)
		client_close(c, "client unexpected eof");
}

static void
client_sync(struct client *c)
{
	struct buf b = { 0 };

	c->skip_sync = false;
	reply_ready(&b, 'I');
	client_send(c, &b);
}

/*
 * Statements are closed on no server (others may use them), so a batch of
 * nothing but that needs none: a Close is answered here, and so is a Sync behind
 * it. What else comes in the batch goes to a server as if it began there.
 */
static bool
close_here(struct client *c, const struct frame_info *f, const uint8_t *p,
    bool whole)
{
	struct buf b = { 0 };
	const char *name;
	uint8_t kind;

	if (c->closes && f->type == 'S') {
		c->closes = false;
		client_sync(c);
		return true;
	}
	c->closes = false;
	if (f->type != 'C' || !whole || !c->stmts ||
	    stream_unsent(&c->stream) > UNREAD_MAX ||
	    !msg_target(SPAN(p + WIRE_HEAD, f->size - WIRE_HEAD), &kind,
		&name) || kind != 'S')
		return false;
	stmt_client_close(c->stmts, span_of(name));
	reply_bare(&b, '3');
	client_send(c, &b);
	c->closes = true;
	return true;
}

static void
client_input(struct client *c, const uint8_t *p, size_t n)
{
	struct frame_info f;
	enum frame kind;
	struct err e;
	size_t take;

	while (n > 0 && c->state == CL_IDLE) {
		if (c->skip) {
			take = c->skip < n ? c->skip : n;
			c->skip -= (uint32_t)take;
			p += take;
			n -= take;
			continue;
		}
		if (p[0] == 'X') {
			client_close(c, "client close request");
			return;
		}
		kind = wire_frame(p, n,
		    (uint32_t)c->home->cfg->max_packet_size, &f);
		if (kind == FRAME_BAD) {
			client_bad_header(c, SPAN(p, n));
			return;
		}
		if (kind == FRAME_MORE || (kind == FRAME_PART &&
			!c->skip_sync && relay_wants_more(c->pool->set,
				relay_tracks(c->pool->set, c->stmts), &f, p,
				n))) {
			client_keep(c, p, n);
			return;
		}
		if (!frontend_type_is_known(f.type)) {
			client_fail(c, "08P01", "unknown pkt");
			return;
		}
		if (UNLIKELY(f.type == 'C' || c->closes) && !c->skip_sync &&
		    close_here(c, &f, p, kind == FRAME_WHOLE)) {
			p += f.size;
			n -= f.size;
			continue;
		}
		if (!c->skip_sync && !frontend_type_is_copy(f.type)) {
			if (LIKELY(acquire(c, p, n, &e)))
				return;
			refuse_at_once(c, f.type, &e);
			if (c->state != CL_IDLE)
				return;
		}
		take = f.size < n ? f.size : n;
		c->skip = f.size - (uint32_t)take;
		if (c->skip_sync && f.type == 'S')
			client_sync(c);
		p += take;
		n -= take;
	}
	if (n > 0 && c->state != CL_IDLE && c->state != CL_CLOSING &&
	    c->state != CL_CLOSED)
		(void)ensure(false);
}

void
client_go_on(struct client *c)
{
	if (UNLIKELY(keep_len(&c->held) || c->gone))
		client_input_held(c);
	if (UNLIKELY(c->leaving) && c->state == CL_IDLE)
		client_part(c);
}

static void
relay_over(void *arg, enum relay_end end, const struct err *e,
    const char *reason)
{
	struct client *c = arg;

	c->request_us = loop_now(c->home->loop);
	c->relay = NULL;
	stream_set_ops(&c->stream, &client_stream_ops);
	if (UNLIKELY(c->greeting) && end == RELAY_DONE) {
		client_settings_taken(c);
		return;
	}
	switch (end) {
	case RELAY_DONE:
		if (UNLIKELY(c->ear != NULL) && client_is_hearing(c)) {
			client_enter(c, CL_HEARING);
			stream_resume(&c->stream);
			break;
		}
		client_enter_idle(c);
		stream_resume(&c->stream);
		if (UNLIKELY(c->ear != NULL))
			client_tell_heard(c);
		client_go_on(c);
		break;
	case RELAY_CANCELED:
		client_enter_idle(c);
		stream_resume(&c->stream);
		if (UNLIKELY(c->ear != NULL))
			client_tell_heard(c);
		refuse_request(c);
		client_input_held(c);
		break;
	case RELAY_FAILED:
		client_fatal(c, e);
		break;
	case RELAY_TOLD:
		c->told = true;
		client_close(c, reason);
		break;
	case RELAY_LEFT:
		client_close(c, reason);
		break;
	}
}

/* Whether what is held is at least one whole message. */
static bool
holds_whole_message(const struct client *c)
{
	struct frame_info f;

	return keep_len(&c->held) &&
	    wire_frame(keep_head(&c->held), keep_len(&c->held), INT32_MAX,
		&f) == FRAME_WHOLE;
}

/* A queueing client has sent more, or has gone. */
void
client_waiting_readable(struct client *c)
{
	uint8_t *p = loop_lease(c->home->loop);
	ssize_t n = stream_read(&c->stream, p, LOOP_RBUF);

	if (n > 0)
		client_keep(c, p, (size_t)n);
	loop_unlease(c->home->loop);
	if (c->state != CL_WAITING && c->state != CL_HEARING)
		return;
	if (n == STREAM_ERROR ||
	    (n == STREAM_EOF && !holds_whole_message(c))) {
		client_close(c, "client unexpected eof");
		return;
	}
	/* What it sent whole before its end is carried out in its turn. */
	if (n == STREAM_EOF)
		c->gone = true;
	if (c->gone || keep_len(&c->held) >= WAITING_MAX)
		stream_pause(&c->stream);
}

/* More of a long message that is held. */
static void
input_more(struct client *c, const uint8_t *p, size_t n)
{
	const struct pool_settings *set = c->pool->set;

	client_keep(c, p, n);
	if (c->state == CL_IDLE && !relay_lacks(set,
		relay_tracks(set, c->stmts), keep_head(&c->held),
		keep_len(&c->held)))
		client_input_held(c);
}

void
client_idle_readable(struct client *c)
{
	struct loop *l = c->home->loop;
	uint8_t *p = loop_lease(l);
	size_t kept = keep_len(&c->held);
	ssize_t n;

	if (UNLIKELY(kept > LOOP_RBUF_FRONT)) {
		n = stream_read(&c->stream, p, LOOP_RBUF);
		if (n > 0)
			input_more(c, p, (size_t)n);
		loop_unlease(l);
		if (n < 0)
			client_close(c, "client unexpected eof");
		return;
	}
	if (UNLIKELY(kept))
		memcpy(p, keep_head(&c->held), kept);
	n = stream_read(&c->stream, p + kept, LOOP_RBUF);
	if (LIKELY(n > 0)) {
		if (UNLIKELY(kept))
			keep_clear(loop_keeps(l), &c->held);
		client_input(c, p, kept + (size_t)n);
	}
	loop_unlease(l);
	if (UNLIKELY(n < 0))
		client_close(c, "client unexpected eof");
}

/* ---- cancel ---- */

static void
call_is_over(void *arg)
{
	cancel_call_over(arg);
}

/* Somebody has this client's key: its current query is meant. */
void
client_called(struct cancel_entry *e, struct cancel_call *call)
{
	struct client *c = CONTAINER_OF(e, struct client, cancel);

	if (c->state == CL_ACTIVE) {
		relay_cancel(c->relay, call_is_over, call);
		return;
	}
	if (c->state == CL_WAITING && pool_leave(c->pool, &c->waiter)) {
		client_enter_idle(c);
		stream_resume(&c->stream);
		refuse_request(c);
		client_input_held(c);
	}
	cancel_call_over(call);
}
