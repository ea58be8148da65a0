/* What a pool does next, case by case. */
#include <stdio.h>

#include "policy/ledger.h"
#include "unit_suite.h"

/* ---- for those who wait ---- */

/* Each says how it differs from a pool of 5 with room, tries and nobody. */
static const struct {
	const char *claim;
	struct ledger_demand d;
	enum ledger_next next;
} demands[] = {
	{ "nobody waits", { .size = 5, .login_parallel = 4, .may_try = true },
	    LEDGER_WAIT },
	{ "one waits, there is room",
	    { .waiting = 1, .size = 5, .login_parallel = 4, .may_try = true },
	    LEDGER_OPEN },
	{ "one waits, one is logging in for him",
	    { .waiting = 1, .coming = 1, .total = 1, .logging_in = 1,
		.size = 5, .login_parallel = 4, .may_try = true },
	    LEDGER_WAIT },
	{ "two wait, one is logging in",
	    { .waiting = 2, .coming = 1, .total = 1, .logging_in = 1,
		.size = 5, .login_parallel = 4, .may_try = true },
	    LEDGER_OPEN },
	{ "an idle one is fetched rather than one opened",
	    { .waiting = 1, .idle = 1, .total = 1, .size = 5,
		.login_parallel = 4, .may_try = true },
	    LEDGER_FETCH },
	{ "... also when a login is under way for him",
	    { .waiting = 1, .coming = 1, .idle = 1, .total = 2,
		.logging_in = 1, .size = 5, .login_parallel = 4,
		.may_try = true },
	    LEDGER_FETCH },
	{ "... not when one that is logged in is near",
	    { .waiting = 1, .coming = 1, .near = 1, .idle = 1, .total = 2,
		.size = 5, .login_parallel = 4, .may_try = true },
	    LEDGER_WAIT },
	{ "... also when no attempt may be made",
	    { .waiting = 1, .idle = 1, .total = 1, .size = 5,
		.login_parallel = 4 },
	    LEDGER_FETCH },
	{ "the pool is full",
	    { .waiting = 3, .total = 5, .size = 5, .login_parallel = 4,
		.may_try = true },
	    LEDGER_WAIT },
	{ "one below full",
	    { .waiting = 3, .total = 4, .size = 5, .login_parallel = 4,
		.may_try = true },
	    LEDGER_OPEN },
	{ "full, and the reserve is not due",
	    { .waiting = 3, .total = 5, .size = 5, .reserve = 2,
		.login_parallel = 4, .may_try = true },
	    LEDGER_WAIT },
	{ "full, and the reserve is due",
	    { .waiting = 3, .total = 5, .size = 5, .reserve = 2,
		.reserve_due = true, .login_parallel = 4, .may_try = true },
	    LEDGER_OPEN },
	{ "the reserve is used up",
	    { .waiting = 3, .total = 7, .size = 5, .reserve = 2,
		.reserve_due = true, .login_parallel = 4, .may_try = true },
	    LEDGER_WAIT },
	{ "no limit",
	    { .waiting = 1, .total = 1000, .login_parallel = 4,
		.may_try = true },
	    LEDGER_OPEN },
	{ "as many log in as may at once",
	    { .waiting = 9, .coming = 4, .total = 4, .logging_in = 4,
		.size = 20, .login_parallel = 4, .may_try = true },
	    LEDGER_WAIT },
	{ "one fewer logs in",
	    { .waiting = 9, .coming = 3, .total = 3, .logging_in = 3,
		.size = 20, .login_parallel = 4, .may_try = true },
	    LEDGER_OPEN },
	{ "the last attempt failed just now",
	    { .waiting = 1, .size = 5, .login_parallel = 4 }, LEDGER_WAIT },
	{ "paused",
	    { .paused = true, .waiting = 1, .idle = 1, .total = 1, .size = 5,
		.login_parallel = 4, .may_try = true },
	    LEDGER_WAIT },
	{ "dead",
	    { .dead = true, .waiting = 1, .idle = 1, .total = 1, .size = 5,
		.login_parallel = 4, .may_try = true },
	    LEDGER_WAIT },
	{ "fewer than are to be kept",
	    { .total = 1, .min = 2, .size = 5, .login_parallel = 4,
		.may_try = true },
	    LEDGER_OPEN },
	{ "as many as are to be kept",
	    { .total = 2, .min = 2, .size = 5, .login_parallel = 4,
		.may_try = true },
	    LEDGER_WAIT },
	{ "more are to be kept than there may be",
	    { .total = 5, .min = 9, .size = 5, .login_parallel = 4,
		.may_try = true },
	    LEDGER_WAIT },
	{ "paused, and fewer than are to be kept",
	    { .paused = true, .min = 2, .size = 5, .login_parallel = 4,
		.may_try = true },
	    LEDGER_WAIT },
	{ "it is time to look whether the server is back",
	    { .probe = true, .size = 5, .login_parallel = 1, .may_try = true },
	    LEDGER_OPEN },
	{ "somebody is looking already",
	    { .probe = true, .total = 1, .logging_in = 1, .size = 5,
		.login_parallel = 1, .may_try = true },
	    LEDGER_WAIT },
};

START_TEST(next_step_is_as_the_table_says)
{
	ck_assert_msg(ledger_next(&demands[_i].d) == demands[_i].next,
	    "%s: %d, not %d", demands[_i].claim,
	    (int)ledger_next(&demands[_i].d), (int)demands[_i].next);
}
END_TEST

/* ---- for a server that is free ---- */

#define SEC USEC_PER_SEC
#define MSEC USEC_PER_MSEC
#define NOW (1000 * SEC)

static const struct {
	const char *claim;
	struct ledger_offer o;
	enum ledger_fate fate;
} offers[] = {
	{ "nobody waits", { .total = 1, .size = 5 }, LEDGER_IDLE },
	{ "one waits here", { .total = 1, .size = 5, .mine_us = NOW - 1 },
	    LEDGER_GRANT },
	{ "one waits elsewhere", { .total = 1, .size = 5,
	    .oldest_us = NOW - 1 }, LEDGER_MOVE },
	{ "both came at the same time",
	    { .total = 1, .size = 5, .mine_us = NOW - SEC,
		.oldest_us = NOW - SEC, .slack_us = MSEC },
	    LEDGER_GRANT },
	{ "the one here is older",
	    { .total = 1, .size = 5, .mine_us = NOW - 2 * SEC,
		.oldest_us = NOW - SEC, .slack_us = MSEC },
	    LEDGER_GRANT },
	{ "the other is older by less than the slack",
	    { .total = 1, .size = 5, .mine_us = NOW - SEC,
		.oldest_us = NOW - SEC - MSEC + 1, .slack_us = MSEC },
	    LEDGER_GRANT },
	{ "the other is older by more than the slack",
	    { .total = 1, .size = 5, .mine_us = NOW - SEC,
		.oldest_us = NOW - SEC - MSEC - 1, .slack_us = MSEC },
	    LEDGER_MOVE },
	{ "short waits: older by more than an eighth",
	    { .total = 1, .size = 5, .mine_us = NOW - 600,
		.oldest_us = NOW - 800, .slack_us = MSEC },
	    LEDGER_MOVE },
	{ "short waits: older by less than an eighth",
	    { .total = 1, .size = 5, .mine_us = NOW - 750,
		.oldest_us = NOW - 800, .slack_us = MSEC },
	    LEDGER_GRANT },
	{ "older, but one was moved a moment ago",
	    { .total = 1, .size = 5, .mine_us = NOW - SEC,
		.oldest_us = NOW - SEC - MSEC - 1, .slack_us = MSEC,
		.moved_us = NOW - 2 * MSEC + 1 },
	    LEDGER_GRANT },
	{ "older, and the last move was two slacks ago",
	    { .total = 1, .size = 5, .mine_us = NOW - SEC,
		.oldest_us = NOW - SEC - MSEC - 1, .slack_us = MSEC,
		.moved_us = NOW - 2 * MSEC },
	    LEDGER_MOVE },
	{ "nobody waits here: a recent move does not count",
	    { .total = 1, .size = 5, .oldest_us = NOW - 1, .slack_us = MSEC,
		.moved_us = NOW - 1 },
	    LEDGER_MOVE },
	{ "no slack", { .total = 1, .size = 5, .mine_us = NOW - SEC,
	    .oldest_us = NOW - SEC - 1 }, LEDGER_MOVE },
	{ "of an older generation, whoever waits",
	    { .stale = true, .total = 1, .size = 5, .mine_us = NOW - SEC },
	    LEDGER_CLOSE_STALE },
	{ "of a dead pool", { .dead = true, .total = 1, .size = 5 },
	    LEDGER_CLOSE_STALE },
	{ "paused, whoever waits",
	    { .paused = true, .total = 1, .size = 5, .mine_us = NOW - SEC },
	    LEDGER_CLOSE_PAUSED },
	{ "its time is over",
	    { .expired = true, .total = 1, .size = 5, .mine_us = NOW - SEC },
	    LEDGER_CLOSE_EXPIRED },
	{ "more than there may be",
	    { .total = 6, .size = 5, .mine_us = NOW - SEC },
	    LEDGER_CLOSE_SURPLUS },
	{ "within the reserve",
	    { .total = 7, .size = 5, .reserve = 2, .mine_us = NOW - SEC },
	    LEDGER_GRANT },
	{ "beyond the reserve",
	    { .total = 8, .size = 5, .reserve = 2, .mine_us = NOW - SEC },
	    LEDGER_CLOSE_SURPLUS },
	{ "no limit", { .total = 1000 }, LEDGER_IDLE },
	{ "no limit of its own, but a quota is exceeded",
	    { .over = true, .total = 2, .mine_us = NOW - SEC },
	    LEDGER_CLOSE_SURPLUS },
	{ "another pool claims, nobody waits here",
	    { .hungry_us = NOW - 1, .total = 1, .size = 5 },
	    LEDGER_CLOSE_EVICTED },
	{ "another pool claims, ours came first",
	    { .hungry_us = NOW - SEC, .total = 1, .size = 5,
		.mine_us = NOW - 2 * SEC },
	    LEDGER_GRANT },
	{ "another pool claims, ours came a little later",
	    { .hungry_us = NOW - SEC, .total = 1, .size = 5,
		.mine_us = NOW - SEC + 9 * MSEC },
	    LEDGER_GRANT },
	{ "another pool claims, ours came clearly later",
	    { .hungry_us = NOW - SEC, .total = 1, .size = 5,
		.mine_us = NOW - SEC + 11 * MSEC },
	    LEDGER_CLOSE_EVICTED },
	{ "another pool that has the same claims",
	    { .hungry_us = NOW - 2 * SEC, .total = 3, .size = 5, .held = 3,
		.hungry_held = 3, .mine_us = NOW - MSEC },
	    LEDGER_GRANT },
	{ "another pool that has two less claims",
	    { .hungry_us = NOW - SEC, .total = 3, .size = 5, .held = 3,
		.hungry_held = 1, .mine_us = NOW - MSEC },
	    LEDGER_CLOSE_EVICTED },
	{ "another pool that has one less claims",
	    { .hungry_us = NOW - SEC / 2, .total = 3, .size = 5, .held = 3,
		.hungry_held = 2, .mine_us = NOW - MSEC },
	    LEDGER_GRANT },
	{ "another pool that has one less has claimed for long",
	    { .hungry_us = NOW - 2 * SEC, .total = 3, .size = 5, .held = 3,
		.hungry_held = 2, .mine_us = NOW - MSEC },
	    LEDGER_CLOSE_EVICTED },
	{ "another pool claims, our oldest waits elsewhere",
	    { .hungry_us = NOW - SEC, .total = 1, .size = 5,
		.mine_us = NOW - 1, .oldest_us = NOW - 2 * SEC },
	    LEDGER_MOVE },
};

START_TEST(fate_of_a_free_server_is_as_the_table_says)
{
	struct ledger_offer o = offers[_i].o;

	o.now_us = NOW;
	ck_assert_msg(ledger_fate(&o) == offers[_i].fate,
	    "%s: %d, not %d", offers[_i].claim, (int)ledger_fate(&o),
	    (int)offers[_i].fate);
}
END_TEST

/* ---- every view there is, in small ---- */

/* Whatever the figures: never past a bound, never at work while paused, and
 * what it says to fetch is there. */
START_TEST(no_view_leads_past_a_bound)
{
	struct ledger_demand d;
	unsigned bits;
	int waiting, total, logging_in;

	for (bits = 0; bits < 64; bits++)
	for (waiting = 0; waiting < 4; waiting++)
	for (total = 0; total < 6; total++)
	for (logging_in = 0; logging_in <= total; logging_in++) {
		d = (struct ledger_demand){
			.paused = bits & 1, .dead = bits & 2,
			.reserve_due = bits & 4, .may_try = bits & 8,
			.probe = bits & 16, .idle = (bits & 32) != 0,
			.waiting = waiting, .coming = logging_in,
			.total = total, .size = 3, .reserve = 1, .min = 2,
			.logging_in = logging_in, .login_parallel = 2,
		};
		switch (ledger_next(&d)) {
		case LEDGER_OPEN:
			ck_assert(!d.paused && !d.dead && d.may_try);
			ck_assert_int_lt(total, d.reserve_due ? 4 : 3);
			ck_assert_int_lt(logging_in, 2);
			break;
		case LEDGER_FETCH:
			ck_assert(!d.paused && !d.dead);
			ck_assert(d.idle > 0 && waiting > 0);
			break;
		case LEDGER_WAIT:
			break;
		}
	}
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = UNIT_SUITE("ledger", no_view_leads_past_a_bound);
	TCase *tc = tcase_create("tables");

	tcase_add_loop_test(tc, next_step_is_as_the_table_says, 0,
	    (int)ARRAY_LEN(demands));
	tcase_add_loop_test(tc, fate_of_a_free_server_is_as_the_table_says, 0,
	    (int)ARRAY_LEN(offers));
	suite_add_tcase(s, tc);
	return s;
}

UNIT_MAIN(suite())
