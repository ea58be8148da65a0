/*
 * Pools that nobody uses: they cost next to nothing, are still there to see,
 * and forget nothing that counts.
 */
#include "fakepg.h"
#include "fixture.h"
#include "load.h"
#include "raw.h"

#include <stdio.h>
#include <stdlib.h>

/* Says hello and hangs up: its pool is empty again at once. */
static void
serve_hello(struct fake_conn *c, void *arg)
{
	(void)arg;
	if (fake_startup(c))
		fake_welcome(c);
}

static void
serve_queries(struct fake_conn *c, void *arg)
{
	(void)arg;
	if (fake_startup(c) && fake_welcome(c))
		fake_queries(c, "1");
}

/* Resident bytes for each: some 600 are needed, and the holes that short-lived
 * servers leave differ from run to run. `make bench SECTIONS=pools` has the exact
 * figure; this is to see one that never falls asleep. */
#define IDLE_POOL_MAX 3000

static bool
all_asleep(void)
{
	return show("MEM", "name=pool_cache", "used") == 0;
}

/* One login to each of n databases. Not too many are awake at a time: what they
 * leave is holes in the memory, which would count here. */
static void
visit(struct pooler *p, int first, int n)
{
	char db[32];

	for (int i = first; i < first + n; i++) {
		snprintf(db, sizeof(db), "idle%06d", i);
		raw_close(raw_login(p->port, "alice", db));
		if (i % 1000 == 999)
			WAIT_UNTIL(all_asleep(), 10000);
	}
}

START_TEST (ten_thousand_idle_pools_cost_next_to_nothing) {
	struct fakepg *f = fakepg_start(serve_hello, NULL);
	struct pooler *p = pooler_start("worker_threads = 2\n"
					"server_login_retry = 0\n"
					"[databases]\n"
					"* = host=127.0.0.1 port=%d\n",
	    fakepg_port(f));
	long before, after;

	visit(p, 0, 2000);
	WAIT_UNTIL(all_asleep(), 10000);
	before = pooler_rss_kb(p);
	visit(p, 2000, 10000);
	WAIT_UNTIL(all_asleep(), 20000);
	after = pooler_rss_kb(p);
	ck_assert_int_eq(show("LISTS", "list=pools", "items"), 12001);
	if (!fx_sanitized())
		ck_assert_msg((after - before) * 1024 / 10000 < IDLE_POOL_MAX,
		    "%ld bytes a pool", (after - before) * 1024 / 10000);
	fakepg_stop(f);
}
END_TEST

START_TEST (sleeping_pool_is_shown_and_keeps_its_counts) {
	PGconn *c;

	pooler_start("server_idle_timeout = 1\nstats_period = 1\n");
	c = client_open("dbname=app");
	ck_assert_int_eq(sql_int(c, "SELECT 7"), 7);
	PQfinish(c);
	WAIT_UNTIL(all_asleep(), 10000);
	ck_assert_int_eq(show_rows("POOLS", "database=app&user=alice"), 1);
	ck_assert_str_eq(show_text("POOLS", "database=app", "pool_mode"),
	    "transaction");
	ck_assert_int_eq(show("STATS", "database=app", "total_query_count"), 1);
	c = client_open("dbname=app");
	ck_assert_int_eq(sql_int(c, "SELECT 8"), 8);
	PQfinish(c);
	ck_assert_int_eq(show("STATS", "database=app", "total_query_count"), 2);
	WAIT_UNTIL(all_asleep(), 10000);
	ck_assert_int_eq(show("STATS", "database=app", "total_query_count"), 2);
}
END_TEST

/* What went through in the last two periods is in the averages, also when its
 * pool is asleep by then; and then no more. */
START_TEST (averages_have_what_sleeping_pools_have_done) {
	PGconn *c;

	pooler_start("server_idle_timeout = 1\nstats_period = 3\n");
	c = client_open("dbname=app");
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(sql_int(c, "SELECT 7"), 7);
	PQfinish(c);
	WAIT_UNTIL(all_asleep(), 10000);
	ck_assert_int_gt(show("STATS", "database=app", "avg_query_count"), 0);
	WAIT_UNTIL(show("STATS", "database=app", "avg_query_count") == 0,
	    15000);
	ck_assert_int_eq(show("STATS", "database=app", "total_query_count"),
	    200);
}
END_TEST

/* No server is asked before a client has something to ask; but what it is
 * welcomed with must be true. */
START_TEST (sleeping_pool_welcomes_without_a_server_until_told_otherwise) {
	struct fakepg *f = fakepg_start(serve_queries, NULL);
	struct fakepg *g = fakepg_start(serve_queries, NULL);
	struct pooler *p = pooler_start("server_idle_timeout = 1\n"
					"[databases]\n"
					"w = host=127.0.0.1 port=%d\n",
	    fakepg_port(f));

	raw_close(raw_login(p->port, "alice", "w"));
	ck_assert_int_eq(fakepg_accepted(f), 1);
	WAIT_UNTIL(all_asleep(), 10000);
	raw_close(raw_login(p->port, "alice", "w"));
	ck_assert_int_eq(fakepg_accepted(f), 1);
	WAIT_UNTIL(all_asleep(), 10000);
	console_ok("RECONNECT w");
	raw_close(raw_login(p->port, "alice", "w"));
	ck_assert_int_eq(fakepg_accepted(f), 2);
	WAIT_UNTIL(all_asleep(), 10000);
	pooler_rewrite(p, "server_idle_timeout = 1\n[databases]\n"
			  "w = host=127.0.0.1 port=%d\n",
	    fakepg_port(g));
	console_ok("RELOAD");
	raw_close(raw_login(p->port, "alice", "w"));
	ck_assert_int_eq(fakepg_accepted(f), 2);
	ck_assert_int_eq(fakepg_accepted(g), 1);
	fakepg_stop(f);
	fakepg_stop(g);
}
END_TEST

START_TEST (sleeping_pool_of_a_removed_database_is_gone) {
	struct pooler *p = pooler_start("server_idle_timeout = 1\n"
					"[databases]\nw = host=@PGSOCKET@ "
					"port=@PGPORT@ dbname=app\n"
					"v = host=127.0.0.1\n");

	PQfinish(client_open("dbname=w"));
	WAIT_UNTIL(all_asleep(), 10000);
	ck_assert_int_eq(show_rows("POOLS", "database=w"), 1);
	pooler_rewrite(p, "[databases]\nv = host=127.0.0.1\n");
	console_ok("RELOAD");
	ck_assert_int_eq(show_rows("POOLS", "database=w"), 0);
}
END_TEST

/* While others work, and without touching what is in use, paused or in the
 * configuration. */
START_TEST (automatic_databases_go_when_nobody_uses_them) {
	struct load_plan plan = { .clients = 2,
		.sql = "SELECT pg_sleep(0.005)" };
	struct load *load;
	PGconn *c, *idle;

	pooler_start("worker_threads = 2\nserver_idle_timeout = 0.2\n"
		     "stats_period = 1\nautodb_idle_timeout = 1\n[databases]\n"
		     "* = host=127.0.0.1 port=@PGPORT@ dbname=app\n"
		     "app3 = host=127.0.0.1 port=@PGPORT@\n");
	load = load_start(&plan);
	idle = client_open("dbname=app2");
	for (int i = 0; i < 50; i++) {
		char db[20];

		snprintf(db, sizeof(db), "gone%d", i);
		PQfinish(client_try("dbname=%s", db));
	}
	PQfinish(client_open("dbname=app3"));
	console_ok("PAUSE paused");
	ck_assert_int_eq(show_rows("DATABASES", "name=gone7"), 1);
	WAIT_UNTIL(show_rows("DATABASES", "name=gone7") == 0 &&
		show_rows("DATABASES", NULL) == 5, 20000);
	ck_assert(pooler_logged(pooler_current(), "dropping database 'gone"
	    "7' as it does not exist anymore or inactive auto-database"));
	ck_assert_int_eq(show_rows("DATABASES", "name=paused"), 1);
	ck_assert_int_eq(show_rows("DATABASES", "name=app2"), 1);
	ck_assert_int_eq(show_rows("DATABASES", "name=app3"), 1);
	sql_ok(idle, "SELECT 1");
	PQfinish(idle);
	c = client_open("dbname=gone7");
	ck_assert_int_eq(sql_int(c, "SELECT 7"), 7);
	ck_assert_int_eq(show("STATS", "database=gone7", "total_query_count"),
	    1);
	PQfinish(c);
	load_stop(load);
}
END_TEST

START_TEST (idle_pools_are_forgotten_and_their_figures_kept) {
	PGconn *c;

	pooler_start("server_idle_timeout = 1\nstats_period = 1\n"
		     "pool_idle_timeout = 1\n[databases]\n"
		     "app = host=127.0.0.1 port=@PGPORT@\n");
	c = client_open("dbname=app user=bob");
	ck_assert_int_eq(sql_int(c, "SELECT 7"), 7);
	/* It has a client, then a server. */
	fx_pause_ms(fx_scaled(2500));
	ck_assert_int_eq(show_rows("POOLS", "database=app&user=bob"), 1);
	PQfinish(c);
	WAIT_UNTIL(show_rows("POOLS", "database=app") == 0, 15000);
	ck_assert(pooler_logged(pooler_current(),
	    "cleaning up idle pool for user bob on db app because: "));
	ck_assert_int_eq(show("STATS", "database=app", "total_query_count"), 1);
	c = client_open("dbname=app user=bob");
	ck_assert_int_eq(sql_int(c, "SELECT 7"), 7);
	ck_assert_int_eq(show("STATS", "database=app", "total_query_count"), 2);
	PQfinish(c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pools");

	FX_ADD(s, ten_thousand_idle_pools_cost_next_to_nothing, 120);
	FX_ADD(s, sleeping_pool_is_shown_and_keeps_its_counts, 60);
	FX_ADD(s, averages_have_what_sleeping_pools_have_done, 60);
	FX_ADD(s,
	    sleeping_pool_welcomes_without_a_server_until_told_otherwise, 60);
	FX_ADD(s, sleeping_pool_of_a_removed_database_is_gone, 60);
	FX_ADD(s, automatic_databases_go_when_nobody_uses_them, 60);
	FX_ADD(s, idle_pools_are_forgotten_and_their_figures_kept, 60);
	return fx_main(s);
}
