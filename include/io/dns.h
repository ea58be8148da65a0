/*
 * dns: host names to addresses, by c-ares on the main loop, without blocking
 * anybody.
 *
 * Any thread asks by handing in a dns_query; the answer comes back as mail to
 * the loop named in it. Equal questions share one look-up. Good answers are
 * kept for dns_max_ttl, "no such name" for dns_nxdomain_ttl, and a name server's
 * failure for DNS_RETRY_US at most, so that what recovers is seen soon. While a
 * name cannot be looked up again for another reason than "no such name", the
 * last good answer goes on being given, at once, and asking goes on behind it.
 *
 * Several addresses are handed out in rotation, among those of one family; the
 * families stay in the order of RFC 6724, as libc has them (they are mostly two
 * ways to the same machine). So a refusing address does not go away by asking
 * again: an asker walks the list.
 *
 * /etc/hosts comes first. A numeric address is answered without asking anybody.
 * A look-up has a deadline of its own (500 ms x 2 tries for each name server,
 * 3 s in all) and always answers.
 *
 * Threads: dns_ask() any; the rest main.
 */
#ifndef IO_DNS_H
#define IO_DNS_H

#include "base/err.h"
#include "io/loop.h"
#include "io/stream.h"

struct dns;

#define DNS_ADDRS 16
#define DNS_NAME 256
#define DNS_RETRY_US (1 * USEC_PER_SEC)

struct dns_settings {
	usec_t max_ttl_us;
	usec_t nxdomain_ttl_us;
	const char *resolv_conf; /* "" = the system's */
	const char *servers; /* tests: "127.0.0.1:25353"; NULL = none */
};

struct dns_query {
	/* the asker fills in */
	char name[DNS_NAME];
	uint16_t port; /* put into the addresses */
	struct loop *reply_to;
	void (*answered)(struct dns_query *q); /* on reply_to's thread */
	/* the answer */
	bool ok;
	struct err err; /* 08001 and what is wrong with the name */
	struct addr addrs[DNS_ADDRS];
	size_t n_addrs; /* > 0 when ok; first one is this asker's turn */
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

/* What SHOW LISTS and SHOW DNS_HOSTS say: names in the cache, those that
 * could not be looked up included, and look-ups under way. */
size_t dns_count_names(const struct dns *d);
size_t dns_count_pending(const struct dns *d);
/* Calls fn for each name in the cache. ttl_us 0 = over; n 0 = no address. */
void dns_each(const struct dns *d,
    void (*fn)(void *arg, const char *name, usec_t ttl_us,
	const struct addr *addrs, size_t n),
    void *arg);

#endif
