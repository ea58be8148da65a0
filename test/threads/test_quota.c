/*
 * Quotas over several pools: no claim is ever lost, whoever gives a slot back
 * and whatever state the pool is in that is asked first.
 */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/unit_suite.h"
#include "pool_rig.h"
#include "pooling/crowd.h"

/* ---- the quota alone ---- */

/* A pool as far as a quota sees it. */
struct member {
	struct quota_member m;
	_Atomic int refs;
};

static void
member_init(struct member *me)
{
	memset(me, 0, sizeof(*me));
	atomic_store(&me->refs, 1);
	/* Only ever compared and handed back. */
	me->m.pool = (struct pool *)(void *)me;
	me->m.refs = &me->refs;
}

static struct member *
next_of(struct quota *q)
{
	return (struct member *)(void *)quota_next(q);
}

START_TEST(claims_are_met_in_the_order_they_came)
{
	struct quota q;
	struct member a, b, c;

	member_init(&a);
	member_init(&b);
	member_init(&c);
	quota_init(&q, 1);
	ck_assert(quota_take(&q, &a.m, 1));
	ck_assert(!quota_take(&q, &b.m, 2));
	ck_assert(!quota_take(&q, &c.m, 3));
	ck_assert(!quota_take(&q, &b.m, 4));
	ck_assert_int_eq(quota_hungry(&q, &a.m), 2);
	ck_assert_int_eq(quota_hungry(&q, &b.m), 0);
	ck_assert_ptr_null(next_of(&q));
	quota_give(&q, &a.m);
	ck_assert_ptr_eq(next_of(&q), &b);
	ck_assert_int_eq(atomic_load(&b.refs), 2);
	/* b had no use for it: c is asked as well. */
	ck_assert_ptr_eq(next_of(&q), &c);
	ck_assert_ptr_null(next_of(&q));
	ck_assert_int_eq(quota_hungry(&q, &a.m), 0);
	quota_fini(&q);
}
END_TEST

/* Who has the fewest comes first, whoever came first. */
START_TEST(claims_are_met_by_need)
{
	struct quota q;
	struct member a, b, c;

	member_init(&a);
	member_init(&b);
	member_init(&c);
	quota_init(&q, 3);
	ck_assert(quota_take(&q, &a.m, 1));
	ck_assert(quota_take(&q, &a.m, 1));
	ck_assert(quota_take(&q, &b.m, 1));
	ck_assert(!quota_take(&q, &a.m, 2));
	ck_assert_int_eq(quota_hungry_held(&q), 2);
	ck_assert(!quota_take(&q, &b.m, 3));
	ck_assert_int_eq(quota_hungry_held(&q), 1);
	ck_assert(!quota_take(&q, &c.m, 4));
	ck_assert_int_eq(quota_hungry_held(&q), 0);
	ck_assert_int_eq(quota_hungry(&q, &a.m), 4);
	quota_give(&q, &a.m);
	ck_assert_ptr_eq(next_of(&q), &c);
	quota_withdraw(&q, &a.m);
	quota_withdraw(&q, &b.m);
	quota_give(&q, &a.m);
	quota_give(&q, &b.m);
	quota_fini(&q);
}
END_TEST

START_TEST(claim_that_is_withdrawn_is_not_met)
{
	struct quota q;
	struct member a, b;

	member_init(&a);
	member_init(&b);
	quota_init(&q, 1);
	ck_assert(quota_take(&q, &a.m, 1));
	ck_assert(!quota_take(&q, &b.m, 2));
	quota_withdraw(&q, &b.m);
	ck_assert_int_eq(quota_hungry(&q, &a.m), 0);
	quota_give(&q, &a.m);
	ck_assert_ptr_null(next_of(&q));
	quota_fini(&q);
}
END_TEST

START_TEST(who_asks_without_a_claim_leaves_none)
{
	struct quota q;
	struct member a, b;

	member_init(&a);
	member_init(&b);
	quota_init(&q, 1);
	ck_assert(quota_take(&q, &a.m, 0));
	ck_assert(!quota_take(&q, &b.m, 0));
	ck_assert_int_eq(quota_hungry(&q, &a.m), 0);
	quota_give(&q, &a.m);
	quota_fini(&q);
}
END_TEST

START_TEST(raised_limit_lets_claims_through)
{
	struct quota q;
	struct member a, b;

	member_init(&a);
	member_init(&b);
	quota_init(&q, 1);
	ck_assert(quota_take(&q, &a.m, 1));
	ck_assert(!quota_take(&q, &b.m, 2));
	quota_set_limit(&q, 2);
	ck_assert_ptr_eq(next_of(&q), &b);
	quota_give(&q, &a.m);
	quota_fini(&q);
}
END_TEST

/* ---- from many threads ---- */

#define HANDS 6
#define TURNS 20000

static struct quota shared;
static struct member hands[HANDS];
static _Atomic int in_use, most_in_use;

/* Whoever has a claim sleeps until somebody finds it here. */
static struct {
	pthread_mutex_t mu;
	pthread_cond_t cond;
	bool woken;
} beds[HANDS];

static void
wake_all(void)
{
	struct member *me;
	int i;

	while ((me = next_of(&shared))) {
		atomic_fetch_sub(&me->refs, 1);
		i = (int)(me - hands);
		pthread_mutex_lock(&beds[i].mu);
		beds[i].woken = true;
		pthread_cond_signal(&beds[i].cond);
		pthread_mutex_unlock(&beds[i].mu);
	}
}

static void
sleep_here(int i)
{
	pthread_mutex_lock(&beds[i].mu);
	while (!beds[i].woken)
		pthread_cond_wait(&beds[i].cond, &beds[i].mu);
	beds[i].woken = false;
	pthread_mutex_unlock(&beds[i].mu);
}

static void *
take_and_give(void *arg)
{
	struct member *me = arg;
	int i = (int)(me - hands), turn, n, most;

	for (turn = 0; turn < TURNS; turn++) {
		while (!quota_take(&shared, &me->m, turn + 1)) {
			/* Now and then without patience. */
			if (turn % 7 == 0) {
				quota_withdraw(&shared, &me->m);
				break;
			}
			sleep_here(i);
		}
		if (me->m.held == 0)
			continue;
		n = atomic_fetch_add(&in_use, 1) + 1;
		most = atomic_load(&most_in_use);
		while (n > most && !atomic_compare_exchange_weak(&most_in_use,
			&most, n))
			;
		atomic_fetch_sub(&in_use, 1);
		quota_give(&shared, &me->m);
		wake_all();
	}
	return NULL;
}

/* A claim that is lost shows as a thread that sleeps for ever. */
START_TEST(no_claim_is_lost_among_threads)
{
	pthread_t t[HANDS];
	int i;

	quota_init(&shared, 2);
	for (i = 0; i < HANDS; i++) {
		member_init(&hands[i]);
		pthread_mutex_init(&beds[i].mu, NULL);
		pthread_cond_init(&beds[i].cond, NULL);
	}
	for (i = 0; i < HANDS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, take_and_give,
		    &hands[i]), 0);
	for (i = 0; i < HANDS; i++)
		pthread_join(t[i], NULL);
	ck_assert_int_le(atomic_load(&most_in_use), 2);
	ck_assert_int_eq(quota_used(&shared), 0);
	quota_fini(&shared);
}
END_TEST

/* ---- with pools ---- */

#define ONE_OF_ALL "default_pool_size = 5\nmax_db_connections = 1\n"

static struct rig rig;
static struct pool *pools[3];
static struct actor actors[3];

/* The first has the only slot, the others wait for it in this order. */
static void
one_slot_for_three(const char *lines)
{
	static const char *const users[] = { "u1", "u2", "u3" };
	int i;

	rig_start(&rig, 2, "%s", lines);
	for (i = 0; i < 3; i++) {
		pools[i] = rig_pool(&rig, "d1", users[i]);
		actor_init(&actors[i], &rig, pools[i], i % 2);
		actor_acquire(&actors[i]);
		if (i == 0)
			actor_await(&actors[0], ACT_GOT);
	}
	ck_assert_int_eq(fake_live(rig.fake), 1);
}

static void
finish_all(void)
{
	ck_assert_int_eq(fake_max_live(rig.fake), 1);
	rig_stop(&rig);
}

START_TEST(released_server_is_closed_for_the_pool_that_claims)
{
	one_slot_for_three(ONE_OF_ALL);
	actor_release(&actors[0]);
	actor_await(&actors[1], ACT_GOT);
	actor_release(&actors[1]);
	actor_await(&actors[2], ACT_GOT);
	actor_release(&actors[2]);
	finish_all();
}
END_TEST

START_TEST(paused_pool_does_not_swallow_the_wake_up)
{
	one_slot_for_three(ONE_OF_ALL);
	pool_pause(pools[1]);
	actor_discard(&actors[0]);
	actor_await(&actors[2], ACT_GOT);
	ck_assert_int_eq(atomic_load(&actors[1].act), ACT_WAITING);
	actor_release(&actors[2]);
	pool_resume(pools[1]);
	actor_await(&actors[1], ACT_GOT);
	actor_release(&actors[1]);
	finish_all();
}
END_TEST

START_TEST(failing_pool_does_not_swallow_the_wake_up)
{
	one_slot_for_three(ONE_OF_ALL "server_down_after = 0\n");
	fake_refuse(rig.fake, "u2", "57P03");
	actor_discard(&actors[0]);
	actor_await(&actors[2], ACT_GOT);
	ck_assert_int_eq(atomic_load(&actors[1].act), ACT_WAITING);
	fake_refuse(rig.fake, NULL, NULL);
	actor_release(&actors[2]);
	actor_await(&actors[1], ACT_GOT);
	actor_release(&actors[1]);
	finish_all();
}
END_TEST

START_TEST(pool_whose_waiter_has_left_does_not_swallow_the_wake_up)
{
	one_slot_for_three(ONE_OF_ALL);
	actor_leave(&actors[1]);
	actor_discard(&actors[0]);
	actor_await(&actors[2], ACT_GOT);
	ck_assert_int_eq(atomic_load(&pools[1]->by_db.since_us), 0);
	actor_release(&actors[2]);
	finish_all();
}
END_TEST

START_TEST(killed_pool_does_not_swallow_the_wake_up)
{
	struct err e;

	one_slot_for_three(ONE_OF_ALL);
	err_set(&e, "57P01", "killed");
	pool_kill(pools[1], &e);
	actor_await(&actors[1], ACT_FAILED);
	actor_discard(&actors[0]);
	actor_await(&actors[2], ACT_GOT);
	actor_release(&actors[2]);
	finish_all();
}
END_TEST

START_TEST(idle_server_of_another_pool_is_evicted)
{
	struct actor a, b;

	rig_start(&rig, 2, ONE_OF_ALL);
	pools[0] = rig_pool(&rig, "d1", "u1");
	pools[1] = rig_pool(&rig, "d1", "u2");
	actor_init(&a, &rig, pools[0], 0);
	actor_init(&b, &rig, pools[1], 1);
	actor_acquire(&a);
	actor_await(&a, ACT_GOT);
	actor_release(&a);
	actor_acquire(&b);
	actor_await(&b, ACT_GOT);
	ck_assert_uint_eq(pools[0]->evictions, 1);
	actor_release(&b);
	finish_all();
}
END_TEST

/* Who keeps servers in stock takes none from others for it, nor a claim that
 * would outlive him. */
START_TEST(min_pool_size_evicts_nobody)
{
	struct actor a, b;

	rig_start(&rig, 1, ONE_OF_ALL "min_pool_size = 1\n");
	pools[0] = rig_pool(&rig, "d1", "u1");
	pools[1] = rig_pool(&rig, "d1", "u2");
	actor_init(&a, &rig, pools[0], 0);
	actor_init(&b, &rig, pools[1], 0);
	actor_acquire(&a);
	actor_await(&a, ACT_GOT);
	actor_acquire(&b);
	actor_leave(&b);
	pool_pump(pools[1]);
	ck_assert_int_eq(atomic_load(&pools[1]->by_db.since_us), 0);
	actor_release(&a);
	pool_pump(pools[1]);
	rig_settle(&rig);
	ck_assert_uint_eq(pools[0]->evictions, 0);
	ck_assert_int_eq(pool_total(pools[0]), 1);
	finish_all();
}
END_TEST

/* A user's limit counts over databases; the database's slot that was taken on
 * the way is free for others again. */
START_TEST(user_limit_gives_the_slot_of_the_database_back)
{
	struct actor a, b, c;
	struct pool *p1, *p2, *p3;

	rig_start(&rig, 2, "default_pool_size = 5\nmax_user_connections = 1\n"
	    "max_db_connections = 1\n");
	p1 = rig_pool(&rig, "d1", "u1");
	p2 = rig_pool(&rig, "d2", "u1");
	p3 = rig_pool(&rig, "d2", "u2");
	actor_init(&a, &rig, p1, 0);
	actor_init(&b, &rig, p2, 1);
	actor_init(&c, &rig, p3, 0);
	actor_acquire(&a);
	actor_await(&a, ACT_GOT);
	actor_acquire(&b);
	actor_acquire(&c);
	actor_await(&c, ACT_GOT);
	actor_release(&a);
	actor_release(&c);
	actor_await(&b, ACT_GOT);
	actor_release(&b);
	ck_assert_int_le(fake_max_live(rig.fake), 2);
	rig_stop(&rig);
}
END_TEST

/* ---- who may wait ---- */

#define CROWD_THREADS 8
#define CROWD_ROUNDS 20000

struct mob {
	struct crowd process, database[2], user[2];
	_Atomic int inside, most;
	_Atomic long refused;
};

struct one_of_many {
	struct mob *mob;
	int i;
	pthread_t thread;
};

static void *
come_and_go(void *arg)
{
	struct one_of_many *me = arg;
	struct mob *m = me->mob;
	struct crowds c = {
		.process = &m->process,
		.database = &m->database[me->i % 2],
		.user = &m->user[me->i / 2 % 2],
		.database_name = "d",
		.user_name = "u",
	};
	struct err e;
	int i, n, most;

	for (i = 0; i < CROWD_ROUNDS; i++) {
		if (!crowds_enter(&c, &e)) {
			atomic_fetch_add(&m->refused, 1);
			continue;
		}
		n = atomic_fetch_add(&m->inside, 1) + 1;
		most = atomic_load(&m->most);
		while (n > most &&
		    !atomic_compare_exchange_weak(&m->most, &most, n))
			;
		if (i % 64 == 0)
			sched_yield();
		atomic_fetch_sub(&m->inside, 1);
		crowds_leave(&c);
	}
	return NULL;
}

START_TEST(no_more_wait_than_may_among_threads)
{
	struct mob m = { .process.max = 3, .database = { { .max = 2 } },
		.user = { { .max = 2 } } };
	struct one_of_many all[CROWD_THREADS];
	int i;

	for (i = 0; i < CROWD_THREADS; i++) {
		all[i] = (struct one_of_many){ .mob = &m, .i = i };
		pthread_create(&all[i].thread, NULL, come_and_go, &all[i]);
	}
	for (i = 0; i < CROWD_THREADS; i++)
		pthread_join(all[i].thread, NULL);
	ck_assert_int_le(m.most, 3);
	/* Nobody is left who has counted halfway. */
	ck_assert_int_eq(m.process.n, 0);
	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(m.database[i].n, 0);
		ck_assert_int_eq(m.user[i].n, 0);
	}
}
END_TEST

START_TEST(who_is_refused_is_told_by_which_limit)
{
	struct crowd process = { .max = 3 }, database = { .max = 2 };
	struct crowd user = { .max = 0 };
	struct crowds c = { &process, &database, &user, "shop", "app" };
	struct err e;

	ck_assert(crowds_enter(&c, &e));
	ck_assert(crowds_enter(&c, &e));
	ck_assert(!crowds_enter(&c, &e));
	ck_assert_str_eq(e.sqlstate, "53300");
	ck_assert_str_eq(e.detail,
	    "2 may wait at the same time for database \"shop\"");
	database.max = 0;
	ck_assert(crowds_enter(&c, &e));
	ck_assert(!crowds_enter(&c, &e));
	ck_assert_str_eq(e.detail, "3 may wait at the same time");
	user.max = 3;
	process.max = 0;
	ck_assert(!crowds_enter(&c, &e));
	ck_assert_str_eq(e.detail,
	    "3 may wait at the same time for user \"app\"");
	ck_assert_int_eq(database.n, 3);
	ck_assert_int_eq(process.n, 3);
}
END_TEST

UNIT_MAIN(UNIT_SUITE("quota",
    claims_are_met_in_the_order_they_came,
    claims_are_met_by_need,
    claim_that_is_withdrawn_is_not_met,
    who_asks_without_a_claim_leaves_none,
    raised_limit_lets_claims_through,
    no_claim_is_lost_among_threads,
    released_server_is_closed_for_the_pool_that_claims,
    paused_pool_does_not_swallow_the_wake_up,
    failing_pool_does_not_swallow_the_wake_up,
    pool_whose_waiter_has_left_does_not_swallow_the_wake_up,
    killed_pool_does_not_swallow_the_wake_up,
    idle_server_of_another_pool_is_evicted,
    min_pool_size_evicts_nobody,
    user_limit_gives_the_slot_of_the_database_back,
    no_more_wait_than_may_among_threads,
    who_is_refused_is_told_by_which_limit))
