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

#include <sys/socket.h>
#include <sys/uio.h>

#include <event2/event_struct.h>

#include "base/base.h"
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

/* Sends, or keeps, all of it. False when the stream is (or becomes) broken. */
bool stream_write(struct stream *s, const void *p, size_t n);
/* Bytes not yet taken by the socket. */
static inline size_t
stream_unsent(const struct stream *s)
{
	return keep_len(&s->out);
}

void stream_pause(struct stream *s);
void stream_resume(struct stream *s);
/* Have readable() called this turn, as if bytes had come. */
void stream_wake(struct stream *s);

void stream_detach(struct stream *s);
void stream_attach(struct stream *s, struct loop *l);

/* ---- socket addresses, small enough for 100,000 clients ---- */
struct addr {
	uint8_t family; /* AF_INET, AF_INET6, AF_UNIX, 0 = unknown */
	uint16_t port; /* host order; Unix: 0 */
	uint32_t pid; /* Unix: the peer's, if known */
	uint8_t ip[16];
};
void addr_from_sockaddr(struct addr *a, const struct sockaddr *sa);
/* Fills ss for connect(); AF_INET and AF_INET6 only. */
socklen_t addr_to_sockaddr(const struct addr *a, struct sockaddr_storage *ss);
/* A numeric address; false for a name. */
bool addr_parse(struct addr *a, const char *text, uint16_t port);
bool addr_eq(const struct addr *a, const struct addr *b);
/* "10.0.0.7", "::1", "unix": what SHOW prints in its addr columns. */
void addr_host(const struct addr *a, char *out, size_t cap);
/* "10.0.0.7:5123", "[::1]:5123", "unix(1234)": what log lines print. */
void addr_text(const struct addr *a, char *out, size_t cap);
#define ADDR_TEXT 64
void addr_of_peer(struct addr *a, int fd);
void addr_of_socket(struct addr *a, int fd);

#endif
