/* Sums and percentiles of log-linear histograms. */
#include "base/hist.h"

void
hist_halve(struct hist *h)
{
	size_t i;

	for (i = 0; i < HIST_CLASSES; i++)
		atomic_store_explicit(&h->n[i],
		    atomic_load_explicit(&h->n[i], memory_order_relaxed) / 2,
		    memory_order_relaxed);
}

void
hist_read(const struct hist *h, struct hist_sum *sum)
{
	struct hist *from = (struct hist *)(uintptr_t)h;
	uint64_t max;
	size_t i;

	for (i = 0; i < HIST_CLASSES; i++) {
		uint32_t n = atomic_load_explicit(&from->n[i],
		    memory_order_relaxed);

		sum->n[i] += n;
		sum->count += n;
	}
	max = atomic_load_explicit(&from->max, memory_order_relaxed);
	if (max > sum->max)
		sum->max = max;
}

static uint64_t
middle_of(unsigned i)
{
	unsigned e;

	if (i < 8)
		return i;
	e = i / 8 + 2;
	return ((8 + (uint64_t)(i % 8)) << (e - 3)) +
	    (UINT64_C(1) << (e - 3)) / 2;
}

uint64_t
hist_at(const struct hist_sum *sum, unsigned permille)
{
	/* Rounded up: the 99th of 10 values is the last one. */
	uint64_t rank = sum->count / 1000 * permille +
	    (sum->count % 1000 * permille + 999) / 1000;
	uint64_t seen = 0, v = 0;
	unsigned i;

	if (!sum->count)
		return 0;
	for (i = 0; i < HIST_CLASSES; i++) {
		seen += sum->n[i];
		v = middle_of(i);
		if (seen >= rank && seen)
			break;
	}
	return v < sum->max ? v : sum->max;
}
