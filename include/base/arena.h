/*
 * arena: many small things that die together (a configuration snapshot, the
 * scratch of one login). There is no way to free one thing alone.
 *
 * Memory comes zeroed. arena_wipe_free() overwrites everything first, for
 * arenas that held secrets. Thread: one writer; readers once it is immutable.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/base.h"

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *a);
void arena_wipe_free(struct arena *a);
void *arena_alloc(struct arena *a, size_t n);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);

#endif
