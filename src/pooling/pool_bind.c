/* What those who wait in a pool's queue wait for. */
#include <stdio.h>

#include "pool_private.h"
#include "pooling/database.h"

static bool
is_claiming(const struct quota_member *m)
{
	return atomic_load_explicit(&m->since_us, memory_order_relaxed) != 0;
}

static void
say_quota(struct pool_bind *b, const char *limit, struct quota *q,
    const char *whose)
{
	b->limit = limit;
	snprintf(b->detail, sizeof(b->detail), "%d of %d connections of "
	    "\"%.100s\" are in use", quota_used(q), atomic_load(&q->limit),
	    whose);
}

static void
say_size(struct pool_bind *b, const struct pool *p, int size)
{
	b->limit = p->total > p->set->size ? "reserve_pool_size" : "pool_size";
	snprintf(b->detail, sizeof(b->detail), "%d of %d servers: %d in use, "
	    "%d log in, %d drain, %d are being closed", p->total, size,
	    p->count[SV_ACTIVE], p->count[SV_CONNECTING] + p->count[SV_LOGIN],
	    p->count[SV_DRAINING] + p->count[SV_CANCELING],
	    p->count[SV_CLOSING]);
}

/* In the order in which pool_pump() meets them. */
static void
bind_locked(const struct pool *p, struct pool_bind *b)
{
	const struct pool_settings *set = p->set;
	int logins = p->count[SV_CONNECTING] + p->count[SV_LOGIN];
	int size = set->size;

	if (p->total > size)
		size += set->reserve;
	if (p->paused) {
		b->limit = "paused";
		copy_str(b->detail, sizeof(b->detail),
		    "by PAUSE or KILL; RESUME ends it");
	} else if (p->down.down && p->down.fault && !usable_locked(p)) {
		b->limit = "server_down";
		snprintf(b->detail, sizeof(b->detail), "%.200s",
		    p->down.fault->err.msg);
	} else if (is_claiming(&p->by_db)) {
		say_quota(b, "max_db_connections", &p->db->servers,
		    p->db->name);
	} else if (is_claiming(&p->by_user)) {
		say_quota(b, "max_user_connections", &p->user->servers,
		    p->user->name);
	} else if (set->size > 0 && p->total >= size) {
		say_size(b, p, size);
	} else if (logins >= set->login_parallel) {
		b->limit = "server_login_parallel";
		snprintf(b->detail, sizeof(b->detail),
		    "%d servers are logging in", logins);
	} else {
		b->limit = "none";
		copy_str(b->detail, sizeof(b->detail), "a server is coming");
	}
}

void
pool_binding(struct pool *p, struct pool_bind *out)
{
	pool_lock(p);
	bind_locked(p, out);
	pool_unlock(p);
}
