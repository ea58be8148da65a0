/*
 * Databases, users and pools by name, asked for by many threads while the
 * configuration changes under them.
 */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/unit_suite.h"
#include "pool_rig.h"

#define THREADS 4
#define LOGINS 400

static struct rig rig;
static _Atomic bool over;

/* As a client does that has logged in. */
static struct pool *
log_in(const struct config *cfg, const char *db, const char *user,
    const struct scram_keys *keys)
{
	struct pool_key k = {
		.db = registry_database(rig.hub.registry, cfg, db),
		.conf = config_database(cfg, db),
		.login_user = user,
		.keys = keys,
	};

	struct pool *p = k.db ? registry_pool(rig.hub.registry, cfg, &k) : NULL;

	database_unref(k.db);
	return p;
}

static void *
log_in_often(void *arg)
{
	unsigned me = *(unsigned *)arg, i;
	struct scram_keys keys;
	struct pool *first = NULL, *p;
	char db[8], user[8];

	memset(&keys, 0, sizeof(keys));
	for (i = 0; i < LOGINS; i++) {
		snprintf(db, sizeof(db), "d%u", (me + i) % 2 + 1);
		snprintf(user, sizeof(user), "u%u", i % 16);
		memcpy(&keys, &i, sizeof(i));
		p = log_in(rig.hub.cfg, db, user, i % 2 ? &keys : NULL);
		if (!p) {
			/* The newest snapshot has it no more. */
			ck_assert_str_eq(db, "d2");
			continue;
		}
		ck_assert_str_eq(p->db->name, db);
		ck_assert_str_eq(p->user_name, user);
		target_unref(pool_target(p));
		/* Kept over many changes. */
		pool_unref(first);
		first = p;
	}
	pool_unref(first);
	return NULL;
}

#define GUESTS 3000

/* Databases come with their clients, and go behind them. */
static void *
visit_automatic(void *arg)
{
	unsigned me = *(unsigned *)arg, i;
	const struct config *cfg = rig.hub.cfg;

	for (i = 0; i < GUESTS; i++) {
		struct pool_key k = { .conf = cfg->autodb,
			.login_user = "u1" };
		char db[16];
		struct pool *p;

		snprintf(db, sizeof(db), "auto%u", (me * 7 + i) % 10);
		k.db = registry_database(rig.hub.registry, cfg, db);
		ck_assert_ptr_nonnull(k.db);
		p = registry_pool(rig.hub.registry, cfg, &k);
		ck_assert_ptr_nonnull(p);
		database_unref(k.db);
		ck_assert_str_eq(p->db->name, db);
		pool_count(p, &(struct counters){ .logins = 1 });
		pool_unref(p);
	}
	return NULL;
}

static void
count_automatic(void *arg, struct database *d)
{
	*(int *)arg += d->automatic;
}

static int
automatic_databases(void)
{
	int n = 0;

	registry_each_database(rig.hub.registry, count_automatic, &n);
	return n;
}

static void
sweep_all(const struct config *cfg)
{
	struct counters sum = { 0 };
	int i;

	for (i = 0; i < 3; i++)
		registry_end_period(rig.hub.registry, &sum);
	while (registry_sweep(rig.hub.registry, cfg))
		;
}

static void *
end_over(void *arg)
{
	pthread_t *t = arg;
	int i;

	for (i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	atomic_store(&over, true);
	return NULL;
}

static bool
all_are_gone(void *arg)
{
	sweep_all(arg);
	return automatic_databases() == 0;
}

START_TEST(automatic_databases_come_and_go_among_threads)
{
	static unsigned ids[THREADS] = { 0, 1, 2, 3 };
	pthread_t threads[THREADS], joiner;
	struct config *cfg;
	int i;

	rig_start(&rig, 2, "default_pool_size = 2\n");
	cfg = rig_config(&rig, "", "[databases]\n* = host=/nowhere port=1\n");
	cfg->autodb_idle_timeout_us = cfg->pool_idle_timeout_us = 1;
	registry_apply(rig.hub.registry, cfg);
	config_unref(rig.hub.cfg);
	rig.hub.cfg = config_ref(cfg);
	atomic_store(&over, false);
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
		    visit_automatic, &ids[i]), 0);
	ck_assert_int_eq(pthread_create(&joiner, NULL, end_over, threads), 0);
	while (!atomic_load(&over))
		sweep_all(cfg);
	pthread_join(joiner, NULL);
	rig_await(all_are_gone, cfg, "the databases to go");
	ck_assert_uint_eq(registry_count_pools(rig.hub.registry), 0);
	config_unref(cfg);
	rig_stop(&rig);
}
END_TEST

static bool
x_is_gone(void *arg)
{
	sweep_all(arg);
	return registry_find(rig.hub.registry, "x") == NULL;
}

/* Who holds one, by whatever, finds it again. */
START_TEST(automatic_database_in_use_stays)
{
	struct config *cfg;
	struct database *d;
	struct pool *p;

	rig_start(&rig, 1, "default_pool_size = 2\n");
	cfg = rig_config(&rig, "", "[databases]\n* = host=/nowhere port=1\n");
	cfg->autodb_idle_timeout_us = cfg->pool_idle_timeout_us = 1;
	registry_apply(rig.hub.registry, cfg);
	d = registry_database(rig.hub.registry, cfg, "x");
	sweep_all(cfg);
	ck_assert_ptr_eq(registry_find(rig.hub.registry, "x"), d);
	p = registry_pool(rig.hub.registry, cfg, &(struct pool_key){
	    .db = d, .conf = cfg->autodb, .login_user = "u1" });
	database_unref(d);
	sweep_all(cfg);
	ck_assert_ptr_eq(registry_find(rig.hub.registry, "x"), d);
	pool_unref(p);
	registry_pause(rig.hub.registry, d);
	sweep_all(cfg);
	ck_assert_ptr_eq(registry_find(rig.hub.registry, "x"), d);
	registry_resume(rig.hub.registry, d);
	d->disabled = true;
	sweep_all(cfg);
	ck_assert_ptr_eq(registry_find(rig.hub.registry, "x"), d);
	d->disabled = false;
	rig_await(x_is_gone, cfg, "the database to go");
	config_unref(cfg);
	rig_stop(&rig);
}
END_TEST

static void *
look_often(void *arg)
{
	struct pool *p;
	struct pool_counts c;

	(void)arg;
	while (!atomic_load(&over)) {
		p = log_in(rig.hub.cfg, "d1", "u1", NULL);
		pool_read(p, clock_mono_us(), &c, NULL);
		pool_unref(p);
		(void)registry_busy(rig.hub.registry, NULL);
		(void)registry_servers(rig.hub.registry, NULL);
	}
	return NULL;
}

/* Sizes and limits change, d2 comes and goes, d1 moves. */
static void
change_often(pthread_t *threads, int n)
{
	struct config *with = rig_config(&rig, "default_pool_size = 3\n"
	    "max_db_connections = 4\nmax_user_connections = 5\n", NULL);
	struct config *without = rig_config(&rig, "default_pool_size = 7\n",
	    "[databases]\nd1 = host=/nowhere port=1\n");
	int i;

	for (i = 0; i < 40; i++) {
		registry_apply(rig.hub.registry, i % 2 ? with : without);
		registry_pause(rig.hub.registry, NULL);
		registry_resume(rig.hub.registry, NULL);
	}
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&over, true);
	config_unref(with);
	config_unref(without);
}

START_TEST(logins_and_reloads_go_together)
{
	static unsigned ids[THREADS] = { 0, 1, 2, 3 };
	pthread_t threads[THREADS], looker;
	int i;

	rig_start(&rig, 2, "default_pool_size = 2\n");
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
		    log_in_often, &ids[i]), 0);
	ck_assert_int_eq(pthread_create(&looker, NULL, look_often, NULL), 0);
	change_often(threads, THREADS);
	pthread_join(looker, NULL);
	rig_stop(&rig);
}
END_TEST

struct same {
	pthread_t thread;
	pthread_barrier_t *start;
	struct pool *pool;
};

static void *
log_in_once(void *arg)
{
	struct same *s = arg;

	pthread_barrier_wait(s->start);
	s->pool = log_in(rig.hub.cfg, "d1", "u1", NULL);
	return NULL;
}

START_TEST(all_who_come_at_once_get_the_same_pool)
{
	struct same s[8];
	pthread_barrier_t start;
	size_t i;

	rig_start(&rig, 1, "default_pool_size = 2\n");
	pthread_barrier_init(&start, NULL, ARRAY_LEN(s));
	for (i = 0; i < ARRAY_LEN(s); i++) {
		s[i].start = &start;
		ck_assert_int_eq(pthread_create(&s[i].thread, NULL,
		    log_in_once, &s[i]), 0);
	}
	for (i = 0; i < ARRAY_LEN(s); i++) {
		pthread_join(s[i].thread, NULL);
		ck_assert_ptr_eq(s[i].pool, s[0].pool);
	}
	ck_assert_int_eq(atomic_load(&s[0].pool->refs), 1 + 8);
	for (i = 0; i < ARRAY_LEN(s); i++)
		pool_unref(s[i].pool);
	pthread_barrier_destroy(&start);
	rig_stop(&rig);
}
END_TEST

/* Its client is still there when the database goes. */
START_TEST(removed_database_fails_waiters_and_closes_servers)
{
	struct config *without;
	struct actor a, b, c;
	struct pool *p;

	rig_start(&rig, 2, "default_pool_size = 1\n");
	without = rig_config(&rig, "", "[databases]\nd1 = host=/nowhere\n");
	p = rig_pool(&rig, "d2", "u1");
	actor_init(&a, &rig, p, 0);
	actor_init(&b, &rig, p, 1);
	actor_init(&c, &rig, p, 1);
	actor_acquire(&a);
	actor_await(&a, ACT_GOT);
	actor_acquire(&b);
	registry_apply(rig.hub.registry, without);
	actor_await(&b, ACT_FAILED);
	ck_assert_str_eq(b.err.msg, "database removed");
	actor_acquire(&c);
	actor_await(&c, ACT_FAILED);
	ck_assert_str_eq(c.err.msg, "database removed");
	actor_release(&a);
	rig_await_total(p, 0);
	rig_await_live(&rig, 0);
	config_unref(without);
	rig_stop(&rig);
}
END_TEST

/* One slot, a waiter each in two pools; then there is room for both. */
START_TEST(raised_limit_serves_those_who_wait)
{
	struct config *more;
	struct actor a, b;

	rig_start(&rig, 2, "default_pool_size = 5\nmax_db_connections = 1\n");
	more = rig_config(&rig, "default_pool_size = 5\n"
	    "max_db_connections = 2\n", NULL);
	actor_init(&a, &rig, rig_pool(&rig, "d1", "u1"), 0);
	actor_init(&b, &rig, rig_pool(&rig, "d1", "u2"), 1);
	actor_acquire(&a);
	actor_await(&a, ACT_GOT);
	actor_acquire(&b);
	ck_assert_int_eq(fake_live(rig.fake), 1);
	registry_apply(rig.hub.registry, more);
	actor_await(&b, ACT_GOT);
	actor_release(&a);
	actor_release(&b);
	config_unref(more);
	rig_stop(&rig);
}
END_TEST

static bool
is_within(void *arg)
{
	return pool_total(arg) <= 2 && fake_live(rig.fake) <= 2;
}

/* Servers above a limit that was lowered go as they come free. */
START_TEST(lowered_limit_closes_what_is_above_it)
{
	struct config *less;
	struct actor a[4];
	struct pool *p;
	int i;

	rig_start(&rig, 2, "default_pool_size = 4\n");
	less = rig_config(&rig, "default_pool_size = 4\n"
	    "max_db_connections = 2\n", NULL);
	p = rig_pool(&rig, "d1", "u1");
	for (i = 0; i < 4; i++) {
		actor_init(&a[i], &rig, p, i % 2);
		actor_acquire(&a[i]);
		actor_await(&a[i], ACT_GOT);
	}
	registry_apply(rig.hub.registry, less);
	for (i = 0; i < 4; i++)
		actor_release(&a[i]);
	rig_await(is_within, p, "no more than two servers");
	config_unref(less);
	rig_stop(&rig);
}
END_TEST

/* n servers of a pool, all idle. */
static void
fill_shelves(struct pool *p, int n)
{
	struct actor a[4];
	int i;

	for (i = 0; i < n; i++) {
		actor_init(&a[i], &rig, p, i % 2);
		actor_acquire(&a[i]);
		actor_await(&a[i], ACT_GOT);
	}
	for (i = 0; i < n; i++)
		actor_release(&a[i]);
	rig_settle(&rig);
	ck_assert_int_eq(pool_count_of(p, SV_IDLE), n);
}

START_TEST(lowered_size_closes_idle_servers)
{
	struct config *less;
	struct pool *p;

	rig_start(&rig, 2, "default_pool_size = 4\n");
	less = rig_config(&rig, "default_pool_size = 1\n", NULL);
	p = rig_pool(&rig, "d1", "u1");
	fill_shelves(p, 4);
	registry_apply(rig.hub.registry, less);
	rig_await_total(p, 1);
	rig_settle(&rig);
	ck_assert_int_eq(pool_count_of(p, SV_IDLE), 1);
	config_unref(less);
	rig_stop(&rig);
}
END_TEST

START_TEST(lowered_limit_closes_idle_servers_of_all_its_pools)
{
	struct config *less;
	struct pool *p, *o;

	rig_start(&rig, 2, "default_pool_size = 4\n"
	    "max_db_connections = 8\n");
	less = rig_config(&rig, "default_pool_size = 4\n"
	    "max_db_connections = 3\n", NULL);
	p = rig_pool(&rig, "d1", "u1");
	o = rig_pool(&rig, "d1", "u2");
	fill_shelves(p, 4);
	fill_shelves(o, 4);
	registry_apply(rig.hub.registry, less);
	rig_await_live(&rig, 3);
	rig_settle(&rig);
	ck_assert_int_eq(pool_total(p) + pool_total(o), 3);
	config_unref(less);
	rig_stop(&rig);
}
END_TEST

UNIT_MAIN(UNIT_SUITE("registry",
    logins_and_reloads_go_together,
    all_who_come_at_once_get_the_same_pool,
    removed_database_fails_waiters_and_closes_servers,
    raised_limit_serves_those_who_wait,
    lowered_limit_closes_what_is_above_it,
    lowered_size_closes_idle_servers,
    lowered_limit_closes_idle_servers_of_all_its_pools,
    automatic_databases_come_and_go_among_threads,
    automatic_database_in_use_stays))
