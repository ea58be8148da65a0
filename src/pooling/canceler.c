/* One CancelRequest on its way. */
#include "pooling/canceler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "io/stream.h"
#include "pooling/preface.h"
#include "proto/reply.h"

/* How often one that waits for its turn looks again. */
#define RETRY_US (10 * USEC_PER_MSEC)

struct canceler {
	struct stream stream;
	struct loop *loop;
	struct server_target *target;
	char host[TARGET_HOST]; /* for Unix sockets */
	struct addr addr;
	bool tls; /* the session has it, so its key does not go in plain */
	struct preface preface;
	uint32_t pid;
	uint8_t key[256];
	size_t key_n;
	usec_t deadline_us;
	bool open; /* counted in target->cancels, stream is live */
	bool clean;
	void (*done)(void *arg, bool clean);
	void *arg;
	struct timer timer;
	struct task bury;
};

static void
on_bury(struct task *t)
{
	struct canceler *c = CONTAINER_OF(t, struct canceler, bury);

	target_unref(c->target);
	free(c);
}

static void
finish(struct canceler *c, bool clean)
{
	timer_fini(&c->timer);
	if (c->open) {
		stream_close(&c->stream);
		atomic_fetch_sub(&c->target->cancels, 1);
	} else {
		atomic_fetch_sub(&c->target->cancels_waiting, 1);
	}
	c->done(c->arg, clean);
	loop_bury(c->loop, &c->bury);
}

static void
after_preface(struct canceler *c, enum preface_step step)
{
	struct buf b = { 0 };

	switch (step) {
	case PREFACE_MORE:
		break;
	case PREFACE_DONE:
		request_cancel(&b, c->pid, SPAN(c->key, c->key_n));
		stream_write(&c->stream, buf_head(&b), buf_len(&b));
		buf_wipe_free(&b);
		break;
	case PREFACE_FAILED:
		finish(c, false);
		break;
	}
}

static void
on_readable(struct stream *st)
{
	struct canceler *c = CONTAINER_OF(st, struct canceler, stream);
	uint8_t scrap[64];
	char why[PREFACE_WHY];
	ssize_t n;

	if (preface_is_on(&c->preface)) {
		after_preface(c, preface_readable(&c->preface, st, c->target,
		    c->host, true, why));
		return;
	}
	n = stream_read(st, scrap, sizeof(scrap));
	if (n == STREAM_EOF)
		finish(c, true);
	else if (n == STREAM_ERROR)
		/* A server that has read the request may well reset. */
		finish(c, st->err == ECONNRESET);
}

static void
on_writable(struct stream *st)
{
	struct canceler *c = CONTAINER_OF(st, struct canceler, stream);
	char why[PREFACE_WHY];

	if (!st->connecting)
		return;
	if (stream_connected(st) != 0)
		finish(c, false);
	else if (c->tls)
		after_preface(c, preface_begin(&c->preface, st, c->target,
		    c->host, true, why));
	else
		after_preface(c, PREFACE_DONE);
}

static const struct stream_ops canceler_ops = {
	.readable = on_readable,
	.writable = on_writable,
};

/* Takes a place under the limit, if there is one. */
static bool
take_place(struct server_target *t)
{
	int n = atomic_load(&t->cancels);

	while (n < t->max_cancels)
		if (atomic_compare_exchange_weak(&t->cancels, &n, n + 1))
			return true;
	return false;
}

static void
try_open(struct canceler *c)
{
	usec_t now = loop_now(c->loop);
	int fd;

	if (!take_place(c->target)) {
		timer_set(c->loop, &c->timer, now + RETRY_US);
		return;
	}
	atomic_fetch_sub(&c->target->cancels_waiting, 1);
	fd = target_dial(c->target, c->host, &c->addr);
	if (fd < 0) {
		atomic_fetch_sub(&c->target->cancels, 1);
		atomic_fetch_add(&c->target->cancels_waiting, 1);
		finish(c, false);
		return;
	}
	stream_init_connecting(&c->stream, c->loop, fd, &canceler_ops);
	c->open = true;
	if (c->deadline_us)
		timer_set(c->loop, &c->timer, c->deadline_us);
}

static void
on_timer(struct timer *t)
{
	struct canceler *c = CONTAINER_OF(t, struct canceler, timer);

	if (c->deadline_us && loop_now(c->loop) >= c->deadline_us)
		finish(c, false);
	else if (!c->open)
		try_open(c);
}

void
canceler_start(struct loop *l, struct server_target *t, const char *host,
    const struct addr *a, bool tls, uint32_t pid, struct span key,
    void (*done)(void *arg, bool clean), void *arg)
{
	struct canceler *c = xcalloc(1, sizeof(*c));

	c->loop = l;
	c->target = target_ref(t);
	copy_str(c->host, sizeof(c->host), host);
	c->addr = *a;
	c->tls = tls;
	c->pid = pid;
	c->key_n = key.n < sizeof(c->key) ? key.n : sizeof(c->key);
	memcpy(c->key, key.p, c->key_n);
	c->done = done;
	c->arg = arg;
	c->bury.fn = on_bury;
	c->stream.fd = -1;
	timer_init(&c->timer, on_timer);
	if (t->cancel_wait_us)
		c->deadline_us = loop_now(l) + t->cancel_wait_us;
	atomic_fetch_add(&t->cancels_waiting, 1);
	/* By the timer, so that done() never comes inside this call. */
	timer_set(l, &c->timer, loop_now(l));
}
