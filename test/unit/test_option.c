/* Texts into fields and back, and the tables of keys themselves. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "policy/config.h"
#include "unit_suite.h"

enum colour { RED, GREEN };

struct fields {
	bool b;
	int i;
	int octal;
	int a;
	int64_t t;
	int64_t ms;
	enum colour e;
	const char *s;
};

static const struct option_word colours[] = {
	{ .name = "red", .value = RED },
	{ .name = "green", .value = GREEN },
	{ .name = "blue", .value = 7, .later = true },
	{ .name = NULL },
};

static const struct option rows[] = {
	{ .name = "b", .type = OPT_BOOL, .offset = offsetof(struct fields, b) },
	{ .name = "i", .type = OPT_INT, .min = -5, .max = 1000,
	    .offset = offsetof(struct fields, i) },
	{ .name = "octal", .type = OPT_OCTAL, .max = 07777,
	    .offset = offsetof(struct fields, octal) },
	{ .name = "a", .type = OPT_AUTO, .min = 1, .max = 9,
	    .offset = offsetof(struct fields, a) },
	{ .name = "t", .type = OPT_TIME, .max = 1000000,
	    .offset = offsetof(struct fields, t) },
	{ .name = "ms", .type = OPT_MSEC, .max = 1000,
	    .offset = offsetof(struct fields, ms) },
	{ .name = "e", .type = OPT_ENUM, .words = colours,
	    .offset = offsetof(struct fields, e) },
	{ .name = "s", .type = OPT_TEXT, .flags = OPT_NONEMPTY,
	    .offset = offsetof(struct fields, s) },
};

START_TEST(text_is_parsed_and_written_back)
{
	static const struct {
		const char *key, *text, *want; /* NULL: refused */
	} cases[] = {
		{ "b", "1", "1" }, { "b", "0", "0" }, { "b", "on", "1" },
		{ "b", "OFF", "0" }, { "b", "Yes", "1" }, { "b", "no", "0" },
		{ "b", "true", "1" }, { "b", "false", "0" },
		{ "b", "2", NULL }, { "b", "", NULL }, { "b", "t", NULL },
		{ "i", "0", "0" }, { "i", "-5", "-5" }, { "i", "-6", NULL },
		{ "i", "1000", "1000" }, { "i", "1001", NULL },
		{ "i", "0x10", "16" }, { "i", "010", "8" },
		{ "i", "08", NULL }, { "i", "12abc", NULL },
		{ "i", "abc", NULL }, { "i", "", NULL }, { "i", " 1", NULL },
		{ "i", "+1", NULL }, { "i", "-", NULL }, { "i", "1.5", NULL },
		{ "i", "auto", NULL }, { "i", "99999999999999999999", NULL },
		{ "octal", "0777", "511" }, { "octal", "010000", NULL },
		{ "a", "auto", "auto" }, { "a", "AUTO", "auto" },
		{ "a", "3", "3" }, { "a", "0", NULL }, { "a", "-2", NULL },
		{ "t", "0", "0" }, { "t", "5", "5" }, { "t", "0.5", "0.5" },
		{ "t", "1.250", "1.25" }, { "t", ".5", "0.5" },
		{ "t", "5.", "5" }, { "t", "0.000001", "0.000001" },
		{ "t", "0.0000009", "0" }, { "t", "1000000", "1000000" },
		{ "t", "1000000.1", NULL }, { "t", "-1", NULL },
		{ "t", "5s", NULL }, { "t", "", NULL }, { "t", ".", NULL },
		{ "t", "1e3", NULL }, { "t", "1.2.3", NULL },
		{ "t", "9999999999999", NULL },
		{ "t", "99999999999.9", NULL },
		{ "t", "99999999999999999999999999", NULL },
		{ "ms", "1", "1" }, { "ms", "0.5", "0.5" },
		{ "ms", "1001", NULL },
		{ "e", "red", "red" }, { "e", "GREEN", "green" },
		{ "e", "blue", NULL }, { "e", "re", NULL }, { "e", "", NULL },
		{ "s", "x y", "x y" }, { "s", "", NULL },
		{ "s", "a\nb", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct option *o = option_find(rows, ARRAY_LEN(rows),
		    span_of(cases[i].key));
		struct arena *a = arena_new();
		struct fields f = { 0 };
		struct buf out = { 0 };
		struct err e;
		bool ok;

		err_clear(&e);
		ok = option_parse(o, span_of(cases[i].text), a, &f, &e);
		ck_assert_msg(ok == (cases[i].want != NULL), "%s=%s",
		    cases[i].key, cases[i].text);
		if (!ok)
			ck_assert(err_is_set(&e));
		if (ok && cases[i].want != NULL) {
			option_format(o, &f, &out);
			ck_assert_msg(span_is(buf_span(&out), cases[i].want),
			    "%s=%s gives %.*s", cases[i].key, cases[i].text,
			    (int)buf_len(&out), (const char *)buf_head(&out));
		}
		buf_free(&out);
		arena_free(a);
	}
}
END_TEST

START_TEST(refused_text_leaves_the_field_alone)
{
	struct arena *a = arena_new();
	struct fields f = { .i = 3, .t = 4, .e = GREEN, .s = "x" };
	struct err e;

	ck_assert(!option_parse(&rows[1], SPAN_LIT("x"), a, &f, &e));
	ck_assert(!option_parse(&rows[4], SPAN_LIT("x"), a, &f, &e));
	ck_assert(!option_parse(&rows[6], SPAN_LIT("x"), a, &f, &e));
	ck_assert(!option_parse(&rows[7], SPAN_LIT(""), a, &f, &e));
	ck_assert_int_eq(f.i, 3);
	ck_assert_int_eq(f.t, 4);
	ck_assert_int_eq(f.e, GREEN);
	ck_assert_str_eq(f.s, "x");
	arena_free(a);
}
END_TEST

START_TEST(word_of_a_later_version_is_told_apart)
{
	struct arena *a = arena_new();
	struct fields f = { 0 };
	struct err e;

	ck_assert(!option_parse(&rows[6], SPAN_LIT("blue"), a, &f, &e));
	ck_assert_str_eq(e.sqlstate, "0A000");
	ck_assert(!option_parse(&rows[6], SPAN_LIT("gren"), a, &f, &e));
	ck_assert_str_eq(e.hint, "did you mean \"green\"?");
	ck_assert(!option_parse(&rows[6], SPAN_LIT("qqqqqqqq"), a, &f, &e));
	ck_assert_str_eq(e.hint, "one of: red | green");
	arena_free(a);
}
END_TEST

START_TEST(unset_is_told_from_zero)
{
	struct arena *a = arena_new();
	struct fields f, g;
	struct err e;

	for (size_t i = 1; i < ARRAY_LEN(rows); i++) {
		option_unset(&rows[i], &f);
		option_unset(&rows[i], &g);
		ck_assert(!option_is_set(&rows[i], &f));
		ck_assert(option_same(&rows[i], &f, &g));
	}
	ck_assert(option_parse(&rows[1], SPAN_LIT("0"), a, &f, &e));
	ck_assert(option_is_set(&rows[1], &f));
	ck_assert(!option_same(&rows[1], &f, &g));
	option_copy(&rows[1], &g, &f, a);
	ck_assert(option_same(&rows[1], &f, &g));
	arena_free(a);
}
END_TEST

START_TEST(mistyped_key_finds_the_nearest)
{
	size_t n;
	const struct option *all = config_options(SCOPE_GLOBAL, &n);
	static const struct {
		const char *typed, *want;
	} cases[] = {
		{ "max_client_con", "max_client_conn" },
		{ "Pool_mode", "pool_mode" },
		{ "auth_fiel", "auth_file" },
		{ "listen_adress", "listen_addr" },
		{ "query_wait_timout", "query_wait_timeout" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *near = option_nearest(all, n,
		    span_of(cases[i].typed));

		ck_assert_ptr_nonnull(near);
		ck_assert_str_eq(near, cases[i].want);
	}
	ck_assert_ptr_null(option_nearest(all, n, SPAN_LIT("zzzzzzzzz")));
}
END_TEST

START_TEST(every_row_has_help_and_a_default_that_parses)
{
	for (int s = 0; s < N_SCOPES; s++) {
		size_t n;
		const struct option *all = config_options((enum option_scope)s,
		    &n);

		for (size_t i = 0; i < n; i++) {
			const struct option *o = &all[i];
			struct arena *a = arena_new();
			union {
				struct config c;
				struct database_conf d;
				struct user_conf u;
				struct peer_conf p;
			} x = { 0 };
			struct err e;

			ck_assert_msg(o->help != NULL && o->help[0] != '\0' &&
			    o->help[strlen(o->help) - 1] == '.', "%s",
			    o->name);
			ck_assert_msg(option_find(all, n, span_of(o->name)) ==
			    o, "%s stands there twice", o->name);
			ck_assert_msg(o->def == NULL || option_parse(o,
			    span_of(o->def), a, &x, &e), "%s: %s", o->name,
			    e.msg);
			ck_assert_msg(o->def_compat == NULL || option_parse(o,
			    span_of(o->def_compat), a, &x, &e), "%s", o->name);
			arena_free(a);
		}
	}
}
END_TEST

/* What a drop-in must know, with its defaults (NULL: none). */
static const char *const reference_keys[][2] = {
	{ "admin_users", "" }, { "application_name_add_host", "0" },
	{ "auth_dbname", NULL }, { "auth_file", NULL },
	{ "auth_hba_file", "" }, { "auth_ident_file", NULL },
	{ "auth_ldap_options", NULL }, { "auth_type", "md5" },
	{ "auth_user", NULL }, { "autodb_idle_timeout", "3600" },
	{ "cancel_wait_timeout", "10" }, { "client_idle_timeout", "0" },
	{ "client_login_timeout", "60" }, { "client_tls13_ciphers", NULL },
	{ "client_tls_ca_file", "" }, { "client_tls_cert_file", "" },
	{ "client_tls_ciphers", "default" },
	{ "client_tls_dheparams", "auto" }, { "client_tls_ecdhcurve", "auto" },
	{ "client_tls_key_file", "" }, { "client_tls_protocols", "secure" },
	{ "client_tls_sslmode", "disable" }, { "conffile", NULL },
	{ "disable_pqexec", "0" }, { "dns_max_ttl", "15" },
	{ "dns_nxdomain_ttl", "15" }, { "dns_zone_check_period", "0" },
	{ "idle_transaction_timeout", "0" },
	{ "ignore_startup_parameters", "" }, { "job_name", "pgbouncer" },
	{ "listen_addr", "" }, { "listen_backlog", "128" },
	{ "listen_port", "6432" }, { "log_connections", "1" },
	{ "log_disconnections", "1" }, { "log_pooler_errors", "1" },
	{ "log_stats", "1" }, { "logfile", "" },
	{ "login_notify_message", "" }, { "max_client_conn", "100" },
	{ "max_db_client_connections", "0" }, { "max_db_connections", "0" },
	{ "max_packet_size", "2147483647" },
	{ "max_prepared_statements", "200" },
	{ "max_user_client_connections", "0" },
	{ "max_user_connections", "0" }, { "min_pool_size", "0" },
	{ "peer_id", "0" }, { "pidfile", "" }, { "pkt_buf", "4096" },
	{ "pool_idle_timeout", "0" }, { "pool_mode", "session" },
	{ "query_timeout", "0" }, { "query_wait_notify", "5" },
	{ "query_wait_timeout", "120" }, { "reserve_pool_size", "0" },
	{ "reserve_pool_timeout", "5" }, { "resolv_conf", "" },
	{ "sbuf_loopcnt", "5" }, { "scram_iterations", "4096" },
	{ "server_check_delay", "30" }, { "server_check_query", "<empty>" },
	{ "server_connect_timeout", "15" }, { "server_fast_close", "0" },
	{ "server_idle_timeout", "600" }, { "server_lifetime", "3600" },
	{ "server_login_retry", "15" },
	{ "server_reset_query", "DISCARD ALL" },
	{ "server_reset_query_always", "0" }, { "server_round_robin", "0" },
	{ "server_tls13_ciphers", NULL }, { "server_tls_ca_file", "" },
	{ "server_tls_cert_file", "" }, { "server_tls_ciphers", "default" },
	{ "server_tls_key_file", "" }, { "server_tls_protocols", "secure" },
	{ "server_tls_sslmode", "prefer" }, { "so_reuseport", "0" },
	{ "stats_period", "60" }, { "stats_users", "" },
	{ "suspend_timeout", "10" }, { "syslog", "0" },
	{ "syslog_facility", "daemon" }, { "syslog_ident", "pgbouncer" },
	{ "tcp_defer_accept", "1" }, { "tcp_keepalive", "1" },
	{ "tcp_keepcnt", "0" }, { "tcp_keepidle", "0" },
	{ "tcp_keepintvl", "0" }, { "tcp_socket_buffer", "0" },
	{ "tcp_user_timeout", "0" },
	{ "track_extra_parameters", "IntervalStyle" },
	{ "transaction_timeout", "0" }, { "unix_socket_dir", "/tmp" },
	{ "unix_socket_group", "" }, { "unix_socket_mode", "0777" },
	{ "user", NULL }, { "verbose", NULL },
	/* alias */
	{ "service_name", "pgbouncer" },
};

START_TEST(reference_keys_are_known_with_their_defaults)
{
	size_t n, ours = 0;
	const struct option *all = config_options(SCOPE_GLOBAL, &n);

	for (size_t i = 0; i < ARRAY_LEN(reference_keys); i++) {
		const struct option *o = option_find(all, n,
		    span_of(reference_keys[i][0]));
		const char *want = reference_keys[i][1];

		ck_assert_msg(o != NULL, "%s", reference_keys[i][0]);
		ck_assert_msg((want == NULL) == (o->def == NULL), "%s",
		    o->name);
		if (want != NULL)
			ck_assert_str_eq(o->def, want);
		ck_assert(!(o->flags & OPT_OURS));
	}
	for (size_t i = 0; i < n; i++)
		ours += (all[i].flags & OPT_OURS) != 0;
	/* Those two have a default that is too long, or ours. */
	ck_assert_ptr_nonnull(option_find(all, n, SPAN_LIT("auth_query")));
	ck_assert_str_eq(option_find(all, n,
	    SPAN_LIT("default_pool_size"))->def_compat, "20");
	ck_assert_uint_eq(ARRAY_LEN(reference_keys) + ours + 2, n);
}
END_TEST

UNIT_MAIN(UNIT_SUITE("option", text_is_parsed_and_written_back,
    refused_text_leaves_the_field_alone,
    word_of_a_later_version_is_told_apart, unset_is_told_from_zero,
    mistyped_key_finds_the_nearest,
    every_row_has_help_and_a_default_that_parses,
    reference_keys_are_known_with_their_defaults))
