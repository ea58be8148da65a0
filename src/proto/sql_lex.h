/*
 * sql_lex: PostgreSQL's lexical rules (src/backend/parser/scan.l of versions
 * 9.6 to 18; manual, chapter 4.1). Where versions differ, the reading that
 * sees more: `1into` is a number and a word, as before 15.
 *
 * Private to proto/sql. Pure.
 */
#ifndef PROTO_SQL_LEX_H
#define PROTO_SQL_LEX_H

#include "proto/sql.h"

enum sql_tok {
	TOK_END,
	TOK_BAD, /* does not end: all the rest of the text */
	TOK_WORD, /* keyword or identifier, as it stands */
	TOK_IDENT, /* "..." */
	TOK_UIDENT, /* U&"...", with its UESCAPE */
	TOK_STRING, /* '...' without escapes, perhaps in several pieces */
	TOK_ESTRING, /* E'...', or '...' with standard_conforming_strings off */
	TOK_USTRING, /* U&'...', with its UESCAPE */
	TOK_DOLLAR, /* $tag$...$tag$ */
	TOK_BITS, /* B'...', X'...' */
	TOK_NUMBER,
	TOK_PARAM, /* $1 */
	TOK_OP, /* operator, also :: and := */
	TOK_CHAR, /* one byte: ( ) [ ] , ; : . and what has no meaning */
};

struct sql_token {
	enum sql_tok type;
	uint8_t first; /* its first byte */
	uint8_t escape; /* of U&"" and U&'' */
	uint32_t at;
	uint32_t n;
	uint32_t quoted; /* of quoted ones, the bytes in front of a UESCAPE */
};

struct sql_lexer {
	const uint8_t *p;
	uint32_t n;
	uint32_t pos;
	unsigned options; /* enum sql_option */
	bool doubt; /* met what may be read in another way, too */
};

/* text.n must fit 32 bits. */
void sql_lexer_init(struct sql_lexer *l, struct span text, unsigned options);
struct sql_token sql_lex(struct sql_lexer *l);

/* Without case; the token must be a TOK_WORD for true. */
bool sql_tok_is(const uint8_t *text, struct sql_token t, const char *word);
bool sql_is_identifier(enum sql_tok type);
bool sql_is_string(enum sql_tok type);

/* Appends what an identifier or a string token stands for; false as told of
 * sql_name() and sql_literal(). Identifiers are not cut. */
bool sql_decode(const struct sql_lexer *l, struct sql_token t,
    struct buf *out);

#endif
