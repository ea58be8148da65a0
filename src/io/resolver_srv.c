/* Services (SRV records and their targets), and serials of zones (SOA). */
#include <arpa/nameser.h>
#include <stdlib.h>
#include <string.h>

#include "io/dns.h"
#include "resolver_impl.h"

/* Targets past that are not used. */
#define TARGETS 16

struct target {
	struct service *service;
	struct dns_place place; /* priority, weight, port */
	char name[DNS_NAME];
	struct dns_place *found; /* of the target's host */
	size_t n;
	bool failed; /* nobody could say */
	const char *why;
};

struct service {
	struct lookup *lookup;
	size_t n, left; /* left: to be answered */
	bool more;
	struct target v[TARGETS];
};

/* ---- services ---- */

static struct resolver_answer
not_offered(const char *why)
{
	return (struct resolver_answer){ .verdict = RESOLVER_NO_HOST,
		.why = why };
}

static void
service_free(struct service *sv)
{
	size_t i;

	for (i = 0; i < sv->n; i++)
		free(sv->v[i].found);
	free(sv);
}

/* All targets have been looked up. One that could not be leaves a hole, which
 * says nothing of what it stood for. */
static void
service_done(struct service *sv)
{
	struct lookup *lk = sv->lookup;
	struct dns_place all[DNS_KNOWN];
	struct resolver_answer a = not_offered("no target of the service has "
	    "an address");
	size_t i, k, n = 0;
	bool more = sv->more, failed = false;

	for (i = 0; i < sv->n; i++) {
		const struct target *t = &sv->v[i];

		for (k = 0; k < t->n && n < DNS_KNOWN; k++)
			all[n++] = t->found[k];
		more = more || k < t->n;
		failed = failed || t->failed;
		if (t->failed)
			a = (struct resolver_answer){ .why = t->why,
				.verdict = RESOLVER_FAILED };
	}
	if (n > 0)
		a = (struct resolver_answer){ .verdict = RESOLVER_FOUND,
			.places = all, .n = n, .service = true,
			.partial = failed, .more = more };
	lookup_tell(lk, &a);
	service_free(sv);
	lookup_end(lk);
}

static void
on_target(void *arg, int status, int timeouts, struct ares_addrinfo *ai)
{
	struct target *t = arg;
	struct service *sv = t->service;
	struct resolver_answer a;

	if (status == ARES_SUCCESS && ai != NULL) {
		t->found = xcalloc(DNS_KNOWN, sizeof(*t->found));
		t->n = resolver_take(ai, &t->place, t->found, 0, &sv->more);
	} else {
		a = resolver_meaning(status, timeouts);
		t->failed = a.verdict == RESOLVER_FAILED;
		t->why = a.why;
	}
	if (ai != NULL)
		ares_freeaddrinfo(ai);
	if (--sv->left == 0)
		service_done(sv);
}

/* Kept by priority, as it is for dns_order. */
static void
add_target(struct service *sv, const struct ares_srv_reply *r)
{
	size_t i = sv->n;

	if (sv->n == TARGETS) {
		sv->more = true;
		return;
	}
	for (; i > 0 && sv->v[i - 1].place.priority > r->priority; i--)
		sv->v[i] = sv->v[i - 1];
	sv->v[i] = (struct target){ .service = sv,
		.place = { .addr = { .port = r->port },
		    .priority = r->priority, .weight = r->weight } };
	copy_str(sv->v[i].name, sizeof(sv->v[i].name), r->host);
	sv->n++;
}

static void
ask_targets(struct service *sv)
{
	struct lookup *lk = sv->lookup;
	size_t i, n = sv->n;

	sv->left = n;
	for (i = 0; i < n; i++)
		sv->v[i].place.target = (uint16_t)i;
	/* The last callback, perhaps inside the last call, frees it. */
	for (i = 0; i < n; i++)
		resolver_get(lk, sv->v[i].name, on_target, &sv->v[i]);
}

static void
on_srv(void *arg, int status, int timeouts, unsigned char *abuf, int alen)
{
	struct lookup *lk = arg;
	struct ares_srv_reply *list = NULL, *r;
	struct resolver_answer a;
	struct service *sv;

	if (status == ARES_SUCCESS)
		status = ares_parse_srv_reply(abuf, alen, &list);
	if (status == ARES_SUCCESS && list == NULL)
		status = ARES_ENODATA;
	if (status != ARES_SUCCESS) {
		a = resolver_meaning(status, timeouts);
		if (a.verdict == RESOLVER_NO_HOST || status == ARES_ENODATA)
			a = not_offered("no such service");
		lookup_tell(lk, &a);
		lookup_end(lk);
		return;
	}
	sv = xcalloc(1, sizeof(*sv));
	sv->lookup = lk;
	/* A target "." says that there is no such service here. */
	for (r = list; r != NULL; r = r->next)
		if (r->host[0] != '\0' && strcmp(r->host, ".") != 0)
			add_target(sv, r);
	ares_free_data(list);
	if (sv->n > 0) {
		ask_targets(sv);
		return;
	}
	a = not_offered("the service is not offered");
	lookup_tell(lk, &a);
	service_free(sv);
	lookup_end(lk);
}

void
service_ask(struct lookup *lk, const char *name)
{
	ares_search(lookup_channel(lk), name, ns_c_in, ns_t_srv, on_srv, lk);
}

/* ---- serials ---- */

/* A packet that is walked; p past end or NULL: it is broken. */
struct packet {
	const unsigned char *buf, *p, *end;
};

static size_t
left(const struct packet *k)
{
	return k->p != NULL ? (size_t)(k->end - k->p) : 0;
}

static void
skip(struct packet *k, size_t n)
{
	k->p = n <= left(k) ? k->p + n : NULL;
}

static void
skip_name(struct packet *k)
{
	char *name = NULL;
	long n = 0;

	if (left(k) == 0 || ares_expand_name(k->p, k->buf,
	    (int)(k->end - k->buf), &name, &n) != ARES_SUCCESS) {
		k->p = NULL;
		return;
	}
	ares_free_string(name);
	skip(k, (size_t)n);
}

static unsigned
get16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

bool
resolver_find_serial(const unsigned char *abuf, int alen, uint32_t *serial)
{
	struct packet k = { abuf, abuf, abuf + alen };
	unsigned questions, records, type, n;

	if (alen < NS_HFIXEDSZ)
		return false;
	questions = get16(abuf + 4);
	records = get16(abuf + 6) + get16(abuf + 8);
	skip(&k, NS_HFIXEDSZ);
	for (; questions > 0 && k.p != NULL; questions--) {
		skip_name(&k);
		skip(&k, NS_QFIXEDSZ);
	}
	for (; records > 0 && k.p != NULL; records--) {
		skip_name(&k);
		if (left(&k) < NS_RRFIXEDSZ)
			return false;
		type = get16(k.p);
		n = get16(k.p + 8);
		skip(&k, NS_RRFIXEDSZ);
		if (type != ns_t_soa) {
			skip(&k, n);
			continue;
		}
		skip_name(&k);
		skip_name(&k);
		if (left(&k) < 4)
			return false;
		*serial = (uint32_t)get16(k.p) << 16 | get16(k.p + 2);
		return true;
	}
	return false;
}

static void
on_soa(void *arg, int status, int timeouts, unsigned char *abuf, int alen)
{
	struct lookup *lk = arg;
	struct resolver_serial s = { .verdict = RESOLVER_FOUND };
	bool answered = status == ARES_SUCCESS || status == ARES_ENODATA ||
	    status == ARES_ENOTFOUND;

	if (!answered || abuf == NULL || !resolver_find_serial(abuf, alen, &s.serial)) {
		struct resolver_answer a = resolver_meaning(answered ?
		    ARES_ENOTFOUND : status, timeouts);

		s.verdict = a.verdict;
		s.why = answered ? "no SOA record was given" : a.why;
	}
	lookup_tell_serial(lk, &s);
	lookup_end(lk);
}

void
serial_ask(struct lookup *lk, const char *zone)
{
	ares_query(lookup_channel(lk), zone, ns_c_in, ns_t_soa, on_soa, lk);
}
