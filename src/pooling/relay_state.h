/*
 * What is known of the session of a client that does something to it: shared by
 * relay_state.c, which follows its statements, and relay_listen.c.
 */
#ifndef POOLING_RELAY_STATE_H
#define POOLING_RELAY_STATE_H

#include <sys/queue.h>

#include "pooling/fanout.h"
#include "relay_private.h"

/* One Query, Execute, Sync or FunctionCall under way. */
struct run {
	STAILQ_ENTRY(run) link;
	uint8_t type;
	size_t at; /* Query: statements that are complete */
	uint8_t *text; /* NULL: it does nothing */
	struct sql_info info; /* of the text */
};

struct relay_state {
	struct journal journal;
	STAILQ_HEAD(, run) runs;
	struct texts *portals;
	bool skipping; /* an error: what comes is void up to a Sync */
	bool asking; /* the question is under way */
	bool answered;
	bool hears; /* what the client listens on may change */
	bool barrier; /* held until all notifications so far are there */
	bool announced;
	struct fanout_tenant tenant; /* announced: the server's process */
};

/* ---- relay_listen.c ---- */

/* The state has been made. */
void relay_listen_begin(struct relay *r);
/* It goes. */
void relay_listen_end(struct relay *r);
/* Whether statements of a text have to be followed for its sake. */
bool relay_listen_follows(const struct relay *r, const struct sql_info *info);
/* The text is sent. */
void relay_listen_sent(struct relay *r, const struct sql_info *info);
/* ReadyForQuery with status I has come, and been counted. True: it is held
 * back. */
bool relay_listen_holds(struct relay *r);

#endif
