/* The statements of one server connection, and what is under way there. */
#include <assert.h>
#include <stdlib.h>

#include "stmt_private.h"

#define BUCKETS_MIN 16

/* One statement: whether the server has it for certain, and by the newest
 * operation under way. */
struct stmt_slot {
	struct stmt *stmt;
	struct stmt_slot *next; /* in its chain */
	struct stmt_op *newest;
	unsigned ops; /* under way */
	uint32_t age; /* of the statement when it was sent */
	bool present;
	bool used; /* it stands in the list below: the server will have it */
	TAILQ_ENTRY(stmt_slot) lru;
};

TAILQ_HEAD(slot_list, stmt_slot);

struct stmt_server {
	struct stmt_slot **buckets;
	size_t n_buckets;
	size_t slots;
	struct slot_list lru; /* used last comes first */
	size_t count; /* in the list */
	size_t bytes;
	bool unsure;
	uint32_t batch;
	struct op_list ops; /* the oldest first */
	uint32_t waits; /* of them, Queries behind which all waits */
	struct stmt_op *query; /* the Query that steps are added to */
};

struct stmt_server *
stmt_server_new(void)
{
	struct stmt_server *s = xcalloc(1, sizeof(*s));

	s->n_buckets = BUCKETS_MIN;
	s->buckets = xcalloc(s->n_buckets, sizeof(struct stmt_slot *));
	TAILQ_INIT(&s->lru);
	STAILQ_INIT(&s->ops);
	return s;
}

/* ---- slots ---- */

static struct stmt_slot **
chain_of(struct stmt_server *s, const struct stmt *st)
{
	return &s->buckets[st->number & (s->n_buckets - 1)];
}

static struct stmt_slot *
find(struct stmt_server *s, const struct stmt *st)
{
	struct stmt_slot *slot = *chain_of(s, st);

	while (slot != NULL && slot->stmt != st)
		slot = slot->next;
	return slot;
}

static void
grow(struct stmt_server *s)
{
	size_t i, n = s->n_buckets;
	struct stmt_slot **old = s->buckets, *slot, *next, **b;

	s->n_buckets = n * 2;
	s->buckets = xcalloc(s->n_buckets, sizeof(struct stmt_slot *));
	for (i = 0; i < n; i++)
		for (slot = old[i]; slot != NULL; slot = next) {
			next = slot->next;
			b = chain_of(s, slot->stmt);
			slot->next = *b;
			*b = slot;
		}
	free(old);
}

static struct stmt_slot *
need(struct stmt_server *s, struct stmt *st)
{
	struct stmt_slot *slot = find(s, st), **b;

	if (slot != NULL)
		return slot;
	if (s->slots >= s->n_buckets)
		grow(s);
	slot = xcalloc(1, sizeof(*slot));
	slot->stmt = stmt_ref(st);
	b = chain_of(s, st);
	slot->next = *b;
	*b = slot;
	s->slots++;
	return slot;
}

static void
leave_list(struct stmt_server *s, struct stmt_slot *slot)
{
	TAILQ_REMOVE(&s->lru, slot, lru);
	slot->used = false;
	s->count--;
	s->bytes -= slot->stmt->tail_n;
}

/* In the list stands what the server will have; first: it is used now. */
static void
relist(struct stmt_server *s, struct stmt_slot *slot, bool first)
{
	bool has = slot->newest != NULL ? slot->newest->present :
	    slot->present;

	if (slot->used && !has)
		leave_list(s, slot);
	if (slot->used || !has)
		return;
	slot->used = true;
	s->count++;
	s->bytes += slot->stmt->tail_n;
	if (first)
		TAILQ_INSERT_HEAD(&s->lru, slot, lru);
	else
		TAILQ_INSERT_TAIL(&s->lru, slot, lru);
}

static void
drop_if_unused(struct stmt_server *s, struct stmt_slot *slot)
{
	struct stmt_slot **at;

	if (slot->present || slot->ops > 0)
		return;
	if (slot->used)
		leave_list(s, slot);
	for (at = chain_of(s, slot->stmt); *at != slot; at = &(*at)->next)
		;
	*at = slot->next;
	s->slots--;
	stmt_unref(slot->stmt);
	free(slot);
}

static inline bool
is_stale(const struct stmt_slot *slot)
{
	return slot->age != atomic_load_explicit(&slot->stmt->age,
	    memory_order_relaxed);
}

enum stmt_state
stmt_server_has(struct stmt_server *s, const struct stmt *st, uint32_t batch)
{
	struct stmt_slot *slot = find(s, st);

	if (slot == NULL)
		return STMT_NO;
	if (UNLIKELY(slot->newest != NULL) && slot->newest->batch != batch)
		return STMT_WAIT;
	if (!slot->used || UNLIKELY(is_stale(slot)))
		return STMT_NO;
	if (TAILQ_FIRST(&s->lru) != slot) {
		TAILQ_REMOVE(&s->lru, slot, lru);
		TAILQ_INSERT_HEAD(&s->lru, slot, lru);
	}
	return STMT_YES;
}

size_t
stmt_server_count(const struct stmt_server *s)
{
	return s != NULL ? s->count : 0;
}

struct stmt *
stmt_server_surplus(struct stmt_server *s, size_t max, size_t bytes)
{
	struct stmt_slot *last = TAILQ_LAST(&s->lru, slot_list);

	if (last == NULL || (s->count < max && s->bytes < STMT_SERVER_MAX &&
		bytes <= STMT_SERVER_MAX - s->bytes))
		return NULL;
	return stmt_ref(last->stmt);
}

bool
stmt_server_must_close(struct stmt_server *s, const struct stmt *st)
{
	const struct stmt_slot *slot = find(s, st);

	return s->unsure || (slot != NULL && slot->used);
}

void
stmt_server_expire(struct stmt_server *s)
{
	struct stmt_slot *slot;

	if (s == NULL)
		return;
	TAILQ_FOREACH(slot, &s->lru, lru)
		atomic_fetch_add_explicit(&slot->stmt->age, 1,
		    memory_order_relaxed);
}

void
stmt_server_clear(struct stmt_server *s, bool unsure)
{
	struct stmt_slot *slot, *next;
	size_t i;

	if (s == NULL)
		return;
	s->unsure = unsure;
	for (i = 0; i < s->n_buckets; i++)
		for (slot = s->buckets[i]; slot != NULL; slot = next) {
			next = slot->next;
			slot->present = false;
			relist(s, slot, false);
			drop_if_unused(s, slot);
		}
}

/* ---- operations ---- */

void
stmt_server_set_batch(struct stmt_server *s, uint32_t batch)
{
	s->batch = batch;
}

static struct stmt_op *
begin_in(struct stmt_server *s, struct op_list *list)
{
	struct stmt_op *op = xcalloc(1, sizeof(*op));

	op->batch = s->batch;
	STAILQ_INIT(&op->steps);
	STAILQ_INSERT_TAIL(list, op, next);
	return op;
}

static struct stmt_op *
begin(struct stmt_server *s)
{
	return begin_in(s, &s->ops);
}

static void
on_slot(struct stmt_server *s, struct stmt_op *op, struct stmt *st,
    bool present)
{
	op->slot = need(s, st);
	op->present = present;
	op->slot->newest = op;
	op->slot->ops++;
	if (present)
		op->slot->age = atomic_load(&st->age);
	relist(s, op->slot, true);
}

static void
on_name(struct stmt_op *op, struct stmt_client *c, struct span name,
    struct stmt *to)
{
	op->client = c;
	op->name = stmt_name_need(c, name);
	op->name->newest = op;
	op->name->described = false;
	op->to = to != NULL ? stmt_ref(to) : NULL;
}

void
stmt_sent_parse(struct stmt_server *s, struct stmt_client *c,
    struct span name, struct stmt *st, bool real)
{
	struct stmt_op *op = begin(s);

	if (c != NULL)
		on_name(op, c, name, st);
	if (real)
		on_slot(s, op, st, true);
}

void
stmt_sent_close(struct stmt_server *s, struct stmt_client *c,
    struct span name)
{
	on_name(begin(s), c, name, NULL);
}

void
stmt_sent_deallocate(struct stmt_server *s, struct stmt_client *c,
    struct span name, struct stmt *st)
{
	struct stmt_op *op = begin(s);

	on_name(op, c, name, NULL);
	on_slot(s, op, st, false);
}

void
stmt_sent_own_close(struct stmt_server *s, struct stmt *st)
{
	on_slot(s, begin(s), st, false);
}

static void
again(struct stmt_server *s, struct stmt *st, bool present)
{
	struct stmt_op *op = xcalloc(1, sizeof(*op));

	op->batch = s->batch;
	STAILQ_INIT(&op->steps);
	STAILQ_INSERT_HEAD(&s->ops, op, next);
	op->slot = need(s, st);
	op->present = present;
	op->slot->ops++;
	op->slot->age = atomic_load(&st->age);
	/* What is under way already is newer. */
	if (op->slot->newest == NULL)
		op->slot->newest = op;
	relist(s, op->slot, true);
}

void
stmt_sent_again(struct stmt_server *s, struct stmt *st)
{
	again(s, st, true);
	again(s, st, false);
}

void
stmt_sent_refused(struct stmt_server *s, const struct err *e)
{
	struct stmt_op *op = begin(s);

	op->err = xmalloc(sizeof(*op->err));
	*op->err = *e;
}

void
stmt_sent_query(struct stmt_server *s, bool last)
{
	s->query = begin(s);
	s->query->last = last;
	s->waits += last;
}

bool
stmt_server_waits(const struct stmt_server *s)
{
	return s != NULL && s->waits > 0;
}

void
stmt_query_prepares(struct stmt_server *s, struct stmt_client *c,
    struct span name, struct stmt *st)
{
	struct stmt_op *op = begin_in(s, &s->query->steps);

	if (c != NULL)
		on_name(op, c, name, st);
	on_slot(s, op, st, true);
}

void
stmt_query_deallocates(struct stmt_server *s, struct stmt_client *c,
    struct span name, struct stmt *st)
{
	struct stmt_op *op = begin_in(s, &s->query->steps);

	on_name(op, c, name, NULL);
	on_slot(s, op, st, false);
}

const struct err *
stmt_server_error(const struct stmt_server *s)
{
	const struct stmt_op *op = STAILQ_FIRST(&s->ops);

	return op != NULL ? op->err : NULL;
}

static void
forget_name(struct stmt_op *op, bool done)
{
	if (op->name != NULL)
		stmt_name_ended(op->client, op->name, op, done);
	stmt_unref(op->to);
	op->client = NULL;
	op->name = NULL;
	op->to = NULL;
}

/* The oldest of a list has ended; steps of it that are not done never will. */
static void
end_in(struct stmt_server *s, struct op_list *list, bool done)
{
	struct stmt_op *op = STAILQ_FIRST(list);
	struct stmt_slot *slot;

	assert(op != NULL);
	while (!STAILQ_EMPTY(&op->steps))
		end_in(s, &op->steps, false);
	STAILQ_REMOVE_HEAD(list, next);
	s->waits -= op->last;
	forget_name(op, done);
	slot = op->slot;
	if (slot != NULL) {
		slot->ops--;
		if (done)
			slot->present = op->present;
		if (slot->newest == op)
			slot->newest = NULL;
		relist(s, slot, false);
		drop_if_unused(s, slot);
	}
	free(op->err);
	free(op);
}

static void
end(struct stmt_server *s, bool done)
{
	end_in(s, &s->ops, done);
}

void
stmt_server_query_step(struct stmt_server *s)
{
	struct stmt_op *op = STAILQ_FIRST(&s->ops);

	if (op != NULL && !STAILQ_EMPTY(&op->steps))
		end_in(s, &op->steps, true);
}

void
stmt_server_settle(struct stmt_server *s, struct pipeline *p)
{
	s->unsure = s->unsure || p->unsure;
	p->unsure = false;
	for (; p->lost > 0; p->lost--)
		end(s, false);
	for (; p->done > 0; p->done--)
		end(s, true);
}

void
stmt_server_forget_client(struct stmt_server *s)
{
	struct stmt_op *op, *step;

	if (s == NULL)
		return;
	STAILQ_FOREACH(op, &s->ops, next) {
		forget_name(op, false);
		STAILQ_FOREACH(step, &op->steps, next)
			forget_name(step, false);
	}
}

void
stmt_server_free(struct stmt_server *s)
{
	if (s == NULL)
		return;
	while (!STAILQ_EMPTY(&s->ops))
		end(s, false);
	stmt_server_clear(s, false);
	free(s->buckets);
	free(s);
}
