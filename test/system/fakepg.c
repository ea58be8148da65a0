/* The server that behaves as told. */
#include "fakepg.h"

#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CONNS 512

struct one {
	struct fake_conn conn;
	pthread_t thread;
	atomic_bool over;
};

struct fakepg {
	fake_serve *serve;
	void *arg;
	int fd, port;
	pthread_t acceptor;
	atomic_int accepted, open;
	struct one *conns[MAX_CONNS]; /* the acceptor's, then fakepg_stop's */
};

static int
listen_somewhere(int backlog, int *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    listen(fd, backlog) != 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) != 0)
		ck_abort_msg("no listening socket: %s", strerror(errno));
	*port = ntohs(a.sin_port);
	return fd;
}

static void *
serve_one(void *arg)
{
	struct one *o = arg;

	o->conn.server->serve(&o->conn, o->conn.server->arg);
	shutdown(o->conn.fd, SHUT_RDWR);
	atomic_fetch_sub(&o->conn.server->open, 1);
	atomic_store(&o->over, true);
	return NULL;
}

static void
end_one(struct one *o)
{
	pthread_join(o->thread, NULL);
	close(o->conn.fd);
	free(o->conn.body);
	free(o);
}

/* A free place; one whose connection is over is cleared. -1: none. */
static int
free_place(struct fakepg *f)
{
	for (int i = 0; i < MAX_CONNS; i++) {
		struct one *o = f->conns[i];

		if (o != NULL && atomic_load(&o->over)) {
			end_one(o);
			f->conns[i] = o = NULL;
		}
		if (o == NULL)
			return i;
	}
	return -1;
}

static void *
accept_all(void *arg)
{
	struct fakepg *f = arg;
	int fd, n, place;

	for (n = 0;; n++) {
		struct one *o;

		fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			break;
		place = free_place(f);
		if (place < 0) {
			close(fd);
			break;
		}
		o = calloc(1, sizeof(*o));
		o->conn.server = f;
		o->conn.fd = fd;
		o->conn.number = n;
		f->conns[place] = o;
		atomic_fetch_add(&f->open, 1);
		pthread_create(&o->thread, NULL, serve_one, o);
		atomic_fetch_add(&f->accepted, 1);
	}
	return NULL;
}

struct fakepg *
fakepg_start(fake_serve *serve, void *arg)
{
	struct fakepg *f = calloc(1, sizeof(*f));

	f->serve = serve;
	f->arg = arg;
	f->fd = listen_somewhere(64, &f->port);
	ck_assert_int_eq(pthread_create(&f->acceptor, NULL, accept_all, f), 0);
	return f;
}

int
fakepg_port(const struct fakepg *f)
{
	return f->port;
}

int
fakepg_accepted(const struct fakepg *f)
{
	return atomic_load(&f->accepted);
}

int
fakepg_open(const struct fakepg *f)
{
	return atomic_load(&f->open);
}

void
fakepg_stop(struct fakepg *f)
{
	shutdown(f->fd, SHUT_RDWR);
	pthread_join(f->acceptor, NULL);
	close(f->fd);
	for (int i = 0; i < MAX_CONNS; i++)
		if (f->conns[i] != NULL) {
			shutdown(f->conns[i]->conn.fd, SHUT_RDWR);
			end_one(f->conns[i]);
		}
	free(f);
}

/* --- steps of a connection --- */

static bool
read_exact(struct fake_conn *c, void *p, size_t n)
{
	uint8_t *at = p;

	while (n > 0) {
		ssize_t got = recv(c->fd, at, n, 0);

		if (got <= 0)
			return false;
		at += got;
		n -= (size_t)got;
	}
	return true;
}

static bool
read_body(struct fake_conn *c)
{
	uint32_t len;

	if (!read_exact(c, &len, 4))
		return false;
	len = ntohl(len);
	if (len < 4 || len > 1 << 28)
		return false;
	c->n = len - 4;
	c->body = realloc(c->body, c->n + 1);
	if (c->body == NULL)
		abort();
	c->body[c->n] = '\0';
	return read_exact(c, c->body, c->n);
}

bool
fake_startup(struct fake_conn *c)
{
	uint32_t code;

	for (;;) {
		if (!read_body(c) || c->n < 4)
			return false;
		memcpy(&code, c->body, 4);
		code = ntohl(code);
		if (code == 80877103 || code == 80877104) {
			if (!fake_bytes(c, "N", 1))
				return false;
			continue;
		}
		return code >> 16 == 3;
	}
}

char
fake_read(struct fake_conn *c)
{
	char type;

	return read_exact(c, &type, 1) && read_body(c) ? type : 0;
}

bool
fake_bytes(struct fake_conn *c, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t sent = send(c->fd, at, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		at += sent;
		n -= (size_t)sent;
	}
	return true;
}

bool
fake_send(struct fake_conn *c, struct pkt *k)
{
	bool ok = fake_bytes(c, k->p, k->n);

	pkt_free(k);
	return ok;
}

void
fake_put_auth(struct pkt *k, uint32_t kind)
{
	pkt_begin(k, 'R');
	pkt_i32(k, kind);
	pkt_end(k);
}

void
fake_put_status(struct pkt *k, const char *name, const char *value)
{
	pkt_begin(k, 'S');
	pkt_str(k, name);
	pkt_str(k, value);
	pkt_end(k);
}

void
fake_put_error(struct pkt *k, const char *severity, const char *code,
    const char *text)
{
	pkt_begin(k, 'E');
	pkt_u8(k, 'S');
	pkt_str(k, severity);
	pkt_u8(k, 'V');
	pkt_str(k, severity);
	pkt_u8(k, 'C');
	pkt_str(k, code);
	pkt_u8(k, 'M');
	pkt_str(k, text);
	pkt_u8(k, 0);
	pkt_end(k);
}

void
fake_put_ready(struct pkt *k, char status)
{
	pkt_begin(k, 'Z');
	pkt_u8(k, status);
	pkt_end(k);
}

void
fake_put_answer(struct pkt *k, const char *value)
{
	pkt_begin(k, 'T');
	pkt_i16(k, 1);
	pkt_str(k, "value");
	pkt_i32(k, 0);
	pkt_i16(k, 0);
	pkt_i32(k, 25);
	pkt_i16(k, -1);
	pkt_i32(k, 0xffffffff);
	pkt_i16(k, 0);
	pkt_end(k);
	pkt_begin(k, 'D');
	pkt_i16(k, 1);
	pkt_i32(k, (uint32_t)strlen(value));
	pkt_raw(k, value, strlen(value));
	pkt_end(k);
	pkt_begin(k, 'C');
	pkt_str(k, "SELECT 1");
	pkt_end(k);
}

bool
fake_welcome(struct fake_conn *c)
{
	struct pkt k = { 0 };

	fake_put_auth(&k, 0);
	return fake_send(c, &k) && fake_welcome_rest(c);
}

bool
fake_welcome_rest(struct fake_conn *c)
{
	struct pkt k = { 0 };

	fake_put_status(&k, "server_version", "15.0");
	fake_put_status(&k, "server_encoding", "UTF8");
	fake_put_status(&k, "client_encoding", "UTF8");
	fake_put_status(&k, "DateStyle", "ISO, MDY");
	fake_put_status(&k, "TimeZone", "GMT");
	fake_put_status(&k, "standard_conforming_strings", "on");
	fake_put_status(&k, "application_name", "");
	fake_put_status(&k, "IntervalStyle", "postgres");
	pkt_begin(&k, 'K');
	pkt_i32(&k, 4242);
	pkt_i32(&k, 4343);
	pkt_end(&k);
	fake_put_ready(&k, 'I');
	return fake_send(c, &k);
}

void
fake_queries(struct fake_conn *c, const char *value)
{
	struct pkt k = { 0 };
	char type;

	while ((type = fake_read(c)) != 0 && type != 'X') {
		if (type != 'Q')
			continue;
		if (strncmp((char *)c->body, "SELECT", 6) == 0)
			fake_put_answer(&k, value);
		else {
			pkt_begin(&k, 'C');
			pkt_str(&k, "SET");
			pkt_end(&k);
		}
		fake_put_ready(&k, 'I');
		if (!fake_send(c, &k))
			break;
	}
}

void
fake_linger(struct fake_conn *c)
{
	char part[4096];

	while (recv(c->fd, part, sizeof(part), 0) > 0)
		;
}

/* --- blackhole --- */

void
blackhole_open(struct blackhole *b)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct pollfd p = { .events = POLLOUT };

	b->fds[0] = listen_somewhere(0, &b->port);
	a.sin_port = htons((uint16_t)b->port);
	for (b->n = 1; b->n < 16; b->n++) {
		int fd = socket(AF_INET,
		    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		b->fds[b->n] = fd;
		connect(fd, (struct sockaddr *)&a, sizeof(a));
		p.fd = fd;
		if (poll(&p, 1, 100) == 0)
			break;
	}
	ck_assert_int_lt(b->n, 16);
}

void
blackhole_close(struct blackhole *b)
{
	for (int i = 0; i <= b->n; i++)
		close(b->fds[i]);
}
