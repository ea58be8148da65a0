/*
 * How a pool's servers come and go: logins that succeed or fail, what those
 * who wait are told and when, and the timer that tries again.
 *
 * Two clocks: a server that is busy is waited for as long as
 * query_wait_timeout says; a server that cannot be reached for
 * server_down_after. A login that has got a connection is slow, not down.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pool_private.h"
#include "pooling/database.h"
#include "pooling/tally.h"

/* Attempts in the background: from, factor, to. */
#define BACKOFF_MIN_US (100 * USEC_PER_MSEC)
#define BACKOFF_MAX_US (2 * USEC_PER_SEC)
/* Somebody who comes may cause an attempt at once, but no more often. */
#define ARRIVAL_GAP_US (50 * USEC_PER_MSEC)
/* How long a refusal (a wrong password) is told again without asking. */
#define REFUSED_US USEC_PER_SEC

/* Somewhere between 75 % and 125 %, so that poolers do not march in step. */
static usec_t
jitter(usec_t us)
{
	uint32_t r;

	random_bytes(&r, sizeof(r));
	return us * 3 / 4 + us / 2 * (r % 1024) / 1024;
}

static usec_t
retry_max(const struct pool *p)
{
	usec_t retry = p->set->login_retry_us;

	return retry < BACKOFF_MAX_US ? retry : BACKOFF_MAX_US;
}

bool
refused_now_locked(const struct pool *p, usec_t now)
{
	return p->down.down && p->down.refused && now < p->down.next_us &&
	    !usable_locked(p);
}

void
open_started_locked(struct pool *p, usec_t now)
{
	if (!p->down.stirred_us)
		p->down.stirred_us = now;
}

/* ---- success ---- */

static usec_t
lifetime_of(const struct pool *p)
{
	usec_t life = p->set->lifetime_us;
	uint32_t r;

	if (life <= 0)
		return 0;
	/* Up to a tenth less, so that those born together die apart. */
	random_bytes(&r, sizeof(r));
	return life - life / 10 * (r % 1024) / 1024;
}

static bool
is_greeter(const struct waiter *w, const void *arg)
{
	(void)arg;
	return w->greet;
}

/* Except for how a pool was killed: that is for good. */
static struct fault *
forget_failure_locked(struct pool *p)
{
	struct fault *old = p->down.fault;

	if (p->dead)
		return NULL;
	memset(&p->down, 0, sizeof(p->down));
	return old;
}

void
pool_ready(struct server *s)
{
	struct pool *p = s->pool;
	struct waiter_list greeters = TAILQ_HEAD_INITIALIZER(greeters);
	struct fault *old;
	struct welcome *spare = welcome_share(p->hub->welcomes, s->welcome);
	usec_t since;

	s->welcome = NULL;
	s->lifetime_us = lifetime_of(p);
	pool_lock(p);
	p->was_primary = p->was_primary || s->primary;
	since = p->down.since_us;
	old = forget_failure_locked(p);
	if (!p->welcome && s->generation == p->generation) {
		p->welcome = spare;
		spare = NULL;
	}
	if (p->welcome)
		take_waiters_locked(p, &greeters, WAITER_WELCOME, NULL,
		    is_greeter, NULL);
	pool_unlock(p);
	if (since)
		log_info("database \"%s\" user \"%s\": server can be reached "
		    "again after %.1f s", p->db->name, p->user_name,
		    (double)(loop_now(s->loop) - since) / USEC_PER_SEC);
	fault_unref(old);
	welcome_unref(spare);
	deliver(p, &greeters);
	pool_ref(p);
	pool_offer(s);
	pool_pump(p);
	pool_unref(p);
}

/* ---- failure ---- */

void
pool_progress(struct server *s)
{
	struct pool *p = s->pool;

	pool_lock(p);
	p->down.stirred_us = loop_now(s->loop) + s->patience_us;
	pool_unlock(p);
}

struct overdue {
	usec_t now_us;
	usec_t down_after_us;
	usec_t attempt_us; /* when the attempt that failed was begun; 0 = none */
};

/* Who has waited long enough to be told that the server is down: server_
 * down_after, or, once that is over for the pool, until an attempt that was
 * begun after he came has failed. */
static bool
is_overdue(const struct waiter *w, const void *arg)
{
	const struct overdue *o = arg;

	return w->since_us <= o->attempt_us ||
	    o->now_us - w->since_us >= o->down_after_us;
}

static struct fault *
describe_locked(const struct pool *p, const struct err *e, usec_t now)
{
	const struct pool_down *d = &p->down;
	char was[sizeof(e->detail)];
	struct err copy = *e;

	copy_str(was, sizeof(was), e->detail);
	err_detail(&copy, "%s%s%d attempt%s in %.1f s; server login has been "
	    "failing, cached error: connect failed (server_login_retry)", was,
	    was[0] ? "; " : "", d->attempts, d->attempts == 1 ? "" : "s",
	    d->since_us ? (double)(now - d->since_us) / USEC_PER_SEC : 0.0);
	return fault_new(&copy);
}

/* A login has shown a sign of life a moment ago: that is slow, not down. */
static bool
is_progressing_locked(const struct pool *p, usec_t now)
{
	return p->count[SV_LOGIN] > 0 &&
	    now - p->down.stirred_us < p->set->down_after_us;
}

/* Tells those whose time is up; the lock is held. */
static void
fail_overdue_locked(struct pool *p, struct waiter_list *list, usec_t now,
    usec_t attempt_us)
{
	struct pool_down *d = &p->down;
	struct overdue o = { now, p->set->down_after_us, attempt_us };

	if (!d->down || !d->fault || usable_locked(p) || !d->since_us)
		return;
	if (d->refused) {
		take_waiters_locked(p, list, WAITER_FAILED, d->fault, NULL,
		    NULL);
		return;
	}
	if (o.down_after_us <= 0 || now - d->since_us < o.down_after_us ||
	    is_progressing_locked(p, now))
		return;
	take_waiters_locked(p, list, WAITER_FAILED, d->fault, is_overdue, &o);
}

static void
note_failure_locked(struct pool *p, const struct err *e, bool refused,
    usec_t now, usec_t begun_us)
{
	struct pool_down *d = &p->down;

	if (p->dead)
		return;
	d->down = true;
	d->refused = refused;
	d->attempts++;
	d->last_us = now;
	if (!usable_locked(p) && !d->since_us)
		d->since_us = begun_us;
	d->backoff_us = d->backoff_us ? d->backoff_us * 3 / 2 : BACKOFF_MIN_US;
	if (d->backoff_us > retry_max(p))
		d->backoff_us = retry_max(p);
	d->next_us = now + jitter(refused ? REFUSED_US : d->backoff_us);
	fault_unref(d->fault);
	d->fault = describe_locked(p, e, now);
}

void
pool_failed(struct server *s, const struct err *e, bool refused)
{
	struct pool *p = s->pool;
	struct waiter_list list = TAILQ_HEAD_INITIALIZER(list);
	usec_t now = loop_now(s->loop);

	tally_add(p->hub->tallies ? p->hub->tallies[s->worker] : NULL,
	    TALLY_CONNECT, e->sqlstate, e->msg);
	pool_lock(p);
	set_inbound_locked(p, s, false);
	/* Another host of the list, or the same with an older protocol, is
	 * asked next, as if this attempt had not been. */
	if (!s->try_other) {
		note_failure_locked(p, e, refused, now, s->born_us);
		fail_overdue_locked(p, &list, now, s->born_us);
	}
	if (p->count[SV_CONNECTING] + p->count[SV_LOGIN] <= 1)
		p->down.stirred_us = 0;
	pool_unlock(p);
	deliver(p, &list);
	/* A new attempt waits for gone(): until then this one counts. */
}

void
pool_gone(struct server *s)
{
	struct pool *p = s->pool;

	tally_add(p->hub->tallies ? p->hub->tallies[s->worker] : NULL,
	    TALLY_CLOSE, NULL, s->close_reason);
	pool_lock(p);
	counters_move(&p->stats, &s->counters);
	p->count[SV_CLOSED]--;
	p->total--;
	if (s->generation != p->generation)
		p->n_stale--;
	if (!p->total && !p->n_waiting && !atomic_load(&p->n_clients)) {
		/* Most of 100,000 pools have nothing to do just now. */
		pool_free_sides(p);
	}
	pool_unlock(p);
	if (s->evicted_for)
		atomic_fetch_sub(&s->evicted_for->evicting, 1);
	quota_give(&p->db->servers, &p->by_db);
	quota_give(&p->user->servers, &p->by_user);
	pool_wake_claims(&p->db->servers);
	pool_wake_claims(&p->user->servers);
	pool_pump(p);
	s->pool = NULL;
	pool_unref(p);
}

/* ---- the timer ---- */

/* An attempt that has got no further for server_down_after is as good as
 * failed for those who wait, though it goes on. */
static void
note_stall_locked(struct pool *p, usec_t now)
{
	struct pool_down *d = &p->down;
	usec_t after = p->set->down_after_us;
	struct err e;

	if (!d->stirred_us || after <= 0 ||
	    p->count[SV_CONNECTING] + p->count[SV_LOGIN] == 0 ||
	    usable_locked(p) || now - d->stirred_us < after || d->down)
		return;
	err_set(&e, "08001", "cannot reach server %s:%d for database \"%s\": "
	    "no answer", p->target->host[0] ? p->target->host : "unix",
	    p->target->port, p->db->name);
	err_hint(&e, "check the address, routes and firewalls in between; "
	    "SHOW SERVERS on the admin console lists the attempts");
	note_failure_locked(p, &e, false, now, d->stirred_us);
}

usec_t
next_try_locked(const struct pool *p)
{
	const struct pool_down *d = &p->down;
	const struct waiter *w = TAILQ_LAST(&p->waiters, waiter_list);

	if (!d->down)
		return 0;
	if (w && !d->refused && w->since_us > d->last_us &&
	    d->last_us + ARRIVAL_GAP_US < d->next_us)
		return d->last_us + ARRIVAL_GAP_US;
	return d->next_us;
}

/* When the timer is wanted next; 0 = not. */
static usec_t
next_look_locked(const struct pool *p, usec_t now)
{
	const struct pool_down *d = &p->down;
	const struct waiter *w = TAILQ_FIRST(&p->waiters);
	usec_t at = 0, t, after = p->set->down_after_us;

	if (p->dead || p->paused)
		return 0;
	if (d->down && (w || (!d->refused && atomic_load(&p->n_clients) > 0))) {
		at = next_try_locked(p);
		if (at <= now)
			at = now + ARRIVAL_GAP_US;
	}
	if (!w || usable_locked(p) || after <= 0)
		return at;
	if (d->since_us) {
		t = d->since_us > w->since_us ? d->since_us : w->since_us;
		t += after;
		if (t <= now && is_progressing_locked(p, now))
			t = d->stirred_us + after;
		if (t > now && (!at || t < at))
			at = t;
	} else if (d->stirred_us) {
		t = d->stirred_us + after;
		if (t <= now)
			t = now + ARRIVAL_GAP_US;
		if (!at || t < at)
			at = t;
	}
	return at;
}

void
on_pool_timer(struct timer *t)
{
	struct pool *p = CONTAINER_OF(t, struct pool, timer);
	struct waiter_list list = TAILQ_HEAD_INITIALIZER(list);
	struct loop *l = p->hub->loops[p->home];
	usec_t now = loop_now(l);

	pool_lock(p);
	p->timer_us = 0;
	note_stall_locked(p, now);
	fail_overdue_locked(p, &list, now, 0);
	pool_unlock(p);
	deliver(p, &list);
	pool_pump(p);
	p->timer_held = false;
	pool_unref(p);
}

/* On the home worker: sets the timer to what is wanted now. */
void
on_pool_tick(struct mail *m, struct loop *l)
{
	struct pool *p = CONTAINER_OF(m, struct pool, tick);
	usec_t at;

	pool_lock(p);
	p->tick_posted = false;
	at = next_look_locked(p, loop_now(l));
	p->timer_us = at;
	pool_unlock(p);
	/* A timer that is set keeps the pool alive. */
	if (at) {
		timer_set(l, &p->timer, at);
		if (!p->timer_held)
			pool_ref(p);
		p->timer_held = true;
	} else if (p->timer_held) {
		timer_fini(&p->timer);
		p->timer_held = false;
		pool_unref(p);
	}
	pool_unref(p);
}

/* Has the home worker look at the timer, unless it stands right. */
void
pool_schedule(struct pool *p)
{
	usec_t now = clock_mono_us(), at;
	bool post;

	pool_lock(p);
	at = next_look_locked(p, now);
	/* A timer that stands earlier looks again by itself. */
	post = !p->tick_posted && at && (!p->timer_us || p->timer_us > at);
	if (post)
		p->tick_posted = true;
	pool_unlock(p);
	if (post) {
		pool_ref(p);
		loop_post(p->hub->loops[p->home], &p->tick);
	}
}
