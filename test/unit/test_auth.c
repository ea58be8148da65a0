/* Tests of proto/auth. */
#include <string.h>

#include "proto/auth.h"
#include "proto/msg.h"
#include "proto/reply.h"
#include "proto/wire.h"
#include "unit.h"

#define PENCIL_MD5 "md50098e7fab7b4d8d091067152a80b3f12" /* of md5user */
#define PENCIL \
	"SCRAM-SHA-256$4096:DZia3mDXkFDgvFbeLBLWJQ==" \
	"$wtGZLwI7AQTRMsIWXUuZNnPjvoKueS+1OSDsMnCrITI=" \
	":fvp0S+qXEBJQa3jLst2Gc1ZYlDa8z+ftEOQEOCnOi0s="

static const uint8_t seed[32] = { 7 };

START_TEST(secrets_are_told_apart)
{
	char text[36];

	ck_assert_int_eq(secret_kind(NULL), SECRET_NONE);
	ck_assert_int_eq(secret_kind(""), SECRET_NONE);
	ck_assert_int_eq(secret_kind("pencil"), SECRET_PLAIN);
	ck_assert_int_eq(secret_kind(PENCIL_MD5), SECRET_MD5);
	ck_assert_int_eq(secret_kind(PENCIL_MD5 "0"), SECRET_PLAIN);
	ck_assert_int_eq(secret_kind("md50098E7FAB7B4D8D091067152A80B3F12"),
	    SECRET_PLAIN);
	ck_assert_int_eq(secret_kind("md5"), SECRET_PLAIN);
	ck_assert_int_eq(secret_kind(PENCIL), SECRET_SCRAM);
	ck_assert_int_eq(secret_kind(PENCIL "x"), SECRET_PLAIN);
	md5_secret("pencil", "md5user", text);
	ck_assert_str_eq(text, PENCIL_MD5);
}
END_TEST

/* The body of the one message in b, whose type must be this. */
static struct span
body_of(const struct buf *b, uint8_t type)
{
	struct frame_info f;

	ck_assert_int_eq(wire_frame(buf_head(b), buf_len(b), 1000000, &f),
	    FRAME_WHOLE);
	ck_assert_uint_eq(f.size, buf_len(b));
	ck_assert_uint_eq(f.type, type);
	return SPAN(buf_head(b) + WIRE_HEAD, f.size - WIRE_HEAD);
}

struct meeting {
	const char *user; /* whose name both sides use */
	enum auth_method method;
	const char *secret; /* at our side, as a server */
	const char *theirs; /* at the client's */
	const struct scram_keys *keys;
	bool doomed;
	const struct scram_verifier *verifier;
	/* what came of it */
	enum step server, client;
	enum auth_method used;
	struct err server_err, client_err;
	bool has_keys;
	struct scram_keys out_keys;
	struct scram_verifier out_verifier;
	bool has_verifier;
	bool has_password;
};

static void
meet(struct meeting *m)
{
	struct auth_server_args sa = { .method = m->method, .user = m->user,
		.secret = m->secret, .doomed = m->doomed, .mock_seed = seed,
		.scram_iterations = 16, .verifier = m->verifier };
	struct auth_client_args ca = { .user = m->user, .secret = m->theirs,
		.keys = m->keys };
	struct auth_server *s = auth_server_new(&sa);
	struct auth_client *c = auth_client_new(&ca);
	struct buf up = { 0 }, down = { 0 };
	struct span in;

	err_clear(&m->server_err);
	err_clear(&m->client_err);
	m->client = STEP_MORE;
	m->server = auth_server_step(s, NULL, &down, &m->server_err);
	while (m->server != STEP_FAIL) {
		/* SASLFinal comes with STEP_DONE, and then Ok. */
		if (buf_len(&down) > 0) {
			m->client = auth_client_step(c, body_of(&down, 'R'),
			    &up, &m->client_err);
			buf_reset(&down);
			if (m->client == STEP_FAIL)
				break;
		}
		if (m->server == STEP_DONE) {
			reply_auth_ok(&down);
			m->client = auth_client_step(c, body_of(&down, 'R'),
			    &up, &m->client_err);
			break;
		}
		in = body_of(&up, 'p');
		m->server = auth_server_step(s, &in, &down, &m->server_err);
		buf_reset(&up);
	}
	m->used = auth_server_method(s);
	m->has_keys = auth_server_keys(s, &m->out_keys);
	m->has_password = auth_server_password(s) != NULL;
	m->has_verifier = auth_server_verifier(s) != NULL;
	if (m->has_verifier)
		m->out_verifier = *auth_server_verifier(s);
	buf_free(&up);
	buf_free(&down);
	auth_server_free(s);
	auth_client_free(c);
}

/* Every method with every kind of secret. */
static const struct {
	enum auth_method method;
	const char *secret, *theirs;
	const char *error; /* the server's; NULL: in */
	const char *sqlstate;
	enum auth_method used;
} matrix[] = {
#define PW "password authentication failed", "28P01"
#define SASL "SASL authentication failed", "28P01"
#define IN NULL, NULL
	{ AUTH_TRUST, "pencil", NULL, IN, AUTH_TRUST },
	{ AUTH_TRUST, "", NULL, IN, AUTH_TRUST },
	{ AUTH_TRUST, NULL, NULL, "\"trust\" authentication failed", "28000",
	    AUTH_TRUST },
	{ AUTH_ANY, NULL, NULL, IN, AUTH_ANY },
	{ AUTH_PLAIN, "pencil", "pencil", IN, AUTH_PLAIN },
	{ AUTH_PLAIN, PENCIL_MD5, "pencil", IN, AUTH_PLAIN },
	{ AUTH_PLAIN, PENCIL, "pencil", IN, AUTH_PLAIN },
	{ AUTH_PLAIN, "pencil", "pen", PW, AUTH_PLAIN },
	{ AUTH_PLAIN, PENCIL_MD5, "pen", PW, AUTH_PLAIN },
	{ AUTH_PLAIN, PENCIL, "pen", PW, AUTH_PLAIN },
	{ AUTH_PLAIN, "", "pencil", PW, AUTH_PLAIN },
	{ AUTH_PLAIN, NULL, "pencil", PW, AUTH_PLAIN },
	{ AUTH_MD5, "pencil", "pencil", IN, AUTH_MD5 },
	{ AUTH_MD5, PENCIL_MD5, "pencil", IN, AUTH_MD5 },
	{ AUTH_MD5, "pencil", PENCIL_MD5, IN, AUTH_MD5 },
	{ AUTH_MD5, PENCIL, "pencil", IN, AUTH_SCRAM },
	{ AUTH_MD5, "pencil", "pen", PW, AUTH_MD5 },
	{ AUTH_MD5, "", "pencil", PW, AUTH_MD5 },
	{ AUTH_MD5, NULL, "pencil", PW, AUTH_MD5 },
	{ AUTH_SCRAM, "pencil", "pencil", IN, AUTH_SCRAM },
	{ AUTH_SCRAM, PENCIL, "pencil", IN, AUTH_SCRAM },
	{ AUTH_SCRAM, "pencil", "pen", SASL, AUTH_SCRAM },
	{ AUTH_SCRAM, PENCIL, "pen", SASL, AUTH_SCRAM },
	{ AUTH_SCRAM, PENCIL_MD5, "pencil", SASL, AUTH_SCRAM },
	{ AUTH_SCRAM, "", "pencil", SASL, AUTH_SCRAM },
	{ AUTH_SCRAM, NULL, "pencil", SASL, AUTH_SCRAM },
};

START_TEST(methods_and_secrets)
{
	struct meeting m = { .user = "md5user", .method = matrix[_i].method,
		.secret = matrix[_i].secret, .theirs = matrix[_i].theirs };

	meet(&m);
	ck_assert_int_eq(m.used, matrix[_i].used);
	if (matrix[_i].error == NULL) {
		ck_assert_msg(m.server == STEP_DONE, "%s", m.server_err.msg);
		ck_assert_msg(m.client == STEP_DONE, "%s", m.client_err.msg);
	} else {
		ck_assert_int_eq(m.server, STEP_FAIL);
		ck_assert_str_eq(m.server_err.msg, matrix[_i].error);
		ck_assert_str_eq(m.server_err.sqlstate, matrix[_i].sqlstate);
	}
	ck_assert_int_eq(m.has_password,
	    m.server == STEP_DONE && m.method == AUTH_PLAIN);
	/* And none of them helps one who is doomed. */
	m.doomed = true;
	meet(&m);
	ck_assert_int_eq(m.server, STEP_FAIL);
	ck_assert(err_is_set(&m.server_err));
}
END_TEST

START_TEST(keys_pass_through_only_from_a_stored_verifier)
{
	struct meeting m = { .user = "u", .method = AUTH_SCRAM,
		.secret = PENCIL, .theirs = "pencil" };
	struct scram_keys keys;

	meet(&m);
	ck_assert(m.has_keys);
	ck_assert(!m.has_verifier);
	keys = m.out_keys;
	m.theirs = PENCIL;
	m.keys = &keys;
	meet(&m);
	ck_assert_int_eq(m.client, STEP_DONE);
	m.theirs = "pencil";
	m.keys = NULL;
	m.secret = "pencil";
	meet(&m);
	ck_assert(!m.has_keys);
	ck_assert(m.has_verifier);
	m.verifier = &m.out_verifier;
	meet(&m);
	ck_assert_int_eq(m.server, STEP_DONE);
	m.theirs = "pen";
	meet(&m);
	ck_assert_int_eq(m.server, STEP_FAIL);
	ck_assert(!m.has_keys);
}
END_TEST

static enum step
server_gets(enum auth_method method, const void *body, size_t n,
    struct err *e)
{
	struct auth_server_args a = { .method = method, .user = "u",
		.secret = "pencil", .scram_iterations = 1 };
	struct auth_server *s = auth_server_new(&a);
	uint8_t *copy = xmalloc(n);
	struct span in = SPAN(copy, n);
	struct buf out = { 0 };
	enum step step;

	if (n > 0)
		memcpy(copy, body, n);
	ck_assert_int_eq(auth_server_step(s, NULL, &out, e), STEP_MORE);
	step = auth_server_step(s, &in, &out, e);
	if (step == STEP_FAIL)
		ck_assert_int_eq(auth_server_step(s, &in, &out, e),
		    STEP_FAIL);
	free(copy);
	buf_free(&out);
	auth_server_free(s);
	return step;
}

START_TEST(malformed_answers_are_refused)
{
	static const char sasl[] = "SCRAM-SHA-256\0\0\0\0\13n,,n=,r=abc";
	struct err e = { 0 };
	size_t n;

	for (n = 0; n < 7; n++)
		ck_assert_int_eq(server_gets(AUTH_PLAIN, "pencil", n, &e),
		    STEP_FAIL);
	ck_assert_int_eq(server_gets(AUTH_PLAIN, "pencil", 7, &e),
	    STEP_DONE);
	ck_assert_int_eq(server_gets(AUTH_PLAIN, "pencil\0", 8, &e),
	    STEP_FAIL);
	ck_assert_int_eq(server_gets(AUTH_PLAIN, "", 1, &e), STEP_FAIL);
	ck_assert_int_eq(server_gets(AUTH_MD5, "", 1, &e), STEP_FAIL);
	for (n = 0; n < sizeof(sasl) - 1; n++)
		ck_assert_msg(server_gets(AUTH_SCRAM, sasl, n, &e) ==
		    STEP_FAIL, "cut at %zu", n);
	ck_assert_int_eq(server_gets(AUTH_SCRAM, sasl, n, &e), STEP_MORE);
	ck_assert_int_eq(server_gets(AUTH_SCRAM, sasl, n + 1, &e),
	    STEP_FAIL);
	/* Without a first response, and a length that cannot be. */
	ck_assert_int_eq(server_gets(AUTH_SCRAM,
	    "SCRAM-SHA-256\0\377\377\377\377", 18, &e), STEP_MORE);
	ck_assert_int_eq(server_gets(AUTH_SCRAM,
	    "SCRAM-SHA-256\0\377\377\377\376", 18, &e), STEP_FAIL);
	ck_assert_int_eq(server_gets(AUTH_SCRAM,
	    "SCRAM-SHA-256\0\177\377\377\377", 18, &e), STEP_FAIL);
}
END_TEST

START_TEST(established_texts)
{
	struct err e = { 0 };

	server_gets(AUTH_PLAIN, "", 1, &e);
	ck_assert_str_eq(e.msg, "unexpected authentication message");
	{
		struct auth_server_args a = { .method = AUTH_MD5,
			.user = "u", .secret = "x" };
		struct auth_server *s = auth_server_new(&a);
		struct span in = SPAN("", 1);
		struct buf out = { 0 };

		auth_server_step(s, NULL, &out, &e);
		ck_assert_int_eq(auth_server_step(s, &in, &out, &e),
		    STEP_FAIL);
		ck_assert_str_eq(e.msg, "empty password returned by client");
		auth_server_free(s);
		a.method = AUTH_SCRAM;
		s = auth_server_new(&a);
		in = SPAN("SCRAM-SHA-256-PLUS\0\0\0\0\0", 23);
		auth_server_step(s, NULL, &out, &e);
		ck_assert_int_eq(auth_server_step(s, &in, &out, &e),
		    STEP_FAIL);
		ck_assert_str_eq(e.msg, "client selected an invalid SASL "
		    "authentication mechanism");
		auth_server_free(s);
		buf_free(&out);
	}
}
END_TEST

static enum step
client_gets(const char *secret, const void *body, size_t n, struct buf *out,
    struct err *e)
{
	struct auth_client_args a = { .user = "u", .secret = secret };
	struct auth_client *c = auth_client_new(&a);
	uint8_t *copy = xmalloc(n);
	enum step step;

	if (n > 0)
		memcpy(copy, body, n);
	step = auth_client_step(c, SPAN(copy, n), out, e);
	free(copy);
	auth_client_free(c);
	return step;
}

START_TEST(requests_that_cannot_be_answered)
{
	static const struct {
		const char *secret;
		const char *body;
		size_t n;
		const char *sqlstate;
		const char *error;
	} cases[] = {
#define REQ(lit) lit, sizeof(lit) - 1
#define WRONG "28P01", "server login failed: wrong password type"
		{ PENCIL_MD5, REQ("\0\0\0\3"), WRONG },
		{ PENCIL, REQ("\0\0\0\3"), WRONG },
		{ NULL, REQ("\0\0\0\3"), WRONG },
		{ "", REQ("\0\0\0\3"), WRONG },
		{ PENCIL, REQ("\0\0\0\5salt"), WRONG },
		{ NULL, REQ("\0\0\0\5salt"), WRONG },
		{ PENCIL_MD5, REQ("\0\0\0\12SCRAM-SHA-256\0\0"), WRONG },
		{ PENCIL, REQ("\0\0\0\12SCRAM-SHA-256\0\0"), WRONG },
		{ NULL, REQ("\0\0\0\12SCRAM-SHA-256\0\0"), WRONG },
		{ "x", REQ("\0\0\0\12SCRAM-SHA-256-PLUS\0\0"), "28000",
		    "server login failed: none of the server's SASL "
		    "authentication mechanisms are supported" },
		{ "x", REQ("\0\0\0\12\0"), "28000", NULL },
		{ "x", REQ("\0\0\0\12SCRAM-SHA-256\0"), "08P01", NULL },
		{ "x", REQ("\0\0\0\12SCRAM-SHA-256"), "08P01", NULL },
		{ "x", REQ("\0\0\0\12SCRAM-SHA-256\0\0x"), "08P01", NULL },
		{ "x", REQ("\0\0\0\5sal"), "08P01", NULL },
		{ "x", REQ("\0\0\0\5salty"), "08P01", NULL },
		{ "x", REQ("\0\0\0\3x"), "08P01", NULL },
		{ "x", REQ("\0\0\0\0x"), "08P01", NULL },
		{ "x", REQ("\0\0\0\13r="), "08P01", NULL },
		{ "x", REQ("\0\0\0\14v="), "08P01", NULL },
		{ "x", REQ("\0\0\0\7"), "08P01", NULL },
		{ "x", REQ("\0\0\0"), "08P01", NULL },
		{ "x", REQ(""), "08P01", NULL },
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf out = { 0 };
		struct err e = { 0 };

		ck_assert_msg(client_gets(cases[i].secret, cases[i].body,
		    cases[i].n, &out, &e) == STEP_FAIL, "case %zu", i);
		ck_assert_str_eq(e.sqlstate, cases[i].sqlstate);
		if (cases[i].error != NULL)
			ck_assert_str_eq(e.msg, cases[i].error);
		ck_assert_uint_eq(buf_len(&out), 0);
		buf_free(&out);
	}
}
END_TEST

START_TEST(nothing_asked_is_fine)
{
	struct buf out = { 0 };
	struct err e = { 0 };

	ck_assert_int_eq(client_gets(NULL, "\0\0\0\0", 4, &out, &e),
	    STEP_DONE);
	buf_free(&out);
}
END_TEST

START_TEST(scram_cannot_be_left_half_way)
{
	static const char *const next[] = { "\0\0\0\0", "\0\0\0\3",
		"\0\0\0\5", "\0\0\0\14" };
	struct auth_client_args a = { .user = "u", .secret = "pencil" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(next); i++) {
		struct auth_client *c = auth_client_new(&a);
		struct buf out = { 0 };
		struct err e = { 0 };

		ck_assert_int_eq(auth_client_step(c,
		    SPAN("\0\0\0\12SCRAM-SHA-256\0", 19), &out, &e),
		    STEP_MORE);
		buf_reset(&out);
		ck_assert_int_eq(auth_client_step(c, SPAN(next[i], 4), &out,
		    &e), STEP_FAIL);
		ck_assert_uint_eq(buf_len(&out), 0);
		if (i == 0)
			ck_assert_str_eq(e.msg, "server login failed: failed "
			    "to verify server signature");
		ck_assert_int_eq(auth_client_step(c, SPAN("\0\0\0", 4), &out,
		    &e), STEP_FAIL);
		buf_free(&out);
		auth_client_free(c);
	}
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("auth");
	TCase *t = tcase_create("auth");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, secrets_are_told_apart);
	tcase_add_loop_test(t, methods_and_secrets, 0,
	    (int)ARRAY_LEN(matrix));
	tcase_add_test(t, keys_pass_through_only_from_a_stored_verifier);
	tcase_add_test(t, malformed_answers_are_refused);
	tcase_add_test(t, established_texts);
	tcase_add_test(t, requests_that_cannot_be_answered);
	tcase_add_test(t, nothing_asked_is_fine);
	tcase_add_test(t, scram_cannot_be_left_half_way);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(suite())
