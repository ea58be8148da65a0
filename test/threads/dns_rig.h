/*
 * dns_rig: for tests of dns: a loop that runs while answers are awaited.
 */
#ifndef TEST_DNS_RIG_H
#define TEST_DNS_RIG_H

#include "io/dns.h"

extern struct loop *loop; /* the test's to make */
extern struct dns *dns; /* likewise */
extern int unanswered; /* questions */

/* A question, for port 5432. */
void ask(struct dns_query *q, const char *name);
/* Runs the loop until all questions are answered. */
void wait_answers(void);
void ask_one(struct dns_query *q, const char *name);
/* Asks again and again for 20 s at most, as a pool would, until it is answered
 * with host first, or, unless ok, fails. */
void ask_until(struct dns_query *q, const char *name, bool ok,
    const char *host);

/* Of the first address. */
const char *first_host(const struct dns_query *q);
bool has_host(const struct dns_query *q, const char *host);
void assert_fails(const struct dns_query *q, const char *msg);

#endif
