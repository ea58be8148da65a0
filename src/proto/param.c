#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/param.h"

struct param_names {
	atomic_uint refs;
	size_t count;
	char *names[PARAM_MAX];
};

static const char *const fixed_names[] = {
	"DateStyle", "client_encoding", "TimeZone",
	"standard_conforming_strings", "application_name",
};

static bool
names_add(struct param_names *n, const char *name, struct err *e)
{
	if (param_index(n, name) >= 0)
		return true;
	if (n->count == PARAM_MAX)
		return err_set(e, "54000",
		    "more than %d tracked parameters", PARAM_MAX);
	n->names[n->count++] = xstrdup(name);
	return true;
}

/* The name goes into a SET as it is. */
static bool
name_is_plain(const char *name)
{
	const char *p;

	for (p = name; *p != '\0'; p++) {
		bool letter = (*p >= 'a' && *p <= 'z') ||
		    (*p >= 'A' && *p <= 'Z') || *p == '_';
		bool inner = p > name && ((*p >= '0' && *p <= '9') ||
		    *p == '$' || (*p == '.' && p[1] != '\0'));

		if (!letter && !inner)
			return false;
	}
	return p > name;
}

static bool
names_add_extra(struct param_names *n, struct span word, struct err *e)
{
	char *name = xstrndup((const char *)word.p, word.n);
	bool ok;

	if (strcasecmp(name, "options") == 0)
		ok = err_set(e, "22023",
		    "parameter \"options\" cannot be tracked");
	else if (!name_is_plain(name))
		ok = err_set(e, "22023",
		    "\"%s\" is not a parameter name", name);
	else
		ok = names_add(n, name, e);
	free(name);
	return ok;
}

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool
names_add_list(struct param_names *n, const char *list, struct err *e)
{
	const char *p = list;

	for (;;) {
		size_t len;

		while (*p == ',' || is_blank(*p))
			p++;
		if (*p == '\0')
			return true;
		len = strcspn(p, ",");
		while (is_blank(p[len - 1]))
			len--;
		if (!names_add_extra(n, SPAN(p, len), e))
			return false;
		p += len;
	}
}

struct param_names *
param_names_new(const char *extra, struct err *e)
{
	struct param_names *n = xcalloc(1, sizeof(*n));
	size_t i;

	atomic_init(&n->refs, 1);
	for (i = 0; i < ARRAY_LEN(fixed_names); i++)
		names_add(n, fixed_names[i], e);
	if (extra != NULL && !names_add_list(n, extra, e)) {
		param_names_unref(n);
		return NULL;
	}
	return n;
}

struct param_names *
param_names_ref(struct param_names *n)
{
	atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
	return n;
}

void
param_names_unref(struct param_names *n)
{
	size_t i;

	if (n == NULL || atomic_fetch_sub_explicit(&n->refs, 1,
	    memory_order_acq_rel) != 1)
		return;
	for (i = 0; i < n->count; i++)
		free(n->names[i]);
	free(n);
}

size_t
param_names_count(const struct param_names *n)
{
	return n->count;
}

const char *
param_name(const struct param_names *n, size_t index)
{
	assert(index < n->count);
	return n->names[index];
}

int
param_index(const struct param_names *n, const char *name)
{
	size_t i;

	for (i = 0; i < n->count; i++)
		if (strcasecmp(n->names[i], name) == 0)
			return (int)i;
	return -1;
}

/*
 * Sets. One block: where each value stands in text, counted from 1 so that 0
 * is "never told", and then the values, each with its NUL. Two sets with the
 * same values are the same to the byte, because values stand in the order of
 * their index.
 */
struct param_set {
	atomic_uint refs;
	uint32_t count;
	uint32_t size; /* bytes of at[] and text together */
	uint32_t at[];
};

static char *
set_text(const struct param_set *s)
{
	return (char *)(s->at + s->count);
}

/* From a value per index, NULL among them. */
static struct param_set *
set_make(size_t count, const char *const *values)
{
	size_t len[PARAM_MAX], i, at = 0, size = count * sizeof(uint32_t);
	struct param_set *s;

	assert(count <= PARAM_MAX);
	for (i = 0; i < count; i++) {
		if (values[i] == NULL)
			continue;
		len[i] = strnlen(values[i], PARAM_VALUE_MAX + 1);
		size += len[i] + 1;
	}
	s = xmalloc(sizeof(*s) + size);
	atomic_init(&s->refs, 1);
	s->count = (uint32_t)count;
	s->size = (uint32_t)size;
	for (i = 0; i < count; i++) {
		s->at[i] = 0;
		if (values[i] == NULL)
			continue;
		s->at[i] = (uint32_t)at + 1;
		memcpy(set_text(s) + at, values[i], len[i]);
		at += len[i];
		set_text(s)[at++] = '\0';
	}
	return s;
}

struct param_set *
param_set_new(size_t count)
{
	const char *none[PARAM_MAX] = { NULL };

	return set_make(count, none);
}

struct param_set *
param_set_ref(struct param_set *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
param_set_unref(struct param_set *s)
{
	if (s != NULL && atomic_fetch_sub_explicit(&s->refs, 1,
	    memory_order_acq_rel) == 1)
		free(s);
}

const char *
param_get(const struct param_set *s, size_t index)
{
	assert(index < s->count);
	return s->at[index] != 0 ? set_text(s) + s->at[index] - 1 : NULL;
}

static bool
same_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

static void
set_values(const struct param_set *s, const char **values)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		values[i] = param_get(s, i);
}

struct param_set *
param_set_with(struct param_set *s, size_t index, const char *value)
{
	const char *values[PARAM_MAX];
	struct param_set *fresh;

	if (same_text(param_get(s, index), value))
		return s;
	set_values(s, values);
	values[index] = value;
	fresh = set_make(s->count, values);
	param_set_unref(s);
	return fresh;
}

struct param_set *
param_set_fill(struct param_set *s, const struct param_set *from)
{
	const char *values[PARAM_MAX];
	struct param_set *fresh;
	bool changed = false;
	size_t i;

	assert(s->count == from->count);
	set_values(s, values);
	for (i = 0; i < s->count; i++) {
		if (values[i] != NULL || param_get(from, i) == NULL)
			continue;
		values[i] = param_get(from, i);
		changed = true;
	}
	if (!changed)
		return s;
	fresh = set_make(s->count, values);
	param_set_unref(s);
	return fresh;
}

bool
param_set_same(const struct param_set *a, const struct param_set *b)
{
	if (a == b)
		return true;
	return a->count == b->count && a->size == b->size &&
	    memcmp(a->at, b->at, a->size) == 0;
}

/* FNV-1a, 64 bits; each value counts with its NUL, a missing one with a byte
 * that no value begins with. */
uint64_t
param_set_hash(const struct param_set *s, size_t but)
{
	uint64_t h = 0xcbf29ce484222325u;
	size_t i;

	for (i = 0; i < s->count; i++) {
		const char *v = i != but ? param_get(s, i) : NULL;
		const uint8_t *p = (const uint8_t *)(v ? v : "\xff");

		do
			h = (h ^ *p) * 0x100000001b3u;
		while (*p++ != '\0');
	}
	return h;
}

struct param_set *
param_set_share(struct param_set *a, struct param_set *b)
{
	if (a == b || !param_set_same(a, b))
		return b;
	param_set_unref(b);
	return param_set_ref(a);
}

/* The SQL. */

/* Settings that PostgreSQL keeps as a list of quoted identifiers
 * (GUC_LIST_QUOTE): as one literal they would be one long name. */
static bool
is_quoted_list(const char *name)
{
	static const char *const lists[] = { "search_path",
		"temp_tablespaces", "local_preload_libraries",
		"session_preload_libraries" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(lists); i++)
		if (strcasecmp(name, lists[i]) == 0)
			return true;
	return false;
}

/* Encodings in which the second byte of a character can look like a
 * backslash. */
static bool
encoding_is_unsafe(const char *encoding)
{
	static const char *const unsafe[] = { "SJIS", "SHIFT_JIS_2004",
		"SHIFTJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB" };
	size_t i;

	for (i = 0; encoding != NULL && i < ARRAY_LEN(unsafe); i++)
		if (strcasecmp(encoding, unsafe[i]) == 0)
			return true;
	return false;
}

void
sql_put_literal(struct buf *sql, struct span text)
{
	size_t i;

	if (text.n > 0 && memchr(text.p, '\\', text.n) != NULL)
		buf_append(sql, "E", 1);
	buf_append(sql, "'", 1);
	for (i = 0; i < text.n; i++) {
		if (text.p[i] == '\'' || text.p[i] == '\\')
			buf_append(sql, text.p + i, 1);
		buf_append(sql, text.p + i, 1);
	}
	buf_append(sql, "'", 1);
}

/* Reads one element at p into word, as PostgreSQL's SplitIdentifierString:
 * quoted as it stands, else in lower case. NULL when it is not one. */
static const char *
list_element(const char *p, struct buf *word)
{
	buf_reset(word);
	if (*p != '"') {
		for (; *p != '\0' && *p != ',' && !is_blank(*p); p++) {
			char c = *p >= 'A' && *p <= 'Z' ?
			    (char)(*p - 'A' + 'a') : *p;

			if (c == '"')
				return NULL;
			buf_append(word, &c, 1);
		}
		return buf_len(word) > 0 ? p : NULL;
	}
	for (p++; *p != '\0'; p++) {
		if (*p == '"' && *++p != '"')
			return p;
		buf_append(word, p, 1);
	}
	return NULL;
}

static bool
put_list(struct buf *sql, const char *p)
{
	struct buf word = { 0 };
	bool ok = false;

	while (is_blank(*p))
		p++;
	if (*p == '\0') {
		sql_put_literal(sql, SPAN_LIT(""));
		return true;
	}
	for (;;) {
		p = list_element(p, &word);
		if (p == NULL)
			break;
		sql_put_literal(sql, buf_span(&word));
		while (is_blank(*p))
			p++;
		ok = *p == '\0';
		if (*p != ',')
			break;
		buf_append(sql, ",", 1);
		for (p++; is_blank(*p);)
			p++;
	}
	buf_free(&word);
	return ok;
}

bool
sql_is_ambiguous(const char *text, const char *encoding)
{
	const unsigned char *p;

	if (strchr(text, '\\') == NULL || !encoding_is_unsafe(encoding))
		return false;
	for (p = (const unsigned char *)text; *p != '\0'; p++)
		if (*p >= 0x80)
			return true;
	return false;
}

static bool
put_set(struct buf *sql, const char *name, const char *value,
    const char *encoding, struct err *e)
{
	if (strnlen(value, PARAM_VALUE_MAX + 1) > PARAM_VALUE_MAX)
		return err_set(e, "22023",
		    "value of parameter \"%s\" is longer than %d bytes", name,
		    PARAM_VALUE_MAX);
	if (sql_is_ambiguous(value, encoding))
		return err_set(e, "22023", "value of parameter \"%s\" cannot "
		    "be quoted safely in encoding \"%s\"", name, encoding);
	buf_printf(sql, "SET %s=", name);
	if (!is_quoted_list(name))
		sql_put_literal(sql, span_of(value));
	else if (!put_list(sql, value))
		return err_set(e, "22023",
		    "value of parameter \"%s\" is not a list of names", name);
	buf_append(sql, ";", 1);
	return true;
}

/* The values of the first four are words; all others may tell "Tenant" from
 * "tenant". */
static bool
same_value(size_t index, const char *a, const char *b)
{
	return index < PARAM_APPLICATION_NAME ? strcasecmp(a, b) == 0 : strcmp(a, b) == 0;
}

int
param_diff_sql(const struct param_names *names, const struct param_set *want,
    const struct param_set *have, struct buf *sql, struct err *e)
{
	size_t before = buf_len(sql), i;
	const char *encoding;
	int n = 0;

	if (want == have)
		return 0;
	/* The text is read in the encoding that the server has now. */
	encoding = param_get(have, PARAM_CLIENT_ENCODING);
	for (i = 0; i < names->count; i++) {
		const char *w = param_get(want, i);
		const char *h = param_get(have, i);

		if (w == NULL || h == NULL || same_value(i, w, h))
			continue;
		if (!put_set(sql, names->names[i], w, encoding, e)) {
			sql->end = sql->start + before;
			return -1;
		}
		n++;
	}
	return n;
}
