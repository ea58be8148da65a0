/*
 * Replication connections: walsenders of their own, COPY in both directions,
 * and nothing left behind.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int
main(void)
{
	Suite *s = suite_create("replication");

	FX_ADD(s, logical_walsender_takes_commands_and_sql, 20);
	FX_ADD(s, changes_stream_while_we_answer, 30);
	FX_ADD(s, options_reach_the_walsender, 20);
	FX_ADD(s, walsenders_are_never_shared, 20);
	FX_ADD(s, walsenders_count_against_the_database, 30);
	return fx_main(s);
}
