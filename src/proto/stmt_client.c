/* The names that a client has given. */
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "stmt_private.h"

/* A copy larger than this goes when a much smaller one comes. */
#define UNNAMED_SPARE 4096

struct stmt_client *
stmt_client_new(void)
{
	return xcalloc(1, sizeof(struct stmt_client));
}

static bool
free_name(void *arg, struct span key, void *value)
{
	struct stmt_name *n = value;

	(void)arg;
	(void)key;
	stmt_unref(n->stmt);
	free(n);
	return true;
}

void
stmt_client_free(struct stmt_client *c)
{
	if (c == NULL)
		return;
	if (c->names != NULL)
		map_each(c->names, free_name, NULL);
	map_free(c->names);
	stmt_unnamed_clear(&c->unnamed);
	free(c->unnamed.tail);
	free(c);
}

enum stmt_state
stmt_client_get(struct stmt_client *c, struct span name, uint32_t batch,
    struct stmt **s)
{
	struct stmt_name *n;

	*s = NULL;
	if (c == NULL || c->names == NULL)
		return STMT_NO;
	c->found = n = map_get(c->names, name);
	if (n == NULL)
		return STMT_NO;
	if (UNLIKELY(n->newest != NULL)) {
		if (n->newest->batch != batch)
			return STMT_WAIT;
		*s = n->newest->to;
	} else {
		*s = n->stmt;
	}
	return *s != NULL ? STMT_YES : STMT_NO;
}

void
stmt_client_describes(struct stmt_client *c)
{
	if (c->found != NULL)
		c->found->described = true;
}

bool
stmt_client_binds(struct stmt_client *c, bool unnamed)
{
	if (unnamed)
		c->bound = c->found;
	return c->all_described || c->found == NULL || c->found->described;
}

void
stmt_client_describes_portal(struct stmt_client *c, bool unnamed)
{
	if (!unnamed)
		c->all_described = true;
	else if (c->bound != NULL)
		c->bound->described = true;
}

size_t
stmt_client_count(const struct stmt_client *c)
{
	return c != NULL ? c->count : 0;
}

static size_t
cost(size_t name_n, size_t tail_n)
{
	return STMT_CLIENT_EACH + 2 * name_n + tail_n;
}

bool
stmt_client_has_room(const struct stmt_client *c, struct span name,
    size_t tail_n)
{
	size_t more = cost(name.n, tail_n);

	return c->bytes < STMT_CLIENT_MAX &&
	    more <= STMT_CLIENT_MAX - c->bytes;
}

struct stmt_name *
stmt_name_need(struct stmt_client *c, struct span name)
{
	struct stmt_name *n;

	if (c->names == NULL)
		c->names = map_new();
	n = map_get(c->names, name);
	if (n != NULL)
		return n;
	n = xcalloc(1, sizeof(*n) + name.n);
	n->n = (uint32_t)name.n;
	memcpy(n->text, name.p, name.n);
	map_put(c->names, name, n);
	return n;
}

void
stmt_name_set(struct stmt_client *c, struct stmt_name *n, struct stmt *s)
{
	if (n->stmt != NULL) {
		c->count--;
		c->bytes -= cost(n->n, n->stmt->tail_n);
		stmt_unref(n->stmt);
	}
	n->stmt = s;
	if (s != NULL) {
		c->count++;
		c->bytes += cost(n->n, s->tail_n);
	}
}

static void
free_record(struct stmt_client *c, struct stmt_name *n)
{
	if (c->found == n)
		c->found = NULL;
	if (c->bound == n)
		c->bound = NULL;
	map_del(c->names, SPAN(n->text, n->n));
	free(n);
}

static void
drop_if_unused(struct stmt_client *c, struct stmt_name *n)
{
	if (n->stmt != NULL || n->newest != NULL)
		return;
	free_record(c, n);
	if (map_count(c->names) > 0)
		return;
	map_free(c->names);
	c->names = NULL;
}

void
stmt_name_ended(struct stmt_client *c, struct stmt_name *name,
    struct stmt_op *op, bool done)
{
	if (done)
		stmt_name_set(c, name, op->to != NULL ? stmt_ref(op->to) : NULL);
	else
		/* It means again what it meant before, if anything. */
		name->described = true;
	if (name->newest == op)
		name->newest = NULL;
	drop_if_unused(c, name);
}

void
stmt_client_replace(struct stmt_client *c, struct span name, struct stmt *s)
{
	struct stmt_name *n = stmt_name_need(c, name);

	if (n->newest != NULL && n->newest->to != NULL) {
		stmt_unref(n->newest->to);
		n->newest->to = stmt_ref(s);
	} else if (n->stmt != NULL) {
		stmt_name_set(c, n, stmt_ref(s));
	}
}

void
stmt_client_close(struct stmt_client *c, struct span name)
{
	struct stmt_name *n;

	if (name.n == 0)
		stmt_unnamed_clear(&c->unnamed);
	n = name.n > 0 && c->names != NULL ? map_get(c->names, name) : NULL;
	if (n == NULL)
		return;
	stmt_name_set(c, n, NULL);
	drop_if_unused(c, n);
}

static bool
clear_name(void *arg, struct span key, void *value)
{
	struct stmt_client *c = arg;
	struct stmt_name *n = value;

	(void)key;
	stmt_name_set(c, n, NULL);
	if (n->newest == NULL)
		free_record(c, n);
	return true;
}

void
stmt_client_clear(struct stmt_client *c)
{
	if (c == NULL || c->names == NULL)
		return;
	map_each(c->names, clear_name, c);
	if (map_count(c->names) > 0)
		return;
	map_free(c->names);
	c->names = NULL;
}

/* ---- the unnamed one ---- */

struct stmt_unnamed *
stmt_client_unnamed(struct stmt_client *c)
{
	return &c->unnamed;
}

static void
forget_does(struct stmt_unnamed *u)
{
	if (LIKELY(u->does == STMT_PLAIN))
		return;
	stmt_unref(u->st);
	free(u->name);
	u->does = STMT_PLAIN;
	u->st = NULL;
	u->name = NULL;
	u->name_n = 0;
}

void
stmt_unnamed_does(struct stmt_unnamed *u, enum stmt_does does,
    struct span name, struct stmt *st)
{
	forget_does(u);
	u->does = does;
	u->st = st != NULL ? stmt_ref(st) : NULL;
	u->name = xmalloc(name.n + 1);
	u->name_n = (uint32_t)name.n;
	memcpy(u->name, name.p, name.n);
}

void
stmt_unnamed_set(struct stmt_unnamed *u, uint64_t id, struct span tail)
{
	uint32_t cap = u->cap;

	forget_does(u);
	u->id = id;
	u->kept = true;
	if (UNLIKELY(u->tail == NULL || tail.n > cap ||
		(cap > UNNAMED_SPARE && tail.n < cap / 4))) {
		free(u->tail);
		for (cap = 64; cap < tail.n; cap *= 2)
			;
		u->tail = try_malloc(cap);
		u->cap = u->tail != NULL ? cap : 0;
		if (u->tail == NULL) {
			u->kept = false;
			return;
		}
	}
	memcpy(u->tail, tail.p, tail.n);
	u->n = (uint32_t)tail.n;
}

void
stmt_unnamed_set_passing(struct stmt_unnamed *u, uint64_t id)
{
	stmt_unnamed_clear(u);
	u->id = id;
}

void
stmt_unnamed_clear(struct stmt_unnamed *u)
{
	forget_does(u);
	u->id = 0;
	u->kept = false;
	u->n = 0;
	if (u->cap > UNNAMED_SPARE) {
		free(u->tail);
		u->tail = NULL;
		u->cap = 0;
	}
}
