/*
 * What the files of the resolver share: resolver.c (channels, resolv.conf,
 * host names), resolver_srv.c (services and serials of zones).
 */
#ifndef IO_RESOLVER_IMPL_H
#define IO_RESOLVER_IMPL_H

#include <ares.h>

#include "io/resolver.h"

struct channel;
struct service;

/* A question. It belongs to c-ares, and is freed by its last callback; the
 * asker may have had its answer before, from the deadline. One of the two
 * kinds of askers is set, until it has been told. */
struct lookup {
	struct channel *channel;
	struct timer deadline;
	void (*done)(void *owner, const struct resolver_answer *a);
	void (*serial_done)(void *owner, const struct resolver_serial *a);
	void *owner;
	struct service *service; /* while its targets are looked up */
};

struct lookup *lookup_begin(struct resolver *r, void *owner);
/* Answers, unless the deadline already has. */
void lookup_tell(struct lookup *lk, const struct resolver_answer *a);
void lookup_tell_serial(struct lookup *lk, const struct resolver_serial *a);
/* The last callback is over. */
void lookup_end(struct lookup *lk);
ares_channel lookup_channel(const struct lookup *lk);

/* What a status of c-ares means. */
struct resolver_answer resolver_meaning(int status, int timeouts);
/* Asks for the addresses of a host. */
void resolver_get(struct lookup *lk, const char *name,
    ares_addrinfo_callback fn, void *arg);
/* Copies the addresses c-ares found behind the n that out[DNS_KNOWN] has, each
 * once, as those of one target; tells how many there are then. */
size_t resolver_take(const struct ares_addrinfo *ai,
    const struct dns_place *target, struct dns_place *out, size_t n,
    bool *more);

void service_ask(struct lookup *lk, const char *name);
void serial_ask(struct lookup *lk, const char *zone);
/* The serial of the first SOA record among the answers and authorities of a
 * DNS message: what is no zone of its own has that of the zone it lies in there
 * (RFC 2308). False if there is none, or the message is broken before it. */
bool resolver_find_serial(const unsigned char *abuf, int alen,
    uint32_t *serial);

#endif
