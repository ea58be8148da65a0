/* The startup parameter `options`, tracked names, and values put into SQL. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "proto/msg.h"
#include "proto/param.h"
#include "proto/sql.h"

/* A literal ends where it should: quotes come in pairs inside it, and so do
 * backslashes after an E. */
static void
check_sql(struct span sql)
{
	size_t i = 0;

	while (i < sql.n) {
		bool escapes = false;

		while (i < sql.n && sql.p[i] != '\'')
			escapes = sql.p[i++] == 'E';
		if (i == sql.n)
			return;
		for (i++;; i++) {
			assert(i < sql.n);
			if (escapes && sql.p[i] == '\\')
				assert(sql.p[++i] == '\\');
			else if (!escapes)
				assert(sql.p[i] != '\\');
			if (sql.p[i] == '\'') {
				i++;
				if (i == sql.n || sql.p[i] != '\'')
					break;
			}
		}
		assert(i < sql.n && (sql.p[i] == ';' || sql.p[i] == ','));
	}
}

static void
diff(const char *value)
{
	struct param_names *n = param_names_new("search_path", NULL);
	size_t count = param_names_count(n);
	struct param_set *have = param_set_new(count);
	struct param_set *want = param_set_new(count);
	struct buf sql = { 0 };
	size_t i;

	for (i = 4; i < count; i++) {
		have = param_set_with(have, i, "0");
		want = param_set_with(want, i, value);
		if (param_diff_sql(n, want, have, &sql, NULL) < 0)
			assert(buf_len(&sql) == 0);
		check_sql(buf_span(&sql));
		buf_reset(&sql);
		want = param_set_with(want, i, "0");
	}
	assert(param_set_same(want, have));
	buf_free(&sql);
	param_set_unref(have);
	param_set_unref(want);
	param_names_unref(n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = n > 0 ? xstrndup((const char *)data, n) : xstrdup("");
	struct buf item = { 0 };
	const char *name, *value;
	struct err e;
	size_t at = 0;

	while (options_next(text, &at, &item, &name, &value) == PARAM_ONE)
		diff(value);
	diff(text);
	param_names_unref(param_names_new(text, &e));
	sql_is_commit(SPAN(data, n));
	buf_free(&item);
	free(text);
	return 0;
}
