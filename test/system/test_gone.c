/*
 * Clients that leave. What one sent whole before its Terminate or FIN is
 * carried out as PostgreSQL would; whatever is left open after that is
 * cancelled and rolled back, and the server is used again. Nothing runs on
 * for nobody, and no transaction stays open.
 */
#include "fixture.h"
#include "raw.h"

#include <stdlib.h>
#include <string.h>

#define ONE_SERVER "default_pool_size = 1\n"

static long
busy_backends(void)
{
	return pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
		      "usename = 'alice' AND state <> 'idle'");
}

static long
backend(void)
{
	PGconn *c = client_open(" ");
	long pid = sql_int(c, "SELECT pg_backend_pid()");

	PQfinish(c);
	return pid;
}

/* A fresh table, its pooler, and the pid of the only server. */
static long
begin(const char *settings)
{
	PGconn *c;

	pooler_start(ONE_SERVER "%s", settings);
	c = client_open(" ");
	sql_ok(c, "CREATE TABLE IF NOT EXISTS gone (x int); TRUNCATE gone");
	PQfinish(c);
	return backend();
}

static long
rows(void)
{
	return sql_int(pg_direct("app"), "SELECT count(*) FROM gone");
}

enum leaving { TERMINATE, FIN, HALF_FIN, N_LEAVINGS };

static void
leave(struct raw *r, int how)
{
	struct pkt k = { 0 };

	switch ((enum leaving)how) {
	case TERMINATE:
		pkt_empty(&k, 'X');
		raw_put(r, &k);
		raw_close(r);
		break;
	case FIN:
		raw_close(r);
		break;
	case HALF_FIN:
		raw_shut(r);
		/* To the end of file, so that it is taken off. */
		raw_types_to_end(r, 10000);
		raw_close(r);
		break;
	case N_LEAVINGS:
		break;
	}
}

/* --- fire and forget --- */

START_TEST (query_sent_whole_is_carried_out) {
	long pid = begin("");
	struct raw *r = raw_login(pooler_current()->port, "alice", "app");
	struct pkt k = { 0 };

	pkt_query(&k, "INSERT INTO gone SELECT 1 FROM pg_sleep(0.1)");
	raw_put(r, &k);
	leave(r, _i);
	WAIT_UNTIL(rows() == 1, 5000);
	ck_assert_int_eq(backend(), pid);
}
END_TEST

START_TEST (several_queries_sent_whole_are_carried_out) {
	long pid = begin("");
	struct raw *r = raw_login(pooler_current()->port, "alice", "app");
	struct pkt k = { 0 };

	for (int i = 0; i < 10; i++)
		pkt_query(&k, "INSERT INTO gone VALUES (1)");
	pkt_parse(&k, "", "INSERT INTO gone VALUES (2)");
	pkt_bind(&k, "", "");
	pkt_execute(&k, "", 0);
	pkt_empty(&k, 'S');
	raw_put(r, &k);
	leave(r, _i);
	WAIT_UNTIL(rows() == 11, 5000);
	ck_assert_int_eq(backend(), pid);
}
END_TEST

START_TEST (queued_query_sent_whole_is_carried_out) {
	long pid = begin("");
	PGconn *holder = client_open(" ");
	struct raw *r = raw_login(pooler_current()->port, "alice", "app");
	struct pkt k = { 0 };

	sql_ok(holder, "BEGIN");
	pkt_query(&k, "INSERT INTO gone VALUES (1)");
	raw_put(r, &k);
	WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 1, 5000);
	if (_i == HALF_FIN)
		raw_shut(r);
	else
		leave(r, _i);
	ck_assert_int_eq(rows(), 0);
	sql_ok(holder, "COMMIT");
	WAIT_UNTIL(rows() == 1, 5000);
	if (_i == HALF_FIN) {
		ck_assert_str_eq(raw_types_to_end(r, 5000), "CZ");
		raw_close(r);
	}
	ck_assert_int_eq(backend(), pid);
	PQfinish(holder);
}
END_TEST

START_TEST (forwarded_commit_is_never_cancelled) {
	begin("client_gone_grace = 0\n");
	/* A COMMIT that takes its time. */
	sql_ok(pg_direct("app"),
	    "DROP TABLE IF EXISTS slow; CREATE TABLE slow (x int); "
	    "GRANT ALL ON slow TO alice; "
	    "CREATE OR REPLACE FUNCTION dawdle() RETURNS trigger "
	    "LANGUAGE plpgsql AS "
	    "'BEGIN PERFORM pg_sleep(1); RETURN NULL; END'; "
	    "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON slow "
	    "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "
	    "dawdle()");
	for (int how = 0; how < N_LEAVINGS; how++) {
		struct raw *r = raw_login(pooler_current()->port, "alice",
		    "app");
		struct pkt k = { 0 };

		raw_query(r, "BEGIN");
		raw_query(r, "INSERT INTO slow VALUES (1)");
		pkt_query(&k, "COMMIT");
		raw_put(r, &k);
		leave(r, how);
		WAIT_UNTIL(sql_int(pg_direct("app"),
			       "SELECT count(*) FROM slow") == how + 1,
		    10000);
	}
}
END_TEST

/* --- what is left open --- */

START_TEST (idle_transaction_is_rolled_back_and_the_server_reused) {
	long pid = begin("");
	struct raw *r = raw_login(pooler_current()->port, "alice", "app");

	raw_query(r, "BEGIN");
	raw_query(r, "INSERT INTO gone VALUES (1)");
	leave(r, _i);
	WAIT_UNTIL(busy_backends() == 0, 5000);
	ck_assert_int_eq(rows(), 0);
	ck_assert_int_eq(backend(), pid);
}
END_TEST

START_TEST (failed_transaction_is_rolled_back_and_the_server_reused) {
	long pid = begin("");
	PGconn *c = client_open(" ");

	sql_ok(c, "BEGIN");
	sql_fails(c, "SELECT 1/0", "22012", "division");
	PQfinish(c);
	WAIT_UNTIL(busy_backends() == 0, 5000);
	ck_assert_int_eq(backend(), pid);
}
END_TEST

START_TEST (long_query_is_cancelled_and_the_server_reused) {
	long pid = begin("client_gone_grace = 0.2\n");
	struct raw *r = raw_login(pooler_current()->port, "alice", "app");
	struct pkt k = { 0 };

	pkt_query(&k, "SELECT pg_sleep(60)");
	raw_put(r, &k);
	WAIT_UNTIL(busy_backends() == 1, 5000);
	leave(r, _i == HALF_FIN ? FIN : _i);
	WAIT_UNTIL(busy_backends() == 0, 5000);
	ck_assert_int_eq(backend(), pid);
}
END_TEST

START_TEST (query_in_a_transaction_is_cancelled_and_rolled_back) {
	long pid = begin("client_gone_grace = 0.2\n");
	struct raw *r = raw_login(pooler_current()->port, "alice", "app");
	struct pkt k = { 0 };

	raw_query(r, "BEGIN");
	raw_query(r, "INSERT INTO gone VALUES (1)");
	pkt_query(&k, "SELECT pg_sleep(60)");
	raw_put(r, &k);
	WAIT_UNTIL(busy_backends() == 1, 5000);
	leave(r, _i == HALF_FIN ? FIN : _i);
	WAIT_UNTIL(busy_backends() == 0, 5000);
	ck_assert_int_eq(rows(), 0);
	ck_assert_int_eq(backend(), pid);
}
END_TEST

START_TEST (connection_reset_counts_as_leaving) {
	long pid = begin("client_gone_grace = 0.2\n");
	struct raw *r = raw_login(pooler_current()->port, "alice", "app");
	struct pkt k = { 0 };

	pkt_query(&k, "SELECT pg_sleep(60)");
	raw_put(r, &k);
	WAIT_UNTIL(busy_backends() == 1, 5000);
	raw_reset(r);
	WAIT_UNTIL(busy_backends() == 0, 5000);
	ck_assert_int_eq(backend(), pid);
}
END_TEST

START_TEST (client_gone_finish_lets_the_query_end) {
	long pid = begin("client_gone = finish\nclient_gone_grace = 0\n");
	struct raw *r = raw_login(pooler_current()->port, "alice", "app");
	struct pkt k = { 0 };

	pkt_query(&k, "INSERT INTO gone SELECT 1 FROM pg_sleep(1)");
	raw_put(r, &k);
	WAIT_UNTIL(busy_backends() == 1, 5000);
	leave(r, TERMINATE);
	WAIT_UNTIL(rows() == 1, 5000);
	ck_assert_int_eq(backend(), pid);
}
END_TEST

START_TEST (short_query_ends_within_the_grace) {
	long pid = begin("client_gone_grace = 5\n");
	struct raw *r = raw_login(pooler_current()->port, "alice", "app");
	struct pkt k = { 0 };

	pkt_query(&k, "INSERT INTO gone SELECT 1 FROM pg_sleep(0.7)");
	raw_put(r, &k);
	WAIT_UNTIL(busy_backends() == 1, 5000);
	leave(r, FIN);
	WAIT_UNTIL(rows() == 1, 5000);
	ck_assert_int_eq(backend(), pid);
}
END_TEST

/* Half a message was never sent, as far as PostgreSQL is concerned. */
START_TEST (half_a_message_is_not_carried_out) {
	begin("");
	for (size_t cut = 1; cut < 30; cut += 4) {
		struct raw *r = raw_login(pooler_current()->port, "alice",
		    "app");
		struct pkt k = { 0 };

		pkt_query(&k, "INSERT INTO gone VALUES (1)");
		raw_send(r, k.p, k.n - (cut < k.n ? cut : 1));
		pkt_free(&k);
		leave(r, (int)(cut % 2));
	}
	backend();
	WAIT_UNTIL(busy_backends() == 0, 5000);
	ck_assert_int_eq(rows(), 0);
}
END_TEST

START_TEST (extended_batch_without_sync_is_not_committed) {
	struct raw *r;
	struct pkt k = { 0 };

	begin("");
	r = raw_login(pooler_current()->port, "alice", "app");
	pkt_parse(&k, "", "INSERT INTO gone VALUES (1)");
	pkt_bind(&k, "", "");
	pkt_execute(&k, "", 0);
	pkt_empty(&k, 'H');
	raw_put(r, &k);
	raw_until(r, 'C', 5000);
	leave(r, _i == HALF_FIN ? FIN : _i);
	backend();
	WAIT_UNTIL(busy_backends() == 0, 5000);
	ck_assert_int_eq(rows(), 0);
}
END_TEST

START_TEST (client_gone_while_others_wait_frees_the_server) {
	PGconn *gone, *c;

	begin("client_gone_grace = 0.1\n");
	gone = client_open(" ");
	c = client_open(" ");
	sql_send(gone, "SELECT pg_sleep(60)");
	WAIT_UNTIL(busy_backends() == 1, 5000);
	sql_send(c, "SELECT 1");
	WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 1, 5000);
	PQfinish(gone);
	sql_result_ok(c, 5000);
	PQfinish(c);
}
END_TEST

/* A server whose query cannot be cancelled is closed within a deadline. */
START_TEST (many_leaving_clients_cost_no_servers) {
	long opened;

	pooler_start("default_pool_size = 3\nclient_gone_grace = 0.05\n");
	PQfinish(client_open(" "));
	for (int i = 0; i < 60; i++) {
		PGconn *c = client_open(" ");

		sql_send(c, "SELECT pg_sleep(0.3)");
		PQfinish(c);
	}
	WAIT_UNTIL(busy_backends() == 0, 20000);
	opened = pooler_log_count(pooler_current(), "new connection to server");
	ck_assert_int_le(opened, 3);
}
END_TEST

START_TEST (session_mode_reuses_the_server_of_a_gone_client) {
	PGconn *c;
	long pid;

	pooler_start(
	    "pool_mode = session\n" ONE_SERVER "client_gone_grace = 0.1\n");
	c = client_open(" ");
	pid = sql_int(c, "SELECT pg_backend_pid()");
	sql_ok(c, "BEGIN; CREATE TEMP TABLE tt (x int)");
	sql_send(c, "SELECT pg_sleep(60)");
	WAIT_UNTIL(busy_backends() == 1, 5000);
	PQfinish(c);
	ck_assert_int_eq(backend(), pid);
}
END_TEST

/* --- a client that stops reading --- */

START_TEST (client_that_stops_reading_loses_its_server) {
	struct raw *r;
	struct pkt k = { 0 };
	PGconn *c;

	begin("client_write_timeout = 1\n");
	r = raw_login(pooler_current()->port, "alice", "app");
	pkt_query(&k,
	    "SELECT repeat('x', 1000) FROM "
	    "generate_series(1, 200000)");
	raw_put(r, &k);
	raw_until(r, 'D', 5000);
	c = client_open(" ");
	sql_send(c, "SELECT 1");
	sql_result_ok(c, 15000);
	WAIT_UNTIL(busy_backends() == 0, 10000);
	PQfinish(c);
	raw_close(r);
}
END_TEST

START_TEST (slow_reader_of_a_small_answer_holds_no_server) {
	struct raw *r;
	struct pkt k = { 0 };
	PGconn *c;

	begin("");
	r = raw_login(pooler_current()->port, "alice", "app");
	pkt_query(&k, "SELECT repeat('x', 30000)");
	raw_put(r, &k);
	/* Nothing of it is read yet. */
	c = client_open(" ");
	ck_assert_int_eq(sql_int(c, "SELECT 5"), 5);
	ck_assert_str_eq(raw_types(r, 5000), "TDCZ");
	PQfinish(c);
	raw_close(r);
}
END_TEST

START_TEST (memory_is_bounded_while_a_client_does_not_read) {
	struct raw *r;
	struct pkt k = { 0 };
	long before;

	begin("client_write_timeout = 60\n");
	r = raw_login(pooler_current()->port, "alice", "app");
	before = pooler_rss_kb(pooler_current());
	pkt_query(&k,
	    "SELECT repeat('x', 100000) FROM "
	    "generate_series(1, 2000)");
	raw_put(r, &k);
	raw_until(r, 'D', 5000);
	fx_pause_ms(500);
	if (!fx_sanitized())
		ck_assert_int_lt(pooler_rss_kb(pooler_current()) - before,
		    4096);
	/* And then it reads on, and gets all of it. */
	raw_until(r, 'Z', 20000);
	raw_close(r);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("gone");

	FX_ADD_LOOP(s, query_sent_whole_is_carried_out, 20, N_LEAVINGS);
	FX_ADD_LOOP(s, several_queries_sent_whole_are_carried_out, 20,
	    N_LEAVINGS);
	FX_ADD_LOOP(s, queued_query_sent_whole_is_carried_out, 20, N_LEAVINGS);
	FX_ADD(s, forwarded_commit_is_never_cancelled, 40);
	FX_ADD_LOOP(s, idle_transaction_is_rolled_back_and_the_server_reused,
	    20, N_LEAVINGS);
	FX_ADD(s, failed_transaction_is_rolled_back_and_the_server_reused, 20);
	FX_ADD_LOOP(s, long_query_is_cancelled_and_the_server_reused, 20, 2);
	FX_ADD_LOOP(s, query_in_a_transaction_is_cancelled_and_rolled_back, 20,
	    2);
	FX_ADD(s, connection_reset_counts_as_leaving, 20);
	FX_ADD(s, client_gone_finish_lets_the_query_end, 20);
	FX_ADD(s, short_query_ends_within_the_grace, 20);
	FX_ADD(s, half_a_message_is_not_carried_out, 20);
	FX_ADD_LOOP(s, extended_batch_without_sync_is_not_committed, 20, 2);
	FX_ADD(s, client_gone_while_others_wait_frees_the_server, 20);
	FX_ADD(s, many_leaving_clients_cost_no_servers, 40);
	FX_ADD(s, session_mode_reuses_the_server_of_a_gone_client, 20);
	FX_ADD(s, client_that_stops_reading_loses_its_server, 40);
	FX_ADD(s, slow_reader_of_a_small_answer_holds_no_server, 20);
	FX_ADD(s, memory_is_bounded_while_a_client_does_not_read, 40);
	return fx_main(s);
}
