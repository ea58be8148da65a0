/* Databases, users and pools by name. */
#include "pooling/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "pooling/hub.h"
#include "pooling/keycache.h"
#include "proto/auth.h"

struct registry {
	pthread_mutex_t mu;
	struct hub *hub;
	struct map *databases;
	struct map *users;
	struct map *pools; /* by "database\0user" */
	struct pool_settings *settings; /* all there ever were */
	struct config *cfg; /* the newest; NULL before the first */
	_Atomic bool paused; /* PAUSE without a name */
	int next_home;
};

struct registry *
registry_new(struct hub *hub)
{
	struct registry *r = xcalloc(1, sizeof(*r));

	pthread_mutex_init(&r->mu, NULL);
	r->hub = hub;
	r->databases = map_new();
	r->users = map_new();
	r->pools = map_new();
	return r;
}

static bool
free_pool(void *arg, struct span key, void *value)
{
	(void)arg;
	(void)key;
	pool_unref(value);
	return true;
}

static bool
free_database(void *arg, struct span key, void *value)
{
	struct database *d = value;

	(void)arg;
	(void)key;
	quota_fini(&d->servers);
	free(d->name);
	free(d);
	return true;
}

static bool
free_user(void *arg, struct span key, void *value)
{
	struct user *u = value;

	(void)arg;
	(void)key;
	quota_fini(&u->servers);
	if (u->verifier)
		wipe(u->verifier, sizeof(*u->verifier));
	free(u->verifier);
	wipe_free(u->verifier_of);
	free(u->name);
	free(u);
	return true;
}

static void
free_settings(struct pool_settings *s)
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
	map_each(r->pools, free_pool, NULL);
	map_each(r->databases, free_database, NULL);
	map_each(r->users, free_user, NULL);
	config_unref(r->cfg);
	while (r->settings) {
		struct pool_settings *set = r->settings;

		r->settings = set->next;
		free_settings(set);
	}
	map_free(r->pools);
	map_free(r->databases);
	map_free(r->users);
	pthread_mutex_destroy(&r->mu);
	free(r);
}

/* ---- databases and users ---- */

static const struct database_conf *
conf_of(const struct config *cfg, const char *name, bool *automatic)
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

struct database *
registry_database(struct registry *r, const struct config *cfg,
    const char *name)
{
	bool automatic, made = false;
	const struct database_conf *conf = conf_of(cfg, name, &automatic);
	struct database *d;

	if (!conf)
		return NULL;
	pthread_mutex_lock(&r->mu);
	d = map_get(r->databases, span_of(name));
	if (!d) {
		d = xcalloc(1, sizeof(*d));
		d->name = xstrdup(name);
		d->automatic = automatic;
		d->max_clients = config_max_db_client_connections(cfg, conf);
		quota_init(&d->servers, config_max_db_connections(cfg, conf));
		TAILQ_INIT(&d->pools);
		map_put(r->databases, span_of(name), d);
		made = automatic;
	}
	pthread_mutex_unlock(&r->mu);
	if (made)
		log_info("registered new auto-database: db=%s", name);
	return d;
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
		quota_init(&u->servers, config_max_user_connections(cfg, name));
		map_put(r->users, span_of(name), u);
	}
	pthread_mutex_unlock(&r->mu);
	return u;
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

bool
registry_verifier(struct registry *r, const char *user, const char *secret,
    struct scram_verifier *out)
{
	struct user *u;
	bool ok;

	pthread_mutex_lock(&r->mu);
	u = map_get(r->users, span_of(user));
	ok = u && u->verifier && strcmp(u->verifier_of, secret) == 0;
	if (ok)
		*out = *u->verifier;
	pthread_mutex_unlock(&r->mu);
	return ok;
}

void
registry_keep_verifier(struct registry *r, const char *user,
    const char *secret, const struct scram_verifier *v)
{
	struct user *u;

	pthread_mutex_lock(&r->mu);
	u = map_get(r->users, span_of(user));
	if (u) {
		if (!u->verifier)
			u->verifier = xmalloc(sizeof(*v));
		*u->verifier = *v;
		wipe_free(u->verifier_of);
		u->verifier_of = xstrdup(secret);
	}
	pthread_mutex_unlock(&r->mu);
}

/* ---- pools ---- */

static char *
dup_or_null(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static void
add_pair(char **list, size_t *n, const char *name, const char *value)
{
	if (!value || !value[0])
		return;
	list[(*n)++] = xstrdup(name);
	list[(*n)++] = xstrdup(value);
}

/* Where the secret stands, for those who have to look for a mistake in it. */
static void
tell_place(struct server_target *t, const struct config *cfg,
    const struct database_conf *conf, bool is_conf)
{
	t->secret_line = is_conf ? conf->line :
	    config_secret_line(cfg, t->user);
	if (t->secret_line > 0)
		t->secret_file = xstrdup(is_conf ? conf->file :
		    cfg->auth_file);
}

static struct server_target *
make_target(struct registry *r, const struct config *cfg,
    const struct database_conf *conf, const char *name, const char *user,
    const char *login_secret, const struct scram_keys *keys)
{
	struct server_target *t = target_new();
	const char *secret;
	size_t n = 0;

	t->database = xstrdup(name);
	t->host = xstrdup(conf->host);
	t->port = conf->port;
	t->dbname = xstrdup(conf->dbname[0] ? conf->dbname : name);
	t->user = xstrdup(user);
	/* A forced user's own password, else what auth_file has for the pool
	 * user. Keys that a client has proven serve for that client's own
	 * name alone. */
	secret = strcmp(conf->user, user) == 0 && conf->password ?
	    conf->password : config_secret(cfg, user, NULL);
	if (secret)
		tell_place(t, cfg, conf, secret == conf->password);
	if (!secret && !conf->user[0]) {
		secret = login_secret;
		t->learnt = true;
	}
	t->secret = dup_or_null(secret);
	/* A password fits whatever salt the server has. */
	if (keys && !conf->user[0] && secret_kind(secret) != SECRET_PLAIN) {
		t->keys = *keys;
		t->has_keys = true;
	}
	if (config_password_command(cfg, conf, user)[0] != '\0')
		t->password_command = xstrdup(config_password_command(cfg,
		    conf, user));
	t->password_lifetime_us = cfg->password_command_lifetime_us;
	t->password_timeout_us = cfg->password_command_timeout_us;
	t->passwords = r->hub->passwords;
	t->connect_query = xstrdup(conf->connect_query);
	t->startup = xcalloc(9, sizeof(*t->startup));
	add_pair(t->startup, &n, "client_encoding", conf->client_encoding);
	add_pair(t->startup, &n, "datestyle", conf->datestyle);
	add_pair(t->startup, &n, "timezone", conf->timezone);
	add_pair(t->startup, &n, "application_name", conf->application_name);
	t->names = param_names_ref(cfg->param_names);
	t->unix_socket_dir = xstrdup(cfg->unix_socket_dir[0] ?
	    cfg->unix_socket_dir : "/tmp");
	t->connect_timeout_us = cfg->server_connect_timeout_us;
	t->log_connections = cfg->log_connections;
	t->log_disconnections = cfg->log_disconnections;
	t->dns = r->hub->dns;
	t->keycache = r->hub->keycache;
	t->tcp = (struct tcp_tuning){
		.keepalive = cfg->tcp_keepalive,
		.keepcnt = cfg->tcp_keepcnt,
		.keepidle_s = cfg->tcp_keepidle,
		.keepintvl_s = cfg->tcp_keepintvl,
		.user_timeout_ms = cfg->tcp_user_timeout,
		.socket_buffer = cfg->tcp_socket_buffer,
	};
	t->max_cancels = cfg->max_cancel_conn > 0 ? cfg->max_cancel_conn : 1;
	t->cancel_wait_us = cfg->cancel_wait_timeout_us;
	target_pack(t);
	return t;
}

static struct pool_settings *
make_settings(const struct config *cfg, const struct database_conf *conf,
    const char *user)
{
	struct pool_settings *s = xcalloc(1, sizeof(*s));

	s->mode = config_pool_mode(cfg, conf, user);
	s->size = config_pool_size(cfg, conf, user);
	s->min_size = config_min_pool_size(cfg, conf);
	if (s->size > 0 && s->min_size > s->size)
		s->min_size = s->size;
	s->min_always = conf->user[0] != '\0';
	s->reserve = config_reserve_pool_size(cfg, conf, user);
	s->reserve_after_us = cfg->reserve_pool_timeout_us;
	if (!s->reserve_after_us)
		s->reserve = 0;
	s->round_robin = cfg->server_round_robin;
	s->login_parallel = cfg->server_login_parallel > 0 ?
	    cfg->server_login_parallel : 1;
	s->handover_slack_us = cfg->handover_slack_us;
	s->lifetime_us = config_server_lifetime_us(cfg, conf);
	s->idle_timeout_us = cfg->server_idle_timeout_us;
	s->login_retry_us = cfg->server_login_retry_us;
	s->down_after_us = config_server_down_after_us(cfg, conf);
	s->check_delay_us = cfg->server_check_delay_us;
	if (cfg->server_check_query[0])
		s->check_query = xstrdup(
		    strcmp(cfg->server_check_query, "<empty>") == 0 ? "" :
		    cfg->server_check_query);
	s->reset_query = xstrdup(cfg->server_reset_query);
	s->reset_always = cfg->server_reset_query_always;
	s->max_prepared = cfg->max_prepared_statements;
	s->max_inspected = (uint32_t)cfg->max_inspected_statement;
	s->session_state = config_session_state(cfg, conf, user);
	s->unknown_dirty = cfg->unknown_functions == FUNCTIONS_DIRTY;
	s->stateful_functions = xstrdup(config_stateful_functions(cfg, conf));
	s->pin_timeout_us = cfg->pin_timeout_us;
	s->query_timeout_us = config_query_timeout_us(cfg, user);
	s->idle_transaction_timeout_us =
	    config_idle_transaction_timeout_us(cfg, user);
	s->transaction_timeout_us = config_transaction_timeout_us(cfg, user);
	s->write_timeout_us = cfg->client_write_timeout_us;
	s->gone_cancel = cfg->client_gone == CLIENT_GONE_CANCEL;
	s->gone_grace_us = cfg->client_gone_grace_us;
	return s;
}

/* Apart from the texts and the link. */
static bool
same_numbers(const struct pool_settings *a, const struct pool_settings *b)
{
	struct pool_settings x = *a, y = *b;

	x.next = y.next = NULL;
	x.check_query = y.check_query = NULL;
	x.reset_query = y.reset_query = NULL;
	x.stateful_functions = y.stateful_functions = NULL;
	return memcmp(&x, &y, sizeof(x)) == 0;
}

static bool
same_settings(const struct pool_settings *a, const struct pool_settings *b)
{
	const char *ca = a->check_query, *cb = b->check_query;

	return same_numbers(a, b) && (ca == cb ||
	    (ca && cb && strcmp(ca, cb) == 0)) &&
	    strcmp(a->reset_query, b->reset_query) == 0 &&
	    strcmp(a->stateful_functions, b->stateful_functions) == 0;
}

/* How many of the latest are looked through for one that is alike. */
#define SETTINGS_LOOK 64

/* The registry's mutex is held. */
static struct pool_settings *
share_settings(struct registry *r, struct pool_settings *s)
{
	struct pool_settings *have = r->settings;
	int i;

	for (i = 0; have && i < SETTINGS_LOOK; i++, have = have->next)
		if (same_settings(have, s)) {
			free_settings(s);
			return have;
		}
	s->next = r->settings;
	r->settings = s;
	return s;
}

static struct span
pool_name(const char *db, const char *user, char *buf, size_t cap)
{
	int n = snprintf(buf, cap, "%s%c%s", db, 0, user);

	return SPAN(buf, n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1);
}

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

/* A login may have begun before a RELOAD: what the newest snapshot says of its
 * database counts. NULL when it has it no more, or with another user. */
static const struct database_conf *
current_conf(const struct registry *r, const struct config **cfg,
    const struct pool_key *k)
{
	const struct database_conf *conf;
	bool automatic;

	if (!r->cfg)
		return k->conf;
	*cfg = r->cfg;
	conf = conf_of(r->cfg, k->db->name, &automatic);
	return conf && strcmp(conf->user, k->conf->user) == 0 ? conf : NULL;
}

struct pool *
registry_pool(struct registry *r, const struct config *cfg,
    const struct pool_key *k)
{
	const char *user_name = k->conf->user[0] && !k->own_user ?
	    k->conf->user : k->login_user;
	struct user *user = registry_user(r, cfg, user_name);
	char buf[512];
	struct span key = pool_name(k->db->name, user_name, buf, sizeof(buf));
	const struct database_conf *conf;
	struct pool *p;

	pthread_mutex_lock(&r->mu);
	conf = current_conf(r, &cfg, k);
	p = conf ? map_get(r->pools, key) : NULL;
	if (conf && !p) {
		p = pool_new(r->hub, k->db, user, user_name,
		    r->next_home++ % r->hub->n_workers);
		p->own_user = k->own_user;
		p->paused = atomic_load(&r->paused) ||
		    atomic_load(&k->db->paused);
		pool_configure(p, share_settings(r,
		    make_settings(cfg, conf, user_name)),
		    make_target(r, cfg, conf, k->db->name, user_name,
			k->login_secret, k->keys));
		map_put(r->pools, key, p);
		TAILQ_INSERT_TAIL(&k->db->pools, p, link);
	} else if (p && !conf->user[0]) {
		pool_set_login(p, config_secret(cfg, user_name, NULL) ? NULL :
		    k->login_secret, k->keys);
	}
	if (p)
		pool_ref(p);
	pthread_mutex_unlock(&r->mu);
	return p;
}

void
registry_prewarm(struct registry *r, const struct config *cfg)
{
	size_t i;

	for (i = 0; i < cfg->n_databases; i++) {
		const struct database_conf *conf = cfg->databases[i];
		struct pool_key k = { .conf = conf, .login_user = conf->user };
		struct pool *p;

		if (!conf->user[0] || config_min_pool_size(cfg, conf) <= 0)
			continue;
		k.db = registry_database(r, cfg, conf->name);
		p = registry_pool(r, cfg, &k);
		if (p)
			pool_pump(p);
		pool_unref(p);
	}
}

/* ---- walsenders ---- */

static struct span
walsender_name(const struct pool *p, char *buf, size_t cap)
{
	int n = snprintf(buf, cap, "%s%c%s%c%p", p->db->name, 0, p->user_name,
	    0, (const void *)p);

	return SPAN(buf, n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1);
}

/* The client's settings and options go where a walsender reads them. */
static struct server_target *
walsender_target(struct server_target *t, const struct pool_walsender *w)
{
	size_t n = 0, i, count = param_names_count(t->names);
	char **list = xcalloc(2 * count + 5, sizeof(*list));
	struct server_target *made;

	add_pair(list, &n, "replication", w->replication);
	add_pair(list, &n, "options", w->options);
	for (i = 0; i < count; i++)
		add_pair(list, &n, param_name(t->names, i),
		    param_get(w->params, i));
	made = target_with_startup(t, list);
	target_unref(t);
	return made;
}

struct pool *
registry_walsender_pool(struct registry *r, const struct config *cfg,
    const struct pool_key *k, const struct pool_walsender *w)
{
	const char *user_name = k->conf->user[0] ? k->conf->user :
						   k->login_user;
	struct user *user = registry_user(r, cfg, user_name);
	const struct database_conf *conf;
	struct pool_settings *set;
	struct server_target *t;
	struct pool *p;
	char buf[512];

	pthread_mutex_lock(&r->mu);
	conf = current_conf(r, &cfg, k);
	if (!conf) {
		pthread_mutex_unlock(&r->mu);
		return NULL;
	}
	set = make_settings(cfg, conf, user_name);
	t = walsender_target(make_target(r, cfg, conf, k->db->name, user_name,
	    k->login_secret, k->keys), w);
	free(set->check_query);
	set->check_query = NULL;
	set->reset_query[0] = '\0';
	set->mode = POOL_SESSION;
	set->replication = strcmp(w->replication, "database") == 0 ?
	    "logical" : "physical";
	set->size = 1;
	set->min_size = set->reserve = 0;
	set->lifetime_us = 0;
	set->idle_timeout_us = 0;
	p = pool_new(r->hub, k->db, user, user_name,
	    r->next_home++ % r->hub->n_workers);
	p->paused = atomic_load(&r->paused) || atomic_load(&k->db->paused);
	pool_configure(p, share_settings(r, set), t);
	map_put(r->pools, walsender_name(p, buf, sizeof(buf)), p);
	TAILQ_INSERT_TAIL(&k->db->pools, p, link);
	pool_ref(p);
	pthread_mutex_unlock(&r->mu);
	return p;
}

/* Takes a pool out of the names. Its reference is the caller's then. */
static bool
forget_pool(struct registry *r, struct pool *p)
{
	const struct pool_settings *set = p->set;
	char buf[512];
	bool found;

	pthread_mutex_lock(&r->mu);
	found = map_del(r->pools, set->replication ?
	    walsender_name(p, buf, sizeof(buf)) :
	    pool_name(p->db->name, p->user_name, buf, sizeof(buf))) != NULL;
	if (found) {
		TAILQ_REMOVE(&p->db->pools, p, link);
		pthread_mutex_lock(&p->mu);
		counters_add(&p->db->gone, &p->stats);
		pthread_mutex_unlock(&p->mu);
	}
	pthread_mutex_unlock(&r->mu);
	return found;
}

void
registry_drop_walsender(struct registry *r, struct pool *p)
{
	struct err e;

	if (!forget_pool(r, p))
		return;
	err_set(&e, "57P01", "replication client was closed");
	pool_kill(p, &e);
	pool_unref(p);
}

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
list_map(struct registry *r, const struct map *m, bool pools)
{
	struct list l = { 0 };
	size_t i;

	pthread_mutex_lock(&r->mu);
	l.v = xcalloc(map_count(m) + 1, sizeof(*l.v));
	map_each((struct map *)(uintptr_t)m, collect, &l);
	for (i = 0; pools && i < l.n; i++)
		pool_ref(l.v[i]);
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
	struct list l = list_map(r, r->pools, true);
	size_t i;

	qsort(l.v, l.n, sizeof(*l.v), by_pool);
	for (i = 0; i < l.n; i++) {
		fn(arg, l.v[i]);
		pool_unref(l.v[i]);
	}
	free(l.v);
}

void
registry_gone(struct registry *r, const struct database *d,
    struct counters *out)
{
	pthread_mutex_lock(&r->mu);
	*out = d->gone;
	pthread_mutex_unlock(&r->mu);
}

void
registry_each_database(struct registry *r,
    void (*fn)(void *arg, struct database *d), void *arg)
{
	struct list l = list_map(r, r->databases, false);
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
	struct list l = list_map(r, r->users, false);
	size_t i;

	qsort(l.v, l.n, sizeof(*l.v), by_user);
	for (i = 0; i < l.n; i++)
		fn(arg, l.v[i]);
	free(l.v);
}

/* ---- RELOAD ---- */

struct apply {
	struct registry *r;
	const struct config *cfg;
};

static void
apply_database(void *arg, struct database *d)
{
	struct apply *a = arg;
	bool automatic;
	const struct database_conf *conf = conf_of(a->cfg, d->name, &automatic);

	if (!conf)
		return;
	d->automatic = automatic;
	d->max_clients = config_max_db_client_connections(a->cfg, conf);
	quota_set_limit(&d->servers, config_max_db_connections(a->cfg, conf));
	pool_wake_claims(&d->servers);
}

static void
apply_user(void *arg, struct user *u)
{
	struct apply *a = arg;

	u->max_clients = config_max_user_client_connections(a->cfg, u->name);
	quota_set_limit(&u->servers,
	    config_max_user_connections(a->cfg, u->name));
	pool_wake_claims(&u->servers);
}

/* A pool whose database is gone, or has another forced user now, is over. */
static void
drop_pool(struct registry *r, struct pool *p)
{
	struct err e;

	if (!forget_pool(r, p))
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
	const struct database_conf *conf = conf_of(a->cfg, p->db->name,
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
	t = make_target(a->r, a->cfg, conf, p->db->name, p->user_name,
	    old->learnt ? old->secret : NULL,
	    old->has_keys && !conf->user[0] ? &old->keys : NULL);
	target_unref(old);
	pthread_mutex_lock(&a->r->mu);
	set = share_settings(a->r, make_settings(a->cfg, conf, p->user_name));
	pthread_mutex_unlock(&a->r->mu);
	pool_configure(p, set, t);
}

void
registry_apply(struct registry *r, const struct config *cfg)
{
	struct apply a = { r, cfg };

	take_snapshot(r, cfg);
	if (r->hub->keycache)
		keycache_sweep(r->hub->keycache, cfg);
	registry_each_database(r, apply_database, &a);
	registry_each_user(r, apply_user, &a);
	registry_each_pool(r, apply_pool, &a);
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
