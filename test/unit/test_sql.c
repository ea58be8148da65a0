/* Tests of proto/sql. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/sql.h"
#include "sql_cases.h"
#include "sql_show.h"
#include "unit_suite.h"

/* What the scanner says, until the next call. */
static const char *
shown(const char *text, unsigned options)
{
	static struct buf out;
	struct sql_info i;

	buf_reset(&out);
	sql_info_init(&i);
	sql_scan(&i, span_of(text), options);
	sql_show(&out, &i);
	sql_info_fini(&i);
	return (const char *)buf_head(&out);
}

START_TEST(texts_are_what_the_table_says)
{
	for (size_t i = 0; i < ARRAY_LEN(sql_cases); i++) {
		const struct sql_case *c = &sql_cases[i];

		ck_assert_msg(strcmp(shown(c->text, SQL_STD_STRINGS),
		    c->shown) == 0, "%s\n is  %s\n not %s", c->text,
		    shown(c->text, SQL_STD_STRINGS), c->shown);
		ck_assert_msg((int)sql_quick(span_of(c->text)) == c->quick,
		    "%s: %d at a glance", c->text,
		    sql_quick(span_of(c->text)));
	}
}
END_TEST

/* What the filter lets pass the scanner must find harmless, and every
 * statement that it knows must be one of that kind. */
START_TEST(the_filter_passes_nothing_that_the_scanner_finds)
{
	struct sql_info info;
	uint64_t kinds;

	sql_info_init(&info);
	for (size_t i = 0; i < ARRAY_LEN(sql_cases); i++) {
		const char *text = sql_cases[i].text;
		enum sql_quick q = sql_quick(span_of(text));

		sql_scan(&info, span_of(text), SQL_STD_STRINGS);
		kinds = info.kinds;
		if (q == SQL_QUICK_SCAN)
			continue;
		ck_assert_msg(info.calls_made == 0, "%s", text);
		/* A broken text does nothing. */
		if (info.unsure || kinds == 0)
			continue;
		if (q == SQL_QUICK_PLAIN)
			ck_assert_msg(kinds == SQL_BIT(SQL_PLAIN), "%s", text);
		if (q == SQL_QUICK_BEGIN)
			ck_assert_msg(kinds == SQL_BIT(SQL_BEGIN), "%s", text);
		if (q == SQL_QUICK_COMMIT)
			ck_assert_msg(kinds == SQL_BIT(SQL_COMMIT), "%s",
			    text);
		if (q == SQL_QUICK_ROLLBACK)
			ck_assert_msg(kinds == SQL_BIT(SQL_ROLLBACK), "%s",
			    text);
	}
	sql_info_fini(&info);
}
END_TEST

START_TEST(tags_are_told_apart)
{
	static const char *const plain[] = { "SELECT 1", "INSERT 0 1",
		"UPDATE 3", "DELETE 0", "COPY 12", "FETCH 1", "MERGE 2",
		"MOVE 1", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT",
		"RELEASE", "START TRANSACTION", "PREPARE TRANSACTION",
		"COMMIT PREPARED", "ALTER TABLE", "DROP TABLE", "SHOW",
		"TRUNCATE TABLE", "SET CONSTRAINTS", "NOTIFY" };
	static const char *const other[] = { "", "SET", "RESET", "PREPARE",
		"DEALLOCATE", "DEALLOCATE ALL", "DISCARD ALL", "LISTEN",
		"UNLISTEN", "DECLARE CURSOR", "CLOSE CURSOR", "LOAD", "DO",
		"CALL", "CREATE TABLE", "CREATE TABLE AS", "CREATE VIEW",
		"select 1", "BEGINNING", "S", "\377" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(plain); i++)
		ck_assert_msg(sql_tag_is_plain(span_of(plain[i])), "%s",
		    plain[i]);
	for (i = 0; i < ARRAY_LEN(other); i++)
		ck_assert_msg(!sql_tag_is_plain(span_of(other[i])), "%s",
		    other[i]);
}
END_TEST

/* standard_conforming_strings off, or not known; encodings. */
START_TEST(what_the_caller_knows_decides)
{
	static const struct {
		const char *text;
		unsigned options;
		const char *shown;
	} cases[] = {
		{ "SELECT 'a\\'; SET x = 1; --'; SET y = 2", 0,
		    ". ; SET y := 2" },
		{ "SELECT 'a\\'; SET x = 1; --'", SQL_STRINGS_UNKNOWN,
		    "? . ; SET x := 1" },
		{ "SELECT E'a\\''; SET x = 1", SQL_STRINGS_UNKNOWN,
		    ". ; SET x := 1" },
		{ "SELECT 'a'; SET x = 1", SQL_STRINGS_UNKNOWN,
		    ". ; SET x := 1" },
		{ "SELECT $$\\$$", SQL_STRINGS_UNKNOWN, "." },
		{ "SELECT B'0''\\'; SET x = 1; --'", 0, "." },
		{ "SET x = 'a\\''b'", 0, "? SET x := 'a'''" },
		{ "SET x = 'a\\''''", 0, "SET x := 'a'''''" },
		{ "SELECT 'a'\n'\\''; SET x = 1", 0, ". ; SET x := 1" },
		{ "SELECT '\203\\'", SQL_STD_STRINGS, "." },
		{ "SELECT '\203\\'", SQL_STD_STRINGS | SQL_UNSAFE_ENCODING,
		    "? ." },
		{ "SELECT 1", SQL_STD_STRINGS | SQL_UNSAFE_ENCODING, "." },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_str_eq(shown(cases[i].text, cases[i].options),
		    cases[i].shown);
}
END_TEST

/* What has no name to list still is a use of unknown functions; and of the
 * functions that the body of a DO calls, the kind is told. */
START_TEST(code_that_is_not_shown_is_an_unknown_function)
{
	static const struct {
		const char *text;
		uint32_t calls;
	} cases[] = {
		{ "SELECT 1", 0 },
		{ "CREATE TABLE extension (a int)", 0 },
		{ "CREATE EXTENSION x", SQL_CALL_BIT(SQL_CALL_UNKNOWN) },
		{ "DO 'x'", SQL_CALL_BIT(SQL_CALL_UNKNOWN) },
		{ "CALL", SQL_CALL_BIT(SQL_CALL_UNKNOWN) },
		{ "DO 'PERFORM nextval(1)'", SQL_CALL_BIT(SQL_CALL_UNKNOWN) |
		    SQL_CALL_BIT(SQL_CALL_SEQ_WRITE) },
	};
	struct sql_info i;

	sql_info_init(&i);
	for (size_t k = 0; k < ARRAY_LEN(cases); k++) {
		sql_scan(&i, span_of(cases[k].text), SQL_STD_STRINGS);
		ck_assert_msg(i.calls_made == cases[k].calls, "%s",
		    cases[k].text);
		ck_assert(!i.unsure && i.flags == 0);
	}
	sql_info_fini(&i);
}
END_TEST

START_TEST(a_zero_byte_is_unsure)
{
	struct sql_info i;

	sql_info_init(&i);
	sql_scan(&i, SPAN("SELECT\0001", 8), SQL_STD_STRINGS);
	ck_assert(i.unsure);
	sql_scan(&i, SPAN(NULL, 0), SQL_STD_STRINGS);
	ck_assert(!i.unsure && i.nstmts == 0);
	sql_info_fini(&i);
}
END_TEST

/* Whatever is cut off, the ranges stay inside, and no byte behind is read
 * (which AddressSanitizer would tell). */
START_TEST(every_truncation_is_read)
{
	struct sql_info i;

	sql_info_init(&i);
	for (size_t c = 0; c < ARRAY_LEN(sql_cases); c++) {
		const char *text = sql_cases[c].text;

		for (size_t n = 0; n <= strlen(text); n++) {
			char *cut = xmalloc(n + 1);

			memcpy(cut, text, n);
			cut = xrealloc(cut, n > 0 ? n : 1);
			sql_scan(&i, SPAN(cut, n), SQL_STD_STRINGS);
			for (size_t k = 0; k < i.nstmts; k++) {
				struct sql_range r = i.stmts[k].text;

				ck_assert(r.n <= n && r.at <= n - r.n);
			}
			sql_quick(SPAN(cut, n));
			sql_is_commit(SPAN(cut, n));
			free(cut);
		}
	}
	sql_info_fini(&i);
}
END_TEST

static void
repeat(struct buf *b, const char *piece, size_t n)
{
	while (n-- > 0)
		buf_append(b, piece, strlen(piece));
}

START_TEST(too_many_statements_are_unsure)
{
	struct buf text = { 0 };
	struct sql_info i;

	sql_info_init(&i);
	/* Plain ones are not many, however many. */
	repeat(&text, "INSERT INTO t VALUES (1);", 5000);
	sql_scan(&i, buf_span(&text), SQL_STD_STRINGS);
	ck_assert(!i.unsure);
	ck_assert_uint_eq(i.nstmts, SQL_PLAIN_LISTED);
	ck_assert_uint_eq(i.nplain, 5000 - SQL_PLAIN_LISTED);
	repeat(&text, "SET x = 1;", 10);
	sql_scan(&i, buf_span(&text), SQL_STD_STRINGS);
	ck_assert_uint_eq(i.nstmts, SQL_PLAIN_LISTED + 10);
	ck_assert(!i.unsure && i.stmts[i.nstmts - 1].kind == SQL_SET);
	repeat(&text, "SET x = 1;", SQL_MAX_STMTS);
	sql_scan(&i, buf_span(&text), SQL_STD_STRINGS);
	ck_assert(i.unsure && i.nstmts == SQL_MAX_STMTS);
	sql_info_fini(&i);
	buf_free(&text);
}
END_TEST

START_TEST(too_many_calls_are_unsure)
{
	struct buf text = { 0 };
	struct sql_info i;

	sql_info_init(&i);
	/* A function that is not known is listed once. */
	repeat(&text, "SELECT 1", 1);
	repeat(&text, ", f(1), g(2)", 5000);
	sql_scan(&i, buf_span(&text), SQL_STD_STRINGS);
	ck_assert(!i.unsure && i.ncalls == 2);
	repeat(&text, ", setseed(1)", SQL_MAX_CALLS);
	sql_scan(&i, buf_span(&text), SQL_STD_STRINGS);
	ck_assert(i.unsure && i.ncalls == SQL_MAX_CALLS);
	sql_info_fini(&i);
	buf_free(&text);
}
END_TEST

/* A megabyte of each takes some milliseconds; were it quadratic, hours. */
START_TEST(time_is_linear)
{
	static const char *const pieces[] = { "'", "''", "\"", "E'\\", "/*",
		"/**/", "*/", "--\n", "$a", "$a$", "$a$ $b$ ", "$", "(", ")",
		"((", "f(", "set_config(", "set_config('a',", "a.", "\n'",
		"''\n", "''--\n", "U&'' ", "U&''/**/", "U&\"\" ", ";", "; ",
		"SET x=1;", "DO '';", "DO $$SET x$$;", "EXPLAIN ", "(1,",
		"a ", "into ", "+", "-", "/", "'a'\n", "\\", "1", "e", "1e",
		".", ":", "[", "]", "begin atomic ", "create ", "\303", " (",
		"in (", "a(", "a,(", "- (", "uescape ", "U&'a' uescape " };
	struct buf text = { 0 };
	struct sql_info info;
	clock_t start;

	sql_info_init(&info);
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
		for (int head = 0; head < 2; head++) {
			buf_reset(&text);
			repeat(&text, "SELECT ", (size_t)head);
			repeat(&text, pieces[i], (1 << 20) /
			    strlen(pieces[i]));
			start = clock();
			sql_scan(&info, buf_span(&text), SQL_STD_STRINGS);
			sql_scan(&info, buf_span(&text), 0);
			sql_quick(buf_span(&text));
			sql_is_commit(buf_span(&text));
			ck_assert_msg((clock() - start) / CLOCKS_PER_SEC < 10,
			    "%s", pieces[i]);
		}
	sql_info_fini(&info);
	buf_free(&text);
}
END_TEST

/* Name, or value, of a text's first statement. */
static const char *
part_of(const char *text, bool literal)
{
	static struct buf out;
	struct sql_info i;
	bool ok;

	buf_reset(&out);
	buf_append(&out, "<", 1);
	sql_info_init(&i);
	sql_scan(&i, span_of(text), SQL_STD_STRINGS);
	ck_assert_uint_ge(i.nstmts, 1);
	ok = literal ? sql_literal(&i, i.stmts[0].value, &out) :
	    sql_name(&i, i.stmts[0].name, &out);
	sql_info_fini(&i);
	if (!ok)
		ck_assert_uint_eq(buf_len(&out), 1);
	buf_append(&out, ok ? ">" : "?", 2);
	return (const char *)buf_head(&out);
}

#define TEN "aaaaaaaaaa"
#define SIXTY TEN TEN TEN TEN TEN TEN

START_TEST(names_are_as_postgresql_keeps_them)
{
	static const char *const cases[][2] = {
		{ "LISTEN Chan", "<chan>" },
		{ "LISTEN \"Chan \"\"x\"\"\"", "<Chan \"x\">" },
		{ "LISTEN \303\204b", "<\303\204b>" },
		{ "LISTEN U&\"a\\0042\\\\\"", "<aB\\>" },
		{ "LISTEN U&\"a!0042\\!!\" UESCAPE '!'", "<aB\\!>" },
		{ "LISTEN U&\"\\00e4\"", "<?" },
		{ "LISTEN U&\"\\004\"", "<?" },
		{ "SAVEPOINT \"a.b\"", "<a.b>" },
		{ "LISTEN " SIXTY "abcdef", "<" SIXTY "abc>" },
		{ "LISTEN \"" SIXTY "abcdef\"", "<" SIXTY "abc>" },
		{ "LISTEN " SIXTY "ab\303\244", "<" SIXTY "ab>" },
		{ "SET my . \"X\" = 1", "<my.X>" },
		{ "SET a." SIXTY "abcdef.b = 1", "<a." SIXTY "abc.b>" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_str_eq(part_of(cases[i][0], false), cases[i][1]);
}
END_TEST

START_TEST(literals_are_decoded)
{
	static const char *const cases[][2] = {
		{ "LOAD 'a''b'", "<a'b>" },
		{ "LOAD 'a\\n'", "<a\\n>" },
		{ "LOAD 'a' -- 'x'\n  'b'", "<ab>" },
		{ "LOAD E'\\b\\f\\n\\r\\t\\q\\'\\\\'", "<\b\f\n\r\tq'\\>" },
		{ "LOAD E'\\101\\x41\\x4g\\u0041\\U00000041'", "<AA\004gAA>" },
		{ "LOAD E'\\x'", "<x>" },
		{ "LOAD E'\\0'", "<?" },
		{ "LOAD E'\\377'", "<?" },
		{ "LOAD E'\\u00e4'", "<?" },
		{ "LOAD E'\\u04'", "<?" },
		{ "LOAD E'\\v'", "<?" },
		{ "LOAD E'\303\244'", "<\303\244>" },
		{ "LOAD E'a'\n'\\''", "<a'>" },
		{ "LOAD U&'\\0041\\+000042\\\\'", "<AB\\>" },
		{ "LOAD U&'x0041' UESCAPE 'x'", "<A>" },
		{ "LOAD U&'x004' UESCAPE 'x'", "<?" },
		{ "LOAD U&'?0041''' UESCAPE '?'", "<A'>" },
		{ "LOAD $$a'b$$", "<a'b>" },
		{ "LOAD $x$a$$b$x$", "<a$$b>" },
		{ "LOAD $$$$", "<>" },
		{ "LOAD ''", "<>" },
		{ "LOAD B'01'", "<?" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_msg(strcmp(part_of(cases[i][0], true),
		    cases[i][1]) == 0, "%s is %s", cases[i][0],
		    part_of(cases[i][0], true));
}
END_TEST

START_TEST(commits_are_told)
{
	static const char *const yes[] = { "COMMIT", "end;", " /* x */ commit",
		"-- x\nEnd", ";;COMMIT", "PREPARE TRANSACTION 'x'",
		"prepare/**/transaction", "COMMIT AND CH", "end/*" };
	static const char *const no[] = { "", "COMMITS", "SELECT 1; COMMIT",
		"PREPARE x AS", "/* COMMIT", "RELEASE a", "'COMMIT'",
		"\"commit\"", "ROLLBACK", "COMMIT$" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(yes); i++)
		ck_assert_msg(sql_is_commit(span_of(yes[i])), "%s", yes[i]);
	for (i = 0; i < ARRAY_LEN(no); i++)
		ck_assert_msg(!sql_is_commit(span_of(no[i])), "%s", no[i]);
}
END_TEST

/* What the filter looks for, at each place of a text of each length. */
START_TEST(the_filter_sees_every_place)
{
	static const char *const suspects[] = { "f(", ";a", "into" };
	char text[120];
	size_t n, at, i;

	for (i = 0; i < ARRAY_LEN(suspects); i++)
		for (n = 12; n < sizeof(text); n++)
			for (at = 7; at + strlen(suspects[i]) <= n; at++) {
				memset(text, 'x', n);
				memcpy(text, "SELECT ", 7);
				ck_assert(sql_is_plain(SPAN(text, n)));
				memcpy(text + at, suspects[i],
				    strlen(suspects[i]));
				ck_assert_msg(!sql_is_plain(SPAN(text, n)),
				    "%.*s", (int)n, text);
			}
}
END_TEST

UNIT_MAIN(UNIT_SUITE("sql", texts_are_what_the_table_says,
    the_filter_passes_nothing_that_the_scanner_finds, tags_are_told_apart,
    what_the_caller_knows_decides,
    code_that_is_not_shown_is_an_unknown_function, a_zero_byte_is_unsure,
    every_truncation_is_read, too_many_statements_are_unsure,
    too_many_calls_are_unsure, time_is_linear,
    names_are_as_postgresql_keeps_them, literals_are_decoded,
    commits_are_told, the_filter_sees_every_place))
