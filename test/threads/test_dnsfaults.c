/*
 * dns, when name servers drop, delay, refuse and lie, and when what they say
 * changes; services and zones. Each fault says what was lost: nothing, the
 * look-ups meanwhile, or what.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dns_rig.h"
#include "dnsmasq.h"
#include "io/dns.h"
#include "io/dns_order.h"
#include "io/resolver_impl.h"
#include "liar.h"

#define LONG_US (600 * USEC_PER_SEC)

static char dir[64];
static char conf[96];
static struct liar *liar;
static struct dnsmasq server;
static int changes; /* that the watch has told */

static void
on_change(void *arg)
{
	(void)arg;
	changes++;
}

static void
configure(const char *servers, usec_t ttl_us, usec_t zone_us)
{
	struct dns_settings s = {
		.max_ttl_us = ttl_us,
		.nxdomain_ttl_us = ttl_us,
		.zone_period_us = zone_us,
		.resolv_conf = conf,
		.servers = servers,
	};
	struct err e;
	bool ok = true;

	if (dns != NULL)
		ok = dns_configure(dns, &s, &e);
	else
		dns = dns_new(loop, &s, &e);
	ck_assert_msg(ok && dns != NULL, "%s", e.msg);
	dns_watch(dns, on_change, NULL);
}

static void
set_up(void)
{
	write_file(conf, "nameserver 127.0.0.1\n");
	loop = loop_new();
	liar = liar_start("127.0.0.1", 0);
	liar_addrs(liar, "10.0.0.1");
	configure(liar_servers(liar), 0, 0);
}

static void
tear_down(void)
{
	dns_free(dns);
	loop_free(loop);
	liar_stop(liar);
	dnsmasq_stop(&server);
}

/* Runs the loop until *what is at least n; not longer than 20 s. */
static void
stop_loop(struct timer *t)
{
	(void)t;
	loop_stop(loop);
}

static void
run_for(usec_t us)
{
	struct timer t;

	timer_init(&t, stop_loop);
	timer_set(loop, &t, clock_mono_us() + us);
	loop_run(loop);
	timer_fini(&t);
}

static void
run_until_changes(int n)
{
	usec_t give_up = clock_mono_us() + 20 * USEC_PER_SEC;

	while (changes < n && clock_mono_us() < give_up)
		run_for(10 * USEC_PER_MSEC);
	ck_assert_int_eq(changes, n);
}

/* One connection by that name. */
struct user {
	struct dns_query q;
	unsigned version;
};

static void
use(struct user *u, const char *name)
{
	ask(&u->q, name);
	u->q.wants_host = true;
	wait_answers();
	ck_assert_msg(u->q.ok, "%s", u->q.err.msg);
	ck_assert_ptr_nonnull(u->q.host);
	u->version = u->q.version;
}

static bool
user_has(struct user *u, size_t i)
{
	return dns_host_has(u->q.host, &u->q.addrs[i], &u->version);
}

/* ---- one look-up of a name that is not known yet ---- */

#define SAYS "could not look up host \"a.test\": "

static const struct {
	enum liar_mode mode;
	const char *fails; /* NULL: the truth is found nevertheless */
	bool final; /* an authority has spoken */
	bool slow; /* it takes more than a second: once is enough by default */
} faults[] = {
	{ .mode = LIAR_TRUTH },
	{ .mode = LIAR_SILENT,
	    .fails = SAYS "DNS server did not answer", .slow = true },
	{ .mode = LIAR_SLOW },
	{ .mode = LIAR_DROP_FIRST },
	{ .mode = LIAR_NXDOMAIN, .fails = SAYS "no such host", .final = true },
	{ .mode = LIAR_SERVFAIL,
	    .fails = SAYS "DNS server unreachable, failing or refusing" },
	{ .mode = LIAR_EMPTY, .fails = SAYS "host has no address" },
	{ .mode = LIAR_GARBAGE,
	    .fails = SAYS "DNS server did not answer", .slow = true },
	{ .mode = LIAR_SHORT, .fails = SAYS "host has no address" },
	{ .mode = LIAR_CUT },
	{ .mode = LIAR_CUT_CLOSED,
	    .fails = SAYS "DNS server unreachable, failing or refusing" },
	{ .mode = LIAR_CHAIN },
	{ .mode = LIAR_LOOP, .fails = SAYS "host has no address" },
	{ .mode = LIAR_FORGED_ID },
	{ .mode = LIAR_FORGED_NAME },
	{ .mode = LIAR_FORGED_PORT },
	{ .mode = LIAR_NO_AAAA },
	{ .mode = LIAR_DROP_AAAA, .slow = true },
};

/* Lost: nothing where the truth gets through; else the look-ups meanwhile. */
START_TEST (fault_ends_in_the_truth_or_in_its_cause) {
	usec_t start = clock_mono_us();
	struct dns_query q;

	liar_set(liar, faults[_i].mode);
	ask_one(&q, "a.test");
	ck_assert_int_lt(clock_mono_us() - start, 3900 * USEC_PER_MSEC);
	ck_assert(!has_host(&q, "10.6.6.6"));
	if (faults[_i].fails == NULL)
		ck_assert_str_eq(first_host(&q), "10.0.0.1");
	else
		assert_fails(&q, faults[_i].fails);
	ck_assert(faults[_i].mode != LIAR_CUT || liar_asked_tcp(liar) > 0);
	/* ... and it passes. */
	liar_set(liar, LIAR_TRUTH);
	ask_until(&q, "a.test", true, "10.0.0.1");
}
END_TEST

/* Lost: nothing, but for what an authority denies; who is connected stays
 * so in any case. */
START_TEST (fault_leaves_what_was_known) {
	struct dns_query q;
	struct user u;

	if (faults[_i].slow && getenv("TEST_LONG") == NULL)
		return;
	use(&u, "a.test");
	liar_set(liar, faults[_i].mode);
	liar_addrs(liar, faults[_i].fails == NULL ? "10.0.0.1" : "10.0.0.2");
	ask_one(&q, "a.test");
	if (faults[_i].final)
		assert_fails(&q, faults[_i].fails);
	else
		ck_assert_str_eq(first_host(&q), "10.0.0.1");
	ck_assert(user_has(&u, 0));
	ck_assert_int_eq(changes, 0);
	dns_host_unref(u.q.host);
}
END_TEST

/* ---- what is a change, and what is none ---- */

START_TEST (same_addresses_in_another_order_are_no_change) {
	struct user u;
	struct dns_query q;

	liar_addrs(liar, "10.0.0.1 10.0.0.2 10.0.0.3");
	use(&u, "a.test");
	liar_addrs(liar, "10.0.0.3 10.0.0.1 10.0.0.2");
	ask_one(&q, "a.test");
	ck_assert_uint_eq(q.n_addrs, 3);
	ck_assert_int_eq(changes, 0);
	for (size_t i = 0; i < 3; i++)
		ck_assert(user_has(&u, i));
	dns_host_unref(u.q.host);
}
END_TEST

START_TEST (added_address_is_no_change) {
	struct user u;
	struct dns_query q;

	use(&u, "a.test");
	liar_addrs(liar, "10.0.0.1 10.0.0.2");
	ask_one(&q, "a.test");
	ck_assert_uint_eq(q.n_addrs, 2);
	ck_assert_int_eq(changes, 0);
	ck_assert(user_has(&u, 0));
	dns_host_unref(u.q.host);
}
END_TEST

START_TEST (address_that_went_away_is_told) {
	struct user u;
	struct dns_query q;

	liar_addrs(liar, "10.0.0.1 10.0.0.2");
	use(&u, "a.test");
	ck_assert_uint_eq(u.q.n_addrs, 2);
	liar_addrs(liar, "10.0.0.2 10.0.0.3");
	ask_one(&q, "a.test");
	ck_assert_int_eq(changes, 1);
	for (size_t i = 0; i < 2; i++)
		ck_assert_int_eq(user_has(&u, i), u.q.addrs[i].ip[3] == 2);
	/* ... and taken back when it returns. */
	liar_addrs(liar, "10.0.0.1 10.0.0.2");
	ask_one(&q, "a.test");
	ck_assert_int_eq(changes, 2);
	ck_assert(user_has(&u, 0));
	ck_assert(user_has(&u, 1));
	dns_host_unref(u.q.host);
}
END_TEST

START_TEST (move_behind_a_vanished_name_is_a_change) {
	struct user u;
	struct dns_query q;

	use(&u, "a.test");
	liar_set(liar, LIAR_NXDOMAIN);
	ask_one(&q, "a.test");
	ck_assert(!q.ok);
	ck_assert(user_has(&u, 0));
	liar_set(liar, LIAR_TRUTH);
	liar_addrs(liar, "10.0.0.9");
	ask_until(&q, "a.test", true, "10.0.0.9");
	ck_assert_int_eq(changes, 1);
	ck_assert(!user_has(&u, 0));
	dns_host_unref(u.q.host);
}
END_TEST

static const enum liar_mode half[] = { LIAR_NO_AAAA, LIAR_DROP_AAAA };

/* Half of an answer is no change, as long as that may be an accident. */
START_TEST (family_that_fails_is_not_gone) {
	struct user u;
	struct dns_query q;

	liar_addrs(liar, "10.0.0.1 2001:db8::1");
	use(&u, "a.test");
	ck_assert_uint_eq(u.q.n_addrs, 2);
	liar_set(liar, half[_i]);
	ask_one(&q, "a.test");
	ck_assert_int_eq(changes, 0);
	ck_assert(user_has(&u, 0));
	ck_assert(user_has(&u, 1));
	ck_assert(has_host(&q, "10.0.0.1"));
	ck_assert(has_host(&q, "2001:db8::1"));
	dns_host_unref(u.q.host);
}
END_TEST

START_TEST (family_that_is_removed_is_gone_the_second_time) {
	struct user u;
	struct dns_query q;

	liar_addrs(liar, "10.0.0.1 2001:db8::1");
	use(&u, "a.test");
	liar_addrs(liar, "10.0.0.1");
	ask_one(&q, "a.test");
	ck_assert_int_eq(changes, 0);
	ask_one(&q, "a.test");
	ck_assert_uint_eq(q.n_addrs, 1);
	ck_assert_int_eq(changes, 1);
	dns_host_unref(u.q.host);
}
END_TEST

/* A big set, of which each answer has another part, does not move anybody. */
START_TEST (more_addresses_than_are_kept_are_no_change) {
	char list[2000] = "";
	struct user u;
	struct dns_query q;

	for (int i = 1; i <= 100; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list),
		    "10.1.0.%d ", i);
	liar_addrs(liar, list);
	use(&u, "a.test");
	ck_assert_int_gt(liar_asked_tcp(liar), 0);
	ck_assert_uint_eq(u.q.n_addrs, DNS_ADDRS);
	liar_addrs(liar, strchr(list + 100, ' '));
	ask_one(&q, "a.test");
	ck_assert_uint_eq(q.n_addrs, DNS_ADDRS);
	for (size_t i = 0; i < DNS_ADDRS; i++)
		ck_assert(user_has(&u, i));
	dns_host_unref(u.q.host);
}
END_TEST

/* ---- when names are looked up ---- */

START_TEST (name_in_use_is_looked_up_without_anybody_asking) {
	struct user u;
	struct dns_query q;

	use(&u, "a.test");
	liar_addrs(liar, "10.0.0.7");
	run_until_changes(1);
	ck_assert(!user_has(&u, 0));
	ask_one(&q, "a.test");
	ck_assert_str_eq(first_host(&q), "10.0.0.7");
	dns_host_unref(u.q.host);
}
END_TEST

START_TEST (name_not_in_use_is_left_alone) {
	struct dns_query q;
	int asked;

	ask_one(&q, "a.test");
	asked = liar_asked(liar);
	run_for(1500 * USEC_PER_MSEC);
	ck_assert_int_eq(liar_asked(liar), asked);
}
END_TEST

START_TEST (outdated_name_is_asked_for_at_once) {
	struct user u;
	struct dns_query q;

	configure(liar_servers(liar), LONG_US, 0);
	use(&u, "a.test");
	liar_addrs(liar, "10.0.0.2");
	ask_one(&q, "a.test");
	ck_assert_str_eq(first_host(&q), "10.0.0.1");
	dns_host_outdate(u.q.host);
	ask_one(&q, "a.test");
	ck_assert_str_eq(first_host(&q), "10.0.0.2");
	ck_assert_int_eq(changes, 1);
	dns_host_unref(u.q.host);
}
END_TEST

static const uint32_t ttls[] = { 0, 1, 0x7fffffff, 0xffffffff };

START_TEST (ttl_of_the_record_does_not_matter) {
	struct dns_query q;
	int asked;

	configure(liar_servers(liar), LONG_US, 0);
	liar_ttl(liar, ttls[_i]);
	ask_one(&q, "a.test");
	asked = liar_asked(liar);
	liar_addrs(liar, "10.0.0.2");
	ask_one(&q, "a.test");
	ck_assert_str_eq(first_host(&q), "10.0.0.1");
	ck_assert_int_eq(liar_asked(liar), asked);
	configure(liar_servers(liar), 0, 0);
	ask_one(&q, "b.test");
	liar_addrs(liar, "10.0.0.3");
	ask_one(&q, "b.test");
	ck_assert_str_eq(first_host(&q), "10.0.0.3");
}
END_TEST

/* Lost: the look-ups until it was there. */
START_TEST (name_server_that_comes_late_is_found) {
	struct dns_query q;
	char servers[64];
	int port;

	snprintf(servers, sizeof(servers), "%s", liar_servers(liar));
	port = atoi(strchr(servers, ':') + 1);
	liar_stop(liar);
	ask_one(&q, "a.test");
	assert_fails(&q, SAYS "DNS server unreachable, failing or refusing");
	liar = liar_start("127.0.0.1", port);
	liar_addrs(liar, "10.0.0.1");
	ask_until(&q, "a.test", true, "10.0.0.1");
}
END_TEST

/* ---- the order ---- */

START_TEST (address_that_failed_comes_last_for_a_while) {
	struct dns_query q, next;
	struct user u;

	configure(liar_servers(liar), LONG_US, 0);
	liar_addrs(liar, "10.0.0.1 10.0.0.2 10.0.0.3");
	use(&u, "a.test");
	dns_host_blame(u.q.host, &u.q.addrs[1], loop_now(loop));
	for (int i = 0; i < 4; i++) {
		ask_one(&q, "a.test");
		ck_assert_uint_eq(q.n_addrs, 3);
		ck_assert(addr_eq(&q.addrs[2], &u.q.addrs[1]));
	}
	dns_host_praise(u.q.host, &u.q.addrs[1]);
	ask_one(&q, "a.test");
	ask_one(&next, "a.test");
	ck_assert(!addr_eq(&q.addrs[2], &next.addrs[2]));
	dns_host_unref(u.q.host);
}
END_TEST

static uint32_t
next_number(void *arg)
{
	uint32_t *n = arg;

	return (*n)++;
}

START_TEST (services_are_ordered_by_priority_and_weight) {
	struct dns_place v[] = {
		{ .addr = { .port = 1 }, .priority = 1, .weight = 30,
		    .target = 0 },
		{ .addr = { .port = 2 }, .priority = 1, .weight = 10,
		    .target = 1 },
		{ .addr = { .port = 3 }, .priority = 1, .weight = 0,
		    .target = 2 },
		{ .addr = { .port = 4 }, .priority = 7, .target = 3 },
		{ .addr = { .port = 5 }, .priority = 7, .target = 3 },
	};
	int first[4] = { 0 };
	struct addr out[5];
	uint32_t n;

	for (uint32_t i = 0; i < 4100; i++) {
		n = i;
		dns_order_service(v, 5, next_number, &n, out);
		ck_assert_int_le(out[0].port, 3);
		ck_assert_int_eq(out[3].port, 4);
		ck_assert_int_eq(out[4].port, 5);
		ck_assert_int_eq(out[0].port + out[1].port + out[2].port, 6);
		first[out[0].port]++;
	}
	/* 0 to the sum of weights, both included: 41 numbers. */
	ck_assert_int_eq(first[1], 3000);
	ck_assert_int_eq(first[2], 1000);
	ck_assert_int_eq(first[3], 100);
	/* Without weights all are alike. */
	v[0].weight = v[1].weight = 0;
	memset(first, 0, sizeof(first));
	for (uint32_t i = 0; i < 300; i++) {
		n = i;
		dns_order_service(v, 5, next_number, &n, out);
		first[out[0].port]++;
	}
	for (int i = 1; i <= 3; i++)
		ck_assert_int_eq(first[i], 100);
}
END_TEST

/* ---- services ---- */

#define HOSTS "10.0.0.1 one.test\n10.0.0.2 two.test\n2001:db8::2 two.test\n"
#define SERVICE "_postgresql._tcp.test"

static void
start_server(const char *const *more, usec_t ttl_us, usec_t zone_us)
{
	server.more = more;
	dnsmasq_start(&server, dir, HOSTS);
	configure(server.servers, ttl_us, zone_us);
}

static const char *const service[] = {
	"--srv-host=" SERVICE ",two.test,5434,2,10",
	"--srv-host=" SERVICE ",one.test,5433,1,10",
	"--srv-host=_none._tcp.test",
	"--srv-host=_lost._tcp.test,nobody.test,5433",
	NULL,
};

START_TEST (service_gives_targets_and_ports_by_priority) {
	struct dns_query q;

	start_server(service, 0, 0);
	for (int i = 0; i < 5; i++) {
		ask_one(&q, SERVICE);
		ck_assert_str_eq(first_host(&q), "10.0.0.1");
		ck_assert_int_eq(q.addrs[0].port, 5433);
		ck_assert_uint_eq(q.n_addrs, 3);
		ck_assert(has_host(&q, "10.0.0.2"));
		ck_assert(has_host(&q, "2001:db8::2"));
		ck_assert_int_eq(q.addrs[1].port, 5434);
		ck_assert_int_eq(q.addrs[2].port, 5434);
	}
}
END_TEST

static const struct {
	const char *name, *why;
} no_service[] = {
	{ "_none._tcp.test", "the service is not offered" },
	{ "_other._tcp.test", "no such service" },
	{ "_lost._tcp.test", "no target of the service has an address" },
};

START_TEST (service_that_cannot_be_had_says_why) {
	struct dns_query q;
	char says[200];

	start_server(service, 0, 0);
	ask_one(&q, no_service[_i].name);
	snprintf(says, sizeof(says), "could not look up host \"%s\": %s",
	    no_service[_i].name, no_service[_i].why);
	assert_fails(&q, says);
}
END_TEST

static const char *const moved_service[] = {
	"--srv-host=" SERVICE ",one.test,6543,1,10",
	NULL,
};

START_TEST (service_that_moves_to_another_port_is_a_change) {
	struct dns_query q;
	struct user u;

	start_server(service, 0, 0);
	use(&u, SERVICE);
	ask_one(&q, SERVICE);
	ck_assert_int_eq(changes, 0);
	ck_assert(user_has(&u, 0));
	server.more = moved_service;
	dnsmasq_restart(&server);
	run_until_changes(1);
	for (size_t i = 0; i < u.q.n_addrs; i++)
		ck_assert(!user_has(&u, i));
	ask_one(&q, SERVICE);
	ck_assert_uint_eq(q.n_addrs, 1);
	ck_assert_int_eq(q.addrs[0].port, 6543);
	dns_host_unref(u.q.host);
}
END_TEST

START_TEST (frozen_name_server_leaves_the_service) {
	struct dns_query q;
	struct user u;

	start_server(service, 0, 0);
	use(&u, SERVICE);
	dnsmasq_freeze(&server);
	ask_one(&q, SERVICE);
	ck_assert_int_eq(q.addrs[0].port, 5433);
	ck_assert_int_eq(changes, 0);
	dns_host_unref(u.q.host);
}
END_TEST

/* ---- zones ---- */

#define ZONE_ARGS "--auth-server=ns.test,127.0.0.1", "--auth-zone=test"
static const char *const serial_7[] = { ZONE_ARGS,
	"--auth-soa=7,hostmaster.test", NULL };
static const char *const serial_8[] = { ZONE_ARGS,
	"--auth-soa=8,hostmaster.test", NULL };
static const char *const serial_wrapped[] = { ZONE_ARGS,
	"--auth-soa=4294967290,hostmaster.test", NULL };

struct zone_seen {
	char zone[DNS_NAME];
	uint32_t serial;
	size_t names;
	bool known;
	int n;
};

static void
see_zone(void *arg, const struct dns_zone_state *s)
{
	struct zone_seen *z = arg;

	copy_str(z->zone, sizeof(z->zone), s->zone);
	z->serial = s->serial;
	z->names = s->names;
	z->known = s->age_us >= 0;
	z->n++;
}

static struct zone_seen
zones(void)
{
	struct zone_seen z = { .n = 0 };

	dns_each_zone(dns, see_zone, &z);
	return z;
}

static void
run_until_serial(uint32_t serial)
{
	usec_t give_up = clock_mono_us() + 20 * USEC_PER_SEC;

	while (zones().serial != serial && clock_mono_us() < give_up)
		run_for(10 * USEC_PER_MSEC);
	ck_assert_uint_eq(zones().serial, serial);
}

static const struct {
	const char *const *from, *const *to;
	uint32_t first, then;
} serials[] = {
	{ serial_7, serial_8, 7, 8 },
	{ serial_wrapped, serial_7, 4294967290, 7 },
};

START_TEST (names_of_a_changed_zone_are_looked_up_again) {
	struct user u;
	struct dns_query q;

	start_server(serials[_i].from, LONG_US, 50 * USEC_PER_MSEC);
	use(&u, "one.test");
	ask_one(&q, "two.test");
	run_until_serial(serials[_i].first);
	ck_assert_int_eq(zones().n, 1);
	ck_assert_str_eq(zones().zone, "test");
	ck_assert_uint_eq(zones().names, 2);
	ck_assert_uint_eq(dns_count_zones(dns), 1);
	/* Other addresses alone are not seen: the answer is kept for long. */
	server.more = serials[_i].to;
	dnsmasq_stop(&server);
	write_file(server.hosts, "10.0.0.9 one.test\n10.0.0.2 two.test\n");
	dnsmasq_restart(&server);
	run_until_changes(1);
	ck_assert_uint_eq(zones().serial, serials[_i].then);
	ck_assert(!user_has(&u, 0));
	dns_host_unref(u.q.host);
}
END_TEST

START_TEST (zones_are_not_asked_for_without_a_period) {
	struct dns_query q;

	start_server(serial_7, LONG_US, 0);
	ask_one(&q, "one.test");
	run_for(100 * USEC_PER_MSEC);
	ck_assert_int_eq(zones().n, 1);
	ck_assert(!zones().known);
	/* RELOAD */
	configure(server.servers, LONG_US, 50 * USEC_PER_MSEC);
	run_until_serial(7);
	configure(server.servers, LONG_US, 0);
	ck_assert(!zones().known);
}
END_TEST

START_TEST (zone_without_an_answer_is_asked_again) {
	struct dns_query q;

	start_server(serial_7, LONG_US, 50 * USEC_PER_MSEC);
	dnsmasq_stop(&server);
	ask_one(&q, "one.test");
	ck_assert(!q.ok);
	run_for(200 * USEC_PER_MSEC);
	ck_assert(!zones().known);
	dnsmasq_restart(&server);
	run_until_serial(7);
}
END_TEST

/* "a.test" SOA? with the SOA of "test" among the authorities, behind an NS
 * record. */
static const unsigned char denial[] = {
	0, 7, 0x84, 0, 0, 1, 0, 0, 0, 2, 0, 0,
	1, 'a', 4, 't', 'e', 's', 't', 0, 0, 6, 0, 1,
	0xc0, 14, 0, 2, 0, 1, 0, 0, 0, 9, 0, 5, 2, 'n', 's', 0xc0, 14,
	0xc0, 14, 0, 6, 0, 1, 0, 0, 0, 9, 0, 26, 0xc0, 36, 1, 'h', 0xc0, 14,
	0x12, 0x34, 0x56, 0x78, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1,
	0, 0, 0, 1,
};

/* Exactly as long, so that a sanitizer sees what is read behind it. */
static bool
serial_of(const unsigned char *p, size_t n, uint32_t *serial)
{
	unsigned char *copy = malloc(n ? n : 1);
	bool ok;

	memcpy(copy, p, n);
	ok = resolver_find_serial(copy, (int)n, serial);
	free(copy);
	return ok;
}

START_TEST (serial_is_found_and_every_truncation_refused) {
	const size_t upto = sizeof(denial) - 16; /* the serial's last byte */
	uint32_t serial = 0;

	ck_assert(serial_of(denial, sizeof(denial), &serial));
	ck_assert_uint_eq(serial, 0x12345678);
	for (size_t n = 0; n < sizeof(denial); n++)
		ck_assert_int_eq(serial_of(denial, n, &serial), n >= upto);
}
END_TEST

START_TEST (broken_messages_have_no_way_out_of_the_packet) {
	unsigned char p[sizeof(denial)];
	uint32_t serial;

	for (size_t at = 0; at < sizeof(p); at++)
		for (unsigned v = 0; v < 256; v++) {
			memcpy(p, denial, sizeof(p));
			p[at] = (unsigned char)v;
			(void)serial_of(p, sizeof(p), &serial);
		}
}
END_TEST

static Suite *
faults_suite(void)
{
	Suite *s = suite_create("dnsfaults");
	TCase *tc = tcase_create("dnsfaults");
	int n = (int)ARRAY_LEN(faults);

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, fault_ends_in_the_truth_or_in_its_cause, 0, n);
	tcase_add_loop_test(tc, fault_leaves_what_was_known, 0, n);
	tcase_add_test(tc, same_addresses_in_another_order_are_no_change);
	tcase_add_test(tc, added_address_is_no_change);
	tcase_add_test(tc, address_that_went_away_is_told);
	tcase_add_test(tc, move_behind_a_vanished_name_is_a_change);
	tcase_add_loop_test(tc, family_that_fails_is_not_gone, 0,
	    (int)ARRAY_LEN(half));
	tcase_add_test(tc, family_that_is_removed_is_gone_the_second_time);
	tcase_add_test(tc, more_addresses_than_are_kept_are_no_change);
	tcase_add_test(tc, name_in_use_is_looked_up_without_anybody_asking);
	tcase_add_test(tc, name_not_in_use_is_left_alone);
	tcase_add_test(tc, outdated_name_is_asked_for_at_once);
	tcase_add_loop_test(tc, ttl_of_the_record_does_not_matter, 0,
	    (int)ARRAY_LEN(ttls));
	tcase_add_test(tc, name_server_that_comes_late_is_found);
	tcase_add_test(tc, address_that_failed_comes_last_for_a_while);
	tcase_add_test(tc, services_are_ordered_by_priority_and_weight);
	tcase_add_test(tc, service_gives_targets_and_ports_by_priority);
	tcase_add_loop_test(tc, service_that_cannot_be_had_says_why, 0,
	    (int)ARRAY_LEN(no_service));
	tcase_add_test(tc, service_that_moves_to_another_port_is_a_change);
	tcase_add_test(tc, frozen_name_server_leaves_the_service);
	tcase_add_loop_test(tc, names_of_a_changed_zone_are_looked_up_again, 0,
	    (int)ARRAY_LEN(serials));
	tcase_add_test(tc, zones_are_not_asked_for_without_a_period);
	tcase_add_test(tc, zone_without_an_answer_is_asked_again);
	tcase_add_test(tc, serial_is_found_and_every_truncation_refused);
	tcase_add_test(tc, broken_messages_have_no_way_out_of_the_packet);
	suite_add_tcase(s, tc);
	return s;
}

int
main(void)
{
	SRunner *r;
	char command[96];
	int failed;

	if (!dnsmasq_is_installed())
		return EXIT_FAILURE;
	snprintf(dir, sizeof(dir), "/tmp/pooler-dnsfaults.XXXXXX");
	if (mkdtemp(dir) == NULL || chmod(dir, 0755) != 0)
		return EXIT_FAILURE;
	snprintf(conf, sizeof(conf), "%s/resolv.conf", dir);
	r = srunner_create(faults_suite());
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command) != 0)
		failed++;
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
