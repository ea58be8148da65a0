/*
 * sampler: the oracle of every bound. A thread with a direct connection of
 * its own looks at pg_stat_activity every 10 ms and keeps the largest
 * number of client backends it ever saw. What the pooler says about itself
 * is no evidence.
 */
#ifndef TEST_SYSTEM_SAMPLER_H
#define TEST_SYSTEM_SAMPLER_H

struct sampler;

/* cond: SQL over pg_stat_activity, e.g. "datname = 'app'". Its own backend,
 * and all others of superuser postgres, never count. */
struct sampler *sampler_start(const char *cond);
/* Largest count so far. */
long sampler_max(struct sampler *s);
/* Samples taken so far: 0 would prove nothing. */
long sampler_count(struct sampler *s);
/* Ends it and gives the maximum. */
long sampler_stop(struct sampler *s);

#endif
