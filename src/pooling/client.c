/* One client connection. */
#include "pooling/client.h"

#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "proto/msg.h"
#include "proto/reply.h"
#include "proto/wire.h"

/* What a queueing client may send before it is no longer read. */
#define WAITING_MAX (64 * 1024)
/* How long a closed client may take to read its last words. */
#define LINGER_US (2 * USEC_PER_SEC)
/* What an unproven client may have sent that is not whole. */
#define LOGIN_HELD_MAX (AUTH_MSG_MAX + 1)

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
	    BIT(CL_IDLE) | BIT(CL_CLOSING) },
	[CL_IDLE] = { "idle", "idle", "cl_active",
	    BIT(CL_WAITING) | BIT(CL_ACTIVE) | BIT(CL_CLOSING) },
	[CL_WAITING] = { "waiting", "waiting", "cl_waiting",
	    BIT(CL_IDLE) | BIT(CL_ACTIVE) | BIT(CL_CLOSING) },
	[CL_ACTIVE] = { "active", "active", "cl_active",
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

static bool
client_enter(struct client *c, enum client_state st)
{
	if (!ensure(states[c->state].next & BIT(st)))
		return false;
	if (UNLIKELY(log_enabled(LVL_NOISE))) {
		char label[CLIENT_LABEL];

		client_label(c, label);
		log_noise("%s %s -> %s", label, states[c->state].name,
		    states[st].name);
	}
	c->state = st;
	return true;
}

static const struct stream_ops client_ops;

static struct client *
of_stream(struct stream *s)
{
	return CONTAINER_OF(s, struct client, stream);
}

static void
send_buf(struct client *c, struct buf *b)
{
	if (buf_len(b))
		stream_write(&c->stream, buf_head(b), buf_len(b));
	buf_wipe_free(b);
}

/* ---- the end ---- */

static void
on_bury(struct task *t)
{
	struct client *c = CONTAINER_OF(t, struct client, bury);

	param_set_unref(c->params);
	pool_unref(c->pool);
	free(c->call);
	free(c);
}

/* It counts as a login no more, or never again. */
static void
leave_logins(struct client *c)
{
	if (!c->login_listed)
		return;
	c->login_listed = false;
	TAILQ_REMOVE(&c->home->logins, c, link);
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
		TAILQ_REMOVE(&c->home->clients, c, link);
		atomic_fetch_sub(&c->pool->n_clients, 1);
		atomic_fetch_sub(&c->db->clients, 1);
		atomic_fetch_sub(&c->user->clients, 1);
	}
	leave_logins(c);
	if (c->counted)
		atomic_fetch_sub(&hub->clients, 1);
	c->counted = false;
}

/* The socket is closed; the memory goes when nobody refers to it. */
static void
finish_close(struct client *c)
{
	if (!client_enter(c, CL_CLOSED))
		return;
	stream_close(&c->stream);
	timer_fini(&c->timer);
	atomic_fetch_sub(&c->home->load, 1);
	if (!c->waiter.posted && !c->call)
		loop_bury(c->home->loop, &c->bury);
}

/* Takes the client out of everything, so that only its socket is left. */
static void
let_go(struct client *c)
{
	cancel_key_remove(c->home->hub->keys, &c->cancel);
	if (c->relay) {
		relay_abort(c->relay);
		c->relay = NULL;
		stream_set_ops(&c->stream, &client_ops);
	}
	if (c->waiter.pool)
		(void)pool_leave(c->waiter.pool, &c->waiter);
	if (c->login) {
		if (login_is_counted(c->login))
			c->counted = true;
		login_free(c->login);
		c->login = NULL;
	}
	keep_clear(loop_keeps(c->home->loop), &c->held);
	uncount(c);
}

static void
log_closing(const struct client *c, const char *reason)
{
	char label[CLIENT_LABEL];

	if (!c->home->cfg->log_disconnections)
		return;
	client_label(c, label);
	log_info("%s closing because: %s (age=%llds)", label, reason,
	    (long long)((loop_now(c->home->loop) - c->connect_us) /
	    USEC_PER_SEC));
}

/* reason NULL: no log line. What is unsent is sent first. */
static void
client_close(struct client *c, const char *reason)
{
	struct loop *l = c->home->loop;

	if (c->state == CL_CLOSING || c->state == CL_CLOSED)
		return;
	if (reason)
		log_closing(c, reason);
	let_go(c);
	client_enter(c, CL_CLOSING);
	if (c->stream.broken || (!stream_unsent(&c->stream) && !c->told)) {
		finish_close(c);
		return;
	}
	/* A socket closed with unread bytes in it is reset, and the reset
	 * overtakes our last words: so end our side, and read theirs. */
	stream_shutdown(&c->stream);
	stream_resume(&c->stream);
	timer_set(l, &c->timer, loop_now(l) + LINGER_US);
}

static void
client_fatal(struct client *c, const struct err *e)
{
	struct buf b = { 0 };
	struct err told = *e;
	char label[CLIENT_LABEL];

	if (c->state == CL_CLOSING || c->state == CL_CLOSED)
		return;
	if (c->home->cfg->pgbouncer_sqlstates)
		copy_str(told.sqlstate, sizeof(told.sqlstate), "08P01");
	if (c->home->cfg->log_pooler_errors) {
		client_label(c, label);
		log_warn("%s pooler error: %s%s%s%s", label, e->msg,
		    e->detail[0] ? " (" : "", e->detail,
		    e->detail[0] ? ")" : "");
	}
	if (!c->relay || !relay_is_mid_message(c->relay)) {
		reply_error(&b, "FATAL", &told);
		c->told = true;
		send_buf(c, &b);
	}
	client_close(c, e->msg);
}

static void
client_fail(struct client *c, const char *sqlstate, const char *text)
{
	struct err e;

	err_set(&e, sqlstate, "%s", text);
	client_fatal(c, &e);
}

static void
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

void
client_drop(struct client *c)
{
	if (c->state != CL_CLOSING && c->state != CL_CLOSED) {
		let_go(c);
		client_enter(c, CL_CLOSING);
	}
	if (c->state == CL_CLOSING)
		finish_close(c);
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
		finish_close(c);
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
static void
set_waiting_timer(struct client *c)
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
		send_buf(c, &b);
	}
	set_waiting_timer(c);
}

/* It has proven itself, but the pool never had a server to welcome it from. */
static void
greet_timed_out(struct client *c)
{
	struct err e, why;

	err_set(&e, "57P05", "client_login_timeout (server down)");
	if (pool_last_error(c->pool, &why))
		err_detail(&e, "the last attempt to connect said: %s", why.msg);
	else
		err_detail(&e, "every connection that database \"%s\" may "
		    "have is taken", c->db->name);
	client_fatal(c, &e);
}

static void
on_timer(struct timer *t)
{
	struct client *c = CONTAINER_OF(t, struct client, timer);

	switch (c->state) {
	case CL_STARTUP:
	case CL_LOGIN:
		client_fail(c, "57P05", "client_login_timeout");
		break;
	case CL_GREET:
		greet_timed_out(c);
		break;
	case CL_IDLE:
		client_fail(c, "57P05", "client_idle_timeout");
		break;
	case CL_WAITING:
		waiting_timer(c);
		break;
	case CL_CLOSING:
		finish_close(c);
		break;
	case CL_ACTIVE:
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
	if (conf)
		c->query_wait_us = config_query_wait_timeout_us(cfg, conf,
		    c->user->name);
}

static void
enter_idle(struct client *c)
{
	struct loop *l = c->home->loop;

	if (!client_enter(c, CL_IDLE))
		return;
	if (c->idle_timeout_us)
		timer_set(l, &c->timer, loop_now(l) + c->idle_timeout_us);
	else
		timer_clear(&c->timer);
}

/* ---- linked to a server ---- */

static void relay_over(void *arg, enum relay_end end, const struct err *e,
    const char *reason);

static const struct relay_owner relay_owner = {
	.over = relay_over,
};

/* first: see relay_start(). */
static void
link_server(struct client *c, struct server *s, const struct span *first)
{
	struct relay_args a = {
		.loop = c->home->loop,
		.client = &c->stream,
		.held = &c->held,
		.server = s,
		.pool = c->pool,
		.params = &c->params,
		.owner = &relay_owner,
		.arg = c,
		.client_eof = c->gone,
		.no_query = c->home->cfg->disable_pqexec,
		.max_packet = (uint32_t)c->home->cfg->max_packet_size,
	};

	client_enter(c, CL_ACTIVE);
	timer_clear(&c->timer);
	c->notified = false;
	c->relay = relay_start(c->home->relays, &a, first);
}

static void
on_granted(struct waiter *w, struct server *s)
{
	struct client *c = CONTAINER_OF(w, struct client, waiter);

	if (c->state == CL_GREET) {
		/* Only the welcome was wanted. */
		pool_release(s);
		c->waiter.welcomed(&c->waiter);
		return;
	}
	if (c->state != CL_WAITING) {
		(void)ensure(false);
		pool_release(s);
		return;
	}
	link_server(c, s, NULL);
}

static void
on_wait_failed(struct waiter *w, const struct err *e)
{
	struct client *c = CONTAINER_OF(w, struct client, waiter);

	if (c->state == CL_CLOSED)
		loop_bury(c->home->loop, &c->bury);
	else
		client_fatal(c, e);
}

/* ---- messages of a client without a server ---- */

static void client_input(struct client *c, const uint8_t *p, size_t n);

static void
keep_input(struct client *c, const uint8_t *p, size_t n)
{
	if (!keep_append(loop_keeps(c->home->loop), &c->held, p, n))
		client_fail(c, "53200", "out of memory");
}

static void
acquire(struct client *c, const uint8_t *p, size_t n)
{
	usec_t now = loop_now(c->home->loop);
	struct span first = SPAN(p, n);
	struct server *s;
	struct err e;

	c->request_us = now;
	c->waiter.greet = false;
	switch (pool_acquire(c->pool, &c->waiter, now, &s, &e)) {
	case ACQUIRE_GOT:
		link_server(c, s, &first);
		break;
	case ACQUIRE_QUEUED:
		client_enter(c, CL_WAITING);
		keep_input(c, p, n);
		if (c->state == CL_WAITING)
			set_waiting_timer(c);
		break;
	case ACQUIRE_FAILED:
		client_fatal(c, &e);
		break;
	}
}

/* The request at the start of p will not be carried out: 57014, and what
 * belongs to it is dropped. */
static void
refuse_request(struct client *c)
{
	struct buf b = { 0 };
	struct err e;
	bool simple = keep_len(&c->held) &&
	    (keep_head(&c->held)[0] == 'Q' || keep_head(&c->held)[0] == 'F');
	struct frame_info f = { 0 };
	size_t n = keep_len(&c->held);

	err_set(&e, "57014", "canceling statement due to user request");
	reply_error(&b, "ERROR", &e);
	if (simple) {
		reply_ready(&b, 'I');
		/* Its head was looked at when it came. */
		if (wire_frame(keep_head(&c->held), n, INT32_MAX, &f) ==
		    FRAME_WHOLE) {
			keep_consume(loop_keeps(c->home->loop), &c->held,
			    f.size);
		} else {
			c->skip = f.size - (uint32_t)n;
			keep_clear(loop_keeps(c->home->loop), &c->held);
		}
	} else {
		c->skip_sync = true;
	}
	send_buf(c, &b);
}

/* Goes on with what is held. */
static void
input_held(struct client *c)
{
	struct keep k = c->held;

	memset(&c->held, 0, sizeof(c->held));
	if (keep_len(&k))
		client_input(c, keep_head(&k), keep_len(&k));
	keep_clear(loop_keeps(c->home->loop), &k);
	if (c->gone && c->state == CL_IDLE)
		client_close(c, "client unexpected eof");
}

static void
client_sync(struct client *c)
{
	struct buf b = { 0 };

	c->skip_sync = false;
	reply_ready(&b, 'I');
	send_buf(c, &b);
}

static void
client_input(struct client *c, const uint8_t *p, size_t n)
{
	struct frame_info f;
	enum frame kind;
	size_t take;

	while (n > 0 && c->state == CL_IDLE) {
		if (c->skip) {
			take = c->skip < n ? c->skip : n;
			c->skip -= (uint32_t)take;
			p += take;
			n -= take;
			continue;
		}
		if (p[0] == 'X') {
			client_close(c, "client close request");
			return;
		}
		kind = wire_frame(p, n,
		    (uint32_t)c->home->cfg->max_packet_size, &f);
		if (kind == FRAME_BAD) {
			client_bad_header(c, SPAN(p, n));
			return;
		}
		if (kind == FRAME_MORE || (kind == FRAME_PART &&
			!c->skip_sync && relay_wants_more(f.type, n))) {
			keep_input(c, p, n);
			return;
		}
		if (!frontend_type_is_known(f.type)) {
			client_fail(c, "08P01", "unknown pkt");
			return;
		}
		if (!c->skip_sync && !frontend_type_is_copy(f.type)) {
			acquire(c, p, n);
			return;
		}
		take = f.size < n ? f.size : n;
		c->skip = f.size - (uint32_t)take;
		if (c->skip_sync && f.type == 'S')
			client_sync(c);
		p += take;
		n -= take;
	}
	if (n > 0 && c->state != CL_IDLE && c->state != CL_CLOSING &&
	    c->state != CL_CLOSED)
		(void)ensure(false);
}

static void
relay_over(void *arg, enum relay_end end, const struct err *e,
    const char *reason)
{
	struct client *c = arg;

	c->request_us = loop_now(c->home->loop);
	c->relay = NULL;
	stream_set_ops(&c->stream, &client_ops);
	switch (end) {
	case RELAY_DONE:
		enter_idle(c);
		stream_resume(&c->stream);
		if (UNLIKELY(keep_len(&c->held) || c->gone))
			input_held(c);
		break;
	case RELAY_CANCELED:
		enter_idle(c);
		stream_resume(&c->stream);
		refuse_request(c);
		input_held(c);
		break;
	case RELAY_FAILED:
		client_fatal(c, e);
		break;
	case RELAY_TOLD:
		c->told = true;
		client_close(c, reason);
		break;
	case RELAY_LEFT:
		client_close(c, reason);
		break;
	}
}

/* Whether what is held is at least one whole message. */
static bool
holds_whole_message(const struct client *c)
{
	struct frame_info f;

	return keep_len(&c->held) &&
	    wire_frame(keep_head(&c->held), keep_len(&c->held), INT32_MAX,
		&f) == FRAME_WHOLE;
}

/* A queueing client has sent more, or has gone. */
static void
waiting_readable(struct client *c)
{
	uint8_t *p = loop_lease(c->home->loop);
	ssize_t n = stream_read(&c->stream, p, LOOP_RBUF);

	if (n > 0)
		keep_input(c, p, (size_t)n);
	loop_unlease(c->home->loop);
	if (c->state != CL_WAITING)
		return;
	if (n == STREAM_ERROR ||
	    (n == STREAM_EOF && !holds_whole_message(c))) {
		client_close(c, "client unexpected eof");
		return;
	}
	/* What it sent whole before its end is carried out in its turn. */
	if (n == STREAM_EOF)
		c->gone = true;
	if (c->gone || keep_len(&c->held) >= WAITING_MAX)
		stream_pause(&c->stream);
}

static void
idle_readable(struct client *c)
{
	struct loop *l = c->home->loop;
	uint8_t *p = loop_lease(l);
	size_t kept = keep_len(&c->held);
	ssize_t n;

	if (UNLIKELY(kept)) {
		assert(kept <= LOOP_RBUF_FRONT);
		memcpy(p, keep_head(&c->held), kept);
	}
	n = stream_read(&c->stream, p + kept, LOOP_RBUF);
	if (LIKELY(n > 0)) {
		if (UNLIKELY(kept))
			keep_clear(loop_keeps(l), &c->held);
		client_input(c, p, kept + (size_t)n);
	}
	loop_unlease(l);
	if (UNLIKELY(n < 0))
		client_close(c, "client unexpected eof");
}

/* ---- login ---- */

static void
send_welcome(struct client *c, struct welcome *w)
{
	struct buf b = { 0 };
	const struct param_names *names = c->home->cfg->param_names;
	uint32_t pid;
	size_t i, n = param_names_count(names);

	c->params = param_set_share(w->params,
	    param_set_fill(c->params, w->params));
	reply_auth_ok(&b);
	buf_append(&b, w->bytes, w->n);
	for (i = 0; i < n; i++)
		if (param_get(c->params, i))
			reply_parameter(&b, param_name(names, i),
			    param_get(c->params, i));
	memcpy(&pid, c->cancel.key, sizeof(pid));
	reply_key_data(&b, ntohl(pid), SPAN(c->cancel.key + 4, 4));
	reply_ready(&b, 'I');
	send_buf(c, &b);
	welcome_unref(w);
	pool_count(c->pool, &(struct counters){ .logins = 1 });
	enter_idle(c);
	/* A client may have sent its first query with its password. */
	stream_resume(&c->stream);
	input_held(c);
}

static void
greet(struct client *c)
{
	struct welcome *w = pool_welcome(c->pool);
	struct server *s;
	struct err e;

	if (w) {
		send_welcome(c, w);
		return;
	}
	c->waiter.greet = true;
	switch (pool_acquire(c->pool, &c->waiter, loop_now(c->home->loop), &s,
	    &e)) {
	case ACQUIRE_GOT:
		pool_release(s);
		client_fail(c, "XX000", "failed to prepare welcome message");
		break;
	case ACQUIRE_QUEUED:
		break;
	case ACQUIRE_FAILED:
		client_fatal(c, &e);
		break;
	}
}

static void
on_welcomed(struct waiter *w)
{
	struct client *c = CONTAINER_OF(w, struct client, waiter);

	if (c->state == CL_CLOSED)
		loop_bury(c->home->loop, &c->bury);
	else if (c->state == CL_GREET)
		greet(c);
}

/* Counts against a limit of its own; false when that is reached. */
static bool
take_place(_Atomic int *n, int max)
{
	if (atomic_fetch_add(n, 1) < max || max <= 0)
		return true;
	atomic_fetch_sub(n, 1);
	return false;
}

static bool
take_places(struct client *c)
{
	if (!take_place(&c->db->clients, c->db->max_clients)) {
		client_fail(c, "53300", "client connections exceeded "
		    "(max_db_client_connections)");
		return false;
	}
	if (!take_place(&c->user->clients, c->user->max_clients)) {
		atomic_fetch_sub(&c->db->clients, 1);
		client_fail(c, "53300", "client connections exceeded "
		    "(max_user_client_connections)");
		return false;
	}
	return true;
}

static void
log_login(const struct client *c)
{
	const struct login_result *r = login_result(c->login);
	char label[CLIENT_LABEL];

	if (!c->home->cfg->log_connections)
		return;
	client_label(c, label);
	log_info("%s login attempt: db=%s user=%s tls=no replication=%s",
	    label, r->database, r->user, r->replication);
}

static void
on_handover(struct mail *m, struct loop *l)
{
	struct handover *h = CONTAINER_OF(m, struct handover, mail);

	(void)l;
	h->hub->console(h->hub->console_arg, h);
}

void
handover_free(struct handover *h)
{
	free(h->bytes);
	free(h->user);
	free(h->application_name);
	free(h);
}

/* A console session goes on on the main thread. */
static void
hand_over(struct client *c)
{
	const struct login_result *r = login_result(c->login);
	struct handover *h = xcalloc(1, sizeof(*h));
	struct hub *hub = c->home->hub;

	h->hub = hub;
	h->mail.fn = on_handover;
	h->peer = c->peer;
	addr_of_socket(&h->local, c->stream.fd);
	h->user = xstrdup(r->user);
	h->application_name = xstrdup(r->application_name);
	h->admin = r->admin;
	h->stats = r->stats;
	h->id = c->id;
	h->connect_wall_us = c->connect_wall_us;
	h->n_bytes = keep_len(&c->held);
	if (h->n_bytes) {
		h->bytes = xmalloc(h->n_bytes);
		memcpy(h->bytes, keep_head(&c->held), h->n_bytes);
	}
	h->fd = fcntl(c->stream.fd, F_DUPFD_CLOEXEC, 3);
	let_go(c);
	client_enter(c, CL_CLOSING);
	finish_close(c);
	if (h->fd < 0 || !hub->console)
		handover_free(h);
	else
		loop_post(hub->main_loop, &h->mail);
}

static void
logged_in(struct client *c)
{
	struct client_home *h = c->home;
	const struct login_result *r = login_result(c->login);
	struct config *cfg = login_config(c->login);
	struct pool_key key = {
		.conf = r->conf,
		.login_user = r->user,
		.login_secret = r->secret,
		.keys = r->has_keys ? &r->keys : NULL,
	};

	log_login(c);
	if (r->console) {
		hand_over(c);
		return;
	}
	c->db = registry_database(h->hub->registry, cfg, r->database);
	c->user = registry_user(h->hub->registry, cfg, r->user);
	if (!ensure(c->db)) {
		client_fail(c, "3D000", "no such database");
		return;
	}
	if (atomic_load(&c->db->disabled)) {
		struct err e;

		err_set(&e, "57P03", "database \"%s\" is disabled",
		    c->db->name);
		client_fatal(c, &e);
		return;
	}
	if (!take_places(c))
		return;
	key.db = c->db;
	leave_logins(c);
	if (login_is_replication(r))
		c->pool = registry_walsender_pool(h->hub->registry, cfg, &key,
		    &(struct pool_walsender){
			.replication = strcmp(r->replication, "logical") ?
			    "yes" : "database",
			.options = r->options,
			.params = r->params });
	else
		c->pool = registry_pool(h->hub->registry, cfg, &key);
	TAILQ_INSERT_TAIL(&h->clients, c, link);
	atomic_fetch_add(&c->pool->n_clients, 1);
	c->counted = login_is_counted(c->login);
	c->params = param_set_ref(r->params);
	login_free(c->login);
	c->login = NULL;
	client_refresh(c, h->cfg);
	cancel_key_add(h->hub->keys, &c->cancel, h->loop, c->cancel.called);
	client_enter(c, CL_GREET);
	greet(c);
}

/* ---- cancel requests ---- */

/* On the way of somebody else's request: it has been dealt with. */
static void
on_call_over(struct cancel_call *call)
{
	struct client *c = call->owner;

	c->call = NULL;
	free(call);
	if (c->state == CL_CLOSED)
		loop_bury(c->home->loop, &c->bury);
	else
		client_close(c, NULL);
}

static void
begin_cancel(struct client *c)
{
	struct span key = login_cancel_key(c->login);
	struct cancel_call *call = xcalloc(1, sizeof(*call));

	memcpy(call->key, key.p, sizeof(call->key));
	call->reply_to = c->home->loop;
	call->over = on_call_over;
	call->owner = c;
	c->call = call;
	leave_logins(c);
	client_enter(c, CL_CANCEL);
	timer_clear(&c->timer);
	stream_pause(&c->stream);
	cancel_call(c->home->hub->keys, call);
}

static void
call_is_over(void *arg)
{
	cancel_call_over(arg);
}

/* Somebody has this client's key: its current query is meant. */
static void
on_called(struct cancel_entry *e, struct cancel_call *call)
{
	struct client *c = CONTAINER_OF(e, struct client, cancel);

	if (c->state == CL_ACTIVE) {
		relay_cancel(c->relay, call_is_over, call);
		return;
	}
	if (c->state == CL_WAITING && pool_leave(c->pool, &c->waiter)) {
		enter_idle(c);
		stream_resume(&c->stream);
		refuse_request(c);
		input_held(c);
	}
	cancel_call_over(call);
}

/* ---- reading ---- */

static void
login_readable(struct client *c)
{
	struct loop *l = c->home->loop;
	uint8_t *p = loop_lease(l);
	enum login_step step = LOGIN_MORE;
	struct buf out = { 0 };
	struct err e;
	size_t used;
	ssize_t n;

	/* Byte for byte strangers could make us copy: bounded by the cap. */
	n = stream_read(&c->stream, p, LOOP_RBUF_FRONT);
	if (n > 0)
		keep_input(c, p, (size_t)n);
	loop_unlease(l);
	if (c->state != CL_STARTUP && c->state != CL_LOGIN)
		return;
	if (n < 0) {
		if (c->state == CL_STARTUP && !keep_len(&c->held)) {
			atomic_fetch_add(&c->home->hub->probes, 1);
			client_close(c, NULL);
		} else {
			client_close(c, "client unexpected eof");
		}
		return;
	}
	err_clear(&e);
	if (keep_len(&c->held))
		step = login_feed(c->login,
		    SPAN(keep_head(&c->held), keep_len(&c->held)), &used, &out,
		    &e);
	else
		used = 0;
	keep_consume(loop_keeps(l), &c->held, used);
	if (c->state == CL_STARTUP && login_has_started(c->login))
		client_enter(c, CL_LOGIN);
	send_buf(c, &out);
	switch (step) {
	case LOGIN_MORE:
		if (keep_len(&c->held) > LOGIN_HELD_MAX)
			client_close(c, "bad packet");
		break;
	case LOGIN_PROVEN:
		logged_in(c);
		break;
	case LOGIN_CANCEL:
		begin_cancel(c);
		break;
	case LOGIN_FAILED:
		client_fatal(c, &e);
		break;
	case LOGIN_CLOSE:
		client_close(c, "bad packet");
		break;
	}
}

/* It waits for the welcome: whatever it sends is kept, its end is noticed. */
static void
greet_readable(struct client *c)
{
	uint8_t *p = loop_lease(c->home->loop);
	ssize_t n = stream_read(&c->stream, p, LOOP_RBUF_FRONT);

	if (n > 0)
		keep_input(c, p, (size_t)n);
	loop_unlease(c->home->loop);
	if (n < 0)
		client_close(c, "client unexpected eof");
	else if (keep_len(&c->held) >= WAITING_MAX)
		stream_pause(&c->stream);
}

static void
on_readable(struct stream *s)
{
	struct client *c = of_stream(s);

	switch (c->state) {
	case CL_IDLE:
		idle_readable(c);
		break;
	case CL_WAITING:
		waiting_readable(c);
		break;
	case CL_STARTUP:
	case CL_LOGIN:
		login_readable(c);
		break;
	case CL_GREET:
		greet_readable(c);
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
		finish_close(c);
}

static const struct stream_ops client_ops = {
	.readable = on_readable,
	.writable = on_writable,
};

/* ---- birth ---- */

/* Too many that have not logged in: the oldest that has said nothing goes. */
static void
bound_logins(struct client_home *h)
{
	struct client *c;
	static struct log_limit limit;

	if (atomic_load(&h->hub->logins) <= h->cfg->max_login_conn)
		return;
	TAILQ_FOREACH(c, &h->logins, link)
		if (c->state == CL_STARTUP)
			break;
	if (!c)
		c = TAILQ_FIRST(&h->logins);
	log_limited(&limit, 10 * USEC_PER_SEC, LVL_WARNING,
	    "more than %d connections have not logged in (max_login_conn): "
	    "dropping the oldest", h->cfg->max_login_conn);
	if (c)
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

void
client_new(struct client_home *h, int fd, const struct addr *peer,
    bool is_unix)
{
	struct client *c = xcalloc(1, sizeof(*c));

	c->home = h;
	c->id = atomic_fetch_add(&h->hub->next_id, 1);
	c->is_unix = is_unix;
	c->peer = *peer;
	c->connect_us = loop_now(h->loop);
	c->connect_wall_us = clock_wall_us();
	c->waiter.worker = h->worker;
	c->waiter.granted = on_granted;
	c->waiter.failed = on_wait_failed;
	c->waiter.welcomed = on_welcomed;
	c->cancel.called = on_called;
	c->bury.fn = on_bury;
	timer_init(&c->timer, on_timer);
	c->login = login_new(h->hub, h->cfg, peer, peer_uid(fd, is_unix),
	    is_unix);
	stream_init(&c->stream, h->loop, fd, &client_ops);
	if (h->cfg->client_login_timeout_us)
		timer_set(h->loop, &c->timer,
		    c->connect_us + h->cfg->client_login_timeout_us);
	c->login_listed = true;
	TAILQ_INSERT_TAIL(&h->logins, c, link);
	atomic_fetch_add(&h->hub->logins, 1);
	bound_logins(h);
}
