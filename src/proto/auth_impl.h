/*
 * What the files of auth share: auth.c (secrets), auth_server.c (clients prove
 * themselves to us), auth_client.c (we prove ourselves to servers).
 */
#ifndef PROTO_AUTH_IMPL_H
#define PROTO_AUTH_IMPL_H

#include "proto/auth.h"
#include "proto/digest.h"

/* Authentication requests, 55.7. */
#define AUTH_CODE_OK 0
#define AUTH_CODE_CLEARTEXT 3
#define AUTH_CODE_MD5 5
#define AUTH_CODE_SASL 10
#define AUTH_CODE_SASL_CONTINUE 11
#define AUTH_CODE_SASL_FINAL 12

#define AUTH_MD5_SALT 4

/* What is sent for an md5 secret and a salt. */
bool auth_md5_response(const char *secret, const uint8_t salt[AUTH_MD5_SALT],
    char out[36]);

#endif
