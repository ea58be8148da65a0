/*
 * rows: a result of the console: columns that a table lays down, cells as
 * text, and their way onto the wire in the format the client asked for.
 *
 * Cells are filled in from left to right after rows_add(); the cells of a
 * result live in one arena. A cell that was not filled in is NULL.
 *
 * Formats are those of Bind (55.7): none = text for all, one = for all, or one
 * for each column; 0 text, 1 binary. int4, int8 and numeric have their binary
 * forms, text is the same in both.
 *
 * Pure. Thread: none of its own; results are also filled in on workers.
 */
#ifndef CONTROL_ROWS_H
#define CONTROL_ROWS_H

#include "base/base.h"
#include "base/buf.h"
#include "proto/reply.h"

/* A row of the tables that console and manual page are made from. */
struct rows_column {
	const char *name;
	enum column_type type;
	const char *help; /* "" = the name says it */
};

struct rows {
	const struct rows_column *columns;
	size_t n_columns;
	struct arena *arena;
	struct arena **taken; /* those of rows_take() */
	size_t n_taken;
	struct rows_row *row;
	size_t n;
	size_t cap;
	size_t at; /* next cell of the last row */
};

struct rows_formats {
	const uint16_t *v;
	size_t n; /* 0, 1 or the number of columns */
};

void rows_init(struct rows *r, const struct rows_column *c, size_t n);
void rows_fini(struct rows *r);

/* Begins a row; key is what rows_sort() orders by. */
void rows_add(struct rows *r, uint64_t key);
void rows_text(struct rows *r, const char *s); /* copied; NULL is NULL */
void rows_textf(struct rows *r, const char *fmt, ...) PRINTF(2, 3);
void rows_int(struct rows *r, int64_t v);
void rows_uint(struct rows *r, uint64_t v);
/* Whole seconds and the rest in microseconds: two cells. */
void rows_seconds(struct rows *r, usec_t us);
void rows_null(struct rows *r);
/* Rows of from go behind those of r; from is empty then. Same columns. */
void rows_take(struct rows *r, struct rows *from);
/* By key, or by the text of the first column and then of the second one. */
void rows_sort(struct rows *r);
void rows_sort_text(struct rows *r);
/* After rows_sort(): of neighbours with one key, other than 0, one stays. */
void rows_unique(struct rows *r);
const char *rows_cell(const struct rows *r, size_t row, size_t column);

/* RowDescription, and DataRow of one row. */
void rows_describe(const struct rows_column *c, size_t n, struct rows_formats f,
    struct buf *out);
void rows_send(const struct rows *r, size_t row, struct rows_formats f,
    struct buf *out);
/* The binary form of a whole number of the numeric type. */
void rows_numeric(const char *decimal, struct buf *out);

#endif
