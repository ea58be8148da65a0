/* One TLS session as a filter. */
#include "tls_impl.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#define RECORD 16384

static const uint8_t alpn[] = "\012postgresql";
#define ALPN_N (sizeof(alpn) - 1)

/* ---- where OpenSSL takes bytes from and puts them ---- */

static int
bio_read(BIO *b, char *p, size_t cap, size_t *n)
{
	struct tls *t = BIO_get_data(b);
	struct span *in = t->in;

	BIO_clear_retry_flags(b);
	*n = 0;
	if (!in || in->n == 0) {
		BIO_set_retry_read(b);
		return 0;
	}
	*n = cap < in->n ? cap : in->n;
	memcpy(p, in->p, *n);
	in->p += *n;
	in->n -= *n;
	return 1;
}

static int
bio_write(BIO *b, const char *p, size_t n, size_t *done)
{
	struct tls *t = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	buf_append(t->out, p, n);
	*done = n;
	return 1;
}

static long
bio_ctrl(BIO *b, int what, long x, void *p)
{
	(void)b;
	(void)x;
	(void)p;
	return what == BIO_CTRL_FLUSH;
}

BIO_METHOD *
tls_bio_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "pooler");

	if (!m)
		return NULL;
	BIO_meth_set_read_ex(m, bio_read);
	BIO_meth_set_write_ex(m, bio_write);
	BIO_meth_set_ctrl(m, bio_ctrl);
	return m;
}

/* ---- what happens inside ---- */

static void
on_info(const SSL *ssl, int where, int value)
{
	struct tls *t = tls_of(ssl);

	if (!t || !(where & SSL_CB_ALERT))
		return;
	/* Refused by us with a warning, which PostgreSQL's peers must not
	 * live on with either. */
	if ((value & 0xff) == SSL_AD_NO_RENEGOTIATION &&
	    (where & SSL_CB_WRITE))
		t->renegotiated = true;
	if (value >> 8 != SSL3_AL_FATAL)
		return;
	t->alert = value & 0xff;
	t->alert_sent = (where & SSL_CB_WRITE) != 0;
}

static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
    const unsigned char *in, unsigned in_n, void *arg)
{
	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_n, alpn,
	    ALPN_N, in, in_n) == OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_OK;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* A client that starts with TLS must say that it means PostgreSQL, lest other
 * protocols' bytes be played to us (ALPACA). */
static int
on_hello(SSL *ssl, int *alert, void *arg)
{
	const unsigned char *p;
	size_t n;

	(void)arg;
	if (!tls_of(ssl)->direct ||
	    SSL_client_hello_get0_ext(ssl,
		TLSEXT_TYPE_application_layer_protocol_negotiation, &p, &n))
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	return SSL_CLIENT_HELLO_ERROR;
}

void
tls_watch(SSL_CTX *ssl, bool server)
{
	SSL_CTX_set_info_callback(ssl, on_info);
	if (!server)
		return;
	SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
	SSL_CTX_set_client_hello_cb(ssl, on_hello, NULL);
}

/* ---- why it failed ---- */

const char *
tls_reason(void)
{
	unsigned long code = ERR_peek_error();
	const char *text = code ? ERR_reason_error_string(code) : NULL;

	return text ? text : "unknown reason";
}

int
tls_on_verify(int ok, X509_STORE_CTX *look)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(look,
	    SSL_get_ex_data_X509_STORE_CTX_idx());
	X509 *cert = X509_STORE_CTX_get_current_cert(look);
	struct tls *t = ssl ? tls_of(ssl) : NULL;
	char name[200];

	if (ok || !t || !cert || t->subject)
		return ok;
	X509_NAME_oneline(X509_get_subject_name(cert), name, sizeof(name));
	t->subject = xstrdup(name);
	return 0;
}

static char *
explain(const struct tls *t)
{
	long verdict = SSL_get_verify_result(t->ssl);
	const char *name = t->subject ? t->subject : "";
	char alert[120] = "";
	const char *what = t->renegotiated ? "the peer wants to renegotiate" :
					     tls_reason();

	if (t->alert >= 0)
		snprintf(alert, sizeof(alert), "; alert %s: %s",
		    t->alert_sent ? "sent" : "received",
		    SSL_alert_desc_string_long(t->alert));
	if (verdict == X509_V_OK || t->up)
		return xasprintf("%s: %s%s", SSL_get_version(t->ssl), what,
		    alert);
	return xasprintf("%s: %s: %s%s%s%s%s", SSL_get_version(t->ssl), what,
	    X509_verify_cert_error_string(verdict),
	    name[0] ? " (certificate \"" : "", name, name[0] ? "\")" : "",
	    alert);
}

static enum tls_step
failed(struct tls *t)
{
	if (!t->failed)
		t->why = explain(t);
	t->failed = true;
	ERR_clear_error();
	return TLS_FAILED;
}

const char *
tls_why(const struct tls *t)
{
	return t->why ? t->why : "";
}

/* ---- life ---- */

static bool
set_host(SSL *ssl, const char *host, bool check)
{
	struct in6_addr scratch;
	bool is_address = inet_pton(AF_INET, host, &scratch) == 1 ||
	    inet_pton(AF_INET6, host, &scratch) == 1;
	X509_VERIFY_PARAM *vp = SSL_get0_param(ssl);

	if (!is_address && SSL_set_tlsext_host_name(ssl, host) != 1)
		return false;
	if (!check)
		return true;
	X509_VERIFY_PARAM_set_hostflags(vp,
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return (is_address ? X509_VERIFY_PARAM_set1_ip_asc(vp, host) :
			     X509_VERIFY_PARAM_set1_host(vp, host, 0)) == 1;
}

static bool
set_up(struct tls *t, const struct tls_peer *peer)
{
	BIO *b = BIO_new(t->ctx->bio);

	if (!b)
		return false;
	BIO_set_data(b, t);
	BIO_set_init(b, 1);
	SSL_set_bio(t->ssl, b, b);
	SSL_set_app_data(t->ssl, t);
	if (t->ctx->server) {
		SSL_set_accept_state(t->ssl);
		return true;
	}
	SSL_set_connect_state(t->ssl);
	if (peer->direct && SSL_set_alpn_protos(t->ssl, alpn, ALPN_N) != 0)
		return false;
	return !peer->host || set_host(t->ssl, peer->host,
	    t->ctx->check == TLS_CHECK_HOST);
}

struct tls *
tls_new(struct tls_ctx *ctx, const struct tls_peer *peer)
{
	struct tls *t = xcalloc(1, sizeof(*t));

	ERR_clear_error();
	t->alert = -1;
	t->direct = peer->direct;
	t->ctx = tls_ctx_ref(ctx);
	t->ssl = SSL_new(ctx->ssl);
	if (t->ssl && set_up(t, peer))
		return t;
	tls_free(t);
	ERR_clear_error();
	return NULL;
}

void
tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	tls_ctx_unref(t->ctx);
	free(t->why);
	free(t->subject);
	free(t);
}

/* ---- work ---- */

static void
lend(struct tls *t, struct span *in, struct buf *out)
{
	ERR_clear_error();
	t->in = in;
	t->out = out;
}

static enum tls_step
judge(struct tls *t, int result)
{
	if (t->renegotiated)
		return failed(t);
	switch (SSL_get_error(t->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return TLS_MORE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_CLOSED;
	default: /* OpenSSL's: an int */
		return failed(t);
	}
}

/* Direct TLS to a server that knows nothing of it would be some other
 * service. */
static bool
agrees(const struct tls *t)
{
	const unsigned char *p;
	unsigned n;

	if (t->ctx->server || !t->direct)
		return true;
	SSL_get0_alpn_selected(t->ssl, &p, &n);
	return n == ALPN_N - 1 && memcmp(p, alpn + 1, n) == 0;
}

enum tls_step
tls_handshake(struct tls *t, struct span *in, struct buf *out)
{
	int r;

	if (t->failed)
		return TLS_FAILED;
	if (t->up)
		return TLS_DONE;
	lend(t, in, out);
	r = SSL_do_handshake(t->ssl);
	if (r != 1)
		return judge(t, r);
	t->up = true;
	if (agrees(t))
		return TLS_DONE;
	t->why = xasprintf("%s: the server did not agree to the protocol "
	    "\"postgresql\" (ALPN)", SSL_get_version(t->ssl));
	t->failed = true;
	return TLS_FAILED;
}

enum tls_step
tls_read(struct tls *t, struct span *in, struct buf *out, uint8_t *p,
    size_t cap, size_t *n)
{
	enum tls_step step = tls_handshake(t, in, out);
	int r;

	*n = 0;
	if (step != TLS_DONE)
		return step;
	lend(t, in, out);
	r = SSL_read_ex(t->ssl, p, cap, n);
	if (UNLIKELY(t->renegotiated))
		return failed(t);
	return r == 1 ? TLS_DONE : judge(t, r);
}

enum tls_step
tls_peek(struct tls *t, struct span *in, struct buf *out, uint8_t *byte)
{
	enum tls_step step = tls_handshake(t, in, out);
	size_t n;
	int r;

	if (step != TLS_DONE)
		return step;
	lend(t, in, out);
	r = SSL_peek_ex(t->ssl, byte, 1, &n);
	return r == 1 ? TLS_DONE : judge(t, r);
}

bool
tls_write(struct tls *t, struct buf *out, const void *p, size_t n)
{
	const uint8_t *from = p;
	size_t done;

	if (t->failed || !t->up)
		return false;
	lend(t, NULL, out);
	while (n > 0) {
		size_t want = n < RECORD ? n : RECORD;

		if (SSL_write_ex(t->ssl, from, want, &done) != 1) {
			failed(t);
			return false;
		}
		from += done;
		n -= done;
	}
	return true;
}

void
tls_close(struct tls *t, struct buf *out)
{
	if (t->failed || !t->up)
		return;
	lend(t, NULL, out);
	(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
}

/* ---- questions ---- */

bool
tls_is_up(const struct tls *t)
{
	return t->up && !t->failed;
}

bool
tls_speaks_first(const struct tls *t)
{
	return !t->ctx->server;
}

bool
tls_may_wait(const struct tls *t)
{
	return t->ctx->server && SSL_version(t->ssl) >= TLS1_3_VERSION;
}

bool
tls_has_plain(const struct tls *t)
{
	return t->up && SSL_pending(t->ssl) > 0;
}

void
tls_describe(const struct tls *t, char *out, size_t cap)
{
	const char *group;
	size_t n;

	snprintf(out, cap, "%s/%s", SSL_get_version(t->ssl),
	    SSL_get_cipher_name(t->ssl));
	/* From 1.3 on the name of the cipher says nothing of it. */
	if (SSL_version(t->ssl) >= TLS1_3_VERSION)
		return;
	group = SSL_group_to_name(t->ssl, SSL_get_negotiated_group(t->ssl));
	n = strlen(out);
	if (group)
		snprintf(out + n, cap - n, "/ECDH=%s", group);
}

const char *
tls_asked_name(const struct tls *t)
{
	return SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
}

bool
tls_was_resumed(const struct tls *t)
{
	return SSL_session_reused(t->ssl) == 1;
}

/* ---- who the peer is ---- */

bool
tls_peer_verified(const struct tls *t)
{
	return tls_is_up(t) && t->ctx->check != TLS_CHECK_NONE &&
	    SSL_get0_peer_certificate(t->ssl) &&
	    SSL_get_verify_result(t->ssl) == X509_V_OK;
}

bool
tls_peer_cn(const struct tls *t, char *out, size_t cap)
{
	X509 *cert = tls_is_up(t) ? SSL_get0_peer_certificate(t->ssl) : NULL;
	const X509_NAME *name = cert ? X509_get_subject_name(cert) : NULL;
	int at = name ? X509_NAME_get_index_by_NID(name, NID_commonName, -1) :
			-1;
	unsigned char *text = NULL;
	int n = -1;
	bool ok;

	if (at >= 0)
		n = ASN1_STRING_to_UTF8(&text,
		    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	ok = n > 0 && (size_t)n < cap && !memchr(text, '\0', (size_t)n);
	if (ok) {
		memcpy(out, text, (size_t)n);
		out[n] = '\0';
	}
	OPENSSL_free(text);
	ERR_clear_error();
	return ok;
}

/* RFC 5929: by the hash of its signature, but nothing weaker than SHA-256.
 * Signatures without a hash of their own (Ed25519) leave it undefined. */
static size_t
hash_of_cert(X509 *cert, uint8_t out[TLS_END_POINT_MAX])
{
	const EVP_MD *md = NULL;
	int hash = NID_undef;
	unsigned n = 0;

	/* Where it stands in parameters (RSA-PSS) too. */
	if (cert && X509_get_signature_info(cert, &hash, NULL, NULL, NULL)) {
		if (hash == NID_md5 || hash == NID_sha1)
			hash = NID_sha256;
		md = EVP_get_digestbynid(hash);
	}
	if (!md || EVP_MD_get_size(md) > TLS_END_POINT_MAX ||
	    X509_digest(cert, md, out, &n) != 1)
		n = 0;
	ERR_clear_error();
	return n;
}

int
tls_on_ticket(SSL *ssl, void *arg)
{
	uint8_t hash[TLS_END_POINT_MAX];
	size_t n;

	(void)arg;
	/* One that takes the place of another goes on with what that had. */
	if (SSL_session_reused(ssl))
		return 1;
	n = hash_of_cert(SSL_get_certificate(ssl), hash);
	return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), hash, n);
}

/* The certificate that the client has seen. Where the session is resumed that
 * is the one of its first handshake, whatever RELOAD has brought since. */
static size_t
end_point_of_server(const struct tls *t, uint8_t out[TLS_END_POINT_MAX])
{
	void *kept;
	size_t n;

	if (!SSL_session_reused(t->ssl))
		return hash_of_cert(SSL_get_certificate(t->ssl), out);
	if (SSL_SESSION_get0_ticket_appdata(SSL_get_session(t->ssl), &kept,
	    &n) != 1 || n > TLS_END_POINT_MAX)
		return 0;
	if (n > 0)
		memcpy(out, kept, n);
	return n;
}

size_t
tls_end_point(const struct tls *t, uint8_t out[TLS_END_POINT_MAX])
{
	if (!tls_is_up(t))
		return 0;
	return t->ctx->server ? end_point_of_server(t, out) :
	    hash_of_cert(SSL_get0_peer_certificate(t->ssl), out);
}
