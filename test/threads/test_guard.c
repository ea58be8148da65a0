/* How often who may knock: with a clock of the test's own, and with threads. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pooling/guard.h"

#define SEC USEC_PER_SEC
#define MANY 8

static struct guard *g;
static struct config cfg; /* only limits are looked at */
static usec_t now;

static void
setup(void)
{
	g = guard_new();
	memset(&cfg, 0, sizeof(cfg));
	cfg.auth_fail_backoff_us = 60 * SEC;
	now = 1000 * SEC;
}

static void
teardown(void)
{
	guard_free(g);
}

static struct addr
addr(const char *text)
{
	struct addr a;

	ck_assert(addr_parse(&a, text, 1));
	return a;
}

static struct guard_source *
enter(const char *from, enum guard_answer want)
{
	struct addr a = addr(from);
	struct guard_source *s;
	struct err e;

	err_clear(&e);
	ck_assert_int_eq(guard_enter(g, &a, &cfg, now, &s, &e), want);
	ck_assert(err_is_set(&e) == (want != GUARD_IN));
	ck_assert((s == NULL) == (want == GUARD_DROP));
	return s;
}

static void
leave(struct guard_source *s)
{
	guard_leave(g, s, now);
}

static bool
judge(struct guard_source *s, const char *user, bool good)
{
	struct err e;

	return guard_judge(g, s, user, good, &cfg, now, &e);
}

static bool
may_try(struct guard_source *s, const char *user)
{
	struct err e;

	return guard_may_try(g, s, user, &cfg, now, &e);
}

START_TEST(connections_are_bounded_by_source)
{
	struct guard_source *s[6];
	struct guard_totals t;

	cfg.max_source_connections = 2;
	s[0] = enter("10.0.0.1", GUARD_IN);
	s[1] = enter("10.0.0.1", GUARD_IN);
	s[2] = enter("10.0.0.1", GUARD_TELL);
	s[3] = enter("10.0.0.1", GUARD_TELL);
	enter("10.0.0.1", GUARD_DROP);
	s[4] = enter("10.0.0.2", GUARD_IN);
	/* IPv4 in IPv6's dress, by another door. */
	enter("::ffff:10.0.0.1", GUARD_DROP);
	for (int i = 1; i < 5; i++)
		leave(s[i]);
	s[1] = enter("10.0.0.1", GUARD_IN);
	leave(s[0]);
	leave(s[1]);
	guard_totals(g, &t);
	ck_assert_uint_eq(t.too_many, 4);
	ck_assert_uint_eq(t.dropped, 2);
	ck_assert_uint_eq(t.entries, 0);
}
END_TEST

START_TEST(network_of_ipv6_is_one_source)
{
	struct guard_source *a, *b;

	cfg.max_source_connections = 1;
	a = enter("2001:db8::1", GUARD_IN);
	b = enter("2001:db8::ffff:1", GUARD_TELL);
	leave(b);
	b = enter("2001:db8:0:1::1", GUARD_IN);
	leave(a);
	leave(b);
}
END_TEST

START_TEST(unix_sockets_are_not_bounded)
{
	struct addr a = { .family = AF_UNIX };
	struct guard_source *s;
	struct err e;

	cfg.max_source_connections = 1;
	cfg.auth_fail_max = 1;
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(guard_enter(g, &a, &cfg, now, &s, &e),
		    GUARD_IN);
		ck_assert_ptr_null(s);
		ck_assert(judge(s, "u", false));
	}
	ck_assert(may_try(NULL, "u"));
	leave(NULL);
}
END_TEST

/* At twice the rate, half of them get in, whatever becomes of the others. */
START_TEST(rate_lets_its_share_through)
{
	int in = 0, told = 0, dropped = 0;
	struct addr a = addr("10.0.0.1");

	cfg.max_source_rate = 10;
	for (int i = 0; i < 200; i++, now += SEC / 20) {
		struct guard_source *s;
		struct err e;

		switch (guard_enter(g, &a, &cfg, now, &s, &e)) {
		case GUARD_IN:
			in++;
			break;
		case GUARD_TELL:
			told++;
			break;
		case GUARD_DROP:
			dropped++;
			break;
		}
		leave(s);
	}
	/* Ten seconds, and what was in the bucket. */
	ck_assert_int_ge(in, 100);
	ck_assert_int_le(in, 111);
	ck_assert_int_eq(in + told + dropped, 200);
	now += 2 * SEC;
	for (int i = 0; i < 10; i++)
		leave(enter("10.0.0.1", GUARD_IN));
	for (int i = 0; i < 10; i++)
		leave(enter("10.0.0.1", GUARD_TELL));
	enter("10.0.0.1", GUARD_DROP);
}
END_TEST

START_TEST(failures_make_a_source_wait_longer_and_longer)
{
	struct guard_source *s = enter("10.0.0.1", GUARD_IN);
	struct guard_source *other = enter("10.0.0.2", GUARD_IN);
	static const int waits[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
	char user[20];

	cfg.auth_fail_max = 3;
	for (int i = 0; i < 2; i++) {
		snprintf(user, sizeof(user), "u%d", i);
		ck_assert(judge(s, user, false));
		ck_assert(may_try(s, user));
	}
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		/* A name of its own each time: it is the source that waits. */
		snprintf(user, sizeof(user), "v%zu", i);
		ck_assert(judge(s, user, false));
		now += waits[i] * SEC - 1;
		ck_assert(!may_try(s, "fresh"));
		ck_assert(may_try(other, "fresh"));
		now += 1;
		ck_assert(may_try(s, "fresh"));
	}
	/* Forgotten after a while. */
	now += 121 * SEC;
	ck_assert(judge(s, "w", false));
	ck_assert(judge(s, "x", false));
	ck_assert(may_try(s, "fresh"));
	leave(s);
	leave(other);
}
END_TEST

START_TEST(failures_outlive_the_connection)
{
	struct guard_source *s;

	cfg.auth_fail_max = 3;
	for (int i = 0; i < 3; i++) {
		s = enter("10.0.0.1", GUARD_IN);
		ck_assert(judge(s, "u", false));
		leave(s);
	}
	s = enter("10.0.0.1", GUARD_IN);
	ck_assert(!may_try(s, "u"));
	leave(s);
}
END_TEST

/* Guesses that were under way when the limit was reached are worth nothing,
 * right ones neither. */
START_TEST(right_guess_after_the_limit_is_not_told)
{
	struct guard_source *s = enter("10.0.0.1", GUARD_IN);
	struct err wrong, right;

	cfg.auth_fail_max = 3;
	for (int i = 0; i < 3; i++)
		ck_assert(judge(s, "u", false));
	ck_assert(!guard_judge(g, s, "u", false, &cfg, now, &wrong));
	ck_assert(!guard_judge(g, s, "u", true, &cfg, now, &right));
	ck_assert_str_eq(wrong.msg, right.msg);
	ck_assert_str_eq(wrong.sqlstate, right.sqlstate);
	leave(s);
}
END_TEST

/* Guessing from everywhere stops at the user; where she works she gets in. */
START_TEST(user_is_guarded_but_not_locked_out)
{
	struct guard_source *home = enter("10.0.0.1", GUARD_IN), *s;
	char from[40];

	cfg.auth_fail_max = 3;
	ck_assert(judge(home, "alice", true));
	for (int i = 0; i < 3; i++) {
		snprintf(from, sizeof(from), "10.1.0.%d", i + 1);
		s = enter(from, GUARD_IN);
		ck_assert(judge(s, "alice", false));
		leave(s);
	}
	s = enter("10.2.0.1", GUARD_IN);
	ck_assert(!may_try(s, "alice"));
	ck_assert(!judge(s, "alice", true));
	ck_assert(may_try(s, "bob"));
	ck_assert(may_try(home, "alice"));
	ck_assert(judge(home, "alice", true));
	/* That she got in gives the others nothing. */
	ck_assert(!may_try(s, "alice"));
	/* What fails at home is no reason to close other doors. */
	now += 200 * SEC;
	for (int i = 0; i < 2; i++)
		ck_assert(judge(home, "alice", false));
	ck_assert(judge(s, "alice", false));
	ck_assert(may_try(s, "alice"));
	leave(s);
	leave(home);
}
END_TEST

START_TEST(logins_of_a_user_are_bounded_by_rate)
{
	struct guard_source *s = enter("10.0.0.1", GUARD_IN);
	struct guard_source *t = enter("10.0.0.2", GUARD_IN);
	struct err e;

	cfg.max_user_rate = 2;
	ck_assert(judge(s, "u", true));
	ck_assert(judge(t, "u", true));
	ck_assert(!guard_judge(g, s, "u", true, &cfg, now, &e));
	ck_assert_str_eq(e.sqlstate, "53300");
	ck_assert(judge(s, "v", true));
	now += SEC / 2;
	ck_assert(judge(s, "u", true));
	ck_assert(!judge(s, "u", true));
	leave(s);
	leave(t);
}
END_TEST

START_TEST(memory_is_bounded)
{
	struct guard_totals t;
	struct guard_line *lines = xcalloc(10, sizeof(*lines));

	cfg.auth_fail_max = 100;
	for (uint32_t i = 0; i < 2 * GUARD_KEPT; i++) {
		struct addr a = { .family = AF_INET, .ip = { (uint8_t)(i >> 24),
		    (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i } };
		struct guard_source *s;
		struct err e;

		guard_enter(g, &a, &cfg, now, &s, &e);
		guard_judge(g, s, "u", false, &cfg, now, &e);
		guard_leave(g, s, now);
	}
	guard_totals(g, &t);
	ck_assert_uint_le(t.entries, GUARD_KEPT);
	ck_assert_uint_ge(t.evicted, GUARD_KEPT);
	ck_assert_uint_eq(guard_lines(g, lines, 10, now), 10);
	free(lines);
}
END_TEST

/* ---- threads ---- */

static _Atomic int inside, most, let_in;

static void *
knock(void *arg)
{
	struct addr a = addr("10.0.0.1");

	(void)arg;
	for (int i = 0; i < 20000; i++) {
		struct guard_source *s;
		struct err e;
		int n, m;

		if (guard_enter(g, &a, &cfg, now, &s, &e) == GUARD_IN) {
			n = atomic_fetch_add(&inside, 1) + 1;
			m = atomic_load(&most);
			while (n > m &&
			    !atomic_compare_exchange_weak(&most, &m, n))
				;
			atomic_fetch_add(&let_in, 1);
			atomic_fetch_sub(&inside, 1);
		}
		guard_leave(g, s, now);
	}
	return NULL;
}

static void
run_threads(void *(*fn)(void *))
{
	pthread_t t[MANY];

	for (size_t i = 0; i < MANY; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, fn, NULL), 0);
	for (size_t i = 0; i < MANY; i++)
		pthread_join(t[i], NULL);
}

START_TEST(limit_holds_under_threads)
{
	struct guard_totals t;

	cfg.max_source_connections = 3;
	run_threads(knock);
	ck_assert_int_le(atomic_load(&most), 3);
	ck_assert_int_gt(atomic_load(&let_in), 0);
	guard_totals(g, &t);
	ck_assert_uint_eq(t.entries, 0);
}
END_TEST

static _Atomic int told_wrong;

/* Each guess is wrong: how many are told so? */
static void *
guess(void *arg)
{
	struct addr a = addr("10.0.0.1");
	struct guard_source *s;
	struct err e;

	(void)arg;
	guard_enter(g, &a, &cfg, now, &s, &e);
	for (int i = 0; i < 1000; i++)
		if (guard_judge(g, s, "u", false, &cfg, now, &e))
			atomic_fetch_add(&told_wrong, 1);
	guard_leave(g, s, now);
	return NULL;
}

START_TEST(guesses_at_once_are_worth_no_more)
{
	cfg.auth_fail_max = 5;
	run_threads(guess);
	ck_assert_int_eq(atomic_load(&told_wrong), 5);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		connections_are_bounded_by_source,
		network_of_ipv6_is_one_source, unix_sockets_are_not_bounded,
		rate_lets_its_share_through,
		failures_make_a_source_wait_longer_and_longer,
		failures_outlive_the_connection,
		right_guess_after_the_limit_is_not_told,
		user_is_guarded_but_not_locked_out,
		logins_of_a_user_are_bounded_by_rate, memory_is_bounded,
		limit_holds_under_threads, guesses_at_once_are_worth_no_more,
	};
	Suite *suite = suite_create("guard");
	TCase *tc = tcase_create("guard");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	for (size_t i = 0; i < ARRAY_LEN(tests); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	r = srunner_create(suite);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
