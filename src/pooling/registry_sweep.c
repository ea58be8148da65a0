/*
 * What nobody has used for a while is forgotten: pools that sleep, and
 * databases that were made from the "*" line.
 *
 * Both stand in lists in the order they fell out of use, so nothing is looked
 * at that is not due. A pool's record goes by its list alone. A database is
 * referred to by its pools, and by logins that are about to ask for one: it
 * goes when it has no reference, and under the registry's mutex it gets none.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pooling/hub.h"
#include "registry_impl.h"

/* Looked at in one go. */
#define SWEEP_MAX 200
/* Lines about them in one go. */
#define SWEEP_LINES 20

/* What has been taken away, to be told when the mutex is free. */
struct swept {
	char *line[SWEEP_LINES];
	int n;
	const char *what;
	enum log_level level;
};

static void
tell(struct swept *s)
{
	int i, told = s->n < SWEEP_LINES ? s->n : SWEEP_LINES;

	for (i = 0; i < told; i++) {
		log_at(s->level, "%s", s->line[i]);
		free(s->line[i]);
	}
	if (s->n > told)
		log_at(s->level, "%s: %d more", s->what, s->n - told);
}

static bool
is_due(uint32_t since_s, usec_t after_us)
{
	return clock_mono_us() - (usec_t)since_s * USEC_PER_SEC >= after_us;
}

/* ---- pools ---- */

/* The slot's name holds both, with their NULs. */
static const char *
user_of_slot(const struct slot *s)
{
	return s->name + strlen(s->name) + 1;
}

static void
drop_sleeper_locked(struct registry *r, struct slot *s)
{
	char buf[POOL_NAME_MAX];

	registry_drop_slot_locked(r,
	    registry_pool_name(s->db->name, user_of_slot(s), buf), s);
}

static void
note_pool(struct swept *out, const struct slot *s)
{
	if (out->n++ < SWEEP_LINES)
		out->line[out->n - 1] = xasprintf("cleaning up idle pool for "
		    "user %s on db %s because: pool_idle_timeout",
		    user_of_slot(s), s->db->name);
}

static bool
sweep_pools(struct registry *r, usec_t after_us)
{
	struct swept out = { .what = "cleaning up idle pools",
		.level = LVL_LOG };
	struct slot *s = NULL;
	int i;

	pthread_mutex_lock(&r->mu);
	for (i = 0; i < SWEEP_MAX; i++) {
		s = TAILQ_FIRST(&r->asleep);
		if (!s || !is_due(s->since_s, after_us))
			break;
		note_pool(&out, s);
		drop_sleeper_locked(r, s);
	}
	pthread_mutex_unlock(&r->mu);
	tell(&out);
	return i == SWEEP_MAX;
}

/* ---- automatic databases ---- */

/* What was counted lately (registry_sleep.c) refers to databases, for two
 * periods. */
static bool
may_go_locked(const struct registry *r, const struct database *d)
{
	return atomic_load(&d->refs) == 0 && !atomic_load(&d->paused) &&
	    !atomic_load(&d->disabled) && atomic_load(&d->clients) == 0 &&
	    r->periods - d->rest_period >= 2;
}

static void
drop_database_locked(struct registry *r, struct database *d)
{
	struct slot *s;

	assert(d->n_awake == 0);
	while ((s = LIST_FIRST(&d->slots)))
		drop_sleeper_locked(r, s);
	TAILQ_REMOVE(d->strange ? &r->strangers : &r->resting, d, rest_link);
	r->n_strange -= d->strange;
	map_del(r->databases, span_of(d->name));
	registry_free_database(r, d);
}

/* It is looked at again later, and not in this go. */
static void
put_off_locked(struct database_list *list, struct database *d)
{
	TAILQ_REMOVE(list, d, rest_link);
	TAILQ_INSERT_TAIL(list, d, rest_link);
	d->rest_s = (uint32_t)(clock_mono_us() / USEC_PER_SEC) + 1;
}

static void
note_database(struct swept *out, const struct database *d)
{
	if (out->n++ < SWEEP_LINES)
		out->line[out->n - 1] = xasprintf("dropping database '%s' as it "
		    "does not exist anymore or inactive auto-database",
		    d->name);
}

static bool
sweep_databases(struct registry *r, struct database_list *list,
    usec_t after_us)
{
	struct swept out = { .what = "dropping inactive auto-databases",
		.level = LVL_WARNING };
	struct database *d;
	int i;

	pthread_mutex_lock(&r->mu);
	for (i = 0; i < SWEEP_MAX; i++) {
		d = TAILQ_FIRST(list);
		if (!d || !is_due(d->rest_s, after_us))
			break;
		if (!may_go_locked(r, d)) {
			put_off_locked(list, d);
			continue;
		}
		note_database(&out, d);
		drop_database_locked(r, d);
	}
	pthread_mutex_unlock(&r->mu);
	tell(&out);
	return i == SWEEP_MAX;
}

bool
registry_sweep(struct registry *r, const struct config *cfg)
{
	bool more = false;

	if (registry_is_paused(r))
		return false;
	if (cfg->pool_idle_timeout_us > 0)
		more = sweep_pools(r, cfg->pool_idle_timeout_us);
	if (cfg->autodb_idle_timeout_us > 0)
		more |= sweep_databases(r, &r->resting,
		    cfg->autodb_idle_timeout_us);
	return sweep_databases(r, &r->strangers, 0) || more;
}
