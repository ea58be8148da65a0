/*
 * Very many of everything: that the console answers within a second, RELOAD
 * within three, and that no worker is kept from its clients meanwhile. A tenth
 * of the size unless TEST_LONG is set.
 */
#include "fixture.h"
#include "load.h"
#include "raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static int
many(void)
{
	return getenv("TEST_LONG") != NULL ? 10000 : 1000;
}

static void
raise_files(void)
{
	struct rlimit r;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &r), 0);
	r.rlim_cur = r.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &r), 0);
}

/* The longest that any worker did something for the console, in CPU time. */
static long
longest_turn_us(void)
{
	PGresult *r = console_query("SHOW WORKERS");
	int col = PQfnumber(r, "longest_turn_us");
	long most = 0;

	for (int i = 0; i < PQntuples(r); i++) {
		long us = atol(PQgetvalue(r, i, col));

		most = us > most ? us : most;
	}
	PQclear(r);
	return most;
}

static void
turns_were_short(void)
{
	if (!fx_sanitized())
		ck_assert_int_lt(longest_turn_us(), 5000);
}

static int64_t
time_of(const char *command)
{
	int64_t begun = fx_now_ms();

	PQclear(console_query("%s", command));
	return fx_now_ms() - begun;
}

/* ---- */

START_TEST (show_clients_is_quick_and_whole_with_very_many) {
	static const char *const shows[] = { "SHOW CLIENTS", "SHOW SOCKETS",
		"SHOW WAITERS", "SHOW STATS", "SHOW POOLS", "SHOW LISTS" };
	int n = many();
	struct pooler *p;
	struct raw **c;

	raise_files();
	p = pooler_start("worker_threads = 2\nmax_client_conn = %d\n"
			 "log_connections = 0\nlog_disconnections = 0\n",
	    n + 10);
	c = calloc((size_t)n, sizeof(struct raw *));
	for (int i = 0; i < n; i++)
		c[i] = raw_login(p->port, "alice", "app");
	for (size_t i = 0; i < sizeof(shows) / sizeof(shows[0]); i++) {
		int64_t ms = time_of(shows[i]);

		ck_assert_msg(ms < fx_scaled(1000), "%s took %d ms", shows[i],
		    (int)ms);
	}
	ck_assert_int_eq(show_rows("CLIENTS", "database=app"), n);
	turns_were_short();
	console_ok("KILL app");
	WAIT_UNTIL(show_rows("CLIENTS", "database=app") == 0, 10000);
	turns_were_short();
	for (int i = 0; i < n; i++)
		raw_close(c[i]);
	free(c);
}
END_TEST

/* [databases] with many lines; change is appended to each. */
static char *
many_databases(int n, const char *change)
{
	char *text = malloc((size_t)n * 120 + 200), *p = text;

	p += sprintf(p, "worker_threads = 2\nlog_connections = 0\n"
			"log_disconnections = 0\ndefault_pool_size = 4\n"
			"[databases]\n"
			"app = host=127.0.0.1 port=@PGPORT@\n");
	for (int i = 0; i < n; i++)
		p += sprintf(p, "db%d = host=127.0.0.1 port=@PGPORT@ "
				"dbname=app %s\n",
		    i, change);
	return text;
}

START_TEST (reload_of_very_many_databases_is_quick_under_load) {
	static const char *const who[] = { "dbname=app", "dbname=db1" };
	struct load_plan plan = { .clients = 4, .conninfos = who,
		.n_conninfos = 2, .sql = "SELECT 1" };
	int n = many();
	char *text = many_databases(n, "");
	struct pooler *p = pooler_start("%s", text);
	struct load *load;
	PGconn *c[50];
	int64_t ms;

	free(text);
	for (int i = 0; i < 50; i++)
		c[i] = client_open("dbname=db%d", i);
	load = load_start(&plan);
	WAIT_UNTIL(load_done(load) > 100, 5000);
	text = many_databases(n, "pool_size=3");
	pooler_rewrite(p, "%s", text);
	free(text);
	ms = time_of("RELOAD");
	ck_assert_msg(ms < fx_scaled(3000), "RELOAD took %d ms", (int)ms);
	ck_assert_int_eq(show("DATABASES", "name=db7", "pool_size"), 3);
	turns_were_short();
	WAIT_UNTIL(pooler_logged(p, "config changed: database \"db1\" "
				    "pool_size = 3 (was not set)"),
	    5000);
	WAIT_UNTIL(pooler_logged(p, " more"), 5000);
	/* Fewer databases: whoever is in one of those is told. */
	text = many_databases(20, "pool_size=3");
	pooler_rewrite(p, "%s", text);
	free(text);
	ms = time_of("RELOAD");
	ck_assert_msg(ms < fx_scaled(3000), "RELOAD took %d ms", (int)ms);
	for (int i = 20; i < 50; i++)
		sql_fails(c[i], "SELECT 1", "57P01", "database removed");
	for (int i = 0; i < 20; i++)
		sql_ok(c[i], "SELECT 1");
	load_stop(load);
	turns_were_short();
	for (int i = 0; i < 50; i++)
		PQfinish(c[i]);
}
END_TEST

START_TEST (show_pools_is_quick_with_very_many) {
	static const char *const shows[] = { "SHOW POOLS", "SHOW DATABASES",
		"SHOW STATS", "SHOW LIMITS", "SHOW LATENCY", "SHOW SERVERS" };
	int n = many();
	char *text = many_databases(n, "");
	struct pooler *p;

	raise_files();
	p = pooler_start("max_user_connections = 20\n%s", text);
	free(text);
	for (int i = 0; i < n; i++) {
		char db[20];

		snprintf(db, sizeof(db), "db%d", i);
		raw_close(raw_login(p->port, "alice", db));
	}
	for (size_t i = 0; i < sizeof(shows) / sizeof(shows[0]); i++) {
		int64_t ms = time_of(shows[i]);

		ck_assert_msg(ms < fx_scaled(1000), "%s took %d ms", shows[i],
		    (int)ms);
	}
	ck_assert_int_ge(show_rows("POOLS", NULL), n);
	turns_were_short();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("scale");

	FX_ADD(s, show_clients_is_quick_and_whole_with_very_many, 120);
	FX_ADD(s, reload_of_very_many_databases_is_quick_under_load, 120);
	FX_ADD(s, show_pools_is_quick_with_very_many, 180);
	return fx_main(s);
}
