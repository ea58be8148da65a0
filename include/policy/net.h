/*
 * net: an IP network, as HBA rules and proxy_protocol_networks name it.
 *
 * An IPv4 address that comes dressed as IPv6 (::ffff:10.0.0.7, as a socket
 * that takes both sees it) is the IPv4 address: a rule must not be got round
 * by the way a client dials. A network with bits outside its mask is refused;
 * PgBouncer would never match it, PostgreSQL would match more than is written.
 *
 * Pure.
 */
#ifndef POLICY_NET_H
#define POLICY_NET_H

#include "base/base.h"
#include "base/err.h"

/* An address without its port. */
struct ip {
	uint8_t family; /* 4 or 6; 0 = none (a Unix socket) */
	uint8_t bytes[16]; /* network order; IPv4 uses the first 4 */
};

/* From 4 or 16 bytes; n of any other size gives none. */
struct ip ip_of(const uint8_t *bytes, size_t n);
/* A numeric address; false for anything else. */
bool ip_parse(struct ip *ip, struct span text);
bool ip_eq(const struct ip *a, const struct ip *b);

struct net {
	struct ip ip;
	uint8_t bits;
};

/* "10.0.0.0/8", "fd00::/8", or a single address. The error names the text. */
bool net_parse(struct net *n, struct span text, struct err *e);
/* The same with the mask apart: "10.0.0.0" "255.0.0.0". */
bool net_parse_mask(struct net *n, struct span address, struct span mask,
    struct err *e);
bool net_has(const struct net *n, const struct ip *ip);
/* "10.0.0.0/8". */
#define NET_TEXT 64
void net_text(const struct net *n, char out[NET_TEXT]);

#endif
