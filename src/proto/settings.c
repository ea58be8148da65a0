#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "proto/settings.h"

/* One block: the offsets of name and statement of each, then the text. */
struct item {
	uint32_t name; /* offsets in text; the name ends in a NUL */
	uint32_t sql;
	uint32_t n; /* bytes of sql */
};

struct settings {
	atomic_uint refs;
	uint32_t count;
	uint32_t size; /* bytes of items and text together */
	uint64_t hash;
	struct item items[];
};

static const char *
text_of(const struct settings *s)
{
	return (const char *)(s->items + s->count);
}

const char *
settings_name(const struct settings *s, size_t i)
{
	return text_of(s) + s->items[i].name;
}

static struct span
sql_of(const struct settings *s, size_t i)
{
	return SPAN(text_of(s) + s->items[i].sql, s->items[i].n);
}

struct settings *
settings_ref(struct settings *s)
{
	if (s != NULL)
		atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
settings_unref(struct settings *s)
{
	if (s != NULL && atomic_fetch_sub_explicit(&s->refs, 1,
	    memory_order_acq_rel) == 1)
		free(s);
}

size_t
settings_count(const struct settings *s)
{
	return s != NULL ? s->count : 0;
}

/* Index of a name, or the count. */
static size_t
index_of(const struct settings *s, const char *name)
{
	size_t i, n = settings_count(s);

	for (i = 0; i < n; i++)
		if (strcmp(settings_name(s, i), name) == 0)
			return i;
	return n;
}

struct span
settings_find(const struct settings *s, const char *name)
{
	size_t i = index_of(s, name);

	return i < settings_count(s) ? sql_of(s, i) : SPAN(NULL, 0);
}

/* FNV-1a, 64 bits. */
static uint64_t
hash_bytes(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t h = 0xcbf29ce484222325u;
	size_t i;

	for (i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3u;
	return h;
}

struct builder {
	struct settings *s;
	uint32_t at; /* in the text */
};

static void
put(struct builder *b, size_t i, const char *name, struct span sql)
{
	char *text = (char *)(b->s->items + b->s->count);
	size_t n = strlen(name) + 1;

	b->s->items[i] = (struct item){ b->at, b->at + (uint32_t)n,
		(uint32_t)sql.n };
	memcpy(text + b->at, name, n);
	memcpy(text + b->at + n, sql.p, sql.n);
	b->at += (uint32_t)(n + sql.n);
}

/* A copy without the item at `skip` (the count: all of them) and with one more
 * behind it (name NULL: none). */
static struct settings *
rebuild(const struct settings *s, size_t skip, const char *name,
    struct span sql)
{
	size_t i, n = settings_count(s), count = n - (skip < n) + !!name;
	size_t size = count * sizeof(struct item);
	struct builder b = { 0 };

	if (count == 0)
		return NULL;
	for (i = 0; i < n; i++)
		if (i != skip)
			size += strlen(settings_name(s, i)) + 1 + s->items[i].n;
	if (name != NULL)
		size += strlen(name) + 1 + sql.n;
	b.s = xmalloc(sizeof(*s) + size);
	atomic_init(&b.s->refs, 1);
	b.s->count = (uint32_t)count;
	b.s->size = (uint32_t)size;
	for (i = 0; i < n; i++)
		if (i != skip)
			put(&b, i - (i > skip), settings_name(s, i), sql_of(s, i));
	if (name != NULL)
		put(&b, count - 1, name, sql);
	b.s->hash = hash_bytes(b.s->items, size);
	return b.s;
}

size_t
settings_size_with(const struct settings *s, const char *name,
    struct span sql)
{
	struct span old = settings_find(s, name);

	return (s != NULL ? s->size : 0) + sizeof(struct item) +
	    strlen(name) + 1 + sql.n - old.n;
}

struct settings *
settings_with(struct settings *s, const char *name, struct span sql)
{
	size_t i = index_of(s, name);
	struct settings *fresh;

	/* The last one already, and the same: SET in a loop costs nothing. */
	if (i + 1 == settings_count(s) && span_eq(sql_of(s, i), sql))
		return s;
	fresh = rebuild(s, i, name, sql);
	settings_unref(s);
	return fresh;
}

struct settings *
settings_without(struct settings *s, const char *name)
{
	size_t i = index_of(s, name);
	struct settings *fresh;

	if (i == settings_count(s))
		return s;
	fresh = rebuild(s, i, NULL, SPAN(NULL, 0));
	settings_unref(s);
	return fresh;
}

bool
settings_same(const struct settings *a, const struct settings *b)
{
	if (a == NULL || b == NULL || a == b)
		return a == b;
	return a->hash == b->hash && a->count == b->count &&
	    a->size == b->size && memcmp(a->items, b->items, a->size) == 0;
}

struct settings *
settings_share(struct settings *a, struct settings *b)
{
	if (a == b || !settings_same(a, b))
		return b;
	settings_unref(b);
	return settings_ref(a);
}

uint64_t
settings_hash(const struct settings *s)
{
	return s != NULL ? s->hash : 0;
}

/* In writing. */

void
settings_put(const struct settings *s, struct writer *w)
{
	size_t i, n = settings_count(s);

	writer_u32(w, (uint32_t)n);
	for (i = 0; i < n; i++) {
		struct span sql = sql_of(s, i);

		writer_cstr(w, settings_name(s, i));
		writer_u32(w, (uint32_t)sql.n);
		writer_bytes(w, sql.p, sql.n);
	}
}

void
settings_take(struct reader *r, struct settings **s)
{
	uint32_t n = reader_u32(r);

	for (*s = NULL; n > 0 && !r->bad; n--) {
		const char *name = reader_cstr(r);
		struct span sql = reader_bytes(r, reader_u32(r));

		if (r->bad)
			break;
		if (settings_size_with(*s, name, sql) > SETTINGS_MAX)
			r->bad = true;
		else
			*s = settings_with(*s, name, sql);
	}
}

/* The SQL. */

static bool
is_identity(const char *name)
{
	return strcmp(name, "role") == 0 ||
	    strcmp(name, "session_authorization") == 0;
}

static bool
same_item(const struct settings *a, const struct settings *b,
    const char *name)
{
	struct span x = settings_find(a, name), y = settings_find(b, name);

	if (x.p == NULL || y.p == NULL)
		return x.p == y.p;
	return span_eq(x, y);
}

static bool
same_identity(const struct settings *a, const struct settings *b)
{
	return same_item(a, b, "role") &&
	    same_item(a, b, "session_authorization");
}

/* Each part between dots in quotes: it may be a reserved word. */
void
settings_put_name(struct buf *sql, const char *name)
{
	buf_append(sql, "\"", 1);
	for (; *name != '\0'; name++) {
		if (*name == '.')
			buf_append(sql, "\".\"", 3);
		else if (*name == '"')
			buf_append(sql, "\"\"", 2);
		else
			buf_append(sql, name, 1);
	}
	buf_append(sql, "\"", 1);
}

static int
put_resets(const struct settings *want, const struct settings *have,
    struct buf *sql)
{
	size_t i;
	int n = 0;

	for (i = 0; i < settings_count(have); i++) {
		const char *name = settings_name(have, i);

		if (is_identity(name) || settings_find(want, name).p != NULL)
			continue;
		buf_append(sql, "RESET ", 6);
		settings_put_name(sql, name);
		buf_append(sql, ";", 1);
		n++;
	}
	return n;
}

int
settings_diff_sql(const struct settings *want, const struct settings *have,
    struct buf *sql)
{
	bool identity = !same_identity(want, have);
	size_t i;
	int n = 0;

	if (want == have)
		return 0;
	if (identity && settings_find(have, "session_authorization").p) {
		buf_printf(sql, "RESET SESSION AUTHORIZATION;");
		n++;
	}
	if (identity && (settings_find(have, "role").p ||
	    settings_find(have, "session_authorization").p)) {
		buf_printf(sql, "RESET ROLE;");
		n++;
	}
	n += put_resets(want, have, sql);
	for (i = 0; i < settings_count(want); i++) {
		const char *name = settings_name(want, i);
		struct span text = sql_of(want, i);

		if (is_identity(name) ? !identity :
					same_item(want, have, name))
			continue;
		buf_append(sql, text.p, text.n);
		buf_append(sql, ";", 1);
		n++;
	}
	return n;
}
