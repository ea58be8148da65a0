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
 * TLS will stand behind the same functions.
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
	struct task wake; /* runs readable() without an event */
};

/* Takes over fd (non-blocking is set here). */
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
bool stream_has_ended(const struct stream *s);

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

#endif
