/*
 * torture: hundreds of clients in every mix of the protocol on a pool of five
 * servers, that come, go, vanish, cancel and get killed at random, while every
 * answer they get must carry the token of the very question it belongs to.
 *
 * torture.c		sets a trial up and ends it
 * torture_peer.c	a client that checks each answer it reads
 * torture_script.c	questions put together
 * torture_acts.c	what clients do while they behave
 * torture_gone.c	the ways in which they stop behaving
 * torture_libpq.c	the same with the library that everyone uses
 * torture_watch.c	the threads that look on: pg_stat_activity, the console,
 *			the killer of servers
 * torture_rest.c	what is left when everybody has gone home
 *
 * Check's assertions belong to the test's own thread. What a client finds wrong
 * goes to trial_fail(), and the test fails when everybody has come home.
 *
 * Environment:
 *	TORTURE_SECONDS	length of all trials together (default 18)
 *	TORTURE_SEED	repeats the choices of a run; the timing is its own
 *	TORTURE_CLIENTS	default 200
 *	TORTURE_WORKERS	only this number of workers (default: 1, 2 and 4)
 *	TORTURE_INI	more lines for the [pooler] section, \n between them
 * and to close in on something that it found:
 *	TORTURE_ONLY	names of acts and ways to vanish (see the two tables),
 *			and "kills", "console", "libpq", "door", "split":
 *			nothing else is done
 *	TORTURE_SKIP	the other way round
 */
#ifndef TEST_SYSTEM_TORTURE_H
#define TEST_SYSTEM_TORTURE_H

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "raw.h"

#define BOUND 5 /* servers of each database */

/* The three databases are the three pool modes. */
enum mode { MODE_TRANSACTION, MODE_SESSION, MODE_STATEMENT, MODES };

/* --- the trial -------------------------------------------------------- */

struct trial {
	int port;
	int workers;
	uint64_t seed;
	int patience_ms; /* whoever waits longer than this waits for ever */
	int grace_ms; /* a transaction may be idle, left alone, this long */
	bool kills; /* there is a killer: answers may get lost */
	bool direct; /* no pooler: on PostgreSQL itself */
	atomic_bool stop;
	/* What happened; printed at the end, so that a trial in which nothing
	 * did is seen to be one. */
	atomic_long answers, logins, gone, cancels, cancelled;
	atomic_long killed, lost, timeouts, forgotten, samples;
	atomic_long failures;
};

extern struct trial trial;
extern const char *const mode_db[MODES];

/* Something is wrong with the pooler: told at once, kept for the verdict. */
void trial_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The first failure, or NULL. */
const char *trial_first_failure(void);

/* Has TORTURE_ONLY or TORTURE_SKIP anything to say about this? */
bool trial_wants(const char *name);

/* --- chance ----------------------------------------------------------- */

struct rng {
	uint64_t state;
};

uint32_t rng_below(struct rng *r, uint32_t n);
bool rng_chance(struct rng *r, unsigned percent);

/* --- who has promised what to whom ------------------------------------ */

/*
 * Every row that a client inserts in torture_ledger has an id of its own and
 * says what must become of it.
 */
enum promise {
	PROMISE_NEVER, /* rolled back, or left without COMMIT */
	PROMISE_KEPT, /* there once COMMIT was answered */
	PROMISE_FORGET, /* sent whole, then gone: there, unless killed */
};

struct ledger {
	int64_t *kept; /* ids whose COMMIT was answered */
	size_t n, cap;
};

void ledger_keep(struct ledger *l, int64_t id);

struct peer;
/* An id for the ledger that no other row of this trial has. */
int64_t peer_id(const struct peer *p);

/* --- a client --------------------------------------------------------- */

enum fate {
	FATE_OK,
	FATE_ERROR, /* an error it may get; the connection lives */
	FATE_LOST, /* the connection is gone, or no longer of use */
};

struct peer {
	int fd; /* -1: none */
	uint32_t pid, key;
	enum mode mode;
	int slot; /* thread number: the same for all its connections */
	unsigned incarnation;
	unsigned seq; /* number of the last token */
	struct rng rng;
	struct ledger ledger[MODES];
	char who[32]; /* what all tokens of this connection start with */
	char app[48]; /* application_name as it has to be */
	char me[48]; /* torture.me as it has to be; "" outside */
	bool split; /* sends byte by byte */
	bool cancelled; /* has sent a cancel, and may be hit by it */
	bool limited; /* runs under the short timeouts */
	char status; /* of the last ReadyForQuery */
	char tag[32]; /* of the last CommandComplete */
	uint8_t *in;
	size_t used, have, cap;
};

/*
 * What was sent up to one Sync, and what has to come back: rows whose tokens
 * are first .. first + rows - 1, in this order, then either ReadyForQuery or
 * the error that is wanted.
 */
struct segment {
	unsigned first, rows;
	unsigned filler; /* rows end in a column of so many tokens */
	const char *want; /* SQLSTATE that must come, or NULL */
	char extra[24]; /* what the fourth column says, if not "" */
};

#define SEGMENTS 24

struct script {
	struct pkt out;
	struct segment seg[SEGMENTS];
	unsigned n;
};

/* Logs in as user; the tokens are those of a new incarnation. */
bool peer_open(struct peer *p, const char *user);
/* Only connects: nothing is sent yet. */
bool peer_dial(struct peer *p);
/* How a connection ends. */
enum leaving { LEAVE_TERMINATE, LEAVE_FIN, LEAVE_RST, LEAVINGS };
void peer_leave(struct peer *p, enum leaving how);
enum leaving peer_any_leaving(struct peer *p);

/* Sends and forgets the bytes; false when the pooler has hung up. */
bool peer_send(struct peer *p, struct pkt *k);
/* Reads and checks the answer to one segment. */
enum fate peer_answer(struct peer *p, const struct segment *seg);
/* Sends a script, checks all its answers, empties it. */
enum fate peer_run(struct peer *p, struct script *s);
/* Reads up to a message of this type, which it leaves out. */
enum fate peer_await(struct peer *p, char type);
/* Reads to the end: what still comes must be ours. */
void peer_read_out(struct peer *p, const struct segment *seg);
/* A cancel for this client, on a connection of its own. */
void peer_cancel(const struct peer *p, uint32_t pid, uint32_t key);

/* A new segment that says it wants nothing yet. */
struct segment *script_segment(struct script *s, struct peer *p);
/* Text of a SELECT for the segment's next token. */
const char *peer_select(struct peer *p, struct segment *seg, char *buf,
    size_t size);
/* One Query message with n statements of that kind. */
void script_simple(struct script *s, struct peer *p, unsigned n);
/* n times Parse Bind Describe Execute with a parameter, then Sync. */
void script_extended(struct script *s, struct peer *p, unsigned n);
/* One Query message whose answer has no rows. */
void script_command(struct script *s, struct peer *p, const char *sql);

/* --- what clients do -------------------------------------------------- */

/* One thing, in a connection that goes on. FATE_OK or FATE_LOST. */
enum fate peer_act(struct peer *p);
/* One way to vanish; the connection is closed after it. */
void peer_vanish(struct peer *p);

/* --- who looks on ----------------------------------------------------- */

/* The client threads; the argument is a struct peer. */
void *live_raw(void *peer);
void *live_libpq(void *peer);

void *watch_activity(void *unused);
void *watch_console(void *unused);
void *kill_servers(void *unused);
/* --- what is left ----------------------------------------------------- */

/* Of the poolers' connections to PostgreSQL, those with that SQL condition. */
long backends(const char *cond);
/* All that the console and the server have to say, on stderr. */
void tell_all(void);
/* Nobody waits, and nothing is held for anyone: within the grace, or it is told
 * with all that the console has to say. */
void check_all_at_rest(void);
/* Every promise in the ledgers of these n clients. */
void check_promises(const struct peer *peers, int n);
struct pooler;
/* Open files of the pooler but for its connections to servers. */
int open_files(const struct pooler *pooler);

/* A direct connection of a superuser, for one thread. */
PGconn *direct_connection(const char *db);

#endif
