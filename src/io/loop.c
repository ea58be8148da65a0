/* One event loop: turns, timers, run-queue, mailbox. */
#include "io/loop.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

struct loop {
	struct event_base *base;
	usec_t now_us; /* 0 = not read in this turn yet */
	uint64_t turns;
	usec_t turn_us; /* CPU time when this one was first asked; 0 = not */
	usec_t longest_us;
	bool running;
	bool held;
	_Atomic bool stop;
	_Atomic(pthread_t) thread;

	struct timer **heap;
	size_t heap_n, heap_cap;
	struct event ev_timer;
	usec_t ev_timer_us; /* what ev_timer is set to; 0 = not */

	struct task_list ready;
	struct task_list graves;

	pthread_mutex_t mail_mu;
	struct mail_list mail;
	int mail_fd;
	struct event ev_mail;

	struct keep_pool *keeps;
	struct loop_extra *extra;
	uint8_t *rbuf;
	bool leased;
};

/* ---- timers: a heap of the armed ones ---- */

static void
heap_place(struct loop *l, size_t i, struct timer *t)
{
	l->heap[i] = t;
	t->slot = i + 1;
}

static void
heap_up(struct loop *l, size_t i, struct timer *t)
{
	while (i > 0) {
		size_t up = (i - 1) / 2;

		if (l->heap[up]->armed_us <= t->armed_us)
			break;
		heap_place(l, i, l->heap[up]);
		i = up;
	}
	heap_place(l, i, t);
}

static void
heap_down(struct loop *l, size_t i, struct timer *t)
{
	for (;;) {
		size_t kid = 2 * i + 1;

		if (kid >= l->heap_n)
			break;
		if (kid + 1 < l->heap_n &&
		    l->heap[kid + 1]->armed_us < l->heap[kid]->armed_us)
			kid++;
		if (t->armed_us <= l->heap[kid]->armed_us)
			break;
		heap_place(l, i, l->heap[kid]);
		i = kid;
	}
	heap_place(l, i, t);
}

static void
heap_remove(struct loop *l, struct timer *t)
{
	size_t i = t->slot - 1;
	struct timer *last;

	assert(i < l->heap_n && l->heap[i] == t);
	last = l->heap[--l->heap_n];
	t->slot = 0;
	if (last == t)
		return;
	if (i > 0 && l->heap[(i - 1) / 2]->armed_us > last->armed_us)
		heap_up(l, i, last);
	else
		heap_down(l, i, last);
}

static void
heap_add(struct loop *l, struct timer *t)
{
	if (l->heap_n == l->heap_cap) {
		l->heap_cap = l->heap_cap ? l->heap_cap * 2 : 64;
		l->heap = xrealloc(l->heap, l->heap_cap * sizeof(*l->heap));
	}
	heap_up(l, l->heap_n++, t);
}

/* One libevent timeout stands for the earliest timer. */
static void
aim_timer(struct loop *l)
{
	usec_t due, first;
	struct timeval tv;

	if (!l->heap_n)
		return;
	first = l->heap[0]->armed_us;
	if (l->ev_timer_us && l->ev_timer_us <= first)
		return;
	due = first - clock_mono_us();
	if (due < 0)
		due = 0;
	tv.tv_sec = due / USEC_PER_SEC;
	tv.tv_usec = due % USEC_PER_SEC;
	if (event_add(&l->ev_timer, &tv) == 0)
		l->ev_timer_us = first;
}

static usec_t
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (usec_t)t.tv_sec * USEC_PER_SEC + t.tv_nsec / 1000;
}

/* This turn is measured, to its end. */
static void
begin_measure(struct loop *l)
{
	if (!l->turn_us)
		l->turn_us = cpu_us();
}

static void
end_measure(struct loop *l)
{
	usec_t us = cpu_us() - l->turn_us;

	if (us > l->longest_us)
		l->longest_us = us;
	l->turn_us = 0;
}

static void
run_timers(struct loop *l)
{
	usec_t now = loop_now(l);

	begin_measure(l);
	while (l->heap_n && l->heap[0]->armed_us <= now) {
		struct timer *t = l->heap[0];

		heap_remove(l, t);
		if (!t->deadline_us)
			continue;
		if (t->deadline_us > now) {
			t->armed_us = t->deadline_us;
			heap_add(l, t);
			continue;
		}
		t->deadline_us = 0;
		t->fn(t);
	}
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	l->ev_timer_us = 0;
	run_timers(l);
}

void
timer_init(struct timer *t, void (*fn)(struct timer *t))
{
	memset(t, 0, sizeof(*t));
	t->fn = fn;
}

void
timer_set(struct loop *l, struct timer *t, usec_t deadline_us)
{
	assert(!t->slot || t->loop == l);
	t->deadline_us = deadline_us;
	if (t->slot && t->armed_us <= deadline_us)
		return;
	if (t->slot)
		heap_remove(l, t);
	t->loop = l;
	t->armed_us = deadline_us;
	heap_add(l, t);
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
		heap_remove(t->loop, t);
	t->loop = NULL;
}

/* ---- run-queue and free list ---- */

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

static void
run_tasks(struct task_list *list)
{
	struct task *t;

	while ((t = STAILQ_FIRST(list))) {
		STAILQ_REMOVE_HEAD(list, next);
		t->queued = false;
		t->fn(t);
	}
}

/* ---- mailbox ---- */

void
loop_post(struct loop *l, struct mail *m)
{
	bool was_empty;
	uint64_t one = 1;

	pthread_mutex_lock(&l->mail_mu);
	was_empty = STAILQ_EMPTY(&l->mail);
	STAILQ_INSERT_TAIL(&l->mail, m, next);
	pthread_mutex_unlock(&l->mail_mu);
	if (was_empty)
		while (write(l->mail_fd, &one, sizeof(one)) < 0 &&
		    errno == EINTR)
			;
}

static void
on_mail(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;
	struct mail_list got = STAILQ_HEAD_INITIALIZER(got);
	struct mail *m;
	uint64_t n;

	(void)what;
	begin_measure(l);
	/* First empty the eventfd, then take the list: a letter that comes in
	 * between is taken too, and its wake-up is merely one too many. */
	while (read((int)fd, &n, sizeof(n)) < 0 && errno == EINTR)
		;
	pthread_mutex_lock(&l->mail_mu);
	STAILQ_CONCAT(&got, &l->mail);
	pthread_mutex_unlock(&l->mail_mu);
	while ((m = STAILQ_FIRST(&got))) {
		STAILQ_REMOVE_HEAD(&got, next);
		m->fn(m, l);
	}
}

/* ---- the loop ---- */

struct loop *
loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof(*l));
	struct event_config *ec = event_config_new();

	assert(ec);
	event_config_set_flag(ec, EVENT_BASE_FLAG_NOLOCK);
	l->base = event_base_new_with_config(ec);
	event_config_free(ec);
	assert(l->base);
	STAILQ_INIT(&l->ready);
	STAILQ_INIT(&l->graves);
	STAILQ_INIT(&l->mail);
	pthread_mutex_init(&l->mail_mu, NULL);
	l->mail_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert(l->mail_fd >= 0);
	event_assign(&l->ev_mail, l->base, l->mail_fd, EV_READ | EV_PERSIST,
	    on_mail, l);
	event_add(&l->ev_mail, NULL);
	event_assign(&l->ev_timer, l->base, -1, 0, on_timer, l);
	l->keeps = keep_pool_new();
	l->rbuf = xmalloc(LOOP_RBUF_FRONT + LOOP_RBUF);
	atomic_store(&l->thread, pthread_self());
	return l;
}

void
loop_free(struct loop *l)
{
	if (!l)
		return;
	run_tasks(&l->ready);
	run_tasks(&l->graves);
	event_del(&l->ev_mail);
	event_del(&l->ev_timer);
	event_base_free(l->base);
	close(l->mail_fd);
	pthread_mutex_destroy(&l->mail_mu);
	keep_pool_free(l->keeps);
	if (l->extra)
		l->extra->free(l->extra);
	free(l->heap);
	free(l->rbuf);
	free(l);
}

/* What events left to be done in the same turn. */
static void
finish_turn(struct loop *l)
{
	run_tasks(&l->ready);
	run_tasks(&l->graves);
	l->turns++;
	l->now_us = 0;
	if (UNLIKELY(l->turn_us))
		end_measure(l);
}

void
loop_hold(struct loop *l, bool on)
{
	l->held = on;
}

static void
wait_for_mail(struct loop *l)
{
	struct pollfd p = { .fd = l->mail_fd, .events = POLLIN };

	if (poll(&p, 1, -1) == 1)
		on_mail(l->mail_fd, EV_READ, l);
}

void
loop_run(struct loop *l)
{
	atomic_store(&l->thread, pthread_self());
	finish_turn(l);
	while (!atomic_load_explicit(&l->stop, memory_order_relaxed)) {
		if (UNLIKELY(l->held)) {
			wait_for_mail(l);
			finish_turn(l);
			continue;
		}
		aim_timer(l);
		if (event_base_loop(l->base, EVLOOP_ONCE) < 0)
			break;
		finish_turn(l);
	}
	atomic_store(&l->stop, false);
}

static void
on_stop(struct mail *m, struct loop *l)
{
	free(m);
	atomic_store(&l->stop, true);
}

void
loop_stop(struct loop *l)
{
	struct mail *m = xcalloc(1, sizeof(*m));

	m->fn = on_stop;
	loop_post(l, m);
}

struct event_base *
loop_base(struct loop *l)
{
	return l->base;
}

usec_t
loop_now(struct loop *l)
{
	if (!l->now_us)
		l->now_us = clock_mono_us();
	return l->now_us;
}

struct keep_pool *
loop_keeps(struct loop *l)
{
	return l->keeps;
}

struct loop_extra **
loop_extra(struct loop *l)
{
	return &l->extra;
}

bool
loop_is_mine(const struct loop *l)
{
	return pthread_equal(
	    atomic_load_explicit(&((struct loop *)(uintptr_t)l)->thread,
		memory_order_relaxed),
	    pthread_self());
}

usec_t
loop_longest_turn(const struct loop *l)
{
	return l->longest_us;
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
}
