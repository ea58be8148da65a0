/* Databases, users and pools by name. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pooling/hub.h"
#include "registry_impl.h"

struct registry *
registry_new(struct hub *hub)
{
	struct registry *r = xcalloc(1, sizeof(*r));

	pthread_mutex_init(&r->mu, NULL);
	r->hub = hub;
	r->hosts = host_table_new();
	r->slab = slab_new();
	r->databases = map_new_in(r->slab);
	r->users = map_new();
	r->slots = map_new_in(r->slab);
	TAILQ_INIT(&r->awake);
	TAILQ_INIT(&r->asleep);
	TAILQ_INIT(&r->resting);
	TAILQ_INIT(&r->strangers);
	hub->rest = registry_rest;
	return r;
}

static bool
free_slot(void *arg, struct span key, void *value)
{
	struct slot *s = value;

	(void)key;
	if (s->pool)
		atomic_store(&s->pool->named, false);
	pool_unref(s->pool);
	welcome_unref(s->welcome);
	slab_give(arg, s, sizeof(*s));
	return true;
}

void
registry_free_database(struct registry *r, struct database *d)
{
	quota_fini(&d->servers);
	slab_give(r->slab, d->gone, counters_packed_size(d->gone));
	slab_give(r->slab, d, sizeof(*d) + strlen(d->name) + 1);
}

static bool
free_database(void *arg, struct span key, void *value)
{
	(void)key;
	registry_free_database(arg, value);
	return true;
}

static bool
free_user(void *arg, struct span key, void *value)
{
	struct user *u = value;

	(void)arg;
	(void)key;
	quota_fini(&u->servers);
	free(u->name);
	free(u);
	return true;
}

void
registry_free_settings(struct pool_settings *s)
{
	free(s->check_query);
	free(s->reset_query);
	free(s->stateful_functions);
	free(s);
}

void
registry_free(struct registry *r)
{
	if (!r)
		return;
	map_each(r->slots, free_slot, r->slab);
	map_each(r->databases, free_database, r);
	map_each(r->users, free_user, NULL);
	config_unref(r->cfg);
	while (r->settings) {
		struct pool_settings *set = r->settings;

		r->settings = set->next;
		registry_free_settings(set);
	}
	map_free(r->slots);
	map_free(r->databases);
	map_free(r->users);
	slab_free(r->slab);
	host_table_free(r->hosts);
	buf_free(&r->recent);
	buf_free(&r->earlier);
	pthread_mutex_destroy(&r->mu);
	free(r);
}

/* ---- databases and users ---- */

const struct database_conf *
registry_conf(const struct config *cfg, const char *name, bool *automatic)
{
	const struct database_conf *conf = config_database(cfg, name);

	*automatic = false;
	if (conf)
		return conf;
	if (!cfg->autodb || strlen(name) > DATABASE_NAME_MAX)
		return NULL;
	*automatic = true;
	return cfg->autodb;
}

static struct database *
make_database_locked(struct registry *r, const struct config *cfg,
    const struct database_conf *conf, const char *name, bool automatic,
    bool strange)
{
	size_t n = strlen(name) + 1;
	struct database *d = slab_take(r->slab, sizeof(*d) + n);

	memset(d, 0, sizeof(*d));
	memcpy(d->name, name, n);
	d->automatic = automatic;
	d->strange = strange;
	r->n_strange += strange;
	d->max_clients = config_max_db_client_connections(cfg, conf);
	d->waiting.max = config_max_db_waiting(conf);
	quota_init(&d->servers, config_max_db_connections(cfg, conf));
	LIST_INIT(&d->slots);
	map_put(r->databases, span_of(name), d);
	registry_note_resting_locked(r, d);
	return d;
}

static struct database *
get_database(struct registry *r, const struct config *cfg, const char *name,
    bool proven, bool *many)
{
	bool automatic, made = false;
	const struct database_conf *conf = registry_conf(cfg, name,
	    &automatic);
	struct database *d;

	*many = false;
	if (!conf)
		return NULL;
	pthread_mutex_lock(&r->mu);
	d = map_get(r->databases, span_of(name));
	if (!d && automatic && !proven)
		*many = r->n_strange >= STRANGE_DATABASES_MAX;
	if (!d && !*many) {
		d = make_database_locked(r, cfg, conf, name, automatic,
		    automatic && !proven);
		made = automatic;
	}
	if (d && proven)
		registry_confirm_locked(r, d);
	if (d)
		atomic_fetch_add(&d->refs, 1);
	pthread_mutex_unlock(&r->mu);
	if (made)
		log_info("registered new auto-database: db=%s", name);
	return d;
}

struct database *
registry_database(struct registry *r, const struct config *cfg,
    const char *name)
{
	bool many;

	return get_database(r, cfg, name, true, &many);
}

struct database *
registry_ask_database(struct registry *r, const struct config *cfg,
    const char *name, bool *many)
{
	return get_database(r, cfg, name, false, many);
}

struct user *
registry_user(struct registry *r, const struct config *cfg, const char *name)
{
	struct user *u;

	pthread_mutex_lock(&r->mu);
	u = map_get(r->users, span_of(name));
	if (!u) {
		u = xcalloc(1, sizeof(*u));
		u->name = xstrdup(name);
		u->max_clients = config_max_user_client_connections(cfg, name);
		u->waiting.max = config_max_user_waiting(cfg, name);
		quota_init(&u->servers, config_max_user_connections(cfg, name));
		map_put(r->users, span_of(name), u);
	}
	pthread_mutex_unlock(&r->mu);
	return u;
}

struct host_table *
registry_hosts(struct registry *r)
{
	return r->hosts;
}

struct database *
registry_find(struct registry *r, const char *name)
{
	struct database *d;

	pthread_mutex_lock(&r->mu);
	d = map_get(r->databases, span_of(name));
	pthread_mutex_unlock(&r->mu);
	return d;
}

