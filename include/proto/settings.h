/*
 * settings: what a client has set with SQL, beyond what servers report.
 *
 * A list of names, each with the SQL statement that sets it, the oldest first:
 * in that order they can be set again on another server. Lists are immutable
 * and counted, so that a client and a server which agree share one, and "does
 * this server have what this client has set" is a comparison of two pointers
 * in the common case. The empty list is NULL: a client that never set a thing
 * costs nothing.
 *
 * Names are those of pg_settings in lower case; `role` and
 * `session_authorization` are names like others, but decide what may be set
 * after them, and are therefore set again before anything else differs.
 *
 * Pure. Lists may be shared between threads (atomic count).
 */
#ifndef PROTO_SETTINGS_H
#define PROTO_SETTINGS_H

#include "base/base.h"
#include "base/buf.h"
#include "proto/wire.h"

#define SETTINGS_MAX 65536 /* bytes of names and statements together */

struct settings;

/* NULL is fine for all of these. */
struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings *s);
/* Bytes it would have with `sql` for `name`: compare with SETTINGS_MAX. */
size_t settings_size_with(const struct settings *s, const char *name,
    struct span sql);
/* Return a list that is *s with this change, and drop the reference to s. */
struct settings *settings_with(struct settings *s, const char *name,
    struct span sql);
struct settings *settings_without(struct settings *s, const char *name);
/* The statement (without semicolon), or a span of NULL. */
struct span settings_find(const struct settings *s, const char *name);
size_t settings_count(const struct settings *s);
/* The name with this index, which is below the count. */
const char *settings_name(const struct settings *s, size_t i);

bool settings_same(const struct settings *a, const struct settings *b);
/* If b is the same as a, unrefs b and returns a new reference to a. */
struct settings *settings_share(struct settings *a, struct settings *b);
/* For keys: the same for lists that are the same; 0 for the empty one. */
uint64_t settings_hash(const struct settings *s);

/*
 * Writes the SQL that brings a server with `have` to `want` at the end of sql:
 * "RESET a;SET b TO 1;...". Returns the number of statements.
 */
int settings_diff_sql(const struct settings *want,
    const struct settings *have, struct buf *sql);

/* The list in writing, for another process: count, then name and statement of
 * each. At most SETTINGS_MAX bytes and a few. */
void settings_put(const struct settings *s, struct writer *w);
/* Reads one: *s gets a new list (NULL: the empty one). Makes r bad for one
 * past SETTINGS_MAX; what was read is in *s then, too. */
void settings_take(struct reader *r, struct settings **s);

/* A name as it stands in SET and RESET. */
void settings_put_name(struct buf *sql, const char *name);

#endif
