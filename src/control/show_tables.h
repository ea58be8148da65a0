/*
 * show_tables: the tables of SHOW, one per definition, for show.c to list; and
 * what those that ask the workers share.
 */
#ifndef CONTROL_SHOW_TABLES_H
#define CONTROL_SHOW_TABLES_H

#include "control/show.h"
#include "pooling/worker.h"

extern const struct show show_pools, show_databases, show_users;
extern const struct show show_clients, show_servers, show_sockets;
extern const struct show show_active_sockets, show_fds;
extern const struct show show_stats, show_stats_totals, show_stats_averages;
extern const struct show show_totals;
extern const struct show show_lists, show_mem, show_state, show_version;
extern const struct show show_config, show_peers, show_peer_pools;
extern const struct show show_hba, show_sources;
extern const struct show show_dns_hosts, show_dns_zones;
extern const struct show show_waiters, show_holders, show_limits;
extern const struct show show_workers, show_errors, show_latency;
extern const struct show show_hosts;

/*
 * Runs visit on every worker, each with rows of its own, with the columns of
 * q->rows; then puts them together in q->rows, sorted by key, and calls done
 * on the main thread.
 */
void show_gather(struct order *q,
    void (*visit)(struct worker *w, struct rows *rows),
    void (*done)(struct order *q));

/* The same over connections, in slices: fn adds the rows of one, with its id
 * as their key, since one that moves may come twice. */
enum show_over { SHOW_OVER_CLIENTS, SHOW_OVER_SERVERS, SHOW_OVER_SOCKETS };
void show_conns(struct order *q, enum show_over over,
    void (*fn)(struct rows *r, struct worker *w, const struct conn_info *i),
    void (*done)(struct order *q));

/* "2026-01-31 13:05:59 CET", local time. */
void show_time(struct rows *r, usec_t wall_us);

#endif
