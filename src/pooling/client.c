/*
 * One client connection: its states, its clocks, its beginning and end. How it
 * logs in stands in client_login.c, what it asks for in client_query.c.
 */
#include "pooling/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "client_private.h"
#include "pooling/guard.h"
#include "pooling/tally.h"
#include "pooling/walk.h"
#include "proto/msg.h"
#include "proto/reply.h"

/* How long a closed client may take to read its last words. */
#define LINGER_US (2 * USEC_PER_SEC)

#define BIT(st) (1u << (st))

static const struct {
	const char *name; /* in logs */
	const char *show; /* in SHOW CLIENTS */
	const char *socket; /* in SHOW SOCKETS */
	unsigned next;
} states[CL_STATES] = {
	[CL_STARTUP] = { "startup", "login", "cl_login",
	    BIT(CL_LOGIN) | BIT(CL_CANCEL) | BIT(CL_CLOSING) },
	[CL_LOGIN] = { "login", "login", "cl_login",
	    BIT(CL_GREET) | BIT(CL_CLOSING) | BIT(CL_CLOSED) },
	[CL_GREET] = { "greet", "waiting", "cl_waiting",
	    BIT(CL_IDLE) | BIT(CL_ACTIVE) | BIT(CL_CLOSING) },
	[CL_IDLE] = { "idle", "idle", "cl_active",
	    BIT(CL_WAITING) | BIT(CL_ACTIVE) | BIT(CL_CLOSING) },
	[CL_WAITING] = { "waiting", "waiting", "cl_waiting",
	    BIT(CL_IDLE) | BIT(CL_ACTIVE) | BIT(CL_CLOSING) },
	[CL_ACTIVE] = { "active", "active", "cl_active",
	    BIT(CL_IDLE) | BIT(CL_GREET) | BIT(CL_HEARING) |
		BIT(CL_CLOSING) },
	[CL_HEARING] = { "hearing", "active", "cl_active",
	    BIT(CL_IDLE) | BIT(CL_CLOSING) },
	[CL_CANCEL] = { "cancel", "active_cancel_req", "cl_waiting",
	    BIT(CL_CLOSING) },
	[CL_CLOSING] = { "closing", "closing", "cl_login", BIT(CL_CLOSED) },
	[CL_CLOSED] = { "closed", "closed", "cl_login", 0 },
};

const char *
client_state_show(const struct client *c)
{
	return states[c->state].show;
}

const char *
client_state_socket(const struct client *c)
{
	return states[c->state].socket;
}

void
client_label(const struct client *c, char out[CLIENT_LABEL])
{
	const struct login_result *r = c->login ? login_result(c->login) :
						  NULL;
	const char *db = c->db ? c->db->name :
	    r && r->database ? r->database : "(nodb)";
	const char *user = c->user ? c->user->name :
	    r && r->user ? r->user : "(nouser)";
	char at[ADDR_TEXT];

	addr_text(&c->peer, at, sizeof(at));
	snprintf(out, CLIENT_LABEL, "C-%llu: %.80s/%.80s@%s",
	    (unsigned long long)c->id, db, user, at);
}

/* Apart, so that its label costs those nothing who do not log it. */
static __attribute__((noinline)) void
say_enter(const struct client *c, enum client_state st)
{
	char label[CLIENT_LABEL];

	client_label(c, label);
	log_noise("%s %s -> %s", label, states[c->state].name,
	    states[st].name);
}

bool
client_enter(struct client *c, enum client_state st)
{
	if (!ensure(states[c->state].next & BIT(st)))
		return false;
	if (UNLIKELY(log_enabled(LVL_NOISE)))
		say_enter(c, st);
	c->state = st;
	return true;
}

static struct client *
of_stream(struct stream *s)
{
	return CONTAINER_OF(s, struct client, stream);
}

void
client_send(struct client *c, struct buf *b)
{
	if (buf_len(b))
		stream_write(&c->stream, buf_head(b), buf_len(b));
	buf_wipe_free(b);
}

void
client_asked(struct client *c, struct param_set *asked)
{
	struct client_home *h = c->home;

	if (!asked)
		return;
	c->asked = param_set_ref(asked);
	if (h->asked)
		c->asked = param_set_share(h->asked, c->asked);
	param_set_unref(h->asked);
	h->asked = param_set_ref(c->asked);
}

/* ---- the end ---- */

static void
on_bury(struct task *t)
{
	struct client *c = CONTAINER_OF(t, struct client, bury);

	param_set_unref(c->params);
	settings_unref(c->settings);
	stmt_client_free(c->stmts);
	settings_unref(c->startup);
	param_set_unref(c->asked);
	texts_free(c->texts);
	pool_unref(c->pool);
	database_unref(c->db);
	free(c->verdict);
	free(c->call);
	free(c);
}

static struct walk_list *
home_walks(const struct client *c)
{
	return &c->home->hub->walks[c->home->worker];
}

/* It counts as a login no more, or never again. */
void
client_leave_logins(struct client *c)
{
	if (!c->login_listed)
		return;
	c->login_listed = false;
	walk_leave(home_walks(c), c, TAILQ_NEXT(c, link));
	TAILQ_REMOVE(&c->home->logins, c, link);
	c->home->n_logins--;
	atomic_fetch_sub(&c->home->hub->logins, 1);
}

static void
uncount(struct client *c)
{
	struct hub *hub = c->home->hub;

	if (c->pool) {
		const struct pool_settings *set = c->pool->set;

		if (set->replication)
			registry_drop_walsender(hub->registry, c->pool);
		walk_leave(home_walks(c), c, TAILQ_NEXT(c, link));
		TAILQ_REMOVE(&c->home->clients, c, link);
		atomic_fetch_sub(&c->pool->n_clients, 1);
		atomic_fetch_sub(&c->db->clients, 1);
		atomic_fetch_sub(&c->user->clients, 1);
	}
	client_leave_logins(c);
	if (c->counted)
		atomic_fetch_sub(&hub->clients, 1);
	c->counted = false;
}

/* The socket is closed; the memory goes when nobody refers to it. */
void
client_finish_close(struct client *c)
{
	if (!client_enter(c, CL_CLOSED))
		return;
	stream_close(&c->stream);
	timer_fini(&c->timer);
	guard_leave(c->home->hub->guard, c->source, loop_now(c->home->loop));
	c->source = NULL;
	atomic_fetch_sub(&c->home->load, 1);
	if (!c->waiter.posted && !c->call)
		loop_bury(c->home->loop, &c->bury);
}

/* Takes the client out of everything, so that only its socket is left. */
void
client_let_go(struct client *c)
{
	cancel_key_remove(c->home->hub->keys, &c->cancel);
	if (c->relay) {
		relay_abort(c->relay);
		c->relay = NULL;
		stream_set_ops(&c->stream, &client_stream_ops);
	}
	if (c->waiter.pool)
		(void)pool_leave(c->waiter.pool, &c->waiter);
	if (c->login) {
		if (login_is_counted(c->login))
			c->counted = true;
		login_free(c->login);
		c->login = NULL;
	}
	client_stop_hearing(c);
	keep_clear(loop_keeps(c->home->loop), &c->held);
	uncount(c);
}

/* reason NULL: no log line. What is unsent is sent first. */
void
client_close(struct client *c, const char *reason)
{
	struct loop *l = c->home->loop;

	if (c->state == CL_CLOSING || c->state == CL_CLOSED)
		return;
	if (reason)
		client_log_closing(c, reason);
	client_let_go(c);
	client_enter(c, CL_CLOSING);
	if (c->stream.broken || (!stream_unsent(&c->stream) && !c->told)) {
		client_finish_close(c);
		return;
	}
	/* A socket closed with unread bytes in it is reset, and the reset
	 * overtakes our last words: so end our side, and read theirs. */
	stream_shutdown(&c->stream);
	stream_resume(&c->stream);
	timer_set(l, &c->timer, loop_now(l) + LINGER_US);
}

void
client_tally(struct client *c, const struct err *e)
{
	tally_add(c->home->hub->tallies[c->home->worker], TALLY_CLIENT,
	    e->sqlstate, e->msg);
}

void
client_fatal(struct client *c, const struct err *e)
{
	struct buf b = { 0 };
	struct err told = *e;

	if (c->state == CL_CLOSING || c->state == CL_CLOSED)
		return;
	if (c->home->cfg->pgbouncer_sqlstates)
		copy_str(told.sqlstate, sizeof(told.sqlstate), "08P01");
	client_tally(c, e);
	client_log_error(c, e);
	if (c->login)
		client_send(c, login_last_words(c->login));
	if (!c->relay || !relay_is_mid_message(c->relay)) {
		reply_error(&b, "FATAL", &told);
		c->told = true;
		client_send(c, &b);
	}
	client_close(c, e->msg);
}

void
client_fail(struct client *c, const char *sqlstate, const char *text)
{
	struct err e;

	err_set(&e, sqlstate, "%s", text);
	client_fatal(c, &e);
}

void
client_bad_header(struct client *c, struct span bytes)
{
	struct err e;

	msg_bad_header(bytes, &e);
	client_fatal(c, &e);
}

void
client_kill(struct client *c, const struct err *e)
{
	client_fatal(c, e);
}

/* Whether bytes have come that were not read yet. */
static bool
has_unread(const struct client *c)
{
	char one;

	return recv(c->stream.fd, &one, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* It stands between two transactions, and has asked for nothing more. */
void
client_part(struct client *c)
{
	struct err e;

	if (c->home->moving && client_move(c))
		return;
	if (!c->parts || keep_len(&c->held) || c->skip || c->skip_sync ||
	    c->gone)
		return;
	err_set(&e, "57P01", c->outdated ? "database configuration changed" :
	    "pooler is shutting down");
	err_detail(&e, "the connection was idle; nothing was lost");
	err_hint(&e, "connect again");
	client_fatal(c, &e);
}

static bool
is_outdated(struct pool *p, const struct server *s)
{
	return s->moved || s->generation != atomic_load(&p->generation);
}

void
client_drop_outdated(struct client *c)
{
	/* None where the relay is over, which is told at the turn's end. */
	const struct server *s = c->relay ? relay_server(c->relay) : NULL;
	const struct pool_settings *set;

	if (!s || c->state != CL_ACTIVE || !is_outdated(c->pool, s))
		return;
	set = c->pool->set;
	if (set->replication) {
		client_fail(c, "57P01", "database configuration changed");
		return;
	}
	if (set->mode != POOL_SESSION || !c->home->cfg->server_fast_close)
		return;
	c->outdated = true;
	(void)client_leave(c, 0);
}

bool
client_leave(struct client *c, usec_t idle_us)
{
	usec_t since = c->relay ? relay_request_us(c->relay) : c->request_us;
	bool at_rest;

	if (since < c->connect_us)
		since = c->connect_us;
	at_rest = loop_now(c->home->loop) - since >= idle_us &&
	    !has_unread(c);
	c->leaving = c->parts = true;
	if (c->relay)
		relay_yield(c->relay, at_rest);
	else if (c->state == CL_IDLE && at_rest)
		client_part(c);
	return c->state == CL_CLOSING || c->state == CL_CLOSED;
}

void
client_drop(struct client *c)
{
	if (c->state != CL_CLOSING && c->state != CL_CLOSED) {
		client_let_go(c);
		client_enter(c, CL_CLOSING);
	}
	if (c->state == CL_CLOSING)
		client_finish_close(c);
}

static void
read_and_drop(struct client *c)
{
	uint8_t *p = loop_lease(c->home->loop);
	ssize_t n = stream_read(&c->stream, p, LOOP_RBUF);

	loop_unlease(c->home->loop);
	if (n == STREAM_EOF && stream_unsent(&c->stream)) {
		/* It has ended its side only, and may still read. */
		c->gone = true;
		stream_pause(&c->stream);
	} else if (n < 0) {
		client_finish_close(c);
	}
}

/* ---- clocks ---- */

static usec_t
first_of(usec_t a, usec_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* It bounds the whole of a query, the wait in the queue included. */
static usec_t
query_timeout_us(const struct client *c)
{
	const struct pool_settings *set = c->pool->set;

	return set->query_timeout_us;
}

/* The next moment at which a queueing client has to do something. */
void
client_set_waiting_timer(struct client *c)
{
	usec_t since = c->waiter.since_us, at = 0;
	usec_t now = loop_now(c->home->loop);

	if (c->query_wait_us)
		at = since + c->query_wait_us;
	if (query_timeout_us(c))
		at = first_of(at, since + query_timeout_us(c));
	if (c->notify_us && !c->notified && c->state == CL_WAITING)
		at = first_of(at, since + c->notify_us);
	at = first_of(at, pool_waited(c->pool, &c->waiter, now));
	if (at)
		timer_set(c->home->loop, &c->timer, at);
	else
		timer_clear(&c->timer);
}

static void
waiting_timer(struct client *c)
{
	usec_t waited = loop_now(c->home->loop) - c->waiter.since_us;
	struct buf b = { 0 };
	struct err e;

	if (c->query_wait_us && waited >= c->query_wait_us) {
		err_set(&e, "57014", "query_wait_timeout");
		err_detail(&e, "no server connection of database \"%s\" for "
		    "user \"%s\" became free in %.1f s", c->db->name,
		    c->pool->user_name, (double)waited / USEC_PER_SEC);
		err_hint(&e, "all of them are busy: SHOW POOLS and SHOW "
		    "SERVERS on the admin console tell with what");
		client_fatal(c, &e);
		return;
	}
	if (query_timeout_us(c) && waited >= query_timeout_us(c)) {
		client_fail(c, "57014", "query_timeout");
		return;
	}
	if (c->notify_us && !c->notified && waited >= c->notify_us) {
		c->notified = true;
		reply_notice(&b, "00000", "No server connection available in "
		    "postgres backend, client being queued", NULL);
		client_send(c, &b);
	}
	client_set_waiting_timer(c);
}

static void
on_timer(struct timer *t)
{
	struct client *c = CONTAINER_OF(t, struct client, timer);

	switch (c->state) {
	case CL_STARTUP:
	case CL_LOGIN:
		if (c->verdict)
			client_fatal(c, c->verdict);
		else
			client_fail(c, "57P05", "client_login_timeout");
		break;
	case CL_GREET:
		client_greet_timed_out(c);
		break;
	case CL_IDLE:
		client_fail(c, "57P05", "client_idle_timeout");
		break;
	case CL_WAITING:
		waiting_timer(c);
		break;
	case CL_CLOSING:
		client_finish_close(c);
		break;
	case CL_ACTIVE:
	case CL_HEARING:
		client_hearing_timed_out(c);
		break;
	case CL_CANCEL:
	case CL_CLOSED:
	case CL_STATES:
		break;
	}
}

void
client_refresh(struct client *c, const struct config *cfg)
{
	const struct database_conf *conf = config_database(cfg, c->db->name);

	if (!conf)
		conf = cfg->autodb;
	c->idle_timeout_us = config_client_idle_timeout_us(cfg, c->user->name);
	c->notify_us = cfg->query_wait_notify_us;
	if (c->relay)
		relay_set_slow(c->relay, cfg->log_min_duration_us);
	if (conf)
		c->query_wait_us = config_query_wait_timeout_us(cfg, conf,
		    c->user->name);
}

void
client_enter_idle(struct client *c)
{
	struct loop *l = c->home->loop;

	if (!client_enter(c, CL_IDLE))
		return;
	if (c->idle_timeout_us)
		timer_set(l, &c->timer, loop_now(l) + c->idle_timeout_us);
	else
		timer_clear(&c->timer);
}

/* ---- reading ---- */

static void
on_readable(struct stream *s)
{
	struct client *c = of_stream(s);

	switch (c->state) {
	case CL_IDLE:
		client_idle_readable(c);
		break;
	case CL_WAITING:
	case CL_HEARING:
		client_waiting_readable(c);
		break;
	case CL_STARTUP:
	case CL_LOGIN:
		client_login_readable(c);
		break;
	case CL_GREET:
		client_greet_readable(c);
		break;
	case CL_CLOSING:
		read_and_drop(c);
		break;
	case CL_CANCEL:
		client_close(c, NULL);
		break;
	case CL_ACTIVE:
	case CL_CLOSED:
	case CL_STATES:
		(void)ensure(false);
		break;
	}
}

static void
on_writable(struct stream *s)
{
	struct client *c = of_stream(s);

	if (c->state != CL_CLOSING)
		return;
	if (c->told && !c->gone)
		stream_shutdown(s);
	else
		client_finish_close(c);
}

const struct stream_ops client_stream_ops = {
	.readable = on_readable,
	.writable = on_writable,
};

/* ---- birth ---- */

/*
 * Too many that have not logged in: the oldest that has said nothing goes, never
 * the newcomer itself. Each worker looks among its own. One that has nobody
 * else who is silent leaves those in peace who are proving themselves, unless
 * they are more than its share; so the limit may be passed by a few while the
 * others catch up.
 */
static void
bound_logins(struct client_home *h, const struct client *newcomer)
{
	static struct log_limit limit;
	struct client *c;

	if (atomic_load(&h->hub->logins) <= h->cfg->max_login_conn)
		return;
	log_limited(&limit, 10 * USEC_PER_SEC, LVL_WARNING,
	    "more than %d connections have not logged in (max_login_conn): "
	    "dropping the oldest", h->cfg->max_login_conn);
	TAILQ_FOREACH(c, &h->logins, link)
		if (c->state == CL_STARTUP)
			break;
	if (c == newcomer &&
	    h->n_logins > h->cfg->max_login_conn / h->hub->n_workers)
		c = TAILQ_FIRST(&h->logins);
	if (c && c != newcomer)
		client_close(c, NULL);
}

static uint32_t
peer_uid(int fd, bool is_unix)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);

	if (!is_unix || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n))
		return UINT32_MAX;
	return cred.uid;
}

struct client *
client_bare(struct client_home *h, const struct addr *peer, bool is_unix)
{
	struct client *c = xcalloc(1, sizeof(*c));

	c->home = h;
	c->id = atomic_fetch_add(&h->hub->next_id, 1);
	c->is_unix = is_unix;
	c->peer = *peer;
	c->connect_us = loop_now(h->loop);
	c->connect_wall_us = clock_wall_us();
	c->waiter.worker = h->worker;
	c->waiter.granted = client_granted;
	c->waiter.failed = client_wait_failed;
	c->waiter.welcomed = client_welcomed;
	c->cancel.called = client_called;
	c->bury.fn = on_bury;
	timer_init(&c->timer, on_timer);
	return c;
}

void
client_new(struct client_home *h, int fd, const struct addr *peer,
    bool is_unix)
{
	struct client *c = client_bare(h, peer, is_unix);

	c->login = login_new(&(struct login_args){
		.hub = h->hub,
		.cfg = h->cfg,
		.peer = peer,
		.peer_uid = peer_uid(fd, is_unix),
		.is_unix = is_unix,
		.loop = h->loop,
		.worker = h->worker,
		.resume = client_login_resumed,
		.arg = c,
		.source = &c->source,
	});
	stream_init(&c->stream, h->loop, fd, &client_stream_ops);
	/* Mostly its first message has come with it. */
	stream_wake(&c->stream);
	if (h->cfg->client_login_timeout_us)
		timer_set(h->loop, &c->timer,
		    c->connect_us + h->cfg->client_login_timeout_us);
	c->login_listed = true;
	TAILQ_INSERT_TAIL(&h->logins, c, link);
	h->n_logins++;
	atomic_fetch_add(&h->hub->logins, 1);
	bound_logins(h, c);
	if (login_is_dropped(c->login))
		client_drop_stranger(c);
}
