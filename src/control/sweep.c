/* When to look for what nobody uses. */
#include "control/sweep.h"

#include "pooling/registry.h"

#define SWEEP_MIN_US (1 * USEC_PER_SEC)
#define SWEEP_MAX_US (60 * USEC_PER_SEC)
/* Between two goes while more is due: others have their turn. */
#define SWEEP_NEXT_US (10 * USEC_PER_MSEC)

static usec_t
shorter(usec_t a, usec_t b)
{
	return a == 0 || (b > 0 && b < a) ? b : a;
}

/* Databases that only strangers have asked for go in any case. */
static usec_t
interval_us(const struct config *cfg)
{
	usec_t us = shorter(cfg->autodb_idle_timeout_us,
	    cfg->pool_idle_timeout_us) / 8;

	if (cfg->autodb_idle_timeout_us <= 0 && cfg->pool_idle_timeout_us <= 0)
		return SWEEP_MAX_US;
	return us < SWEEP_MIN_US ? SWEEP_MIN_US :
	    us > SWEEP_MAX_US    ? SWEEP_MAX_US :
				   us;
}

static void
rearm(struct plane *pl, usec_t us)
{
	if (us > 0)
		timer_set(pl->hub->main_loop, &pl->sweep,
		    clock_mono_us() + us);
	else
		timer_clear(&pl->sweep);
}

void
sweep_rearm(struct plane *pl)
{
	rearm(pl, interval_us(pl->hub->cfg));
}

static void
on_time(struct timer *t)
{
	struct plane *pl = CONTAINER_OF(t, struct plane, sweep);

	if (registry_sweep(pl->hub->registry, pl->hub->cfg))
		rearm(pl, SWEEP_NEXT_US);
	else
		sweep_rearm(pl);
}

void
sweep_start(struct plane *pl)
{
	timer_init(&pl->sweep, on_time);
	sweep_rearm(pl);
}

void
sweep_stop(struct plane *pl)
{
	timer_fini(&pl->sweep);
}
