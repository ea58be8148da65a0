/* Sums and differences of a pool's counters. */
#include "pooling/stats.h"

#include <string.h>

/* A struct of nothing but uint64_t, so it can be walked as an array. */
#define FIELDS (sizeof(struct counters) / sizeof(uint64_t))

void
counters_add(struct counters *to, const struct counters *from)
{
	uint64_t *t = (uint64_t *)(void *)to;
	const uint64_t *f = (const uint64_t *)(const void *)from;
	size_t i;

	for (i = 0; i < FIELDS; i++)
		t[i] += f[i];
}

void
counters_move(struct counters *to, struct counters *from)
{
	counters_add(to, from);
	memset(from, 0, sizeof(*from));
}

void
counters_diff(struct counters *out, const struct counters *now,
    const struct counters *before)
{
	uint64_t *o = (uint64_t *)(void *)out;
	const uint64_t *n = (const uint64_t *)(const void *)now;
	const uint64_t *b = (const uint64_t *)(const void *)before;
	size_t i;

	for (i = 0; i < FIELDS; i++)
		o[i] = n[i] - b[i];
}
