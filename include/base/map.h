/*
 * map: a hash table from bytes to pointers.
 *
 * Keys are copied in. The hash is seeded per process, so strangers cannot
 * choose names that collide. Values are the caller's; the map never frees
 * them. NULL is not a value.
 *
 * Thread: none of its own; the owner's lock protects it.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/base.h"

struct map;

struct map *map_new(void);
/* With its entries in a slab of the caller's, which outlives it. */
struct slab;
struct map *map_new_in(struct slab *slab);
void map_free(struct map *m);
size_t map_count(const struct map *m);
void *map_get(const struct map *m, struct span key);
/* The map's own copy of a key, good as long as its entry stands. */
struct span map_key(const struct map *m, struct span key);
/* Returns the value that stood there before, or NULL. */
void *map_put(struct map *m, struct span key, void *value);
void *map_del(struct map *m, struct span key);
/* Walks in no order; the walk breaks off when fn returns false. fn may delete
 * the entry it stands on, and no other. */
void map_each(struct map *m,
    bool (*fn)(void *arg, struct span key, void *value), void *arg);

uint64_t hash_bytes(const void *p, size_t n);

#endif
