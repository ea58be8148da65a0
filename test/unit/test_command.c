/* The console's grammar, and how its results are put on the wire. */
#include <stdlib.h>
#include <string.h>

#include "control/command.h"
#include "control/rows.h"

#include "unit.h"

static bool
parse(const char *text, struct command *c, struct err *e)
{
	return command_parse(span_of(text), c, e);
}

static const struct good {
	const char *text;
	const char *verb;
	const char *arg; /* NULL: none */
	const char *value; /* NULL: none */
} good[] = {
	{ "SHOW POOLS", "SHOW", "POOLS", NULL },
	{ "show pools;", "show", "pools", NULL },
	{ " \t\n show \r\n pools \v ; \f ", "show", "pools", NULL },
	{ "RELOAD", "RELOAD", NULL, NULL },
	{ "RELOAD;", "RELOAD", NULL, NULL },
	{ "PAUSE \"my-db\"", "PAUSE", "my-db", NULL },
	{ "PAUSE \"a\"\"b\";", "PAUSE", "a\"b", NULL },
	{ "PAUSE \"a;b\"", "PAUSE", "a;b", NULL },
	{ "PAUSE \"\"", "PAUSE", "", NULL },
	{ "PAUSE 9_x", "PAUSE", "9_x", NULL },
	{ "SET a=b", "SET", "a", "b" },
	{ "set a = 'b c';", "set", "a", "b c" },
	{ "SET a TO b", "SET", "a", "b" },
	{ "SET a to 'it''s'", "SET", "a", "it's" },
	{ "SET a = \"b\"\"c\"", "SET", "a", "b\"c" },
	{ "SET a = ''", "SET", "a", "" },
	{ "SET to = to", "SET", "to", "to" },
	{ "\"SHOW\" version", "SHOW", "version", NULL },
	{ "PAUSE timeout", "PAUSE", "timeout", NULL },
	{ "PAUSE db;", "PAUSE", "db", NULL },
};

static const struct timed {
	const char *text;
	const char *arg; /* NULL: none */
	const char *timeout;
} timed[] = {
	{ "PAUSE db TIMEOUT 5s", "db", "5s" },
	{ "pause db timeout '0.5';", "db", "0.5" },
	{ "PAUSE TIMEOUT 5s ; ", NULL, "5s" },
	{ "PAUSE timeout TIMEOUT 5s", "timeout", "5s" },
	{ "PAUSE \"timeout\" TIMEOUT 5s", "timeout", "5s" },
	{ "PAUSE TIMEOUT timeout", NULL, "timeout" },
};

START_TEST (a_timeout_stands_behind_the_argument) {
	const struct timed *g = &timed[_i];
	struct command c;
	struct err e;

	ck_assert_msg(parse(g->text, &c, &e), "%s", g->text);
	ck_assert_int_eq(c.has_arg, g->arg != NULL);
	if (g->arg != NULL)
		ck_assert_str_eq(c.arg, g->arg);
	ck_assert(c.has_timeout);
	ck_assert_str_eq(c.timeout, g->timeout);
	ck_assert(!c.has_value);
}
END_TEST

START_TEST (a_command_is_taken_apart) {
	const struct good *g = &good[_i];
	struct command c;
	struct err e;

	ck_assert_msg(parse(g->text, &c, &e), "%s", g->text);
	ck_assert_str_eq(c.verb, g->verb);
	ck_assert_int_eq(c.has_arg, g->arg != NULL);
	if (g->arg != NULL)
		ck_assert_str_eq(c.arg, g->arg);
	ck_assert_int_eq(c.has_value, g->value != NULL);
	if (g->value != NULL)
		ck_assert_str_eq(c.value, g->value);
}
END_TEST

static const char *const bad[] = {
	"",
	" ",
	";",
	"SHOW POOLS; SHOW POOLS",
	"SHOW; POOLS",
	"SHOW POOLS;;",
	"SHOW POOLS CLIENTS",
	"PAUSE a TIMEOUT",
	"PAUSE a TIMEOUT 5s 6s",
	"PAUSE TIMEOUT 5s 6s",
	"PAUSE \"TIMEOUT\" 5s",
	"PAUSE a \"TIMEOUT\" 5s",
	"PAUSE a TIMEOUT 0.5",
	"PAUSE a TIMEOUT '5",
	"SET a = b TIMEOUT 5s",
	"SHOW my-db",
	"SHOW \"pools",
	"SHOW pools\"",
	"PAUSE 'db'",
	"SET",
	"SET a",
	"SET a =",
	"SET a b",
	"SET a = b c",
	"SET a TOb",
	"SET a = 0.5",
	"SET a = -1",
	"SET a = 'b",
	"SET a == b",
	"SET = b",
	"-- comment",
	"(SHOW POOLS)",
	"SHOW,POOLS",
};

START_TEST (what_is_no_command_is_quoted_in_the_error) {
	struct command c;
	struct err e;
	char *want = xasprintf("invalid command '%s', use SHOW HELP;", bad[_i]);

	ck_assert_msg(!parse(bad[_i], &c, &e), "%s", bad[_i]);
	ck_assert_str_eq(e.msg, want);
	ck_assert_str_eq(e.sqlstate, "42601");
	free(want);
}
END_TEST

/* Verb below 16 bytes, argument below 64, value below 256. */
static void
check_length(const char *before, size_t n, const char *after, bool fits)
{
	struct command c;
	struct err e;
	char text[400] = "";

	strcat(text, before);
	memset(text + strlen(text), 'x', n);
	strcat(text, after);
	ck_assert_int_eq(parse(text, &c, &e), fits);
	if (!fits)
		ck_assert_str_eq(e.msg, "bad arguments");
}

START_TEST (a_word_that_is_too_long_is_refused) {
	check_length("", 15, "", true);
	check_length("", 16, "", false);
	check_length("PAUSE ", 63, "", true);
	check_length("PAUSE ", 64, ";", false);
	check_length("PAUSE \"", 64, "\"", false);
	check_length("SET a = '", 255, "'", true);
	check_length("SET a = '", 256, "'", false);
	check_length("SET ", 64, " = b", false);
}
END_TEST

START_TEST (no_truncation_is_read_past_its_end) {
	static const char text[] = "SET \"a\"\"b\" TO 'c''d' ;";
	struct command c;
	struct err e;
	size_t n;

	for (n = 0; n < sizeof(text); n++) {
		/* Exactly as long, for the address sanitizer to see. */
		uint8_t *copy = xmalloc(n + 1);

		memcpy(copy, text, n);
		copy = xrealloc(copy, n > 0 ? n : 1);
		(void)command_parse(SPAN(copy, n), &c, &e);
		free(copy);
	}
	ck_assert(command_parse(SPAN_LIT(text), &c, &e));
	ck_assert_str_eq(c.arg, "a\"b");
	ck_assert_str_eq(c.value, "c'd");
}
END_TEST

START_TEST (a_long_text_is_cut_in_the_error) {
	struct command c;
	struct err e;
	char *text = xmalloc(100001);

	memset(text, '(', 100000);
	text[100000] = '\0';
	ck_assert(!parse(text, &c, &e));
	ck_assert(strlen(e.msg) < 300);
	free(text);
}
END_TEST

/* ---- rows ---- */

/* From `select numeric_send(x)` of a PostgreSQL 15. */
static const struct numeric {
	const char *text;
	const char *bytes;
	size_t n;
} numerics[] = {
	{ "0", "\0\0\0\0\0\0\0\0", 8 },
	{ "1", "\0\1\0\0\0\0\0\0\0\1", 10 },
	{ "-1", "\0\1\0\0\x40\0\0\0\0\1", 10 },
	{ "9999", "\0\1\0\0\0\0\0\0\x27\x0f", 10 },
	{ "10000", "\0\1\0\1\0\0\0\0\0\1", 10 },
	{ "12345678", "\0\2\0\1\0\0\0\0\x04\xd2\x16\x2e", 12 },
	{ "18446744073709551615",
	    "\0\5\0\4\0\0\0\0\x07\x34\x1a\x58\x02\xe1\x03\xbb\x06\x4f", 18 },
};

START_TEST (a_numeric_is_sent_as_postgresql_reads_it) {
	const struct numeric *n = &numerics[_i];
	struct buf b = { 0 };

	rows_numeric(n->text, &b);
	ck_assert_uint_eq(buf_len(&b), n->n);
	ck_assert_mem_eq(buf_head(&b), n->bytes, n->n);
	buf_free(&b);
}
END_TEST

static const struct rows_column columns[] = {
	{ "t", COL_TEXT, "" },
	{ "i", COL_INT4, "" },
	{ "q", COL_INT8, "" },
};

START_TEST (a_row_is_sent_in_the_formats_asked_for) {
	static const uint16_t binary = 1;
	static const char want[] = "D\0\0\0\x1f\0\3"
				   "\0\0\0\1x"
				   "\0\0\0\4\xff\xff\xff\xff"
				   "\0\0\0\x08\0\0\0\1\0\0\0\2";
	struct rows_formats f = { .v = &binary, .n = 1 };
	struct buf b = { 0 };
	struct rows r;

	rows_init(&r, columns, ARRAY_LEN(columns));
	rows_add(&r, 0);
	rows_text(&r, "x");
	rows_int(&r, -1);
	rows_int(&r, 4294967298);
	rows_send(&r, 0, f, &b);
	ck_assert_uint_eq(buf_len(&b), sizeof(want) - 1);
	ck_assert_mem_eq(buf_head(&b), want, sizeof(want) - 1);
	buf_free(&b);
	rows_fini(&r);
}
END_TEST

START_TEST (a_cell_that_was_not_filled_in_is_null) {
	static const char want[] = "D\0\0\0\x12\0\3"
				   "\xff\xff\xff\xff"
				   "\xff\xff\xff\xff"
				   "\xff\xff\xff\xff";
	struct buf b = { 0 };
	struct rows r;

	rows_init(&r, columns, ARRAY_LEN(columns));
	rows_add(&r, 0);
	rows_send(&r, 0, (struct rows_formats){ 0 }, &b);
	ck_assert_uint_eq(buf_len(&b), sizeof(want) - 1);
	ck_assert_mem_eq(buf_head(&b), want, sizeof(want) - 1);
	buf_free(&b);
	rows_fini(&r);
}
END_TEST

START_TEST (rows_of_several_workers_are_sorted_together) {
	struct rows a, b, all;

	rows_init(&all, columns, ARRAY_LEN(columns));
	rows_init(&a, columns, ARRAY_LEN(columns));
	rows_init(&b, columns, ARRAY_LEN(columns));
	rows_add(&a, 3);
	rows_text(&a, "three");
	rows_add(&b, 2);
	rows_text(&b, "two");
	rows_add(&a, 1);
	rows_text(&a, "one");
	rows_take(&all, &a);
	rows_take(&all, &b);
	rows_sort(&all);
	ck_assert_uint_eq(all.n, 3);
	ck_assert_str_eq(rows_cell(&all, 0, 0), "one");
	ck_assert_str_eq(rows_cell(&all, 1, 0), "two");
	ck_assert_str_eq(rows_cell(&all, 2, 0), "three");
	rows_fini(&all);
}
END_TEST

START_TEST (a_row_that_came_twice_is_kept_once) {
	static const uint64_t keys[] = { 7, 0, 3, 7, 0, 7 };
	struct rows r;

	rows_init(&r, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		rows_add(&r, keys[i]);
	rows_sort(&r);
	rows_unique(&r);
	/* Those without a key are all different. */
	ck_assert_uint_eq(r.n, 4);
	rows_fini(&r);
}
END_TEST

static Suite *
command_suite(void)
{
	Suite *s = suite_create("command");
	TCase *t = tcase_create("grammar");
	TCase *r = tcase_create("rows");

	tcase_add_loop_test(t, a_command_is_taken_apart, 0,
	    (int)ARRAY_LEN(good));
	tcase_add_loop_test(t, what_is_no_command_is_quoted_in_the_error, 0,
	    (int)ARRAY_LEN(bad));
	tcase_add_loop_test(t, a_timeout_stands_behind_the_argument, 0,
	    (int)ARRAY_LEN(timed));
	tcase_add_test(t, a_word_that_is_too_long_is_refused);
	tcase_add_test(t, no_truncation_is_read_past_its_end);
	tcase_add_test(t, a_long_text_is_cut_in_the_error);
	suite_add_tcase(s, t);
	tcase_add_loop_test(r, a_numeric_is_sent_as_postgresql_reads_it, 0,
	    (int)ARRAY_LEN(numerics));
	tcase_add_test(r, a_row_is_sent_in_the_formats_asked_for);
	tcase_add_test(r, a_cell_that_was_not_filled_in_is_null);
	tcase_add_test(r, rows_of_several_workers_are_sorted_together);
	tcase_add_test(r, a_row_that_came_twice_is_kept_once);
	suite_add_tcase(s, r);
	return s;
}

UNIT_MAIN(command_suite())
