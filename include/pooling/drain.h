/*
 * drain: parts with the clients of one worker, a few at a time, so that the
 * process can end without breaking a transaction.
 *
 * Over the window the clients come due one after the other, in the order of
 * their logins. A client that is due is closed with FATAL 57P01 at the end of
 * its next transaction, right behind the answer: what it sends after that was
 * never begun. One without a transaction is closed once it has been idle for
 * a moment, so that a client that has just logged in has its turn. A client
 * that has sent more already is served first.
 *
 * With `move` every client that can be is sent to the process that takes our
 * place instead, between two transactions, DRAIN_SLICE of them a moment.
 *
 * At the end drain_finish() closes whoever is left, in a transaction or not.
 *
 * Thread: the worker's.
 */
#ifndef POOLING_DRAIN_H
#define POOLING_DRAIN_H

#include "base/base.h"
#include "pooling/client.h"

struct drain;

#define DRAIN_SLICE 100

/* Begins; every client has come due after window_us; 0: those who are not moved
 * stay as long as they want. */
struct drain *drain_new(struct client_home *h, usec_t window_us, bool move);
/* Its clients stay; NULL is fine. */
void drain_free(struct drain *d);
/* Closes everybody with FATAL 57P01: time is over. */
void drain_finish(struct client_home *h);

#endif
