/*
 * A list of hosts: two PostgreSQLs on one port of 127.0.0.1 and 127.0.0.2. The
 * second is this program's own, to be killed, frozen and brought back. A dead
 * host costs an attempt, never a client, while another one lives.
 */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define FIRST "127.0.0.1"
#define SECOND "127.0.0.2"

static pid_t second;

static bool
second_answers(void)
{
	return fx_shell(NULL, "'%s/pg_isready' -q -t 1 -h " SECOND " -p %d",
	    pg_bindir(), pg_port()) == 0;
}

static void
second_start(void)
{
	char dir[300], path[300], port[16], log[300];
	char *argv[] = { path, (char *)"-D", dir, (char *)"-p", port,
		(char *)"-h", (char *)SECOND, (char *)"-k", (char *)"",
		(char *)"-F", NULL };

	snprintf(dir, sizeof(dir), "%s/second", fx_dir());
	snprintf(path, sizeof(path), "%s/postgres", pg_bindir());
	snprintf(log, sizeof(log), "%s/second.log", fx_dir());
	snprintf(port, sizeof(port), "%d", pg_port());
	second = fx_spawn(log, true, argv);
	WAIT_UNTIL(second_answers(), 20000);
}

static void
second_create(void)
{
	char dir[300], path[300], log[300];
	char *argv[] = { path, (char *)"-D", dir, (char *)"-Upostgres",
		(char *)"-Atrust", (char *)"-N", NULL };

	snprintf(dir, sizeof(dir), "%s/second", fx_dir());
	snprintf(path, sizeof(path), "%s/initdb", pg_bindir());
	snprintf(log, sizeof(log), "%s/second.log", fx_dir());
	ck_assert_int_eq(fx_shell(NULL, "rm -rf '%s' && mkdir '%s' && "
	    "{ test $(id -u) != 0 || chown nobody '%s'; }", dir, dir, dir), 0);
	ck_assert_int_eq(fx_wait_exit(fx_spawn(log, true, argv), 120000), 0);
	second_start();
}

/* As if the machine had lost its power: all of it at once. */
static void
second_kill(void)
{
	kill(second, SIGQUIT);
	ck_assert_int_ne(fx_wait_exit(second, 20000), -1);
}

static void
start(const char *balance, const char *more)
{
	pooler_start("default_pool_size = 4\n%s\n[databases]\n"
		     "two = host=" SECOND "," FIRST " port=@PGPORT@ "
		     "dbname=postgres user=postgres %s%s\n",
	    more, balance[0] ? "load_balance_hosts=" : "", balance);
}

static const char *
where(PGconn *c)
{
	return sql_text(c, "SELECT host(inet_server_addr())");
}

/* Four transactions at once, each on a server of its own: how many of these
 * the second host has. */
static int
four_at_once(void)
{
	PGconn *c[4];
	int n = 0;

	for (int i = 0; i < 4; i++) {
		c[i] = client_open("dbname=two user=alice");
		sql_ok(c[i], "BEGIN");
		n += strcmp(where(c[i]), SECOND) == 0;
	}
	for (int i = 0; i < 4; i++) {
		sql_ok(c[i], "COMMIT");
		PQfinish(c[i]);
	}
	return n;
}

START_TEST (hosts_are_taken_in_turn) {
	second_create();
	start("", "");
	ck_assert_int_eq(four_at_once(), 2);
	second_kill();
}
END_TEST

START_TEST (disable_stays_with_the_host_that_works) {
	second_create();
	start("disable", "");
	ck_assert_int_eq(four_at_once(), 4);
	second_kill();
	console_ok("RECONNECT");
	ck_assert_int_eq(four_at_once(), 0);
	second_start();
	console_ok("RECONNECT");
	ck_assert_int_eq(four_at_once(), 0);
	second_kill();
}
END_TEST

static const char *const balances[] = { "round-robin", "disable" };

/* Each transaction needs a server of its own; half of the hosts refuse. */
START_TEST (refusing_host_costs_no_client) {
	int64_t began;

	start(balances[_i], "server_lifetime = 0");
	began = fx_now_ms();
	for (int i = 0; i < 30; i++) {
		PGconn *c = client_open("dbname=two user=alice");

		ck_assert_str_eq(where(c), FIRST);
		PQfinish(c);
	}
	ck_assert_int_lt(fx_now_ms() - began, fx_scaled(8000));
}
END_TEST

/* It takes connections and never says a word. */
START_TEST (frozen_host_costs_no_client) {
	second_create();
	start(balances[_i], "server_lifetime = 0\nserver_down_after = 2\n"
			    "default_pool_size = 1");
	kill(second, SIGSTOP);
	for (int i = 0; i < 12; i++) {
		int64_t began = fx_now_ms();
		PGconn *c = client_open("dbname=two user=alice");

		ck_assert_str_eq(where(c), FIRST);
		PQfinish(c);
		ck_assert_int_lt(fx_now_ms() - began, fx_scaled(2000));
	}
	kill(second, SIGCONT);
	second_kill();
}
END_TEST

START_TEST (killed_host_is_missed_and_taken_back) {
	PGconn *c[8];

	second_create();
	start("", "");
	for (int i = 0; i < 8; i++)
		c[i] = client_open("dbname=two user=alice");
	ck_assert_int_eq(four_at_once(), 2);
	second_kill();
	WAIT_UNTIL(show("POOLS", "database=two", "sv_idle") <= 2, 10000);
	for (int i = 0; i < 8; i++)
		ck_assert_str_eq(where(c[i]), FIRST);
	ck_assert_int_eq(four_at_once(), 0);
	second_start();
	WAIT_UNTIL((console_ok("RECONNECT"), four_at_once() > 0), 20000);
	for (int i = 0; i < 8; i++)
		PQfinish(c[i]);
	second_kill();
}
END_TEST

static const char *
second_file(const char *name)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/second/%s", fx_dir(), name);
	return path;
}

/* What becomes of a primary when another one has been made in its place. */
static void
second_demote(void)
{
	second_kill();
	fx_write_file(second_file("standby.signal"), "");
	second_start();
}

/* How many of n writes fail because they came to a standby. */
static int
failed_writes(int n)
{
	PGconn *c = client_open("dbname=two user=alice");
	int failed = 0;

	for (int i = 0; i < n; i++) {
		PGresult *r = sql_exec(c, "CREATE TABLE IF NOT EXISTS w (i int)");

		if (PQresultStatus(r) != PGRES_COMMAND_OK) {
			ck_assert_str_eq(error_field(r, PG_DIAG_SQLSTATE),
			    "25006");
			failed++;
		}
		PQclear(r);
		console_ok("RECONNECT two");
	}
	PQfinish(c);
	return failed;
}

/* Lost: one write. Later ones go to the primary, though each has a server of
 * its own and the hosts are taken in turn. */
START_TEST (first_write_to_a_demoted_host_is_the_last) {
	struct pooler *p;

	second_create();
	start("", "");
	p = pooler_current();
	ck_assert_int_eq(four_at_once(), 2);
	ck_assert_int_eq(failed_writes(4), 0);
	second_demote();
	WAIT_UNTIL((console_ok("RECONNECT two"), four_at_once() == 2), 20000);
	ck_assert_int_eq(failed_writes(20), 1);
	ck_assert_int_eq(pooler_log_count(p, "refuses writes: it is a standby "
	    "now"), 1);
	ck_assert_int_eq(four_at_once(), 0);
	/* It is no fault of the host. */
	ck_assert_str_eq(show_text("HOSTS", "host=" SECOND "&list=" SECOND ","
	    FIRST, "state"), "up");
	second_kill();
}
END_TEST

/* ... and nothing is done where a client wants it so, or there never was a
 * primary. */
START_TEST (other_refused_writes_close_nobody) {
	struct pooler *p;
	PGconn *c;
	int pid;

	second_create();
	second_demote();
	p = pooler_start("[databases]\n"
	    "two = host=" FIRST " port=@PGPORT@ dbname=postgres "
	    "user=postgres\n"
	    "standby = host=" SECOND " port=@PGPORT@ dbname=postgres "
	    "user=postgres\n");
	for (int i = 0; i < 2; i++) {
		c = client_open("dbname=%s user=alice", i ? "standby" : "two");
		pid = (int)sql_int(c, "SELECT pg_backend_pid()");
		sql_ok(c, "BEGIN READ ONLY");
		sql_fails(c, "CREATE TABLE x (i int)", "25006", "read-only");
		sql_ok(c, "ROLLBACK");
		ck_assert_int_eq(sql_int(c, "SELECT pg_backend_pid()"), pid);
		PQfinish(c);
	}
	ck_assert(!pooler_logged(p, "refuses writes"));
	second_kill();
}
END_TEST

/* All of them gone is told as one server that is down would be. */
START_TEST (clients_are_told_when_all_hosts_are_down) {
	struct pooler *p = pooler_start(
	    "server_down_after = 1\n[databases]\n"
	    "two = host=127.0.0.3,127.0.0.4,127.0.0.5 port=%d\n",
	    fx_free_port());
	int64_t began = fx_now_ms();
	PGconn *c = client_try("dbname=two");

	(void)p;
	ck_assert_int_eq(PQstatus(c), CONNECTION_BAD);
	ck_assert_msg(strstr(PQerrorMessage(c), "cannot reach server") != NULL,
	    "%s", PQerrorMessage(c));
	ck_assert_int_lt(fx_now_ms() - began, fx_scaled(6000));
	PQfinish(c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hosts");

	FX_ADD(s, hosts_are_taken_in_turn, 60);
	FX_ADD(s, disable_stays_with_the_host_that_works, 90);
	FX_ADD_LOOP(s, refusing_host_costs_no_client, 60, 2);
	FX_ADD_LOOP(s, frozen_host_costs_no_client, 90, 2);
	FX_ADD(s, killed_host_is_missed_and_taken_back, 90);
	FX_ADD(s, first_write_to_a_demoted_host_is_the_last, 90);
	FX_ADD(s, other_refused_writes_close_nobody, 90);
	FX_ADD(s, clients_are_told_when_all_hosts_are_down, 60);
	return fx_main(s);
}
