/*
 * Session, transaction and statement pooling as a client sees them: who
 * shares a server with whom, what is reset in between, which idle server
 * comes first.
 */
#include "fixture.h"
#include "raw.h"

#include <stdlib.h>
#include <string.h>

#define BACKEND "SELECT pg_backend_pid()"

START_TEST (session_mode_keeps_one_server_per_client) {
	PGconn *a, *b;
	long pa, pb;

	pooler_start("pool_mode = session\ndefault_pool_size = 2\n");
	a = client_open(" ");
	b = client_open(" ");
	pa = sql_int(a, BACKEND);
	pb = sql_int(b, BACKEND);
	ck_assert_int_ne(pa, pb);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(sql_int(a, BACKEND), pa);
		ck_assert_int_eq(sql_int(b, BACKEND), pb);
	}
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (session_mode_resets_before_the_next_client) {
	PGconn *c;
	long pid;

	pooler_start("pool_mode = session\ndefault_pool_size = 1\n");
	c = client_open(" ");
	pid = sql_int(c, BACKEND);
	sql_ok(c,
	    "CREATE TEMP TABLE t (x int); SET work_mem = '12345kB'; "
	    "PREPARE p AS SELECT 1; LISTEN l;"
	    "SELECT pg_advisory_lock(7)");
	PQfinish(c);

	c = client_open(" ");
	ck_assert_int_eq(sql_int(c, BACKEND), pid);
	sql_fails(c, "SELECT * FROM t", "42P01", "does not exist");
	ck_assert_str_ne(sql_text(c, "SHOW work_mem"), "12345kB");
	ck_assert_int_eq(sql_int(c,
			     "SELECT count(*) FROM pg_prepared_statements"),
	    0);
	ck_assert_int_eq(sql_int(c,
			     "SELECT count(*) FROM pg_listening_channels()"),
	    0);
	ck_assert_int_eq(sql_int(c,
			     "SELECT count(*) FROM pg_locks "
			     "WHERE locktype = 'advisory'"),
	    0);
	PQfinish(c);
}
END_TEST

START_TEST (session_mode_waits_for_a_leaving_client) {
	PGconn *a, *b;

	pooler_start("pool_mode = session\ndefault_pool_size = 1\n");
	a = client_open(" ");
	sql_ok(a, "SELECT 1");
	b = client_open(" ");
	sql_send(b, "SELECT 2");
	WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 1, 5000);
	ck_assert(!sql_done(b));
	PQfinish(a);
	sql_result_ok(b, 5000);
	PQfinish(b);
}
END_TEST

START_TEST (transaction_mode_shares_a_server_between_transactions) {
	PGconn *a, *b;
	long pid;

	pooler_start("default_pool_size = 1\n");
	a = client_open(" ");
	b = client_open(" ");
	pid = sql_int(a, BACKEND);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(sql_int(b, BACKEND), pid);
		ck_assert_int_eq(sql_int(a, BACKEND), pid);
	}
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (transaction_mode_holds_the_server_to_the_end) {
	PGconn *a, *b;
	PGresult *r;

	pooler_start("default_pool_size = 1\n");
	a = client_open(" ");
	b = client_open(" ");
	sql_ok(a, "CREATE TABLE hold (x int)");
	sql_ok(a, "BEGIN");
	sql_ok(a, "INSERT INTO hold VALUES (1)");
	sql_send(b, "SELECT count(*) FROM hold");
	WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 1, 5000);
	sql_ok(a, "INSERT INTO hold VALUES (2)");
	ck_assert(!sql_done(b));
	sql_ok(a, "COMMIT");
	r = sql_result(b, 5000);
	ck_assert_str_eq(PQgetvalue(r, 0, 0), "2");
	PQclear(r);
	sql_ok(a, "DROP TABLE hold");
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (failed_transaction_holds_the_server_too) {
	PGconn *a, *b;

	pooler_start("default_pool_size = 1\n");
	a = client_open(" ");
	b = client_open(" ");
	sql_ok(a, "BEGIN");
	sql_fails(a, "SELECT 1/0", "22012", "division by zero");
	sql_send(b, "SELECT 1");
	WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 1, 5000);
	sql_fails(a, "SELECT 1", "25P02", "aborted");
	ck_assert(!sql_done(b));
	sql_ok(a, "ROLLBACK");
	sql_result_ok(b, 5000);
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (transaction_mode_runs_no_reset_query) {
	PGconn *a;

	pooler_start("default_pool_size = 1\n"
		     "session_state = allow\n"
		     "server_reset_query = DISCARD ALL\n");
	a = client_open(" ");
	sql_ok(a, "SET work_mem = '12345kB'");
	PQfinish(a);
	a = client_open(" ");
	ck_assert_str_eq(sql_text(a, "SHOW work_mem"), "12345kB");
	PQfinish(a);
}
END_TEST

START_TEST (server_reset_query_always_resets_in_every_mode) {
	PGconn *a;
	long pid;

	pooler_start("default_pool_size = 1\nserver_reset_query_always = 1\n"
		     "session_state = allow\n");
	a = client_open(" ");
	pid = sql_int(a, BACKEND);
	sql_ok(a, "SET work_mem = '12345kB'");
	ck_assert_str_ne(sql_text(a, "SHOW work_mem"), "12345kB");
	ck_assert_int_eq(sql_int(a, BACKEND), pid);
	PQfinish(a);
}
END_TEST

/* The reference takes an error here as success; then the next client
 * inherits the session. */
START_TEST (failing_reset_query_closes_the_server) {
	PGconn *a;
	long pid;

	pooler_start("pool_mode = session\ndefault_pool_size = 1\n"
		     "server_reset_query = SELECT no_such_function()\n");
	a = client_open(" ");
	pid = sql_int(a, BACKEND);
	PQfinish(a);
	a = client_open(" ");
	ck_assert_int_ne(sql_int(a, BACKEND), pid);
	PQfinish(a);
}
END_TEST

START_TEST (statement_mode_refuses_a_transaction_block) {
	PGconn *a, *b;
	PGresult *r;

	pooler_start("pool_mode = statement\ndefault_pool_size = 1\n");
	a = client_open(" ");
	b = client_open(" ");
	sql_ok(a, "SELECT 1");
	sql_ok(b, "BEGIN; SELECT 1; COMMIT");
	r = sql_exec(a, "BEGIN");
	ck_assert_int_eq(PQresultStatus(r), PGRES_FATAL_ERROR);
	PQclear(r);
	ck_assert_ptr_nonnull(strstr(PQerrorMessage(a),
	    "transaction blocks "
	    "not allowed in statement pooling mode"));
	ck_assert_int_eq(PQstatus(a), CONNECTION_BAD);
	sql_ok(b, "SELECT 2");
	ck_assert_int_eq(pg_int("SELECT count(*) FROM pg_stat_activity "
				"WHERE state LIKE 'idle in trans%%'"),
	    0);
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (statement_mode_gives_the_server_back_after_each_statement) {
	PGconn *a, *b;
	long pid;

	pooler_start("pool_mode = statement\ndefault_pool_size = 1\n");
	a = client_open(" ");
	b = client_open(" ");
	pid = sql_int(a, BACKEND);
	ck_assert_int_eq(sql_int(b, BACKEND), pid);
	ck_assert_int_eq(sql_int(a, BACKEND), pid);
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (pool_mode_of_a_database_overrides_the_global_one) {
	PGconn *a, *b;

	pooler_start("default_pool_size = 1\n[databases]\n"
		     "tx = host=127.0.0.1 port=@PGPORT@ dbname=app\n"
		     "sess = host=127.0.0.1 port=@PGPORT@ dbname=app "
		     "pool_mode=session\n");
	a = client_open("dbname=sess");
	b = client_open("dbname=sess");
	sql_ok(a, "SELECT 1");
	sql_send(b, "SELECT 1");
	WAIT_UNTIL(show("POOLS", "database=sess", "cl_waiting") == 1, 5000);
	ck_assert_str_eq(show_text("POOLS", "database=sess", "pool_mode"),
	    "session");
	PQfinish(a);
	sql_result_ok(b, 5000);
	PQfinish(b);

	a = client_open("dbname=tx");
	b = client_open("dbname=tx");
	sql_ok(a, "SELECT 1");
	sql_ok(b, "SELECT 1");
	PQfinish(a);
	PQfinish(b);
}
END_TEST

/* Three idle servers, then one client after the other: which is taken? */
static void
order_of_idle_servers(const char *setting, int *distinct)
{
	PGconn *c[3];
	long pids[6];

	pooler_start("default_pool_size = 3\nworker_threads = 1\n%s", setting);
	for (int i = 0; i < 3; i++) {
		c[i] = client_open(" ");
		sql_ok(c[i], "BEGIN");
	}
	for (int i = 0; i < 3; i++)
		sql_ok(c[i], "COMMIT");
	*distinct = 0;
	for (int i = 0; i < 6; i++) {
		int seen = 0;

		pids[i] = sql_int(c[0], BACKEND);
		for (int j = 0; j < i; j++)
			seen |= pids[j] == pids[i];
		*distinct += !seen;
	}
	for (int i = 0; i < 3; i++)
		PQfinish(c[i]);
}

START_TEST (idle_servers_are_taken_last_in_first_out) {
	int distinct;

	order_of_idle_servers("", &distinct);
	ck_assert_int_eq(distinct, 1);
}
END_TEST

START_TEST (round_robin_takes_each_idle_server_in_turn) {
	int distinct;

	order_of_idle_servers("server_round_robin = 1\n", &distinct);
	ck_assert_int_eq(distinct, 3);
}
END_TEST

START_TEST (waiting_clients_are_served_in_order) {
	PGconn *holder, *c[8];
	PGresult *r;

	pooler_start("default_pool_size = 1\nworker_threads = 1\n");
	holder = client_open(" ");
	sql_ok(holder, "CREATE SEQUENCE turn");
	for (int i = 0; i < 8; i++)
		c[i] = client_open(" ");
	sql_ok(holder, "BEGIN");
	for (int i = 0; i < 8; i++) {
		sql_send(c[i], "SELECT nextval('turn')");
		WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == i + 1,
		    5000);
	}
	sql_ok(holder, "COMMIT");
	for (int i = 0; i < 8; i++) {
		r = sql_result(c[i], 5000);
		ck_assert_int_eq(atoi(PQgetvalue(r, 0, 0)), i + 1);
		PQclear(r);
		PQfinish(c[i]);
	}
	sql_ok(holder, "DROP SEQUENCE turn");
	PQfinish(holder);
}
END_TEST

START_TEST (login_needs_no_server_once_the_pool_is_warm) {
	PGconn *a, *b;

	pooler_start("default_pool_size = 1\n");
	a = client_open(" ");
	sql_ok(a, "BEGIN");
	/* The only server is busy, yet this one gets in. */
	b = client_open(" ");
	ck_assert_str_eq(PQparameterStatus(b, "server_encoding"), "UTF8");
	ck_assert_str_eq(PQparameterStatus(b, "server_version"),
	    PQparameterStatus(a, "server_version"));
	sql_ok(a, "COMMIT");
	sql_ok(b, "SELECT 1");
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (connect_query_runs_on_every_new_server) {
	PGconn *a;

	pooler_start("\n[databases]\napp = host=127.0.0.1 port=@PGPORT@ "
		     "connect_query='SET work_mem = ''54321kB'''\n");
	a = client_open(" ");
	ck_assert_str_eq(sql_text(a, "SHOW work_mem"), "54321kB");
	PQfinish(a);
}
END_TEST

START_TEST (forced_user_makes_one_pool_for_all_logins) {
	PGconn *a, *b;
	long pid;

	pooler_start("default_pool_size = 1\n[databases]\n"
		     "app = host=127.0.0.1 port=@PGPORT@ user=carol\n");
	a = client_open("user=alice");
	b = client_open("user=bob");
	pid = sql_int(a, BACKEND);
	ck_assert_int_eq(sql_int(b, BACKEND), pid);
	ck_assert_str_eq(sql_text(b, "SELECT current_user"), "carol");
	ck_assert_int_eq(show_rows("POOLS", "database=app&user=carol"), 1);
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (server_is_reached_by_unix_socket) {
	PGconn *a;

	pooler_start("[databases]\napp = host=@PGSOCKET@ port=@PGPORT@\n");
	a = client_open(" ");
	ck_assert_str_eq(
	    sql_text(a, "SELECT coalesce(host(inet_server_addr()), 'unix')"),
	    "unix");
	PQfinish(a);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("modes");

	FX_ADD(s, session_mode_keeps_one_server_per_client, 20);
	FX_ADD(s, session_mode_resets_before_the_next_client, 20);
	FX_ADD(s, session_mode_waits_for_a_leaving_client, 20);
	FX_ADD(s, transaction_mode_shares_a_server_between_transactions, 20);
	FX_ADD(s, transaction_mode_holds_the_server_to_the_end, 20);
	FX_ADD(s, failed_transaction_holds_the_server_too, 20);
	FX_ADD(s, transaction_mode_runs_no_reset_query, 20);
	FX_ADD(s, server_reset_query_always_resets_in_every_mode, 20);
	FX_ADD(s, failing_reset_query_closes_the_server, 20);
	FX_ADD(s, statement_mode_refuses_a_transaction_block, 20);
	FX_ADD(s, statement_mode_gives_the_server_back_after_each_statement,
	    20);
	FX_ADD(s, pool_mode_of_a_database_overrides_the_global_one, 20);
	FX_ADD(s, idle_servers_are_taken_last_in_first_out, 20);
	FX_ADD(s, round_robin_takes_each_idle_server_in_turn, 20);
	FX_ADD(s, waiting_clients_are_served_in_order, 20);
	FX_ADD(s, login_needs_no_server_once_the_pool_is_warm, 20);
	FX_ADD(s, connect_query_runs_on_every_new_server, 20);
	FX_ADD(s, forced_user_makes_one_pool_for_all_logins, 20);
	FX_ADD(s, server_is_reached_by_unix_socket, 20);
	return fx_main(s);
}
