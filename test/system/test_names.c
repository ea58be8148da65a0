/*
 * Names of servers, in front of a real PostgreSQL with two addresses and name
 * servers of our own: what happens to clients when the name server drops,
 * delays, lies, dies and comes back, and when a database moves. Each test says
 * what was lost.
 */
#include "fixture.h"
#include "load.h"
#include "netns.h"

#include "../threads/dnsmasq.h"
#include "../threads/liar.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FIRST NETNS_FIRST
#define SECOND NETNS_SECOND
#define DNS_IP "127.0.0.53"

static struct dnsmasq server;

static const char *
in_top(const char *name)
{
	static char path[2][300];
	static int turn;

	turn = !turn;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", fx_dir(), name);
	return path[turn];
}

static void
write_resolv_conf(const char *ip)
{
	char text[100];

	snprintf(text, sizeof(text), "nameserver %s\n", ip);
	write_file(in_top("resolv.conf"), text);
}

/* A database "named" at this host; names are looked up every second. */
static struct pooler *
start(const char *host, const char *more)
{
	netns_two_hosts();
	if (netns_can_firewall())
		netns_firewall("", FIREWALL_OFF);
	write_resolv_conf(DNS_IP);
	return pooler_start("resolv_conf = @TOP@/resolv.conf\n"
			    "dns_max_ttl = 0.5\ndns_nxdomain_ttl = 0.5\n"
			    "server_down_after = 3\n%s\n[databases]\n"
			    "named = host=%s port=@PGPORT@ dbname=postgres "
			    "user=postgres pool_size=4\n",
	    more, host);
}

static void
serve(const char *hosts, const char *const *more)
{
	server = (struct dnsmasq){ .ip = DNS_IP, .port = 53, .more = more };
	dnsmasq_start(&server, fx_dir(), hosts);
}

static struct liar *
lie(const char *addrs)
{
	struct liar *l = liar_start(DNS_IP, 53);

	liar_addrs(l, addrs);
	return l;
}

static PGconn *
named(void)
{
	return client_open("dbname=named user=alice");
}

static const char *
where(PGconn *c)
{
	return sql_text(c, "SELECT host(inet_server_addr())");
}

static int
servers_at(const char *ip)
{
	char key[100];

	snprintf(key, sizeof(key), "database=named&addr=%s", ip);
	return show_rows("SERVERS", key);
}

static const char *const users[] = { "dbname=named user=alice" };

/* Five clients at work, whose every transaction has to succeed. */
static struct load *
work(void)
{
	struct load_plan plan = { .clients = 5, .conninfos = users,
		.n_conninfos = 1, .sql = "SELECT 1" };

	return load_start(&plan);
}

/* n more transactions have been done. */
#define GO_ON(l, n)                                               \
	do {                                                      \
		long upto_ = load_done(l) + (n);                  \
		WAIT_UNTIL(load_done(l) >= upto_, 20000);         \
	} while (0)

/* ---- a database that moves ---- */

/* Lost: nothing. Idle servers go at once, the others when they are free. */
START_TEST (moved_database_is_followed_without_a_failed_transaction) {
	struct pooler *p;
	struct load *l;
	PGconn *holder;

	serve(FIRST " db.test\n", NULL);
	p = start("db.test", "");
	holder = named();
	sql_ok(holder, "BEGIN");
	ck_assert_str_eq(where(holder), FIRST);
	l = work();
	GO_ON(l, 50);
	ck_assert_int_eq(servers_at(SECOND), 0);
	dnsmasq_set_hosts(&server, SECOND " db.test\n");
	WAIT_UNTIL(servers_at(FIRST) == 1 && servers_at(SECOND) > 0, 20000);
	/* That one has a transaction open. */
	ck_assert_str_eq(where(holder), FIRST);
	ck_assert_int_eq(show("SERVERS", "addr=" FIRST, "close_needed"), 1);
	sql_ok(holder, "COMMIT");
	WAIT_UNTIL(servers_at(FIRST) == 0, 5000);
	ck_assert_str_eq(where(holder), SECOND);
	GO_ON(l, 50);
	load_stop(l);
	ck_assert_int_eq(show("DNS_HOSTS", "hostname=db.test", "changes"), 1);
	ck_assert(pooler_logged(p, "DNS: addresses of \"db.test\" have "
	    "changed: " FIRST " has gone, new: " SECOND));
	ck_assert(pooler_logged(p, "closing because: server address has "
	    "changed (DNS)"));
	PQfinish(holder);
	dnsmasq_stop(&server);
}
END_TEST

/* Nobody asks, and still it is seen: idle servers are closed. */
START_TEST (idle_servers_at_the_old_address_are_closed) {
	PGconn *c;

	serve(FIRST " db.test\n", NULL);
	start("db.test", "");
	c = named();
	ck_assert_str_eq(where(c), FIRST);
	ck_assert_int_eq(servers_at(FIRST), 1);
	dnsmasq_set_hosts(&server, SECOND " db.test\n");
	WAIT_UNTIL(servers_at(FIRST) == 0, 20000);
	ck_assert_str_eq(where(c), SECOND);
	PQfinish(c);
	dnsmasq_stop(&server);
}
END_TEST

/* The same two addresses, told in turns: no server is given up. */
START_TEST (rotation_of_the_same_addresses_closes_nobody) {
	struct liar *n = lie(FIRST " " SECOND);
	struct pooler *p = start("db.test", "");
	struct load *l = work();
	int asked;

	GO_ON(l, 50);
	for (int i = 0; i < 4; i++) {
		liar_addrs(n, i % 2 ? FIRST " " SECOND : SECOND " " FIRST);
		asked = liar_asked(n);
		WAIT_UNTIL(liar_asked(n) >= asked + 2, 10000);
	}
	GO_ON(l, 50);
	load_stop(l);
	ck_assert_int_eq(show("DNS_HOSTS", "hostname=db.test", "changes"), 0);
	ck_assert(!pooler_logged(p, "server address has changed"));
	/* ... and both are used. */
	ck_assert_int_gt(servers_at(FIRST), 0);
	ck_assert_int_gt(servers_at(SECOND), 0);
	liar_stop(n);
}
END_TEST

/* ---- name servers that fail ---- */

/* Some of each sort; threads/test_dnsfaults has them all. */
static const enum liar_mode passing[] = { LIAR_SILENT,
	LIAR_SERVFAIL, LIAR_GARBAGE, LIAR_CUT_CLOSED, LIAR_FORGED_PORT };

/* Lost: nothing, not even for those who need a new server meanwhile. */
START_TEST (lying_name_server_costs_no_transaction) {
	struct liar *n = lie(FIRST);
	struct load *l;

	start("db.test", "");
	l = work();
	GO_ON(l, 20);
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
		int asked = liar_asked(n);

		liar_set(n, passing[i]);
		WAIT_UNTIL(liar_asked(n) > asked, 10000);
		console_ok("RECONNECT named");
		GO_ON(l, 20);
		WAIT_UNTIL(servers_at(FIRST) > 0, 10000);
	}
	ck_assert_str_ne(show_text("DNS_HOSTS", "hostname=db.test",
	    "last_error"), "");
	liar_set(n, LIAR_TRUTH);
	WAIT_UNTIL(show_rows("DNS_HOSTS", "hostname=db.test&state=ok") == 1,
	    10000);
	load_stop(l);
	liar_stop(n);
}
END_TEST

/* Lost: nothing; SHOW tells. */
START_TEST (dead_name_server_is_outlived) {
	PGconn *c;

	serve(FIRST " db.test\n", NULL);
	start("db.test", "");
	c = named();
	ck_assert_str_eq(where(c), FIRST);
	dnsmasq_stop(&server);
	WAIT_UNTIL(show_rows("DNS_HOSTS", "hostname=db.test&state=stale") == 1,
	    20000);
	console_ok("RECONNECT");
	ck_assert_str_eq(where(c), FIRST);
	ck_assert_str_eq(show_text("DNS_HOSTS", "hostname=db.test", "addrs"),
	    FIRST);
	ck_assert_int_gt(show("DNS_HOSTS", "hostname=db.test", "connections"),
	    0);
	serve(SECOND " db.test\n", NULL);
	WAIT_UNTIL(strcmp(where(c), SECOND) == 0, 20000);
	PQfinish(c);
	dnsmasq_stop(&server);
}
END_TEST

static bool
can_log_in(void)
{
	PGconn *c = client_try("dbname=named user=alice");
	bool ok = PQstatus(c) == CONNECTION_OK;

	PQfinish(c);
	return ok;
}

/* Lost: the clients that came before the name server did, or within the second
 * for which that is believed; they are told the cause. */
START_TEST (name_server_that_is_dead_at_the_start) {
	struct pooler *p = start("db.test", "server_down_after = 0.5");
	PGconn *c = client_try("dbname=named user=alice");

	ck_assert_int_eq(PQstatus(c), CONNECTION_BAD);
	ck_assert_msg(strstr(PQerrorMessage(c), "could not look up host "
	    "\"db.test\": DNS server unreachable") != NULL, "%s",
	    PQerrorMessage(c));
	PQfinish(c);
	ck_assert(pooler_logged(p, "DNS lookup of \"db.test\" failed"));
	serve(FIRST " db.test\n", NULL);
	WAIT_UNTIL(can_log_in(), 20000);
	dnsmasq_stop(&server);
}
END_TEST

/* Lost: nothing of those who have servers; who needs a new one while the name is
 * away is told why. */
START_TEST (name_that_vanishes_and_comes_back) {
	PGconn *c, *d;

	serve(FIRST " db.test\n", NULL);
	start("db.test", "");
	c = named();
	sql_ok(c, "BEGIN");
	dnsmasq_set_hosts(&server, FIRST " other.test\n");
	WAIT_UNTIL(show_rows("DNS_HOSTS", "hostname=db.test&state=failed") ==
	    1, 20000);
	sql_ok(c, "COMMIT");
	ck_assert_str_eq(where(c), FIRST);
	ck_assert_int_eq(servers_at(FIRST), 1);
	console_ok("RECONNECT");
	WAIT_UNTIL(servers_at(FIRST) == 0, 10000);
	d = client_try("dbname=named user=alice");
	ck_assert_int_eq(PQstatus(d), CONNECTION_BAD);
	ck_assert_msg(strstr(PQerrorMessage(d), "no such host") != NULL, "%s",
	    PQerrorMessage(d));
	PQfinish(d);
	dnsmasq_set_hosts(&server, SECOND " db.test\n");
	WAIT_UNTIL(can_log_in(), 20000);
	ck_assert_str_eq(where(c), SECOND);
	PQfinish(c);
	dnsmasq_stop(&server);
}
END_TEST

/* ---- addresses that do not answer ---- */

/* Lost: nothing. PostgreSQL is at the IPv4 address alone. */
START_TEST (refusing_address_costs_nothing) {
	struct liar *n = lie("::1 127.0.0.3 " FIRST);
	struct load *l;

	start("db.test", "");
	l = work();
	GO_ON(l, 50);
	for (int i = 0; i < 5; i++) {
		console_ok("RECONNECT");
		GO_ON(l, 20);
	}
	load_stop(l);
	ck_assert_int_gt(servers_at(FIRST), 0);
	liar_stop(n);
}
END_TEST

/* Lost: 1.2 s of the first who connects; then it is tried last. */
START_TEST (firewalled_address_is_passed_over) {
	struct liar *n = lie(FIRST " " SECOND);
	PGconn *c;
	int64_t began;

	start("db.test", "");
	netns_firewall(SECOND, FIREWALL_DROP);
	for (int i = 0; i < 8; i++) {
		began = fx_now_ms();
		c = named();
		ck_assert_str_eq(where(c), FIRST);
		PQfinish(c);
		ck_assert_int_lt(fx_now_ms() - began, fx_scaled(2500));
		console_ok("RECONNECT");
	}
	netns_firewall(SECOND, FIREWALL_OFF);
	liar_stop(n);
}
END_TEST

/* ---- services ---- */

#define SERVICE "_postgresql._tcp.test"

/* Lost: nothing. The first target has another port, where nobody is at first;
 * the port= of the database line does not matter. */
START_TEST (service_tells_targets_ports_and_priorities) {
	char first[100], second[100];
	const char *args[] = { first, second, NULL };
	int dead = fx_free_port();
	struct pooler *p;
	PGconn *c;

	snprintf(first, sizeof(first), "--srv-host=" SERVICE
	    ",one.test,%d,1,10", dead);
	snprintf(second, sizeof(second), "--srv-host=" SERVICE
	    ",two.test,%d,2,10", pg_port());
	serve(FIRST " one.test\n" SECOND " two.test\n", args);
	netns_two_hosts();
	write_resolv_conf(DNS_IP);
	p = pooler_start("resolv_conf = @TOP@/resolv.conf\n"
	    "dns_max_ttl = 0.5\n[databases]\n"
	    "named = host=" SERVICE " port=%d dbname=postgres user=postgres\n",
	    dead);
	(void)p;
	c = named();
	ck_assert_str_eq(where(c), SECOND);
	/* It is repaired: those at the second stay, as it is a target too. */
	snprintf(first, sizeof(first), "--srv-host=" SERVICE
	    ",one.test,%d,1,10", pg_port());
	dnsmasq_restart(&server);
	WAIT_UNTIL((console_ok("RECONNECT"), strcmp(where(c), FIRST) == 0),
	    20000);
	/* The first is withdrawn. */
	args[0] = second;
	args[1] = NULL;
	dnsmasq_restart(&server);
	WAIT_UNTIL(strcmp(where(c), SECOND) == 0, 20000);
	ck_assert_int_eq(show_rows("DNS_ZONES", "zonename=test&count=1"), 1);
	PQfinish(c);
	dnsmasq_stop(&server);
}
END_TEST

/* ---- zones and resolv.conf ---- */

#define ZONE "--auth-server=ns.test," DNS_IP, "--auth-zone=test"

static const char *const serial_1[] = { ZONE,
	"--auth-soa=1,hostmaster.test", NULL };
static const char *const serial_2[] = { ZONE,
	"--auth-soa=2,hostmaster.test", NULL };

START_TEST (changed_serial_is_followed) {
	PGconn *c;

	serve(FIRST " db.test\n", serial_1);
	start("db.test", "dns_max_ttl = 600\ndns_zone_check_period = 0.2");
	c = named();
	ck_assert_str_eq(where(c), FIRST);
	WAIT_UNTIL(show("DNS_ZONES", "zonename=test", "serial") == 1, 20000);
	ck_assert_int_eq(show("LISTS", "list=dns_zones", "items"), 1);
	dnsmasq_stop(&server);
	serve(SECOND " db.test\n", serial_2);
	WAIT_UNTIL(strcmp(where(c), SECOND) == 0, 20000);
	ck_assert_int_eq(show("DNS_ZONES", "zonename=test", "serial"), 2);
	PQfinish(c);
	dnsmasq_stop(&server);
}
END_TEST

/* Lost: nothing. */
START_TEST (other_name_servers_are_taken_up) {
	struct liar *n = lie(FIRST), *other = liar_start("127.0.0.54", 53);
	struct pooler *p = start("db.test", "");
	PGconn *c;

	liar_addrs(other, SECOND);
	c = named();
	ck_assert_str_eq(where(c), FIRST);
	write_resolv_conf("127.0.0.54");
	WAIT_UNTIL(strcmp(where(c), SECOND) == 0, 20000);
	/* ... and by RELOAD; a file that is not there changes nothing. */
	write_file(in_top("other.conf"), "nameserver " DNS_IP "\n");
	pooler_rewrite(p, "resolv_conf = @TOP@/missing.conf\n"
	    "dns_max_ttl = 0.5\n[databases]\nnamed = host=db.test "
	    "port=@PGPORT@ dbname=postgres user=postgres pool_size=4\n");
	sql_fails(console(), "RELOAD", NULL, "RELOAD failed");
	ck_assert_str_eq(where(c), SECOND);
	pooler_rewrite(p, "resolv_conf = @TOP@/other.conf\n"
	    "dns_max_ttl = 0.5\n[databases]\nnamed = host=db.test "
	    "port=@PGPORT@ dbname=postgres user=postgres pool_size=4\n");
	console_ok("RELOAD");
	WAIT_UNTIL(strcmp(where(c), FIRST) == 0, 20000);
	PQfinish(c);
	liar_stop(n);
	liar_stop(other);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("names");

	if (!dnsmasq_is_installed())
		return EXIT_FAILURE;
	if (!netns_enter())
		return 77;
	FX_ADD(s, moved_database_is_followed_without_a_failed_transaction, 60);
	FX_ADD(s, idle_servers_at_the_old_address_are_closed, 60);
	FX_ADD(s, rotation_of_the_same_addresses_closes_nobody, 60);
	FX_ADD(s, lying_name_server_costs_no_transaction, 120);
	FX_ADD(s, dead_name_server_is_outlived, 60);
	FX_ADD(s, name_server_that_is_dead_at_the_start, 60);
	FX_ADD(s, name_that_vanishes_and_comes_back, 60);
	FX_ADD(s, refusing_address_costs_nothing, 60);
	if (netns_can_firewall())
		FX_ADD(s, firewalled_address_is_passed_over, 60);
	FX_ADD(s, service_tells_targets_ports_and_priorities, 60);
	FX_ADD(s, changed_serial_is_followed, 60);
	FX_ADD(s, other_name_servers_are_taken_up, 60);
	return fx_main(s);
}
