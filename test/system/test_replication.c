/*
 * Replication connections: walsenders of their own, COPY in both directions,
 * and nothing left behind.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The clients' own libpq speaks to a walsender of the cluster. */
static PGconn *
replicate(const char *kind)
{
	return client_open("user=postgres dbname=app replication=%s", kind);
}

static int
walsenders(void)
{
	return (int)pg_int("SELECT count(*) FROM pg_stat_activity "
			   "WHERE backend_type = 'walsender'");
}

/* Big-endian, as in the messages of the streaming protocol. */
static void
put64(char *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (char)(v >> (56 - 8 * i));
}

/* Tells the walsender that everything up to lsn has been dealt with. */
static void
send_status(PGconn *c, uint64_t lsn)
{
	char m[34] = { 'r' };

	put64(m + 1, lsn);
	put64(m + 9, lsn);
	put64(m + 17, lsn);
	ck_assert_int_eq(PQputCopyData(c, m, sizeof(m)), 1);
	ck_assert_int_eq(PQflush(c), 0);
}

/* Reads changes until one holds text. */
static bool
receives(PGconn *c, const char *text)
{
	int64_t until = fx_now_ms() + fx_scaled(10000);
	char *m;
	int n;

	while (fx_now_ms() < until) {
		n = PQgetCopyData(c, &m, 1);
		if (n < 0)
			return false;
		if (n == 0) {
			fx_pause_ms(3);
			ck_assert_int_eq(PQconsumeInput(c), 1);
			continue;
		}
		if (m[0] == 'w' && memmem(m, (size_t)n, text, strlen(text))) {
			PQfreemem(m);
			return true;
		}
		PQfreemem(m);
	}
	return false;
}

START_TEST (logical_walsender_takes_commands_and_sql) {
	PGconn *c;
	PGresult *r;

	pooler_start(" ");
	c = replicate("database");
	r = PQexec(c, "IDENTIFY_SYSTEM");
	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "%s",
	    PQerrorMessage(c));
	ck_assert_str_eq(PQgetvalue(r, 0, 3), "app");
	PQclear(r);
	ck_assert_int_eq(sql_int(c, "SELECT 42"), 42);
	ck_assert_int_eq(walsenders(), 1);
	PQfinish(c);
	WAIT_UNTIL(walsenders() == 0, 5000);
}
END_TEST

START_TEST (changes_stream_while_we_answer) {
	PGconn *c, *w;
	PGresult *r;

	pooler_start(" ");
	w = client_open("user=postgres");
	sql_ok(w, "CREATE TABLE IF NOT EXISTS repl (t text)");
	c = replicate("database");
	r = PQexec(c,
	    "CREATE_REPLICATION_SLOT s1 TEMPORARY LOGICAL "
	    "test_decoding");
	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "%s",
	    PQerrorMessage(c));
	PQclear(r);
	r = PQexec(c, "START_REPLICATION SLOT s1 LOGICAL 0/0");
	ck_assert_msg(PQresultStatus(r) == PGRES_COPY_BOTH, "%s",
	    PQerrorMessage(c));
	PQclear(r);
	sql_ok(w, "INSERT INTO repl VALUES ('first-4711')");
	ck_assert(receives(c, "first-4711"));
	send_status(c, 0);
	sql_ok(w, "INSERT INTO repl VALUES ('second-4712')");
	ck_assert(receives(c, "second-4712"));
	/* Both ends are ended in good order, and the session goes on. */
	ck_assert_int_eq(PQputCopyEnd(c, NULL), 1);
	while ((r = PQgetResult(c)) != NULL) {
		char *m;

		while (PQresultStatus(r) == PGRES_COPY_OUT &&
		    PQgetCopyData(c, &m, 0) > 0)
			PQfreemem(m);
		PQclear(r);
	}
	ck_assert_int_eq(sql_int(c, "SELECT 43"), 43);
	PQfinish(c);
	PQfinish(w);
	WAIT_UNTIL(walsenders() == 0, 5000);
}
END_TEST

START_TEST (options_reach_the_walsender) {
	PGconn *c;

	pooler_start(" ");
	c = client_open("user=postgres dbname=app replication=database "
			"options='-c statement_timeout=4321' "
			"application_name=walrus");
	ck_assert_str_eq(sql_text(c, "SHOW statement_timeout"), "4321ms");
	ck_assert_str_eq(sql_text(c, "SHOW application_name"), "walrus");
	PQfinish(c);
}
END_TEST

START_TEST (walsenders_are_never_shared) {
	PGconn *a, *b, *n;
	char first[32];

	pooler_start("default_pool_size = 5\n");
	a = replicate("database");
	snprintf(first, sizeof(first), "%s",
	    sql_text(a, "SELECT pg_backend_pid()"));
	b = replicate("database");
	ck_assert_str_ne(first, sql_text(b, "SELECT pg_backend_pid()"));
	n = client_open("user=postgres");
	ck_assert_str_ne(first, sql_text(n, "SELECT pg_backend_pid()"));
	PQfinish(a);
	WAIT_UNTIL(walsenders() == 1, 5000);
	a = replicate("database");
	ck_assert_str_ne(first, sql_text(a, "SELECT pg_backend_pid()"));
	PQfinish(a);
	PQfinish(b);
	PQfinish(n);
	WAIT_UNTIL(walsenders() == 0, 5000);
}
END_TEST

/* Its server is nobody else's, and it would keep it for ever. */
START_TEST (reconnect_ends_replication_clients) {
	PGconn *a, *n;

	pooler_start(" ");
	a = replicate("database");
	n = client_open("user=postgres");
	ck_assert_int_eq(sql_int(a, "SELECT 1"), 1);
	ck_assert_int_eq(sql_int(n, "SELECT 1"), 1);
	console_ok("RECONNECT");
	ck_assert(client_lost(a, 5000));
	WAIT_UNTIL(pooler_logged(pooler_current(),
		       "closing because: database configuration changed"),
	    5000);
	WAIT_UNTIL(walsenders() == 0, 5000);
	console_ok("WAIT_CLOSE");
	ck_assert_int_eq(sql_int(n, "SELECT 2"), 2);
	PQfinish(a);
	PQfinish(n);
}
END_TEST

START_TEST (walsenders_count_against_the_database) {
	PGconn *a, *b;

	pooler_start("max_db_connections = 1\nquery_wait_timeout = 1\n"
		     "client_login_timeout = 1\n");
	a = replicate("database");
	ck_assert_int_eq(sql_int(a, "SELECT 1"), 1);
	b = client_try("user=postgres dbname=app");
	ck_assert_int_eq(PQstatus(b), CONNECTION_BAD);
	PQfinish(b);
	PQfinish(a);
	b = client_open("user=postgres dbname=app");
	ck_assert_int_eq(sql_int(b, "SELECT 2"), 2);
	PQfinish(b);
}
END_TEST

/* --- PostgreSQL's own programs --- */

/* Runs one through the pooler, with a directory of its own; what it says. */
static void
tool(const char *program, const char *options)
{
	char *out;
	int rc;

	rc = fx_shell(&out, "cd %s && timeout %d %s/%s -h 127.0.0.1 -p %d "
	    "-U postgres %s",
	    pooler_current()->dir, fx_scaled(40000) / 1000, pg_bindir(),
	    program, pooler_current()->port, options);
	ck_assert_msg(rc == 0, "%s %s: status %d: %s", program, options, rc,
	    out);
	free(out);
}

static bool
has_file(const char *name)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", pooler_current()->dir, name);
	return access(path, R_OK) == 0;
}

START_TEST (pg_basebackup_copies_the_cluster) {
	pooler_start("default_pool_size = 1\n");
	/* It streams the log on a second connection meanwhile. */
	tool("pg_basebackup", "-D copy -X stream -c fast --no-sync");
	ck_assert(has_file("copy/PG_VERSION"));
	ck_assert(has_file("copy/backup_manifest"));
	ck_assert(has_file("copy/global/pg_control"));
	WAIT_UNTIL(walsenders() == 0, 5000);
}
END_TEST

START_TEST (pg_receivewal_gets_the_log) {
	char options[200], lsn[40];

	pooler_start(" ");
	pg_exec("CREATE TABLE IF NOT EXISTS filler (x int)");
	tool("pg_receivewal", "--slot recv --create-slot --if-not-exists");
	pg_exec("SELECT pg_switch_wal()");
	pg_exec("INSERT INTO filler SELECT 2");
	snprintf(lsn, sizeof(lsn), "%s",
	    pg_text("SELECT pg_current_wal_insert_lsn()"));
	pg_exec("INSERT INTO filler SELECT 3");
	snprintf(options, sizeof(options), "-D . --slot recv --no-loop "
	    "--no-sync --endpos=%s", lsn);
	tool("pg_receivewal", options);
	ck_assert_int_eq(fx_shell(NULL, "ls %s/0000*", pooler_current()->dir),
	    0);
	tool("pg_receivewal", "--slot recv --drop-slot");
	WAIT_UNTIL(walsenders() == 0, 5000);
}
END_TEST

START_TEST (pg_recvlogical_gets_the_changes) {
	char options[200], path[600], *text;

	pooler_start(" ");
	sql_ok(pg_direct("app"), "CREATE TABLE IF NOT EXISTS changes (t text)");
	tool("pg_recvlogical", "-d app --slot rl --create-slot "
	    "-P test_decoding");
	sql_ok(pg_direct("app"), "INSERT INTO changes VALUES ('change-4711')");
	snprintf(options, sizeof(options), "-d app --slot rl --start --no-loop "
	    "-f out --endpos=%s", pg_text("SELECT pg_current_wal_insert_lsn()"));
	sql_ok(pg_direct("app"), "INSERT INTO changes VALUES ('later')");
	tool("pg_recvlogical", options);
	snprintf(path, sizeof(path), "%s/out", pooler_current()->dir);
	text = fx_read_file(path);
	ck_assert_ptr_nonnull(strstr(text, "change-4711"));
	free(text);
	WAIT_UNTIL(walsenders() == 0, 5000);
	tool("pg_recvlogical", "-d app --slot rl --drop-slot");
}
END_TEST

/* From app to app2 of the same cluster, where the slot cannot be made by the
 * command itself; what was there before comes by a connection of its own. */
START_TEST (subscriptions_follow_through_the_pooler) {
	PGconn *from = pg_direct("app"), *to = pg_direct("app2");

	pooler_start("default_pool_size = 1\n");
	sql_ok(from, "CREATE TABLE pub (x int PRIMARY KEY); "
	    "INSERT INTO pub SELECT generate_series(1, 100)");
	sql_ok(from, "CREATE PUBLICATION p FOR TABLE pub");
	sql_ok(from, "SELECT pg_create_logical_replication_slot('sub', "
	    "'pgoutput')");
	sql_ok(to, "CREATE TABLE pub (x int PRIMARY KEY)");
	sql_ok(to, "CREATE SUBSCRIPTION sub CONNECTION 'host=127.0.0.1 "
	    "port=%d user=postgres dbname=app' PUBLICATION p "
	    "WITH (create_slot = false, slot_name = 'sub')",
	    pooler_current()->port);
	WAIT_UNTIL(sql_int(to, "SELECT count(*) FROM pub") == 100, 30000);
	sql_ok(from, "INSERT INTO pub SELECT generate_series(101, 200); "
	    "DELETE FROM pub WHERE x <= 50");
	WAIT_UNTIL(sql_int(to, "SELECT sum(x) FROM pub") == 18825, 30000);
	sql_ok(to, "ALTER SUBSCRIPTION sub DISABLE");
	sql_ok(to, "DROP SUBSCRIPTION sub");
	WAIT_UNTIL(walsenders() == 0, 10000);
	sql_ok(from, "DROP PUBLICATION p");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("replication");

	FX_ADD(s, logical_walsender_takes_commands_and_sql, 20);
	FX_ADD(s, changes_stream_while_we_answer, 30);
	FX_ADD(s, options_reach_the_walsender, 20);
	FX_ADD(s, walsenders_are_never_shared, 20);
	FX_ADD(s, walsenders_count_against_the_database, 30);
	FX_ADD(s, pg_basebackup_copies_the_cluster, 60);
	FX_ADD(s, pg_receivewal_gets_the_log, 60);
	FX_ADD(s, pg_recvlogical_gets_the_changes, 60);
	FX_ADD(s, subscriptions_follow_through_the_pooler, 90);
	FX_ADD(s, reconnect_ends_replication_clients, 20);
	return fx_main(s);
}
