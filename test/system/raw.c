/* The client that speaks bytes. */
#include "raw.h"

#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- building --- */

void
pkt_raw(struct pkt *k, const void *p, size_t n)
{
	if (k->n + n > k->cap) {
		k->cap = (k->n + n) * 2 + 64;
		k->p = realloc(k->p, k->cap);
		if (k->p == NULL)
			abort();
	}
	if (n > 0)
		memcpy(k->p + k->n, p, n);
	k->n += n;
}

void
pkt_u8(struct pkt *k, int v)
{
	uint8_t b = (uint8_t)v;

	pkt_raw(k, &b, 1);
}

void
pkt_i16(struct pkt *k, int v)
{
	uint16_t b = htons((uint16_t)v);

	pkt_raw(k, &b, 2);
}

void
pkt_i32(struct pkt *k, uint32_t v)
{
	v = htonl(v);
	pkt_raw(k, &v, 4);
}

void
pkt_str(struct pkt *k, const char *s)
{
	pkt_raw(k, s, strlen(s) + 1);
}

void
pkt_begin(struct pkt *k, char type)
{
	if (type != 0)
		pkt_u8(k, type);
	k->head = k->n;
	pkt_i32(k, 0);
}

void
pkt_end(struct pkt *k)
{
	uint32_t len = htonl((uint32_t)(k->n - k->head));

	memcpy(k->p + k->head, &len, 4);
}

void
pkt_free(struct pkt *k)
{
	free(k->p);
	memset(k, 0, sizeof(*k));
}

void
pkt_startup(struct pkt *k, const char *user, const char *db)
{
	pkt_startup_as(k, 196608, user, db, "");
}

void
pkt_startup_as(struct pkt *k, uint32_t version, const char *user,
    const char *db, const char *options)
{
	pkt_begin(k, 0);
	pkt_i32(k, version);
	pkt_str(k, "user");
	pkt_str(k, user);
	pkt_str(k, "database");
	pkt_str(k, db);
	while (*options != '\0') {
		size_t n = strcspn(options, " ");

		pkt_raw(k, options, n);
		pkt_raw(k, "\0001", 3);
		options += n + strspn(options + n, " ");
	}
	pkt_u8(k, 0);
	pkt_end(k);
}

void
pkt_password(struct pkt *k, const char *text)
{
	pkt_begin(k, 'p');
	pkt_str(k, text);
	pkt_end(k);
}

void
pkt_query(struct pkt *k, const char *sql)
{
	pkt_begin(k, 'Q');
	pkt_str(k, sql);
	pkt_end(k);
}

void
pkt_parse(struct pkt *k, const char *name, const char *sql)
{
	pkt_begin(k, 'P');
	pkt_str(k, name);
	pkt_str(k, sql);
	pkt_i16(k, 0);
	pkt_end(k);
}

void
pkt_bind(struct pkt *k, const char *portal, const char *stmt)
{
	pkt_begin(k, 'B');
	pkt_str(k, portal);
	pkt_str(k, stmt);
	pkt_i16(k, 0);
	pkt_i16(k, 0);
	pkt_i16(k, 0);
	pkt_end(k);
}

void
pkt_execute(struct pkt *k, const char *portal, int rows)
{
	pkt_begin(k, 'E');
	pkt_str(k, portal);
	pkt_i32(k, (uint32_t)rows);
	pkt_end(k);
}

void
pkt_describe(struct pkt *k, char kind, const char *name)
{
	pkt_begin(k, 'D');
	pkt_u8(k, kind);
	pkt_str(k, name);
	pkt_end(k);
}

void
pkt_empty(struct pkt *k, char type)
{
	pkt_begin(k, type);
	pkt_end(k);
}

void
pkt_cancel(struct pkt *k, uint32_t pid, uint32_t key)
{
	pkt_begin(k, 0);
	pkt_i32(k, 80877102);
	pkt_i32(k, pid);
	pkt_i32(k, key);
	pkt_end(k);
}

void
pkt_cancel_long(struct pkt *k, uint32_t pid, const void *key, size_t n)
{
	pkt_begin(k, 0);
	pkt_i32(k, 80877102);
	pkt_i32(k, pid);
	pkt_raw(k, key, n);
	pkt_end(k);
}

/* --- the connection --- */

struct raw *
raw_connect(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct raw *r = calloc(1, sizeof(*r));
	int one = 1;

	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_msg(connect(r->fd, (struct sockaddr *)&a, sizeof(a)) == 0,
	    "connect: %s", strerror(errno));
	setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return r;
}

void
raw_close(struct raw *r)
{
	close(r->fd);
	free(r->buf);
	free(r);
}

void
raw_reset(struct raw *r)
{
	struct linger now = { 1, 0 };

	setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	raw_close(r);
}

void
raw_shut(struct raw *r)
{
	shutdown(r->fd, SHUT_WR);
}

bool
raw_send(struct raw *r, const void *p, size_t n)
{
	const uint8_t *at = p;

	while (n > 0) {
		ssize_t sent = send(r->fd, at, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return false;
		at += sent;
		n -= (size_t)sent;
	}
	return true;
}

bool
raw_put(struct raw *r, struct pkt *k)
{
	bool ok = raw_send(r, k->p, k->n);

	pkt_free(k);
	return ok;
}

bool
raw_put_bytewise(struct raw *r, struct pkt *k)
{
	bool ok = true;

	for (size_t i = 0; i < k->n && ok; i++)
		ok = raw_send(r, k->p + i, 1);
	pkt_free(k);
	return ok;
}

/* Reads more; false at end of file or reset. */
static bool
fill(struct raw *r, int ms)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };
	ssize_t got;

	if (r->used > 0) {
		memmove(r->buf, r->buf + r->used, r->n - r->used);
		r->n -= r->used;
		r->used = 0;
	}
	if (r->cap - r->n < 16384) {
		r->cap = r->cap * 2 + 65536;
		r->buf = realloc(r->buf, r->cap);
	}
	ck_assert_msg(poll(&p, 1, ms > 0 ? ms : 0) == 1,
	    "nothing received in time");
	got = recv(r->fd, r->buf + r->n, r->cap - r->n, 0);
	if (got <= 0)
		return false;
	r->n += (size_t)got;
	return true;
}

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

struct msg
raw_next(struct raw *r, int ms)
{
	int64_t until = fx_now_ms() + fx_scaled(ms);
	struct msg m = { 0, 0, NULL };

	for (;;) {
		const uint8_t *p = r->buf + r->used;
		size_t have = r->n - r->used;

		if (have >= 5 && have >= (size_t)get32(p + 1) + 1) {
			m.type = (char)p[0];
			m.n = get32(p + 1) - 4;
			m.body = p + 5;
			r->used += m.n + 5;
			break;
		}
		if (!fill(r, (int)(until - fx_now_ms())))
			break;
	}
	if (m.type == 'K' && m.n >= 8 && m.n <= 4 + sizeof(r->secret)) {
		r->pid = get32(m.body);
		r->key = get32(m.body + 4);
		r->secret_n = m.n - 4;
		memcpy(r->secret, m.body + 4, r->secret_n);
	}
	return m;
}

int
raw_byte(struct raw *r, int ms)
{
	if (r->used == r->n && !fill(r, fx_scaled(ms)))
		return -1;
	return r->buf[r->used++];
}

bool
raw_ready(struct raw *r, int ms)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };

	return r->n > r->used || poll(&p, 1, ms) == 1;
}

struct msg
raw_until(struct raw *r, char type, int ms)
{
	struct msg m;

	do {
		m = raw_next(r, ms);
		ck_assert_msg(m.type != 0 || type == 0,
		    "closed while waiting for '%c'", type);
	} while (m.type != type);
	return m;
}

static const char *
types(struct raw *r, char last, int ms)
{
	static char got[4][4096];
	static int next;
	char *s = got[next++ % 4];
	size_t n = 0;
	struct msg m;

	do {
		m = raw_next(r, ms);
		if (m.type != 0 && n < sizeof(got[0]) - 2)
			s[n++] = m.type;
	} while (m.type != last && m.type != 0);
	if (m.type == 0 && last != 0)
		s[n++] = '!';
	s[n] = '\0';
	return s;
}

const char *
raw_types(struct raw *r, int ms)
{
	return types(r, 'Z', ms);
}

const char *
raw_types_to_end(struct raw *r, int ms)
{
	return types(r, 0, ms);
}

const char *
msg_field(const struct msg *m, char field)
{
	static char value[4][1024];
	static int next;
	const char *p = (const char *)m->body, *end = p + m->n;
	char *s = value[next++ % 4];

	s[0] = '\0';
	while (p < end && *p != '\0') {
		if (*p == field) {
			snprintf(s, sizeof(value[0]), "%s", p + 1);
			break;
		}
		p += strlen(p) + 1;
	}
	return s;
}

const char *
msg_value(const struct msg *m)
{
	static char value[4][1024];
	static int next;
	char *s = value[next++ % 4];
	size_t n;

	ck_assert(m->type == 'D' && m->n >= 6);
	n = get32(m->body + 2);
	if (n == 0xffffffff)
		n = 0;
	ck_assert(n <= m->n - 6);
	if (n >= sizeof(value[0]))
		n = sizeof(value[0]) - 1;
	memcpy(s, m->body + 6, n);
	s[n] = '\0';
	return s;
}

struct raw *
raw_login(int port, const char *user, const char *db)
{
	return raw_login_as(port, 196608, user, db);
}

void
raw_cancel(const struct raw *r, int port, size_t n)
{
	struct raw *way = raw_connect(port);
	struct pkt k = { 0 };

	pkt_cancel_long(&k, r->pid, r->secret, n);
	raw_put(way, &k);
	ck_assert_int_eq(raw_next(way, 10000).type, 0);
	raw_close(way);
}

struct raw *
raw_login_as(int port, uint32_t version, const char *user, const char *db)
{
	struct raw *r = raw_connect(port);
	struct pkt k = { 0 };
	struct msg m;

	pkt_startup_as(&k, version, user, db, "");
	raw_put(r, &k);
	do {
		m = raw_next(r, 10000);
		ck_assert_msg(m.type != 0 && m.type != 'E', "login refused: %s",
		    m.type == 'E' ? msg_field(&m, 'M') : "closed");
	} while (m.type != 'Z');
	return r;
}

const char *
raw_query(struct raw *r, const char *sql)
{
	struct pkt k = { 0 };
	const char *value = "";
	struct msg m;

	pkt_query(&k, sql);
	raw_put(r, &k);
	do {
		m = raw_next(r, 10000);
		ck_assert_msg(m.type != 0 && m.type != 'E', "%s: %s", sql,
		    m.type == 'E' ? msg_field(&m, 'M') : "closed");
		if (m.type == 'D' && value[0] == '\0')
			value = msg_value(&m);
	} while (m.type != 'Z');
	return value;
}
