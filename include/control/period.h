/*
 * period: the end of each stats_period: what running sessions have counted is
 * collected, the marks that averages are taken from move on, and the
 * `stats:` line is logged.
 *
 * Averages reach from the last mark but one to now: one to two periods.
 *
 * Thread: main.
 */
#ifndef CONTROL_PERIOD_H
#define CONTROL_PERIOD_H

#include "control/plane.h"

void period_start(struct plane *pl);
void period_stop(struct plane *pl);
/* stats_period is another now: the running period ends accordingly. */
void period_rearm(struct plane *pl);

/* The figures of SHOW STATS, in the order of its columns. */
enum stat {
	STAT_ASSIGNMENTS,
	STAT_XACTS,
	STAT_QUERIES,
	STAT_RECEIVED,
	STAT_SENT,
	STAT_XACT_TIME,
	STAT_QUERY_TIME,
	STAT_WAIT_TIME,
	STAT_CLIENT_PARSES,
	STAT_SERVER_PARSES,
	STAT_BINDS,
	STAT_LOGINS,
	N_STATS
};
void period_totals(const struct counters *c, uint64_t out[N_STATS]);
/* Of what was counted in us microseconds: per second, and times for each
 * query, transaction or assignment. */
void period_averages(const struct counters *c, usec_t us,
    uint64_t out[N_STATS]);

#endif
