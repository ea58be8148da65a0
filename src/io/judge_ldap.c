/* Asks LDAP: a bind with the user's password, with or without a search first. */
#include "judge_impl.h"

#ifdef HAVE_LDAP

#include <ldap.h>
#include <string.h>
#include <sys/time.h>

#include "base/arena.h"
#include "policy/ldap_options.h"

#define STEP_S 3

static bool
failed(struct err *e, LDAP *ld, const char *what, int rc)
{
	char *more = NULL;

	if (ld != NULL)
		ldap_get_option(ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
	err_set(e, "28P01", "LDAP %s: %s%s%s", what, ldap_err2string(rc),
	    more != NULL && *more ? ": " : "", more != NULL ? more : "");
	if (more != NULL)
		ldap_memfree(more);
	return false;
}

/* By the SRV records of the base DN's domain. */
static char *
look_up_servers(const struct ldap_options *o, struct arena *a, struct err *e)
{
	char *domain = NULL, *hosts = NULL, *uris = NULL;
	char *p, *save = NULL;

	if (ldap_dn2domain(o->basedn, &domain) != LDAP_SUCCESS ||
	    domain == NULL || *domain == '\0') {
		err_set(e, "28000", "LDAP: no ldapserver, and the base DN "
		    "names no domain");
		goto out;
	}
	if (ldap_domain2hostlist(domain, &hosts) != LDAP_SUCCESS ||
	    hosts == NULL) {
		err_set(e, "28000", "LDAP: no SRV record for \"%s\"", domain);
		goto out;
	}
	for (p = strtok_r(hosts, " ", &save); p; p = strtok_r(NULL, " ", &save))
		uris = arena_printf(a, "%s%s%s://%s", uris ? uris : "",
		    uris ? " " : "", o->ldaps ? "ldaps" : "ldap", p);
out:
	ldap_memfree(domain);
	ldap_memfree(hosts);
	return uris;
}

static void
set_limits(LDAP *ld)
{
	struct timeval tv = { .tv_sec = STEP_S };
	int version = LDAP_VERSION3;

	ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);
	ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &tv);
	ldap_set_option(ld, LDAP_OPT_TIMEOUT, &tv);
	/* Passwords go to nobody that another server names. */
	ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	ldap_set_option(ld, LDAP_OPT_RESTART, LDAP_OPT_ON);
}

static LDAP *
dial(const struct ldap_options *o, const char *uris, struct err *e)
{
	LDAP *ld = NULL;
	int rc = ldap_initialize(&ld, uris);

	if (rc != LDAP_SUCCESS) {
		failed(e, NULL, "set-up", rc);
		return NULL;
	}
	set_limits(ld);
	if (!o->starttls)
		return ld;
	rc = ldap_start_tls_s(ld, NULL, NULL);
	if (rc == LDAP_SUCCESS)
		return ld;
	failed(e, ld, "StartTLS", rc);
	ldap_unbind_ext_s(ld, NULL, NULL);
	return NULL;
}

static bool
bind_as(LDAP *ld, const char *dn, const char *password, const char *what,
    struct err *e)
{
	struct berval cred = {
		.bv_len = strlen(password),
		.bv_val = (char *)(uintptr_t)password,
	};
	int rc = ldap_sasl_bind_s(ld, dn, LDAP_SASL_SIMPLE, &cred, NULL, NULL,
	    NULL);

	return rc == LDAP_SUCCESS || failed(e, ld, what, rc);
}

/* Of the one entry that there must be. */
static char *
take_dn(LDAP *ld, LDAPMessage *found, struct arena *a, struct err *e)
{
	int n = ldap_count_entries(ld, found);
	char *dn, *copy;

	if (n != 1) {
		err_set(e, "28P01", "LDAP search: %d entries instead of one",
		    n);
		return NULL;
	}
	dn = ldap_get_dn(ld, ldap_first_entry(ld, found));
	copy = dn != NULL && *dn ? arena_strdup(a, dn) : NULL;
	if (copy == NULL)
		err_set(e, "28P01", "LDAP search: an entry without a DN");
	ldap_memfree(dn);
	return copy;
}

static int
scope_of(enum ldap_scope s)
{
	switch (s) {
	case LDAP_IS_BASE:
		return LDAP_SCOPE_BASE;
	case LDAP_IS_ONE:
		return LDAP_SCOPE_ONELEVEL;
	case LDAP_IS_SUB:
		break;
	}
	return LDAP_SCOPE_SUBTREE;
}

/* The DN of the user's entry, or NULL. */
static char *
search(const struct ldap_options *o, const char *uris, const char *user,
    struct arena *a, struct err *e)
{
	char *attrs[] = { (char *)(uintptr_t)LDAP_NO_ATTRS, NULL };
	struct timeval tv = { .tv_sec = STEP_S };
	LDAPMessage *found = NULL;
	char *dn = NULL;
	LDAP *ld;
	int rc;

	if (!ldap_name_is_plain(user)) {
		err_set(e, "28P01", "LDAP search: the user name has a "
		    "character that is not allowed there");
		return NULL;
	}
	ld = dial(o, uris, e);
	if (ld == NULL)
		return NULL;
	if (bind_as(ld, o->binddn, o->bindpasswd, "bind for the search", e)) {
		rc = ldap_search_ext_s(ld, o->basedn, scope_of(o->scope),
		    ldap_options_search(o, a, user), attrs, 0, NULL, NULL, &tv,
		    2, &found);
		/* More than two is a limit that we have set. */
		if (rc == LDAP_SUCCESS || rc == LDAP_SIZELIMIT_EXCEEDED)
			dn = take_dn(ld, found, a, e);
		else
			failed(e, ld, "search", rc);
		ldap_msgfree(found);
	}
	ldap_unbind_ext_s(ld, NULL, NULL);
	return dn;
}

static bool
ask(const struct judge_question *q, struct arena *a, struct err *e)
{
	struct ldap_options o;
	const char *uris;
	char *dn;
	LDAP *ld;
	bool ok;

	if (!ldap_options_parse(q->options, a, &o, e))
		return false;
	uris = ldap_options_uris(&o, a);
	if (uris == NULL)
		uris = look_up_servers(&o, a, e);
	if (uris == NULL)
		return false;
	dn = o.basedn != NULL ? search(&o, uris, q->user, a, e) :
	    arena_printf(a, "%s%s%s", o.prefix, q->user, o.suffix);
	ld = dn != NULL ? dial(&o, uris, e) : NULL;
	if (ld == NULL)
		return false;
	ok = bind_as(ld, dn, q->password, "bind", e);
	ldap_unbind_ext_s(ld, NULL, NULL);
	return ok;
}

bool
judge_ldap(const struct judge_question *q, struct err *e)
{
	struct arena *a = arena_new();
	bool ok = ask(q, a, e);

	arena_wipe_free(a);
	return ok;
}

#endif
