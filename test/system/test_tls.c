/*
 * TLS on both legs: every mode against a real libpq and a real PostgreSQL, and
 * what must not get through.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "fakepg.h"
#include "fixture.h"
#include "raw.h"
#include "tls_certs.h"

#define OURS "client_tls_key_file = @TOP@/tls/server.key\n" \
	"client_tls_cert_file = @TOP@/tls/server.crt\n"
#define OUR_CA "client_tls_ca_file = @TOP@/tls/ca.crt\n"

static const char *const modes[] = { "disable", "allow", "prefer", "require",
	"verify-ca", "verify-full" };

/* ---- towards clients ---- */

/* What a libpq of this sslmode and certificate gets from a pooler of each. */
static const struct {
	const char *libpq, *cert;
	const char *want[6]; /* by mode: tls, plain, or part of an error */
} client_rows[] = {
	{ "disable", "", { "plain", "plain", "plain", "SSL required",
	    "SSL required", "SSL required" } },
	{ "prefer", "", { "plain", "tls", "tls", "tls", "certificate required",
	    "certificate required" } },
	{ "require", "", { "server does not support SSL", "tls", "tls", "tls",
	    "certificate required", "certificate required" } },
	{ "verify-full", "", { "server does not support SSL", "tls", "tls",
	    "tls", "certificate required", "certificate required" } },
	{ "require", "alice", { "server does not support SSL", "tls", "tls",
	    "tls", "tls", "tls" } },
	{ "require", "stale", { "server does not support SSL",
	    "certificate expired", "certificate expired",
	    "certificate expired", "certificate expired",
	    "certificate expired" } },
	{ "require", "foreign", { "server does not support SSL",
	    "unknown ca", "unknown ca", "unknown ca", "unknown ca",
	    "unknown ca" } },
	{ "require", "gone", { "server does not support SSL",
	    "certificate revoked", "certificate revoked",
	    "certificate revoked", "certificate revoked",
	    "certificate revoked" } },
};

static PGconn *
tls_try(const char *sslmode, const char *cert)
{
	char pair[700] = "sslcert=/nonexistent sslkey=/nonexistent";

	if (cert[0])
		snprintf(pair, sizeof(pair), "sslcert=%s/tls/%s.crt "
		    "sslkey=%s/tls/%s.key", fx_dir(), cert, fx_dir(), cert);
	return client_try("sslmode=%s sslrootcert=%s/tls/ca.crt %s", sslmode,
	    fx_dir(), pair);
}

/* How it went, in a word or libpq's words. */
static const char *
outcome(PGconn *c)
{
	static char text[400];

	if (PQstatus(c) != CONNECTION_OK)
		snprintf(text, sizeof(text), "%s", PQerrorMessage(c));
	else
		snprintf(text, sizeof(text), "%s",
		    PQsslInUse(c) ? "tls" : "plain");
	return text;
}

START_TEST (every_client_mode_works_or_gives_its_error) {
	const char *mode = modes[_i];

	certs_make();
	pooler_start("client_tls_sslmode = %s\n" OURS OUR_CA
	    "client_tls_crl_file = @TOP@/tls/ca.crl\n", mode);
	for (size_t i = 0; i < sizeof(client_rows) / sizeof(*client_rows);
	    i++) {
		PGconn *c = tls_try(client_rows[i].libpq, client_rows[i].cert);
		const char *got = outcome(c), *want = client_rows[i].want[_i];
		/* libpq may have to write before it can read the alert. */
		bool reset = strstr(got, "SSL SYSCALL") != NULL;

		printf("client_tls_sslmode=%-11s sslmode=%-11s cert=%-8s %s\n",
		    mode, client_rows[i].libpq, client_rows[i].cert[0] ?
		    client_rows[i].cert : "none", want);
		ck_assert_msg(strstr(got, want) != NULL ||
		    (reset && strstr(want, "certificate")),
		    "%s, %s, %s: wanted %s, got %s", mode,
		    client_rows[i].libpq, client_rows[i].cert, want, got);
		if (PQstatus(c) == CONNECTION_OK)
			sql_ok(c, "SELECT 1");
		PQfinish(c);
	}
}
END_TEST

START_TEST (failed_handshakes_are_told_in_the_log) {
	struct pooler *p;

	certs_make();
	p = pooler_start("client_tls_sslmode = verify-ca\n" OURS OUR_CA
	    "client_tls_crl_file = @TOP@/tls/ca.crl\n");
	PQfinish(tls_try("require", "stale"));
	WAIT_UNTIL(pooler_logged(p, "certificate has expired"), 5000);
	PQfinish(tls_try("require", "gone"));
	WAIT_UNTIL(pooler_logged(p, "certificate revoked"), 5000);
	PQfinish(tls_try("require", "long"));
	WAIT_UNTIL(pooler_logged(p, "certificate chain too long") ||
	    pooler_logged(p, "excessive message size"), 5000);
	PQfinish(tls_try("require", "foreign"));
	WAIT_UNTIL(pooler_logged(p, "alert sent: unknown CA"), 5000);
	WAIT_UNTIL(pooler_logged(p, "TLS handshake failed: TLSv1.3: "
	    "certificate verify failed: certificate has expired "
	    "(certificate \"/CN=alice\"); alert sent: certificate expired"),
	    5000);
}
END_TEST

START_TEST (show_and_log_tell_the_cipher) {
	struct pooler *p;
	PGconn *c;

	certs_make();
	p = pooler_start("client_tls_sslmode = require\n" OURS);
	c = client_open("sslmode=require");
	ck_assert_str_eq(show_text("CLIENTS", "database=app", "tls"),
	    "TLSv1.3/TLS_AES_256_GCM_SHA384");
	WAIT_UNTIL(pooler_logged(p,
	    "tls=TLSv1.3/TLS_AES_256_GCM_SHA384 replication="),
	    5000);
	PQfinish(c);
	c = client_open("sslmode=require ssl_max_protocol_version=TLSv1.2");
	ck_assert_msg(strncmp(show_text("CLIENTS", "database=app", "tls"),
	    "TLSv1.2/ECDHE-ECDSA-AES256-GCM-SHA384/ECDH=", 42) == 0, "%s",
	    show_text("CLIENTS", "database=app", "tls"));
	PQfinish(c);
}
END_TEST

START_TEST (console_works_over_tls) {
	PGconn *c;
	PGresult *r;

	certs_make();
	pooler_start("client_tls_sslmode = require\n" OURS);
	c = client_open("dbname=pgbouncer user=admin sslmode=require");
	ck_assert(PQsslInUse(c));
	for (int i = 0; i < 50; i++) {
		r = PQexec(c, "SHOW CONFIG");
		ck_assert_int_gt(PQntuples(r), 50);
		PQclear(r);
	}
	PQfinish(c);
}
END_TEST

START_TEST (bulk_goes_both_ways) {
	PGconn *c;
	char block[8192];
	long sum = 0;

	certs_make();
	certs_postgres(true);
	pooler_start("client_tls_sslmode = require\n" OURS
	    "server_tls_sslmode = require\n");
	c = client_open("sslmode=require");
	ck_assert_int_eq(sql_int(c, "SELECT sum(length(repeat(i::text, 1000)))"
	    " FROM generate_series(1, 100) i"), 192000);
	PQclear(PQexec(c, "CREATE TEMP TABLE t (x text)"));
	sql_ok(c, "BEGIN; CREATE TABLE bulk (x text)");
	PQclear(PQexec(c, "COPY bulk FROM STDIN"));
	memset(block, 'x', sizeof(block));
	block[sizeof(block) - 1] = '\n';
	for (int i = 0; i < 4000; i++)
		ck_assert_int_eq(PQputCopyData(c, block, sizeof(block)), 1);
	ck_assert_int_eq(PQputCopyEnd(c, NULL), 1);
	while (1) {
		PGresult *r = PQgetResult(c);

		if (r == NULL)
			break;
		ck_assert_int_eq(PQresultStatus(r), PGRES_COMMAND_OK);
		PQclear(r);
	}
	PQclear(PQexec(c, "COPY bulk TO STDOUT"));
	for (char *row; PQgetCopyData(c, &row, 0) > 0; PQfreemem(row))
		sum += (long)strlen(row);
	ck_assert_int_eq(sum, 4000L * (long)sizeof(block));
	PQclear(PQgetResult(c));
	while (1) {
		PGresult *r = PQgetResult(c);

		if (r == NULL)
			break;
		PQclear(r);
	}
	sql_ok(c, "ROLLBACK");
	PQfinish(c);
}
END_TEST

START_TEST (cancel_goes_over_tls) {
	struct pooler *p;
	PGconn *c;
	PGcancel *k;
	char err[256];

	certs_make();
	certs_postgres(true);
	p = pooler_start("client_tls_sslmode = allow\n" OURS
	    "server_tls_sslmode = verify-full\n"
	    "server_tls_ca_file = @TOP@/tls/ca.crt\n");
	c = client_open("sslmode=require");
	sql_send(c, "SELECT pg_sleep(60)");
	WAIT_UNTIL(pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
	    "query LIKE 'SELECT pg_sleep%%' AND state = 'active'") == 1,
	    5000);
	k = PQgetCancel(c);
	ck_assert_msg(PQcancel(k, err, sizeof(err)), "%s", err);
	PQfreeCancel(k);
	result_fails(sql_result(c, 10000), "57014", "canceling statement");
	sql_ok(c, "SELECT 1");
	PQfinish(c);
	(void)p;
}
END_TEST

/* ---- sessions of our own ---- */

/* A TLS client on a blocking socket. */
struct peer {
	SSL_CTX *ctx;
	SSL *ssl;
	struct raw *raw;
	int result; /* of the handshake */
	char why[300];
};

static const uint8_t alpn[] = "\012postgresql";

static void
ask_ssl(struct raw *r)
{
	struct pkt k = { 0 };

	pkt_begin(&k, 0);
	pkt_i32(&k, 80877103);
	pkt_end(&k);
	ck_assert(raw_put(r, &k));
	ck_assert_int_eq(raw_byte(r, 5000), 'S');
}

static void
shake(struct peer *p, SSL_SESSION *session, const char *with_alpn,
    const char *cert)
{
	char path[300];
	unsigned long code;

	if (p->ctx == NULL)
		p->ctx = SSL_CTX_new(TLS_client_method());
	if (cert != NULL) {
		snprintf(path, sizeof(path), "%s/tls/%s.crt", fx_dir(), cert);
		ck_assert_int_eq(SSL_CTX_use_certificate_chain_file(p->ctx,
		    path), 1);
		snprintf(path, sizeof(path), "%s/tls/%s.key", fx_dir(), cert);
		ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(p->ctx, path,
		    SSL_FILETYPE_PEM), 1);
	}
	p->ssl = SSL_new(p->ctx);
	if (with_alpn != NULL)
		SSL_set_alpn_protos(p->ssl, (const uint8_t *)with_alpn,
		    (unsigned)strlen(with_alpn));
	if (session != NULL)
		SSL_set_session(p->ssl, session);
	SSL_set_fd(p->ssl, p->raw->fd);
	p->result = SSL_connect(p->ssl);
	code = ERR_get_error();
	snprintf(p->why, sizeof(p->why), "%s", code != 0 ?
	    ERR_reason_error_string(code) : "");
}

/* Logs in over it, up to ReadyForQuery; false: told off or cut off. */
static bool
log_in_as(struct peer *p, const char *user, bool dribble)
{
	struct pkt k = { 0 };
	uint8_t in[4096];
	int n, have = 0;

	pkt_startup(&k, user, "app");
	for (size_t i = 0; i < k.n; i += dribble ? 1 : k.n)
		ck_assert_int_gt(SSL_write(p->ssl, k.p + i,
		    dribble ? 1 : (int)k.n), 0);
	pkt_free(&k);
	while ((n = SSL_read(p->ssl, in + have, (int)sizeof(in) - have)) > 0) {
		have += n;
		if (in[0] == 'E')
			return false;
		if (have > 6 && in[have - 6] == 'Z')
			return true;
	}
	return false;
}

static bool
log_in(struct peer *p, bool dribble)
{
	return log_in_as(p, "alice", dribble);
}

static void
part(struct peer *p)
{
	SSL_shutdown(p->ssl); /* else its ticket is thrown away */
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	raw_close(p->raw);
}

START_TEST (direct_tls_needs_alpn) {
	struct pooler *pool;
	struct peer p = { 0 }, q = { 0 }, r = { 0 }, s = { 0 };

	certs_make();
	pool = pooler_start("client_tls_sslmode = require\n" OURS);
	p.raw = raw_connect(pool->port);
	shake(&p, NULL, (const char *)alpn, NULL);
	ck_assert_msg(p.result == 1, "%s", p.why);
	ck_assert(log_in(&p, false));
	part(&p);
	q.raw = raw_connect(pool->port);
	shake(&q, NULL, NULL, NULL);
	ck_assert_int_ne(q.result, 1);
	ck_assert_msg(strstr(q.why, "no application protocol"), "%s", q.why);
	part(&q);
	r.raw = raw_connect(pool->port);
	shake(&r, NULL, "\004http", NULL);
	ck_assert_int_ne(r.result, 1);
	part(&r);
	/* Behind an SSLRequest none is needed. */
	s.raw = raw_connect(pool->port);
	ask_ssl(s.raw);
	shake(&s, NULL, NULL, NULL);
	ck_assert_int_eq(s.result, 1);
	ck_assert(log_in(&s, true));
	part(&s);
}
END_TEST

START_TEST (plain_bytes_behind_an_ssl_request_are_refused) {
	struct pooler *p;
	struct raw *r;
	struct pkt k = { 0 };
	struct msg m;

	certs_make();
	p = pooler_start("client_tls_sslmode = allow\n" OURS);
	r = raw_connect(p->port);
	pkt_begin(&k, 0);
	pkt_i32(&k, 80877103);
	pkt_end(&k);
	pkt_startup(&k, "alice", "app");
	ck_assert(raw_put(r, &k));
	m = raw_next(r, 5000);
	ck_assert_int_eq(m.type, 'E');
	ck_assert_str_eq(msg_field(&m, 'M'),
	    "received unencrypted data after SSL request");
	raw_close(r);
}
END_TEST

START_TEST (half_a_handshake_ends_with_client_login_timeout) {
	struct pooler *p;
	struct raw *r;
	static const uint8_t hello[] = { 0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc };

	certs_make();
	p = pooler_start("client_tls_sslmode = allow\n"
	    "client_login_timeout = 1\n" OURS);
	r = raw_connect(p->port);
	ask_ssl(r);
	ck_assert(raw_send(r, hello, sizeof(hello)));
	ck_assert_int_eq(raw_byte(r, 10000), -1);
	raw_close(r);
	WAIT_UNTIL(pooler_logged(p, "client_login_timeout"),
	    5000);
}
END_TEST

START_TEST (nonsense_and_old_versions_are_refused) {
	struct pooler *p;
	struct peer q = { 0 };
	struct raw *r;

	certs_make();
	p = pooler_start("client_tls_sslmode = allow\n" OURS);
	r = raw_connect(p->port);
	ask_ssl(r);
	ck_assert(raw_send(r, "GET / HTTP/1.0\r\n\r\n", 18));
	WAIT_UNTIL(pooler_logged(p, "TLS handshake failed: "), 5000);
	raw_close(r);
	q.ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(q.ctx, 0);
	SSL_CTX_set_min_proto_version(q.ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(q.ctx, TLS1_1_VERSION);
	q.raw = raw_connect(p->port);
	ask_ssl(q.raw);
	shake(&q, NULL, NULL, NULL);
	ck_assert_int_ne(q.result, 1);
	part(&q);
	WAIT_UNTIL(pooler_logged(p, "unsupported protocol"), 5000);
}
END_TEST

START_TEST (renegotiation_ends_the_session) {
	struct pooler *p;
	struct peer q = { 0 };
	char byte;

	certs_make();
	p = pooler_start("client_tls_sslmode = allow\n" OURS);
	q.ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_max_proto_version(q.ctx, TLS1_2_VERSION);
	q.raw = raw_connect(p->port);
	ask_ssl(q.raw);
	shake(&q, NULL, NULL, NULL);
	ck_assert_int_eq(q.result, 1);
	ck_assert(log_in(&q, false));
	SSL_renegotiate(q.ssl);
	SSL_do_handshake(q.ssl);
	ck_assert_int_le(SSL_read(q.ssl, &byte, 1), 0);
	part(&q);
}
END_TEST

/* ---- resumption ---- */

static SSL_SESSION *got_session;

static int
keep_session(SSL *ssl, SSL_SESSION *s)
{
	(void)ssl;
	if (got_session != NULL)
		SSL_SESSION_free(got_session);
	got_session = s;
	return 1;
}

/* Shakes hands, with the ticket of the last time if there is one, and logs in;
 * was it used? *in: did it work? */
static bool
come_back_as(struct pooler *pool, const char *user, const char *cert, bool *in)
{
	struct peer p = { 0 };
	bool reused;

	p.ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_session_cache_mode(p.ctx, SSL_SESS_CACHE_CLIENT |
	    SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(p.ctx, keep_session);
	p.raw = raw_connect(pool->port);
	ask_ssl(p.raw);
	shake(&p, got_session, NULL, cert);
	reused = p.result == 1 && SSL_session_reused(p.ssl);
	*in = p.result == 1 && log_in_as(&p, user, false);
	part(&p);
	return reused;
}

/* The same for who is let in. */
static bool
come_back(struct pooler *pool, const char *cert)
{
	bool in, reused = come_back_as(pool, "alice", cert, &in);

	return reused && in;
}

START_TEST (tickets_survive_a_reload_and_a_shared_file_another_pooler) {
	struct pooler *p, *q;

	certs_make();
	fx_shell(NULL, "openssl rand -hex 80 | tr -d '\\n' >%s/tls/tickets",
	    fx_dir());
	p = pooler_start("client_tls_sslmode = require\n" OURS);
	ck_assert(!come_back(p, NULL));
	ck_assert(come_back(p, NULL));
	console_ok("RELOAD");
	ck_assert(come_back(p, NULL));
	/* Other files, and the same keys. */
	pooler_rewrite(p, "client_tls_sslmode = require\n"
	    "client_tls_key_file = @TOP@/tls/wrong.key\n"
	    "client_tls_cert_file = @TOP@/tls/wrong.crt\n");
	console_ok("RELOAD");
	ck_assert(come_back(p, NULL));
	p = pooler_start("client_tls_sslmode = require\n" OURS
	    "client_tls_ticket_file = @TOP@/tls/tickets\n");
	q = pooler_start("client_tls_sslmode = require\n" OURS
	    "client_tls_ticket_file = @TOP@/tls/tickets\n");
	ck_assert(!come_back(p, NULL));
	ck_assert(come_back(q, NULL));
}
END_TEST

START_TEST (tickets_of_the_revoked_are_no_good) {
	struct pooler *p;

	certs_make();
	p = pooler_start("client_tls_sslmode = verify-full\n" OURS OUR_CA);
	ck_assert(!come_back(p, "gone"));
	ck_assert(come_back(p, "gone"));
	pooler_rewrite(p, "client_tls_sslmode = verify-full\n" OURS OUR_CA
	    "client_tls_crl_file = @TOP@/tls/ca.crl\n");
	/* The console is behind verify-full too. */
	kill(p->pid, SIGHUP);
	WAIT_UNTIL(pooler_logged(p, "re-reading config"), 5000);
	WAIT_UNTIL(!come_back(p, "gone"), 5000);
	WAIT_UNTIL(pooler_logged(p, "certificate revoked"), 5000);
}
END_TEST

START_TEST (tickets_without_a_certificate_do_not_get_past_verify_full) {
	struct pooler *p;

	certs_make();
	p = pooler_start("client_tls_sslmode = require\n" OURS);
	ck_assert(!come_back(p, NULL));
	ck_assert(come_back(p, NULL));
	pooler_rewrite(p, "client_tls_sslmode = verify-full\n" OURS OUR_CA);
	console_ok("RELOAD");
	ck_assert(!come_back(p, NULL));
}
END_TEST

START_TEST (a_resumed_session_is_that_of_its_certificate) {
	struct pooler *p;
	char path[300];
	bool in;

	certs_make();
	snprintf(path, sizeof(path), "%s/tls/users", fx_dir());
	fx_write_file(path, "\"alice\" \"x\"\n\"bob\" \"x\"\n");
	p = pooler_start("client_tls_sslmode = verify-full\nauth_type = cert\n"
	    "auth_file = @TOP@/tls/users\n" OURS OUR_CA);
	ck_assert(!come_back_as(p, "alice", "alice", &in));
	ck_assert(in);
	/* Its ticket, and another name. */
	ck_assert(come_back_as(p, "bob", "alice", &in));
	ck_assert(!in);
	WAIT_UNTIL(pooler_logged(p, "the certificate's name is \"alice\""),
	    5000);
	ck_assert(come_back_as(p, "alice", "alice", &in));
	ck_assert(in);
}
END_TEST

/* ---- reload ---- */

START_TEST (changed_settings_of_servers_replace_them) {
	static const char want[] = "SELECT CASE WHEN ssl THEN 'tls' ELSE "
	    "'plain' END FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
	struct pooler *p;
	PGconn *c;
	long pid;

	certs_make();
	certs_postgres(true);
	p = pooler_start("server_tls_sslmode = disable\n"
	    "query_wait_timeout = 10\n");
	c = client_open(" ");
	ck_assert_str_eq(sql_text(c, "%s", want), "plain");
	pooler_rewrite(p, "server_tls_sslmode = require\n"
	    "query_wait_timeout = 10\n");
	console_ok("RELOAD");
	ck_assert_str_eq(sql_text(c, "%s", want), "tls");
	/* Nothing has changed: it stays. */
	pid = sql_int(c, "SELECT pg_backend_pid()");
	console_ok("RELOAD");
	ck_assert_int_eq(sql_int(c, "SELECT pg_backend_pid()"), pid);
	pooler_rewrite(p, "server_tls_sslmode = verify-full\n"
	    "server_tls_ca_file = @TOP@/tls/other.crt\n"
	    "query_wait_timeout = 10\n");
	console_ok("RELOAD");
	sql_fails(c, "SELECT 1", "08001", "self-signed certificate");
	PQfinish(c);
}
END_TEST


START_TEST (reload_takes_new_files_and_drops_nobody) {
	struct pooler *p;
	PGconn *c, *d;

	certs_make();
	certs_postgres(true);
	p = pooler_start("client_tls_sslmode = allow\n" OURS
	    "server_tls_sslmode = require\n");
	c = client_open("sslmode=require");
	sql_ok(c, "SELECT 1");
	pooler_rewrite(p, "client_tls_sslmode = allow\n"
	    "client_tls_key_file = @TOP@/tls/wrong.key\n"
	    "client_tls_cert_file = @TOP@/tls/wrong.crt\n"
	    "server_tls_sslmode = require\n");
	console_ok("RELOAD");
	d = client_try("sslmode=verify-full sslrootcert=%s/tls/ca.crt",
	    fx_dir());
	ck_assert_msg(strstr(PQerrorMessage(d), "elsewhere"), "%s",
	    PQerrorMessage(d));
	PQfinish(d);
	sql_ok(c, "SELECT 1");
	/* A key of another certificate is refused, and the old pair stays. */
	pooler_rewrite(p, "client_tls_sslmode = allow\n"
	    "client_tls_key_file = @TOP@/tls/server.key\n"
	    "client_tls_cert_file = @TOP@/tls/wrong.crt\n");
	d = console();
	sql_fails(d, "RELOAD", "F0000", "RELOAD failed");
	WAIT_UNTIL(pooler_logged(p, "keeping old configuration"),
	    5000);
	WAIT_UNTIL(pooler_logged(p, "the key does not belong to the "
	    "certificate"),
	    5000);
	sql_ok(c, "SELECT 1");
	PQfinish(client_open("sslmode=require"));
	PQfinish(c);
}
END_TEST

START_TEST (bad_files_are_told_by_name_before_the_start) {
	static const struct {
		const char *ini, *want;
	} rows[] = {
		{ "client_tls_sslmode = require\n",
		    "client_tls_sslmode needs client_tls_key_file" },
		{ "client_tls_sslmode = require\n"
		  "client_tls_key_file = /nonexistent\n"
		  "client_tls_cert_file = @TOP@/tls/server.crt\n",
		    "client_tls_key_file \"/nonexistent\": No such file" },
		{ "client_tls_sslmode = verify-full\n" OURS,
		    "need client_tls_ca_file" },
		{ "client_tls_sslmode = require\n" OURS
		  "client_tls_protocols = tlsv1.4\n",
		    "unknown protocol \"tlsv1.4\"" },
		{ "client_tls_sslmode = require\n" OURS
		  "client_tls_ciphers = nonsense\n",
		    "client_tls_ciphers \"nonsense\": no cipher match" },
		{ "client_tls_sslmode = require\n" OURS
		  "client_tls_ecdhcurve = nonsense\n", "no such curve" },
		{ "client_tls_sslmode = require\n" OURS
		  "client_tls_ticket_file = @TOP@/tls/ca.crt\n",
		    "line 1: a key is 160 hexadecimal digits" },
		{ "server_tls_ca_file = @TOP@/tls/server.key\n"
		  "server_tls_sslmode = verify-ca\n",
		    "it holds no certificates of authorities" },
		{ "server_tls_sslnegotiation = direct\n",
		    "needs server_tls_sslmode require" },
	};

	struct pooler *p;

	certs_make();
	p = pooler_prepare(" ");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *out;
		int rc;

		pooler_rewrite(p, "%s", rows[i].ini);
		rc = fx_shell(&out, "timeout 20 %s --check-config %s",
		    pooler_bin(), p->ini);
		ck_assert_msg(rc == 1 && strstr(out, rows[i].want), "%s: %s",
		    rows[i].want, out);
		free(out);
	}
}
END_TEST

/* ---- towards servers ---- */

/* server_tls_sslmode, PostgreSQL's ssl, authorities, host: what comes of it. */
static const struct {
	const char *mode;
	bool on;
	const char *ca, *host, *want;
} server_rows[] = {
	{ "disable", true, "", "127.0.0.1", "plain" },
	{ "allow", true, "", "127.0.0.1", "tls" },
	{ "prefer", true, "", "127.0.0.1", "tls" },
	{ "require", true, "", "127.0.0.1", "tls" },
	{ "verify-ca", true, "ca", "127.0.0.1", "tls" },
	{ "verify-full", true, "ca", "127.0.0.1", "tls" },
	{ "verify-full", true, "ca", "localhost", "tls" },
	{ "verify-ca", true, "other", "127.0.0.1",
	    "self-signed certificate in certificate chain" },
	{ "verify-full", true, "", "127.0.0.1",
	    "self-signed certificate in certificate chain" },
	{ "verify-full", true, "ca", "127.0.0.1,127.0.0.1", "tls" },
	{ "disable", false, "", "127.0.0.1", "plain" },
	{ "allow", false, "", "127.0.0.1", "plain" },
	{ "prefer", false, "", "127.0.0.1", "plain" },
	{ "require", false, "", "127.0.0.1", "server refused SSL" },
	{ "verify-ca", false, "ca", "127.0.0.1", "server refused SSL" },
	{ "verify-full", false, "ca", "127.0.0.1", "server refused SSL" },
	{ "verify-full", true, "ca", "/", "plain" },
};

START_TEST (every_server_mode_works_or_gives_its_error) {
	char ca[80] = "", host[200];
	PGconn *c;
	bool up;

	certs_make();
	certs_postgres(server_rows[_i].on);
	if (server_rows[_i].ca[0])
		snprintf(ca, sizeof(ca), "server_tls_ca_file = "
		    "@TOP@/tls/%s.crt\n", server_rows[_i].ca);
	snprintf(host, sizeof(host), "%s", server_rows[_i].host[0] == '/' ?
	    pg_socket_dir() : server_rows[_i].host);
	pooler_start("server_tls_sslmode = %s\n%s"
	    "query_wait_timeout = 10\nclient_login_timeout = 10\n"
	    "[databases]\napp = host='%s' port=%d\n", server_rows[_i].mode, ca,
	    host, pg_port());
	c = client_try(" ");
	up = PQstatus(c) == CONNECTION_OK;
	printf("server_tls_sslmode=%-11s ssl=%-3s ca=%-5s host=%-19s %s\n",
	    server_rows[_i].mode, server_rows[_i].on ? "on" : "off",
	    server_rows[_i].ca, server_rows[_i].host, server_rows[_i].want);
	if (up)
		ck_assert_str_eq(sql_text(c, "SELECT CASE WHEN ssl THEN 'tls' "
		    "ELSE 'plain' END FROM pg_stat_ssl WHERE pid = "
		    "pg_backend_pid()"), server_rows[_i].want);
	else
		ck_assert_msg(strstr(PQerrorMessage(c), server_rows[_i].want),
		    "%s", PQerrorMessage(c));
	if (up && strcmp(server_rows[_i].want, "tls") == 0)
		ck_assert_str_eq(show_text("SERVERS", "database=app", "tls"),
		    "TLSv1.3/TLS_AES_256_GCM_SHA384");
	PQfinish(c);
}
END_TEST

/* A server that begins with TLS, as PostgreSQL 17 does; which protocol it says
 * it speaks is the test's. */
struct direct {
	SSL_CTX *ctx;
	const char *alpn; /* with its length in front; NULL: it says nothing */
	char asked[40];
};

static int
choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
    const unsigned char *in, unsigned in_n, void *arg)
{
	struct direct *d = arg;

	(void)ssl;
	snprintf(d->asked, sizeof(d->asked), "%.*s", (int)in_n,
	    (const char *)in);
	if (d->alpn == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	*out = (const unsigned char *)d->alpn + 1;
	*out_n = (unsigned char)d->alpn[0];
	return SSL_TLSEXT_ERR_OK;
}

static void
serve_direct(struct fake_conn *c, void *arg)
{
	/* AuthenticationOk, a key, ReadyForQuery; and an answer to all. */
	static const char welcome[] = "R\0\0\0\x08\0\0\0\0"
	    "K\0\0\0\x0c\0\0\0\1\0\0\0\1" "Z\0\0\0\5I";
	static const char answer[] = "T\0\0\0\x1a\0\1x\0\0\0\0\0\0\0\0\0\0\x19"
	    "\xff\xff\xff\xff\xff\xff\0\0" "D\0\0\0\x0c\0\1\0\0\0\2hi"
	    "C\0\0\0\x0dSELECT 1\0" "Z\0\0\0\5I";
	struct direct *d = arg;
	SSL *ssl = SSL_new(d->ctx);
	char in[4000];

	SSL_set_fd(ssl, c->fd);
	if (SSL_accept(ssl) == 1 && SSL_read(ssl, in, sizeof(in)) > 0) {
		SSL_write(ssl, welcome, sizeof(welcome) - 1);
		while (SSL_read(ssl, in, sizeof(in)) > 0 && in[0] == 'Q')
			SSL_write(ssl, answer, sizeof(answer) - 1);
	}
	SSL_free(ssl);
}

static const struct {
	const char *alpn, *want;
} direct_rows[] = {
	{ "\012postgresql", NULL },
	/* What was not offered: the library says so itself. */
	{ "\010http/1.1", "bad extension" },
	{ NULL, "did not agree to the protocol" },
};

START_TEST (direct_tls_to_servers_needs_alpn_too) {
	struct direct d = { .alpn = direct_rows[_i].alpn };
	struct fakepg *f;
	char path[300];
	PGconn *c;

	certs_make();
	d.ctx = SSL_CTX_new(TLS_server_method());
	snprintf(path, sizeof(path), "%s/tls/server.crt", fx_dir());
	ck_assert_int_eq(SSL_CTX_use_certificate_chain_file(d.ctx, path), 1);
	snprintf(path, sizeof(path), "%s/tls/server.key", fx_dir());
	ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(d.ctx, path,
	    SSL_FILETYPE_PEM), 1);
	SSL_CTX_set_alpn_select_cb(d.ctx, choose_alpn, &d);
	f = fakepg_start(serve_direct, &d);
	pooler_start("server_tls_sslmode = verify-full\n"
	    "server_tls_sslnegotiation = direct\nquery_wait_timeout = 10\n"
	    "client_login_timeout = 10\nsession_state = allow\n"
	    "server_tls_ca_file = @TOP@/tls/ca.crt\n"
	    "[databases]\napp = host=127.0.0.1 port=%d\n", fakepg_port(f));
	c = client_try(" ");
	printf("server_tls_sslnegotiation=direct ALPN of the server %-10s %s\n",
	    d.alpn ? d.alpn + 1 : "none", direct_rows[_i].want ?
	    direct_rows[_i].want : "in");
	if (direct_rows[_i].want != NULL)
		ck_assert_msg(strstr(PQerrorMessage(c), direct_rows[_i].want),
		    "%s", PQerrorMessage(c));
	else
		ck_assert_str_eq(sql_text(c, "SELECT 'hi'"), "hi");
	ck_assert_str_eq(d.asked, "\012postgresql");
	PQfinish(c);
	fakepg_stop(f);
	SSL_CTX_free(d.ctx);
}
END_TEST

START_TEST (servers_see_our_certificate) {
	PGconn *c;

	certs_make();
	certs_postgres(true);
	pooler_start("server_tls_sslmode = require\n"
	    "server_tls_key_file = @TOP@/tls/wrong.key\n"
	    "server_tls_cert_file = @TOP@/tls/wrong.crt\n");
	c = client_open(" ");
	ck_assert_str_eq(sql_text(c, "SELECT client_dn FROM pg_stat_ssl "
	    "WHERE pid = pg_backend_pid()"), "/CN=elsewhere");
	PQfinish(c);
}
END_TEST

START_TEST (many_sessions_over_tls_get_their_own_rows) {
	char *out;
	int rc;

	certs_make();
	certs_postgres(true);
	pooler_start("client_tls_sslmode = require\n" OURS
	    "server_tls_sslmode = require\ndefault_pool_size = 5\n"
	    "max_client_conn = 200\n");
	rc = fx_shell(&out, "cd %s && printf '\\\\set a random(1, 100000)\\n"
	    "SELECT 1 / (CASE WHEN :a = :a + 0 * :client_id THEN 1 ELSE 0 "
	    "END);\\n' >tls.sql && PGSSLMODE=require %s/pgbench -n -f tls.sql "
	    "-c 20 -j 2 -T %d -h 127.0.0.1 -p %d -U alice app",
	    fx_dir(), pg_bindir(), 3, pooler_current()->port);
	ck_assert_msg(rc == 0 && strstr(out, "number of failed transactions: "
	    "0 "), "%s", out);
	free(out);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tls");

	FX_ADD_LOOP(s, every_client_mode_works_or_gives_its_error, 60, 6);
	FX_ADD(s, failed_handshakes_are_told_in_the_log, 60);
	FX_ADD(s, show_and_log_tell_the_cipher, 60);
	FX_ADD(s, console_works_over_tls, 60);
	FX_ADD(s, bulk_goes_both_ways, 90);
	FX_ADD(s, cancel_goes_over_tls, 60);
	FX_ADD(s, direct_tls_needs_alpn, 60);
	FX_ADD(s, plain_bytes_behind_an_ssl_request_are_refused, 60);
	FX_ADD(s, half_a_handshake_ends_with_client_login_timeout, 60);
	FX_ADD(s, nonsense_and_old_versions_are_refused, 60);
	FX_ADD(s, renegotiation_ends_the_session, 60);
	FX_ADD(s, tickets_survive_a_reload_and_a_shared_file_another_pooler,
	    60);
	FX_ADD(s, tickets_of_the_revoked_are_no_good, 60);
	FX_ADD(s, tickets_without_a_certificate_do_not_get_past_verify_full,
	    60);
	FX_ADD(s, a_resumed_session_is_that_of_its_certificate, 60);
	FX_ADD(s, changed_settings_of_servers_replace_them, 60);
	FX_ADD(s, reload_takes_new_files_and_drops_nobody, 60);
	FX_ADD(s, bad_files_are_told_by_name_before_the_start, 60);
	FX_ADD_LOOP(s, every_server_mode_works_or_gives_its_error, 60,
	    (int)(sizeof(server_rows) / sizeof(*server_rows)));
	FX_ADD_LOOP(s, direct_tls_to_servers_needs_alpn_too, 60, 3);
	FX_ADD(s, servers_see_our_certificate, 60);
	FX_ADD(s, many_sessions_over_tls_get_their_own_rows, 60);
	return fx_main(s);
}
