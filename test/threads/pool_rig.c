/* Workers without clients. */
#include "pool_rig.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "config_text.h"
#include "pooling/cancel.h"

#define PATIENCE_US (20 * USEC_PER_SEC)

static void
nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 500 * 1000 }, NULL);
}

void
rig_await(bool (*fn)(void *arg), void *arg, const char *what)
{
	usec_t end = clock_mono_us() + PATIENCE_US;

	while (!fn(arg)) {
		if (clock_mono_us() > end)
			ck_abort_msg("this did not come: %s", what);
		nap();
	}
}

/* ---- life ---- */

struct config *
rig_config(struct rig *r, const char *lines, const char *databases)
{
	char dbs[512];

	snprintf(dbs, sizeof(dbs), "[databases]\n"
	    "d1 = host=%s port=%d\nd2 = host=%s port=%d\n",
	    fake_dir(r->fake), fake_port(r->fake), fake_dir(r->fake),
	    fake_port(r->fake));
	return config_text("%s\n%s", lines, databases ? databases : dbs);
}

void
rig_start(struct rig *r, int n_workers, const char *fmt, ...)
{
	char lines[1024];
	va_list ap;
	int i;

	va_start(ap, fmt);
	vsnprintf(lines, sizeof(lines), fmt, ap);
	va_end(ap);
	memset(r, 0, sizeof(*r));
	log_set_level(getenv("RIG_LOG") ? LVL_NOISE : LVL_FATAL);
	r->fake = fake_new();
	r->hub.cfg = rig_config(r, lines, NULL);
	r->hub.main_loop = loop_new();
	r->hub.next_id = 1;
	r->hub.keys = cancel_keys_new();
	r->hub.registry = registry_new(&r->hub);
	workers_new(&r->hub, n_workers);
	for (i = 0; i < n_workers; i++)
		r->loops[i] = r->hub.loops[i];
	ck_assert(workers_start(&r->hub));
}

struct pool *
rig_pool(struct rig *r, const char *db, const char *user)
{
	struct pool_key k = {
		.db = registry_database(r->hub.registry, r->hub.cfg, db),
		.conf = config_database(r->hub.cfg, db),
		.login_user = user,
	};
	struct pool *p = registry_pool(r->hub.registry, r->hub.cfg, &k);

	database_unref(k.db);
	ck_assert_int_lt(r->n_pools, RIG_POOLS);
	atomic_fetch_add(&p->n_clients, 1);
	r->pools[r->n_pools++] = p;
	return p;
}

static void
check_empty(struct pool *p)
{
	int i;

	pthread_mutex_lock(&p->mu);
	for (i = 0; i < SV_STATES; i++)
		ck_assert_int_eq(p->count[i], 0);
	ck_assert_int_eq(p->n_waiting, 0);
	for (i = 0; p->side && i < p->hub->n_workers; i++) {
		ck_assert_int_eq(p->side[i].incoming, 0);
		ck_assert_int_eq(p->side[i].n_waiters, 0);
		ck_assert(TAILQ_EMPTY(&p->side[i].idle));
	}
	ck_assert_int_eq(p->by_db.held, 0);
	ck_assert_int_eq(p->by_user.held, 0);
	ck_assert_int_eq(atomic_load(&p->by_db.since_us), 0);
	ck_assert_int_eq(atomic_load(&p->by_user.since_us), 0);
	ck_assert_int_eq(atomic_load(&p->db->servers.evicting), 0);
	pthread_mutex_unlock(&p->mu);
}

static void
forget_pool(struct pool *p)
{
	/* A timer that is set holds a reference. */
	if (p->timer_held) {
		timer_fini(&p->timer);
		p->timer_held = false;
		pool_unref(p);
	}
	pool_unref(p);
}

void
rig_stop(struct rig *r)
{
	struct err e;
	int i;

	err_set(&e, "57P01", "the test is over");
	for (i = 0; i < r->n_pools; i++) {
		atomic_fetch_sub(&r->pools[i]->n_clients, 1);
		pool_kill(r->pools[i], &e);
	}
	fake_let_in(r->fake, -1);
	fake_hold_queries(r->fake, false);
	for (i = 0; i < r->n_pools; i++)
		rig_await_total(r->pools[i], 0);
	rig_settle(r);
	for (i = 0; i < r->n_pools; i++)
		check_empty(r->pools[i]);
	workers_stop(&r->hub);
	for (i = 0; i < r->n_pools; i++)
		forget_pool(r->pools[i]);
	registry_free(r->hub.registry);
	cancel_keys_free(r->hub.keys);
	for (i = 0; i < RIG_WORKERS; i++)
		loop_free(r->loops[i]);
	workers_free(&r->hub);
	loop_free(r->hub.main_loop);
	config_unref(r->hub.cfg);
	fake_free(r->fake);
}

/* ---- what workers do ---- */

static void
on_hold(struct mail *m, struct loop *l)
{
	struct hold *h = CONTAINER_OF(m, struct hold, mail);

	(void)l;
	sem_post(&h->held);
	while (sem_wait(&h->go) != 0)
		;
	if (h->fn)
		h->fn(h->arg);
	sem_post(&h->over);
}

void
rig_hold(struct rig *r, struct hold *h, int worker)
{
	memset(h, 0, sizeof(*h));
	sem_init(&h->held, 0, 0);
	sem_init(&h->go, 0, 0);
	sem_init(&h->over, 0, 0);
	h->mail.fn = on_hold;
	loop_post(r->loops[worker], &h->mail);
	while (sem_wait(&h->held) != 0)
		;
}

void
rig_release(struct hold *h, void (*fn)(void *arg), void *arg)
{
	h->fn = fn;
	h->arg = arg;
	sem_post(&h->go);
	while (sem_wait(&h->over) != 0)
		;
}

void
rig_on(struct rig *r, int worker, void (*fn)(void *arg), void *arg)
{
	struct hold h;

	rig_hold(r, &h, worker);
	rig_release(&h, fn, arg);
}

void
rig_settle(struct rig *r)
{
	int i, round;

	/* What one worker does may post to another. */
	for (round = 0; round < 4; round++)
		for (i = 0; i < r->hub.n_workers; i++)
			rig_on(r, i, NULL, NULL);
}

/* ---- actors ---- */

static void
tell(struct actor *a, enum act act)
{
	atomic_store(&a->act, act);
	atomic_fetch_add(&a->told, 1);
}

static void
on_granted(struct waiter *w, struct server *s)
{
	struct actor *a = CONTAINER_OF(w, struct actor, w);

	a->server = s;
	tell(a, ACT_GOT);
}

static void
on_welcomed(struct waiter *w)
{
	tell(CONTAINER_OF(w, struct actor, w), ACT_WELCOMED);
}

static void
on_failed(struct waiter *w, const struct err *e)
{
	struct actor *a = CONTAINER_OF(w, struct actor, w);

	a->err = *e;
	tell(a, ACT_FAILED);
}

void
actor_init(struct actor *a, struct rig *r, struct pool *p, int worker)
{
	memset(a, 0, sizeof(*a));
	a->rig = r;
	a->pool = p;
	a->w.worker = worker;
	a->w.granted = on_granted;
	a->w.welcomed = on_welcomed;
	a->w.failed = on_failed;
}

void
actor_acquire_here(void *arg)
{
	struct actor *a = arg;
	struct loop *l = a->rig->loops[a->w.worker];

	atomic_store(&a->act, ACT_WAITING);
	switch (pool_acquire(a->pool, &a->w, loop_now(l), &a->server,
	    &a->err)) {
	case ACQUIRE_GOT:
		tell(a, ACT_GOT);
		break;
	case ACQUIRE_QUEUED:
		break;
	case ACQUIRE_FULL:
	case ACQUIRE_FAILED:
		tell(a, ACT_FAILED);
		break;
	}
}

static struct server *
give_up(struct actor *a)
{
	struct server *s = a->server;

	ck_assert_int_eq(atomic_load(&a->act), ACT_GOT);
	a->server = NULL;
	atomic_store(&a->act, ACT_OUT);
	return s;
}

void
actor_release_here(void *arg)
{
	pool_release(give_up(arg));
}

void
actor_discard_here(void *arg)
{
	pool_discard(give_up(arg), "the test says so");
}

void
actor_leave_here(void *arg)
{
	struct actor *a = arg;

	a->stayed = !pool_leave(a->pool, &a->w);
	if (!a->stayed)
		atomic_store(&a->act, ACT_OUT);
}

void
actor_acquire(struct actor *a)
{
	rig_on(a->rig, a->w.worker, actor_acquire_here, a);
}

void
actor_release(struct actor *a)
{
	rig_on(a->rig, a->w.worker, actor_release_here, a);
}

void
actor_discard(struct actor *a)
{
	rig_on(a->rig, a->w.worker, actor_discard_here, a);
}

void
actor_leave(struct actor *a)
{
	rig_on(a->rig, a->w.worker, actor_leave_here, a);
}

void
actor_await(struct actor *a, enum act act)
{
	static const char *const names[] = { "out", "waiting", "got", "failed",
		"welcomed" };
	usec_t end = clock_mono_us() + PATIENCE_US;

	while (atomic_load(&a->act) != act) {
		if (clock_mono_us() > end)
			ck_abort_msg("the actor on worker %d is \"%s\", "
			    "not \"%s\"", a->w.worker,
			    names[atomic_load(&a->act)], names[act]);
		nap();
	}
}

/* ---- figures ---- */

int
pool_total(struct pool *p)
{
	int n;

	pthread_mutex_lock(&p->mu);
	n = p->total;
	pthread_mutex_unlock(&p->mu);
	return n;
}

int
pool_count_of(struct pool *p, enum server_state st)
{
	int n;

	pthread_mutex_lock(&p->mu);
	n = p->count[st];
	pthread_mutex_unlock(&p->mu);
	return n;
}

void
rig_await_live(struct rig *r, int n)
{
	usec_t end = clock_mono_us() + PATIENCE_US;

	while (fake_live(r->fake) != n) {
		if (clock_mono_us() > end)
			ck_abort_msg("%d connections, not %d",
			    fake_live(r->fake), n);
		nap();
	}
}

void
rig_await_total(struct pool *p, int n)
{
	usec_t end = clock_mono_us() + PATIENCE_US;

	while (pool_total(p) != n) {
		if (clock_mono_us() > end)
			ck_abort_msg("the pool of \"%s\" counts %d servers, "
			    "not %d", p->user_name, pool_total(p), n);
		nap();
	}
}
