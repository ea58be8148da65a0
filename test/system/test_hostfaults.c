/*
 * Hosts of servers that are reset, firewalled, frozen, slow, flapping and
 * returning, under load. One PostgreSQL at two addresses stands for two
 * machines. Each test says what was lost: at most the transactions that were
 * in flight there, one for each server connection, or nothing.
 */
#include "fixture.h"
#include "load.h"
#include "netns.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST NETNS_FIRST
#define SECOND NETNS_SECOND
#define POOL 4

static struct pooler *
start(const char *more)
{
	netns_two_hosts();
	netns_firewall(SECOND, FIREWALL_OFF);
	return pooler_start("server_down_after = 2\ndefault_pool_size = %d\n"
	    "tcp_user_timeout = 1000\n%s\n[databases]\n"
	    "one = host=" SECOND " port=@PGPORT@ dbname=postgres "
	    "user=postgres\n"
	    "two = host=" SECOND "," FIRST " port=@PGPORT@ dbname=postgres "
	    "user=postgres\n", POOL, more);
}

static const char *const users[] = { "dbname=two user=alice" };
static const char *const single[] = { "dbname=one user=alice" };

static struct load *
work(const char *const *who, bool may_fail)
{
	struct load_plan plan = { .clients = 6, .conninfos = who,
		.n_conninfos = 1, .sql = "SELECT pg_sleep(0.005)",
		.may_fail = may_fail };

	return load_start(&plan);
}

#define GO_ON(l, n)                                               \
	do {                                                      \
		long upto_ = load_done(l) + (n);                  \
		WAIT_UNTIL(load_done(l) >= upto_, 20000);         \
	} while (0)

static int
servers_at(const char *ip)
{
	char key[100];

	snprintf(key, sizeof(key), "addr=%s", ip);
	return show_rows("SERVERS", key);
}

static const char *
where(PGconn *c)
{
	return sql_text(c, "SELECT host(inet_server_addr())");
}

static const enum firewall faults[] = { FIREWALL_RESET, FIREWALL_DROP };

/* Lost: at most one transaction for each connection there; who comes later, or
 * was idle, loses nothing. */
START_TEST (host_of_a_list_that_fails_costs_what_was_in_flight) {
	struct load *l;
	PGconn *idle, *c;
	long failed;

	start("");
	idle = client_open("dbname=two user=alice");
	l = work(users, true);
	GO_ON(l, 50);
	WAIT_UNTIL(servers_at(SECOND) > 0, 10000);
	netns_firewall(SECOND, faults[_i]);
	GO_ON(l, 50);
	WAIT_UNTIL(servers_at(SECOND) == 0, 20000);
	failed = load_failed(l);
	ck_assert_int_le(failed, POOL);
	for (int i = 0; i < 10; i++) {
		c = client_open("dbname=two user=alice");
		ck_assert_str_eq(where(c), FIRST);
		PQfinish(c);
	}
	ck_assert_str_eq(where(idle), FIRST);
	GO_ON(l, 200);
	ck_assert_int_eq(load_failed(l), failed);
	WAIT_UNTIL((console_ok("RECONNECT two"), show_rows("HOSTS", "host="
	    SECOND "&list=" SECOND "," FIRST "&state=down") == 1), 20000);
	GO_ON(l, 50);
	ck_assert_int_eq(load_failed(l), failed);
	/* It is taken back. */
	netns_firewall(SECOND, FIREWALL_OFF);
	WAIT_UNTIL((console_ok("RECONNECT two"), servers_at(SECOND) > 0),
	    20000);
	GO_ON(l, 50);
	ck_assert_int_eq(load_failed(l), failed);
	load_stop(l);
	PQfinish(idle);
}
END_TEST

/* Lost: what was in flight, and the clients that came while the host was away,
 * told within the time for servers that are down. The first one behind its
 * return is served, with no attempt of its own. */
START_TEST (only_host_that_fails_is_told_and_taken_back) {
	PGconn *busy, *idle;
	int64_t began;

	start("");
	busy = client_open("dbname=one user=alice");
	idle = client_open("dbname=one user=alice");
	sql_ok(busy, "BEGIN");
	netns_firewall(SECOND, faults[_i]);
	began = fx_now_ms();
	sql_fails(busy, "SELECT 1", "08006", "server");
	ck_assert_int_lt(fx_now_ms() - began, fx_scaled(5000));
	began = fx_now_ms();
	sql_fails(client_open("dbname=one user=alice"), "SELECT 1", "08001",
	    "cannot reach server " SECOND);
	ck_assert_int_lt(fx_now_ms() - began, fx_scaled(5000));
	netns_firewall(SECOND, FIREWALL_OFF);
	WAIT_UNTIL(servers_at(SECOND) > 0, 20000);
	ck_assert_str_eq(where(idle), SECOND);
	PQfinish(busy);
	PQfinish(idle);
}
END_TEST

/* ---- stopped processes ---- */

static char *stopped;

/* All of the cluster's processes that serve somebody, and the one that takes
 * connections. */
static void
freeze(void)
{
	free(stopped);
	stopped = strdup(pg_text("SELECT string_agg(pid::text, ' ') FROM "
	    "pg_stat_activity WHERE backend_type = 'client backend' AND "
	    "pid <> pg_backend_pid()"));
	ck_assert_int_eq(fx_shell(NULL, "kill -STOP %s", stopped), 0);
}

static void
thaw(void)
{
	ck_assert_int_eq(fx_shell(NULL, "kill -CONT %s", stopped), 0);
}

/* Lost: nothing; who waits goes on waiting, as that may be a long query. */
START_TEST (frozen_host_that_thaws_loses_nothing) {
	struct load *l;
	long done;

	start("");
	l = work(single, false);
	GO_ON(l, 50);
	freeze();
	done = load_done(l);
	fx_pause_ms(1500);
	/* What was on its way back has arrived. */
	ck_assert_int_le(load_done(l), done + POOL);
	thaw();
	GO_ON(l, 50);
	load_stop(l);
}
END_TEST

/* Lost: what waited for longer than query_timeout; nothing after the thaw. */
START_TEST (frozen_host_costs_what_query_timeout_says) {
	struct load *l;
	long failed;

	start("query_timeout = 1");
	l = work(single, true);
	GO_ON(l, 50);
	ck_assert_int_eq(load_failed(l), 0);
	freeze();
	WAIT_UNTIL(load_failed(l) >= POOL, 10000);
	thaw();
	/* Each that is still frozen out ends, and the next succeeds. */
	GO_ON(l, 50);
	failed = load_failed(l);
	GO_ON(l, 200);
	ck_assert_int_eq(load_failed(l), failed);
	load_stop(l);
}
END_TEST

/* Lost: nothing. */
START_TEST (slow_host_loses_nothing) {
	struct load *l;

	start("");
	l = work(single, false);
	GO_ON(l, 20);
	for (int i = 0; i < 10; i++) {
		freeze();
		fx_pause_ms(100);
		thaw();
		GO_ON(l, 1);
	}
	GO_ON(l, 50);
	load_stop(l);
}
END_TEST

/* Lost: at most what was in flight there each time; the other host always
 * serves, and at the end both do. */
START_TEST (flapping_host_costs_what_is_in_flight_each_time) {
	const int flaps = 3;
	struct load *l;

	start("");
	l = work(users, true);
	GO_ON(l, 50);
	for (int i = 0; i < flaps; i++) {
		netns_firewall(SECOND, FIREWALL_RESET);
		GO_ON(l, 30);
		netns_firewall(SECOND, FIREWALL_OFF);
		console_ok("RECONNECT two");
		GO_ON(l, 30);
	}
	ck_assert_int_le(load_failed(l), POOL * flaps);
	WAIT_UNTIL((console_ok("RECONNECT two"), servers_at(SECOND) > 0),
	    20000);
	WAIT_UNTIL(servers_at(FIRST) > 0, 20000);
	load_stop(l);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hostfaults");
	int n = sizeof(faults) / sizeof(faults[0]);

	if (!netns_enter())
		return 77;
	if (netns_can_firewall()) {
		FX_ADD_LOOP(s,
		    host_of_a_list_that_fails_costs_what_was_in_flight, 90, n);
		FX_ADD_LOOP(s, only_host_that_fails_is_told_and_taken_back,
		    60, n);
		FX_ADD(s, flapping_host_costs_what_is_in_flight_each_time, 60);
		FX_ADD(s, frozen_host_that_thaws_loses_nothing, 60);
		FX_ADD(s, frozen_host_costs_what_query_timeout_says, 60);
		FX_ADD(s, slow_host_loses_nothing, 60);
	} else {
		fprintf(stderr, "skipped: no iptables, or not root\n");
		return 77;
	}
	return fx_main(s);
}
