/*
 * Channel binding (SCRAM-SHA-256-PLUS) on both legs, with a real libpq and a
 * real PostgreSQL, and with somebody between who ends the TLS of both sides.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "fakepg.h"
#include "fixture.h"
#include "proto/scram.h"
#include "tls_certs.h"

#define OURS "client_tls_key_file = @TOP@/tls/server.key\n" \
	"client_tls_cert_file = @TOP@/tls/server.crt\n"

/* ---- a man in the middle ---- */

struct middle {
	int port; /* where it passes things on to */
	bool strips; /* the offer of channel binding */
	SSL_CTX *ctx; /* with a certificate that is not the server's */
};

static const char offer[] = "SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0";
#define OFFER_N (sizeof(offer)) /* with the empty name at its end */

/* The list of mechanisms without the first; true: it was there. */
static bool
strip(char *p, int *n)
{
	char less[] = "R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0";

	if (*n != 9 + (int)OFFER_N || memcmp(p + 9, offer, OFFER_N) != 0)
		return false;
	memcpy(p, less, sizeof(less));
	*n = sizeof(less);
	return true;
}

static bool
pass(struct middle *m, SSL *from, SSL *to, bool down)
{
	char data[16384];

	do {
		int n = SSL_read(from, data, sizeof(data));

		/* It may have been a ticket. */
		if (n <= 0)
			return SSL_get_error(from, n) == SSL_ERROR_WANT_READ;
		if (down && m->strips)
			(void)strip(data, &n);
		if (SSL_write(to, data, n) != n)
			return false;
	} while (SSL_pending(from) > 0);
	return true;
}

static void
pass_all(struct middle *m, SSL *client, SSL *server)
{
	struct pollfd p[2] = { { .fd = SSL_get_fd(client), .events = POLLIN },
		{ .fd = SSL_get_fd(server), .events = POLLIN } };

	while (poll(p, 2, -1) > 0) {
		if (p[0].revents != 0 && !pass(m, client, server, false))
			break;
		if (p[1].revents != 0 && !pass(m, server, client, true))
			break;
	}
}

static void
serve(struct fake_conn *c, void *arg)
{
	static const char ssl_request[] = "\0\0\0\x08\x04\xd2\x16\x2f";
	struct middle *m = arg;
	SSL_CTX *up = SSL_CTX_new(TLS_client_method());
	SSL *client = SSL_new(m->ctx), *server = SSL_new(up);
	struct raw *r = NULL;
	char in[8];

	/* No waiting for more than poll() has seen. */
	SSL_clear_mode(client, SSL_MODE_AUTO_RETRY);
	SSL_clear_mode(server, SSL_MODE_AUTO_RETRY);
	SSL_set_fd(client, c->fd);
	if (recv(c->fd, in, 8, MSG_WAITALL) == 8 && fake_bytes(c, "S", 1) &&
	    SSL_accept(client) == 1) {
		r = raw_connect(m->port);
		SSL_set_fd(server, r->fd);
		if (raw_send(r, ssl_request, 8) && raw_byte(r, 5000) == 'S' &&
		    SSL_connect(server) == 1)
			pass_all(m, client, server);
		raw_close(r);
	}
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(up);
}

static struct fakepg *
middle_start(struct middle *m, int port)
{
	char path[300];

	m->port = port;
	m->ctx = SSL_CTX_new(TLS_server_method());
	snprintf(path, sizeof(path), "%s/tls/wrong.crt", fx_dir());
	ck_assert_int_eq(SSL_CTX_use_certificate_chain_file(m->ctx, path), 1);
	snprintf(path, sizeof(path), "%s/tls/wrong.key", fx_dir());
	ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(m->ctx, path,
	    SSL_FILETYPE_PEM), 1);
	return fakepg_start(serve, m);
}

/* ---- towards clients ---- */

/* PostgreSQL's own verifier of scrammer's password. */
static const char *
verifier(void)
{
	return pg_text("SELECT rolpassword FROM pg_authid WHERE rolname = "
	    "'scrammer'");
}

static struct pooler *
start(bool tls, bool plain, const char *more)
{
	struct pooler *p = pooler_prepare("auth_type = scram-sha-256\n"
	    "auth_file = @DIR@/users.txt\n%s%s[databases]\n"
	    "app = host=127.0.0.1 port=@PGPORT@ user=alice\n",
	    tls ? "client_tls_sslmode = allow\n" OURS : "", more);
	char path[300], list[1000];

	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	snprintf(list, sizeof(list), "\"scrammer\" \"%s\"\n", plain ?
	    "scrammer-pw" : verifier());
	fx_write_file(path, list);
	pooler_launch(p);
	return p;
}

/* What libpq of this channel_binding gets without and with TLS. */
static const struct {
	const char *binding, *without, *with;
} client_rows[] = {
	{ "disable", "in", "in" },
	{ "prefer", "in", "in" },
	{ "require", "channel binding required, but SSL not in use", "in" },
};

START_TEST (libpq_gets_what_its_channel_binding_asks_for) {
	bool tls = _i & 1, plain = _i & 2;

	certs_make();
	start(tls, plain, "");
	for (size_t i = 0; i < 3; i++) {
		const char *want = tls ? client_rows[i].with :
		    client_rows[i].without;
		PGconn *c = client_try("user=scrammer password=scrammer-pw "
		    "sslmode=%s channel_binding=%s", tls ? "require" :
		    "disable", client_rows[i].binding), *d;

		printf("client leg: %-5s secret=%-8s channel_binding=%-7s "
		    "%s\n", tls ? "TLS" : "plain", plain ? "plain" :
		    "verifier", client_rows[i].binding, want);
		if (strcmp(want, "in") == 0)
			ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s",
			    PQerrorMessage(c));
		else
			ck_assert_msg(strstr(PQerrorMessage(c), want), "%s",
			    PQerrorMessage(c));
		PQfinish(c);
		/* Known or not, who fails is told the same. */
		if (strcmp(want, "in") != 0)
			continue;
		c = client_try("user=scrammer password=wrong sslmode=%s "
		    "channel_binding=%s", tls ? "require" : "disable",
		    client_rows[i].binding);
		d = client_try("user=nobody password=wrong sslmode=%s "
		    "channel_binding=%s", tls ? "require" : "disable",
		    client_rows[i].binding);
		ck_assert(PQstatus(c) == CONNECTION_BAD);
		ck_assert(strstr(PQerrorMessage(c),
		    "SASL authentication failed"));
		ck_assert_str_eq(PQerrorMessage(c), PQerrorMessage(d));
		PQfinish(c);
		PQfinish(d);
	}
}
END_TEST

START_TEST (who_stands_between_client_and_us_is_found_out) {
	struct middle m = { .strips = _i };
	struct fakepg *f;
	struct pooler *p;
	PGconn *c;

	certs_make();
	p = start(true, true, "");
	f = middle_start(&m, p->port);
	c = client_try("port=%d user=scrammer password=scrammer-pw "
	    "sslmode=require channel_binding=prefer", fakepg_port(f));
	ck_assert_msg(PQstatus(c) == CONNECTION_BAD && strstr(
	    PQerrorMessage(c), m.strips ?
	    "SCRAM channel binding negotiation error" :
	    "SCRAM channel binding check failed"), "%s", PQerrorMessage(c));
	PQfinish(c);
	/* Whom it is not for is not protected, and works. */
	c = client_open("port=%d user=scrammer password=scrammer-pw "
	    "sslmode=require channel_binding=disable", fakepg_port(f));
	PQfinish(c);
	fakepg_stop(f);
	SSL_CTX_free(m.ctx);
}
END_TEST

/* ---- towards servers ---- */

/* To PostgreSQL as scrammer, with the client's keys or with a password of the
 * pooler's own. */
static struct pooler *
start_to(int port, bool keys)
{
	struct pooler *p = pooler_prepare("auth_type = scram-sha-256\n"
	    "auth_file = @DIR@/users.txt\nclient_tls_sslmode = require\n" OURS
	    "server_tls_sslmode = require\nclient_login_timeout = 10\n"
	    "query_wait_timeout = 10\n[databases]\n"
	    "app = host=127.0.0.1 port=%d%s\n", port,
	    keys ? "" : " user=scrammer password=scrammer-pw");
	char path[300], list[1000];

	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	snprintf(list, sizeof(list), "\"scrammer\" \"%s\"\n", verifier());
	fx_write_file(path, list);
	pooler_launch(p);
	return p;
}

START_TEST (servers_are_bound_to) {
	bool keys = _i;
	PGconn *c;

	certs_make();
	certs_postgres(true);
	start_to(pg_port(), keys);
	c = client_open("user=scrammer password=scrammer-pw sslmode=require "
	    "channel_binding=require");
	ck_assert_str_eq(sql_text(c, "SELECT current_user"), "scrammer");
	PQfinish(c);
	printf("server leg: TLS   %-8s PostgreSQL: in\n",
	    keys ? "keys" : "password");
}
END_TEST

/* That it fails shows that we do bind; PostgreSQL says so itself. */
START_TEST (who_stands_between_us_and_a_server_is_found_out) {
	struct middle m = { .strips = _i & 1 };
	bool keys = _i & 2;
	const char *want = m.strips ?
	    "SCRAM channel binding negotiation error" :
	    "SCRAM channel binding check failed";
	struct fakepg *f;
	PGconn *c;

	certs_make();
	certs_postgres(true);
	f = middle_start(&m, pg_port());
	start_to(fakepg_port(f), keys);
	c = client_try("user=scrammer password=scrammer-pw sslmode=require");
	printf("server leg: TLS   %-8s somebody between%s: %s\n",
	    keys ? "keys" : "password", m.strips ?
	    " who takes the offer away" : "", want);
	ck_assert_msg(PQstatus(c) == CONNECTION_BAD &&
	    strstr(PQerrorMessage(c), want), "%s", PQerrorMessage(c));
	PQfinish(c);
	fakepg_stop(f);
	SSL_CTX_free(m.ctx);
}
END_TEST

/* Two poolers in a row: each leg has a binding of its own. */
START_TEST (a_pooler_binds_to_a_pooler) {
	struct pooler *inner, *outer;
	char path[300], list[1000];
	PGconn *c;

	certs_make();
	inner = start(true, false, "");
	outer = pooler_prepare("auth_type = scram-sha-256\n"
	    "auth_file = @DIR@/users.txt\nclient_tls_sslmode = require\n"
	    "client_tls_key_file = @TOP@/tls/wrong.key\n"
	    "client_tls_cert_file = @TOP@/tls/wrong.crt\n"
	    "server_tls_sslmode = require\n[databases]\n"
	    "app = host=127.0.0.1 port=%d\n", inner->port);
	snprintf(path, sizeof(path), "%s/users.txt", outer->dir);
	snprintf(list, sizeof(list), "\"scrammer\" \"%s\"\n", verifier());
	fx_write_file(path, list);
	pooler_launch(outer);
	c = client_open("user=scrammer password=scrammer-pw sslmode=require "
	    "channel_binding=require");
	ck_assert_str_eq(sql_text(c, "SELECT current_user"), "alice");
	PQfinish(c);
}
END_TEST

/* ---- SCRAM's last message and the welcome ---- */

static void
say(struct raw *r, struct buf *said, bool first)
{
	struct pkt k = { 0 };

	pkt_begin(&k, 'p');
	if (first) {
		pkt_str(&k, SCRAM_MECHANISM);
		pkt_i32(&k, (uint32_t)buf_len(said));
	}
	pkt_raw(&k, buf_head(said), buf_len(said));
	pkt_end(&k);
	ck_assert(raw_put(r, &k));
	buf_reset(said);
}

/* Up to the client's last word; scram is what is left to check. */
static struct raw *
prove(int port, struct scram_client *scram)
{
	struct raw *r = raw_connect(port);
	struct buf said = { 0 };
	struct pkt k = { 0 };
	struct err e;
	struct msg m;

	pkt_startup(&k, "scrammer", "app");
	ck_assert(raw_put(r, &k));
	m = raw_next(r, 5000);
	ck_assert_int_eq(m.type, 'R');
	scram_client_first(scram, &said);
	say(r, &said, true);
	m = raw_next(r, 5000);
	ck_assert_int_eq(m.type, 'R');
	ck_assert_int_eq(scram_client_step(scram, SPAN(m.body + 4, m.n - 4),
	    &said, &e), STEP_MORE);
	say(r, &said, false);
	buf_free(&said);
	return r;
}

static void
is_the_last(struct scram_client *scram, const struct msg *m)
{
	static const uint8_t final[4] = { 0, 0, 0, 12 };
	struct err e;

	ck_assert_int_eq(m->type, 'R');
	ck_assert_mem_eq(m->body, final, 4);
	ck_assert_int_eq(scram_client_step(scram, SPAN(m->body + 4, m->n - 4),
	    NULL, &e), STEP_DONE);
}

START_TEST (scrams_last_message_comes_with_the_welcome) {
	struct scram_client *scram = scram_client_new("scrammer-pw", NULL);
	struct pooler *p = start(false, false, "");
	struct raw *r;
	struct msg m;
	uint8_t all[4000];
	ssize_t n;

	PQfinish(client_open("user=scrammer password=scrammer-pw"));
	r = prove(p->port, scram);
	/* All of it in one piece. */
	ck_assert(raw_ready(r, 5000));
	n = recv(r->fd, all, sizeof(all), MSG_PEEK);
	ck_assert_int_gt(n, 6);
	ck_assert_int_eq(all[n - 6], 'Z');
	m = raw_next(r, 5000);
	is_the_last(scram, &m);
	m = raw_next(r, 5000);
	ck_assert_int_eq(m.type, 'R');
	(void)raw_until(r, 'Z', 5000);
	raw_close(r);
	scram_client_free(scram);
}
END_TEST

START_TEST (scrams_last_message_does_not_wait_for_a_server) {
	struct scram_client *scram = scram_client_new("scrammer-pw", NULL);
	struct blackhole b;
	struct pooler *p;
	struct raw *r;
	struct msg m;
	char path[300], list[1000];

	blackhole_open(&b);
	p = pooler_prepare("auth_type = scram-sha-256\n"
	    "auth_file = @DIR@/users.txt\n[databases]\n"
	    "app = host=127.0.0.1 port=%d user=alice\n", b.port);
	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	snprintf(list, sizeof(list), "\"scrammer\" \"%s\"\n", verifier());
	fx_write_file(path, list);
	pooler_launch(p);
	r = prove(p->port, scram);
	m = raw_next(r, 5000);
	is_the_last(scram, &m);
	raw_close(r);
	scram_client_free(scram);
	blackhole_close(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("binding");

	FX_ADD_LOOP(s, libpq_gets_what_its_channel_binding_asks_for, 60, 4);
	FX_ADD_LOOP(s, who_stands_between_client_and_us_is_found_out, 60, 2);
	FX_ADD_LOOP(s, servers_are_bound_to, 60, 2);
	FX_ADD_LOOP(s, who_stands_between_us_and_a_server_is_found_out, 60, 4);
	FX_ADD(s, a_pooler_binds_to_a_pooler, 60);
	FX_ADD(s, scrams_last_message_comes_with_the_welcome, 30);
	FX_ADD(s, scrams_last_message_does_not_wait_for_a_server, 30);
	return fx_main(s);
}
