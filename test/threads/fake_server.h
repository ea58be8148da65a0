/*
 * fake_server: just enough PostgreSQL, in a thread of the test, to see what a
 * pool does to a server: it logs in whom it is told to, answers queries, and
 * counts its connections.
 *
 * It listens on a Unix socket in a directory of its own. A connection counts
 * from its StartupMessage until before its socket is closed; so a bound that
 * holds for the pooler holds for the count, at every moment.
 *
 * Threads: any.
 */
#ifndef TEST_FAKE_SERVER_H
#define TEST_FAKE_SERVER_H

#include "base/base.h"

struct fake_server;

struct fake_server *fake_new(void);
void fake_free(struct fake_server *f);
const char *fake_dir(const struct fake_server *f);
int fake_port(const struct fake_server *f);

/* Connections that sent a StartupMessage: now, at most so far, in all. */
int fake_live(struct fake_server *f);
int fake_max_live(struct fake_server *f);
int fake_total(struct fake_server *f);
/* Of these, the ones whose login has not been answered. */
int fake_pending(struct fake_server *f);
int fake_max_pending(struct fake_server *f);

/* Answers only n more logins; the others wait. -1: all, as at first. */
void fake_let_in(struct fake_server *f, int n);
/* Queries are taken and not answered while on. */
void fake_hold_queries(struct fake_server *f, bool on);
/* Logins of user (NULL = all) get this SQLSTATE; NULL: they succeed. */
void fake_refuse(struct fake_server *f, const char *user,
    const char *sqlstate);
/* Whether the socket is there to connect to. */
void fake_listen(struct fake_server *f, bool on);
/* Ends the connection with this pid (0 = one at random) as a crash would. */
void fake_kill(struct fake_server *f, uint32_t pid);
void fake_kill_all(struct fake_server *f);
/* Bytes that follow each login's ReadyForQuery in the same packet. */
void fake_add_to_welcome(struct fake_server *f, const void *p, size_t n);
/* Sends these bytes on it, out of the blue. */
void fake_say(struct fake_server *f, uint32_t pid, const void *p, size_t n);
/* It reads nothing more, as a server that hangs. */
void fake_deafen(struct fake_server *f, uint32_t pid);

#endif
