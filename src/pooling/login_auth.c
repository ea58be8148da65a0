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
	case METHOD_LDAP:
		return AUTH_LDAP;
	case METHOD_PAM:
		return AUTH_PAM;
	case METHOD_SCRAM:
	case METHOD_REJECT:
	case METHOD_PEER:
	case METHOD_CERT:
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
	login_stop_asking(l);
	if (l->keys == NULL)
		return;
	if (l->answered)
		drop_keys(l);
	else
		l->keys->login = NULL;
}

/* Sets l->keys. With the salt and iterations of `like`, or with a salt of our
 * own (NULL); to be judged by it, or not. KEYS_LATER: resume() will tell. */
static enum keys_when
ask_keys(struct login *l, const char *password,
    const struct scram_verifier *like, bool judge)
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
	q->judge = judge;
	if (like != NULL) {
		q->iterations = like->iterations;
		q->salt_n = like->salt_n;
		memcpy(q->salt, like->salt, like->salt_n);
		memcpy(q->stored_key, like->stored_key, SCRAM_KEY);
	}
	return keycache_ask(l->hub->keycache, q);
}

static enum login_step
too_many(struct login *l, struct err *e)
{
	if (l->keys != NULL)
		drop_keys(l);
	err_set(e, "53300", "too many logins at once");
	err_hint(e, "try again in a moment");
	return LOGIN_FAILED;
}

/* ---- the exchange ---- */

static const struct scram_verifier *
derived(const struct login_secret *s)
{
	return s->ready && s->verifier.iterations > 0 ? &s->verifier : NULL;
}

static enum login_step
begin_exchange(struct login *l, struct buf *out, struct err *e)
{
	struct auth_server_args a = {
		.method = exchange_of(l->choice.method),
		.user = l->r.user,
		.secret = l->r.secret,
		.old_secret = l->secrets[1].text,
		.mock_seed = l->hub->mock_seed,
		.scram_iterations = (uint32_t)l->cfg->scram_iterations,
		.verifier = derived(&l->secrets[0]),
		.old_verifier = derived(&l->secrets[1]),
		.defer = true,
		.end_point = SPAN(l->end_point, l->end_point_n),
	};

	l->auth = auth_server_new(&a);
	wipe(l->secrets[0].verifier.server_key, SCRAM_KEY);
	wipe(l->secrets[1].verifier.server_key, SCRAM_KEY);
	return login_auth_step(l, NULL, out, e);
}

/* Those that need no derivation. */
static void
look_at_secrets(struct login *l)
{
	int i;

	for (i = 0; i < 2; i++) {
		struct login_secret *s = &l->secrets[i];

		if (s->ready || secret_kind(s->text) == SECRET_PLAIN)
			continue;
		s->ready = true;
		if (!scram_verifier_parse(s->text, &s->verifier))
			s->verifier.iterations = 0;
	}
}

static void
take_keys(struct login *l)
{
	struct login_secret *s = &l->secrets[l->deriving];

	s->ready = true;
	s->verifier = l->keys->query.verifier;
	drop_keys(l);
}

/* Plain secrets get a verifier each, with the same salt, as the client is told
 * only one: that of the other secret, where it has one already. */
static enum login_step
derive_secrets(struct login *l, struct buf *out, struct err *e)
{
	int i;

	look_at_secrets(l);
	for (i = 0; i < 2; i++) {
		const struct scram_verifier *like = derived(&l->secrets[!i]);

		if (l->secrets[i].ready)
			continue;
		/* At such a cost it is not done: that one is left out. */
		if (like != NULL && like->iterations > SCRAM_ITERATIONS_MAX) {
			l->secrets[i].ready = true;
			continue;
		}
		l->deriving = i;
		switch (ask_keys(l, l->secrets[i].text, like, false)) {
		case KEYS_NOW:
			take_keys(l);
			break;
		case KEYS_LATER:
			l->waits = WAITS_FOR_KEYS;
			return LOGIN_MORE;
		case KEYS_REFUSED:
			return too_many(l, e);
		}
	}
	return begin_exchange(l, out, e);
}

static enum login_step
with_keys(struct login *l, struct buf *out, struct err *e)
{
	if (!l->keys->query.ok)
		return too_many(l, e);
	take_keys(l);
	return derive_secrets(l, out, e);
}

/* An md5 challenge becomes SCRAM where the secret is a SCRAM one. */
static bool
is_by_scram(const struct login *l)
{
	return l->choice.method == METHOD_SCRAM ||
	    (l->choice.method == METHOD_MD5 &&
		secret_kind(l->r.secret) == SECRET_SCRAM);
}

static enum login_step
with_secret(struct login *l, struct buf *out, struct err *e)
{
	l->secrets[0].text = l->r.secret;
	if (is_by_scram(l))
		return derive_secrets(l, out, e);
	return begin_exchange(l, out, e);
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
	if (r->verdict == LOOKUP_FOUND && r->old_secret != NULL)
		l->secrets[1].text = arena_strdup(l->arena, r->old_secret);
	if (err_is_set(&r->err))
		log_lookup(l, &r->err);
	l->answered = true;
	l->resume(l->resume_arg);
}

/* Whom the configuration does not know, or not to the end. */
static bool
wants_lookup(const struct login *l)
{
	if (l->r.secret != NULL || l->choice.method == METHOD_ANY ||
	    l->choice.method == METHOD_LDAP || l->choice.method == METHOD_PAM)
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
	return login_refute(l, e);
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
	if (!login_choose(l, l->cfg, &l->choice, e) || !login_may_try(l, e))
		return LOGIN_FAILED;
	l->r.secret = config_secret(l->cfg, l->r.user, NULL);
	l->secrets[1].text = config_old_secret(l->cfg, l->r.user);
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
		break;
	}
	return login_refute(l, e);
}

static enum login_step ask_judge(struct login *l, struct err *e);

static enum login_step
judged(struct login *l, struct err *e)
{
	bool good = l->keys->query.ok;
	enum step step;

	if (good && !auth_server_used_old(l->auth)) {
		/* As after SCRAM: keys that log in to the server. */
		l->r.keys = l->keys->query.keys;
		l->r.has_keys = true;
	}
	drop_keys(l);
	step = auth_server_verdict(l->auth, good, e);
	return step == STEP_MORE ? ask_judge(l, e) : stepped(l, step, e);
}

/* A cleartext password against a stored verifier. */
static enum login_step
ask_judge(struct login *l, struct err *e)
{
	const struct scram_verifier *v = auth_server_judge(l->auth);

	if (v->iterations > SCRAM_ITERATIONS_MAX)
		return stepped(l, auth_server_verdict(l->auth, false, e), e);
	switch (ask_keys(l, auth_server_asks(l->auth), v, true)) {
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

static enum login_step
ask_others(struct login *l, struct err *e)
{
	if (!login_ask_others(l, auth_server_asks(l->auth)))
		return too_many(l, e);
	l->waits = WAITS_FOR_OTHERS;
	return LOGIN_MORE;
}

/* What they let in with serves for the login to the server too. */
static enum login_step
others_said(struct login *l, struct err *e)
{
	struct err why;
	bool good = login_others_said(l, &why);
	enum step step = auth_server_verdict(l->auth, good, e);

	if (step == STEP_DONE)
		l->r.secret = arena_strdup(l->arena,
		    auth_server_password(l->auth));
	else
		err_log(e, "%s", why.msg);
	return stepped(l, step, e);
}

enum login_step
login_auth_step(struct login *l, const struct span *in, struct buf *out,
    struct err *e)
{
	size_t said = buf_len(out);
	enum step step = auth_server_step(l->auth, in, out, e);
	enum login_step result;

	if (step == STEP_MORE && auth_server_asks(l->auth) != NULL)
		return l->choice.method == METHOD_PASSWORD ?
		    ask_judge(l, e) : ask_others(l, e);
	result = stepped(l, step, e);
	/* SCRAM's last message would tell that the password was right. */
	if (result == LOGIN_FAILED && l->failed_proof)
		out->end = out->start + said;
	return result;
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
		return with_keys(l, out, e);
	case WAITS_FOR_JUDGE:
		return judged(l, e);
	case WAITS_FOR_OTHERS:
		return others_said(l, e);
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
	if (!login_is_own_uid(l) && !login_confirm(l, e))
		return LOGIN_FAILED;
	if (l->auth && auth_server_keys(l->auth, &l->r.keys))
		l->r.has_keys = true;
	l->r.used_old = l->auth && auth_server_used_old(l->auth);
	return admit(l, e) ? LOGIN_PROVEN : LOGIN_FAILED;
}
