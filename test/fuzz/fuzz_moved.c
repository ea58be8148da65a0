/*
 * Any bytes as a client from another process: what can be read can be written,
 * and read again. Type and length are put right, to get past them.
 */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "proto/moved.h"

/* Reads it, and writes what it has read at the end of out. */
static bool
again(struct span bytes, const struct param_names *names, struct buf *out)
{
	struct stmt_table *table = stmt_table_new(NULL);
	struct stmt_client *stmts = NULL;
	struct reader r;
	struct moved m;
	bool good = moved_take(bytes, names, &m, &r);

	if (good) {
		stmts = stmt_client_take(&r, table, 1);
		good = reader_done(&r);
	}
	if (good) {
		assert(stmt_client_can_put(stmts));
		moved_put(&m, names, stmts, out);
	}
	moved_fini(&m);
	stmt_client_free(stmts);
	assert(stmt_table_count(table) == 0);
	stmt_table_unref(table);
	return good;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct param_names *names;
	struct buf in = { 0 }, out = { 0 }, more = { 0 };
	struct writer w;
	struct err e;

	err_clear(&e);
	names = param_names_new("search_path", &e);
	writer_begin(&w, &in, 'C');
	writer_bytes(&w, n > WIRE_HEAD ? data + WIRE_HEAD : data,
	    n > WIRE_HEAD ? n - WIRE_HEAD : n);
	writer_end(&w);
	if (again(buf_span(&in), names, &out)) {
		assert(again(buf_span(&out), names, &more));
		assert(buf_len(&more) == buf_len(&out));
	}
	buf_free(&in);
	buf_free(&out);
	buf_free(&more);
	param_names_unref(names);
	return 0;
}
