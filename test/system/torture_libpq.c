/* Clients that use libpq, as most do. */
#include "torture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define ASIDE                                     \
	", current_setting('application_name'), " \
	"coalesce(current_setting('torture.me', true), '')"

static void
be_silent(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

static PGconn *
lq_open(struct peer *p)
{
	char info[300];
	PGconn *c;

	p->incarnation++;
	p->cancelled = false;
	snprintf(p->who, sizeof(p->who), "T%d.%u.", p->slot, p->incarnation);
	snprintf(p->app, sizeof(p->app), "%sapp", p->who);
	snprintf(info, sizeof(info),
	    "host=127.0.0.1 port=%d user=%s dbname=%s "
	    "application_name=%s gssencmode=disable sslmode=%s",
	    trial.port, rng_chance(&p->rng, 80) ? "alice" : "bob",
	    mode_db[p->mode], p->app,
	    rng_chance(&p->rng, 50) ? "prefer" : "disable");
	c = PQconnectdb(info);
	PQsetNoticeProcessor(c, be_silent, NULL);
	atomic_fetch_add(&trial.logins, 1);
	return c;
}

/* True when the result is what was hoped for; else says what it may be. */
static bool
lq_good(struct peer *p, PGconn *c, const PGresult *r, ExecStatusType hoped)
{
	const char *state, *text;

	if (r != NULL && PQresultStatus(r) == hoped)
		return true;
	state = r != NULL ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
	text = r != NULL ? PQresultErrorMessage(r) : PQerrorMessage(c);
	if (p->cancelled && state != NULL && strcmp(state, "57014") == 0) {
		atomic_fetch_add(&trial.cancelled, 1);
		return false;
	}
	if (trial.kills &&
	    (PQstatus(c) == CONNECTION_BAD ||
		(state != NULL &&
		    (strncmp(state, "57P0", 4) == 0 ||
			strncmp(state, "08", 2) == 0)))) {
		atomic_fetch_add(&trial.lost, 1);
		return false;
	}
	trial_fail("%s libpq: %s %s", p->who, state != NULL ? state : "", text);
	return false;
}

static bool
lq_row(struct peer *p, const PGresult *r, int row, unsigned seq)
{
	char token[48];

	snprintf(token, sizeof(token), "%s%u", p->who, seq);
	atomic_fetch_add(&trial.answers, 1);
	if (strcmp(PQgetvalue(r, row, 0), token) == 0 &&
	    strcmp(PQgetvalue(r, row, 1), p->app) == 0 &&
	    strcmp(PQgetvalue(r, row, 2), "") == 0)
		return true;
	trial_fail("%s FOREIGN ANSWER (libpq): expected %s, %s and got %s, %s, "
		   "\"%s\"",
	    p->who, token, p->app, PQgetvalue(r, row, 0), PQgetvalue(r, row, 1),
	    PQgetvalue(r, row, 2));
	return false;
}

/* Takes the result. */
static bool
lq_check(struct peer *p, PGconn *c, PGresult *r, unsigned seq)
{
	bool good = lq_good(p, c, r, PGRES_TUPLES_OK) && lq_row(p, r, 0, seq);

	PQclear(r);
	return good;
}

static bool
lq_exec(struct peer *p, PGconn *c)
{
	char sql[300];

	snprintf(sql, sizeof(sql), "SELECT '%s%u'" ASIDE, p->who, ++p->seq);
	return lq_check(p, c, PQexec(c, sql), p->seq);
}

static bool
lq_exec_params(struct peer *p, PGconn *c)
{
	char token[48];
	const char *value = token;

	snprintf(token, sizeof(token), "%s%u", p->who, ++p->seq);
	return lq_check(p, c,
	    PQexecParams(c, "SELECT $1::text" ASIDE, 1, NULL, &value, NULL,
		NULL, 0),
	    p->seq);
}

static bool
lq_pipeline(struct peer *p, PGconn *c)
{
	unsigned i, n = 1 + rng_below(&p->rng, 10), first = p->seq + 1;
	bool good = true;
	char token[48];
	const char *value = token;
	PGresult *r;

	PQenterPipelineMode(c);
	for (i = 0; i < n; i++) {
		snprintf(token, sizeof(token), "%s%u", p->who, ++p->seq);
		PQsendQueryParams(c, "SELECT $1::text" ASIDE, 1, NULL, &value,
		    NULL, NULL, 0);
		PQpipelineSync(c);
	}
	for (i = 0; i < n && good; i++) {
		good = lq_check(p, c, PQgetResult(c), first + i);
		PQclear(PQgetResult(c)); /* the NULL between results */
		if (good) {
			r = PQgetResult(c);
			good = lq_good(p, c, r, PGRES_PIPELINE_SYNC);
			PQclear(r);
		}
	}
	return good && PQexitPipelineMode(c) == 1;
}

static bool
lq_prepared(struct peer *p, PGconn *c)
{
	unsigned i, n = 1 + rng_below(&p->rng, 20);
	char token[48];
	const char *value = token;
	bool good;
	PGresult *r;

	if (p->mode != MODE_SESSION)
		return lq_exec_params(p, c);
	r = PQprepare(c, "p", "SELECT $1::text" ASIDE, 1, NULL);
	good = lq_good(p, c, r, PGRES_COMMAND_OK);
	PQclear(r);
	for (i = 0; i < n && good; i++) {
		snprintf(token, sizeof(token), "%s%u", p->who, ++p->seq);
		good = lq_check(p, c,
		    PQexecPrepared(c, "p", 1, &value, NULL, NULL, 0), p->seq);
	}
	r = good ? PQexec(c, "DEALLOCATE p") : NULL;
	good = good && lq_good(p, c, r, PGRES_COMMAND_OK);
	PQclear(r);
	return good;
}

static bool
lq_copy_out(struct peer *p, PGconn *c)
{
	unsigned n = 1 + rng_below(&p->rng, 200), i = 0, first = p->seq + 1;
	char sql[200], want[48], *line;
	PGresult *r;
	bool good;

	snprintf(sql, sizeof(sql),
	    "COPY (SELECT '%s' || i FROM "
	    "generate_series(%u, %u) i) TO STDOUT",
	    p->who, first, first + n - 1);
	p->seq += n;
	r = PQexec(c, sql);
	good = lq_good(p, c, r, PGRES_COPY_OUT);
	PQclear(r);
	if (!good)
		return false;
	while (PQgetCopyData(c, &line, 0) > 0) {
		snprintf(want, sizeof(want), "%s%u\n", p->who, first + i++);
		if (strcmp(line, want) != 0)
			trial_fail("%s FOREIGN LINE of COPY: %s", p->who, line);
		PQfreemem(line);
	}
	r = PQgetResult(c);
	good = lq_good(p, c, r, PGRES_COMMAND_OK);
	PQclear(r);
	PQclear(PQgetResult(c));
	if (good && i != n)
		trial_fail("%s %u lines of %u", p->who, i, n);
	return good;
}

static bool
lq_cancel(struct peer *p, PGconn *c)
{
	PGcancel *cancel = PQgetCancel(c);
	char error[256];
	PGresult *r, *last = NULL;
	bool good;

	if (cancel == NULL ||
	    PQsendQuery(c,
		"SET LOCAL statement_timeout = "
		"3000; SELECT pg_sleep(10)") != 1) {
		PQfreeCancel(cancel);
		return lq_good(p, c, NULL, PGRES_TUPLES_OK);
	}
	p->cancelled = true;
	fx_pause_ms((int)rng_below(&p->rng, 40));
	if (PQcancel(cancel, error, sizeof(error)) != 1)
		trial_fail("%s PQcancel: %s", p->who, error);
	PQfreeCancel(cancel);
	while ((r = PQgetResult(c)) != NULL) {
		PQclear(last);
		last = r;
	}
	good = lq_good(p, c, last, PGRES_TUPLES_OK);
	PQclear(last);
	return good || PQstatus(c) == CONNECTION_OK;
}

void *
live_libpq(void *arg)
{
	static bool (*const acts[])(struct peer *, PGconn *) = {
		lq_exec,
		lq_exec_params,
		lq_pipeline,
		lq_prepared,
		lq_copy_out,
		lq_cancel,
		lq_exec,
		lq_exec_params,
		lq_pipeline,
	};
	struct peer *p = arg;
	unsigned n;
	PGconn *c;

	while (!atomic_load(&trial.stop)) {
		c = lq_open(p);
		n = rng_below(&p->rng, 10);
		if (PQstatus(c) != CONNECTION_OK) {
			if (!trial.kills)
				trial_fail("%s libpq: %s", p->who,
				    PQerrorMessage(c));
			atomic_fetch_add(&trial.lost, 1);
			n = 0;
		}
		while (n-- > 0 && !atomic_load(&trial.stop))
			if (!acts[rng_below(&p->rng,
				sizeof(acts) / sizeof(acts[0]))](p, c))
				break;
		PQfinish(c);
	}
	return NULL;
}
