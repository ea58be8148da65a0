/*
 * base64: the alphabet of RFC 4648 section 4, as SCRAM uses it: padded, no
 * white space, one spelling only for each run of bytes.
 *
 * Pure.
 */
#ifndef PROTO_BASE64_H
#define PROTO_BASE64_H

#include "base/base.h"
#include "base/buf.h"

void base64_encode(struct buf *out, const void *p, size_t n);
/* False, with out as it was, for anything that base64_encode() would not have
 * made. Nothing decodes to nothing. */
bool base64_decode(struct buf *out, struct span text);

#endif
