/*
 * As much of a PostgreSQL server as a pool needs to exist: it lets everyone in,
 * answers every query with an empty result, and hangs up after a moment.
 *
 *	fakepg DIRECTORY PORT LINGER_MS
 *
 * It listens on DIRECTORY/.s.PGSQL.PORT. A hundred thousand pools are made in
 * seconds in front of it, where a real server would fork a hundred thousand
 * times; and since it hangs up, they are idle and empty afterwards.
 */

#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64

/* In the order of their arrival, which is the order in which they expire. */
struct guest {
	TAILQ_ENTRY(guest) link;
	int fd;
	uint64_t arrived_ms;
	bool started;
};

TAILQ_HEAD(guests, guest);

struct answer {
	uint8_t bytes[512];
	size_t len;
};

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void
add(struct answer *a, char type, const void *body, size_t n)
{
	uint32_t len = htonl((uint32_t)n + 4);

	a->bytes[a->len] = (uint8_t)type;
	memcpy(a->bytes + a->len + 1, &len, 4);
	memcpy(a->bytes + a->len + 5, body, n);
	a->len += n + 5;
}

/* What follows a start-up packet: in, the parameters, a cancel key, ready. */
static void
make_welcome(struct answer *a)
{
	static const struct {
		const char *text;
		size_t len;
	} param[] = {
#define PARAM(name, value) { name "\0" value, sizeof(name "\0" value) }
		PARAM("server_version", "15.0"),
		PARAM("server_encoding", "UTF8"),
		PARAM("client_encoding", "UTF8"),
		PARAM("DateStyle", "ISO, MDY"),
		PARAM("IntervalStyle", "postgres"),
		PARAM("TimeZone", "UTC"),
		PARAM("integer_datetimes", "on"),
		PARAM("standard_conforming_strings", "on"),
		PARAM("application_name", ""),
#undef PARAM
	};
	size_t i;

	add(a, 'R', "\0\0\0", 4);
	for (i = 0; i < sizeof(param) / sizeof(param[0]); i++)
		add(a, 'S', param[i].text, param[i].len);
	add(a, 'K', "\0\0\0\1\0\0\0\2", 8);
	add(a, 'Z', "I", 1);
}

static int
listen_on(const char *dir, const char *port)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%.80s/.s.PGSQL.%.8s", dir,
	    port);
	unlink(sun.sun_path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0 ||
	    listen(fd, 4096) != 0) {
		perror(sun.sun_path);
		exit(1);
	}
	return fd;
}

static void
guest_free(struct guests *guests, struct guest *g)
{
	TAILQ_REMOVE(guests, g, link);
	close(g->fd);
	free(g);
}

static void
guest_welcome(struct guests *guests, int listener, int ep)
{
	struct guest *g;
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		return;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		abort();
	g->fd = fd;
	g->arrived_ms = now_ms();
	ev.data.ptr = g;
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	TAILQ_INSERT_TAIL(guests, g, link);
}

/*
 * A pooler sends its start-up packet, and each query, in one piece over a Unix
 * socket; so one read is one request.
 */
static void
guest_serve(struct guests *guests, struct guest *g)
{
	static struct answer welcome, empty;
	struct answer *a;
	uint8_t buf[8192];
	ssize_t n = recv(g->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (welcome.len == 0) {
		make_welcome(&welcome);
		add(&empty, 'I', "", 0);
		add(&empty, 'Z', "I", 1);
	}
	if (n <= 0 || buf[0] == 'X') {
		if (n == 0 || buf[0] == 'X' || errno != EAGAIN)
			guest_free(guests, g);
		return;
	}
	if (!g->started && n == 8 && buf[4] == 4 && buf[5] == 210) {
		(void)send(g->fd, "N", 1, MSG_NOSIGNAL);
		return;
	}
	a = g->started ? &empty : &welcome;
	g->started = true;
	(void)send(g->fd, a->bytes, a->len, MSG_NOSIGNAL);
}

int
main(int argc, char **argv)
{
	struct guests guests = TAILQ_HEAD_INITIALIZER(guests);
	struct epoll_event ev[BATCH], lev = { .events = EPOLLIN };
	struct guest *g;
	uint64_t linger_ms;
	int i, n, ep, listener;

	if (argc != 4) {
		fputs("usage: fakepg DIRECTORY PORT LINGER_MS\n", stderr);
		return 2;
	}
	linger_ms = strtoull(argv[3], NULL, 10);
	listener = listen_on(argv[1], argv[2]);
	ep = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(ep, EPOLL_CTL_ADD, listener, &lev);
	for (;;) {
		n = epoll_wait(ep, ev, BATCH, 20);
		for (i = 0; i < n; i++) {
			g = ev[i].data.ptr;
			if (g == NULL)
				guest_welcome(&guests, listener, ep);
			else
				guest_serve(&guests, g);
		}
		while ((g = TAILQ_FIRST(&guests)) != NULL &&
		    now_ms() - g->arrived_ms >= linger_ms)
			guest_free(&guests, g);
	}
}
