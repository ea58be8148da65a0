/*
 * Impatient and odd clients, in numbers: they give up long before their query
 * has run, stop reading in the middle of an answer, vanish without a word, or
 * send the next query before they have read the last answer. None of it costs a
 * server, or those who wait their turn.
 *
 * TEST_LONG=1 makes it 500 clients, and measures what a storm of cancels costs.
 */
#include "fixture.h"
#include "load.h"
#include "raw.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool
is_long(void)
{
	return getenv("TEST_LONG") != NULL;
}

static long
busy_backends(void)
{
	return pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
		      "usename = 'alice' AND state <> 'idle'");
}

/* Running for longer than its client can have waited for it. */
static long
runaways(void)
{
	return pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
		      "usename = 'alice' AND state = 'active' AND "
		      "clock_timestamp() - query_start > '%d ms'",
	    fx_scaled(1000));
}

static int
servers_opened(void)
{
	return pooler_log_count(pooler_current(), "new connection to server");
}

/* --- timeouts --- */

enum { MOST = 500, POOL = 20 };

/* The ways to give up: by a cancel, or by none, and as drivers do or not. */
static void
give_up(struct raw *r, int how)
{
	struct raw *by;
	struct pkt k = { 0 };

	if (how < 2) {
		by = raw_connect(pooler_current()->port);
		pkt_cancel(&k, r->pid, r->key);
		raw_put(by, &k);
		raw_close(by);
	}
	if (how % 2 == 0) {
		pkt_empty(&k, 'X');
		raw_put(r, &k);
	}
	if (how == 3)
		raw_reset(r);
	else
		raw_close(r);
}

/* 50 ms each, for queries of 200 ms. */
static void
one_round(struct raw **r, int n, int how)
{
	struct pkt k = { 0 };

	for (int i = 0; i < n; i++)
		r[i] = raw_login(pooler_current()->port, "alice", "app");
	for (int i = 0; i < n; i++) {
		pkt_query(&k, "SELECT pg_sleep(0.2)");
		raw_put(r[i], &k);
	}
	fx_pause_ms(50);
	for (int i = 0; i < n; i++)
		give_up(r[i], how < 0 ? i % 4 : how);
}

START_TEST (timeouts_start_no_logins_and_leave_nothing_running) {
	static struct raw *r[MOST];
	int n = is_long() ? MOST : 60, rounds = is_long() ? 12 : 2;
	int64_t began;
	PGconn *c;

	pooler_start("default_pool_size = 20\nmax_client_conn = 2000\n"
		     "max_login_conn = 1000\n"
		     "worker_threads = 2\n");
	for (int i = 0; i < rounds; i++) {
		one_round(r, n, -1);
		ck_assert_int_eq(runaways(), 0);
	}
	/* Queries that were sent whole have their turn, and no more. */
	began = fx_now_ms();
	WAIT_UNTIL(busy_backends() == 0, 1000 + rounds * n * 200 / POOL);
	printf("%d clients gave up %d times: %d servers opened; the last "
	       "query ended %d ms behind the last client\n",
	    n, rounds, servers_opened(), (int)(fx_now_ms() - began));
	ck_assert_int_le(servers_opened(), POOL);
	c = client_open(" ");
	ck_assert_int_eq(sql_int(c, "SELECT 5"), 5);
	PQfinish(c);
}
END_TEST

/* With a cancel, as a statement timeout of the driver sends it, nobody's query
 * is there after a second, running or waiting. */
START_TEST (cancelled_queries_do_not_run_later) {
	static struct raw *r[MOST];
	int n = is_long() ? MOST : 100;

	pooler_start("default_pool_size = 20\nmax_client_conn = 2000\n"
		     "max_login_conn = 1000\n"
		     "worker_threads = 2\n");
	one_round(r, n, 0);
	WAIT_UNTIL(busy_backends() == 0, 1000);
	WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 0, 1000);
	ck_assert_int_eq(busy_backends(), 0);
	ck_assert_int_le(servers_opened(), POOL);
}
END_TEST

/* --- a storm of cancels --- */

struct storm {
	pthread_t thread;
	uint32_t pid, key;
	int port, each_ms;
	atomic_bool stop;
	atomic_long sent;
};

static void *
blow(void *arg)
{
	struct storm *s = arg;

	while (!atomic_load(&s->stop)) {
		struct raw *r = raw_connect(s->port);
		struct pkt k = { 0 };

		pkt_cancel(&k, s->pid, s->key);
		raw_put(r, &k);
		raw_types_to_end(r, 15000);
		raw_close(r);
		atomic_fetch_add(&s->sent, 1);
		fx_pause_ms(s->each_ms);
	}
	return NULL;
}

/* Transactions in so many milliseconds. */
static double
goodput(struct load *l, int ms)
{
	int64_t began = fx_now_ms();
	long before = load_done(l);

	while (fx_now_ms() - began < ms)
		fx_pause_ms(10);
	return (double)(load_done(l) - before) /
	    (double)(fx_now_ms() - began) * 1000;
}

/* Each cancels a query that runs, which begins anew. */
static void *
victim(void *arg)
{
	struct storm *s = arg;
	struct raw *r = raw_login(s->port, "bob", "app");
	struct pkt k = { 0 };

	s->pid = r->pid;
	s->key = r->key;
	pthread_create(&s->thread, NULL, blow, s);
	while (!atomic_load(&s->stop)) {
		pkt_query(&k, "SELECT pg_sleep(0.5)");
		raw_put(r, &k);
		raw_until(r, 'Z', 30000);
	}
	pthread_join(s->thread, NULL);
	raw_close(r);
	return NULL;
}

START_TEST (storm_of_cancels_costs_the_others_little) {
	enum { STORMS = 8 };
	static struct storm s[STORMS];
	struct load_plan plan = { .clients = 4,
		.sql = "SELECT pg_sleep(0.005)" };
	int ms = is_long() ? 10000 : 700;
	double calm, stormy, least = is_long() ? 0.95 : 0.5;
	pthread_t t[STORMS];
	struct load *l;
	long sent = 0;

	pooler_start("default_pool_size = 8\nworker_threads = 2\n");
	l = load_start(&plan);
	WAIT_UNTIL(load_done(l) > 50, 20000);
	calm = goodput(l, ms);
	for (int i = 0; i < STORMS; i++) {
		s[i].port = pooler_current()->port;
		s[i].each_ms = 40;
		pthread_create(&t[i], NULL, victim, &s[i]);
	}
	stormy = goodput(l, ms);
	for (int i = 0; i < STORMS; i++)
		atomic_store(&s[i].stop, true);
	for (int i = 0; i < STORMS; i++) {
		pthread_join(t[i], NULL);
		sent += atomic_load(&s[i].sent);
	}
	load_stop(l);
	printf("%ld cancels in %d ms: %.0f of %.0f transactions a second are "
	       "left (%.1f %%)\n",
	    sent, ms, stormy, calm, 100 * stormy / calm);
	ck_assert_int_gt(sent, STORMS);
	ck_assert_msg(stormy >= calm * least, "%.0f a second, before it %.0f",
	    stormy, calm);
	ck_assert_int_le(servers_opened(), 16);
}
END_TEST

/* --- readers that stop --- */

START_TEST (readers_that_stop_free_their_servers) {
	enum { READERS = 10 };
	struct raw *r[READERS];
	struct pkt k = { 0 };
	long before;
	PGconn *c;

	pooler_start("default_pool_size = 5\nclient_write_timeout = 1\n"
		     "worker_threads = 2\n");
	c = client_open(" ");
	ck_assert_int_eq(sql_int(c, "SELECT 5"), 5);
	before = pooler_rss_kb(pooler_current());
	for (int i = 0; i < READERS; i++) {
		r[i] = raw_login(pooler_current()->port, "alice", "app");
		pkt_query(&k, "SELECT repeat('x', 1000) FROM "
			      "generate_series(1, 100000)");
		raw_put(r[i], &k);
	}
	/* Five hold all there is, five stand in front of us. */
	ck_assert_int_eq(sql_int(c, "SELECT 6"), 6);
	WAIT_UNTIL(busy_backends() == 0, 20000);
	if (!fx_sanitized())
		ck_assert_int_lt(pooler_rss_kb(pooler_current()) - before,
		    16 * 1024);
	for (int i = 0; i < READERS; i++)
		raw_close(r[i]);
	PQfinish(c);
}
END_TEST

/* --- half-open peers --- */

/* Without FIN or RST, as a machine that loses its power. False when that is
 * not allowed here. */
static bool
vanish(struct raw *r)
{
	int on = 1;

	if (setsockopt(r->fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof(on)) != 0)
		return false;
	raw_close(r);
	return true;
}

START_TEST (peers_that_vanished_are_found_out) {
	struct raw *r;
	struct pkt k = { 0 };
	PGconn *c;

	pooler_start("default_pool_size = 1\ntcp_keepalive = 1\n"
		     "tcp_keepidle = 1\ntcp_keepintvl = 1\ntcp_keepcnt = 2\n");
	r = raw_login(pooler_current()->port, "alice", "app");
	pkt_query(&k, "BEGIN");
	raw_put(r, &k);
	raw_until(r, 'Z', 5000);
	if (!vanish(r)) {
		printf("skipped: TCP_REPAIR wants CAP_NET_ADMIN\n");
		raw_close(r);
		return;
	}
	c = client_open(" ");
	sql_send(c, "SELECT 7");
	sql_result_ok(c, 15000);
	PQfinish(c);
	ck_assert_int_eq(servers_opened(), 1);
}
END_TEST

/* --- the next query before the last answer --- */

START_TEST (queries_ahead_of_their_answers_are_answered_in_order) {
	enum { CLIENTS = 4, QUERIES = 150 };
	struct raw *r[CLIENTS];
	char text[100];

	pooler_start("default_pool_size = 1\nworker_threads = 2\n");
	for (int i = 0; i < CLIENTS; i++) {
		struct pkt k = { 0 };

		r[i] = raw_login(pooler_current()->port, "alice", "app");
		for (int q = 0; q < QUERIES; q++) {
			snprintf(text, sizeof(text), "SELECT '%d.%d', "
			    "repeat('x', 3000)", i, q);
			pkt_query(&k, text);
		}
		raw_put(r[i], &k);
	}
	for (int q = 0; q < QUERIES; q++)
		for (int i = CLIENTS - 1; i >= 0; i--) {
			struct msg m = raw_until(r[i], 'D', 20000);

			snprintf(text, sizeof(text), "%d.%d", i, q);
			ck_assert_str_eq(msg_value(&m), text);
			raw_until(r[i], 'Z', 20000);
		}
	for (int i = 0; i < CLIENTS; i++)
		raw_close(r[i]);
	ck_assert_int_eq(servers_opened(), 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("impatient");

	FX_ADD(s, timeouts_start_no_logins_and_leave_nothing_running, 200);
	FX_ADD(s, cancelled_queries_do_not_run_later, 60);
	FX_ADD(s, storm_of_cancels_costs_the_others_little, 120);
	FX_ADD(s, readers_that_stop_free_their_servers, 60);
	FX_ADD(s, peers_that_vanished_are_found_out, 30);
	FX_ADD(s, queries_ahead_of_their_answers_are_answered_in_order, 60);
	return fx_main(s);
}
