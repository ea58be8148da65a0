/*
 * One server connection: its states, and what it does while no client is
 * linked to it. How it logs in stands in server_login.c.
 */
#include "pooling/server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pooling/canceler.h"
#include "pooling/hosts.h"
#include "pooling/server_login.h"
#include "proto/msg.h"
#include "proto/reply.h"
#include "proto/wire.h"

/* How long a server may take to end after Terminate. */
#define CLOSING_US (10 * USEC_PER_SEC)
/* How long ROLLBACK may take. */
#define ROLLBACK_US (10 * USEC_PER_SEC)

#define BIT(st) (1u << (st))

static const struct {
	const char *name; /* in logs */
	const char *show; /* in SHOW SERVERS */
	unsigned next; /* legal moves */
} states[SV_STATES] = {
	[SV_CONNECTING] = { "connecting", "new",
	    BIT(SV_LOGIN) | BIT(SV_CLOSING) },
	[SV_LOGIN] = { "login", "new",
	    BIT(SV_IDLE) | BIT(SV_ACTIVE) | BIT(SV_TESTED) |
		BIT(SV_MIGRATING) | BIT(SV_CLOSING) },
	[SV_IDLE] = { "idle", "idle",
	    BIT(SV_ACTIVE) | BIT(SV_TESTED) | BIT(SV_MIGRATING) |
		BIT(SV_CLOSING) },
	[SV_ACTIVE] = { "active", "active",
	    BIT(SV_ACTIVE) | BIT(SV_IDLE) | BIT(SV_TESTED) |
		BIT(SV_DRAINING) | BIT(SV_CANCELING) | BIT(SV_MIGRATING) |
		BIT(SV_CLOSING) },
	[SV_TESTED] = { "tested", "tested",
	    BIT(SV_ACTIVE) | BIT(SV_IDLE) | BIT(SV_MIGRATING) |
		BIT(SV_CLOSING) },
	[SV_DRAINING] = { "draining", "draining",
	    BIT(SV_ACTIVE) | BIT(SV_IDLE) | BIT(SV_TESTED) |
		BIT(SV_CANCELING) | BIT(SV_MIGRATING) | BIT(SV_CLOSING) },
	[SV_CANCELING] = { "canceling", "being_canceled",
	    BIT(SV_ACTIVE) | BIT(SV_IDLE) | BIT(SV_TESTED) |
		BIT(SV_MIGRATING) | BIT(SV_CLOSING) },
	[SV_MIGRATING] = { "migrating", "migrating",
	    BIT(SV_ACTIVE) | BIT(SV_IDLE) | BIT(SV_TESTED) |
		BIT(SV_MIGRATING) | BIT(SV_CLOSING) },
	[SV_CLOSING] = { "closing", "closing", BIT(SV_CLOSED) },
	[SV_CLOSED] = { "closed", "closed", 0 },
};

const char *
server_state_show(enum server_state st)
{
	return states[st].show;
}

const char *
server_state_name(enum server_state st)
{
	return states[st].name;
}

void
server_label(const struct server *s, char out[SERVER_LABEL])
{
	char at[ADDR_TEXT];

	addr_text(&s->addr, at, sizeof(at));
	snprintf(out, SERVER_LABEL, "S-%llu: %.80s/%.80s@%s",
	    (unsigned long long)s->id, s->target->database, s->target->user,
	    at);
}

/* Apart, so that its label costs those nothing who do not log it. */
static __attribute__((noinline)) void
say_move(const struct server *s, enum server_state st)
{
	char label[SERVER_LABEL];

	server_label(s, label);
	log_noise("%s %s -> %s", label, states[s->state].name,
	    states[st].name);
}

void
server_move(struct server *s, enum server_state st)
{
	if (!ensure(states[s->state].next & BIT(st)))
		return;
	if (UNLIKELY(log_enabled(LVL_NOISE)))
		say_move(s, st);
	atomic_store_explicit(&s->state, st, memory_order_relaxed);
}

static void
enter(struct server *s, enum server_state st)
{
	s->owner->enter(s, st);
}

/* ---- the end ---- */

static void
on_bury(struct task *t)
{
	server_free(CONTAINER_OF(t, struct server, bury));
}

void
server_free(struct server *s)
{
	assert(s->cancels == 0);
	login_state_free(s);
	if (s->stream.fd >= 0)
		stream_close(&s->stream);
	timer_fini(&s->timer);
	pipeline_fini(&s->pipeline);
	param_set_unref(s->params);
	settings_unref(s->settings);
	stmt_server_free(s->stmts);
	welcome_unref(s->welcome);
	if (s->host_counted)
		hosts_end(s->target->hosts, s->host_i);
	target_unref(s->target);
	dns_host_unref(s->dns_host);
	wipe(s->key, sizeof(s->key));
	free(s->host);
	free(s);
}

/* The socket has ended, and so has every cancel aimed at it. */
static void
server_gone(struct server *s)
{
	if (s->state != SV_CLOSING || !s->eof || s->cancels > 0)
		return;
	keep_clear(loop_keeps(s->loop), &s->in);
	stream_close(&s->stream);
	timer_fini(&s->timer);
	enter(s, SV_CLOSED);
	s->owner->gone(s);
	loop_bury(s->loop, &s->bury);
}

static void
log_closing(const struct server *s, const char *reason)
{
	char label[SERVER_LABEL];

	if (!s->target->log_disconnections)
		return;
	server_label(s, label);
	log_info("%s closing because: %s (age=%llds, pid=%u)", label, reason,
	    (long long)((loop_now(s->loop) - s->born_us) / USEC_PER_SEC),
	    s->pid);
}

/* Says goodbye, behind which the backend ends and closes the socket. */
static void
say_terminate(struct server *s, bool in_login)
{
	struct buf b = { 0 };

	if (s->eof || s->stream.fd < 0 || s->stream.connecting)
		return;
	/* A message cut off in the middle must not be completed by ours. */
	if (!in_login && s->skip_out == 0) {
		request_terminate(&b);
		stream_write(&s->stream, buf_head(&b), buf_len(&b));
		buf_free(&b);
	}
	stream_shutdown(&s->stream);
}

void
server_retire(struct server *s, const char *reason)
{
	bool was_busy, in_login = s->login != NULL;

	if (s->state == SV_CLOSING || s->state == SV_CLOSED)
		return;
	was_busy = !in_login && s->state != SV_CONNECTING &&
	    !pipeline_is_settled(&s->pipeline);
	s->close_reason = reason;
	log_closing(s, reason);
	enter(s, SV_CLOSING);
	login_state_free(s);
	/* Nobody waits for the end of what has never answered while there is
	 * another host to ask. */
	if (s->stream.fd < 0 || s->stream.connecting || s->stream.broken ||
	    s->try_other)
		s->eof = true;
	if (s->eof) {
		server_gone(s);
		return;
	}
	server_listen(s);
	keep_clear(loop_keeps(s->loop), &s->in);
	if (was_busy && s->pid)
		server_cancel(s, NULL, NULL);
	say_terminate(s, in_login);
	stream_wake(&s->stream);
	timer_set(s->loop, &s->timer, loop_now(s->loop) + CLOSING_US);
}

/* ---- canceling ---- */

struct cancel_note {
	struct server *server;
	void (*done)(void *arg);
	void *arg;
};

static void
on_canceled(void *arg, bool clean)
{
	struct cancel_note *n = arg;
	struct server *s = n->server;

	s->cancels--;
	if (!clean)
		s->cancel_dirty = true;
	if (n->done)
		n->done(n->arg);
	free(n);
	if (s->cancels > 0)
		return;
	if (s->state == SV_CANCELING)
		s->owner->settled(s, !s->cancel_dirty);
	else if (s->state == SV_CLOSING)
		server_gone(s);
}

void
server_cancel(struct server *s, void (*done)(void *arg), void *arg)
{
	struct cancel_note *n = xcalloc(1, sizeof(*n));

	n->server = s;
	n->done = done;
	n->arg = arg;
	s->cancels++;
	canceler_start(s->loop, s->target, s->host, &s->addr,
	    stream_is_secure(&s->stream), s->pid, SPAN(s->key, s->key_n),
	    on_canceled, n);
}

/* ---- jobs while no client is linked ---- */

/* What is under way is over, well or not. */
static void
settle(struct server *s, bool ok)
{
	timer_clear(&s->timer);
	if (ok && s->cancels > 0) {
		enter(s, SV_CANCELING);
		return;
	}
	s->owner->settled(s, ok && !s->cancel_dirty);
}

static void
send_own(struct server *s, const char *sql)
{
	struct buf b = { 0 };

	s->unnamed_id = 0;
	pipeline_own_sent(&s->pipeline, 'Q');
	request_query(&b, sql);
	stream_write(&s->stream, buf_head(&b), buf_len(&b));
	buf_free(&b);
}

void
server_run(struct server *s, const char *sql, bool strict, usec_t timeout_us)
{
	assert(s->state == SV_TESTED);
	server_listen(s);
	s->strict = strict;
	s->request_us = loop_now(s->loop);
	send_own(s, sql);
	if (timeout_us)
		timer_set(s->loop, &s->timer, s->request_us + timeout_us);
}

/* A COPY that waits for a client that has gone; it may also begin only now. */
static void
end_copy(struct server *s)
{
	struct buf b = { 0 };
	struct writer w;

	if (!s->pipeline.copy_in || !s->pipeline.copy_stream)
		return;
	pipeline_sent(&s->pipeline, 'f');
	writer_begin(&w, &b, 'f');
	writer_cstr(&w, "the client has gone");
	writer_end(&w);
	stream_write(&s->stream, buf_head(&b), buf_len(&b));
	buf_free(&b);
}

/* Draining has come as far as the server's answers allow. */
static void
drain_step(struct server *s)
{
	end_copy(s);
	if (pipeline_is_doubtful(&s->pipeline)) {
		settle(s, false);
		return;
	}
	if (!pipeline_is_settled(&s->pipeline))
		return;
	if (s->pipeline.status == 'I') {
		settle(s, true);
		return;
	}
	if (s->rolled_back) {
		settle(s, false);
		return;
	}
	s->rolled_back = true;
	send_own(s, "ROLLBACK");
	s->cancel_at_us = 0;
	s->deadline_us = loop_now(s->loop) + ROLLBACK_US;
	timer_set(s->loop, &s->timer, s->deadline_us);
}

static void
set_drain_timer(struct server *s)
{
	usec_t at = s->cancel_at_us;

	if (!at || (s->deadline_us && s->deadline_us < at))
		at = s->deadline_us;
	if (at)
		timer_set(s->loop, &s->timer, at);
	else
		timer_clear(&s->timer);
}

void
server_drain(struct server *s, usec_t cancel_at_us, usec_t deadline_us)
{
	struct buf b = { 0 };

	assert(s->state == SV_DRAINING);
	server_listen(s);
	s->rolled_back = false;
	/* With nothing under way a cancel could only hit our own ROLLBACK. */
	s->cancel_at_us = pipeline_is_settled(&s->pipeline) ? 0 : cancel_at_us;
	s->deadline_us = deadline_us;
	set_drain_timer(s);
	end_copy(s);
	/* A batch without its Sync must not take effect: ROLLBACK ends the
	 * implicit transaction too (or is skipped, if the batch has failed),
	 * and the Sync brings the server back in step either way. */
	if (pipeline_wants_sync(&s->pipeline)) {
		pipeline_own_sent(&s->pipeline, 'Q');
		request_query(&b, "ROLLBACK");
		s->unnamed_id = 0;
		pipeline_own_sent(&s->pipeline, 'S');
		reply_bare(&b, 'S');
	}
	s->pipeline.copy_stream = false;
	if (buf_len(&b))
		stream_write(&s->stream, buf_head(&b), buf_len(&b));
	buf_free(&b);
	/* Not inside the caller: settled() may move the server. */
	stream_wake(&s->stream);
}

static void
on_timer(struct timer *t)
{
	static struct log_limit limit;
	struct server *s = CONTAINER_OF(t, struct server, timer);
	usec_t now = loop_now(s->loop);

	switch (server_state(s)) {
	case SV_CONNECTING:
	case SV_LOGIN:
		login_timed_out(s);
		break;
	case SV_IDLE:
		s->owner->expired(s);
		break;
	case SV_TESTED:
		s->owner->settled(s, false);
		break;
	case SV_DRAINING:
		if (s->deadline_us && now >= s->deadline_us) {
			s->owner->settled(s, false);
		} else if (s->cancel_at_us && now >= s->cancel_at_us) {
			s->cancel_at_us = 0;
			server_cancel(s, NULL, NULL);
			set_drain_timer(s);
		}
		break;
	case SV_CLOSING:
		log_limited(&limit, USEC_PER_SEC, LVL_WARNING,
		    "server connection %llu (pid %u) of database \"%s\" "
		    "did not end in %llds; it is counted no more, but the "
		    "backend may still be there",
		    (unsigned long long)s->id, s->pid, s->target->database,
		    (long long)(CLOSING_US / USEC_PER_SEC));
		s->eof = true;
		server_gone(s);
		break;
	case SV_ACTIVE:
	case SV_CANCELING:
	case SV_MIGRATING:
	case SV_CLOSED:
	case SV_STATES:
		break;
	}
}

void
server_set_deadline(struct server *s, usec_t deadline_us)
{
	if (deadline_us)
		timer_set(s->loop, &s->timer, deadline_us);
	else
		timer_clear(&s->timer);
}

void
server_forget_settings(struct server *s, const char *sql)
{
	if (!strcasestr(sql, "DISCARD ALL") && !strcasestr(sql, "RESET ALL"))
		return;
	settings_unref(s->settings);
	s->settings = NULL;
}

int
server_parameter(struct server *s, struct span body)
{
	const char *name, *value;
	int i;

	if (!msg_parameter_status(body, &name, &value))
		return -1;
	if (strcmp(name, "in_hot_standby") == 0) {
		s->standby = strcmp(value, "on") == 0;
		s->primary = strcmp(value, "off") == 0;
	}
	i = param_index(s->target->names, name);
	if (i >= 0)
		s->params = param_set_with(s->params, (size_t)i, value);
	return i;
}

/* ---- reading while no client is linked ---- */

/* An error that answers nothing is a farewell, e.g. 57P01. */
static void
log_last_words(const struct server *s, struct span body)
{
	struct notice_fields f;
	char label[SERVER_LABEL];

	if (!msg_notice(body, &f))
		return;
	server_label(s, label);
	log_info("%s server said: %s %s %s", label,
	    f.severity ? f.severity : "ERROR", f.sqlstate ? f.sqlstate : "",
	    f.message ? f.message : "");
}

bool
server_command_tag(struct server *s, struct span tag)
{
	if (UNLIKELY(pipeline_is_at_tracked_query(&s->pipeline)) &&
	    msg_is_prepare_tag(tag))
		stmt_server_query_step(s->stmts);
	if (!msg_deallocates_all(tag))
		return false;
	stmt_server_clear(s->stmts, false);
	return true;
}

void
server_statement_news(struct server *s)
{
	struct pipeline *p = &s->pipeline;

	if (s->stmts)
		stmt_server_settle(s->stmts, p);
	/* The next Parse that is under way decides. */
	if ((p->unnamed_lost || p->unnamed_own_lost) &&
	    !pipeline_has_unnamed(p))
		s->unnamed_id = 0;
	p->unnamed_lost = p->unnamed_own_lost = p->news = false;
}

/* A whole small message, or the head of one too large to hold. False when the
 * server can not be used any more. */
static bool
settled_message(struct server *s, uint8_t type, struct span body)
{
	uint8_t status = 0;

	if (type == 'S') {
		server_parameter(s, body);
		return true;
	}
	if (type == 'N' || type == 'A')
		return true;
	if (type == 'Z' && !msg_ready(body, &status))
		return false;
	if (type == 'E' && !s->pipeline.owed) {
		log_last_words(s, body);
		return false;
	}
	if (type == 'C')
		server_command_tag(s, body);
	if (pipeline_got(&s->pipeline, type, status) == PIPE_BAD)
		return false;
	if (UNLIKELY(s->pipeline.news))
		server_statement_news(s);
	return true;
}

/* After a batch of messages. */
static void
job_step(struct server *s)
{
	if (s->state == SV_LOGIN && !s->login)
		s->owner->ready(s);
	else if (s->state == SV_DRAINING)
		drain_step(s);
	else if (s->state == SV_TESTED && pipeline_is_settled(&s->pipeline))
		settle(s, s->pipeline.status == 'I' &&
		    !(s->strict && s->pipeline.own_error));
}

/* It ended, or spoke out of turn. */
static void
server_lost(struct server *s, const char *reason)
{
	switch (server_state(s)) {
	case SV_CONNECTING:
	case SV_LOGIN:
		login_lost(s);
		break;
	case SV_TESTED:
	case SV_DRAINING:
	case SV_CANCELING:
		s->owner->settled(s, false);
		break;
	case SV_IDLE:
	case SV_MIGRATING:
		s->owner->lost(s, reason);
		break;
	case SV_CLOSING:
		server_gone(s);
		break;
	case SV_ACTIVE:
	case SV_CLOSED:
	case SV_STATES:
		(void)ensure(false);
		break;
	}
}

/* Whether a message's body has to be there before it is looked at. */
static bool
wants_body(const struct server *s, uint8_t type)
{
	return s->login || type == 'S' || type == 'Z' || type == 'E' ||
	    type == 'C';
}

/* Handles what is whole in p[0..n); returns what is left, or -1 when the rest
 * is of no interest any more. */
static ssize_t
feed(struct server *s, const uint8_t *p, size_t n)
{
	struct frame_info f;
	enum frame kind;
	size_t take;

	while (n > 0) {
		if (s->skip) {
			take = s->skip < n ? s->skip : n;
			s->skip -= (uint32_t)take;
			p += take;
			n -= take;
			continue;
		}
		kind = wire_frame(p, n, INT32_MAX, &f);
		if (kind == FRAME_MORE)
			break;
		if (kind == FRAME_PART && wants_body(s, f.type) &&
		    f.size <= LOOP_RBUF_FRONT)
			break;
		if (kind == FRAME_BAD ||
		    (kind == FRAME_PART && wants_body(s, f.type))) {
			server_lost(s, "bad pkt header");
			return -1;
		}
		take = f.size < n ? f.size : n;
		s->skip = f.size - (uint32_t)take;
		if (s->login) {
			if (!login_message(s, f.type,
				SPAN(p + WIRE_HEAD, take - WIRE_HEAD)))
				return -1;
		} else if (!settled_message(s, f.type,
			       SPAN(p + WIRE_HEAD, take - WIRE_HEAD))) {
			server_lost(s, "idle server got dirty");
			return -1;
		}
		p += take;
		n -= take;
	}
	return (ssize_t)n;
}

static void
read_and_drop(struct server *s)
{
	uint8_t *p = loop_lease(s->loop);
	ssize_t n = stream_read(&s->stream, p, LOOP_RBUF);

	loop_unlease(s->loop);
	if (n == STREAM_EOF || n == STREAM_ERROR) {
		s->eof = true;
		stream_pause(&s->stream);
		server_gone(s);
	}
}

/* What a batch led to; the server may be on another loop afterwards. */
enum fed { FED_ON, FED_OVER, FED_EOF, FED_NO_MEMORY };

static enum fed
read_batch(struct server *s)
{
	struct loop *l = s->loop;
	struct keep_pool *keeps = loop_keeps(l);
	uint8_t *p = loop_lease(l);
	size_t kept = keep_len(&s->in);
	ssize_t n, left;
	enum fed fed = FED_ON;

	if (kept)
		memcpy(p, keep_head(&s->in), kept);
	n = stream_read(&s->stream, p + kept, LOOP_RBUF);
	if (n < 0) {
		fed = FED_EOF;
	} else if (n > 0) {
		keep_clear(keeps, &s->in);
		left = feed(s, p, kept + (size_t)n);
		if (left < 0)
			fed = FED_OVER;
		else if (!keep_append(keeps, &s->in, p + kept + n - left,
			     (size_t)left))
			fed = FED_NO_MEMORY;
	}
	loop_unlease(l);
	return fed;
}

static void
on_readable(struct stream *st)
{
	struct server *s = CONTAINER_OF(st, struct server, stream);

	if (s->state == SV_CLOSING) {
		read_and_drop(s);
		return;
	}
	/* Granted, and not linked yet: the relay reads in the next turn. */
	if (s->state == SV_ACTIVE || login_readable(s))
		return;
	switch (read_batch(s)) {
	case FED_ON:
		job_step(s);
		break;
	case FED_OVER:
		break;
	case FED_EOF:
		keep_clear(loop_keeps(s->loop), &s->in);
		s->eof = true;
		stream_pause(st);
		server_lost(s, "server conn crashed?");
		break;
	case FED_NO_MEMORY:
		server_lost(s, "out of memory");
		break;
	}
}

static void
on_writable(struct stream *st)
{
	struct server *s = CONTAINER_OF(st, struct server, stream);

	if (st->connecting)
		login_connected(s);
	else if (s->state == SV_CLOSING)
		stream_shutdown(st);
}

static const struct stream_ops server_ops = {
	.readable = on_readable,
	.writable = on_writable,
};

const struct stream_ops *
server_stream_ops(void)
{
	return &server_ops;
}

void
server_listen(struct server *s)
{
	stream_set_ops(&s->stream, &server_ops);
	stream_resume(&s->stream);
}

bool
server_has_moved(struct server *s)
{
	if (LIKELY(!s->dns_host))
		return false;
	s->moved = !dns_host_has(s->dns_host, &s->addr, &s->dns_version);
	return s->moved;
}

/* ---- birth and moves ---- */

struct server *
server_new(struct server_target *t, const struct server_owner *owner,
    void *pool, uint64_t id)
{
	struct server *s = xcalloc(1, sizeof(*s));

	s->target = target_ref(t);
	s->owner = owner;
	s->pool = pool;
	s->id = id;
	atomic_init(&s->state, SV_CONNECTING);
	s->stream.fd = -1;
	s->bury.fn = on_bury;
	timer_init(&s->timer, on_timer);
	pipeline_init(&s->pipeline);
	s->params = param_set_new(param_names_count(t->names));
	return s;
}

void
server_leave(struct server *s)
{
	assert(!keep_len(&s->in) && !s->cancels);
	timer_fini(&s->timer);
	stream_detach(&s->stream);
	s->loop = NULL;
}

void
server_arrive(struct server *s, struct loop *l)
{
	s->loop = l;
	stream_attach(&s->stream, l);
	server_listen(s);
}
