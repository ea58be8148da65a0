/* The client proves itself to us. */
#include <stdlib.h>
#include <string.h>

#include "auth_impl.h"
#include "proto/reply.h"
#include "proto/wire.h"

/* Of any two strings, in a time that tells at most the length. */
static bool
same_secret(const char *a, const char *b)
{
	size_t n = strlen(a);

	return n == strlen(b) && digest_same(a, b, n);
}

enum server_state { AT_START, WANTS_PASSWORD, WANTS_MECHANISM, WANTS_SASL,
	WANTS_VERDICT, AT_END };

/* One of the two. */
struct candidate {
	enum secret_kind kind;
	char *secret; /* never NULL */
	struct scram_verifier verifier; /* without iterations: none */
};

struct auth_server {
	enum auth_method method;
	enum server_state state;
	bool known;
	bool doomed;
	bool defer;
	bool used_old;
	char *user;
	struct candidate now, old;
	char *password; /* as the client gave it, where it is of use */
	uint8_t md5_salt[AUTH_MD5_SALT];
	bool derived; /* the verifier is of a plain secret */
	struct scram_server *scram;
	uint8_t end_point[SCRAM_BINDING_MAX];
	size_t end_point_n;
	struct scram_keys keys;
	bool has_keys;
};

static void
candidate_init(struct candidate *c, const char *secret)
{
	c->secret = xstrdup(secret != NULL ? secret : "");
	c->kind = secret_kind(c->secret);
	if (c->kind == SECRET_SCRAM)
		scram_verifier_parse(c->secret, &c->verifier);
}

/* Of a plain secret: as derived earlier, else with a salt of its own. */
static void
candidate_derive(struct candidate *c, const struct scram_verifier *derived,
    uint32_t iterations)
{
	if (c->kind != SECRET_PLAIN)
		return;
	if (derived != NULL)
		c->verifier = *derived;
	else
		scram_verifier_make(c->secret, iterations, &c->verifier);
}

static void
choose_verifier(struct auth_server *s, const struct auth_server_args *a)
{
	static const uint8_t no_seed[32];
	uint32_t iterations = a->scram_iterations != 0 ? a->scram_iterations :
	    SCRAM_ITERATIONS;

	s->derived = s->now.kind == SECRET_PLAIN;
	candidate_derive(&s->now, a->verifier, iterations);
	if (a->old_verifier != NULL)
		candidate_derive(&s->old, a->old_verifier, iterations);
	if (s->now.verifier.iterations > 0 || s->old.verifier.iterations > 0)
		return;
	s->doomed = true;
	scram_verifier_mock(s->user, a->mock_seed != NULL ? a->mock_seed :
	    no_seed, iterations, &s->now.verifier);
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
	if (a->end_point.n > 0 && a->end_point.n <= sizeof(s->end_point)) {
		memcpy(s->end_point, a->end_point.p, a->end_point.n);
		s->end_point_n = a->end_point.n;
	}
	candidate_init(&s->now, a->secret);
	candidate_init(&s->old, a->old_secret);
	/* Our MD5 challenge cannot be checked against SCRAM's keys. */
	if (s->method == AUTH_MD5 && s->now.kind == SECRET_SCRAM)
		s->method = AUTH_SCRAM;
	if (s->method == AUTH_SCRAM)
		choose_verifier(s, a);
	return s;
}

void
auth_server_free(struct auth_server *s)
{
	if (s == NULL)
		return;
	free(s->user);
	wipe_free(s->now.secret);
	wipe_free(s->old.secret);
	wipe_free(s->password);
	scram_server_free(s->scram);
	wipe(s, sizeof(*s));
	free(s);
}

static enum step
server_begin(struct auth_server *s, struct buf *out, struct err *e)
{
	/* Lists of mechanisms end with an empty one. */
	static const char plain[] = SCRAM_MECHANISM "\0";
	static const char both[] = SCRAM_MECHANISM_PLUS "\0"
	    SCRAM_MECHANISM "\0";

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
		reply_auth(out, AUTH_CODE_CLEARTEXT, SPAN(NULL, 0));
		s->state = WANTS_PASSWORD;
		return STEP_MORE;
	case AUTH_MD5:
		random_bytes(s->md5_salt, sizeof(s->md5_salt));
		reply_auth(out, AUTH_CODE_MD5,
		    SPAN(s->md5_salt, sizeof(s->md5_salt)));
		s->state = WANTS_PASSWORD;
		return STEP_MORE;
	case AUTH_SCRAM:
		reply_auth(out, AUTH_CODE_SASL, s->end_point_n > 0 ?
		    SPAN(both, sizeof(both)) : SPAN(plain, sizeof(plain)));
		s->state = WANTS_MECHANISM;
		return STEP_MORE;
	}
	return STEP_FAIL;
}

static bool
plain_fits(const struct auth_server *s, const struct candidate *c,
    const char *password)
{
	char text[36];

	switch (c->kind) {
	case SECRET_PLAIN:
		return same_secret(password, c->secret);
	case SECRET_MD5:
		md5_secret(password, s->user, text);
		return same_secret(text, c->secret);
	case SECRET_SCRAM:
		/* Deferred: somebody else is asked, if need be. */
		return !s->defer &&
		    scram_verifier_check(&c->verifier, password);
	case SECRET_NONE:
		return false;
	}
	return false;
}

static bool
md5_fits(const struct auth_server *s, const struct candidate *c,
    const char *response)
{
	char secret[36], text[36];

	if (c->kind == SECRET_PLAIN)
		md5_secret(c->secret, s->user, secret);
	else if (c->kind == SECRET_MD5)
		copy_str(secret, sizeof(secret), c->secret);
	else
		return false;
	return secret[0] != '\0' &&
	    auth_md5_response(secret, s->md5_salt, text) &&
	    same_secret(text, response);
}

/* Both are looked at, whatever the first one says. */
static bool
fits(struct auth_server *s, const char *password)
{
	bool now, old;

	if (s->method == AUTH_PLAIN) {
		now = plain_fits(s, &s->now, password);
		old = plain_fits(s, &s->old, password);
	} else {
		now = md5_fits(s, &s->now, password);
		old = md5_fits(s, &s->old, password);
	}
	s->used_old = old && !now;
	return now || old;
}

static bool
is_judged_elsewhere(struct auth_server *s)
{
	if (s->method == AUTH_PAM || s->method == AUTH_LDAP)
		return true;
	if (s->method != AUTH_PLAIN || !s->defer)
		return false;
	s->used_old = s->now.kind != SECRET_SCRAM;
	return s->now.kind == SECRET_SCRAM || s->old.kind == SECRET_SCRAM;
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
	if (s->method != AUTH_PAM && s->method != AUTH_LDAP &&
	    fits(s, password))
		return s->doomed ? server_refuses(s, e) : STEP_DONE;
	if (!is_judged_elsewhere(s))
		return server_refuses(s, e);
	s->state = WANTS_VERDICT;
	return STEP_MORE;
}

const char *
auth_server_asks(const struct auth_server *s)
{
	return s->state == WANTS_VERDICT ? s->password : NULL;
}

const struct scram_verifier *
auth_server_judge(const struct auth_server *s)
{
	return s->used_old ? &s->old.verifier : &s->now.verifier;
}

enum step
auth_server_verdict(struct auth_server *s, bool good, struct err *e)
{
	bool asked = s->state == WANTS_VERDICT;

	if (asked && !good && s->method == AUTH_PLAIN && !s->used_old &&
	    s->old.kind == SECRET_SCRAM) {
		s->used_old = true;
		return STEP_MORE;
	}
	s->state = AT_END;
	return asked && good && !s->doomed ? STEP_DONE : server_refuses(s, e);
}

bool
auth_server_used_old(const struct auth_server *s)
{
	return s->used_old;
}

static enum step
server_sasl(struct auth_server *s, struct span in, struct buf *out,
    struct err *e)
{
	struct buf said = { 0 };
	enum step step;

	step = scram_server_step(s->scram, in, &said, &s->keys, e);
	if (step != STEP_FAIL)
		reply_auth(out, step == STEP_DONE ? AUTH_CODE_SASL_FINAL :
		    AUTH_CODE_SASL_CONTINUE, buf_span(&said));
	/* Only keys that the server knows by the same verifier are of use. */
	s->used_old = step == STEP_DONE && (scram_server_was_other(s->scram) ||
	    s->now.verifier.iterations == 0);
	s->has_keys = step == STEP_DONE && !s->used_old &&
	    s->now.kind == SECRET_SCRAM;
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
	bool plus;
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
	plus = s->end_point_n > 0 &&
	    strcmp(mechanism, SCRAM_MECHANISM_PLUS) == 0;
	if (!plus && strcmp(mechanism, SCRAM_MECHANISM) != 0) {
		err_set(e, "08P01", "client selected an invalid SASL "
		    "authentication mechanism");
		return STEP_FAIL;
	}
	if (s->now.verifier.iterations > 0) {
		s->scram = scram_server_new(&s->now.verifier, s->doomed);
		scram_server_also(s->scram, &s->old.verifier);
	} else {
		s->scram = scram_server_new(&s->old.verifier, s->doomed);
	}
	scram_server_bind(s->scram, SPAN(s->end_point, s->end_point_n), plus);
	if (n >= 0)
		return server_sasl(s, first, out, e);
	/* Without a first response: an empty challenge asks for it. */
	reply_auth(out, AUTH_CODE_SASL_CONTINUE, SPAN(NULL, 0));
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
	return s->derived && s->now.verifier.iterations > 0 ?
	    &s->now.verifier : NULL;
}
