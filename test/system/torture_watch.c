/* Those who look on while the others are tortured, and one who kills. */
#include "torture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

PGconn *
direct_connection(const char *db)
{
	char port[12];
	const char *keys[] = { "host", "port", "user", "dbname", NULL };
	const char *values[] = { pg_socket_dir(), port, "postgres", db, NULL };
	PGconn *c;

	snprintf(port, sizeof(port), "%d", pg_port());
	c = PQconnectdbParams(keys, values, 0);
	if (PQstatus(c) != CONNECTION_OK)
		trial_fail("direct connection: %s", PQerrorMessage(c));
	return c;
}

/* Who they are, when there are too many or one of them lies about. */
static void
tell_backends(PGconn *c, const char *db)
{
	const char *values[] = { db };
	PGresult *r = PQexecParams(c,
	    "SELECT pid, usename, state, "
	    "application_name, now() - backend_start, now() - state_change, "
	    "left(query, 60) FROM pg_stat_activity WHERE datname = $1 AND "
	    "usename <> 'postgres'",
	    1, NULL, values, NULL, NULL, 0);
	int i;

	for (i = 0; i < PQntuples(r); i++)
		fprintf(stderr,
		    "torture:   pid %s %s %s app %s, up %s, so "
		    "for %s: %s\n",
		    PQgetvalue(r, i, 0), PQgetvalue(r, i, 1),
		    PQgetvalue(r, i, 2), PQgetvalue(r, i, 3),
		    PQgetvalue(r, i, 4), PQgetvalue(r, i, 5),
		    PQgetvalue(r, i, 6));
	PQclear(r);
}

/*
 * pg_stat_activity is no snapshot: it is read slot by slot. Whoever is held up
 * in the middle can see a backend that has gone since together with the one
 * that came in its place, so a look that took longer than the quickest login
 * is no evidence of a bound that was passed.
 */
#define QUICK_LOOK_MS 2.0

/* One database: what is wrong with its backends is told. */
static bool
check_database(const PGresult *r, int row)
{
	const char *db = PQgetvalue(r, row, 0);
	int n = atoi(PQgetvalue(r, row, 1));
	bool quick = atof(PQgetvalue(r, row, 4)) < QUICK_LOOK_MS;
	bool open = atoi(PQgetvalue(r, row, 2)) > 0;
	bool runs = atoi(PQgetvalue(r, row, 3)) > 0;

	if (n > BOUND && quick)
		trial_fail("OVER THE BOUND: %d servers of database %s, bound "
			   "%d (a look of %s ms)",
		    n, db, BOUND, PQgetvalue(r, row, 4));
	if (open)
		trial_fail("a transaction left open in database %s", db);
	if (runs)
		trial_fail("a query runs on for nobody in database %s", db);
	return (n > BOUND && quick) || open || runs;
}

/*
 * The oracle. Backends of each database; those that idle in a transaction for
 * longer than anybody here would; and those that run a query nobody can still
 * wait for, since the longest is cut off after 3 s.
 */
void *
watch_activity(void *unused)
{
	PGconn *c = direct_connection("postgres");
	char sql[800];
	PGresult *r;
	int i;

	(void)unused;
	snprintf(sql, sizeof(sql),
	    "SELECT datname, count(*), "
	    "count(*) FILTER (WHERE state LIKE 'idle in trans%%' AND "
	    "clock_timestamp() - state_change > interval '%d ms'), "
	    "count(*) FILTER (WHERE state = 'active' AND "
	    "clock_timestamp() - query_start > interval '%d ms'), "
	    "1000 * extract(epoch FROM clock_timestamp() - "
	    "statement_timestamp()) "
	    "FROM pg_stat_activity WHERE backend_type = 'client backend' "
	    "AND usename <> 'postgres' GROUP BY 1",
	    trial.grace_ms, trial.grace_ms + 3000);
	while (!atomic_load(&trial.stop)) {
		r = PQexec(c, sql);
		if (PQresultStatus(r) != PGRES_TUPLES_OK)
			trial_fail("sampler: %s", PQerrorMessage(c));
		for (i = 0; i < PQntuples(r); i++)
			if (check_database(r, i))
				tell_backends(c, PQgetvalue(r, i, 0));
		if (i > 0 && atof(PQgetvalue(r, 0, 4)) < QUICK_LOOK_MS)
			atomic_fetch_add(&trial.samples, 1);
		PQclear(r);
		fx_pause_ms(10);
	}
	PQfinish(c);
	return NULL;
}

void *
kill_servers(void *unused)
{
	PGconn *c = direct_connection("postgres");
	struct rng rng = { trial.seed ^ 0x6b696c6c };
	PGresult *r;

	(void)unused;
	while (!atomic_load(&trial.stop)) {
		fx_pause_ms(50 + (int)rng_below(&rng, 200));
		r = PQexec(c,
		    "SELECT pg_terminate_backend(pid) FROM "
		    "(SELECT pid FROM pg_stat_activity WHERE "
		    "backend_type = 'client backend' AND "
		    "usename <> 'postgres' ORDER BY random() LIMIT 1) s");
		if (PQresultStatus(r) == PGRES_TUPLES_OK)
			atomic_fetch_add(&trial.killed, PQntuples(r));
		PQclear(r);
	}
	PQfinish(c);
	return NULL;
}

/* --- the console, used while all this goes on --- */

static PGconn *
console_connection(void)
{
	char info[120];
	PGconn *c;

	snprintf(info, sizeof(info),
	    "host=127.0.0.1 port=%d user=admin "
	    "dbname=pgbouncer gssencmode=disable sslmode=disable",
	    trial.port);
	c = PQconnectdb(info);
	if (PQstatus(c) != CONNECTION_OK)
		trial_fail("console: %s", PQerrorMessage(c));
	return c;
}

static void
say(PGconn *c, const char *command)
{
	PGresult *r = PQexec(c, command);
	ExecStatusType got = PQresultStatus(r);

	if (got != PGRES_TUPLES_OK && got != PGRES_COMMAND_OK)
		trial_fail("console: %s: %s", command, PQerrorMessage(c));
	PQclear(r);
}

/* A pool never says that it has more than it may have. */
static void
check_pools(PGconn *c)
{
	static const char *const columns[] = { "sv_active", "sv_idle",
		"sv_used", "sv_tested", "sv_login" };
	PGresult *r = PQexec(c, "SHOW POOLS");
	int i, n, column;
	size_t k;

	for (i = 0; i < PQntuples(r); i++) {
		n = 0;
		for (k = 0; k < sizeof(columns) / sizeof(columns[0]); k++) {
			column = PQfnumber(r, columns[k]);
			n += column < 0 ? 0 : atoi(PQgetvalue(r, i, column));
		}
		if (n > BOUND)
			trial_fail("SHOW POOLS: %d servers in pool %s/%s", n,
			    PQgetvalue(r, i, 0), PQgetvalue(r, i, 1));
	}
	PQclear(r);
}

void *
watch_console(void *unused)
{
	static const char *const shows[] = { "SHOW CLIENTS", "SHOW SERVERS",
		"SHOW LISTS", "SHOW STATS", "SHOW SOCKETS", "SHOW DATABASES" };
	PGconn *c = console_connection();
	struct rng rng = { trial.seed ^ 0x636f6e73 };
	unsigned n = 0;

	(void)unused;
	while (!atomic_load(&trial.stop)) {
		check_pools(c);
		say(c, shows[rng_below(&rng, 6)]);
		if (++n % 10 == 0)
			say(c, "RELOAD");
		if (n % 25 == 0) {
			say(c, "PAUSE app");
			say(c, "RESUME app");
		}
		if (n % 40 == 0)
			say(c, "RECONNECT");
		fx_pause_ms(50);
	}
	PQfinish(c);
	return NULL;
}
