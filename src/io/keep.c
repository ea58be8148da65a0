/* Kept bytes in size classes. */
#include "io/keep.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const uint32_t class_size[] = { 256, 1024, 4096, 16384, 65536, 262144 };
#define CLASSES ARRAY_LEN(class_size)
/* Free blocks of one class that are worth holding on to, in bytes. */
#define CLASS_SPARE (512 * 1024)
#define KEEP_MAX (1u << 30)

struct block {
	struct block *next;
};

struct keep_pool {
	struct block *spare[CLASSES];
	uint32_t n[CLASSES];
};

struct keep_pool *
keep_pool_new(void)
{
	return xcalloc(1, sizeof(struct keep_pool));
}

void
keep_pool_free(struct keep_pool *p)
{
	size_t i;

	for (i = 0; i < CLASSES; i++)
		while (p->spare[i]) {
			struct block *b = p->spare[i];

			p->spare[i] = b->next;
			free(b);
		}
	free(p);
}

size_t
keep_pool_bytes(const struct keep_pool *p)
{
	size_t i, sum = 0;

	for (i = 0; i < CLASSES; i++)
		sum += (size_t)p->n[i] * class_size[i];
	return sum;
}

/* The class that holds n bytes, or CLASSES for none. */
static size_t
class_of(size_t n)
{
	size_t i = 0;

	while (i < CLASSES && class_size[i] < n)
		i++;
	return i;
}

static uint8_t *
block_take(struct keep_pool *p, size_t n, uint32_t *cap)
{
	size_t c = class_of(n);
	struct block *b;

	if (c == CLASSES) {
		*cap = (uint32_t)n;
		return try_malloc(n);
	}
	*cap = class_size[c];
	b = p->spare[c];
	if (!b)
		return try_malloc(class_size[c]);
	p->spare[c] = b->next;
	p->n[c]--;
	return (uint8_t *)b;
}

static void
block_give(struct keep_pool *p, uint8_t *data, uint32_t cap)
{
	size_t c = class_of(cap);
	struct block *b = (struct block *)(void *)data;

	if (c == CLASSES || class_size[c] != cap ||
	    p->n[c] * class_size[c] >= CLASS_SPARE) {
		free(data);
		return;
	}
	b->next = p->spare[c];
	p->spare[c] = b;
	p->n[c]++;
}

bool
keep_append(struct keep_pool *f, struct keep *k, const void *p, size_t n)
{
	size_t have = keep_len(k), want;
	uint32_t cap;
	uint8_t *data;

	if (!n)
		return true;
	if (n <= k->cap - k->end) {
		memcpy(k->data + k->end, p, n);
		k->end += (uint32_t)n;
		return true;
	}
	if (n > KEEP_MAX - have)
		return false;
	want = have + n;
	if (want <= k->cap && k->start >= k->cap / 2) {
		memmove(k->data, k->data + k->start, have);
		memcpy(k->data + have, p, n);
		k->start = 0;
		k->end = (uint32_t)want;
		return true;
	}
	/* Past the classes a block doubles, else appending costs squares. */
	if (want > class_size[CLASSES - 1] && want < KEEP_MAX / 2)
		want *= 2;
	data = block_take(f, want, &cap);
	if (!data)
		return false;
	if (have)
		memcpy(data, keep_head(k), have);
	memcpy(data + have, p, n);
	if (k->data)
		block_give(f, k->data, k->cap);
	k->data = data;
	k->cap = cap;
	k->start = 0;
	k->end = (uint32_t)(have + n);
	return true;
}

void
keep_consume(struct keep_pool *f, struct keep *k, size_t n)
{
	assert(n <= keep_len(k));
	k->start += (uint32_t)n;
	if (k->start == k->end)
		keep_clear(f, k);
}

void
keep_clear(struct keep_pool *f, struct keep *k)
{
	if (k->data)
		block_give(f, k->data, k->cap);
	memset(k, 0, sizeof(*k));
}
