/*
 * show: the tables that SHOW prints. A table is a row here: its columns, who
 * may see it, how it is filled in, and what the manual says of it. Columns of
 * the reference come first, in its order; our own follow.
 *
 * Whoever is not said to may see it may not: without `readers` a table is for
 * admins.
 *
 * Thread: main.
 */
#ifndef CONTROL_SHOW_H
#define CONTROL_SHOW_H

#include "control/plane.h"
#include "control/rows.h"

struct show {
	const char *name;
	bool readers; /* stats_users too */
	const struct rows_column *columns;
	size_t n_columns;
	/* Fills in q->rows and finishes q, now or later. */
	void (*run)(struct order *q);
	const char *help; /* whole sentences */
};

/* The tables in the order of the manual; NULL past the end. */
const struct show *show_at(size_t i);
/* Names without case; NULL if there is none. */
const struct show *show_find(const char *name);
/* Makes q->rows and runs it. */
void show_run(const struct show *s, struct order *q);

#endif
