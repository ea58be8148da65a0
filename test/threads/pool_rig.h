/*
 * pool_rig: real workers, pools and servers against a fake_server, with actors
 * in the place of clients.
 *
 * A race is forced by holding a worker's loop still (rig_hold), doing on other
 * threads what shall have happened meanwhile, and letting it go on; what is
 * given to rig_release() then runs on the worker before anything else that
 * waits for it.
 *
 * Threads: the test's own, but where said.
 */
#ifndef TEST_POOL_RIG_H
#define TEST_POOL_RIG_H

#include <pthread.h>
#include <semaphore.h>

#include "base/base.h"
#include "fake_server.h"
#include "pooling/hub.h"
#include "pooling/pool.h"
#include "pooling/registry.h"
#include "pooling/worker.h"

#define RIG_WORKERS 4
#define RIG_POOLS 8

struct rig {
	struct hub hub;
	struct fake_server *fake;
	struct loop *loops[RIG_WORKERS];
	struct pool *pools[RIG_POOLS];
	int n_pools;
};

/* Lines for [pooler] follow in fmt; the databases d1 and d2 are the fake
 * server. */
void rig_start(struct rig *r, int n_workers, const char *fmt, ...)
    PRINTF(3, 4);
/* Kills all pools, waits until no server is left, checks that nothing is
 * counted any more. All actors must be out. */
void rig_stop(struct rig *r);
/* The pool of d1 or d2 and this user; the rig's. It has a client. */
struct pool *rig_pool(struct rig *r, const char *db, const char *user);
/* A configuration with these lines in [pooler], and with `databases` in the
 * place of d1 and d2 if it is not NULL. */
struct config *rig_config(struct rig *r, const char *lines,
    const char *databases);

/* ---- what workers do ---- */
/* Runs fn on the worker and waits for its end. */
void rig_on(struct rig *r, int worker, void (*fn)(void *arg), void *arg);
/* Everything posted to the workers before this has been done. */
void rig_settle(struct rig *r);

struct hold {
	struct mail mail;
	sem_t held, go, over;
	void (*fn)(void *arg);
	void *arg;
};
/* The worker stands still when this returns. */
void rig_hold(struct rig *r, struct hold *h, int worker);
/* It runs fn (may be NULL) and goes on. */
void rig_release(struct hold *h, void (*fn)(void *arg), void *arg);

/* ---- actors ---- */
enum act {
	ACT_OUT,
	ACT_WAITING,
	ACT_GOT, /* server is the actor's */
	ACT_FAILED, /* err says why */
	ACT_WELCOMED,
};
struct actor {
	struct waiter w;
	struct rig *rig;
	struct pool *pool;
	struct server *server;
	struct err err;
	_Atomic(enum act) act;
	_Atomic int told; /* calls of any kind */
	bool stayed; /* what pool_leave() said, turned round */
};
void actor_init(struct actor *a, struct rig *r, struct pool *p, int worker);
/* On the actor's worker, to its end. */
void actor_acquire(struct actor *a);
void actor_release(struct actor *a);
void actor_discard(struct actor *a);
void actor_leave(struct actor *a);
/* The same for those who are on the worker already. */
void actor_acquire_here(void *arg);
void actor_release_here(void *arg);
void actor_discard_here(void *arg);
void actor_leave_here(void *arg);
/* Waits until it is so; aborts the test after 20 s. */
void actor_await(struct actor *a, enum act act);

/* Waits until fn() says so; aborts the test, naming what, after 20 s. */
void rig_await(bool (*fn)(void *arg), void *arg, const char *what);
/* ... until the fake server has this many connections. */
void rig_await_live(struct rig *r, int n);
/* ... until the pool counts so many servers. */
void rig_await_total(struct pool *p, int n);
int pool_total(struct pool *p);
int pool_count_of(struct pool *p, enum server_state st);

#endif
