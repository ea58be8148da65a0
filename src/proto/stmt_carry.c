/*
 * A client's statements in writing:
 *
 *	u8 unnamed	0 none, 1 a copy follows, 2 only a server had it
 *	  u64 id, and with 1: u32 n, the Parse behind its name
 *	u32 count
 *	  u32 n, name; u8 of SQL's PREPARE, u8 shared; u32 n, tail
 *
 * Numbers, and with them names on servers, are each process's own.
 */
#include <string.h>

#include "base/map.h"
#include "stmt_private.h"

enum { UNNAMED_NONE, UNNAMED_KEPT, UNNAMED_PASSED };

bool
stmt_client_can_put(const struct stmt_client *c)
{
	return c == NULL || c->unnamed.does == STMT_PLAIN;
}

size_t
stmt_client_put_size(const struct stmt_client *c)
{
	return c != NULL ? c->bytes + c->unnamed.n + STMT_CLIENT_EACH : 16;
}

static void
put_text(struct writer *w, const void *p, size_t n)
{
	writer_u32(w, (uint32_t)n);
	writer_bytes(w, p, n);
}

static void
put_unnamed(const struct stmt_unnamed *u, struct writer *w)
{
	if (u->id == 0) {
		writer_u8(w, UNNAMED_NONE);
		return;
	}
	writer_u8(w, u->kept ? UNNAMED_KEPT : UNNAMED_PASSED);
	writer_u32(w, (uint32_t)(u->id >> 32));
	writer_u32(w, (uint32_t)u->id);
	if (u->kept)
		put_text(w, u->tail, u->n);
}

static bool
put_name(void *arg, struct span name, void *value)
{
	const struct stmt_name *n = value;
	struct writer *w = arg;

	if (n->stmt == NULL)
		return true;
	put_text(w, name.p, name.n);
	writer_u8(w, n->stmt->sql);
	writer_u8(w, n->stmt->table != NULL);
	put_text(w, n->stmt->tail, n->stmt->tail_n);
	return true;
}

void
stmt_client_put(const struct stmt_client *c, struct writer *w)
{
	if (c == NULL) {
		writer_u8(w, UNNAMED_NONE);
		writer_u32(w, 0);
		return;
	}
	put_unnamed(&c->unnamed, w);
	writer_u32(w, (uint32_t)c->count);
	if (c->names != NULL)
		map_each(c->names, put_name, w);
}

static struct span
take_text(struct reader *r)
{
	return reader_bytes(r, reader_u32(r));
}

static void
take_unnamed(struct reader *r, struct stmt_unnamed *u)
{
	uint8_t kind = reader_u8(r);
	struct span tail;
	uint64_t id;

	if (kind == UNNAMED_NONE)
		return;
	id = (uint64_t)reader_u32(r) << 32;
	id |= reader_u32(r);
	if (kind == UNNAMED_PASSED) {
		stmt_unnamed_set_passing(u, id);
		return;
	}
	tail = take_text(r);
	if (kind != UNNAMED_KEPT || id == 0)
		r->bad = true;
	if (!r->bad)
		stmt_unnamed_set(u, id, tail);
}

/* A name twice would mean that somebody else has written it. */
static void
take_name(struct reader *r, struct stmt_client *c, struct stmt_table *t,
    uint64_t print)
{
	struct span name = take_text(r);
	bool sql = reader_u8(r) != 0, shared = reader_u8(r) != 0;
	struct span tail = take_text(r);
	struct stmt *s = NULL;

	if (!r->bad && name.n > 0 && !memchr(name.p, 0, name.n) &&
	    stmt_client_get(c, name, 0, &s) == STMT_NO &&
	    stmt_client_has_room(c, name, tail.n))
		s = sql ? stmt_of_sql(t, tail, print) :
			  stmt_get(t, tail, print, shared);
	else
		s = NULL;
	if (s == NULL) {
		r->bad = true;
		return;
	}
	stmt_name_set(c, stmt_name_need(c, name), s);
	/* Or so it may have been. */
	stmt_name_need(c, name)->described = true;
}

struct stmt_client *
stmt_client_take(struct reader *r, struct stmt_table *t, uint64_t print)
{
	struct stmt_client *c = stmt_client_new();
	uint32_t n;

	take_unnamed(r, &c->unnamed);
	for (n = reader_u32(r); n > 0 && !r->bad; n--)
		take_name(r, c, t, print);
	if (!r->bad && (c->count > 0 || c->unnamed.id != 0))
		return c;
	stmt_client_free(c);
	return NULL;
}
