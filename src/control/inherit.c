/* Listening sockets of somebody else's making. */
#include "control/inherit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_FD 3

static bool
int_option(int fd, int name, int *value)
{
	socklen_t n = sizeof(*value);

	return getsockopt(fd, SOL_SOCKET, name, value, &n) == 0;
}

bool
inherit_check(int fd, struct err *e)
{
	int domain, type, listens;

	if (!int_option(fd, SO_DOMAIN, &domain) ||
	    !int_option(fd, SO_TYPE, &type) ||
	    !int_option(fd, SO_ACCEPTCONN, &listens))
		return err_set(e, "58000",
		    "descriptor %d that was handed over is no socket: %s", fd,
		    strerror(errno));
	if ((domain != AF_UNIX && domain != AF_INET && domain != AF_INET6) ||
	    type != SOCK_STREAM || !listens) {
		err_set(e, "22023",
		    "descriptor %d that was handed over does not listen for "
		    "clients", fd);
		err_hint(e, "ListenStream= of a socket unit makes such "
		    "sockets, with Accept=no");
		return false;
	}
	return true;
}

static bool
set_flags(int fd)
{
	int fl = fcntl(fd, F_GETFL);

	return fl != -1 && fcntl(fd, F_SETFL, fl | O_NONBLOCK) == 0 &&
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

static bool
take(struct inherited *in, long n, struct err *e)
{
	int i;

	if (n > INHERIT_MAX)
		return err_set(e, "22023", "%ld sockets were handed over, and "
		    "%d can be taken", n, INHERIT_MAX);
	for (i = 0; i < (int)n; i++) {
		if (!inherit_check(FIRST_FD + i, e))
			return false;
		if (!set_flags(FIRST_FD + i))
			return err_set(e, "58000", "could not set up "
			    "descriptor %d: %s", FIRST_FD + i,
			    strerror(errno));
		in->fd[in->n++] = FIRST_FD + i;
	}
	return true;
}

bool
inherit_take(struct inherited *in, struct err *e)
{
	const char *pid = getenv("LISTEN_PID");
	const char *count = getenv("LISTEN_FDS");
	long n = count ? strtol(count, NULL, 10) : 0;
	bool mine = pid && strtol(pid, NULL, 10) == (long)getpid();

	memset(in, 0, sizeof(*in));
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return !mine || n <= 0 || take(in, n, e);
}

void
inherit_close(struct inherited *in)
{
	while (in->n > 0)
		close(in->fd[--in->n]);
}
