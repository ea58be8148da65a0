/* Who may come, and who may try to log in. */
#include "guard_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

#define FIRST_WAIT_US USEC_PER_SEC

struct guard *
guard_new(void)
{
	struct guard *g = xcalloc(1, sizeof(*g));

	for (size_t i = 0; i < SHARDS; i++) {
		pthread_mutex_init(&g->shards[i].lock, NULL);
		TAILQ_INIT(&g->shards[i].idle);
	}
	return g;
}

/* There may be one for each of many clients: it is as small as can be. */
static struct guard_source *
entry_new(uint64_t hash, const struct key *k)
{
	size_t key = offsetof(struct key, bytes) + k->n;
	struct guard_source *s = xcalloc(1,
	    offsetof(struct guard_source, key) + key);

	s->hash = hash;
	memcpy(&s->key, k, key);
	if (k->kind == KIND_USER)
		s->friends = xcalloc(GUARD_FRIENDS, sizeof(*s->friends));
	return s;
}

static void
entry_free(struct guard_source *s)
{
	if (s != NULL)
		free(s->friends);
	free(s);
}

static void
free_chain(struct chain *c)
{
	struct guard_source *s;

	while ((s = LIST_FIRST(c)) != NULL) {
		LIST_REMOVE(s, chain);
		entry_free(s);
	}
}

void
guard_free(struct guard *g)
{
	if (g == NULL)
		return;
	for (size_t i = 0; i < SHARDS; i++) {
		for (size_t b = 0; b < BUCKETS; b++)
			free_chain(&g->shards[i].buckets[b]);
		pthread_mutex_destroy(&g->shards[i].lock);
	}
	free(g);
}

/* ---- keys ---- */

/* False for a Unix socket. */
static bool
key_of_addr(struct key *k, const struct addr *a)
{
	struct ip ip = addr_ip(a);

	memset(k, 0, sizeof(*k));
	if (ip.family == 0)
		return false;
	k->kind = ip.family;
	k->n = ip.family == 4 ? 4 : 8;
	memcpy(k->bytes, ip.bytes, k->n);
	return true;
}

static void
key_of_user(struct key *k, const char *user)
{
	size_t n = strlen(user);

	memset(k, 0, sizeof(*k));
	k->kind = KIND_USER;
	k->n = (uint8_t)(n < sizeof(k->bytes) ? n : sizeof(k->bytes));
	memcpy(k->bytes, user, k->n);
}

static uint64_t
hash_of(const struct key *k)
{
	return hash_bytes(k, offsetof(struct key, bytes) + k->n);
}

static struct shard *
shard_of(struct guard *g, uint64_t hash)
{
	return &g->shards[hash % SHARDS];
}

static struct chain *
chain_of(struct shard *sh, uint64_t hash)
{
	return &sh->buckets[hash / SHARDS % BUCKETS];
}

static struct guard_source *
find(struct shard *sh, uint64_t hash, const struct key *k)
{
	struct guard_source *s;

	LIST_FOREACH(s, chain_of(sh, hash), chain)
		if (s->hash == hash && s->key.kind == k->kind &&
		    s->key.n == k->n &&
		    memcmp(s->key.bytes, k->bytes, k->n) == 0)
			return s;
	return NULL;
}

/* ---- what is kept ---- */

static void
take_out(struct shard *sh, struct guard_source *s)
{
	LIST_REMOVE(s, chain);
	sh->n--;
}

static void
end_idle(struct shard *sh, struct guard_source *s)
{
	TAILQ_REMOVE(&sh->idle, s, idle);
	sh->n_idle--;
}

/* It is the youngest of those without a connection now. Gives back one that
 * has to go for it, to be freed when the lock is. */
static struct guard_source *
begin_idle(struct guard *g, struct shard *sh, struct guard_source *s)
{
	struct guard_source *oldest;

	TAILQ_INSERT_TAIL(&sh->idle, s, idle);
	if (++sh->n_idle <= KEPT_OF_SHARD)
		return NULL;
	oldest = TAILQ_FIRST(&sh->idle);
	end_idle(sh, oldest);
	take_out(sh, oldest);
	atomic_fetch_add(&g->evicted, 1);
	return oldest;
}

/* Locks the shard and gives the entry, made if need be. */
static struct guard_source *
lock_entry(struct guard *g, const struct key *k, struct shard **out,
    struct guard_source **gone)
{
	uint64_t hash = hash_of(k);
	struct shard *sh = shard_of(g, hash);
	struct guard_source *s, *fresh;

	*out = sh;
	*gone = NULL;
	pthread_mutex_lock(&sh->lock);
	s = find(sh, hash, k);
	if (s != NULL)
		return s;
	pthread_mutex_unlock(&sh->lock);
	fresh = entry_new(hash, k);
	pthread_mutex_lock(&sh->lock);
	s = find(sh, hash, k);
	if (s != NULL) {
		*gone = fresh;
		return s;
	}
	LIST_INSERT_HEAD(chain_of(sh, hash), fresh, chain);
	sh->n++;
	*gone = begin_idle(g, sh, fresh);
	return fresh;
}

/* ---- rates ---- */

static int64_t
filled(int64_t bucket, usec_t gone, int rate)
{
	int64_t full = (int64_t)rate * USEC_PER_SEC;

	bucket += gone * rate;
	return bucket < full ? bucket : full;
}

/* By the time that has gone; a full bucket is a second's worth. */
static void
fill_buckets(struct guard_source *s, int rate, usec_t now)
{
	usec_t gone = s->tokens_us == 0 ? USEC_PER_SEC : now - s->tokens_us;

	if (gone > USEC_PER_SEC)
		gone = USEC_PER_SEC;
	if (gone <= 0)
		return;
	s->tokens = filled(s->tokens, gone, rate);
	s->tells = filled(s->tells, gone, rate);
	s->tokens_us = now;
}

static bool
take_one(int64_t *bucket)
{
	if (*bucket < USEC_PER_SEC)
		return false;
	*bucket -= USEC_PER_SEC;
	return true;
}

/* ---- connections ---- */

static enum guard_answer
judge_count(struct guard *g, const struct guard_source *s,
    const struct config *cfg, struct err *e)
{
	int max = cfg->max_source_connections;

	if (max == 0 || s->connections <= max)
		return GUARD_IN;
	atomic_fetch_add(&g->too_many, 1);
	err_set(e, "53300", "too many connections from this address "
	    "(max_source_connections)");
	err_log(e, "%d, %d are allowed", s->connections, max);
	return s->connections > 2 * (int64_t)max ? GUARD_DROP : GUARD_TELL;
}

static enum guard_answer
judge_rate(struct guard *g, struct guard_source *s, const struct config *cfg,
    usec_t now, struct err *e)
{
	int rate = cfg->max_source_rate;

	if (rate == 0)
		return GUARD_IN;
	fill_buckets(s, rate, now);
	if (take_one(&s->tokens))
		return GUARD_IN;
	atomic_fetch_add(&g->too_fast, 1);
	err_set(e, "53300", "connections from this address come too fast "
	    "(max_source_rate)");
	err_log(e, "more than %d a second", rate);
	return take_one(&s->tells) ? GUARD_TELL : GUARD_DROP;
}

enum guard_answer
guard_enter(struct guard *g, const struct addr *peer, const struct config *cfg,
    usec_t now, struct guard_source **src, struct err *e)
{
	struct guard_source *s, *gone;
	enum guard_answer answer;
	struct shard *sh;
	struct key k;

	*src = NULL;
	if (!key_of_addr(&k, peer))
		return GUARD_IN;
	s = lock_entry(g, &k, &sh, &gone);
	if (s->connections++ == 0)
		end_idle(sh, s);
	answer = judge_rate(g, s, cfg, now, e);
	if (answer == GUARD_IN)
		answer = judge_count(g, s, cfg, e);
	s->refused += answer != GUARD_IN;
	*src = s;
	pthread_mutex_unlock(&sh->lock);
	entry_free(gone);
	if (answer == GUARD_DROP) {
		atomic_fetch_add(&g->dropped, 1);
		guard_leave(g, s, now);
		*src = NULL;
	}
	return answer;
}

static bool
is_forgotten(const struct guard_source *s, usec_t backoff_us, usec_t now)
{
	return now >= s->blocked_us && now - s->failed_us >= 2 * backoff_us;
}

/* Has it something to remember, when it has no connection? */
static bool
is_blank(const struct guard_source *s, usec_t now)
{
	return s->failed == 0 && now >= s->blocked_us &&
	    now - s->tokens_us >= 2 * USEC_PER_SEC;
}

void
guard_leave(struct guard *g, struct guard_source *src, usec_t now)
{
	struct guard_source *gone = NULL;
	struct shard *sh;

	if (src == NULL)
		return;
	sh = shard_of(g, src->hash);
	pthread_mutex_lock(&sh->lock);
	assert(src->connections > 0);
	if (--src->connections == 0) {
		if (is_blank(src, now)) {
			take_out(sh, src);
			gone = src;
		} else {
			gone = begin_idle(g, sh, src);
		}
	}
	pthread_mutex_unlock(&sh->lock);
	entry_free(gone);
}

/* ---- logins ---- */

static bool
has_to_wait(struct guard *g, struct err *e, const char *who, usec_t left)
{
	atomic_fetch_add(&g->waiting, 1);
	err_set(e, "28000", "too many failed logins, try again later");
	err_log(e, "for another %.1f s, by %s (auth_fail_max)",
	    (double)left / USEC_PER_SEC, who);
	return false;
}

static bool
is_friend(const struct guard_source *user, uint64_t source)
{
	for (size_t i = 0; i < GUARD_FRIENDS; i++)
		if (user->friends[i] == source)
			return source != 0;
	return false;
}

static void
befriend(struct guard_source *user, uint64_t source)
{
	if (source == 0 || is_friend(user, source))
		return;
	user->friends[user->next_friend++ % GUARD_FRIENDS] = source;
}

/* Under the lock: counts a failure, which may bring the next wait. */
static void
count_failure(struct guard_source *s, const struct config *cfg, usec_t now)
{
	usec_t wait = FIRST_WAIT_US;

	if (is_forgotten(s, cfg->auth_fail_backoff_us, now))
		s->failed = 0;
	if (s->failed < INT32_MAX)
		s->failed++;
	s->failed_us = now;
	if (s->failed < cfg->auth_fail_max)
		return;
	for (int i = s->failed; i > cfg->auth_fail_max &&
	    wait < cfg->auth_fail_backoff_us; i--)
		wait *= 2;
	if (wait > cfg->auth_fail_backoff_us)
		wait = cfg->auth_fail_backoff_us;
	if (now + wait > s->blocked_us)
		s->blocked_us = now + wait;
}

/* How long the source has to wait. If it has not, a failure is counted. */
static usec_t
source_wait(struct guard *g, struct guard_source *src, bool failed,
    const struct config *cfg, usec_t now)
{
	struct shard *sh = shard_of(g, src->hash);
	usec_t left;

	pthread_mutex_lock(&sh->lock);
	left = src->blocked_us > now ? src->blocked_us - now : 0;
	src->refused += left > 0;
	if (failed && left == 0)
		count_failure(src, cfg, now);
	pthread_mutex_unlock(&sh->lock);
	return left;
}

/* The same for a user, without making an entry just to look. */
static usec_t
user_wait(struct guard *g, const char *user, uint64_t source, usec_t now)
{
	struct guard_source *s;
	struct shard *sh;
	usec_t left = 0;
	uint64_t hash;
	struct key k;

	key_of_user(&k, user);
	hash = hash_of(&k);
	sh = shard_of(g, hash);
	pthread_mutex_lock(&sh->lock);
	s = find(sh, hash, &k);
	if (s != NULL && s->blocked_us > now && !is_friend(s, source)) {
		left = s->blocked_us - now;
		s->refused++;
	}
	pthread_mutex_unlock(&sh->lock);
	return left;
}

bool
guard_may_try(struct guard *g, struct guard_source *src, const char *user,
    const struct config *cfg, usec_t now, struct err *e)
{
	usec_t left;

	if (cfg->auth_fail_max == 0 || src == NULL)
		return true;
	left = source_wait(g, src, false, cfg, now);
	if (left > 0)
		return has_to_wait(g, e, "this address", left);
	left = user_wait(g, user, src->hash, now);
	return left == 0 || has_to_wait(g, e, "this user", left);
}

/* Under the lock of the user's entry. */
static bool
judge_user(struct guard *g, struct shard *sh, struct guard_source *s,
    uint64_t source, bool good, const struct config *cfg, usec_t now,
    struct err *e)
{
	usec_t left = s->blocked_us > now ? s->blocked_us - now : 0;
	bool friend = is_friend(s, source);

	end_idle(sh, s);
	TAILQ_INSERT_TAIL(&sh->idle, s, idle);
	sh->n_idle++;
	if (cfg->auth_fail_max > 0 && left > 0 && !friend) {
		s->refused++;
		return has_to_wait(g, e, "this user", left);
	}
	if (!good) {
		if (!friend)
			count_failure(s, cfg, now);
		return true;
	}
	if (cfg->max_user_rate > 0)
		fill_buckets(s, cfg->max_user_rate, now);
	if (cfg->max_user_rate > 0 && !take_one(&s->tokens)) {
		s->refused++;
		atomic_fetch_add(&g->too_fast, 1);
		err_set(e, "53300", "logins of this user come too fast "
		    "(max_user_rate)");
		return false;
	}
	befriend(s, source);
	return true;
}

bool
guard_judge(struct guard *g, struct guard_source *src, const char *user,
    bool good, const struct config *cfg, usec_t now, struct err *e)
{
	struct guard_source *s, *gone;
	struct shard *sh;
	struct key k;
	usec_t left;
	bool ok;

	if (!good)
		atomic_fetch_add(&g->failed, 1);
	if (src == NULL || (cfg->auth_fail_max == 0 &&
	    (cfg->max_user_rate == 0 || !good)))
		return true;
	if (cfg->auth_fail_max > 0) {
		left = source_wait(g, src, !good, cfg, now);
		if (left > 0)
			return has_to_wait(g, e, "this address", left);
	}
	key_of_user(&k, user);
	s = lock_entry(g, &k, &sh, &gone);
	ok = judge_user(g, sh, s, src->hash, good, cfg, now, e);
	pthread_mutex_unlock(&sh->lock);
	entry_free(gone);
	return ok;
}
