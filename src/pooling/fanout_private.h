/*
 * What the files of the fanout module share: fanout.c (the books of channels,
 * and what is to be done), fanout_server.c (the server that listens),
 * fanout_ear.c (those who hear).
 */
#ifndef POOLING_FANOUT_PRIVATE_H
#define POOLING_FANOUT_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/buf.h"
#include "base/map.h"
#include "pooling/fanout.h"
#include "pooling/hub.h"

TAILQ_HEAD(ear_list, ear);
STAILQ_HEAD(fan_call_list, fan_call);
TAILQ_HEAD(topic_list, topic);

/* A channel, at home. */
struct topic {
	TAILQ_ENTRY(topic) link; /* in changed or sent */
	enum { TOPIC_QUIET, TOPIC_CHANGED, TOPIC_SENT } place;
	bool live; /* the server listens on it */
	int total; /* ears that want it ... */
	uint32_t n;
	char *name;
	int count[]; /* ... by worker */
};

/* What those of one worker hear; that worker's alone. */
struct fan_side {
	struct ear_list ears;
	struct map *audiences; /* by channel; NULL: none */
};

/* Which of an ear's channels are to change; it goes home, and comes back. */
struct fan_call {
	struct mail mail;
	STAILQ_ENTRY(fan_call) link;
	struct fanout *fanout; /* its pool is held by a reference */
	struct ear *ear; /* the worker's; NULL: it has gone */
	int worker;
	bool one_way; /* nothing is added, and nobody waits for it */
	struct channels *have;
	struct channels *want;
	struct err *err; /* NULL: it has been carried out */
};

struct fanout {
	struct pool_guest guest;
	struct pool *pool; /* which owns it */
	int home;
	struct loop *loop;
	char encoding[40];
	atomic_bool up;
	pthread_mutex_t mu; /* over the tenants */
	LIST_HEAD(, fanout_tenant) tenants;
	struct fan_side *sides;
	/* Home's. */
	bool held; /* a reference to the pool */
	bool queued; /* for a server */
	bool fresh; /* the server is to be set up first */
	bool running; /* a query is under way ... */
	bool setting_up; /* ... that resets the server */
	bool gap; /* something may have been missed */
	struct server *server;
	struct waiter waiter;
	struct buf in;
	struct buf sql;
	struct map *topics; /* by name */
	size_t n_wanted; /* topics that somebody wants */
	int *n_by_worker; /* wants */
	struct topic_list changed;
	struct topic_list sent;
	struct fan_call_list waiting;
	struct fan_call_list calling; /* of the query under way */
	struct err err; /* of it; or why there is no server */
	usec_t retry_us; /* no server before; 0 = at once */
	struct timer timer;
	struct mail renew;
	atomic_bool renewing; /* its mail is under way */
};

/* ---- fanout.c ---- */

/* Whatever is to be done next is begun. */
void fan_step(struct fanout *f);
/* The query has been answered; f->err says whether well. */
void fan_ran(struct fanout *f);
/* The server is no more. */
void fan_server_lost(struct fanout *f, const char *reason);
/* There is none to be had. */
void fan_server_failed(struct fanout *f, const struct err *e);
/* A notification: channel, and the message as it goes to clients. */
void fan_tell(struct fanout *f, struct span channel, struct span message);

/* ---- fanout_server.c ---- */

void fan_acquire(struct fanout *f);
void fan_send(struct fanout *f, const struct buf *sql);
/* The pool has it back, reset. */
void fan_let_go(struct fanout *f);
void fan_discard(struct fanout *f, const char *reason);

/* ---- fanout_ear.c ---- */

enum fan_news { FAN_MESSAGE, FAN_GAP, FAN_END };
/* Goes to a worker; takes over nothing. */
void fan_post(struct fanout *f, int worker, enum fan_news news,
    struct span channel, struct span message, const struct err *e);
/* Back to who has called. */
void fan_reply(struct fan_call *c);
void fan_call_free(struct fan_call *c);
/* A call has come home. */
void fan_called(struct mail *m, struct loop *l);

#endif
