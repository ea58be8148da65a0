/*
 * Any bytes as SQL. What the scanner gives lies inside the text; what the
 * filter lets pass the scanner finds harmless; a statement alone is what it was
 * among others; a value that is written again reads the same.
 *
 * The first byte is the options, the rest the text.
 */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "proto/sql.h"

static void
check_range(const struct sql_info *i, struct sql_range r)
{
	assert(r.n <= i->text.n && r.at <= i->text.n - r.n);
}

static void
check_inside(struct sql_range r, struct sql_range whole)
{
	assert(r.n == 0 ||
	    (r.at >= whole.at && r.at + r.n <= whole.at + whole.n));
}

/* Both ways to read strings give what value says. */
static void
check_value(struct span value)
{
	struct buf text = { 0 }, again = { 0 };
	struct sql_info i;
	unsigned std;

	buf_printf(&text, "SET x TO ");
	buf_append(&text, value.p, value.n);
	sql_info_init(&i);
	for (std = 0; std < 2; std++) {
		buf_reset(&again);
		sql_scan(&i, buf_span(&text), std ? SQL_STD_STRINGS : 0);
		assert(!i.unsure && i.nstmts == 1);
		assert(i.stmts[0].kind == SQL_SET);
		assert(sql_value(&i, &i.stmts[0], &again));
		assert(span_eq(buf_span(&again), value));
	}
	sql_info_fini(&i);
	buf_free(&again);
	buf_free(&text);
}

static void
check_stmt(const struct sql_info *i, const struct sql_stmt *s)
{
	struct buf out = { 0 };

	check_range(i, s->text);
	check_inside(s->keyword, s->text);
	check_inside(s->name, s->text);
	check_inside(s->args, s->text);
	check_inside(s->value, s->text);
	assert(s->first_call <= i->ncalls);
	assert(s->ncalls <= i->ncalls - s->first_call);
	sql_name(i, s->name, &out);
	sql_literal(i, s->value, &out);
	sql_setting(i, s, &out);
	buf_reset(&out);
	if (!i->unsure && s->kind == SQL_SET && sql_value(i, s, &out))
		check_value(buf_span(&out));
	buf_free(&out);
	assert(sql_kind_name(s->kind) != NULL);
}

static void
check_call(const struct sql_info *i, const struct sql_call *c)
{
	struct buf out = { 0 };
	size_t k;

	check_range(i, c->name);
	sql_name(i, c->name, &out);
	for (k = 0; k < SQL_CALL_ARGS; k++) {
		check_range(i, c->arg[k]);
		sql_literal(i, c->arg[k], &out);
	}
	buf_free(&out);
}

/* A statement by itself. */
static void
check_alone(const struct sql_info *i, const struct sql_stmt *s)
{
	struct sql_info alone;

	sql_info_init(&alone);
	sql_scan(&alone, SPAN(i->text.p + s->text.at, s->text.n),
	    i->options);
	assert(!alone.unsure && alone.nstmts == 1);
	assert(alone.stmts[0].kind == s->kind);
	assert(alone.stmts[0].flags == s->flags);
	assert(alone.ncalls == s->ncalls);
	sql_info_fini(&alone);
}

static bool
is_update(const struct sql_info *i)
{
	struct sql_range r = i->stmts[0].keyword;

	return span_is_nocase(SPAN(i->text.p + r.at, r.n), "update");
}

/* Calls without a name are an UPDATE of pg_settings, which is no statement in
 * the midst of another. */
static void
check_filter(const struct sql_info *i)
{
	static const uint64_t kinds[] = {
		[SQL_QUICK_SCAN] = UINT64_MAX,
		[SQL_QUICK_PLAIN] = SQL_BIT(SQL_PLAIN),
		[SQL_QUICK_BEGIN] = SQL_BIT(SQL_BEGIN),
		[SQL_QUICK_COMMIT] = SQL_BIT(SQL_COMMIT),
		[SQL_QUICK_ROLLBACK] = SQL_BIT(SQL_ROLLBACK),
	};
	enum sql_quick q = sql_quick(i->text);
	size_t k;

	/* No message's text holds a zero byte. */
	if (q == SQL_QUICK_SCAN || memchr(i->text.p, 0, i->text.n))
		return;
	assert((i->kinds & ~kinds[q]) == 0);
	for (k = 0; k < i->ncalls; k++)
		assert(i->calls[k].name.n == 0 && !is_update(i));
	/* SELECT * FROM pg_temp.x */
	assert((i->flags & ~(uint32_t)SQL_TEMP) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sql_info i;
	size_t k;

	if (n == 0)
		return 0;
	sql_info_init(&i);
	sql_scan(&i, SPAN(data + 1, n - 1), data[0] & 7);
	assert(i.nstmts <= SQL_MAX_STMTS && i.ncalls <= SQL_MAX_CALLS);
	assert(i.unsure == (i.why != NULL));
	for (k = 0; k < i.nstmts; k++) {
		check_stmt(&i, &i.stmts[k]);
		if (!i.unsure)
			check_alone(&i, &i.stmts[k]);
	}
	for (k = 0; k < i.ncalls; k++)
		check_call(&i, &i.calls[k]);
	check_filter(&i);
	sql_info_fini(&i);
	sql_is_commit(SPAN(data + 1, n - 1));
	sql_tag_is_plain(SPAN(data + 1, n - 1));
	return 0;
}
