/* Tests of proto/param. */
#include <string.h>

#include "proto/param.h"
#include "unit.h"

static struct param_names *
names_of(const char *extra)
{
	struct err e = { 0 };
	struct param_names *n = param_names_new(extra, &e);

	ck_assert_msg(n != NULL, "%s", e.msg);
	return n;
}

START_TEST(fixed_names_come_first)
{
	struct param_names *n = names_of(" IntervalStyle,, search_path ");

	ck_assert_uint_eq(param_names_count(n), 7);
	ck_assert_str_eq(param_name(n, 0), "DateStyle");
	ck_assert_str_eq(param_name(n, 4), "application_name");
	ck_assert_str_eq(param_name(n, 6), "search_path");
	ck_assert_int_eq(param_index(n, "TIMEZONE"), 2);
	ck_assert_int_eq(param_index(n, "intervalstyle"), 5);
	ck_assert_int_eq(param_index(n, "work_mem"), -1);
	param_names_unref(param_names_ref(n));
	param_names_unref(n);
	n = names_of("timezone, timezone");
	ck_assert_uint_eq(param_names_count(n), 5);
	param_names_unref(n);
	param_names_unref(NULL);
}
END_TEST

START_TEST(names_that_cannot_be_are_refused)
{
	static const char *const bad[] = { "options", "Options", "a b",
		"a;b", "1a", "a.", "'", "a=b" };
	struct buf many = { 0 };
	struct err e;
	size_t i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		err_clear(&e);
		ck_assert_msg(param_names_new(bad[i], &e) == NULL, "%s",
		    bad[i]);
		ck_assert(err_is_set(&e));
	}
	for (i = 5; i < PARAM_MAX; i++)
		buf_printf(&many, "x%zu,", i);
	buf_append(&many, "", 1);
	param_names_unref(names_of((const char *)many.data));
	many.end--;
	buf_append(&many, "y", 2);
	ck_assert_ptr_null(param_names_new((const char *)many.data, &e));
	buf_free(&many);
}
END_TEST

START_TEST(sets_never_change)
{
	struct param_set *a = param_set_new(5), *b;

	ck_assert_ptr_null(param_get(a, 2));
	b = param_set_with(param_set_ref(a), 2, "UTC");
	ck_assert_ptr_ne(a, b);
	ck_assert_ptr_null(param_get(a, 2));
	ck_assert_str_eq(param_get(b, 2), "UTC");
	ck_assert_ptr_eq(param_set_with(b, 2, "UTC"), b);
	b = param_set_with(b, 4, "");
	ck_assert_str_eq(param_get(b, 4), "");
	ck_assert_str_eq(param_get(b, 2), "UTC");
	b = param_set_with(b, 2, NULL);
	ck_assert_ptr_null(param_get(b, 2));
	param_set_unref(a);
	param_set_unref(b);
	param_set_unref(NULL);
}
END_TEST

START_TEST(equal_sets_can_be_shared)
{
	struct param_set *a = param_set_new(5), *b = param_set_new(5);

	a = param_set_with(a, 0, "x");
	a = param_set_with(a, 1, "y");
	b = param_set_with(b, 1, "y");
	ck_assert(!param_set_same(a, b));
	ck_assert_ptr_eq(param_set_share(a, b), b);
	b = param_set_with(b, 0, "x");
	ck_assert(param_set_same(a, b));
	b = param_set_share(a, b);
	ck_assert_ptr_eq(a, b);
	ck_assert_ptr_eq(param_set_share(a, b), b);
	param_set_unref(b);
	param_set_unref(a);
	/* "" is a value, and not the same as none. */
	a = param_set_with(param_set_new(2), 0, "");
	b = param_set_with(param_set_new(2), 1, "");
	ck_assert(!param_set_same(a, b));
	param_set_unref(a);
	param_set_unref(b);
}
END_TEST

START_TEST(keys_are_of_the_values_but_one)
{
	struct param_set *a = param_set_new(5), *b = param_set_new(5);

	ck_assert_uint_eq(param_set_hash(a, 4), param_set_hash(b, 4));
	a = param_set_with(a, 4, "mine");
	ck_assert_uint_eq(param_set_hash(a, 4), param_set_hash(b, 4));
	ck_assert_uint_ne(param_set_hash(a, 0), param_set_hash(b, 0));
	a = param_set_with(a, 1, "");
	ck_assert_uint_ne(param_set_hash(a, 4), param_set_hash(b, 4));
	b = param_set_with(b, 2, "");
	ck_assert_uint_ne(param_set_hash(a, 4), param_set_hash(b, 4));
	param_set_unref(a);
	param_set_unref(b);
}
END_TEST

START_TEST(fill_takes_what_is_missing)
{
	struct param_set *a = param_set_with(param_set_new(3), 0, "mine");
	struct param_set *b = param_set_with(param_set_new(3), 0, "theirs");

	b = param_set_with(b, 2, "z");
	a = param_set_fill(a, b);
	ck_assert_str_eq(param_get(a, 0), "mine");
	ck_assert_ptr_null(param_get(a, 1));
	ck_assert_str_eq(param_get(a, 2), "z");
	ck_assert_ptr_eq(param_set_fill(a, b), a);
	param_set_unref(a);
	param_set_unref(b);
}
END_TEST

/* SQL that leads from have to want in one setting. */
static const struct {
	const char *name, *have, *want;
	const char *sql; /* NULL: refused */
} diffs[] = {
	{ "TimeZone", "UTC", "Europe/Berlin", "SET TimeZone='Europe/Berlin';" },
	{ "TimeZone", "UTC", "utc", "" },
	{ "TimeZone", NULL, "UTC", "" },
	{ "TimeZone", "UTC", NULL, "" },
	{ "application_name", "App", "app", "SET application_name='app';" },
	{ "search_path", "\"Tenant\"", "tenant", "SET search_path='tenant';" },
	{ "application_name", "a", "", "SET application_name='';" },
	{ "application_name", "", "it's", "SET application_name='it''s';" },
	{ "application_name", "", "\\'", "SET application_name=E'\\\\''';" },
	{ "application_name", "", "';DROP x;--",
	    "SET application_name=''';DROP x;--';" },
	{ "search_path", "", "public", "SET search_path='public';" },
	{ "search_path", "x", "", "SET search_path='';" },
	{ "search_path", "x", "\"\"", "SET search_path='';" },
	{ "search_path", "", "\"$user\", Public",
	    "SET search_path='$user','public';" },
	{ "search_path", "", "\"A\"\"b,c\" ,\td",
	    "SET search_path='A\"b,c','d';" },
	{ "search_path", "", "\"it's\"", "SET search_path='it''s';" },
	{ "search_path", "", "\"a", NULL },
	{ "search_path", "", "a,,b", NULL },
	{ "search_path", "", "a,", NULL },
	{ "search_path", "", ",", NULL },
	{ "search_path", "", "a b", NULL },
	{ "search_path", "", "a\"b", NULL },
	{ "search_path", "", "\"a\"b", NULL },
	{ "search_path", "", "x'; DROP y; --", NULL },
};

START_TEST(differences_become_sql)
{
	struct param_names *n = names_of("search_path");
	size_t i = (size_t)param_index(n, diffs[_i].name);
	struct param_set *have, *want;
	struct buf sql = { 0 };
	struct err e = { 0 };
	int r;

	have = param_set_with(param_set_new(param_names_count(n)), i,
	    diffs[_i].have);
	want = param_set_with(param_set_new(param_names_count(n)), i,
	    diffs[_i].want);
	buf_append(&sql, "x", 1);
	r = param_diff_sql(n, want, have, &sql, &e);
	if (diffs[_i].sql == NULL) {
		ck_assert_int_eq(r, -1);
		ck_assert(err_is_set(&e));
		ck_assert(span_is(buf_span(&sql), "x"));
	} else {
		ck_assert_int_eq(r, diffs[_i].sql[0] != '\0');
		buf_append(&sql, "", 1);
		ck_assert_str_eq((const char *)buf_head(&sql) + 1,
		    diffs[_i].sql);
	}
	buf_free(&sql);
	param_set_unref(have);
	param_set_unref(want);
	param_names_unref(n);
}
END_TEST

START_TEST(several_differences_are_one_text)
{
	struct param_names *n = names_of("");
	struct param_set *have = param_set_new(5), *want = param_set_new(5);
	struct buf sql = { 0 };

	have = param_set_with(have, 0, "ISO, MDY");
	have = param_set_with(have, 2, "UTC");
	want = param_set_with(want, 0, "ISO, DMY");
	want = param_set_with(want, 2, "GMT");
	ck_assert_int_eq(param_diff_sql(n, want, have, &sql, NULL), 2);
	ck_assert(span_is(buf_span(&sql),
	    "SET DateStyle='ISO, DMY';SET TimeZone='GMT';"));
	ck_assert_int_eq(param_diff_sql(n, want, want, &sql, NULL), 0);
	buf_free(&sql);
	param_set_unref(have);
	param_set_unref(want);
	param_names_unref(n);
}
END_TEST

static int
diff_long(size_t len)
{
	struct param_names *n = names_of("");
	struct param_set *have, *want;
	struct buf sql = { 0 };
	char *value = xmalloc(len + 1);
	struct err e;
	int r;

	memset(value, 'v', len);
	value[len] = '\0';
	have = param_set_with(param_set_new(5), 4, "");
	want = param_set_with(param_set_new(5), 4, value);
	r = param_diff_sql(n, want, have, &sql, &e);
	if (r == 1)
		ck_assert_uint_eq(buf_len(&sql), len + 24);
	buf_free(&sql);
	free(value);
	param_set_unref(have);
	param_set_unref(want);
	param_names_unref(n);
	return r;
}

START_TEST(long_values_go_whole_or_not_at_all)
{
	ck_assert_int_eq(diff_long(200), 1);
	ck_assert_int_eq(diff_long(PARAM_VALUE_MAX), 1);
	ck_assert_int_eq(diff_long(PARAM_VALUE_MAX + 1), -1);
	ck_assert_int_eq(diff_long(5000000), -1);
}
END_TEST

START_TEST(half_characters_are_not_quoted)
{
	struct param_names *n = names_of("");
	struct param_set *have, *want;
	struct buf sql = { 0 };
	struct err e;

	have = param_set_with(param_set_new(5), 1, "sjis");
	have = param_set_with(have, 4, "");
	want = param_set_with(param_set_new(5), 4, "\x95\\");
	ck_assert_int_eq(param_diff_sql(n, want, have, &sql, &e), -1);
	have = param_set_with(have, 1, "UTF8");
	ck_assert_int_eq(param_diff_sql(n, want, have, &sql, &e), 1);
	buf_free(&sql);
	param_set_unref(have);
	param_set_unref(want);
	param_names_unref(n);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("param");
	TCase *t = tcase_create("param");

	tcase_add_test(t, fixed_names_come_first);
	tcase_add_test(t, names_that_cannot_be_are_refused);
	tcase_add_test(t, sets_never_change);
	tcase_add_test(t, equal_sets_can_be_shared);
	tcase_add_test(t, keys_are_of_the_values_but_one);
	tcase_add_test(t, fill_takes_what_is_missing);
	tcase_add_loop_test(t, differences_become_sql, 0,
	    (int)ARRAY_LEN(diffs));
	tcase_add_test(t, several_differences_are_one_text);
	tcase_add_test(t, long_values_go_whole_or_not_at_all);
	tcase_add_test(t, half_characters_are_not_quoted);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(suite())
