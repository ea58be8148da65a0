/*
 * What can be seen of a text without reading it in earnest.
 *
 * The filter looks at bytes alone and knows nothing of quotes. What it looks
 * for can be in a quoted string, where it means nothing: then the scanner runs
 * in vain. But whatever touches the session shows its bytes:
 *
 * - another statement needs a semicolon before it,
 * - a function needs a parenthesis right behind its name,
 * - SELECT INTO needs the letters of INTO,
 * - UPDATE pg_settings (a rule of that view calls set_config()) begins so.
 *
 * None of these bytes can be the second half of a character of any encoding,
 * but for letters, and there it sees more than there is.
 */
#include <string.h>
#include <strings.h>

#include "proto/sql_lex.h"

/* Bytes at a time; whatever the machine has, the compiler uses it. */
#define STEP 16
typedef uint8_t v16 __attribute__((vector_size(STEP)));

static inline v16
load(const uint8_t *p)
{
	v16 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

#define ALL(c) ((v16){ c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c })

/* Bytes of 16 in whose place is a parenthesis, a semicolon, or an i with an o
 * three further on. */
static inline v16
suspects(const uint8_t *p)
{
	v16 here = load(p), there = load(p + 3), small = ALL(0x20);

	return (v16)(there == ALL('(')) | (v16)(there == ALL(';')) |
	    ((v16)((here | small) == ALL('i')) &
	    (v16)((there | small) == ALL('o')));
}

/* The same of a text too short for that, from its fourth byte on. */
static bool
is_suspect_short(const uint8_t *p, size_t n)
{
	for (size_t i = 3; i < n; i++)
		if (p[i] == '(' || p[i] == ';' ||
		    ((p[i] | 0x20) == 'o' && (p[i - 3] | 0x20) == 'i'))
			return true;
	return false;
}

static bool
is_suspect(const uint8_t *p, size_t n)
{
	v16 found = { 0 };
	uint64_t half[2];
	size_t i;

	if (n < STEP + 3)
		return is_suspect_short(p, n);
	for (i = 0; i + STEP + 3 < n; i += STEP)
		found |= suspects(p + i);
	found |= suspects(p + n - STEP - 3);
	memcpy(half, &found, sizeof(half));
	return (half[0] | half[1]) != 0;
}

static inline bool
is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool
is_inner(uint8_t c)
{
	return (uint8_t)((c | 0x20) - 'a') < 26 ||
	    (uint8_t)(c - '0') < 10 || c == '_' || c == '$' || c >= 0x80;
}

/* --- with parentheses --------------------------------------------------- */

/* What may stand right before a parenthesis and calls nothing that touches the
 * session: words that name no function, and functions of pg_catalog. */
static const char *const openers[] = { "in", "values", "and", "or", "where",
	"not", "on", "any", "all", "from", "select", "union", "exists",
	"coalesce", "varchar", "numeric", "count", "sum", "max", "min", "avg",
	"now", "lower", "upper", "length", "nullif", "greatest", "least",
	"abs", "round", "to_char", "extract" };

static bool
is_opener(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(openers); i++)
		if (openers[i][0] == (p[0] | 0x20) &&
		    strncasecmp((const char *)p, openers[i], n) == 0 &&
		    openers[i][n] == '\0')
			return true;
	return false;
}

/* A parenthesis stands at i. */
static bool
is_no_call(const uint8_t *p, size_t i)
{
	size_t end, start;

	while (i > 0 && is_blank(p[i - 1]))
		i--;
	if (i == 0)
		return false;
	if (!is_inner(p[i - 1]))
		return strchr("(,=<>+-*", p[i - 1]) != NULL;
	end = start = i;
	while (start > 0 && is_inner(p[start - 1]))
		start--;
	for (i = start; i > 0 && is_blank(p[i - 1]);)
		i--;
	/* Not behind a point, nor a comment that may have one before it. */
	return i > 0 && p[i - 1] != '.' && p[i - 1] != '/' &&
	    is_opener(p + start, end - start);
}

/* Behind "INSERT INTO name (", where columns are listed; 0: no such thing. */
static size_t
skip_columns(const uint8_t *p, size_t n)
{
	size_t i = sizeof("insert into ") - 1;

	if (n <= i || strncasecmp((const char *)p, "insert into ", i) != 0)
		return 0;
	while (i < n && (is_inner(p[i]) || p[i] == '.'))
		i++;
	while (i < n && is_blank(p[i]))
		i++;
	return i < n && p[i] == '(' ? i + 1 : 0;
}

static bool
has_word_into(const uint8_t *p, size_t n)
{
	for (size_t i = 3; i < n; i++)
		if ((p[i] | 0x20) == 'o' &&
		    strncasecmp((const char *)p + i - 3, "into", 4) == 0)
			return true;
	return false;
}

/* What the suspects are, one by one. */
static bool
is_plain_after_all(const uint8_t *p, size_t n, bool insert)
{
	const uint8_t *end = p + n, *at;

	if (memchr(p, ';', n) || memmem(p, n, "--", 2))
		return false;
	if (!insert && has_word_into(p, n))
		return false;
	at = p + (insert ? skip_columns(p, n) : 0);
	while ((at = memchr(at, '(', (size_t)(end - at))) != NULL) {
		if (!is_no_call(p, (size_t)(at - p)))
			return false;
		at++;
	}
	return true;
}

/* --- the first word ----------------------------------------------------- */

enum first {
	FIRST_OTHER,
	FIRST_PLAIN,
	FIRST_INSERT,
	FIRST_UPDATE,
	/* no others follow */
	FIRST_BEGIN,
	FIRST_COMMIT,
	FIRST_ROLLBACK,
};

static const struct {
	const char *word;
	enum first first;
} firsts[] = {
	{ "begin", FIRST_BEGIN }, { "end", FIRST_COMMIT },
	{ "commit", FIRST_COMMIT }, { "rollback", FIRST_ROLLBACK },
	{ "abort", FIRST_ROLLBACK }, { "start transaction", FIRST_BEGIN },
	{ "values", FIRST_PLAIN }, { "table", FIRST_PLAIN },
	{ "show", FIRST_PLAIN }, { "fetch", FIRST_PLAIN },
	{ "move", FIRST_PLAIN }, { "truncate", FIRST_PLAIN },
};

static enum first
first_rare(const uint8_t *p, size_t n)
{
	size_t i, len;

	for (i = 0; i < ARRAY_LEN(firsts); i++) {
		len = strlen(firsts[i].word);
		if (n < len || (p[0] | 0x20) != firsts[i].word[0] ||
		    strncasecmp((const char *)p, firsts[i].word, len) != 0)
			continue;
		if (firsts[i].first >= FIRST_BEGIN)
			return n == len ? firsts[i].first : FIRST_OTHER;
		if (n == len || is_blank(p[len]))
			return firsts[i].first;
	}
	return FIRST_OTHER;
}

static inline uint64_t
word6(const void *p)
{
	uint64_t w = 0;

	memcpy(&w, p, 6);
	return w;
}

static inline enum first
first_word(const uint8_t *p, size_t n)
{
	uint64_t w;

	if (n < 8 || !is_blank(p[6]))
		return first_rare(p, n);
	w = word6(p) | word6("      ");
	if (w == word6("select") || w == word6("delete"))
		return FIRST_PLAIN;
	if (w == word6("update"))
		return FIRST_UPDATE;
	if (w == word6("insert"))
		return FIRST_INSERT;
	return first_rare(p, n);
}

/* What is updated is a plain name, and none of pg_catalog. */
static bool
target_is_plain(const uint8_t *p, size_t n)
{
	size_t i = 7;
	uint8_t c;

	while (i < n && is_blank(p[i]))
		i++;
	if (n - i < 3)
		return false;
	c = p[i] | 0x20;
	if (c < 'a' || c > 'z')
		return false;
	return !(c == 'p' && p[i + 2] == '_') && /* pg_... */
	    !(c == 'o' && (p[i + 1] | 0x20) == 'n') && /* ONLY */
	    !(c == 'u' && p[i + 1] == '&'); /* U&"..." */
}

enum sql_quick
sql_quick(struct span text)
{
	const uint8_t *p = text.p;
	size_t n = text.n;
	enum first first;

	while (n > 0 && is_blank(p[0])) {
		p++;
		n--;
	}
	while (n > 0 && (is_blank(p[n - 1]) || p[n - 1] == ';'))
		n--;
	if (n == 0)
		return SQL_QUICK_PLAIN;
	first = first_word(p, n);
	switch (first) {
	case FIRST_OTHER:
		return SQL_QUICK_SCAN;
	case FIRST_BEGIN:
		return SQL_QUICK_BEGIN;
	case FIRST_COMMIT:
		return SQL_QUICK_COMMIT;
	case FIRST_ROLLBACK:
		return SQL_QUICK_ROLLBACK;
	case FIRST_UPDATE:
		if (!target_is_plain(p, n))
			return SQL_QUICK_SCAN;
		break;
	case FIRST_PLAIN:
	case FIRST_INSERT:
		break;
	}
	if (LIKELY(!is_suspect(p, n)) ||
	    is_plain_after_all(p, n, first == FIRST_INSERT))
		return SQL_QUICK_PLAIN;
	return SQL_QUICK_SCAN;
}

bool
sql_is_commit(struct span text)
{
	struct sql_lexer l;
	struct sql_token t;

	if (text.n >= INT32_MAX)
		text.n = INT32_MAX - 1;
	sql_lexer_init(&l, text, SQL_STD_STRINGS);
	do {
		t = sql_lex(&l);
	} while (t.type == TOK_CHAR && t.first == ';');
	if (sql_tok_is(l.p, t, "commit") || sql_tok_is(l.p, t, "end"))
		return true;
	return sql_tok_is(l.p, t, "prepare") &&
	    sql_tok_is(l.p, sql_lex(&l), "transaction");
}
