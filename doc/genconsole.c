/*
 * genconsole: prints doc/pooler-console.7 from the tables that the console
 * itself works by: its commands, and the columns of what SHOW prints.
 */
#include <stdio.h>
#include <string.h>

#include "control/show.h"
#include "control/verb.h"

static const char head[] =
".\\\" Printed by genconsole from the console's tables: change them there.\n"
".TH POOLER-CONSOLE 7 \"\" \"pooler\" \"Miscellaneous\"\n"
".SH NAME\n"
"pooler-console \\- the admin console of the PostgreSQL connection pooler\n"
".SH SYNOPSIS\n"
".nf\n"
"psql \\-h 127.0.0.1 \\-p 6432 \\-U admin pgbouncer\n"
".fi\n"
".SH DESCRIPTION\n"
"A client that asks for the database\n"
".BR pgbouncer ,\n"
"or\n"
".BR pooler ,\n"
"which is another name for it, gets the console of\n"
".BR pooler (1).\n"
"It is the console of PgBouncer: the commands, the tables, their columns and\n"
"their order are the same.\n"
"Columns of our own follow behind those.\n"
".SS Who may use it\n"
"The users in\n"
".B admin_users\n"
"may run everything, those in\n"
".B stats_users\n"
"what is marked so below.\n"
"Both log in as the configuration says, with\n"
".BR auth_type .\n"
"Somebody on the Unix socket who runs as the same system user as the pooler is\n"
"admin without a password, under the name\n"
".BR pgbouncer .\n"
"Console sessions do not count against\n"
".BR max_client_conn .\n"
".SS How it talks\n"
"Psql and any driver can be used, in the simple and in the extended protocol,\n"
"with results in text or binary.\n"
"Commands have no parameters.\n"
"There are no transactions.\n"
".SS Grammar\n"
"One command at a time, with or without a semicolon, in upper or lower case.\n"
"A name with other characters than letters, digits and underscores stands in\n"
"double quotes:\n"
".BR \"PAUSE \\(dqmy-db\\(dq\" .\n"
"A value for SET may stand in single quotes.\n"
".SH COMMANDS\n";

static const char tables[] =
".SH TABLES\n"
"What SHOW prints.\n"
"The type of each column stands behind its name.\n"
"stats_users may see them unless said otherwise.\n"
"SHOW of client_encoding, datestyle, timezone, standard_conforming_strings or\n"
"default_transaction_isolation tells the setting of the console session; it\n"
"cannot be changed.\n";

static const char tail[] =
".SH STATES\n"
".TP\n"
".B Clients\n"
"active: linked to a server; idle: nothing to do; waiting: in the queue for a\n"
"server.\n"
"A console is idle.\n"
".TP\n"
".B Servers\n"
"active: linked to a client; idle: can be used at once; used: idle, to be\n"
"checked before use; tested: a reset or check query runs; new: connects or logs\n"
"in; being_canceled: kept back until cancel requests sent to it are over;\n"
"draining: its client has gone in the middle of something; migrating: on its\n"
"way to another worker; listening: it carries out the LISTENs of all clients of\n"
"its pool; closing: its end is awaited.\n"
".SH ERRORS\n"
"Texts are those of PgBouncer.\n"
"The codes are PostgreSQL's: 42601 for what is no command, 42501 without the\n"
"right, 3D000 for an unknown database, 55000 for a command that does not fit the\n"
"state, 57014 after Ctrl-C, 22023 for a bad argument, F0000 for RELOAD.\n"
"With\n"
".B pgbouncer_sqlstates\n"
"they are 08P01, but for F0000.\n"
".SH DIFFERENCES FROM PGBOUNCER\n"
"The extended protocol works.\n"
"SHOW VERSION, and the parameter server_version, name the version of PgBouncer\n"
"that tools may take this console for; our own stands behind it.\n"
"Ctrl-C on a PAUSE that waits gets an error and ends the pause, that of one\n"
"database too.\n"
"Every waiting command has its own condition: nothing else completes it, and\n"
"RESUME makes it fail.\n"
"PAUSE takes a TIMEOUT, after which it ends by itself.\n"
"Ctrl-C reaches a SUSPEND only until that is complete, since nobody is accepted\n"
"then.\n"
"RELOAD that fails changes nothing, names the first error and lists all in the\n"
"log; it answers when the new settings are in force.\n"
"SET of a key that is read at start only is an error.\n"
"KILL keeps the counters of the database.\n"
"SHOW FDS shows no secrets and passes no descriptors.\n"
".SH EXAMPLES\n"
"Restart the server without an error for anybody in transaction mode:\n"
".PP\n"
".nf\n"
".RS\n"
"psql \\-p 6432 pgbouncer \\-c 'PAUSE shop'\n"
"systemctl restart postgresql\n"
"psql \\-p 6432 pgbouncer \\-c 'RESUME shop'\n"
".RE\n"
".fi\n"
".PP\n"
"A larger pool until the next RELOAD:\n"
".PP\n"
".nf\n"
".RS\n"
"psql \\-p 6432 pgbouncer \\-c 'SET default_pool_size = 40'\n"
".RE\n"
".fi\n"
".SH SEE ALSO\n"
".BR pooler (1),\n"
".BR pooler.ini (5)\n";

/* Text of a table: hyphens as they are typed, a line for each sentence, no
 * line that troff would take for a request. */
static void
print_text(const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s == '\\')
			printf("\\e");
		else if (*s == '-')
			printf("\\-");
		else if (s[0] == ' ' && s[-1] == '.' && s[1] >= 'A' &&
		    s[1] <= 'Z')
			printf("\n");
		else
			printf("%c", *s);
	}
	printf("\n");
}

static void
print_command(const struct verb *v)
{
	printf(".TP\n.B %s", v->name);
	if (v->syntax != NULL) {
		printf(" ");
		print_text(v->syntax);
	} else {
		printf("\n");
	}
	if (v->help[0] != '\0')
		print_text(v->help);
	if (v->readers)
		printf("For stats_users too.\n");
}

static const char *
type_name(enum column_type t)
{
	switch (t) {
	case COL_TEXT:
		return "text";
	case COL_INT4:
		return "integer";
	case COL_INT8:
		return "bigint";
	case COL_NUMERIC:
		return "numeric";
	case COL_BYTEA:
		return "bytea";
	}
	return "";
}

static void
print_column(const struct rows_column *c)
{
	printf(".TP\n.BR %s \" %s\"\n", c->name, type_name(c->type));
	if (c->help[0] != '\0')
		print_text(c->help);
	else
		printf("\\&\n");
}

static void
print_table(const struct show *s)
{
	size_t i;

	printf(".SS SHOW %s\n", s->name);
	print_text(s->help);
	if (!s->readers)
		printf("For admins only.\n");
	for (i = 0; i < s->n_columns; i++)
		print_column(&s->columns[i]);
}

int
main(void)
{
	size_t i;

	fputs(head, stdout);
	for (i = 0; verb_at(i) != NULL; i++)
		print_command(verb_at(i));
	fputs(tables, stdout);
	for (i = 0; show_at(i) != NULL; i++)
		print_table(show_at(i));
	fputs(tail, stdout);
	return fflush(stdout) == 0 ? 0 : 1;
}
