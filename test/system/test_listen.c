/*
 * Where it listens and what it logs: addresses, Unix socket, the form of a
 * line, a log that cannot be written.
 */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- listening --- */

START_TEST (several_addresses_and_ipv6) {
	struct pooler *p = pooler_start(
	    "listen_addr = 127.0.0.1, ::1, 127.0.0.2\n");
	static const char *const hosts[] = { "127.0.0.1", "::1", "127.0.0.2" };
	char what[64];

	for (int i = 0; i < 3; i++) {
		PGconn *c = client_open("host=%s", hosts[i]);

		sql_ok(c, "SELECT 1");
		PQfinish(c);
	}
	snprintf(what, sizeof(what), "listening on 127.0.0.1:%d", p->port);
	ck_assert(pooler_logged(p, what));
	ck_assert(pooler_logged(p, "listening on unix:"));
}
END_TEST

START_TEST (star_listens_everywhere) {
	PGconn *c;

	pooler_start("listen_addr = *\n");
	c = client_open("host=127.0.0.3");
	sql_ok(c, "SELECT 1");
	PQfinish(c);
}
END_TEST

START_TEST (unix_socket_has_its_mode_and_goes_with_the_process) {
	struct pooler *p = pooler_start("unix_socket_mode = 0770\n");
	char path[300];
	struct stat st;
	PGconn *c;

	snprintf(path, sizeof(path), "%s/.s.PGSQL.%d", p->dir, p->port);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0770);
	c = client_open("host=%s", p->dir);
	sql_ok(c, "SELECT 1");
	ck_assert_str_eq(show_text("CLIENTS", "database=app", "addr"), "unix");
	PQfinish(c);
	pooler_stop(p);
	ck_assert_int_ne(stat(path, &st), 0);
}
END_TEST

START_TEST (stale_unix_socket_is_replaced) {
	struct pooler *p = pooler_start("worker_threads = 1\n");
	PGconn *c;

	kill(p->pid, SIGKILL);
	fx_wait_exit(p->pid, 5000);
	p->pid = 0;
	pooler_launch(p);
	c = client_open("host=%s", p->dir);
	sql_ok(c, "SELECT 1");
	PQfinish(c);
}
END_TEST

START_TEST (unix_socket_in_use_is_refused) {
	struct pooler *p = pooler_start("worker_threads = 1\n"), *q;
	char *out;
	int rc;

	q = pooler_prepare("listen_addr =\nlisten_port = %d\n"
			   "unix_socket_dir = %s\n",
	    p->port, p->dir);
	rc = fx_shell(&out, "timeout 20 %s %s", pooler_bin(), q->ini);
	ck_assert_msg(rc == 1 && strstr(out, "in use") != NULL, "status %d\n%s",
	    rc, out);
	free(out);
	PQfinish(client_open("host=%s", p->dir));
}
END_TEST

/* --- the log --- */

START_TEST (log_lines_have_their_form) {
	struct pooler *p = pooler_start("worker_threads = 1\n");
	PGconn *c = client_open(" ");
	char *out;
	int rc;

	sql_ok(c, "SELECT 1");
	PQfinish(c);
	WAIT_UNTIL(pooler_logged(p,
		       "closing because: client close request "
		       "(age="),
	    5000);
	rc = fx_shell(&out,
	    "grep -vE '^[0-9]{4}-[0-9]{2}-[0-9]{2} "
	    "[0-9:]{8}\\.[0-9]{3} [A-Z0-9+-]+ \\[[0-9]+\\] "
	    "(FATAL|ERROR|WARNING|LOG|DEBUG|NOISE) ' %s",
	    p->log);
	ck_assert_msg(rc == 1, "lines of another form:\n%s", out);
	free(out);
	rc = fx_shell(&out,
	    "grep -E 'LOG C-[^ ]+: app/alice@127.0.0.1:[0-9]+ "
	    "login attempt: db=app user=alice tls=no' %s",
	    p->log);
	ck_assert_int_eq(rc, 0);
	free(out);
	rc = fx_shell(&out,
	    "grep -E 'LOG S-[^ ]+: app/alice@127.0.0.1:%d "
	    "new connection to server \\(from "
	    "127.0.0.1:[0-9]+\\)' %s",
	    pg_port(), p->log);
	ck_assert_int_eq(rc, 0);
	free(out);
}
END_TEST

START_TEST (quiet_and_log_switches) {
	struct pooler *p = pooler_start("log_connections = 0\n"
					"log_disconnections = 0\n");

	PQfinish(client_open(" "));
	console_ok("SHOW VERSION");
	ck_assert(!pooler_logged(p, "login attempt"));
	ck_assert(!pooler_logged(p, "new connection to server"));
	pooler_stop(p);
	ck_assert(!pooler_logged(p, "closing because: client"));
}
END_TEST

START_TEST (log_pipe_that_nobody_reads_stops_nobody) {
	struct pooler *p = pooler_prepare("worker_threads = 2\nverbose = 2\n");
	char path[300], *text;

	fx_shell(NULL, "rm -f %s/fifo; mkfifo %s/fifo", p->dir, p->dir);
	fx_shell(NULL,
	    "sleep 60 <%s/fifo >/dev/null 2>&1 & %s %s 2>%s/fifo >/dev/null & "
	    "echo $! >%s/envpid",
	    p->dir, pooler_bin(), p->ini, p->dir, p->dir);
	WAIT_UNTIL(pooler_is_up(p), 10000);
	pooler_use(p);
	for (int i = 0; i < 400; i++) {
		PGconn *c = client_open(" ");

		sql_ok(c, "SELECT 1");
		PQfinish(c);
	}
	snprintf(path, sizeof(path), "%s/envpid", p->dir);
	text = fx_read_file(path);
	ck_assert_int_gt(atoi(text), 1);
	kill((pid_t)atoi(text), SIGTERM);
	free(text);
	WAIT_UNTIL(!pooler_is_up(p), 5000);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("listen");

	FX_ADD(s, several_addresses_and_ipv6, 20);
	FX_ADD(s, star_listens_everywhere, 20);
	FX_ADD(s, unix_socket_has_its_mode_and_goes_with_the_process, 20);
	FX_ADD(s, stale_unix_socket_is_replaced, 20);
	FX_ADD(s, unix_socket_in_use_is_refused, 20);
	FX_ADD(s, log_lines_have_their_form, 20);
	FX_ADD(s, quiet_and_log_switches, 20);
	FX_ADD(s, log_pipe_that_nobody_reads_stops_nobody, 30);
	return fx_main(s);
}
