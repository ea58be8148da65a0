/* A thread with its clients and servers. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pooling/parcel.h"
#include "pooling/guard.h"
#include "pooling/keycache.h"
#include "pooling/passwords.h"
#include "pooling/tally.h"
#include "worker_private.h"

/* Credentials whose keys are kept: some 400 bytes each. */
#define KEYCACHE_MAX 20000

/* ---- life ---- */

static void *
thread_main(void *arg)
{
	struct worker *w = arg;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	loop_run(w->home.loop);
	return NULL;
}

void
workers_new(struct hub *h, int n)
{
	int i;

	h->n_workers = n;
	h->waiting.max = h->cfg->max_waiting_clients;
	h->welcomes = welcome_shelf_new();
	h->guard = guard_new();
	h->keycache = keycache_new(h->derive, KEYCACHE_MAX);
	h->passwords = passwords_new(h->blocking);
	h->workers = xcalloc((size_t)n, sizeof(*h->workers));
	h->loops = xcalloc((size_t)n, sizeof(*h->loops));
	h->servers = xcalloc((size_t)n, sizeof(*h->servers));
	h->walks = xcalloc((size_t)n, sizeof(*h->walks));
	h->tallies = xcalloc((size_t)n, sizeof(struct tally *));
	for (i = 0; i < n; i++) {
		struct worker *w = xcalloc(1, sizeof(*w));

		TAILQ_INIT(&h->servers[i]);
		h->tallies[i] = tally_new();
		w->hub = h;
		w->home.hub = h;
		w->home.worker = i;
		w->home.loop = loop_new();
		w->home.cfg = config_ref(h->cfg);
		w->home.relays = relay_pool_new();
		TAILQ_INIT(&w->home.clients);
		TAILQ_INIT(&w->home.logins);
		h->workers[i] = w;
		h->loops[i] = w->home.loop;
	}
}

bool
workers_start(struct hub *h)
{
	int i;

	for (i = 0; i < h->n_workers; i++) {
		struct worker *w = h->workers[i];
		char name[24];

		if (pthread_create(&w->thread, NULL, thread_main, w) != 0)
			return false;
		w->running = true;
		snprintf(name, sizeof(name), "worker %d", i);
		(void)pthread_setname_np(w->thread, name);
	}
	registry_prewarm(h->registry, h->cfg);
	return true;
}

void
workers_stop(struct hub *h)
{
	int i;

	for (i = 0; i < h->n_workers; i++)
		if (h->workers[i]->running)
			loop_stop(h->loops[i]);
	for (i = 0; i < h->n_workers; i++)
		if (h->workers[i]->running) {
			pthread_join(h->workers[i]->thread, NULL);
			h->workers[i]->running = false;
		}
}

void
workers_free(struct hub *h)
{
	int i;

	for (i = 0; i < h->n_workers; i++) {
		struct worker *w = h->workers[i];

		/* What still exists goes with the process: sockets are closed
		 * by the kernel, and nothing may call another worker now. */
		drain_free(w->drain);
		relay_pool_free(w->home.relays);
		param_set_unref(w->home.asked);
		config_unref(w->home.cfg);
		tally_free(h->tallies[i]);
		free(w);
	}
	welcome_shelf_free(h->welcomes);
	h->welcomes = NULL;
	guard_free(h->guard);
	h->guard = NULL;
	keycache_free(h->keycache);
	h->keycache = NULL;
	passwords_free(h->passwords);
	h->passwords = NULL;
	free(h->workers);
	free(h->loops);
	free(h->servers);
	free(h->walks);
	free(h->tallies);
	h->workers = NULL;
	h->n_workers = 0;
}

/* ---- new connections ---- */

struct arrival {
	struct mail mail;
	struct worker *worker;
	int fd;
	struct addr peer;
	bool is_unix;
};

static void
on_arrival(struct mail *m, struct loop *l)
{
	struct arrival *a = CONTAINER_OF(m, struct arrival, mail);

	(void)l;
	client_new(&a->worker->home, a->fd, &a->peer, a->is_unix);
	free(a);
}

/* The one with the fewest, with one more now. */
static struct worker *
take_least_loaded(struct hub *h)
{
	struct worker *best = h->workers[0];
	int i;

	for (i = 1; i < h->n_workers; i++)
		if (atomic_load(&h->workers[i]->home.load) <
		    atomic_load(&best->home.load))
			best = h->workers[i];
	atomic_fetch_add(&best->home.load, 1);
	return best;
}

void
workers_accept(struct hub *h, int fd, const struct addr *peer, bool is_unix)
{
	struct arrival *a = xcalloc(1, sizeof(*a));
	struct worker *best = take_least_loaded(h);

	a->worker = best;
	a->fd = fd;
	a->peer = *peer;
	a->is_unix = is_unix;
	a->mail.fn = on_arrival;
	loop_post(best->home.loop, &a->mail);
}

static void
on_adopted(struct mail *m, struct loop *l)
{
	struct parcel *p = CONTAINER_OF(m, struct parcel, mail);
	struct worker *w = p->owner;

	(void)l;
	client_adopt(&w->home, p);
}

void
workers_adopt(struct hub *h, struct parcel *p)
{
	struct worker *w = take_least_loaded(h);

	p->owner = w;
	p->mail.fn = on_adopted;
	loop_post(w->home.loop, &p->mail);
}

int
worker_load(const struct worker *w)
{
	return atomic_load(&((struct worker *)(uintptr_t)w)->home.load);
}

/* ---- visits ---- */

struct visit;

struct visit_stop {
	struct mail mail;
	struct visit *visit;
	int slot;
};

struct visit {
	struct hub *hub;
	int left;
	void (*visit)(struct worker *w, int slot, void *arg);
	void (*done)(void *arg);
	void *arg;
	struct visit_stop stop[];
};

/* Back on the main thread. */
static void
on_visited(struct mail *m, struct loop *l)
{
	struct visit *v = CONTAINER_OF(m, struct visit_stop, mail)->visit;

	(void)l;
	if (--v->left > 0)
		return;
	if (v->done)
		v->done(v->arg);
	free(v);
}

static void
on_visit(struct mail *m, struct loop *l)
{
	struct visit_stop *st = CONTAINER_OF(m, struct visit_stop, mail);
	struct visit *v = st->visit;

	(void)l;
	v->visit(v->hub->workers[st->slot], st->slot, v->arg);
	m->fn = on_visited;
	loop_post(v->hub->main_loop, m);
}

void
workers_visit(struct hub *h,
    void (*visit)(struct worker *w, int slot, void *arg),
    void (*done)(void *arg), void *arg)
{
	size_t n = (size_t)h->n_workers, i;
	struct visit *v = xcalloc(1, sizeof(*v) + n * sizeof(v->stop[0]));

	v->hub = h;
	v->left = h->n_workers;
	v->visit = visit;
	v->done = done;
	v->arg = arg;
	for (i = 0; i < n; i++) {
		v->stop[i].visit = v;
		v->stop[i].slot = (int)i;
		v->stop[i].mail.fn = on_visit;
		loop_post(h->loops[i], &v->stop[i].mail);
	}
}

/* ---- configuration ---- */

struct reconfigure {
	struct config *cfg;
	void (*done)(void *arg);
	void *arg;
};

static void
take_config(struct worker *w, void *arg)
{
	struct reconfigure *r = arg;

	config_unref(w->home.cfg);
	w->home.cfg = config_ref(r->cfg);
}

/* One that logs in meanwhile has the new one already. */
static void
refresh(struct worker *w, struct client *c, int slot, void *arg)
{
	(void)slot;
	(void)arg;
	client_refresh(c, w->home.cfg);
}

static const struct walker config_walker = {
	.lists = WALK_CLIENTS,
	.begin = take_config,
	.client = refresh,
};

static void
config_taken(void *arg)
{
	struct reconfigure *r = arg;

	config_unref(r->cfg);
	if (r->done)
		r->done(r->arg);
	free(r);
}

void
workers_config(struct hub *h, struct config *cfg, void (*done)(void *arg),
    void *arg)
{
	struct reconfigure *r = xcalloc(1, sizeof(*r));

	r->cfg = config_ref(cfg);
	r->done = done;
	r->arg = arg;
	config_unref(h->cfg);
	h->cfg = cfg;
	workers_walk(h, &config_walker, config_taken, r);
}

/* RELOAD has removed its database, or given it another forced user. */
static void
close_removed(struct worker *w, struct client *c, int slot, void *arg)
{
	struct err e;

	(void)w;
	(void)slot;
	(void)arg;
	if (!pool_is_dead(c->pool))
		return;
	err_set(&e, "57P01", "database removed");
	client_kill(c, &e);
}

static const struct walker removed_walker = {
	.lists = WALK_CLIENTS,
	.client = close_removed,
};

void
workers_close_removed(struct hub *h)
{
	workers_walk(h, &removed_walker, NULL, NULL);
}

/* ---- the end ---- */

struct farewell {
	usec_t window_us;
	bool move;
	void (*done)(void *arg);
	void *arg;
};

static void
begin_drain(struct worker *w, int slot, void *arg)
{
	const struct farewell *f = arg;

	(void)slot;
	drain_free(w->drain);
	w->drain = f->window_us || f->move ?
	    drain_new(&w->home, f->window_us, f->move) : NULL;
}

static void
drain_begun(void *arg)
{
	struct farewell *f = arg;

	f->done(f->arg);
	free(f);
}

void
workers_drain(struct hub *h, usec_t window_us, bool move,
    void (*done)(void *arg), void *arg)
{
	struct farewell *f = xcalloc(1, sizeof(*f));

	f->window_us = window_us;
	f->move = move;
	f->done = done;
	f->arg = arg;
	workers_visit(h, begin_drain, drain_begun, f);
}

static void
finish_drain(struct worker *w, int slot, void *arg)
{
	(void)slot;
	(void)arg;
	drain_finish(&w->home);
}

void
workers_drain_finish(struct hub *h)
{
	workers_visit(h, finish_drain, NULL, NULL);
}

struct hub *
worker_hub(struct worker *w)
{
	return w->hub;
}

int
worker_index(const struct worker *w)
{
	return w->home.worker;
}

struct loop *
worker_loop(struct worker *w)
{
	return w->home.loop;
}

const struct config *
worker_config(const struct worker *w)
{
	return w->home.cfg;
}
