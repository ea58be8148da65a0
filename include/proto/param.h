/*
 * param: the settings that follow a client from server to server.
 *
 * A param_names is the list of tracked settings (five fixed ones and
 * track_extra_parameters), each with an index; it belongs to a configuration
 * snapshot or a pool and never changes. A param_set holds one value per
 * index; it is immutable and counted, so that all clients with the same
 * values share one,
 * and "does this server fit this client" is a comparison of two pointers in
 * the common case.
 *
 * Names compare without case. A value that was never told is NULL ("" is a
 * value).
 *
 * Pure. Sets may be shared between threads (atomic count); a param_names too.
 */
#ifndef PROTO_PARAM_H
#define PROTO_PARAM_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

#define PARAM_MAX 64 /* tracked names at most */
/* Indexes of the fixed names that others ask for. */
#define PARAM_CLIENT_ENCODING 1
#define PARAM_STANDARD_STRINGS 3
#define PARAM_APPLICATION_NAME 4
#define PARAM_VALUE_MAX 65536 /* bytes of one value at most */

struct param_names;
struct param_set;

/* extra: comma list, may be empty. The fixed names come first, in the order
 * DateStyle client_encoding TimeZone standard_conforming_strings
 * application_name. False with an error for more than PARAM_MAX names or for
 * `options`. */
struct param_names *param_names_new(const char *extra, struct err *e);
struct param_names *param_names_ref(struct param_names *n);
void param_names_unref(struct param_names *n);
size_t param_names_count(const struct param_names *n);
const char *param_name(const struct param_names *n, size_t index);
/* Index, or -1 for a setting that is not tracked. */
int param_index(const struct param_names *n, const char *name);

struct param_set *param_set_new(size_t count); /* all NULL */
struct param_set *param_set_ref(struct param_set *s);
void param_set_unref(struct param_set *s); /* NULL is fine */
const char *param_get(const struct param_set *s, size_t index);
/*
 * Returns a set that is *s with one value changed (NULL: not told), and drops
 * the reference to s. Gives s itself back when the value is the same to the
 * byte.
 * Of a value past PARAM_VALUE_MAX one byte more than that is kept, by which
 * param_diff_sql() knows it.
 */
struct param_set *param_set_with(struct param_set *s, size_t index,
    const char *value);
/* Values missing in s are taken from `from`; drops the reference to s. */
struct param_set *param_set_fill(struct param_set *s,
    const struct param_set *from);
bool param_set_same(const struct param_set *a, const struct param_set *b);
/* For keys: the same for sets with the same values, all but that of index
 * `but`. */
uint64_t param_set_hash(const struct param_set *s, size_t but);
/* If b has the same values as a, unrefs b and returns a new reference to a:
 * the two owners share from now on. Else returns b. */
struct param_set *param_set_share(struct param_set *a, struct param_set *b);

/*
 * Writes the SQL that brings a server with `have` to `want` at the end of sql:
 * "SET name='v';SET ...". Only values known on both sides that differ are set
 * (without case where a value is a word: the first four). Values are quoted as
 * literals (E'' when they hold a backslash); list-valued search_path is parsed
 * and quoted element by element. Returns the number of SETs, or -1 with an
 * error for a value past PARAM_VALUE_MAX, one holding an unbalanced list, or
 * one with a backslash and bytes above 127 in an encoding where such bytes can
 * be half a character (SJIS, BIG5, GBK and the like). On error nothing is
 * written.
 */
int param_diff_sql(const struct param_names *names,
    const struct param_set *want, const struct param_set *have,
    struct buf *sql, struct err *e);

/* text as an SQL literal at the end of sql: in E'' if it holds a backslash. */
void sql_put_literal(struct buf *sql, struct span text);
/* Whether text cannot be quoted so in an encoding (NULL: unknown), because a
 * half of a character may look like a backslash. */
bool sql_is_ambiguous(const char *text, const char *encoding);

#endif
