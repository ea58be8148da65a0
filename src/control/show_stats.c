/*
 * show_stats: the counters, by database: STATS and its two halves, and TOTALS
 * over everything.
 */
#include <stdlib.h>
#include <string.h>

#include "control/period.h"
#include "control/show_tables.h"
#include "pooling/registry.h"

#define HELP_ASSIGNMENTS "Times a client was linked to a server"
#define HELP_XACTS "Transactions"
#define HELP_QUERIES "Queries; a pipelined run counts once"
#define HELP_RECEIVED "Bytes that clients sent to servers"
#define HELP_SENT "Bytes that servers sent to clients"
#define HELP_XACT_TIME "Microseconds in transactions"
#define HELP_QUERY_TIME "Microseconds in queries"
#define HELP_WAIT_TIME "Microseconds clients spent waiting for a server"
#define HELP_CLIENT_PARSES "Named statements prepared by clients"
#define HELP_SERVER_PARSES "Statements prepared on servers for tracking"
#define HELP_BINDS "Uses of tracked statements"
#define HELP_LOGINS "Client logins"
#define PER_SECOND ", per second."
#define EACH_XACT ", for each transaction."
#define EACH_QUERY ", for each query."
#define EACH_WAIT ", for each time one was assigned."

static const struct rows_column stats_columns[] = {
	{ "database", COL_TEXT, "" },
	{ "total_server_assignment_count", COL_NUMERIC, HELP_ASSIGNMENTS "." },
	{ "total_xact_count", COL_NUMERIC, HELP_XACTS "." },
	{ "total_query_count", COL_NUMERIC, HELP_QUERIES "." },
	{ "total_received", COL_NUMERIC, HELP_RECEIVED "." },
	{ "total_sent", COL_NUMERIC, HELP_SENT "." },
	{ "total_xact_time", COL_NUMERIC, HELP_XACT_TIME "." },
	{ "total_query_time", COL_NUMERIC, HELP_QUERY_TIME "." },
	{ "total_wait_time", COL_NUMERIC, HELP_WAIT_TIME "." },
	{ "total_client_parse_count", COL_NUMERIC, HELP_CLIENT_PARSES "." },
	{ "total_server_parse_count", COL_NUMERIC, HELP_SERVER_PARSES "." },
	{ "total_bind_count", COL_NUMERIC, HELP_BINDS "." },
	{ "total_client_login_count", COL_NUMERIC, HELP_LOGINS "." },
	{ "avg_server_assignment_count", COL_NUMERIC,
	    HELP_ASSIGNMENTS PER_SECOND },
	{ "avg_xact_count", COL_NUMERIC, HELP_XACTS PER_SECOND },
	{ "avg_query_count", COL_NUMERIC, HELP_QUERIES PER_SECOND },
	{ "avg_recv", COL_NUMERIC, HELP_RECEIVED PER_SECOND },
	{ "avg_sent", COL_NUMERIC, HELP_SENT PER_SECOND },
	{ "avg_xact_time", COL_NUMERIC, HELP_XACT_TIME EACH_XACT },
	{ "avg_query_time", COL_NUMERIC, HELP_QUERY_TIME EACH_QUERY },
	{ "avg_wait_time", COL_NUMERIC, HELP_WAIT_TIME EACH_WAIT },
	{ "avg_client_parse_count", COL_NUMERIC,
	    HELP_CLIENT_PARSES PER_SECOND },
	{ "avg_server_parse_count", COL_NUMERIC,
	    HELP_SERVER_PARSES PER_SECOND },
	{ "avg_bind_count", COL_NUMERIC, HELP_BINDS PER_SECOND },
	{ "avg_client_login_count", COL_NUMERIC, HELP_LOGINS PER_SECOND },
};

static const struct rows_column totals_columns[] = {
	{ "database", COL_TEXT, "" },
	{ "server_assignment_count", COL_NUMERIC, HELP_ASSIGNMENTS "." },
	{ "xact_count", COL_NUMERIC, HELP_XACTS "." },
	{ "query_count", COL_NUMERIC, HELP_QUERIES "." },
	{ "bytes_received", COL_NUMERIC, HELP_RECEIVED "." },
	{ "bytes_sent", COL_NUMERIC, HELP_SENT "." },
	{ "xact_time", COL_NUMERIC, HELP_XACT_TIME "." },
	{ "query_time", COL_NUMERIC, HELP_QUERY_TIME "." },
	{ "wait_time", COL_NUMERIC, HELP_WAIT_TIME "." },
	{ "client_parse_count", COL_NUMERIC, HELP_CLIENT_PARSES "." },
	{ "server_parse_count", COL_NUMERIC, HELP_SERVER_PARSES "." },
	{ "bind_count", COL_NUMERIC, HELP_BINDS "." },
	{ "client_login_count", COL_NUMERIC, HELP_LOGINS "." },
};

static const struct rows_column averages_columns[] = {
	{ "database", COL_TEXT, "" },
	{ "server_assignment_count", COL_NUMERIC, HELP_ASSIGNMENTS PER_SECOND },
	{ "xact_count", COL_NUMERIC, HELP_XACTS PER_SECOND },
	{ "query_count", COL_NUMERIC, HELP_QUERIES PER_SECOND },
	{ "bytes_received", COL_NUMERIC, HELP_RECEIVED PER_SECOND },
	{ "bytes_sent", COL_NUMERIC, HELP_SENT PER_SECOND },
	{ "xact_time", COL_NUMERIC, HELP_XACT_TIME EACH_XACT },
	{ "query_time", COL_NUMERIC, HELP_QUERY_TIME EACH_QUERY },
	{ "wait_time", COL_NUMERIC, HELP_WAIT_TIME EACH_WAIT },
	{ "avg_client_parse_count", COL_NUMERIC,
	    HELP_CLIENT_PARSES PER_SECOND },
	{ "avg_server_parse_count", COL_NUMERIC,
	    HELP_SERVER_PARSES PER_SECOND },
	{ "avg_bind_count", COL_NUMERIC, HELP_BINDS PER_SECOND },
	{ "avg_client_login_count", COL_NUMERIC, HELP_LOGINS PER_SECOND },
};

static const struct rows_column sum_columns[] = {
	{ "name", COL_TEXT, "total_ or avg_ and what is counted." },
	{ "value", COL_NUMERIC, "" },
};

/* The rows of SHOW TOTALS, in the order of enum stat. */
static const char *const sum_names[N_STATS] = {
	"server_assignment_count",
	"xact_count",
	"query_count",
	"client_bytes",
	"server_bytes",
	"xact_time",
	"query_time",
	"wait_time",
	"ps_client_parse_count",
	"ps_server_parse_count",
	"ps_bind_count",
	"client_login_count",
};

/* ---- collecting ---- */

struct sums {
	char *name;
	struct counters total;
	struct counters recent; /* in the window of the averages */
};

struct sums_list {
	struct registry *registry;
	struct sums *v;
	size_t n, cap;
};

static struct sums *
sums_new(struct sums_list *l, const char *name)
{
	if (l->n == l->cap) {
		l->cap = l->cap > 0 ? l->cap * 2 : 64;
		l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
	}
	l->v[l->n] = (struct sums){ .name = xstrdup(name) };
	return &l->v[l->n++];
}

static void
add_sums(struct sums *s, const struct counters *now, const struct counters *old)
{
	struct counters diff;

	counters_add(&s->total, now);
	counters_diff(&diff, now, old);
	counters_add(&s->recent, &diff);
}

static void
add_pool(void *arg, struct pool *p)
{
	struct sums *s = sums_new(arg, p->db->name);

	pthread_mutex_lock(&p->mu);
	add_sums(s, &p->stats, &p->stats_old);
	pthread_mutex_unlock(&p->mu);
}

/* What pools that sleep or are no more have counted. */
static void
add_gone(void *arg, const char *database, const struct counters *total,
    const struct counters *recent)
{
	struct sums *s = sums_new(arg, database);

	s->total = *total;
	s->recent = *recent;
}

static int
by_name(const void *a, const void *b)
{
	const struct sums *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* Neighbours with one name become one. */
static void
merge(struct sums_list *l)
{
	size_t i, to = 0;

	for (i = 1; i < l->n; i++) {
		if (strcmp(l->v[to].name, l->v[i].name) != 0) {
			l->v[++to] = l->v[i];
			continue;
		}
		counters_add(&l->v[to].total, &l->v[i].total);
		counters_add(&l->v[to].recent, &l->v[i].recent);
		free(l->v[i].name);
	}
	l->n = to + 1;
}

static void
collect(struct plane *pl, struct sums_list *l)
{
	*l = (struct sums_list){ .registry = pl->hub->registry };
	registry_each_pool(l->registry, add_pool, l);
	registry_each_gone(l->registry, add_gone, l);
	add_sums(sums_new(l, CONSOLE_DATABASE), &pl->console, &pl->console_old);
	qsort(l->v, l->n, sizeof(*l->v), by_name);
	merge(l);
}

static void
sums_fini(struct sums_list *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		free(l->v[i].name);
	free(l->v);
}

/* ---- printing ---- */

static void
put_figures(struct rows *r, const uint64_t v[N_STATS])
{
	int i;

	for (i = 0; i < N_STATS; i++)
		rows_uint(r, v[i]);
}

static void
put_by_database(struct order *q, bool totals, bool averages)
{
	struct plane *pl = q->plane;
	usec_t window = clock_mono_us() - pl->old_us;
	uint64_t v[N_STATS];
	struct sums_list l;
	size_t i;

	collect(pl, &l);
	for (i = 0; i < l.n; i++) {
		rows_add(&q->rows, 0);
		rows_text(&q->rows, l.v[i].name);
		if (totals) {
			period_totals(&l.v[i].total, v);
			put_figures(&q->rows, v);
		}
		if (averages) {
			period_averages(&l.v[i].recent, window, v);
			put_figures(&q->rows, v);
		}
	}
	sums_fini(&l);
	order_finish(q);
}

static void
put_named(struct rows *r, const char *prefix, const uint64_t v[N_STATS])
{
	int i;

	for (i = 0; i < N_STATS; i++) {
		rows_add(r, 0);
		rows_textf(r, "%s_%s", prefix, sum_names[i]);
		rows_uint(r, v[i]);
	}
}

/* The running sessions' counts come first: they are brought to the pools. */
static void
put_stats(void *arg)
{
	struct order *q = arg;

	put_by_database(q, true, true);
}

static void
put_stats_totals(void *arg)
{
	struct order *q = arg;

	put_by_database(q, true, false);
}

static void
put_stats_averages(void *arg)
{
	struct order *q = arg;

	put_by_database(q, false, true);
}

static void
put_totals(void *arg)
{
	struct order *q = arg;
	usec_t window = clock_mono_us() - q->plane->old_us;
	struct sums all = { 0 };
	uint64_t v[N_STATS];
	struct sums_list l;
	size_t i;

	collect(q->plane, &l);
	for (i = 0; i < l.n; i++) {
		counters_add(&all.total, &l.v[i].total);
		counters_add(&all.recent, &l.v[i].recent);
	}
	sums_fini(&l);
	period_totals(&all.total, v);
	put_named(&q->rows, "total", v);
	period_averages(&all.recent, window, v);
	put_named(&q->rows, "avg", v);
	order_finish(q);
}

static void
run_stats(struct order *q)
{
	workers_flush_stats(q->plane->hub, put_stats, q);
}

static void
run_stats_totals(struct order *q)
{
	workers_flush_stats(q->plane->hub, put_stats_totals, q);
}

static void
run_stats_averages(struct order *q)
{
	workers_flush_stats(q->plane->hub, put_stats_averages, q);
}

static void
run_totals(struct order *q)
{
	workers_flush_stats(q->plane->hub, put_totals, q);
}

#define WINDOW "Averages reach over the last one to two stats_periods."

const struct show show_stats = {
	.name = "STATS",
	.readers = true,
	.columns = stats_columns,
	.n_columns = ARRAY_LEN(stats_columns),
	.run = run_stats,
	.help = "What was counted since the start, and averages, one row for "
		"each database that has been used. " WINDOW,
};

const struct show show_stats_totals = {
	.name = "STATS_TOTALS",
	.readers = true,
	.columns = totals_columns,
	.n_columns = ARRAY_LEN(totals_columns),
	.run = run_stats_totals,
	.help = "The totals of SHOW STATS.",
};

const struct show show_stats_averages = {
	.name = "STATS_AVERAGES",
	.readers = true,
	.columns = averages_columns,
	.n_columns = ARRAY_LEN(averages_columns),
	.run = run_stats_averages,
	.help = "The averages of SHOW STATS.",
};

const struct show show_totals = {
	.name = "TOTALS",
	.readers = true,
	.columns = sum_columns,
	.n_columns = ARRAY_LEN(sum_columns),
	.run = run_totals,
	.help = "The figures of SHOW STATS over all databases, one in each "
		"row.",
};
