/* Rotation, priorities and weights. */
#include "io/dns_order.h"

#include <assert.h>
#include <stdlib.h>

void
dns_order_turn(const struct dns_place *v, size_t n, unsigned turn,
    struct addr *out)
{
	size_t start = 0, len, i;

	for (; start < n; start += len) {
		len = 1;
		while (start + len < n &&
		    v[start + len].addr.family == v[start].addr.family)
			len++;
		for (i = 0; i < len; i++)
			out[start + i] = v[start + (turn + i) % len].addr;
	}
}

/* ---- services ---- */

struct target {
	size_t first, n; /* its places */
	uint16_t priority, weight;
	bool taken;
};

static size_t
find_targets(const struct dns_place *v, size_t n, struct target *t)
{
	size_t i, k = 0;

	for (i = 0; i < n; i++) {
		if (k > 0 && v[i].target == v[i - 1].target) {
			t[k - 1].n++;
			continue;
		}
		t[k++] = (struct target){ .first = i, .n = 1,
			.priority = v[i].priority, .weight = v[i].weight };
	}
	return k;
}

/*
 * RFC 2782: those without weight come first in the list, and the first is
 * taken whose running sum of weights is at least a number from 0 to the sum.
 * So one without weight has a very small chance, and all are the same when
 * none has any.
 */
static struct target *
draw(struct target *t, size_t k, uint16_t priority, uint32_t number)
{
	uint64_t sum = 0, upto = 0;
	size_t i, left = 0, nth;
	int pass;

	for (i = 0; i < k; i++)
		if (!t[i].taken && t[i].priority == priority) {
			sum += t[i].weight;
			left++;
		}
	nth = number % left;
	number = (uint32_t)(number % (sum + 1));
	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < k; i++) {
			if (t[i].taken || t[i].priority != priority ||
			    (t[i].weight == 0) != (pass == 0))
				continue;
			upto += t[i].weight;
			if (sum > 0 ? upto >= number : nth-- == 0)
				return &t[i];
		}
	return NULL;
}

void
dns_order_service(const struct dns_place *v, size_t n,
    uint32_t (*random)(void *arg), void *arg, struct addr *out)
{
	struct target *t = xcalloc(n ? n : 1, sizeof(*t));
	size_t k = find_targets(v, n, t), done, i, at = 0;

	for (done = 0; done < k; done++) {
		struct target *next;
		int lowest = -1;

		for (i = 0; i < k; i++)
			if (!t[i].taken &&
			    (lowest < 0 || t[i].priority < lowest))
				lowest = t[i].priority;
		next = draw(t, k, (uint16_t)lowest, random(arg));
		assert(next);
		next->taken = true;
		for (i = 0; i < next->n; i++)
			out[at++] = v[next->first + i].addr;
	}
	free(t);
}

/* ---- those that failed ---- */

void
dns_order_blamed(struct addr *v, size_t n, const bool *blamed)
{
	struct addr *last = xcalloc(n ? n : 1, sizeof(*last));
	size_t i, k = 0, at = 0;

	for (i = 0; i < n; i++) {
		if (blamed[i])
			last[k++] = v[i];
		else
			v[at++] = v[i];
	}
	for (i = 0; i < k; i++)
		v[at++] = last[i];
	free(last);
}
