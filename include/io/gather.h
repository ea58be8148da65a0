/*
 * gather: bytes from several places that leave in one write: runs of the read
 * buffer, and what is put between them.
 *
 * There is one for each worker, used for one stream at a time: gather_begin(),
 * pieces in order, gather_send(). Borrowed bytes must stay where they are until
 * then. With more than GATHER_MAX pieces, those that are there are sent first.
 *
 * Thread: the loop's.
 */
#ifndef IO_GATHER_H
#define IO_GATHER_H

#include <sys/uio.h>

#include "base/base.h"
#include "base/buf.h"
#include "io/stream.h"

#define GATHER_MAX 64

struct gather {
	struct stream *to;
	int n;
	bool spilt; /* some pieces have been sent already */
	bool own[GATHER_MAX]; /* in scratch: iov_base is an offset as yet */
	struct iovec v[GATHER_MAX];
	struct buf scratch;
	size_t mark;
};

void gather_free(struct gather *g);
void gather_begin(struct gather *g, struct stream *to);
static inline bool
gather_is_empty(const struct gather *g)
{
	return g->n == 0;
}
void gather_borrow(struct gather *g, const void *p, size_t n);
/* What is put at the end of the buf between these two is the next piece. */
struct buf *gather_open(struct gather *g);
void gather_close(struct gather *g);
/* Puts a copy of all of it at the end of b, which takes no memory past max bytes
 * for it. False if that does not do, or not all of it is here. */
bool gather_copy(const struct gather *g, struct buf *b, size_t max);
/* Sends all of it. */
void gather_send(struct gather *g);

#endif
