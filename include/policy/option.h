/*
 * option: one row per configuration key, and what can be done with a row:
 * parse a text into the field it stands for, write the field back as text,
 * find a row by name, and the nearest name to a mistyped one.
 *
 * The rows themselves are config's (config_options()). Man page, example
 * file, SHOW CONFIG and --print-config are printed from them, so a new key is
 * one row and one field.
 *
 * Pure.
 */
#ifndef POLICY_OPTION_H
#define POLICY_OPTION_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

/* Where a key may stand. */
enum option_scope {
	SCOPE_GLOBAL, /* [pooler], [pgbouncer] */
	SCOPE_DATABASE, /* one line of [databases] */
	SCOPE_USER, /* one line of [users] */
	SCOPE_PEER, /* one line of [peers] */
};
#define N_SCOPES 4

/* Chapters of the man page. */
enum option_group {
	GROUP_PROCESS,
	GROUP_LISTEN,
	GROUP_POOLING,
	GROUP_LIMITS,
	GROUP_TIMEOUTS,
	GROUP_CHECK,
	GROUP_CONSOLE,
	GROUP_AUTH,
	GROUP_CLIENT_TLS,
	GROUP_SERVER_TLS,
	GROUP_DNS,
	GROUP_LOW_LEVEL,
};
#define N_GROUPS 12

/* The text's form, and the type of the field behind `offset`. */
enum option_type {
	OPT_BOOL, /* bool: 0 1 on off yes no true false */
	OPT_INT, /* int: decimal, 0x hex, leading 0 octal */
	OPT_OCTAL, /* int as OPT_INT; a file mode, best shown in octal */
	OPT_AUTO, /* int as OPT_INT, or `auto` = OPTION_AUTO */
	OPT_TIME, /* int64_t microseconds; text in seconds, with fraction */
	OPT_MSEC, /* int64_t microseconds; text in milliseconds */
	OPT_ENUM, /* int or an enum; one of `words`, without case */
	OPT_TEXT, /* const char * */
	OPT_PATH, /* const char * */
	OPT_LIST, /* const char *, as written; read it with list_next() */
};

#define OPTION_UNSET (-1) /* a number that a line did not give */
#define OPTION_AUTO (-2)

/* flags */
#define OPT_RELOAD 0x01 /* takes effect on RELOAD and SET */
#define OPT_LATER 0x02 /* taken, but its effect comes with a later version */
#define OPT_IGNORED 0x04 /* taken for compatibility, never has an effect */
#define OPT_OURS 0x08 /* the reference does not know it */
#define OPT_ALIAS 0x10 /* another spelling of the row before it */
#define OPT_SECRET 0x20 /* never shown */
#define OPT_NONEMPTY 0x40 /* an empty text is refused */
#define OPT_NULL 0x80 /* a text that is NULL when unset, not "" */

struct option_word {
	const char *name; /* the list ends with NULL */
	int value;
	bool later; /* known, refused by this version */
};

struct option {
	const char *name;
	enum option_type type;
	enum option_group group;
	unsigned flags;
	const char *def; /* default as text; NULL = unset */
	const char *def_compat; /* default under [pgbouncer], NULL = same */
	int64_t min, max; /* numbers as written; for OPT_TIME whole seconds */
	const struct option_word *words;
	const char *unit; /* "s", "ms", "bytes", or NULL */
	size_t offset;
	const char *help; /* whole sentences, one line */
};

/*
 * Parses text into the field of the row in the struct at `base`; texts are
 * copied into the arena. On failure the field is unchanged and the error has
 * message and hint; file and line are the caller's to add.
 */
bool option_parse(const struct option *o, struct span text, struct arena *a,
    void *base, struct err *e);
/* Unset: numbers OPTION_UNSET, texts "" (OPT_NULL: NULL). */
void option_unset(const struct option *o, void *base);
bool option_is_set(const struct option *o, const void *base);
/*
 * The field as text, in the reference's spelling: booleans 0 and 1, times
 * without zeros at the end, modes in decimal. Unset gives nothing.
 */
void option_format(const struct option *o, const void *base, struct buf *out);
/* The same value in both? */
bool option_same(const struct option *o, const void *a, const void *b);
/* Copies the field; texts are copied into the arena. */
void option_copy(const struct option *o, void *to, const void *from,
    struct arena *a);

/* NULL if there is none. Names are case-sensitive. */
const struct option *option_find(const struct option *rows, size_t n,
    struct span name);
/* The nearest name within a third of its length in edits, or NULL. */
const char *option_nearest(const struct option *rows, size_t n,
    struct span name);
const char *option_word(const struct option_word *words, int value);
/* "int", "seconds", "a | b | c" ...: for the man page. */
void option_describe(const struct option *o, struct buf *out);

#endif
