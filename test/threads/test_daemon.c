/* Pid file, background, user and descriptor limit. */
#include <check.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "config_text.h"
#include "control/daemon.h"

static char dir[64];
static char path[96];

static void
write_text(const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static void
write_pid(pid_t pid)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld\n", (long)pid);
	write_text(text);
}

static void
read_text(char *out, size_t cap)
{
	FILE *f = fopen(path, "r");
	size_t n;

	ck_assert_ptr_nonnull(f);
	n = fread(out, 1, cap - 1, f);
	out[n] = '\0';
	fclose(f);
}

/* Of a process that has just ended, and was waited for. */
static pid_t
dead_pid(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	return pid;
}

static void
set_up(void)
{
	unlink(path);
}

/* ---- pid file ---- */

START_TEST (pidfile_holds_our_pid) {
	char text[32], want[32];
	struct stat st;
	struct err e;

	umask(077);
	ck_assert_msg(daemon_write_pidfile(path, &e), "%s", e.msg);
	read_text(text, sizeof(text));
	snprintf(want, sizeof(want), "%ld\n", (long)getpid());
	ck_assert_str_eq(text, want);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
	daemon_remove_pidfile(path);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST (no_pidfile_is_fine) {
	struct err e;

	ck_assert(daemon_check_pidfile("", &e));
	ck_assert(daemon_write_pidfile("", &e));
	daemon_remove_pidfile("");
	ck_assert(daemon_check_pidfile(path, &e));
	daemon_remove_pidfile(path);
}
END_TEST

static const char *const unreadable[] = { "", "\n", "pooler\n", "0\n", "-5\n",
	"12x\n", "99999999999999999999\n" };

START_TEST (pidfile_without_a_pid_is_in_use) {
	char want[160];
	struct err e;

	write_text(unreadable[_i]);
	snprintf(want, sizeof(want),
	    "pidfile '%s' exists, another instance running?", path);
	ck_assert(!daemon_check_pidfile(path, &e));
	ck_assert_str_eq(e.msg, want);
	ck_assert(!daemon_write_pidfile(path, &e));
	ck_assert_str_eq(e.msg, want);
}
END_TEST

START_TEST (pidfile_of_a_live_process_is_in_use_and_stays) {
	char text[32], want[32];
	struct err e;

	write_pid(getppid());
	ck_assert(!daemon_check_pidfile(path, &e));
	ck_assert(!daemon_write_pidfile(path, &e));
	daemon_remove_pidfile(path);
	read_text(text, sizeof(text));
	snprintf(want, sizeof(want), "%ld\n", (long)getppid());
	ck_assert_str_eq(text, want);
}
END_TEST

START_TEST (pidfile_of_a_dead_process_is_replaced) {
	char text[32];
	struct err e;

	write_pid(dead_pid());
	ck_assert_msg(daemon_check_pidfile(path, &e), "%s", e.msg);
	ck_assert_msg(daemon_write_pidfile(path, &e), "%s", e.msg);
	read_text(text, sizeof(text));
	ck_assert_int_eq(atol(text), getpid());
}
END_TEST

/* As in a container, where every start has the same pid. */
START_TEST (pidfile_with_our_own_pid_is_stale) {
	struct err e;

	write_pid(getpid());
	ck_assert_msg(daemon_write_pidfile(path, &e), "%s", e.msg);
}
END_TEST

START_TEST (pidfile_in_no_folder_is_an_error) {
	struct err e;

	ck_assert(daemon_check_pidfile("/nonexistent/pooler.pid", &e));
	ck_assert(!daemon_write_pidfile("/nonexistent/pooler.pid", &e));
	ck_assert_str_eq(e.msg,
	    "could not create pidfile '/nonexistent/pooler.pid': "
	    "No such file or directory");
}
END_TEST

#define STARTERS 8

/* Waits for the start, tries, tells, and stays alive until told to end. */
static void
starter(int go, int tell)
{
	struct err e;
	char c;

	if (read(go, &c, 1) != 0)
		_exit(1);
	c = daemon_write_pidfile(path, &e) ? 'y' : 'n';
	if (write(tell, &c, 1) != 1)
		_exit(1);
	pause();
}

START_TEST (one_of_many_starting_processes_gets_the_pidfile) {
	for (int round = 0; round < 20; round++) {
		int go[2], tell[2], winners = 0;
		pid_t pids[STARTERS];

		write_pid(dead_pid());
		ck_assert_int_eq(pipe(go), 0);
		ck_assert_int_eq(pipe(tell), 0);
		for (int i = 0; i < STARTERS; i++) {
			pids[i] = fork();
			if (pids[i] == 0) {
				close(go[1]);
				starter(go[0], tell[1]);
			}
		}
		close(go[1]);
		for (int i = 0; i < STARTERS; i++) {
			char c = 0;

			ck_assert_int_eq(read(tell[0], &c, 1), 1);
			winners += c == 'y';
		}
		for (int i = 0; i < STARTERS; i++) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
		}
		ck_assert_int_eq(winners, 1);
		close(go[0]);
		close(tell[0]);
		close(tell[1]);
	}
}
END_TEST

/* ---- background ---- */

static bool
is_null(int fd)
{
	struct stat st, null;

	return fstat(fd, &st) == 0 && stat("/dev/null", &null) == 0 &&
	    st.st_rdev == null.st_rdev && S_ISCHR(st.st_mode);
}

START_TEST (parent_ends_well_once_the_daemon_is_ready) {
	struct daemon_link link;
	struct err e;
	pid_t parent = getpid();
	int tell[2];
	char said[8] = "";

	ck_assert_int_eq(pipe(tell), 0);
	ck_assert_msg(daemon_fork(&link, &e), "%s", e.msg);
	if (!link.is_parent) {
		said[0] = getpid() != parent ? 'y' : 'n';
		said[1] = getsid(0) != getpid() && getpgrp() != getpid() ? 'y' :
									   'n';
		said[2] = is_null(0) && is_null(1) ? 'y' : 'n';
		said[3] = !is_null(2) ? 'y' : 'n';
		daemon_ready(&link);
		said[4] = is_null(2) ? 'y' : 'n';
		_exit(write(tell[1], said, 5) == 5 ? 0 : 1);
	}
	ck_assert_int_eq(link.status, 0);
	ck_assert_int_eq(read(tell[0], said, 5), 5);
	ck_assert_str_eq(said, "yyyyy");
}
END_TEST

START_TEST (parent_fails_when_the_daemon_does) {
	struct daemon_link link;
	struct err e;

	ck_assert(daemon_fork(&link, &e));
	if (!link.is_parent)
		_exit(0);
	ck_assert_int_eq(link.status, 1);
}
END_TEST

START_TEST (ready_without_a_parent_does_nothing) {
	struct daemon_link link = { 0 };

	daemon_ready(&link);
	ck_assert_int_ne(fcntl(0, F_GETFD), -1);
}
END_TEST

START_TEST (closed_stdio_is_filled) {
	int status = 0;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		close(0);
		close(2);
		daemon_fill_stdio();
		_exit(is_null(0) && is_null(2) ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* ---- user ---- */

static void
become_nobody(void)
{
	struct err e;

	if (geteuid() == 0)
		ck_assert_msg(daemon_drop_root("nobody", &e), "%s", e.msg);
}

START_TEST (root_is_refused) {
	struct err e;

	if (geteuid() != 0)
		return;
	ck_assert(!daemon_drop_root("", &e));
	ck_assert_str_eq(e.msg, "refusing to run as root");
	ck_assert(!daemon_drop_root("root", &e));
	ck_assert_str_eq(e.msg, "refusing to run as root");
	ck_assert_int_eq(geteuid(), 0);
}
END_TEST

START_TEST (root_is_dropped_for_good) {
	const struct passwd *pw = getpwnam("nobody");
	gid_t groups[64];
	int n;

	if (geteuid() != 0)
		return;
	become_nobody();
	ck_assert_uint_eq(getuid(), pw->pw_uid);
	ck_assert_uint_eq(geteuid(), pw->pw_uid);
	ck_assert_uint_eq(getegid(), pw->pw_gid);
	ck_assert_int_eq(setuid(0), -1);
	ck_assert_int_eq(seteuid(0), -1);
	ck_assert_int_eq(setgid(0), -1);
	n = getgroups(64, groups);
	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++)
		ck_assert_uint_ne(groups[i], 0);
}
END_TEST

START_TEST (unknown_user_is_an_error) {
	struct err e;

	ck_assert(!daemon_drop_root("no-such-user", &e));
	ck_assert_str_eq(e.msg, "unknown user \"no-such-user\"");
}
END_TEST

START_TEST (plain_user_may_only_be_itself) {
	const struct passwd *pw;
	struct err e;

	become_nobody();
	ck_assert(daemon_drop_root("", &e));
	pw = getpwuid(getuid());
	ck_assert(pw == NULL || daemon_drop_root(pw->pw_name, &e));
	ck_assert(!daemon_drop_root("daemon", &e));
	ck_assert_str_eq(e.msg,
	    "cannot switch to user \"daemon\", as we were not started as root");
}
END_TEST

/* ---- descriptors ---- */

START_TEST (expected_descriptors_follow_the_configuration) {
	struct config *c = config_text("max_client_conn = 100\n"
				       "max_login_conn = 50\n"
				       "max_cancel_conn = 10\n"
				       "worker_threads = 2\n"
				       "default_pool_size = 7\n"
				       "reserve_pool_size = 3\n"
				       "[databases]\n"
				       "a = host=h user=u\n"
				       "b = host=h user=u pool_size=20\n"
				       "c = host=h user=u pool_size=20 "
				       "max_db_connections=5\n"
				       "d = host=h user=u pool_size=0\n");

	ck_assert_uint_eq(daemon_expected_fds(c),
	    32 + 4 * 2 + 100 + 50 + 2 * 10 + (7 + 3) + (20 + 3) + 5 + 100);
	config_unref(c);
}
END_TEST

START_TEST (soft_limit_is_raised_and_logged) {
	struct config *c = config_text("max_client_conn = 300\n"
				       "[databases]\n"
				       "a = host=h user=u pool_size=10\n");
	struct log_target target = { .file = path };
	struct rlimit lim;
	char text[2048], want[256];

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &lim), 0);
	lim.rlim_max = 500;
	lim.rlim_cur = 64;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lim), 0);
	ck_assert(log_configure(&target));
	ck_assert(log_start());
	daemon_raise_nofile(c);
	log_stop();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &lim), 0);
	ck_assert_uint_eq(lim.rlim_cur, 500);
	read_text(text, sizeof(text));
	snprintf(want, sizeof(want),
	    "LOG kernel file descriptor limit: 500 (hard: 500); "
	    "max_client_conn: 300, max expected fd use: %llu",
	    (unsigned long long)daemon_expected_fds(c));
	ck_assert_msg(strstr(text, want) != NULL, "%s", text);
	ck_assert_msg(strstr(text, "exceeds the limit") != NULL, "%s", text);
	config_unref(c);
}
END_TEST

static Suite *
daemon_suite(void)
{
	Suite *s = suite_create("daemon");
	TCase *tc = tcase_create("daemon");

	tcase_add_checked_fixture(tc, set_up, NULL);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, pidfile_holds_our_pid);
	tcase_add_test(tc, no_pidfile_is_fine);
	tcase_add_loop_test(tc, pidfile_without_a_pid_is_in_use, 0,
	    (int)ARRAY_LEN(unreadable));
	tcase_add_test(tc, pidfile_of_a_live_process_is_in_use_and_stays);
	tcase_add_test(tc, pidfile_of_a_dead_process_is_replaced);
	tcase_add_test(tc, pidfile_with_our_own_pid_is_stale);
	tcase_add_test(tc, pidfile_in_no_folder_is_an_error);
	tcase_add_test(tc, one_of_many_starting_processes_gets_the_pidfile);
	tcase_add_test(tc, parent_ends_well_once_the_daemon_is_ready);
	tcase_add_test(tc, parent_fails_when_the_daemon_does);
	tcase_add_test(tc, ready_without_a_parent_does_nothing);
	tcase_add_test(tc, closed_stdio_is_filled);
	tcase_add_test(tc, root_is_refused);
	tcase_add_test(tc, root_is_dropped_for_good);
	tcase_add_test(tc, unknown_user_is_an_error);
	tcase_add_test(tc, plain_user_may_only_be_itself);
	tcase_add_test(tc, expected_descriptors_follow_the_configuration);
	tcase_add_test(tc, soft_limit_is_raised_and_logged);
	suite_add_tcase(s, tc);
	return s;
}

int
main(void)
{
	SRunner *r;
	char command[96];
	int failed;

	snprintf(dir, sizeof(dir), "/tmp/pooler-daemon.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	snprintf(path, sizeof(path), "%s/pooler.pid", dir);
	r = srunner_create(daemon_suite());
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command) != 0)
		failed++;
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
