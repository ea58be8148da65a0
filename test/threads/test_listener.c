/* Listening sockets and what comes out of them. */
#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config_text.h"
#include "control/listener.h"

#define CLIENTS_MAX 300

static char dir[64];
static char sock_path[96];
static int port;
static struct loop *loop;

/* What the owner has been given. */
static struct {
	int fds[CLIENTS_MAX];
	struct addr peers[CLIENTS_MAX];
	bool is_unix[CLIENTS_MAX];
	int n, want;
	struct listener *close_tcp; /* at the first one */
	struct listener *pause;
} got;

static void
on_accepted(void *arg, int fd, const struct addr *peer, bool is_unix)
{
	ck_assert_ptr_eq(arg, &got);
	ck_assert_int_lt(got.n, CLIENTS_MAX);
	got.fds[got.n] = fd;
	got.peers[got.n] = *peer;
	got.is_unix[got.n] = is_unix;
	if (got.close_tcp != NULL)
		listener_close_tcp(got.close_tcp);
	if (got.pause != NULL)
		listener_pause(got.pause);
	if (++got.n == got.want)
		loop_stop(loop);
}

/* ---- the world around ---- */

static int
free_port(void)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t n = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, n), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &n), 0);
	close(fd);
	return ntohs(in.sin_port);
}

static void
set_up(void)
{
	port = free_port();
	snprintf(sock_path, sizeof(sock_path), "%s/.s.PGSQL.%d", dir, port);
	loop = loop_new();
	memset(&got, 0, sizeof(got));
}

static void
tear_down(void)
{
	for (int i = 0; i < got.n; i++)
		close(got.fds[i]);
	loop_free(loop);
}

/* TCP and Unix as said, other lines as in fmt. */
static struct config *
conf(const char *listen_addr, bool with_unix, const char *more)
{
	return config_text("listen_addr = %s\n"
			   "listen_port = %d\n"
			   "unix_socket_dir = %s\n"
			   "listen_backlog = 1000\n"
			   "%s",
	    listen_addr, port, with_unix ? dir : "", more);
}

static struct listener *
open_with(struct config *c, struct err *e)
{
	struct listener *ln = listener_open(loop, c, NULL, on_accepted, &got, e);

	config_unref(c);
	return ln;
}

static struct listener *
must_open(struct config *c)
{
	struct err e;
	struct listener *ln = open_with(c, &e);

	ck_assert_msg(ln != NULL, "%s", e.msg);
	return ln;
}

static void
must_fail(struct config *c, const char *msg)
{
	struct err e;
	struct listener *ln = open_with(c, &e);

	ck_assert_ptr_null(ln);
	ck_assert_str_eq(e.msg, msg);
}

static int
try_tcp(const char *host)
{
	struct sockaddr_storage ss;
	struct addr a;
	socklen_t n;
	int fd;

	ck_assert(addr_parse(&a, host, (uint16_t)port));
	n = addr_to_sockaddr(&a, &ss);
	fd = socket(a.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1 || connect(fd, (struct sockaddr *)&ss, n) != 0) {
		if (fd != -1)
			close(fd);
		return -1;
	}
	/* A client speaks first; see tcp_defer_accept. */
	ck_assert_int_eq(send(fd, "x", 1, MSG_NOSIGNAL), 1);
	return fd;
}

static int
try_unix(const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_uint_lt(len, sizeof(un.sun_path));
	memcpy(un.sun_path, name, len);
	if (name[0] == '@')
		un.sun_path[0] = '\0';
	else
		len++;
	if (connect(fd, (struct sockaddr *)&un,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void
accept_some(int n)
{
	got.want = got.n + n;
	loop_run(loop);
	ck_assert_int_eq(got.n, got.want);
}

static void
on_time(struct timer *t)
{
	(void)t;
	loop_stop(loop);
}

/* Turns for that long; nothing more than n may come. */
static void
run_for(usec_t us)
{
	struct timer t;

	timer_init(&t, on_time);
	timer_set(loop, &t, clock_mono_us() + us);
	got.want = 0;
	loop_run(loop);
	timer_fini(&t);
}

static bool
kernel_has_ipv6(void)
{
	struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool ok = fd != -1 &&
	    bind(fd, (struct sockaddr *)&in6, sizeof(in6)) == 0;

	if (fd != -1)
		close(fd);
	return ok;
}

static int
sockopt(int fd, int level, int option)
{
	socklen_t n = sizeof(int);
	int value = -1;

	ck_assert_int_eq(getsockopt(fd, level, option, &value, &n), 0);
	return value;
}

/* ---- TCP ---- */

START_TEST (tcp_client_comes_with_its_address) {
	struct listener *ln = must_open(conf("127.0.0.1", false, ""));
	struct addr self;
	int fd = try_tcp("127.0.0.1");

	ck_assert_int_ge(fd, 0);
	accept_some(1);
	addr_of_socket(&self, fd);
	ck_assert(addr_eq(&self, &got.peers[0]));
	ck_assert(!got.is_unix[0]);
	listener_close(ln);
	close(fd);
}
END_TEST

START_TEST (accepted_socket_is_set_up) {
	struct listener *ln = must_open(conf("127.0.0.1", false,
	    "tcp_keepcnt = 3\ntcp_keepidle = 77\ntcp_keepintvl = 11\n"
	    "tcp_user_timeout = 12345\ntcp_socket_buffer = 70000\n"));
	int fd = try_tcp("127.0.0.1");
	int s;

	accept_some(1);
	s = got.fds[0];
	ck_assert_int_ne(fcntl(s, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(s, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_ne(sockopt(s, IPPROTO_TCP, TCP_NODELAY), 0);
	ck_assert_int_ne(sockopt(s, SOL_SOCKET, SO_KEEPALIVE), 0);
	ck_assert_int_eq(sockopt(s, IPPROTO_TCP, TCP_KEEPCNT), 3);
	ck_assert_int_eq(sockopt(s, IPPROTO_TCP, TCP_KEEPIDLE), 77);
	ck_assert_int_eq(sockopt(s, IPPROTO_TCP, TCP_KEEPINTVL), 11);
	ck_assert_int_eq(sockopt(s, IPPROTO_TCP, TCP_USER_TIMEOUT), 12345);
	ck_assert_int_ge(sockopt(s, SOL_SOCKET, SO_SNDBUF), 70000);
	ck_assert_int_ge(sockopt(s, SOL_SOCKET, SO_RCVBUF), 70000);
	listener_close(ln);
	close(fd);
}
END_TEST

START_TEST (reload_changes_the_options_of_later_clients) {
	struct listener *ln = must_open(conf("127.0.0.1", false, ""));
	struct config *c = conf("127.0.0.1", false, "tcp_keepalive = 0\n");
	int a = try_tcp("127.0.0.1"), b;

	accept_some(1);
	listener_configure(ln, c);
	config_unref(c);
	b = try_tcp("127.0.0.1");
	accept_some(1);
	ck_assert_int_ne(sockopt(got.fds[0], SOL_SOCKET, SO_KEEPALIVE), 0);
	ck_assert_int_eq(sockopt(got.fds[1], SOL_SOCKET, SO_KEEPALIVE), 0);
	listener_close(ln);
	close(a);
	close(b);
}
END_TEST

static void
see_where(void *arg, int fd, const struct addr *addr, const char *where)
{
	char *text = arg;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ne(addr->family, 0);
	strcat(strcat(text, where), " ");
}

START_TEST (list_of_addresses_is_bound_each_once) {
	struct listener *ln = must_open(
	    conf("127.0.0.1, 127.0.0.2,, 127.0.0.1", true, ""));
	char text[1024] = "", want[64];
	int a = try_tcp("127.0.0.2"), b = try_tcp("127.0.0.1");

	ck_assert_int_ge(a, 0);
	ck_assert_int_ge(b, 0);
	accept_some(2);
	listener_each(ln, see_where, text);
	snprintf(want, sizeof(want), "127.0.0.1:%d ", port);
	ck_assert_ptr_nonnull(strstr(text, want));
	ck_assert_ptr_null(strstr(strstr(text, want) + 1, want));
	snprintf(want, sizeof(want), "127.0.0.2:%d ", port);
	ck_assert_ptr_nonnull(strstr(text, want));
	ck_assert_ptr_nonnull(strstr(text, "unix:"));
	listener_close(ln);
	close(a);
	close(b);
}
END_TEST

START_TEST (name_is_resolved) {
	struct listener *ln = must_open(conf("localhost", false, ""));
	int fd = try_tcp("127.0.0.1");

	if (fd == -1)
		fd = try_tcp("::1");
	ck_assert_int_ge(fd, 0);
	accept_some(1);
	listener_close(ln);
	close(fd);
}
END_TEST

START_TEST (star_is_both_families_on_one_port) {
	struct listener *ln = must_open(conf("*", false, ""));
	int v4 = try_tcp("127.0.0.1"), v6 = -1;

	ck_assert_int_ge(v4, 0);
	accept_some(1);
	ck_assert_int_eq(got.peers[0].family, AF_INET);
	if (kernel_has_ipv6()) {
		v6 = try_tcp("::1");
		ck_assert_int_ge(v6, 0);
		accept_some(1);
		ck_assert_int_eq(got.peers[1].family, AF_INET6);
		close(v6);
	}
	listener_close(ln);
	close(v4);
}
END_TEST

START_TEST (ipv6_takes_no_ipv4) {
	struct listener *ln;

	if (!kernel_has_ipv6())
		return;
	ln = must_open(conf("::", false, ""));
	ck_assert_int_eq(try_tcp("127.0.0.1"), -1);
	listener_close(ln);
}
END_TEST

START_TEST (unknown_name_is_fatal) {
	struct err e;

	ck_assert_ptr_null(
	    open_with(conf("127.0.0.1, no-such.invalid", true, ""), &e));
	ck_assert_ptr_nonnull(strstr(e.msg,
	    "could not resolve listen_addr \"no-such.invalid\": "));
	/* ... and leaves nothing behind. */
	ck_assert_int_ne(access(sock_path, F_OK), 0);
	ck_assert_int_eq(try_tcp("127.0.0.1"), -1);
}
END_TEST

START_TEST (port_in_use_is_fatal_if_no_address_is_left) {
	struct listener *ln = must_open(conf("127.0.0.1", false, ""));
	char want[200];

	snprintf(want, sizeof(want),
	    "nowhere to listen on: could not listen on 127.0.0.1:%d: "
	    "Address already in use",
	    port);
	must_fail(conf("127.0.0.1", false, ""), want);
	/* A Unix socket does not make up for it, and does not stay. */
	must_fail(conf("127.0.0.1", true, ""), want);
	ck_assert_int_ne(access(sock_path, F_OK), 0);
	listener_close(ln);
}
END_TEST

START_TEST (port_in_use_is_a_warning_else) {
	struct listener *a = must_open(conf("127.0.0.1", false, ""));
	struct listener *b = must_open(conf("127.0.0.1,127.0.0.2", false, ""));
	int fd = try_tcp("127.0.0.2");

	ck_assert_int_ge(fd, 0);
	accept_some(1);
	listener_close(a);
	listener_close(b);
	close(fd);
}
END_TEST

START_TEST (nothing_to_listen_on_is_fatal) {
	must_fail(conf("", false, ""), "nowhere to listen on");
}
END_TEST

START_TEST (so_reuseport_lets_two_listen) {
	const char *more = "so_reuseport = 1\n";
	struct listener *a = must_open(conf("127.0.0.1", false, more));
	struct listener *b = must_open(conf("127.0.0.1", false, more));

	listener_close(a);
	listener_close(b);
}
END_TEST

/* ---- Unix ---- */

START_TEST (unix_client_comes_with_its_pid) {
	struct listener *ln = must_open(conf("", true, ""));
	int fd = try_unix(sock_path);

	ck_assert_int_ge(fd, 0);
	accept_some(1);
	ck_assert(got.is_unix[0]);
	ck_assert_int_eq(got.peers[0].family, AF_UNIX);
	ck_assert_int_eq((pid_t)got.peers[0].pid, getpid());
	listener_close(ln);
	ck_assert_int_ne(access(sock_path, F_OK), 0);
	close(fd);
}
END_TEST

START_TEST (unix_socket_has_mode_and_group) {
	char more[96];
	struct listener *ln;
	struct stat st;
	mode_t mask = umask(027);

	snprintf(more, sizeof(more),
	    "unix_socket_mode = 0712\nunix_socket_group = %u\n",
	    (unsigned)getegid());
	ln = must_open(conf("", true, more));
	ck_assert_int_eq(stat(sock_path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0712);
	ck_assert_uint_eq(st.st_gid, getegid());
	ck_assert_uint_eq(umask(mask), 027);
	listener_close(ln);
}
END_TEST

START_TEST (unknown_group_is_fatal_and_leaves_no_socket) {
	must_fail(conf("", true, "unix_socket_group = no-such-group\n"),
	    "unknown unix_socket_group \"no-such-group\"");
	ck_assert_int_ne(access(sock_path, F_OK), 0);
}
END_TEST

/* A socket file whose process has gone without a word. */
static void
make_stale(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	copy_str(un.sun_path, sizeof(un.sun_path), sock_path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	close(fd);
}

START_TEST (stale_unix_socket_is_replaced) {
	struct listener *ln;
	int fd;

	make_stale();
	ck_assert_int_eq(try_unix(sock_path), -1);
	ln = must_open(conf("", true, ""));
	fd = try_unix(sock_path);
	ck_assert_int_ge(fd, 0);
	accept_some(1);
	listener_close(ln);
	close(fd);
}
END_TEST

START_TEST (live_unix_socket_is_fatal_and_stays) {
	struct listener *ln = must_open(conf("", true, ""));
	int fd;

	must_fail(conf("127.0.0.1", true, ""),
	    "unix socket is in use, cannot continue");
	fd = try_unix(sock_path);
	ck_assert_int_ge(fd, 0);
	accept_some(2);
	listener_close(ln);
	close(fd);
}
END_TEST

START_TEST (file_that_is_no_socket_is_fatal_and_stays) {
	char want[160];
	int fd = open(sock_path, O_CREAT | O_WRONLY, 0600);

	ck_assert_int_ge(fd, 0);
	close(fd);
	snprintf(want, sizeof(want), "\"%s\" exists and is no socket",
	    sock_path);
	must_fail(conf("", true, ""), want);
	ck_assert_int_eq(access(sock_path, F_OK), 0);
}
END_TEST

static void
write_lock(pid_t pid)
{
	char lock[128];
	FILE *f;

	snprintf(lock, sizeof(lock), "%s.lock", sock_path);
	f = fopen(lock, "w");
	ck_assert_ptr_nonnull(f);
	fprintf(f, "%ld\n/var/lib/postgresql\n", (long)pid);
	fclose(f);
}

START_TEST (lock_file_of_a_postgresql_is_fatal) {
	char want[64];

	write_lock(getppid());
	snprintf(want, sizeof(want), "unix port %d is in use", port);
	must_fail(conf("", true, ""), want);
}
END_TEST

START_TEST (lock_file_of_a_dead_postgresql_is_none) {
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	write_lock(pid);
	listener_close(must_open(conf("", true, "")));
}
END_TEST

START_TEST (successors_socket_file_stays_when_we_leave) {
	struct listener *ln = must_open(conf("", true, ""));

	ck_assert_int_eq(unlink(sock_path), 0);
	make_stale();
	listener_close(ln);
	ck_assert_int_eq(access(sock_path, F_OK), 0);
}
END_TEST

START_TEST (long_unix_socket_dir_is_an_error) {
	char more[200];
	char want[200];
	char name[120];

	memset(name, 'd', sizeof(name) - 1);
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	snprintf(more, sizeof(more), "unix_socket_dir = %s\n", name);
	snprintf(want, sizeof(want), "unix_socket_dir \"%s\" is too long",
	    name);
	must_fail(conf("127.0.0.1", false, more), want);
}
END_TEST

START_TEST (abstract_socket_has_no_file) {
	char more[96], name[96];
	struct listener *ln;
	int fd;

	snprintf(more, sizeof(more), "unix_socket_dir = @pooler-%d\n",
	    (int)getpid());
	snprintf(name, sizeof(name), "@pooler-%d/.s.PGSQL.%d", (int)getpid(),
	    port);
	ln = must_open(conf("", false, more));
	fd = try_unix(name);
	ck_assert_int_ge(fd, 0);
	accept_some(1);
	must_fail(conf("", false, more),
	    "unix socket is in use, cannot continue");
	listener_close(ln);
	close(fd);
}
END_TEST

/* ---- accepting ---- */

START_TEST (burst_is_taken_whole) {
	struct listener *ln = must_open(conf("127.0.0.1", false, ""));
	int fds[250];

	for (int i = 0; i < 250; i++)
		ck_assert_int_ge(fds[i] = try_tcp("127.0.0.1"), 0);
	accept_some(250);
	/* In portions, so that others get their turn. */
	ck_assert_uint_ge(loop_turns(loop), 250 / LISTENER_BURST);
	for (int i = 0; i < 250; i++)
		close(fds[i]);
	listener_close(ln);
}
END_TEST

START_TEST (paused_listener_lets_clients_wait) {
	struct listener *ln = must_open(conf("127.0.0.1", true, ""));
	int a, b;

	listener_pause(ln);
	a = try_tcp("127.0.0.1");
	b = try_unix(sock_path);
	ck_assert_int_ge(a, 0);
	ck_assert_int_ge(b, 0);
	run_for(200 * USEC_PER_MSEC);
	ck_assert_int_eq(got.n, 0);
	listener_resume(ln);
	accept_some(2);
	listener_close(ln);
	close(a);
	close(b);
}
END_TEST

START_TEST (pause_from_the_callback_holds_at_once) {
	struct listener *ln = must_open(conf("", true, ""));
	int fds[5];

	for (int i = 0; i < 5; i++)
		fds[i] = try_unix(sock_path);
	got.pause = ln;
	accept_some(1);
	run_for(100 * USEC_PER_MSEC);
	ck_assert_int_eq(got.n, 1);
	got.pause = NULL;
	listener_resume(ln);
	accept_some(4);
	listener_close(ln);
	for (int i = 0; i < 5; i++)
		close(fds[i]);
}
END_TEST

START_TEST (close_tcp_leaves_the_unix_socket) {
	struct listener *ln = must_open(conf("127.0.0.1", true, ""));
	int a = try_tcp("127.0.0.1"), b;

	got.close_tcp = ln;
	accept_some(1);
	ck_assert_int_eq(try_tcp("127.0.0.1"), -1);
	b = try_unix(sock_path);
	ck_assert_int_ge(b, 0);
	accept_some(1);
	listener_close(ln);
	close(a);
	close(b);
}
END_TEST

START_TEST (without_descriptors_it_rests_and_goes_on) {
	struct listener *ln = must_open(conf("", true, ""));
	struct rlimit lim, tight;
	uint64_t turns;
	usec_t start;
	int fds[3];

	for (int i = 0; i < 3; i++)
		ck_assert_int_ge(fds[i] = try_unix(sock_path), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &lim), 0);
	tight = lim;
	tight.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
	turns = loop_turns(loop);
	run_for(300 * USEC_PER_MSEC);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lim), 0);
	ck_assert_int_eq(got.n, 0);
	ck_assert_uint_lt(loop_turns(loop) - turns, 10);
	start = clock_mono_us();
	accept_some(3);
	ck_assert_int_lt(clock_mono_us() - start, 2 * LISTENER_REST_US);
	listener_close(ln);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}
END_TEST

static Suite *
listener_suite(void)
{
	Suite *s = suite_create("listener");
	TCase *tc = tcase_create("listener");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, tcp_client_comes_with_its_address);
	tcase_add_test(tc, accepted_socket_is_set_up);
	tcase_add_test(tc, reload_changes_the_options_of_later_clients);
	tcase_add_test(tc, list_of_addresses_is_bound_each_once);
	tcase_add_test(tc, name_is_resolved);
	tcase_add_test(tc, star_is_both_families_on_one_port);
	tcase_add_test(tc, ipv6_takes_no_ipv4);
	tcase_add_test(tc, unknown_name_is_fatal);
	tcase_add_test(tc, port_in_use_is_fatal_if_no_address_is_left);
	tcase_add_test(tc, port_in_use_is_a_warning_else);
	tcase_add_test(tc, nothing_to_listen_on_is_fatal);
	tcase_add_test(tc, so_reuseport_lets_two_listen);
	tcase_add_test(tc, unix_client_comes_with_its_pid);
	tcase_add_test(tc, unix_socket_has_mode_and_group);
	tcase_add_test(tc, unknown_group_is_fatal_and_leaves_no_socket);
	tcase_add_test(tc, stale_unix_socket_is_replaced);
	tcase_add_test(tc, live_unix_socket_is_fatal_and_stays);
	tcase_add_test(tc, file_that_is_no_socket_is_fatal_and_stays);
	tcase_add_test(tc, lock_file_of_a_postgresql_is_fatal);
	tcase_add_test(tc, lock_file_of_a_dead_postgresql_is_none);
	tcase_add_test(tc, successors_socket_file_stays_when_we_leave);
	tcase_add_test(tc, long_unix_socket_dir_is_an_error);
	tcase_add_test(tc, abstract_socket_has_no_file);
	tcase_add_test(tc, burst_is_taken_whole);
	tcase_add_test(tc, paused_listener_lets_clients_wait);
	tcase_add_test(tc, pause_from_the_callback_holds_at_once);
	tcase_add_test(tc, close_tcp_leaves_the_unix_socket);
	tcase_add_test(tc, without_descriptors_it_rests_and_goes_on);
	suite_add_tcase(s, tc);
	return s;
}

int
main(void)
{
	SRunner *r;
	char command[96];
	int failed;

	snprintf(dir, sizeof(dir), "/tmp/pooler-listener.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	r = srunner_create(listener_suite());
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command) != 0)
		failed++;
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
