/*
 * Logins by certificate: the common name exactly, or a map; and TLS through a
 * load balancer that tells the address.
 */
#include "fixture.h"
#include "tls_certs.h"

#include <stdlib.h>
#include <string.h>

#define TLS(mode) \
	"client_tls_sslmode = " mode "\n" \
	"client_tls_key_file = @TOP@/tls/server.key\n" \
	"client_tls_cert_file = @TOP@/tls/server.crt\n"
#define OUR_CA "client_tls_ca_file = @TOP@/tls/ca.crt\n"
#define FILES \
	"auth_file = @DIR@/users.txt\nauth_hba_file = @DIR@/hba.conf\n" \
	"auth_ident_file = @DIR@/ident.conf\n"
#define DB "[databases]\napp = host=127.0.0.1 port=@PGPORT@ user=alice\n"

static void
put_file(const struct pooler *p, const char *name, const char *text)
{
	char path[320];

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	fx_write_file(path, text);
}

static struct pooler *
start(const char *settings, const char *rules)
{
	struct pooler *p;

	certs_make();
	p = pooler_prepare("%s" FILES DB, settings);
	put_file(p, "users.txt", "\"alice\" \"pw\"\n\"bob\" \"pw\"\n"
	    "\"Alice\" \"pw\"\n\"carol\" \"\"\n\"admin\" \"x\"\n");
	put_file(p, "hba.conf", rules);
	put_file(p, "ident.conf", "m alice bob\nm alice ghost\n");
	pooler_launch(p);
	return p;
}

static PGconn *
try(int port, const char *user, const char *cert)
{
	char pair[700] = "sslcert=/nonexistent sslkey=/nonexistent";

	if (cert[0])
		snprintf(pair, sizeof(pair), "sslcert=%s/tls/%s.crt "
		    "sslkey=%s/tls/%s.key", fx_dir(), cert, fx_dir(), cert);
	return client_try("port=%d user=%s sslmode=require %s", port, user,
	    pair);
}

static void
gets(const struct pooler *p, const char *user, const char *cert,
    const char *want)
{
	PGconn *c = try(p->port, user, cert);

	if (want == NULL)
		ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s by %s: %s",
		    user, cert, PQerrorMessage(c));
	else
		ck_assert_msg(PQstatus(c) != CONNECTION_OK &&
		    strstr(PQerrorMessage(c), want) != NULL, "%s by %s: %s",
		    user, cert, PQerrorMessage(c));
	PQfinish(c);
}

#define NO "certificate authentication failed"

START_TEST (common_name_has_to_be_the_name_exactly) {
	static const char *const settings[] = {
		"auth_type = cert\n" TLS("verify-full") OUR_CA,
		"auth_type = hba\n" TLS("prefer") OUR_CA,
	};
	struct pooler *p = start(settings[_i], "hostssl all all all cert\n");

	gets(p, "alice", "alice", NULL);
	gets(p, "bob", "bob", NULL);
	gets(p, "bob", "alice", NO);
	gets(p, "Alice", "alice", NO);
	/* Known to its authority, not to us. */
	gets(p, "ghost", "alice", NO);
	gets(p, "alice", "", _i == 0 ? "certificate required" : NO);
	gets(p, "alice", "stale", "expired");
	gets(p, "alice", "foreign", "unknown ca");
	gets(p, "alice", "nul", NO);
	WAIT_UNTIL(pooler_logged(p, "the certificate's name is \"alice\""),
	    5000);
}
END_TEST

START_TEST (map_says_whom_a_certificate_may_be) {
	struct pooler *p = start("auth_type = hba\n" TLS("prefer") OUR_CA,
	    "hostssl all all all cert map=m\n");

	gets(p, "bob", "alice", NULL);
	gets(p, "alice", "alice", NO);
	gets(p, "bob", "bob", NO);
	gets(p, "ghost", "alice", NO);
}
END_TEST

START_TEST (rules_tell_tls_from_plain) {
	struct pooler *p = start("auth_type = hba\n" TLS("prefer"),
	    "hostssl all alice all trust\nhostnossl all bob all trust\n");
	PGconn *c;

	gets(p, "alice", "", NULL);
	gets(p, "bob", "", "no authentication method is found");
	c = client_try("user=bob sslmode=disable");
	ck_assert_int_eq(PQstatus(c), CONNECTION_OK);
	PQfinish(c);
	c = client_try("user=alice sslmode=disable");
	ck_assert_int_ne(PQstatus(c), CONNECTION_OK);
	PQfinish(c);
}
END_TEST

START_TEST (rule_that_nobody_can_meet_is_told) {
	struct pooler *p = start("auth_type = hba\n" TLS("prefer"),
	    "hostssl all all all cert\n");

	WAIT_UNTIL(pooler_logged(p, "nobody can log in by this rule, as "
	    "client_tls_ca_file is not set"), 5000);
	gets(p, "alice", "alice", NO);
}
END_TEST

/* The header comes in plain before TLS, by an SSLRequest. */
START_TEST (balancer_passes_tls_on) {
	struct pooler *p = start("auth_type = hba\n"
	    "proxy_protocol_networks = 127.0.0.1\n" TLS("require") OUR_CA,
	    "hostssl all all 127.0.0.1/32 cert\n");
	int port = fx_free_port();
	char cfg[600], path[320];
	char *argv[] = { (char *)(uintptr_t)"haproxy",
		(char *)(uintptr_t)"-db", (char *)(uintptr_t)"-f", path,
		NULL };
	PGconn *c;

	ck_assert_msg(fx_shell(NULL, "command -v haproxy") == 0,
	    "there is no haproxy (Debian: haproxy)");
	snprintf(path, sizeof(path), "%s/haproxy.cfg", p->dir);
	snprintf(cfg, sizeof(cfg), "defaults\n mode tcp\n timeout connect 5s\n"
	    " timeout client 60s\n timeout server 60s\nlisten pooler\n"
	    " bind 127.0.0.1:%d\n server one 127.0.0.1:%d send-proxy-v2\n",
	    port, p->port);
	fx_write_file(path, cfg);
	fx_spawn("/dev/null", true, argv);
	WAIT_UNTIL(fx_shell(NULL, "bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d'",
	    port) == 0, 10000);
	c = try(port, "alice", "alice");
	ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s", PQerrorMessage(c));
	ck_assert_int_eq(PQsslInUse(c), 1);
	ck_assert_str_eq(sql_text(c, "SELECT 8"), "8");
	PQfinish(c);
	c = try(port, "bob", "alice");
	ck_assert_int_ne(PQstatus(c), CONNECTION_OK);
	PQfinish(c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cert");

	FX_ADD_LOOP(s, common_name_has_to_be_the_name_exactly, 60, 2);
	FX_ADD(s, map_says_whom_a_certificate_may_be, 60);
	FX_ADD(s, rules_tell_tls_from_plain, 60);
	FX_ADD(s, rule_that_nobody_can_meet_is_told, 60);
	FX_ADD(s, balancer_passes_tls_on, 60);
	return fx_main(s);
}
