/*
 * Tracked parameters: what a client set follows it from server to server,
 * and never reaches another client.
 */
#include "fixture.h"
#include "raw.h"

#include <stdlib.h>
#include <string.h>

#define ONE_SERVER "default_pool_size = 1\n"

START_TEST (parameters_follow_their_clients) {
	static const struct {
		const char *name, *a, *b;
	} cases[] = {
		{ "DateStyle", "SQL, DMY", "German, DMY" },
		{ "TimeZone", "Europe/Zurich", "Asia/Tokyo" },
		{ "client_encoding", "LATIN1", "UTF8" },
		{ "standard_conforming_strings", "off", "on" },
		{ "application_name", "first app", "second app" },
		{ "IntervalStyle", "iso_8601", "sql_standard" },
	};
	PGconn *a, *b;

	pooler_start(ONE_SERVER);
	a = client_open(" ");
	b = client_open(" ");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sql_ok(a, "SET %s = '%s'", cases[i].name, cases[i].a);
		sql_ok(b, "SET %s = '%s'", cases[i].name, cases[i].b);
	}
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			const char *name = cases[i].name;

			ck_assert_str_eq(sql_text(a, "SHOW %s", name),
			    cases[i].a);
			ck_assert_str_eq(sql_text(b, "SHOW %s", name),
			    cases[i].b);
			ck_assert_str_eq(PQparameterStatus(a, name),
			    cases[i].a);
			ck_assert_str_eq(PQparameterStatus(b, name),
			    cases[i].b);
		}
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (startup_parameters_are_applied) {
	PGconn *a, *b;

	pooler_start(ONE_SERVER);
	a = client_open("application_name='my app' client_encoding=LATIN1 "
			"options='-c datestyle=German,DMY -c "
			"TimeZone=Asia/Tokyo --intervalstyle=iso_8601'");
	b = client_open("application_name=other");
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(sql_text(a, "SHOW application_name"),
		    "my app");
		ck_assert_str_eq(sql_text(a, "SHOW client_encoding"), "LATIN1");
		ck_assert_str_eq(sql_text(a, "SHOW DateStyle"), "German, DMY");
		ck_assert_str_eq(sql_text(a, "SHOW TimeZone"), "Asia/Tokyo");
		ck_assert_str_eq(sql_text(a, "SHOW IntervalStyle"), "iso_8601");
		ck_assert_str_eq(sql_text(b, "SHOW application_name"), "other");
		ck_assert_str_eq(sql_text(b, "SHOW client_encoding"), "UTF8");
		ck_assert_str_ne(sql_text(b, "SHOW TimeZone"), "Asia/Tokyo");
	}
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (welcome_reports_the_clients_own_values) {
	PGconn *a;

	pooler_start(ONE_SERVER);
	sql_ok(a = client_open(" "), "SELECT 1");
	PQfinish(a);
	a = client_open("application_name=mine client_encoding=LATIN1");
	ck_assert_str_eq(PQparameterStatus(a, "application_name"), "mine");
	ck_assert_str_eq(PQparameterStatus(a, "client_encoding"), "LATIN1");
	ck_assert_str_eq(PQparameterStatus(a, "integer_datetimes"), "on");
	PQfinish(a);
}
END_TEST

/* The reference drops a value whose quoted form passes 127 bytes, and the
 * client runs under the previous client's. */
START_TEST (awkward_values_are_quoted_and_replayed) {
	static const char *const names[] = { "it's", "back\\slash",
		"semi; DROP TABLE x; --", "\"double\"", "$1 %s", "",
		("sixty-three-bytes-long-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		 "xy") };
	PGconn *a, *b;

	pooler_start(ONE_SERVER);
	a = client_open(" ");
	b = client_open("application_name=b");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *quoted = PQescapeLiteral(a, names[i], strlen(names[i]));

		sql_ok(a, "SET application_name = %s", quoted);
		ck_assert_str_eq(sql_text(b, "SHOW application_name"), "b");
		ck_assert_str_eq(sql_text(a, "SHOW application_name"),
		    names[i]);
		PQfreemem(quoted);
	}
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (long_values_are_replayed) {
	PGconn *a, *b;

	pooler_start(ONE_SERVER);

	a = client_open(" ");
	b = client_open(" ");
	/* TimeZone takes POSIX specifications of almost any length. */
	sql_ok(a,
	    "SET TimeZone = '<"
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA>-5'");
	sql_ok(b, "SET TimeZone = 'Asia/Tokyo'");
	ck_assert_str_eq(sql_text(a,
			     "SELECT extract(timezone FROM "
			     "timestamptz '2020-01-01')::int"),
	    "18000");
	ck_assert_str_eq(sql_text(b, "SHOW TimeZone"), "Asia/Tokyo");
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (rolled_back_and_local_values_do_not_stick) {
	PGconn *a;

	pooler_start("default_pool_size = 2\n");
	a = client_open("application_name=kept");
	sql_ok(a, "BEGIN; SET application_name = 'gone'");
	ck_assert_str_eq(sql_text(a, "SHOW application_name"), "gone");
	sql_ok(a, "ROLLBACK");
	ck_assert_str_eq(sql_text(a, "SHOW application_name"), "kept");
	sql_ok(a, "BEGIN; SET LOCAL TimeZone = 'Asia/Tokyo'; COMMIT");
	ck_assert_str_ne(sql_text(a, "SHOW TimeZone"), "Asia/Tokyo");
	PQfinish(a);
}
END_TEST

START_TEST (impossible_value_closes_with_the_reason) {
	PGconn *a;

	pooler_start(ONE_SERVER);
	sql_ok(a = client_open(" "), "SELECT 1");
	PQfinish(a);
	a = client_try("options='-c TimeZone=No/Such_Zone'");
	ck_assert_int_eq(PQstatus(a), CONNECTION_BAD);
	ck_assert_ptr_nonnull(strstr(PQerrorMessage(a), "FATAL:  invalid value "
	    "for parameter \"TimeZone\": \"No/Such_Zone\""));
	PQfinish(a);
	a = client_open(" ");
	sql_ok(a, "SELECT 1");
	PQfinish(a);
}
END_TEST

START_TEST (unknown_startup_parameter_is_refused_by_name) {
	PGconn *a;

	pooler_start(ONE_SERVER);
	a = client_try("options='-c no_such_thing=1'");
	ck_assert_int_eq(PQstatus(a), CONNECTION_BAD);
	ck_assert_ptr_nonnull(strstr(PQerrorMessage(a), "FATAL:  unrecognized "
	    "configuration parameter \"no_such_thing\""));
	PQfinish(a);
	a = client_try("options='-x'");
	ck_assert_ptr_nonnull(strstr(PQerrorMessage(a),
	    "unsupported options "
	    "startup parameter: only '-c config=val' and '--config=val' are "
	    "allowed"));
	PQfinish(a);
}
END_TEST

static const char *const modes[] = { "session", "transaction", "statement" };

/* Demand 17: applied in every mode, and nobody else's. */
START_TEST (startup_options_are_applied_and_stay_with_their_client) {
	char conf[200];
	PGconn *a, *b, *c;

	snprintf(conf, sizeof(conf), "pool_mode = %s\ndefault_pool_size = %d\n",
	    modes[_i], _i ? 1 : 3);
	pooler_start("%s", conf);
	a = client_open("options='-c statement_timeout=1000 --work-mem=5MB "
	    "-csearch_path=a\\\\,\\\\ \"B\\\\ c\" -c app.x=y'");
	b = client_open("options='-c statement_timeout=2000'");
	c = client_open(" ");
	for (int i = 0; i < 3; i++) {
		ck_assert_str_eq(sql_text(a, "SHOW statement_timeout"), "1s");
		ck_assert_str_eq(sql_text(b, "SHOW statement_timeout"), "2s");
		ck_assert_str_eq(sql_text(c, "SHOW statement_timeout"), "0");
		ck_assert_str_eq(sql_text(a, "SHOW work_mem"), "5MB");
		ck_assert_str_eq(sql_text(b, "SHOW work_mem"), "4MB");
		ck_assert_str_eq(sql_text(a, "SHOW search_path"),
		    "a, \"B c\"");
		ck_assert_str_eq(sql_text(c, "SHOW search_path"),
		    "\"$user\", public");
		ck_assert_str_eq(sql_text(a, "SHOW app.x"), "y");
	}
	PQfinish(a);
	PQfinish(b);
	PQfinish(c);
}
END_TEST

START_TEST (ignored_startup_parameters_are_swallowed) {
	struct pooler *p = pooler_start(ONE_SERVER
	    "ignore_startup_parameters = extra_float_digits, options, foo\n");
	struct pkt k = { 0 };
	struct raw *r = raw_connect(p->port);
	PGconn *a;

	pkt_begin(&k, 0);
	pkt_i32(&k, 196608);
	pkt_str(&k, "user");
	pkt_str(&k, "alice");
	pkt_str(&k, "database");
	pkt_str(&k, "app");
	pkt_str(&k, "extra_float_digits");
	pkt_str(&k, "2");
	pkt_str(&k, "foo");
	pkt_str(&k, "bar");
	pkt_u8(&k, 0);
	pkt_end(&k);
	raw_put(r, &k);
	raw_until(r, 'Z', 5000);
	raw_close(r);
	a = client_open("options='-c statement_timeout=7s'");
	sql_ok(a, "SELECT 1");
	PQfinish(a);
}
END_TEST

/* To a client that asked for something at login, that is the default. */
static void
has_what_it_asked_for(PGconn *c)
{
	ck_assert_str_eq(sql_text(c, "SHOW DateStyle"), "German, DMY");
	ck_assert_str_eq(PQparameterStatus(c, "DateStyle"), "German, DMY");
	ck_assert_str_eq(sql_text(c, "SHOW client_encoding"), "LATIN1");
	ck_assert_str_eq(PQparameterStatus(c, "client_encoding"), "LATIN1");
	ck_assert_str_eq(sql_text(c, "SHOW application_name"), "my app");
	ck_assert_str_eq(sql_text(c, "SHOW lock_timeout"), "1234ms");
}

static void
change_all(PGconn *c)
{
	sql_ok(c, "SET DateStyle = 'SQL, MDY'");
	sql_ok(c, "SET client_encoding = 'UTF8'");
	sql_ok(c, "SET application_name = 'other'");
	sql_ok(c, "SET lock_timeout = '4321'");
}

START_TEST (reset_gives_back_what_was_asked_for) {
	static const char *const forms[] = {
		"RESET DateStyle; RESET client_encoding; "
		"RESET application_name; RESET lock_timeout",
		"SET DateStyle TO DEFAULT; SET NAMES DEFAULT; "
		"SET application_name = DEFAULT; SET lock_timeout TO DEFAULT",
		"RESET ALL",
		"/* all */ reset all",
		"SELECT 1; RESET ALL",
		"DISCARD ALL",
	};
	PGconn *a, *b;

	pooler_start(ONE_SERVER "pool_mode = %s\n", modes[_i]);
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		a = client_open("application_name='my app' "
				"client_encoding=LATIN1 options='-c "
				"datestyle=German,DMY -c lock_timeout=1234'");
		change_all(a);
		sql_ok(a, "%s", forms[i]);
		has_what_it_asked_for(a);
		change_all(a);
		if (strcmp(forms[i], "SELECT 1; RESET ALL") != 0)
			PQclear(PQexecParams(a, i == 1 ? "RESET ALL" :
			    forms[i], 0, NULL, NULL, NULL, NULL, 0));
		/* Of several statements, which Parse does not take. */
		if (i < 2 || strchr(forms[i], ';'))
			sql_ok(a, "RESET ALL");
		has_what_it_asked_for(a);
		PQfinish(a);
		b = client_open(" ");
		ck_assert_str_eq(sql_text(b, "SHOW DateStyle"), "ISO, MDY");
		ck_assert_str_eq(sql_text(b, "SHOW lock_timeout"), "0");
		PQfinish(b);
	}
}
END_TEST

START_TEST (reset_counts_with_its_transaction) {
	PGconn *c;

	pooler_start(ONE_SERVER "pool_mode = %s\n", modes[_i]);
	c = client_open("options='-c datestyle=German,DMY'");
	sql_ok(c, "SET DateStyle = 'SQL, MDY'");
	sql_ok(c, "BEGIN; RESET DateStyle");
	ck_assert_str_eq(sql_text(c, "SHOW DateStyle"), "German, DMY");
	sql_ok(c, "ROLLBACK");
	ck_assert_str_eq(sql_text(c, "SHOW DateStyle"), "SQL, MDY");
	ck_assert_str_eq(PQparameterStatus(c, "DateStyle"), "SQL, MDY");
	sql_fails(c, "RESET DateStyle; SELECT 1/0", "22012", "zero");
	ck_assert_str_eq(sql_text(c, "SHOW DateStyle"), "SQL, MDY");
	sql_ok(c, "RESET DateStyle; SET DateStyle = 'Postgres, YMD'");
	ck_assert_str_eq(sql_text(c, "SHOW DateStyle"), "Postgres, YMD");
	sql_ok(c, "BEGIN; SET LOCAL DateStyle TO DEFAULT; COMMIT");
	ck_assert_str_eq(sql_text(c, "SHOW DateStyle"), "Postgres, YMD");
	sql_fails(c, "BEGIN; RESET DateStyle; SELECT 1/0", "22012", "zero");
	sql_ok(c, "ROLLBACK");
	ck_assert_str_eq(sql_text(c, "SHOW DateStyle"), "Postgres, YMD");
	sql_ok(c, "RESET TimeZone");
	ck_assert_str_eq(sql_text(c, "SHOW DateStyle"), "Postgres, YMD");
	sql_ok(c, "RESET ALL");
	ck_assert_str_eq(sql_text(c, "SHOW DateStyle"), "German, DMY");
	PQfinish(c);
}
END_TEST

START_TEST (application_name_gets_the_host_when_asked) {
	PGconn *a;

	pooler_start(ONE_SERVER "application_name_add_host = 1\n");
	a = client_open("application_name=mine");
	ck_assert_ptr_nonnull(
	    strstr(sql_text(a, "SHOW application_name"), "mine - 127.0.0.1:"));
	PQfinish(a);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("params");

	FX_ADD(s, parameters_follow_their_clients, 20);
	FX_ADD(s, startup_parameters_are_applied, 20);
	FX_ADD(s, welcome_reports_the_clients_own_values, 20);
	FX_ADD(s, awkward_values_are_quoted_and_replayed, 20);
	FX_ADD(s, long_values_are_replayed, 20);
	FX_ADD(s, rolled_back_and_local_values_do_not_stick, 20);
	FX_ADD(s, impossible_value_closes_with_the_reason, 20);
	FX_ADD(s, unknown_startup_parameter_is_refused_by_name, 20);
	FX_ADD_LOOP(s, startup_options_are_applied_and_stay_with_their_client,
	    20, 3);
	FX_ADD_LOOP(s, reset_gives_back_what_was_asked_for, 30, 2);
	FX_ADD_LOOP(s, reset_counts_with_its_transaction, 30, 2);
	FX_ADD(s, ignored_startup_parameters_are_swallowed, 20);
	FX_ADD(s, application_name_gets_the_host_when_asked, 20);
	return fx_main(s);
}
