/*
 * A client proves who it is: by which method, against which secret, and what
 * it may then do.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "login_private.h"
#include "proto/auth.h"

/* Our own user, on the Unix socket, needs no password for the console. */
bool
login_is_own_uid(const struct login *l)
{
	return l->is_unix && l->r.console && l->peer_uid == geteuid() &&
	    (strcmp(l->r.user, "pgbouncer") == 0 ||
		strcmp(l->r.user, "pooler") == 0);
}

/* The exchange of messages that proves it; for those who vouch there is
 * none. */
static enum auth_method
exchange_of(enum login_method m)
{
	switch (m) {
	case METHOD_ANY:
		return AUTH_ANY;
	case METHOD_TRUST:
		return AUTH_TRUST;
	case METHOD_PASSWORD:
		return AUTH_PLAIN;
	case METHOD_MD5:
		return AUTH_MD5;
	case METHOD_SCRAM:
	case METHOD_REJECT:
	case METHOD_PEER:
	case METHOD_CERT:
	case METHOD_LDAP:
	case METHOD_PAM:
		break;
	}
	return AUTH_SCRAM;
}

/* ---- keys that are derived elsewhere ---- */

/* On the login's loop; it may have gone. */
static void
on_keys(struct key_query *q)
{
	struct login_keys *k = CONTAINER_OF(q, struct login_keys, query);
	struct login *l = k->login;

	if (l == NULL) {
		key_query_wipe(q);
		free(k);
		return;
	}
	l->answered = true;
	l->resume(l->resume_arg);
}

static void
drop_keys(struct login *l)
{
	key_query_wipe(&l->keys->query);
	free(l->keys);
	l->keys = NULL;
}

void
login_abandon(struct login *l)
{
	if (l->lookup != NULL)
		lookup_abandon(l->lookup);
	l->lookup = NULL;
	if (l->keys == NULL)
		return;
	if (l->answered)
		drop_keys(l);
	else
		l->keys->login = NULL;
}

/* Sets l->keys. KEYS_LATER: resume() will tell. */
static enum keys_when
ask_keys(struct login *l, const char *password,
    const struct scram_verifier *judge)
{
	struct key_query *q;

	l->keys = xcalloc(1, sizeof(*l->keys));
	l->keys->login = l;
	q = &l->keys->query;
	q->user = l->r.user;
	q->password = password;
	q->iterations = (uint32_t)l->cfg->scram_iterations;
	q->reply_to = l->loop;
	q->answered = on_keys;
	if (judge != NULL) {
		q->judge = true;
		q->iterations = judge->iterations;
		q->salt_n = judge->salt_n;
		memcpy(q->salt, judge->salt, judge->salt_n);
		memcpy(q->stored_key, judge->stored_key, SCRAM_KEY);
	}
	return keycache_ask(l->hub->keycache, q);
}

static enum login_step
too_many(struct login *l, struct err *e)
{
	drop_keys(l);
	err_set(e, "53300", "too many logins at once");
	err_hint(e, "try again in a moment");
	return LOGIN_FAILED;
}

/* ---- the exchange ---- */

/* v NULL: nothing has been derived for it. */
static enum login_step
begin_exchange(struct login *l, const struct scram_verifier *v,
    struct buf *out, struct err *e)
{
	struct auth_server_args a = {
		.method = exchange_of(l->choice.method),
		.user = l->r.user,
		.secret = l->r.secret,
		.mock_seed = l->hub->mock_seed,
		.scram_iterations = (uint32_t)l->cfg->scram_iterations,
		.verifier = v,
		.defer = true,
	};

	l->auth = auth_server_new(&a);
	return login_auth_step(l, NULL, out, e);
}

static enum login_step
exchange_with_keys(struct login *l, struct buf *out, struct err *e)
{
	struct scram_verifier v = l->keys->query.verifier;
	enum login_step step;

	if (!l->keys->query.ok)
		return too_many(l, e);
	drop_keys(l);
	step = begin_exchange(l, &v, out, e);
	wipe(&v, sizeof(v));
	return step;
}

static enum login_step
with_secret(struct login *l, struct buf *out, struct err *e)
{
	if (l->choice.method != METHOD_SCRAM ||
	    secret_kind(l->r.secret) != SECRET_PLAIN)
		return begin_exchange(l, NULL, out, e);
	switch (ask_keys(l, l->r.secret, NULL)) {
	case KEYS_NOW:
		return exchange_with_keys(l, out, e);
	case KEYS_LATER:
		l->waits = WAITS_FOR_KEYS;
		return LOGIN_MORE;
	case KEYS_REFUSED:
		break;
	}
	return too_many(l, e);
}

/* ---- secrets that PostgreSQL has ---- */

static void
log_lookup(const struct login *l, const struct err *e)
{
	char at[ADDR_TEXT];

	addr_text(&l->peer, at, sizeof(at));
	log_warn("login of %.80s/%.80s@%s: %s%s%s%s%s", l->r.database,
	    l->r.user, at, e->msg, e->detail[0] ? "; " : "", e->detail,
	    e->hint[0] ? "; hint: " : "", e->hint);
}

static void
on_looked_up(void *arg, const struct lookup_result *r)
{
	struct login *l = arg;

	l->lookup = NULL;
	l->looked_up = true;
	l->lookup_failed = r->verdict == LOOKUP_FAILED;
	if (r->verdict == LOOKUP_FOUND)
		l->r.secret = arena_strdup(l->arena, r->secret);
	if (err_is_set(&r->err))
		log_lookup(l, &r->err);
	l->answered = true;
	l->resume(l->resume_arg);
}

/* Whom the configuration does not know, or not to the end. */
static bool
wants_lookup(const struct login *l)
{
	if (l->r.secret != NULL || l->choice.method == METHOD_ANY)
		return false;
	return lookup_is_possible(l->cfg, l->r.conf);
}

static void
start_lookup(struct login *l)
{
	l->waits = WAITS_FOR_SECRET;
	l->lookup = lookup_start(&(struct lookup_args){
		.hub = l->hub,
		.loop = l->loop,
		.worker = l->worker,
		.cfg = l->cfg,
		.database = l->r.database,
		.conf = l->r.conf,
		.user = l->r.user,
		.done = on_looked_up,
		.arg = l,
	});
}

static bool
is_vouched_for(const struct login *l)
{
	return l->choice.method == METHOD_PEER ||
	    l->choice.method == METHOD_CERT;
}

/* The system or a certificate says who it is. */
static enum login_step
take_their_word(struct login *l, struct err *e)
{
	if (login_vouched(l, l->cfg, &l->choice, e))
		return login_proven(l, e);
	login_explain(l, e);
	return LOGIN_FAILED;
}

static enum login_step
prove(struct login *l, struct buf *out, struct err *e)
{
	if (is_vouched_for(l))
		return take_their_word(l, e);
	return with_secret(l, out, e);
}

/* What went wrong is nobody's business before the proof. */
static enum login_step
looked_up(struct login *l, struct buf *out, struct err *e)
{
	if (!l->lookup_failed)
		return prove(l, out, e);
	err_set(e, "58000", "bouncer config error");
	return LOGIN_FAILED;
}

enum login_step
login_begin_auth(struct login *l, struct buf *out, struct err *e)
{
	if (!login_choose(l, l->cfg, &l->choice, e))
		return LOGIN_FAILED;
	l->r.secret = config_secret(l->cfg, l->r.user, NULL);
	if (!wants_lookup(l))
		return prove(l, out, e);
	start_lookup(l);
	return LOGIN_MORE;
}

/* A step of the exchange has been taken. */
static enum login_step
stepped(struct login *l, enum step step, struct err *e)
{
	switch (step) {
	case STEP_MORE:
		return LOGIN_MORE;
	case STEP_DONE:
		return login_proven(l, e);
	case STEP_FAIL:
		login_explain(l, e);
		break;
	}
	return LOGIN_FAILED;
}

static enum login_step
judged(struct login *l, struct err *e)
{
	bool good = l->keys->query.ok;

	if (good) {
		/* As after SCRAM: keys that log in to the server. */
		l->r.keys = l->keys->query.keys;
		l->r.has_keys = true;
	}
	drop_keys(l);
	return stepped(l, auth_server_verdict(l->auth, good, e), e);
}

/* A cleartext password against a stored verifier. */
static enum login_step
ask_judge(struct login *l, struct err *e)
{
	const struct scram_verifier *v = auth_server_judge(l->auth);

	if (v->iterations > SCRAM_ITERATIONS_MAX)
		return stepped(l, auth_server_verdict(l->auth, false, e), e);
	switch (ask_keys(l, auth_server_asks(l->auth), v)) {
	case KEYS_NOW:
		return judged(l, e);
	case KEYS_LATER:
		l->waits = WAITS_FOR_JUDGE;
		return LOGIN_MORE;
	case KEYS_REFUSED:
		break;
	}
	return too_many(l, e);
}

enum login_step
login_auth_step(struct login *l, const struct span *in, struct buf *out,
    struct err *e)
{
	enum step step = auth_server_step(l->auth, in, out, e);

	if (step == STEP_MORE && auth_server_asks(l->auth) != NULL)
		return ask_judge(l, e);
	return stepped(l, step, e);
}

enum login_step
login_go_on(struct login *l, struct buf *out, struct err *e)
{
	enum login_wait waited = l->waits;

	l->answered = false;
	l->waits = WAITS_FOR_CLIENT;
	switch (waited) {
	case WAITS_FOR_SECRET:
		return looked_up(l, out, e);
	case WAITS_FOR_KEYS:
		return exchange_with_keys(l, out, e);
	case WAITS_FOR_JUDGE:
		return judged(l, e);
	case WAITS_FOR_CLIENT:
		break;
	}
	return LOGIN_MORE;
}

/* ---- after the proof ---- */

static bool
admit_console(struct login *l, struct err *e)
{
	struct login_result *r = &l->r;

	if (login_is_own_uid(l)) {
		r->admin = true;
	} else {
		r->admin = config_is_admin(l->cfg, r->user);
		r->stats = config_is_stats_user(l->cfg, r->user) ||
		    l->cfg->auth_type == AUTH_TYPE_ANY;
	}
	if (r->admin || r->stats)
		return true;
	err_set(e, "42501", "not allowed");
	err_hint(e, "user \"%s\" stands neither in admin_users nor in "
	    "stats_users", r->user);
	return false;
}

static bool
admit(struct login *l, struct err *e)
{
	struct login_result *r = &l->r;

	if (r->console)
		return admit_console(l, e);
	if (l->no_database) {
		err_set(e, "3D000", "no such database: %s", r->database);
		err_hint(e, "it stands neither in [databases] nor is there a "
		    "\"*\" line");
		return false;
	}
	if (l->cfg->auth_type == AUTH_TYPE_ANY && !r->conf->user[0])
		return err_set(e, "28000", "bouncer config error");
	if (l->late)
		return err_set(e, "57P03", "pooler is shutting down");
	return true;
}

enum login_step
login_proven(struct login *l, struct err *e)
{
	if (l->auth && auth_server_keys(l->auth, &l->r.keys))
		l->r.has_keys = true;
	return admit(l, e) ? LOGIN_PROVEN : LOGIN_FAILED;
}
