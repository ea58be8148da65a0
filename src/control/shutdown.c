#include "control/shutdown.h"

#include "base/log.h"
#include "control/listener.h"
#include "pooling/registry.h"
#include "pooling/worker.h"

#define DRAIN_US (20 * USEC_PER_MSEC)

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
	registry_pause(hub->registry, NULL);
	registry_each_pool(hub->registry, fail_waiters, &e);
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
		if (hub->clients + hub->consoles + hub->logins > 0)
			return false;
		log_info("client connections dropped, exiting");
		return true;
	case SHUTDOWN_NOW:
		return true;
	}
	return true;
}

static void
look(struct timer *t)
{
	struct plane *pl = CONTAINER_OF(t, struct plane, drain);
	struct loop *l = pl->hub->main_loop;
	usec_t begun = clock_mono_us(), now, rest;

	if (is_drained(pl)) {
		loop_stop(l);
		return;
	}
	/* Looking at very many pools must not take all of the loop's time. */
	now = clock_mono_us();
	rest = (now - begun) * 10;
	timer_set(l, &pl->drain, now + (rest > DRAIN_US ? rest : DRAIN_US));
}

void
shutdown_begin(struct plane *pl, enum shutdown_mode mode)
{
	struct hub *hub = pl->hub;
	enum shutdown_mode before = pl->shutdown;

	pl->shutdown = mode;
	hub->shutting_down = true;
	if (mode == SHUTDOWN_NOW) {
		loop_stop(hub->main_loop);
		return;
	}
	listener_close_tcp(pl->listener);
	if (mode == SHUTDOWN_SERVERS)
		drain_servers(pl);
	if (mode == SHUTDOWN_CLIENTS && before == SHUTDOWN_SERVERS) {
		/* Its clients are to go on working. */
		hub->fail_waiters = false;
		registry_resume(hub->registry, NULL);
	}
	timer_set(hub->main_loop, &pl->drain,
	    loop_now(hub->main_loop) + DRAIN_US);
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
}
