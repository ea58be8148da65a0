/*
 * source: where the configuration comes from: a file and what it includes, or
 * the environment.
 *
 * Thread: main; it reads files and waits for them.
 */
#ifndef CONTROL_SOURCE_H
#define CONTROL_SOURCE_H

#include "policy/config.h"

/* Loads path, or the environment if it is NULL. running: the snapshot in use,
 * NULL at the start. NULL with the errors in rep. */
struct config *source_load(const char *path, const struct config *running,
    struct config_report *rep);
/* Every error (unless rep is of a good load) and warning, a line each. */
void source_log_report(const struct config_report *rep);
/* How the size of each database's pools came about; old not NULL: of those
 * only whose size has changed. */
void source_log_sizes(const struct config *cfg, const struct config *old);

#endif
