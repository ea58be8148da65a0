/*
 * Clients: libpq through the pooler, directly to PostgreSQL, and on the
 * console.
 */
#include "internal.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_KEPT 8

/* Values live until N_KEPT more were asked for. */
static const char *
keep(const char *text)
{
	static char kept[N_KEPT][16384];
	static int next;
	char *slot = kept[next++ % N_KEPT];

	snprintf(slot, sizeof(kept[0]), "%s", text);
	return slot;
}

/* Notices of servers are not for the terminal. */
void
be_quiet(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

/* --- direct --- */

static struct {
	char db[32];
	PGconn *conn;
} direct[4];

void
pg_forget(void)
{
	memset(direct, 0, sizeof(direct));
}

PGconn *
pg_direct(const char *db)
{
	char *info;
	size_t i;

	for (i = 0; i < 4 && direct[i].conn != NULL; i++)
		if (strcmp(direct[i].db, db) == 0)
			return direct[i].conn;
	ck_assert_int_lt(i, 4);
	info = fx_format("host=%s port=%d user=postgres dbname=%s",
	    pg_socket_dir(), pg_port(), db);
	direct[i].conn = PQconnectdb(info);
	PQsetNoticeProcessor(direct[i].conn, be_quiet, NULL);
	snprintf(direct[i].db, sizeof(direct[i].db), "%s", db);
	free(info);
	ck_assert_msg(PQstatus(direct[i].conn) == CONNECTION_OK,
	    "no direct connection: %s", PQerrorMessage(direct[i].conn));
	return direct[i].conn;
}

void
pg_exec(const char *fmt, ...)
{
	va_list ap;
	char *sql;

	va_start(ap, fmt);
	sql = fx_vformat(fmt, ap);
	va_end(ap);
	sql_ok(pg_direct("postgres"), "%s", sql);
	free(sql);
}

long
pg_int(const char *fmt, ...)
{
	va_list ap;
	char *sql;
	long n;

	va_start(ap, fmt);
	sql = fx_vformat(fmt, ap);
	va_end(ap);
	n = sql_int(pg_direct("postgres"), "%s", sql);
	free(sql);
	return n;
}

const char *
pg_text(const char *fmt, ...)
{
	va_list ap;
	char *sql;
	const char *text;

	va_start(ap, fmt);
	sql = fx_vformat(fmt, ap);
	va_end(ap);
	text = sql_text(pg_direct("postgres"), "%s", sql);
	free(sql);
	return text;
}

/* --- connecting --- */

static char *conninfo(const char *fmt, va_list ap) FX_PRINTF(1, 0);

static char *
conninfo(const char *fmt, va_list ap)
{
	char *extra = fx_vformat(fmt, ap);
	char *info = fx_format("host=127.0.0.1 port=%d user=alice dbname=app"
			       " %s",
	    pooler_current()->port, extra);

	free(extra);
	return info;
}

PGconn *
client_try(const char *fmt, ...)
{
	va_list ap;
	char *info;
	PGconn *c;

	va_start(ap, fmt);
	info = conninfo(fmt, ap);
	va_end(ap);
	c = PQconnectdb(info);
	PQsetNoticeProcessor(c, be_quiet, NULL);
	free(info);
	return c;
}

PGconn *
client_open(const char *fmt, ...)
{
	va_list ap;
	char *info;
	PGconn *c;

	va_start(ap, fmt);
	info = conninfo(fmt, ap);
	va_end(ap);
	c = PQconnectdb(info);
	ck_assert_msg(PQstatus(c) == CONNECTION_OK, "cannot connect (%s): %s",
	    info, PQerrorMessage(c));
	PQsetNoticeProcessor(c, be_quiet, NULL);
	free(info);
	return c;
}

PGconn *
client_start(const char *fmt, ...)
{
	va_list ap;
	char *info;
	PGconn *c;

	va_start(ap, fmt);
	info = conninfo(fmt, ap);
	va_end(ap);
	c = PQconnectStart(info);
	free(info);
	ck_assert_ptr_nonnull(c);
	return c;
}

static bool
readable(PGconn *c, short events, int ms)
{
	struct pollfd p = { .fd = PQsocket(c), .events = events };

	return poll(&p, 1, ms) > 0;
}

PostgresPollingStatusType
client_poll(PGconn *c, int ms)
{
	int64_t until = fx_now_ms() + ms;
	PostgresPollingStatusType s;

	/* Asking too early does no harm: it answers "reading". */
	do {
		s = PQconnectPoll(c);
		if (s == PGRES_POLLING_OK || s == PGRES_POLLING_FAILED)
			break;
		readable(c, POLLIN, 5);
	} while (fx_now_ms() < until);
	return s;
}

/* --- SQL --- */

static bool
is_good(const PGresult *r)
{
	switch (PQresultStatus(r)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_EMPTY_QUERY:
	case PGRES_SINGLE_TUPLE:
		return true;
	case PGRES_COPY_OUT:
	case PGRES_COPY_IN:
	case PGRES_COPY_BOTH:
	case PGRES_BAD_RESPONSE:
	case PGRES_NONFATAL_ERROR:
	case PGRES_FATAL_ERROR:
	case PGRES_PIPELINE_SYNC:
	case PGRES_PIPELINE_ABORTED:
		break;
	}
	return false;
}

static PGresult *run(PGconn *c, const char *fmt, va_list ap) FX_PRINTF(2, 0);

static PGresult *
run(PGconn *c, const char *fmt, va_list ap)
{
	char *sql = fx_vformat(fmt, ap);
	PGresult *r = PQexec(c, sql);

	ck_assert_msg(is_good(r), "%.200s: %s", sql, PQerrorMessage(c));
	free(sql);
	return r;
}

const char *
sql_text(PGconn *c, const char *fmt, ...)
{
	va_list ap;
	PGresult *r;
	const char *text;

	va_start(ap, fmt);
	r = run(c, fmt, ap);
	va_end(ap);
	text = keep(PQntuples(r) > 0 ? PQgetvalue(r, 0, 0) : "");
	PQclear(r);
	return text;
}

long
sql_int(PGconn *c, const char *fmt, ...)
{
	va_list ap;
	PGresult *r;
	long n;

	va_start(ap, fmt);
	r = run(c, fmt, ap);
	va_end(ap);
	n = PQntuples(r) > 0 ? atol(PQgetvalue(r, 0, 0)) : 0;
	PQclear(r);
	return n;
}

void
sql_ok(PGconn *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	PQclear(run(c, fmt, ap));
	va_end(ap);
}

const char *
error_field(const PGresult *r, int field)
{
	const char *s = PQresultErrorField(r, field);

	return s != NULL ? keep(s) : "";
}

void
result_fails(PGresult *r, const char *state, const char *text)
{
	ck_assert_msg(PQresultStatus(r) == PGRES_FATAL_ERROR,
	    "expected the error \"%s\", got %s", text,
	    PQresStatus(PQresultStatus(r)));
	ck_assert_msg(strstr(PQresultErrorMessage(r), text) != NULL,
	    "expected the error \"%s\", got: %s", text,
	    PQresultErrorMessage(r));
	if (state != NULL && !pooler_is_foreign())
		ck_assert_msg(strcmp(error_field(r, PG_DIAG_SQLSTATE), state) ==
			0,
		    "expected SQLSTATE %s, got %s with: %s", state,
		    error_field(r, PG_DIAG_SQLSTATE), PQresultErrorMessage(r));
}

PGresult *
sql_exec(PGconn *c, const char *sql)
{
	if (PQsendQuery(c, sql) == 1)
		return sql_result(c, 60000);
	return PQmakeEmptyPGresult(c, PGRES_FATAL_ERROR);
}

void
sql_fails(PGconn *c, const char *sql, const char *state, const char *text)
{
	PGresult *r = sql_exec(c, sql);

	result_fails(r, state, text);
	PQclear(r);
}

void
sql_send(PGconn *c, const char *fmt, ...)
{
	va_list ap;
	char *sql;

	va_start(ap, fmt);
	sql = fx_vformat(fmt, ap);
	va_end(ap);
	ck_assert_msg(PQsendQuery(c, sql) == 1, "%s", PQerrorMessage(c));
	PQflush(c);
	free(sql);
}

bool
sql_done(PGconn *c)
{
	if (readable(c, POLLIN, 0))
		PQconsumeInput(c);
	return !PQisBusy(c);
}

PGresult *
sql_result(PGconn *c, int ms)
{
	int64_t until = fx_now_ms() + fx_scaled(ms);
	PGresult *last = NULL, *r;

	for (;;) {
		while (PQisBusy(c)) {
			ck_assert_msg(fx_now_ms() < until,
			    "no answer within %d ms", fx_scaled(ms));
			if (readable(c, POLLIN, 20) && PQconsumeInput(c) == 0)
				break;
		}
		r = PQgetResult(c);
		if (r == NULL)
			return last;
		/* Behind the last words of a server, libpq adds a result
		 * that says only that the connection is lost. */
		if (last != NULL && PQresultStatus(last) == PGRES_FATAL_ERROR) {
			PQclear(r);
			return last;
		}
		PQclear(last);
		last = r;
	}
}

void
sql_result_ok(PGconn *c, int ms)
{
	PGresult *r = sql_result(c, ms);

	ck_assert_msg(is_good(r), "%s", PQerrorMessage(c));
	PQclear(r);
}

bool
client_lost(PGconn *c, int ms)
{
	int64_t until = fx_now_ms() + fx_scaled(ms);

	while (fx_now_ms() < until) {
		if (readable(c, POLLIN, 20) && PQconsumeInput(c) == 0)
			return true;
		if (PQstatus(c) == CONNECTION_BAD)
			return true;
		/* An error that came unasked for is taken as a notice. */
		(void)PQisBusy(c);
	}
	return false;
}

/* --- the console --- */

static PGconn *con;

void
console_close(void)
{
	PQfinish(con);
	con = NULL;
}

PGconn *
console(void)
{
	if (con == NULL)
		con = client_open("dbname=pgbouncer user=admin "
				  "password=admin-pw");
	return con;
}

PGresult *
console_query(const char *fmt, ...)
{
	va_list ap;
	PGresult *r;

	va_start(ap, fmt);
	r = run(console(), fmt, ap);
	va_end(ap);
	return r;
}

void
console_ok(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	PQclear(run(console(), fmt, ap));
	va_end(ap);
}

/* Does the row have all of "column=value&column=value"? */
static bool
matches(const PGresult *r, int row, const char *key)
{
	char *copy = strdup(key != NULL ? key : ""), *save = NULL;
	bool ok = true;

	for (char *one = strtok_r(copy, "&", &save); one != NULL;
	     one = strtok_r(NULL, "&", &save)) {
		char *value = strchr(one, '=');
		int col;

		ck_assert_ptr_nonnull(value);
		*value++ = '\0';
		col = PQfnumber(r, one);
		ck_assert_msg(col >= 0, "no column %s", one);
		if (strcmp(PQgetvalue(r, row, col), value) != 0)
			ok = false;
	}
	free(copy);
	return ok;
}

long
show(const char *what, const char *key, const char *column)
{
	PGresult *r = console_query("SHOW %s", what);
	int col = PQfnumber(r, column);
	long sum = 0;

	ck_assert_msg(col >= 0, "SHOW %s has no column %s", what, column);
	for (int i = 0; i < PQntuples(r); i++)
		if (matches(r, i, key))
			sum += atol(PQgetvalue(r, i, col));
	PQclear(r);
	return sum;
}

const char *
show_text(const char *what, const char *key, const char *column)
{
	PGresult *r = console_query("SHOW %s", what);
	int col = PQfnumber(r, column);
	const char *text = "";

	ck_assert_msg(col >= 0, "SHOW %s has no column %s", what, column);
	for (int i = 0; i < PQntuples(r); i++)
		if (matches(r, i, key)) {
			text = keep(PQgetvalue(r, i, col));
			break;
		}
	PQclear(r);
	return text;
}

int
show_rows(const char *what, const char *key)
{
	PGresult *r = console_query("SHOW %s", what);
	int n = 0;

	for (int i = 0; i < PQntuples(r); i++)
		n += matches(r, i, key);
	PQclear(r);
	return n;
}
