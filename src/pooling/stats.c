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
	/* They are never the same, and so are added several at a time. */
	uint64_t *restrict t = (uint64_t *)(void *)to;
	uint64_t *restrict f = (uint64_t *)(void *)from;
	size_t i;

	for (i = 0; i < FIELDS; i++) {
		t[i] += f[i];
		f[i] = 0;
	}
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

bool
counters_are_zero(const struct counters *c)
{
	static const struct counters zero;

	return memcmp(c, &zero, sizeof(zero)) == 0;
}

void
counters_pack(struct buf *out, const struct counters *c)
{
	const uint64_t *v = (const uint64_t *)(const void *)c;
	uint32_t mask = 0;
	size_t i;

	for (i = 0; i < FIELDS; i++)
		mask |= (uint32_t)(v[i] != 0) << i;
	buf_append(out, &mask, sizeof(mask));
	for (i = 0; i < FIELDS; i++)
		if (v[i] != 0)
			buf_append(out, &v[i], sizeof(v[i]));
}

const uint8_t *
counters_unpack(const uint8_t *p, struct counters *c)
{
	uint64_t *v = (uint64_t *)(void *)c;
	uint32_t mask;
	size_t i;

	memset(c, 0, sizeof(*c));
	memcpy(&mask, p, sizeof(mask));
	p += sizeof(mask);
	for (i = 0; i < FIELDS; i++)
		if (mask & (UINT32_C(1) << i)) {
			memcpy(&v[i], p, sizeof(v[i]));
			p += sizeof(v[i]);
		}
	return p;
}

size_t
counters_packed_size(const uint8_t *p)
{
	uint32_t mask;

	if (p == NULL)
		return 0;
	memcpy(&mask, p, sizeof(mask));
	return sizeof(mask) +
	    (size_t)__builtin_popcount(mask) * sizeof(uint64_t);
}
