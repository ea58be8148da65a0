/*
 * The program as a program: options, configuration errors, exit status, pid
 * file, background, signals, environment.
 */
#include "fixture.h"
#include "raw.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Runs it to its end; nothing of it may go on. */
static int
run(char **out, const char *args)
{
	return fx_shell(out, "timeout 20 %s %s", pooler_bin(), args);
}

static void
expect(const char *args, int status, const char *text)
{
	char *out;
	int rc = run(&out, args);

	ck_assert_msg(rc == status, "%s: status %d, expected %d:\n%s", args, rc,
	    status, out);
	ck_assert_msg(strstr(out, text) != NULL, "%s: expected \"%s\" in:\n%s",
	    args, text, out);
	free(out);
}

START_TEST (options_that_only_print) {
	expect("--help", 0, "Usage: ");
	expect("-h", 0, "--check-config");
	expect("--version", 0, "libevent");
	expect("-V", 0, "pooler ");
}
END_TEST

START_TEST (wrong_usage_ends_with_status_1) {
	expect("--no-such-option", 1, "no-such-option");
	expect("", 1, "--help");
	expect("a.ini b.ini", 1, "hint");
	expect("/no/such/file.ini", 1, "/no/such/file.ini");
}
END_TEST

static const char *
config(const char *text)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/cli-%d.ini", fx_dir(), (int)getpid());
	fx_write_file(path, text);
	return path;
}

START_TEST (check_config_lists_every_error_with_place_and_hint) {
	char *out, args[400];
	int rc;

	snprintf(args, sizeof(args), "--check-config %s",
	    config("[pooler]\n"
		   "max_client_con = 10\n"
		   "auth_type = scramble\n"
		   "\n"
		   "query_timeout = soon\n"
		   "[databases]\n"
		   "app = hots=127.0.0.1\n"
		   "bad = port=0\n"
		   "[nonsense]\n"));
	rc = run(&out, args);
	ck_assert_int_eq(rc, 1);
	ck_assert_ptr_nonnull(strstr(out, ".ini:2: "));
	ck_assert_ptr_nonnull(strstr(out, "max_client_con"));
	ck_assert_ptr_nonnull(strstr(out, "max_client_conn"));
	ck_assert_ptr_nonnull(strstr(out, ".ini:3: "));
	ck_assert_ptr_nonnull(strstr(out, "scramble"));
	ck_assert_ptr_nonnull(strstr(out, ".ini:5: "));
	ck_assert_ptr_nonnull(strstr(out, ".ini:7: "));
	ck_assert_ptr_nonnull(strstr(out, "hots"));
	ck_assert_ptr_nonnull(strstr(out, ".ini:8: "));
	ck_assert_ptr_nonnull(strstr(out, ".ini:9: "));
	ck_assert_ptr_nonnull(strstr(out, "hint"));
	free(out);
	/* The same file does not start. */
	expect(config("[pooler]\nno_such = 1\n"), 1, "no_such");
}
END_TEST

START_TEST (check_config_likes_a_good_file) {
	char args[400];

	snprintf(args, sizeof(args), "--check-config %s",
	    config("[pgbouncer]\nlisten_addr = 127.0.0.1\n"
		   "pool_mode = Transaction\n[databases]\n"
		   "app = host=127.0.0.1 port=5432\n"));
	expect(args, 0, "");
}
END_TEST

START_TEST (print_config_gives_a_file_that_is_accepted) {
	char *out, args[400];

	snprintf(args, sizeof(args), "--print-config %s 2>/dev/null",
	    config("[pooler]\nmax_client_conn = 4321\n[databases]\n"
		   "app = host=127.0.0.1 user=x password=topsecret\n"));
	ck_assert_int_eq(run(&out, args), 0);
	ck_assert_ptr_nonnull(strstr(out, "max_client_conn = 4321"));
	ck_assert_ptr_null(strstr(out, "topsecret"));
	snprintf(args, sizeof(args), "--check-config %s", config(out));
	free(out);
	expect(args, 0, "");
}
END_TEST

/* --- starting --- */

START_TEST (root_without_a_user_is_refused) {
	struct pooler *p;

	if (getuid() != 0)
		return;
	p = pooler_prepare("user =\n");
	expect(p->ini, 1, "root");
}
END_TEST

START_TEST (port_in_use_is_named) {
	struct pooler *p = pooler_start("worker_threads = 1\n"), *q;
	char port[20];

	q = pooler_prepare("listen_port = %d\nunix_socket_dir =\n", p->port);
	snprintf(port, sizeof(port), "%d", p->port);
	expect(q->ini, 1, port);
	expect(q->ini, 1, "in use");
	PQfinish(client_open(" "));
}
END_TEST

START_TEST (pidfile_of_a_live_process_is_respected) {
	struct pooler *p, *q;
	char path[300], pid[20], *text;

	p = pooler_start("pidfile = @DIR@/pid\n");
	snprintf(path, sizeof(path), "%s/pid", p->dir);
	text = fx_read_file(path);
	snprintf(pid, sizeof(pid), "%d\n", (int)p->pid);
	ck_assert_str_eq(text, pid);
	free(text);
	q = pooler_prepare("pidfile = %s\n", path);
	expect(q->ini, 1, "exists, another instance running?");
	pooler_stop(p);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST (stale_pidfile_is_removed) {
	struct pooler *p = pooler_prepare("pidfile = @DIR@/pid\n");
	char path[300];

	snprintf(path, sizeof(path), "%s/pid", p->dir);
	/* No process has this number: it is above every limit. */
	fx_write_file(path, "99999999\n");
	chmod(path, 0666);
	pooler_launch(p);
	ck_assert(pooler_logged(p, "stale pidfile, removing"));
	/* An empty one may be another's that is just starting. */
	pooler_stop(p);
	fx_write_file(path, "");
	expect(p->ini, 1, "exists, another instance running?");
}
END_TEST

START_TEST (daemon_goes_to_the_background) {
	struct pooler *p = pooler_prepare("pidfile = @DIR@/pid\n"
					  "logfile = @DIR@/daemon.log\n");
	char path[300], args[400], *text;

	snprintf(args, sizeof(args), "-d %s", p->ini);
	/* Back at once, and by then it listens. */
	expect(args, 0, "");
	ck_assert(pooler_is_up(p));
	snprintf(path, sizeof(path), "%s/pid", p->dir);
	text = fx_read_file(path);
	p->pid = (pid_t)atoi(text);
	free(text);
	ck_assert_int_gt(p->pid, 1);
	pooler_use(p);
	PQfinish(client_open(" "));
	kill(p->pid, SIGTERM);
	console_close();
	WAIT_UNTIL(access(path, F_OK) != 0, 5000);
	WAIT_UNTIL(kill(p->pid, 0) != 0, 5000);
	p->pid = 0;
	snprintf(path, sizeof(path), "%s/daemon.log", p->dir);
	text = fx_read_file(path);
	ck_assert_ptr_nonnull(strstr(text, "process up"));
	free(text);
}
END_TEST

START_TEST (daemon_that_cannot_start_says_so) {
	struct pooler *p = pooler_start("worker_threads = 1\n"), *q;
	char args[400];

	q = pooler_prepare("listen_port = %d\nunix_socket_dir =\n"
			   "pidfile = @DIR@/pid\n",
	    p->port);
	snprintf(args, sizeof(args), "-d %s", q->ini);
	expect(args, 1, "in use");
	q = pooler_prepare("worker_threads = 1\n");
	snprintf(args, sizeof(args), "-d %s", q->ini);
	expect(args, 1, "pidfile");
}
END_TEST

/* --- signals --- */

static int
status_of(struct pooler *p)
{
	int rc = fx_wait_exit(p->pid, 10000);

	p->pid = 0;
	return rc;
}

START_TEST (sigterm_waits_for_clients_and_a_second_one_does_not) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	PGconn *c = client_open(" ");

	sql_ok(c, "SELECT 1");
	kill(p->pid, SIGTERM);
	WAIT_UNTIL(pooler_logged(p,
		       "got SIGTERM, shutting down, waiting for "
		       "all clients disconnect"),
	    5000);
	WAIT_UNTIL(!pooler_is_up(p), 5000);
	sql_ok(c, "SELECT 2");
	PQfinish(c);
	ck_assert_int_eq(status_of(p), 0);

	p = pooler_start("worker_threads = 2\n");
	c = client_open(" ");
	kill(p->pid, SIGTERM);
	WAIT_UNTIL(pooler_logged(p, "got SIGTERM, shutting down"), 5000);
	kill(p->pid, SIGTERM);
	ck_assert_int_eq(status_of(p), 0);
	ck_assert(pooler_logged(p,
	    "got SIGTERM while shutting down, fast "
	    "exit"));
	PQfinish(c);
}
END_TEST

START_TEST (sigint_waits_for_servers) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	PGconn *c = client_open(" ");

	sql_ok(c, "BEGIN");
	kill(p->pid, SIGINT);
	WAIT_UNTIL(pooler_logged(p,
		       "got SIGINT, shutting down, waiting for "
		       "all servers connections to be released"),
	    5000);
	sql_ok(c, "SELECT 1");
	sql_ok(c, "COMMIT");
	ck_assert_int_eq(status_of(p), 0);
	PQfinish(c);
}
END_TEST

START_TEST (sigquit_ends_at_once) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	PGconn *c = client_open(" ");

	sql_ok(c, "BEGIN");
	kill(p->pid, SIGQUIT);
	ck_assert_int_eq(status_of(p), 0);
	ck_assert(pooler_logged(p, "got SIGQUIT, fast exit"));
	PQfinish(c);
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "usename = 'alice'") == 0,
	    5000);
}
END_TEST

START_TEST (sigusr1_pauses_and_sigusr2_resumes) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	PGconn *c = client_open(" ");

	sql_ok(c, "SELECT 1");
	kill(p->pid, SIGUSR1);
	WAIT_UNTIL(strcmp(show_text("STATE", "key=paused", "value"), "yes") ==
		0,
	    5000);
	sql_send(c, "SELECT 1");
	kill(p->pid, SIGUSR2);
	sql_result_ok(c, 5000);
	ck_assert_str_eq(show_text("STATE", "key=paused", "value"), "no");
	PQfinish(c);
}
END_TEST

START_TEST (sighup_reloads_and_reopens_the_log) {
	struct pooler *p = pooler_start("logfile = @DIR@/my.log\n"
					"query_timeout = 11\n");
	char path[300], moved[310], *text;

	snprintf(path, sizeof(path), "%s/my.log", p->dir);
	snprintf(moved, sizeof(moved), "%s.1", path);
	WAIT_UNTIL(access(path, F_OK) == 0, 5000);
	rename(path, moved);
	pooler_rewrite(p, "logfile = @DIR@/my.log\nquery_timeout = 22\n");
	kill(p->pid, SIGHUP);
	WAIT_UNTIL(strcmp(show_text("CONFIG", "key=query_timeout", "value"),
		       "22") == 0,
	    5000);
	WAIT_UNTIL(access(path, F_OK) == 0, 5000);
	PQfinish(client_open(" "));
	WAIT_UNTIL((text = fx_read_file(path),
		       strstr(text, "login attempt: db=app user=alice") !=
			   NULL),
	    5000);
	/* stderr goes on beside the file. */
	ck_assert(pooler_logged(p, "got SIGHUP, re-reading config"));
}
END_TEST

/* --- the environment --- */

static const char *
become(void)
{
	return getuid() == 0 ?
	    "setpriv --reuid=nobody --regid=nogroup --clear-groups" :
	    "";
}

/* Starts it without a file; the shell stays its parent. */
static void
start_from_environment(struct pooler *p, const char *more)
{
	fx_shell(NULL,
	    "cd %s || exit; LISTEN_PORT=%d DB_HOST=127.0.0.1 DB_PORT=%d "
	    "DB_NAME=app DB_USER=scrammer %s %s %s >%s 2>&1 & "
	    "echo $! >%s/envpid",
	    p->dir, p->port, pg_port(), more, become(), pooler_bin(), p->log,
	    p->dir);
	WAIT_UNTIL(pooler_is_up(p), 10000);
	pooler_use(p);
}

static void
stop_from_environment(struct pooler *p)
{
	char path[300], *text;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/envpid", p->dir);
	text = fx_read_file(path);
	pid = (pid_t)atoi(text);
	free(text);
	ck_assert_int_gt(pid, 1);
	kill(pid, SIGTERM);
	WAIT_UNTIL(!pooler_is_up(p), 5000);
}

START_TEST (environment_makes_one_database) {
	struct pooler *p = pooler_prepare("worker_threads = 1\n");
	PGconn *c;

	start_from_environment(p, "DB_PASSWORD=scrammer-pw");
	c = client_open("user=scrammer password=scrammer-pw");
	ck_assert_str_eq(sql_text(c, "SELECT current_user"), "scrammer");
	PQfinish(c);
	c = client_try("user=scrammer password=wrong");
	ck_assert_int_eq(PQstatus(c), CONNECTION_BAD);
	PQfinish(c);
	c = client_open("user=scrammer password=scrammer-pw "
			"dbname=pgbouncer");
	sql_ok(c, "SHOW POOLS");
	PQfinish(c);
	stop_from_environment(p);
}
END_TEST

START_TEST (password_may_come_from_a_file) {
	struct pooler *p = pooler_prepare("worker_threads = 1\n");
	char path[300], more[400];
	PGconn *c;

	snprintf(path, sizeof(path), "%s/secret", p->dir);
	fx_write_file(path, "scrammer-pw\n");
	snprintf(more, sizeof(more), "DB_PASSWORD_FILE=%s", path);
	start_from_environment(p, more);
	c = client_open("user=scrammer password=scrammer-pw");
	sql_ok(c, "SELECT 1");
	PQfinish(c);
	stop_from_environment(p);
}
END_TEST

START_TEST (print_config_shows_the_environments_result) {
	char *out;
	int rc = fx_shell(&out,
	    "DB_HOST=10.1.2.3 DB_PORT=5433 DB_NAME=shop "
	    "DB_USER=app DB_PASSWORD=topsecret %s "
	    "--print-config",
	    pooler_bin());

	ck_assert_msg(rc == 0, "%s", out);
	ck_assert_ptr_nonnull(strstr(out, "10.1.2.3"));
	ck_assert_ptr_nonnull(strstr(out, "5433"));
	ck_assert_ptr_nonnull(strstr(out, "shop"));
	ck_assert_ptr_null(strstr(out, "topsecret"));
	free(out);
	rc = fx_shell(&out,
	    "DB_HOST=10.1.2.3 DB_PORT=abc DB_NAME=shop "
	    "DB_USER=app DB_PASSWORD=x %s --print-config",
	    pooler_bin());
	ck_assert_int_eq(rc, 1);
	ck_assert_ptr_nonnull(strstr(out, "DB_PORT"));
	free(out);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cli");

	FX_ADD(s, options_that_only_print, 20);
	FX_ADD(s, wrong_usage_ends_with_status_1, 20);
	FX_ADD(s, check_config_lists_every_error_with_place_and_hint, 20);
	FX_ADD(s, check_config_likes_a_good_file, 20);
	FX_ADD(s, print_config_gives_a_file_that_is_accepted, 20);
	FX_ADD(s, root_without_a_user_is_refused, 20);
	FX_ADD(s, port_in_use_is_named, 20);
	FX_ADD(s, pidfile_of_a_live_process_is_respected, 20);
	FX_ADD(s, stale_pidfile_is_removed, 20);
	FX_ADD(s, daemon_goes_to_the_background, 20);
	FX_ADD(s, daemon_that_cannot_start_says_so, 20);
	FX_ADD(s, sigterm_waits_for_clients_and_a_second_one_does_not, 20);
	FX_ADD(s, sigint_waits_for_servers, 20);
	FX_ADD(s, sigquit_ends_at_once, 20);
	FX_ADD(s, sigusr1_pauses_and_sigusr2_resumes, 20);
	FX_ADD(s, sighup_reloads_and_reopens_the_log, 20);
	FX_ADD(s, environment_makes_one_database, 20);
	FX_ADD(s, password_may_come_from_a_file, 20);
	FX_ADD(s, print_config_shows_the_environments_result, 20);
	return fx_main(s);
}
