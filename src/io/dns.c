/* Names kept, shared and handed out in rotation. */
#include "io/dns.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "io/resolver.h"

/* Names nobody has asked for that long are forgotten. */
#define FORGET_US (3600 * USEC_PER_SEC)

STAILQ_HEAD(query_list, dns_query);

/* A name of the cache. Main thread. */
struct name {
	struct dns *dns;
	char text[DNS_NAME]; /* lower-case: the key */
	struct addr *addrs; /* of the last look-up that found some */
	size_t n_addrs;
	const char *why; /* the last look-up failed; NULL = it worked */
	enum resolver_verdict verdict;
	usec_t until_us; /* till then nobody is asked */
	usec_t asked_us;
	unsigned turn; /* rotation */
	bool looking;
	struct query_list waiting; /* for the look-up under way */
};

struct dns {
	struct loop *loop;
	struct resolver *resolver;
	usec_t max_ttl_us;
	usec_t nxdomain_ttl_us;
	struct map *names;
	size_t n_looking;
	usec_t swept_us;
};

/* ---- answers ---- */

static void
deliver(struct mail *m, struct loop *l)
{
	struct dns_query *q = CONTAINER_OF(m, struct dns_query, mail);

	(void)l;
	q->answered(q);
}

/* Always by mail, also to the main loop itself: no asker is called back from
 * inside dns_ask(). */
static void
post_answer(struct dns_query *q)
{
	q->mail.fn = deliver;
	loop_post(q->reply_to, &q->mail);
}

/* Each run of one family is turned by itself. */
static void
copy_rotated(struct dns_query *q, const struct addr *addrs, size_t n,
    unsigned turn)
{
	size_t start = 0;

	assert(n <= DNS_ADDRS);
	while (start < n) {
		size_t len = 1;

		while (start + len < n &&
		    addrs[start + len].family == addrs[start].family)
			len++;
		for (size_t i = 0; i < len; i++) {
			q->addrs[start + i] = addrs[start + (turn + i) % len];
			q->addrs[start + i].port = q->port;
		}
		start += len;
	}
	q->n_addrs = n;
}

static void
say_failure(struct dns *d, struct dns_query *q, enum resolver_verdict v,
    const char *why)
{
	err_set(&q->err, "08001", "could not look up host \"%s\": %s", q->name,
	    why);
	if (v == RESOLVER_FAILED)
		err_hint(&q->err, "check the name servers in \"%s\"",
		    resolver_conf(d->resolver));
	else
		err_hint(&q->err, "check the host name");
}

static void
answer(struct name *n, struct dns_query *q)
{
	q->ok = n->n_addrs > 0;
	q->n_addrs = 0;
	err_clear(&q->err);
	if (q->ok)
		copy_rotated(q, n->addrs, n->n_addrs, n->turn++);
	else
		say_failure(n->dns, q, n->verdict, n->why);
	post_answer(q);
}

/* ---- look-ups ---- */

/* For people: a line when it stops working, and one when it works again. */
static void
log_change(const struct name *n, const struct resolver_answer *a)
{
	const char *addition = "";

	if (a->verdict == RESOLVER_FOUND) {
		if (n->why != NULL)
			log_info("DNS lookup of \"%s\" works again", n->text);
		return;
	}
	if (n->why != NULL && n->verdict == a->verdict)
		return;
	if (a->verdict == RESOLVER_FAILED && n->n_addrs > 0)
		addition = ", going on with the last addresses";
	log_warn("DNS lookup of \"%s\" failed: %s%s", n->text, a->why,
	    addition);
}

static usec_t
time_to_keep(const struct dns *d, enum resolver_verdict v)
{
	switch (v) {
	case RESOLVER_FOUND:
		return d->max_ttl_us;
	case RESOLVER_NO_HOST:
		return d->nxdomain_ttl_us;
	case RESOLVER_FAILED:
		break;
	}
	if (d->nxdomain_ttl_us < DNS_RETRY_US)
		return d->nxdomain_ttl_us;
	return DNS_RETRY_US;
}

static void
take_answer(struct name *n, const struct resolver_answer *a)
{
	log_change(n, a);
	if (a->verdict != RESOLVER_FAILED) {
		free(n->addrs);
		n->addrs = NULL;
		n->n_addrs = 0;
	}
	if (a->verdict == RESOLVER_FOUND) {
		n->addrs = xcalloc(a->n, sizeof(*n->addrs));
		memcpy(n->addrs, a->addrs, a->n * sizeof(*n->addrs));
		n->n_addrs = a->n;
	}
	n->why = a->verdict == RESOLVER_FOUND ? NULL : a->why;
	n->verdict = a->verdict;
	n->until_us = loop_now(n->dns->loop) + time_to_keep(n->dns, a->verdict);
}

static void
looked_up(void *owner, const struct resolver_answer *a)
{
	struct name *n = owner;
	struct dns_query *q;

	n->looking = false;
	n->dns->n_looking--;
	take_answer(n, a);
	while ((q = STAILQ_FIRST(&n->waiting)) != NULL) {
		STAILQ_REMOVE_HEAD(&n->waiting, next);
		answer(n, q);
	}
}

static void
look_up(struct name *n)
{
	if (n->looking)
		return;
	n->looking = true;
	n->dns->n_looking++;
	resolver_ask(n->dns->resolver, n->text, looked_up, n);
}

/* ---- the cache ---- */

static void
name_free(struct name *n)
{
	free(n->addrs);
	free(n);
}

static bool
forget_if_old(void *arg, struct span key, void *value)
{
	struct dns *d = arg;
	struct name *n = value;

	if (!n->looking && n->asked_us + FORGET_US < loop_now(d->loop)) {
		map_del(d->names, key);
		name_free(n);
	}
	return true;
}

static struct name *
find_or_add(struct dns *d, const char *text)
{
	usec_t now = loop_now(d->loop);
	char lower[DNS_NAME];
	struct name *n;
	size_t i;

	copy_str(lower, sizeof(lower), text);
	/* ASCII, whatever the locale says. */
	for (i = 0; lower[i] != '\0'; i++)
		if (lower[i] >= 'A' && lower[i] <= 'Z')
			lower[i] = (char)(lower[i] - 'A' + 'a');
	n = map_get(d->names, span_of(lower));
	if (n != NULL)
		return n;
	if (d->swept_us + FORGET_US < now) {
		d->swept_us = now;
		map_each(d->names, forget_if_old, d);
	}
	n = xcalloc(1, sizeof(*n));
	n->dns = d;
	STAILQ_INIT(&n->waiting);
	copy_str(n->text, sizeof(n->text), lower);
	map_put(d->names, span_of(lower), n);
	return n;
}

/* ---- questions ---- */

/* No look-up needed: it is an address, or not even a name. */
static bool
answered_at_once(struct dns *d, struct dns_query *q)
{
	err_clear(&q->err);
	q->n_addrs = 0;
	q->ok = addr_parse(&q->addrs[0], q->name, q->port);
	if (q->ok)
		q->n_addrs = 1;
	else if (*q->name == '\0')
		say_failure(d, q, RESOLVER_NO_HOST, "the name is empty");
	else
		return false;
	post_answer(q);
	return true;
}

static void
ask(struct mail *m, struct loop *l)
{
	struct dns_query *q = CONTAINER_OF(m, struct dns_query, mail);
	struct dns *d = q->dns;
	struct name *n;

	(void)l;
	if (answered_at_once(d, q))
		return;
	n = find_or_add(d, q->name);
	n->asked_us = loop_now(d->loop);
	if (n->asked_us < n->until_us) {
		answer(n, q);
	} else if (n->why != NULL && n->n_addrs > 0) {
		/* The name server was not there the last time: nobody waits
		 * for it again while there are addresses. */
		answer(n, q);
		look_up(n);
	} else {
		STAILQ_INSERT_TAIL(&n->waiting, q, next);
		look_up(n);
	}
}

void
dns_ask(struct dns *d, struct dns_query *q)
{
	q->dns = d;
	q->mail.fn = ask;
	loop_post(d->loop, &q->mail);
}

/* ---- what SHOW says ---- */

size_t
dns_count_names(const struct dns *d)
{
	return map_count(d->names);
}

size_t
dns_count_pending(const struct dns *d)
{
	return d->n_looking;
}

struct each_arg {
	void (*fn)(void *arg, const char *name, usec_t ttl_us,
	    const struct addr *addrs, size_t n);
	void *arg;
	usec_t now_us;
};

static bool
each_name(void *arg, struct span key, void *value)
{
	const struct each_arg *each = arg;
	const struct name *n = value;
	usec_t left = n->until_us - each->now_us;

	(void)key;
	each->fn(each->arg, n->text, left > 0 ? left : 0, n->addrs, n->n_addrs);
	return true;
}

void
dns_each(const struct dns *d,
    void (*fn)(void *arg, const char *name, usec_t ttl_us,
	const struct addr *addrs, size_t n),
    void *arg)
{
	struct each_arg each = {
		.fn = fn,
		.arg = arg,
		.now_us = loop_now(d->loop),
	};

	map_each(d->names, each_name, &each);
}

/* ---- life ---- */

struct dns *
dns_new(struct loop *main_loop, const struct dns_settings *s, struct err *e)
{
	struct resolver *r = resolver_new(main_loop, s->resolv_conf, s->servers,
	    e);
	struct dns *d;

	if (r == NULL)
		return NULL;
	d = xcalloc(1, sizeof(*d));
	d->loop = main_loop;
	d->resolver = r;
	d->max_ttl_us = s->max_ttl_us;
	d->nxdomain_ttl_us = s->nxdomain_ttl_us;
	d->names = map_new();
	d->swept_us = loop_now(main_loop);
	return d;
}

bool
dns_configure(struct dns *d, const struct dns_settings *s, struct err *e)
{
	d->max_ttl_us = s->max_ttl_us;
	d->nxdomain_ttl_us = s->nxdomain_ttl_us;
	return resolver_configure(d->resolver, s->resolv_conf, s->servers, e);
}

static bool
free_name(void *arg, struct span key, void *value)
{
	struct name *n = value;

	(void)arg;
	(void)key;
	assert(!n->looking);
	name_free(n);
	return true;
}

void
dns_free(struct dns *d)
{
	if (d == NULL)
		return;
	resolver_free(d->resolver);
	map_each(d->names, free_name, NULL);
	map_free(d->names);
	free(d);
}
