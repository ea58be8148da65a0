/*
 * Before all else, from the networks that are listed as such: whose connection
 * a load balancer passes on. From there a header must come, and from anywhere
 * else none may: whoever could choose would be whom he likes to every rule.
 */
#include <string.h>

#include "login_private.h"
#include "proto/proxy.h"

/* Shorter than that, it is too early to talk of a header. */
#define SURELY 5

static void
take_address(struct login *l, const struct proxy_header *h)
{
	struct ip ip = ip_of(h->ip, h->ip_len);

	l->peer = (struct addr){ .port = h->port,
		.family = ip.family == 4 ? AF_INET : AF_INET6 };
	memcpy(l->peer.ip, ip.bytes, sizeof(l->peer.ip));
}

enum login_step
login_take_header(struct login *l, struct span in, size_t *used,
    struct err *e)
{
	struct proxy_header h;

	*used = 0;
	switch (proxy_decode(in, &h, e)) {
	case PROXY_MORE:
		return LOGIN_MORE;
	case PROXY_CLIENT:
		take_address(l, &h);
		/* FALLTHROUGH */
	case PROXY_LOCAL:
		*used = h.size;
		l->wants_header = false;
		login_meet(l);
		return l->dropped ? LOGIN_DROP : LOGIN_MORE;
	case PROXY_BAD:
		break;
	case PROXY_NONE:
		err_set(e, "08P01", "PROXY protocol header expected");
		err_log(e, "this address is in proxy_protocol_networks");
		break;
	}
	return LOGIN_FAILED;
}

bool
login_refuse_header(struct span in, struct err *e)
{
	if (in.n < SURELY || !proxy_looks_like(in))
		return false;
	err_set(e, "08P01", "PROXY protocol header is not allowed from here");
	err_log(e, "if this is a load balancer of yours, list it in "
	    "proxy_protocol_networks");
	return true;
}
