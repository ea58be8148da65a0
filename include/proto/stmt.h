/*
 * stmt: prepared statements that clients share and servers come to have.
 *
 * A client gives its statement a name of its own; on the servers it has another
 * one, "PGBOUNCER_N", under which all clients use it that prepared the same:
 * the same text and parameter types, under the same settings, for PostgreSQL
 * folds constants at Parse ('01/02/2024'::date is another day under DMY).
 *
 * - stmt: one such statement. Immutable, counted; its number is never used
 *   again. Most stand in the table of a pool, where the next Parse finds them.
 * - stmt_client: what names a client has given, and its unnamed statement.
 * - stmt_server: what statements a server connection has, the one used last
 *   first, bounded by number and bytes.
 *
 * What was sent is not yet done: a Parse may fail, or be skipped behind an
 * error, a Close too. So besides what is certain there is a queue of
 * operations under way, in the order in which they were sent, each with what
 * it means for the client's name and for the server. As its answer comes, the
 * oldest becomes certain, or is forgotten; the pipeline says which.
 *
 * Within one batch (up to a Sync) questions are answered as if operations
 * succeed: where one does not, the rest of the batch is skipped anyway. Behind
 * a Sync nothing of the kind is true, and the answer is STMT_WAIT: whoever
 * wants to know has to wait for the server.
 *
 * Source: 55.2.3 Extended Query. Statements are no part of a transaction: a
 * rollback does not take them back.
 *
 * Pure. A table, and references to what stands in it, are for any thread if
 * the table has a guard; the rest is for the client's, or the server's.
 */
#ifndef PROTO_STMT_H
#define PROTO_STMT_H

#include <stdatomic.h>
#include <sys/queue.h>

#include "base/base.h"
#include "base/err.h"
#include "proto/pipeline.h"
#include "proto/wire.h"

#define STMT_NAME 32 /* room for a name on servers, with its NUL */
/* One that no statement has. */
#define STMT_REFUSED_NAME "PGBOUNCER_0"
/* Bytes that a client's statements may take, and those of one server. */
#define STMT_CLIENT_MAX (128u << 20)
#define STMT_SERVER_MAX (64u << 20)
/* What one statement of a client costs besides its name and text. */
#define STMT_CLIENT_EACH 192

struct stmt_table;

struct stmt {
	struct stmt *next; /* in the table's chain */
	struct stmt_table *table; /* NULL: not shared */
	_Atomic uint32_t refs;
	_Atomic uint32_t age; /* what was prepared at a lower one is stale */
	uint32_t tail_n;
	uint64_t hash;
	uint64_t print; /* fingerprint of the settings */
	uint64_t number;
	bool commits; /* it may end a transaction */
	bool sets; /* it may change settings */
	bool sql; /* tail is what stands behind the name in SQL's PREPARE */
	uint8_t name_n;
	char name[STMT_NAME];
	/* A Parse behind its name: text, NUL, parameter types. */
	uint8_t tail[];
};

/* A mutex made elsewhere: this module is pure. The table frees it. */
struct stmt_guard {
	void (*lock)(struct stmt_guard *g);
	void (*unlock)(struct stmt_guard *g);
	void (*free)(struct stmt_guard *g);
};
/* NULL: used by one thread only. */
struct stmt_table *stmt_table_new(struct stmt_guard *guard);
/* Statements that are still in use keep it. */
void stmt_table_unref(struct stmt_table *t);
/* How many different statements stand in it. */
size_t stmt_table_count(struct stmt_table *t);

/* The statement of this tail and fingerprint, with a reference; made if there
 * is none. shared false: always a new one, which nobody else will get. NULL
 * when memory is out. Any thread. */
struct stmt *stmt_get(struct stmt_table *t, struct span tail, uint64_t print,
    bool shared);
/* Of SQL's PREPARE with types: `rest` is "(types) AS statement". Never shared.
 * Without types it is as a Parse of the statement. */
struct stmt *stmt_of_sql(struct stmt_table *t, struct span rest,
    uint64_t print);
struct stmt *stmt_ref(struct stmt *s);
void stmt_unref(struct stmt *s); /* NULL is fine */
/* Whether a text may change settings (SET, RESET, a rollback...): all but those
 * whose first word says that they do not. */
bool stmt_text_sets(struct span text);

enum stmt_state {
	STMT_NO,
	STMT_YES,
	STMT_WAIT, /* an operation of an earlier batch decides */
};

/* ---- what a client has ---- */

struct stmt_client;
struct stmt_name;

struct stmt_client *stmt_client_new(void);
/* Nothing of it may be under way. */
void stmt_client_free(struct stmt_client *c); /* NULL is fine */
/* The statement of a name into *s: STMT_YES, else NULL. c may be NULL. */
enum stmt_state stmt_client_get(struct stmt_client *c, struct span name,
    uint32_t batch, struct stmt **s);
/*
 * What a client was told of the columns that its statements give. All of these
 * are of the statement that stmt_client_get() has found last.
 *
 * It is asked to be described; and bound, to the unnamed portal or another: has
 * it ever been described to the client, as itself or as a portal?
 */
void stmt_client_describes(struct stmt_client *c);
bool stmt_client_binds(struct stmt_client *c, bool unnamed);
/* A portal is asked to be described. */
void stmt_client_describes_portal(struct stmt_client *c, bool unnamed);
/* How many are certain. NULL is fine. */
size_t stmt_client_count(const struct stmt_client *c);
/* Whether one more stays within STMT_CLIENT_MAX. */
bool stmt_client_has_room(const struct stmt_client *c, struct span name,
    size_t tail_n);
/* Another statement for a name that there is, at once. */
void stmt_client_replace(struct stmt_client *c, struct span name,
    struct stmt *s);
/* Its Close while nothing is under way; the name need not be there. Empty: the
 * unnamed statement. */
void stmt_client_close(struct stmt_client *c, struct span name);
/* DEALLOCATE ALL has been carried out. */
void stmt_client_clear(struct stmt_client *c);

/*
 * All of a client's statements in writing, for another process, while nothing
 * of it is under way. What cannot be written is an unnamed statement that uses
 * another one by its name on servers: stmt_client_can_put() says no. NULL is
 * fine for these, as the client that has none.
 */
bool stmt_client_can_put(const struct stmt_client *c);
/* Bytes that it takes in writing, at most. */
size_t stmt_client_put_size(const struct stmt_client *c);
void stmt_client_put(const struct stmt_client *c, struct writer *w);
/* Reads them; those that are shared are found in, or come into, t, under this
 * fingerprint. NULL when there is none, or, with r bad, when it cannot be
 * read, or memory is out. */
struct stmt_client *stmt_client_take(struct reader *r, struct stmt_table *t,
    uint64_t print);

/*
 * The client's last unnamed statement: a copy of its Parse behind the name, and
 * an id by which servers remember whose unnamed statement they have.
 */
enum stmt_does {
	STMT_PLAIN,
	/* It is SQL's, with a name: of st, which is here by its server's name.
	 * What it does to the name is done at Execute. */
	STMT_PREPARES,
	STMT_EXECUTES,
	STMT_DEALLOCATES,
};

struct stmt_unnamed {
	enum stmt_does does;
	struct stmt *st; /* NULL when PLAIN, or when there is none */
	uint8_t *name;
	uint32_t name_n;
	uint64_t id; /* 0 = none */
	bool kept; /* the copy is there; else only a server has it */
	uint32_t n;
	uint32_t cap;
	uint8_t *tail;
};
struct stmt_unnamed *stmt_client_unnamed(struct stmt_client *c);
/* Takes a copy; without memory it is not kept. */
void stmt_unnamed_set(struct stmt_unnamed *u, uint64_t id, struct span tail);
/* Behind stmt_unnamed_set(): what it does. Takes a reference to st. */
void stmt_unnamed_does(struct stmt_unnamed *u, enum stmt_does does,
    struct span name, struct stmt *st);
/* One whose Parse is too long to be held. */
void stmt_unnamed_set_passing(struct stmt_unnamed *u, uint64_t id);
void stmt_unnamed_clear(struct stmt_unnamed *u);

/* ---- what a server has ---- */

struct stmt_server;

struct stmt_server *stmt_server_new(void);
void stmt_server_free(struct stmt_server *s); /* NULL is fine */
/* Whether it has (or will have) the statement, which is used now. */
enum stmt_state stmt_server_has(struct stmt_server *s, const struct stmt *st,
    uint32_t batch);
size_t stmt_server_count(const struct stmt_server *s); /* NULL is fine */
/*
 * The statement to be closed so that one of `bytes` more stays within max
 * statements and STMT_SERVER_MAX, the one not used for longest, with a
 * reference; NULL when there is room, or nothing to close.
 */
struct stmt *stmt_server_surplus(struct stmt_server *s, size_t max,
    size_t bytes);
/* Whether the server may have something under the name of st though it counts
 * as missing: its Parse has to come behind a Close. */
bool stmt_server_must_close(struct stmt_server *s, const struct stmt *st);
/* One of the plans that it has does not fit any more, and nobody knows which:
 * all of its statements are stale, here and on every other server, and are
 * prepared afresh when they are used next. NULL is fine. */
void stmt_server_expire(struct stmt_server *s);
/* It has none of them any more; what is under way stays. unsure: or so it
 * seems. NULL is fine. */
void stmt_server_clear(struct stmt_server *s, bool unsure);

/* ---- operations under way ---- */

/* Those that are sent from now on are of this batch. */
void stmt_server_set_batch(struct stmt_server *s, uint32_t batch);
/*
 * A Parse was sent (real) or is faked: name, of client c, will mean st; the
 * server will have st if it was sent. c NULL: an own Parse.
 */
void stmt_sent_parse(struct stmt_server *s, struct stmt_client *c,
    struct span name, struct stmt *st, bool real);
/* The client's Close of a name, faked. */
void stmt_sent_close(struct stmt_server *s, struct stmt_client *c,
    struct span name);
/* An Execute of SQL's DEALLOCATE; of its PREPARE it is stmt_sent_parse(). */
void stmt_sent_deallocate(struct stmt_server *s, struct stmt_client *c,
    struct span name, struct stmt *st);
/* Our own Close of a statement on the server. */
void stmt_sent_own_close(struct stmt_server *s, struct stmt *st);
/* Our own Close and Parse of one that is stale, in front of all that is under
 * way. */
void stmt_sent_again(struct stmt_server *s, struct stmt *st);
/* Something was refused: err is what its sender will be told. */
void stmt_sent_refused(struct stmt_server *s, const struct err *e);
/* The error of the oldest operation; NULL if that is none refused. */
const struct err *stmt_server_error(const struct stmt_server *s);
/*
 * A Query was sent in which SQL prepares or deallocates; it is tracked, and
 * what follows belongs to it, in the order of its statements: name will mean
 * st, which the server will have; or nothing, and the server will not have st.
 * Of our own Query (c NULL) no name means anything.
 * last: nothing is certain before it has been answered; see
 * stmt_server_waits().
 */
void stmt_sent_query(struct stmt_server *s, bool last);
void stmt_query_prepares(struct stmt_server *s, struct stmt_client *c,
    struct span name, struct stmt *st);
void stmt_query_deallocates(struct stmt_server *s, struct stmt_client *c,
    struct span name, struct stmt *st);
/* There is such a Query. NULL is fine. */
bool stmt_server_waits(const struct stmt_server *s);
/* The next of these has been carried out, in the oldest operation. */
void stmt_server_query_step(struct stmt_server *s);
/* Takes up what the pipeline has counted. */
void stmt_server_settle(struct stmt_server *s, struct pipeline *p);
/* The client goes: nothing is known of its names any more. NULL is fine. */
void stmt_server_forget_client(struct stmt_server *s);

#endif
