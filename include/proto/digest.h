/*
 * digest: the hash functions that logins need, on OpenSSL's libcrypto.
 *
 * Algorithms are fetched once per process; fetching them for each login is
 * what makes OpenSSL 3 slow. All false returns mean that libcrypto refuses
 * (MD5 in FIPS mode, memory); the output is then all zero and must not be
 * compared with anything.
 *
 * Pure, any thread.
 */
#ifndef PROTO_DIGEST_H
#define PROTO_DIGEST_H

#include "base/base.h"

#define SHA256_LEN 32
#define MD5_LEN 16

bool digest_sha256(struct span in, uint8_t out[SHA256_LEN]);
bool digest_md5(struct span a, struct span b, uint8_t out[MD5_LEN]);
bool digest_hmac_sha256(struct span key, struct span in,
    uint8_t out[SHA256_LEN]);
/* PBKDF2 with HMAC-SHA-256: RFC 5802's Hi(). iterations is at least 1. */
bool digest_pbkdf2(struct span password, struct span salt,
    uint32_t iterations, uint8_t out[SHA256_LEN]);
/* Compares in constant time. */
bool digest_same(const void *a, const void *b, size_t n);

#endif
