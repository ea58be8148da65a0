/* A relay's way up: from the client to the server. */
#include <string.h>

#include "proto/msg.h"
#include "proto/sql.h"
#include "proto/wire.h"
#include "relay_private.h"

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

static enum relay_up
fail(struct err *e, const char *sqlstate, const char *text)
{
	err_set(e, sqlstate, "%s", text);
	return RELAY_UP_FAIL;
}

/*
 * Nearly all messages name no statement, and their text does nothing, as a
 * glance tells: runs of these go on as they are. What up_run() leaves behind is
 * what up_message() would; whatever it is not sure of it leaves to that one.
 */
static inline bool
up_is_quiet(const struct relay *r)
{
	const struct server *s = relay_server_of(r);

	return !r->state && !*r->a.texts && !r->looked && !r->sql_portal &&
	    !r->named_commit && !r->up_skip && !r->a.no_query &&
	    !(s->stmts && stmt_server_waits(s->stmts));
}

/* The text of a Query or Parse, with its zero: nothing but plain. */
static inline bool
up_is_plain(const uint8_t *text, size_t n)
{
	return n > 0 && !text[n - 1] && !may_start_commit(text, n - 1) &&
	    sql_is_plain(SPAN(text, n - 1));
}

static bool
run_query(struct relay *r, struct stmt_unnamed *u, const uint8_t *text,
    size_t n)
{
	struct server *s = relay_server_of(r);
	bool first = !s->pipeline.count;

	if (!up_is_plain(text, n) ||
	    !pipeline_push(&s->pipeline, PIPELINE_SENT_QUERY))
		return false;
	s->unnamed_id = 0;
	if (UNLIKELY(u != NULL))
		stmt_unnamed_clear(u);
	if (first)
		r->may_set = false;
	r->text_batch++;
	return true;
}

static bool
run_parse(struct relay *r, struct stmt_unnamed *u, const uint8_t *body,
    size_t n)
{
	struct server *s = relay_server_of(r);
	const uint8_t *end = n > 1 && !body[0] ? memchr(body + 1, 0, n - 1) :
						 NULL;
	struct span tail = SPAN(body + 1, n - 1);
	bool first = !s->pipeline.count;

	if (!end || !u || !r->tracked ||
	    !up_is_plain(body + 1, (size_t)(end - body)) ||
	    stmt_text_sets(tail) ||
	    !pipeline_push(&s->pipeline, PIPELINE_SENT_PARSE))
		return false;
	s->unnamed_id = ++r->home->unnamed_id;
	r->unnamed_batch = r->batch;
	stmt_unnamed_set(u, s->unnamed_id, tail);
	if (first)
		r->may_set = false;
	return true;
}

static bool
run_sync(struct relay *r)
{
	if (!pipeline_push(&relay_server_of(r)->pipeline, PIPELINE_SENT_SYNC))
		return false;
	r->batch++;
	r->text_batch++;
	return true;
}

/* The unnamed portal from the client's unnamed statement, which is what the
 * server's is. */
static inline bool
run_bind(struct relay *r, const struct stmt_unnamed *u, const uint8_t *body,
    size_t n)
{
	struct server *s = relay_server_of(r);

	return n > 1 && !body[0] && !body[1] && (!r->tracked ||
	    (u && r->unnamed_batch == r->batch && u->id &&
		u->id == s->unnamed_id && u->does == STMT_PLAIN)) &&
	    pipeline_push(&s->pipeline, PIPELINE_SENT_BIND);
}

/* What a session does is its own affair, but for a COMMIT. */
static bool
run_session(struct relay *r, uint8_t type, const uint8_t *body, size_t n)
{
	struct pipeline *p = &relay_server_of(r)->pipeline;
	const uint8_t *text;

	switch (type) {
	case 'Q':
		return !may_start_commit(body, n) &&
		    pipeline_push(p, PIPELINE_SENT_QUERY);
	case 'P':
		text = memchr(body, 0, n);
		return text && !may_start_commit(text + 1,
		    n - (size_t)(text + 1 - body)) &&
		    pipeline_push(p, PIPELINE_SENT_NAMED_PARSE);
	case 'B':
		return pipeline_push(p, PIPELINE_SENT_BIND);
	case 'D':
		return pipeline_push(p, PIPELINE_SENT_DESCRIBE);
	case 'E':
		return pipeline_push(p, PIPELINE_SENT_EXECUTE);
	case 'S':
		return run_sync(r);
	case 'H':
	case 'd':
		return true;
	}
	return false;
}

static bool
run_one(struct relay *r, struct stmt_unnamed *u, uint8_t type,
    const uint8_t *body, size_t n)
{
	struct pipeline *p = &relay_server_of(r)->pipeline;

	if (!r->watched && !r->tracked && !r->asked_for)
		return run_session(r, type, body, n);
	switch (type) {
	case 'Q':
		return run_query(r, u, body, n);
	case 'P':
		return run_parse(r, u, body, n);
	case 'B':
		return run_bind(r, u, body, n);
	case 'D':
		if (n < 2 || body[0] != 'P' ||
		    !pipeline_push(p, PIPELINE_SENT_DESCRIBE))
			return false;
		if (LIKELY(*r->a.stmts != NULL))
			stmt_client_describes_portal(*r->a.stmts, !body[1]);
		return true;
	case 'E':
		return pipeline_push(p, PIPELINE_SENT_EXECUTE);
	case 'S':
		return run_sync(r);
	case 'H':
	case 'd':
		return true;
	}
	return false;
}

/* The whole messages at the front: where they end. */
static const uint8_t *
up_run(struct relay *r, const uint8_t *p, const uint8_t *end)
{
	struct stmt_client *c = *r->a.stmts;
	struct stmt_unnamed *u = c ? stmt_client_unnamed(c) : NULL;
	uint32_t len;

	while ((size_t)(end - p) >= WIRE_HEAD) {
		len = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 |
		    (uint32_t)p[3] << 8 | p[4];
		if (UNLIKELY(len < 4 || len >= (size_t)(end - p) ||
			len > r->a.max_packet) ||
		    !run_one(r, u, p[0], p + WIRE_HEAD, len - 4))
			break;
		if (!r->query_us)
			relay_begin_query(r);
		if (UNLIKELY(r->a.slow_us) && (p[0] == 'Q' || p[0] == 'P'))
			relay_slow_text(r, p[0], p + WIRE_HEAD, len - 4);
		p += len + 1;
	}
	return p;
}

/* In session mode a text is read for what it RESETs, no more. */
static void
up_session(struct relay *r, const struct frame_info *f, const uint8_t *body,
    size_t n)
{
	struct span text = SPAN(body, n);

	if (n + WIRE_HEAD != f->size || (f->type != 'Q' && f->type != 'P'))
		return;
	if (f->type == 'P') {
		size_t name = strnlen((const char *)body, n);

		if (name == n)
			return;
		text = SPAN(body + name + 1, n - name - 1);
	}
	text.n = strnlen((const char *)text.p, text.n);
	relay_reset_text(r, text);
}

/* One message head, and as much of its body as is there: n bytes at p. */
static enum relay_up
up_message(struct relay *r, const struct frame_info *f, const uint8_t *p,
    size_t n, const uint8_t **from, struct err *e)
{
	struct server *s = relay_server_of(r);
	size_t peek = (n < RELAY_PEEK ? n : RELAY_PEEK) - WIRE_HEAD;
	enum relay_up up;

	if (UNLIKELY(!frontend_type_is_known(f->type)))
		return fail(e, "08P01", "unknown pkt");
	if (f->type == 'Q' || f->type == 'P') {
		if (UNLIKELY(f->type == 'Q' && r->a.no_query))
			return fail(e, "0A000", "PQexec disallowed");
		peek_commit(r, f->type, p + WIRE_HEAD, peek);
	} else if (f->type == 'E' && r->named_commit) {
		r->may_commit = true;
	} else if (f->type == 'S') {
		r->batch++;
	}
	if (!r->query_us)
		relay_begin_query(r);
	if (UNLIKELY(r->a.slow_us) && (f->type == 'Q' || f->type == 'P'))
		relay_slow_text(r, f->type, p + WIRE_HEAD, n - WIRE_HEAD);
	if (!r->watched && UNLIKELY(r->asked_for))
		up_session(r, f, p + WIRE_HEAD, n - WIRE_HEAD);
	if (UNLIKELY(r->state != NULL) && relay_listen_waits(r, f->type))
		return RELAY_UP_WAIT;
	if (r->watched && LIKELY(!r->looked) &&
	    UNLIKELY(!relay_state_up(r, f, p, n, e)))
		return relay_refuse(r, f, p, n, from, e);
	r->looked = false;
	if (r->tracked && (f->type == 'B' || f->type == 'P' ||
		f->type == 'D' || f->type == 'C' ||
		(f->type == 'E' && UNLIKELY(r->sql_portal)))) {
		up = relay_statement(r, f, p, n, from, e);
		r->looked = up == RELAY_UP_WAIT;
		if (up != RELAY_UP_PASS)
			return up;
	} else if (f->type == 'Q' && r->tracked) {
		up = relay_statement_query(r, f, p, n, from, e);
		r->looked = up == RELAY_UP_WAIT;
		if (up != RELAY_UP_PASS)
			return up;
	}
	if (UNLIKELY(!pipeline_sent(&s->pipeline, f->type)))
		return fail(e, "54000", "too many messages in one pipeline");
	return RELAY_UP_PASS;
}

/* What has been put together, and the run behind it. */
static void
up_write(struct relay *r, const uint8_t *p, const uint8_t *upto)
{
	struct server *s = relay_server_of(r);
	struct gather *out = &r->home->out;

	if (r->over)
		return;
	s->counters.received += (uint64_t)(upto - p);
	if (LIKELY(gather_is_empty(out)) && LIKELY(!r->again)) {
		if (p != upto)
			stream_write(&s->stream, p, (size_t)(upto - p));
		return;
	}
	gather_borrow(out, p, (size_t)(upto - p));
	if (r->again)
		relay_again_note(r);
	gather_send(out);
}

/* Answers that wait for nothing but their turn. */
static void
up_answer(struct relay *r)
{
	struct pipeline *p = &relay_server_of(r)->pipeline;

	if (LIKELY(!p->news) || p->owed || r->down_skip || r->over)
		return;
	gather_begin(&r->home->out, r->a.client);
	relay_statement_news(r);
	gather_send(&r->home->out);
}

/* Handles the client's bytes; returns how many are left over: the start of a
 * message that has to be there further. */
size_t
relay_feed_up(struct relay *r, const uint8_t *p, size_t n)
{
	const uint8_t *from = p, *run;
	struct frame_info f;
	struct err e;
	enum frame kind;
	enum relay_up up;
	size_t take;

	gather_begin(&r->home->out, &relay_server_of(r)->stream);
	while (n > 0) {
		if (LIKELY(up_is_quiet(r))) {
			run = up_run(r, p, p + n);
			n -= (size_t)(run - p);
			p = run;
			if (!n)
				break;
		}
		if (r->up_skip) {
			take = r->up_skip < n ? r->up_skip : n;
			r->up_skip -= (uint32_t)take;
			p += take;
			n -= take;
			if (UNLIKELY(r->up_drop)) {
				from = p;
				r->up_drop = r->up_skip > 0;
			}
			continue;
		}
		if (p[0] == 'X') {
			up_write(r, from, p);
			relay_client_left(r, "client close request", false);
			return 0;
		}
		kind = wire_frame(p, n, r->a.max_packet, &f);
		if (kind == FRAME_BAD) {
			up_write(r, from, p);
			relay_client_bad_header(r, SPAN(p, n));
			return 0;
		}
		if (kind == FRAME_MORE ||
		    (kind == FRAME_PART && relay_wants_more(r->set, r->tracked,
						&f, p, n)))
			break;
		take = f.size < n ? f.size : n;
		up = up_message(r, &f, p, take, &from, &e);
		if (UNLIKELY(up == RELAY_UP_WAIT)) {
			r->stalled = true;
			break;
		}
		if (UNLIKELY(up == RELAY_UP_FAIL)) {
			/* What is booked as sent has to be sent; if that is
			 * half of this one, the server is closed. */
			up_write(r, from, from < p ? p : from);
			r->up_skip = from > p;
			relay_client_refused(r, &e);
			return 0;
		}
		r->up_skip = f.size - (uint32_t)take;
		if (UNLIKELY(r->up_drop))
			r->up_drop = r->up_skip > 0;
		p += take;
		n -= take;
	}
	up_write(r, from, p);
	up_answer(r);
	return n;
}

void
relay_keep_rest(struct relay *r, const uint8_t *p, size_t n)
{
	if (n && !keep_append(loop_keeps(r->a.loop), r->a.held, p, n))
		relay_client_error(r, "53200", "out of memory");
}

/* What was held goes on now. */
void
relay_feed_held(struct relay *r)
{
	struct keep k = *r->a.held;
	size_t left;

	if (UNLIKELY(r->hears))
		return;
	memset(r->a.held, 0, sizeof(*r->a.held));
	if (!keep_len(&k))
		return;
	left = relay_feed_up(r, keep_head(&k), keep_len(&k));
	if (left && !r->over)
		relay_keep_rest(r, k.data + k.end - left, left);
	keep_clear(loop_keeps(r->a.loop), &k);
}

/* More of a message that is held. */
static void
feed_more(struct relay *r, const uint8_t *p, size_t n)
{
	relay_keep_rest(r, p, n);
	if (!r->over && !relay_lacks(r->set, r->tracked,
		keep_head(r->a.held), keep_len(r->a.held)))
		relay_feed_held(r);
}

static void
client_ended(struct relay *r)
{
	if (r->a.client->broken) {
		relay_client_left(r, "client unexpected eof", false);
		return;
	}
	if (r->up_skip && !r->up_drop) {
		relay_client_left(r, "client unexpected eof", false);
		return;
	}
	/* It may still read (a half-closed socket): what it sent whole is
	 * carried out and answered; the start of a message is nothing. */
	keep_clear(loop_keeps(r->a.loop), r->a.held);
	r->gone_us = loop_now(r->a.loop);
	relay_set_timer(r);
	relay_settle(r);
}

/* The client's bytes have been passed on. */
void
relay_after_up(struct relay *r)
{
	struct server *s = relay_server_of(r);

	if (r->over)
		return;
	if (UNLIKELY(pipeline_is_settled(&s->pipeline) || r->gone_us))
		relay_settle(r);
	else if (UNLIKELY(stream_unsent(&s->stream) > RELAY_HIGH ||
		     pipeline_is_full(&s->pipeline) || r->stalled))
		stream_pause(r->a.client);
}

static void
on_client_readable(struct stream *st)
{
	struct relay *r = st->user;
	struct loop *l = r->a.loop;
	size_t kept = keep_len(r->a.held), front, left;
	uint8_t *p;
	ssize_t n;

	if (r->over)
		return;
	if (UNLIKELY(r->syncing || r->stalled)) {
		/* What is held waits; only the end of the client counts. */
		if (st->broken)
			relay_client_left(r, "client unexpected eof", true);
		return;
	}
	p = loop_lease(l);
	/* A long message that has to be whole grows where it is held. */
	front = kept > LOOP_RBUF_FRONT ? 0 : kept;
	if (UNLIKELY(front))
		memcpy(p, keep_head(r->a.held), front);
	n = stream_read(st, p + front, LOOP_RBUF);
	if (UNLIKELY(front < kept)) {
		if (n > 0)
			feed_more(r, p, (size_t)n);
	} else if (n > 0) {
		if (UNLIKELY(front))
			keep_clear(loop_keeps(l), r->a.held);
		left = relay_feed_up(r, p, front + (size_t)n);
		if (UNLIKELY(left) && !r->over)
			relay_keep_rest(r, p + front + n - left, left);
	}
	loop_unlease(l);
	if (r->over)
		return;
	if (UNLIKELY(n < 0))
		client_ended(r);
	else if (n > 0)
		relay_after_up(r);
}

/* The client has taken all that was kept for it. */
static void
on_client_writable(struct stream *st)
{
	struct relay *r = st->user;

	if (!r->over)
		relay_settle(r);
}

const struct stream_ops relay_client_ops = {
	.readable = on_client_readable,
	.writable = on_client_writable,
};
