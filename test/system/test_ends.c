/*
 * The end of the process, from every state it can be in: none of them holds it
 * up for ever, and nobody loses what was to be finished.
 */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- where it begins ---- */

struct guests {
	struct pooler *p;
	PGconn *in; /* in a transaction; NULL: nobody is */
	PGconn *waits; /* has sent a query that is held up; NULL */
	PGconn *idle;
	PGconn *orders; /* a console with a command under way; NULL */
};

static void
enter(struct guests *g)
{
	g->in = client_open(" ");
	sql_ok(g->in, "BEGIN");
	sql_ok(g->in, "INSERT INTO ends VALUES (1)");
}

static void
wait_there(struct guests *g)
{
	g->waits = client_open(" ");
	sql_send(g->waits, "SELECT 1");
}

static void
as_ever(struct guests *g)
{
	enter(g);
}

static void
paused(struct guests *g)
{
	console_ok("PAUSE");
	wait_there(g);
}

static void
database_paused(struct guests *g)
{
	console_ok("PAUSE app");
	wait_there(g);
}

static void
paused_for_a_time(struct guests *g)
{
	console_ok("PAUSE app TIMEOUT 1h");
	console_ok("PAUSE TIMEOUT 2h");
	wait_there(g);
}

static void
pausing(struct guests *g)
{
	enter(g);
	g->orders = client_open("user=admin dbname=pgbouncer");
	sql_send(g->orders, "PAUSE");
	WAIT_UNTIL(strcmp(show_text("STATE", "key=paused", "value"), "yes") ==
		0, 5000);
}

static void
suspended(struct guests *g)
{
	g->waits = client_open(" ");
	enter(g);
	console_ok("SUSPEND");
	sql_send(g->waits, "SELECT 1");
}

static void
killed(struct guests *g)
{
	enter(g);
	console_ok("KILL app");
	PQfinish(g->in);
	PQfinish(g->idle);
	g->in = g->idle = NULL;
}

static void
disabled(struct guests *g)
{
	enter(g);
	console_ok("DISABLE app");
}

static void
waits_for_clients(struct guests *g)
{
	enter(g);
	console_ok("SHUTDOWN WAIT_FOR_CLIENTS");
}

static void
waits_for_servers(struct guests *g)
{
	enter(g);
	console_ok("SHUTDOWN WAIT_FOR_SERVERS");
}

static const struct state {
	const char *name;
	void (*make)(struct guests *g);
	bool ending; /* a signal is the second one */
} states[] = {
	{ "as ever", as_ever, false },
	{ "paused", paused, false },
	{ "database paused", database_paused, false },
	{ "paused for a time", paused_for_a_time, false },
	{ "pausing", pausing, false },
	{ "suspended", suspended, false },
	{ "killed", killed, false },
	{ "disabled", disabled, false },
	{ "waits for clients", waits_for_clients, true },
	{ "waits for servers", waits_for_servers, true },
};

/* ---- what is said ---- */

enum kind { NOW, CLIENTS, SERVERS };

static const struct order {
	const char *sql;
	int signal;
	const char *first; /* of two such signals: what the log says */
	enum kind kind;
} orders[] = {
	{ NULL, SIGTERM, NULL, CLIENTS },
	{ NULL, SIGINT, NULL, SERVERS },
	{ NULL, SIGTERM, "got SIGTERM, shutting down", NOW },
	{ NULL, SIGINT, "got SIGINT, shutting down", NOW },
	{ NULL, SIGQUIT, NULL, NOW },
	{ "SHUTDOWN", 0, NULL, NOW },
	{ "SHUTDOWN WAIT_FOR_CLIENTS", 0, NULL, CLIENTS },
	{ "SHUTDOWN WAIT_FOR_SERVERS", 0, NULL, SERVERS },
};

static void
say(const struct guests *g, const struct order *o)
{
	if (o->sql != NULL) {
		PQclear(sql_exec(console(), o->sql));
		return;
	}
	kill(g->p->pid, o->signal);
	if (o->first == NULL)
		return;
	WAIT_UNTIL(pooler_logged(g->p, o->first), 5000);
	kill(g->p->pid, o->signal);
}

/* ---- what comes of it ---- */

static void
commit(struct guests *g)
{
	if (g->in == NULL)
		return;
	ck_assert_int_eq(fx_wait_exit(g->p->pid, 0), -1);
	sql_ok(g->in, "INSERT INTO ends VALUES (2)");
	sql_ok(g->in, "COMMIT");
}

/* Who waits is served, and everybody may go on until he leaves. */
static void
clients_finish(struct guests *g)
{
	if (g->waits)
		sql_result_ok(g->waits, 10000);
	commit(g);
	if (g->idle)
		sql_ok(g->idle, "SELECT 1");
	ck_assert_int_eq(fx_wait_exit(g->p->pid, 0), -1);
	PQfinish(g->waits);
	PQfinish(g->in);
	PQfinish(g->idle);
	g->waits = g->in = g->idle = NULL;
	if (g->orders)
		PQfinish(g->orders);
	g->orders = NULL;
	console_close();
}

/* Transactions end; who waits for a server gets none. From a SUSPEND his query
 * may have come before. */
static void
servers_finish(struct guests *g, const struct state *s)
{
	PGresult *r = g->waits ? sql_result(g->waits, 10000) : NULL;

	if (r && (s->make != suspended ||
		PQresultStatus(r) != PGRES_TUPLES_OK))
		result_fails(r, "57P01", "server shutting down");
	PQclear(r);
	commit(g);
}

static void
run(const struct state *s, const struct order *o)
{
	struct guests g = { .p = pooler_start("worker_threads = 2\n"
	    "pidfile = @DIR@/pid\n[databases]\n"
	    "app = host=127.0.0.1 port=@PGPORT@ pool_size=3\n") };
	int rc;

	g.idle = client_open(" ");
	s->make(&g);
	say(&g, o);
	if (!s->ending || !o->signal) {
		if (o->kind == CLIENTS)
			clients_finish(&g);
		else if (o->kind == SERVERS)
			servers_finish(&g, s);
	}
	rc = fx_wait_exit(g.p->pid, 10000);
	ck_assert_msg(rc == 0, "%s, %s%s: status %d", s->name,
	    o->sql ? o->sql : strsignal(o->signal),
	    o->first ? " twice" : "", rc);
	g.p->pid = 0;
	console_close();
	PQfinish(g.in);
	PQfinish(g.waits);
	PQfinish(g.idle);
	PQfinish(g.orders);
}

START_TEST (every_state_comes_to_an_end) {
	const struct state *s = &states[_i];

	sql_ok(pg_direct("app"), "CREATE TABLE IF NOT EXISTS ends (i int); "
	    "GRANT ALL ON ends TO alice");
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		if (!s->ending || !orders[i].first)
			run(s, &orders[i]);
}
END_TEST

START_TEST (nothing_is_held_up_any_more_meanwhile) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	PGconn *c = client_open(" "), *other;

	sql_ok(c, "BEGIN");
	other = client_open("user=admin dbname=pgbouncer");
	sql_send(other, "PAUSE app");
	WAIT_UNTIL(show("DATABASES", "name=app", "paused") == 1, 5000);
	console_ok("SHUTDOWN WAIT_FOR_CLIENTS");
	result_fails(sql_result(other, 5000), "55000",
	    "PAUSE was ended by SHUTDOWN");
	sql_fails(console(), "PAUSE", "55000", "pooler is shutting down");
	sql_fails(console(), "PAUSE app", "55000", "pooler is shutting down");
	sql_fails(console(), "SUSPEND", "55000", "pooler is shutting down");
	sql_fails(console(), "RESUME", "55000", "pooler is shutting down");
	kill(p->pid, SIGUSR1);
	WAIT_UNTIL(pooler_logged(p, "got SIGUSR1 while shutting down, "
				    "ignoring"), 5000);
	sql_ok(c, "COMMIT");
	sql_ok(c, "SELECT 1");
	PQfinish(c);
	PQfinish(other);
	console_close();
	ck_assert_int_eq(fx_wait_exit(p->pid, 10000), 0);
	p->pid = 0;
}
END_TEST

START_TEST (progress_can_be_seen) {
	struct pooler *p = pooler_start("worker_threads = 2\n"
					"drain_timeout = 60\n");
	PGconn *c = client_open(" "), *d = client_open(" ");
	long left;

	ck_assert_int_eq(show_rows("STATE", "key=clients_left"), 0);
	sql_ok(c, "BEGIN");
	sql_ok(d, "BEGIN");
	console_ok("SHUTDOWN WAIT_FOR_CLIENTS");
	ck_assert_str_eq(show_text("STATE", "key=waiting_for", "value"),
	    "clients");
	ck_assert_str_eq(show_text("STATE", "key=clients_left", "value"),
	    "2");
	ck_assert_str_eq(show_text("STATE", "key=servers_left", "value"),
	    "2");
	left = strtol(show_text("STATE", "key=stops_in", "value"), NULL, 10);
	ck_assert_int_gt(left, 30);
	ck_assert_int_le(left, 60);
	PQfinish(d);
	WAIT_UNTIL(strcmp(show_text("STATE", "key=clients_left", "value"),
		       "1") == 0, 5000);
	WAIT_UNTIL(pooler_logged(p, "draining: 1 clients left"), 10000);
	PQfinish(c);
	ck_assert_int_eq(fx_wait_exit(p->pid, 10000), 0);
	p->pid = 0;
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ends");

	FX_ADD_LOOP(s, every_state_comes_to_an_end, 60,
	    sizeof(states) / sizeof(states[0]));
	FX_ADD(s, nothing_is_held_up_any_more_meanwhile, 30);
	FX_ADD(s, progress_can_be_seen, 30);
	return fx_main(s);
}
