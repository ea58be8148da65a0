/* Tests of base: spans, memory, err, buf, arena and map. */
#include <string.h>

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "unit.h"

START_TEST(spans_compare_whole)
{
	ck_assert(span_eq(SPAN(NULL, 0), span_of("")));
	ck_assert(span_eq(SPAN(NULL, 0), span_of(NULL)));
	ck_assert(span_is(SPAN_LIT("abc"), "abc"));
	ck_assert(!span_is(SPAN_LIT("abc"), "ab"));
	ck_assert(!span_is(SPAN_LIT("ab"), "abc"));
	ck_assert(!span_is(SPAN("a\0b", 3), "a"));
	ck_assert(span_is_nocase(SPAN_LIT("TimeZone"), "timezone"));
	ck_assert(!span_is_nocase(SPAN_LIT("TimeZon"), "timezone"));
}
END_TEST

START_TEST(copy_str_cuts_and_terminates)
{
	char four[4];

	copy_str(four, sizeof(four), "abcdef");
	ck_assert_str_eq(four, "abc");
	copy_str(four, sizeof(four), "a");
	ck_assert_str_eq(four, "a");
	copy_str(four, 1, "a");
	ck_assert_str_eq(four, "");
	copy_str(four, 0, "a");
}
END_TEST

START_TEST(strings_are_copies)
{
	char *s = xasprintf("%s-%d", "a", 7), *t = xstrndup("abc", 2);

	ck_assert_str_eq(s, "a-7");
	ck_assert_str_eq(t, "ab");
	wipe_free(s);
	wipe_free(t);
	wipe_free(NULL);
}
END_TEST

START_TEST(random_bytes_differ)
{
	uint8_t a[32], b[32];

	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	ck_assert_mem_ne(a, b, sizeof(a));
}
END_TEST

START_TEST(clocks_go_forward)
{
	usec_t a = clock_mono_us();

	ck_assert_int_ge(clock_mono_us(), a);
	ck_assert_int_gt(clock_wall_us(), 1700000000 * USEC_PER_SEC);
}
END_TEST

START_TEST(err_clears_what_was_before)
{
	struct err e = { 0 };

	ck_assert(!err_is_set(&e));
	ck_assert(!err_set(&e, "28P01", "no \"%s\"", "x"));
	err_detail(&e, "d%d", 1);
	err_hint(&e, "h");
	err_at(&e, "file", 41);
	ck_assert(err_is_set(&e));
	ck_assert_str_eq(e.sqlstate, "28P01");
	ck_assert_str_eq(e.msg, "no \"x\"");
	ck_assert_str_eq(e.detail, "d1");
	ck_assert_int_eq(e.line, 41);
	err_set(&e, "XX000", "more: %s", e.msg);
	ck_assert_str_eq(e.msg, "more: no \"x\"");
	ck_assert_str_eq(e.detail, "");
	ck_assert_str_eq(e.hint, "");
	ck_assert_str_eq(e.file, "");
	err_clear(&e);
	ck_assert(!err_is_set(&e));
}
END_TEST

START_TEST(err_may_be_null)
{
	ck_assert(!err_set(NULL, "XX000", "x"));
	err_detail(NULL, "x");
	err_hint(NULL, "x");
	err_at(NULL, "x", 1);
	err_clear(NULL);
	ck_assert(!err_is_set(NULL));
}
END_TEST

START_TEST(err_cuts_between_characters)
{
	char text[1000];
	struct err e;
	size_t i, shift;

	for (shift = 0; shift < 4; shift++) {
		memset(text, 'x', sizeof(text));
		for (i = shift; i + 3 < sizeof(text) - 1; i += 3)
			memcpy(text + i, "\xe2\x82\xac", 3);
		text[sizeof(text) - 4] = '\0';
		err_set(&e, "XX000", "%s", text);
		i = strlen(e.msg);
		ck_assert_uint_ge(i, sizeof(e.msg) - 3);
		ck_assert_uint_eq((i - shift) % 3, 0);
	}
}
END_TEST

START_TEST(buf_keeps_order_over_growth_and_eating)
{
	struct buf b = { 0 };
	uint8_t next_in = 0, next_out = 0;
	int i;

	for (i = 0; i < 2000; i++) {
		int n = i % 37;

		while (n-- > 0) {
			buf_append(&b, &next_in, 1);
			next_in++;
		}
		n = (int)(buf_len(&b) * (size_t)(i % 3) / 2);
		while (n-- > 0) {
			ck_assert_uint_eq(*buf_head(&b), next_out);
			next_out++;
			buf_consume(&b, 1);
		}
	}
	buf_free(&b);
	ck_assert_ptr_null(b.data);
}
END_TEST

START_TEST(buf_of_nothing_owns_nothing)
{
	struct buf b;

	buf_init(&b);
	buf_append(&b, NULL, 0);
	ck_assert(buf_try_append(&b, NULL, 0));
	ck_assert_ptr_null(b.data);
	ck_assert_uint_eq(buf_span(&b).n, 0);
	buf_reset(&b);
	buf_consume(&b, 0);
	buf_wipe_free(&b);
}
END_TEST

START_TEST(buf_refuses_a_size_that_wraps)
{
	struct buf b = { 0 };

	buf_append(&b, "abc", 3);
	ck_assert(!buf_try_reserve(&b, SIZE_MAX));
	ck_assert(!buf_try_reserve(&b, SIZE_MAX - 2));
	ck_assert(!buf_try_reserve(&b, SIZE_MAX / 2));
	ck_assert(span_is(buf_span(&b), "abc"));
	buf_free(&b);
}
END_TEST

START_TEST(buf_prints_at_the_end)
{
	struct buf b = { 0 };
	int i;

	for (i = 0; i < 300; i++)
		buf_printf(&b, "%03d", i);
	ck_assert_uint_eq(buf_len(&b), 900);
	ck_assert(span_is(SPAN(buf_head(&b) + 897, 3), "299"));
	buf_printf(&b, "%s", "");
	ck_assert_uint_eq(buf_len(&b), 900);
	buf_reset(&b);
	ck_assert_uint_eq(buf_len(&b), 0);
	ck_assert_ptr_nonnull(b.data);
	buf_free(&b);
}
END_TEST

START_TEST(arena_gives_zeroed_aligned_memory)
{
	struct arena *a = arena_new();
	size_t n;

	for (n = 0; n < 20000; n += 97) {
		uint8_t *p = arena_alloc(a, n);
		size_t i = 0;

		ck_assert_uint_eq((uintptr_t)p % _Alignof(max_align_t), 0);
		while (i < n && p[i] == 0)
			i++;
		ck_assert_uint_eq(i, n);
		memset(p, 0xff, n);
	}
	ck_assert_str_eq(arena_strdup(a, "x"), "x");
	ck_assert_str_eq(arena_strndup(a, "xyz", 2), "xy");
	ck_assert_str_eq(arena_printf(a, "%d%s", 1, "y"), "1y");
	arena_wipe_free(a);
	arena_free(arena_new());
	arena_free(NULL);
}
END_TEST

START_TEST(map_keeps_the_last_value)
{
	struct map *m = map_new();
	int a, b;

	ck_assert_ptr_null(map_get(m, SPAN_LIT("k")));
	ck_assert_ptr_null(map_del(m, SPAN_LIT("k")));
	ck_assert_ptr_null(map_put(m, SPAN_LIT("k"), &a));
	ck_assert_ptr_eq(map_put(m, SPAN_LIT("k"), &b), &a);
	ck_assert_ptr_eq(map_get(m, SPAN_LIT("k")), &b);
	ck_assert_ptr_null(map_get(m, SPAN("k\0", 2)));
	ck_assert_ptr_null(map_put(m, SPAN(NULL, 0), &a));
	ck_assert_ptr_eq(map_get(m, SPAN(NULL, 0)), &a);
	ck_assert_uint_eq(map_count(m), 2);
	ck_assert_ptr_eq(map_del(m, SPAN_LIT("k")), &b);
	ck_assert_ptr_null(map_get(m, SPAN_LIT("k")));
	map_free(m);
	map_free(NULL);
}
END_TEST

struct walk {
	struct map *m;
	size_t seen;
};

static bool
delete_odd(void *arg, struct span key, void *value)
{
	struct walk *w = arg;

	w->seen++;
	if (*(int *)value % 2 != 0)
		map_del(w->m, key);
	return true;
}

static bool
stop_at_three(void *arg, struct span key, void *value)
{
	(void)key;
	(void)value;
	return ++*(int *)arg < 3;
}

START_TEST(map_walk_sees_each_once_and_may_delete)
{
	static int values[5000];
	struct walk w = { .m = map_new() };
	int i, n = 0;

	for (i = 0; i < 5000; i++) {
		values[i] = i;
		map_put(w.m, SPAN(&values[i], sizeof(int)), &values[i]);
	}
	map_each(w.m, delete_odd, &w);
	ck_assert_uint_eq(w.seen, 5000);
	ck_assert_uint_eq(map_count(w.m), 2500);
	for (i = 0; i < 5000; i++)
		ck_assert_ptr_eq(map_get(w.m, SPAN(&i, sizeof(int))),
		    i % 2 != 0 ? NULL : &values[i]);
	map_each(w.m, stop_at_three, &n);
	ck_assert_int_eq(n, 3);
	map_free(w.m);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("base");
	TCase *t = tcase_create("base");

	tcase_add_test(t, spans_compare_whole);
	tcase_add_test(t, copy_str_cuts_and_terminates);
	tcase_add_test(t, strings_are_copies);
	tcase_add_test(t, random_bytes_differ);
	tcase_add_test(t, clocks_go_forward);
	tcase_add_test(t, err_clears_what_was_before);
	tcase_add_test(t, err_may_be_null);
	tcase_add_test(t, err_cuts_between_characters);
	tcase_add_test(t, buf_keeps_order_over_growth_and_eating);
	tcase_add_test(t, buf_of_nothing_owns_nothing);
	tcase_add_test(t, buf_refuses_a_size_that_wraps);
	tcase_add_test(t, buf_prints_at_the_end);
	tcase_add_test(t, arena_gives_zeroed_aligned_memory);
	tcase_add_test(t, map_keeps_the_last_value);
	tcase_add_test(t, map_walk_sees_each_once_and_may_delete);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(suite())
