/* What a statement is, from its first words. */
#include <string.h>

#include "proto/sql_scan.h"

/* The identifier at hand, and goes on; none if there is none. */
struct sql_range
head_name(struct scan *s)
{
	struct sql_token t = s->tok;

	if (scan_at_end(s) || !sql_is_identifier(t.type))
		return (struct sql_range){ 0 };
	scan_next(s);
	return scan_range(t, t.at + t.n);
}

static struct sql_range
take_string(struct scan *s)
{
	struct sql_token t = s->tok;

	if (scan_at_end(s) || !sql_is_string(t.type))
		return (struct sql_range){ 0 };
	scan_next(s);
	return scan_range(t, t.at + t.n);
}

/* (...) if that comes next, whole. */
static struct sql_range
take_parens(struct scan *s)
{
	struct sql_token first = s->tok;

	if (scan_at_end(s) || !scan_is_char(s, '('))
		return (struct sql_range){ 0 };
	while (!scan_at_end(s)) {
		bool last = scan_is_char(s, ')') && s->depth == 0;

		scan_next(s);
		if (last)
			break;
	}
	return scan_range(first, s->end);
}

static void
kind(struct scan *s, enum sql_kind k)
{
	s->stmt.kind = k;
}

static void
head_plain(struct scan *s)
{
	(void)s;
}

static void
head_begin(struct scan *s)
{
	kind(s, SQL_BEGIN);
}

static void
head_start(struct scan *s)
{
	scan_next(s);
	if (scan_is(s, "transaction"))
		kind(s, SQL_BEGIN);
	else /* replication's START_REPLICATION is one word */
		scan_unsure(s, "START of something");
}

static void
take_chain(struct scan *s)
{
	if (scan_take(s, "and") && scan_is(s, "chain"))
		s->stmt.flags |= SQL_CHAIN;
}

static void
head_commit(struct scan *s)
{
	kind(s, SQL_COMMIT);
	scan_next(s);
	if (scan_take(s, "prepared")) {
		kind(s, SQL_COMMIT_PREPARED);
		s->stmt.value = take_string(s);
		return;
	}
	if (!scan_take(s, "work"))
		scan_take(s, "transaction");
	take_chain(s);
}

static void
head_rollback(struct scan *s)
{
	kind(s, SQL_ROLLBACK);
	scan_next(s);
	if (scan_take(s, "prepared")) {
		kind(s, SQL_ROLLBACK_PREPARED);
		s->stmt.value = take_string(s);
		return;
	}
	if (!scan_take(s, "work"))
		scan_take(s, "transaction");
	if (!scan_take(s, "to")) {
		take_chain(s);
		return;
	}
	kind(s, SQL_ROLLBACK_TO);
	s->stmt.name = head_name(s);
	if (!scan_at_end(s)) /* that was the word SAVEPOINT */
		s->stmt.name = head_name(s);
}

static void
head_savepoint(struct scan *s)
{
	kind(s, SQL_SAVEPOINT);
	scan_next(s);
	s->stmt.name = head_name(s);
}

static void
head_release(struct scan *s)
{
	kind(s, SQL_RELEASE);
	scan_next(s);
	s->stmt.name = head_name(s);
	if (!scan_at_end(s))
		s->stmt.name = head_name(s);
}

static void
head_prepare(struct scan *s)
{
	bool transaction;

	kind(s, SQL_PREPARE);
	scan_next(s);
	transaction = scan_is(s, "transaction");
	s->stmt.name = head_name(s);
	if (transaction && sql_is_string(s->tok.type)) {
		kind(s, SQL_PREPARE_TRANSACTION);
		s->stmt.name = (struct sql_range){ 0 };
		s->stmt.value = take_string(s);
		return;
	}
	s->stmt.args = take_parens(s);
	if (scan_take(s, "as")) {
		struct sql_token first = s->tok;

		scan_rest(s);
		s->stmt.value = scan_range(first, s->end);
	}
}

static void
head_execute(struct scan *s)
{
	kind(s, SQL_EXECUTE);
	s->stmt.keyword = scan_range(s->tok, s->tok.at + s->tok.n);
	scan_next(s);
	s->stmt.name = head_name(s);
	s->stmt.args = take_parens(s);
}

static void
head_deallocate(struct scan *s)
{
	bool all, prepare;

	kind(s, SQL_DEALLOCATE);
	scan_next(s);
	prepare = scan_is(s, "prepare");
	all = scan_is(s, "all");
	s->stmt.name = head_name(s);
	if (prepare && !scan_at_end(s)) {
		all = scan_is(s, "all");
		s->stmt.name = head_name(s);
	}
	if (all) {
		kind(s, SQL_DEALLOCATE_ALL);
		s->stmt.name = (struct sql_range){ 0 };
	}
}

static void
head_listen(struct scan *s)
{
	kind(s, SQL_LISTEN);
	scan_next(s);
	s->stmt.name = head_name(s);
}

static void
head_unlisten(struct scan *s)
{
	kind(s, SQL_UNLISTEN);
	scan_next(s);
	s->stmt.name = head_name(s);
	if (s->stmt.name.n == 0)
		kind(s, SQL_UNLISTEN_ALL);
}

static void
head_notify(struct scan *s)
{
	kind(s, SQL_NOTIFY);
	scan_next(s);
	s->stmt.name = head_name(s);
	if (scan_is_char(s, ',')) {
		scan_next(s);
		s->stmt.value = take_string(s);
	}
}

static void
head_declare(struct scan *s)
{
	kind(s, SQL_DECLARE);
	scan_next(s);
	s->stmt.name = head_name(s);
	while (!scan_at_end(s) && !scan_is(s, "for")) {
		if (scan_take(s, "with")) {
			if (scan_is(s, "hold"))
				s->stmt.flags |= SQL_HOLD;
			continue;
		}
		scan_next(s);
	}
}

static void
head_close(struct scan *s)
{
	bool all;

	kind(s, SQL_CLOSE);
	scan_next(s);
	all = scan_is(s, "all");
	s->stmt.name = head_name(s);
	if (all) {
		kind(s, SQL_CLOSE_ALL);
		s->stmt.name = (struct sql_range){ 0 };
	}
}

static void
head_discard(struct scan *s)
{
	scan_next(s);
	if (scan_is(s, "plans"))
		kind(s, SQL_DISCARD_PLANS);
	else if (scan_is(s, "sequences"))
		kind(s, SQL_DISCARD_SEQUENCES);
	else if (scan_is(s, "temp") || scan_is(s, "temporary"))
		kind(s, SQL_DISCARD_TEMP);
	else
		kind(s, SQL_DISCARD_ALL);
}

static void
head_load(struct scan *s)
{
	kind(s, SQL_LOAD);
	scan_next(s);
	s->stmt.value = take_string(s);
}

static void
head_do(struct scan *s)
{
	bool plpgsql = true;

	kind(s, SQL_DO);
	s->info->calls_made |= SQL_CALL_BIT(SQL_CALL_UNKNOWN);
	scan_next(s);
	while (!scan_at_end(s)) {
		if (sql_is_string(s->tok.type) && s->stmt.value.n == 0) {
			struct sql_token body = s->tok;

			s->stmt.value = take_string(s);
			if (body_has_state(s, body))
				s->stmt.flags |= SQL_BODY_STATE;
		} else if (scan_take(s, "language")) {
			plpgsql = scan_is(s, "plpgsql");
			scan_next(s);
		} else
			scan_next(s);
	}
	if (!plpgsql)
		s->stmt.flags |= SQL_BODY_STATE;
}

static void
head_call(struct scan *s)
{
	kind(s, SQL_CALL);
	s->info->calls_made |= SQL_CALL_BIT(SQL_CALL_UNKNOWN);
}

static void
head_copy(struct scan *s)
{
	kind(s, SQL_COPY);
}

/* CREATE TABLE ... AS EXECUTE is that of a prepared statement. */
static void
head_create(struct scan *s)
{
	s->is_create = true;
	scan_next(s);
	if (scan_is(s, "extension")) /* its script may do anything */
		s->info->calls_made |= SQL_CALL_BIT(SQL_CALL_UNKNOWN);
	while (!scan_at_end(s)) {
		if (s->depth == 0 && scan_take(s, "as")) {
			if (!scan_is(s, "execute"))
				continue;
			head_execute(s);
			return;
		}
		scan_next(s);
	}
}

static const struct head {
	const char *word;
	void (*parse)(struct scan *s);
} heads[] = {
	{ "abort", head_rollback },
	{ "alter", head_plain },
	{ "analyse", head_plain },
	{ "analyze", head_plain },
	{ "begin", head_begin },
	{ "call", head_call },
	{ "checkpoint", head_plain },
	{ "close", head_close },
	{ "cluster", head_plain },
	{ "comment", head_plain },
	{ "commit", head_commit },
	{ "copy", head_copy },
	{ "create", head_create },
	{ "deallocate", head_deallocate },
	{ "declare", head_declare },
	{ "delete", head_plain },
	{ "discard", head_discard },
	{ "do", head_do },
	{ "drop", head_plain },
	{ "end", head_commit },
	{ "execute", head_execute },
	{ "fetch", head_plain },
	{ "grant", head_plain },
	{ "import", head_plain },
	{ "insert", head_plain },
	{ "listen", head_listen },
	{ "load", head_load },
	{ "lock", head_plain },
	{ "merge", head_plain },
	{ "move", head_plain },
	{ "notify", head_notify },
	{ "prepare", head_prepare },
	{ "reassign", head_plain },
	{ "refresh", head_plain },
	{ "reindex", head_plain },
	{ "release", head_release },
	{ "reset", head_reset },
	{ "revoke", head_plain },
	{ "rollback", head_rollback },
	{ "savepoint", head_savepoint },
	{ "security", head_plain },
	{ "select", head_plain },
	{ "set", head_set },
	{ "show", head_plain },
	{ "start", head_start },
	{ "table", head_plain },
	{ "truncate", head_plain },
	{ "unlisten", head_unlisten },
	{ "update", head_plain },
	{ "vacuum", head_plain },
	{ "values", head_plain },
	{ "with", head_plain },
};

static const struct head *
head_find(const struct scan *s)
{
	size_t lo = 0, hi = ARRAY_LEN(heads);

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (scan_is(s, heads[mid].word))
			return &heads[mid];
		if (strncasecmp((const char *)s->lex.p + s->tok.at,
		    heads[mid].word, s->tok.n) <= 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

/* Goes on to the statement that is explained, if it is there. */
static void
skip_explain(struct scan *s)
{
	s->stmt.flags |= SQL_EXPLAIN;
	scan_next(s);
	if (scan_is_char(s, '(')) {
		struct sql_lexer peek = s->lex;
		struct sql_token t = sql_lex(&peek);

		/* EXPLAIN (SELECT ...) has no options. */
		if (sql_tok_is(s->lex.p, t, "select") ||
		    sql_tok_is(s->lex.p, t, "with") ||
		    sql_tok_is(s->lex.p, t, "values") ||
		    sql_tok_is(s->lex.p, t, "table") || t.first == '(')
			return;
		take_parens(s);
		return;
	}
	if (!scan_take(s, "analyze"))
		scan_take(s, "analyse");
	scan_take(s, "verbose");
}

void
head_parse(struct scan *s)
{
	const struct head *h;

	if (scan_is(s, "explain"))
		skip_explain(s);
	if (scan_at_end(s))
		return; /* EXPLAIN of nothing */
	s->stmt.keyword = scan_range(s->tok, s->tok.at + s->tok.n);
	if (scan_is_char(s, '('))
		return; /* (SELECT ...) */
	h = head_find(s);
	if (h)
		h->parse(s);
	else
		scan_unsure(s, "a statement that is not known");
}
