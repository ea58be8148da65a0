/* A configuration in use: reload, SET, environment, printing. */
#include "config_world.h"
#include "unit_suite.h"

/* ---- reload and SET ---- */

START_TEST(reload_keeps_what_is_read_at_start_only)
{
	struct config *old = good(QUIET "listen_port=7000\nlisten_addr=a\n"
	    "max_client_conn=5\n");
	struct world w = { .files = { { "pooler.ini", QUIET
	    "listen_port=7001\nmax_client_conn=6\njob_name=x\n" } } };
	struct config_report rep;
	struct config *c = load_over(&w, old, &rep);

	ck_assert_int_eq(c->listen_port, 7000);
	ck_assert_str_eq(c->listen_addr, "a");
	ck_assert_int_eq(c->max_client_conn, 6);
	ck_assert_uint_eq(rep.n_warnings, 2);
	ck_assert_str_eq(rep.warnings[0], "\"listen_addr\" is read at start "
	    "only: it stays \"a\" until a restart");
	ck_assert_str_eq(rep.warnings[1], "pooler.ini:3: \"listen_port\" is "
	    "read at start only: it stays \"7000\" until a restart");
	config_unref(old);
	ck_assert_str_eq(c->listen_addr, "a");
	config_report_fini(&rep);
	config_unref(c);
}
END_TEST

START_TEST(set_makes_a_new_snapshot_and_leaves_the_old)
{
	struct config *a = good("[pooler]\nauth_file=users\n[databases]\n"
	    "d = host=h\n* = host=h\n");
	struct config *b, *c;
	struct err e;

	b = config_with(a, "admin_users", "joe", &e);
	ck_assert_ptr_nonnull(b);
	c = config_with(b, "server_cores", "2", &e);
	config_unref(b);
	ck_assert(!config_is_admin(a, "joe") && config_is_admin(c, "joe"));
	ck_assert_int_eq(config_database(a, "d")->size, 13);
	ck_assert_int_eq(config_database(c, "d")->size, 5);
	ck_assert_int_eq(c->autodb->size, 5);
	ck_assert_str_eq(config_database(c, "d")->size_reason,
	    "5 = 2 cores * 2 + 1 spindle (server_cores)");
	config_unref(a);
	ck_assert_str_eq(config_secret(c, "u", NULL), "secret");
	ck_assert_str_eq(c->admin_users, "joe");
	config_unref(c);
}
END_TEST

START_TEST(set_refuses_what_it_cannot_do)
{
	static const char *const cases[][3] = {
		{ "listen_port", "5", "55P02" }, { "auth_file", "x", "55P02" },
		{ "auth_hba_file", "x", "55P02" }, { "auth_ldap_options", "x", "22023" },
		{ "auth_ident_file", "x", "55P02" },
		{ "auth_typ", "md5", "42704" }, { "auth_type", "hba", "55P02" },
		{ "max_client_conn", "x", "22023" }, { "", "", "42704" },
		{ "auth_dbname", "pgbouncer", "22023" },
		{ "server_reset_query", "a\nb", "22023" },
	};
	struct config *a = good(QUIET);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e;

		err_clear(&e);
		ck_assert_ptr_null(config_with(a, cases[i][0], cases[i][1],
		    &e));
		ck_assert_str_eq(e.sqlstate, cases[i][2]);
	}
	config_unref(a);
}
END_TEST

/* ---- environment and printing ---- */

START_TEST(environment_makes_one_server)
{
	struct world w = { .vars = { { "DB_HOST", "db" }, { "DB_USER", "app" },
	    { "DB_PASSWORD_FILE", "pw" }, { "DB_NAME", "shop" },
	    { "DB_PORT", "5433" } } };
	struct config_report rep;
	struct config *c;

	w.files[1][0] = NULL;
	c = load_over(&w, NULL, &rep);
	ck_assert_ptr_null(c);
	config_report_fini(&rep);
	w.vars[2][0] = "DB_PASSWORD";
	w.vars[2][1] = "sesame";
	c = load_over(&w, NULL, &rep);
	ck_assert_ptr_nonnull(c);
	ck_assert_str_eq(config_database(c, "shop")->host, "db");
	ck_assert_int_eq(config_database(c, "shop")->port, 5433);
	ck_assert_str_eq(config_database(c, "shop")->user, "");
	ck_assert_str_eq(c->autodb->host, "db");
	ck_assert_str_eq(config_secret(c, "app", NULL), "sesame");
	ck_assert_int_eq(c->auth_type, AUTH_TYPE_SCRAM);
	ck_assert_int_eq(c->pool_mode, POOL_TRANSACTION);
	ck_assert_str_eq(c->listen_addr, "127.0.0.1");
	ck_assert_int_eq(c->listen_port, 6432);
	ck_assert(config_is_admin(c, "app"));
	ck_assert(c->pool_size_auto);
	ck_assert_str_eq(c->conffile, "");
	config_report_fini(&rep);
	config_unref(c);
}
END_TEST

static bool
password_file(void *arg, const char *path, struct buf *out, struct err *e)
{
	(void)path;
	(void)e;
	buf_append(out, arg, strlen(arg));
	return true;
}

static const char *
password_env(void *arg, const char *name)
{
	(void)arg;
	return strcmp(name, "DB_PASSWORD") == 0 ? NULL : strcmp(name,
	    "DB_HOST") == 0 || strcmp(name, "DB_USER") == 0 ||
	    strcmp(name, "DB_PASSWORD_FILE") == 0 ? "x" : NULL;
}

START_TEST(password_file_loses_its_line_end_only)
{
	static const char *const cases[][2] = { { "se same\n", "se same" },
		{ "sesame", "sesame" }, { " s \r\n", " s " }, { "\n", NULL },
		{ "", NULL } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct config_input in = { .read_file = password_file,
			.env = password_env, .machine_cores = 1,
			.arg = (void *)(uintptr_t)cases[i][0] };
		struct config_report rep;
		struct config *c;

		config_report_init(&rep);
		c = config_from_env(&in, &rep);
		ck_assert((c != NULL) == (cases[i][1] != NULL));
		if (c != NULL)
			ck_assert_str_eq(config_secret(c, "x", NULL),
			    cases[i][1]);
		config_report_fini(&rep);
		config_unref(c);
	}
}
END_TEST

START_TEST(environment_tells_all_that_is_missing)
{
	struct world w = { .vars = { { "LISTEN_PORT", "x" },
	    { "DB_NAME", "pgbouncer" } } };
	char *got = report(&w);

	ck_assert_ptr_nonnull(strstr(got, "DB_HOST is not set"));
	ck_assert_ptr_nonnull(strstr(got, "DB_USER is not set"));
	ck_assert_ptr_nonnull(strstr(got, "DB_PASSWORD is not set"));
	ck_assert_ptr_nonnull(strstr(got, "LISTEN_PORT: bad value \"x\""));
	ck_assert_ptr_nonnull(strstr(got, "DB_NAME: database name"));
	free(got);
}
END_TEST

static char *
printed(const struct config *c)
{
	struct buf out = { 0 };
	char *s;

	config_print(c, &out);
	s = xstrndup((const char *)buf_head(&out), buf_len(&out));
	buf_free(&out);
	return s;
}

START_TEST(printed_configuration_reads_back_the_same)
{
	struct config *a = good(QUIET "default_pool_size=7\nquery_timeout=0.25"
	    "\nserver_reset_query =\nunix_socket_mode=0700\n[databases]\n"
	    "\"a \"\"b\" = connect_query='set x=''y z''' pool_mode=statement\n"
	    "* = host=h pool_size=auto cores=3 user=u password=sesame\n"
	    "[users]\nu = query_timeout=1.5\n[peers]\n7 = host=x\n");
	static const char hidden[] = ";\tpassword=<hidden>\n";
	char *first = printed(a), *second, *at = strstr(first, hidden);
	struct config *b = good(first);

	ck_assert_ptr_nonnull(at);
	memmove(at, at + strlen(hidden), strlen(at + strlen(hidden)) + 1);
	second = printed(b);
	ck_assert(strcmp(first, second) == 0);
	ck_assert_ptr_null(strstr(first, "sesame"));
	ck_assert_ptr_nonnull(strstr(first, "unix_socket_mode = 0700\n"));
	ck_assert_ptr_nonnull(strstr(first, "query_timeout = 0.25\n"));
	free(first);
	free(second);
	config_unref(a);
	config_unref(b);
}
END_TEST

START_TEST(values_are_spelled_as_in_the_reference)
{
	static const char *const cases[][2] = { { "unix_socket_mode", "511" },
		{ "query_wait_timeout", "120" }, { "log_stats", "1" },
		{ "pool_mode", "session" }, { "default_pool_size", "auto" },
		{ "server_check_query", "<empty>" }, { "auth_user", "" },
		{ "client_gone_grace", "0.5" }, { "verbose", "0" } };
	size_t n;
	const struct option *rows = config_options(SCOPE_GLOBAL, &n);
	struct config *c = good(QUIET);
	struct buf out = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct option *o = option_find(rows, n,
		    span_of(cases[i][0]));

		buf_reset(&out);
		ck_assert(config_value(c, (size_t)(o - rows), &out));
		ck_assert_msg(span_is(buf_span(&out), cases[i][1]), "%s",
		    o->name);
	}
	ck_assert(!config_value(c, n, &out));
	buf_free(&out);
	config_unref(c);
}
END_TEST

UNIT_MAIN(UNIT_SUITE("config_live", reload_keeps_what_is_read_at_start_only,
    set_makes_a_new_snapshot_and_leaves_the_old,
    set_refuses_what_it_cannot_do, environment_makes_one_server,
    password_file_loses_its_line_end_only,
    environment_tells_all_that_is_missing,
    printed_configuration_reads_back_the_same,
    values_are_spelled_as_in_the_reference))
