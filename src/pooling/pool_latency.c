/* Where a pool's histograms are. */
#include <stdlib.h>

#include "pool_private.h"
#include "pooling/latency.h"

/* Made outside the lock, by the only worker that adds to it. */
static struct latency *
side_latency(struct pool_side *side)
{
	struct latency *t = atomic_load_explicit(&side->latency,
	    memory_order_relaxed);

	if (LIKELY(t))
		return t;
	t = xcalloc(1, sizeof(*t));
	atomic_store_explicit(&side->latency, t, memory_order_release);
	return t;
}

struct latency *
pool_latency(struct pool *p, int worker)
{
	return side_latency(&p->side[worker]);
}

void
pool_note_login(struct pool *p, int worker, usec_t us)
{
	struct latency *t = NULL, *spare = xcalloc(1, sizeof(*spare));

	/* While the lock is held nobody frees the sides. */
	pool_lock(p);
	if (p->side) {
		t = atomic_load(&p->side[worker].latency);
		if (!t) {
			atomic_store(&p->side[worker].latency, spare);
			t = spare;
			spare = NULL;
		}
		hist_add(&t->h[LATENCY_LOGIN], (uint64_t)us);
	}
	pool_unlock(p);
	free(spare);
}

void
pool_read_latency(struct pool *p, struct hist_sum out[N_LATENCIES])
{
	struct latency *t;
	int i, k;

	pool_lock(p);
	for (i = 0; p->side && i < p->hub->n_workers; i++) {
		t = atomic_load_explicit(&p->side[i].latency,
		    memory_order_acquire);
		for (k = 0; t && k < N_LATENCIES; k++)
			hist_read(&t->h[k], &out[k]);
	}
	pool_unlock(p);
}

void
pool_free_sides(struct pool *p)
{
	int i;

	for (i = 0; p->side && i < p->hub->n_workers; i++)
		free(p->side[i].latency);
	free(p->side);
	p->side = NULL;
}
