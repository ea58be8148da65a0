/*
 * proxy: the header by which a load balancer says whose connection it passes
 * on: PROXY protocol, version 1 (a line of text) and 2 (binary), as HAProxy's
 * proxy-protocol.txt has them.
 *
 * Whether a header is believed is not decided here: anybody can send one.
 *
 * Refused: a version 1 line that is not exact in every byte, or longer than
 * the 107 bytes that there can be; in version 2 an unknown command, a datagram,
 * lengths that do not fit, TLVs that do not end where the header ends, a
 * checksum (CRC32c) that is wrong, and more than PROXY_MAX bytes.
 *
 * Pure.
 */
#ifndef PROTO_PROXY_H
#define PROTO_PROXY_H

#include "base/base.h"
#include "base/err.h"

#define PROXY_MAX 4096 /* longest header that is taken */

enum proxy_kind {
	PROXY_MORE, /* what is there may become a header: need more bytes */
	PROXY_NONE, /* no header begins like this */
	PROXY_BAD, /* it begins like one and goes wrong; the error is set */
	/* The address is the one who sends it: a health check of the balancer,
	 * or one it has no address for. */
	PROXY_LOCAL,
	PROXY_CLIENT, /* the address is in the header */
};

struct proxy_header {
	size_t size; /* bytes it takes */
	uint8_t ip_len; /* 4 or 16 */
	uint8_t ip[16]; /* the client's */
	uint16_t port;
};

/* The first bytes of a connection; any number of them may be there. */
enum proxy_kind proxy_decode(struct span bytes, struct proxy_header *h,
    struct err *e);
/* Do these bytes begin as a header does, as far as they go? At least one must
 * be there. */
bool proxy_looks_like(struct span bytes);

#endif
