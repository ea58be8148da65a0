/*
 * Behind a load balancer: the address that a PROXY protocol header tells is
 * the client's, and nobody else may tell one. By raw bytes, and through a real
 * HAProxy.
 */
#include "fixture.h"
#include "raw.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SETTINGS \
	"auth_type = hba\nauth_file = @DIR@/users.txt\n" \
	"auth_hba_file = @DIR@/hba.conf\nproxy_protocol_networks = %s\n" \
	"[databases]\napp = host=127.0.0.1 port=@PGPORT@ user=alice\n"

static struct pooler *
start(const char *networks)
{
	struct pooler *p = pooler_prepare(SETTINGS, networks);
	char path[320];

	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	fx_write_file(path, "\"u\" \"pw\"\n\"admin\" \"x\"\n");
	snprintf(path, sizeof(path), "%s/hba.conf", p->dir);
	fx_write_file(path, "local all all trust\n"
	    "host all u 192.0.2.0/24 reject\n"
	    "host all u 198.51.100.0/24 trust\n"
	    "host all u 2001:db8::/32 trust\n"
	    "host all u 127.0.0.1/32 password\n");
	pooler_launch(p);
	return p;
}

static PGconn *
local_console(const struct pooler *p)
{
	return client_open("host=%s user=admin dbname=pgbouncer", p->dir);
}

/* address:port of the client of user u, as SHOW CLIENTS has it. */
static void
shown(const struct pooler *p, char *out, size_t cap)
{
	PGconn *c = local_console(p);
	PGresult *r = PQexec(c, "SHOW CLIENTS");

	out[0] = '\0';
	for (int i = 0; i < PQntuples(r); i++)
		if (strcmp(PQgetvalue(r, i, PQfnumber(r, "user")), "u") == 0)
			snprintf(out, cap, "%s:%s", PQgetvalue(r, i,
			    PQfnumber(r, "addr")), PQgetvalue(r, i,
			    PQfnumber(r, "port")));
	PQclear(r);
	PQfinish(c);
}

static struct msg
say(struct raw *r, const void *header, size_t n, bool bytewise)
{
	struct pkt k = { 0 };

	pkt_raw(&k, header, n);
	pkt_startup(&k, "u", "app");
	if (bytewise)
		raw_put_bytewise(r, &k);
	else
		raw_put(r, &k);
	return raw_next(r, 5000);
}

#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define SAY(r, text) say(r, text, sizeof(text) - 1, false)

static void
ends_with(struct raw *r, struct msg m, const char *state, const char *text)
{
	ck_assert_int_eq(m.type, 'E');
	ck_assert_str_eq(msg_field(&m, 'C'), state);
	ck_assert_msg(strstr(msg_field(&m, 'M'), text) != NULL, "%s",
	    msg_field(&m, 'M'));
	raw_close(r);
}

START_TEST (header_decides_rule_and_address) {
	static const char four[] =
	    "PROXY TCP4 198.51.100.7 10.0.0.2 4711 6432\r\n";
	static const char six[] = V2 "\x21\x21\0\x27\x20\x01\x0d\xb8"
	    "\0\0\0\0\0\0\0\0\0\0\0\x09""BBBBBBBBBBBBBBBB\x12\x67\0\x51"
	    "\xe0\0\0";
	struct pooler *p = start("127.0.0.0/8");
	const char *header = _i < 2 ? four : six;
	size_t n = _i < 2 ? sizeof(four) - 1 : sizeof(six) - 1;
	struct raw *r = raw_connect(p->port);
	char at[100];

	ck_assert_int_eq(say(r, header, n, _i % 2 == 1).type, 'R');
	raw_until(r, 'Z', 5000);
	shown(p, at, sizeof(at));
	ck_assert_str_eq(at, _i < 2 ? "198.51.100.7:4711" :
	    "2001:db8::9:4711");
	ck_assert_str_eq(raw_query(r, "SELECT 5"), "5");
	WAIT_UNTIL(pooler_logged(p, _i < 2 ? "app/u@198.51.100.7:4711 login" :
	    "app/u@[2001:db8::9]:4711 login"), 5000);
	raw_close(r);
}
END_TEST

START_TEST (rules_see_the_real_address) {
	struct pooler *p = start("127.0.0.1");
	struct raw *r = raw_connect(p->port);

	ends_with(r, SAY(r, "PROXY TCP4 192.0.2.9 10.0.0.2 4711 6432\r\n"),
	    "28000", "login rejected");
	/* IPv4 in IPv6's dress is IPv4. */
	r = raw_connect(p->port);
	ends_with(r, SAY(r, "PROXY TCP6 ::ffff:192.0.2.9 ::1 4711 6432\r\n"),
	    "28000", "login rejected");
	r = raw_connect(p->port);
	ends_with(r, SAY(r, "PROXY TCP4 203.0.113.1 10.0.0.2 4711 6432\r\n"),
	    "28000", "no authentication method is found");
	/* The balancer speaks for itself, by its own address. */
	r = raw_connect(p->port);
	ck_assert_int_eq(SAY(r, V2 "\x20\0\0\0").type, 'R');
	raw_close(r);
	r = raw_connect(p->port);
	ck_assert_int_eq(SAY(r, "PROXY UNKNOWN\r\n").type, 'R');
	raw_close(r);
}
END_TEST

START_TEST (header_must_come_from_where_it_may) {
	struct pooler *p = start("127.0.0.1");
	struct raw *r = raw_connect(p->port);

	ends_with(r, SAY(r, ""), "08P01", "PROXY protocol header expected");
	/* Once, and first. */
	r = raw_connect(p->port);
	ends_with(r, SAY(r, "PROXY TCP4 198.51.100.7 10.0.0.2 1 2\r\n"
	    "PROXY TCP4 198.51.100.8 10.0.0.2 1 2\r\n"), "08P01",
	    "PROXY protocol header is not allowed from here");
	r = raw_connect(p->port);
	ends_with(r, SAY(r, "PROXY TCP4 198.51.100.7 10.0.0.2 1\r\n"), "08P01",
	    "bad PROXY protocol header");
	r = raw_connect(p->port);
	ends_with(r, SAY(r, V2 "\x21\x11\xff\xff"), "08P01",
	    "bad PROXY protocol header");
	/* The Unix socket is no balancer's. */
	PQfinish(local_console(p));
}
END_TEST

START_TEST (header_from_elsewhere_is_refused) {
	struct pooler *p = start(_i == 0 ? "" : "10.9.9.9, 192.168.0.0/16");
	struct raw *r = raw_connect(p->port);

	ends_with(r, SAY(r, "PROXY TCP4 198.51.100.7 10.0.0.2 1 2\r\n"),
	    "08P01", "PROXY protocol header is not allowed from here");
	r = raw_connect(p->port);
	ends_with(r, SAY(r, V2 "\x21\x11\0\x0c\xc6\x33\x64\7\5\6\7\x8\1\2\3"
	    "\4"), "08P01", "PROXY protocol header is not allowed from here");
	r = raw_connect(p->port);
	ck_assert_int_eq(SAY(r, "").type, 'R');
	raw_close(r);
}
END_TEST

START_TEST (health_checks_leave_no_line) {
	struct pooler *p = start("127.0.0.1");
	struct raw *r;
	char *log;

	for (int i = 0; i < 20; i++) {
		r = raw_connect(p->port);
		if (i % 2)
			raw_send(r, V2 "\x20\0\0\0", 16);
		raw_close(r);
	}
	/* Something that is logged, behind them all. */
	PQfinish(local_console(p));
	WAIT_UNTIL(pooler_logged(p, "login attempt: db=pgbouncer"), 5000);
	log = pooler_log(p);
	ck_assert_ptr_null(strstr(log, "(nodb)"));
	free(log);
}
END_TEST

START_TEST (networks_change_at_reload) {
	struct pooler *p = start("127.0.0.1");
	struct raw *r;
	PGconn *c;

	pooler_rewrite(p, SETTINGS, "10.0.0.1/8");
	c = local_console(p);
	sql_fails(c, "RELOAD", "F0000", "RELOAD failed");
	WAIT_UNTIL(pooler_logged(p, "proxy_protocol_networks: address "
	    "\"10.0.0.1/8\" has bits outside its mask"), 5000);
	pooler_rewrite(p, SETTINGS, "10.0.0.0/8");
	sql_ok(c, "RELOAD");
	r = raw_connect(p->port);
	ck_assert_int_eq(SAY(r, "").type, 'R');
	raw_close(r);
	sql_ok(c, "SET proxy_protocol_networks = '127.0.0.1'");
	r = raw_connect(p->port);
	ends_with(r, SAY(r, ""), "08P01", "PROXY protocol header expected");
	sql_fails(c, "SET proxy_protocol_networks = 'x'", NULL, "SET failed");
	PQfinish(c);
}
END_TEST

/* --- a real balancer --- */

static int
start_haproxy(const struct pooler *p, const char *how)
{
	char cfg[1000], path[320];
	int port = fx_free_port();
	char *argv[] = { (char *)(uintptr_t)"haproxy",
		(char *)(uintptr_t)"-db", (char *)(uintptr_t)"-f", path,
		NULL };

	ck_assert_msg(fx_shell(NULL, "command -v haproxy") == 0,
	    "there is no haproxy (Debian: haproxy)");
	snprintf(path, sizeof(path), "%s/haproxy.cfg", p->dir);
	snprintf(cfg, sizeof(cfg), "defaults\n mode tcp\n timeout connect 5s\n"
	    " timeout client 60s\n timeout server 60s\n"
	    "listen pooler\n bind 127.0.0.1:%d\n"
	    " server one 127.0.0.1:%d %s\n", port, p->port, how);
	fx_write_file(path, cfg);
	fx_spawn("/dev/null", true, argv);
	WAIT_UNTIL(fx_shell(NULL, "bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d'",
	    port) == 0, 10000);
	return port;
}

START_TEST (haproxy_tells_the_real_address) {
	static const char *const how[] = { "send-proxy", "send-proxy-v2",
		"send-proxy-v2 proxy-v2-options crc32c",
		"send-proxy-v2 check inter 50ms" };
	struct pooler *p = start("127.0.0.1");
	int port = start_haproxy(p, how[_i]);
	struct sockaddr_in own = { 0 };
	socklen_t n = sizeof(own);
	struct pkt k = { 0 };
	char at[100], want[100];
	struct raw *r = raw_connect(port);
	PGconn *c;

	/* Its own address and port are what the pooler has to see. */
	ck_assert_int_eq(getsockname(r->fd, (struct sockaddr *)&own, &n), 0);
	pkt_startup(&k, "u", "app");
	raw_put(r, &k);
	ck_assert_int_eq(raw_next(r, 5000).type, 'R');
	pkt_password(&k, "pw");
	raw_put(r, &k);
	raw_until(r, 'Z', 5000);
	ck_assert_str_eq(raw_query(r, "SELECT 7"), "7");
	shown(p, at, sizeof(at));
	snprintf(want, sizeof(want), "127.0.0.1:%d", ntohs(own.sin_port));
	ck_assert_str_eq(at, want);
	raw_close(r);
	/* And libpq, which begins with its own requests. */
	c = client_open("port=%d user=u password=pw", port);
	ck_assert_str_eq(sql_text(c, "SELECT 8"), "8");
	PQfinish(c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("proxy");

	FX_ADD_LOOP(s, header_decides_rule_and_address, 20, 4);
	FX_ADD(s, rules_see_the_real_address, 20);
	FX_ADD(s, header_must_come_from_where_it_may, 20);
	FX_ADD_LOOP(s, header_from_elsewhere_is_refused, 20, 2);
	FX_ADD(s, health_checks_leave_no_line, 20);
	FX_ADD(s, networks_change_at_reload, 20);
	FX_ADD_LOOP(s, haproxy_tells_the_real_address, 30, 4);
	return fx_main(s);
}
