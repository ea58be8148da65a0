/* The addresses of a name, shared between threads. */
#include "io/dns_host.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Addresses that failed lately; more than that are not worth remembering. */
#define BLAMED 8

struct blame {
	struct addr a;
	usec_t until_us; /* 0 = none */
};

struct dns_host {
	_Atomic int refs;
	_Atomic unsigned version;
	_Atomic bool outdated;
	_Atomic int n_blamed; /* so that nobody locks to learn of none */
	pthread_mutex_t mu; /* of all below */
	struct addr *addrs;
	size_t n;
	bool all; /* any address may be one */
	struct blame blamed[BLAMED];
	unsigned next;
};

struct dns_host *
dns_host_new(void)
{
	struct dns_host *h = xcalloc(1, sizeof(*h));

	atomic_init(&h->refs, 1);
	atomic_init(&h->version, 1);
	pthread_mutex_init(&h->mu, NULL);
	return h;
}

struct dns_host *
dns_host_ref(struct dns_host *h)
{
	atomic_fetch_add(&h->refs, 1);
	return h;
}

void
dns_host_unref(struct dns_host *h)
{
	if (!h || atomic_fetch_sub(&h->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&h->mu);
	free(h->addrs);
	free(h);
}

int
dns_host_refs(const struct dns_host *h)
{
	return atomic_load(&h->refs);
}

unsigned
dns_host_version(const struct dns_host *h)
{
	return atomic_load(&h->version);
}

/* ---- which addresses there are ---- */

/* Of a list without ports an address has any. */
static bool
is_in(const struct addr *a, const struct addr *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		struct addr b = list[i];

		if (b.port == 0)
			b.port = a->port;
		if (addr_eq(a, &b))
			return true;
	}
	return false;
}

bool
dns_host_has(struct dns_host *h, const struct addr *a, unsigned *version)
{
	unsigned now = atomic_load_explicit(&h->version,
	    memory_order_acquire);
	bool has;

	if (LIKELY(now == *version))
		return true;
	pthread_mutex_lock(&h->mu);
	now = atomic_load(&h->version);
	has = h->all || is_in(a, h->addrs, h->n);
	pthread_mutex_unlock(&h->mu);
	if (has)
		*version = now;
	return has;
}

/* Those of v that are not in w; the first few are copied. */
static size_t
missing(const struct addr *v, size_t n, const struct addr *w, size_t m,
    struct addr out[DNS_CHANGE])
{
	size_t i, k = 0;

	for (i = 0; i < n; i++) {
		if (is_in(&v[i], w, m))
			continue;
		if (k < DNS_CHANGE)
			out[k] = v[i];
		k++;
	}
	return k;
}

bool
dns_host_set(struct dns_host *h, const struct addr *addrs, size_t n, bool all,
    struct dns_change *out)
{
	struct addr *fresh = xcalloc(n ? n : 1, sizeof(*fresh)), *old;

	memcpy(fresh, addrs, n * sizeof(*fresh));
	memset(out, 0, sizeof(*out));
	pthread_mutex_lock(&h->mu);
	old = h->addrs;
	if (!all && !h->all) {
		out->n_gone = missing(old, h->n, fresh, n, out->gone);
		out->n_new = missing(fresh, n, old, h->n, out->added);
	}
	h->addrs = fresh;
	h->n = n;
	h->all = all;
	if (out->n_gone > 0)
		atomic_fetch_add(&h->version, 1);
	pthread_mutex_unlock(&h->mu);
	free(old);
	return out->n_gone > 0;
}

void
dns_host_outdate(struct dns_host *h)
{
	atomic_store(&h->outdated, true);
}

bool
dns_host_take_outdated(struct dns_host *h)
{
	return atomic_load(&h->outdated) &&
	    atomic_exchange(&h->outdated, false);
}

/* ---- which of them failed ---- */

static struct blame *
find_locked(struct dns_host *h, const struct addr *a)
{
	size_t i;

	for (i = 0; i < BLAMED; i++)
		if (h->blamed[i].until_us && addr_eq(&h->blamed[i].a, a))
			return &h->blamed[i];
	return NULL;
}

void
dns_host_blame(struct dns_host *h, const struct addr *a, usec_t now)
{
	struct blame *b;

	pthread_mutex_lock(&h->mu);
	b = find_locked(h, a);
	if (!b) {
		b = &h->blamed[h->next++ % BLAMED];
		if (!b->until_us)
			atomic_fetch_add(&h->n_blamed, 1);
	}
	b->a = *a;
	b->until_us = now + DNS_BLAME_US;
	pthread_mutex_unlock(&h->mu);
}

void
dns_host_praise(struct dns_host *h, const struct addr *a)
{
	struct blame *b;

	if (LIKELY(atomic_load(&h->n_blamed) == 0))
		return;
	pthread_mutex_lock(&h->mu);
	b = find_locked(h, a);
	if (b) {
		b->until_us = 0;
		atomic_fetch_sub(&h->n_blamed, 1);
	}
	pthread_mutex_unlock(&h->mu);
}

bool
dns_host_is_blamed(struct dns_host *h, const struct addr *a, usec_t now)
{
	struct blame *b;
	bool is;

	if (LIKELY(atomic_load(&h->n_blamed) == 0))
		return false;
	pthread_mutex_lock(&h->mu);
	b = find_locked(h, a);
	is = b && now < b->until_us;
	pthread_mutex_unlock(&h->mu);
	return is;
}
