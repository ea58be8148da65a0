#include "proto/base64.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(struct buf *out, const void *p, size_t n)
{
	const uint8_t *in = p;
	size_t i;

	for (i = 0; i < n; i += 3) {
		size_t left = n - i;
		uint32_t v = (uint32_t)in[i] << 16 |
		    (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
		    (left > 2 ? in[i + 2] : 0);
		char four[4] = {
			alphabet[v >> 18],
			alphabet[v >> 12 & 63],
			left > 1 ? alphabet[v >> 6 & 63] : '=',
			left > 2 ? alphabet[v & 63] : '=',
		};

		buf_append(out, four, sizeof(four));
	}
}

static int
digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters give 1 to 3 bytes; 0 when they are none of ours. */
static size_t
decode_four(const uint8_t *four, bool last, uint8_t three[3])
{
	size_t pad = 0, i;
	uint32_t v = 0;

	if (last && four[3] == '=')
		pad = four[2] == '=' ? 2 : 1;
	for (i = 0; i < 4 - pad; i++) {
		int d = digit(four[i]);

		if (d < 0)
			return 0;
		v |= (uint32_t)d << (18 - 6 * i);
	}
	/* Bits that the padding leaves over must be zero. */
	if ((pad == 2 && (v & 0xffff) != 0) || (pad == 1 && (v & 0xff) != 0))
		return 0;
	three[0] = (uint8_t)(v >> 16);
	three[1] = (uint8_t)(v >> 8);
	three[2] = (uint8_t)v;
	return 3 - pad;
}

bool
base64_decode(struct buf *out, struct span text)
{
	size_t before = buf_len(out), i;

	if (text.n % 4 != 0)
		return false;
	for (i = 0; i < text.n; i += 4) {
		uint8_t three[3];
		size_t n = decode_four(text.p + i, i + 4 == text.n, three);

		if (n == 0) {
			out->end = out->start + before;
			return false;
		}
		buf_append(out, three, n);
	}
	return true;
}
