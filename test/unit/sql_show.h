/*
 * sql_show: what the scanner said of a text, on one line, for tests:
 *
 *	? KIND +flag name (args) := value call:name(arg, arg)! ; KIND ...
 *
 * A leading ? is unsure. name and value of SET are as sql_setting() and
 * sql_value() give them, others as written. A call that is certain has a !
 * behind it. Plain statements without anything are a point; those that are not
 * listed are not shown.
 */
#ifndef SQL_SHOW_H
#define SQL_SHOW_H

#include "proto/sql.h"

static inline void
sql_show_range(struct buf *out, const char *before, const struct sql_info *i,
    struct sql_range r)
{
	if (r.n == 0)
		return;
	buf_printf(out, "%s", before);
	buf_append(out, i->text.p + r.at, r.n);
}

static inline void
sql_show_call(struct buf *out, const struct sql_info *i,
    const struct sql_call *c)
{
	static const char *const kinds[] = { "f", "set", "lock", "unlock",
		"unlock_all", "seed", "seqw", "seqr", "notify", "state" };
	static const char *const args[] = { "none", "", "", "true", "false",
		"null", "?" };

	buf_printf(out, " %s", kinds[c->kind]);
	sql_show_range(out, ":", i, c->name);
	for (size_t k = 0; k < SQL_CALL_ARGS && k < c->nargs; k++) {
		buf_printf(out, "%s%s", k == 0 ? "(" : ",",
		    args[c->arg_kind[k]]);
		if (c->arg_kind[k] == SQL_ARG_STRING ||
		    c->arg_kind[k] == SQL_ARG_PARAM)
			sql_show_range(out, "", i, c->arg[k]);
	}
	if (c->nargs > SQL_CALL_ARGS)
		buf_printf(out, ",...");
	buf_printf(out, "%s%s", c->nargs > 0 ? ")" : "",
	    c->certain ? "!" : "");
}

static inline void
sql_show_stmt(struct buf *out, const struct sql_info *i,
    const struct sql_stmt *s)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} flags[] = {
		{ SQL_LOCAL, "local" }, { SQL_SESSION, "session" },
		{ SQL_FROM_CURRENT, "current" }, { SQL_CHAIN, "chain" },
		{ SQL_HOLD, "hold" }, { SQL_TEMP, "temp" },
		{ SQL_ON_COMMIT_DROP, "drop" }, { SQL_EXPLAIN, "explain" },
		{ SQL_BODY_STATE, "state" },
	};
	bool set = s->kind == SQL_SET || s->kind == SQL_RESET;

	buf_printf(out, "%s", s->kind == SQL_PLAIN ? "." :
	    sql_kind_name(s->kind));
	for (size_t k = 0; k < ARRAY_LEN(flags); k++)
		if (s->flags & flags[k].flag)
			buf_printf(out, " +%s", flags[k].name);
	if (set) {
		buf_printf(out, " ");
		if (!sql_setting(i, s, out))
			buf_printf(out, "?");
	} else
		sql_show_range(out, " ", i, s->name);
	sql_show_range(out, " ", i, s->args);
	if (s->kind == SQL_SET) {
		buf_printf(out, " := ");
		if (!sql_value(i, s, out))
			buf_printf(out, "?");
	} else
		sql_show_range(out, " := ", i, s->value);
	for (size_t k = 0; k < s->ncalls; k++)
		sql_show_call(out, i, &i->calls[s->first_call + k]);
}

/* Ends in a NUL. */
static inline void
sql_show(struct buf *out, const struct sql_info *i)
{
	if (i->unsure)
		buf_printf(out, "?");
	for (size_t k = 0; k < i->nstmts; k++) {
		buf_printf(out, "%s", k > 0 ? " ; " : i->unsure ? " " : "");
		sql_show_stmt(out, i, &i->stmts[k]);
	}
	buf_append(out, "", 1);
}

#endif
