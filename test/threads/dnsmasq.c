/* Starts and stops a dnsmasq for tests. */
#include "dnsmasq.h"

#include <arpa/inet.h>
#include <check.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const programs[] = {
	"/usr/sbin/dnsmasq",
	"/usr/bin/dnsmasq",
	"/usr/local/sbin/dnsmasq",
};

static const char *
find_program(void)
{
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		if (access(programs[i], X_OK) == 0)
			return programs[i];
	return NULL;
}

bool
dnsmasq_is_installed(void)
{
	if (find_program() != NULL)
		return true;
	fprintf(stderr,
	    "There is no dnsmasq to test against "
	    "(Debian: dnsmasq-base).\n");
	return false;
}

void
write_file(const char *path, const char *text)
{
	char temp[160];
	FILE *f;

	/* By rename, as an administrator's tools do. */
	snprintf(temp, sizeof(temp), "%s.new", path);
	f = fopen(temp, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(temp, 0644), 0);
	ck_assert_int_eq(rename(temp, path), 0);
}

/* Free a moment ago, for TCP and for UDP: dnsmasq takes both. */
static int
free_port(void)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t n = sizeof(in);
	int tcp, udp, rc;

	do {
		in.sin_port = 0;
		tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		ck_assert_int_eq(bind(tcp, (struct sockaddr *)&in, n), 0);
		ck_assert_int_eq(getsockname(tcp, (struct sockaddr *)&in, &n),
		    0);
		rc = bind(udp, (struct sockaddr *)&in, n);
		close(tcp);
		close(udp);
	} while (rc != 0);
	return ntohs(in.sin_port);
}

/* We change the user, not dnsmasq: that would undo PR_SET_PDEATHSIG. */
static void
run(const struct dnsmasq *m, int port, int log_fd, pid_t parent)
{
	const struct passwd *nobody = getpwnam("nobody");
	char port_arg[32], hosts_arg[160], listen_arg[64];
	const char *argv[32] = { "dnsmasq", "--keep-in-foreground", port_arg,
	    listen_arg, "--bind-interfaces", "--no-resolv", "--no-hosts",
	    "--local=/test/", hosts_arg, "--conf-file=/dev/null",
	    "--pid-file=", "--log-facility=-" };
	size_t n = 0;

	while (argv[n])
		n++;
	for (size_t i = 0; m->more && m->more[i] && n < 31; i++)
		argv[n++] = m->more[i];
	snprintf(listen_arg, sizeof(listen_arg), "--listen-address=%s", m->ip);
	snprintf(port_arg, sizeof(port_arg), "--port=%d", port);
	snprintf(hosts_arg, sizeof(hosts_arg), "--addn-hosts=%s", m->hosts);
	if (geteuid() == 0 &&
	    (nobody == NULL || setgid(nobody->pw_gid) != 0 ||
		setuid(nobody->pw_uid) != 0))
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(126);
	dup2(log_fd, STDERR_FILENO);
	execv(find_program(), (char **)(uintptr_t)argv);
	_exit(127);
}

/* Returns when it has read the hosts file; false when it ends before. */
static bool
wait_started(const struct dnsmasq *m)
{
	char text[4096] = "";
	size_t have = 0;
	ssize_t n;

	while (have < sizeof(text) - 1 &&
	    (n = read(m->log_fd, text + have, sizeof(text) - 1 - have)) > 0) {
		have += (size_t)n;
		text[have] = '\0';
		if (strstr(text, m->hosts) != NULL)
			return true;
	}
	fprintf(stderr, "dnsmasq: %s\n", text);
	return false;
}

static bool
try_start(struct dnsmasq *m, int port)
{
	pid_t self = getpid();
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	m->pid = fork();
	ck_assert_int_ge(m->pid, 0);
	if (m->pid == 0)
		run(m, port, ends[1], self);
	close(ends[1]);
	m->log_fd = ends[0];
	snprintf(m->servers, sizeof(m->servers), "%s:%d", m->ip, port);
	return wait_started(m);
}

void
dnsmasq_start(struct dnsmasq *m, const char *dir, const char *hosts)
{
	bool any = m->port == 0;

	m->pid = 0;
	if (m->ip[0] == '\0')
		strcpy(m->ip, "127.0.0.1");
	snprintf(m->hosts, sizeof(m->hosts), "%s/hosts", dir);
	write_file(m->hosts, hosts);
	for (int tries = 0; tries < 5; tries++) {
		if (any)
			m->port = free_port();
		if (try_start(m, m->port))
			return;
		dnsmasq_stop(m);
	}
	ck_abort_msg("dnsmasq does not start");
}

void
dnsmasq_stop(struct dnsmasq *m)
{
	if (m->pid == 0)
		return;
	kill(m->pid, SIGKILL);
	waitpid(m->pid, NULL, 0);
	close(m->log_fd);
	m->pid = 0;
}

void
dnsmasq_restart(struct dnsmasq *m)
{
	dnsmasq_stop(m);
	ck_assert(try_start(m, m->port));
}

void
dnsmasq_set_hosts(struct dnsmasq *m, const char *hosts)
{
	write_file(m->hosts, hosts);
	kill(m->pid, SIGHUP);
}

void
dnsmasq_freeze(struct dnsmasq *m)
{
	kill(m->pid, SIGSTOP);
	/* Until it has stopped, it may answer. */
	ck_assert_int_eq(waitpid(m->pid, NULL, WUNTRACED), m->pid);
}

void
dnsmasq_thaw(struct dnsmasq *m)
{
	kill(m->pid, SIGCONT);
}
