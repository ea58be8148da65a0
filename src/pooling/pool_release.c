/* What becomes of a server that is free. */
#include <string.h>

#include "policy/ledger.h"
#include "pool_private.h"
#include "pooling/database.h"

/* A standby that is older than the last proof that it may not be one. Younger
 * ones stay: there may be nothing else, and they can be read. */
static bool
is_demoted(const struct pool *p, const struct server *s)
{
	return UNLIKELY(p->demoted_us) && s->standby &&
	    s->born_us <= p->demoted_us;
}

/* moved: it has been found before, since that may take another lock. */
static void
view_offer_locked(struct pool *p, const struct server *s, usec_t now,
    struct ledger_offer *o, int *to)
{
	const struct waiter *w = TAILQ_FIRST(&p->side[s->worker].waiters);
	usec_t hungry;

	memset(o, 0, sizeof(*o));
	o->stale = s->generation != p->generation || s->moved ||
	    is_demoted(p, s);
	o->paused = p->paused;
	o->dead = p->dead;
	o->expired = s->lifetime_us ? now - s->born_us >= s->lifetime_us :
				      s->ever_used && p->set->lifetime_us == 0;
	o->over = quota_is_over(&p->db->servers) ||
	    quota_is_over(&p->user->servers);
	o->total = p->total - p->count[SV_CLOSING];
	o->size = p->set->size;
	o->reserve = p->set->reserve;
	o->hungry_us = quota_hungry(&p->db->servers, &p->by_db);
	hungry = quota_hungry(&p->user->servers, &p->by_user);
	if (hungry && (!o->hungry_us || hungry < o->hungry_us)) {
		o->hungry_us = hungry;
		o->hungry_held = quota_hungry_held(&p->user->servers);
		o->held = p->by_user.held;
	} else if (o->hungry_us) {
		o->hungry_held = quota_hungry_held(&p->db->servers);
		o->held = p->by_db.held;
	}
	o->slack_us = p->set->handover_slack_us;
	o->moved_us = p->moved_us;
	o->now_us = now;
	if (w)
		o->mine_us = w->since_us;
	*to = -1;
	/* The start of a message that came behind the answer stays here. */
	if (p->n_waiting > p->side[s->worker].n_waiters &&
	    !keep_len(&s->in)) {
		*to = neediest_locked(p, s->worker, false);
		if (*to >= 0)
			o->oldest_us =
			    TAILQ_FIRST(&p->side[*to].waiters)->since_us;
	}
}

static const char *
close_text(const struct server *s, enum ledger_fate fate)
{
	switch (fate) {
	case LEDGER_CLOSE_STALE:
		return s->moved ? POOL_MOVED :
		    s->demoted ? POOL_DEMOTED : "close_needed";
	case LEDGER_CLOSE_PAUSED:
		return "pause mode";
	case LEDGER_CLOSE_EXPIRED:
		return "server lifetime over";
	case LEDGER_CLOSE_SURPLUS:
		return "too many servers in the pool";
	case LEDGER_CLOSE_EVICTED:
		return "evicted";
	case LEDGER_GRANT:
	case LEDGER_MOVE:
	case LEDGER_IDLE:
		break;
	}
	return NULL;
}

/* When an idle server has to be looked at again. */
void
pool_set_idle_deadline(struct pool *p, struct server *s)
{
	usec_t at = 0, end;

	if (p->set->idle_timeout_us)
		at = s->idle_us + p->set->idle_timeout_us;
	if (s->lifetime_us) {
		end = s->born_us + s->lifetime_us;
		if (!at || end < at)
			at = end;
	}
	server_set_deadline(s, at);
}

void
pool_offer(struct server *s)
{
	struct pool *p = s->pool;
	struct loop *l = s->loop;
	usec_t now = loop_now(l);
	struct ledger_offer o;
	enum ledger_fate fate;
	struct waiter *w = NULL;
	bool passed = false;
	int to, from = s->worker;

	if (UNLIKELY(stream_unsent(&s->stream) > 0)) {
		/* E.g. the rest of a COPY that failed at its first line. */
		server_retire(s, "it answered before it had read everything");
		return;
	}
	(void)server_has_moved(s);
	pool_lock(p);
	counters_move(&p->stats, &s->counters);
	set_inbound_locked(p, s, false);
	view_offer_locked(p, s, now, &o, &to);
	fate = ledger_fate(&o);
	s->demoted = is_demoted(p, s);
	switch (fate) {
	case LEDGER_GRANT:
		w = TAILQ_FIRST(&p->side[from].waiters);
		grant_locked(p, w, s, now);
		break;
	case LEDGER_MOVE:
		ledger_move_locked(p, s, SV_MIGRATING);
		s->from = from;
		s->worker = to;
		set_inbound_locked(p, s, true);
		p->handovers++;
		p->moved_us = now;
		break;
	case LEDGER_IDLE:
		ledger_move_locked(p, s, SV_IDLE);
		s->idle_us = now;
		shelve_locked(p, s);
		passed = p->n_waiting > 0;
		break;
	case LEDGER_CLOSE_EVICTED:
		s->evicted_for =
		    quota_hungry(&p->db->servers, &p->by_db) ?
		    &p->db->servers : &p->user->servers;
		p->evictions++;
		atomic_fetch_add(&s->evicted_for->evicting, 1);
		break;
	case LEDGER_CLOSE_STALE:
	case LEDGER_CLOSE_PAUSED:
	case LEDGER_CLOSE_EXPIRED:
	case LEDGER_CLOSE_SURPLUS:
		break;
	}
	pool_unlock(p);
	if (w) {
		loop_defer(l, &w->task);
	} else if (fate == LEDGER_MOVE) {
		pool_send_off(p, s, from);
	} else if (fate == LEDGER_IDLE) {
		server_listen(s);
		pool_set_idle_deadline(p, s);
		/* It could not move as it is: it is fetched, and closed. */
		if (UNLIKELY(passed))
			pool_pump(p);
	} else {
		server_retire(s, close_text(s, fate));
	}
}

void
pool_release(struct server *s)
{
	struct pool *p = s->pool;

	s->relay = NULL;
	if (s->cancels > 0) {
		server_listen(s);
		pool_owner.enter(s, SV_CANCELING);
		return;
	}
	if (s->cancel_dirty) {
		pool_discard(s, "a cancel request did not end cleanly");
		return;
	}
	if (s->spoilt) {
		pool_discard(s, "a client left what no reset takes back");
		return;
	}
	if (s->dirty && (p->set->reset_query[0] || s->reset_all)) {
		s->dirty = false;
		s->testing_reset = true;
		/* Whatever it does, it may take them away. */
		stmt_server_clear(s->stmts, true);
		pool_owner.enter(s, SV_TESTED);
		server_run(s, s->reset_all ? "DISCARD ALL" :
		    p->set->reset_query, true, TEST_US);
		return;
	}
	s->dirty = false;
	pool_offer(s);
}

void
pool_drain(struct server *s, bool now, bool may_commit)
{
	struct pool *p = s->pool;
	usec_t t = loop_now(s->loop), cancel_at = 0, deadline = 0;

	s->relay = NULL;
	pool_owner.enter(s, SV_DRAINING);
	if (p->set->gone_cancel && !may_commit) {
		cancel_at = now ? t : t + p->set->gone_grace_us;
		deadline = cancel_at + TEST_US;
	}
	server_drain(s, cancel_at, deadline);
}

void
pool_discard(struct server *s, const char *reason)
{
	s->relay = NULL;
	server_retire(s, reason);
}
