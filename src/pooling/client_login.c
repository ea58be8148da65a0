/*
 * A client from its first byte to its welcome: the exchange that login.c
 * leads, the pool it gets, or the way to the console; and CancelRequests.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "client_private.h"
#include "io/tls.h"
#include "pooling/peers.h"
#include "pooling/tls_set.h"
#include "proto/msg.h"
#include "proto/reply.h"

/* What an unproven client may have sent that is not whole. */
#define LOGIN_HELD_MAX (AUTH_MSG_MAX + 1)
/* Steps of logins in one turn of a worker: some 30 us each. */
#define LOGIN_STEPS 32

/* It has proven itself, but the pool never had a server to welcome it from. */
void
client_greet_timed_out(struct client *c)
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

/* ---- the welcome ---- */

/* A RELOAD may have come while it proved itself or waited for a server. */
static bool
still_let_in(struct client *c)
{
	struct err e;

	if (login_recheck(c->login, c->home->cfg, &e))
		return true;
	client_fatal(c, &e);
	return false;
}

static void
send_welcome(struct client *c, struct welcome *w)
{
	struct buf b = { 0 };
	const struct param_names *names = c->home->cfg->param_names;
	size_t i, n = param_names_count(names);

	if (!still_let_in(c)) {
		welcome_unref(w);
		return;
	}
	b = *login_last_words(c->login);
	*login_last_words(c->login) = (struct buf){ 0 };
	login_free(c->login);
	c->login = NULL;
	c->params = param_set_share(w->params,
	    param_set_fill(c->params, w->params));
	reply_auth_ok(&b);
	buf_append(&b, w->bytes, w->n);
	for (i = 0; i < n; i++)
		if (param_get(c->params, i))
			reply_parameter(&b, param_name(names, i),
			    param_get(c->params, i));
	reply_key_data(&b, cancel_key_pid(&c->cancel),
	    cancel_key_secret(&c->cancel));
	reply_ready(&b, 'I');
	client_send(c, &b);
	welcome_unref(w);
	pool_count(c->pool, &(struct counters){ .logins = 1 });
	pool_note_login(c->pool, c->home->worker,
	    loop_now(c->home->loop) - c->connect_us);
	client_enter_idle(c);
	/* A client may have sent its first query with its password. */
	stream_resume(&c->stream);
	client_input_held(c);
}

static uint64_t
settings_key(const struct client *c)
{
	return settings_hash(c->settings) ^
	    param_set_hash(c->params, PARAM_APPLICATION_NAME);
}

/* A server is asked whether it takes what the client wants set: at login, where
 * a wrong one is told as PostgreSQL does. */
static void
try_settings(struct client *c)
{
	struct server *s;
	struct err e;

	c->waiter.greet = false;
	switch (pool_acquire(c->pool, &c->waiter, loop_now(c->home->loop), &s,
	    &e)) {
	case ACQUIRE_GOT:
		client_try_settings(c, s);
		break;
	case ACQUIRE_QUEUED:
		break;
	case ACQUIRE_FULL:
	case ACQUIRE_FAILED:
		client_fatal(c, &e);
		break;
	}
}

/* Names no setting of a program can be wrong about. */
static bool
asks_for_settings(const struct client *c, const struct welcome *w)
{
	size_t i, n = param_names_count(c->home->cfg->param_names);

	if (c->settings)
		return true;
	for (i = 0; i < n; i++) {
		const char *want = param_get(c->params, i);
		const char *have = param_get(w->params, i);

		if (i != PARAM_APPLICATION_NAME && want && have &&
		    strcasecmp(want, have) != 0)
			return true;
	}
	return false;
}

/* What such servers have taken once they take again; if not, the client's
 * first query says so. */
static bool
settings_are_known(const struct client *c, const struct welcome *w)
{
	return c->pool->set->replication || !asks_for_settings(c, w) ||
	    welcome_has_taken(w, settings_key(c));
}

static void
greet(struct client *c)
{
	struct welcome *w = pool_welcome(c->pool);
	struct server *s;
	struct err e;

	if (w && !settings_are_known(c, w)) {
		c->settings_key = settings_key(c);
		/* What it did not ask for is the welcome's, not what somebody
		 * left on the server that is tried. */
		c->params = param_set_fill(c->params, w->params);
		welcome_unref(w);
		try_settings(c);
		return;
	}
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
	case ACQUIRE_FULL:
	case ACQUIRE_FAILED:
		client_fatal(c, &e);
		break;
	}
}

void
client_settings_taken(struct client *c)
{
	struct welcome *w = pool_welcome(c->pool);

	c->greeting = false;
	client_enter(c, CL_GREET);
	if (w) {
		welcome_take(w, c->settings_key);
		send_welcome(c, w);
		return;
	}
	stream_resume(&c->stream);
	greet(c);
}

void
client_welcomed(struct waiter *w)
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
on_handover(struct mail *m, struct loop *l)
{
	struct handover *h = CONTAINER_OF(m, struct handover, mail);

	(void)l;
	h->hub->console(h->hub->console_arg, h);
}

void
handover_free(struct handover *h)
{
	stream_tls_drop(h->tls);
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
	h->long_key = r->long_key;
	h->id = c->id;
	h->connect_wall_us = c->connect_wall_us;
	client_send(c, login_last_words(c->login));
	h->n_bytes = keep_len(&c->held);
	if (h->n_bytes) {
		h->bytes = xmalloc(h->n_bytes);
		memcpy(h->bytes, keep_head(&c->held), h->n_bytes);
	}
	h->fd = fcntl(c->stream.fd, F_DUPFD_CLOEXEC, 3);
	h->tls = stream_take_tls(&c->stream);
	client_let_go(c);
	client_enter(c, CL_CLOSING);
	client_finish_close(c);
	if (h->fd < 0 || !hub->console)
		handover_free(h);
	else
		loop_post(hub->main_loop, &h->mail);
}

static struct pool *
find_pool(struct client *c, const struct config *cfg,
    const struct login_result *r, const struct pool_key *key)
{
	struct registry *registry = c->home->hub->registry;
	struct pool_walsender w = {
		.replication = strcmp(r->replication, "logical") == 0 ?
		    "database" : "yes",
		.options = r->options,
		.params = r->params,
	};

	if (login_is_replication(r))
		return registry_walsender_pool(registry, cfg, key, &w);
	return registry_pool(registry, cfg, key);
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

	client_log_login(c);
	if (!still_let_in(c))
		return;
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
	if (r->used_old)
		atomic_fetch_add(&c->user->old_logins, 1);
	key.db = c->db;
	c->pool = find_pool(c, cfg, r, &key);
	if (!c->pool) {
		atomic_fetch_sub(&c->db->clients, 1);
		atomic_fetch_sub(&c->user->clients, 1);
		client_fail(c, "57P01", "database removed");
		return;
	}
	client_leave_logins(c);
	TAILQ_INSERT_TAIL(&h->clients, c, link);
	atomic_fetch_add(&c->pool->n_clients, 1);
	c->counted = login_is_counted(c->login);
	c->params = param_set_ref(r->params);
	c->settings = settings_ref(r->settings);
	c->startup = settings_ref(r->settings);
	client_asked(c, r->params);
	client_refresh(c, h->cfg);
	cancel_key_add(h->hub->keys, &c->cancel,
	    r->long_key ? CANCEL_KEY_LONG : CANCEL_KEY, h->loop,
	    c->cancel.called);
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
	struct cancel_call *call = xcalloc(1, sizeof(*call));

	cancel_call_set(call, login_cancel_key(c->login));
	call->over = on_call_over;
	call->owner = c;
	c->call = call;
	client_leave_logins(c);
	client_enter(c, CL_CANCEL);
	timer_clear(&c->timer);
	stream_pause(&c->stream);
	peers_cancel(c->home->hub->peers, c->home->hub->keys, c->home->loop,
	    call);
}

/* ---- reading ---- */

/* A load balancer may have said for whom it speaks. */
static void
learn_address(struct client *c)
{
	const struct addr *told = login_peer(c->login);
	char via[ADDR_TEXT], label[CLIENT_LABEL];

	if (addr_eq(told, &c->peer))
		return;
	addr_text(&c->peer, via, sizeof(via));
	c->peer = *told;
	client_label(c, label);
	log_debug("%s comes by way of %s", label, via);
}

void
client_drop_stranger(struct client *c)
{
	static struct log_limit limit;
	char label[CLIENT_LABEL];

	client_label(c, label);
	log_limited(&limit, 10 * USEC_PER_SEC, LVL_WARNING, "%s dropping "
	    "connections: far too many from this address "
	    "(max_source_connections, max_source_rate)", label);
	client_close(c, NULL);
}

/* Whoever guesses has to wait for the answer. */
static void
refuse(struct client *c, const struct err *e)
{
	usec_t delay = c->home->cfg->auth_fail_delay_us;
	struct loop *l = c->home->loop;

	if (!delay || !login_failed_proof(c->login)) {
		client_fatal(c, e);
		return;
	}
	c->verdict = xmalloc(sizeof(*c->verdict));
	*c->verdict = *e;
	stream_pause(&c->stream);
	timer_set(l, &c->timer, loop_now(l) + delay);
}

/* What was read and not eaten is TLS already. */
static void
start_tls(struct client *c, bool direct)
{
	struct tls_ctx *ctx = tls_set_client(login_config(c->login));
	struct tls_peer peer = { .direct = direct };
	struct span got = SPAN(NULL, 0);

	if (keep_len(&c->held))
		got = SPAN(keep_head(&c->held), keep_len(&c->held));
	if (!stream_start_tls(&c->stream, ctx, &peer, got)) {
		client_close(c, "out of memory");
		return;
	}
	keep_clear(loop_keeps(c->home->loop), &c->held);
}

/* The first bytes out of TLS: who is there is known. */
static void
note_tls(struct client *c)
{
	const struct tls *t = stream_tls(&c->stream);
	char cn[128], label[CLIENT_LABEL], text[STREAM_TLS_TEXT];
	const char *asked = tls_asked_name(t);
	uint8_t end_point[TLS_END_POINT_MAX];
	size_t n = tls_end_point(t, end_point);

	c->tls_noted = true;
	login_set_tls(c->login, tls_peer_verified(t) &&
	    tls_peer_cn(t, cn, sizeof(cn)) ? cn : NULL, SPAN(end_point, n));
	if (!log_enabled(LVL_DEBUG))
		return;
	client_label(c, label);
	stream_tls_text(&c->stream, text, sizeof(text));
	log_debug("%s SSL established: %s%s%s%s", label, text,
	    tls_was_resumed(t) ? " resumed" : "", asked ? " sni=" : "",
	    asked ? asked : "");
}

/* It left, or what it said was no TLS. */
static void
lost_in_login(struct client *c, ssize_t n)
{
	char label[CLIENT_LABEL];

	if (n == STREAM_ERROR && stream_why(&c->stream)[0]) {
		client_label(c, label);
		if (c->home->cfg->log_pooler_errors)
			log_warn("%s TLS handshake failed: %s", label,
			    stream_why(&c->stream));
		client_close(c, "TLS handshake failed");
	} else if (c->state == CL_STARTUP && !keep_len(&c->held) &&
	    !c->stream.tls) {
		atomic_fetch_add(&c->home->hub->probes, 1);
		client_close(c, NULL);
	} else {
		client_close(c, "client unexpected eof");
	}
}

/* Feeds the login with what is here. */
static void
login_on(struct client *c)
{
	struct span in = SPAN(NULL, 0);
	enum login_step step;
	struct buf out = { 0 };
	struct err e;
	size_t used;

	err_clear(&e);
	if (keep_len(&c->held))
		in = SPAN(keep_head(&c->held), keep_len(&c->held));
	step = login_feed(c->login, in, &used, &out, &e);
	keep_consume(loop_keeps(c->home->loop), &c->held, used);
	learn_address(c);
	if (c->state == CL_STARTUP && login_has_started(c->login))
		client_enter(c, CL_LOGIN);
	if (step == LOGIN_PROVEN)
		*login_last_words(c->login) = out;
	else
		client_send(c, &out);
	switch (step) {
	case LOGIN_MORE:
		if (keep_len(&c->held) > LOGIN_HELD_MAX)
			client_close(c, "bad packet");
		break;
	case LOGIN_PROVEN:
		logged_in(c);
		/* The welcome has to wait. */
		if (c->login)
			client_send(c, login_last_words(c->login));
		break;
	case LOGIN_CANCEL:
		begin_cancel(c);
		break;
	case LOGIN_FAILED:
		refuse(c, &e);
		break;
	case LOGIN_TLS:
		start_tls(c, false);
		break;
	case LOGIN_DIRECT_TLS:
		start_tls(c, true);
		break;
	case LOGIN_DROP:
		client_drop_stranger(c);
		break;
	case LOGIN_CLOSE:
		client_close(c, "bad packet");
		break;
	}
}

void
client_login_resumed(void *arg)
{
	struct client *c = arg;

	if (!c->verdict && (c->state == CL_STARTUP || c->state == CL_LOGIN))
		login_on(c);
}

/* In a turn that has done its share of logins the rest waits for the next one:
 * sessions come first. The socket goes on saying that there is something; only
 * who has sent a part of a message already is not put off, as what is left may
 * have been read from the socket. */
static bool
may_step(struct client *c)
{
	struct client_home *h = c->home;
	uint64_t turn = loop_turns(h->loop);

	if (h->login_turn != turn) {
		h->login_turn = turn;
		h->login_steps = 0;
	}
	return h->login_steps++ < LOGIN_STEPS || keep_len(&c->held) > 0;
}

void
client_login_readable(struct client *c)
{
	struct loop *l = c->home->loop;
	uint8_t *p = loop_lease(l);
	ssize_t n;

	if (!may_step(c)) {
		loop_unlease(l);
		return;
	}
	/* Byte for byte strangers could make us copy: bounded by the cap. */
	n = stream_read(&c->stream, p, LOOP_RBUF_FRONT);
	if (n > 0)
		client_keep(c, p, (size_t)n);
	loop_unlease(l);
	if (c->state != CL_STARTUP && c->state != CL_LOGIN)
		return;
	if (n >= 0 && c->verdict) {
		/* Whatever it says, it has been judged. */
		return;
	} else if (n < 0) {
		lost_in_login(c, n);
	} else if (c->stream.tls && !stream_is_secure(&c->stream)) {
		return; /* the handshake goes on */
	} else {
		if (c->stream.tls && !c->tls_noted)
			note_tls(c);
		login_on(c);
	}
}

/* It waits for the welcome: whatever it sends is kept, its end is noticed. */
void
client_greet_readable(struct client *c)
{
	uint8_t *p = loop_lease(c->home->loop);
	ssize_t n = stream_read(&c->stream, p, LOOP_RBUF_FRONT);

	if (n > 0)
		client_keep(c, p, (size_t)n);
	loop_unlease(c->home->loop);
	if (n < 0)
		client_close(c, "client unexpected eof");
	else if (keep_len(&c->held) >= WAITING_MAX)
		stream_pause(&c->stream);
}
