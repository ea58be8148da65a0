/*
 * The books of a fanout: who wants what, what the server listens on, and what
 * has to be sent so that the two agree. Everything runs at home, but for a few
 * questions that are asked elsewhere.
 *
 * At most one query is under way. It holds all changes since the last one, and
 * answers all calls that have come since: one of 1,000 clients which connect
 * together costs a share of a query. Calls that change nothing are answered by
 * it as well, or by an empty query.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fanout_private.h"
#include "pooling/database.h"
#include "proto/reply.h"

/* How long a LISTEN may take. */
#define QUERY_US (15 * USEC_PER_SEC)
/* Between attempts to get a server. */
#define RETRY_US (500 * USEC_PER_MSEC)

/* ---- questions ---- */

static void on_renew(struct pool_guest *g);
static void on_free(struct pool_guest *g);
static void on_timer(struct timer *t);

static struct fanout *
of_guest(struct pool_guest *g)
{
	return g ? CONTAINER_OF(g, struct fanout, guest) : NULL;
}

struct fanout *
fanout_get(struct pool *p)
{
	return of_guest(atomic_load_explicit(&p->guest, memory_order_acquire));
}

static struct fanout *
make(struct pool *p, int worker, const char *encoding)
{
	struct fanout *f = xcalloc(1, sizeof(*f));
	int i;

	f->guest.renew = on_renew;
	f->guest.free = on_free;
	f->pool = p;
	f->home = worker;
	f->loop = p->hub->loops[worker];
	copy_str(f->encoding, sizeof(f->encoding), encoding);
	pthread_mutex_init(&f->mu, NULL);
	f->sides = xcalloc((size_t)p->hub->n_workers, sizeof(*f->sides));
	for (i = 0; i < p->hub->n_workers; i++)
		TAILQ_INIT(&f->sides[i].ears);
	f->topics = map_new();
	f->n_by_worker = xcalloc((size_t)p->hub->n_workers,
	    sizeof(*f->n_by_worker));
	TAILQ_INIT(&f->changed);
	TAILQ_INIT(&f->sent);
	STAILQ_INIT(&f->waiting);
	STAILQ_INIT(&f->calling);
	timer_init(&f->timer, on_timer);
	return f;
}

static void
on_free(struct pool_guest *g)
{
	struct fanout *f = of_guest(g);

	map_free(f->topics);
	pthread_mutex_destroy(&f->mu);
	free(f->n_by_worker);
	free(f->sides);
	buf_free(&f->in);
	buf_free(&f->sql);
	free(f);
}

struct fanout *
fanout_of(struct pool *p, int worker, const char *encoding)
{
	struct fanout *f = fanout_get(p);
	struct pool_guest *none = NULL;

	if (f)
		return f;
	f = make(p, worker, encoding);
	if (atomic_compare_exchange_strong(&p->guest, &none, &f->guest))
		return f;
	on_free(&f->guest);
	return of_guest(none);
}

static bool
quota_has_room(const struct quota *q)
{
	int limit = atomic_load_explicit(&q->limit, memory_order_relaxed);

	return limit <= 0 || limit > 1;
}

bool
fanout_has_room(struct pool *p)
{
	const struct pool_settings *set = p->set;

	return (set->size <= 0 || set->size > 1) &&
	    quota_has_room(&p->db->servers) &&
	    quota_has_room(&p->user->servers);
}

const char *
fanout_encoding(const struct fanout *f)
{
	return f->encoding;
}

bool
fanout_is_up(const struct fanout *f)
{
	return f && atomic_load_explicit(&f->up, memory_order_relaxed);
}

void
fanout_announce(struct fanout *f, struct fanout_tenant *t)
{
	pthread_mutex_lock(&f->mu);
	LIST_INSERT_HEAD(&f->tenants, t, link);
	pthread_mutex_unlock(&f->mu);
}

void
fanout_withdraw(struct fanout *f, struct fanout_tenant *t)
{
	pthread_mutex_lock(&f->mu);
	LIST_REMOVE(t, link);
	pthread_mutex_unlock(&f->mu);
}

/* ---- topics ---- */

static struct topic *
topic_new(struct fanout *f, struct span name)
{
	size_t n = (size_t)f->pool->hub->n_workers * sizeof(int);
	struct topic *t = xcalloc(1, sizeof(*t) + n);

	t->name = xmalloc(name.n);
	memcpy(t->name, name.p, name.n);
	t->n = (uint32_t)name.n;
	map_put(f->topics, name, t);
	return t;
}

static struct span
name_of(const struct topic *t)
{
	return SPAN(t->name, t->n);
}

static void
topic_free(struct topic *t)
{
	free(t->name);
	free(t);
}

static void
topic_forget(struct fanout *f, struct topic *t)
{
	map_del(f->topics, name_of(t));
	topic_free(t);
}

static void
mark_changed(struct fanout *f, struct topic *t)
{
	if (t->place != TOPIC_QUIET)
		return;
	t->place = TOPIC_CHANGED;
	TAILQ_INSERT_TAIL(&f->changed, t, link);
}

struct wish {
	struct fanout *f;
	int worker;
};

static void
want_one(void *arg, struct span name)
{
	const struct wish *w = arg;
	struct fanout *f = w->f;
	struct topic *t = map_get(f->topics, name);

	if (!t)
		t = topic_new(f, name);
	if (t->total++ == 0)
		f->n_wanted++;
	t->count[w->worker]++;
	f->n_by_worker[w->worker]++;
	if (!t->live)
		mark_changed(f, t);
}

static void
give_up_one(void *arg, struct span name)
{
	const struct wish *w = arg;
	struct fanout *f = w->f;
	struct topic *t = map_get(f->topics, name);

	if (!ensure(t && t->count[w->worker] > 0))
		return;
	t->count[w->worker]--;
	f->n_by_worker[w->worker]--;
	if (--t->total > 0)
		return;
	f->n_wanted--;
	mark_changed(f, t);
}

/* What is in `now` and was not in `before`. */
static void
take_up(struct fanout *f, const struct fan_call *c)
{
	struct wish w = { f, c->worker };

	channels_each_not_in(c->want, c->have, want_one, &w);
}

static void
take_back(struct fanout *f, const struct fan_call *c)
{
	struct wish w = { f, c->worker };

	channels_each_not_in(c->want, c->have, give_up_one, &w);
}

static void
give_up(struct fanout *f, const struct fan_call *c)
{
	struct wish w = { f, c->worker };

	channels_each_not_in(c->have, c->want, give_up_one, &w);
}

/* ---- calls ---- */

static void
answer(struct fanout *f, struct fan_call *c, const struct err *e)
{
	/* A barrier has nothing to stop for. */
	if (e && channels_any_not_in(c->want, c->have)) {
		take_back(f, c);
		c->err = xmalloc(sizeof(*c->err));
		*c->err = *e;
	} else {
		give_up(f, c);
	}
	fan_reply(c);
}

static void
answer_all(struct fanout *f, struct fan_call_list *list, const struct err *e)
{
	struct fan_call *c;

	while ((c = STAILQ_FIRST(list))) {
		STAILQ_REMOVE_HEAD(list, link);
		answer(f, c, e);
	}
}

/* They hold servers; without a server of ours there is nothing to wait for. */
static void
answer_barriers(struct fanout *f)
{
	struct fan_call_list rest = STAILQ_HEAD_INITIALIZER(rest);
	struct fan_call *c;

	while ((c = STAILQ_FIRST(&f->waiting))) {
		STAILQ_REMOVE_HEAD(&f->waiting, link);
		if (channels_any_not_in(c->want, c->have))
			STAILQ_INSERT_TAIL(&rest, c, link);
		else
			answer(f, c, NULL);
	}
	STAILQ_CONCAT(&f->waiting, &rest);
}

void
fan_called(struct mail *m, struct loop *l)
{
	struct fan_call *c = CONTAINER_OF(m, struct fan_call, mail);
	struct fanout *f = c->fanout;
	struct pool *p = pool_ref(f->pool);

	(void)l;
	if (c->one_way) {
		give_up(f, c);
		fan_call_free(c);
	} else {
		take_up(f, c);
		STAILQ_INSERT_TAIL(&f->waiting, c, link);
		if (!f->server)
			answer_barriers(f);
	}
	fan_step(f);
	pool_unref(p);
}

/* ---- the query ---- */

/* Puts the changes into f->sql. */
static void
write_changes(struct fanout *f)
{
	struct topic *t;

	buf_reset(&f->sql);
	while ((t = TAILQ_FIRST(&f->changed))) {
		TAILQ_REMOVE(&f->changed, t, link);
		t->place = TOPIC_QUIET;
		if (t->total > 0 && t->live)
			continue;
		if (t->total > 0 || t->live) {
			buf_printf(&f->sql, t->total > 0 ? "LISTEN " :
			    "UNLISTEN ");
			channels_put_name(&f->sql, name_of(t));
			buf_append(&f->sql, ";", 1);
		}
		if (t->total > 0) {
			t->place = TOPIC_SENT;
			TAILQ_INSERT_TAIL(&f->sent, t, link);
		} else {
			/* Should the query fail, the server tells of more than
			 * anybody wants to hear. */
			topic_forget(f, t);
		}
	}
	buf_append(&f->sql, "", 1);
}

static void
run(struct fanout *f)
{
	write_changes(f);
	STAILQ_CONCAT(&f->calling, &f->waiting);
	err_clear(&f->err);
	f->running = true;
	timer_set(f->loop, &f->timer, loop_now(f->loop) + QUERY_US);
	fan_send(f, &f->sql);
}

static void
set_up(struct fanout *f)
{
	buf_reset(&f->sql);
	/* What clients of the same pool may have left behind. */
	buf_printf(&f->sql, "SET SESSION AUTHORIZATION DEFAULT;RESET ROLE;"
	    "RESET ALL;SET client_encoding TO '%s'", f->encoding);
	buf_append(&f->sql, "", 1);
	err_clear(&f->err);
	f->fresh = false;
	f->running = f->setting_up = true;
	timer_set(f->loop, &f->timer, loop_now(f->loop) + QUERY_US);
	fan_send(f, &f->sql);
}

static void
settle_sent(struct fanout *f, bool ok)
{
	struct topic *t;

	while ((t = TAILQ_FIRST(&f->sent))) {
		TAILQ_REMOVE(&f->sent, t, link);
		t->place = TOPIC_QUIET;
		t->live = ok;
		if (!ok || t->total == 0)
			mark_changed(f, t);
	}
}

/* To all workers with ears that hear something. */
static void
tell_all(struct fanout *f, enum fan_news news, const struct err *e)
{
	int i;

	for (i = 0; i < f->pool->hub->n_workers; i++)
		if (f->n_by_worker[i] > 0)
			fan_post(f, i, news, SPAN(NULL, 0), SPAN(NULL, 0), e);
}

static void
log_up(const struct fanout *f)
{
	log_info("database \"%s\" user \"%s\": server process %u listens for "
	    "clients", f->pool->db->name, f->pool->user_name, f->server->pid);
}

void
fan_ran(struct fanout *f)
{
	bool ok = !err_is_set(&f->err), first = !atomic_load(&f->up);
	struct err e = f->err;

	f->running = false;
	timer_clear(&f->timer);
	if (f->setting_up) {
		f->setting_up = false;
		if (!ok)
			fan_server_lost(f, "it could not be reset for LISTEN");
		return;
	}
	settle_sent(f, ok);
	if (ok && first)
		log_up(f);
	if (ok)
		atomic_store(&f->up, true);
	if (ok && f->gap) {
		f->gap = false;
		tell_all(f, FAN_GAP, NULL);
	}
	answer_all(f, &f->calling, ok ? NULL : &e);
	/* Those who have listened before cannot be told in place of an
	 * answer: it is tried again, elsewhere. */
	if (!ok && f->n_wanted > 0 && first)
		fan_server_lost(f, "LISTEN failed");
}

void
fan_tell(struct fanout *f, struct span channel, struct span message)
{
	const struct topic *t = map_get(f->topics, channel);
	int i;

	for (i = 0; t && i < f->pool->hub->n_workers; i++)
		if (t->count[i] > 0)
			fan_post(f, i, FAN_MESSAGE, channel, message, NULL);
}

/* ---- the server comes and goes ---- */

/* Nothing is left to be done. */
static void
rest(struct fanout *f)
{
	timer_fini(&f->timer);
	f->retry_us = 0;
	f->gap = false;
	if (f->held) {
		f->held = false;
		pool_unref(f->pool);
	}
}

static bool
forget_one(void *arg, struct span key, void *value)
{
	struct fanout *f = arg;
	struct topic *t = value;

	(void)key;
	if (t->place == TOPIC_CHANGED)
		TAILQ_REMOVE(&f->changed, t, link);
	map_del(f->topics, name_of(t));
	topic_free(t);
	return true;
}

/* Nobody wants to hear anything. */
static void
finish(struct fanout *f)
{
	map_each(f->topics, forget_one, f);
	if (f->server) {
		atomic_store(&f->up, false);
		fan_let_go(f);
	}
	rest(f);
}

static bool
silence_one(void *arg, struct span key, void *value)
{
	struct fanout *f = arg;
	struct topic *t = value;

	(void)key;
	t->live = false;
	if (t->place == TOPIC_SENT) {
		TAILQ_REMOVE(&f->sent, t, link);
		t->place = TOPIC_QUIET;
	}
	mark_changed(f, t);
	return true;
}

static void
retry_later(struct fanout *f)
{
	f->retry_us = loop_now(f->loop) + RETRY_US;
	timer_set(f->loop, &f->timer, f->retry_us);
}

void
fan_server_lost(struct fanout *f, const char *reason)
{
	bool was_up = atomic_exchange(&f->up, false);

	fan_discard(f, reason);
	f->running = f->setting_up = false;
	timer_clear(&f->timer);
	map_each(f->topics, silence_one, f);
	if (was_up) {
		f->gap = true;
		log_warn("database \"%s\" user \"%s\": the server that listens "
		    "for clients was lost: %s; notifications may be missed",
		    f->pool->db->name, f->pool->user_name, reason);
	} else {
		/* One that never worked is not asked for again and again. */
		retry_later(f);
	}
	STAILQ_CONCAT(&f->calling, &f->waiting);
	STAILQ_CONCAT(&f->waiting, &f->calling);
	answer_barriers(f);
}

void
fan_server_failed(struct fanout *f, const struct err *e)
{
	answer_all(f, &f->waiting, e);
	retry_later(f);
}

/* The pool has become too small. */
static void
give_in(struct fanout *f)
{
	struct err e;

	err_set(&e, "53300", "no server connection is left for LISTEN");
	err_detail(&e, "in transaction mode one server listens for all clients "
	    "of database \"%s\" and user \"%s\", and that would be the only "
	    "one", f->pool->db->name, f->pool->user_name);
	err_hint(&e, "raise pool_size, max_db_connections or "
	    "max_user_connections");
	tell_all(f, FAN_END, &e);
	fan_server_failed(f, &e);
}

void
fan_step(struct fanout *f)
{
	bool idle = f->n_wanted == 0 && STAILQ_EMPTY(&f->waiting);

	if (f->queued || f->running)
		return;
	if (idle) {
		finish(f);
	} else if (!f->server) {
		if (!f->held)
			pool_ref(f->pool);
		f->held = true;
		if (f->retry_us)
			return;
		if (!fanout_has_room(f->pool))
			give_in(f);
		else
			fan_acquire(f);
	} else if (f->fresh) {
		set_up(f);
	} else if (!STAILQ_EMPTY(&f->waiting) || !TAILQ_EMPTY(&f->changed)) {
		run(f);
	}
}

static void
on_timer(struct timer *t)
{
	struct fanout *f = CONTAINER_OF(t, struct fanout, timer);
	struct pool *p = pool_ref(f->pool);

	f->retry_us = 0;
	if (f->running)
		fan_server_lost(f, "it does not answer");
	fan_step(f);
	pool_unref(p);
}

/* ---- the pool's servers are to be others ---- */

static void
on_renew_mail(struct mail *m, struct loop *l)
{
	struct fanout *f = CONTAINER_OF(m, struct fanout, renew);
	struct pool *p = f->pool;

	(void)l;
	atomic_store(&f->renewing, false);
	if (f->server)
		fan_server_lost(f, "close_needed");
	fan_step(f);
	pool_unref(p);
}

static void
on_renew(struct pool_guest *g)
{
	struct fanout *f = of_guest(g);

	if (atomic_exchange(&f->renewing, true))
		return;
	pool_ref(f->pool);
	f->renew.fn = on_renew_mail;
	loop_post(f->loop, &f->renew);
}
