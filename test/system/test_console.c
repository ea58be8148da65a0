/*
 * The admin console: its commands, their rights and errors, and both
 * protocols. What it shows is in test_show.c.
 */
#include "fixture.h"
#include "raw.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST (prepared_statements_work_on_the_console) {
	PGresult *r;

	pooler_start("worker_threads = 1\n");
	for (int i = 0; i < 3; i++) {
		char name[10];

		snprintf(name, sizeof(name), "s%d", i);
		r = PQprepare(console(), name, "SHOW POOLS", 0, NULL);
		ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "%s",
		    PQerrorMessage(console()));
		PQclear(r);
		r = PQdescribePrepared(console(), name);
		ck_assert_int_ge(PQnfields(r), 17);
		PQclear(r);
		r = PQexecPrepared(console(), name, 0, NULL, NULL, NULL, 0);
		ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
		PQclear(r);
	}
	r = PQexecParams(console(), "SHOW NOTHING", 0, NULL, NULL, NULL, NULL,
	    0);
	ck_assert_int_eq(PQresultStatus(r), PGRES_FATAL_ERROR);
	PQclear(r);
	console_ok("SHOW VERSION");
}
END_TEST

static void
hear(void *arg, const PGresult *r)
{
	if (strstr(error_field(r, PG_DIAG_MESSAGE_PRIMARY), "Console usage") !=
		NULL &&
	    strstr(error_field(r, PG_DIAG_MESSAGE_DETAIL), "SHOW") != NULL)
		*(int *)arg = 1;
}

START_TEST (show_help_is_a_notice) {
	int heard = 0;
	PGresult *r;

	pooler_start("worker_threads = 1\n");
	PQsetNoticeReceiver(console(), hear, &heard);
	r = PQexec(console(), "SHOW HELP");
	ck_assert_str_eq(PQcmdStatus(r), "SHOW");
	ck_assert_int_eq(heard, 1);
	PQclear(r);
}
END_TEST

START_TEST (grammar_and_its_errors) {
	static const struct {
		const char *sql, *text;
	} bad[] = {
		{ "SHOW NOTHING",
		    "invalid command 'SHOW NOTHING', use SHOW "
		    "HELP;" },
		{ "FROBNICATE",
		    "invalid command 'FROBNICATE', use SHOW "
		    "HELP;" },
		{ "SHOW POOLS; SHOW POOLS", "invalid command" },
		{ ";", "invalid command" },
		{ "SET nosuchkey = 1", "SET failed" },
		{ "SET query_timeout = 'abc'", "SET failed" },
		{ "RESUME", "pooler is not paused/suspended" },
		{ "PAUSE pgbouncer", "cannot pause admin db: pgbouncer" },
	};
	static const char *const good[] = { "show version", "SHOW VERSION;",
		"  Show\n\tVersion ; ", "SELECT version", "SHOW \"version\"" };

	pooler_start("worker_threads = 1\n");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		sql_ok(console(), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		sql_fails(console(), bad[i].sql, NULL, bad[i].text);
	sql_ok(console(), "SHOW VERSION");
}
END_TEST

START_TEST (welcome_is_known_to_monitoring_tools) {
	pooler_start("worker_threads = 1\n");
	ck_assert_ptr_nonnull(
	    strstr(PQparameterStatus(console(), "server_version"), "/bouncer"));
	ck_assert_str_eq(PQparameterStatus(console(), "client_encoding"),
	    "UTF8");
	ck_assert_str_eq(PQparameterStatus(console(), "is_superuser"), "on");
}
END_TEST

/* --- rights --- */

START_TEST (read_only_users_may_look_and_not_touch) {
	static const char *const forbidden[] = { "PAUSE", "RESUME", "RELOAD",
		"SHUTDOWN", "SET query_timeout = 1", "SHOW FDS" };
	PGconn *c;

	pooler_start("worker_threads = 1\n");
	c = client_open("user=stat dbname=pgbouncer");
	sql_ok(c, "SHOW POOLS");
	sql_ok(c, "SHOW CONFIG");
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		sql_fails(c, forbidden[i], NULL, "admin access needed");
	sql_ok(c, "SHOW POOLS");
	PQfinish(c);
}
END_TEST

START_TEST (others_are_not_allowed) {
	static const char *const users[] = { "alice", "adm", "admins",
		"nobody_known" };
	PGconn *c;

	pooler_start("admin_users = admin, root\n");
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		c = client_try("user=%s dbname=pgbouncer", users[i]);
		ck_assert_int_eq(PQstatus(c), CONNECTION_BAD);
		PQfinish(c);
	}
	c = client_try("user=alice dbname=pgbouncer");
	ck_assert_ptr_nonnull(strstr(PQerrorMessage(c), "not allowed"));
	PQfinish(c);
}
END_TEST

START_TEST (console_answers_to_the_name_pooler_too) {
	PGconn *c;

	pooler_start("worker_threads = 1\n");
	c = client_open("user=admin dbname=pooler");
	sql_ok(c, "SHOW POOLS");
	PQfinish(c);
}
END_TEST

/* psql as the account the pooler runs under, by the Unix socket. */
START_TEST (same_uid_on_the_unix_socket_is_admin) {
	struct pooler *p = pooler_start("auth_type = scram-sha-256\n");
	const char *as = getuid() == 0 ?
	    "setpriv --reuid=nobody --clear-groups --regid=nogroup" :
	    "";
	char *out;
	int rc;

	rc = fx_shell(&out,
	    "%s psql -XAt -h %s -p %d -U pgbouncer pgbouncer "
	    "-w -c 'SHOW VERSION' -c 'RELOAD'",
	    as, p->dir, p->port);
	ck_assert_msg(rc == 0, "%s", out);
	free(out);
	/* Over TCP the name alone is worth nothing. */
	rc = fx_shell(&out,
	    "%s psql -XAt -h 127.0.0.1 -p %d -U pgbouncer "
	    "pgbouncer -w -c 'SHOW VERSION'",
	    as, p->port);
	ck_assert_int_ne(rc, 0);
	free(out);
	if (getuid() == 0) {
		rc = fx_shell(&out,
		    "psql -XAt -h %s -p %d -U pgbouncer "
		    "pgbouncer -w -c 'SHOW VERSION'",
		    p->dir, p->port);
		ck_assert_msg(rc != 0, "root is not that uid");
		free(out);
	}
}
END_TEST

/* --- commands --- */

START_TEST (set_changes_one_key_until_reload) {
	PGresult *r;

	pooler_start("query_wait_timeout = 33\n");
	r = console_query("SET query_wait_timeout = 44");
	ck_assert_str_eq(PQcmdStatus(r), "SET query_wait_timeout=44");
	PQclear(r);
	ck_assert_str_eq(show_text("CONFIG", "key=query_wait_timeout", "value"),
	    "44");
	console_ok("SET query_wait_timeout TO '0.5'");
	ck_assert_str_eq(show_text("CONFIG", "key=query_wait_timeout", "value"),
	    "0.5");
	console_ok("RELOAD");
	ck_assert_str_eq(show_text("CONFIG", "key=query_wait_timeout", "value"),
	    "33");
}
END_TEST

START_TEST (reload_adds_changes_and_removes_databases) {
	struct pooler *p = pooler_start(
	    "[databases]\napp = host=127.0.0.1 port=@PGPORT@\n"
	    "old = host=127.0.0.1 port=@PGPORT@ dbname=app2\n");
	PGconn *old = client_open("dbname=old"), *app = client_open(" "), *c;
	PGresult *r;

	sql_ok(old, "SELECT 1");
	sql_ok(app, "SELECT 1");
	pooler_rewrite(p,
	    "[databases]\n"
	    "app = host=127.0.0.1 port=@PGPORT@ dbname=app3\n"
	    "new = host=127.0.0.1 port=@PGPORT@ dbname=app2\n");
	console_ok("RELOAD");
	c = client_open("dbname=new");
	ck_assert_str_eq(sql_text(c, "SELECT current_database()"), "app2");
	PQfinish(c);
	ck_assert_str_eq(sql_text(app, "SELECT current_database()"), "app3");
	r = sql_exec(old, "SELECT 1");
	ck_assert_int_eq(PQresultStatus(r), PGRES_FATAL_ERROR);
	PQclear(r);
	c = client_try("dbname=old");
	ck_assert_ptr_nonnull(
	    strstr(PQerrorMessage(c), "no such database: old"));
	PQfinish(c);
	PQfinish(old);
	PQfinish(app);
}
END_TEST

START_TEST (refused_reload_changes_nothing) {
	struct pooler *p = pooler_start("query_timeout = 55\n");
	PGconn *c = client_open(" ");

	pooler_rewrite(p, "query_timeout = 66\nno_such_key = 1\n");
	sql_fails(console(), "RELOAD", "F0000", "RELOAD failed");
	ck_assert_str_eq(show_text("CONFIG", "key=query_timeout", "value"),
	    "55");
	ck_assert(pooler_logged(p, "no_such_key"));
	sql_ok(c, "SELECT 1");
	PQfinish(c);
	pooler_rewrite(p, "query_timeout = 66\n");
	kill(p->pid, SIGHUP);
	WAIT_UNTIL(strcmp(show_text("CONFIG", "key=query_timeout", "value"),
		       "66") == 0,
	    5000);
}
END_TEST

START_TEST (pause_drains_and_resume_goes_on) {
	static const int workers[] = { 1, 2, 4 };
	PGconn *in, *idle;

	pooler_start("worker_threads = %d\n", workers[_i]);
	in = client_open(" ");
	idle = client_open(" ");
	sql_ok(idle, "SELECT 1");
	sql_ok(in, "BEGIN");
	sql_send(console(), "PAUSE");
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "usename = 'alice'") == 1,
	    5000);
	ck_assert(!sql_done(console()));
	sql_send(idle, "SELECT 2");
	sql_ok(in, "SELECT 1");
	sql_ok(in, "COMMIT");
	sql_result_ok(console(), 5000);
	ck_assert_str_eq(show_text("STATE", "key=paused", "value"), "yes");
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "usename = 'alice'") == 0,
	    5000);
	ck_assert(!sql_done(idle));
	sql_fails(console(), "PAUSE", NULL, "already suspended/paused");
	/* Logins still work; the pool is warm. */
	PQfinish(client_open(" "));
	console_ok("RESUME");
	sql_result_ok(idle, 5000);
	sql_ok(in, "SELECT 1");
	PQfinish(in);
	PQfinish(idle);
}
END_TEST

START_TEST (pause_of_one_database_leaves_the_others_alone) {
	PGconn *a, *b;

	pooler_start("worker_threads = 2\n[databases]\n"
		     "app = host=127.0.0.1 port=@PGPORT@\n"
		     "app2 = host=127.0.0.1 port=@PGPORT@\n");
	a = client_open(" ");
	b = client_open("dbname=app2");
	sql_ok(a, "SELECT 1");
	console_ok("PAUSE app");
	ck_assert_int_eq(show("DATABASES", "name=app", "paused"), 1);
	ck_assert_int_eq(show("DATABASES", "name=app2", "paused"), 0);
	sql_send(a, "SELECT 1");
	sql_ok(b, "SELECT 1");
	ck_assert(!sql_done(a));
	console_ok("RESUME app");
	sql_result_ok(a, 5000);
	sql_fails(console(), "PAUSE nosuch", NULL, "no such database: nosuch");
	PQfinish(a);
	PQfinish(b);
}
END_TEST

/* --- shutdown --- */

static int
status_of(struct pooler *p)
{
	int rc = fx_wait_exit(p->pid, 10000);

	p->pid = 0;
	return rc;
}

START_TEST (shutdown_ends_at_once) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	PGconn *c = client_open(" ");

	sql_ok(c, "BEGIN");
	PQsendQuery(console(), "SHUTDOWN");
	ck_assert_int_eq(status_of(p), 0);
	ck_assert(!pooler_is_up(p));
	console_close();
	PQfinish(c);
}
END_TEST

START_TEST (shutdown_wait_for_clients_lets_them_finish) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	PGconn *c = client_open(" ");

	sql_ok(c, "BEGIN");
	console_ok("SHUTDOWN WAIT_FOR_CLIENTS");
	console_close();
	WAIT_UNTIL(!pooler_is_up(p), 5000);
	ck_assert_int_eq(sql_int(c, "SELECT 5"), 5);
	sql_ok(c, "COMMIT");
	ck_assert_int_eq(sql_int(c, "SELECT 6"), 6);
	ck_assert_int_eq(fx_wait_exit(p->pid, 0), -1);
	PQfinish(c);
	ck_assert_int_eq(status_of(p), 0);
}
END_TEST

START_TEST (shutdown_wait_for_servers_lets_transactions_finish) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	PGconn *c = client_open(" "), *idle = client_open(" ");
	PGresult *r;

	sql_ok(idle, "SELECT 1");
	sql_ok(c, "BEGIN");
	console_ok("SHUTDOWN WAIT_FOR_SERVERS");
	console_close();
	r = sql_exec(idle, "SELECT 1");
	result_fails(r, NULL, "server shutting down");
	PQclear(r);
	ck_assert_int_eq(sql_int(c, "SELECT 5"), 5);
	sql_ok(c, "COMMIT");
	ck_assert_int_eq(status_of(p), 0);
	PQfinish(c);
	PQfinish(idle);
}
END_TEST

START_TEST (many_consoles_at_once) {
	PGconn *c[20];

	pooler_start("worker_threads = 4\nmax_client_conn = 2\n");
	for (int i = 0; i < 20; i++)
		c[i] = client_open("user=admin dbname=pgbouncer");
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 20; i++)
			sql_send(c[i],
			    round % 2 ? "SHOW CLIENTS" : "SHOW CONFIG");
		for (int i = 0; i < 20; i++)
			sql_result_ok(c[i], 5000);
	}
	for (int i = 0; i < 20; i++)
		PQfinish(c[i]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("console");

	FX_ADD(s, prepared_statements_work_on_the_console, 20);
	FX_ADD(s, show_help_is_a_notice, 20);
	FX_ADD(s, grammar_and_its_errors, 20);
	FX_ADD(s, welcome_is_known_to_monitoring_tools, 20);
	FX_ADD(s, read_only_users_may_look_and_not_touch, 20);
	FX_ADD(s, others_are_not_allowed, 20);
	FX_ADD(s, console_answers_to_the_name_pooler_too, 20);
	FX_ADD(s, same_uid_on_the_unix_socket_is_admin, 20);
	FX_ADD(s, set_changes_one_key_until_reload, 20);
	FX_ADD(s, reload_adds_changes_and_removes_databases, 20);
	FX_ADD(s, refused_reload_changes_nothing, 20);
	FX_ADD_LOOP(s, pause_drains_and_resume_goes_on, 20, 3);
	FX_ADD(s, pause_of_one_database_leaves_the_others_alone, 20);
	FX_ADD(s, shutdown_ends_at_once, 20);
	FX_ADD(s, shutdown_wait_for_clients_lets_them_finish, 20);
	FX_ADD(s, shutdown_wait_for_servers_lets_transactions_finish, 20);
	FX_ADD(s, many_consoles_at_once, 20);
	return fx_main(s);
}
