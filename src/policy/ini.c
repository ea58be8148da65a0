#include "policy/ini.h"

#include <string.h>

/* Blanks inside a line. A carriage return counts, so that files with CRLF
 * read the same. */
static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static bool
is_bare(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	    (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-' ||
	    c == '*';
}

static struct span
trim(const uint8_t *p, const uint8_t *end)
{
	while (p < end && is_blank(*p))
		p++;
	while (end > p && is_blank(end[-1]))
		end--;
	return SPAN(p, end - p);
}

void
ini_init(struct ini *ini, struct span text)
{
	*ini = (struct ini){ .p = text.p };
	/* A byte order mark, as some editors leave it. */
	if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		ini->p += 3;
	ini->end = text.n > 0 ? text.p + text.n : ini->p;
}

void
ini_fini(struct ini *ini)
{
	buf_free(&ini->key_buf);
}

static enum ini_kind
bad(struct err *e, const char *msg)
{
	err_set(e, "F0000", "%s", msg);
	return INI_BAD;
}

static enum ini_kind
read_section(struct ini *ini, const uint8_t *p, const uint8_t *end,
    struct err *e)
{
	const uint8_t *close = memchr(p, ']', (size_t)(end - p));

	if (close == NULL)
		return bad(e, "section header without \"]\"");
	if (trim(close + 1, end).n > 0)
		return bad(e, "unexpected text behind a section header");
	ini->key = trim(p + 1, close);
	return INI_SECTION;
}

static enum ini_kind
read_include(struct ini *ini, const uint8_t *p, const uint8_t *end,
    struct err *e)
{
	static const char word[] = "%include";
	size_t n = sizeof(word) - 1;

	if ((size_t)(end - p) <= n || memcmp(p, word, n) != 0 ||
	    !is_blank(p[n])) {
		bad(e, "unknown directive");
		err_hint(e, "the only one is %%include FILE");
		return INI_BAD;
	}
	ini->value = trim(p + n, end);
	if (ini->value.n == 0)
		return bad(e, "%include without a file name");
	return INI_INCLUDE;
}

/*
 * Text in quotes at *at, the quote doubled stands for itself. Leaves *at
 * behind the closing one; false if there is none.
 */
static bool
unquote(const uint8_t **at, const uint8_t *end, struct buf *out)
{
	const uint8_t *p = *at;
	uint8_t quote = *p++;

	buf_reset(out);
	/* All at once: growing would leave pieces of a password behind. */
	buf_reserve(out, (size_t)(end - p) + 1);
	for (; p < end; p++) {
		if (*p == quote) {
			if (end - p < 2 || p[1] != quote) {
				*at = p + 1;
				return true;
			}
			p++;
		}
		buf_append(out, p, 1);
	}
	return false;
}

static enum ini_kind
read_pair(struct ini *ini, const uint8_t *p, const uint8_t *end,
    struct err *e)
{
	if (*p == '\'' || *p == '"') {
		if (!unquote(&p, end, &ini->key_buf))
			return bad(e, "quoted name without its closing quote");
		ini->key = buf_span(&ini->key_buf);
	} else {
		const uint8_t *start = p;

		while (p < end && is_bare(*p))
			p++;
		ini->key = SPAN(start, p - start);
	}
	while (p < end && is_blank(*p))
		p++;
	if (p == end || *p != '=') {
		bad(e, "syntax error, expected \"name = value\"");
		err_hint(e, "names with other characters than letters, "
		    "digits, \"_\", \".\", \"-\" and \"*\" need quotes");
		return INI_BAD;
	}
	if (ini->key.n == 0)
		return bad(e, "empty name before \"=\"");
	ini->value = trim(p + 1, end);
	return INI_KEY;
}

static enum ini_kind
read_line(struct ini *ini, const uint8_t *p, const uint8_t *end,
    struct err *e)
{
	if (memchr(p, '\0', (size_t)(end - p)) != NULL)
		return bad(e, "NUL byte in the line");
	if (*p == '[')
		return read_section(ini, p, end, e);
	if (*p == '%')
		return read_include(ini, p, end, e);
	return read_pair(ini, p, end, e);
}

enum ini_kind
ini_next(struct ini *ini, struct err *e)
{
	while (ini->p < ini->end) {
		const uint8_t *p = ini->p;
		const uint8_t *end = memchr(p, '\n', (size_t)(ini->end - p));
		struct span line;

		ini->p = end != NULL ? end + 1 : ini->end;
		ini->line++;
		line = trim(p, end != NULL ? end : ini->end);
		if (line.n == 0 || line.p[0] == ';' || line.p[0] == '#')
			continue;
		return read_line(ini, line.p, line.p + line.n, e);
	}
	return INI_END;
}

void
connstr_init(struct connstr *c, struct span text)
{
	*c = (struct connstr){ .p = text.p };
	c->end = text.n > 0 ? text.p + text.n : c->p;
}

void
connstr_fini(struct connstr *c)
{
	buf_wipe_free(&c->value_buf);
}

static enum connstr_kind
connstr_bad(struct connstr *c, struct err *e, const char *msg)
{
	c->p = c->end;
	if (c->key.n > 0 && c->key.n < 64)
		err_set(e, "F0000", "%s after \"%.*s\"", msg, (int)c->key.n,
		    (const char *)c->key.p);
	else
		err_set(e, "F0000", "%s", msg);
	return CONNSTR_BAD;
}

static const uint8_t *
skip_blanks(const uint8_t *p, const uint8_t *end)
{
	while (p < end && is_blank(*p))
		p++;
	return p;
}

static enum connstr_kind
read_quoted(struct connstr *c, const uint8_t *p, struct err *e)
{
	if (!unquote(&p, c->end, &c->value_buf))
		return connstr_bad(c, e, "no closing quote");
	if (p < c->end && !is_blank(*p))
		return connstr_bad(c, e, "text behind the closing quote");
	c->value = buf_span(&c->value_buf);
	c->p = p;
	return CONNSTR_PAIR;
}

/*
 * `host= port=5`: blanks may stand around `=`, so by the letter the host is
 * "port=5". Nobody means that; `host = a=b` is taken at its word.
 */
static bool
is_next_pair(const uint8_t *eq, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *start = p;

	while (p < end && is_bare(*p))
		p++;
	return start > eq + 1 && p > start && p < end && *p == '=';
}

enum connstr_kind
connstr_next(struct connstr *c, struct err *e)
{
	const uint8_t *p = skip_blanks(c->p, c->end), *start = p, *eq;

	if (p == c->end)
		return CONNSTR_END;
	while (p < c->end && is_bare(*p))
		p++;
	eq = skip_blanks(p, c->end);
	/* The key of the pair before says where; what stands here may be the
	 * second half of a password with a blank in it. */
	if (p == start || eq == c->end || *eq != '=')
		return connstr_bad(c, e, "expected key=value");
	c->key = SPAN(start, p - start);
	start = skip_blanks(eq + 1, c->end);
	if (start < c->end && *start == '\'')
		return read_quoted(c, start, e);
	if (start == c->end || (eq == p && is_next_pair(eq, start, c->end))) {
		connstr_bad(c, e, "no value");
		err_hint(e, "write '' for an empty value");
		return CONNSTR_BAD;
	}
	for (p = start; p < c->end && !is_blank(*p); p++)
		;
	c->value = SPAN(start, p - start);
	c->p = p;
	return CONNSTR_PAIR;
}

void
connstr_quote(struct buf *out, const char *value)
{
	bool bare = *value != '\0' && *value != '\'';

	for (const char *s = value; *s != '\0'; s++)
		bare = bare && !is_blank((uint8_t)*s);
	if (bare) {
		buf_append(out, value, strlen(value));
		return;
	}
	buf_append(out, "'", 1);
	for (const char *s = value; *s != '\0'; s++) {
		if (*s == '\'')
			buf_append(out, "'", 1);
		buf_append(out, s, 1);
	}
	buf_append(out, "'", 1);
}

bool
ini_quote_key(struct buf *out, const char *name)
{
	bool bare = *name != '\0';

	for (const char *s = name; *s != '\0'; s++) {
		if (*s == '\n')
			return false;
		bare = bare && is_bare((uint8_t)*s);
	}
	if (bare) {
		buf_append(out, name, strlen(name));
		return true;
	}
	buf_append(out, "\"", 1);
	for (const char *s = name; *s != '\0'; s++) {
		if (*s == '"')
			buf_append(out, "\"", 1);
		buf_append(out, s, 1);
	}
	buf_append(out, "\"", 1);
	return true;
}

bool
list_next(const char **at, struct span *item)
{
	while (**at != '\0') {
		const char *p = *at;
		const char *end = p + strcspn(p, ",");

		*at = *end == ',' ? end + 1 : end;
		*item = trim((const uint8_t *)p, (const uint8_t *)end);
		if (item->n > 0)
			return true;
	}
	return false;
}
