/*
 * Input that is meant to mislead or to exhaust: batches that never end, portals
 * that were never bound, and texts whose meaning hangs on the encoding or on how
 * strings are read. What a client gets is what PostgreSQL would say, and the
 * next client finds a clean server.
 *
 * Elsewhere: long names, very many statements and counts that lie in
 * test_prepared; quotes and comments in test_sql; broken messages in
 * test_badinput; TEST_LONG=1 makes it 100 MB of text here.
 */
#include "fixture.h"
#include "raw.h"

#include <stdlib.h>
#include <string.h>

#define ONE_SERVER "default_pool_size = 1\nworker_threads = 1\n"

static void
is_clean(void)
{
	PGconn *c = client_open(" ");

	ck_assert_str_eq(sql_text(c, "SHOW work_mem"), "4MB");
	ck_assert_str_eq(sql_text(c, "SHOW standard_conforming_strings"), "on");
	ck_assert_str_eq(sql_text(c, "SHOW client_encoding"), "UTF8");
	ck_assert_str_eq(sql_text(c, "SELECT coalesce(current_setting("
				     "'app.x', true), '')"),
	    "");
	ck_assert_int_eq(sql_int(c, "SELECT count(*) FROM "
				    "pg_prepared_statements WHERE name NOT "
				    "LIKE 'PGBOUNCER%%'"),
	    0);
	PQfinish(c);
}

/* --- batches --- */

/* Parse, Parse, Parse: nothing of it is read, and no Sync comes. */
START_TEST (parse_without_sync_is_bounded) {
	enum { EACH = 1000 };
	int batches = getenv("TEST_LONG") ? 400 : 30;
	char name[32], text[64];
	struct raw *r;
	struct msg m;
	long before;

	pooler_start("default_pool_size = 2\nworker_threads = 2\n");
	is_clean();
	r = raw_login(pooler_current()->port, "alice", "app");
	before = pooler_rss_kb(pooler_current());
	for (int i = 0; i < batches; i++) {
		struct pkt k = { 0 };

		for (int j = 0; j < EACH; j++) {
			snprintf(name, sizeof(name), "s%d", i * EACH + j);
			snprintf(text, sizeof(text), "SELECT %d",
			    i * EACH + j);
			pkt_parse(&k, _i ? name : "", text);
		}
		pkt_empty(&k, 'H');
		raw_put(r, &k);
		/* Refused or not, others are served. */
		do
			m = raw_next(r, fx_scaled(60000));
		while (m.type == '1' && raw_ready(r, 0));
		ck_assert(m.type == '1' || m.type == 'E');
		if (m.type == 'E')
			break;
	}
	is_clean();
	if (!fx_sanitized())
		ck_assert_int_lt(pooler_rss_kb(pooler_current()) - before,
		    96 * 1024);
	/* It may still end its batch, and goes on. */
	struct pkt k = { 0 };

	pkt_empty(&k, 'S');
	raw_put(r, &k);
	raw_until(r, 'Z', fx_scaled(60000));
	ck_assert_str_eq(raw_query(r, "SELECT 8"), "8");
	raw_close(r);
	is_clean();
}
END_TEST

static void
pkt_close(struct pkt *k, char kind, const char *name)
{
	pkt_begin(k, 'C');
	pkt_u8(k, kind);
	pkt_str(k, name);
	pkt_end(k);
}

/* Types of an answer up to its end; *state is the error's. */
static const char *
hear(struct raw *r, struct pkt *k, char state[6])
{
	static char types[50];
	size_t n = 0;
	struct msg m;

	strcpy(state, "-");
	raw_put(r, k);
	do {
		m = raw_next(r, 10000);
		if (m.type == 'E')
			snprintf(state, 6, "%s", msg_field(&m, 'C'));
		if (n + 1 < sizeof(types))
			types[n++] = m.type;
	} while (m.type != 'Z' && m.type != 0);
	types[n] = '\0';
	return types;
}

START_TEST (portals_never_bound_do_not_exist) {
	struct pkt k = { 0 };
	char state[6];
	struct raw *r;

	pooler_start(ONE_SERVER);
	for (int round = 0; round < 2; round++) {
		r = raw_login(pooler_current()->port, "alice", "app");
		pkt_describe(&k, 'P', "nope");
		pkt_empty(&k, 'S');
		ck_assert_str_eq(hear(r, &k, state), "EZ");
		ck_assert_str_eq(state, "34000");
		pkt_describe(&k, 'P', "");
		pkt_empty(&k, 'S');
		ck_assert_str_eq(hear(r, &k, state), "EZ");
		ck_assert_str_eq(state, "34000");
		pkt_execute(&k, "nope", 0);
		pkt_parse(&k, "never", "SELECT 1");
		pkt_empty(&k, 'S');
		ck_assert_str_eq(hear(r, &k, state), "EZ");
		ck_assert_str_eq(state, "34000");
		/* What was skipped does not exist either; to close what does
		 * not is no error. */
		pkt_describe(&k, 'S', "never");
		pkt_empty(&k, 'S');
		ck_assert_str_eq(hear(r, &k, state), "EZ");
		ck_assert_str_eq(state, "26000");
		pkt_close(&k, 'P', "nope");
		pkt_close(&k, 'S', "nope");
		pkt_empty(&k, 'S');
		ck_assert_str_eq(hear(r, &k, state), "33Z");
		/* The portal of a transaction that is over. */
		pkt_parse(&k, "s", "SELECT 9");
		pkt_bind(&k, "p", "s");
		pkt_empty(&k, 'S');
		ck_assert_str_eq(hear(r, &k, state), "12Z");
		pkt_execute(&k, "p", 0);
		pkt_empty(&k, 'S');
		ck_assert_str_eq(hear(r, &k, state), "EZ");
		ck_assert_str_eq(state, "34000");
		ck_assert_str_eq(raw_query(r, "SELECT 8"), "8");
		raw_close(r);
		is_clean();
	}
}
END_TEST

/* --- encodings --- */

/* A character whose second byte is a backslash, in the encodings that have
 * such: SJIS, BIG5 and GBK. Read as bytes, the quote behind it is escaped, and
 * the SET is a part of the string. */
static const struct {
	const char *encoding, *character;
} doubles[] = { { "SJIS", "\x95\x5c" }, { "BIG5", "\xa4\x5c" },
	{ "GBK", "\x81\x5c" }, { "UHC", "\xb0\xa1" },
	{ "LATIN1", "\xe4" }, { "GB18030", "\x81\x5c" } };
#define NDOUBLES ((int)(sizeof(doubles) / sizeof(doubles[0])))

/* %s is the character. Each sets something, openly or not. */
static const char *const misread[] = {
	"SELECT E'%s'; SET work_mem = '7MB'; SELECT '--'",
	"SELECT E'%s'; SELECT set_config('app.x', 'v', false); SELECT '--'",
	"SELECT '%s'; SET work_mem = '7MB'; SELECT '--'",
	"SELECT 1 AS \"%s\"; SET work_mem = '7MB' -- \"",
	"SELECT $$%s$$; SET work_mem = '7MB'; --$$",
	"SELECT $x%s$ ' $x%s$; SET work_mem = '7MB'; -- '",
	"PREPARE q AS SELECT E'%s'; SET work_mem = '7MB'; SELECT ''",
	"SET app.x = E'%s'; SET work_mem = '7MB'",
	"/* %s */ SET work_mem = '7MB'; -- */",
};

static void
fill_in(char *text, size_t cap, const char *form, const char *with)
{
	size_t n = 0;

	for (; *form && n + 4 < cap; form++)
		if (form[0] == '%' && form[1] == 's') {
			n += (size_t)snprintf(text + n, cap - n, "%s", with);
			form++;
		} else {
			text[n++] = *form;
		}
	text[n] = '\0';
}

START_TEST (bytes_of_a_character_are_no_quotes) {
	char text[300];
	int took = 0;

	pooler_start(ONE_SERVER);
	for (size_t i = 0; i < sizeof(misread) / sizeof(misread[0]); i++)
		for (int early = 0; early < 2; early++) {
			PGconn *c = client_open("client_encoding=%s",
			    early ? doubles[_i].encoding : "UTF8");

			if (!early)
				sql_ok(c, "SET client_encoding = '%s'",
				    doubles[_i].encoding);
			fill_in(text, sizeof(text), misread[i],
			    doubles[_i].character);
			/* Whether the server takes it is its business. */
			PQclear(PQexec(c, text));
			ck_assert_int_eq(PQstatus(c), CONNECTION_OK);
			took += strcmp(sql_text(c, "SHOW work_mem"), "7MB") ==
			    0;
			PQfinish(c);
			is_clean();
		}
	/* Else it shows nothing. */
	ck_assert_int_ge(took, 8);
}
END_TEST

/* --- strings --- */

/* With backslashes as escapes, or without: one of them is a SET. */
START_TEST (backslashes_count_as_the_session_says) {
	static const char *const texts[] = {
		"SELECT 'a\\'; SET work_mem = '7MB'; --'",
		"SELECT 'a\\''; SET work_mem = '7MB'; --'",
		"SELECT 'a\\'; SELECT set_config('app.x', 'v', false); --'",
		"PREPARE q AS SELECT 'a\\'; SET work_mem = '7MB'; --'",
		"SET standard_conforming_strings = on; "
		"SELECT 'a\\'; SET work_mem = '7MB'; --'",
	};
	static const char *const ways[] = { "SET standard_conforming_strings "
					    "= off",
		"SELECT set_config('standard_conforming_strings', 'off', "
		"false)",
		"SET standard_conforming_strings = on" };
	PGconn *c;

	pooler_start(ONE_SERVER);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		c = client_open(" ");
		sql_ok(c, "%s", ways[_i]);
		PQclear(PQexec(c, texts[i]));
		PQfinish(c);
		is_clean();
		/* The same in one pipeline. */
		struct raw *r = raw_login(pooler_current()->port, "alice",
		    "app");
		struct pkt k = { 0 };

		pkt_query(&k, ways[_i]);
		pkt_query(&k, texts[i]);
		raw_put(r, &k);
		raw_until(r, 'Z', 10000);
		raw_until(r, 'Z', 10000);
		raw_close(r);
		is_clean();
	}
}
END_TEST

/* --- very long texts --- */

/* Past max_inspected_statement nothing is looked at: it may have done anything. */
START_TEST (very_long_texts_leave_nothing) {
	size_t n = (getenv("TEST_LONG") ? 100u : 3u) * 1000 * 1000;
	static const char tail[] = " */ SET work_mem = '7MB'; "
	    "PREPARE q AS SELECT 1";
	char *text = malloc(n + sizeof(tail));
	long before;
	PGconn *c;

	pooler_start(ONE_SERVER);
	is_clean();
	before = pooler_peak_kb(pooler_current());
	memset(text, 'x', n);
	memcpy(text, "/* ", 3);
	memcpy(text + n, tail, sizeof(tail));
	c = client_open(" ");
	for (int i = 0; i < 2; i++) {
		PGresult *r = i == 0 ? PQexec(c, text) :
		    PQexecParams(c, text, 0, NULL, NULL, NULL, NULL, 0);

		/* Several statements in one Parse are an error. */
		ck_assert_int_eq(PQresultStatus(r), i == 0 ? PGRES_COMMAND_OK :
		    PGRES_FATAL_ERROR);
		PQclear(r);
		is_clean();
	}
	if (!fx_sanitized())
		ck_assert_int_lt(pooler_peak_kb(pooler_current()) - before,
		    4096);
	PQfinish(c);
	free(text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hostile");

	FX_ADD_LOOP(s, parse_without_sync_is_bounded, 200, 2);
	FX_ADD(s, portals_never_bound_do_not_exist, 30);
	FX_ADD_LOOP(s, bytes_of_a_character_are_no_quotes, 60, NDOUBLES);
	FX_ADD_LOOP(s, backslashes_count_as_the_session_says, 60, 3);
	FX_ADD(s, very_long_texts_leave_nothing, 120);
	return fx_main(s);
}
