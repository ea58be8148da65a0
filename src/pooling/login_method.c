/*
 * By which method a client has to prove itself: auth_type, or the first rule
 * of auth_hba_file that fits. What the operating system or a certificate
 * vouches for is decided here too; what takes messages, in login_auth.c.
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "login_private.h"

/* ---- which method ---- */

static enum login_method
method_of_rule(enum hba_method m)
{
	switch (m) {
	case HBA_TRUST:
		return METHOD_TRUST;
	case HBA_MD5:
		return METHOD_MD5;
	case HBA_PASSWORD:
		return METHOD_PASSWORD;
	case HBA_SCRAM:
		return METHOD_SCRAM;
	case HBA_PEER:
		return METHOD_PEER;
	case HBA_CERT:
		return METHOD_CERT;
	case HBA_LDAP:
		return METHOD_LDAP;
	case HBA_PAM:
		return METHOD_PAM;
	case HBA_REJECT:
		break;
	}
	return METHOD_REJECT;
}

static enum login_method
method_of_type(enum auth_type t)
{
	switch (t) {
	case AUTH_TYPE_ANY:
		return METHOD_ANY;
	case AUTH_TYPE_TRUST:
		return METHOD_TRUST;
	case AUTH_TYPE_PLAIN:
		return METHOD_PASSWORD;
	case AUTH_TYPE_MD5:
		return METHOD_MD5;
	case AUTH_TYPE_SCRAM:
		return METHOD_SCRAM;
	case AUTH_TYPE_CERT:
		return METHOD_CERT;
	case AUTH_TYPE_LDAP:
		return METHOD_LDAP;
	case AUTH_TYPE_PAM:
		return METHOD_PAM;
	case AUTH_TYPE_HBA:
		break;
	}
	return METHOD_REJECT;
}

static const char *
method_name(enum login_method m)
{
	switch (m) {
	case METHOD_REJECT:
		return "reject";
	case METHOD_ANY:
		return "any";
	case METHOD_TRUST:
		return "trust";
	case METHOD_PASSWORD:
		return "password";
	case METHOD_MD5:
		return "md5";
	case METHOD_SCRAM:
		return "scram-sha-256";
	case METHOD_PEER:
		return "peer";
	case METHOD_CERT:
		return "cert";
	case METHOD_LDAP:
		return "ldap";
	case METHOD_PAM:
		return "pam";
	}
	return "";
}

static void
describe(const struct login *l, struct hba_client *c)
{
	const struct login_result *r = &l->r;

	*c = (struct hba_client){
		.is_unix = l->is_unix,
		.is_tls = l->is_tls,
		.database = r->database,
		.user = r->user,
		.physical = strcmp(r->replication, "physical") == 0,
	};
	if (!l->is_unix)
		c->ip = addr_ip(&l->peer);
}

bool
login_choose(const struct login *l, const struct config *cfg,
    struct login_choice *out, struct err *e)
{
	struct hba_client c;

	*out = (struct login_choice){ .method = METHOD_REJECT,
		.options = "" };
	if (cfg->auth_type != AUTH_TYPE_HBA) {
		out->method = method_of_type(cfg->auth_type);
		return true;
	}
	describe(l, &c);
	out->rule = hba_match(cfg->hba, &c);
	if (!out->rule) {
		err_set(e, "28000", "no authentication method is found");
		err_log(e, "no rule of %s fits %s, TLS %s", cfg->auth_hba_file,
		    c.is_unix ? "a Unix socket" : "this address",
		    c.is_tls ? "on" : "off");
		return false;
	}
	out->method = method_of_rule(out->rule->method);
	out->options = out->rule->options;
	if (out->method != METHOD_REJECT)
		return true;
	err_set(e, "28000", "login rejected");
	err_log(e, "by %s:%d", out->rule->file, out->rule->line);
	return false;
}

/* ---- who vouches for the client ---- */

/* The name of the user at the other end of the Unix socket; "" if none. */
static void
peer_name(const struct login *l, char *out, size_t cap)
{
	struct passwd pw, *found = NULL;
	char scratch[4096];

	out[0] = '\0';
	if (l->is_unix && getpwuid_r(l->peer_uid, &pw, scratch,
	    sizeof(scratch), &found) == 0 && found)
		copy_str(out, cap, pw.pw_name);
}

static bool
may_be(const struct login_choice *c, const char *system, const char *user)
{
	if (system[0] == '\0')
		return false;
	if (c->rule && c->rule->map)
		return ident_allows(c->rule->map, system, user, NULL);
	return strcmp(system, user) == 0;
}

bool
login_vouched(const struct login *l, const struct config *cfg,
    const struct login_choice *c, struct err *e)
{
	bool known = l->r.secret != NULL, is_peer;
	const char *map = c->rule && c->rule->map ?
	    ident_map_name(c->rule->map) : NULL;
	char peer[256];

	is_peer = c->method == METHOD_PEER;
	if (is_peer)
		peer_name(l, peer, sizeof(peer));
	else
		copy_str(peer, sizeof(peer), l->cert_name ? l->cert_name : "");
	if (known && may_be(c, peer, l->r.user))
		return true;
	err_set(e, "28000", is_peer ? "unix socket login rejected" :
	    "certificate authentication failed");
	if (peer[0] == '\0')
		err_log(e, is_peer ? "user id %u has no name" :
		    "no client certificate that was verified", l->peer_uid);
	else if (!known)
		err_log(e, "user \"%s\" is not in %s", l->r.user,
		    cfg->auth_file[0] ? cfg->auth_file : "auth_file");
	else if (map)
		err_log(e, "no line of map \"%s\" lets \"%s\" be \"%s\"", map,
		    peer, l->r.user);
	else
		err_log(e, "%s name is \"%s\"", is_peer ? "the system user's" :
		    "the certificate's", peer);
	return false;
}

/* ---- what the log is told of a failure ---- */

static const char *
kind_of_secret(const char *secret)
{
	switch (secret_kind(secret)) {
	case SECRET_NONE:
		return "an empty secret, which lets nobody in";
	case SECRET_PLAIN:
		return "a plain password";
	case SECRET_MD5:
		return "an md5 hash";
	case SECRET_SCRAM:
		return "a SCRAM verifier";
	}
	return "";
}

void
login_explain(const struct login *l, struct err *e)
{
	const struct hba_rule *rule = l->choice.rule;
	int line = config_secret_line(l->cfg, l->r.user);
	char by[240] = "", before[sizeof(e->log) + 2] = "";

	if (rule)
		snprintf(by, sizeof(by), " by %s:%d", rule->file, rule->line);
	if (e->log[0])
		snprintf(before, sizeof(before), "%s; ", e->log);
	if (line > 0)
		err_log(e, "%smethod %s%s; user \"%s\" has %s in %s:%d",
		    before, method_name(l->choice.method), by, l->r.user,
		    kind_of_secret(config_secret(l->cfg, l->r.user, NULL)),
		    l->cfg->auth_file, line);
	else if (l->looked_up)
		err_log(e, "%smethod %s%s; auth_query gave user \"%s\" %s",
		    before, method_name(l->choice.method), by, l->r.user,
		    l->r.secret ? kind_of_secret(l->r.secret) : "nothing");
	else
		err_log(e, "%smethod %s%s; user \"%s\" is not in %s", before,
		    method_name(l->choice.method), by, l->r.user,
		    l->cfg->auth_file[0] ? l->cfg->auth_file :
		    "auth_file, which is not set");
}

/* ---- once more, just before the welcome ---- */

static bool
same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool
refuse_changed(struct err *e, const char *what)
{
	err_set(e, "28000", "authentication settings changed during the "
	    "login");
	err_hint(e, "connect again");
	err_log(e, "%s", what);
	return false;
}

/* What it may do, as the new snapshot has it. */
static bool
still_admitted(const struct login *l, const struct config *now, struct err *e)
{
	const struct login_result *r = &l->r;

	if (!r->console)
		return login_find_conf(now, r->database) ||
		    err_set(e, "3D000", "no such database: %s", r->database);
	if (r->admin ? config_is_admin(now, r->user) :
	    config_is_stats_user(now, r->user) ||
	    now->auth_type == AUTH_TYPE_ANY)
		return true;
	return err_set(e, "42501", "not allowed");
}

static bool
same_secrets(const struct login *l, const struct config *now)
{
	const char *user = l->r.user;

	return same_text(config_secret(l->cfg, user, NULL),
	    config_secret(now, user, NULL)) &&
	    same_text(config_old_secret(l->cfg, user),
	    config_old_secret(now, user));
}

bool
login_recheck(const struct login *l, const struct config *now, struct err *e)
{
	struct login_choice c;

	if (now == l->cfg || login_is_own_uid(l))
		return true;
	if (!still_admitted(l, now, e))
		return false;
	if (!same_secrets(l, now))
		return refuse_changed(e, "another secret of the user");
	if (l->looked_up && !lookup_is_possible(now,
	    l->r.console ? NULL : login_find_conf(now, l->r.database)))
		return refuse_changed(e, "auth_query is not used any more");
	if (!login_choose(l, now, &c, e))
		return false;
	if (c.method != l->choice.method ||
	    strcmp(c.options, l->choice.options) != 0)
		return refuse_changed(e, "another method");
	if (c.method == METHOD_PEER || c.method == METHOD_CERT)
		return login_vouched(l, now, &c, e);
	return true;
}
