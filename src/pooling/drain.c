/* Parts with the clients of one worker. */
#include "pooling/drain.h"

#include <stdlib.h>

#define TICK_US (20 * USEC_PER_MSEC)
/* How long a client has to be idle before it is closed without a transaction
 * of its own to end; less where the window is short. */
#define IDLE_US (1 * USEC_PER_SEC)

struct drain {
	struct client_home *home;
	struct timer timer;
	usec_t begun_us, window_us;
	uint64_t gone; /* closed idle by us */
};

/* Whether so much of the window is over that the i-th of n is due. */
static bool
is_due(const struct drain *d, uint64_t i, uint64_t n, usec_t now)
{
	usec_t spent = now - d->begun_us;

	if (spent >= d->window_us)
		return true;
	return (double)i * (double)d->window_us < (double)n * (double)spent;
}

static usec_t
idle_needed(const struct drain *d, usec_t now)
{
	usec_t part = d->window_us / 10;

	if (now - d->begun_us >= d->window_us)
		return 0;
	return part < IDLE_US ? part : IDLE_US;
}

/* Those who came due earlier and still work stand in front: they count. Those
 * who have gone by themselves make the rest wait a little less. */
static void
part_some(struct drain *d)
{
	usec_t now = loop_now(d->home->loop), idle = idle_needed(d, now);
	uint64_t i = d->gone, n = d->gone;
	struct client *c, *next;

	TAILQ_FOREACH(c, &d->home->clients, link)
		n++;
	for (c = TAILQ_FIRST(&d->home->clients); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (!is_due(d, i++, n, now))
			break;
		if (client_leave(c, idle))
			d->gone++;
	}
}

/* The others go as soon as their transaction is over. */
static void
move_some(struct drain *d)
{
	struct client *c, *next;
	int n = 0;

	for (c = TAILQ_FIRST(&d->home->clients); c && n < DRAIN_SLICE;
	    c = next) {
		next = TAILQ_NEXT(c, link);
		c->leaving = true;
		n += client_move(c);
	}
}

static void
on_tick(struct timer *t)
{
	struct drain *d = CONTAINER_OF(t, struct drain, timer);

	if (d->home->moving)
		move_some(d);
	if (d->window_us)
		part_some(d);
	timer_set(d->home->loop, &d->timer, loop_now(d->home->loop) + TICK_US);
}

struct drain *
drain_new(struct client_home *h, usec_t window_us, bool move)
{
	struct drain *d = xcalloc(1, sizeof(*d));

	d->home = h;
	h->moving = move;
	d->window_us = window_us;
	d->begun_us = loop_now(h->loop);
	timer_init(&d->timer, on_tick);
	timer_set(h->loop, &d->timer, d->begun_us);
	return d;
}

void
drain_free(struct drain *d)
{
	if (!d)
		return;
	d->home->moving = false;
	timer_fini(&d->timer);
	free(d);
}

void
drain_finish(struct client_home *h)
{
	struct client *c, *next;
	struct err e;

	err_set(&e, "57P01", "pooler is shutting down");
	err_detail(&e, "drain_timeout is over; what was not committed is "
	    "rolled back");
	err_hint(&e, "connect again");
	for (c = TAILQ_FIRST(&h->clients); c; c = next) {
		next = TAILQ_NEXT(c, link);
		client_kill(c, &e);
	}
}
