/* Tests of proto/msg. */
#include <string.h>

#include "proto/msg.h"
#include "proto/reply.h"
#include "proto/sql.h"
#include "unit.h"

/* A copy in memory of its own, so that a sanitizer sees reads past the end. */
static uint8_t *
copy_of(const void *p, size_t n)
{
	uint8_t *copy = xmalloc(n);

	if (n > 0)
		memcpy(copy, p, n);
	return copy;
}

#define START8(len, code) \
	(uint8_t)((len) >> 24), (uint8_t)((len) >> 16), \
	(uint8_t)((len) >> 8), (uint8_t)(len), \
	(uint8_t)((code) >> 24), (uint8_t)((code) >> 16), \
	(uint8_t)((code) >> 8), (uint8_t)(code)

START_TEST(startup_kinds)
{
	static const struct {
		uint8_t head[8];
		enum startup_kind kind;
	} cases[] = {
		{ { START8(8u, CODE_SSL) }, STARTUP_SSL },
		{ { START8(8u, CODE_GSS) }, STARTUP_GSS },
		{ { START8(9u, CODE_SSL) }, STARTUP_BAD },
		{ { START8(9u, PROTOCOL_3_0) }, STARTUP_MORE },
		{ { START8(9u, PROTOCOL_3_0 + 2) }, STARTUP_MORE },
		{ { START8(10000u, PROTOCOL_3_0) }, STARTUP_MORE },
		{ { START8(10001u, PROTOCOL_3_0) }, STARTUP_BAD },
		{ { START8(8u, PROTOCOL_3_0) }, STARTUP_BAD },
		{ { START8(7u, PROTOCOL_3_0) }, STARTUP_BAD },
		{ { START8(0u, PROTOCOL_3_0) }, STARTUP_BAD },
		{ { START8(0xffffffffu, PROTOCOL_3_0) }, STARTUP_BAD },
		{ { START8(0x7fffffffu, PROTOCOL_3_0) }, STARTUP_BAD },
		{ { START8(296u, 0x00020000u) }, STARTUP_V2 },
		{ { START8(20u, 0x00040000u) }, STARTUP_BAD },
		{ { START8(20u, 0x00010000u) }, STARTUP_BAD },
		{ { START8(16u, CODE_CANCEL) }, STARTUP_MORE },
		{ { START8(268u, CODE_CANCEL) }, STARTUP_MORE },
		{ { START8(15u, CODE_CANCEL) }, STARTUP_BAD },
		{ { START8(269u, CODE_CANCEL) }, STARTUP_BAD },
		{ { 'G', 'E', 'T', ' ', '/', ' ', 'H', 'T' }, STARTUP_BAD },
		{ { 0x16, 3, 1, 0, 200, 1, 0, 0 }, STARTUP_TLS_HELLO },
	};
	struct startup s;
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		ck_assert_msg(startup_decode(SPAN(cases[i].head, 8), &s) ==
		    cases[i].kind, "case %zu", i);
		ck_assert_int_eq(s.kind, cases[i].kind);
	}
	ck_assert_int_eq(startup_decode(SPAN(cases[17].head, 8), &s),
	    STARTUP_BAD);
	ck_assert_uint_eq(s.version, CODE_CANCEL);
	ck_assert_int_eq(startup_decode(SPAN("\x16", 1), &s),
	    STARTUP_TLS_HELLO);
	ck_assert_int_eq(startup_decode(SPAN(NULL, 0), &s), STARTUP_MORE);
}
END_TEST

START_TEST(startup_waits_for_its_last_byte)
{
	static const char *const params[] = { "user", "joe", "database", "",
		"options", "-c a=b", NULL };
	struct buf out = { 0 };
	struct startup s;
	size_t n;

	request_startup(&out, PROTOCOL_3_0, params);
	for (n = 0; n < buf_len(&out); n++) {
		uint8_t *cut = copy_of(buf_head(&out), n);

		ck_assert_int_eq(startup_decode(SPAN(cut, n), &s),
		    STARTUP_MORE);
		free(cut);
	}
	n = buf_len(&out);
	buf_append(&out, "more", 4);
	ck_assert_int_eq(startup_decode(buf_span(&out), &s), STARTUP_V3);
	ck_assert_uint_eq(s.size, n);
	ck_assert_uint_eq(s.params.n, n - 8);
	ck_assert_uint_eq(s.version, PROTOCOL_3_0);
	buf_free(&out);
}
END_TEST

START_TEST(cancel_gives_its_key)
{
	struct buf out = { 0 };
	struct startup s;

	request_cancel(&out, 7, SPAN_LIT("abcd"));
	ck_assert_int_eq(startup_decode(buf_span(&out), &s),
	    STARTUP_CANCEL);
	ck_assert(span_eq(s.key, SPAN("\0\0\0\7abcd", 8)));
	ck_assert_uint_eq(s.size, 16);
	buf_free(&out);
}
END_TEST

static enum startup_next
walk(struct span params, int *pairs)
{
	struct startup_param p;
	enum startup_next next;
	size_t at = 0;

	*pairs = 0;
	while ((next = startup_next(params, &at, &p)) == PARAM_ONE)
		++*pairs;
	return next;
}

START_TEST(params_end_with_one_terminator)
{
	static const char good[] = "user\0joe\0database\0\0";
	struct startup_param p;
	size_t at = 0, n;
	int pairs;

	ck_assert_int_eq(walk(SPAN(good, sizeof(good)), &pairs), PARAM_END);
	ck_assert_int_eq(pairs, 2);
	for (n = 0; n < sizeof(good); n++) {
		uint8_t *cut = copy_of(good, n);

		ck_assert_int_eq(walk(SPAN(cut, n), &pairs), PARAM_BAD);
		free(cut);
	}
	ck_assert_int_eq(walk(SPAN("a\0b\0\0\0", 6), &pairs), PARAM_BAD);
	ck_assert_int_eq(walk(SPAN("a\0b\0\0x", 6), &pairs), PARAM_BAD);
	ck_assert_int_eq(walk(SPAN("", 1), &pairs), PARAM_END);
	ck_assert_int_eq(startup_next(SPAN(good, sizeof(good)), &at, &p),
	    PARAM_ONE);
	ck_assert_str_eq(p.name, "user");
	ck_assert_str_eq(p.value, "joe");
}
END_TEST

START_TEST(options_forms)
{
	/* What comes out: name=value; each, then E(nd) or B(ad). */
	static const struct {
		const char *in;
		const char *out;
	} cases[] = {
		{ "", "E" },
		{ "   ", "E" },
		{ "-c a=b", "a=b;E" },
		{ "-ca=b", "a=b;E" },
		{ "--a=b", "a=b;E" },
		{ "--some-name=b-c", "some_name=b-c;E" },
		{ "-c a-b=c-d", "a_b=c-d;E" },
		{ " -c  a=b\t--c=d  ", "a=b;c=d;E" },
		{ "-c a=b\\ c", "a=b c;E" },
		{ "-c a=\\\\\\-", "a=\\-;E" },
		{ "-c a=b\\", "a=b;E" },
		{ "-c a=", "a=;E" },
		{ "-c a=b=c", "a=b=c;E" },
		{ "-c a.b=c", "a.b=c;E" },
		{ "-c", "B" },
		{ "-c ", "B" },
		{ "-c a", "B" },
		{ "-c =b", "B" },
		{ "--", "B" },
		{ "--a", "B" },
		{ "--=b", "B" },
		{ "-", "B" },
		{ "x", "B" },
		{ "a=b", "B" },
		{ "-d a=b", "B" },
		{ "-c a=b x", "a=b;B" },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf item = { 0 }, got = { 0 };
		const char *name, *value;
		enum startup_next next;
		size_t at = 0;

		while ((next = options_next(cases[i].in, &at, &item, &name,
		    &value)) == PARAM_ONE)
			buf_printf(&got, "%s=%s;", name, value);
		buf_append(&got, next == PARAM_END ? "E" : "B", 2);
		ck_assert_str_eq((const char *)buf_head(&got), cases[i].out);
		buf_free(&item);
		buf_free(&got);
	}
}
END_TEST

START_TEST(notice_fields_may_all_be_absent)
{
	struct notice_fields f;

	ck_assert(msg_notice(SPAN("", 1), &f));
	ck_assert_ptr_null(f.severity);
	ck_assert_ptr_null(f.sqlstate);
	ck_assert_ptr_null(f.message);
	ck_assert(msg_notice(SPAN("SFEHLER\0VERROR\0Xx\0\0", 19), &f));
	ck_assert_str_eq(f.severity, "ERROR");
	ck_assert(msg_notice(SPAN("VERROR\0SFEHLER\0\0", 16), &f));
	ck_assert_str_eq(f.severity, "ERROR");
	ck_assert(msg_notice(SPAN("SFEHLER\0\0", 9), &f));
	ck_assert_str_eq(f.severity, "FEHLER");
	ck_assert(!msg_notice(SPAN(NULL, 0), &f));
	ck_assert(!msg_notice(SPAN("\0\0", 2), &f));
}
END_TEST

/* Each body below is whole; its every truncation must be refused, and so must
 * one more byte, by the decoder of that letter. */
static bool
decode(char which, struct span body)
{
	const char *a, *b;
	struct notice_fields f;
	struct span s;
	uint32_t n;
	uint8_t c;

	switch (which) {
	case 'N': return msg_notice(body, &f);
	case 'S': return msg_parameter_status(body, &a, &b);
	case 'K': return msg_key_data(body, &n, &s);
	case 'Z': return msg_ready(body, &c);
	case 'R': return msg_auth(body, &n, &s);
	case 'Q': return msg_query(body, &a);
	case 'P': return msg_parse(body, &a, &b, &s);
	case 'B': return msg_bind(body, &a, &b);
	case 'E': return msg_execute(body, &a);
	case 'D': return msg_target(body, &c, &a);
	}
	return false;
}

#define BODY(which, lit, open) { which, lit, sizeof(lit) - 1, open }

static const struct {
	char which;
	const char *body;
	size_t n;
	bool open; /* anything may follow */
} bodies[] = {
	BODY('N', "SERROR\0C42601\0Mm\0\0", false),
	BODY('S', "TimeZone\0UTC\0", false),
	BODY('S', "a\0\0", false),
	BODY('K', "\0\0\0\1abcd", true),
	BODY('Z', "I", false),
	BODY('R', "\0\0\0\0", true),
	BODY('Q', "select 1\0", false),
	BODY('Q', "\0", false),
	BODY('P', "name\0select $1\0\0\2\0\0\0\27\0\0\0\31", false),
	BODY('P', "\0\0\0\0", false),
	BODY('B', "portal\0statement\0", true),
	BODY('E', "portal\0\0\0\0\0", false),
	BODY('D', "Sname\0", false),
	BODY('D', "P\0", false),
};

START_TEST(decoders_refuse_every_truncation)
{
	char which = bodies[_i].which;
	size_t n = bodies[_i].n, i;
	uint8_t *more;

	ck_assert(decode(which, SPAN(bodies[_i].body, n)));
	for (i = 0; i < n; i++) {
		uint8_t *cut = copy_of(bodies[_i].body, i);

		ck_assert_msg(!decode(which, SPAN(cut, i)), "%c cut at %zu",
		    which, i);
		free(cut);
	}
	more = copy_of(bodies[_i].body, n + 1);
	more[n] = 'x';
	ck_assert_int_eq(decode(which, SPAN(more, n + 1)), bodies[_i].open);
	free(more);
}
END_TEST

START_TEST(decoders_give_the_fields)
{
	const char *a, *b;
	struct span s;
	uint32_t n;
	uint8_t c;

	ck_assert(msg_parse(SPAN("n\0t\0\0\1abcd", 10), &a, &b, &s));
	ck_assert_str_eq(a, "n");
	ck_assert_str_eq(b, "t");
	ck_assert(span_eq(s, SPAN("\0\1abcd", 6)));
	ck_assert(!msg_parse(SPAN("n\0t\0\xff\xff", 6), &a, &b, &s));
	ck_assert(msg_key_data(SPAN("\1\2\3\4abcde", 9), &n, &s));
	ck_assert_uint_eq(n, 0x01020304);
	ck_assert(span_is(s, "abcde"));
	ck_assert(msg_auth(SPAN("\0\0\0\5salt", 8), &n, &s));
	ck_assert_uint_eq(n, 5);
	ck_assert(span_is(s, "salt"));
	ck_assert(msg_target(SPAN("Px\0", 3), &c, &a));
	ck_assert_uint_eq(c, 'P');
	ck_assert_str_eq(a, "x");
	ck_assert(!msg_target(SPAN("Qx\0", 3), &c, &a));
	ck_assert(!msg_ready(SPAN("X", 1), &c));
	ck_assert(msg_ready(SPAN("E", 1), &c));
}
END_TEST

START_TEST(key_data_has_bounds)
{
	uint8_t body[300] = { 0 };
	struct span key;
	uint32_t pid;

	ck_assert(msg_key_data(SPAN(body, 260), &pid, &key));
	ck_assert_uint_eq(key.n, 256);
	ck_assert(!msg_key_data(SPAN(body, 261), &pid, &key));
	ck_assert(!msg_key_data(SPAN(body, 7), &pid, &key));
}
END_TEST

START_TEST(commits_are_known)
{
	static const char *const yes[] = { "commit", "COMMIT;", "end",
		"End Transaction", " \t\n\fcommit", "-- x\ncommit",
		"/* a /* b */ c */COMMIT", ";;commit", "commit;select 1",
		"COMMIT/**/", "COMMIT PREPARED 'x'", "prepare transaction 'x'",
		"PREPARE -- x\n TRANSACTION 'x'", "commit and chain" };
	static const char *const no[] = { "", "select 1", "commits",
		"commit_", "ending", "endx", "com", "prepare",
		"prepare x as select 1", "release a", "rollback", "-- commit",
		"/* commit", "/* /* */ commit", "begin;commit", "\"commit\"", "comm",
		"commit\xc3\xa4", "prepare transactions", "/", "-", "/*" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(yes); i++)
		ck_assert_msg(sql_is_commit(span_of(yes[i])), "%s", yes[i]);
	for (i = 0; i < ARRAY_LEN(no); i++)
		ck_assert_msg(!sql_is_commit(span_of(no[i])), "%s", no[i]);
	ck_assert(!sql_is_commit(SPAN(NULL, 0)));
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("msg");
	TCase *t = tcase_create("startup");

	tcase_add_test(t, startup_kinds);
	tcase_add_test(t, startup_waits_for_its_last_byte);
	tcase_add_test(t, cancel_gives_its_key);
	tcase_add_test(t, params_end_with_one_terminator);
	tcase_add_test(t, options_forms);
	suite_add_tcase(s, t);
	t = tcase_create("messages");
	tcase_add_test(t, notice_fields_may_all_be_absent);
	tcase_add_loop_test(t, decoders_refuse_every_truncation, 0,
	    (int)ARRAY_LEN(bodies));
	tcase_add_test(t, decoders_give_the_fields);
	tcase_add_test(t, key_data_has_bounds);
	tcase_add_test(t, commits_are_known);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(suite())
