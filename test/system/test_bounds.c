/*
 * A limit is a limit: the number of backends that PostgreSQL itself sees
 * never passes the bound, with any number of workers, while clients come
 * and go, leave in the middle, and servers are replaced. And what there is,
 * is shared out fairly.
 */
#include "fixture.h"
#include "load.h"
#include "sampler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int workers[] = { 1, 2, 4 };
#define N_WORKERS ((int)(sizeof(workers) / sizeof(workers[0])))

static const char *const users[] = { "user=alice", "user=bob", "user=carol",
	"user=dave" };

static void
run_until(const struct load *l, long transactions, int ms)
{
	int64_t until = fx_now_ms() + fx_scaled(ms);

	while (load_done(l) < transactions && fx_now_ms() < until)
		fx_pause_ms(10);
	ck_assert_msg(load_done(l) >= transactions,
	    "only %ld of %ld transactions", load_done(l), transactions);
}

/* --- the pool --- */

START_TEST (pool_size_holds_while_clients_come_and_go) {
	struct load_plan plan = { .clients = 40,
		.per_connection = 3,
		.sql = "SELECT pg_sleep(0.002)" };
	struct sampler *s;
	struct load *l;
	long max;

	pooler_start("default_pool_size = 5\nworker_threads = %d\n",
	    workers[_i]);
	s = sampler_start("true");
	l = load_start(&plan);
	run_until(l, 1500, 15000);
	load_stop(l);
	max = sampler_stop(s);
	ck_assert_int_eq(max, 5);
}
END_TEST

START_TEST (pool_size_holds_when_clients_leave_in_the_middle) {
	struct load_plan plan = { .clients = 30,
		.per_connection = 1,
		.impatient = true,
		.sql = "SELECT pg_sleep(0.01)" };
	struct sampler *s;
	struct load *l;

	pooler_start("default_pool_size = 4\nclient_gone_grace = 0\n"
		     "worker_threads = %d\n",
	    workers[_i]);
	s = sampler_start("true");
	l = load_start(&plan);
	run_until(l, 300, 20000);
	load_stop(l);
	ck_assert_int_le(sampler_stop(s), 4);
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "state = 'active' AND usename = 'alice'") == 0,
	    5000);
	WAIT_UNTIL(show("POOLS", "database=app", "sv_active") == 0, 5000);
}
END_TEST

START_TEST (pool_size_holds_while_servers_are_replaced) {
	struct load_plan plan = { .clients = 20,
		.sql = "SELECT pg_sleep(0.001)" };
	struct sampler *s;
	struct load *l;

	/* Each server serves one transaction. */
	pooler_start("default_pool_size = 4\nserver_lifetime = 0\n"
		     "worker_threads = %d\n",
	    workers[_i]);
	s = sampler_start("true");
	l = load_start(&plan);
	run_until(l, 300, 20000);
	load_stop(l);
	ck_assert_int_le(sampler_stop(s), 4);
}
END_TEST

START_TEST (pool_size_holds_while_servers_are_killed) {
	struct load_plan plan = { .clients = 20,
		.may_fail = true,
		.sql = "SELECT pg_sleep(0.002)" };
	struct sampler *s;
	struct load *l;

	pooler_start("default_pool_size = 4\nworker_threads = %d\n"
		     "server_login_retry = 0.1\n",
	    workers[_i]);
	s = sampler_start("true");
	l = load_start(&plan);
	for (int i = 0; i < 20; i++) {
		long before = load_done(l);

		pg_exec("SELECT pg_terminate_backend(pid) FROM "
			"pg_stat_activity WHERE usename = 'alice'");
		run_until(l, before + 20, 10000);
	}
	load_stop(l);
	ck_assert_int_le(sampler_stop(s), 4);
}
END_TEST

START_TEST (session_mode_keeps_the_bound_too) {
	struct load_plan plan = { .clients = 20,
		.per_connection = 2,
		.sql = "SELECT pg_sleep(0.001)" };
	struct sampler *s;
	struct load *l;

	pooler_start("pool_mode = session\ndefault_pool_size = 4\n"
		     "worker_threads = %d\n",
	    workers[_i]);
	s = sampler_start("true");
	l = load_start(&plan);
	run_until(l, 400, 15000);
	load_stop(l);
	ck_assert_int_eq(sampler_stop(s), 4);
}
END_TEST

/* --- the database and the user --- */

START_TEST (database_bound_holds_over_four_users) {
	struct load_plan plan = { .clients = 32,
		.conninfos = users,
		.n_conninfos = 4,
		.per_connection = 20,
		.sql = "SELECT pg_sleep(0.001)" };
	struct sampler *s;
	struct load *l;
	long by_user[4] = { 0 };

	pooler_start("default_pool_size = 4\nmax_db_connections = 5\n"
		     "worker_threads = %d\n",
	    workers[_i]);
	s = sampler_start("datname = 'app'");
	l = load_start(&plan);
	run_until(l, 1500, 20000);
	for (int i = 0; i < 32; i++)
		by_user[i % 4] += load_done_by(l, i);
	load_stop(l);
	ck_assert_int_le(sampler_stop(s), 5);
	for (int u = 0; u < 4; u++)
		ck_assert_msg(by_user[u] > 50, "%s got %ld transactions",
		    users[u], by_user[u]);
}
END_TEST

/* --- fairness between pools that share a budget --- */

/* Jain's index: 1 when all have the same, 1/n when one has all. */
static double
jain(const double *x, int n)
{
	double sum = 0, squares = 0;

	for (int i = 0; i < n; i++) {
		sum += x[i];
		squares += x[i] * x[i];
	}
	return squares > 0 ? sum * sum / (n * squares) : 0;
}

/* Three users with 15 clients each, and 10 servers for all of them. */
START_TEST (users_share_a_database_evenly) {
	struct load_plan plan = { .clients = 45,
		.conninfos = users,
		.n_conninfos = 3,
		.sql = "SELECT pg_sleep(0.005)" };
	double done[3] = { 0 };
	struct sampler *s;
	struct load *l;
	int evicted;

	pooler_start("default_pool_size = 10\nmax_db_connections = 10\n"
		     "worker_threads = %d\n",
	    workers[_i]);
	s = sampler_start("true");
	l = load_start(&plan);
	run_until(l, 3000, 30000);
	for (int i = 0; i < 45; i++)
		done[i % 3] += (double)load_done_by(l, i);
	load_stop(l);
	ck_assert_int_le(sampler_stop(s), 10);
	ck_assert_msg(jain(done, 3) >= 0.95, "%.0f, %.0f and %.0f: index %.3f",
	    done[0], done[1], done[2], jain(done, 3));
	/* A server that is made anew costs more than it serves. */
	evicted = pooler_log_count(pooler_current(), "evicted");
	ck_assert_msg(evicted < (done[0] + done[1] + done[2]) / 20,
	    "%d evictions for %.0f transactions", evicted,
	    done[0] + done[1] + done[2]);
}
END_TEST

START_TEST (idle_server_of_another_user_is_evicted) {
	PGconn *a, *b;

	pooler_start("default_pool_size = 2\nmax_db_connections = 2\n");
	a = client_open("user=alice");
	b = client_open("user=alice");
	sql_ok(a, "BEGIN");
	sql_ok(b, "SELECT 1");
	sql_ok(a, "COMMIT");
	WAIT_UNTIL(show("POOLS", "user=alice", "sv_idle") == 2, 5000);
	PQfinish(a);
	a = client_open("user=bob");
	sql_ok(a, "SELECT 1");
	WAIT_UNTIL(show("POOLS", "user=alice", "sv_idle") == 1, 5000);
	WAIT_UNTIL(show("POOLS", "user=bob", "sv_idle") == 1, 5000);
	ck_assert(pooler_logged(pooler_current(), "evicted"));
	PQfinish(a);
	PQfinish(b);
}
END_TEST

START_TEST (user_bound_holds_over_three_databases) {
	static const char *const dbs[] = { "dbname=app", "dbname=app2",
		"dbname=app3" };
	struct load_plan plan = { .clients = 24,
		.conninfos = dbs,
		.n_conninfos = 3,
		.per_connection = 20,
		.sql = "SELECT pg_sleep(0.001)" };
	struct sampler *s;
	struct load *l;

	pooler_start("default_pool_size = 4\nmax_user_connections = 5\n"
		     "worker_threads = %d\n",
	    workers[_i]);
	s = sampler_start("usename = 'alice'");
	l = load_start(&plan);
	run_until(l, 1000, 20000);
	load_stop(l);
	ck_assert_int_le(sampler_stop(s), 5);
}
END_TEST

/* --- the rule: cores * 2 + spindles of the database server --- */

START_TEST (auto_size_bounds_all_pools_of_a_database_together) {
	struct load_plan plan = { .clients = 24,
		.conninfos = users,
		.n_conninfos = 4,
		.per_connection = 20,
		.sql = "SELECT pg_sleep(0.001)" };
	struct sampler *s;
	struct load *l;

	pooler_start("default_pool_size = auto\nserver_cores = 2\n"
		     "server_spindles = 1\nworker_threads = %d\n"
		     "[databases]\napp = host=127.0.0.1 port=@PGPORT@\n",
	    workers[_i]);
	ck_assert_int_eq(show("DATABASES", "name=app", "pool_size"), 5);
	ck_assert_int_eq(show("DATABASES", "name=app", "max_connections"), 5);
	s = sampler_start("datname = 'app'");
	l = load_start(&plan);
	run_until(l, 1000, 20000);
	load_stop(l);
	ck_assert_int_le(sampler_stop(s), 5);
}
END_TEST

START_TEST (auto_size_says_how_it_came_about) {
	pooler_start("default_pool_size = auto\n[databases]\n"
		     "big = host=127.0.0.1 port=@PGPORT@ cores=16 spindles=4\n"
		     "fixed = host=127.0.0.1 port=@PGPORT@ pool_size=7\n");
	ck_assert_int_eq(show("DATABASES", "name=big", "pool_size"), 36);
	ck_assert_int_eq(show("DATABASES", "name=fixed", "pool_size"), 7);
	ck_assert(pooler_logged(pooler_current(), "16 cores * 2 + 4 spindles"));
}
END_TEST

/* --- reserve, minimum, shrinking --- */

START_TEST (reserve_pool_opens_after_its_timeout) {
	PGconn *c[4];
	struct sampler *s;

	pooler_start("default_pool_size = 1\nreserve_pool_size = 2\n"
		     "reserve_pool_timeout = 1\n");
	s = sampler_start("true");
	for (int i = 0; i < 4; i++)
		c[i] = client_open(" ");
	sql_ok(c[0], "BEGIN");
	sql_send(c[1], "BEGIN");
	WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 1, 5000);
	ck_assert_int_eq(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
				"usename = 'alice'"),
	    1);
	sql_result_ok(c[1], 5000);
	sql_send(c[2], "BEGIN");
	sql_result_ok(c[2], 5000);
	ck_assert(pooler_logged(pooler_current(),
	    "taking connection from reserve_pool"));
	sql_send(c[3], "BEGIN");
	WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 1, 5000);
	/* Longer than the timeout: there is no fourth server. */
	fx_pause_ms(fx_scaled(1300));
	ck_assert(!sql_done(c[3]));
	sql_ok(c[0], "COMMIT");
	sql_result_ok(c[3], 5000);
	ck_assert_int_eq(sampler_stop(s), 3);
	for (int i = 0; i < 4; i++)
		PQfinish(c[i]);
}
END_TEST

START_TEST (min_pool_size_is_kept_up) {
	PGconn *c;

	pooler_start("default_pool_size = 6\nmin_pool_size = 3\n"
		     "server_idle_timeout = 1\n");
	c = client_open(" ");
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "usename = 'alice'") == 3,
	    10000);
	pg_exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
		"WHERE usename = 'alice'");
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "usename = 'alice'") == 3,
	    10000);
	fx_pause_ms(2000);
	ck_assert_int_eq(pg_int("SELECT count(*) FROM pg_stat_activity "
				"WHERE usename = 'alice'"),
	    3);
	PQfinish(c);
}
END_TEST

START_TEST (min_pool_size_of_a_forced_user_needs_no_client) {
	pooler_start("default_pool_size = 6\n[databases]\n"
		     "app = host=127.0.0.1 port=@PGPORT@ user=carol "
		     "min_pool_size=2\n");
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "usename = 'carol'") == 2,
	    10000);
}
END_TEST

START_TEST (lower_pool_size_closes_surplus_idle_servers) {
	PGconn *c[4];

	pooler_start("default_pool_size = 4\n");
	for (int i = 0; i < 4; i++) {
		c[i] = client_open(" ");
		sql_ok(c[i], "BEGIN");
	}
	for (int i = 0; i < 4; i++)
		sql_ok(c[i], "COMMIT");
	WAIT_UNTIL(show("POOLS", "database=app", "sv_idle") == 4, 5000);
	console_ok("SET default_pool_size = 1");
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "usename = 'alice'") == 1,
	    10000);
	for (int i = 0; i < 4; i++)
		PQfinish(c[i]);
}
END_TEST

/* --- clients --- */

START_TEST (max_client_conn_refuses_with_the_reason) {
	PGconn *c[3], *more;

	pooler_start("max_client_conn = 3\n");
	for (int i = 0; i < 3; i++)
		c[i] = client_open(" ");
	more = client_try(" ");
	ck_assert_int_eq(PQstatus(more), CONNECTION_BAD);
	ck_assert_ptr_nonnull(strstr(PQerrorMessage(more),
	    "no more connections allowed (max_client_conn)"));
	PQfinish(more);
	/* The console is not counted. */
	ck_assert_int_eq(show("POOLS", "database=app", "cl_active"), 3);
	PQfinish(c[0]);
	WAIT_UNTIL(show("POOLS", "database=app", "cl_active") == 2, 5000);
	c[0] = client_open(" ");
	sql_ok(c[0], "SELECT 1");
	for (int i = 0; i < 3; i++)
		PQfinish(c[i]);
}
END_TEST

START_TEST (client_limits_per_database_and_user) {
	PGconn *a, *b, *more;

	pooler_start("[databases]\n"
		     "app = host=127.0.0.1 port=@PGPORT@ "
		     "max_db_client_connections=2\n"
		     "app2 = host=127.0.0.1 port=@PGPORT@\n"
		     "[users]\nbob = max_user_client_connections=1\n");
	a = client_open(" ");
	b = client_open(" ");
	more = client_try(" ");
	ck_assert_ptr_nonnull(strstr(PQerrorMessage(more),
	    "client connections exceeded (max_db_client_connections)"));
	PQfinish(more);
	PQfinish(b);
	b = client_open("dbname=app2 user=bob");
	more = client_try("dbname=app2 user=bob");
	ck_assert_ptr_nonnull(strstr(PQerrorMessage(more),
	    "client connections exceeded (max_user_client_connections)"));
	PQfinish(more);
	PQfinish(a);
	PQfinish(b);
}
END_TEST

/* --- the queue --- */

/* The three limits, by themselves and over each other: 2 servers, 30 clients
 * of two users. What is over the limit is told at once, the others work. */
START_TEST (max_waiting_clients_is_never_passed) {
	static const struct {
		const char *settings, *scope, *named;
		int limit;
	} way[] = {
		{ "max_waiting_clients = 5\n", "scope=process",
		    "5 may wait at the same time)", 5 },
		{ "[databases]\napp = host=127.0.0.1 port=@PGPORT@ "
		  "max_waiting_clients=4\n",
		    "scope=database&database=app", "database \"app\"", 4 },
		{ "[users]\nalice = max_waiting_clients=3\n"
		  "bob = max_waiting_clients=0\n",
		    "scope=user&user=alice", "user \"alice\"", 3 },
	};
	struct load_plan plan = { .clients = 30,
		.conninfos = users,
		.n_conninfos = 2,
		.may_fail = true,
		.sql = "SELECT pg_sleep(0.003)" };
	struct load *l;
	char key[100];
	int i, full = 0;

	pooler_start("default_pool_size = 2\nworker_threads = %d\n%s",
	    workers[_i % N_WORKERS], way[_i / N_WORKERS].settings);
	snprintf(key, sizeof(key), "limit=max_waiting_clients&%s",
	    way[_i / N_WORKERS].scope);
	PQfinish(client_open(" "));
	ck_assert_int_eq(show("LIMITS", key, "value"),
	    way[_i / N_WORKERS].limit);
	l = load_start(&plan);
	for (i = 0; i < 30 || (full == 0 && i < 1000); i++) {
		long used = show("LIMITS", key, "used");

		ck_assert_int_le(used, way[_i / N_WORKERS].limit);
		full += used == way[_i / N_WORKERS].limit;
	}
	run_until(l, 200, 20000);
	ck_assert_int_gt(full, 0);
	ck_assert_int_gt(load_failed(l), 0);
	load_stop(l);
	WAIT_UNTIL(show("LIMITS", key, "used") == 0, 5000);
	ck_assert_int_gt(show("ERRORS", "sqlstate=53300", "count"), 0);
	ck_assert(pooler_logged(pooler_current(),
	    "too many clients are waiting for a server"));
	ck_assert(pooler_logged(pooler_current(), way[_i / N_WORKERS].named));
}
END_TEST

/* One that is refused keeps its session, and RELOAD takes the limit away. */
START_TEST (refused_in_the_queue_the_session_goes_on) {
	PGconn *a, *b, *c;
	PGresult *r;

	pooler_start("default_pool_size = 1\nmax_waiting_clients = 1\n");
	a = client_open(" ");
	b = client_open(" ");
	c = client_open(" ");
	sql_ok(c, "SET application_name = 'me'");
	sql_ok(a, "BEGIN");
	sql_send(b, "SELECT 1");
	WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 1, 5000);
	r = sql_exec(c, "SELECT 2");
	result_fails(r, "53300", "max_waiting_clients");
	ck_assert_str_ne(error_field(r, PG_DIAG_MESSAGE_HINT), "");
	PQclear(r);
	r = PQexecParams(c, "SELECT $1::int", 1, NULL,
	    (const char *const[]){ "2" }, NULL, NULL, 0);
	result_fails(r, "53300", "max_waiting_clients");
	PQclear(r);
	console_ok("SET max_waiting_clients = 0");
	sql_send(c, "SHOW application_name");
	WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 2, 5000);
	sql_ok(a, "COMMIT");
	sql_result_ok(b, 5000);
	r = sql_result(c, 5000);
	ck_assert_str_eq(PQgetvalue(r, 0, 0), "me");
	PQclear(r);
	PQfinish(a);
	PQfinish(b);
	PQfinish(c);
}
END_TEST

/* --- fairness --- */

START_TEST (sixty_four_clients_share_five_servers_fairly) {
	struct load_plan plan = { .clients = 64,
		.sql = "SELECT pg_sleep(0.002)" };
	struct load *l;
	long start[64], least = -1, sum = 0;

	pooler_start("default_pool_size = 5\nworker_threads = %d\n",
	    workers[_i]);
	l = load_start(&plan);
	run_until(l, 500, 10000);
	for (int i = 0; i < 64; i++)
		start[i] = load_done_by(l, i);
	run_until(l, 6000, 30000);
	for (int i = 0; i < 64; i++) {
		long n = load_done_by(l, i) - start[i];

		sum += n;
		if (least < 0 || n < least)
			least = n;
	}
	load_stop(l);
	ck_assert_msg(least * 64 * 10 >= sum * 8,
	    "least served got %ld, the mean is %ld", least, sum / 64);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("bounds");

	FX_ADD_LOOP(s, pool_size_holds_while_clients_come_and_go, 40,
	    N_WORKERS);
	FX_ADD_LOOP(s, pool_size_holds_when_clients_leave_in_the_middle, 40,
	    N_WORKERS);
	FX_ADD_LOOP(s, pool_size_holds_while_servers_are_replaced, 40,
	    N_WORKERS);
	FX_ADD_LOOP(s, pool_size_holds_while_servers_are_killed, 60, N_WORKERS);
	FX_ADD_LOOP(s, session_mode_keeps_the_bound_too, 40, N_WORKERS);
	FX_ADD_LOOP(s, database_bound_holds_over_four_users, 40, N_WORKERS);
	FX_ADD_LOOP(s, users_share_a_database_evenly, 60, N_WORKERS);
	FX_ADD(s, idle_server_of_another_user_is_evicted, 20);
	FX_ADD_LOOP(s, user_bound_holds_over_three_databases, 40, N_WORKERS);
	FX_ADD_LOOP(s, auto_size_bounds_all_pools_of_a_database_together, 40,
	    N_WORKERS);
	FX_ADD(s, auto_size_says_how_it_came_about, 20);
	FX_ADD(s, reserve_pool_opens_after_its_timeout, 20);
	FX_ADD(s, min_pool_size_is_kept_up, 30);
	FX_ADD(s, min_pool_size_of_a_forced_user_needs_no_client, 20);
	FX_ADD(s, lower_pool_size_closes_surplus_idle_servers, 20);
	FX_ADD(s, max_client_conn_refuses_with_the_reason, 20);
	FX_ADD(s, client_limits_per_database_and_user, 20);
	FX_ADD_LOOP(s, max_waiting_clients_is_never_passed, 40, 3 * N_WORKERS);
	FX_ADD(s, refused_in_the_queue_the_session_goes_on, 20);
	FX_ADD_LOOP(s, sixty_four_clients_share_five_servers_fairly, 50,
	    N_WORKERS);
	return fx_main(s);
}
