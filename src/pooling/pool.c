/*
 * The queue and the shelves of a pool: who gets which server, and how servers
 * move between workers.
 */
#include "pooling/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "policy/ledger.h"
#include "pool_private.h"
#include "pooling/database.h"

/* How long a reset or check query may take. */
#define TEST_US (30 * USEC_PER_SEC)

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
static void
need_sides(struct pool *p)
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

static void
shelve_locked(struct pool *p, struct server *s)
{
	struct server_list *l = &p->side[s->worker].idle;

	if (p->set->round_robin)
		TAILQ_INSERT_TAIL(l, s, entry);
	else
		TAILQ_INSERT_HEAD(l, s, entry);
}

static void
unshelve_locked(struct pool *p, struct server *s, enum server_state st)
{
	TAILQ_REMOVE(&p->side[s->worker].idle, s, entry);
	ledger_move_locked(p, s, st);
}

/* ---- the queue ---- */

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

static void
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
static int
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

/* ---- moving servers between workers ---- */

static void
list_server(struct pool *p, struct server *s)
{
	TAILQ_INSERT_TAIL(&p->hub->servers[s->worker], s, all);
	s->listed = true;
}

static void
unlist_server(struct pool *p, struct server *s, int worker)
{
	if (s->listed)
		TAILQ_REMOVE(&p->hub->servers[worker], s, all);
	s->listed = false;
}

static bool
due_for_check(const struct pool *p, const struct server *s, usec_t now)
{
	return p->set->check_query && now - s->idle_us >= p->set->check_delay_us;
}

static void
run_check(struct pool *p, struct server *s)
{
	server_run(s, p->set->check_query, false, TEST_US);
}

/* It has come to this worker: the question who gets it is asked again. */
static void
on_arrival(struct mail *m, struct loop *l)
{
	struct server *s = CONTAINER_OF(m, struct server, mail);
	struct pool *p = s->pool;
	bool check;

	server_arrive(s, l);
	list_server(p, s);
	pool_lock(p);
	set_inbound_locked(p, s, false);
	check = due_for_check(p, s, loop_now(l));
	if (check)
		ledger_move_locked(p, s, SV_TESTED);
	pool_unlock(p);
	if (check)
		run_check(p, s);
	else
		pool_offer(s);
}

/* Leaves this worker for s->worker. */
static void
send_off(struct pool *p, struct server *s, int from)
{
	unlist_server(p, s, from);
	server_leave(s);
	s->mail.fn = on_arrival;
	loop_post(p->hub->loops[s->worker], &s->mail);
}

/* Another thread took it off this worker's shelf: to be sent on, or closed. */
static void
on_fetched(struct mail *m, struct loop *l)
{
	struct server *s = CONTAINER_OF(m, struct server, mail);
	struct pool *p = s->pool;
	bool close = keep_len(&s->in) > 0;
	int from = s->from;

	(void)l;
	if (stream_has_ended(&s->stream)) {
		close = true;
		s->close_reason = "server conn crashed?";
	}
	pool_lock(p);
	close = close || s->intent_close;
	if (close)
		set_inbound_locked(p, s, false);
	pool_unlock(p);
	if (!close) {
		send_off(p, s, from);
		return;
	}
	s->worker = from;
	server_retire(s, s->close_reason ? s->close_reason : "evicted");
	pool_pump(p);
}

void
post_server(struct pool *p, struct server *s)
{
	s->mail.fn = on_fetched;
	loop_post(p->hub->loops[s->from], &s->mail);
}

struct server *
shelf_oldest_locked(struct pool *p, usec_t *idle_us)
{
	struct server *s, *oldest = NULL;
	int i;

	if (!p->side || !p->count[SV_IDLE])
		return NULL;
	for (i = 0; i < p->hub->n_workers; i++) {
		struct server_list *l = &p->side[i].idle;

		s = p->set->round_robin ? TAILQ_FIRST(l) :
		    TAILQ_LAST(l, server_list);
		if (s && (!oldest || s->idle_us < oldest->idle_us))
			oldest = s;
	}
	if (oldest && idle_us)
		*idle_us = oldest->idle_us;
	return oldest;
}

struct server *
take_for_closing_locked(struct pool *p, struct server *s, const char *reason)
{
	unshelve_locked(p, s, SV_MIGRATING);
	s->from = s->worker;
	s->intent_close = true;
	s->close_reason = reason;
	return s;
}

/* Brings an idle server to a worker with waiters: from its own shelf, where
 * some may lie that are due for a check, else from one where nobody waits,
 * else from any. */
static struct server *
fetch_locked(struct pool *p, int to)
{
	struct server *s = TAILQ_FIRST(&p->side[to].idle), *second = NULL;
	int i;

	for (i = 0; i < p->hub->n_workers && !s; i++)
		if (p->side[i].n_waiters == 0)
			s = TAILQ_FIRST(&p->side[i].idle);
		else if (!second)
			second = TAILQ_FIRST(&p->side[i].idle);
	if (!s)
		s = second;
	unshelve_locked(p, s, SV_MIGRATING);
	s->from = s->worker;
	s->worker = to;
	set_inbound_locked(p, s, true);
	p->steals++;
	return s;
}

/* ---- acquire ---- */

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

	list_server(s->pool, s);
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
		need_sides(p);
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
				log_warn("taking connection from reserve_pool "
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

enum acquire
pool_acquire(struct pool *p, struct waiter *w, usec_t now,
    struct server **out, struct err *e)
{
	struct pool_side *side;
	struct server *s, *check = NULL;

	w->pool = p;
	w->task.fn = on_grant;
	pool_lock(p);
	need_sides(p);
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
	if (s && !due_for_check(p, s, now)) {
		unshelve_locked(p, s, SV_ACTIVE);
		p->reuses++;
		p->stats.assignments++;
		s->ever_used = true;
		pool_unlock(p);
		server_set_deadline(s, 0);
		*out = s;
		return ACQUIRE_GOT;
	}
	if (UNLIKELY(atomic_load(&p->hub->fail_waiters))) {
		pool_unlock(p);
		err_set(e, "57P01", "server shutting down");
		err_detail(e, "the connection pooler is being stopped");
		return ACQUIRE_FAILED;
	}
	if (s) {
		unshelve_locked(p, s, SV_TESTED);
		check = s;
	}
	enqueue_locked(p, w, now);
	pool_unlock(p);
	if (check) {
		server_set_deadline(check, 0);
		run_check(p, check);
	}
	pool_pump(p);
	return ACQUIRE_QUEUED;
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

/* ---- release ---- */

static void
view_offer_locked(struct pool *p, const struct server *s, usec_t now,
    struct ledger_offer *o, int *to)
{
	const struct waiter *w = TAILQ_FIRST(&p->side[s->worker].waiters);
	usec_t hungry;

	memset(o, 0, sizeof(*o));
	o->stale = s->generation != p->generation;
	o->paused = p->paused;
	o->dead = p->dead;
	o->expired = s->lifetime_us ? now - s->born_us >= s->lifetime_us :
				      s->ever_used && p->set->lifetime_us == 0;
	o->over = quota_is_over(&p->db->servers) ||
	    quota_is_over(&p->user->servers);
	o->total = p->total;
	o->size = p->set->size;
	o->reserve = p->set->reserve;
	o->hungry_us = quota_hungry(&p->db->servers, &p->by_db);
	hungry = quota_hungry(&p->user->servers, &p->by_user);
	if (hungry && (!o->hungry_us || hungry < o->hungry_us))
		o->hungry_us = hungry;
	o->slack_us = p->set->handover_slack_us;
	o->moved_us = p->moved_us;
	o->now_us = now;
	if (w)
		o->mine_us = w->since_us;
	*to = -1;
	/* The start of a message that came behind the answer stays here. */
	if (p->n_waiting > p->side[s->worker].n_waiters &&
	    !keep_len(&s->in)) {
		*to = neediest_locked(p, s->worker, false);
		if (*to >= 0)
			o->oldest_us =
			    TAILQ_FIRST(&p->side[*to].waiters)->since_us;
	}
}

static const char *
close_text(enum ledger_fate fate)
{
	switch (fate) {
	case LEDGER_CLOSE_STALE:
		return "close_needed";
	case LEDGER_CLOSE_PAUSED:
		return "pause mode";
	case LEDGER_CLOSE_EXPIRED:
		return "server lifetime over";
	case LEDGER_CLOSE_SURPLUS:
		return "too many servers in the pool";
	case LEDGER_CLOSE_EVICTED:
		return "evicted";
	case LEDGER_GRANT:
	case LEDGER_MOVE:
	case LEDGER_IDLE:
		break;
	}
	return NULL;
}

/* When an idle server has to be looked at again. */
static void
set_idle_deadline(struct pool *p, struct server *s)
{
	usec_t at = 0, end;

	if (p->set->idle_timeout_us)
		at = s->idle_us + p->set->idle_timeout_us;
	if (s->lifetime_us) {
		end = s->born_us + s->lifetime_us;
		if (!at || end < at)
			at = end;
	}
	server_set_deadline(s, at);
}

void
pool_offer(struct server *s)
{
	struct pool *p = s->pool;
	struct loop *l = s->loop;
	usec_t now = loop_now(l);
	struct ledger_offer o;
	enum ledger_fate fate;
	struct waiter *w = NULL;
	bool passed = false;
	int to, from = s->worker;

	if (UNLIKELY(stream_unsent(&s->stream) > 0)) {
		/* E.g. the rest of a COPY that failed at its first line. */
		server_retire(s, "it answered before it had read everything");
		return;
	}
	pool_lock(p);
	counters_move(&p->stats, &s->counters);
	set_inbound_locked(p, s, false);
	view_offer_locked(p, s, now, &o, &to);
	fate = ledger_fate(&o);
	switch (fate) {
	case LEDGER_GRANT:
		w = TAILQ_FIRST(&p->side[from].waiters);
		grant_locked(p, w, s, now);
		break;
	case LEDGER_MOVE:
		ledger_move_locked(p, s, SV_MIGRATING);
		s->from = from;
		s->worker = to;
		set_inbound_locked(p, s, true);
		p->handovers++;
		p->moved_us = now;
		break;
	case LEDGER_IDLE:
		ledger_move_locked(p, s, SV_IDLE);
		s->idle_us = now;
		shelve_locked(p, s);
		passed = p->n_waiting > 0;
		break;
	case LEDGER_CLOSE_EVICTED:
		s->evicted_for =
		    quota_hungry(&p->db->servers, &p->by_db) ?
		    &p->db->servers : &p->user->servers;
		p->evictions++;
		atomic_fetch_add(&s->evicted_for->evicting, 1);
		break;
	case LEDGER_CLOSE_STALE:
	case LEDGER_CLOSE_PAUSED:
	case LEDGER_CLOSE_EXPIRED:
	case LEDGER_CLOSE_SURPLUS:
		break;
	}
	pool_unlock(p);
	if (w) {
		loop_defer(l, &w->task);
	} else if (fate == LEDGER_MOVE) {
		send_off(p, s, from);
	} else if (fate == LEDGER_IDLE) {
		server_listen(s);
		set_idle_deadline(p, s);
		/* It could not move as it is: it is fetched, and closed. */
		if (UNLIKELY(passed))
			pool_pump(p);
	} else {
		server_retire(s, close_text(fate));
	}
}

void
pool_release(struct server *s)
{
	struct pool *p = s->pool;

	s->relay = NULL;
	if (s->cancels > 0) {
		server_listen(s);
		pool_owner.enter(s, SV_CANCELING);
		return;
	}
	if (s->cancel_dirty) {
		pool_discard(s, "a cancel request did not end cleanly");
		return;
	}
	if (s->dirty && p->set->reset_query[0]) {
		s->dirty = false;
		s->testing_reset = true;
		pool_owner.enter(s, SV_TESTED);
		server_run(s, p->set->reset_query, true, TEST_US);
		return;
	}
	s->dirty = false;
	pool_offer(s);
}

void
pool_drain(struct server *s, bool now, bool may_commit)
{
	struct pool *p = s->pool;
	usec_t t = loop_now(s->loop), cancel_at = 0, deadline = 0;

	s->relay = NULL;
	pool_owner.enter(s, SV_DRAINING);
	if (p->set->gone_cancel && !may_commit) {
		cancel_at = now ? t : t + p->set->gone_grace_us;
		deadline = cancel_at + TEST_US;
	}
	server_drain(s, cancel_at, deadline);
}

void
pool_discard(struct server *s, const char *reason)
{
	s->relay = NULL;
	server_retire(s, reason);
}

void
pool_count(struct pool *p, struct counters *c)
{
	pool_lock(p);
	counters_move(&p->stats, c);
	pool_unlock(p);
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

/* ---- what servers tell ---- */

static void
on_enter(struct server *s, enum server_state st)
{
	struct pool *p = s->pool;

	pool_lock(p);
	if (s->state == SV_IDLE)
		unshelve_locked(p, s, st);
	else
		ledger_move_locked(p, s, st);
	if (st == SV_CLOSING)
		set_inbound_locked(p, s, false);
	pool_unlock(p);
}

static void
on_settled(struct server *s, bool ok)
{
	bool reset = s->testing_reset;

	s->testing_reset = false;
	if (ok) {
		pool_release(s);
		return;
	}
	if (s->cancel_dirty)
		server_retire(s, "a cancel request did not end cleanly");
	else if (s->state == SV_DRAINING)
		server_retire(s, "client disconnect while server was not ready");
	else if (reset)
		server_retire(s, "reset query failed");
	else
		server_retire(s, "test query failed");
}

static void
on_lost(struct server *s, const char *reason)
{
	struct pool *p = s->pool;
	bool in_flight;

	pool_lock(p);
	in_flight = s->state == SV_MIGRATING;
	if (in_flight) {
		/* Its mail is on the way to this worker: that closes it. */
		s->intent_close = true;
		s->close_reason = reason;
	} else if (s->state == SV_IDLE) {
		/* So that no other worker fetches it meanwhile. */
		unshelve_locked(p, s, SV_TESTED);
	}
	pool_unlock(p);
	if (in_flight) {
		stream_pause(&s->stream);
		return;
	}
	server_retire(s, reason);
}

/* An idle server's time is up, or was moved on. */
static void
on_expired(struct server *s)
{
	struct pool *p = s->pool;
	usec_t now = loop_now(s->loop);
	const char *reason = NULL;

	pool_lock(p);
	if (s->state == SV_IDLE) {
		if (s->lifetime_us && now - s->born_us >= s->lifetime_us)
			reason = "server lifetime over";
		else if (p->set->idle_timeout_us &&
		    now - s->idle_us >= p->set->idle_timeout_us &&
		    p->total - p->count[SV_CLOSING] > p->set->min_size)
			reason = "server idle timeout";
		if (!reason && p->set->idle_timeout_us &&
		    now - s->idle_us >= p->set->idle_timeout_us)
			s->idle_us = now; /* kept for min_pool_size */
		if (reason)
			unshelve_locked(p, s, SV_TESTED);
		else
			set_idle_deadline(p, s);
	}
	pool_unlock(p);
	if (reason)
		server_retire(s, reason);
}

static void
on_gone(struct server *s)
{
	unlist_server(s->pool, s, s->worker);
	pool_gone(s);
}

const struct server_owner pool_owner = {
	.enter = on_enter,
	.progress = pool_progress,
	.ready = pool_ready,
	.failed = pool_failed,
	.settled = on_settled,
	.lost = on_lost,
	.expired = on_expired,
	.gone = on_gone,
};
