#include "control/console.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "control/console_impl.h"
#include "control/suspend.h"
#include "proto/wire.h"

/* Held back while one command runs; past it the client is not read. */
#define INPUT_MAX ((size_t)CONSOLE_MSG_MAX + WIRE_HEAD)
/* Sent out as soon as that much has come together. */
#define OUTPUT_STEP ((size_t)64 * 1024)

static void
bury(struct task *t)
{
	struct console *c = CONTAINER_OF(t, struct console, bury);

	console_drop_names(c);
	map_free(c->statements);
	map_free(c->portals);
	buf_free(&c->in);
	buf_free(&c->out);
	handover_free(c->h);
	free(c);
}

static void
log_close(struct console *c, const char *reason)
{
	usec_t age = clock_wall_us() - c->seat.connect_wall_us;
	char addr[ADDR_TEXT];

	if (!c->plane->hub->cfg->log_disconnections)
		return;
	addr_text(&c->seat.peer, addr, sizeof(addr));
	log_info("C-%" PRIu64 ": %s/%s@%s closing because: %s "
		 "(age=%" PRId64 "s)",
	    c->seat.id, CONSOLE_DATABASE, c->seat.user, addr, reason,
	    age / USEC_PER_SEC);
}

void
console_close(struct console *c, const char *reason)
{
	struct order *q = c->order;

	if (c->closing)
		return;
	c->closing = true;
	if (reason != NULL)
		log_close(c, reason);
	c->order = NULL;
	if (q != NULL)
		order_abandon(q);
	cancel_key_remove(c->plane->hub->keys, &c->cancel);
	plane_leave(c->plane, &c->seat);
	suspend_left(c->plane, &c->seat);
	stream_close(&c->stream);
	c->bury.fn = bury;
	loop_bury(c->plane->hub->main_loop, &c->bury);
}

static void
flush(struct console *c)
{
	if (!c->closing && buf_len(&c->out) > 0)
		stream_write(&c->stream, buf_head(&c->out), buf_len(&c->out));
	buf_free(&c->out);
}

void
console_fatal(struct console *c, const struct err *e)
{
	reply_error(&c->out, "FATAL", e);
	flush(c);
	console_close(c, e->msg);
}

static void
kill_seat(struct seat *s, const struct err *e)
{
	struct console *c = CONTAINER_OF(s, struct console, seat);

	if (e != NULL)
		console_fatal(c, e);
	else
		console_close(c, NULL);
}

/* ---- input ---- */

/* One message, if all of it is here. */
static bool
next_message(struct console *c)
{
	const uint8_t *p = buf_head(&c->in);
	struct frame_info f;
	struct err e;

	switch (wire_frame(p, buf_len(&c->in), CONSOLE_MSG_MAX, &f)) {
	case FRAME_MORE:
	case FRAME_PART:
		return false;
	case FRAME_BAD:
		err_set(&e, "08P01", "bad packet header");
		err_detail(&e, "a console command has at most %d bytes",
		    CONSOLE_MSG_MAX);
		console_fatal(c, &e);
		return false;
	case FRAME_WHOLE:
		break;
	}
	console_message(c, f.type, SPAN(p + WIRE_HEAD, f.size - WIRE_HEAD));
	/* The session may have ended; its memory stays until the turn does. */
	buf_consume(&c->in, f.size);
	return true;
}

/* A client that does not read gets no more answers until it does. */
void
console_work(struct console *c)
{
	if (c->working || c->closing)
		return;
	c->working = true;
	while (!c->closing && c->order == NULL &&
	    stream_unsent(&c->stream) == 0 && next_message(c))
		if (buf_len(&c->out) >= OUTPUT_STEP)
			flush(c);
	flush(c);
	c->working = false;
	if (c->closing)
		return;
	if (c->eof && c->order == NULL && stream_unsent(&c->stream) == 0)
		console_close(c, "client unexpected eof");
	else if (!c->eof && buf_len(&c->in) < INPUT_MAX)
		stream_resume(&c->stream);
}

/* It has half-closed or gone: a command that waits is given up, others end
 * and are answered. */
static void
ended(struct console *c, bool broken)
{
	c->eof = true;
	stream_pause(&c->stream);
	if (broken || (c->order != NULL && c->order->waiting))
		console_close(c, "client unexpected eof");
	else
		console_work(c);
}

static void
readable(struct stream *s)
{
	struct console *c = CONTAINER_OF(s, struct console, stream);
	struct loop *l = c->plane->hub->main_loop;
	uint8_t *p;
	ssize_t n;

	if (c->closing)
		return;
	p = loop_lease(l);
	n = stream_read(s, p, LOOP_RBUF);
	if (n > 0)
		buf_append(&c->in, p, (size_t)n);
	loop_unlease(l);
	if (n == STREAM_AGAIN)
		return;
	if (n < 0) {
		ended(c, n == STREAM_ERROR);
		return;
	}
	if (buf_len(&c->in) >= INPUT_MAX)
		stream_pause(s);
	console_work(c);
}

static void
writable(struct stream *s)
{
	console_work(CONTAINER_OF(s, struct console, stream));
}

static const struct stream_ops ops = {
	.readable = readable,
	.writable = writable,
};

/* ---- birth ---- */

/* Ctrl-C. There is nothing to wait for: the call is over at once. */
static void
cancel_called(struct cancel_entry *e, struct cancel_call *call)
{
	struct console *c = CONTAINER_OF(e, struct console, cancel);

	if (c->order != NULL)
		order_cancel(c->order);
	cancel_call_over(call);
}

static void
welcome(struct console *c)
{
	reply_auth_ok(&c->out);
	reply_parameter(&c->out, "server_version", CONSOLE_SPEAKS "/bouncer");
	reply_parameter(&c->out, "client_encoding", "UTF8");
	reply_parameter(&c->out, "server_encoding", "UTF8");
	reply_parameter(&c->out, "DateStyle", "ISO");
	reply_parameter(&c->out, "TimeZone", "GMT");
	reply_parameter(&c->out, "standard_conforming_strings", "on");
	reply_parameter(&c->out, "is_superuser", "on");
	reply_key_data(&c->out, cancel_key_pid(&c->cancel),
	    cancel_key_secret(&c->cancel));
	reply_ready(&c->out, 'I');
}

void
console_new(struct plane *pl, struct handover *h)
{
	struct console *c = xcalloc(1, sizeof(*c));
	struct loop *l = pl->hub->main_loop;

	c->plane = pl;
	c->h = h;
	c->statements = map_new();
	c->portals = map_new();
	c->seat = (struct seat){
		.id = h->id,
		.user = h->user,
		.application_name = h->application_name,
		.admin = h->admin,
		.peer = h->peer,
		.local = h->local,
		.connect_wall_us = h->connect_wall_us,
		.kill = kill_seat,
	};
	plane_sit(pl, &c->seat);
	stream_init(&c->stream, l, h->fd, &ops);
	stream_give_tls(&c->stream, h->tls);
	h->tls = NULL;
	cancel_key_add(pl->hub->keys, &c->cancel,
	    h->long_key ? CANCEL_KEY_LONG : CANCEL_KEY, l, cancel_called);
	if (h->n_bytes > 0)
		buf_append(&c->in, h->bytes, h->n_bytes);
	welcome(c);
	console_work(c);
}

void
console_end_all(struct plane *pl)
{
	struct seat *s;

	while ((s = TAILQ_FIRST(&pl->seats)) != NULL)
		s->kill(s, NULL);
}
