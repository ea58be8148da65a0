/*
 * suspend: SUSPEND: nobody is accepted, and no worker reads or lets a timer
 * run until RESUME; what has been read is sent on first. Whoever does not take
 * it within suspend_timeout is closed. Until that is done connections are still
 * accepted, so that Ctrl-C reaches the command; then no more.
 *
 * Workers go on to read their mail, so that everything on the console works.
 *
 * Thread: main.
 */
#ifndef CONTROL_SUSPEND_H
#define CONTROL_SUSPEND_H

#include "control/plane.h"

void suspend_begin(struct plane *pl, const struct seat *by);
/* Also when it is not suspended. */
void suspend_end(struct plane *pl);
/* Whether all is sent; sees to it that it will be. To be asked again. */
bool suspend_is_drained(struct plane *pl);
/* A console session has gone. The one that suspended takes it back so. */
void suspend_left(struct plane *pl, const struct seat *s);

#endif
