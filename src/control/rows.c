#include "control/rows.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "proto/wire.h"

struct rows_row {
	uint64_t key;
	const char **cell;
};

/* How PostgreSQL knows the types: pg_type. */
static const struct wire_type {
	uint32_t oid;
	int16_t size;
} wire_types[] = {
	[COL_TEXT] = { 25, -1 },
	[COL_INT4] = { 23, 4 },
	[COL_INT8] = { 20, 8 },
	[COL_NUMERIC] = { 1700, -1 },
	[COL_BYTEA] = { 17, -1 },
};

void
rows_init(struct rows *r, const struct rows_column *c, size_t n)
{
	*r = (struct rows){ .columns = c, .n_columns = n };
	r->arena = arena_new();
}

void
rows_fini(struct rows *r)
{
	size_t i;

	for (i = 0; i < r->n_taken; i++)
		arena_free(r->taken[i]);
	free(r->taken);
	free(r->row);
	if (r->arena != NULL)
		arena_free(r->arena);
	*r = (struct rows){ 0 };
}

static void
make_room(struct rows *r, size_t more)
{
	if (r->cap - r->n >= more)
		return;
	r->cap = (r->n + more) * 2;
	r->row = xrealloc(r->row, r->cap * sizeof(*r->row));
}

void
rows_add(struct rows *r, uint64_t key)
{
	struct rows_row *row;

	make_room(r, 1);
	row = &r->row[r->n++];
	row->key = key;
	row->cell = arena_alloc(r->arena, r->n_columns * sizeof(*row->cell));
	r->at = 0;
}

static void
put(struct rows *r, const char *s)
{
	assert(r->n > 0 && r->at < r->n_columns);
	r->row[r->n - 1].cell[r->at++] = s;
}

void
rows_text(struct rows *r, const char *s)
{
	put(r, s != NULL ? arena_strdup(r->arena, s) : NULL);
}

void
rows_textf(struct rows *r, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	rows_text(r, text);
}

void
rows_int(struct rows *r, int64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, v);
	rows_text(r, text);
}

void
rows_uint(struct rows *r, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, v);
	rows_text(r, text);
}

void
rows_seconds(struct rows *r, usec_t us)
{
	rows_int(r, us / USEC_PER_SEC);
	rows_int(r, us % USEC_PER_SEC);
}

void
rows_null(struct rows *r)
{
	put(r, NULL);
}

void
rows_take(struct rows *r, struct rows *from)
{
	assert(r->columns == from->columns);
	make_room(r, from->n);
	if (from->n > 0)
		memcpy(r->row + r->n, from->row, from->n * sizeof(*r->row));
	r->n += from->n;
	r->taken = xrealloc(r->taken,
	    (r->n_taken + 1 + from->n_taken) * sizeof(*r->taken));
	r->taken[r->n_taken++] = from->arena;
	if (from->n_taken > 0)
		memcpy(r->taken + r->n_taken, from->taken,
		    from->n_taken * sizeof(*r->taken));
	r->n_taken += from->n_taken;
	from->arena = NULL;
	from->n_taken = 0;
	rows_fini(from);
}

static int
by_key(const void *a, const void *b)
{
	const struct rows_row *x = a, *y = b;

	return (x->key > y->key) - (x->key < y->key);
}

static int
by_text(const void *a, const void *b)
{
	const struct rows_row *x = a, *y = b;
	int d = strcmp(x->cell[0], y->cell[0]);

	if (d != 0)
		return d;
	/* Two rows with one name differ in the user, which is never NULL. */
	return x->cell[1] && y->cell[1] ? strcmp(x->cell[1], y->cell[1]) : 0;
}

void
rows_sort(struct rows *r)
{
	if (r->n > 1)
		qsort(r->row, r->n, sizeof(*r->row), by_key);
}

void
rows_sort_text(struct rows *r)
{
	assert(r->n_columns >= 2);
	if (r->n > 1)
		qsort(r->row, r->n, sizeof(*r->row), by_text);
}

void
rows_unique(struct rows *r)
{
	size_t i, to = 0;

	for (i = 0; i < r->n; i++)
		if (i == 0 || r->row[i].key == 0 ||
		    r->row[i].key != r->row[i - 1].key)
			r->row[to++] = r->row[i];
	r->n = to;
}

const char *
rows_cell(const struct rows *r, size_t row, size_t column)
{
	assert(row < r->n && column < r->n_columns);
	return r->row[row].cell[column];
}

static uint16_t
format_of(struct rows_formats f, size_t column)
{
	return f.n == 0 ? 0 : f.v[f.n == 1 ? 0 : column];
}

void
rows_describe(const struct rows_column *c, size_t n, struct rows_formats f,
    struct buf *out)
{
	struct writer w;
	size_t i;

	writer_begin(&w, out, 'T');
	writer_u16(&w, (uint16_t)n);
	for (i = 0; i < n; i++) {
		const struct wire_type *t = &wire_types[c[i].type];

		writer_cstr(&w, c[i].name);
		writer_u32(&w, 0); /* of no table */
		writer_u16(&w, 0);
		writer_u32(&w, t->oid);
		writer_u16(&w, (uint16_t)t->size);
		writer_u32(&w, UINT32_MAX); /* no modifier */
		writer_u16(&w, format_of(f, i));
	}
	writer_end(&w);
}

/* numeric_send(): groups of four decimal digits without those at the end that
 * are zero, the first one's weight, a sign, and the count of digits behind the
 * point, of which there are none here. */
void
rows_numeric(const char *decimal, struct buf *out)
{
	bool minus = decimal[0] == '-';
	const char *p = decimal + minus;
	size_t n, groups, first, i;
	struct buf digits = { 0 };
	uint8_t head[8] = { 0 };

	p += strspn(p, "0");
	n = strspn(p, "0123456789");
	groups = (n + 3) / 4;
	first = n % 4 != 0 ? n % 4 : 4;
	for (i = 0; i < groups; i++) {
		size_t len = i == 0 ? first : 4;
		unsigned v = 0;

		while (len-- > 0)
			v = v * 10 + (unsigned)(*p++ - '0');
		buf_append(&digits, (uint8_t[]){ v >> 8, v & 0xff }, 2);
	}
	while (digits.end > 0 && digits.data[digits.end - 1] == 0 &&
	    digits.data[digits.end - 2] == 0)
		digits.end -= 2;
	head[1] = (uint8_t)(digits.end / 2);
	head[3] = (uint8_t)(groups > 0 ? groups - 1 : 0);
	head[4] = minus && groups > 0 ? 0x40 : 0;
	buf_append(out, head, sizeof(head));
	if (digits.end > 0)
		buf_append(out, digits.data, digits.end);
	buf_free(&digits);
}

static void
put_number(const char *text, size_t size, struct buf *out)
{
	/* A counter past the type's end wraps, as it does in PgBouncer. */
	uint64_t v = (uint64_t)strtoll(text, NULL, 10);
	uint8_t bytes[8];
	size_t i;

	for (i = 0; i < size; i++)
		bytes[i] = (uint8_t)(v >> (8 * (size - 1 - i)));
	buf_append(out, bytes, size);
}

static void
put_cell(struct writer *w, const char *text, enum column_type t, bool binary)
{
	struct buf b = { 0 };

	if (text == NULL) {
		writer_u32(w, UINT32_MAX);
		return;
	}
	if (!binary || t == COL_TEXT || t == COL_BYTEA) {
		writer_u32(w, (uint32_t)strlen(text));
		writer_bytes(w, text, strlen(text));
		return;
	}
	if (t == COL_NUMERIC)
		rows_numeric(text, &b);
	else
		put_number(text, t == COL_INT4 ? 4 : 8, &b);
	writer_u32(w, (uint32_t)buf_len(&b));
	writer_bytes(w, buf_head(&b), buf_len(&b));
	buf_free(&b);
}

void
rows_send(const struct rows *r, size_t row, struct rows_formats f,
    struct buf *out)
{
	struct writer w;
	size_t i;

	writer_begin(&w, out, 'D');
	writer_u16(&w, (uint16_t)r->n_columns);
	for (i = 0; i < r->n_columns; i++)
		put_cell(&w, rows_cell(r, row, i), r->columns[i].type,
		    format_of(f, i) == 1);
	writer_end(&w);
}
