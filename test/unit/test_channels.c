/* Tests of proto/channels. */
#include "proto/channels.h"
#include "unit.h"

static void
put(void *arg, struct span name)
{
	channels_put_name(arg, name);
}

static bool
is(const struct channels *c, const char *names)
{
	struct buf b = { 0 };
	bool ok;

	channels_each_not_in(c, NULL, put, &b);
	ok = span_is(buf_span(&b), names);
	buf_free(&b);
	return ok;
}

START_TEST(names_stand_once_and_in_order)
{
	struct channels *c = NULL;

	ck_assert(!channels_has(c, SPAN_LIT("a")));
	c = channels_with(c, SPAN_LIT("b"));
	c = channels_with(c, SPAN_LIT("a"));
	c = channels_with(c, SPAN_LIT("ab"));
	c = channels_with(c, SPAN_LIT("b"));
	c = channels_with(c, SPAN_LIT(""));
	ck_assert(is(c, "\"a\"\"ab\"\"b\""));
	ck_assert_uint_eq(channels_count(c), 3);
	ck_assert_uint_eq(channels_bytes(c), 4);
	ck_assert(channels_has(c, SPAN_LIT("ab")));
	ck_assert(!channels_has(c, SPAN_LIT("aa")));
	channels_unref(c);
}
END_TEST

START_TEST(a_change_leaves_the_old_set_as_it_was)
{
	struct channels *c = channels_with(NULL, SPAN_LIT("a")), *old;

	old = channels_ref(c);
	c = channels_with(c, SPAN_LIT("b"));
	ck_assert(is(old, "\"a\""));
	ck_assert(!channels_same(old, c));
	c = channels_without(c, SPAN_LIT("x"));
	c = channels_without(c, SPAN_LIT("b"));
	ck_assert(channels_same(old, c));
	c = channels_without(c, SPAN_LIT("a"));
	ck_assert_ptr_null(c);
	ck_assert(!channels_same(old, c));
	ck_assert(channels_any_not_in(old, c));
	ck_assert(!channels_any_not_in(c, old));
	channels_unref(old);
}
END_TEST

START_TEST(names_are_quoted)
{
	struct channels *c = channels_with(NULL, SPAN_LIT("\"a\"\"b c\""));

	ck_assert(is(c, "\"\"\"a\"\"\"\"b c\"\"\""));
	channels_unref(c);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("channels");
	TCase *t = tcase_create("channels");

	tcase_add_test(t, names_stand_once_and_in_order);
	tcase_add_test(t, a_change_leaves_the_old_set_as_it_was);
	tcase_add_test(t, names_are_quoted);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(suite())
