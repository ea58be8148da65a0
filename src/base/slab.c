#include "base/slab.h"

#include <stdlib.h>

/* The first chunk is small, for the many programs that need little. */
#define CHUNK_MIN 2048
#define CHUNK_MAX (256 * 1024)
#define STEP 8
/* Larger things are malloc()'s. */
#define LARGEST 512

struct chunk {
	struct chunk *next;
	size_t pad; /* so that what follows is aligned */
};

struct unused {
	struct unused *next;
};

struct slab {
	struct chunk *chunks;
	uint8_t *at; /* what is left of the newest chunk */
	size_t left;
	size_t next_size;
	struct unused *unused[LARGEST / STEP + 1];
};

struct slab *
slab_new(void)
{
	struct slab *s = xcalloc(1, sizeof(*s));

	s->next_size = CHUNK_MIN;
	return s;
}

void
slab_free(struct slab *s)
{
	struct chunk *c, *next;

	if (s == NULL)
		return;
	for (c = s->chunks; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	free(s);
}

static void
grow(struct slab *s)
{
	struct chunk *c = xmalloc(s->next_size);

	c->next = s->chunks;
	s->chunks = c;
	s->at = (uint8_t *)(c + 1);
	s->left = s->next_size - sizeof(*c);
	if (s->next_size < CHUNK_MAX)
		s->next_size *= 2;
}

void *
slab_take(struct slab *s, size_t n)
{
	size_t step = (n + STEP - 1) / STEP;
	struct unused *u;
	void *p;

	if (n > LARGEST)
		return xmalloc(n);
	u = s->unused[step];
	if (u != NULL) {
		s->unused[step] = u->next;
		return u;
	}
	if (s->left < step * STEP)
		grow(s);
	p = s->at;
	s->at += step * STEP;
	s->left -= step * STEP;
	return p;
}

void
slab_give(struct slab *s, void *p, size_t n)
{
	size_t step = (n + STEP - 1) / STEP;
	struct unused *u = p;

	if (p == NULL)
		return;
	if (n > LARGEST) {
		free(p);
		return;
	}
	u->next = s->unused[step];
	s->unused[step] = u;
}
