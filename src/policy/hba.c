/* Which rule decides. Reading them stands in hba_read.c. */
#include "policy/hba.h"

#include <stdlib.h>
#include <string.h>

const char *
hba_type_name(enum hba_type t)
{
	switch (t) {
	case HBA_LOCAL:
		return "local";
	case HBA_HOST:
		return "host";
	case HBA_HOSTSSL:
		return "hostssl";
	case HBA_HOSTNOSSL:
		return "hostnossl";
	}
	return "";
}

const char *
hba_method_name(enum hba_method m)
{
	switch (m) {
	case HBA_TRUST:
		return "trust";
	case HBA_REJECT:
		return "reject";
	case HBA_MD5:
		return "md5";
	case HBA_PASSWORD:
		return "password";
	case HBA_SCRAM:
		return "scram-sha-256";
	case HBA_PEER:
		return "peer";
	case HBA_CERT:
		return "cert";
	case HBA_LDAP:
		return "ldap";
	case HBA_PAM:
		return "pam";
	}
	return "";
}

static int
compare_names(const void *key, const void *item)
{
	return strcmp(key, *(const char *const *)item);
}

static bool
lists(const struct hba_names *n, const char *name)
{
	return n->n > 0 &&
	    bsearch(name, n->names, n->n, sizeof(*n->names), compare_names);
}

static bool
type_fits(const struct hba_rule *r, const struct hba_client *c)
{
	switch (r->type) {
	case HBA_LOCAL:
		return c->is_unix;
	case HBA_HOST:
		return !c->is_unix;
	case HBA_HOSTSSL:
		return !c->is_unix && c->is_tls;
	case HBA_HOSTNOSSL:
		return !c->is_unix && !c->is_tls;
	}
	return false;
}

static bool
database_fits(const struct hba_names *n, const struct hba_client *c)
{
	if (c->physical)
		return n->replication;
	return n->all || (n->sameuser && strcmp(c->user, c->database) == 0) ||
	    lists(n, c->database);
}

static bool
rule_fits(const struct hba_rule *r, const struct hba_client *c)
{
	return type_fits(r, c) &&
	    (c->is_unix || r->any_address || net_has(&r->net, &c->ip)) &&
	    database_fits(&r->databases, c) &&
	    (r->users.all || lists(&r->users, c->user));
}

const struct hba_rule *
hba_match(const struct hba *h, const struct hba_client *c)
{
	for (size_t i = 0; i < h->n; i++)
		if (rule_fits(&h->rules[i], c))
			return &h->rules[i];
	return NULL;
}

/* ---- as text ---- */

static void
put_name(struct buf *out, const char *name, bool bare)
{
	if (buf_len(out) > 0)
		buf_append(out, ",", 1);
	if (bare) {
		buf_append(out, name, strlen(name));
		return;
	}
	buf_append(out, "\"", 1);
	for (; *name != '\0'; name++)
		buf_append(out, *name == '"' ? "\"\"" : name,
		    *name == '"' ? 2 : 1);
	buf_append(out, "\"", 1);
}

/* Would it mean something else without quotes? */
static bool
is_plain(const char *name)
{
	static const char *const words[] = { "all", "sameuser", "samerole",
		"samegroup", "replication" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(words[i], name) == 0)
			return false;
	return name[0] != '\0' && !strchr("+@/", name[0]) &&
	    strcspn(name, " \t\r\f\v,#\"") == strlen(name);
}

void
hba_names_text(const struct hba_names *n, struct buf *out)
{
	if (n->all)
		put_name(out, "all", true);
	if (n->sameuser)
		put_name(out, "sameuser", true);
	if (n->replication)
		put_name(out, "replication", true);
	for (size_t i = 0; i < n->n; i++)
		put_name(out, n->names[i], is_plain(n->names[i]));
}

void
hba_address_text(const struct hba_rule *r, char out[NET_TEXT])
{
	if (r->type == HBA_LOCAL)
		out[0] = '\0';
	else if (r->any_address)
		copy_str(out, NET_TEXT, "all");
	else
		net_text(&r->net, out);
}
