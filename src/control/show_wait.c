/*
 * show_wait: who waits and for what (WAITERS), who has what they wait for
 * (HOLDERS), and how the workers fare (WORKERS).
 */
#include <inttypes.h>

#include "control/show_tables.h"

static void
put_who(struct rows *r, const struct conn_info *i)
{
	char text[ADDR_TEXT];

	rows_uint(r, i->id);
	rows_text(r, i->database);
	rows_text(r, i->user);
	rows_text(r, i->application_name != NULL ? i->application_name : "");
	addr_host(&i->peer, text, sizeof(text));
	rows_text(r, text);
	rows_int(r, i->peer.port);
}

/* Seconds, with fraction; NULL if it has not begun. */
static void
put_since(struct rows *r, struct worker *w, usec_t at)
{
	usec_t now = loop_now(worker_loop(w));

	if (at == 0)
		rows_null(r);
	else
		rows_textf(r, "%.3f",
		    now > at ? (double)(now - at) / USEC_PER_SEC : 0.0);
}

/* ---- SHOW WAITERS ---- */

static const struct rows_column waiter_columns[] = {
	{ "id", COL_INT8, "Of the client; what KILL_CLIENT takes." },
	{ "database", COL_TEXT, "" },
	{ "user", COL_TEXT, "Login name." },
	{ "application_name", COL_TEXT, "" },
	{ "addr", COL_TEXT, "Of the client." },
	{ "port", COL_INT4, "Of the client." },
	{ "waited", COL_TEXT, "Seconds." },
	{ "wants", COL_TEXT,
	    "server; or welcome: what the server tells a client at login, "
	    "which is not known yet." },
	{ "limit", COL_TEXT,
	    "What holds it up: the name of a setting; paused; server_down; or "
	    "none: a server is on its way." },
	{ "detail", COL_TEXT, "How that limit is used up." },
	{ "worker", COL_INT4, "Worker thread it is on." },
};

static void
add_waiter(struct rows *r, struct worker *w, const struct conn_info *i)
{
	struct wait_info wait;

	if (!worker_describe_wait(i->ptr, &wait))
		return;
	rows_add(r, i->id);
	put_who(r, i);
	put_since(r, w, wait.since_us);
	rows_text(r, wait.welcome ? "welcome" : "server");
	rows_text(r, wait.bind.limit);
	rows_text(r, wait.bind.detail);
	rows_int(r, i->worker);
}

static void
run_waiters(struct order *q)
{
	show_conns(q, SHOW_OVER_CLIENTS, add_waiter, order_finish);
}

const struct show show_waiters = {
	.name = "WAITERS",
	.readers = true,
	.columns = waiter_columns,
	.n_columns = ARRAY_LEN(waiter_columns),
	.run = run_waiters,
	.help = "The clients that wait for a server, and the limit that each "
		"of them is up against.",
};

/* ---- SHOW HOLDERS ---- */

static const struct rows_column holder_columns[] = {
	{ "id", COL_INT8, "Of the server." },
	{ "database", COL_TEXT, "" },
	{ "user", COL_TEXT, "At the server." },
	{ "remote_pid", COL_INT4, "Of the server's backend." },
	{ "state", COL_TEXT,
	    "executing; idle in transaction; idle in transaction (aborted); "
	    "idle in session; client is not reading; client has gone; "
	    "replaying settings; or, without a client, the state of the "
	    "server." },
	{ "since", COL_TEXT, "Seconds in that state; NULL: not known." },
	{ "transaction", COL_TEXT,
	    "Seconds since the transaction began; NULL: none is open." },
	{ "client_id", COL_INT8,
	    "NULL: held by the pooler itself, for a login, a check or the end "
	    "of what a client has left." },
	{ "client_user", COL_TEXT, "Login name." },
	{ "application_name", COL_TEXT, "Of the client." },
	{ "client_addr", COL_TEXT, "" },
	{ "client_port", COL_INT4, "" },
	{ "worker", COL_INT4, "Worker thread it is on." },
	{ "fingerprint", COL_TEXT,
	    "Of the query that runs, as in the log of slow queries; NULL: none "
	    "runs, or log_min_duration is off." },
};

static void
put_client(struct rows *r, struct worker *w, const struct client *c)
{
	struct conn_info i;
	char text[ADDR_TEXT];

	if (c == NULL) {
		rows_null(r);
		rows_null(r);
		rows_null(r);
		rows_null(r);
		rows_null(r);
		return;
	}
	worker_describe_client(w, c, &i);
	rows_uint(r, i.id);
	rows_text(r, i.user);
	rows_text(r, i.application_name);
	addr_host(&i.peer, text, sizeof(text));
	rows_text(r, text);
	rows_int(r, i.peer.port);
}

static void
add_holder(struct rows *r, struct worker *w, const struct conn_info *i)
{
	struct hold_info h;

	if (!worker_describe_hold(i->ptr, &h))
		return;
	rows_add(r, i->id);
	rows_uint(r, i->id);
	rows_text(r, i->database);
	rows_text(r, i->user);
	rows_int(r, i->remote_pid);
	rows_text(r, h.state);
	put_since(r, w, h.since_us);
	put_since(r, w, h.xact_us);
	put_client(r, w, h.client);
	rows_int(r, i->worker);
	if (h.fingerprint != 0)
		rows_textf(r, "%016" PRIx64, h.fingerprint);
}

static void
run_holders(struct order *q)
{
	show_conns(q, SHOW_OVER_SERVERS, add_holder, order_finish);
}

const struct show show_holders = {
	.name = "HOLDERS",
	.readers = true,
	.columns = holder_columns,
	.n_columns = ARRAY_LEN(holder_columns),
	.run = run_holders,
	.help = "The servers that are not idle: who has them, doing what, for "
		"how long.",
};

/* ---- SHOW WORKERS ---- */

static const struct rows_column worker_columns[] = {
	{ "worker", COL_INT4, "" },
	{ "connections", COL_INT4, "Clients of any kind, logins included." },
	{ "turns", COL_INT8, "Turns of its event loop." },
	{ "longest_turn_us", COL_INT8,
	    "Microseconds of CPU time of the longest turn that did more than "
	    "pass on bytes: a command of the console, a RELOAD, a timer." },
};

static void
visit_worker(struct worker *w, struct rows *r)
{
	rows_add(r, (uint64_t)worker_index(w) + 1);
	rows_int(r, worker_index(w));
	rows_int(r, worker_load(w));
	rows_uint(r, loop_turns(worker_loop(w)));
	rows_int(r, loop_longest_turn(worker_loop(w)));
}

static void
run_workers(struct order *q)
{
	show_gather(q, visit_worker, order_finish);
}

const struct show show_workers = {
	.name = "WORKERS",
	.readers = true,
	.columns = worker_columns,
	.n_columns = ARRAY_LEN(worker_columns),
	.run = run_workers,
	.help = "The worker threads.",
};
