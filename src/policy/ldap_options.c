/* Options of LDAP as text. */
#include "policy/ldap_options.h"

#include <stdlib.h>
#include <string.h>

#define USERNAME "$username"

struct parser {
	const char *p;
	struct arena *arena;
	struct ldap_options *o;
	bool has_url;
	bool has_search; /* an option of search and bind was given */
	struct err *e;
};

/* ---- words ---- */

static bool
is_separator(char c)
{
	return c == ' ' || c == '\t' || c == ',' || c == '\r' || c == '\n';
}

/* Up to '='; NULL if there is none. */
static char *
take_name(struct parser *ps)
{
	size_t n = strspn(ps->p, "abcdefghijklmnopqrstuvwxyz_");
	char *name = arena_strndup(ps->arena, ps->p, n);

	ps->p += n;
	if (n == 0 || *ps->p != '=') {
		err_set(ps->e, "22023", "LDAP options: expected NAME=VALUE");
		err_hint(ps->e, "values with blanks or commas need double "
		    "quotes");
		return NULL;
	}
	ps->p++;
	return name;
}

/* Unquoted up to a separator, or quoted. */
static char *
take_value(struct parser *ps, const char *name)
{
	char *out = arena_alloc(ps->arena, strlen(ps->p) + 1), *w = out;
	bool quoted = *ps->p == '"';

	if (quoted)
		ps->p++;
	for (; *ps->p; ps->p++) {
		if (quoted && *ps->p == '"') {
			if (ps->p[1] != '"')
				break;
			ps->p++;
		} else if (!quoted && is_separator(*ps->p)) {
			break;
		}
		*w++ = *ps->p;
	}
	*w = '\0';
	if (quoted && *ps->p != '"') {
		err_set(ps->e, "22023", "LDAP options: %s has no closing quote",
		    name);
		return NULL;
	}
	if (quoted)
		ps->p++;
	if (*ps->p && !is_separator(*ps->p)) {
		err_set(ps->e, "22023", "LDAP options: text behind the closing "
		    "quote of %s", name);
		return NULL;
	}
	return out;
}

/* ---- values ---- */

static bool
bad_value(struct parser *ps, const char *name, const char *wanted)
{
	err_set(ps->e, "22023", "LDAP options: bad value for %s", name);
	err_hint(ps->e, "it must be %s", wanted);
	return false;
}

static bool
read_port(struct parser *ps, const char *name, const char *text)
{
	size_t n = strspn(text, "0123456789");

	ps->o->port = n > 0 && n < 6 && !text[n] ? atoi(text) : 0;
	if (ps->o->port < 1 || ps->o->port > 65535)
		return bad_value(ps, name, "a port from 1 to 65535");
	return true;
}

static bool
read_scheme(struct parser *ps, const char *name, const char *text)
{
	ps->o->ldaps = strcmp(text, "ldaps") == 0;
	if (!ps->o->ldaps && strcmp(text, "ldap") != 0)
		return bad_value(ps, name, "ldap or ldaps");
	return true;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A part of a URL: n bytes with %XX in them. NULL when they are not right. */
static char *
unescape(struct parser *ps, const char *p, size_t n)
{
	char *out = arena_alloc(ps->arena, n + 1), *w = out;
	const char *end = p + n;

	while (p < end) {
		if (*p != '%') {
			*w++ = *p++;
			continue;
		}
		if (end - p < 3 || hex(p[1]) < 0 || hex(p[2]) < 0 ||
		    (p[1] == '0' && p[2] == '0'))
			return NULL;
		*w++ = (char)(hex(p[1]) * 16 + hex(p[2]));
		p += 3;
	}
	*w = '\0';
	return out;
}

static bool
read_scope(struct parser *ps, const char *text)
{
	if (strcmp(text, "base") == 0)
		ps->o->scope = LDAP_IS_BASE;
	else if (strcmp(text, "one") == 0)
		ps->o->scope = LDAP_IS_ONE;
	else if (strcmp(text, "sub") == 0)
		ps->o->scope = LDAP_IS_SUB;
	else
		return bad_value(ps, "ldapurl", "a URL with the scope base, "
		    "one or sub");
	return true;
}

/* HOST[:PORT], or [V6][:PORT]. */
static bool
read_host(struct parser *ps, const char *p, size_t n)
{
	const char *colon = n > 0 && p[0] == '[' ? memchr(p, ']', n) : p;

	if (!colon)
		return bad_value(ps, "ldapurl", "a URL with a host");
	colon = n > 0 ? memchr(colon, ':', n - (size_t)(colon - p)) : NULL;
	if (n > 0)
		ps->o->server = unescape(ps, p,
		    colon ? (size_t)(colon - p) : n);
	if (n > 0 && (!ps->o->server || !*ps->o->server))
		return bad_value(ps, "ldapurl", "a URL with a host");
	return !colon || read_port(ps, "ldapurl", arena_strndup(ps->arena,
	    colon + 1, n - (size_t)(colon + 1 - p)));
}

/* ldap[s]://HOST[:PORT]/BASEDN[?[ATTRIBUTE][?[SCOPE][?[FILTER]]]] */
static bool
read_url(struct parser *ps, const char *name, const char *url)
{
	char *part[4] = { NULL };
	const char *p = url;
	size_t n;

	ps->has_url = ps->has_search = true;
	ps->o->ldaps = strncmp(p, "ldaps://", 8) == 0;
	if (!ps->o->ldaps && strncmp(p, "ldap://", 7) != 0)
		return bad_value(ps, name, "ldap://HOST/BASEDN or ldaps://...");
	p += ps->o->ldaps ? 8 : 7;
	n = strcspn(p, "/");
	if (!read_host(ps, p, n))
		return false;
	p += n;
	for (size_t i = 0; i < ARRAY_LEN(part) && *p; i++) {
		p++;
		n = strcspn(p, "?");
		part[i] = unescape(ps, p, n);
		if (!part[i])
			return bad_value(ps, name, "escaped as %XX");
		p += n;
	}
	if (*p)
		return bad_value(ps, name, "without extensions");
	if (!part[0] || !*part[0])
		return bad_value(ps, name, "a URL with a base DN");
	ps->o->basedn = part[0];
	if (part[1] && *part[1])
		ps->o->attribute = part[1];
	if (part[3] && *part[3])
		ps->o->filter = part[3];
	return !part[2] || !*part[2] || read_scope(ps, part[2]);
}

static bool
set_option(struct parser *ps, const char *name, const char *value)
{
	struct ldap_options *o = ps->o;
	const struct {
		const char *name;
		const char **to;
		bool is_search;
	} texts[] = {
		{ "ldapserver", &o->server, false },
		{ "ldapprefix", &o->prefix, false },
		{ "ldapsuffix", &o->suffix, false },
		{ "ldapbasedn", &o->basedn, true },
		{ "ldapbinddn", &o->binddn, true },
		{ "ldapbindpasswd", &o->bindpasswd, true },
		{ "ldapsearchattribute", &o->attribute, true },
		{ "ldapsearchfilter", &o->filter, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (strcmp(name, texts[i].name) == 0) {
			*texts[i].to = value;
			ps->has_search = ps->has_search || texts[i].is_search;
			return true;
		}
	if (strcmp(name, "ldapport") == 0)
		return read_port(ps, name, value);
	if (strcmp(name, "ldapscheme") == 0)
		return read_scheme(ps, name, value);
	if (strcmp(name, "ldapurl") == 0)
		return read_url(ps, name, value);
	if (strcmp(name, "ldaptls") == 0) {
		o->starttls = strcmp(value, "1") == 0;
		return o->starttls || strcmp(value, "0") == 0 ||
		    bad_value(ps, name, "0 or 1");
	}
	return err_set(ps->e, "22023", "LDAP options: unknown option \"%.40s\"",
	    name);
}

static bool
check(const struct parser *ps)
{
	const struct ldap_options *o = ps->o;
	bool simple = *o->prefix || *o->suffix;

	if (simple && ps->has_search) {
		err_set(ps->e, "22023", "LDAP options: ldapprefix and "
		    "ldapsuffix do not go with a search");
		err_hint(ps->e, "leave out either these, or ldapbasedn, "
		    "ldapbinddn, ldapbindpasswd, ldapsearchattribute, "
		    "ldapsearchfilter and ldapurl");
		return false;
	}
	if (!simple && (!o->basedn || !*o->basedn))
		return err_set(ps->e, "22023", "LDAP options: one of "
		    "ldapprefix, ldapsuffix and ldapbasedn is needed");
	if (o->filter && !strstr(o->filter, USERNAME) && *o->filter)
		return err_set(ps->e, "22023", "LDAP options: the filter has "
		    "no " USERNAME " in it");
	if (simple && (!o->server || !*o->server))
		return err_set(ps->e, "22023", "LDAP options: ldapserver is "
		    "missing");
	if (o->ldaps && o->starttls)
		return err_set(ps->e, "22023", "LDAP options: ldaptls=1 does "
		    "not go with ldaps");
	return true;
}

bool
ldap_options_parse(const char *text, struct arena *a, struct ldap_options *out,
    struct err *e)
{
	struct parser ps = { .p = text, .arena = a, .o = out, .e = e };
	char *name, *value;

	*out = (struct ldap_options){ .prefix = "", .suffix = "",
		.binddn = "", .bindpasswd = "", .attribute = "uid",
		.scope = LDAP_IS_SUB };
	for (;;) {
		while (*ps.p && is_separator(*ps.p))
			ps.p++;
		if (!*ps.p)
			break;
		name = take_name(&ps);
		value = name ? take_value(&ps, name) : NULL;
		if (!value || !set_option(&ps, name, value))
			return false;
	}
	return check(&ps);
}

/* ---- what follows from them ---- */

char *
ldap_options_uris(const struct ldap_options *o, struct arena *a)
{
	const char *scheme = o->ldaps ? "ldaps" : "ldap";
	int port = o->port ? o->port : o->ldaps ? 636 : 389;
	const char *p = o->server;
	char *out = NULL;

	while (p && *p) {
		int n = (int)strcspn(p, " ");

		if (n > 0)
			out = arena_printf(a, "%s%s%s://%.*s:%d",
			    out ? out : "", out ? " " : "", scheme, n, p, port);
		p += n;
		p += strspn(p, " ");
	}
	return out;
}

char *
ldap_options_search(const struct ldap_options *o, struct arena *a,
    const char *user)
{
	const char *p = o->filter, *at;
	char *out;

	if (!p || !*p)
		return arena_printf(a, "(%s=%s)", o->attribute, user);
	out = arena_printf(a, "%s", *p == '(' ? "" : "(");
	while ((at = strstr(p, USERNAME)) != NULL) {
		out = arena_printf(a, "%s%.*s%s", out, (int)(at - p), p, user);
		p = at + strlen(USERNAME);
	}
	return arena_printf(a, "%s%s%s", out, p, *o->filter == '(' ? "" : ")");
}

bool
ldap_name_is_plain(const char *user)
{
	for (; *user; user++)
		if (strchr("*()\\/", *user) || (unsigned char)*user < 0x20)
			return false;
	return true;
}
