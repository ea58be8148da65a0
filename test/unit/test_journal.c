/* Tests of proto/journal: scripts of texts and answers. */
#include <string.h>

#include "proto/journal.h"
#include "unit.h"

/*
 * A script: texts, each with what the server says to it: "text -> Z" where Z
 * is the status of its ReadyForQuery, and behind it ! for an ErrorResponse, or
 * a number: so many statements were complete before the error. "=> ..." is what
 * has to be known then: the client's settings, a slash and the server's if they
 * are others, and the pins.
 */
struct world {
	struct journal j;
	bool elsewhere; /* LISTEN is sent as UNLISTEN */
	struct sql_info info;
};

static void
say(struct world *w, const char *text, size_t upto, bool error, uint8_t status)
{
	enum sql_kind kind;
	size_t i;

	sql_scan(&w->info, span_of(text), SQL_STD_STRINGS);
	journal_sent(&w->j, &w->info);
	for (i = 0; i < w->info.nstmts && i < upto; i++) {
		kind = w->info.stmts[i].kind;
		journal_done(&w->j, &w->info, &w->info.stmts[i],
		    span_of(kind == SQL_ROLLBACK || status == 'R' ?
			    "ROLLBACK" :
			    kind == SQL_LISTEN && w->elsewhere ? "UNLISTEN" :
			    "COMMIT"));
	}
	if (error)
		journal_error(&w->j);
	journal_ready(&w->j, status == 'R' ? 'I' : status);
}

static void
show_settings(const struct settings *s, struct buf *out)
{
	settings_diff_sql(s, NULL, out);
}

static void
put_channel(void *arg, struct span name)
{
	channels_put_name(arg, name);
}

static char *
show(const struct world *w)
{
	struct buf b = { 0 };
	char pins[100];

	show_settings(w->j.now.want, &b);
	if (!settings_same(w->j.now.want, w->j.now.have)) {
		buf_append(&b, "/", 1);
		show_settings(w->j.now.have, &b);
	}
	pin_names(journal_pins(&w->j), pins, sizeof(pins));
	buf_append(&b, pins, strlen(pins));
	channels_each_not_in(w->j.now.heard, NULL, put_channel, &b);
	buf_append(&b, "", 1);
	return (char *)b.data;
}

#define ALL 1000

struct step {
	const char *text;
	size_t upto;
	bool error;
	char status;
	const char *then;
};

#define OK(text, status, then) { text, ALL, false, status, then }
#define FAILS(text, upto, status, then) { text, upto, true, status, then }
#define A "SET \"a\" TO 1;"
#define B "SET \"b\" TO 2;"

static const struct step scripts[][12] = {
	{ OK("SET a = 1", 'I', A), OK("SET b = 2", 'I', A B),
	    OK("SET a = 3", 'I', B "SET \"a\" TO 3;"),
	    OK("RESET a", 'I', B), OK("RESET ALL", 'I', "") },
	{ OK("SET LOCAL a = 1", 'I', ""), OK("BEGIN", 'T', ""),
	    OK("SET LOCAL a = 1", 'T', ""), OK("COMMIT", 'I', "") },
	/* One text is one transaction. */
	{ FAILS("SET a = 1; SELECT 1/0", 1, 'I', "") },
	{ FAILS("SET a = 1; COMMIT; SET b = 2; SELECT 1/0", 3, 'I', A) },
	{ OK("SET a = 1; BEGIN; SET b = 2; ROLLBACK", 'I', "") },
	/* Blocks. */
	{ OK("BEGIN", 'T', ""), OK("SET a = 1", 'T', A),
	    OK("ROLLBACK", 'I', "") },
	{ OK("BEGIN", 'T', ""), OK("SET a = 1", 'T', A),
	    FAILS("SELECT 1/0", 0, 'E', A), OK("ROLLBACK", 'I', "") },
	{ OK("BEGIN; SET a = 1", 'T', A), FAILS("SELECT 1/0", 0, 'E', A),
	    /* COMMIT of a failed one says ROLLBACK. */
	    OK("COMMIT", 'R', "") },
	{ OK("BEGIN; SET a = 1", 'T', A), OK("PREPARE TRANSACTION 'x'", 'I', A) },
	/* A COMMIT that fails: a deferred constraint. */
	{ OK("BEGIN; SET a = 1", 'T', A), FAILS("COMMIT", 0, 'I', "") },
	/* Savepoints. */
	{ OK("BEGIN; SET a = 1; SAVEPOINT \"S\"; SET b = 2", 'T', A B),
	    FAILS("SELECT 1/0", 0, 'E', A B), OK("ROLLBACK TO \"S\"", 'T', A),
	    OK("SET b = 2", 'T', A B), OK("ROLLBACK TO \"S\"", 'T', A),
	    OK("COMMIT", 'I', A) },
	{ OK("BEGIN; SAVEPOINT s; SET a = 1; RELEASE S", 'T', A),
	    OK("COMMIT", 'I', A) },
	{ OK("BEGIN; SAVEPOINT s; SET a = 1; SAVEPOINT t; SET b = 2;"
	     "RELEASE s; COMMIT", 'I', A B) },
	{ OK("BEGIN; SAVEPOINT s; SET a = 1; SAVEPOINT s; SET b = 2;"
	     "ROLLBACK TO s", 'T', A), OK("RELEASE s; ROLLBACK TO s", 'T', ""),
	    OK("COMMIT", 'I', "") },
	/* One that was made before anything else: of that the journal is not
	 * told. */
	{ OK("SET a = 1", 'T', A), OK("ROLLBACK TO before", 'T', "") },
	/* Identity. */
	{ OK("SET ROLE x", 'I', "SET \"role\" TO 'x';"),
	    OK("RESET ALL", 'I', "SET \"role\" TO 'x';"),
	    OK("SET SESSION AUTHORIZATION y", 'I',
		"SET \"session_authorization\" TO 'y';"),
	    OK("DISCARD ALL", 'I', "") },
	/* Pins. */
	{ OK("CREATE TEMP TABLE t (x int)", 'I', "temp") },
	{ OK("BEGIN; CREATE TEMP TABLE t (x int)", 'T', "temp"),
	    OK("ROLLBACK", 'I', "") },
	{ OK("DECLARE c CURSOR WITH HOLD FOR SELECT 1", 'I', "cursor") },
	/* Locks stay, also if the statement fails. */
	{ FAILS("SELECT pg_advisory_lock(1), 1/0", 0, 'I', "lock") },
	{ OK("BEGIN; SELECT pg_advisory_lock(1); ROLLBACK", 'I', "lock"),
	    OK("DISCARD ALL", 'I', "") },
	{ OK("LOAD 'x'", 'I', "load"), OK("DISCARD ALL", 'I', "load") },
	{ OK("SELECT setseed(0.5)", 'I', "seed") },
	{ OK("LISTEN x", 'I', "listen") },
	{ OK("SELECT set_config('a', 'x''y', false)", 'I',
	    "SELECT pg_catalog.set_config('a','x''y',false);") },
	{ OK("SELECT set_config('A', 'x', true)", 'I', "") },
	{ OK("SELECT set_config('a' || 'b', 'x', false)", 'I', "state") },
};

START_TEST(scripts_end_as_told)
{
	const struct step *s;
	struct world w = { .elsewhere = false };
	char *seen;

	journal_init(&w.j, NULL, NULL, NULL);
	sql_info_init(&w.info);
	for (s = scripts[_i]; s->text != NULL; s++) {
		say(&w, s->text, s->upto, s->error, (uint8_t)s->status);
		seen = show(&w);
		ck_assert_msg(strcmp(seen, s->then) == 0, "%s: %s", s->text,
		    seen);
		free(seen);
		ck_assert(!w.j.dirty);
	}
	sql_info_fini(&w.info);
	journal_fini(&w.j);
}
END_TEST

#define X "\"x\""
#define Y "\"y\""

/* LISTEN, carried out elsewhere. */
static const struct step listens[][12] = {
	{ OK("LISTEN X", 'I', X), OK("LISTEN y; LISTEN x", 'I', X Y),
	    OK("UNLISTEN x", 'I', Y), OK("UNLISTEN *", 'I', "") },
	{ OK("LISTEN \"X\"\"\"", 'I', "\"X\"\"\""), OK("DISCARD ALL", 'I', "") },
	{ OK("LISTEN x", 'I', X), OK("BEGIN; LISTEN y", 'T', X Y),
	    OK("UNLISTEN x", 'T', Y), OK("ROLLBACK", 'I', X) },
	{ FAILS("LISTEN x; SELECT 1/0", 1, 'I', "") },
	{ OK("BEGIN; LISTEN x; SAVEPOINT s; LISTEN y", 'T', X Y),
	    OK("ROLLBACK TO s", 'T', X), OK("COMMIT", 'I', X) },
	{ OK("BEGIN; LISTEN x", 'T', X), FAILS("SELECT 1/0", 0, 'E', X),
	    OK("COMMIT", 'R', "") },
};

START_TEST(channels_follow_the_transaction)
{
	const struct step *s;
	struct world w = { .elsewhere = true };
	char *seen;

	journal_init(&w.j, NULL, NULL, NULL);
	sql_info_init(&w.info);
	for (s = listens[_i]; s->text != NULL; s++) {
		say(&w, s->text, s->upto, s->error, (uint8_t)s->status);
		seen = show(&w);
		ck_assert_msg(strcmp(seen, s->then) == 0, "%s: %s", s->text,
		    seen);
		free(seen);
		ck_assert(!w.j.dirty);
	}
	sql_info_fini(&w.info);
	journal_fini(&w.j);
}
END_TEST

START_TEST(a_reset_gives_back_what_was_asked_for_at_login)
{
	struct settings *startup = settings_with(NULL, "a", SPAN_LIT("SET a"));
	struct world w = { .elsewhere = false };
	char *seen;

	journal_init(&w.j, startup, startup, startup);
	sql_info_init(&w.info);
	say(&w, "SET a = 1", ALL, false, 'I');
	say(&w, "RESET a", ALL, false, 'I');
	seen = show(&w);
	ck_assert_str_eq(seen, "SET a;/");
	free(seen);
	say(&w, "DISCARD ALL", ALL, false, 'I');
	seen = show(&w);
	ck_assert_str_eq(seen, "SET a;/");
	free(seen);
	journal_synced(&w.j, startup);
	seen = show(&w);
	ck_assert_str_eq(seen, "SET a;");
	free(seen);
	sql_info_fini(&w.info);
	journal_fini(&w.j);
	settings_unref(startup);
}
END_TEST

static void
put_column(struct buf *b, const char *value)
{
	uint32_t n = value ? (uint32_t)strlen(value) : UINT32_MAX;
	uint8_t len[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
		(uint8_t)(n >> 8), (uint8_t)n };

	buf_append(b, len, 4);
	if (value)
		buf_append(b, value, n);
}

/* temp, cursors, locks, channels, and values. */
static bool
answer(struct journal *j, size_t n, const char *const *values)
{
	struct buf b = { 0 };
	uint8_t count[2] = { 0, (uint8_t)n };
	size_t i, cut;
	bool ok;

	buf_append(&b, count, 2);
	for (i = 0; i < n; i++)
		put_column(&b, values[i]);
	for (cut = 0; cut < buf_len(&b); cut++)
		ck_assert(!journal_answer(j, SPAN(buf_head(&b), cut)));
	ok = journal_answer(j, buf_span(&b));
	buf_free(&b);
	return ok;
}

START_TEST(the_server_is_asked_for_what_it_has)
{
	struct world w = { .elsewhere = false };
	struct buf sql = { 0 };
	char *seen;

	journal_init(&w.j, NULL, NULL, NULL);
	sql_info_init(&w.info);
	ck_assert(!journal_has_question(&w.j));
	say(&w, "SELECT pg_try_advisory_lock(1), pg_advisory_unlock(2)", ALL,
	    false, 'I');
	ck_assert(journal_has_question(&w.j));
	ck_assert(!answer(&w.j, 3, (const char *[]){ "f", "f", "f" }));
	ck_assert(answer(&w.j, 4, (const char *[]){ "f", "f", "f", "f" }));
	ck_assert_uint_eq(journal_pins(&w.j), 0);
	ck_assert(!journal_has_question(&w.j));

	say(&w, "CREATE TEMP TABLE t (x int)", ALL, false, 'I');
	ck_assert(answer(&w.j, 4, (const char *[]){ "t", "f", "f", "f" }));
	ck_assert_uint_eq(journal_pins(&w.j), PIN_TEMP);
	/* It has been asked. */
	ck_assert(!journal_has_question(&w.j));
	say(&w, "DROP TABLE t", ALL, false, 'I');
	ck_assert(journal_has_question(&w.j));
	ck_assert(answer(&w.j, 4, (const char *[]){ "f", "f", "f", "f" }));

	/* What is not a literal. */
	say(&w, "SELECT set_config('app.x', 'a' || 'b', false)", ALL, false,
	    'I');
	journal_question(&w.j, &sql);
	ck_assert(memmem(buf_head(&sql), buf_len(&sql),
	    "current_setting('app.x',true)", 29) != NULL);
	ck_assert(answer(&w.j, 5,
	    (const char *[]){ "f", "f", "f", "f", "it's" }));
	seen = show(&w);
	ck_assert_str_eq(seen,
	    "SELECT pg_catalog.set_config('app.x','it''s',false);");
	free(seen);
	/* It was local, after all. */
	say(&w, "SELECT set_config('app.y', 'a', 1 > 2)", ALL, false, 'I');
	ck_assert(answer(&w.j, 5,
	    (const char *[]){ "f", "f", "f", "f", NULL }));
	ck_assert_uint_eq(settings_count(w.j.now.want), 1);
	buf_free(&sql);
	sql_info_fini(&w.info);
	journal_fini(&w.j);
}
END_TEST

START_TEST(without_an_answer_it_is_not_asked_again)
{
	struct world w = { .elsewhere = false };

	journal_init(&w.j, NULL, NULL, NULL);
	sql_info_init(&w.info);
	say(&w, "SELECT set_config('app.x', 'a' || 'b', false)", ALL, false,
	    'I');
	ck_assert(journal_has_question(&w.j));
	journal_unanswered(&w.j);
	ck_assert(!journal_has_question(&w.j));
	ck_assert_uint_eq(journal_pins(&w.j), PIN_STATE);
	sql_info_fini(&w.info);
	journal_fini(&w.j);
}
END_TEST

START_TEST(what_servers_report_is_not_kept)
{
	struct err e;
	struct param_names *names = param_names_new("search_path", &e);
	struct param_set *p = param_set_with(param_set_new(6), 0, "ISO");
	struct world w = { .elsewhere = false };

	journal_init(&w.j, NULL, NULL, NULL);
	sql_info_init(&w.info);
	w.j.names = names;
	w.j.reported = p;
	say(&w, "SET datestyle = german; SET search_path = x", ALL, false,
	    'I');
	ck_assert_uint_eq(settings_count(w.j.now.want), 1);
	ck_assert(settings_find(w.j.now.want, "search_path").p != NULL);
	sql_info_fini(&w.info);
	journal_fini(&w.j);
	param_set_unref(p);
	param_names_unref(names);
}
END_TEST

START_TEST(what_cannot_be_read_is_dirty)
{
	struct world w = { .elsewhere = false };

	journal_init(&w.j, NULL, NULL, NULL);
	sql_info_init(&w.info);
	say(&w, "SELECT 'x", ALL, true, 'I');
	ck_assert(w.j.dirty);
	sql_info_fini(&w.info);
	journal_fini(&w.j);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("journal");
	TCase *t = tcase_create("journal");

	tcase_add_loop_test(t, scripts_end_as_told, 0,
	    (int)ARRAY_LEN(scripts));
	tcase_add_loop_test(t, channels_follow_the_transaction, 0,
	    (int)ARRAY_LEN(listens));
	tcase_add_test(t, a_reset_gives_back_what_was_asked_for_at_login);
	tcase_add_test(t, the_server_is_asked_for_what_it_has);
	tcase_add_test(t, without_an_answer_it_is_not_asked_again);
	tcase_add_test(t, what_servers_report_is_not_kept);
	tcase_add_test(t, what_cannot_be_read_is_dirty);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(suite())
