/*
 * fanout: LISTEN for many clients on one server connection.
 *
 * Where servers go round among clients, a LISTEN on the client's own server
 * would be heard by whoever has that server next. So a pool has one server, got
 * from its queue and counted as any other, that listens on everything its
 * clients want to hear; what it is told goes to those who wait for it, in the
 * order in which the server tells it. When nobody listens any more, it is reset
 * and the pool has it back.
 *
 * A client has an ear. ear_call() says what it is to hear from now on; done()
 * comes when the shared server has committed the LISTEN, and behind every
 * notification that was committed before the call: so a call that changes
 * nothing is a barrier.
 *
 * Should the server be lost, another one is got and listens on the same; each
 * ear is told of the gap then, by a NOTICE.
 *
 * A notification names the process that sent it. Where that is a server of the
 * pool on which one of our clients has just run something, and said so with
 * fanout_announce(), the client's own process id is put in place of it.
 *
 * Threads: a fanout has a home, the worker that was the first to need it; its
 * server and the books of channels are there. An ear is its client's worker's.
 * They talk by mail, so order is kept. A fanout lives as long as its pool;
 * calls, servers and waits hold a reference to that.
 */
#ifndef POOLING_FANOUT_H
#define POOLING_FANOUT_H

#include <sys/queue.h>

#include "base/base.h"
#include "base/err.h"
#include "pooling/pool.h"
#include "proto/channels.h"

struct fanout;
struct ear;

/* On the ear's worker; each of them may free the ear. */
struct ear_owner {
	/* One whole message for the client: a NotificationResponse, or the
	 * NoticeResponse of a gap. */
	void (*deliver)(void *arg, struct span message);
	/* What was called for has been done, or (e not NULL) has not, and what
	 * was heard before is heard still. */
	void (*done)(void *arg, const struct err *e);
	/* Nothing will be heard any more. */
	void (*lost)(void *arg, const struct err *e);
};

/* The one of the pool, made if there is none. encoding: in which names and
 * payloads come; the first one stays. */
struct fanout *fanout_of(struct pool *p, int worker, const char *encoding);
/* The same, or NULL. */
struct fanout *fanout_get(struct pool *p);
/* Whether a pool has room for a server that listens, and others. */
bool fanout_has_room(struct pool *p);
const char *fanout_encoding(const struct fanout *f);
/* It has its server, which listens. */
bool fanout_is_up(const struct fanout *f);

/* Embedded: a server's process that works for a client. */
struct fanout_tenant {
	LIST_ENTRY(fanout_tenant) link;
	uint32_t server_pid;
	uint32_t client_pid;
};
void fanout_announce(struct fanout *f, struct fanout_tenant *t);
void fanout_withdraw(struct fanout *f, struct fanout_tenant *t);

/* Hears nothing as yet. */
struct ear *ear_new(struct fanout *f, int worker, const struct ear_owner *o,
    void *arg);
/* From now on it is to hear this (which it takes a reference to); done() will
 * come. A want that is what it hears already is a barrier. One call at a
 * time. */
void ear_call(struct ear *e, struct channels *want);
/* Everything is given up; no callback comes any more. */
void ear_free(struct ear *e);

#endif
