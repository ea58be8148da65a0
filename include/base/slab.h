/*
 * slab: many small things that live long, apart from what comes and goes.
 *
 * Between buffers that are given back, each of them would keep a page that is
 * nearly empty: 100,000 names would cost several times their size. Here they
 * lie side by side; what is freed is used again for things of its size, and
 * all memory goes back with the slab.
 *
 * Thread: none of its own; the owner's lock protects it.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include "base/base.h"

struct slab;

struct slab *slab_new(void);
void slab_free(struct slab *s);
/* Not zeroed. */
void *slab_take(struct slab *s, size_t n);
/* n as it was taken. */
void slab_give(struct slab *s, void *p, size_t n);

#endif
