#include <stdlib.h>
#include <time.h>

#include "control/show_tables.h"
#include "pooling/worker.h"

struct gather {
	struct order *order;
	void (*visit)(struct worker *w, struct rows *rows);
	void (*done)(struct order *q);
	int n;
	struct rows slot[];
};

/* On the workers, each in its own slot. */
static void
visit(struct worker *w, int slot, void *arg)
{
	struct gather *g = arg;

	g->visit(w, &g->slot[slot]);
}

static void
gathered(void *arg)
{
	struct gather *g = arg;
	struct order *q = g->order;
	int i;

	for (i = 0; i < g->n; i++)
		rows_take(&q->rows, &g->slot[i]);
	rows_sort(&q->rows);
	g->done(q);
	free(g);
}

void
show_gather(struct order *q, void (*fn)(struct worker *w, struct rows *rows),
    void (*done)(struct order *q))
{
	struct hub *hub = q->plane->hub;
	size_t n = (size_t)hub->n_workers;
	struct gather *g = xcalloc(1, sizeof(*g) + n * sizeof(g->slot[0]));
	size_t i;

	g->order = q;
	g->visit = fn;
	g->done = done;
	g->n = hub->n_workers;
	for (i = 0; i < n; i++)
		rows_init(&g->slot[i], q->rows.columns, q->rows.n_columns);
	workers_visit(hub, visit, gathered, g);
}

void
show_time(struct rows *r, usec_t wall_us)
{
	time_t t = (time_t)(wall_us / USEC_PER_SEC);
	struct tm tm;
	char text[64];

	if (wall_us == 0 || localtime_r(&t, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %Z", &tm) == 0)
		rows_text(r, "");
	else
		rows_text(r, text);
}
