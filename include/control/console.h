/*
 * console: sessions on the database `pgbouncer` (or `pooler`): the protocol
 * between a client that has logged in there and the commands of verb.
 *
 * Both protocols are spoken: a Query is one command; Parse, Bind, Describe,
 * Execute, Close, Flush and Sync work as in PostgreSQL (55.2.3 Extended Query),
 * with results in text or binary, except that no command has parameters. A
 * session runs one command at a time; what it sends meanwhile waits.
 *
 * Thread: main.
 */
#ifndef CONTROL_CONSOLE_H
#define CONTROL_CONSOLE_H

#include "control/plane.h"

/* A session for a client that has been authenticated, which gets its welcome
 * here. Takes over h. */
void console_new(struct plane *pl, struct handover *h);
/* Closes all sessions without a word. */
void console_end_all(struct plane *pl);

#endif
