/* Statements and the table in which they are shared. */
#include "proto/stmt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "proto/sql.h"

#define BUCKETS_MIN 64

struct stmt_table {
	struct stmt_guard *guard;
	_Atomic uint32_t refs; /* the pool's, and one for each statement */
	_Atomic uint64_t number;
	struct stmt **buckets;
	size_t n_buckets; /* a power of two */
	size_t count;
};

struct stmt_table *
stmt_table_new(struct stmt_guard *guard)
{
	struct stmt_table *t = xcalloc(1, sizeof(*t));

	t->guard = guard;
	atomic_init(&t->refs, 1);
	t->n_buckets = BUCKETS_MIN;
	t->buckets = xcalloc(t->n_buckets, sizeof(struct stmt *));
	return t;
}

void
stmt_table_unref(struct stmt_table *t)
{
	if (t == NULL || atomic_fetch_sub(&t->refs, 1) > 1)
		return;
	if (t->guard != NULL)
		t->guard->free(t->guard);
	free(t->buckets);
	free(t);
}

static void
lock(struct stmt_table *t)
{
	if (t->guard != NULL)
		t->guard->lock(t->guard);
}

static void
unlock(struct stmt_table *t)
{
	if (t->guard != NULL)
		t->guard->unlock(t->guard);
}

size_t
stmt_table_count(struct stmt_table *t)
{
	size_t n;

	lock(t);
	n = t->count;
	unlock(t);
	return n;
}

/* Three letters tell the first word well enough. Statements that only read or
 * write rows, and those that begin a transaction, set nothing. */
bool
stmt_text_sets(struct span text)
{
	uint32_t word;

	if (text.n < 4)
		return true;
	word = (uint32_t)text.p[0] << 16 | (uint32_t)text.p[1] << 8 |
	    text.p[2];
	switch (word | 0x202020) {
	case 'b' << 16 | 'e' << 8 | 'g':
	case 'c' << 16 | 'o' << 8 | 'p':
	case 'd' << 16 | 'e' << 8 | 'c':
	case 'd' << 16 | 'e' << 8 | 'l':
	case 'f' << 16 | 'e' << 8 | 't':
	case 'i' << 16 | 'n' << 8 | 's':
	case 'm' << 16 | 'e' << 8 | 'r':
	case 's' << 16 | 'e' << 8 | 'l':
	case 's' << 16 | 't' << 8 | 'a':
	case 'u' << 16 | 'p' << 8 | 'd':
	case 'v' << 16 | 'a' << 8 | 'l':
	case 'w' << 16 | 'i' << 8 | 't':
		return false;
	}
	return true;
}

static struct stmt *
make(struct stmt_table *t, struct span tail, uint64_t print, uint64_t hash,
    bool shared)
{
	struct stmt *s = try_malloc(sizeof(*s) + tail.n);
	const uint8_t *end;
	struct span text;

	if (s == NULL)
		return NULL;
	memset(s, 0, sizeof(*s));
	atomic_init(&s->refs, 1);
	s->hash = hash;
	s->print = print;
	s->number = atomic_fetch_add(&t->number, 1) + 1;
	s->name_n = (uint8_t)snprintf(s->name, sizeof(s->name),
	    "PGBOUNCER_%llu", (unsigned long long)s->number);
	s->tail_n = (uint32_t)tail.n;
	memcpy(s->tail, tail.p, tail.n);
	end = memchr(s->tail, 0, tail.n);
	text = SPAN(s->tail, end != NULL ? (size_t)(end - s->tail) : tail.n);
	s->commits = sql_is_commit(text);
	s->sets = stmt_text_sets(text);
	if (shared) {
		s->table = t;
		atomic_fetch_add(&t->refs, 1);
	}
	return s;
}

/* The table's mutex is held. */
static struct stmt *
look_up_locked(struct stmt_table *t, struct span tail, uint64_t print,
    uint64_t hash)
{
	struct stmt *s = t->buckets[hash & (t->n_buckets - 1)];

	for (; s != NULL; s = s->next)
		if (s->hash == hash && s->print == print &&
		    span_eq(SPAN(s->tail, s->tail_n), tail)) {
			atomic_fetch_add(&s->refs, 1);
			return s;
		}
	return NULL;
}

static void
insert_locked(struct stmt **buckets, size_t n_buckets, struct stmt *s)
{
	struct stmt **b = &buckets[s->hash & (n_buckets - 1)];

	s->next = *b;
	*b = s;
}

/* Twice the buckets, made before the mutex is taken; if somebody was quicker
 * they are of no use. */
static void
grow(struct stmt_table *t, size_t n)
{
	struct stmt **buckets = try_malloc(n * sizeof(*buckets));
	struct stmt **old = buckets, *s, *next;
	size_t i;

	if (buckets == NULL)
		return;
	memset(buckets, 0, n * sizeof(*buckets));
	lock(t);
	if (t->n_buckets < n) {
		for (i = 0; i < t->n_buckets; i++)
			for (s = t->buckets[i]; s != NULL; s = next) {
				next = s->next;
				insert_locked(buckets, n, s);
			}
		old = t->buckets;
		t->buckets = buckets;
		t->n_buckets = n;
	}
	unlock(t);
	free(old);
}

struct stmt *
stmt_get(struct stmt_table *t, struct span tail, uint64_t print, bool shared)
{
	uint64_t hash = hash_bytes(tail.p, tail.n) ^ print;
	struct stmt *s, *mine;
	size_t want = 0;

	if (!shared)
		return make(t, tail, print, hash, false);
	lock(t);
	s = look_up_locked(t, tail, print, hash);
	unlock(t);
	if (s != NULL)
		return s;
	mine = make(t, tail, print, hash, true);
	if (mine == NULL)
		return NULL;
	lock(t);
	s = look_up_locked(t, tail, print, hash);
	if (s == NULL) {
		insert_locked(t->buckets, t->n_buckets, mine);
		t->count++;
		if (t->count > t->n_buckets)
			want = t->n_buckets * 2;
	}
	unlock(t);
	if (s != NULL) {
		/* Somebody was quicker. */
		free(mine);
		stmt_table_unref(t);
		return s;
	}
	if (want > 0)
		grow(t, want);
	return mine;
}

struct stmt *
stmt_of_sql(struct stmt_table *t, struct span rest, uint64_t print)
{
	struct stmt *s = make(t, rest, print, 0, false);

	if (s != NULL)
		s->sql = true;
	return s;
}

struct stmt *
stmt_ref(struct stmt *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

/* The last reference goes under the mutex, so that nobody finds it there at
 * the same time. */
static bool
leave_table(struct stmt_table *t, struct stmt *s)
{
	struct stmt **at;
	bool last;

	lock(t);
	last = atomic_fetch_sub(&s->refs, 1) == 1;
	if (last) {
		at = &t->buckets[s->hash & (t->n_buckets - 1)];
		while (*at != s)
			at = &(*at)->next;
		*at = s->next;
		t->count--;
	}
	unlock(t);
	return last;
}

void
stmt_unref(struct stmt *s)
{
	uint32_t refs;
	struct stmt_table *t;

	if (s == NULL)
		return;
	refs = atomic_load(&s->refs);
	while (refs > 1)
		if (atomic_compare_exchange_weak(&s->refs, &refs, refs - 1))
			return;
	t = s->table;
	if (t != NULL) {
		if (!leave_table(t, s))
			return;
		stmt_table_unref(t);
	}
	free(s);
}
