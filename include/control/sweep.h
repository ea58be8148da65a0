/*
 * sweep: forgets now and then what nobody uses: registry_sweep() by the clock.
 * How often goes by the times that are configured, an eighth of them; where
 * nothing is due it looks at the heads of two lists.
 *
 * Thread: main.
 */
#ifndef CONTROL_SWEEP_H
#define CONTROL_SWEEP_H

#include "control/plane.h"

void sweep_start(struct plane *pl);
void sweep_stop(struct plane *pl);
/* The configuration has changed. */
void sweep_rearm(struct plane *pl);

#endif
