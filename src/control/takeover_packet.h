/*
 * takeover_packet: what two processes say to each other while one takes the
 * place of the other: packets, descriptors with them, and parcels in pieces,
 * since a packet has no room for more. The first piece is a packet that begins
 * with the parcel's own C and has its descriptor, each other one a 'c' and
 * bytes.
 *
 * Thread: main.
 */
#ifndef TAKEOVER_PACKET_H
#define TAKEOVER_PACKET_H

#include <sys/types.h>

#include "pooling/parcel.h"

#define PACKET_MAX (64 * 1024)

/* With a descriptor, or -1. False with errno. */
bool packet_send(int fd, const void *p, size_t n, int passed);
/* Bytes (0 = the end), or -1 with errno. *passed is -1 without descriptor,
 * else the caller's. */
ssize_t packet_recv(int fd, void *p, size_t cap, int *passed);

/* What is left of it. False with errno: EAGAIN, ENOBUFS and ETOOMANYREFS when
 * there is no room now. */
bool packet_send_parcel(int fd, struct parcel *p);

/* One that comes in; {0} is none. */
struct packet_parcel {
	struct parcel *coming; /* NULL: none */
	size_t size; /* that it will have */
};
/*
 * A packet that begins with C or c. Takes over passed. Returns the parcel when
 * it is whole, now the caller's; NULL when more of it has to come, or, with
 * *bad, when this is no piece of any: what has come of it is dropped.
 */
struct parcel *packet_take_piece(struct packet_parcel *in, const uint8_t *p,
    size_t n, int passed, bool *bad);
void packet_drop(struct packet_parcel *in);

#endif
