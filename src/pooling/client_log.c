/* What the log is told about a client. As text the forms are PgBouncer's, and
 * what we add stands behind; as JSON who it is about has fields of its own. */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "client_private.h"

#define WHO 6
#define WHO_MORE 10

/* Who a line is about. Texts borrow from it and from the client. */
struct who {
	char label[CLIENT_LABEL];
	char at[ADDR_TEXT];
	struct log_field fields[WHO + WHO_MORE];
	size_t n;
};

static void
add_text(struct who *w, const char *key, const char *text)
{
	if (text)
		w->fields[w->n++] = (struct log_field){ .key = key,
			.text = text };
}

static void
add_number(struct who *w, const char *key, int64_t number)
{
	w->fields[w->n++] = (struct log_field){ .key = key, .number = number };
}

static const char *
application_of(const struct client *c)
{
	int app = param_index(c->home->cfg->param_names, "application_name");

	if (c->login)
		return login_result(c->login)->application_name;
	return app >= 0 && c->params ? param_get(c->params, (size_t)app) :
				       NULL;
}

static void
who_is(const struct client *c, const char *event, struct who *w)
{
	const struct login_result *r = c->login ? login_result(c->login) :
						  NULL;

	w->n = 0;
	client_label(c, w->label);
	addr_text(&c->peer, w->at, sizeof(w->at));
	add_text(w, "event", event);
	add_number(w, "client", (int64_t)c->id);
	add_text(w, "database", c->db ? c->db->name : r ? r->database : NULL);
	add_text(w, "user", c->user ? c->user->name : r ? r->user : NULL);
	add_text(w, "address", w->at);
	add_text(w, "application", application_of(c));
}

void
client_log_login(const struct client *c)
{
	const struct login_result *r = login_result(c->login);
	char tls[STREAM_TLS_TEXT];
	struct who w;

	if (!c->home->cfg->log_connections)
		return;
	who_is(c, "login", &w);
	stream_tls_text(&c->stream, tls, sizeof(tls));
	add_text(&w, "tls", tls[0] ? tls : "no");
	add_text(&w, "replication", r->replication);
	add_text(&w, "secret", r->used_old ? "old" : NULL);
	log_event(LVL_LOG, w.fields, w.n,
	    "%s login attempt: db=%s user=%s tls=%s replication=%s%s", w.label,
	    r->database, r->user, tls[0] ? tls : "no", r->replication,
	    r->used_old ? " secret=old" : "");
}

void
client_log_closing(const struct client *c, const char *reason)
{
	usec_t age = loop_now(c->home->loop) - c->connect_us;
	struct who w;

	if (!c->home->cfg->log_disconnections)
		return;
	who_is(c, "disconnect", &w);
	add_text(&w, "reason", reason);
	add_number(&w, "age_s", age / USEC_PER_SEC);
	log_event(LVL_LOG, w.fields, w.n, "%s closing because: %s (age=%llds)",
	    w.label, reason, (long long)(age / USEC_PER_SEC));
}

void
client_log_error(const struct client *c, const struct err *e)
{
	struct who w;

	if (!c->home->cfg->log_pooler_errors)
		return;
	who_is(c, "error", &w);
	add_text(&w, "sqlstate", e->sqlstate);
	add_text(&w, "error", e->msg);
	add_text(&w, "detail", e->detail[0] ? e->detail : NULL);
	add_text(&w, "cause", e->log[0] ? e->log : NULL);
	log_event(LVL_WARNING, w.fields, w.n,
	    "%s pooler error: %s%s%s%s%s%s%s", w.label, e->msg,
	    e->detail[0] ? " (" : "", e->detail, e->detail[0] ? ")" : "",
	    e->log[0] ? " [" : "", e->log, e->log[0] ? "]" : "");
}

void
client_log_full(const struct client *c, const struct err *e)
{
	char label[CLIENT_LABEL];

	if (!c->home->cfg->log_pooler_errors)
		return;
	client_label(c, label);
	log_limited(&c->home->full, USEC_PER_SEC, LVL_WARNING,
	    "%s pooler error: %s (%s)", label, e->msg, e->detail);
}

/* A share of those that take long, so that a bad day does not fill the disk. */
static bool
is_sampled(struct client_home *h)
{
	if (h->cfg->log_duration_sample >= 100)
		return true;
	h->dice = h->dice * UINT64_C(6364136223846793005) +
	    UINT64_C(1442695040888963407);
	return h->dice / (UINT64_C(1) << 32) % 100 <
	    (uint64_t)h->cfg->log_duration_sample;
}

void
client_log_slow(const struct client *c, const struct slow_query *q)
{
	const char *state = q->sqlstate[0] ? q->sqlstate : "00000";
	char fingerprint[20];
	struct who w;

	if (!is_sampled(c->home))
		return;
	snprintf(fingerprint, sizeof(fingerprint), "%016" PRIx64,
	    q->fingerprint);
	who_is(c, "slow_query", &w);
	add_number(&w, "run_us", q->run_us);
	add_number(&w, "wait_us", q->wait_us);
	add_number(&w, "rows", (int64_t)q->rows);
	add_text(&w, "sqlstate", state);
	add_number(&w, "server_pid", q->pid);
	add_text(&w, "fingerprint", fingerprint);
	log_event(LVL_LOG, w.fields, w.n,
	    "%s slow query: run=%.3fms wait=%.3fms rows=%" PRIu64
	    " sqlstate=%s pid=%u fingerprint=%s app=%s", w.label,
	    (double)q->run_us / 1000, (double)q->wait_us / 1000, q->rows,
	    state, q->pid, fingerprint,
	    application_of(c) ? application_of(c) : "");
}
