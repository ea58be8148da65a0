/*
 * scenario: scripts about clients and servers of the real pooling code, with
 * time that passes only when they say so.
 *
 *	given("query_wait_timeout = 120");
 *	a = client_in("alice", &s);
 *	b = client_in("alice", NULL);
 *	say(a, "Q=begin");
 *	hear(s, "Q=begin");
 *	...
 *	advance(120 * USEC_PER_SEC);
 *	hear(b, "E=FATAL 57014 query_wait_timeout|EOF");
 *
 * Each test runs twice: with reads and writes as large as they come, and byte
 * by byte in both directions. Whatever a script does, after every step the
 * pools' figures are held against each other and against the connections that
 * are open; and at its end everything must be gone, to the last byte.
 *
 * Messages are written as TYPE=text, several with | between. What can be
 * said and heard, besides types that stand alone (1 2 3 n s I c X H S):
 *
 *	from clients: Q=sql P=sql P/name=sql B B/name D E C d=bytes f=why
 *	    F p=text
 *	from servers: R R=code S=name:value K Z=status C=tag D=value T t G H W V
 *	    d=bytes A E=SEVERITY SQLSTATE text N=SEVERITY SQLSTATE text
 *	heard only: startup=user@database, cancel=pid, EOF, RST (closed in a way
 *	    that may cost the peer what it has not read yet); BYE fits both
 *
 * In what is expected a * at the end of a message stands for anything.
 */
#ifndef SCENARIO_H
#define SCENARIO_H

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"
#include "pooling/hub.h"
#include "pooling/pool.h"

/* A client or a server: what the script plays. */
struct peer;

/* ---- the world ---- */

/* settings: lines of [pooler]; database: the rest of the database's line.
 * `_i` is the way the test runs, see SCENARIOS(). */
#define given(settings) world_open(_i, (settings), "")
#define given_db(settings, database) world_open(_i, (settings), (database))
void world_open(int way, const char *settings, const char *database);
/* Everybody leaves, and nothing may be left. Comes by itself at the end of a
 * test; one that needs several worlds calls it in between. */
void world_close(void);
/* All that goes on without time passing. */
void settle(void);
void advance(usec_t us);
/* What SHOW POOLS says of (app, user). */
struct pool_counts pool_of(const char *user);
struct counters stats_of(const char *user);
/* Bytes moved at once, where one at a time would take too long. */
void by_chunks(size_t n);
/* Connections to servers that the pooler has open, cancels included. */
int servers_open(void);

/* ---- clients ---- */

/* A connection that has said nothing. */
struct peer *client_connects(void);
/* Logs in to "app". server: where to put the server that logs in for it (it
 * fails if none does), or NULL: none may. */
struct peer *client_in(const char *user, struct peer **server);
/* Sends the StartupMessage: name, value ... NULL. */
void say_startup(struct peer *c, const char *const *params);
void hear_welcome(struct peer *c);
/* A CancelRequest for c, on a connection of its own. */
struct peer *client_cancels(struct peer *c);

/* ---- servers ---- */

/* The next connection that the pooler makes; it must. */
struct peer *server_dialed(void);
/* The same, or NULL. */
struct peer *server_maybe(void);
/* The number that cancel= names; 0 for a client that was not told one yet. */
uint32_t peer_number(const struct peer *p);
/* ... and it logs in, with trust. */
struct peer *server_in(void);
void server_welcomes(struct peer *s);
/* Says something that asks for nothing, so that one sees it is alive. */
void server_notices(struct peer *s);
/* The pooler must not have made a connection. */
void nobody_dials(void);
/* It is the cancel request for s, and s sees it. The connection is closed as
 * PostgreSQL does. */
void cancel_comes(struct peer *s);

/* ---- both ---- */

void say(struct peer *p, const char *messages);
void say_bytes(struct peer *p, const void *bytes, size_t n);
/* The start of a message, cut after n bytes. */
void say_part(struct peer *p, const char *message, size_t n);
/* ... and what is left of it. */
void say_rest(struct peer *p, const char *message, size_t n);
/* Says it and does not wait: more will follow in the same read. */
void mutter(struct peer *p, const char *messages);
#define hear(p, text) peer_hears((p), (text), __FILE__, __LINE__)
void peer_hears(struct peer *p, const char *text, const char *file, int line);
/* All that it has heard since hear() or heard() was last asked, as text. */
const char *heard(struct peer *p);
/* The body of the next message, as it is, at the end of body. */
void peer_takes_body(struct peer *p, struct buf *body);
/* Bytes that have come and were not looked at yet. */
size_t unheard(struct peer *p);
/* Closes it. */
void hang_up(struct peer *p);
/* Sends no more, still reads. */
void half_close(struct peer *p);
/* The connection breaks. */
void reset(struct peer *p);
/* Takes n more bytes; SIZE_MAX = reads on. */
void take_only(struct peer *p, size_t n);
/* The pooler has closed (or shut down) the connection. */
bool is_closed(struct peer *p);
/* Bytes sent to the pooler that it has not read. */
size_t unread(struct peer *p);

/* ---- running ---- */

#define WAYS 2

int scenario_main(const char *name, const TTest *const *tests, size_t n);
#define SCENARIOS(name, ...) \
	int \
	main(void) \
	{ \
		const TTest *const tests[] = { __VA_ARGS__ }; \
\
		return scenario_main(name, tests, ARRAY_LEN(tests)); \
	}

/* Two that talk: q goes through, and its answer comes. */
void one_query(struct peer *c, struct peer *s);
/* A transaction is begun and left open. */
void begin(struct peer *c, struct peer *s);

#endif
