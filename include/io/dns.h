/*
 * dns: host names to addresses, by c-ares on the main loop, without blocking
 * anybody.
 *
 * Any thread asks by handing in a dns_query; the answer comes back as mail to
 * the loop named in it. Equal questions share one look-up. Good answers are
 * kept for dns_max_ttl (whatever the records say), "no such name" for
 * dns_nxdomain_ttl, and a name server's failure for DNS_RETRY_US at most, so
 * that what recovers is seen soon. While a name cannot be looked up again for
 * another reason than "no such name", the last good answer goes on being given,
 * at once, and asking goes on behind it.
 *
 * A name that servers are connected by is looked up again whenever its time is
 * over, also if nobody asks: else the move of a database would be seen only
 * when something breaks. When an address has gone from the answer, dns_watch()
 * tells, and dns_host_has() for each connection. The same set in another order
 * is no change; nor is an answer that may lack something: when a look-up of one
 * family failed, a target of a service, or there are more than DNS_KNOWN.
 *
 * Several addresses are handed out in rotation, among those of one family; the
 * families stay in the order of RFC 6724, as libc has them (they are mostly two
 * ways to the same machine). Addresses that failed a moment ago come last.
 *
 * A name that begins with "_", as in _postgresql._tcp.db.example, is that of a
 * service (SRV, RFC 2782): priorities, weights and ports come from there, and
 * its targets are looked up as above.
 *
 * /etc/hosts comes first. A numeric address is answered without asking anybody.
 * A look-up has a deadline of its own (500 ms x 2 tries for each name server,
 * 3 s in all) and always answers.
 *
 * Zones: the part of a name behind its first dot (of a service: behind the
 * first label without "_"). With dns_zone_check_period the serials of their SOA
 * records are asked for, one zone after the other, and when one has grown, its
 * names in use are looked up again.
 *
 * Threads: dns_ask() any; the rest main.
 */
#ifndef IO_DNS_H
#define IO_DNS_H

#include "base/err.h"
#include "io/dns_host.h"
#include "io/loop.h"
#include "io/stream.h"

struct dns;

#define DNS_ADDRS 16 /* that one asker gets */
#define DNS_KNOWN 64 /* that are kept */
#define DNS_NAME 256
#define DNS_RETRY_US (1 * USEC_PER_SEC)

struct dns_settings {
	usec_t max_ttl_us;
	usec_t nxdomain_ttl_us;
	usec_t zone_period_us; /* 0 = never */
	const char *resolv_conf; /* "" = the system's */
	const char *servers; /* tests: "127.0.0.1:25353"; NULL = none */
};

struct dns_query {
	/* the asker fills in */
	char name[DNS_NAME];
	uint16_t port; /* put into the addresses, but for those of services */
	bool wants_host; /* to have `host` */
	struct loop *reply_to;
	void (*answered)(struct dns_query *q); /* on reply_to's thread */
	/* the answer */
	bool ok;
	struct err err; /* 08001 and what is wrong with the name */
	struct addr addrs[DNS_ADDRS];
	size_t n_addrs; /* > 0 when ok; first one is this asker's turn */
	/* A reference for the asker, with ok: NULL for a numeric address. */
	struct dns_host *host;
	unsigned version; /* of host, when it was answered */
	/* inside */
	struct dns *dns;
	struct mail mail;
	STAILQ_ENTRY(dns_query) next;
};

/* NULL with an error when resolv_conf cannot be read. */
struct dns *dns_new(struct loop *main_loop, const struct dns_settings *s,
    struct err *e);
/* Whoever still waits is told that the look-up was given up. Nobody may ask
 * any more: a question on its way through the mailbox would find nothing. */
void dns_free(struct dns *d);
/* RELOAD. Times hold for answers from now on. False when resolv_conf or
 * servers cannot be used; the old ones then stay. */
bool dns_configure(struct dns *d, const struct dns_settings *s, struct err *e);
/* The query must stay put until answered() has run; there is no way to take
 * it back (the asker remembers that it no longer cares). */
void dns_ask(struct dns *d, struct dns_query *q);

/* fn is called when addresses of a name have gone; it may not ask. */
void dns_watch(struct dns *d, void (*fn)(void *arg), void *arg);

/* What SHOW LISTS says: names in the cache, those that could not be looked up
 * included; their zones; and look-ups under way. */
size_t dns_count_names(const struct dns *d);
size_t dns_count_zones(const struct dns *d);
size_t dns_count_pending(const struct dns *d);

/* What SHOW DNS_HOSTS says. */
struct dns_name_state {
	const char *name;
	usec_t ttl_us; /* until it is looked up again; 0 = over */
	const struct addr *addrs; /* that are given; port 0 = the asker's */
	size_t n;
	usec_t age_us; /* of the last good answer; -1 = there was none */
	const char *why; /* the last look-up failed; NULL = it worked */
	const char *last_why; /* of the last failure; NULL = there was none */
	usec_t last_us; /* ... and how long ago it was */
	int users; /* connections by this name */
	uint64_t changes; /* answers from which addresses had gone */
};
void dns_each(const struct dns *d,
    void (*fn)(void *arg, const struct dns_name_state *s), void *arg);
/* The same for one name; false when it is not in the cache. */
bool dns_look(const struct dns *d, const char *name,
    void (*fn)(void *arg, const struct dns_name_state *s), void *arg);

/* What SHOW DNS_ZONES says. */
struct dns_zone_state {
	const char *zone;
	uint32_t serial; /* 0 = not known */
	size_t names;
	usec_t age_us; /* of the serial; -1 = not known */
	const char *why; /* it could not be asked for; NULL = it could */
};
void dns_each_zone(const struct dns *d,
    void (*fn)(void *arg, const struct dns_zone_state *s), void *arg);

#endif
