#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define CHUNK_MIN 4096
#define CHUNK_MAX 65536

/* Fresh chunks are of calloc(), so what is handed out is zero already. */
struct chunk {
	struct chunk *next;
	size_t used; /* by things, from the front */
	size_t cap; /* up to the texts, which lie at the end: no gaps */
	size_t whole;
	max_align_t data[];
};

struct arena {
	struct chunk *chunks; /* the one being filled stands first */
	size_t next_cap;
};

struct arena *
arena_new(void)
{
	struct arena *a = xcalloc(1, sizeof(*a));

	a->next_cap = CHUNK_MIN;
	return a;
}

static void
free_chunks(struct arena *a, bool overwrite)
{
	struct chunk *c, *next;

	if (a == NULL)
		return;
	for (c = a->chunks; c != NULL; c = next) {
		next = c->next;
		if (overwrite)
			wipe(c->data, c->whole);
		free(c);
	}
	free(a);
}

void
arena_free(struct arena *a)
{
	free_chunks(a, false);
}

void
arena_wipe_free(struct arena *a)
{
	free_chunks(a, true);
}

static struct chunk *
chunk_new(size_t cap)
{
	struct chunk *c;

	if (cap > SIZE_MAX / 2) /* xcalloc() says so and aborts */
		return xcalloc(cap, 2);
	c = xcalloc(1, sizeof(*c) + cap);
	c->cap = c->whole = cap;
	return c;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	size_t align = _Alignof(max_align_t);
	struct chunk *c = a->chunks;
	uint8_t *p;

	if (n == 0)
		n = 1;
	if (n <= SIZE_MAX / 2)
		n = (n + align - 1) / align * align;
	if (c == NULL || n > c->cap - c->used) {
		if (n > a->next_cap / 4) {
			/* A large one gets a chunk of its own behind the
			 * first, which goes on being filled. */
			c = chunk_new(n);
			c->used = n;
			if (a->chunks != NULL) {
				c->next = a->chunks->next;
				a->chunks->next = c;
			} else
				a->chunks = c;
			return c->data;
		}
		c = chunk_new(a->next_cap);
		c->next = a->chunks;
		a->chunks = c;
		if (a->next_cap < CHUNK_MAX)
			a->next_cap *= 2;
	}
	p = (uint8_t *)c->data + c->used;
	c->used += n;
	return p;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

/* Room for a text of n bytes, aligned to nothing. */
static char *
text_alloc(struct arena *a, size_t n)
{
	struct chunk *c = a->chunks;

	if (c == NULL || n > c->cap - c->used)
		return arena_alloc(a, n);
	c->cap -= n;
	return (char *)c->data + c->cap;
}

char *
arena_strndup(struct arena *a, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = text_alloc(a, len + 1);

	memcpy(copy, s, len);
	return copy;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return arena_alloc(a, 1);
	s = text_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}
