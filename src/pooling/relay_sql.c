/*
 * PREPARE, EXECUTE and DEALLOCATE in SQL. Their names are those of the
 * protocol's statements too, so here as well a name becomes the one that the
 * statement has on servers. Nearly all texts have none and go on as they are.
 * A LISTEN that others carry out (relay_listen.c) is replaced here as well.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/reply.h"
#include "relay_look.h"

#define KINDS \
	(SQL_BIT(SQL_PREPARE) | SQL_BIT(SQL_EXECUTE) | SQL_BIT(SQL_DEALLOCATE))
#define KINDS_ALL \
	(SQL_BIT(SQL_DEALLOCATE_ALL) | SQL_BIT(SQL_DISCARD_ALL))
/* Names in one text. */
#define NAMES_MAX 100

/* One of them, or the word LISTEN. */
struct place {
	enum sql_kind kind;
	struct sql_range at; /* in the text */
	size_t name; /* offset in names */
	size_t name_n;
	struct stmt *st; /* NULL: there is none */
	bool own; /* PREPARE: st is a reference of ours */
	bool here; /* it was prepared in this text */
};

struct names {
	struct look *k;
	const struct sql_info *info;
	struct buf names;
	size_t n;
	size_t n_names; /* those that are no LISTEN */
	size_t valid; /* those before it are gone: DEALLOCATE ALL */
	bool all_gone;
	struct err *e; /* of what is to be refused */
	struct place place[]; /* as many as the text has statements, and one */
};

enum found { FOUND, FOUND_WAIT, FOUND_REFUSED };

static struct span
name_of(const struct names *x, const struct place *p)
{
	return SPAN(buf_head(&x->names) + p->name, p->name_n);
}

/* As relay_state.c reads it, but that what is under way may set something even
 * if nobody follows it. */
static unsigned
scan_options(const struct look *k)
{
	unsigned o = relay_scan_options(k->r);

	if (k->r->may_set && k->s->pipeline.count)
		o = (o & ~(unsigned)SQL_STD_STRINGS) | SQL_STRINGS_UNKNOWN;
	return o;
}

/* ---- what the names mean ---- */

/* What p's name means at this point of the text. */
static enum stmt_state
meaning(struct names *x, struct place *p)
{
	struct span name = name_of(x, p);
	size_t i;

	for (i = x->n; i-- > x->valid;) {
		const struct place *q = &x->place[i];

		if (q->kind == SQL_EXECUTE || q->kind == SQL_LISTEN ||
		    !span_eq(name_of(x, q), name))
			continue;
		p->here = true;
		p->st = q->kind == SQL_PREPARE ? q->st : NULL;
		return p->st ? STMT_YES : STMT_NO;
	}
	if (x->all_gone)
		return STMT_NO;
	return look_find(x->k, name, &p->st);
}

static enum found
refuse(struct names *x, const char *sqlstate, const char *what,
    struct span name, const char *end)
{
	err_set(x->e, sqlstate, "%s\"%.*s\"%s", what, (int)name.n,
	    (const char *)name.p, end);
	return FOUND_REFUSED;
}

/* The statement of a PREPARE. */
static struct stmt *
make(struct names *x, const struct sql_stmt *s)
{
	struct stmt_table *t = pool_statements(x->k->r->a.pool);
	uint64_t print = look_fingerprint(x->k->r);
	const uint8_t *text = x->info->text.p;
	struct buf tail = { 0 };
	struct stmt *st = NULL;

	if (s->args.n)
		return stmt_of_sql(t, SPAN(text + s->args.at,
		    s->value.at + s->value.n - s->args.at), print);
	if (buf_try_append(&tail, text + s->value.at, s->value.n) &&
	    buf_try_append(&tail, "\0\0", 3))
		st = stmt_get(t, buf_span(&tail), print, false);
	buf_free(&tail);
	return st;
}

static enum found
find_prepare(struct names *x, struct place *p, const struct sql_stmt *s,
    enum stmt_state state)
{
	struct span name = name_of(x, p);

	if (state == STMT_YES)
		return refuse(x, "42P05", "prepared statement ", name,
		    " already exists");
	p->st = NULL;
	if (stmt_client_has_room(look_of_client(x->k), name, s->text.n))
		p->st = make(x, s);
	if (!p->st)
		return refuse(x, "53200", "out of memory for prepared "
		    "statement ", name, "");
	p->own = true;
	return FOUND;
}

static enum found
find_one(struct names *x, const struct sql_stmt *s)
{
	struct place *p = &x->place[x->n];
	enum stmt_state state;
	enum found found = FOUND;

	*p = (struct place){
		.kind = s->kind,
		.at = s->name,
		.name = buf_len(&x->names),
	};
	if (!sql_name(x->info, s->name, &x->names))
		return refuse(x, "0A000", "prepared statement ",
		    SPAN(x->info->text.p + s->name.at, s->name.n),
		    " has a name that cannot be read");
	p->name_n = buf_len(&x->names) - p->name;
	state = meaning(x, p);
	if (state == STMT_WAIT)
		return FOUND_WAIT;
	if (s->kind == SQL_PREPARE)
		found = find_prepare(x, p, s, state);
	if (found == FOUND)
		x->n++;
	return found;
}

static void
find_listen(struct names *x, const struct sql_stmt *s)
{
	if (relay_listen_is_shared(x->k->r, x->info, s))
		x->place[x->n++] = (struct place){
			.kind = SQL_LISTEN,
			.at = s->keyword,
		};
}

/* All names of the text. */
static enum found
find_all(struct names *x)
{
	const struct sql_stmt *s;
	enum found found;
	size_t i;

	for (i = 0; i < x->info->nstmts; i++) {
		s = &x->info->stmts[i];
		if (SQL_BIT(s->kind) & KINDS_ALL) {
			x->valid = x->n;
			x->all_gone = true;
		}
		if (s->kind == SQL_LISTEN)
			find_listen(x, s);
		if (!(SQL_BIT(s->kind) & KINDS))
			continue;
		if (x->n_names++ == NAMES_MAX) {
			err_set(x->e, "54000", "too many prepared statements "
			    "in one query");
			return FOUND_REFUSED;
		}
		found = find_one(x, s);
		if (found != FOUND)
			return found;
	}
	return FOUND;
}

/* ---- what is sent ---- */

/* What the server lacks, in front. False: it cannot be. */
static bool
send_lacking(struct names *x)
{
	struct look *k = x->k;
	uint32_t before = k->s->pipeline.count;
	bool open = pipeline_wants_sync(&k->s->pipeline);
	size_t i;

	for (i = 0; i < x->n; i++) {
		struct place *p = &x->place[i];

		if (p->kind == SQL_PREPARE && !open)
			look_room(k, p->st);
		if (!p->st || p->own || p->here)
			continue;
		/* The Sync behind it would end the client's batch. */
		if (open && stmt_server_has(look_on_server(k), p->st,
			k->r->batch) != STMT_YES)
			return refuse(x, "26000", "prepared statement ",
			    name_of(x, p), " does not exist"), false;
		look_need_on_server(k, p->st);
	}
	if (k->s->pipeline.count == before)
		return true;
	reply_bare(look_insert(k), 'S');
	gather_close(k->out);
	look_book(k, pipeline_own_sent(&k->s->pipeline, 'S'));
	return true;
}

/* A name that others may have on the server is not passed on. */
static const char *
written(const struct names *x, const struct place *p, char out[STMT_NAME + 2])
{
	static const char prefix[] = "PGBOUNCER_";
	struct span name = name_of(x, p);
	size_t n = sizeof(prefix) - 1;

	if (p->kind == SQL_LISTEN)
		return "UNLISTEN";
	if (p->st)
		snprintf(out, STMT_NAME + 2, "\"%s\"", p->st->name);
	else if (name.n > n && memcmp(name.p, prefix, n) == 0)
		snprintf(out, STMT_NAME + 2, "\"%s\"", STMT_REFUSED_NAME);
	else
		return NULL;
	return out;
}

/* The Query with its names as they are on the server. */
static void
send_renamed(struct names *x)
{
	struct look *k = x->k;
	char out[STMT_NAME + 2];
	size_t i, old = 0, fresh = 0;
	const uint8_t *done = k->body;
	const char *name;
	struct buf *b;

	for (i = 0; i < x->n; i++)
		if ((name = written(x, &x->place[i], out))) {
			old += x->place[i].at.n;
			fresh += strlen(name);
		}
	b = look_insert(k);
	look_put_head(b, 'Q', k->f->size, old, fresh);
	gather_close(k->out);
	for (i = 0; i < x->n; i++) {
		const struct place *p = &x->place[i];

		if (!(name = written(x, p, out)))
			continue;
		gather_borrow(k->out, done,
		    (size_t)(k->body + p->at.at - done));
		b = gather_open(k->out);
		buf_append(b, name, strlen(name));
		gather_close(k->out);
		done = k->body + p->at.at + p->at.n;
	}
	*k->from = done;
}

/*
 * Whatever comes behind waits until it has been answered. Not so in a batch
 * that is open: if that has failed, the Query is skipped, and what it waits for
 * is a Sync which would wait for it.
 */
static void
book_query(struct look *k)
{
	bool last = !pipeline_wants_sync(&k->s->pipeline);

	look_book(k, pipeline_tracked_sent(&k->s->pipeline, 'Q', false));
	stmt_sent_query(look_on_server(k), last);
}

/* What it will have done, statement by statement. */
static void
book_all(struct names *x)
{
	struct look *k = x->k;
	struct stmt_server *on = look_on_server(k);
	size_t i;

	book_query(k);
	for (i = 0; i < x->n; i++) {
		const struct place *p = &x->place[i];

		if (p->kind == SQL_PREPARE)
			stmt_query_prepares(on, look_of_client(k),
			    name_of(x, p), p->st);
		else if (p->kind == SQL_DEALLOCATE && p->st)
			stmt_query_deallocates(on, look_of_client(k),
			    name_of(x, p), p->st);
	}
}

static struct names *
names_new(struct look *k, const struct sql_info *info, struct err *e)
{
	struct names *x = xcalloc(1, sizeof(*x) +
	    (info->nstmts + 1) * sizeof(x->place[0]));

	x->k = k;
	x->info = info;
	x->e = e;
	return x;
}

static enum relay_up
rename_all(struct look *k, const struct sql_info *info)
{
	struct err e;
	struct names *x = names_new(k, info, &e);
	enum relay_up up = RELAY_UP_BOOKED;
	enum found found;
	size_t i;

	found = find_all(x);
	if (found == FOUND && !send_lacking(x))
		found = FOUND_REFUSED;
	if (found == FOUND) {
		send_renamed(x);
		book_all(x);
	} else if (found == FOUND_REFUSED) {
		look_refuse(k, 'Q', &e);
	} else {
		up = RELAY_UP_WAIT;
	}
	for (i = 0; i <= x->n; i++)
		if (x->place[i].own)
			stmt_unref(x->place[i].st);
	buf_free(&x->names);
	free(x);
	return up;
}

/* Read as PostgreSQL reads it, if it may be of interest. */
static const struct sql_info *
read_text(struct look *k, struct span text)
{
	struct sql_info *info = &k->r->home->info;

	if (sql_quick(text) != SQL_QUICK_SCAN)
		return NULL;
	sql_scan(info, text, scan_options(k));
	return info;
}

/* ---- in the extended protocol ---- */

bool
look_is_sql(struct look *k, struct span text)
{
	const struct sql_info *info = read_text(k, text);

	return info && !info->unsure && (info->kinds & KINDS);
}

bool
look_listen(struct look *k, struct span tail, struct buf *fresh)
{
	size_t n = strnlen((const char *)tail.p, tail.n);
	const struct sql_info *info = read_text(k, SPAN(tail.p, n));
	const uint8_t *word;

	/* More than one statement the server refuses itself. */
	if (!info || info->nstmts != 1 ||
	    !relay_listen_is_shared(k->r, info, &info->stmts[0]))
		return false;
	word = tail.p + info->stmts[0].keyword.at;
	buf_append(fresh, tail.p, (size_t)(word - tail.p));
	buf_append(fresh, "UN", 2);
	return buf_try_append(fresh, word, (size_t)(tail.p + tail.n - word));
}

/* The Parse with the name as it is on the server, and the client's copy. */
static void
send_parse(struct names *x)
{
	static const enum stmt_does does[SQL_KIND_COUNT] = {
		[SQL_PREPARE] = STMT_PREPARES,
		[SQL_EXECUTE] = STMT_EXECUTES,
		[SQL_DEALLOCATE] = STMT_DEALLOCATES,
	};
	struct look *k = x->k;
	const struct place *p = &x->place[0];
	struct stmt_unnamed *u = stmt_client_unnamed(look_of_client(k));
	const uint8_t *text = x->info->text.p, *end = k->body + k->n;
	const uint8_t *behind = text + p->at.at + p->at.n;
	char out[STMT_NAME + 2];
	const char *name = written(x, p, out);
	struct buf tail = { 0 }, *b;

	buf_append(&tail, text, p->at.at);
	if (name)
		buf_append(&tail, name, strlen(name));
	else
		buf_append(&tail, text + p->at.at, p->at.n);
	buf_append(&tail, behind, (size_t)(end - behind));
	b = look_insert(k);
	look_put_head(b, 'P', WIRE_HEAD + 1 + buf_len(&tail), 0, 0);
	buf_append(b, "", 1);
	buf_append(b, buf_head(&tail), buf_len(&tail));
	gather_close(k->out);
	*k->from = end;
	stmt_unnamed_set(u, look_new_unnamed(k), buf_span(&tail));
	if (p->kind != SQL_LISTEN)
		stmt_unnamed_does(u, does[p->kind], name_of(x, p), p->st);
	buf_free(&tail);
	look_book(k, pipeline_unnamed_sent(&k->s->pipeline, false));
}

/* What the server lacks, in front. */
static enum found
need_for_parse(struct names *x)
{
	struct look *k = x->k;
	const struct place *p = &x->place[0];

	if (p->kind == SQL_PREPARE) {
		look_room(k, p->st);
		return FOUND;
	}
	if (!p->st)
		return FOUND;
	if (p->st->sql && pipeline_wants_sync(&k->s->pipeline) &&
	    stmt_server_has(look_on_server(k), p->st, k->r->batch) !=
	    STMT_YES)
		return refuse(x, "26000", "prepared statement ",
		    name_of(x, p), " does not exist");
	look_need_on_server(k, p->st);
	return FOUND;
}

enum relay_up
look_parse_sql(struct look *k, struct span text)
{
	const struct sql_info *info = read_text(k, text);
	enum relay_up up = RELAY_UP_BOOKED;
	struct names *x;
	enum found found;
	struct err e;

	/* More than one statement the server refuses itself. */
	if (!info || info->unsure || info->nstmts != 1 ||
	    (!(info->kinds & KINDS) && !relay_listen_any_shared(k->r, info)))
		return RELAY_UP_PASS;
	x = names_new(k, info, &e);
	found = find_all(x);
	if (found == FOUND)
		found = need_for_parse(x);
	if (found == FOUND)
		send_parse(x);
	else if (found == FOUND_REFUSED)
		look_refuse(k, 'P', &e);
	else
		up = RELAY_UP_WAIT;
	k->r->may_set = true;
	if (x->place[0].own)
		stmt_unref(x->place[0].st);
	buf_free(&x->names);
	free(x);
	return up;
}

enum relay_up
relay_statement_query(struct relay *r, const struct frame_info *f,
    const uint8_t *p, size_t n, const uint8_t **from, struct err *e)
{
	struct look k = look_at(r, f, p, n, from);
	struct span text = SPAN(k.body, strnlen((const char *)k.body, k.n));
	const struct sql_info *info = NULL;
	enum relay_up up = RELAY_UP_PASS;
	bool sets = stmt_text_sets(text);
	bool wild = !k.whole, names;

	/* One statement that is told by its first word, or more to look at. */
	if (k.whole && UNLIKELY(sets || memchr(text.p, ';', text.n)))
		info = read_text(&k, text);
	if (UNLIKELY(info != NULL)) {
		sets = true;
		names = !info->unsure && ((info->kinds & KINDS) ||
			relay_listen_any_shared(r, info));
		wild = names || info->unsure || (info->kinds & KINDS_ALL);
		if (wild && stmt_server_waits(k.s->stmts))
			return RELAY_UP_WAIT;
		if (names)
			up = rename_all(&k, info);
		else if (info->unsure)
			relay_state_doubt(r);
		if (up == RELAY_UP_WAIT)
			return up;
	}
	if (UNLIKELY(wild) && up == RELAY_UP_PASS) {
		book_query(&k);
		up = RELAY_UP_BOOKED;
	}
	/* It takes the place of the unnamed statement. */
	k.s->unnamed_id = 0;
	if (*r->a.stmts)
		stmt_unnamed_clear(stmt_client_unnamed(*r->a.stmts));
	if (!k.s->pipeline.count)
		r->may_set = false;
	r->may_set = r->may_set || sets;
	return look_end(&k, up, e);
}
