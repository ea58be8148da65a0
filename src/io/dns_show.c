/* What SHOW says of names and zones. */
#include "base/map.h"
#include "dns_impl.h"

void
dns_lower(char lower[DNS_NAME], const char *text)
{
	copy_str(lower, DNS_NAME, text);
	for (size_t i = 0; lower[i] != '\0'; i++)
		if (lower[i] >= 'A' && lower[i] <= 'Z')
			lower[i] = (char)(lower[i] - 'A' + 'a');
}

size_t
dns_count_names(const struct dns *d)
{
	return map_count(d->names);
}

size_t
dns_count_zones(const struct dns *d)
{
	return dns_zones_count(d->zones);
}

size_t
dns_count_pending(const struct dns *d)
{
	return d->n_looking;
}

struct each_arg {
	void (*fn)(void *arg, const struct dns_name_state *s);
	void *arg;
};

static void
describe(const struct name *n, struct addr addrs[DNS_KNOWN],
    struct dns_name_state *s)
{
	usec_t now = loop_now(n->dns->loop);

	*s = (struct dns_name_state){
		.name = n->text,
		.ttl_us = n->until_us > now ? n->until_us - now : 0,
		.addrs = addrs,
		.n = name_has_addrs(n) ? n->n_places : 0,
		.age_us = n->good_us > 0 ? now - n->good_us : -1,
		.why = n->why,
		.last_why = n->last_why,
		.last_us = now - n->last_us,
		.users = dns_host_refs(n->host) - 1,
		.changes = n->changes,
	};
	for (size_t i = 0; i < s->n; i++)
		addrs[i] = n->places[i].addr;
}

static bool
each_name(void *arg, struct span key, void *value)
{
	const struct each_arg *each = arg;
	struct addr addrs[DNS_KNOWN];
	struct dns_name_state s;

	(void)key;
	describe(value, addrs, &s);
	each->fn(each->arg, &s);
	return true;
}

void
dns_each(const struct dns *d,
    void (*fn)(void *arg, const struct dns_name_state *s), void *arg)
{
	struct each_arg each = {
		.fn = fn,
		.arg = arg,
	};

	map_each(d->names, each_name, &each);
}

bool
dns_look(const struct dns *d, const char *name,
    void (*fn)(void *arg, const struct dns_name_state *s), void *arg)
{
	struct each_arg each = { .fn = fn, .arg = arg };
	char lower[DNS_NAME];
	struct name *n;

	dns_lower(lower, name);
	n = map_get(d->names, span_of(lower));
	return n != NULL && each_name(&each, span_of(lower), n);
}

void
dns_each_zone(const struct dns *d,
    void (*fn)(void *arg, const struct dns_zone_state *s), void *arg)
{
	dns_zones_each(d->zones, fn, arg);
}
