/* A pool's birth and end, what the console does to it, and its figures. */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "pool_private.h"
#include "pooling/database.h"

/* What a client that comes back so soon is told without another attempt. */
#define FAILURE_FRESH_US (60 * USEC_PER_SEC)

struct pool *
pool_new(struct hub *hub, struct database *db, struct user *user,
    int home)
{
	struct pool *p = xcalloc(1, sizeof(*p));

	atomic_init(&p->refs, 1);
	pthread_mutex_init(&p->mu, NULL);
	p->hub = hub;
	p->db = db;
	atomic_fetch_add(&db->refs, 1);
	p->user = user;
	p->user_name = user->name;
	p->home = home;
	p->generation = 1;
	TAILQ_INIT(&p->waiters);
	p->by_db.pool = p->by_user.pool = p;
	p->by_db.refs = p->by_user.refs = &p->refs;
	timer_init(&p->timer, on_pool_timer);
	p->tick.fn = on_pool_tick;
	return p;
}

struct pool *
pool_ref(struct pool *p)
{
	atomic_fetch_add(&p->refs, 1);
	return p;
}

bool
pool_may_rest(struct pool *p)
{
	const struct pool_settings *set = p->set;
	const struct pool_down *d = &p->down;
	bool ok;

	pool_lock(p);
	ok = p->total == 0 && p->n_waiting == 0 &&
	    atomic_load(&p->n_clients) == 0 && !set->replication &&
	    !(set->min_always && set->min_size > 0) &&
	    (!d->down || clock_mono_us() - d->last_us > FAILURE_FRESH_US);
	pool_unlock(p);
	return ok;
}

void
pool_unref(struct pool *p)
{
	int n;

	if (!p)
		return;
	n = atomic_load(&p->refs);
	do {
		if (n == 2 && atomic_load(&p->named)) {
			p->hub->rest(p->hub->registry, p);
			return;
		}
	} while (!atomic_compare_exchange_weak(&p->refs, &n, n - 1));
	if (n != 1)
		return;
	assert(p->total == 0 && p->n_waiting == 0 && !p->timer.slot);
	target_unref(p->target);
	welcome_unref(p->welcome);
	stmt_table_unref(p->stmts);
	fault_unref(p->down.fault);
	if (p->guest)
		p->guest->free(p->guest);
	pthread_mutex_destroy(&p->mu);
	pool_free_sides(p);
	database_unref(p->db);
	free(p);
}

static void
renew_guest(struct pool *p)
{
	struct pool_guest *g = atomic_load(&p->guest);

	if (g)
		g->renew(g);
}

/* Takes up to n idle servers off the shelves and has their workers close
 * them. */
static void
close_idle(struct pool *p, int n, const char *reason)
{
	struct server *s;

	for (; n > 0; n--) {
		pool_lock(p);
		s = shelf_oldest_locked(p, NULL);
		if (s)
			take_for_closing_locked(p, s, reason);
		pool_unlock(p);
		if (!s)
			return;
		post_server(p, s);
	}
}

/* The size was lowered: what is above it and in use goes when it is free. */
static void
close_surplus(struct pool *p)
{
	const struct pool_settings *set;
	int n = 0;

	pool_lock(p);
	set = p->set;
	if (set->size > 0)
		n = p->total - p->count[SV_CLOSING] - set->size - set->reserve;
	pool_unlock(p);
	close_idle(p, n, "too many servers in the pool");
}

void
pool_configure(struct pool *p, struct pool_settings *set,
    struct server_target *target)
{
	struct server_target *old;
	bool moved;

	pool_lock(p);
	p->set = set;
	old = p->target;
	moved = old && !target_same(old, target);
	p->target = target;
	/* What was learnt about the old one says nothing of the new one. */
	p->down.next_us = 0;
	pool_unlock(p);
	target_unref(old);
	if (moved)
		pool_reconnect(p);
	else
		pool_pump(p);
	/* It would be the only one. */
	if (set->size == 1)
		renew_guest(p);
	close_surplus(p);
}

struct server_target *
pool_target(struct pool *p)
{
	struct server_target *t;

	pool_lock(p);
	t = target_ref(p->target);
	pool_unlock(p);
	return t;
}

static bool
is_news(const struct server_target *t, const char *secret,
    const struct scram_keys *keys)
{
	if (secret && (!t->secret || strcmp(t->secret, secret) != 0))
		return true;
	return keys && (!t->has_keys ||
	    memcmp(&t->keys, keys, sizeof(t->keys)) != 0);
}

void
pool_set_login(struct pool *p, const char *secret,
    const struct scram_keys *keys)
{
	struct server_target *old = NULL;

	pool_lock(p);
	if (is_news(p->target, secret, keys)) {
		old = p->target;
		p->target = target_with_login(old, secret, keys);
		/* What was refused is not what is tried next. */
		p->down.refused = false;
		p->down.next_us = 0;
	}
	pool_unlock(p);
	target_unref(old);
}

void
pool_pause(struct pool *p)
{
	pool_lock(p);
	p->paused = true;
	pool_unlock(p);
	close_idle(p, INT_MAX, "pause mode");
	renew_guest(p);
}

void
pool_resume(struct pool *p)
{
	pool_lock(p);
	p->paused = false;
	pool_unlock(p);
	pool_pump(p);
}

void
pool_reconnect(struct pool *p)
{
	struct welcome *w;

	pool_lock(p);
	p->generation++;
	p->n_stale = p->total;
	w = p->welcome;
	p->welcome = NULL;
	pool_unlock(p);
	welcome_unref(w);
	close_idle(p, INT_MAX, "close_needed");
	renew_guest(p);
	pool_pump(p);
}

void
pool_fail_waiters(struct pool *p, const struct err *e)
{
	struct waiter_list list = TAILQ_HEAD_INITIALIZER(list);
	struct fault *f = fault_new(e);

	pool_lock(p);
	take_waiters_locked(p, &list, WAITER_FAILED, f, NULL, NULL);
	pool_unlock(p);
	fault_unref(f);
	deliver(p, &list);
}

void
pool_kill(struct pool *p, const struct err *e)
{
	struct fault *f = fault_new(e), *old;

	pool_lock(p);
	p->dead = true;
	p->generation++;
	p->n_stale = p->total;
	old = p->down.fault;
	p->down.fault = f;
	pool_unlock(p);
	fault_unref(old);
	pool_fail_waiters(p, e);
	close_idle(p, INT_MAX, "close_needed");
	renew_guest(p);
}

void
pool_read(struct pool *p, usec_t now, struct pool_counts *out,
    struct counters *stats)
{
	const struct waiter *w;
	const struct server *s;
	int i;

	memset(out, 0, sizeof(*out));
	pool_lock(p);
	out->clients = atomic_load(&p->n_clients);
	out->waiting = p->n_waiting;
	memcpy(out->sv, p->count, sizeof(out->sv));
	out->total = p->total;
	out->reuses = p->reuses;
	out->opens = p->opens;
	out->steals = p->steals;
	out->handovers = p->handovers;
	out->evictions = p->evictions;
	w = TAILQ_FIRST(&p->waiters);
	if (w && now > w->since_us)
		out->maxwait_us = now - w->since_us;
	if (p->target) {
		out->cancels = atomic_load(&p->target->cancels);
		out->cancels_waiting =
		    atomic_load(&p->target->cancels_waiting);
	}
	for (i = 0; p->side && p->set->check_query &&
	     i < p->hub->n_workers; i++)
		TAILQ_FOREACH(s, &p->side[i].idle, entry)
			if (now - s->idle_us >= p->set->check_delay_us)
				out->used++;
	if (stats)
		*stats = p->stats;
	pool_unlock(p);
}

bool
pool_last_error(struct pool *p, struct err *e)
{
	bool failed;

	pool_lock(p);
	failed = p->down.down && p->down.fault;
	if (failed)
		*e = p->down.fault->err;
	pool_unlock(p);
	return failed;
}

bool
pool_is_dead(struct pool *p)
{
	bool dead;

	pool_lock(p);
	dead = p->dead;
	pool_unlock(p);
	return dead;
}

int
pool_busy(struct pool *p)
{
	int n;

	pool_lock(p);
	n = p->count[SV_ACTIVE] + p->count[SV_TESTED] +
	    p->count[SV_DRAINING] + p->count[SV_CANCELING] +
	    p->count[SV_MIGRATING];
	pool_unlock(p);
	return n;
}

int
pool_stale(struct pool *p)
{
	int n;

	pool_lock(p);
	n = p->n_stale;
	pool_unlock(p);
	return n;
}
