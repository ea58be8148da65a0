#include "control/shutdown.h"

#include "base/log.h"
#include "control/listener.h"
#include "control/pause.h"
#include "control/suspend.h"
#include "pooling/registry.h"
#include "pooling/worker.h"

#define LOOK_US (20 * USEC_PER_MSEC)
/* For the last words to arrive. */
#define LAST_WORDS_US (500 * USEC_PER_MSEC)
#define TELL_US (5 * USEC_PER_SEC)
#define TELL_SLOWLY_US (60 * USEC_PER_SEC) /* without drain_timeout */

static void
fail_waiters(void *arg, struct pool *p)
{
	pool_fail_waiters(p, arg);
}

/* The servers go as their clients let go of them, and who waits for one will
 * not get it. */
static void
drain_servers(struct plane *pl)
{
	struct hub *hub = pl->hub;
	struct err e;

	err_set(&e, "57P01", "server shutting down");
	err_detail(&e, "the connection pooler is being stopped");
	hub->fail_waiters = true;
	pause_begin(pl, NULL, 0);
	registry_each_pool(hub->registry, fail_waiters, &e);
}

/* Connections of any kind that a worker still has. */
static int
connections(const struct plane *pl)
{
	int i, n = 0;

	for (i = 0; i < pl->hub->n_workers; i++)
		n += worker_load(pl->hub->workers[i]);
	return n;
}

/* Nobody is left, and those who were told to leave have closed too, or had a
 * moment to: a socket that is closed before may lose what was said last. */
static bool
have_read(struct plane *pl)
{
	usec_t now = clock_mono_us();

	if (!pl->drain_empty_us)
		pl->drain_empty_us = now;
	return connections(pl) == 0 ||
	    now - pl->drain_empty_us >= LAST_WORDS_US;
}

static bool
is_drained(struct plane *pl)
{
	struct hub *hub = pl->hub;

	switch (pl->shutdown) {
	case SHUTDOWN_NO:
		return false;
	case SHUTDOWN_SERVERS:
		if (registry_servers(hub->registry, NULL) > 0)
			return false;
		log_info("server connections dropped, exiting");
		return true;
	case SHUTDOWN_CLIENTS:
		if (hub->clients + hub->logins > 0 ||
		    (pl->drain_over_us ? !have_read(pl) :
			hub->consoles > 0 && !pl->successor))
			return false;
		log_info("client connections dropped, exiting");
		return true;
	case SHUTDOWN_NOW:
		return true;
	}
	return true;
}

/* ---- the deadline ---- */

/* A part of the window is kept for the last words to those who are left. */
static usec_t
last_words_us(const struct plane *pl)
{
	usec_t part = (pl->drain_over_us - pl->drain_begun_us) / 10;

	return part < LAST_WORDS_US ? part : LAST_WORDS_US;
}

static void
tell_progress(struct plane *pl, usec_t now)
{
	if (now - pl->drain_told_us <
	    (pl->drain_over_us ? TELL_US : TELL_SLOWLY_US))
		return;
	pl->drain_told_us = now;
	notify_status(&pl->notify, "draining: %d clients and %d servers left",
	    (int)pl->hub->clients, registry_servers(pl->hub->registry, NULL));
	if (pl->drain_over_us)
		log_info("draining: %d clients left, %lld s until "
			 "drain_timeout", (int)pl->hub->clients,
		    (long long)((pl->drain_over_us - now) / USEC_PER_SEC));
	else
		log_info("draining: %d clients and %d servers left, no "
			 "drain_timeout is set", (int)pl->hub->clients,
		    registry_servers(pl->hub->registry, NULL));
}

/* True when time is over. */
static bool
watch_deadline(struct plane *pl, usec_t now)
{
	tell_progress(pl, now);
	if (!pl->drain_over_us)
		return false;
	if (now >= pl->drain_over_us) {
		log_warn("drain_timeout is over, exiting with %d clients",
		    (int)pl->hub->clients);
		return true;
	}
	if (!pl->drain_forced && now >= pl->drain_over_us -
	    last_words_us(pl)) {
		pl->drain_forced = true;
		log_warn("drain_timeout is over, closing the %d clients that "
		    "are left", (int)pl->hub->clients);
		workers_drain_finish(pl->hub);
	}
	return false;
}

static void
look(struct timer *t)
{
	struct plane *pl = CONTAINER_OF(t, struct plane, drain);
	struct loop *l = pl->hub->main_loop;
	usec_t begun = clock_mono_us(), now, rest;

	if (is_drained(pl) || watch_deadline(pl, begun)) {
		loop_stop(l);
		return;
	}
	/* Looking at very many pools must not take all of the loop's time. */
	now = clock_mono_us();
	rest = (now - begun) * 10;
	timer_set(l, &pl->drain, now + (rest > LOOK_US ? rest : LOOK_US));
}

/* ---- the beginning ---- */

/* Every worker has those whom the listener took before it closed. */
static void
settled(void *arg)
{
	struct plane *pl = arg;
	struct loop *l = pl->hub->main_loop;

	pl->hub->shutting_down = true;
	timer_set(l, &pl->drain, loop_now(l) + LOOK_US);
}

static void
set_deadline(struct plane *pl, enum shutdown_mode before)
{
	usec_t window = pl->hub->cfg->drain_timeout_us;
	usec_t now = clock_mono_us();

	if (before == SHUTDOWN_NO)
		pl->drain_begun_us = pl->drain_told_us = now;
	if (!window)
		return;
	if (before == SHUTDOWN_NO) {
		pl->drain_over_us = now + window;
		log_info("draining: %d clients, all to be gone in %lld ms",
		    (int)pl->hub->clients, (long long)(window / USEC_PER_MSEC));
	}
}

/* Until they leave. Nobody could RESUME any more, and those who wait would do
 * so until their patience ends. */
static void
let_them_work(struct plane *pl, enum shutdown_mode before)
{
	pl->hub->fail_waiters = false;
	if (pause_end_all(pl) && before == SHUTDOWN_NO)
		log_info("PAUSE ends: the clients are to finish");
}

/* How long the parting may take, so that those who came due last can still
 * finish what they do. */
static usec_t
parting_us(const struct plane *pl)
{
	usec_t window = pl->drain_over_us - pl->drain_begun_us;

	if (pl->shutdown != SHUTDOWN_CLIENTS || !pl->drain_over_us)
		return 0;
	return window * 7 / 10;
}

void
shutdown_begin(struct plane *pl, enum shutdown_mode mode)
{
	struct hub *hub = pl->hub;
	enum shutdown_mode before = pl->shutdown;

	pl->shutdown = mode;
	if (before == SHUTDOWN_NO)
		notify_stopping(&pl->notify);
	suspend_end(pl);
	if (mode == SHUTDOWN_NOW) {
		hub->shutting_down = true;
		loop_stop(hub->main_loop);
		return;
	}
	listener_close_tcp(pl->listener);
	set_deadline(pl, before);
	if (mode == SHUTDOWN_SERVERS)
		drain_servers(pl);
	if (mode == SHUTDOWN_CLIENTS)
		let_them_work(pl, before);
	workers_drain(hub, parting_us(pl), pl->successor, settled, pl);
}

void
shutdown_init(struct plane *pl)
{
	timer_init(&pl->drain, look);
}

void
shutdown_fini(struct plane *pl)
{
	timer_fini(&pl->drain);
	pause_fini(pl);
}
