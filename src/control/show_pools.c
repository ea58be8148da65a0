/*
 * show_pools: POOLS, DATABASES and USERS: what there is, how much of it is in
 * use, and which limit applies. The console's own database is in all of them.
 */
#include <stdlib.h>
#include <string.h>

#include "control/show_tables.h"
#include "pooling/registry.h"

/* ---- SHOW POOLS ---- */

static const struct rows_column pool_columns[] = {
	{ "database", COL_TEXT, "Database as clients call it." },
	{ "user", COL_TEXT, "User at the server: the forced one, if any." },
	{ "cl_active", COL_INT4,
	    "Clients that are linked to a server, or have nothing to do." },
	{ "cl_waiting", COL_INT4, "Clients that wait for a server." },
	{ "cl_active_cancel_req", COL_INT4,
	    "Cancel requests that have been sent on to a server." },
	{ "cl_waiting_cancel_req", COL_INT4,
	    "Cancel requests that have not been sent on yet." },
	{ "sv_active", COL_INT4, "Servers that are linked to a client." },
	{ "sv_active_cancel", COL_INT4,
	    "Connections that carry a cancel request. They do not count "
	    "against the size of the pool." },
	{ "sv_being_canceled", COL_INT4,
	    "Servers kept back until the cancel requests sent to them are "
	    "over." },
	{ "sv_idle", COL_INT4, "Servers that can be used at once." },
	{ "sv_used", COL_INT4,
	    "Servers idle so long that they are checked before use." },
	{ "sv_tested", COL_INT4, "Servers that run a reset or check query." },
	{ "sv_login", COL_INT4, "Servers that connect or log in." },
	{ "maxwait", COL_INT4,
	    "How long the first client in the queue has waited, in whole "
	    "seconds." },
	{ "maxwait_us", COL_INT4, "The rest of it, in microseconds." },
	{ "pool_mode", COL_TEXT, "session, transaction or statement." },
	{ "load_balance_hosts", COL_TEXT,
	    "How a host is chosen; NULL unless host is a list." },
	{ "sv_draining", COL_INT4,
	    "Servers whose client has gone in the middle of something." },
	{ "sv_migrating", COL_INT4, "Servers on their way to another worker." },
	{ "sv_closing", COL_INT4,
	    "Servers that are being closed; they still count against the "
	    "size of the pool." },
	{ "pool_size", COL_INT4,
	    "How many servers the pool may have; 0 is no limit." },
	{ "reuses", COL_INT8, "Idle servers that a client took at once." },
	{ "opens", COL_INT8, "Servers that were begun." },
	{ "steals", COL_INT8, "Idle servers fetched for another worker." },
	{ "handovers", COL_INT8,
	    "Servers that went from their client to one of another worker, "
	    "which had waited longer." },
	{ "evictions", COL_INT8,
	    "Idle servers closed for the sake of another pool." },
};

static const char *
balance_of(const struct config *cfg, const char *database)
{
	const struct database_conf *d = config_database(cfg, database);

	if (d == NULL)
		d = cfg->autodb;
	if (d == NULL || strchr(d->host, ',') == NULL)
		return NULL;
	if (d->load_balance_hosts == LOAD_BALANCE_DISABLE)
		return "disable";
	return "round-robin";
}

static void
put_pool(struct rows *r, const struct pool_counts *c, const char *mode,
    const char *balance)
{
	rows_int(r, c->clients - c->waiting);
	rows_int(r, c->waiting);
	rows_int(r, c->cancels);
	rows_int(r, c->cancels_waiting);
	rows_int(r, c->sv[SV_ACTIVE]);
	rows_int(r, c->cancels);
	rows_int(r, c->sv[SV_CANCELING]);
	rows_int(r, c->sv[SV_IDLE] - c->used);
	rows_int(r, c->used);
	rows_int(r, c->sv[SV_TESTED]);
	rows_int(r, c->sv[SV_CONNECTING] + c->sv[SV_LOGIN]);
	rows_seconds(r, c->maxwait_us);
	rows_text(r, mode);
	rows_text(r, balance);
	rows_int(r, c->sv[SV_DRAINING]);
	rows_int(r, c->sv[SV_MIGRATING]);
	rows_int(r, c->sv[SV_CLOSING]);
}

static void
put_counts(struct rows *r, const struct pool_counts *c)
{
	rows_uint(r, c->reuses);
	rows_uint(r, c->opens);
	rows_uint(r, c->steals);
	rows_uint(r, c->handovers);
	rows_uint(r, c->evictions);
}

static void
add_pool(void *arg, struct pool *p)
{
	struct order *q = arg;
	struct hub *hub = q->plane->hub;
	const struct pool_settings *set = p->set;
	struct pool_counts c = { 0 };
	struct counters ignored;

	/* One row for each database and user; SHOW SERVERS has these. */
	if (set->replication)
		return;
	pool_read(p, loop_now(hub->main_loop), &c, &ignored);
	rows_add(&q->rows, 0);
	rows_text(&q->rows, p->db->name);
	rows_text(&q->rows, p->user_name);
	put_pool(&q->rows, &c, pool_mode_name(set->mode),
	    balance_of(hub->cfg, p->db->name));
	rows_int(&q->rows, set->size);
	put_counts(&q->rows, &c);
}

/* One that nobody uses now. */
static void
add_asleep(void *arg, struct database *d, const char *user)
{
	static const struct pool_counts none;
	struct order *q = arg;
	const struct config *cfg = q->plane->hub->cfg;
	const struct database_conf *conf = config_database(cfg, d->name);

	if (conf == NULL)
		conf = cfg->autodb;
	if (conf == NULL)
		return;
	rows_add(&q->rows, 0);
	rows_text(&q->rows, d->name);
	rows_text(&q->rows, user);
	put_pool(&q->rows, &none,
	    pool_mode_name(config_pool_mode(cfg, conf, user)),
	    balance_of(cfg, d->name));
	rows_int(&q->rows, config_pool_size(cfg, conf, user));
}

static void
run_pools(struct order *q)
{
	struct hub *hub = q->plane->hub;
	struct pool_counts c = { .clients = hub->consoles };

	registry_each_pool(hub->registry, add_pool, q);
	registry_each_asleep(hub->registry, add_asleep, q);
	rows_add(&q->rows, 0);
	rows_text(&q->rows, CONSOLE_DATABASE);
	rows_text(&q->rows, CONSOLE_DATABASE);
	put_pool(&q->rows, &c, pool_mode_name(POOL_STATEMENT), NULL);
	rows_int(&q->rows, 0);
	put_counts(&q->rows, &c);
	rows_sort_text(&q->rows);
	order_finish(q);
}

const struct show show_pools = {
	.name = "POOLS",
	.readers = true,
	.columns = pool_columns,
	.n_columns = ARRAY_LEN(pool_columns),
	.run = run_pools,
	.help = "One row for each database and user that servers are kept "
		"for.",
};

/* ---- SHOW DATABASES ---- */

static const struct rows_column database_columns[] = {
	{ "name", COL_TEXT, "As clients call it." },
	{ "host", COL_TEXT, "Where its server is; NULL: the Unix socket." },
	{ "port", COL_INT4, "" },
	{ "database", COL_TEXT, "Its name on the server." },
	{ "force_user", COL_TEXT, "User at the server; NULL: as the client." },
	{ "pool_size", COL_INT4,
	    "Servers for each pool; 0 is no limit. See size_reason." },
	{ "min_pool_size", COL_INT4, "" },
	{ "reserve_pool_size", COL_INT4, "" },
	{ "server_lifetime", COL_INT4, "In seconds." },
	{ "pool_mode", COL_TEXT, "NULL unless set for this database." },
	{ "load_balance_hosts", COL_TEXT, "NULL unless host is a list." },
	{ "max_connections", COL_INT4,
	    "Servers for the whole database; 0 is no limit." },
	{ "current_connections", COL_INT4, "Servers now." },
	{ "max_client_connections", COL_INT4, "0 is no limit." },
	{ "current_client_connections", COL_INT4, "" },
	{ "paused", COL_INT4, "1 after PAUSE of this database, or of all." },
	{ "disabled", COL_INT4, "1 after DISABLE." },
	{ "size_reason", COL_TEXT, "How pool_size came about." },
};

static const char *
or_null(const char *s)
{
	return s[0] != '\0' ? s : NULL;
}

/* An override; NULL if there is none. */
static void
put_mode(struct rows *r, int mode)
{
	if (mode < 0)
		rows_null(r);
	else
		rows_text(r, pool_mode_name((enum pool_mode)mode));
}

static void
put_limits(struct rows *r, const struct config *cfg,
    const struct database_conf *d)
{
	rows_int(r, config_pool_size(cfg, d, d->user));
	rows_int(r, config_min_pool_size(cfg, d));
	rows_int(r, config_reserve_pool_size(cfg, d, d->user));
	rows_int(r, config_server_lifetime_us(cfg, d) / USEC_PER_SEC);
	put_mode(r, d->pool_mode);
	rows_text(r, balance_of(cfg, d->name));
	rows_int(r, config_max_db_connections(cfg, d));
}

/* conf may be the template. A database that nobody has used has no record. */
static void
add_database(struct order *q, const struct database_conf *d, const char *name)
{
	struct hub *hub = q->plane->hub;
	struct registry *reg = hub->registry;
	struct database *db = registry_find(reg, name);
	struct rows *r = &q->rows;

	rows_add(r, 0);
	rows_text(r, name);
	rows_text(r, or_null(d->host));
	rows_int(r, d->port);
	rows_text(r, d->dbname[0] != '\0' ? d->dbname : name);
	rows_text(r, or_null(d->user));
	put_limits(r, hub->cfg, d);
	rows_int(r, db != NULL ? quota_used(&db->servers) : 0);
	rows_int(r, config_max_db_client_connections(hub->cfg, d));
	rows_int(r, db != NULL ? db->clients : 0);
	rows_int(r, db != NULL ? db->paused : registry_is_paused(reg));
	rows_int(r, db != NULL && db->disabled);
	rows_text(r, d->size_reason);
}

static void
add_console_database(struct order *q)
{
	const struct config *cfg = q->plane->hub->cfg;
	struct rows *r = &q->rows;

	rows_add(r, 0);
	rows_text(r, CONSOLE_DATABASE);
	rows_null(r);
	rows_int(r, cfg->listen_port);
	rows_text(r, CONSOLE_DATABASE);
	rows_text(r, CONSOLE_DATABASE);
	rows_int(r, 2);
	rows_int(r, 0);
	rows_int(r, 0);
	rows_int(r, cfg->server_lifetime_us / USEC_PER_SEC);
	rows_text(r, pool_mode_name(POOL_STATEMENT));
	rows_null(r);
	rows_int(r, 0);
	rows_int(r, 0);
	rows_int(r, 0);
	rows_int(r, q->plane->hub->consoles);
	rows_int(r, 0);
	rows_int(r, 0);
	rows_text(r, "the admin console; it has no servers");
}

struct names {
	char **v;
	size_t n;
};

static void
names_add(struct names *l, const char *name)
{
	l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	l->v[l->n++] = xstrdup(name);
}

static void
names_fini(struct names *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
}

static void
note_automatic(void *arg, struct database *d)
{
	if (d->automatic)
		names_add(arg, d->name);
}

static void
run_databases(struct order *q)
{
	struct hub *hub = q->plane->hub;
	const struct config *cfg = hub->cfg;
	struct names automatic = { 0 };
	size_t i;

	registry_each_database(hub->registry, note_automatic, &automatic);
	for (i = 0; i < cfg->n_databases; i++)
		add_database(q, cfg->databases[i], cfg->databases[i]->name);
	for (i = 0; i < automatic.n && cfg->autodb != NULL; i++)
		add_database(q, cfg->autodb, automatic.v[i]);
	add_console_database(q);
	names_fini(&automatic);
	rows_sort_text(&q->rows);
	order_finish(q);
}

const struct show show_databases = {
	.name = "DATABASES",
	.readers = true,
	.columns = database_columns,
	.n_columns = ARRAY_LEN(database_columns),
	.run = run_databases,
	.help = "The databases that clients can name, with the values that "
		"apply to them.",
};

/* ---- SHOW USERS ---- */

static const struct rows_column user_columns[] = {
	{ "name", COL_TEXT, "" },
	{ "pool_size", COL_TEXT, "Empty unless set for this user." },
	{ "reserve_pool_size", COL_TEXT, "Empty unless set for this user." },
	{ "pool_mode", COL_TEXT, "NULL unless set for this user." },
	{ "max_user_connections", COL_INT4, "0 is no limit." },
	{ "current_connections", COL_INT4, "Servers now." },
	{ "max_user_client_connections", COL_INT4, "0 is no limit." },
	{ "current_client_connections", COL_INT4, "" },
	{ "old_secret_logins", COL_INT8,
	    "Logins by the old one of two valid secrets, since the start." },
};

struct user_count {
	char *name;
	int servers;
	int clients;
	uint64_t old_logins;
};

static void
put_override(struct rows *r, int v)
{
	if (v == OPTION_UNSET)
		rows_text(r, "");
	else
		rows_textf(r, "%9d", v);
}

static void
add_user_row(struct order *q, const struct user_count *c)
{
	const struct config *cfg = q->plane->hub->cfg;
	const struct user_conf *u = config_user(cfg, c->name);
	struct rows *r = &q->rows;

	rows_add(r, 0);
	rows_text(r, c->name);
	put_override(r, u != NULL ? u->pool_size : OPTION_UNSET);
	put_override(r, u != NULL ? u->reserve_pool_size : OPTION_UNSET);
	put_mode(r, u != NULL ? u->pool_mode : OPTION_UNSET);
	rows_int(r, config_max_user_connections(cfg, c->name));
	rows_int(r, c->servers);
	rows_int(r, config_max_user_client_connections(cfg, c->name));
	rows_int(r, c->clients);
	rows_int(r, (int64_t)c->old_logins);
}

struct user_counts {
	struct user_count *v;
	size_t n;
};

static void
note_user(void *arg, struct user *u)
{
	struct user_counts *l = arg;

	l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	l->v[l->n++] = (struct user_count){
		.name = xstrdup(u->name),
		.servers = quota_used(&u->servers),
		.clients = u->clients,
		.old_logins = u->old_logins,
	};
}

static void
note_name(struct user_counts *l, const char *name)
{
	l->v = xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	l->v[l->n++] = (struct user_count){ .name = xstrdup(name) };
}

static int
by_name(const void *a, const void *b)
{
	const struct user_count *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* A user may be known from several places: the counts add up. */
static void
run_users(struct order *q)
{
	struct hub *hub = q->plane->hub;
	const struct config *cfg = hub->cfg;
	struct user_counts l = { 0 };
	size_t i, to = 0;

	registry_each_user(hub->registry, note_user, &l);
	for (i = 0; i < cfg->n_users; i++)
		note_name(&l, cfg->users[i]->name);
	for (i = 0; i < cfg->n_secrets; i++)
		note_name(&l, config_secret_user(cfg, i));
	note_name(&l, CONSOLE_DATABASE);
	qsort(l.v, l.n, sizeof(*l.v), by_name);
	for (i = 0; i < l.n; i++) {
		if (i > 0 && strcmp(l.v[to].name, l.v[i].name) == 0) {
			l.v[to].servers += l.v[i].servers;
			l.v[to].clients += l.v[i].clients;
			l.v[to].old_logins += l.v[i].old_logins;
			continue;
		}
		if (i > 0)
			add_user_row(q, &l.v[to]);
		to = i;
	}
	add_user_row(q, &l.v[to]);
	for (i = 0; i < l.n; i++)
		free(l.v[i].name);
	free(l.v);
	order_finish(q);
}

const struct show show_users = {
	.name = "USERS",
	.readers = true,
	.columns = user_columns,
	.n_columns = ARRAY_LEN(user_columns),
	.run = run_users,
	.help = "The users that are known, with the values that apply to "
		"them.",
};
