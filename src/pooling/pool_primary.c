/*
 * A pool whose primary has become a standby: the first write that fails says
 * so. PostgreSQL tells of itself whether it is a standby when a connection is
 * made (in_hot_standby), so a transaction that a client made read-only itself is
 * not taken for one.
 *
 * A pool that never had a primary was meant to be read from, and is left alone.
 */
#include "base/log.h"
#include "pool_private.h"
#include "pooling/database.h"

/* While there is nothing but the standby, it is not closed more often. */
#define AGAIN_US (2 * USEC_PER_SEC)

static struct server *
idle_standby_locked(struct pool *p)
{
	struct server *s;
	int i;

	for (i = 0; p->side && i < p->hub->n_workers; i++)
		TAILQ_FOREACH(s, &p->side[i].idle, entry)
			if (s->standby)
				return s;
	return NULL;
}

static void
close_idle_standbys(struct pool *p)
{
	struct server *s;

	do {
		pool_lock(p);
		s = idle_standby_locked(p);
		if (s)
			take_for_closing_locked(p, s, POOL_DEMOTED);
		pool_unlock(p);
		if (s)
			post_server(p, s);
	} while (s);
}

void
pool_read_only(struct server *s)
{
	struct pool *p = s->pool;
	usec_t now = loop_now(s->loop);
	char label[SERVER_LABEL];
	bool act;

	if (!s->standby)
		return;
	pool_lock(p);
	act = p->was_primary && !p->dead &&
	    (!p->demoted_us || now - p->demoted_us >= AGAIN_US);
	if (act) {
		p->demoted_us = now;
		atomic_store(&p->target->wants_primary, true);
		if (s->host_counted && s->target->hosts == p->target->hosts)
			target_add_standby(p->target, s->host_i, now);
	}
	pool_unlock(p);
	if (!act)
		return;
	server_label(s, label);
	log_warn("%s refuses writes: it is a standby now; closing the "
	    "connections to it and looking for the primary (database \"%s\", "
	    "user \"%s\")", label, p->db->name, p->user_name);
	if (s->dns_host)
		dns_host_outdate(s->dns_host);
	close_idle_standbys(p);
}
