/*
 * What the console shows: the columns that people's tools read, and whether
 * the numbers in them are true, with any number of workers.
 */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

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
	ck_assert_int_ge(show_rows("STATE", NULL), 3);
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

int
main(void)
{
	Suite *s = suite_create("show");

	FX_ADD_LOOP(s, show_has_the_columns_of_the_reference_first, 20,
	    N_TABLES);
	FX_ADD_LOOP(s, show_pools_tells_the_truth, 20, 3);
	FX_ADD(s, show_clients_and_servers_name_each_other, 20);
	FX_ADD_LOOP(s, show_stats_counts, 20, 2);
	FX_ADD(s, show_config_lists_every_key_with_its_value, 20);
	FX_ADD(s, fixed_tables_have_the_rows_of_the_reference, 20);
	return fx_main(s);
}
