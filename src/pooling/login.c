/*
 * A client's first packets: what it asks for, and whether there is room. How
 * it proves who it is stands in login_auth.c.
 */
#include "login_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "pooling/tls_set.h"
#include "proto/msg.h"
#include "proto/reply.h"
#include "proto/wire.h"

#define USER_MAX 128
#define OPTION_PREFIX "_pq_." /* of protocol options */
#define OPTION_PREFIX_LEN (sizeof(OPTION_PREFIX) - 1)

struct login *
login_new(const struct login_args *a)
{
	struct login *l = xcalloc(1, sizeof(*l));
	struct ip from;

	l->hub = a->hub;
	l->cfg = config_ref(a->cfg);
	l->loop = a->loop;
	l->worker = a->worker;
	l->resume = a->resume;
	l->resume_arg = a->arg;
	l->arena = arena_new();
	l->peer = *a->peer;
	l->peer_uid = a->peer_uid;
	l->is_unix = a->is_unix;
	from = addr_ip(a->peer);
	l->source = a->source;
	l->wants_header = config_is_proxy(a->cfg, &from);
	l->late = atomic_load(&a->hub->shutting_down);
	l->r.replication = "none";
	l->r.application_name = "";
	l->r.options = "";
	if (!l->wants_header)
		login_meet(l);
	return l;
}

void
login_free(struct login *l)
{
	if (!l)
		return;
	login_abandon(l);
	auth_server_free(l->auth);
	free(l->cert_name);
	free(l->refusal);
	buf_wipe_free(&l->last_words);
	param_set_unref(l->r.params);
	settings_unref(l->r.settings);
	arena_wipe_free(l->arena);
	config_unref(l->cfg);
	wipe(l, sizeof(*l));
	free(l);
}

struct buf *
login_last_words(struct login *l)
{
	return &l->last_words;
}

bool
login_has_started(const struct login *l)
{
	return l->started;
}

void
login_set_tls(struct login *l, const char *cert_name, struct span end_point)
{
	l->is_tls = true;
	if (end_point.n <= sizeof(l->end_point) && end_point.n > 0) {
		memcpy(l->end_point, end_point.p, end_point.n);
		l->end_point_n = end_point.n;
	}
	free(l->cert_name);
	l->cert_name = cert_name ? xstrdup(cert_name) : NULL;
}

struct span
login_cancel_key(const struct login *l)
{
	return SPAN(l->key, l->key_n);
}

const struct login_result *
login_result(const struct login *l)
{
	return &l->r;
}

struct config *
login_config(const struct login *l)
{
	return l->cfg;
}

/* ---- startup parameters ---- */

/* A name of a comma list, case-sensitive as it always was. */
static bool
list_has(const char *list, const char *name)
{
	size_t n = strlen(name), len;

	while (*list) {
		list += strspn(list, ", \t");
		len = strcspn(list, ", \t");
		if (len == n && n > 0 && memcmp(list, name, n) == 0)
			return true;
		list += len;
	}
	return false;
}

static bool
track(struct login *l, const char *name, const char *value)
{
	int i = param_index(l->cfg->param_names, name);

	if (i < 0)
		return false;
	l->r.params = param_set_with(l->r.params, (size_t)i, value);
	return true;
}

/* A walsender is given everything when it starts. */
static void
take_walsender_setting(struct login *l, const char *name, const char *value)
{
	struct buf b = { 0 };

	buf_printf(&b, "%s -c %s=", l->r.options, name);
	for (; *value; value++) {
		if (*value == '\\' || *value == ' ' ||
		    (*value >= '\t' && *value <= '\r'))
			buf_append(&b, "\\", 1);
		buf_append(&b, value, 1);
	}
	buf_append(&b, "", 1);
	l->r.options = arena_strdup(l->arena, (const char *)buf_head(&b));
	buf_free(&b);
}

/* Any other setting is the server's to judge: it is set there, as a string,
 * before the client's first query. */
static void
take_setting(struct login *l, const char *name, const char *value)
{
	char *key = arena_strdup(l->arena, name), *p;
	struct buf sql = { 0 };

	for (p = key; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	buf_printf(&sql, "SELECT pg_catalog.set_config(");
	sql_put_literal(&sql, span_of(key));
	buf_printf(&sql, ",");
	sql_put_literal(&sql, span_of(value));
	buf_printf(&sql, ",false)");
	if (!l->wild && sql_is_ambiguous(value, "SJIS"))
		l->wild = arena_strdup(l->arena, value);
	l->r.settings = settings_with(l->r.settings, key, buf_span(&sql));
	buf_free(&sql);
}

static bool
take_options(struct login *l, const char *options, struct err *e)
{
	const char *ignore = l->cfg->ignore_startup_parameters;
	struct buf text = { 0 };
	const char *name, *value;
	enum startup_next next;
	size_t at = 0;
	bool ok = true;

	while (ok && (next = options_next(options, &at, &text, &name,
			  &value)) != PARAM_END) {
		if (next == PARAM_BAD)
			ok = err_set(e, "0A000", "unsupported options startup "
			    "parameter: only '-c config=val' and "
			    "'--config=val' are allowed");
		else if (!track(l, name, value) && !list_has(ignore, name) &&
		    !list_has(ignore, "options"))
			take_setting(l, name, value);
		buf_reset(&text);
	}
	buf_free(&text);
	return ok;
}

/* The value's word decides between a walsender for a database and one for
 * the whole cluster. */
static const char *
replication_kind(const char *value)
{
	static const char *const yes[] = { "true", "on", "yes", "1", "t", "y" };
	size_t i;

	if (strcasecmp(value, "database") == 0)
		return "logical";
	for (i = 0; i < ARRAY_LEN(yes); i++)
		if (strcasecmp(value, yes[i]) == 0)
			return "physical";
	return "none";
}

bool
login_is_replication(const struct login_result *r)
{
	return r->replication[0] != 'n';
}

static bool
take_param(struct login *l, const struct startup_param *p, struct err *e)
{
	struct login_result *r = &l->r;

	if (strcmp(p->name, "user") == 0) {
		r->user = arena_strdup(l->arena, p->value);
	} else if (strcmp(p->name, "database") == 0) {
		r->database = arena_strdup(l->arena, p->value);
	} else if (strcmp(p->name, "replication") == 0) {
		return true; /* looked at before all others */
	} else if (strcmp(p->name, "options") == 0) {
		/* A walsender's are the server's business. */
		if (login_is_replication(r))
			r->options = arena_printf(l->arena, "%s %s", p->value,
			    r->options);
		else
			return take_options(l, p->value, e);
	} else if (strcmp(p->name, "application_name") == 0) {
		r->application_name = arena_strdup(l->arena, p->value);
	} else if (strncmp(p->name, OPTION_PREFIX, OPTION_PREFIX_LEN) != 0 &&
	    !track(l, p->name, p->value) &&
	    !list_has(l->cfg->ignore_startup_parameters, p->name)) {
		if (login_is_replication(r))
			take_walsender_setting(l, p->name, p->value);
		else
			take_setting(l, p->name, p->value);
	}
	return true;
}

/* What we speak of what it asks for. There is no 3.1: the number is reserved,
 * since poolers that did not know it took it for 3.0. */
static uint32_t
protocol_for(uint32_t asked)
{
	return asked >= PROTOCOL_3_2 ? PROTOCOL_3_2 : PROTOCOL_3_0;
}

/* Newer minors, and protocol options, are negotiated away. */
static void
negotiate(struct login *l, uint32_t asked, struct span params,
    struct buf *out)
{
	uint32_t version = protocol_for(asked);
	const char **unknown;
	struct startup_param p;
	size_t n = 0, at = 0;

	l->r.long_key = version == PROTOCOL_3_2;
	unknown = arena_alloc(l->arena,
	    params.n / sizeof(OPTION_PREFIX) * sizeof(*unknown) + 1);
	while (startup_next(params, &at, &p) == PARAM_ONE)
		if (strncmp(p.name, OPTION_PREFIX, OPTION_PREFIX_LEN) == 0)
			unknown[n++] = p.name;
	if (version != asked || n > 0)
		reply_negotiate(out, version, unknown, n);
}

/* application_name, as it will be shown to the server. */
static void
name_application(struct login *l)
{
	struct login_result *r = &l->r;
	char at[ADDR_TEXT];

	if (l->cfg->application_name_add_host) {
		addr_text(&l->peer, at, sizeof(at));
		r->application_name = arena_printf(l->arena, "%s - %s",
		    r->application_name[0] ? r->application_name : "app", at);
	}
	if (r->application_name[0])
		track(l, "application_name", r->application_name);
}

/* ---- limits ---- */

static bool
count_client(struct login *l, struct err *e)
{
	int max = l->cfg->max_client_conn;

	if (l->r.console)
		return true;
	if (atomic_fetch_add(&l->hub->clients, 1) >= max) {
		atomic_fetch_sub(&l->hub->clients, 1);
		return err_set(e, "53300",
		    "no more connections allowed (max_client_conn)");
	}
	l->counted = true;
	return true;
}

const struct addr *
login_peer(const struct login *l)
{
	return &l->peer;
}

bool
login_is_counted(const struct login *l)
{
	return l->counted;
}

/* ---- who ---- */

const struct database_conf *
login_find_conf(const struct config *cfg, const char *name)
{
	const struct database_conf *c = config_database(cfg, name);

	if (c || strlen(name) > DATABASE_NAME_MAX)
		return c;
	return cfg->autodb;
}

/* ---- packets ---- */

static bool
take_startup(struct login *l, const struct startup *s, struct err *e)
{
	struct startup_param p;
	enum startup_next next;
	size_t at = 0;

	l->r.params = param_set_new(param_names_count(l->cfg->param_names));
	while (startup_next(s->params, &at, &p) == PARAM_ONE)
		if (strcmp(p.name, "replication") == 0)
			l->r.replication = replication_kind(p.value);
	at = 0;
	while ((next = startup_next(s->params, &at, &p)) == PARAM_ONE)
		if (!take_param(l, &p, e))
			return false;
	if (next == PARAM_BAD)
		return err_set(e, "08P01", "invalid startup packet layout: "
		    "expected terminator as last byte");
	if (l->wild && sql_is_ambiguous(l->wild,
	    param_get(l->r.params, PARAM_CLIENT_ENCODING)))
		return err_set(e, "22023", "a startup parameter cannot be "
		    "quoted safely in encoding \"%s\"",
		    param_get(l->r.params, PARAM_CLIENT_ENCODING));
	if (!l->r.user || !l->r.user[0])
		return err_set(e, "28000", "no username supplied");
	if (strlen(l->r.user) >= USER_MAX)
		return err_set(e, "28000", "username too long");
	if (!l->r.database || !l->r.database[0])
		l->r.database = l->r.user;
	return true;
}

static enum login_step
on_startup(struct login *l, const struct startup *s, struct buf *out,
    struct err *e)
{
	if (!take_startup(l, s, e))
		return LOGIN_FAILED;
	l->started = true;
	if (l->refusal) {
		*e = *l->refusal;
		return LOGIN_FAILED;
	}
	l->r.console = config_is_console(l->r.database);
	if (!count_client(l, e))
		return LOGIN_FAILED;
	negotiate(l, s->version, s->params, out);
	name_application(l);
	if (!l->r.console) {
		l->r.conf = login_find_conf(l->cfg, l->r.database);
		l->no_database = !l->r.conf;
	}
	if (login_is_own_uid(l))
		return login_proven(l, e);
	return login_begin_auth(l, out, e);
}

static bool
has_tls(const struct login *l)
{
	return !l->is_unix && tls_set_client(l->cfg);
}

static bool
wants_tls(const struct login *l)
{
	return !l->is_tls && !l->is_unix &&
	    l->cfg->client_tls_sslmode >= TLS_REQUIRE;
}

static enum login_step
first_packet(struct login *l, struct span in, size_t *used, struct buf *out,
    struct err *e)
{
	struct startup s;

	*used = 0;
	switch (startup_decode(in, &s)) {
	case STARTUP_MORE:
		return LOGIN_MORE;
	case STARTUP_V3:
		*used = s.size;
		if (wants_tls(l)) {
			err_set(e, "08P01", "SSL required");
			return LOGIN_FAILED;
		}
		return on_startup(l, &s, out, e);
	case STARTUP_CANCEL:
		assert(s.key.n <= sizeof(l->key));
		memcpy(l->key, s.key.p, s.key.n);
		l->key_n = s.key.n;
		return LOGIN_CANCEL;
	case STARTUP_SSL:
	case STARTUP_GSS:
		if (l->is_tls)
			return LOGIN_CLOSE;
		*used = s.size;
		if (in.n > s.size) {
			err_set(e, "08P01", s.kind == STARTUP_SSL ?
			    "received unencrypted data after SSL request" :
			    "received unencrypted data after GSSAPI "
			    "encryption request");
			return LOGIN_FAILED;
		}
		if (s.kind == STARTUP_SSL && has_tls(l)) {
			buf_append(out, "S", 1);
			return LOGIN_TLS;
		}
		buf_append(out, "N", 1);
		return LOGIN_MORE;
	case STARTUP_V2:
		err_set(e, "08P01", "old V2 protocol not supported");
		return LOGIN_FAILED;
	case STARTUP_TLS_HELLO:
		if (has_tls(l) && !l->is_tls)
			return LOGIN_DIRECT_TLS;
		break;
	case STARTUP_BAD:
		/* A CancelRequest never gets an answer, a wrong one neither. */
		if (s.version == CODE_CANCEL)
			return LOGIN_CLOSE;
		break;
	}
	if (!login_refuse_header(in, e))
		msg_bad_header(in, e);
	return LOGIN_FAILED;
}

/* Only 'p' may come while the password exchange runs. */
static enum login_step
auth_packet(struct login *l, struct span in, size_t *used, struct buf *out,
    struct err *e)
{
	struct frame_info f;
	struct span body;

	*used = 0;
	if (in.n > 0 && in.p[0] == 0) {
		err_set(e, "08P01", "client re-sent startup pkt");
		return LOGIN_FAILED;
	}
	if (in.n > 0 && in.p[0] != 'p')
		return LOGIN_CLOSE;
	switch (wire_frame(in.p, in.n, AUTH_MSG_MAX, &f)) {
	case FRAME_MORE:
	case FRAME_PART:
		return LOGIN_MORE;
	case FRAME_BAD:
		msg_bad_header(in, e);
		return LOGIN_FAILED;
	case FRAME_WHOLE:
		break;
	}
	*used = f.size;
	body = SPAN(in.p + WIRE_HEAD, f.size - WIRE_HEAD);
	return login_auth_step(l, &body, out, e);
}

enum login_step
login_feed(struct login *l, struct span in, size_t *used, struct buf *out,
    struct err *e)
{
	enum login_step step = LOGIN_MORE;
	size_t n;

	*used = 0;
	if (l->answered)
		step = login_go_on(l, out, e);
	while (step == LOGIN_MORE && l->waits == WAITS_FOR_CLIENT &&
	    in.n > 0) {
		if (!l->started && in.p[0] == 'p') {
			err_set(e, "08P01",
			    "client password pkt before startup packet");
			return LOGIN_FAILED;
		}
		if (l->wants_header)
			step = login_take_header(l, in, &n, e);
		else
			step = l->started ? auth_packet(l, in, &n, out, e) :
					    first_packet(l, in, &n, out, e);
		*used += n;
		in.p += n;
		in.n -= n;
		if (n == 0)
			break;
	}
	return step;
}
