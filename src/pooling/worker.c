/* A thread with its clients and servers. */
#include "pooling/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pooling/client.h"
#include "pooling/drain.h"
#include "pooling/keycache.h"
#include "pooling/server.h"

/* Credentials whose keys are kept: some 400 bytes each. */
#define KEYCACHE_MAX 20000

struct worker {
	struct client_home home;
	struct hub *hub;
	struct drain *drain; /* NULL while there is none */
	pthread_t thread;
	bool running;
};

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
	h->welcomes = welcome_shelf_new();
	h->keycache = keycache_new(h->derive, KEYCACHE_MAX);
	h->workers = xcalloc((size_t)n, sizeof(*h->workers));
	h->loops = xcalloc((size_t)n, sizeof(*h->loops));
	h->servers = xcalloc((size_t)n, sizeof(*h->servers));
	for (i = 0; i < n; i++) {
		struct worker *w = xcalloc(1, sizeof(*w));

		TAILQ_INIT(&h->servers[i]);
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
		config_unref(w->home.cfg);
		free(w);
	}
	welcome_shelf_free(h->welcomes);
	h->welcomes = NULL;
	keycache_free(h->keycache);
	h->keycache = NULL;
	free(h->workers);
	free(h->loops);
	free(h->servers);
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

void
workers_accept(struct hub *h, int fd, const struct addr *peer, bool is_unix)
{
	struct arrival *a = xcalloc(1, sizeof(*a));
	struct worker *best = h->workers[0];
	int i;

	for (i = 1; i < h->n_workers; i++)
		if (atomic_load(&h->workers[i]->home.load) <
		    atomic_load(&best->home.load))
			best = h->workers[i];
	atomic_fetch_add(&best->home.load, 1);
	a->worker = best;
	a->fd = fd;
	a->peer = *peer;
	a->is_unix = is_unix;
	a->mail.fn = on_arrival;
	loop_post(best->home.loop, &a->mail);
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
take_config(struct worker *w, int slot, void *arg)
{
	struct reconfigure *r = arg;
	struct client *c;

	(void)slot;
	config_unref(w->home.cfg);
	w->home.cfg = config_ref(r->cfg);
	TAILQ_FOREACH(c, &w->home.clients, link)
		client_refresh(c, r->cfg);
}

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
	workers_visit(h, take_config, config_taken, r);
}

/* RELOAD has removed their database, or given it another forced user. */
static void
close_removed(struct worker *w, int slot, void *arg)
{
	struct client *c, *next;
	struct err e;

	(void)slot;
	(void)arg;
	err_set(&e, "57P01", "database removed");
	for (c = TAILQ_FIRST(&w->home.clients); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (pool_is_dead(c->pool))
			client_kill(c, &e);
	}
}

void
workers_close_removed(struct hub *h)
{
	workers_visit(h, close_removed, NULL, NULL);
}

/* ---- the end ---- */

struct farewell {
	usec_t window_us; /* 0 = everybody stays */
	void (*done)(void *arg);
	void *arg;
};

static void
begin_drain(struct worker *w, int slot, void *arg)
{
	const struct farewell *f = arg;

	(void)slot;
	drain_free(w->drain);
	w->drain = f->window_us ? drain_new(&w->home, f->window_us) : NULL;
}

static void
drain_begun(void *arg)
{
	struct farewell *f = arg;

	f->done(f->arg);
	free(f);
}

void
workers_drain(struct hub *h, usec_t window_us, void (*done)(void *arg),
    void *arg)
{
	struct farewell *f = xcalloc(1, sizeof(*f));

	f->window_us = window_us;
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

/* ---- what SHOW asks ---- */

/* A monotonic moment as wall clock. */
static usec_t
to_wall(struct worker *w, usec_t at)
{
	return at ? clock_wall_us() - (loop_now(w->home.loop) - at) : 0;
}

static usec_t
since(struct worker *w, usec_t at)
{
	usec_t now = loop_now(w->home.loop);

	return at && now > at ? now - at : 0;
}

static void
describe_login(const struct client *c, struct conn_info *i)
{
	const struct login_result *r = login_result(c->login);

	if (r->user)
		i->user = r->user;
	if (r->database)
		i->database = r->database;
	i->application_name = r->application_name;
	i->replication = r->replication;
}

static void
describe_client(struct worker *w, const struct client *c, struct conn_info *i)
{
	const struct param_names *names = w->home.cfg->param_names;
	int app = param_index(names, "application_name");
	const struct pool_settings *set;

	memset(i, 0, sizeof(*i));
	i->user = "(nouser)";
	i->database = "(nodb)";
	i->replication = "none";
	i->application_name = "";
	i->state = client_state_show(c);
	i->socket_state = client_state_socket(c);
	i->peer = c->peer;
	addr_of_socket(&i->local, c->stream.fd);
	i->connect_wall_us = c->connect_wall_us;
	i->ptr = c;
	i->id = c->id;
	i->worker = w->home.worker;
	i->remote_pid = (int)c->peer.pid;
	i->recv_kept = keep_len(&c->held);
	i->send_kept = stream_unsent(&c->stream);
	if (c->login)
		describe_login(c, i);
	if (!c->pool)
		return;
	set = c->pool->set;
	if (set->replication)
		i->replication = set->replication;
	i->logged_in = true;
	i->user = c->user->name;
	i->database = c->db->name;
	if (app >= 0 && c->params && param_get(c->params, (size_t)app))
		i->application_name = param_get(c->params, (size_t)app);
	i->request_wall_us = to_wall(w, c->request_us);
	if (c->state == CL_WAITING)
		i->wait_us = since(w, c->waiter.since_us);
	if (!c->relay)
		return;
	i->link = relay_server(c->relay);
	i->wait_us = since(w, relay_query_since(c->relay));
	i->request_wall_us = to_wall(w, relay_request_us(c->relay));
}

void
worker_each_client(struct worker *w,
    void (*fn)(void *arg, const struct conn_info *i), void *arg)
{
	struct conn_info i;
	struct client *c;

	TAILQ_FOREACH(c, &w->home.clients, link) {
		describe_client(w, c, &i);
		fn(arg, &i);
	}
	TAILQ_FOREACH(c, &w->home.logins, link) {
		describe_client(w, c, &i);
		fn(arg, &i);
	}
}

static const char *
socket_state(enum server_state st)
{
	switch (st) {
	case SV_CONNECTING:
	case SV_LOGIN:
		return "sv_login";
	case SV_IDLE:
		return "sv_idle";
	case SV_TESTED:
		return "sv_tested";
	case SV_ACTIVE:
	case SV_DRAINING:
	case SV_CANCELING:
	case SV_MIGRATING:
	case SV_CLOSING:
	case SV_CLOSED:
	case SV_STATES:
		break;
	}
	return "sv_active";
}

static void
describe_server(struct worker *w, struct server *s, struct conn_info *i)
{
	const struct pool *p = s->pool;
	const struct pool_settings *set = p->set;
	int app = param_index(s->target->names, "application_name");

	memset(i, 0, sizeof(*i));
	i->is_server = true;
	i->user = s->target->user;
	i->database = s->target->database;
	i->replication = set->replication ? set->replication : "none";
	i->state = server_state_show(server_state(s));
	i->socket_state = socket_state(server_state(s));
	i->peer = s->addr;
	i->local = s->local;
	i->connect_wall_us = s->born_wall_us;
	i->request_wall_us = to_wall(w, s->request_us);
	i->wait_us = since(w, s->request_us);
	i->close_needed = server_state(s) == SV_CLOSING ||
	    s->generation != p->generation;
	i->ptr = s;
	i->remote_pid = (int)s->pid;
	i->application_name = app >= 0 && param_get(s->params, (size_t)app) ?
	    param_get(s->params, (size_t)app) : "";
	i->id = s->id;
	i->logged_in = !s->login;
	i->recv_kept = keep_len(&s->in);
	i->send_kept = s->stream.fd >= 0 ? stream_unsent(&s->stream) : 0;
	i->worker = w->home.worker;
}

void
worker_each_server(struct worker *w,
    void (*fn)(void *arg, const struct conn_info *i), void *arg)
{
	struct server_list *list = &w->hub->servers[w->home.worker];
	struct conn_info i;
	struct server *s;
	struct client *c;

	TAILQ_FOREACH(s, list, all) {
		describe_server(w, s, &i);
		/* The partner, if a client of this worker is linked to it. */
		TAILQ_FOREACH(c, &w->home.clients, link)
			if (c->relay && relay_server(c->relay) == s) {
				i.link = c;
				break;
			}
		fn(arg, &i);
	}
}

void
worker_flush_stats(struct worker *w)
{
	struct client *c;

	TAILQ_FOREACH(c, &w->home.clients, link)
		if (c->relay)
			relay_flush_stats(c->relay);
}

/* ---- SUSPEND ---- */

void
worker_hold(struct worker *w, bool on)
{
	loop_hold(w->home.loop, on);
}

/* Bytes that wait to be sent to it, or to its server. */
static bool
has_unsent(const struct client *c)
{
	const struct server *s = c->relay ? relay_server(c->relay) : NULL;

	return stream_unsent(&c->stream) > 0 ||
	    (s && s->stream.fd >= 0 && stream_unsent(&s->stream) > 0);
}

static size_t
flush_clients(struct client_list *list, bool drop)
{
	struct client *c, *next;
	size_t left = 0;

	for (c = TAILQ_FIRST(list); c; c = next) {
		next = TAILQ_NEXT(c, link);
		stream_flush(&c->stream);
		if (!has_unsent(c))
			continue;
		if (drop)
			client_drop(c);
		else
			left++;
	}
	return left;
}

size_t
worker_flush_bytes(struct worker *w, bool drop)
{
	struct server *s, *next;
	struct client *c;

	for (s = TAILQ_FIRST(&w->hub->servers[w->home.worker]); s; s = next) {
		next = TAILQ_NEXT(s, all);
		stream_flush(&s->stream);
	}
	/* It may be a request to cancel the SUSPEND. */
	TAILQ_FOREACH(c, &w->home.logins, link)
		if (c->state == CL_STARTUP)
			stream_wake(&c->stream);
	return flush_clients(&w->home.logins, drop) +
	    flush_clients(&w->home.clients, drop);
}

bool
worker_kill_client(struct worker *w, uint64_t id, const struct err *e)
{
	struct client *c;

	TAILQ_FOREACH(c, &w->home.clients, link)
		if (c->id == id) {
			client_kill(c, e);
			return true;
		}
	return false;
}

void
worker_kill_database(struct worker *w, struct database *db,
    const struct err *e)
{
	struct client *c, *next;

	for (c = TAILQ_FIRST(&w->home.clients); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (!db || c->db == db)
			client_kill(c, e);
	}
}

size_t
worker_client_size(void)
{
	return sizeof(struct client);
}
