/* A name server that cannot be trusted. */
#include "liar.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKET 4096
#define ADDRS 128
#define TYPE_A 1
#define TYPE_CNAME 5
#define TYPE_AAAA 28
#define HEAD 12
#define CHAIN 8

struct liar {
	pthread_t thread;
	int udp, tcp, forger; /* forger: another port */
	int stop[2];
	char servers[64];
	pthread_mutex_t mu; /* of all below */
	enum liar_mode mode;
	struct {
		int family;
		unsigned char ip[16];
	} addrs[ADDRS];
	int n;
	uint32_t ttl;
	int asked, asked_tcp;
	bool dropped[2];
};

struct packet {
	unsigned char b[PACKET];
	size_t n;
};

static void
put(struct packet *k, const void *p, size_t n)
{
	ck_assert_uint_le(k->n + n, sizeof(k->b));
	memcpy(k->b + k->n, p, n);
	k->n += n;
}

static void
put16(struct packet *k, unsigned v)
{
	unsigned char b[2] = { (unsigned char)(v >> 8), (unsigned char)v };

	put(k, b, 2);
}

/* Where the question ends; 0: it is none. */
static size_t
question_end(const unsigned char *q, size_t n)
{
	size_t at = HEAD;

	while (at < n && q[at] != 0)
		at += q[at] + 1u;
	at += 5;
	return at <= n ? at : 0;
}

static unsigned
type_of(const unsigned char *q, size_t end)
{
	return (unsigned)q[end - 4] << 8 | q[end - 3];
}

/* owner: an offset in the packet. */
static void
put_record(struct packet *k, unsigned owner, unsigned type, uint32_t ttl,
    const void *data, size_t n)
{
	put16(k, 0xc000 | owner);
	put16(k, type);
	put16(k, 1);
	put16(k, ttl >> 16);
	put16(k, ttl & 0xffff);
	put16(k, (unsigned)n);
	put(k, data, n);
	k->b[7]++;
}

/* "x3" and the name asked for behind it; where it stands. */
static unsigned
put_alias(struct packet *k, unsigned owner, int i, uint32_t ttl)
{
	unsigned char data[5] = { 2, 'x', (unsigned char)('0' + i), 0xc0,
		HEAD };

	put_record(k, owner, TYPE_CNAME, ttl, data, sizeof(data));
	return (unsigned)(k->n - sizeof(data));
}

static void
put_truth(struct liar *l, struct packet *k, unsigned owner, unsigned type)
{
	for (int i = 0; i < l->n; i++)
		if (type == TYPE_A && l->addrs[i].family == AF_INET)
			put_record(k, owner, type, l->ttl, l->addrs[i].ip, 4);
		else if (type == TYPE_AAAA && l->addrs[i].family == AF_INET6)
			put_record(k, owner, type, l->ttl, l->addrs[i].ip, 16);
}

/* The head and the question of an answer. */
static void
begin(struct packet *k, const unsigned char *q, size_t end, int rcode)
{
	k->n = 0;
	put(k, q, end);
	k->b[2] = 0x84;
	k->b[3] = (unsigned char)(0x80 | rcode);
	memset(k->b + 4, 0, 8);
	k->b[5] = 1;
}

static void
forge(struct packet *k, const unsigned char *q, size_t end, enum liar_mode m)
{
	static const unsigned char evil[4] = { 10, 6, 6, 6 };

	begin(k, q, end, 0);
	put_record(k, HEAD, TYPE_A, 3600, evil, sizeof(evil));
	if (m == LIAR_FORGED_ID)
		k->b[0] ^= 0x5a;
	if (m == LIAR_FORGED_NAME)
		k->b[HEAD + 1] ^= 1;
}

/* False: nothing is said. */
static bool
lie(struct liar *l, struct packet *k, const unsigned char *q, size_t end,
    bool by_tcp)
{
	unsigned owner = HEAD, type = type_of(q, end);
	size_t whole;

	begin(k, q, end, 0);
	switch (l->mode) {
	case LIAR_SILENT:
		return false;
	case LIAR_DROP_FIRST:
		if (!l->dropped[type == TYPE_AAAA]) {
			l->dropped[type == TYPE_AAAA] = true;
			return false;
		}
		break;
	case LIAR_NXDOMAIN:
		k->b[3] |= 3;
		return true;
	case LIAR_SERVFAIL:
		k->b[3] |= 2;
		return true;
	case LIAR_EMPTY:
		return true;
	case LIAR_GARBAGE:
		for (size_t i = 2; i < end; i++)
			k->b[i] = (unsigned char)(k->b[i] * 37 + 0x91);
		return true;
	case LIAR_SHORT:
		whole = k->n;
		put_truth(l, k, HEAD, type);
		if (k->n > whole)
			k->n -= 3;
		return true;
	case LIAR_CUT:
	case LIAR_CUT_CLOSED:
		if (!by_tcp)
			k->b[2] |= 2;
		if (!by_tcp)
			return true;
		if (l->mode == LIAR_CUT_CLOSED)
			return false;
		break;
	case LIAR_CHAIN:
		for (int i = 0; i < CHAIN; i++)
			owner = put_alias(k, owner, i, l->ttl);
		break;
	case LIAR_LOOP:
		owner = put_alias(k, put_alias(k, HEAD, 0, 0), 1, 0);
		put_alias(k, owner, 0, 0);
		return true;
	case LIAR_NO_AAAA:
		if (type == TYPE_AAAA) {
			k->b[3] |= 2;
			return true;
		}
		break;
	case LIAR_DROP_AAAA:
		if (type == TYPE_AAAA)
			return false;
		break;
	case LIAR_TRUTH:
	case LIAR_SLOW:
	case LIAR_FORGED_ID:
	case LIAR_FORGED_NAME:
	case LIAR_FORGED_PORT:
		break;
	}
	put_truth(l, k, owner, type);
	return true;
}

static void
serve_udp(struct liar *l)
{
	unsigned char q[PACKET];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	struct packet k, forged = { .n = 0 };
	enum liar_mode mode;
	ssize_t n = recvfrom(l->udp, q, sizeof(q), 0,
	    (struct sockaddr *)&from, &len);
	size_t end = n > HEAD ? question_end(q, (size_t)n) : 0;
	bool say;

	if (end == 0)
		return;
	pthread_mutex_lock(&l->mu);
	l->asked++;
	mode = l->mode;
	say = lie(l, &k, q, end, false);
	pthread_mutex_unlock(&l->mu);
	if (mode == LIAR_FORGED_ID || mode == LIAR_FORGED_NAME ||
	    mode == LIAR_FORGED_PORT)
		forge(&forged, q, end, mode);
	if (forged.n > 0)
		(void)!sendto(mode == LIAR_FORGED_PORT ? l->forger : l->udp,
		    forged.b, forged.n, 0, (struct sockaddr *)&from, len);
	if (mode == LIAR_SLOW)
		usleep(200000);
	/* More than a packet takes is cut, as RFC 1035 has it. */
	if (say && k.n > 512) {
		begin(&k, q, end, 0);
		k.b[2] |= 2;
	}
	if (say)
		(void)!sendto(l->udp, k.b, k.n, 0, (struct sockaddr *)&from,
		    len);
}

static bool
read_all(int fd, void *p, size_t n)
{
	size_t have = 0;
	ssize_t got;

	while (have < n && (got = read(fd, (char *)p + have, n - have)) > 0)
		have += (size_t)got;
	return have == n;
}

/* One after the other; who says nothing is waited for no longer than a
 * second. */
static void
serve_tcp(struct liar *l)
{
	struct timeval second = { .tv_sec = 1 };
	unsigned char q[PACKET], size[2];
	struct packet k;
	bool say = true;
	int fd = accept(l->tcp, NULL, NULL);

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
	while (say && read_all(fd, size, 2)) {
		size_t n = (size_t)size[0] << 8 | size[1], end;

		if (n > sizeof(q) || !read_all(fd, q, n) ||
		    (end = question_end(q, n)) == 0)
			break;
		pthread_mutex_lock(&l->mu);
		l->asked++;
		l->asked_tcp++;
		say = lie(l, &k, q, end, true);
		pthread_mutex_unlock(&l->mu);
		size[0] = (unsigned char)(k.n >> 8);
		size[1] = (unsigned char)k.n;
		say = say && write(fd, size, 2) == 2 &&
		    write(fd, k.b, k.n) == (ssize_t)k.n;
	}
	close(fd);
}

static void *
run(void *arg)
{
	struct liar *l = arg;
	struct pollfd p[3] = {
		{ .fd = l->udp, .events = POLLIN },
		{ .fd = l->tcp, .events = POLLIN },
		{ .fd = l->stop[0], .events = POLLIN },
	};

	while (poll(p, 3, -1) > 0 && !p[2].revents) {
		if (p[0].revents)
			serve_udp(l);
		if (p[1].revents)
			serve_tcp(l);
	}
	return NULL;
}

/* UDP and TCP on one port; false: it is taken. */
static bool
open_port(struct liar *l, const char *ip, int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port) };
	socklen_t n = sizeof(in);
	int on = 1;

	inet_pton(AF_INET, ip, &in.sin_addr);
	l->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	l->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(l->tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(l->udp, (struct sockaddr *)&in, n) == 0 &&
	    getsockname(l->udp, (struct sockaddr *)&in, &n) == 0 &&
	    bind(l->tcp, (struct sockaddr *)&in, n) == 0 &&
	    listen(l->tcp, 16) == 0) {
		snprintf(l->servers, sizeof(l->servers), "%s:%d", ip,
		    ntohs(in.sin_port));
		return true;
	}
	close(l->udp);
	close(l->tcp);
	return false;
}

struct liar *
liar_start(const char *ip, int port)
{
	struct liar *l = calloc(1, sizeof(*l));
	int tries = 0;

	ck_assert_ptr_nonnull(l);
	while (!open_port(l, ip, port))
		ck_assert_msg(++tries < 20, "port %d of %s: %s", port, ip,
		    strerror(errno));
	l->forger = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(pipe(l->stop), 0);
	pthread_mutex_init(&l->mu, NULL);
	l->ttl = 60;
	ck_assert_int_eq(pthread_create(&l->thread, NULL, run, l), 0);
	return l;
}

void
liar_stop(struct liar *l)
{
	close(l->stop[1]);
	pthread_join(l->thread, NULL);
	close(l->stop[0]);
	close(l->udp);
	close(l->tcp);
	close(l->forger);
	pthread_mutex_destroy(&l->mu);
	free(l);
}

void
liar_set(struct liar *l, enum liar_mode mode)
{
	pthread_mutex_lock(&l->mu);
	l->mode = mode;
	pthread_mutex_unlock(&l->mu);
}

void
liar_addrs(struct liar *l, const char *list)
{
	char copy[ADDRS * 16], *p, *save;

	snprintf(copy, sizeof(copy), "%s", list);
	pthread_mutex_lock(&l->mu);
	l->n = 0;
	for (p = strtok_r(copy, " ", &save); p != NULL && l->n < ADDRS;
	     p = strtok_r(NULL, " ", &save)) {
		int family = strchr(p, ':') ? AF_INET6 : AF_INET;

		l->addrs[l->n].family = family;
		if (inet_pton(family, p, l->addrs[l->n].ip) == 1)
			l->n++;
	}
	pthread_mutex_unlock(&l->mu);
}

void
liar_ttl(struct liar *l, uint32_t ttl)
{
	pthread_mutex_lock(&l->mu);
	l->ttl = ttl;
	pthread_mutex_unlock(&l->mu);
}

int
liar_asked(struct liar *l)
{
	int n;

	pthread_mutex_lock(&l->mu);
	n = l->asked;
	pthread_mutex_unlock(&l->mu);
	return n;
}

int
liar_asked_tcp(struct liar *l)
{
	int n;

	pthread_mutex_lock(&l->mu);
	n = l->asked_tcp;
	pthread_mutex_unlock(&l->mu);
	return n;
}

const char *
liar_servers(const struct liar *l)
{
	return l->servers;
}
