/*
 * UNIT_SUITE(name, test, ...): a suite of one case with these tests, for
 * UNIT_MAIN().
 */
#ifndef UNIT_SUITE_H
#define UNIT_SUITE_H

#include "unit.h"

static inline Suite *
unit_suite(const char *name, const TTest *const *tests, size_t n)
{
	Suite *s = suite_create(name);
	TCase *tc = tcase_create(name);

	for (size_t i = 0; i < n; i++)
		tcase_add_test(tc, tests[i]);
	/* Sanitizers on a busy machine take their time. */
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	return s;
}

#define UNIT_SUITE(name, ...) \
	unit_suite(name, (const TTest *const[]){ __VA_ARGS__ }, \
	    sizeof((const TTest *const[]){ __VA_ARGS__ }) / \
	    sizeof(const TTest *))

#endif
