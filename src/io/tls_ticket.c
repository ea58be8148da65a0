/*
 * Keys of session tickets (RFC 5077, RFC 8446 4.6.1): with them a client that
 * comes back spares both sides the costly half of the handshake.
 *
 * Keys of our own are made anew each hour, and the old ones go on reading for
 * as long as a ticket is good. They outlive RELOAD. Keys from a file are the
 * operator's to renew: the first writes, all read.
 */
#include "tls_impl.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#define KEYS_MAX 16
#define RENEW_US (3600 * USEC_PER_SEC)
#define TICKET_S 7200
/* Generations that may still have to be read. */
#define OWN_KEYS (TICKET_S / 3600 + 2)

#define NAME 16
#define SECRET 32

struct key {
	uint8_t name[NAME], aes[SECRET], mac[SECRET];
};

struct tls_ticket_keys {
	_Atomic int refs;
	bool rotate;
	pthread_mutex_t mu; /* over the rest; innermost */
	struct key keys[KEYS_MAX]; /* newest first */
	int n;
	usec_t made_us;
};

static struct tls_ticket_keys *
new_empty(bool rotate)
{
	struct tls_ticket_keys *k = xcalloc(1, sizeof(*k));

	atomic_init(&k->refs, 1);
	k->rotate = rotate;
	pthread_mutex_init(&k->mu, NULL);
	return k;
}

struct tls_ticket_keys *
tls_ticket_keys_new(void)
{
	struct tls_ticket_keys *k = new_empty(true);

	random_bytes(&k->keys[0], sizeof(k->keys[0]));
	k->n = 1;
	k->made_us = clock_mono_us();
	return k;
}

struct tls_ticket_keys *
tls_ticket_keys_ref(struct tls_ticket_keys *k)
{
	atomic_fetch_add(&k->refs, 1);
	return k;
}

void
tls_ticket_keys_unref(struct tls_ticket_keys *k)
{
	if (!k || atomic_fetch_sub(&k->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&k->mu);
	wipe(k, sizeof(*k));
	free(k);
}

bool
tls_ticket_keys_rotate(const struct tls_ticket_keys *k)
{
	return k->rotate;
}

/* ---- the file ---- */

static int
digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
parse_key(struct span line, struct key *k)
{
	uint8_t *out = (uint8_t *)k;
	size_t i;

	if (line.n != 2 * sizeof(*k))
		return false;
	for (i = 0; i < sizeof(*k); i++) {
		int hi = digit(line.p[2 * i]), lo = digit(line.p[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

/* The line at the start of text, which moves on; blanks around it are cut. */
static struct span
next_line(struct span *text)
{
	const uint8_t *end = memchr(text->p, '\n', text->n);
	struct span line = SPAN(text->p, end ? (size_t)(end - text->p) :
					       text->n);
	size_t whole = line.n + (end ? 1 : 0);

	text->p += whole;
	text->n -= whole;
	while (line.n > 0 && line.p[line.n - 1] <= ' ')
		line.n--;
	while (line.n > 0 && line.p[0] <= ' ') {
		line.p++;
		line.n--;
	}
	return line;
}

struct tls_ticket_keys *
tls_ticket_keys_parse(struct span text, const struct tls_settings *s,
    struct err *e)
{
	struct tls_ticket_keys *k = new_empty(false);
	int number = 0;

	while (text.n > 0) {
		struct span line = next_line(&text);

		number++;
		if (line.n == 0 || line.p[0] == '#')
			continue;
		if (k->n < KEYS_MAX && parse_key(line, &k->keys[k->n])) {
			k->n++;
			continue;
		}
		err_set(e, "F0000", "%sticket_file \"%s\", line %d: %s",
		    s->prefix, s->ticket_file, number, k->n == KEYS_MAX ?
		    "more than 16 keys" : "a key is 160 hexadecimal digits");
		goto bad;
	}
	if (k->n > 0)
		return k;
	err_set(e, "F0000", "%sticket_file \"%s\": it holds no key", s->prefix,
	    s->ticket_file);
bad:
	err_hint(e, "make one with: openssl rand -hex 80 | tr -d '\\n'");
	tls_ticket_keys_unref(k);
	return NULL;
}

/* ---- making and reading tickets ---- */

static void
rotate_if_due(struct tls_ticket_keys *k)
{
	usec_t now = clock_mono_us();
	struct key fresh;
	bool due;

	pthread_mutex_lock(&k->mu);
	due = now - k->made_us >= RENEW_US;
	pthread_mutex_unlock(&k->mu);
	if (!due)
		return;
	random_bytes(&fresh, sizeof(fresh));
	pthread_mutex_lock(&k->mu);
	if (now - k->made_us >= RENEW_US) {
		memmove(&k->keys[1], &k->keys[0],
		    (OWN_KEYS - 1) * sizeof(k->keys[0]));
		k->keys[0] = fresh;
		if (k->n < OWN_KEYS)
			k->n++;
		k->made_us = now;
	}
	pthread_mutex_unlock(&k->mu);
	wipe(&fresh, sizeof(fresh));
}

/* The place of the key with this name (NULL: the writing one), or -1. */
static int
find_key(struct tls_ticket_keys *k, const uint8_t *name, struct key *out)
{
	int i, at = name ? -1 : 0;

	pthread_mutex_lock(&k->mu);
	for (i = 0; name && i < k->n && at < 0; i++)
		if (memcmp(k->keys[i].name, name, NAME) == 0)
			at = i;
	if (at >= 0)
		*out = k->keys[at];
	pthread_mutex_unlock(&k->mu);
	return at;
}

static bool
set_mac(EVP_MAC_CTX *mac, struct key *k)
{
	char sha256[] = "sha256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->mac,
		    sizeof(k->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256,
		    0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* OpenSSL asks for a key: 1 here it is, 2 and give the client a new ticket, 0
 * none, -1 failure. */
static int
on_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int making)
{
	struct tls_ticket_keys *keys = tls_of(ssl)->ctx->tickets;
	const EVP_CIPHER *aes = EVP_aes_256_cbc();
	struct key k;
	bool ok;
	int at;

	if (keys->rotate)
		rotate_if_due(keys);
	at = find_key(keys, making ? NULL : name, &k);
	if (at < 0)
		return 0;
	if (making) {
		memcpy(name, k.name, NAME);
		ok = RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes)) == 1 &&
		    EVP_EncryptInit_ex(cipher, aes, NULL, k.aes, iv) == 1;
	} else {
		ok = EVP_DecryptInit_ex(cipher, aes, NULL, k.aes, iv) == 1;
	}
	ok = ok && set_mac(mac, &k);
	wipe(&k, sizeof(k));
	if (!ok)
		return -1;
	return !making && at > 0 ? 2 : 1;
}

/*
 * A certificate that was good when the session began may have expired or been
 * revoked since, and the ticket knows only the certificate itself. So it is
 * looked at again; where that fails (also for want of what stood between it and
 * its authority) the handshake is a whole one, which tells why.
 */
static bool
still_good(SSL *ssl, SSL_SESSION *session)
{
	X509 *cert = SSL_SESSION_get0_peer(session);
	X509_STORE *store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
	X509_STORE_CTX *look;
	bool ok;

	if (!cert)
		return tls_of(ssl)->ctx->check < TLS_CHECK_CHAIN;
	look = X509_STORE_CTX_new();
	ok = look && X509_STORE_CTX_init(look, store, cert, NULL) == 1 &&
	    X509_STORE_CTX_set_default(look, "ssl_client") == 1 &&
	    X509_verify_cert(look) == 1;
	X509_STORE_CTX_free(look);
	return ok;
}

static SSL_TICKET_RETURN
on_read(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
    size_t name_n, SSL_TICKET_STATUS status, void *arg)
{
	(void)name;
	(void)name_n;
	(void)arg;
	switch (status) {
	case SSL_TICKET_SUCCESS:
	case SSL_TICKET_SUCCESS_RENEW:
		if (!still_good(ssl, session))
			return SSL_TICKET_RETURN_IGNORE_RENEW;
		/* Each ticket is for one return (RFC 8446 C.4). */
		return SSL_TICKET_RETURN_USE_RENEW;
	case SSL_TICKET_EMPTY:
	case SSL_TICKET_NO_DECRYPT:
	default: /* OpenSSL's: an int */
		return SSL_TICKET_RETURN_IGNORE_RENEW;
	}
}

bool
tls_ticket_use(struct tls_ctx *c)
{
	SSL_CTX_set_timeout(c->ssl, TICKET_S);
	SSL_CTX_set_num_tickets(c->ssl, 1);
	return SSL_CTX_set_tlsext_ticket_key_evp_cb(c->ssl, on_key) == 1 &&
	    SSL_CTX_set_session_ticket_cb(c->ssl, tls_on_ticket, on_read,
	    NULL) == 1;
}
