/*
 * Networks that keys name: proxy_protocol_networks.
 */
#include "policy/config.h"

#include "config_impl.h"
#include "policy/ini.h"

bool
config_check_nets(const struct config *c, struct err *e)
{
	struct span item;
	struct net net;

	for (const char *at = c->proxy_protocol_networks;
	    list_next(&at, &item);) {
		struct err why;

		if (net_parse(&net, item, &why))
			continue;
		err_set(e, "22023", "proxy_protocol_networks: %s", why.msg);
		err_hint(e, "%s", why.hint[0] != '\0' ? why.hint :
		    "a list of addresses and networks, such as 10.0.0.5, "
		    "192.168.7.0/24");
		return false;
	}
	return true;
}

void
config_make_nets(struct config_impl *c)
{
	const char *list = c->pub.proxy_protocol_networks;
	struct span item;
	struct err e;
	size_t n = 0;

	for (const char *at = list; list_next(&at, &item);)
		n++;
	c->proxies = arena_alloc(c->arena, (n + 1) * sizeof(*c->proxies));
	c->n_proxies = 0;
	/* What is no network was told by the check, or will be. */
	for (const char *at = list; list_next(&at, &item);)
		if (net_parse(&c->proxies[c->n_proxies], item, &e))
			c->n_proxies++;
}

bool
config_is_proxy(const struct config *c, const struct ip *ip)
{
	const struct config_impl *im = cimpl(c);

	for (size_t i = 0; i < im->n_proxies; i++)
		if (net_has(&im->proxies[i], ip))
			return true;
	return false;
}
