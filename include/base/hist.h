/*
 * hist: how values are spread, in little memory: a histogram whose classes are
 * eight to each power of two, so that a percentile is off by an eighth at most,
 * from 0 to 2^36 (19 hours in microseconds); what is larger counts as that.
 *
 * One thread adds, with relaxed stores; any may read meanwhile, and sums up
 * what several threads have. Long before a class can overflow all of them are
 * halved, so that old values fade.
 */
#ifndef BASE_HIST_H
#define BASE_HIST_H

#include <stdatomic.h>

#include "base/base.h"

#define HIST_CLASSES 272

struct hist {
	_Atomic uint32_t n[HIST_CLASSES];
	_Atomic uint64_t max;
};

struct hist_sum {
	uint64_t n[HIST_CLASSES];
	uint64_t count;
	uint64_t max;
};

/* A class has reached 2^31. */
void hist_halve(struct hist *h);
/* sum += h. */
void hist_read(const struct hist *h, struct hist_sum *sum);
/* The value below which so many thousandths lie: the middle of its class, but
 * never above the maximum; 0 for none at all. */
uint64_t hist_at(const struct hist_sum *sum, unsigned permille);

static inline unsigned
hist_class(uint64_t v)
{
	unsigned e;

	if (v < 8)
		return (unsigned)v;
	if (v >> 36)
		v = (UINT64_C(1) << 36) - 1;
	e = 63 - (unsigned)__builtin_clzll(v);
	return (e - 2) * 8 + (unsigned)(v >> (e - 3) & 7);
}

static inline void
hist_add(struct hist *h, uint64_t v)
{
	_Atomic uint32_t *at = &h->n[hist_class(v)];
	uint32_t n = atomic_load_explicit(at, memory_order_relaxed) + 1;

	atomic_store_explicit(at, n, memory_order_relaxed);
	if (v > atomic_load_explicit(&h->max, memory_order_relaxed))
		atomic_store_explicit(&h->max, v, memory_order_relaxed);
	if (UNLIKELY(n >> 31))
		hist_halve(h);
}

#endif
