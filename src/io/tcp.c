/* Socket options of TCP connections. */
#include "io/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"

/* Value 0 leaves it to the system. */
static void
set(int fd, int level, int option, const char *name, int value)
{
	static struct log_limit limit;

	if (value <= 0)
		return;
	if (setsockopt(fd, level, option, &value, sizeof(value)) != 0)
		log_limited(&limit, 60 * USEC_PER_SEC, LVL_WARNING,
		    "could not set %s to %d: %s", name, value, strerror(errno));
}

void
tcp_tune_buffers(int fd, const struct tcp_tuning *t)
{
	set(fd, SOL_SOCKET, SO_SNDBUF, "SO_SNDBUF", t->socket_buffer);
	set(fd, SOL_SOCKET, SO_RCVBUF, "SO_RCVBUF", t->socket_buffer);
}

/* What can be switched on and off. */
static void
set_switches(int fd, const struct tcp_tuning *t)
{
	int on = t->keepalive;

	set(fd, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY", 1);
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static void
set_values(int fd, const struct tcp_tuning *t)
{
	set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, "TCP_USER_TIMEOUT",
	    t->user_timeout_ms);
	tcp_tune_buffers(fd, t);
	if (!t->keepalive)
		return;
	set(fd, IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT", t->keepcnt);
	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE", t->keepidle_s);
	set(fd, IPPROTO_TCP, TCP_KEEPINTVL, "TCP_KEEPINTVL", t->keepintvl_s);
}

void
tcp_tune(int fd, const struct tcp_tuning *t)
{
	set_switches(fd, t);
	set_values(fd, t);
}

void
tcp_tune_listening(int fd, const struct tcp_tuning *t)
{
	set_switches(fd, t);
}

void
tcp_tune_accepted(int fd, const struct tcp_tuning *t)
{
	set_values(fd, t);
}
