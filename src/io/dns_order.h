/*
 * dns_order: in which order an asker gets the addresses of a name. Pure.
 *
 * Of a plain name each run of one family is turned by itself, so that the
 * families stay in the order of RFC 6724. Of a service (SRV, RFC 2782) the
 * targets of the lowest priority come first, and among those of one priority
 * each is first as often as its weight says; the addresses of one target stay
 * together.
 *
 * Private to io.
 */
#ifndef IO_DNS_ORDER_H
#define IO_DNS_ORDER_H

#include "io/addr.h"

/* Places are kept by target, in the order of priorities. */
struct dns_place {
	struct addr addr; /* port 0: the asker's */
	uint16_t priority, weight; /* of its target */
	uint16_t target; /* which of the service's; 0 for a plain name */
};

/* out has room for n. */
void dns_order_turn(const struct dns_place *v, size_t n, unsigned turn,
    struct addr *out);
/* random() gives any number; it is asked once for each target. */
void dns_order_service(const struct dns_place *v, size_t n,
    uint32_t (*random)(void *arg), void *arg, struct addr *out);
/* Those that are blamed go behind the others; else the order stays. */
void dns_order_blamed(struct addr *v, size_t n, const bool *blamed);

#endif
