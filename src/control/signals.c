#include "control/signals.h"

#include <pthread.h>
#include <signal.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/log.h"
#include "control/pause.h"
#include "control/reload.h"
#include "control/shutdown.h"
#include "control/suspend.h"
#include "pooling/registry.h"

static void
on_hup(struct plane *pl)
{
	log_info("got SIGHUP, re-reading config");
	reload_all(pl, NULL, NULL);
}

static void
on_term(struct plane *pl)
{
	if (pl->shutdown != SHUTDOWN_NO) {
		log_info("got SIGTERM while shutting down, fast exit");
		shutdown_begin(pl, SHUTDOWN_NOW);
		return;
	}
	log_info("got SIGTERM, shutting down, waiting for all clients "
		 "disconnect");
	shutdown_begin(pl, SHUTDOWN_CLIENTS);
}

static void
on_int(struct plane *pl)
{
	if (pl->shutdown != SHUTDOWN_NO) {
		log_info("got SIGINT while shutting down, fast exit");
		shutdown_begin(pl, SHUTDOWN_NOW);
		return;
	}
	log_info("got SIGINT, shutting down, waiting for all servers "
		 "connections to be released");
	shutdown_begin(pl, SHUTDOWN_SERVERS);
}

static void
on_quit(struct plane *pl)
{
	log_info("got SIGQUIT, fast exit");
	shutdown_begin(pl, SHUTDOWN_NOW);
}

static void
on_usr1(struct plane *pl)
{
	if (pl->shutdown != SHUTDOWN_NO) {
		log_info("got SIGUSR1 while shutting down, ignoring");
		return;
	}
	if (registry_is_paused(pl->hub->registry) || pl->suspend.on) {
		log_info("got SIGUSR1, but already paused");
		return;
	}
	log_info("got SIGUSR1, pausing all activity");
	pause_begin(pl, NULL, 0);
}

static void
on_usr2(struct plane *pl)
{
	if (pl->shutdown != SHUTDOWN_NO) {
		log_info("got SIGUSR2 while shutting down, ignoring");
		return;
	}
	if (pl->suspend.on) {
		log_info("got SIGUSR2, continuing from SUSPEND");
		suspend_end(pl);
		return;
	}
	if (!registry_is_paused(pl->hub->registry)) {
		log_info("got SIGUSR2, but not paused");
		return;
	}
	log_info("got SIGUSR2, continuing from PAUSE");
	pause_end(pl, NULL);
}

static const struct signal_row {
	int signal;
	void (*fn)(struct plane *pl);
} rows[] = {
	{ SIGHUP, on_hup },
	{ SIGTERM, on_term },
	{ SIGINT, on_int },
	{ SIGQUIT, on_quit },
	{ SIGUSR1, on_usr1 },
	{ SIGUSR2, on_usr2 },
};

/* Signals are the process's, so there is one of these. */
static struct event events[ARRAY_LEN(rows)];

static void
taken(evutil_socket_t signo, short what, void *arg)
{
	struct plane *pl = arg;
	size_t i;

	(void)what;
	for (i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].signal == signo)
			rows[i].fn(pl);
}

static void
each_signal(sigset_t *set)
{
	size_t i;

	sigemptyset(set);
	for (i = 0; i < ARRAY_LEN(rows); i++)
		sigaddset(set, rows[i].signal);
}

void
signals_block(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	each_signal(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void
signals_start(struct plane *pl)
{
	sigset_t set;
	size_t i;

	for (i = 0; i < ARRAY_LEN(rows); i++) {
		evsignal_assign(&events[i], loop_base(pl->hub->main_loop),
		    rows[i].signal, taken, pl);
		evsignal_add(&events[i], NULL);
	}
	each_signal(&set);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void
signals_stop(void)
{
	size_t i;

	signals_block();
	for (i = 0; i < ARRAY_LEN(rows); i++)
		evsignal_del(&events[i]);
}
