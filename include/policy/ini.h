/*
 * ini: the grammar of pooler.ini, line by line, and of the connection strings
 * behind `NAME =` in [databases], [users] and [peers].
 *
 * It knows nothing of which keys there are; config does. Grammar: blanks at
 * the start of a line are skipped; `;` or `#` as first character makes a
 * comment; `[section]`; `key = value`, where a key is bare (A-Z a-z 0-9 _ . -
 * *) or in '...' or "..." with the quote doubled inside, and the value is the
 * rest of the line without blanks at its end; `%include FILE`. No comments
 * behind a value, no line continuation. A NUL byte is refused.
 *
 * Pure. Spans borrow from the text; keys and values that had to be unquoted
 * live in the reader's own buffers until the next call.
 */
#ifndef POLICY_INI_H
#define POLICY_INI_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

enum ini_kind {
	INI_SECTION, /* key = the name */
	INI_KEY, /* key, value */
	INI_INCLUDE, /* value = the file's name */
	INI_BAD, /* the error is set; reading may go on behind this line */
	INI_END,
};

struct ini {
	const uint8_t *p;
	const uint8_t *end;
	int line; /* of the item given last, from 1 */
	struct buf key_buf;
	struct span key;
	struct span value;
};

void ini_init(struct ini *ini, struct span text);
void ini_fini(struct ini *ini);
/* The next item. The error has neither file nor line: the caller knows. */
enum ini_kind ini_next(struct ini *ini, struct err *e);

/*
 * connstr: `key=value key='va''lue' ...`. Blanks around `=` are allowed; an
 * empty value must be quoted ('').
 */
enum connstr_kind { CONNSTR_PAIR, CONNSTR_BAD, CONNSTR_END };

struct connstr {
	const uint8_t *p;
	const uint8_t *end;
	struct buf value_buf;
	struct span key;
	struct span value;
};

void connstr_init(struct connstr *c, struct span text);
/* Overwrites the value buffer: it may have held a password. */
void connstr_fini(struct connstr *c);
enum connstr_kind connstr_next(struct connstr *c, struct err *e);
/* Appends value so that connstr_next() reads it back: bare if it can be. */
void connstr_quote(struct buf *out, const char *value);
/* The same for a key of a free section. False for a name that no key can
 * spell (one with a line end in it). */
bool ini_quote_key(struct buf *out, const char *name);

/* Items of a comma list, blanks around them cut, empty ones skipped:
 *	for (const char *at = text; list_next(&at, &item);) ...          */
bool list_next(const char **at, struct span *item);

#endif
