/*
 * err: what went wrong, told once, where it is known.
 *
 * The peer's or the operator's doing is a `bool` result plus a `struct err *`
 * that the failing function fills: SQLSTATE (PostgreSQL's own codes), message
 * (lower-case, no full stop, values quoted), and where there is something to
 * say DETAIL, HINT, file and line. Whoever stands at the top shows it.
 *
 * All fields are strings of their own, cut if too long. A pointer to NULL is
 * allowed everywhere and drops the text.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/base.h"

struct err {
	char sqlstate[6]; /* "" = none set yet */
	char msg[400];
	char detail[400];
	char hint[240];
	char log[300]; /* for the log alone, never for the peer */
	char file[200]; /* "" = not about a file */
	int line;
};

void err_clear(struct err *e);
bool err_is_set(const struct err *e);
/* Sets code and message and clears the rest. Always returns false, so that
 * `return err_set(...)` reads well. */
bool err_set(struct err *e, const char *sqlstate, const char *fmt, ...)
    PRINTF(3, 4);
void err_detail(struct err *e, const char *fmt, ...) PRINTF(2, 3);
/* What the operator may know and the peer may not. */
void err_log(struct err *e, const char *fmt, ...) PRINTF(2, 3);
void err_hint(struct err *e, const char *fmt, ...) PRINTF(2, 3);
void err_at(struct err *e, const char *file, int line);

#endif
