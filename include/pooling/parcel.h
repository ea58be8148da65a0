/*
 * parcel: a client on its way to the process that takes our place: its socket,
 * and what has to be known to go on where it stands.
 *
 * What can be sent is a client without TLS, between two requests, that holds no
 * server, and of which nothing is kept here, neither half a message nor an unread
 * answer; not one for replication, nor one whose unnamed statement is SQL's
 * EXECUTE or the like. Its settings, prepared statements and cancel key go with
 * it. What it has sent and we have not read yet goes with the socket.
 *
 * The bytes are for a process of the same user on the same machine (see
 * proto/moved.h); they hold secrets (what servers are logged in to with) and are
 * wiped behind their use.
 */
#ifndef POOLING_PARCEL_H
#define POOLING_PARCEL_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "base/base.h"
#include "base/buf.h"
#include "io/loop.h"

/* Bytes that may wait to be sent; past it clients stay for the moment. */
#define PARCELS_WAITING (8u << 20)

struct parcel {
	struct mail mail;
	STAILQ_ENTRY(parcel) next; /* the owner's */
	void *owner;
	int fd;
	size_t sent; /* of bytes */
	struct buf bytes;
	_Atomic size_t *waiting; /* counts them; NULL: nobody does */
};
STAILQ_HEAD(parcel_list, parcel);

void parcel_free(struct parcel *p); /* closes fd if it is not -1 */

#endif
