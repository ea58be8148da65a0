#include <stdlib.h>
#include <time.h>

#include "control/show_tables.h"
#include "pooling/worker.h"

struct gather {
	struct order *order;
	void (*visit)(struct worker *w, struct rows *rows);
	void (*conn)(struct rows *r, struct worker *w,
	    const struct conn_info *i);
	void (*done)(struct order *q);
	int n;
	struct rows slot[];
};

static struct gather *
gather_new(struct order *q, void (*done)(struct order *q))
{
	size_t n = (size_t)q->plane->hub->n_workers, i;
	struct gather *g = xcalloc(1, sizeof(*g) + n * sizeof(g->slot[0]));

	g->order = q;
	g->done = done;
	g->n = (int)n;
	for (i = 0; i < n; i++)
		rows_init(&g->slot[i], q->rows.columns, q->rows.n_columns);
	return g;
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
	rows_unique(&q->rows);
	g->done(q);
	free(g);
}

/* On the workers, each in its own slot. */
static void
visit(struct worker *w, int slot, void *arg)
{
	struct gather *g = arg;

	g->visit(w, &g->slot[slot]);
}

void
show_gather(struct order *q, void (*fn)(struct worker *w, struct rows *rows),
    void (*done)(struct order *q))
{
	struct gather *g = gather_new(q, done);

	g->visit = fn;
	workers_visit(q->plane->hub, visit, gathered, g);
}

static void
on_client(struct worker *w, struct client *c, int slot, void *arg)
{
	struct gather *g = arg;
	struct conn_info i;

	worker_describe_client(w, c, &i);
	g->conn(&g->slot[slot], w, &i);
}

static void
on_server(struct worker *w, struct server *s, int slot, void *arg)
{
	struct gather *g = arg;
	struct conn_info i;

	worker_describe_server(w, s, &i);
	g->conn(&g->slot[slot], w, &i);
}

void
show_conns(struct order *q, enum show_over over,
    void (*fn)(struct rows *r, struct worker *w, const struct conn_info *i),
    void (*done)(struct order *q))
{
	static const struct walker walkers[] = {
		[SHOW_OVER_CLIENTS] = { .lists = WALK_CLIENTS,
		    .client = on_client },
		[SHOW_OVER_SERVERS] = { .lists = WALK_SERVERS,
		    .server = on_server },
		[SHOW_OVER_SOCKETS] = { .lists = WALK_LOGINS | WALK_CLIENTS |
			WALK_SERVERS,
		    .client = on_client,
		    .server = on_server },
	};
	struct gather *g = gather_new(q, done);

	g->conn = fn;
	workers_walk(q->plane->hub, &walkers[over], gathered, g);
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
