/* What SHOW tells of the guard. */
#include <arpa/inet.h>
#include <string.h>

#include "guard_private.h"

void
guard_totals(struct guard *g, struct guard_totals *out)
{
	*out = (struct guard_totals){
		.too_many = atomic_load(&g->too_many),
		.too_fast = atomic_load(&g->too_fast),
		.dropped = atomic_load(&g->dropped),
		.failed = atomic_load(&g->failed),
		.waiting = atomic_load(&g->waiting),
		.evicted = atomic_load(&g->evicted),
	};
	for (size_t i = 0; i < SHARDS; i++) {
		pthread_mutex_lock(&g->shards[i].lock);
		out->entries += g->shards[i].n;
		pthread_mutex_unlock(&g->shards[i].lock);
	}
}

static void
describe(const struct guard_source *s, struct guard_line *out, usec_t now)
{
	uint8_t ip[16] = { 0 };
	size_t n;

	*out = (struct guard_line){ .is_user = s->key.kind == KIND_USER,
		.connections = s->connections, .failed = s->failed,
		.refused = s->refused,
		.blocked_us = s->blocked_us > now ? s->blocked_us - now : 0 };
	if (out->is_user) {
		memcpy(out->name, s->key.bytes, s->key.n);
		return;
	}
	memcpy(ip, s->key.bytes, s->key.n);
	inet_ntop(s->key.kind == KIND_IP4 ? AF_INET : AF_INET6, ip, out->name,
	    sizeof(out->name) - 4);
	n = strlen(out->name);
	if (s->key.kind == KIND_IP6)
		copy_str(out->name + n, sizeof(out->name) - n, "/64");
}

size_t
guard_lines(struct guard *g, struct guard_line *out, size_t cap, usec_t now)
{
	const struct guard_source *s;
	size_t n = 0;

	for (size_t i = 0; i < SHARDS && n < cap; i++) {
		pthread_mutex_lock(&g->shards[i].lock);
		for (size_t b = 0; b < BUCKETS; b++)
			LIST_FOREACH(s, &g->shards[i].buckets[b], chain)
				if (n < cap)
					describe(s, &out[n++], now);
		pthread_mutex_unlock(&g->shards[i].lock);
	}
	return n;
}
