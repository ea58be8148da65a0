/* io/stream.h over buffers; where streams come from, and names. */
#include "fake.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pooling/target.h"

/* No real descriptor is that high. */
#define FIRST_FD 1000000
#define SOCKS_MAX 8192

static struct sock *socks[SOCKS_MAX];
static int n_socks;
static const char *dns_error;

size_t fake_chunk;
int fake_net;

/* ---- the wire ---- */

struct sock *
fake_sock_new(void)
{
	struct sock *k = xcalloc(1, sizeof(*k));

	assert(n_socks < SOCKS_MAX);
	k->fd = FIRST_FD + n_socks;
	k->room = SIZE_MAX;
	socks[n_socks++] = k;
	return k;
}

static struct sock *
sock_of(int fd)
{
	assert(fd >= FIRST_FD && fd < FIRST_FD + n_socks);
	return socks[fd - FIRST_FD];
}

struct sock *
fake_dialed(void)
{
	int i;

	for (i = 0; i < n_socks; i++)
		if (socks[i]->was_dialed && !socks[i]->taken) {
			socks[i]->taken = true;
			return socks[i];
		}
	return NULL;
}

int
fake_dialed_open(void)
{
	int i, n = 0;

	for (i = 0; i < n_socks; i++)
		n += socks[i]->was_dialed && !socks[i]->closed;
	return n;
}

void
fake_dns_fails(const char *why)
{
	dns_error = why;
}

void
fake_hang_up(bool servers_too)
{
	int i;

	for (i = 0; i < n_socks; i++) {
		struct sock *k = socks[i];

		if (k->was_dialed && !servers_too)
			continue;
		k->in_eof = k->gone = k->decided = true;
		k->room = SIZE_MAX;
	}
}

void
fake_socks_free(void)
{
	int i;

	for (i = 0; i < n_socks; i++) {
		buf_free(&socks[i]->in);
		buf_free(&socks[i]->out);
		free(socks[i]);
	}
	n_socks = 0;
}

int __wrap_target_dial(const struct server_target *t, const char *host,
    const struct addr *a);

int
__wrap_target_dial(const struct server_target *t, const char *host,
    const struct addr *a)
{
	struct sock *k;

	(void)t;
	(void)host;
	(void)a;
	k = fake_sock_new();
	k->was_dialed = true;
	k->decided = fake_net != NET_SILENT;
	k->connect_err = fake_net > 0 ? fake_net : 0;
	k->taken = fake_net != 0;
	return k->fd;
}

static void
answer_query(struct mail *m, struct loop *l)
{
	struct dns_query *q = CONTAINER_OF(m, struct dns_query, mail);

	(void)l;
	q->ok = !dns_error;
	if (dns_error)
		err_set(&q->err, "08001", "%s", dns_error);
	q->n_addrs = q->ok ? 1 : 0;
	(void)addr_parse(&q->addrs[0], "10.0.0.1", q->port);
	q->answered(q);
}

void
dns_ask(struct dns *d, struct dns_query *q)
{
	(void)d;
	q->mail.fn = answer_query;
	loop_post(q->reply_to, &q->mail);
}

/* ---- streams ---- */

static void
run_wake(struct task *t)
{
	struct stream *s = CONTAINER_OF(t, struct stream, wake);

	s->ops->readable(s);
}

static void
init_common(struct stream *s, struct loop *l, int fd,
    const struct stream_ops *ops)
{
	memset(s, 0, sizeof(*s));
	s->fd = fd;
	s->loop = l;
	s->ops = ops;
	s->attached = true;
	s->wake.fn = run_wake;
	sock_of(fd)->stream = s;
}

void
stream_init(struct stream *s, struct loop *l, int fd,
    const struct stream_ops *ops)
{
	init_common(s, l, fd, ops);
	s->reading = true;
}

void
stream_init_connecting(struct stream *s, struct loop *l, int fd,
    const struct stream_ops *ops)
{
	init_common(s, l, fd, ops);
	s->connecting = true;
	sock_of(fd)->want_write = true;
}

int
stream_connected(struct stream *s)
{
	int err = sock_of(s->fd)->connect_err;

	s->connecting = false;
	s->reading = !err;
	return err;
}

void
stream_close(struct stream *s)
{
	struct sock *k;

	if (s->fd < 0)
		return;
	k = sock_of(s->fd);
	assert(!k->closed && k->stream == s);
	if (s->attached) {
		loop_undefer(s->loop, &s->wake);
		keep_clear(loop_keeps(s->loop), &s->out);
	}
	s->reading = false;
	s->attached = false;
	k->closed = true;
	k->rude = buf_len(&k->in) > 0;
	k->stream = NULL;
	s->fd = -1;
}

void
stream_set_ops(struct stream *s, const struct stream_ops *ops)
{
	s->ops = ops;
}

static void
stream_break(struct stream *s, int err)
{
	s->broken = true;
	s->err = err;
	keep_clear(loop_keeps(s->loop), &s->out);
	s->stuck_us = 0;
	sock_of(s->fd)->want_write = false;
}

static size_t
bounded(size_t n)
{
	return fake_chunk && n > fake_chunk ? fake_chunk : n;
}

ssize_t
stream_read(struct stream *s, uint8_t *p, size_t cap)
{
	struct sock *k = sock_of(s->fd);
	size_t n = bounded(buf_len(&k->in));

	assert(s->attached);
	if (s->broken)
		return STREAM_ERROR;
	if (n > cap)
		n = cap;
	if (n > 0) {
		memcpy(p, buf_head(&k->in), n);
		buf_consume(&k->in, n);
		return (ssize_t)n;
	}
	if (k->in_reset) {
		stream_break(s, ECONNRESET);
		return STREAM_ERROR;
	}
	return k->in_eof ? STREAM_EOF : STREAM_AGAIN;
}

bool
stream_has_ended(struct stream *s)
{
	const struct sock *k = sock_of(s->fd);

	return s->broken || k->in_reset || (k->in_eof && !buf_len(&k->in));
}

/* What a socket takes of n bytes; -1 means broken. */
static ssize_t
write_some(struct stream *s, const void *p, size_t n)
{
	struct sock *k = sock_of(s->fd);

	assert(!k->shut);
	if (k->in_reset) {
		stream_break(s, EPIPE);
		stream_wake(s);
		return -1;
	}
	n = bounded(n);
	if (n > k->room)
		n = k->room;
	if (k->room != SIZE_MAX)
		k->room -= n;
	if (!k->gone)
		buf_append(&k->out, p, n);
	k->total_out += n;
	return (ssize_t)n;
}

void
stream_flush(struct stream *s)
{
	(void)s;
	abort();
}

bool
stream_write(struct stream *s, const void *p, size_t n)
{
	ssize_t done = 0;

	if (s->broken || s->fd < 0)
		return false;
	assert(s->attached && !s->connecting);
	if (!keep_len(&s->out)) {
		done = write_some(s, p, n);
		if (done < 0)
			return false;
		if ((size_t)done == n)
			return true;
		s->stuck_us = fake_clock;
	}
	if (!keep_append(loop_keeps(s->loop), &s->out,
		(const uint8_t *)p + done, n - (size_t)done)) {
		stream_break(s, ENOMEM);
		stream_wake(s);
		return false;
	}
	sock_of(s->fd)->want_write = true;
	return true;
}

bool
stream_writev(struct stream *s, struct iovec *v, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (!stream_write(s, v[i].iov_base, v[i].iov_len))
			return false;
	return true;
}

void
stream_shutdown(struct stream *s)
{
	if (s->fd >= 0 && !keep_len(&s->out))
		sock_of(s->fd)->shut = true;
}

void
stream_pause(struct stream *s)
{
	s->reading = false;
}

void
stream_resume(struct stream *s)
{
	if (s->reading || s->fd < 0 || s->connecting)
		return;
	s->reading = true;
}

void
stream_wake(struct stream *s)
{
	loop_defer(s->loop, &s->wake);
}

void
stream_detach(struct stream *s)
{
	assert(s->attached && !keep_len(&s->out));
	s->reading = false;
	loop_undefer(s->loop, &s->wake);
	s->attached = false;
	s->loop = NULL;
}

void
stream_attach(struct stream *s, struct loop *l)
{
	assert(!s->attached);
	s->loop = l;
	s->attached = true;
	s->reading = true;
}

/* ---- TLS: there is none here ---- */

bool
stream_start_tls(struct stream *s, struct tls_ctx *ctx,
    const struct tls_peer *peer, struct span got)
{
	(void)s;
	(void)ctx;
	(void)peer;
	(void)got;
	return false;
}

int
stream_handshake(struct stream *s)
{
	(void)s;
	return STREAM_ERROR;
}

bool
stream_is_secure(const struct stream *s)
{
	(void)s;
	return false;
}

const struct tls *
stream_tls(const struct stream *s)
{
	(void)s;
	return NULL;
}

const char *
stream_why(const struct stream *s)
{
	(void)s;
	return "";
}

void
stream_tls_text(const struct stream *s, char *out, size_t cap)
{
	(void)s;
	(void)cap;
	out[0] = '\0';
}

struct stream_tls *
stream_take_tls(struct stream *s)
{
	(void)s;
	return NULL;
}

void
stream_give_tls(struct stream *s, struct stream_tls *t)
{
	(void)s;
	(void)t;
}

void
stream_tls_drop(struct stream_tls *t)
{
	(void)t;
}

/* ---- events ---- */

static bool
write_event(struct sock *k)
{
	struct stream *s = k->stream;
	ssize_t n;

	if (!k->want_write)
		return false;
	if (s->connecting) {
		if (!k->decided)
			return false;
		k->want_write = false;
		s->ops->writable(s);
		return true;
	}
	if (!k->room && !k->in_reset)
		return false;
	n = write_some(s, keep_head(&s->out), keep_len(&s->out));
	if (n <= 0)
		return true;
	keep_consume(loop_keeps(s->loop), &s->out, (size_t)n);
	s->stuck_us = fake_clock;
	if (keep_len(&s->out))
		return true;
	s->stuck_us = 0;
	k->want_write = false;
	s->ops->writable(s);
	return true;
}

static bool
read_event(struct sock *k)
{
	struct stream *s = k->stream;

	if (!s->reading || s->connecting)
		return false;
	if (!buf_len(&k->in) && !k->in_eof && !k->in_reset)
		return false;
	s->ops->readable(s);
	return true;
}

static bool
belongs(const struct sock *k, const struct loop *l)
{
	return k->stream && k->stream->attached && k->stream->loop == l;
}

bool
fake_streams_turn(struct loop *l)
{
	bool did = false;
	int i;

	for (i = 0; i < n_socks; i++) {
		struct sock *k = socks[i];

		if (belongs(k, l))
			did |= write_event(k);
		if (belongs(k, l))
			did |= read_event(k);
	}
	return did;
}
