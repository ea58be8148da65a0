/* Listening sockets. */
#include "control/bind.h"

#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "control/daemon.h"
#include "policy/config.h"

struct tcp_tuning
bind_tuning(const struct config *c)
{
	return (struct tcp_tuning){
		.keepalive = c->tcp_keepalive,
		.keepcnt = c->tcp_keepcnt,
		.keepidle_s = c->tcp_keepidle,
		.keepintvl_s = c->tcp_keepintvl,
		.user_timeout_ms = c->tcp_user_timeout,
		.socket_buffer = c->tcp_socket_buffer,
	};
}

/* ---- TCP ---- */

static bool
turn_on(int fd, int level, int option)
{
	int one = 1;

	return setsockopt(fd, level, option, &one, sizeof(one)) == 0;
}

static bool
set_up_tcp(int fd, const struct addr *a, const struct config *c)
{
	struct tcp_tuning tuning = bind_tuning(c);
	struct sockaddr_storage ss;
	socklen_t n = addr_to_sockaddr(a, &ss);

	if (!turn_on(fd, SOL_SOCKET, SO_REUSEADDR) ||
	    (a->family == AF_INET6 &&
		!turn_on(fd, IPPROTO_IPV6, IPV6_V6ONLY)) ||
	    (c->so_reuseport && !turn_on(fd, SOL_SOCKET, SO_REUSEPORT)))
		return false;
	tcp_tune_buffers(fd, &tuning);
	/* A client always speaks first, so nothing is lost by waiting for its
	 * first byte. Where the kernel cannot, we wait ourselves. */
	if (c->tcp_defer_accept && !turn_on(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT))
		log_debug("no TCP_DEFER_ACCEPT: %s", strerror(errno));
	return bind(fd, (const struct sockaddr *)&ss, n) == 0 &&
	    listen(fd, c->listen_backlog) == 0;
}

int
bind_tcp(const struct addr *a, const struct config *c, struct err *e)
{
	char where[ADDR_TEXT];
	int fd = socket(a->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    IPPROTO_TCP);
	int error;

	if (fd != -1 && set_up_tcp(fd, a, c))
		return fd;
	error = errno;
	addr_text(a, where, sizeof(where));
	err_set(e, error == EADDRINUSE ? "55006" : "58000",
	    "could not listen on %s: %s", where, strerror(error));
	if (error == EADDRINUSE)
		err_hint(e,
		    "something else listens there; stop it, or change "
		    "listen_port");
	if (fd != -1)
		close(fd);
	return -1;
}

/* ---- Unix ---- */

/* The socket's name, and its length for bind(); 0 with an error. */
static socklen_t
unix_name(const struct config *c, struct sockaddr_un *un,
    struct bind_file *file, struct err *e)
{
	int n = snprintf(file->path, sizeof(file->path), "%s/.s.PGSQL.%d",
	    c->unix_socket_dir, c->listen_port);
	size_t len = (size_t)n;

	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	if (len >= sizeof(un->sun_path)) {
		err_set(e, "22023", "unix_socket_dir \"%s\" is too long",
		    c->unix_socket_dir);
		err_hint(e, "the socket's path can have %zu bytes",
		    sizeof(un->sun_path) - 1);
		return 0;
	}
	memcpy(un->sun_path, file->path, len);
	file->is_abstract = file->path[0] == '@';
	if (file->is_abstract)
		un->sun_path[0] = '\0';
	else
		len++; /* its NUL belongs to it */
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static bool
err_unix_in_use(struct err *e, const char *path)
{
	err_set(e, "55006", "unix socket is in use, cannot continue");
	err_detail(e, "a process listens on \"%s\"", path);
	err_hint(e, "stop it, or change listen_port or unix_socket_dir");
	return false;
}

/* PostgreSQL keeps a lock file beside its socket, while it starts too. */
static bool
is_unlocked(const struct config *c, const char *path, struct err *e)
{
	char lock[sizeof(struct bind_file) + 8];
	pid_t pid;

	snprintf(lock, sizeof(lock), "%s.lock", path);
	if (!daemon_pid_alive(lock, &pid))
		return true;
	err_set(e, "55006", "unix port %d is in use", c->listen_port);
	err_detail(e, "\"%s\" names process %ld", lock, (long)pid);
	err_hint(e, "change listen_port or unix_socket_dir");
	return false;
}

/* Makes the name free: what is there must be a socket nobody listens on. */
static bool
remove_stale(const struct sockaddr_un *un, socklen_t n, const char *path,
    struct err *e)
{
	struct stat st;
	int fd, rc, error;

	if (lstat(path, &st) != 0) {
		if (errno == ENOENT)
			return true;
		return err_set(e, "58030", "could not look at \"%s\": %s", path,
		    strerror(errno));
	}
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, "58030", "\"%s\" exists and is no socket",
		    path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return err_set(e, "58000", "could not make a socket: %s",
		    strerror(errno));
	rc = connect(fd, (const struct sockaddr *)un, n);
	error = errno;
	close(fd);
	if (rc == 0 || error == EAGAIN) /* whose queue is full */
		return err_unix_in_use(e, path);
	if (error != ECONNREFUSED && error != ENOENT)
		return err_set(e, "58030",
		    "could not tell whether unix socket \"%s\" is in use: %s",
		    path, strerror(error));
	if (unlink(path) != 0 && errno != ENOENT)
		return err_set(e, "58030",
		    "could not remove stale unix socket \"%s\": %s", path,
		    strerror(errno));
	return true;
}

static bool
group_by_name(const char *name, gid_t *gid)
{
	const struct group *gr = getgrnam(name);
	char *end;
	unsigned long n;

	if (gr != NULL) {
		*gid = gr->gr_gid;
		return true;
	}
	errno = 0;
	n = strtoul(name, &end, 10);
	*gid = (gid_t)n;
	return name[0] >= '0' && name[0] <= '9' && *end == '\0' && errno == 0 &&
	    *gid == n && *gid != (gid_t)-1;
}

/* Owner before mode, so that nobody has more than he is meant to. */
static bool
set_access(const struct config *c, struct bind_file *file, struct err *e)
{
	struct stat st;
	gid_t gid;

	if (lstat(file->path, &st) != 0)
		return err_set(e, "58030", "could not look at \"%s\": %s",
		    file->path, strerror(errno));
	file->dev = st.st_dev;
	file->ino = st.st_ino;
	if (*c->unix_socket_group != '\0') {
		if (!group_by_name(c->unix_socket_group, &gid))
			return err_set(e, "42704",
			    "unknown unix_socket_group \"%s\"",
			    c->unix_socket_group);
		if (chown(file->path, (uid_t)-1, gid) != 0)
			return err_set(e, "58030",
			    "could not give \"%s\" to group \"%s\": %s",
			    file->path, c->unix_socket_group, strerror(errno));
	}
	if (chmod(file->path, (mode_t)c->unix_socket_mode & 07777) != 0)
		return err_set(e, "58030",
		    "could not change the mode of \"%s\": %s", file->path,
		    strerror(errno));
	return true;
}

static int
bind_quietly(int fd, const struct sockaddr_un *un, socklen_t n)
{
	mode_t was = umask(0177);
	int rc = bind(fd, (const struct sockaddr *)un, n);
	int error = errno;

	umask(was);
	errno = error;
	return rc;
}

/* False with nothing left behind but the descriptor. */
static bool
set_up_unix(int fd, const struct sockaddr_un *un, socklen_t n,
    const struct config *c, struct bind_file *file, struct err *e)
{
	if (bind_quietly(fd, un, n) != 0) {
		if (errno == EADDRINUSE)
			return err_unix_in_use(e, file->path);
		return err_set(e, "58030",
		    "could not make unix socket \"%s\": %s", file->path,
		    strerror(errno));
	}
	if (!file->is_abstract && !set_access(c, file, e)) {
		unlink(file->path);
		return false;
	}
	if (listen(fd, c->listen_backlog) != 0) {
		err_set(e, "58000", "could not listen on unix:%s: %s",
		    file->path, strerror(errno));
		bind_unix_remove(file);
		return false;
	}
	return true;
}

int
bind_unix(const struct config *c, struct bind_file *file, struct err *e)
{
	struct sockaddr_un un;
	socklen_t n;
	int fd;

	memset(file, 0, sizeof(*file));
	n = unix_name(c, &un, file, e);
	if (n == 0)
		return -1;
	if (!file->is_abstract &&
	    (!is_unlocked(c, file->path, e) ||
		!remove_stale(&un, n, file->path, e)))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1) {
		err_set(e, "58000", "could not make a socket: %s",
		    strerror(errno));
		return -1;
	}
	if (set_up_unix(fd, &un, n, c, file, e))
		return fd;
	close(fd);
	return -1;
}

void
bind_unix_remove(const struct bind_file *file)
{
	struct stat st;

	if (file->is_abstract || file->path[0] == '\0' ||
	    lstat(file->path, &st) != 0 || st.st_dev != file->dev ||
	    st.st_ino != file->ino)
		return;
	if (unlink(file->path) != 0)
		log_warn("could not remove \"%s\": %s", file->path,
		    strerror(errno));
}

bool
bind_describe(int fd, struct addr *a, struct bind_file *file, struct err *e)
{
	struct sockaddr_storage ss;
	const struct sockaddr_un *un = (const struct sockaddr_un *)&ss;
	socklen_t n = sizeof(ss);
	struct stat st;

	memset(&ss, 0, sizeof(ss));
	memset(file, 0, sizeof(*file));
	if (getsockname(fd, (struct sockaddr *)&ss, &n) != 0)
		return err_set(e, "58000",
		    "could not tell where a socket listens: %s",
		    strerror(errno));
	addr_from_sockaddr(a, (const struct sockaddr *)&ss);
	if (ss.ss_family != AF_UNIX)
		return true;
	a->family = AF_UNIX;
	if (un->sun_path[0] != '\0') {
		memcpy(file->path, un->sun_path, sizeof(un->sun_path));
		if (lstat(file->path, &st) == 0) {
			file->dev = st.st_dev;
			file->ino = st.st_ino;
		}
	} else {
		file->is_abstract = true;
		file->path[0] = '@';
		memcpy(file->path + 1, un->sun_path + 1,
		    sizeof(un->sun_path) - 1);
	}
	return true;
}
