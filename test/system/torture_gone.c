/* The ways in which clients vanish, and the threads that live with them. */
#include "torture.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "fixture.h"

static void
insert(struct pkt *k, const struct peer *p, enum promise promise, int64_t *id)
{
	char sql[120];

	*id = peer_id(p);
	snprintf(sql, sizeof(sql),
	    "INSERT INTO torture_ledger VALUES "
	    "(%lld, %d)",
	    (long long)*id, (int)promise);
	pkt_query(k, sql);
}

/* Half a message, and no more. */
static void
gone_mid_message(struct peer *p)
{
	struct pkt k = { 0 };
	int64_t id;

	insert(&k, p, PROMISE_NEVER, &id);
	k.n = 1 + rng_below(&p->rng, (uint32_t)k.n - 1);
	(void)peer_send(p, &k);
	peer_leave(p, peer_any_leaving(p));
}

/* A query that would run on for nobody. */
static void
gone_mid_query(struct peer *p)
{
	struct pkt k = { 0 };

	pkt_query(&k, "SELECT pg_sleep(20)");
	(void)peer_send(p, &k);
	poll(NULL, 0, (int)rng_below(&p->rng, 30));
	peer_leave(p, peer_any_leaving(p));
}

/* A transaction that nobody will end. */
static void
gone_mid_transaction(struct peer *p)
{
	struct script s = { 0 };
	bool wait = rng_chance(&p->rng, 50);
	int64_t id;

	/* A late cancel of its own could hit the BEGIN, and leave the INSERT. */
	if (p->mode == MODE_STATEMENT || p->cancelled) {
		gone_mid_query(p);
		return;
	}
	script_command(&s, p, "BEGIN");
	insert(&s.out, p, PROMISE_NEVER, &id);
	script_segment(&s, p);
	if (wait)
		(void)peer_run(p, &s);
	else
		(void)peer_send(p, &s.out);
	peer_leave(p, peer_any_leaving(p));
}

/* Transactions in the extended protocol, without the Sync at the end. */
static void
gone_before_sync(struct peer *p)
{
	struct pkt k = { 0 };
	char sql[120];

	snprintf(sql, sizeof(sql),
	    "INSERT INTO torture_ledger VALUES "
	    "(%lld, %d)",
	    (long long)peer_id(p), (int)PROMISE_NEVER);
	pkt_parse(&k, "", sql);
	pkt_bind(&k, "", "");
	pkt_execute(&k, "", 0);
	if (rng_chance(&p->rng, 50))
		pkt_empty(&k, 'H');
	(void)peer_send(p, &k);
	peer_leave(p, LEAVE_RST);
}

static void
gone_mid_copy_in(struct peer *p)
{
	struct pkt k = { 0 };

	pkt_query(&k, "COPY torture_copy FROM STDIN");
	if (rng_chance(&p->rng, 50)) {
		(void)peer_send(p, &k);
		(void)peer_await(p, 'G');
	}
	pkt_begin(&k, 'd');
	pkt_raw(&k, "abandoned\t1\n", 12);
	pkt_end(&k);
	(void)peer_send(p, &k);
	peer_leave(p, peer_any_leaving(p));
}

/* Megabytes are on their way to somebody who has gone. */
static void
gone_mid_result(struct peer *p)
{
	struct pkt k = { 0 };
	char some[512];

	pkt_query(&k,
	    "SELECT repeat('nobody', 1000) "
	    "FROM generate_series(1, 3000)");
	(void)peer_send(p, &k);
	if (rng_chance(&p->rng, 70))
		(void)recv(p->fd, some, sizeof(some), 0);
	peer_leave(p, peer_any_leaving(p));
}

/* The same, as one pipeline, which has no answer before its Sync. */
static void
insert_extended(struct pkt *k, const struct peer *p)
{
	char sql[120];

	snprintf(sql, sizeof(sql),
	    "INSERT INTO torture_ledger VALUES "
	    "(%lld, %d)",
	    (long long)peer_id(p), (int)PROMISE_FORGET);
	pkt_parse(k, "", sql);
	pkt_bind(k, "", "");
	pkt_execute(k, "", 0);
	pkt_empty(k, 'S');
}

/*
 * Fire and forget: what was sent whole is carried out. Not after a reset, which
 * may overtake it; a killed server may have had it; and it is one question, for
 * PostgreSQL too gives up when it cannot deliver the first of several answers.
 */
static void
gone_and_forgotten(struct peer *p)
{
	struct pkt k = { 0 };
	char sql[200];

	/* Nor may its own timeouts or late cancels have stopped it. */
	if (p->limited || p->cancelled) {
		peer_leave(p, LEAVE_FIN);
		return;
	}
	snprintf(sql, sizeof(sql),
	    "%sINSERT INTO torture_ledger VALUES "
	    "(%lld, %d)%s",
	    p->mode == MODE_STATEMENT ? "" : "BEGIN; ", (long long)peer_id(p),
	    (int)PROMISE_FORGET, p->mode == MODE_STATEMENT ? "" : "; COMMIT");
	if (rng_chance(&p->rng, 50))
		insert_extended(&k, p);
	else
		pkt_query(&k, sql);
	if (peer_send(p, &k))
		atomic_fetch_add(&trial.forgotten, 1);
	peer_leave(p, rng_chance(&p->rng, 50) ? LEAVE_FIN : LEAVE_TERMINATE);
}

/* No more from us, but we still listen. */
static void
gone_half(struct peer *p)
{
	struct script s = { 0 };

	script_simple(&s, p, 1);
	(void)peer_send(p, &s.out);
	shutdown(p->fd, SHUT_WR);
	peer_read_out(p, &s.seg[0]);
	peer_leave(p, LEAVE_FIN);
}

/* Its cancel comes when its server may be somebody else's. */
static void
gone_then_cancel(struct peer *p)
{
	struct script s = { 0 };

	script_simple(&s, p, 1);
	if (peer_run(p, &s) == FATE_OK) {
		if (rng_chance(&p->rng, 50)) {
			pkt_query(&s.out, "SELECT pg_sleep(20)");
			(void)peer_send(p, &s.out);
			peer_cancel(p, p->pid, p->key);
		}
		peer_leave(p, peer_any_leaving(p));
	}
	peer_cancel(p, p->pid, p->key);
	peer_leave(p, LEAVE_RST);
}

static const struct way {
	const char *name;
	void (*run)(struct peer *);
} ways[] = {
#define WAY(name)           \
	{                   \
#name, name \
	}
	WAY(gone_mid_message),
	WAY(gone_mid_query),
	WAY(gone_mid_transaction),
	WAY(gone_mid_transaction),
	WAY(gone_before_sync),
	WAY(gone_mid_copy_in),
	WAY(gone_mid_result),
	WAY(gone_and_forgotten),
	WAY(gone_and_forgotten),
	WAY(gone_half),
	WAY(gone_then_cancel),
#undef WAY
};

void
peer_vanish(struct peer *p)
{
	const struct way *way;

	way = &ways[rng_below(&p->rng, sizeof(ways) / sizeof(ways[0]))];
	if (!trial_wants(way->name)) {
		peer_leave(p, LEAVE_TERMINATE);
		return;
	}
	atomic_fetch_add(&trial.gone, 1);
	way->run(p);
}

/* Those who do not even log in: probes, and half a start-up packet. */
static void
stop_at_the_door(struct peer *p)
{
	struct pkt k = { 0 };

	if (!peer_dial(p))
		return;
	pkt_startup(&k, "alice", mode_db[p->mode]);
	k.n = rng_below(&p->rng, (uint32_t)k.n);
	if (k.n > 0)
		(void)peer_send(p, &k);
	else
		pkt_free(&k);
	peer_leave(p, rng_chance(&p->rng, 50) ? LEAVE_FIN : LEAVE_RST);
}

/* Dave runs under short timeouts; the others share the database's servers. */
static const char *
pick_user(struct peer *p)
{
	p->limited = p->mode != MODE_SESSION && p->slot % 40 == 7;
	if (p->limited)
		return "dave";
	if (p->mode == MODE_TRANSACTION && rng_chance(&p->rng, 15))
		return "bob";
	return "alice";
}

void *
live_raw(void *arg)
{
	struct peer *p = arg;
	unsigned n;

	while (!atomic_load(&trial.stop)) {
		p->split = rng_chance(&p->rng, 12) && trial_wants("split");
		if (rng_chance(&p->rng, 3) && trial_wants("door"))
			stop_at_the_door(p);
		if (!peer_open(p, pick_user(p)))
			continue;
		/* A session holds its server: be short. */
		n = rng_below(&p->rng, p->mode == MODE_SESSION ? 4 : 12);
		while (n-- > 0 && !atomic_load(&trial.stop))
			if (peer_act(p) == FATE_LOST)
				break;
		if (p->status == 'I' && rng_chance(&p->rng, 40))
			peer_vanish(p);
		else
			peer_leave(p, peer_any_leaving(p));
	}
	return NULL;
}
