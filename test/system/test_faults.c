/*
 * What happens to the process and not to its peers: it is killed, or the
 * clock jumps.
 */
#define _GNU_SOURCE /* unshare() */
#include "fixture.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void
kill_hard(struct pooler *p)
{
	kill(p->pid, SIGKILL);
	ck_assert_int_eq(fx_wait_exit(p->pid, 5000), 128 + SIGKILL);
	p->pid = 0;
	console_close();
}

/* What it left lies about: pid file, sockets, all stale. */
START_TEST (killed_process_does_not_stop_the_next_start) {
	struct pooler *p = pooler_prepare("worker_threads = 2\n"
	    "pidfile = @DIR@/pid\nlogfile = @DIR@/own.log\n");
	char path[300];
	PGconn *c, *d;

	for (int i = 0; i < 5; i++) {
		pooler_launch(p);
		c = client_open(" ");
		d = client_open("host=%s", p->dir);
		sql_ok(c, "BEGIN");
		sql_send(d, "SELECT pg_sleep(0.5)");
		kill_hard(p);
		snprintf(path, sizeof(path), "%s/.s.PGSQL.%d", p->dir,
		    p->port);
		ck_assert_int_eq(access(path, F_OK), 0);
		snprintf(path, sizeof(path), "%s/pid", p->dir);
		ck_assert_int_eq(access(path, F_OK), 0);
		PQfinish(c);
		PQfinish(d);
	}
	pooler_launch(p);
	PQfinish(client_open(" "));
	PQfinish(client_open("host=%s", p->dir));
	ck_assert(pooler_logged(p, "stale pidfile, removing"));
	/* The servers of those that were killed have gone too. */
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "usename = 'alice' AND state LIKE '%%transaction%%'")
		== 0, 5000);
	pooler_stop(p);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST (killed_daemon_does_not_stop_the_next_start) {
	struct pooler *p = pooler_prepare("pidfile = @DIR@/pid\n"
					  "logfile = @DIR@/daemon.log\n");
	char path[300], *text;

	snprintf(path, sizeof(path), "%s/pid", p->dir);
	for (int i = 0; i < 3; i++) {
		pid_t pid;

		ck_assert_int_eq(fx_shell(NULL, "%s -d %s", pooler_bin(),
		    p->ini), 0);
		text = fx_read_file(path);
		pid = (pid_t)atoi(text);
		free(text);
		ck_assert_int_gt(pid, 1);
		kill(pid, SIGKILL);
		WAIT_UNTIL(kill(pid, 0) != 0, 5000);
	}
}
END_TEST

/* A file system of one page, which is full, in a place of our own. */
static bool
make_full(const char *at)
{
	char path[400], page[4096];

	mkdir(at, 0777);
	if (unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", at, "tmpfs", 0, "size=4k,mode=777") != 0)
		return false;
	memset(page, 'x', sizeof(page) - 1);
	page[sizeof(page) - 1] = '\0';
	snprintf(path, sizeof(path), "%s/fill", at);
	fx_write_file(path, page);
	return true;
}

START_TEST (full_disk_is_told_and_leaves_nothing) {
	struct pooler *p = pooler_prepare("pidfile = @DIR@/full/pid\n");
	char path[400], at[300];
	char *argv[] = { (char *)(uintptr_t)pooler_bin(), p->ini, NULL };

	snprintf(at, sizeof(at), "%s/full", p->dir);
	if (!make_full(at)) {
		fprintf(stderr, "skipped: full_disk_is_told_and_leaves_nothing "
				"(not allowed to mount)\n");
		return;
	}
	ck_assert_int_eq(fx_wait_exit(fx_spawn(p->log, false, argv), 10000),
	    1);
	ck_assert(pooler_logged(p, "No space left on device"));
	snprintf(path, sizeof(path), "%s/pid", at);
	ck_assert_int_ne(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "%s/fill", at);
	unlink(path);
	pooler_launch(p);
	PQfinish(client_open(" "));
	pooler_stop(p);
}
END_TEST

/* --- the clock --- */

#define FAKETIME "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"

static void
set_clock(const char *path, const char *offset)
{
	char fresh[320];

	/* In one step, since it is read at every look at the clock. */
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	fx_write_file(fresh, offset);
	chmod(fresh, 0644);
	rename(fresh, path);
}

START_TEST (clock_that_jumps_moves_no_deadline) {
	/* One server, so that it is the same each time. */
	struct pooler *p = pooler_prepare("worker_threads = 2\n"
	    "default_pool_size = 1\n"
	    "client_idle_timeout = 60\nserver_idle_timeout = 60\n"
	    "server_lifetime = 600\nquery_timeout = 1\nstats_period = 1\n"
	    "query_wait_timeout = 30\n");
	static const char *const jumps[] = { "+400d", "-400d", "+0", "+3600",
		"-3600" };
	char path[300];
	PGconn *c, *idle;
	long pid;

	snprintf(path, sizeof(path), "%s/clock", p->dir);
	set_clock(path, "+0");
	setenv("LD_PRELOAD", FAKETIME, 1);
	setenv("FAKETIME_TIMESTAMP_FILE", path, 1);
	setenv("FAKETIME_NO_CACHE", "1", 1);
	setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1", 1);
	setenv("DONT_FAKE_MONOTONIC", "1", 1);
	pooler_launch(p);
	unsetenv("LD_PRELOAD");
	c = client_open(" ");
	idle = client_open(" ");
	sql_ok(idle, "SELECT 1");
	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		int64_t begun;
		PGconn *late;

		pid = sql_int(c, "SELECT pg_backend_pid()");
		set_clock(path, jumps[i]);
		/* Nobody is closed, and no server is given up. */
		ck_assert_int_eq(sql_int(c, "SELECT pg_backend_pid()"), pid);
		/* A deadline is as far away as ever. */
		late = client_open(" ");
		begun = fx_now_ms();
		sql_fails(late, "SELECT pg_sleep(30)", "57014",
		    "query timeout");
		ck_assert_int_ge(fx_now_ms() - begun, 900);
		ck_assert_int_lt(fx_now_ms() - begun, fx_scaled(5000));
		PQfinish(late);
		ck_assert_int_ge(show_rows("CLIENTS", "database=app"), 2);
	}
	ck_assert_int_eq(sql_int(idle, "SELECT 2"), 2);
	ck_assert_int_eq(pooler_log_count(p, "client_idle_timeout"), 0);
	ck_assert_int_eq(pooler_log_count(p, "server lifetime over"), 0);
	ck_assert_int_eq(pooler_log_count(p, "server idle timeout"), 0);
	/* It was the pooler's clock that jumped: the years of its lines differ. */
	ck_assert_int_ne(fx_shell(NULL, "test $(cut -c1-4 %s | sort -u | "
	    "grep -c '^20') -le 1", p->log), 0);
	PQfinish(c);
	PQfinish(idle);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("faults");

	FX_ADD(s, killed_process_does_not_stop_the_next_start, 40);
	FX_ADD(s, killed_daemon_does_not_stop_the_next_start, 40);
	FX_ADD(s, full_disk_is_told_and_leaves_nothing, 30);
	if (access(FAKETIME, R_OK) == 0 && !fx_sanitized())
		FX_ADD(s, clock_that_jumps_moves_no_deadline, 60);
	else
		fprintf(stderr, "skipped: clock_that_jumps_moves_no_deadline "
				"(no libfaketime, or sanitizers)\n");
	return fx_main(s);
}
