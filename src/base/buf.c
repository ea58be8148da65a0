#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define BUF_FIRST 64 /* the smallest block worth a malloc */

void
buf_init(struct buf *b)
{
	*b = (struct buf){ 0 };
}

void
buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

void
buf_wipe_free(struct buf *b)
{
	wipe(b->data, b->cap);
	buf_free(b);
}

void
buf_reset(struct buf *b)
{
	b->start = b->end = 0;
}

/* Moves the bytes to the front of the block. */
static void
compact(struct buf *b)
{
	size_t len = buf_len(b);

	if (b->start == 0)
		return;
	memmove(b->data, b->data + b->start, len);
	b->start = 0;
	b->end = len;
}

bool
buf_try_reserve(struct buf *b, size_t n)
{
	size_t len = buf_len(b);
	size_t cap = b->cap;
	uint8_t *data;

	if (n <= cap - b->end)
		return true;
	/* Moving is cheaper than growing, but only while what is moved is
	 * less than what was eaten; else many small reads cost a square. */
	if (n <= cap - len && b->start >= len) {
		compact(b);
		return true;
	}
	if (n > SIZE_MAX / 2 - len)
		return false;
	if (cap < BUF_FIRST / 2)
		cap = BUF_FIRST / 2;
	cap = cap > SIZE_MAX / 2 ? SIZE_MAX / 2 : cap * 2;
	if (cap < len + n)
		cap = len + n;
	if (b->data != NULL)
		compact(b);
	data = try_realloc(b->data, cap);
	if (data == NULL)
		return false;
	b->data = data;
	b->cap = cap;
	return true;
}

uint8_t *
buf_reserve(struct buf *b, size_t n)
{
	if (!buf_try_reserve(b, n)) {
		/* Not a peer's size: the machine is out of memory. */
		fprintf(stderr, "pooler: out of memory (%zu bytes)\n", n);
		abort();
	}
	/* Nothing reserved in an empty buf leaves it without memory. */
	return b->data != NULL ? b->data + b->end : NULL;
}

void
buf_append(struct buf *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	memcpy(buf_reserve(b, n), p, n);
	b->end += n;
}

bool
buf_try_append(struct buf *b, const void *p, size_t n)
{
	if (n == 0)
		return true;
	if (!buf_try_reserve(b, n))
		return false;
	memcpy(b->data + b->end, p, n);
	b->end += n;
	return true;
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	size_t room = b->cap - b->end;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room > 0 ? (char *)b->data + b->end : NULL, room, fmt,
	    ap);
	va_end(ap);
	if (n <= 0)
		return;
	if ((size_t)n >= room) {
		/* One more than it keeps, for the NUL. */
		uint8_t *at = buf_reserve(b, (size_t)n + 1);

		va_start(ap, fmt);
		vsnprintf((char *)at, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	b->end += (size_t)n;
}

void
buf_consume(struct buf *b, size_t n)
{
	b->start += n;
	if (b->start == b->end)
		b->start = b->end = 0;
}
