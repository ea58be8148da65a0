/*
 * dns: host names to addresses, by c-ares on the main loop, without blocking
 * anybody.
 *
 * Any thread asks by handing in a dns_query; the answer comes back as mail to
 * the loop named in it. Equal questions share one look-up. Good answers are
 * kept for dns_max_ttl, failures for dns_nxdomain_ttl; while a name cannot be
 * looked up again for another reason than "no such name", the last good answer
 * goes on being given. Several addresses are handed out in rotation.
 * A look-up has a deadline of its own (500 ms x 2 tries) and always answers.
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
	struct mail mail;
	STAILQ_ENTRY(dns_query) next;
};

struct dns *dns_new(struct loop *main_loop, const struct dns_settings *s,
    struct err *e);
void dns_free(struct dns *d);
void dns_configure(struct dns *d, const struct dns_settings *s);
/* The query must stay put until answered() has run; there is no way to take
 * it back (the asker remembers that it no longer cares). */
void dns_ask(struct dns *d, struct dns_query *q);

/* What SHOW LISTS and SHOW DNS_HOSTS say. */
size_t dns_count_names(const struct dns *d);
size_t dns_count_pending(const struct dns *d);
/* Calls fn for each name in the cache. ttl_us 0 = over. */
void dns_each(const struct dns *d,
    void (*fn)(void *arg, const char *name, usec_t ttl_us,
	const struct addr *addrs, size_t n),
    void *arg);

#endif
