/* Bytes over a socket, without blocking. */
#include "stream_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <event2/event.h>

/*
 * recv() and send() of a program with threads mark themselves as cancellation
 * points each time, a tenth of what a small transaction costs in user space.
 * Nobody cancels threads here. The sanitizers want to see the calls.
 */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif
/* Each call says that it must not wait, so no socket has to be asked whether it
 * is set so. */
#define SEND_FLAGS (MSG_NOSIGNAL | MSG_DONTWAIT)
#ifdef SANITIZED
#define RECV(fd, p, n) recv((fd), (p), (n), MSG_DONTWAIT)
#define SEND(fd, p, n) send((fd), (p), (n), SEND_FLAGS)
#define SENDMSG(fd, m) sendmsg((fd), (m), SEND_FLAGS)
#else
#define RECV(fd, p, n) \
	syscall(SYS_recvfrom, (fd), (p), (n), MSG_DONTWAIT, NULL, NULL)
#define SEND(fd, p, n) \
	syscall(SYS_sendto, (fd), (p), (n), SEND_FLAGS, NULL, 0)
#define SENDMSG(fd, m) syscall(SYS_sendmsg, (fd), (m), SEND_FLAGS)
#endif

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	(void)what;
	s->ops->readable(s);
}

static void
run_wake(struct task *t)
{
	struct stream *s = CONTAINER_OF(t, struct stream, wake);

	s->ops->readable(s);
}

static void
arm_read(struct stream *s)
{
	event_assign(&s->ev_read, loop_base(s->loop), s->fd,
	    EV_READ | EV_PERSIST, on_readable, s);
	event_add(&s->ev_read, NULL);
	s->reading = true;
}

static void
disarm_write(struct stream *s)
{
	if (!s->ev_write)
		return;
	event_del(s->ev_write);
	event_free(s->ev_write);
	s->ev_write = NULL;
}

/* What is unsent can never be sent. The owner hears of it by reading. */
void
stream_break(struct stream *s, int err, bool tell)
{
	if (s->broken)
		return;
	s->broken = true;
	s->err = err;
	keep_clear(loop_keeps(s->loop), &s->out);
	s->stuck_us = 0;
	disarm_write(s);
	if (tell)
		stream_wake(s);
}

/* What a write that took nothing means: 0 for later, or -1 for never. */
static ssize_t
write_failed(struct stream *s)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return 0;
	stream_break(s, errno, true);
	return -1;
}

/* One write(); -1 means broken. */
static ssize_t
write_some(struct stream *s, const void *p, size_t n)
{
	ssize_t done;

	do
		done = SEND(s->fd, p, n);
	while (done < 0 && errno == EINTR);
	return LIKELY(done >= 0) ? done : write_failed(s);
}

/* The same for pieces. */
static ssize_t
writev_some(struct stream *s, struct iovec *v, int n)
{
	struct msghdr m = { .msg_iov = v, .msg_iovlen = (size_t)n };
	ssize_t done;

	do
		done = SENDMSG(s->fd, &m);
	while (done < 0 && errno == EINTR);
	return LIKELY(done >= 0) ? done : write_failed(s);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;
	ssize_t n;

	(void)fd;
	(void)what;
	if (s->connecting) {
		disarm_write(s);
		s->ops->writable(s);
		return;
	}
	n = write_some(s, keep_head(&s->out), keep_len(&s->out));
	if (n <= 0)
		return;
	keep_consume(loop_keeps(s->loop), &s->out, (size_t)n);
	s->stuck_us = loop_now(s->loop);
	if (keep_len(&s->out))
		return;
	s->stuck_us = 0;
	disarm_write(s);
	s->ops->writable(s);
}

void
stream_flush(struct stream *s)
{
	if (s->fd >= 0 && !s->connecting && keep_len(&s->out))
		on_writable(s->fd, 0, s);
}

static void
arm_write(struct stream *s)
{
	if (s->ev_write)
		return;
	s->ev_write = event_new(loop_base(s->loop), s->fd,
	    EV_WRITE | EV_PERSIST, on_writable, s);
	assert(s->ev_write);
	event_add(s->ev_write, NULL);
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
}

void
stream_init(struct stream *s, struct loop *l, int fd,
    const struct stream_ops *ops)
{
	init_common(s, l, fd, ops);
	arm_read(s);
}

void
stream_init_connecting(struct stream *s, struct loop *l, int fd,
    const struct stream_ops *ops)
{
	init_common(s, l, fd, ops);
	s->connecting = true;
	arm_write(s);
}

int
stream_connected(struct stream *s)
{
	int err = 0;
	socklen_t n = sizeof(err);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0)
		err = errno;
	s->connecting = false;
	if (!err)
		arm_read(s);
	return err;
}

void
stream_close(struct stream *s)
{
	if (s->fd < 0)
		return;
	if (s->tls)
		stream_tls_close(s);
	if (s->attached) {
		if (s->reading)
			event_del(&s->ev_read);
		disarm_write(s);
		loop_undefer(s->loop, &s->wake);
		keep_clear(loop_keeps(s->loop), &s->out);
	}
	s->reading = false;
	s->attached = false;
	close(s->fd);
	s->fd = -1;
}

void
stream_set_ops(struct stream *s, const struct stream_ops *ops)
{
	s->ops = ops;
}

static inline ssize_t
read_socket(struct stream *s, uint8_t *p, size_t cap)
{
	ssize_t n;

	do
		n = RECV(s->fd, p, cap);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return n;
	if (n == 0)
		return STREAM_EOF;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return STREAM_AGAIN;
	/* The owner is told right here: no wake-up is owed. */
	stream_break(s, errno, false);
	return STREAM_ERROR;
}

ssize_t
stream_raw_read(struct stream *s, uint8_t *p, size_t cap)
{
	return read_socket(s, p, cap);
}

ssize_t
stream_read(struct stream *s, uint8_t *p, size_t cap)
{
	if (s->broken)
		return STREAM_ERROR;
	if (UNLIKELY(s->tls))
		return stream_tls_read(s, p, cap);
	return read_socket(s, p, cap);
}

bool
stream_has_ended(struct stream *s)
{
	uint8_t c;
	ssize_t n;

	if (s->broken)
		return true;
	if (s->tls)
		return stream_tls_has_ended(s);
	do
		n = recv(s->fd, &c, 1, MSG_PEEK);
	while (n < 0 && errno == EINTR);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

/* What the socket did not take. */
static bool
keep_unsent(struct stream *s, const uint8_t *p, size_t n)
{
	if (!keep_len(&s->out))
		s->stuck_us = loop_now(s->loop);
	if (!keep_append(loop_keeps(s->loop), &s->out, p, n)) {
		stream_break(s, ENOMEM, true);
		return false;
	}
	arm_write(s);
	return true;
}

static inline bool
write_socket(struct stream *s, const void *p, size_t n)
{
	ssize_t done = 0;

	if (!keep_len(&s->out)) {
		done = write_some(s, p, n);
		if (done < 0)
			return false;
		if ((size_t)done == n)
			return true;
	}
	return keep_unsent(s, (const uint8_t *)p + done, n - (size_t)done);
}

bool
stream_raw_write(struct stream *s, const void *p, size_t n)
{
	return write_socket(s, p, n);
}

bool
stream_write(struct stream *s, const void *p, size_t n)
{
	if (s->broken || s->fd < 0)
		return false;
	if (UNLIKELY(s->tls))
		return stream_tls_write(s, p, n);
	return write_socket(s, p, n);
}

bool
stream_writev(struct stream *s, struct iovec *v, int n)
{
	ssize_t done = 0;
	int i;

	if (s->broken || s->fd < 0)
		return false;
	if (UNLIKELY(s->tls))
		return stream_tls_writev(s, v, n);
	if (!keep_len(&s->out)) {
		done = writev_some(s, v, n);
		if (done < 0)
			return false;
	}
	for (i = 0; i < n; i++) {
		size_t sent = (size_t)done < v[i].iov_len ? (size_t)done :
							    v[i].iov_len;

		done -= (ssize_t)sent;
		if (sent < v[i].iov_len &&
		    !keep_unsent(s, (uint8_t *)v[i].iov_base + sent,
			v[i].iov_len - sent))
			return false;
	}
	return true;
}

void
stream_shutdown(struct stream *s)
{
	if (s->fd < 0 || keep_len(&s->out))
		return;
	if (s->tls)
		stream_tls_shutdown(s);
	if (!keep_len(&s->out))
		(void)shutdown(s->fd, SHUT_WR);
}

void
stream_pause(struct stream *s)
{
	if (!s->reading)
		return;
	event_del(&s->ev_read);
	s->reading = false;
}

void
stream_resume(struct stream *s)
{
	if (s->reading || s->fd < 0 || s->connecting)
		return;
	event_add(&s->ev_read, NULL);
	s->reading = true;
	if (UNLIKELY(s->tls))
		stream_tls_resumed(s);
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
	if (s->reading)
		event_del(&s->ev_read);
	s->reading = false;
	disarm_write(s);
	if (s->tls)
		stream_tls_detach(s);
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
	arm_read(s);
	if (s->tls)
		stream_tls_resumed(s);
}
