/*
 * dns_zone: the zones that names lie in, and whether they have changed: the
 * serials of their SOA records, asked for one zone after the other in every
 * period.
 *
 * The zone of a name is the part behind its first dot; of a service the part
 * behind the first label without "_". Names without a dot have none.
 *
 * Private to io. Thread: the loop's.
 */
#ifndef IO_DNS_ZONE_H
#define IO_DNS_ZONE_H

#include "io/dns.h"
#include "io/resolver.h"

struct dns_zones;
struct dns_zone;

/* grown() is called when the serial of a zone has grown (RFC 1982). */
struct dns_zones *dns_zones_new(struct loop *l, struct resolver *r,
    void (*grown)(void *owner, const struct dns_zone *z), void *owner);
/* After the resolver, which may still answer. */
void dns_zones_free(struct dns_zones *zs);
/* 0 = never, and what is known of serials is forgotten. */
void dns_zones_set_period(struct dns_zones *zs, usec_t period_us);
/* The zone of a name, which counts from now on; NULL if it has none. */
struct dns_zone *dns_zone_join(struct dns_zones *zs, const char *name);
void dns_zone_leave(struct dns_zones *zs, struct dns_zone *z);
size_t dns_zones_count(const struct dns_zones *zs);
void dns_zones_each(const struct dns_zones *zs,
    void (*fn)(void *arg, const struct dns_zone_state *s), void *arg);

#endif
