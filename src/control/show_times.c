/*
 * show_times: what went wrong how often (ERRORS), and how long things take
 * (LATENCY).
 */
#include <stdlib.h>
#include <string.h>

#include "control/show_tables.h"
#include "pooling/tally.h"

/* ---- SHOW ERRORS ---- */

static const struct rows_column error_columns[] = {
	{ "kind", COL_TEXT,
	    "client: the pooler told a client; server: a server told its "
	    "client; connect: a server connection could not be made; close: a "
	    "server connection was closed." },
	{ "sqlstate", COL_TEXT, "Empty for close." },
	{ "reason", COL_TEXT,
	    "The message without what differs from case to case: quoted words "
	    "and numbers. Empty for what servers say, since that is not ours "
	    "to show." },
	{ "count", COL_INT8, "Since the start." },
	{ "last_time", COL_TEXT, "Of the last one, in local time." },
};

static const char *
kind_name(enum tally_kind k)
{
	switch (k) {
	case TALLY_CLIENT:
		return "client";
	case TALLY_SERVER:
		return "server";
	case TALLY_CONNECT:
		return "connect";
	case TALLY_CLOSE:
		return "close";
	case N_TALLY_KINDS:
		break;
	}
	return "";
}

/* As the workers give it: to be summed up on the main thread. */
static void
add_error(void *arg, const struct tally_row *t)
{
	struct rows *r = arg;

	rows_add(r, 0);
	rows_text(r, kind_name(t->kind));
	rows_text(r, t->sqlstate);
	rows_text(r, t->reason);
	rows_uint(r, t->count);
	rows_int(r, t->last_wall_us);
}

static void
visit_errors(struct worker *w, struct rows *r)
{
	tally_each(worker_hub(w)->tallies[worker_index(w)], add_error, r);
}

static bool
same_error(const struct rows *r, size_t a, size_t b)
{
	int i;

	for (i = 0; i < 3; i++)
		if (strcmp(rows_cell(r, a, (size_t)i),
			rows_cell(r, b, (size_t)i)) != 0)
			return false;
	return true;
}

/* Workers have few of them, and there are few workers. */
static void
put_errors(struct order *q)
{
	struct rows all = q->rows, *r = &q->rows;
	bool *done = xcalloc(all.n + 1, sizeof(*done));
	size_t i, k;

	rows_init(r, all.columns, all.n_columns);
	for (i = 0; i < all.n; i++) {
		uint64_t count = 0;
		usec_t last = 0, t;

		for (k = i; k < all.n && !done[i]; k++) {
			if (!same_error(&all, i, k))
				continue;
			done[k] = k != i;
			count += strtoull(rows_cell(&all, k, 3), NULL, 10);
			t = strtoll(rows_cell(&all, k, 4), NULL, 10);
			last = t > last ? t : last;
		}
		if (count == 0)
			continue;
		rows_add(r, 0);
		rows_text(r, rows_cell(&all, i, 0));
		rows_text(r, rows_cell(&all, i, 1));
		rows_text(r, rows_cell(&all, i, 2));
		rows_uint(r, count);
		show_time(r, last);
	}
	free(done);
	rows_fini(&all);
	rows_sort_text(r);
	order_finish(q);
}

static void
run_errors(struct order *q)
{
	show_gather(q, visit_errors, put_errors);
}

const struct show show_errors = {
	.name = "ERRORS",
	.readers = true,
	.columns = error_columns,
	.n_columns = ARRAY_LEN(error_columns),
	.run = run_errors,
	.help = "What went wrong, and why server connections were closed, by "
		"SQLSTATE and reason.",
};

/* ---- SHOW LATENCY ---- */

static const struct rows_column latency_columns[] = {
	{ "database", COL_TEXT, "" },
	{ "user", COL_TEXT, "At the server." },
	{ "what", COL_TEXT,
	    "wait: in the queue for a server, 0 for who got one at once; "
	    "query; transaction; login: of a client, from connecting to its "
	    "welcome." },
	{ "count", COL_INT8, "How many were measured." },
	{ "p50", COL_INT8, "Half of them took at most so many microseconds." },
	{ "p95", COL_INT8, "95 of 100." },
	{ "p99", COL_INT8, "99 of 100." },
	{ "max", COL_INT8, "The longest." },
};

static const char *const latency_names[N_LATENCIES] = {
	[LATENCY_WAIT] = "wait",
	[LATENCY_QUERY] = "query",
	[LATENCY_XACT] = "transaction",
	[LATENCY_LOGIN] = "login",
};

static void
add_latency(void *arg, struct pool *p)
{
	struct rows *r = arg;
	struct hist_sum sum[N_LATENCIES];
	int k;

	memset(sum, 0, sizeof(sum));
	pool_read_latency(p, sum);
	for (k = 0; k < N_LATENCIES; k++) {
		if (sum[k].count == 0)
			continue;
		rows_add(r, 0);
		rows_text(r, p->db->name);
		rows_text(r, p->user_name);
		rows_text(r, latency_names[k]);
		rows_uint(r, sum[k].count);
		rows_uint(r, hist_at(&sum[k], 500));
		rows_uint(r, hist_at(&sum[k], 950));
		rows_uint(r, hist_at(&sum[k], 990));
		rows_uint(r, sum[k].max);
	}
}

static void
run_latency(struct order *q)
{
	registry_each_pool(q->plane->hub->registry, add_latency, &q->rows);
	order_finish(q);
}

const struct show show_latency = {
	.name = "LATENCY",
	.readers = true,
	.columns = latency_columns,
	.n_columns = ARRAY_LEN(latency_columns),
	.run = run_latency,
	.help = "How long things take in each pool that is in use, since it "
		"has been: it is forgotten when the last client and the last "
		"server have gone. Percentiles are right to an eighth.",
};
