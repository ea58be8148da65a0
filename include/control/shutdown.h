/*
 * shutdown: the ends of the process: at once, when no server connection is
 * left, or when no client is left. While it drains, TCP connections are refused
 * and new logins are told that the pooler is shutting down; the console goes on
 * over the Unix socket. Whoever was accepted before may log in and work.
 *
 * With drain_timeout the clients are parted with, each at the end of a
 * transaction, spread over seven tenths of that time; those that are left are
 * closed shortly before it is over, and the process ends with it; console
 * sessions do not hold it up. The log has a
 * line at the beginning, every five seconds, and at the end; SHOW STATE says
 * that it is under way.
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
