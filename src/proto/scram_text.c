/* What SCRAM's messages are made of. */
#include <string.h>

#include "proto/base64.h"
#include "scram_impl.h"

#define NONCE_RAW 18 /* random bytes */

void
scram_attrs_init(struct scram_attrs *a, struct span text)
{
	a->rest = text;
	a->more = true;
}

uint8_t
scram_attrs_next(struct scram_attrs *a, struct span *value)
{
	const uint8_t *p = a->rest.p;
	const uint8_t *comma;
	size_t n;

	if (!a->more || a->rest.n < 2 || p[1] != '=' ||
	    !((p[0] >= 'a' && p[0] <= 'z') || (p[0] >= 'A' && p[0] <= 'Z')))
		return 0;
	comma = memchr(p, ',', a->rest.n);
	n = comma != NULL ? (size_t)(comma - p) : a->rest.n;
	*value = SPAN(p + 2, n - 2);
	a->more = comma != NULL;
	a->rest = comma != NULL ? SPAN(comma + 1, a->rest.n - n - 1) :
	    SPAN(NULL, 0);
	return p[0];
}

bool
scram_attrs_skip_rest(struct scram_attrs *a)
{
	struct span value;

	while (a->more)
		if (scram_attrs_next(a, &value) == 0)
			return false;
	return true;
}

bool
scram_iterations(struct span text, uint32_t max, uint32_t *out)
{
	uint64_t v = 0;
	size_t i;

	if (text.n == 0 || text.n > 10 || text.p[0] == '0')
		return false;
	for (i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		v = v * 10 + (text.p[i] - '0');
	}
	*out = (uint32_t)v;
	return v >= 1 && v <= max;
}

bool
scram_nonce_is_plain(struct span nonce)
{
	size_t i;

	for (i = 0; i < nonce.n; i++)
		if (nonce.p[i] < 0x21 || nonce.p[i] > 0x7e ||
		    nonce.p[i] == ',')
			return false;
	return nonce.n > 0;
}

void
scram_put_nonce(struct buf *out)
{
	uint8_t raw[NONCE_RAW];

	random_bytes(raw, sizeof(raw));
	base64_encode(out, raw, sizeof(raw));
}

bool
scram_decode_key(struct span text, uint8_t key[SCRAM_KEY])
{
	struct buf raw = { 0 };
	bool ok = base64_decode(&raw, text) && buf_len(&raw) == SCRAM_KEY;

	if (ok)
		memcpy(key, buf_head(&raw), SCRAM_KEY);
	buf_wipe_free(&raw);
	return ok;
}

/* The flag as it opens the first message, up to the authorization identity,
 * which is empty. */
void
scram_put_gs2(struct buf *out, uint8_t flag)
{
	if (flag == 'p')
		buf_append(out, "p=" SCRAM_BINDING ",,",
		    sizeof("p=" SCRAM_BINDING ",,") - 1);
	else
		buf_append(out, flag == 'y' ? "y,," : "n,,", 3);
}

void
scram_put_binding(struct buf *out, uint8_t flag,
    const struct scram_binding *b)
{
	struct buf raw = { 0 };

	scram_put_gs2(&raw, flag);
	if (flag == 'p')
		buf_append(&raw, b->hash, b->n);
	base64_encode(out, buf_head(&raw), buf_len(&raw));
	buf_free(&raw);
}

void
scram_binding_set(struct scram_binding *b, struct span end_point)
{
	b->n = end_point.n <= sizeof(b->hash) ? end_point.n : 0;
	if (b->n > 0)
		memcpy(b->hash, end_point.p, b->n);
}
