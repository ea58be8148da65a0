/*
 * main: the order in which everything is started and stopped.
 *
 * Until the configuration is right nothing is touched. Threads begin after the
 * process has gone to the background and has its user; clients are accepted
 * when everything else is there. The end takes it down in reverse order, but for
 * the hub and what hangs from it: threads have ended then, sockets and memory of
 * whoever is still connected go with the process.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include <event2/event.h>

#include "base/log.h"
#include "control/cli.h"
#include "control/console.h"
#include "control/daemon.h"
#include "control/inherit.h"
#include "control/listener.h"
#include "control/period.h"
#include "control/sweep.h"
#include "control/plane.h"
#include "control/shutdown.h"
#include "control/signals.h"
#include "control/source.h"
#include "control/takeover.h"
#include "pooling/cancel.h"
#include "pooling/peers.h"
#include "pooling/registry.h"
#include "pooling/tls_set.h"
#include "pooling/worker.h"

/* Logins whose keys wait to be derived: some 3 ms each. */
#define DERIVE_QUEUE 2000
/* Who may wait for a thread that asks LDAP or PAM. */
#define WAITING_PER_THREAD 20
/* What a thread that still works may take at the end. */
#define OFFLOAD_PATIENCE_US USEC_PER_SEC

struct process {
	struct cli cli;
	struct config *cfg; /* that of the start */
	struct daemon_link link;
	bool has_pidfile;
	struct inherited sockets;
	int predecessor; /* -R: the connection to it; else -1 */
	struct hub hub;
	struct plane plane;
};

/* Why it cannot start: one line, and what to do about it. */
static bool
fatal(const struct err *e)
{
	const char *hint = e->hint[0] != '\0' ? "; hint: " : "";
	const char *detail = e->detail[0] != '\0' ? ": " : "";

	log_fatal("%s%s%s%s%s", e->msg, detail, e->detail, hint, e->hint);
	return false;
}

/* ---- the configuration ---- */

static void
print_report(const struct config_report *rep)
{
	struct buf text = { 0 };
	size_t i;

	config_report_print(rep, &text);
	if (buf_len(&text) > 0)
		fwrite(buf_head(&text), 1, buf_len(&text), stderr);
	for (i = 0; i < rep->n_warnings; i++)
		fprintf(stderr, "warning: %s\n", rep->warnings[i]);
	buf_free(&text);
}

static int
print_config(const struct config *cfg)
{
	struct buf text = { 0 };

	config_print(cfg, &text);
	fwrite(buf_head(&text), 1, buf_len(&text), stdout);
	buf_free(&text);
	return fflush(stdout) == 0 ? 0 : 1;
}

/* For the options that only look at it. */
static int
look_at_config(const struct cli *c)
{
	struct config_report rep;
	struct config *cfg;
	struct err e;
	int status = 1;

	config_report_init(&rep);
	cfg = source_load(c->config_file, NULL, &rep);
	print_report(&rep);
	if (cfg != NULL && c->action == CLI_PRINT)
		status = print_config(cfg);
	else if (cfg != NULL && !tls_set_load(cfg, NULL, &e))
		fprintf(stderr, "%s%s%s\n", e.msg, e.hint[0] ? "\nhint: " : "",
		    e.hint);
	else if (cfg != NULL) {
		printf("%s: the configuration is right\n",
		    c->config_file ? c->config_file : "environment");
		status = 0;
	}
	config_unref(cfg);
	config_report_fini(&rep);
	return status;
}

/* The errors go to stderr as they are, with -q too: there is no log yet. */
static bool
load(struct process *p, struct config_report *rep)
{
	p->cfg = source_load(p->cli.config_file, NULL, rep);
	if (p->cfg != NULL)
		return true;
	print_report(rep);
	log_fatal("cannot load config file");
	return false;
}

/* ---- becoming a process of its own ---- */

/* True to go on; false: end with link.status, or 1 after an error. */
static bool
settle(struct process *p)
{
	const struct config *cfg = p->cfg;
	const char *user = p->cli.user ? p->cli.user : cfg->user;
	struct err e;

	err_clear(&e);
	if (p->cli.daemon && cfg->pidfile[0] == '\0') {
		err_set(&e, "F0000", "-d needs a pidfile");
		err_hint(&e, "set pidfile in the configuration");
		return fatal(&e);
	}
	if (!p->cli.takeover && !daemon_check_pidfile(cfg->pidfile, &e))
		return fatal(&e);
	if (p->cli.daemon) {
		if (!daemon_fork(&p->link, &e))
			return fatal(&e);
		if (p->link.is_parent)
			return false;
	}
	if (!daemon_drop_root(user, &e) ||
	    !plane_log_targets(&p->plane, cfg, &e) ||
	    !tls_set_load(p->cfg, NULL, &e))
		return fatal(&e);
	if (p->cli.takeover && !takeover_ask(cfg, &p->sockets,
	    &p->predecessor, &e))
		return fatal(&e);
	/* Who takes over writes it when the one before has let go. */
	if (p->predecessor == -1 && !daemon_write_pidfile(cfg->pidfile, &e))
		return fatal(&e);
	p->has_pidfile = true;
	/* No core dump, and no debugger of the same user: passwords are in this
	 * memory. Becoming another user would have undone it. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		log_warn("cannot forbid core dumps: %s", strerror(errno));
	return true;
}

/* ---- the data plane ---- */

static void
to_console(void *arg, struct handover *h)
{
	console_new(arg, h);
}

static void
accepted(void *arg, int fd, const struct addr *peer, bool is_unix)
{
	workers_accept(arg, fd, peer, is_unix);
}

/* Addresses of a name have gone. */
static void
names_changed(void *arg)
{
	workers_close_moved(arg);
}

static bool
make_hub(struct process *p, struct err *e)
{
	struct hub *hub = &p->hub;
	struct dns_settings s = {
		.max_ttl_us = p->cfg->dns_max_ttl_us,
		.nxdomain_ttl_us = p->cfg->dns_nxdomain_ttl_us,
		.zone_period_us = p->cfg->dns_zone_check_period_us,
		.resolv_conf = p->cfg->resolv_conf,
	};

	hub->main_loop = loop_new();
	hub->cfg = config_ref(p->cfg);
	hub->next_id = 1;
	random_bytes(hub->mock_seed, sizeof(hub->mock_seed));
	hub->console = to_console;
	hub->console_arg = &p->plane;
	hub->dns = dns_new(hub->main_loop, &s, e);
	if (hub->dns == NULL)
		return false;
	dns_watch(hub->dns, names_changed, hub);
	hub->keys = cancel_keys_new();
	hub->peers = peers_new(hub->dns, hub->keys);
	peers_configure(hub->peers, p->cfg);
	hub->derive = offload_new("derive", p->cfg->worker_threads,
	    DERIVE_QUEUE);
	hub->blocking = offload_new("ask", p->cfg->auth_threads,
	    p->cfg->auth_threads * WAITING_PER_THREAD);
	hub->registry = registry_new(hub);
	workers_new(hub, p->cfg->worker_threads);
	return true;
}

/* ---- running ---- */

static void
log_up(struct process *p)
{
	char *libraries = cli_libraries(
	    event_base_get_method(loop_base(p->hub.main_loop)));

	log_info("process up: %s %s, %s", PACKAGE_NAME, PACKAGE_VERSION,
	    libraries);
	free(libraries);
	source_log_sizes(p->cfg, NULL);
}

/* Everything is up: a daemon lets go of its terminal. */
static void
stand_alone(struct process *p)
{
	struct err e;

	log_up(p);
	if (p->cli.daemon) {
		p->plane.args.quiet = true;
		plane_log_targets(&p->plane, p->cfg, &e);
	}
	daemon_ready(&p->link);
}

static bool
serve(struct process *p)
{
	struct hub *hub = &p->hub;
	struct plane *pl = &p->plane;
	struct err e;
	bool ok = false;

	pl->listener = listener_open(hub->main_loop, p->cfg, &p->sockets,
	    accepted, hub, &e);
	if (pl->listener == NULL)
		return fatal(&e);
	if (!workers_start(hub)) {
		err_set(&e, "53200", "cannot start the worker threads");
		fatal(&e);
	} else {
		shutdown_init(pl);
		period_start(pl);
		sweep_start(pl);
		signals_start(pl);
		stand_alone(p);
		takeover_ready(pl, p->predecessor);
		notify_watch(&pl->notify, hub);
		notify_ready(&pl->notify);
		loop_run(hub->main_loop);
		takeover_close(pl);
		signals_stop();
		sweep_stop(pl);
		period_stop(pl);
		shutdown_fini(pl);
		ok = true;
	}
	console_end_all(pl);
	listener_close(pl->listener);
	workers_stop(hub);
	offload_free(hub->derive, OFFLOAD_PATIENCE_US);
	hub->derive = NULL;
	offload_free(hub->blocking, OFFLOAD_PATIENCE_US);
	hub->blocking = NULL;
	return ok;
}

static bool
run(struct process *p)
{
	struct err e;
	bool ok;

	daemon_raise_nofile(p->cfg);
	signals_block();
	if (!log_start()) {
		err_set(&e, "53200", "cannot start the log's thread");
		return fatal(&e);
	}
	ok = make_hub(p, &e) ? serve(p) : fatal(&e);
	plane_fini(&p->plane);
	return ok;
}

/* What the service manager has opened for us. */
static bool
adopt(struct process *p)
{
	struct err e;

	err_clear(&e);
	return inherit_take(&p->sockets, &e) || fatal(&e);
}

static int
start(struct process *p)
{
	struct plane_args args = {
		.config_file = p->cli.config_file,
		.quiet = p->cli.quiet,
		.verbose = p->cli.verbose,
	};
	struct config_report rep;
	int status = 1;

	plane_init(&p->plane, &p->hub, &args);
	config_report_init(&rep);
	if (adopt(p) && load(p, &rep) && settle(p)) {
		source_log_report(&rep);
		status = run(p) ? 0 : 1;
	} else if (p->link.is_parent) {
		status = p->link.status;
	}
	config_report_fini(&rep);
	if (p->has_pidfile)
		daemon_remove_pidfile(p->cfg->pidfile);
	config_unref(p->cfg);
	log_stop();
	return status;
}

int
main(int argc, char **argv)
{
	static struct process p = { .predecessor = -1 };

	daemon_fill_stdio();
	tzset();
	cli_parse(&p.cli, argc, argv);
	switch (p.cli.action) {
	case CLI_EXIT:
		return p.cli.status;
	case CLI_CHECK:
	case CLI_PRINT:
		return look_at_config(&p.cli);
	case CLI_RUN:
		return start(&p);
	}
	return 1;
}
