/*
 * show_misc: the small tables: VERSION, STATE, LISTS, MEM, CONFIG, peers and
 * DNS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/show_tables.h"
#include "io/dns.h"
#include "pooling/peers.h"
#include "pooling/registry.h"

/* ---- SHOW VERSION ---- */

static const struct rows_column version_columns[] = {
	{ "version", COL_TEXT, "" },
};

static void
run_version(struct order *q)
{
	rows_add(&q->rows, 0);
	rows_textf(&q->rows, "PgBouncer %s (%s %s)", CONSOLE_SPEAKS,
	    PACKAGE_NAME, PACKAGE_VERSION);
	order_finish(q);
}

const struct show show_version = {
	.name = "VERSION",
	.readers = true,
	.columns = version_columns,
	.n_columns = ARRAY_LEN(version_columns),
	.run = run_version,
	.help = "The version of PgBouncer whose console this one follows, "
		"since tools look for that text, and our own version.",
};

/* ---- SHOW STATE ---- */

static const struct rows_column state_columns[] = {
	{ "key", COL_TEXT, "active, paused, suspended or shutting_down; "
			   "while it shuts down also what it waits for "
			   "(waiting_for), how many clients_left and "
			   "servers_left there are, and the seconds until the "
			   "hard stop (stops_in), if drain_timeout is set." },
	{ "value", COL_TEXT, "yes or no, or what the key says." },
};

static void
put_state(struct rows *r, const char *key, bool value)
{
	rows_add(r, 0);
	rows_text(r, key);
	rows_text(r, value ? "yes" : "no");
}

/* Of a shutdown. */
static void
put_progress(struct rows *r, const struct plane *pl)
{
	usec_t left = pl->drain_over_us - clock_mono_us();

	rows_add(r, 0);
	rows_text(r, "waiting_for");
	rows_text(r, pl->shutdown == SHUTDOWN_SERVERS ? "servers" :
							"clients");
	rows_add(r, 0);
	rows_text(r, "clients_left");
	rows_textf(r, "%d", (int)pl->hub->clients);
	rows_add(r, 0);
	rows_text(r, "servers_left");
	rows_textf(r, "%d", registry_servers(pl->hub->registry, NULL));
	if (!pl->drain_over_us)
		return;
	rows_add(r, 0);
	rows_text(r, "stops_in");
	rows_textf(r, "%lld", (long long)((left > 0 ? left : 0) /
	    USEC_PER_SEC));
}

static void
run_state(struct order *q)
{
	bool paused = registry_is_paused(q->plane->hub->registry);
	bool suspended = q->plane->suspend.on;

	put_state(&q->rows, "active", !paused && !suspended);
	put_state(&q->rows, "paused", paused);
	put_state(&q->rows, "suspended", suspended);
	put_state(&q->rows, "shutting_down",
	    q->plane->shutdown != SHUTDOWN_NO);
	if (q->plane->shutdown != SHUTDOWN_NO)
		put_progress(&q->rows, q->plane);
	order_finish(q);
}

const struct show show_state = {
	.name = "STATE",
	.readers = true,
	.columns = state_columns,
	.n_columns = ARRAY_LEN(state_columns),
	.run = run_state,
	.help = "Whether the whole pooler is paused. A single database that "
		"is paused does not show here; see SHOW DATABASES.",
};

/* ---- SHOW LISTS ---- */

static const struct rows_column list_columns[] = {
	{ "list", COL_TEXT, "" },
	{ "items", COL_INT4, "" },
};

static void
count_pool(void *arg, struct pool *p)
{
	(void)p;
	++*(int64_t *)arg;
}

static void
count_automatic(void *arg, struct database *d)
{
	*(int64_t *)arg += d->automatic;
}

static void
put_count(struct rows *r, const char *name, int64_t n)
{
	rows_add(r, 0);
	rows_text(r, name);
	rows_int(r, n);
}

/* Users of auth_file that have a [users] line too count once. */
static int64_t
count_users(const struct config *cfg)
{
	int64_t n = (int64_t)cfg->n_users + 1;
	size_t i;

	for (i = 0; i < cfg->n_secrets; i++)
		n += config_user(cfg, config_secret_user(cfg, i)) == NULL;
	return n;
}

static int64_t
count_clients(const struct hub *hub)
{
	int64_t n = hub->consoles;
	int i;

	for (i = 0; i < hub->n_workers; i++)
		n += worker_load(hub->workers[i]);
	return n;
}

static void
run_lists(struct order *q)
{
	struct hub *hub = q->plane->hub;
	struct rows *r = &q->rows;
	int64_t databases = (int64_t)hub->cfg->n_databases + 1;

	registry_each_database(hub->registry, count_automatic, &databases);
	put_count(r, "databases", databases);
	put_count(r, "users", count_users(hub->cfg));
	put_count(r, "peers", (int64_t)hub->cfg->n_peers);
	put_count(r, "pools",
	    (int64_t)registry_count_pools(hub->registry) + 1);
	put_count(r, "peer_pools", 0);
	put_count(r, "free_clients", 0);
	put_count(r, "used_clients", count_clients(hub));
	put_count(r, "login_clients", hub->logins);
	put_count(r, "free_servers", 0);
	put_count(r, "used_servers", registry_servers(hub->registry, NULL));
	put_count(r, "dns_names", (int64_t)dns_count_names(hub->dns));
	put_count(r, "dns_zones", (int64_t)dns_count_zones(hub->dns));
	put_count(r, "dns_queries", (int64_t)dns_count_pending(hub->dns));
	put_count(r, "dns_pending", 0);
	/* Ours: connections that were closed without a byte. */
	put_count(r, "probes", (int64_t)atomic_load(&hub->probes));
	order_finish(q);
}

const struct show show_lists = {
	.name = "LISTS",
	.readers = true,
	.columns = list_columns,
	.n_columns = ARRAY_LEN(list_columns),
	.run = run_lists,
	.help = "How many there are of everything.",
};

/* ---- SHOW CONFIG ---- */

static const struct rows_column config_columns[] = {
	{ "key", COL_TEXT, "" },
	{ "value", COL_TEXT, "" },
	{ "default", COL_TEXT, "NULL if there is none." },
	{ "changeable", COL_TEXT, "yes: SET and RELOAD change it." },
};

static void
run_config(struct order *q)
{
	const struct config *cfg = q->plane->hub->cfg;
	struct rows *r = &q->rows;
	struct buf text = { 0 };
	size_t i, n;
	const struct option *o = config_options(SCOPE_GLOBAL, &n);

	for (i = 0; i < n; i++) {
		if (o[i].flags & (OPT_ALIAS | OPT_SECRET))
			continue;
		buf_reset(&text);
		if (!config_value(cfg, i, &text))
			break;
		buf_append(&text, "", 1);
		rows_add(r, 0);
		rows_text(r, o[i].name);
		rows_text(r, (const char *)buf_head(&text));
		rows_text(r, o[i].def);
		rows_text(r, o[i].flags & OPT_RELOAD ? "yes" : "no");
	}
	buf_free(&text);
	rows_sort_text(r);
	order_finish(q);
}

const struct show show_config = {
	.name = "CONFIG",
	.readers = true,
	.columns = config_columns,
	.n_columns = ARRAY_LEN(config_columns),
	.run = run_config,
	.help = "The settings in use; pooler.ini(5) explains them.",
};

/* ---- SHOW MEM ---- */

static const struct rows_column mem_columns[] = {
	{ "name", COL_TEXT, "Kind of object." },
	{ "size", COL_INT4, "Bytes of one, as far as they are of fixed size." },
	{ "used", COL_INT4, "How many there are." },
	{ "free", COL_INT4, "How many are kept for later." },
	{ "memtotal", COL_INT4, "Bytes of all of them." },
};

/* Buffers that no connection uses at the moment. */
static void
visit_mem(struct worker *w, struct rows *r)
{
	size_t bytes = keep_pool_bytes(loop_keeps(worker_loop(w)));

	rows_add(r, 0);
	rows_null(r);
	rows_uint(r, bytes);
}

static void
put_cache(struct rows *r, const char *name, size_t size, int64_t used)
{
	rows_add(r, 0);
	rows_text(r, name);
	rows_uint(r, size);
	rows_int(r, used);
	rows_int(r, 0);
	rows_int(r, (int64_t)size * used);
}

static void
put_buffers(struct rows *r, const struct rows *by_worker)
{
	int64_t bytes = 0;
	size_t i;

	for (i = 0; i < by_worker->n; i++)
		bytes += strtoll(rows_cell(by_worker, i, 1), NULL, 10);
	rows_add(r, 0);
	rows_text(r, "iobuf_cache");
	rows_int(r, 1);
	rows_int(r, 0);
	rows_int(r, bytes);
	rows_int(r, bytes);
}

static void
count_user(void *arg, struct user *u)
{
	(void)u;
	++*(int64_t *)arg;
}

static void
count_database(void *arg, struct database *d)
{
	(void)d;
	++*(int64_t *)arg;
}

static void
put_mem(struct order *q)
{
	struct hub *hub = q->plane->hub;
	struct rows buffers = q->rows;
	struct rows *r = &q->rows;
	int64_t pools = 0, users = 0, databases = 0;

	registry_each_pool(hub->registry, count_pool, &pools);
	registry_each_user(hub->registry, count_user, &users);
	registry_each_database(hub->registry, count_database, &databases);
	rows_init(r, mem_columns, ARRAY_LEN(mem_columns));
	put_cache(r, "user_cache", sizeof(struct user), users);
	put_cache(r, "credentials_cache", 0, (int64_t)hub->cfg->n_secrets);
	put_cache(r, "db_cache", sizeof(struct database), databases);
	put_cache(r, "peer_cache", sizeof(struct peer_conf),
	    (int64_t)hub->cfg->n_peers);
	put_cache(r, "peer_pool_cache", 0, 0);
	put_cache(r, "pool_cache", sizeof(struct pool), pools);
	put_cache(r, "outstanding_request_cache", 0, 0);
	put_cache(r, "server_cache", sizeof(struct server),
	    registry_servers(hub->registry, NULL));
	put_cache(r, "client_cache", worker_client_size(), count_clients(hub));
	put_buffers(r, &buffers);
	put_cache(r, "var_list_cache", 0, 0);
	put_cache(r, "server_prepared_statement_cache", 0, 0);
	rows_fini(&buffers);
	order_finish(q);
}

static void
run_mem(struct order *q)
{
	show_gather(q, visit_mem, put_mem);
}

const struct show show_mem = {
	.name = "MEM",
	.readers = true,
	.columns = mem_columns,
	.n_columns = ARRAY_LEN(mem_columns),
	.run = run_mem,
	.help = "Memory by kind of object. Objects are not cached; "
		"buffers are, and iobuf_cache counts their bytes.",
};

/* ---- peers ---- */

static const struct rows_column peer_columns[] = {
	{ "peer_id", COL_INT4, "" },
	{ "host", COL_TEXT, "" },
	{ "port", COL_INT4, "" },
	{ "pool_size", COL_INT4, "" },
};

static void
run_peers(struct order *q)
{
	const struct config *cfg = q->plane->hub->cfg;
	struct rows *r = &q->rows;
	size_t i;

	for (i = 0; i < cfg->n_peers; i++) {
		const struct peer_conf *p = cfg->peers[i];

		rows_add(r, 0);
		rows_int(r, p->id);
		rows_text(r, p->host);
		rows_int(r, p->port);
		rows_int(r,
		    p->pool_size >= 0 ? p->pool_size : cfg->default_pool_size);
	}
	order_finish(q);
}

const struct show show_peers = {
	.name = "PEERS",
	.readers = true,
	.columns = peer_columns,
	.n_columns = ARRAY_LEN(peer_columns),
	.run = run_peers,
	.help = "The lines of [peers]. Cancel requests for their ids are "
		"passed on to them.",
};

static const struct rows_column peer_pool_columns[] = {
	{ "peer_id", COL_INT4, "" },
	{ "cl_active_cancel_req", COL_INT4, "" },
	{ "cl_waiting_cancel_req", COL_INT4, "" },
	{ "sv_active_cancel", COL_INT4, "" },
	{ "sv_login", COL_INT4, "" },
};

static void
put_peer_pool(void *arg, int id, int active, int waiting)
{
	struct rows *r = arg;

	rows_add(r, 0);
	rows_int(r, id);
	rows_int(r, active);
	rows_int(r, waiting);
	rows_int(r, active);
	rows_int(r, 0);
}

static void
run_peer_pools(struct order *q)
{
	peers_each(q->plane->hub->peers, put_peer_pool, &q->rows);
	order_finish(q);
}

const struct show show_peer_pools = {
	.name = "PEER_POOLS",
	.readers = true,
	.columns = peer_pool_columns,
	.n_columns = ARRAY_LEN(peer_pool_columns),
	.run = run_peer_pools,
	.help = "Cancel requests on their way to peers, and those that wait "
		"for a place among pool_size; only peers that were used.",
};
