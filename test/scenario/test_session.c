/* Linked: settings that follow, cancels, pipelines, and asides of servers. */
#include "scenario.h"

/* Logs in with a time zone of its own, which is tried on s; a then sets it
 * back. */
static struct peer *
client_from_mars(struct peer *s, struct peer *a)
{
	struct peer *c = client_connects();

	say_startup(c, (const char *const[]){ "user", "alice", "database",
	    "app", "TimeZone", "Mars", NULL });
	hear(s, "Q=SET TimeZone='Mars'*");
	hear(c, "");
	say(s, "C=SET|S=TimeZone:Mars|Z=I");
	hear_welcome(c);
	say(a, "Q=select 0");
	hear(s, "Q=SET TimeZone='UTC'*");
	say(s, "C=SET|S=TimeZone:UTC|Z=I");
	hear(s, "Q=select 0");
	say(s, "C=SELECT 1|Z=I");
	hear(a, "C=SELECT 1|Z=I");
	return c;
}

START_TEST(settings_are_replayed_before_the_clients_bytes)
{
	struct peer *s, *a, *b;

	given("");
	a = client_in("alice", &s);
	b = client_from_mars(s, a);
	mutter(b, "Q=select 1");
	say(b, "Q=select 2");
	hear(s, "Q=SET TimeZone='Mars'*");
	hear(b, "");
	say(s, "C=SET|S=TimeZone:Mars|Z=I");
	hear(s, "Q=select 1|Q=select 2");
	say(s, "C=SELECT 1|Z=I|C=SELECT 2|Z=I");
	hear(b, "C=SELECT 1|Z=I|C=SELECT 2|Z=I");
	/* Once told, not again. */
	one_query(b, s);
	say(a, "Q=select 1");
	hear(s, "Q=SET TimeZone='UTC'*");
	say(s, "C=SET|S=TimeZone:UTC|Z=I");
	hear(s, "Q=select 1");
	say(s, "C=SELECT 1|Z=I");
	hear(a, "C=SELECT 1|Z=I");
}
END_TEST

/* What a client sets itself is remembered for it alone. */
START_TEST(a_setting_follows_the_client_that_made_it)
{
	struct peer *s, *a, *b;

	given("");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	say(a, "Q=set timezone to venus");
	say(s, "C=SET|S=TimeZone:Venus|Z=I");
	hear(a, "C=SET|S=TimeZone:Venus|Z=I");
	hear(s, "Q=set timezone to venus");
	say(b, "Q=select 1");
	hear(s, "Q=SET TimeZone='UTC'*");
	say(s, "C=SET|S=TimeZone:UTC|Z=I");
	hear(s, "Q=select 1");
	say(s, "C=SELECT 1|Z=I");
	hear(b, "C=SELECT 1|Z=I");
	say(a, "Q=select 1");
	hear(s, "Q=SET TimeZone='Venus'*");
	say(s, "C=SET|S=TimeZone:Venus|Z=I");
	hear(s, "Q=select 1");
}
END_TEST

START_TEST(a_setting_that_the_server_refuses)
{
	struct peer *s, *a, *b;

	given("");
	a = client_in("alice", &s);
	b = client_from_mars(s, a);
	say(b, "Q=select 1");
	hear(s, "Q=SET TimeZone='Mars'*");
	say(s, "E=ERROR 22023 invalid value for parameter TimeZone|Z=I");
	hear(b, "E=FATAL 22023 invalid server parameter|EOF");
	/* Nothing has changed there. */
	say(a, "Q=select 1");
	hear(s, "Q=select 1");
}
END_TEST

static struct peer *
client_with(const char *name, const char *value)
{
	struct peer *c = client_connects();

	say_startup(c, (const char *const[]){ "user", "alice", "database",
	    "app", name, value, NULL });
	return c;
}

/* What no server reports is set with SQL, tried once, and set back. */
START_TEST(a_startup_setting_is_tried_once_and_replayed)
{
	struct peer *s, *a, *b, *c;

	given("");
	a = client_in("alice", &s);
	b = client_with("Work_mem", "1'MB");
	hear(s, "Q=SELECT pg_catalog.set_config('work_mem','1''MB',false);");
	hear(b, "");
	say(s, "T|D|C=SELECT 1|Z=I");
	hear_welcome(b);
	one_query(b, s);
	c = client_with("work_mem", "1'MB");
	hear_welcome(c);
	one_query(c, s);
	say(a, "Q=select 1");
	hear(s, "Q=RESET \"work_mem\";");
	say(s, "C=RESET|Z=I");
	hear(s, "Q=select 1");
	say(s, "C=SELECT 1|Z=I");
	hear(a, "C=SELECT 1|Z=I");
	say(c, "Q=select 2");
	hear(s, "Q=SELECT pg_catalog.set_config('work_mem','1''MB',false);");
	say(s, "T|D|C=SELECT 1|Z=I");
	hear(s, "Q=select 2");
	say(s, "C=SELECT 1|Z=I");
	hear(c, "C=SELECT 1|Z=I");
}
END_TEST

/* The server that is tried has what somebody else set. */
START_TEST(a_startup_setting_is_tried_with_nothing_of_others)
{
	struct peer *s, *a, *b;

	given("");
	a = client_in("alice", &s);
	say(a, "Q=set datestyle to german");
	hear(s, "Q=set datestyle to german");
	say(s, "C=SET|S=DateStyle:German, DMY|Z=I");
	hear(a, "C=SET|S=DateStyle:German, DMY|Z=I");
	b = client_with("TimeZone", "Mars");
	hear(s, "Q=SET DateStyle='ISO, MDY';SET TimeZone='Mars'*");
	say(s, "C=SET|C=SET|S=DateStyle:ISO, MDY|S=TimeZone:Mars|Z=I");
	hear(b, "R|S=server_version:15.5|S=DateStyle:ISO, MDY|"
	    "S=client_encoding:*|S=TimeZone:Mars|"
	    "S=standard_conforming_strings:*|S=application_name:*|"
	    "S=IntervalStyle:*|K|Z=I");
	one_query(b, s);
}
END_TEST

START_TEST(a_startup_setting_that_the_server_refuses)
{
	struct peer *s, *a, *b;

	given("");
	a = client_in("alice", &s);
	b = client_with("nonsense", "1");
	hear(s, "Q=SELECT pg_catalog.set_config('nonsense','1',false);");
	say(s, "E=ERROR 42704 unrecognized configuration parameter|Z=I");
	hear(b, "E=FATAL 42704 unrecognized configuration parameter|EOF");
	one_query(a, s);
	nobody_dials();
}
END_TEST

/* The login's clock runs while it waits for a server to ask. */
START_TEST(a_startup_setting_waits_for_a_busy_server)
{
	struct peer *s, *a, *b;

	given("client_login_timeout = 5\n");
	a = client_in("alice", &s);
	say(a, "Q=begin");
	hear(s, "Q=begin");
	say(s, "C=BEGIN|Z=T");
	hear(a, "C=BEGIN|Z=T");
	b = client_with("work_mem", "1MB");
	advance(4 * USEC_PER_SEC);
	hear(b, "");
	advance(2 * USEC_PER_SEC);
	hear(b, "E=FATAL 57P05 client_login_timeout (server down)|EOF");
	say(a, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	hear(a, "C=COMMIT|Z=I");
}
END_TEST

START_TEST(a_server_that_ends_during_the_replay)
{
	struct peer *s, *a, *b;

	given("");
	a = client_in("alice", &s);
	b = client_from_mars(s, a);
	say(b, "Q=select 1");
	hear(s, "Q=SET TimeZone='Mars'*");
	hang_up(s);
	hear(b, "E=FATAL 08006 server conn crashed?|EOF");
}
END_TEST

START_TEST(a_cancel_during_the_replay_is_answered_by_us)
{
	struct peer *s, *a, *b, *k;

	given("");
	a = client_in("alice", &s);
	b = client_from_mars(s, a);
	say(b, "Q=select 1");
	hear(s, "Q=SET TimeZone='Mars'*");
	k = client_cancels(b);
	hear(k, "EOF");
	nobody_dials();
	say(s, "C=SET|S=TimeZone:Mars|Z=I");
	hear(b, "E=ERROR 57014 canceling statement due to user request|Z=I");
	hear(s, "");
	one_query(b, s);
}
END_TEST

START_TEST(a_cancel_is_aimed_at_the_current_query)
{
	struct peer *s, *a, *k, *x;

	given("");
	a = client_in("alice", &s);
	say(a, "Q=select pg_sleep(99)");
	hear(s, "Q=select pg_sleep(99)");
	k = client_cancels(a);
	x = server_dialed();
	hear(x, "cancel=*");
	hear(k, "");
	say(s, "E=ERROR 57014 canceling statement due to user request|Z=I");
	hear(a, "E=ERROR 57014 canceling statement due to user request|Z=I");
	ck_assert_int_eq(pool_of("alice").sv[SV_CANCELING], 1);
	/* The caller's connection ends when the cancel has been dealt with. */
	hang_up(x);
	hear(k, "EOF");
	one_query(a, s);
}
END_TEST

START_TEST(a_cancel_of_an_idle_client_does_nothing)
{
	struct peer *s, *a, *k;

	given("");
	a = client_in("alice", &s);
	k = client_cancels(a);
	hear(k, "EOF");
	begin(a, s);
	k = client_cancels(a);
	hear(k, "EOF");
	nobody_dials();
	say(a, "Q=commit");
	hear(s, "Q=commit");
}
END_TEST

START_TEST(a_cancel_with_a_wrong_key_does_nothing)
{
	static const uint8_t packet[] = { 0, 0, 0, 16, 4, 210, 22, 46, 1, 2, 3,
		4, 5, 6, 7, 8 };
	struct peer *s, *a, *k;

	given("");
	a = client_in("alice", &s);
	say(a, "Q=select pg_sleep(99)");
	k = client_connects();
	say_bytes(k, packet, sizeof(packet));
	hear(k, "EOF");
	nobody_dials();
	hear(a, "");
}
END_TEST

START_TEST(a_queued_query_is_cancelled_by_us)
{
	struct peer *s, *a, *b, *k;

	given("");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	begin(a, s);
	mutter(b, "Q=select 1");
	say(b, "Q=select 2");
	k = client_cancels(b);
	hear(k, "EOF");
	nobody_dials();
	hear(b, "E=ERROR 57014 canceling statement due to user request|Z=I");
	/* The second one is a query of its own. */
	say(a, "Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	hear(s, "Q=select 2");
	say(s, "C=SELECT 1|Z=I");
	hear(b, "C=SELECT 1|Z=I");
}
END_TEST

START_TEST(a_queued_batch_is_skipped_to_its_sync)
{
	struct peer *s, *a, *b, *k;

	given("");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	begin(a, s);
	say(b, "P=insert|B");
	k = client_cancels(b);
	hear(k, "EOF");
	hear(b, "E=ERROR 57014 canceling statement due to user request");
	say(b, "D|E");
	hear(b, "");
	say(b, "S");
	hear(b, "Z=I");
	say(a, "Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	hear(s, "");
	one_query(b, s);
}
END_TEST

START_TEST(a_queued_query_of_which_half_is_there_is_cancelled)
{
	char big[2000];
	struct peer *s, *a, *b;

	memset(big, 'x', sizeof(big));
	memcpy(big, "Q=", 2);
	big[sizeof(big) - 1] = '\0';
	given("max_inspected_statement = 1024\n");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	begin(a, s);
	say_part(b, big, 1500);
	(void)client_cancels(b);
	hear(b, "E=ERROR 57014 canceling statement due to user request|Z=I");
	say_rest(b, big, 1500);
	say(a, "Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	hear(s, "");
	one_query(b, s);
}
END_TEST

START_TEST(a_pipeline_is_answered_in_order)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	say(a, "P=select 1|B|D|E|S|Q=select 2|P=select 3|B|E|S");
	hear(s, "P=select 1|B|D|E|S|Q=select 2|P=select 3|B|E|S");
	say(s, "1|2|T|D=1|C=SELECT 1|Z=I");
	ck_assert_int_eq(pool_of("alice").sv[SV_ACTIVE], 1);
	say(s, "T|D=2|C=SELECT 1|Z=I|1|2|s");
	ck_assert_int_eq(pool_of("alice").sv[SV_ACTIVE], 1);
	say(s, "Z=I");
	ck_assert_int_eq(pool_of("alice").sv[SV_IDLE], 1);
	hear(a, "1|2|T|D=1|C=SELECT 1|Z=I|T|D=2|C=SELECT 1|Z=I|1|2|s|Z=I");
}
END_TEST

START_TEST(an_error_in_a_pipeline_skips_to_the_sync)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	say(a, "P=select 1|B|E|P=select 2|B|E|S|P=select 3|S");
	(void)heard(s);
	say(s, "1|2|E=ERROR 22012 division by zero|Z=I|1|Z=I");
	hear(a, "1|2|E=ERROR 22012 division by zero|Z=I|1|Z=I");
	ck_assert_int_eq(pool_of("alice").sv[SV_IDLE], 1);
}
END_TEST

START_TEST(statement_mode_refuses_transactions)
{
	struct peer *s, *a, *b;

	given("pool_mode = statement");
	a = client_in("alice", &s);
	one_query(a, s);
	say(a, "Q=begin");
	hear(s, "Q=begin");
	say(s, "C=BEGIN|Z=T");
	/* In place of ReadyForQuery: so it is the answer to BEGIN. */
	hear(a, "C=BEGIN|E=FATAL 0A000 transaction blocks not allowed in "
	    "statement pooling mode|EOF");
	hear(s, "Q=ROLLBACK");
	say(s, "C=ROLLBACK|Z=I");
	b = client_in("alice", NULL);
	one_query(b, s);
	/* Also when what follows would end it. */
	mutter(b, "Q=begin");
	say(b, "Q=commit");
	hear(s, "Q=begin|Q=commit");
	say(s, "C=BEGIN|Z=T");
	hear(b, "C=BEGIN|E=FATAL 0A000 transaction blocks not allowed in "
	    "statement pooling mode|EOF");
	say(s, "C=COMMIT|Z=I");
	ck_assert_int_eq(pool_of("alice").sv[SV_IDLE], 1);
}
END_TEST

START_TEST(asides_come_at_any_time)
{
	struct peer *s, *a, *b;

	given("");
	a = client_in("alice", &s);
	/* Idle: nobody is there to hear it. */
	say(s, "N=NOTICE 00000 hello|A|S=TimeZone:Venus");
	hear(a, "");
	/* In front of the answer, in it, behind it in the transaction. */
	say(a, "Q=begin");
	hear(s, "Q=SET TimeZone='UTC'*");
	say(s, "N=NOTICE 00000 ours|C=SET|S=TimeZone:UTC|A|Z=I");
	hear(a, "A");
	hear(s, "Q=begin");
	say(s, "N=NOTICE 00000 one|C=BEGIN|A|S=DateStyle:German|Z=T|"
	    "N=WARNING 01000 two|A");
	hear(a, "N=NOTICE 00000 one|C=BEGIN|A|S=DateStyle:German|Z=T|"
	    "N=WARNING 01000 two|A");
	say(a, "Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	hear(a, "C=COMMIT|Z=I");
	/* It has followed the server's DateStyle. */
	b = client_in("alice", NULL);
	say(b, "Q=select 1");
	hear(s, "Q=SET DateStyle='ISO, MDY'*");
	say(s, "C=SET|S=DateStyle:ISO, MDY|Z=I");
	hear(s, "Q=select 1");
	say(s, "C=SELECT 1|Z=I");
	hear(b, "C=SELECT 1|Z=I");
}
END_TEST

START_TEST(copy_both_ways)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	say(a, "Q=copy t from stdin");
	say(s, "G");
	say(a, "d=1|d=2|c");
	hear(s, "Q=copy t from stdin|d=1|d=2|c");
	ck_assert_int_eq(pool_of("alice").sv[SV_ACTIVE], 1);
	say(s, "C=COPY 2|Z=I");
	hear(a, "G|C=COPY 2|Z=I");
	ck_assert_int_eq(pool_of("alice").sv[SV_IDLE], 1);
	say(a, "Q=copy t to stdout");
	say(s, "H|d=1|d=2|c|C=COPY 2|Z=I");
	hear(a, "H|d=1|d=2|c|C=COPY 2|Z=I");
	ck_assert_int_eq(pool_of("alice").sv[SV_IDLE], 1);
	/* Data behind an error is dropped, here or there. */
	(void)heard(s);
	say(a, "Q=copy bad from stdin");
	say(s, "G|E=ERROR 22P02 bad|Z=I");
	hear(a, "G|E=ERROR 22P02 bad|Z=I");
	ck_assert_int_eq(pool_of("alice").sv[SV_ACTIVE], 1);
	say(a, "d=1|d=2|c");
	ck_assert_int_eq(pool_of("alice").sv[SV_ACTIVE], 0);
	say(a, "d=3|c");
	if (is_closed(s)) {
		/* It had answered while bytes for it were under way. */
		hang_up(s);
		say(a, "Q=select 1");
		s = server_in();
		hear(s, "Q=select 1");
	} else {
		(void)heard(s);
		one_query(a, s);
	}
}
END_TEST

/* COPY has failed, and nobody can tell which Sync the server has read. A
 * session keeps its server all the same: its temporary tables, its settings. */
START_TEST(a_session_keeps_its_server_when_copy_fails)
{
	struct peer *s, *a;

	given("pool_mode = session");
	a = client_in("alice", &s);
	say(a, "P=copy v from stdin|B|E|S");
	hear(s, "P=copy v from stdin|B|E|S");
	say(s, "1|2|G|E=ERROR 22P04 bad data");
	say(a, "f=no|S");
	hear(s, "f=no|S");
	say(s, "Z=I");
	hear(a, "1|2|G|E=ERROR 22P04 bad data|Z=I");
	say(a, "Q=select 1");
	hear(s, "Q=select 1");
	say(s, "C=SELECT 1|Z=I");
	hear(a, "C=SELECT 1|Z=I");
	nobody_dials();
}
END_TEST

/* In transaction mode it is closed instead; the client does not notice. */
START_TEST(a_transaction_does_without_it)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	say(a, "P=copy v from stdin|B|E|S");
	hear(s, "P=copy v from stdin|B|E|S");
	say(s, "1|2|G|E=ERROR 22P04 bad data");
	say(a, "f=no|S");
	hear(s, "f=no|S");
	say(s, "Z=I");
	hear(a, "1|2|G|E=ERROR 22P04 bad data|Z=I");
	ck_assert_int_eq(pool_of("alice").sv[SV_ACTIVE], 0);
}
END_TEST

/* What was booked as sent is sent, also when what follows it is refused. */
START_TEST(what_precedes_a_wrong_message_reaches_the_server)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	mutter(a, "Q=commit");
	say_bytes(a, "z\0\0\0\4", 5);
	hear(s, "Q=commit");
	hear(a, "E=FATAL 08P01 unknown pkt|BYE");
	say(s, "C=COMMIT|Z=I");
	ck_assert_int_eq(pool_of("alice").sv[SV_IDLE], 1);
}
END_TEST

/* An idle server has said half a notice when a client gets it: the other half
 * is not the client's, and not the start of a message. */
START_TEST(half_a_notice_does_not_reach_the_next_client)
{
	struct peer *s, *a;
	const char *notice = "N=NOTICE 00000 DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDD";

	given("");
	a = client_in("alice", &s);
	say_part(s, notice, 30);
	say(a, "Q=select 1");
	hear(s, "Q=select 1");
	say_rest(s, notice, 30);
	say(s, "T|D=1|C=SELECT 1|Z=I");
	hear(a, "T|D=1|C=SELECT 1|Z=I");
}
END_TEST

START_TEST(a_function_call)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	say(a, "F");
	hear(s, "F");
	say(s, "V|Z=I");
	hear(a, "V|Z=I");
	/* Nobody knows what it does. */
	hear(s, "Q=DISCARD ALL");
	say(s, "C=DISCARD ALL|Z=I");
	ck_assert_int_eq(pool_of("alice").sv[SV_IDLE], 1);
}
END_TEST

/* What the client sends faster than the server takes it stays with it. */
START_TEST(a_server_that_takes_nothing_pauses_its_client)
{
	char big[2001];
	struct peer *s, *a;
	size_t i, sent = 0;

	memset(big, 'x', sizeof(big));
	memcpy(big, "d=", 2);
	big[sizeof(big) - 1] = '\0';
	given("");
	by_chunks(777);
	a = client_in("alice", &s);
	say(a, "Q=copy t from stdin");
	hear(s, "Q=copy t from stdin");
	say(s, "G");
	take_only(s, 100);
	for (i = 0; i < 500; i++) {
		mutter(a, big);
		sent += strlen(big) - 2 + 5;
	}
	settle();
	ck_assert_uint_gt(unread(a), sent - 64 * 1024 - LOOP_RBUF - 100);
	take_only(s, SIZE_MAX);
	say(a, "c");
	ck_assert_uint_eq(unread(a), 0);
	say(s, "C=COPY 500|Z=I");
	hear(a, "G|C=COPY 500|Z=I");
	(void)heard(s);
	one_query(a, s);
}
END_TEST

/* The server answers before it has taken all: what is still to be sent to it
 * is nothing to move with it, nor to lose. */
START_TEST(a_server_with_unsent_bytes_stays_where_it_is)
{
	char big[2001];
	struct peer *s, *a, *b;
	size_t i;

	memset(big, 'x', sizeof(big));
	memcpy(big, "d=", 2);
	big[sizeof(big) - 1] = '\0';
	given("worker_threads = 2");
	by_chunks(777);
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	say(a, "Q=copy t from stdin");
	hear(s, "Q=copy t from stdin");
	say(s, "G");
	hear(a, "G");
	take_only(s, 100);
	for (i = 0; i < 5; i++)
		mutter(a, big);
	say(a, "c");
	say(b, "Q=select 1");
	advance(USEC_PER_SEC);
	say(s, "E=ERROR 22P02 bad|Z=I");
	hear(a, "E=ERROR 22P02 bad|Z=I");
	take_only(s, SIZE_MAX);
	settle();
	(void)heard(s);
	if (!is_closed(s)) {
		say(s, "C=SELECT 1|Z=I");
	} else {
		hang_up(s);
		s = server_in();
		hear(s, "Q=select 1");
		say(s, "C=SELECT 1|Z=I");
	}
	hear(b, "C=SELECT 1|Z=I");
}
END_TEST

START_TEST(two_workers_share_one_server)
{
	struct peer *s, *a, *b;
	int i;

	given("worker_threads = 2");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	for (i = 0; i < 5; i++) {
		one_query(a, s);
		one_query(b, s);
	}
	begin(a, s);
	say(b, "Q=select 1");
	advance(USEC_PER_SEC);
	say(a, "Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	hear(s, "Q=select 1");
	say(s, "C=SELECT 1|Z=I");
	hear(b, "C=SELECT 1|Z=I");
}
END_TEST

SCENARIOS("session",
    settings_are_replayed_before_the_clients_bytes,
    a_setting_follows_the_client_that_made_it,
    a_setting_that_the_server_refuses,
    a_startup_setting_is_tried_once_and_replayed,
    a_startup_setting_is_tried_with_nothing_of_others,
    a_startup_setting_that_the_server_refuses,
    a_startup_setting_waits_for_a_busy_server,
    a_server_that_ends_during_the_replay,
    a_cancel_during_the_replay_is_answered_by_us,
    a_cancel_is_aimed_at_the_current_query,
    a_cancel_of_an_idle_client_does_nothing,
    a_cancel_with_a_wrong_key_does_nothing,
    a_queued_query_is_cancelled_by_us,
    a_queued_batch_is_skipped_to_its_sync,
    a_queued_query_of_which_half_is_there_is_cancelled,
    a_pipeline_is_answered_in_order,
    an_error_in_a_pipeline_skips_to_the_sync,
    statement_mode_refuses_transactions,
    asides_come_at_any_time,
    copy_both_ways,
    what_precedes_a_wrong_message_reaches_the_server,
    half_a_notice_does_not_reach_the_next_client,
    a_session_keeps_its_server_when_copy_fails,
    a_transaction_does_without_it,
    a_function_call,
    a_server_that_takes_nothing_pauses_its_client,
    a_server_with_unsent_bytes_stays_where_it_is,
    two_workers_share_one_server)
