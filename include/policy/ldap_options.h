/*
 * ldap_options: what auth_ldap_options, or an HBA line, says about LDAP.
 *
 *	NAME=VALUE NAME="a value" ...
 *
 * separated by blanks or commas; in double quotes a quote is written twice.
 * Names are PostgreSQL's: ldapserver, ldapport, ldapscheme, ldaptls, ldapprefix,
 * ldapsuffix, ldapbasedn, ldapbinddn, ldapbindpasswd, ldapsearchattribute,
 * ldapsearchfilter, ldapurl.
 *
 * Two ways: a simple bind as PREFIX user SUFFIX, or, with a base DN, a search
 * for the user's entry and a bind as that. Options of one way do not go with the
 * other.
 *
 * Pure.
 */
#ifndef POLICY_LDAP_OPTIONS_H
#define POLICY_LDAP_OPTIONS_H

#include "base/arena.h"
#include "base/base.h"
#include "base/err.h"

enum ldap_scope { LDAP_IS_BASE, LDAP_IS_ONE, LDAP_IS_SUB };

struct ldap_options {
	const char *server; /* names, blanks between; NULL: by SRV records */
	int port; /* 0: 389, or 636 with ldaps */
	bool ldaps;
	bool starttls;
	const char *prefix, *suffix; /* "" if not given */
	const char *basedn; /* NULL: a simple bind */
	const char *binddn, *bindpasswd; /* "" = anonymous */
	const char *attribute; /* default uid */
	const char *filter; /* with $username in it; NULL: by the attribute */
	enum ldap_scope scope;
};

/* Texts are the arena's, which should be wiped at its end. The error names the
 * option and never shows a value. */
bool ldap_options_parse(const char *text, struct arena *a,
    struct ldap_options *out, struct err *e);
/* What to connect to: "ldap://a:389 ldap://b:389", or NULL without a server. */
char *ldap_options_uris(const struct ldap_options *o, struct arena *a);
/* What to search for, for a user that ldap_name_is_plain(). */
char *ldap_options_search(const struct ldap_options *o, struct arena *a,
    const char *user);
/* Nothing in it that means something in a filter or a DN. */
bool ldap_name_is_plain(const char *user);

#endif
