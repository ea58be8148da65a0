/*
 * words: the lines and words that HBA and ident files are made of.
 *
 * Words end at blanks and commas; a comma is a word of its own kind. Double
 * quotes take everything between them as it is, also in the middle of a word,
 * `""` inside stands for one quote, and a word that begins with a quote has no
 * special meaning. `#` outside quotes starts a comment. A quote that is not
 * closed on its line, and a NUL byte, are errors.
 *
 * Pure. Texts are the arena's.
 */
#ifndef POLICY_WORDS_H
#define POLICY_WORDS_H

#include "base/arena.h"
#include "base/base.h"
#include "base/err.h"

struct lines {
	const uint8_t *p;
	const uint8_t *end;
	int line; /* of the line given last, from 1 */
};

void lines_init(struct lines *l, struct span text);
/* The next line without its end (LF or CRLF); false at the end. */
bool lines_next(struct lines *l, struct span *line);

struct words {
	const uint8_t *p;
	const uint8_t *end;
	struct arena *arena;
};

struct word {
	const char *text;
	bool quoted; /* it begins with a quote */
};

enum word_kind { WORD_TEXT, WORD_COMMA, WORD_END, WORD_BAD };

void words_init(struct words *w, struct span line, struct arena *a);
/* WORD_BAD sets the error, without file and line. */
enum word_kind words_next(struct words *w, struct word *out, struct err *e);
/* What words_next() would give, without taking it. */
enum word_kind words_peek(const struct words *w);
/* What is left of the line, without its comment and the blanks around; the
 * quotes stay. */
const char *words_rest(struct words *w);

#endif
