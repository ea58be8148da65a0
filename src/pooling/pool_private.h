/*
 * What the files of the pool module share: pool.c (queue, acquire, release,
 * moves), pool_open.c (making servers, failures, the timer), pool_admin.c
 * (PAUSE, KILL, figures).
 *
 * _locked functions want the pool's mutex held; the others take it.
 */
#ifndef POOL_PRIVATE_H
#define POOL_PRIVATE_H

#include "pooling/hub.h"
#include "pooling/pool.h"

extern const struct server_owner pool_owner;

void pool_lock(struct pool *p);
void pool_unlock(struct pool *p);

/* Moves s to st in the ledger and in itself. */
void ledger_move_locked(struct pool *p, struct server *s,
    enum server_state st);
void set_inbound_locked(struct pool *p, struct server *s, bool on);
/* Logged-in servers, whatever they do. */
int usable_locked(const struct pool *p);
/* A server has become free: grants, moves, shelves or closes it. */
void pool_offer(struct server *s);

/* Takes waiters out of the queue into list: those for whom pick says so (NULL
 * = all). They are told by deliver() after the lock is dropped. */
void take_waiters_locked(struct pool *p, struct waiter_list *list,
    enum waiter_state st, struct fault *f,
    bool (*pick)(const struct waiter *w, const void *arg), const void *arg);
void deliver(struct pool *p, struct waiter_list *list);

/* Takes the idle server unused for longest off the shelf, to be closed by its
 * worker; NULL if there is none. The caller posts it. */
struct server *shelf_oldest_locked(struct pool *p, usec_t *idle_us);
struct server *take_for_closing_locked(struct pool *p, struct server *s,
    const char *reason);
void post_server(struct pool *p, struct server *s);

/* pool_open.c */
void pool_ready(struct server *s);
void pool_failed(struct server *s, const struct err *e, bool refused);
void pool_gone(struct server *s);
void pool_progress(struct server *s);
void pool_schedule(struct pool *p);
void on_pool_timer(struct timer *t);
void on_pool_tick(struct mail *m, struct loop *l);
/* An error for a client that arrives while attempts are refused, if one is
 * due at once. */
bool refused_now_locked(const struct pool *p, usec_t now);
/* No attempt before this, while the server cannot be reached; 0 = now. */
usec_t next_try_locked(const struct pool *p);
void open_started_locked(struct pool *p, usec_t now);

#endif
