/* Which pool a client gets, and what it is made from. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pooling/hub.h"
#include "proto/auth.h"
#include "registry_impl.h"
#include "pooling/tls_set.h"

/* How long the hosts of a list together may take to say a first word, and
 * each of them at least. */
#define PATIENCE_ALL_US (10 * USEC_PER_SEC)
#define PATIENCE_MIN_US (100 * USEC_PER_MSEC)

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

/* With several hosts each gets its part of the time after which clients are
 * told that the server is down. */
static void
set_hosts(struct registry *r, struct server_target *t,
    const struct config *cfg, const struct database_conf *conf)
{
	usec_t us = config_server_down_after_us(cfg, conf);
	size_t n;

	t->hosts = hosts_get(r->hosts, t->host, t->port, t->unix_socket_dir);
	t->in_turn = conf->load_balance_hosts == LOAD_BALANCE_ROUND_ROBIN;
	n = hosts_count(t->hosts);
	if (n < 2)
		return;
	if (us <= 0 || us > PATIENCE_ALL_US)
		us = PATIENCE_ALL_US;
	t->patience_us = us / (usec_t)(n + 1);
	if (t->patience_us < PATIENCE_MIN_US)
		t->patience_us = PATIENCE_MIN_US;
}

struct server_target *
registry_make_target(struct registry *r, const struct config *cfg,
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
	t->protocol = cfg->server_protocol;
	t->startup = xcalloc(9, sizeof(*t->startup));
	add_pair(t->startup, &n, "client_encoding", conf->client_encoding);
	add_pair(t->startup, &n, "datestyle", conf->datestyle);
	add_pair(t->startup, &n, "timezone", conf->timezone);
	add_pair(t->startup, &n, "application_name", conf->application_name);
	t->names = param_names_ref(cfg->param_names);
	t->unix_socket_dir = xstrdup(cfg->unix_socket_dir[0] ?
	    cfg->unix_socket_dir : "/tmp");
	t->connect_timeout_us = cfg->server_connect_timeout_us;
	set_hosts(r, t, cfg, conf);
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
	t->tls = tls_ctx_ref(tls_set_server(cfg));
	t->tls_required = cfg->server_tls_sslmode >= TLS_REQUIRE;
	t->tls_direct = cfg->server_tls_sslnegotiation ==
	    SSLNEGOTIATION_DIRECT;
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
			registry_free_settings(s);
			return have;
		}
	s->next = r->settings;
	r->settings = s;
	return s;
}

struct pool_settings *
registry_settings_locked(struct registry *r, const struct config *cfg,
    const struct database_conf *conf, const char *user)
{
	return share_settings(r, make_settings(cfg, conf, user));
}

/* With the NUL at the end: both parts can be read as they lie. */
static struct span
whole_name(const char *buf, int n)
{
	assert(n > 0 && n < POOL_NAME_MAX);
	return SPAN(buf, (size_t)n + 1);
}

struct span
registry_pool_name(const char *db, const char *user, char buf[POOL_NAME_MAX])
{
	return whole_name(buf,
	    snprintf(buf, POOL_NAME_MAX, "%s%c%s", db, 0, user));
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
	conf = registry_conf(r->cfg, k->db->name, &automatic);
	return conf && strcmp(conf->user, k->conf->user) == 0 ? conf : NULL;
}

/* A pool that is in nobody's hands yet. */
static struct pool *
make_pool_locked(struct registry *r, const struct pool_key *k,
    struct user *user, struct pool_settings *set, struct server_target *t)
{
	struct pool *p = pool_new(r->hub, k->db, user,
	    r->next_home++ % r->hub->n_workers);

	p->paused = atomic_load(&r->paused) || atomic_load(&k->db->paused);
	p->set = set;
	p->target = t;
	return p;
}

struct pool *
registry_pool(struct registry *r, const struct config *cfg,
    const struct pool_key *k)
{
	const char *user_name = k->conf->user[0] && !k->own_user ?
	    k->conf->user : k->login_user;
	struct user *user = registry_user(r, cfg, user_name);
	char buf[POOL_NAME_MAX];
	struct span name = registry_pool_name(k->db->name, user_name, buf);
	const struct database_conf *conf;
	struct slot *s = NULL;
	struct pool *p = NULL;

	pthread_mutex_lock(&r->mu);
	conf = current_conf(r, &cfg, k);
	if (conf) {
		s = map_get(r->slots, name);
		if (!s)
			s = registry_new_slot_locked(r, name, k->db);
		p = s->pool;
	}
	if (s && !p) {
		p = make_pool_locked(r, k, user,
		    registry_settings_locked(r, cfg, conf, user_name),
		    registry_make_target(r, cfg, conf, k->db->name, user_name,
			k->login_secret, k->keys));
		p->own_user = k->own_user;
		registry_wake_locked(r, s, p);
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
		database_unref(k.db);
	}
}

/* ---- walsenders ---- */

struct span
registry_walsender_name(const struct pool *p, char buf[POOL_NAME_MAX])
{
	return whole_name(buf, snprintf(buf, POOL_NAME_MAX, "%s%c%s%c%p",
	    p->db->name, 0, p->user_name, 0, (const void *)p));
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

/* Of the database's, but for what would get between it and its client. */
static struct pool_settings *
walsender_settings_locked(struct registry *r, const struct config *cfg,
    const struct database_conf *conf, const char *user,
    const struct pool_walsender *w)
{
	struct pool_settings *set = make_settings(cfg, conf, user);

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
	return share_settings(r, set);
}

struct pool *
registry_walsender_pool(struct registry *r, const struct config *cfg,
    const struct pool_key *k, const struct pool_walsender *w)
{
	const char *user_name = k->conf->user[0] ? k->conf->user :
						   k->login_user;
	struct user *user = registry_user(r, cfg, user_name);
	const struct database_conf *conf;
	struct server_target *t;
	struct pool *p = NULL;
	char buf[POOL_NAME_MAX];

	pthread_mutex_lock(&r->mu);
	conf = current_conf(r, &cfg, k);
	if (conf) {
		t = registry_make_target(r, cfg, conf, k->db->name, user_name,
		    k->login_secret, k->keys);
		p = make_pool_locked(r, k, user,
		    walsender_settings_locked(r, cfg, conf, user_name, w),
		    walsender_target(t, w));
		registry_wake_locked(r, registry_new_slot_locked(r,
		    registry_walsender_name(p, buf), k->db), p);
		pool_ref(p);
	}
	pthread_mutex_unlock(&r->mu);
	return p;
}

bool
registry_forget_pool(struct registry *r, struct pool *p)
{
	const struct pool_settings *set = p->set;
	char buf[POOL_NAME_MAX];
	struct span name = set->replication ? registry_walsender_name(p, buf) :
	    registry_pool_name(p->db->name, p->user_name, buf);
	struct slot *s;
	bool found;

	pthread_mutex_lock(&r->mu);
	s = map_get(r->slots, name);
	found = s && s->pool == p;
	if (found) {
		registry_keep_counts_locked(r, p);
		registry_drop_slot_locked(r, name, s);
		atomic_store(&p->named, false);
	}
	pthread_mutex_unlock(&r->mu);
	return found;
}

void
registry_drop_walsender(struct registry *r, struct pool *p)
{
	struct err e;

	if (!registry_forget_pool(r, p))
		return;
	err_set(&e, "57P01", "replication client was closed");
	pool_kill(p, &e);
	pool_unref(p);
}
