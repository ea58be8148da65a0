/* What is done to all of them: walks, RELOAD, PAUSE, sums. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pooling/hub.h"
#include "pooling/keycache.h"
#include "registry_impl.h"

/* ---- walking ---- */

struct list {
	void **v;
	size_t n;
};

static bool
collect(void *arg, struct span key, void *value)
{
	struct list *l = arg;

	(void)key;
	l->v[l->n++] = value;
	return true;
}

static struct list
list_map(struct registry *r, struct map *m)
{
	struct list l = { 0 };

	pthread_mutex_lock(&r->mu);
	l.v = xcalloc(map_count(m) + 1, sizeof(*l.v));
	map_each(m, collect, &l);
	pthread_mutex_unlock(&r->mu);
	return l;
}

static struct list
list_pools(struct registry *r)
{
	struct list l = { 0 };
	struct slot *s;

	pthread_mutex_lock(&r->mu);
	l.v = xcalloc(map_count(r->slots) - r->n_asleep + 1, sizeof(*l.v));
	TAILQ_FOREACH(s, &r->awake, link)
		l.v[l.n++] = pool_ref(s->pool);
	pthread_mutex_unlock(&r->mu);
	return l;
}

static int
by_pool(const void *a, const void *b)
{
	const struct pool *const *x = a, *const *y = b;
	int c = strcmp((*x)->db->name, (*y)->db->name);

	return c ? c : strcmp((*x)->user_name, (*y)->user_name);
}

static int
by_database(const void *a, const void *b)
{
	const struct database *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static int
by_user(const void *a, const void *b)
{
	const struct user *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

void
registry_each_pool(struct registry *r,
    void (*fn)(void *arg, struct pool *p), void *arg)
{
	struct list l = list_pools(r);
	size_t i;

	qsort(l.v, l.n, sizeof(*l.v), by_pool);
	for (i = 0; i < l.n; i++) {
		fn(arg, l.v[i]);
		pool_unref(l.v[i]);
	}
	free(l.v);
}

void
registry_each_database(struct registry *r,
    void (*fn)(void *arg, struct database *d), void *arg)
{
	struct list l = list_map(r, r->databases);
	size_t i;

	qsort(l.v, l.n, sizeof(*l.v), by_database);
	for (i = 0; i < l.n; i++)
		fn(arg, l.v[i]);
	free(l.v);
}

void
registry_each_user(struct registry *r,
    void (*fn)(void *arg, struct user *u), void *arg)
{
	struct list l = list_map(r, r->users);
	size_t i;

	qsort(l.v, l.n, sizeof(*l.v), by_user);
	for (i = 0; i < l.n; i++)
		fn(arg, l.v[i]);
	free(l.v);
}

/* ---- RELOAD ---- */

/* RELOAD makes the registry's snapshot the one that counts. The mutex is held
 * for what is read of it. */
static void
take_snapshot(struct registry *r, const struct config *cfg)
{
	struct config *old;

	pthread_mutex_lock(&r->mu);
	old = r->cfg;
	r->cfg = config_ref((struct config *)(uintptr_t)cfg);
	pthread_mutex_unlock(&r->mu);
	config_unref(old);
}

struct apply {
	struct registry *r;
	const struct config *cfg;
};

static void
apply_database(void *arg, struct database *d)
{
	struct apply *a = arg;
	bool automatic;
	const struct database_conf *conf = registry_conf(a->cfg, d->name,
	    &automatic);

	if (!conf)
		return;
	pthread_mutex_lock(&a->r->mu);
	d->automatic = automatic;
	if (!automatic)
		registry_confirm_locked(a->r, d);
	registry_note_resting_locked(a->r, d);
	pthread_mutex_unlock(&a->r->mu);
	d->max_clients = config_max_db_client_connections(a->cfg, conf);
	d->waiting.max = config_max_db_waiting(conf);
	quota_set_limit(&d->servers, config_max_db_connections(a->cfg, conf));
	pool_wake_claims(&d->servers);
}

static void
apply_user(void *arg, struct user *u)
{
	struct apply *a = arg;

	u->max_clients = config_max_user_client_connections(a->cfg, u->name);
	u->waiting.max = config_max_user_waiting(a->cfg, u->name);
	quota_set_limit(&u->servers,
	    config_max_user_connections(a->cfg, u->name));
	pool_wake_claims(&u->servers);
}

/* A pool whose database is gone, or has another forced user now, is over. */
static void
drop_pool(struct registry *r, struct pool *p)
{
	struct err e;

	if (!registry_forget_pool(r, p))
		return;
	log_warn("dropping database '%s' as it does not exist anymore or "
	    "inactive auto-database", p->db->name);
	err_set(&e, "57P01", "database removed");
	pool_kill(p, &e);
	pool_unref(p);
}

static void
apply_pool(void *arg, struct pool *p)
{
	struct apply *a = arg;
	bool automatic;
	const struct database_conf *conf = registry_conf(a->cfg, p->db->name,
	    &automatic);
	struct pool_settings *set;
	struct server_target *t, *old;

	if (!conf || (conf->user[0] && !p->own_user &&
		strcmp(conf->user, p->user_name) != 0)) {
		drop_pool(a->r, p);
		return;
	}
	/* A walsender is as its client asked for it, to its end. */
	set = p->set;
	if (set->replication)
		return;
	old = pool_target(p);
	t = registry_make_target(a->r, a->cfg, conf, p->db->name, p->user_name,
	    old->learnt ? old->secret : NULL,
	    old->has_keys && !conf->user[0] ? &old->keys : NULL);
	target_unref(old);
	pthread_mutex_lock(&a->r->mu);
	set = registry_settings_locked(a->r, a->cfg, conf, p->user_name);
	pthread_mutex_unlock(&a->r->mu);
	pool_configure(p, set, t);
}

void
registry_apply(struct registry *r, const struct config *cfg)
{
	struct apply a = { r, cfg };

	take_snapshot(r, cfg);
	r->hub->waiting.max = cfg->max_waiting_clients;
	if (r->hub->keycache)
		keycache_sweep(r->hub->keycache, cfg);
	registry_each_database(r, apply_database, &a);
	registry_each_user(r, apply_user, &a);
	registry_each_pool(r, apply_pool, &a);
	registry_apply_asleep(r, cfg);
	registry_prewarm(r, cfg);
}

/* ---- PAUSE, RESUME, sums ---- */

struct select {
	struct database *db; /* NULL = all */
	int sum;
};

static void
pause_one(void *arg, struct pool *p)
{
	struct select *s = arg;

	if (!s->db || p->db == s->db)
		pool_pause(p);
}

void
registry_pause(struct registry *r, struct database *db)
{
	struct select s = { db, 0 };

	if (db)
		atomic_store(&db->paused, true);
	else
		atomic_store(&r->paused, true);
	registry_each_pool(r, pause_one, &s);
}

static void
resume_one(void *arg, struct pool *p)
{
	struct select *s = arg;
	struct registry *r = p->hub->registry;

	if ((!s->db || p->db == s->db) && !atomic_load(&p->db->paused) &&
	    !atomic_load(&r->paused))
		pool_resume(p);
}

void
registry_resume(struct registry *r, struct database *db)
{
	struct select s = { db, 0 };

	if (db)
		atomic_store(&db->paused, false);
	else
		atomic_store(&r->paused, false);
	registry_each_pool(r, resume_one, &s);
}

bool
registry_is_paused(const struct registry *r)
{
	return atomic_load(&((struct registry *)(uintptr_t)r)->paused);
}

static void
sum_busy(void *arg, struct pool *p)
{
	struct select *s = arg;

	if (!s->db || p->db == s->db)
		s->sum += pool_busy(p);
}

int
registry_busy(struct registry *r, struct database *db)
{
	struct select s = { db, 0 };

	registry_each_pool(r, sum_busy, &s);
	return s.sum;
}

static void
sum_stale(void *arg, struct pool *p)
{
	struct select *s = arg;

	if (!s->db || p->db == s->db)
		s->sum += pool_stale(p);
}

int
registry_stale(struct registry *r, struct database *db)
{
	struct select s = { db, 0 };

	registry_each_pool(r, sum_stale, &s);
	return s.sum;
}

static void
sum_servers(void *arg, struct database *d)
{
	struct select *s = arg;

	if (!s->db || d == s->db)
		s->sum += quota_used(&d->servers);
}

int
registry_servers(struct registry *r, struct database *db)
{
	struct select s = { db, 0 };

	registry_each_database(r, sum_servers, &s);
	return s.sum;
}
