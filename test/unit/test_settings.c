/* Tests of proto/settings. */
#include <string.h>

#include "proto/settings.h"
#include "unit.h"

/* From "name=sql|name=sql". */
static struct settings *
settings_of(const char *text)
{
	struct settings *s = NULL;
	char *copy = xstrdup(text), *save = NULL, *item;

	for (item = strtok_r(copy, "|", &save); item != NULL;
	     item = strtok_r(NULL, "|", &save)) {
		char *sql = strchr(item, '=');

		*sql++ = '\0';
		s = settings_with(s, item, span_of(sql));
	}
	free(copy);
	return s;
}

static const struct {
	const char *want, *have, *sql;
} diffs[] = {
	{ "", "", "" },
	{ "a=SET a TO 1", "a=SET a TO 1", "" },
	{ "a=SET a TO 1", "", "SET a TO 1;" },
	{ "", "a=SET a TO 1", "RESET \"a\";" },
	{ "", "x.user=SET x.\"user\" TO 1", "RESET \"x\".\"user\";" },
	{ "", "a\"b=SET x", "RESET \"a\"\"b\";" },
	{ "a=SET a TO 2", "a=SET a TO 1", "SET a TO 2;" },
	{ "b=SET b TO 1|c=SET c TO 1", "a=SET a TO 1|c=SET c TO 1",
	    "RESET \"a\";SET b TO 1;" },
	/* The order alone is no difference. */
	{ "a=x|b=y", "b=y|a=x", "" },
	/* Another identity decides what may be set: away from it first, and
	 * towards it in the client's own order. */
	{ "", "role=SET ROLE x|a=SET a TO 1", "RESET ROLE;RESET \"a\";" },
	{ "a=SET a TO 1|role=SET ROLE x", "role=SET ROLE y",
	    "RESET ROLE;SET a TO 1;SET ROLE x;" },
	{ "role=SET ROLE x|a=SET a TO 1", "role=SET ROLE x",
	    "SET a TO 1;" },
	{ "session_authorization=SET SESSION AUTHORIZATION u|role=SET ROLE x",
	    "session_authorization=SET SESSION AUTHORIZATION v",
	    "RESET SESSION AUTHORIZATION;RESET ROLE;"
	    "SET SESSION AUTHORIZATION u;SET ROLE x;" },
};

START_TEST(differences_become_sql)
{
	struct settings *want = settings_of(diffs[_i].want);
	struct settings *have = settings_of(diffs[_i].have);
	struct buf sql = { 0 };
	int n = settings_diff_sql(want, have, &sql), semicolons = 0;
	const char *p;

	buf_append(&sql, "", 1);
	ck_assert_str_eq((const char *)buf_head(&sql), diffs[_i].sql);
	for (p = diffs[_i].sql; *p != '\0'; p++)
		semicolons += *p == ';';
	ck_assert_int_eq(n, semicolons);
	buf_free(&sql);
	settings_unref(want);
	settings_unref(have);
}
END_TEST

START_TEST(lists_never_change)
{
	struct settings *a = settings_of("a=x|b=y");
	struct settings *kept = settings_ref(a);
	struct settings *b = settings_with(a, "a", SPAN_LIT("z"));

	/* Set again means set last. */
	ck_assert_ptr_ne(kept, b);
	ck_assert(span_is(settings_find(kept, "a"), "x"));
	ck_assert(span_is(settings_find(b, "a"), "z"));
	ck_assert_uint_eq(settings_count(b), 2);
	ck_assert(!settings_same(kept, b));
	ck_assert_ptr_eq(settings_with(b, "a", SPAN_LIT("z")), b);
	b = settings_without(b, "nothing");
	b = settings_without(b, "b");
	ck_assert_uint_eq(settings_count(b), 1);
	b = settings_without(b, "a");
	ck_assert_ptr_null(b);
	settings_unref(kept);
}
END_TEST

START_TEST(equal_lists_are_shared)
{
	struct settings *a = settings_of("a=x|b=y");
	struct settings *b = settings_of("a=x|b=y");
	struct settings *c = settings_of("b=y|a=x");

	ck_assert(settings_same(a, b));
	ck_assert(!settings_same(a, c));
	ck_assert(!settings_same(a, NULL) && settings_same(NULL, NULL));
	ck_assert_uint_eq(settings_hash(a), settings_hash(b));
	ck_assert_uint_ne(settings_hash(a), settings_hash(c));
	ck_assert_uint_eq(settings_hash(NULL), 0);
	b = settings_share(a, b);
	ck_assert_ptr_eq(a, b);
	c = settings_share(a, c);
	ck_assert_ptr_ne(a, c);
	settings_unref(a);
	settings_unref(b);
	settings_unref(c);
}
END_TEST

START_TEST(sizes_are_told_beforehand)
{
	struct settings *s = NULL;
	size_t one = settings_size_with(NULL, "ab", SPAN_LIT("SET"));

	s = settings_with(s, "ab", SPAN_LIT("SET"));
	ck_assert_uint_gt(settings_size_with(s, "b", SPAN_LIT("SET")), one);
	ck_assert_uint_ge(settings_size_with(s, "ab", SPAN_LIT("SETS")),
	    one + 1);
	settings_unref(s);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("settings");
	TCase *t = tcase_create("settings");

	tcase_add_loop_test(t, differences_become_sql, 0,
	    (int)ARRAY_LEN(diffs));
	tcase_add_test(t, lists_never_change);
	tcase_add_test(t, equal_lists_are_shared);
	tcase_add_test(t, sizes_are_told_beforehand);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(suite())
