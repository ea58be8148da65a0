/* Pid file, background, user and descriptor limit. */
#include "control/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "policy/config.h"

/* ---- pid file ---- */

/* 0 when there is no pid in it. */
static pid_t
read_pid(int fd)
{
	char text[64];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	char *end;
	long pid;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	errno = 0;
	pid = strtol(text, &end, 10);
	if (errno != 0 || end == text || pid <= 0 || (pid_t)pid != pid ||
	    (*end != '\0' && *end != '\n'))
		return 0;
	return (pid_t)pid;
}

static bool
pid_may_live(pid_t pid)
{
	if (pid == 0)
		return true;
	return pid != getpid() && (kill(pid, 0) == 0 || errno != ESRCH);
}

bool
daemon_pid_alive(const char *path, pid_t *pid)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	pid_t got = 0;
	bool exists = fd != -1 || errno == EACCES;

	if (fd != -1) {
		got = read_pid(fd);
		close(fd);
	}
	if (pid != NULL)
		*pid = got;
	return exists && pid_may_live(got);
}

static bool
err_in_use(struct err *e, const char *path, pid_t pid)
{
	err_set(e, "55006", "pidfile '%s' exists, another instance running?",
	    path);
	if (pid != 0)
		err_detail(e, "process %ld is alive", (long)pid);
	else
		err_detail(e, "no process id could be read from it");
	err_hint(e, "if no pooler runs, remove the file");
	return false;
}

bool
daemon_check_pidfile(const char *path, struct err *e)
{
	pid_t pid;

	if (*path == '\0' || !daemon_pid_alive(path, &pid))
		return true;
	return err_in_use(e, path, pid);
}

/*
 * Removes the file if it is stale. The lock keeps two starting processes from
 * removing one after the other, when the second would hit the new file of the
 * first; so the name has to be the file that was locked and read.
 */
static bool
remove_stale(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat open_st, name_st;
	pid_t pid = 0;
	bool ok = true;

	if (fd == -1)
		return errno == ENOENT || err_in_use(e, path, 0);
	if ((flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) ||
	    pid_may_live(pid = read_pid(fd))) {
		ok = err_in_use(e, path, pid);
	} else if (fstat(fd, &open_st) == 0 && lstat(path, &name_st) == 0 &&
	    open_st.st_dev == name_st.st_dev &&
	    open_st.st_ino == name_st.st_ino) {
		log_info("stale pidfile, removing");
		if (unlink(path) != 0)
			ok = err_set(e, "58030",
			    "could not remove stale pidfile '%s': %s", path,
			    strerror(errno));
	}
	close(fd);
	return ok;
}

bool
daemon_write_pidfile(const char *path, struct err *e)
{
	int tries = 0;
	int fd;
	bool ok;

	if (*path == '\0')
		return true;
	while ((fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0644)) == -1 &&
	    errno == EEXIST && tries++ < 3)
		if (!remove_stale(path, e))
			return false;
	if (fd == -1)
		return err_set(e, "58030", "could not create pidfile '%s': %s",
		    path, strerror(errno));
	ok = fchmod(fd, 0644) == 0 && dprintf(fd, "%ld\n", (long)getpid()) > 0;
	if (!ok) {
		err_set(e, "58030", "could not write pidfile '%s': %s", path,
		    strerror(errno));
		unlink(path);
	}
	close(fd);
	return ok;
}

void
daemon_remove_pidfile(const char *path)
{
	int fd = *path != '\0' ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd == -1)
		return;
	if (read_pid(fd) == getpid() && unlink(path) != 0)
		log_warn("could not remove pidfile '%s': %s", path,
		    strerror(errno));
	close(fd);
}

/* ---- background ---- */

/* What goes through the link: 0 = ready, else why there is no daemon. */
static void
report(int fd, int error)
{
	while (send(fd, &error, sizeof(error), MSG_NOSIGNAL) == -1 &&
	    errno == EINTR)
		;
}

static bool
wait_for_daemon(struct daemon_link *link, int fd, pid_t child, struct err *e)
{
	int error;
	ssize_t n;

	while (waitpid(child, NULL, 0) == -1 && errno == EINTR)
		;
	while ((n = recv(fd, &error, sizeof(error), MSG_WAITALL)) == -1 &&
	    errno == EINTR)
		;
	close(fd);
	link->is_parent = true;
	link->status = n == sizeof(error) && error == 0 ? 0 : 1;
	if (n == sizeof(error) && error != 0)
		return err_set(e, "58000", "could not go into background: %s",
		    strerror(error));
	return true;
}

static bool
to_dev_null(int target)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	bool ok = fd != -1;

	if (ok && fd != target) {
		ok = dup2(fd, target) != -1;
		close(fd);
	}
	return ok;
}

void
daemon_fill_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd != -1)
		close(fd);
}

bool
daemon_fork(struct daemon_link *link, struct err *e)
{
	int ends[2];
	pid_t pid;

	*link = (struct daemon_link){ .fd = -1 };
	fflush(NULL);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return err_set(e, "58000", "could not make a socket pair: %s",
		    strerror(errno));
	pid = fork();
	if (pid == -1) {
		err_set(e, "58000", "could not fork: %s", strerror(errno));
		close(ends[0]);
		close(ends[1]);
		return false;
	}
	if (pid != 0) {
		close(ends[1]);
		return wait_for_daemon(link, ends[0], pid, e);
	}
	/* The process in the middle leads the new session, and ends, so that
	 * the daemon leads none and can never get a terminal. */
	close(ends[0]);
	pid = setsid() == -1 ? -1 : fork();
	if (pid == -1)
		report(ends[1], errno);
	if (pid != 0)
		_exit(0);
	if (!to_dev_null(STDIN_FILENO) || !to_dev_null(STDOUT_FILENO)) {
		report(ends[1], errno);
		_exit(1);
	}
	link->fd = ends[1];
	return true;
}

void
daemon_ready(struct daemon_link *link)
{
	if (link->fd <= 0)
		return;
	if (!to_dev_null(STDERR_FILENO))
		log_warn("could not open /dev/null: %s", strerror(errno));
	report(link->fd, 0);
	close(link->fd);
	link->fd = -1;
}

/* ---- user ---- */

static bool
become(const char *name, uid_t uid, gid_t gid, struct err *e)
{
	uid_t r, eff, saved;
	gid_t gr, geff, gsaved;

	if (initgroups(name, gid) != 0 || setgid(gid) != 0 || setuid(uid) != 0)
		return err_set(e, "42501",
		    "could not switch to user \"%s\": %s", name,
		    strerror(errno));
	if (getresuid(&r, &eff, &saved) != 0 || r != uid || eff != uid ||
	    saved != uid || getresgid(&gr, &geff, &gsaved) != 0 || gr != gid ||
	    geff != gid || gsaved != gid || setuid(0) == 0)
		return err_set(e, "42501",
		    "could not switch to user \"%s\" for good", name);
	return true;
}

bool
daemon_drop_root(const char *user, struct err *e)
{
	const struct passwd *pw;

	if (*user == '\0') {
		if (geteuid() != 0 && getuid() != 0)
			return true;
		err_set(e, "42501", "refusing to run as root");
		err_hint(e,
		    "set \"user\" in the configuration file, or give -u NAME");
		return false;
	}
	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL)
		return err_set(e, "42704", "unknown user \"%s\"%s%s", user,
		    errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
	if (pw->pw_uid == 0) {
		err_set(e, "42501", "refusing to run as root");
		err_hint(e, "user \"%s\" is root; name another one", user);
		return false;
	}
	if (geteuid() == 0)
		return become(user, pw->pw_uid, pw->pw_gid, e);
	if (geteuid() == pw->pw_uid && getuid() == pw->pw_uid)
		return true;
	return err_set(e, "42501",
	    "cannot switch to user \"%s\", as we were not started as root",
	    user);
}

/* ---- descriptors ---- */

static uint64_t
expected_servers(const struct config *c, const struct database_conf *db)
{
	uint64_t users = *db->user != '\0' || c->n_secrets == 0 ? 1 :
								  c->n_secrets;
	uint64_t size = (uint64_t)config_pool_size(c, db, db->user);
	uint64_t most = (uint64_t)config_max_db_connections(c, db);
	uint64_t n;

	/* Without a limit there are about as many as clients. */
	if (size == 0)
		n = (uint64_t)c->max_client_conn;
	else
		n = users *
		    (size +
			(uint64_t)config_reserve_pool_size(c, db, db->user));
	return most != 0 && most < n ? most : n;
}

uint64_t
daemon_expected_fds(const struct config *c)
{
	/* Event base and mailbox of each thread, log, listeners, DNS. */
	uint64_t n = 32 + 4 * (uint64_t)c->worker_threads;

	n += (uint64_t)c->max_client_conn + (uint64_t)c->max_login_conn;
	n += 2 * (uint64_t)c->max_cancel_conn;
	for (size_t i = 0; i < c->n_databases; i++)
		n += expected_servers(c, c->databases[i]);
	if (c->autodb != NULL)
		n += expected_servers(c, c->autodb);
	return n;
}

static void
limit_text(rlim_t n, char *out, size_t cap)
{
	if (n == RLIM_INFINITY)
		copy_str(out, cap, "unlimited");
	else
		snprintf(out, cap, "%llu", (unsigned long long)n);
}

void
daemon_raise_nofile(const struct config *c)
{
	uint64_t expected = daemon_expected_fds(c);
	struct rlimit was, lim;
	char soft[32], hard[32];

	if (getrlimit(RLIMIT_NOFILE, &was) != 0) {
		log_warn("could not read the limit of open files: %s",
		    strerror(errno));
		return;
	}
	lim = was;
	lim.rlim_cur = lim.rlim_max;
	if (lim.rlim_cur != was.rlim_cur &&
	    setrlimit(RLIMIT_NOFILE, &lim) != 0) {
		log_warn("could not raise the limit of open files: %s",
		    strerror(errno));
		lim = was;
	}
	limit_text(lim.rlim_cur, soft, sizeof(soft));
	limit_text(lim.rlim_max, hard, sizeof(hard));
	log_info("kernel file descriptor limit: %s (hard: %s); "
		 "max_client_conn: %d, max expected fd use: %llu",
	    soft, hard, c->max_client_conn, (unsigned long long)expected);
	if (lim.rlim_cur != RLIM_INFINITY && expected > lim.rlim_cur)
		log_warn("max expected fd use %llu exceeds the limit of open "
			 "files %s; raise it (ulimit -n, LimitNOFILE=) or "
			 "lower "
			 "max_client_conn",
		    (unsigned long long)expected, soft);
}
