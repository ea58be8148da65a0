/*
 * canceler: one CancelRequest to a server, on a connection of its own (55.2.7).
 *
 * Cancel connections never count against a pool's size; they have a hard limit
 * of their own per pool (max_cancel_conn): past it a request waits its turn,
 * up to cancel_wait_timeout. The request has taken effect when the server has
 * closed the connection: only then may the connection that it was aimed at go
 * to another client.
 *
 * Thread: the loop's.
 */
#ifndef POOLING_CANCELER_H
#define POOLING_CANCELER_H

#include "base/base.h"
#include "io/addr.h"
#include "io/loop.h"
#include "pooling/target.h"

/* host is for a Unix socket, a for TCP. done() comes exactly once, never inside this call. clean: the server took
 * the request and closed the connection. */
void canceler_start(struct loop *l, struct server_target *t,
    const char *host, const struct addr *a, bool tls, uint32_t pid, struct span key,
    void (*done)(void *arg, bool clean), void *arg);

#endif
