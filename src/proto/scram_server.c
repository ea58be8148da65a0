/* The client proves itself to us. */
#include <stdlib.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/digest.h"
#include "scram_impl.h"

struct scram_server {
	struct scram_verifier v;
	struct scram_verifier other; /* without iterations: there is none */
	bool was_other;
	bool doomed;
	enum scram_state state;
	struct scram_binding binding; /* that was offered */
	bool plus; /* ... and chosen */
	uint8_t flag; /* as the client began: n, y or p */
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

void
scram_server_bind(struct scram_server *s, struct span end_point, bool plus)
{
	scram_binding_set(&s->binding, end_point);
	s->plus = plus;
}

static bool
malformed(struct err *e, const char *what)
{
	server_malformed(e, what);
	return false;
}

/* The flag against what was offered and chosen; PostgreSQL's words. */
static bool
flag_fits(const struct scram_server *s, struct span type, struct err *e)
{
	if (s->flag == 'p' && !s->plus)
		return malformed(e, "the client selected SCRAM-SHA-256 "
		    "without channel binding, but the SCRAM message includes "
		    "channel binding data");
	if (s->flag != 'p' && s->plus)
		return malformed(e, "the client selected SCRAM-SHA-256-PLUS, "
		    "but the SCRAM message does not include channel binding "
		    "data");
	if (s->flag == 'p' && !span_is(type, SCRAM_BINDING)) {
		err_set(e, "08P01", "unsupported SCRAM channel-binding type");
		err_detail(e, "only " SCRAM_BINDING " is supported");
		return false;
	}
	if (s->flag == 'y' && s->binding.n > 0) {
		err_set(e, "28000",
		    "SCRAM channel binding negotiation error");
		err_detail(e, "the client supports SCRAM channel binding but "
		    "thinks the server does not; however, this server does "
		    "support channel binding");
		return false;
	}
	return true;
}

/* "n,,", "y,," or "p=type,,", and then the part that is signed. */
static bool
gs2_header(struct scram_server *s, struct span in, struct span *bare,
    struct err *e)
{
	struct span type = SPAN(NULL, 0);
	const uint8_t *comma;

	if (in.n < 3)
		return malformed(e, "too short");
	s->flag = in.p[0];
	if (s->flag == 'p' && in.p[1] == '=') {
		comma = memchr(in.p, ',', in.n);
		if (comma == NULL)
			return malformed(e, "too short");
		type = SPAN(in.p + 2, comma - in.p - 2);
	} else if ((s->flag == 'n' || s->flag == 'y') && in.p[1] == ',') {
		comma = in.p + 1;
	} else {
		return malformed(e, "unknown channel binding flag");
	}
	if (!flag_fits(s, type, e))
		return false;
	*bare = SPAN(comma + 1, in.p + in.n - comma - 1);
	if (bare->n == 0 || bare->p[0] != ',')
		return malformed(e, "an authorization identity is not "
		    "supported");
	bare->p++;
	bare->n--;
	return true;
}

static enum step
server_first(struct scram_server *s, struct span in, struct buf *out,
    struct err *e)
{
	struct span bare, name, nonce;
	struct scram_attrs a;
	size_t at;
	uint8_t letter;

	if (!gs2_header(s, in, &bare, e))
		return STEP_FAIL;
	scram_attrs_init(&a, bare);
	letter = scram_attrs_next(&a, &name);
	if (letter == 'm')
		return server_malformed(e, "mandatory extension");
	/* The name counts for nothing: that of the startup packet does. */
	if (letter != 'n')
		return server_malformed(e, "no user name");
	if (scram_attrs_next(&a, &nonce) != 'r' || !scram_nonce_is_plain(nonce))
		return server_malformed(e, "no nonce");
	if (!scram_attrs_skip_rest(&a))
		return server_malformed(e, "extension is no attribute");
	scram_put(&s->nonce, nonce);
	scram_put_nonce(&s->nonce);
	scram_put(&s->said, bare);
	buf_append(&s->said, ",", 1);
	at = buf_len(&s->said);
	buf_append(&s->said, "r=", 2);
	scram_put(&s->said, buf_span(&s->nonce));
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

/* It binds to the channel we see: what was said in the first message, and the
 * hash of our certificate, not of that of somebody between us. */
static bool
binding_fits(const struct scram_server *s, struct span text, struct err *e)
{
	struct buf want = { 0 };
	bool same;

	scram_put_binding(&want, s->flag, &s->binding);
	same = span_eq(text, buf_span(&want));
	buf_free(&want);
	if (same)
		return true;
	if (!s->plus)
		return malformed(e, "unexpected SCRAM channel-binding "
		    "attribute in client-final-message");
	err_set(e, "28000", "SCRAM channel binding check failed");
	err_hint(e, "the client has seen another certificate than ours: "
	    "somebody between us ends its TLS");
	return false;
}

static enum step
server_final(struct scram_server *s, struct span in, struct buf *out,
    struct scram_keys *keys, struct err *e)
{
	struct span binding, nonce, value;
	uint8_t proof[SCRAM_KEY];
	struct scram_attrs a;
	uint8_t letter;

	scram_attrs_init(&a, in);
	if (scram_attrs_next(&a, &binding) != 'c')
		return server_malformed(e, "no channel binding");
	if (!binding_fits(s, binding, e))
		return STEP_FAIL;
	if (scram_attrs_next(&a, &nonce) != 'r' ||
	    !span_eq(nonce, buf_span(&s->nonce)))
		return server_malformed(e, "nonce does not match");
	do
		letter = scram_attrs_next(&a, &value);
	while (letter != 'p' && letter != 0);
	if (letter == 0 || a.more || !scram_decode_key(value, proof))
		return server_malformed(e, "no proof at the end");
	buf_append(&s->said, ",", 1);
	scram_put(&s->said, SPAN(in.p, value.p - 3 - in.p));
	return server_prove(s, buf_span(&s->said), proof, out, keys, e);
}

enum step
scram_server_step(struct scram_server *s, struct span in, struct buf *out,
    struct scram_keys *keys, struct err *e)
{
	enum scram_state state = s->state;

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
