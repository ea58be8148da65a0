/* dns, against a real name server and with several threads. */
#include <arpa/inet.h>
#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dns_rig.h"
#include "dnsmasq.h"
#include "io/dns.h"

#define HOSTS                    \
	"10.0.0.1 one.test\n"    \
	"10.0.1.1 many.test\n"   \
	"10.0.1.2 many.test\n"   \
	"10.0.1.3 many.test\n"   \
	"2001:db8::6 six.test\n" \
	"10.0.2.1 both.test\n"   \
	"10.0.2.2 both.test\n"   \
	"2001:db8::7 both.test\n"

#define LONG_US (600 * USEC_PER_SEC)

static char dir[64];
static char conf[96];
static struct dnsmasq server;

static struct dns_settings
settings(void)
{
	return (struct dns_settings){
		.max_ttl_us = LONG_US,
		.nxdomain_ttl_us = LONG_US,
		.resolv_conf = conf,
		.servers = server.servers,
	};
}

static void
set_up(void)
{
	struct dns_settings s;
	struct err e;

	write_file(conf, "nameserver 127.0.0.1\n");
	dnsmasq_start(&server, dir, HOSTS);
	loop = loop_new();
	s = settings();
	dns = dns_new(loop, &s, &e);
	ck_assert_msg(dns != NULL, "%s", e.msg);
}

static void
tear_down(void)
{
	dns_free(dns);
	loop_free(loop);
	dnsmasq_stop(&server);
}

static void
with_ttl(usec_t max_ttl_us, usec_t nxdomain_ttl_us)
{
	struct dns_settings s = settings();
	struct err e;

	s.max_ttl_us = max_ttl_us;
	s.nxdomain_ttl_us = nxdomain_ttl_us;
	ck_assert_msg(dns_configure(dns, &s, &e), "%s", e.msg);
}

/* ---- what is answered ---- */

START_TEST (name_gives_its_address_and_the_port_asked_for) {
	struct dns_query q;

	ask_one(&q, "one.test");
	ck_assert_str_eq(first_host(&q), "10.0.0.1");
	ck_assert_uint_eq(q.n_addrs, 1);
	ck_assert_uint_eq(q.addrs[0].port, 5432);
}
END_TEST

START_TEST (name_with_ipv6_only_gives_it) {
	struct dns_query q;

	ask_one(&q, "six.test");
	ck_assert_str_eq(first_host(&q), "2001:db8::6");
}
END_TEST

START_TEST (name_with_both_families_gives_all_addresses) {
	struct dns_query q;

	ask_one(&q, "both.test");
	ck_assert_uint_eq(q.n_addrs, 3);
	ck_assert(has_host(&q, "10.0.2.1"));
	ck_assert(has_host(&q, "10.0.2.2"));
	ck_assert(has_host(&q, "2001:db8::7"));
}
END_TEST

START_TEST (localhost_comes_from_the_hosts_file) {
	struct dns_query q;

	dnsmasq_stop(&server);
	ask_one(&q, "localhost");
	ck_assert_msg(q.ok, "%s", q.err.msg);
	ck_assert(has_host(&q, "127.0.0.1") || has_host(&q, "::1"));
}
END_TEST

START_TEST (address_is_its_own_answer_and_no_name) {
	struct dns_query q;

	dnsmasq_stop(&server);
	ask_one(&q, "10.1.2.3");
	ck_assert_str_eq(first_host(&q), "10.1.2.3");
	ck_assert_uint_eq(q.addrs[0].port, 5432);
	ask_one(&q, "2001:db8::1");
	ck_assert_str_eq(first_host(&q), "2001:db8::1");
	ck_assert_uint_eq(dns_count_names(dns), 0);
}
END_TEST

/* ---- what fails, and what is said ---- */

static const struct {
	const char *name;
	const char *msg;
} refusals[] = {
	{ "nobody.test",
	    "could not look up host \"nobody.test\": no such host" },
	{ "one.elsewhere",
	    "could not look up host \"one.elsewhere\": "
	    "DNS server unreachable, failing or refusing" },
	{ "", "could not look up host \"\": the name is empty" },
	{ "a..test", "could not look up host \"a..test\": not a host name" },
};

START_TEST (failure_names_the_host_and_the_cause) {
	struct dns_query q;

	ask_one(&q, refusals[_i].name);
	assert_fails(&q, refusals[_i].msg);
	ck_assert_str_ne(q.err.hint, "");
}
END_TEST

START_TEST (dead_server_is_told_at_once) {
	struct dns_query q;
	usec_t start = clock_mono_us();

	dnsmasq_stop(&server);
	ask_one(&q, "one.test");
	assert_fails(&q,
	    "could not look up host \"one.test\": "
	    "DNS server unreachable, failing or refusing");
	ck_assert_int_lt(clock_mono_us() - start, 1 * USEC_PER_SEC);
}
END_TEST

START_TEST (silent_server_is_given_up_after_two_tries) {
	struct dns_query q;
	usec_t start = clock_mono_us();

	dnsmasq_freeze(&server);
	ask_one(&q, "one.test");
	assert_fails(&q,
	    "could not look up host \"one.test\": DNS server did not answer");
	ck_assert_int_ge(clock_mono_us() - start, 900 * USEC_PER_MSEC);
	ck_assert_int_lt(clock_mono_us() - start, 2900 * USEC_PER_MSEC);
}
END_TEST

START_TEST (many_silent_servers_are_cut_short_by_the_deadline) {
	struct dns_settings s = settings();
	struct dns_query q;
	struct err e;
	char servers[256] = "";
	usec_t start;

	for (int i = 0; i < 8; i++) {
		struct sockaddr_in in = {
			.sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		};
		socklen_t n = sizeof(in);
		int fd = socket(AF_INET, SOCK_DGRAM, 0);

		ck_assert_int_eq(bind(fd, (struct sockaddr *)&in, n), 0);
		ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &n),
		    0);
		snprintf(servers + strlen(servers),
		    sizeof(servers) - strlen(servers), "%s127.0.0.1:%d",
		    i > 0 ? "," : "", ntohs(in.sin_port));
	}
	s.servers = servers;
	ck_assert_msg(dns_configure(dns, &s, &e), "%s", e.msg);
	start = clock_mono_us();
	ask_one(&q, "one.test");
	assert_fails(&q,
	    "could not look up host \"one.test\": DNS server did not answer");
	ck_assert_int_ge(clock_mono_us() - start, 2900 * USEC_PER_MSEC);
	ck_assert_int_lt(clock_mono_us() - start, 3900 * USEC_PER_MSEC);
}
END_TEST

START_TEST (question_open_at_the_end_is_answered) {
	struct dns_settings s = settings();
	struct dns_query q, first;
	struct err e;

	dnsmasq_freeze(&server);
	ask(&q, "one.test");
	/* Mail keeps its order: this one's answer means that the other has
	 * been taken in. */
	ask(&first, "10.1.2.3");
	unanswered = 1;
	wait_answers();
	ck_assert_uint_eq(dns_count_pending(dns), 1);
	dns_free(dns);
	unanswered = 1;
	wait_answers();
	assert_fails(&q,
	    "could not look up host \"one.test\": look-up was given up");
	dns = dns_new(loop, &s, &e);
	ck_assert_ptr_nonnull(dns);
}
END_TEST

/* ---- what is kept ---- */

START_TEST (answer_is_kept_until_its_time_is_over) {
	struct dns_query q;

	ask_one(&q, "one.test");
	dnsmasq_stop(&server);
	ask_one(&q, "ONE.test");
	ck_assert_str_eq(first_host(&q), "10.0.0.1");
	ck_assert_uint_eq(dns_count_names(dns), 1);
}
END_TEST

START_TEST (missing_name_is_kept_too) {
	struct dns_query q;

	ask_one(&q, "nobody.test");
	dnsmasq_stop(&server);
	ask_one(&q, "nobody.test");
	assert_fails(&q,
	    "could not look up host \"nobody.test\": no such host");
	ck_assert_uint_eq(dns_count_names(dns), 1);
}
END_TEST

START_TEST (equal_questions_share_one_look_up) {
	struct dns_query q[20], other;
	unsigned seen = 0;

	dnsmasq_freeze(&server);
	for (int i = 0; i < 20; i++)
		ask(&q[i], i % 2 ? "many.test" : "MANY.Test");
	ask(&other, "10.1.2.3");
	unanswered = 1;
	wait_answers();
	ck_assert_uint_eq(dns_count_pending(dns), 1);
	dnsmasq_thaw(&server);
	unanswered = 20;
	wait_answers();
	ck_assert_uint_eq(dns_count_pending(dns), 0);
	for (int i = 0; i < 20; i++) {
		ck_assert_uint_eq(q[i].n_addrs, 3);
		seen |= 1u << q[i].addrs[0].ip[3];
	}
	/* ... and the rotation goes on among those who shared. */
	ck_assert_uint_eq(seen, 1u << 1 | 1u << 2 | 1u << 3);
}
END_TEST

START_TEST (addresses_take_turns_evenly) {
	int first[4] = { 0 };

	for (int i = 0; i < 9; i++) {
		struct dns_query q;

		ask_one(&q, "many.test");
		ck_assert_uint_eq(q.n_addrs, 3);
		ck_assert(has_host(&q, "10.0.1.1"));
		ck_assert(has_host(&q, "10.0.1.2"));
		ck_assert(has_host(&q, "10.0.1.3"));
		first[q.addrs[0].ip[3]]++;
	}
	ck_assert_int_eq(first[1], 3);
	ck_assert_int_eq(first[2], 3);
	ck_assert_int_eq(first[3], 3);
}
END_TEST

START_TEST (rotation_leaves_families_in_their_order) {
	struct dns_query a, b;
	size_t v4 = 0;

	ask_one(&a, "both.test");
	ask_one(&b, "both.test");
	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(a.addrs[i].family, b.addrs[i].family);
	while (a.addrs[v4].family != AF_INET)
		v4++;
	ck_assert(!addr_eq(&a.addrs[v4], &b.addrs[v4]));
	ck_assert(addr_eq(&a.addrs[v4], &b.addrs[v4 + 1]));
}
END_TEST

/* ---- when the name server goes, and when names change ---- */

START_TEST (last_answer_outlives_the_name_server) {
	struct dns_query q;
	usec_t start;

	with_ttl(0, LONG_US);
	ask_one(&q, "one.test");
	dnsmasq_freeze(&server);
	ask_one(&q, "one.test");
	ck_assert_str_eq(first_host(&q), "10.0.0.1");
	/* It is known now that nobody is there: no more waiting. */
	start = clock_mono_us();
	ask_one(&q, "one.test");
	ck_assert_str_eq(first_host(&q), "10.0.0.1");
	ck_assert_int_lt(clock_mono_us() - start, 400 * USEC_PER_MSEC);
}
END_TEST

START_TEST (recovered_name_server_is_asked_again) {
	struct dns_query q;

	with_ttl(0, LONG_US);
	ask_one(&q, "one.test");
	dnsmasq_freeze(&server);
	ask_one(&q, "one.test");
	dnsmasq_thaw(&server);
	dnsmasq_set_hosts(&server, "10.9.9.9 one.test\n");
	ask_until(&q, "one.test", true, "10.9.9.9");
}
END_TEST

START_TEST (failure_is_not_kept_as_long_as_a_missing_name) {
	struct dns_query q;

	dnsmasq_freeze(&server);
	ask_one(&q, "one.test");
	ck_assert(!q.ok);
	dnsmasq_thaw(&server);
	ask_until(&q, "one.test", true, "10.0.0.1");
}
END_TEST

START_TEST (removed_name_is_not_given_any_more) {
	struct dns_query q;

	with_ttl(0, 0);
	ask_one(&q, "one.test");
	dnsmasq_set_hosts(&server, "10.0.0.2 two.test\n");
	ask_until(&q, "one.test", false, NULL);
	assert_fails(&q, "could not look up host \"one.test\": no such host");
	dnsmasq_set_hosts(&server, "10.0.0.3 one.test\n");
	ask_until(&q, "one.test", true, "10.0.0.3");
}
END_TEST

/* ---- resolv.conf ---- */

START_TEST (changed_resolv_conf_is_seen) {
	struct dns_query q;

	with_ttl(0, 0);
	ask_one(&q, "one");
	ck_assert(!q.ok);
	write_file(conf, "search test\nnameserver 127.0.0.1\n");
	/* A failure is kept for a moment, see DNS_RETRY_US. */
	ask_until(&q, "one", true, "10.0.0.1");
}
END_TEST

START_TEST (question_on_its_way_survives_a_changed_resolv_conf) {
	struct dns_query before, behind, after;

	dnsmasq_freeze(&server);
	ask(&before, "one.test");
	ask(&behind, "10.1.2.3");
	unanswered = 1;
	wait_answers();
	write_file(conf, "search test\nnameserver 127.0.0.1\n");
	unanswered = 1;
	ask(&after, "many");
	dnsmasq_thaw(&server);
	wait_answers();
	ck_assert_str_eq(first_host(&before), "10.0.0.1");
	ck_assert_uint_eq(after.n_addrs, 3);
}
END_TEST

START_TEST (missing_resolv_conf_is_an_error) {
	struct dns_settings s = settings();
	struct err e;

	s.resolv_conf = "/nonexistent/resolv.conf";
	ck_assert_ptr_null(dns_new(loop, &s, &e));
	ck_assert_str_eq(e.msg,
	    "could not read resolv_conf \"/nonexistent/resolv.conf\": "
	    "No such file or directory");
	ck_assert(!dns_configure(dns, &s, &e));
}
END_TEST

/* ---- what SHOW says ---- */

struct seen {
	size_t names, addrs, over, good, failed;
};

static void
see(void *arg, const struct dns_name_state *n)
{
	struct seen *seen = arg;

	ck_assert_ptr_nonnull(n->name);
	ck_assert(n->n == 0 || n->addrs != NULL);
	seen->names++;
	seen->addrs += n->n;
	if (n->ttl_us == 0)
		seen->over++;
	if (n->age_us >= 0)
		seen->good++;
	if (n->last_why != NULL)
		seen->failed++;
	ck_assert_int_le(n->ttl_us, LONG_US);
	ck_assert_int_eq(n->users, 0);
}

START_TEST (cache_can_be_walked) {
	struct seen seen = { 0 };
	struct dns_query q;

	ask_one(&q, "one.test");
	ask_one(&q, "many.test");
	ask_one(&q, "nobody.test");
	with_ttl(0, 0);
	ask_one(&q, "six.test");
	dns_each(dns, see, &seen);
	ck_assert_uint_eq(seen.names, 4);
	ck_assert_uint_eq(seen.addrs, 1 + 3 + 0 + 1);
	ck_assert_uint_eq(seen.over, 1);
	ck_assert_uint_eq(seen.good, 3);
	ck_assert_uint_eq(seen.failed, 1);
	ck_assert(dns_look(dns, "ONE.test", see, &seen));
	ck_assert(!dns_look(dns, "other.test", see, &seen));
	ck_assert_uint_eq(dns_count_names(dns), 4);
}
END_TEST

/* ---- several threads ---- */

#define ASKERS 4
#define QUESTIONS 500
#define AT_ONCE 8

struct asker {
	pthread_t thread;
	struct loop *loop;
	struct question {
		struct dns_query q; /* first: the answer casts it back */
		struct asker *asker;
	} questions[AT_ONCE];
	int asked, answered, wrong;
};

static void
asker_ask(struct asker *a, struct question *question)
{
	static const char *const names[] = { "one.test", "many.test",
		"nobody.test", "localhost", "10.1.2.3" };
	struct dns_query *q = &question->q;

	copy_str(q->name, sizeof(q->name),
	    names[(size_t)a->asked++ % ARRAY_LEN(names)]);
	dns_ask(dns, q);
}

static bool
is_right(const struct dns_query *q)
{
	if (strcmp(q->name, "one.test") == 0)
		return q->ok && q->n_addrs == 1 && has_host(q, "10.0.0.1");
	if (strcmp(q->name, "many.test") == 0)
		return q->ok && q->n_addrs == 3 && has_host(q, "10.0.1.3");
	if (strcmp(q->name, "nobody.test") == 0)
		return !q->ok && err_is_set(&q->err);
	return q->ok && !err_is_set(&q->err);
}

static void
asker_answered(struct dns_query *q)
{
	struct question *question = CONTAINER_OF(q, struct question, q);
	struct asker *a = question->asker;

	if (!loop_is_mine(a->loop) || !is_right(q))
		a->wrong++;
	if (++a->answered == QUESTIONS)
		loop_stop(a->loop);
	else if (a->asked < QUESTIONS)
		asker_ask(a, question);
}

static void *
asker_run(void *arg)
{
	struct asker *a = arg;

	for (int i = 0; i < AT_ONCE; i++) {
		a->questions[i].asker = a;
		a->questions[i].q.reply_to = a->loop;
		a->questions[i].q.answered = asker_answered;
		asker_ask(a, &a->questions[i]);
	}
	loop_run(a->loop);
	return NULL;
}

static void *
run_main_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

START_TEST (several_threads_ask_at_once) {
	static struct asker askers[ASKERS];
	pthread_t main_thread;

	/* So that look-ups go on all the time. */
	with_ttl(0, 0);
	pthread_create(&main_thread, NULL, run_main_loop, loop);
	for (int i = 0; i < ASKERS; i++) {
		askers[i].loop = loop_new();
		pthread_create(&askers[i].thread, NULL, asker_run, &askers[i]);
	}
	for (int i = 0; i < ASKERS; i++) {
		pthread_join(askers[i].thread, NULL);
		loop_free(askers[i].loop);
		ck_assert_int_eq(askers[i].answered, QUESTIONS);
		ck_assert_int_eq(askers[i].wrong, 0);
	}
	loop_stop(loop);
	pthread_join(main_thread, NULL);
	ck_assert_uint_eq(dns_count_pending(dns), 0);
	ck_assert_uint_eq(dns_count_names(dns), 4);
}
END_TEST

static Suite *
dns_suite(void)
{
	Suite *s = suite_create("dns");
	TCase *tc = tcase_create("dns");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, name_gives_its_address_and_the_port_asked_for);
	tcase_add_test(tc, name_with_ipv6_only_gives_it);
	tcase_add_test(tc, name_with_both_families_gives_all_addresses);
	tcase_add_test(tc, localhost_comes_from_the_hosts_file);
	tcase_add_test(tc, address_is_its_own_answer_and_no_name);
	tcase_add_loop_test(tc, failure_names_the_host_and_the_cause, 0,
	    (int)ARRAY_LEN(refusals));
	tcase_add_test(tc, dead_server_is_told_at_once);
	tcase_add_test(tc, silent_server_is_given_up_after_two_tries);
	tcase_add_test(tc, many_silent_servers_are_cut_short_by_the_deadline);
	tcase_add_test(tc, question_open_at_the_end_is_answered);
	tcase_add_test(tc, answer_is_kept_until_its_time_is_over);
	tcase_add_test(tc, missing_name_is_kept_too);
	tcase_add_test(tc, equal_questions_share_one_look_up);
	tcase_add_test(tc, addresses_take_turns_evenly);
	tcase_add_test(tc, rotation_leaves_families_in_their_order);
	tcase_add_test(tc, last_answer_outlives_the_name_server);
	tcase_add_test(tc, recovered_name_server_is_asked_again);
	tcase_add_test(tc, failure_is_not_kept_as_long_as_a_missing_name);
	tcase_add_test(tc, removed_name_is_not_given_any_more);
	tcase_add_test(tc, changed_resolv_conf_is_seen);
	tcase_add_test(tc, question_on_its_way_survives_a_changed_resolv_conf);
	tcase_add_test(tc, missing_resolv_conf_is_an_error);
	tcase_add_test(tc, cache_can_be_walked);
	tcase_add_test(tc, several_threads_ask_at_once);
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
	snprintf(dir, sizeof(dir), "/tmp/pooler-dns.XXXXXX");
	if (mkdtemp(dir) == NULL || chmod(dir, 0755) != 0)
		return EXIT_FAILURE;
	snprintf(conf, sizeof(conf), "%s/resolv.conf", dir);
	r = srunner_create(dns_suite());
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	/* A failed test does not get to its tear_down(). */
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (system(command) != 0)
		failed++;
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
