#include <string.h>
#include <strings.h>

#include "proto/sql_lex.h"

enum {
	BLANK = 1,
	START = 2, /* may begin an identifier */
	INNER = 4, /* may go on with one */
	DIGIT = 8,
	OPER = 16,
	NEWLINE = 32,
};

#define LETTERS(m) [(m)] = START | INNER
#define HIGH8(m) \
	[m] = START | INNER, [(m) + 1] = START | INNER, \
	[(m) + 2] = START | INNER, [(m) + 3] = START | INNER, \
	[(m) + 4] = START | INNER, [(m) + 5] = START | INNER, \
	[(m) + 6] = START | INNER, [(m) + 7] = START | INNER
#define HIGH32(m) HIGH8(m), HIGH8((m) + 8), HIGH8((m) + 16), HIGH8((m) + 24)
#define DIGITS(m) [m] = DIGIT | INNER, [(m) + 1] = DIGIT | INNER

static const uint8_t classes[256] = {
	/* \v is a blank since version 16, and an error before */
	[' '] = BLANK, ['\t'] = BLANK, ['\f'] = BLANK, ['\v'] = BLANK,
	['\n'] = BLANK | NEWLINE, ['\r'] = BLANK | NEWLINE,
	LETTERS('_'), ['$'] = INNER,
	HIGH8('A'), HIGH8('I'), HIGH8('Q'), LETTERS('Y'), LETTERS('Z'),
	HIGH8('a'), HIGH8('i'), HIGH8('q'), LETTERS('y'), LETTERS('z'),
	HIGH32(128), HIGH32(160), HIGH32(192), HIGH32(224),
	DIGITS('0'), DIGITS('2'), DIGITS('4'), DIGITS('6'), DIGITS('8'),
	['~'] = OPER, ['!'] = OPER, ['@'] = OPER, ['#'] = OPER, ['^'] = OPER,
	['&'] = OPER, ['|'] = OPER, ['`'] = OPER, ['?'] = OPER, ['+'] = OPER,
	['-'] = OPER, ['*'] = OPER, ['/'] = OPER, ['%'] = OPER, ['<'] = OPER,
	['>'] = OPER, ['='] = OPER,
};

void
sql_lexer_init(struct sql_lexer *l, struct span text, unsigned options)
{
	*l = (struct sql_lexer){ .p = text.p, .n = (uint32_t)text.n,
		.options = options };
}

/* The byte i further on, 0 behind the end. */
static uint8_t
ahead(const struct sql_lexer *l, uint32_t pos, uint32_t i)
{
	return i < l->n - pos ? l->p[pos + i] : 0;
}

static bool
is_class(const struct sql_lexer *l, uint32_t pos, uint8_t class)
{
	return pos < l->n && (classes[l->p[pos]] & class) != 0;
}

static uint32_t
skip_class(const struct sql_lexer *l, uint32_t pos, uint8_t class)
{
	while (is_class(l, pos, class))
		pos++;
	return pos;
}

static uint32_t
skip_line_comment(const struct sql_lexer *l, uint32_t pos)
{
	while (pos < l->n && !is_class(l, pos, NEWLINE))
		pos++;
	return pos;
}

/* Behind a comment that begins at pos; l->n + 1 if it does not end. */
static uint32_t
skip_block_comment(const struct sql_lexer *l, uint32_t pos)
{
	uint32_t depth = 1;

	for (pos += 2; depth > 0; pos++) {
		if (pos >= l->n)
			return l->n + 1;
		if (l->p[pos] == '/' && ahead(l, pos, 1) == '*') {
			depth++;
			pos++;
		} else if (l->p[pos] == '*' && ahead(l, pos, 1) == '/') {
			depth--;
			pos++;
		}
	}
	return pos;
}

/* Behind blanks and comments; l->n + 1 as above. */
static uint32_t
skip_space(const struct sql_lexer *l, uint32_t pos)
{
	for (;;) {
		pos = skip_class(l, pos, BLANK);
		if (pos >= l->n)
			return pos;
		if (l->p[pos] == '-' && ahead(l, pos, 1) == '-')
			pos = skip_line_comment(l, pos);
		else if (l->p[pos] == '/' && ahead(l, pos, 1) == '*')
			pos = skip_block_comment(l, pos);
		else
			return pos;
	}
}

/* Where the next piece of a string opens that has just closed: behind blanks
 * and line comments with a line's end among them. 0: there is none. */
static uint32_t
next_piece(const struct sql_lexer *l, uint32_t pos)
{
	bool newline = false;

	while (pos < l->n) {
		if (l->p[pos] == '\'')
			return newline ? pos : 0;
		if (l->p[pos] == '-' && ahead(l, pos, 1) == '-') {
			pos = skip_line_comment(l, pos);
		} else if (is_class(l, pos, BLANK)) {
			newline |= is_class(l, pos, NEWLINE);
			pos++;
		} else
			return 0;
	}
	return 0;
}

/* The quote that closes what opened before pos; l->n if there is none. */
static uint32_t
closing_quote(struct sql_lexer *l, uint32_t pos, uint8_t quote,
    enum sql_tok type)
{
	bool escapes = type == TOK_ESTRING;

	for (; pos < l->n; pos++) {
		if (l->p[pos] == quote) {
			if (type == TOK_BITS || ahead(l, pos, 1) != quote)
				return pos;
			pos++;
		} else if (l->p[pos] == '\\') {
			l->doubt |= type == TOK_STRING &&
			    (l->options & SQL_STRINGS_UNKNOWN);
			if (escapes)
				pos++;
		}
	}
	return l->n;
}

static struct sql_token
token(struct sql_lexer *l, enum sql_tok type, uint32_t end)
{
	struct sql_token t = { .type = type, .first = l->p[l->pos],
		.at = l->pos, .n = end - l->pos };

	l->pos = end;
	return t;
}

static struct sql_token
bad(struct sql_lexer *l)
{
	struct sql_token t = { .type = TOK_BAD, .at = l->pos,
		.n = l->n - l->pos };

	l->pos = l->n;
	return t;
}

/* Behind a UESCAPE 'c' that may follow at pos, and c; else pos. There are more
 * ways to write c, of no use to anybody but those who want to hide a name. */
static uint32_t
skip_uescape(struct sql_lexer *l, uint32_t pos, uint8_t *escape)
{
	uint32_t p = skip_space(l, pos);

	if (p >= l->n || l->n - p < 7 ||
	    strncasecmp((const char *)l->p + p, "uescape", 7) != 0 ||
	    is_class(l, p + 7, INNER))
		return pos;
	p = skip_space(l, p + 7);
	if (p >= l->n || l->p[p] != '\'' || ahead(l, p, 2) != '\'' ||
	    ahead(l, p, 3) == '\'' || next_piece(l, p + 3) != 0) {
		l->doubt = true;
		return pos;
	}
	*escape = l->p[p + 1];
	return p + 3;
}

/* A string or quoted identifier whose opening quote is at open. */
static struct sql_token
lex_quoted(struct sql_lexer *l, uint32_t open, enum sql_tok type)
{
	uint8_t quote = l->p[open];
	uint32_t piece = open, end;
	struct sql_token t;

	if (type == TOK_STRING && !(l->options & (SQL_STD_STRINGS |
	    SQL_STRINGS_UNKNOWN)))
		type = TOK_ESTRING;
	do {
		end = closing_quote(l, piece + 1, quote, type);
		if (end >= l->n)
			return bad(l);
		piece = quote == '\'' ? next_piece(l, ++end) : (end++, 0);
	} while (piece != 0);
	t = token(l, type, end);
	t.quoted = t.n;
	t.escape = '\\';
	if (type == TOK_UIDENT || type == TOK_USTRING)
		l->pos = skip_uescape(l, end, &t.escape);
	t.n = l->pos - t.at;
	return t;
}

static struct sql_token
lex_word(struct sql_lexer *l)
{
	uint8_t c = l->p[l->pos] | 0x20, next = ahead(l, l->pos, 1);

	if (next == '\'' && c == 'e')
		return lex_quoted(l, l->pos + 1, TOK_ESTRING);
	if (next == '\'' && (c == 'b' || c == 'x'))
		return lex_quoted(l, l->pos + 1, TOK_BITS);
	if (next == '&' && c == 'u') {
		next = ahead(l, l->pos, 2);
		if (next == '\'')
			return lex_quoted(l, l->pos + 2, TOK_USTRING);
		if (next == '"')
			return lex_quoted(l, l->pos + 2, TOK_UIDENT);
	}
	return token(l, TOK_WORD, skip_class(l, l->pos + 1, INNER));
}

static struct sql_token
lex_number(struct sql_lexer *l)
{
	uint32_t p = skip_class(l, l->pos, DIGIT), q;

	/* 1..2 is a number and what PL/pgSQL makes of it */
	if (p < l->n && l->p[p] == '.' && ahead(l, p, 1) != '.')
		p = skip_class(l, p + 1, DIGIT);
	if (p < l->n && (l->p[p] | 0x20) == 'e') {
		q = p + 1;
		if (q < l->n && (l->p[q] == '+' || l->p[q] == '-'))
			q++;
		if (is_class(l, q, DIGIT))
			p = skip_class(l, q, DIGIT);
	}
	return token(l, TOK_NUMBER, p);
}

/* $1, $$...$$, $tag$...$tag$, or a $ that is an error. */
static struct sql_token
lex_dollar(struct sql_lexer *l)
{
	uint32_t p = l->pos + 1, n;
	const uint8_t *end;

	if (is_class(l, p, DIGIT))
		return token(l, TOK_PARAM, skip_class(l, p, DIGIT));
	if (is_class(l, p, START))
		while (is_class(l, p, INNER) && l->p[p] != '$')
			p++;
	if (p >= l->n || l->p[p] != '$')
		return token(l, TOK_CHAR, l->pos + 1);
	n = ++p - l->pos;
	end = memmem(l->p + p, l->n - p, l->p + l->pos, n);
	if (!end)
		return bad(l);
	return token(l, TOK_DOLLAR, (uint32_t)(end - l->p) + n);
}

/* As far as it goes, but up to a comment that begins inside. */
static struct sql_token
lex_operator(struct sql_lexer *l)
{
	uint32_t p = l->pos + 1;

	for (; is_class(l, p, OPER); p++)
		if ((l->p[p] == '-' && ahead(l, p, 1) == '-') ||
		    (l->p[p] == '/' && ahead(l, p, 1) == '*'))
			break;
	return token(l, TOK_OP, p);
}

struct sql_token
sql_lex(struct sql_lexer *l)
{
	uint8_t c, class;

	l->pos = skip_space(l, l->pos);
	if (l->pos >= l->n) {
		enum sql_tok type = l->pos > l->n ? TOK_BAD : TOK_END;

		l->pos = l->n;
		return (struct sql_token){ .type = type, .at = l->n };
	}
	c = l->p[l->pos];
	class = classes[c];
	if (class & START)
		return lex_word(l);
	if (class & DIGIT)
		return lex_number(l);
	if (class & OPER)
		return lex_operator(l);
	switch (c) {
	case '\'':
		return lex_quoted(l, l->pos, TOK_STRING);
	case '"':
		return lex_quoted(l, l->pos, TOK_IDENT);
	case '$':
		return lex_dollar(l);
	case '.':
		if (is_class(l, l->pos + 1, DIGIT))
			return lex_number(l);
		break;
	case ':':
		if (ahead(l, l->pos, 1) == ':' || ahead(l, l->pos, 1) == '=')
			return token(l, TOK_OP, l->pos + 2);
		break;
	}
	return token(l, TOK_CHAR, l->pos + 1);
}

bool
sql_tok_is(const uint8_t *text, struct sql_token t, const char *word)
{
	return t.type == TOK_WORD && (t.first | 0x20) == (word[0] | 0x20) &&
	    span_is_nocase(SPAN(text + t.at, t.n), word);
}

bool
sql_is_identifier(enum sql_tok type)
{
	return type == TOK_WORD || type == TOK_IDENT || type == TOK_UIDENT;
}

bool
sql_is_string(enum sql_tok type)
{
	return type == TOK_STRING || type == TOK_ESTRING ||
	    type == TOK_USTRING || type == TOK_DOLLAR;
}
