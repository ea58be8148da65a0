/* What a statement does, as a number. */
#include "proto/fingerprint.h"

#include <string.h>

#define FNV_START UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)

struct scan {
	const uint8_t *p, *end;
	uint64_t hash;
	uint64_t before_comma; /* the hash behind the last value, if a comma
				* is all that came since; else 0 */
	bool value; /* the last token was a value */
	bool any;
};

static void
mix(struct scan *s, uint8_t c)
{
	s->hash = (s->hash ^ c) * FNV_PRIME;
}

/* A token that is no value begins. */
static void
begin(struct scan *s)
{
	s->any = true;
	s->value = false;
	s->before_comma = 0;
	mix(s, 0);
}

/* `?, ?` is the same as `?`. */
static void
value(struct scan *s)
{
	if (s->before_comma) {
		s->hash = s->before_comma;
	} else {
		begin(s);
		mix(s, 1);
	}
	s->before_comma = 0;
	s->value = true;
}

static void
sign(struct scan *s)
{
	uint64_t behind = s->hash;
	bool comma = s->value && *s->p == ',';

	begin(s);
	mix(s, *s->p++);
	if (comma)
		s->before_comma = behind;
}

static bool
is_word(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_' || c >= 0x80;
}

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool
next_is(const struct scan *s, size_t at, uint8_t c)
{
	return at < (size_t)(s->end - s->p) && s->p[at] == c;
}

/* ---- constants ---- */

/* p stands on the quote. A doubled one is part of it. */
static void
skip_quoted(struct scan *s, bool backslash)
{
	uint8_t quote = *s->p++;

	while (s->p < s->end) {
		uint8_t c = *s->p++;

		if (c == '\\' && backslash && s->p < s->end)
			s->p++;
		else if (c == quote) {
			if (s->p == s->end || *s->p != quote)
				return;
			s->p++;
		}
	}
}

/* $tag$ ... $tag$; false when what stands here is none. */
static bool
skip_dollars(struct scan *s)
{
	const uint8_t *tag = s->p, *q = s->p + 1;
	size_t n;

	if (q < s->end && is_digit(*q))
		return false;
	while (q < s->end && is_word(*q))
		q++;
	if (q == s->end || *q != '$')
		return false;
	n = (size_t)(q + 1 - tag);
	q = memmem(q + 1, (size_t)(s->end - q - 1), tag, n);
	s->p = q ? q + n : s->end;
	return true;
}

static void
skip_number(struct scan *s)
{
	while (s->p < s->end && (is_word(*s->p) || *s->p == '.')) {
		uint8_t c = *s->p++;

		if ((c == 'e' || c == 'E') && s->p < s->end &&
		    (*s->p == '+' || *s->p == '-'))
			s->p++;
	}
}

/* ---- the rest ---- */

/* Comments nest. */
static void
skip_comment(struct scan *s)
{
	int depth = 0;

	do {
		if (next_is(s, 0, '/') && next_is(s, 1, '*')) {
			depth++;
			s->p += 2;
		} else if (next_is(s, 0, '*') && next_is(s, 1, '/')) {
			depth--;
			s->p += 2;
		} else {
			s->p++;
		}
	} while (depth > 0 && s->p < s->end);
}

static void
skip_line(struct scan *s)
{
	while (s->p < s->end && *s->p != '\n')
		s->p++;
}

/* A word, or the letter before a string: E'', B'', X'', N'', U&''. */
static void
word(struct scan *s)
{
	uint8_t first = *s->p | 0x20;

	if (next_is(s, 1, '\'') && strchr("ebxn", first)) {
		s->p++;
		skip_quoted(s, first == 'e');
		value(s);
		return;
	}
	if (first == 'u' && next_is(s, 1, '&') && next_is(s, 2, '\'')) {
		s->p += 2;
		skip_quoted(s, false);
		value(s);
		return;
	}
	begin(s);
	while (s->p < s->end && (is_word(*s->p) || *s->p == '$')) {
		uint8_t c = *s->p++;

		mix(s, c >= 'A' && c <= 'Z' ? c | 0x20 : c);
	}
}

static void
quoted_name(struct scan *s)
{
	const uint8_t *from = s->p;

	skip_quoted(s, false);
	begin(s);
	while (from < s->p)
		mix(s, *from++);
}

static void
dollar(struct scan *s)
{
	if (s->p + 1 < s->end && is_digit(s->p[1])) {
		s->p++;
		skip_number(s);
		value(s);
	} else if (skip_dollars(s)) {
		value(s);
	} else {
		sign(s);
	}
}

static void
token(struct scan *s)
{
	uint8_t c = *s->p;

	if (c == ' ' || (c >= '\t' && c <= '\r') || c == 0) {
		s->p++;
	} else if (c == '-' && next_is(s, 1, '-')) {
		skip_line(s);
	} else if (c == '/' && next_is(s, 1, '*')) {
		skip_comment(s);
	} else if (c == '\'') {
		skip_quoted(s, false);
		value(s);
	} else if (c == '"') {
		quoted_name(s);
	} else if (c == '$') {
		dollar(s);
	} else if (is_digit(c) ||
	    (c == '.' && s->p + 1 < s->end && is_digit(s->p[1]))) {
		skip_number(s);
		value(s);
	} else if (is_word(c)) {
		word(s);
	} else {
		sign(s);
	}
}

uint64_t
sql_fingerprint(struct span text)
{
	struct scan s = { .p = text.p, .end = text.p + text.n,
		.hash = FNV_START };

	while (s.p < s.end)
		token(&s);
	return s.any ? s.hash : 0;
}
