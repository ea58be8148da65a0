/* io/loop.h with virtual time. */
#include "fake.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct loop {
	struct timer **armed;
	size_t n_armed, cap_armed;
	struct task_list ready;
	struct task_list graves;
	struct mail_list mail;
	struct keep_pool *keeps;
	uint8_t *rbuf;
	uint64_t turns;
	bool leased;
};

usec_t fake_clock = 1000 * USEC_PER_SEC;

usec_t __wrap_clock_mono_us(void);

usec_t
__wrap_clock_mono_us(void)
{
	return fake_clock;
}

/* ---- timers ---- */

void
timer_init(struct timer *t, void (*fn)(struct timer *t))
{
	memset(t, 0, sizeof(*t));
	t->fn = fn;
}

static void
disarm(struct timer *t)
{
	struct loop *l = t->loop;
	size_t i = t->slot - 1;

	assert(i < l->n_armed && l->armed[i] == t);
	l->armed[i] = l->armed[--l->n_armed];
	l->armed[i]->slot = i + 1;
	t->slot = 0;
}

void
timer_set(struct loop *l, struct timer *t, usec_t deadline_us)
{
	assert(!t->slot || t->loop == l);
	t->deadline_us = deadline_us;
	if (t->slot)
		return;
	if (l->n_armed == l->cap_armed) {
		l->cap_armed = l->cap_armed ? 2 * l->cap_armed : 16;
		l->armed = xrealloc(l->armed,
		    l->cap_armed * sizeof(*l->armed));
	}
	t->loop = l;
	l->armed[l->n_armed++] = t;
	t->slot = l->n_armed;
}

void
timer_clear(struct timer *t)
{
	t->deadline_us = 0;
}

void
timer_fini(struct timer *t)
{
	t->deadline_us = 0;
	if (t->slot)
		disarm(t);
	t->loop = NULL;
}

static struct timer *
first_timer(const struct loop *l)
{
	struct timer *t, *best = NULL;
	size_t i;

	for (i = 0; i < l->n_armed; i++) {
		t = l->armed[i];
		if (t->deadline_us &&
		    (!best || t->deadline_us < best->deadline_us))
			best = t;
	}
	return best;
}

usec_t
fake_loop_deadline(const struct loop *l)
{
	struct timer *t = first_timer(l);

	return t ? t->deadline_us : 0;
}

static bool
run_timers(struct loop *l)
{
	struct timer *t;
	bool did = false;

	while ((t = first_timer(l)) && t->deadline_us <= fake_clock) {
		disarm(t);
		t->deadline_us = 0;
		t->fn(t);
		did = true;
	}
	return did;
}

/* ---- run-queue, free list, mailbox ---- */

void
loop_defer(struct loop *l, struct task *t)
{
	if (t->queued)
		return;
	t->queued = true;
	STAILQ_INSERT_TAIL(&l->ready, t, next);
}

void
loop_undefer(struct loop *l, struct task *t)
{
	if (!t->queued)
		return;
	t->queued = false;
	STAILQ_REMOVE(&l->ready, t, task, next);
}

void
loop_bury(struct loop *l, struct task *t)
{
	assert(!t->queued);
	t->queued = true;
	STAILQ_INSERT_TAIL(&l->graves, t, next);
}

static bool
run_tasks(struct task_list *list)
{
	struct task *t;
	bool did = false;

	while ((t = STAILQ_FIRST(list))) {
		STAILQ_REMOVE_HEAD(list, next);
		t->queued = false;
		t->fn(t);
		did = true;
	}
	return did;
}

void
loop_post(struct loop *l, struct mail *m)
{
	STAILQ_INSERT_TAIL(&l->mail, m, next);
}

static bool
run_mail(struct loop *l)
{
	struct mail_list got = STAILQ_HEAD_INITIALIZER(got);
	struct mail *m;
	bool did = false;

	STAILQ_CONCAT(&got, &l->mail);
	while ((m = STAILQ_FIRST(&got))) {
		STAILQ_REMOVE_HEAD(&got, next);
		m->fn(m, l);
		did = true;
	}
	return did;
}

bool
fake_loop_turn(struct loop *l)
{
	bool did = fake_streams_turn(l);

	did |= run_timers(l);
	did |= run_mail(l);
	did |= run_tasks(&l->ready);
	did |= run_tasks(&l->graves);
	assert(!l->leased);
	l->turns++;
	return did;
}

/* ---- the rest ---- */

struct loop *
loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof(*l));

	STAILQ_INIT(&l->ready);
	STAILQ_INIT(&l->graves);
	STAILQ_INIT(&l->mail);
	l->keeps = keep_pool_new();
	l->rbuf = xmalloc(LOOP_RBUF_FRONT + LOOP_RBUF);
	return l;
}

/* A timer that is still armed belongs to something that was never ended. */
void
loop_free(struct loop *l)
{
	assert(l->n_armed == 0);
	assert(STAILQ_EMPTY(&l->mail) && STAILQ_EMPTY(&l->ready));
	keep_pool_free(l->keeps);
	free(l->armed);
	free(l->rbuf);
	free(l);
}

/* The scenario drives the loops, one turn at a time. */
void
loop_run(struct loop *l)
{
	(void)l;
	abort();
}

void
loop_stop(struct loop *l)
{
	(void)l;
	abort();
}

/* SUSPEND is tried with the real program. */
void
loop_hold(struct loop *l, bool on)
{
	(void)l;
	(void)on;
	abort();
}

struct event_base *
loop_base(struct loop *l)
{
	(void)l;
	return NULL;
}

usec_t
loop_now(struct loop *l)
{
	(void)l;
	return fake_clock;
}

struct keep_pool *
loop_keeps(struct loop *l)
{
	return l->keeps;
}

bool
loop_is_mine(const struct loop *l)
{
	(void)l;
	return true;
}

usec_t
loop_longest_turn(const struct loop *l)
{
	(void)l;
	return 0;
}

uint64_t
loop_turns(const struct loop *l)
{
	return l->turns;
}

uint8_t *
loop_lease(struct loop *l)
{
	assert(!l->leased);
	l->leased = true;
	return l->rbuf;
}

void
loop_unlease(struct loop *l)
{
	assert(l->leased);
	l->leased = false;
	/* Whoever still looks at it must not get away with it. */
	memset(l->rbuf, 0xa5, 4096);
}
