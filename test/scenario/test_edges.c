/* Bad input, big input, limits, and last words. */
#include "scenario.h"

START_TEST(a_server_that_raves_is_closed_and_its_client_told)
{
	struct peer *s, *a, *b;

	given("");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	say(a, "Q=select 1");
	hear(s, "Q=select 1");
	say(b, "Q=select 2");
	say(s, "V");
	hear(a, "E=FATAL 08P01 bad pkt header|EOF");
	/* What it was doing is cancelled, lest it goes on for nobody. */
	cancel_comes(s);
	hang_up(s);
	s = server_in();
	hear(s, "Q=select 2");
}
END_TEST

START_TEST(a_length_that_cannot_be)
{
	static const uint8_t bad[][5] = { { 'Q', 0, 0, 0, 3 },
		{ 'Q', 0, 0, 0, 0 }, { 'P', 0xff, 0xff, 0xff, 0xff },
		{ 'd', 0x80, 0, 0, 0 }, { 'S', 0, 0, 0, 1 } };
	struct peer *s, *a;
	size_t i;

	given("");
	a = client_in("alice", &s);
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		say_bytes(a, bad[i], 5);
		hear(a, "E=FATAL 08P01 bad packet header*|EOF");
		a = client_in("alice", NULL);
		begin(a, s);
		say_bytes(a, bad[i], 5);
		hear(a, "E=FATAL 08P01 bad packet header*|EOF");
		hear(s, "Q=ROLLBACK");
		say(s, "C=ROLLBACK|Z=I");
		a = client_in("alice", NULL);
	}
	one_query(a, s);
}
END_TEST

START_TEST(a_message_past_max_packet_size)
{
	struct peer *s, *a;

	given("max_packet_size = 2000");
	a = client_in("alice", &s);
	say_bytes(a, "Q\0\0\x7\xd0", 5);
	hear(a, "");
	a = client_in("alice", NULL);
	say_bytes(a, "Q\0\0\x7\xd1", 5);
	hear(a, "E=FATAL 08P01 bad packet header*|EOF");
	hear(s, "");
}
END_TEST

/* A queueing client is read no more than it needs. */
START_TEST(what_a_queueing_client_sends_is_bounded)
{
	char big[2001];
	struct peer *s, *a, *b;
	size_t i, sent = 0;

	memset(big, 'x', sizeof(big));
	memcpy(big, "Q=", 2);
	big[sizeof(big) - 1] = '\0';
	given("query_wait_notify = 0");
	by_chunks(777);
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	begin(a, s);
	for (i = 0; i < 500; i++) {
		mutter(b, big);
		sent += strlen(big) - 2 + 6;
	}
	settle();
	ck_assert_uint_ge(unread(b), sent - 2 * LOOP_RBUF);
	say(a, "Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	for (i = 0; i < 500; i++)
		mutter(s, "C=SELECT 1|Z=I");
	settle();
	ck_assert_uint_eq(unread(b), 0);
	ck_assert_int_eq(pool_of("alice").waiting, 0);
}
END_TEST

/* Rows, errors and notices longer than anything that is held. */
START_TEST(messages_of_any_size_pass)
{
	static const char *const heads[] = { "D=", "E=ERROR XX000 ",
		"N=NOTICE 00000 " };
	size_t n = 300 * 1024, i;
	char *big = xmalloc(n + 1);
	struct peer *s, *a;
	struct buf body = { 0 };

	given("");
	by_chunks(1000);
	a = client_in("alice", &s);
	for (i = 0; i < ARRAY_LEN(heads); i++) {
		memset(big, 'x', n);
		memcpy(big, heads[i], strlen(heads[i]));
		big[n] = '\0';
		say(a, "Q=select big");
		hear(s, "Q=select big");
		say(s, big);
		peer_takes_body(a, &body);
		ck_assert_uint_gt(buf_len(&body), n - 20);
		buf_reset(&body);
		say(s, i == 1 ? "Z=I" : "C=SELECT 1|Z=I");
		hear(a, i == 1 ? "Z=I" : "C=SELECT 1|Z=I");
		ck_assert_int_eq(pool_of("alice").sv[SV_IDLE], 1);
	}
	buf_free(&body);
	free(big);
}
END_TEST

START_TEST(simple_queries_can_be_disallowed)
{
	struct peer *s, *a;

	given("disable_pqexec = 1");
	a = client_in("alice", &s);
	say(a, "P=select 1|B|E|S");
	hear(s, "P=select 1|B|E|S");
	say(s, "1|2|C=SELECT 1|Z=I");
	hear(a, "1|2|C=SELECT 1|Z=I");
	say(a, "Q=select 1");
	hear(a, "E=FATAL 0A000 PQexec disallowed|EOF");
	hear(s, "");
}
END_TEST

START_TEST(max_client_conn_is_a_limit)
{
	struct peer *s, *a, *b;
	const char *const who[] = { "user", "alice", "database", "app", NULL };

	given("max_client_conn = 1");
	a = client_in("alice", &s);
	b = client_connects();
	say_startup(b, who);
	hear(b, "E=FATAL 53300 no more connections allowed "
	    "(max_client_conn)|EOF");
	hang_up(b);
	hang_up(a);
	a = client_in("alice", NULL);
	one_query(a, s);
}
END_TEST

/* A socket closed with something unread in it is reset, and the reset would
 * take the error along. */
START_TEST(last_words_reach_one_who_goes_on_talking)
{
	struct peer *s, *a;

	given("client_idle_timeout = 5");
	a = client_in("alice", &s);
	advance(5 * USEC_PER_SEC);
	say(a, "Q=select 1|Q=select 2");
	hear(a, "E=FATAL 57P05 client_idle_timeout|EOF");
	hear(s, "");
	hang_up(a);
	ck_assert_int_eq(pool_of("alice").clients, 0);
}
END_TEST

START_TEST(one_who_never_reads_his_last_words_is_dropped)
{
	struct peer *s, *a;

	given("client_idle_timeout = 5");
	a = client_in("alice", &s);
	take_only(a, 0);
	advance(7 * USEC_PER_SEC);
	hear(a, "EOF");
}
END_TEST

START_TEST(an_unknown_database)
{
	struct peer *c;

	given("");
	c = client_connects();
	say_startup(c, (const char *const[]){ "user", "alice", "database",
	    "nosuch", NULL });
	hear(c, "E=FATAL 3D000 no such database: nosuch|EOF");
	nobody_dials();
}
END_TEST

SCENARIOS("edges",
    a_server_that_raves_is_closed_and_its_client_told,
    a_length_that_cannot_be,
    a_message_past_max_packet_size,
    what_a_queueing_client_sends_is_bounded,
    messages_of_any_size_pass,
    simple_queries_can_be_disallowed,
    max_client_conn_is_a_limit,
    last_words_reach_one_who_goes_on_talking,
    one_who_never_reads_his_last_words_is_dropped,
    an_unknown_database)
