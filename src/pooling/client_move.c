/* A client goes to the process that takes our place, and arrives there. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "client_private.h"
#include "pooling/parcel.h"
#include "proto/stmt.h"
#include "proto/wire.h"

/* ---- out ---- */

bool
client_can_move(const struct client *c)
{
	return c->state == CL_IDLE && !c->relay && !c->gone && !c->skip &&
	    !c->skip_sync && !keep_len(&c->held) && !c->stream.broken &&
	    !c->stream.tls &&
	    !stream_unsent(&c->stream) && !c->settings &&
	    !(c->stmts && stmt_client_count(c->stmts));
}

static void
put_optional(struct writer *w, const char *s)
{
	writer_u8(w, s != NULL);
	if (s)
		writer_cstr(w, s);
}

/* What a pool of the other process needs to log in to servers. */
static void
put_credentials(struct writer *w, struct pool *p)
{
	struct server_target *t = pool_target(p);

	put_optional(w, t->secret);
	writer_u8(w, t->has_keys);
	if (t->has_keys)
		writer_bytes(w, &t->keys, sizeof(t->keys));
	target_unref(t);
}

static void
put_params(struct writer *w, const struct client *c)
{
	const struct param_names *names = c->home->cfg->param_names;
	size_t i, n = param_names_count(names);

	for (i = 0; i < n; i++)
		if (param_get(c->params, i)) {
			writer_u8(w, 1);
			writer_cstr(w, param_name(names, i));
			writer_cstr(w, param_get(c->params, i));
		}
	writer_u8(w, 0);
}

static void
pack(const struct client *c, struct buf *out)
{
	struct writer w;

	writer_begin(&w, out, 'C');
	writer_cstr(&w, c->db->name);
	writer_cstr(&w, c->user->name);
	writer_u8(&w, c->cancel.key_n);
	writer_bytes(&w, c->cancel.key, c->cancel.key_n);
	writer_bytes(&w, &c->peer, sizeof(c->peer));
	writer_u8(&w, c->is_unix);
	writer_bytes(&w, &c->connect_wall_us, sizeof(c->connect_wall_us));
	put_params(&w, c);
	put_credentials(&w, c->pool);
	writer_end(&w);
}

static void
on_parcel(struct mail *m, struct loop *l)
{
	struct parcel *p = CONTAINER_OF(m, struct parcel, mail);
	struct hub *hub = p->owner;

	(void)l;
	hub->parcel(hub->parcel_arg, p);
}

bool
client_move(struct client *c)
{
	struct hub *hub = c->home->hub;
	struct parcel *p;

	if (!client_can_move(c))
		return false;
	p = xcalloc(1, sizeof(*p));
	pack(c, &p->bytes);
	p->fd = fcntl(c->stream.fd, F_DUPFD_CLOEXEC, 3);
	if (p->fd == -1 || buf_len(&p->bytes) > PARCEL_MAX) {
		parcel_free(p);
		return false;
	}
	p->owner = hub;
	p->mail.fn = on_parcel;
	client_let_go(c);
	client_enter(c, CL_CLOSING);
	client_finish_close(c);
	loop_post(hub->main_loop, &p->mail);
	return true;
}

/* ---- in ---- */

struct arrived {
	const char *database, *user, *secret;
	struct span key;
	struct addr peer;
	bool is_unix, has_keys;
	usec_t connect_wall_us;
	struct scram_keys keys;
	struct param_set *params;
};

static void
get(struct reader *r, void *to, size_t n)
{
	struct span s = reader_bytes(r, n);

	if (!r->bad)
		memcpy(to, s.p, n);
}

static struct param_set *
get_params(struct reader *r, const struct param_names *names)
{
	struct param_set *set = param_set_new(param_names_count(names));

	while (reader_u8(r)) {
		int i = param_index(names, reader_cstr(r));
		const char *value = reader_cstr(r);

		if (i >= 0 && !r->bad)
			set = param_set_with(set, (size_t)i, value);
	}
	return set;
}

static bool
unpack(struct span bytes, const struct config *cfg, struct arrived *a)
{
	struct reader r;

	memset(a, 0, sizeof(*a));
	reader_init(&r, bytes);
	(void)reader_u8(&r);
	(void)reader_u32(&r);
	a->database = reader_cstr(&r);
	a->user = reader_cstr(&r);
	a->key = reader_bytes(&r, reader_u8(&r));
	get(&r, &a->peer, sizeof(a->peer));
	a->is_unix = reader_u8(&r) != 0;
	get(&r, &a->connect_wall_us, sizeof(a->connect_wall_us));
	a->params = get_params(&r, cfg->param_names);
	if (reader_u8(&r))
		a->secret = reader_cstr(&r);
	a->has_keys = reader_u8(&r) != 0;
	if (a->has_keys)
		get(&r, &a->keys, sizeof(a->keys));
	return reader_done(&r) && a->key.n >= CANCEL_KEY &&
	    a->key.n <= CANCEL_KEY_LONG;
}

/* It was let in once, so no limit is asked. */
static bool
find_place(struct client *c, const struct arrived *a)
{
	struct registry *registry = c->home->hub->registry;
	struct config *cfg = c->home->cfg;
	struct pool_key key = {
		.conf = config_database(cfg, a->database),
		.login_user = a->user,
		.login_secret = a->secret,
		.keys = a->has_keys ? &a->keys : NULL,
	};

	if (!key.conf)
		key.conf = cfg->autodb;
	if (!key.conf)
		return false;
	key.db = registry_database(registry, cfg, a->database);
	if (!key.db)
		return false;
	c->pool = registry_pool(registry, cfg, &key);
	if (!c->pool)
		return false;
	c->db = key.db;
	c->user = registry_user(registry, cfg, a->user);
	atomic_fetch_add(&c->pool->n_clients, 1);
	atomic_fetch_add(&c->db->clients, 1);
	atomic_fetch_add(&c->user->clients, 1);
	atomic_fetch_add(&c->home->hub->clients, 1);
	c->counted = true;
	return true;
}

/* Age as it was; the moment on our clock may lie before the machine's start. */
static usec_t
age_us(const struct arrived *a)
{
	usec_t age = clock_wall_us() - a->connect_wall_us;

	return age > 0 ? age : 0;
}

static void
settle_in(struct client *c, struct arrived *a, int fd)
{
	struct client_home *h = c->home;

	c->params = a->params;
	a->params = NULL;
	c->connect_wall_us = a->connect_wall_us;
	c->connect_us -= age_us(a);
	c->request_us = loop_now(h->loop);
	c->state = CL_IDLE;
	TAILQ_INSERT_TAIL(&h->clients, c, link);
	client_refresh(c, h->cfg);
	cancel_key_keep(h->hub->keys, &c->cancel, a->key, h->loop,
	    c->cancel.called);
	stream_init(&c->stream, h->loop, fd, &client_stream_ops);
	if (c->idle_timeout_us)
		timer_set(h->loop, &c->timer,
		    loop_now(h->loop) + c->idle_timeout_us);
}

void
client_adopt(struct client_home *h, struct parcel *p)
{
	struct client *c = NULL;
	struct arrived a;

	if (unpack(buf_span(&p->bytes), h->cfg, &a))
		c = client_bare(h, &a.peer, a.is_unix);
	if (c && find_place(c, &a)) {
		settle_in(c, &a, p->fd);
		p->fd = -1;
	} else {
		log_warn("a client of the process before us has no place here "
			 "any more: db=%s user=%s", a.database, a.user);
		free(c);
		atomic_fetch_sub(&h->load, 1);
	}
	param_set_unref(a.params);
	wipe(&a.keys, sizeof(a.keys));
	parcel_free(p);
}
