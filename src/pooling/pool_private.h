/*
 * What the files of the pool module share: pool.c (ledger, queue, acquire),
 * pool_move.c (shelves, servers between workers, what they tell), pool_pump.c
 * (fetch, open, evict), pool_release.c (a free server), pool_open.c (logins,
 * failures, the timer), pool_admin.c (PAUSE, KILL, figures).
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
/* Makes the per worker parts, if they are not there. */
void pool_need_sides(struct pool *p);
void shelve_locked(struct pool *p, struct server *s);
void unshelve_locked(struct pool *p, struct server *s, enum server_state st);
/* Takes w out of the queue; the run-queue brings it s. */
void grant_locked(struct pool *p, struct waiter *w, struct server *s,
    usec_t now);
/* The worker whose first waiter is the oldest of those that no server is on
 * its way to; -1 for none. A login counts as one only for who asks whether to
 * begin another. */
int neediest_locked(const struct pool *p, int except, bool with_logins);

/* Why a server is closed whose name stands for other addresses now. */
#define POOL_MOVED "server address has changed (DNS)"

/* Why one is closed that takes no writes any more. */
#define POOL_DEMOTED "server is a standby"

/* How long a reset or check query may take. */
#define TEST_US (30 * USEC_PER_SEC)

/* pool_move.c: the list of a worker's servers, and moves between workers. */
void pool_list_server(struct pool *p, struct server *s);
void pool_unlist_server(struct pool *p, struct server *s, int worker);
bool pool_due_for_check(const struct pool *p, const struct server *s,
    usec_t now);
void pool_run_check(struct pool *p, struct server *s);
/* From this worker to s->worker. */
void pool_send_off(struct pool *p, struct server *s, int from);
/* Takes an idle server off a shelf for a worker with waiters; the caller posts
 * it. */
struct server *fetch_locked(struct pool *p, int to);

/* pool_release.c: when an idle server has to be looked at again. */
void pool_set_idle_deadline(struct pool *p, struct server *s);
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

/* pool_latency.c */
void pool_free_sides(struct pool *p);

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
