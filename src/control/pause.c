#include "control/pause.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pooling/registry.h"

/* By name: RELOAD may take the database away. */
struct pause_end {
	TAILQ_ENTRY(pause_end) link;
	struct plane *plane;
	struct timer timer;
	struct task bury;
	char name[COMMAND_ARG]; /* "" = all */
};

static void
bury(struct task *t)
{
	free(CONTAINER_OF(t, struct pause_end, bury));
}

static void
forget(struct pause_end *p)
{
	struct plane *pl = p->plane;

	TAILQ_REMOVE(&pl->pause_ends, p, link);
	timer_fini(&p->timer);
	p->bury.fn = bury;
	loop_bury(pl->hub->main_loop, &p->bury);
}

static struct pause_end *
find(struct plane *pl, const char *name)
{
	struct pause_end *p;

	TAILQ_FOREACH (p, &pl->pause_ends, link)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

static void
time_is_up(struct timer *t)
{
	struct pause_end *p = CONTAINER_OF(t, struct pause_end, timer);
	struct registry *r = p->plane->hub->registry;
	bool all = p->name[0] == '\0';
	struct database *db = all ? NULL : registry_find(r, p->name);

	if (all)
		log_info("PAUSE has reached its TIMEOUT, continuing");
	else
		log_info("PAUSE '%s' has reached its TIMEOUT, continuing",
		    p->name);
	if (all || db != NULL)
		registry_resume(r, db);
	forget(p);
}

void
pause_begin(struct plane *pl, struct database *db, usec_t for_us)
{
	const char *name = db != NULL ? db->name : "";
	struct pause_end *p = find(pl, name);

	registry_pause(pl->hub->registry, db);
	if (p != NULL && for_us == 0) {
		forget(p);
	} else if (for_us > 0) {
		if (p == NULL) {
			p = xcalloc(1, sizeof(*p));
			p->plane = pl;
			copy_str(p->name, sizeof(p->name), name);
			timer_init(&p->timer, time_is_up);
			TAILQ_INSERT_TAIL(&pl->pause_ends, p, link);
		}
		timer_set(pl->hub->main_loop, &p->timer,
		    clock_mono_us() + for_us);
	}
}

void
pause_end(struct plane *pl, struct database *db)
{
	struct pause_end *p = find(pl, db != NULL ? db->name : "");

	if (p != NULL)
		forget(p);
	registry_resume(pl->hub->registry, db);
}

static void
clear(void *arg, struct database *db)
{
	bool *any = arg;

	*any = atomic_exchange(&db->paused, false) || *any;
}

bool
pause_end_all(struct plane *pl)
{
	struct registry *r = pl->hub->registry;
	bool any = registry_is_paused(r);

	registry_each_database(r, clear, &any);
	pause_fini(pl);
	if (any)
		registry_resume(r, NULL);
	return any;
}

void
pause_fini(struct plane *pl)
{
	struct pause_end *p;

	while ((p = TAILQ_FIRST(&pl->pause_ends)) != NULL)
		forget(p);
}
