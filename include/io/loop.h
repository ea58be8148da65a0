/*
 * loop: one event loop, driven by one thread: the main thread's and each
 * worker's.
 *
 * A turn is: wait for events and run their callbacks; run what the mailbox
 * brought; run the run-queue until it is empty; free what was put aside to be
 * freed. So nothing is ever freed inside its own callback, and what is put on
 * the run-queue needs no event and no system call.
 *
 * - timer: a deadline that is cheap to move. Setting a later deadline, or
 *   none, is a store; the timer looks at it when it would have fired and goes
 *   back to sleep. Early ones go into a heap with one libevent timeout.
 * - mail: how other threads reach a loop. The node is embedded in the object
 *   it is about, so posting never allocates; a node is in one mailbox at most.
 *   The eventfd is written only when the mailbox was empty.
 * - task: the run-queue's and the free list's node.
 * - lease: the one big read buffer of the loop, lent to one frame loop at a
 *   time; a nested lease is a bug.
 *
 * libevent 2.1 bases are made with NOLOCK: except loop_post() and
 * loop_stop(), everything here is for the loop's own thread.
 */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include <pthread.h>
#include <sys/queue.h>

#include "base/base.h"
#include "io/keep.h"

struct event_base;
struct loop;

#define LOOP_RBUF (128 * 1024) /* bytes one read takes at most */
#define LOOP_RBUF_FRONT (16 * 1024) /* room before it for kept bytes */

struct loop *loop_new(void);
void loop_free(struct loop *l);
/* Runs turns until loop_stop(). The calling thread owns the loop meanwhile. */
void loop_run(struct loop *l);
/* Any thread. */
void loop_stop(struct loop *l);
/* While it is held a loop handles its mail, and what that asks for, but no
 * socket and no timer: for SUSPEND. */
void loop_hold(struct loop *l, bool on);
struct event_base *loop_base(struct loop *l);
/* The time of this turn (monotonic), read when it is first asked for. */
usec_t loop_now(struct loop *l);
/* Where kept bytes of this loop's streams come from. */
struct keep_pool *loop_keeps(struct loop *l);
/* Whether the calling thread may touch the loop. */
bool loop_is_mine(const struct loop *l);
#define LOOP_OWNED(l) assert(loop_is_mine(l))
/* Turns so far. */
uint64_t loop_turns(const struct loop *l);
/* The CPU time of the longest turn so far in which mail came or a timer fired;
 * others are as long as what sockets bring, and asking would cost each of them
 * a system call. For the loop's own thread. */
usec_t loop_longest_turn(const struct loop *l);

/* ---- timers ---- */
struct timer {
	void (*fn)(struct timer *t);
	struct loop *loop; /* of the heap it stands in */
	size_t slot; /* place in the heap + 1; 0 = not armed */
	usec_t armed_us;
	usec_t deadline_us; /* 0 = none */
};
void timer_init(struct timer *t, void (*fn)(struct timer *t));
/* Fires once at or after deadline_us; replaces an earlier deadline. */
void timer_set(struct loop *l, struct timer *t, usec_t deadline_us);
/* No deadline any more. Cheap; the timer may stay in the heap. */
void timer_clear(struct timer *t);
/* Out of the heap; must come before the memory goes or changes loops. */
void timer_fini(struct timer *t);

/* ---- run-queue and free list ---- */
struct task {
	STAILQ_ENTRY(task) next;
	void (*fn)(struct task *t);
	bool queued;
};
STAILQ_HEAD(task_list, task);
/* Runs t->fn in this turn, behind what is queued already. Again while queued:
 * nothing. */
void loop_defer(struct loop *l, struct task *t);
void loop_undefer(struct loop *l, struct task *t);
/* Runs t->fn, which frees, when this turn's work is done. */
void loop_bury(struct loop *l, struct task *t);

/* ---- mailbox ---- */
struct mail {
	STAILQ_ENTRY(mail) next;
	void (*fn)(struct mail *m, struct loop *l);
};
STAILQ_HEAD(mail_list, mail);
/* Any thread. fn runs on l's thread. The node must stay put until then. */
void loop_post(struct loop *l, struct mail *m);

/* ---- what a module has for each loop ---- */
/* Freed with the loop. One place is enough: TLS has its buffers there. */
struct loop_extra {
	void (*free)(struct loop_extra *x);
};
struct loop_extra **loop_extra(struct loop *l);

/* ---- the read buffer ---- */
/* Memory of LOOP_RBUF_FRONT + LOOP_RBUF bytes. */
uint8_t *loop_lease(struct loop *l);
void loop_unlease(struct loop *l);

#endif
