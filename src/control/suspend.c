#include "control/suspend.h"

#include <stdlib.h>

#include "base/log.h"
#include "control/listener.h"
#include "pooling/worker.h"

static void
hold(struct worker *w, int slot, void *arg)
{
	(void)slot;
	(void)arg;
	worker_hold(w, true);
}

static void
let_go(struct worker *w, int slot, void *arg)
{
	(void)slot;
	(void)arg;
	worker_hold(w, false);
}

void
suspend_begin(struct plane *pl, const struct seat *by)
{
	usec_t us = pl->hub->cfg->suspend_timeout_us;

	pl->suspend.on = true;
	pl->suspend.drained = false;
	pl->suspend.seat = by->id;
	pl->suspend.until_us = us > 0 ? clock_mono_us() + us : 0;
	workers_visit(pl->hub, hold, NULL, NULL);
}

void
suspend_end(struct plane *pl)
{
	if (!pl->suspend.on)
		return;
	pl->suspend.on = false;
	workers_visit(pl->hub, let_go, NULL, NULL);
	listener_resume(pl->listener);
}

void
suspend_left(struct plane *pl, const struct seat *s)
{
	if (!pl->suspend.on || pl->suspend.seat != s->id)
		return;
	log_info("the console that gave SUSPEND has gone, continuing");
	suspend_end(pl);
}

/* ---- what is unsent ---- */

struct look {
	struct plane *plane;
	bool drop;
	size_t left[]; /* by worker */
};

static void
look(struct worker *w, int slot, void *arg)
{
	struct look *k = arg;

	k->left[slot] = worker_flush_bytes(w, k->drop);
}

static void
looked(void *arg)
{
	struct look *k = arg;
	struct plane *pl = k->plane;
	size_t left = 0;
	int i;

	for (i = 0; i < pl->hub->n_workers; i++)
		left += k->left[i];
	pl->suspend.looking = false;
	pl->suspend.drained = pl->suspend.on && left == 0;
	if (pl->suspend.drained)
		listener_pause(pl->listener);
	free(k);
}

bool
suspend_is_drained(struct plane *pl)
{
	struct look *k;
	usec_t until = pl->suspend.until_us;

	if (pl->suspend.drained || pl->suspend.looking)
		return pl->suspend.drained;
	k = xcalloc(1,
	    sizeof(*k) + (size_t)pl->hub->n_workers * sizeof(k->left[0]));
	k->plane = pl;
	k->drop = until != 0 && clock_mono_us() >= until;
	pl->suspend.looking = true;
	workers_visit(pl->hub, look, looked, k);
	return false;
}
