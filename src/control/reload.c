#include "control/reload.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "control/diff.h"
#include "control/listener.h"
#include "control/period.h"
#include "control/source.h"
#include "control/sweep.h"
#include "io/dns.h"
#include "pooling/peers.h"
#include "pooling/registry.h"
#include "pooling/tls_set.h"
#include "pooling/worker.h"

struct change {
	struct plane *plane;
	reload_done_fn *done;
	void *arg;
};

static void
everywhere(void *arg)
{
	struct change *ch = arg;

	notify_ready(&ch->plane->notify);
	if (ch->done != NULL)
		ch->done(ch->arg, NULL);
	free(ch);
}

static bool
configure_dns(struct plane *pl, const struct config *cfg, struct err *e)
{
	struct dns_settings s = {
		.max_ttl_us = cfg->dns_max_ttl_us,
		.nxdomain_ttl_us = cfg->dns_nxdomain_ttl_us,
		.zone_period_us = cfg->dns_zone_check_period_us,
		.resolv_conf = cfg->resolv_conf,
	};

	return dns_configure(pl->hub->dns, &s, e);
}

/* What may fail comes first, and is taken back then. */
static bool
put_outside(struct plane *pl, struct config *cfg, struct err *e)
{
	struct err ignored;

	if (!tls_set_load(cfg, pl->hub->cfg, e)) {
		log_warn("TLS configuration could not be reloaded, keeping "
		    "old configuration");
		return false;
	}
	if (!configure_dns(pl, cfg, e))
		return false;
	if (plane_log_targets(pl, cfg, e))
		return true;
	configure_dns(pl, pl->hub->cfg, &ignored);
	return false;
}

/* Takes over cfg. */
static bool
put_in_force(struct plane *pl, struct config *cfg, reload_done_fn *done,
    void *arg, struct err *e)
{
	struct hub *hub = pl->hub;
	struct config *old = hub->cfg;
	struct change *ch;

	if (!put_outside(pl, cfg, e)) {
		config_unref(cfg);
		return false;
	}
	ch = xcalloc(1, sizeof(*ch));
	*ch = (struct change){ .plane = pl, .done = done, .arg = arg };
	hub->cfg = config_ref(cfg);
	diff_log(cfg, old);
	source_log_sizes(cfg, old);
	listener_configure(pl->listener, cfg);
	peers_configure(hub->peers, cfg);
	workers_config(hub, cfg, everywhere, ch);
	registry_apply(hub->registry, hub->cfg);
	workers_close_removed(hub);
	workers_drop_outdated(hub);
	period_rearm(pl);
	sweep_rearm(pl);
	config_unref(old);
	return true;
}

static void
fail(struct plane *pl, struct err *e, reload_done_fn *done, void *arg)
{
	notify_ready(&pl->notify);
	if (done != NULL)
		done(arg, e);
}

/* What the console says: the first error, and where to find the others. */
static void
failed_load(const struct config_report *rep, struct err *e)
{
	const struct err *first = &rep->errors[0];

	err_set(e, "F0000", "RELOAD failed, see logs for additional details");
	if (first->file[0] != '\0' && first->line > 0)
		err_detail(e, "%s:%d: %s", first->file, first->line,
		    first->msg);
	else if (first->file[0] != '\0')
		err_detail(e, "%s: %s", first->file, first->msg);
	else
		err_detail(e, "%s", first->msg);
	if (rep->n_errors > 1 || first->hint[0] == '\0')
		err_hint(e, "%zu errors; nothing was changed",
		    rep->n_errors + rep->n_untold);
	else
		err_hint(e, "%s; nothing was changed", first->hint);
}

void
reload_all(struct plane *pl, reload_done_fn *done, void *arg)
{
	const struct config *old = pl->hub->cfg;
	const char *path = pl->args.config_file;
	struct config_report rep;
	struct config *cfg;
	struct err e;

	err_clear(&e);
	notify_reloading(&pl->notify);
	if (path != NULL && old->conffile[0] != '\0')
		path = old->conffile;
	config_report_init(&rep);
	cfg = source_load(path, old, &rep);
	source_log_report(&rep);
	if (cfg == NULL) {
		failed_load(&rep, &e);
		fail(pl, &e, done, arg);
	} else if (!put_in_force(pl, cfg, done, arg, &e)) {
		struct err why = e;

		log_error("%s; hint: %s", e.msg, e.hint);
		err_set(&e, "F0000",
		    "RELOAD failed, see logs for additional details");
		err_detail(&e, "%s", why.msg);
		err_hint(&e, "%s", why.hint);
		fail(pl, &e, done, arg);
	}
	config_report_fini(&rep);
}

void
reload_key(struct plane *pl, const char *key, const char *value,
    reload_done_fn *done, void *arg)
{
	struct config *cfg;
	struct err why, e;

	err_clear(&why);
	cfg = config_with(pl->hub->cfg, key, value, &why);
	if (cfg != NULL && put_in_force(pl, cfg, done, arg, &why))
		return;
	err_set(&e, "22023", "SET failed");
	err_detail(&e, "%s", why.msg);
	err_hint(&e, "%s", why.hint);
	fail(pl, &e, done, arg);
}
