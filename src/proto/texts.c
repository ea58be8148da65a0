#include <stdlib.h>
#include <string.h>

#include "proto/texts.h"

struct entry {
	struct entry *next;
	bool doubt;
	bool lasting; /* the doubt outlived its batch */
	bool touched; /* since everything was answered last */
	uint32_t batch; /* in which the doubt began */
	uint32_t name_n;
	uint32_t text_n;
	char bytes[]; /* name, text */
};

struct texts {
	struct entry *first;
	size_t bytes;
};

static struct span
name_of(const struct entry *e)
{
	return SPAN(e->bytes, e->name_n);
}

static struct entry **
find(struct texts *l, struct span name)
{
	struct entry **at = &l->first;

	while (*at != NULL && !span_eq(name_of(*at), name))
		at = &(*at)->next;
	return at;
}

static size_t
bytes_of(const struct entry *e)
{
	return sizeof(*e) + e->name_n + e->text_n;
}

static void
take_off(struct texts *l, struct entry **at)
{
	struct entry *e = *at;

	*at = e->next;
	l->bytes -= bytes_of(e);
	free(e);
}

static void
free_if_empty(struct texts **l)
{
	if ((*l)->first != NULL)
		return;
	free(*l);
	*l = NULL;
}

struct span
texts_get(const struct texts *l, struct span name, uint32_t batch)
{
	const struct entry *e;

	if (l == NULL)
		return SPAN(NULL, 0);
	for (e = l->first; e != NULL; e = e->next)
		if (span_eq(name_of(e), name))
			break;
	if (e == NULL || (e->doubt && e->batch == batch && !e->lasting))
		return SPAN(NULL, 0);
	return e->doubt ? TEXT_UNSURE : SPAN(e->bytes + e->name_n, e->text_n);
}

void
texts_unset(struct texts **l, struct span name)
{
	struct entry **at;

	if (*l == NULL)
		return;
	at = find(*l, name);
	if (*at == NULL)
		return;
	take_off(*l, at);
	free_if_empty(l);
}

bool
texts_set(struct texts **l, struct span name, struct span text)
{
	size_t n = sizeof(struct entry) + name.n + text.n;
	struct entry *e;

	texts_unset(l, name);
	if (n > TEXTS_MAX || (*l != NULL ? (*l)->bytes : 0) + n > TEXTS_MAX)
		return false;
	if (*l == NULL)
		*l = xcalloc(1, sizeof(**l));
	e = xcalloc(1, n);
	e->name_n = (uint32_t)name.n;
	e->text_n = (uint32_t)text.n;
	if (name.n > 0)
		memcpy(e->bytes, name.p, name.n);
	if (text.n > 0)
		memcpy(e->bytes + name.n, text.p, text.n);
	e->touched = true;
	e->next = (*l)->first;
	(*l)->first = e;
	(*l)->bytes += n;
	return true;
}

void
texts_doubt(struct texts *l, struct span name, uint32_t batch)
{
	struct entry *e = l != NULL ? *find(l, name) : NULL;

	if (e == NULL)
		return;
	e->doubt = e->touched = true;
	e->lasting = false;
	e->batch = batch;
}

void
texts_settle(struct texts **l, bool failed)
{
	struct entry **at, *e;

	if (*l == NULL)
		return;
	for (at = &(*l)->first; (e = *at) != NULL;) {
		if (e->doubt && !e->lasting && !failed) {
			take_off(*l, at);
			continue;
		}
		/* Whether it was skipped is not known: unsure, until the next
		 * that works. */
		if (e->touched && failed)
			e->doubt = e->lasting = true;
		e->touched = false;
		at = &e->next;
	}
	free_if_empty(l);
}

size_t
texts_size(const struct texts *l)
{
	return l != NULL ? l->bytes : 0;
}

void
texts_put(const struct texts *l, struct writer *w)
{
	const struct entry *e;
	uint32_t n = 0;

	for (e = l != NULL ? l->first : NULL; e != NULL; e = e->next)
		n++;
	writer_u32(w, n);
	for (e = l != NULL ? l->first : NULL; e != NULL; e = e->next) {
		writer_u8(w, e->doubt);
		writer_u32(w, e->name_n);
		writer_bytes(w, e->bytes, e->name_n);
		writer_u32(w, e->text_n);
		writer_bytes(w, e->bytes + e->name_n, e->text_n);
	}
}

void
texts_take(struct reader *r, struct texts **l)
{
	uint32_t n = reader_u32(r);

	for (*l = NULL; n > 0 && !r->bad; n--) {
		bool doubt = reader_u8(r) != 0;
		struct span name = reader_bytes(r, reader_u32(r));
		struct span text = reader_bytes(r, reader_u32(r));

		if (r->bad)
			break;
		if (!texts_set(l, name, text)) {
			r->bad = true;
			break;
		}
		(*l)->first->doubt = (*l)->first->lasting = doubt;
		(*l)->first->touched = false;
	}
}

void
texts_free(struct texts *l)
{
	if (l == NULL)
		return;
	while (l->first != NULL)
		take_off(l, &l->first);
	free(l);
}
