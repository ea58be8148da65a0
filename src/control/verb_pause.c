/*
 * verb_pause: the commands about databases: PAUSE, RESUME, DISABLE, ENABLE,
 * RECONNECT, KILL. And KILL_CLIENT.
 *
 * A database is held by name, not by pointer, while a command waits: RELOAD
 * may take it away.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/verb_impl.h"
#include "pooling/registry.h"
#include "pooling/worker.h"

/* The record of the database in the argument, made if it is configured or
 * (wildcard) "*" allows it. NULL: q has failed. */
static struct database *
find(struct order *q, bool wildcard)
{
	struct hub *hub = q->plane->hub;
	const char *name = q->command.arg;
	struct database *db = NULL;

	if (wildcard || config_database(hub->cfg, name) != NULL)
		db = registry_database(hub->registry, hub->cfg, name);
	else
		db = registry_find(hub->registry, name);
	if (db == NULL)
		order_fail(q, "3D000", "no such database: %s", name);
	return db;
}

/* ---- PAUSE, RESUME ---- */

static bool
pause_is_over(struct order *q)
{
	struct registry *r = q->plane->hub->registry;
	bool all = q->name[0] == '\0';
	struct database *db = all ? NULL : registry_find(r, q->name);

	/* A database that has been removed has nothing left to wait for. */
	if (!all && db == NULL)
		return true;
	if (all ? !registry_is_paused(r) : !db->paused)
		return !err_set(&q->err, "55000",
		    "PAUSE was ended by RESUME before it was complete");
	return registry_busy(r, db) == 0;
}

/* Ctrl-C takes it back. */
static void
pause_canceled(struct order *q)
{
	struct registry *r = q->plane->hub->registry;
	bool all = q->name[0] == '\0';
	struct database *db = all ? NULL : registry_find(r, q->name);

	/* During a shutdown the pause is no longer ours to take back. */
	if (q->plane->shutdown == SHUTDOWN_NO && (all || db != NULL))
		registry_resume(r, db);
}

void
do_pause(struct order *q)
{
	struct registry *r = q->plane->hub->registry;
	struct database *db = NULL;

	if (q->command.has_arg) {
		db = find(q, true);
		if (db == NULL)
			return;
		copy_str(q->name, sizeof(q->name), db->name);
	} else if (registry_is_paused(r)) {
		order_fail(q, "55000", "already suspended/paused");
		return;
	}
	verb_log(q);
	registry_pause(r, db);
	order_wait(q, pause_is_over, pause_canceled);
}

void
do_resume(struct order *q)
{
	struct registry *r = q->plane->hub->registry;
	struct database *db = NULL;

	if (q->plane->shutdown != SHUTDOWN_NO) {
		order_fail(q, "55000", "pooler is shutting down");
		return;
	}
	if (q->command.has_arg) {
		db = find(q, false);
		if (db == NULL)
			return;
		if (!db->paused) {
			order_fail(q, "55000", "database %s is not paused",
			    db->name);
			return;
		}
	} else if (!registry_is_paused(r)) {
		order_fail(q, "55000", "pooler is not paused/suspended");
		return;
	}
	verb_log(q);
	registry_resume(r, db);
	order_finish(q);
}

/* ---- DISABLE, ENABLE ---- */

void
do_disable(struct order *q)
{
	struct database *db = find(q, true);

	if (db == NULL)
		return;
	verb_log(q);
	db->disabled = true;
	order_finish(q);
}

void
do_enable(struct order *q)
{
	struct database *db = find(q, false);

	if (db == NULL)
		return;
	verb_log(q);
	db->disabled = false;
	order_finish(q);
}

/* ---- RECONNECT ---- */

/* Pools with the same database, or all. */
struct pool_filter {
	const struct database *db;
};

static void
reconnect_pool(void *arg, struct pool *p)
{
	const struct pool_filter *f = arg;

	if (f->db == NULL || p->db == f->db)
		pool_reconnect(p);
}

void
do_reconnect(struct order *q)
{
	struct pool_filter f = { 0 };

	if (q->command.has_arg) {
		f.db = find(q, true);
		if (f.db == NULL)
			return;
	}
	verb_log(q);
	registry_each_pool(q->plane->hub->registry, reconnect_pool, &f);
	order_finish(q);
}

/* ---- KILL ---- */

/* The clients go, then their servers have nobody any more; those that are idle
 * go at once. The database stays paused until RESUME. */
struct kill {
	struct order *order;
	struct database *db; /* NULL: all that have pools */
};

static void
kill_visit(struct worker *w, int slot, void *arg)
{
	const struct kill *k = arg;
	struct err e;

	(void)slot;
	err_set(&e, "57P01", "database removed");
	err_detail(&e, "an administrator has ended all connections to it");
	worker_kill_database(w, k->db, &e);
}

static void
kill_done(void *arg)
{
	struct kill *k = arg;

	order_finish(k->order);
	free(k);
}

static void
kill_pool(void *arg, struct pool *p)
{
	const struct kill *k = arg;

	if (k->db == NULL || p->db == k->db)
		pool_reconnect(p);
}

/* Names first: registry functions do not nest. */
struct used {
	struct database **v;
	size_t n;
};

static void
note_used(void *arg, struct pool *p)
{
	struct used *u = arg;

	/* Pools come by database. */
	if (u->n > 0 && u->v[u->n - 1] == p->db)
		return;
	u->v = xrealloc(u->v, (u->n + 1) * sizeof(struct database *));
	u->v[u->n++] = p->db;
}

static void
pause_used(struct registry *r)
{
	struct used u = { 0 };
	size_t i;

	registry_each_pool(r, note_used, &u);
	for (i = 0; i < u.n; i++)
		registry_pause(r, u.v[i]);
	free(u.v);
}

void
do_kill(struct order *q)
{
	struct hub *hub = q->plane->hub;
	struct database *db = NULL;
	struct kill *k;

	if (registry_is_paused(hub->registry)) {
		order_fail(q, "55000", "already suspended/paused");
		return;
	}
	if (q->command.has_arg) {
		db = find(q, true);
		if (db == NULL)
			return;
	}
	verb_log(q);
	if (db != NULL)
		registry_pause(hub->registry, db);
	else
		pause_used(hub->registry);
	k = xcalloc(1, sizeof(*k));
	*k = (struct kill){ .order = q, .db = db };
	registry_each_pool(hub->registry, kill_pool, k);
	workers_visit(hub, kill_visit, kill_done, k);
}

/* ---- KILL_CLIENT ---- */

struct kill_client {
	struct order *order;
	uint64_t id;
	bool found[]; /* by worker */
};

static void
admin_forced(struct err *e)
{
	err_set(e, "57P01", "admin forced disconnect");
}

static void
kill_client_visit(struct worker *w, int slot, void *arg)
{
	struct kill_client *k = arg;
	struct err e;

	admin_forced(&e);
	k->found[slot] = worker_kill_client(w, k->id, &e);
}

static void
kill_client_done(void *arg)
{
	struct kill_client *k = arg;
	bool found = false;
	int i;

	for (i = 0; i < k->order->plane->hub->n_workers; i++)
		found |= k->found[i];
	if (found)
		order_finish(k->order);
	else
		order_fail(k->order, "42704", "client not found");
	free(k);
}

static struct seat *
seat_of(struct plane *pl, uint64_t id)
{
	struct seat *s;

	TAILQ_FOREACH (s, &pl->seats, link)
		if (s->id == id)
			return s;
	return NULL;
}

static bool
parse_id(const char *text, uint64_t *id)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*id = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

void
do_kill_client(struct order *q)
{
	struct hub *hub = q->plane->hub;
	struct kill_client *k;
	struct seat *s;
	struct err e;
	uint64_t id;

	if (!parse_id(q->command.arg, &id)) {
		order_fail(q, "22023", "invalid client pointer supplied");
		return;
	}
	verb_log(q);
	s = seat_of(q->plane, id);
	if (s != NULL) {
		admin_forced(&e);
		/* Our own session has gone with q in its hands. */
		s->kill(s, &e);
		order_finish(q);
		return;
	}
	k = xcalloc(1,
	    sizeof(*k) + (size_t)hub->n_workers * sizeof(k->found[0]));
	k->order = q;
	k->id = id;
	workers_visit(hub, kill_client_visit, kill_client_done, k);
}
