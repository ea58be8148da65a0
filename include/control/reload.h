/*
 * reload: another configuration while everything runs. Nothing changes unless
 * all of it is right; then it is in force everywhere when done() is called.
 *
 * Thread: main.
 */
#ifndef CONTROL_RELOAD_H
#define CONTROL_RELOAD_H

#include "control/plane.h"

/* Gets the error, or NULL for success. May be called before the function
 * that was given it returns. */
typedef void reload_done_fn(void *arg, const struct err *e);

/* RELOAD and SIGHUP: everything again from where it came from. The errors go
 * to the log too. done may be NULL. */
void reload_all(struct plane *pl, reload_done_fn *done, void *arg);
/* SET: one key. */
void reload_key(struct plane *pl, const char *key, const char *value,
    reload_done_fn *done, void *arg);

#endif
