/*
 * Every clock: it ends what it should, in time, with its text and a
 * SQLSTATE like PostgreSQL's, and leaves everything else alone.
 */
#include "fakepg.h"
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

/* An idle client's last words: libpq would take them for a notice. */
static void
expect_end(struct raw *r, const char *code, const char *text, int ms)
{
	struct msg m = raw_until(r, 'E', ms);

	ck_assert_msg(strcmp(msg_field(&m, 'M'), text) == 0,
	    "expected \"%s\", got \"%s\"", text, msg_field(&m, 'M'));
	if (!pooler_is_foreign())
		ck_assert_str_eq(msg_field(&m, 'C'), code);
	ck_assert_str_eq(msg_field(&m, 'S'), "FATAL");
	ck_assert_str_eq(raw_types_to_end(r, 5000), "");
}

static struct raw *
login(void)
{
	return raw_login(pooler_current()->port, "alice", "app");
}

static void
send_query(struct raw *r, const char *sql)
{
	struct pkt k = { 0 };

	pkt_query(&k, sql);
	raw_put(r, &k);
}

static long
alive(void)
{
	return pg_int(
	    "SELECT count(*) FROM pg_stat_activity WHERE usename = 'alice'");
}

START_TEST (query_wait_timeout_ends_a_queued_client) {
	PGconn *holder;
	struct raw *r;
	int64_t since;

	pooler_start("default_pool_size = 1\nquery_wait_timeout = 1\n");
	holder = client_open(" ");
	sql_ok(holder, "BEGIN");
	r = login();
	since = fx_now_ms();
	send_query(r, "SELECT 1");
	expect_end(r, "57014", "query_wait_timeout", 5000);
	ck_assert_int_ge(fx_now_ms() - since, 900);
	ck_assert_int_le(fx_now_ms() - since, fx_scaled(2200));
	sql_ok(holder, "COMMIT");
	raw_close(r);
	PQfinish(holder);
}
END_TEST

START_TEST (query_wait_timeout_of_a_user_counts_for_that_user) {
	PGconn *holder, *other;
	struct raw *r;

	pooler_start("default_pool_size = 1\nquery_wait_timeout = 0\n"
		     "[databases]\napp = host=127.0.0.1 port=@PGPORT@ "
		     "user=carol\n"
		     "[users]\nbob = query_wait_timeout=1\n");
	holder = client_open(" ");
	sql_ok(holder, "BEGIN");
	other = client_open(" ");
	sql_send(other, "SELECT 1");
	r = raw_login(pooler_current()->port, "bob", "app");
	send_query(r, "SELECT 1");
	expect_end(r, "57014", "query_wait_timeout", 5000);
	ck_assert(!sql_done(other));
	sql_ok(holder, "COMMIT");
	sql_result_ok(other, 5000);
	raw_close(r);
	PQfinish(holder);
	PQfinish(other);
}
END_TEST

START_TEST (query_timeout_ends_a_running_query) {
	struct raw *r;

	pooler_start("default_pool_size = 1\nquery_timeout = 1\n");
	r = login();
	ck_assert_str_eq(raw_query(r, "SELECT 5"), "5");
	send_query(r, "SELECT pg_sleep(60)");
	expect_end(r, "57014", "query timeout", 5000);
	raw_close(r);
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "query LIKE 'SELECT pg_sleep%%' AND "
			  "state = 'active'") == 0,
	    5000);
	r = login();
	ck_assert_str_eq(raw_query(r, "SELECT 6"), "6");
	raw_close(r);
}
END_TEST

START_TEST (query_timeout_is_not_counted_in_an_idle_transaction) {
	PGconn *c;

	pooler_start("default_pool_size = 1\nquery_timeout = 0.5\n");
	c = client_open(" ");
	sql_ok(c, "BEGIN");
	fx_pause_ms(1200);
	ck_assert_int_eq(sql_int(c, "SELECT 5"), 5);
	sql_ok(c, "COMMIT");
	PQfinish(c);
}
END_TEST

START_TEST (query_timeout_of_a_user_counts_for_that_user) {
	struct raw *r;
	PGconn *c;

	pooler_start("[users]\nbob = query_timeout=1\n");
	c = client_open(" ");
	sql_send(c, "SELECT pg_sleep(2)");
	r = raw_login(pooler_current()->port, "bob", "app");
	send_query(r, "SELECT pg_sleep(60)");
	expect_end(r, "57014", "query timeout", 5000);
	sql_result_ok(c, 5000);
	raw_close(r);
	PQfinish(c);
}
END_TEST

START_TEST (client_idle_timeout_ends_only_idle_clients) {
	PGconn *busy;
	struct raw *r, *in_transaction;

	pooler_start("default_pool_size = 3\nclient_idle_timeout = 1\n");
	busy = client_open(" ");
	in_transaction = login();
	raw_query(in_transaction, "BEGIN");
	r = login();
	ck_assert_str_eq(raw_query(r, "SELECT 5"), "5");
	sql_send(busy, "SELECT pg_sleep(2)");
	expect_end(r, "57P05", "client_idle_timeout", 5000);
	sql_result_ok(busy, 5000);
	/* It holds a server, so this clock is not its own. */
	raw_query(in_transaction, "COMMIT");
	raw_close(r);
	raw_close(in_transaction);
	PQfinish(busy);
}
END_TEST

/* In the reference one user's value hits all the others. */
START_TEST (client_idle_timeout_of_one_user_hits_no_other) {
	struct raw *r, *other;

	pooler_start("[users]\nbob = client_idle_timeout=1\n");
	other = login();
	raw_query(other, "SELECT 1");
	r = raw_login(pooler_current()->port, "bob", "app");
	raw_query(r, "SELECT 1");
	expect_end(r, "57P05", "client_idle_timeout", 5000);
	fx_pause_ms(500);
	ck_assert_str_eq(raw_query(other, "SELECT 5"), "5");
	raw_close(r);
	raw_close(other);
}
END_TEST

START_TEST (client_login_timeout_ends_a_silent_login) {
	struct pooler *p = pooler_start("client_login_timeout = 1\n"
					"auth_type = plain\n");
	struct raw *silent = raw_connect(p->port), *half;
	struct pkt k = { 0 };
	struct msg m;

	half = raw_connect(p->port);
	pkt_startup(&k, "alice", "app");
	raw_put(half, &k);
	ck_assert_int_eq(raw_next(half, 5000).type, 'R');
	m = raw_until(half, 'E', 5000);
	ck_assert_str_eq(msg_field(&m, 'M'), "client_login_timeout");
	raw_types_to_end(silent, 5000);
	raw_close(half);
	raw_close(silent);
}
END_TEST

START_TEST (idle_transaction_timeout_ends_both_sides) {
	struct raw *r;
	PGconn *c;

	pooler_start("default_pool_size = 1\nidle_transaction_timeout = 1\n");
	r = login();
	raw_query(r, "BEGIN");
	raw_query(r, "SELECT pg_sleep(1.3)");
	expect_end(r, "25P03", "idle transaction timeout", 5000);
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "state LIKE 'idle in%%'") == 0,
	    5000);
	c = client_open(" ");
	ck_assert_int_eq(sql_int(c, "SELECT 5"), 5);
	raw_close(r);
	PQfinish(c);
}
END_TEST

START_TEST (transaction_timeout_ends_a_long_transaction) {
	struct raw *r;
	PGconn *c;

	pooler_start("default_pool_size = 1\ntransaction_timeout = 1\n");
	r = login();
	/* Many short ones are no long one. */
	for (int i = 0; i < 12; i++)
		raw_query(r, "SELECT pg_sleep(0.1)");
	send_query(r, "BEGIN");
	raw_until(r, 'Z', 5000);
	send_query(r, "SELECT pg_sleep(0.2)");
	raw_until(r, 'Z', 5000);
	expect_end(r, "25P04", "transaction timeout", 5000);
	c = client_open(" ");
	ck_assert_int_eq(sql_int(c, "SELECT 5"), 5);
	raw_close(r);
	PQfinish(c);
}
END_TEST

START_TEST (server_lifetime_replaces_old_servers) {
	PGconn *c;
	long first;

	pooler_start("default_pool_size = 1\nserver_lifetime = 1\n");
	c = client_open(" ");
	first = sql_int(c, "SELECT pg_backend_pid()");
	WAIT_UNTIL(sql_int(c, "SELECT pg_backend_pid()") != first, 10000);
	ck_assert(pooler_logged(pooler_current(), "server lifetime over"));
	PQfinish(c);
}
END_TEST

START_TEST (server_lifetime_never_ends_a_server_in_use) {
	PGconn *c;
	long pid;

	pooler_start("default_pool_size = 1\nserver_lifetime = 1\n");
	c = client_open(" ");
	sql_ok(c, "BEGIN");
	pid = sql_int(c, "SELECT pg_backend_pid()");
	sql_ok(c, "SELECT pg_sleep(1.5)");
	ck_assert_int_eq(sql_int(c, "SELECT pg_backend_pid()"), pid);
	sql_ok(c, "COMMIT");
	WAIT_UNTIL(alive() == 0 || sql_int(c, "SELECT pg_backend_pid()") != pid,
	    5000);
	PQfinish(c);
}
END_TEST

START_TEST (server_idle_timeout_closes_idle_servers) {
	PGconn *c;

	pooler_start("server_idle_timeout = 1\n");
	c = client_open(" ");
	sql_ok(c, "SELECT 1");
	ck_assert_int_eq(alive(), 1);
	WAIT_UNTIL(alive() == 0, 8000);
	ck_assert(pooler_logged(pooler_current(), "server idle timeout"));
	ck_assert_int_eq(sql_int(c, "SELECT 5"), 5);
	PQfinish(c);
}
END_TEST

static void
serve_silence(struct fake_conn *c, void *arg)
{
	(void)arg;
	if (fake_startup(c))
		fake_linger(c);
}

START_TEST (server_connect_timeout_gives_up_a_silent_server) {
	struct fakepg *f = fakepg_start(serve_silence, NULL);
	PGconn *c;

	pooler_start("server_connect_timeout = 0.5\nserver_login_retry = 0.1\n"
		     "server_down_after = 5\n[databases]\n"
		     "gone = host=127.0.0.1 port=%d\n",
	    fakepg_port(f));
	c = client_start("dbname=gone");
	for (int i = 0; fakepg_accepted(f) < 3; i++) {
		ck_assert_int_lt(i, 4000);
		ck_assert_int_ne(client_poll(c, 2), PGRES_POLLING_OK);
	}
	ck_assert(pooler_logged(pooler_current(), "connect timeout"));
	PQfinish(c);
	fakepg_stop(f);
}
END_TEST

/* 0 means none; the reference then makes every connect fail. */
START_TEST (server_connect_timeout_zero_and_fractions_work) {
	static const char *const values[] = { "0", "0.5" };
	PGconn *c;

	pooler_start("server_connect_timeout = %s\n", values[_i]);
	c = client_open(" ");
	sql_ok(c, "SELECT 1");
	PQfinish(c);
}
END_TEST

START_TEST (server_check_query_replaces_a_dead_server) {
	PGconn *c;
	long pid;

	pooler_start("default_pool_size = 1\nserver_check_delay = 0\n"
		     "server_check_query = SELECT 1\n");
	c = client_open(" ");
	pid = sql_int(c, "SELECT pg_backend_pid()");
	ck_assert_int_eq(sql_int(c, "SELECT pg_backend_pid()"), pid);
	pg_exec("SELECT pg_terminate_backend(%ld)", pid);
	ck_assert_int_ne(sql_int(c, "SELECT pg_backend_pid()"), pid);
	PQfinish(c);
}
END_TEST

static void
remember(void *arg, const PGresult *r)
{
	snprintf(arg, 200, "%s", PQresultErrorMessage(r));
}

START_TEST (query_wait_notify_tells_a_queued_client) {
	PGconn *holder, *c;
	char notice[200] = "";

	pooler_start("default_pool_size = 1\nquery_wait_notify = 1\n");
	holder = client_open(" ");
	sql_ok(holder, "BEGIN");
	c = client_open(" ");
	PQsetNoticeReceiver(c, remember, notice);
	sql_send(c, "SELECT 1");
	WAIT_UNTIL((sql_done(c), notice[0] != '\0'), 6000);
	ck_assert_ptr_nonnull(strstr(notice,
	    "No server connection available "
	    "in postgres backend, client being queued"));
	sql_ok(holder, "COMMIT");
	sql_result_ok(c, 5000);
	PQfinish(c);
	PQfinish(holder);
}
END_TEST

START_TEST (pgbouncer_sqlstates_brings_08p01_back) {
	PGconn *holder;
	struct raw *r;
	struct msg m;

	pooler_start("default_pool_size = 1\nquery_wait_timeout = 0.5\n"
		     "pgbouncer_sqlstates = 1\n");
	holder = client_open(" ");
	sql_ok(holder, "BEGIN");
	r = login();
	send_query(r, "SELECT 1");
	m = raw_until(r, 'E', 5000);
	ck_assert_str_eq(msg_field(&m, 'M'), "query_wait_timeout");
	ck_assert_str_eq(msg_field(&m, 'C'), "08P01");
	raw_close(r);
	PQfinish(holder);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("timeouts");

	FX_ADD(s, query_wait_timeout_ends_a_queued_client, 20);
	FX_ADD(s, query_wait_timeout_of_a_user_counts_for_that_user, 20);
	FX_ADD(s, query_timeout_ends_a_running_query, 20);
	FX_ADD(s, query_timeout_is_not_counted_in_an_idle_transaction, 20);
	FX_ADD(s, query_timeout_of_a_user_counts_for_that_user, 20);
	FX_ADD(s, client_idle_timeout_ends_only_idle_clients, 20);
	FX_ADD(s, client_idle_timeout_of_one_user_hits_no_other, 20);
	FX_ADD(s, client_login_timeout_ends_a_silent_login, 20);
	FX_ADD(s, idle_transaction_timeout_ends_both_sides, 20);
	FX_ADD(s, transaction_timeout_ends_a_long_transaction, 20);
	FX_ADD(s, server_lifetime_replaces_old_servers, 20);
	FX_ADD(s, server_lifetime_never_ends_a_server_in_use, 20);
	FX_ADD(s, server_idle_timeout_closes_idle_servers, 20);
	FX_ADD(s, server_connect_timeout_gives_up_a_silent_server, 20);
	FX_ADD_LOOP(s, server_connect_timeout_zero_and_fractions_work, 20, 2);
	FX_ADD(s, server_check_query_replaces_a_dead_server, 20);
	FX_ADD(s, query_wait_notify_tells_a_queued_client, 20);
	FX_ADD(s, pgbouncer_sqlstates_brings_08p01_back, 20);
	return fx_main(s);
}
