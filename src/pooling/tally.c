/* Errors by kind, SQLSTATE and reason. */
#include "pooling/tally.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

#define REASON 160

struct tally {
	struct map *rows; /* by "kind sqlstate reason" */
};

struct tally *
tally_new(void)
{
	struct tally *t = xcalloc(1, sizeof(*t));

	t->rows = map_new();
	return t;
}

static bool
free_row(void *arg, struct span key, void *value)
{
	struct tally_row *row = value;

	(void)arg;
	(void)key;
	free(row->reason);
	free(row);
	return true;
}

void
tally_free(struct tally *t)
{
	if (!t)
		return;
	map_each(t->rows, free_row, NULL);
	map_free(t->rows);
	free(t);
}

/* Past what stands in the quote at p; the quote itself where it has no end. */
static const char *
past_quote(const char *p)
{
	const char *end = strchr(p + 1, *p);

	return end ? end + 1 : p + strlen(p);
}

/* An apostrophe is no quote. */
static bool
opens_quote(const char *from, const char *p)
{
	return *p == '"' ||
	    (*p == '\'' && (p == from || !isalnum((unsigned char)p[-1])));
}

static void
mask(const char *text, char out[REASON])
{
	const char *p = text;
	size_t n = 0;

	while (*p && n < REASON - 6) {
		if (opens_quote(text, p)) {
			memcpy(out + n, "\"...\"", 5);
			n += 5;
			p = past_quote(p);
		} else if (isdigit((unsigned char)*p)) {
			out[n++] = 'N';
			p += strspn(p, "0123456789.");
		} else {
			out[n++] = *p++;
		}
	}
	out[n] = '\0';
	/* "no such database: shop" */
	p = strrchr(out, ':');
	if (p && p[1] == ' ' && p[2] && !strchr(p + 2, ' ') &&
	    (size_t)(p - out) < REASON - 6)
		memcpy(out + (p - out), ": ...", 6);
}

static struct tally_row *
row_of(struct tally *t, enum tally_kind kind, const char *sqlstate,
    const char *reason)
{
	char key[REASON + 16];
	struct tally_row *row;

	snprintf(key, sizeof(key), "%d %.5s %s", (int)kind, sqlstate, reason);
	row = map_get(t->rows, span_of(key));
	if (row || (map_count(t->rows) >= TALLY_MAX &&
	    strcmp(reason, "(others)") != 0))
		return row;
	row = xcalloc(1, sizeof(*row));
	row->kind = kind;
	copy_str(row->sqlstate, sizeof(row->sqlstate), sqlstate);
	row->reason = xstrdup(reason);
	map_put(t->rows, span_of(key), row);
	return row;
}

void
tally_add(struct tally *t, enum tally_kind kind, const char *sqlstate,
    const char *reason)
{
	struct tally_row *row;
	char masked[REASON];

	if (!t)
		return;
	mask(reason ? reason : "", masked);
	row = row_of(t, kind, sqlstate ? sqlstate : "", masked);
	if (!row)
		row = row_of(t, kind, "", "(others)");
	row->count++;
	row->last_wall_us = clock_wall_us();
}

struct each {
	void (*fn)(void *arg, const struct tally_row *row);
	void *arg;
};

static bool
give(void *arg, struct span key, void *value)
{
	struct each *e = arg;

	(void)key;
	e->fn(e->arg, value);
	return true;
}

void
tally_each(struct tally *t,
    void (*fn)(void *arg, const struct tally_row *row), void *arg)
{
	struct each e = { fn, arg };

	if (t)
		map_each(t->rows, give, &e);
}
