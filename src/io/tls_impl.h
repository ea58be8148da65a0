/*
 * What the files of tls share: tls_ctx.c (contexts), tls_file.c (what stands
 * in their files), tls_ticket.c (ticket keys), tls.c (sessions).
 */
#ifndef TLS_IMPL_H
#define TLS_IMPL_H

#include <stdatomic.h>

#include <openssl/ssl.h>

#include "io/tls.h"

struct tls_ticket_keys;

#define TLS_DIGEST 32

struct tls_ctx {
	_Atomic int refs;
	SSL_CTX *ssl;
	BIO_METHOD *bio;
	struct tls_ticket_keys *tickets; /* of a server */
	bool server;
	enum tls_check check;
	uint8_t settings[TLS_DIGEST]; /* of the settings' texts */
	uint8_t content[TLS_DIGEST]; /* ... and of what the files hold */
};

struct tls {
	SSL *ssl;
	struct tls_ctx *ctx;
	struct span *in; /* during a call */
	struct buf *out;
	bool up;
	bool direct;
	bool failed;
	bool renegotiated; /* the peer tried to */
	bool alert_sent; /* the fatal alert below was ours */
	int alert; /* its number, or -1 */
	char *why;
	char *subject; /* of the certificate that was found wanting */
};

static inline struct tls *
tls_of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

/* tls.c: what a context needs to make sessions. */
BIO_METHOD *tls_bio_method(void);
void tls_watch(SSL_CTX *ssl, bool server);
/* Notes whose certificate it is that will not do. */
int tls_on_verify(int ok, X509_STORE_CTX *look);
/* A ticket is about to be made: it carries what tls_end_point() needs. */
int tls_on_ticket(SSL *ssl, void *arg);
/* OpenSSL's own words for the oldest error in its queue. */
const char *tls_reason(void);

/* tls_file.c. Errors name key and file. */
struct tls_files {
	struct buf cert, key, ca, crl, ticket;
};
bool tls_files_read(struct tls_files *f, const struct tls_settings *s,
    struct err *e);
void tls_files_free(struct tls_files *f);
bool tls_load_cert(SSL_CTX *ssl, const struct tls_settings *s,
    const struct tls_files *f, struct err *e);
bool tls_load_authorities(SSL_CTX *ssl, const struct tls_settings *s,
    const struct tls_files *f, struct err *e);

/* tls_ticket.c */
struct tls_ticket_keys *tls_ticket_keys_new(void);
/* From the text of a ticket file: lines of hexadecimal digits. */
struct tls_ticket_keys *tls_ticket_keys_parse(struct span text,
    const struct tls_settings *s, struct err *e);
struct tls_ticket_keys *tls_ticket_keys_ref(struct tls_ticket_keys *k);
void tls_ticket_keys_unref(struct tls_ticket_keys *k);
bool tls_ticket_keys_rotate(const struct tls_ticket_keys *k);
/* Has tickets of this context made and read with its keys. */
bool tls_ticket_use(struct tls_ctx *c);

#endif
