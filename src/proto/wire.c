#include <assert.h>
#include <string.h>

#include "proto/wire.h"

void
reader_init(struct reader *r, struct span bytes)
{
	static const uint8_t none[1];

	/* An empty span may be NULL, on which arithmetic is not defined. */
	r->p = bytes.p != NULL ? bytes.p : none;
	r->end = r->p + (bytes.p != NULL ? bytes.n : 0);
	r->bad = false;
}

size_t
reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->p);
}

/* The next n bytes, or NULL from the first time that they are not there. */
static const uint8_t *
take(struct reader *r, size_t n)
{
	const uint8_t *p = r->p;

	if (UNLIKELY(r->bad || n > reader_left(r))) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return p;
}

uint8_t
reader_u8(struct reader *r)
{
	const uint8_t *p = take(r, 1);

	return p != NULL ? p[0] : 0;
}

uint16_t
reader_u16(struct reader *r)
{
	const uint8_t *p = take(r, 2);

	return p != NULL ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

uint32_t
reader_u32(struct reader *r)
{
	const uint8_t *p = take(r, 4);

	return p != NULL ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3] : 0;
}

int32_t
reader_i32(struct reader *r)
{
	return (int32_t)reader_u32(r);
}

struct span
reader_bytes(struct reader *r, size_t n)
{
	const uint8_t *p = take(r, n);

	return p != NULL ? SPAN(p, n) : SPAN(NULL, 0);
}

const char *
reader_cstr(struct reader *r)
{
	const uint8_t *p = r->p;
	const uint8_t *nul;

	nul = r->bad ? NULL : memchr(p, '\0', reader_left(r));
	if (nul == NULL) {
		r->bad = true;
		return "";
	}
	r->p = nul + 1;
	return (const char *)p;
}

bool
reader_done(const struct reader *r)
{
	return !r->bad && r->p == r->end;
}

void
writer_begin(struct writer *w, struct buf *out, uint8_t type)
{
	w->out = out;
	if (type != 0)
		writer_u8(w, type);
	w->mark = buf_len(out);
	writer_u32(w, 0);
}

void
writer_u8(struct writer *w, uint8_t v)
{
	buf_append(w->out, &v, 1);
}

void
writer_u16(struct writer *w, uint16_t v)
{
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	buf_append(w->out, b, sizeof(b));
}

static void
put_u32(uint8_t *b, uint32_t v)
{
	b[0] = (uint8_t)(v >> 24);
	b[1] = (uint8_t)(v >> 16);
	b[2] = (uint8_t)(v >> 8);
	b[3] = (uint8_t)v;
}

void
writer_u32(struct writer *w, uint32_t v)
{
	uint8_t b[4];

	put_u32(b, v);
	buf_append(w->out, b, sizeof(b));
}

void
writer_bytes(struct writer *w, const void *p, size_t n)
{
	buf_append(w->out, p, n);
}

void
writer_cstr(struct writer *w, const char *s)
{
	buf_append(w->out, s, strlen(s) + 1);
}

void
writer_end(struct writer *w)
{
	size_t n = buf_len(w->out) - w->mark;

	/* We never make one that large; a wrapped length would make the
	 * receiver take data for messages. */
	assert(n <= INT32_MAX);
	put_u32(w->out->data + w->out->start + w->mark, (uint32_t)n);
}
