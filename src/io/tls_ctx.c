/* What all TLS connections of one kind share. */
#include "tls_impl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/evp.h>

/* Certificates between the peer's and an authority. */
#define CHAIN_MAX 10
/* What a peer may send as its chain. */
#define CHAIN_BYTES (64 * 1024)

static bool
is_set(const char *text)
{
	return text && text[0];
}

static const char *
text_of(const char *text)
{
	return text ? text : "";
}

/* ---- digests: is it still the same? ---- */

static void
digest(const struct buf *b, uint8_t out[TLS_DIGEST])
{
	unsigned n = TLS_DIGEST;

	memset(out, 0, TLS_DIGEST);
	(void)EVP_Digest(buf_len(b) ? (const void *)buf_head(b) : "",
	    buf_len(b), out, &n, EVP_sha256(), NULL);
}

static void
digest_settings(const struct tls_settings *s, uint8_t out[TLS_DIGEST])
{
	struct buf b = { 0 };

	buf_printf(&b, "%d%d\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s", s->server,
	    s->check, text_of(s->cert_file), text_of(s->key_file),
	    text_of(s->ca_file), text_of(s->crl_file), text_of(s->protocols),
	    text_of(s->ciphers), text_of(s->ciphers13), text_of(s->curve),
	    text_of(s->dheparams));
	buf_printf(&b, "\n%s", text_of(s->ticket_file));
	digest(&b, out);
	buf_free(&b);
}

static void
add_digest(struct buf *b, const struct buf *file)
{
	uint8_t d[TLS_DIGEST];

	digest(file, d);
	buf_append(b, d, sizeof(d));
}

static void
digest_files(const struct tls_files *f, uint8_t out[TLS_DIGEST])
{
	struct buf b = { 0 };

	add_digest(&b, &f->cert);
	add_digest(&b, &f->key);
	add_digest(&b, &f->ca);
	add_digest(&b, &f->crl);
	add_digest(&b, &f->ticket);
	digest(&b, out);
	buf_free(&b);
}

bool
tls_ctx_alike(const struct tls_ctx *a, const struct tls_ctx *b)
{
	if (!a || !b)
		return a == b;
	return memcmp(a->settings, b->settings, TLS_DIGEST) == 0;
}

/* ---- versions, ciphers, curves ---- */

static const struct {
	const char *word;
	unsigned bits;
} protocols[] = {
	{ "tlsv1.0", 1 }, { "tlsv1.1", 2 }, { "tlsv1.2", 4 }, { "tlsv1.3", 8 },
	{ "tlsv1", 15 }, { "all", 15 }, { "secure", 12 }, { "default", 12 },
};

/* One word of the list; "!" in front takes away. */
static bool
take_protocol(const char *word, size_t n, unsigned *bits)
{
	bool off = n > 0 && word[0] == '!';
	size_t i;

	word += off;
	n -= off;
	for (i = 0; i < ARRAY_LEN(protocols); i++) {
		if (strlen(protocols[i].word) != n ||
		    strncasecmp(protocols[i].word, word, n) != 0)
			continue;
		if (off)
			*bits &= ~protocols[i].bits;
		else
			*bits |= protocols[i].bits;
		return true;
	}
	return false;
}

static bool
set_protocols(SSL_CTX *ssl, const struct tls_settings *s, struct err *e)
{
	static const int version[] = { TLS1_VERSION, TLS1_1_VERSION,
		TLS1_2_VERSION, TLS1_3_VERSION };
	static const uint64_t no[] = { SSL_OP_NO_TLSv1, SSL_OP_NO_TLSv1_1,
		SSL_OP_NO_TLSv1_2, SSL_OP_NO_TLSv1_3 };
	const char *p = is_set(s->protocols) ? s->protocols : "secure";
	unsigned bits = 0;
	int i, lowest = -1;

	while (*(p += strspn(p, ",: \t"))) {
		size_t n = strcspn(p, ",: \t");

		if (!take_protocol(p, n, &bits)) {
			err_set(e, "22023", "%sprotocols: unknown protocol "
			    "\"%.*s\"", s->prefix, (int)n, p);
			err_hint(e, "words are tlsv1.0, tlsv1.1, tlsv1.2, "
			    "tlsv1.3, secure and all");
			return false;
		}
		p += n;
	}
	for (i = 3; i >= 0; i--)
		if (bits & (1u << i))
			lowest = i;
		else
			SSL_CTX_set_options(ssl, no[i]);
	if (lowest < 0)
		return err_set(e, "22023", "%sprotocols: \"%s\" leaves none",
		    s->prefix, s->protocols);
	return SSL_CTX_set_min_proto_version(ssl, version[lowest]) == 1 ||
	    err_set(e, "22023", "%sprotocols: %s", s->prefix, tls_reason());
}

/* The reference's names for what the library takes by itself. */
static bool
is_default_cipher(const char *text)
{
	static const char *const words[] = { "default", "secure", "normal",
		"fast" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(words); i++)
		if (strcasecmp(text, words[i]) == 0)
			return true;
	return !text[0];
}

static bool
set_ciphers(SSL_CTX *ssl, const struct tls_settings *s, struct err *e)
{
	if (!is_default_cipher(text_of(s->ciphers)) &&
	    SSL_CTX_set_cipher_list(ssl, s->ciphers) != 1)
		return err_set(e, "22023", "%sciphers \"%s\": %s", s->prefix,
		    s->ciphers, tls_reason());
	if (is_set(s->ciphers13) &&
	    SSL_CTX_set_ciphersuites(ssl, s->ciphers13) != 1)
		return err_set(e, "22023", "%s \"%s\": %s", s->server ?
		    "client_tls13_ciphers" : "server_tls13_ciphers",
		    s->ciphers13, tls_reason());
	return true;
}

static bool
set_exchange(SSL_CTX *ssl, const struct tls_settings *s, struct err *e)
{
	const char *dhe = text_of(s->dheparams), *curve = text_of(s->curve);

	if (dhe[0] && strcasecmp(dhe, "auto") && strcasecmp(dhe, "none"))
		return err_set(e, "22023", "%sdheparams \"%s\": neither auto "
		    "nor none", s->prefix, dhe);
	SSL_CTX_set_dh_auto(ssl, strcasecmp(dhe, "none") != 0);
	if (!curve[0] || !strcasecmp(curve, "auto") ||
	    !strcasecmp(curve, "none"))
		return true;
	if (SSL_CTX_set1_groups_list(ssl, curve) == 1)
		return true;
	return err_set(e, "22023", "%secdhcurve \"%s\": no such curve",
	    s->prefix, curve);
}

/* ---- making one ---- */

/*
 * Tickets made under one check are no good under another: a session without a
 * certificate must not be resumed where one is asked for.
 */
static void
set_session_context(SSL_CTX *ssl, const struct tls_settings *s,
    const struct tls_files *f)
{
	struct buf b = { 0 };
	uint8_t id[TLS_DIGEST];

	buf_printf(&b, "pooler %d ", s->check);
	add_digest(&b, &f->ca);
	digest(&b, id);
	buf_free(&b);
	(void)SSL_CTX_set_session_id_context(ssl, id, sizeof(id));
}

static void
set_verify(SSL_CTX *ssl, const struct tls_settings *s)
{
	int mode = SSL_VERIFY_PEER;

	switch (s->check) {
	case TLS_CHECK_NONE:
		mode = SSL_VERIFY_NONE;
		break;
	case TLS_CHECK_GIVEN:
		break;
	case TLS_CHECK_CHAIN:
	case TLS_CHECK_HOST:
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
		break;
	}
	SSL_CTX_set_verify(ssl, mode, tls_on_verify);
	SSL_CTX_set_verify_depth(ssl, CHAIN_MAX);
	SSL_CTX_set_max_cert_list(ssl, CHAIN_BYTES);
}

static void
set_options(SSL_CTX *ssl)
{
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION |
	    SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
	    SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
}

static bool
take_tickets(struct tls_ctx *c, const struct tls_settings *s,
    const struct tls_files *f, const struct tls_ctx *old, struct err *e)
{
	if (!c->server)
		return true;
	if (is_set(s->ticket_file))
		c->tickets = tls_ticket_keys_parse(buf_span(&f->ticket), s, e);
	else if (old && old->tickets && tls_ticket_keys_rotate(old->tickets))
		c->tickets = tls_ticket_keys_ref(old->tickets);
	else
		c->tickets = tls_ticket_keys_new();
	return c->tickets && (tls_ticket_use(c) ||
	    err_set(e, "XX000", "session tickets: %s", tls_reason()));
}

static bool
fill(struct tls_ctx *c, const struct tls_settings *s,
    const struct tls_files *f, const struct tls_ctx *old, struct err *e)
{
	c->bio = tls_bio_method();
	c->ssl = SSL_CTX_new(c->server ? TLS_server_method() :
					 TLS_client_method());
	if (!c->ssl || !c->bio)
		return err_set(e, "53200", "cannot make a TLS context: %s",
		    tls_reason());
	set_options(c->ssl);
	set_verify(c->ssl, s);
	set_session_context(c->ssl, s, f);
	tls_watch(c->ssl, c->server);
	return set_protocols(c->ssl, s, e) && set_ciphers(c->ssl, s, e) &&
	    set_exchange(c->ssl, s, e) && tls_load_cert(c->ssl, s, f, e) &&
	    tls_load_authorities(c->ssl, s, f, e) &&
	    take_tickets(c, s, f, old, e);
}

struct tls_ctx *
tls_ctx_new(const struct tls_settings *s, struct tls_ctx *old, struct err *e)
{
	struct tls_ctx *c = xcalloc(1, sizeof(*c));
	struct tls_files f;
	bool ok;

	atomic_init(&c->refs, 1);
	c->server = s->server;
	c->check = s->check;
	ERR_clear_error();
	digest_settings(s, c->settings);
	ok = tls_files_read(&f, s, e);
	if (ok)
		digest_files(&f, c->content);
	if (ok && tls_ctx_alike(c, old) &&
	    memcmp(c->content, old->content, TLS_DIGEST) == 0) {
		tls_ctx_unref(c);
		c = tls_ctx_ref(old);
	} else if (!ok || !fill(c, s, &f, old, e)) {
		tls_ctx_unref(c);
		c = NULL;
	}
	tls_files_free(&f);
	ERR_clear_error();
	return c;
}

struct tls_ctx *
tls_ctx_ref(struct tls_ctx *c)
{
	if (c)
		atomic_fetch_add(&c->refs, 1);
	return c;
}

void
tls_ctx_unref(struct tls_ctx *c)
{
	if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	SSL_CTX_free(c->ssl);
	BIO_meth_free(c->bio);
	tls_ticket_keys_unref(c->tickets);
	free(c);
}
