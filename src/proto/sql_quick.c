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

static inline bool
any(v16 v)
{
	uint64_t half[2];

	memcpy(half, &v, sizeof(half));
	return (half[0] | half[1]) != 0;
}

/* Not zero where there is an i with an o three bytes further on. */
static inline v16
into_maybe(const uint8_t *p)
{
	v16 here = load(p), there = load(p + 3), small = ALL(0x20);

	return (v16)((here | small) == ALL('i')) &
	    (v16)((there | small) == ALL('o'));
}

/* The same, or where a parenthesis or a semicolon is three bytes further on. */
static inline v16
suspects(const uint8_t *p)
{
	v16 there = load(p + 3);

	return (v16)(there == ALL('(')) | (v16)(there == ALL(';')) |
	    into_maybe(p);
}

/* The shortest text for is_suspect(). */
#define SUSPECT_MIN (WORD + STEP)
#define WORD 7 /* of the first word and the blank behind it */

/* From the byte behind the first word on. */
static inline bool
is_suspect(const uint8_t *p, size_t n)
{
	const uint8_t *last = p + n - STEP - 3;
	v16 found = suspects(last);

	for (p += WORD - 3; p < last; p += STEP)
		found |= suspects(p);
	return any(found);
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

/* Without case; word is in small letters and blanks. */
static bool
same_letters(const uint8_t *p, const char *word, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((p[i] | 0x20) != word[i])
			return false;
	return true;
}

/* --- with parentheses --------------------------------------------------- */

/* What may stand right before a parenthesis and calls nothing that touches the
 * session: words that name no function, and functions of pg_catalog. */
static const struct {
	const char *word;
	size_t n;
} openers[] = {
#define OPENER(word) { #word, sizeof(#word) - 1 }
	OPENER(in), OPENER(values), OPENER(and), OPENER(or), OPENER(where),
	OPENER(not), OPENER(on), OPENER(any), OPENER(all), OPENER(from),
	OPENER(select), OPENER(union), OPENER(exists), OPENER(coalesce),
	OPENER(varchar), OPENER(numeric), OPENER(count), OPENER(sum),
	OPENER(max), OPENER(min), OPENER(avg), OPENER(now), OPENER(lower),
	OPENER(upper), OPENER(length), OPENER(nullif), OPENER(greatest),
	OPENER(least), OPENER(abs), OPENER(round),
	OPENER(extract),
};

static bool
is_opener(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(openers); i++)
		if (openers[i].n == n && openers[i].word[0] == (p[0] | 0x20) &&
		    same_letters(p, openers[i].word, n))
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
		return memchr("(,=<>+-*", p[i - 1], 8) != NULL;
	end = start = i;
	while (start > 0 && is_inner(p[start - 1]))
		start--;
	for (i = start; i > 0 && is_blank(p[i - 1]);)
		i--;
	/* Not behind a point, nor a comment that may have one before it. */
	return (i == 0 || (p[i - 1] != '.' && p[i - 1] != '/')) &&
	    is_opener(p + start, end - start);
}

/* Behind "INSERT INTO name (", where columns are listed; 0: no such thing. */
static size_t
skip_columns(const uint8_t *p, size_t n)
{
	size_t i = sizeof("insert into ") - 1;

	if (n <= i || !same_letters(p, "insert into ", i))
		return 0;
	for (; i < n && (is_inner(p[i]) || p[i] == '.'); i++)
		if ((p[i] == '$' || p[i] == '.' ||
		    (uint8_t)(p[i] - '0') < 10) && !is_inner(p[i - 1]))
			return 0; /* begins no name */
	while (i < n && is_blank(p[i]))
		i++;
	return i < n && p[i] == '(' ? i + 1 : 0;
}

/* The first steps that hold no i with an o three further on are passed over. */
static bool
has_word_into(const uint8_t *p, size_t n)
{
	size_t i = 3;

	for (; i + STEP < n && !any(into_maybe(p + i - 3)); i += STEP)
		;
	for (; i < n; i++)
		if ((p[i] | 0x20) == 'o' && same_letters(p + i - 3, "into", 4))
			return true;
	return false;
}

static inline v16
breaks(const uint8_t *p)
{
	v16 here = load(p), next = load(p + 1);

	return (v16)(here == ALL(';')) |
	    ((v16)(here == ALL('-')) & (v16)(next == ALL('-')));
}

/* A semicolon, or the beginning of a comment to the line's end. The
 * last byte alone is neither: the text is trimmed. */
static bool
has_break(const uint8_t *p, size_t n)
{
	v16 found = { 0 };
	size_t i;

	if (n < STEP + 1) {
		for (i = 0; i + 1 < n; i++)
			if (p[i] == ';' || (p[i] == '-' && p[i + 1] == '-'))
				return true;
		return false;
	}
	for (i = 0; n - i > STEP; i += STEP)
		found |= breaks(p + i);
	found |= breaks(p + n - STEP - 1);
	return any(found);
}

/* What the suspects are, one by one. */
static bool
is_plain_after_all(const uint8_t *p, size_t n, bool insert)
{
	const uint8_t *end = p + n, *at;

	if (has_break(p, n))
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
	/* nothing follows these */
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
	{ "select", FIRST_PLAIN }, { "insert", FIRST_INSERT },
	{ "update", FIRST_UPDATE }, { "delete", FIRST_PLAIN },
	{ "values", FIRST_PLAIN }, { "table", FIRST_PLAIN },
	{ "show", FIRST_PLAIN }, { "fetch", FIRST_PLAIN },
	{ "move", FIRST_PLAIN }, { "truncate", FIRST_PLAIN },
};

static enum first
first_word(const uint8_t *p, size_t n)
{
	size_t i, len;

	for (i = 0; i < ARRAY_LEN(firsts); i++) {
		if ((p[0] | 0x20) != firsts[i].word[0])
			continue;
		len = strlen(firsts[i].word);
		if (n < len || !same_letters(p, firsts[i].word, len))
			continue;
		if (firsts[i].first >= FIRST_BEGIN)
			return n == len ? firsts[i].first : FIRST_OTHER;
		if (n == len || is_blank(p[len]))
			return firsts[i].first;
	}
	return FIRST_OTHER;
}

/* What is updated is a plain name, and none of pg_catalog. */
static inline bool
target_is_plain(const uint8_t *p)
{
	uint8_t c = p[0] | 0x20;

	if (c < 'a' || c > 'z')
		return false;
	return !(c == 'p' && p[2] == '_') && /* pg_... */
	    !(c == 'o' && (p[1] | 0x20) == 'n') && /* ONLY */
	    !(c == 'u' && p[1] == '&'); /* U&"..." */
}

/* Any text. */
static __attribute__((noinline)) enum sql_quick
quick_slow(const uint8_t *p, size_t n)
{
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
		if (n < WORD + 3 || !target_is_plain(p + WORD))
			return SQL_QUICK_SCAN;
		break;
	case FIRST_PLAIN:
	case FIRST_INSERT:
		break;
	}
	return is_plain_after_all(p, n, first == FIRST_INSERT) ?
	    SQL_QUICK_PLAIN : SQL_QUICK_SCAN;
}

static inline uint64_t
word8(const char *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

/* The first seven bytes, letters in lower-case. */
static inline uint64_t
first_seven(const uint8_t *p)
{
	return (word8((const char *)p) | word8("        ")) &
	    word8("\377\377\377\377\377\377\377");
}

enum sql_quick
sql_quick(struct span text)
{
	const uint8_t *p = text.p;
	size_t n = text.n;
	uint64_t word;

	if (n < SUSPECT_MIN + 1)
		return quick_slow(p, n);
	n -= p[n - 1] == ';';
	word = first_seven(p);
	if (LIKELY(word == word8("select ") || word == word8("delete ") ||
	    (word == word8("update ") && target_is_plain(p + WORD))) &&
	    LIKELY(!is_suspect(p, n)))
		return SQL_QUICK_PLAIN;
	return quick_slow(p, n);
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
