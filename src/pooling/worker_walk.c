/*
 * Over all connections of all workers, in slices: between two of them a worker
 * serves its clients, so that no list is too long to be looked through.
 */
#include <stdlib.h>

#include "worker_private.h"

/* Connections at a time; the dearest visitor takes some 20 us for one. */
#define SLICE 100

struct tour;

struct stop {
	struct mail mail;
	struct tour *tour;
	int slot;
	struct walk walk;
	unsigned lists; /* that are left, this one included; 0 = over */
	bool begun;
};

struct tour {
	struct hub *hub;
	const struct walker *how;
	int left; /* workers that are not through */
	void (*done)(void *arg);
	void *arg;
	struct stop stop[];
};

static unsigned
lowest(unsigned bits)
{
	return bits & -bits;
}

static void *
head_of(struct worker *w, unsigned list)
{
	if (list == WALK_LOGINS)
		return TAILQ_FIRST(&w->home.logins);
	if (list == WALK_CLIENTS)
		return TAILQ_FIRST(&w->home.clients);
	return TAILQ_FIRST(&w->hub->servers[w->home.worker]);
}

/* The place moves on first: what is visited may leave its list. */
static void
visit_next(struct worker *w, struct stop *st)
{
	const struct walker *how = st->tour->how;
	struct client *c = st->walk.next;
	struct server *s = st->walk.next;

	if (lowest(st->lists) == WALK_SERVERS) {
		st->walk.next = TAILQ_NEXT(s, all);
		how->server(w, s, st->slot, st->tour->arg);
	} else {
		st->walk.next = TAILQ_NEXT(c, link);
		how->client(w, c, st->slot, st->tour->arg);
	}
}

/* Back on the main thread. */
static void
on_through(struct mail *m, struct loop *l)
{
	struct tour *t = CONTAINER_OF(m, struct stop, mail)->tour;

	(void)l;
	if (--t->left > 0)
		return;
	if (t->done)
		t->done(t->arg);
	free(t);
}

static void
begin(struct worker *w, struct stop *st)
{
	const struct walker *how = st->tour->how;

	st->begun = true;
	st->lists = how->lists;
	if (how->begin)
		how->begin(w, st->tour->arg);
	st->walk.next = head_of(w, lowest(st->lists));
	LIST_INSERT_HEAD(&w->hub->walks[st->slot], &st->walk, link);
}

static void
on_slice(struct mail *m, struct loop *l)
{
	struct stop *st = CONTAINER_OF(m, struct stop, mail);
	struct worker *w = st->tour->hub->workers[st->slot];
	int n;

	if (!st->begun)
		begin(w, st);
	for (n = 0; n < SLICE && st->lists; n++) {
		if (st->walk.next) {
			visit_next(w, st);
			continue;
		}
		st->lists &= st->lists - 1;
		if (st->lists)
			st->walk.next = head_of(w, lowest(st->lists));
	}
	if (st->lists) {
		loop_post(l, m);
		return;
	}
	LIST_REMOVE(&st->walk, link);
	m->fn = on_through;
	loop_post(st->tour->hub->main_loop, m);
}

void
workers_walk(struct hub *h, const struct walker *how, void (*done)(void *arg),
    void *arg)
{
	size_t n = (size_t)h->n_workers, i;
	struct tour *t = xcalloc(1, sizeof(*t) + n * sizeof(t->stop[0]));

	t->hub = h;
	t->how = how;
	t->left = h->n_workers;
	t->done = done;
	t->arg = arg;
	for (i = 0; i < n; i++) {
		t->stop[i].tour = t;
		t->stop[i].slot = (int)i;
		t->stop[i].mail.fn = on_slice;
		loop_post(h->loops[i], &t->stop[i].mail);
	}
}

/* ---- short ones ---- */

static void
flush_stats(struct worker *w, struct client *c, int slot, void *arg)
{
	(void)w;
	(void)slot;
	(void)arg;
	if (c->relay)
		relay_flush_stats(c->relay);
}

static const struct walker stats_walker = {
	.lists = WALK_CLIENTS,
	.client = flush_stats,
};

void
workers_flush_stats(struct hub *h, void (*done)(void *arg), void *arg)
{
	workers_walk(h, &stats_walker, done, arg);
}

static void
look_if_moved(struct worker *w, struct server *s, int slot, void *arg)
{
	(void)w;
	(void)slot;
	(void)arg;
	pool_look_if_moved(s);
}

static const struct walker moved_walker = {
	.lists = WALK_SERVERS,
	.server = look_if_moved,
};

void
workers_close_moved(struct hub *h)
{
	workers_walk(h, &moved_walker, NULL, NULL);
}

static void
drop_outdated(struct worker *w, struct client *c, int slot, void *arg)
{
	(void)w;
	(void)slot;
	(void)arg;
	client_drop_outdated(c);
}

static const struct walker outdated_walker = {
	.lists = WALK_CLIENTS,
	.client = drop_outdated,
};

void
workers_drop_outdated(struct hub *h)
{
	workers_walk(h, &outdated_walker, NULL, NULL);
}

struct kill {
	struct database *db; /* with a reference; NULL = all */
	struct err err;
	void (*done)(void *arg);
	void *arg;
};

static void
kill_one(struct worker *w, struct client *c, int slot, void *arg)
{
	const struct kill *k = arg;

	(void)w;
	(void)slot;
	if (!k->db || c->db == k->db)
		client_kill(c, &k->err);
}

static const struct walker kill_walker = {
	.lists = WALK_CLIENTS,
	.client = kill_one,
};

static void
all_killed(void *arg)
{
	struct kill *k = arg;

	database_unref(k->db);
	k->done(k->arg);
	free(k);
}

void
workers_kill_database(struct hub *h, struct database *db,
    const struct err *e, void (*done)(void *arg), void *arg)
{
	struct kill *k = xcalloc(1, sizeof(*k));

	if (db)
		atomic_fetch_add(&db->refs, 1);
	*k = (struct kill){ .db = db, .err = *e, .done = done, .arg = arg };
	workers_walk(h, &kill_walker, all_killed, k);
}
