/*
 * Applications that know nothing of a pooler, with only host and port
 * changed: drivers of several languages, and psql with what people type
 * into it.
 */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *
script_dir(void)
{
	return SYSTEM_SRCDIR "/test/system/drivers";
}

/* A driver that is not installed is no failure; it is said. */
static void
run_app(const char *command)
{
	char *out;
	int rc;

	rc = fx_shell(&out, "APP_HOST=127.0.0.1 APP_PORT=%d timeout 60 %s",
	    pooler_current()->port, command);
	if (rc == 77)
		printf("skipped: %s", out);
	else
		ck_assert_msg(rc == 0 && strstr(out, "ok\n") != NULL,
		    "%s: status %d\n%s", command, rc, out);
	free(out);
}

static void
run_script(const char *interpreter, const char *name)
{
	char command[800];

	snprintf(command, sizeof(command), "%s %s/%s", interpreter,
	    script_dir(), name);
	run_app(command);
}

START_TEST (psycopg3_application) {
	pooler_start("default_pool_size = 2\nworker_threads = 2\n");
	run_script("/usr/bin/python3", "psycopg3_app.py");
}
END_TEST

START_TEST (psycopg2_application) {
	pooler_start("default_pool_size = 2\nworker_threads = 2\n");
	run_script("/usr/bin/python3", "psycopg2_app.py");
}
END_TEST

START_TEST (asyncpg_application) {
	/* It prepares by name, and sets things that are not tracked. */
	pooler_start("pool_mode = session\ndefault_pool_size = 6\n"
		     "ignore_startup_parameters = extra_float_digits, "
		     "search_path, jit\n");
	run_script("/usr/bin/python3", "asyncpg_app.py");
}
END_TEST

/* Debian's package serves; else npm fetches it and keeps it in the build folder,
 * for the next run. */
#define NODE "env NODE_PATH=node-driver/node_modules:/usr/share/nodejs node "

START_TEST (node_postgres_application) {
	char command[1600], *out;
	int rc;

	if (fx_shell(NULL, "command -v node") != 0) {
		printf("skipped: node is not installed (Debian: nodejs, "
		       "node-pg)\n");
		return;
	}
	rc = fx_shell(&out,
	    NODE "-e 'require(\"pg\")' 2>/dev/null || "
		 "timeout 60 npm install --silent --no-audit "
		 "--no-fund --prefix node-driver pg@8");
	if (rc != 0) {
		printf("skipped: no package pg for node (Debian: node-pg), "
		       "and npm cannot fetch it: %s\n",
		    out);
		free(out);
		return;
	}
	free(out);
	pooler_start("default_pool_size = 3\nworker_threads = 2\n");
	snprintf(command, sizeof(command), NODE "%s/node_app.js", script_dir());
	run_app(command);
}
END_TEST

/* --- psql --- */

static char *
psql(const char *script)
{
	char path[300], *out;
	int rc;

	snprintf(path, sizeof(path), "%s/script.sql", pooler_current()->dir);
	fx_write_file(path, script);
	rc = fx_shell(&out,
	    "cd %s && timeout 30 psql -X -v ON_ERROR_STOP=1 "
	    "-h 127.0.0.1 -p %d -U alice -d app -f %s",
	    pooler_current()->dir, pooler_current()->port, path);
	ck_assert_msg(rc == 0, "psql: status %d\n%s", rc, out);
	return out;
}

START_TEST (psql_describes_and_copies) {
	static const int workers[] = { 1, 2 };
	char *out;

	pooler_start("default_pool_size = 1\nworker_threads = %d\n",
	    workers[_i]);
	out = psql("DROP TABLE IF EXISTS pt;\n"
		   "CREATE TABLE pt (id int PRIMARY KEY, t text NOT NULL);\n"
		   "INSERT INTO pt SELECT i, 'x' || i FROM "
		   "generate_series(1, 1000) i;\n"
		   "\\d pt\n\\d\n\\d+\n\\l\n\\du\n\\df\n\\dn\n"
		   "\\copy pt to 'pt.copy'\n"
		   "TRUNCATE pt;\n"
		   "\\copy pt from 'pt.copy'\n"
		   "SELECT 'rows: ' || count(*) FROM pt;\n"
		   "\\gdesc\n"
		   "\\set FETCH_COUNT 100\n"
		   "SELECT * FROM pt;\n"
		   "BEGIN; SAVEPOINT a; ROLLBACK TO a; COMMIT;\n"
		   "DROP TABLE pt;\n");
	ck_assert_ptr_nonnull(strstr(out, "Table \"public.pt\""));
	ck_assert_ptr_nonnull(strstr(out, "\"pt_pkey\" PRIMARY KEY"));
	ck_assert_ptr_nonnull(strstr(out, "COPY 1000"));
	ck_assert_ptr_nonnull(strstr(out, "rows: 1000"));
	free(out);
}
END_TEST

START_TEST (psql_ctrl_c_cancels) {
	char port[12], out[300], in[300], *text;
	struct pooler *p = pooler_start("default_pool_size = 1\n");
	pid_t pid;

	snprintf(port, sizeof(port), "%d", p->port);
	snprintf(in, sizeof(in), "%s/in.sql", p->dir);
	snprintf(out, sizeof(out), "%s/out", p->dir);
	fx_write_file(in, "SELECT pg_sleep(60);\n");
	{
		char *argv[] = { (char *)"psql", (char *)"-X", (char *)"-h",
			(char *)"127.0.0.1", (char *)"-p", port, (char *)"-U",
			(char *)"alice", (char *)"-f", in, (char *)"app",
			NULL };

		pid = fx_spawn(out, false, argv);
	}
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "query LIKE 'SELECT pg_sleep(60)%%' AND "
			  "state = 'active'") == 1,
	    10000);
	kill(pid, SIGINT);
	ck_assert_int_ge(fx_wait_exit(pid, 10000), 0);
	text = fx_read_file(out);
	ck_assert_msg(strstr(text, "canceling statement due to user request") !=
		NULL,
	    "%s", text);
	free(text);
	sql_ok(client_open(" "), "SELECT 1");
}
END_TEST

START_TEST (psql_watch_repeats) {
	char *out;
	int rc;

	pooler_start("default_pool_size = 1\n");
	rc = fx_shell(&out,
	    "printf 'SELECT 1 AS seen \\\\watch 0.1\\n' | "
	    "timeout -s INT 2 psql -X -h 127.0.0.1 -p %d "
	    "-U alice app",
	    pooler_current()->port);
	(void)rc;
	ck_assert_ptr_nonnull(strstr(out, "seen"));
	ck_assert_ptr_nonnull(strstr(strstr(out, "seen") + 4, "seen"));
	free(out);
	sql_ok(client_open(" "), "SELECT 1");
}
END_TEST

START_TEST (psql_talks_to_the_console) {
	char *out;
	int rc;

	pooler_start("worker_threads = 2\n");
	rc = fx_shell(&out,
	    "psql -X -h 127.0.0.1 -p %d -U admin pgbouncer "
	    "-c 'SHOW POOLS' -c 'SHOW HELP' -c 'SHOW STATS'",
	    pooler_current()->port);
	ck_assert_msg(rc == 0, "%s", out);
	ck_assert_ptr_nonnull(strstr(out, "cl_waiting"));
	ck_assert_ptr_nonnull(strstr(out, "Console usage"));
	free(out);
}
END_TEST

START_TEST (pg_dump_runs_through_the_pooler) {
	char *out;
	int rc;

	pooler_start("pool_mode = session\n"
		     "ignore_startup_parameters = extra_float_digits\n");
	pg_exec("SELECT 1");
	rc = fx_shell(&out,
	    "%s/pg_dump -h 127.0.0.1 -p %d -U alice app "
	    ">/dev/null",
	    pg_bindir(), pooler_current()->port);
	ck_assert_msg(rc == 0, "%s", out);
	free(out);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("drivers");

	FX_ADD(s, psycopg3_application, 60);
	FX_ADD(s, psycopg2_application, 60);
	FX_ADD(s, asyncpg_application, 60);
	FX_ADD(s, node_postgres_application, 150);
	FX_ADD_LOOP(s, psql_describes_and_copies, 40, 2);
	FX_ADD(s, psql_ctrl_c_cancels, 30);
	FX_ADD(s, psql_watch_repeats, 30);
	FX_ADD(s, psql_talks_to_the_console, 20);
	FX_ADD(s, pg_dump_runs_through_the_pooler, 40);
	return fx_main(s);
}
