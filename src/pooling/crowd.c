/* Bounds on the number of those who wait. */
#include "pooling/crowd.h"

/* A plain "add, compare, take off again" would refuse somebody who finds room,
 * while another one is being refused. */
static bool
enter(struct crowd *c)
{
	int max = atomic_load_explicit(&c->max, memory_order_relaxed);
	int n = atomic_load_explicit(&c->n, memory_order_relaxed);

	do {
		if (UNLIKELY(max > 0 && n >= max))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&c->n, &n, n + 1,
	    memory_order_relaxed, memory_order_relaxed));
	return true;
}

static void
leave(struct crowd *c)
{
	atomic_fetch_sub_explicit(&c->n, 1, memory_order_relaxed);
}

static void
say_full(struct err *e, const struct crowd *c, const char *what,
    const char *name)
{
	err_set(e, "53300", "too many clients are waiting for a server "
	    "(max_waiting_clients)");
	err_detail(e, "%d may wait at the same time%s%s%s",
	    atomic_load(&c->max), what, name, name[0] ? "\"" : "");
	err_hint(e, "try again later; SHOW WAITERS and SHOW HOLDERS on the "
	    "admin console tell who waits and what for");
}

bool
crowds_enter(const struct crowds *c, struct err *e)
{
	if (!enter(c->database)) {
		say_full(e, c->database, " for database \"", c->database_name);
		return false;
	}
	if (!enter(c->user)) {
		leave(c->database);
		say_full(e, c->user, " for user \"", c->user_name);
		return false;
	}
	if (!enter(c->process)) {
		leave(c->user);
		leave(c->database);
		say_full(e, c->process, "", "");
		return false;
	}
	return true;
}

void
crowds_leave(const struct crowds *c)
{
	leave(c->database);
	leave(c->user);
	leave(c->process);
}
