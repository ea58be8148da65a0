/* The table of cancel keys: chained hashes in shards. */
#include "pooling/cancel.h"

#include <arpa/inet.h>
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#define SHARDS 64
#define FIRST_BUCKETS 16

struct shard {
	pthread_mutex_t mu;
	struct cancel_entry **bucket;
	size_t n_buckets; /* a power of two */
	size_t n;
};

struct cancel_keys {
	_Atomic int peer_id;
	struct shard shard[SHARDS];
};

struct cancel_keys *
cancel_keys_new(void)
{
	struct cancel_keys *k = xcalloc(1, sizeof(*k));
	size_t i;

	for (i = 0; i < SHARDS; i++) {
		struct shard *sh = &k->shard[i];

		pthread_mutex_init(&sh->mu, NULL);
		sh->n_buckets = FIRST_BUCKETS;
		sh->bucket = xcalloc(sh->n_buckets, sizeof(*sh->bucket));
	}
	return k;
}

void
cancel_keys_free(struct cancel_keys *k)
{
	size_t i;

	if (!k)
		return;
	for (i = 0; i < SHARDS; i++) {
		assert(k->shard[i].n == 0);
		pthread_mutex_destroy(&k->shard[i].mu);
		free(k->shard[i].bucket);
	}
	free(k);
}

/* Keys are random, so a few of their bytes are as good as a hash; byte 0
 * lacks a bit, and bytes 1, 2 and 7 may be a peer's. */
static uint32_t
key_hash(const uint8_t key[CANCEL_KEY])
{
	uint32_t h;

	memcpy(&h, key + 3, sizeof(h));
	return h;
}

static struct shard *
shard_of(struct cancel_keys *k, const uint8_t key[CANCEL_KEY])
{
	return &k->shard[key_hash(key) % SHARDS];
}

static struct cancel_entry **
bucket_of(struct shard *sh, const uint8_t key[CANCEL_KEY])
{
	return &sh->bucket[key_hash(key) / SHARDS & (sh->n_buckets - 1)];
}

static struct cancel_entry *
find(struct shard *sh, struct span key)
{
	struct cancel_entry *e;

	for (e = *bucket_of(sh, key.p); e; e = e->next)
		if (e->key_n == key.n && CRYPTO_memcmp(e->key, key.p, key.n) == 0)
			return e;
	return NULL;
}

static void
insert(struct shard *sh, struct cancel_entry *e)
{
	struct cancel_entry **b = bucket_of(sh, e->key);

	e->next = *b;
	*b = e;
}

static void
grow(struct shard *sh)
{
	struct cancel_entry **old = sh->bucket, *e, *next;
	size_t i, n = sh->n_buckets;

	sh->n_buckets = n * 2;
	sh->bucket = xcalloc(sh->n_buckets, sizeof(*sh->bucket));
	for (i = 0; i < n; i++)
		for (e = old[i]; e; e = next) {
			next = e->next;
			insert(sh, e);
		}
	free(old);
}

void
cancel_keys_set_peer(struct cancel_keys *k, int id)
{
	atomic_store(&k->peer_id, id);
}

uint32_t
cancel_key_pid(const struct cancel_entry *e)
{
	uint32_t pid;

	memcpy(&pid, e->key, sizeof(pid));
	return ntohl(pid);
}

void
cancel_call_set(struct cancel_call *c, struct span key)
{
	assert(key.n >= CANCEL_KEY && key.n <= sizeof(c->key));
	memcpy(c->key, key.p, key.n);
	c->key_n = (uint16_t)key.n;
}

static struct span
call_key(const struct cancel_call *c)
{
	return SPAN(c->key, c->key_n);
}

static struct span
entry_key(const struct cancel_entry *e)
{
	return SPAN(e->key, e->key_n);
}

bool
cancel_key_known(struct cancel_keys *k, struct span key)
{
	struct shard *sh = shard_of(k, key.p);
	bool known;

	pthread_mutex_lock(&sh->mu);
	known = find(sh, key) != NULL;
	pthread_mutex_unlock(&sh->mu);
	return known;
}

static void
make_key(const struct cancel_keys *k, uint8_t *key, size_t n)
{
	int id = atomic_load(&k->peer_id);

	random_bytes(key, n);
	key[0] &= 0x7f;
	if (id > 0) {
		key[1] = (uint8_t)id;
		key[2] = (uint8_t)(id >> 8);
		key[7] |= CANCEL_TTL;
	}
}

/* False when somebody has the key that stands in e. */
static bool
add(struct cancel_keys *k, struct cancel_entry *e)
{
	struct shard *sh = shard_of(k, e->key);
	bool is_new;

	pthread_mutex_lock(&sh->mu);
	is_new = !find(sh, entry_key(e));
	if (is_new) {
		if (sh->n >= sh->n_buckets)
			grow(sh);
		insert(sh, e);
		sh->n++;
		e->listed = true;
	}
	pthread_mutex_unlock(&sh->mu);
	return is_new;
}

void
cancel_key_add(struct cancel_keys *k, struct cancel_entry *e, size_t n,
    struct loop *l,
    void (*called)(struct cancel_entry *e, struct cancel_call *c))
{
	assert(n == CANCEL_KEY || n == CANCEL_KEY_LONG);
	e->loop = l;
	e->called = called;
	e->key_n = (uint8_t)n;
	do
		make_key(k, e->key, n);
	while (!add(k, e));
}

void
cancel_key_keep(struct cancel_keys *k, struct cancel_entry *e,
    struct span key, struct loop *l,
    void (*called)(struct cancel_entry *e, struct cancel_call *c))
{
	assert(key.n >= CANCEL_KEY && key.n <= sizeof(e->key));
	e->loop = l;
	e->called = called;
	e->key_n = (uint8_t)key.n;
	memcpy(e->key, key.p, key.n);
	if (!add(k, e))
		cancel_key_add(k, e, CANCEL_KEY, l, called);
}

void
cancel_key_remove(struct cancel_keys *k, struct cancel_entry *e)
{
	struct shard *sh;
	struct cancel_entry **at;

	if (!e->listed)
		return;
	sh = shard_of(k, e->key);
	pthread_mutex_lock(&sh->mu);
	at = bucket_of(sh, e->key);
	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	sh->n--;
	e->listed = false;
	pthread_mutex_unlock(&sh->mu);
}

static void
on_over(struct mail *m, struct loop *l)
{
	struct cancel_call *c = CONTAINER_OF(m, struct cancel_call, mail);

	(void)l;
	c->over(c);
}

void
cancel_call_over(struct cancel_call *c)
{
	c->mail.fn = on_over;
	loop_post(c->reply_to, &c->mail);
}

/* On the owner's loop, where alone its entry can be removed. */
static void
on_called(struct mail *m, struct loop *l)
{
	struct cancel_call *c = CONTAINER_OF(m, struct cancel_call, mail);
	struct shard *sh = shard_of(c->keys, c->key);
	struct cancel_entry *e;

	pthread_mutex_lock(&sh->mu);
	e = find(sh, call_key(c));
	pthread_mutex_unlock(&sh->mu);
	if (e && e->loop == l)
		e->called(e, c);
	else
		cancel_call_over(c);
}

void
cancel_call(struct cancel_keys *k, struct cancel_call *c)
{
	struct shard *sh = shard_of(k, c->key);
	struct cancel_entry *e;
	struct loop *l;

	c->keys = k;
	pthread_mutex_lock(&sh->mu);
	e = find(sh, call_key(c));
	l = e ? e->loop : NULL;
	pthread_mutex_unlock(&sh->mu);
	if (!l) {
		cancel_call_over(c);
		return;
	}
	c->mail.fn = on_called;
	loop_post(l, &c->mail);
}
