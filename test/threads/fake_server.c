/* Just enough PostgreSQL for a pool. */
#include "fake_server.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNS_MAX 512
#define IN_MAX 4096
#define PORT 5432

#define CODE_STARTUP 196608
#define CODE_CANCEL 80877102

struct conn {
	int fd;
	uint32_t pid;
	char user[32];
	bool counted; /* it has sent its StartupMessage */
	bool in; /* it is logged in */
	bool deaf;
	bool kill;
	uint8_t status; /* I or T */
	uint8_t buf[IN_MAX];
	size_t n;
};

struct fake_server {
	pthread_t thread;
	pthread_mutex_t mu; /* all below */
	char dir[64];
	char path[96];
	int fd; /* -1: not listening */
	int wake[2];
	bool stop;
	struct conn *conns[CONNS_MAX];
	int n;
	int live, max_live, total;
	int pending, max_pending;
	int let_in;
	bool hold_queries;
	char refuse_user[32];
	char refuse_code[8];
	uint8_t extra[64]; /* behind each welcome */
	size_t n_extra;
	uint32_t next_pid;
	uint32_t seed;
};

static void
poke(struct fake_server *f)
{
	char c = 0;

	if (write(f->wake[1], &c, 1) < 0)
		assert(errno == EAGAIN);
}

/* ---- connections; the mutex is held ---- */

static void
end_conn(struct fake_server *f, int i)
{
	struct conn *c = f->conns[i];

	/* First the count: who sees the end may come again at once. */
	if (c->counted) {
		f->live--;
		f->pending -= !c->in;
	}
	close(c->fd);
	free(c);
	f->conns[i] = f->conns[--f->n];
}

static void
say(struct conn *c, const void *p, size_t n)
{
	/* What does not fit into the socket is of no interest here. */
	if (send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		c->kill = errno != EAGAIN;
}

static size_t
put_message(uint8_t *at, char type, const void *body, uint32_t n)
{
	uint32_t len = htonl(n + 4);

	at[0] = (uint8_t)type;
	memcpy(at + 1, &len, sizeof(len));
	memcpy(at + 5, body, n);
	return n + 5;
}

static void
say_error(struct conn *c, const char *code)
{
	uint8_t out[128];
	char body[64];
	int n = snprintf(body, sizeof(body), "SFATAL%cVFATAL%cC%s%cMno%c%c", 0,
	    0, code, 0, 0, 0);

	say(c, out, put_message(out, 'E', body, (uint32_t)n));
}

static void
answer_login(struct fake_server *f, struct conn *c)
{
	static const char param[] = "client_encoding\0UTF8";
	uint8_t out[128 + sizeof(f->extra)];
	uint32_t key[2] = { htonl(c->pid), htonl(7) };
	size_t n = 0;

	if (f->refuse_code[0] && (!f->refuse_user[0] ||
		strcmp(f->refuse_user, c->user) == 0)) {
		say_error(c, f->refuse_code);
		c->kill = true;
		return;
	}
	n += put_message(out + n, 'R', "\0\0\0\0", 4);
	n += put_message(out + n, 'S', param, sizeof(param));
	n += put_message(out + n, 'K', key, sizeof(key));
	n += put_message(out + n, 'Z', "I", 1);
	memcpy(out + n, f->extra, f->n_extra);
	n += f->n_extra;
	c->in = true;
	f->pending--;
	say(c, out, n);
}

static void
answer_query(struct conn *c, const char *sql)
{
	uint8_t out[64];
	size_t n = 0;

	if (strncmp(sql, "BEGIN", 5) == 0)
		c->status = 'T';
	else if (strncmp(sql, "ROLLBACK", 8) == 0)
		c->status = 'I';
	if (sql[0])
		n = put_message(out, 'C', "SELECT 1", 9);
	else
		n = put_message(out, 'I', "", 0);
	n += put_message(out + n, 'Z', &c->status, 1);
	say(c, out, n);
}

static void
take_startup(struct fake_server *f, struct conn *c, const uint8_t *p, size_t n)
{
	uint32_t code;

	memcpy(&code, p + 4, sizeof(code));
	if (ntohl(code) != CODE_STARTUP) {
		assert(ntohl(code) == CODE_CANCEL);
		c->kill = true;
		return;
	}
	/* "user" is what our pooler says first. */
	assert(n > 13 && strcmp((const char *)p + 8, "user") == 0);
	copy_str(c->user, sizeof(c->user), (const char *)p + 13);
	c->counted = true;
	f->total++;
	if (++f->live > f->max_live)
		f->max_live = f->live;
	if (++f->pending > f->max_pending)
		f->max_pending = f->pending;
}

/* One message off the front of the buffer. */
static bool
take_message(struct fake_server *f, struct conn *c)
{
	size_t head = c->counted ? 1 : 0, size;
	uint32_t len;

	if (c->kill || c->n < head + 4)
		return false;
	memcpy(&len, c->buf + head, sizeof(len));
	size = head + ntohl(len);
	assert(size <= IN_MAX);
	if (c->n < size)
		return false;
	if (!c->counted)
		take_startup(f, c, c->buf, size);
	else if (c->buf[0] == 'X')
		c->kill = true;
	else if (c->buf[0] == 'Q' && f->hold_queries)
		return false;
	else if (c->buf[0] == 'Q')
		answer_query(c, (const char *)c->buf + 5);
	memmove(c->buf, c->buf + size, c->n - size);
	c->n -= size;
	return true;
}

static void
serve_conn(struct fake_server *f, struct conn *c, short revents)
{
	ssize_t got;

	if (c->deaf)
		c->kill |= (revents & POLLHUP) != 0;
	else if (revents) {
		got = recv(c->fd, c->buf + c->n, IN_MAX - c->n, MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN))
			c->kill = true;
		else if (got > 0)
			c->n += (size_t)got;
	}
	while (take_message(f, c))
		;
	if (c->counted && !c->in && !c->kill && f->let_in != 0) {
		if (f->let_in > 0)
			f->let_in--;
		answer_login(f, c);
	}
}

static void
accept_all(struct fake_server *f)
{
	struct conn *c;
	int fd;

	while (f->n < CONNS_MAX &&
	    (fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		c = xcalloc(1, sizeof(*c));
		c->fd = fd;
		c->pid = ++f->next_pid;
		c->status = 'I';
		f->conns[f->n++] = c;
	}
}

/* ---- the thread ---- */

static int
fill_poll(struct fake_server *f, struct pollfd *p)
{
	int i, n = 0;

	p[n++] = (struct pollfd){ f->wake[0], POLLIN, 0 };
	p[n++] = (struct pollfd){ f->fd, POLLIN, 0 };
	for (i = 0; i < f->n; i++) {
		struct conn *c = f->conns[i];
		bool listens = !c->deaf && c->n < IN_MAX;

		p[n++] = (struct pollfd){ c->fd, listens ? POLLIN : 0, 0 };
	}
	return n;
}

static void *
thread_main(void *arg)
{
	struct fake_server *f = arg;
	struct pollfd p[CONNS_MAX + 2];
	char scrap[64];
	int i, n;

	pthread_mutex_lock(&f->mu);
	while (!f->stop) {
		n = fill_poll(f, p);
		pthread_mutex_unlock(&f->mu);
		(void)poll(p, (nfds_t)n, -1);
		pthread_mutex_lock(&f->mu);
		while (read(f->wake[0], scrap, sizeof(scrap)) > 0)
			;
		for (i = 0; i < n - 2; i++)
			serve_conn(f, f->conns[i], p[i + 2].revents);
		for (i = f->n - 1; i >= 0; i--)
			if (f->conns[i]->kill)
				end_conn(f, i);
		if (f->fd >= 0 && p[1].revents)
			accept_all(f);
	}
	pthread_mutex_unlock(&f->mu);
	return NULL;
}

/* ---- from outside ---- */

static void
open_socket(struct fake_server *f)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int rc;

	f->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert(f->fd >= 0);
	copy_str(un.sun_path, sizeof(un.sun_path), f->path);
	rc = bind(f->fd, (struct sockaddr *)&un, sizeof(un));
	assert(rc == 0);
	rc = listen(f->fd, CONNS_MAX);
	assert(rc == 0);
}

static void
close_socket(struct fake_server *f)
{
	if (f->fd < 0)
		return;
	unlink(f->path);
	close(f->fd);
	f->fd = -1;
}

struct fake_server *
fake_new(void)
{
	struct fake_server *f = xcalloc(1, sizeof(*f));
	int rc;

	pthread_mutex_init(&f->mu, NULL);
	f->let_in = -1;
	f->seed = 1;
	copy_str(f->dir, sizeof(f->dir), "/tmp/pooler-fake.XXXXXX");
	rc = mkdtemp(f->dir) ? 0 : -1;
	assert(rc == 0);
	snprintf(f->path, sizeof(f->path), "%s/.s.PGSQL.%d", f->dir, PORT);
	open_socket(f);
	rc = pipe2(f->wake, O_NONBLOCK | O_CLOEXEC);
	assert(rc == 0);
	rc = pthread_create(&f->thread, NULL, thread_main, f);
	assert(rc == 0);
	return f;
}

void
fake_free(struct fake_server *f)
{
	pthread_mutex_lock(&f->mu);
	f->stop = true;
	poke(f);
	pthread_mutex_unlock(&f->mu);
	pthread_join(f->thread, NULL);
	while (f->n > 0)
		end_conn(f, 0);
	close_socket(f);
	rmdir(f->dir);
	close(f->wake[0]);
	close(f->wake[1]);
	pthread_mutex_destroy(&f->mu);
	free(f);
}

const char *
fake_dir(const struct fake_server *f)
{
	return f->dir;
}

int
fake_port(const struct fake_server *f)
{
	(void)f;
	return PORT;
}

static int
look(struct fake_server *f, const int *figure)
{
	int n;

	pthread_mutex_lock(&f->mu);
	n = *figure;
	pthread_mutex_unlock(&f->mu);
	return n;
}

int
fake_live(struct fake_server *f)
{
	return look(f, &f->live);
}

int
fake_max_live(struct fake_server *f)
{
	return look(f, &f->max_live);
}

int
fake_total(struct fake_server *f)
{
	return look(f, &f->total);
}

int
fake_pending(struct fake_server *f)
{
	return look(f, &f->pending);
}

int
fake_max_pending(struct fake_server *f)
{
	return look(f, &f->max_pending);
}

void
fake_let_in(struct fake_server *f, int n)
{
	pthread_mutex_lock(&f->mu);
	f->let_in = n;
	poke(f);
	pthread_mutex_unlock(&f->mu);
}

void
fake_hold_queries(struct fake_server *f, bool on)
{
	pthread_mutex_lock(&f->mu);
	f->hold_queries = on;
	poke(f);
	pthread_mutex_unlock(&f->mu);
}

void
fake_refuse(struct fake_server *f, const char *user, const char *sqlstate)
{
	pthread_mutex_lock(&f->mu);
	copy_str(f->refuse_user, sizeof(f->refuse_user), user ? user : "");
	copy_str(f->refuse_code, sizeof(f->refuse_code),
	    sqlstate ? sqlstate : "");
	pthread_mutex_unlock(&f->mu);
}

void
fake_add_to_welcome(struct fake_server *f, const void *p, size_t n)
{
	pthread_mutex_lock(&f->mu);
	assert(n <= sizeof(f->extra));
	memcpy(f->extra, p, n);
	f->n_extra = n;
	pthread_mutex_unlock(&f->mu);
}

void
fake_listen(struct fake_server *f, bool on)
{
	pthread_mutex_lock(&f->mu);
	if (on && f->fd < 0)
		open_socket(f);
	else if (!on)
		close_socket(f);
	poke(f);
	pthread_mutex_unlock(&f->mu);
}

static struct conn *
find(struct fake_server *f, uint32_t pid)
{
	int i;

	for (i = 0; i < f->n; i++)
		if (f->conns[i]->pid == pid)
			return f->conns[i];
	return NULL;
}

void
fake_kill(struct fake_server *f, uint32_t pid)
{
	struct conn *c;

	pthread_mutex_lock(&f->mu);
	if (!pid && f->n > 0) {
		f->seed = f->seed * 1103515245 + 12345;
		pid = f->conns[(f->seed >> 16) % (unsigned)f->n]->pid;
	}
	c = find(f, pid);
	if (c)
		c->kill = true;
	poke(f);
	pthread_mutex_unlock(&f->mu);
}

void
fake_kill_all(struct fake_server *f)
{
	int i;

	pthread_mutex_lock(&f->mu);
	for (i = 0; i < f->n; i++)
		f->conns[i]->kill = true;
	poke(f);
	pthread_mutex_unlock(&f->mu);
}

void
fake_say(struct fake_server *f, uint32_t pid, const void *p, size_t n)
{
	struct conn *c;

	pthread_mutex_lock(&f->mu);
	c = find(f, pid);
	if (c)
		say(c, p, n);
	poke(f);
	pthread_mutex_unlock(&f->mu);
}

void
fake_deafen(struct fake_server *f, uint32_t pid)
{
	struct conn *c;

	pthread_mutex_lock(&f->mu);
	c = find(f, pid);
	if (c)
		c->deaf = true;
	poke(f);
	pthread_mutex_unlock(&f->mu);
}
