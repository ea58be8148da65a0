/* Servers that cannot be reached, refuse, fall silent, die or rave. */
#include "scenario.h"

#include <stdio.h>

#include "proto/auth.h"

/* A client that has said who it is, and waits for the pool. */
static struct peer *
client_at_the_door(void)
{
	struct peer *c = client_connects();

	say_startup(c, (const char *const[]){ "user", "alice", "database",
	    "app", NULL });
	return c;
}

/* ---- down ---- */

START_TEST(a_refusing_server_is_down_after_its_time_cold)
{
	struct peer *c, *s;

	given("server_down_after = 2");
	fake_net = ECONNREFUSED;
	c = client_at_the_door();
	advance(2 * USEC_PER_SEC - 1);
	hear(c, "");
	advance(USEC_PER_SEC);
	hear(c, "E=FATAL 08001 cannot reach server 10.0.0.1:5432 for database "
	    "\"app\": connection refused|EOF");
	/* The next one is told at once, when an attempt for it has failed. */
	advance(10 * USEC_PER_SEC);
	c = client_at_the_door();
	advance(USEC_PER_SEC / 2);
	hear(c, "E=FATAL 08001 cannot reach server*|EOF");
	/* The first one after it has come back gets in. */
	fake_net = 0;
	c = client_at_the_door();
	advance(USEC_PER_SEC / 10);
	s = server_in();
	hear_welcome(c);
	one_query(c, s);
}
END_TEST

START_TEST(a_refusing_server_is_down_after_its_time_warm)
{
	struct peer *c, *d, *s;

	given("server_down_after = 2");
	c = client_in("alice", &s);
	d = client_in("alice", NULL);
	hang_up(s);
	fake_net = ECONNREFUSED;
	say(c, "Q=select 1");
	advance(USEC_PER_SEC);
	say(d, "Q=select 2");
	advance(USEC_PER_SEC - 1);
	hear(c, "");
	advance(USEC_PER_SEC);
	hear(c, "E=FATAL 08001 cannot reach server*|EOF");
	advance(USEC_PER_SEC);
	hear(d, "E=FATAL 08001 cannot reach server*|EOF");
	/* One that is welcomed from what was learnt once. */
	c = client_in("alice", NULL);
	fake_net = 0;
	say(c, "Q=select 1");
	advance(USEC_PER_SEC / 10);
	s = server_in();
	hear(s, "Q=select 1");
	say(s, "C=SELECT 1|Z=I");
	hear(c, "C=SELECT 1|Z=I");
}
END_TEST

START_TEST(a_restart_within_the_time_costs_nothing)
{
	struct peer *c, *s;

	given("server_down_after = 10\nquery_wait_notify = 0");
	c = client_in("alice", &s);
	hang_up(s);
	fake_net = ECONNREFUSED;
	say(c, "Q=select 1");
	advance(5 * USEC_PER_SEC);
	hear(c, "");
	fake_net = 0;
	advance(3 * USEC_PER_SEC);
	s = server_in();
	hear(s, "Q=select 1");
	say(s, "C=SELECT 1|Z=I");
	hear(c, "C=SELECT 1|Z=I");
}
END_TEST

START_TEST(with_zero_it_is_waited_for)
{
	struct peer *c, *s;

	given("server_down_after = 0\nquery_wait_timeout = 100\n"
	      "query_wait_notify = 0");
	c = client_in("alice", &s);
	hang_up(s);
	fake_net = ECONNREFUSED;
	say(c, "Q=select 1");
	advance(100 * USEC_PER_SEC - 1);
	hear(c, "");
	advance(1);
	hear(c, "E=FATAL 57014 query_wait_timeout|EOF");
}
END_TEST

START_TEST(no_answer_at_all_is_down_too)
{
	struct peer *c, *s;

	given("server_down_after = 2\nserver_connect_timeout = 15");
	fake_net = NET_SILENT;
	c = client_at_the_door();
	advance(2 * USEC_PER_SEC - 1);
	hear(c, "");
	advance(USEC_PER_SEC);
	hear(c, "E=FATAL 08001 cannot reach server 10.0.0.1:5432 for database "
	    "\"app\": no answer|EOF");
	advance(13 * USEC_PER_SEC);
	fake_net = 0;
	c = client_at_the_door();
	s = server_in();
	hear_welcome(c);
	one_query(c, s);
}
END_TEST

START_TEST(server_connect_timeout_ends_an_attempt)
{
	struct peer *c, *s;

	given("server_down_after = 0\nserver_connect_timeout = 15");
	c = client_at_the_door();
	s = server_dialed();
	hear(s, "startup=alice@app");
	advance(15 * USEC_PER_SEC - 1);
	hear(s, "");
	advance(1);
	hear(s, "EOF");
	hang_up(s);
	advance(USEC_PER_SEC);
	s = server_in();
	hear_welcome(c);
	one_query(c, s);
}
END_TEST

/* A login that goes on, however slowly, is slow, not down. */
START_TEST(a_slow_login_is_not_down)
{
	struct peer *c, *s;

	given("server_down_after = 2\nserver_connect_timeout = 15");
	c = client_at_the_door();
	s = server_dialed();
	hear(s, "startup=alice@app");
	for (int i = 0; i < 9; i++) {
		advance(3 * USEC_PER_SEC / 2);
		hear(c, "");
		server_notices(s);
	}
	server_welcomes(s);
	hear_welcome(c);
}
END_TEST

START_TEST(a_name_that_is_not_known)
{
	struct peer *c;

	given_db("server_down_after = 2", "host=db.example");
	fake_dns_fails("name is not known");
	c = client_at_the_door();
	advance(3 * USEC_PER_SEC);
	hear(c, "E=FATAL 08001 cannot reach server db.example:5432 for "
	    "database \"app\": name is not known|EOF");
}
END_TEST

START_TEST(a_server_that_is_starting_up_is_waited_for)
{
	struct peer *c, *s;

	given("server_down_after = 2");
	c = client_at_the_door();
	s = server_dialed();
	hear(s, "startup=alice@app");
	say(s, "E=FATAL 57P03 the database system is starting up");
	hear(c, "");
	hang_up(s);
	advance(USEC_PER_SEC);
	s = server_in();
	hear_welcome(c);
	one_query(c, s);
}
END_TEST

START_TEST(a_server_that_goes_on_starting_up_is_down)
{
	struct peer *c, *s;
	int i;

	given("server_down_after = 2");
	c = client_at_the_door();
	for (i = 0; i < 30 && !is_closed(c); i++) {
		s = server_dialed();
		hear(s, "startup=alice@app");
		say(s, "E=FATAL 57P03 the database system is starting up");
		hang_up(s);
		advance(2 * USEC_PER_SEC + USEC_PER_SEC / 2);
	}
	hear(c, "E=FATAL 57P03 the database system is starting up|EOF");
}
END_TEST

START_TEST(too_many_clients_already_without_a_usable_server)
{
	struct peer *c, *s;
	int i;

	given("server_down_after = 2");
	c = client_at_the_door();
	for (i = 0; i < 30 && !is_closed(c); i++) {
		s = server_dialed();
		say(s, "E=FATAL 53300 sorry, too many clients already");
		hang_up(s);
		advance(2 * USEC_PER_SEC + USEC_PER_SEC / 2);
	}
	hear(c, "E=FATAL 53300 sorry, too many clients already|EOF");
}
END_TEST

/* With one that works everybody waits for that one. */
START_TEST(too_many_clients_already_with_a_usable_server)
{
	struct peer *a, *b, *s, *t;

	given("default_pool_size = 2\nserver_down_after = 2\n"
	      "query_wait_notify = 0");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	begin(a, s);
	say(b, "Q=select 2");
	t = server_dialed();
	say(t, "E=FATAL 53300 sorry, too many clients already");
	hang_up(t);
	fake_net = ECONNREFUSED;
	advance(60 * USEC_PER_SEC);
	hear(b, "");
	say(a, "Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	hear(s, "Q=select 2");
	say(s, "C=SELECT 1|Z=I");
	hear(b, "C=SELECT 1|Z=I");
}
END_TEST

START_TEST(a_refusal_is_told_at_once)
{
	static const char *const how[] = {
		"FATAL 28P01 password authentication failed for user \"alice\"",
		"FATAL 3D000 database \"app\" does not exist",
		"FATAL 28000 no pg_hba.conf entry",
	};
	char text[200];
	struct peer *c, *s;
	size_t i;

	given("server_down_after = 2");
	for (i = 0; i < ARRAY_LEN(how); i++) {
		c = client_at_the_door();
		s = server_dialed();
		snprintf(text, sizeof(text), "E=%s", how[i]);
		say(s, text);
		hang_up(s);
		snprintf(text, sizeof(text), "E=%s|EOF", how[i]);
		hear(c, text);
		/* Not asked again for each that comes. */
		c = client_at_the_door();
		hear(c, text);
		nobody_dials();
		advance(2 * USEC_PER_SEC);
	}
	c = client_at_the_door();
	s = server_in();
	hear_welcome(c);
}
END_TEST

/* ---- logging in to the server ---- */

START_TEST(it_may_close_at_any_point_of_the_login)
{
	static const char *const said[] = { "", "R=3", "R=5", "R=10", "R",
		"R|S=DateStyle:ISO", "R|S=DateStyle:ISO|K",
		"N=NOTICE 00000 hello", "R|K|N=NOTICE 00000 hello" };
	struct peer *c, *s;
	size_t i;

	given("server_down_after = 0");
	c = client_at_the_door();
	for (i = 0; i < ARRAY_LEN(said); i++) {
		s = server_dialed();
		say(s, said[i]);
		if (i % 2)
			reset(s);
		hang_up(s);
		hear(c, "");
		advance(3 * USEC_PER_SEC);
	}
	s = server_in();
	hear_welcome(c);
	one_query(c, s);
}
END_TEST

START_TEST(it_may_rave_at_any_point_of_the_login)
{
	static const char *const said[] = { "Z=I", "T", "D=1", "G", "1",
		"C=SELECT 1", "V", "R=7", "R=12 nonsense", "R|R=5", "d=1",
		"R|Z=T", "R|K|Z=E", "R|Z=x", "R=11 r=nonsense", "R=77" };
	static const uint8_t bad[][5] = { { 'R', 0, 0, 0, 3 },
		{ 'R', 255, 255, 255, 255 }, { 'S', 0x7f, 0, 0, 0 },
		{ 0, 0, 0, 0, 0 } };
	struct peer *c, *s;
	size_t i;

	given("server_down_after = 0\nclient_login_timeout = 0\n"
	      "query_wait_timeout = 0");
	c = client_at_the_door();
	for (i = 0; i < ARRAY_LEN(said) + ARRAY_LEN(bad); i++) {
		s = server_dialed();
		if (i < ARRAY_LEN(said))
			say(s, said[i]);
		else
			say_bytes(s, bad[i - ARRAY_LEN(said)], 5);
		if (!is_closed(s))
			advance(16 * USEC_PER_SEC);
		ck_assert_msg(is_closed(s), "case %zu", i);
		hang_up(s);
		advance(3 * USEC_PER_SEC);
		/* A method that we do not have is a refusal, told at once. */
		if (is_closed(c))
			c = client_at_the_door();
	}
	s = server_in();
	hear_welcome(c);
	one_query(c, s);
}
END_TEST

START_TEST(it_asks_for_a_clear_password)
{
	struct peer *c, *s;

	given("");
	c = client_at_the_door();
	s = server_dialed();
	hear(s, "startup=alice@app");
	say(s, "R=3");
	hear(s, "p=wonder");
	server_welcomes(s);
	hear_welcome(c);
}
END_TEST

START_TEST(it_asks_for_md5)
{
	struct peer *c, *s;

	given("");
	c = client_at_the_door();
	s = server_dialed();
	hear(s, "startup=alice@app");
	say(s, "R=5");
	hear(s, "p=md5*");
	say(s, "E=FATAL 28P01 password authentication failed|");
	hear(c, "E=FATAL 28P01 password authentication failed|EOF");
}
END_TEST

/* What the pooler has sent as 'p', without head. */
static void
next_p(struct peer *s, struct buf *body)
{
	buf_reset(body);
	peer_takes_body(s, body);
}

static void
scram(struct peer *s, const char *secret, bool lie)
{
	static const uint8_t seed[32] = "seed";
	struct auth_server_args args = { .method = AUTH_SCRAM, .user = "alice",
		.secret = secret, .mock_seed = seed, .scram_iterations = 4096 };
	struct auth_server *as = auth_server_new(&args);
	struct buf out = { 0 }, in = { 0 };
	struct span body;
	struct err e;
	enum step step = auth_server_step(as, NULL, &out, &e);

	while (step == STEP_MORE) {
		say_bytes(s, buf_head(&out), buf_len(&out));
		buf_reset(&out);
		next_p(s, &in);
		body = buf_span(&in);
		step = auth_server_step(as, &body, &out, &e);
	}
	if (step == STEP_DONE && lie)
		out.data[out.end - 5] = out.data[out.end - 5] == 'A' ? 'B' :
								       'A';
	if (step == STEP_DONE)
		say_bytes(s, buf_head(&out), buf_len(&out));
	else
		say(s, "E=FATAL 28P01 password authentication failed");
	auth_server_free(as);
	buf_free(&out);
	buf_free(&in);
}

START_TEST(it_asks_for_scram)
{
	struct peer *c, *s;

	given("");
	c = client_at_the_door();
	s = server_dialed();
	hear(s, "startup=alice@app");
	scram(s, "wonder", false);
	server_welcomes(s);
	hear_welcome(c);
	one_query(c, s);
}
END_TEST

START_TEST(the_scram_password_is_wrong)
{
	struct peer *c, *s;

	given("");
	c = client_at_the_door();
	s = server_dialed();
	hear(s, "startup=alice@app");
	scram(s, "another", false);
	hear(c, "E=FATAL 28P01 password authentication failed|EOF");
	ck_assert(is_closed(s));
}
END_TEST

/* A server that does not know the password either gets no session. */
START_TEST(the_servers_scram_signature_is_wrong)
{
	struct peer *c, *s;

	given("");
	c = client_at_the_door();
	s = server_dialed();
	hear(s, "startup=alice@app");
	scram(s, "wonder", true);
	hear(c, "E=FATAL 28P01 server login failed: failed to verify server "
	    "signature|EOF");
	ck_assert(is_closed(s));
}
END_TEST

START_TEST(it_says_ok_before_it_has_proven_itself)
{
	struct peer *c, *s;

	given("");
	c = client_at_the_door();
	s = server_dialed();
	hear(s, "startup=alice@app");
	say(s, "R=10");
	hear(s, "p=*");
	server_welcomes(s);
	settle();
	ck_assert(is_closed(s));
	ck_assert(is_closed(c));
	(void)heard(c);
}
END_TEST

START_TEST(connect_query_is_run_first)
{
	struct peer *c, *s;

	given_db("", "connect_query='select 5'");
	c = client_at_the_door();
	s = server_dialed();
	hear(s, "startup=alice@app");
	server_welcomes(s);
	hear(s, "Q=select 5");
	hear(c, "");
	say(s, "T|D=5|C=SELECT 1|Z=I");
	hear_welcome(c);
	one_query(c, s);
}
END_TEST

/* ---- a server that has worked ---- */

#define CRASHED "E=FATAL 08006 server conn crashed?|EOF"

START_TEST(it_dies_in_a_query)
{
	struct peer *s, *a, *b;

	given("");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	say(a, "Q=select 1");
	hear(s, "Q=select 1");
	say(b, "Q=select 2");
	say(s, "T|D=1");
	reset(s);
	hear(a, "T|D=1|" CRASHED);
	/* Who waits does not suffer for it. */
	s = server_in();
	hear(s, "Q=select 2");
	say(s, "C=SELECT 1|Z=I");
	hear(b, "C=SELECT 1|Z=I");
}
END_TEST

START_TEST(it_dies_in_a_transaction)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	begin(a, s);
	hang_up(s);
	hear(a, CRASHED);
}
END_TEST

START_TEST(it_dies_in_the_middle_of_a_message)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	say(a, "Q=select 1");
	hear(s, "Q=select 1");
	say_part(s, "D=a value that is cut in the middle", 20);
	hang_up(s);
	/* An error would be read as part of the value. */
	hear(a, "(half a message)|EOF");
}
END_TEST

START_TEST(it_dies_while_idle)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	hang_up(s);
	ck_assert_int_eq(servers_open(), 0);
	hear(a, "");
	say(a, "Q=select 1");
	s = server_in();
	hear(s, "Q=select 1");
	say(s, "C=SELECT 1|Z=I");
	hear(a, "C=SELECT 1|Z=I");
}
END_TEST

START_TEST(it_says_farewell_in_a_query)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	say(a, "Q=select 1");
	hear(s, "Q=select 1");
	say(s, "E=FATAL 57P01 terminating connection due to administrator "
	    "command");
	hang_up(s);
	hear(a, "E=FATAL 57P01 terminating connection due to administrator "
	    "command|EOF");
}
END_TEST

START_TEST(it_says_farewell_in_a_transaction)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	begin(a, s);
	say(s, "E=FATAL 25P03 terminating connection due to "
	    "idle-in-transaction timeout");
	hang_up(s);
	hear(a, "E=FATAL 25P03 terminating connection due to "
	    "idle-in-transaction timeout|EOF");
}
END_TEST

START_TEST(it_says_farewell_while_idle)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	say(s, "E=FATAL 57P01 terminating connection due to administrator "
	    "command");
	hang_up(s);
	hear(a, "");
	say(a, "Q=select 1");
	s = server_in();
	hear(s, "Q=select 1");
	say(s, "C=SELECT 1|Z=I");
	hear(a, "C=SELECT 1|Z=I");
}
END_TEST

START_TEST(it_says_farewell_while_its_answer_is_pending_for_two)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	say(a, "P=one|B|E|S|Q=two");
	(void)heard(s);
	say(s, "1|2|E=FATAL 57P01 terminating connection");
	hang_up(s);
	hear(a, "1|2|E=FATAL 57P01 terminating connection|EOF");
}
END_TEST

START_TEST(it_dies_while_it_is_reset_or_checked)
{
	struct peer *s, *a, *b;

	given("pool_mode = session\nserver_check_delay = 10");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	one_query(a, s);
	say(b, "Q=select 2");
	say(a, "X");
	hear(s, "Q=DISCARD ALL");
	hang_up(s);
	s = server_in();
	hear(s, "Q=select 2");
	say(s, "E=FATAL 57P01 terminating connection");
	hang_up(s);
	hear(b, "E=FATAL 57P01 terminating connection|EOF");
}
END_TEST

START_TEST(it_is_silent_while_closing)
{
	struct peer *s, *a, *b;

	given("pool_mode = session\nquery_wait_notify = 0");
	a = client_in("alice", &s);
	one_query(a, s);
	say(a, "X");
	hear(s, "Q=DISCARD ALL");
	b = client_in("alice", NULL);
	say(b, "Q=select 2");
	say(s, "E=ERROR 42501 no|Z=I");
	hear(s, "X|EOF");
	/* Terminate was sent, but the backend does not end. It counts as long
	 * as it may be there, and then no more. */
	advance(10 * USEC_PER_SEC - 1);
	nobody_dials();
	advance(2);
	s = server_in();
	hear(s, "Q=select 2");
}
END_TEST

SCENARIOS("down",
    a_refusing_server_is_down_after_its_time_cold,
    a_refusing_server_is_down_after_its_time_warm,
    a_restart_within_the_time_costs_nothing,
    with_zero_it_is_waited_for,
    no_answer_at_all_is_down_too,
    server_connect_timeout_ends_an_attempt,
    a_slow_login_is_not_down,
    a_name_that_is_not_known,
    a_server_that_is_starting_up_is_waited_for,
    a_server_that_goes_on_starting_up_is_down,
    too_many_clients_already_without_a_usable_server,
    too_many_clients_already_with_a_usable_server,
    a_refusal_is_told_at_once,
    it_may_close_at_any_point_of_the_login,
    it_may_rave_at_any_point_of_the_login,
    it_asks_for_a_clear_password,
    it_asks_for_md5,
    it_asks_for_scram,
    the_scram_password_is_wrong,
    the_servers_scram_signature_is_wrong,
    it_says_ok_before_it_has_proven_itself,
    connect_query_is_run_first,
    it_dies_in_a_query,
    it_dies_in_a_transaction,
    it_dies_in_the_middle_of_a_message,
    it_dies_while_idle,
    it_says_farewell_in_a_query,
    it_says_farewell_in_a_transaction,
    it_says_farewell_while_idle,
    it_says_farewell_while_its_answer_is_pending_for_two,
    it_dies_while_it_is_reset_or_checked,
    it_is_silent_while_closing)
