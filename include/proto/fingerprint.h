/*
 * fingerprint: a number that tells statements apart by what they do, not by
 * their values: `SELECT * FROM t WHERE id = 7` and `select * from t where id=8`
 * have the same.
 *
 * Left out are white space, comments, and what stands in constants: strings of
 * every kind ('..', E'..', $tag$..$tag$), numbers, and parameters ($1) all count
 * as one sign; a list of nothing but such signs counts as one of them. Words
 * count in lower case, quoted names as they are. A string that does not end
 * counts as one that does, so that a text may be cut anywhere.
 *
 * It is a hash (FNV-1a) and cannot be turned back into text. Pure.
 */
#ifndef PROTO_FINGERPRINT_H
#define PROTO_FINGERPRINT_H

#include "base/base.h"

/* 0 for a text without a token. */
uint64_t sql_fingerprint(struct span text);

#endif
