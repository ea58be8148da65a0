/*
 * Pools that nobody uses are put away, and made again when somebody comes.
 *
 * It happens where a reference is dropped that leaves the registry's own as
 * the last: a client's, a server's, a timer's. Under the registry's mutex
 * nobody can come by another one then. A pool whose servers could not be
 * reached a moment ago stays, so that it goes on telling that at once.
 */
#include <stdlib.h>
#include <string.h>

#include "pooling/hub.h"
#include "registry_impl.h"

/* More than that is not kept apart for the averages of SHOW STATS. */
#define RECENT_MAX (16u << 20)

/* ---- what was counted ---- */

static void
keep_recent(struct buf *out, struct database *d, const struct counters *c)
{
	if (counters_are_zero(c) || buf_len(out) >= RECENT_MAX)
		return;
	buf_append(out, &d, sizeof(d));
	counters_pack(out, c);
}

static void
read_gone(const struct database *d, struct counters *out)
{
	if (d->gone)
		counters_unpack(d->gone, out);
	else
		memset(out, 0, sizeof(*out));
}

static void
add_gone(struct registry *r, struct database *d, const struct counters *c)
{
	struct counters sum;
	struct buf b = { 0 };

	read_gone(d, &sum);
	counters_add(&sum, c);
	slab_give(r->slab, d->gone, counters_packed_size(d->gone));
	counters_pack(&b, &sum);
	d->gone = slab_take(r->slab, buf_len(&b));
	memcpy(d->gone, buf_head(&b), buf_len(&b));
	buf_free(&b);
}

void
registry_keep_counts_locked(struct registry *r, struct pool *p)
{
	struct counters now, mid, old, diff;

	pthread_mutex_lock(&p->mu);
	now = p->stats;
	mid = p->stats_mid;
	old = p->stats_old;
	memset(&p->stats, 0, sizeof(p->stats));
	memset(&p->stats_mid, 0, sizeof(p->stats_mid));
	memset(&p->stats_old, 0, sizeof(p->stats_old));
	pthread_mutex_unlock(&p->mu);
	add_gone(r, p->db, &now);
	counters_diff(&diff, &now, &mid);
	counters_add(&r->recent_sum, &diff);
	keep_recent(&r->recent, p->db, &diff);
	counters_diff(&diff, &mid, &old);
	keep_recent(&r->earlier, p->db, &diff);
}

static void
each_recent(struct buf *b,
    void (*fn)(void *arg, struct database *d, const struct counters *c),
    void *arg)
{
	const uint8_t *at = buf_head(b), *end = at + buf_len(b);

	while (at != end) {
		struct counters c;
		struct database *d;

		memcpy(&d, at, sizeof(d));
		at = counters_unpack(at + sizeof(d), &c);
		fn(arg, d, &c);
	}
}

void
registry_end_period(struct registry *r, struct counters *sum)
{
	pthread_mutex_lock(&r->mu);
	counters_move(sum, &r->recent_sum);
	buf_free(&r->earlier);
	r->earlier = r->recent;
	buf_init(&r->recent);
	r->periods++;
	pthread_mutex_unlock(&r->mu);
}

/* ---- SHOW STATS ---- */

struct gone {
	struct database *db;
	struct counters total, recent;
};

struct gone_list {
	struct gone *v;
	size_t n, cap;
};

static struct gone *
gone_new(struct gone_list *l, struct database *d)
{
	if (l->n == l->cap) {
		l->cap = l->cap > 0 ? l->cap * 2 : 64;
		l->v = xrealloc(l->v, l->cap * sizeof(*l->v));
	}
	l->v[l->n] = (struct gone){ .db = d };
	return &l->v[l->n++];
}

static bool
note_total(void *arg, struct span key, void *value)
{
	struct database *d = value;

	(void)key;
	if (d->gone)
		read_gone(d, &gone_new(arg, d)->total);
	return true;
}

static void
note_recent(void *arg, struct database *d, const struct counters *c)
{
	gone_new(arg, d)->recent = *c;
}

void
registry_each_gone(struct registry *r,
    void (*fn)(void *arg, const char *database, const struct counters *total,
	const struct counters *recent),
    void *arg)
{
	struct gone_list l = { 0 };
	size_t i;

	pthread_mutex_lock(&r->mu);
	map_each(r->databases, note_total, &l);
	each_recent(&r->recent, note_recent, &l);
	each_recent(&r->earlier, note_recent, &l);
	pthread_mutex_unlock(&r->mu);
	for (i = 0; i < l.n; i++)
		fn(arg, l.v[i].db->name, &l.v[i].total, &l.v[i].recent);
	free(l.v);
}

/* ---- falling asleep and waking ---- */

struct slot *
registry_new_slot_locked(struct registry *r, struct span name,
    struct database *db)
{
	struct slot *s = slab_take(r->slab, sizeof(*s));

	memset(s, 0, sizeof(*s));
	s->db = db;
	s->since_s = (uint32_t)(clock_mono_us() / USEC_PER_SEC);
	map_put(r->slots, name, s);
	s->name = (const char *)map_key(r->slots, name).p;
	LIST_INSERT_HEAD(&db->slots, s, of_db);
	TAILQ_INSERT_TAIL(&r->asleep, s, link);
	r->n_asleep++;
	return s;
}

static struct database_list *
list_of(struct registry *r, const struct database *d)
{
	return d->strange ? &r->strangers : &r->resting;
}

void
registry_note_resting_locked(struct registry *r, struct database *d)
{
	bool rests = d->automatic && d->n_awake == 0;

	if (d->resting == rests)
		return;
	d->resting = rests;
	if (!rests) {
		TAILQ_REMOVE(list_of(r, d), d, rest_link);
		return;
	}
	d->rest_s = (uint32_t)(clock_mono_us() / USEC_PER_SEC);
	d->rest_period = r->periods;
	TAILQ_INSERT_TAIL(list_of(r, d), d, rest_link);
}

void
registry_confirm_locked(struct registry *r, struct database *d)
{
	if (!d->strange)
		return;
	if (d->resting)
		TAILQ_REMOVE(&r->strangers, d, rest_link);
	d->resting = false;
	d->strange = false;
	r->n_strange--;
	registry_note_resting_locked(r, d);
}

static void
count_awake_locked(struct registry *r, struct database *d, int by)
{
	d->n_awake += by;
	registry_note_resting_locked(r, d);
}

void
registry_wake_locked(struct registry *r, struct slot *s, struct pool *p)
{
	TAILQ_REMOVE(&r->asleep, s, link);
	TAILQ_INSERT_TAIL(&r->awake, s, link);
	r->n_asleep--;
	count_awake_locked(r, s->db, 1);
	s->pool = p;
	if (s->welcome && s->stamp == target_stamp(p->target))
		p->welcome = s->welcome;
	else
		welcome_unref(s->welcome);
	s->welcome = NULL;
	atomic_store(&p->named, true);
}

/* Nobody but the registry has it. */
static void
fall_asleep_locked(struct registry *r, struct slot *s, struct pool *p)
{
	registry_keep_counts_locked(r, p);
	s->welcome = p->welcome;
	p->welcome = NULL;
	s->stamp = target_stamp(p->target);
	s->since_s = (uint32_t)(clock_mono_us() / USEC_PER_SEC);
	s->pool = NULL;
	TAILQ_REMOVE(&r->awake, s, link);
	TAILQ_INSERT_TAIL(&r->asleep, s, link);
	r->n_asleep++;
	count_awake_locked(r, s->db, -1);
	atomic_store(&p->named, false);
}

/* The slot of a named pool, which is an ordinary one. */
static struct slot *
slot_of_locked(struct registry *r, const struct pool *p)
{
	char buf[POOL_NAME_MAX];

	return map_get(r->slots,
	    registry_pool_name(p->db->name, p->user_name, buf));
}

void
registry_rest(struct registry *r, struct pool *p)
{
	bool over;

	pthread_mutex_lock(&r->mu);
	over = !atomic_load(&p->named);
	if (!over && atomic_fetch_sub(&p->refs, 1) == 2 && pool_may_rest(p)) {
		fall_asleep_locked(r, slot_of_locked(r, p), p);
		over = true;
	}
	pthread_mutex_unlock(&r->mu);
	/* The last reference, or one that did not turn out to be. */
	if (over)
		pool_unref(p);
}

void
registry_drop_slot_locked(struct registry *r, struct span name, struct slot *s)
{
	map_del(r->slots, name);
	LIST_REMOVE(s, of_db);
	if (s->pool) {
		TAILQ_REMOVE(&r->awake, s, link);
		count_awake_locked(r, s->db, -1);
	} else {
		TAILQ_REMOVE(&r->asleep, s, link);
		r->n_asleep--;
	}
	welcome_unref(s->welcome);
	slab_give(r->slab, s, sizeof(*s));
}

/* ---- those who sleep ---- */

struct sleeper {
	struct slot *slot;
	struct span name; /* the map's */
};

struct sleepers {
	struct sleeper *v;
	size_t n;
};

static bool
note_sleeper(void *arg, struct span key, void *value)
{
	struct sleepers *l = arg;
	struct slot *s = value;

	if (!s->pool)
		l->v[l->n++] = (struct sleeper){ s, key };
	return true;
}

/* Slots go on the main thread only, which this is: they may wake meanwhile,
 * but not go. */
static struct sleepers
list_sleepers(struct registry *r)
{
	struct sleepers l = { 0 };

	pthread_mutex_lock(&r->mu);
	l.v = xcalloc(r->n_asleep + 1, sizeof(*l.v));
	map_each(r->slots, note_sleeper, &l);
	pthread_mutex_unlock(&r->mu);
	return l;
}

/* Names hold both, with their NULs. */
static const char *
user_of(struct span name)
{
	const char *db = (const char *)name.p;

	return db + strlen(db) + 1;
}

void
registry_each_asleep(struct registry *r,
    void (*fn)(void *arg, struct database *d, const char *user), void *arg)
{
	struct sleepers l = list_sleepers(r);
	size_t i;

	for (i = 0; i < l.n; i++)
		fn(arg, l.v[i].slot->db, user_of(l.v[i].name));
	free(l.v);
}

size_t
registry_count_pools(struct registry *r)
{
	size_t n;

	pthread_mutex_lock(&r->mu);
	n = map_count(r->slots);
	pthread_mutex_unlock(&r->mu);
	return n;
}

void
registry_apply_asleep(struct registry *r, const struct config *cfg)
{
	struct sleepers l = list_sleepers(r);
	size_t i;

	for (i = 0; i < l.n; i++) {
		struct slot *s = l.v[i].slot;
		bool automatic;
		const struct database_conf *conf = registry_conf(cfg,
		    s->db->name, &automatic);

		if (conf && (!conf->user[0] ||
		    strcmp(conf->user, user_of(l.v[i].name)) == 0))
			continue;
		pthread_mutex_lock(&r->mu);
		if (!s->pool)
			registry_drop_slot_locked(r, l.v[i].name, s);
		pthread_mutex_unlock(&r->mu);
	}
	free(l.v);
}

void
registry_forget_welcomes(struct registry *r, const struct database *db)
{
	struct sleepers l = list_sleepers(r);
	size_t i;

	for (i = 0; i < l.n; i++) {
		struct slot *s = l.v[i].slot;
		struct welcome *w = NULL;

		if (db && s->db != db)
			continue;
		pthread_mutex_lock(&r->mu);
		if (!s->pool) {
			w = s->welcome;
			s->welcome = NULL;
		}
		pthread_mutex_unlock(&r->mu);
		welcome_unref(w);
	}
	free(l.v);
}
