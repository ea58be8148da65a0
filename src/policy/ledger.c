/* What a pool does next. */
#include "policy/ledger.h"

/* A claim of another pool must be older than our own waiter by this much
 * before a connection is given up for it: making a new one costs time. */
#define EVICT_SLACK_US (10 * USEC_PER_MSEC)
/* ... and by so much where one of two must have one more. */
#define TAKE_TURNS_US (1 * USEC_PER_SEC)

/* Room for one more, by this pool's own bound. */
static bool
has_room(const struct ledger_demand *d)
{
	int limit = d->size;

	if (d->size <= 0)
		return true;
	if (d->reserve_due)
		limit += d->reserve;
	return d->total < limit;
}

enum ledger_next
ledger_next(const struct ledger_demand *d)
{
	bool short_of = d->waiting > d->coming;

	if (d->paused || d->dead)
		return LEDGER_WAIT;
	/* A login that is under way is no reason to wait for it. */
	if (d->waiting > d->near && d->idle > 0)
		return LEDGER_FETCH;
	if (!short_of && d->total >= d->min && !d->probe)
		return LEDGER_WAIT;
	if (d->logging_in >= d->login_parallel || !d->may_try || !has_room(d))
		return LEDGER_WAIT;
	return LEDGER_OPEN;
}

/*
 * Whether the oldest has waited so much longer that a server moves to it past
 * a waiter of this worker: an eighth of its wait, so that shares stay even
 * also when waits are short, but at most the slack that was configured.
 *
 * A server that moves stays there, so a few moves a second balance what would
 * otherwise take one for every other transaction (a worker that waits for a
 * core makes its clients look old): at most one each two slacks.
 */
static bool
is_clearly_older(const struct ledger_offer *o)
{
	usec_t slack = (o->now_us - o->oldest_us) / 8;

	if (slack > o->slack_us)
		slack = o->slack_us;
	return o->oldest_us + slack < o->mine_us &&
	    o->now_us - o->moved_us >= 2 * o->slack_us;
}

/*
 * Whether a busy pool gives up a server for another one that has waited
 * longer: soon, if that evens out what they have, or if the other has none at
 * all and would starve; now and then, if it has one more, which must be
 * somebody's. Without that bound servers would go back and forth between pools
 * that have the same, and be made anew each time.
 */
static bool
is_worth_more_elsewhere(const struct ledger_offer *o, usec_t first)
{
	if (!o->hungry_us)
		return false;
	if (!first)
		return true;
	if (o->hungry_held > 0 && o->held < o->hungry_held + 2)
		return o->held > o->hungry_held &&
		    first > o->hungry_us + TAKE_TURNS_US;
	return first > o->hungry_us + EVICT_SLACK_US;
}

enum ledger_fate
ledger_fate(const struct ledger_offer *o)
{
	usec_t first = o->mine_us;

	if (o->stale || o->dead)
		return LEDGER_CLOSE_STALE;
	if (o->paused)
		return LEDGER_CLOSE_PAUSED;
	if (o->expired)
		return LEDGER_CLOSE_EXPIRED;
	if (o->over || (o->size > 0 && o->total > o->size + o->reserve))
		return LEDGER_CLOSE_SURPLUS;
	if (o->oldest_us && (!first || o->oldest_us < first))
		first = o->oldest_us;
	if (is_worth_more_elsewhere(o, first))
		return LEDGER_CLOSE_EVICTED;
	if (!first)
		return LEDGER_IDLE;
	if (!o->mine_us)
		return LEDGER_MOVE;
	if (o->oldest_us && is_clearly_older(o))
		return LEDGER_MOVE;
	return LEDGER_GRANT;
}
