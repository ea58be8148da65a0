/* What may stand anywhere in a statement. */
#include <string.h>

#include "proto/sql_call.h"
#include "proto/sql_scan.h"

#define NAME_MAX_BYTES 63 /* PostgreSQL cuts longer identifiers */

/* Decodes an identifier into the scratch buffer; empty if that fails. */
static struct span
decoded(struct scan *s, struct sql_token t)
{
	buf_reset(&s->scratch);
	if (!sql_decode(&s->lex, t, &s->scratch))
		return SPAN(NULL, 0);
	return buf_span(&s->scratch);
}

static bool
is_named(struct scan *s, struct sql_token t, const char *name)
{
	return span_is(decoded(s, t), name);
}

static bool
is_word(const struct scan *s, struct sql_token t, const char *word)
{
	return sql_tok_is(s->lex.p, t, word);
}

/* --- arguments ---------------------------------------------------------- */

/* One literal, or one with a cast that does not change it. */
static bool
is_one_literal(const struct scan *s, const struct scan_open *o)
{
	static const char *const types[] = { "text", "bool", "boolean" };
	size_t i;

	if (o->tokens == 1)
		return true;
	if (o->tokens != 3 || o->second.type != TOK_OP ||
	    o->second.first != ':')
		return false;
	for (i = 0; i < ARRAY_LEN(types); i++)
		if (sql_tok_is(s->lex.p, o->third, types[i]))
			return true;
	return false;
}

static enum sql_arg
arg_kind(const struct scan *s, const struct scan_open *o)
{
	if (!is_one_literal(s, o))
		return SQL_ARG_OTHER;
	if (sql_is_string(o->first.type))
		return SQL_ARG_STRING;
	if (o->first.type == TOK_PARAM)
		return SQL_ARG_PARAM;
	if (sql_tok_is(s->lex.p, o->first, "true"))
		return SQL_ARG_TRUE;
	if (sql_tok_is(s->lex.p, o->first, "false"))
		return SQL_ARG_FALSE;
	if (sql_tok_is(s->lex.p, o->first, "null"))
		return SQL_ARG_NULL;
	return SQL_ARG_OTHER;
}

/* 'f'::bool and the like, as an argument that is a yes or no. */
static enum sql_arg
bool_of(struct scan *s, struct sql_token t)
{
	struct span v = decoded(s, t);

	if (span_is_nocase(v, "t") || span_is_nocase(v, "true") ||
	    span_is_nocase(v, "on") || span_is_nocase(v, "1"))
		return SQL_ARG_TRUE;
	if (span_is_nocase(v, "f") || span_is_nocase(v, "false") ||
	    span_is_nocase(v, "off") || span_is_nocase(v, "0"))
		return SQL_ARG_FALSE;
	return SQL_ARG_OTHER;
}

/* set_config('search_path', 'pg_temp', ...), whatever the name. */
static void
track_value(struct scan *s, struct sql_token t)
{
	if (sql_mentions_temp(decoded(s, t)))
		s->stmt.flags |= SQL_TEMP;
}

/* An argument ends at s->tok. */
static void
end_arg(struct scan *s, struct scan_open *o)
{
	struct sql_call *c = &s->info->calls[o->call];
	enum sql_arg kind = arg_kind(s, o);

	if (c->nargs < SQL_CALL_ARGS && o->tokens > 0) {
		if (c->kind == SQL_CALL_SET_CONFIG && c->nargs == 2 &&
		    kind == SQL_ARG_STRING)
			kind = bool_of(s, o->first);
		if (c->kind == SQL_CALL_SET_CONFIG && c->nargs == 1 &&
		    kind == SQL_ARG_STRING)
			track_value(s, o->first);
		c->arg_kind[c->nargs] = (uint8_t)kind;
		c->arg[c->nargs] = scan_range(o->first, kind == SQL_ARG_OTHER ?
		    s->end : o->first.at + o->first.n);
	}
	if (c->nargs < UINT8_MAX && (o->tokens > 0 || c->nargs > 0))
		c->nargs++;
	o->tokens = 0;
}

static void
track_args(struct scan *s)
{
	struct scan_open *o = &s->open[s->nopen - 1];
	bool mine = s->depth == o->depth;

	if (mine && scan_is_char(s, ',')) {
		end_arg(s, o);
		return;
	}
	if (mine && scan_is_char(s, ')')) {
		end_arg(s, o);
		s->nopen--;
		if (s->nopen == 0)
			return;
		o--;
	}
	o->tokens++;
	if (o->tokens == 1)
		o->first = s->tok;
	else if (o->tokens == 2)
		o->second = s->tok;
	else if (o->tokens == 3)
		o->third = s->tok;
}

/* --- calls -------------------------------------------------------------- */

/* A relation's columns in parentheses look like a call, and so do what PREPARE
 * and EXECUTE name, and functions that are only mentioned. */
static bool
is_relation(const struct scan *s)
{
	static const char *const words[] = { "copy", "table", "with",
		"analyze", "vacuum", "recursive", "references", "as",
		"exists", "prepare", "execute", "function", "procedure", "routine", "aggregate",
		"view", "type" };
	size_t i;

	if (s->before.type == TOK_END) /* COPY (, EXPLAIN ( */
		return true;
	for (i = 0; i < ARRAY_LEN(words); i++)
		if (sql_tok_is(s->lex.p, s->before, words[i]))
			return true;
	return false;
}

/* Several in a row of the same name are listed once. */
static bool
is_listed(const struct scan *s, struct sql_range name)
{
	const struct sql_info *i = s->info;
	size_t k = i->ncalls, looked = 0;

	for (; k > s->stmt.first_call && looked < 8; k--, looked++) {
		const struct sql_call *c = &i->calls[k - 1];

		if (c->kind == SQL_CALL_UNKNOWN && span_eq(
		    SPAN(s->lex.p + c->name.at, c->name.n),
		    SPAN(s->lex.p + name.at, name.n)))
			return true;
	}
	return false;
}

static enum sql_name_class
classify(struct scan *s, enum sql_call_kind *kind)
{
	struct span name;

	if (s->parts > 1 && !is_named(s, s->schema, "pg_catalog"))
		return SQL_NAME_UNKNOWN;
	name = decoded(s, s->last);
	if (name.n == 0 || name.n > NAME_MAX_BYTES)
		return SQL_NAME_UNKNOWN;
	return sql_name_class(name, kind);
}

static void
open_args(struct scan *s)
{
	if (s->nopen == SCAN_OPEN_CALLS)
		return; /* none of its arguments are told */
	s->open[s->nopen++] = (struct scan_open){
		.call = (uint32_t)s->info->ncalls - 1,
		.depth = s->depth + 1 };
}

/* A keyword stands where only an expression can, so it is a function's name. */
static bool
is_call_after_all(const struct scan *s, struct span word)
{
	static const char *const words[] = { "and", "call", "else", "having",
		"or", "returning", "select", "then", "when", "where" };
	const struct sql_token *b = &s->before;
	bool list;
	size_t i;

	if (!sql_may_be_function(word, &list))
		return false;
	if (b->type == TOK_OP)
		return true;
	if (b->type == TOK_CHAR)
		return !list && (s->lex.p[b->at] == '(' ||
		    s->lex.p[b->at] == ',' || s->lex.p[b->at] == '[');
	for (i = 0; i < ARRAY_LEN(words); i++)
		if (is_word(s, *b, words[i]))
			return true;
	return !list && is_word(s, *b, "by");
}

/* A name stands in front of the parenthesis at s->tok. True if a call was
 * opened whose arguments are looked at. */
static void
track_call(struct scan *s)
{
	struct sql_range name = { .at = s->name_at,
		.n = s->prev.at + s->prev.n - s->name_at };
	enum sql_call_kind kind = SQL_CALL_UNKNOWN;
	enum sql_name_class class;
	struct sql_call *c;

	if (s->parts == 1 && s->last.type == TOK_WORD &&
	    sql_is_no_function(SPAN(s->lex.p + s->last.at, s->last.n)) &&
	    !is_call_after_all(s, SPAN(s->lex.p + s->last.at, s->last.n))) {
		s->only_calls = false;
		return;
	}
	class = classify(s, &kind);
	s->only_calls &= class == SQL_NAME_EFFECT;
	/* No call stands behind INTO. */
	if (class == SQL_NAME_HARMLESS || is_word(s, s->before, "into"))
		return;
	if (class == SQL_NAME_UNKNOWN &&
	    (is_relation(s) || is_listed(s, name)))
		return;
	s->info->calls_made |= SQL_CALL_BIT(kind);
	c = scan_add_call(s);
	if (!c)
		return;
	c->kind = kind;
	c->name = name;
	c->certain = s->depth == 0;
	if (kind != SQL_CALL_UNKNOWN)
		open_args(s);
}

/* What stands before a name that begins here, but ONLY and its parenthesis. */
static struct sql_token
before_name(const struct scan *s)
{
	if (is_word(s, s->prev, "only"))
		return s->prev2;
	if (s->prev.type == TOK_CHAR && s->prev.first == '(' &&
	    is_word(s, s->prev2, "only"))
		return s->prev3;
	return s->prev;
}

/* Adds s->tok to the name it may belong to, or begins or ends one. */
static void
track_name(struct scan *s)
{
	bool point = s->prev.type == TOK_CHAR && s->prev.first == '.';

	if (sql_is_identifier(s->tok.type)) {
		if (point && s->parts > 0) {
			s->schema = s->last;
			s->parts++;
		} else {
			s->before = before_name(s);
			s->name_at = s->tok.at;
			s->parts = 1;
		}
		s->last = s->tok;
	} else if (!scan_is_char(s, '.') || !sql_is_identifier(s->prev.type))
		s->parts = 0;
}

/* --- words -------------------------------------------------------------- */

/* CREATE [OR REPLACE] [LOCAL] TEMP, SELECT ... INTO [LOCAL] TEMP; and CREATE
 * in CREATE SCHEMA. */
static bool
makes_temp(const struct scan *s)
{
	struct sql_token before = s->prev, before2 = s->prev2;

	if (is_word(s, before, "local") || is_word(s, before, "global")) {
		before = s->prev2;
		before2 = s->prev3;
	}
	if (is_word(s, before, "create") || is_word(s, before, "replace"))
		return true;
	return is_word(s, before, "into") && !is_word(s, before2, "insert") &&
	    !is_word(s, before2, "merge");
}

static void
track_routine(struct scan *s)
{
	if (s->depth > 0)
		return;
	if (scan_is(s, "function") || scan_is(s, "procedure")) {
		s->routine = true;
	} else if (s->routine && scan_is(s, "atomic") &&
	    is_word(s, s->prev, "begin")) {
		s->in_body = true;
	} else if (s->in_body && scan_is(s, "end") &&
	    ((s->prev.type == TOK_CHAR && s->prev.first == ';') ||
	    is_word(s, s->prev, "atomic")))
		s->in_body = false;
}

static void
track_word(struct scan *s)
{
	switch (s->tok.first | 0x20) {
	case 't':
		if ((scan_is(s, "temp") || scan_is(s, "temporary")) &&
		    makes_temp(s))
			s->stmt.flags |= SQL_TEMP;
		break;
	case 'd':
		if (s->is_create && s->depth == 0 && scan_is(s, "drop") &&
		    is_word(s, s->prev, "commit") &&
		    is_word(s, s->prev2, "on"))
			s->stmt.flags |= SQL_ON_COMMIT_DROP;
		break;
	}
	if (s->is_create)
		track_routine(s);
}

/* pg_temp, wherever it stands, and UPDATE [ONLY] pg_settings. */
static void
track_identifier(struct scan *s)
{
	struct span raw = SPAN(s->lex.p + s->tok.at, s->tok.n), name;

	if (s->tok.type == TOK_WORD &&
	    (raw.n < 7 || (raw.p[0] | 0x20) != 'p' || raw.p[2] != '_'))
		return;
	name = decoded(s, s->tok);
	if (name.n >= 7 && memcmp(name.p, "pg_temp", 7) == 0 &&
	    (name.n == 7 || name.p[7] == '_'))
		s->stmt.flags |= SQL_TEMP;
	if (span_is(name, "pg_settings") && is_word(s, s->before, "update") &&
	    (s->parts == 1 || is_named(s, s->schema, "pg_catalog")))
		s->sets_by_view = true;
}

/* What may stand in SELECT set_config(...) AS x, pg_advisory_lock(...): nothing
 * that could keep a call from running, or run it twice. */
static void
track_only_calls(struct scan *s)
{
	if (s->depth > 0 || !s->only_calls)
		return;
	if (s->tok.type == TOK_WORD && s->prev.type == TOK_END)
		s->only_calls = scan_is(s, "select");
	else if (s->tok.type == TOK_WORD)
		s->only_calls = scan_is(s, "as") || is_word(s, s->prev, "as") ||
		    is_word(s, s->prev, "select") ||
		    (s->prev.type == TOK_CHAR && (s->prev.first == ',' ||
		    s->prev.first == '.'));
	else if (s->tok.type == TOK_CHAR)
		s->only_calls = s->tok.first == ',' || s->tok.first == '(' ||
		    s->tok.first == ')' || s->tok.first == '.';
	else
		s->only_calls = s->tok.type == TOK_IDENT;
}

static void
track_depth(struct scan *s)
{
	switch (s->tok.first) {
	case '(':
		if (s->parts > 0)
			track_call(s);
		else if (s->depth == 0)
			s->only_calls = false;
		s->depth++;
		break;
	case '[':
		s->depth++;
		break;
	case ')':
	case ']':
		if (s->depth == 0)
			scan_unsure(s, "a parenthesis closes that is not open");
		else
			s->depth--;
		break;
	case ';':
		/* CREATE RULE ... DO (a; b), and BEGIN ATOMIC */
		if (!s->is_create)
			scan_unsure(s, "a semicolon in parentheses");
		break;
	}
}

void
track_token(struct scan *s)
{
	if (s->nopen > 0)
		track_args(s);
	track_only_calls(s);
	if (s->tok.type == TOK_CHAR)
		track_depth(s);
	track_name(s);
	if (sql_is_identifier(s->tok.type))
		track_identifier(s);
	if (s->tok.type == TOK_WORD)
		track_word(s);
}

void
track_end(struct scan *s)
{
	struct sql_info *i = s->info;
	struct sql_call *c;
	size_t k;

	/* The rule of this view calls set_config(). */
	if (s->sets_by_view) {
		i->calls_made |= SQL_CALL_BIT(SQL_CALL_SET_CONFIG);
		c = scan_add_call(s);
		if (c)
			c->kind = SQL_CALL_SET_CONFIG;
	}
	if (!s->only_calls || (s->stmt.flags & SQL_EXPLAIN))
		for (k = s->stmt.first_call; k < i->ncalls; k++)
			i->calls[k].certain = false;
}
