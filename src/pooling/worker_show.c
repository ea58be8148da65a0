/* What SHOW asks of a worker, and what single commands do to its clients. */
#include <string.h>

#include "worker_private.h"

/* ---- what SHOW asks ---- */

/* A monotonic moment as wall clock. */
static usec_t
to_wall(struct worker *w, usec_t at)
{
	return at ? clock_wall_us() - (loop_now(w->home.loop) - at) : 0;
}

static usec_t
since(struct worker *w, usec_t at)
{
	usec_t now = loop_now(w->home.loop);

	return at && now > at ? now - at : 0;
}

static void
describe_login(const struct client *c, struct conn_info *i)
{
	const struct login_result *r = login_result(c->login);

	if (r->user)
		i->user = r->user;
	if (r->database)
		i->database = r->database;
	i->application_name = r->application_name;
	i->replication = r->replication;
}

void
worker_describe_client(struct worker *w, const struct client *c,
    struct conn_info *i)
{
	const struct param_names *names = w->home.cfg->param_names;
	int app = param_index(names, "application_name");
	const struct pool_settings *set;

	memset(i, 0, sizeof(*i));
	i->user = "(nouser)";
	i->database = "(nodb)";
	i->replication = "none";
	i->application_name = "";
	stream_tls_text(&c->stream, i->tls, sizeof(i->tls));
	i->state = client_state_show(c);
	i->socket_state = client_state_socket(c);
	i->peer = c->peer;
	addr_of_socket(&i->local, c->stream.fd);
	i->connect_wall_us = c->connect_wall_us;
	i->ptr = c;
	i->id = c->id;
	i->worker = w->home.worker;
	i->remote_pid = (int)c->peer.pid;
	i->recv_kept = keep_len(&c->held);
	i->prepared = stmt_client_count(c->stmts);
	i->pins = c->relay ? relay_pins(c->relay) : 0;
	i->send_kept = stream_unsent(&c->stream);
	if (c->login)
		describe_login(c, i);
	if (!c->pool)
		return;
	set = c->pool->set;
	if (set->replication)
		i->replication = set->replication;
	i->logged_in = true;
	i->user = c->user->name;
	i->database = c->db->name;
	if (app >= 0 && c->params && param_get(c->params, (size_t)app))
		i->application_name = param_get(c->params, (size_t)app);
	i->request_wall_us = to_wall(w, c->request_us);
	if (c->state == CL_WAITING)
		i->wait_us = since(w, c->waiter.since_us);
	if (!c->relay)
		return;
	i->link = relay_server(c->relay);
	i->wait_us = since(w, relay_query_since(c->relay));
	i->request_wall_us = to_wall(w, relay_request_us(c->relay));
}

static const char *
socket_state(enum server_state st)
{
	switch (st) {
	case SV_CONNECTING:
	case SV_LOGIN:
		return "sv_login";
	case SV_IDLE:
		return "sv_idle";
	case SV_TESTED:
		return "sv_tested";
	case SV_ACTIVE:
	case SV_DRAINING:
	case SV_CANCELING:
	case SV_MIGRATING:
	case SV_CLOSING:
	case SV_CLOSED:
	case SV_STATES:
		break;
	}
	return "sv_active";
}

void
worker_describe_server(struct worker *w, const struct server *s,
    struct conn_info *i)
{
	const struct pool *p = s->pool;
	const struct pool_settings *set = p->set;
	int app = param_index(s->target->names, "application_name");

	memset(i, 0, sizeof(*i));
	i->is_server = true;
	i->user = s->target->user;
	i->database = s->target->database;
	i->replication = set->replication ? set->replication : "none";
	i->state = s->listens ? "listening" :
	    server_state_show(server_state(s));
	i->socket_state = socket_state(server_state(s));
	i->peer = s->addr;
	i->local = s->local;
	i->connect_wall_us = s->born_wall_us;
	i->request_wall_us = to_wall(w, s->request_us);
	i->wait_us = since(w, s->request_us);
	i->close_needed = server_state(s) == SV_CLOSING ||
	    s->generation != p->generation || s->moved;
	i->ptr = s;
	i->link = s->relay ? relay_client(s->relay) : NULL;
	i->remote_pid = (int)s->pid;
	if (s->stream.fd >= 0)
		stream_tls_text(&s->stream, i->tls, sizeof(i->tls));
	i->application_name = app >= 0 && param_get(s->params, (size_t)app) ?
	    param_get(s->params, (size_t)app) : "";
	i->id = s->id;
	i->logged_in = !s->login;
	i->recv_kept = keep_len(&s->in);
	i->prepared = stmt_server_count(s->stmts);
	i->pins = s->relay ? relay_pins(s->relay) : 0;
	i->send_kept = s->stream.fd >= 0 ? stream_unsent(&s->stream) : 0;
	i->worker = w->home.worker;
}

bool
worker_describe_wait(const struct client *c, struct wait_info *out)
{
	if (c->state != CL_WAITING && c->state != CL_GREET)
		return false;
	out->since_us = c->waiter.since_us;
	out->welcome = c->state == CL_GREET;
	pool_binding(c->pool, &out->bind);
	return true;
}

bool
worker_describe_hold(const struct server *s, struct hold_info *out)
{
	enum server_state st = server_state(s);
	struct relay_hold h;

	*out = (struct hold_info){ .state = server_state_name(st) };
	if (st == SV_IDLE)
		return false;
	if (st == SV_CONNECTING || st == SV_LOGIN) {
		out->since_us = s->born_us;
	} else if (s->listens) {
		out->state = "listening for clients";
		out->since_us = s->since_us;
	} else if (st != SV_ACTIVE || !s->relay) {
		out->since_us = s->since_us;
	} else {
		relay_describe(s->relay, &h);
		out->client = relay_client(s->relay);
		out->state = h.state;
		out->since_us = h.since_us;
		out->xact_us = h.xact_us;
		out->fingerprint = h.fingerprint;
	}
	return true;
}

/* ---- SUSPEND ---- */

void
worker_hold(struct worker *w, bool on)
{
	loop_hold(w->home.loop, on);
}

/* Bytes that wait to be sent to it, or to its server. */
static bool
has_unsent(const struct client *c)
{
	const struct server *s = c->relay ? relay_server(c->relay) : NULL;

	return stream_unsent(&c->stream) > 0 ||
	    (s && s->stream.fd >= 0 && stream_unsent(&s->stream) > 0);
}

static size_t
flush_clients(struct client_list *list, bool drop)
{
	struct client *c, *next;
	size_t left = 0;

	for (c = TAILQ_FIRST(list); c; c = next) {
		next = TAILQ_NEXT(c, link);
		stream_flush(&c->stream);
		if (!has_unsent(c))
			continue;
		if (drop)
			client_drop(c);
		else
			left++;
	}
	return left;
}

size_t
worker_flush_bytes(struct worker *w, bool drop)
{
	struct server *s, *next;
	struct client *c;

	for (s = TAILQ_FIRST(&w->hub->servers[w->home.worker]); s; s = next) {
		next = TAILQ_NEXT(s, all);
		stream_flush(&s->stream);
	}
	/* It may be a request to cancel the SUSPEND. */
	TAILQ_FOREACH(c, &w->home.logins, link)
		if (c->state == CL_STARTUP)
			stream_wake(&c->stream);
	return flush_clients(&w->home.logins, drop) +
	    flush_clients(&w->home.clients, drop);
}

bool
worker_kill_client(struct worker *w, uint64_t id, const struct err *e)
{
	struct client *c;

	TAILQ_FOREACH(c, &w->home.clients, link)
		if (c->id == id) {
			client_kill(c, e);
			return true;
		}
	return false;
}

size_t
worker_client_size(void)
{
	return sizeof(struct client);
}
