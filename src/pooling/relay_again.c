/*
 * A batch that is sent twice, unseen.
 *
 * A statement that another client has prepared here, or this one long ago, may
 * have a plan whose columns are others since a table was altered: the first
 * Bind or Describe of it fails with "cached plan must not change result type".
 * The client knows nothing of the age of that plan. So what it sends from there
 * to its Sync is kept until the first message has been answered. Should it be
 * that error, the statement is parsed afresh and all is sent again, once, if
 *
 * - nothing has run: it is the first of its batch, outside of a transaction, and
 *   nothing was sent behind the Sync;
 * - the client cannot take the new columns for the old ones: it has never been
 *   told of any, or asks for them in this batch;
 * - a Parse makes the same statement of it, since no setting has changed.
 *
 * Else the error passes. Either way every statement that the server has counts
 * as stale from then on, everywhere.
 *
 * The pipeline, and what stands in other queues, is left as it is meanwhile: it
 * is owed for the second time that which has not come for the first. Of a
 * Describe the server tells the parameters before it looks at the plan: the
 * client has them from the first time.
 */
#include <string.h>

#include "base/map.h"
#include "proto/msg.h"
#include "proto/reply.h"
#include "relay_look.h"

/* ---- may it be? ---- */

/* Behind a Bind comes a Describe of its portal. */
static bool
describes_its_portal(struct span batch)
{
	struct frame_info f;
	const char *portal, *statement, *name;
	struct span body;
	uint8_t kind;

	if (wire_frame(batch.p, batch.n, INT32_MAX, &f) != FRAME_WHOLE ||
	    !msg_bind(SPAN(batch.p + WIRE_HEAD, f.size - WIRE_HEAD), &portal,
		&statement))
		return false;
	batch = SPAN(batch.p + f.size, batch.n - f.size);
	if (wire_frame(batch.p, batch.n, INT32_MAX, &f) != FRAME_WHOLE ||
	    f.type != 'D')
		return false;
	body = SPAN(batch.p + WIRE_HEAD, f.size - WIRE_HEAD);
	return msg_target(body, &kind, &name) && kind == 'P' &&
	    strcmp(name, portal) == 0;
}

/* Whether the client sees for itself what columns there are now. */
static bool
cannot_mislead(const struct relay *r)
{
	struct span batch = buf_span(&r->again_bytes);

	return !r->again_seen || (batch.n > 0 && batch.p[0] == 'D') ||
	    describes_its_portal(batch);
}

static bool
can_repeat(const struct relay *r, bool *synced)
{
	const struct stmt *st = r->again;

	return pipeline_can_repeat(&relay_server_of(r)->pipeline, synced) &&
	    !r->up_skip && !st->sql && !r->a.client->broken &&
	    (!st->table || st->print == look_fingerprint(r)) &&
	    cannot_mislead(r);
}

/* ---- doing it ---- */

/* The server skips what it has of the batch, up to its Sync. */
static void
begin(struct relay *r, bool synced)
{
	struct server *s = relay_server_of(r);
	struct buf b = { 0 };

	stmt_server_expire(s->stmts);
	r->again_stage = AGAIN_WAITS;
	r->stalled = true;
	if (synced)
		return;
	reply_bare(&b, 'S');
	stream_write(&s->stream, buf_head(&b), buf_len(&b));
	buf_free(&b);
}

static bool
send_again(struct relay *r)
{
	struct server *s = relay_server_of(r);
	struct stmt *st = r->again;
	struct buf b = { 0 };
	struct writer w;

	if (!pipeline_repeat(&s->pipeline))
		return false;
	stmt_sent_again(s->stmts, st);
	writer_begin(&w, &b, 'C');
	writer_u8(&w, 'S');
	writer_cstr(&w, st->name);
	writer_end(&w);
	writer_begin(&w, &b, 'P');
	writer_cstr(&w, st->name);
	writer_bytes(&w, st->tail, st->tail_n);
	writer_end(&w);
	buf_append(&b, buf_head(&r->again_bytes), buf_len(&r->again_bytes));
	stream_write(&s->stream, buf_head(&b), buf_len(&b));
	buf_free(&b);
	s->counters.server_parses++;
	return true;
}

/* The answer to the Sync behind the error. */
static enum again
got_ready(struct relay *r, struct span body)
{
	uint8_t status;

	if (!msg_ready(body, &status) || status != 'I' || !send_again(r))
		return AGAIN_BAD;
	if (r->again_told)
		r->again_stage = AGAIN_SECOND;
	else
		r->again = NULL;
	return AGAIN_SWALLOW;
}

static enum again
got_first(struct relay *r, uint8_t type, struct span body, bool whole)
{
	struct notice_fields f;
	bool synced;

	/* A Describe: what comes behind this may be the error. */
	if (type == 't' && whole) {
		r->again_told = hash_bytes(body.p, body.n) | 1;
		return AGAIN_PASS;
	}
	if (type == 'E' && whole && msg_notice(body, &f) &&
	    notice_is_stale_plan(&f) && can_repeat(r, &synced)) {
		begin(r, synced);
		return AGAIN_SWALLOW;
	}
	r->again = NULL;
	return AGAIN_PASS;
}

static enum again
got_meanwhile(struct relay *r, uint8_t type, struct span body)
{
	if (type == 'Z')
		return got_ready(r, body);
	r->again = NULL;
	/* Its last words. */
	return type == 'E' ? AGAIN_PASS : AGAIN_BAD;
}

/* The client has been told of the parameters; they are the same. */
static enum again
got_second(struct relay *r, uint8_t type, struct span body, bool whole)
{
	/* What our own Close and Parse are answered with. */
	if (type == '3' || type == '1')
		return AGAIN_PASS;
	r->again = NULL;
	if (type != 't')
		return AGAIN_PASS;
	return whole && (hash_bytes(body.p, body.n) | 1) == r->again_told ?
	    AGAIN_SWALLOW : AGAIN_BAD;
}

enum again
relay_again_got(struct relay *r, uint8_t type, struct span body, bool whole)
{
	if (type == 'N' || type == 'S' || type == 'A')
		return AGAIN_PASS;
	switch (r->again_stage) {
	case AGAIN_FIRST:
		return got_first(r, type, body, whole);
	case AGAIN_WAITS:
		return got_meanwhile(r, type, body);
	case AGAIN_SECOND:
		return got_second(r, type, body, whole);
	}
	return AGAIN_BAD;
}
