/* auth_query: from the pool's queue to the one row. */
#include "pooling/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "pooling/database.h"
#include "pooling/lookup_reply.h"
#include "pooling/pool.h"
#include "pooling/registry.h"
#include "pooling/server.h"
#include "proto/reply.h"
#include "proto/wire.h"

/* What clients of the same pool may have left behind. */
#define RESET "SET SESSION AUTHORIZATION DEFAULT;RESET ROLE;RESET ALL"
/* A part of a message that the server's own reading takes over. */
#define HAND_OVER_MAX 4096

struct lookup {
	struct lookup_args a;
	char *user;
	char *query;
	struct pool *pool; /* NULL: there is none */
	struct waiter waiter;
	struct server *server; /* while the query runs */
	struct buf in;
	struct lookup_reply reply;
	struct err err; /* nobody could be asked */
	struct task task; /* done() in the same turn */
	bool any_name; /* the client chose it, by the "*" line */
	bool abandoned; /* the waiter's mail is still under way */
};

static void
lookup_free(struct lookup *lk)
{
	if (lk->pool)
		atomic_fetch_sub(&lk->pool->n_clients, 1);
	pool_unref(lk->pool);
	buf_wipe_free(&lk->in);
	lookup_reply_fini(&lk->reply);
	free(lk->user);
	free(lk->query);
	free(lk);
}

/* ---- the answer ---- */

/* That there is no such database, or that it may not be entered, would tell
 * strangers which ones there are: it looks as if it had no such user. */
static bool
tells_the_name(const struct lookup *lk)
{
	static const char *const states[] = { "3D000", "42501", "53300" };
	size_t i;

	for (i = 0; lk->any_name && i < ARRAY_LEN(states); i++)
		if (strcmp(lk->err.sqlstate, states[i]) == 0)
			return true;
	return false;
}

static void
tell(struct lookup *lk)
{
	struct lookup_result r;

	lookup_reply_result(&lk->reply, lk->user, &r);
	if (err_is_set(&lk->err)) {
		r.verdict = tells_the_name(lk) ? LOOKUP_NONE : LOOKUP_FAILED;
		r.err = lk->err;
	}
	lk->a.done(lk->a.arg, &r);
	lookup_free(lk);
}

static void
on_task(struct task *t)
{
	tell(CONTAINER_OF(t, struct lookup, task));
}

static void
tell_later(struct lookup *lk)
{
	loop_defer(lk->a.loop, &lk->task);
}

/* ---- the query ---- */

/* The server is the pool's again. */
static struct server *
let_go(struct lookup *lk)
{
	struct server *s = lk->server;
	const struct pool_settings *set = lk->pool->set;

	lk->server = NULL;
	s->asker = NULL;
	s->request_us = 0;
	s->dirty = set->reset_always || set->mode == POOL_SESSION;
	server_listen(s);
	return s;
}

static void
lost(struct lookup *lk, const char *reason)
{
	pool_discard(let_go(lk), reason);
	err_set(&lk->err, "08006", "auth_query: %s", reason);
	tell_later(lk);
}

static void
finished(struct lookup *lk)
{
	struct server *s = let_go(lk);

	s->counters.query_us += (uint64_t)(loop_now(lk->a.loop) -
	    lk->waiter.since_us);
	pool_release(s);
	tell_later(lk);
}

/* One message; false when the server can not be used any more. */
static bool
take_message(struct lookup *lk, uint8_t type, struct span body)
{
	struct server *s = lk->server;
	uint8_t status = type == 'Z' && body.n == 1 ? body.p[0] : 0;
	enum pipe_verdict v;

	if (type == 'S')
		(void)server_parameter(s, body);
	if (type == 'S' || type == 'N' || type == 'A')
		return true;
	if (type == 'Z' && !status)
		return false;
	v = pipeline_got(&s->pipeline, type, status);
	if (v == PIPE_FORWARD)
		lookup_reply_message(&lk->reply, type, body);
	return v != PIPE_BAD && !s->pipeline.own_error;
}

/* What is whole in lk->in. */
static void
take_messages(struct lookup *lk)
{
	struct frame_info f;
	enum frame kind;
	const uint8_t *p;

	for (;;) {
		p = buf_head(&lk->in);
		kind = wire_frame(p, buf_len(&lk->in), LOOKUP_MESSAGE_MAX, &f);
		if (kind != FRAME_WHOLE)
			break;
		if (!take_message(lk, f.type,
			SPAN(p + WIRE_HEAD, f.size - WIRE_HEAD))) {
			lost(lk, "the server broke off or did not make sense");
			return;
		}
		buf_consume(&lk->in, f.size);
		if (pipeline_is_idle(&lk->server->pipeline)) {
			finished(lk);
			return;
		}
	}
	if (kind == FRAME_BAD)
		lost(lk, "the answer is too large");
}

static void
on_readable(struct stream *st)
{
	struct lookup *lk = CONTAINER_OF(st, struct server, stream)->asker;
	uint8_t *p = loop_lease(lk->a.loop);
	ssize_t n = stream_read(st, p, LOOP_RBUF);

	if (n > 0)
		buf_append(&lk->in, p, (size_t)n);
	/* There may be a secret in it. */
	if (n > 0)
		wipe(p, (size_t)n);
	loop_unlease(lk->a.loop);
	if (n < 0)
		lost(lk, "server conn crashed?");
	else
		take_messages(lk);
}

static void
on_writable(struct stream *st)
{
	(void)st;
}

static const struct stream_ops lookup_ops = {
	.readable = on_readable,
	.writable = on_writable,
};

static void
put_query(struct buf *b, const char *query, const char *user)
{
	struct writer w;

	writer_begin(&w, b, 'P');
	writer_cstr(&w, "");
	writer_cstr(&w, query);
	writer_u16(&w, 0);
	writer_end(&w);
	writer_begin(&w, b, 'B');
	writer_cstr(&w, "");
	writer_cstr(&w, "");
	writer_u16(&w, 0);
	writer_u16(&w, 1);
	writer_u32(&w, (uint32_t)strlen(user));
	writer_bytes(&w, user, strlen(user));
	writer_u16(&w, 0);
	writer_end(&w);
	writer_begin(&w, b, 'D');
	writer_u8(&w, 'P');
	writer_cstr(&w, "");
	writer_end(&w);
	writer_begin(&w, b, 'E');
	writer_cstr(&w, "");
	writer_u32(&w, LOOKUP_ROWS_MAX);
	writer_end(&w);
	reply_bare(b, 'S');
}

static void
begin_query(struct lookup *lk, struct server *s)
{
	struct buf b = { 0 };
	const char *type;

	lk->server = s;
	s->asker = lk;
	s->request_us = loop_now(lk->a.loop);
	s->counters.xacts++;
	s->counters.queries++;
	stream_set_ops(&s->stream, &lookup_ops);
	stream_resume(&s->stream);
	if (s->touched) {
		s->touched = false;
		server_forget_settings(s, RESET);
		pipeline_own_sent(&s->pipeline, 'Q');
		request_query(&b, RESET);
	}
	s->pipeline.own_error = false;
	for (type = "PBDES"; *type; type++)
		pipeline_sent(&s->pipeline, (uint8_t)*type);
	put_query(&b, lk->query, lk->user);
	s->counters.received += buf_len(&b);
	stream_write(&s->stream, buf_head(&b), buf_len(&b));
	buf_free(&b);
}

/* ---- the pool's queue ---- */

static void
on_granted(struct waiter *w, struct server *s)
{
	begin_query(CONTAINER_OF(w, struct lookup, waiter), s);
}

static void
on_failed(struct waiter *w, const struct err *e)
{
	struct lookup *lk = CONTAINER_OF(w, struct lookup, waiter);

	if (lk->abandoned) {
		lookup_free(lk);
		return;
	}
	lk->err = *e;
	tell(lk);
}

static void
on_welcomed(struct waiter *w)
{
	(void)w;
	(void)ensure(false);
}

/* ---- whom to ask ---- */

bool
lookup_is_possible(const struct config *cfg, const struct database_conf *conf)
{
	if (config_auth_user(cfg, conf)[0] == '\0')
		return false;
	return conf != NULL || config_auth_dbname(cfg, conf)[0] != '\0';
}

/* auth_dbname is the configuration's word, a database that the client names is
 * a stranger's. */
static struct database *
database_to_ask(const struct lookup_args *a, const char *name, bool *many)
{
	struct registry *r = a->hub->registry;

	*many = false;
	if (config_auth_dbname(a->cfg, a->conf)[0] != '\0')
		return registry_database(r, a->cfg, name);
	return registry_ask_database(r, a->cfg, name, many);
}

static struct pool *
find_pool(const struct lookup_args *a, struct err *e)
{
	struct registry *r = a->hub->registry;
	const char *name = config_auth_dbname(a->cfg, a->conf);
	struct pool_key key = {
		.conf = a->conf,
		.login_user = config_auth_user(a->cfg, a->conf),
		.own_user = true,
	};
	struct pool *p;
	bool many;

	if (name[0] == '\0')
		name = a->database;
	else
		key.conf = config_database(a->cfg, name) ?
		    config_database(a->cfg, name) : a->cfg->autodb;
	if (config_is_console(name) || key.conf == NULL) {
		err_set(e, "3D000", "auth_query: there is no database \"%s\" "
		    "to ask", name);
		err_hint(e, "auth_dbname must stand in [databases]");
		return NULL;
	}
	key.db = database_to_ask(a, name, &many);
	if (many) {
		err_set(e, "53300", "auth_query: too many databases of the "
		    "\"*\" line that nobody was ever let in to");
		err_hint(e, "set auth_dbname, so that strangers cannot choose "
		    "where it is asked");
		return NULL;
	}
	if (key.db != NULL && atomic_load(&key.db->disabled)) {
		err_set(e, "57P03", "authentication database \"%s\" is "
		    "disabled", name);
		database_unref(key.db);
		return NULL;
	}
	p = key.db != NULL ? registry_pool(r, a->cfg, &key) : NULL;
	if (p == NULL)
		err_set(e, "57P01", "auth_query: database \"%s\" has just been "
		    "removed", name);
	database_unref(key.db);
	return p;
}

struct lookup *
lookup_start(const struct lookup_args *a)
{
	struct lookup *lk = xcalloc(1, sizeof(*lk));
	struct server *s;

	lk->a = *a;
	lk->user = xstrdup(a->user);
	lk->query = xstrdup(config_auth_query(a->cfg, a->conf));
	lk->task.fn = on_task;
	lk->any_name = config_auth_dbname(a->cfg, a->conf)[0] == '\0' &&
	    config_database(a->cfg, a->database) == NULL;
	lk->pool = find_pool(a, &lk->err);
	if (lk->pool == NULL) {
		tell_later(lk);
		return lk;
	}
	atomic_fetch_add(&lk->pool->n_clients, 1);
	lk->waiter.worker = a->worker;
	lk->waiter.granted = on_granted;
	lk->waiter.failed = on_failed;
	lk->waiter.welcomed = on_welcomed;
	lk->waiter.since_us = loop_now(a->loop);
	switch (pool_acquire(lk->pool, &lk->waiter, loop_now(a->loop), &s,
	    &lk->err)) {
	case ACQUIRE_GOT:
		err_clear(&lk->err);
		begin_query(lk, s);
		break;
	case ACQUIRE_QUEUED:
		err_clear(&lk->err);
		break;
	case ACQUIRE_FULL:
	case ACQUIRE_FAILED:
		tell_later(lk);
		break;
	}
	return lk;
}

/* The query goes on without us. */
static void
leave_server(struct lookup *lk)
{
	struct server *s = let_go(lk);
	size_t n = buf_len(&lk->in);

	if (n > HAND_OVER_MAX || !keep_append(loop_keeps(lk->a.loop), &s->in,
	    buf_head(&lk->in), n))
		pool_discard(s, "client disconnect while server was not ready");
	else
		pool_drain(s, false, false);
}

void
lookup_abandon(struct lookup *lk)
{
	loop_undefer(lk->a.loop, &lk->task);
	if (lk->server)
		leave_server(lk);
	if (lk->waiter.pool && !pool_leave(lk->pool, &lk->waiter)) {
		lk->abandoned = true;
		return;
	}
	lookup_free(lk);
}
