/* Bytes from several places in one write. */
#include "io/gather.h"

#include <string.h>

/* More memory than this is not held on to. */
#define SCRATCH_SPARE (64 * 1024)

void
gather_free(struct gather *g)
{
	buf_free(&g->scratch);
}

void
gather_begin(struct gather *g, struct stream *to)
{
	g->to = to;
	g->spilt = false;
	/* What a broken stream was to get. */
	if (UNLIKELY(g->n > 0)) {
		g->n = 0;
		buf_reset(&g->scratch);
	}
}

static void
spill(struct gather *g)
{
	gather_send(g);
	g->spilt = true;
}

static void
add(struct gather *g, void *base, size_t n, bool own)
{
	if (g->n == GATHER_MAX)
		spill(g);
	g->v[g->n].iov_base = base;
	g->v[g->n].iov_len = n;
	g->own[g->n] = own;
	g->n++;
}

void
gather_borrow(struct gather *g, const void *p, size_t n)
{
	if (n > 0)
		add(g, (void *)(uintptr_t)p, n, false);
}

struct buf *
gather_open(struct gather *g)
{
	/* Not between open and close: it would send, and forget, the piece. */
	if (g->n == GATHER_MAX)
		spill(g);
	g->mark = buf_len(&g->scratch);
	return &g->scratch;
}

void
gather_close(struct gather *g)
{
	size_t n = buf_len(&g->scratch) - g->mark;

	if (n == 0)
		return;
	if (g->n > 0 && g->own[g->n - 1])
		g->v[g->n - 1].iov_len += n;
	else
		add(g, (void *)(uintptr_t)g->mark, n, true);
}

/* Room for n more bytes, within max. */
static bool
widen(struct buf *b, size_t n, size_t max)
{
	size_t len = buf_len(b);

	return len <= max && n <= max - len && buf_try_reserve(b, n);
}

bool
gather_copy(const struct gather *g, struct buf *b, size_t max)
{
	const struct iovec *v, *end = g->v + g->n;
	const bool *own = g->own;

	for (v = g->v; v < end; v++) {
		const uint8_t *p = v->iov_base;

		if (*own++)
			p = buf_head(&g->scratch) + (uintptr_t)p;
		if (UNLIKELY(v->iov_len > b->cap - b->end) &&
		    !widen(b, v->iov_len, max))
			return false;
		memcpy(b->data + b->end, p, v->iov_len);
		b->end += v->iov_len;
	}
	return !g->spilt;
}

void
gather_send(struct gather *g)
{
	int i;

	for (i = 0; i < g->n; i++)
		if (g->own[i])
			g->v[i].iov_base = (void *)(uintptr_t)
			    (buf_head(&g->scratch) +
				(uintptr_t)g->v[i].iov_base);
	if (g->n == 1)
		stream_write(g->to, g->v[0].iov_base, g->v[0].iov_len);
	else if (g->n > 1)
		stream_writev(g->to, g->v, g->n);
	g->n = 0;
	if (UNLIKELY(g->scratch.cap > SCRATCH_SPARE))
		buf_free(&g->scratch);
	else
		buf_reset(&g->scratch);
}
