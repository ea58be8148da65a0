/* A client and the clocks that run while it waits. */
#include "scenario.h"

START_TEST(a_query_goes_through_and_the_server_is_free_again)
{
	struct peer *s, *c;

	given("");
	c = client_in("alice", &s);
	one_query(c, s);
	ck_assert_int_eq(pool_of("alice").sv[SV_IDLE], 1);
	one_query(c, s);
	say(c, "X");
	hear(c, "BYE");
	nobody_dials();
}
END_TEST

START_TEST(who_waits_too_long_gets_query_wait_timeout)
{
	struct peer *s, *a, *b;

	given("query_wait_timeout = 120\nquery_wait_notify = 0");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	begin(a, s);
	say(b, "Q=select 2");
	advance(120 * USEC_PER_SEC - 1);
	hear(b, "");
	advance(1);
	hear(b, "E=FATAL 57014 query_wait_timeout|EOF");
	hear(s, "");
	say(a, "Q=commit");
	hear(s, "Q=commit");
}
END_TEST

SCENARIOS("waiting",
    a_query_goes_through_and_the_server_is_free_again,
    who_waits_too_long_gets_query_wait_timeout)
