/* One process takes the place of another. */
#include "control/takeover.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/log.h"
#include "control/daemon.h"
#include "control/listener.h"
#include "control/shutdown.h"
#include "pooling/cancel.h"
#include "pooling/peers.h"
#include "pooling/worker.h"
#include "proto/moved.h"
#include "takeover_packet.h"

/* Who has the same form of packets fits, of whatever version it is. */
#define HELLO "Hpooler/" MOVED_FORMAT " "
#define ASK_MS 5000 /* for the running one to answer */
#define BURST 64 /* packets a turn */

struct takeover {
	struct plane *plane;
	struct sockaddr_un name;
	int listen_fd; /* -1 = nobody can come */
	dev_t dev;
	ino_t ino;
	struct event listening;
	int fd; /* the other process; -1 = none */
	bool is_new; /* we are the one that takes over */
	bool released; /* old: R has come */
	struct event readable, writable;
	struct parcel_list out;
	struct packet_parcel in;
	uint64_t n_moved;
};

/* Only who is us may take our place; or root, who may do it anyway. */
static bool
is_us(int fd)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0 &&
	    (cred.uid == geteuid() || cred.uid == 0);
}

static bool
set_name(const struct config *cfg, struct sockaddr_un *un, socklen_t *n)
{
	int len;

	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	if (*cfg->unix_socket_dir == '\0')
		return false;
	len = snprintf(un->sun_path, sizeof(un->sun_path),
	    "%s/.s.PGSQL.%d.takeover", cfg->unix_socket_dir,
	    cfg->listen_port);
	if (len < 0 || (size_t)len >= sizeof(un->sun_path))
		return false;
	*n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len);
	if (un->sun_path[0] == '@')
		un->sun_path[0] = '\0';
	else
		++*n;
	return true;
}

static bool
is_abstract(const struct sockaddr_un *un)
{
	return un->sun_path[0] == '\0';
}

/* ---- the other process ---- */

/* Those that did not get away, or not in one piece. */
static void
take_back(struct takeover *t)
{
	struct parcel *p;

	while ((p = STAILQ_FIRST(&t->out)) != NULL) {
		STAILQ_REMOVE_HEAD(&t->out, next);
		workers_adopt(t->plane->hub, p);
	}
}

static void
forget_peer(struct takeover *t)
{
	if (t->fd == -1)
		return;
	event_del(&t->readable);
	event_del(&t->writable);
	close(t->fd);
	t->fd = -1;
	packet_drop(&t->in);
	take_back(t);
}

static void on_packets(evutil_socket_t fd, short what, void *arg);
static void on_room(evutil_socket_t fd, short what, void *arg);

static void
meet_peer(struct takeover *t, int fd)
{
	struct event_base *base = loop_base(t->plane->hub->main_loop);

	t->fd = fd;
	event_assign(&t->readable, base, fd, EV_READ | EV_PERSIST, on_packets,
	    t);
	event_assign(&t->writable, base, fd, EV_WRITE, on_room, t);
	event_add(&t->readable, NULL);
}

/* ---- the old process ---- */

static void
close_name(struct takeover *t)
{
	struct stat st;

	if (t->listen_fd == -1)
		return;
	event_del(&t->listening);
	close(t->listen_fd);
	t->listen_fd = -1;
	if (!is_abstract(&t->name) && lstat(t->name.sun_path, &st) == 0 &&
	    st.st_dev == t->dev && st.st_ino == t->ino)
		unlink(t->name.sun_path);
}

static void
offer_socket(void *arg, int fd, const struct addr *a, const char *where)
{
	struct takeover *t = arg;

	(void)a;
	if (t->fd != -1 && !packet_send(t->fd, "L", 1, fd))
		log_warn("could not hand over %s: %s", where, strerror(errno));
}

static void
say_hello(struct takeover *t, const char *hello, size_t n)
{
	size_t head = strlen(HELLO);
	int rest = (int)(n < head ? 0 : n - head < 60 ? n - head : 60);

	if (n < head || memcmp(hello, HELLO, head) != 0) {
		log_warn("a process of another version asks for our place, and "
			 "will not get it: \"%.*s\"",
		    (int)(n < 60 ? n : 60), hello);
		forget_peer(t);
		return;
	}
	log_info("another process asks for our sockets: version %.*s", rest,
	    hello + head);
	listener_each(t->plane->listener, offer_socket, t);
	packet_send(t->fd, "G", 1, -1);
}

/* Sends what waits; the rest when there is room. */
static void
send_parcels(struct takeover *t)
{
	struct parcel *p;

	while ((p = STAILQ_FIRST(&t->out)) != NULL) {
		if (!packet_send_parcel(t->fd, p)) {
			if (errno == EAGAIN || errno == ENOBUFS ||
			    errno == ETOOMANYREFS)
				event_add(&t->writable, NULL);
			else
				log_error("could not send a client to the "
					  "process that takes our place: %s",
				    strerror(errno));
			return;
		}
		STAILQ_REMOVE_HEAD(&t->out, next);
		parcel_free(p);
		t->n_moved++;
	}
}

static void
on_room(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	send_parcels(arg);
}

/* From hub->parcel: a worker has taken leave of a client. */
static void
on_parcel(void *arg, struct parcel *p)
{
	struct takeover *t = arg;

	if (t->fd == -1) {
		workers_adopt(t->plane->hub, p);
		return;
	}
	STAILQ_INSERT_TAIL(&t->out, p, next);
	if (STAILQ_FIRST(&t->out) == p)
		send_parcels(t);
}

/* The new one serves: everything that clients come by is its own now. */
static void
let_go(struct takeover *t)
{
	struct plane *pl = t->plane;

	log_info("another process has taken our place");
	t->released = true;
	listener_release(pl->listener);
	close_name(t);
	daemon_remove_pidfile(pl->hub->cfg->pidfile);
	packet_send(t->fd, "D", 1, -1);
	pl->successor = true;
	shutdown_begin(pl, SHUTDOWN_CLIENTS);
}

static void
on_cancelled(struct cancel_call *c)
{
	free(c);
}

/* Whoever cancels reaches the new one only. */
static void
cancel_here(struct takeover *t, struct span key)
{
	struct cancel_call *c = xcalloc(1, sizeof(*c));
	struct hub *hub = t->plane->hub;

	cancel_call_set(c, key);
	c->reply_to = hub->main_loop;
	c->over = on_cancelled;
	cancel_call(hub->keys, c);
}

static void
old_packet(struct takeover *t, const char *p, size_t n)
{
	if (p[0] == 'K' && n > CANCEL_KEY && n <= 1 + CANCEL_KEY_MAX &&
	    t->released)
		cancel_here(t, SPAN(p + 1, n - 1));
	else if (p[0] == 'H' && !t->released)
		say_hello(t, p, n);
	else if (p[0] == 'R' && !t->released)
		let_go(t);
}

static void
old_lost_peer(struct takeover *t)
{
	forget_peer(t);
	if (!t->released)
		log_warn("the process that asked for our place has gone; "
			 "going on");
	else
		log_error("the process that took our place has gone");
	/* Clients that were not sent yet stay with us. */
	t->plane->successor = false;
	if (t->released)
		shutdown_begin(t->plane, SHUTDOWN_CLIENTS);
}

static void
on_visitor(evutil_socket_t listen_fd, short what, void *arg)
{
	struct takeover *t = arg;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (fd == -1)
		return;
	if (t->fd != -1 || t->plane->shutdown != SHUTDOWN_NO || !is_us(fd))
		close(fd);
	else
		meet_peer(t, fd);
}

static bool
bind_name(struct takeover *t, socklen_t n)
{
	struct stat st;
	mode_t was;
	int rc;

	/* Nobody listens there: our client socket was free to be bound. */
	if (!is_abstract(&t->name))
		unlink(t->name.sun_path);
	was = umask(0177);
	rc = bind(t->listen_fd, (const struct sockaddr *)&t->name, n);
	umask(was);
	if (rc != 0 || listen(t->listen_fd, 4) != 0)
		return false;
	if (!is_abstract(&t->name) && lstat(t->name.sun_path, &st) == 0) {
		t->dev = st.st_dev;
		t->ino = st.st_ino;
	}
	return true;
}

static void
open_name(struct takeover *t)
{
	struct plane *pl = t->plane;
	socklen_t n;

	if (!set_name(pl->hub->cfg, &t->name, &n))
		return;
	t->listen_fd = socket(AF_UNIX,
	    SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (t->listen_fd == -1 || !bind_name(t, n)) {
		log_warn("could not make the socket for a take-over: %s",
		    strerror(errno));
		if (t->listen_fd != -1)
			close(t->listen_fd);
		t->listen_fd = -1;
		return;
	}
	event_assign(&t->listening, loop_base(pl->hub->main_loop),
	    t->listen_fd, EV_READ | EV_PERSIST, on_visitor, t);
	event_add(&t->listening, NULL);
}

/* ---- the new process ---- */

static bool
ask_failed(int fd, struct inherited *in, struct err *e, const char *what)
{
	err_set(e, "55000", "could not take over: %s: %s", what,
	    strerror(errno));
	err_hint(e, "the running process goes on; its log may say more");
	inherit_close(in);
	close(fd);
	return false;
}

/* One packet of the old process's answer. False at the last one, or with
 * errno. */
static bool
take_socket(int fd, struct inherited *in, bool *done)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char byte = 0;
	int passed, r;
	ssize_t n;

	r = poll(&pfd, 1, ASK_MS);
	if (r <= 0) {
		errno = r == 0 ? ETIMEDOUT : errno;
		return false;
	}
	n = packet_recv(fd, &byte, 1, &passed);
	if (n <= 0) {
		errno = n == 0 ? ECONNRESET : errno;
		return false;
	}
	if (byte == 'L' && passed != -1 && in->n < INHERIT_MAX) {
		in->fd[in->n++] = passed;
		return true;
	}
	if (passed != -1)
		close(passed);
	*done = byte == 'G';
	errno = EPROTO;
	return false;
}

bool
takeover_ask(const struct config *cfg, struct inherited *in, int *fd,
    struct err *e)
{
	struct sockaddr_un un;
	bool done = false;
	socklen_t n;

	*fd = -1;
	if (!set_name(cfg, &un, &n)) {
		err_set(e, "22023", "-R needs a Unix socket");
		err_hint(e, "set unix_socket_dir");
		return false;
	}
	*fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (*fd == -1 || connect(*fd, (struct sockaddr *)&un, n) != 0) {
		if (*fd != -1)
			close(*fd);
		*fd = -1;
		return true;
	}
	if (!is_us(*fd)) {
		errno = EPERM;
		return ask_failed(*fd, in, e, "it is another user's");
	}
	if (!packet_send(*fd, HELLO PACKAGE_VERSION,
		strlen(HELLO PACKAGE_VERSION), -1))
		return ask_failed(*fd, in, e, "asking");
	while (take_socket(*fd, in, &done))
		;
	if (!done || in->n == 0)
		return ask_failed(*fd, in, e, "its sockets");
	in->owned = true;
	return true;
}

/* A cancel request with a key that is not here: its client may be with the
 * process before us still. */
static void
on_stray_cancel(struct mail *m, struct loop *l)
{
	struct cancel_call *c = CONTAINER_OF(m, struct cancel_call, mail);
	struct plane *pl = c->elsewhere;
	struct takeover *t = pl->takeover;
	uint8_t packet[1 + CANCEL_KEY_MAX] = { 'K' };

	(void)l;
	memcpy(packet + 1, c->key, c->key_n);
	if (t != NULL && t->fd != -1 && t->is_new)
		packet_send(t->fd, packet, 1u + c->key_n, -1);
	cancel_call_over(c);
}

/* On a worker; the plane outlives them all. */
static void
stray_cancel(void *arg, struct cancel_call *c)
{
	struct plane *pl = arg;

	c->elsewhere = pl;
	c->mail.fn = on_stray_cancel;
	loop_post(pl->hub->main_loop, &c->mail);
}

static void
new_piece(struct takeover *t, const uint8_t *p, size_t n, int passed)
{
	struct parcel *parcel;
	bool bad;

	parcel = packet_take_piece(&t->in, p, n, passed, &bad);
	if (bad)
		log_error("the process before us has sent a client that cannot "
			  "be read: dropped");
	if (parcel == NULL)
		return;
	t->n_moved++;
	workers_adopt(t->plane->hub, parcel);
}

static void
new_packet(struct takeover *t, const uint8_t *p, size_t n, int passed)
{
	struct plane *pl = t->plane;
	struct err e;

	if (p[0] == 'C' || p[0] == 'c') {
		new_piece(t, p, n, passed);
		return;
	}
	if (passed != -1)
		close(passed);
	if (p[0] != 'D')
		return;
	log_info("took over the sockets of the process before");
	open_name(t);
	if (!daemon_write_pidfile(pl->hub->cfg->pidfile, &e))
		log_error("%s", e.msg);
}

static void
on_packets(evutil_socket_t fd, short what, void *arg)
{
	static uint8_t bytes[PACKET_MAX + 1];
	struct takeover *t = arg;
	ssize_t n = 1;
	int passed, i;

	(void)what;
	for (i = 0; i < BURST && t->fd == fd && n > 0; i++) {
		n = packet_recv(fd, bytes, sizeof(bytes), &passed);
		if (n > 0 && t->is_new)
			new_packet(t, bytes, (size_t)n, passed);
		else if (n > 0) {
			if (passed != -1)
				close(passed);
			old_packet(t, (const char *)bytes, (size_t)n);
		}
	}
	wipe(bytes, sizeof(bytes));
	if (t->fd != fd || n > 0 || (n < 0 && errno == EAGAIN))
		return;
	if (t->is_new) {
		log_info("the process before has ended; %llu clients came over",
		    (unsigned long long)t->n_moved);
		forget_peer(t);
		peers_set_elsewhere(t->plane->hub->peers, NULL, NULL);
		/* The next one may come. */
		t->is_new = false;
		t->n_moved = 0;
	} else {
		old_lost_peer(t);
	}
}

/* ---- both ---- */

static struct takeover *
takeover_new(struct plane *pl)
{
	struct takeover *t = xcalloc(1, sizeof(*t));

	t->plane = pl;
	t->fd = t->listen_fd = -1;
	STAILQ_INIT(&t->out);
	pl->takeover = t;
	pl->hub->parcel = on_parcel;
	pl->hub->parcel_arg = t;
	return t;
}

void
takeover_ready(struct plane *pl, int fd)
{
	struct takeover *t = takeover_new(pl);

	if (fd == -1) {
		open_name(t);
		return;
	}
	t->is_new = true;
	meet_peer(t, fd);
	peers_set_elsewhere(pl->hub->peers, stray_cancel, pl);
	if (!packet_send(fd, "R", 1, -1))
		log_error("could not tell the process before that we are "
			  "ready: %s", strerror(errno));
}

void
takeover_close(struct plane *pl)
{
	struct takeover *t = pl->takeover;
	struct parcel *p;

	if (t == NULL)
		return;
	while ((p = STAILQ_FIRST(&t->out)) != NULL) {
		STAILQ_REMOVE_HEAD(&t->out, next);
		parcel_free(p);
	}
	if (t->released)
		log_info("%llu clients were sent to the process that took our "
			 "place", (unsigned long long)t->n_moved);
	forget_peer(t);
	close_name(t);
	free(t);
	pl->takeover = NULL;
}
