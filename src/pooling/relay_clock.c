/* The clocks of a relay: its timeouts, and what its counters are told. */
#include "relay_private.h"

static usec_t
earlier(usec_t a, usec_t since, usec_t after)
{
	if (!since || !after)
		return a;
	return !a || since + after < a ? since + after : a;
}

void
relay_set_timer(struct relay *r)
{
	const struct pool_settings *set = r->set;
	usec_t at = 0;

	if (r->over)
		return;
	at = earlier(at, r->sync_us, SYNC_US);
	at = earlier(at, r->pin_us, set->pin_timeout_us);
	at = earlier(at, r->query_us, set->query_timeout_us);
	at = earlier(at, r->idle_us, set->idle_transaction_timeout_us);
	at = earlier(at, r->xact_us, set->transaction_timeout_us);
	at = earlier(at, r->a.client->stuck_us, set->write_timeout_us);
	if (set->gone_cancel && !r->may_commit)
		at = earlier(at, r->gone_us, set->gone_grace_us + 1);
	if (at)
		timer_set(r->a.loop, &r->timer, at);
	else
		timer_clear(&r->timer);
}

static void
say(struct relay_hold *out, const char *state, usec_t since_us)
{
	out->state = state;
	out->since_us = since_us;
}

void
relay_describe(const struct relay *r, struct relay_hold *out)
{
	const struct stream *client = r->a.client;
	uint8_t status = r->a.server->pipeline.status;

	out->xact_us = r->xact_us;
	out->fingerprint = r->query_us ? relay_slow_fingerprint(r) : 0;
	if (r->syncing)
		say(out, "replaying settings", r->sync_us);
	else if (r->gone_us)
		say(out, "client has gone", r->gone_us);
	else if (client->stuck_us && stream_unsent(client) > RELAY_HIGH)
		say(out, "client is not reading", client->stuck_us);
	else if (r->query_us)
		say(out, "executing", r->query_us);
	else if (r->idle_us && status == 'E')
		say(out, "idle in transaction (aborted)", r->idle_us);
	else if (r->idle_us)
		say(out, "idle in transaction", r->idle_us);
	else
		say(out, "idle in session", r->request_us);
}

static bool
is_over(usec_t since, usec_t after, usec_t now)
{
	return since && after && now - since >= after;
}

static void
sync_timed_out(struct relay *r)
{
	struct err e;

	err_set(&e, "08006", "server conn crashed?");
	err_detail(&e, "the server did not answer for %lld s when settings of "
	    "this client were replayed", (long long)(SYNC_US / USEC_PER_SEC));
	relay_server_failed(r, &e, "var change failed");
}

static void
pin_timed_out(struct relay *r)
{
	char pins[80];
	struct err e;

	pin_names(r->pins, pins, sizeof(pins));
	err_set(&e, "57P05", "pin_timeout");
	err_detail(&e, "the client kept its server for %lld s without using "
	    "it (%s)", (long long)(r->set->pin_timeout_us / USEC_PER_SEC),
	    pins);
	err_hint(&e, "drop temporary tables, give back advisory locks and "
	    "close cursors when they are no longer needed");
	relay_client_refused(r, &e);
}

void
relay_pinned(struct relay *r)
{
	r->pin_us = loop_now(r->a.loop);
	if (!r->set->pin_timeout_us)
		return;
	r->timed = true;
	relay_set_timer(r);
}

void
relay_on_timer(struct timer *t)
{
	struct relay *r = CONTAINER_OF(t, struct relay, timer);
	const struct pool_settings *set = r->set;
	usec_t now = loop_now(r->a.loop);

	if (r->over)
		return;
	if (is_over(r->sync_us, SYNC_US, now))
		sync_timed_out(r);
	else if (is_over(r->pin_us, set->pin_timeout_us, now))
		pin_timed_out(r);
	else if (is_over(r->query_us, set->query_timeout_us, now))
		relay_client_error(r, "57014", "query timeout");
	else if (is_over(r->idle_us, set->idle_transaction_timeout_us, now))
		relay_client_error(r, "25P03", "idle transaction timeout");
	else if (is_over(r->xact_us, set->transaction_timeout_us, now))
		relay_client_error(r, "25P04", "transaction timeout");
	else if (is_over(r->a.client->stuck_us, set->write_timeout_us, now))
		relay_client_left(r, "client_write_timeout", true);
	else if (set->gone_cancel && !r->may_commit &&
	    is_over(r->gone_us, set->gone_grace_us + 1, now))
		relay_client_left(r, "client unexpected eof", true);
	else
		relay_set_timer(r);
}

/* The first message of a query, or of a transaction. */
void
relay_begin_query(struct relay *r)
{
	struct counters *c = &relay_server_of(r)->counters;
	usec_t now = loop_now(r->a.loop);

	r->query_us = now;
	r->request_us = now;
	r->idle_us = r->pin_us = 0;
	relay_server_of(r)->request_us = now;
	if (UNLIKELY(r->a.slow_us))
		relay_slow_begin(r);
	c->queries++;
	if (!r->xact_us) {
		r->xact_us = now;
		c->xacts++;
	}
	if (UNLIKELY(r->timed || r->gone_us))
		relay_set_timer(r);
}

/* Nothing is owed any more. */
void
relay_end_query(struct relay *r)
{
	struct server *s = relay_server_of(r);
	usec_t now = loop_now(r->a.loop);

	relay_note_query(r, now);
	if (UNLIKELY(r->a.slow_us))
		relay_slow_end(r, now);
	r->query_us = 0;
	s->request_us = 0;
	if (s->pipeline.status == 'I') {
		relay_note_xact(r, now);
		r->xact_us = 0;
		r->may_commit = false;
	} else {
		r->idle_us = now;
	}
	if (UNLIKELY(r->timed))
		relay_set_timer(r);
}
