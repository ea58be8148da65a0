/* Names and values out of a text, as settings want them. */
#include <string.h>
#include <strings.h>

#include "proto/sql_lex.h"

#define NAME_MAX_BYTES 63 /* NAMEDATALEN - 1 */

/* The tokens of a range, one after the other. */
static struct sql_lexer
lexer_at(const struct sql_info *info, struct sql_range r)
{
	struct sql_lexer l;

	sql_lexer_init(&l, SPAN(info->text.p + r.at, r.n), info->options);
	return l;
}

/* Cuts what was appended after start to a name's length, between characters of
 * UTF-8. */
static void
cut_name(struct buf *out, size_t start)
{
	uint8_t *name = out->data + out->start + start;
	size_t n = buf_len(out) - start;

	if (n <= NAME_MAX_BYTES)
		return;
	n = NAME_MAX_BYTES;
	while (n > 0 && (name[n] & 0xc0) == 0x80)
		n--;
	out->end = out->start + start + n;
}

static bool
undo(struct buf *out, size_t len)
{
	out->end = out->start + len;
	return false;
}

bool
sql_name(const struct sql_info *info, struct sql_range r, struct buf *out)
{
	struct sql_lexer l = lexer_at(info, r);
	size_t before = buf_len(out), start = before;
	struct sql_token t;

	if (r.n == 0)
		return false;
	while ((t = sql_lex(&l)).type != TOK_END) {
		if (t.type == TOK_CHAR && t.first == '.') {
			if (!buf_try_append(out, ".", 1))
				return undo(out, before);
			start = buf_len(out);
			continue;
		}
		if (!sql_is_identifier(t.type) || !sql_decode(&l, t, out))
			return undo(out, before);
		cut_name(out, start);
	}
	return true;
}

bool
sql_literal(const struct sql_info *info, struct sql_range r, struct buf *out)
{
	struct sql_lexer l = lexer_at(info, r);
	size_t before = buf_len(out);
	struct sql_token t;

	if (r.n == 0)
		return false;
	t = sql_lex(&l);
	if (!sql_is_string(t.type) || !sql_decode(&l, t, out) ||
	    sql_lex(&l).type != TOK_END)
		return undo(out, before);
	return true;
}

bool
sql_setting(const struct sql_info *info, const struct sql_stmt *s,
    struct buf *out)
{
	size_t before = buf_len(out), i;
	uint8_t *name;

	if (s->setting)
		return buf_try_append(out, s->setting, strlen(s->setting));
	if (!sql_name(info, s->name, out))
		return false;
	name = out->data + out->start;
	for (i = before; i < buf_len(out); i++)
		if (name[i] >= 'A' && name[i] <= 'Z')
			name[i] |= 0x20;
	return true;
}

/* A literal that reads the same with standard_conforming_strings on and off. */
static bool
put_quoted(struct span v, struct buf *out)
{
	bool escapes = v.n > 0 && memchr(v.p, '\\', v.n) != NULL;
	uint8_t *to;
	size_t i;

	if (v.n > SIZE_MAX / 4 || !buf_try_reserve(out, 2 * v.n + 3))
		return false;
	to = out->data + out->end;
	if (escapes)
		*to++ = 'E';
	*to++ = '\'';
	for (i = 0; i < v.n; i++) {
		if (v.p[i] == '\'' || v.p[i] == '\\')
			*to++ = v.p[i];
		*to++ = v.p[i];
	}
	*to++ = '\'';
	out->end = (size_t)(to - out->data);
	return true;
}

static bool
put_element(const struct sql_lexer *l, struct sql_token t, bool first,
    struct buf *out)
{
	struct buf text = { 0 };
	size_t before;
	bool ok;

	if (!first && !buf_try_append(out, ", ", 2))
		return false;
	if (t.type == TOK_NUMBER)
		return buf_try_append(out, l->p + t.at, t.n);
	if (!sql_is_identifier(t.type) && !sql_is_string(t.type))
		return false;
	before = buf_len(&text);
	ok = sql_decode(l, t, &text);
	if (ok && (t.type == TOK_IDENT || t.type == TOK_UIDENT))
		cut_name(&text, before);
	ok = ok && put_quoted(buf_span(&text), out);
	buf_free(&text);
	return ok;
}

/* One element of the list and what follows it. */
static bool
put_next(struct sql_lexer *l, struct sql_token *t, bool first,
    struct buf *out)
{
	bool minus = t->type == TOK_OP && t->first == '-' && t->n == 1;

	if (t->type == TOK_OP && t->n == 1 && (minus || t->first == '+')) {
		*t = sql_lex(l);
		if (t->type != TOK_NUMBER)
			return false;
		if (!first && minus && !buf_try_append(out, ", -", 3))
			return false;
		if (first && minus && !buf_try_append(out, "-", 1))
			return false;
		first |= minus;
	}
	if (!put_element(l, *t, first, out))
		return false;
	*t = sql_lex(l);
	if (t->type == TOK_END)
		return true;
	if (t->type != TOK_CHAR || t->first != ',')
		return false;
	*t = sql_lex(l);
	return t->type != TOK_END;
}

bool
sql_value(const struct sql_info *info, const struct sql_stmt *s,
    struct buf *out)
{
	struct sql_lexer l = lexer_at(info, s->value);
	size_t before = buf_len(out);
	struct sql_token t;
	bool first = true;

	if (s->value.n == 0)
		return false;
	t = sql_lex(&l);
	while (t.type != TOK_END) {
		if (!put_next(&l, &t, first, out))
			return undo(out, before);
		first = false;
	}
	return true;
}

bool
sql_mentions_temp(struct span text)
{
	static const char word[] = "pg_temp";
	size_t n = sizeof(word) - 1, i;

	for (i = 0; text.n >= n && i <= text.n - n; i++)
		if (strncasecmp((const char *)text.p + i, word, n) == 0)
			return true;
	return false;
}
