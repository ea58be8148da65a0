/*
 * sql_scan: a text on its way through the scanner. Every token passes
 * scan_next(), which sees to all that may stand anywhere in a statement: calls,
 * parentheses, pg_temp. What a statement is, sql_head reads from its first
 * words.
 *
 * Private to proto/sql. Pure.
 */
#ifndef PROTO_SQL_SCAN_H
#define PROTO_SQL_SCAN_H

#include "proto/sql_lex.h"

#define SCAN_OPEN_CALLS 8 /* whose arguments are looked at, nested */

/* A call whose arguments are being read. */
struct scan_open {
	uint32_t call; /* index in info->calls */
	uint32_t depth; /* of parentheses inside it */
	uint32_t tokens; /* of this argument, so far */
	struct sql_token first, second, third; /* of this argument */
};

struct scan {
	struct sql_info *info;
	struct sql_lexer lex;
	struct sql_stmt stmt;
	/* The token at hand, and those in front of it (TOK_END: none). */
	struct sql_token tok, prev, prev2, prev3;
	uint32_t depth; /* parentheses and brackets open */
	uint32_t end; /* behind the statement's last token */
	/* A name that may turn out to be a function's: its last part, the one
	 * in front, how many parts, where it begins, what stands before it. */
	struct sql_token last, schema, before;
	uint32_t parts;
	uint32_t name_at;
	struct scan_open open[SCAN_OPEN_CALLS];
	uint32_t nopen;
	struct buf scratch;
	bool in_body; /* BEGIN ATOMIC ... END of a function */
	bool is_create;
	bool routine; /* CREATE FUNCTION, CREATE PROCEDURE */
	bool only_calls; /* SELECT of nothing but calls, so far */
	bool sets_by_view; /* UPDATE pg_settings */
};

/* sql_scan.c */
void scan_unsure(struct scan *s, const char *why);
/* Goes on to the next token and makes it s->tok. At a statement's end
 * (scan_at_end()) it stays there. */
void scan_next(struct scan *s);
bool scan_at_end(const struct scan *s);
bool scan_is(const struct scan *s, const char *word); /* of s->tok */
/* If s->tok is that word, goes on. */
bool scan_take(struct scan *s, const char *word);
bool scan_is_char(const struct scan *s, char c);
/* From here up to and without a place. */
struct sql_range scan_range(struct sql_token from, uint32_t end);
void scan_rest(struct scan *s); /* to the statement's end */

/* Adds to the statement at hand; NULL, and unsure, when there are too many. */
struct sql_call *scan_add_call(struct scan *s);

/* sql_track.c */
void track_token(struct scan *s);
void track_end(struct scan *s); /* of the statement */

/* sql_head.c, sql_set.c */
void head_parse(struct scan *s);
void head_set(struct scan *s); /* behind SET */
void head_reset(struct scan *s); /* behind RESET */
struct sql_range head_name(struct scan *s); /* one identifier, taken */
/* sql_body.c: whether the body of a DO holds what can change the session. */
bool body_has_state(struct scan *s, struct sql_token body);

#endif
