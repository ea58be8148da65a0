/*
 * tls_set: the two TLS contexts of a configuration, towards clients and towards
 * servers. All databases share the second, so 500 of them that verify their
 * servers cost one set of authorities.
 *
 * Immutable and counted; it hangs from the snapshot it was made for and goes
 * with it.
 */
#ifndef POOLING_TLS_SET_H
#define POOLING_TLS_SET_H

#include "base/err.h"
#include "io/tls.h"
#include "policy/config.h"

struct tls_set {
	_Atomic int refs;
	struct tls_ctx *client; /* NULL: no TLS towards clients */
	struct tls_ctx *server; /* NULL: servers are not asked for it */
};

/* Reads the files that cfg names and hangs the contexts to it, before anybody
 * else sees it. running: the snapshot in use, or NULL; what has not changed is
 * shared with it. False with an error. Thread: main. */
bool tls_set_load(struct config *cfg, const struct config *running,
    struct err *e);
/* NULL without TLS, or when nothing was loaded. */
struct tls_ctx *tls_set_client(const struct config *cfg);
struct tls_ctx *tls_set_server(const struct config *cfg);

#endif
