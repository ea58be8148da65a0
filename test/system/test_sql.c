/*
 * The scanner of SQL against PostgreSQL: each text runs in a session of its
 * own, and what it leaves there must be something that the scanner told of.
 * It may tell of more. The filter in front of it is held to the same.
 */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "proto/sql.h"

/* What is left in a session; a count each. */
struct state {
	int settings, locks, cursors, channels, prepared, temp, origin, slots;
	bool sequence;
};

static const char observe[] =
    "SELECT (SELECT count(*) FROM pg_settings WHERE source = 'session' "
    "AND name NOT LIKE 'transaction%') "
    "+ (coalesce(current_setting('my.x', true), '') <> '')::int,"
    "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' "
    "AND pid = pg_backend_pid()),"
    "(SELECT count(*) FROM pg_cursors),"
    "(SELECT count(*) FROM pg_listening_channels()),"
    "(SELECT count(*) FROM pg_prepared_statements WHERE from_sql),"
    "(SELECT count(*) FROM pg_class "
    "WHERE relnamespace = pg_my_temp_schema()) "
    "+ (SELECT count(*) FROM pg_proc "
    "WHERE pronamespace = pg_my_temp_schema()) "
    "+ (SELECT count(*) FROM pg_type "
    "WHERE typnamespace = pg_my_temp_schema()),"
    "pg_replication_origin_session_is_setup()::int,"
    "(SELECT count(*) FROM pg_replication_slots "
    "WHERE temporary AND active_pid = pg_backend_pid())";

static PGconn *
session_open(bool std)
{
	char info[400];
	PGconn *c;

	snprintf(info, sizeof(info),
	    "host=%s port=%d user=postgres dbname=postgres "
	    "client_encoding=UTF8 options='-c standard_conforming_strings=%s "
	    "-c escape_string_warning=off -c client_min_messages=error "
	    "-c statement_timeout=5s'",
	    pg_socket_dir(), pg_port(), std ? "on" : "off");
	c = PQconnectdb(info);
	ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s", PQerrorMessage(c));
	return c;
}

/* An int of the one row that observe gives. */
static int
field(const PGresult *r, int i)
{
	return atoi(PQgetvalue(r, 0, i));
}

static struct state
state_of(PGconn *c)
{
	struct state s;
	PGresult *r = PQexec(c, "SELECT (current_setting('role') <> 'none')"
	    "::int + (session_user <> 'postgres')::int");
	int somebody_else = field(r, 0);

	PQclear(r);
	/* Another may not look at everything. */
	if (somebody_else > 0)
		PQclear(PQexec(c, "RESET SESSION AUTHORIZATION"));
	if (somebody_else > 0)
		PQclear(PQexec(c, "RESET ROLE"));
	r = PQexec(c, observe);
	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "%s",
	    PQerrorMessage(c));
	s = (struct state){ .settings = field(r, 0) + somebody_else,
		.locks = field(r, 1),
		.cursors = field(r, 2), .channels = field(r, 3),
		.prepared = field(r, 4), .temp = field(r, 5),
		.origin = field(r, 6), .slots = field(r, 7) };
	PQclear(r);
	r = PQexec(c, "SELECT pg_catalog.lastval()");
	s.sequence = PQresultStatus(r) == PGRES_TUPLES_OK;
	PQclear(r);
	return s;
}

/* Runs the text and ends what it began. False: it did nothing, as the server
 * refused it before it ran a part of it. */
static bool
run(PGconn *c, const char *text)
{
	PGresult *r, *last = NULL;
	bool ran = false;
	char *row;

	ck_assert_int_eq(PQsendQuery(c, text), 1);
	while ((r = PQgetResult(c)) != NULL) {
		ExecStatusType st = PQresultStatus(r);

		ran |= st != PGRES_FATAL_ERROR;
		PQclear(last);
		last = r;
		if (st == PGRES_COPY_IN)
			PQputCopyEnd(c, NULL);
		if (st == PGRES_COPY_OUT)
			while (PQgetCopyData(c, &row, 0) > 0)
				PQfreemem(row);
	}
	PQclear(last);
	if (PQtransactionStatus(c) == PQTRANS_INERROR)
		PQclear(PQexec(c, "ROLLBACK"));
	else if (PQtransactionStatus(c) != PQTRANS_IDLE)
		PQclear(PQexec(c, "COMMIT"));
	ck_assert_msg(PQstatus(c) == CONNECTION_OK, "lost by: %s", text);
	return ran;
}

#define SETS (SQL_BIT(SQL_SET) | SQL_BIT(SQL_RESET) | \
    SQL_BIT(SQL_RESET_ALL) | SQL_BIT(SQL_SET_CHARACTERISTICS) | \
    SQL_BIT(SQL_DISCARD_ALL))

static void
must_tell(bool told, const char *what, const char *text, bool std)
{
	ck_assert_msg(told, "the scanner did not tell of %s left by\n%s\n"
	    "(standard_conforming_strings %s)", what, text,
	    std ? "on" : "off");
}

/* Everything that is there now and was not before must have been told. */
static bool
compare(const struct sql_info *i, struct state was, struct state is,
    const char *text, bool std)
{
	uint64_t kinds = i->kinds;
	uint32_t calls = i->calls_made;
	bool any = i->unsure || (i->flags & SQL_BODY_STATE) ||
	    (calls & SQL_CALL_BIT(SQL_CALL_STATE));
	bool found = false;

#define TOLD(what, is_left, told) \
	do { \
		if (is_left) { \
			found = true; \
			must_tell(any || (told), what, text, std); \
		} \
	} while (0)
	TOLD("a setting", is.settings != was.settings, (kinds & SETS) ||
	    (calls & SQL_CALL_BIT(SQL_CALL_SET_CONFIG)));
	TOLD("a lock", is.locks != 0,
	    calls & SQL_CALL_BIT(SQL_CALL_LOCK));
	TOLD("a cursor", is.cursors != 0, (kinds & SQL_BIT(SQL_DECLARE)) &&
	    (i->flags & SQL_HOLD));
	TOLD("a channel", is.channels != 0, kinds & SQL_BIT(SQL_LISTEN));
	TOLD("a prepared statement", is.prepared != 0,
	    kinds & SQL_BIT(SQL_PREPARE));
	TOLD("something temporary", is.temp != 0, i->flags & SQL_TEMP);
	TOLD("an origin", is.origin != 0, false);
	TOLD("a slot", is.slots != 0, false);
	TOLD("a sequence", is.sequence,
	    calls & SQL_CALL_BIT(SQL_CALL_SEQ_WRITE));
#undef TOLD
	if (found)
		must_tell(sql_quick(span_of(text)) == SQL_QUICK_SCAN,
		    "(by the filter) what was", text, std);
	return found;
}

/* Whether the text left anything, in a session of its own. */
static bool
check(const char *text, bool std)
{
	PGconn *c = session_open(std);
	struct state was = state_of(c);
	struct sql_info info;
	bool found;

	sql_info_init(&info);
	sql_scan(&info, span_of(text), std ? SQL_STD_STRINGS : 0);
	run(c, text);
	found = compare(&info, was, state_of(c), text, std);
	sql_info_fini(&info);
	PQfinish(c);
	return found;
}

/* Each leaves something behind, and is told by its own words. */
static const char *const effects[] = {
	"SET work_mem = '7MB'",
	"set session work_mem to 7777",
	"SET TIME ZONE 'Asia/Tokyo'",
	"SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE",
	"SET NAMES 'LATIN1'",
	"SET SCHEMA 'x'",
	"SET ROLE alice",
	"SET role = 'alice'",
	"SET XML OPTION DOCUMENT",
	"SET my.x = 'y'",
	"SET \"my\" . \"x\" TO y",
	"SET U&\"work!005fmem\" UESCAPE '!' = 7777",
	"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
	"SET work_mem FROM CURRENT",
	"SELECT set_config('work_mem', '7MB', false)",
	"SELECT pg_catalog.set_config('work_mem', '7MB', false)",
	"SELECT \"set_config\"('work_mem', '7MB', false)",
	"SELECT U&\"set\\005fconfig\"('work_mem', '7MB', false)",
	"SELECT U&\"set!005fconfig\" UESCAPE '!' ('work_mem', '7MB', false)",
	"SELECT U&\"set!005fconfig\" UESCAPE E'!' "
	"('work_mem', '7MB', false)",
	"SELECT postgres.pg_catalog.set_config('work_mem', '7MB', false)",
	"SELECT x FROM set_config('work_mem', '7MB', false) AS x",
	"SELECT 1 WHERE set_config('work_mem', '7MB', false) = '7MB'",
	"SELECT (SELECT set_config('work_mem', '7MB', false))",
	"SELECT 1 OPERATOR(pg_catalog.+) "
	"length(set_config('work_mem', '7MB', false))",
	"WITH x AS (SELECT set_config('work_mem', '7MB', false)) "
	"SELECT * FROM x",
	"VALUES (set_config('work_mem', '7MB', false))",
	"COPY (SELECT set_config('work_mem', '7MB', false)) TO STDOUT",
	"EXPLAIN ANALYZE SELECT set_config('work_mem', '7MB', false)",
	"CREATE TABLE made AS SELECT set_config('work_mem', '7MB', false); "
	"DROP TABLE made",
	"BEGIN; DECLARE c CURSOR FOR SELECT set_config('work_mem', '7MB', "
	"false); FETCH ALL c; COMMIT",
	"PREPARE p AS SELECT set_config('work_mem', '7MB', false); "
	"EXECUTE p; DEALLOCATE p",
	"UPDATE pg_settings SET setting = '7777' WHERE name = 'work_mem'",
	"update pg_catalog.pg_settings set setting = 7777 "
	"where name = 'work_mem'",
	"UPDATE ONLY pg_settings SET setting = 7777 WHERE name = 'work_mem'",
	"UPDATE \"pg_settings\" SET setting = 7777 WHERE name = 'work_mem'",
	"UPDATE U&\"pg\\005fsettings\" SET setting = 7777 "
	"WHERE name = 'work_mem'",
	"SELECT query_to_xml($$SELECT set_config('work_mem', '7MB', "
	"false)$$, true, true, '')",
	"DO $$BEGIN SET work_mem = '7MB'; END$$",
	"DO $$BEGIN PERFORM set_config('work_mem', '7MB', false); END$$",
	"DO 'BEGIN EXECUTE ''SET work_mem = 7777''; END'",
	"DO $$DECLARE c refcursor; BEGIN OPEN c FOR EXECUTE 'SELECT "
	"set_config(''work_mem'', ''7MB'', false)'; FETCH c INTO c; END$$",
	"DO $$BEGIN UPDATE pg_settings SET setting = 7777 "
	"WHERE name = 'work_mem'; END$$",
	"SELECT pg_advisory_lock(1)",
	"SELECT pg_advisory_lock_shared(1, 2)",
	"SELECT pg_try_advisory_lock(1)",
	"SELECT pg_try_advisory_lock_shared(1)",
	"SELECT pg_advisory_lock(1) FROM generate_series(1, 3)",
	"INSERT INTO sink SELECT 1 WHERE pg_try_advisory_lock(3)",
	"INSERT INTO sink VALUES (1); DELETE FROM sink "
	"WHERE pg_try_advisory_lock(3) IS NULL OR pg_try_advisory_lock(4)",
	"TRUNCATE sink; SELECT pg_advisory_lock(1)",
	"LISTEN x",
	"LISTEN \"X y\"",
	"PREPARE p AS SELECT 1",
	"PREPARE p (int) AS SELECT $1",
	"BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; COMMIT",
	"DECLARE c NO SCROLL CURSOR WITH HOLD FOR SELECT 1",
	"CREATE TEMP TABLE t (a int)",
	"CREATE LOCAL TEMPORARY TABLE t AS SELECT 1",
	"CREATE GLOBAL TEMP TABLE IF NOT EXISTS t (a int)",
	"CREATE OR REPLACE TEMP VIEW v AS SELECT 1",
	"CREATE TEMP RECURSIVE VIEW v (a) AS SELECT 1",
	"CREATE TEMP SEQUENCE s",
	"CREATE TABLE pg_temp.t (a int)",
	"CREATE TABLE \"pg_temp\".t (a int)",
	"CREATE TABLE U&\"pg\\005ftemp\".t (a int)",
	"CREATE TYPE pg_temp.e AS ENUM ('a')",
	"CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
	"SELECT 1 AS a INTO TEMP t",
	"SELECT 1 AS a INTO LOCAL TEMPORARY TABLE t",
	"SELECT 1 AS a INTO pg_temp.t",
	"SELECT 1 AS a INTO U&\"pg\\005ftemp\".t",
	"SELECT 1 AS a INTO U&\"!0070g_t!0065mp\" UESCAPE '!'.t",
	"EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT 1",
	"PREPARE p AS SELECT 1; CREATE TEMP TABLE t AS EXECUTE p",
	"SET search_path = pg_temp, public; CREATE TABLE t (a int)",
	"SET LOCAL search_path = 'pg_temp'; CREATE TABLE t (a int)",
	"BEGIN; SET LOCAL search_path = 'pg_temp'; CREATE TABLE t (a int)",
	"BEGIN; SET LOCAL search_path = U&'pg\\005ftemp'; "
	"CREATE TABLE t (a int)",
	"SELECT nextval('counter')",
	"SELECT pg_replication_origin_create('o'); "
	"SELECT pg_replication_origin_session_setup('o')",
	"SELECT pg_create_physical_replication_slot('s', false, true)",
	"SELECT 1; SET work_mem = '7MB'; SELECT 2",
	"BEGIN; SAVEPOINT a; SET work_mem = '7MB'; RELEASE a; COMMIT",
	"CREATE FUNCTION atomic() RETURNS int LANGUAGE sql BEGIN ATOMIC "
	"SELECT 1 AS case; SELECT 2 AS end; END; SET work_mem = '7MB'; "
	"DROP FUNCTION atomic",
	"CREATE RULE r AS ON UPDATE TO sink DO ALSO (SELECT 1; SELECT 2); "
	"SET work_mem = '7MB'; DROP RULE r ON sink",
	"SELECT set_config('search_path', 'pg_temp', true); "
	"CREATE TABLE t (a int)",
};

START_TEST (what_a_statement_leaves_is_told) {
	const char *text = effects[_i];

	pg_exec("DROP TABLE IF EXISTS sink");
	pg_exec("CREATE TABLE sink (a int)");
	pg_exec("CREATE SEQUENCE IF NOT EXISTS counter");
	pg_exec("SELECT pg_replication_origin_drop(roname) "
		"FROM pg_replication_origin");
	ck_assert_msg(check(text, true), "leaves nothing: %s", text);
	check(text, false);
}
END_TEST

/* What stands before a statement, to be read over by the scanner and the
 * server alike: where they differ, one of them takes the SET for text. */
static const char *const disguises[] = {
	"%s",
	";;%s;;",
	"/* ' */ %s",
	"/* /* */ ' */ %s",
	"/**/%s",
	"/*/**/*/%s",
	"/*/*/*/**/*/*/*/%s", /* does not end */
	"-- ' \n%s",
	"--\r%s",
	"SELECT '/*'; %s",
	"SELECT '--'; %s",
	"SELECT ''''; %s",
	"SELECT 'a\\'; %s --'",
	"SELECT 'a\\'';%s; --'",
	"SELECT E'a\\'; --'; %s",
	"SELECT E'\\\\'; %s",
	"SELECT e'\\\\\\'--'; %s",
	"SELECT 'a'\n'b\\'; %s --'",
	"SELECT E'a'\n'b\\''; %s",
	"SELECT E'a' -- x\n 'b\\''; %s",
	"SELECT E'a' -- '\n -- '\n\t'b\\''; %s",
	"SELECT 'a' /* */ \n'b'; %s",
	"SELECT U&'\\0041'; %s",
	"SELECT U&'\\'; %s",
	"SELECT U&'!0041' UESCAPE '!'; %s",
	"SELECT U&'a' \n 'b'; %s",
	"SELECT N'a\\'; %s --'",
	"SELECT n'a'; %s",
	"SELECT B'01'; %s",
	"SELECT B'0''1'; %s",
	"SELECT x'1f'\n'1f'; %s",
	"SELECT X'1f''\\'; %s --'",
	"SELECT \"a\".\"b'\" FROM (SELECT 1 AS \"b'\") a; %s",
	"SELECT 1 AS \"a\"\"'\"; %s",
	"SELECT 1 AS U&\"\\0041'\"; %s",
	"SELECT 1 AS U&\"a\\\"; %s",
	"SELECT $$'$$; %s",
	"SELECT $$ $a$ $$; %s",
	"SELECT $a$ $$ $b$ ' $a$; %s",
	"SELECT $a$ $A$ ; %s; $a$",
	"SELECT $\xc3\xa4$ ' $\xc3\xa4$; %s",
	"SELECT 1 AS a$$; %s; --$$",
	"SELECT 1 AS a$b$c, '$b$'; %s",
	"SELECT 1$$'$$; %s",
	"SELECT $1$$'$$; %s",
	"SELECT 1 AS x$1; %s",
	"SELECT 1 +-- '\n 1; %s",
	"SELECT 1 @-/* ' */ 1; %s",
	"SELECT 1 */* ' */ 1; %s",
	"SELECT 2 <> /* */-- '\n 1; %s",
	"SELECT - - 1; %s",
	"SELECT 1.e3, .5, 1., 1e-2; %s",
	"SELECT 1e; %s",
	"SELECT 1E'\\'; %s --'",
	"SELECT 1x'1'; %s",
	"SELECT 0x1F; %s",
	"SELECT '1'::int; %s",
	"SELECT array[1,2]; %s",
	"SELECT (1)\v; %s",
	"SELECT 1\f\t; %s",
	"SELECT '\xc3\xa4\\'; %s --'",
	"BEGIN; %s; COMMIT",
	"SELECT 1 AS select; %s",
	"SELECT 1 \"select\"; %s",
	"CREATE RULE rx AS ON INSERT TO sink DO ALSO (SELECT 1; SELECT 2); "
	"DROP RULE rx ON sink; %s",
	"CREATE FUNCTION fx() RETURNS int LANGUAGE sql AS 'SELECT 1;'; "
	"DROP FUNCTION fx; %s",
	"CREATE FUNCTION fx() RETURNS int LANGUAGE sql BEGIN ATOMIC "
	"SELECT CASE WHEN true THEN 1 END; END; DROP FUNCTION fx; %s",
	"CREATE FUNCTION fx() RETURNS int LANGUAGE sql BEGIN ATOMIC "
	"SELECT 1 AS end; SELECT 2 AS case; END; DROP FUNCTION fx; %s",
	"CREATE FUNCTION fx() RETURNS int LANGUAGE sql RETURN 1; "
	"DROP FUNCTION fx; %s",
};
#define NDISGUISES ((int)(sizeof(disguises) / sizeof(disguises[0])))

/* Puts the statement where the disguise has its %s. */
static void
disguise(char *text, size_t cap, const char *form, const char *statement)
{
	const char *at = strstr(form, "%s");

	snprintf(text, cap, "%.*s%s%s", (int)(at - form), form, statement,
	    at + 2);
}

/* In some of them it is a part of a string, in one way to read it or both. */
START_TEST (no_disguise_hides_a_statement) {
	static const char *const hidden[] = { "SET work_mem = '7MB'",
		"SELECT set_config /* ' */ ( 'work_mem' , '7MB' , false )",
		"CREATE/**/TEMP--\nTABLE t (a int)", "LISTEN x" };
	char text[2000];

	pg_exec("DROP TABLE IF EXISTS sink");
	pg_exec("CREATE TABLE sink (a int)");
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		for (int std = 0; std < 2; std++) {
			disguise(text, sizeof(text), disguises[_i],
			    hidden[i]);
			check(text, std);
		}
}
END_TEST

/* Bits and pieces that turn the meaning of what follows. */
static const char *const pieces[] = { "'", "'", "''", "\"", "E'", "e'", "\\",
	"\\'", "$$", "$$", "$a$", "$", "/*", "*/", "--", "\n", "\n", "\r",
	";", ";", " ", " ", "U&'", "U&\"", "UESCAPE '!'", "N'", "B'", "X'",
	"(", ")", "[", "]", "SELECT 1", "SELECT ", "SELECT '", ";SELECT ",
	"a", "1", "$1", ",", ".", "+", "-", "*", "/", "@", "::", "AS a",
	"SET work_mem='7MB'", ";SET work_mem='7MB';", "LISTEN x",
	"set_config('work_mem','7MB',false)", "\"set_config\"",
	"pg_advisory_lock(1)", "pg_catalog.", "BEGIN;", "END;", "E'\\''",
	"\xc3\xa4", "1e", "0x", "SELECT(", "$a$;$a$" };

/* A generator whose texts can be made again from the number. */
static uint32_t
next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void
make_text(uint32_t seed, char *text, size_t cap)
{
	size_t n = 0;
	int count = 3 + (int)(next_random(&seed) % 10);

	text[0] = '\0';
	if (next_random(&seed) % 2)
		n += (size_t)snprintf(text, cap, "SELECT ");
	while (count-- > 0) {
		const char *p = pieces[next_random(&seed) %
		    (sizeof(pieces) / sizeof(pieces[0]))];

		n += (size_t)snprintf(text + n, cap - n, "%s", p);
	}
	/* Often enough the rest must be there for the server to take it. */
	if (next_random(&seed) % 2)
		snprintf(text + n, cap - n, "%s",
		    ";SET work_mem='7MB';SELECT 1");
}

START_TEST (random_texts_never_hide_what_they_leave) {
	int most = getenv("TEST_LONG") ? 200000 : 4000;
	bool std = _i;
	PGconn *c = session_open(std);
	struct state was = state_of(c);
	struct sql_info info;
	char text[2000];
	int left = 0;

	sql_info_init(&info);
	for (int k = 0; k < most; k++) {
		make_text((uint32_t)(k * 2 + _i), text, sizeof(text));
		if (!run(c, text))
			continue;
		sql_scan(&info, span_of(text), std ? SQL_STD_STRINGS : 0);
		if (!compare(&info, was, state_of(c), text, std))
			continue;
		left++;
		PQfinish(c);
		c = session_open(std);
	}
	sql_info_fini(&info);
	PQfinish(c);
	/* Else it shows nothing. */
	ck_assert_int_gt(left, most / 200);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sql");

	FX_ADD_LOOP(s, what_a_statement_leaves_is_told, 60,
	    (int)(sizeof(effects) / sizeof(effects[0])));
	FX_ADD_LOOP(s, no_disguise_hides_a_statement, 60, NDISGUISES);
	FX_ADD_LOOP(s, random_texts_never_hide_what_they_leave, 600, 2);
	return fx_main(s);
}
