/*
 * Commands of the console at random, several at a time, while clients work:
 * whatever the order, nobody hangs, every command is answered, and at the end
 * every client gets through.
 *
 *	HOLD_OPS	how many commands (default 150; make interleave: 1000)
 *	HOLD_SEED	which ones (default 1); a failure names it
 */
#include "fixture.h"
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONSOLES 3
#define CLIENTS 8

static uint32_t seed;

static uint32_t
dice(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return seed / 65536 % n;
}

static long
from_env(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? atol(text) : otherwise;
}

static const char *const commands[] = {
	"PAUSE",
	"PAUSE app",
	"PAUSE app2",
	"PAUSE app TIMEOUT 20ms",
	"PAUSE TIMEOUT 20ms",
	"RESUME",
	"RESUME app",
	"RESUME app2",
	"KILL",
	"KILL app",
	"KILL app2",
	"RELOAD",
	"RECONNECT",
	"RECONNECT app",
	"DISABLE app",
	"ENABLE app",
	"DISABLE app2",
	"ENABLE app2",
	"WAIT_CLOSE",
	"WAIT_CLOSE app2",
	"SUSPEND",
	"SHOW CLIENTS",
	"SHOW POOLS",
	"SHOW WAITERS",
	"SHOW HOLDERS",
	"SHOW STATS",
	"SET query_wait_timeout = 60",
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

struct seat {
	PGconn *c;
	const char *running; /* NULL: nothing */
};

/* The errors that an order out of turn may get; none of them ends a session. */
static void
check_answer(struct seat *s)
{
	PGresult *r;

	while ((r = PQgetResult(s->c)) != NULL) {
		const char *state = error_field(r, PG_DIAG_SQLSTATE);

		if (PQresultStatus(r) == PGRES_FATAL_ERROR)
			ck_assert_msg(strcmp(state, "55000") == 0 ||
				strcmp(state, "57014") == 0,
			    "%s: %s", s->running, PQresultErrorMessage(r));
		PQclear(r);
	}
	ck_assert_msg(PQstatus(s->c) == CONNECTION_OK, "%s: connection lost",
	    s->running);
	s->running = NULL;
}

/* Nobody is accepted then, not even a request to cancel something. */
static bool
may_be_suspended(const struct seat *seats)
{
	for (int i = 0; i < CONSOLES; i++)
		if (seats[i].running != NULL &&
		    strcmp(seats[i].running, "SUSPEND") == 0)
			return true;
	return show_rows("STATE", "key=suspended&value=yes") > 0;
}

/* One that waits gets a moment; then Ctrl-C, or others go on meanwhile. */
static void
act(struct seat *seats)
{
	struct seat *s = &seats[dice(CONSOLES)];
	PGcancel *handle;
	char text[256];

	if (s->running != NULL && sql_done(s->c))
		check_answer(s);
	if (s->running == NULL) {
		s->running = commands[dice(N_COMMANDS)];
		sql_send(s->c, "%s", s->running);
	} else if (dice(4) == 0 && !may_be_suspended(seats)) {
		handle = PQgetCancel(s->c);
		if (PQcancel(handle, text, sizeof(text)))
			WAIT_UNTIL(sql_done(s->c), 20000);
		PQfreeCancel(handle);
	}
	if (dice(3) == 0)
		fx_pause_ms((int)dice(10));
}

/* Whoever is in the way at the end is taken out of it. */
static void
settle(struct seat *seats)
{
	static const char *const undo[] = { "RESUME", "RESUME app",
		"RESUME app2", "ENABLE app", "ENABLE app2" };

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < sizeof(undo) / sizeof(undo[0]); i++)
			PQclear(PQexec(console(), undo[i]));
		for (int i = 0; i < CONSOLES; i++)
			if (seats[i].running != NULL) {
				WAIT_UNTIL(sql_done(seats[i].c), 20000);
				check_answer(&seats[i]);
			}
	}
}

static bool
all_moved_on(const struct load *l, const long *from)
{
	for (int i = 0; i < CLIENTS; i++)
		if (load_done_by(l, i) < from[i] + 5)
			return false;
	return true;
}

START_TEST (no_order_of_commands_loses_a_client) {
	static const char *const who[] = { "dbname=app", "dbname=app2" };
	struct load_plan plan = { .clients = CLIENTS, .conninfos = who,
		.n_conninfos = 2, .sql = "BEGIN; SELECT pg_sleep(0); COMMIT",
		.per_connection = 50, .may_fail = true };
	long ops = from_env("HOLD_OPS", 150), from[CLIENTS];
	struct seat seats[CONSOLES] = { 0 };
	struct load *load;

	seed = (uint32_t)from_env("HOLD_SEED", 1) * 7919 + (uint32_t)_i;
	fprintf(stderr, "HOLD_SEED=%ld, run %d\n", from_env("HOLD_SEED", 1),
	    _i);
	pooler_start("worker_threads = %d\ndefault_pool_size = 3\n"
		     "suspend_timeout = 1\nlog_connections = 0\n"
		     "log_disconnections = 0\nlog_pooler_errors = 0\n"
		     "[databases]\n"
		     "app = host=127.0.0.1 port=@PGPORT@\n"
		     "app2 = host=127.0.0.1 port=@PGPORT@ dbname=app\n",
	    1 + 2 * _i);
	for (int i = 0; i < CONSOLES; i++)
		seats[i].c = client_open("user=admin dbname=pgbouncer");
	console_ok("SHOW VERSION");
	load = load_start(&plan);
	for (long i = 0; i < ops; i++)
		act(seats);
	settle(seats);
	for (int i = 0; i < CLIENTS; i++)
		from[i] = load_done_by(load, i);
	WAIT_UNTIL(all_moved_on(load, from), 30000);
	ck_assert_int_eq(show_rows("STATE", "key=paused&value=yes") +
		show_rows("STATE", "key=active&value=yes"),
	    1);
	load_stop(load);
	/* Nothing is left over. */
	WAIT_UNTIL(show("POOLS", NULL, "cl_waiting") == 0 &&
		show("POOLS", "database=app", "cl_active") == 0 &&
		show("POOLS", NULL, "sv_active") == 0,
	    10000);
	ck_assert_int_le(pg_int("SELECT count(*) FROM pg_stat_activity "
				"WHERE usename = 'alice'"),
	    6);
	console_ok("RECONNECT");
	console_ok("WAIT_CLOSE");
	for (int i = 0; i < CONSOLES; i++)
		PQfinish(seats[i].c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("interleave");

	FX_ADD_LOOP(s, no_order_of_commands_loses_a_client, 600, 2);
	return fx_main(s);
}
