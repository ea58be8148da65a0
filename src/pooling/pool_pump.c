/* What is done for those who wait: fetch a server, open one, evict one. */
#include <string.h>

#include "base/log.h"
#include "policy/ledger.h"
#include "pool_private.h"
#include "pooling/database.h"

static bool
reserve_due(const struct pool *p, usec_t now)
{
	const struct waiter *w = TAILQ_FIRST(&p->waiters);

	return w && p->set->reserve > 0 && p->set->reserve_after_us > 0 &&
	    now - w->since_us >= p->set->reserve_after_us;
}

static void
view_demand_locked(const struct pool *p, usec_t now, struct ledger_demand *d)
{
	const struct pool_down *down = &p->down;
	int i;

	memset(d, 0, sizeof(*d));
	d->paused = p->paused;
	d->dead = p->dead;
	d->waiting = p->n_waiting;
	d->coming = d->near = p->count[SV_TESTED];
	for (i = 0; i < p->hub->n_workers; i++) {
		d->coming += p->side[i].incoming;
		d->near += p->side[i].moving;
		d->idle += !TAILQ_EMPTY(&p->side[i].idle);
	}
	d->total = p->total;
	d->size = p->set->size;
	d->reserve = p->set->reserve;
	d->reserve_due = reserve_due(p, now);
	if (p->set->min_always || atomic_load(&p->n_clients) > 0)
		d->min = p->set->min_size;
	d->logging_in = p->count[SV_CONNECTING] + p->count[SV_LOGIN];
	d->login_parallel = down->down ? 1 : p->set->login_parallel;
	d->may_try = now >= next_try_locked(p);
	d->probe = down->down && !down->refused && d->may_try &&
	    !usable_locked(p) && atomic_load(&p->n_clients) > 0;
}

/* Counted now, made after the lock is dropped. Only who waits leaves a claim:
 * nobody else's server is closed for the sake of min_pool_size. */
static bool
begin_open_locked(struct pool *p, usec_t now)
{
	usec_t claim_us = p->n_waiting > 0 ? now : 0;

	if (!quota_take(&p->db->servers, &p->by_db, claim_us)) {
		p->claims = p->claims || claim_us;
		return false;
	}
	if (!quota_take(&p->user->servers, &p->by_user, claim_us)) {
		p->claims = p->claims || claim_us;
		quota_give(&p->db->servers, &p->by_db);
		return false;
	}
	p->count[SV_CONNECTING]++;
	p->total++;
	p->opens++;
	open_started_locked(p, now);
	return true;
}

static void
on_start(struct mail *m, struct loop *l)
{
	struct server *s = CONTAINER_OF(m, struct server, mail);

	pool_list_server(s->pool, s);
	server_start(s, l);
}

/* A connection that begin_open_locked() has counted. */
static void
make_server(struct pool *p, struct server_target *t, int worker,
    uint64_t generation)
{
	struct server *s = server_new(t, &pool_owner, pool_ref(p),
	    atomic_fetch_add(&p->hub->next_id, 1));

	target_unref(t);
	s->worker = worker;
	s->generation = generation;
	s->inbound = true;
	s->mail.fn = on_start;
	loop_post(p->hub->loops[worker], &s->mail);
}

/* The pool whose idle server has been unused for longest; NULL if none of them
 * has one to spare. Each is looked at under its lock: one that shelves a
 * server at this moment either sees the claim there, or is seen here. */
static struct pool *
laziest(struct pool **pools, size_t n)
{
	struct pool *best = NULL;
	usec_t idle_us, best_us = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		pool_lock(pools[i]);
		if (!pools[i]->n_waiting &&
		    shelf_oldest_locked(pools[i], &idle_us) &&
		    (!best || idle_us < best_us)) {
			best = pools[i];
			best_us = idle_us;
		}
		pool_unlock(pools[i]);
	}
	return best;
}

/* Closes the pool's idle server unused for longest; false when it has found
 * work meanwhile. */
static bool
evict(struct pool *p, struct quota *q)
{
	struct server *s;

	pool_lock(p);
	s = shelf_oldest_locked(p, NULL);
	if (s) {
		take_for_closing_locked(p, s, "evicted");
		s->evicted_for = q;
		p->evictions++;
		atomic_fetch_add(&q->evicting, 1);
	}
	pool_unlock(p);
	if (s)
		post_server(p, s);
	return s;
}

/* Closes one idle server of the quota's pools; false when there is none. */
static bool
evict_one(struct quota *q)
{
	struct pool *held[128], *best;
	size_t n = quota_holders(q, held, ARRAY_LEN(held)), i;

	do
		best = laziest(held, n);
	while (best && !evict(best, q));
	for (i = 0; i < n; i++)
		pool_unref(held[i]);
	return best;
}

void
pool_wake_claims(struct quota *q)
{
	struct pool *p;

	while ((p = quota_next(q))) {
		pool_pump(p);
		pool_unref(p);
	}
	/* Also when somebody took the slot before the one it was meant for. */
	while (quota_wants(q) > 0 && evict_one(q))
		;
}

/* Whether a pool that nobody has used yet, or any more, may want some. */
static bool
wants_servers(const struct pool *p)
{
	const struct pool_settings *set = p->set;

	return atomic_load(&p->n_clients) > 0 ||
	    (set->min_always && set->min_size > 0);
}

void
pool_pump(struct pool *p)
{
	static struct log_limit limit;
	struct ledger_demand d;
	struct server *s;
	struct server_target *t;
	uint64_t generation;
	usec_t now = clock_mono_us();
	bool reserve;
	int to;

	for (;;) {
		pool_lock(p);
		if (!p->side && !wants_servers(p)) {
			pool_unlock(p);
			break;
		}
		pool_need_sides(p);
		view_demand_locked(p, now, &d);
		switch (ledger_next(&d)) {
		case LEDGER_FETCH:
			s = fetch_locked(p, neediest_locked(p, -1, false));
			pool_unlock(p);
			post_server(p, s);
			continue;
		case LEDGER_OPEN:
			to = neediest_locked(p, -1, true);
			if (!begin_open_locked(p, now)) {
				pool_unlock(p);
				pool_wake_claims(&p->db->servers);
				pool_wake_claims(&p->user->servers);
				pool_schedule(p);
				return;
			}
			if (to < 0)
				to = p->home;
			p->side[to].incoming++;
			t = target_ref(p->target);
			generation = p->generation;
			reserve = p->set->size > 0 && p->total > p->set->size;
			pool_unlock(p);
			if (reserve)
				log_limited(&limit, USEC_PER_SEC, LVL_WARNING,
				    "taking connection from reserve_pool "
				    "(database \"%s\", user \"%s\")",
				    p->db->name, p->user_name);
			make_server(p, t, to, generation);
			continue;
		case LEDGER_WAIT:
			break;
		}
		pool_unlock(p);
		break;
	}
	pool_schedule(p);
}
