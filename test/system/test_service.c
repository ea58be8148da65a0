/*
 * The process under a service manager: what it tells, the sockets it is
 * handed, and several processes on one port.
 */
#define _GNU_SOURCE /* unshare() */
#include "fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int
status_of(struct pooler *p)
{
	int rc = fx_wait_exit(p->pid, 15000);

	p->pid = 0;
	return rc;
}

/* --- the manager's end of NOTIFY_SOCKET --- */

static int manager = -1;
static char heard[65536];

static void
manager_open(struct pooler *p)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	snprintf(un.sun_path, sizeof(un.sun_path), "%.80s/notify", p->dir);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	    0);
	ck_assert_int_eq(bind(manager, (struct sockaddr *)&un, sizeof(un)),
	    0);
	chmod(un.sun_path, 0777);
	setenv("NOTIFY_SOCKET", un.sun_path, 1);
}

/* Everything it has said so far, a datagram a line in brackets. */
static const char *
manager_heard(void)
{
	char text[1024];
	ssize_t n;

	while ((n = recv(manager, text, sizeof(text) - 1, 0)) > 0) {
		size_t at = strlen(heard);

		text[n] = '\0';
		snprintf(heard + at, sizeof(heard) - at, "[%s]\n", text);
	}
	return heard;
}

static bool
has_heard(const char *text)
{
	return strstr(manager_heard(), text) != NULL;
}

static int
count_heard(const char *text)
{
	int n = 0;

	for (const char *at = manager_heard(); (at = strstr(at, text)); at++)
		n++;
	return n;
}

START_TEST (manager_is_told_of_start_reload_and_end) {
	struct pooler *p = pooler_prepare("stats_period = 1\n");
	char text[64];

	manager_open(p);
	pooler_launch(p);
	WAIT_UNTIL(has_heard("[READY=1"), 5000);
	snprintf(text, sizeof(text), "MAINPID=%d]", (int)p->pid);
	ck_assert_msg(has_heard(text), "%s", heard);
	ck_assert_msg(!has_heard("WATCHDOG"), "%s", heard);
	WAIT_UNTIL(has_heard("[STATUS=stats: 0 xacts/s"), 5000);
	kill(p->pid, SIGHUP);
	WAIT_UNTIL(count_heard("[READY=1") == 2, 5000);
	ck_assert_msg(has_heard("[RELOADING=1\nMONOTONIC_USEC="), "%s",
	    heard);
	/* Also when nothing could be reloaded: it goes on. */
	pooler_rewrite(p, "no_such_key = 1\n");
	kill(p->pid, SIGHUP);
	WAIT_UNTIL(count_heard("[READY=1") == 3, 5000);
	ck_assert_int_eq(count_heard("[RELOADING=1"), 2);
	ck_assert_int_eq(count_heard("[STOPPING=1]"), 0);
	kill(p->pid, SIGTERM);
	ck_assert_int_eq(status_of(p), 0);
	ck_assert_int_eq(count_heard("[STOPPING=1]"), 1);
}
END_TEST

START_TEST (watchdog_is_fed_while_all_threads_answer) {
	struct pooler *p = pooler_prepare("worker_threads = 2\n");
	char text[64];
	int n;

	manager_open(p);
	setenv("WATCHDOG_USEC", "200000", 1);
	pooler_launch(p);
	WAIT_UNTIL(count_heard("[WATCHDOG=1]") >= 5, 10000);
	/* For a process that is not meant it says nothing. */
	pooler_stop(p);
	n = count_heard("[WATCHDOG=1]");
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("WATCHDOG_PID", text, 1);
	pooler_launch(p);
	WAIT_UNTIL(count_heard("[READY=1") == 2, 5000);
	kill(p->pid, SIGHUP);
	WAIT_UNTIL(count_heard("[READY=1") == 3, 5000);
	ck_assert_int_eq(count_heard("[WATCHDOG=1]"), n);
}
END_TEST

/* --- socket activation --- */

static int
listen_on(struct sockaddr *sa, socklen_t n)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, sa, n), 0);
	ck_assert_int_eq(listen(fd, 100), 0);
	return fd;
}

static int
listen_tcp(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return listen_on((struct sockaddr *)&a, sizeof(a));
}

static int
listen_unix(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd;

	snprintf(un.sun_path, sizeof(un.sun_path), "%.100s", path);
	fd = listen_on((struct sockaddr *)&un, sizeof(un));
	chmod(path, 0777);
	return fd;
}

/* As the manager does: descriptors from 3 on, counted in the environment. */
static void
launch_with(struct pooler *p, const int *fds, int n)
{
	char text[32];
	int log;

	fflush(NULL);
	p->pid = fork();
	if (p->pid != 0) {
		pooler_use(p);
		return;
	}
	log = open(p->log, O_WRONLY | O_CREAT | O_APPEND, 0644);
	dup2(log, 1);
	dup2(log, 2);
	/* Above all that they go to. */
	for (int i = 0; i < n; i++)
		dup2(fds[i], 100 + i);
	for (int i = 0; i < n; i++)
		dup2(100 + i, 3 + i);
	for (int i = 3 + n; i < 256; i++)
		close(i);
	snprintf(text, sizeof(text), "%d", n);
	setenv("LISTEN_FDS", text, 1);
	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv("LISTEN_PID", text, 1);
	execl(pooler_bin(), pooler_bin(), p->ini, (char *)NULL);
	_exit(127);
}

START_TEST (sockets_of_the_manager_are_used_and_stay) {
	struct pooler *p = pooler_prepare("listen_addr = 192.0.2.1\n"
					  "worker_threads = 2\n");
	char path[300];
	PGconn *c, *early;
	int fds[2];

	snprintf(path, sizeof(path), "%s/.s.PGSQL.%d", p->dir, p->port);
	fds[0] = listen_tcp(p->port);
	fds[1] = listen_unix(path);
	/* The manager's sockets take clients before there is a pooler. */
	pooler_use(p);
	early = client_start(" ");
	launch_with(p, fds, 2);
	while (client_poll(early, 10000) != PGRES_POLLING_OK)
		ck_assert_int_ne(PQstatus(early), CONNECTION_BAD);
	ck_assert_int_eq(sql_int(early, "SELECT 7"), 7);
	c = client_open("host=%s", p->dir);
	ck_assert_int_eq(sql_int(c, "SELECT 8"), 8);
	ck_assert(pooler_logged(p, "sockets were handed over: listen_addr"));
	ck_assert(pooler_logged(p, "listening on unix:"));
	PQfinish(c);
	PQfinish(early);
	/* A restart: who comes in between waits. */
	pooler_stop(p);
	early = client_start(" ");
	launch_with(p, fds, 2);
	while (client_poll(early, 10000) != PGRES_POLLING_OK)
		ck_assert_int_ne(PQstatus(early), CONNECTION_BAD);
	PQfinish(early);
	pooler_stop(p);
	ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST (wrong_descriptors_are_refused) {
	struct pooler *p = pooler_prepare("worker_threads = 1\n");
	int fds[2];

	fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	launch_with(p, fds, 1);
	ck_assert_int_eq(status_of(p), 1);
	ck_assert(pooler_logged(p, "descriptor 3 that was handed over is no "
				   "socket"));
	fds[0] = listen_tcp(p->port);
	fds[1] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	launch_with(p, fds, 2);
	ck_assert_int_eq(status_of(p), 1);
	ck_assert(pooler_logged(p, "descriptor 4 that was handed over does "
				   "not listen for clients"));
}
END_TEST

START_TEST (pgbench_survives_a_restart_behind_kept_sockets) {
	struct pooler *p = pooler_prepare("worker_threads = 2\n"
	    "default_pool_size = 5\ndrain_timeout = 5\n");
	char script[300], out[300], *text;
	int fd = listen_tcp(p->port);
	pid_t bench;

	snprintf(script, sizeof(script), "%s/one.sql", p->dir);
	snprintf(out, sizeof(out), "%s/bench.out", p->dir);
	fx_write_file(script, "SELECT 1;\n");
	launch_with(p, &fd, 1);
	WAIT_UNTIL(pooler_logged(p, "process up"), 10000);
	bench = fork();
	if (bench == 0) {
		/* A thread each: pgbench connects with the thread's other
		 * clients standing still. */
		int rc = fx_shell(&text, "%s/pgbench -n -C -c 8 -j 8 -T 6 "
		    "-f %s -h 127.0.0.1 -p %d -U alice app", pg_bindir(),
		    script, p->port);

		fx_write_file(out, text);
		_exit(rc);
	}
	for (int i = 0; i < 5; i++) {
		long done = pooler_log_count(p, "login attempt");

		WAIT_UNTIL(pooler_log_count(p, "login attempt") > done + 50,
		    10000);
		kill(p->pid, SIGTERM);
		ck_assert_int_eq(status_of(p), 0);
		launch_with(p, &fd, 1);
	}
	ck_assert_int_eq(fx_wait_exit(bench, 20000), 0);
	text = fx_read_file(out);
	ck_assert_msg(strstr(text, "number of failed transactions: 0 ") !=
	    NULL, "%s", text);
}
END_TEST

/* --- several processes on one port --- */

START_TEST (several_processes_share_a_port) {
	struct pooler *p[3];
	int port = fx_free_port();
	PGconn *c;

	for (int i = 0; i < 3; i++) {
		p[i] = pooler_prepare("worker_threads = 1\nso_reuseport = 1\n"
				      "listen_port = %d\npeer_id = %d\n", port,
		    i + 1);
		p[i]->port = port;
		pooler_launch(p[i]);
		WAIT_UNTIL(pooler_logged(p[i], "process up"), 10000);
	}
	for (int i = 0; i < 60; i++) {
		c = client_open(" ");
		sql_ok(c, "SELECT 1");
		PQfinish(c);
	}
	/* A line is written behind what it tells of. */
	WAIT_UNTIL(pooler_log_count(p[0], "login attempt") +
	    pooler_log_count(p[1], "login attempt") +
	    pooler_log_count(p[2], "login attempt") == 60, 10000);
	for (int i = 0; i < 3; i++)
		ck_assert_int_gt(pooler_log_count(p[i], "login attempt"), 0);
	/* One goes; the others have its share. */
	kill(p[1]->pid, SIGTERM);
	ck_assert_int_eq(status_of(p[1]), 0);
	for (int i = 0; i < 30; i++)
		PQfinish(client_open(" "));
}
END_TEST

/* --- a restart of each of them, under load --- */

enum { FLEET = 3 };

static struct pooler *fleet[FLEET];
static int fleet_port;

/* They reach the server by its Unix socket: it is outside of a network of our
 * own. */
static void
fleet_start(void)
{
	fleet_port = fx_free_port();
	for (int i = 0; i < FLEET; i++) {
		fleet[i] = pooler_prepare("worker_threads = 1\n"
		    "so_reuseport = 1\nlisten_port = %d\npeer_id = %d\n"
		    "drain_timeout = 5\ndefault_pool_size = 4\n"
		    "log_connections = 0\nlog_disconnections = 0\n"
		    "[databases]\n* = host=@PGSOCKET@ port=@PGPORT@\n",
		    fleet_port, i + 1);
		fleet[i]->port = fleet_port;
		pooler_launch(fleet[i]);
		WAIT_UNTIL(pooler_logged(fleet[i], "process up"), 10000);
	}
}

/* In the background; its output goes to NAME.out. */
static pid_t
start_pgbench(const char *name, const char *args)
{
	char script[300], out[300], *text;
	pid_t bench;
	int rc;

	snprintf(script, sizeof(script), "%s/one.sql", fleet[0]->dir);
	snprintf(out, sizeof(out), "%s/%s.out", fleet[0]->dir, name);
	fx_write_file(script, "SELECT 1;\n");
	fflush(NULL);
	bench = fork();
	if (bench != 0)
		return bench;
	rc = fx_shell(&text, "%s/pgbench -n %s -f %s -h 127.0.0.1 -p %d "
	    "-U alice app", pg_bindir(), args, script, fleet_port);
	fx_write_file(out, text);
	_exit(rc);
}

static void
no_transaction_failed(const char *name, pid_t bench)
{
	int rc = fx_wait_exit(bench, 30000);
	char out[300], *text;

	snprintf(out, sizeof(out), "%s/%s.out", fleet[0]->dir, name);
	text = fx_read_file(out);
	ck_assert_msg(rc == 0 &&
		strstr(text, "number of failed transactions: 0 ") != NULL,
	    "pgbench %s: status %d: %s", name, rc, text);
	free(text);
}

/* All of its transactions so far, as the server counts them. */
static bool
goes_on(long from)
{
	return pg_int("SELECT xact_commit FROM pg_stat_database WHERE "
		      "datname = 'app'") > from + 100;
}

static void
wait_for_more(void)
{
	long n = pg_int("SELECT xact_commit FROM pg_stat_database WHERE "
			"datname = 'app'");

	WAIT_UNTIL(goes_on(n), 15000);
}

/* The sockets are handed on, and nobody in their queues is lost. */
START_TEST (each_of_several_is_taken_over_under_load) {
	pid_t stay, come;

	fleet_start();
	stay = start_pgbench("stay", "-c 12 -j 2 -T 6");
	come = start_pgbench("come", "-C -c 6 -j 6 -T 6");
	for (int i = 0; i < 2 * FLEET; i++) {
		struct pooler *p = fleet[i % FLEET];
		char *argv[] = { (char *)(uintptr_t)pooler_bin(), "-R", p->ini,
			NULL };
		pid_t pid;

		wait_for_more();
		pid = fx_spawn(p->log, false, argv);
		ck_assert_int_eq(fx_wait_exit(p->pid, 10000), 0);
		p->pid = pid;
		WAIT_UNTIL(pooler_log_count(p, "the process before has ended") ==
			i / FLEET + 1, 5000);
	}
	no_transaction_failed("stay", stay);
	no_transaction_failed("come", come);
}
END_TEST

/* In a network of its own, where the kernel gives what waits for a socket that
 * is closed to another one. False: that cannot be had here. */
static bool
leave_network(void)
{
	FILE *f;

	if (unshare(CLONE_NEWNET) != 0 ||
	    fx_shell(NULL, "ip link set lo up") != 0)
		return false;
	f = fopen("/proc/sys/net/ipv4/tcp_migrate_req", "w");
	if (f == NULL)
		return false;
	fputs("1\n", f);
	return fclose(f) == 0;
}

/* On demand, TEST_LONG=1: once in a while a connection that arrives while a
 * socket is being closed is reset all the same, and whether by the kernel is
 * not known. */
START_TEST (each_of_several_is_restarted_under_load) {
	pid_t come;

	if (!getenv("TEST_LONG")) {
		fprintf(stderr, "skipped: each_of_several_is_restarted_under_"
				"load (TEST_LONG=1 runs it)\n");
		return;
	}
	if (!leave_network()) {
		fprintf(stderr, "skipped: each_of_several_is_restarted_under_"
				"load (no network namespaces, or no "
				"tcp_migrate_req)\n");
		return;
	}
	fleet_start();
	come = start_pgbench("come", "-C -c 8 -j 8 -T 6");
	for (int i = 0; i < 2 * FLEET; i++) {
		struct pooler *p = fleet[i % FLEET];

		wait_for_more();
		kill(p->pid, SIGTERM);
		ck_assert_int_eq(status_of(p), 0);
		pooler_launch(p);
		WAIT_UNTIL(pooler_log_count(p, "process up") ==
			i / FLEET + 2, 10000);
	}
	no_transaction_failed("come", come);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("service");

	FX_ADD(s, manager_is_told_of_start_reload_and_end, 30);
	FX_ADD(s, watchdog_is_fed_while_all_threads_answer, 40);
	FX_ADD(s, sockets_of_the_manager_are_used_and_stay, 30);
	FX_ADD(s, wrong_descriptors_are_refused, 30);
	FX_ADD(s, pgbench_survives_a_restart_behind_kept_sockets, 60);
	FX_ADD(s, several_processes_share_a_port, 40);
	FX_ADD(s, each_of_several_is_taken_over_under_load, 60);
	FX_ADD(s, each_of_several_is_restarted_under_load, 60);
	return fx_main(s);
}
