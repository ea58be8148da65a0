/* c-ares on an event loop. */
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "base/log.h"
#include "io/dns.h"
#include "resolver_impl.h"

/* A socket of c-ares. It stays in its channel's list for reuse, because
 * c-ares closes sockets inside the event callback of the same socket. */
struct channel_socket {
	LIST_ENTRY(channel_socket) link;
	struct channel *channel;
	struct event ev;
	int fd; /* -1 = not in use */
};

/* Which version of resolv.conf a channel was made from. */
struct file_stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

struct channel {
	LIST_ENTRY(channel) link;
	struct loop *loop;
	ares_channel ares;
	struct timer timer; /* c-ares' own retries */
	LIST_HEAD(channel_sockets, channel_socket) sockets;
	size_t open; /* questions c-ares has not answered */
	bool retired; /* goes when open is 0 */
	struct task grave;
};

struct resolver {
	struct loop *loop;
	char *conf; /* "" = the system's */
	char *servers; /* NULL = those of conf */
	struct file_stamp stamp;
	struct channel *current;
	LIST_HEAD(channel_list, channel) channels;
};

/* ---- sockets and time of a channel ---- */

static void
channel_rearm(struct channel *ch)
{
	struct timeval tv;

	if (ares_timeout(ch->ares, NULL, &tv) == NULL) {
		timer_clear(&ch->timer);
		return;
	}
	/* A millisecond more: c-ares' clock was read after the loop's, and
	 * asking too early would only mean asking again. */
	timer_set(ch->loop, &ch->timer,
	    loop_now(ch->loop) + tv.tv_sec * USEC_PER_SEC + tv.tv_usec +
		USEC_PER_MSEC);
}

static void
on_timer(struct timer *t)
{
	struct channel *ch = CONTAINER_OF(t, struct channel, timer);

	ares_process_fd(ch->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	channel_rearm(ch);
}

static void
on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct channel_socket *s = arg;
	struct channel *ch = s->channel;

	ares_process_fd(ch->ares, what & EV_READ ? fd : ARES_SOCKET_BAD,
	    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	channel_rearm(ch);
}

static struct channel_socket *
socket_slot(struct channel *ch, int fd)
{
	struct channel_socket *s, *unused = NULL;

	LIST_FOREACH (s, &ch->sockets, link) {
		if (s->fd == fd)
			return s;
		if (s->fd == -1)
			unused = s;
	}
	if (unused == NULL) {
		unused = xcalloc(1, sizeof(*unused));
		unused->channel = ch;
		LIST_INSERT_HEAD(&ch->sockets, unused, link);
	}
	unused->fd = -1;
	return unused;
}

/* c-ares tells what it wants to know of a socket; neither = it closes it. */
static void
socket_changed(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct channel *ch = arg;
	struct channel_socket *s = socket_slot(ch, fd);
	short what = EV_PERSIST;

	if (s->fd != -1) {
		if (event_del(&s->ev) != 0)
			log_error("event_del failed for a DNS socket");
		s->fd = -1;
	}
	if (!readable && !writable)
		return;
	if (readable)
		what |= EV_READ;
	if (writable)
		what |= EV_WRITE;
	if (event_assign(&s->ev, loop_base(ch->loop), fd, what, on_socket, s) !=
		0 ||
	    event_add(&s->ev, NULL) != 0) {
		/* The look-up then ends by its deadline. */
		log_error("event_add failed for a DNS socket");
		return;
	}
	s->fd = fd;
}

/* ---- channels ---- */

static int
channel_setup(struct channel *ch, const char *conf, const char *servers)
{
	struct ares_options opt = {
		.timeout = RESOLVER_TRY_MS,
		.tries = RESOLVER_TRIES,
		.lookups = (char[]){ "fb" }, /* the hosts file, then the DNS */
		.sock_state_cb = socket_changed,
		.sock_state_cb_data = ch,
		.resolvconf_path = (char *)(uintptr_t)conf,
	};
	int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_ROTATE |
	    ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
	int rc;

	if (*conf != '\0')
		mask |= ARES_OPT_RESOLVCONF;
	rc = ares_init_options(&ch->ares, &opt, mask);
	if (rc != ARES_SUCCESS || servers == NULL)
		return rc;
	rc = ares_set_servers_ports_csv(ch->ares, servers);
	if (rc != ARES_SUCCESS)
		ares_destroy(ch->ares);
	return rc;
}

static struct channel *
channel_new(struct resolver *r, const char *conf, const char *servers,
    struct err *e)
{
	struct channel *ch = xcalloc(1, sizeof(*ch));
	int rc;

	ch->loop = r->loop;
	LIST_INIT(&ch->sockets);
	timer_init(&ch->timer, on_timer);
	rc = channel_setup(ch, conf, servers);
	if (rc != ARES_SUCCESS) {
		free(ch);
		err_set(e, "58000", "could not set up DNS look-ups: %s",
		    ares_strerror(rc));
		return NULL;
	}
	LIST_INSERT_HEAD(&r->channels, ch, link);
	return ch;
}

/* Open questions are answered by c-ares meanwhile, as destroyed. */
static void
channel_free(struct channel *ch)
{
	struct channel_socket *s;

	ares_destroy(ch->ares);
	timer_fini(&ch->timer);
	while ((s = LIST_FIRST(&ch->sockets)) != NULL) {
		LIST_REMOVE(s, link);
		assert(s->fd == -1);
		free(s);
	}
	free(ch);
}

static void
run_channel_free(struct task *t)
{
	channel_free(CONTAINER_OF(t, struct channel, grave));
}

/* At the end of the turn: we may be inside a callback of this channel. */
static void
channel_bury_if_done(struct channel *ch)
{
	if (!ch->retired || ch->open > 0)
		return;
	LIST_REMOVE(ch, link);
	ch->grave.fn = run_channel_free;
	loop_bury(ch->loop, &ch->grave);
}

/* ---- resolv.conf ---- */

const char *
resolver_conf(const struct resolver *r)
{
	return *r->conf != '\0' ? r->conf : RESOLVER_CONF;
}

static bool
stamp_read(const char *path, struct file_stamp *out)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return false;
	*out = (struct file_stamp){
		.dev = st.st_dev,
		.ino = st.st_ino,
		.size = st.st_size,
		.mtime = st.st_mtim,
	};
	return true;
}

static bool
stamp_eq(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	    a->mtime.tv_sec == b->mtime.tv_sec &&
	    a->mtime.tv_nsec == b->mtime.tv_nsec;
}

static bool
replace_channel(struct resolver *r, const char *conf, const char *servers,
    struct err *e)
{
	struct channel *ch = channel_new(r, conf, servers, e);

	if (ch == NULL)
		return false;
	if (r->current != NULL) {
		r->current->retired = true;
		channel_bury_if_done(r->current);
	}
	r->current = ch;
	return true;
}

/* A file that is gone (somebody is writing a new one) changes nothing. */
static void
follow_conf(struct resolver *r)
{
	static struct log_limit limit;
	struct file_stamp stamp;
	struct err e;

	if (!stamp_read(resolver_conf(r), &stamp) ||
	    stamp_eq(&stamp, &r->stamp))
		return;
	r->stamp = stamp;
	if (replace_channel(r, r->conf, r->servers, &e))
		log_info("\"%s\" has changed, using its name servers",
		    resolver_conf(r));
	else
		log_limited(&limit, 60 * USEC_PER_SEC, LVL_WARNING,
		    "going on with the old name servers: %s", e.msg);
}

/* ---- questions ---- */

static const struct {
	int status;
	enum resolver_verdict verdict;
	const char *why;
} meanings[] = {
	{ ARES_ENOTFOUND, RESOLVER_NO_HOST, "no such host" },
	/* Also what c-ares says when the answer for one family was broken or
	 * SERVFAIL, and there is nothing of the other: nobody has said that
	 * there is no such host. */
	{ ARES_ENODATA, RESOLVER_FAILED, "host has no address" },
	{ ARES_EBADNAME, RESOLVER_NO_HOST, "not a host name" },
	{ ARES_ETIMEOUT, RESOLVER_FAILED, "DNS server did not answer" },
	/* What c-ares says when it is through with all servers, be it that no
	 * packet got there or that they answered SERVFAIL or REFUSED. */
	{ ARES_ECONNREFUSED, RESOLVER_FAILED,
	    "DNS server unreachable, failing or refusing" },
	{ ARES_ESERVFAIL, RESOLVER_FAILED, "DNS server failed" },
	{ ARES_EREFUSED, RESOLVER_FAILED, "DNS server refused the question" },
	{ ARES_EBADRESP, RESOLVER_FAILED,
	    "DNS server gave a malformed answer" },
	{ ARES_EFORMERR, RESOLVER_FAILED,
	    "DNS server did not understand the question" },
	{ ARES_EDESTRUCTION, RESOLVER_FAILED, "look-up was given up" },
};

struct resolver_answer
resolver_meaning(int status, int timeouts)
{
	/* One family timed out and the other has no records: c-ares reports
	 * the latter, but nobody knows that there is no address. */
	if (status == ARES_ENODATA && timeouts > 0)
		status = ARES_ETIMEOUT;
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
		if (meanings[i].status == status)
			return (struct resolver_answer){
				.verdict = meanings[i].verdict,
				.why = meanings[i].why,
			};
	return (struct resolver_answer){
		.verdict = RESOLVER_FAILED,
		.why = ares_strerror(status),
	};
}

size_t
resolver_take(const struct ares_addrinfo *ai, const struct dns_place *target,
    struct dns_place *out, size_t n, bool *more)
{
	const struct ares_addrinfo_node *node;
	size_t first = n, i;

	for (node = ai->nodes; node != NULL; node = node->ai_next) {
		struct dns_place p = *target;

		if (node->ai_family != AF_INET && node->ai_family != AF_INET6)
			continue;
		addr_from_sockaddr(&p.addr, node->ai_addr);
		p.addr.port = target->addr.port;
		for (i = first; i < n && !addr_eq(&out[i].addr, &p.addr);)
			i++;
		if (i < n)
			continue;
		if (n == DNS_KNOWN) {
			*more = true;
			break;
		}
		out[n++] = p;
	}
	return n;
}

void
lookup_tell(struct lookup *lk, const struct resolver_answer *a)
{
	void (*done)(void *owner, const struct resolver_answer *a) = lk->done;

	lk->done = NULL;
	timer_clear(&lk->deadline);
	if (done != NULL)
		done(lk->owner, a);
}

void
lookup_tell_serial(struct lookup *lk, const struct resolver_serial *a)
{
	void (*done)(void *owner, const struct resolver_serial *a) =
	    lk->serial_done;

	lk->serial_done = NULL;
	timer_clear(&lk->deadline);
	if (done != NULL)
		done(lk->owner, a);
}

static void
on_deadline(struct timer *t)
{
	struct lookup *lk = CONTAINER_OF(t, struct lookup, deadline);
	struct resolver_answer a = resolver_meaning(ARES_ETIMEOUT, 0);
	struct resolver_serial s = { .verdict = a.verdict, .why = a.why };

	lookup_tell(lk, &a);
	lookup_tell_serial(lk, &s);
}

struct lookup *
lookup_begin(struct resolver *r, void *owner)
{
	struct lookup *lk = xcalloc(1, sizeof(*lk));

	LOOP_OWNED(r->loop);
	follow_conf(r);
	lk->channel = r->current;
	lk->owner = owner;
	timer_init(&lk->deadline, on_deadline);
	timer_set(r->loop, &lk->deadline,
	    loop_now(r->loop) + RESOLVER_DEADLINE_US);
	lk->channel->open++;
	return lk;
}

void
lookup_end(struct lookup *lk)
{
	struct channel *ch = lk->channel;

	timer_fini(&lk->deadline);
	free(lk);
	ch->open--;
	channel_bury_if_done(ch);
}

ares_channel
lookup_channel(const struct lookup *lk)
{
	return lk->channel->ares;
}

static void
on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct lookup *lk = arg;
	struct dns_place places[DNS_KNOWN];
	const struct dns_place plain = { .target = 0 };
	struct resolver_answer a;
	bool more = false;
	size_t n = 0;

	if (status == ARES_SUCCESS && ai != NULL)
		n = resolver_take(ai, &plain, places, 0, &more);
	if (ai != NULL)
		ares_freeaddrinfo(ai);
	if (n > 0)
		a = (struct resolver_answer){
			.verdict = RESOLVER_FOUND,
			.places = places,
			.n = n,
			/* Perhaps one of the two families. */
			.partial = timeouts > 0,
			.more = more,
		};
	else
		a = resolver_meaning(status == ARES_SUCCESS ? ARES_ENODATA :
		    status, timeouts);
	lookup_tell(lk, &a);
	lookup_end(lk);
}

void
resolver_get(struct lookup *lk, const char *name, ares_addrinfo_callback fn,
    void *arg)
{
	struct ares_addrinfo_hints hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
	};

	ares_getaddrinfo(lk->channel->ares, name, NULL, &hints, fn, arg);
}

void
resolver_ask(struct resolver *r, const char *name,
    void (*done)(void *owner, const struct resolver_answer *a), void *owner)
{
	struct lookup *lk = lookup_begin(r, owner);
	struct channel *ch = lk->channel;

	lk->done = done;
	if (name[0] == '_')
		service_ask(lk, name);
	else
		resolver_get(lk, name, on_answer, lk);
	channel_rearm(ch);
}

void
resolver_ask_serial(struct resolver *r, const char *zone,
    void (*done)(void *owner, const struct resolver_serial *a), void *owner)
{
	struct lookup *lk = lookup_begin(r, owner);
	struct channel *ch = lk->channel;

	lk->serial_done = done;
	serial_ask(lk, zone);
	channel_rearm(ch);
}

/* ---- life ---- */

bool
resolver_configure(struct resolver *r, const char *resolv_conf,
    const char *servers, struct err *e)
{
	const char *conf = resolv_conf != NULL ? resolv_conf : "";
	struct file_stamp stamp = { .ino = 0 };

	if (*conf != '\0' && access(conf, R_OK) != 0) {
		err_set(e, "58P01", "could not read resolv_conf \"%s\": %s",
		    conf, strerror(errno));
		err_hint(e, "resolv_conf names a file like \""
		    RESOLVER_CONF "\"; empty: that one");
		return false;
	}
	/* Before the file is read: a change in between is then seen later. */
	stamp_read(*conf != '\0' ? conf : RESOLVER_CONF, &stamp);
	if (!replace_channel(r, conf, servers, e))
		return false;
	free(r->conf);
	free(r->servers);
	r->conf = xstrdup(conf);
	r->servers = servers != NULL ? xstrdup(servers) : NULL;
	r->stamp = stamp;
	return true;
}

struct resolver *
resolver_new(struct loop *l, const char *resolv_conf, const char *servers,
    struct err *e)
{
	struct resolver *r;

	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		err_set(e, "58000", "could not start c-ares");
		return NULL;
	}
	r = xcalloc(1, sizeof(*r));
	r->loop = l;
	LIST_INIT(&r->channels);
	if (!resolver_configure(r, resolv_conf, servers, e)) {
		free(r);
		ares_library_cleanup();
		return NULL;
	}
	return r;
}

void
resolver_free(struct resolver *r)
{
	struct channel *ch;

	if (r == NULL)
		return;
	while ((ch = LIST_FIRST(&r->channels)) != NULL) {
		/* Not buried by its last answer: it goes right here. */
		ch->retired = false;
		LIST_REMOVE(ch, link);
		channel_free(ch);
	}
	free(r->conf);
	free(r->servers);
	free(r);
	ares_library_cleanup();
}
