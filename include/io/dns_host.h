/*
 * dns_host: what a name stands for now, for those who are connected to what it
 * stood for once. The cache of names has one for each name and changes it;
 * each connection keeps a reference, and asks now and then whether its address
 * is still one of the name's. The references also tell the cache which names
 * are in use.
 *
 * An address has gone when an answer without it has come, not while nobody
 * answers, and not when the name itself has vanished: servers that work are not
 * given up for that.
 *
 * Threads: any, but for what is the cache's.
 */
#ifndef IO_DNS_HOST_H
#define IO_DNS_HOST_H

#include <stdatomic.h>

#include "io/addr.h"

/* An address that failed is handed out behind the others for so long. */
#define DNS_BLAME_US (10 * USEC_PER_SEC)

struct dns_host;

struct dns_host *dns_host_new(void);
struct dns_host *dns_host_ref(struct dns_host *h);
void dns_host_unref(struct dns_host *h); /* NULL is fine */
int dns_host_refs(const struct dns_host *h);

/* Changes when an address has gone; an answer comes with the one it is of. */
unsigned dns_host_version(const struct dns_host *h);
/* Whether the address is one of the name's, to whom has last seen *version:
 * one load while nothing has changed. Moves *version on when it still is. */
bool dns_host_has(struct dns_host *h, const struct addr *a, unsigned *version);

/* The next who asks for the name does not get what is known. */
void dns_host_outdate(struct dns_host *h);
/* For the cache: whether that was said since the last time. */
bool dns_host_take_outdated(struct dns_host *h);

/* A connection to the address failed, or has worked. */
void dns_host_blame(struct dns_host *h, const struct addr *a, usec_t now);
void dns_host_praise(struct dns_host *h, const struct addr *a);
bool dns_host_is_blamed(struct dns_host *h, const struct addr *a, usec_t now);

/* For the cache. The addresses are these now, and all = there are more, which
 * nobody knows. Those that have gone and those that are new are counted and
 * the first of them copied out. True if any has gone. */
#define DNS_CHANGE 4
struct dns_change {
	size_t n_gone, n_new;
	struct addr gone[DNS_CHANGE], added[DNS_CHANGE];
};
bool dns_host_set(struct dns_host *h, const struct addr *addrs, size_t n,
    bool all, struct dns_change *out);

#endif
