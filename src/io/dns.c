/* Names kept, shared and handed out in rotation. */
#include "io/dns.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/map.h"
#include "dns_impl.h"

/* Names nobody has asked for that long are forgotten. */
#define FORGET_US (3600 * USEC_PER_SEC)
/* Names in use are looked up again no more often than that, ... */
#define REFRESH_MIN_US (1 * USEC_PER_SEC)
/* ... and so many at a time: others wait for a moment. */
#define REFRESH_AT_ONCE 32
#define REFRESH_WAIT_US (50 * USEC_PER_MSEC)

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

static uint32_t
any_number(void *arg)
{
	uint32_t r;

	(void)arg;
	random_bytes(&r, sizeof(r));
	return r;
}

/* In this asker's order; DNS_ADDRS of them. */
static void
copy_addrs(struct name *n, struct dns_query *q)
{
	struct addr v[DNS_KNOWN];
	bool blamed[DNS_KNOWN];
	size_t i;

	if (n->service)
		dns_order_service(n->places, n->n_places, any_number, NULL, v);
	else
		dns_order_turn(n->places, n->n_places, n->turn++, v);
	for (i = 0; i < n->n_places; i++) {
		if (v[i].port == 0)
			v[i].port = q->port;
		blamed[i] = dns_host_is_blamed(n->host, &v[i],
		    loop_now(n->dns->loop));
	}
	dns_order_blamed(v, n->n_places, blamed);
	q->n_addrs = n->n_places < DNS_ADDRS ? n->n_places : DNS_ADDRS;
	memcpy(q->addrs, v, q->n_addrs * sizeof(v[0]));
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
	q->ok = name_has_addrs(n);
	q->n_addrs = 0;
	q->host = NULL;
	err_clear(&q->err);
	if (!q->ok) {
		say_failure(n->dns, q, n->verdict, n->why);
	} else {
		copy_addrs(n, q);
		if (q->wants_host)
			q->host = dns_host_ref(n->host);
		q->version = dns_host_version(n->host);
	}
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
	if (a->verdict == RESOLVER_FAILED && name_has_addrs(n))
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

/* "10.0.0.1, 10.0.0.2 and 3 more" */
static void
put_list(struct buf *b, const struct addr *v, size_t n)
{
	size_t shown = n < DNS_CHANGE ? n : DNS_CHANGE;
	char text[ADDR_TEXT];

	for (size_t i = 0; i < shown; i++) {
		if (v[i].port == 0)
			addr_host(&v[i], text, sizeof(text));
		else
			addr_text(&v[i], text, sizeof(text));
		buf_printf(b, "%s%s", i > 0 ? ", " : "", text);
	}
	if (n > shown)
		buf_printf(b, " and %zu more", n - shown);
}

static void
log_gone(const struct name *n, const struct dns_change *c)
{
	struct buf b = { 0 };

	put_list(&b, c->gone, c->n_gone);
	buf_printf(&b, "%s", c->n_gone == 1 ? " has gone" : " have gone");
	if (c->n_new > 0) {
		buf_printf(&b, ", new: ");
		put_list(&b, c->added, c->n_new);
	}
	buf_append(&b, "", 1);
	log_info("DNS: addresses of \"%s\" have changed: %s", n->text,
	    (const char *)buf_head(&b));
	buf_free(&b);
}

static bool
has_family(const struct dns_place *v, size_t n, int family)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].addr.family == family)
			return true;
	return false;
}

/*
 * The two families are two questions, and when one of them goes wrong the
 * answer has the other alone. c-ares tells of time-outs only. So a family that
 * was there is taken for gone when the next answer in time lacks it too; until
 * then what it had is added to v.
 */
static size_t
add_lacking(struct name *n, const struct resolver_answer *a,
    struct dns_place *v, size_t m)
{
	bool doubted = n->doubted && !a->partial;

	n->doubted = false;
	for (size_t i = 0; i < n->n_places; i++) {
		const struct dns_place *old = &n->places[i];

		if (has_family(a->places, a->n, old->addr.family))
			continue;
		n->doubted = true;
		if (!doubted && m < DNS_KNOWN)
			v[m++] = *old;
	}
	return m;
}

static void
keep_places(struct name *n, const struct dns_place *v, size_t m)
{
	struct dns_place *fresh = xcalloc(m, sizeof(*fresh));

	memcpy(fresh, v, m * sizeof(*fresh));
	free(n->places);
	n->places = fresh;
	n->n_places = m;
}

/* Of a service of which not all could be looked up nothing is taken for gone,
 * though only what was found is given. */
static void
take_places(struct name *n, const struct resolver_answer *a)
{
	struct dns_place v[DNS_KNOWN];
	struct addr set[2 * DNS_KNOWN];
	struct dns_change change;
	size_t i, m = a->n, k = 0;

	memcpy(v, a->places, m * sizeof(v[0]));
	if (!a->service)
		m = add_lacking(n, a, v, m);
	for (i = 0; i < m; i++)
		set[k++] = v[i].addr;
	for (i = 0; a->service && a->partial && i < n->n_places; i++)
		set[k++] = n->places[i].addr;
	keep_places(n, v, m);
	n->service = a->service;
	if (!dns_host_set(n->host, set, k, a->more, &change))
		return;
	n->changes++;
	log_gone(n, &change);
	if (n->dns->watch != NULL)
		n->dns->watch(n->dns->watch_arg);
}

/* In use it is looked up again when its time is over. */
static void
arm_refresh(struct name *n, usec_t now)
{
	usec_t at = n->until_us;

	if (at < now + REFRESH_MIN_US)
		at = now + REFRESH_MIN_US;
	timer_set(n->dns->loop, &n->refresh, at);
}

static void
take_answer(struct name *n, const struct resolver_answer *a)
{
	usec_t now = loop_now(n->dns->loop);

	log_change(n, a);
	if (a->verdict == RESOLVER_FOUND) {
		take_places(n, a);
		n->good_us = now;
		n->why = NULL;
	} else {
		n->why = n->last_why = a->why;
		n->last_us = now;
	}
	n->verdict = a->verdict;
	n->until_us = now + time_to_keep(n->dns, a->verdict);
	arm_refresh(n, now);
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

static bool
is_in_use(const struct name *n)
{
	return dns_host_refs(n->host) > 1;
}

static void
on_refresh(struct timer *t)
{
	struct name *n = CONTAINER_OF(t, struct name, refresh);
	struct dns *d = n->dns;

	/* Whoever asks next sets the timer again. */
	if (n->looking || !is_in_use(n))
		return;
	if (d->n_looking >= REFRESH_AT_ONCE)
		timer_set(d->loop, t, loop_now(d->loop) + REFRESH_WAIT_US);
	else
		look_up(n);
}

struct zone_change {
	struct dns *dns;
	const struct dns_zone *zone;
};

static bool
outdate(void *arg, struct span key, void *value)
{
	const struct zone_change *c = arg;
	struct name *n = value;

	(void)key;
	if (n->zone == c->zone) {
		n->until_us = 0;
		timer_set(c->dns->loop, &n->refresh, loop_now(c->dns->loop));
	}
	return true;
}

/* The names of a zone that has changed are not believed any more. */
static void
zone_grown(void *owner, const struct dns_zone *z)
{
	struct zone_change c = { owner, z };

	map_each(c.dns->names, outdate, &c);
}

/* ---- the cache ---- */

static void
name_free(struct name *n)
{
	timer_fini(&n->refresh);
	dns_host_unref(n->host);
	free(n->places);
	free(n);
}

static bool
forget_if_old(void *arg, struct span key, void *value)
{
	struct dns *d = arg;
	struct name *n = value;

	if (!n->looking && !is_in_use(n) &&
	    n->asked_us + FORGET_US < loop_now(d->loop)) {
		map_del(d->names, key);
		dns_zone_leave(d->zones, n->zone);
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

	dns_lower(lower, text);
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
	n->host = dns_host_new();
	n->zone = dns_zone_join(d->zones, n->text);
	timer_init(&n->refresh, on_refresh);
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
	q->host = NULL;
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
	if (dns_host_take_outdated(n->host))
		n->until_us = 0;
	if (n->asked_us < n->until_us) {
		answer(n, q);
	} else if (n->why != NULL && name_has_addrs(n)) {
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

void
dns_watch(struct dns *d, void (*fn)(void *arg), void *arg)
{
	d->watch = fn;
	d->watch_arg = arg;
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
	d->zones = dns_zones_new(main_loop, r, zone_grown, d);
	dns_zones_set_period(d->zones, s->zone_period_us);
	d->swept_us = loop_now(main_loop);
	return d;
}

bool
dns_configure(struct dns *d, const struct dns_settings *s, struct err *e)
{
	d->max_ttl_us = s->max_ttl_us;
	d->nxdomain_ttl_us = s->nxdomain_ttl_us;
	dns_zones_set_period(d->zones, s->zone_period_us);
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
	dns_zones_free(d->zones);
	free(d);
}
