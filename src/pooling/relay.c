/* One client linked to one server. */
#include "pooling/relay.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/msg.h"
#include "relay_private.h"

/* How many free relays a worker holds on to. */
#define SPARE_MAX 1024
/* A copy of a batch that takes more memory goes with the relay. */
#define AGAIN_SPARE 4096

struct relay_pool *
relay_pool_new(void)
{
	struct relay_pool *rp = xcalloc(1, sizeof(*rp));

	sql_info_init(&rp->info);
	random_bytes(&rp->unnamed_id, sizeof(rp->unnamed_id));
	return rp;
}

void
relay_pool_free(struct relay_pool *rp)
{
	struct relay *r;

	while ((r = rp->spare)) {
		rp->spare = r->next;
		free(r->slow);
		buf_free(&r->again_bytes);
		free(r);
	}
	gather_free(&rp->out);
	sql_info_fini(&rp->info);
	free(rp);
}

static void on_over(struct task *t);

static struct relay *
relay_new(struct relay_pool *rp)
{
	struct relay *r = rp->spare;
	struct relay_slow *slow;
	struct buf again;

	if (r) {
		rp->spare = r->next;
		rp->n--;
		slow = r->slow;
		again = r->again_bytes;
		memset(r, 0, sizeof(*r));
		r->slow = slow;
		r->again_bytes = again;
	} else {
		r = xcalloc(1, sizeof(*r));
	}
	r->home = rp;
	timer_init(&r->timer, relay_on_timer);
	r->task.fn = on_over;
	return r;
}

static void
relay_free(struct relay *r)
{
	struct relay_pool *rp = r->home;

	timer_fini(&r->timer);
	free(r->err);
	free(r->lacking);
	relay_reset_free(r);
	if (UNLIKELY(r->state != NULL))
		relay_state_free(r);
	if (UNLIKELY(r->again_bytes.cap > AGAIN_SPARE))
		buf_free(&r->again_bytes);
	if (rp->n >= SPARE_MAX) {
		free(r->slow);
		buf_free(&r->again_bytes);
		free(r);
		return;
	}
	r->next = rp->spare;
	rp->spare = r;
	rp->n++;
}

/* ---- the end ---- */

/* Takes both streams out of the relay's hands. */
static void
unlink_streams(struct relay *r)
{
	struct server *s = relay_server_of(r);

	timer_clear(&r->timer);
	r->over = true;
	server_listen(s);
	s->skip_out = r->up_drop ? 0 : r->up_skip;
	stmt_server_forget_client(s->stmts);
	s->skip = r->down_skip;
	s->request_us = 0;
	if (r->xact_us)
		relay_note_xact(r, loop_now(r->a.loop));
	if (UNLIKELY(r->query_us && r->a.slow_us))
		relay_slow_end(r, loop_now(r->a.loop));
	if (r->query_us)
		relay_note_query(r, loop_now(r->a.loop));
	r->xact_us = r->query_us = 0;
}

/* Tells the owner in this turn, but not inside what is going on. */
void
relay_end(struct relay *r, enum relay_end how, const struct err *e,
    const char *reason)
{
	/* What is said in the middle of a message is read as part of it. */
	if (how == RELAY_FAILED && relay_is_mid_message(r))
		how = RELAY_LEFT;
	r->end = how;
	r->reason = reason;
	/* What a server said to our SETs before it went is of no use now. */
	free(r->err);
	r->err = NULL;
	if (e) {
		r->err = xmalloc(sizeof(*r->err));
		*r->err = *e;
	}
	loop_defer(r->a.loop, &r->task);
}

static void
on_over(struct task *t)
{
	struct relay *r = CONTAINER_OF(t, struct relay, task);
	struct relay_args a = r->a;
	enum relay_end how = r->end;
	struct err e, *pe = NULL;
	const char *reason = r->reason;

	if (r->err) {
		e = *r->err;
		pe = &e;
	}
	relay_free(r);
	a.owner->over(a.arg, how, pe, reason);
}

/* Nothing is owed, and both sides stand between two messages. */
static bool
server_is_clean(struct relay *r)
{
	return pipeline_is_idle(&relay_server_of(r)->pipeline) && !r->up_skip &&
	    !r->down_skip;
}

/* What has to be done to it before it serves another client. */
static void
mark_server(struct relay *r)
{
	struct server *s = relay_server_of(r);

	s->dirty = r->set->reset_always || r->set->mode == POOL_SESSION ||
	    r->reset;
	s->reset_all = r->reset;
	s->spoilt = (r->pins & PIN_FOREVER) != 0;
}

/* A clean one goes back to its pool. */
static void
release_server(struct relay *r)
{
	struct server *s = relay_server_of(r);

	if (UNLIKELY(r->state != NULL))
		relay_state_leave(r);
	unlink_streams(r);
	mark_server(r);
	pool_release(s);
}

void
relay_finish(struct relay *r, enum relay_end how, const struct err *e,
    const char *reason)
{
	release_server(r);
	relay_end(r, how, e, reason);
}

/* The client has gone, and the server is not idle. */
void
relay_leave_server(struct relay *r, bool at_once)
{
	struct server *s = relay_server_of(r);

	if (r->state)
		relay_state_leave(r);
	unlink_streams(r);
	pipeline_abandon(&s->pipeline);
	mark_server(r);
	/* Half a message can not be taken back, nor completed. */
	if (r->set->replication)
		pool_discard(s, "replication client was closed");
	else if (r->again && r->again_stage == AGAIN_WAITS)
		pool_discard(s, "client disconnect while its batch was "
		    "repeated");
	else if (r->up_skip && !r->up_drop)
		pool_discard(s, "client disconnect before everything was sent "
		    "to the server");
	else
		pool_drain(s, at_once, r->may_commit);
}

void
relay_client_left(struct relay *r, const char *reason, bool at_once)
{
	if (r->over)
		return;
	if (server_is_clean(r)) {
		relay_finish(r, RELAY_LEFT, NULL, reason);
		return;
	}
	relay_leave_server(r, at_once);
	relay_end(r, RELAY_LEFT, NULL, reason);
}

/* The server can not be used any more. */
void
relay_server_failed(struct relay *r, const struct err *e, const char *reason)
{
	if (r->over)
		return;
	unlink_streams(r);
	pool_discard(relay_server_of(r), reason);
	relay_end(r, e ? RELAY_FAILED : RELAY_TOLD, e, reason);
}

void
relay_server_nonsense(struct relay *r, const char *reason)
{
	struct err e;

	err_set(&e, "08P01", "%s", reason);
	err_detail(&e, "server connection of database \"%s\" sent something "
	    "that no protocol allows here; it was closed",
	    relay_server_of(r)->target->database);
	relay_server_failed(r, &e, reason);
}

void
relay_client_refused(struct relay *r, const struct err *e)
{
	if (r->over)
		return;
	relay_leave_server(r, true);
	relay_end(r, RELAY_FAILED, e, "client error");
}

void
relay_client_error(struct relay *r, const char *sqlstate, const char *text)
{
	struct err e;

	err_set(&e, sqlstate, "%s", text);
	relay_client_refused(r, &e);
}

void
relay_client_bad_header(struct relay *r, struct span bytes)
{
	struct err e;

	msg_bad_header(bytes, &e);
	relay_client_refused(r, &e);
}

/* ---- where they stand ---- */

/* Reading stops on the side whose counterpart does not keep up. */
void
relay_balance(struct relay *r)
{
	struct server *s = relay_server_of(r);

	if (stream_unsent(r->a.client) > RELAY_HIGH)
		stream_pause(&s->stream);
	else
		stream_resume(&s->stream);
	if (r->gone_us || r->syncing || r->stalled ||
	    stream_unsent(&s->stream) > RELAY_HIGH ||
	    pipeline_is_full(&s->pipeline))
		stream_pause(r->a.client);
	else
		stream_resume(r->a.client);
	if (UNLIKELY(r->a.client->stuck_us && r->set->write_timeout_us))
		relay_set_timer(r);
}

/* After a batch either way: is anybody done? */
void
relay_settle(struct relay *r)
{
	struct server *s = relay_server_of(r);
	struct pipeline *p = &s->pipeline;

	if (r->over)
		return;
	if (UNLIKELY(r->block)) {
		relay_client_error(r, "0A000", "transaction blocks not allowed in "
		    "statement pooling mode");
		return;
	}
	if (UNLIKELY(pipeline_is_doubtful(p)) && !r->up_skip &&
	    (r->gone_us ||
		(r->set->mode != POOL_SESSION && p->status == 'I'))) {
		/* The client has had all its answers; what is left in the
		 * queue may never be answered. A session, or an open
		 * transaction, goes on with this server all the same. */
		unlink_streams(r);
		pool_discard(s, "COPY failed, and its Syncs can not be told "
		    "apart");
		relay_end(r, r->gone_us ? RELAY_LEFT : RELAY_DONE, NULL,
		    "client unexpected eof");
		return;
	}
	if (r->gone_us && (p->copy_in || pipeline_wants_sync(p))) {
		/* The server waits for what will never come. */
		relay_client_left(r, "client unexpected eof", false);
		return;
	}
	if (!pipeline_is_settled(p) || r->up_skip || r->down_skip) {
		relay_balance(r);
		return;
	}
	relay_state_settled(r);
	if (UNLIKELY(r->lacking != NULL)) {
		free(r->lacking);
		r->lacking = NULL;
	}
	if (r->query_us)
		relay_end_query(r);
	if (r->gone_us) {
		relay_client_left(r, "client unexpected eof", true);
		return;
	}
	if (UNLIKELY(r->resets != NULL) && relay_reset_apply(r)) {
		relay_balance(r);
		return;
	}
	if (p->status == 'I' && (r->set->mode != POOL_SESSION || r->yields) &&
	    stream_unsent(r->a.client) <= RELAY_HIGH) {
		if (UNLIKELY(r->state != NULL) && relay_state_holds(r))
			return;
		relay_finish(r, RELAY_DONE, NULL, NULL);
		return;
	}
	relay_balance(r);
}

/* ---- from outside ---- */

struct relay *
relay_start(struct relay_pool *rp, const struct relay_args *a,
    const struct span *first)
{
	struct relay *r = relay_new(rp);
	struct server *s = a->server;
	size_t left;

	r->a = *a;
	r->set = a->pool->set;
	r->tracked = relay_tracks(r->set, *a->stmts);
	r->watched = pool_settings_watch(r->set);
	r->asked_for = (a->asked || *a->startup) && !r->set->replication;
	/* The rest of a message that nobody asked for is nobody's. */
	r->down_skip = s->skip;
	s->skip = 0;
	r->timed = r->set->query_timeout_us ||
	    r->set->idle_transaction_timeout_us ||
	    r->set->transaction_timeout_us;
	s->relay = r;
	s->touched = true;
	a->client->user = r;
	stream_set_ops(a->client, &relay_client_ops);
	stream_set_ops(&s->stream, &relay_server_ops);
	if (a->client_eof) {
		r->gone_us = loop_now(a->loop);
		relay_set_timer(r);
	}
	if (!relay_sync(r)) {
		if (first && !r->over)
			relay_keep_rest(r, first->p, first->n);
		if (!r->over)
			relay_balance(r);
		return r;
	}
	if (UNLIKELY(a->greeting)) {
		relay_finish(r, RELAY_DONE, NULL, NULL);
		return r;
	}
	if (UNLIKELY(*a->heard != NULL))
		relay_state_begin(r);
	if (first) {
		left = relay_feed_up(r, first->p, first->n);
		if (left && !r->over)
			relay_keep_rest(r, first->p + first->n - left, left);
	} else {
		relay_feed_held(r);
	}
	relay_after_up(r);
	return r;
}

void
relay_abort(struct relay *r)
{
	if (!r->over && server_is_clean(r))
		release_server(r);
	else if (!r->over)
		relay_leave_server(r, true);
	loop_undefer(r->a.loop, &r->task);
	relay_free(r);
}

void
relay_yield(struct relay *r, bool at_rest)
{
	r->yields = true;
	if (at_rest && !r->query_us)
		relay_settle(r);
}

void
relay_cancel(struct relay *r, void (*done)(void *arg), void *arg)
{
	struct server *s = relay_server_of(r);

	if (r->over || r->hears || pipeline_is_settled(&s->pipeline)) {
		done(arg);
	} else if (r->syncing) {
		r->cancel_wanted = true;
		done(arg);
	} else if (s->cancels >= MAX_CANCELS) {
		/* One more adds nothing to those that are on their way. */
		done(arg);
	} else {
		server_cancel(s, done, arg);
	}
}

bool
relay_is_mid_message(const struct relay *r)
{
	return r->down_skip > 0 && r->down_forward;
}

const struct server *
relay_server(const struct relay *r)
{
	return r->over ? NULL : r->a.server;
}

const void *
relay_client(const struct relay *r)
{
	return r->over ? NULL : r->a.arg;
}

usec_t
relay_query_since(const struct relay *r)
{
	return r->query_us;
}

usec_t
relay_request_us(const struct relay *r)
{
	return r->request_us;
}

unsigned
relay_pins(const struct relay *r)
{
	return r->over ? 0 : r->pins;
}

void
relay_flush_stats(struct relay *r)
{
	if (!r->over)
		pool_count(r->a.pool, &relay_server_of(r)->counters);
}
