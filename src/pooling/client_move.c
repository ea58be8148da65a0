/* A client goes to the process that takes our place, and arrives there. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "client_private.h"
#include "pooling/parcel.h"
#include "proto/moved.h"

/* ---- out ---- */

bool
client_can_move(const struct client *c)
{
	struct hub *hub = c->home->hub;

	return c->state == CL_IDLE && !c->relay && !c->gone && !c->skip &&
	    !c->skip_sync && !c->closes && !keep_len(&c->held) && !c->stream.broken &&
	    !c->stream.tls && !stream_unsent(&c->stream) &&
	    !c->pool->set->replication && !c->heard &&
	    moved_fits(c->texts, c->stmts) &&
	    atomic_load(&hub->parcel_bytes) < PARCELS_WAITING;
}

static void
pack(const struct client *c, struct buf *out)
{
	/* What a pool of the other process needs to log in to servers. */
	struct server_target *t = pool_target(c->pool);
	struct moved m = {
		.database = c->db->name,
		.user = c->user->name,
		.secret = t->secret,
		.key = SPAN(c->cancel.key, c->cancel.key_n),
		.is_unix = c->is_unix,
		.has_keys = t->has_keys,
		.keys = t->keys,
		.connect_wall_us = c->connect_wall_us,
		.params = c->params,
		.asked = c->asked,
		.settings = c->settings,
		.startup = c->startup,
		.texts = c->texts,
	};

	m.peer.family = c->peer.family;
	m.peer.port = c->peer.port;
	m.peer.pid = c->peer.pid;
	memcpy(m.peer.ip, c->peer.ip, sizeof(m.peer.ip));
	moved_put(&m, c->home->cfg->param_names, c->stmts, out);
	wipe(&m.keys, sizeof(m.keys));
	target_unref(t);
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
	if (p->fd == -1 || buf_len(&p->bytes) > MOVED_MAX) {
		parcel_free(p);
		return false;
	}
	p->waiting = &hub->parcel_bytes;
	atomic_fetch_add(p->waiting, buf_len(&p->bytes));
	p->owner = hub;
	p->mail.fn = on_parcel;
	client_let_go(c);
	client_enter(c, CL_CLOSING);
	client_finish_close(c);
	loop_post(hub->main_loop, &p->mail);
	return true;
}

/* ---- in ---- */

/* It was let in once, so no limit is asked. */
static bool
find_pool(struct client *c, const struct moved *m)
{
	struct registry *registry = c->home->hub->registry;
	struct config *cfg = c->home->cfg;
	struct pool_key key = {
		.conf = config_database(cfg, m->database),
		.login_user = m->user,
		.login_secret = m->secret,
		.keys = m->has_keys ? &m->keys : NULL,
	};

	if (!key.conf)
		key.conf = cfg->autodb;
	if (!key.conf)
		return false;
	key.db = registry_database(registry, cfg, m->database);
	if (!key.db)
		return false;
	c->pool = registry_pool(registry, cfg, &key);
	c->db = key.db;
	return c->pool != NULL;
}

/* Under the settings that it has here: what a server prepares for it from now
 * on is prepared under these. */
static bool
take_statements(struct client *c, const struct moved *m, struct reader *r)
{
	uint64_t print = relay_fingerprint(c->home->cfg->param_names,
	    m->params, m->settings);

	c->stmts = stmt_client_take(r, pool_statements(c->pool), print);
	return reader_done(r);
}

static void
count(struct client *c, const struct moved *m)
{
	c->user = registry_user(c->home->hub->registry, c->home->cfg,
	    m->user);
	atomic_fetch_add(&c->pool->n_clients, 1);
	atomic_fetch_add(&c->db->clients, 1);
	atomic_fetch_add(&c->user->clients, 1);
	atomic_fetch_add(&c->home->hub->clients, 1);
	c->counted = true;
}

/* Age as it was; the moment on our clock may lie before the machine's start. */
static usec_t
age_us(const struct moved *m)
{
	usec_t age = clock_wall_us() - m->connect_wall_us;

	return age > 0 ? age : 0;
}

/* All that it has set is its own now. */
static void
settle_in(struct client *c, struct moved *m, int fd)
{
	struct client_home *h = c->home;

	c->params = m->params;
	c->settings = m->settings;
	c->startup = m->startup;
	client_asked(c, m->asked);
	c->texts = m->texts;
	m->params = NULL;
	m->settings = m->startup = NULL;
	m->texts = NULL;
	c->connect_wall_us = m->connect_wall_us;
	c->connect_us -= age_us(m);
	c->request_us = loop_now(h->loop);
	c->state = CL_IDLE;
	TAILQ_INSERT_TAIL(&h->clients, c, link);
	client_refresh(c, h->cfg);
	cancel_key_keep(h->hub->keys, &c->cancel, m->key, h->loop,
	    c->cancel.called);
	stream_init(&c->stream, h->loop, fd, &client_stream_ops);
	if (c->idle_timeout_us)
		timer_set(h->loop, &c->timer,
		    loop_now(h->loop) + c->idle_timeout_us);
}

static struct client *
arrive(struct client_home *h, const struct moved *m)
{
	struct addr peer = { .family = m->peer.family, .port = m->peer.port,
		.pid = m->peer.pid };

	memcpy(peer.ip, m->peer.ip, sizeof(peer.ip));
	return client_bare(h, &peer, m->is_unix);
}

void
client_adopt(struct client_home *h, struct parcel *p)
{
	struct client *c = NULL;
	struct reader r;
	struct moved m;
	bool good = moved_take(buf_span(&p->bytes), h->cfg->param_names, &m,
	    &r) && m.key.n >= CANCEL_KEY && m.key.n <= CANCEL_KEY_LONG;

	if (good)
		c = arrive(h, &m);
	if (good && find_pool(c, &m) && take_statements(c, &m, &r)) {
		count(c, &m);
		settle_in(c, &m, p->fd);
		p->fd = -1;
	} else {
		log_warn("a client of the process before us has no place here "
			 "any more: db=%s user=%s", m.database, m.user);
		if (c) {
			stmt_client_free(c->stmts);
			pool_unref(c->pool);
			database_unref(c->db);
		}
		free(c);
		atomic_fetch_sub(&h->load, 1);
	}
	moved_fini(&m);
	parcel_free(p);
}
