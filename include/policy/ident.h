/*
 * ident: maps from names of the system (an operating system user, the common
 * name of a certificate) to names of the database, from auth_ident_file.
 *
 *	MAP SYSTEM-USER DATABASE-USER
 *
 * DATABASE-USER may be `all`. A SYSTEM-USER that begins with a slash is a
 * regular expression (POSIX extended); `\1` in DATABASE-USER stands for what
 * its first parentheses matched. As in PostgreSQL it matches anywhere in the
 * name unless it has ^ and $. Names are compared exactly, byte for byte.
 *
 * A bad line refuses the file. Names of groups and roles (+name), and regular
 * expressions as DATABASE-USER, are refused: here nobody knows groups.
 *
 * Pure. Immutable once read, so any thread may ask.
 */
#ifndef POLICY_IDENT_H
#define POLICY_IDENT_H

#include "base/base.h"
#include "base/err.h"

struct ident;
struct ident_map;

/* A system name that is longer is refused by every map. */
#define IDENT_NAME_MAX 255

/* Reads a whole file. Each error is told, with file and line; then the result
 * is NULL. path is copied. */
struct ident *ident_read(const char *path, struct span text,
    void (*error)(void *arg, struct err *e), void *arg);
void ident_free(struct ident *i); /* NULL is fine */

/* NULL if no line has this map; i may be NULL. */
const struct ident_map *ident_find(const struct ident *i, const char *map);
/* May who is `system` there log in as `user` here? *line (may be NULL): the
 * line that says so. */
bool ident_allows(const struct ident_map *m, const char *system,
    const char *user, int *line);
const char *ident_map_name(const struct ident_map *m);

#endif
