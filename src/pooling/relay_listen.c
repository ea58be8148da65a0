/*
 * LISTEN where servers go round among clients.
 *
 * The client's own server gets UNLISTEN in place of LISTEN: that does nothing
 * there, and fails where LISTEN would. The tag of its CommandComplete is put
 * right on the way back. The journal follows what is listened on through
 * transactions and savepoints; when the transaction has committed, its
 * ReadyForQuery is held back until the pool's fanout listens (pooling/fanout).
 * Meanwhile the server goes back to its pool: perhaps it is the one that the
 * fanout waits for. So nothing may be under way behind that ReadyForQuery, and
 * what the client sends behind a LISTEN waits.
 *
 * A client that listens gets what was notified before the end of its own
 * transaction before the ReadyForQuery of that, as from PostgreSQL. So it is
 * held back, with the server, until the fanout's server has told all it knew by
 * then. While a server works for such a client, or for one that sends NOTIFY,
 * it is announced: that is how the fanout knows whom a notification is from.
 */
#include <string.h>

#include "proto/param.h"
#include "relay_state.h"

/* Names of one client; past that, it is pinned to a server that listens. */
#define BYTES_MAX (1024 * 1024)
/* A name that is not ASCII is cut where the database's encoding says. */
#define NAME_SURE 40

#define KINDS_HEARD \
	(SQL_BIT(SQL_LISTEN) | SQL_BIT(SQL_UNLISTEN) | \
	SQL_BIT(SQL_UNLISTEN_ALL) | SQL_BIT(SQL_DISCARD_ALL))

static bool
notifies(const struct sql_info *info)
{
	return info->kinds & SQL_BIT(SQL_NOTIFY) ||
	    info->calls_made & SQL_CALL_BIT(SQL_CALL_NOTIFY);
}

/* ---- which LISTEN ---- */

/* Whether it is certain how PostgreSQL spells the name. */
static bool
name_is_certain(const struct sql_info *info, const struct sql_stmt *s)
{
	struct buf name = { 0 };
	bool ok = sql_name(info, s->name, &name), ascii = true;
	size_t i;

	for (i = name.start; i < name.end; i++)
		ascii = ascii && name.data[i] < 128;
	/* Without quotes it is folded by the rules of a locale. */
	ok = ok && buf_len(&name) > 0 && (ascii ||
	    (info->text.p[s->name.at] == '"' && buf_len(&name) < NAME_SURE));
	buf_free(&name);
	return ok;
}

/* Whether there is somebody to hear it for this client. */
static bool
has_fanout(const struct relay *r)
{
	const char *encoding = param_get(*r->a.params, PARAM_CLIENT_ENCODING);
	const struct fanout *f = fanout_get(r->a.pool);
	const struct channels *heard = *r->a.heard;

	if (!encoding || !fanout_has_room(r->a.pool) ||
	    channels_bytes(heard) > BYTES_MAX)
		return false;
	if (f && strcmp(fanout_encoding(f), encoding) != 0)
		return false;
	/* It keeps its server, so nobody may wait for that one. */
	return !r->pins || heard || fanout_is_up(f);
}

bool
relay_listen_is_shared(const struct relay *r, const struct sql_info *info,
    const struct sql_stmt *s)
{
	return s->kind == SQL_LISTEN && !info->unsure && info->nplain == 0 &&
	    r->tracked && r->watched &&
	    r->set->session_state == STATE_TRACK &&
	    name_is_certain(info, s) && has_fanout(r);
}

bool
relay_listen_any_shared(const struct relay *r, const struct sql_info *info)
{
	size_t i;

	if (!(info->kinds & SQL_BIT(SQL_LISTEN)))
		return false;
	for (i = 0; i < info->nstmts; i++)
		if (relay_listen_is_shared(r, info, &info->stmts[i]))
			return true;
	return false;
}

/* ---- what is sent ---- */

static void
announce(struct relay *r)
{
	struct relay_state *st = r->state;
	struct fanout *f = fanout_get(r->a.pool);

	if (st->announced || !f)
		return;
	st->announced = true;
	st->tenant.server_pid = relay_server_of(r)->pid;
	st->tenant.client_pid = r->a.client_pid;
	fanout_announce(f, &st->tenant);
}

void
relay_listen_begin(struct relay *r)
{
	journal_hear(&r->state->journal, *r->a.heard);
	if (*r->a.heard)
		announce(r);
}

void
relay_listen_end(struct relay *r)
{
	if (r->state->announced)
		fanout_withdraw(fanout_get(r->a.pool), &r->state->tenant);
}

bool
relay_listen_follows(const struct relay *r, const struct sql_info *info)
{
	return (info->kinds & KINDS_HEARD && *r->a.heard) ||
	    (notifies(info) && fanout_is_up(fanout_get(r->a.pool)));
}

void
relay_listen_sent(struct relay *r, const struct sql_info *info)
{
	struct relay_state *st = r->state;

	if (info->kinds & SQL_BIT(SQL_LISTEN) ||
	    (info->kinds & KINDS_HEARD && st->journal.now.heard))
		st->hears = true;
	if (notifies(info) && fanout_is_up(fanout_get(r->a.pool)))
		announce(r);
}

bool
relay_listen_waits(const struct relay *r, uint8_t type)
{
	const struct pipeline *p = &relay_server_of(r)->pipeline;

	return r->state->hears && p->count > 0 && !pipeline_wants_sync(p) &&
	    !p->copy_in && !p->copy_stream && !frontend_type_is_copy(type);
}

/* ---- the answer ---- */

static void
call(struct relay *r, bool barrier)
{
	r->a.owner->hear(r->a.arg, r->state->journal.now.heard);
	r->state->barrier = barrier;
	r->hears = r->stalled = true;
}

bool
relay_listen_holds(struct relay *r)
{
	struct relay_state *st = r->state;
	struct channels *want = st->journal.now.heard;
	bool same = channels_same(want, *r->a.heard), known;

	/* A query inside a batch: what is behind cannot wait (see
	 * relay_state.c), so it is done at the end of all. */
	if (!pipeline_is_settled(&relay_server_of(r)->pipeline))
		return false;
	st->hears = false;
	known = st->announced && fanout_is_up(fanout_get(r->a.pool));
	if (same && (r->gone_us || !known))
		return false;
	/* For a channel more it may have to wait for a server itself. */
	call(r, known && !channels_any_not_in(want, *r->a.heard));
	return true;
}

void
relay_heard(struct relay *r)
{
	if (r->over || !r->hears)
		return;
	r->hears = r->stalled = false;
	r->state->barrier = false;
	journal_hear(&r->state->journal, *r->a.heard);
	if (r->syncing)
		return;
	relay_settle(r);
	if (r->over || r->syncing)
		return;
	relay_feed_held(r);
	relay_after_up(r);
}

bool
relay_is_at_rest(const struct relay *r)
{
	return !r->over && r->pins && !r->hears && !r->query_us &&
	    !r->down_skip && pipeline_is_idle(&relay_server_of(r)->pipeline);
}
