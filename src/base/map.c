#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/slab.h"

/* Chains rather than open addressing: an entry never moves, so a walk may
 * delete the one it stands on. */
struct node {
	struct node *next;
	void *value;
	uint32_t hash; /* the lower half */
	uint32_t key_n;
	uint8_t key[];
};

struct map {
	struct node **buckets; /* a power of two of them, or NULL */
	size_t n_buckets;
	size_t count;
	struct slab *slab; /* NULL = malloc() */
};

static uint64_t seed[2];
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void
seed_make(void)
{
	random_bytes(seed, sizeof(seed));
}

static inline uint64_t
rotl(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static inline void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

/* SipHash-1-3: keyed, so that nobody outside can find collisions, and quick
 * enough for short names. */
uint64_t
hash_bytes(const void *p, size_t n)
{
	const uint8_t *at = p;
	uint64_t v[4], word;
	size_t left;

	pthread_once(&seed_once, seed_make);
	v[0] = seed[0] ^ UINT64_C(0x736f6d6570736575);
	v[1] = seed[1] ^ UINT64_C(0x646f72616e646f6d);
	v[2] = seed[0] ^ UINT64_C(0x6c7967656e657261);
	v[3] = seed[1] ^ UINT64_C(0x7465646279746573);
	for (left = n; left >= 8; left -= 8, at += 8) {
		memcpy(&word, at, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = 0;
	if (left > 0)
		memcpy(&word, at, left);
	word |= (uint64_t)n << 56;
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct map *
map_new(void)
{
	return xcalloc(1, sizeof(struct map));
}

struct map *
map_new_in(struct slab *slab)
{
	struct map *m = map_new();

	m->slab = slab;
	return m;
}

static void
node_free(struct map *m, struct node *n)
{
	if (m->slab != NULL)
		slab_give(m->slab, n, offsetof(struct node, key) + n->key_n);
	else
		free(n);
}

void
map_free(struct map *m)
{
	struct node *n, *next;
	size_t i;

	if (m == NULL)
		return;
	for (i = 0; i < m->n_buckets; i++)
		for (n = m->buckets[i]; n != NULL; n = next) {
			next = n->next;
			node_free(m, n);
		}
	free(m->buckets);
	free(m);
}

size_t
map_count(const struct map *m)
{
	return m->count;
}

/* The link that leads to the key's node, or to the NULL at its chain's end;
 * NULL when there are no chains yet. */
static struct node **
find(const struct map *m, struct span key, uint32_t hash)
{
	struct node **at;

	if (m->n_buckets == 0)
		return NULL;
	at = &m->buckets[hash & (m->n_buckets - 1)];
	while (*at != NULL && ((*at)->hash != hash ||
	    !span_eq(SPAN((*at)->key, (*at)->key_n), key)))
		at = &(*at)->next;
	return at;
}

void *
map_get(const struct map *m, struct span key)
{
	struct node **at = find(m, key, (uint32_t)hash_bytes(key.p, key.n));

	return at != NULL && *at != NULL ? (*at)->value : NULL;
}

struct span
map_key(const struct map *m, struct span key)
{
	struct node **at = find(m, key, (uint32_t)hash_bytes(key.p, key.n));

	return at != NULL && *at != NULL ? SPAN((*at)->key, (*at)->key_n) :
	    SPAN(NULL, 0);
}

static void
grow(struct map *m)
{
	size_t n = m->n_buckets != 0 ? m->n_buckets * 2 : 8;
	struct node **fresh = xcalloc(n, sizeof(struct node *));
	size_t i;

	for (i = 0; i < m->n_buckets; i++) {
		struct node *node, *next;

		for (node = m->buckets[i]; node != NULL; node = next) {
			struct node **head = &fresh[node->hash & (n - 1)];

			next = node->next;
			node->next = *head;
			*head = node;
		}
	}
	free(m->buckets);
	m->buckets = fresh;
	m->n_buckets = n;
}

void *
map_put(struct map *m, struct span key, void *value)
{
	uint32_t hash = (uint32_t)hash_bytes(key.p, key.n);
	struct node **at = find(m, key, hash);
	struct node *node;
	void *before;
	size_t n;

	if (at != NULL && *at != NULL) {
		before = (*at)->value;
		(*at)->value = value;
		return before;
	}
	if (m->count >= m->n_buckets) {
		grow(m);
		at = find(m, key, hash);
	}
	n = offsetof(struct node, key) + key.n;
	node = m->slab != NULL ? slab_take(m->slab, n) : xmalloc(n);
	node->next = NULL;
	node->hash = hash;
	node->value = value;
	node->key_n = (uint32_t)key.n;
	if (key.n > 0)
		memcpy(node->key, key.p, key.n);
	*at = node;
	m->count++;
	return NULL;
}

void *
map_del(struct map *m, struct span key)
{
	struct node **at = find(m, key, (uint32_t)hash_bytes(key.p, key.n));
	struct node *node;
	void *value;

	if (at == NULL || *at == NULL)
		return NULL;
	node = *at;
	*at = node->next;
	value = node->value;
	node_free(m, node);
	m->count--;
	return value;
}

void
map_each(struct map *m, bool (*fn)(void *arg, struct span key, void *value),
    void *arg)
{
	struct node *n, *next;
	size_t i;

	for (i = 0; i < m->n_buckets; i++)
		for (n = m->buckets[i]; n != NULL; n = next) {
			next = n->next;
			if (!fn(arg, SPAN(n->key, n->key_n), n->value))
				return;
		}
}
