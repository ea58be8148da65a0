/*
 * show_conns: the tables that list connections, one row each: clients,
 * servers, sockets. Console sessions are clients too.
 */
#include "control/listener.h"
#include "control/show_tables.h"
#include "proto/journal.h"

#define CONN_COLUMNS                                                           \
	{ "type", COL_TEXT, "C for a client, S for a server." },               \
	    { "user", COL_TEXT,                                                \
		    "Login name; (nouser) while it is not known." },           \
	    { "database", COL_TEXT,                                            \
		    "Database as clients call it; (nodb) while it is not "     \
		    "known." },                                                \
	    { "replication", COL_TEXT, "none, logical or physical." },         \
	    { "state", COL_TEXT, "See STATES." },                              \
	    { "addr", COL_TEXT,                                                \
		    "Address of the peer; unix for a Unix socket." },          \
	    { "port", COL_INT4, "Port of the peer." },                         \
	    { "local_addr", COL_TEXT, "Address on this side." },               \
	    { "local_port", COL_INT4, "Port on this side." },                  \
	    { "connect_time", COL_TEXT, "When it connected, in local time." }, \
	    { "request_time", COL_TEXT, "When its last query began." },        \
	    { "wait", COL_INT4,                                                \
		    "Whole seconds since the current query began." },          \
	    { "wait_us", COL_INT4, "The rest of it, in microseconds." },       \
	    { "close_needed", COL_INT4, "1: it is closed at its release." },   \
	    { "ptr", COL_TEXT, "Address of the object, for debugging." },      \
	    { "link", COL_TEXT, "ptr of the partner it is linked to." },       \
	    { "remote_pid", COL_INT4,                                          \
		    "Process of the peer: of a Unix socket's client, or of "   \
		    "the "                                                     \
		    "server's backend." },                                     \
	    { "tls", COL_TEXT, "Empty: the connection is plain." },            \
	    { "application_name", COL_TEXT, "As the client gave it." },        \
	    { "prepared_statements", COL_INT4, "As many as it has." },         \
	{                                                                      \
		"id", COL_INT4, "Never used twice; what KILL_CLIENT takes."    \
	}

#define WORKER_COLUMN                                                     \
	{                                                                 \
		"worker", COL_INT4,                                       \
		    "Worker thread it is on; NULL for the main thread's." \
	}

static const struct rows_column conn_columns[] = {
	CONN_COLUMNS,
	WORKER_COLUMN,
	{ "pinned", COL_TEXT,
	    "Why the client keeps its server (temp, cursor, lock, listen, "
	    "load, seed, state; see session_state)." },
};

static const struct rows_column socket_columns[] = {
	CONN_COLUMNS,
	{ "recv_pos", COL_INT4, "Always 0." },
	{ "pkt_pos", COL_INT4, "Always 0." },
	{ "pkt_remain", COL_INT4, "Always 0." },
	{ "send_pos", COL_INT4, "Always 0." },
	{ "send_remain", COL_INT4, "Bytes that wait to be sent." },
	{ "pkt_avail", COL_INT4, "Bytes read and not yet passed on." },
	{ "send_avail", COL_INT4, "Always 0." },
	WORKER_COLUMN,
};

static void
put_addr(struct rows *r, const struct addr *a)
{
	char text[ADDR_TEXT];

	addr_host(a, text, sizeof(text));
	rows_text(r, text);
	rows_int(r, a->port);
}

static void
put_ptr(struct rows *r, const void *ptr)
{
	if (ptr != NULL)
		rows_textf(r, "%p", ptr);
	else
		rows_text(r, "");
}

static void
put_conn(struct rows *r, const struct conn_info *i, const char *state)
{
	rows_add(r, i->id);
	rows_text(r, i->is_server ? "S" : "C");
	rows_text(r, i->user);
	rows_text(r, i->database);
	rows_text(r, i->replication);
	rows_text(r, state);
	put_addr(r, &i->peer);
	put_addr(r, &i->local);
	show_time(r, i->connect_wall_us);
	show_time(r, i->request_wall_us);
	rows_seconds(r, i->wait_us);
	rows_int(r, i->close_needed);
	put_ptr(r, i->ptr);
	put_ptr(r, i->link);
	rows_int(r, i->remote_pid);
	rows_text(r, i->tls);
	rows_text(r, i->application_name != NULL ? i->application_name : "");
	rows_uint(r, i->prepared);
	rows_uint(r, i->id);
}

static void
put_worker(struct rows *r, const struct conn_info *i)
{
	if (i->worker < 0)
		rows_null(r);
	else
		rows_int(r, i->worker);
}

/* ---- SHOW CLIENTS, SHOW SERVERS ---- */

static void
add_conn(struct rows *r, struct worker *w, const struct conn_info *i)
{
	char pins[80];

	(void)w;
	put_conn(r, i, i->state);
	put_worker(r, i);
	pin_names(i->pins, pins, sizeof(pins));
	rows_text(r, pins);
}

/* ---- SHOW SOCKETS ---- */

static void
add_socket(struct rows *r, struct worker *w, const struct conn_info *i)
{
	(void)w;
	put_conn(r, i, i->socket_state);
	rows_int(r, 0);
	rows_int(r, 0);
	rows_int(r, 0);
	rows_int(r, 0);
	rows_uint(r, i->send_kept);
	rows_uint(r, i->recv_kept);
	rows_int(r, 0);
	put_worker(r, i);
}

static void
add_active_socket(struct rows *r, struct worker *w, const struct conn_info *i)
{
	if (i->send_kept > 0 || i->recv_kept > 0)
		add_socket(r, w, i);
}

/* ---- console sessions ---- */

static void
each_seat(struct plane *pl, struct rows *r,
    void (*fn)(struct rows *r, struct worker *w, const struct conn_info *i))
{
	usec_t now = loop_now(pl->hub->main_loop);
	struct seat *s;

	TAILQ_FOREACH (s, &pl->seats, link) {
		struct conn_info i = {
			.user = s->user,
			.database = CONSOLE_DATABASE,
			.replication = "none",
			/* It never has a server. */
			.state = "idle",
			.socket_state = "cl_active",
			.peer = s->peer,
			.local = s->local,
			.connect_wall_us = s->connect_wall_us,
			.request_wall_us = s->request_wall_us,
			.wait_us = s->request_us ? now - s->request_us : 0,
			.ptr = s,
			.remote_pid = (int)s->peer.pid,
			.application_name = s->application_name,
			.id = s->id,
			.logged_in = true,
			.worker = -1,
		};
		fn(r, NULL, &i);
	}
}

static void
finish_sorted(struct order *q)
{
	rows_sort(&q->rows);
	order_finish(q);
}

static void
add_seats(struct order *q)
{
	each_seat(q->plane, &q->rows, add_conn);
	finish_sorted(q);
}

static void
add_seat_sockets(struct order *q)
{
	each_seat(q->plane, &q->rows, add_socket);
	finish_sorted(q);
}

static void
run_clients(struct order *q)
{
	show_conns(q, SHOW_OVER_CLIENTS, add_conn, add_seats);
}

static void
run_servers(struct order *q)
{
	show_conns(q, SHOW_OVER_SERVERS, add_conn, order_finish);
}

static void
run_sockets(struct order *q)
{
	show_conns(q, SHOW_OVER_SOCKETS, add_socket, add_seat_sockets);
}

static void
run_active_sockets(struct order *q)
{
	show_conns(q, SHOW_OVER_SOCKETS, add_active_socket, order_finish);
}

const struct show show_clients = {
	.name = "CLIENTS",
	.readers = true,
	.columns = conn_columns,
	.n_columns = ARRAY_LEN(conn_columns),
	.run = run_clients,
	.help = "The clients that have logged in, consoles included.",
};

const struct show show_servers = {
	.name = "SERVERS",
	.readers = true,
	.columns = conn_columns,
	.n_columns = ARRAY_LEN(conn_columns),
	.run = run_servers,
	.help = "The server connections.",
};

const struct show show_sockets = {
	.name = "SOCKETS",
	.readers = true,
	.columns = socket_columns,
	.n_columns = ARRAY_LEN(socket_columns),
	.run = run_sockets,
	.help = "All connections, also those that have not logged in yet. "
		"States are named as in the columns of SHOW POOLS.",
};

const struct show show_active_sockets = {
	.name = "ACTIVE_SOCKETS",
	.readers = true,
	.columns = socket_columns,
	.n_columns = ARRAY_LEN(socket_columns),
	.run = run_active_sockets,
	.help = "The connections for which bytes are held.",
};

/* ---- SHOW FDS ---- */

static const struct rows_column fd_columns[] = {
	{ "fd", COL_INT4, "NULL but for those of the pooler." },
	{ "task", COL_TEXT, "pooler (a listening socket), client or server." },
	{ "user", COL_TEXT, "" },
	{ "database", COL_TEXT, "" },
	{ "addr", COL_TEXT, "" },
	{ "port", COL_INT4, "" },
	{ "cancel", COL_INT8, "Always NULL: it is a secret." },
	{ "link", COL_INT4, "Always NULL." },
	{ "client_encoding", COL_TEXT, "Always NULL." },
	{ "std_strings", COL_TEXT, "Always NULL." },
	{ "datestyle", COL_TEXT, "Always NULL." },
	{ "timezone", COL_TEXT, "Always NULL." },
	{ "password", COL_TEXT, "Always NULL: it is a secret." },
	{ "scram_client_key", COL_BYTEA, "Always NULL: it is a secret." },
	{ "scram_server_key", COL_BYTEA, "Always NULL: it is a secret." },
};

static void
add_fd(struct rows *r, struct worker *w, const struct conn_info *i)
{
	(void)w;
	if (!i->logged_in)
		return;
	rows_add(r, i->id);
	rows_null(r);
	rows_text(r, i->is_server ? "server" : "client");
	rows_text(r, i->user);
	rows_text(r, i->database);
	put_addr(r, &i->peer);
}

static void
add_listening(void *arg, int fd, const struct addr *addr, const char *where)
{
	struct rows *r = arg;

	(void)where;
	rows_add(r, 0);
	rows_int(r, fd);
	rows_text(r, "pooler");
	rows_null(r);
	rows_null(r);
	put_addr(r, addr);
}

static void
add_listeners(struct order *q)
{
	listener_each(q->plane->listener, add_listening, &q->rows);
	finish_sorted(q);
}

static void
run_fds(struct order *q)
{
	show_conns(q, SHOW_OVER_SOCKETS, add_fd, add_listeners);
}

const struct show show_fds = {
	.name = "FDS",
	.columns = fd_columns,
	.n_columns = ARRAY_LEN(fd_columns),
	.run = run_fds,
	.help = "The connections, in the shape that a take-over by another "
		"process would ask for. Takeover is not supported: descriptors "
		"are not passed, and no secret is shown.",
};
