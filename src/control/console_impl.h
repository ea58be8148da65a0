/*
 * console_impl: a session's insides, for its two halves: console.c moves
 * bytes and ends the session, console_msg.c understands messages.
 */
#ifndef CONTROL_CONSOLE_IMPL_H
#define CONTROL_CONSOLE_IMPL_H

#include "base/map.h"
#include "control/console.h"
#include "pooling/cancel.h"

/* Statements and portals, each; a driver keeps a few. */
#define CONSOLE_NAMES_MAX 1000
/* The longest message. Commands are short. */
#define CONSOLE_MSG_MAX (256 * 1024)

struct statement {
	struct command command;
	char *text;
	bool empty; /* text without a command */
	const struct rows_column *columns; /* NULL: no rows come back */
	size_t n_columns;
};

struct portal {
	struct command command;
	char *text;
	bool empty;
	const struct rows_column *columns;
	size_t n_columns;
	uint16_t *format;
	size_t n_formats;
	/* once it has been run */
	bool ran;
	struct rows rows;
	size_t at; /* first row that has not been sent */
	char tag[sizeof(((struct order *)0)->tag)];
};

struct console {
	struct seat seat;
	struct stream stream;
	struct handover *h;
	struct plane *plane;
	struct cancel_entry cancel;
	struct buf in, out;
	bool eof; /* the client sends no more */
	bool closing;
	bool working; /* in console_work() */
	bool skip; /* an error: everything up to Sync is dropped */
	struct order *order; /* the command under way */
	struct portal *portal; /* ... by Execute; NULL: by Query */
	uint32_t max_rows; /* Execute's; 0 = all */
	struct map *statements;
	struct map *portals;
	struct task bury;
};

/* Handles one whole message: its type and body. */
void console_message(struct console *c, uint8_t type, struct span body);
void console_drop_names(struct console *c);

/* The rest is console.c's. */
/* FATAL e, and the end. reason is for the log. */
void console_fatal(struct console *c, const struct err *e);
void console_close(struct console *c, const char *reason);
/* Goes on with what has been read. */
void console_work(struct console *c);

#endif
