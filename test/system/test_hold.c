/*
 * The commands that hold things up and wait: PAUSE with TIMEOUT, SUSPEND,
 * WAIT_CLOSE. Each ends by its own condition, and gives way to Ctrl-C.
 */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define TWO_DATABASES                          \
	"worker_threads = 2\n[databases]\n"    \
	"app = host=127.0.0.1 port=@PGPORT@\n" \
	"app2 = host=127.0.0.1 port=@PGPORT@\n"

static PGconn *
open_console(void)
{
	return client_open("user=admin dbname=pgbouncer");
}

static void
cancel(PGconn *c)
{
	PGcancel *handle = PQgetCancel(c);
	char text[256];

	ck_assert_msg(PQcancel(handle, text, sizeof(text)), "%s", text);
	PQfreeCancel(handle);
}

/* The answer, and with it the end of the command. */
static void
fails_later(PGconn *c, const char *state, const char *text)
{
	PGresult *r = sql_result(c, 10000);

	result_fails(r, state, text);
	PQclear(r);
	while ((r = PQgetResult(c)) != NULL)
		PQclear(r);
}

static void
ends_later(PGconn *c, const char *tag)
{
	PGresult *r = sql_result(c, 10000);

	ck_assert_int_eq(PQresultStatus(r), PGRES_COMMAND_OK);
	ck_assert_str_eq(PQcmdStatus(r), tag);
	PQclear(r);
	while ((r = PQgetResult(c)) != NULL)
		PQclear(r);
}

static bool
is_paused(const char *db)
{
	char key[80];

	snprintf(key, sizeof(key), "name=%s", db);
	return show("DATABASES", key, "paused") == 1;
}

static bool
state_is(const char *key)
{
	char match[40];

	snprintf(match, sizeof(match), "key=%s", key);
	return strcmp(show_text("STATE", match, "value"), "yes") == 0;
}

/* ---- PAUSE TIMEOUT ---- */

START_TEST (pause_with_a_timeout_ends_by_itself) {
	struct pooler *p = pooler_start(TWO_DATABASES);
	PGconn *c = client_open(" ");
	int64_t begun = fx_now_ms();

	sql_ok(c, "SELECT 1");
	console_ok("PAUSE app TIMEOUT 500ms");
	ck_assert(is_paused("app"));
	ck_assert(!is_paused("app2"));
	sql_send(c, "SELECT 2");
	sql_result_ok(c, 10000);
	ck_assert_int_ge(fx_now_ms() - begun, 500);
	ck_assert(!is_paused("app"));
	console_ok("PAUSE TIMEOUT '0.3'");
	ck_assert(state_is("paused"));
	WAIT_UNTIL(state_is("active"), 10000);
	sql_ok(c, "SELECT 1");
	WAIT_UNTIL(pooler_logged(p, "PAUSE 'app' has reached its TIMEOUT"),
	    5000);
	PQfinish(c);
}
END_TEST

START_TEST (pause_that_is_not_complete_in_time_fails) {
	PGconn *in, *other;

	pooler_start(TWO_DATABASES);
	in = client_open(" ");
	other = open_console();
	sql_ok(in, "BEGIN");
	sql_send(other, "PAUSE app TIMEOUT 200ms");
	fails_later(other, "55000", "ended by its TIMEOUT");
	ck_assert(!is_paused("app"));
	sql_ok(in, "COMMIT");
	sql_ok(in, "SELECT 1");
	PQfinish(in);
	PQfinish(other);
}
END_TEST

START_TEST (the_last_word_on_a_pause_counts) {
	PGconn *c;

	pooler_start(TWO_DATABASES);
	c = client_open(" ");
	sql_ok(c, "SELECT 1");
	console_ok("PAUSE app TIMEOUT 300ms");
	console_ok("PAUSE app");
	console_ok("PAUSE app2 TIMEOUT 300ms");
	WAIT_UNTIL(!is_paused("app2"), 10000);
	ck_assert(is_paused("app"));
	console_ok("RESUME app");
	/* An end that was set before RESUME does not hit a later PAUSE. */
	console_ok("PAUSE app TIMEOUT 300ms");
	console_ok("RESUME app");
	console_ok("PAUSE app");
	console_ok("PAUSE app2 TIMEOUT 400ms");
	WAIT_UNTIL(!is_paused("app2"), 10000);
	ck_assert(is_paused("app"));
	console_ok("RESUME app");
	sql_ok(c, "SELECT 1");
	PQfinish(c);
}
END_TEST

START_TEST (timeout_is_a_word_of_pause_alone) {
	static const char *const bad[] = {
		"PAUSE app TIMEOUT",
		"PAUSE app TIMEOUT 5s 6s",
		"RESUME app TIMEOUT 5s",
		"KILL app TIMEOUT 5s",
		"SHOW POOLS TIMEOUT 5s",
		"PAUSE app IN 5s",
	};
	static const char *const times[] = { "5", "5d", "s", "0", "'-1'",
		"'1e3'", "'1.2.3s'", "99999999999999999999h", "'5 s'" };

	pooler_start(TWO_DATABASES "timeout = host=127.0.0.1 port=@PGPORT@\n");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		sql_fails(console(), bad[i], "42601", "invalid command");
	for (size_t i = 1; i < sizeof(times) / sizeof(times[0]); i++) {
		char sql[80];

		snprintf(sql, sizeof(sql), "PAUSE app TIMEOUT %s", times[i]);
		sql_fails(console(), sql, "22023", "invalid TIMEOUT");
	}
	ck_assert(!is_paused("app"));
	/* As ever, a database may be called so. */
	console_ok("PAUSE timeout");
	ck_assert(is_paused("timeout"));
	console_ok("RESUME timeout");
	console_ok("PAUSE timeout timeout 1h");
	ck_assert(is_paused("timeout"));
	console_ok("RESUME timeout");
}
END_TEST

/* ---- WAIT_CLOSE ---- */

START_TEST (wait_close_waits_for_what_reconnect_has_marked) {
	PGconn *in, *in2, *c, *c2, *all;

	pooler_start(TWO_DATABASES);
	in = client_open(" ");
	in2 = client_open("dbname=app2");
	c = open_console();
	c2 = open_console();
	all = open_console();
	console_ok("WAIT_CLOSE");
	console_ok("WAIT_CLOSE app");
	sql_ok(in, "BEGIN");
	sql_ok(in2, "BEGIN");
	/* Nothing is marked yet. */
	console_ok("WAIT_CLOSE");
	console_ok("RECONNECT");
	sql_send(c, "WAIT_CLOSE app");
	sql_send(c2, "WAIT_CLOSE app2");
	sql_send(all, "WAIT_CLOSE");
	sql_ok(in2, "COMMIT");
	ends_later(c2, "WAIT_CLOSE");
	ck_assert(!sql_done(c));
	ck_assert(!sql_done(all));
	sql_ok(in, "COMMIT");
	ends_later(c, "WAIT_CLOSE");
	ends_later(all, "WAIT_CLOSE");
	ck_assert_int_eq(show_rows("SERVERS", "close_needed=1"), 0);
	sql_fails(console(), "WAIT_CLOSE nosuch", "3D000",
	    "no such database: nosuch");
	sql_fails(console(), "WAIT_CLOSE pgbouncer", "22023",
	    "cannot wait in admin db: pgbouncer");
	PQfinish(in);
	PQfinish(in2);
	PQfinish(c);
	PQfinish(c2);
	PQfinish(all);
}
END_TEST

/* The defect of the original: a WAIT_CLOSE that was given once made each PAUSE
 * behind it return at once. */
START_TEST (wait_close_does_not_complete_a_pause) {
	PGconn *in, *c, *c2;

	pooler_start(TWO_DATABASES);
	in = client_open(" ");
	c = open_console();
	c2 = open_console();
	sql_ok(in, "BEGIN");
	console_ok("RECONNECT app");
	sql_send(c, "WAIT_CLOSE app");
	sql_send(c2, "PAUSE app2");
	ends_later(c2, "PAUSE");
	ck_assert(!sql_done(c));
	cancel(c);
	fails_later(c, "57014", "canceling statement");
	sql_send(c, "PAUSE app");
	WAIT_UNTIL(is_paused("app"), 5000);
	console_ok("WAIT_CLOSE app2");
	ck_assert(!sql_done(c));
	sql_ok(in, "COMMIT");
	ends_later(c, "PAUSE");
	PQfinish(in);
	PQfinish(c);
	PQfinish(c2);
}
END_TEST

/* ---- SUSPEND ---- */

START_TEST (suspend_stops_everything_until_resume) {
	struct pooler *p = pooler_start("worker_threads = %d\n", 1 + 2 * _i);
	PGconn *c = client_open(" "), *in = client_open(" "), *later;

	sql_ok(in, "BEGIN");
	ck_assert_int_eq(sql_int(c, "SELECT 1"), 1);
	console_ok("SUSPEND");
	ck_assert(state_is("suspended"));
	ck_assert(!state_is("active"));
	sql_send(c, "SELECT 2");
	sql_send(in, "SELECT 3");
	later = client_start("connect_timeout=20");
	sql_fails(console(), "SUSPEND", "55000", "already suspended/paused");
	sql_fails(console(), "PAUSE", "55000", "already suspended/paused");
	sql_fails(console(), "KILL", "55000", "already suspended/paused");
	/* The console lives on. */
	ck_assert_int_eq(show_rows("CLIENTS", "database=app"), 2);
	ck_assert(!sql_done(c));
	ck_assert(!sql_done(in));
	console_ok("RESUME");
	ck_assert(state_is("active"));
	sql_result_ok(c, 5000);
	sql_result_ok(in, 5000);
	WAIT_UNTIL(client_poll(later, 50) == PGRES_POLLING_OK, 10000);
	sql_ok(in, "COMMIT");
	sql_fails(console(), "RESUME", "55000",
	    "pooler is not paused/suspended");
	/* By signal too. */
	console_ok("SUSPEND");
	kill(p->pid, SIGUSR2);
	WAIT_UNTIL(state_is("active"), 5000);
	WAIT_UNTIL(pooler_logged(p, "got SIGUSR2, continuing from SUSPEND"),
	    5000);
	sql_ok(c, "SELECT 1");
	PQfinish(c);
	PQfinish(in);
	PQfinish(later);
}
END_TEST

START_TEST (suspend_ends_with_its_console) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	PGconn *c = client_open(" "), *other = open_console();

	ck_assert(state_is("active"));
	sql_ok(other, "SUSPEND");
	sql_send(c, "SELECT 1");
	ck_assert(state_is("suspended"));
	PQfinish(other);
	WAIT_UNTIL(state_is("active"), 5000);
	sql_result_ok(c, 5000);
	WAIT_UNTIL(pooler_logged(p, "the console that gave SUSPEND has gone"),
	    5000);
	console_ok("PAUSE app");
	sql_fails(console(), "SUSPEND", "55000",
	    "cannot suspend with paused databases");
	console_ok("RESUME app");
	PQfinish(c);
}
END_TEST

/* On a Unix socket, whose buffer is full when it takes less than it is given,
 * and stays so until it is read: over TCP there is room again, some time later,
 * for what was on its way. */
static PGconn *
open_lazy(const struct pooler *p)
{
	PGconn *lazy = client_open("host=%s", p->dir);

	sql_send(lazy, "SELECT repeat('x', 1000) FROM "
		       "generate_series(1, 100000)");
	WAIT_UNTIL(show("SOCKETS", "type=C&database=app", "send_remain") > 0,
	    20000);
	return lazy;
}

/* One that does not read holds up SUSPEND, for suspend_timeout. */
START_TEST (suspend_drops_who_does_not_drain) {
	struct pooler *p = pooler_start("worker_threads = 2\n"
					"suspend_timeout = 0.5\n");
	PGconn *lazy, *c = client_open(" "), *other = open_console();

	sql_ok(c, "SELECT 1");
	lazy = open_lazy(p);
	sql_send(other, "SUSPEND");
	WAIT_UNTIL(state_is("suspended"), 5000);
	ends_later(other, "SUSPEND");
	ck_assert(state_is("suspended"));
	ck_assert_int_eq(show_rows("CLIENTS", "database=app"), 1);
	sql_ok(other, "RESUME");
	ck_assert(client_lost(lazy, 10000));
	sql_ok(c, "SELECT 1");
	PQfinish(lazy);
	PQfinish(c);
	PQfinish(other);
}
END_TEST

START_TEST (cancelled_suspend_is_taken_back) {
	struct pooler *p = pooler_start("worker_threads = 2\n"
					"suspend_timeout = 0\n");
	PGconn *lazy = open_lazy(p), *other = open_console();

	sql_send(other, "SUSPEND");
	WAIT_UNTIL(state_is("suspended"), 5000);
	ck_assert(!sql_done(other));
	cancel(other);
	fails_later(other, "57014", "canceling statement");
	ck_assert(state_is("active"));
	sql_send(other, "SUSPEND");
	WAIT_UNTIL(state_is("suspended"), 5000);
	console_ok("RESUME");
	fails_later(other, "55000", "SUSPEND was ended by RESUME");
	PQfinish(lazy);
	PQfinish(other);
}
END_TEST

START_TEST (shutdown_ends_a_suspend) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	PGconn *c = client_open(" ");

	console_ok("SUSPEND");
	sql_send(c, "SELECT 1");
	console_ok("SHUTDOWN WAIT_FOR_CLIENTS");
	sql_result_ok(c, 5000);
	PQfinish(c);
	console_close();
	ck_assert_int_eq(fx_wait_exit(p->pid, 10000), 0);
	p->pid = 0;
}
END_TEST

START_TEST (readers_may_hold_up_nothing) {
	static const char *const words[] = { "PAUSE", "PAUSE app", "RESUME",
		"SUSPEND", "WAIT_CLOSE", "WAIT_CLOSE app", "KILL", "KILL app",
		"KILL_CLIENT 1", "DISABLE app", "ENABLE app", "RECONNECT",
		"RELOAD", "SHUTDOWN", "SHUTDOWN WAIT_FOR_SERVERS",
		"SHUTDOWN WAIT_FOR_CLIENTS", "SET query_timeout = 5",
		"SHOW FDS", "PAUSE app TIMEOUT 5s" };
	PGconn *c;

	pooler_start(TWO_DATABASES);
	c = client_open("user=stat dbname=pgbouncer");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		sql_fails(c, words[i], "42501", "admin access needed");
	PQfinish(c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hold");

	FX_ADD(s, pause_with_a_timeout_ends_by_itself, 20);
	FX_ADD(s, pause_that_is_not_complete_in_time_fails, 20);
	FX_ADD(s, the_last_word_on_a_pause_counts, 20);
	FX_ADD(s, timeout_is_a_word_of_pause_alone, 20);
	FX_ADD(s, wait_close_waits_for_what_reconnect_has_marked, 20);
	FX_ADD(s, wait_close_does_not_complete_a_pause, 20);
	FX_ADD_LOOP(s, suspend_stops_everything_until_resume, 20, 2);
	FX_ADD(s, suspend_ends_with_its_console, 20);
	FX_ADD(s, suspend_drops_who_does_not_drain, 30);
	FX_ADD(s, cancelled_suspend_is_taken_back, 20);
	FX_ADD(s, shutdown_ends_a_suspend, 20);
	FX_ADD(s, readers_may_hold_up_nothing, 20);
	return fx_main(s);
}
