/*
 * wire: the grammar below all messages of the PostgreSQL protocol 3
 * (Message Formats and Message Data Types, chapters 55.6 and 55.7).
 *
 * - reader: takes fields off a span. It is sticky: the first field that does
 *   not fit makes it bad, and from then on it gives zeros and empty strings,
 *   so a decoder is a straight list of reads and one reader_done(). A length
 *   is compared with what is left, never added to a position first.
 * - writer: puts one message at the end of a buf and patches its length.
 * - wire_frame(): tells where the next typed message ends.
 *
 * Pure: no socket, clock, log or global. Spans borrow from the input.
 */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H

#include "base/base.h"
#include "base/buf.h"

struct reader {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;
};

void reader_init(struct reader *r, struct span bytes);
size_t reader_left(const struct reader *r);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
int32_t reader_i32(struct reader *r);
struct span reader_bytes(struct reader *r, size_t n);
/* Up to, not including, a NUL that must come; never NULL ("" when bad). */
const char *reader_cstr(struct reader *r);
/* True when nothing was bad and nothing is left. */
bool reader_done(const struct reader *r);

/* A message under construction; more may follow in the same buf. */
struct writer {
	struct buf *out;
	size_t mark; /* offset of the length word from out->start */
};

/* type 0: a message without type byte (startup, cancel). */
void writer_begin(struct writer *w, struct buf *out, uint8_t type);
void writer_u8(struct writer *w, uint8_t v);
void writer_u16(struct writer *w, uint16_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_bytes(struct writer *w, const void *p, size_t n);
/* The string and its NUL. */
void writer_cstr(struct writer *w, const char *s);
void writer_end(struct writer *w);

#define WIRE_HEAD 5 /* type byte and length word */

enum frame {
	FRAME_MORE, /* fewer than WIRE_HEAD bytes are here */
	FRAME_WHOLE, /* the message is here to its last byte */
	FRAME_PART, /* the head is here, the body not all */
	FRAME_BAD, /* length below 4 or above max */
};

struct frame_info {
	uint8_t type;
	uint32_t size; /* of the whole message: 1 + length word */
};

/* Looks at avail bytes at p. max bounds the length word. */
static inline enum frame
wire_frame(const uint8_t *p, size_t avail, uint32_t max, struct frame_info *f)
{
	uint32_t len;

	if (avail < WIRE_HEAD)
		return FRAME_MORE;
	len = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 8 | p[4];
	f->type = p[0];
	if (UNLIKELY(len < 4 || len > max || len > INT32_MAX))
		return FRAME_BAD;
	f->size = len + 1;
	return f->size <= avail ? FRAME_WHOLE : FRAME_PART;
}

#endif
