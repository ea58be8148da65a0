/*
 * parcel: a client on its way to the process that takes our place: its socket,
 * and what has to be known to go on where it stands.
 *
 * What can be sent is a client without TLS, between two requests, that holds no
 * server, has no prepared statements and no settings made with SQL, and of which
 * nothing is kept here, neither half a message nor an unread answer. What it has
 * sent and we have not read yet goes with the socket. Its cancel key stays.
 *
 * The bytes are for the same program on the same machine; they hold secrets
 * (what servers are logged in to with) and are wiped behind their use.
 */
#ifndef POOLING_PARCEL_H
#define POOLING_PARCEL_H

#include <sys/queue.h>

#include "base/base.h"
#include "base/buf.h"
#include "io/loop.h"

#define PARCEL_MAX (64 * 1024) /* bytes; a larger one is not sent */

struct parcel {
	struct mail mail;
	STAILQ_ENTRY(parcel) next; /* the owner's */
	void *owner;
	int fd;
	struct buf bytes;
};
STAILQ_HEAD(parcel_list, parcel);

void parcel_free(struct parcel *p); /* closes fd if it is not -1 */

#endif
