/* We prove ourselves to a server. */
#include <stdlib.h>
#include <string.h>

#include "auth_impl.h"
#include "proto/reply.h"
#include "proto/wire.h"

enum client_state { ASKED_NOTHING, SENT_PASSWORD, SENT_FIRST, AWAITS_KEYS,
	SENT_FINAL, PROVEN, FAILED };

struct auth_client {
	enum client_state state;
	enum secret_kind kind;
	char *user;
	char *secret; /* never NULL */
	bool has_keys;
	bool defer;
	struct scram_keys keys;
	struct scram_client *scram;
	uint8_t end_point[SCRAM_BINDING_MAX];
	size_t end_point_n;
};

struct auth_client *
auth_client_new(const struct auth_client_args *a)
{
	struct auth_client *c = xcalloc(1, sizeof(*c));

	c->user = xstrdup(a->user);
	c->secret = xstrdup(a->secret != NULL ? a->secret : "");
	c->kind = secret_kind(c->secret);
	c->has_keys = a->keys != NULL;
	c->defer = a->defer;
	if (c->has_keys)
		c->keys = *a->keys;
	if (a->end_point.n > 0 && a->end_point.n <= sizeof(c->end_point)) {
		memcpy(c->end_point, a->end_point.p, a->end_point.n);
		c->end_point_n = a->end_point.n;
	}
	return c;
}

void
auth_client_free(struct auth_client *c)
{
	if (c == NULL)
		return;
	free(c->user);
	wipe_free(c->secret);
	scram_client_free(c->scram);
	wipe(c, sizeof(*c));
	free(c);
}

static const char *
kind_name(const struct auth_client *c)
{
	switch (c->kind) {
	case SECRET_NONE:
		return c->has_keys ? "only SCRAM keys" : "none";
	case SECRET_PLAIN:
		return "a plain password";
	case SECRET_MD5:
		return "an md5 hash";
	case SECRET_SCRAM:
		return "a SCRAM verifier";
	}
	return "";
}

static enum step
wrong_kind(const struct auth_client *c, const char *asked, const char *wanted,
    struct err *e)
{
	err_set(e, "28P01", "server login failed: wrong password type");
	err_detail(e, "the server asks for %s; the secret stored for user "
	    "\"%s\" is %s", asked, c->user, kind_name(c));
	err_hint(e, "%s", wanted);
	return STEP_FAIL;
}

static enum step
client_protocol(struct err *e, const char *what)
{
	err_set(e, "08P01", "server login failed: %s", what);
	return STEP_FAIL;
}

static enum step
client_cleartext(struct auth_client *c, struct span rest, struct buf *out,
    struct err *e)
{
	if (rest.n != 0)
		return client_protocol(e, "malformed cleartext request");
	/* A hash would be given away for nothing. */
	if (c->kind != SECRET_PLAIN)
		return wrong_kind(c, "a cleartext password",
		    "store the plain password", e);
	request_password(out, c->secret);
	c->state = SENT_PASSWORD;
	return STEP_MORE;
}

static enum step
client_md5(struct auth_client *c, struct span rest, struct buf *out,
    struct err *e)
{
	char secret[36], text[36];

	if (rest.n != AUTH_MD5_SALT)
		return client_protocol(e, "malformed md5 request");
	if (c->kind == SECRET_PLAIN)
		md5_secret(c->secret, c->user, secret);
	else if (c->kind == SECRET_MD5)
		copy_str(secret, sizeof(secret), c->secret);
	else
		return wrong_kind(c, "an md5 password",
		    "store the plain password or its md5 hash", e);
	if (secret[0] == '\0' || !auth_md5_response(secret, rest.p, text)) {
		err_set(e, "XX000", "server login failed: MD5 is disabled in "
		    "this system's OpenSSL");
		return STEP_FAIL;
	}
	request_password(out, text);
	wipe(secret, sizeof(secret));
	c->state = SENT_PASSWORD;
	return STEP_MORE;
}

static bool
offers_scram(struct span list, bool *offered, bool *plus)
{
	struct reader r;

	*offered = false;
	*plus = false;
	reader_init(&r, list);
	for (;;) {
		const char *name = reader_cstr(&r);

		if (r.bad)
			return false;
		if (name[0] == '\0')
			return reader_done(&r);
		if (strcmp(name, SCRAM_MECHANISM) == 0)
			*offered = true;
		if (strcmp(name, SCRAM_MECHANISM_PLUS) == 0)
			*plus = true;
	}
}

static enum step
client_sasl(struct auth_client *c, struct span rest, struct buf *out,
    struct err *e)
{
	struct buf first = { 0 };
	bool offered, plus;

	if (!offers_scram(rest, &offered, &plus))
		return client_protocol(e, "malformed SASL request");
	plus = plus && c->end_point_n > 0;
	if (!offered && !plus) {
		err_set(e, "28000", "server login failed: none of the "
		    "server's SASL authentication mechanisms are supported");
		err_detail(e, "only " SCRAM_MECHANISM ", and over TLS "
		    SCRAM_MECHANISM_PLUS ", are supported");
		return STEP_FAIL;
	}
	if (!c->has_keys && c->kind != SECRET_PLAIN)
		return wrong_kind(c, "SCRAM authentication", "store the plain "
		    "password, or the same SCRAM verifier as the server has "
		    "and let the client log in by SCRAM", e);
	c->scram = scram_client_new(c->secret, c->has_keys ? &c->keys : NULL);
	if (c->defer)
		scram_client_defer(c->scram);
	scram_client_bind(c->scram, SPAN(c->end_point, c->end_point_n), plus);
	scram_client_first(c->scram, &first);
	request_sasl_initial(out, plus ? SCRAM_MECHANISM_PLUS :
	    SCRAM_MECHANISM, buf_span(&first));
	buf_free(&first);
	c->state = SENT_FIRST;
	return STEP_MORE;
}

static enum step
client_scram(struct auth_client *c, struct span rest, struct buf *out,
    struct err *e)
{
	struct buf said = { 0 };
	uint32_t iterations;
	struct span salt;
	enum step step;

	step = scram_client_step(c->scram, rest, &said, e);
	if (step == STEP_MORE && auth_client_wants(c, &salt, &iterations)) {
		c->state = AWAITS_KEYS;
	} else if (step == STEP_MORE) {
		request_sasl_response(out, buf_span(&said));
		c->state = SENT_FINAL;
	} else if (step == STEP_DONE) {
		/* Proven; what is left to come is AuthenticationOk. */
		c->state = PROVEN;
		step = STEP_MORE;
	}
	buf_free(&said);
	return step;
}

bool
auth_client_wants(const struct auth_client *c, struct span *salt,
    uint32_t *iterations)
{
	return c->scram != NULL &&
	    scram_client_wants(c->scram, salt, iterations);
}

enum step
auth_client_give(struct auth_client *c, const struct scram_keys *keys,
    struct buf *out, struct err *e)
{
	struct buf said = { 0 };
	enum step step;

	if (c->state != AWAITS_KEYS)
		return client_protocol(e, "unexpected keys");
	step = scram_client_give(c->scram, keys, &said, e);
	if (step == STEP_MORE)
		request_sasl_response(out, buf_span(&said));
	c->state = step == STEP_MORE ? SENT_FINAL : FAILED;
	buf_free(&said);
	return step;
}

static enum step
client_ok(const struct auth_client *c, struct err *e)
{
	if (c->state == ASKED_NOTHING || c->state == SENT_PASSWORD ||
	    c->state == PROVEN)
		return STEP_DONE;
	err_set(e, "28P01",
	    "server login failed: failed to verify server signature");
	err_detail(e, "the server let us in before it had proven itself");
	return STEP_FAIL;
}

/* Each request is legal in one state only, so that no server can have a
 * password asked for after SCRAM has begun. */
static enum step
client_request(struct auth_client *c, uint32_t code, struct span rest,
    struct buf *out, struct err *e)
{
	if (code == AUTH_CODE_OK && rest.n == 0)
		return client_ok(c, e);
	if (code == AUTH_CODE_CLEARTEXT && c->state == ASKED_NOTHING)
		return client_cleartext(c, rest, out, e);
	if (code == AUTH_CODE_MD5 && c->state == ASKED_NOTHING)
		return client_md5(c, rest, out, e);
	if (code == AUTH_CODE_SASL && c->state == ASKED_NOTHING)
		return client_sasl(c, rest, out, e);
	if ((code == AUTH_CODE_SASL_CONTINUE && c->state == SENT_FIRST) ||
	    (code == AUTH_CODE_SASL_FINAL && c->state == SENT_FINAL))
		return client_scram(c, rest, out, e);
	err_set(e, "08P01",
	    "server login failed: unexpected authentication request %u",
	    (unsigned)code);
	return STEP_FAIL;
}

enum step
auth_client_step(struct auth_client *c, struct span body, struct buf *out,
    struct err *e)
{
	struct span rest;
	struct reader r;
	enum step step;
	uint32_t code;

	reader_init(&r, body);
	code = reader_u32(&r);
	if (r.bad || c->state == FAILED)
		step = client_protocol(e, "malformed authentication request");
	else {
		rest = reader_bytes(&r, reader_left(&r));
		step = client_request(c, code, rest, out, e);
	}
	if (step == STEP_FAIL)
		c->state = FAILED;
	return step;
}
