/*
 * tls: contexts and sessions of TLS, on OpenSSL.
 *
 * A context is what all connections of one kind share: certificate, key,
 * authorities, revocation lists, ticket keys. It is immutable and counted, and
 * belongs to one snapshot of the configuration; RELOAD makes a new one only if
 * a setting or the content of a file differs, so sessions that are up go on
 * with theirs.
 *
 * A session is a filter without a socket: ciphertext is put in, plain bytes
 * are read, and the other way round. Whoever has the socket (stream) moves the
 * bytes; OpenSSL never waits, never writes part of a record and never makes a
 * system call. So one recv() serves many records, and one send() too.
 *
 * Renegotiation is refused and ends the session. A peer that closes without
 * close_notify is no error: PostgreSQL's messages have lengths.
 *
 * Threads: contexts any; a session only one at a time, and not bound to it.
 */
#ifndef IO_TLS_H
#define IO_TLS_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

/* ---- contexts ---- */

/* What is asked of the peer's certificate. */
enum tls_check {
	TLS_CHECK_NONE,
	TLS_CHECK_GIVEN, /* it may have none; one that it has must be good */
	TLS_CHECK_CHAIN, /* it must have one, of our authorities */
	TLS_CHECK_HOST, /* ... and made out for the host we connect to */
};

/* Texts are borrowed; NULL or "" = not set. */
struct tls_settings {
	bool server; /* we are the server: towards clients */
	enum tls_check check;
	const char *cert_file, *key_file; /* ours; PEM */
	const char *ca_file; /* authorities; not set: the system's */
	const char *crl_file; /* revocation lists of all of them */
	const char *protocols; /* "secure", "all", "tlsv1.2,tlsv1.3", ... */
	const char *ciphers, *ciphers13;
	const char *curve, *dheparams;
	const char *ticket_file; /* keys shared by several poolers */
	const char *prefix; /* of the keys' names, for messages */
};

struct tls_ctx;
/* A reference to a context, made from the files as they are now; it is old
 * itself if nothing differs. old: what it takes the place of, whose ticket
 * keys it goes on with; may be NULL. NULL with an error that names key and
 * file. Reads files: not for a worker. */
struct tls_ctx *tls_ctx_new(const struct tls_settings *set,
    struct tls_ctx *old, struct err *e);
struct tls_ctx *tls_ctx_ref(struct tls_ctx *c); /* NULL is fine */
void tls_ctx_unref(struct tls_ctx *c);
/* Whether both were made from the same settings, whatever the files hold.
 * NULL is a setting too. */
bool tls_ctx_alike(const struct tls_ctx *a, const struct tls_ctx *b);

/* ---- sessions ---- */

struct tls;

struct tls_peer {
	/* As a client: the host we dial, for SNI and TLS_CHECK_HOST. */
	const char *host;
	/* Direct TLS: the other side must agree on ALPN "postgresql". As a
	 * client we always offer it then. */
	bool direct;
};
/* Takes a reference to ctx. NULL when memory is out. */
struct tls *tls_new(struct tls_ctx *ctx, const struct tls_peer *peer);
void tls_free(struct tls *t);

enum tls_step {
	TLS_MORE, /* wants more ciphertext */
	TLS_DONE,
	TLS_CLOSED, /* the peer said close_notify */
	TLS_FAILED, /* tls_why() tells; out may hold an alert to send */
};
/* Ciphertext to work on, in *in, is eaten; what is to be sent is put at the
 * end of out. All three until told otherwise. */
enum tls_step tls_handshake(struct tls *t, struct span *in, struct buf *out);
/* TLS_DONE with *n > 0 plain bytes. Drives the handshake too, if need be. */
enum tls_step tls_read(struct tls *t, struct span *in, struct buf *out,
    uint8_t *p, size_t cap, size_t *n);
/* The same, but the byte stays to be read. */
enum tls_step tls_peek(struct tls *t, struct span *in, struct buf *out,
    uint8_t *byte);
/* Encrypts all of p; records of 16 kB and a last one. False: failed. */
bool tls_write(struct tls *t, struct buf *out, const void *p, size_t n);
/* Our close_notify. */
void tls_close(struct tls *t, struct buf *out);

/* The handshake is over. */
bool tls_is_up(const struct tls *t);
/* It is a client's: the handshake begins without anything from the peer. */
bool tls_speaks_first(const struct tls *t);
/* What was to be sent when the handshake came to its end may go with what is
 * written next, since nobody waits for it: tickets of TLS 1.3. */
bool tls_may_wait(const struct tls *t);
/* Plain bytes that tls_read() would give without more ciphertext. */
bool tls_has_plain(const struct tls *t);
/* Why it failed, for logs and clients of ours: version, reason, alert. "" if
 * it has not. */
const char *tls_why(const struct tls *t);
/* "TLSv1.3/TLS_AES_256_GCM_SHA384", "TLSv1.2/CIPHER/ECDH=CURVE". */
void tls_describe(const struct tls *t, char *out, size_t cap);
/* The name that the client asked for (SNI), or NULL. */
const char *tls_asked_name(const struct tls *t);
bool tls_was_resumed(const struct tls *t);

/* ---- who the peer is ---- */

/* It showed a certificate that is good by the context's check: signed by our
 * authorities, in time, not revoked. False with TLS_CHECK_NONE. */
bool tls_peer_verified(const struct tls *t);
/* The common name of the peer's certificate as UTF-8. False when there is no
 * certificate, or no name, or it does not fit, or it holds a NUL, which is how
 * one name is made to look like another. */
bool tls_peer_cn(const struct tls *t, char *out, size_t cap);
/* The hash that SCRAM binds to (RFC 5929 tls-server-end-point) of the server's
 * certificate, that is, ours or the peer's. Bytes; 0: none is defined, as for
 * Ed25519, or the session is not up. */
#define TLS_END_POINT_MAX 64
size_t tls_end_point(const struct tls *t, uint8_t out[TLS_END_POINT_MAX]);

#endif
