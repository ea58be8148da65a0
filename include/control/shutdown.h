/*
 * shutdown: the ends of the process: at once, when no server connection is
 * left, or when no client is left. While it drains, TCP connections are refused
 * and new logins are told that the pooler is shutting down; the console goes on
 * over the Unix socket.
 *
 * Thread: main.
 */
#ifndef CONTROL_SHUTDOWN_H
#define CONTROL_SHUTDOWN_H

#include "control/plane.h"

void shutdown_init(struct plane *pl);
void shutdown_fini(struct plane *pl);
/* Begins, or replaces the mode of the one under way. */
void shutdown_begin(struct plane *pl, enum shutdown_mode mode);

#endif
