/*
 * auth_query: secrets that PostgreSQL has. Whatever the query gives, a stranger
 * learns nothing from it; and it runs as everything else does: in a pool, in
 * its queue, within its bounds.
 */
#include "fixture.h"
#include "raw.h"

#include <stdio.h>
#include <string.h>

#define QUERY "auth_query = SELECT name, secret FROM secrets WHERE name = $1\n"

/* asker may read everything, and has a table of its own. */
static void
make_world(void)
{
	pg_exec("SET client_min_messages = warning;"
		"DROP ROLE IF EXISTS asker;"
		"CREATE ROLE asker LOGIN SUPERUSER PASSWORD 'asker-pw';"
		"DROP ROLE IF EXISTS known; CREATE ROLE known LOGIN");
	PQclear(PQexec(pg_direct("app"),
	    "SET client_min_messages = warning;"
	    "DROP TABLE IF EXISTS secrets;"
	    "CREATE TABLE secrets (name text, secret text);"
	    "INSERT INTO secrets VALUES ('alice', 'pw'), ('bob', 'pw'),"
	    " ('scrammer', 'scrammer-pw'), ('md5er', 'md5er-pw'),"
	    " ('clear', 'clear-pw'), ('nil', NULL), ('twin', 'pw'),"
	    " ('twin', 'pw');"
	    "INSERT INTO secrets SELECT 'many', 'pw' FROM "
	    "generate_series(1, 1000)"));
}

static struct pooler *
start_asking(const char *method, const char *more)
{
	char path[300];
	struct pooler *p;

	make_world();
	p = pooler_prepare("auth_type = %s\nauth_file = @DIR@/users.txt\n"
			   "admin_users = admin\nauth_user = asker\n"
			   "server_down_after = 20\n%s", method, more);
	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	fx_write_file(path, "\"asker\" \"asker-pw\"\n\"admin\" \"admin-pw\"\n"
			    "\"known\" \"known-pw\"\n");
	pooler_launch(p);
	return p;
}

static void
gets_in(const char *user, const char *password)
{
	PGconn *c = client_open("user=%s password=%s", user, password);

	ck_assert_str_eq(sql_text(c, "SELECT current_user"), user);
	PQfinish(c);
}

/* What a client that is refused is told, behind "FATAL:  ". */
static void
is_told(const char *info, const char *text)
{
	PGconn *c = client_try("%s", info);
	const char *said = strstr(PQerrorMessage(c), "FATAL:  ");

	ck_assert_msg(PQstatus(c) == CONNECTION_BAD, "(%s) got in", info);
	ck_assert_msg(said != NULL, "(%s): %s", info, PQerrorMessage(c));
	ck_assert_str_eq(said + 8, text);
	PQfinish(c);
}

static const struct {
	const char *method, *refusal;
} methods[] = {
	{ "plain", "password authentication failed\n" },
	{ "md5", "password authentication failed\n" },
	{ "scram-sha-256", "SASL authentication failed\n" },
};
#define N_METHODS ((int)(sizeof(methods) / sizeof(methods[0])))

/* --- secrets of every kind --- */

START_TEST (plain_secrets_work_by_every_method) {
	const char *refusal = methods[_i].refusal;

	start_asking(methods[_i].method, QUERY);
	gets_in("alice", "pw");
	gets_in("alice", "pw");
	/* The server asks each of them in its own way. */
	gets_in("scrammer", "scrammer-pw");
	gets_in("md5er", "md5er-pw");
	gets_in("clear", "clear-pw");
	is_told("user=alice password=wrong", refusal);
}
END_TEST

START_TEST (the_default_query_gives_postgresqls_own_secrets) {
	start_asking("md5", "");
	/* A SCRAM verifier: the keys of the client log in to the server. */
	gets_in("scrammer", "scrammer-pw");
	gets_in("md5er", "md5er-pw");
	gets_in("alice", "alice-pw");
	is_told("user=scrammer password=wrong", "SASL authentication failed\n");
	is_told("user=md5er password=wrong",
	    "password authentication failed\n");
}
END_TEST

START_TEST (a_cleartext_password_fits_a_verifier) {
	start_asking("plain", "");
	gets_in("scrammer", "scrammer-pw");
	gets_in("scrammer", "scrammer-pw");
	gets_in("md5er", "md5er-pw");
	is_told("user=scrammer password=scrammer-pv",
	    "password authentication failed\n");
}
END_TEST

START_TEST (who_may_not_log_in_there_may_not_here) {
	start_asking("scram-sha-256", "");
	pg_exec("SET password_encryption = 'scram-sha-256';"
		"SET client_min_messages = warning;"
		"DROP ROLE IF EXISTS late, nologin, nopass;"
		"CREATE ROLE late LOGIN PASSWORD 'pw' VALID UNTIL 'yesterday';"
		"CREATE ROLE nologin PASSWORD 'pw';"
		"CREATE ROLE nopass LOGIN");
	is_told("user=late password=pw", "SASL authentication failed\n");
	is_told("user=nologin password=pw", "SASL authentication failed\n");
	is_told("user=nopass password=pw", "SASL authentication failed\n");
	pg_exec("ALTER ROLE late VALID UNTIL 'tomorrow'");
	gets_in("late", "pw");
	pg_exec("ALTER ROLE late VALID UNTIL 'yesterday'");
	is_told("user=late password=pw", "SASL authentication failed\n");
}
END_TEST

START_TEST (a_changed_secret_counts_at_the_next_login) {
	PGconn *c;

	start_asking("scram-sha-256", QUERY);
	gets_in("scrammer", "scrammer-pw");
	pg_exec("SET password_encryption = 'scram-sha-256';"
		"ALTER ROLE scrammer PASSWORD 'other-pw'");
	PQclear(PQexec(pg_direct("app"), "UPDATE secrets SET secret = "
	    "'other-pw' WHERE name = 'scrammer'"));
	is_told("user=scrammer password=scrammer-pw",
	    "SASL authentication failed\n");
	c = client_open("user=scrammer password=other-pw");
	/* A new server connection takes the new one too. */
	console_ok("RECONNECT");
	ck_assert_str_eq(sql_text(c, "SELECT current_user"), "scrammer");
	PQfinish(c);
	PQclear(PQexec(pg_direct("app"),
	    "DELETE FROM secrets WHERE name = 'scrammer'"));
	is_told("user=scrammer password=other-pw",
	    "SASL authentication failed\n");
	pg_exec("SET password_encryption = 'scram-sha-256';"
		"ALTER ROLE scrammer PASSWORD 'scrammer-pw'");
}
END_TEST

START_TEST (reload_keeps_what_the_server_login_needs) {
	PGconn *c;

	start_asking("scram-sha-256", QUERY);
	c = client_open("user=scrammer password=scrammer-pw");
	ck_assert_int_eq(sql_int(c, "SELECT 1"), 1);
	console_ok("RELOAD");
	console_ok("RECONNECT");
	ck_assert_int_eq(sql_int(c, "SELECT 2"), 2);
	PQfinish(c);
}
END_TEST

START_TEST (trust_wants_a_user_that_is_there) {
	start_asking("trust", QUERY);
	gets_in("alice", "");
	is_told("user=nobody-here", "\"trust\" authentication failed\n");
}
END_TEST

/* --- what the query may give --- */

/* Each is as if there were no such user. */
START_TEST (odd_rows_look_like_a_wrong_password) {
	static const char *const users[] = { "nobody-here", "nil", "twin",
		"many", "bad'name", "\\x" };
	const char *refusal = methods[_i].refusal;
	char info[100];

	start_asking(methods[_i].method, QUERY);
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		char quoted[40];

		snprintf(quoted, sizeof(quoted), "%s",
		    users[i][0] == '\\' ? "\\\\x" :
			strchr(users[i], '\'') ? "bad\\'name" : users[i]);
		snprintf(info, sizeof(info), "user=%s password=pw", quoted);
		is_told(info, refusal);
	}
	WAIT_UNTIL(pooler_logged(pooler_current(),
	    "auth_query gave more than one row"), 3000);
	/* It has not cost a connection. */
	ck_assert_int_eq(show_rows("SERVERS", "user=asker"), 1);
}
END_TEST

static const struct {
	const char *query, *text, *log;
} results[] = {
	{ "SELECT 'other'::text, 'pw'::text WHERE $1 <> ''",
	    "SASL authentication failed\n",
	    "auth_query gave another user's name" },
	{ "SELECT NULL::text, 'pw'::text WHERE $1 <> ''",
	    "SASL authentication failed\n",
	    "auth_query gave NULL for the user name" },
	{ "SELECT $1::text, repeat('x', 65531)",
	    "SASL authentication failed\n", "too long" },
	{ "SELECT $1::text, repeat('x', 10000000)",
	    "bouncer config error\n", "too large" },
	/* The name's own doing. */
	{ "SELECT $1::text, (1 / (length($1) - 5))::text",
	    "SASL authentication failed\n", "division by zero" },
	{ "SELECT $1::text", "bouncer config error\n",
	    "auth_query gave 1 columns" },
	{ "SELECT $1::text, 'a', 'b', 'c'", "bouncer config error\n",
	    "auth_query gave 4 columns" },
	{ "SELECT no_such_column FROM secrets WHERE name = $1",
	    "bouncer config error\n", "no_such_column" },
	{ "SELEKT $1", "bouncer config error\n", "syntax error" },
	{ "SELECT 1, 2", "bouncer config error\n", "bind message" },
	{ "SELECT $1::text, pg_terminate_backend(pg_backend_pid())"
	  "::text", "bouncer config error\n", "auth_query" },
	{ "COPY secrets TO STDOUT", "bouncer config error\n",
	    "auth_query" },
	{ "--", "bouncer config error\n", "auth_query" },
};
#define N_RESULTS ((int)(sizeof(results) / sizeof(results[0])))

START_TEST (results_that_cannot_be_believed) {
	char more[200];
	struct pooler *p;

	snprintf(more, sizeof(more), "auth_query = %s\n", results[_i].query);
	p = start_asking("scram-sha-256", more);
	is_told("user=alice password=pw", results[_i].text);
	WAIT_UNTIL(pooler_logged(p, results[_i].log), 3000);
	/* Who stands in auth_file has nothing to do with it. */
	PQfinish(client_open("user=known password=known-pw dbname=app2"));
}
END_TEST

START_TEST (an_unknown_database_looks_like_a_wrong_password) {
	start_asking("scram-sha-256", QUERY
	    "auth_dbname = app\n[databases]\n"
	    "app = host=127.0.0.1 port=@PGPORT@\n");
	is_told("user=alice password=wrong dbname=nowhere",
	    "SASL authentication failed\n");
	is_told("user=ghost password=pw dbname=nowhere",
	    "SASL authentication failed\n");
	is_told("user=alice password=pw dbname=nowhere",
	    "no such database: nowhere\nHINT:  it stands neither in "
	    "[databases] nor is there a \"*\" line\n");
}
END_TEST

/* --- when nobody answers --- */

START_TEST (a_query_that_never_answers_ends_with_the_login_timeout) {
	start_asking("scram-sha-256",
	    "auth_query = SELECT $1::text, pg_sleep(600)::text\n"
	    "client_login_timeout = 1\nclient_gone_grace = 0.2\n");
	is_told("user=alice password=pw", "client_login_timeout\n");
	/* And is not left running. */
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "usename = 'asker' AND state = 'active'") == 0,
	    10000);
}
END_TEST

START_TEST (a_server_that_is_down_is_no_mans_business) {
	struct pooler *p = start_asking("scram-sha-256", QUERY
	    "server_down_after = 0.5\n");

	pg_stop("immediate");
	is_told("user=alice password=pw", "bouncer config error\n");
	is_told("user=ghost password=pw", "bouncer config error\n");
	WAIT_UNTIL(pooler_logged(p, "cannot reach server"), 5000);
	pg_start();
	WAIT_UNTIL(PQstatus(client_try("user=alice password=pw")) ==
	    CONNECTION_OK, 20000);
}
END_TEST

START_TEST (the_database_to_ask_is_missing_disabled_or_refuses) {
	struct pooler *p = start_asking("scram-sha-256", QUERY
	    "[databases]\n"
	    "app = host=127.0.0.1 port=@PGPORT@ auth_dbname=ask\n"
	    "app2 = host=127.0.0.1 port=@PGPORT@ auth_dbname=nowhere\n"
	    "app3 = host=127.0.0.1 port=@PGPORT@ auth_user=refused "
	    "auth_dbname=ask\n"
	    "ask = host=127.0.0.1 port=@PGPORT@ dbname=app\n");

	gets_in("alice", "pw");
	is_told("user=alice password=pw dbname=app2",
	    "bouncer config error\n");
	WAIT_UNTIL(pooler_logged(p, "no database \"nowhere\" to ask"), 5000);
	is_told("user=alice password=pw dbname=app3",
	    "bouncer config error\n");
	console_ok("DISABLE ask");
	is_told("user=alice password=pw", "bouncer config error\n");
	WAIT_UNTIL(pooler_logged(p,
	    "authentication database \"ask\" is disabled"), 3000);
	console_ok("ENABLE ask");
	gets_in("alice", "pw");
}
END_TEST

/* --- it is a pool like any other --- */

START_TEST (a_crowd_logs_in_through_one_connection) {
	PGconn *c[40];
	int n = (int)(sizeof(c) / sizeof(c[0])), up = 0;

	start_asking("scram-sha-256", QUERY
	    "auth_dbname = ask\n[databases]\n"
	    "app = host=127.0.0.1 port=@PGPORT@\n"
	    "ask = host=127.0.0.1 port=@PGPORT@ dbname=app pool_size=1\n");
	for (int i = 0; i < n; i++)
		c[i] = client_start("user=%s password=pw",
		    i % 2 ? "alice" : "bob");
	for (int i = 0; i < n; i++) {
		while (client_poll(c[i], 10000) != PGRES_POLLING_OK)
			ck_assert_msg(PQstatus(c[i]) != CONNECTION_BAD, "%s",
			    PQerrorMessage(c[i]));
		up++;
		ck_assert_int_le(pg_int("SELECT count(*) FROM "
		    "pg_stat_activity WHERE usename = 'asker'"), 1);
	}
	ck_assert_int_eq(up, n);
	ck_assert_int_eq(show_rows("SERVERS", "user=asker"), 1);
	for (int i = 0; i < n; i++)
		PQfinish(c[i]);
	/* Nobody is left over in its counts. */
	ck_assert_int_eq(show("POOLS", "database=ask", "cl_active"), 0);
	ck_assert_int_eq(show("POOLS", "database=ask", "cl_waiting"), 0);
}
END_TEST

START_TEST (clients_that_leave_meanwhile_cost_no_connection) {
	struct pooler *p = start_asking("scram-sha-256",
	    "auth_query = SELECT $1::text, 'pw' || pg_sleep(0.05)::text\n"
	    "client_gone_grace = 5\ndefault_pool_size = 10\n");
	long pid;

	gets_in("alice", "pw");
	pid = pg_int("SELECT pid FROM pg_stat_activity WHERE usename = "
		     "'asker'");
	for (int i = 0; i < 30; i++) {
		struct raw *r = raw_connect(p->port);
		struct pkt k = { 0 };

		pkt_startup(&k, "alice", "app");
		raw_put(r, &k);
		if (i % 3 == 0)
			raw_ready(r, 20);
		if (i % 2)
			raw_reset(r);
		else
			raw_close(r);
	}
	gets_in("alice", "pw");
	WAIT_UNTIL(show("SERVERS", "user=asker", "wait") >= 0 &&
	    show("POOLS", "user=asker", "cl_active") == 0 &&
	    show("POOLS", "user=asker", "cl_waiting") == 0, 10000);
	ck_assert_int_eq(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
				"usename = 'asker' AND pid = %ld", pid), 1);
	pooler_stop(p);
}
END_TEST

START_TEST (a_forced_user_has_nothing_to_do_with_auth_user) {
	PGconn *c;

	start_asking("scram-sha-256", QUERY
	    "[databases]\n"
	    "app = host=127.0.0.1 port=@PGPORT@ user=carol\n");
	c = client_open("user=alice password=pw");
	ck_assert_str_eq(sql_text(c, "SELECT current_user"), "carol");
	console_ok("RELOAD");
	is_told("user=alice password=no", "SASL authentication failed\n");
	ck_assert_int_eq(show_rows("SERVERS", "user=asker"), 1);
	ck_assert_str_eq(sql_text(c, "SELECT current_user"), "carol");
	PQfinish(c);
}
END_TEST

/* CVE-2025-12819 and its kin: nothing a client sent reaches that query. */
START_TEST (what_clients_set_does_not_reach_the_query) {
	PGconn *c;

	start_asking("scram-sha-256", QUERY
	    "track_extra_parameters = search_path\n");
	PQclear(PQexec(pg_direct("app"),
	    "DROP SCHEMA IF EXISTS evil CASCADE; CREATE SCHEMA evil;"
	    "CREATE TABLE evil.secrets AS SELECT 'alice'::text AS name, "
	    "'evil'::text AS secret"));
	/* In the startup packet of a stranger. */
	is_told("user=alice password=evil options='-c search_path=evil'",
	    "SASL authentication failed\n");
	/* Left behind by a client of the very same pool. */
	c = client_open("user=asker password=asker-pw "
			"options='-c search_path=evil'");
	sql_ok(c, "SET search_path = evil");
	sql_ok(c, "SET SESSION AUTHORIZATION dave");
	ck_assert_int_eq(show_rows("SERVERS", "user=asker"), 1);
	is_told("user=alice password=evil", "SASL authentication failed\n");
	gets_in("alice", "pw");
	PQfinish(c);
}
END_TEST

/* The "*" line takes any name, and without auth_dbname that is where the secret
 * is asked for. */
START_TEST (strangers_cannot_make_databases_without_end) {
	struct pooler *p = start_asking("scram-sha-256", QUERY);
	PGconn *c = client_open("user=alice password=pw");
	int refused = 0;

	for (int i = 0; i < 230; i++) {
		PGconn *d = client_try("dbname=made_up_%d user=alice "
		    "password=pw", i);

		ck_assert(PQstatus(d) == CONNECTION_BAD);
		refused += strstr(PQerrorMessage(d),
		    "SASL authentication failed") != NULL;
		PQfinish(d);
	}
	/* Not by a word: whether it is there or not, or one too many. */
	ck_assert_int_eq(refused, 230);
	WAIT_UNTIL(pooler_logged(p, "too many databases of the \"*\" line"), 5000);
	ck_assert_int_le(show_rows("DATABASES", NULL), 200 + 5);
	/* Nor do they learn which there are. */
	is_told("dbname=app user=alice password=wrong",
	    "SASL authentication failed\n");
	WAIT_UNTIL(pooler_logged(p, "database \"made_up_0\" does not exist"), 5000);
	/* Who has been let in somewhere is let in there again. */
	sql_ok(c, "SELECT 1");
	PQfinish(c);
	gets_in("alice", "pw");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("authquery");

	FX_ADD_LOOP(s, plain_secrets_work_by_every_method, 30, N_METHODS);
	FX_ADD(s, the_default_query_gives_postgresqls_own_secrets, 30);
	FX_ADD(s, a_cleartext_password_fits_a_verifier, 30);
	FX_ADD(s, who_may_not_log_in_there_may_not_here, 30);
	FX_ADD(s, a_changed_secret_counts_at_the_next_login, 30);
	FX_ADD(s, reload_keeps_what_the_server_login_needs, 30);
	FX_ADD(s, trust_wants_a_user_that_is_there, 30);
	FX_ADD_LOOP(s, odd_rows_look_like_a_wrong_password, 30, N_METHODS);
	FX_ADD_LOOP(s, results_that_cannot_be_believed, 30, N_RESULTS);
	FX_ADD(s, an_unknown_database_looks_like_a_wrong_password, 30);
	FX_ADD(s, a_query_that_never_answers_ends_with_the_login_timeout, 30);
	FX_ADD(s, a_server_that_is_down_is_no_mans_business, 60);
	FX_ADD(s, the_database_to_ask_is_missing_disabled_or_refuses, 30);
	FX_ADD(s, a_crowd_logs_in_through_one_connection, 30);
	FX_ADD(s, clients_that_leave_meanwhile_cost_no_connection, 30);
	FX_ADD(s, a_forced_user_has_nothing_to_do_with_auth_user, 30);
	FX_ADD(s, what_clients_set_does_not_reach_the_query, 30);
	FX_ADD(s, strangers_cannot_make_databases_without_end, 60);
	return fx_main(s);
}
