/*
 * command: the grammar of the admin console, text in, words out.
 *
 *	WORD [WORD] [;]
 *	WORD [WORD] TIMEOUT value [;]
 *	SET key = value [;]     SET key TO value [;]
 *
 * A WORD is letters, digits and underscores, or anything in "..." with the
 * quote doubled inside; a value may also stand in '...'. One command per text.
 * What the words mean is not known here.
 *
 * Pure. Source: the commands that PgBouncer's console takes.
 */
#ifndef CONTROL_COMMAND_H
#define CONTROL_COMMAND_H

#include "base/base.h"
#include "base/err.h"

#define COMMAND_VERB 16 /* with the NUL, as the others */
#define COMMAND_ARG 64
#define COMMAND_VALUE 256
#define COMMAND_TIMEOUT 32

struct command {
	char verb[COMMAND_VERB]; /* as written */
	bool has_arg;
	char arg[COMMAND_ARG]; /* SET: the key */
	bool has_value; /* the form of SET */
	char value[COMMAND_VALUE];
	bool has_timeout;
	char timeout[COMMAND_TIMEOUT];
};

/* False with `invalid command '...', use SHOW HELP;` (42601) for what is no
 * command, and `bad arguments` (22023) for a word that is too long. */
bool command_parse(struct span text, struct command *out, struct err *e);
/* The first of these errors, for a command whose words mean nothing. */
bool command_invalid(struct span text, struct err *e);

#endif
