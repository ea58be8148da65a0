/* Datagrams to the service manager. */
#include "control/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "pooling/worker.h"

static void
tell(struct notify *n, const char *text)
{
	static struct log_limit limit;

	if (n->fd < 0)
		return;
	if (sendto(n->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL,
	    (const struct sockaddr *)&n->to, n->to_n) < 0)
		log_limited(&limit, 60 * USEC_PER_SEC, LVL_WARNING,
		    "could not notify the service manager: %s",
		    strerror(errno));
}

/* A path, or an abstract name behind an "@". */
static bool
set_address(struct notify *n, const char *name)
{
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len < 2 ||
	    len >= sizeof(n->to.sun_path))
		return false;
	n->to.sun_family = AF_UNIX;
	memcpy(n->to.sun_path, name, len + 1);
	n->to_n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (name[0] == '@')
		n->to.sun_path[0] = '\0';
	else
		n->to_n++;
	return true;
}

/* The time between two signs of life, if they are wanted of this process. */
static usec_t
read_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	long long us = usec ? atoll(usec) : 0;

	if (us <= 0 || (pid && atoll(pid) != (long long)getpid()))
		return 0;
	return us / 2 > 0 ? us / 2 : 1;
}

static void on_watchdog(struct timer *t);

void
notify_init(struct notify *n)
{
	const char *name = getenv("NOTIFY_SOCKET");

	memset(n, 0, sizeof(*n));
	n->fd = -1;
	timer_init(&n->watchdog, on_watchdog);
	if (name && set_address(n, name))
		n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->fd >= 0)
		n->period_us = read_watchdog();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void
notify_fini(struct notify *n)
{
	timer_fini(&n->watchdog);
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

void
notify_ready(struct notify *n)
{
	char text[64];

	snprintf(text, sizeof(text), "READY=1\nMAINPID=%d", (int)getpid());
	tell(n, text);
}

void
notify_reloading(struct notify *n)
{
	char text[64];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
	    (int64_t)clock_mono_us());
	tell(n, text);
}

void
notify_stopping(struct notify *n)
{
	tell(n, "STOPPING=1");
}

void
notify_status(struct notify *n, const char *fmt, ...)
{
	char text[512] = "STATUS=";
	size_t at = strlen(text);
	va_list ap;

	if (n->fd < 0)
		return;
	va_start(ap, fmt);
	vsnprintf(text + at, sizeof(text) - at, fmt, ap);
	va_end(ap);
	tell(n, text);
}

/* ---- signs of life ---- */

static void
set_watchdog(struct notify *n)
{
	struct loop *l = n->hub->main_loop;

	timer_set(l, &n->watchdog, clock_mono_us() + n->period_us);
}

static void
look_in(struct worker *w, int slot, void *arg)
{
	(void)w;
	(void)slot;
	(void)arg;
}

static void
all_alive(void *arg)
{
	struct notify *n = arg;

	if (n->fd < 0)
		return;
	tell(n, "WATCHDOG=1");
	set_watchdog(n);
}

static void
on_watchdog(struct timer *t)
{
	struct notify *n = CONTAINER_OF(t, struct notify, watchdog);

	workers_visit(n->hub, look_in, all_alive, n);
}

void
notify_watch(struct notify *n, struct hub *hub)
{
	n->hub = hub;
	if (n->period_us)
		set_watchdog(n);
}
