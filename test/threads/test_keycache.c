/*
 * Keys are derived once for all who ask, off the loop, and kept only as long as
 * the credential is the one they are of; a full queue refuses.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/config_world.h"
#include "../unit/unit_suite.h"
#include "pooling/keycache.h"
#include "proto/digest.h"

#define ASKERS 40

static struct loop *loop;
static struct offload *offload;
static struct keycache *cache;
static int expected;
static int answers;

static void
setup(int threads, int queue, int entries)
{
	loop = loop_new();
	offload = offload_new("test", threads, queue);
	cache = keycache_new(offload, entries);
	expected = answers = 0;
}

static void
teardown(void)
{
	offload_free(offload, 10 * USEC_PER_SEC);
	keycache_free(cache);
	loop_free(loop);
}

static void
on_answer(struct key_query *q)
{
	ck_assert(loop_is_mine(q->reply_to));
	if (++answers == expected)
		loop_stop(loop);
}

static void
wait_for_answers(void)
{
	if (answers < expected)
		loop_run(loop);
	ck_assert_int_eq(answers, expected);
}

static enum keys_when
ask(struct key_query *q, const char *user, const char *password)
{
	enum keys_when when;

	memset(q, 0, sizeof(*q));
	q->user = user;
	q->password = password;
	q->iterations = 4096;
	q->reply_to = loop;
	q->answered = on_answer;
	when = keycache_ask(cache, q);
	if (when == KEYS_LATER)
		expected++;
	return when;
}

START_TEST (one_derivation_answers_all_who_ask) {
	struct key_query q[ASKERS], again;

	setup(4, 100, 100);
	for (int i = 0; i < ASKERS; i++)
		ck_assert_int_eq(ask(&q[i], "u", "pw"), KEYS_LATER);
	wait_for_answers();
	ck_assert_int_eq(keycache_derived(cache), 1);
	for (int i = 0; i < ASKERS; i++) {
		ck_assert(q[i].ok);
		ck_assert_mem_eq(&q[i].verifier, &q[0].verifier,
		    sizeof(q[0].verifier));
	}
	ck_assert_int_eq(ask(&again, "u", "pw"), KEYS_NOW);
	ck_assert_mem_eq(&again.keys, &q[0].keys, sizeof(again.keys));
	ck_assert(scram_verifier_check(&again.verifier, "pw"));
	ck_assert(!scram_verifier_check(&again.verifier, "pw2"));
	teardown();
}
END_TEST

START_TEST (another_credential_is_another_entry) {
	struct key_query q[4];

	setup(2, 100, 100);
	ck_assert_int_eq(ask(&q[0], "u", "pw"), KEYS_LATER);
	ck_assert_int_eq(ask(&q[1], "up", "w"), KEYS_LATER);
	ck_assert_int_eq(ask(&q[2], "u", "pw2"), KEYS_LATER);
	memset(&q[3], 0, sizeof(q[3]));
	q[3] = (struct key_query){ .user = "u", .password = "pw",
		.iterations = 4095, .reply_to = loop, .answered = on_answer };
	ck_assert_int_eq(keycache_ask(cache, &q[3]), KEYS_LATER);
	expected++;
	wait_for_answers();
	ck_assert_int_eq(keycache_derived(cache), 4);
	ck_assert_int_eq(keycache_count(cache), 4);
	teardown();
}
END_TEST

/* The server's salt: what comes out is what the server's verifier has. */
START_TEST (keys_are_those_of_the_given_salt) {
	struct scram_verifier v;
	struct key_query q = { .user = "u", .password = "pw",
		.reply_to = loop, .answered = on_answer };

	setup(2, 100, 100);
	scram_verifier_make("pw", 4096, &v);
	q.reply_to = loop;
	q.iterations = v.iterations;
	q.salt_n = v.salt_n;
	memcpy(q.salt, v.salt, v.salt_n);
	ck_assert_int_eq(keycache_ask(cache, &q), KEYS_LATER);
	expected++;
	wait_for_answers();
	ck_assert(q.ok);
	ck_assert_mem_eq(q.keys.server_key, v.server_key, SCRAM_KEY);
	ck_assert_mem_eq(&q.verifier, &v, sizeof(v));
	teardown();
}
END_TEST

static enum keys_when
ask_judge(struct key_query *q, const struct scram_verifier *v, const char *pw)
{
	enum keys_when when;

	*q = (struct key_query){ .user = "u", .password = pw, .judge = true,
		.iterations = v->iterations, .salt_n = v->salt_n,
		.reply_to = loop, .answered = on_answer };
	memcpy(q->salt, v->salt, v->salt_n);
	memcpy(q->stored_key, v->stored_key, SCRAM_KEY);
	when = keycache_ask(cache, q);
	if (when == KEYS_LATER)
		expected++;
	return when;
}

START_TEST (a_wrong_password_is_not_kept) {
	struct scram_verifier v;
	struct key_query good, bad;

	setup(2, 100, 100);
	scram_verifier_make("pw", 4096, &v);
	ck_assert_int_eq(ask_judge(&bad, &v, "wrong"), KEYS_LATER);
	ck_assert_int_eq(ask_judge(&good, &v, "pw"), KEYS_LATER);
	wait_for_answers();
	ck_assert(!bad.ok);
	ck_assert(good.ok);
	ck_assert_int_eq(keycache_count(cache), 1);
	ck_assert_int_eq(ask_judge(&good, &v, "pw"), KEYS_NOW);
	ck_assert(good.ok);
	/* Another verifier of the same salt does not profit from it. */
	v.stored_key[0] ^= 1;
	ck_assert_int_eq(ask_judge(&bad, &v, "pw"), KEYS_LATER);
	wait_for_answers();
	ck_assert(!bad.ok);
	teardown();
}
END_TEST

START_TEST (the_number_of_entries_is_bounded) {
	struct key_query q[20];
	char name[20][16];

	setup(2, 100, 5);
	for (int i = 0; i < 20; i++) {
		snprintf(name[i], sizeof(name[i]), "u%d", i);
		ask(&q[i], name[i], "pw");
		wait_for_answers();
		/* The first one is used each time, and stays. */
		ck_assert_int_eq(ask(&q[0], name[0], "pw"), KEYS_NOW);
	}
	ck_assert_int_eq(keycache_count(cache), 5);
	teardown();
}
END_TEST

START_TEST (reload_wipes_what_the_new_secrets_do_not_confirm) {
	struct world w = { .files = {
		{ "pooler.ini", "[pooler]\nauth_file = users\n" },
		{ "users", "\"same\" \"pw\"\n\"changed\" \"new\"\n"
			   "\"empty\" \"\"\n" } } };
	struct config_report rep;
	struct config *cfg = load_over(&w, NULL, &rep);
	struct key_query q;
	static const char *const names[] = { "same", "changed", "gone",
		"empty" };

	ck_assert_ptr_nonnull(cfg);
	setup(2, 100, 100);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		ask(&q, names[i], "pw");
		wait_for_answers();
	}
	ck_assert_int_eq(keycache_count(cache), 4);
	keycache_sweep(cache, cfg);
	ck_assert_int_eq(keycache_count(cache), 1);
	ck_assert_int_eq(ask(&q, "same", "pw"), KEYS_NOW);
	config_unref(cfg);
	config_report_fini(&rep);
	teardown();
}
END_TEST

/* ---- the offload itself ---- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static int runs, dones;

static void
run_behind_gate(struct offload_job *j)
{
	(void)j;
	pthread_mutex_lock(&gate);
	runs++;
	pthread_mutex_unlock(&gate);
}

static void
on_done(struct offload_job *j)
{
	ck_assert(loop_is_mine(j->reply_to));
	if (++dones == expected)
		loop_stop(loop);
}

START_TEST (a_full_queue_refuses_at_once) {
	struct offload_job job[6];
	struct key_query q;
	int taken = 0;

	setup(2, 3, 10);
	memset(job, 0, sizeof(job));
	runs = dones = 0;
	pthread_mutex_lock(&gate);
	/* Two run, as soon as they may, and three wait. */
	for (size_t i = 0; i < ARRAY_LEN(job); i++) {
		job[i].run = run_behind_gate;
		job[i].done = on_done;
		job[i].reply_to = loop;
	}
	while (taken < 5)
		taken += offload_submit(offload, &job[taken]);
	ck_assert(!offload_submit(offload, &job[5]));
	ck_assert_int_eq(ask(&q, "u", "pw"), KEYS_REFUSED);
	ck_assert_int_eq(keycache_count(cache), 0);
	ck_assert_int_gt(offload_refused(offload), 0);
	expected = taken;
	pthread_mutex_unlock(&gate);
	loop_run(loop);
	ck_assert_int_eq(runs, taken);
	ck_assert_int_eq(offload_pending(offload), 0);
	teardown();
}
END_TEST

UNIT_MAIN(UNIT_SUITE("keycache", one_derivation_answers_all_who_ask,
    another_credential_is_another_entry, keys_are_those_of_the_given_salt,
    a_wrong_password_is_not_kept, the_number_of_entries_is_bounded,
    reload_wipes_what_the_new_secrets_do_not_confirm,
    a_full_queue_refuses_at_once))
