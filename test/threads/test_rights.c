/*
 * Who may run what on the console. Every row of the table of commands and of
 * that of SHOW is tried, so a new one that forgets its rights is found. What is
 * refused is refused before it does anything: there is no data plane here.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_text.h"
#include "control/verb.h"

/* All that a user of stats_users may have, beside the settings that nobody can
 * change. A longer list is a decision, not an accident. */
static const char *const for_readers[] = {
	"SHOW ACTIVE_SOCKETS",
	"SHOW CLIENTS",
	"SHOW CONFIG",
	"SHOW DATABASES",
	"SHOW DNS_HOSTS",
	"SHOW DNS_ZONES",
	"SHOW ERRORS",
	"SHOW HOLDERS",
	"SHOW HOSTS",
	"SHOW LATENCY",
	"SHOW LIMITS",
	"SHOW LISTS",
	"SHOW MEM",
	"SHOW PEERS",
	"SHOW PEER_POOLS",
	"SHOW POOLS",
	"SHOW SERVERS",
	"SHOW SOCKETS",
	"SHOW SOURCES",
	"SHOW STATE",
	"SHOW STATS",
	"SHOW STATS_AVERAGES",
	"SHOW STATS_TOTALS",
	"SHOW TOTALS",
	"SHOW USERS",
	"SHOW VERSION",
	"SHOW WAITERS",
	"SHOW WORKERS",
};

/* Something for every kind of command to take. */
static const char *const arguments[] = {
	[VERB_BARE] = "",
	[VERB_WORD] = " WAIT_FOR_CLIENTS",
	[VERB_DATABASE] = " shop",
	[VERB_PAUSE] = " shop TIMEOUT 5s",
	[VERB_ONE_DATABASE] = " shop",
	[VERB_ID] = " 1",
	[VERB_ITEM] = " FDS",
	[VERB_SET] = " query_timeout = 1",
};

static struct hub hub;
static struct plane plane;
static struct seat reader = { .user = "stats" };
static struct err answer;
static int answers;

static void
setup(void)
{
	static const struct plane_args args;

	hub.main_loop = loop_new();
	hub.cfg = config_text("%s", "");
	plane_init(&plane, &hub, &args);
	answers = 0;
}

static void
teardown(void)
{
	plane_fini(&plane);
	config_unref(hub.cfg);
	loop_free(hub.main_loop);
}

static void
done(struct order *q)
{
	answer = q->err;
	answers++;
	order_free(q);
}

/* Runs it as a reader; true if it was refused for want of rights. */
static bool
is_refused(const char *text)
{
	struct order *q = order_new(&plane, &reader, done, NULL);
	struct err e;

	ck_assert_msg(command_parse(span_of(text), &q->command, &e), "%s: %s",
	    text, e.msg);
	q->text = span_of(text);
	order_run(q);
	ck_assert_msg(answers == 1, "%s was not answered at once", text);
	answers = 0;
	return strcmp(answer.msg, "admin access needed") == 0 &&
	    strcmp(answer.sqlstate, "42501") == 0;
}

static bool
is_for_readers(const char *text)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(for_readers); i++)
		if (strcmp(for_readers[i], text) == 0)
			return true;
	return false;
}

START_TEST (readers_may_run_no_command_but_show) {
	size_t i;

	for (i = 0; verb_at(i) != NULL; i++) {
		const struct verb *v = verb_at(i);
		char text[80];

		snprintf(text, sizeof(text), "%s%s", v->name,
		    arguments[v->arg]);
		ck_assert_msg(is_refused(text), "%s", text);
		/* Every command has an argument that is not needed. */
		if (v->arg == VERB_DATABASE || v->arg == VERB_PAUSE ||
		    v->arg == VERB_WORD || v->arg == VERB_ID ||
		    v->arg == VERB_ONE_DATABASE)
			ck_assert_msg(is_refused(v->name), "%s", v->name);
	}
}
END_TEST

START_TEST (readers_see_the_tables_that_are_for_them) {
	size_t i, n = 0;

	for (i = 0; show_at(i) != NULL; i++) {
		char text[80];

		snprintf(text, sizeof(text), "SHOW %s", show_at(i)->name);
		ck_assert_msg(show_at(i)->readers == is_for_readers(text), "%s",
		    text);
		/* The others are asked for what they would tell. */
		if (!show_at(i)->readers)
			ck_assert_msg(is_refused(text), "%s", text);
		n += show_at(i)->readers;
	}
	ck_assert_uint_eq(n, ARRAY_LEN(for_readers));
}
END_TEST

START_TEST (anybody_may_set_what_cannot_be_changed) {
	ck_assert(!is_refused("SET client_encoding = utf8"));
	ck_assert(!is_refused("SET TimeZone TO 'CET'"));
	ck_assert(!is_refused("SHOW timezone"));
	ck_assert(!is_refused("SHOW HELP"));
	ck_assert(!is_refused("select version"));
	ck_assert(!is_refused("SELECT datestyle"));
	ck_assert(is_refused("SELECT fds"));
}
END_TEST

static const struct wrong {
	const char *text;
	const char *msg;
	const char *sqlstate;
} wrongs[] = {
	/* Syntax comes before rights for these, */
	{ "RELOAD shop", "invalid command 'RELOAD shop', use SHOW HELP;",
	    "42601" },
	{ "SUSPEND shop", "invalid command 'SUSPEND shop', use SHOW HELP;",
	    "42601" },
	{ "SHUTDOWN NOW", "invalid command 'SHUTDOWN NOW', use SHOW HELP;",
	    "42601" },
	{ "SHOW NOTHING", "invalid command 'SHOW NOTHING', use SHOW HELP;",
	    "42601" },
	{ "FROBNICATE", "invalid command 'FROBNICATE', use SHOW HELP;",
	    "42601" },
	/* ... and behind them for the others. */
	{ "PAUSE pgbouncer", "admin access needed", "42501" },
	{ "DISABLE", "admin access needed", "42501" },
};

static const struct wrong admin_wrongs[] = {
	{ "PAUSE pgbouncer", "cannot pause admin db: pgbouncer", "22023" },
	{ "KILL pooler", "cannot kill admin db: pooler", "22023" },
	{ "RECONNECT pgbouncer", "cannot reconnect admin db: pgbouncer",
	    "22023" },
	{ "ENABLE pgbouncer", "cannot enable admin db: pgbouncer", "22023" },
	{ "DISABLE", "a database is required", "22023" },
	{ "ENABLE;", "a database is required", "22023" },
	{ "KILL_CLIENT", "invalid client pointer supplied", "22023" },
	{ "KILL_CLIENT 1x", "invalid client pointer supplied", "22023" },
	{ "KILL_CLIENT 99999999999999999999", "invalid client pointer supplied",
	    "22023" },
	{ "RESUME pgbouncer", "database pgbouncer is not paused", "55000" },
	{ "WAIT_CLOSE pgbouncer", "cannot wait in admin db: pgbouncer",
	    "22023" },
	{ "PAUSE shop TIMEOUT 5d", "invalid TIMEOUT '5d'", "22023" },
};

static void
check_wrong(const struct wrong *w)
{
	is_refused(w->text);
	ck_assert_str_eq(answer.msg, w->msg);
	ck_assert_str_eq(answer.sqlstate, w->sqlstate);
}

START_TEST (mistakes_of_readers_are_told_in_the_right_order) {
	check_wrong(&wrongs[_i]);
}
END_TEST

START_TEST (mistakes_of_admins_are_told) {
	reader.admin = true;
	check_wrong(&admin_wrongs[_i]);
	reader.admin = false;
}
END_TEST

START_TEST (pgbouncers_code_is_used_when_asked_for) {
	config_unref(hub.cfg);
	hub.cfg = config_text("pgbouncer_sqlstates = 1\n");
	is_refused("PAUSE");
	ck_assert_str_eq(answer.msg, "admin access needed");
	ck_assert_str_eq(answer.sqlstate, "08P01");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rights");
	TCase *t = tcase_create("rights");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, readers_may_run_no_command_but_show);
	tcase_add_test(t, readers_see_the_tables_that_are_for_them);
	tcase_add_test(t, anybody_may_set_what_cannot_be_changed);
	tcase_add_loop_test(t, mistakes_of_readers_are_told_in_the_right_order,
	    0, (int)ARRAY_LEN(wrongs));
	tcase_add_loop_test(t, mistakes_of_admins_are_told, 0,
	    (int)ARRAY_LEN(admin_wrongs));
	tcase_add_test(t, pgbouncers_code_is_used_when_asked_for);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
