/*
 * auth_hba_file and auth_ident_file: read with the rest, and refused with it.
 */
#include "policy/config.h"

#include <string.h>

#include "config_impl.h"
#include "policy/ldap_options.h"

/* An error that knows its place better than the line being read. */
static void
tell(void *arg, struct err *e)
{
	struct builder *b = arg;

	report_error(b->rep, e);
}

static bool
read_names(void *arg, const char *path, struct buf *out, struct err *e)
{
	struct builder *b = arg;

	err_clear(e);
	if (b->in->read_file(b->in->arg, path, out, e))
		return true;
	if (!err_is_set(e))
		err_set(e, "58030", "cannot read it");
	return false;
}

/* False when the rules cannot be read against it. */
static bool
read_ident(struct builder *b)
{
	const char *path = b->c->pub.auth_ident_file;
	struct buf text = { 0 };

	if (path[0] == '\0')
		return true;
	b->here = *builder_where(b, "auth_ident_file");
	if (builder_read_file(b, path, &text))
		b->c->ident = ident_read(path, buf_span(&text), tell, b);
	buf_free(&text);
	return b->c->ident != NULL;
}

/* Of LDAP and PAM, which hba does not look into. */
static bool
options_are_right(struct builder *b, const struct hba_rule *r, struct err *e)
{
	struct ldap_options o;

	if (r->method == HBA_LDAP)
		return ldap_options_parse(r->options, b->c->arena, &o, e);
	if (r->method != HBA_PAM || r->options[0] == '\0' ||
	    (strncmp(r->options, "pamservice=", 11) == 0 &&
		r->options[11] != '\0' &&
		strpbrk(r->options, " \t\"/") == NULL))
		return true;
	err_set(e, "F0000", "unknown option of method \"pam\"");
	err_hint(e, "there is pamservice=NAME");
	return false;
}

/* Methods that are known, but not here, and options that are not right. */
static void
check_methods(struct builder *b, const struct hba *h)
{
	for (size_t i = 0; i < h->n; i++) {
		const struct hba_rule *r = &h->rules[i];
		const char *name = hba_method_name(r->method);
		struct err e;

		if (config_method_is_later(r->method))
			err_set(&e, "0A000", "method \"%s\" is not in this "
			    "version", name);
		else if (options_are_right(b, r, &e))
			continue;
		err_at(&e, r->file, r->line);
		report_error(b->rep, &e);
	}
}

static void
warn_without_tls(struct builder *b, const struct hba *h)
{
	for (size_t i = 0; i < h->n; i++) {
		struct place at = { h->rules[i].file, h->rules[i].line };

		if (h->rules[i].type != HBA_HOSTSSL ||
		    b->c->pub.client_tls_sslmode != TLS_DISABLE)
			continue;
		report_warning(b->rep, &at, "this rule never fits, as "
		    "client_tls_sslmode is \"disable\"");
		return;
	}
}

/* Without authorities nobody's certificate is asked for. */
static void
warn_without_ca(struct builder *b, const struct hba *h)
{
	for (size_t i = 0; i < h->n; i++) {
		struct place at = { h->rules[i].file, h->rules[i].line };

		if (h->rules[i].method != HBA_CERT ||
		    b->c->pub.client_tls_ca_file[0] != '\0')
			continue;
		report_warning(b->rep, &at, "nobody can log in by this rule, "
		    "as client_tls_ca_file is not set");
		return;
	}
}

/* Lines behind one that takes everybody are never reached. */
static void
warn_unreached(struct builder *b, const struct hba *h)
{
	for (size_t i = 0; i + 1 < h->n; i++) {
		const struct hba_rule *r = &h->rules[i], *next = r + 1;
		struct place at = { next->file, next->line };

		if (!r->databases.all || !r->users.all || !r->any_address ||
		    r->type != HBA_HOST || next->type == HBA_LOCAL ||
		    next->databases.replication)
			continue;
		report_warning(b->rep, &at, "this rule is never reached: line "
		    "%d takes every TCP connection", r->line);
		return;
	}
}

void
config_read_hba(struct builder *b)
{
	struct config *c = &b->c->pub;
	struct hba_input in = { .arena = b->c->arena, .read_file = read_names,
		.error = tell, .arg = b, .path = c->auth_hba_file };
	struct buf text = { 0 };
	struct err e;

	if (c->auth_type != AUTH_TYPE_HBA)
		return;
	b->here = *builder_where(b, "auth_type");
	if (c->auth_hba_file[0] == '\0') {
		err_set(&e, "F0000", "auth_type \"hba\" needs auth_hba_file");
		builder_error(b, &e);
		return;
	}
	if (!read_ident(b))
		return;
	b->here = *builder_where(b, "auth_hba_file");
	if (builder_read_file(b, c->auth_hba_file, &text)) {
		in.text = buf_span(&text);
		in.ident = b->c->ident;
		c->hba = hba_read(&in);
	}
	buf_free(&text);
	if (c->hba == NULL)
		return;
	check_methods(b, c->hba);
	warn_unreached(b, c->hba);
	warn_without_tls(b, c->hba);
	warn_without_ca(b, c->hba);
	if (c->hba->n == 0)
		report_warning(b->rep, NULL, "nobody can log in: %s has no "
		    "rules", c->auth_hba_file);
}
