/* Tests of proto/stmt, alone and together with proto/pipeline. */
#include <stdio.h>
#include <string.h>

#include "proto/stmt.h"
#include "unit_suite.h"

/* A Parse behind its name, without parameters. */
static struct stmt *
get(struct stmt_table *t, const char *sql, uint64_t print, bool shared)
{
	uint8_t tail[300];
	size_t n = strlen(sql) + 1;

	memcpy(tail, sql, n);
	tail[n] = tail[n + 1] = 0;
	return stmt_get(t, SPAN(tail, n + 2), print, shared);
}

START_TEST(what_is_alike_is_one)
{
	struct stmt_table *t = stmt_table_new(NULL);
	struct stmt *a = get(t, "SELECT 1", 1, true);
	struct stmt *b = get(t, "SELECT 1", 1, true);
	struct stmt *text = get(t, "SELECT 2", 1, true);
	struct stmt *print = get(t, "SELECT 1", 2, true);
	struct stmt *own = get(t, "SELECT 1", 1, false);

	ck_assert_ptr_eq(a, b);
	ck_assert_ptr_ne(a, text);
	ck_assert_ptr_ne(a, print);
	ck_assert_ptr_ne(a, own);
	ck_assert_str_ne(a->name, own->name);
	ck_assert_str_eq(a->name, "PGBOUNCER_1");
	ck_assert_uint_eq(stmt_table_count(t), 3);
	stmt_unref(a);
	ck_assert_uint_eq(stmt_table_count(t), 3);
	stmt_unref(b);
	ck_assert_uint_eq(stmt_table_count(t), 2);
	/* Its number does not come again. */
	a = get(t, "SELECT 1", 1, true);
	ck_assert_str_eq(a->name, "PGBOUNCER_5");
	/* They outlive the pool that made the table. */
	stmt_table_unref(t);
	stmt_unref(a);
	stmt_unref(text);
	stmt_unref(print);
	stmt_unref(own);
}
END_TEST

START_TEST(a_table_grows)
{
	enum { N = 5000 };
	static struct stmt *s[N];
	struct stmt_table *t = stmt_table_new(NULL);
	char sql[32];
	int i, round;

	for (round = 0; round < 2; round++)
		for (i = 0; i < N; i++) {
			struct stmt *st;

			snprintf(sql, sizeof(sql), "SELECT %d", i);
			st = get(t, sql, 7, true);
			if (round == 0)
				s[i] = st;
			ck_assert_ptr_eq(s[i], st);
		}
	ck_assert_uint_eq(stmt_table_count(t), N);
	for (i = 0; i < N; i++) {
		stmt_unref(s[i]);
		stmt_unref(s[i]);
	}
	ck_assert_uint_eq(stmt_table_count(t), 0);
	stmt_table_unref(t);
}
END_TEST

START_TEST(texts_that_may_set)
{
	static const char *const sets[] = { "SET x TO 1", "set", "RESET ALL",
		"ROLLBACK", "COMMIT", " SELECT 1", "/**/SELECT 1", "",
		"DISCARD ALL", "DEALLOCATE a", "CALL f()", "DO $$$$", "S" };
	static const char *const not[] = { "SELECT 1", "select", "INSERT INTO",
		"Update x", "DELETE FROM", "WITH a", "BEGIN", "START T" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(sets); i++)
		ck_assert_msg(stmt_text_sets(span_of(sets[i])), "%s", sets[i]);
	for (i = 0; i < ARRAY_LEN(not); i++)
		ck_assert_msg(!stmt_text_sets(span_of(not[i])), "%s", not[i]);
}
END_TEST

static bool
has(struct stmt_server *s, const struct stmt *st)
{
	return stmt_server_has(s, st, 0) == STMT_YES;
}

static struct stmt *
named(struct stmt_client *c, const char *name)
{
	struct stmt *s;

	stmt_client_get(c, span_of(name), 0, &s);
	return s;
}

START_TEST(the_one_used_last_goes_last)
{
	struct stmt_table *t = stmt_table_new(NULL);
	struct stmt_server *s = stmt_server_new();
	struct stmt *a = get(t, "a", 0, true), *b = get(t, "b", 0, true);
	struct stmt *c = get(t, "c", 0, true), *old;
	struct pipeline p;

	pipeline_init(&p);
	pipeline_got(&p, 'Z', 'I');
	ck_assert(!has(s, a));
	ck_assert_ptr_null(stmt_server_surplus(s, 1, 1));
	stmt_sent_parse(s, NULL, SPAN(NULL, 0), a, true);
	stmt_sent_parse(s, NULL, SPAN(NULL, 0), b, true);
	stmt_sent_parse(s, NULL, SPAN(NULL, 0), c, true);
	p.done = 3;
	stmt_server_settle(s, &p);
	ck_assert_uint_eq(stmt_server_count(s), 3);
	ck_assert_ptr_null(stmt_server_surplus(s, 4, 1));
	old = stmt_server_surplus(s, 3, 1);
	ck_assert_ptr_eq(old, a);
	stmt_unref(old);
	ck_assert(has(s, a));
	old = stmt_server_surplus(s, 3, 1);
	ck_assert_ptr_eq(old, b);
	stmt_unref(old);
	/* What is stale is as if it were missing, and has to be closed. */
	stmt_server_expire(s);
	ck_assert(!has(s, a) && !has(s, b));
	ck_assert(stmt_server_must_close(s, a));
	stmt_sent_own_close(s, a);
	stmt_sent_parse(s, NULL, SPAN(NULL, 0), a, true);
	stmt_sent_parse(s, NULL, SPAN(NULL, 0), b, true);
	stmt_sent_parse(s, NULL, SPAN(NULL, 0), c, true);
	p.done = 4;
	stmt_server_settle(s, &p);
	ck_assert(has(s, c) && has(s, a));
	/* Bytes count too. */
	old = stmt_server_surplus(s, 100, STMT_SERVER_MAX);
	ck_assert_ptr_eq(old, b);
	/* A Close that is skipped changes nothing in the end. */
	stmt_sent_own_close(s, b);
	ck_assert(!has(s, b));
	ck_assert_int_eq(stmt_server_has(s, b, 1), STMT_WAIT);
	p.lost = 1;
	stmt_server_settle(s, &p);
	ck_assert(has(s, b));
	stmt_unref(old);
	stmt_server_clear(s, true);
	ck_assert_uint_eq(stmt_server_count(s), 0);
	ck_assert(stmt_server_must_close(s, a));
	stmt_server_free(s);
	stmt_unref(a);
	stmt_unref(b);
	stmt_unref(c);
	stmt_table_unref(t);
}
END_TEST

START_TEST(clearing_keeps_what_is_under_way)
{
	struct stmt_table *t = stmt_table_new(NULL);
	struct stmt_server *s = stmt_server_new();
	struct stmt_client *c = stmt_client_new();
	struct stmt *a = get(t, "a", 0, true), *b = get(t, "b", 0, true);
	struct pipeline p;

	pipeline_init(&p);
	stmt_sent_parse(s, c, SPAN_LIT("a"), a, true);
	p.done = 1;
	stmt_server_settle(s, &p);
	stmt_sent_parse(s, c, SPAN_LIT("b"), b, true);
	stmt_server_clear(s, false);
	stmt_client_clear(c);
	ck_assert_ptr_null(named(c, "a"));
	ck_assert_ptr_eq(named(c, "b"), b);
	ck_assert_int_eq(stmt_client_get(c, SPAN_LIT("b"), 1, &b), STMT_WAIT);
	b = named(c, "b");
	ck_assert(!has(s, a));
	ck_assert(has(s, b));
	ck_assert_uint_eq(stmt_client_count(c), 0);
	/* The client goes first; the server's answer comes later. */
	stmt_server_forget_client(s);
	stmt_client_free(c);
	p.done = 1;
	stmt_server_settle(s, &p);
	ck_assert(has(s, b));
	stmt_server_free(s);
	stmt_unref(a);
	stmt_unref(b);
	stmt_table_unref(t);
}
END_TEST

/* A Query whose statements prepare and deallocate, and that fails on its way. */
START_TEST(a_query_is_done_step_by_step)
{
	struct stmt_table *t = stmt_table_new(NULL);
	struct stmt_server *s = stmt_server_new();
	struct stmt_client *c = stmt_client_new();
	struct stmt *a = get(t, "a", 0, false), *b = get(t, "b", 0, false);
	struct stmt *sql = stmt_of_sql(t, SPAN_LIT("(int) AS x"), 0);
	struct pipeline p;

	ck_assert(sql->sql && sql->tail_n == 10);
	pipeline_init(&p);
	pipeline_got(&p, 'Z', 'I');
	pipeline_tracked_sent(&p, 'Q', false);
	ck_assert(pipeline_is_at_tracked_query(&p));
	stmt_sent_query(s, true);
	ck_assert(stmt_server_waits(s));
	stmt_query_prepares(s, c, SPAN_LIT("a"), a);
	stmt_query_prepares(s, c, SPAN_LIT("b"), b);
	stmt_query_deallocates(s, c, SPAN_LIT("a"), a);
	stmt_query_prepares(s, NULL, SPAN(NULL, 0), sql);
	ck_assert_ptr_null(named(c, "a"));
	ck_assert_ptr_eq(named(c, "b"), b);
	ck_assert(has(s, sql));
	pipeline_got(&p, 'C', 0);
	stmt_server_query_step(s);
	pipeline_got(&p, 'C', 0);
	stmt_server_query_step(s);
	pipeline_got(&p, 'E', 0);
	pipeline_got(&p, 'Z', 'I');
	ck_assert(p.news && p.lost == 1);
	stmt_server_settle(s, &p);
	ck_assert(!stmt_server_waits(s));
	ck_assert_ptr_eq(named(c, "a"), a);
	ck_assert_ptr_eq(named(c, "b"), b);
	ck_assert(has(s, a) && has(s, b) && !has(s, sql));
	/* One that nobody has announced means nothing. */
	stmt_server_query_step(s);
	stmt_server_free(s);
	stmt_client_free(c);
	stmt_unref(a);
	stmt_unref(b);
	stmt_unref(sql);
	stmt_table_unref(t);
}
END_TEST

START_TEST(the_unnamed_one_is_kept_whole)
{
	struct stmt_client *c = stmt_client_new();
	struct stmt_unnamed *u = stmt_client_unnamed(c);
	char big[20000];

	memset(big, 'x', sizeof(big));
	ck_assert_uint_eq(u->id, 0);
	stmt_unnamed_set(u, 1, SPAN_LIT("SELECT"));
	ck_assert(u->kept && span_is(SPAN(u->tail, u->n), "SELECT"));
	stmt_unnamed_set(u, 2, SPAN(big, sizeof(big)));
	ck_assert_uint_eq(u->n, sizeof(big));
	ck_assert_mem_eq(u->tail, big, sizeof(big));
	stmt_unnamed_set(u, 3, SPAN_LIT("x"));
	ck_assert_uint_lt(u->cap, 4096);
	stmt_unnamed_set_passing(u, 4);
	ck_assert(u->id == 4 && !u->kept);
	stmt_unnamed_clear(u);
	ck_assert_uint_eq(u->id, 0);
	stmt_client_free(c);
}
END_TEST

START_TEST(memory_of_a_client_is_bounded)
{
	struct stmt_table *t = stmt_table_new(NULL);
	struct stmt_server *s = stmt_server_new();
	struct stmt_client *c = stmt_client_new();
	struct stmt *a = get(t, "a", 0, true);
	struct pipeline p;

	pipeline_init(&p);
	ck_assert(stmt_client_has_room(c, SPAN_LIT("a"), 1000));
	ck_assert(!stmt_client_has_room(c, SPAN_LIT("a"), STMT_CLIENT_MAX));
	ck_assert(stmt_client_has_room(c, SPAN_LIT("a"),
	    STMT_CLIENT_MAX - STMT_CLIENT_EACH - 2));
	stmt_sent_parse(s, c, SPAN_LIT("a"), a, true);
	p.done = 1;
	stmt_server_settle(s, &p);
	ck_assert(!stmt_client_has_room(c, SPAN_LIT("a"),
	    STMT_CLIENT_MAX - STMT_CLIENT_EACH - 2));
	stmt_server_free(s);
	stmt_client_free(c);
	stmt_unref(a);
	stmt_table_unref(t);
}
END_TEST

/*
 * Together with the pipeline, against a model of a server. A client's batch
 * is a row of these; what it was told has to be what its names mean in the
 * end, and what the server has has to be what it is thought to have.
 */
enum act { P_A_X, P_A_Y, P_B_X, P_A_BAD, C_A, B_A, B_B, SYNC, ACTS };

static const struct {
	char type;
	const char *name;
	const char *sql; /* "bad": the server does not take it */
} acts[ACTS] = {
	[P_A_X] = { 'P', "a", "x" },
	[P_A_Y] = { 'P', "a", "y" },
	[P_B_X] = { 'P', "b", "x" },
	[P_A_BAD] = { 'P', "a", "bad" },
	[C_A] = { 'C', "a", NULL },
	[B_A] = { 'B', "a", NULL },
	[B_B] = { 'B', "b", NULL },
	[SYNC] = { 'S', NULL, NULL },
};

#define QUEUE 128

struct world {
	struct stmt_table *table;
	struct stmt_server *server;
	struct stmt_client *client;
	struct pipeline p;
	/* On the way to the server. */
	struct {
		char type;
		struct stmt *st; /* NULL: it fails */
	} up[QUEUE];
	int up_head, up_n;
	bool skipping; /* the server */
	bool has[32]; /* ... by number */
	char told[QUEUE]; /* to the client: 1 2 3 Z, E, R for our error */
	int told_n;
	size_t max;
	uint32_t batch;
};

static void server_does(struct world *w);

/* Whether something is there; while nobody can tell, the server goes on. */
static bool
server_has(struct world *w, struct stmt *st)
{
	enum stmt_state is;

	while ((is = stmt_server_has(w->server, st, w->batch)) == STMT_WAIT)
		server_does(w);
	return is == STMT_YES;
}

static struct stmt *
client_has(struct world *w, const char *name)
{
	struct stmt *st;

	while (stmt_client_get(w->client, span_of(name), w->batch, &st) ==
	    STMT_WAIT)
		server_does(w);
	return st;
}

static void
tell(struct world *w, char what)
{
	ck_assert_int_lt(w->told_n, QUEUE);
	w->told[w->told_n++] = what;
}

static void
take_news(struct world *w)
{
	uint8_t type;

	stmt_server_settle(w->server, &w->p);
	while ((type = pipeline_take_fake(&w->p)) != 0) {
		tell(w, (char)type);
		stmt_server_settle(w->server, &w->p);
	}
	w->p.news = false;
}

static void
post(struct world *w, char type, struct stmt *st)
{
	ck_assert_int_lt(w->up_n, QUEUE);
	w->up[w->up_n].type = type;
	w->up[w->up_n++].st = st != NULL ? stmt_ref(st) : NULL;
}

static void
refuse(struct world *w)
{
	struct err e;

	err_set(&e, "42P05", "no");
	ck_assert(pipeline_refused_sent(&w->p, 'P'));
	stmt_sent_refused(w->server, &e);
	post(w, 'P', NULL);
}

static void
make_room(struct world *w)
{
	struct stmt *old;

	while ((old = stmt_server_surplus(w->server, w->max, 1)) != NULL) {
		pipeline_tracked_sent(&w->p, 'C', true);
		stmt_sent_own_close(w->server, old);
		post(w, 'C', old);
		stmt_unref(old);
	}
}

static void
send_parse(struct world *w, struct span name, const char *sql)
{
	struct stmt *st = get(w->table, sql, 0, true);

	if (server_has(w, st)) {
		pipeline_fake_sent(&w->p, 'P');
		stmt_sent_parse(w->server, w->client, name, st, false);
	} else {
		make_room(w);
		pipeline_tracked_sent(&w->p, 'P', false);
		stmt_sent_parse(w->server, w->client, name, st, true);
		post(w, 'P', st);
	}
	stmt_unref(st);
}

static void
send_bind(struct world *w, struct stmt *st)
{
	if (!server_has(w, st)) {
		make_room(w);
		pipeline_tracked_sent(&w->p, 'P', true);
		stmt_sent_parse(w->server, NULL, SPAN(NULL, 0), st, true);
		post(w, 'P', st);
	}
	pipeline_sent(&w->p, 'B');
	post(w, 'B', st);
}

static void
client_does(struct world *w, enum act a)
{
	struct span name = span_of(acts[a].name);
	struct stmt *st = NULL;

	if (acts[a].type == 'P' || acts[a].type == 'B')
		st = client_has(w, acts[a].name);

	switch (acts[a].type) {
	case 'P':
		if (st != NULL)
			refuse(w);
		else
			send_parse(w, name, acts[a].sql);
		break;
	case 'B':
		if (st == NULL)
			refuse(w);
		else
			send_bind(w, st);
		break;
	case 'C':
		pipeline_fake_sent(&w->p, 'C');
		stmt_sent_close(w->server, w->client, name);
		break;
	default:
		pipeline_sent(&w->p, 'S');
		post(w, 'S', NULL);
		stmt_server_set_batch(w->server, ++w->batch);
	}
	if (w->p.news && w->p.owed == 0)
		take_news(w);
}

static void
comes(struct world *w, char type)
{
	enum pipe_verdict v;

	if (w->p.news)
		take_news(w);
	v = pipeline_got(&w->p, (uint8_t)type, type == 'Z' ? 'I' : 0);
	ck_assert_int_ne(v, PIPE_BAD);
	if (v == PIPE_REPLACE)
		ck_assert_ptr_nonnull(stmt_server_error(w->server));
	if (v == PIPE_FORWARD)
		tell(w, type);
	else if (v == PIPE_REPLACE)
		tell(w, 'E');
	if (w->p.news)
		take_news(w);
}

/* PostgreSQL reads one message. */
static void
server_does(struct world *w)
{
	char type = w->up[w->up_head].type;
	struct stmt *st = w->up[w->up_head++].st;
	bool bad = st != NULL && strcmp((const char *)st->tail, "bad") == 0;
	bool fails = st == NULL || (bad && type != 'C');

	if (type == 'S') {
		w->skipping = false;
		comes(w, 'Z');
	} else if (!w->skipping) {
		if (type == 'P' && !fails)
			fails = w->has[st->number];
		else if (type == 'B' && !fails)
			fails = !w->has[st->number];
		/* Neither may ever be: it would be the pooler's doing. */
		if (st != NULL && !bad)
			ck_assert(!fails);
		if (fails) {
			w->skipping = true;
			comes(w, 'E');
		} else {
			if (type != 'B')
				w->has[st->number] = type == 'P';
			comes(w, type == 'P' ? '1' : type == 'B' ? '2' : '3');
		}
	}
	stmt_unref(st);
}

/* What PostgreSQL itself would have told it. */
static void
expect(const enum act *row, int n, char *told)
{
	const char *a = NULL, *b = NULL, **name;
	bool skip = false;
	int i;

	for (i = 0; i < n; i++) {
		name = acts[row[i]].name && acts[row[i]].name[0] == 'a' ? &a :
		    &b;
		if (row[i] == SYNC) {
			*told++ = 'Z';
			skip = false;
		} else if (skip) {
			continue;
		} else if (acts[row[i]].type == 'P') {
			skip = *name != NULL || row[i] == P_A_BAD;
			if (!skip)
				*name = acts[row[i]].sql;
			*told++ = skip ? 'E' : '1';
		} else if (acts[row[i]].type == 'C') {
			*name = NULL;
			*told++ = '3';
		} else {
			skip = *name == NULL;
			*told++ = skip ? 'E' : '2';
		}
	}
	*told = '\0';
}

/* What the client's names mean, from what it was told. */
static void
check_names(struct world *w, const enum act *row, int n)
{
	const char *a = NULL, *b = NULL, **name;
	int i, at = 0;
	bool skip = false;

	for (i = 0; i < n; i++) {
		if (skip && row[i] != SYNC)
			continue;
		ck_assert_int_lt(at, w->told_n);
		skip = w->told[at++] == 'E';
		if (skip || row[i] == SYNC)
			continue;
		name = acts[row[i]].name[0] == 'a' ? &a : &b;
		if (acts[row[i]].type == 'P')
			*name = acts[row[i]].sql;
		else if (acts[row[i]].type == 'C')
			*name = NULL;
		ck_assert_int_eq(w->told[at - 1],
		    acts[row[i]].type == 'P' ? '1' :
		    acts[row[i]].type == 'B' ? '2' : '3');
	}
	ck_assert_int_eq(at, w->told_n);
	for (i = 0; i < 2; i++) {
		const char *want = i ? b : a;
		struct stmt *st = named(w->client, i ? "b" : "a");

		ck_assert_int_eq(st != NULL, want != NULL);
		if (st != NULL)
			ck_assert_str_eq((const char *)st->tail, want);
	}
	ck_assert_uint_eq(stmt_client_count(w->client),
	    (a != NULL) + (b != NULL));
}

static void
check_server(struct world *w)
{
	struct stmt *x = get(w->table, "x", 0, true);
	struct stmt *y = get(w->table, "y", 0, true);
	size_t i, n = 0;

	ck_assert(has(w->server, x) == w->has[x->number]);
	ck_assert(has(w->server, y) == w->has[y->number]);
	for (i = 0; i < ARRAY_LEN(w->has); i++)
		n += w->has[i];
	ck_assert_uint_eq(n, stmt_server_count(w->server));
	/* One put back may be one too many, until the next goes there. */
	ck_assert(n <= w->max + 1);
	stmt_unref(x);
	stmt_unref(y);
}

/* early: the server answers each message before the next is sent. */
static void
run_row(const enum act *row, int n, size_t max, bool early)
{
	struct world w = { .max = max };
	struct stmt *x, *y, *bad;
	char want[QUEUE];
	int i;

	w.table = stmt_table_new(NULL);
	w.server = stmt_server_new();
	w.client = stmt_client_new();
	/* So that numbers stay the same. */
	x = get(w.table, "x", 0, true);
	y = get(w.table, "y", 0, true);
	bad = get(w.table, "bad", 0, true);
	pipeline_init(&w.p);
	pipeline_got(&w.p, 'Z', 'I');
	for (i = 0; i < n; i++) {
		client_does(&w, row[i]);
		while (early && w.up_head < w.up_n)
			server_does(&w);
	}
	while (w.up_head < w.up_n)
		server_does(&w);
	ck_assert(pipeline_is_idle(&w.p));
	expect(row, n, want);
	w.told[w.told_n] = '\0';
	ck_assert_msg(strcmp(w.told, want) == 0, "%s instead of %s, early %d "
	    "max %zu: %d %d %d %d %d", w.told, want, early, max, row[0],
	    row[1], row[2], row[3], row[4]);
	check_names(&w, row, n);
	check_server(&w);
	stmt_server_free(w.server);
	stmt_client_free(w.client);
	stmt_unref(x);
	stmt_unref(y);
	stmt_unref(bad);
	ck_assert_uint_eq(stmt_table_count(w.table), 0);
	stmt_table_unref(w.table);
	pipeline_fini(&w.p);
}

START_TEST(every_short_pipeline)
{
	enum { LONG = 5 };
	enum act row[LONG + 2];
	int i, at, all = 1;

	for (i = 0; i < LONG; i++)
		all *= ACTS;
	for (at = 0; at < all; at++) {
		int left = at;

		for (i = 0; i < LONG; i++, left /= ACTS)
			row[i] = (enum act)(left % ACTS);
		row[LONG] = SYNC;
		for (i = 0; i < 4; i++)
			run_row(row, LONG + 1, i & 1 ? 1 : 2, i & 2);
	}
}
END_TEST

START_TEST(long_pipelines_drawn_by_lot)
{
	enum act row[24];
	int i, seed;

	for (seed = 0; seed < 20000; seed++) {
		srandom((unsigned)seed);
		for (i = 0; i < 23; i++)
			row[i] = (enum act)(random() % ACTS);
		row[23] = SYNC;
		run_row(row, 24, 1 + (size_t)seed % 2, seed % 3 == 0);
	}
}
END_TEST

UNIT_MAIN(UNIT_SUITE("stmt", what_is_alike_is_one, a_table_grows,
    texts_that_may_set, the_one_used_last_goes_last,
    clearing_keeps_what_is_under_way, a_query_is_done_step_by_step,
    the_unnamed_one_is_kept_whole,
    memory_of_a_client_is_bounded, every_short_pipeline,
    long_pipelines_drawn_by_lot))
