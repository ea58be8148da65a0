/*
 * The end of the process with drain_timeout: nobody loses a transaction, and
 * it is over in time.
 */
#define _GNU_SOURCE /* POLLRDHUP */
#include "fixture.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
status_of(struct pooler *p)
{
	int rc = fx_wait_exit(p->pid, 15000);

	p->pid = 0;
	return rc;
}

/* It was told to leave: nothing is read, since libpq would hand an error that
 * nobody asked for to the notice processor. */
static bool
hung_up(PGconn *c)
{
	struct pollfd p = { .fd = PQsocket(c), .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0;
}

static void
on_notice(void *arg, const char *text)
{
	if (strstr(text, "pooler is shutting down") != NULL)
		*(bool *)arg = true;
}

/* A client of the current pooler; *told when last words came unasked for,
 * behind an answer: to libpq they are a notice then. */
static PGconn *
open_guest(bool *told)
{
	PGconn *c = client_open(" ");

	*told = false;
	PQsetNoticeProcessor(c, on_notice, told);
	return c;
}

/* It was told, with the right SQLSTATE where libpq has kept it. */
static void
was_told(PGconn *c, const bool *told)
{
	PGresult *r = sql_exec(c, "SELECT 1");

	if (!*told)
		result_fails(r, "57P01", "pooler is shutting down");
	PQclear(r);
	ck_assert_int_eq(PQstatus(c), CONNECTION_BAD);
	PQfinish(c);
}

START_TEST (idle_clients_go_one_after_the_other) {
	enum { N = 40 };
	struct pooler *p = pooler_start("worker_threads = 2\n"
					"drain_timeout = 4\n");
	PGconn *c[N];
	bool told[N];
	int64_t begun, at[N] = { 0 }, last = 0;
	int left = N, late = 0;

	for (int i = 0; i < N; i++)
		c[i] = open_guest(&told[i]);
	begun = fx_now_ms();
	kill(p->pid, SIGTERM);
	while (left > 0) {
		for (int i = 0; i < N; i++) {
			if (at[i] || !hung_up(c[i]))
				continue;
			at[i] = fx_now_ms() - begun;
			left--;
		}
		ck_assert_msg(fx_now_ms() - begun < fx_scaled(10000),
		    "%d clients are left", left);
		fx_pause_ms(3);
	}
	ck_assert_int_eq(status_of(p), 0);
	ck_assert_int_lt(fx_now_ms() - begun, fx_scaled(4500));
	for (int i = 0; i < N; i++) {
		last = at[i] > last ? at[i] : last;
		late += at[i] > 1400;
		was_told(c[i], &told[i]);
	}
	ck_assert_int_ge(late, N / 4);
	ck_assert_int_ge(last, 2000);
	ck_assert(pooler_logged(p, "draining: 40 clients"));
	ck_assert(pooler_logged(p, "client connections dropped, exiting"));
}
END_TEST

START_TEST (transaction_goes_on_and_then_the_client_goes) {
	static const char *const modes[] = { "transaction", "session",
		"statement" };
	struct pooler *p = pooler_start("worker_threads = 1\n"
					"pool_mode = %s\n"
					"drain_timeout = 10\n", modes[_i]);
	bool block = _i < 2, told[2];
	PGconn *c = open_guest(&told[0]), *idle = open_guest(&told[1]);

	sql_ok(pg_direct("app"), "CREATE TABLE drain%d (i int); "
	    "GRANT ALL ON drain%d TO alice", _i, _i);
	sql_ok(idle, "SELECT 1");
	if (block) {
		sql_ok(c, "BEGIN");
		sql_ok(c, "INSERT INTO drain%d VALUES (1)", _i);
	} else {
		sql_send(c, "WITH x AS (SELECT pg_sleep(8)) INSERT INTO "
		    "drain%d SELECT 1 FROM x", _i);
	}
	kill(p->pid, SIGTERM);
	WAIT_UNTIL(hung_up(idle), 9000);
	was_told(idle, &told[1]);
	if (block) {
		sql_ok(c, "INSERT INTO drain%d VALUES (2)", _i);
		sql_ok(c, "COMMIT");
	} else {
		sql_result_ok(c, 9000);
	}
	WAIT_UNTIL(hung_up(c), 9000);
	was_told(c, &told[0]);
	ck_assert_int_eq(status_of(p), 0);
	ck_assert_int_eq(sql_int(pg_direct("app"), "SELECT count(*) FROM drain%d", _i),
	    block ? 2 : 1);
}
END_TEST

START_TEST (deadline_holds_in_an_open_transaction) {
	struct pooler *p = pooler_start("worker_threads = 2\n"
					"drain_timeout = 2\n");
	bool told;
	PGconn *c = open_guest(&told), *busy = client_open(" ");
	int64_t begun;

	sql_ok(c, "BEGIN");
	sql_send(busy, "SELECT pg_sleep(60)");
	begun = fx_now_ms();
	kill(p->pid, SIGTERM);
	WAIT_UNTIL(hung_up(c), 10000);
	ck_assert_int_ge(fx_now_ms() - begun, 1500);
	ck_assert_int_eq(status_of(p), 0);
	ck_assert_int_lt(fx_now_ms() - begun, fx_scaled(2500));
	was_told(c, &told);
	result_fails(PQgetResult(busy), "57P01", "pooler is shutting down");
	PQfinish(busy);
	ck_assert(pooler_logged(p, "closing the 2 clients that are left"));
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "usename = 'alice'") == 0, 5000);
}
END_TEST

START_TEST (console_says_so_and_does_not_hold_it_up) {
	struct pooler *p = pooler_start("drain_timeout = 20\n");
	PGconn *c = client_open(" ");
	int64_t begun = fx_now_ms();

	sql_ok(c, "BEGIN");
	ck_assert_str_eq(show_text("STATE", "key=shutting_down", "value"),
	    "no");
	console_ok("SHUTDOWN WAIT_FOR_CLIENTS");
	ck_assert_str_eq(show_text("STATE", "key=shutting_down", "value"),
	    "yes");
	ck_assert_int_eq(show("CLIENTS", "user=alice", "id") > 0, 1);
	PQfinish(c);
	ck_assert_int_eq(status_of(p), 0);
	ck_assert_int_lt(fx_now_ms() - begun, fx_scaled(15000));
}
END_TEST

/* --- under load --- */

enum { WRITERS = 24 };

/* Two poolers; a writer that is told to leave goes to the other one, and says
 * again what it was not answered. Its rows are numbered, so that one written
 * twice is an error, and one lost is missed. */
struct writers {
	int port[2];
	atomic_int at; /* where newcomers go first */
	atomic_bool stop;
	atomic_int moved, done[WRITERS];
	char failed[300];
	atomic_bool has_failed;
};

struct writer {
	struct writers *all;
	int me;
	pthread_t thread;
};

static void
give_up(struct writers *all, const char *what)
{
	bool no = false;

	if (atomic_compare_exchange_strong(&all->has_failed, &no, true))
		snprintf(all->failed, sizeof(all->failed), "%s", what);
	all->stop = true;
}

static PGconn *
connect_to_one(struct writers *all, bool *told)
{
	char text[200];
	int at = all->at;

	for (int i = 0; i < 40 && !all->stop; i++) {
		PGconn *c;

		snprintf(text, sizeof(text), "host=127.0.0.1 port=%d "
		    "user=alice dbname=app sslmode=disable",
		    all->port[(at + i) % 2]);
		c = PQconnectdb(text);
		if (PQstatus(c) == CONNECTION_OK) {
			*told = false;
			PQsetNoticeProcessor(c, on_notice, told);
			return c;
		}
		if (i == 39)
			give_up(all, PQerrorMessage(c));
		PQfinish(c);
	}
	return NULL;
}

/* True when it is in; false: told to leave before it was begun. */
static bool
write_one(struct writers *all, PGconn *c, bool *told, int me, int n)
{
	char sql[100];
	PGresult *r;
	bool in;


	snprintf(sql, sizeof(sql), "INSERT INTO written VALUES (%d, %d)", me,
	    n);
	r = sql_exec(c, sql);
	in = PQresultStatus(r) == PGRES_COMMAND_OK;
	on_notice(told, PQresultErrorMessage(r));
	if (!in && !*told)
		give_up(all, PQresultErrorMessage(r));
	PQclear(r);
	return in;
}

static void *
writer_main(void *arg)
{
	struct writer *w = arg;
	struct writers *all = w->all;
	PGconn *c = NULL;
	bool told;
	int n = 0;

	while (!all->stop) {
		if (c == NULL && (c = connect_to_one(all, &told)) == NULL)
			break;
		if (write_one(all, c, &told, w->me, n)) {
			all->done[w->me] = ++n;
			continue;
		}
		all->moved++;
		PQfinish(c);
		c = NULL;
	}
	PQfinish(c);
	return NULL;
}

static long
written(const struct writers *all)
{
	long n = 0;

	for (int i = 0; i < WRITERS; i++)
		n += all->done[i];
	return n;
}

START_TEST (rolling_restart_loses_no_transaction) {
	static const char *const modes[] = { "transaction", "session" };
	static struct writers all;
	static struct writer w[WRITERS];
	struct pooler *p[2];

	sql_ok(pg_direct("app"), "DROP TABLE IF EXISTS written; "
	    "CREATE TABLE written (w int, n int, PRIMARY KEY (w, n)); "
	    "GRANT ALL ON written TO alice");
	for (int i = 0; i < 2; i++) {
		p[i] = pooler_start("worker_threads = 2\npool_mode = %s\n"
		    "drain_timeout = 2\ndefault_pool_size = %d\n", modes[_i],
		    _i ? WRITERS : 5);
		all.port[i] = p[i]->port;
	}
	for (int i = 0; i < WRITERS; i++) {
		w[i].all = &all;
		w[i].me = i;
		pthread_create(&w[i].thread, NULL, writer_main, &w[i]);
	}
	for (int round = 0; round < 4; round++) {
		struct pooler *q = p[round % 2];
		long before = written(&all);
		int64_t begun;

		WAIT_UNTIL(written(&all) > before + 200 || all.has_failed,
		    20000);
		all.at = (round + 1) % 2;
		begun = fx_now_ms();
		kill(q->pid, SIGTERM);
		ck_assert_int_eq(status_of(q), 0);
		ck_assert_int_lt(fx_now_ms() - begun, fx_scaled(2500));
		ck_assert(!pooler_logged(q, "drain_timeout is over"));
		pooler_launch(q);
	}
	all.stop = true;
	for (int i = 0; i < WRITERS; i++)
		pthread_join(w[i].thread, NULL);
	ck_assert_msg(!all.has_failed, "%s", all.failed);
	ck_assert_int_ge(all.moved, WRITERS);
	ck_assert_int_eq(sql_int(pg_direct("app"),
			     "SELECT count(*) FROM written"),
	    written(&all));
}
END_TEST

/* --- three behind a balancer --- */

enum { BEHIND = 3 };

static int
start_balancer(struct pooler *const p[BEHIND])
{
	char cfg[1000], path[320];
	int port = fx_free_port();
	char *argv[] = { (char *)(uintptr_t)"haproxy",
		(char *)(uintptr_t)"-db", (char *)(uintptr_t)"-f", path,
		NULL };

	ck_assert_msg(fx_shell(NULL, "command -v haproxy") == 0,
	    "there is no haproxy (Debian: haproxy)");
	snprintf(path, sizeof(path), "%s/haproxy.cfg", p[0]->dir);
	snprintf(cfg, sizeof(cfg), "defaults\n mode tcp\n retries 5\n"
	    " option redispatch 1\n timeout connect 5s\n"
	    " timeout client 60s\n timeout server 60s\n"
	    " default-server check inter 50ms fall 1 rise 1\n"
	    "listen pooler\n bind 127.0.0.1:%d\n balance leastconn\n"
	    " server a 127.0.0.1:%d\n server b 127.0.0.1:%d\n"
	    " server c 127.0.0.1:%d\n", port, p[0]->port, p[1]->port,
	    p[2]->port);
	fx_write_file(path, cfg);
	fx_spawn("/dev/null", true, argv);
	WAIT_UNTIL(fx_shell(NULL, "bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d'",
	    port) == 0, 10000);
	return port;
}

START_TEST (three_behind_a_balancer_are_restarted) {
	static struct writers all;
	static struct writer w[WRITERS];
	struct pooler *p[BEHIND];

	sql_ok(pg_direct("app"), "DROP TABLE IF EXISTS written; "
	    "CREATE TABLE written (w int, n int, PRIMARY KEY (w, n)); "
	    "GRANT ALL ON written TO alice");
	for (int i = 0; i < BEHIND; i++)
		p[i] = pooler_start("worker_threads = 2\ndrain_timeout = 2\n"
				    "default_pool_size = 5\n");
	all.port[0] = all.port[1] = start_balancer(p);
	for (int i = 0; i < WRITERS; i++) {
		w[i].all = &all;
		w[i].me = i;
		pthread_create(&w[i].thread, NULL, writer_main, &w[i]);
	}
	for (int i = 0; i < BEHIND; i++) {
		long before = written(&all);

		WAIT_UNTIL(written(&all) > before + 200 || all.has_failed,
		    20000);
		kill(p[i]->pid, SIGTERM);
		ck_assert_int_eq(status_of(p[i]), 0);
		ck_assert(!pooler_logged(p[i], "drain_timeout is over"));
		pooler_launch(p[i]);
	}
	all.stop = true;
	for (int i = 0; i < WRITERS; i++)
		pthread_join(w[i].thread, NULL);
	ck_assert_msg(!all.has_failed, "%s", all.failed);
	ck_assert_int_ge(all.moved, WRITERS / 2);
	ck_assert_int_eq(sql_int(pg_direct("app"),
			     "SELECT count(*) FROM written"),
	    written(&all));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("drain");

	FX_ADD(s, idle_clients_go_one_after_the_other, 30);
	FX_ADD_LOOP(s, transaction_goes_on_and_then_the_client_goes, 40, 3);
	FX_ADD(s, deadline_holds_in_an_open_transaction, 30);
	FX_ADD(s, console_says_so_and_does_not_hold_it_up, 40);
	FX_ADD_LOOP(s, rolling_restart_loses_no_transaction, 90, 2);
	FX_ADD(s, three_behind_a_balancer_are_restarted, 60);
	return fx_main(s);
}
