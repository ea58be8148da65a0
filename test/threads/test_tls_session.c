/*
 * io/tls between two ends in one process: what SCRAM binds to, for every kind
 * of certificate, on both sides, and when a session is resumed; and what ends a
 * ticket.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "../unit/unit_suite.h"
#include "io/tls.h"

static char dir[] = "/tmp/pooler-tls.XXXXXX";

/* ---- certificates ---- */

/* hash: of the signature; NULL: it has none of its own. want: what the end
 * point is made with; NULL: there is none. */
static const struct {
	const char *name, *key, *hash;
	bool pss;
	const char *want;
} kinds[] = {
	{ "RSA, SHA-256", "RSA", "SHA256", false, "SHA256" },
	{ "RSA, SHA-384", "RSA", "SHA384", false, "SHA384" },
	{ "RSA, SHA-512", "RSA", "SHA512", false, "SHA512" },
	{ "RSA-PSS, SHA-256", "RSA", "SHA256", true, "SHA256" },
	{ "RSA-PSS, SHA-384", "RSA", "SHA384", true, "SHA384" },
	{ "ECDSA, SHA-256", "P-256", "SHA256", false, "SHA256" },
	{ "ECDSA, SHA-512", "P-256", "SHA512", false, "SHA512" },
	/* RFC 5929: nothing weaker than SHA-256. */
	{ "RSA, SHA-1", "RSA", "SHA1", false, "SHA256" },
	{ "RSA, MD5", "RSA", "MD5", false, "SHA256" },
	{ "Ed25519", "ED25519", NULL, false, NULL },
};

static EVP_PKEY *
new_key(const char *kind)
{
	if (strcmp(kind, "RSA") == 0)
		return EVP_RSA_gen(2048);
	if (strcmp(kind, "ED25519") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return EVP_EC_gen(kind);
}

static void
sign(X509 *cert, EVP_PKEY *key, const char *hash, bool pss)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *how;

	ck_assert_int_eq(EVP_DigestSignInit_ex(ctx, &how, hash, NULL, NULL,
	    key, NULL), 1);
	if (pss)
		ck_assert_int_eq(EVP_PKEY_CTX_set_rsa_padding(how,
		    RSA_PKCS1_PSS_PADDING), 1);
	ck_assert_int_gt(X509_sign_ctx(cert, ctx), 0);
	EVP_MD_CTX_free(ctx);
}

/* NAME.crt and NAME.key, good for so many seconds; the certificate is the
 * caller's. */
static X509 *
make_cert_for(long seconds, const char *name, const char *kind,
    const char *hash, bool pss)
{
	EVP_PKEY *key = new_key(kind);
	X509 *cert = X509_new();
	char path[100];
	FILE *f;

	ck_assert_ptr_nonnull(key);
	X509_set_version(cert, 2);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), seconds);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN",
	    MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	sign(cert, key, hash, pss);
	snprintf(path, sizeof(path), "%s/%s.crt", dir, name);
	f = fopen(path, "w");
	PEM_write_X509(f, cert);
	fclose(f);
	snprintf(path, sizeof(path), "%s/%s.key", dir, name);
	f = fopen(path, "w");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	EVP_PKEY_free(key);
	return cert;
}

static X509 *
make_cert(const char *name, const char *kind, const char *hash, bool pss)
{
	return make_cert_for(86400, name, kind, hash, pss);
}

/* ---- the two ends ---- */

/* Of the certificate called name; ca: whose clients it wants, or NULL. */
static struct tls_ctx *
server_ctx_for(const char *name, const char *ca, struct tls_ctx *old)
{
	char cert[100], key[100], authority[100];
	struct tls_settings set = { .server = true, .prefix = "client_tls_",
		.cert_file = cert, .key_file = key,
		/* Else OpenSSL has nothing to do with SHA-1 and MD5. */
		.ciphers = "DEFAULT:@SECLEVEL=0" };
	struct tls_ctx *c;
	struct err e = { 0 };

	snprintf(cert, sizeof(cert), "%s/%s.crt", dir, name);
	snprintf(key, sizeof(key), "%s/%s.key", dir, name);
	if (ca != NULL) {
		snprintf(authority, sizeof(authority), "%s/%s.crt", dir, ca);
		set.ca_file = authority;
		set.check = TLS_CHECK_CHAIN;
	}
	c = tls_ctx_new(&set, old, &e);
	ck_assert_msg(c != NULL, "%s: %s", name, e.msg);
	return c;
}

static struct tls_ctx *
server_ctx(const char *name, struct tls_ctx *old)
{
	return server_ctx_for(name, NULL, old);
}

static struct tls_ctx *
client_ctx(void)
{
	struct tls_settings set = { .prefix = "server_tls_",
		.ciphers = "DEFAULT:@SECLEVEL=0" };
	struct err e = { 0 };
	struct tls_ctx *c = tls_ctx_new(&set, NULL, &e);

	ck_assert_msg(c != NULL, "%s", e.msg);
	return c;
}

START_TEST (both_ends_bind_to_the_certificate_as_rfc_5929_says) {
	X509 *cert = make_cert("one", kinds[_i].key, kinds[_i].hash,
	    kinds[_i].pss);
	struct tls_ctx *sc = server_ctx("one", NULL), *cc = client_ctx();
	struct tls_peer peer = { .host = "localhost" };
	struct tls *s = tls_new(sc, &peer), *c = tls_new(cc, &peer);
	struct buf up = { 0 }, down = { 0 };
	uint8_t ours[TLS_END_POINT_MAX], theirs[TLS_END_POINT_MAX];
	uint8_t want[EVP_MAX_MD_SIZE];
	unsigned want_n = 0;

	ck_assert_uint_eq(tls_end_point(s, ours), 0);
	ck_assert_uint_eq(tls_end_point(c, theirs), 0);
	for (int i = 0; i < 10 && !(tls_is_up(s) && tls_is_up(c)); i++) {
		struct span in = buf_span(&down);

		ck_assert_msg(tls_handshake(c, &in, &up) != TLS_FAILED, "%s",
		    tls_why(c));
		buf_reset(&down);
		in = buf_span(&up);
		ck_assert_msg(tls_handshake(s, &in, &down) != TLS_FAILED, "%s",
		    tls_why(s));
		buf_reset(&up);
	}
	ck_assert(tls_is_up(s) && tls_is_up(c));
	if (kinds[_i].want != NULL)
		X509_digest(cert, EVP_get_digestbyname(kinds[_i].want), want,
		    &want_n);
	printf("%-17s %s, %u bytes\n", kinds[_i].name, kinds[_i].want ?
	    kinds[_i].want : "nothing to bind to", want_n);
	ck_assert_uint_eq(tls_end_point(s, ours), want_n);
	ck_assert_uint_eq(tls_end_point(c, theirs), want_n);
	ck_assert_mem_eq(ours, want, want_n);
	ck_assert_mem_eq(theirs, want, want_n);
	tls_free(s);
	tls_free(c);
	tls_ctx_unref(sc);
	tls_ctx_unref(cc);
	buf_free(&up);
	buf_free(&down);
	X509_free(cert);
}
END_TEST

/* ---- resumption, with a client of OpenSSL's own ---- */

struct end {
	SSL *ssl;
	BIO *in, *out;
};

static void
move(BIO *b, struct buf *to)
{
	char *p;
	long n = BIO_get_mem_data(b, &p);

	if (n > 0)
		buf_append(to, p, (size_t)n);
	(void)BIO_reset(b);
}

static char why[300]; /* it failed */

/* Shakes hands with a context of ours; what our side binds to. */
static size_t
try(struct tls_ctx *ctx, SSL_CTX *theirs, SSL_SESSION **session, bool *resumed,
    uint8_t out[TLS_END_POINT_MAX])
{
	struct tls_peer peer = { .host = NULL };
	struct tls *s = tls_new(ctx, &peer);
	struct end c = { SSL_new(theirs), BIO_new(BIO_s_mem()),
		BIO_new(BIO_s_mem()) };
	struct buf up = { 0 }, down = { 0 };
	char byte;
	size_t n;

	why[0] = '\0';
	SSL_set_bio(c.ssl, c.in, c.out);
	SSL_set_connect_state(c.ssl);
	if (*session != NULL)
		SSL_set_session(c.ssl, *session);
	for (int i = 0; i < 10 && why[0] == '\0'; i++) {
		struct span in;

		/* Reads the ticket too. */
		(void)SSL_read(c.ssl, &byte, 1);
		move(c.out, &up);
		in = buf_span(&up);
		if (tls_handshake(s, &in, &down) == TLS_FAILED)
			snprintf(why, sizeof(why), "%s", tls_why(s));
		buf_reset(&up);
		if (buf_len(&down) > 0)
			BIO_write(c.in, buf_head(&down), (int)buf_len(&down));
		buf_reset(&down);
	}
	*resumed = tls_was_resumed(s);
	n = tls_end_point(s, out);
	SSL_SESSION_free(*session);
	*session = SSL_get1_session(c.ssl);
	SSL_shutdown(c.ssl);
	SSL_free(c.ssl);
	tls_free(s);
	buf_free(&up);
	buf_free(&down);
	return n;
}

static size_t
meet(struct tls_ctx *ctx, SSL_CTX *theirs, SSL_SESSION **session, bool *resumed,
    uint8_t out[TLS_END_POINT_MAX])
{
	size_t n = try(ctx, theirs, session, resumed, out);

	ck_assert_msg(why[0] == '\0', "%s", why);
	return n;
}

START_TEST (a_resumed_session_binds_to_the_certificate_it_began_with) {
	X509 *one = make_cert("one", "P-256", "SHA256", false);
	X509 *two = make_cert("two", "P-256", "SHA384", false);
	struct tls_ctx *a = server_ctx("one", NULL);
	struct tls_ctx *b = server_ctx("two", a);
	SSL_CTX *theirs = SSL_CTX_new(TLS_client_method());
	SSL_SESSION *session = NULL;
	uint8_t got[TLS_END_POINT_MAX], want[2][EVP_MAX_MD_SIZE];
	unsigned n[2];
	bool resumed;

	SSL_CTX_set_max_proto_version(theirs, _i == 0 ? TLS1_2_VERSION :
	    TLS1_3_VERSION);
	X509_digest(one, EVP_sha256(), want[0], &n[0]);
	X509_digest(two, EVP_sha384(), want[1], &n[1]);
	ck_assert_uint_eq(meet(a, theirs, &session, &resumed, got), n[0]);
	ck_assert(!resumed);
	ck_assert_mem_eq(got, want[0], n[0]);
	/* With the new certificate, twice: the ticket has been renewed. */
	for (int i = 0; i < 2; i++) {
		ck_assert_uint_eq(meet(b, theirs, &session, &resumed, got),
		    n[0]);
		ck_assert(resumed);
		ck_assert_mem_eq(got, want[0], n[0]);
	}
	SSL_SESSION_free(session);
	session = NULL;
	ck_assert_uint_eq(meet(b, theirs, &session, &resumed, got), n[1]);
	ck_assert(!resumed);
	ck_assert_mem_eq(got, want[1], n[1]);
	SSL_SESSION_free(session);
	SSL_CTX_free(theirs);
	tls_ctx_unref(a);
	tls_ctx_unref(b);
	X509_free(one);
	X509_free(two);
}
END_TEST

/* The ticket would be good for hours. */
START_TEST (a_ticket_ends_with_its_certificate) {
	X509 *one = make_cert("one", "P-256", "SHA256", false), *two = NULL;
	struct tls_ctx *a = NULL;
	SSL_CTX *theirs = NULL;
	SSL_SESSION *session = NULL;
	uint8_t out[TLS_END_POINT_MAX];
	char path[100];
	bool resumed;

	/* However slow it is, there has to be a first time. */
	for (long s = 2; two == NULL || why[0] != '\0'; s *= 2) {
		SSL_SESSION_free(session);
		session = NULL;
		X509_free(two);
		tls_ctx_unref(a);
		SSL_CTX_free(theirs);
		two = make_cert_for(s, "two", "P-256", "SHA256", false);
		a = server_ctx_for("one", "two", NULL);
		theirs = SSL_CTX_new(TLS_client_method());
		snprintf(path, sizeof(path), "%s/two.crt", dir);
		SSL_CTX_use_certificate_file(theirs, path, SSL_FILETYPE_PEM);
		snprintf(path, sizeof(path), "%s/two.key", dir);
		SSL_CTX_use_PrivateKey_file(theirs, path, SSL_FILETYPE_PEM);
		try(a, theirs, &session, &resumed, out);
	}
	while (X509_cmp_current_time(X509_get0_notAfter(two)) > 0)
		usleep(20000);
	try(a, theirs, &session, &resumed, out);
	ck_assert(!resumed);
	ck_assert_msg(strstr(why, "certificate has expired"), "%s", why);
	SSL_SESSION_free(session);
	SSL_CTX_free(theirs);
	tls_ctx_unref(a);
	X509_free(one);
	X509_free(two);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("tls_session");
	TCase *t = tcase_create("tls_session");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t,
	    both_ends_bind_to_the_certificate_as_rfc_5929_says, 0,
	    (int)ARRAY_LEN(kinds));
	tcase_add_loop_test(t,
	    a_resumed_session_binds_to_the_certificate_it_began_with, 0, 2);
	tcase_add_test(t, a_ticket_ends_with_its_certificate);
	suite_add_tcase(s, t);
	return s;
}

static void
clean(void)
{
	static const char *const names[] = { "one.crt", "one.key", "two.crt",
		"two.key" };
	char path[100];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

int
main(void)
{
	SRunner *r = srunner_create(suite());
	int failed;

	if (mkdtemp(dir) == NULL) {
		perror(dir);
		return 1;
	}
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	clean();
	return failed == 0 ? 0 : 1;
}
