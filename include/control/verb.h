/*
 * verb: the commands of the console: a table of what they are called, what
 * they take, who may use them, and what the manual says; and the dispatcher,
 * the only way to run one.
 *
 * Rights are a column of the table: without `readers` a command is for admins.
 *
 * Thread: main.
 */
#ifndef CONTROL_VERB_H
#define CONTROL_VERB_H

#include "control/plane.h"
#include "control/show.h"

enum verb_arg {
	VERB_BARE, /* takes nothing */
	VERB_WORD, /* may take one of `words` */
	VERB_DATABASE, /* may take a database */
	VERB_PAUSE, /* ... and TIMEOUT */
	VERB_ONE_DATABASE, /* needs one */
	VERB_ID, /* needs a number */
	VERB_ITEM, /* SHOW's */
	VERB_SET, /* key = value */
};

struct verb {
	const char *name;
	enum verb_arg arg;
	bool readers; /* stats_users too */
	const char *const *words; /* NULL-terminated */
	const char *gerund; /* "pause" in "cannot pause admin db: x" */
	void (*run)(struct order *q);
	const char *syntax; /* what stands behind the name in the manual */
	const char *help; /* whole sentences */
};

const struct verb *verb_at(size_t i); /* NULL past the end */

/* Whether the words are a command at all, whoever asks. */
bool verb_check(const struct command *c, struct span text, struct err *e);
/* The columns that the command's result will have; none: *c is NULL. */
void verb_columns(const struct command *c, const struct rows_column **columns,
    size_t *n);
/* Runs q->command for q->seat, if its rights allow; q finishes now or later. */
void order_run(struct order *q);

#endif
