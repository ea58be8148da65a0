/*
 * auth: password exchanges of the startup phase, both sides (55.2.1), above
 * scram. Engines: one 'p' or 'R' message in, bytes to send out.
 *
 * A secret is what auth_file (later auth_query) holds for a user: plain text,
 * "md5" + 32 lower-case hex digits, or a SCRAM verifier. The empty secret
 * never verifies, by any method.
 *
 * Pure, except for random_bytes() (salts and nonces).
 */
#ifndef PROTO_AUTH_H
#define PROTO_AUTH_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "proto/scram.h"

enum secret_kind { SECRET_NONE, SECRET_PLAIN, SECRET_MD5, SECRET_SCRAM };
enum secret_kind secret_kind(const char *secret); /* NULL, "" = NONE */

/* "md5" + hex of MD5(password user). out has room for 36 bytes. */
void md5_secret(const char *password, const char *user, char out[36]);

enum auth_method {
	AUTH_TRUST,
	AUTH_ANY,
	AUTH_PLAIN, /* AuthenticationCleartextPassword */
	AUTH_MD5,
	AUTH_SCRAM,
	/* A cleartext password that somebody else judges. */
	AUTH_PAM,
	AUTH_LDAP,
};

/* The client proves itself to us. */
struct auth_server;

struct auth_server_args {
	enum auth_method method;
	const char *user;
	const char *secret; /* NULL: a user we do not know */
	const char *old_secret; /* valid too; or NULL */
	bool doomed; /* run it to its end, then fail */
	const uint8_t *mock_seed; /* 32 bytes, per process */
	uint32_t scram_iterations;
	/* A verifier derived earlier from this plain secret, or NULL. */
	const struct scram_verifier *verifier;
	const struct scram_verifier *old_verifier;
	/* Cleartext against a SCRAM secret is not checked here, as it takes
	 * its time; see auth_server_asks(). */
	bool defer;
	/* Over TLS: the hash of our certificate, copied; SCRAM offers to bind
	 * to it. Empty: it does not. */
	struct span end_point;
};

/* Strings are copied and wiped. MD5 with a SCRAM secret becomes SCRAM. By SCRAM
 * both secrets are good if their verifiers have the same salt and iterations
 * (which those of plain secrets can be given); else the old one counts for
 * nothing. */
struct auth_server *auth_server_new(const struct auth_server_args *a);
void auth_server_free(struct auth_server *s);
/* First call: in = NULL; then with the body of each 'p' message. out gets
 * whole messages (never AuthenticationOk). STEP_FAIL: e has PostgreSQL's
 * SQLSTATE (28P01, 28000, 08P01) and the established words, e.g.
 * "password authentication failed", "SASL authentication failed",
 * `"trust" authentication failed`, "empty password returned by client",
 * "client selected an invalid SASL authentication mechanism". Texts are the
 * same for unknown users and wrong passwords. */
enum step auth_server_step(struct auth_server *s, const struct span *in,
    struct buf *out, struct err *e);
/* Behind STEP_MORE: the password that is to be judged elsewhere, or NULL; then
 * auth_server_verdict() goes on, with STEP_DONE or STEP_FAIL. That is so for
 * AUTH_PAM and AUTH_LDAP, and for what was deferred. */
const char *auth_server_asks(const struct auth_server *s);
enum step auth_server_verdict(struct auth_server *s, bool good,
    struct err *e);
/* The verifier that a deferred password has to fit. With two of them a
 * verdict against the first gives STEP_MORE, and the second is asked for. */
const struct scram_verifier *auth_server_judge(const struct auth_server *s);
/* After STEP_DONE: the method really used; for SCRAM with a stored SCRAM
 * secret also the keys for pass-through (true). For AUTH_PLAIN: the password
 * that proved right, or NULL. */
enum auth_method auth_server_method(const struct auth_server *s);
bool auth_server_keys(const struct auth_server *s, struct scram_keys *k);
/* After STEP_DONE: it was the old secret. */
bool auth_server_used_old(const struct auth_server *s);
/* Lives as long as s. */
const char *auth_server_password(const struct auth_server *s);
/* For a plain secret by SCRAM: the verifier that was derived, to be kept by
 * the caller and passed in next time; NULL otherwise. */
const struct scram_verifier *auth_server_verifier(const struct auth_server *s);

/* We prove ourselves to a server. Where keys are given they are used for
 * SCRAM in place of the secret. */
struct auth_client;

struct auth_client_args {
	const char *user;
	const char *secret; /* of any kind, or NULL */
	const struct scram_keys *keys; /* pass-through, or NULL */
	bool defer; /* derive nothing, see auth_client_wants() */
	/* Over TLS: the hash of the server's certificate, copied; SCRAM binds
	 * to it if the server offers that. Empty: it does not. */
	struct span end_point;
};

struct auth_client *auth_client_new(const struct auth_client_args *a);
void auth_client_free(struct auth_client *c);
/* The body of each 'R' message but AuthenticationOk (code 0), for which it
 * gives STEP_DONE, or STEP_FAIL if a SCRAM server has not proven itself yet.
 * Errors: `server login failed: wrong password type`, `server login failed:
 * none of the server's SASL authentication mechanisms are supported`, `server
 * login failed: failed to verify server signature`, SQLSTATE 28P01/28000, and
 * a hint about which secret would work. A cleartext request is answered only
 * with a plain secret. */
enum step auth_client_step(struct auth_client *c, struct span body,
    struct buf *out, struct err *e);
/* Deferred: what has to be derived from the plain secret before it goes on
 * with auth_client_give(). Nothing may be fed in meanwhile. */
bool auth_client_wants(const struct auth_client *c, struct span *salt,
    uint32_t *iterations);
enum step auth_client_give(struct auth_client *c,
    const struct scram_keys *keys, struct buf *out, struct err *e);

#endif
