/*
 * walk: places in a list that others take objects out of, for those who go
 * through a long list in slices. Whoever takes an object out says so first.
 *
 * Thread: that of the list.
 */
#ifndef POOLING_WALK_H
#define POOLING_WALK_H

#include <sys/queue.h>

#include "base/base.h"

struct walk {
	LIST_ENTRY(walk) link;
	void *next; /* the object it comes to next; NULL = the end */
};
LIST_HEAD(walk_list, walk);

/* `going` leaves its list, where `next` stands behind it. */
static inline void
walk_leave(struct walk_list *l, const void *going, void *next)
{
	struct walk *k;

	LIST_FOREACH(k, l, link)
		if (k->next == going)
			k->next = next;
}

#endif
