/*
 * RESET gives a client back what it asked for at login, as it would without us.
 *
 * To the server a startup parameter is its own default; here servers are shared,
 * and what a client asked for was SET. So after a RESET, SET ... TO DEFAULT,
 * RESET ALL or DISCARD ALL that was carried out, the client's own values are
 * set again, as soon as everything is answered: inside a transaction too, where
 * both are undone together. What follows the RESET in the same Query or
 * pipeline sees the server's default.
 *
 * In transaction mode only what servers report is done here; the other settings
 * come back with the journal. Of texts that name no setting for certain nothing
 * is noted.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/reply.h"
#include "relay_private.h"

/* Statements noted at most; of more, none is. */
#define OPS 32

struct reset_op {
	bool set; /* SET: an earlier RESET of it does not count */
	char *name; /* NULL: all of them */
};

struct resets {
	size_t n;
	bool run; /* a statement of this kind has been completed */
	bool sent; /* our SETs are on their way */
	uint64_t restored; /* bits: indexes of reported ones, set again */
	struct reset_op ops[OPS];
};

void
relay_reset_free(struct relay *r)
{
	struct resets *rs = r->resets;
	size_t i;

	if (!rs)
		return;
	for (i = 0; i < rs->n; i++)
		free(rs->ops[i].name);
	free(rs);
	r->resets = NULL;
}

static void
note(struct relay *r, bool set, const char *name)
{
	struct resets *rs = r->resets;

	if (!rs)
		rs = r->resets = xcalloc(1, sizeof(*rs));
	if (rs->n == OPS) {
		relay_reset_free(r);
		return;
	}
	rs->ops[rs->n].set = set;
	rs->ops[rs->n++].name = name ? xstrdup(name) : NULL;
}

static void
note_named(struct relay *r, const struct sql_info *info,
    const struct sql_stmt *st)
{
	struct buf name = { 0 };

	if (sql_setting(info, st, &name)) {
		buf_append(&name, "", 1);
		note(r, st->kind == SQL_SET, (const char *)buf_head(&name));
	}
	buf_free(&name);
}

void
relay_reset_note(struct relay *r, const struct sql_info *info)
{
	size_t i;

	if (!r->asked_for || (r->resets && r->resets->sent))
		return;
	/* Which of them came last is not to be told. */
	if (info->unsure ||
	    info->calls_made & SQL_CALL_BIT(SQL_CALL_SET_CONFIG)) {
		relay_reset_free(r);
		return;
	}
	for (i = 0; i < info->nstmts; i++) {
		const struct sql_stmt *st = &info->stmts[i];

		if (st->flags & (SQL_LOCAL | SQL_EXPLAIN))
			continue;
		if (st->kind == SQL_RESET || (st->kind == SQL_SET && r->resets))
			note_named(r, info, st);
		else if (st->kind == SQL_RESET_ALL ||
		    st->kind == SQL_DISCARD_ALL)
			note(r, false, NULL);
	}
}

void
relay_reset_text(struct relay *r, struct span text)
{
	struct sql_info info;

	if (LIKELY(sql_quick(text) != SQL_QUICK_SCAN))
		return;
	sql_info_init(&info);
	sql_scan(&info, text, relay_scan_options(r));
	relay_reset_note(r, &info);
	sql_info_fini(&info);
}

void
relay_reset_completed(struct relay *r, struct span tag)
{
	if (span_is(tag, "RESET") || span_is(tag, "SET") ||
	    span_is(tag, "DISCARD ALL"))
		r->resets->run = true;
}

/* What came last of it: a RESET, and no SET. */
static bool
is_reset(const struct resets *rs, const char *name)
{
	size_t i;

	for (i = rs->n; i-- > 0;)
		if (!rs->ops[i].name || strcasecmp(rs->ops[i].name, name) == 0)
			return !rs->ops[i].set;
	return false;
}

/* Of what servers report, what differs; and which those are. */
static bool
put_reported(struct relay *r, struct buf *sql)
{
	struct server *s = relay_server_of(r);
	const struct param_names *names = s->target->names;
	struct param_set *want = param_set_new(param_names_count(names));
	struct resets *rs = r->resets;
	struct err e;
	size_t i;
	int n;

	for (i = 0; i < param_names_count(names); i++) {
		const char *value = param_get(r->a.asked, i);

		if (!value || !is_reset(rs, param_name(names, i)))
			continue;
		want = param_set_with(want, i, value);
		rs->restored |= (uint64_t)1 << i;
	}
	n = param_diff_sql(names, want, s->params, sql, &e);
	param_set_unref(want);
	return n > 0;
}

static bool
put_others(struct relay *r, struct buf *sql)
{
	const struct settings *asked = *r->a.startup;
	struct settings *want = NULL;
	size_t i;
	int n;

	if (r->set->mode != POOL_SESSION)
		return false;
	for (i = 0; i < settings_count(asked); i++) {
		const char *name = settings_name(asked, i);

		if (is_reset(r->resets, name))
			want = settings_with(want, name,
			    settings_find(asked, name));
	}
	n = settings_diff_sql(want, NULL, sql);
	settings_unref(want);
	return n > 0;
}

bool
relay_reset_apply(struct relay *r)
{
	struct resets *rs = r->resets;
	struct buf sql = { 0 }, others = { 0 };
	bool some;

	if (rs->sent)
		return false;
	if (!rs->run || relay_server_of(r)->pipeline.status == 'E') {
		relay_reset_free(r);
		return false;
	}
	some = put_reported(r, &sql);
	some = put_others(r, &others) || some;
	if (!some) {
		buf_free(&sql);
		buf_free(&others);
		relay_reset_free(r);
		return false;
	}
	rs->sent = true;
	relay_send_sets(r, &sql, &others);
	return true;
}

void
relay_reset_applied(struct relay *r)
{
	struct server *s = relay_server_of(r);
	const struct param_names *names = s->target->names;
	struct buf out = { 0 };
	size_t i;

	for (i = 0; i < param_names_count(names); i++)
		if (r->resets->restored >> i & 1)
			reply_parameter(&out, param_name(names, i),
			    param_get(s->params, i));
	if (buf_len(&out))
		stream_write(r->a.client, buf_head(&out), buf_len(&out));
	buf_free(&out);
	relay_reset_free(r);
	/* It was meant for what has been answered since. */
	r->cancel_wanted = false;
}
