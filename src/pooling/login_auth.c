/*
 * A client proves who it is: by which method, against which secret, and what
 * it may then do.
 */
#include <string.h>
#include <unistd.h>

#include "login_private.h"
#include "pooling/registry.h"
#include "proto/auth.h"

/* Our own user, on the Unix socket, needs no password for the console. */
bool
login_is_own_uid(const struct login *l)
{
	return l->is_unix && l->r.console && l->peer_uid == geteuid() &&
	    (strcmp(l->r.user, "pgbouncer") == 0 ||
		strcmp(l->r.user, "pooler") == 0);
}

static enum auth_method
method_of(const struct config *cfg)
{
	switch (cfg->auth_type) {
	case AUTH_TYPE_ANY:
		return AUTH_ANY;
	case AUTH_TYPE_TRUST:
		return AUTH_TRUST;
	case AUTH_TYPE_PLAIN:
		return AUTH_PLAIN;
	case AUTH_TYPE_MD5:
		return AUTH_MD5;
	case AUTH_TYPE_SCRAM:
	case AUTH_TYPE_CERT:
	case AUTH_TYPE_HBA:
	case AUTH_TYPE_LDAP:
	case AUTH_TYPE_PAM:
		break;
	}
	return AUTH_SCRAM;
}

enum login_step
login_begin_auth(struct login *l, struct buf *out, struct err *e)
{
	const struct config *cfg = l->cfg;
	struct scram_verifier v;
	bool known;
	const char *secret = config_secret(cfg, l->r.user, &known);
	struct auth_server_args a = {
		.method = method_of(cfg),
		.user = l->r.user,
		.secret = secret,
		.mock_seed = l->hub->mock_seed,
		.scram_iterations = (uint32_t)cfg->scram_iterations,
	};

	if (secret && secret_kind(secret) == SECRET_PLAIN) {
		l->plain_secret = secret;
		if (registry_verifier(l->hub->registry, l->r.user, secret, &v))
			a.verifier = &v;
	}
	l->r.secret = secret;
	l->auth = auth_server_new(&a);
	wipe(&v, sizeof(v));
	return login_auth_step(l, NULL, out, e);
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
	const struct scram_verifier *v;

	if (l->auth) {
		l->r.has_keys = auth_server_keys(l->auth, &l->r.keys);
		v = auth_server_verifier(l->auth);
		if (v && l->plain_secret) {
			registry_user(l->hub->registry, l->cfg, l->r.user);
			registry_keep_verifier(l->hub->registry, l->r.user,
			    l->plain_secret, v);
		}
	}
	return admit(l, e) ? LOGIN_PROVEN : LOGIN_FAILED;
}

enum login_step
login_auth_step(struct login *l, const struct span *in, struct buf *out,
    struct err *e)
{
	switch (auth_server_step(l->auth, in, out, e)) {
	case STEP_MORE:
		return LOGIN_MORE;
	case STEP_DONE:
		return login_proven(l, e);
	case STEP_FAIL:
		break;
	}
	return LOGIN_FAILED;
}
