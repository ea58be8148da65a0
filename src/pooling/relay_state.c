/*
 * What a client's statements do to its session, while it is linked: which text
 * runs, and when the server may go.
 *
 * Nearly all texts do nothing, and are told by a glance. From the first one
 * that does, the relay keeps a journal (proto/journal) and a queue of runs: of
 * everything that was sent and will be answered by CommandComplete or
 * ReadyForQuery, so that each answer finds its statement. Both end with the
 * transaction, or last as long as the client is pinned to its server.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "proto/reply.h"
#include "proto/wire.h"
#include "relay_state.h"

/* What is of interest of a text, by itself ... */
#define KINDS_STATE \
	(SQL_BIT(SQL_SET) | SQL_BIT(SQL_RESET) | SQL_BIT(SQL_RESET_ALL) | \
	SQL_BIT(SQL_SET_CHARACTERISTICS) | SQL_BIT(SQL_LISTEN) | \
	SQL_BIT(SQL_DISCARD_ALL) | SQL_BIT(SQL_LOAD))
/* ... and while there is a journal. */
#define KINDS_FOLLOWED \
	(SQL_BIT(SQL_COMMIT) | SQL_BIT(SQL_ROLLBACK) | \
	SQL_BIT(SQL_PREPARE_TRANSACTION) | SQL_BIT(SQL_SAVEPOINT) | \
	SQL_BIT(SQL_RELEASE) | SQL_BIT(SQL_ROLLBACK_TO) | \
	SQL_BIT(SQL_CLOSE) | SQL_BIT(SQL_CLOSE_ALL) | \
	SQL_BIT(SQL_UNLISTEN) | SQL_BIT(SQL_UNLISTEN_ALL) | \
	SQL_BIT(SQL_DISCARD_TEMP))
#define CALLS_STATE \
	(SQL_CALL_BIT(SQL_CALL_SET_CONFIG) | SQL_CALL_BIT(SQL_CALL_LOCK) | \
	SQL_CALL_BIT(SQL_CALL_SEED) | SQL_CALL_BIT(SQL_CALL_STATE))
#define CALLS_FOLLOWED \
	(SQL_CALL_BIT(SQL_CALL_UNLOCK) | SQL_CALL_BIT(SQL_CALL_UNLOCK_ALL))
/* Extended: their texts have to be known when they are executed. */
#define KINDS_NAMED \
	(SQL_BIT(SQL_SAVEPOINT) | SQL_BIT(SQL_RELEASE) | \
	SQL_BIT(SQL_ROLLBACK_TO))

/* ---- texts ---- */

unsigned
relay_scan_options(const struct relay *r)
{
	const struct param_set *p = relay_server_of(r)->params;
	const char *std = param_get(p, PARAM_STANDARD_STRINGS);
	const char *encoding = param_get(p, PARAM_CLIENT_ENCODING);
	unsigned o = 0;

	/* A SET of either may be on its way. */
	if (r->state && !pipeline_is_settled(&relay_server_of(r)->pipeline))
		o |= SQL_STRINGS_UNKNOWN;
	else if (!std || strcmp(std, "on") == 0)
		o |= SQL_STD_STRINGS;
	if (!encoding || sql_is_ambiguous("\\\x80", encoding))
		o |= SQL_UNSAFE_ENCODING;
	return o;
}

/* A comma list of names; one without schema stands for any schema. */
static bool
list_has(const char *list, struct span name)
{
	size_t len;

	while (*list) {
		list += strspn(list, ", \t");
		len = strcspn(list, ", \t");
		if (len && (span_is_nocase(name, "") ? false :
			(name.n >= len && strncasecmp((const char *)name.p +
			    name.n - len, list, len) == 0 &&
			    (name.n == len || name.p[name.n - len - 1] == '.'))))
			return true;
		list += len;
	}
	return false;
}

/* Whether it calls something that is said to leave the session changed. */
static bool
calls_stateful(const struct relay *r, const struct sql_info *info)
{
	struct buf name = { 0 };
	bool found = false;
	size_t i;

	if (!(info->calls_made & SQL_CALL_BIT(SQL_CALL_UNKNOWN)) &&
	    !(info->kinds & SQL_BIT(SQL_DO)))
		return false;
	if (r->set->unknown_dirty)
		return true;
	for (i = 0; i < info->ncalls && !found &&
	     r->set->stateful_functions[0]; i++) {
		if (info->calls[i].kind != SQL_CALL_UNKNOWN)
			continue;
		buf_reset(&name);
		found = !sql_name(info, info->calls[i].name, &name) ||
		    list_has(r->set->stateful_functions, buf_span(&name));
	}
	buf_free(&name);
	return found;
}

/* Whether it changes the session, or may. */
static bool
touches(const struct relay *r, const struct sql_info *info)
{
	return info->unsure || info->kinds & KINDS_STATE ||
	    info->flags & (SQL_TEMP | SQL_HOLD | SQL_BODY_STATE) ||
	    info->calls_made & CALLS_STATE || calls_stateful(r, info);
}

/* Whether all that it changes is LOCAL. */
static bool
is_local(const struct sql_info *info)
{
	size_t i;

	if (info->unsure ||
	    info->flags & (SQL_TEMP | SQL_HOLD | SQL_BODY_STATE) ||
	    info->calls_made & CALLS_STATE &
	    ~SQL_CALL_BIT(SQL_CALL_SET_CONFIG) ||
	    info->kinds & KINDS_STATE &
	    ~(SQL_BIT(SQL_SET) | SQL_BIT(SQL_RESET)))
		return false;
	for (i = 0; i < info->nstmts; i++)
		if ((info->stmts[i].kind == SQL_SET ||
			info->stmts[i].kind == SQL_RESET) &&
		    !(info->stmts[i].flags & SQL_LOCAL))
			return false;
	for (i = 0; i < info->ncalls; i++)
		if (info->calls[i].kind == SQL_CALL_SET_CONFIG &&
		    info->calls[i].arg_kind[2] != SQL_ARG_TRUE)
			return false;
	return true;
}

/* ---- policies ---- */

static void
hint(struct err *e, const struct sql_info *info)
{
	if (info->calls_made & SQL_CALL_BIT(SQL_CALL_LOCK))
		err_hint(e, "use pg_advisory_xact_lock()");
	else if (info->kinds & (SQL_BIT(SQL_SET) | SQL_BIT(SQL_RESET) |
	    SQL_BIT(SQL_RESET_ALL)))
		err_hint(e, "use SET LOCAL in a transaction, or ALTER ROLE "
		    "... SET");
	else if (info->calls_made & SQL_CALL_BIT(SQL_CALL_SET_CONFIG))
		err_hint(e, "use set_config() with is_local = true in a "
		    "transaction");
	else if (info->flags & SQL_HOLD)
		err_hint(e, "use a cursor without HOLD in a transaction");
	else if (info->flags & SQL_TEMP)
		err_hint(e, "use an ordinary table, or ON COMMIT DROP");
	else if (info->kinds & SQL_BIT(SQL_LISTEN))
		err_hint(e, "listen on a connection in session mode");
	else
		err_hint(e, "use a connection in session mode");
}

static const char *
first_touch(const struct sql_info *info)
{
	size_t i;

	for (i = 0; i < info->nstmts; i++)
		if (SQL_BIT(info->stmts[i].kind) & KINDS_STATE)
			return sql_kind_name(info->stmts[i].kind);
	if (info->flags & SQL_TEMP)
		return "a temporary object";
	if (info->flags & SQL_HOLD)
		return "a cursor WITH HOLD";
	if (info->calls_made & SQL_CALL_BIT(SQL_CALL_LOCK))
		return "a session advisory lock";
	if (info->calls_made & SQL_CALL_BIT(SQL_CALL_SET_CONFIG))
		return "set_config()";
	return "this statement";
}

static void
refusal(const struct relay *r, const struct sql_info *info, struct err *e)
{
	err_set(e, "0A000", "%s is not allowed here", first_touch(info));
	err_detail(e, "it would change the session, which other clients of "
	    "database \"%s\" use too (session_state = deny)",
	    relay_server_of(r)->target->database);
	hint(e, info);
}

static void
warn_allowed(const struct relay *r, const struct sql_info *info)
{
	static struct log_limit limit;
	const char *app = param_get(*r->a.params, PARAM_APPLICATION_NAME);

	log_limited(&limit, 60 * USEC_PER_SEC, LVL_WARNING, "database \"%s\", "
	    "user \"%s\", application \"%.60s\": %s changes the session for "
	    "whoever comes next (session_state = allow)",
	    relay_server_of(r)->target->database, r->a.pool->user_name,
	    app ? app : "", first_touch(info));
}

/* ---- runs ---- */

static void
run_free(struct run *n)
{
	sql_info_fini(&n->info);
	free(n->text);
	free(n);
}

static void
pop(struct relay_state *st)
{
	struct run *n = STAILQ_FIRST(&st->runs);

	STAILQ_REMOVE_HEAD(&st->runs, link);
	run_free(n);
}

static struct run *
push(struct relay_state *st, uint8_t type)
{
	struct run *n = xcalloc(1, sizeof(*n));

	n->type = type;
	sql_info_init(&n->info);
	STAILQ_INSERT_TAIL(&st->runs, n, link);
	return n;
}

static void
push_outstanding(void *arg, uint8_t type)
{
	push(arg, type);
}

static struct relay_state *
state_of(struct relay *r)
{
	struct relay_state *st = r->state;
	struct server *s = relay_server_of(r);

	if (st)
		return st;
	st = xcalloc(1, sizeof(*st));
	STAILQ_INIT(&st->runs);
	journal_init(&st->journal, *r->a.settings, s->settings, *r->a.startup);
	st->journal.names = s->target->names;
	/* What was sent before is answered before. */
	pipeline_each(&s->pipeline, push_outstanding, st);
	r->state = st;
	relay_listen_begin(r);
	return st;
}

void
relay_state_begin(struct relay *r)
{
	(void)state_of(r);
}

void
relay_state_free(struct relay *r)
{
	struct relay_state *st = r->state;

	if (!st)
		return;
	while (!STAILQ_EMPTY(&st->runs))
		pop(st);
	relay_listen_end(r);
	journal_fini(&st->journal);
	texts_free(st->portals);
	free(st);
	r->state = NULL;
}

/* What counts of a text from now on. */
static void
note_sent(struct relay *r, const struct sql_info *info)
{
	struct journal *j = &r->state->journal;

	/* A name on this server, which nobody follows. */
	if (info->kinds & SQL_BIT(SQL_PREPARE) && !r->tracked &&
	    r->set->session_state != STATE_ALLOW)
		j->pins |= PIN_STATE;

	relay_listen_sent(r, info);
	switch (r->set->session_state) {
	case STATE_TRACK:
	case STATE_DENY:
		journal_sent(j, info);
		if (calls_stateful(r, info))
			j->dirty = true;
		break;
	case STATE_PIN:
		if (touches(r, info) && !is_local(info))
			j->pins |= PIN_STATE;
		break;
	case STATE_RESET:
		if (touches(r, info) && !is_local(info))
			j->dirty = true;
		break;
	case STATE_ALLOW:
		break;
	}
}

/* The text behind an EXECUTE, if it is one that does something. */
static struct span
executed_text(const struct relay *r, const struct sql_info *info,
    const struct sql_stmt *s)
{
	struct buf name = { 0 };
	struct span text = TEXT_UNSURE;

	if (sql_name(info, s->name, &name))
		text = texts_get(*r->a.texts, buf_span(&name), r->text_batch);
	buf_free(&name);
	return text;
}

static void
note_executes(struct relay *r, const struct sql_info *info)
{
	struct sql_info inner;
	struct span text;
	size_t i;

	if (!(info->kinds & SQL_BIT(SQL_EXECUTE)))
		return;
	sql_info_init(&inner);
	for (i = 0; i < info->nstmts; i++) {
		if (info->stmts[i].kind != SQL_EXECUTE)
			continue;
		text = executed_text(r, info, &info->stmts[i]);
		if (!text.p)
			continue;
		sql_scan(&inner, text, relay_scan_options(r));
		note_sent(r, &inner);
	}
	sql_info_fini(&inner);
}

/* It is sent now. */
static void
begin_run(struct relay *r, uint8_t type, struct span text)
{
	struct relay_state *st = state_of(r);
	struct run *n;

	if (st->skipping)
		return;
	n = push(st, type);
	n->text = xmalloc(text.n + 1);
	memcpy(n->text, text.p, text.n);
	sql_scan(&n->info, SPAN(n->text, text.n), relay_scan_options(r));
	note_sent(r, &n->info);
	note_executes(r, &n->info);
	/* If the batch that is open has failed, the query is skipped, and only
	 * the Sync behind it gets an answer. */
	if (type == 'Q' && pipeline_wants_sync(&relay_server_of(r)->pipeline))
		st->hears = false;
}

static void
begin_plain(struct relay *r, uint8_t type)
{
	struct relay_state *st = r->state;

	if (type == 'S')
		st->skipping = false;
	if (!st->skipping)
		push(st, type);
}

/* ---- the way up ---- */

/* A scanned text that does something: false with e when it is denied. */
static bool
admit(struct relay *r, const struct sql_info *info, struct err *e)
{
	if (!touches(r, info) || is_local(info))
		return true;
	if (r->set->session_state == STATE_DENY) {
		refusal(r, info, e);
		return false;
	}
	if (r->set->session_state == STATE_ALLOW)
		warn_allowed(r, info);
	return true;
}

static bool
is_followed(const struct relay *r, const struct sql_info *info)
{
	if (r->set->session_state == STATE_ALLOW)
		return false;
	if (touches(r, info) || info->kinds & SQL_BIT(SQL_PREPARE) ||
	    relay_listen_follows(r, info))
		return true;
	return r->state && (info->kinds & KINDS_FOLLOWED ||
	    info->calls_made & CALLS_FOLLOWED);
}

static bool
up_query(struct relay *r, struct span text, struct err *e)
{
	struct sql_info info;
	bool ok, follow;

	r->text_batch++;
	switch (sql_quick(text)) {
	case SQL_QUICK_PLAIN:
	case SQL_QUICK_BEGIN:
		if (UNLIKELY(r->state != NULL))
			begin_plain(r, 'Q');
		return true;
	case SQL_QUICK_COMMIT:
	case SQL_QUICK_ROLLBACK:
		if (LIKELY(!r->state))
			return true;
		break;
	case SQL_QUICK_SCAN:
		break;
	}
	sql_info_init(&info);
	sql_scan(&info, text, relay_scan_options(r));
	ok = admit(r, &info, e);
	follow = is_followed(r, &info) || (info.kinds & SQL_BIT(SQL_EXECUTE));
	if (ok)
		relay_reset_note(r, &info);
	sql_info_fini(&info);
	if (!ok && r->state)
		begin_plain(r, 'Q');
	if (!ok)
		return false;
	if (follow)
		begin_run(r, 'Q', text);
	else if (r->state)
		begin_plain(r, 'Q');
	return true;
}

static bool
up_parse(struct relay *r, struct span name, struct span text,
    struct err *e)
{
	struct sql_info info;
	bool ok, follow;

	if (LIKELY(sql_quick(text) != SQL_QUICK_SCAN)) {
		texts_doubt(*r->a.texts, name, r->text_batch);
		return true;
	}
	sql_info_init(&info);
	sql_scan(&info, text, relay_scan_options(r));
	ok = admit(r, &info, e);
	follow = ok && r->set->session_state != STATE_ALLOW &&
	    (touches(r, &info) || relay_listen_follows(r, &info) ||
		info.kinds & (KINDS_FOLLOWED | SQL_BIT(SQL_EXECUTE)) ||
		info.calls_made & CALLS_FOLLOWED);
	if (ok)
		relay_reset_note(r, &info);
	sql_info_fini(&info);
	/* One too many: from now on anything may be run by its name. */
	if (!follow)
		texts_doubt(*r->a.texts, name, r->text_batch);
	else if (!texts_set(r->a.texts, name, text))
		state_of(r)->journal.pins |= PIN_STATE;
	return ok;
}

static void
up_bind(struct relay *r, struct span portal, struct span statement)
{
	struct span text = texts_get(*r->a.texts, statement, r->text_batch);

	if (text.p) {
		struct relay_state *st = state_of(r);

		if (!texts_set(&st->portals, portal, text))
			st->journal.pins |= PIN_STATE;
	} else if (r->state) {
		texts_doubt(r->state->portals, portal, r->text_batch);
	}
}

static void
up_close(struct relay *r, uint8_t kind, struct span name)
{
	if (kind == 'S')
		texts_doubt(*r->a.texts, name, r->text_batch);
	else if (r->state)
		texts_doubt(r->state->portals, name, r->text_batch);
}

static void
up_execute(struct relay *r, struct span portal)
{
	struct span text = texts_get(r->state->portals, portal, r->text_batch);

	if (text.p)
		begin_run(r, 'E', text);
	else
		begin_plain(r, 'E');
}

static void
up_sync(struct relay *r)
{
	r->text_batch++;
	if (r->state)
		begin_plain(r, 'S');
}

/* Functions for large objects touch no session; of any other nothing is known
 * but its number. */
static void
up_function(struct relay *r, uint32_t oid)
{
	static const uint32_t large_objects[] = { 715, 952, 953, 954, 955, 956,
		957, 958, 964, 1004, 3170, 3171, 3172 };
	size_t i;

	for (i = 0; i < ARRAY_LEN(large_objects); i++)
		if (oid == large_objects[i])
			break;
	if (i == ARRAY_LEN(large_objects) &&
	    r->set->session_state != STATE_ALLOW)
		state_of(r)->journal.dirty = true;
	if (r->state)
		begin_plain(r, 'F');
}

static bool
up_unseen(struct relay *r, uint8_t type, struct err *e)
{
	if (r->set->session_state != STATE_ALLOW)
		state_of(r)->journal.dirty = true;
	if (r->state && type == 'Q') {
		r->text_batch++;
		begin_plain(r, 'Q');
	}
	if (r->set->session_state != STATE_DENY || type == 'B')
		return true;
	err_set(e, "54000", "the statement is too long");
	err_detail(e, "it is longer than max_inspected_statement (%u bytes), "
	    "and whether it changes the session cannot be told "
	    "(session_state = deny)", r->set->max_inspected);
	return false;
}

/* A text and what is behind it: the text. */
static struct span
text_of(struct span s)
{
	return SPAN(s.p, strnlen((const char *)s.p, s.n));
}

/* Two names of a Bind, or name and text of a Parse. */
static bool
two_texts(struct span body, struct span *a, struct span *b)
{
	*a = text_of(body);
	if (a->n == body.n)
		return false;
	*b = text_of(SPAN(body.p + a->n + 1, body.n - a->n - 1));
	return a->n + 1 + b->n < body.n;
}

bool
relay_state_up(struct relay *r, const struct frame_info *f, const uint8_t *p,
    size_t n, struct err *e)
{
	struct span body = SPAN(p + WIRE_HEAD, n - WIRE_HEAD), a, b;
	bool whole = f->size == n;

	switch (f->type) {
	case 'Q':
		if (LIKELY(whole))
			return up_query(r, text_of(body), e);
		return up_unseen(r, 'Q', e);
	case 'P':
		if (LIKELY(whole && two_texts(body, &a, &b)))
			return up_parse(r, a, b, e);
		return up_unseen(r, 'P', e);
	case 'B':
		if (LIKELY(!*r->a.texts && !r->state))
			break;
		if (!two_texts(body, &a, &b))
			return up_unseen(r, 'B', e);
		up_bind(r, a, b);
		break;
	case 'C':
		if (body.n > 0)
			up_close(r, body.p[0],
			    text_of(SPAN(body.p + 1, body.n - 1)));
		break;
	case 'E':
		if (UNLIKELY(r->state != NULL))
			up_execute(r, text_of(body));
		break;
	case 'S':
		up_sync(r);
		break;
	case 'F':
		up_function(r, body.n >= 4 ?
		    (uint32_t)body.p[0] << 24 | (uint32_t)body.p[1] << 16 |
		    (uint32_t)body.p[2] << 8 | body.p[3] : 0);
		break;
	}
	return true;
}

/* ---- the way down ---- */

/* PREPARE and EXECUTE in SQL share their names with Parse and Bind. */
static void
prepared(struct relay *r, const struct sql_info *info,
    const struct sql_stmt *s)
{
	struct span text = SPAN(info->text.p + s->value.at, s->value.n);
	struct buf name = { 0 };
	struct sql_info inner;

	sql_info_init(&inner);
	sql_scan(&inner, text, relay_scan_options(r));
	if (touches(r, &inner) && (!sql_name(info, s->name, &name) ||
		!texts_set(r->a.texts, buf_span(&name), text)))
		r->state->journal.pins |= PIN_STATE;
	sql_info_fini(&inner);
	buf_free(&name);
}

static void
executed(struct relay *r, const struct sql_info *info,
    const struct sql_stmt *s, struct span tag)
{
	struct span text = executed_text(r, info, s);
	struct sql_info inner;

	if (!text.p)
		return;
	sql_info_init(&inner);
	sql_scan(&inner, text, relay_scan_options(r));
	if (inner.nstmts == 1)
		journal_done(&r->state->journal, &inner, &inner.stmts[0], tag);
	else
		r->state->journal.dirty = true;
	sql_info_fini(&inner);
}

/* Something that takes away what a client may be pinned for. */
static bool
tag_takes_away(struct span tag)
{
	return tag.n >= 4 && (memcmp(tag.p, "DROP", 4) == 0 ||
	    memcmp(tag.p, "CLOS", 4) == 0 || memcmp(tag.p, "UNLI", 4) == 0 ||
	    memcmp(tag.p, "DISC", 4) == 0);
}

/* What was read of the text may be wrong, where a string ends for one: nothing
 * of it is to be set on other servers. What has been set is kept by keeping the
 * server; so it is where the ROLLBACK may be one to a savepoint. */
static void
completed_unsure(struct journal *j, struct span tag)
{
	j->dirty = true;
	if (span_is(tag, "SET") || span_is(tag, "RESET") ||
	    span_is(tag, "ROLLBACK"))
		j->pins |= PIN_STATE;
}

/* True: the client has sent LISTEN, and is told so. */
static bool
completed(struct relay *r, struct run *n, size_t at, struct span tag)
{
	struct journal *j = &r->state->journal;
	const struct sql_stmt *s;

	j->reported = relay_server_of(r)->params;
	if (tag_takes_away(tag))
		j->check = true;
	if (n->text && n->info.unsure)
		completed_unsure(j, tag);
	if (!n->text || n->info.unsure) {
		if (span_is(tag, "COMMIT") || span_is(tag, "ROLLBACK"))
			journal_tag(j, tag.p[0] == 'C');
		return false;
	}
	/* So many statements that they are not listed one by one. */
	if (n->info.nplain > 0 || at >= n->info.nstmts) {
		j->dirty = true;
		return false;
	}
	s = &n->info.stmts[at];
	if (s->kind == SQL_PREPARE)
		prepared(r, &n->info, s);
	else if (s->kind == SQL_EXECUTE)
		executed(r, &n->info, s, tag);
	if (r->set->session_state == STATE_TRACK ||
	    SQL_BIT(s->kind) & KINDS_FOLLOWED)
		journal_done(j, &n->info, s, tag);
	return s->kind == SQL_LISTEN && span_is(tag, "UNLISTEN");
}

static bool
complete(struct relay *r, struct span tag)
{
	struct relay_state *st = r->state;
	struct run *n;
	bool listens;

	/* A Sync that was sent into a COPY is never answered. */
	while ((n = STAILQ_FIRST(&st->runs)) && n->type == 'S')
		pop(st);
	if (!n)
		return false;
	listens = completed(r, n, n->at++, tag);
	if (n->type == 'E')
		pop(st);
	return listens;
}

/* Everything up to the Sync is void. */
static void
failed(struct relay *r)
{
	struct relay_state *st = r->state;
	struct run *n;

	journal_error(&st->journal);
	if (!relay_server_of(r)->pipeline.failed)
		return;
	while ((n = STAILQ_FIRST(&st->runs)) && n->type != 'S')
		pop(st);
	st->skipping = n == NULL;
}

static void
ready(struct relay *r, uint8_t status)
{
	struct relay_state *st = r->state;

	while (!STAILQ_EMPTY(&st->runs) &&
	    STAILQ_FIRST(&st->runs)->type == 'E')
		pop(st);
	if (!STAILQ_EMPTY(&st->runs))
		pop(st);
	journal_ready(&st->journal, status);
}

enum pipe_verdict
relay_state_got(struct relay *r, uint8_t type, struct span body,
    enum pipe_verdict v)
{
	struct relay_state *st = r->state;
	struct run *n = STAILQ_FIRST(&st->runs);

	switch (type) {
	case 'C':
		if (complete(r, SPAN(body.p, strnlen((const char *)body.p,
			body.n))) && v == PIPE_FORWARD)
			return PIPE_REPLACE;
		break;
	case 'I':
		(void)complete(r, SPAN(NULL, 0));
		break;
	case 's':
		if (n && n->type == 'E')
			pop(st);
		break;
	case 'E':
		failed(r);
		break;
	case 'Z':
		ready(r, body.n ? body.p[0] : 'I');
		if (body.n && body.p[0] == 'I' && v == PIPE_FORWARD &&
		    relay_listen_holds(r))
			return PIPE_SWALLOW;
		break;
	}
	return v;
}

void
relay_state_surprise(struct relay *r, struct span tag)
{
	static struct log_limit limit;

	if (r->set->session_state == STATE_ALLOW ||
	    (!span_is(tag, "LISTEN") && !span_is(tag, "LOAD") &&
		!span_is(tag, "RESET")))
		return;
	log_limited(&limit, 60 * USEC_PER_SEC, LVL_WARNING, "the server "
	    "completed a %.*s that was not seen in the client's text: it is "
	    "reset", (int)tag.n, (const char *)tag.p);
	state_of(r)->journal.dirty = true;
}

void
relay_state_doubt(struct relay *r)
{
	if (r->watched && r->set->session_state != STATE_ALLOW)
		state_of(r)->journal.dirty = true;
}

bool
relay_state_asks(const struct relay *r)
{
	return r->state->asking;
}

void
relay_state_answer(struct relay *r, struct span row)
{
	if (journal_answer(&r->state->journal, row))
		r->state->answered = true;
}

struct settings *
relay_state_settings(const struct relay *r, bool *steady)
{
	if (LIKELY(!r->state))
		return *r->a.settings;
	/* What is under way may set something, in whatever form. The message
	 * that is looked at has a run already, and is not booked yet. */
	*steady = *steady && !r->state->journal.local &&
	    (STAILQ_EMPTY(&r->state->runs) ||
		pipeline_is_settled(&relay_server_of(r)->pipeline));
	return r->state->journal.now.want;
}

/* ---- when the server may go ---- */

static void
ask(struct relay *r)
{
	struct server *s = relay_server_of(r);
	struct relay_state *st = r->state;
	struct buf sql = { 0 }, msg = { 0 };

	journal_question(&st->journal, &sql);
	buf_append(&sql, "", 1);
	pipeline_own_sent(&s->pipeline, 'Q');
	request_query(&msg, (const char *)buf_head(&sql));
	stream_write(&s->stream, buf_head(&msg), buf_len(&msg));
	buf_free(&sql);
	buf_free(&msg);
	st->asking = true;
	st->answered = false;
	r->syncing = true;
	r->sync_us = loop_now(r->a.loop);
	relay_set_timer(r);
}

void
relay_state_asked(struct relay *r)
{
	struct relay_state *st = r->state;

	if (!pipeline_is_settled(&relay_server_of(r)->pipeline))
		return;
	st->asking = false;
	r->syncing = false;
	r->sync_us = 0;
	if (!st->answered) {
		/* Then it has all that it is suspected of. */
		journal_unanswered(&st->journal);
	}
	/* It was meant for what has been answered since. */
	r->cancel_wanted = false;
	relay_settle(r);
	if (!r->over && !r->syncing) {
		relay_feed_held(r);
		relay_after_up(r);
	}
}

/* What the journal says becomes the client's and the server's. */
static void
take_over(struct relay *r)
{
	struct server *s = relay_server_of(r);
	struct journal *j = &r->state->journal;

	settings_unref(*r->a.settings);
	*r->a.settings = settings_ref(j->now.want);
	settings_unref(s->settings);
	s->settings = settings_ref(j->now.have);
}

/*
 * The server is idle and everything is answered. True when it cannot go: it is
 * asked something, or the client is pinned to it. Else the state is over.
 */
bool
relay_state_holds(struct relay *r)
{
	struct server *s = relay_server_of(r);
	struct relay_state *st = r->state;
	struct journal *j = &st->journal;

	if (st->barrier) {
		relay_balance(r);
		return true;
	}
	while (!STAILQ_EMPTY(&st->runs))
		pop(st);
	st->skipping = false;
	texts_free(st->portals);
	st->portals = NULL;
	if (r->set->session_state == STATE_TRACK)
		take_over(r);
	if (journal_has_question(j) && !s->pipeline.doomed) {
		ask(r);
		return true;
	}
	r->pins = journal_pins(j);
	if (r->pins) {
		if (relay_sync(r)) {
			journal_synced(j, s->settings);
			relay_pinned(r);
			if (*r->a.heard)
				r->a.owner->rests(r->a.arg);
		}
		relay_balance(r);
		return true;
	}
	r->reset = j->dirty;
	relay_state_free(r);
	return false;
}

/* The client leaves its server, in whatever state: what is known of it goes
 * with the reset. */
void
relay_state_leave(struct relay *r)
{
	r->reset = true;
	r->pins = journal_pins(&r->state->journal);
	relay_state_free(r);
}
