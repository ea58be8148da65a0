#include "control/plane.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* How soon a waiting command sees that it is over; and the share of the main
 * loop's time that looking may take where there are very many pools. */
#define POLL_US (10 * USEC_PER_MSEC)
#define POLL_SHARE 10

/* ---- orders ---- */

struct order *
order_new(struct plane *pl, struct seat *seat, void (*done)(struct order *q),
    void *owner)
{
	struct order *q = xcalloc(1, sizeof(*q));

	q->plane = pl;
	q->seat = seat;
	q->done = done;
	q->owner = owner;
	return q;
}

void
order_free(struct order *q)
{
	assert(!q->waiting);
	if (q->rows.columns != NULL)
		rows_fini(&q->rows);
	buf_free(&q->notices);
	free(q);
}

static void
stop_waiting(struct order *q)
{
	if (!q->waiting)
		return;
	TAILQ_REMOVE(&q->plane->waits, q, link);
	q->waiting = false;
}

void
order_finish(struct order *q)
{
	stop_waiting(q);
	if (q->done == NULL)
		order_free(q);
	else
		q->done(q);
}

void
order_fail_err(struct order *q)
{
	assert(err_is_set(&q->err));
	if (q->plane->hub->cfg->pgbouncer_sqlstates &&
	    strcmp(q->err.sqlstate, "F0000") != 0)
		copy_str(q->err.sqlstate, sizeof(q->err.sqlstate), "08P01");
	order_finish(q);
}

void
order_fail(struct order *q, const char *sqlstate, const char *fmt, ...)
{
	char text[sizeof(q->err.msg)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(&q->err, sqlstate, "%s", text);
	order_fail_err(q);
}

static void
conclude(struct order *q)
{
	if (err_is_set(&q->err))
		order_fail_err(q);
	else
		order_finish(q);
}

/* spent_us: what the last look has taken. */
static void
set_poll(struct plane *pl, usec_t spent_us)
{
	usec_t us = spent_us * POLL_SHARE;

	timer_set(pl->hub->main_loop, &pl->poll,
	    clock_mono_us() + (us > POLL_US ? us : POLL_US));
}

void
order_wait(struct order *q, bool (*ready)(struct order *q),
    void (*canceled)(struct order *q))
{
	q->ready = ready;
	q->canceled = canceled;
	if (ready(q)) {
		conclude(q);
		return;
	}
	q->waiting = true;
	TAILQ_INSERT_TAIL(&q->plane->waits, q, link);
	set_poll(q->plane, 0);
}

/* One that is over is taken out first, since its session may at once put in
 * another one. */
static void
poll_waits(struct timer *t)
{
	struct plane *pl = CONTAINER_OF(t, struct plane, poll);
	struct order *q, *next;
	struct order_list over = TAILQ_HEAD_INITIALIZER(over);
	usec_t begun = clock_mono_us(), spent;

	for (q = TAILQ_FIRST(&pl->waits); q != NULL; q = next) {
		next = TAILQ_NEXT(q, link);
		if (!q->ready(q))
			continue;
		stop_waiting(q);
		TAILQ_INSERT_TAIL(&over, q, link);
	}
	spent = clock_mono_us() - begun;
	while ((q = TAILQ_FIRST(&over)) != NULL) {
		TAILQ_REMOVE(&over, q, link);
		conclude(q);
	}
	if (!TAILQ_EMPTY(&pl->waits))
		set_poll(pl, spent);
}

void
order_cancel(struct order *q)
{
	if (!q->waiting)
		return;
	if (q->canceled != NULL)
		q->canceled(q);
	order_fail(q, "57014", "canceling statement due to user request");
}

void
order_abandon(struct order *q)
{
	q->done = NULL;
	q->owner = NULL;
	q->seat = NULL;
	if (q->waiting)
		order_finish(q);
}

/* ---- the plane ---- */

void
plane_init(struct plane *pl, struct hub *hub, const struct plane_args *args)
{
	*pl = (struct plane){ .hub = hub, .args = *args };
	notify_init(&pl->notify);
	TAILQ_INIT(&pl->seats);
	TAILQ_INIT(&pl->waits);
	TAILQ_INIT(&pl->pause_ends);
	timer_init(&pl->poll, poll_waits);
}

void
plane_fini(struct plane *pl)
{
	assert(TAILQ_EMPTY(&pl->seats));
	timer_fini(&pl->poll);
	notify_fini(&pl->notify);
}

void
plane_sit(struct plane *pl, struct seat *s)
{
	TAILQ_INSERT_TAIL(&pl->seats, s, link);
	pl->hub->consoles++;
	pl->console.logins++;
}

void
plane_leave(struct plane *pl, struct seat *s)
{
	TAILQ_REMOVE(&pl->seats, s, link);
	pl->hub->consoles--;
}

bool
plane_is_console(const char *database)
{
	return strcmp(database, CONSOLE_DATABASE) == 0 ||
	    strcmp(database, CONSOLE_SYNONYM) == 0;
}

static enum log_level
level_of(int verbose)
{
	if (verbose <= 0)
		return LVL_LOG;
	return verbose == 1 ? LVL_DEBUG : LVL_NOISE;
}

bool
plane_log_targets(const struct plane *pl, const struct config *cfg,
    struct err *e)
{
	struct log_target t = {
		.to_stderr = !pl->args.quiet,
		.file = cfg->logfile,
		.json = cfg->log_format == LOG_FORMAT_JSON,
		.syslog = cfg->syslog,
		.syslog_ident = cfg->syslog_ident,
		.syslog_facility = cfg->syslog_facility,
	};
	int verbose = pl->args.verbose;

	if (!log_configure(&t)) {
		err_set(e, "58030", "cannot open logfile \"%s\": %s",
		    cfg->logfile, strerror(errno));
		err_hint(e,
		    "check that its directory exists and that the "
		    "user the pooler runs as may write there");
		return false;
	}
	if (cfg->verbose > verbose)
		verbose = cfg->verbose;
	log_set_level(level_of(verbose));
	return true;
}
