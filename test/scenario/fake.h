/*
 * fake: the io layer of the scenarios. fake_loop.c and fake_stream.c define
 * the functions of io/loop.h and io/stream.h (and dns_ask() and target_dial())
 * once more, so that the real clients, servers, relays and pools are linked
 * with them instead of with libevent and sockets.
 *
 * Time stands still but for fake_clock. A loop does one turn when it is told
 * to. A socket is a pair of buffers whose other end belongs to the test.
 *
 * What is kept from the real ones: events are level-triggered, a paused stream
 * hears nothing at all, a short write asks for writable(), what is closed with
 * unread bytes in it is reset, nothing is freed inside a turn.
 */
#ifndef FAKE_H
#define FAKE_H

#include "base/buf.h"
#include "io/dns.h"
#include "io/loop.h"
#include "io/stream.h"

extern usec_t fake_clock;

/* One turn; true when there was anything to do. */
bool fake_loop_turn(struct loop *l);
/* The earliest deadline of the loop's timers; 0 = none. */
usec_t fake_loop_deadline(const struct loop *l);

/* One connection, seen from the wire. */
struct sock {
	int fd;
	struct stream *stream; /* the pooler's end, NULL: not (or no more) */
	struct buf in; /* to the pooler, not read yet */
	struct buf out; /* from the pooler, not looked at yet */
	uint64_t total_in, total_out;
	bool in_eof; /* the peer sends no more */
	bool in_reset; /* ... and was rude */
	bool gone; /* the peer reads no more either */
	bool shut; /* the pooler sends no more */
	bool closed; /* the pooler has closed it */
	bool rude; /* ... with unread bytes in it */
	bool want_write;
	bool was_dialed; /* the pooler has made it */
	bool taken; /* ... and the test knows it */
	bool decided; /* connect() is over */
	int connect_err;
	size_t room; /* bytes that the pooler may write before it blocks */
};

/* Bytes moved by one read or write at most; 0 = no bound. */
extern size_t fake_chunk;

/* What becomes of those who dial: 0, an errno, or NET_SILENT. */
#define NET_SILENT (-1)
extern int fake_net;

/* A connection to the pooler; it is told of it by its fd. */
struct sock *fake_sock_new(void);
/* The next connection that the pooler has made; NULL if there is none. */
struct sock *fake_dialed(void);
/* Connections made and not closed by the pooler (cancels included). */
int fake_dialed_open(void);
/* What dns says from now on: an error text, or NULL for 10.0.0.1. */
void fake_dns_fails(const char *why);
/* All other ends close: those of clients, or those of servers too. */
void fake_hang_up(bool servers_too);
/* Frees all. */
void fake_socks_free(void);

/* The stream part of a turn. */
bool fake_streams_turn(struct loop *l);

#endif
