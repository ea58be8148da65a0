/* Derived keys by credential. */
#include "pooling/keycache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/map.h"
#include "proto/digest.h"

#define OUR_SALT 16

STAILQ_HEAD(query_list, key_query);

struct entry {
	uint8_t id[SHA256_LEN];
	char *user;
	bool ready; /* else it is being derived */
	bool dropped; /* RELOAD came meanwhile: not to be kept */
	bool own_salt;
	bool judged;
	uint8_t salt[KEY_SALT_MAX];
	size_t salt_n;
	uint32_t iterations;
	uint8_t stored_key[SCRAM_KEY]; /* judged: what has to come out */
	struct scram_keys keys;
	struct query_list waiting;
	TAILQ_ENTRY(entry) age;
};
TAILQ_HEAD(entry_list, entry);

struct keycache {
	pthread_mutex_t mu;
	struct offload *offload;
	uint8_t seed[SHA256_LEN];
	struct map *entries; /* by id */
	struct entry_list aged; /* ready ones, used last first */
	size_t max;
	uint64_t derived;
};

/* A derivation; apart from its entry for the password. */
struct derivation {
	struct offload_job job;
	struct keycache *cache;
	struct entry *entry;
	char *password;
};

struct keycache *
keycache_new(struct offload *o, int max_entries)
{
	struct keycache *kc = xcalloc(1, sizeof(*kc));

	pthread_mutex_init(&kc->mu, NULL);
	kc->offload = o;
	random_bytes(kc->seed, sizeof(kc->seed));
	kc->entries = map_new();
	TAILQ_INIT(&kc->aged);
	kc->max = (size_t)max_entries;
	return kc;
}

static void
entry_free(struct entry *e)
{
	free(e->user);
	wipe(e, sizeof(*e));
	free(e);
}

static void
forget_locked(struct keycache *kc, struct entry *e)
{
	map_del(kc->entries, SPAN(e->id, sizeof(e->id)));
	if (e->ready)
		TAILQ_REMOVE(&kc->aged, e, age);
	entry_free(e);
}

void
keycache_free(struct keycache *kc)
{
	struct entry *e;

	if (kc == NULL)
		return;
	while ((e = TAILQ_FIRST(&kc->aged)) != NULL)
		forget_locked(kc, e);
	map_free(kc->entries);
	pthread_mutex_destroy(&kc->mu);
	wipe(kc, sizeof(*kc));
	free(kc);
}

/* No field runs into the next: each has its length in front. */
static void
put_field(struct buf *b, const void *p, size_t n)
{
	uint64_t len = n;

	buf_append(b, &len, sizeof(len));
	buf_append(b, p, n);
}

/* False if libcrypto refuses: then nothing may be looked up. */
static bool
make_id(const struct keycache *kc, const struct key_query *q,
    uint8_t id[SHA256_LEN])
{
	struct buf b = { 0 };
	bool ok;

	/* All of it at once: growing would leave pieces behind. */
	buf_reserve(&b, strlen(q->user) + strlen(q->password) + 256);
	put_field(&b, q->user, strlen(q->user));
	put_field(&b, q->password, strlen(q->password));
	put_field(&b, q->salt, q->salt_n);
	put_field(&b, &q->iterations, sizeof(q->iterations));
	put_field(&b, q->stored_key, q->judge ? SCRAM_KEY : 0);
	ok = digest_hmac_sha256(SPAN(kc->seed, sizeof(kc->seed)), buf_span(&b),
	    id);
	buf_wipe_free(&b);
	return ok;
}

/* ---- answers ---- */

static void
fill(struct key_query *q, const struct entry *e)
{
	q->ok = true;
	q->keys = e->keys;
	scram_verifier_of(&e->keys, SPAN(e->salt, e->salt_n), e->iterations,
	    &q->verifier);
}

static void
on_answer(struct mail *m, struct loop *l)
{
	struct key_query *q = CONTAINER_OF(m, struct key_query, mail);

	(void)l;
	q->answered(q);
}

static void
answer_all(struct query_list *list)
{
	struct key_query *q;

	while ((q = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, next);
		q->mail.fn = on_answer;
		loop_post(q->reply_to, &q->mail);
	}
}

static void
keep_locked(struct keycache *kc, struct entry *e)
{
	e->ready = true;
	TAILQ_INSERT_HEAD(&kc->aged, e, age);
	/* Those being derived are bounded by the offload's queue. */
	if (map_count(kc->entries) > kc->max)
		forget_locked(kc, TAILQ_LAST(&kc->aged, entry_list));
}

/* ---- deriving ---- */

static bool
derive(const struct entry *e, const char *password, struct scram_keys *k)
{
	uint8_t stored[SCRAM_KEY];

	if (!scram_keys_derive(password, SPAN(e->salt, e->salt_n),
	    e->iterations, k))
		return false;
	return !e->judged || (digest_sha256(SPAN(k->client_key, SCRAM_KEY),
	    stored) && digest_same(stored, e->stored_key, SCRAM_KEY));
}

static void
on_derive(struct offload_job *j)
{
	struct derivation *d = CONTAINER_OF(j, struct derivation, job);
	struct query_list list = STAILQ_HEAD_INITIALIZER(list);
	struct keycache *kc = d->cache;
	struct entry *e = d->entry;
	struct scram_keys k = { 0 };
	struct key_query *q;
	bool ok = derive(e, d->password, &k);

	pthread_mutex_lock(&kc->mu);
	kc->derived++;
	e->keys = k;
	STAILQ_CONCAT(&list, &e->waiting);
	STAILQ_FOREACH(q, &list, next)
		if (ok)
			fill(q, e);
	if (ok && !e->dropped)
		keep_locked(kc, e);
	else
		forget_locked(kc, e);
	pthread_mutex_unlock(&kc->mu);
	answer_all(&list);
	wipe(&k, sizeof(k));
	wipe_free(d->password);
	free(d);
}

static struct entry *
entry_new(const struct key_query *q, const uint8_t id[SHA256_LEN])
{
	struct entry *e = xcalloc(1, sizeof(*e));

	memcpy(e->id, id, sizeof(e->id));
	e->user = xstrdup(q->user);
	e->iterations = q->iterations;
	e->own_salt = q->salt_n == 0;
	e->salt_n = e->own_salt ? OUR_SALT : q->salt_n;
	if (e->own_salt)
		random_bytes(e->salt, OUR_SALT);
	else
		memcpy(e->salt, q->salt, q->salt_n);
	e->judged = q->judge;
	memcpy(e->stored_key, q->stored_key, SCRAM_KEY);
	STAILQ_INIT(&e->waiting);
	return e;
}

/* It could not be begun: whoever has joined it meanwhile is refused too. */
static void
give_up(struct keycache *kc, struct entry *e, const struct key_query *asker)
{
	struct query_list list = STAILQ_HEAD_INITIALIZER(list);
	struct key_query *q, *next;

	pthread_mutex_lock(&kc->mu);
	for (q = STAILQ_FIRST(&e->waiting); q != NULL; q = next) {
		next = STAILQ_NEXT(q, next);
		if (q != asker)
			STAILQ_INSERT_TAIL(&list, q, next);
	}
	forget_locked(kc, e);
	pthread_mutex_unlock(&kc->mu);
	answer_all(&list);
}

enum keys_when
keycache_ask(struct keycache *kc, struct key_query *q)
{
	uint8_t id[SHA256_LEN];
	struct derivation *d;
	struct entry *e;

	q->ok = false;
	if (!make_id(kc, q, id))
		return KEYS_REFUSED;
	pthread_mutex_lock(&kc->mu);
	e = map_get(kc->entries, SPAN(id, sizeof(id)));
	if (e != NULL && e->ready) {
		TAILQ_REMOVE(&kc->aged, e, age);
		TAILQ_INSERT_HEAD(&kc->aged, e, age);
		fill(q, e);
		pthread_mutex_unlock(&kc->mu);
		return KEYS_NOW;
	}
	if (e != NULL) {
		STAILQ_INSERT_TAIL(&e->waiting, q, next);
		pthread_mutex_unlock(&kc->mu);
		return KEYS_LATER;
	}
	e = entry_new(q, id);
	STAILQ_INSERT_TAIL(&e->waiting, q, next);
	map_put(kc->entries, SPAN(id, sizeof(id)), e);
	pthread_mutex_unlock(&kc->mu);
	d = xcalloc(1, sizeof(*d));
	d->cache = kc;
	d->entry = e;
	d->password = xstrdup(q->password);
	d->job.run = on_derive;
	if (offload_submit(kc->offload, &d->job))
		return KEYS_LATER;
	give_up(kc, e, q);
	wipe_free(d->password);
	free(d);
	return KEYS_REFUSED;
}

/* ---- changes ---- */

static bool
confirms(const struct keycache *kc, const struct entry *e, const char *secret)
{
	struct key_query q = { .user = e->user, .password = secret,
		.iterations = e->iterations };
	uint8_t id[SHA256_LEN];

	if (secret == NULL || secret[0] == '\0' || e->judged)
		return false;
	q.salt_n = e->own_salt ? 0 : e->salt_n;
	memcpy(q.salt, e->salt, q.salt_n);
	return make_id(kc, &q, id) && memcmp(id, e->id, sizeof(id)) == 0;
}

static bool
is_confirmed(const struct keycache *kc, const struct entry *e,
    const struct config *cfg)
{
	return confirms(kc, e, config_secret(cfg, e->user, NULL)) ||
	    confirms(kc, e, config_old_secret(cfg, e->user));
}

struct sweep {
	struct keycache *cache;
	const struct config *cfg;
};

static bool
sweep_one(void *arg, struct span key, void *value)
{
	struct sweep *s = arg;
	struct entry *e = value;

	(void)key;
	if (is_confirmed(s->cache, e, s->cfg))
		return true;
	if (e->ready)
		forget_locked(s->cache, e);
	else
		e->dropped = true;
	return true;
}

void
keycache_sweep(struct keycache *kc, const struct config *cfg)
{
	struct sweep s = { kc, cfg };

	pthread_mutex_lock(&kc->mu);
	map_each(kc->entries, sweep_one, &s);
	pthread_mutex_unlock(&kc->mu);
}

size_t
keycache_count(struct keycache *kc)
{
	size_t n;

	pthread_mutex_lock(&kc->mu);
	n = map_count(kc->entries);
	pthread_mutex_unlock(&kc->mu);
	return n;
}

uint64_t
keycache_derived(struct keycache *kc)
{
	uint64_t n;

	pthread_mutex_lock(&kc->mu);
	n = kc->derived;
	pthread_mutex_unlock(&kc->mu);
	return n;
}

void
key_query_wipe(struct key_query *q)
{
	wipe(&q->keys, sizeof(q->keys));
	wipe(&q->verifier, sizeof(q->verifier));
}
