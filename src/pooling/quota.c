/* A bound over several pools, with claims by need. */
#include "pooling/quota.h"

#include <assert.h>

void
quota_init(struct quota *q, int limit)
{
	pthread_mutex_init(&q->mu, NULL);
	q->limit = limit;
	q->used = 0;
	TAILQ_INIT(&q->claims);
	TAILQ_INIT(&q->holders);
	atomic_store(&q->evicting, 0);
	atomic_store(&q->n_claims, 0);
	atomic_store(&q->hungry_us, 0);
	atomic_store(&q->hungry_held, 0);
}

void
quota_fini(struct quota *q)
{
	assert(TAILQ_EMPTY(&q->claims) && TAILQ_EMPTY(&q->holders));
	pthread_mutex_destroy(&q->mu);
}

/* So many of the oldest claims are compared. */
#define CLAIMS_LOOK 64

/* Fair queueing: who has the fewest slots, and then who has waited longest. */
static struct quota_member *
next_claim(const struct quota *q)
{
	struct quota_member *m, *best = NULL;
	int n = 0;

	TAILQ_FOREACH(m, &q->claims, claim_link) {
		if (!best || m->held < best->held)
			best = m;
		if (best->held == 0 || ++n == CLAIMS_LOOK)
			break;
	}
	return best;
}

/* What releases compare themselves with. */
static void
note_hungry(struct quota *q)
{
	struct quota_member *first = next_claim(q);

	atomic_store_explicit(&q->hungry_held, first ? first->held : 0,
	    memory_order_relaxed);
	atomic_store_explicit(&q->hungry_us, first ? first->since_us : 0,
	    memory_order_relaxed);
}

static void
drop_claim(struct quota *q, struct quota_member *m)
{
	if (!m->since_us)
		return;
	TAILQ_REMOVE(&q->claims, m, claim_link);
	atomic_fetch_sub(&q->n_claims, 1);
	m->since_us = 0;
	note_hungry(q);
}

static bool
has_room(const struct quota *q)
{
	return q->limit <= 0 || q->used < q->limit;
}

static struct pool *
refer(struct quota_member *m)
{
	atomic_fetch_add(m->refs, 1);
	return m->pool;
}

struct pool *
quota_next(struct quota *q)
{
	struct quota_member *m;
	struct pool *p = NULL;

	pthread_mutex_lock(&q->mu);
	m = next_claim(q);
	if (m && has_room(q)) {
		drop_claim(q, m);
		p = refer(m);
	}
	pthread_mutex_unlock(&q->mu);
	return p;
}

bool
quota_take(struct quota *q, struct quota_member *m, usec_t now)
{
	bool ok;

	pthread_mutex_lock(&q->mu);
	ok = has_room(q);
	if (ok) {
		q->used++;
		if (m->held++ == 0)
			TAILQ_INSERT_TAIL(&q->holders, m, holder_link);
		drop_claim(q, m);
	} else if (now && !m->since_us) {
		m->since_us = now;
		atomic_fetch_add(&q->n_claims, 1);
		TAILQ_INSERT_TAIL(&q->claims, m, claim_link);
		note_hungry(q);
	}
	pthread_mutex_unlock(&q->mu);
	return ok;
}

void
quota_give(struct quota *q, struct quota_member *m)
{
	pthread_mutex_lock(&q->mu);
	assert(q->used > 0 && m->held > 0);
	q->used--;
	if (--m->held == 0)
		TAILQ_REMOVE(&q->holders, m, holder_link);
	if (m->since_us)
		note_hungry(q);
	pthread_mutex_unlock(&q->mu);
}

void
quota_withdraw(struct quota *q, struct quota_member *m)
{
	pthread_mutex_lock(&q->mu);
	drop_claim(q, m);
	pthread_mutex_unlock(&q->mu);
}

void
quota_set_limit(struct quota *q, int limit)
{
	pthread_mutex_lock(&q->mu);
	q->limit = limit;
	pthread_mutex_unlock(&q->mu);
}

size_t
quota_holders(struct quota *q, struct pool **out, size_t cap)
{
	struct quota_member *h;
	size_t n = 0;

	pthread_mutex_lock(&q->mu);
	TAILQ_FOREACH(h, &q->holders, holder_link) {
		if (n == cap)
			break;
		out[n++] = refer(h);
	}
	pthread_mutex_unlock(&q->mu);
	return n;
}

usec_t
quota_hungry(struct quota *q, const struct quota_member *m)
{
	usec_t since = atomic_load_explicit(&q->hungry_us,
	    memory_order_relaxed);

	if (LIKELY(!since) ||
	    since == atomic_load_explicit(&m->since_us, memory_order_relaxed) ||
	    atomic_load(&q->evicting) >= atomic_load(&q->n_claims))
		return 0;
	return since;
}

int
quota_hungry_held(const struct quota *q)
{
	return atomic_load_explicit(&q->hungry_held, memory_order_relaxed);
}

int
quota_used(struct quota *q)
{
	return atomic_load(&q->used);
}

static int
surplus(const struct quota *q)
{
	int limit = atomic_load_explicit(&q->limit, memory_order_relaxed);
	int used = atomic_load_explicit(&q->used, memory_order_relaxed);

	return limit > 0 && used > limit ? used - limit : 0;
}

bool
quota_is_over(const struct quota *q)
{
	return surplus(q) > 0;
}

int
quota_wants(const struct quota *q)
{
	return atomic_load(&q->n_claims) + surplus(q) -
	    atomic_load(&q->evicting);
}
