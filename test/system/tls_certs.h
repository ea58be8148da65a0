/*
 * tls_certs: authorities, certificates and keys for tests, made with openssl in
 * fx_dir()/tls once per program, and PostgreSQL with ssl on.
 */
#ifndef TEST_SYSTEM_TLS_CERTS_H
#define TEST_SYSTEM_TLS_CERTS_H

#include <stdbool.h>

/*
 * NAME.crt and NAME.key: ca, other (authorities); server (localhost and
 * 127.0.0.1); wrong (of ca, for another host); alice, bob, stale (expired),
 * gone (in ca.crl), foreign (of other), long (CN alice, behind 50 others of
 * ca), nul (CN "alice\0.evil").
 */
void certs_make(void);
/* PostgreSQL speaks TLS with server.crt and knows clients of ca. */
void certs_postgres(bool on);

#endif
