/*
 * pipeline: the replies that one server connection still owes.
 *
 * Every frontend message that is sent to the server goes through
 * pipeline_sent(), every backend message through pipeline_got(). In between
 * stands a queue of what is owed: one small entry for each Query,
 * FunctionCall, Parse, Bind, Describe, Execute, Close and Sync, taken off by
 * the message that answers it (55.2 Message Flow). A server may go back to
 * the pool only when pipeline_is_idle(); whatever does not fit the queue is
 * PIPE_BAD, and that server is closed.
 *
 * Rules that are easy to get wrong:
 * - An ErrorResponse while the oldest entry is of the extended protocol makes
 *   the server skip to the next Sync: everything owed up to and including that
 *   Sync goes with its ReadyForQuery. On a Query the Query alone goes.
 * - While the server is in COPY IN (or BOTH) it ignores Sync and Flush:
 *   such a Sync owes nothing. What was sent behind the client's
 *   CopyDone/CopyFail owes as usual, wherever in time it was sent; so
 *   CopyDone and CopyFail leave a mark in the queue.
 * - After COPY failed, the rest of the client's CopyData is dropped by the
 *   server; the connection is not idle before the client has ended its stream
 *   with CopyDone or CopyFail or has gone on to another message.
 * - When COPY fails, nobody can tell whether the server had read a Sync that
 *   was sent before the end of the stream (and ignored it) or reads it now
 *   (and answers it): COPY into a view fails before it reads anything, bad
 *   data after. Such a Sync stays in the queue with a doubt: from then on the
 *   queue holds what is owed and maybe more, never less. The doubt ends when
 *   the queue runs empty, because all answers have come, or one that belongs
 *   to its end. Until then the server is not idle; pipeline_is_doubtful()
 *   says that what is left may never come.
 * - An extended batch whose messages have all been answered, but whose Sync
 *   has not been sent (Parse + Flush), holds the server: a portal or an
 *   implicit transaction may be open.
 * - ParameterStatus, NoticeResponse and NotificationResponse take nothing off
 *   and are legal anywhere. The first two are swallowed in our own turn.
 * - An ErrorResponse with nothing owed is the server's farewell (FATAL: idle
 *   transaction timeout, shutdown). It is the client's, and the server is
 *   never idle again.
 * - The first ReadyForQuery of all, at the end of the login, answers nothing;
 *   it may be fed in to set the status.
 *
 * What the pooler does for prepared statements (see stmt.h):
 * - A fake is a message of the client that was not sent on; its answer is made
 *   up when everything before it has been answered. The owner asks
 *   pipeline_take_fake() between two messages whenever `news` is set. One that
 *   an error skips goes as the server would skip it.
 * - A refused one was replaced by something that certainly fails, so that the
 *   transaction takes the same course as if the server had refused it; its
 *   ErrorResponse is PIPE_REPLACE.
 * - Of the tracked ones, of fakes and refused ones the queue counts how many
 *   of the oldest have been lost (failed or were skipped), then how many were
 *   carried out: `lost` and `done`, which the owner sets back to 0. They go
 *   in the order in which they came.
 *
 * An entry is the client's (its answer is forwarded) or our own (swallowed:
 * a SET that replays parameters, a reset or check query, ROLLBACK). When an
 * own message inside a client's batch fails (a Parse put in front of its
 * Bind), the error is forwarded: it is the client's batch that is skipped.
 *
 * Memory: the first PIPELINE_INLINE entries need none; more double a heap
 * block, given back when the queue runs empty. Bounded by PIPELINE_MAX;
 * pipeline_is_full() tells the owner to stop reading the client before that.
 *
 * Pure; one owner.
 */
#ifndef PROTO_PIPELINE_H
#define PROTO_PIPELINE_H

#include "base/base.h"

#define PIPELINE_INLINE 24
#define PIPELINE_MAX 1000000
#define PIPELINE_FULL 65536

enum pipe_verdict {
	PIPE_FORWARD, /* belongs to the client */
	PIPE_SWALLOW, /* answers something of our own */
	PIPE_REPLACE, /* the error of what was refused: ours comes instead */
	PIPE_BAD, /* nobody is owed this: close the server */
};

struct pipeline {
	uint8_t *ring; /* heap block, or NULL: inline_ring serves */
	uint32_t cap;
	uint32_t head;
	uint32_t count;
	uint32_t owed; /* entries that the server answers */
	uint8_t status; /* of the last ReadyForQuery: I T E; 0 = none yet */
	bool failed; /* the server skips to the next Sync */
	bool copy_in; /* the server is in COPY IN or BOTH */
	bool copy_stream; /* the client has not ended its COPY stream */
	bool open; /* an extended batch without its Sync as yet */
	bool doomed; /* the server has said farewell */
	bool in_doubt; /* more may stand in the queue than is owed */
	uint32_t doubt; /* about so many ReadyForQuery more */
	bool own_error; /* an ErrorResponse answered an own entry since
			 * pipeline_own_sent() */
	bool abandoned; /* nobody waits for the fakes */
	/* For the owner, who resets them. */
	bool news; /* something below is set, or a fake may be due */
	bool unnamed_lost; /* a Parse of the unnamed statement failed or was
			    * skipped: the client's */
	bool unnamed_own_lost; /* ... or our own */
	bool unsure; /* a tracked one went without being told of */
	uint32_t lost;
	uint32_t done;
	uint8_t inline_ring[PIPELINE_INLINE];
};

/* For pipeline_pass(): by backend type, the kind of the entry that it may
 * answer, and bits. 0: none. An entry of 0 is the client's Query. */
#define PIPELINE_STAYS 0x20 /* more may come for the same entry */
#define PIPELINE_QUERY 0x10 /* may answer a Query as well */
#define PIPELINE_ASIDE 0x08 /* in the kind of what the server owes nothing for */
#define PIPELINE_PLAIN 0xcf /* of an entry: its kind, and what makes it odd */

extern const uint8_t pipeline_plain[256];

void pipeline_init(struct pipeline *p);
void pipeline_fini(struct pipeline *p);

/* The client's message of this type has been (or is being) sent on. Types
 * that owe nothing (Flush, CopyData) are fine too. False when the queue is at
 * PIPELINE_MAX. */
bool pipeline_sent(struct pipeline *p, uint8_t type);
/* A message of our own; its whole answer will be swallowed. */
bool pipeline_own_sent(struct pipeline *p, uint8_t type);

/* A Parse, Close, Execute or Query that is tracked; own: its answer is swallowed. */
bool pipeline_tracked_sent(struct pipeline *p, uint8_t type, bool own);
/* A Parse of the unnamed statement. */
bool pipeline_unnamed_sent(struct pipeline *p, bool own);
/* The oldest is a Query that is tracked. */
bool pipeline_is_at_tracked_query(const struct pipeline *p);
/* Whether another one is still under way. */
bool pipeline_has_unnamed(const struct pipeline *p);
/* The client's Parse or Close, which is not sent on. */
bool pipeline_fake_sent(struct pipeline *p, uint8_t type);
/* In place of a message of the client one of this type ('Q' or 'P') was sent
 * that fails. */
bool pipeline_refused_sent(struct pipeline *p, uint8_t type);
/* The type of the answer to a fake whose turn it is, taken off; else 0. */
uint8_t pipeline_take_fake(struct pipeline *p);
/* The client has gone: fakes go without an answer. */
void pipeline_abandon(struct pipeline *p);

/* A backend message came. For 'Z' status is its byte, else 0. */
enum pipe_verdict pipeline_got(struct pipeline *p, uint8_t type,
    uint8_t status);

/* Entries that pipeline_push() makes. */
enum pipeline_entry {
	PIPELINE_SENT_QUERY = 0,
	PIPELINE_SENT_PARSE = 0x12, /* of the unnamed statement, the client's */
	PIPELINE_SENT_NAMED_PARSE = 2, /* or of any that nobody follows */
	PIPELINE_SENT_BIND = 3,
	PIPELINE_SENT_DESCRIBE = 4,
	PIPELINE_SENT_EXECUTE = 5,
	PIPELINE_SENT_SYNC = 7,
};

/* It answers the client's Query, which goes on: pipeline_got() would say
 * PIPE_FORWARD and change nothing. */
static inline bool
pipeline_goes_on(const struct pipeline *p, uint8_t type)
{
	const uint8_t *ring = p->ring ? p->ring : p->inline_ring;

	return (pipeline_plain[type] & PIPELINE_QUERY) && p->count &&
	    !ring[p->head] && !p->copy_in && !p->failed && !p->in_doubt;
}

/*
 * What the frame loop meets nearly always, without a call: an answer to the
 * oldest entry, which is a plain one of the client's, and which leaves another
 * one first that the server owes. True: done, as pipeline_got() would with
 * PIPE_FORWARD; false: nothing has been done, ask pipeline_got().
 */
static inline bool
pipeline_pass(struct pipeline *p, uint8_t type)
{
	const uint8_t *ring = p->ring ? p->ring : p->inline_ring;
	uint8_t fits = pipeline_plain[type], first;
	uint32_t next = p->head + 1;

	if (!fits || !p->count || p->copy_in || p->failed || p->in_doubt)
		return false;
	first = ring[p->head];
	if (!first)
		return (fits & PIPELINE_QUERY) != 0;
	if ((fits ^ first) & PIPELINE_PLAIN)
		return false;
	if (fits & PIPELINE_STAYS)
		return true;
	if (UNLIKELY(next >= p->cap || p->count == 1 ||
		(ring[next] & PIPELINE_ASIDE)))
		return false;
	p->open = true;
	p->owed--;
	p->count--;
	p->head = next;
	return true;
}

/* The same for a ReadyForQuery of this status. */
static inline bool
pipeline_ready(struct pipeline *p, uint8_t status)
{
	uint8_t *ring = p->ring ? p->ring : p->inline_ring, first;
	uint32_t next = p->head + 1;

	if (!p->count || p->copy_in || p->failed || p->in_doubt || p->abandoned ||
	    (status != 'I' && status != 'T' && status != 'E'))
		return false;
	first = ring[p->head];
	if (first != PIPELINE_SENT_QUERY && first != PIPELINE_SENT_SYNC)
		return false;
	if (p->count == 1 ? p->ring != NULL :
		next >= p->cap || (ring[next] & PIPELINE_ASIDE))
		return false;
	p->open = false;
	p->status = status;
	p->owed--;
	p->count--;
	p->head = p->count ? next : 0;
	return true;
}

/* Without a call: pipeline_sent(), or pipeline_unnamed_sent(), of something
 * plain. False: nothing has been done, ask these. */
static inline bool
pipeline_push(struct pipeline *p, enum pipeline_entry e)
{
	uint32_t at = p->head + p->count;

	if (UNLIKELY(p->count == p->cap || at >= p->cap || p->copy_stream))
		return false;
	(p->ring ? p->ring : p->inline_ring)[at] = e;
	p->count++;
	p->owed++;
	return true;
}

/* Nothing owed, status I, no COPY under way. */
bool pipeline_is_idle(const struct pipeline *p);
/* Nothing owed, no open batch and no COPY; any transaction status. */
bool pipeline_is_settled(const struct pipeline *p);
/* All that is left in the queue may never be answered (a COPY failed in the
 * extended protocol, see above). The client has been told all it waits for:
 * unless it wants to go on with this very server, hand its answers on and
 * close the server. */
bool pipeline_is_doubtful(const struct pipeline *p);
/* The last thing sent was part of an extended batch: without a Sync nothing
 * of it will take effect, and no ReadyForQuery comes. */
bool pipeline_wants_sync(const struct pipeline *p);
/* All that is under way is one extended batch of the client, of whose messages
 * the server has carried out none, outside of a transaction; nothing has been
 * sent behind its Sync. *synced: that has been sent. So it can be sent again. */
bool pipeline_can_repeat(const struct pipeline *p, bool *synced);
/* It will be, behind a Close and a Parse of our own, tracked. False when the
 * queue is at PIPELINE_MAX. */
bool pipeline_repeat(struct pipeline *p);
/* Tells of what the client has under way that ends with CommandComplete or
 * ReadyForQuery, the oldest first: Q, F, E or S. */
void pipeline_each(const struct pipeline *p,
    void (*tell)(void *arg, uint8_t type), void *arg);
/* The oldest entry is our own. */
bool pipeline_own_turn(const struct pipeline *p);
bool pipeline_is_full(const struct pipeline *p);

/* Whether a frontend message of this type is legal after login, and is sent on
 * to a server (Terminate is not). */
bool frontend_type_is_known(uint8_t type);
/* CopyData, CopyDone, CopyFail: dropped when no server is linked. */
bool frontend_type_is_copy(uint8_t type);

#endif
