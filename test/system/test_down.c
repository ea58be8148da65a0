/*
 * Server down is not server busy. Who waits for a server that cannot be
 * reached is told within server_down_after what is wrong, where, since when
 * and what to do; who waits for a busy one keeps waiting. What the server
 * itself refuses is passed on at once. And the first client after recovery
 * succeeds.
 */
#include "fakepg.h"
#include "fixture.h"
#include "load.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One database line, `gone`, that points at this port. */
static struct pooler *
start_with(int port, const char *settings)
{
	return pooler_start("%s[databases]\n"
			    "gone = host=127.0.0.1 port=%d dbname=app\n"
			    "app = host=127.0.0.1 port=@PGPORT@\n",
	    settings, port);
}

struct refusal {
	char code[8];
	char message[600], detail[600], hint[600];
	int64_t ms;
};

static void
note(struct refusal *e, const struct msg *m, int64_t since)
{
	e->ms = fx_now_ms() - since;
	snprintf(e->code, sizeof(e->code), "%s", msg_field(m, 'C'));
	snprintf(e->message, sizeof(e->message), "%s", msg_field(m, 'M'));
	snprintf(e->detail, sizeof(e->detail), "%s", msg_field(m, 'D'));
	snprintf(e->hint, sizeof(e->hint), "%s", msg_field(m, 'H'));
}

/* Logs in to a database that cannot be had, and gives the error. */
static struct refusal
refused_login(int port, const char *user, const char *db, int ms)
{
	int64_t since = fx_now_ms();
	struct raw *r = raw_connect(port);
	struct pkt k = { 0 };
	struct refusal e;
	struct msg m;

	pkt_startup(&k, user, db);
	raw_put(r, &k);
	do {
		m = raw_next(r, ms);
		ck_assert_msg(m.type != 0, "closed without an error");
		if (m.type == 'Z') {
			/* A warm pool welcomes; the query fails. */
			pkt_query(&k, "SELECT 1");
			raw_put(r, &k);
		}
		ck_assert_msg(m.type != 'D', "it was answered");
	} while (m.type != 'E');
	note(&e, &m, since);
	raw_close(r);
	return e;
}

static void
check_unreachable(const struct refusal *e, int port, const char *cause)
{
	char start[200];

	snprintf(start, sizeof(start),
	    "cannot reach server 127.0.0.1:%d for database \"gone\": ", port);
	ck_assert_msg(strncmp(e->message, start, strlen(start)) == 0,
	    "message is: %s", e->message);
	ck_assert_msg(strstr(e->message, cause) != NULL, "message is: %s",
	    e->message);
	ck_assert_str_eq(e->code, "08001");
	ck_assert_msg(strstr(e->detail, "attempt") != NULL, "detail is: %s",
	    e->detail);
	ck_assert_msg(strstr(e->hint, "SHOW ") != NULL, "hint is: %s", e->hint);
}

START_TEST (refused_connection_is_told_within_server_down_after) {
	int port = fx_free_port();
	struct pooler *p = start_with(port, "server_down_after = 1\n");
	struct refusal e;

	e = refused_login(p->port, "alice", "gone", 5000);
	check_unreachable(&e, port, "refused");
	ck_assert_int_ge(e.ms, 500);
	ck_assert_int_le(e.ms, fx_scaled(2000));
	/* The clock has run out already, so the next one is told at once. */
	e = refused_login(p->port, "alice", "gone", 5000);
	check_unreachable(&e, port, "refused");
	ck_assert_int_le(e.ms, fx_scaled(700));
}
END_TEST

START_TEST (down_server_is_told_within_two_seconds_by_default) {
	int port = fx_free_port();
	struct pooler *p = start_with(port, "");
	struct refusal e;

	e = refused_login(p->port, "alice", "gone", 6000);
	check_unreachable(&e, port, "refused");
	ck_assert_int_le(e.ms, fx_scaled(3000));
}
END_TEST

START_TEST (blackhole_is_told_within_server_down_after) {
	struct blackhole b;
	struct pooler *p;
	struct refusal e;

	blackhole_open(&b);
	p = start_with(b.port, "server_down_after = 1\n");
	e = refused_login(p->port, "alice", "gone", 6000);
	check_unreachable(&e, b.port, "no answer");
	ck_assert_int_le(e.ms, fx_scaled(2500));
	blackhole_close(&b);
}
END_TEST

static void
serve_silence(struct fake_conn *c, void *arg)
{
	(void)arg;
	fake_linger(c);
}

START_TEST (server_that_never_answers_is_told_too) {
	struct fakepg *f = fakepg_start(serve_silence, NULL);
	struct pooler *p = start_with(fakepg_port(f),
	    "server_down_after = 1\n");
	struct refusal e;

	e = refused_login(p->port, "alice", "gone", 6000);
	check_unreachable(&e, fakepg_port(f), "");
	ck_assert_int_le(e.ms, fx_scaled(2500));
	fakepg_stop(f);
}
END_TEST

START_TEST (name_that_does_not_resolve_is_told) {
	struct pooler *p = pooler_start(
	    "server_down_after = 1\n[databases]\n"
	    "gone = host=no-such-host.invalid port=5432 dbname=app\n");
	struct refusal e;

	e = refused_login(p->port, "alice", "gone", 10000);
	ck_assert_str_eq(e.code, "08001");
	ck_assert_msg(strstr(e.message,
			  "cannot reach server "
			  "no-such-host.invalid:5432 for database "
			  "\"gone\": ") != NULL,
	    "%s", e.message);
	ck_assert_msg(strcasestr(e.message, "DNS") != NULL ||
		strcasestr(e.message, "resolve") != NULL ||
		strcasestr(e.message, "look up") != NULL,
	    "%s", e.message);
	ck_assert_int_le(e.ms, fx_scaled(4000));
}
END_TEST

/* --- starting up --- */

static atomic_bool starting;

static void
serve_starting_up(struct fake_conn *c, void *arg)
{
	struct pkt k = { 0 };

	(void)arg;
	if (!fake_startup(c))
		return;
	if (atomic_load(&starting)) {
		fake_put_error(&k, "FATAL", "57P03",
		    "the database system is starting up");
		fake_send(c, &k);
		return;
	}
	if (fake_welcome(c))
		fake_queries(c, "up");
}

START_TEST (starting_up_is_told_with_the_servers_words) {
	struct fakepg *f;
	struct pooler *p;
	struct refusal e;

	atomic_store(&starting, true);
	f = fakepg_start(serve_starting_up, NULL);
	p = start_with(fakepg_port(f), "server_down_after = 1\n");
	e = refused_login(p->port, "alice", "gone", 6000);
	ck_assert_str_eq(e.code, "57P03");
	ck_assert_msg(strstr(e.message, "starting up") != NULL, "%s",
	    e.message);
	ck_assert_int_ge(e.ms, 500);
	ck_assert_int_le(e.ms, fx_scaled(2500));
	fakepg_stop(f);
}
END_TEST

START_TEST (starting_up_is_waited_for) {
	struct fakepg *f;
	PGconn *c;

	atomic_store(&starting, true);
	f = fakepg_start(serve_starting_up, NULL);
	start_with(fakepg_port(f), "server_down_after = 20\n");
	c = client_start("dbname=gone");
	for (int i = 0; fakepg_accepted(f) < 3; i++) {
		ck_assert_int_lt(i, 2000);
		ck_assert_int_ne(client_poll(c, 5), PGRES_POLLING_FAILED);
	}
	atomic_store(&starting, false);
	ck_assert_int_eq(client_poll(c, 15000), PGRES_POLLING_OK);
	ck_assert_str_eq(sql_text(c, "SELECT 1"), "up");
	PQfinish(c);
	fakepg_stop(f);
}
END_TEST

/* A login that makes progress is slow, not down. */
static void
serve_slowly(struct fake_conn *c, void *arg)
{
	struct pkt k = { 0 };

	(void)arg;
	if (!fake_startup(c))
		return;
	fake_put_auth(&k, 0);
	fake_send(c, &k);
	for (int i = 0; i < 6; i++) {
		char name[20];

		fx_pause_ms(400);
		snprintf(name, sizeof(name), "slow_%d", i);
		fake_put_status(&k, name, "x");
		if (!fake_send(c, &k))
			return;
	}
	if (fake_welcome_rest(c))
		fake_queries(c, "at last");
}

START_TEST (slow_login_is_not_down) {
	struct fakepg *f = fakepg_start(serve_slowly, NULL);
	PGconn *c;

	start_with(fakepg_port(f), "server_down_after = 1\n");
	c = client_open("dbname=gone");
	ck_assert_str_eq(sql_text(c, "SELECT 1"), "at last");
	PQfinish(c);
	fakepg_stop(f);
}
END_TEST

/* A host of a list that has said something is slow, not down either, though
 * the other one would be asked if it said nothing. */
START_TEST (slow_login_at_a_host_of_a_list_is_not_down) {
	struct fakepg *f = fakepg_start(serve_slowly, NULL);
	PGconn *c;

	pooler_start("server_down_after = 1\n[databases]\n"
		     "gone = host=127.0.0.1,127.0.0.1 port=%d dbname=app\n",
	    fakepg_port(f));
	c = client_open("dbname=gone");
	ck_assert_str_eq(sql_text(c, "SELECT 1"), "at last");
	ck_assert_int_eq(fakepg_accepted(f), 1);
	PQfinish(c);
	fakepg_stop(f);
}
END_TEST

/* --- what the server refuses is passed on at once --- */

START_TEST (wrong_password_is_passed_on_at_once) {
	struct pooler *p = pooler_start(
	    "server_down_after = 10\n"
	    "[databases]\n"
	    "gone = host=127.0.0.1 port=@PGPORT@ dbname=app user=scrammer "
	    "password=wrong\n");
	struct refusal e;

	for (int i = 0; i < 2; i++) {
		e = refused_login(p->port, "alice", "gone", 5000);
		ck_assert_str_eq(e.code, "28P01");
		ck_assert_msg(strstr(e.message,
				  "password authentication "
				  "failed for user \"scrammer\"") != NULL,
		    "%s", e.message);
		/* Whose credential, and where it stands. */
		ck_assert_msg(strstr(e.detail, "the pooler logs in as "
		    "\"scrammer\" with a plain password of ") != NULL &&
		    strstr(e.detail, ".ini:") != NULL, "%s", e.detail);
		ck_assert_int_le(e.ms, fx_scaled(1500));
	}
}
END_TEST

START_TEST (missing_database_is_passed_on_at_once) {
	struct pooler *p = pooler_start(
	    "server_down_after = 10\n"
	    "[databases]\n"
	    "gone = host=127.0.0.1 port=@PGPORT@ dbname=nowhere\n");
	struct refusal e;

	for (int i = 0; i < 2; i++) {
		e = refused_login(p->port, "alice", "gone", 5000);
		ck_assert_str_eq(e.code, "3D000");
		ck_assert_msg(strstr(e.message,
				  "database \"nowhere\" does "
				  "not exist") != NULL,
		    "%s", e.message);
		ck_assert_int_le(e.ms, fx_scaled(1500));
	}
}
END_TEST

START_TEST (refused_host_is_passed_on_at_once) {
	struct pooler *p = pooler_start("server_down_after = 10\n");
	struct refusal e = refused_login(p->port, "refused", "app", 5000);

	ck_assert_str_eq(e.code, "28000");
	ck_assert_msg(strstr(e.message, "pg_hba.conf rejects") != NULL, "%s",
	    e.message);
	ck_assert_int_le(e.ms, fx_scaled(1500));
}
END_TEST

START_TEST (servers_own_limit_is_worked_with) {
	static const char *const as[] = { "user=limited" };
	struct load_plan plan = { .clients = 10,
		.conninfos = as,
		.n_conninfos = 1,
		.sql = "SELECT pg_sleep(0.005)" };
	struct load *l;

	/* The role may have two connections; the pool would take five. */
	pooler_start("default_pool_size = 5\nserver_down_after = 1\n");
	l = load_start(&plan);
	WAIT_UNTIL(load_done(l) > 500, 20000);
	load_stop(l);
}
END_TEST

START_TEST (servers_own_limit_is_named_as_such) {
	struct pooler *p = pooler_start("server_down_after = 1\n");
	char info[200];
	PGconn *c[2];
	struct refusal e;

	snprintf(info, sizeof(info),
	    "host=127.0.0.1 port=%d user=limited dbname=app", pg_port());
	for (int i = 0; i < 2; i++) {
		c[i] = PQconnectdb(info);
		ck_assert_int_eq(PQstatus(c[i]), CONNECTION_OK);
	}
	e = refused_login(p->port, "limited", "app", 6000);
	ck_assert_str_eq(e.code, "53300");
	ck_assert_msg(strstr(e.message,
			  "too many connections for role "
			  "\"limited\"") != NULL,
	    "%s", e.message);
	ck_assert_msg(strstr(e.message, "server") != NULL ||
		strstr(e.detail, "server") != NULL ||
		strstr(e.hint, "server") != NULL,
	    "does not say whose limit: %s / %s / %s", e.message, e.detail,
	    e.hint);
	ck_assert_int_le(e.ms, fx_scaled(2500));
	for (int i = 0; i < 2; i++)
		PQfinish(c[i]);
}
END_TEST

/* --- warm pools, recovery --- */

START_TEST (warm_pool_is_told_within_server_down_after) {
	struct pooler *p = pooler_start(
	    "server_down_after = 1\n[databases]\n"
	    "gone = host=127.0.0.1 port=@PGPORT@ dbname=app\n");
	PGconn *c = client_open("dbname=gone");
	struct refusal e;
	PGresult *r;
	int64_t since;

	sql_ok(c, "SELECT 1");
	pg_stop("fast");
	since = fx_now_ms();
	r = sql_exec(c, "SELECT 1");
	result_fails(r, "08001", "cannot reach server 127.0.0.1:");
	ck_assert_int_le(fx_now_ms() - since, fx_scaled(2500));
	PQclear(r);
	PQfinish(c);
	e = refused_login(p->port, "alice", "gone", 5000);
	check_unreachable(&e, pg_port(), "refused");
}
END_TEST

START_TEST (first_client_after_recovery_succeeds) {
	PGconn *c, *other;

	pooler_start("server_down_after = 0.5\n");
	c = client_open(" ");
	sql_ok(c, "SELECT 1");
	other = client_open(" ");
	pg_stop("fast");
	sql_fails(c, "SELECT 1", "08001", "cannot reach server");
	PQfinish(c);
	pg_start();
	ck_assert_int_eq(sql_int(other, "SELECT 1"), 1);
	c = client_open(" ");
	sql_ok(c, "SELECT 1");
	PQfinish(c);
	PQfinish(other);
}
END_TEST

START_TEST (cold_pool_recovers_too) {
	struct pooler *p;
	struct refusal e;
	PGconn *c;

	pg_stop("fast");
	p = pooler_start("server_down_after = 0.5\n[databases]\n"
			 "gone = host=127.0.0.1 port=@PGPORT@ dbname=app\n");
	e = refused_login(p->port, "alice", "gone", 5000);
	check_unreachable(&e, pg_port(), "refused");
	pg_start();
	c = client_open("dbname=gone");
	sql_ok(c, "SELECT 1");
	PQfinish(c);
}
END_TEST

START_TEST (restart_within_server_down_after_loses_nothing_idle) {
	PGconn *idle, *asking, *flying;
	PGresult *r;

	pooler_start("server_down_after = 20\ndefault_pool_size = 2\n");
	idle = client_open(" ");
	asking = client_open(" ");
	flying = client_open(" ");
	sql_ok(idle, "SELECT 1");
	sql_ok(asking, "SELECT 1");
	sql_send(flying, "SELECT pg_sleep(60)");
	WAIT_UNTIL(show("POOLS", "database=app", "sv_active") == 1, 5000);
	pg_stop("fast");
	/* What was in flight gets the server's own words. */
	r = sql_result(flying, 5000);
	result_fails(r, "57P01", "terminating connection");
	PQclear(r);
	sql_send(asking, "SELECT 7");
	WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 1, 5000);
	ck_assert(!sql_done(asking));
	pg_start();
	r = sql_result(asking, 15000);
	ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "%s",
	    PQerrorMessage(asking));
	PQclear(r);
	ck_assert_int_eq(sql_int(idle, "SELECT 8"), 8);
	PQfinish(idle);
	PQfinish(asking);
	PQfinish(flying);
}
END_TEST

START_TEST (killed_backend_gives_one_error_and_no_second) {
	struct pooler *p = pooler_start("default_pool_size = 1\n");
	struct raw *r = raw_login(p->port, "alice", "app");
	struct pkt k = { 0 };
	struct msg m;
	PGconn *c;

	pkt_query(&k, "SELECT pg_sleep(60)");
	raw_put(r, &k);
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "query = 'SELECT pg_sleep(60)'") == 1,
	    5000);
	pg_exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
		"WHERE query = 'SELECT pg_sleep(60)'");
	m = raw_until(r, 'E', 5000);
	ck_assert_str_eq(msg_field(&m, 'C'), "57P01");
	ck_assert_str_eq(raw_types_to_end(r, 5000), "");
	raw_close(r);
	c = client_open(" ");
	sql_ok(c, "SELECT 1");
	PQfinish(c);
}
END_TEST

START_TEST (server_lost_while_idle_is_replaced_unseen) {
	PGconn *c;
	long pid;

	pooler_start("default_pool_size = 2\n");
	c = client_open(" ");
	for (int i = 0; i < 10; i++) {
		pid = sql_int(c, "SELECT pg_backend_pid()");
		pg_exec("SELECT pg_terminate_backend(%ld, 5000)", pid);
		WAIT_UNTIL(show("POOLS", "database=app", "sv_idle") == 0, 5000);
		ck_assert_int_ne(sql_int(c, "SELECT pg_backend_pid()"), pid);
	}
	PQfinish(c);
}
END_TEST

/* --- busy is not down --- */

START_TEST (busy_pool_keeps_its_own_clock) {
	PGconn *holder, *c;
	PGresult *r;
	int64_t since;

	pooler_start("default_pool_size = 1\nserver_down_after = 0.3\n"
		     "query_wait_timeout = 1.5\n");
	holder = client_open(" ");
	c = client_open(" ");
	sql_ok(holder, "BEGIN");
	since = fx_now_ms();
	r = sql_exec(c, "SELECT 1");
	result_fails(r, NULL, "query_wait_timeout");
	PQclear(r);
	ck_assert_int_ge(fx_now_ms() - since, 1200);
	sql_ok(holder, "COMMIT");
	PQfinish(holder);
	PQfinish(c);
}
END_TEST

START_TEST (server_down_after_zero_waits_for_query_wait_timeout) {
	int port = fx_free_port();
	struct refusal e;
	struct pooler *p = start_with(port,
	    "server_down_after = 0\n"
	    "query_wait_timeout = 3\n"
	    "client_login_timeout = 3\n");

	e = refused_login(p->port, "alice", "gone", 8000);
	ck_assert_int_ge(e.ms, 2500);
}
END_TEST

/* --- no storm --- */

static void
serve_nobody(struct fake_conn *c, void *arg)
{
	(void)c;
	(void)arg;
}

START_TEST (many_waiting_clients_make_no_login_storm) {
	static const char *const dbs[] = { "dbname=gone" };
	struct load_plan plan = { .clients = 30,
		.conninfos = dbs,
		.n_conninfos = 1,
		.may_fail = true,
		.sql = "SELECT 1" };
	struct fakepg *f = fakepg_start(serve_nobody, NULL);
	struct load *l;
	int64_t since;

	start_with(fakepg_port(f), "server_down_after = 1\n");
	l = load_start(&plan);
	since = fx_now_ms();
	WAIT_UNTIL(load_failed(l) >= 60 || fx_now_ms() - since > 4000, 6000);
	load_stop(l);
	since = fx_now_ms() - since;
	ck_assert_msg(fakepg_accepted(f) < 20 + since / 40,
	    "%d attempts in %d ms", fakepg_accepted(f), (int)since);
	fakepg_stop(f);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("down");

	FX_ADD(s, refused_connection_is_told_within_server_down_after, 20);
	FX_ADD(s, down_server_is_told_within_two_seconds_by_default, 20);
	FX_ADD(s, blackhole_is_told_within_server_down_after, 20);
	FX_ADD(s, server_that_never_answers_is_told_too, 20);
	FX_ADD(s, name_that_does_not_resolve_is_told, 20);
	FX_ADD(s, starting_up_is_told_with_the_servers_words, 20);
	FX_ADD(s, starting_up_is_waited_for, 40);
	FX_ADD(s, slow_login_at_a_host_of_a_list_is_not_down, 30);
	FX_ADD(s, slow_login_is_not_down, 20);
	FX_ADD(s, wrong_password_is_passed_on_at_once, 20);
	FX_ADD(s, missing_database_is_passed_on_at_once, 20);
	FX_ADD(s, refused_host_is_passed_on_at_once, 20);
	FX_ADD(s, servers_own_limit_is_worked_with, 40);
	FX_ADD(s, servers_own_limit_is_named_as_such, 20);
	FX_ADD(s, warm_pool_is_told_within_server_down_after, 20);
	FX_ADD(s, first_client_after_recovery_succeeds, 30);
	FX_ADD(s, cold_pool_recovers_too, 30);
	FX_ADD(s, restart_within_server_down_after_loses_nothing_idle, 40);
	FX_ADD(s, killed_backend_gives_one_error_and_no_second, 20);
	FX_ADD(s, server_lost_while_idle_is_replaced_unseen, 20);
	FX_ADD(s, busy_pool_keeps_its_own_clock, 20);
	FX_ADD(s, server_down_after_zero_waits_for_query_wait_timeout, 20);
	FX_ADD(s, many_waiting_clients_make_no_login_storm, 30);
	return fx_main(s);
}
