/* A server connection from connect() to its first ReadyForQuery. */
#include "pooling/server_login.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "io/tls.h"
#include "pooling/hosts.h"
#include "pooling/keycache.h"
#include "pooling/passwords.h"
#include "pooling/preface.h"
#include "pooling/server.h"
#include "proto/auth.h"
#include "proto/msg.h"
#include "proto/reply.h"
#include "proto/wire.h"

/* Untracked ParameterStatus bytes that a server may tell at login. */
#define WELCOME_MAX 16384

/* An address that says nothing for so long is passed over while its name has
 * others. One lost packet is sent again before. */
#define ADDR_US (1200 * USEC_PER_MSEC)

/* Apart from the server, since a look-up outlives an asker that gives up. */
struct login_state {
	struct server *server; /* NULL: it has given up */
	bool asking; /* dns has it */
	struct dns_query query;
	size_t next_addr;
	usec_t end_us; /* of the attempt; 0 = none */
	bool asking_password; /* a program is being run for it */
	struct password_query password;
	struct buf request; /* the server's, meanwhile */
	char *secret; /* that came of it; NULL: the target's own */
	bool asking_keys; /* the key cache has it */
	struct key_query keys;
	struct auth_client *auth;
	struct buf welcome;
	bool hasty; /* its host has not answered, and there are others */
	bool asked_3_2; /* protocol 3.2 was asked for */
	bool answered; /* the server took the StartupMessage */
	bool proven; /* AuthenticationOk has come */
	bool modern; /* the server says that it is PostgreSQL 18 or newer */
	struct preface preface;
	bool connect_query; /* it is running */
	bool failed;
};

static void
state_free(struct login_state *ls)
{
	auth_client_free(ls->auth);
	dns_host_unref(ls->query.host);
	buf_free(&ls->welcome);
	buf_free(&ls->request);
	wipe_free(ls->secret);
	key_query_wipe(&ls->keys);
	free(ls);
}

void
login_state_free(struct server *s)
{
	struct login_state *ls = s->login;

	if (!ls)
		return;
	s->login = NULL;
	ls->server = NULL;
	if (!ls->asking && !ls->asking_keys && !ls->asking_password)
		state_free(ls);
}

/* ---- failing ---- */

/* A server that does not know protocol 3.2, and negotiates nothing either, says
 * so or hangs up at once. It is asked for 3.0 from then on. told: by a message
 * of its own. */
static bool
is_about_protocol(struct server *s, const struct err *e, bool told)
{
	if (!s->login || !s->login->asked_3_2 || s->login->answered)
		return false;
	if (told && strcmp(e->sqlstate, "0A000") != 0 &&
	    strcmp(e->sqlstate, "08P01") != 0)
		return false;
	if (!told && !s->eof)
		return false;
	if (atomic_exchange(&s->target->speaks, SPEAKS_ONLY_3_0) !=
	    SPEAKS_ONLY_3_0)
		log_info("servers of database \"%s\" are asked for protocol "
			 "3.0 from now on: one does not take 3.2",
		    s->target->database);
	return true;
}

/* Another address of the same name is to be tried before this one. */
static void
blame_addr(struct server *s)
{
	if (s->dns_host && s->addr.family)
		dns_host_blame(s->dns_host, &s->addr, loop_now(s->loop));
}

/* severity: of the server's own refusal; NULL if it is not one. */
static void
fail_as(struct server *s, const struct err *e, bool refused,
    const char *reason, const char *severity)
{
	static struct log_limit limit;
	char label[SERVER_LABEL];

	if (s->login) {
		if (s->login->failed)
			return;
		s->login->failed = true;
	}
	if (is_about_protocol(s, e, severity != NULL)) {
		s->try_other = true;
	} else if (!refused &&
	    (severity || strncmp(e->sqlstate, "08", 2) == 0)) {
		blame_addr(s);
		if (s->host_counted)
			s->try_other = hosts_failed(s->target->hosts,
			    s->host_i, e, loop_now(s->loop));
	}
	server_label(s, label);
	/* Many pools may fail for one reason. */
	log_limited(&limit, 50 * USEC_PER_MSEC, LVL_WARNING,
	    "%s %s%s%s%s%s%s", label, severity ? "server login failed: " : "", severity ? severity : "",
	    severity ? " " : "", e->msg, e->detail[0] ? "; " : "", e->detail);
	s->owner->failed(s, e, refused);
	server_retire(s, reason);
}

static void
fail(struct server *s, const struct err *e, bool refused, const char *reason)
{
	fail_as(s, e, refused, reason, NULL);
}

static void
where(const struct server *s, char *out, size_t cap)
{
	const char *host = s->host ? s->host : s->target->host;

	char addr[ADDR_TEXT];

	if (host[0] == '_' && s->addr.family) {
		/* A service: the port is that of its target. */
		addr_text(&s->addr, addr, sizeof(addr));
		snprintf(out, cap, "%s (%s)", addr, host);
	} else if (host[0] == '_')
		snprintf(out, cap, "%s", host);
	else if (host_is_unix(host) || !host[0])
		snprintf(out, cap, "%s/.s.PGSQL.%d", host, s->target->port);
	else if (strchr(host, ':'))
		snprintf(out, cap, "[%s]:%d", host, s->target->port);
	else
		snprintf(out, cap, "%s:%d", host, s->target->port);
}

static void
fail_unreachable(struct server *s, const char *why, const char *reason)
{
	struct err e;
	char at[TARGET_HOST + 32];

	where(s, at, sizeof(at));
	err_set(&e, "08001", "cannot reach server %s for database \"%s\": %s",
	    at, s->target->database, why);
	err_hint(&e, "check that PostgreSQL is running and accepting "
	    "connections there; SHOW SERVERS and SHOW POOLS on the admin "
	    "console tell how the pool stands");
	fail(s, &e, false, reason);
}

static const char *
connect_error(int err)
{
	switch (err) {
	case ECONNREFUSED:
		return "connection refused";
	case ENOENT:
		return "no such socket file";
	case ETIMEDOUT:
		return "connection timed out";
	case EHOSTUNREACH:
		return "no route to host";
	case ENETUNREACH:
		return "network is unreachable";
	default:
		return strerror(err);
	}
}

static bool dial_next(struct server *s);

void
login_timed_out(struct server *s)
{
	struct login_state *ls = s->login;

	if (s->state == SV_CONNECTING && ls->next_addr < ls->query.n_addrs &&
	    (!ls->end_us || loop_now(s->loop) < ls->end_us)) {
		stream_close(&s->stream);
		blame_addr(s);
		(void)dial_next(s);
		return;
	}
	if (s->state == SV_CONNECTING)
		fail_unreachable(s, "connection timed out", "connect timeout");
	else
		fail_unreachable(s, "it did not complete the login in time",
		    "connect timeout");
}

void
login_lost(struct server *s)
{
	fail_unreachable(s, s->eof ?
	    "it closed the connection during the login" :
	    "it broke the protocol during the login",
	    "server conn crashed?");
}

/* ---- connecting ---- */

static void dial(struct server *s, const struct addr *a);

/* Of the attempt, or, while there are more addresses to try, of the next. */
static void
set_login_timer(struct server *s)
{
	const struct login_state *ls = s->login;
	usec_t at = ls->end_us, step = loop_now(s->loop) + ADDR_US;

	if (s->state == SV_CONNECTING &&
	    ls->next_addr < ls->query.n_addrs && (!at || step < at))
		at = step;
	if (at)
		timer_set(s->loop, &s->timer, at);
	else
		timer_clear(&s->timer);
}

/* The next address of the name, if there is one. */
static bool
dial_next(struct server *s)
{
	struct login_state *ls = s->login;

	if (ls->next_addr >= ls->query.n_addrs)
		return false;
	ls->next_addr++;
	set_login_timer(s);
	dial(s, &ls->query.addrs[ls->next_addr - 1]);
	return true;
}

static void
dial(struct server *s, const struct addr *a)
{
	int fd;

	if (a)
		s->addr = *a;
	else
		s->addr = (struct addr){ .family = AF_UNIX };
	fd = target_dial(s->target, s->host, &s->addr);
	if (fd < 0) {
		int err = errno;

		blame_addr(s);
		if (a && dial_next(s))
			return;
		fail_unreachable(s, connect_error(err), "connect failed");
		return;
	}
	stream_init_connecting(&s->stream, s->loop, fd, server_stream_ops());
}

static void
on_dns(struct dns_query *q)
{
	struct login_state *ls = CONTAINER_OF(q, struct login_state, query);
	struct server *s = ls->server;

	ls->asking = false;
	if (!s) {
		state_free(ls);
		return;
	}
	if (!q->ok) {
		fail_unreachable(s, q->err.msg, "server DNS lookup failed");
		return;
	}
	s->dns_host = q->host;
	s->dns_version = q->version;
	q->host = NULL;
	(void)dial_next(s);
}

static void
choose_host(struct server *s)
{
	struct server_target *t = s->target;
	char host[TARGET_HOST];

	if (!t->hosts) {
		target_host(t, host);
		s->host = xstrdup(host);
		return;
	}
	s->host_i = hosts_begin(t->hosts, t->in_turn,
	    target_standbys(t, s->born_us), s->born_us);
	s->host_counted = true;
	s->host = xstrdup(hosts_name(t->hosts, s->host_i));
	s->login->hasty = t->patience_us > 0 &&
	    hosts_has_other(t->hosts, s->host_i, 0, s->born_us);
}

/* A host that says nothing is not waited for while another may be alive. */
static void
set_end(struct server *s)
{
	usec_t us = s->target->connect_timeout_us;

	if (s->login->hasty && (!us || s->target->patience_us < us))
		us = s->target->patience_us;
	s->login->end_us = us ? s->born_us + us : 0;
	set_login_timer(s);
}

void
server_start(struct server *s, struct loop *l)
{
	struct login_state *ls = xcalloc(1, sizeof(*ls));
	struct addr a;

	s->loop = l;
	s->login = ls;
	ls->server = s;
	s->born_us = loop_now(l);
	s->born_wall_us = clock_wall_us();
	choose_host(s);
	set_end(s);
	if (host_is_unix(s->host)) {
		dial(s, NULL);
	} else if (addr_parse(&a, s->host, (uint16_t)s->target->port)) {
		dial(s, &a);
	} else {
		copy_str(ls->query.name, sizeof(ls->query.name), s->host);
		ls->query.port = (uint16_t)s->target->port;
		ls->query.reply_to = l;
		ls->query.answered = on_dns;
		ls->query.wants_host = true;
		ls->asking = true;
		dns_ask(s->target->dns, &ls->query);
	}
}

static bool
wants_3_2(struct server_target *t)
{
	enum target_speaks speaks = (enum target_speaks)atomic_load(
	    &t->speaks);

	switch (t->protocol) {
	case SERVER_PROTOCOL_AUTO:
		return speaks == SPEAKS_3_2;
	case SERVER_PROTOCOL_3_0:
		return false;
	case SERVER_PROTOCOL_3_2:
		return speaks != SPEAKS_ONLY_3_0;
	}
	return false;
}

static void
send_startup(struct server *s)
{
	struct server_target *t = s->target;
	const char *list[2 * PARAM_MAX + 24];
	size_t n = 0;
	char **p;
	struct buf b = { 0 };

	list[n++] = "user";
	list[n++] = t->user;
	list[n++] = "database";
	list[n++] = t->dbname;
	for (p = t->startup; p && p[0] && n + 2 < ARRAY_LEN(list); p += 2) {
		list[n++] = p[0];
		list[n++] = p[1];
	}
	list[n] = NULL;
	s->login->asked_3_2 = wants_3_2(t);
	request_startup(&b,
	    s->login->asked_3_2 ? PROTOCOL_3_2 : PROTOCOL_3_0, list);
	stream_write(&s->stream, buf_head(&b), buf_len(&b));
	buf_free(&b);
}

static void
log_tls(const struct server *s)
{
	char label[SERVER_LABEL], text[STREAM_TLS_TEXT];

	if (!stream_is_secure(&s->stream) || !s->target->log_connections)
		return;
	server_label(s, label);
	stream_tls_text(&s->stream, text, sizeof(text));
	log_info("%s SSL established: %s", label, text);
}

static void
after_preface(struct server *s, enum preface_step step, const char *why)
{
	struct err e;
	char at[TARGET_HOST + 32];

	switch (step) {
	case PREFACE_MORE:
		break;
	case PREFACE_DONE:
		s->owner->progress(s);
		log_tls(s);
		send_startup(s);
		break;
	case PREFACE_FAILED:
		where(s, at, sizeof(at));
		err_set(&e, "08001", "server %s of database \"%s\": %s", at,
		    s->target->database, why);
		err_hint(&e, "server_tls_sslmode and its kin say what the "
		    "pooler asks of servers");
		fail(s, &e, false, strcmp(why, "server refused SSL") ?
		    "TLS handshake failed" : "server refused SSL");
		break;
	}
}

void
login_connected(struct server *s)
{
	char label[SERVER_LABEL], from[ADDR_TEXT], why[PREFACE_WHY];
	int err = stream_connected(&s->stream);
	enum preface_step step;

	if (err) {
		stream_close(&s->stream);
		blame_addr(s);
		if (!dial_next(s))
			fail_unreachable(s, connect_error(err),
			    "connect failed");
		return;
	}
	addr_of_socket(&s->local, s->stream.fd);
	s->owner->enter(s, SV_LOGIN);
	set_login_timer(s);
	s->owner->progress(s);
	if (s->target->log_connections) {
		server_label(s, label);
		addr_text(&s->local, from, sizeof(from));
		log_info("%s new connection to server (from %s)", label, from);
	}
	step = preface_begin(&s->login->preface, &s->stream, s->target,
	    s->host, false, why);
	after_preface(s, step, why);
}

bool
login_readable(struct server *s)
{
	char why[PREFACE_WHY];
	enum preface_step step;

	if (LIKELY(!s->login) || !preface_is_on(&s->login->preface))
		return false;
	step = preface_readable(&s->login->preface, &s->stream, s->target,
	    s->host, false, why);
	after_preface(s, step, why);
	return true;
}

/* ---- messages ---- */

/* A login that fails is a riddle without it. */
static void
tell_credential(const struct server *s, struct err *e)
{
	char with[TARGET_CREDENTIAL];

	target_credential(s->target, with);
	err_detail(e, "%s%sthe pooler logs in as \"%s\" with %s", e->detail,
	    e->detail[0] ? "; " : "", s->target->user, with);
}

/* One step of the password exchange, whichever. */
static bool
auth_stepped(struct server *s, enum step step, struct buf *out,
    const struct err *e)
{
	if (step == STEP_FAIL) {
		struct err why = *e;

		buf_wipe_free(out);
		tell_credential(s, &why);
		fail(s, &why, true, "login failed");
		return false;
	}
	if (buf_len(out))
		stream_write(&s->stream, buf_head(out), buf_len(out));
	buf_wipe_free(out);
	return true;
}

static void
give_keys(struct server *s)
{
	struct login_state *ls = s->login;
	struct buf out = { 0 };
	enum step step = STEP_FAIL;
	struct err e;

	err_set(&e, "XX000", "server login failed: no keys could be derived");
	if (ls->keys.ok)
		step = auth_client_give(ls->auth, &ls->keys.keys, &out, &e);
	key_query_wipe(&ls->keys);
	(void)auth_stepped(s, step, &out, &e);
}

static void
on_keys(struct key_query *q)
{
	struct login_state *ls = CONTAINER_OF(q, struct login_state, keys);

	ls->asking_keys = false;
	if (!ls->server)
		state_free(ls);
	else
		give_keys(ls->server);
}

/* The derivation is done elsewhere, if it has not been done before. */
static bool
ask_keys(struct server *s, struct span salt, uint32_t iterations)
{
	struct login_state *ls = s->login;
	struct key_query *q = &ls->keys;
	struct err e;

	if (salt.n > KEY_SALT_MAX) {
		err_set(&e, "08P01", "server login failed: SCRAM salt of more "
		    "than %d bytes", KEY_SALT_MAX);
		fail(s, &e, true, "login failed");
		return false;
	}
	q->user = s->target->user;
	q->password = ls->secret ? ls->secret : s->target->secret;
	memcpy(q->salt, salt.p, salt.n);
	q->salt_n = salt.n;
	q->iterations = iterations;
	q->reply_to = s->loop;
	q->answered = on_keys;
	switch (keycache_ask(s->target->keycache, q)) {
	case KEYS_NOW:
		give_keys(s);
		return s->login && !s->login->failed;
	case KEYS_LATER:
		ls->asking_keys = true;
		return true;
	case KEYS_REFUSED:
		break;
	}
	err_set(&e, "53300", "server login failed: too many logins at once");
	fail(s, &e, false, "login failed");
	return false;
}

/* ---- a password that a program prints ---- */

static bool login_auth(struct server *s, struct span body);

static void
on_password(struct password_query *q)
{
	struct login_state *ls = CONTAINER_OF(q, struct login_state, password);
	struct server *s = ls->server;

	ls->asking_password = false;
	ls->secret = q->password;
	if (!s) {
		state_free(ls);
	} else if (!ls->secret) {
		err_detail(&q->err, "for user \"%s\" of database \"%s\"",
		    s->target->user, s->target->database);
		fail(s, &q->err, true, "login failed");
	} else {
		s->patience_us = 0;
		s->owner->progress(s);
		(void)login_auth(s, buf_span(&ls->request));
	}
}

static void
describe_password(const struct server *s, struct password_query *q)
{
	const struct server_target *t = s->target;

	q->command = t->password_command;
	q->user = t->user;
	q->database = t->database;
	q->host = s->host;
	q->lifetime_us = t->password_lifetime_us;
	q->timeout_us = t->password_timeout_us;
}

/* Only for a server that asks for something: AuthenticationOk needs none. */
static bool
wants_program(const struct server *s, struct span body)
{
	static const uint8_t ok[4] = { 0 };
	const struct login_state *ls = s->login;

	return s->target->password_command && !ls->secret && !ls->auth &&
	    !span_eq(body, SPAN(ok, sizeof(ok)));
}

static void
ask_program(struct server *s, struct span body)
{
	struct login_state *ls = s->login;

	buf_append(&ls->request, body.p, body.n);
	ls->asking_password = true;
	/* That the program takes its time is not the server's fault. */
	s->patience_us = s->target->password_timeout_us;
	s->owner->progress(s);
	describe_password(s, &ls->password);
	ls->password.reply_to = s->loop;
	ls->password.answered = on_password;
	passwords_ask(s->target->passwords, &ls->password);
}

/* It was refused: the program is asked for another one. */
static void
forget_password(struct server *s)
{
	struct password_query q;

	if (!s->login->secret)
		return;
	memset(&q, 0, sizeof(q));
	describe_password(s, &q);
	passwords_forget(s->target->passwords, &q);
}

/* What SCRAM may bind to, if we speak TLS to it. */
static struct span
end_point_of(const struct server *s, uint8_t hash[TLS_END_POINT_MAX])
{
	const struct tls *t = stream_tls(&s->stream);

	return t ? SPAN(hash, tls_end_point(t, hash)) : SPAN(NULL, 0);
}

static bool
login_auth(struct server *s, struct span body)
{
	struct login_state *ls = s->login;
	uint8_t hash[TLS_END_POINT_MAX];
	struct auth_client_args args = {
		.user = s->target->user,
		.secret = ls->secret ? ls->secret : s->target->secret,
		.keys = s->target->has_keys && !ls->secret ?
		    &s->target->keys : NULL,
		.defer = s->target->keycache != NULL,
	};
	struct buf out = { 0 };
	uint32_t iterations;
	struct span salt;
	struct err e;
	enum step step;

	if (wants_program(s, body)) {
		ask_program(s, body);
		return true;
	}
	if (!ls->auth) {
		args.end_point = end_point_of(s, hash);
		ls->auth = auth_client_new(&args);
	}
	err_clear(&e);
	step = auth_client_step(ls->auth, body, &out, &e);
	ls->proven = step == STEP_DONE;
	if (!auth_stepped(s, step, &out, &e))
		return false;
	if (auth_client_wants(ls->auth, &salt, &iterations))
		return ask_keys(s, salt, iterations);
	return true;
}

#define FIRST_WITH_3_2 18

/* What comes before it need not know that the protocol has versions. */
static void
note_version(struct login_state *ls, struct span body)
{
	const char *name, *value;

	if (msg_parameter_status(body, &name, &value) &&
	    strcmp(name, "server_version") == 0)
		ls->modern = atoi(value) >= FIRST_WITH_3_2;
}

/* Kept for the welcome, unless clients carry a value of their own. */
static bool
login_parameter(struct server *s, struct span body)
{
	struct login_state *ls = s->login;
	struct writer w;

	if (server_parameter(s, body) >= 0)
		return true;
	note_version(ls, body);
	if (buf_len(&ls->welcome) + body.n > WELCOME_MAX)
		return true;
	writer_begin(&w, &ls->welcome, 'S');
	writer_bytes(&w, body.p, body.n);
	writer_end(&w);
	return true;
}

static bool
login_key(struct server *s, struct span body)
{
	struct span key;

	if (!msg_key_data(body, &s->pid, &key) || key.n > sizeof(s->key)) {
		login_lost(s);
		return false;
	}
	memcpy(s->key, key.p, key.n);
	s->key_n = (uint16_t)key.n;
	return true;
}

/* Codes after which another attempt may well succeed. */
static bool
is_refusal(const char *sqlstate)
{
	static const char *const passing[] = { "57P03", "53300", "57P01",
		"57P02", "53400", "53200" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(passing); i++)
		if (strcmp(sqlstate, passing[i]) == 0)
			return false;
	return strncmp(sqlstate, "08", 2) != 0;
}

static bool
login_error(struct server *s, struct span body)
{
	static struct log_limit query_limit;
	struct notice_fields f;
	struct err e;
	char at[TARGET_HOST + 32];
	bool about_proof;

	if (s->login->connect_query) {
		if (msg_notice(body, &f))
			log_limited(&query_limit, USEC_PER_SEC, LVL_WARNING,
			    "connect_query of database \"%s\" failed: %s",
			    s->target->database, f.message ? f.message : "");
		return true;
	}
	if (!msg_notice(body, &f)) {
		login_lost(s);
		return false;
	}
	where(s, at, sizeof(at));
	err_set(&e, f.sqlstate ? f.sqlstate : "08006", "%s",
	    f.message ? f.message : "server login failed");
	err_detail(&e, "server %s of database \"%s\" said this to "
	    "user \"%s\"%s%s", at, s->target->database,
	    s->target->user, f.detail ? ": " : "", f.detail ? f.detail : "");
	about_proof = strncmp(e.sqlstate, "28", 2) == 0;
	if (about_proof)
		tell_credential(s, &e);
	if (about_proof)
		forget_password(s);
	if (strcmp(e.sqlstate, "53300") == 0)
		err_hint(&e, "this is the limit of the server itself "
		    "(max_connections), not of the pooler; the pool size must "
		    "stay below it");
	else if (f.hint)
		err_hint(&e, "%s", f.hint);
	else if (about_proof)
		err_hint(&e, "this is the pooler's own login to the server; "
		    "what it logs in with has to fit what the server has "
		    "for \"%s\"", s->target->user);
	fail_as(s, &e, is_refusal(e.sqlstate), "login failed",
	    f.severity ? f.severity : "FATAL");
	return false;
}

/* This pool was told to write to a standby before, and its list has a host that
 * may be the primary. */
static bool
is_unwanted_standby(struct server *s)
{
	struct server_target *t = s->target;
	usec_t now = loop_now(s->loop);

	if (!s->host_counted || !atomic_load(&t->wants_primary))
		return false;
	target_add_standby(t, s->host_i, now);
	return hosts_has_other(t->hosts, s->host_i, target_standbys(t, now),
	    now);
}

/* The host is well; it is not what this pool wants. */
static void
try_another_host(struct server *s)
{
	char at[TARGET_HOST + 32];
	struct err e;

	where(s, at, sizeof(at));
	err_set(&e, "08001", "server %s of database \"%s\" is a standby", at,
	    s->target->database);
	hosts_reached(s->target->hosts, s->host_i);
	s->login->failed = true;
	s->try_other = true;
	s->owner->failed(s, &e, false);
	server_retire(s, "server is a standby");
}

/* The owner is told behind all that came with it, since the server may leave
 * this loop then. */
static void
logged_in(struct server *s)
{
	if (s->host_counted)
		hosts_reached(s->target->hosts, s->host_i);
	if (s->login->modern &&
	    atomic_load(&s->target->speaks) == SPEAKS_UNKNOWN)
		atomic_store(&s->target->speaks, SPEAKS_3_2);
	if (s->dns_host)
		dns_host_praise(s->dns_host, &s->addr);
	s->welcome = welcome_new(buf_span(&s->login->welcome), s->params);
	login_state_free(s);
	timer_clear(&s->timer);
}

static bool
login_ready(struct server *s, struct span body)
{
	struct login_state *ls = s->login;
	uint8_t status;
	struct buf b = { 0 };

	if (!msg_ready(body, &status)) {
		login_lost(s);
		return false;
	}
	s->pipeline.status = status;
	if (!ls->connect_query && s->target->connect_query[0]) {
		ls->connect_query = true;
		request_query(&b, s->target->connect_query);
		stream_write(&s->stream, buf_head(&b), buf_len(&b));
		buf_free(&b);
		return true;
	}
	if (status != 'I') {
		login_lost(s);
		return false;
	}
	if (UNLIKELY(s->standby) && is_unwanted_standby(s)) {
		try_another_host(s);
		return false;
	}
	logged_in(s);
	return true;
}

bool
login_message(struct server *s, uint8_t type, struct span body)
{
	s->owner->progress(s);
	if (UNLIKELY(s->login->hasty)) {
		s->login->hasty = false;
		set_end(s);
	}
	if (type == 'S')
		return login_parameter(s, body);
	if (type == 'N')
		return true;
	if (type == 'E')
		return login_error(s, body);
	if (type == 'Z' && s->login->proven)
		return login_ready(s, body);
	if (s->login->connect_query)
		return true;
	if (type == 'R' && !s->login->proven && !s->login->asking_password) {
		s->login->answered = true;
		return login_auth(s, body);
	}
	if (type == 'K' && s->login->proven)
		return login_key(s, body);
	if (type == 'v') {
		/* NegotiateProtocolVersion: in 3.0, with the key of that. */
		s->login->answered = true;
		return true;
	}
	login_lost(s);
	return false;
}
