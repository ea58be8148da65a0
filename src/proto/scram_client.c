/* We prove ourselves to a server. */
#include <stdlib.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/digest.h"
#include "scram_impl.h"

struct scram_client {
	char *password; /* or NULL, and then there are keys */
	struct scram_keys keys;
	enum scram_state state;
	bool deferred;
	bool wanting; /* keys, before it goes on */
	struct scram_binding binding; /* that there is */
	uint8_t flag; /* what we make of it: n, y or p */
	char nonce[SCRAM_NONCE + 1];
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

	c->flag = 'n';
	if (keys != NULL)
		c->keys = *keys;
	else
		c->password = xstrdup(password);
	scram_put_nonce(&nonce);
	memcpy(c->nonce, buf_head(&nonce), SCRAM_NONCE);
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
scram_client_bind(struct scram_client *c, struct span end_point, bool plus)
{
	scram_binding_set(&c->binding, end_point);
	c->flag = c->binding.n == 0 ? 'n' : plus ? 'p' : 'y';
}

void
scram_client_first(struct scram_client *c, struct buf *out)
{
	buf_reset(&c->said);
	c->state = WANTS_FIRST;
	/* PostgreSQL wants the name in the startup packet and none here. */
	buf_printf(&c->said, "n=,r=%s", c->nonce);
	scram_put_gs2(out, c->flag);
	scram_put(out, buf_span(&c->said));
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

	buf_append(&final, "c=", 2);
	scram_put_binding(&final, c->flag, &c->binding);
	buf_append(&final, ",r=", 3);
	scram_put(&final, nonce);
	buf_append(&c->said, ",", 1);
	scram_put(&c->said, in);
	buf_append(&c->said, ",", 1);
	scram_put(&c->said, buf_span(&final));
	if (!client_proof(c, proof)) {
		buf_free(&final);
		err_set(e, "XX000", "server login failed: no SHA-256");
		return STEP_FAIL;
	}
	scram_put(out, buf_span(&final));
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
	struct scram_attrs a;
	enum step step;

	scram_attrs_init(&a, in);
	if (scram_attrs_next(&a, &nonce) != 'r' || nonce.n <= SCRAM_NONCE ||
	    !scram_nonce_is_plain(nonce) ||
	    memcmp(nonce.p, c->nonce, SCRAM_NONCE) != 0)
		return client_malformed(e, "nonce does not match");
	if (scram_attrs_next(&a, &salt64) != 's')
		return client_malformed(e, "no salt");
	if (scram_attrs_next(&a, &iter) != 'i' ||
	    !scram_iterations(iter, SCRAM_ITERATIONS_MAX, &c->iterations))
		return client_malformed(e, "iteration count out of range");
	if (!scram_attrs_skip_rest(&a))
		return client_malformed(e, "extension is no attribute");
	buf_reset(&c->salt);
	if (!base64_decode(&c->salt, salt64) || buf_len(&c->salt) == 0)
		return client_malformed(e, "salt is not base64");
	if (c->password == NULL)
		return client_final(c, in, nonce, out, e);
	scram_put(&c->first, in);
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
	struct scram_attrs a;

	c->wanting = false;
	c->keys = *keys;
	scram_attrs_init(&a, buf_span(&c->first));
	scram_attrs_next(&a, &nonce);
	return client_final(c, buf_span(&c->first), nonce, out, e);
}

static enum step
client_got_final(struct scram_client *c, struct span in, struct err *e)
{
	uint8_t theirs[SCRAM_KEY], ours[SCRAM_KEY];
	struct span value;
	struct scram_attrs a;
	uint8_t letter;

	scram_attrs_init(&a, in);
	letter = scram_attrs_next(&a, &value);
	if (letter == 'e') {
		err_set(e, "28P01",
		    "server login failed: SASL authentication failed");
		err_detail(e, "the server says: %.*s",
		    (int)(value.n < 200 ? value.n : 200),
		    (const char *)value.p);
		return STEP_FAIL;
	}
	if (letter != 'v' || !scram_decode_key(value, theirs) ||
	    !scram_attrs_skip_rest(&a))
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
	enum scram_state state = c->state;

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
