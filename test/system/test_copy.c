/*
 * COPY in every form, on one server in transaction mode, with errors at
 * every point. After each the server must be free and the session usable.
 */
#include "fixture.h"
#include "raw.h"

#include <stdlib.h>
#include <string.h>

#define ONE_SERVER "default_pool_size = 1\n"

static PGconn *
begin(void)
{
	PGconn *c;

	pooler_start(ONE_SERVER);
	pg_exec("SELECT 1");
	c = client_open(" ");
	sql_ok(c,
	    "CREATE TABLE IF NOT EXISTS cp (a int, b text); "
	    "TRUNCATE cp");
	return c;
}

static void
finish(PGconn *c)
{
	PGconn *other = client_open(" ");

	ck_assert_int_eq(sql_int(c, "SELECT 4711"), 4711);
	ck_assert_int_eq(sql_int(other, "SELECT 4712"), 4712);
	PQfinish(c);
	PQfinish(other);
	WAIT_UNTIL(show("POOLS", "database=app", "sv_idle") == 1, 5000);
}

static void
copy_start(PGconn *c, const char *sql, ExecStatusType status)
{
	PGresult *r = PQexec(c, sql);

	ck_assert_msg(PQresultStatus(r) == status, "%s: %s", sql,
	    PQerrorMessage(c));
	PQclear(r);
}

static void
drain(PGconn *c)
{
	PGresult *r;

	while ((r = PQgetResult(c)) != NULL)
		PQclear(r);
}

START_TEST (copy_in_and_out_of_200000_rows) {
	PGconn *c = begin();
	PGresult *r;
	char line[200], *got;
	long rows = 0, bytes = 0;
	int n;

	copy_start(c, "COPY cp FROM STDIN", PGRES_COPY_IN);
	for (int i = 0; i < 200000; i++) {
		n = snprintf(line, sizeof(line), "%d\t%0100d\n", i, i);
		ck_assert_int_eq(PQputCopyData(c, line, n), 1);
	}
	ck_assert_int_eq(PQputCopyEnd(c, NULL), 1);
	r = PQgetResult(c);
	ck_assert_str_eq(PQcmdTuples(r), "200000");
	PQclear(r);
	drain(c);
	ck_assert_int_eq(sql_int(c, "SELECT count(*) FROM cp"), 200000);
	copy_start(c, "COPY cp TO STDOUT", PGRES_COPY_OUT);
	while ((n = PQgetCopyData(c, &got, 0)) > 0) {
		rows++;
		bytes += n;
		PQfreemem(got);
	}
	ck_assert_int_eq(n, -1);
	drain(c);
	ck_assert_int_eq(rows, 200000);
	ck_assert_int_gt(bytes, 200000 * 100);
	sql_ok(c, "TRUNCATE cp");
	finish(c);
}
END_TEST

START_TEST (copy_in_with_a_bad_row_in_the_middle) {
	PGconn *c = begin();
	PGresult *r;

	copy_start(c, "COPY cp FROM STDIN", PGRES_COPY_IN);
	for (int i = 0; i < 20000; i++) {
		const char *line = i == 5000 ? "oops\tx\n" : "1\tx\n";

		/* The server's error may come while we still send. */
		PQputCopyData(c, line, (int)strlen(line));
	}
	PQputCopyEnd(c, NULL);
	r = PQgetResult(c);
	result_fails(r, "22P02", "invalid input syntax");
	PQclear(r);
	drain(c);
	ck_assert_int_eq(sql_int(c, "SELECT count(*) FROM cp"), 0);
	finish(c);
}
END_TEST

START_TEST (copy_in_given_up_by_the_client) {
	PGconn *c = begin();
	PGresult *r;

	copy_start(c, "COPY cp FROM STDIN", PGRES_COPY_IN);
	PQputCopyData(c, "1\tx\n", 4);
	PQputCopyEnd(c, "changed my mind");
	r = PQgetResult(c);
	result_fails(r, "57014", "changed my mind");
	PQclear(r);
	drain(c);
	ck_assert_int_eq(sql_int(c, "SELECT count(*) FROM cp"), 0);
	finish(c);
}
END_TEST

START_TEST (copy_refused_by_the_server) {
	PGconn *c = begin();

	sql_fails(c, "COPY no_such_table FROM STDIN", "42P01",
	    "does not exist");
	sql_fails(c, "COPY no_such_table TO STDOUT", "42P01", "does not exist");
	finish(c);
}
END_TEST

START_TEST (copy_out_that_fails_in_the_middle) {
	PGconn *c = begin();
	PGresult *r;
	char *got;
	int n;

	copy_start(c,
	    "COPY (SELECT 1/(5000-i) FROM "
	    "generate_series(1,10000) i) TO STDOUT",
	    PGRES_COPY_OUT);
	while ((n = PQgetCopyData(c, &got, 0)) > 0)
		PQfreemem(got);
	r = PQgetResult(c);
	result_fails(r, "22012", "division by zero");
	PQclear(r);
	drain(c);
	finish(c);
}
END_TEST

START_TEST (copy_inside_a_transaction_holds_the_server) {
	PGconn *c = begin(), *other;

	sql_ok(c, "BEGIN");
	copy_start(c, "COPY cp FROM STDIN", PGRES_COPY_IN);
	other = client_open(" ");
	sql_send(other, "SELECT 1");
	WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 1, 5000);
	PQputCopyData(c, "1\tx\n", 4);
	PQputCopyEnd(c, NULL);
	drain(c);
	ck_assert(!sql_done(other));
	sql_ok(c, "COMMIT");
	sql_result_ok(other, 5000);
	ck_assert_int_eq(sql_int(c, "SELECT count(*) FROM cp"), 1);
	PQfinish(other);
	finish(c);
}
END_TEST

START_TEST (two_copies_in_one_query) {
	PGconn *c = begin();
	PGresult *r;

	copy_start(c,
	    "COPY cp FROM STDIN; COPY cp FROM STDIN; "
	    "SELECT count(*) FROM cp",
	    PGRES_COPY_IN);
	PQputCopyData(c, "1\tx\n", 4);
	PQputCopyEnd(c, NULL);
	r = PQgetResult(c);
	ck_assert_int_eq(PQresultStatus(r), PGRES_COMMAND_OK);
	PQclear(r);
	r = PQgetResult(c);
	ck_assert_int_eq(PQresultStatus(r), PGRES_COPY_IN);
	PQclear(r);
	PQputCopyData(c, "2\ty\n", 4);
	PQputCopyEnd(c, NULL);
	r = PQgetResult(c);
	ck_assert_int_eq(PQresultStatus(r), PGRES_COMMAND_OK);
	PQclear(r);
	r = PQgetResult(c);
	ck_assert_str_eq(PQgetvalue(r, 0, 0), "2");
	PQclear(r);
	drain(c);
	finish(c);
}
END_TEST

static void
put_copy_data(struct pkt *k, const char *line)
{
	pkt_begin(k, 'd');
	pkt_raw(k, line, strlen(line));
	pkt_end(k);
}

static void
put_extended_copy(struct pkt *k)
{
	pkt_parse(k, "", "COPY cp FROM STDIN");
	pkt_bind(k, "", "");
	pkt_execute(k, "", 0);
	pkt_empty(k, 'S');
}

/* The Sync that follows Execute is swallowed by the server in COPY mode;
 * one behind CopyDone counts. */
START_TEST (extended_copy_sent_in_one_burst) {
	PGconn *c = begin();
	struct raw *r = raw_login(pooler_current()->port, "alice", "app");
	struct pkt k = { 0 };

	put_extended_copy(&k);
	put_copy_data(&k, "1\tx\n");
	pkt_empty(&k, 'c');
	pkt_empty(&k, 'S');
	pkt_query(&k, "SELECT 1");
	raw_put(r, &k);
	ck_assert_str_eq(raw_types(r, 5000), "12GCZ");
	ck_assert_str_eq(raw_types(r, 5000), "TDCZ");
	raw_close(r);
	ck_assert_int_eq(sql_int(c, "SELECT count(*) FROM cp"), 1);
	finish(c);
}
END_TEST

START_TEST (extended_copy_that_fails_in_one_burst) {
	PGconn *c = begin();
	struct raw *r = raw_login(pooler_current()->port, "alice", "app");
	struct pkt k = { 0 };

	put_extended_copy(&k);
	put_copy_data(&k, "oops\tx\n");
	put_copy_data(&k, "1\tx\n");
	pkt_empty(&k, 'c');
	pkt_empty(&k, 'S');
	raw_put(r, &k);
	ck_assert_str_eq(raw_types(r, 5000), "12GEZ");
	ck_assert_str_eq(raw_query(r, "SELECT 77"), "77");
	raw_close(r);
	finish(c);
}
END_TEST

START_TEST (stray_copy_messages_are_ignored) {
	PGconn *c = begin();
	struct raw *r = raw_login(pooler_current()->port, "alice", "app");
	struct pkt k = { 0 };

	put_copy_data(&k, "1\tx\n");
	pkt_empty(&k, 'c');
	pkt_query(&k, "SELECT 1");
	pkt_empty(&k, 'c');
	put_copy_data(&k, "2\ty\n");
	pkt_query(&k, "SELECT 2");
	raw_put(r, &k);
	ck_assert_str_eq(raw_types(r, 5000), "TDCZ");
	ck_assert_str_eq(raw_types(r, 5000), "TDCZ");
	raw_close(r);
	finish(c);
}
END_TEST

START_TEST (client_leaving_in_copy_in_frees_the_server) {
	PGconn *c = begin(), *gone = client_open(" ");

	copy_start(gone, "COPY cp FROM STDIN", PGRES_COPY_IN);
	PQputCopyData(gone, "1\tx\n", 4);
	PQflush(gone);
	PQfinish(gone);
	ck_assert_int_eq(sql_int(c, "SELECT count(*) FROM cp"), 0);
	finish(c);
}
END_TEST

START_TEST (client_leaving_in_copy_out_frees_the_server) {
	PGconn *c = begin(), *gone = client_open(" ");

	copy_start(gone,
	    "COPY (SELECT repeat('x', 1000) FROM "
	    "generate_series(1,1000000)) TO STDOUT",
	    PGRES_COPY_OUT);
	PQfinish(gone);
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "state = 'active' AND query LIKE 'COPY (SEL%%'") == 0,
	    10000);
	finish(c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("copy");

	FX_ADD(s, copy_in_and_out_of_200000_rows, 30);
	FX_ADD(s, copy_in_with_a_bad_row_in_the_middle, 20);
	FX_ADD(s, copy_in_given_up_by_the_client, 20);
	FX_ADD(s, copy_refused_by_the_server, 20);
	FX_ADD(s, copy_out_that_fails_in_the_middle, 20);
	FX_ADD(s, copy_inside_a_transaction_holds_the_server, 20);
	FX_ADD(s, two_copies_in_one_query, 20);
	FX_ADD(s, extended_copy_sent_in_one_burst, 20);
	FX_ADD(s, extended_copy_that_fails_in_one_burst, 20);
	FX_ADD(s, stray_copy_messages_are_ignored, 20);
	FX_ADD(s, client_leaving_in_copy_in_frees_the_server, 20);
	FX_ADD(s, client_leaving_in_copy_out_frees_the_server, 30);
	return fx_main(s);
}
