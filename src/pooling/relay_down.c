/* A relay's way down: from the server to the client. */
#include <string.h>

#include "base/log.h"
#include "proto/msg.h"
#include "proto/reply.h"
#include "proto/wire.h"
#include "relay_private.h"

/* The server's setting has changed, and with it the client's. */
static void
down_parameter(struct relay *r, struct span body)
{
	struct server *s = relay_server_of(r);
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

	r->had_error = true;
	if (UNLIKELY(r->resets != NULL) && !r->syncing)
		relay_reset_free(r);
	if (UNLIKELY(r->syncing) && !relay_state_is_asking(r))
		relay_sync_refused(r, body);
	if (!msg_notice(body, &f) || !f.severity)
		return;
	if (f.sqlstate && !r->syncing)
		r->a.owner->error(r->a.arg, f.sqlstate);
	if (f.sqlstate && strcmp(f.sqlstate, "25006") == 0)
		pool_read_only(relay_server_of(r));
	if (UNLIKELY(r->a.slow_us && r->slow && f.sqlstate &&
		!r->slow->sqlstate[0]))
		copy_str(r->slow->sqlstate, sizeof(r->slow->sqlstate),
		    f.sqlstate);
	if (UNLIKELY(notice_is_stale_plan(&f)))
		stmt_server_expire(relay_server_of(r)->stmts);
	if (strcmp(f.severity, "FATAL") == 0 ||
	    strcmp(f.severity, "PANIC") == 0)
		r->server_fatal = true;
}

/* What has been put together, and the run behind it. */
static void
down_write(struct relay *r, const uint8_t *p, const uint8_t *upto)
{
	struct gather *out = &r->home->out;

	if (r->over)
		return;
	relay_server_of(r)->counters.sent += (uint64_t)(upto - p);
	if (LIKELY(gather_is_empty(out))) {
		if (p != upto)
			stream_write(r->a.client, p, (size_t)(upto - p));
		return;
	}
	gather_borrow(out, p, (size_t)(upto - p));
	gather_send(out);
}

/* A run that something else comes behind. */
static void
down_put(struct relay *r, const uint8_t *p, const uint8_t *upto)
{
	relay_server_of(r)->counters.sent += (uint64_t)(upto - p);
	gather_borrow(&r->home->out, p, (size_t)(upto - p));
}

/* Our error in place of the server's; LISTEN in place of what was sent. */
static void
down_replace(struct relay *r, uint8_t type, const struct err *e)
{
	struct buf *b = gather_open(&r->home->out);

	if (type == 'C')
		reply_complete(b, "LISTEN");
	else if (ensure(e != NULL))
		reply_error(b, "ERROR", e);
	gather_close(&r->home->out);
}

/* A statement that an EXECUTE names was to be prepared on this server and could
 * not be. The EXECUTE finds none of our name for it then: its client is told
 * why. True: this error is that one. */
static bool
down_lacks(struct relay *r, struct span body, enum pipe_verdict v)
{
	struct notice_fields f;

	if (v == PIPE_SWALLOW && !r->syncing && !r->lacking)
		r->lacking = relay_error_of(body);
	return v == PIPE_FORWARD && r->lacking && msg_notice(body, &f) &&
	    f.sqlstate && strcmp(f.sqlstate, "26000") == 0;
}

/* What the client gets in place of the server's error; or NULL. */
static const struct err *
down_instead(struct relay *r, struct span body, enum pipe_verdict v)
{
	if (v == PIPE_REPLACE)
		return stmt_server_error(relay_server_of(r)->stmts);
	return down_lacks(r, body, v) ? r->lacking : NULL;
}

/* DISCARD, DEALLOCATE and PREPARE are told by one of two letters. */
static inline void
down_tag(struct relay *r, struct span tag)
{
	if (UNLIKELY(r->resets != NULL) && tag.n > 0)
		relay_reset_completed(r, SPAN(tag.p, tag.n - 1));
	if (!r->tracked)
		return;
	if (LIKELY(tag.n == 0 || (tag.p[0] != 'D' && tag.p[0] != 'P')))
		return;
	if (server_command_tag(relay_server_of(r), tag))
		stmt_client_clear(*r->a.stmts);
}

/* A client tells its own notifications by the process that it was told is its
 * own, and the server names the one that it is. The message is changed where it
 * lies, in the read buffer. */
static void
down_notification(const struct relay *r, uint8_t *body)
{
	uint32_t pid = (uint32_t)body[0] << 24 | (uint32_t)body[1] << 16 |
	    (uint32_t)body[2] << 8 | body[3], own = r->a.client_pid;

	if (pid != relay_server_of(r)->pid)
		return;
	body[0] = (uint8_t)(own >> 24);
	body[1] = (uint8_t)(own >> 16);
	body[2] = (uint8_t)(own >> 8);
	body[3] = (uint8_t)own;
}

static bool
needs_whole(uint8_t type)
{
	return type == 'S' || type == 'Z' || type == 'E' || type == 'C' ||
	    type == 'A' || type == 't';
}

/* LISTEN, LOAD, RESET. */
static inline bool
tag_is_loud(uint8_t c)
{
	return c == 'L' || c == 'R';
}

/* Whether somebody wants to know of a CommandComplete; of one that no text
 * announced, the session is taken to be anything. */
static inline bool
down_tells(struct relay *r, const uint8_t *body, size_t n)
{
	if (UNLIKELY(r->state != NULL))
		return true;
	if (n > 1 && UNLIKELY(tag_is_loud(body[0])) && r->watched)
		relay_state_surprise(r, SPAN(body, n - 1));
	return false;
}

/* Nobody wants to see a plain answer, nor the end of a plain command. */
static inline bool
down_is_quiet(const struct relay *r)
{
	return !r->state && !r->resets && !r->down_skip && !r->again;
}

static inline bool
tag_is_quiet(uint8_t c)
{
	return c != 'D' && c != 'P' && !tag_is_loud(c);
}

/* The whole messages at the front that are nothing but plain answers (ready:
 * ReadyForQuery is one): where they end. */
static inline const uint8_t *
down_run(struct relay *r, struct pipeline *pl, bool ready, const uint8_t *p,
    const uint8_t *end)
{
	bool slow = r->a.slow_us != 0;
	uint32_t len;

	while ((size_t)(end - p) > WIRE_HEAD) {
		len = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 |
		    (uint32_t)p[3] << 8 | p[4];
		if (UNLIKELY(len < 4 || len >= (size_t)(end - p)))
			break;
		if (p[0] == 'C' && UNLIKELY(!tag_is_quiet(p[WIRE_HEAD])))
			break;
		if (p[0] == 'Z' ? len != 5 || !ready ||
			!pipeline_ready(pl, p[WIRE_HEAD]) :
			!pipeline_pass(pl, p[0]))
			break;
		if (UNLIKELY(slow) && p[0] == 'C')
			relay_slow_complete(r, p + WIRE_HEAD, len - 4);
		p += len + 1;
	}
	return p;
}

/* Handles the server's bytes; returns how many are left over, or -1. */
static ssize_t
feed_down(struct relay *r, const uint8_t *p, size_t n)
{
	struct pipeline *pl = &relay_server_of(r)->pipeline;
	const uint8_t *from = p;
	const uint8_t *run;
	const bool ready = r->set->mode != POOL_STATEMENT;
	struct frame_info f;
	enum frame kind;
	enum pipe_verdict v;
	const struct err *instead;
	uint8_t status;
	size_t take;

	gather_begin(&r->home->out, r->a.client);
	if (r->again && n && !r->down_skip)
		relay_again_begins(r, p[0]);
	for (;;) {
		if (LIKELY(down_is_quiet(r))) {
			run = down_run(r, pl, ready, p, p + n);
			n -= (size_t)(run - p);
			p = run;
		}
		if (UNLIKELY(pl->news) && !r->down_skip) {
			down_put(r, from, p);
			from = p;
			relay_statement_news(r);
		}
		if (!n)
			break;
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
			(needs_whole(f.type) || (f.type == 'D' &&
			    relay_state_is_asking(r))) && f.size <= LOOP_RBUF_FRONT))
			break;
		if (UNLIKELY(kind == FRAME_BAD))
			goto bad;
		take = f.size < n ? f.size : n;
		if (f.type == 'C' && (r->tracked || r->resets))
			down_tag(r, SPAN(p + WIRE_HEAD, take - WIRE_HEAD));
		if (LIKELY(pipeline_goes_on(pl, f.type)) &&
		    LIKELY(f.type != 'C' || !down_tells(r, p + WIRE_HEAD,
			take - WIRE_HEAD))) {
			r->down_forward = true;
			r->down_skip = f.size - (uint32_t)take;
			if (UNLIKELY(r->a.slow_us && f.type == 'C'))
				relay_slow_complete(r, p + WIRE_HEAD,
				    take - WIRE_HEAD);
			p += take;
			n -= take;
			continue;
		}
		if (UNLIKELY(r->again != NULL)) {
			enum again again = relay_again_got(r, f.type,
			    SPAN(p + WIRE_HEAD, take - WIRE_HEAD),
			    take == f.size);

			if (UNLIKELY(again == AGAIN_BAD))
				goto bad;
			if (UNLIKELY(again == AGAIN_SWALLOW)) {
				down_put(r, from, p);
				p += take;
				n -= take;
				from = p;
				r->down_forward = false;
				r->down_skip = f.size - (uint32_t)take;
				continue;
			}
		}
		status = 0;
		if (UNLIKELY(f.type == 'A') && take >= WIRE_HEAD + 4)
			down_notification(r, (uint8_t *)p + WIRE_HEAD);
		if (UNLIKELY(f.type == 'S'))
			down_parameter(r, SPAN(p + WIRE_HEAD,
			    take - WIRE_HEAD));
		else if (f.type == 'E')
			down_error(r, SPAN(p + WIRE_HEAD, take - WIRE_HEAD));
		else if (f.type == 'Z' &&
		    !msg_ready(SPAN(p + WIRE_HEAD, take - WIRE_HEAD),
			&status))
			goto bad;
		if (UNLIKELY(f.type == 'D') && relay_state_is_asking(r))
			relay_state_answer(r, SPAN(p + WIRE_HEAD,
			    take - WIRE_HEAD));
		v = pipeline_got(pl, f.type, status);
		if (UNLIKELY(v == PIPE_BAD))
			goto bad;
		instead = NULL;
		if (UNLIKELY(f.type == 'E'))
			instead = down_instead(r, SPAN(p + WIRE_HEAD,
			    take - WIRE_HEAD), v);
		if (UNLIKELY(instead != NULL))
			v = PIPE_REPLACE;
		if (UNLIKELY(r->a.slow_us && f.type == 'C') &&
		    v == PIPE_FORWARD)
			relay_slow_complete(r, p + WIRE_HEAD,
			    take - WIRE_HEAD);
		if (UNLIKELY(r->state != NULL) && v != PIPE_SWALLOW)
			v = relay_state_got(r, f.type, SPAN(p + WIRE_HEAD,
			    take - WIRE_HEAD), v);
		/* An open transaction in statement mode: our error comes in
		 * place of this ReadyForQuery, so that the client takes it for
		 * the answer, and not for something said while it was idle. */
		if (UNLIKELY(f.type == 'Z' && status != 'I' &&
			r->set->mode == POOL_STATEMENT)) {
			v = PIPE_SWALLOW;
			r->block = true;
		}
		if (UNLIKELY(v != PIPE_FORWARD)) {
			down_put(r, from, p);
			from = p + take;
		}
		if (UNLIKELY(v == PIPE_REPLACE))
			down_replace(r, f.type, instead);
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
	static struct log_limit limit;
	struct server *s = relay_server_of(r);
	char label[SERVER_LABEL];
	struct err e;

	s->eof = true;
	stream_pause(&s->stream);
	/* While our SET ran, its last words were swallowed with the answer. */
	if (r->server_fatal && !r->syncing) {
		relay_server_failed(r, NULL, "server conn crashed?");
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
	log_limited(&limit, 50 * USEC_PER_MSEC, LVL_WARNING,
	    "%s server conn crashed? (pid=%u, age=%llds, errno=%d)",
	    label, s->pid, (long long)((loop_now(r->a.loop) - s->born_us) /
	    USEC_PER_SEC), s->stream.err);
	relay_server_failed(r, &e, "server conn crashed?");
}

static void
on_server_readable(struct stream *st)
{
	struct relay *r = CONTAINER_OF(st, struct server, stream)->relay;
	struct server *s = relay_server_of(r);
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
		relay_server_nonsense(r, "bad pkt header");
		return;
	}
	if (UNLIKELY(r->stalled) && !r->hears &&
	    !(r->again && r->again_stage == AGAIN_WAITS)) {
		r->stalled = false;
		relay_feed_held(r);
	}
	if (UNLIKELY(relay_state_is_asking(r)))
		relay_state_asked(r);
	else if (UNLIKELY(r->syncing))
		relay_synced(r);
	else
		relay_settle(r);
}

static void
on_server_writable(struct stream *st)
{
	struct relay *r = CONTAINER_OF(st, struct server, stream)->relay;

	if (!r->over)
		relay_settle(r);
}

const struct stream_ops relay_server_ops = {
	.readable = on_server_readable,
	.writable = on_server_writable,
};
