/*
 * A pool's ledger and queue: who waits, who is served. How servers move
 * between workers stands in pool_move.c, what is done for those who wait in
 * pool_pump.c, what becomes of a free server in pool_release.c.
 */
#include "pooling/pool.h"

#include <stdlib.h>
#include <string.h>

#include "pool_private.h"
#include "pooling/database.h"

struct fault *
fault_new(const struct err *e)
{
	struct fault *f = xmalloc(sizeof(*f));

	atomic_init(&f->refs, 1);
	f->err = *e;
	return f;
}

struct fault *
fault_ref(struct fault *f)
{
	atomic_fetch_add(&f->refs, 1);
	return f;
}

void
fault_unref(struct fault *f)
{
	if (f && atomic_fetch_sub(&f->refs, 1) == 1)
		free(f);
}

void
pool_lock(struct pool *p)
{
	pthread_mutex_lock(&p->mu);
}

void
pool_unlock(struct pool *p)
{
	pthread_mutex_unlock(&p->mu);
}

/* ---- the ledger ---- */

void
ledger_move_locked(struct pool *p, struct server *s, enum server_state st)
{
	p->count[s->state]--;
	server_move(s, st);
	p->count[s->state]++;
}

void
set_inbound_locked(struct pool *p, struct server *s, bool on)
{
	if (s->inbound == on)
		return;
	s->inbound = on;
	p->side[s->worker].incoming += on ? 1 : -1;
	if (s->state == SV_MIGRATING)
		p->side[s->worker].moving += on ? 1 : -1;
}

int
usable_locked(const struct pool *p)
{
	return p->count[SV_IDLE] + p->count[SV_ACTIVE] + p->count[SV_TESTED] +
	    p->count[SV_DRAINING] + p->count[SV_CANCELING] +
	    p->count[SV_MIGRATING];
}

/* Sides are made when the pool is first used: most of 100,000 are not. */
void
pool_need_sides(struct pool *p)
{
	int i;

	if (p->side)
		return;
	p->side = xcalloc((size_t)p->hub->n_workers, sizeof(*p->side));
	for (i = 0; i < p->hub->n_workers; i++) {
		TAILQ_INIT(&p->side[i].idle);
		TAILQ_INIT(&p->side[i].waiters);
	}
}

void
shelve_locked(struct pool *p, struct server *s)
{
	struct server_list *l = &p->side[s->worker].idle;

	if (p->set->round_robin)
		TAILQ_INSERT_TAIL(l, s, entry);
	else
		TAILQ_INSERT_HEAD(l, s, entry);
}

void
unshelve_locked(struct pool *p, struct server *s, enum server_state st)
{
	TAILQ_REMOVE(&p->side[s->worker].idle, s, entry);
	ledger_move_locked(p, s, st);
}

/* ---- the queue ---- */

static struct crowds
crowds_of(const struct pool *p)
{
	return (struct crowds){
		.process = &p->hub->waiting,
		.database = &p->db->waiting,
		.user = &p->user->waiting,
		.database_name = p->db->name,
		.user_name = p->user_name,
	};
}

static void
enqueue_locked(struct pool *p, struct waiter *w, usec_t now)
{
	struct pool_side *side = &p->side[w->worker];

	w->state = WAITER_QUEUED;
	w->since_us = now;
	TAILQ_INSERT_TAIL(&p->waiters, w, all);
	TAILQ_INSERT_TAIL(&side->waiters, w, mine);
	side->n_waiters++;
	p->n_waiting++;
}

static void
dequeue_locked(struct pool *p, struct waiter *w, enum waiter_state st)
{
	struct pool_side *side = &p->side[w->worker];
	struct crowds crowds = crowds_of(p);

	crowds_leave(&crowds);
	TAILQ_REMOVE(&p->waiters, w, all);
	TAILQ_REMOVE(&side->waiters, w, mine);
	side->n_waiters--;
	w->state = st;
	if (--p->n_waiting == 0 && p->claims) {
		p->claims = false;
		quota_withdraw(&p->db->servers, &p->by_db);
		quota_withdraw(&p->user->servers, &p->by_user);
	}
}

void
take_waiters_locked(struct pool *p, struct waiter_list *list,
    enum waiter_state st, struct fault *f,
    bool (*pick)(const struct waiter *w, const void *arg), const void *arg)
{
	struct waiter *w, *next;

	for (w = TAILQ_FIRST(&p->waiters); w; w = next) {
		next = TAILQ_NEXT(w, all);
		if (pick && !pick(w, arg))
			continue;
		dequeue_locked(p, w, st);
		w->fault = f ? fault_ref(f) : NULL;
		w->posted = true;
		TAILQ_INSERT_TAIL(list, w, all);
	}
}

/* On the waiter's worker. */
static void
on_delivery(struct mail *m, struct loop *l)
{
	struct waiter *w = CONTAINER_OF(m, struct waiter, mail);
	struct fault *f = w->fault;
	bool welcome = w->state == WAITER_WELCOME;

	(void)l;
	w->posted = false;
	w->state = WAITER_OUT;
	w->fault = NULL;
	if (welcome)
		w->welcomed(w);
	else
		w->failed(w, &f->err);
	fault_unref(f);
}

void
deliver(struct pool *p, struct waiter_list *list)
{
	struct waiter *w;

	while ((w = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, w, all);
		w->mail.fn = on_delivery;
		loop_post(p->hub->loops[w->worker], &w->mail);
	}
}

/* The run-queue brings a granted server, in the same turn. */
static void
on_grant(struct task *t)
{
	struct waiter *w = CONTAINER_OF(t, struct waiter, task);
	struct server *s = w->server;

	w->state = WAITER_OUT;
	w->server = NULL;
	w->granted(w, s);
}

void
grant_locked(struct pool *p, struct waiter *w, struct server *s, usec_t now)
{
	dequeue_locked(p, w, WAITER_GRANTED);
	w->server = s;
	s->ever_used = true;
	if (now > w->since_us)
		p->stats.wait_us += (uint64_t)(now - w->since_us);
	if (!w->greet)
		p->stats.assignments++;
	ledger_move_locked(p, s, SV_ACTIVE);
}

/* The worker whose first waiter is the oldest of those that no server is on
 * its way to; -1 for none. A login counts as one only for who asks whether to
 * begin another. */
int
neediest_locked(const struct pool *p, int except, bool with_logins)
{
	const struct waiter *w, *best = NULL;
	int i;

	for (i = 0; i < p->hub->n_workers; i++) {
		const struct pool_side *side = &p->side[i];

		if (i == except || side->n_waiters <=
		    (with_logins ? side->incoming : side->moving))
			continue;
		w = TAILQ_FIRST(&side->waiters);
		if (!best || w->since_us < best->since_us)
			best = w;
	}
	return best ? best->worker : -1;
}

/* ---- acquire ---- */

/* Unlocks. s: idle, but not to be used untested; or NULL. Apart, as most find
 * a server at once. */
static __attribute__((noinline)) enum acquire
queue_up_locked(struct pool *p, struct waiter *w, usec_t now, struct server *s,
    struct err *e)
{
	struct crowds crowds = crowds_of(p);

	if (UNLIKELY(atomic_load(&p->hub->fail_waiters))) {
		pool_unlock(p);
		err_set(e, "57P01", "server shutting down");
		err_detail(e, "the connection pooler is being stopped");
		return ACQUIRE_FAILED;
	}
	if (UNLIKELY(!crowds_enter(&crowds, e))) {
		pool_unlock(p);
		return ACQUIRE_FULL;
	}
	if (s)
		unshelve_locked(p, s, SV_TESTED);
	enqueue_locked(p, w, now);
	pool_unlock(p);
	if (s) {
		server_set_deadline(s, 0);
		pool_run_check(p, s);
	}
	pool_pump(p);
	return ACQUIRE_QUEUED;
}

enum acquire
pool_acquire(struct pool *p, struct waiter *w, usec_t now,
    struct server **out, struct err *e)
{
	struct pool_side *side;
	struct server *s;

	w->pool = p;
	w->task.fn = on_grant;
	pool_lock(p);
	pool_need_sides(p);
	side = &p->side[w->worker];
	if (p->dead || refused_now_locked(p, now)) {
		*e = p->down.fault->err;
		pool_unlock(p);
		return ACQUIRE_FAILED;
	}
	/* Those who wait on other workers are being brought servers: nobody is
	 * passed by taking one that lies here. */
	s = side->n_waiters || p->paused || w->greet ? NULL :
	    TAILQ_FIRST(&side->idle);
	if (s && !pool_due_for_check(p, s, now)) {
		unshelve_locked(p, s, SV_ACTIVE);
		p->reuses++;
		p->stats.assignments++;
		s->ever_used = true;
		pool_unlock(p);
		server_set_deadline(s, 0);
		*out = s;
		return ACQUIRE_GOT;
	}
	return queue_up_locked(p, w, now, s, e);
}

bool
pool_leave(struct pool *p, struct waiter *w)
{
	struct server *s = NULL;
	bool posted, was_queued;

	pool_lock(p);
	posted = w->posted;
	was_queued = w->state == WAITER_QUEUED;
	if (was_queued) {
		dequeue_locked(p, w, WAITER_OUT);
	} else if (w->state == WAITER_GRANTED) {
		s = w->server;
		w->server = NULL;
		w->state = WAITER_OUT;
	}
	pool_unlock(p);
	if (s) {
		loop_undefer(s->loop, &w->task);
		pool_release(s);
	}
	return !posted;
}

usec_t
pool_waited(struct pool *p, struct waiter *w, usec_t now)
{
	const struct pool_settings *set = p->set;
	usec_t due = w->since_us + set->reserve_after_us;

	if (set->reserve <= 0 || set->reserve_after_us <= 0)
		return 0;
	if (now < due)
		return due;
	pool_pump(p);
	return 0;
}

/* ---- figures ---- */

void
pool_count(struct pool *p, struct counters *c)
{
	pool_lock(p);
	counters_move(&p->stats, c);
	pool_unlock(p);
}

/* The mutex of a table of statements. */
struct guard {
	struct stmt_guard guard;
	pthread_mutex_t mu;
};

static void
guard_lock(struct stmt_guard *g)
{
	pthread_mutex_lock(&CONTAINER_OF(g, struct guard, guard)->mu);
}

static void
guard_unlock(struct stmt_guard *g)
{
	pthread_mutex_unlock(&CONTAINER_OF(g, struct guard, guard)->mu);
}

static void
guard_free(struct stmt_guard *g)
{
	struct guard *m = CONTAINER_OF(g, struct guard, guard);

	pthread_mutex_destroy(&m->mu);
	free(m);
}

static struct stmt_guard *
guard_new(void)
{
	struct guard *m = xmalloc(sizeof(*m));

	m->guard.lock = guard_lock;
	m->guard.unlock = guard_unlock;
	m->guard.free = guard_free;
	pthread_mutex_init(&m->mu, NULL);
	return &m->guard;
}

struct stmt_table *
pool_statements(struct pool *p)
{
	struct stmt_table *t, *mine;

	pool_lock(p);
	t = p->stmts;
	pool_unlock(p);
	if (LIKELY(t != NULL))
		return t;
	mine = stmt_table_new(guard_new());
	pool_lock(p);
	if (!p->stmts) {
		p->stmts = mine;
		mine = NULL;
	}
	t = p->stmts;
	pool_unlock(p);
	stmt_table_unref(mine);
	return t;
}

struct welcome *
pool_welcome(struct pool *p)
{
	struct welcome *w;

	pool_lock(p);
	w = p->welcome ? welcome_ref(p->welcome) : NULL;
	pool_unlock(p);
	return w;
}
