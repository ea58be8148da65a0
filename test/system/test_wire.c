/*
 * The wire protocol in transaction mode on one server, where every answer
 * that is miscounted shows at once: extended queries, pipelines, COPY,
 * function calls, notices, big rows.
 */
#include "fixture.h"
#include "raw.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define ONE_SERVER "default_pool_size = 1\n"

/* After anything: the one server is free, and clean for the next client. */
static void
check_free(void)
{
	PGconn *c = client_open(" ");

	ck_assert_int_eq(sql_int(c, "SELECT 4711"), 4711);
	PQfinish(c);
	WAIT_UNTIL(show("POOLS", "database=app", "sv_idle") == 1, 5000);
	ck_assert_int_eq(show("POOLS", "database=app", "sv_active"), 0);
}

START_TEST (several_statements_in_one_query) {
	PGconn *c;
	PGresult *r;
	int n = 0;

	pooler_start(ONE_SERVER);
	c = client_open(" ");
	sql_send(c, "SELECT 1; SELECT 2 WHERE false; SELECT 3");
	while ((r = PQgetResult(c)) != NULL) {
		ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
		n++;
		PQclear(r);
	}
	ck_assert_int_eq(n, 3);
	sql_fails(c, "SELECT 1; SELECT 1/0; SELECT 3", "22012", "division");
	PQfinish(c);
	check_free();
}
END_TEST

START_TEST (empty_query_is_answered) {
	PGconn *c;
	PGresult *r;

	pooler_start(ONE_SERVER);
	c = client_open(" ");
	r = PQexec(c, "");
	ck_assert_int_eq(PQresultStatus(r), PGRES_EMPTY_QUERY);
	PQclear(r);
	r = PQexecParams(c, "", 0, NULL, NULL, NULL, NULL, 0);
	ck_assert_int_eq(PQresultStatus(r), PGRES_EMPTY_QUERY);
	PQclear(r);
	PQfinish(c);
	check_free();
}
END_TEST

START_TEST (parameters_and_binary_results) {
	const char *values[] = { "41", NULL };
	PGconn *c;
	PGresult *r;
	uint32_t n;

	pooler_start(ONE_SERVER);
	c = client_open(" ");
	for (int i = 0; i < 50; i++) {
		r = PQexecParams(c, "SELECT $1::int + 1, $2::text", 2, NULL,
		    values, NULL, NULL, 1);
		ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
		memcpy(&n, PQgetvalue(r, 0, 0), 4);
		ck_assert_int_eq(ntohl(n), 42);
		ck_assert_int_eq(PQgetisnull(r, 0, 1), 1);
		PQclear(r);
	}
	PQfinish(c);
	check_free();
}
END_TEST

START_TEST (prepared_statement_in_session_mode) {
	const char *values[] = { "20" };
	PGconn *c;
	PGresult *r;

	pooler_start("pool_mode = session\n");
	c = client_open(" ");
	r = PQprepare(c, "twice", "SELECT $1::int * 2", 0, NULL);
	ck_assert_int_eq(PQresultStatus(r), PGRES_COMMAND_OK);
	PQclear(r);
	r = PQdescribePrepared(c, "twice");
	ck_assert_int_eq(PQnparams(r), 1);
	PQclear(r);
	for (int i = 0; i < 20; i++) {
		r = PQexecPrepared(c, "twice", 1, values, NULL, NULL, 0);
		ck_assert_str_eq(PQgetvalue(r, 0, 0), "40");
		PQclear(r);
	}
	PQfinish(c);
}
END_TEST

/* --- pipelines --- */

START_TEST (pipeline_of_many_queries_is_answered_in_order) {
	PGconn *c;
	PGresult *r;
	char text[16];
	const char *values[] = { text };

	pooler_start(ONE_SERVER);
	c = client_open(" ");
	PQenterPipelineMode(c);
	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "%d", i);
		ck_assert_int_eq(PQsendQueryParams(c, "SELECT $1::int", 1, NULL,
				     values, NULL, NULL, 0),
		    1);
		if (i % 10 == 9)
			PQpipelineSync(c);
	}
	for (int i = 0; i < 500; i++) {
		r = PQgetResult(c);
		ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
		ck_assert_int_eq(atoi(PQgetvalue(r, 0, 0)), i);
		PQclear(r);
		ck_assert_ptr_null(PQgetResult(c));
		if (i % 10 == 9) {
			r = PQgetResult(c);
			ck_assert_int_eq(PQresultStatus(r),
			    PGRES_PIPELINE_SYNC);
			PQclear(r);
		}
	}
	ck_assert_int_eq(PQexitPipelineMode(c), 1);
	PQfinish(c);
	check_free();
}
END_TEST

START_TEST (error_in_a_pipeline_skips_to_sync) {
	static const char *const sql[] = { "SELECT 1", "SELECT 1/0",
		"SELECT 3" };
	static const ExecStatusType status[] = { PGRES_TUPLES_OK,
		PGRES_FATAL_ERROR, PGRES_PIPELINE_ABORTED };
	PGconn *c;
	PGresult *r;

	pooler_start(ONE_SERVER);
	c = client_open(" ");
	PQenterPipelineMode(c);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++)
			PQsendQueryParams(c, sql[i], 0, NULL, NULL, NULL, NULL,
			    0);
		PQpipelineSync(c);
	}
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++) {
			r = PQgetResult(c);
			ck_assert_int_eq(PQresultStatus(r), status[i]);
			PQclear(r);
			ck_assert_ptr_null(PQgetResult(c));
		}
		r = PQgetResult(c);
		ck_assert_int_eq(PQresultStatus(r), PGRES_PIPELINE_SYNC);
		PQclear(r);
	}
	PQexitPipelineMode(c);
	sql_ok(c, "SELECT 1");
	PQfinish(c);
	check_free();
}
END_TEST

START_TEST (clients_with_pipelines_share_one_server) {
	PGconn *c[4];
	PGresult *r;
	char text[4][16];

	pooler_start(ONE_SERVER);
	for (int i = 0; i < 4; i++) {
		c[i] = client_open(" ");
		PQenterPipelineMode(c[i]);
	}
	for (int n = 0; n < 25; n++)
		for (int i = 0; i < 4; i++) {
			const char *values[] = { text[i] };

			snprintf(text[i], 16, "%d", i * 1000 + n);
			PQsendQueryParams(c[i], "SELECT $1::int", 1, NULL,
			    values, NULL, NULL, 0);
			PQpipelineSync(c[i]);
			PQflush(c[i]);
		}
	for (int n = 0; n < 25; n++)
		for (int i = 0; i < 4; i++) {
			r = PQgetResult(c[i]);
			ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
			ck_assert_int_eq(atoi(PQgetvalue(r, 0, 0)),
			    i * 1000 + n);
			PQclear(r);
			ck_assert_ptr_null(PQgetResult(c[i]));
			PQclear(PQgetResult(c[i]));
		}
	for (int i = 0; i < 4; i++)
		PQfinish(c[i]);
	check_free();
}
END_TEST

START_TEST (several_queries_sent_at_once) {
	struct pooler *p = pooler_start(ONE_SERVER);
	struct raw *r = raw_login(p->port, "alice", "app");
	struct pkt k = { 0 };

	pkt_query(&k, "SELECT 1");
	pkt_query(&k, "SELECT 1/0");
	pkt_query(&k, "");
	pkt_query(&k, "BEGIN");
	pkt_query(&k, "SELECT 2");
	pkt_query(&k, "COMMIT");
	raw_put(r, &k);
	ck_assert_str_eq(raw_types(r, 5000), "TDCZ");
	ck_assert_str_eq(raw_types(r, 5000), "EZ");
	ck_assert_str_eq(raw_types(r, 5000), "IZ");
	ck_assert_str_eq(raw_types(r, 5000), "CZ");
	ck_assert_str_eq(raw_types(r, 5000), "TDCZ");
	ck_assert_str_eq(raw_types(r, 5000), "CZ");
	raw_close(r);
	check_free();
}
END_TEST

START_TEST (portal_is_suspended_and_goes_on) {
	struct pooler *p = pooler_start(ONE_SERVER);
	struct raw *r = raw_login(p->port, "alice", "app");
	struct pkt k = { 0 };

	pkt_parse(&k, "", "SELECT generate_series(1,5)");
	pkt_bind(&k, "", "");
	pkt_describe(&k, 'P', "");
	pkt_execute(&k, "", 2);
	pkt_empty(&k, 'H');
	raw_put(r, &k);
	raw_until(r, 's', 5000);
	pkt_execute(&k, "", 2);
	pkt_empty(&k, 'H');
	raw_put(r, &k);
	raw_until(r, 's', 5000);
	pkt_execute(&k, "", 0);
	pkt_empty(&k, 'S');
	raw_put(r, &k);
	ck_assert_str_eq(raw_types(r, 5000), "DCZ");
	raw_close(r);
	check_free();
}
END_TEST

START_TEST (flush_without_sync_holds_the_server) {
	struct pooler *p = pooler_start(ONE_SERVER);
	struct raw *r = raw_login(p->port, "alice", "app");
	struct pkt k = { 0 };
	PGconn *c;

	pkt_parse(&k, "", "SELECT 1");
	pkt_empty(&k, 'H');
	raw_put(r, &k);
	ck_assert_int_eq(raw_next(r, 5000).type, '1');
	c = client_open(" ");
	sql_send(c, "SELECT 2");
	WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 1, 5000);
	pkt_bind(&k, "", "");
	pkt_execute(&k, "", 0);
	pkt_empty(&k, 'S');
	raw_put(r, &k);
	ck_assert_str_eq(raw_types(r, 5000), "2DCZ");
	sql_result_ok(c, 5000);
	PQfinish(c);
	raw_close(r);
	check_free();
}
END_TEST

START_TEST (close_and_describe_are_counted) {
	struct pooler *p = pooler_start(ONE_SERVER);
	struct raw *r = raw_login(p->port, "alice", "app");
	struct pkt k = { 0 };

	pkt_parse(&k, "", "SELECT 1 WHERE $1::text = 'x'");
	pkt_describe(&k, 'S', "");
	pkt_parse(&k, "", "CREATE TEMP TABLE IF NOT EXISTS ct (x int)");
	pkt_bind(&k, "p", "");
	pkt_describe(&k, 'P', "p");
	pkt_execute(&k, "p", 0);
	pkt_describe(&k, 'P', "p");
	pkt_begin(&k, 'C');
	pkt_u8(&k, 'P');
	pkt_str(&k, "p");
	pkt_end(&k);
	pkt_begin(&k, 'C');
	pkt_u8(&k, 'S');
	pkt_str(&k, "nothing");
	pkt_end(&k);
	pkt_empty(&k, 'S');
	pkt_empty(&k, 'S');
	raw_put(r, &k);
	ck_assert_str_eq(raw_types(r, 5000), "1tT12nCn33Z");
	ck_assert_str_eq(raw_types(r, 5000), "Z");
	raw_close(r);
	check_free();
}
END_TEST

/* --- the rest --- */

START_TEST (function_call) {
	PQArgBlock args[2] = { { .len = 4, .isint = 1, .u.integer = 40 },
		{ .len = 4, .isint = 1, .u.integer = 2 } };
	PGconn *c;
	int result = 0, len = 0;
	PGresult *r;

	pooler_start(ONE_SERVER);
	c = client_open(" ");
	r = PQfn(c, 177 /* int4pl */, &result, &len, 1, args, 2);
	ck_assert_int_eq(PQresultStatus(r), PGRES_COMMAND_OK);
	ck_assert_int_eq(result, 42);
	PQclear(r);
	r = PQfn(c, 154 /* int4div */, &result, &len, 1, args, 1);
	ck_assert_int_eq(PQresultStatus(r), PGRES_FATAL_ERROR);
	PQclear(r);
	PQfinish(c);
	check_free();
}
END_TEST

static void
count_notice(void *arg, const PGresult *r)
{
	if (strstr(PQresultErrorMessage(r), "hear this") != NULL)
		++*(int *)arg;
}

START_TEST (notices_reach_their_client) {
	PGconn *a, *b;
	int na = 0, nb = 0;

	pooler_start(ONE_SERVER);
	a = client_open(" ");
	b = client_open(" ");
	PQsetNoticeReceiver(a, count_notice, &na);
	PQsetNoticeReceiver(b, count_notice, &nb);
	for (int i = 0; i < 10; i++) {
		sql_ok(a, "DO $$BEGIN RAISE NOTICE 'hear this'; END$$");
		sql_ok(b, "SELECT 1");
	}
	ck_assert_int_eq(na, 10);
	ck_assert_int_eq(nb, 0);
	PQfinish(a);
	PQfinish(b);
	check_free();
}
END_TEST

START_TEST (notification_reaches_an_idle_listener_in_session_mode) {
	PGconn *listener, *other;
	PGnotify *n = NULL;

	pooler_start("pool_mode = session\n");
	listener = client_open(" ");
	other = client_open(" ");
	sql_ok(listener, "LISTEN news");
	sql_ok(other, "NOTIFY news, 'arrived'");
	WAIT_UNTIL((PQconsumeInput(listener), n = PQnotifies(listener)) != NULL,
	    5000);
	ck_assert_str_eq(n->relname, "news");
	ck_assert_str_eq(n->extra, "arrived");
	PQfreemem(n);
	sql_ok(listener, "SELECT 1");
	PQfinish(listener);
	PQfinish(other);
}
END_TEST

/* 100 MB in one row, to a client that reads slowly at first. */
START_TEST (big_row_passes_with_bounded_memory) {
	const size_t size = 100 * 1000 * 1000;
	PGconn *c;
	PGresult *r;
	long before, grown;

	pooler_start(ONE_SERVER);
	c = client_open(" ");
	sql_ok(c, "SELECT repeat('x', 1000000)");
	before = pooler_peak_kb(pooler_current());
	r = PQexec(c, "SELECT repeat('x', 100*1000*1000)");
	ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
	ck_assert_uint_eq((size_t)PQgetlength(r, 0, 0), size);
	ck_assert_int_eq(PQgetvalue(r, 0, 0)[size - 1], 'x');
	PQclear(r);
	grown = pooler_peak_kb(pooler_current()) - before;
	if (!fx_sanitized())
		ck_assert_int_lt(grown, 1024);
	PQfinish(c);
	check_free();
}
END_TEST

START_TEST (big_query_passes_with_bounded_memory) {
	const size_t size = 60 * 1000 * 1000;
	char *value = malloc(size + 1);
	const char *values[] = { value };
	PGconn *c;
	PGresult *r;
	long before, grown;

	memset(value, 'y', size);
	value[size] = '\0';
	pooler_start(ONE_SERVER);
	c = client_open(" ");
	sql_ok(c, "SELECT repeat('x', 1000000)");
	before = pooler_peak_kb(pooler_current());
	r = PQexecParams(c, "SELECT length($1)", 1, NULL, values, NULL, NULL,
	    0);
	ck_assert_str_eq(PQgetvalue(r, 0, 0), "60000000");
	PQclear(r);
	grown = pooler_peak_kb(pooler_current()) - before;
	if (!fx_sanitized())
		ck_assert_int_lt(grown, 1024);
	free(value);
	PQfinish(c);
	check_free();
}
END_TEST

START_TEST (bytewise_client_is_understood) {
	struct pooler *p = pooler_start(ONE_SERVER);
	struct raw *r = raw_connect(p->port);
	struct pkt k = { 0 };
	struct msg m;

	pkt_startup(&k, "alice", "app");
	raw_put_bytewise(r, &k);
	raw_until(r, 'Z', 5000);
	pkt_query(&k, "SELECT 'one'");
	pkt_parse(&k, "", "SELECT 'two'");
	pkt_bind(&k, "", "");
	pkt_execute(&k, "", 0);
	pkt_empty(&k, 'S');
	raw_put_bytewise(r, &k);
	m = raw_until(r, 'D', 5000);
	ck_assert_str_eq(msg_value(&m), "one");
	m = raw_until(r, 'D', 5000);
	ck_assert_str_eq(msg_value(&m), "two");
	raw_until(r, 'Z', 5000);
	raw_close(r);
	check_free();
}
END_TEST

/* The two halves of a message, cut at each byte, and a turn between. */
START_TEST (message_cut_anywhere_is_understood) {
	struct pooler *p = pooler_start(ONE_SERVER);
	struct raw *r = raw_login(p->port, "alice", "app");
	struct pkt k = { 0 };
	size_t n;

	pkt_query(&k, "SELECT 17");
	pkt_parse(&k, "", "SELECT 18");
	pkt_bind(&k, "", "");
	pkt_execute(&k, "", 0);
	pkt_empty(&k, 'S');
	n = k.n;
	for (size_t cut = 1; cut < n; cut++) {
		struct msg m;

		raw_send(r, k.p, cut);
		fx_pause_ms(1);
		raw_send(r, k.p + cut, n - cut);
		m = raw_until(r, 'D', 5000);
		ck_assert_str_eq(msg_value(&m), "17");
		m = raw_until(r, 'D', 5000);
		ck_assert_str_eq(msg_value(&m), "18");
		raw_until(r, 'Z', 5000);
	}
	pkt_free(&k);
	raw_close(r);
	check_free();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("wire");

	FX_ADD(s, several_statements_in_one_query, 20);
	FX_ADD(s, empty_query_is_answered, 20);
	FX_ADD(s, parameters_and_binary_results, 20);
	FX_ADD(s, prepared_statement_in_session_mode, 20);
	FX_ADD(s, pipeline_of_many_queries_is_answered_in_order, 20);
	FX_ADD(s, error_in_a_pipeline_skips_to_sync, 20);
	FX_ADD(s, clients_with_pipelines_share_one_server, 20);
	FX_ADD(s, several_queries_sent_at_once, 20);
	FX_ADD(s, portal_is_suspended_and_goes_on, 20);
	FX_ADD(s, flush_without_sync_holds_the_server, 20);
	FX_ADD(s, close_and_describe_are_counted, 20);
	FX_ADD(s, function_call, 20);
	FX_ADD(s, notices_reach_their_client, 20);
	FX_ADD(s, notification_reaches_an_idle_listener_in_session_mode, 20);
	FX_ADD(s, big_row_passes_with_bounded_memory, 60);
	FX_ADD(s, big_query_passes_with_bounded_memory, 60);
	FX_ADD(s, bytewise_client_is_understood, 20);
	FX_ADD(s, message_cut_anywhere_is_understood, 20);
	return fx_main(s);
}
