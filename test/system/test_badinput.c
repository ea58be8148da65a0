/*
 * Hostile and broken clients: a clear error where one can be given, the
 * connection closed, nothing lost for anybody else, never a crash.
 */
#include "fixture.h"
#include "raw.h"

#include <stdlib.h>
#include <string.h>

static void
still_works(void)
{
	PGconn *c = client_open(" ");

	ck_assert_int_eq(sql_int(c, "SELECT 4711"), 4711);
	PQfinish(c);
}

/* Last error text before the end of file; "" when closed without one. */
static const char *
last_error(struct raw *r, int ms)
{
	static char text[600];
	struct msg m;

	text[0] = '\0';
	while ((m = raw_next(r, ms)).type != 0)
		if (m.type == 'E')
			snprintf(text, sizeof(text), "%s", msg_field(&m, 'M'));
	return text;
}

/* --- first messages --- */

START_TEST (first_message_of_wrong_length_or_code) {
	static const struct {
		uint32_t len, code;
		const char *text;
	} cases[] = {
		{ 0, 196608, "bad packet header: '0000000000030000'" },
		{ 7, 196608, "bad packet header: '0000000700030000'" },
		{ 0xffffffff, 196608, "bad packet header: 'ffffffff" },
		{ 0x7fffffff, 196608, "bad packet header: '7fffffff" },
		{ 0x00010000, 196608, "bad packet header: '00010000" },
		{ 8, 4 << 16, "bad packet header: '0000000800040000'" },
		{ 8, 12345678, "bad packet header: '00000008" },
		{ 8, 2 << 16, "old V2 protocol not supported" },
	};
	struct pooler *p = pooler_start("worker_threads = 1\n");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct raw *r = raw_connect(p->port);
		struct pkt k = { 0 };
		const char *text;

		pkt_i32(&k, cases[i].len);
		pkt_i32(&k, cases[i].code);
		raw_put(r, &k);
		text = last_error(r, 5000);
		ck_assert_msg(strncmp(text, cases[i].text,
				  strlen(cases[i].text)) == 0,
		    "expected \"%s\", got \"%s\"", cases[i].text, text);
		raw_close(r);
	}
	still_works();
}
END_TEST

START_TEST (startup_packet_of_wrong_layout) {
	static const struct {
		const char *bytes;
		size_t n;
		const char *text;
	} cases[] = {
#define CASE(s, text)                  \
	{                              \
		s, sizeof(s) - 1, text \
	}
		CASE("user\0alice\0",
		    "invalid startup packet layout: expected "
		    "terminator as last byte"),
		CASE("user\0alice\0\0\0",
		    "invalid startup packet layout: "
		    "expected terminator as last "
		    "byte"),
		CASE("user\0alice\0\0x",
		    "invalid startup packet layout: "
		    "expected terminator as last byte"),
		CASE("\0", "no username supplied"),
		CASE("user\0\0\0", "no username supplied"),
		CASE("database\0app\0\0", "no username supplied"),
		CASE("user\0alice\0database\0app\0nonsense\0x\0\0",
		    "unrecognized configuration parameter \"nonsense\""),
#undef CASE
	};
	struct pooler *p = pooler_start("worker_threads = 1\n");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct raw *r = raw_connect(p->port);
		struct pkt k = { 0 };

		pkt_begin(&k, 0);
		pkt_i32(&k, 196608);
		pkt_raw(&k, cases[i].bytes, cases[i].n);
		pkt_end(&k);
		raw_put(r, &k);
		ck_assert_str_eq(last_error(r, 5000), cases[i].text);
		raw_close(r);
	}
	still_works();
}
END_TEST

START_TEST (user_name_too_long) {
	struct pooler *p = pooler_start("worker_threads = 1\n");
	struct raw *r = raw_connect(p->port);
	struct pkt k = { 0 };
	char name[200];

	memset(name, 'u', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	pkt_startup(&k, name, "app");
	raw_put(r, &k);
	ck_assert_str_eq(last_error(r, 5000), "username too long");
	raw_close(r);
	still_works();
}
END_TEST

START_TEST (startup_packet_sent_byte_by_byte_and_truncated) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	struct pkt k = { 0 };

	pkt_startup(&k, "alice", "app");
	for (size_t n = 1; n < k.n; n++) {
		struct raw *r = raw_connect(p->port);

		raw_send(r, k.p, n);
		raw_shut(r);
		/* Whatever it says, it closes, and nobody got in. */
		ck_assert_ptr_null(strchr(raw_types_to_end(r, 5000), 'Z'));
		raw_close(r);
	}
	pkt_free(&k);
	still_works();
}
END_TEST

START_TEST (ssl_and_gss_requests_are_answered_n) {
	struct pooler *p = pooler_start("worker_threads = 1\n");
	struct raw *r = raw_connect(p->port);
	struct pkt k = { 0 };

	for (uint32_t code = 80877104; code >= 80877103; code--) {
		pkt_begin(&k, 0);
		pkt_i32(&k, code);
		pkt_end(&k);
		raw_put(r, &k);
		ck_assert_int_eq(raw_byte(r, 5000), 'N');
	}
	pkt_startup(&k, "alice", "app");
	raw_put(r, &k);
	raw_until(r, 'Z', 5000);
	ck_assert_str_eq(raw_query(r, "SELECT 5"), "5");
	raw_close(r);
}
END_TEST

START_TEST (bytes_behind_an_ssl_request_are_refused) {
	static const struct {
		uint32_t code;
		const char *text;
	} cases[] = {
		{ 80877103, "received unencrypted data after SSL request" },
		{ 80877104,
		    "received unencrypted data after GSSAPI "
		    "encryption request" },
	};
	struct pooler *p = pooler_start("worker_threads = 1\n");

	for (int i = 0; i < 2; i++) {
		struct raw *r = raw_connect(p->port);
		struct pkt k = { 0 };

		pkt_begin(&k, 0);
		pkt_i32(&k, cases[i].code);
		pkt_end(&k);
		pkt_startup(&k, "alice", "app");
		raw_put(r, &k);
		ck_assert_str_eq(last_error(r, 5000), cases[i].text);
		raw_close(r);
	}
	still_works();
}
END_TEST

START_TEST (messages_before_login_are_refused) {
	struct pooler *p = pooler_start("auth_type = plain\n");
	struct raw *r;
	struct pkt k = { 0 };

	r = raw_connect(p->port);
	pkt_startup(&k, "alice", "app");
	raw_put(r, &k);
	ck_assert_int_eq(raw_next(r, 5000).type, 'R');
	pkt_query(&k, "SELECT 1");
	raw_put(r, &k);
	ck_assert_ptr_null(strchr(raw_types_to_end(r, 5000), 'D'));
	raw_close(r);

	/* A password of announced 2 GB: no memory is set aside for it. */
	r = raw_connect(p->port);
	pkt_startup(&k, "alice", "app");
	raw_put(r, &k);
	ck_assert_int_eq(raw_next(r, 5000).type, 'R');
	pkt_u8(&k, 'p');
	pkt_i32(&k, 0x7ffffff0);
	pkt_raw(&k, "xxxxxxxx", 8);
	raw_put(r, &k);
	raw_types_to_end(r, 5000);
	raw_close(r);
	PQfinish(client_open("password=alice-pw"));
}
END_TEST

/* --- after login --- */

START_TEST (unknown_message_type_after_login) {
	static const char kinds[] = { 'p', 'R', 'Z', 'T', '1', 'x', '\0',
		'\xff', '\n' };
	struct pooler *p = pooler_start("worker_threads = 1\n");

	for (size_t i = 0; i < sizeof(kinds); i++) {
		struct raw *r = raw_login(p->port, "alice", "app");
		struct pkt k = { 0 };

		pkt_u8(&k, kinds[i]);
		pkt_i32(&k, 5);
		pkt_u8(&k, 'x');
		raw_put(r, &k);
		ck_assert_str_eq(last_error(r, 5000), "unknown pkt");
		raw_close(r);
	}
	still_works();
}
END_TEST

START_TEST (wrong_lengths_after_login) {
	static const uint32_t lengths[] = { 0, 1, 2, 3, 0xffffffff, 0x80000000,
		0xfffffff0 };
	static const char kinds[] = "QPBEDCSHdcfFX";
	struct pooler *p = pooler_start("default_pool_size = 1\n");

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (const char *kind = kinds; *kind != '\0'; kind++) {
			struct raw *r = raw_login(p->port, "alice", "app");
			struct pkt k = { 0 };

			pkt_u8(&k, *kind);
			pkt_i32(&k, lengths[i]);
			pkt_raw(&k, "SELECT 1", 9);
			raw_put(r, &k);
			ck_assert_ptr_null(
			    strchr(raw_types_to_end(r, 5000), 'D'));
			raw_close(r);
		}
	still_works();
}
END_TEST

START_TEST (garbage_after_login) {
	struct pooler *p = pooler_start("default_pool_size = 2\n"
					"worker_threads = 2\n");
	unsigned seed = 42;

	for (int round = 0; round < 200; round++) {
		struct raw *r = raw_login(p->port, "alice", "app");
		uint8_t bytes[300];
		size_t n = 1 + (size_t)rand_r(&seed) % sizeof(bytes);

		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)rand_r(&seed);
		raw_send(r, bytes, n);
		raw_shut(r);
		raw_types_to_end(r, 8000);
		raw_close(r);
	}
	still_works();
}
END_TEST

START_TEST (garbage_before_login) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	unsigned seed = 43;

	for (int round = 0; round < 300; round++) {
		struct raw *r = raw_connect(p->port);
		uint8_t bytes[300];
		size_t n = 1 + (size_t)rand_r(&seed) % sizeof(bytes);

		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)rand_r(&seed);
		if (round % 2 == 0)
			bytes[0] = bytes[1] = 0;
		raw_send(r, bytes, n);
		raw_shut(r);
		raw_types_to_end(r, 8000);
		raw_close(r);
	}
	still_works();
}
END_TEST

/* Well framed, wrong inside: the server's business, whose answer passes. */
START_TEST (broken_bodies_are_answered_by_the_server) {
	static const char kinds[] = "PBEDCQF";
	struct pooler *p = pooler_start("default_pool_size = 1\n"
					"max_prepared_statements = 0\n");

	for (const char *kind = kinds; *kind != '\0'; kind++) {
		struct raw *r = raw_login(p->port, "alice", "app");
		struct pkt k = { 0 };

		pkt_begin(&k, *kind);
		pkt_raw(&k, "\xff\xfe", 2);
		pkt_end(&k);
		pkt_empty(&k, 'S');
		raw_put(r, &k);
		raw_until(r, 'E', 5000);
		raw_close(r);
	}
	still_works();
}
END_TEST

START_TEST (max_packet_size_is_kept) {
	struct pooler *p = pooler_start("max_packet_size = 2000\n");
	struct raw *r = raw_login(p->port, "alice", "app");
	struct pkt k = { 0 };

	ck_assert_str_eq(raw_query(r, "SELECT 5"), "5");
	pkt_u8(&k, 'Q');
	pkt_i32(&k, 2001);
	raw_put(r, &k);
	ck_assert_ptr_nonnull(
	    strstr(last_error(r, 5000), "bad packet header: '51000007d1"));
	raw_close(r);
	still_works();
}
END_TEST

START_TEST (disable_pqexec_refuses_simple_queries) {
	PGconn *c;
	PGresult *r;

	pooler_start("disable_pqexec = 1\n");
	c = client_open(" ");
	r = PQexecParams(c, "SELECT 5", 0, NULL, NULL, NULL, NULL, 0);
	ck_assert_str_eq(PQgetvalue(r, 0, 0), "5");
	PQclear(r);
	r = sql_exec(c, "SELECT 1");
	result_fails(r, NULL, "PQexec disallowed");
	PQclear(r);
	PQfinish(c);
}
END_TEST

/* --- many connections that say nothing --- */

START_TEST (silent_connections_keep_nobody_out) {
	struct pooler *p = pooler_start("max_login_conn = 50\n"
					"max_client_conn = 5\n"
					"client_login_timeout = 60\n"
					"worker_threads = 2\n");
	struct raw *r[400];

	for (int i = 0; i < 400; i++) {
		r[i] = raw_connect(p->port);
		if (i % 2 == 0)
			raw_send(r[i], "\0\0\0\x20", 4);
	}
	for (int i = 0; i < 10; i++)
		still_works();
	for (int i = 0; i < 400; i++)
		raw_close(r[i]);
	still_works();
}
END_TEST

START_TEST (probes_leave_no_line_in_the_log) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	char *before, *after;

	still_works();
	WAIT_UNTIL(show("POOLS", "database=app", "cl_active") == 0, 5000);
	console_close();
	WAIT_UNTIL(pooler_log_count(p,
		       "closing because: client close "
		       "request") >= 2,
	    5000);
	before = pooler_log(p);
	for (int i = 0; i < 200; i++) {
		struct raw *r = raw_connect(p->port);

		if (i % 2 == 0)
			raw_close(r);
		else
			raw_reset(r);
	}
	still_works();
	WAIT_UNTIL(pooler_log_count(p,
		       "closing because: client close "
		       "request") >= 3,
	    5000);
	after = pooler_log(p);
	/* One login, perhaps a server connection; not 200 probes. */
	ck_assert_int_lt(strlen(after), strlen(before) + 1000);
	free(before);
	free(after);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("badinput");

	FX_ADD(s, first_message_of_wrong_length_or_code, 30);
	FX_ADD(s, startup_packet_of_wrong_layout, 20);
	FX_ADD(s, user_name_too_long, 20);
	FX_ADD(s, startup_packet_sent_byte_by_byte_and_truncated, 30);
	FX_ADD(s, ssl_and_gss_requests_are_answered_n, 20);
	FX_ADD(s, bytes_behind_an_ssl_request_are_refused, 20);
	FX_ADD(s, messages_before_login_are_refused, 20);
	FX_ADD(s, unknown_message_type_after_login, 20);
	FX_ADD(s, wrong_lengths_after_login, 60);
	FX_ADD(s, garbage_after_login, 60);
	FX_ADD(s, garbage_before_login, 60);
	FX_ADD(s, broken_bodies_are_answered_by_the_server, 20);
	FX_ADD(s, max_packet_size_is_kept, 20);
	FX_ADD(s, disable_pqexec_refuses_simple_queries, 20);
	FX_ADD(s, silent_connections_keep_nobody_out, 60);
	FX_ADD(s, probes_leave_no_line_in_the_log, 30);
	return fx_main(s);
}
