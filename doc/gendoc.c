/*
 * gendoc: prints the documents that come from the table of options.
 *
 *	gendoc ini	etc/pooler.ini, the example
 *	gendoc man5	doc/pooler.ini.5
 *
 * Both are kept in the tree; test/unit/check_docs.sh fails when they differ
 * from what this prints. Run at build time only.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gendoc_text.h"
#include "policy/config.h"

static const char *const group_titles[N_GROUPS] = {
	[GROUP_PROCESS] = "Process, files, log",
	[GROUP_LISTEN] = "Where to listen",
	[GROUP_POOLING] = "Pooling",
	[GROUP_LIMITS] = "Limits",
	[GROUP_TIMEOUTS] = "Timeouts",
	[GROUP_CHECK] = "Health check of servers",
	[GROUP_CONSOLE] = "Console and messages",
	[GROUP_AUTH] = "Authentication",
	[GROUP_CLIENT_TLS] = "TLS towards clients",
	[GROUP_SERVER_TLS] = "TLS towards servers",
	[GROUP_DNS] = "Name resolution",
	[GROUP_LOW_LEVEL] = "Low level",
};

/* Past this a limit is there to keep sums from overflowing. */
#define NO_LIMIT 1000000000

/* "number from 1 to 65535": what a value looks like. */
static void
describe(const struct option *o, struct buf *out)
{
	struct buf kind = { 0 };

	option_describe(o, &kind);
	buf_append(out, buf_head(&kind), buf_len(&kind));
	buf_free(&kind);
	if (o->type == OPT_OCTAL || o->words != NULL)
		return;
	if (o->min > 0 && o->max >= NO_LIMIT)
		buf_printf(out, ", at least %" PRId64, o->min);
	else if (o->max > 0 && o->max < NO_LIMIT)
		buf_printf(out, " from %" PRId64 " to %" PRId64, o->min,
		    o->max);
}

/* A number without a default is 0, and a text is empty. */
static const char *
example(const struct option *o)
{
	if (o->def != NULL)
		return o->def;
	return o->type == OPT_INT ? "0" : "";
}

/* ---- the example file ---- */

/* Words of text behind "# ", at most 78 columns to a line. */
static void
ini_comment(const char *text, struct buf *out)
{
	size_t column = 0;

	while (*text != '\0') {
		size_t n = strcspn(text, " ");

		if (column > 0 && column + 1 + n > 78) {
			buf_append(out, "\n", 1);
			column = 0;
		}
		buf_append(out, column == 0 ? "#" : "", column == 0);
		buf_append(out, " ", 1);
		buf_append(out, text, n);
		column += (column == 0) + 1 + n;
		text += n + strspn(text + n, " ");
	}
	buf_append(out, "\n", 1);
}

static void
ini_notes(const struct option *o, struct buf *out)
{
	if (o->flags & OPT_LATER)
		ini_comment("No effect in this version yet.", out);
	else if (!(o->flags & (OPT_RELOAD | OPT_IGNORED)))
		ini_comment("Read at start only.", out);
}

static void
print_ini(struct buf *out)
{
	size_t n;
	const struct option *rows = config_options(SCOPE_GLOBAL, &n);
	int group = -1;

	buf_printf(out, "%s", text_ini_head);
	for (size_t i = 0; i < n; i++) {
		const struct option *o = &rows[i];

		if (o->flags & (OPT_ALIAS | OPT_IGNORED))
			continue;
		if ((int)o->group != group) {
			group = (int)o->group;
			buf_printf(out, "\n\n#### %s ####\n",
			    group_titles[group]);
		}
		buf_append(out, "\n", 1);
		ini_comment(o->help, out);
		ini_notes(o, out);
		buf_printf(out, ";%s =%s%s\n", o->name,
		    example(o)[0] != '\0' ? " " : "", example(o));
	}
	buf_printf(out, "%s", text_ini_tail);
}

/* ---- the manual page ---- */

/* One word as roff: no escape sequences, no requests, hyphens as typed. */
static void
roff_word(const char *p, size_t n, bool first, struct buf *out)
{
	if (first && (*p == '.' || *p == '\''))
		buf_append(out, "\\&", 2);
	for (; n > 0; p++, n--) {
		if (*p == '\\')
			buf_append(out, "\\e", 2);
		else if (*p == '-')
			buf_append(out, "\\-", 2);
		else if (*p == '\'')
			buf_append(out, "\\(aq", 4);
		else
			buf_append(out, p, 1);
	}
}

/* A paragraph, with a new line for each sentence and at 72 columns. */
static void
roff_text(const char *text, struct buf *out)
{
	size_t column = 0;
	bool ended = false;

	while (*text != '\0') {
		size_t n = strcspn(text, " ");

		if (column > 0 && (ended || column + 1 + n > 72)) {
			buf_append(out, "\n", 1);
			column = 0;
		}
		if (column > 0)
			buf_append(out, " ", 1);
		roff_word(text, n, column == 0, out);
		column += 1 + n;
		ended = text[n - 1] == '.';
		text += n + strspn(text + n, " ");
	}
	buf_append(out, "\n", 1);
}

static void
man_default(const struct option *o, enum option_scope s, struct buf *out)
{
	if (o->def != NULL && o->def[0] != '\0') {
		buf_printf(out, "; default ");
		roff_word(o->def, strlen(o->def), false, out);
	} else if (o->def != NULL) {
		buf_printf(out, "; default empty");
	} else if (s == SCOPE_GLOBAL) {
		buf_printf(out, "; default %s", o->type == OPT_INT ? "0" :
		    "unset");
	}
	if (o->def_compat != NULL)
		buf_printf(out, ", or %s under [pgbouncer]", o->def_compat);
}

static void
man_row(const struct option *o, enum option_scope s, struct buf *out)
{
	buf_printf(out, ".TP\n\\fB%s\\fP (", o->name);
	describe(o, out);
	man_default(o, s, out);
	buf_printf(out, ")\n");
	roff_text(o->help, out);
	if (o->flags & OPT_LATER)
		roff_text("No effect in this version yet.", out);
	else if (!(o->flags & (OPT_RELOAD | OPT_IGNORED)))
		roff_text("Read at start only.", out);
	if (o->flags & OPT_OURS)
		roff_text("PgBouncer does not have this key.", out);
}

static void
man_rows(enum option_scope s, struct buf *out)
{
	size_t n;
	const struct option *rows = config_options(s, &n);
	int group = -1;

	for (size_t i = 0; i < n; i++) {
		if (s == SCOPE_GLOBAL && (int)rows[i].group != group) {
			group = (int)rows[i].group;
			buf_printf(out, ".SS %s\n", group_titles[group]);
		}
		man_row(&rows[i], s, out);
	}
}

static void
man_environment(struct buf *out)
{
	for (size_t i = 0; i < n_config_variables; i++) {
		const struct config_variable *v = &config_variables[i];

		buf_printf(out, ".TP\n\\fB%s\\fP", v->name);
		if (v->def != NULL)
			buf_printf(out, " (default %s)", v->def);
		buf_append(out, "\n", 1);
		roff_text(v->help, out);
	}
}

static void
print_man5(struct buf *out)
{
	buf_printf(out, "%s", text_man_head);
	man_rows(SCOPE_GLOBAL, out);
	buf_printf(out, "%s", text_man_databases);
	man_rows(SCOPE_DATABASE, out);
	buf_printf(out, "%s", text_man_users);
	man_rows(SCOPE_USER, out);
	buf_printf(out, "%s", text_man_peers);
	man_rows(SCOPE_PEER, out);
	buf_printf(out, "%s", text_man_rule);
	buf_printf(out, "%s", text_man_environment);
	man_environment(out);
	buf_printf(out, "%s", text_man_tail);
}

int
main(int argc, char **argv)
{
	struct buf out = { 0 };
	bool ok;

	if (argc == 2 && strcmp(argv[1], "ini") == 0)
		print_ini(&out);
	else if (argc == 2 && strcmp(argv[1], "man5") == 0)
		print_man5(&out);
	if (buf_len(&out) == 0) {
		fprintf(stderr, "usage: gendoc ini|man5\n");
		return 1;
	}
	ok = fwrite(buf_head(&out), 1, buf_len(&out), stdout) ==
	    buf_len(&out) && fflush(stdout) == 0;
	buf_free(&out);
	return ok ? 0 : 1;
}
