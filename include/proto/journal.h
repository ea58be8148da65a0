/*
 * journal: what a client's statements have done to its session, followed
 * through transactions.
 *
 * While a client is linked to a server, the statements that touch the session
 * are told to its journal as the server completes them. A SET counts from its
 * CommandComplete on; a rollback, also to a savepoint, takes it back, and SET
 * LOCAL never counts for longer than its transaction. At the end of each
 * transaction the journal says what the client has set (want), what this server
 * has (have), and what else keeps the two together (pins).
 *
 * A LISTEN that was sent as an UNLISTEN, as its tag says, is carried out by
 * somebody else when the transaction has committed: now.heard then says what
 * the client wants to hear.
 *
 * What rolls back with a transaction: settings, temporary objects, held
 * cursors, LISTEN. What does not: session advisory locks, LOAD, setseed(), and
 * whatever is done by texts that cannot be read. Those count from the moment
 * they are sent, for a statement that fails may have done them.
 *
 * Pins are suspicions: a lock may have been given back, a table dropped. The
 * owner asks the server (journal.check) before it believes them.
 *
 * Pure. One owner.
 */
#ifndef PROTO_JOURNAL_H
#define PROTO_JOURNAL_H

#include "base/base.h"
#include "base/buf.h"
#include "proto/channels.h"
#include "proto/param.h"
#include "proto/settings.h"
#include "proto/sql.h"

/* Why a client has to keep its server. */
enum pin {
	PIN_TEMP = 1, /* temporary objects */
	PIN_CURSOR = 2, /* WITH HOLD */
	PIN_LOCK = 4, /* session advisory locks */
	PIN_LISTEN = 8, /* on this server itself */
	PIN_LOAD = 16, /* a library: no reset takes it back */
	PIN_SEED = 32, /* the same */
	PIN_STATE = 64, /* something else that no server can be asked for */
};
/* What the server can be asked for. */
#define PIN_ASKABLE (PIN_TEMP | PIN_CURSOR | PIN_LOCK | PIN_LISTEN)
/* What only the end of the connection takes back. */
#define PIN_FOREVER (PIN_LOAD | PIN_SEED)
/* "temp,lock" */
void pin_names(unsigned pins, char *out, size_t cap);

/* Names whose values have to be read back at most. */
#define JOURNAL_ASKS 16

struct journal_state {
	struct settings *want; /* the client's */
	struct settings *have; /* the server's */
	struct channels *heard; /* what the client listens on elsewhere */
	unsigned pins; /* those that roll back */
};

struct journal_savepoint;

struct journal {
	struct journal_state now;
	struct journal_state begun; /* at the transaction's begin */
	struct journal_savepoint *saves; /* the last one first */
	struct settings *startup; /* what RESET gives the client back */
	unsigned pins; /* those that do not roll back */
	bool failed; /* the implicit transaction will be rolled back */
	bool local; /* settings differ until the end of the transaction */
	bool check; /* pins may have changed: ask the server */
	bool dirty; /* anything may have been done to the server */
	/* Settings whose values have to be read back before the server goes. */
	char *asks[JOURNAL_ASKS];
	size_t nasks;
	/* For telling which settings servers report. */
	const struct param_names *names;
	const struct param_set *reported; /* borrowed: the server's, now */
};

/* Takes its own references. */
void journal_init(struct journal *j, struct settings *want,
    struct settings *have, struct settings *startup);
void journal_fini(struct journal *j);
/* Between transactions: the client listens on this. */
void journal_hear(struct journal *j, struct channels *heard);

/* A text has been sent: what counts at once. */
void journal_sent(struct journal *j, const struct sql_info *info);
/* One of its statements is complete. */
void journal_done(struct journal *j, const struct sql_info *info,
    const struct sql_stmt *st, struct span tag);
/* COMMIT, or a ROLLBACK (not to a savepoint), of which only the tag is known. */
void journal_tag(struct journal *j, bool committed);
/* Between transactions: client and server both have this now. */
void journal_synced(struct journal *j, struct settings *s);
/* An ErrorResponse: what was done outside a transaction block is undone. */
void journal_error(struct journal *j);
/* ReadyForQuery. */
void journal_ready(struct journal *j, uint8_t status);

/* All pins together. */
static inline unsigned
journal_pins(const struct journal *j)
{
	return j->pins | j->now.pins;
}

/*
 * The question to the server, and its answer: one row, of which the first four
 * columns are true where there are objects, cursors, locks and channels, and
 * the others are the values asked for.
 */
bool journal_has_question(const struct journal *j);
void journal_question(const struct journal *j, struct buf *sql);
/* The body of its DataRow. False when it is not one. */
bool journal_answer(struct journal *j, struct span row);
/* There was none that could be read: it is not asked again, and the client
 * stays with its server. */
void journal_unanswered(struct journal *j);

#endif
