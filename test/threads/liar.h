/*
 * liar: a name server for tests that does on demand what no real one does: it
 * drops, delays, refuses, forges, cuts. It knows one set of addresses, which
 * every name has, and answers by UDP and TCP on one port of 127.0.0.1 (or
 * another loopback address), in a thread of its own.
 */
#ifndef TEST_LIAR_H
#define TEST_LIAR_H

#include <stdbool.h>
#include <stdint.h>

enum liar_mode {
	LIAR_TRUTH,
	LIAR_SILENT, /* takes questions, says nothing */
	LIAR_SLOW, /* the truth, after 200 ms */
	LIAR_DROP_FIRST, /* drops the first question for each family */
	LIAR_NXDOMAIN,
	LIAR_SERVFAIL,
	LIAR_EMPTY, /* no error, no record */
	LIAR_GARBAGE, /* a packet of noise */
	LIAR_SHORT, /* an answer that ends in the middle of a record */
	LIAR_CUT, /* UDP: the TC bit; TCP: the truth */
	LIAR_CUT_CLOSED, /* ... and TCP: closed without an answer */
	LIAR_CHAIN, /* eight CNAMEs, then the truth */
	LIAR_LOOP, /* CNAMEs that lead nowhere */
	/* A forged answer (10.6.6.6) in front of the truth: */
	LIAR_FORGED_ID, /* with another id */
	LIAR_FORGED_NAME, /* to another question */
	LIAR_FORGED_PORT, /* from another port */
	/* Of the two families: */
	LIAR_NO_AAAA, /* SERVFAIL for IPv6 */
	LIAR_DROP_AAAA, /* nothing for IPv6 */
};

struct liar;

/* port 0: any free one. Aborts the test if it cannot be had. */
struct liar *liar_start(const char *ip, int port);
void liar_stop(struct liar *l);
void liar_set(struct liar *l, enum liar_mode mode);
/* "10.0.0.1 10.0.0.2 2001:db8::1": what all names have from now on. */
void liar_addrs(struct liar *l, const char *list);
void liar_ttl(struct liar *l, uint32_t ttl);
/* Questions so far; by TCP. */
int liar_asked(struct liar *l);
int liar_asked_tcp(struct liar *l);
/* "127.0.0.1:25353" */
const char *liar_servers(const struct liar *l);

#endif
