/*
 * stream: bytes over a socket, without blocking.
 *
 * Reading: the stream tells its owner that there is something to read; the
 * owner reads into a leased buffer. A short read means the socket is empty
 * for now (no second read to see EAGAIN).
 * Writing: what the socket does not take at once is kept, in order, and sent
 * when it can be; write interest exists only meanwhile. writable() is told
 * when all of it has gone.
 * A paused stream reads nothing (back-pressure).
 *
 * Errors never come out of a callback of the stream in the middle of the
 * caller's work: a failed write marks the stream broken, drops what was to be
 * sent, and readable() is run later in the same turn, where stream_read()
 * gives the error.
 *
 * TLS stands behind the same functions: after stream_start_tls() what is read
 * and written is plain, what goes over the socket is not. Reads drive the
 * handshake; until it is over they give STREAM_AGAIN and what is written is
 * dropped. Bytes left inside TLS call readable() as those in the socket do. A
 * handshake or record that fails is STREAM_ERROR, and stream_why() says why.
 *
 * Thread: the loop's. A stream changes loops with stream_detach() and
 * stream_attach(), only while nothing is unsent.
 */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include <sys/types.h>
#include <sys/uio.h>

#include <event2/event_struct.h>

#include "base/base.h"
#include "io/addr.h"
#include "io/keep.h"
#include "io/loop.h"

struct stream;
struct stream_tls;
struct tls;
struct tls_ctx;
struct tls_peer;

struct stream_ops {
	void (*readable)(struct stream *s);
	void (*writable)(struct stream *s);
};

struct stream {
	int fd; /* -1 = closed */
	bool reading; /* not paused */
	bool attached;
	bool broken; /* an error was met; err says which */
	bool connecting; /* waits for connect() */
	int err; /* errno */
	struct loop *loop;
	const struct stream_ops *ops;
	void *user; /* the owner's */
	struct keep out; /* unsent */
	usec_t stuck_us; /* since when out has not shrunk; 0 = empty */
	struct event ev_read;
	struct event *ev_write; /* NULL unless needed */
	struct stream_tls *tls; /* NULL: plain */
	struct task wake; /* runs readable() without an event */
};

/* Takes over fd, which need not be set to non-blocking. */
void stream_init(struct stream *s, struct loop *l, int fd,
    const struct stream_ops *ops);
/* A socket whose connect() is under way: writable() comes when it is decided;
 * then stream_connected() tells. */
void stream_init_connecting(struct stream *s, struct loop *l, int fd,
    const struct stream_ops *ops);
/* 0 or an errno. Starts reading when 0. */
int stream_connected(struct stream *s);
void stream_close(struct stream *s);
void stream_set_ops(struct stream *s, const struct stream_ops *ops);

#define STREAM_AGAIN 0
#define STREAM_EOF (-1)
#define STREAM_ERROR (-2)
/* Bytes read, or one of the above. */
ssize_t stream_read(struct stream *s, uint8_t *p, size_t cap);

/* Whether the peer has closed and nothing is left to read. Asks the socket. */
bool stream_has_ended(struct stream *s);

/* Sends, or keeps, all of it. False when the stream is (or becomes) broken. */
bool stream_write(struct stream *s, const void *p, size_t n);
/* The same for n pieces one behind the other, which leave in one write. */
bool stream_writev(struct stream *s, struct iovec *v, int n);
/* Sends what is unsent, as far as the socket takes it, although its loop is
 * held. */
void stream_flush(struct stream *s);
/* Bytes not yet taken by the socket. */
static inline size_t
stream_unsent(const struct stream *s)
{
	return keep_len(&s->out);
}

/* Nothing more will be sent: ends the sending side once nothing is unsent;
 * call it again when writable() says so. */
void stream_shutdown(struct stream *s);

void stream_pause(struct stream *s);
void stream_resume(struct stream *s);
/* Have readable() called this turn, as if bytes had come. */
void stream_wake(struct stream *s);

void stream_detach(struct stream *s);
void stream_attach(struct stream *s, struct loop *l);

/* ---- TLS ---- */

/* Goes on in TLS, as what ctx is made for. got: bytes of it that were read
 * already. False when memory is out. */
bool stream_start_tls(struct stream *s, struct tls_ctx *ctx,
    const struct tls_peer *peer, struct span got);
/* Drives the handshake alone: 1 when it is over, or what stream_read() gives.
 * To be called from readable(). */
int stream_handshake(struct stream *s);
/* The handshake is over and well. */
bool stream_is_secure(const struct stream *s);
/* The session, for the questions of tls.h; NULL: plain. */
const struct tls *stream_tls(const struct stream *s);
/* Why TLS failed, "" if it has not. */
const char *stream_why(const struct stream *s);
/* "TLSv1.3/TLS_AES_256_GCM_SHA384"; "" for plain. */
#define STREAM_TLS_TEXT 120
void stream_tls_text(const struct stream *s, char *out, size_t cap);
/* For a socket that goes on under another stream, maybe in another thread:
 * its TLS, or NULL. The old stream says no goodbye then. */
struct stream_tls *stream_take_tls(struct stream *s);
void stream_give_tls(struct stream *s, struct stream_tls *t);
void stream_tls_drop(struct stream_tls *t); /* nobody takes it; NULL is fine */

#endif
