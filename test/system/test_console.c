/*
 * The admin console: the columns that people's tools read, the commands,
 * the rights, and both protocols.
 */
#include "fixture.h"
#include "raw.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One letter before each name says its type: t text, i int4, q int8,
 * n numeric, b bytea. */
static const struct {
	const char *show, *columns;
} tables[] = {
	{ "STATS",
	    "t:database n:total_server_assignment_count n:total_xact_count "
	    "n:total_query_count n:total_received n:total_sent "
	    "n:total_xact_time n:total_query_time n:total_wait_time "
	    "n:total_client_parse_count n:total_server_parse_count "
	    "n:total_bind_count n:total_client_login_count "
	    "n:avg_server_assignment_count n:avg_xact_count "
	    "n:avg_query_count n:avg_recv n:avg_sent n:avg_xact_time "
	    "n:avg_query_time n:avg_wait_time n:avg_client_parse_count "
	    "n:avg_server_parse_count n:avg_bind_count "
	    "n:avg_client_login_count" },
	{ "STATS_TOTALS",
	    "t:database n:server_assignment_count n:xact_count n:query_count "
	    "n:bytes_received n:bytes_sent n:xact_time n:query_time "
	    "n:wait_time n:client_parse_count n:server_parse_count "
	    "n:bind_count n:client_login_count" },
	{ "STATS_AVERAGES",
	    "t:database n:server_assignment_count n:xact_count n:query_count "
	    "n:bytes_received n:bytes_sent n:xact_time n:query_time "
	    "n:wait_time n:avg_client_parse_count n:avg_server_parse_count "
	    "n:avg_bind_count n:avg_client_login_count" },
	{ "TOTALS", "t:name n:value" },
	{ "POOLS",
	    "t:database t:user i:cl_active i:cl_waiting "
	    "i:cl_active_cancel_req i:cl_waiting_cancel_req i:sv_active "
	    "i:sv_active_cancel i:sv_being_canceled i:sv_idle i:sv_used "
	    "i:sv_tested i:sv_login i:maxwait i:maxwait_us t:pool_mode "
	    "t:load_balance_hosts" },
	{ "CLIENTS",
	    "t:type t:user t:database t:replication t:state t:addr i:port "
	    "t:local_addr i:local_port t:connect_time t:request_time i:wait "
	    "i:wait_us i:close_needed t:ptr t:link i:remote_pid t:tls "
	    "t:application_name i:prepared_statements i:id" },
	{ "SERVERS",
	    "t:type t:user t:database t:replication t:state t:addr i:port "
	    "t:local_addr i:local_port t:connect_time t:request_time i:wait "
	    "i:wait_us i:close_needed t:ptr t:link i:remote_pid t:tls "
	    "t:application_name i:prepared_statements i:id" },
	{ "SOCKETS",
	    "t:type t:user t:database t:replication t:state t:addr i:port "
	    "t:local_addr i:local_port t:connect_time t:request_time i:wait "
	    "i:wait_us i:close_needed t:ptr t:link i:remote_pid t:tls "
	    "t:application_name i:prepared_statements i:id i:recv_pos "
	    "i:pkt_pos i:pkt_remain i:send_pos i:send_remain i:pkt_avail "
	    "i:send_avail" },
	{ "ACTIVE_SOCKETS",
	    "t:type t:user t:database t:replication t:state t:addr i:port" },
	{ "DATABASES",
	    "t:name t:host i:port t:database t:force_user i:pool_size "
	    "i:min_pool_size i:reserve_pool_size i:server_lifetime "
	    "t:pool_mode t:load_balance_hosts i:max_connections "
	    "i:current_connections i:max_client_connections "
	    "i:current_client_connections i:paused i:disabled" },
	{ "USERS",
	    "t:name t:pool_size t:reserve_pool_size t:pool_mode "
	    "i:max_user_connections i:current_connections "
	    "i:max_user_client_connections i:current_client_connections" },
	{ "CONFIG", "t:key t:value t:default t:changeable" },
	{ "LISTS", "t:list i:items" },
	{ "STATE", "t:key t:value" },
	{ "MEM", "t:name i:size i:used i:free i:memtotal" },
	{ "VERSION", "t:version" },
	{ "FDS",
	    "i:fd t:task t:user t:database t:addr i:port q:cancel i:link "
	    "t:client_encoding t:std_strings t:datestyle t:timezone "
	    "t:password b:scram_client_key b:scram_server_key" },
};
#define N_TABLES ((int)(sizeof(tables) / sizeof(tables[0])))

static Oid
type_of(char letter)
{
	switch (letter) {
	case 't':
		return 25;
	case 'i':
		return 23;
	case 'q':
		return 20;
	case 'n':
		return 1700;
	case 'b':
		return 17;
	}
	return 0;
}

static void
check_columns(const PGresult *r, int i)
{
	char *copy = strdup(tables[i].columns), *save = NULL;
	int col = 0;

	for (char *word = strtok_r(copy, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save), col++) {
		ck_assert_msg(col < PQnfields(r), "SHOW %s ends before %s",
		    tables[i].show, word + 2);
		ck_assert_msg(strcmp(PQfname(r, col), word + 2) == 0,
		    "SHOW %s: column %d is %s, not %s", tables[i].show, col,
		    PQfname(r, col), word + 2);
		/* int4 in the reference; our ids may be wider. */
		ck_assert_msg(PQftype(r, col) == type_of(word[0]) ||
			(strcmp(word, "i:id") == 0 && PQftype(r, col) == 20),
		    "SHOW %s: type of %s is %u", tables[i].show, word + 2,
		    PQftype(r, col));
	}
	free(copy);
}

START_TEST (show_has_the_columns_of_the_reference_first) {
	static const int workers[] = { 1, 3 };
	PGconn *c, *waiting;
	PGresult *r;

	for (int w = 0; w < 2; w++) {
		struct pooler *p = pooler_start("default_pool_size = 1\n"
						"worker_threads = %d\n",
		    workers[w]);

		c = client_open(" ");
		waiting = client_open(" ");
		sql_ok(c, "BEGIN");
		sql_send(waiting, "SELECT 1");
		r = console_query("SHOW %s", tables[_i].show);
		check_columns(r, _i);
		PQclear(r);
		/* And in the extended protocol. */
		{
			char sql[64];

			snprintf(sql, sizeof(sql), "show %s;", tables[_i].show);
			r = PQexecParams(console(), sql, 0, NULL, NULL, NULL,
			    NULL, 0);
			ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK,
			    "%s", PQerrorMessage(console()));
			check_columns(r, _i);
			PQclear(r);
		}
		sql_ok(c, "COMMIT");
		sql_result_ok(waiting, 5000);
		PQfinish(c);
		PQfinish(waiting);
		pooler_stop(p);
	}
}
END_TEST

START_TEST (prepared_statements_work_on_the_console) {
	PGresult *r;

	pooler_start("worker_threads = 1\n");
	for (int i = 0; i < 3; i++) {
		char name[10];

		snprintf(name, sizeof(name), "s%d", i);
		r = PQprepare(console(), name, "SHOW POOLS", 0, NULL);
		ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "%s",
		    PQerrorMessage(console()));
		PQclear(r);
		r = PQdescribePrepared(console(), name);
		ck_assert_int_ge(PQnfields(r), 17);
		PQclear(r);
		r = PQexecPrepared(console(), name, 0, NULL, NULL, NULL, 0);
		ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
		PQclear(r);
	}
	r = PQexecParams(console(), "SHOW NOTHING", 0, NULL, NULL, NULL, NULL,
	    0);
	ck_assert_int_eq(PQresultStatus(r), PGRES_FATAL_ERROR);
	PQclear(r);
	console_ok("SHOW VERSION");
}
END_TEST

START_TEST (show_pools_tells_the_truth) {
	static const int workers[] = { 1, 2, 4 };
	PGconn *c[12];

	pooler_start("default_pool_size = 3\nworker_threads = %d\n",
	    workers[_i]);
	for (int i = 0; i < 12; i++)
		c[i] = client_open(" ");
	ck_assert_int_eq(show("POOLS", "database=app", "cl_active"), 12);
	for (int i = 0; i < 3; i++)
		sql_ok(c[i], "BEGIN");
	for (int i = 3; i < 8; i++)
		sql_send(c[i], "SELECT 1");
	WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 5, 5000);
	ck_assert_int_eq(show("POOLS", "database=app", "cl_active"), 7);
	ck_assert_int_eq(show("POOLS", "database=app", "sv_active"), 3);
	ck_assert_int_eq(show("POOLS", "database=app", "sv_idle"), 0);
	WAIT_UNTIL(show("POOLS", "database=app", "maxwait") >= 1, 5000);
	ck_assert_int_eq(show_rows("CLIENTS", "database=app"), 12);
	ck_assert_int_eq(show_rows("CLIENTS", "database=app&state=waiting"), 5);
	ck_assert_int_eq(show_rows("CLIENTS", "database=app&state=active"), 3);
	ck_assert_int_eq(show_rows("CLIENTS", "database=app&state=idle"), 4);
	ck_assert_int_eq(show_rows("SERVERS", "database=app&state=active"), 3);
	ck_assert_int_eq(show("LISTS", "list=used_servers", "items"), 3);
	ck_assert_int_eq(show("DATABASES", "name=app", "current_connections"),
	    3);
	for (int i = 0; i < 3; i++)
		sql_ok(c[i], "COMMIT");
	for (int i = 3; i < 8; i++)
		sql_result_ok(c[i], 5000);
	WAIT_UNTIL(show("POOLS", "database=app", "sv_idle") == 3, 5000);
	ck_assert_int_eq(show("POOLS", "database=app", "cl_waiting"), 0);
	ck_assert_int_eq(show("POOLS", "database=app", "maxwait"), 0);
	for (int i = 0; i < 12; i++)
		PQfinish(c[i]);
	WAIT_UNTIL(show("POOLS", "database=app", "cl_active") == 0, 5000);
	ck_assert_int_eq(show_rows("CLIENTS", "database=app"), 0);
}
END_TEST

START_TEST (show_clients_and_servers_name_each_other) {
	PGconn *c;
	const char *link, *pid;

	pooler_start("worker_threads = 2\n");
	c = client_open("application_name=tester");
	sql_ok(c, "BEGIN");
	link = show_text("CLIENTS", "database=app", "link");
	ck_assert_str_ne(link, "");
	ck_assert_str_eq(link, show_text("SERVERS", "database=app", "ptr"));
	ck_assert_str_eq(show_text("SERVERS", "database=app", "link"),
	    show_text("CLIENTS", "database=app", "ptr"));
	pid = sql_text(c, "SELECT pg_backend_pid()");
	ck_assert_str_eq(show_text("SERVERS", "database=app", "remote_pid"),
	    pid);
	ck_assert_str_eq(show_text("CLIENTS", "database=app",
			     "application_name"),
	    "tester");
	ck_assert_str_eq(show_text("CLIENTS", "database=app", "addr"),
	    "127.0.0.1");
	PQfinish(c);
}
END_TEST

START_TEST (show_stats_counts) {
	static const int workers[] = { 1, 4 };
	PGconn *c[4];

	pooler_start("worker_threads = %d\n", workers[_i]);
	for (int i = 0; i < 4; i++) {
		c[i] = client_open(" ");
		sql_ok(c[i], "BEGIN");
		for (int j = 0; j < 8; j++)
			sql_ok(c[i], "SELECT repeat('x', 1000)");
		sql_ok(c[i], "COMMIT");
	}
	WAIT_UNTIL(show("STATS", "database=app", "total_xact_count") == 4,
	    5000);
	ck_assert_int_eq(show("STATS", "database=app", "total_query_count"),
	    40);
	ck_assert_int_eq(show("STATS", "database=app",
			     "total_client_login_count"),
	    4);
	ck_assert_int_eq(show("STATS", "database=app",
			     "total_server_assignment_count"),
	    4);
	ck_assert_int_gt(show("STATS", "database=app", "total_sent"), 32000);
	ck_assert_int_gt(show("STATS", "database=app", "total_received"),
	    32 * 30);
	ck_assert_int_gt(show("STATS", "database=app", "total_xact_time"), 0);
	ck_assert_int_eq(show_rows("TOTALS", NULL), 24);
	for (int i = 0; i < 4; i++)
		PQfinish(c[i]);
	ck_assert_int_eq(show("STATS_TOTALS", "database=app", "query_count"),
	    40);
}
END_TEST

START_TEST (show_config_lists_every_key_with_its_value) {
	pooler_start("server_idle_timeout = 7.5\nmax_client_conn = 777\n");
	ck_assert_str_eq(show_text("CONFIG", "key=max_client_conn", "value"),
	    "777");
	ck_assert_str_eq(show_text("CONFIG", "key=server_idle_timeout",
			     "value"),
	    "7.5");
	ck_assert_str_eq(show_text("CONFIG", "key=server_idle_timeout",
			     "default"),
	    "600");
	ck_assert_str_eq(show_text("CONFIG", "key=listen_port", "changeable"),
	    "no");
	ck_assert_str_eq(show_text("CONFIG", "key=unix_socket_mode", "value"),
	    "511");
	ck_assert_int_eq(show_rows("CONFIG", "key=worker_threads"), 1);
	ck_assert_int_ge(show_rows("CONFIG", NULL), 100);
}
END_TEST

START_TEST (fixed_tables_have_the_rows_of_the_reference) {
	pooler_start("worker_threads = 2\n");
	ck_assert_int_ge(show_rows("LISTS", NULL), 14);
	ck_assert_int_eq(show_rows("STATE", NULL), 3);
	ck_assert_str_eq(show_text("STATE", "key=active", "value"), "yes");
	ck_assert_int_eq(show_rows("DATABASES", "name=pgbouncer"), 1);
	ck_assert_int_ge(show_rows("MEM", NULL), 12);
	ck_assert_int_ge(show_rows("USERS", "name=alice"), 1);
	ck_assert_int_eq(show_rows("POOLS", "database=pgbouncer"), 1);
	/* Words that clients ask by themselves. */
	ck_assert_str_eq(sql_text(console(), "SHOW client_encoding"), "UTF-8");
	ck_assert_str_eq(sql_text(console(), "SHOW datestyle"), "ISO");
}
END_TEST

static void
hear(void *arg, const PGresult *r)
{
	if (strstr(error_field(r, PG_DIAG_MESSAGE_PRIMARY), "Console usage") !=
		NULL &&
	    strstr(error_field(r, PG_DIAG_MESSAGE_DETAIL), "SHOW") != NULL)
		*(int *)arg = 1;
}

START_TEST (show_help_is_a_notice) {
	int heard = 0;
	PGresult *r;

	pooler_start("worker_threads = 1\n");
	PQsetNoticeReceiver(console(), hear, &heard);
	r = PQexec(console(), "SHOW HELP");
	ck_assert_str_eq(PQcmdStatus(r), "SHOW");
	ck_assert_int_eq(heard, 1);
	PQclear(r);
}
END_TEST

START_TEST (grammar_and_its_errors) {
	static const struct {
		const char *sql, *text;
	} bad[] = {
		{ "SHOW NOTHING",
		    "invalid command 'SHOW NOTHING', use SHOW "
		    "HELP;" },
		{ "FROBNICATE",
		    "invalid command 'FROBNICATE', use SHOW "
		    "HELP;" },
		{ "SHOW POOLS; SHOW POOLS", "invalid command" },
		{ ";", "invalid command" },
		{ "SET nosuchkey = 1", "SET failed" },
		{ "SET query_timeout = 'abc'", "SET failed" },
		{ "RESUME", "pooler is not paused/suspended" },
		{ "PAUSE pgbouncer", "cannot pause admin db: pgbouncer" },
	};
	static const char *const good[] = { "show version", "SHOW VERSION;",
		"  Show\n\tVersion ; ", "SELECT version", "SHOW \"version\"" };

	pooler_start("worker_threads = 1\n");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		sql_ok(console(), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		sql_fails(console(), bad[i].sql, NULL, bad[i].text);
	sql_ok(console(), "SHOW VERSION");
}
END_TEST

START_TEST (welcome_is_known_to_monitoring_tools) {
	pooler_start("worker_threads = 1\n");
	ck_assert_ptr_nonnull(
	    strstr(PQparameterStatus(console(), "server_version"), "/bouncer"));
	ck_assert_str_eq(PQparameterStatus(console(), "client_encoding"),
	    "UTF8");
	ck_assert_str_eq(PQparameterStatus(console(), "is_superuser"), "on");
}
END_TEST

/* --- rights --- */

START_TEST (read_only_users_may_look_and_not_touch) {
	static const char *const forbidden[] = { "PAUSE", "RESUME", "RELOAD",
		"SHUTDOWN", "SET query_timeout = 1", "SHOW FDS" };
	PGconn *c;

	pooler_start("worker_threads = 1\n");
	c = client_open("user=stat dbname=pgbouncer");
	sql_ok(c, "SHOW POOLS");
	sql_ok(c, "SHOW CONFIG");
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++)
		sql_fails(c, forbidden[i], NULL, "admin access needed");
	sql_ok(c, "SHOW POOLS");
	PQfinish(c);
}
END_TEST

START_TEST (others_are_not_allowed) {
	static const char *const users[] = { "alice", "adm", "admins",
		"nobody_known" };
	PGconn *c;

	pooler_start("admin_users = admin, root\n");
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		c = client_try("user=%s dbname=pgbouncer", users[i]);
		ck_assert_int_eq(PQstatus(c), CONNECTION_BAD);
		PQfinish(c);
	}
	c = client_try("user=alice dbname=pgbouncer");
	ck_assert_ptr_nonnull(strstr(PQerrorMessage(c), "not allowed"));
	PQfinish(c);
}
END_TEST

START_TEST (console_answers_to_the_name_pooler_too) {
	PGconn *c;

	pooler_start("worker_threads = 1\n");
	c = client_open("user=admin dbname=pooler");
	sql_ok(c, "SHOW POOLS");
	PQfinish(c);
}
END_TEST

/* psql as the account the pooler runs under, by the Unix socket. */
START_TEST (same_uid_on_the_unix_socket_is_admin) {
	struct pooler *p = pooler_start("auth_type = scram-sha-256\n");
	const char *as = getuid() == 0 ?
	    "setpriv --reuid=nobody --clear-groups --regid=nogroup" :
	    "";
	char *out;
	int rc;

	rc = fx_shell(&out,
	    "%s psql -XAt -h %s -p %d -U pgbouncer pgbouncer "
	    "-w -c 'SHOW VERSION' -c 'RELOAD'",
	    as, p->dir, p->port);
	ck_assert_msg(rc == 0, "%s", out);
	free(out);
	/* Over TCP the name alone is worth nothing. */
	rc = fx_shell(&out,
	    "%s psql -XAt -h 127.0.0.1 -p %d -U pgbouncer "
	    "pgbouncer -w -c 'SHOW VERSION'",
	    as, p->port);
	ck_assert_int_ne(rc, 0);
	free(out);
	if (getuid() == 0) {
		rc = fx_shell(&out,
		    "psql -XAt -h %s -p %d -U pgbouncer "
		    "pgbouncer -w -c 'SHOW VERSION'",
		    p->dir, p->port);
		ck_assert_msg(rc != 0, "root is not that uid");
		free(out);
	}
}
END_TEST

/* --- commands --- */

START_TEST (set_changes_one_key_until_reload) {
	PGresult *r;

	pooler_start("query_wait_timeout = 33\n");
	r = console_query("SET query_wait_timeout = 44");
	ck_assert_str_eq(PQcmdStatus(r), "SET query_wait_timeout=44");
	PQclear(r);
	ck_assert_str_eq(show_text("CONFIG", "key=query_wait_timeout", "value"),
	    "44");
	console_ok("SET query_wait_timeout TO '0.5'");
	ck_assert_str_eq(show_text("CONFIG", "key=query_wait_timeout", "value"),
	    "0.5");
	console_ok("RELOAD");
	ck_assert_str_eq(show_text("CONFIG", "key=query_wait_timeout", "value"),
	    "33");
}
END_TEST

START_TEST (reload_adds_changes_and_removes_databases) {
	struct pooler *p = pooler_start(
	    "[databases]\napp = host=127.0.0.1 port=@PGPORT@\n"
	    "old = host=127.0.0.1 port=@PGPORT@ dbname=app2\n");
	PGconn *old = client_open("dbname=old"), *app = client_open(" "), *c;
	PGresult *r;

	sql_ok(old, "SELECT 1");
	sql_ok(app, "SELECT 1");
	pooler_rewrite(p,
	    "[databases]\n"
	    "app = host=127.0.0.1 port=@PGPORT@ dbname=app3\n"
	    "new = host=127.0.0.1 port=@PGPORT@ dbname=app2\n");
	console_ok("RELOAD");
	c = client_open("dbname=new");
	ck_assert_str_eq(sql_text(c, "SELECT current_database()"), "app2");
	PQfinish(c);
	ck_assert_str_eq(sql_text(app, "SELECT current_database()"), "app3");
	r = sql_exec(old, "SELECT 1");
	ck_assert_int_eq(PQresultStatus(r), PGRES_FATAL_ERROR);
	PQclear(r);
	c = client_try("dbname=old");
	ck_assert_ptr_nonnull(
	    strstr(PQerrorMessage(c), "no such database: old"));
	PQfinish(c);
	PQfinish(old);
	PQfinish(app);
}
END_TEST

START_TEST (refused_reload_changes_nothing) {
	struct pooler *p = pooler_start("query_timeout = 55\n");
	PGconn *c = client_open(" ");

	pooler_rewrite(p, "query_timeout = 66\nno_such_key = 1\n");
	sql_fails(console(), "RELOAD", "F0000", "RELOAD failed");
	ck_assert_str_eq(show_text("CONFIG", "key=query_timeout", "value"),
	    "55");
	ck_assert(pooler_logged(p, "no_such_key"));
	sql_ok(c, "SELECT 1");
	PQfinish(c);
	pooler_rewrite(p, "query_timeout = 66\n");
	kill(p->pid, SIGHUP);
	WAIT_UNTIL(strcmp(show_text("CONFIG", "key=query_timeout", "value"),
		       "66") == 0,
	    5000);
}
END_TEST

START_TEST (pause_drains_and_resume_goes_on) {
	static const int workers[] = { 1, 2, 4 };
	PGconn *in, *idle;

	pooler_start("worker_threads = %d\n", workers[_i]);
	in = client_open(" ");
	idle = client_open(" ");
	sql_ok(idle, "SELECT 1");
	sql_ok(in, "BEGIN");
	sql_send(console(), "PAUSE");
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "usename = 'alice'") == 1,
	    5000);
	ck_assert(!sql_done(console()));
	sql_send(idle, "SELECT 2");
	sql_ok(in, "SELECT 1");
	sql_ok(in, "COMMIT");
	sql_result_ok(console(), 5000);
	ck_assert_str_eq(show_text("STATE", "key=paused", "value"), "yes");
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
			  "usename = 'alice'") == 0,
	    5000);
	ck_assert(!sql_done(idle));
	sql_fails(console(), "PAUSE", NULL, "already suspended/paused");
	/* Logins still work; the pool is warm. */
	PQfinish(client_open(" "));
	console_ok("RESUME");
	sql_result_ok(idle, 5000);
	sql_ok(in, "SELECT 1");
	PQfinish(in);
	PQfinish(idle);
}
END_TEST

START_TEST (pause_of_one_database_leaves_the_others_alone) {
	PGconn *a, *b;

	pooler_start("worker_threads = 2\n[databases]\n"
		     "app = host=127.0.0.1 port=@PGPORT@\n"
		     "app2 = host=127.0.0.1 port=@PGPORT@\n");
	a = client_open(" ");
	b = client_open("dbname=app2");
	sql_ok(a, "SELECT 1");
	console_ok("PAUSE app");
	ck_assert_int_eq(show("DATABASES", "name=app", "paused"), 1);
	ck_assert_int_eq(show("DATABASES", "name=app2", "paused"), 0);
	sql_send(a, "SELECT 1");
	sql_ok(b, "SELECT 1");
	ck_assert(!sql_done(a));
	console_ok("RESUME app");
	sql_result_ok(a, 5000);
	sql_fails(console(), "PAUSE nosuch", NULL, "no such database: nosuch");
	PQfinish(a);
	PQfinish(b);
}
END_TEST

/* --- shutdown --- */

static int
status_of(struct pooler *p)
{
	int rc = fx_wait_exit(p->pid, 10000);

	p->pid = 0;
	return rc;
}

START_TEST (shutdown_ends_at_once) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	PGconn *c = client_open(" ");

	sql_ok(c, "BEGIN");
	PQsendQuery(console(), "SHUTDOWN");
	ck_assert_int_eq(status_of(p), 0);
	ck_assert(!pooler_is_up(p));
	console_close();
	PQfinish(c);
}
END_TEST

START_TEST (shutdown_wait_for_clients_lets_them_finish) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	PGconn *c = client_open(" ");

	sql_ok(c, "BEGIN");
	console_ok("SHUTDOWN WAIT_FOR_CLIENTS");
	console_close();
	WAIT_UNTIL(!pooler_is_up(p), 5000);
	ck_assert_int_eq(sql_int(c, "SELECT 5"), 5);
	sql_ok(c, "COMMIT");
	ck_assert_int_eq(sql_int(c, "SELECT 6"), 6);
	ck_assert_int_eq(fx_wait_exit(p->pid, 0), -1);
	PQfinish(c);
	ck_assert_int_eq(status_of(p), 0);
}
END_TEST

START_TEST (shutdown_wait_for_servers_lets_transactions_finish) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	PGconn *c = client_open(" "), *idle = client_open(" ");
	PGresult *r;

	sql_ok(idle, "SELECT 1");
	sql_ok(c, "BEGIN");
	console_ok("SHUTDOWN WAIT_FOR_SERVERS");
	console_close();
	r = sql_exec(idle, "SELECT 1");
	result_fails(r, NULL, "server shutting down");
	PQclear(r);
	ck_assert_int_eq(sql_int(c, "SELECT 5"), 5);
	sql_ok(c, "COMMIT");
	ck_assert_int_eq(status_of(p), 0);
	PQfinish(c);
	PQfinish(idle);
}
END_TEST

START_TEST (many_consoles_at_once) {
	PGconn *c[20];

	pooler_start("worker_threads = 4\nmax_client_conn = 2\n");
	for (int i = 0; i < 20; i++)
		c[i] = client_open("user=admin dbname=pgbouncer");
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 20; i++)
			sql_send(c[i],
			    round % 2 ? "SHOW CLIENTS" : "SHOW CONFIG");
		for (int i = 0; i < 20; i++)
			sql_result_ok(c[i], 5000);
	}
	for (int i = 0; i < 20; i++)
		PQfinish(c[i]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("console");

	FX_ADD_LOOP(s, show_has_the_columns_of_the_reference_first, 20,
	    N_TABLES);
	FX_ADD(s, prepared_statements_work_on_the_console, 20);
	FX_ADD_LOOP(s, show_pools_tells_the_truth, 20, 3);
	FX_ADD(s, show_clients_and_servers_name_each_other, 20);
	FX_ADD_LOOP(s, show_stats_counts, 20, 2);
	FX_ADD(s, show_config_lists_every_key_with_its_value, 20);
	FX_ADD(s, fixed_tables_have_the_rows_of_the_reference, 20);
	FX_ADD(s, show_help_is_a_notice, 20);
	FX_ADD(s, grammar_and_its_errors, 20);
	FX_ADD(s, welcome_is_known_to_monitoring_tools, 20);
	FX_ADD(s, read_only_users_may_look_and_not_touch, 20);
	FX_ADD(s, others_are_not_allowed, 20);
	FX_ADD(s, console_answers_to_the_name_pooler_too, 20);
	FX_ADD(s, same_uid_on_the_unix_socket_is_admin, 20);
	FX_ADD(s, set_changes_one_key_until_reload, 20);
	FX_ADD(s, reload_adds_changes_and_removes_databases, 20);
	FX_ADD(s, refused_reload_changes_nothing, 20);
	FX_ADD_LOOP(s, pause_drains_and_resume_goes_on, 20, 3);
	FX_ADD(s, pause_of_one_database_leaves_the_others_alone, 20);
	FX_ADD(s, shutdown_ends_at_once, 20);
	FX_ADD(s, shutdown_wait_for_clients_lets_them_finish, 20);
	FX_ADD(s, shutdown_wait_for_servers_lets_transactions_finish, 20);
	FX_ADD(s, many_consoles_at_once, 20);
	return fx_main(s);
}
