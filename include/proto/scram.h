/*
 * scram: SCRAM-SHA-256 (RFC 5802, RFC 7677), both sides, with or without
 * channel binding (RFC 5929, tls-server-end-point). Engines: span in, buf out.
 *
 * Everything that came from the wire is length-checked text; nonces and salts
 * may be long. Comparisons of proofs and signatures take constant time. Keys
 * are wiped by *_fini.
 *
 * Pure, except that nonces come from random_bytes().
 */
#ifndef PROTO_SCRAM_H
#define PROTO_SCRAM_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

#define SCRAM_MECHANISM "SCRAM-SHA-256"
#define SCRAM_MECHANISM_PLUS SCRAM_MECHANISM "-PLUS"
#define SCRAM_BINDING_MAX 64
#define SCRAM_KEY 32
#define SCRAM_ITERATIONS 4096
/* What we are ready to compute at a server's word, or to check a cleartext
 * password: about a second. Stored verifiers that only have to be compared
 * may have more. */
#define SCRAM_ITERATIONS_MAX 1000000

enum step { STEP_MORE, STEP_DONE, STEP_FAIL };

/* What PostgreSQL stores: SCRAM-SHA-256$iter:salt$StoredKey:ServerKey. */
struct scram_verifier {
	uint32_t iterations;
	uint8_t salt[64];
	size_t salt_n;
	uint8_t stored_key[SCRAM_KEY];
	uint8_t server_key[SCRAM_KEY];
};

/* Keys that log in without the password (pass-through, or cached). */
struct scram_keys {
	uint8_t client_key[SCRAM_KEY];
	uint8_t server_key[SCRAM_KEY];
};

bool scram_verifier_parse(const char *secret, struct scram_verifier *v);
/* What a password (SASLprep, raw if that fails) comes to with this salt. Costs
 * `iterations` HMACs; false if libcrypto refuses. */
bool scram_keys_derive(const char *password, struct span salt,
    uint32_t iterations, struct scram_keys *k);
/* The verifier of such keys. A salt has at most 64 bytes. */
void scram_verifier_of(const struct scram_keys *k, struct span salt,
    uint32_t iterations, struct scram_verifier *v);
/* From a plain password (SASLprep, raw if that fails) and a random salt.
 * Costs `iterations` HMACs: about 3 ms for 4096. */
void scram_verifier_make(const char *password, uint32_t iterations,
    struct scram_verifier *v);
/* Whether the password fits; costs as much as making one. */
bool scram_verifier_check(const struct scram_verifier *v,
    const char *password);
/* A verifier nothing matches, the same each time for a name and seed. */
void scram_verifier_mock(const char *user, const uint8_t seed[32],
    uint32_t iterations, struct scram_verifier *v);

/* Server side: the client proves itself to us. */
struct scram_server;
/* doomed: go through the exchange and fail at its end, whatever comes. */
struct scram_server *scram_server_new(const struct scram_verifier *v,
    bool doomed);
void scram_server_free(struct scram_server *s);
/* Channel binding was offered to the client: end_point is the hash of our
 * certificate, copied. plus: the client has chosen the mechanism with it, and
 * has to bind to this hash. If it has not, it may not say that we had not
 * offered it: somebody between us took the offer away. */
void scram_server_bind(struct scram_server *s, struct span end_point,
    bool plus);
/* A second secret is valid too. Its verifier must have the same salt and
 * iterations, since a client is told one of each. */
void scram_server_also(struct scram_server *s, const struct scram_verifier *v);
/* After STEP_DONE: it was the second one. */
bool scram_server_was_other(const struct scram_server *s);
bool scram_verifier_agrees(const struct scram_verifier *a,
    const struct scram_verifier *b);
/* in: client-first (without the SASLInitialResponse frame), then client-final.
 * out: server-first, then server-final. STEP_DONE: proven; keys (may be NULL)
 * get the client's keys for pass-through. STEP_FAIL with error: 28P01 for a
 * wrong proof, 28000 for a wrong binding, 08P01 for a malformed message. */
enum step scram_server_step(struct scram_server *s, struct span in,
    struct buf *out, struct scram_keys *keys, struct err *e);

/* Client side: we prove ourselves to a server. Either password or keys. */
struct scram_client;
struct scram_client *scram_client_new(const char *password,
    const struct scram_keys *keys);
void scram_client_free(struct scram_client *c);
/* Before scram_client_first(): we could bind to the hash of the server's
 * certificate (copied); plus: and do so, else the server is told that it has
 * not offered it. */
void scram_client_bind(struct scram_client *c, struct span end_point,
    bool plus);
void scram_client_first(struct scram_client *c, struct buf *out);
/* in: server-first gives client-final (STEP_MORE); server-final is verified
 * (STEP_DONE). */
enum step scram_client_step(struct scram_client *c, struct span in,
    struct buf *out, struct err *e);
/* For who has a password and does not want to pay for the derivation inside
 * scram_client_step(): behind server-first that gives STEP_MORE and nothing to
 * send, and wants() says what to derive; give() goes on with client-final. */
void scram_client_defer(struct scram_client *c);
bool scram_client_wants(const struct scram_client *c, struct span *salt,
    uint32_t *iterations);
enum step scram_client_give(struct scram_client *c,
    const struct scram_keys *keys, struct buf *out, struct err *e);

#endif
