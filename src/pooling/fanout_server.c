/*
 * The server that listens: got from the pool's queue, asked one query at a
 * time, read whenever it has something to tell.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fanout_private.h"
#include "proto/msg.h"
#include "proto/reply.h"
#include "proto/wire.h"

/* A payload has 8,000 bytes at most, an error some lines. */
#define MESSAGE_MAX (1024 * 1024)

/* ---- what it says ---- */

/* Who a server process works for, as far as that has been announced. */
static uint32_t
client_of(struct fanout *f, uint32_t pid)
{
	const struct fanout_tenant *t;
	uint32_t found = pid;

	pthread_mutex_lock(&f->mu);
	LIST_FOREACH(t, &f->tenants, link)
		if (t->server_pid == pid) {
			found = t->client_pid;
			break;
		}
	pthread_mutex_unlock(&f->mu);
	return found;
}

/* NotificationResponse: process, channel, payload. p is the whole message,
 * which is changed in place. */
static bool
take_notification(struct fanout *f, uint8_t *p, size_t n)
{
	uint8_t *body = p + WIRE_HEAD;
	struct reader r;
	uint32_t pid;
	const char *channel;

	reader_init(&r, SPAN(body, n - WIRE_HEAD));
	pid = reader_u32(&r);
	channel = reader_cstr(&r);
	(void)reader_cstr(&r);
	if (!reader_done(&r))
		return false;
	pid = client_of(f, pid);
	body[0] = (uint8_t)(pid >> 24);
	body[1] = (uint8_t)(pid >> 16);
	body[2] = (uint8_t)(pid >> 8);
	body[3] = (uint8_t)pid;
	fan_tell(f, span_of(channel), SPAN(p, n));
	return true;
}

/* The first error of a query is why it failed. */
static void
take_error(struct fanout *f, struct span body)
{
	struct notice_fields n;

	if (err_is_set(&f->err) || !msg_notice(body, &n))
		return;
	err_set(&f->err, n.sqlstate ? n.sqlstate : "XX000", "%s",
	    n.message ? n.message : "LISTEN failed");
	if (n.detail)
		err_detail(&f->err, "%s", n.detail);
	if (n.hint)
		err_hint(&f->err, "%s", n.hint);
}

/* False when the server cannot be used any more. */
static bool
take_message(struct fanout *f, uint8_t type, uint8_t *p, size_t n)
{
	struct server *s = f->server;
	struct span body = SPAN(p + WIRE_HEAD, n - WIRE_HEAD);
	uint8_t status = 0;

	switch (type) {
	case 'A':
		return take_notification(f, p, n);
	case 'S':
		(void)server_parameter(s, body);
		return true;
	case 'N':
		return true;
	case 'E':
		/* With nothing owed it is a farewell. */
		if (!s->pipeline.owed)
			return false;
		take_error(f, body);
		break;
	case 'Z':
		if (!msg_ready(body, &status))
			return false;
		break;
	}
	return pipeline_got(&s->pipeline, type, status) != PIPE_BAD;
}

/* What is whole in f->in. */
static void
take_messages(struct fanout *f)
{
	struct frame_info info;
	enum frame kind = FRAME_MORE;
	uint8_t *p;

	while (f->server && buf_len(&f->in)) {
		p = f->in.data + f->in.start;
		kind = wire_frame(p, buf_len(&f->in), MESSAGE_MAX, &info);
		if (kind != FRAME_WHOLE)
			break;
		if (!take_message(f, info.type, p, info.size)) {
			fan_server_lost(f, "it broke off or did not make "
			    "sense");
			return;
		}
		buf_consume(&f->in, info.size);
		if (f->running && pipeline_is_idle(&f->server->pipeline)) {
			fan_ran(f);
			fan_step(f);
		}
	}
	if (f->server && kind == FRAME_BAD)
		fan_server_lost(f, "it did not make sense");
}

static void
on_readable(struct stream *st)
{
	struct server *s = CONTAINER_OF(st, struct server, stream);
	struct pool *p = pool_ref(s->pool);
	struct fanout *f = fanout_get(p);
	uint8_t *b = loop_lease(f->loop);
	ssize_t n = stream_read(st, b, LOOP_RBUF);

	if (n > 0)
		buf_append(&f->in, b, (size_t)n);
	loop_unlease(f->loop);
	if (n < 0)
		fan_server_lost(f, "server conn crashed?");
	else
		take_messages(f);
	fan_step(f);
	pool_unref(p);
}

static void
on_writable(struct stream *st)
{
	(void)st;
}

static const struct stream_ops ops = {
	.readable = on_readable,
	.writable = on_writable,
};

/* ---- to and from the pool ---- */

static void
take_server(struct fanout *f, struct server *s)
{
	f->queued = false;
	f->server = s;
	f->fresh = true;
	s->listens = true;
	s->request_us = 0;
	stream_set_ops(&s->stream, &ops);
	stream_resume(&s->stream);
}

static void
on_granted(struct waiter *w, struct server *s)
{
	struct fanout *f = CONTAINER_OF(w, struct fanout, waiter);
	struct pool *p = pool_ref(f->pool);

	take_server(f, s);
	fan_step(f);
	pool_unref(p);
}

static void
on_failed(struct waiter *w, const struct err *e)
{
	struct fanout *f = CONTAINER_OF(w, struct fanout, waiter);
	struct pool *p = pool_ref(f->pool);

	f->queued = false;
	fan_server_failed(f, e);
	fan_step(f);
	pool_unref(p);
}

static void
on_welcomed(struct waiter *w)
{
	(void)w;
	(void)ensure(false);
}

void
fan_acquire(struct fanout *f)
{
	struct server *s;
	struct err e;

	f->waiter.worker = f->home;
	f->waiter.granted = on_granted;
	f->waiter.failed = on_failed;
	f->waiter.welcomed = on_welcomed;
	f->queued = true;
	switch (pool_acquire(f->pool, &f->waiter, loop_now(f->loop), &s, &e)) {
	case ACQUIRE_GOT:
		take_server(f, s);
		fan_step(f);
		break;
	case ACQUIRE_QUEUED:
		break;
	case ACQUIRE_FULL:
	case ACQUIRE_FAILED:
		f->queued = false;
		fan_server_failed(f, &e);
		break;
	}
}

void
fan_send(struct fanout *f, const struct buf *sql)
{
	struct server *s = f->server;
	struct buf b = { 0 };

	s->unnamed_id = 0;
	pipeline_own_sent(&s->pipeline, 'Q');
	request_query(&b, (const char *)buf_head(sql));
	s->counters.received += buf_len(&b);
	stream_write(&s->stream, buf_head(&b), buf_len(&b));
	buf_free(&b);
}

static struct server *
take_off(struct fanout *f)
{
	struct server *s = f->server;

	f->server = NULL;
	s->listens = false;
	server_listen(s);
	return s;
}

void
fan_let_go(struct fanout *f)
{
	struct server *s = take_off(f);
	bool whole = keep_append(loop_keeps(f->loop), &s->in,
	    buf_head(&f->in), buf_len(&f->in));

	buf_free(&f->in);
	/* Its settings are not those of any client. */
	s->dirty = s->reset_all = true;
	if (whole)
		pool_release(s);
	else
		pool_discard(s, "out of memory");
}

void
fan_discard(struct fanout *f, const char *reason)
{
	struct server *s = take_off(f);

	buf_free(&f->in);
	pool_discard(s, reason);
}
