#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "proto/channels.h"

/* One block: where each name ends, then the names. */
struct channels {
	atomic_uint refs;
	uint32_t count;
	uint32_t end[];
};

static const uint8_t *
text_of(const struct channels *c)
{
	return (const uint8_t *)(c->end + c->count);
}

static struct span
name_at(const struct channels *c, size_t i)
{
	uint32_t from = i > 0 ? c->end[i - 1] : 0;

	return SPAN(text_of(c) + from, c->end[i] - from);
}

struct channels *
channels_ref(struct channels *c)
{
	if (c != NULL)
		atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void
channels_unref(struct channels *c)
{
	if (c != NULL && atomic_fetch_sub_explicit(&c->refs, 1,
	    memory_order_acq_rel) == 1)
		free(c);
}

size_t
channels_count(const struct channels *c)
{
	return c != NULL ? c->count : 0;
}

size_t
channels_bytes(const struct channels *c)
{
	return c != NULL ? c->end[c->count - 1] : 0;
}

static int
compare(struct span a, struct span b)
{
	int d = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return d != 0 ? d : (a.n > b.n) - (a.n < b.n);
}

/* Where the name is, or would be. */
static size_t
place_of(const struct channels *c, struct span name, bool *found)
{
	size_t low = 0, high = channels_count(c);

	*found = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int d = compare(name_at(c, mid), name);

		if (d == 0)
			*found = true;
		if (d < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool
channels_has(const struct channels *c, struct span name)
{
	bool found;

	place_of(c, name, &found);
	return found;
}

static struct channels *
make(size_t count, size_t bytes)
{
	struct channels *c = xmalloc(sizeof(*c) + count * sizeof(c->end[0]) +
	    bytes);

	atomic_init(&c->refs, 1);
	c->count = (uint32_t)count;
	return c;
}

/* Behind the i names that are there. */
static void
put(struct channels *c, size_t i, struct span name)
{
	uint32_t from = i > 0 ? c->end[i - 1] : 0;

	memcpy((uint8_t *)(c->end + c->count) + from, name.p, name.n);
	c->end[i] = from + (uint32_t)name.n;
}

struct channels *
channels_with(struct channels *c, struct span name)
{
	size_t i, at, n = channels_count(c);
	struct channels *fresh;
	bool found;

	at = place_of(c, name, &found);
	if (found || name.n == 0)
		return c;
	fresh = make(n + 1, channels_bytes(c) + name.n);
	for (i = 0; i < at; i++)
		put(fresh, i, name_at(c, i));
	put(fresh, at, name);
	for (; i < n; i++)
		put(fresh, i + 1, name_at(c, i));
	channels_unref(c);
	return fresh;
}

struct channels *
channels_without(struct channels *c, struct span name)
{
	size_t i, at, n = channels_count(c);
	struct channels *fresh = NULL;
	bool found;

	at = place_of(c, name, &found);
	if (!found)
		return c;
	if (n > 1) {
		fresh = make(n - 1, channels_bytes(c) - name.n);
		for (i = 0; i < at; i++)
			put(fresh, i, name_at(c, i));
		for (; i + 1 < n; i++)
			put(fresh, i, name_at(c, i + 1));
	}
	channels_unref(c);
	return fresh;
}

bool
channels_same(const struct channels *a, const struct channels *b)
{
	size_t i;

	if (a == b)
		return true;
	if (channels_count(a) != channels_count(b) ||
	    channels_bytes(a) != channels_bytes(b))
		return false;
	for (i = 0; i < a->count; i++)
		if (compare(name_at(a, i), name_at(b, i)) != 0)
			return false;
	return true;
}

void
channels_each_not_in(const struct channels *a, const struct channels *b,
    void (*fn)(void *arg, struct span name), void *arg)
{
	size_t i;

	for (i = 0; i < channels_count(a); i++)
		if (!channels_has(b, name_at(a, i)))
			fn(arg, name_at(a, i));
}

static void
note_any(void *arg, struct span name)
{
	(void)name;
	*(bool *)arg = true;
}

bool
channels_any_not_in(const struct channels *a, const struct channels *b)
{
	bool any = false;

	channels_each_not_in(a, b, note_any, &any);
	return any;
}

void
channels_put_name(struct buf *sql, struct span name)
{
	const uint8_t *from = name.p, *end = name.p + name.n, *quote;

	buf_append(sql, "\"", 1);
	while ((quote = memchr(from, '"', (size_t)(end - from))) != NULL) {
		buf_append(sql, from, (size_t)(quote + 1 - from));
		buf_append(sql, "\"", 1);
		from = quote + 1;
	}
	buf_append(sql, from, (size_t)(end - from));
	buf_append(sql, "\"", 1);
}
