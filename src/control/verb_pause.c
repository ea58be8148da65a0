/*
 * verb_pause: the commands that hold up or close what runs: PAUSE, RESUME,
 * SUSPEND, DISABLE, ENABLE, RECONNECT, WAIT_CLOSE, KILL. And KILL_CLIENT.
 *
 * A database is held by name, not by pointer, while a command waits: RELOAD
 * may take it away.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/pause.h"
#include "control/suspend.h"
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

	if (wildcard || config_database(hub->cfg, name) != NULL) {
		db = registry_database(hub->registry, hub->cfg, name);
		/* None goes but on this thread. */
		database_unref(db);
	} else
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
		    "PAUSE was ended by %s before it was complete",
		    q->plane->shutdown != SHUTDOWN_NO ? "SHUTDOWN" :
		    q->until_us != 0 && clock_mono_us() >= q->until_us ?
							"its TIMEOUT" :
							"RESUME");
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
		pause_end(q->plane, db);
}

/* "500ms", "1.5s", "2min", "1h", "30". False: that is no time. */
static bool
parse_time(const char *text, usec_t *us)
{
	static const struct {
		const char *name;
		double us;
	} units[] = {
		{ "", USEC_PER_SEC },
		{ "ms", USEC_PER_MSEC },
		{ "s", USEC_PER_SEC },
		{ "min", 60.0 * USEC_PER_SEC },
		{ "h", 3600.0 * USEC_PER_SEC },
	};
	size_t digits = strspn(text, "0123456789."), i;
	double n;
	char *end;

	if (digits == 0)
		return false;
	n = strtod(text, &end);
	for (i = 0; i < ARRAY_LEN(units); i++)
		if (end == text + digits && strcmp(end, units[i].name) == 0) {
			n *= units[i].us;
			*us = (usec_t)n;
			return n >= 1.0 && n < 1e15;
		}
	return false;
}

static bool
is_held_up(const struct plane *pl)
{
	return registry_is_paused(pl->hub->registry) || pl->suspend.on;
}

void
do_pause(struct order *q)
{
	struct database *db = NULL;
	usec_t us = 0;

	if (q->command.has_timeout && !parse_time(q->command.timeout, &us)) {
		err_set(&q->err, "22023", "invalid TIMEOUT '%s'",
		    q->command.timeout);
		err_hint(&q->err, "write 500ms, 5s, 2min or 1h");
		order_fail_err(q);
		return;
	}
	/* It could not be resumed. */
	if (q->plane->shutdown != SHUTDOWN_NO) {
		order_fail(q, "55000", "pooler is shutting down");
		return;
	}
	if (q->command.has_arg) {
		db = find(q, true);
		if (db == NULL)
			return;
		copy_str(q->name, sizeof(q->name), db->name);
	} else if (is_held_up(q->plane)) {
		order_fail(q, "55000", "already suspended/paused");
		return;
	}
	verb_log(q);
	if (us > 0)
		q->until_us = clock_mono_us() + us;
	pause_begin(q->plane, db, us);
	order_wait(q, pause_is_over, pause_canceled);
}

static void
resume_all(struct order *q)
{
	if (!is_held_up(q->plane)) {
		order_fail(q, "55000", "pooler is not paused/suspended");
		return;
	}
	verb_log(q);
	if (q->plane->suspend.on)
		suspend_end(q->plane);
	if (registry_is_paused(q->plane->hub->registry))
		pause_end(q->plane, NULL);
	order_finish(q);
}

void
do_resume(struct order *q)
{
	struct database *db;

	if (q->plane->shutdown != SHUTDOWN_NO) {
		order_fail(q, "55000", "pooler is shutting down");
		return;
	}
	if (!q->command.has_arg) {
		resume_all(q);
		return;
	}
	if (plane_is_console(q->command.arg)) {
		order_fail(q, "55000", "database %s is not paused",
		    q->command.arg);
		return;
	}
	db = find(q, false);
	if (db == NULL)
		return;
	if (!db->paused) {
		order_fail(q, "55000", "database %s is not paused", db->name);
		return;
	}
	verb_log(q);
	pause_end(q->plane, db);
	order_finish(q);
}

/* ---- SUSPEND ---- */

static void
note_paused(void *arg, struct database *d)
{
	if (d->paused)
		*(bool *)arg = true;
}

static bool
suspend_is_over(struct order *q)
{
	if (!q->plane->suspend.on)
		return !err_set(&q->err, "55000",
		    "SUSPEND was ended by RESUME before it was complete");
	return suspend_is_drained(q->plane);
}

static void
suspend_canceled(struct order *q)
{
	suspend_end(q->plane);
}

void
do_suspend(struct order *q)
{
	bool paused = false;

	if (is_held_up(q->plane)) {
		order_fail(q, "55000", "already suspended/paused");
		return;
	}
	if (q->plane->shutdown != SHUTDOWN_NO) {
		order_fail(q, "55000", "pooler is shutting down");
		return;
	}
	registry_each_database(q->plane->hub->registry, note_paused, &paused);
	if (paused) {
		order_fail(q, "55000", "cannot suspend with paused databases");
		return;
	}
	verb_log(q);
	suspend_begin(q->plane, q->seat);
	order_wait(q, suspend_is_over, suspend_canceled);
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
	registry_forget_welcomes(q->plane->hub->registry, f.db);
	workers_drop_outdated(q->plane->hub);
	order_finish(q);
}

/* ---- WAIT_CLOSE ---- */

static bool
all_are_closed(struct order *q)
{
	struct registry *r = q->plane->hub->registry;
	bool all = q->name[0] == '\0';
	struct database *db = all ? NULL : registry_find(r, q->name);

	return (!all && db == NULL) || registry_stale(r, db) == 0;
}

void
do_wait_close(struct order *q)
{
	struct database *db;

	if (q->command.has_arg) {
		db = find(q, true);
		if (db == NULL)
			return;
		copy_str(q->name, sizeof(q->name), db->name);
	}
	verb_log(q);
	order_wait(q, all_are_closed, NULL);
}

/* ---- KILL ---- */

/* The clients go, then their servers have nobody any more; those that are idle
 * go at once. The database stays paused until RESUME. */
struct kill {
	struct order *order;
	struct database *db; /* NULL: all that have pools */
};

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
note_used(struct used *u, struct database *d)
{
	/* Pools come by database, mostly; twice does no harm. */
	if (u->n > 0 && u->v[u->n - 1] == d)
		return;
	u->v = xrealloc(u->v, (u->n + 1) * sizeof(struct database *));
	u->v[u->n++] = d;
}

static void
note_awake(void *arg, struct pool *p)
{
	note_used(arg, p->db);
}

static void
note_asleep(void *arg, struct database *d, const char *user)
{
	(void)user;
	note_used(arg, d);
}

static void
pause_used(struct plane *pl)
{
	struct used u = { 0 };
	size_t i;

	registry_each_pool(pl->hub->registry, note_awake, &u);
	registry_each_asleep(pl->hub->registry, note_asleep, &u);
	for (i = 0; i < u.n; i++)
		pause_begin(pl, u.v[i], 0);
	free(u.v);
}

void
do_kill(struct order *q)
{
	struct hub *hub = q->plane->hub;
	struct database *db = NULL;
	struct kill *k;
	struct err e;

	if (is_held_up(q->plane)) {
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
		pause_begin(q->plane, db, 0);
	else
		pause_used(q->plane);
	k = xcalloc(1, sizeof(*k));
	*k = (struct kill){ .order = q, .db = db };
	registry_each_pool(hub->registry, kill_pool, k);
	registry_forget_welcomes(hub->registry, db);
	err_set(&e, "57P01", "database removed");
	err_detail(&e, "an administrator has ended all connections to it");
	workers_kill_database(hub, db, &e, kill_done, k);
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
