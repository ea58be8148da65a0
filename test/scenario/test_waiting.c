/* Clients and the clocks that run while they wait, idle or work. */
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

/* A server is asked for when there is something to send to it. */
START_TEST(half_a_head_wants_no_server)
{
	const char *q = "Q=select 'longer than what is looked at of a query "
			"before it is sent on'";
	struct peer *s, *c;
	size_t n;

	given("max_prepared_statements = 0");
	c = client_in("alice", &s);
	for (n = 1; n < 64; n += 3) {
		say_part(c, q, n);
		ck_assert_int_eq(pool_of("alice").sv[SV_IDLE], 1);
		say_rest(c, q, n);
		hear(s, "Q=*");
		say(s, "C=SELECT 1|Z=I");
		hear(c, "C=SELECT 1|Z=I");
	}
	/* Nor does more of it: it is looked at as a whole. */
	say_part(c, q, 64);
	ck_assert_int_eq(pool_of("alice").sv[SV_IDLE], 1);
	say_rest(c, q, 64);
	hear(s, "Q=*");
	say(s, "C=SELECT 1|Z=I");
	hear(c, "C=SELECT 1|Z=I");
}
END_TEST

/* A text that is looked at as a whole is waited for without a server; one that
 * is too long for that is passed on as it comes. */
START_TEST(a_query_that_is_looked_at_wants_no_server_before_its_end)
{
	char big[3000];
	struct peer *s, *c;

	given("session_state = allow\nmax_inspected_statement = 2000");
	c = client_in("alice", &s);
	memset(big, 'x', sizeof(big));
	memcpy(big, "Q=", 2);
	big[1900] = '\0';
	say_part(c, big, 1899);
	ck_assert_int_eq(pool_of("alice").sv[SV_IDLE], 1);
	say_rest(c, big, 1899);
	hear(s, "Q=*");
	say(s, "C=SELECT 1|Z=I");
	hear(c, "C=SELECT 1|Z=I");
	big[1900] = 'x';
	big[sizeof(big) - 1] = '\0';
	say_part(c, big, 1000);
	ck_assert_int_eq(pool_of("alice").sv[SV_ACTIVE], 1);
	say_rest(c, big, 1000);
	hear(s, "Q=*");
	say(s, "C=SELECT 1|Z=I");
	hear(c, "C=SELECT 1|Z=I");
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

/* The text is not the one of a query that runs. */
START_TEST(query_timeout_bounds_the_wait_too)
{
	struct peer *s, *a, *b;

	given("query_timeout = 30\nquery_wait_notify = 0");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	begin(a, s);
	say(b, "Q=select 2");
	advance(30 * USEC_PER_SEC - 1);
	hear(b, "");
	advance(1);
	hear(b, "E=FATAL 57014 query_timeout|EOF");
	hear(s, "");
}
END_TEST

/* It is told at once, and may go on. */
START_TEST(one_too_many_in_the_queue_is_refused)
{
	const char *told = "E=ERROR 53300 too many clients are waiting for a "
			   "server (max_waiting_clients)|Z=I";
	struct peer *s, *a, *b, *c;

	given("max_waiting_clients = 1");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	c = client_in("alice", NULL);
	begin(a, s);
	say(b, "Q=select b");
	say(c, "Q=select c");
	hear(c, told);
	hear(b, "");
	say(c, "Q=one");
	hear(c, told);
	say(c, "P=select d|B|D|E|S");
	hear(c, told);
	say(c, "S");
	hear(c, told);
	say(a, "Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	hear(s, "Q=select b");
	hear(a, "C=COMMIT|Z=I");
	say(c, "Q=select c");
	say(s, "C=B|Z=I");
	hear(b, "C=B|Z=I");
	hear(s, "Q=select c");
	say(s, "C=C|Z=I");
	hear(c, "C=C|Z=I");
}
END_TEST

/* What comes behind a message that is refused is not part of it. */
START_TEST(a_refused_message_is_dropped_to_its_end)
{
	const char *q = "Q=select 'longer than what has come'";
	const char *told = "E=ERROR 53300 too many clients are waiting for a "
			   "server (max_waiting_clients)|Z=I";
	struct peer *s, *a, *b, *c;

	given_db("session_state = allow\nmax_prepared_statements = 0",
	    "max_waiting_clients=1");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	c = client_in("alice", NULL);
	begin(a, s);
	say(b, "Q=select b");
	say_part(c, q, 20);
	say_rest(c, q, 20);
	hear(c, told);
	mutter(c, "Q=one");
	mutter(c, "Q=two");
	mutter(c, "P=x|B|E|S");
	say(c, "Q=three");
	hear(c, "E=ERROR 53300*|Z=I|E=ERROR 53300*|Z=I|E=ERROR 53300*|Z=I|"
		"E=ERROR 53300*|Z=I");
	say(c, "X");
	hear(c, "BYE");
	hang_up(b);
	say(a, "Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
}
END_TEST

/* Who logs in and would have to wait for the first server is not let in. */
START_TEST(one_too_many_at_login_is_refused)
{
	struct peer *a, *b, *s;

	given("max_waiting_clients = 1");
	a = client_connects();
	say_startup(a, (const char *const[]){ "user", "alice", "database",
	    "app", NULL });
	s = server_dialed();
	b = client_connects();
	say_startup(b, (const char *const[]){ "user", "alice", "database",
	    "app", NULL });
	hear(b, "E=FATAL 53300 too many clients are waiting for a server "
		"(max_waiting_clients)|EOF");
	server_welcomes(s);
	hear_welcome(a);
}
END_TEST

START_TEST(the_queue_is_served_in_order)
{
	struct peer *s, *a, *b, *c;

	given("");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	c = client_in("alice", NULL);
	begin(a, s);
	say(b, "Q=select b");
	advance(10);
	say(c, "Q=select c");
	advance(10);
	say(a, "Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	hear(s, "Q=select b");
	say(s, "C=B|Z=I");
	hear(s, "Q=select c");
	say(s, "C=C|Z=I");
	hear(b, "C=B|Z=I");
	hear(c, "C=C|Z=I");
}
END_TEST

START_TEST(who_queues_is_told_once)
{
	struct peer *s, *a, *b;

	given("query_wait_notify = 5");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	begin(a, s);
	say(b, "Q=select 2");
	advance(5 * USEC_PER_SEC - 1);
	hear(b, "");
	advance(60 * USEC_PER_SEC);
	hear(b, "N=NOTICE 00000 No server connection available in postgres "
	    "backend, client being queued");
	say(a, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	hear(s, "Q=commit|Q=select 2");
	say(s, "C=SELECT 1|Z=I");
	hear(b, "C=SELECT 1|Z=I");
}
END_TEST

START_TEST(who_says_nothing_gets_client_login_timeout)
{
	struct peer *c, *half;

	given("client_login_timeout = 60");
	c = client_connects();
	half = client_connects();
	say_bytes(half, "\0\0\0", 3);
	advance(60 * USEC_PER_SEC - 1);
	hear(c, "");
	advance(1);
	hear(c, "E=FATAL 57P05 client_login_timeout|EOF");
	hear(half, "E=FATAL 57P05 client_login_timeout|EOF");
}
END_TEST

START_TEST(who_waits_for_the_first_server_gets_its_own_text)
{
	struct peer *c;

	given("client_login_timeout = 10\nserver_down_after = 0\n"
	      "server_connect_timeout = 0");
	fake_net = NET_SILENT;
	c = client_connects();
	say_startup(c, (const char *const[]){ "user", "alice", "database",
	    "app", NULL });
	advance(10 * USEC_PER_SEC - 1);
	hear(c, "");
	advance(1);
	hear(c, "E=FATAL 57P05 client_login_timeout (server down)|EOF");
}
END_TEST

START_TEST(an_idle_client_gets_client_idle_timeout)
{
	struct peer *s, *c;

	given("client_idle_timeout = 30");
	c = client_in("alice", &s);
	advance(29 * USEC_PER_SEC);
	one_query(c, s);
	advance(30 * USEC_PER_SEC - 1);
	hear(c, "");
	advance(1);
	hear(c, "E=FATAL 57P05 client_idle_timeout|EOF");
}
END_TEST

/* The server is rolled back and goes on. */
START_TEST(idle_in_a_transaction_for_too_long)
{
	struct peer *s, *a, *b;

	given("idle_transaction_timeout = 30");
	a = client_in("alice", &s);
	begin(a, s);
	advance(29 * USEC_PER_SEC);
	say(a, "Q=select 1");
	hear(s, "Q=select 1");
	advance(300 * USEC_PER_SEC); /* a query is not idle */
	say(s, "C=SELECT 1|Z=T");
	hear(a, "C=SELECT 1|Z=T");
	advance(30 * USEC_PER_SEC - 1);
	hear(a, "");
	advance(1);
	hear(a, "E=FATAL 25P03 idle transaction timeout|EOF");
	hear(s, "Q=ROLLBACK");
	say(s, "C=ROLLBACK|Z=I");
	b = client_in("alice", NULL);
	one_query(b, s);
}
END_TEST

START_TEST(a_transaction_that_takes_too_long)
{
	struct peer *s, *a, *b;

	given("transaction_timeout = 30");
	a = client_in("alice", &s);
	begin(a, s);
	advance(20 * USEC_PER_SEC);
	say(a, "Q=select 1");
	hear(s, "Q=select 1");
	say(s, "C=SELECT 1|Z=T");
	hear(a, "C=SELECT 1|Z=T");
	advance(10 * USEC_PER_SEC - 1);
	hear(a, "");
	advance(1);
	hear(a, "E=FATAL 25P04 transaction timeout|EOF");
	hear(s, "Q=ROLLBACK");
	say(s, "C=ROLLBACK|Z=I");
	b = client_in("alice", NULL);
	one_query(b, s);
}
END_TEST

START_TEST(a_query_that_takes_too_long_is_cancelled_and_the_server_reused)
{
	struct peer *s, *a, *b;

	given("query_timeout = 30");
	a = client_in("alice", &s);
	say(a, "Q=select pg_sleep(99)");
	hear(s, "Q=select pg_sleep(99)");
	advance(30 * USEC_PER_SEC - 1);
	hear(a, "");
	nobody_dials();
	advance(1);
	hear(a, "E=FATAL 57014 query timeout|EOF");
	cancel_comes(s);
	say(s, "E=ERROR 57014 canceling statement due to user request|Z=I");
	b = client_in("alice", NULL);
	one_query(b, s);
}
END_TEST

/* The answer may come before the server has closed the cancel connection: it
 * is nobody's until then, else the cancel could hit the next query. */
START_TEST(a_server_is_not_reused_while_a_cancel_is_under_way)
{
	struct peer *s, *k, *a, *b;

	given("query_timeout = 30");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	say(a, "Q=select pg_sleep(99)");
	advance(30 * USEC_PER_SEC);
	hear(a, "E=FATAL 57014 query timeout|EOF");
	hear(s, "Q=select pg_sleep(99)");
	k = server_dialed();
	hear(k, "cancel=*");
	say(s, "C=SELECT 1|Z=I");
	say(b, "Q=select 2");
	hear(s, "");
	ck_assert_int_eq(pool_of("alice").sv[SV_CANCELING], 1);
	hang_up(k);
	hear(s, "Q=select 2");
	say(s, "C=SELECT 1|Z=I");
	hear(b, "C=SELECT 1|Z=I");
}
END_TEST

START_TEST(a_cancel_that_breaks_costs_the_server)
{
	struct peer *s, *k, *a;

	given("query_timeout = 30\ncancel_wait_timeout = 10");
	a = client_in("alice", &s);
	say(a, "Q=select pg_sleep(99)");
	advance(30 * USEC_PER_SEC);
	hear(a, "E=FATAL 57014 query timeout|EOF");
	k = server_dialed();
	hear(k, "cancel=*");
	say(s, "C=SELECT 1|Z=I");
	advance(10 * USEC_PER_SEC);
	hear(k, "EOF");
	hear(s, "Q=select pg_sleep(99)|X|EOF");
	hang_up(s);
	ck_assert_int_eq(servers_open(), 0);
}
END_TEST

START_TEST(an_idle_server_is_closed_and_min_pool_size_kept)
{
	struct peer *s, *t, *a, *b;

	given("default_pool_size = 2\nserver_idle_timeout = 60\n"
	      "min_pool_size = 1\nserver_check_query =");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	begin(a, s);
	say(b, "Q=select 2");
	t = server_in();
	hear(t, "Q=select 2");
	say(t, "C=SELECT 1|Z=I");
	say(a, "Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	advance(60 * USEC_PER_SEC - 1);
	hear(t, "");
	advance(1);
	/* One goes, and one stays. */
	ck_assert_int_eq(is_closed(s) + is_closed(t), 1);
	hang_up(is_closed(s) ? s : t);
	advance(1000 * USEC_PER_SEC);
	nobody_dials();
	ck_assert_int_eq(pool_of("alice").sv[SV_IDLE], 1);
}
END_TEST

/* min_pool_size is made good without anybody asking. */
START_TEST(min_pool_size_is_made)
{
	struct peer *s, *t;

	given("default_pool_size = 3\nmin_pool_size = 2");
	(void)client_in("alice", &s);
	t = server_in();
	ck_assert_int_eq(pool_of("alice").sv[SV_IDLE], 2);
	hang_up(t);
	t = server_in();
	ck_assert_int_eq(pool_of("alice").sv[SV_IDLE], 2);
	nobody_dials();
	(void)s;
}
END_TEST

/* Up to a tenth earlier than server_lifetime says, never later. */
START_TEST(a_server_does_not_outlive_its_lifetime)
{
	struct peer *s, *c;

	given("server_lifetime = 1000\nserver_idle_timeout = 0\n"
	      "server_check_query =");
	c = client_in("alice", &s);
	advance(899 * USEC_PER_SEC);
	one_query(c, s);
	begin(c, s);
	advance(500 * USEC_PER_SEC); /* not while it works */
	hear(s, "");
	say(c, "Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	hear(c, "C=COMMIT|Z=I");
	hear(s, "X|EOF");
	/* The next one is made when the old one has really gone. */
	say(c, "Q=select 1");
	nobody_dials();
	hang_up(s);
	s = server_in();
	hear(s, "Q=select 1");
	say(s, "C=SELECT 1|Z=I");
	hear(c, "C=SELECT 1|Z=I");
	advance(1000 * USEC_PER_SEC);
	hear(s, "X|EOF");
}
END_TEST

START_TEST(a_server_unused_for_long_is_checked_before_use)
{
	struct peer *s, *c;

	given("server_check_delay = 30\nserver_check_query = select 7");
	c = client_in("alice", &s);
	advance(30 * USEC_PER_SEC - 1);
	one_query(c, s);
	advance(30 * USEC_PER_SEC);
	say(c, "Q=select 1");
	hear(s, "Q=select 7");
	say(s, "T|D=7|C=SELECT 1|Z=I");
	hear(s, "Q=select 1");
	say(s, "C=SELECT 1|Z=I");
	hear(c, "C=SELECT 1|Z=I");
}
END_TEST

START_TEST(a_server_that_died_unseen_costs_nobody_a_query)
{
	struct peer *s, *c;

	given("server_check_delay = 30");
	c = client_in("alice", &s);
	advance(30 * USEC_PER_SEC);
	say(c, "Q=select 1");
	hear(s, "Q");
	reset(s);
	hear(c, "");
	s = server_in();
	hear(s, "Q=select 1");
	say(s, "C=SELECT 1|Z=I");
	hear(c, "C=SELECT 1|Z=I");
}
END_TEST

START_TEST(a_check_that_is_never_answered)
{
	struct peer *s, *c;

	given("server_check_delay = 30\nquery_wait_notify = 0");
	c = client_in("alice", &s);
	advance(30 * USEC_PER_SEC);
	say(c, "Q=select 1");
	hear(s, "Q");
	advance(30 * USEC_PER_SEC);
	cancel_comes(s);
	hear(s, "X|EOF");
	hang_up(s);
	s = server_in();
	hear(s, "Q=select 1");
	say(s, "C=SELECT 1|Z=I");
	hear(c, "C=SELECT 1|Z=I");
}
END_TEST

START_TEST(a_session_is_reset_before_the_next_one)
{
	struct peer *s, *a, *b;

	given("pool_mode = session\nserver_reset_query = DISCARD ALL");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	one_query(a, s);
	say(b, "Q=select 2");
	hear(s, "");
	say(a, "X");
	hear(s, "Q=DISCARD ALL");
	say(s, "C=DISCARD ALL|Z=I");
	hear(s, "Q=select 2");
	say(s, "C=SELECT 1|Z=I");
	hear(b, "C=SELECT 1|Z=I");
	/* One that has not been asked for anything is not reset for nothing:
	 * but a linked one is. */
	hang_up(b);
	hear(s, "Q=DISCARD ALL");
	say(s, "C=DISCARD ALL|Z=I");
	ck_assert_int_eq(pool_of("alice").sv[SV_IDLE], 1);
}
END_TEST

START_TEST(a_reset_that_fails_closes_the_server)
{
	struct peer *s, *a, *b;

	given("pool_mode = session");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	one_query(a, s);
	say(b, "Q=select 2");
	say(a, "X");
	hear(s, "Q=DISCARD ALL");
	say(s, "E=ERROR 42501 no|Z=I");
	hear(s, "X|EOF");
	hang_up(s);
	s = server_in();
	hear(s, "Q=select 2");
	say(s, "C=SELECT 1|Z=I");
	hear(b, "C=SELECT 1|Z=I");
}
END_TEST

START_TEST(a_client_that_reads_nothing_gets_client_write_timeout)
{
	char big[2001];
	struct peer *s, *a, *b;
	size_t i, sent = 0;

	memset(big, 'x', sizeof(big));
	memcpy(big, "D=", 2);
	big[sizeof(big) - 1] = '\0';
	given("client_write_timeout = 60");
	by_chunks(777);
	a = client_in("alice", &s);
	say(a, "Q=select everything");
	hear(s, "Q=select everything");
	say(s, "T");
	hear(a, "T");
	take_only(a, 1000);
	for (i = 0; i < 500; i++) {
		say(s, big);
		sent += strlen(big) + 9;
	}
	/* The server is paused: what it has sent stays with it, but for what
	 * the client may have in its own buffer, and one read more. */
	ck_assert_uint_gt(unread(s), sent - 1000 - 64 * 1024 - LOOP_RBUF);
	/* It takes some again. */
	advance(59 * USEC_PER_SEC);
	take_only(a, 5000);
	advance(59 * USEC_PER_SEC);
	ck_assert(!is_closed(a));
	advance(2 * USEC_PER_SEC);
	cancel_comes(s);
	say(s, "E=ERROR 57014 canceling statement due to user request|Z=I");
	b = client_in("alice", NULL);
	one_query(b, s);
}
END_TEST

START_TEST(a_slow_reader_gets_it_all)
{
	char big[2001];
	struct peer *s, *a;
	size_t i, all = 0, got = 0;

	memset(big, 'x', sizeof(big));
	memcpy(big, "D=", 2);
	big[sizeof(big) - 1] = '\0';
	given("client_write_timeout = 60");
	by_chunks(777);
	a = client_in("alice", &s);
	say(a, "Q=select everything");
	take_only(a, 0);
	for (i = 0; i < 500; i++) {
		mutter(s, big);
		all += 1 + 4 + 2 + 4 + strlen(big) - 2;
	}
	say(s, "C=SELECT 500|Z=I");
	all += 1 + 4 + strlen("SELECT 500") + 1 + 6;
	while (!is_closed(a) && got < all) {
		advance(USEC_PER_SEC);
		take_only(a, 40000);
		settle();
		got = unheard(a);
	}
	ck_assert_uint_eq(got, all);
	take_only(a, SIZE_MAX);
	(void)heard(a);
}
END_TEST

SCENARIOS("waiting",
    a_query_goes_through_and_the_server_is_free_again,
    half_a_head_wants_no_server,
    a_query_that_is_looked_at_wants_no_server_before_its_end,
    who_waits_too_long_gets_query_wait_timeout,
    query_timeout_bounds_the_wait_too,
    one_too_many_in_the_queue_is_refused,
    a_refused_message_is_dropped_to_its_end,
    one_too_many_at_login_is_refused,
    the_queue_is_served_in_order,
    who_queues_is_told_once,
    who_says_nothing_gets_client_login_timeout,
    who_waits_for_the_first_server_gets_its_own_text,
    an_idle_client_gets_client_idle_timeout,
    idle_in_a_transaction_for_too_long,
    a_transaction_that_takes_too_long,
    a_query_that_takes_too_long_is_cancelled_and_the_server_reused,
    a_server_is_not_reused_while_a_cancel_is_under_way,
    a_cancel_that_breaks_costs_the_server,
    an_idle_server_is_closed_and_min_pool_size_kept,
    min_pool_size_is_made,
    a_server_does_not_outlive_its_lifetime,
    a_server_unused_for_long_is_checked_before_use,
    a_server_that_died_unseen_costs_nobody_a_query,
    a_check_that_is_never_answered,
    a_session_is_reset_before_the_next_one,
    a_reset_that_fails_closes_the_server,
    a_client_that_reads_nothing_gets_client_write_timeout,
    a_slow_reader_gets_it_all)
