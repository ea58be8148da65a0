/*
 * tally: errors counted by kind, SQLSTATE and reason, for SHOW ERRORS. One per
 * worker.
 *
 * A reason is a message with everything that differs from case to case taken
 * out: what stands in quotes, numbers, and a single word behind a colon. There is room for TALLY_MAX of them;
 * more of a kind count as "(others)".
 *
 * Thread: the worker's.
 */
#ifndef POOLING_TALLY_H
#define POOLING_TALLY_H

#include "base/base.h"

#define TALLY_MAX 500

struct tally;

enum tally_kind {
	TALLY_CLIENT, /* told to a client by the pooler */
	TALLY_SERVER, /* told to a client by its server */
	TALLY_CONNECT, /* a server connection could not be made */
	TALLY_CLOSE, /* a server connection was closed */
	N_TALLY_KINDS
};

struct tally *tally_new(void);
void tally_free(struct tally *t);
/* NULL texts count as "". t may be NULL. */
void tally_add(struct tally *t, enum tally_kind kind, const char *sqlstate,
    const char *reason);

struct tally_row {
	enum tally_kind kind;
	char sqlstate[6];
	char *reason;
	uint64_t count;
	usec_t last_wall_us;
};
void tally_each(struct tally *t,
    void (*fn)(void *arg, const struct tally_row *row), void *arg);

#endif
