#include "proto/proxy.h"

#include <arpa/inet.h>
#include <string.h>

#define V1_MAX 107 /* with its CRLF */
#define V2_HEAD 16
#define TLV_HEAD 3
#define TLV_CRC32C 0x03

static const char v1_start[6] = "PROXY ";
static const uint8_t v2_start[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a,
	0x51, 0x55, 0x49, 0x54, 0x0a };

static bool
begins(struct span bytes, const void *start, size_t n)
{
	return bytes.n > 0 &&
	    memcmp(bytes.p, start, bytes.n < n ? bytes.n : n) == 0;
}

bool
proxy_looks_like(struct span bytes)
{
	return begins(bytes, v1_start, sizeof(v1_start)) ||
	    begins(bytes, v2_start, sizeof(v2_start));
}

static enum proxy_kind
bad(struct err *e, const char *what)
{
	err_set(e, "08P01", "bad PROXY protocol header: %s", what);
	return PROXY_BAD;
}

/* ---- version 1 ---- */

/* The bytes up to the next blank, or the end of the line, which is taken too;
 * none if there is no such blank. */
static struct span
next_word(struct span *line)
{
	const uint8_t *p = line->n > 0 ? memchr(line->p, ' ', line->n) : NULL;
	size_t n = p != NULL ? (size_t)(p - line->p) : line->n;
	struct span word = SPAN(line->p, n);

	line->p += p != NULL ? n + 1 : n;
	line->n -= p != NULL ? n + 1 : n;
	return word;
}

static bool
parse_ip(struct span word, int family, uint8_t out[16])
{
	char text[INET6_ADDRSTRLEN];

	if (word.n == 0 || word.n >= sizeof(text) ||
	    memchr(word.p, '\0', word.n) != NULL)
		return false;
	memcpy(text, word.p, word.n);
	text[word.n] = '\0';
	return inet_pton(family, text, out) == 1;
}

/* No sign, no zero in front. */
static bool
parse_port(struct span word, uint16_t *port)
{
	uint32_t n = 0;

	if (word.n == 0 || word.n > 5 || (word.n > 1 && word.p[0] == '0'))
		return false;
	for (size_t i = 0; i < word.n; i++) {
		if (word.p[i] < '0' || word.p[i] > '9')
			return false;
		n = 10 * n + (uint32_t)(word.p[i] - '0');
	}
	*port = (uint16_t)n;
	return n <= UINT16_MAX;
}

static enum proxy_kind
decode_line(struct span line, struct proxy_header *h, struct err *e)
{
	struct span word = next_word(&line);
	uint8_t other[16];
	uint16_t other_port;
	int family;

	/* What stands behind UNKNOWN is to be ignored. */
	if (span_is(word, "UNKNOWN"))
		return PROXY_LOCAL;
	if (!span_is(word, "TCP4") && !span_is(word, "TCP6"))
		return bad(e, "unknown protocol");
	if (line.n == 0 || line.p[line.n - 1] == ' ')
		return bad(e, "bad port");
	family = word.p[3] == '4' ? AF_INET : AF_INET6;
	h->ip_len = family == AF_INET ? 4 : 16;
	if (!parse_ip(next_word(&line), family, h->ip) ||
	    !parse_ip(next_word(&line), family, other))
		return bad(e, "bad address");
	if (!parse_port(next_word(&line), &h->port) ||
	    !parse_port(next_word(&line), &other_port) || line.n > 0)
		return bad(e, "bad port");
	return PROXY_CLIENT;
}

static enum proxy_kind
decode_v1(struct span bytes, struct proxy_header *h, struct err *e)
{
	size_t n = bytes.n < V1_MAX ? bytes.n : V1_MAX;
	const uint8_t *lf = memchr(bytes.p, '\n', n);

	if (lf == NULL)
		return bytes.n < V1_MAX ? PROXY_MORE :
		    bad(e, "line without its end");
	h->size = (size_t)(lf - bytes.p) + 1;
	if (lf[-1] != '\r')
		return bad(e, "line ends without CR");
	return decode_line(SPAN(bytes.p + sizeof(v1_start),
	    h->size - sizeof(v1_start) - 2), h, e);
}

/* ---- version 2 ---- */

/* Castagnoli's, bit by bit: a header is short, and comes once. The four bytes
 * at `hole` count as zeros. */
static uint32_t
crc32c(struct span s, const uint8_t *hole)
{
	uint32_t crc = 0xffffffffu;

	for (const uint8_t *p = s.p; p < s.p + s.n; p++) {
		bool in_hole = p >= hole && p < hole + 4;

		crc ^= in_hole ? 0 : *p;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (0x82f63b78u & -(crc & 1));
	}
	return ~crc;
}

static size_t
get16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

/* Type, length and value, one behind the other to the end. */
static bool
check_tlvs(struct span header, struct span tlvs)
{
	while (tlvs.n > 0) {
		const uint8_t *value;
		size_t n;

		if (tlvs.n < TLV_HEAD)
			return false;
		n = get16(tlvs.p + 1);
		if (n > tlvs.n - TLV_HEAD)
			return false;
		value = tlvs.p + TLV_HEAD;
		if (tlvs.p[0] == TLV_CRC32C && (n != 4 ||
		    crc32c(header, value) != ((uint32_t)get16(value) << 16 |
		    (uint32_t)get16(value + 2))))
			return false;
		tlvs.p += TLV_HEAD + n;
		tlvs.n -= TLV_HEAD + n;
	}
	return true;
}

/* Bytes of both addresses and ports; SIZE_MAX for what cannot be here. */
static size_t
address_size(uint8_t family)
{
	switch (family) {
	case 0x00: /* unspecified */
		return 0;
	case 0x11: /* TCP over IPv4 */
		return 12;
	case 0x21: /* TCP over IPv6 */
		return 36;
	case 0x31: /* a Unix socket */
		return 216;
	default:
		return SIZE_MAX;
	}
}

static enum proxy_kind
decode_v2(struct span bytes, struct proxy_header *h, struct err *e)
{
	size_t body, need;

	if (bytes.n < V2_HEAD)
		return PROXY_MORE;
	if (bytes.p[12] != 0x20 && bytes.p[12] != 0x21)
		return bad(e, "unknown version or command");
	body = get16(bytes.p + 14);
	if (body > PROXY_MAX - V2_HEAD)
		return bad(e, "it is too long");
	if (bytes.n - V2_HEAD < body)
		return PROXY_MORE;
	h->size = V2_HEAD + body;
	/* LOCAL: whatever is in it does not count. */
	if (bytes.p[12] == 0x20)
		return PROXY_LOCAL;
	need = address_size(bytes.p[13]);
	if (need == SIZE_MAX)
		return bad(e, "unknown address family or protocol");
	if (body < need)
		return bad(e, "addresses are cut off");
	if (!check_tlvs(SPAN(bytes.p, h->size),
	    SPAN(bytes.p + V2_HEAD + need, body - need)))
		return bad(e, "bad TLV or checksum");
	if (need != 12 && need != 36)
		return PROXY_LOCAL;
	h->ip_len = need == 12 ? 4 : 16;
	memcpy(h->ip, bytes.p + V2_HEAD, h->ip_len);
	h->port = (uint16_t)get16(bytes.p + V2_HEAD + 2 * (size_t)h->ip_len);
	return PROXY_CLIENT;
}

enum proxy_kind
proxy_decode(struct span bytes, struct proxy_header *h, struct err *e)
{
	*h = (struct proxy_header){ 0 };
	if (bytes.n == 0)
		return PROXY_MORE;
	if (!proxy_looks_like(bytes))
		return PROXY_NONE;
	if (bytes.p[0] == (uint8_t)v1_start[0])
		return bytes.n < sizeof(v1_start) ? PROXY_MORE :
		    decode_v1(bytes, h, e);
	return decode_v2(bytes, h, e);
}
