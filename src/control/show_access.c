/*
 * show_access: who may come in, and who knocks: HBA and SOURCES.
 */
#include <stdlib.h>

#include "control/show_tables.h"
#include "pooling/guard.h"

/* ---- SHOW HBA ---- */

static const struct rows_column hba_columns[] = {
	{ "rule", COL_INT4, "Number, in the order in which they are tried." },
	{ "file", COL_TEXT, "" },
	{ "line", COL_INT4, "" },
	{ "type", COL_TEXT, "local, host, hostssl or hostnossl." },
	{ "database", COL_TEXT, "Names from @files are spelled out." },
	{ "user", COL_TEXT, "" },
	{ "address", COL_TEXT, "Empty for local." },
	{ "method", COL_TEXT, "" },
	{ "map", COL_TEXT, "Of auth_ident_file; empty if none." },
};

static void
put_names(struct rows *r, const struct hba_names *names)
{
	struct buf text = { 0 };

	hba_names_text(names, &text);
	buf_append(&text, "", 1);
	rows_text(r, (const char *)buf_head(&text));
	buf_free(&text);
}

static void
put_rule(struct rows *r, const struct hba_rule *rule, size_t number)
{
	char address[NET_TEXT];

	hba_address_text(rule, address);
	rows_add(r, 0);
	rows_int(r, (int64_t)number);
	rows_text(r, rule->file);
	rows_int(r, rule->line);
	rows_text(r, hba_type_name(rule->type));
	put_names(r, &rule->databases);
	put_names(r, &rule->users);
	rows_text(r, address);
	rows_text(r, hba_method_name(rule->method));
	rows_text(r, rule->map ? ident_map_name(rule->map) : "");
}

static void
run_hba(struct order *q)
{
	const struct hba *h = q->plane->hub->cfg->hba;

	for (size_t i = 0; h != NULL && i < h->n; i++)
		put_rule(&q->rows, &h->rules[i], i + 1);
	order_finish(q);
}

const struct show show_hba = {
	.name = "HBA",
	.columns = hba_columns,
	.n_columns = ARRAY_LEN(hba_columns),
	.run = run_hba,
	.help = "The rules of auth_hba_file that are in force. None unless "
		"auth_type is hba.",
};

/* ---- SHOW SOURCES ---- */

#define LINES_MAX 10000

static const struct rows_column source_columns[] = {
	{ "kind", COL_TEXT,
	    "total: a count since the start; source: an address; user." },
	{ "name", COL_TEXT, "What is counted, the address, or the user." },
	{ "connections", COL_INT4, "From there, now." },
	{ "failed_logins", COL_INT4, "That are not forgotten yet." },
	{ "blocked", COL_NUMERIC,
	    "Seconds for which logins are refused, 0 if they are not." },
	{ "refused", COL_INT8, "Connections and logins refused." },
};

static void
put_line(struct rows *r, const char *kind, const struct guard_line *l)
{
	rows_add(r, 0);
	rows_text(r, kind);
	rows_text(r, l->name);
	rows_int(r, l->connections);
	rows_int(r, l->failed);
	rows_textf(r, "%.3f", (double)l->blocked_us / USEC_PER_SEC);
	rows_int(r, (int64_t)l->refused);
}

static void
put_total(struct rows *r, const char *name, uint64_t n)
{
	struct guard_line l = { .refused = n };

	copy_str(l.name, sizeof(l.name), name);
	put_line(r, "total", &l);
}

static void
run_sources(struct order *q)
{
	struct guard *g = q->plane->hub->guard;
	struct guard_line *lines = xcalloc(LINES_MAX, sizeof(*lines));
	size_t n = guard_lines(g, lines, LINES_MAX,
	    loop_now(q->plane->hub->main_loop));
	struct guard_totals t;

	guard_totals(g, &t);
	put_total(&q->rows, "max_source_connections", t.too_many);
	put_total(&q->rows, "max_source_rate, max_user_rate", t.too_fast);
	put_total(&q->rows, "dropped without a word", t.dropped);
	put_total(&q->rows, "failed logins", t.failed);
	put_total(&q->rows, "auth_fail_max", t.waiting);
	put_total(&q->rows, "forgotten for want of room", t.evicted);
	for (size_t i = 0; i < n; i++)
		put_line(&q->rows, lines[i].is_user ? "user" : "source",
		    &lines[i]);
	free(lines);
	order_finish(q);
}

const struct show show_sources = {
	.name = "SOURCES",
	.readers = true,
	.columns = source_columns,
	.n_columns = ARRAY_LEN(source_columns),
	.run = run_sources,
	.help = "Where connections come from and how often logins failed, by "
		"address and by user, and what the limits on both have "
		"refused. At most 10000 of both.",
};
