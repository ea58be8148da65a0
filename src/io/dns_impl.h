/*
 * What the files of dns share: dns.c (the cache, questions and answers),
 * dns_show.c (what SHOW says of it).
 */
#ifndef IO_DNS_IMPL_H
#define IO_DNS_IMPL_H

#include "io/dns.h"
#include "io/dns_order.h"
#include "io/dns_zone.h"
#include "io/resolver.h"

STAILQ_HEAD(query_list, dns_query);

/* A name of the cache. Main thread. */
struct name {
	struct dns *dns;
	char text[DNS_NAME]; /* lower-case: the key */
	struct dns_zone *zone; /* NULL: none */
	struct dns_host *host; /* shared with those connected */
	struct dns_place *places; /* of the last look-up that found some */
	size_t n_places;
	bool service;
	bool doubted; /* an address family was missing the last time */
	const char *why; /* the last look-up failed; NULL = it worked */
	enum resolver_verdict verdict;
	const char *last_why; /* of the last failure; NULL = there was none */
	usec_t last_us; /* ... and when */
	usec_t good_us; /* last good answer; 0 = none */
	usec_t until_us; /* till then nobody is asked */
	usec_t asked_us;
	uint64_t changes;
	unsigned turn; /* rotation */
	bool looking;
	struct timer refresh; /* while somebody is connected */
	struct query_list waiting; /* for the look-up under way */
};

struct dns {
	struct loop *loop;
	struct resolver *resolver;
	struct dns_zones *zones;
	usec_t max_ttl_us;
	usec_t nxdomain_ttl_us;
	struct map *names;
	size_t n_looking;
	usec_t swept_us;
	void (*watch)(void *arg);
	void *watch_arg;
};

/* Whether there is something to give: what an authority denies is not given
 * any more. */
static inline bool
name_has_addrs(const struct name *n)
{
	return n->n_places > 0 && n->verdict != RESOLVER_NO_HOST;
}

/* As names are kept: ASCII in lower case, whatever the locale says. */
void dns_lower(char lower[DNS_NAME], const char *text);

#endif
