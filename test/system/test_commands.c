/*
 * The commands that change what runs, and how a console session behaves when
 * it is interrupted, cut off or in a hurry.
 */
#include "fixture.h"
#include "raw.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
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

static void
fails_later(PGconn *c, const char *state, const char *text)
{
	PGresult *r = sql_result(c, 5000);

	result_fails(r, state, text);
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
all_paused(void)
{
	return strcmp(show_text("STATE", "key=paused", "value"), "yes") == 0;
}

/* ---- PAUSE that waits ---- */

START_TEST (cancelled_pause_is_taken_back) {
	PGconn *in, *other;

	pooler_start(TWO_DATABASES);
	in = client_open(" ");
	other = open_console();
	sql_ok(in, "BEGIN");
	sql_send(other, "PAUSE");
	WAIT_UNTIL(all_paused(), 5000);
	cancel(other);
	fails_later(other, "57014", "canceling statement");
	ck_assert(!all_paused());
	sql_send(other, "PAUSE app");
	WAIT_UNTIL(is_paused("app"), 5000);
	cancel(other);
	fails_later(other, "57014", "canceling statement");
	ck_assert(!is_paused("app"));
	/* The session goes on, and so does everybody else. */
	sql_ok(other, "SHOW VERSION");
	sql_ok(in, "COMMIT");
	sql_ok(in, "SELECT 1");
	PQfinish(in);
	PQfinish(other);
}
END_TEST

START_TEST (resume_makes_a_waiting_pause_fail) {
	PGconn *in, *other;

	pooler_start(TWO_DATABASES);
	in = client_open(" ");
	other = open_console();
	sql_ok(in, "BEGIN");
	sql_send(other, "PAUSE");
	WAIT_UNTIL(all_paused(), 5000);
	console_ok("RESUME");
	fails_later(other, "55000", "ended by RESUME");
	PQfinish(in);
	PQfinish(other);
}
END_TEST

START_TEST (each_waiting_pause_has_its_own_end) {
	PGconn *in, *in2, *c, *c2;

	pooler_start(TWO_DATABASES);
	in = client_open(" ");
	in2 = client_open("dbname=app2");
	c = open_console();
	c2 = open_console();
	sql_ok(in, "BEGIN");
	sql_ok(in2, "BEGIN");
	sql_send(c, "PAUSE app");
	sql_send(c2, "PAUSE app2");
	WAIT_UNTIL(is_paused("app") && is_paused("app2"), 5000);
	sql_ok(in2, "COMMIT");
	sql_result_ok(c2, 5000);
	ck_assert(!sql_done(c));
	sql_ok(in, "COMMIT");
	sql_result_ok(c, 5000);
	PQfinish(in);
	PQfinish(in2);
	PQfinish(c);
	PQfinish(c2);
}
END_TEST

START_TEST (pause_stays_when_its_console_goes) {
	PGconn *in, *other;

	pooler_start(TWO_DATABASES);
	in = client_open(" ");
	other = open_console();
	sql_ok(in, "BEGIN");
	sql_send(other, "PAUSE app");
	WAIT_UNTIL(is_paused("app"), 5000);
	PQfinish(other);
	WAIT_UNTIL(show_rows("CLIENTS", "database=pgbouncer") == 1, 5000);
	ck_assert(is_paused("app"));
	sql_ok(in, "COMMIT");
	console_ok("RESUME app");
	sql_ok(in, "SELECT 1");
	PQfinish(in);
}
END_TEST

/* ---- DISABLE, RECONNECT, KILL ---- */

START_TEST (disable_refuses_logins_and_nothing_else) {
	PGconn *in, *c;

	pooler_start(TWO_DATABASES);
	in = client_open(" ");
	console_ok("DISABLE app");
	ck_assert_int_eq(show("DATABASES", "name=app", "disabled"), 1);
	c = client_try(" ");
	ck_assert_int_eq(PQstatus(c), CONNECTION_BAD);
	ck_assert_msg(strstr(PQerrorMessage(c),
			  "database \"app\" is disabled") != NULL,
	    "%s", PQerrorMessage(c));
	PQfinish(c);
	sql_ok(in, "SELECT 1");
	PQfinish(client_open("dbname=app2"));
	console_ok("ENABLE app");
	PQfinish(client_open(" "));
	PQfinish(in);
	sql_fails(console(), "DISABLE", NULL, "a database is required");
}
END_TEST

START_TEST (reconnect_replaces_servers_at_the_end_of_their_work) {
	PGconn *in, *idle;
	long pid, idle_pid;

	pooler_start(TWO_DATABASES);
	in = client_open(" ");
	idle = client_open("dbname=app2");
	idle_pid = sql_int(idle, "SELECT pg_backend_pid()");
	sql_ok(in, "BEGIN");
	pid = sql_int(in, "SELECT pg_backend_pid()");
	console_ok("RECONNECT");
	ck_assert_int_eq(show("SERVERS", "database=app&state=active",
			     "close_needed"),
	    1);
	ck_assert_int_eq(sql_int(in, "SELECT pg_backend_pid()"), pid);
	sql_ok(in, "COMMIT");
	ck_assert_int_ne(sql_int(in, "SELECT pg_backend_pid()"), pid);
	ck_assert_int_ne(sql_int(idle, "SELECT pg_backend_pid()"), idle_pid);
	PQfinish(in);
	PQfinish(idle);
}
END_TEST

/* In session mode a server goes with its client, if that is wanted; in the
 * middle of a transaction, when that is over. */
START_TEST (fast_close_ends_sessions_between_transactions) {
	PGconn *idle, *busy, *other;

	pooler_start("pool_mode = session\nserver_fast_close = %d\n"
		     TWO_DATABASES, _i);
	idle = client_open(" ");
	busy = client_open(" ");
	other = client_open("dbname=app2");
	sql_ok(idle, "SELECT 1");
	sql_ok(busy, "BEGIN");
	sql_ok(other, "SELECT 1");
	console_ok("RECONNECT app");
	if (_i == 1) {
		ck_assert(client_lost(idle, 5000));
		WAIT_UNTIL(pooler_logged(pooler_current(),
			       "closing because: database configuration "
			       "changed"), 5000);
	} else {
		sql_ok(idle, "SELECT 2");
	}
	sql_ok(busy, "SELECT 2");
	sql_ok(busy, "COMMIT");
	if (_i == 1)
		ck_assert(client_lost(busy, 5000));
	else
		sql_ok(busy, "SELECT 2");
	sql_ok(other, "SELECT 2");
	PQfinish(idle);
	PQfinish(busy);
	PQfinish(other);
}
END_TEST

START_TEST (kill_client_ends_the_one_it_names) {
	PGconn *victim, *other, *admin;
	char sql[80];

	pooler_start(TWO_DATABASES);
	victim = client_open("application_name=victim");
	other = client_open("application_name=other");
	sql_ok(victim, "BEGIN");
	snprintf(sql, sizeof(sql), "KILL_CLIENT %s",
	    show_text("CLIENTS", "application_name=victim", "id"));
	console_ok("%s", sql);
	ck_assert(client_lost(victim, 5000));
	WAIT_UNTIL(show_rows("CLIENTS", "application_name=victim") == 0, 5000);
	sql_fails(console(), sql, NULL, "client not found");
	sql_ok(other, "SELECT 1");
	/* No transaction is left behind. */
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "state LIKE 'idle in%%'") == 0,
	    5000);
	admin = client_open("user=admin dbname=pgbouncer "
			    "application_name=victim");
	console_ok("KILL_CLIENT %s",
	    show_text("CLIENTS", "application_name=victim", "id"));
	ck_assert(client_lost(admin, 5000));
	sql_fails(console(), "KILL_CLIENT", NULL,
	    "invalid client pointer supplied");
	PQfinish(victim);
	PQfinish(other);
	PQfinish(admin);
}
END_TEST

START_TEST (kill_empties_a_database_and_leaves_it_paused) {
	PGconn *in, *other, *later;

	pooler_start(TWO_DATABASES);
	in = client_open(" ");
	other = client_open("dbname=app2");
	sql_ok(in, "BEGIN");
	console_ok("KILL app");
	ck_assert(client_lost(in, 5000));
	WAIT_UNTIL(show_rows("SERVERS", "database=app") == 0, 5000);
	ck_assert(is_paused("app"));
	ck_assert(!is_paused("app2"));
	sql_ok(other, "SELECT 1");
	sql_fails(console(), "RESUME", NULL, "pooler is not paused/suspended");
	console_ok("RESUME app");
	later = client_open(" ");
	sql_ok(later, "SELECT 1");
	/* Without a name: all that are in use. */
	console_ok("KILL");
	ck_assert(client_lost(later, 5000));
	ck_assert(client_lost(other, 5000));
	ck_assert(is_paused("app") && is_paused("app2"));
	PQfinish(in);
	PQfinish(other);
	PQfinish(later);
}
END_TEST

/* ---- the protocol ---- */

START_TEST (results_come_in_binary_when_asked_for) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	PGresult *r;
	uint32_t n;

	r = PQexecParams(console(), "SHOW DATABASES", 0, NULL, NULL, NULL, NULL,
	    1);
	ck_assert_str_eq(PQgetvalue(r, 0, 0), "pgbouncer");
	ck_assert_str_eq(PQfname(r, 2), "port");
	ck_assert_int_eq(PQfformat(r, 2), 1);
	ck_assert_int_eq(PQgetlength(r, 0, 2), 4);
	memcpy(&n, PQgetvalue(r, 0, 2), sizeof(n));
	ck_assert_uint_eq(ntohl(n), (uint32_t)p->port);
	ck_assert(PQgetisnull(r, 0, 1));
	PQclear(r);
	/* numeric: one group of digits, weight 0, plus, no fraction, 1 */
	r = PQexecParams(console(), "SHOW STATS_TOTALS", 0, NULL, NULL, NULL,
	    NULL, 1);
	ck_assert_int_eq(PQgetlength(r, 0, 12), 10);
	ck_assert_mem_eq(PQgetvalue(r, 0, 12), "\0\1\0\0\0\0\0\0\0\1", 10);
	PQclear(r);
}
END_TEST

START_TEST (portals_give_their_rows_in_portions) {
	struct pooler *p = pooler_start("worker_threads = 1\n");
	struct raw *r = raw_login(p->port, "admin", "pgbouncer");
	struct pkt k = { 0 };

	pkt_parse(&k, "", "SHOW STATE");
	pkt_bind(&k, "", "");
	pkt_describe(&k, 'P', "");
	pkt_execute(&k, "", 2);
	pkt_execute(&k, "", 2);
	pkt_execute(&k, "", 2);
	pkt_empty(&k, 'S');
	raw_put_bytewise(r, &k);
	ck_assert_str_eq(raw_types(r, 5000), "12TDDsDDCCZ");
	raw_close(r);
}
END_TEST

START_TEST (errors_skip_to_sync_and_the_session_goes_on) {
	struct pooler *p = pooler_start("worker_threads = 1\n");
	struct raw *r = raw_login(p->port, "admin", "pgbouncer");
	struct pkt k = { 0 };

	pkt_parse(&k, "", "SHOW NOTHING");
	pkt_bind(&k, "", "");
	pkt_execute(&k, "", 0);
	pkt_query(&k, "SHOW STATE");
	pkt_empty(&k, 'S');
	pkt_parse(&k, "s", "SHOW STATE");
	pkt_parse(&k, "s", "SHOW STATE");
	pkt_empty(&k, 'S');
	pkt_bind(&k, "p", "s");
	pkt_empty(&k, 'S');
	/* Portals end with their Sync, statements stay. */
	pkt_execute(&k, "p", 0);
	pkt_empty(&k, 'S');
	pkt_describe(&k, 'S', "s");
	pkt_empty(&k, 'S');
	raw_put(r, &k);
	ck_assert_str_eq(raw_types(r, 5000), "EZ");
	ck_assert_str_eq(raw_types(r, 5000), "1EZ");
	ck_assert_str_eq(raw_types(r, 5000), "2Z");
	ck_assert_str_eq(raw_types(r, 5000), "EZ");
	ck_assert_str_eq(raw_types(r, 5000), "tTZ");
	raw_close(r);
}
END_TEST

/* An empty query is what drivers send to see whether the connection lives. */
START_TEST (an_empty_statement_is_answered_as_postgresql_does) {
	struct pooler *p = pooler_start("worker_threads = 1\n");
	struct raw *r = raw_login(p->port, "admin", "pgbouncer");
	struct pkt k = { 0 };

	pkt_parse(&k, "", " ;");
	pkt_bind(&k, "", "");
	pkt_describe(&k, 'P', "");
	pkt_execute(&k, "", 0);
	pkt_empty(&k, 'S');
	raw_put(r, &k);
	ck_assert_str_eq(raw_types(r, 5000), "12nIZ");
	raw_close(r);
}
END_TEST

START_TEST (what_was_sent_before_a_half_close_is_answered) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	struct raw *r = raw_login(p->port, "admin", "pgbouncer");
	struct pkt k = { 0 };

	pkt_query(&k, "SHOW VERSION");
	pkt_query(&k, "SHOW SERVERS");
	pkt_query(&k, "SHOW VERSION");
	raw_put(r, &k);
	raw_shut(r);
	ck_assert_str_eq(raw_types_to_end(r, 5000), "TDCZTCZTDCZ");
	raw_close(r);
}
END_TEST

START_TEST (unknown_and_overlong_messages_end_the_session_alone) {
	static const char *const text[] = {
		"unsupported packet type for admin console",
		"bad packet header",
	};
	static const char bytes[][6] = { "p\0\0\0\4", "Q\x7f\0\0\0" };
	struct pooler *p = pooler_start("worker_threads = 1\n");
	struct raw *r = raw_login(p->port, "admin", "pgbouncer");
	struct msg m;

	raw_send(r, bytes[_i], 5);
	m = raw_next(r, 5000);
	ck_assert_int_eq(m.type, 'E');
	ck_assert_str_eq(msg_field(&m, 'S'), "FATAL");
	ck_assert_ptr_nonnull(strstr(msg_field(&m, 'M'), text[_i]));
	m = raw_next(r, 5000);
	ck_assert_int_eq(m.type, 0);
	raw_close(r);
	console_ok("SHOW VERSION");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("commands");

	FX_ADD(s, cancelled_pause_is_taken_back, 20);
	FX_ADD(s, resume_makes_a_waiting_pause_fail, 20);
	FX_ADD(s, each_waiting_pause_has_its_own_end, 20);
	FX_ADD(s, pause_stays_when_its_console_goes, 20);
	FX_ADD(s, disable_refuses_logins_and_nothing_else, 20);
	FX_ADD(s, reconnect_replaces_servers_at_the_end_of_their_work, 20);
	FX_ADD_LOOP(s, fast_close_ends_sessions_between_transactions, 20, 2);
	FX_ADD(s, kill_client_ends_the_one_it_names, 20);
	FX_ADD(s, kill_empties_a_database_and_leaves_it_paused, 20);
	FX_ADD(s, results_come_in_binary_when_asked_for, 20);
	FX_ADD(s, portals_give_their_rows_in_portions, 20);
	FX_ADD(s, errors_skip_to_sync_and_the_session_goes_on, 20);
	FX_ADD(s, an_empty_statement_is_answered_as_postgresql_does, 20);
	FX_ADD(s, what_was_sent_before_a_half_close_is_answered, 20);
	FX_ADD_LOOP(s, unknown_and_overlong_messages_end_the_session_alone, 20,
	    2);
	return fx_main(s);
}
