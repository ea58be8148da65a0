/* Histograms: no value is lost, and percentiles are near enough. */
#include "base/hist.h"
#include "unit_suite.h"

START_TEST (classes_rise_with_the_value_and_are_fine_enough) {
	unsigned last = 0;
	uint64_t v;

	for (v = 0; v < UINT64_C(1) << 40; v += 1 + v / 64) {
		unsigned i = hist_class(v);

		ck_assert_uint_lt(i, HIST_CLASSES);
		ck_assert_uint_ge(i, last);
		ck_assert_uint_le(i, last + 1);
		last = i;
	}
	ck_assert_uint_eq(last, HIST_CLASSES - 1);
	ck_assert_uint_eq(hist_class(UINT64_MAX), HIST_CLASSES - 1);
}
END_TEST

START_TEST (percentiles_are_off_by_an_eighth_at_most) {
	struct hist *a = xcalloc(2, sizeof(*a));
	struct hist_sum sum = { 0 };
	uint64_t i, n = 1 + (uint64_t)_i * 997;

	/* Two writers, one reader. */
	for (i = 1; i <= n; i++)
		hist_add(&a[i % 2], i);
	hist_read(&a[0], &sum);
	hist_read(&a[1], &sum);
	ck_assert_uint_eq(sum.count, n);
	ck_assert_uint_eq(sum.max, n);
	for (i = 1; i <= 1000; i++) {
		uint64_t exact = (n * i + 999) / 1000;
		uint64_t got = hist_at(&sum, (unsigned)i);

		ck_assert_uint_le(got, exact + exact / 8);
		ck_assert_uint_ge(got, exact - exact / 8);
	}
	free(a);
}
END_TEST

START_TEST (an_empty_one_has_no_percentiles) {
	struct hist_sum sum = { 0 };

	ck_assert_uint_eq(hist_at(&sum, 500), 0);
}
END_TEST

START_TEST (full_classes_are_halved_and_keep_their_shape) {
	struct hist *h = xcalloc(1, sizeof(*h));
	struct hist_sum sum = { 0 };

	atomic_store(&h->n[hist_class(100)], UINT32_C(0x7fffffff));
	atomic_store(&h->n[hist_class(5)], UINT32_C(0x40000000));
	hist_add(h, 100);
	hist_read(h, &sum);
	ck_assert_uint_eq(sum.n[hist_class(100)], UINT32_C(0x40000000));
	ck_assert_uint_eq(sum.n[hist_class(5)], UINT32_C(0x20000000));
	free(h);
}
END_TEST

static Suite *
hist_suite(void)
{
	Suite *s = suite_create("hist");
	TCase *t = tcase_create("hist");

	tcase_add_test(t, classes_rise_with_the_value_and_are_fine_enough);
	tcase_add_loop_test(t, percentiles_are_off_by_an_eighth_at_most, 0, 8);
	tcase_add_test(t, an_empty_one_has_no_percentiles);
	tcase_add_test(t, full_classes_are_halved_and_keep_their_shape);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(hist_suite())
