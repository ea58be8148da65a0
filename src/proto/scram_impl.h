/*
 * What the files of scram share: scram.c (keys and verifiers), scram_text.c
 * (what messages are made of), scram_server.c (clients prove themselves to us),
 * scram_client.c (we prove ourselves to servers).
 */
#ifndef PROTO_SCRAM_IMPL_H
#define PROTO_SCRAM_IMPL_H

#include "proto/scram.h"

#define KEY_SPAN(key) SPAN(key, SCRAM_KEY)

#define SCRAM_NONCE 24 /* characters of our half */
#define SCRAM_BINDING "tls-server-end-point"

enum scram_state { WANTS_FIRST, WANTS_FINAL, IS_OVER };

/* Attributes: "a=value,b=value". */
struct scram_attrs {
	struct span rest;
	bool more;
};

void scram_attrs_init(struct scram_attrs *a, struct span text);
/* The letter of the next attribute, or 0 when there is none or it is no
 * attribute. */
uint8_t scram_attrs_next(struct scram_attrs *a, struct span *value);
/* The rest are extensions, which need to be well formed and no more. */
bool scram_attrs_skip_rest(struct scram_attrs *a);
/* 1 to max, without sign, blanks or leading zeros. */
bool scram_iterations(struct span text, uint32_t max, uint32_t *out);
bool scram_nonce_is_plain(struct span nonce);
void scram_put_nonce(struct buf *out);
bool scram_decode_key(struct span text, uint8_t key[SCRAM_KEY]);

/* Channel binding: the flag is n (not supported), y (supported, but the other
 * side has not offered it) or p (used). */
struct scram_binding {
	uint8_t hash[SCRAM_BINDING_MAX];
	size_t n; /* 0: there is none */
};
void scram_binding_set(struct scram_binding *b, struct span end_point);
/* "p=tls-server-end-point,,": what the first message begins with. */
void scram_put_gs2(struct buf *out, uint8_t flag);
/* The value of the final message's "c". */
void scram_put_binding(struct buf *out, uint8_t flag,
    const struct scram_binding *b);

static inline void
scram_put(struct buf *out, struct span s)
{
	buf_append(out, s.p, s.n);
}

#endif
