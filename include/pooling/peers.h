/*
 * peers: cancel requests that are meant for another process of a group behind
 * one balancer.
 *
 * With peer_id set every cancel key carries it: byte 0 has its top bit clear,
 * bytes 1 and 2 are the id, low byte first, and the two low bits of byte 7 how
 * often the key may be passed on (3 at birth); the rest is random. The layout is
 * PgBouncer's; long keys (see cancel.h) have the same first eight bytes, and
 * are passed on whole. A request that comes in is
 *
 *	ours		when its key is in our table, or has our id;
 *	a peer's	else: one less of the two low bits, and on to that peer;
 *	dropped		when it may not be passed on any more, or nobody has the id.
 *
 * Towards a peer there are as many connections as its pool_size, each for one
 * request; further ones wait up to cancel_wait_timeout. When there are PEER_WAIT
 * of them, more are dropped, since anybody can send some.
 *
 * Threads: any; peers_configure() and peers_each() main.
 */
#ifndef POOLING_PEERS_H
#define POOLING_PEERS_H

#include "base/base.h"
#include "io/dns.h"
#include "io/loop.h"
#include "policy/config.h"
#include "pooling/cancel.h"

#define PEER_WAIT 1000

struct peers;

/* It lives as long as the process. */
struct peers *peers_new(struct dns *dns, struct cancel_keys *keys);
/* At the start and at RELOAD. Requests under way go on. */
void peers_configure(struct peers *ps, const struct config *cfg);

/*
 * Deals with a request: hands it to the owner of its key, or to a peer. Ends in
 * c->over() either way, never inside this call. Loop l is the calling one;
 * c->reply_to is set to it. ps may be NULL: no peers.
 */
void peers_cancel(struct peers *ps, struct cancel_keys *k, struct loop *l,
    struct cancel_call *c);

/*
 * While the process before us still has clients: requests with keys that would
 * be ours, but are not known here, are given to fn, which sees to it that
 * cancel_call_over() is called. It runs on the calling worker. NULL: no more.
 */
void peers_set_elsewhere(struct peers *ps,
    void (*fn)(void *arg, struct cancel_call *c), void *arg);

/* Requests on their way to each peer that was ever used, and those that wait
 * for a place; by id. */
void peers_each(struct peers *ps,
    void (*fn)(void *arg, int id, int active, int waiting), void *arg);

#endif
