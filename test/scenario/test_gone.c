/* Clients that leave, in the middle of all kinds of things. */
#include "scenario.h"

/* The server serves the next one. */
static void
server_is_reused(struct peer *s)
{
	struct peer *c = client_in("alice", NULL);

	one_query(c, s);
}

START_TEST(in_a_query_it_gets_its_grace_and_then_a_cancel)
{
	struct peer *s, *a;

	given("client_gone_grace = 0.5");
	a = client_in("alice", &s);
	say(a, "Q=select pg_sleep(99)");
	hear(s, "Q=select pg_sleep(99)");
	hang_up(a);
	advance(USEC_PER_SEC / 2 - 1);
	nobody_dials();
	advance(2);
	cancel_comes(s);
	say(s, "E=ERROR 57014 canceling statement due to user request|Z=I");
	server_is_reused(s);
}
END_TEST

START_TEST(a_query_that_ends_within_the_grace_is_not_cancelled)
{
	struct peer *s, *a;

	given("client_gone_grace = 0.5");
	a = client_in("alice", &s);
	say(a, "Q=insert");
	hear(s, "Q=insert");
	hang_up(a);
	advance(USEC_PER_SEC / 4);
	say(s, "C=INSERT 0 1|Z=I");
	advance(USEC_PER_SEC);
	nobody_dials();
	server_is_reused(s);
}
END_TEST

START_TEST(a_query_in_a_transaction_is_cancelled_and_rolled_back)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	begin(a, s);
	say(a, "Q=select pg_sleep(99)");
	hear(s, "Q=select pg_sleep(99)");
	reset(a);
	advance(USEC_PER_SEC);
	cancel_comes(s);
	say(s, "E=ERROR 57014 canceling statement due to user request|Z=E");
	hear(s, "Q=ROLLBACK");
	say(s, "C=ROLLBACK|Z=I");
	server_is_reused(s);
}
END_TEST

START_TEST(an_open_transaction_is_rolled_back_at_once)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	begin(a, s);
	hang_up(a);
	hear(s, "Q=ROLLBACK");
	say(s, "C=ROLLBACK|Z=I");
	nobody_dials();
	server_is_reused(s);
}
END_TEST

START_TEST(a_rollback_that_does_not_end)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	begin(a, s);
	hang_up(a);
	hear(s, "Q=ROLLBACK");
	advance(10 * USEC_PER_SEC);
	cancel_comes(s);
	hear(s, "X|EOF");
	hang_up(s);
	ck_assert_int_eq(servers_open(), 0);
}
END_TEST

START_TEST(a_rollback_that_fails_closes_the_server)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	begin(a, s);
	hang_up(a);
	hear(s, "Q=ROLLBACK");
	say(s, "E=ERROR 42501 no|Z=T");
	hear(s, "X|EOF");
	hang_up(s);
	ck_assert_int_eq(servers_open(), 0);
}
END_TEST

START_TEST(a_server_that_ends_while_it_is_drained)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	begin(a, s);
	hang_up(a);
	hear(s, "Q=ROLLBACK");
	hang_up(s);
	ck_assert_int_eq(servers_open(), 0);
	a = client_connects();
	(void)a;
}
END_TEST

START_TEST(fire_and_forget_is_carried_out)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	mutter(a, "Q=insert|X");
	hang_up(a);
	hear(s, "Q=insert");
	say(s, "C=INSERT 0 1|Z=I");
	nobody_dials();
	server_is_reused(s);
}
END_TEST

/* Also with others in front of it. */
START_TEST(what_was_queued_whole_is_carried_out_in_its_turn)
{
	struct peer *s, *a, *b;

	given("");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	begin(a, s);
	mutter(b, "Q=insert");
	half_close(b);
	advance(3 * USEC_PER_SEC);
	say(a, "Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	hear(s, "Q=insert");
	say(s, "C=INSERT 0 1|Z=I");
	hear(b, "C=INSERT 0 1|Z=I|EOF");
	server_is_reused(s);
}
END_TEST

START_TEST(a_queued_insert_and_terminate_are_carried_out)
{
	struct peer *s, *a, *b;

	given("");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	begin(a, s);
	mutter(b, "Q=insert|X");
	hang_up(b);
	say(a, "Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	hear(s, "Q=insert");
	say(s, "C=INSERT 0 1|Z=I");
	server_is_reused(s);
}
END_TEST

START_TEST(half_a_message_in_the_queue_is_dropped)
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
	ck_assert_int_eq(pool_of("alice").waiting, 1);
	half_close(b);
	ck_assert_int_eq(pool_of("alice").waiting, 0);
	hear(b, "EOF");
	say(a, "Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	server_is_reused(s);
}
END_TEST

/* A whole one and a half: the whole one is carried out. */
START_TEST(what_stands_whole_before_a_half_is_carried_out)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	mutter(a, "Q=insert");
	say_part(a, "Q=delete from everything", 12);
	half_close(a);
	hear(s, "Q=insert");
	say(s, "C=INSERT 0 1|Z=I");
	hear(a, "C=INSERT 0 1|Z=I|EOF");
	server_is_reused(s);
}
END_TEST

START_TEST(half_a_message_at_the_server_costs_the_server)
{
	char big[2000];
	struct peer *s, *a;

	memset(big, 'x', sizeof(big));
	memcpy(big, "Q=", 2);
	big[sizeof(big) - 1] = '\0';
	given("max_inspected_statement = 1024\n");
	a = client_in("alice", &s);
	say_part(a, big, 1500);
	ck_assert_int_eq(pool_of("alice").sv[SV_ACTIVE], 1);
	hang_up(a);
	ck_assert(is_closed(s));
	cancel_comes(s);
	hang_up(s);
	hear(s, "(half a message)|EOF");
	ck_assert_int_eq(servers_open(), 0);
}
END_TEST

START_TEST(copy_in_is_ended_with_copy_fail)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	say(a, "Q=copy t from stdin");
	hear(s, "Q=copy t from stdin");
	say(s, "G");
	hear(a, "G");
	say(a, "d=one|d=two");
	hang_up(a);
	advance(USEC_PER_SEC);
	hear(s, "d=one|d=two|f=the client has gone");
	cancel_comes(s);
	say(s, "E=ERROR 57014 COPY from stdin failed|Z=I");
	server_is_reused(s);
}
END_TEST

START_TEST(half_a_copy_data_costs_the_server)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	say(a, "Q=copy t from stdin");
	hear(s, "Q=copy t from stdin");
	say(s, "G");
	hear(a, "G");
	say_part(a, "d=a line that is cut", 12);
	hang_up(a);
	hear(s, "(half a message)|EOF");
	hang_up(s);
}
END_TEST

START_TEST(copy_out_is_cancelled)
{
	struct peer *s, *a;

	given("client_gone_grace = 0.5");
	a = client_in("alice", &s);
	say(a, "Q=copy t to stdout");
	hear(s, "Q=copy t to stdout");
	say(s, "H|d=one|d=two");
	hear(a, "H|d=one|d=two");
	reset(a);
	say(s, "d=three");
	advance(USEC_PER_SEC);
	cancel_comes(s);
	say(s, "d=four|E=ERROR 57014 canceling statement|Z=I");
	server_is_reused(s);
}
END_TEST

/* Without its Sync nothing of a batch may take effect. */
START_TEST(a_batch_without_its_sync_is_rolled_back)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	say(a, "P=insert|B|E|H");
	hear(s, "P=insert|B|E|H");
	say(s, "1|2|C=INSERT 0 1");
	hear(a, "1|2|C=INSERT 0 1");
	hang_up(a);
	advance(USEC_PER_SEC);
	hear(s, "Q=ROLLBACK|S");
	say(s, "C=ROLLBACK|Z=I|Z=I");
	if (fake_dialed_open() > 1)
		cancel_comes(s);
	server_is_reused(s);
}
END_TEST

START_TEST(a_batch_with_its_sync_is_carried_out)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	mutter(a, "P=insert|B|E|S|X");
	hang_up(a);
	hear(s, "P=insert|B|E|S");
	say(s, "1|2|C=INSERT 0 1|Z=I");
	nobody_dials();
	server_is_reused(s);
}
END_TEST

/* What may commit is let run, however long it takes. */
START_TEST(a_commit_is_never_cancelled)
{
	static const char *const how[] = { "Q=commit", "Q= /* now */ END",
		"P=COMMIT|B|E|S", "Q=PREPARE TRANSACTION 'x'" };
	struct peer *s, *a;
	size_t i;

	given("");
	a = client_in("alice", &s);
	for (i = 0; i < ARRAY_LEN(how); i++) {
		if (i > 0)
			a = client_in("alice", NULL);
		begin(a, s);
		say(a, how[i]);
		hang_up(a);
		advance(500 * USEC_PER_SEC);
		nobody_dials();
		ck_assert_int_eq(pool_of("alice").sv[SV_IDLE], 0);
		hear(s, i == 2 ? "P=COMMIT|B|E|S" : "Q=*");
		say(s, strchr(how[i], 'P') == how[i] ?
		    "1|2|C=COMMIT|Z=I" : "C=COMMIT|Z=I");
		ck_assert_int_eq(pool_of("alice").sv[SV_IDLE], 1);
		nobody_dials();
	}
}
END_TEST

START_TEST(with_finish_nothing_is_cancelled)
{
	struct peer *s, *a;

	given("client_gone = finish");
	a = client_in("alice", &s);
	say(a, "Q=select pg_sleep(99)");
	hear(s, "Q=select pg_sleep(99)");
	hang_up(a);
	advance(99 * USEC_PER_SEC);
	nobody_dials();
	say(s, "C=SELECT 1|Z=I");
	server_is_reused(s);
}
END_TEST

/* A half-closed client still reads: it gets its answer. */
START_TEST(a_half_closed_client_gets_its_answer)
{
	struct peer *s, *a;

	given("client_gone_grace = 5");
	a = client_in("alice", &s);
	mutter(a, "Q=select 1|Q=select 2");
	half_close(a);
	hear(s, "Q=select 1|Q=select 2");
	say(s, "C=SELECT 1|Z=I");
	hear(a, "C=SELECT 1|Z=I");
	say(s, "C=SELECT 2|Z=I");
	hear(a, "C=SELECT 2|Z=I|EOF");
	server_is_reused(s);
}
END_TEST

START_TEST(in_session_mode_it_is_reset_after_the_rollback)
{
	struct peer *s, *a;

	given("pool_mode = session");
	a = client_in("alice", &s);
	begin(a, s);
	reset(a);
	hear(s, "Q=ROLLBACK");
	say(s, "C=ROLLBACK|Z=I");
	hear(s, "Q=DISCARD ALL");
	say(s, "C=DISCARD ALL|Z=I");
	server_is_reused(s);
}
END_TEST

START_TEST(it_leaves_the_queue)
{
	struct peer *s, *a, *b;

	given("");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	begin(a, s);
	say(b, "Q=insert");
	reset(b);
	ck_assert_int_eq(pool_of("alice").waiting, 0);
	say(a, "Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	hear(s, "");
	server_is_reused(s);
}
END_TEST

START_TEST(it_leaves_while_its_settings_are_replayed)
{
	struct peer *s, *a, *b;

	given("");
	a = client_in("alice", &s);
	one_query(a, s);
	b = client_connects();
	say_startup(b, (const char *const[]){ "user", "alice", "database",
	    "app", "application_name", "Mars", NULL });
	hear_welcome(b);
	say(b, "Q=insert");
	hear(s, "Q=SET *");
	reset(b);
	/* It was sent whole, and so it is carried out. */
	say(s, "C=SET|S=application_name:Mars|Z=I");
	hear(s, "Q=insert");
	say(s, "C=INSERT 0 1|Z=I");
	/* The next one has its own. */
	say(a, "Q=select 1");
	hear(s, "Q=SET application_name=''*");
	say(s, "C=SET|S=application_name:|Z=I");
	hear(s, "Q=select 1");
}
END_TEST

SCENARIOS("gone",
    in_a_query_it_gets_its_grace_and_then_a_cancel,
    a_query_that_ends_within_the_grace_is_not_cancelled,
    a_query_in_a_transaction_is_cancelled_and_rolled_back,
    an_open_transaction_is_rolled_back_at_once,
    a_rollback_that_does_not_end,
    a_rollback_that_fails_closes_the_server,
    a_server_that_ends_while_it_is_drained,
    fire_and_forget_is_carried_out,
    what_was_queued_whole_is_carried_out_in_its_turn,
    a_queued_insert_and_terminate_are_carried_out,
    half_a_message_in_the_queue_is_dropped,
    what_stands_whole_before_a_half_is_carried_out,
    half_a_message_at_the_server_costs_the_server,
    copy_in_is_ended_with_copy_fail,
    half_a_copy_data_costs_the_server,
    copy_out_is_cancelled,
    a_batch_without_its_sync_is_rolled_back,
    a_batch_with_its_sync_is_carried_out,
    a_commit_is_never_cancelled,
    with_finish_nothing_is_cancelled,
    a_half_closed_client_gets_its_answer,
    in_session_mode_it_is_reset_after_the_rollback,
    it_leaves_the_queue,
    it_leaves_while_its_settings_are_replayed)
