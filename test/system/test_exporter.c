/*
 * What a Prometheus exporter for PgBouncer asks: by column name, by type, in
 * the simple and in the extended protocol, in text and in binary.
 */
#include "fixture.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Columns that it reads: i int4, n numeric, t text. */
static const struct {
	const char *show;
	const char *columns;
} asked[] = {
	{ "SHOW STATS",
	    "t:database n:total_query_count n:total_query_time "
	    "n:total_received n:total_sent n:total_wait_time "
	    "n:total_xact_count n:total_xact_time "
	    "n:total_server_assignment_count n:total_client_parse_count "
	    "n:total_server_parse_count n:total_bind_count" },
	{ "SHOW POOLS",
	    "t:database t:user i:cl_active i:cl_waiting "
	    "i:cl_active_cancel_req i:cl_waiting_cancel_req i:sv_active "
	    "i:sv_active_cancel i:sv_being_canceled i:sv_idle i:sv_used "
	    "i:sv_tested i:sv_login i:maxwait i:maxwait_us t:pool_mode" },
	{ "SHOW DATABASES",
	    "t:name t:host i:port t:database t:force_user i:pool_size "
	    "i:min_pool_size i:reserve_pool_size t:pool_mode "
	    "i:max_connections i:current_connections "
	    "i:max_client_connections i:current_client_connections i:paused "
	    "i:disabled" },
	{ "SHOW LISTS", "t:list i:items" },
	{ "SHOW CONFIG", "t:key t:value t:default t:changeable" },
	{ "SHOW VERSION", "t:version" },
};

#define N_ASKED ((int)(sizeof(asked) / sizeof(asked[0])))

static Oid
type_of(char c)
{
	return c == 'i' ? 23 : c == 'n' ? 1700 : 25;
}

/* Text or binary, as a driver decodes it. */
static long
decode(const PGresult *r, int row, int col)
{
	const unsigned char *p = (unsigned char *)PQgetvalue(r, row, col);
	int groups, weight;
	uint32_t n;
	long v = 0;

	if (PQfformat(r, col) == 0)
		return atol((const char *)p);
	if (PQftype(r, col) == 23) {
		memcpy(&n, p, 4);
		return (long)(int32_t)ntohl(n);
	}
	groups = p[0] << 8 | p[1];
	weight = p[2] << 8 | p[3];
	for (int i = 0; i <= weight; i++)
		v = v * 10000 +
		    (i < groups ? p[8 + 2 * i] << 8 | p[9 + 2 * i] : 0);
	return v;
}

static void
check(const PGresult *r, const char *columns)
{
	char *copy = strdup(columns), *save = NULL;

	ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
	ck_assert_int_ge(PQntuples(r), 1);
	for (char *word = strtok_r(copy, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save)) {
		int col = PQfnumber(r, word + 2);

		ck_assert_msg(col >= 0, "no column %s", word + 2);
		ck_assert_msg(PQftype(r, col) == type_of(word[0]),
		    "type of %s is %u", word + 2, PQftype(r, col));
		for (int i = 0; i < PQntuples(r) && word[0] != 't'; i++) {
			ck_assert(!PQgetisnull(r, i, col));
			ck_assert_int_ge(decode(r, i, col), 0);
		}
	}
	free(copy);
}

START_TEST (an_exporter_finds_its_columns) {
	PGconn *mon;
	PGconn *c;

	pooler_start("worker_threads = 2\nignore_startup_parameters = "
		     "extra_float_digits\n");
	c = client_open(" ");
	for (int i = 0; i < 5; i++)
		sql_ok(c, "SELECT 1");
	/* As lib/pq does: read-only, with parameters of its own. */
	mon = client_open("user=stat dbname=pgbouncer application_name=exp");
	for (int i = 0; i < N_ASKED; i++) {
		char sql[64], name[8];
		PGresult *r;

		snprintf(sql, sizeof(sql), "%s;", asked[i].show);
		r = PQexec(mon, sql);
		check(r, asked[i].columns);
		PQclear(r);
		for (int binary = 0; binary < 2; binary++) {
			r = PQexecParams(mon, sql, 0, NULL, NULL, NULL, NULL,
			    binary);
			check(r, asked[i].columns);
			PQclear(r);
		}
		/* Prepared once, run twice. */
		snprintf(name, sizeof(name), "q%d", i);
		r = PQprepare(mon, name, sql, 0, NULL);
		ck_assert_int_eq(PQresultStatus(r), PGRES_COMMAND_OK);
		PQclear(r);
		for (int again = 0; again < 2; again++) {
			r = PQexecPrepared(mon, name, 0, NULL, NULL, NULL, 1);
			check(r, asked[i].columns);
			PQclear(r);
		}
	}
	ck_assert_int_eq(PQstatus(mon), CONNECTION_OK);
	PQfinish(mon);
	PQfinish(c);
}
END_TEST

START_TEST (an_exporter_finds_its_rows) {
	static const char *const lists[] = { "databases", "users", "pools",
		"free_clients", "used_clients", "login_clients",
		"free_servers", "used_servers", "dns_names", "dns_zones",
		"dns_queries", "dns_pending" };
	static const char *const keys[] = { "max_client_conn",
		"max_user_connections", "default_pool_size", "listen_port" };
	char key[60];

	pooler_start("worker_threads = 2\n");
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		snprintf(key, sizeof(key), "list=%s", lists[i]);
		ck_assert_int_eq(show_rows("LISTS", key), 1);
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(key, sizeof(key), "key=%s", keys[i]);
		ck_assert_int_eq(show_rows("CONFIG", key), 1);
	}
	ck_assert_int_eq(strncmp(show_text("VERSION", NULL, "version"),
			     "PgBouncer 1.", 12),
	    0);
	ck_assert_int_eq(show_rows("STATS", "database=pgbouncer"), 1);
	ck_assert_int_eq(show_rows("POOLS", "database=pgbouncer"), 1);
	ck_assert_int_eq(show_rows("DATABASES", "name=pgbouncer"), 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("exporter");

	FX_ADD(s, an_exporter_finds_its_columns, 20);
	FX_ADD(s, an_exporter_finds_its_rows, 20);
	return fx_main(s);
}
