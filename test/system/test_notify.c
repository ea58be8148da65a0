/*
 * LISTEN and NOTIFY in transaction mode: one server connection of the pool
 * listens for all its clients.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE "pool_mode = transaction\n"

static const int workers[] = { 1, 2, 4 };

static void
start(int n_workers, const char *more)
{
	pooler_start(BASE "worker_threads = %d\n%s", n_workers, more);
}

/* The next notification, within 5 s. */
static PGnotify *
next(PGconn *c)
{
	PGnotify *n;

	WAIT_UNTIL((PQconsumeInput(c), n = PQnotifies(c)) != NULL, 10000);
	return n;
}

static void
hears(PGconn *c, const char *channel, const char *payload, int pid)
{
	PGnotify *n = next(c);

	ck_assert_str_eq(n->relname, channel);
	ck_assert_str_eq(n->extra, payload);
	if (pid)
		ck_assert_int_eq(n->be_pid, pid);
	PQfreemem(n);
}

/* Whatever was notified before is there by the end of a transaction. */
static void
hears_nothing(PGconn *c)
{
	PGnotify *n;

	sql_ok(c, "SELECT 1");
	n = PQnotifies(c);
	ck_assert_msg(!n, "heard %s: %s", n->relname, n->extra);
}

static int
servers(const char *state)
{
	char key[64];

	snprintf(key, sizeof(key), "user=alice&state=%s", state);
	return show_rows("SERVERS", key);
}

START_TEST (one_server_listens_for_many) {
	PGconn *a, *b, *c;
	char payload[20];

	start(workers[_i], "");
	a = client_open(" ");
	b = client_open(" ");
	c = client_open(" ");
	sql_ok(a, "LISTEN news");
	sql_ok(b, "LISTEN \"News\"; LISTEN news");
	ck_assert_int_eq(servers("listening"), 1);
	ck_assert_int_eq(show_rows("CLIENTS", "state=active&user=alice"), 0);
	for (int i = 0; i < 200; i++)
		sql_ok(c, "NOTIFY %s, '%d'", i % 3 ? "news" : "\"News\"", i);
	for (int i = 0; i < 200; i++) {
		snprintf(payload, sizeof(payload), "%d", i);
		if (i % 3)
			hears(a, "news", payload, PQbackendPID(c));
		hears(b, i % 3 ? "news" : "News", payload, PQbackendPID(c));
	}
	hears_nothing(a);
	hears_nothing(c);
	PQfinish(a);
	PQfinish(b);
	PQfinish(c);
	/* Nobody listens any more. */
	WAIT_UNTIL(servers("listening") == 0, 5000);
	WAIT_UNTIL(servers("idle") > 0, 5000);
	c = client_open(" ");
	ck_assert_int_eq(sql_int(c,
	    "SELECT count(*) FROM pg_listening_channels()"), 0);
	PQfinish(c);
}
END_TEST

/* Its own notification is there by the end of the NOTIFY, and is its own. */
START_TEST (own_notifications_come_at_once_and_are_told_apart) {
	PGconn *a, *b;
	PGnotify *n;

	start(workers[_i], "");
	a = client_open(" ");
	b = client_open(" ");
	sql_ok(a, "CREATE TABLE IF NOT EXISTS noisy (x text)");
	sql_ok(a, "CREATE OR REPLACE FUNCTION noise() RETURNS trigger LANGUAGE "
	    "plpgsql AS $$ BEGIN PERFORM pg_notify('own', NEW.x); "
	    "RETURN NEW; END $$");
	sql_ok(a, "CREATE OR REPLACE TRIGGER noise AFTER INSERT ON noisy "
	    "FOR EACH ROW EXECUTE FUNCTION noise()");
	sql_ok(a, "LISTEN own");
	for (int i = 0; i < 30; i++) {
		PGconn *who = i % 2 ? a : b;
		const char *param = "p";

		if (i % 6 < 2)
			sql_ok(who, "NOTIFY own, 'x'");
		else if (i % 6 < 4)
			PQclear(PQexecParams(who, "SELECT pg_notify('own', $1)",
			    1, NULL, &param, NULL, NULL, 0));
		else if (who == a)
			sql_ok(who, "INSERT INTO noisy VALUES ('t')");
		else
			sql_ok(who, "SELECT pg_notify('own', 'q')");
		if (who == b)
			sql_ok(a, "SELECT 1");
		n = PQnotifies(a);
		ck_assert_msg(n != NULL, "not there: %d", i);
		ck_assert_int_eq(n->be_pid, PQbackendPID(who));
		PQfreemem(n);
	}
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (it_follows_the_transaction) {
	PGconn *a, *b;

	start(workers[_i], "");
	a = client_open(" ");
	b = client_open(" ");
	sql_ok(a, "BEGIN");
	sql_ok(a, "LISTEN x");
	sql_ok(b, "NOTIFY x, 'early'");
	sql_ok(a, "COMMIT");
	hears_nothing(a);
	sql_ok(a, "BEGIN; LISTEN y; ROLLBACK");
	sql_ok(a, "BEGIN; LISTEN y; SAVEPOINT s; LISTEN z; ROLLBACK TO s; "
	    "COMMIT");
	sql_fails(a, "LISTEN v; SELECT 1/0", "22012", "division");
	sql_ok(b, "NOTIFY z; NOTIFY v; NOTIFY y, '1'; NOTIFY x, '2'");
	hears(a, "y", "1", 0);
	hears(a, "x", "2", 0);
	/* Inside a transaction nothing is told. */
	sql_ok(a, "BEGIN");
	sql_ok(b, "NOTIFY x, 'late'");
	for (int i = 0; i < 20; i++) {
		sql_ok(a, "SELECT 1");
		ck_assert_ptr_null(PQnotifies(a));
	}
	sql_ok(a, "COMMIT");
	hears(a, "x", "late", 0);
	/* UNLISTEN, and what takes it back. */
	sql_ok(a, "BEGIN; UNLISTEN x; ROLLBACK");
	sql_ok(a, "UNLISTEN y");
	sql_ok(b, "NOTIFY y; NOTIFY x, 'still'");
	hears(a, "x", "still", 0);
	sql_ok(a, "LISTEN u");
	sql_ok(a, "UNLISTEN *");
	sql_ok(b, "NOTIFY x; NOTIFY u");
	hears_nothing(a);
	sql_ok(a, "LISTEN x");
	sql_ok(a, "DISCARD ALL");
	sql_ok(b, "NOTIFY x");
	hears_nothing(a);
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (all_forms_of_it_are_heard) {
	PGconn *a, *b;
	PGresult *r;
	char name[80], sql[200], *payload;

	start(2, "");
	a = client_open(" ");
	b = client_open(" ");
	r = PQexec(a, "/* LISTEN */ lisTen -- x\n Simple;");
	ck_assert_str_eq(PQcmdStatus(r), "LISTEN");
	PQclear(r);
	r = PQexecParams(a, "LISTEN unnamed", 0, NULL, NULL, NULL, NULL, 0);
	ck_assert_str_eq(PQcmdStatus(r), "LISTEN");
	PQclear(r);
	PQclear(PQprepare(a, "n", "LISTEN\"Named\"", 0, NULL));
	for (int i = 0; i < 2; i++) {
		r = PQexecPrepared(a, "n", 0, NULL, NULL, NULL, 0);
		ck_assert_str_eq(PQcmdStatus(r), "LISTEN");
		PQclear(r);
	}
	sql_ok(a, "SELECT 'LISTEN x'; LISTEN multi; SELECT 2");
	sql_ok(a, "PREPARE q AS SELECT 1; LISTEN mixed; EXECUTE q");
	memset(name, 'L', sizeof(name));
	name[70] = '\0';
	sql_ok(a, "LISTEN %s", name);
	memset(name, 'l', 63);
	name[63] = '\0';
	ck_assert_int_eq(servers("listening"), 1);
	sql_ok(b, "NOTIFY simple; NOTIFY unnamed; NOTIFY \"Named\"; "
	    "NOTIFY multi; NOTIFY mixed; NOTIFY named; NOTIFY x; NOTIFY %s",
	    name);
	hears(a, "simple", "", 0);
	hears(a, "unnamed", "", 0);
	hears(a, "Named", "", 0);
	hears(a, "multi", "", 0);
	hears(a, "mixed", "", 0);
	hears(a, name, "", 0);
	/* As many as one text may have. */
	for (int i = 0; i < 300; i++) {
		snprintf(sql, sizeof(sql), "LISTEN c%d", i);
		sql_ok(a, "%s; %s_", sql, sql);
	}
	payload = calloc(1, 8000);
	memset(payload, 'p', 7999);
	sql_ok(b, "NOTIFY c299_, '%s'", payload);
	hears(a, "c299_", payload, 0);
	free(payload);
	/* What is wrong with it is told as before. */
	sql_fails(a, "LISTEN", "42601", "syntax error");
	sql_fails(a, "LISTEN *", "42601", "syntax error");
	sql_fails(a, "LISTEN a b", "42601", "syntax error");
	PQfinish(a);
	PQfinish(b);
}
END_TEST

/* Several LISTENs in one text, more than there are names for. */
START_TEST (a_long_text_of_listens_is_carried_out) {
	PGconn *a, *b;
	char *sql = calloc(400, 20), *at = sql;

	start(1, "");
	a = client_open(" ");
	b = client_open(" ");
	for (int i = 0; i < 400; i++)
		at += sprintf(at, "LISTEN k%d;", i);
	sql_ok(a, "%s", sql);
	free(sql);
	sql_ok(b, "NOTIFY k399, 'last'");
	hears(a, "k399", "last", 0);
	PQfinish(a);
	PQfinish(b);
}
END_TEST

static int notices;
static char notice[400];

static void
on_notice(void *arg, const PGresult *r)
{
	(void)arg;
	notices++;
	snprintf(notice, sizeof(notice), "%s %s",
	    error_field(r, PG_DIAG_SQLSTATE),
	    error_field(r, PG_DIAG_MESSAGE_PRIMARY));
}

/* The one that listens is terminated: another one takes over, and each is
 * told of the gap. */
START_TEST (a_gap_is_told) {
	PGconn *a, *b;

	start(workers[_i], "");
	a = client_open(" ");
	b = client_open(" ");
	PQsetNoticeReceiver(a, on_notice, NULL);
	sql_ok(a, "LISTEN x; LISTEN y");
	sql_ok(b, "NOTIFY x, '1'");
	hears(a, "x", "1", 0);
	pg_exec("SELECT pg_terminate_backend(%s)", show_text("SERVERS",
	    "state=listening", "remote_pid"));
	WAIT_UNTIL((PQconsumeInput(a), PQnotifies(a), notices) > 0, 10000);
	ck_assert_str_eq(notice, "01000 notifications may have been missed");
	sql_ok(b, "NOTIFY y, '2'");
	hears(a, "y", "2", 0);
	ck_assert_int_eq(notices, 1);
	/* So it is when the pool's servers are to be new ones. */
	console_ok("RECONNECT app");
	WAIT_UNTIL((PQconsumeInput(a), PQnotifies(a), notices) > 1, 10000);
	sql_ok(b, "NOTIFY y, '3'");
	hears(a, "y", "3", 0);
	/* PAUSE does not wait for it. */
	console_ok("PAUSE app");
	console_ok("RESUME app");
	WAIT_UNTIL((PQconsumeInput(a), PQnotifies(a), notices) > 2, 10000);
	sql_ok(b, "NOTIFY y, '4'");
	hears(a, "y", "4", 0);
	PQfinish(a);
	PQfinish(b);
}
END_TEST

/* PostgreSQL goes away and comes back. */
START_TEST (a_restart_of_the_server_is_a_gap) {
	PGconn *a, *b;

	start(2, "server_login_retry = 0.2\n");
	a = client_open(" ");
	PQsetNoticeReceiver(a, on_notice, NULL);
	sql_ok(a, "LISTEN x");
	pg_stop("fast");
	pg_start();
	WAIT_UNTIL((PQconsumeInput(a), PQnotifies(a), notices) > 0, 20000);
	b = client_open(" ");
	sql_ok(b, "NOTIFY x, '2'");
	hears(a, "x", "2", 0);
	PQfinish(a);
	PQfinish(b);
}
END_TEST

#define MANY 1000

START_TEST (a_thousand_listen_on_one_connection) {
	PGconn **c = calloc(MANY, sizeof(*c)), *b;
	char name[20];

	start(workers[_i], "default_pool_size = 2\nmax_client_conn = 2000\n");
	for (int i = 0; i < MANY; i++) {
		c[i] = client_open(" ");
		sql_ok(c[i], "LISTEN everybody; LISTEN n%d", i);
	}
	ck_assert_int_eq(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
	    "usename = 'alice'"), 2);
	ck_assert_int_eq(servers("listening"), 1);
	b = client_open(" ");
	sql_ok(b, "NOTIFY everybody, 'hello'; NOTIFY n%d, 'you'", MANY / 2);
	for (int i = 0; i < MANY; i++)
		hears(c[i], "everybody", "hello", PQbackendPID(b));
	snprintf(name, sizeof(name), "n%d", MANY / 2);
	hears(c[MANY / 2], name, "you", PQbackendPID(b));
	for (int i = 0; i < MANY; i++)
		PQfinish(c[i]);
	PQfinish(b);
	free(c);
	WAIT_UNTIL(servers("listening") == 0, 5000);
}
END_TEST

/* All servers are held by clients that listen for the first time. */
START_TEST (the_first_listens_do_not_lock_each_other_out) {
	PGconn *c[8];

	start(workers[_i], "default_pool_size = 2\nquery_wait_timeout = 10\n");
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 8; i++) {
			c[i] = client_open(" ");
			sql_send(c[i], "LISTEN x");
		}
		for (int i = 0; i < 8; i++)
			sql_result_ok(c[i], 8000);
		sql_ok(c[0], "NOTIFY x, 'y'");
		for (int i = 0; i < 8; i++)
			hears(c[i], "x", "y", 0);
		for (int i = 0; i < 8; i++)
			PQfinish(c[i]);
		WAIT_UNTIL(servers("listening") == 0, 5000);
	}
}
END_TEST

/* A pool of one cannot spare a server: the client keeps it, as before. */
START_TEST (in_a_pool_of_one_the_listener_keeps_its_server) {
	PGconn *a, *b;

	start(2, "default_pool_size = 1\n");
	a = client_open(" ");
	b = client_open(" ");
	sql_ok(a, "LISTEN x");
	sql_ok(a, "SELECT 1");
	ck_assert_str_eq(show_text("CLIENTS", "state=active", "pinned"),
	    "listen");
	pg_exec("NOTIFY x, '1'");
	sql_ok(a, "SELECT 1");
	sql_ok(a, "UNLISTEN x");
	sql_ok(b, "SELECT 1");
	PQfinish(a);
	PQfinish(b);
}
END_TEST

/* One that does not read is closed when too much waits for it; others go on. */
START_TEST (who_does_not_read_is_closed) {
	PGconn *a, *b, *c;
	char *payload = calloc(1, 8000);
	PGnotify *n;
	int heard = 0;

	start(2, "");
	memset(payload, 'p', 7999);
	a = client_open(" ");
	b = client_open(" ");
	c = client_open(" ");
	sql_ok(a, "LISTEN x");
	sql_ok(b, "LISTEN x");
	for (int i = 0; i < 2000 && show_rows("CLIENTS", "user=alice") == 3;
	     i++) {
		sql_ok(c, "SELECT pg_notify('x', '%d' || substr('%s', 8)) ",
		    i, payload);
		PQfreemem(next(b));
	}
	ck_assert_int_eq(show_rows("CLIENTS", "user=alice"), 2);
	ck_assert(pooler_logged(pooler_current(),
	    "too many notifications are waiting for this client"));
	while (PQconsumeInput(a))
		while ((n = PQnotifies(a))) {
			PQfreemem(n);
			heard++;
		}
	ck_assert_int_gt(heard, 10);
	sql_ok(c, "NOTIFY x, 'on'");
	hears(b, "x", "on", 0);
	PQfinish(a);
	PQfinish(b);
	PQfinish(c);
	free(payload);
}
END_TEST

/* A transaction that lasts while more comes than is kept. */
START_TEST (what_is_kept_for_a_transaction_is_bounded) {
	PGconn *a, *c;
	char *payload = calloc(1, 8000);

	start(2, "");
	memset(payload, 'p', 7900);
	a = client_open(" ");
	c = client_open(" ");
	sql_ok(a, "LISTEN x");
	sql_ok(a, "BEGIN");
	for (int i = 0; i < 200 && show_rows("CLIENTS", "user=alice") == 2;
	     i++)
		sql_ok(c, "SELECT pg_notify('x', '%d%s')", i, payload);
	sql_fails(a, "SELECT 1", "53400", "too many notifications");
	PQfinish(a);
	PQfinish(c);
	free(payload);
}
END_TEST

/* Whoever has a server behind a listener hears nothing of it. */
START_TEST (nobody_else_hears_it) {
	PGconn *a, *b;

	start(workers[_i], "default_pool_size = 2\n");
	for (int i = 0; i < 20; i++) {
		a = client_open(" ");
		sql_ok(a, "LISTEN leak");
		sql_ok(a, "SELECT 1");
		if (i % 2)
			PQfinish(a);
		b = client_open(" ");
		ck_assert_int_eq(sql_int(b,
		    "SELECT count(*) FROM pg_listening_channels()"), 0);
		sql_ok(b, "NOTIFY leak");
		sql_ok(b, "SELECT 1");
		ck_assert_ptr_null(PQnotifies(b));
		PQfinish(b);
		if (i % 2 == 0)
			PQfinish(a);
	}
}
END_TEST

/* Kept together for another reason, it hears between its transactions. */
START_TEST (a_pinned_client_hears_too) {
	PGconn *a, *b;

	start(workers[_i], "");
	a = client_open(" ");
	b = client_open(" ");
	sql_ok(a, "CREATE TEMP TABLE t (x int); LISTEN x");
	sql_ok(a, "SELECT 1");
	ck_assert_str_eq(show_text("CLIENTS", "state=active", "pinned"),
	    "temp");
	sql_ok(b, "NOTIFY x, '1'");
	hears(a, "x", "1", 0);
	sql_ok(a, "LISTEN y");
	sql_ok(a, "BEGIN");
	sql_ok(b, "NOTIFY y, '2'");
	sql_ok(a, "SELECT * FROM t");
	ck_assert_ptr_null(PQnotifies(a));
	sql_ok(a, "COMMIT");
	hears(a, "y", "2", 0);
	sql_ok(a, "DROP TABLE t");
	sql_ok(b, "NOTIFY y, '3'");
	hears(a, "y", "3", 0);
	PQfinish(a);
	PQfinish(b);
}
END_TEST

/* Without waiting for answers. */
START_TEST (a_pipeline_keeps_its_order) {
	PGconn *a;
	PGresult *r;
	static const char *const texts[] = { "LISTEN x", "SELECT 1",
		"NOTIFY x, 'p'", "UNLISTEN x", "SELECT 2" };
	static const char *const tags[] = { "LISTEN", "SELECT 1", "NOTIFY",
		"UNLISTEN", "SELECT 1" };

	start(workers[_i], "");
	a = client_open(" ");
	ck_assert_int_eq(PQenterPipelineMode(a), 1);
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 5; i++) {
			PQsendQueryParams(a, texts[i], 0, NULL, NULL, NULL,
			    NULL, 0);
			PQpipelineSync(a);
		}
		PQflush(a);
		for (int i = 0; i < 5; i++) {
			r = PQgetResult(a);
			ck_assert_str_eq(PQcmdStatus(r), tags[i]);
			PQclear(r);
			ck_assert_ptr_null(PQgetResult(a));
			r = PQgetResult(a);
			ck_assert_int_eq(PQresultStatus(r),
			    PGRES_PIPELINE_SYNC);
			PQclear(r);
		}
		hears(a, "x", "p", PQbackendPID(a));
		ck_assert_ptr_null(PQnotifies(a));
	}
	PQfinish(a);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("notify");
	int n = sizeof(workers) / sizeof(workers[0]);

	FX_ADD_LOOP(s, one_server_listens_for_many, 30, n);
	FX_ADD_LOOP(s, own_notifications_come_at_once_and_are_told_apart, 30,
	    n);
	FX_ADD_LOOP(s, it_follows_the_transaction, 30, n);
	FX_ADD(s, all_forms_of_it_are_heard, 30);
	FX_ADD(s, a_long_text_of_listens_is_carried_out, 30);
	FX_ADD_LOOP(s, a_gap_is_told, 60, n);
	FX_ADD(s, a_restart_of_the_server_is_a_gap, 60);
	FX_ADD_LOOP(s, a_thousand_listen_on_one_connection, 120, n);
	FX_ADD_LOOP(s, the_first_listens_do_not_lock_each_other_out, 60, n);
	FX_ADD(s, in_a_pool_of_one_the_listener_keeps_its_server, 30);
	FX_ADD(s, who_does_not_read_is_closed, 60);
	FX_ADD(s, what_is_kept_for_a_transaction_is_bounded, 60);
	FX_ADD_LOOP(s, nobody_else_hears_it, 30, n);
	FX_ADD_LOOP(s, a_pinned_client_hears_too, 30, n);
	FX_ADD_LOOP(s, a_pipeline_keeps_its_order, 30, n);
	return s;
}

int
main(void)
{
	return fx_main(suite());
}
