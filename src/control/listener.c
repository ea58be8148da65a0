/* Accepts clients. */
#include "control/listener.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/log.h"
#include "control/bind.h"
#include "control/inherit.h"
#include "policy/config.h"
#include "policy/ini.h"

/* Knocks closer than this count as a crowd. */
#define KNOCKS_APART_US 100

struct port {
	LIST_ENTRY(port) link;
	struct listener *listener;
	struct event ev;
	int fd; /* -1 = closed */
	bool is_unix;
	bool watched; /* ev is added */
	bool owns_file;
	int burst; /* connections to ask for at the next knock */
	usec_t knocked_us; /* when the last one was */
	struct addr addr;
	struct bind_file file; /* Unix: its name */
};

struct listener {
	struct loop *loop;
	listener_accepted_fn *accepted;
	void *arg;
	struct tcp_tuning tuning;
	LIST_HEAD(port_list, port) ports;
	bool paused; /* the owner wants it */
	bool resting; /* descriptors ran out */
	struct timer rest;
};

static void
where_text(const struct port *p, char *out, size_t cap)
{
	if (p->is_unix)
		snprintf(out, cap, "unix:%s", p->file.path);
	else
		addr_text(&p->addr, out, cap);
}

/* ---- watching ---- */

/* Makes what libevent watches fit what we want. */
static void
watch(struct listener *ln)
{
	bool wanted = !ln->paused && !ln->resting;
	struct port *p;

	LIST_FOREACH (p, &ln->ports, link) {
		if (p->fd == -1 || p->watched == wanted)
			continue;
		if ((wanted ? event_add(&p->ev, NULL) : event_del(&p->ev)) != 0)
			log_error("event_%s failed for a listening socket",
			    wanted ? "add" : "del");
		else
			p->watched = wanted;
	}
}

static void
port_close(struct port *p)
{
	if (p->fd == -1)
		return;
	if (p->watched && event_del(&p->ev) != 0)
		log_error("event_del failed for a listening socket");
	p->watched = false;
	close(p->fd);
	p->fd = -1;
}

/* ---- accepting ---- */

static void
on_rested(struct timer *t)
{
	struct listener *ln = CONTAINER_OF(t, struct listener, rest);

	ln->resting = false;
	watch(ln);
}

static void
rest(struct listener *ln, int error)
{
	static struct log_limit limit;

	log_limited(&limit, 60 * USEC_PER_SEC, LVL_WARNING,
	    "accept() failed: %s; trying again every %d s", strerror(error),
	    (int)(LISTENER_REST_US / USEC_PER_SEC));
	ln->resting = true;
	timer_set(ln->loop, &ln->rest, loop_now(ln->loop) + LISTENER_REST_US);
	watch(ln);
}

/* Errors that are the one connection's: it went before we took it. */
static bool
is_passing(int error)
{
	switch (error) {
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case EPERM:
	case ENETDOWN:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EOPNOTSUPP:
	case ETIMEDOUT:
		return true;
	default:
		return false;
	}
}

static void
take(struct port *p, int fd, const struct sockaddr *sa)
{
	struct listener *ln = p->listener;
	struct addr peer;

	if (p->is_unix) {
		addr_of_peer(&peer, fd);
		peer.family = AF_UNIX;
	} else {
		addr_from_sockaddr(&peer, sa);
		tcp_tune_accepted(fd, &ln->tuning);
	}
	ln->accepted(ln->arg, fd, &peer, p->is_unix);
}

/* False when there is no other one to take now. */
static bool
take_next(struct port *p)
{
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);
	int fd;

	memset(&ss, 0, sizeof(ss));
	fd = accept4(p->fd, (struct sockaddr *)&ss, &n,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd != -1)
		take(p, fd, (const struct sockaddr *)&ss);
	else if (errno == EAGAIN)
		return false;
	else if (!is_passing(errno)) {
		rest(p->listener, errno);
		return false;
	}
	return true;
}

/* Who knocks alone is taken with one accept4(), without a second that finds
 * nobody. When they come thick and fast, more are asked for at once. */
static void
set_burst(struct port *p)
{
	usec_t now = loop_now(p->listener->loop);

	if (now - p->knocked_us > KNOCKS_APART_US)
		p->burst = 1;
	else if (p->burst < LISTENER_BURST)
		p->burst *= 2;
	p->knocked_us = now;
}

static void
on_knock(evutil_socket_t listen_fd, short what, void *arg)
{
	struct port *p = arg;

	(void)listen_fd;
	(void)what;
	set_burst(p);
	/* The callback may close or pause us. */
	for (int i = 0; i < p->burst && p->fd != -1 && p->watched; i++)
		if (!take_next(p))
			return;
}

/* ---- opening ---- */

/* file is NULL for TCP. */
static void
port_add(struct listener *ln, int fd, const struct addr *a,
    const struct bind_file *file, bool owns_file)
{
	struct port *p = xcalloc(1, sizeof(*p));
	char where[ADDR_TEXT + sizeof(p->file.path)];

	p->listener = ln;
	p->fd = fd;
	p->is_unix = a->family == AF_UNIX;
	p->addr = *a;
	p->burst = 1;
	if (!p->is_unix)
		tcp_tune_listening(fd, &ln->tuning);
	if (file != NULL) {
		p->file = *file;
		p->owns_file = owns_file;
	}
	if (event_assign(&p->ev, loop_base(ln->loop), fd, EV_READ | EV_PERSIST,
		on_knock, p) != 0)
		log_error("event_assign failed for a listening socket");
	LIST_INSERT_HEAD(&ln->ports, p, link);
	where_text(p, where, sizeof(where));
	log_info("listening on %s", where);
}

static bool
is_open(const struct listener *ln, const struct addr *a)
{
	const struct port *p;

	LIST_FOREACH (p, &ln->ports, link)
		if (addr_eq(&p->addr, a))
			return true;
	return false;
}

/* What could not be opened is a warning, and remembered in *first. */
static void
open_addr(struct listener *ln, const struct config *c, const struct addr *a,
    struct err *first)
{
	struct err e;
	int fd;

	/* "localhost" often has an address twice. */
	if (is_open(ln, a))
		return;
	fd = bind_tcp(a, c, &e);
	if (fd != -1) {
		port_add(ln, fd, a, NULL, false);
		return;
	}
	log_warn("%s", e.msg);
	if (!err_is_set(first))
		*first = e;
}

/* A kernel without IPv6 is no reason to warn of "*". */
static bool
kernel_knows(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return errno != EAFNOSUPPORT;
	close(fd);
	return true;
}

/* All addresses, or those of one name. */
static bool
open_name(struct listener *ln, const struct config *c, const char *name,
    struct err *first, struct err *e)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE,
	};
	bool all = strcmp(name, "*") == 0;
	struct addrinfo *list, *ai;
	char port[16];
	int rc;

	snprintf(port, sizeof(port), "%d", c->listen_port);
	rc = getaddrinfo(all ? NULL : name, port, &hints, &list);
	if (rc != 0)
		return err_set(e, "58000",
		    "could not resolve listen_addr \"%s\": %s", name,
		    rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
	for (ai = list; ai != NULL; ai = ai->ai_next) {
		struct addr a;

		addr_from_sockaddr(&a, ai->ai_addr);
		if ((a.family == AF_INET || a.family == AF_INET6) &&
		    (!all || kernel_knows(a.family)))
			open_addr(ln, c, &a, first);
	}
	freeaddrinfo(list);
	return true;
}

static bool
open_tcp(struct listener *ln, const struct config *c, struct err *first,
    struct err *e)
{
	struct span item;

	for (const char *at = c->listen_addr; list_next(&at, &item);) {
		char *name = xstrndup((const char *)item.p, item.n);
		bool ok = *name == '\0' || open_name(ln, c, name, first, e);

		free(name);
		if (!ok)
			return false;
	}
	return true;
}

static bool
open_unix(struct listener *ln, const struct config *c, struct err *e)
{
	struct addr a = { .family = AF_UNIX };
	struct bind_file file;
	int fd;

	if (*c->unix_socket_dir == '\0')
		return true;
	fd = bind_unix(c, &file, e);
	if (fd == -1)
		return false;
	port_add(ln, fd, &a, &file, true);
	return true;
}

static bool
err_nowhere(const struct err *first, struct err *e)
{
	if (err_is_set(first)) {
		err_set(e, first->sqlstate, "nowhere to listen on: %s",
		    first->msg);
		err_hint(e, "%s", first->hint);
	} else {
		err_set(e, "22023", "nowhere to listen on");
		err_hint(e, "set listen_addr or unix_socket_dir");
	}
	return false;
}

/* What the configuration names. */
static bool
open_own(struct listener *ln, const struct config *c, struct err *e)
{
	const struct port *newest;
	struct err first;
	bool ok;

	err_clear(&first);
	/* The Unix socket first: it tells best whether we run already. */
	ok = open_unix(ln, c, e);
	newest = LIST_FIRST(&ln->ports);
	ok = ok && open_tcp(ln, c, &first, e);
	/* A pooler that nobody reaches by TCP, although that was asked for, is
	 * not up: its socket alone would hide the mistake. */
	if (ok && LIST_FIRST(&ln->ports) == newest &&
	    (!newest || err_is_set(&first)))
		ok = err_nowhere(&first, e);
	return ok;
}

/* What somebody else has opened. */
static bool
open_given(struct listener *ln, const struct config *c, struct inherited *in,
    struct err *e)
{
	while (in->n > 0) {
		int fd = in->fd[in->n - 1];
		struct bind_file file;
		struct addr a;

		if (!bind_describe(fd, &a, &file, e))
			return false;
		port_add(ln, fd, &a, a.family == AF_UNIX ? &file : NULL,
		    in->owned);
		in->n--;
	}
	if (!in->owned)
		log_warn("sockets were handed over: listen_addr \"%s\", "
			 "listen_port and unix_socket_dir \"%s\" are not used "
			 "for listening", c->listen_addr, c->unix_socket_dir);
	return true;
}

struct listener *
listener_open(struct loop *l, const struct config *c, struct inherited *in,
    listener_accepted_fn *accepted, void *arg, struct err *e)
{
	struct listener *ln = xcalloc(1, sizeof(*ln));
	bool ok;

	ln->loop = l;
	ln->accepted = accepted;
	ln->arg = arg;
	LIST_INIT(&ln->ports);
	timer_init(&ln->rest, on_rested);
	listener_configure(ln, c);
	ok = in != NULL && in->n > 0 ? open_given(ln, c, in, e) :
				       open_own(ln, c, e);
	if (!ok) {
		listener_close(ln);
		return NULL;
	}
	watch(ln);
	return ln;
}

/* ---- afterwards ---- */

void
listener_configure(struct listener *ln, const struct config *c)
{
	struct port *p;

	ln->tuning = bind_tuning(c);
	LIST_FOREACH (p, &ln->ports, link)
		if (!p->is_unix && p->fd != -1)
			tcp_tune_listening(p->fd, &ln->tuning);
}

void
listener_close_tcp(struct listener *ln)
{
	struct port *p;

	LIST_FOREACH (p, &ln->ports, link) {
		if (p->is_unix)
			continue;
		/* The kernel resets those that wait in its queue. */
		while (p->fd != -1 && take_next(p))
			;
		port_close(p);
	}
}

void
listener_release(struct listener *ln)
{
	struct port *p;

	LIST_FOREACH (p, &ln->ports, link) {
		p->owns_file = false;
		port_close(p);
	}
}

void
listener_close(struct listener *ln)
{
	struct port *p;

	if (ln == NULL)
		return;
	while ((p = LIST_FIRST(&ln->ports)) != NULL) {
		LIST_REMOVE(p, link);
		port_close(p);
		if (p->owns_file)
			bind_unix_remove(&p->file);
		free(p);
	}
	timer_fini(&ln->rest);
	free(ln);
}

void
listener_pause(struct listener *ln)
{
	ln->paused = true;
	watch(ln);
}

void
listener_resume(struct listener *ln)
{
	ln->paused = false;
	watch(ln);
}

void
listener_each(const struct listener *ln,
    void (*fn)(void *arg, int fd, const struct addr *addr, const char *where),
    void *arg)
{
	const struct port *p;
	char where[ADDR_TEXT + sizeof(p->file.path)];

	LIST_FOREACH (p, &ln->ports, link) {
		if (p->fd == -1)
			continue;
		where_text(p, where, sizeof(where));
		fn(arg, p->fd, &p->addr, where);
	}
}
