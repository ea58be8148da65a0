/*
 * Prepared statements in transaction mode: shared, made again where they are
 * missing, and answered in the right place, whatever the pipeline does.
 */
#include "fixture.h"
#include "raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKEND "SELECT pg_backend_pid()"
#define HOW_MANY "SELECT count(*) FROM pg_prepared_statements"
#define MS 10000

/* ---- with libpq ---- */

static void
prepare(PGconn *c, const char *name, const char *sql)
{
	PGresult *r = PQprepare(c, name, sql, 0, NULL);

	ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "%s: %s", sql,
	    PQerrorMessage(c));
	PQclear(r);
}

static void
prepare_fails(PGconn *c, const char *name, const char *sql, const char *state,
    const char *text)
{
	PGresult *r = PQprepare(c, name, sql, 0, NULL);

	result_fails(r, state, text);
	PQclear(r);
}

/* The first value, in one of a few buffers. */
static const char *
execute(PGconn *c, const char *name)
{
	static char out[4][256];
	static int turn;
	PGresult *r = PQexecPrepared(c, name, 0, NULL, NULL, NULL, 0);

	turn = (turn + 1) % 4;
	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK ||
	    PQresultStatus(r) == PGRES_COMMAND_OK, "%s: %s", name,
	    PQerrorMessage(c));
	snprintf(out[turn], sizeof(out[0]), "%s",
	    PQntuples(r) ? PQgetvalue(r, 0, 0) : "");
	PQclear(r);
	return out[turn];
}

static void
execute_fails(PGconn *c, const char *name, const char *state,
    const char *text)
{
	PGresult *r = PQexecPrepared(c, name, 0, NULL, NULL, NULL, 0);

	result_fails(r, state, text);
	PQclear(r);
}

START_TEST (clients_share_what_they_prepare_alike) {
	PGconn *a, *b;

	pooler_start("default_pool_size = 1\n");
	a = client_open(" ");
	b = client_open(" ");
	prepare(a, "x", "SELECT 41 + 1");
	prepare(b, "y", "SELECT 41 + 1");
	prepare(b, "x", "SELECT 'other'");
	ck_assert_str_eq(execute(a, "x"), "42");
	ck_assert_str_eq(execute(b, "y"), "42");
	ck_assert_str_eq(execute(b, "x"), "other");
	ck_assert_int_eq(sql_int(a, HOW_MANY), 2);
	ck_assert_int_eq(show("STATS", "database=app",
			     "total_client_parse_count"), 3);
	ck_assert_int_eq(show("STATS", "database=app",
			     "total_server_parse_count"), 2);
	ck_assert_int_eq(show("STATS", "database=app", "total_bind_count"),
	    3);
	ck_assert_int_eq(show("SERVERS", NULL, "prepared_statements"), 2);
	ck_assert_int_eq(show("CLIENTS", "database=app",
			     "prepared_statements"), 3);
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (a_statement_follows_to_another_server) {
	PGconn *a, *b;
	char pid[32];

	pooler_start("default_pool_size = 2\nworker_threads = 1\n");
	a = client_open(" ");
	b = client_open(" ");
	prepare(a, "pid", BACKEND);
	snprintf(pid, sizeof(pid), "%s", execute(a, "pid"));
	sql_ok(b, "BEGIN");
	ck_assert_str_eq(sql_text(b, BACKEND), pid);
	ck_assert_str_ne(execute(a, "pid"), pid);
	ck_assert_str_ne(execute(a, "pid"), pid);
	ck_assert_int_eq(show("STATS", "database=app",
			     "total_server_parse_count"), 2);
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (what_the_server_refused_is_not_there) {
	PGconn *c;

	pooler_start("default_pool_size = 1\n");
	c = client_open(" ");
	prepare_fails(c, "x", "SELEC 1", "42601", "SELEC");
	prepare_fails(c, "x", "SELECT * FROM not_there", "42P01", "not_there");
	execute_fails(c, "x", "26000", "\"x\" does not exist");
	prepare(c, "x", "SELECT 7");
	ck_assert_str_eq(execute(c, "x"), "7");
	PQfinish(c);
}
END_TEST

START_TEST (names_are_the_clients_own) {
	PGconn *a, *b;

	pooler_start("default_pool_size = 1\n");
	a = client_open(" ");
	b = client_open(" ");
	prepare(a, "x", "SELECT 1");
	prepare_fails(a, "x", "SELECT 2", "42P05", "\"x\" already exists");
	ck_assert_str_eq(execute(a, "x"), "1");
	execute_fails(b, "x", "26000", "\"x\" does not exist");
	/* Nor can anybody guess what it is called on the server. */
	execute_fails(b, "PGBOUNCER_1", "26000", "\"PGBOUNCER_1\" does not");
	prepare(b, "PGBOUNCER_1", "SELECT 'mine'");
	ck_assert_str_eq(execute(b, "PGBOUNCER_1"), "mine");
	ck_assert_str_eq(execute(a, "x"), "1");
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (our_errors_fail_the_transaction_too) {
	PGconn *c;

	pooler_start("default_pool_size = 1\n");
	c = client_open(" ");
	sql_ok(c, "CREATE TABLE our_errors (x int)");
	prepare(c, "x", "SELECT 1");
	sql_ok(c, "BEGIN");
	sql_ok(c, "INSERT INTO our_errors VALUES (1)");
	prepare_fails(c, "x", "SELECT 1", "42P05", "already exists");
	ck_assert_int_eq(PQtransactionStatus(c), PQTRANS_INERROR);
	sql_fails(c, "SELECT 1", "25P02", "aborted");
	sql_ok(c, "COMMIT");
	ck_assert_int_eq(sql_int(c, "SELECT count(*) FROM our_errors"), 0);

	sql_ok(c, "BEGIN");
	execute_fails(c, "nope", "26000", "does not exist");
	ck_assert_int_eq(PQtransactionStatus(c), PQTRANS_INERROR);
	sql_ok(c, "ROLLBACK");
	ck_assert_str_eq(execute(c, "x"), "1");
	PQfinish(c);
}
END_TEST

START_TEST (settings_split_what_looks_alike) {
	static const char sql[] = "SELECT '01/02/2024'::date";
	PGconn *a, *b;

	pooler_start("default_pool_size = 1\n");
	a = client_open("options=''");
	b = client_open("options=''");
	sql_ok(a, "SET DateStyle = 'ISO, MDY'");
	sql_ok(b, "SET DateStyle = 'ISO, DMY'");
	prepare(a, "d", sql);
	prepare(b, "d", sql);
	for (int i = 0; i < 3; i++) {
		ck_assert_str_eq(execute(a, "d"), "2024-01-02");
		ck_assert_str_eq(execute(b, "d"), "2024-02-01");
	}
	/* The application's name changes nothing. */
	sql_ok(a, "SET application_name = 'other'");
	prepare(a, "e", sql);
	ck_assert_int_eq(sql_int(a, HOW_MANY), 2);
	PQfinish(a);
	PQfinish(b);
}
END_TEST

/* What another server prepares is prepared under the settings of now, and
 * must not be taken for what was prepared under the old ones. */
START_TEST (settings_that_changed_since_the_parse) {
	static const char sql[] = "SELECT '01/02/2024'::date";
	PGconn *a, *b, *hold;

	pooler_start("default_pool_size = 2\nworker_threads = 1\n");
	a = client_open(" ");
	b = client_open(" ");
	hold = client_open(" ");
	sql_ok(a, "SET DateStyle = 'ISO, MDY'");
	sql_ok(b, "SET DateStyle = 'ISO, MDY'");
	prepare(a, "d", sql);
	prepare(b, "d", sql);
	sql_ok(a, "SET DateStyle = 'ISO, DMY'");
	sql_ok(hold, "BEGIN");
	/* Both are on a second server now. */
	ck_assert_str_eq(execute(a, "d"), "2024-02-01");
	ck_assert_str_eq(execute(b, "d"), "2024-01-02");
	PQfinish(a);
	PQfinish(b);
	PQfinish(hold);
}
END_TEST

START_TEST (a_server_keeps_so_many_and_no_more) {
	PGconn *c;
	char name[16], sql[64];
	int round, i;

	pooler_start("default_pool_size = 1\nmax_prepared_statements = 3\n");
	c = client_open(" ");
	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		snprintf(sql, sizeof(sql), "SELECT %d", i);
		prepare(c, name, sql);
		ck_assert_int_le(sql_int(c, HOW_MANY), 3);
	}
	for (round = 0; round < 3; round++)
		for (i = 0; i < 10; i++) {
			snprintf(name, sizeof(name), "s%d", i);
			ck_assert_int_eq(atoi(execute(c, name)), i);
		}
	ck_assert_int_eq(sql_int(c, HOW_MANY), 3);
	/* The ones used last are there. */
	i = (int)show("STATS", "database=app", "total_server_parse_count");
	execute(c, "s9");
	execute(c, "s8");
	execute(c, "s7");
	ck_assert_int_eq(show("STATS", "database=app",
			     "total_server_parse_count"), i);
	PQfinish(c);
}
END_TEST

START_TEST (deallocate_all_and_discard_all) {
	static const char *const all[] = { "DEALLOCATE ALL", "DISCARD ALL",
		"discard  all", "SELECT 1; DEALLOCATE ALL" };
	PGconn *a, *b;
	size_t i;

	pooler_start("default_pool_size = 1\n");
	a = client_open(" ");
	b = client_open(" ");
	prepare(b, "x", "SELECT 5");
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		prepare(a, "x", "SELECT 5");
		ck_assert_str_eq(execute(a, "x"), "5");
		sql_ok(a, "%s", all[i]);
		execute_fails(a, "x", "26000", "does not exist");
		ck_assert_str_eq(execute(b, "x"), "5");
	}
	/* One that fails takes nothing away. */
	prepare(a, "x", "SELECT 5");
	sql_ok(a, "BEGIN");
	sql_fails(a, "DISCARD ALL", "25001", "transaction block");
	sql_ok(a, "ROLLBACK");
	ck_assert_str_eq(execute(a, "x"), "5");
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (statements_outlive_our_own_reset) {
	PGconn *a, *b;
	int i;

	pooler_start("default_pool_size = 1\n"
	    "server_reset_query_always = 1\n");
	a = client_open(" ");
	b = client_open(" ");
	prepare(a, "x", "SELECT 5");
	for (i = 0; i < 5; i++) {
		ck_assert_str_eq(execute(a, "x"), "5");
		sql_ok(b, "SELECT 1");
	}
	pooler_stop(pooler_current());
	PQfinish(a);
	PQfinish(b);

	/* A reset that leaves them where they are. */
	pooler_start("default_pool_size = 1\n"
	    "server_reset_query_always = 1\n"
	    "server_reset_query = RESET ALL\n");
	a = client_open(" ");
	prepare(a, "x", "SELECT 5");
	for (i = 0; i < 5; i++)
		ck_assert_str_eq(execute(a, "x"), "5");
	PQfinish(a);
}
END_TEST

/* Two servers have the statement of a and b, and its table changes. */
static void
change_a_table(PGconn *c[3])
{
	for (int i = 0; i < 3; i++)
		c[i] = client_open(" ");
	sql_ok(c[0], "DROP TABLE IF EXISTS changing");
	sql_ok(c[0], "CREATE TABLE changing (x int); "
	    "INSERT INTO changing VALUES (1)");
	prepare(c[0], "x", "SELECT * FROM changing");
	prepare(c[1], "y", "SELECT * FROM changing");
	ck_assert_str_eq(execute(c[0], "x"), "1");
	sql_ok(c[2], "BEGIN");
	ck_assert_str_eq(execute(c[1], "y"), "1");
	sql_ok(c[2], "COMMIT");
	sql_ok(c[0], "ALTER TABLE changing ALTER x TYPE text");
}

static void
works_on_both(PGconn *c[3])
{
	ck_assert_str_eq(execute(c[0], "x"), "1");
	ck_assert_str_eq(execute(c[1], "y"), "1");
	sql_ok(c[2], "BEGIN");
	ck_assert_str_eq(execute(c[0], "x"), "1");
	ck_assert_str_eq(execute(c[1], "y"), "1");
	sql_ok(c[2], "COMMIT");
	for (int i = 0; i < 3; i++)
		PQfinish(c[i]);
}

#define TWO_SERVERS "default_pool_size = 2\nworker_threads = 1\n"

/* libpq describes each portal, so it sees the new columns. */
START_TEST (a_plan_whose_result_has_changed_is_made_afresh) {
	PGconn *c[3];

	pooler_start(TWO_SERVERS);
	change_a_table(c);
	works_on_both(c);
}
END_TEST

/* In a transaction the error passes, once; what is stale is made again
 * everywhere. */
START_TEST (a_stale_plan_in_a_transaction_fails_once) {
	PGconn *c[3];

	pooler_start(TWO_SERVERS);
	change_a_table(c);
	sql_ok(c[0], "BEGIN");
	execute_fails(c[0], "x", "0A000", "cached plan");
	sql_ok(c[0], "ROLLBACK");
	sql_ok(c[0], "BEGIN");
	ck_assert_str_eq(execute(c[0], "x"), "1");
	sql_ok(c[0], "COMMIT");
	works_on_both(c);
}
END_TEST

/* One that has been told of the old columns is told; one that has not is
 * not. Batches of up to 64 kB are kept. */
START_TEST (a_stale_plan_by_what_the_client_knows) {
	static const struct {
		bool knows;
		bool asks; /* first of all */
		size_t more; /* bytes in the batch */
		const char *types;
	} cases[] = {
		{ false, false, 0, "12DCZ" },
		{ false, true, 0, "1tT2DCZ" },
		{ true, false, 0, "1tTZEZ" },
		{ true, true, 0, "1tTZtT2DCZ" },
		{ false, false, 60000, "12DC1Z" },
		{ false, false, 70000, "1EZ" },
	};
	struct pooler *p = pooler_start(TWO_SERVERS);
	struct raw *r = raw_login(p->port, "alice", "app");
	char *text = calloc(1, 80000);
	struct pkt k = { 0 };
	char types[64];
	PGconn *c[3];

	change_a_table(c);
	memset(text, ' ', cases[_i].more);
	pkt_parse(&k, "mine", "SELECT * FROM changing");
	if (cases[_i].knows) {
		/* Of the old kind, on a server of its own. */
		sql_ok(c[0], "ALTER TABLE changing ALTER x TYPE int "
			     "USING x::int");
		pkt_describe(&k, 'S', "mine");
		pkt_empty(&k, 'S');
		raw_put(r, &k);
		snprintf(types, sizeof(types), "%s", raw_types(r, 5000));
		sql_ok(c[0], "ALTER TABLE changing ALTER x TYPE text");
	} else {
		types[0] = '\0';
	}
	if (cases[_i].asks)
		pkt_describe(&k, 'S', "mine");
	pkt_bind(&k, "", "mine");
	pkt_execute(&k, "", 0);
	if (cases[_i].more)
		pkt_parse(&k, "", text);
	pkt_empty(&k, 'S');
	raw_put(r, &k);
	strcat(types, raw_types(r, 5000));
	ck_assert_str_eq(types, cases[_i].types);
	raw_close(r);
	free(text);
	works_on_both(c);
}
END_TEST

/* A string with a backslash is read in two ways only while it is not known how
 * strings are read. */
START_TEST (texts_with_backslashes_are_followed) {
	PGconn *a, *b, *hold;

	pooler_start("default_pool_size = 2\nworker_threads = 1\n");
	a = client_open(" ");
	b = client_open(" ");
	hold = client_open(" ");
	for (int i = 0; i < 2; i++) {
		sql_ok(a, "PREPARE q AS SELECT 'a\\b'");
		ck_assert_str_eq(sql_text(a, "EXECUTE q"), "a\\b");
		sql_fails(b, "EXECUTE q", "26000", "\"q\" does not exist");
		sql_ok(hold, "BEGIN");
		ck_assert_str_eq(sql_text(a, "EXECUTE q"), "a\\b");
		sql_fails(b, "EXECUTE q", "26000", "\"q\" does not exist");
		sql_ok(hold, "COMMIT");
		/* Once more inside, where something is set until the end. */
		sql_ok(a, "DEALLOCATE q; BEGIN; SET LOCAL work_mem = '7MB'");
		if (i == 0)
			sql_ok(a, "PREPARE q AS SELECT 'a\\b'");
		sql_ok(a, "COMMIT");
		if (i == 0)
			ck_assert_str_eq(sql_text(a, "EXECUTE q; "
			    "DEALLOCATE q"), "");
	}
	PQfinish(a);
	PQfinish(b);
	PQfinish(hold);
}
END_TEST

/* As many names as anybody may have given in a pipeline: none is another's. */
START_TEST (doubtful_texts_leave_no_names) {
	struct raw *a;
	struct pkt k = { 0 };
	PGconn *b;

	pooler_start("default_pool_size = 1\n");
	a = raw_login(pooler_current()->port, "alice", "app");
	pkt_query(&k, "PREPARE n AS SELECT 1");
	pkt_query(&k, "SET standard_conforming_strings = on");
	pkt_query(&k, "PREPARE q AS SELECT 'a\\b'");
	raw_put(a, &k);
	for (int i = 0; i < 3; i++)
		raw_types(a, fx_scaled(MS));
	b = client_open(" ");
	sql_fails(b, "EXECUTE q", "26000", "\"q\" does not exist");
	sql_fails(b, "EXECUTE n", "26000", "\"n\" does not exist");
	ck_assert_str_eq(raw_query(a, "EXECUTE n"), "1");
	raw_close(a);
	PQfinish(b);
}
END_TEST

/* The cause, and not that the name of ours is missing. */
START_TEST (an_execute_that_cannot_be_prepared_tells_why) {
	PGconn *a, *b;

	pooler_start("default_pool_size = 2\nworker_threads = 1\n");
	a = client_open(" ");
	b = client_open(" ");
	sql_ok(a, "CREATE TABLE vanishing AS SELECT 1 AS x");
	sql_ok(a, "PREPARE v AS SELECT x FROM vanishing; "
	    "PREPARE w (int) AS SELECT x FROM vanishing WHERE x = $1");
	sql_ok(b, "DROP TABLE vanishing");
	sql_ok(b, "BEGIN");
	sql_fails(a, "EXECUTE v", "42P01", "\"vanishing\" does not exist");
	/* Now the server that has them is another client's. */
	sql_ok(b, "COMMIT");
	sql_ok(b, "BEGIN");
	sql_fails(a, "EXECUTE v", "42P01", "\"vanishing\" does not exist");
	sql_fails(a, "SELECT 2; EXECUTE w (1)", "42P01", "\"vanishing\"");
	sql_fails(a, "EXECUTE nothing", "26000", "\"nothing\"");
	sql_ok(b, "COMMIT; CREATE TABLE vanishing AS SELECT 1 AS x");
	ck_assert_int_eq(sql_int(a, "EXECUTE v"), 1);
	ck_assert_int_eq(sql_int(a, "EXECUTE w (1)"), 1);
	sql_ok(a, "DROP TABLE vanishing");
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (zero_passes_names_unchanged) {
	PGconn *c;

	pooler_start("default_pool_size = 1\nmax_prepared_statements = 0\n");
	c = client_open(" ");
	prepare(c, "mine", "SELECT 1");
	ck_assert_str_eq(sql_text(c, "SELECT name FROM "
			     "pg_prepared_statements"), "mine");
	PQfinish(c);
}
END_TEST

START_TEST (session_mode_passes_names_unchanged) {
	PGconn *c;

	pooler_start("default_pool_size = 1\npool_mode = session\n");
	c = client_open(" ");
	prepare(c, "mine", "SELECT 1");
	ck_assert_str_eq(sql_text(c, "SELECT name FROM "
			     "pg_prepared_statements"), "mine");
	PQfinish(c);
}
END_TEST

/* ---- with bytes ---- */

static void
pkt_close(struct pkt *k, char kind, const char *name)
{
	pkt_begin(k, 'C');
	pkt_u8(k, kind);
	pkt_str(k, name);
	pkt_end(k);
}

/*
 * Words of a batch: P/name=sql (blanks as _), B/name, E, D/name (of a
 * statement), Dp/name (of a portal), C/name, S, H, Q=sql.
 */
static void
batch(struct pkt *k, const char *words)
{
	char text[4096], *w, *rest = text, *arg, *sql, *p;

	snprintf(text, sizeof(text), "%s", words);
	while ((w = strtok_r(rest, " ", &rest))) {
		sql = strchr(w, '=');
		arg = w[1] == '=' ? NULL : strchr(w, '/');
		for (p = sql; p && *p; p++)
			if (*p == '_')
				*p = ' ';
		if (sql)
			*sql++ = 0;
		if (arg)
			*arg++ = 0;
		switch (w[0]) {
		case 'P':
			pkt_parse(k, arg, sql);
			break;
		case 'B':
			pkt_bind(k, "", arg);
			break;
		case 'E':
			pkt_execute(k, "", 0);
			break;
		case 'D':
			pkt_describe(k, w[1] == 'p' ? 'P' : 'S', arg);
			break;
		case 'C':
			pkt_close(k, 'S', arg);
			break;
		case 'Q':
			pkt_query(k, sql);
			break;
		default:
			pkt_empty(k, w[0]);
		}
	}
}

/* What comes back, rows as their first value: "1 2 (5) C Z". Errors with their
 * code. Reads n ReadyForQuery. */
static const char *
answer(struct raw *r, int n)
{
	static char out[8192];
	size_t at = 0;
	struct msg m;

	out[0] = 0;
	while (n > 0) {
		m = raw_next(r, fx_scaled(MS));
		if (at > sizeof(out) - 300)
			at = 0;
		at += (size_t)snprintf(out + at, sizeof(out) - at, "%s%c",
		    at ? " " : "", m.type ? m.type : '!');
		if (m.type == 'D')
			at += (size_t)snprintf(out + at - 1,
			    sizeof(out) - at, "(%.200s)", msg_value(&m)) - 1;
		else if (m.type == 'E')
			at += (size_t)snprintf(out + at, sizeof(out) - at,
			    "%s", msg_field(&m, 'C'));
		if (m.type == 0)
			break;
		n -= m.type == 'Z';
	}
	return out;
}

static int
count_syncs(const char *words)
{
	int n = 0;
	char text[4096], *w, *rest = text;

	snprintf(text, sizeof(text), "%s", words);
	while ((w = strtok_r(rest, " ", &rest)))
		n += w[0] == 'S' || w[0] == 'Q';
	return n;
}

struct step {
	const char *send;
	const char *hear;
};

static void
run_steps(struct raw *r, const struct step *s, size_t n, bool bytewise)
{
	const char *got;
	size_t i;

	for (i = 0; i < n && s[i].send; i++) {
		struct pkt k = { 0 };

		batch(&k, s[i].send);
		ck_assert(bytewise ? raw_put_bytewise(r, &k) :
				     raw_put(r, &k));
		got = answer(r, count_syncs(s[i].send));
		ck_assert_msg(strcmp(got, s[i].hear) == 0,
		    "step %zu, %s: %s instead of %s", i, s[i].send, got,
		    s[i].hear);
	}
}

#define STEPS 8
static const struct step scripts[][STEPS] = {
	{ { "P/a=SELECT_1 B/a E S", "1 2 (1) C Z" },
	    { "B/a E B/a E S", "2 (1) C 2 (1) C Z" },
	    { "D/a S", "t T Z" },
	    { "C/a S", "3 Z" },
	    { "B/a E S", "E26000 Z" },
	    { "P/a=SELECT_2 B/a E C/a P/a=SELECT_3 B/a E S",
		"1 2 (2) C 3 1 2 (3) C Z" } },
	/* The order, when some answers are made up. */
	{ { "P/a=SELECT_1 P/b=SELECT_2 P/c=SELECT_1 B/b E C/b C/b "
	    "P/b=SELECT_1 B/b E B/c E S",
	    "1 1 1 2 (2) C 3 3 1 2 (1) C 2 (1) C Z" },
	    { "C/a S C/b S C/c S", "3 Z 3 Z 3 Z" },
	    { "P/a=SELECT_1 S P/b=SELECT_1 S Q=SELECT_9 P/c=SELECT_1 S",
		"1 Z 1 Z T (9) C Z 1 Z" } },
	/* Skipped: a Parse, a Close. */
	{ { "B/nope P/a=SELECT_1 S", "E26000 Z" },
	    { "B/a S", "E26000 Z" },
	    { "P/a=SELECT_1 S", "1 Z" },
	    { "B/nope C/a S", "E26000 Z" },
	    { "B/a E S", "2 (1) C Z" },
	    { "P/a=SELECT_2 P/b=SELECT_2 S", "E42P05 Z" },
	    { "B/b S B/a E S", "E26000 Z 2 (1) C Z" } },
	/* A Parse that fails, with what is pipelined behind it. */
	{ { "P/a=SELEC B/a E S P/a=SELECT_1 B/a E S B/a E S",
	    "E42601 Z 1 2 (1) C Z 2 (1) C Z" },
	    { "B/nope P/b=SELECT_2 S B/b E S P/c=SELECT_2 B/c E S P/b=SELECT_2 "
	    "S B/b E S", "E26000 Z E26000 Z 1 2 (2) C Z 1 Z 2 (2) C Z" },
	    { "B/nope P/=SELECT_2 S B/ E S P/=SELECT_3 S B/ E S",
		"E26000 Z E26000 Z 1 Z 2 (3) C Z" } },
	/* The same name twice in a batch. */
	{ { "P/a=SELECT_1 P/a=SELECT_1 S", "1 E42P05 Z" },
	    { "B/a E S", "2 (1) C Z" } },
	/* Without a Sync, and with Flush. */
	{ { "P/a=SELECT_1 H D/a H B/a H E H C/a H S",
	    "1 t T 2 (1) C 3 Z" } },
	/* Describe what was never bound, or prepared. */
	{ { "Dp/nope S", "E34000 Z" },
	    { "D/nope S", "E26000 Z" },
	    { "P/a=SELECT_1 Dp/ S", "1 E34000 Z" },
	    { "E S", "E34000 Z" } },
	/* Behind an error in the same transaction nothing more is done. */
	{ { "Q=BEGIN", "C Z" },
	    { "P/a=SELECT_1 S", "1 Z" },
	    { "P/a=SELECT_1 S", "E42P05 Z" },
	    { "B/a S", "E25P02 Z" },
	    { "Q=ROLLBACK", "C Z" },
	    { "B/a E S", "2 (1) C Z" } },
	/* The unnamed statement outlives the transaction, and no Query. */
	{ { "P/=SELECT_1 S", "1 Z" },
	    { "B/ E S", "2 (1) C Z" },
	    { "D/ S", "t T Z" },
	    { "B/ E S B/ E S", "2 (1) C Z 2 (1) C Z" },
	    { "P/=SELECT_2 B/ E S", "1 2 (2) C Z" },
	    { "Q=SELECT_3", "T (3) C Z" },
	    { "B/ E S", "E26000 Z" } },
	{ { "B/ E S", "E26000 Z" },
	    { "P/=SELECT_2 S", "1 Z" },
	    { "P/=SELEC S", "E42601 Z" },
	    { "B/ E S", "E26000 Z" },
	    { "P/=SELECT_4 C/ B/ S", "1 3 E26000 Z" } },
	/* SQL's PREPARE, under the same names. */
	{ { "Q=PREPARE_a_AS_SELECT_1", "C Z" },
	    { "Q=EXECUTE_a", "T (1) C Z" },
	    { "B/a E S D/a S", "2 (1) C Z t T Z" },
	    { "Q=PREPARE_a_AS_SELECT_2", "E42P05 Z" },
	    { "P/a=SELECT_2 S", "E42P05 Z" },
	    { "Q=DEALLOCATE_a", "C Z" },
	    { "Q=EXECUTE_a B/a S", "E26000 Z E26000 Z" },
	    { "Q=PREPARE_Ab(int)_AS_SELECT_$1+1;EXECUTE_ab(4)",
		"C T (5) C Z" } },
	{ { "Q=PREPARE_ab(int,text)_AS_SELECT_$2||$1", "C Z" },
	    { "Q=EXECUTE_AB(4,'x')", "T (x4) C Z" },
	    { "Q=/*EXECUTE*/_EXECUTE_--_x\n\"ab\"_(5,'EXECUTE_ab')",
		"T (EXECUTE ab5) C Z" },
	    { "D/ab S", "t T Z" },
	    { "D/ab P/=SELECT_1 D/ab D/ S", "t T 1 t T t T Z" },
	    { "Q=SELECT_'EXECUTE_ab(1,2)';SELECT_3", "T (EXECUTE ab(1,2)) C "
	    "T (3) C Z" } },
	{ { "P/a=SELECT_3 S", "1 Z" },
	    { "Q=EXECUTE_a", "T (3) C Z" },
	    { "Q=EXECUTE_a;EXECUTE_a;EXECUTE_b", "T (3) C T (3) C E26000 Z" },
	    { "Q=CREATE_TEMP_TABLE_x_ON_COMMIT_DROP_AS_EXECUTE_a;EXECUTE_a",
		"C T (3) C Z" },
	    { "Q=DEALLOCATE_PREPARE_a", "C Z" },
	    { "B/a S P/a=SELECT_4 B/a E S", "E26000 Z 1 2 (4) C Z" } },
	{ { "Q=PREPARE_a_AS_SELECT_1;EXECUTE_a;DEALLOCATE_a;EXECUTE_a",
	    "C T (1) C C E26000 Z" },
	    { "Q=EXECUTE_a", "E26000 Z" },
	    { "Q=PREPARE_a_AS_SELECT_1;SELECT_nope", "C E42703 Z" },
	    { "Q=EXECUTE_a", "T (1) C Z" },
	    { "Q=PREPARE_b_AS_SELECT_2;SELEC Q=EXECUTE_b B/b S",
		"E42601 Z E26000 Z E26000 Z" },
	    { "Q=PREPARE_b_AS_SELECT_nope Q=EXECUTE_b", "E42703 Z E26000 Z" } },
	{ { "Q=PREPARE_a_AS_SELECT_1 Q=EXECUTE_a Q=DEALLOCATE_a Q=EXECUTE_a "
	    "B/a S", "C Z T (1) C Z C Z E26000 Z E26000 Z" },
	    { "P/a=SELECT_5 S Q=EXECUTE_a P/b=SELECT_5 S Q=EXECUTE_b",
		"1 Z T (5) C Z 1 Z T (5) C Z" },
	    { "Q=DISCARD_ALL B/a S P/a=SELECT_6 B/a E S",
		"C Z E26000 Z 1 2 (6) C Z" },
	    { "Q=DEALLOCATE_ALL;PREPARE_a_AS_SELECT_7;EXECUTE_a Q=EXECUTE_a",
		"C C T (7) C Z T (7) C Z" },
	    { "Q=BEGIN", "C Z" },
	    { "Q=DEALLOCATE_a;PREPARE_a_AS_SELECT_8;ROLLBACK", "C C C Z" },
	    { "Q=EXECUTE_a", "T (8) C Z" } },
	/* ... by the unnamed statement. */
	{ { "P/=PREPARE_a_AS_SELECT_1 B/ E S", "1 2 C Z" },
	    { "P/=EXECUTE_a D/ B/ E S", "1 t T 2 (1) C Z" },
	    { "B/ E S Q=EXECUTE_a B/a E S", "2 (1) C Z T (1) C Z 2 (1) C Z" },
	    { "P/=PREPARE_a_AS_SELECT_1 B/ E S", "E42P05 Z" },
	    { "P/=DEALLOCATE_a B/ E S", "1 2 C Z" },
	    { "B/a E S Q=EXECUTE_a", "E26000 Z E26000 Z" },
	    { "P/=DEALLOCATE_a B/ E P/=EXECUTE_a B/ E S",
		"1 2 E26000 Z" } },
	{ { "P/=PREPARE_a(int)_AS_SELECT_$1 B/ E P/=EXECUTE_a(3) B/ E S",
	    "1 2 C 1 2 (3) C Z" },
	    { "P/=EXECUTE_a(4) B/ E S", "1 2 (4) C Z" },
	    { "B/ E S", "2 (4) C Z" },
	    { "P/=PREPARE_b_AS_SELECT_nope B/ E S", "1 2 E42703 Z" },
	    { "P/=PREPARE_b_AS_SELECT_2 B/ B/nope E S P/=EXECUTE_b B/ E S",
		"1 2 E26000 Z 1 2 E26000 Z" },
	    { "P/x=EXECUTE_a(1) S", "E0A000 Z" },
	    { "P/=PREPARE_b_AS_SELECT_2 B/ E S B/b E S Q=EXECUTE_b",
		"1 2 C Z 2 (2) C Z T (2) C Z" } },
	/* COMMIT as a statement. */
	{ { "P/begin=BEGIN P/commit=COMMIT S", "1 1 Z" },
	    { "B/begin E S", "2 C Z" },
	    { "B/commit E S", "2 C Z" } },
};

/* On servers that have it all, and on such that have nothing. */
START_TEST (pipelines) {
	struct raw *r;
	int i;

	pooler_start("default_pool_size = 1\n");
	for (i = 0; i < 3; i++) {
		r = raw_login(pooler_current()->port, "alice", "app");
		run_steps(r, scripts[_i], STEPS, i == 2);
		raw_close(r);
	}
}
END_TEST

/* With a client between any two steps that takes the server away. */
START_TEST (pipelines_on_another_server_each) {
	struct raw *r;
	size_t i;

	pooler_start("default_pool_size = 3\nserver_round_robin = 1\n");
	r = raw_login(pooler_current()->port, "alice", "app");
	for (i = 0; i < STEPS && scripts[_i][i].send; i++) {
		PGconn *hold = client_open(" "), *two = client_open(" ");

		sql_ok(hold, "BEGIN");
		sql_ok(two, "SELECT 1");
		/* Not inside its transaction. */
		run_steps(r, &scripts[_i][i], 1, false);
		/* Its server is the last to come back, each time. */
		sql_ok(hold, "COMMIT");
		PQfinish(hold);
		PQfinish(two);
	}
	raw_close(r);
}
END_TEST

START_TEST (sql_and_protocol_share_names) {
	PGconn *a, *b;
	int i;

	pooler_start("default_pool_size = 1\nmax_prepared_statements = 2\n");
	a = client_open(" ");
	b = client_open(" ");
	sql_ok(a, "PREPARE x AS SELECT 'a'");
	sql_ok(b, "PREPARE x (int) AS SELECT 'b'");
	for (i = 0; i < 5; i++) {
		ck_assert_str_eq(sql_text(a, "EXECUTE x"), "a");
		ck_assert_str_eq(execute(a, "x"), "a");
		ck_assert_str_eq(sql_text(b, "EXECUTE x (1)"), "b");
		prepare(b, "y", "SELECT 'y'");
		ck_assert_str_eq(sql_text(b, "EXECUTE y"), "y");
		sql_ok(b, "DEALLOCATE y");
		ck_assert_int_le(sql_int(a, HOW_MANY), 2);
	}
	sql_fails(a, "EXECUTE y", "26000", "\"y\" does not exist");
	sql_fails(a, "EXECUTE \"PGBOUNCER_1\"", "26000", "does not exist");
	sql_fails(a, "DEALLOCATE \"PGBOUNCER_2\"", "26000", "not exist");
	sql_ok(b, "DEALLOCATE x");
	ck_assert_str_eq(sql_text(a, "EXECUTE x"), "a");
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (an_implicit_transaction_is_rolled_back) {
	struct raw *r;
	struct pkt k = { 0 };

	pooler_start("default_pool_size = 1\n");
	sql_ok(pg_direct("app"), "CREATE TABLE implicit (x int);"
	    "GRANT ALL ON implicit TO PUBLIC");
	r = raw_login(pooler_current()->port, "alice", "app");
	batch(&k, "P/=INSERT_INTO_implicit_VALUES_(1) B/ E B/nope E S");
	raw_put(r, &k);
	ck_assert_str_eq(answer(r, 1), "1 2 C E26000 Z");
	ck_assert_int_eq(sql_int(pg_direct("app"),
			     "SELECT count(*) FROM implicit"), 0);
	raw_close(r);
}
END_TEST

START_TEST (the_unnamed_statement_is_nobody_elses) {
	struct raw *a, *b;
	struct step mine = { "P/=SELECT_'mine' S", "1 Z" };
	struct step again = { "B/ E S", "2 (mine) C Z" };
	struct step none = { "B/ E S", "E26000 Z" };
	struct step other = { "P/=SELECT_'other' S", "1 Z" };
	struct step others = { "D/ B/ E S", "t T 2 (other) C Z" };

	pooler_start("default_pool_size = 1\n");
	a = raw_login(pooler_current()->port, "alice", "app");
	b = raw_login(pooler_current()->port, "alice", "app");
	run_steps(a, &mine, 1, false);
	run_steps(b, &none, 1, false);
	run_steps(a, &again, 1, false);
	run_steps(b, &other, 1, false);
	run_steps(a, &again, 1, false);
	run_steps(b, &others, 1, false);
	raw_query(b, "SELECT 1");
	run_steps(a, &again, 1, false);
	raw_close(a);
	raw_close(b);
}
END_TEST

static char *
long_text(const char *head, size_t n)
{
	char *t = malloc(n + 1);
	size_t have = strlen(head);

	memset(t, 'x', n);
	memcpy(t, head, have);
	t[n] = 0;
	return t;
}

START_TEST (long_names) {
	struct raw *r;
	int i;

	pooler_start("default_pool_size = 1\n");
	for (i = 0; i < 2; i++) {
		char *a = long_text("a", 65000), *b = long_text("b", 65000);
		struct pkt k = { 0 };

		/* Apart in their last byte only: PostgreSQL's own end at 63. */
		strcpy(b, a);
		b[64999] = 'y';
		r = raw_login(pooler_current()->port, "alice", "app");
		pkt_parse(&k, a, "SELECT 1");
		pkt_parse(&k, b, "SELECT 2");
		pkt_describe(&k, 'S', a);
		pkt_bind(&k, "", b);
		pkt_execute(&k, "", 0);
		pkt_bind(&k, "", a);
		pkt_execute(&k, "", 0);
		pkt_close(&k, 'S', a);
		pkt_bind(&k, "", a);
		pkt_empty(&k, 'S');
		raw_put(r, &k);
		ck_assert_str_eq(answer(r, 1),
		    "1 1 t T 2 (2) C 2 (1) C 3 E26000 Z");
		raw_close(r);
		free(a);
		free(b);
	}
}
END_TEST

static void
run_text(struct raw *r, const char *name, const char *text, const char *hear)
{
	struct pkt k = { 0 };

	pkt_parse(&k, name, text);
	pkt_bind(&k, "", name);
	pkt_execute(&k, "", 0);
	pkt_empty(&k, 'S');
	raw_put(r, &k);
	ck_assert_str_eq(answer(r, 1), hear);
}

START_TEST (long_texts) {
	char *text = long_text("SELECT 1 --", 1000000);
	char *longer = long_text("SELECT 2 --", 1100000);
	struct raw *r;
	struct step again = { "B/a E S B/ E S", "2 (1) C Z 2 (1) C Z" };
	struct step other = { "B/ E S", "E26000 Z" };
	PGconn *hold;

	pooler_start("default_pool_size = 2\nworker_threads = 1\n");
	r = raw_login(pooler_current()->port, "alice", "app");
	run_text(r, "a", text, "1 2 (1) C Z");
	run_text(r, "", text, "1 2 (1) C Z");
	hold = client_open(" ");
	sql_ok(hold, "BEGIN");
	run_steps(r, &again, 1, false);
	run_text(r, "b", text, "1 2 (1) C Z");
	/* Too long to be held. */
	run_text(r, "c", longer, "E54000 Z");
	run_steps(r, &again, 1, false);
	run_text(r, "", longer, "1 2 (2) C Z");
	/* That one is on the server where it was prepared, and nowhere else:
	 * the other has become free, and is the last used. */
	sql_ok(hold, "COMMIT");
	run_steps(r, &other, 1, false);
	PQfinish(hold);
	raw_close(r);
	free(text);
	free(longer);
}
END_TEST

START_TEST (very_many_statements) {
	enum { N = 100000, STEP = 1000 };
	struct raw *r;
	char name[32], sql[64];
	int i, j;

	pooler_start("default_pool_size = 1\n");
	r = raw_login(pooler_current()->port, "alice", "app");
	for (i = 0; i < N; i += STEP) {
		struct pkt k = { 0 };

		for (j = i; j < i + STEP; j++) {
			snprintf(name, sizeof(name), "s%d", j);
			snprintf(sql, sizeof(sql), "SELECT %d", j);
			pkt_parse(&k, name, sql);
		}
		pkt_empty(&k, 'S');
		raw_put(r, &k);
		raw_until(r, 'Z', fx_scaled(MS));
	}
	for (i = 0; i < N; i += N / 10) {
		char words[64], want[64];
		struct step s = { words, want };

		snprintf(words, sizeof(words), "B/s%d E S", i);
		snprintf(want, sizeof(want), "2 (%d) C Z", i);
		run_steps(r, &s, 1, false);
	}
	ck_assert_int_eq(show("CLIENTS", "database=app",
			     "prepared_statements"), N);
	ck_assert_int_eq(show("SERVERS", NULL, "prepared_statements"), 200);
	ck_assert_int_eq(pg_int("SELECT 1"), 1);
	raw_close(r);
}
END_TEST

START_TEST (the_memory_of_a_client_is_bounded) {
	char *text = long_text("SELECT 1 --", 1000000);
	char name[32];
	struct raw *r;
	struct msg m = { 0 };
	int i;

	pooler_start("default_pool_size = 1\nmax_prepared_statements = 2\n");
	r = raw_login(pooler_current()->port, "alice", "app");
	for (i = 0; i < 200; i++) {
		struct pkt k = { 0 };

		snprintf(name, sizeof(name), "s%d", i);
		snprintf(text + 11, 20, "%08d", i);
		text[19] = 'x';
		pkt_parse(&k, name, text);
		pkt_empty(&k, 'S');
		raw_put(r, &k);
		m = raw_next(r, fx_scaled(MS));
		if (m.type == 'E')
			break;
		raw_until(r, 'Z', fx_scaled(MS));
	}
	ck_assert_int_eq(m.type, 'E');
	ck_assert_str_eq(msg_field(&m, 'C'), "53200");
	ck_assert_str_eq(msg_field(&m, 'S'), "ERROR");
	raw_until(r, 'Z', fx_scaled(MS));
	ck_assert_int_ge(i, 100);
	/* It may go on, and has room again when it closes one. */
	struct step go[] = { { "C/s0 S", "3 Z" },
		{ "P/t=SELECT_5 B/t E S", "1 2 (5) C Z" } };
	run_steps(r, go, 2, false);
	raw_close(r);
	free(text);
}
END_TEST

/* Counts that lie behind the names. */
START_TEST (binds_that_lie) {
	static const int counts[] = { -1, 1, 2, 1000, 32767, -32768 };
	struct raw *r;
	size_t i;
	struct step first = { "P/a=SELECT_1 S", "1 Z" };
	struct step ok = { "B/a E S", "2 (1) C Z" };

	pooler_start("default_pool_size = 1\n");
	r = raw_login(pooler_current()->port, "alice", "app");
	run_steps(r, &first, 1, false);
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct pkt k = { 0 };

		pkt_begin(&k, 'B');
		pkt_str(&k, "");
		pkt_str(&k, "a");
		pkt_i16(&k, 0);
		pkt_i16(&k, counts[i]);
		pkt_end(&k);
		pkt_empty(&k, 'S');
		raw_put(r, &k);
		ck_assert_str_eq(answer(r, 1), "E08P01 Z");
		run_steps(r, &ok, 1, false);
	}
	raw_close(r);
}
END_TEST

/* Messages whose strings do not end, or that go on behind them. */
START_TEST (heads_that_are_broken) {
	static const char types[] = "PBDC";
	static const struct {
		const char *p;
		size_t n;
	} bodies[] = { { "", 0 }, { "a", 1 }, { "S", 1 }, { "Sa", 2 },
		{ "a\0b", 3 }, { "\0", 1 }, { "Sa\0b", 4 }, { "X\0", 2 } };
	struct raw *r;
	size_t i, j;
	struct step first = { "P/a=SELECT_1 S", "1 Z" };
	struct step ok = { "B/a E S", "2 (1) C Z" };

	pooler_start("default_pool_size = 1\n");
	r = raw_login(pooler_current()->port, "alice", "app");
	run_steps(r, &first, 1, false);
	for (i = 0; i < 4; i++)
		for (j = 0; j < sizeof(bodies) / sizeof(bodies[0]); j++) {
			struct pkt k = { 0 };

			pkt_begin(&k, types[i]);
			pkt_raw(&k, bodies[j].p, bodies[j].n);
			pkt_end(&k);
			pkt_empty(&k, 'S');
			raw_put(r, &k);
			ck_assert_msg(answer(r, 1)[0] == 'E', "%c %zu",
			    types[i], j);
			run_steps(r, &ok, 1, false);
		}
	raw_close(r);
}
END_TEST

/* Clients that leave in the middle do not spoil it for others. */
START_TEST (clients_that_leave_in_the_middle) {
	static const char *const words[] = {
		"P/a=SELECT_1", "P/a=SELECT_1 H", "P/a=SELECT_1 B/a E",
		"P/a=SELEC P/b=SELECT_1", "P/b=SELECT_1 C/b P/b=SELECT_2",
		"B/nope P/a=SELECT_1", "P/a=SELECT_1 S P/b=SELECT_2 C/a",
		"P/=SELECT_7", "P/=SELECT_7 B/ E S B/",
	};
	struct step ok = { "P/a=SELECT_1 B/a E P/b=SELECT_2 B/b E S",
		"1 2 (1) C 1 2 (2) C Z" };
	struct step none = { "B/ S", "E26000 Z" };
	struct raw *r;
	size_t i;
	int way;

	pooler_start("default_pool_size = 1\n");
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (way = 0; way < 2; way++) {
			struct pkt k = { 0 };

			r = raw_login(pooler_current()->port, "alice", "app");
			batch(&k, words[i]);
			raw_put(r, &k);
			if (way == 0)
				raw_reset(r);
			else
				raw_close(r);
			r = raw_login(pooler_current()->port, "alice", "app");
			run_steps(r, &none, 1, false);
			run_steps(r, &ok, 1, false);
			raw_close(r);
		}
}
END_TEST

START_TEST (many_clients_on_few_servers) {
	static const int workers[] = { 1, 2, 4 };
	char *out, script[400];
	int status;

	pooler_start("default_pool_size = 5\nmax_client_conn = 300\n"
	    "worker_threads = %d\n", workers[_i]);
	sql_ok(pg_direct("app"),
	    "CREATE TABLE IF NOT EXISTS prepared_bench (k int PRIMARY KEY,"
	    " v int); GRANT ALL ON prepared_bench TO PUBLIC;"
	    "INSERT INTO prepared_bench SELECT g, 0 FROM "
	    "generate_series(1, 1000) g ON CONFLICT DO NOTHING");
	snprintf(script, sizeof(script), "%s/prepared.sql", fx_dir());
	fx_write_file(script, "\\set k random(1, 1000)\n"
	    "SELECT v FROM prepared_bench WHERE k = :k;\n"
	    "UPDATE prepared_bench SET v = v + 1 WHERE k = :k;\n"
	    "SELECT sum(v) FROM prepared_bench WHERE k < :k;\n");
	status = fx_shell(&out, "%s/pgbench -n -M prepared -c 200 -j 4 -t 20 "
	    "-h 127.0.0.1 -p %d -U alice -f %s app", pg_bindir(),
	    pooler_current()->port, script);
	ck_assert_msg(status == 0 && strstr(out, "4000/4000"), "%s", out);
	ck_assert_int_eq(show("STATS", "database=app",
			     "total_client_parse_count"), 600);
	ck_assert_int_le(show("STATS", "database=app",
			     "total_server_parse_count"), 15);
	free(out);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("prepared");
	int n = (int)(sizeof(scripts) / sizeof(scripts[0]));

	FX_ADD(s, clients_share_what_they_prepare_alike, 30);
	FX_ADD(s, a_statement_follows_to_another_server, 30);
	FX_ADD(s, what_the_server_refused_is_not_there, 30);
	FX_ADD(s, names_are_the_clients_own, 30);
	FX_ADD(s, our_errors_fail_the_transaction_too, 30);
	FX_ADD(s, settings_split_what_looks_alike, 30);
	FX_ADD(s, settings_that_changed_since_the_parse, 30);
	FX_ADD(s, a_server_keeps_so_many_and_no_more, 30);
	FX_ADD(s, deallocate_all_and_discard_all, 30);
	FX_ADD(s, statements_outlive_our_own_reset, 30);
	FX_ADD(s, a_stale_plan_in_a_transaction_fails_once, 30);
	FX_ADD_LOOP(s, a_stale_plan_by_what_the_client_knows, 30, 6);
	FX_ADD(s, a_plan_whose_result_has_changed_is_made_afresh, 30);
	FX_ADD(s, texts_with_backslashes_are_followed, 30);
	FX_ADD(s, doubtful_texts_leave_no_names, 30);
	FX_ADD(s, an_execute_that_cannot_be_prepared_tells_why, 30);
	FX_ADD(s, zero_passes_names_unchanged, 30);
	FX_ADD(s, session_mode_passes_names_unchanged, 30);
	FX_ADD_LOOP(s, pipelines, 60, n);
	FX_ADD_LOOP(s, pipelines_on_another_server_each, 60, n);
	FX_ADD(s, sql_and_protocol_share_names, 30);
	FX_ADD(s, an_implicit_transaction_is_rolled_back, 30);
	FX_ADD(s, the_unnamed_statement_is_nobody_elses, 30);
	FX_ADD(s, long_names, 30);
	FX_ADD(s, long_texts, 60);
	FX_ADD(s, very_many_statements, 120);
	FX_ADD(s, the_memory_of_a_client_is_bounded, 120);
	FX_ADD(s, binds_that_lie, 30);
	FX_ADD(s, heads_that_are_broken, 60);
	FX_ADD(s, clients_that_leave_in_the_middle, 60);
	FX_ADD_LOOP(s, many_clients_on_few_servers, 120, 3);
	return fx_main(s);
}
