/* One client linked to one server. */
#include "pooling/relay.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "proto/msg.h"
#include "proto/reply.h"
#include "proto/wire.h"

/* Cancel requests under way at one server. */
#define MAX_CANCELS 2
/* How long the replay of settings may take. */
#define SYNC_US (15 * USEC_PER_SEC)
/* How many free relays a worker holds on to. */
#define SPARE_MAX 1024

struct relay {
	struct relay *next; /* in the free list */
	struct relay_pool *home;
	struct relay_args a;
	struct pool_settings *set;
	uint32_t up_skip; /* of a message to the server, still to come */
	uint32_t down_skip;
	bool down_forward; /* ... and whether its bytes go to the client */
	bool syncing; /* our SET runs; the client's bytes are held */
	bool cancel_wanted; /* a cancel came meanwhile */
	bool block; /* statement mode: the server is in a transaction block */
	bool may_commit; /* something that may commit has been sent */
	bool named_commit; /* a named statement that commits exists */
	bool server_fatal; /* its ErrorResponse was FATAL or worse */
	bool over;
	bool timed; /* some timeout is configured */
	usec_t xact_us; /* when the transaction began; 0 = none */
	usec_t query_us; /* when the query began; 0 = none runs */
	usec_t request_us;
	usec_t idle_us; /* since when it idles in a transaction */
	usec_t gone_us; /* client_eof since */
	usec_t sync_us; /* our SET runs since */
	struct timer timer;
	struct task task; /* brings over() */
	enum relay_end end;
	const char *reason;
	struct err *err;
};

struct relay_pool {
	struct relay *spare;
	int n;
};

struct relay_pool *
relay_pool_new(void)
{
	return xcalloc(1, sizeof(struct relay_pool));
}

void
relay_pool_free(struct relay_pool *rp)
{
	struct relay *r;

	while ((r = rp->spare)) {
		rp->spare = r->next;
		free(r);
	}
	free(rp);
}

static void on_timer(struct timer *t);
static void on_over(struct task *t);
static const struct stream_ops client_ops, server_ops;

static struct relay *
relay_new(struct relay_pool *rp)
{
	struct relay *r = rp->spare;

	if (r) {
		rp->spare = r->next;
		rp->n--;
		memset(r, 0, sizeof(*r));
	} else {
		r = xcalloc(1, sizeof(*r));
	}
	r->home = rp;
	timer_init(&r->timer, on_timer);
	r->task.fn = on_over;
	return r;
}

static void
relay_free(struct relay *r)
{
	struct relay_pool *rp = r->home;

	timer_fini(&r->timer);
	free(r->err);
	if (rp->n >= SPARE_MAX) {
		free(r);
		return;
	}
	r->next = rp->spare;
	rp->spare = r;
	rp->n++;
}

/* ---- the end ---- */

static struct server *
server_of(struct relay *r)
{
	return r->a.server;
}

/* Takes both streams out of the relay's hands. */
static void
unlink_streams(struct relay *r)
{
	struct server *s = server_of(r);

	timer_clear(&r->timer);
	r->over = true;
	server_listen(s);
	s->skip_out = r->up_skip;
	s->skip = r->down_skip;
	s->request_us = 0;
	if (r->xact_us)
		s->counters.xact_us +=
		    (uint64_t)(loop_now(r->a.loop) - r->xact_us);
	if (r->query_us)
		s->counters.query_us +=
		    (uint64_t)(loop_now(r->a.loop) - r->query_us);
	r->xact_us = r->query_us = 0;
}

/* Tells the owner in this turn, but not inside what is going on. */
static void
end(struct relay *r, enum relay_end how, const struct err *e,
    const char *reason)
{
	/* What is said in the middle of a message is read as part of it. */
	if (how == RELAY_FAILED && relay_is_mid_message(r))
		how = RELAY_LEFT;
	r->end = how;
	r->reason = reason;
	if (e) {
		r->err = xmalloc(sizeof(*r->err));
		*r->err = *e;
	}
	loop_defer(r->a.loop, &r->task);
}

static void
on_over(struct task *t)
{
	struct relay *r = CONTAINER_OF(t, struct relay, task);
	struct relay_args a = r->a;
	enum relay_end how = r->end;
	struct err e, *pe = NULL;
	const char *reason = r->reason;

	if (r->err) {
		e = *r->err;
		pe = &e;
	}
	relay_free(r);
	a.owner->over(a.arg, how, pe, reason);
}

/* Nothing is owed, and both sides stand between two messages. */
static bool
server_is_clean(struct relay *r)
{
	return pipeline_is_idle(&server_of(r)->pipeline) && !r->up_skip &&
	    !r->down_skip;
}

/* A clean one goes back to its pool. */
static void
release_server(struct relay *r)
{
	struct server *s = server_of(r);

	unlink_streams(r);
	s->dirty = r->set->reset_always || r->set->mode == POOL_SESSION;
	pool_release(s);
}

static void
finish(struct relay *r, enum relay_end how, const char *reason)
{
	release_server(r);
	end(r, how, NULL, reason);
}

/* The client has gone, and the server is not idle. */
static void
leave_server(struct relay *r, bool at_once)
{
	struct server *s = server_of(r);

	unlink_streams(r);
	s->dirty = r->set->reset_always || r->set->mode == POOL_SESSION;
	/* Half a message can not be taken back, nor completed. */
	if (r->set->replication)
		pool_discard(s, "replication client was closed");
	else if (r->up_skip)
		pool_discard(s, "client disconnect before everything was sent "
		    "to the server");
	else
		pool_drain(s, at_once, r->may_commit);
}

static void
client_left(struct relay *r, const char *reason, bool at_once)
{
	if (r->over)
		return;
	if (server_is_clean(r)) {
		finish(r, RELAY_LEFT, reason);
		return;
	}
	leave_server(r, at_once);
	end(r, RELAY_LEFT, NULL, reason);
}

/* The server can not be used any more. */
static void
server_failed(struct relay *r, const struct err *e, const char *reason)
{
	if (r->over)
		return;
	unlink_streams(r);
	pool_discard(server_of(r), reason);
	end(r, e ? RELAY_FAILED : RELAY_TOLD, e, reason);
}

static void
server_nonsense(struct relay *r, const char *reason)
{
	struct err e;

	err_set(&e, "08P01", "%s", reason);
	err_detail(&e, "server connection of database \"%s\" sent something "
	    "that no protocol allows here; it was closed",
	    server_of(r)->target->database);
	server_failed(r, &e, reason);
}

static void
client_refused(struct relay *r, const struct err *e)
{
	if (r->over)
		return;
	leave_server(r, true);
	end(r, RELAY_FAILED, e, "client error");
}

static void
client_error(struct relay *r, const char *sqlstate, const char *text)
{
	struct err e;

	err_set(&e, sqlstate, "%s", text);
	client_refused(r, &e);
}

static void
client_bad_header(struct relay *r, struct span bytes)
{
	struct err e;

	msg_bad_header(bytes, &e);
	client_refused(r, &e);
}

/* ---- clocks ---- */

static usec_t
earlier(usec_t a, usec_t since, usec_t after)
{
	if (!since || !after)
		return a;
	return !a || since + after < a ? since + after : a;
}

static void
set_timer(struct relay *r)
{
	const struct pool_settings *set = r->set;
	usec_t at = 0;

	if (r->over)
		return;
	at = earlier(at, r->sync_us, SYNC_US);
	at = earlier(at, r->query_us, set->query_timeout_us);
	at = earlier(at, r->idle_us, set->idle_transaction_timeout_us);
	at = earlier(at, r->xact_us, set->transaction_timeout_us);
	at = earlier(at, r->a.client->stuck_us, set->write_timeout_us);
	if (set->gone_cancel && !r->may_commit)
		at = earlier(at, r->gone_us, set->gone_grace_us + 1);
	if (at)
		timer_set(r->a.loop, &r->timer, at);
	else
		timer_clear(&r->timer);
}

static bool
is_over(usec_t since, usec_t after, usec_t now)
{
	return since && after && now - since >= after;
}

static void
sync_timed_out(struct relay *r)
{
	struct err e;

	err_set(&e, "08006", "server conn crashed?");
	err_detail(&e, "the server did not answer for %lld s when settings of "
	    "this client were replayed", (long long)(SYNC_US / USEC_PER_SEC));
	server_failed(r, &e, "var change failed");
}

static void
on_timer(struct timer *t)
{
	struct relay *r = CONTAINER_OF(t, struct relay, timer);
	const struct pool_settings *set = r->set;
	usec_t now = loop_now(r->a.loop);

	if (r->over)
		return;
	if (is_over(r->sync_us, SYNC_US, now))
		sync_timed_out(r);
	else if (is_over(r->query_us, set->query_timeout_us, now))
		client_error(r, "57014", "query timeout");
	else if (is_over(r->idle_us, set->idle_transaction_timeout_us, now))
		client_error(r, "25P03", "idle transaction timeout");
	else if (is_over(r->xact_us, set->transaction_timeout_us, now))
		client_error(r, "25P04", "transaction timeout");
	else if (is_over(r->a.client->stuck_us, set->write_timeout_us, now))
		client_left(r, "client_write_timeout", true);
	else if (set->gone_cancel && !r->may_commit &&
	    is_over(r->gone_us, set->gone_grace_us + 1, now))
		client_left(r, "client unexpected eof", true);
	else
		set_timer(r);
}

/* The first message of a query, or of a transaction. */
static void
begin_query(struct relay *r)
{
	struct counters *c = &server_of(r)->counters;
	usec_t now = loop_now(r->a.loop);

	r->query_us = now;
	r->request_us = now;
	r->idle_us = 0;
	server_of(r)->request_us = now;
	c->queries++;
	if (!r->xact_us) {
		r->xact_us = now;
		c->xacts++;
	}
	if (UNLIKELY(r->timed || r->gone_us))
		set_timer(r);
}

/* Nothing is owed any more. */
static void
end_query(struct relay *r)
{
	struct server *s = server_of(r);
	struct counters *c = &s->counters;
	usec_t now = loop_now(r->a.loop);

	c->query_us += (uint64_t)(now - r->query_us);
	r->query_us = 0;
	s->request_us = 0;
	if (s->pipeline.status == 'I') {
		c->xact_us += (uint64_t)(now - r->xact_us);
		r->xact_us = 0;
		r->may_commit = false;
	} else {
		r->idle_us = now;
	}
	if (UNLIKELY(r->timed))
		set_timer(r);
}

/* ---- where they stand ---- */

/* Reading stops on the side whose counterpart does not keep up. */
static void
balance(struct relay *r)
{
	struct server *s = server_of(r);

	if (stream_unsent(r->a.client) > RELAY_HIGH)
		stream_pause(&s->stream);
	else
		stream_resume(&s->stream);
	if (r->gone_us || r->syncing ||
	    stream_unsent(&s->stream) > RELAY_HIGH ||
	    pipeline_is_full(&s->pipeline))
		stream_pause(r->a.client);
	else
		stream_resume(r->a.client);
	if (UNLIKELY(r->a.client->stuck_us && r->set->write_timeout_us))
		set_timer(r);
}

/* After a batch either way: is anybody done? */
static void
settle(struct relay *r)
{
	struct server *s = server_of(r);
	struct pipeline *p = &s->pipeline;

	if (r->over)
		return;
	if (UNLIKELY(r->block)) {
		client_error(r, "0A000", "transaction blocks not allowed in "
		    "statement pooling mode");
		return;
	}
	if (UNLIKELY(pipeline_is_doubtful(p)) && !r->up_skip &&
	    (r->gone_us ||
		(r->set->mode != POOL_SESSION && p->status == 'I'))) {
		/* The client has had all its answers; what is left in the
		 * queue may never be answered. A session, or an open
		 * transaction, goes on with this server all the same. */
		unlink_streams(r);
		pool_discard(s, "COPY failed, and its Syncs can not be told "
		    "apart");
		end(r, r->gone_us ? RELAY_LEFT : RELAY_DONE, NULL,
		    "client unexpected eof");
		return;
	}
	if (r->gone_us && (p->copy_in || pipeline_wants_sync(p))) {
		/* The server waits for what will never come. */
		client_left(r, "client unexpected eof", false);
		return;
	}
	if (!pipeline_is_settled(p) || r->up_skip || r->down_skip) {
		balance(r);
		return;
	}
	if (r->query_us)
		end_query(r);
	if (r->gone_us) {
		client_left(r, "client unexpected eof", true);
		return;
	}
	if (p->status == 'I' && r->set->mode != POOL_SESSION &&
	    stream_unsent(r->a.client) <= RELAY_HIGH) {
		finish(r, RELAY_DONE, NULL);
		return;
	}
	balance(r);
}

/* ---- client to server ---- */

/* COMMIT, END and PREPARE begin with one of three letters, or behind white
 * space or a comment: nearly every statement is told by its first byte. */
static inline bool
may_start_commit(const uint8_t *text, size_t n)
{
	uint8_t c = n ? text[0] | 0x20 : 0;

	return c < 'a' || c > 'z' || c == 'c' || c == 'e' || c == 'p';
}

/* Whether a Query or Parse that starts so may commit a transaction: a server
 * on which such a thing runs is never cancelled for a client that has gone. */
static void
peek_commit(struct relay *r, uint8_t type, const uint8_t *body, size_t n)
{
	const uint8_t *text = body, *end_of_name;

	if (type == 'P') {
		end_of_name = memchr(body, 0, n);
		if (!end_of_name)
			return;
		text = end_of_name + 1;
		n -= (size_t)(text - body);
	}
	if (LIKELY(!may_start_commit(text, n)) ||
	    !sql_is_commit(SPAN(text, n)))
		return;
	if (type == 'P' && body[0])
		r->named_commit = true;
	r->may_commit = true;
}

/* One message head (and as much of its body as is there). False: stop. */
static bool
up_message(struct relay *r, const struct frame_info *f, const uint8_t *body,
    size_t n, struct err *e)
{
	struct server *s = server_of(r);

	if (UNLIKELY(!frontend_type_is_known(f->type)))
		return err_set(e, "08P01", "unknown pkt");
	if (f->type == 'Q' || f->type == 'P') {
		if (UNLIKELY(f->type == 'Q' && r->a.no_query))
			return err_set(e, "0A000", "PQexec disallowed");
		peek_commit(r, f->type, body, n < RELAY_PEEK ? n : RELAY_PEEK);
	} else if (f->type == 'E' && r->named_commit) {
		r->may_commit = true;
	}
	if (UNLIKELY(!pipeline_sent(&s->pipeline, f->type)))
		return err_set(e, "54000", "too many messages in one pipeline");
	if (!r->query_us)
		begin_query(r);
	return true;
}

static void
up_write(struct relay *r, const uint8_t *p, const uint8_t *upto)
{
	struct server *s = server_of(r);

	if (p == upto || r->over)
		return;
	s->counters.received += (uint64_t)(upto - p);
	stream_write(&s->stream, p, (size_t)(upto - p));
}

/* Handles the client's bytes; returns how many are left over: the start of a
 * message that has to be there further. */
static size_t
feed_up(struct relay *r, const uint8_t *p, size_t n)
{
	const uint8_t *from = p;
	struct frame_info f;
	struct err e;
	enum frame kind;
	size_t take;

	while (n > 0) {
		if (r->up_skip) {
			take = r->up_skip < n ? r->up_skip : n;
			r->up_skip -= (uint32_t)take;
			p += take;
			n -= take;
			continue;
		}
		if (p[0] == 'X') {
			up_write(r, from, p);
			client_left(r, "client close request", false);
			return 0;
		}
		kind = wire_frame(p, n, r->a.max_packet, &f);
		if (kind == FRAME_BAD) {
			up_write(r, from, p);
			client_bad_header(r, SPAN(p, n));
			return 0;
		}
		if (kind == FRAME_MORE ||
		    (kind == FRAME_PART && relay_wants_more(f.type, n)))
			break;
		take = f.size < n ? f.size : n;
		if (!up_message(r, &f, p + WIRE_HEAD, take - WIRE_HEAD, &e)) {
			/* What is booked as sent has to be sent. */
			up_write(r, from, p);
			client_refused(r, &e);
			return 0;
		}
		r->up_skip = f.size - (uint32_t)take;
		p += take;
		n -= take;
	}
	up_write(r, from, p);
	return n;
}

static void
keep_rest(struct relay *r, const uint8_t *p, size_t n)
{
	if (n && !keep_append(loop_keeps(r->a.loop), r->a.held, p, n))
		client_error(r, "53200", "out of memory");
}

/* What was held goes on now. */
static void
feed_held(struct relay *r)
{
	struct keep k = *r->a.held;
	size_t left;

	memset(r->a.held, 0, sizeof(*r->a.held));
	if (!keep_len(&k))
		return;
	left = feed_up(r, keep_head(&k), keep_len(&k));
	if (left && !r->over)
		keep_rest(r, k.data + k.end - left, left);
	keep_clear(loop_keeps(r->a.loop), &k);
}

static void
client_ended(struct relay *r)
{
	if (r->a.client->broken) {
		client_left(r, "client unexpected eof", false);
		return;
	}
	if (r->up_skip) {
		client_left(r, "client unexpected eof", false);
		return;
	}
	/* It may still read (a half-closed socket): what it sent whole is
	 * carried out and answered; the start of a message is nothing. */
	keep_clear(loop_keeps(r->a.loop), r->a.held);
	r->gone_us = loop_now(r->a.loop);
	set_timer(r);
	settle(r);
}

/* The client's bytes have been passed on. */
static void
after_up(struct relay *r)
{
	struct server *s = server_of(r);

	if (r->over)
		return;
	if (UNLIKELY(pipeline_is_settled(&s->pipeline) || r->gone_us))
		settle(r);
	else if (UNLIKELY(stream_unsent(&s->stream) > RELAY_HIGH ||
		     pipeline_is_full(&s->pipeline)))
		stream_pause(r->a.client);
}

static void
on_client_readable(struct stream *st)
{
	struct relay *r = st->user;
	struct loop *l = r->a.loop;
	size_t kept = keep_len(r->a.held), left;
	uint8_t *p;
	ssize_t n;

	if (r->over)
		return;
	if (UNLIKELY(r->syncing)) {
		/* What is held waits; only the end of the client counts. */
		if (st->broken)
			client_left(r, "client unexpected eof", true);
		return;
	}
	p = loop_lease(l);
	if (UNLIKELY(kept)) {
		/* At most RELAY_PEEK bytes; see feed_up(). */
		assert(kept <= LOOP_RBUF_FRONT);
		memcpy(p, keep_head(r->a.held), kept);
	}
	n = stream_read(st, p + kept, LOOP_RBUF);
	if (n > 0) {
		if (UNLIKELY(kept))
			keep_clear(loop_keeps(l), r->a.held);
		left = feed_up(r, p, kept + (size_t)n);
		if (UNLIKELY(left) && !r->over)
			keep_rest(r, p + kept + n - left, left);
	}
	loop_unlease(l);
	if (r->over)
		return;
	if (UNLIKELY(n < 0))
		client_ended(r);
	else if (n > 0)
		after_up(r);
}

/* The client has taken all that was kept for it. */
static void
on_client_writable(struct stream *st)
{
	struct relay *r = st->user;

	if (!r->over)
		settle(r);
}

/* ---- server to client ---- */

/* The server's setting has changed, and with it the client's. */
static void
down_parameter(struct relay *r, struct span body)
{
	struct server *s = server_of(r);
	int i = server_parameter(s, body);
	const char *value;

	if (i < 0 || r->syncing)
		return;
	value = param_get(s->params, (size_t)i);
	*r->a.params = param_set_with(*r->a.params, (size_t)i, value);
	s->params = param_set_share(*r->a.params, s->params);
}

static void
down_error(struct relay *r, struct span body)
{
	struct notice_fields f;

	if (!msg_notice(body, &f) || !f.severity)
		return;
	if (strcmp(f.severity, "FATAL") == 0 ||
	    strcmp(f.severity, "PANIC") == 0)
		r->server_fatal = true;
}

static void
down_write(struct relay *r, const uint8_t *p, const uint8_t *upto)
{
	if (p == upto || r->over)
		return;
	server_of(r)->counters.sent += (uint64_t)(upto - p);
	stream_write(r->a.client, p, (size_t)(upto - p));
}

static bool
needs_whole(uint8_t type)
{
	return type == 'S' || type == 'Z' || type == 'E';
}

/* Handles the server's bytes; returns how many are left over, or -1. */
static ssize_t
feed_down(struct relay *r, const uint8_t *p, size_t n)
{
	struct pipeline *pl = &server_of(r)->pipeline;
	const uint8_t *from = p;
	struct frame_info f;
	enum frame kind;
	enum pipe_verdict v;
	uint8_t status;
	size_t take;

	while (n > 0) {
		if (r->down_skip) {
			take = r->down_skip < n ? r->down_skip : n;
			r->down_skip -= (uint32_t)take;
			p += take;
			n -= take;
			if (!r->down_forward)
				from = p;
			continue;
		}
		kind = wire_frame(p, n, INT32_MAX, &f);
		if (kind == FRAME_MORE || (kind == FRAME_PART &&
			needs_whole(f.type) && f.size <= LOOP_RBUF_FRONT))
			break;
		if (UNLIKELY(kind == FRAME_BAD))
			goto bad;
		take = f.size < n ? f.size : n;
		if (LIKELY(pipeline_passes(pl, f.type))) {
			r->down_forward = true;
			r->down_skip = f.size - (uint32_t)take;
			p += take;
			n -= take;
			continue;
		}
		status = 0;
		if (UNLIKELY(f.type == 'S'))
			down_parameter(r, SPAN(p + WIRE_HEAD,
			    take - WIRE_HEAD));
		else if (f.type == 'E')
			down_error(r, SPAN(p + WIRE_HEAD, take - WIRE_HEAD));
		else if (f.type == 'Z' &&
		    !msg_ready(SPAN(p + WIRE_HEAD, take - WIRE_HEAD),
			&status))
			goto bad;
		v = pipeline_got(pl, f.type, status);
		if (UNLIKELY(v == PIPE_BAD))
			goto bad;
		/* An open transaction in statement mode: our error comes in
		 * place of this ReadyForQuery, so that the client takes it for
		 * the answer, and not for something said while it was idle. */
		if (UNLIKELY(f.type == 'Z' && status != 'I' &&
			r->set->mode == POOL_STATEMENT)) {
			v = PIPE_SWALLOW;
			r->block = true;
		}
		if (UNLIKELY(v == PIPE_SWALLOW)) {
			down_write(r, from, p);
			from = p + take;
		}
		r->down_forward = v == PIPE_FORWARD;
		r->down_skip = f.size - (uint32_t)take;
		p += take;
		n -= take;
	}
	down_write(r, from, p);
	return (ssize_t)n;
bad:
	down_write(r, from, p);
	return -1;
}

static void
server_ended(struct relay *r)
{
	struct server *s = server_of(r);
	char label[SERVER_LABEL];
	struct err e;

	s->eof = true;
	stream_pause(&s->stream);
	/* While our SET ran, its last words were swallowed with the answer. */
	if (r->server_fatal && !r->syncing) {
		server_failed(r, NULL, "server conn crashed?");
		return;
	}
	server_label(s, label);
	err_set(&e, "08006", "server conn crashed?");
	err_detail(&e, "the server closed the connection (backend pid %u) "
	    "without a message, %s", s->pid,
	    r->query_us ? "while a query ran" :
	    r->xact_us ? "while a transaction was open" :
	    "while the session was idle");
	err_hint(&e, "the server's log tells why");
	log_warn("%s server conn crashed? (pid=%u, age=%llds, errno=%d)",
	    label, s->pid, (long long)((loop_now(r->a.loop) - s->born_us) /
	    USEC_PER_SEC), s->stream.err);
	server_failed(r, &e, "server conn crashed?");
}

static void synced(struct relay *r);

static void
on_server_readable(struct stream *st)
{
	struct relay *r = CONTAINER_OF(st, struct server, stream)->relay;
	struct server *s = server_of(r);
	struct loop *l = r->a.loop;
	size_t kept = keep_len(&s->in);
	ssize_t n, left = 0;
	uint8_t *p;

	if (r->over)
		return;
	p = loop_lease(l);
	if (UNLIKELY(kept))
		memcpy(p, keep_head(&s->in), kept);
	n = stream_read(st, p + kept, LOOP_RBUF);
	if (n > 0) {
		if (UNLIKELY(kept))
			keep_clear(loop_keeps(l), &s->in);
		left = feed_down(r, p, kept + (size_t)n);
		if (UNLIKELY(left > 0) &&
		    !keep_append(loop_keeps(l), &s->in,
			p + kept + n - left, (size_t)left))
			left = -1;
	}
	loop_unlease(l);
	if (UNLIKELY(n < 0)) {
		server_ended(r);
		return;
	}
	if (UNLIKELY(left < 0)) {
		server_nonsense(r, "bad pkt header");
		return;
	}
	if (UNLIKELY(r->syncing))
		synced(r);
	else
		settle(r);
}

static void
on_server_writable(struct stream *st)
{
	struct relay *r = CONTAINER_OF(st, struct server, stream)->relay;

	if (!r->over)
		settle(r);
}

/* ---- parameters ---- */

/* Our SET has been answered, or not yet. */
static void
synced(struct relay *r)
{
	struct server *s = server_of(r);
	struct err e;

	if (!pipeline_is_settled(&s->pipeline))
		return;
	r->syncing = false;
	r->sync_us = 0;
	if (s->pipeline.own_error) {
		err_set(&e, "22023", "invalid server parameter");
		err_detail(&e, "the server refused a setting of this client "
		    "when it was replayed");
		server_failed(r, &e, "var change failed");
		return;
	}
	/* The server's spelling is the client's from now on, else the SET
	 * would come again and again; and both share one set. */
	param_set_unref(*r->a.params);
	*r->a.params = param_set_ref(s->params);
	if (r->cancel_wanted) {
		finish(r, RELAY_CANCELED, NULL);
		return;
	}
	feed_held(r);
	settle(r);
}

/* Makes the server's settings those of the client. False when a SET is under
 * way, behind which the client's bytes have to wait. */
static bool
sync_params(struct relay *r)
{
	struct server *s = server_of(r);
	struct buf sql = { 0 }, msg = { 0 };
	struct err e;
	int n;

	if (LIKELY(*r->a.params == s->params) || r->set->replication)
		return true;
	if (param_set_same(*r->a.params, s->params)) {
		/* Both take the one with the lower address: so all clients and
		 * servers with the same values come to share one set, and the
		 * comparison above suffices. */
		if ((uintptr_t)*r->a.params < (uintptr_t)s->params)
			s->params = param_set_share(*r->a.params, s->params);
		else
			*r->a.params = param_set_share(s->params,
			    *r->a.params);
		return true;
	}
	n = param_diff_sql(s->target->names, *r->a.params, s->params, &sql,
	    &e);
	if (n == 0) {
		buf_free(&sql);
		return true;
	}
	if (n < 0) {
		buf_free(&sql);
		leave_server(r, true);
		end(r, RELAY_FAILED, &e, "invalid server parameter");
		return false;
	}
	buf_append(&sql, "", 1);
	pipeline_own_sent(&s->pipeline, 'Q');
	request_query(&msg, (const char *)buf_head(&sql));
	stream_write(&s->stream, buf_head(&msg), buf_len(&msg));
	buf_free(&sql);
	buf_free(&msg);
	r->syncing = true;
	r->sync_us = loop_now(r->a.loop);
	set_timer(r);
	return false;
}

/* ---- from outside ---- */

struct relay *
relay_start(struct relay_pool *rp, const struct relay_args *a,
    const struct span *first)
{
	struct relay *r = relay_new(rp);
	struct server *s = a->server;
	size_t left;

	r->a = *a;
	r->set = a->pool->set;
	/* The rest of a message that nobody asked for is nobody's. */
	r->down_skip = s->skip;
	s->skip = 0;
	r->timed = r->set->query_timeout_us ||
	    r->set->idle_transaction_timeout_us ||
	    r->set->transaction_timeout_us;
	s->relay = r;
	a->client->user = r;
	stream_set_ops(a->client, &client_ops);
	stream_set_ops(&s->stream, &server_ops);
	if (a->client_eof) {
		r->gone_us = loop_now(a->loop);
		set_timer(r);
	}
	if (!sync_params(r)) {
		if (first && !r->over)
			keep_rest(r, first->p, first->n);
		if (!r->over)
			balance(r);
		return r;
	}
	if (first) {
		left = feed_up(r, first->p, first->n);
		if (left && !r->over)
			keep_rest(r, first->p + first->n - left, left);
	} else {
		feed_held(r);
	}
	after_up(r);
	return r;
}

void
relay_abort(struct relay *r)
{
	if (!r->over && server_is_clean(r))
		release_server(r);
	else if (!r->over)
		leave_server(r, true);
	loop_undefer(r->a.loop, &r->task);
	relay_free(r);
}

void
relay_cancel(struct relay *r, void (*done)(void *arg), void *arg)
{
	struct server *s = server_of(r);

	if (r->over || pipeline_is_settled(&s->pipeline)) {
		done(arg);
	} else if (r->syncing) {
		r->cancel_wanted = true;
		done(arg);
	} else if (s->cancels >= MAX_CANCELS) {
		/* One more adds nothing to those that are on their way. */
		done(arg);
	} else {
		server_cancel(s, done, arg);
	}
}

bool
relay_is_mid_message(const struct relay *r)
{
	return r->down_skip > 0 && r->down_forward;
}

const struct server *
relay_server(const struct relay *r)
{
	return r->over ? NULL : r->a.server;
}

usec_t
relay_query_since(const struct relay *r)
{
	return r->query_us;
}

usec_t
relay_request_us(const struct relay *r)
{
	return r->request_us;
}

void
relay_flush_stats(struct relay *r)
{
	if (!r->over)
		pool_count(r->a.pool, &server_of(r)->counters);
}

static const struct stream_ops client_ops = {
	.readable = on_client_readable,
	.writable = on_client_writable,
};

static const struct stream_ops server_ops = {
	.readable = on_server_readable,
	.writable = on_server_writable,
};
