/* Serials of zones. */
#include "dns_zone.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/log.h"

struct dns_zone {
	TAILQ_ENTRY(dns_zone) link;
	struct dns_zones *zones;
	char name[DNS_NAME];
	size_t names;
	bool due; /* in this round */
	bool asking;
	bool known;
	uint32_t serial;
	usec_t known_us;
	const char *why; /* the last question failed */
};

struct dns_zones {
	struct loop *loop;
	struct resolver *resolver;
	void (*grown)(void *owner, const struct dns_zone *z);
	void *owner;
	usec_t period_us;
	struct timer timer; /* of the next round; off during one */
	bool in_round;
	TAILQ_HEAD(dns_zone_list, dns_zone) list;
	size_t n;
};

static void
forget_if_unused(struct dns_zone *z)
{
	if (z->names > 0 || z->asking)
		return;
	TAILQ_REMOVE(&z->zones->list, z, link);
	z->zones->n--;
	free(z);
}

/* ---- rounds ---- */

static void ask_next(struct dns_zones *zs);

static void
note_serial(struct dns_zone *z, uint32_t serial)
{
	bool grown = z->known && (int32_t)(serial - z->serial) > 0;

	if (grown)
		log_info("DNS zone \"%s\" has changed: serial %u, was %u",
		    z->name, serial, z->serial);
	z->known = true;
	z->serial = serial;
	z->known_us = loop_now(z->zones->loop);
	z->why = NULL;
	if (grown)
		z->zones->grown(z->zones->owner, z);
}

static void
on_serial(void *owner, const struct resolver_serial *a)
{
	struct dns_zone *z = owner;
	struct dns_zones *zs = z->zones;

	z->asking = false;
	if (a->verdict == RESOLVER_FOUND) {
		note_serial(z, a->serial);
	} else {
		if (z->why == NULL)
			log_warn("serial of DNS zone \"%s\" is not known: %s",
			    z->name, a->why);
		z->why = a->why;
	}
	forget_if_unused(z);
	/* Not here: the resolver must not be called from inside an answer. */
	if (zs->in_round)
		timer_set(zs->loop, &zs->timer, loop_now(zs->loop));
}

static void
ask_next(struct dns_zones *zs)
{
	struct dns_zone *z;

	TAILQ_FOREACH (z, &zs->list, link)
		if (z->due)
			break;
	if (z == NULL) {
		zs->in_round = false;
		if (zs->period_us > 0)
			timer_set(zs->loop, &zs->timer,
			    loop_now(zs->loop) + zs->period_us);
		return;
	}
	z->due = false;
	z->asking = true;
	resolver_ask_serial(zs->resolver, z->name, on_serial, z);
}

static void
on_timer(struct timer *t)
{
	struct dns_zones *zs = CONTAINER_OF(t, struct dns_zones, timer);
	struct dns_zone *z;

	if (!zs->in_round) {
		zs->in_round = true;
		TAILQ_FOREACH (z, &zs->list, link)
			z->due = !z->asking;
	}
	ask_next(zs);
}

void
dns_zones_set_period(struct dns_zones *zs, usec_t period_us)
{
	struct dns_zone *z;

	if (period_us == zs->period_us)
		return;
	zs->period_us = period_us;
	if (period_us == 0) {
		TAILQ_FOREACH (z, &zs->list, link)
			z->due = z->known = false;
		zs->in_round = false;
		timer_clear(&zs->timer);
	} else if (!zs->in_round) {
		timer_set(zs->loop, &zs->timer, loop_now(zs->loop));
	}
}

/* ---- zones ---- */

static const char *
zone_of(const char *name)
{
	const char *dot = strchr(name, '.');

	/* Of a service: "_postgresql._tcp.db.example". */
	while (name[0] == '_' && dot != NULL && dot[1] == '_')
		dot = strchr(dot + 1, '.');
	return dot != NULL && dot[1] != '\0' ? dot + 1 : NULL;
}

struct dns_zone *
dns_zone_join(struct dns_zones *zs, const char *name)
{
	const char *text = zone_of(name);
	struct dns_zone *z;

	if (text == NULL)
		return NULL;
	TAILQ_FOREACH (z, &zs->list, link)
		if (strcmp(z->name, text) == 0)
			break;
	if (z == NULL) {
		z = xcalloc(1, sizeof(*z));
		z->zones = zs;
		copy_str(z->name, sizeof(z->name), text);
		TAILQ_INSERT_TAIL(&zs->list, z, link);
		zs->n++;
	}
	z->names++;
	return z;
}

void
dns_zone_leave(struct dns_zones *zs, struct dns_zone *z)
{
	(void)zs;
	if (z == NULL)
		return;
	z->names--;
	forget_if_unused(z);
}

/* ---- what SHOW says ---- */

size_t
dns_zones_count(const struct dns_zones *zs)
{
	return zs->n;
}

void
dns_zones_each(const struct dns_zones *zs,
    void (*fn)(void *arg, const struct dns_zone_state *s), void *arg)
{
	const struct dns_zone *z;

	TAILQ_FOREACH (z, &zs->list, link) {
		struct dns_zone_state s = { .zone = z->name,
			.names = z->names, .age_us = -1, .why = z->why };

		if (z->known) {
			s.serial = z->serial;
			s.age_us = loop_now(zs->loop) - z->known_us;
		}
		fn(arg, &s);
	}
}

/* ---- life ---- */

struct dns_zones *
dns_zones_new(struct loop *l, struct resolver *r,
    void (*grown)(void *owner, const struct dns_zone *z), void *owner)
{
	struct dns_zones *zs = xcalloc(1, sizeof(*zs));

	zs->loop = l;
	zs->resolver = r;
	zs->grown = grown;
	zs->owner = owner;
	TAILQ_INIT(&zs->list);
	timer_init(&zs->timer, on_timer);
	return zs;
}

void
dns_zones_free(struct dns_zones *zs)
{
	struct dns_zone *z;

	timer_fini(&zs->timer);
	while ((z = TAILQ_FIRST(&zs->list)) != NULL) {
		TAILQ_REMOVE(&zs->list, z, link);
		free(z);
	}
	free(zs);
}
