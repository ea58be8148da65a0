#include "control/period.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "pooling/registry.h"
#include "pooling/worker.h"

void
period_totals(const struct counters *c, uint64_t out[N_STATS])
{
	out[STAT_ASSIGNMENTS] = c->assignments;
	out[STAT_XACTS] = c->xacts;
	out[STAT_QUERIES] = c->queries;
	out[STAT_RECEIVED] = c->received;
	out[STAT_SENT] = c->sent;
	out[STAT_XACT_TIME] = c->xact_us;
	out[STAT_QUERY_TIME] = c->query_us;
	out[STAT_WAIT_TIME] = c->wait_us;
	out[STAT_CLIENT_PARSES] = c->client_parses;
	out[STAT_SERVER_PARSES] = c->server_parses;
	out[STAT_BINDS] = c->binds;
	out[STAT_LOGINS] = c->logins;
}

static uint64_t
share(uint64_t sum, uint64_t n)
{
	return n > 0 ? sum / n : 0;
}

void
period_averages(const struct counters *c, usec_t us, uint64_t out[N_STATS])
{
	double seconds = (double)us / (double)USEC_PER_SEC;
	int i;

	period_totals(c, out);
	for (i = 0; i < N_STATS; i++)
		out[i] = us > 0 ? (uint64_t)((double)out[i] / seconds) : 0;
	out[STAT_XACT_TIME] = share(c->xact_us, c->xacts);
	out[STAT_QUERY_TIME] = share(c->query_us, c->queries);
	out[STAT_WAIT_TIME] = share(c->wait_us, c->assignments);
}

/* ---- the end of a period ---- */

/* Moves the marks on and adds what the period brought to sum. */
static void
move_marks(struct counters *old, struct counters *mid,
    const struct counters *now, struct counters *sum)
{
	struct counters diff;

	counters_diff(&diff, now, mid);
	counters_add(sum, &diff);
	*old = *mid;
	*mid = *now;
}

static void
roll_pool(void *arg, struct pool *p)
{
	pthread_mutex_lock(&p->mu);
	move_marks(&p->stats_old, &p->stats_mid, &p->stats, arg);
	pthread_mutex_unlock(&p->mu);
}

static void
tell_period(struct plane *pl, const struct counters *c, usec_t us)
{
	uint64_t v[N_STATS];
	char text[400];

	period_averages(c, us, v);
	snprintf(text, sizeof(text), "stats: %" PRIu64 " xacts/s, %" PRIu64 " queries/s, "
		 "%" PRIu64 " client parses/s, %" PRIu64 " server parses/s, "
		 "%" PRIu64 " binds/s, %" PRIu64 " client logins/s, "
		 "in %" PRIu64 " B/s, out %" PRIu64 " B/s, "
		 "xact %" PRIu64 " us, query %" PRIu64 " us, wait %" PRIu64
		 " us",
	    v[STAT_XACTS], v[STAT_QUERIES], v[STAT_CLIENT_PARSES],
	    v[STAT_SERVER_PARSES], v[STAT_BINDS], v[STAT_LOGINS],
	    v[STAT_RECEIVED], v[STAT_SENT], v[STAT_XACT_TIME],
	    v[STAT_QUERY_TIME], v[STAT_WAIT_TIME]);
	if (pl->hub->cfg->log_stats)
		log_info("%s", text);
	notify_status(&pl->notify, "%s", text);
}

void
period_rearm(struct plane *pl)
{
	usec_t us = pl->hub->cfg->stats_period_us;

	/* A period of nothing would be a busy loop. */
	if (us < USEC_PER_SEC)
		us = USEC_PER_SEC;
	timer_set(pl->hub->main_loop, &pl->period, pl->mid_us + us);
}

static void
collected(void *arg)
{
	struct plane *pl = arg;
	struct counters sum = { 0 };
	usec_t now = clock_mono_us();

	pl->rolling = false;
	registry_each_pool(pl->hub->registry, roll_pool, &sum);
	registry_end_period(pl->hub->registry, &sum);
	move_marks(&pl->console_old, &pl->console_mid, &pl->console, &sum);
	tell_period(pl, &sum, now - pl->mid_us);
	pl->old_us = pl->mid_us;
	pl->mid_us = now;
	period_rearm(pl);
}

static void
period_ends(struct timer *t)
{
	struct plane *pl = CONTAINER_OF(t, struct plane, period);

	/* The next one begins when all workers have told. */
	if (pl->rolling)
		return;
	pl->rolling = true;
	workers_flush_stats(pl->hub, collected, pl);
}

void
period_start(struct plane *pl)
{
	pl->old_us = pl->mid_us = clock_mono_us();
	timer_init(&pl->period, period_ends);
	period_rearm(pl);
}

void
period_stop(struct plane *pl)
{
	timer_fini(&pl->period);
}
