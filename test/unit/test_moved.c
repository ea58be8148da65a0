/* Tests of proto/moved: a client in writing. */
#include <stdio.h>
#include <string.h>

#include "proto/moved.h"
#include "unit.h"

static struct param_names *names;
static struct stmt_table *table;

static void
setup(void)
{
	struct err e;

	err_clear(&e);
	names = param_names_new("search_path", &e);
	table = stmt_table_new(NULL);
}

static void
teardown(void)
{
	ck_assert_uint_eq(stmt_table_count(table), 0);
	stmt_table_unref(table);
	param_names_unref(names);
}

/* With one name on a server: its Parse has been answered. */
static void
prepare(struct stmt_client *c, const char *name, struct stmt *s)
{
	struct stmt_server *on = stmt_server_new();
	struct pipeline p;

	pipeline_init(&p);
	stmt_sent_parse(on, c, span_of(name), s, true);
	p.done = 1;
	stmt_server_settle(on, &p);
	stmt_server_free(on);
	stmt_unref(s);
}

static struct stmt_client *
sample_statements(void)
{
	struct stmt_client *c = stmt_client_new();

	prepare(c, "one", stmt_get(table, SPAN("SELECT 1\0\0", 11), 7, true));
	prepare(c, "two", stmt_get(table, SPAN("SELECT $1\0\0\1\0\0\0\27", 16),
	    7, false));
	prepare(c, "three", stmt_of_sql(table,
	    SPAN_LIT("(int) AS SELECT $1"), 7));
	stmt_unnamed_set(stmt_client_unnamed(c), 0x1234567890abcdef,
	    SPAN("SELECT 9\0\0", 11));
	return c;
}

static void
sample_put(struct buf *out)
{
	struct stmt_client *stmts = sample_statements();
	struct moved m = { .database = "shop", .user = "app",
		.secret = "geheim", .key = SPAN_LIT("12345678"),
		.is_unix = true, .has_keys = true,
		.connect_wall_us = -5000000000,
		.params = param_set_new(param_names_count(names)) };

	m.peer.family = 2;
	m.peer.port = 50123;
	m.peer.pid = 99;
	memcpy(m.peer.ip, "0123456789abcdef", 16);
	memset(m.keys.client_key, 'c', SCRAM_KEY);
	memset(m.keys.server_key, 's', SCRAM_KEY);
	m.params = param_set_with(m.params, 2, "Asia/Tokyo");
	m.params = param_set_with(m.params, 5, "");
	m.asked = param_set_new(param_names_count(names));
	m.asked = param_set_with(m.asked, 2, "Zulu");
	m.settings = settings_with(NULL, "role", SPAN_LIT("SET ROLE x"));
	m.settings = settings_with(m.settings, "a", SPAN_LIT("SET a TO 1"));
	m.startup = settings_with(NULL, "b", SPAN_LIT("SET b TO 2"));
	ck_assert(texts_set(&m.texts, SPAN("s\0s", 3),
	    SPAN_LIT("SET a TO $1")));
	ck_assert(texts_set(&m.texts, SPAN_LIT("x"), SPAN_LIT("LISTEN y")));
	texts_doubt(m.texts, SPAN_LIT("x"), 1);
	ck_assert(moved_fits(m.texts, stmts));
	moved_put(&m, names, stmts, out);
	moved_fini(&m);
	stmt_client_free(stmts);
}

static void
statement_is(struct stmt_client *c, const char *name, const char *text,
    bool shared, bool sql)
{
	struct stmt *s;

	ck_assert_int_eq(stmt_client_get(c, span_of(name), 0, &s), STMT_YES);
	ck_assert_str_eq((const char *)s->tail, text);
	ck_assert_int_eq(s->table == table, shared);
	ck_assert_int_eq(s->sql, sql);
	ck_assert_uint_eq(s->print, 42);
}

START_TEST(everything_arrives)
{
	struct buf b = { 0 };
	struct stmt_client *c;
	struct stmt_unnamed *u;
	struct reader r;
	struct moved m;
	struct stmt *s;

	sample_put(&b);
	ck_assert(moved_take(buf_span(&b), names, &m, &r));
	ck_assert_str_eq(m.database, "shop");
	ck_assert_str_eq(m.user, "app");
	ck_assert_str_eq(m.secret, "geheim");
	ck_assert(span_is(m.key, "12345678"));
	ck_assert_int_eq(m.peer.family, 2);
	ck_assert_int_eq(m.peer.port, 50123);
	ck_assert_int_eq(m.peer.pid, 99);
	ck_assert_mem_eq(m.peer.ip, "0123456789abcdef", 16);
	ck_assert(m.is_unix && m.has_keys);
	ck_assert_int_eq(m.keys.client_key[SCRAM_KEY - 1], 'c');
	ck_assert_int_eq(m.keys.server_key[0], 's');
	ck_assert(m.connect_wall_us == -5000000000);
	ck_assert_str_eq(param_get(m.params, 2), "Asia/Tokyo");
	ck_assert_str_eq(param_get(m.params, 5), "");
	ck_assert_ptr_null(param_get(m.params, 0));
	ck_assert_str_eq(param_get(m.asked, 2), "Zulu");
	ck_assert_ptr_null(param_get(m.asked, 5));
	ck_assert(span_is(settings_find(m.settings, "a"), "SET a TO 1"));
	ck_assert(span_is(settings_find(m.settings, "role"), "SET ROLE x"));
	ck_assert_uint_eq(settings_count(m.settings), 2);
	ck_assert(span_is(settings_find(m.startup, "b"), "SET b TO 2"));
	ck_assert(span_is(texts_get(m.texts, SPAN("s\0s", 3), 0),
	    "SET a TO $1"));
	ck_assert(span_is(texts_get(m.texts, SPAN_LIT("x"), 1), "'"));
	c = stmt_client_take(&r, table, 42);
	ck_assert(reader_done(&r));
	ck_assert_uint_eq(stmt_client_count(c), 3);
	statement_is(c, "one", "SELECT 1", true, false);
	statement_is(c, "two", "SELECT $1", false, false);
	ck_assert_int_eq(stmt_client_get(c, SPAN_LIT("three"), 0, &s),
	    STMT_YES);
	ck_assert(s->sql && !s->table);
	ck_assert(span_eq(SPAN(s->tail, s->tail_n),
	    SPAN_LIT("(int) AS SELECT $1")));
	u = stmt_client_unnamed(c);
	ck_assert(u->id == 0x1234567890abcdef && u->kept);
	ck_assert_str_eq((const char *)u->tail, "SELECT 9");
	stmt_client_free(c);
	moved_fini(&m);
	buf_free(&b);
}
END_TEST

/* With its length put right. False: it is refused. */
static bool
is_taken(const uint8_t *p, size_t n)
{
	struct stmt_client *c = NULL;
	struct buf b = { 0 };
	struct writer w;
	struct reader r;
	struct moved m;
	bool ok;

	writer_begin(&w, &b, 'C');
	writer_bytes(&w, p, n);
	writer_end(&w);
	ok = moved_take(buf_span(&b), names, &m, &r);
	if (ok) {
		c = stmt_client_take(&r, table, 42);
		ok = reader_done(&r);
	}
	stmt_client_free(c);
	moved_fini(&m);
	buf_free(&b);
	return ok;
}

START_TEST(every_truncation_is_refused)
{
	struct buf b = { 0 };
	const uint8_t *body;
	size_t n;

	sample_put(&b);
	body = buf_head(&b) + WIRE_HEAD;
	n = buf_len(&b) - WIRE_HEAD;
	ck_assert(is_taken(body, n));
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(!is_taken(body, i), "%zu of %zu bytes", i, n);
	buf_append(&b, "", 1);
	ck_assert(!is_taken(buf_head(&b) + WIRE_HEAD, n + 1));
	buf_free(&b);
}
END_TEST

START_TEST(a_wrong_head_is_refused)
{
	struct buf b = { 0 };
	struct reader r;
	struct moved m;

	sample_put(&b);
	for (size_t i = 0; i < WIRE_HEAD; i++) {
		b.data[b.start + i] ^= 1;
		ck_assert(!moved_take(buf_span(&b), names, &m, &r));
		moved_fini(&m);
		b.data[b.start + i] ^= 1;
	}
	ck_assert(!moved_take(SPAN(NULL, 0), names, &m, &r));
	moved_fini(&m);
	buf_free(&b);
}
END_TEST

START_TEST(without_statements_there_is_no_list)
{
	struct buf b = { 0 };
	struct writer w;
	struct reader r;

	writer_begin(&w, &b, 0);
	stmt_client_put(NULL, &w);
	reader_init(&r, SPAN(buf_head(&b) + 4, buf_len(&b) - 4));
	ck_assert_ptr_null(stmt_client_take(&r, table, 1));
	ck_assert(reader_done(&r));
	buf_free(&b);
}
END_TEST

START_TEST(what_names_a_server_s_statement_stays)
{
	struct stmt_client *c = sample_statements();
	struct stmt *s;

	ck_assert_int_eq(stmt_client_get(c, SPAN_LIT("one"), 0, &s),
	    STMT_YES);
	stmt_unnamed_does(stmt_client_unnamed(c), STMT_EXECUTES,
	    SPAN_LIT("one"), s);
	ck_assert(!moved_fits(NULL, c));
	stmt_client_free(c);
}
END_TEST

START_TEST(what_is_too_large_stays)
{
	struct stmt_client *c = stmt_client_new();
	uint8_t *text = xcalloc(1, MOVED_MAX / 2);

	memset(text, 'x', MOVED_MAX / 2 - 3);
	prepare(c, "a", stmt_get(table, SPAN(text, MOVED_MAX / 2), 1, true));
	ck_assert(moved_fits(NULL, c));
	prepare(c, "b", stmt_get(table, SPAN(text, MOVED_MAX / 2), 2, true));
	ck_assert(!moved_fits(NULL, c));
	stmt_client_free(c);
	free(text);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("moved");
	TCase *t = tcase_create("moved");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, everything_arrives);
	tcase_add_test(t, every_truncation_is_refused);
	tcase_add_test(t, a_wrong_head_is_refused);
	tcase_add_test(t, without_statements_there_is_no_list);
	tcase_add_test(t, what_names_a_server_s_statement_stays);
	tcase_add_test(t, what_is_too_large_stays);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(suite())
