#include "policy/net.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static unsigned
width(const struct ip *ip)
{
	return ip->family == 4 ? 32 : 128;
}

struct ip
ip_of(const uint8_t *bytes, size_t n)
{
	struct ip ip = { 0 };

	if (n == 16 && memcmp(bytes, mapped, sizeof(mapped)) == 0) {
		bytes += sizeof(mapped);
		n = 4;
	}
	if (n != 4 && n != 16)
		return ip;
	ip.family = n == 4 ? 4 : 6;
	memcpy(ip.bytes, bytes, n);
	return ip;
}

/* As it stands there, mapped or not. */
static bool
parse_raw(struct ip *ip, struct span text)
{
	char s[INET6_ADDRSTRLEN];

	*ip = (struct ip){ 0 };
	if (text.n == 0 || text.n >= sizeof(s) || memchr(text.p, 0, text.n))
		return false;
	memcpy(s, text.p, text.n);
	s[text.n] = '\0';
	if (inet_pton(AF_INET, s, ip->bytes) == 1)
		ip->family = 4;
	else if (inet_pton(AF_INET6, s, ip->bytes) == 1)
		ip->family = 6;
	return ip->family != 0;
}

bool
ip_parse(struct ip *ip, struct span text)
{
	struct ip raw;

	if (!parse_raw(&raw, text))
		return false;
	*ip = ip_of(raw.bytes, raw.family == 4 ? 4 : 16);
	return true;
}

bool
ip_eq(const struct ip *a, const struct ip *b)
{
	return a->family == b->family &&
	    memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* The bits of byte i that a mask of so many bits covers. */
static uint8_t
mask_byte(unsigned bits, unsigned i)
{
	if (bits >= 8 * (i + 1))
		return 0xff;
	return bits <= 8 * i ? 0 : (uint8_t)(0xff00u >> (bits - 8 * i));
}

static bool
finish(struct net *n, const struct ip *raw, unsigned bits, struct span text,
    struct err *e)
{
	struct net masked = { .ip = *raw, .bits = (uint8_t)bits };
	bool stray = false;
	char right[NET_TEXT];

	for (unsigned i = 0; i < width(raw) / 8; i++) {
		masked.ip.bytes[i] &= mask_byte(bits, i);
		stray = stray || masked.ip.bytes[i] != raw->bytes[i];
	}
	if (stray) {
		net_text(&masked, right);
		err_set(e, "F0000", "address \"%.*s\" has bits outside its "
		    "mask", (int)text.n, (const char *)text.p);
		err_hint(e, "write \"%s\" for the network, or leave the mask "
		    "off for the one address", right);
		return false;
	}
	*n = masked;
	/* ::ffff:10.0.0.0/104 is 10.0.0.0/8; with fewer bits it is more than
	 * the IPv4 addresses, and stays what it is. */
	if (raw->family == 6 && bits >= 96 &&
	    memcmp(raw->bytes, mapped, sizeof(mapped)) == 0) {
		n->ip = ip_of(masked.ip.bytes, 16);
		n->bits = (uint8_t)(bits - 96);
	}
	return true;
}

static bool
bad_address(struct span text, struct err *e)
{
	return err_set(e, "F0000", "bad IP address \"%.*s\"",
	    (int)(text.n < 80 ? text.n : 80), (const char *)text.p);
}

/* One to three digits and nothing else. */
static bool
parse_bits(struct span text, unsigned most, unsigned *bits)
{
	*bits = 0;
	if (text.n == 0 || text.n > 3)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		*bits = 10 * *bits + (unsigned)(text.p[i] - '0');
	}
	return *bits <= most;
}

bool
net_parse(struct net *n, struct span text, struct err *e)
{
	const uint8_t *slash = text.n > 0 ? memchr(text.p, '/', text.n) : NULL;
	size_t head = slash ? (size_t)(slash - text.p) : text.n;
	struct ip raw;
	unsigned bits;

	if (text.n > 80 || !parse_raw(&raw, SPAN(text.p, head)))
		return bad_address(text, e);
	bits = width(&raw);
	if (slash && !parse_bits(SPAN(slash + 1, text.n - head - 1),
	    width(&raw), &bits))
		return err_set(e, "F0000", "bad mask in \"%.*s\": expected a "
		    "number of bits from 0 to %u", (int)text.n,
		    (const char *)text.p, width(&raw));
	return finish(n, &raw, bits, text, e);
}

bool
net_parse_mask(struct net *n, struct span address, struct span mask,
    struct err *e)
{
	struct ip raw, m;
	unsigned bits = 0;

	if (!parse_raw(&raw, address))
		return bad_address(address, e);
	if (!parse_raw(&m, mask) || m.family != raw.family)
		return err_set(e, "F0000", "bad mask \"%.*s\" of address "
		    "\"%.*s\"", (int)(mask.n < 80 ? mask.n : 80),
		    (const char *)mask.p, (int)address.n,
		    (const char *)address.p);
	while (bits < width(&m) &&
	    (m.bytes[bits / 8] & (0x80u >> (bits % 8))) != 0)
		bits++;
	for (unsigned i = 0; i < width(&m) / 8; i++)
		if (m.bytes[i] != mask_byte(bits, i))
			return err_set(e, "F0000", "mask \"%.*s\" is not a "
			    "run of ones followed by zeros", (int)mask.n,
			    (const char *)mask.p);
	return finish(n, &raw, bits, address, e);
}

bool
net_has(const struct net *n, const struct ip *ip)
{
	if (n->ip.family != ip->family || ip->family == 0)
		return false;
	for (unsigned i = 0; i < width(ip) / 8; i++)
		if ((ip->bytes[i] & mask_byte(n->bits, i)) != n->ip.bytes[i])
			return false;
	return true;
}

void
net_text(const struct net *n, char out[NET_TEXT])
{
	char s[INET6_ADDRSTRLEN];

	if (n->ip.family == 0 || !inet_ntop(n->ip.family == 4 ? AF_INET :
	    AF_INET6, n->ip.bytes, s, sizeof(s)))
		copy_str(s, sizeof(s), "?");
	snprintf(out, NET_TEXT, "%s/%u", s, n->bits);
}
