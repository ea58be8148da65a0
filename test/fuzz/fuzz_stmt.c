/*
 * A client's names and a server's statements, with operations that end in any
 * way: two bytes are one step, what and with which name and text.
 */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "proto/stmt.h"

struct world {
	struct stmt_table *table;
	struct stmt_server *server;
	struct stmt_client *client;
	struct pipeline p;
	uint32_t under_way;
	uint32_t batch;
};

static struct stmt *
text(struct world *w, uint8_t b)
{
	uint8_t tail[4] = { (uint8_t)('a' + (b >> 4 & 7)), 0, 0, 0 };

	return stmt_get(w->table, SPAN(tail, sizeof(tail)), b & 1, b < 0xc0);
}

static void
ended(struct world *w, bool done)
{
	if (w->under_way == 0)
		return;
	w->under_way--;
	w->p.lost = !done;
	w->p.done = done;
	stmt_server_settle(w->server, &w->p);
}

static void
query(struct world *w, struct span name, struct stmt *st, bool last)
{
	stmt_sent_query(w->server, last);
	stmt_query_prepares(w->server, w->client, name, st);
	stmt_query_deallocates(w->server, w->client, name, st);
	stmt_query_prepares(w->server, NULL, SPAN(NULL, 0), st);
	w->under_way++;
}

static void
step(struct world *w, uint8_t what, uint8_t with)
{
	uint8_t n = (uint8_t)('a' + (with & 3));
	struct span name = SPAN(&n, 1);
	struct stmt *st = text(w, with), *got;

	switch (what % 12) {
	case 0:
	case 1:
		stmt_sent_parse(w->server, w->client, name, st, what % 12);
		w->under_way++;
		break;
	case 2:
		stmt_sent_close(w->server, w->client, name);
		w->under_way++;
		break;
	case 3:
		stmt_sent_own_close(w->server, st);
		w->under_way++;
		break;
	case 4:
		ended(w, with & 1);
		break;
	case 5:
		w->batch++;
		stmt_server_set_batch(w->server, w->batch);
		break;
	case 6:
		stmt_server_clear(w->server, with & 1);
		stmt_client_clear(w->client);
		break;
	case 7:
		stmt_server_expire(w->server);
		break;
	case 8:
		query(w, name, st, with & 1);
		break;
	case 9:
		if (w->under_way > 0)
			stmt_server_query_step(w->server);
		break;
	case 10:
		if (stmt_client_get(w->client, name, w->batch, &got) ==
		    STMT_YES)
			stmt_client_replace(w->client, name, st);
		break;
	case 11:
		stmt_server_forget_client(w->server);
		stmt_client_free(w->client);
		w->client = stmt_client_new();
		break;
	}
	if (stmt_server_has(w->server, st, w->batch) == STMT_YES)
		assert(stmt_server_count(w->server) > 0);
	assert((stmt_client_get(w->client, name, w->batch, &got) ==
	    STMT_YES) == (got != NULL));
	got = stmt_server_surplus(w->server, 3, 1);
	assert(got == NULL || stmt_server_count(w->server) >= 3);
	stmt_unref(got);
	stmt_unref(st);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct world w = { 0 };
	size_t i;

	w.table = stmt_table_new(NULL);
	w.server = stmt_server_new();
	w.client = stmt_client_new();
	pipeline_init(&w.p);
	for (i = 0; i + 1 < n; i += 2)
		step(&w, data[i], data[i + 1]);
	while (w.under_way > 0)
		ended(&w, n & 1);
	assert(!stmt_server_waits(w.server));
	stmt_server_free(w.server);
	stmt_client_free(w.client);
	/* Nobody has one any more. */
	assert(stmt_table_count(w.table) == 0);
	stmt_table_unref(w.table);
	return 0;
}
