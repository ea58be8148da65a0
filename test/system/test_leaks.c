/*
 * What one client does to its session, and what the next one on the same server
 * sees of it: nothing. Each thing in each form in which a client can say it,
 * with 1, 2 and 4 workers.
 */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

/* Everything of a session that can be told from outside, in one row. */
#define STATE \
	"SELECT concat_ws(' ', current_setting('work_mem'), " \
	"current_setting('search_path'), " \
	"'x=' || coalesce(current_setting('app.x', true), ''), " \
	"current_user, session_user, " \
	"current_setting('default_transaction_read_only'), " \
	"current_setting('default_transaction_isolation'), " \
	"current_setting('DateStyle'), current_setting('TimeZone'), " \
	"'cursors=' || (SELECT count(*) FROM pg_cursors WHERE is_holdable), " \
	"'channels=' || (SELECT count(*) FROM pg_listening_channels()), " \
	"'locks=' || (SELECT count(*) FROM pg_locks WHERE " \
	"locktype = 'advisory' AND pid = pg_backend_pid()), " \
	"'temp=' || (SELECT count(*) FROM pg_depend WHERE " \
	"refclassid = 'pg_namespace'::regclass AND " \
	"refobjid = pg_my_temp_schema()))"

enum keeps {
	KEEPS, /* A has it on whatever server */
	PINNED, /* A has it, and its server, until it leaves */
	LOSES, /* nobody has it: the server was reset */
};

static const struct {
	enum keeps keeps;
	bool alone; /* cannot stand in a transaction */
	const char *sql;
} cases[] = {
	{ KEEPS, false, "SET work_mem = '7MB'" },
	{ KEEPS, false, "SET SESSION work_mem TO 7168" },
	{ KEEPS, false, "/* x */ seT -- y\n work_mem=\"7MB\"" },
	{ KEEPS, false, "SET search_path TO a, \"B c\", public" },
	{ KEEPS, false, "SET app.x = 'it''s'" },
	{ KEEPS, false, "SET app.x TO E'a\\\\b\\n'" },
	{ KEEPS, false, "SET DateStyle = German" },
	{ KEEPS, false, "SET TIME ZONE 'Asia/Tokyo'" },
	{ KEEPS, false, "SET TIME ZONE INTERVAL '+03:30' HOUR TO MINUTE" },
	{ KEEPS, false, "SET ROLE other" },
	{ KEEPS, false, "SET SESSION AUTHORIZATION other" },
	{ KEEPS, false, "SELECT set_config('work_mem', '7MB', false)" },
	{ KEEPS, false, "SELECT pg_catalog.\"set_config\" ('app.x', $$v$$, false)" },
	{ KEEPS, false, "SELECT set_config('app.x', 'a' || 'b', 1 > 2)" },
	{ KEEPS, false, "WITH w AS (SELECT set_config('app.x', "
	    "(SELECT 'sub'), false) s) SELECT s FROM w" },
	{ PINNED, false, "SELECT set_config('app.' || 'x', 'v', false)" },
	{ KEEPS, false, "SET SESSION CHARACTERISTICS AS TRANSACTION "
	    "ISOLATION LEVEL SERIALIZABLE, READ ONLY" },
	{ PINNED, false, "UPDATE pg_settings SET setting = '7MB' "
	    "WHERE name = 'work_mem'" },
	{ PINNED, false, "CREATE TEMP TABLE t (x int)" },
	{ PINNED, false, "CREATE LOCAL TEMPORARY TABLE t AS SELECT 1" },
	{ PINNED, false, "SELECT 1 AS x INTO TEMP t" },
	{ PINNED, false, "CREATE TABLE pg_temp.t (x int)" },
	{ PINNED, false, "CREATE TEMP VIEW v AS SELECT 1" },
	{ PINNED, false, "CREATE TEMP SEQUENCE s" },
	{ PINNED, false, "CREATE COLLATION pg_temp.c FROM \"C\"" },
	{ PINNED, false, "CREATE FUNCTION pg_temp.f() RETURNS int "
	    "LANGUAGE sql AS 'SELECT 1'" },
	{ PINNED, false, "CREATE TEXT SEARCH DICTIONARY pg_temp.d "
	    "(TEMPLATE = simple)" },
	{ PINNED, false, "DECLARE c CURSOR WITH HOLD FOR SELECT 1" },
	{ PINNED, false, "SELECT pg_advisory_lock(7)" },
	{ PINNED, false, "SELECT pg_try_advisory_lock_shared(7, 8)" },
	{ PINNED, false, "SELECT 1 WHERE pg_try_advisory_lock(7)" },
	{ PINNED, false, "LISTEN ch" },
	{ KEEPS, false, "SELECT pg_try_advisory_lock(7), pg_advisory_unlock(7)" },
	{ LOSES, false, "DO $$ BEGIN SET work_mem = '7MB'; END $$" },
	{ LOSES, false, "DO $$ BEGIN EXECUTE 'SET app.x = 1'; END $$" },
};

enum form {
	SIMPLE,
	UNNAMED, /* Parse, Bind, Execute of the unnamed statement */
	NAMED,
	SQL_PREPARED,
	IN_BLOCK, /* BEGIN; ...; COMMIT */
	BEHIND_OTHERS, /* one text of several statements */
	ROLLED_BACK,
	ROLLED_BACK_TO, /* a savepoint */
	FORMS
};

static void
run(PGconn *c, enum form form, const char *sql)
{
	PGresult *r = NULL;

	switch (form) {
	case SIMPLE:
		r = PQexec(c, sql);
		break;
	case UNNAMED:
		r = PQexecParams(c, sql, 0, NULL, NULL, NULL, NULL, 0);
		break;
	case NAMED:
		r = PQprepare(c, "named", sql, 0, NULL);
		ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "%s",
		    PQerrorMessage(c));
		PQclear(r);
		r = PQexecPrepared(c, "named", 0, NULL, NULL, NULL, 0);
		break;
	case SQL_PREPARED:
		sql_ok(c, "PREPARE named AS %s", sql);
		r = PQexec(c, "EXECUTE named");
		break;
	case IN_BLOCK:
		sql_ok(c, "BEGIN");
		r = PQexec(c, sql);
		sql_ok(c, "COMMIT");
		break;
	case BEHIND_OTHERS:
		sql_ok(c, "SELECT 'a;''b', $x$ ' $x$; %s; SELECT 2", sql);
		return;
	case ROLLED_BACK:
		sql_ok(c, "BEGIN");
		r = PQexec(c, sql);
		sql_ok(c, "ROLLBACK");
		break;
	case ROLLED_BACK_TO:
		sql_ok(c, "BEGIN; SAVEPOINT \"S\"");
		r = PQexec(c, sql);
		sql_ok(c, "ROLLBACK TO \"S\"; COMMIT");
		break;
	case FORMS:
		break;
	}
	ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK ||
	    PQresultStatus(r) == PGRES_TUPLES_OK, "%s: %s", sql,
	    PQerrorMessage(c));
	PQclear(r);
}

static bool
can_be_prepared(const char *sql)
{
	return strncmp(sql, "SELECT", 6) == 0 ||
	    strncmp(sql, "WITH", 4) == 0 || strncmp(sql, "UPDATE", 6) == 0;
}

static bool
survives_rollback(const char *sql)
{
	return strstr(sql, "advisory_lock") && !strstr(sql, "unlock");
}

/* Asks without waiting: a pinned neighbour may hold the server. */
static void
ask(PGconn *c)
{
	ck_assert(PQsendQuery(c, STATE));
	ck_assert_int_eq(PQflush(c), 0);
}

static char *
answer(PGconn *c)
{
	PGresult *r = PQgetResult(c);
	char *text;

	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "%s",
	    PQerrorMessage(c));
	text = strdup(PQgetvalue(r, 0, 0));
	PQclear(r);
	while ((r = PQgetResult(c)))
		PQclear(r);
	return text;
}

static char *
state_of(PGconn *c)
{
	ask(c);
	return answer(c);
}

static void
await_waiting(const char *sql, enum form form)
{
	for (int ms = 0; ms < fx_scaled(5000); ms += 5) {
		if (show("POOLS", "database=app", "cl_waiting") == 1)
			return;
		fx_pause_ms(5);
	}
	ck_abort_msg("%s, form %d: not pinned", sql, form);
}

static void
one_case(size_t i, enum form form, const char *clean, PGconn *b)
{
	const char *sql = cases[i].sql;
	bool undone = form == ROLLED_BACK || form == ROLLED_BACK_TO;
	bool pinned = cases[i].keeps == PINNED &&
	    (!undone || survives_rollback(sql) || strstr(sql, "UPDATE") ||
		strstr(sql, "'app.' ||"));
	PGconn *a = client_open(" ");
	char *own, *seen = NULL;

	run(a, form, sql);
	ask(b);
	if (pinned)
		await_waiting(sql, form);
	else
		seen = answer(b);
	own = state_of(a);
	if (undone && !survives_rollback(sql))
		ck_assert_msg(strcmp(own, clean) == 0, "%s, form %d: %s", sql,
		    form, own);
	else if (cases[i].keeps != LOSES && !strstr(sql, "unlock"))
		ck_assert_msg(strcmp(own, clean) != 0, "%s, form %d: lost",
		    sql, form);
	PQfinish(a);
	if (pinned)
		seen = answer(b);
	ck_assert_msg(strcmp(seen, clean) == 0, "%s, form %d: %s", sql, form,
	    seen);
	free(own);
	free(seen);
}

static const int workers[] = { 1, 2, 4 };

START_TEST (nothing_reaches_the_next_client) {
	PGconn *b;
	char *clean;

	pg_exec("DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE "
	    "rolname = 'other') THEN CREATE ROLE other; "
	    "GRANT pg_read_all_settings TO other; END IF; END $$");
	pg_exec("ALTER ROLE alice SUPERUSER");
	pooler_start("pool_mode = transaction\ndefault_pool_size = 1\n"
	    "worker_threads = %d\n", workers[_i]);
	b = client_open(" ");
	clean = state_of(b);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (enum form f = SIMPLE; f < FORMS; f++) {
			if (f == SQL_PREPARED &&
			    !can_be_prepared(cases[i].sql))
				continue;
			one_case(i, f, clean, b);
		}
	free(clean);
	PQfinish(b);
}
END_TEST

/* ---- policies ---- */

#define POLICY(p) "pool_mode = transaction\ndefault_pool_size = 1\n" \
	"session_state = " p "\n"

/* Its row is longer than what is looked at as a whole. */
START_TEST (a_value_too_long_to_read_back_pins) {
	PGconn *a;

	pooler_start(POLICY("track"));
	a = client_open(" ");
	sql_ok(a, "SELECT set_config('app.x', repeat('x', 200000), false)");
	ck_assert_int_eq(sql_int(a,
	    "SELECT length(current_setting('app.x'))"), 200000);
	ck_assert_str_eq(show_text("CLIENTS", "state=active", "pinned"),
	    "state");
	PQfinish(a);
}
END_TEST

START_TEST (deny_refuses_and_says_what_to_do) {
	static const struct {
		const char *sql, *text, *hint;
	} denied[] = {
		{ "SET work_mem = '7MB'", "SET is not allowed here",
		    "SET LOCAL" },
		{ "SELECT pg_advisory_lock(1)", "session advisory lock",
		    "pg_advisory_xact_lock" },
		{ "CREATE TEMP TABLE t (x int)", "temporary object",
		    "ON COMMIT DROP" },
		{ "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "WITH HOLD",
		    "without HOLD" },
		{ "LISTEN x", "LISTEN is not allowed", "session mode" },
	};
	PGconn *a;
	PGresult *r;

	pooler_start(POLICY("deny"));
	a = client_open(" ");
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
		r = PQexec(a, denied[i].sql);
		result_fails(r, "0A000", denied[i].text);
		ck_assert_ptr_nonnull(strstr(error_field(r,
		    PG_DIAG_MESSAGE_HINT), denied[i].hint));
		PQclear(r);
		r = PQexecParams(a, denied[i].sql, 0, NULL, NULL, NULL, NULL,
		    0);
		result_fails(r, "0A000", denied[i].text);
		PQclear(r);
	}
	/* In a block the block fails, as if the server had refused. */
	sql_ok(a, "BEGIN");
	sql_fails(a, "SET work_mem = '7MB'", "0A000", "SET is not allowed");
	sql_fails(a, "SELECT 1", "25P02", "aborted");
	sql_ok(a, "ROLLBACK");
	/* What ends with its transaction may be. */
	sql_ok(a, "BEGIN; SET LOCAL work_mem = '7MB'; "
	    "SELECT set_config('app.x', 'y', true); COMMIT");
	sql_ok(a, "BEGIN");
	sql_ok(a, "SELECT pg_advisory_xact_lock(1)");
	sql_ok(a, "COMMIT");
	PQfinish(a);
}
END_TEST

START_TEST (reset_cleans_behind_each_transaction) {
	PGconn *a;
	long pid;

	pooler_start(POLICY("reset"));
	a = client_open(" ");
	pid = sql_int(a, "SELECT pg_backend_pid()");
	sql_ok(a, "BEGIN");
	sql_ok(a, "SET work_mem = '7MB'");
	ck_assert_str_eq(sql_text(a, "SHOW work_mem"), "7MB");
	sql_ok(a, "COMMIT");
	ck_assert_str_eq(sql_text(a, "SHOW work_mem"), "4MB");
	sql_ok(a, "CREATE TEMP TABLE t (x int)");
	sql_fails(a, "SELECT * FROM t", "42P01", "does not exist");
	ck_assert_int_eq(sql_int(a, "SELECT pg_backend_pid()"), pid);
	PQfinish(a);
}
END_TEST

START_TEST (pin_keeps_client_and_server_together) {
	PGconn *a, *b;

	pooler_start(POLICY("pin"));
	a = client_open(" ");
	b = client_open(" ");
	sql_ok(a, "SELECT 1");
	sql_ok(b, "SELECT 1");
	sql_ok(a, "SET work_mem = '7MB'");
	ck_assert_str_eq(show_text("CLIENTS", "pinned=state", "state"),
	    "active");
	sql_send(b, "SHOW work_mem");
	WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 1, 5000);
	PQfinish(a);
	sql_result_ok(b, 5000);
	PQfinish(b);
}
END_TEST

START_TEST (a_pin_ends_with_its_reason) {
	static const struct {
		const char *begin, *pin, *end;
	} pins[] = {
		{ "CREATE TEMP TABLE t (x int)", "temp", "DROP TABLE t" },
		{ "CREATE TEMP TABLE t (x int)", "temp", "DISCARD TEMP" },
		{ "SELECT pg_advisory_lock(1)", "lock",
		    "SELECT pg_advisory_unlock(1)" },
		{ "SELECT pg_advisory_lock(1), pg_advisory_lock(2)", "lock",
		    "SELECT pg_advisory_unlock_all()" },
		{ "DECLARE c CURSOR WITH HOLD FOR SELECT 1", "cursor",
		    "CLOSE c" },
		{ "LISTEN x", "listen", "UNLISTEN x" },
		{ "LISTEN x", "listen", "DISCARD ALL" },
	};
	PGconn *a, *b;

	pooler_start(POLICY("track"));
	a = client_open(" ");
	b = client_open(" ");
	for (size_t i = 0; i < sizeof(pins) / sizeof(pins[0]); i++) {
		sql_ok(a, "%s", pins[i].begin);
		sql_ok(a, "SELECT 1");
		ck_assert_str_eq(show_text("CLIENTS", "state=active",
		    "pinned"), pins[i].pin);
		sql_ok(a, "%s", pins[i].end);
		sql_ok(b, "SELECT 1");
	}
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (pin_timeout_ends_who_keeps_a_server_and_idles) {
	PGconn *a, *b;

	pooler_start(POLICY("track") "pin_timeout = 1\n");
	a = client_open(" ");
	b = client_open(" ");
	sql_ok(a, "SELECT pg_advisory_lock(1)");
	sql_ok(b, "SELECT 1");
	ck_assert_int_eq(sql_int(b, "SELECT count(*) FROM pg_locks "
	    "WHERE locktype = 'advisory'"), 0);
	sql_fails(a, "SELECT 1", "57P05", "pin_timeout");
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (what_no_reset_takes_back_costs_the_server) {
	PGconn *a, *b;
	long pid;

	pg_exec("ALTER ROLE alice SUPERUSER");
	pooler_start(POLICY("track"));
	a = client_open(" ");
	pid = sql_int(a, "SELECT pg_backend_pid()");
	sql_ok(a, "LOAD 'auto_explain'");
	ck_assert_int_eq(sql_int(a, "SELECT pg_backend_pid()"), pid);
	PQfinish(a);
	b = client_open(" ");
	ck_assert_int_ne(sql_int(b, "SELECT pg_backend_pid()"), pid);
	PQfinish(b);
}
END_TEST

START_TEST (functions_named_as_stateful_are_reset_behind) {
	PGconn *a;

	sql_ok(pg_direct("app"), "CREATE OR REPLACE FUNCTION leaves() "
	    "RETURNS text LANGUAGE sql "
	    "AS $$SELECT set_config('app.x', 'set', false)$$");
	pooler_start(POLICY("track") "stateful_functions = other, leaves\n");
	a = client_open(" ");
	sql_ok(a, "SELECT public.leaves()");
	ck_assert_str_eq(sql_text(a, "SELECT coalesce(nullif("
	    "current_setting('app.x', true), ''), 'gone')"), "gone");
	PQfinish(a);
	/* Its text does not show what it does: that is the limit. */
	pooler_start(POLICY("track"));
	a = client_open(" ");
	sql_ok(a, "SELECT leaves()");
	ck_assert_str_eq(sql_text(a, "SELECT current_setting('app.x', true)"),
	    "set");
	PQfinish(a);
	pooler_start(POLICY("track") "unknown_functions = dirty\n");
	a = client_open(" ");
	sql_ok(a, "SELECT leaves()");
	ck_assert_str_eq(sql_text(a, "SELECT coalesce(nullif("
	    "current_setting('app.x', true), ''), 'gone')"), "gone");
	PQfinish(a);
}
END_TEST

/* A text that is too long is not looked at, and the server is reset. */
START_TEST (long_texts_are_taken_to_have_done_anything) {
	size_t n = 3 << 20;
	char *sql = malloc(n);
	PGconn *a;
	PGresult *r;

	memset(sql, ' ', n);
	memcpy(sql, "SET app.x = 'set' --", 20);
	sql[n - 1] = '\0';
	pooler_start(POLICY("track"));
	a = client_open(" ");
	r = PQexec(a, sql);
	ck_assert_int_eq(PQresultStatus(r), PGRES_COMMAND_OK);
	PQclear(r);
	ck_assert_str_eq(sql_text(a, "SELECT coalesce(nullif("
	    "current_setting('app.x', true), ''), 'gone')"), "gone");
	PQfinish(a);
	pooler_start(POLICY("deny"));
	a = client_open(" ");
	r = PQexec(a, sql);
	result_fails(r, "54000", "too long");
	PQclear(r);
	sql_ok(a, "SELECT 1");
	PQfinish(a);
	free(sql);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("leaks");

	FX_ADD_LOOP(s, nothing_reaches_the_next_client, 120, 3);
	FX_ADD(s, a_value_too_long_to_read_back_pins, 20);
	FX_ADD(s, deny_refuses_and_says_what_to_do, 20);
	FX_ADD(s, reset_cleans_behind_each_transaction, 20);
	FX_ADD(s, pin_keeps_client_and_server_together, 20);
	FX_ADD(s, a_pin_ends_with_its_reason, 20);
	FX_ADD(s, pin_timeout_ends_who_keeps_a_server_and_idles, 20);
	FX_ADD(s, what_no_reset_takes_back_costs_the_server, 20);
	FX_ADD(s, functions_named_as_stateful_are_reset_behind, 30);
	FX_ADD(s, long_texts_are_taken_to_have_done_anything, 30);
	return fx_main(s);
}
