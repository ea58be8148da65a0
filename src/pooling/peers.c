/* Cancel requests for other processes. */
#include "pooling/peers.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pooling/canceler.h"
#include "pooling/target.h"

struct peer {
	struct peer *next;
	int id;
	bool used;
	struct server_target *target;
};

struct peers {
	struct dns *dns;
	struct cancel_keys *keys;
	_Atomic int own_id;
	pthread_mutex_t mu; /* of all below */
	void (*elsewhere)(void *arg, struct cancel_call *c);
	void *elsewhere_arg;
	struct peer *list; /* by id */
};

/* A request on its way out. */
struct forward {
	struct dns_query query;
	struct loop *loop;
	struct server_target *target;
	char host[TARGET_HOST];
	struct cancel_call *call; /* and the key, with one less to go */
};

struct peers *
peers_new(struct dns *dns, struct cancel_keys *keys)
{
	struct peers *ps = xcalloc(1, sizeof(*ps));

	ps->dns = dns;
	ps->keys = keys;
	pthread_mutex_init(&ps->mu, NULL);
	return ps;
}

static void
free_list(struct peer *p)
{
	struct peer *next;

	for (; p; p = next) {
		next = p->next;
		target_unref(p->target);
		free(p);
	}
}

/* ---- configuration ---- */

static struct server_target *
make_target(const struct peers *ps, const struct config *cfg,
    const struct peer_conf *conf)
{
	struct server_target *t = target_new();
	int size = conf->pool_size >= 0 ? conf->pool_size :
					  cfg->default_pool_size;

	t->database = xasprintf("peer %d", conf->id);
	t->host = xstrdup(conf->host);
	t->port = conf->port;
	t->dbname = xstrdup("");
	t->user = xstrdup("");
	t->connect_query = xstrdup("");
	t->startup = xcalloc(1, sizeof(*t->startup));
	t->unix_socket_dir = xstrdup(cfg->unix_socket_dir[0] ?
	    cfg->unix_socket_dir : "/tmp");
	t->dns = ps->dns;
	/* 0 is no limit; a peer is owed one all the same. */
	t->max_cancels = size > 0 ? size : PEER_WAIT;
	t->cancel_wait_us = cfg->cancel_wait_timeout_us;
	target_pack(t);
	return t;
}

static bool
is_alike(const struct server_target *a, const struct server_target *b)
{
	return strcmp(a->host, b->host) == 0 && a->port == b->port &&
	    a->max_cancels == b->max_cancels &&
	    a->cancel_wait_us == b->cancel_wait_us &&
	    strcmp(a->unix_socket_dir, b->unix_socket_dir) == 0;
}

/* What has not changed keeps its counts. Main thread, which alone writes the
 * list, so it may look at the old one without the lock. */
static struct peer *
make_peer(const struct peers *ps, const struct config *cfg,
    const struct peer_conf *conf)
{
	struct peer *p = xcalloc(1, sizeof(*p)), *old;

	p->id = conf->id;
	p->target = make_target(ps, cfg, conf);
	for (old = ps->list; old; old = old->next)
		if (old->id == p->id && is_alike(old->target, p->target)) {
			target_unref(p->target);
			p->target = target_ref(old->target);
			p->used = old->used;
		}
	return p;
}

void
peers_configure(struct peers *ps, const struct config *cfg)
{
	struct peer *list = NULL, **end = &list, *old;
	size_t i;

	for (i = 0; i < cfg->n_peers; i++) {
		if (cfg->peers[i]->id == cfg->peer_id)
			continue;
		*end = make_peer(ps, cfg, cfg->peers[i]);
		end = &(*end)->next;
	}
	cancel_keys_set_peer(ps->keys, cfg->peer_id);
	atomic_store(&ps->own_id, cfg->peer_id);
	pthread_mutex_lock(&ps->mu);
	old = ps->list;
	ps->list = list;
	pthread_mutex_unlock(&ps->mu);
	free_list(old);
}

/* With a reference; NULL when there is no such peer. */
static struct server_target *
find(struct peers *ps, int id)
{
	struct server_target *t = NULL;
	struct peer *p;

	pthread_mutex_lock(&ps->mu);
	for (p = ps->list; p && p->id != id; p = p->next)
		;
	if (p) {
		p->used = true;
		t = target_ref(p->target);
	}
	pthread_mutex_unlock(&ps->mu);
	return t;
}

/* ---- on to a peer ---- */

static void
forwarded(void *arg, bool clean)
{
	static struct log_limit limit;
	struct forward *f = arg;

	if (!clean)
		log_limited(&limit, 10 * USEC_PER_SEC, LVL_WARNING,
		    "a cancel request could not be passed on to %s at %s:%d",
		    f->target->database, f->target->host, f->target->port);
	cancel_call_over(f->call);
	target_unref(f->target);
	free(f);
}

static void
send_on(struct forward *f, const struct addr *a)
{
	const struct cancel_call *c = f->call;
	uint32_t pid;

	memcpy(&pid, c->key, sizeof(pid));
	canceler_start(f->loop, f->target, f->host, a, false,
	    ntohl(pid), SPAN(c->key + 4, c->key_n - 4u), forwarded, f);
}

static void
on_dns(struct dns_query *q)
{
	struct forward *f = CONTAINER_OF(q, struct forward, query);

	if (q->ok)
		send_on(f, &q->addrs[0]);
	else
		forwarded(f, false);
}

static void
forward(struct loop *l, struct server_target *t, struct cancel_call *c)
{
	struct forward *f = xcalloc(1, sizeof(*f));
	struct addr a = { 0 };

	f->loop = l;
	f->target = t;
	f->call = c;
	c->key[7]--;
	target_host(t, f->host);
	if (host_is_unix(f->host) ||
	    addr_parse(&a, f->host, (uint16_t)t->port)) {
		send_on(f, &a);
		return;
	}
	copy_str(f->query.name, sizeof(f->query.name), f->host);
	f->query.port = (uint16_t)t->port;
	f->query.reply_to = l;
	f->query.answered = on_dns;
	dns_ask(t->dns, &f->query);
}

/* Not ours: a peer's, with a reference, or NULL for nobody's. */
static struct server_target *
peer_of(struct peers *ps, const struct cancel_call *c)
{
	static struct log_limit unknown, full;
	int id = cancel_key_peer(c->key);
	struct server_target *t;

	if (!(c->key[7] & CANCEL_TTL))
		return NULL;
	t = find(ps, id);
	if (!t) {
		log_limited(&unknown, 60 * USEC_PER_SEC, LVL_WARNING,
		    "dropped a cancel request for peer %d, which is not in "
		    "[peers]", id);
		return NULL;
	}
	if (atomic_load(&t->cancels_waiting) >= PEER_WAIT) {
		log_limited(&full, 60 * USEC_PER_SEC, LVL_WARNING,
		    "dropped a cancel request for peer %d: %d others wait",
		    id, PEER_WAIT);
		target_unref(t);
		return NULL;
	}
	return t;
}

void
peers_set_elsewhere(struct peers *ps,
    void (*fn)(void *arg, struct cancel_call *c), void *arg)
{
	pthread_mutex_lock(&ps->mu);
	ps->elsewhere = fn;
	ps->elsewhere_arg = arg;
	pthread_mutex_unlock(&ps->mu);
}

/* Its key is ours by its form. */
static void
cancel_own(struct peers *ps, struct cancel_keys *k, struct cancel_call *c)
{
	void (*fn)(void *arg, struct cancel_call *c) = NULL;
	void *arg = NULL;

	if (ps && !cancel_key_known(k, SPAN(c->key, c->key_n))) {
		pthread_mutex_lock(&ps->mu);
		fn = ps->elsewhere;
		arg = ps->elsewhere_arg;
		pthread_mutex_unlock(&ps->mu);
	}
	if (fn)
		fn(arg, c);
	else
		cancel_call(k, c);
}

void
peers_cancel(struct peers *ps, struct cancel_keys *k, struct loop *l,
    struct cancel_call *c)
{
	int own = ps ? atomic_load(&ps->own_id) : 0;
	struct server_target *t;

	c->reply_to = l;
	/* A key of ours may be older than our id. */
	if (own == 0 || cancel_key_known(k, SPAN(c->key, c->key_n))) {
		cancel_own(ps, k, c);
		return;
	}
	if (cancel_key_peer(c->key) == own) {
		c->key[7] |= CANCEL_TTL;
		cancel_own(ps, k, c);
		return;
	}
	t = peer_of(ps, c);
	if (t)
		forward(l, t, c);
	else
		cancel_call_over(c);
}

void
peers_each(struct peers *ps,
    void (*fn)(void *arg, int id, int active, int waiting), void *arg)
{
	struct peer *p;

	for (p = ps ? ps->list : NULL; p; p = p->next)
		if (p->used)
			fn(arg, p->id, atomic_load(&p->target->cancels),
			    atomic_load(&p->target->cancels_waiting));
}
