#include <stdlib.h>
#include <string.h>

#include "proto/auth.h"
#include "proto/digest.h"
#include "proto/reply.h"
#include "proto/wire.h"

/* Authentication requests, 55.7. */
#define CODE_OK 0
#define CODE_CLEARTEXT 3
#define CODE_MD5 5
#define CODE_SASL 10
#define CODE_SASL_CONTINUE 11
#define CODE_SASL_FINAL 12

#define MD5_HEX (2 * MD5_LEN)
#define MD5_SALT 4

/* Secrets. */

static bool
is_md5_secret(const char *secret)
{
	return strncmp(secret, "md5", 3) == 0 &&
	    strspn(secret + 3, "0123456789abcdef") == MD5_HEX &&
	    secret[3 + MD5_HEX] == '\0';
}

enum secret_kind
secret_kind(const char *secret)
{
	struct scram_verifier v;

	if (secret == NULL || secret[0] == '\0')
		return SECRET_NONE;
	if (is_md5_secret(secret))
		return SECRET_MD5;
	if (scram_verifier_parse(secret, &v))
		return SECRET_SCRAM;
	return SECRET_PLAIN;
}

/* "md5" + hex of MD5(a b), or "", which matches nothing. */
static bool
md5_text(struct span a, struct span b, char out[36])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t raw[MD5_LEN];
	size_t i;

	out[0] = '\0';
	if (!digest_md5(a, b, raw))
		return false;
	memcpy(out, "md5", 3);
	for (i = 0; i < MD5_LEN; i++) {
		out[3 + 2 * i] = hex[raw[i] >> 4];
		out[4 + 2 * i] = hex[raw[i] & 15];
	}
	out[3 + MD5_HEX] = '\0';
	return true;
}

void
md5_secret(const char *password, const char *user, char out[36])
{
	md5_text(span_of(password), span_of(user), out);
}

/* What is sent for an md5 secret and a salt. */
static bool
md5_response(const char *secret, const uint8_t salt[MD5_SALT], char out[36])
{
	return md5_text(SPAN(secret + 3, MD5_HEX), SPAN(salt, MD5_SALT), out);
}

/* Of any two strings, in a time that tells at most the length. */
static bool
same_secret(const char *a, const char *b)
{
	size_t n = strlen(a);

	return n == strlen(b) && digest_same(a, b, n);
}

/* The client proves itself to us. */

enum server_state { AT_START, WANTS_PASSWORD, WANTS_MECHANISM, WANTS_SASL,
	WANTS_VERDICT, AT_END };

struct auth_server {
	enum auth_method method;
	enum server_state state;
	bool known;
	bool doomed;
	bool defer;
	enum secret_kind kind;
	char *user;
	char *secret; /* never NULL */
	char *password; /* AUTH_PLAIN: as the client gave it, once right */
	uint8_t md5_salt[MD5_SALT];
	struct scram_verifier verifier;
	bool derived; /* the verifier is of a plain secret */
	struct scram_server *scram;
	struct scram_keys keys;
	bool has_keys;
};

static void
choose_verifier(struct auth_server *s, const struct auth_server_args *a)
{
	static const uint8_t no_seed[32];
	uint32_t iterations = a->scram_iterations != 0 ? a->scram_iterations :
	    SCRAM_ITERATIONS;

	switch (s->kind) {
	case SECRET_SCRAM:
		scram_verifier_parse(s->secret, &s->verifier);
		return;
	case SECRET_PLAIN:
		s->derived = true;
		if (a->verifier != NULL)
			s->verifier = *a->verifier;
		else
			scram_verifier_make(s->secret, iterations,
			    &s->verifier);
		return;
	case SECRET_NONE:
	case SECRET_MD5:
		s->doomed = true;
		scram_verifier_mock(s->user, a->mock_seed != NULL ?
		    a->mock_seed : no_seed, iterations, &s->verifier);
		return;
	}
}

struct auth_server *
auth_server_new(const struct auth_server_args *a)
{
	struct auth_server *s = xcalloc(1, sizeof(*s));

	s->method = a->method;
	s->known = a->secret != NULL;
	s->doomed = a->doomed;
	s->defer = a->defer;
	s->user = xstrdup(a->user);
	s->secret = xstrdup(s->known ? a->secret : "");
	s->kind = secret_kind(s->secret);
	/* Our MD5 challenge cannot be checked against SCRAM's keys. */
	if (s->method == AUTH_MD5 && s->kind == SECRET_SCRAM)
		s->method = AUTH_SCRAM;
	if (s->method == AUTH_SCRAM)
		choose_verifier(s, a);
	else if (s->kind == SECRET_SCRAM)
		scram_verifier_parse(s->secret, &s->verifier);
	return s;
}

void
auth_server_free(struct auth_server *s)
{
	if (s == NULL)
		return;
	free(s->user);
	wipe_free(s->secret);
	wipe_free(s->password);
	scram_server_free(s->scram);
	wipe(s, sizeof(*s));
	free(s);
}

static enum step
server_begin(struct auth_server *s, struct buf *out, struct err *e)
{
	static const char mechanisms[] = SCRAM_MECHANISM "\0";

	switch (s->method) {
	case AUTH_TRUST:
		if (s->known && !s->doomed)
			return STEP_DONE;
		err_set(e, "28000", "\"trust\" authentication failed");
		return STEP_FAIL;
	case AUTH_ANY:
		if (!s->doomed)
			return STEP_DONE;
		err_set(e, "28000", "authentication failed");
		return STEP_FAIL;
	case AUTH_PLAIN:
	case AUTH_PAM:
	case AUTH_LDAP:
		reply_auth(out, CODE_CLEARTEXT, SPAN(NULL, 0));
		s->state = WANTS_PASSWORD;
		return STEP_MORE;
	case AUTH_MD5:
		random_bytes(s->md5_salt, sizeof(s->md5_salt));
		reply_auth(out, CODE_MD5,
		    SPAN(s->md5_salt, sizeof(s->md5_salt)));
		s->state = WANTS_PASSWORD;
		return STEP_MORE;
	case AUTH_SCRAM:
		/* The list of one mechanism, and its end. */
		reply_auth(out, CODE_SASL,
		    SPAN(mechanisms, sizeof(mechanisms)));
		s->state = WANTS_MECHANISM;
		return STEP_MORE;
	}
	return STEP_FAIL;
}

static bool
plain_fits(const struct auth_server *s, const char *password)
{
	char text[36];

	switch (s->kind) {
	case SECRET_PLAIN:
		return same_secret(password, s->secret);
	case SECRET_MD5:
		md5_secret(password, s->user, text);
		return same_secret(text, s->secret);
	case SECRET_SCRAM: {
		struct scram_verifier v;

		return scram_verifier_parse(s->secret, &v) &&
		    scram_verifier_check(&v, password);
	}
	case SECRET_NONE:
		return false;
	}
	return false;
}

static bool
md5_fits(const struct auth_server *s, const char *response)
{
	char secret[36], text[36];

	if (s->kind == SECRET_PLAIN)
		md5_secret(s->secret, s->user, secret);
	else if (s->kind == SECRET_MD5)
		copy_str(secret, sizeof(secret), s->secret);
	else
		return false;
	return secret[0] != '\0' && md5_response(secret, s->md5_salt, text) &&
	    same_secret(text, response);
}

static bool
is_judged_elsewhere(const struct auth_server *s)
{
	return s->method == AUTH_PAM || s->method == AUTH_LDAP ||
	    (s->method == AUTH_PLAIN && s->defer && s->kind == SECRET_SCRAM);
}

/* A password that does not fit is of no further use. */
static enum step
server_refuses(struct auth_server *s, struct err *e)
{
	const char *who = s->method == AUTH_PAM ? "PAM" :
	    s->method == AUTH_LDAP ? "LDAP" : "password";

	wipe_free(s->password);
	s->password = NULL;
	err_set(e, "28P01", "%s authentication failed", who);
	return STEP_FAIL;
}

static enum step
server_password(struct auth_server *s, struct span in, struct err *e)
{
	const char *password;
	struct reader r;
	bool fits;

	reader_init(&r, in);
	password = reader_cstr(&r);
	if (!reader_done(&r)) {
		err_set(e, "08P01", "password authentication failed");
		err_detail(e, "malformed password message");
		return STEP_FAIL;
	}
	if (password[0] == '\0') {
		err_set(e, "28P01", "empty password returned by client");
		return STEP_FAIL;
	}
	if (s->method != AUTH_MD5)
		s->password = xstrdup(password);
	if (is_judged_elsewhere(s)) {
		s->state = WANTS_VERDICT;
		return STEP_MORE;
	}
	fits = s->method == AUTH_PLAIN ? plain_fits(s, password) :
	    md5_fits(s, password);
	if (!fits || s->doomed)
		return server_refuses(s, e);
	return STEP_DONE;
}

const char *
auth_server_asks(const struct auth_server *s)
{
	return s->state == WANTS_VERDICT ? s->password : NULL;
}

const struct scram_verifier *
auth_server_judge(const struct auth_server *s)
{
	return &s->verifier;
}

enum step
auth_server_verdict(struct auth_server *s, bool good, struct err *e)
{
	bool asked = s->state == WANTS_VERDICT;

	s->state = AT_END;
	return asked && good && !s->doomed ? STEP_DONE : server_refuses(s, e);
}

static enum step
server_sasl(struct auth_server *s, struct span in, struct buf *out,
    struct err *e)
{
	struct buf said = { 0 };
	enum step step;

	step = scram_server_step(s->scram, in, &said, &s->keys, e);
	if (step != STEP_FAIL)
		reply_auth(out, step == STEP_DONE ? CODE_SASL_FINAL :
		    CODE_SASL_CONTINUE, buf_span(&said));
	/* Only keys that the server knows by the same verifier are of use. */
	s->has_keys = step == STEP_DONE && s->kind == SECRET_SCRAM;
	s->state = step == STEP_MORE ? WANTS_SASL : AT_END;
	buf_free(&said);
	return step;
}

/* SASLInitialResponse: mechanism, and mostly client-first with it. */
static enum step
server_mechanism(struct auth_server *s, struct span in, struct buf *out,
    struct err *e)
{
	const char *mechanism;
	struct span first;
	struct reader r;
	int32_t n;

	reader_init(&r, in);
	mechanism = reader_cstr(&r);
	n = reader_i32(&r);
	first = reader_bytes(&r, n > 0 ? (size_t)n : 0);
	if (!reader_done(&r) || n < -1) {
		err_set(e, "08P01", "SASL authentication failed");
		err_detail(e, "malformed SASLInitialResponse message");
		return STEP_FAIL;
	}
	if (strcmp(mechanism, SCRAM_MECHANISM) != 0) {
		err_set(e, "08P01", "client selected an invalid SASL "
		    "authentication mechanism");
		return STEP_FAIL;
	}
	s->scram = scram_server_new(&s->verifier, s->doomed);
	if (n >= 0)
		return server_sasl(s, first, out, e);
	/* Without a first response: an empty challenge asks for it. */
	reply_auth(out, CODE_SASL_CONTINUE, SPAN(NULL, 0));
	s->state = WANTS_SASL;
	return STEP_MORE;
}

enum step
auth_server_step(struct auth_server *s, const struct span *in,
    struct buf *out, struct err *e)
{
	enum server_state state = s->state;

	s->state = AT_END; /* unless the step says else */
	if ((in == NULL) != (state == AT_START))
		state = AT_END;
	switch (state) {
	case AT_START:
		return server_begin(s, out, e);
	case WANTS_PASSWORD:
		return server_password(s, *in, e);
	case WANTS_MECHANISM:
		return server_mechanism(s, *in, out, e);
	case WANTS_SASL:
		return server_sasl(s, *in, out, e);
	case WANTS_VERDICT:
	case AT_END:
		break;
	}
	err_set(e, "08P01", "unexpected authentication message");
	return STEP_FAIL;
}

enum auth_method
auth_server_method(const struct auth_server *s)
{
	return s->method;
}

bool
auth_server_keys(const struct auth_server *s, struct scram_keys *k)
{
	if (s->has_keys)
		*k = s->keys;
	return s->has_keys;
}

const char *
auth_server_password(const struct auth_server *s)
{
	return s->password;
}

const struct scram_verifier *
auth_server_verifier(const struct auth_server *s)
{
	return s->derived && s->verifier.iterations > 0 ? &s->verifier : NULL;
}

/* We prove ourselves to a server. */

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

	if (rest.n != MD5_SALT)
		return client_protocol(e, "malformed md5 request");
	if (c->kind == SECRET_PLAIN)
		md5_secret(c->secret, c->user, secret);
	else if (c->kind == SECRET_MD5)
		copy_str(secret, sizeof(secret), c->secret);
	else
		return wrong_kind(c, "an md5 password",
		    "store the plain password or its md5 hash", e);
	if (secret[0] == '\0' || !md5_response(secret, rest.p, text)) {
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
offers_scram(struct span list, bool *offered)
{
	struct reader r;

	*offered = false;
	reader_init(&r, list);
	for (;;) {
		const char *name = reader_cstr(&r);

		if (r.bad)
			return false;
		if (name[0] == '\0')
			return reader_done(&r);
		if (strcmp(name, SCRAM_MECHANISM) == 0)
			*offered = true;
	}
}

static enum step
client_sasl(struct auth_client *c, struct span rest, struct buf *out,
    struct err *e)
{
	struct buf first = { 0 };
	bool offered;

	if (!offers_scram(rest, &offered))
		return client_protocol(e, "malformed SASL request");
	if (!offered) {
		err_set(e, "28000", "server login failed: none of the "
		    "server's SASL authentication mechanisms are supported");
		err_detail(e, "only " SCRAM_MECHANISM " is supported");
		return STEP_FAIL;
	}
	if (!c->has_keys && c->kind != SECRET_PLAIN)
		return wrong_kind(c, "SCRAM authentication", "store the plain "
		    "password, or the same SCRAM verifier as the server has "
		    "and let the client log in by SCRAM", e);
	c->scram = scram_client_new(c->secret, c->has_keys ? &c->keys : NULL);
	if (c->defer)
		scram_client_defer(c->scram);
	scram_client_first(c->scram, &first);
	request_sasl_initial(out, SCRAM_MECHANISM, buf_span(&first));
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
	if (code == CODE_OK && rest.n == 0)
		return client_ok(c, e);
	if (code == CODE_CLEARTEXT && c->state == ASKED_NOTHING)
		return client_cleartext(c, rest, out, e);
	if (code == CODE_MD5 && c->state == ASKED_NOTHING)
		return client_md5(c, rest, out, e);
	if (code == CODE_SASL && c->state == ASKED_NOTHING)
		return client_sasl(c, rest, out, e);
	if ((code == CODE_SASL_CONTINUE && c->state == SENT_FIRST) ||
	    (code == CODE_SASL_FINAL && c->state == SENT_FINAL))
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
