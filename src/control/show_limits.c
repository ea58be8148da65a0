/*
 * show_limits: SHOW LIMITS: every limit on connections, where it comes from,
 * and how much of it is used.
 */
#include <string.h>

#include "control/show_tables.h"
#include "pooling/registry.h"

static const struct rows_column limit_columns[] = {
	{ "limit", COL_TEXT, "The setting." },
	{ "scope", COL_TEXT, "process, database, user or pool." },
	{ "database", COL_TEXT, "NULL unless it is about one." },
	{ "user", COL_TEXT, "NULL unless it is about one." },
	{ "value", COL_INT4, "NULL: no limit." },
	{ "used", COL_INT4, "" },
	{ "free", COL_INT4, "NULL: no limit." },
	{ "source", COL_TEXT,
	    "Where the value stands; what is more special wins: the user, "
	    "then the database, then the section [pgbouncer]." },
};

struct limit {
	const char *name;
	const char *scope;
	const char *database;
	const char *user;
	int value; /* 0 = none */
	int used;
	const char *source;
};

static void
put_limit(struct rows *r, const struct limit *l)
{
	rows_add(r, 0);
	rows_text(r, l->name);
	rows_text(r, l->scope);
	rows_text(r, l->database);
	rows_text(r, l->user);
	if (l->value > 0)
		rows_int(r, l->value);
	else
		rows_null(r);
	rows_int(r, l->used);
	if (l->value > 0)
		rows_int(r, l->used < l->value ? l->value - l->used : 0);
	else
		rows_null(r);
	rows_text(r, l->source);
}

static void
put_process(struct rows *r, const struct hub *hub)
{
	const struct config *cfg = hub->cfg;
	struct limit l = { .scope = "process", .source = "[pgbouncer]" };

	l.name = "max_client_conn";
	l.value = cfg->max_client_conn;
	l.used = hub->clients;
	put_limit(r, &l);
	l.name = "max_login_conn";
	l.value = cfg->max_login_conn;
	l.used = hub->logins;
	put_limit(r, &l);
	l.name = "max_waiting_clients";
	l.value = cfg->max_waiting_clients;
	l.used = hub->waiting.n;
	put_limit(r, &l);
}

static const char *
from_database(bool own)
{
	return own ? "[databases]" : "[pgbouncer]";
}

static const char *
from_user(bool own)
{
	return own ? "[users]" : "[pgbouncer]";
}

static const struct database_conf *
conf_of(const struct config *cfg, const char *name)
{
	const struct database_conf *d = config_database(cfg, name);

	return d != NULL ? d : cfg->autodb;
}

static void
add_database(void *arg, struct database *d)
{
	struct order *q = arg;
	const struct config *cfg = q->plane->hub->cfg;
	const struct database_conf *conf = conf_of(cfg, d->name);
	struct limit l = { .scope = "database", .database = d->name };

	if (conf == NULL)
		return;
	l.name = "max_db_connections";
	l.value = config_max_db_connections(cfg, conf);
	l.used = quota_used(&d->servers);
	l.source = conf->max_db_connections > 0 ||
		cfg->max_db_connections > 0 || !conf->size_auto ?
	    from_database(conf->max_db_connections > 0) :
	    conf->size_reason;
	put_limit(&q->rows, &l);
	l.name = "max_db_client_connections";
	l.value = config_max_db_client_connections(cfg, conf);
	l.used = d->clients;
	l.source = from_database(conf->max_db_client_connections > 0);
	put_limit(&q->rows, &l);
	l.name = "max_waiting_clients";
	l.value = d->waiting.max;
	l.used = d->waiting.n;
	l.source = "[databases]";
	put_limit(&q->rows, &l);
}

static void
add_user(void *arg, struct user *u)
{
	struct order *q = arg;
	const struct config *cfg = q->plane->hub->cfg;
	const struct user_conf *conf = config_user(cfg, u->name);
	struct limit l = { .scope = "user", .user = u->name };

	l.name = "max_user_connections";
	l.value = config_max_user_connections(cfg, u->name);
	l.used = quota_used(&u->servers);
	l.source = from_user(conf != NULL && conf->max_user_connections > 0);
	put_limit(&q->rows, &l);
	l.name = "max_user_client_connections";
	l.value = config_max_user_client_connections(cfg, u->name);
	l.used = u->clients;
	l.source =
	    from_user(conf != NULL && conf->max_user_client_connections > 0);
	put_limit(&q->rows, &l);
	l.name = "max_waiting_clients";
	l.value = u->waiting.max;
	l.used = u->waiting.n;
	l.source = "[users]";
	put_limit(&q->rows, &l);
}

static const char *
reserve_source(const struct user_conf *u, const struct database_conf *d)
{
	if (u != NULL && u->reserve_pool_size != OPTION_UNSET)
		return "[users]";
	return from_database(d->reserve_pool_size != OPTION_UNSET);
}

static void
add_pool(void *arg, struct pool *p)
{
	struct order *q = arg;
	struct hub *hub = q->plane->hub;
	const struct pool_settings *set = p->set;
	const struct database_conf *d = conf_of(hub->cfg, p->db->name);
	const struct user_conf *u = config_user(hub->cfg, p->user_name);
	struct limit l = { .scope = "pool", .database = p->db->name,
		.user = p->user_name };
	struct pool_counts c;

	if (d == NULL || set->replication != NULL)
		return;
	pool_read(p, loop_now(hub->main_loop), &c, NULL);
	l.name = "pool_size";
	l.value = set->size;
	l.used = set->size > 0 && c.total > set->size ? set->size : c.total;
	l.source = u != NULL && u->pool_size != OPTION_UNSET ? "[users]" :
							       d->size_reason;
	put_limit(&q->rows, &l);
	if (set->reserve <= 0)
		return;
	l.name = "reserve_pool_size";
	l.value = set->reserve;
	l.used = c.total - l.used;
	l.source = reserve_source(u, d);
	put_limit(&q->rows, &l);
}

static void
run_limits(struct order *q)
{
	struct hub *hub = q->plane->hub;

	put_process(&q->rows, hub);
	registry_each_database(hub->registry, add_database, q);
	registry_each_user(hub->registry, add_user, q);
	registry_each_pool(hub->registry, add_pool, q);
	order_finish(q);
}

const struct show show_limits = {
	.name = "LIMITS",
	.readers = true,
	.columns = limit_columns,
	.n_columns = ARRAY_LEN(limit_columns),
	.run = run_limits,
	.help = "The limits on connections, of everything that has been used.",
};
