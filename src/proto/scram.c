#include <stdlib.h>
#include <string.h>

#ifdef HAVE_LIBIDN
#include <stringprep.h>
#endif

#include "proto/base64.h"
#include "proto/digest.h"
#include "proto/scram.h"

#define SALT_LEN 16 /* of salts we make */
#define NONCE_RAW 18 /* random bytes; 24 characters */
#define NONCE_LEN 24

#define KEY_SPAN(key) SPAN(key, SCRAM_KEY)

/* Attributes: "a=value,b=value". */

struct attrs {
	struct span rest;
	bool more;
};

static void
attrs_init(struct attrs *a, struct span text)
{
	a->rest = text;
	a->more = true;
}

/* The letter of the next attribute, or 0 when there is none or it is no
 * attribute. */
static uint8_t
attrs_next(struct attrs *a, struct span *value)
{
	const uint8_t *p = a->rest.p;
	const uint8_t *comma;
	size_t n;

	if (!a->more || a->rest.n < 2 || p[1] != '=' ||
	    !((p[0] >= 'a' && p[0] <= 'z') || (p[0] >= 'A' && p[0] <= 'Z')))
		return 0;
	comma = memchr(p, ',', a->rest.n);
	n = comma != NULL ? (size_t)(comma - p) : a->rest.n;
	*value = SPAN(p + 2, n - 2);
	a->more = comma != NULL;
	a->rest = comma != NULL ? SPAN(comma + 1, a->rest.n - n - 1) :
	    SPAN(NULL, 0);
	return p[0];
}

/* The rest are extensions, which need to be well formed and no more. */
static bool
attrs_skip_rest(struct attrs *a)
{
	struct span value;

	while (a->more)
		if (attrs_next(a, &value) == 0)
			return false;
	return true;
}

/* 1 to max, without sign, blanks or leading zeros. */
static bool
parse_iterations(struct span text, uint32_t max, uint32_t *out)
{
	uint64_t v = 0;
	size_t i;

	if (text.n == 0 || text.n > 10 || text.p[0] == '0')
		return false;
	for (i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		v = v * 10 + (text.p[i] - '0');
	}
	*out = (uint32_t)v;
	return v >= 1 && v <= max;
}

static bool
nonce_is_plain(struct span nonce)
{
	size_t i;

	for (i = 0; i < nonce.n; i++)
		if (nonce.p[i] < 0x21 || nonce.p[i] > 0x7e ||
		    nonce.p[i] == ',')
			return false;
	return nonce.n > 0;
}

static void
put_nonce(struct buf *out)
{
	uint8_t raw[NONCE_RAW];

	random_bytes(raw, sizeof(raw));
	base64_encode(out, raw, sizeof(raw));
}

static void
put_span(struct buf *out, struct span s)
{
	buf_append(out, s.p, s.n);
}

static bool
decode_key(struct span text, uint8_t key[SCRAM_KEY])
{
	struct buf raw = { 0 };
	bool ok = base64_decode(&raw, text) && buf_len(&raw) == SCRAM_KEY;

	if (ok)
		memcpy(key, buf_head(&raw), SCRAM_KEY);
	buf_wipe_free(&raw);
	return ok;
}

/* Keys and verifiers. */

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
	ok = parse_iterations(SPAN(iter, salt - iter), INT32_MAX,
	    &v->iterations) &&
	    base64_decode(&raw, SPAN(salt + 1, stored - salt - 1)) &&
	    buf_len(&raw) > 0 && buf_len(&raw) <= sizeof(v->salt) &&
	    decode_key(SPAN(stored + 1, server - stored - 1),
	    v->stored_key) &&
	    decode_key(span_of(server + 1), v->server_key);
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

/* Server side. */

enum state { WANTS_FIRST, WANTS_FINAL, IS_OVER };

struct scram_server {
	struct scram_verifier v;
	struct scram_verifier other; /* without iterations: there is none */
	bool was_other;
	bool doomed;
	enum state state;
	uint8_t flag; /* channel binding, as the client began: n or y */
	struct buf nonce; /* both halves */
	struct buf said; /* client-first-bare "," server-first */
};

struct scram_server *
scram_server_new(const struct scram_verifier *v, bool doomed)
{
	struct scram_server *s = xcalloc(1, sizeof(*s));

	s->v = *v;
	s->doomed = doomed;
	return s;
}

bool
scram_verifier_agrees(const struct scram_verifier *a,
    const struct scram_verifier *b)
{
	return a->iterations == b->iterations && a->salt_n == b->salt_n &&
	    memcmp(a->salt, b->salt, a->salt_n) == 0;
}

void
scram_server_also(struct scram_server *s, const struct scram_verifier *v)
{
	if (scram_verifier_agrees(&s->v, v))
		s->other = *v;
}

bool
scram_server_was_other(const struct scram_server *s)
{
	return s->was_other;
}

void
scram_server_free(struct scram_server *s)
{
	if (s == NULL)
		return;
	buf_free(&s->nonce);
	buf_free(&s->said);
	wipe(s, sizeof(*s));
	free(s);
}

static enum step
server_malformed(struct err *e, const char *what)
{
	err_set(e, "08P01", "SASL authentication failed");
	err_detail(e, "malformed SCRAM message: %s", what);
	return STEP_FAIL;
}

/* "n,," or "y,,", and then the part that is signed. */
static const char *
gs2_header(struct scram_server *s, struct span in, struct span *bare)
{
	if (in.n < 3)
		return "too short";
	if (in.p[0] == 'p')
		return "channel binding was not offered";
	if ((in.p[0] != 'n' && in.p[0] != 'y') || in.p[1] != ',')
		return "unknown channel binding flag";
	if (in.p[2] != ',')
		return "an authorization identity is not supported";
	s->flag = in.p[0];
	*bare = SPAN(in.p + 3, in.n - 3);
	return NULL;
}

static enum step
server_first(struct scram_server *s, struct span in, struct buf *out,
    struct err *e)
{
	const char *trouble;
	struct span bare, name, nonce;
	struct attrs a;
	size_t at;
	uint8_t letter;

	trouble = gs2_header(s, in, &bare);
	if (trouble != NULL)
		return server_malformed(e, trouble);
	attrs_init(&a, bare);
	letter = attrs_next(&a, &name);
	if (letter == 'm')
		return server_malformed(e, "mandatory extension");
	/* The name counts for nothing: that of the startup packet does. */
	if (letter != 'n')
		return server_malformed(e, "no user name");
	if (attrs_next(&a, &nonce) != 'r' || !nonce_is_plain(nonce))
		return server_malformed(e, "no nonce");
	if (!attrs_skip_rest(&a))
		return server_malformed(e, "extension is no attribute");
	put_span(&s->nonce, nonce);
	put_nonce(&s->nonce);
	put_span(&s->said, bare);
	buf_append(&s->said, ",", 1);
	at = buf_len(&s->said);
	buf_append(&s->said, "r=", 2);
	put_span(&s->said, buf_span(&s->nonce));
	buf_append(&s->said, ",s=", 3);
	base64_encode(&s->said, s->v.salt, s->v.salt_n);
	buf_printf(&s->said, ",i=%u", (unsigned)s->v.iterations);
	buf_append(out, buf_head(&s->said) + at, buf_len(&s->said) - at);
	s->state = WANTS_FINAL;
	return STEP_MORE;
}

/* The client's key by its proof, if that is right. */
static bool
check_proof(const struct scram_server *s, const struct scram_verifier *v,
    struct span auth_message, const uint8_t proof[SCRAM_KEY],
    uint8_t client_key[SCRAM_KEY])
{
	uint8_t signature[SCRAM_KEY], stored[SCRAM_KEY];
	bool ok;
	size_t i;

	ok = digest_hmac_sha256(KEY_SPAN(v->stored_key), auth_message,
	    signature);
	for (i = 0; i < SCRAM_KEY; i++)
		client_key[i] = proof[i] ^ signature[i];
	ok = digest_sha256(SPAN(client_key, SCRAM_KEY), stored) && ok;
	ok = digest_same(stored, v->stored_key, SCRAM_KEY) && ok;
	return ok && !s->doomed && v->iterations > 0;
}

static enum step
server_prove(struct scram_server *s, struct span auth_message,
    const uint8_t proof[SCRAM_KEY], struct buf *out, struct scram_keys *keys,
    struct err *e)
{
	uint8_t client_key[SCRAM_KEY], signature[SCRAM_KEY];

	const struct scram_verifier *v = &s->v;

	if (!check_proof(s, v, auth_message, proof, client_key) &&
	    s->other.iterations > 0) {
		v = &s->other;
		s->was_other = true;
	}
	if (!check_proof(s, v, auth_message, proof, client_key) ||
	    !digest_hmac_sha256(KEY_SPAN(v->server_key), auth_message,
	    signature)) {
		wipe(client_key, sizeof(client_key));
		err_set(e, "28P01", "SASL authentication failed");
		return STEP_FAIL;
	}
	if (keys != NULL) {
		memcpy(keys->client_key, client_key, SCRAM_KEY);
		memcpy(keys->server_key, v->server_key, SCRAM_KEY);
	}
	wipe(client_key, sizeof(client_key));
	buf_append(out, "v=", 2);
	base64_encode(out, signature, sizeof(signature));
	return STEP_DONE;
}

static enum step
server_final(struct scram_server *s, struct span in, struct buf *out,
    struct scram_keys *keys, struct err *e)
{
	struct span binding, nonce, value;
	uint8_t proof[SCRAM_KEY];
	struct attrs a;
	uint8_t letter;

	attrs_init(&a, in);
	if (attrs_next(&a, &binding) != 'c' ||
	    !span_is(binding, s->flag == 'n' ? "biws" : "eSws"))
		return server_malformed(e, "channel binding does not match");
	if (attrs_next(&a, &nonce) != 'r' ||
	    !span_eq(nonce, buf_span(&s->nonce)))
		return server_malformed(e, "nonce does not match");
	do
		letter = attrs_next(&a, &value);
	while (letter != 'p' && letter != 0);
	if (letter == 0 || a.more || !decode_key(value, proof))
		return server_malformed(e, "no proof at the end");
	buf_append(&s->said, ",", 1);
	put_span(&s->said, SPAN(in.p, value.p - 3 - in.p));
	return server_prove(s, buf_span(&s->said), proof, out, keys, e);
}

enum step
scram_server_step(struct scram_server *s, struct span in, struct buf *out,
    struct scram_keys *keys, struct err *e)
{
	enum state state = s->state;

	s->state = IS_OVER; /* unless the step says else */
	if (in.n > 0 && memchr(in.p, '\0', in.n) != NULL)
		return server_malformed(e, "a zero byte");
	switch (state) {
	case WANTS_FIRST:
		return server_first(s, in, out, e);
	case WANTS_FINAL:
		return server_final(s, in, out, keys, e);
	case IS_OVER:
		break;
	}
	return server_malformed(e, "the exchange is over");
}

/* Client side. */

struct scram_client {
	char *password; /* or NULL, and then there are keys */
	struct scram_keys keys;
	enum state state;
	bool deferred;
	bool wanting; /* keys, before it goes on */
	char nonce[NONCE_LEN + 1];
	struct buf said; /* AuthMessage, as far as it has grown */
	struct buf first; /* server-first, while wanting */
	struct buf salt;
	uint32_t iterations;
};

struct scram_client *
scram_client_new(const char *password, const struct scram_keys *keys)
{
	struct scram_client *c = xcalloc(1, sizeof(*c));
	struct buf nonce = { 0 };

	if (keys != NULL)
		c->keys = *keys;
	else
		c->password = xstrdup(password);
	put_nonce(&nonce);
	memcpy(c->nonce, buf_head(&nonce), NONCE_LEN);
	buf_free(&nonce);
	return c;
}

void
scram_client_free(struct scram_client *c)
{
	if (c == NULL)
		return;
	wipe_free(c->password);
	buf_free(&c->said);
	buf_free(&c->first);
	buf_free(&c->salt);
	wipe(c, sizeof(*c));
	free(c);
}

void
scram_client_first(struct scram_client *c, struct buf *out)
{
	buf_reset(&c->said);
	c->state = WANTS_FIRST;
	/* PostgreSQL wants the name in the startup packet and none here. */
	buf_printf(&c->said, "n=,r=%s", c->nonce);
	buf_append(out, "n,,", 3);
	put_span(out, buf_span(&c->said));
}

static enum step
client_malformed(struct err *e, const char *what)
{
	err_set(e, "08P01", "server login failed: malformed SCRAM message");
	err_detail(e, "%s", what);
	return STEP_FAIL;
}

static bool
client_proof(struct scram_client *c, uint8_t proof[SCRAM_KEY])
{
	uint8_t stored[SCRAM_KEY], signature[SCRAM_KEY];
	size_t i;

	if (!digest_sha256(KEY_SPAN(c->keys.client_key), stored) ||
	    !digest_hmac_sha256(KEY_SPAN(stored), buf_span(&c->said),
	    signature))
		return false;
	for (i = 0; i < SCRAM_KEY; i++)
		proof[i] = c->keys.client_key[i] ^ signature[i];
	return true;
}

static enum step
client_final(struct scram_client *c, struct span in, struct span nonce,
    struct buf *out, struct err *e)
{
	struct buf final = { 0 };
	uint8_t proof[SCRAM_KEY];

	buf_append(&final, "c=biws,r=", 9);
	put_span(&final, nonce);
	buf_append(&c->said, ",", 1);
	put_span(&c->said, in);
	buf_append(&c->said, ",", 1);
	put_span(&c->said, buf_span(&final));
	if (!client_proof(c, proof)) {
		buf_free(&final);
		err_set(e, "XX000", "server login failed: no SHA-256");
		return STEP_FAIL;
	}
	put_span(out, buf_span(&final));
	buf_free(&final);
	buf_append(out, ",p=", 3);
	base64_encode(out, proof, sizeof(proof));
	c->state = WANTS_FINAL;
	return STEP_MORE;
}

static enum step
client_got_first(struct scram_client *c, struct span in, struct buf *out,
    struct err *e)
{
	struct span nonce, salt64, iter;
	struct scram_keys keys;
	struct attrs a;
	enum step step;

	attrs_init(&a, in);
	if (attrs_next(&a, &nonce) != 'r' || nonce.n <= NONCE_LEN ||
	    !nonce_is_plain(nonce) ||
	    memcmp(nonce.p, c->nonce, NONCE_LEN) != 0)
		return client_malformed(e, "nonce does not match");
	if (attrs_next(&a, &salt64) != 's')
		return client_malformed(e, "no salt");
	if (attrs_next(&a, &iter) != 'i' ||
	    !parse_iterations(iter, SCRAM_ITERATIONS_MAX, &c->iterations))
		return client_malformed(e, "iteration count out of range");
	if (!attrs_skip_rest(&a))
		return client_malformed(e, "extension is no attribute");
	buf_reset(&c->salt);
	if (!base64_decode(&c->salt, salt64) || buf_len(&c->salt) == 0)
		return client_malformed(e, "salt is not base64");
	if (c->password == NULL)
		return client_final(c, in, nonce, out, e);
	put_span(&c->first, in);
	c->wanting = true;
	if (c->deferred)
		return STEP_MORE;
	if (!scram_keys_derive(c->password, buf_span(&c->salt),
	    c->iterations, &keys)) {
		err_set(e, "XX000", "server login failed: no SHA-256");
		return STEP_FAIL;
	}
	step = scram_client_give(c, &keys, out, e);
	wipe(&keys, sizeof(keys));
	return step;
}

void
scram_client_defer(struct scram_client *c)
{
	c->deferred = true;
}

bool
scram_client_wants(const struct scram_client *c, struct span *salt,
    uint32_t *iterations)
{
	if (c->wanting) {
		*salt = buf_span(&c->salt);
		*iterations = c->iterations;
	}
	return c->wanting;
}

enum step
scram_client_give(struct scram_client *c, const struct scram_keys *keys,
    struct buf *out, struct err *e)
{
	struct span nonce;
	struct attrs a;

	c->wanting = false;
	c->keys = *keys;
	attrs_init(&a, buf_span(&c->first));
	attrs_next(&a, &nonce);
	return client_final(c, buf_span(&c->first), nonce, out, e);
}

static enum step
client_got_final(struct scram_client *c, struct span in, struct err *e)
{
	uint8_t theirs[SCRAM_KEY], ours[SCRAM_KEY];
	struct span value;
	struct attrs a;
	uint8_t letter;

	attrs_init(&a, in);
	letter = attrs_next(&a, &value);
	if (letter == 'e') {
		err_set(e, "28P01",
		    "server login failed: SASL authentication failed");
		err_detail(e, "the server says: %.*s",
		    (int)(value.n < 200 ? value.n : 200),
		    (const char *)value.p);
		return STEP_FAIL;
	}
	if (letter != 'v' || !decode_key(value, theirs) ||
	    !attrs_skip_rest(&a))
		return client_malformed(e, "no server signature");
	if (!digest_hmac_sha256(KEY_SPAN(c->keys.server_key),
	    buf_span(&c->said), ours) ||
	    !digest_same(ours, theirs, SCRAM_KEY)) {
		err_set(e, "28P01", "server login failed: failed to verify "
		    "server signature");
		return STEP_FAIL;
	}
	return STEP_DONE;
}

enum step
scram_client_step(struct scram_client *c, struct span in, struct buf *out,
    struct err *e)
{
	enum state state = c->state;

	c->state = IS_OVER;
	if (in.n > 0 && memchr(in.p, '\0', in.n) != NULL)
		return client_malformed(e, "a zero byte");
	switch (state) {
	case WANTS_FIRST:
		return client_got_first(c, in, out, e);
	case WANTS_FINAL:
		return client_got_final(c, in, e);
	case IS_OVER:
		break;
	}
	return client_malformed(e, "the exchange is over");
}
