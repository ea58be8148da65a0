/*
 * libpq itself, in pipeline mode, for the driver matrix. A cell is a function
 * that works on a connection of its own and gives NULL, or what went wrong.
 */
#include <libpq-fe.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 20

static int worker;
static char why[512];

/* Remembers the reason; to be returned by a cell. */
__attribute__((format(printf, 1, 2))) static const char *
wrong(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	for (char *p = why; *p != '\0'; p++)
		if (*p == '\n')
			*p = ' ';
	return why;
}

/* One statement outside a pipeline; its first value must be this one, unless
 * that is NULL. */
static const char *
gives(PGconn *c, const char *sql, const char *expected)
{
	PGresult *r = PQexec(c, sql);
	ExecStatusType status = PQresultStatus(r);
	const char *e = NULL;

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		e = wrong("%s: %s", sql, PQerrorMessage(c));
	else if (expected != NULL && (PQntuples(r) == 0 ||
				     strcmp(PQgetvalue(r, 0, 0), expected)))
		e = wrong("%s: %s, not %s", sql,
		    PQntuples(r) ? PQgetvalue(r, 0, 0) : "nothing", expected);
	PQclear(r);
	return e;
}

static PGresult *
next_result(PGconn *c)
{
	PGresult *r = PQgetResult(c);

	return r != NULL ? r : PQgetResult(c);
}

/* The next answer in the pipeline has this status, and this value if any. */
static const char *
answer(PGconn *c, ExecStatusType status, const char *value)
{
	PGresult *r = next_result(c);
	const char *e = NULL;

	if (PQresultStatus(r) != status)
		e = wrong("%s, not %s: %s", PQresStatus(PQresultStatus(r)),
		    PQresStatus(status), PQresultErrorMessage(r));
	else if (value != NULL && strcmp(PQgetvalue(r, 0, 0), value) != 0)
		e = wrong("%s, not %s", PQgetvalue(r, 0, 0), value);
	PQclear(r);
	return e;
}

static void
send_prepared(PGconn *c, const char *name, int value)
{
	char text[12];
	const char *values[] = { text };

	snprintf(text, sizeof(text), "%d", value);
	PQsendQueryPrepared(c, name, 1, values, NULL, NULL, 0);
}

/* Parse, and what uses it, in one batch; the same name in every process. */
static const char *
prepared(PGconn *c)
{
	const char *e = NULL;
	char sql[80], expected[24];

	snprintf(sql, sizeof(sql), "SELECT $1::int + %d000", worker);
	PQenterPipelineMode(c);
	PQsendPrepare(c, "q", sql, 0, NULL);
	PQsendDescribePrepared(c, "q");
	PQpipelineSync(c);
	e = answer(c, PGRES_COMMAND_OK, NULL);
	e = e ? e : answer(c, PGRES_COMMAND_OK, NULL);
	e = e ? e : answer(c, PGRES_PIPELINE_SYNC, NULL);
	for (int i = 0; i < ROUNDS && e == NULL; i++) {
		snprintf(expected, sizeof(expected), "%d",
		    worker * 1000 + i);
		send_prepared(c, "q", i);
		PQpipelineSync(c);
		e = answer(c, PGRES_TUPLES_OK, expected);
		e = e ? e : answer(c, PGRES_PIPELINE_SYNC, NULL);
	}
	return e;
}

/* Many batches under way at once; every third one fails in its middle. */
static const char *
pipeline(PGconn *c)
{
	const char *e = NULL;
	char expected[24];

	PQenterPipelineMode(c);
	PQsendPrepare(c, "q", "SELECT 100 / $1::int", 0, NULL);
	PQpipelineSync(c);
	for (int i = 0; i < ROUNDS; i++) {
		send_prepared(c, "q", i + 1);
		send_prepared(c, "q", i % 3 == 2 ? 0 : 1);
		send_prepared(c, "q", 50);
		PQpipelineSync(c);
	}
	e = answer(c, PGRES_COMMAND_OK, NULL);
	e = e ? e : answer(c, PGRES_PIPELINE_SYNC, NULL);
	for (int i = 0; i < ROUNDS && e == NULL; i++) {
		bool fails = i % 3 == 2;

		snprintf(expected, sizeof(expected), "%d", 100 / (i + 1));
		e = answer(c, PGRES_TUPLES_OK, expected);
		e = e ? e : answer(c, fails ? PGRES_FATAL_ERROR :
						PGRES_TUPLES_OK, NULL);
		e = e ? e : answer(c, fails ? PGRES_PIPELINE_ABORTED :
						PGRES_TUPLES_OK, NULL);
		e = e ? e : answer(c, PGRES_PIPELINE_SYNC, NULL);
	}
	return e;
}

static const char *
cursor(PGconn *c)
{
	const char *e;
	PGresult *r;
	int rows = 0, got;

	e = gives(c, "BEGIN", NULL);
	e = e ? e : gives(c, "DECLARE c CURSOR FOR "
			     "SELECT generate_series(1, 500)", NULL);
	if (e != NULL)
		return e;
	do {
		r = PQexecParams(c, "FETCH 50 FROM c", 0, NULL, NULL, NULL,
		    NULL, 1);
		got = PQntuples(r);
		rows += got;
		PQclear(r);
	} while (got > 0);
	return rows == 500 ? gives(c, "COMMIT", NULL) :
			     wrong("%d rows: %s", rows, PQerrorMessage(c));
}

static const char *
set(PGconn *c)
{
	const char *e;
	char sql[80], name[24], timeout[24];

	snprintf(name, sizeof(name), "w%d", worker);
	snprintf(timeout, sizeof(timeout), "1000%dms", worker);
	snprintf(sql, sizeof(sql), "SET application_name = '%s'", name);
	e = gives(c, sql, NULL);
	for (int i = 0; i < ROUNDS && e == NULL; i++) {
		e = gives(c, "SHOW application_name", name);
		e = e ? e : gives(c, "SHOW lock_timeout", timeout);
	}
	return e;
}

static const char *
make_table(PGconn *c)
{
	char sql[160];

	snprintf(sql, sizeof(sql),
	    "DROP TABLE IF EXISTS m_%d; CREATE TABLE m_%d (id int)", worker,
	    worker);
	return gives(c, sql, NULL);
}

static const char *
transaction(PGconn *c)
{
	const char *e = make_table(c);
	char sql[160];

	for (int i = 0; i < ROUNDS && e == NULL; i++) {
		snprintf(sql, sizeof(sql), "INSERT INTO m_%d VALUES (%d)",
		    worker, i);
		e = gives(c, "BEGIN", NULL);
		e = e ? e : gives(c, sql, NULL);
		e = e ? e : gives(c, "COMMIT", NULL);
		snprintf(sql, sizeof(sql), "BEGIN; DELETE FROM m_%d", worker);
		e = e ? e : gives(c, sql, NULL);
		PQclear(PQexec(c, "SELECT 1/0"));
		if (e == NULL && PQtransactionStatus(c) != PQTRANS_INERROR)
			e = wrong("not in a failed transaction");
		e = e ? e : gives(c, "ROLLBACK", NULL);
	}
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM m_%d", worker);
	return e ? e : gives(c, sql, "20");
}

/* Hears itself; *pid is who is said to have spoken. */
static const char *
hear(PGconn *c, int *pid)
{
	const char *e;
	char sql[80], channel[24];
	PGnotify *note;

	snprintf(channel, sizeof(channel), "ch_%d", worker);
	snprintf(sql, sizeof(sql), "LISTEN %s", channel);
	e = gives(c, sql, NULL);
	snprintf(sql, sizeof(sql), "NOTIFY %s, 'hello'", channel);
	e = e ? e : gives(c, sql, NULL);
	if (e != NULL)
		return e;
	while ((note = PQnotifies(c)) == NULL) {
		struct pollfd p = { .fd = PQsocket(c), .events = POLLIN };

		if (poll(&p, 1, 20000) != 1 || !PQconsumeInput(c))
			return wrong("no notification");
	}
	if (strcmp(note->relname, channel) != 0 ||
	    strcmp(note->extra, "hello") != 0)
		e = wrong("%s %s", note->relname, note->extra);
	*pid = note->be_pid;
	PQfreemem(note);
	return e;
}

static const char *
listen_notify(PGconn *c)
{
	int pid;

	return hear(c, &pid);
}

/* Applications skip their own notifications by this. */
static const char *
own_pid(PGconn *c)
{
	int pid = 0;
	const char *e = hear(c, &pid);

	if (e == NULL && pid != PQbackendPID(c))
		e = wrong("notified by %d, not %d", pid, PQbackendPID(c));
	return e;
}

static const char *
copy(PGconn *c)
{
	const char *e = make_table(c);
	char sql[80], *line;
	int lines = 0;

	if (e != NULL)
		return e;
	snprintf(sql, sizeof(sql), "COPY m_%d FROM STDIN", worker);
	PQclear(PQexec(c, sql));
	for (int i = 0; i < 1000; i++)
		if (PQputCopyData(c, "7\n", 2) != 1)
			return wrong("%s", PQerrorMessage(c));
	PQputCopyEnd(c, NULL);
	e = answer(c, PGRES_COMMAND_OK, NULL);
	PQclear(PQgetResult(c));
	snprintf(sql, sizeof(sql), "COPY m_%d TO STDOUT", worker);
	PQclear(PQexec(c, sql));
	for (; e == NULL && PQgetCopyData(c, &line, 0) > 0; lines++)
		PQfreemem(line);
	if (e == NULL && lines != 1000)
		e = wrong("%d lines: %s", lines, PQerrorMessage(c));
	return e;
}

static const char *
cancel(PGconn *c)
{
	PGcancel *request = PQgetCancel(c);
	struct pollfd p = { .fd = PQsocket(c), .events = POLLIN };
	PGresult *r;
	const char *state, *e = NULL;
	char text[256];

	PQsendQuery(c, "SELECT pg_sleep(30)");
	/* A request that comes before the statement does nothing. */
	while (poll(&p, 1, 200) == 0)
		if (!PQcancel(request, text, sizeof(text)))
			e = wrong("%s", text);
	PQfreeCancel(request);
	r = PQgetResult(c);
	state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	if (e == NULL && (state == NULL || strcmp(state, "57014") != 0))
		e = wrong("not cancelled: %s", PQerrorMessage(c));
	PQclear(r);
	PQclear(PQgetResult(c));
	return e ? e : gives(c, "SELECT 7", "7");
}

static const char *
lock(PGconn *c)
{
	const char *e;
	char sql[80];

	snprintf(sql, sizeof(sql), "SELECT pg_advisory_lock(%d)", worker);
	e = gives(c, sql, NULL);
	for (int i = 0; i < 5 && e == NULL; i++)
		e = gives(c, "SELECT 1", "1");
	snprintf(sql, sizeof(sql), "SELECT pg_advisory_unlock(%d)", worker);
	return e ? e : gives(c, sql, "t");
}

static void
run(const char *name, const char *(*cell)(PGconn *))
{
	char conninfo[200];
	const char *e;
	PGconn *c;

	snprintf(conninfo, sizeof(conninfo),
	    "host=%s port=%s dbname=app user=alice", getenv("APP_HOST"),
	    getenv("APP_PORT"));
	c = PQconnectdb(conninfo);
	e = PQstatus(c) == CONNECTION_OK ? cell(c) :
					   wrong("%s", PQerrorMessage(c));
	printf("cell %s %s\n", name, e == NULL ? "ok" : e);
	fflush(stdout);
	PQfinish(c);
}

int
main(void)
{
	worker = atoi(getenv("APP_WORKER"));
	run("prepared", prepared);
	run("pipeline", pipeline);
	run("cursor", cursor);
	run("set", set);
	run("txn", transaction);
	run("listen", listen_notify);
	run("copy", copy);
	run("cancel", cancel);
	run("lock", lock);
	if (strstr(getenv("APP_SKIP"), " ownpid ") == NULL)
		run("ownpid", own_pid);
	puts("done");
	return 0;
}
