/* Whole configurations, from files that stand in memory. */
#include "config_world.h"
#include "unit_suite.h"

/* ---- files ---- */

START_TEST(empty_section_gives_the_defaults)
{
	struct config *c = good(QUIET);

	ck_assert_int_eq(c->pool_mode, POOL_SESSION);
	ck_assert_int_eq(c->max_client_conn, 100);
	ck_assert_int_eq(c->query_wait_timeout_us, 120 * USEC_PER_SEC);
	ck_assert_int_eq(c->handover_slack_us, USEC_PER_MSEC);
	ck_assert_int_eq(c->client_gone_grace_us, USEC_PER_SEC / 2);
	ck_assert_str_eq(c->listen_addr, "");
	ck_assert_str_eq(c->auth_file, "");
	ck_assert_int_eq(c->unix_socket_mode, 0777);
	ck_assert_int_eq(c->verbose, 0);
	ck_assert_int_eq(c->worker_threads, 6);
	ck_assert_str_eq(c->conffile, "pooler.ini");
	ck_assert(c->log_connections);
	ck_assert_int_eq(c->client_gone, CLIENT_GONE_CANCEL);
	ck_assert_uint_gt(param_names_count(c->param_names), 5);
	ck_assert_ptr_null(c->autodb);
	config_unref(c);
}
END_TEST

START_TEST(repeated_headers_are_merged)
{
	struct config *c = good("[pgbouncer]\nmax_client_conn=7\n"
	    "auth_type=trust\n[databases]\na=\n[pgbouncer]\n"
	    "query_timeout=2\n[databases]\nb=\n");

	ck_assert_int_eq(c->max_client_conn, 7);
	ck_assert_int_eq(c->query_timeout_us, 2 * USEC_PER_SEC);
	ck_assert_uint_eq(c->n_databases, 2);
	config_unref(c);
}
END_TEST

START_TEST(all_errors_are_listed_with_place_and_hint)
{
	expect_report("max=1\n[pooler]\nmax_client_con = 5\n"
	    "pool_mode = transacton\nlisten_port = 0\n[databases]\n"
	    "pgbouncer =\na = hst=x\nb = port=5x\n[nope]\nx = y\n[users]\n"
	    "u = pool_mode=none\n[peers]\n0 = host=x\n1 = port=5\nbad\n",
	    "pooler.ini:1: key \"max\" before the first section\n"
	    "hint: start the file with [pooler]\n"
	    "pooler.ini:3: unknown key \"max_client_con\" in [pooler]\n"
	    "hint: did you mean \"max_client_conn\"?\n"
	    "pooler.ini:4: unknown pool_mode \"transacton\"\n"
	    "hint: did you mean \"transaction\"?\n"
	    "pooler.ini:5: bad value \"0\" for \"listen_port\": out of range "
	    "1 .. 65535\n"
	    "pooler.ini:7: database name \"pgbouncer\" is reserved for the "
	    "admin console\n"
	    "hint: give it another name and say dbname=pgbouncer\n"
	    "pooler.ini:8: unknown key \"hst\" in a line of [databases]\n"
	    "hint: did you mean \"host\"?\n"
	    "pooler.ini:9: bad value \"5x\" for \"port\": not a number\n"
	    "pooler.ini:10: unknown section [nope]\n"
	    "hint: sections are [pooler], [databases], [users] and [peers]\n"
	    "pooler.ini:13: unknown pool_mode \"none\"\n"
	    "hint: one of: session | transaction | statement\n"
	    "pooler.ini:15: bad value \"0\" for \"peer id\": out of range "
	    "1 .. 65535\n"
	    "pooler.ini:16: peer 1 without host=\n"
	    "pooler.ini:17: syntax error, expected \"name = value\"\n"
	    "hint: names with other characters than letters, digits, \"_\", "
	    "\".\", \"-\" and \"*\" need quotes\n");
}
END_TEST

START_TEST(each_of_these_refuses_the_file)
{
	static const char *const cases[] = {
		"", "[databases]\na=\n", "[pooler]\nauth_type = hba\n",
		"[pooler]\nauth_type = ldap\n",
		"[pooler]\nauth_ldap_options = ldapport=x\n",
		"[pooler]\nauth_type =\n",
		"[pooler]\nclient_tls_sslmode = require\n",
		"[pooler]\nclient_tls_sslmode = verify-full\n",
		"[pooler]\nclient_tls_sslmode = verify-ca\n"
		"client_tls_key_file = k\nclient_tls_cert_file = c\n",
		"[pooler]\nauth_type = cert\n",
		"[pooler]\nserver_tls_sslnegotiation = direct\n",
		"[pooler]\nauth_dbname = pgbouncer\n",
		"[pooler]\ntrack_extra_parameters = options\n",
		"[pooler]\nauth_file = nowhere\n", "[pooler]\n%include no\n",
		"[pooler]\n[databases]\npooler = host=x\n",
		"[pooler]\n[databases]\na = user=''\n",
		"[pooler]\n[databases]\na = dbname=''\n",
		"[pooler]\n[databases]\na = password=x y\n",
		"[pooler]\n[databases]\na = port=0\n",
		"[pooler]\n[databases]\na = cores=0\n",
		"[pooler]\n[databases]\na = pool_size=-1\n",
		"[pooler]\n[databases]\n"
		"a234567890123456789012345678901234567890123456789012345678901"
		"234 = host=x\n",
		"[pooler]\n[users]\nu = password=x\n",
		"[pooler]\n[peers]\nx = host=a\n",
		"[pooler]\n[peers]\n65536 = host=a\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w = { .files = { { "pooler.ini", cases[i] } } };
		struct config_report rep;

		ck_assert_msg(load_over(&w, NULL, &rep) == NULL, "%s",
		    cases[i]);
		ck_assert_uint_eq(rep.n_errors, 1);
		ck_assert_str_eq(rep.errors[0].file, "pooler.ini");
		config_report_fini(&rep);
	}
}
END_TEST

START_TEST(later_keys_warn_once_each_and_only_off_their_default)
{
	expect_report(QUIET "login_notify_message = x\nso_reuseport=0\n"
	    "max_prepared_statements = 200\nserver_tls_sslmode = allow\n"
	    "[peers]\n1 = host=x\n",
	    "warning: pooler.ini:3: \"login_notify_message\" has no "
	    "effect in this version yet\n");
}
END_TEST

START_TEST(ignored_keys_say_nothing)
{
	expect_report(QUIET "job_name = x\nservice_name = y\npkt_buf = 99\n",
	    "");
}
END_TEST

START_TEST(section_carries_into_and_out_of_an_include)
{
	struct world w = { .files = {
	    { "pooler.ini", QUIET "[databases]\n%include a\nc = port=3\n" },
	    { "a", "a = port=1\n[users]\nu = pool_size=4\n[databases]\n"
	    "b = port=2 x=\n" } } };
	char *got = report(&w);

	ck_assert_str_eq(got, "a:5: no value after \"x\"\nhint: write '' for "
	    "an empty value\n");
	free(got);
	w.files[1][1] = "a = port=1\n[users]\nu = pool_size=4\n";
	got = report(&w);
	ck_assert_str_eq(got, "pooler.ini:5: unknown key \"port\" in a line "
	    "of [users]\n");
	free(got);
}
END_TEST

START_TEST(include_of_itself_ends)
{
	struct world w = { .files = {
	    { "pooler.ini", QUIET "%include pooler.ini\n" } } };
	char *got = report(&w);

	ck_assert_str_eq(got, "pooler.ini:3: %include nested more than 10 "
	    "deep\n");
	free(got);
}
END_TEST

START_TEST(errors_are_told_up_to_a_number_then_counted)
{
	struct buf text = { 0 };
	struct config_report rep;
	struct world w = { .files = { { "pooler.ini", NULL } } };

	buf_printf(&text, "[pooler]\n");
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "x%d = 1\n", i);
	buf_append(&text, "", 1);
	w.files[0][1] = (const char *)buf_head(&text);
	ck_assert_ptr_null(load_over(&w, NULL, &rep));
	ck_assert_uint_eq(rep.n_errors, CONFIG_ERRORS_MAX);
	ck_assert_uint_eq(rep.n_untold, 1000 - CONFIG_ERRORS_MAX);
	config_report_fini(&rep);
	buf_free(&text);
}
END_TEST

/* ---- the other sections ---- */

START_TEST(databases_are_found_by_their_exact_name)
{
	struct config *c = good(QUIET "[databases]\nb = host=h2 port=7 "
	    "dbname=x user=joe password='' connect_query='select ''1'''\n"
	    "* = host=h\n'my db' =\nB =\n");
	const struct database_conf *d = config_database(c, "b");

	ck_assert_str_eq(d->host, "h2");
	ck_assert_int_eq(d->port, 7);
	ck_assert_str_eq(d->dbname, "x");
	ck_assert_str_eq(d->user, "joe");
	ck_assert_str_eq(d->password, "");
	ck_assert_str_eq(d->connect_query, "select '1'");
	ck_assert_int_eq(d->pool_mode, OPTION_UNSET);
	ck_assert_int_eq(d->min_pool_size, OPTION_UNSET);
	ck_assert_int_eq(d->server_lifetime_us, OPTION_UNSET);
	ck_assert_str_eq(d->file, "pooler.ini");
	ck_assert_int_eq(d->line, 4);
	d = config_database(c, "my db");
	ck_assert_str_eq(d->dbname, "my db");
	ck_assert_str_eq(d->host, "");
	ck_assert_ptr_null(d->password);
	ck_assert_int_eq(d->port, 5432);
	ck_assert_ptr_null(config_database(c, "*"));
	ck_assert_ptr_null(config_database(c, "bb"));
	ck_assert_ptr_nonnull(config_database(c, "B"));
	ck_assert_str_eq(c->autodb->dbname, "");
	ck_assert_uint_eq(c->n_databases, 3);
	ck_assert_str_eq(c->databases[0]->name, "B");
	config_unref(c);
}
END_TEST

START_TEST(of_a_line_given_twice_the_last_counts)
{
	struct world w = { .files = { { "pooler.ini", QUIET
	    "auth_file = users\n[databases]\na = port=1\na = port=2\n"
	    "[users]\nu = pool_size=1\nu = pool_size=2\n" },
	    { "users", "\"u\" \"1\"\n\"u\" \"2\"\n" } } };
	struct config_report rep;
	struct config *c = load_over(&w, NULL, &rep);

	ck_assert_uint_eq(rep.n_warnings, 3);
	ck_assert_int_eq(config_database(c, "a")->port, 2);
	ck_assert_int_eq(config_user(c, "u")->pool_size, 2);
	ck_assert_str_eq(config_secret(c, "u", NULL), "2");
	ck_assert_uint_eq(c->n_databases, 1);
	config_report_fini(&rep);
	config_unref(c);
}
END_TEST

START_TEST(admins_are_compared_whole)
{
	struct config *c = good(QUIET "admin_users = joe, ann\n"
	    "stats_users = mon\n");

	ck_assert(config_is_admin(c, "joe") && config_is_admin(c, "ann"));
	ck_assert(!config_is_admin(c, "jo") && !config_is_admin(c, "joe,"));
	ck_assert(!config_is_admin(c, "") && !config_is_admin(c, " ann"));
	ck_assert(!config_is_admin(c, "joe, ann") && !config_is_admin(c, "J"));
	ck_assert(config_is_stats_user(c, "mon"));
	ck_assert(!config_is_admin(c, "mon"));
	config_unref(c);
}
END_TEST

START_TEST(secrets_come_from_auth_file)
{
	struct config *c = good("[pooler]\nauth_file = users\n[users]\n"
	    "w = pool_size=1\n");
	bool known;

	ck_assert_str_eq(config_secret(c, "u", &known), "secret");
	ck_assert(known);
	ck_assert_str_eq(config_secret(c, "v", &known), "");
	ck_assert_ptr_null(config_secret(c, "w", &known));
	ck_assert(known);
	ck_assert_ptr_null(config_secret(c, "x", &known));
	ck_assert(!known);
	ck_assert_uint_eq(c->n_secrets, 2);
	ck_assert_str_eq(config_secret_user(c, 0), "u");
	ck_assert_str_eq(config_secret_user(c, 1), "v");
	config_unref(c);
}
END_TEST

START_TEST(bad_line_refuses_the_auth_file)
{
	struct world w = { .files = {
	    { "pooler.ini", "[pooler]\nauth_file = users\n" },
	    { "users", "\"u\" \"s\"\nv w\n\"x\" \"sesame\n" } } };
	char *got = report(&w);

	ck_assert_str_eq(got, "users:2: user name is not in double quotes\n"
	    "hint: a line is: \"user\" \"secret\"; comments start with \";\"\n"
	    "users:3: secret of user \"x\" is not in double quotes\n"
	    "hint: a quote inside is written twice: \"\"\n");
	free(got);
}
END_TEST

START_TEST(bad_rules_refuse_the_configuration)
{
	struct world w = { .files = {
	    { "pooler.ini", "[pooler]\nauth_type = hba\nauth_file = users\n"
	    "auth_hba_file = etc/hba\nauth_ident_file = ident\n" },
	    { "users", "\"u\" \"s\"\n" },
	    { "etc/hba", "local all all peer map=m\n"
	    "host all all all rejcet\nhost all @names all md5\n"
	    "host all all all ldap x\n" },
	    { "etc/names", "a\n+b\n" }, { "ident", "m root u\n" } } };
	char *got = report(&w);

	ck_assert_str_eq(got,
	    "etc/hba:2: unknown method \"rejcet\"\n"
	    "hint: one of: trust, reject, md5, password, scram-sha-256, peer, "
	    "cert, ldap, pam\n"
	    "etc/names:2: groups are not known here: \"+b\"\n"
	    "hint: list the users, or put them in a file and name it @file\n");
	free(got);
	w.files[2][1] = "local all all peer\nhost all all all ldap x\n";
	got = report(&w);
#ifdef HAVE_LDAP
	ck_assert_str_eq(got, "etc/hba:2: LDAP options: expected NAME=VALUE\n"
	    "hint: values with blanks or commas need double quotes\n");
#else
	ck_assert_str_eq(got, "etc/hba:2: method \"ldap\" is not in this "
	    "version\n");
#endif
	free(got);
	w.files[2][1] = "local all all peer map=m\n";
	w.files[4][1] = "m root\n";
	got = report(&w);
	ck_assert_str_eq(got, "ident:1: a line has three names\n"
	    "hint: MAP SYSTEM-USER DATABASE-USER; a name with a blank or a "
	    "comma in it needs quotes\n");
	free(got);
}
END_TEST

START_TEST(rules_that_are_never_used_are_told)
{
	struct world w = { .files = {
	    { "pooler.ini", "[pooler]\nauth_type = hba\nauth_file = users\n"
	    "auth_hba_file = hba\n" },
	    { "users", "\"u\" \"s\"\n" },
	    { "hba", "hostssl a all all md5\nhost all all all md5\n"
	    "local all all peer\nhost all u all reject\n" } } };
	char *got = report(&w);

	/* Rules for another kind of socket may follow. */
	ck_assert_str_eq(got, "warning: hba:1: this rule never fits, as "
	    "client_tls_sslmode is \"disable\"\n");
	free(got);
	w.files[2][1] = "host all all all md5\nhost all u all reject\n";
	got = report(&w);
	ck_assert_str_eq(got, "warning: hba:2: this rule is never reached: "
	    "line 1 takes every TCP connection\n");
	free(got);
	w.files[2][1] = "# none\n";
	got = report(&w);
	ck_assert_str_eq(got, "warning: nobody can log in: hba has no "
	    "rules\n");
	free(got);
}
END_TEST

START_TEST(rules_live_as_long_as_any_snapshot_has_them)
{
	struct world w = { .files = {
	    { "pooler.ini", "[pooler]\nauth_type = hba\nauth_file = users\n"
	    "auth_hba_file = hba\nauth_ident_file = ident\n" },
	    { "users", "\"u\" \"s\"\n" },
	    { "hba", "local all all peer map=m\n" },
	    { "ident", "m /^r(.*)t$ \\1\n" } } };
	struct config_report rep;
	struct config *a = load_over(&w, NULL, &rep), *b, *c;
	struct err e;

	ck_assert_ptr_nonnull(a);
	config_report_fini(&rep);
	b = config_with(a, "auth_type", "md5", &e);
	config_unref(a);
	c = config_with(b, "auth_type", "hba", &e);
	config_unref(b);
	ck_assert_uint_eq(c->hba->n, 1);
	ck_assert(ident_allows(c->hba->rules[0].map, "root", "oo", NULL));
	ck_assert_int_eq(config_secret_line(c, "u"), 1);
	ck_assert_int_eq(config_secret_line(c, "v"), 0);
	config_unref(c);
}
END_TEST

START_TEST(rules_are_read_for_hba_alone)
{
	struct config *c = good("[pooler]\nauth_type=trust\nauth_file=users\n"
	    "auth_hba_file=nowhere\nauth_ident_file=nowhere\n");

	ck_assert_ptr_null(c->hba);
	config_unref(c);
}
END_TEST

START_TEST(auth_file_is_not_read_for_any)
{
	struct config *c = good("[pooler]\nauth_type=any\nauth_file=no\n");

	ck_assert_uint_eq(c->n_secrets, 0);
	config_unref(c);
	expect_report("[pooler]\n", "warning: nobody can log in: auth_type "
	    "\"md5\" needs users, and auth_file is not set\n");
}
END_TEST

/* ---- pool size ---- */

START_TEST(pool_size_follows_the_rule)
{
	static const struct {
		const char *text;
		int size, bound;
		const char *reason;
	} cases[] = {
		{ "[pgbouncer]\nauth_type=trust\n[databases]\nd = host=h", 20,
		    0, "20 (default_pool_size)" },
		{ QUIET "[databases]\nd =", 13, 13,
		    "13 = 6 cores * 2 + 1 spindle (cores of this machine)" },
		{ QUIET "[databases]\nd = host=db1", 13, 13, "13 = 6 cores * 2 "
		    "+ 1 spindle (cores of this machine, a guess)" },
		{ QUIET "[databases]\nd = host=h cores=4", 9, 9,
		    "9 = 4 cores * 2 + 1 spindle (cores= of [databases])" },
		{ QUIET "[databases]\nd = host=h cores=1 spindles=0", 2, 2,
		    "2 = 1 core * 2 + 0 spindles (cores= of [databases], "
		    "spindles= of [databases])" },
		{ QUIET "server_cores=8\nserver_spindles=2\n[databases]\nd = "
		    "host=h", 18, 18, "18 = 8 cores * 2 + 2 spindles "
		    "(server_cores, server_spindles)" },
		{ QUIET "server_cores=8\n[databases]\nd = cores=2", 5, 5,
		    "5 = 2 cores * 2 + 1 spindle (cores= of [databases])" },
		{ QUIET "[databases]\nd = host=h pool_size=3 cores=9", 3, 0,
		    "3 (pool_size= of [databases])" },
		{ QUIET "[databases]\nd = pool_size=0", 0, 0,
		    "no limit (pool_size= of [databases])" },
		{ QUIET "default_pool_size=5\n[databases]\nd =", 5, 0,
		    "5 (default_pool_size)" },
		{ QUIET "default_pool_size=5\n[databases]\nd = pool_size=auto "
		    "cores=2", 5, 5,
		    "5 = 2 cores * 2 + 1 spindle (cores= of [databases])" },
		{ QUIET "[databases]\nd = cores=2 max_db_connections=50", 5,
		    50, "5 = 2 cores * 2 + 1 spindle (cores= of [databases])" },
		{ QUIET "[databases]\nd = cores=2 max_db_connections=0", 5,
		    5, "5 = 2 cores * 2 + 1 spindle (cores= of [databases])" },
		{ QUIET "max_db_connections=40\n[databases]\nd = cores=2", 5,
		    40, "5 = 2 cores * 2 + 1 spindle (cores= of [databases])" },
		{ "[pgbouncer]\nauth_type=trust\ndefault_pool_size=auto\n"
		    "[databases]\nd =", 13, 13,
		    "13 = 6 cores * 2 + 1 spindle (cores of this machine)" },
		/* with both headers [pooler] counts */
		{ "[pgbouncer]\nauth_type=trust\n[pooler]\n[databases]\nd =",
		    13, 13,
		    "13 = 6 cores * 2 + 1 spindle (cores of this machine)" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct config *c = good(cases[i].text);
		const struct database_conf *d = config_database(c, "d");

		ck_assert_str_eq(d->size_reason, cases[i].reason);
		ck_assert_int_eq(config_pool_size(c, d, "u"), cases[i].size);
		ck_assert_msg(config_max_db_connections(c, d) ==
		    cases[i].bound, "%s", cases[i].text);
		config_unref(c);
	}
}
END_TEST

START_TEST(guess_is_told_once_and_only_for_other_machines)
{
	static const char tail[] = ": the pool size is a guess, as the server "
	    "is another machine whose cores are not given; set server_cores "
	    "and server_spindles, or cores= and spindles=; taking 13 = 6 "
	    "cores * 2 + 1 spindle (cores of this machine, a guess)\n";
	char want[600];

	expect_report(QUIET "[databases]\na =\nb = host=/run\n"
	    "c = host=LocalHost\nd = host=127.0.0.9\ne = host=::1\n"
	    "f = host=far cores=2\ng = host=far pool_size=4\n"
	    "h = host=localhost,/tmp\n", "");
	snprintf(want, sizeof(want), "warning: pooler.ini:4: database \"b\" "
	    "(and 2 more)%s", tail);
	expect_report(QUIET "[databases]\nb = host=db\nc = host=1270.0.0.1\n"
	    "* = host=localhost,db2\n", want);
	expect_report(QUIET "server_cores=3\n[databases]\nb = host=db\n", "");
}
END_TEST

START_TEST(reserve_that_the_rule_forbids_is_told)
{
	struct world w = { .files = { { "pooler.ini", QUIET
	    "reserve_pool_size = 2\n[databases]\na =\nb = pool_size=3\n" } } };
	char *got = report(&w);

	ck_assert_ptr_nonnull(strstr(got, "pooler.ini:5: database \"a\": "
	    "reserve_pool_size has no effect"));
	free(got);
}
END_TEST

/* ---- precedence ---- */

START_TEST(overrides_win_in_the_order_of_the_reference)
{
	struct config *c = good(QUIET "default_pool_size=10\npool_mode=session"
	    "\nmin_pool_size=1\nreserve_pool_size=2\nserver_lifetime=100\n"
	    "query_timeout=5\nquery_wait_timeout=6\nclient_idle_timeout=7\n"
	    "max_user_connections=8\nmax_db_client_connections=9\n"
	    "idle_transaction_timeout=10\ntransaction_timeout=11\n"
	    "max_user_client_connections=12\nserver_down_after=13\n"
	    "[databases]\nd = pool_mode=transaction pool_size=20 "
	    "min_pool_size=0 reserve_pool=4 server_lifetime=0 "
	    "query_wait_timeout=60 max_db_client_connections=0 "
	    "server_down_after=0\ne =\n[users]\n"
	    "u = pool_mode=statement pool_size=0 reserve_pool_size=0 "
	    "query_timeout=0 query_wait_timeout=0 client_idle_timeout=1.5 "
	    "max_user_connections=0 max_user_client_connections=3 "
	    "idle_transaction_timeout=1 transaction_timeout=2\nv =\n");
	const struct database_conf *d = config_database(c, "d");
	const struct database_conf *e = config_database(c, "e");

	ck_assert_int_eq(config_pool_mode(c, d, "u"), POOL_STATEMENT);
	ck_assert_int_eq(config_pool_mode(c, d, "v"), POOL_TRANSACTION);
	ck_assert_int_eq(config_pool_mode(c, e, "v"), POOL_SESSION);
	ck_assert_int_eq(config_pool_size(c, d, "u"), 0);
	ck_assert_int_eq(config_pool_size(c, d, "v"), 20);
	ck_assert_int_eq(config_pool_size(c, e, "nobody"), 10);
	ck_assert_int_eq(config_min_pool_size(c, d), 0);
	ck_assert_int_eq(config_min_pool_size(c, e), 1);
	ck_assert_int_eq(config_reserve_pool_size(c, d, "u"), 0);
	ck_assert_int_eq(config_reserve_pool_size(c, d, "v"), 4);
	ck_assert_int_eq(config_reserve_pool_size(c, e, "v"), 2);
	ck_assert_int_eq(config_server_lifetime_us(c, d), 100 * USEC_PER_SEC);
	ck_assert_int_eq(config_query_timeout_us(c, "u"), 5 * USEC_PER_SEC);
	ck_assert_int_eq(config_query_wait_timeout_us(c, d, "u"), 0);
	ck_assert_int_eq(config_query_wait_timeout_us(c, d, "v"),
	    60 * USEC_PER_SEC);
	ck_assert_int_eq(config_query_wait_timeout_us(c, e, "v"),
	    6 * USEC_PER_SEC);
	ck_assert_int_eq(config_client_idle_timeout_us(c, "u"), 1500000);
	ck_assert_int_eq(config_client_idle_timeout_us(c, "v"), 7000000);
	ck_assert_int_eq(config_idle_transaction_timeout_us(c, "u"), 1000000);
	ck_assert_int_eq(config_idle_transaction_timeout_us(c, "x"), 10000000);
	ck_assert_int_eq(config_transaction_timeout_us(c, "u"), 2000000);
	ck_assert_int_eq(config_transaction_timeout_us(c, "v"), 11000000);
	ck_assert_int_eq(config_max_user_connections(c, "u"), 8);
	ck_assert_int_eq(config_max_user_client_connections(c, "u"), 3);
	ck_assert_int_eq(config_max_user_client_connections(c, "v"), 12);
	ck_assert_int_eq(config_max_db_client_connections(c, d), 9);
	ck_assert_int_eq(config_max_db_connections(c, d), 0);
	ck_assert_int_eq(config_server_down_after_us(c, d), 0);
	ck_assert_int_eq(config_server_down_after_us(c, e), 13000000);
	config_unref(c);
}
END_TEST

START_TEST(every_truncation_of_a_file_gives_a_snapshot_or_an_error)
{
	static const char text[] = QUIET "query_timeout = 5\n[databases]\n"
	    "'a b' = host=x password='it''s' port=5\n* = pool_size=auto\n"
	    "[users]\nu = pool_mode=session\n[peers]\n1 = host=y\n";

	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = xstrndup(text, n);
		struct world w = { .files = { { "pooler.ini", copy } } };

		free(report(&w));
		free(copy);
	}
}
END_TEST

UNIT_MAIN(UNIT_SUITE("config", empty_section_gives_the_defaults,
    repeated_headers_are_merged, all_errors_are_listed_with_place_and_hint,
    each_of_these_refuses_the_file,
    later_keys_warn_once_each_and_only_off_their_default,
    ignored_keys_say_nothing, section_carries_into_and_out_of_an_include,
    include_of_itself_ends, errors_are_told_up_to_a_number_then_counted,
    databases_are_found_by_their_exact_name,
    of_a_line_given_twice_the_last_counts, admins_are_compared_whole,
    secrets_come_from_auth_file, bad_line_refuses_the_auth_file,
    bad_rules_refuse_the_configuration,
    rules_that_are_never_used_are_told,
    rules_live_as_long_as_any_snapshot_has_them, rules_are_read_for_hba_alone,
    auth_file_is_not_read_for_any, pool_size_follows_the_rule,
    guess_is_told_once_and_only_for_other_machines,
    reserve_that_the_rule_forbids_is_told,
    overrides_win_in_the_order_of_the_reference,
    every_truncation_of_a_file_gives_a_snapshot_or_an_error))
