/*
 * Prepared statements of a client, on servers that change (see proto/stmt.h).
 *
 * A message that names a statement gets another head; what is behind the head
 * (the text, the parameters) goes on from where it lies. What the client's
 * server lacks is prepared there in front of it.
 */
#include <string.h>

#include "base/map.h"
#include "proto/msg.h"
#include "proto/reply.h"
#include "relay_look.h"

/* A name in a Bind is waited for up to so many bytes. */
#define HEAD_MAX (256 * 1024)

/* ---- what is waited for ---- */

/* Portal and name stand in what is there of a Bind. */
static bool
has_bind_names(const uint8_t *body, size_t n)
{
	const uint8_t *end = memchr(body, 0, n);

	return end && memchr(end + 1, 0, n - (size_t)(end + 1 - body));
}

bool
relay_wants_more(const struct pool_settings *set, bool tracked,
    const struct frame_info *f, const uint8_t *p, size_t n)
{
	bool watched = pool_settings_watch(set);

	if (!tracked && !watched)
		return (f->type == 'Q' || f->type == 'P') && n < RELAY_PEEK;
	switch (f->type) {
	case 'P':
	case 'Q':
		return n < RELAY_PEEK || f->size <= set->max_inspected;
	case 'D':
	case 'C':
	case 'E':
		return f->size <= HEAD_MAX;
	case 'F':
		return n < WIRE_HEAD + 4;
	case 'B':
		return n < HEAD_MAX &&
		    !has_bind_names(p + WIRE_HEAD, n - WIRE_HEAD);
	}
	return false;
}

bool
relay_lacks(const struct pool_settings *set, bool tracked, const uint8_t *p,
    size_t n)
{
	struct frame_info f;

	return wire_frame(p, n, INT32_MAX, &f) == FRAME_PART &&
	    relay_wants_more(set, tracked, &f, p, n);
}

/* ---- one message ---- */

struct look
look_at(struct relay *r, const struct frame_info *f, const uint8_t *p,
    size_t n, const uint8_t **from)
{
	struct server *s = relay_server_of(r);

	if (LIKELY(s->stmts != NULL))
		stmt_server_set_batch(s->stmts, r->batch);
	return (struct look){
		.r = r,
		.s = s,
		.out = &r->home->out,
		.f = f,
		.from = from,
		.p = p,
		.body = p + WIRE_HEAD,
		.n = n - WIRE_HEAD,
		.whole = n == f->size,
	};
}

enum relay_up
look_end(const struct look *k, enum relay_up up, struct err *e)
{
	if (*k->from > k->p)
		k->s->counters.received += (uint64_t)(*k->from - k->p);
	if (LIKELY(!k->full))
		return up;
	err_set(e, "54000", "too many messages in one pipeline");
	return RELAY_UP_FAIL;
}

void
look_book(struct look *k, bool ok)
{
	k->full = k->full || !ok;
}

/* Something comes in front of the message, or in its place. */
struct buf *
look_insert(struct look *k)
{
	gather_borrow(k->out, *k->from, (size_t)(k->p - *k->from));
	*k->from = k->p;
	return gather_open(k->out);
}

struct stmt_server *
look_on_server(struct look *k)
{
	if (UNLIKELY(!k->s->stmts)) {
		k->s->stmts = stmt_server_new();
		stmt_server_set_batch(k->s->stmts, k->r->batch);
	}
	return k->s->stmts;
}

struct stmt_client *
look_of_client(struct look *k)
{
	if (!*k->r->a.stmts)
		*k->r->a.stmts = stmt_client_new();
	return *k->r->a.stmts;
}

/* The head of a message of size bytes (type and length included) in which
 * `old` bytes become `fresh`. */
static void
put_head(uint8_t to[WIRE_HEAD], uint8_t type, size_t size, size_t old,
    size_t fresh)
{
	uint32_t len = (uint32_t)(size - 1 - old + fresh);

	to[0] = type;
	to[1] = (uint8_t)(len >> 24);
	to[2] = (uint8_t)(len >> 16);
	to[3] = (uint8_t)(len >> 8);
	to[4] = (uint8_t)len;
}

void
look_put_head(struct buf *b, uint8_t type, size_t size, size_t old, size_t fresh)
{
	put_head(buf_reserve(b, WIRE_HEAD), type, size, old, fresh);
	b->end += WIRE_HEAD;
}

/* ---- refusals ---- */

/*
 * A text that no server takes, so that the transaction goes the way it would
 * go if the server had refused the message itself; it says so in its log.
 */
#define REFUSED_TEXT "refused by the connection pooler"

void
look_refuse(struct look *k, uint8_t type, const struct err *e)
{
	struct writer w;

	writer_begin(&w, look_insert(k), type);
	if (type == 'P')
		writer_cstr(&w, STMT_REFUSED_NAME);
	writer_cstr(&w, REFUSED_TEXT);
	if (type == 'P')
		writer_u16(&w, 0);
	writer_end(&w);
	gather_close(k->out);
	look_book(k, pipeline_refused_sent(&k->s->pipeline, type));
	stmt_sent_refused(look_on_server(k), e);
	/* Nothing of the message itself goes on. */
	*k->from = k->body + k->n;
	k->r->up_drop = true;
}

static enum relay_up
refuse_unknown(struct look *k, struct span name)
{
	struct err e;

	err_set(&e, "26000", "prepared statement \"%.*s\" does not exist",
	    (int)(name.n < 300 ? name.n : 300), (const char *)name.p);
	look_refuse(k, 'P', &e);
	return RELAY_UP_BOOKED;
}

static enum relay_up
refuse_long(struct look *k)
{
	struct err e;

	err_set(&e, "54000", "prepared statement is too long");
	err_detail(&e, "the message has %u bytes, max_inspected_statement "
	    "is %u", k->f->size, k->r->set->max_inspected);
	err_hint(&e, "raise max_inspected_statement, or use the unnamed "
	    "statement");
	look_refuse(k, 'P', &e);
	return RELAY_UP_BOOKED;
}

static enum relay_up
refuse_memory(struct look *k)
{
	struct err e;

	err_set(&e, "53200", "out of memory for prepared statements");
	err_detail(&e, "this client has %zu of them",
	    stmt_client_count(*k->r->a.stmts));
	err_hint(&e, "close statements that are no longer needed");
	look_refuse(k, 'P', &e);
	return RELAY_UP_BOOKED;
}

/* ---- statements on the server ---- */

uint64_t
relay_fingerprint(const struct param_names *names,
    const struct param_set *params, const struct settings *settings)
{
	size_t i, n = param_names_count(names);
	uint64_t sum = settings_hash(settings);

	for (i = 0; i < n; i++) {
		const char *v = param_get(params, i);

		if (v && strcmp(param_name(names, i), "application_name"))
			sum = sum * 31 + hash_bytes(v, strlen(v)) + i;
	}
	return sum;
}

uint64_t
look_fingerprint(const struct relay *r)
{
	bool steady = true;

	return relay_fingerprint(r->a.server->target->names, *r->a.params,
	    relay_state_settings(r, &steady));
}

/* Whether a setting may change by what runs before this message. */
bool
look_is_steady(const struct look *k)
{
	bool steady = !k->r->may_set || !k->s->pipeline.count;

	(void)relay_state_settings(k->r, &steady);
	return steady;
}

/* Text with this in front of others may change settings. */
static void
note_text(struct look *k, bool sets)
{
	if (!k->s->pipeline.count)
		k->r->may_set = false;
	k->r->may_set = k->r->may_set || sets;
}

static void
close_on_server(struct look *k, struct stmt *st)
{
	struct writer w;

	writer_begin(&w, look_insert(k), 'C');
	writer_u8(&w, 'S');
	writer_cstr(&w, st->name);
	writer_end(&w);
	gather_close(k->out);
	look_book(k, pipeline_tracked_sent(&k->s->pipeline, 'C', true));
	stmt_sent_own_close(look_on_server(k), st);
}

/* Room for one more, of this name. */
void
look_room(struct look *k, struct stmt *st)
{
	struct stmt_server *on = look_on_server(k);
	struct stmt *old;

	while ((old = stmt_server_surplus(on, (size_t)k->r->set->max_prepared,
		    st->tail_n))) {
		close_on_server(k, old);
		stmt_unref(old);
	}
	if (stmt_server_must_close(on, st))
		close_on_server(k, st);
	k->s->counters.server_parses++;
}

/* With types that only the server knows by name. */
static void
prepare_by_sql(struct look *k, struct stmt *st)
{
	struct writer w;

	writer_begin(&w, look_insert(k), 'Q');
	writer_bytes(&w, "PREPARE \"", 9);
	writer_bytes(&w, st->name, st->name_n);
	writer_bytes(&w, "\" ", 2);
	writer_bytes(&w, st->tail, st->tail_n);
	writer_u8(&w, 0);
	writer_end(&w);
	gather_close(k->out);
	look_book(k, pipeline_tracked_sent(&k->s->pipeline, 'Q', true));
	stmt_sent_query(look_on_server(k), false);
	stmt_query_prepares(look_on_server(k), NULL, SPAN(NULL, 0), st);
	k->s->unnamed_id = 0;
}

/* Our own Parse, if the server lacks it. */
void
look_need_on_server(struct look *k, struct stmt *st)
{
	struct buf *b;

	if (LIKELY(stmt_server_has(look_on_server(k), st, k->r->batch) == STMT_YES))
		return;
	look_room(k, st);
	if (UNLIKELY(st->sql)) {
		prepare_by_sql(k, st);
		return;
	}
	b = look_insert(k);
	look_put_head(b, 'P', WIRE_HEAD + st->tail_n, 0, st->name_n + 1u);
	buf_append(b, st->name, st->name_n + 1u);
	gather_close(k->out);
	gather_borrow(k->out, st->tail, st->tail_n);
	look_book(k, pipeline_tracked_sent(&k->s->pipeline, 'P', true));
	stmt_sent_parse(look_on_server(k), NULL, SPAN(NULL, 0), st, true);
}

/*
 * The statement of a name. Where the server lacks it and the client's settings
 * have changed since its Parse, it is another one from now on: what a server
 * prepares now is prepared under these.
 */
enum stmt_state
look_find(struct look *k, struct span name, struct stmt **found)
{
	struct relay *r = k->r;
	enum stmt_state state = stmt_client_get(*r->a.stmts, name, r->batch,
	    found);
	struct stmt *st = *found;
	bool steady;
	uint64_t print;

	if (UNLIKELY(state != STMT_YES))
		return state;
	/* Its text stands at the front, as in a Query. */
	if (UNLIKELY(r->a.slow_us))
		relay_slow_text(r, 'Q', st->tail, st->tail_n);
	state = stmt_server_has(look_on_server(k), st, r->batch);
	k->has = state == STMT_YES;
	if (LIKELY(state != STMT_NO))
		return state;
	print = look_fingerprint(r);
	steady = look_is_steady(k);
	if ((steady && st->print == print) || !st->table)
		return STMT_YES;
	st = stmt_get(pool_statements(r->a.pool), SPAN(st->tail, st->tail_n),
	    print, steady);
	if (!st)
		return STMT_YES;
	stmt_client_replace(*r->a.stmts, name, st);
	*found = st;
	state = stmt_server_has(look_on_server(k), st, r->batch);
	stmt_unref(st);
	return state == STMT_WAIT ? STMT_WAIT : STMT_YES;
}

/* ---- Parse ---- */

uint64_t
look_new_unnamed(struct look *k)
{
	k->s->unnamed_id = ++k->r->home->unnamed_id;
	k->r->unnamed_batch = k->r->batch;
	return k->s->unnamed_id;
}

/* The unnamed statement. */
static enum relay_up
up_parse_unnamed(struct look *k)
{
	struct stmt_unnamed *u = stmt_client_unnamed(look_of_client(k));
	struct span tail = SPAN(k->body + 1, k->n - 1);
	bool sets = stmt_text_sets(tail);
	enum relay_up up;
	uint64_t id;

	if (UNLIKELY(sets) && k->whole) {
		up = look_parse_sql(k, SPAN(tail.p,
		    strnlen((const char *)tail.p, tail.n)));
		if (up != RELAY_UP_PASS)
			return up;
	}
	id = look_new_unnamed(k);
	if (LIKELY(k->whole))
		stmt_unnamed_set(u, id, tail);
	else
		stmt_unnamed_set_passing(u, id);
	note_text(k, sets);
	look_book(k, pipeline_unnamed_sent(&k->s->pipeline, false));
	return RELAY_UP_BOOKED;
}

/* The client's own Parse goes on under the statement's name there. */
static void
send_parse(struct look *k, struct span name, struct stmt *st)
{
	struct buf *b;

	look_room(k, st);
	b = look_insert(k);
	look_put_head(b, 'P', k->f->size, name.n, st->name_n);
	buf_append(b, st->name, st->name_n);
	gather_close(k->out);
	*k->from = k->body + name.n;
	look_book(k, pipeline_tracked_sent(&k->s->pipeline, 'P', false));
	stmt_sent_parse(look_on_server(k), look_of_client(k), name, st, true);
}

/* The same, with another text. */
static void
send_other_parse(struct look *k, struct span name, struct stmt *st)
{
	struct buf *b;

	look_room(k, st);
	b = look_insert(k);
	look_put_head(b, 'P', WIRE_HEAD + st->tail_n, 0, st->name_n + 1u);
	buf_append(b, st->name, st->name_n + 1u);
	buf_append(b, st->tail, st->tail_n);
	gather_close(k->out);
	*k->from = k->body + k->n;
	look_book(k, pipeline_tracked_sent(&k->s->pipeline, 'P', false));
	stmt_sent_parse(look_on_server(k), look_of_client(k), name, st, true);
}

/* Nothing of it goes on; the answer is made up. */
static void
skip_parse(struct look *k, struct span name, struct stmt *st)
{
	look_insert(k);
	gather_close(k->out);
	*k->from = k->body + k->n;
	look_book(k, pipeline_fake_sent(&k->s->pipeline, 'P'));
	stmt_sent_parse(look_on_server(k), look_of_client(k), name, st, false);
}

static enum relay_up
refuse_sql(struct look *k)
{
	struct err e;

	err_set(&e, "0A000", "PREPARE, EXECUTE and DEALLOCATE cannot be "
	    "prepared themselves in transaction pooling mode");
	err_hint(&e, "send them as a query, or in the unnamed statement");
	look_refuse(k, 'P', &e);
	return RELAY_UP_BOOKED;
}

static enum relay_up
refuse_duplicate(struct look *k, struct span name)
{
	struct err e;

	err_set(&e, "42P05", "prepared statement \"%.*s\" already exists",
	    (int)(name.n < 300 ? name.n : 300), (const char *)name.p);
	look_refuse(k, 'P', &e);
	return RELAY_UP_BOOKED;
}

/* tail: text and types, as they are to be on servers; own: they are those of
 * the message. */
static enum relay_up
parse_as(struct look *k, struct span name, struct span tail, bool own)
{
	enum stmt_state state;
	struct stmt *st;

	st = stmt_get(pool_statements(k->r->a.pool), tail, look_fingerprint(k->r),
	    look_is_steady(k));
	if (!st)
		return refuse_memory(k);
	state = stmt_server_has(look_on_server(k), st, k->r->batch);
	if (state == STMT_YES)
		skip_parse(k, name, st);
	else if (state == STMT_NO && own)
		send_parse(k, name, st);
	else if (state == STMT_NO)
		send_other_parse(k, name, st);
	stmt_unref(st);
	if (state == STMT_WAIT)
		return RELAY_UP_WAIT;
	k->s->counters.client_parses++;
	return RELAY_UP_BOOKED;
}

static enum relay_up
up_parse(struct look *k)
{
	const uint8_t *end = memchr(k->body, 0, k->n);
	enum stmt_state state;
	struct span name, tail;
	struct buf fresh = { 0 };
	struct stmt *st;
	enum relay_up up;

	if (end == k->body)
		return up_parse_unnamed(k);
	/* Without an end of the name the server will not like it either. */
	if (!k->whole)
		return refuse_long(k);
	if (!end)
		return RELAY_UP_PASS;
	name = SPAN(k->body, end - k->body);
	tail = SPAN(end + 1, k->n - name.n - 1);
	if (UNLIKELY(stmt_text_sets(tail)) && look_is_sql(k, SPAN(tail.p,
		strnlen((const char *)tail.p, tail.n))))
		return refuse_sql(k);
	state = stmt_client_get(*k->r->a.stmts, name, k->r->batch, &st);
	if (state == STMT_WAIT)
		return RELAY_UP_WAIT;
	if (state == STMT_YES)
		return refuse_duplicate(k, name);
	if (!stmt_client_has_room(look_of_client(k), name, tail.n))
		return refuse_memory(k);
	if (LIKELY(!stmt_text_sets(tail)) || !look_listen(k, tail, &fresh))
		return parse_as(k, name, tail, true);
	up = parse_as(k, name, buf_span(&fresh), false);
	buf_free(&fresh);
	return up;
}

/* ---- Bind, Describe, Close ---- */

/* The server's unnamed statement has to be the client's. */
static enum relay_up
need_unnamed(struct look *k)
{
	struct stmt_client *c = *k->r->a.stmts;
	struct stmt_unnamed *u = c ? stmt_client_unnamed(c) : NULL;
	struct writer w;
	struct err e;

	/* Behind a Sync it is not certain that its Parse was carried out. */
	if (UNLIKELY(k->r->unnamed_batch != k->r->batch) &&
	    pipeline_has_unnamed(&k->s->pipeline))
		return RELAY_UP_WAIT;
	if (UNLIKELY(u && u->does >= STMT_EXECUTES && u->st)) {
		switch (stmt_server_has(look_on_server(k), u->st,
		    k->r->batch)) {
		case STMT_YES:
			break;
		case STMT_WAIT:
			return RELAY_UP_WAIT;
		case STMT_NO:
			if (u->st->sql && pipeline_wants_sync(
				&k->s->pipeline))
				return refuse_unknown(k, SPAN(u->name,
				    u->name_n));
			look_need_on_server(k, u->st);
		}
	}
	if (LIKELY(u && u->id && u->id == k->s->unnamed_id))
		return RELAY_UP_PASS;
	if (!u || !u->id || !u->kept) {
		err_set(&e, "26000", "unnamed prepared statement does not "
		    "exist");
		if (u && u->id) {
			err_detail(&e, "it was longer than "
			    "max_inspected_statement, and this is another "
			    "server connection");
			err_hint(&e, "use it in the transaction in which it "
			    "is prepared");
		}
		look_refuse(k, 'P', &e);
		return RELAY_UP_BOOKED;
	}
	writer_begin(&w, look_insert(k), 'P');
	writer_u8(&w, 0);
	writer_bytes(&w, u->tail, u->n);
	writer_end(&w);
	gather_close(k->out);
	look_book(k, pipeline_unnamed_sent(&k->s->pipeline, true));
	k->s->unnamed_id = u->id;
	k->r->unnamed_batch = k->r->batch;
	return RELAY_UP_PASS;
}

/* What the client is told of the columns of a statement; and the batch that
 * begins with it is kept, since st may be stale on the server. */
static void
note_description(struct look *k, struct stmt *st)
{
	const struct pipeline *p = &k->s->pipeline;
	struct stmt_client *c = *k->r->a.stmts;
	bool seen = false;

	if (k->f->type == 'D')
		stmt_client_describes(c);
	else
		seen = stmt_client_binds(c, !k->body[0]);
	if (k->has && !p->owed && !p->open && p->status == 'I' &&
	    gather_is_empty(k->out) && *k->from == k->p)
		relay_again_keep(k->r, st, seen);
}

/* The message with the statement's name there instead of the client's, which
 * stands behind the first `before` bytes of the body. */
static enum relay_up
rename_in(struct look *k, size_t before, struct span name)
{
	struct stmt *st;
	struct buf *b;
	uint8_t *to;

	switch (look_find(k, name, &st)) {
	case STMT_YES:
		break;
	case STMT_NO:
		return refuse_unknown(k, name);
	case STMT_WAIT:
		return RELAY_UP_WAIT;
	}
	if (UNLIKELY(!k->has)) {
		/* A Query would end the batch that is open. */
		if (st->sql && pipeline_wants_sync(&k->s->pipeline) &&
		    stmt_server_has(look_on_server(k), st, k->r->batch) !=
		    STMT_YES)
			return refuse_unknown(k, name);
		look_need_on_server(k, st);
	}
	note_description(k, st);
	b = look_insert(k);
	to = buf_reserve(b, WIRE_HEAD + before + st->name_n);
	put_head(to, k->f->type, k->f->size, name.n, st->name_n);
	memcpy(to + WIRE_HEAD, k->body, before);
	memcpy(to + WIRE_HEAD + before, st->name, st->name_n);
	b->end += WIRE_HEAD + before + st->name_n;
	gather_close(k->out);
	*k->from = k->body + before + name.n;
	look_book(k, pipeline_sent(&k->s->pipeline, k->f->type));
	if (k->f->type == 'B') {
		k->s->counters.binds++;
		k->r->named_commit = k->r->named_commit || st->commits;
		note_text(k, st->sets);
	}
	return RELAY_UP_BOOKED;
}

/* What SQL's PREPARE and DEALLOCATE do, they do at Execute. */
static enum relay_up
up_bind_unnamed(struct look *k)
{
	enum relay_up up = need_unnamed(k);
	const struct stmt_unnamed *u;

	if (up != RELAY_UP_PASS)
		return up;
	u = stmt_client_unnamed(*k->r->a.stmts);
	if (LIKELY(u->does == STMT_PLAIN || u->does == STMT_EXECUTES ||
		!u->st))
		return up;
	if (k->body[0])
		return refuse_sql(k);
	k->r->sql_portal = true;
	return up;
}

static enum relay_up
up_execute(struct look *k)
{
	struct stmt_client *c = look_of_client(k);
	struct stmt_unnamed *u = stmt_client_unnamed(c);
	struct span name = SPAN(u->name, u->name_n);

	if (k->n == 0 || k->body[0] || !u->st)
		return RELAY_UP_PASS;
	k->r->sql_portal = false;
	look_book(k, pipeline_tracked_sent(&k->s->pipeline, 'E', false));
	if (u->does == STMT_PREPARES)
		stmt_sent_parse(look_on_server(k), c, name, u->st, true);
	else
		stmt_sent_deallocate(look_on_server(k), c, name, u->st);
	return RELAY_UP_BOOKED;
}

static enum relay_up
up_bind(struct look *k)
{
	const uint8_t *end = memchr(k->body, 0, k->n), *name;
	size_t left;

	name = end ? end + 1 : NULL;
	left = name ? k->n - (size_t)(name - k->body) : 0;
	end = name ? memchr(name, 0, left) : NULL;
	if (UNLIKELY(!end))
		return k->whole ? RELAY_UP_PASS : refuse_long(k);
	k->r->sql_portal = false;
	if (end == name)
		return up_bind_unnamed(k);
	return rename_in(k, (size_t)(name - k->body), SPAN(name, end - name));
}

/* Nothing is closed on the server: others use it, and so may this client. */
static enum relay_up
up_close(struct look *k, struct span name)
{
	look_insert(k);
	gather_close(k->out);
	*k->from = k->body + k->n;
	look_book(k, pipeline_fake_sent(&k->s->pipeline, 'C'));
	stmt_sent_close(look_on_server(k), look_of_client(k), name);
	return RELAY_UP_BOOKED;
}

static enum relay_up
up_target(struct look *k)
{
	struct stmt_client *c = *k->r->a.stmts;
	const char *text;
	uint8_t kind;

	if (k->n > 0 && k->body[0] == 'P') {
		if (c && k->n > 1 && k->f->type == 'D')
			stmt_client_describes_portal(c, !k->body[1]);
		return RELAY_UP_PASS;
	}
	if (!k->whole)
		return refuse_long(k);
	/* The server says what is wrong with it. */
	if (!msg_target(SPAN(k->body, k->n), &kind, &text) || kind != 'S')
		return RELAY_UP_PASS;
	if (text[0]) {
		struct span name = SPAN(text, k->n - 2);

		return k->f->type == 'C' ? up_close(k, name) :
		    rename_in(k, 1, name);
	}
	if (k->f->type == 'D')
		return need_unnamed(k);
	if (c)
		stmt_unnamed_clear(stmt_client_unnamed(c));
	k->s->unnamed_id = 0;
	return RELAY_UP_PASS;
}

/* ---- all of them ---- */

enum relay_up
relay_refuse(struct relay *r, const struct frame_info *f, const uint8_t *p,
    size_t n, const uint8_t **from, struct err *e)
{
	struct look k = look_at(r, f, p, n, from);

	look_refuse(&k, f->type == 'Q' ? 'Q' : 'P', e);
	return look_end(&k, RELAY_UP_BOOKED, e);
}

enum relay_up
relay_statement(struct relay *r, const struct frame_info *f, const uint8_t *p,
    size_t n, const uint8_t **from, struct err *e)
{
	struct look k = look_at(r, f, p, n, from);
	enum relay_up up = RELAY_UP_PASS;

	if (UNLIKELY(stmt_server_waits(k.s->stmts)))
		return RELAY_UP_WAIT;
	switch (f->type) {
	case 'B':
		up = up_bind(&k);
		break;
	case 'P':
		up = up_parse(&k);
		break;
	case 'D':
	case 'C':
		up = up_target(&k);
		break;
	case 'E':
		up = up_execute(&k);
		break;
	}
	return look_end(&k, up, e);
}

/* ---- what comes back ---- */

void
relay_statement_news(struct relay *r)
{
	struct server *s = relay_server_of(r);
	struct pipeline *p = &s->pipeline;
	bool lost = p->unnamed_lost && !pipeline_has_unnamed(p);
	uint8_t type;

	server_statement_news(s);
	if (lost && *r->a.stmts)
		stmt_unnamed_clear(stmt_client_unnamed(*r->a.stmts));
	while ((type = pipeline_take_fake(p))) {
		reply_bare(gather_open(&r->home->out), type);
		gather_close(&r->home->out);
		server_statement_news(s);
	}
}
