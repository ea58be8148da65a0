/*
 * Cancelling: it stops the client's own current query, whether it runs,
 * waits, or is not there; never anybody else's; and a storm of cancels
 * does not take the pool away from the others.
 */
#include "fixture.h"
#include "load.h"
#include "raw.h"
#include "sampler.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static void
cancel(PGconn *c)
{
	PGcancel *h = PQgetCancel(c);
	char text[256];

	ck_assert_msg(PQcancel(h, text, sizeof(text)) == 1, "%s", text);
	PQfreeCancel(h);
}

static void
expect_cancelled(PGconn *c)
{
	PGresult *r = sql_result(c, 10000);

	result_fails(r, "57014", "cancel");
	PQclear(r);
	ck_assert_int_eq(PQstatus(c), CONNECTION_OK);
}

static long
running(const char *what)
{
	return pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
		      "state = 'active' AND query LIKE '%s%%' AND "
		      "usename <> 'postgres'",
	    what);
}

START_TEST (running_query_is_cancelled) {
	PGconn *c;
	long pid;

	pooler_start("default_pool_size = 1\n");
	c = client_open(" ");
	pid = sql_int(c, "SELECT pg_backend_pid()");
	for (int i = 0; i < 5; i++) {
		sql_send(c, "SELECT pg_sleep(60)");
		WAIT_UNTIL(running("SELECT pg_sleep(60)") == 1, 5000);
		cancel(c);
		expect_cancelled(c);
	}
	ck_assert_int_eq(sql_int(c, "SELECT pg_backend_pid()"), pid);
	PQfinish(c);
}
END_TEST

START_TEST (cancelled_transaction_is_only_aborted) {
	PGconn *c;

	pooler_start("default_pool_size = 1\n");
	c = client_open(" ");
	sql_ok(c, "BEGIN");
	sql_send(c, "SELECT pg_sleep(60)");
	WAIT_UNTIL(running("SELECT pg_sleep(60)") == 1, 5000);
	cancel(c);
	expect_cancelled(c);
	ck_assert_int_eq(PQtransactionStatus(c), PQTRANS_INERROR);
	sql_ok(c, "ROLLBACK");
	sql_ok(c, "SELECT 1");
	PQfinish(c);
}
END_TEST

START_TEST (queued_query_is_cancelled_by_the_pooler) {
	PGconn *holder, *c;

	pooler_start("default_pool_size = 1\n");
	holder = client_open(" ");
	c = client_open(" ");
	sql_ok(holder, "BEGIN");
	for (int i = 0; i < 3; i++) {
		sql_send(c, "SELECT 'never run'");
		WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 1,
		    5000);
		cancel(c);
		expect_cancelled(c);
		ck_assert_int_eq(PQtransactionStatus(c), PQTRANS_IDLE);
		WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 0,
		    5000);
	}
	sql_ok(holder, "SELECT 1");
	sql_ok(holder, "COMMIT");
	ck_assert_int_eq(sql_int(c, "SELECT 5"), 5);
	PQfinish(c);
	PQfinish(holder);
}
END_TEST

/* An extended batch is skipped up to its Sync, what is behind is kept. */
START_TEST (queued_pipeline_is_skipped_to_its_sync) {
	struct pooler *p = pooler_start("default_pool_size = 1\n");
	PGconn *holder = client_open(" ");
	struct raw *r;
	struct pkt k = { 0 };
	struct raw *killer;

	sql_ok(holder, "SELECT 1");
	r = raw_login(p->port, "alice", "app");
	sql_ok(holder, "BEGIN");
	pkt_parse(&k, "", "SELECT 1");
	pkt_bind(&k, "", "");
	pkt_execute(&k, "", 0);
	pkt_empty(&k, 'S');
	raw_put(r, &k);
	WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 1, 5000);
	killer = raw_connect(p->port);
	pkt_cancel(&k, r->pid, r->key);
	raw_put(killer, &k);
	ck_assert_int_eq(raw_next(killer, 5000).type, 0);
	raw_close(killer);
	ck_assert_str_eq(raw_types(r, 5000), "EZ");
	sql_ok(holder, "COMMIT");
	ck_assert_str_eq(raw_query(r, "SELECT 6"), "6");
	raw_close(r);
	PQfinish(holder);
}
END_TEST

START_TEST (idle_clients_cancel_has_no_effect) {
	PGconn *c, *other;

	pooler_start("default_pool_size = 1\n");
	c = client_open(" ");
	other = client_open(" ");
	sql_ok(c, "SELECT 1");
	sql_send(other, "SELECT pg_sleep(1)");
	WAIT_UNTIL(running("SELECT pg_sleep(1)") == 1, 5000);
	for (int i = 0; i < 10; i++)
		cancel(c);
	sql_result_ok(other, 10000);
	ck_assert_int_eq(sql_int(c, "SELECT 5"), 5);
	PQfinish(c);
	PQfinish(other);
}
END_TEST

START_TEST (unknown_key_has_no_effect_and_no_answer) {
	struct pooler *p = pooler_start("default_pool_size = 1\n");
	PGconn *c = client_open(" ");
	struct pkt k = { 0 };
	struct raw *r;

	sql_send(c, "SELECT pg_sleep(1)");
	WAIT_UNTIL(running("SELECT pg_sleep(1)") == 1, 5000);
	for (uint32_t i = 0; i < 50; i++) {
		r = raw_connect(p->port);
		pkt_cancel(&k, i * 7919, i);
		raw_put(r, &k);
		ck_assert_str_eq(raw_types_to_end(r, 5000), "");
		raw_close(r);
	}
	sql_result_ok(c, 10000);
	PQfinish(c);
}
END_TEST

START_TEST (client_keys_differ_from_each_other_and_from_the_servers) {
	struct pooler *p = pooler_start("default_pool_size = 2\n");
	struct raw *r[20];

	for (int i = 0; i < 20; i++) {
		r[i] = raw_login(p->port, "alice", "app");
		ck_assert_uint_lt(r[i]->pid, 0x80000000u);
		ck_assert_int_ne((int)r[i]->pid,
		    atoi(raw_query(r[i], "SELECT pg_backend_pid()")));
		for (int j = 0; j < i; j++)
			ck_assert(
			    r[i]->pid != r[j]->pid || r[i]->key != r[j]->key);
	}
	for (int i = 0; i < 20; i++)
		raw_close(r[i]);
}
END_TEST

/* The pool is full to the last, so the cancel needs a connection beyond
 * it, and the bound on logged-in backends still holds. */
START_TEST (cancel_works_while_the_pool_is_full) {
	PGconn *c[3], *waiting;
	struct sampler *s;

	pooler_start("default_pool_size = 3\nmax_db_connections = 3\n"
		     "max_user_connections = 3\n");
	s = sampler_start("true");
	for (int i = 0; i < 3; i++) {
		c[i] = client_open(" ");
		sql_send(c[i], "SELECT pg_sleep(60)");
	}
	waiting = client_open(" ");
	sql_send(waiting, "SELECT 1");
	WAIT_UNTIL(running("SELECT pg_sleep(60)") == 3, 5000);
	for (int i = 0; i < 3; i++)
		cancel(c[i]);
	for (int i = 0; i < 3; i++)
		expect_cancelled(c[i]);
	sql_result_ok(waiting, 5000);
	ck_assert_int_le(sampler_stop(s), 3);
	for (int i = 0; i < 3; i++)
		PQfinish(c[i]);
	PQfinish(waiting);
}
END_TEST

/* --- never another's query --- */

struct canceller {
	pthread_t thread;
	char info[128];
	atomic_bool *stop;
	atomic_long *sent;
};

/* Runs short queries and cancels each at about the time it ends. */
static void *
cancel_late(void *arg)
{
	struct canceller *me = arg;
	PGconn *c = PQconnectdb(me->info);
	PGcancel *h = PQgetCancel(c);
	unsigned seed = (unsigned)(uintptr_t)me;
	char text[256];

	while (!atomic_load(me->stop) && PQstatus(c) == CONNECTION_OK) {
		PGresult *r;

		PQsendQuery(c, "SELECT pg_sleep(0.001)");
		PQflush(c);
		if (rand_r(&seed) % 2 == 0)
			fx_pause_ms(1);
		if (h != NULL)
			PQcancel(h, text, sizeof(text));
		atomic_fetch_add(me->sent, 1);
		while ((r = PQgetResult(c)) != NULL)
			PQclear(r);
	}
	PQfreeCancel(h);
	PQfinish(c);
	return NULL;
}

static void
start_cancellers(struct canceller *c, int n, atomic_bool *stop,
    atomic_long *sent)
{
	for (int i = 0; i < n; i++) {
		c[i].stop = stop;
		c[i].sent = sent;
		snprintf(c[i].info, sizeof(c[i].info),
		    "host=127.0.0.1 port=%d user=alice dbname=app",
		    pooler_current()->port);
		ck_assert_int_eq(pthread_create(&c[i].thread, NULL, cancel_late,
				     &c[i]),
		    0);
	}
}

START_TEST (late_cancels_never_hit_another_query) {
	static const int workers[] = { 1, 2, 4 };
	struct load_plan plan = { .clients = 6,
		.sql = "SELECT pg_sleep(0.001)" };
	struct canceller c[6];
	atomic_bool stop = false;
	atomic_long sent = 0;
	struct load *l;

	pooler_start("default_pool_size = 2\nworker_threads = %d\n",
	    workers[_i]);
	/* These never cancel, so any 57014 of theirs is somebody else's. */
	l = load_start(&plan);
	start_cancellers(c, 6, &stop, &sent);
	WAIT_UNTIL(atomic_load(&sent) > 1500 && load_done(l) > 100, 40000);
	atomic_store(&stop, true);
	for (int i = 0; i < 6; i++)
		pthread_join(c[i].thread, NULL);
	load_stop(l);
}
END_TEST

START_TEST (cancel_storm_leaves_the_pool_to_the_others) {
	struct load_plan plan = { .clients = 4,
		.sql = "SELECT pg_sleep(0.001)" };
	struct pooler *p = pooler_start("default_pool_size = 4\n");
	struct sampler *s = sampler_start("true");
	struct raw *victim = raw_login(p->port, "alice", "app");
	struct raw *r[200];
	struct pkt k = { 0 };
	struct load *l = load_start(&plan);
	long before;

	pkt_query(&k, "SELECT pg_sleep(30)");
	raw_put(victim, &k);
	WAIT_UNTIL(running("SELECT pg_sleep(30)") == 1, 5000);
	before = load_done(l);
	for (int i = 0; i < 200; i++) {
		r[i] = raw_connect(p->port);
		pkt_cancel(&k, victim->pid, victim->key);
		raw_put(r[i], &k);
	}
	ck_assert_str_eq(raw_types(victim, 5000), "TEZ");
	/* Every one of them is done with, none waits for ever. */
	for (int i = 0; i < 200; i++) {
		ck_assert_str_eq(raw_types_to_end(r[i], 15000), "");
		raw_close(r[i]);
	}
	WAIT_UNTIL(load_done(l) > before + 200, 10000);
	load_stop(l);
	ck_assert_str_eq(raw_query(victim, "SELECT 8"), "8");
	raw_close(victim);
	ck_assert_int_le(sampler_stop(s), 4);
}
END_TEST

START_TEST (cancel_requests_of_wrong_length_are_closed) {
	struct pooler *p = pooler_start("default_pool_size = 1\n");
	struct pkt k = { 0 };
	struct raw *r;

	for (int extra = 1; extra < 40; extra += 7) {
		r = raw_connect(p->port);
		pkt_begin(&k, 0);
		pkt_i32(&k, 80877102);
		for (int i = 0; i < extra; i++)
			pkt_u8(&k, i);
		pkt_end(&k);
		raw_put(r, &k);
		ck_assert_str_eq(raw_types_to_end(r, 5000), "");
		raw_close(r);
	}
}
END_TEST

START_TEST (queued_cancel_goes_when_its_client_goes) {
	PGconn *c;
	PGcancel *h;
	char text[256];

	pooler_start("default_pool_size = 1\n");
	c = client_open(" ");
	h = PQgetCancel(c);
	PQfinish(c);
	ck_assert_int_eq(PQcancel(h, text, sizeof(text)), 1);
	PQfreeCancel(h);
	c = client_open(" ");
	sql_ok(c, "SELECT pg_sleep(0.2)");
	PQfinish(c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cancel");

	FX_ADD(s, running_query_is_cancelled, 20);
	FX_ADD(s, cancelled_transaction_is_only_aborted, 20);
	FX_ADD(s, queued_query_is_cancelled_by_the_pooler, 20);
	FX_ADD(s, queued_pipeline_is_skipped_to_its_sync, 20);
	FX_ADD(s, idle_clients_cancel_has_no_effect, 20);
	FX_ADD(s, unknown_key_has_no_effect_and_no_answer, 20);
	FX_ADD(s, client_keys_differ_from_each_other_and_from_the_servers, 20);
	FX_ADD(s, cancel_works_while_the_pool_is_full, 20);
	FX_ADD_LOOP(s, late_cancels_never_hit_another_query, 50, 3);
	FX_ADD(s, cancel_storm_leaves_the_pool_to_the_others, 60);
	FX_ADD(s, cancel_requests_of_wrong_length_are_closed, 20);
	FX_ADD(s, queued_cancel_goes_when_its_client_goes, 20);
	return fx_main(s);
}
