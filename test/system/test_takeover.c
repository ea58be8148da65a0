/*
 * One process takes the place of another (-R): clients notice nothing.
 */
#include "fixture.h"
#include "tls_certs.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process with the same settings and the same log; it takes p's place. */
static pid_t
launch_successor(struct pooler *p)
{
	char *argv[] = { (char *)pooler_bin(), "-R", p->ini, NULL };

	console_close();
	return fx_spawn(p->log, false, argv);
}

/* The same, until the old one has ended. */
static void
take_over(struct pooler *p, int ms)
{
	pid_t pid = launch_successor(p);
	int rc = fx_wait_exit(p->pid, ms);

	ck_assert_msg(rc == 0, "the old process: status %d", rc);
	p->pid = pid;
	WAIT_UNTIL(pooler_logged(p, "the process before has ended"), 5000);
	ck_assert_int_eq(fx_wait_exit(pid, 0), -1);
}

static void
cancel(PGconn *c)
{
	PGcancel *h = PQgetCancel(c);
	char text[256];

	ck_assert_msg(PQcancel(h, text, sizeof(text)) == 1, "%s", text);
	PQfreeCancel(h);
}

START_TEST (idle_clients_move_with_what_they_have_set) {
	enum { N = 250 };
	struct pooler *p = pooler_start("worker_threads = 2\n"
	    "pidfile = @DIR@/pid\nmax_client_conn = 1000\n");
	static PGconn *c[N];
	char path[300], pid[20], *text;
	PGconn *local;
	PGresult *r;

	for (int i = 0; i < N; i++)
		c[i] = client_open("application_name=app%d", i);
	local = client_open("host=%s", p->dir);
	sql_ok(c[1], "SET timezone = 'Asia/Tokyo'");
	take_over(p, 10000);
	for (int i = 0; i < N; i++) {
		snprintf(pid, sizeof(pid), "app%d", i);
		ck_assert_str_eq(sql_text(c[i], "SHOW application_name"),
		    pid);
	}
	ck_assert_str_eq(sql_text(c[1], "SHOW timezone"), "Asia/Tokyo");
	ck_assert_int_eq(sql_int(local, "SELECT 9"), 9);
	ck_assert_int_eq(show_rows("CLIENTS", "database=app"), N + 1);
	ck_assert_int_eq(show("LISTS", "list=used_clients", "items") > N, 1);
	/* Their cancel keys came along. */
	sql_send(c[7], "SELECT pg_sleep(60)");
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "state = 'active' AND query LIKE '%%pg_sleep(60)'")
		== 1, 5000);
	cancel(c[7]);
	r = sql_result(c[7], 10000);
	result_fails(r, "57014", "cancel");
	/* New ones find the new one, and the pid file names it. */
	PQfinish(client_open(" "));
	PQfinish(client_open("host=%s", p->dir));
	snprintf(path, sizeof(path), "%s/pid", p->dir);
	snprintf(pid, sizeof(pid), "%d\n", (int)p->pid);
	text = fx_read_file(path);
	ck_assert_str_eq(text, pid);
	for (int i = 0; i < N; i++)
		PQfinish(c[i]);
	PQfinish(local);
	WAIT_UNTIL(show_rows("CLIENTS", "database=app") == 0, 5000);
	/* It leaves nothing behind. */
	pooler_stop(p);
	ck_assert_int_ne(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/.s.PGSQL.%d", p->dir, p->port);
	ck_assert_int_ne(access(path, F_OK), 0);
	strcat(path, ".takeover");
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

static void
execute(PGconn *c, const char *name, const char *value, const char *want)
{
	PGresult *r = PQexecPrepared(c, name, 1, &value, NULL, NULL, 0);

	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "%s",
	    PQresultErrorMessage(r));
	ck_assert_str_eq(PQgetvalue(r, 0, 0), want);
	PQclear(r);
}

START_TEST (statements_and_settings_come_along) {
	enum { N = 40, LONG = 300 * 1000 };
	struct pooler *p = pooler_start("worker_threads = 2\n"
	    "default_pool_size = 3\n");
	PGconn *c[N], *big;
	char text[200], want[50], *sql = calloc(1, LONG + 100);

	for (int i = 0; i < N; i++) {
		c[i] = client_open("options='-c statement_timeout=%d "
		    "-c datestyle=German'", 90000 + i);
		snprintf(text, sizeof(text), "SELECT $1::int + %d", i % 7);
		PQclear(PQprepare(c[i], "add", text, 0, NULL));
		sql_ok(c[i], "PREPARE typed(int) AS SELECT $1 * %d", i);
		sql_ok(c[i], "SET work_mem = '%dkB'", 2100 + i);
		PQclear(PQprepare(c[i], "set", "SELECT set_config('my.own', "
		    "$1, false)", 0, NULL));
		execute(c[i], "set", "first", "first");
	}
	/* In several packets. */
	big = client_open(" ");
	snprintf(sql, LONG, "SELECT $1::text || '");
	memset(sql + strlen(sql), 'x', LONG);
	strcat(sql, "' LIKE '7x%'");
	PQclear(PQprepare(big, "long", sql, 0, NULL));
	for (int round = 0; round < 2; round++) {
		take_over(p, 10000);
		execute(big, "long", "7", "t");
		for (int i = 0; i < N; i++) {
			snprintf(want, sizeof(want), "%d", 100 + i % 7);
			execute(c[i], "add", "100", want);
			ck_assert_int_eq(sql_int(c[i], "EXECUTE typed(3)"), 3 * i);
			snprintf(want, sizeof(want), "%dkB", 2100 + i);
			ck_assert_str_eq(sql_text(c[i], "SHOW work_mem"), want);
			ck_assert_str_eq(sql_text(c[i], "SHOW my.own"),
			    round ? "second" : "first");
			execute(c[i], "set", "second", "second");
			/* What it asked for at login is what RESET gives. */
			sql_ok(c[i], "SET statement_timeout = 5000");
			sql_ok(c[i], "SET DateStyle = 'SQL'");
			sql_ok(c[i], "RESET statement_timeout; "
			    "RESET DateStyle");
			ck_assert_str_eq(sql_text(c[i], "SELECT "
			    "date '2001-02-03'"), "03.02.2001");
			ck_assert_int_eq(sql_int(c[i], "SELECT setting FROM "
			    "pg_settings WHERE name = 'statement_timeout'"),
			    90000 + i);
		}
	}
	for (int i = 0; i < N; i++)
		PQfinish(c[i]);
	PQfinish(big);
	free(sql);
}
END_TEST

/* The unnamed statement too: it may be used behind a Sync. */
START_TEST (unnamed_statement_comes_along) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	PGconn *c = client_open(" ");
	PGresult *r;

	r = PQprepare(c, "", "SELECT 41 + 1", 0, NULL);
	ck_assert_int_eq(PQresultStatus(r), PGRES_COMMAND_OK);
	PQclear(r);
	take_over(p, 10000);
	r = PQexecPrepared(c, "", 0, NULL, NULL, NULL, 0);
	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "%s",
	    PQresultErrorMessage(r));
	ck_assert_str_eq(PQgetvalue(r, 0, 0), "42");
	PQclear(r);
	PQfinish(c);
}
END_TEST

START_TEST (transaction_ends_where_it_began) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	PGconn *c = client_open(" "), *q = client_open(" ");
	long pid;
	pid_t new;

	sql_ok(c, "BEGIN");
	pid = sql_int(c, "SELECT pg_backend_pid()");
	sql_send(q, "SELECT pg_sleep(1)");
	new = launch_successor(p);
	WAIT_UNTIL(pooler_logged(p, "took over the sockets"), 5000);
	ck_assert_int_eq(sql_int(c, "SELECT pg_backend_pid()"), pid);
	sql_result_ok(q, 5000);
	ck_assert_int_eq(fx_wait_exit(p->pid, 0), -1);
	sql_ok(c, "COMMIT");
	ck_assert_int_eq(fx_wait_exit(p->pid, 10000), 0);
	p->pid = new;
	ck_assert_int_eq(sql_int(c, "SELECT 5"), 5);
	ck_assert_int_eq(sql_int(q, "SELECT 6"), 6);
	ck_assert(pooler_logged(p, "2 clients came over"));
	PQfinish(c);
	PQfinish(q);
}
END_TEST

/* An unnamed statement that uses another one by its name on servers. */
static void
make_immovable(PGconn *c)
{
	PGresult *r;

	PQclear(PQprepare(c, "one", "SELECT 1", 0, NULL));
	r = PQexecParams(c, "EXECUTE one", 0, NULL, NULL, NULL, NULL, 0);
	ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
	PQclear(r);
}

START_TEST (who_cannot_move_stays_until_it_leaves) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	PGconn *c = client_open(" "), *session;
	pid_t new;

	make_immovable(c);
	session = client_open(" ");
	new = launch_successor(p);
	WAIT_UNTIL(pooler_logged(p, "took over the sockets"), 5000);
	for (int i = 0; i < 20; i++)
		make_immovable(c);
	/* Its cancel comes to the new one, and is for the old one. */
	sql_send(c, "SELECT pg_sleep(60)");
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "state = 'active' AND query LIKE '%%pg_sleep(60)'")
		== 1, 5000);
	cancel(c);
	result_fails(sql_result(c, 10000), "57014", "cancel");
	ck_assert_int_eq(fx_wait_exit(p->pid, 0), -1);
	ck_assert_int_eq(sql_int(session, "SELECT 2"), 2);
	PQfinish(c);
	ck_assert_int_eq(fx_wait_exit(p->pid, 10000), 0);
	p->pid = new;
	ck_assert_int_eq(sql_int(session, "SELECT 3"), 3);
	PQfinish(session);
}
END_TEST

START_TEST (drain_timeout_bounds_the_wait_for_them) {
	struct pooler *p = pooler_start("worker_threads = 2\n"
	    "drain_timeout = 2\n");
	PGconn *c = client_open(" "), *d = client_open(" ");

	make_immovable(c);
	take_over(p, 5000);
	ck_assert_int_eq(sql_int(d, "SELECT 2"), 2);
	sql_fails(c, "SELECT 1", NULL, "pooler is shutting down");
	PQfinish(c);
	PQfinish(d);
}
END_TEST

/* What TLS knows of a connection cannot be handed on. */
START_TEST (tls_clients_stay_and_are_drained) {
	struct pooler *p;
	PGconn *c, *d;
	pid_t new;

	certs_make();
	p = pooler_start("worker_threads = 2\ndrain_timeout = 4\n"
			 "client_tls_sslmode = allow\n"
			 "client_tls_key_file = @TOP@/tls/server.key\n"
			 "client_tls_cert_file = @TOP@/tls/server.crt\n");
	c = client_open("sslmode=require");
	d = client_open("sslmode=disable");
	sql_ok(c, "BEGIN");
	new = launch_successor(p);
	WAIT_UNTIL(pooler_logged(p, "took over the sockets"), 5000);
	ck_assert_int_eq(sql_int(d, "SELECT 2"), 2);
	sql_ok(c, "SELECT 1");
	sql_ok(c, "COMMIT");
	/* Told to leave, in its turn, and behind its transaction. */
	ck_assert(client_lost(c, 10000));
	PQfinish(c);
	ck_assert_int_eq(fx_wait_exit(p->pid, 10000), 0);
	p->pid = new;
	c = client_open("sslmode=require");
	ck_assert_int_eq(sql_int(c, "SELECT 3"), 3);
	ck_assert_int_eq(sql_int(d, "SELECT 4"), 4);
	PQfinish(c);
	PQfinish(d);
}
END_TEST

START_TEST (scram_keys_travel_along) {
	struct pooler *p = pooler_prepare("auth_type = scram-sha-256\n"
	    "auth_file = @DIR@/secrets\nworker_threads = 2\n");
	char path[300], text[600];
	PGconn *c;

	/* The verifier only: without a client's proof nobody can log in. */
	snprintf(path, sizeof(path), "%s/secrets", p->dir);
	snprintf(text, sizeof(text), "\"scrammer\" \"%s\"\n",
	    pg_text("SELECT rolpassword FROM pg_authid WHERE rolname = "
		    "'scrammer'"));
	fx_write_file(path, text);
	pooler_launch(p);
	c = client_open("user=scrammer password=scrammer-pw");
	take_over(p, 10000);
	ck_assert_str_eq(sql_text(c, "SELECT current_user"), "scrammer");
	ck_assert(!pooler_logged(p, "SCRAM-SHA-256$"));
	PQfinish(c);
}
END_TEST

/* One that asks and then does not come. Returns the packets of its answer, 0
 * when it was refused. */
static int
ask_and_leave(const struct pooler *p, const char *hello)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	char byte;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int n = 0;

	snprintf(un.sun_path, sizeof(un.sun_path), "%.70s/.s.PGSQL.%d.takeover",
	    p->dir, p->port);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	send(fd, hello, strlen(hello), 0);
	do {
		byte = 0;
		n += recv(fd, &byte, 1, 0) == 1;
	} while (byte == 'L');
	close(fd);
	return byte == 'G' ? n : 0;
}

START_TEST (other_formats_are_refused) {
	static const char *const hellos[] = { "Hpooler 0.1", "Hpooler/1 9.9",
		"Hpooler/", "H", "Hpooler/32 0.1" };
	struct pooler *p = pooler_start("worker_threads = 1\n");
	PGconn *c = client_open(" ");

	for (size_t i = 0; i < sizeof(hellos) / sizeof(hellos[0]); i++)
		ck_assert_int_eq(ask_and_leave(p, hellos[i]), 0);
	WAIT_UNTIL(pooler_log_count(p, "a process of another version asks "
				       "for our place") == 5, 5000);
	ck_assert_int_eq(sql_int(c, "SELECT 4"), 4);
	take_over(p, 10000);
	ck_assert_int_eq(sql_int(c, "SELECT 5"), 5);
	PQfinish(c);
}
END_TEST

START_TEST (failing_successor_changes_nothing) {
	struct pooler *p = pooler_start("worker_threads = 2\n"
	    "pidfile = @DIR@/pid\n");
	PGconn *c = client_open(" ");
	char ini[400];
	char *argv[] = { (char *)pooler_bin(), "-R", ini, NULL };

	snprintf(ini, sizeof(ini), "%s/bad.ini", p->dir);
	fx_write_file(ini, "[pooler]\nno_such_key = 1\n");
	ck_assert_int_eq(fx_wait_exit(fx_spawn(p->log, false, argv), 10000),
	    1);
	ck_assert_int_eq(sql_int(c, "SELECT 4"), 4);
	ck_assert_int_ge(ask_and_leave(p, "Hpooler/3 0.1"), 3);
	WAIT_UNTIL(pooler_logged(p, "the process that asked for our place has "
				    "gone; going on"), 5000);
	ck_assert_int_eq(sql_int(c, "SELECT 5"), 5);
	PQfinish(client_open(" "));
	take_over(p, 10000);
	ck_assert_int_eq(sql_int(c, "SELECT 6"), 6);
	PQfinish(c);
}
END_TEST

START_TEST (without_a_predecessor_it_just_starts) {
	struct pooler *p = pooler_prepare("worker_threads = 2\n"
	    "pidfile = @DIR@/pid\n");

	pooler_use(p);
	p->pid = launch_successor(p);
	WAIT_UNTIL(pooler_is_up(p), 10000);
	PQfinish(client_open(" "));
	take_over(p, 10000);
	PQfinish(client_open(" "));
}
END_TEST

START_TEST (pgbench_does_not_notice) {
	/* With -M prepared a thread each: it waits for the answer to its Parse
	 * with all of its clients. */
	static const char *const args[] = { "-S -c 20 -j 2",
		"-S -M extended -c 20 -j 2", "-N -c 10 -j 2",
		"-N -M prepared -c 12 -j 12", "-S -C -c 8 -j 8" };
	struct pooler *p = pooler_start("worker_threads = 2\n"
	    "default_pool_size = 5\nlog_connections = 0\n"
	    "log_disconnections = 0\nstats_period = 1\n");
	char out[300], *text;
	pid_t bench;
	int rc;

	if (sql_int(pg_direct("app"), "SELECT count(*) FROM pg_class WHERE "
				      "relname = 'pgbench_accounts'") == 0) {
		rc = fx_shell(&text, "%s/pgbench -i -q -s 2 -h %s -p %d "
		    "-U alice app", pg_bindir(), pg_socket_dir(), pg_port());
		ck_assert_msg(rc == 0, "%s", text);
	}
	snprintf(out, sizeof(out), "%s/bench.out", p->dir);
	fflush(NULL);
	bench = fork();
	if (bench == 0) {
		rc = fx_shell(&text, "%s/pgbench -n %s -T 8 -h 127.0.0.1 "
		    "-p %d -U alice app", pg_bindir(), args[_i], p->port);
		fx_write_file(out, text);
		_exit(rc);
	}
	for (int i = 0; i < 5; i++) {
		WAIT_UNTIL(show("STATS_TOTALS", "database=app", "xact_count") >
			200, 10000);
		take_over(p, 10000);
	}
	ck_assert_int_eq(fx_wait_exit(bench, 30000), 0);
	text = fx_read_file(out);
	ck_assert_msg(strstr(text, "number of failed transactions: 0 ") !=
	    NULL, "%s", text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("takeover");

	FX_ADD(s, idle_clients_move_with_what_they_have_set, 60);
	FX_ADD(s, statements_and_settings_come_along, 60);
	FX_ADD(s, unnamed_statement_comes_along, 40);
	FX_ADD(s, transaction_ends_where_it_began, 40);
	FX_ADD(s, who_cannot_move_stays_until_it_leaves, 40);
	FX_ADD(s, drain_timeout_bounds_the_wait_for_them, 40);
	FX_ADD(s, tls_clients_stay_and_are_drained, 40);
	FX_ADD(s, scram_keys_travel_along, 30);
	FX_ADD(s, failing_successor_changes_nothing, 40);
	FX_ADD(s, other_formats_are_refused, 40);
	FX_ADD(s, without_a_predecessor_it_just_starts, 40);
	FX_ADD_LOOP(s, pgbench_does_not_notice, 90, 5);
	return fx_main(s);
}
