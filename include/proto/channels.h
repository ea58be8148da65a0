/*
 * channels: the names that a client listens on.
 *
 * Sets are immutable and counted, so that a transaction can go back to the one
 * before it by a pointer. Names are as PostgreSQL keeps them (folded, cut to 63
 * bytes), none of them empty, in the order of their bytes. The empty set is
 * NULL: a client that listens to nothing costs nothing.
 *
 * Pure. Sets may be shared between threads (atomic count).
 */
#ifndef PROTO_CHANNELS_H
#define PROTO_CHANNELS_H

#include "base/base.h"
#include "base/buf.h"

struct channels;

/* NULL is fine for all of these. */
struct channels *channels_ref(struct channels *c);
void channels_unref(struct channels *c);
/* Return a set that is *c with this change, and drop the reference to c. */
struct channels *channels_with(struct channels *c, struct span name);
struct channels *channels_without(struct channels *c, struct span name);
size_t channels_count(const struct channels *c);
/* Bytes of its names. */
size_t channels_bytes(const struct channels *c);
bool channels_has(const struct channels *c, struct span name);
bool channels_same(const struct channels *a, const struct channels *b);
/* Calls fn for each name of a that is not in b. */
void channels_each_not_in(const struct channels *a, const struct channels *b,
    void (*fn)(void *arg, struct span name), void *arg);
/* Whether there is such a name. */
bool channels_any_not_in(const struct channels *a, const struct channels *b);
/* A name as it stands behind LISTEN, at the end of sql. */
void channels_put_name(struct buf *sql, struct span name);

#endif
