/*
 * Those who hear, on their worker: for each channel the ears that listen on it,
 * and what goes back and forth between them and home.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fanout_private.h"
#include "proto/reply.h"

TAILQ_HEAD(seat_list, seat);

/* Of one channel on one worker. */
struct audience {
	struct seat_list seats;
	uint32_t n;
	char name[];
};

struct seat {
	TAILQ_ENTRY(seat) link;
	LIST_ENTRY(seat) mine;
	struct audience *audience;
	struct ear *ear;
};

struct ear {
	struct fanout *fanout;
	const struct ear_owner *owner;
	void *arg;
	int worker;
	struct channels *have;
	struct fan_call *call; /* under way; or NULL */
	LIST_HEAD(, seat) seats;
	TAILQ_ENTRY(ear) link;
};

static struct fan_side *
side_of(const struct ear *e)
{
	return &e->fanout->sides[e->worker];
}

/* ---- seats ---- */

static void
sit_down(void *arg, struct span name)
{
	struct ear *e = arg;
	struct fan_side *side = side_of(e);
	struct audience *a;
	struct seat *s;

	if (!side->audiences)
		side->audiences = map_new();
	a = map_get(side->audiences, name);
	if (!a) {
		a = xcalloc(1, sizeof(*a) + name.n);
		TAILQ_INIT(&a->seats);
		a->n = (uint32_t)name.n;
		memcpy(a->name, name.p, name.n);
		map_put(side->audiences, name, a);
	}
	s = xcalloc(1, sizeof(*s));
	s->audience = a;
	s->ear = e;
	TAILQ_INSERT_TAIL(&a->seats, s, link);
	LIST_INSERT_HEAD(&e->seats, s, mine);
}

static void
stand_up(struct fan_side *side, struct seat *s)
{
	struct audience *a = s->audience;

	TAILQ_REMOVE(&a->seats, s, link);
	LIST_REMOVE(s, mine);
	free(s);
	if (!TAILQ_EMPTY(&a->seats))
		return;
	map_del(side->audiences, SPAN(a->name, a->n));
	free(a);
	if (map_count(side->audiences))
		return;
	map_free(side->audiences);
	side->audiences = NULL;
}

static void
leave_one(void *arg, struct span name)
{
	struct ear *e = arg;
	struct seat *s;

	LIST_FOREACH(s, &e->seats, mine)
		if (span_eq(SPAN(s->audience->name, s->audience->n), name))
			break;
	if (ensure(s != NULL))
		stand_up(side_of(e), s);
}

/* It hears this now. */
static void
hear(struct ear *e, struct channels *want)
{
	struct channels *old = e->have;

	e->have = channels_ref(want);
	channels_each_not_in(old, want, leave_one, e);
	channels_each_not_in(want, old, sit_down, e);
	channels_unref(old);
}

/* ---- calls ---- */

static void on_reply(struct mail *m, struct loop *l);

static struct fan_call *
call_new(struct ear *e, struct channels *want)
{
	struct fan_call *c = xcalloc(1, sizeof(*c));

	c->fanout = e->fanout;
	pool_ref(c->fanout->pool);
	c->worker = e->worker;
	c->have = channels_ref(e->have);
	c->want = channels_ref(want);
	return c;
}

void
fan_call_free(struct fan_call *c)
{
	struct pool *p = c->fanout->pool;

	channels_unref(c->have);
	channels_unref(c->want);
	free(c->err);
	free(c);
	pool_unref(p);
}

static void
send_home(struct fan_call *c)
{
	c->mail.fn = fan_called;
	loop_post(c->fanout->loop, &c->mail);
}

void
fan_reply(struct fan_call *c)
{
	c->mail.fn = on_reply;
	loop_post(c->fanout->pool->hub->loops[c->worker], &c->mail);
}

/* Who has called is gone: what it was to hear is given up. */
static void
undo(struct fan_call *c)
{
	if (!c->err) {
		channels_unref(c->have);
		c->have = channels_ref(c->want);
	}
	channels_unref(c->want);
	c->want = NULL;
	if (!c->have) {
		fan_call_free(c);
		return;
	}
	c->one_way = true;
	send_home(c);
}

static void
on_reply(struct mail *m, struct loop *l)
{
	struct fan_call *c = CONTAINER_OF(m, struct fan_call, mail);
	struct ear *e = c->ear;

	(void)l;
	if (!e) {
		undo(c);
		return;
	}
	e->call = NULL;
	if (!c->err)
		hear(e, c->want);
	e->owner->done(e->arg, c->err);
	fan_call_free(c);
}

void
ear_call(struct ear *e, struct channels *want)
{
	struct fan_call *c = call_new(e, want);

	assert(!e->call);
	c->ear = e;
	e->call = c;
	send_home(c);
}

static void
give_all_up(struct ear *e)
{
	struct fan_call *c = call_new(e, NULL);

	c->one_way = true;
	send_home(c);
}

/* ---- ears ---- */

struct ear *
ear_new(struct fanout *f, int worker, const struct ear_owner *o, void *arg)
{
	struct ear *e = xcalloc(1, sizeof(*e));

	e->fanout = f;
	e->worker = worker;
	e->owner = o;
	e->arg = arg;
	LIST_INIT(&e->seats);
	TAILQ_INSERT_TAIL(&side_of(e)->ears, e, link);
	return e;
}

void
ear_free(struct ear *e)
{
	struct seat *s;

	if (e->call)
		e->call->ear = NULL;
	else if (e->have)
		give_all_up(e);
	while ((s = LIST_FIRST(&e->seats)))
		stand_up(side_of(e), s);
	TAILQ_REMOVE(&side_of(e)->ears, e, link);
	channels_unref(e->have);
	free(e);
}

/* ---- news ---- */

struct bulletin {
	struct mail mail;
	struct fanout *fanout; /* its pool is held by a reference */
	int worker;
	enum fan_news news;
	struct err *err; /* FAN_END */
	size_t channel_n;
	size_t n;
	uint8_t bytes[]; /* channel, message */
};

/* An owner may close its client, and free the ear with that; no other. */
static void
tell_audience(const struct bulletin *b)
{
	const struct fan_side *side = &b->fanout->sides[b->worker];
	struct span message = SPAN(b->bytes + b->channel_n, b->n);
	struct audience *a;
	struct seat *s, *next;

	a = side->audiences ? map_get(side->audiences,
	    SPAN(b->bytes, b->channel_n)) : NULL;
	for (s = a ? TAILQ_FIRST(&a->seats) : NULL; s; s = next) {
		next = TAILQ_NEXT(s, link);
		s->ear->owner->deliver(s->ear->arg, message);
	}
}

static void
tell_everybody(const struct bulletin *b)
{
	const struct fan_side *side = &b->fanout->sides[b->worker];
	struct buf notice = { 0 };
	struct ear *e, *next;

	reply_notice(&notice, "01000", "notifications may have been missed",
	    "the server connection that listens for this client was lost; "
	    "another one listens on the same channels from now on");
	for (e = TAILQ_FIRST(&side->ears); e; e = next) {
		next = TAILQ_NEXT(e, link);
		if (!e->have)
			continue;
		if (b->news == FAN_END)
			e->owner->lost(e->arg, b->err);
		else
			e->owner->deliver(e->arg, buf_span(&notice));
	}
	buf_free(&notice);
}

static void
on_bulletin(struct mail *m, struct loop *l)
{
	struct bulletin *b = CONTAINER_OF(m, struct bulletin, mail);
	struct pool *p = b->fanout->pool;

	(void)l;
	switch (b->news) {
	case FAN_MESSAGE:
		tell_audience(b);
		break;
	case FAN_GAP:
	case FAN_END:
		tell_everybody(b);
		break;
	}
	free(b->err);
	free(b);
	pool_unref(p);
}

void
fan_post(struct fanout *f, int worker, enum fan_news news,
    struct span channel, struct span message, const struct err *e)
{
	struct bulletin *b = xmalloc(sizeof(*b) + channel.n + message.n);

	b->fanout = f;
	pool_ref(f->pool);
	b->worker = worker;
	b->news = news;
	b->err = NULL;
	if (e) {
		b->err = xmalloc(sizeof(*b->err));
		*b->err = *e;
	}
	b->channel_n = channel.n;
	b->n = message.n;
	if (channel.n)
		memcpy(b->bytes, channel.p, channel.n);
	if (message.n)
		memcpy(b->bytes + channel.n, message.p, message.n);
	b->mail.fn = on_bulletin;
	loop_post(f->pool->hub->loops[worker], &b->mail);
}
