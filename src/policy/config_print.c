/*
 * A snapshot as a pooler.ini.
 */
#include "policy/config.h"

#include <stdio.h>
#include <string.h>

#include "config_impl.h"
#include "policy/ini.h"

static void
print_global(const struct config *c, const struct option *o, struct buf *out)
{
	if (o->flags & OPT_ALIAS)
		return;
	/* Nothing was said: saying it would change what RELOAD does. */
	if (o->def == NULL && !option_is_set(o, c)) {
		buf_printf(out, ";%s =\n", o->name);
		return;
	}
	if (o->flags & OPT_SECRET) {
		buf_printf(out, ";%s = <hidden>\n", o->name);
		return;
	}
	/* The file's own name is no setting, and would follow a copy. */
	buf_printf(out, "%s%s = ", strcmp(o->name, "conffile") == 0 ? ";" : "",
	    o->name);
	if (o->type == OPT_OCTAL)
		buf_printf(out, "0%o", (unsigned)c->unix_socket_mode);
	else
		option_format(o, c, out);
	buf_append(out, "\n", 1);
}

static void
print_line(enum option_scope s, const char *name, const void *line,
    struct buf *out)
{
	size_t n;
	const struct option *rows = config_options(s, &n);
	bool secret = false;

	if (!ini_quote_key(out, name))
		return;
	buf_printf(out, " =");
	for (size_t i = 0; i < n; i++) {
		struct buf value = { 0 };

		if (!option_is_set(&rows[i], line) ||
		    (rows[i].flags & OPT_ALIAS))
			continue;
		if (rows[i].flags & OPT_SECRET) {
			secret = true;
			continue;
		}
		option_format(&rows[i], line, &value);
		buf_append(&value, "", 1);
		buf_printf(out, " %s=", rows[i].name);
		connstr_quote(out, (const char *)buf_head(&value));
		buf_free(&value);
	}
	buf_append(out, "\n", 1);
	if (secret)
		buf_printf(out, ";\tpassword=<hidden>\n");
}

static void
print_database(const struct database_conf *d, struct buf *out)
{
	buf_printf(out, "; pool size %s\n", d->size_reason);
	print_line(SCOPE_DATABASE, d->name, d, out);
}

void
config_print(const struct config *c, struct buf *out)
{
	size_t n;
	const struct option *rows = config_options(SCOPE_GLOBAL, &n);
	char id[16];

	buf_printf(out, "[pooler]\n");
	for (size_t i = 0; i < n; i++)
		print_global(c, &rows[i], out);
	if (c->auth_file[0] == '\0' && c->n_secrets > 0)
		buf_printf(out, "; one user and a secret, from the "
		    "environment; in a file: auth_file\n");
	buf_printf(out, "\n[databases]\n");
	for (size_t i = 0; i < c->n_databases; i++)
		print_database(c->databases[i], out);
	if (c->autodb != NULL)
		print_database(c->autodb, out);
	if (c->n_users > 0)
		buf_printf(out, "\n[users]\n");
	for (size_t i = 0; i < c->n_users; i++)
		print_line(SCOPE_USER, c->users[i]->name, c->users[i], out);
	if (c->n_peers > 0)
		buf_printf(out, "\n[peers]\n");
	for (size_t i = 0; i < c->n_peers; i++) {
		snprintf(id, sizeof(id), "%d", c->peers[i]->id);
		print_line(SCOPE_PEER, id, c->peers[i], out);
	}
}
