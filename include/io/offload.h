/*
 * offload: work that takes its time, done by threads of its own, so that no
 * loop stands still for it: key derivations, and whatever asks somebody else
 * in a blocking way (PAM, LDAP, a password command).
 *
 * The queue is bounded: what finds it full is refused at once. A job outlives
 * its asker: there is no way to take it back, the asker leaves a mark that it
 * no longer cares, and done() frees.
 *
 * Threads are started when the first job comes, and one more whenever all are
 * busy, up to the bound. They block all signals.
 *
 * Threads: offload_submit() any; the rest main.
 */
#ifndef IO_OFFLOAD_H
#define IO_OFFLOAD_H

#include "io/loop.h"

struct offload;

/* Embedded; stays put until done() has run. */
struct offload_job {
	/* On a thread of the offload. */
	void (*run)(struct offload_job *j);
	/* On reply_to's thread. Without reply_to run() is the last thing that
	 * happens to the job, and may free it. */
	void (*done)(struct offload_job *j);
	struct loop *reply_to;
	/* inside */
	struct mail mail;
	STAILQ_ENTRY(offload_job) next;
};

/* name: of the threads. */
struct offload *offload_new(const char *name, int max_threads, int max_queue);
/* What has not begun is dropped. Waits for what runs, but no longer than
 * patience_us: behind that the memory is left to the end of the process. */
void offload_free(struct offload *o, usec_t patience_us);
/* False when the queue is full. o NULL: the job is run inside the call, and
 * answered by mail all the same (for tests with loops of their own). */
bool offload_submit(struct offload *o, struct offload_job *j);
/* Jobs that wait or run, and those refused so far (any thread). */
int offload_pending(struct offload *o);
uint64_t offload_refused(struct offload *o);

#endif
