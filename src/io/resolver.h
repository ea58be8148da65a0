/*
 * resolver: c-ares on an event loop: one question, one answer, no memory of
 * either. What is kept, shared and rotated is dns's business.
 *
 * A question is the name as libc would take it: /etc/hosts first, then the
 * DNS with the search list, IPv4 and IPv6 at once, sorted by RFC 6724. Each
 * one is answered exactly once, within RESOLVER_DEADLINE_US whatever the
 * name servers do. c-ares asks by UDP, and by TCP when an answer was cut.
 *
 * A name that begins with "_" is looked up as a service (resolver_srv.c).
 *
 * c-ares reads resolv.conf once per channel. So the file is looked at before
 * each question; when it has changed, a new channel takes over and the old
 * one goes when its last question is answered.
 *
 * Private to io. Thread: the loop's.
 */
#ifndef IO_RESOLVER_H
#define IO_RESOLVER_H

#include "base/err.h"
#include "io/dns_order.h"
#include "io/loop.h"
#include "io/stream.h"

#define RESOLVER_TRY_MS 500
#define RESOLVER_TRIES 2
#define RESOLVER_DEADLINE_US (3 * USEC_PER_SEC)
#define RESOLVER_CONF "/etc/resolv.conf"

struct resolver;

enum resolver_verdict {
	RESOLVER_FOUND,
	RESOLVER_NO_HOST, /* an authority says that there is none */
	RESOLVER_FAILED, /* nobody could say */
};

struct resolver_answer {
	enum resolver_verdict verdict;
	const char *why; /* unless FOUND; never freed */
	const struct dns_place *places; /* only valid during the call */
	size_t n; /* at most DNS_KNOWN */
	bool service;
	bool partial; /* something may be missing: a look-up failed */
	bool more; /* there were more than that */
};

/* resolv_conf "" or NULL = the system's; servers as in dns_settings. NULL with
 * an error when the file cannot be read or the servers make no sense. */
struct resolver *resolver_new(struct loop *l, const char *resolv_conf,
    const char *servers, struct err *e);
/* Answers with RESOLVER_FAILED what is still open. Not from inside done(). */
void resolver_free(struct resolver *r);
/* Other files or servers from the next question on; on failure nothing has
 * changed. */
bool resolver_configure(struct resolver *r, const char *resolv_conf,
    const char *servers, struct err *e);
/* done() may run inside the call, and must not call the resolver. */
void resolver_ask(struct resolver *r, const char *name,
    void (*done)(void *owner, const struct resolver_answer *a), void *owner);
/* The serial of the zone that `zone` is, or lies in. As above. */
struct resolver_serial {
	enum resolver_verdict verdict;
	const char *why;
	uint32_t serial;
};
void resolver_ask_serial(struct resolver *r, const char *zone,
    void (*done)(void *owner, const struct resolver_serial *a), void *owner);
/* The file in use, for messages. */
const char *resolver_conf(const struct resolver *r);

#endif
