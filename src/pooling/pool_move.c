/*
 * Servers between workers, and what they tell the pool. A server that another
 * worker takes off a shelf is sent on by the worker it lies with; on arrival
 * the question who gets it is asked again.
 */
#include "base/log.h"
#include "pool_private.h"
#include "pooling/database.h"
#include "pooling/walk.h"

/* ---- moving servers between workers ---- */

void
pool_list_server(struct pool *p, struct server *s)
{
	TAILQ_INSERT_TAIL(&p->hub->servers[s->worker], s, all);
	s->listed = true;
}

void
pool_unlist_server(struct pool *p, struct server *s, int worker)
{
	if (s->listed) {
		walk_leave(&p->hub->walks[worker], s, TAILQ_NEXT(s, all));
		TAILQ_REMOVE(&p->hub->servers[worker], s, all);
	}
	s->listed = false;
}

bool
pool_due_for_check(const struct pool *p, const struct server *s, usec_t now)
{
	return p->set->check_query && now - s->idle_us >= p->set->check_delay_us;
}

void
pool_run_check(struct pool *p, struct server *s)
{
	server_run(s, p->set->check_query, false, TEST_US);
}

/* It has come to this worker: the question who gets it is asked again. */
static void
on_arrival(struct mail *m, struct loop *l)
{
	struct server *s = CONTAINER_OF(m, struct server, mail);
	struct pool *p = s->pool;
	bool check;

	server_arrive(s, l);
	pool_list_server(p, s);
	pool_lock(p);
	set_inbound_locked(p, s, false);
	check = pool_due_for_check(p, s, loop_now(l));
	if (check)
		ledger_move_locked(p, s, SV_TESTED);
	pool_unlock(p);
	if (check)
		pool_run_check(p, s);
	else
		pool_offer(s);
}

/* Leaves this worker for s->worker. */
void
pool_send_off(struct pool *p, struct server *s, int from)
{
	pool_unlist_server(p, s, from);
	server_leave(s);
	s->mail.fn = on_arrival;
	loop_post(p->hub->loops[s->worker], &s->mail);
}

/* Another thread took it off this worker's shelf: to be sent on, or closed. */
static void
on_fetched(struct mail *m, struct loop *l)
{
	struct server *s = CONTAINER_OF(m, struct server, mail);
	struct pool *p = s->pool;
	bool close = keep_len(&s->in) > 0;
	int from = s->from;

	(void)l;
	if (stream_has_ended(&s->stream)) {
		close = true;
		s->close_reason = "server conn crashed?";
	}
	pool_lock(p);
	close = close || s->intent_close;
	if (close)
		set_inbound_locked(p, s, false);
	pool_unlock(p);
	if (!close) {
		pool_send_off(p, s, from);
		return;
	}
	s->worker = from;
	/* It may be gone at once, and with it the last reference. */
	pool_ref(p);
	server_retire(s, s->close_reason ? s->close_reason : "evicted");
	pool_pump(p);
	pool_unref(p);
}

void
post_server(struct pool *p, struct server *s)
{
	s->mail.fn = on_fetched;
	loop_post(p->hub->loops[s->from], &s->mail);
}

struct server *
shelf_oldest_locked(struct pool *p, usec_t *idle_us)
{
	struct server *s, *oldest = NULL;
	int i;

	if (!p->side || !p->count[SV_IDLE])
		return NULL;
	for (i = 0; i < p->hub->n_workers; i++) {
		struct server_list *l = &p->side[i].idle;

		s = p->set->round_robin ? TAILQ_FIRST(l) :
		    TAILQ_LAST(l, server_list);
		if (s && (!oldest || s->idle_us < oldest->idle_us))
			oldest = s;
	}
	if (oldest && idle_us)
		*idle_us = oldest->idle_us;
	return oldest;
}

struct server *
take_for_closing_locked(struct pool *p, struct server *s, const char *reason)
{
	unshelve_locked(p, s, SV_MIGRATING);
	s->from = s->worker;
	s->intent_close = true;
	s->close_reason = reason;
	return s;
}

/* Brings an idle server to a worker with waiters: from its own shelf, where
 * some may lie that are due for a check, else from one where nobody waits,
 * else from any. */
struct server *
fetch_locked(struct pool *p, int to)
{
	struct server *s = TAILQ_FIRST(&p->side[to].idle), *second = NULL;
	int i;

	for (i = 0; i < p->hub->n_workers && !s; i++)
		if (p->side[i].n_waiters == 0)
			s = TAILQ_FIRST(&p->side[i].idle);
		else if (!second)
			second = TAILQ_FIRST(&p->side[i].idle);
	if (!s)
		s = second;
	unshelve_locked(p, s, SV_MIGRATING);
	s->from = s->worker;
	s->worker = to;
	set_inbound_locked(p, s, true);
	p->steals++;
	return s;
}

/* ---- what servers tell ---- */

static void
on_enter(struct server *s, enum server_state st)
{
	struct pool *p = s->pool;

	pool_lock(p);
	if (s->state == SV_IDLE)
		unshelve_locked(p, s, st);
	else
		ledger_move_locked(p, s, st);
	if (st == SV_CLOSING)
		set_inbound_locked(p, s, false);
	pool_unlock(p);
	s->since_us = s->loop ? loop_now(s->loop) : 0;
}

static void
on_settled(struct server *s, bool ok)
{
	struct pool *p = s->pool;
	bool reset = s->testing_reset;

	s->testing_reset = false;
	if (ok && reset)
		server_forget_settings(s, s->reset_all ? "DISCARD ALL" :
		    p->set->reset_query);
	s->reset_all = false;
	if (ok) {
		pool_release(s);
		return;
	}
	pool_ref(p);
	if (s->cancel_dirty)
		server_retire(s, "a cancel request did not end cleanly");
	else if (s->state == SV_DRAINING)
		server_retire(s, "client disconnect while server was not ready");
	else if (reset)
		server_retire(s, "reset query failed");
	else
		server_retire(s, "test query failed");
	/* Who counted on it is served otherwise, now and not at its end. */
	pool_pump(p);
	pool_unref(p);
}

static void
on_lost(struct server *s, const char *reason)
{
	struct pool *p = s->pool;
	bool in_flight;

	pool_lock(p);
	in_flight = s->state == SV_MIGRATING;
	if (in_flight) {
		/* Its mail is on the way to this worker: that closes it. */
		s->intent_close = true;
		s->close_reason = reason;
	} else if (s->state == SV_IDLE) {
		/* So that no other worker fetches it meanwhile. */
		unshelve_locked(p, s, SV_TESTED);
	}
	pool_unlock(p);
	if (in_flight) {
		stream_pause(&s->stream);
		return;
	}
	server_retire(s, reason);
}

/* An idle server's time is up, or was moved on. */
static void
on_expired(struct server *s)
{
	struct pool *p = s->pool;
	usec_t now = loop_now(s->loop);
	const char *reason = NULL;

	pool_lock(p);
	if (s->state == SV_IDLE) {
		if (s->lifetime_us && now - s->born_us >= s->lifetime_us)
			reason = "server lifetime over";
		else if (p->set->idle_timeout_us &&
		    now - s->idle_us >= p->set->idle_timeout_us &&
		    p->total - p->count[SV_CLOSING] > p->set->min_size)
			reason = "server idle timeout";
		if (!reason && p->set->idle_timeout_us &&
		    now - s->idle_us >= p->set->idle_timeout_us)
			s->idle_us = now; /* kept for min_pool_size */
		if (reason)
			unshelve_locked(p, s, SV_TESTED);
		else
			pool_set_idle_deadline(p, s);
	}
	pool_unlock(p);
	if (reason)
		server_retire(s, reason);
}

void
pool_look_if_moved(struct server *s)
{
	struct pool *p = s->pool;
	bool idle;

	if (!server_has_moved(s))
		return;
	pool_lock(p);
	idle = s->state == SV_IDLE;
	if (idle)
		unshelve_locked(p, s, SV_TESTED);
	pool_unlock(p);
	if (idle)
		server_retire(s, POOL_MOVED);
}

static void
on_gone(struct server *s)
{
	pool_unlist_server(s->pool, s, s->worker);
	pool_gone(s);
}

const struct server_owner pool_owner = {
	.enter = on_enter,
	.progress = pool_progress,
	.ready = pool_ready,
	.failed = pool_failed,
	.settled = on_settled,
	.lost = on_lost,
	.expired = on_expired,
	.gone = on_gone,
};
