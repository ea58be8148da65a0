#include "control/show.h"

#include <strings.h>

#include "control/show_tables.h"

static const struct show *const tables[] = {
	&show_pools,
	&show_databases,
	&show_users,
	&show_clients,
	&show_servers,
	&show_sockets,
	&show_active_sockets,
	&show_stats,
	&show_stats_totals,
	&show_stats_averages,
	&show_totals,
	&show_lists,
	&show_config,
	&show_state,
	&show_version,
	&show_mem,
	&show_dns_hosts,
	&show_dns_zones,
	&show_peers,
	&show_peer_pools,
	&show_fds,
	&show_hba,
	&show_sources,
	&show_waiters,
	&show_holders,
	&show_limits,
	&show_hosts,
	&show_workers,
	&show_errors,
	&show_latency,
};

const struct show *
show_at(size_t i)
{
	return i < ARRAY_LEN(tables) ? tables[i] : NULL;
}

const struct show *
show_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(tables); i++)
		if (strcasecmp(tables[i]->name, name) == 0)
			return tables[i];
	return NULL;
}

void
show_run(const struct show *s, struct order *q)
{
	rows_init(&q->rows, s->columns, s->n_columns);
	copy_str(q->tag, sizeof(q->tag), "SHOW");
	s->run(q);
}
