/*
 * The tables that only we have: who waits for what, who holds it, which limits
 * there are. Each claim makes a situation and asks what is said of it.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define APP "[databases]\napp = host=127.0.0.1 port=@PGPORT@"

/* ---- SHOW WAITERS ---- */

static bool
waits_for(const char *limit, int n)
{
	char key[80];

	snprintf(key, sizeof(key), "database=app&limit=%s", limit);
	return show_rows("WAITERS", key) == n;
}

START_TEST (show_waiters_names_the_limit_of_each) {
	static const struct {
		const char *settings;
		const char *limit;
		const char *detail;
	} cases[] = {
		{ "default_pool_size = 1\n", "pool_size",
		    "1 of 1 servers: 1 in use" },
		{ "default_pool_size = 9\nmax_db_connections = 1\n",
		    "max_db_connections", "1 of 1 connections of \"app\"" },
		{ "default_pool_size = 9\nmax_user_connections = 1\n",
		    "max_user_connections",
		    "1 of 1 connections of \"alice\"" },
	};
	PGconn *holder, *c[3];

	pooler_start("worker_threads = 2\n%s", cases[_i].settings);
	holder = client_open(" ");
	sql_ok(holder, "BEGIN");
	ck_assert_int_eq(show_rows("WAITERS", NULL), 0);
	for (int i = 0; i < 3; i++) {
		c[i] = client_open("application_name=w%d", i);
		sql_send(c[i], "SELECT 1");
	}
	WAIT_UNTIL(waits_for(cases[_i].limit, 3), 5000);
	ck_assert_ptr_nonnull(strstr(show_text("WAITERS", NULL, "detail"),
	    cases[_i].detail));
	ck_assert_int_eq(show_rows("WAITERS", "application_name=w1"), 1);
	ck_assert_str_eq(show_text("WAITERS", NULL, "wants"), "server");
	WAIT_UNTIL(atof(show_text("WAITERS", NULL, "waited")) > 0.2, 5000);
	sql_ok(holder, "COMMIT");
	for (int i = 0; i < 3; i++) {
		sql_result_ok(c[i], 5000);
		PQfinish(c[i]);
	}
	ck_assert_int_eq(show_rows("WAITERS", NULL), 0);
	PQfinish(holder);
}
END_TEST

START_TEST (show_waiters_knows_pause_and_a_server_that_is_down) {
	PGconn *c;

	pooler_start("worker_threads = 1\nserver_down_after = 30\n" APP "\n");
	c = client_open(" ");
	sql_ok(c, "SELECT 1");
	console_ok("PAUSE app");
	sql_send(c, "SELECT 2");
	WAIT_UNTIL(waits_for("paused", 1), 5000);
	console_ok("RESUME app");
	sql_result_ok(c, 5000);
	pg_stop("immediate");
	sql_send(c, "SELECT 3");
	WAIT_UNTIL(waits_for("server_down", 1), 10000);
	ck_assert_ptr_nonnull(strstr(show_text("WAITERS", NULL, "detail"),
	    "refused"));
	pg_start();
	sql_result_ok(c, 20000);
	PQfinish(c);
}
END_TEST

/* ---- SHOW HOLDERS ---- */

static bool
holds(const char *app, const char *state)
{
	char key[120];

	snprintf(key, sizeof(key), "application_name=%s&state=%s", app, state);
	return show_rows("HOLDERS", key) == 1;
}

START_TEST (show_holders_tells_what_each_one_does) {
	PGconn *run, *idle, *failed, *lazy, *session;

	pooler_start("worker_threads = 2\ntcp_socket_buffer = 65536\n"
		     "log_min_duration = 3600\n"
		     "default_pool_size = 10\n[databases]\n"
		     "app = host=127.0.0.1 port=@PGPORT@\n"
		     "app2 = host=127.0.0.1 port=@PGPORT@ pool_mode=session\n");
	run = client_open("application_name=run");
	idle = client_open("application_name=idle");
	failed = client_open("application_name=failed");
	lazy = client_open("application_name=lazy");
	session = client_open("application_name=session dbname=app2");
	sql_ok(session, "SELECT 1");
	sql_send(run, "SELECT pg_sleep(60)");
	sql_ok(idle, "BEGIN");
	sql_ok(failed, "BEGIN");
	sql_fails(failed, "SELECT 1/0", "22012", "division");
	sql_send(lazy, "SELECT repeat('x', 1000) FROM "
		       "generate_series(1, 100000)");
	WAIT_UNTIL(holds("lazy", "client is not reading"), 10000);
	ck_assert(holds("run", "executing"));
	ck_assert_int_eq(strlen(show_text("HOLDERS", "application_name=run",
			     "fingerprint")),
	    16);
	ck_assert_str_eq(show_text("HOLDERS", "application_name=idle",
			     "fingerprint"),
	    "");
	ck_assert(holds("idle", "idle in transaction"));
	ck_assert(holds("failed", "idle in transaction (aborted)"));
	ck_assert(holds("session", "idle in session"));
	ck_assert_str_eq(show_text("HOLDERS", "application_name=idle",
			     "client_id"),
	    show_text("CLIENTS", "application_name=idle", "id"));
	WAIT_UNTIL(atof(show_text("HOLDERS", "application_name=idle",
			"transaction")) >= 0.3,
	    5000);
	ck_assert_str_eq(show_text("HOLDERS", "application_name=session",
			     "transaction"),
	    "");
	sql_ok(idle, "COMMIT");
	ck_assert_int_eq(show_rows("HOLDERS", "application_name=idle"), 0);
	/* Who has gone leaves a server that the pooler has to tidy up. */
	PQfinish(run);
	WAIT_UNTIL(show_rows("HOLDERS", "application_name=run") == 0, 5000);
	PQfinish(idle);
	PQfinish(failed);
	PQfinish(lazy);
	PQfinish(session);
}
END_TEST

/* ---- SHOW LIMITS ---- */

START_TEST (show_limits_says_where_each_comes_from) {
	PGconn *c;

	pooler_start("worker_threads = 2\nmax_client_conn = 50\n"
		     "default_pool_size = 7\nmax_user_connections = 9\n"
		     "reserve_pool_size = 2\n"
		     "[databases]\n"
		     "app = host=127.0.0.1 port=@PGPORT@ pool_size=3 "
		     "max_db_connections=5\n"
		     "app2 = host=127.0.0.1 port=@PGPORT@\n"
		     "[users]\nbob = max_user_connections=4 pool_size=2\n");
	c = client_open(" ");
	PQfinish(client_open("user=bob dbname=app2"));
	sql_ok(c, "BEGIN");
	ck_assert_int_eq(show("LIMITS", "limit=max_client_conn", "value"), 50);
	WAIT_UNTIL(show("LIMITS", "limit=max_client_conn", "used") == 1, 5000);
	ck_assert_int_eq(show("LIMITS", "limit=max_client_conn", "free"), 49);
	ck_assert_int_eq(show("LIMITS", "limit=max_db_connections&database=app",
			     "value"),
	    5);
	ck_assert_int_eq(show("LIMITS", "limit=max_db_connections&database=app",
			     "used"),
	    1);
	ck_assert_str_eq(show_text("LIMITS",
			     "limit=max_db_connections&database=app",
			     "source"),
	    "[databases]");
	ck_assert_str_eq(show_text("LIMITS",
			     "limit=max_db_connections&database=app2",
			     "value"),
	    "");
	ck_assert_int_eq(show("LIMITS", "limit=pool_size&database=app",
			     "free"),
	    2);
	ck_assert_str_eq(show_text("LIMITS", "limit=pool_size&database=app",
			     "source"),
	    "3 (pool_size= of [databases])");
	ck_assert_str_eq(show_text("LIMITS", "limit=pool_size&user=bob",
			     "source"),
	    "[users]");
	ck_assert_int_eq(show("LIMITS", "limit=max_user_connections&user=bob",
			     "value"),
	    4);
	ck_assert_int_eq(show("LIMITS", "limit=max_user_connections&user=alice",
			     "value"),
	    9);
	ck_assert_int_eq(show("LIMITS", "limit=reserve_pool_size&database=app",
			     "free"),
	    2);
	PQfinish(c);
}
END_TEST

/* ---- SHOW HOSTS ---- */

START_TEST (show_hosts_tells_up_from_down) {
	PGconn *c;

	pooler_start("worker_threads = 2\nserver_down_after = 30\n[databases]\n"
		     "app = host=127.0.0.1,127.0.0.9 port=@PGPORT@\n");
	c = client_open(" ");
	sql_ok(c, "SELECT 1");
	ck_assert_int_eq(show_rows("HOSTS", NULL), 2);
	ck_assert_str_eq(show_text("HOSTS", "host=127.0.0.1", "state"), "up");
	ck_assert_int_eq(show("HOSTS", NULL, "connections"), 1);
	ck_assert_int_eq(show("HOSTS", "host=127.0.0.1", "port"), pg_port());
	pg_stop("immediate");
	sql_send(c, "SELECT 2");
	WAIT_UNTIL(show_rows("HOSTS", "state=down") == 2, 10000);
	ck_assert_ptr_nonnull(strstr(show_text("HOSTS", NULL, "reason"),
	    "refused"));
	ck_assert_int_ge(show("HOSTS", NULL, "failures"), 2);
	ck_assert_str_ne(show_text("HOSTS", NULL, "since"), "");
	pg_start();
	PQfinish(c);
	c = client_open(" ");
	sql_ok(c, "SELECT 1");
	ck_assert_int_ge(show_rows("HOSTS", "state=up"), 1);
	PQfinish(c);
}
END_TEST

/* ---- SHOW ERRORS ---- */

START_TEST (show_errors_counts_by_reason_and_not_by_case) {
	PGconn *c;

	pooler_start("worker_threads = 3\n[databases]\n"
		     "app = host=127.0.0.1 port=@PGPORT@\n");
	for (int i = 0; i < 6; i++) {
		c = client_try("dbname=nosuch%d", i);
		ck_assert_int_eq(PQstatus(c), CONNECTION_BAD);
		PQfinish(c);
		c = client_open(" ");
		sql_fails(c, "SELECT 1/0", "22012", "division");
		PQfinish(c);
	}
	WAIT_UNTIL(show("ERRORS", "kind=client&sqlstate=3D000", "count") == 6,
	    5000);
	ck_assert_int_eq(show_rows("ERRORS", "kind=client&sqlstate=3D000"), 1);
	ck_assert_ptr_null(strstr(show_text("ERRORS",
				      "kind=client&sqlstate=3D000", "reason"),
	    "nosuch"));
	ck_assert_int_eq(show("ERRORS", "kind=server&sqlstate=22012", "count"),
	    6);
	ck_assert_int_eq(show_rows("ERRORS", "kind=server"), 1);
	console_ok("RECONNECT");
	console_ok("WAIT_CLOSE");
	ck_assert_int_ge(show("ERRORS", "kind=close&reason=close_needed",
			     "count"),
	    1);
	pg_stop("immediate");
	c = client_try(" ");
	ck_assert_int_eq(PQstatus(c), CONNECTION_BAD);
	ck_assert_int_ge(show("ERRORS", "kind=connect", "count"), 1);
	PQfinish(c);
}
END_TEST

/* ---- SHOW LATENCY ---- */

static long
latency(const char *what, const char *column)
{
	char key[80];

	snprintf(key, sizeof(key), "database=app&what=%s", what);
	return show("LATENCY", key, column);
}

START_TEST (show_latency_tells_how_long_things_take) {
	PGconn *c, *d;

	pooler_start("worker_threads = %d\ndefault_pool_size = 1\n",
	    1 + 2 * _i);
	ck_assert_int_eq(show_rows("LATENCY", NULL), 0);
	c = client_open(" ");
	for (int i = 0; i < 97; i++)
		sql_ok(c, "SELECT 1");
	sql_ok(c, "SELECT pg_sleep(0.3)");
	sql_ok(c, "BEGIN");
	d = client_open(" ");
	sql_send(d, "SELECT 1");
	WAIT_UNTIL(atof(show_text("WAITERS", NULL, "waited")) > 0.2, 5000);
	sql_ok(c, "COMMIT");
	sql_result_ok(d, 5000);
	/* They are counted behind the answer. */
	WAIT_UNTIL(latency("query", "count") == 101, 5000);
	WAIT_UNTIL(latency("transaction", "count") == 100, 5000);
	ck_assert_int_eq(latency("wait", "count"), 100);
	ck_assert_int_eq(latency("login", "count"), 2);
	ck_assert_int_ge(latency("query", "max"), 300000);
	ck_assert_int_ge(latency("query", "max"), latency("query", "p99"));
	ck_assert_int_ge(latency("query", "p99"), latency("query", "p95"));
	ck_assert_int_ge(latency("query", "p95"), latency("query", "p50"));
	ck_assert_int_gt(latency("query", "p50"), 0);
	ck_assert_int_lt(latency("query", "p50"), 250000);
	/* Two of a hundred: the sleep and the one that was waited for. */
	ck_assert_int_ge(latency("transaction", "p99"), 150000);
	ck_assert_int_eq(latency("wait", "p50"), 0);
	ck_assert_int_ge(latency("wait", "max"), 200000);
	/* It goes with the last use of the pool. */
	PQfinish(c);
	PQfinish(d);
	WAIT_UNTIL(show("POOLS", "database=app", "cl_active") == 0, 5000);
	console_ok("RECONNECT");
	WAIT_UNTIL(show_rows("LATENCY", NULL) == 0, 5000);
}
END_TEST

/* ---- the rest ---- */

START_TEST (counts_of_how_servers_were_found_are_shown) {
	PGconn *c;

	pooler_start("worker_threads = 1\n");
	c = client_open(" ");
	for (int i = 0; i < 5; i++)
		sql_ok(c, "SELECT 1");
	ck_assert_int_eq(show("POOLS", "database=app", "opens"), 1);
	ck_assert_int_ge(show("POOLS", "database=app", "reuses"), 4);
	ck_assert_int_eq(show("POOLS", "database=app", "evictions"), 0);
	ck_assert_int_eq(show_rows("WORKERS", NULL), 1);
	ck_assert_int_eq(show("WORKERS", "worker=0", "connections"), 1);
	ck_assert_int_gt(show("WORKERS", "worker=0", "turns"), 0);
	ck_assert_int_gt(show("WORKERS", "worker=0", "longest_turn_us"), 0);
	PQfinish(c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tables");

	FX_ADD_LOOP(s, show_waiters_names_the_limit_of_each, 20, 3);
	FX_ADD(s, show_waiters_knows_pause_and_a_server_that_is_down, 40);
	FX_ADD(s, show_holders_tells_what_each_one_does, 30);
	FX_ADD(s, show_limits_says_where_each_comes_from, 20);
	FX_ADD(s, show_hosts_tells_up_from_down, 40);
	FX_ADD(s, show_errors_counts_by_reason_and_not_by_case, 30);
	FX_ADD_LOOP(s, show_latency_tells_how_long_things_take, 20, 2);
	FX_ADD(s, counts_of_how_servers_were_found_are_shown, 20);
	return fx_main(s);
}
