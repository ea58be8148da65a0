/* The TLS contexts of a configuration. */
#include "pooling/tls_set.h"

#include <stdatomic.h>
#include <stdlib.h>

static void
set_unref(struct tls_set *set)
{
	if (!set || atomic_fetch_sub(&set->refs, 1) != 1)
		return;
	tls_ctx_unref(set->client);
	tls_ctx_unref(set->server);
	free(set);
}

struct tls_ctx *
tls_set_client(const struct config *cfg)
{
	return cfg->tls ? cfg->tls->client : NULL;
}

struct tls_ctx *
tls_set_server(const struct config *cfg)
{
	return cfg->tls ? cfg->tls->server : NULL;
}

/* Without authorities of its own a client's certificate is not asked for:
 * anybody can have one of the system's. */
static enum tls_check
client_check(const struct config *cfg)
{
	switch (cfg->client_tls_sslmode) {
	case TLS_VERIFY_CA:
	case TLS_VERIFY_FULL:
		return TLS_CHECK_CHAIN;
	case TLS_DISABLE:
	case TLS_ALLOW:
	case TLS_PREFER:
	case TLS_REQUIRE:
		break;
	}
	return cfg->client_tls_ca_file[0] ? TLS_CHECK_GIVEN : TLS_CHECK_NONE;
}

static enum tls_check
server_check(const struct config *cfg)
{
	switch (cfg->server_tls_sslmode) {
	case TLS_VERIFY_CA:
		return TLS_CHECK_CHAIN;
	case TLS_VERIFY_FULL:
		return TLS_CHECK_HOST;
	case TLS_DISABLE:
	case TLS_ALLOW:
	case TLS_PREFER:
	case TLS_REQUIRE:
		break;
	}
	return TLS_CHECK_NONE;
}

static bool
load_client(struct tls_set *set, const struct config *cfg,
    const struct config *running, struct err *e)
{
	struct tls_settings s = {
		.server = true,
		.check = client_check(cfg),
		.cert_file = cfg->client_tls_cert_file,
		.key_file = cfg->client_tls_key_file,
		.ca_file = cfg->client_tls_ca_file,
		.crl_file = cfg->client_tls_crl_file,
		.protocols = cfg->client_tls_protocols,
		.ciphers = cfg->client_tls_ciphers,
		.ciphers13 = cfg->client_tls13_ciphers,
		.curve = cfg->client_tls_ecdhcurve,
		.dheparams = cfg->client_tls_dheparams,
		.ticket_file = cfg->client_tls_ticket_file,
		.prefix = "client_tls_",
	};

	if (cfg->client_tls_sslmode == TLS_DISABLE)
		return true;
	set->client = tls_ctx_new(&s, running ? tls_set_client(running) : NULL,
	    e);
	return set->client != NULL;
}

static bool
load_server(struct tls_set *set, const struct config *cfg,
    const struct config *running, struct err *e)
{
	struct tls_settings s = {
		.check = server_check(cfg),
		.cert_file = cfg->server_tls_cert_file,
		.key_file = cfg->server_tls_key_file,
		.ca_file = cfg->server_tls_ca_file,
		.crl_file = cfg->server_tls_crl_file,
		.protocols = cfg->server_tls_protocols,
		.ciphers = cfg->server_tls_ciphers,
		.ciphers13 = cfg->server_tls13_ciphers,
		.prefix = "server_tls_",
	};

	if (cfg->server_tls_sslmode == TLS_DISABLE)
		return true;
	set->server = tls_ctx_new(&s, running ? tls_set_server(running) : NULL,
	    e);
	return set->server != NULL;
}

bool
tls_set_load(struct config *cfg, const struct config *running, struct err *e)
{
	struct tls_set *set = xcalloc(1, sizeof(*set));

	atomic_init(&set->refs, 1);
	err_clear(e);
	if (load_client(set, cfg, running, e) &&
	    load_server(set, cfg, running, e)) {
		config_hang_tls(cfg, set, set_unref);
		return true;
	}
	set_unref(set);
	return false;
}
