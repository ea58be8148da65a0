/*
 * Versions of the protocol: what clients ask for and get, what servers are
 * asked for, and the longer cancel keys of 3.2, through peers and a take-over
 * too.
 */
#include "fakepg.h"
#include "fixture.h"
#include "raw.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { V3_0 = 196608, V3_2 = V3_0 + 2, LONG = 32 };

/* Something that runs until it is cancelled, and surely runs now. */
static void
begin_sleep(struct raw *r)
{
	struct pkt k = { 0 };

	pkt_query(&k, "DO $$ BEGIN RAISE NOTICE 'x'; PERFORM pg_sleep(60); "
		      "END $$");
	raw_put(r, &k);
	raw_until(r, 'N', 10000);
}

static void
was_cancelled(struct raw *r)
{
	struct msg m = raw_until(r, 'E', 10000);

	ck_assert_str_eq(msg_field(&m, 'C'), "57014");
	raw_until(r, 'Z', 5000);
}

/* --- clients --- */

static const struct {
	uint32_t asked;
	const char *options;
	uint32_t told; /* 0: no NegotiateProtocolVersion */
	size_t secret;
} versions[] = {
	{ V3_0, "", 0, 4 },
	{ V3_0, "_pq_.a", V3_0, 4 },
	{ V3_0 + 1, "", V3_0, 4 },
	{ V3_2, "", 0, LONG },
	{ V3_2, "_pq_.a _pq_.b", V3_2, LONG },
	{ V3_0 + 3, "", V3_2, LONG },
	{ V3_0 + 9999, "_pq_.test_protocol_negotiation", V3_2, LONG },
	{ V3_0 + 65535, "", V3_2, LONG },
};

static void
expect_told(struct raw *r, uint32_t version, const char *options)
{
	struct msg m = raw_next(r, 5000);
	char text[200];
	uint32_t head[2];
	size_t n = 0;

	snprintf(text, sizeof(text), "%s", options);
	for (char *p = text; *p != '\0'; p += strcspn(p, " ")) {
		if (*p == ' ')
			*p++ = '\0';
		n++;
	}
	ck_assert_int_eq(m.type, 'v');
	memcpy(head, m.body, sizeof(head));
	ck_assert_uint_eq(ntohl(head[0]), version);
	ck_assert_uint_eq(ntohl(head[1]), n);
	ck_assert_uint_eq(m.n, 8 + (n > 0 ? strlen(options) + 1 : 0));
	ck_assert_mem_eq(m.body + 8, text, m.n - 8);
}

/* On the console too. */
START_TEST (client_gets_what_it_asks_for) {
	struct pooler *p = pooler_start("default_pool_size = 1\n");
	const char *const who[][2] = { { "alice", "app" },
		{ "admin", "pgbouncer" } };
	struct pkt k = { 0 };

	for (int i = 0; i < 2; i++) {
		struct raw *r = raw_connect(p->port);

		pkt_startup_as(&k, versions[_i].asked, who[i][0], who[i][1],
		    versions[_i].options);
		raw_put(r, &k);
		if (versions[_i].told)
			expect_told(r, versions[_i].told,
			    versions[_i].options);
		ck_assert_int_eq(raw_next(r, 5000).type, 'R');
		raw_until(r, 'Z', 5000);
		ck_assert_uint_eq(r->secret_n, versions[_i].secret);
		raw_close(r);
	}
}
END_TEST

START_TEST (hundreds_of_options_are_all_listed) {
	enum { OPTIONS = 800 };
	struct pooler *p = pooler_start("default_pool_size = 1\n");
	struct raw *r = raw_connect(p->port);
	struct pkt k = { 0 };
	struct msg m;
	char *options = calloc(OPTIONS, 10), *at = options;
	uint32_t n;

	for (int i = 0; i < OPTIONS; i++)
		at += sprintf(at, "_pq_.%03d ", i);
	pkt_startup_as(&k, V3_2, "alice", "app", options);
	ck_assert_uint_gt(k.n, 8800);
	raw_put(r, &k);
	m = raw_until(r, 'v', 5000);
	memcpy(&n, m.body + 4, sizeof(n));
	ck_assert_uint_eq(ntohl(n), OPTIONS);
	ck_assert_uint_eq(m.n, 8 + 9 * OPTIONS);
	ck_assert_str_eq((const char *)m.body + m.n - 9, "_pq_.799");
	raw_until(r, 'Z', 5000);
	raw_close(r);
	free(options);
}
END_TEST

/* Each byte of a long key counts, and all of them. */
START_TEST (long_key_cancels_and_part_of_it_does_not) {
	struct pooler *p = pooler_start("default_pool_size = 1\n");
	struct raw *r = raw_login_as(p->port, V3_2, "alice", "app");

	begin_sleep(r);
	raw_cancel(r, p->port, 4);
	raw_cancel(r, p->port, LONG - 1);
	raw_cancel(r, p->port, LONG + 1);
	raw_cancel(r, p->port, 256);
	r->secret[LONG - 1] ^= 1;
	raw_cancel(r, p->port, LONG);
	r->secret[LONG - 1] ^= 1;
	ck_assert(!raw_ready(r, 100));
	raw_cancel(r, p->port, LONG);
	was_cancelled(r);
	ck_assert_str_eq(raw_query(r, "SELECT 5"), "5");
	raw_close(r);
}
END_TEST

START_TEST (long_keys_find_their_way_through_peers) {
	struct pooler *p[2];
	struct raw *r;

	p[0] = pooler_start("peer_id = 1\n");
	p[1] = pooler_start("peer_id = 2\n[peers]\n1 = host=%s port=%d\n",
	    p[0]->dir, p[0]->port);
	r = raw_login_as(p[0]->port, V3_2, "alice", "app");
	/* The first eight bytes are laid out as short keys are. */
	ck_assert_uint_eq(r->pid >> 16 & 0x80ff, 1);
	ck_assert_uint_eq(r->pid >> 8 & 0xff, 0);
	ck_assert_uint_eq(r->key & 3, 3);
	begin_sleep(r);
	raw_cancel(r, p[1]->port, 4);
	raw_cancel(r, p[1]->port, LONG - 1);
	ck_assert(!raw_ready(r, 100));
	raw_cancel(r, p[1]->port, LONG);
	was_cancelled(r);
	raw_close(r);
}
END_TEST

/* One that has moved keeps it; one that cannot is reached all the same. */
START_TEST (long_keys_live_on_in_the_next_process) {
	struct pooler *p = pooler_start("worker_threads = 2\n");
	char *argv[] = { (char *)pooler_bin(), "-R", p->ini, NULL };
	struct raw *idle = raw_login_as(p->port, V3_2, "alice", "app");
	struct raw *busy = raw_login_as(p->port, V3_2, "alice", "app");
	pid_t new;

	begin_sleep(busy);
	console_close();
	new = fx_spawn(p->log, false, argv);
	WAIT_UNTIL(pooler_logged(p, "took over the sockets"), 5000);
	begin_sleep(idle);
	raw_cancel(idle, p->port, LONG);
	was_cancelled(idle);
	raw_cancel(busy, p->port, LONG);
	was_cancelled(busy);
	ck_assert_int_eq(fx_wait_exit(p->pid, 10000), 0);
	p->pid = new;
	raw_close(idle);
	raw_close(busy);
}
END_TEST

/* --- servers --- */

enum refusal { TAKES, NEGOTIATES, UNSUPPORTED, BAD_HEADER, HANGS_UP };

struct kind {
	const char *version; /* as in server_version */
	enum refusal refusal; /* of 3.2 */
	size_t secret; /* bytes that it gives */
};

/* A server of some kind, and what it has been asked. */
struct asked {
	struct kind kind;
	atomic_int v3_0, v3_2, right_keys, wrong_keys;
};

static uint8_t
secret_byte(size_t i)
{
	return (uint8_t)(i * 7 + 3);
}

static void
took_cancel(struct fake_conn *c, struct asked *asked)
{
	size_t n = asked->kind.secret;
	bool right = c->n == 8 + n &&
	    memcmp(c->body + 4, "\0\0\x10\x92", 4) == 0;

	for (size_t i = 0; right && i < n; i++)
		right = c->body[8 + i] == secret_byte(i);
	atomic_fetch_add(right ? &asked->right_keys : &asked->wrong_keys, 1);
}

/* False: it has been refused. */
static bool
take_version(struct fake_conn *c, enum refusal refusal)
{
	struct pkt k = { 0 };

	switch (refusal) {
	case TAKES:
		return true;
	case NEGOTIATES:
		pkt_begin(&k, 'v');
		pkt_i32(&k, V3_0);
		pkt_i32(&k, 0);
		pkt_end(&k);
		return fake_send(c, &k);
	case UNSUPPORTED:
		fake_put_error(&k, "FATAL", "0A000", "unsupported frontend "
		    "protocol 3.2: server supports 1.0 to 3.0");
		break;
	case BAD_HEADER:
		fake_put_error(&k, "FATAL", "08P01", "bad packet header: '00'");
		break;
	case HANGS_UP:
		return false;
	}
	fake_send(c, &k);
	return false;
}

static void
serve_kind(struct fake_conn *c, void *arg)
{
	struct asked *asked = arg;
	struct pkt k = { 0 };
	bool is_new;

	if (!fake_startup(c)) {
		if (c->n >= 8 && memcmp(c->body, "\x04\xd2\x16\x2e", 4) == 0)
			took_cancel(c, asked);
		return;
	}
	is_new = memcmp(c->body, "\0\3\0\2", 4) == 0;
	atomic_fetch_add(is_new ? &asked->v3_2 : &asked->v3_0, 1);
	if (!take_version(c, is_new ? asked->kind.refusal : TAKES))
		return;
	fake_put_auth(&k, 0);
	fake_put_status(&k, "server_version", asked->kind.version);
	fake_put_status(&k, "client_encoding", "UTF8");
	fake_put_status(&k, "standard_conforming_strings", "on");
	pkt_begin(&k, 'K');
	pkt_i32(&k, 4242);
	for (size_t i = 0; i < asked->kind.secret; i++)
		pkt_u8(&k, secret_byte(i));
	pkt_end(&k);
	fake_put_ready(&k, 'I');
	if (!fake_send(c, &k))
		return;
	/* The first query is answered when it has been cancelled. */
	if (fake_read(c) == 'Q') {
		while (atomic_load(&asked->right_keys) == 0 &&
		    atomic_load(&asked->wrong_keys) == 0)
			fx_pause_ms(2);
		fake_put_error(&k, "ERROR", "57014", "canceling statement");
		fake_put_ready(&k, 'I');
		fake_send(c, &k);
	}
	fake_queries(c, "x");
}

static const struct {
	const char *setting;
	struct kind kind;
	bool first_new, second_new; /* what is asked for at the end */
} servers[] = {
	{ "auto", { "15.4", NEGOTIATES, 4 }, false, false },
	{ "auto", { "18.1 (Debian 18.1-1)", TAKES, 32 }, false, true },
	{ "auto", { "18.1", TAKES, 256 }, false, true },
	{ "auto", { "19devel", TAKES, 64 }, false, true },
	{ "auto", { "18.1", NEGOTIATES, 4 }, false, true },
	{ "auto", { "18.1", UNSUPPORTED, 4 }, false, false },
	{ "auto", { "18.1", BAD_HEADER, 4 }, false, false },
	{ "auto", { "18.1", HANGS_UP, 4 }, false, false },
	{ "3.0", { "18.1", TAKES, 4 }, false, false },
	{ "3.2", { "18.1", TAKES, 256 }, true, true },
	{ "3.2", { "15.4", NEGOTIATES, 4 }, true, true },
	{ "3.2", { "9.2", UNSUPPORTED, 4 }, false, false },
	{ "3.2", { "9.2", HANGS_UP, 4 }, false, false },
};

/* Two logins to a server, one of them cancelled: no client sees an error,
 * and the key that comes is the one that was given. */
START_TEST (server_is_asked_for_what_it_speaks) {
	static struct asked asked;
	const struct kind *kind = &servers[_i].kind;
	struct fakepg *f;
	struct pooler *p;
	struct raw *a, *b;
	struct pkt k = { 0 };
	struct msg m;

	asked.kind = *kind;
	f = fakepg_start(serve_kind, &asked);
	p = pooler_start("server_protocol = %s\nserver_login_retry = 60\n"
			 "[databases]\napp = host=127.0.0.1 port=%d\n",
	    servers[_i].setting, fakepg_port(f));
	a = raw_login_as(p->port, V3_2, "alice", "app");
	ck_assert_int_eq(fakepg_open(f), 1);
	ck_assert_int_eq(asked.v3_0 == 0, servers[_i].first_new);
	b = raw_login_as(p->port, V3_0, "alice", "app");
	/* Both at work, so that there are two servers. */
	pkt_query(&k, "SELECT 'a'");
	raw_put(a, &k);
	WAIT_UNTIL(show("POOLS", "database=app", "sv_active") == 1, 5000);
	pkt_query(&k, "SELECT 'b'");
	raw_put(b, &k);
	WAIT_UNTIL(show("POOLS", "database=app", "sv_active") == 2, 5000);
	raw_cancel(b, p->port, b->secret_n);
	m = raw_until(a, 'E', 5000);
	ck_assert_str_eq(msg_field(&m, 'C'), "57014");
	m = raw_until(b, 'E', 5000);
	ck_assert_str_eq(msg_field(&m, 'C'), "57014");
	ck_assert_int_eq(asked.right_keys, 1);
	ck_assert_int_eq(asked.wrong_keys, 0);
	ck_assert_int_eq(asked.v3_2 > 0 &&
	    (kind->refusal == TAKES || kind->refusal == NEGOTIATES),
	    servers[_i].second_new);
	/* A refusal is seen once. */
	ck_assert_int_le(asked.v3_0 + asked.v3_2, 3);
	raw_close(a);
	raw_close(b);
	pooler_stop(p);
	fakepg_stop(f);
}
END_TEST

/* PostgreSQL before 18 negotiates, and goes on. */
START_TEST (postgresql_takes_what_it_is_asked_for) {
	struct pooler *p = pooler_start("server_protocol = 3.2\n"
	    "default_pool_size = 1\n");
	struct raw *r = raw_login_as(p->port, V3_2, "alice", "app");

	begin_sleep(r);
	raw_cancel(r, p->port, LONG);
	was_cancelled(r);
	ck_assert_str_eq(raw_query(r, "SELECT 5"), "5");
	raw_close(r);
	ck_assert(!pooler_logged(p, "WARNING"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("protocol");

	FX_ADD_LOOP(s, client_gets_what_it_asks_for, 30,
	    sizeof(versions) / sizeof(versions[0]));
	FX_ADD(s, hundreds_of_options_are_all_listed, 30);
	FX_ADD(s, long_key_cancels_and_part_of_it_does_not, 30);
	FX_ADD(s, long_keys_find_their_way_through_peers, 40);
	FX_ADD(s, long_keys_live_on_in_the_next_process, 40);
	FX_ADD_LOOP(s, server_is_asked_for_what_it_speaks, 40,
	    sizeof(servers) / sizeof(servers[0]));
	FX_ADD(s, postgresql_takes_what_it_is_asked_for, 30);
	return fx_main(s);
}
