/* The grammar of pooler.ini and of connection strings. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "policy/ini.h"
#include "unit_suite.h"

struct want {
	enum ini_kind kind;
	const char *key, *value;
};

static void
expect_items(const char *text, const struct want *want)
{
	struct ini ini;
	struct err e;

	ini_init(&ini, span_of(text));
	for (;; want++) {
		enum ini_kind kind = ini_next(&ini, &e);

		ck_assert_msg(kind == want->kind, "%s: kind %d", text, kind);
		if (kind == INI_END)
			break;
		if (want->key != NULL)
			ck_assert_msg(span_is(ini.key, want->key), "%s: key",
			    text);
		if (want->value != NULL)
			ck_assert_msg(span_is(ini.value, want->value),
			    "%s: value", text);
	}
	ini_fini(&ini);
}

START_TEST(line_gives_its_item)
{
	static const struct {
		const char *text;
		struct want want;
	} cases[] = {
		{ "[pooler]", { INI_SECTION, "pooler", NULL } },
		{ "  [ pooler ]  ", { INI_SECTION, "pooler", NULL } },
		{ "a=b", { INI_KEY, "a", "b" } },
		{ "  a =  b c  ", { INI_KEY, "a", "b c" } },
		{ "a =", { INI_KEY, "a", "" } },
		{ "a=b;c", { INI_KEY, "a", "b;c" } },
		{ "a=b # c", { INI_KEY, "a", "b # c" } },
		{ "a==b", { INI_KEY, "a", "=b" } },
		{ "*=b", { INI_KEY, "*", "b" } },
		{ "a.b-c_9=x", { INI_KEY, "a.b-c_9", "x" } },
		{ "'my db'=x", { INI_KEY, "my db", "x" } },
		{ "'it''s' = x", { INI_KEY, "it's", "x" } },
		{ "\"my db\" = x", { INI_KEY, "my db", "x" } },
		{ "\"a\"\"b\" = x", { INI_KEY, "a\"b", "x" } },
		{ "a = b\r", { INI_KEY, "a", "b" } },
		{ "\xef\xbb\xbf" "a=b", { INI_KEY, "a", "b" } },
		{ "%include x y.ini ", { INI_INCLUDE, NULL, "x y.ini" } },
		{ "%include", { INI_BAD, NULL, NULL } },
		{ "%includex", { INI_BAD, NULL, NULL } },
		{ "%import x", { INI_BAD, NULL, NULL } },
		{ "[pooler", { INI_BAD, NULL, NULL } },
		{ "[pooler] x", { INI_BAD, NULL, NULL } },
		{ "a", { INI_BAD, NULL, NULL } },
		{ "a b = c", { INI_BAD, NULL, NULL } },
		{ "a/b = c", { INI_BAD, NULL, NULL } },
		{ "'a = c", { INI_BAD, NULL, NULL } },
		{ "'' = c", { INI_BAD, NULL, NULL } },
		{ "= c", { INI_BAD, NULL, NULL } },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_items(cases[i].text, (struct want[]){ cases[i].want,
		    { INI_END, NULL, NULL } });
}
END_TEST

START_TEST(comments_and_empty_lines_give_nothing)
{
	expect_items("\n ; x = y\n#z=1\n \t\n;", (struct want[]){
	    { INI_END, NULL, NULL } });
}
END_TEST

START_TEST(reading_goes_on_behind_a_bad_line_and_counts_lines)
{
	struct ini ini;
	struct err e;

	ini_init(&ini, SPAN_LIT("; c\nbad\n\na=b"));
	ck_assert_int_eq(ini_next(&ini, &e), INI_BAD);
	ck_assert_int_eq(ini.line, 2);
	ck_assert(err_is_set(&e));
	ck_assert_int_eq(ini_next(&ini, &e), INI_KEY);
	ck_assert_int_eq(ini.line, 4);
	ck_assert_int_eq(ini_next(&ini, &e), INI_END);
	ini_fini(&ini);
}
END_TEST

START_TEST(nul_byte_is_refused)
{
	struct ini ini;
	struct err e;

	ini_init(&ini, SPAN_LIT("a=b\0c"));
	ck_assert_int_eq(ini_next(&ini, &e), INI_BAD);
	ini_fini(&ini);
}
END_TEST

START_TEST(every_truncation_of_a_file_is_read_to_its_end)
{
	static const char text[] = "[p]\n'a''b' = c\n%include x\n\"q\"=\n";

	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = xmalloc(n + 1);
		struct ini ini;
		struct err e;
		int items = 0;

		memcpy(copy, text, n);
		ini_init(&ini, SPAN(copy, n));
		while (ini_next(&ini, &e) != INI_END)
			ck_assert_int_lt(items++, 5);
		ini_fini(&ini);
		free(copy);
	}
}
END_TEST

/* The pairs as "k<v>k<v>", or NULL if there was an error. */
static char *
pairs(struct span text)
{
	struct connstr c;
	struct buf out = { 0 };
	struct err e;
	enum connstr_kind kind;
	char *s;

	connstr_init(&c, text);
	while ((kind = connstr_next(&c, &e)) == CONNSTR_PAIR)
		buf_printf(&out, "%.*s<%.*s>", (int)c.key.n,
		    (const char *)c.key.p, (int)c.value.n,
		    c.value.n > 0 ? (const char *)c.value.p : "");
	buf_append(&out, "", 1);
	s = kind == CONNSTR_END ? xstrdup((const char *)buf_head(&out)) : NULL;
	buf_free(&out);
	connstr_fini(&c);
	return s;
}

START_TEST(connection_string_gives_its_pairs)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "" },
		{ "   ", "" },
		{ "host=a port=5", "host<a>port<5>" },
		{ "host = a\tport= 5", "host<a>port<5>" },
		{ "host='a b'", "host<a b>" },
		{ "password=''", "password<>" },
		{ "password='' host=x", "password<>host<x>" },
		{ "password='it''s'", "password<it's>" },
		{ "password = a=b", "password<a=b>" },
		{ "password=a=b", "password<a=b>" },
		{ "password=a'b", "password<a'b>" },
		{ "host=", NULL },
		{ "host= ", NULL },
		{ "host= port=5", NULL },
		{ "host", NULL },
		{ "host a", NULL },
		{ "=a", NULL },
		{ "host='a", NULL },
		{ "host='a'b", NULL },
		{ "host='a' x", NULL },
		{ "ho/st=a", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char *got = pairs(span_of(cases[i].text));

		if (cases[i].want == NULL)
			ck_assert_msg(got == NULL, "%s", cases[i].text);
		else
			ck_assert_msg(got != NULL && strcmp(got,
			    cases[i].want) == 0, "%s: %s", cases[i].text, got);
		free(got);
	}
}
END_TEST

START_TEST(error_never_shows_the_rest_of_a_password)
{
	static const char *const cases[] = { "password=abc sesame",
		"password='abc' sesame", "password='abcsesame",
		"password=abc sesame host=x" };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct connstr c;
		struct err e;
		enum connstr_kind kind;

		connstr_init(&c, span_of(cases[i]));
		while ((kind = connstr_next(&c, &e)) == CONNSTR_PAIR)
			;
		ck_assert_int_eq(kind, CONNSTR_BAD);
		ck_assert_ptr_null(strstr(e.msg, "sesame"));
		connstr_fini(&c);
	}
}
END_TEST

START_TEST(quoted_values_and_names_read_back)
{
	static const char *const cases[] = { "", "a", "a b", "it's", "'", "''",
		"\"x\"", "a\tb", "x=y", " ", "#;[]%" };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = { 0 };
		struct connstr c;
		struct ini ini;
		struct err e;

		buf_printf(&out, "k=");
		connstr_quote(&out, cases[i]);
		connstr_init(&c, buf_span(&out));
		ck_assert_int_eq(connstr_next(&c, &e), CONNSTR_PAIR);
		ck_assert_msg(span_is(c.value, cases[i]), "<%s>", cases[i]);
		ck_assert_int_eq(connstr_next(&c, &e), CONNSTR_END);
		connstr_fini(&c);
		buf_reset(&out);
		ck_assert(ini_quote_key(&out, cases[i]));
		buf_printf(&out, " = v");
		ini_init(&ini, buf_span(&out));
		if (cases[i][0] != '\0') {
			ck_assert_int_eq(ini_next(&ini, &e), INI_KEY);
			ck_assert(span_is(ini.key, cases[i]));
		}
		ini_fini(&ini);
		buf_free(&out);
	}
}
END_TEST

START_TEST(list_gives_its_items_without_blanks)
{
	const char *at = " a, b c ,,d , ";
	struct span item;

	ck_assert(list_next(&at, &item) && span_is(item, "a"));
	ck_assert(list_next(&at, &item) && span_is(item, "b c"));
	ck_assert(list_next(&at, &item) && span_is(item, "d"));
	ck_assert(!list_next(&at, &item));
	at = "";
	ck_assert(!list_next(&at, &item));
}
END_TEST

UNIT_MAIN(UNIT_SUITE("ini", line_gives_its_item,
    comments_and_empty_lines_give_nothing,
    reading_goes_on_behind_a_bad_line_and_counts_lines, nul_byte_is_refused,
    every_truncation_of_a_file_is_read_to_its_end,
    connection_string_gives_its_pairs,
    error_never_shows_the_rest_of_a_password,
    quoted_values_and_names_read_back, list_gives_its_items_without_blanks))
