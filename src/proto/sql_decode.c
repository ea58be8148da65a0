/* What identifiers and literals stand for. */
#include <string.h>

#include "proto/sql_lex.h"

static int
hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A value of up to most digits of a base of 8 or 16 at *p. Returns how many
 * there are. */
static unsigned
digits(const uint8_t *p, const uint8_t *end, unsigned base, unsigned most,
    uint32_t *value)
{
	unsigned n = 0;

	for (*value = 0; n < most && p + n < end; n++) {
		int d = hex(p[n]);

		if (d < 0 || d >= (int)base)
			break;
		*value = *value * base + (uint32_t)d;
	}
	return n;
}

/* What is not ASCII depends on encodings that are not known here. */
static bool
put(uint8_t **out, uint32_t value)
{
	if (value == 0 || value > 127)
		return false;
	*(*out)++ = (uint8_t)value;
	return true;
}

static uint8_t
escape_letter(uint8_t c)
{
	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	}
	return c;
}

/* Behind a backslash of E''. NULL: cannot be told. */
static const uint8_t *
decode_escape(const uint8_t *p, const uint8_t *end, uint8_t **out)
{
	unsigned n, want = *p == 'u' ? 4 : 8;
	uint32_t value;

	if (*p == 'v')
		return NULL; /* means \v in newer versions, v before */
	if (*p >= '0' && *p <= '7') {
		n = digits(p, end, 8, 3, &value);
		return put(out, value) ? p + n : NULL;
	}
	if (*p == 'x') {
		n = digits(p + 1, end, 16, 2, &value);
		if (n > 0)
			return put(out, value) ? p + 1 + n : NULL;
	}
	if (*p == 'u' || *p == 'U') {
		n = digits(p + 1, end, 16, want, &value);
		return n == want && put(out, value) ? p + 1 + n : NULL;
	}
	*(*out)++ = escape_letter(*p);
	return p + 1;
}

/* Behind the escape character of U&''. */
static const uint8_t *
decode_unicode(const uint8_t *p, const uint8_t *end, uint8_t escape,
    uint8_t **out)
{
	unsigned want = 4;
	uint32_t value;

	if (p < end && *p == escape) {
		*(*out)++ = escape;
		return p + 1;
	}
	if (p < end && *p == '+') {
		want = 6;
		p++;
	}
	if (digits(p, end, 16, want, &value) != want || !put(out, value))
		return NULL;
	return p + want;
}

/* From one opening quote to the closing one; NULL: cannot be told. What comes
 * out is never longer than what goes in. */
static const uint8_t *
decode_piece(const uint8_t *p, const uint8_t *end, enum sql_tok type,
    uint8_t escape, uint8_t **out)
{
	uint8_t quote = *p++;

	while (p && p < end) {
		if (*p == quote) {
			if (end - p < 2 || p[1] != quote)
				return p;
			*(*out)++ = quote;
			p += 2;
		} else if (type == TOK_ESTRING && *p == '\\') {
			p = end - p < 2 ? NULL : decode_escape(p + 1, end, out);
		} else if ((type == TOK_USTRING || type == TOK_UIDENT) &&
		    *p == escape) {
			p = decode_unicode(p + 1, end, escape, out);
		} else
			*(*out)++ = *p++;
	}
	return NULL;
}

/* Up to the next opening quote; end if there is none. */
static const uint8_t *
find_piece(const uint8_t *p, const uint8_t *end)
{
	while (p < end && *p != '\'') {
		if (*p == '-') /* a comment, it may hold quotes */
			while (p < end && *p != '\n' && *p != '\r')
				p++;
		else
			p++;
	}
	return p;
}

static bool
decode_quoted(const uint8_t *p, const uint8_t *end, struct sql_token t,
    uint8_t **out)
{
	while (*p != '\'' && *p != '"')
		p++;
	while (p < end) {
		p = decode_piece(p, end, t.type, t.escape, out);
		if (!p)
			return false;
		p = find_piece(p + 1, end);
	}
	return true;
}

/* Between the two $tag$. */
static void
decode_dollar(const uint8_t *p, uint32_t n, uint8_t **out)
{
	uint32_t tag = 2;

	while (p[tag - 1] != '$')
		tag++;
	memcpy(*out, p + tag, n - 2 * tag);
	*out += n - 2 * tag;
}

static void
decode_word(const uint8_t *p, uint32_t n, uint8_t **out)
{
	for (; n > 0; n--, p++)
		*(*out)++ = *p >= 'A' && *p <= 'Z' ? *p | 0x20 : *p;
}

bool
sql_decode(const struct sql_lexer *l, struct sql_token t, struct buf *out)
{
	const uint8_t *p = l->p + t.at;
	uint8_t *to;

	if (!buf_try_reserve(out, t.n))
		return false;
	to = out->data + out->end;
	switch (t.type) {
	case TOK_WORD:
		decode_word(p, t.n, &to);
		break;
	case TOK_IDENT:
	case TOK_UIDENT:
	case TOK_STRING:
	case TOK_ESTRING:
	case TOK_USTRING:
		if (!decode_quoted(p, p + t.quoted, t, &to))
			return false;
		break;
	case TOK_DOLLAR:
		decode_dollar(p, t.n, &to);
		break;
	case TOK_END:
	case TOK_BAD:
	case TOK_BITS:
	case TOK_NUMBER:
	case TOK_PARAM:
	case TOK_OP:
	case TOK_CHAR:
		return false;
	}
	out->end = (size_t)(to - out->data);
	return true;
}
