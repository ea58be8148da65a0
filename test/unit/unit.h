/*
 * unit: what all unit tests share. Each program hands its suite to
 * UNIT_MAIN(), which runs it and gives make its exit status.
 */
#ifndef UNIT_H
#define UNIT_H

#include <check.h>
#include <stdlib.h>

#define UNIT_MAIN(suite) \
	int \
	main(void) \
	{ \
		SRunner *r = srunner_create(suite); \
		int failed; \
\
		srunner_run_all(r, CK_NORMAL); \
		failed = srunner_ntests_failed(r); \
		srunner_free(r); \
		return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE; \
	}

#endif
