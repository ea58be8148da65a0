/*
 * texts: the statements and portals of a client whose text touches the session,
 * by name.
 *
 * Of a prepared statement the text is seen when it is prepared, and what it
 * does happens when it is executed. So the few texts that do something are
 * kept under their names; a client that prepares queries only has none, and
 * its list is NULL.
 *
 * A name whose text is replaced by one that does nothing (or that is closed) is
 * in doubt until the server has answered: an error may have skipped the message.
 * Within the batch in which that was sent it counts as done, for then what uses
 * the name is skipped as well; behind it nobody can tell. texts_settle()
 * decides it. Behind an error all that was changed since is in doubt, until the
 * name is used anew without one.
 *
 * Names are bytes of any kind. Pure. One owner.
 */
#ifndef PROTO_TEXTS_H
#define PROTO_TEXTS_H

#include "base/base.h"
#include "proto/wire.h"

#define TEXTS_MAX (4u << 20) /* bytes of one list */

struct texts;

/* A text of which everything has to be expected: it ends inside a quote. */
#define TEXT_UNSURE SPAN_LIT("'")

/* Borrowed; p is NULL for a name that does nothing. batch: a number that every
 * Sync and Query changes. In doubt it is TEXT_UNSURE. */
struct span texts_get(const struct texts *l, struct span name,
    uint32_t batch);
/* False past TEXTS_MAX: from then on nothing is known of the name. */
bool texts_set(struct texts **l, struct span name, struct span text);
/* The name goes, or comes to mean something that does nothing. */
void texts_doubt(struct texts *l, struct span name, uint32_t batch);
/* Everything has been answered; failed: not without an error. */
void texts_settle(struct texts **l, bool failed);
/* At once. */
void texts_unset(struct texts **l, struct span name);
/* Bytes that it takes; NULL is fine for these two. */
size_t texts_size(const struct texts *l);
/* The list in writing, for another process, where nothing is unanswered. What
 * is in doubt stays so. */
void texts_put(const struct texts *l, struct writer *w);
/* Reads one into *l, which is new (NULL: empty). Makes r bad for one past
 * TEXTS_MAX; what was read is in *l then, too. */
void texts_take(struct reader *r, struct texts **l);
void texts_free(struct texts *l); /* NULL is fine */

#endif
