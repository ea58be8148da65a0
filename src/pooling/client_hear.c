/*
 * What a client hears: LISTEN in transaction mode, which the pool's fanout
 * carries out, and the notifications that come of it.
 *
 * PostgreSQL tells a client between two transactions only. So what comes while
 * a server is linked is kept, and told when it is not any more (or stands still
 * between two transactions): before the ReadyForQuery, where that has been held
 * back. What is kept, and what the client does not read, is bounded: past that
 * it is closed, for there is no other way to be sure that it knows that it has
 * missed something.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "client_private.h"
#include "pooling/fanout.h"
#include "proto/reply.h"

/* Bytes that are kept, or not read. */
#define HEARD_MAX (1024 * 1024)

struct client_ear {
	struct ear *ear;
	struct channels *want; /* calling: what it hears then */
	bool calling; /* and a ReadyForQuery is held back */
	struct buf kept;
};

bool
client_is_hearing(const struct client *c)
{
	return c->ear && c->ear->calling;
}

/* ---- telling ---- */

/* It stands between two transactions, and no answer is under way. */
static bool
may_be_told(const struct client *c)
{
	if (client_is_hearing(c))
		return false;
	return c->state == CL_IDLE || c->state == CL_WAITING ||
	    (c->state == CL_ACTIVE && c->relay && relay_is_at_rest(c->relay));
}

static void
too_slow(struct client *c)
{
	struct err e;

	err_set(&e, "53400", "too many notifications are waiting for this "
	    "client");
	err_detail(&e, "it has not taken %d bytes of them: it does not read, "
	    "or has been in a transaction for too long", HEARD_MAX);
	err_hint(&e, "connect and LISTEN again, and look for what has been "
	    "missed");
	client_fatal(c, &e);
}

void
client_tell_heard(struct client *c)
{
	struct client_ear *x = c->ear;

	if (!x || !buf_len(&x->kept))
		return;
	stream_write(&c->stream, buf_head(&x->kept), buf_len(&x->kept));
	buf_free(&x->kept);
}

static void
deliver(void *arg, struct span message)
{
	struct client *c = arg;
	struct client_ear *x = c->ear;

	if (may_be_told(c)) {
		client_tell_heard(c);
		stream_write(&c->stream, message.p, message.n);
		if (stream_unsent(&c->stream) > HEARD_MAX)
			too_slow(c);
		return;
	}
	if (buf_len(&x->kept) + message.n > HEARD_MAX ||
	    !buf_try_append(&x->kept, message.p, message.n))
		too_slow(c);
}

void
client_rests(void *arg)
{
	struct client *c = arg;

	if (may_be_told(c))
		client_tell_heard(c);
}

/* ---- calling ---- */

static void
set_heard(struct client *c, struct channels *want)
{
	channels_unref(c->heard);
	c->heard = channels_ref(want);
}

/* What was held back, and what comes before it. */
static void
send_ready(struct client *c, const struct err *e)
{
	struct buf b = { 0 };

	if (e) {
		client_tally(c, e);
		reply_error(&b, "ERROR", e);
		client_send(c, &b);
	}
	client_tell_heard(c);
	reply_ready(&b, 'I');
	client_send(c, &b);
}

static void
done(void *arg, const struct err *e)
{
	struct client *c = arg;
	struct client_ear *x = c->ear;

	x->calling = false;
	if (!e)
		set_heard(c, x->want);
	channels_unref(x->want);
	x->want = NULL;
	timer_clear(&c->timer);
	send_ready(c, e);
	if (c->state == CL_ACTIVE && c->relay) {
		relay_heard(c->relay);
		return;
	}
	if (c->state != CL_HEARING)
		return;
	client_enter_idle(c);
	stream_resume(&c->stream);
	client_go_on(c);
}

static void
lost(void *arg, const struct err *e)
{
	client_fatal(arg, e);
}

static const struct ear_owner owner = {
	.deliver = deliver,
	.done = done,
	.lost = lost,
};

static void
make_ear(struct client *c)
{
	const char *encoding = param_get(c->params, PARAM_CLIENT_ENCODING);
	struct fanout *f = fanout_of(c->pool, c->home->worker,
	    encoding ? encoding : "UTF8");

	c->ear = xcalloc(1, sizeof(*c->ear));
	c->ear->ear = ear_new(f, c->home->worker, &owner, c);
}

void
client_hear(void *arg, struct channels *want)
{
	struct client *c = arg;

	if (!c->ear)
		make_ear(c);
	ear_call(c->ear->ear, want);
	c->ear->calling = true;
	c->ear->want = channels_ref(want);
	if (c->query_wait_us)
		timer_set(c->home->loop, &c->timer,
		    loop_now(c->home->loop) + c->query_wait_us);
}

void
client_hearing_timed_out(struct client *c)
{
	struct err e;

	if (!client_is_hearing(c))
		return;
	err_set(&e, "57014", "query_wait_timeout");
	err_detail(&e, "the server connection that listens for the clients of "
	    "database \"%s\" and user \"%s\" has not become ready in %.1f s",
	    c->db->name, c->pool->user_name,
	    (double)c->query_wait_us / USEC_PER_SEC);
	err_hint(&e, "it waits for a server as clients do: SHOW POOLS and "
	    "SHOW SERVERS on the admin console tell why there is none");
	client_fatal(c, &e);
}

void
client_stop_hearing(struct client *c)
{
	struct client_ear *x = c->ear;

	if (!x)
		return;
	c->ear = NULL;
	ear_free(x->ear);
	channels_unref(x->want);
	channels_unref(c->heard);
	c->heard = NULL;
	buf_free(&x->kept);
	free(x);
}
