/* What clients do while they behave. */
#include "torture.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fixture.h"

#define IN(mode) (1u << (mode))
#define ANYWHERE (IN(MODE_TRANSACTION) | IN(MODE_SESSION) | IN(MODE_STATEMENT))
#define WITH_TRANSACTIONS (IN(MODE_TRANSACTION) | IN(MODE_SESSION))

static enum fate
act_simple(struct peer *p)
{
	struct script s = { 0 };

	script_simple(&s, p, 1);
	return peer_run(p, &s);
}

static enum fate
act_several_statements(struct peer *p)
{
	struct script s = { 0 };

	script_simple(&s, p, 2 + rng_below(&p->rng, 5));
	return peer_run(p, &s);
}

static enum fate
act_extended(struct peer *p)
{
	struct script s = { 0 };

	script_extended(&s, p, 1);
	return peer_run(p, &s);
}

/* Everything at once, the answers afterwards; now and then one goes wrong. */
static enum fate
act_pipeline(struct peer *p)
{
	struct script s = { 0 };
	unsigned n = 2 + rng_below(&p->rng, SEGMENTS - 4);

	while (s.n < n) {
		/* In a transaction an error would spoil all that follows. */
		if (p->status == 'I' && rng_chance(&p->rng, 10)) {
			struct segment *seg = script_segment(&s, p);

			seg->want = "22012";
			pkt_parse(&s.out, "", "SELECT 1 / 0");
			pkt_bind(&s.out, "", "");
			pkt_execute(&s.out, "", 0);
			pkt_parse(&s.out, "", "SELECT 'never'");
			pkt_empty(&s.out, 'S');
		} else if (rng_chance(&p->rng, 30)) {
			script_simple(&s, p, 1 + rng_below(&p->rng, 2));
		} else {
			script_extended(&s, p, 1 + rng_below(&p->rng, 3));
		}
	}
	return peer_run(p, &s);
}

static enum fate
act_queries_in_a_row(struct peer *p)
{
	struct script s = { 0 };
	unsigned n = 2 + rng_below(&p->rng, 6);

	while (s.n < n)
		script_simple(&s, p, 1);
	return peer_run(p, &s);
}

static enum fate
act_error(struct peer *p)
{
	struct script s = { 0 };
	struct segment *seg = script_segment(&s, p);
	char sql[400], text[500];

	seg->want = "22012";
	peer_select(p, seg, sql, sizeof(sql));
	snprintf(text, sizeof(text), "%s; SELECT 1 / 0; SELECT 'never'", sql);
	pkt_query(&s.out, text);
	return peer_run(p, &s);
}

static enum fate
act_notice(struct peer *p)
{
	struct script s = { 0 };
	char sql[200];

	snprintf(sql, sizeof(sql), "DO $$BEGIN RAISE NOTICE '%s'; END$$",
	    p->who);
	script_command(&s, p, sql);
	script_simple(&s, p, 1);
	return peer_run(p, &s);
}

/* textcat(text, text), which is function 1258 in every PostgreSQL. */
static enum fate
act_function_call(struct peer *p)
{
	struct script s = { 0 };
	struct segment *seg = script_segment(&s, p);
	char token[48];
	int n = snprintf(token, sizeof(token), "%s%u", p->who, ++p->seq);

	seg->rows = 1;
	pkt_begin(&s.out, 'F');
	pkt_i32(&s.out, 1258);
	pkt_i16(&s.out, 0);
	pkt_i16(&s.out, 2);
	pkt_i32(&s.out, (uint32_t)n);
	pkt_raw(&s.out, token, (size_t)n);
	pkt_i32(&s.out, 0);
	pkt_i16(&s.out, 0);
	pkt_end(&s.out);
	script_simple(&s, p, 1);
	return peer_run(p, &s);
}

static enum fate
act_copy_out(struct peer *p)
{
	struct script s = { 0 };
	struct segment *seg = script_segment(&s, p);
	unsigned n = 1 + rng_below(&p->rng, 300);
	char sql[500];

	snprintf(sql, sizeof(sql),
	    "COPY (SELECT '%s' || i, "
	    "current_setting('application_name'), "
	    "coalesce(current_setting('torture.me', true), '') "
	    "FROM generate_series(%u, %u) i) TO STDOUT",
	    p->who, seg->first, seg->first + n - 1);
	seg->rows = n;
	p->seq += n;
	pkt_query(&s.out, sql);
	script_simple(&s, p, 1);
	return peer_run(p, &s);
}

static void
copy_lines(struct pkt *k, const struct peer *p, unsigned n)
{
	char line[64];
	unsigned i;

	for (i = 0; i < n; i++) {
		int len = snprintf(line, sizeof(line), "%s\t%u\n", p->who, i);

		pkt_begin(k, 'd');
		pkt_raw(k, line, (size_t)len);
		pkt_end(k);
	}
}

/*
 * COPY in, as one burst or politely after CopyInResponse; ended well, given up,
 * or with a line that the server refuses. Then the rows are counted, and gone.
 */
static enum fate
act_copy_in(struct peer *p)
{
	struct script s = { 0 };
	struct segment *seg = script_segment(&s, p);
	unsigned n = rng_below(&p->rng, 200);
	bool polite = rng_chance(&p->rng, 50);
	enum fate fate;
	char sql[200];

	pkt_query(&s.out, "COPY torture_copy FROM STDIN");
	if (polite) {
		(void)peer_send(p, &s.out);
		if ((fate = peer_await(p, 'G')) != FATE_OK)
			return fate;
	}
	copy_lines(&s.out, p, n);
	if (rng_chance(&p->rng, 15)) {
		seg->want = "57014";
		pkt_begin(&s.out, 'f');
		pkt_str(&s.out, "thought better of it");
		pkt_end(&s.out);
		n = 0;
	} else {
		if (rng_chance(&p->rng, 15)) {
			seg->want = "22P02";
			pkt_begin(&s.out, 'd');
			pkt_raw(&s.out, "x\tno number\n", 12);
			pkt_end(&s.out);
			n = 0;
		}
		pkt_empty(&s.out, 'c');
	}
	seg = script_segment(&s, p);
	peer_select(p, seg, sql, sizeof(sql));
	/* A late cancel of its own may have hit the COPY. */
	if (!p->cancelled)
		snprintf(seg->extra, sizeof(seg->extra), "%u", n);
	snprintf(sql + strlen(sql), sizeof(sql) - strlen(sql),
	    ", count(*) FROM torture_copy WHERE who = '%s'", p->who);
	pkt_query(&s.out, sql);
	snprintf(sql, sizeof(sql), "DELETE FROM torture_copy WHERE who = '%s'",
	    p->who);
	script_command(&s, p, sql);
	return peer_run(p, &s);
}

/* --- transactions --- */

static enum fate
begin(struct peer *p, int64_t id, enum promise promise)
{
	struct script s = { 0 };
	char sql[300];
	enum fate fate;

	/* Nothing of anybody else's transaction may be seen before. */
	script_command(&s, p, "BEGIN");
	script_simple(&s, p, 1);
	fate = peer_run(p, &s);
	if (fate != FATE_OK)
		return fate;
	if (p->status != 'T') {
		trial_fail("%s began a transaction and is in %c", p->who,
		    p->status);
		return FATE_LOST;
	}
	snprintf(p->me, sizeof(p->me), "%s%u", p->who, p->seq);
	snprintf(sql, sizeof(sql),
	    "SET LOCAL torture.me = '%s'; "
	    "INSERT INTO torture_ledger VALUES (%lld, %d)",
	    p->me, (long long)id, (int)promise);
	script_command(&s, p, sql);
	script_simple(&s, p, 1);
	return peer_run(p, &s);
}

/* Rows of one portal, one at a time. */
static enum fate
suspended_portal(struct peer *p)
{
	struct script s = { 0 };
	struct segment *seg = script_segment(&s, p);
	char sql[400];
	unsigned i, n = 2 + rng_below(&p->rng, 4);

	snprintf(sql, sizeof(sql),
	    "SELECT '%s' || i, "
	    "current_setting('application_name'), "
	    "coalesce(current_setting('torture.me', true), '') "
	    "FROM generate_series(%u, %u) i",
	    p->who, seg->first, seg->first + n - 1);
	pkt_parse(&s.out, "", sql);
	pkt_bind(&s.out, "one", "");
	for (i = 0; i < n; i++)
		pkt_execute(&s.out, "one", 1);
	pkt_begin(&s.out, 'C');
	pkt_u8(&s.out, 'P');
	pkt_str(&s.out, "one");
	pkt_end(&s.out);
	pkt_empty(&s.out, 'S');
	seg->rows = n;
	p->seq += n;
	return peer_run(p, &s);
}

/* In an aborted transaction everything but ROLLBACK is refused. */
static enum fate
break_it(struct peer *p)
{
	struct script s = { 0 };
	struct segment *seg = script_segment(&s, p);

	seg->want = "22012";
	pkt_query(&s.out, "SELECT 1 / 0");
	seg = script_segment(&s, p);
	seg->want = "25P02";
	pkt_query(&s.out, "SELECT 'never'");
	return peer_run(p, &s);
}

static enum fate
something_within(struct peer *p)
{
	switch (rng_below(&p->rng, 6)) {
	case 0:
		return act_pipeline(p);
	case 1:
		return suspended_portal(p);
	case 2:
		return act_copy_out(p);
	case 3:
		return act_extended(p);
	case 4:
		poll(NULL, 0, (int)rng_below(&p->rng, 10));
		return FATE_OK;
	default:
		return act_simple(p);
	}
}

static enum fate
act_transaction(struct peer *p)
{
	struct script s = { 0 };
	bool commit = rng_chance(&p->rng, 50);
	int64_t id = peer_id(p);
	unsigned i, n = rng_below(&p->rng, 4);
	enum fate fate;

	fate = begin(p, id, commit ? PROMISE_KEPT : PROMISE_NEVER);
	/* An error within has aborted it: only the way out is left. */
	for (i = 0; i < n && fate == FATE_OK && p->status == 'T'; i++)
		fate = something_within(p);
	if (fate == FATE_OK && p->status == 'T' && rng_chance(&p->rng, 10))
		fate = break_it(p);
	if (fate == FATE_LOST)
		return fate;
	commit = commit && fate == FATE_OK && p->status == 'T';
	script_command(&s, p, commit ? "COMMIT" : "ROLLBACK");
	fate = peer_run(p, &s);
	p->me[0] = '\0';
	if (fate != FATE_OK)
		return fate;
	if (commit && strcmp(p->tag, "COMMIT") == 0)
		ledger_keep(&p->ledger[p->mode], id);
	if (p->status != 'I')
		trial_fail("%s ended its transaction and is in %c", p->who,
		    p->status);
	return act_simple(p);
}

/* --- parameters, sessions --- */

static enum fate
act_application_name(struct peer *p)
{
	struct script s = { 0 };
	char sql[100];

	/* A late cancel of its own could hit the SET. */
	if (p->cancelled)
		return act_simple(p);
	snprintf(p->app, sizeof(p->app), "%sapp%u", p->who,
	    rng_below(&p->rng, 1000));
	snprintf(sql, sizeof(sql), "SET application_name = '%s'", p->app);
	script_command(&s, p, sql);
	script_simple(&s, p, 1);
	return peer_run(p, &s);
}

/*
 * A whole session's state: a setting, a temporary table, a prepared statement.
 * At its beginning nothing of the last owner's may be left.
 */
static enum fate
act_session(struct peer *p)
{
	struct script s = { 0 };
	unsigned i, n = 1 + rng_below(&p->rng, 10);
	char sql[300];
	enum fate fate;

	/* As above: the SET of the whole session could be what it hits. */
	if (p->cancelled)
		return act_simple(p);
	snprintf(p->me, sizeof(p->me), "%ssession", p->who);
	snprintf(sql, sizeof(sql),
	    "SET torture.me = '%s'; "
	    "CREATE TEMP TABLE mine (i int)",
	    p->me);
	script_command(&s, p, sql);
	pkt_parse(&s.out, "mine",
	    "SELECT $1::text, "
	    "current_setting('application_name'), "
	    "coalesce(current_setting('torture.me', true), '')");
	for (i = 0; i < n; i++) {
		struct segment *seg = script_segment(&s, p);
		char token[48];
		int len = snprintf(token, sizeof(token), "%s%u", p->who,
		    ++p->seq);

		seg->rows = 1;
		pkt_begin(&s.out, 'B');
		pkt_str(&s.out, "");
		pkt_str(&s.out, "mine");
		pkt_i16(&s.out, 0);
		pkt_i16(&s.out, 1);
		pkt_i32(&s.out, (uint32_t)len);
		pkt_raw(&s.out, token, (size_t)len);
		pkt_i16(&s.out, 0);
		pkt_end(&s.out);
		pkt_execute(&s.out, "", 0);
		pkt_empty(&s.out, 'S');
	}
	fate = peer_run(p, &s);
	if (fate != FATE_OK)
		return FATE_LOST;
	/* Half of them clean up; for the others the reset query must. */
	if (rng_chance(&p->rng, 50))
		return FATE_LOST;
	p->me[0] = '\0';
	script_command(&s, p, "DISCARD ALL");
	fate = peer_run(p, &s);
	if (fate != FATE_OK)
		return fate;
	snprintf(p->app, sizeof(p->app), "%sback", p->who);
	snprintf(sql, sizeof(sql), "SET application_name = '%s'", p->app);
	script_command(&s, p, sql);
	return peer_run(p, &s);
}

/* --- patience --- */

/* A big answer, read slowly: it must still be all ours. */
static enum fate
act_slow_reader(struct peer *p)
{
	struct script s = { 0 };
	struct segment *seg = script_segment(&s, p);
	char sql[400];
	unsigned i;

	seg->filler = 20000 + rng_below(&p->rng, 100000);
	pkt_query(&s.out, peer_select(p, seg, sql, sizeof(sql)));
	(void)peer_send(p, &s.out);
	for (i = rng_below(&p->rng, 20); i > 0; i--)
		poll(NULL, 0, 2);
	return peer_answer(p, seg);
}

static enum fate
act_statement_timeout(struct peer *p)
{
	struct script s = { 0 };

	script_command(&s, p,
	    "SET LOCAL statement_timeout = 20; "
	    "SELECT pg_sleep(5)");
	s.seg[0].want = "57014";
	return peer_run(p, &s);
}

/* --- cancels --- */

/*
 * A query that sleeps is cancelled, running or still in the queue. The cancel
 * may be early, before the query has been seen: so it is repeated.
 */
static enum fate
act_cancel(struct peer *p)
{
	struct script s = { 0 };
	struct pollfd pfd = { .fd = p->fd, .events = POLLIN };
	int i;

	script_command(&s, p,
	    "SET LOCAL statement_timeout = 3000; "
	    "SELECT pg_sleep(10)");
	s.seg[0].want = "57014";
	(void)peer_send(p, &s.out);
	p->cancelled = true;
	for (i = 0; i < 10; i++) {
		poll(&pfd, 1, 5 + (int)rng_below(&p->rng, 60));
		if (pfd.revents != 0)
			break;
		peer_cancel(p, p->pid, p->key);
	}
	return peer_answer(p, &s.seg[0]);
}

/* Aimed at a query that is over; only this client may be hit by it. */
static enum fate
act_late_cancel(struct peer *p)
{
	enum fate fate = act_simple(p);

	if (fate != FATE_OK)
		return fate;
	p->cancelled = true;
	peer_cancel(p, p->pid, p->key);
	return rng_chance(&p->rng, 50) ? act_simple(p) : FATE_LOST;
}

/* A key that nobody was given. */
static enum fate
act_wrong_cancel(struct peer *p)
{
	peer_cancel(p, p->pid, p->key ^ (1u << rng_below(&p->rng, 32)));
	return act_simple(p);
}

/* --- the short timeouts --- */

static enum fate
act_run_into_timeout(struct peer *p)
{
	struct script s = { 0 };

	if (!p->limited)
		return act_simple(p);
	if (p->mode == MODE_STATEMENT || rng_chance(&p->rng, 50)) {
		script_command(&s, p, "SELECT pg_sleep(20)");
		if (peer_run(p, &s) == FATE_OK)
			trial_fail("%s slept 20 s under query_timeout = 1",
			    p->who);
		return FATE_LOST;
	}
	script_command(&s, p, "BEGIN");
	if (peer_run(p, &s) != FATE_OK)
		return FATE_LOST;
	(void)peer_answer(p, &(struct segment){ .want = "none" });
	return FATE_LOST;
}

/* --- all of it --- */

static const struct act {
	const char *name;
	enum fate (*run)(struct peer *);
	unsigned weight;
	unsigned modes;
} acts[] = {
#define ACT(name, weight, modes)                 \
	{                                        \
#name, act_##name, weight, modes \
	}
	ACT(simple, 20, ANYWHERE),
	ACT(several_statements, 8, ANYWHERE),
	ACT(extended, 20, ANYWHERE),
	ACT(pipeline, 8, WITH_TRANSACTIONS),
	ACT(queries_in_a_row, 5, ANYWHERE),
	ACT(error, 5, ANYWHERE),
	ACT(notice, 3, ANYWHERE),
	ACT(function_call, 5, ANYWHERE),
	ACT(copy_out, 5, ANYWHERE),
	ACT(copy_in, 5, ANYWHERE),
	ACT(transaction, 20, WITH_TRANSACTIONS),
	ACT(application_name, 4, ANYWHERE),
	ACT(session, 6, IN(MODE_SESSION)),
	ACT(slow_reader, 2, ANYWHERE),
	ACT(statement_timeout, 1, ANYWHERE),
	ACT(cancel, 4, ANYWHERE),
	ACT(late_cancel, 3, ANYWHERE),
	ACT(wrong_cancel, 2, ANYWHERE),
	ACT(run_into_timeout, 2, ANYWHERE),
#undef ACT
};

static unsigned
weight(const struct act *act, const struct peer *p)
{
	return act->modes & 1u << p->mode && trial_wants(act->name) ?
	    act->weight :
	    0;
}

enum fate
peer_act(struct peer *p)
{
	const struct act *act, *end = acts + sizeof(acts) / sizeof(acts[0]);
	unsigned total = 0, pick;
	enum fate fate;

	for (act = acts; act < end; act++)
		total += weight(act, p);
	if (total == 0)
		return FATE_LOST;
	pick = rng_below(&p->rng, total);
	for (act = acts; pick >= weight(act, p); act++)
		pick -= weight(act, p);
	fate = act->run(p);
	/* An error in the middle leaves us unsure where we stand: leave. */
	if (fate == FATE_ERROR || p->status != 'I')
		return FATE_LOST;
	return fate;
}
