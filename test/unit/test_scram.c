/* Tests of proto/scram, proto/base64 and proto/digest. */
#include <stdio.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/digest.h"
#include "proto/scram.h"
#include "unit.h"

/* What PostgreSQL 15 made of the password "pencil". */
#define PENCIL \
	"SCRAM-SHA-256$4096:DZia3mDXkFDgvFbeLBLWJQ==" \
	"$wtGZLwI7AQTRMsIWXUuZNnPjvoKueS+1OSDsMnCrITI=" \
	":fvp0S+qXEBJQa3jLst2Gc1ZYlDa8z+ftEOQEOCnOi0s="
/* ... and of "I\u00ADX \u00AA\u2168", which SASLprep makes "IX aIX". */
#define NOT_ASCII \
	"SCRAM-SHA-256$4096:HJVBtpuj0a+YR8IMj6Q8hw==" \
	"$2JOEjH9fGIhNInXWcEMzvO19Ax+v6pWAKYjjZTFhWJc=" \
	":G18U7R4V2uoG2btgom84dZK8eyrXQb2pGQZdmirCbUA="

static struct scram_verifier
verifier_of(const char *secret)
{
	struct scram_verifier v;

	ck_assert(scram_verifier_parse(secret, &v));
	return v;
}

START_TEST(base64_round_trip_and_strictness)
{
	static const char *const bad[] = { "A", "AB", "ABC", "A===", "====",
		"AB=C", "AB==AB==", "AA\n=", "AB!=", "QR==", "QUJ=",
		"QUI=QUI=" };
	uint8_t bytes[100];
	size_t n;

	for (n = 0; n < sizeof(bytes); n++) {
		struct buf text = { 0 }, back = { 0 };

		random_bytes(bytes, n);
		base64_encode(&text, bytes, n);
		ck_assert_uint_eq(buf_len(&text), (n + 2) / 3 * 4);
		ck_assert(base64_decode(&back, buf_span(&text)));
		ck_assert(span_eq(buf_span(&back), SPAN(bytes, n)));
		buf_free(&text);
		buf_free(&back);
	}
	for (n = 0; n < ARRAY_LEN(bad); n++) {
		struct buf out = { 0 };

		buf_append(&out, "x", 1);
		ck_assert_msg(!base64_decode(&out, span_of(bad[n])), "%s",
		    bad[n]);
		ck_assert(span_is(buf_span(&out), "x"));
		buf_free(&out);
	}
}
END_TEST

START_TEST(hmac_of_rfc_4231)
{
	/* Test cases 1, 2 and 6 (a key longer than a block). */
	static const uint8_t want[3][4] = { { 0xb0, 0x34, 0x4c, 0x61 },
		{ 0x5b, 0xdc, 0xc1, 0x46 }, { 0x60, 0xe4, 0x31, 0x59 } };
	uint8_t key[131], out[SHA256_LEN];

	memset(key, 0x0b, 20);
	ck_assert(digest_hmac_sha256(SPAN(key, 20), SPAN_LIT("Hi There"),
	    out));
	ck_assert_mem_eq(out, want[0], 4);
	ck_assert(digest_hmac_sha256(SPAN_LIT("Jefe"),
	    SPAN_LIT("what do ya want for nothing?"), out));
	ck_assert_mem_eq(out, want[1], 4);
	memset(key, 0xaa, sizeof(key));
	ck_assert(digest_hmac_sha256(SPAN(key, sizeof(key)), SPAN_LIT("Test "
	    "Using Larger Than Block-Size Key - Hash Key First"), out));
	ck_assert_mem_eq(out, want[2], 4);
}
END_TEST

START_TEST(verifiers_of_postgresql_fit)
{
	struct scram_verifier v = verifier_of(PENCIL);

	ck_assert_uint_eq(v.iterations, 4096);
	ck_assert_uint_eq(v.salt_n, 16);
	ck_assert(scram_verifier_check(&v, "pencil"));
	ck_assert(!scram_verifier_check(&v, "pencils"));
	ck_assert(!scram_verifier_check(&v, ""));
#ifdef HAVE_LIBIDN
	v = verifier_of(NOT_ASCII);
	ck_assert(scram_verifier_check(&v, "I\xc2\xadX \xc2\xaa\xe2\x85\xa8"));
	ck_assert(scram_verifier_check(&v, "IX aIX"));
#endif
}
END_TEST

START_TEST(what_is_no_utf8_is_taken_raw)
{
	struct scram_verifier v;

	scram_verifier_make("\xff\xfe", 1, &v);
	ck_assert(scram_verifier_check(&v, "\xff\xfe"));
	ck_assert(!scram_verifier_check(&v, "\xff"));
}
END_TEST

START_TEST(broken_verifiers_are_refused)
{
	static const char *const bad[] = {
		"", "pencil", "SCRAM-SHA-256", "SCRAM-SHA-256$",
		"SCRAM-SHA-256$4096:DZia3mDXkFDgvFbeLBLWJQ==",
		"SCRAM-SHA-1$4096:DZia3mDXkFDgvFbeLBLWJQ==$a:b",
		"SCRAM-SHA-256$0:DZia3mDXkFDgvFbeLBLWJQ=="
		    "$wtGZLwI7AQTRMsIWXUuZNnPjvoKueS+1OSDsMnCrITI="
		    ":fvp0S+qXEBJQa3jLst2Gc1ZYlDa8z+ftEOQEOCnOi0s=",
		"SCRAM-SHA-256$2147483648:DZia3mDXkFDgvFbeLBLWJQ=="
		    "$wtGZLwI7AQTRMsIWXUuZNnPjvoKueS+1OSDsMnCrITI="
		    ":fvp0S+qXEBJQa3jLst2Gc1ZYlDa8z+ftEOQEOCnOi0s=",
		"SCRAM-SHA-256$4096:$wtGZLwI7AQTRMsIWXUuZNnPjvoKueS+1OSDsMnC"
		    "rITI=:fvp0S+qXEBJQa3jLst2Gc1ZYlDa8z+ftEOQEOCnOi0s=",
		PENCIL "x", PENCIL "=",
	};
	struct scram_verifier v;
	char cut[256];
	size_t i;

	for (i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!scram_verifier_parse(bad[i], &v), "%s",
		    bad[i]);
	for (i = 0; i < sizeof(PENCIL) - 1; i++) {
		copy_str(cut, i + 1, PENCIL);
		ck_assert_msg(!scram_verifier_parse(cut, &v), "%s", cut);
	}
	ck_assert(!scram_verifier_parse(NULL, &v));
}
END_TEST

/* Both sides against each other. */
static enum step
exchange(const struct scram_verifier *v, bool doomed, const char *password,
    const struct scram_keys *with, struct scram_keys *keys)
{
	struct scram_server *s = scram_server_new(v, doomed);
	struct scram_client *c = scram_client_new(password, with);
	struct buf up = { 0 }, down = { 0 };
	struct err e = { 0 };
	enum step step;

	scram_client_first(c, &up);
	step = scram_server_step(s, buf_span(&up), &down, keys, &e);
	ck_assert_int_eq(step, STEP_MORE);
	buf_reset(&up);
	step = scram_client_step(c, buf_span(&down), &up, &e);
	ck_assert_int_eq(step, STEP_MORE);
	buf_reset(&down);
	step = scram_server_step(s, buf_span(&up), &down, keys, &e);
	if (step == STEP_DONE)
		ck_assert_int_eq(scram_client_step(c, buf_span(&down), &up,
		    &e), STEP_DONE);
	else {
		ck_assert_str_eq(e.sqlstate, "28P01");
		ck_assert_uint_eq(buf_len(&down), 0);
	}
	buf_free(&up);
	buf_free(&down);
	scram_server_free(s);
	scram_client_free(c);
	return step;
}

START_TEST(both_sides_agree)
{
	struct scram_verifier v = verifier_of(PENCIL), made;
	struct scram_keys keys;
	uint8_t seed[32] = { 1 };

	ck_assert_int_eq(exchange(&v, false, "pencil", NULL, &keys),
	    STEP_DONE);
	/* The keys stand for the password where the verifier is the same. */
	ck_assert_int_eq(exchange(&v, false, NULL, &keys, NULL), STEP_DONE);
	ck_assert_int_eq(exchange(&v, false, "pen", NULL, NULL), STEP_FAIL);
	ck_assert_int_eq(exchange(&v, false, "", NULL, NULL), STEP_FAIL);
	ck_assert_int_eq(exchange(&v, true, "pencil", NULL, NULL), STEP_FAIL);
	scram_verifier_make("pencil", 10, &made);
	ck_assert_int_eq(exchange(&made, false, "pencil", NULL, NULL),
	    STEP_DONE);
	ck_assert_int_eq(exchange(&made, false, NULL, &keys, NULL),
	    STEP_FAIL);
	scram_verifier_mock("joe", seed, 10, &made);
	ck_assert_int_eq(exchange(&made, false, "joe", NULL, NULL),
	    STEP_FAIL);
}
END_TEST

/* Channel binding: what each side sees, what was chosen, and what comes of it
 * at the server. */
static const struct {
	const char *ours, *theirs; /* the server's and the client's hash */
	bool chosen, told; /* by the server's and the client's word */
	const char *sqlstate, *msg; /* NULL: proven */
} bindings[] = {
	{ "hash", "hash", true, true, NULL, NULL },
	{ "", "hash", false, false, NULL, NULL }, /* y, and not offered */
	{ "hash", "", false, false, NULL, NULL }, /* n: it cannot */
	{ "", "", false, false, NULL, NULL },
	{ "hash", "other", true, true, "28000",
	    "SCRAM channel binding check failed" },
	{ "hash", "has", true, true, "28000",
	    "SCRAM channel binding check failed" },
	/* The offer was taken away on the way. */
	{ "hash", "hash", false, false, "28000",
	    "SCRAM channel binding negotiation error" },
	/* The mechanism says one thing, the message another. */
	{ "hash", "hash", true, false, "08P01", "SASL authentication failed" },
	{ "hash", "", true, false, "08P01", "SASL authentication failed" },
	{ "hash", "hash", false, true, "08P01", "SASL authentication failed" },
	{ "", "hash", false, true, "08P01", "SASL authentication failed" },
};

START_TEST(both_sides_bind_to_the_same_channel)
{
	struct scram_verifier v = verifier_of(PENCIL);
	struct scram_server *s = scram_server_new(&v, false);
	struct scram_client *c = scram_client_new("pencil", NULL);
	struct buf up = { 0 }, down = { 0 };
	struct err e = { 0 };
	enum step step;

	scram_server_bind(s, span_of(bindings[_i].ours), bindings[_i].chosen);
	scram_client_bind(c, span_of(bindings[_i].theirs), bindings[_i].told);
	scram_client_first(c, &up);
	step = scram_server_step(s, buf_span(&up), &down, NULL, &e);
	if (step == STEP_MORE) {
		buf_reset(&up);
		ck_assert_int_eq(scram_client_step(c, buf_span(&down), &up,
		    &e), STEP_MORE);
		buf_reset(&down);
		step = scram_server_step(s, buf_span(&up), &down, NULL, &e);
	}
	if (bindings[_i].sqlstate == NULL) {
		ck_assert_msg(step == STEP_DONE, "%s: %s", e.msg, e.detail);
		ck_assert_int_eq(scram_client_step(c, buf_span(&down), &up,
		    &e), STEP_DONE);
	} else {
		ck_assert_int_eq(step, STEP_FAIL);
		ck_assert_str_eq(e.sqlstate, bindings[_i].sqlstate);
		ck_assert_str_eq(e.msg, bindings[_i].msg);
	}
	buf_free(&up);
	buf_free(&down);
	scram_server_free(s);
	scram_client_free(c);
}
END_TEST

/* By a client that has chosen channel binding. */
static const struct {
	const char *text;
	bool good;
	const char *msg;
} bound_firsts[] = {
	{ "p=tls-server-end-point,,n=,r=abc", true, NULL },
	{ "p=tls-unique,,n=,r=abc", false,
	    "unsupported SCRAM channel-binding type" },
	{ "p=,,n=,r=abc", false, "unsupported SCRAM channel-binding type" },
	{ "p=tls-server-end-point", false, "SASL authentication failed" },
	{ "p=tls-server-end-point,", false, "SASL authentication failed" },
	{ "p=tls-server-end-point,a=x,n=,r=abc", false,
	    "SASL authentication failed" },
	{ "p,,n=,r=abc", false, "SASL authentication failed" },
	{ "n,,n=,r=abc", false, "SASL authentication failed" },
	{ "y,,n=,r=abc", false, "SASL authentication failed" },
};

START_TEST(server_judges_a_bound_first_message)
{
	struct scram_verifier v = verifier_of(PENCIL);
	struct scram_server *s = scram_server_new(&v, false);
	struct buf out = { 0 };
	struct err e = { 0 };

	scram_server_bind(s, SPAN_LIT("hash"), true);
	ck_assert_int_eq(scram_server_step(s, span_of(bound_firsts[_i].text),
	    &out, NULL, &e), bound_firsts[_i].good ? STEP_MORE : STEP_FAIL);
	if (!bound_firsts[_i].good)
		ck_assert_str_eq(e.msg, bound_firsts[_i].msg);
	buf_free(&out);
	scram_server_free(s);
}
END_TEST

START_TEST(mock_is_the_same_each_time)
{
	struct scram_verifier a, b, c;
	uint8_t seed[32] = { 1 }, other[32] = { 2 };

	scram_verifier_mock("joe", seed, 4096, &a);
	scram_verifier_mock("joe", seed, 4096, &b);
	ck_assert_mem_eq(a.salt, b.salt, a.salt_n);
	ck_assert_uint_eq(a.salt_n, 16);
	ck_assert_uint_eq(a.iterations, 4096);
	scram_verifier_mock("jim", seed, 4096, &c);
	ck_assert_mem_ne(a.salt, c.salt, a.salt_n);
	scram_verifier_mock("joe", other, 4096, &c);
	ck_assert_mem_ne(a.salt, c.salt, a.salt_n);
}
END_TEST

static const struct {
	const char *text;
	size_t n;
	bool good;
} firsts[] = {
#define FIRST(lit, good) { lit, sizeof(lit) - 1, good }
	FIRST("n,,n=,r=abc", true),
	FIRST("y,,n=joe,r=abc", true),
	FIRST("n,,n=joe,r=abc,x=y", true),
	FIRST("", false),
	FIRST("n", false),
	FIRST("n,,", false),
	FIRST("x,,n=,r=abc", false),
	FIRST("p=tls-server-end-point,,n=,r=abc", false),
	FIRST("n,a=joe,n=,r=abc", false),
	FIRST("n,,m=1,n=,r=abc", false),
	FIRST("n,,r=abc,n=", false),
	FIRST("n,,n=", false),
	FIRST("n,,n=,r=", false),
	FIRST("n,,n=,r=a b", false),
	FIRST("n,,n=,r=abc,", false),
	FIRST("n,,n=,r=abc,x", false),
	FIRST("n,,n=,r=ab\0c", false),
	FIRST("n,,n=,r=abc\0", false),
	FIRST("n,,n=,r=\xc3\xa4", false),
};

START_TEST(server_judges_the_first_message)
{
	struct scram_verifier v = verifier_of(PENCIL);
	struct scram_server *s = scram_server_new(&v, false);
	struct buf out = { 0 };
	struct err e = { 0 };

	if (firsts[_i].good)
		ck_assert_int_eq(scram_server_step(s, SPAN(firsts[_i].text,
		    firsts[_i].n), &out, NULL, &e), STEP_MORE);
	else {
		ck_assert_int_eq(scram_server_step(s, SPAN(firsts[_i].text,
		    firsts[_i].n), &out, NULL, &e), STEP_FAIL);
		ck_assert_str_eq(e.sqlstate, "08P01");
		/* And there is no second try. */
		ck_assert_int_eq(scram_server_step(s, span_of("n,,n=,r=abc"),
		    &out, NULL, &e), STEP_FAIL);
	}
	buf_free(&out);
	scram_server_free(s);
}
END_TEST

/* The formats come from a table. */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"

/* A right client-final, in which the test changes something. %s: nonce and
 * proof. */
static enum step
final_with(uint8_t flag, const char *format, struct err *e)
{
	struct scram_verifier v = verifier_of(PENCIL);
	struct scram_server *s = scram_server_new(&v, false);
	struct buf down = { 0 }, said = { 0 }, proof64 = { 0 };
	uint8_t salted[32], key[32], stored[32], proof[32];
	char first[32], final[300], *end;
	enum step step;
	int i;

	snprintf(first, sizeof(first), "%c,,n=,r=abc", flag);
	scram_server_step(s, span_of(first), &down, NULL, e);
	buf_append(&down, "", 1);
	end = strchr((char *)down.data, ',');
	*end = '\0';
	snprintf(final, sizeof(final), format, (char *)down.data + 2, "");
	*end = ',';
	end = strstr(final, ",p=");
	buf_printf(&said, "%s,%s,%.*s", first + 3, (char *)down.data,
	    (int)(end != NULL ? end - final : 0), final);
	digest_pbkdf2(span_of("pencil"), SPAN(v.salt, 16), 4096, salted);
	digest_hmac_sha256(SPAN(salted, 32), span_of("Client Key"), key);
	digest_sha256(SPAN(key, 32), stored);
	digest_hmac_sha256(SPAN(stored, 32), buf_span(&said), proof);
	for (i = 0; i < 32; i++)
		proof[i] ^= key[i];
	base64_encode(&proof64, proof, 32);
	buf_append(&proof64, "", 1);
	*strchr((char *)down.data, ',') = '\0';
	snprintf(final, sizeof(final), format, (char *)down.data + 2,
	    (char *)proof64.data);
	buf_reset(&said);
	step = scram_server_step(s, span_of(final), &said, NULL, e);
	buf_free(&down);
	buf_free(&said);
	buf_free(&proof64);
	scram_server_free(s);
	return step;
}

static const struct {
	uint8_t flag;
	const char *format;
	const char *sqlstate; /* NULL: good */
} finals[] = {
	{ 'n', "c=biws,r=%s,p=%s", NULL },
	{ 'y', "c=eSws,r=%s,p=%s", NULL },
	{ 'n', "c=biws,r=%s,x=y,p=%s", NULL },
	{ 'y', "c=biws,r=%s,p=%s", "08P01" },
	{ 'n', "c=eSws,r=%s,p=%s", "08P01" },
	{ 'n', "c=,r=%s,p=%s", "08P01" },
	{ 'n', "r=%s,p=%s", "08P01" },
	{ 'n', "c=biws,r=%sx,p=%s", "08P01" },
	{ 'n', "c=biws,r=x%s,p=%s", "08P01" },
	{ 'n', "c=biws,r=%s,p=%s,x=y", "08P01" },
	{ 'n', "c=biws,r=%s,p=%s=", "08P01" },
	{ 'n', "c=biws,r=%s,p=A%s", "08P01" },
	{ 'n', "c=biws,r=%s,q=%s", "08P01" },
	{ 'n', "c=biws,r=%s,,p=%s", "08P01" },
};

START_TEST(server_judges_the_final_message)
{
	struct err e = { 0 };
	enum step step = final_with(finals[_i].flag, finals[_i].format, &e);

	if (finals[_i].sqlstate == NULL)
		ck_assert_msg(step == STEP_DONE, "%s %s", e.msg, e.detail);
	else {
		ck_assert_int_eq(step, STEP_FAIL);
		ck_assert_str_eq(e.sqlstate, finals[_i].sqlstate);
		ck_assert_str_eq(e.msg, "SASL authentication failed");
	}
}
END_TEST

/* What a server may say first: nonce is the client's, then the rest. */
static const struct {
	const char *before, *after;
	bool good;
} server_firsts[] = {
	{ "r=", "x,s=c2FsdA==,i=1", true },
	{ "r=", "x,s=c2FsdA==,i=1,x=y", true },
	{ "r=", ",s=c2FsdA==,i=1", false },
	{ "r=x", "x,s=c2FsdA==,i=1", false },
	{ "m=1,r=", "x,s=c2FsdA==,i=1", false },
	{ "r=", "x,s=,i=1", false },
	{ "r=", "x,s=c2FsdA=,i=1", false },
	{ "r=", "x,i=1,s=c2FsdA==", false },
	{ "r=", "x,s=c2FsdA==", false },
	{ "r=", "x,s=c2FsdA==,i=", false },
	{ "r=", "x,s=c2FsdA==,i=0", false },
	{ "r=", "x,s=c2FsdA==,i=-1", false },
	{ "r=", "x,s=c2FsdA==,i=01", false },
	{ "r=", "x,s=c2FsdA==,i=1x", false },
	{ "r=", "x,s=c2FsdA==,i=1000001", false },
	{ "r=", "x,s=c2FsdA==,i=4294967297", false },
	{ "r=", "x,s=c2FsdA==,i=99999999999999999999", false },
	{ "e=other-error,r=", "", false },
};

static enum step
client_with(const char *before, const char *after, struct err *e)
{
	struct scram_client *c = scram_client_new("pencil", NULL);
	struct buf first = { 0 }, in = { 0 }, out = { 0 };
	enum step step;

	scram_client_first(c, &first);
	buf_printf(&in, "%s%.*s%s", before, (int)(buf_len(&first) - 8),
	    (const char *)buf_head(&first) + 8, after);
	step = scram_client_step(c, buf_span(&in), &out, e);
	if (step == STEP_FAIL)
		ck_assert_uint_eq(buf_len(&out), 0);
	buf_free(&first);
	buf_free(&in);
	buf_free(&out);
	scram_client_free(c);
	return step;
}

START_TEST(client_judges_the_servers_first)
{
	struct err e = { 0 };
	enum step step = client_with(server_firsts[_i].before,
	    server_firsts[_i].after, &e);

	ck_assert_int_eq(step,
	    server_firsts[_i].good ? STEP_MORE : STEP_FAIL);
}
END_TEST

START_TEST(client_bears_long_salts_and_nonces)
{
	struct buf after = { 0 };
	struct err e;
	size_t i;

	for (i = 0; i < 100000; i++)
		buf_append(&after, "x", 1);
	buf_append(&after, ",s=", 3);
	for (i = 0; i < 100000; i++)
		buf_append(&after, "QUJD", 4);
	buf_append(&after, ",i=2", 5);
	ck_assert_int_eq(client_with("r=", (const char *)buf_head(&after),
	    &e), STEP_MORE);
	buf_free(&after);
}
END_TEST

START_TEST(client_wants_the_servers_proof)
{
	static const char *const finals_of_server[] = { "", "v=", "v=AAAA",
		"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"e=invalid-proof", "x=y" };
	struct buf first = { 0 }, in = { 0 }, out = { 0 };
	struct scram_client *c;
	struct err e = { 0 };

	c = scram_client_new("pencil", NULL);
	scram_client_first(c, &first);
	buf_printf(&in, "r=%.*sx,s=c2FsdA==,i=1", (int)(buf_len(&first) - 8),
	    (const char *)buf_head(&first) + 8);
	ck_assert_int_eq(scram_client_step(c, buf_span(&in), &out, &e),
	    STEP_MORE);
	ck_assert_int_eq(scram_client_step(c,
	    span_of(finals_of_server[_i]), &out, &e), STEP_FAIL);
	ck_assert(err_is_set(&e));
	buf_free(&first);
	buf_free(&in);
	buf_free(&out);
	scram_client_free(c);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("scram");
	TCase *t = tcase_create("scram");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, base64_round_trip_and_strictness);
	tcase_add_test(t, hmac_of_rfc_4231);
	tcase_add_test(t, verifiers_of_postgresql_fit);
	tcase_add_test(t, what_is_no_utf8_is_taken_raw);
	tcase_add_test(t, broken_verifiers_are_refused);
	tcase_add_test(t, both_sides_agree);
	tcase_add_loop_test(t, both_sides_bind_to_the_same_channel, 0,
	    (int)ARRAY_LEN(bindings));
	tcase_add_loop_test(t, server_judges_a_bound_first_message, 0,
	    (int)ARRAY_LEN(bound_firsts));
	tcase_add_test(t, mock_is_the_same_each_time);
	tcase_add_loop_test(t, server_judges_the_first_message, 0,
	    (int)ARRAY_LEN(firsts));
	tcase_add_loop_test(t, server_judges_the_final_message, 0,
	    (int)ARRAY_LEN(finals));
	tcase_add_loop_test(t, client_judges_the_servers_first, 0,
	    (int)ARRAY_LEN(server_firsts));
	tcase_add_test(t, client_bears_long_salts_and_nonces);
	tcase_add_loop_test(t, client_wants_the_servers_proof, 0, 6);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(suite())
