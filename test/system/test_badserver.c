/*
 * Hostile and broken servers, once logged in: whatever they say or leave
 * unsaid, their client gets an error in bounded time, nobody gets what is
 * not his, and everybody else goes on. Logins are in test_badlogin.c.
 */
#include "fakepg.h"
#include "fixture.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pooler *
start_with(struct fakepg *f, const char *settings)
{
	return pooler_start("server_down_after = 0.5\nclient_gone_grace = 0.1\n"
			    "server_login_retry = 0.1\n%s[databases]\n"
			    "bad = host=127.0.0.1 port=%d pool_size=1\n"
			    "app = host=127.0.0.1 port=@PGPORT@\n",
	    settings, fakepg_port(f));
}

static void
others_go_on(void)
{
	PGconn *c = client_open(" ");

	ck_assert_int_eq(sql_int(c, "SELECT 4711"), 4711);
	PQfinish(c);
}

/* --- answers --- */

/* The answer to SELECT 'text' is text, so that a foreign one shows. */
static void
put_echo(struct fake_conn *c, struct pkt *k)
{
	char text[100] = "";
	const char *at = strchr((char *)c->body, '\'');

	if (at != NULL)
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(at + 1, "'"),
		    at + 1);
	fake_put_answer(k, text);
	fake_put_ready(k, 'I');
}

/* Connection n sends n bytes of its first answer and closes. */
static void
serve_cut_answer(struct fake_conn *c, void *arg)
{
	struct pkt k = { 0 };

	(void)arg;
	if (!fake_startup(c) || !fake_welcome(c))
		return;
	if (fake_read(c) != 'Q')
		return;
	put_echo(c, &k);
	fake_bytes(c, k.p, (size_t)c->number < k.n ? (size_t)c->number : k.n);
	pkt_free(&k);
}

START_TEST (server_that_closes_at_each_byte_of_an_answer) {
	struct fakepg *f = fakepg_start(serve_cut_answer, NULL);
	struct pooler *p = start_with(f, "");
	int whole = 0;

	for (int i = 0; i < 90; i++) {
		struct raw *r = raw_login(p->port, "alice", "bad");
		struct pkt k = { 0 };
		char sql[40], want[20];
		struct msg m;

		snprintf(want, sizeof(want), "mine-%d", i);
		snprintf(sql, sizeof(sql), "SELECT '%s'", want);
		pkt_query(&k, sql);
		raw_put(r, &k);
		do {
			m = raw_next(r, 5000);
			if (m.type == 'D')
				ck_assert_str_eq(msg_value(&m), want);
		} while (m.type != 0 && m.type != 'Z');
		whole += m.type == 'Z';
		raw_close(r);
	}
	ck_assert_int_gt(whole, 0);
	ck_assert_int_lt(whole, 60);
	others_go_on();
	fakepg_stop(f);
}
END_TEST

enum answer_fault {
	EXTRA_ANSWER,
	EXTRA_ANSWER_LATER,
	EXTRA_READY,
	BYTEWISE,
	N_ECHO_FAULTS
};

static void
serve_extra(struct fake_conn *c, void *arg)
{
	enum answer_fault fault = *(enum answer_fault *)arg;
	struct pkt k = { 0 };
	char type;

	if (!fake_startup(c) || !fake_welcome(c))
		return;
	while ((type = fake_read(c)) != 0 && type != 'X') {
		if (type != 'Q')
			continue;
		put_echo(c, &k);
		switch (fault) {
		case EXTRA_ANSWER:
			fake_put_answer(&k, "for nobody");
			fake_put_ready(&k, 'I');
			break;
		case EXTRA_ANSWER_LATER:
			fake_send(c, &k);
			fx_pause_ms(5);
			fake_put_answer(&k, "for nobody");
			fake_put_ready(&k, 'I');
			break;
		case EXTRA_READY:
			fake_put_ready(&k, 'I');
			break;
		case BYTEWISE:
			for (size_t i = 0; i < k.n; i++) {
				fake_bytes(c, k.p + i, 1);
				if (i % 8 == 0)
					fx_pause_ms(1);
			}
			pkt_free(&k);
			break;
		case N_ECHO_FAULTS:
			break;
		}
		if (k.n > 0 && !fake_send(c, &k))
			return;
	}
}

START_TEST (answers_nobody_asked_for_reach_nobody) {
	enum answer_fault fault = (enum answer_fault)_i;
	struct fakepg *f = fakepg_start(serve_extra, &fault);
	struct raw *r[4] = { NULL };
	struct pooler *p = start_with(f, "worker_threads = 2\n");
	int answered = 0;

	for (int i = 0; i < 80; i++) {
		struct raw **me = &r[i % 4];
		struct pkt k = { 0 };
		char sql[40], want[20];
		struct msg m;
		int values = 0;

		if (*me == NULL)
			*me = raw_login(p->port, "alice", "bad");
		snprintf(want, sizeof(want), "mine-%d", i);
		snprintf(sql, sizeof(sql), "SELECT '%s'", want);
		pkt_query(&k, sql);
		raw_put(*me, &k);
		do {
			m = raw_next(*me, 5000);
			if (m.type == 'D') {
				ck_assert_str_eq(msg_value(&m), want);
				values++;
			}
		} while (m.type != 0 && m.type != 'Z');
		ck_assert_int_le(values, 1);
		answered += values;
		/* Only while the server is idle can it be told. */
		if (fault == EXTRA_ANSWER_LATER)
			WAIT_UNTIL(show_rows("SERVERS", "database=bad") == 0,
			    5000);
		if (m.type == 0) {
			raw_close(*me);
			*me = NULL;
		}
	}
	ck_assert_int_gt(answered, 20);
	if (fault == BYTEWISE)
		ck_assert_int_eq(answered, 80);
	for (int i = 0; i < 4; i++)
		if (r[i] != NULL)
			raw_close(r[i]);
	others_go_on();
	fakepg_stop(f);
}
END_TEST

static const struct {
	const char *bytes;
	size_t n;
} nonsense[] = {
#define BYTES(s)                 \
	{                        \
		s, sizeof(s) - 1 \
	}
	BYTES("?\0\0\0\4"),
	BYTES("D\0\0\0\0"),
	BYTES("D\0\0\0\3"),
	BYTES("Z\0\0\0\5X"),
	BYTES("Z\0\0\0\4"),
	BYTES("Z\0\0\0\6II"),
	BYTES("C\xff\xff\xff\xff"),
	BYTES("E\0\0\0\4"),
	BYTES("S\0\0\0\6ab"),
	BYTES("R\0\0\0\x8\0\0\0\0"),
	BYTES("K\0\0\0\xc\1\2\3\4\5\6\7\x8"),
	BYTES("\0\0\0\0\0\0\0\0\0"),
	BYTES("GET / HTTP/1.0\r\n\r\n"),
	BYTES("G\0\0\0\4"),
	BYTES("T\0\0\0\6\xff\xff"),
	BYTES("1\0\0\0\4"),
	BYTES("A\0\0\0\4"),
	BYTES("N\0\0\0\4"),
	BYTES("V\0\0\0\4"),
	BYTES("W\0\0\0\7\0\0\0"),
#undef BYTES
};
#define N_NONSENSE ((int)(sizeof(nonsense) / sizeof(nonsense[0])))

static void
serve_nonsense(struct fake_conn *c, void *arg)
{
	int i = *(int *)arg;

	if (!fake_startup(c) || !fake_welcome(c))
		return;
	if (fake_read(c) == 'Q') {
		fake_bytes(c, nonsense[i].bytes, nonsense[i].n);
		fake_linger(c);
	}
}

START_TEST (server_that_answers_nonsense) {
	struct fakepg *f = fakepg_start(serve_nonsense, &_i);
	struct pooler *p = start_with(f, "query_timeout = 1\n");
	struct raw *r = raw_login(p->port, "alice", "bad");
	struct pkt k = { 0 };

	pkt_query(&k, "SELECT 'x'");
	raw_put(r, &k);
	/* An error, or the clock's error; in any case an end. */
	raw_types_to_end(r, 8000);
	raw_close(r);
	others_go_on();
	fakepg_stop(f);
}
END_TEST

static void
serve_deaf(struct fake_conn *c, void *arg)
{
	(void)arg;
	if (!fake_startup(c) || !fake_welcome(c))
		return;
	if (c->number > 0)
		fake_queries(c, "second");
	else
		fake_linger(c);
}

/* It takes no cancel and never answers: the server is closed in the end,
 * and its place is free for a new one. That takes half a minute, so it is
 * done on demand: TEST_LONG=1. */
START_TEST (deaf_server_is_given_up_when_its_client_goes) {
	struct fakepg *f;
	struct pooler *p;
	struct raw *r;
	struct pkt k = { 0 };
	PGconn *c;

	if (getenv("TEST_LONG") == NULL)
		return;
	f = fakepg_start(serve_deaf, NULL);
	p = start_with(f, "");
	r = raw_login(p->port, "alice", "bad");
	pkt_query(&k, "SELECT 'x'");
	raw_put(r, &k);
	WAIT_UNTIL(show("POOLS", "database=bad", "sv_active") == 1, 5000);
	raw_close(r);
	c = client_open("dbname=bad");
	sql_send(c, "SELECT 'y'");
	{
		PGresult *res = sql_result(c, 45000);

		ck_assert_str_eq(PQgetvalue(res, 0, 0), "second");
		PQclear(res);
	}
	PQfinish(c);
	fakepg_stop(f);
}
END_TEST

/* A server that keeps its transaction open after ROLLBACK is not reused. */
static void
serve_stubborn(struct fake_conn *c, void *arg)
{
	struct pkt k = { 0 };
	char type;

	(void)arg;
	if (!fake_startup(c) || !fake_welcome(c))
		return;
	while ((type = fake_read(c)) != 0 && type != 'X') {
		if (type != 'Q')
			continue;
		fake_put_answer(&k, "x");
		fake_put_ready(&k, c->number == 0 ? 'T' : 'I');
		fake_send(c, &k);
	}
}

START_TEST (server_that_will_not_roll_back_is_closed) {
	struct fakepg *f = fakepg_start(serve_stubborn, NULL);
	struct pooler *p = start_with(f, "");
	struct raw *r = raw_login(p->port, "alice", "bad");
	PGconn *c;

	raw_query(r, "SELECT 'begin'");
	raw_close(r);
	c = client_open("dbname=bad");
	sql_ok(c, "SELECT 'x'");
	ck_assert_int_eq(fakepg_accepted(f) >= 2, 1);
	PQfinish(c);
	fakepg_stop(f);
}
END_TEST

/* Notices and statuses of any size and number, at any time. */
static void
serve_talkative(struct fake_conn *c, void *arg)
{
	static char big[3 << 20];
	struct pkt k = { 0 };
	char type;

	(void)arg;
	memset(big, 'n', sizeof(big) - 1);
	if (!fake_startup(c) || !fake_welcome(c))
		return;
	while ((type = fake_read(c)) != 0 && type != 'X') {
		if (type != 'Q')
			continue;
		pkt_begin(&k, 'N');
		pkt_raw(&k, "SNOTICE\0C00000\0M", 16);
		pkt_raw(&k, big, sizeof(big));
		pkt_u8(&k, 0);
		pkt_end(&k);
		for (int i = 0; i < 2000; i++)
			fake_put_status(&k, "TimeZone",
			    i == 1999 ? "GMT" : "Asia/Tokyo");
		pkt_begin(&k, 'A');
		pkt_i32(&k, 1);
		pkt_str(&k, "channel");
		pkt_str(&k, "payload");
		pkt_end(&k);
		put_echo(c, &k);
		if (!fake_send(c, &k))
			break;
	}
}

START_TEST (talkative_server_is_followed) {
	struct fakepg *f = fakepg_start(serve_talkative, NULL);
	PGconn *c;

	start_with(f, "");
	c = client_open("dbname=bad");
	for (int i = 0; i < 5; i++)
		ck_assert_str_eq(sql_text(c, "SELECT 'x%d'", i),
		    i == 0     ? "x0" :
			i == 1 ? "x1" :
			i == 2 ? "x2" :
			i == 3 ? "x3" :
				 "x4");
	PQfinish(c);
	fakepg_stop(f);
}
END_TEST

/* What an idle server says last goes to the log, not to a client. */
static void
serve_then_leave(struct fake_conn *c, void *arg)
{
	struct pkt k = { 0 };

	(void)arg;
	if (!fake_startup(c) || !fake_welcome(c))
		return;
	if (fake_read(c) != 'Q')
		return;
	put_echo(c, &k);
	fake_send(c, &k);
	fx_pause_ms(30);
	fake_put_error(&k, "FATAL", "57P01", "going down for lunch");
	fake_send(c, &k);
}

START_TEST (last_words_of_an_idle_server_reach_no_client) {
	struct fakepg *f = fakepg_start(serve_then_leave, NULL);
	PGconn *c;

	start_with(f, "");
	c = client_open("dbname=bad");
	for (int i = 0; i < 5; i++) {
		ck_assert_str_eq(sql_text(c, "SELECT 'mine'"), "mine");
		WAIT_UNTIL(show_rows("SERVERS", "database=bad") == 0, 5000);
	}
	WAIT_UNTIL(pooler_logged(pooler_current(), "going down for lunch"),
	    5000);
	PQfinish(c);
	fakepg_stop(f);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("badserver");

	FX_ADD(s, server_that_closes_at_each_byte_of_an_answer, 60);
	FX_ADD_LOOP(s, answers_nobody_asked_for_reach_nobody, 60,
	    N_ECHO_FAULTS);
	FX_ADD_LOOP(s, server_that_answers_nonsense, 30, N_NONSENSE);
	FX_ADD(s, deaf_server_is_given_up_when_its_client_goes, 70);
	FX_ADD(s, server_that_will_not_roll_back_is_closed, 30);
	FX_ADD(s, talkative_server_is_followed, 30);
	FX_ADD(s, last_words_of_an_idle_server_reach_no_client, 30);
	return fx_main(s);
}
