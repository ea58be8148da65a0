/* Keys and verifiers. */
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_LIBIDN
#include <stringprep.h>
#endif

#include "proto/base64.h"
#include "proto/digest.h"
#include "scram_impl.h"

#define SALT_LEN 16 /* of salts we make */

/* RFC 4013. As PostgreSQL does, what cannot be prepared (not UTF-8, forbidden
 * or unassigned characters) is used as it is. Wiped and freed by the caller. */
static char *
saslprep(const char *password)
{
#ifdef HAVE_LIBIDN
	char *out = NULL;

	if (stringprep_profile(password, &out, "SASLprep",
	    STRINGPREP_NO_UNASSIGNED) == STRINGPREP_OK) {
		if (out[0] != '\0')
			return out;
		free(out);
	}
#endif
	return xstrdup(password);
}

static bool
salted_password(const char *password, struct span salt, uint32_t iterations,
    uint8_t out[SCRAM_KEY])
{
	char *prepared = saslprep(password);
	bool ok = digest_pbkdf2(span_of(prepared), salt, iterations, out);

	wipe_free(prepared);
	return ok;
}

bool
scram_keys_derive(const char *password, struct span salt, uint32_t iterations,
    struct scram_keys *k)
{
	uint8_t salted[SCRAM_KEY];
	bool ok;

	ok = salted_password(password, salt, iterations, salted) &&
	    digest_hmac_sha256(KEY_SPAN(salted), SPAN_LIT("Client Key"),
	    k->client_key) &&
	    digest_hmac_sha256(KEY_SPAN(salted), SPAN_LIT("Server Key"),
	    k->server_key);
	wipe(salted, sizeof(salted));
	return ok;
}

bool
scram_verifier_parse(const char *secret, struct scram_verifier *v)
{
	static const char prefix[] = SCRAM_MECHANISM "$";
	const char *iter, *salt, *stored, *server;
	struct buf raw = { 0 };
	bool ok;

	*v = (struct scram_verifier){ 0 };
	if (secret == NULL || strncmp(secret, prefix, sizeof(prefix) - 1) != 0)
		return false;
	iter = secret + sizeof(prefix) - 1;
	salt = strchr(iter, ':');
	stored = salt != NULL ? strchr(salt, '$') : NULL;
	server = stored != NULL ? strchr(stored, ':') : NULL;
	if (server == NULL)
		return false;
	ok = scram_iterations(SPAN(iter, salt - iter), INT32_MAX,
	    &v->iterations) &&
	    base64_decode(&raw, SPAN(salt + 1, stored - salt - 1)) &&
	    buf_len(&raw) > 0 && buf_len(&raw) <= sizeof(v->salt) &&
	    scram_decode_key(SPAN(stored + 1, server - stored - 1),
	    v->stored_key) &&
	    scram_decode_key(span_of(server + 1), v->server_key);
	if (ok) {
		v->salt_n = buf_len(&raw);
		memcpy(v->salt, buf_head(&raw), v->salt_n);
	}
	buf_free(&raw);
	return ok;
}

void
scram_verifier_of(const struct scram_keys *k, struct span salt,
    uint32_t iterations, struct scram_verifier *v)
{
	*v = (struct scram_verifier){ .iterations = iterations,
		.salt_n = salt.n };
	if (salt.n > sizeof(v->salt) ||
	    !digest_sha256(KEY_SPAN(k->client_key), v->stored_key)) {
		v->iterations = 0;
		v->salt_n = 0;
	}
	memcpy(v->salt, salt.p, v->salt_n);
	memcpy(v->server_key, k->server_key, SCRAM_KEY);
}

/* A verifier without iterations is one that nothing matches. */
static void
verifier_fill(const char *password, struct scram_verifier *v)
{
	struct scram_keys k = { 0 };

	if (!scram_keys_derive(password, SPAN(v->salt, v->salt_n),
	    v->iterations, &k) || !digest_sha256(KEY_SPAN(k.client_key), v->stored_key))
		v->iterations = 0;
	memcpy(v->server_key, k.server_key, SCRAM_KEY);
	wipe(&k, sizeof(k));
}

void
scram_verifier_make(const char *password, uint32_t iterations,
    struct scram_verifier *v)
{
	*v = (struct scram_verifier){ .iterations = iterations,
		.salt_n = SALT_LEN };
	random_bytes(v->salt, v->salt_n);
	verifier_fill(password, v);
}

bool
scram_verifier_check(const struct scram_verifier *v, const char *password)
{
	struct scram_verifier mine = *v;
	bool ok;

	if (v->iterations < 1 || v->iterations > SCRAM_ITERATIONS_MAX)
		return false;
	verifier_fill(password, &mine);
	ok = mine.iterations != 0 &&
	    digest_same(mine.stored_key, v->stored_key, SCRAM_KEY);
	wipe(&mine, sizeof(mine));
	return ok;
}

static void
mock_bytes(const char *user, const uint8_t seed[32], const char *what,
    uint8_t out[SCRAM_KEY])
{
	struct buf text = { 0 };

	buf_printf(&text, "%s:%s", what, user);
	digest_hmac_sha256(SPAN(seed, 32), buf_span(&text), out);
	buf_free(&text);
}

void
scram_verifier_mock(const char *user, const uint8_t seed[32],
    uint32_t iterations, struct scram_verifier *v)
{
	uint8_t salt[SCRAM_KEY];

	*v = (struct scram_verifier){ .iterations = iterations,
		.salt_n = SALT_LEN };
	mock_bytes(user, seed, "salt", salt);
	memcpy(v->salt, salt, SALT_LEN);
	mock_bytes(user, seed, "stored", v->stored_key);
	mock_bytes(user, seed, "server", v->server_key);
}
