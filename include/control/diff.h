/*
 * diff: what RELOAD or SET has changed, for the log: keys, databases, users,
 * with the values before and after; secrets are only said to have changed.
 *
 * Thread: main.
 */
#ifndef CONTROL_DIFF_H
#define CONTROL_DIFF_H

#include "policy/config.h"

/* At most DIFF_MAX lines, and then how many more there are. */
#define DIFF_MAX 100
void diff_log(const struct config *cfg, const struct config *old);

#endif
