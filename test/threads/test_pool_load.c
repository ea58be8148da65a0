/*
 * A pool under many clients on many workers: the bound holds at every moment,
 * nobody waits for ever, and shares are even.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../unit/unit_suite.h"
#include "pool_rig.h"

#define PLAYERS_MAX 64

/* Somebody who takes a server, has it for a while, and comes again. */
struct player {
	struct waiter w;
	struct rig *rig;
	struct pool *pool;
	struct loop *loop;
	struct server *server;
	struct timer timer;
	struct task again;
	bool waiting;
	bool wild; /* leaves, discards and drains too */
	uint32_t seed;
	_Atomic int grants;
};

static struct rig rig;
static struct player players[PLAYERS_MAX];
static int n_players;
static _Atomic bool stop;
static _Atomic int running;

static uint32_t
dice(struct player *y, uint32_t sides)
{
	y->seed = y->seed * 1103515245 + 12345;
	return (y->seed >> 16) % sides;
}

static void
come_again(struct player *y, usec_t after_us)
{
	if (atomic_load(&stop)) {
		timer_fini(&y->timer);
		atomic_fetch_sub(&running, 1);
	} else if (after_us) {
		timer_set(y->loop, &y->timer, loop_now(y->loop) + after_us);
	} else {
		loop_defer(y->loop, &y->again);
	}
}

static void
got(struct player *y, struct server *s)
{
	y->waiting = false;
	y->server = s;
	atomic_fetch_add(&y->grants, 1);
	timer_set(y->loop, &y->timer, loop_now(y->loop) + USEC_PER_MSEC);
}

static void
put_back(struct player *y)
{
	struct server *s = y->server;

	y->server = NULL;
	if (stream_has_ended(&s->stream))
		pool_discard(s, "it has ended");
	else if (y->wild && dice(y, 30) == 0)
		pool_discard(s, "the dice say so");
	else if (y->wild && dice(y, 10) == 0)
		pool_drain(s, true, false);
	else
		pool_release(s);
}

static void
ask(struct player *y)
{
	struct server *s;
	struct err e;

	switch (pool_acquire(y->pool, &y->w, loop_now(y->loop), &s, &e)) {
	case ACQUIRE_GOT:
		got(y, s);
		break;
	case ACQUIRE_QUEUED:
		y->waiting = true;
		if (y->wild && dice(y, 8) == 0)
			timer_set(y->loop, &y->timer, loop_now(y->loop) +
			    (usec_t)dice(y, 3) * USEC_PER_MSEC);
		break;
	case ACQUIRE_FULL:
	case ACQUIRE_FAILED:
		come_again(y, USEC_PER_MSEC);
		break;
	}
}

static void
on_timer(struct timer *t)
{
	struct player *y = CONTAINER_OF(t, struct player, timer);

	if (y->server) {
		put_back(y);
		come_again(y, 0);
	} else if (y->waiting) {
		if (!pool_leave(y->pool, &y->w))
			return;
		y->waiting = false;
		come_again(y, 0);
	} else {
		ask(y);
	}
}

static void
on_again(struct task *t)
{
	ask(CONTAINER_OF(t, struct player, again));
}

static void
on_granted(struct waiter *w, struct server *s)
{
	struct player *y = CONTAINER_OF(w, struct player, w);

	timer_clear(&y->timer);
	got(y, s);
}

static void
on_failed(struct waiter *w, const struct err *e)
{
	struct player *y = CONTAINER_OF(w, struct player, w);

	(void)e;
	y->waiting = false;
	come_again(y, USEC_PER_MSEC);
}

static void
begin_player(void *arg)
{
	ask(arg);
}

static void
add_players(int n, struct pool *p, bool wild)
{
	int i;

	for (i = 0; i < n; i++) {
		struct player *y = &players[n_players++];

		memset(y, 0, sizeof(*y));
		y->rig = &rig;
		y->pool = p;
		y->w.worker = i % rig.hub.n_workers;
		y->loop = rig.loops[y->w.worker];
		y->w.granted = on_granted;
		y->w.failed = on_failed;
		y->again.fn = on_again;
		timer_init(&y->timer, on_timer);
		y->wild = wild;
		y->seed = (uint32_t)n_players;
	}
}

static void
start_players(void)
{
	int i;

	atomic_store(&running, n_players);
	for (i = 0; i < n_players; i++)
		rig_on(&rig, players[i].w.worker, begin_player, &players[i]);
}

static bool
all_stopped(void *arg)
{
	(void)arg;
	return atomic_load(&running) == 0;
}

/* All come to an end, which nobody does who waits for ever. */
static void
stop_players(void)
{
	atomic_store(&stop, true);
	rig_await(all_stopped, NULL, "the end of all players");
}

static void
pass(usec_t us)
{
	nanosleep(&(struct timespec){ .tv_sec = us / USEC_PER_SEC,
	    .tv_nsec = us % USEC_PER_SEC * 1000 }, NULL);
}

static int
grants_of(int from, int to)
{
	int i, n = 0;

	for (i = from; i < to; i++)
		n += atomic_load(&players[i].grants);
	return n;
}

/* ---- shares ---- */

#define ROUNDS 30

static bool
enough_grants(void *arg)
{
	(void)arg;
	return grants_of(0, n_players) >= n_players * ROUNDS;
}

START_TEST(least_served_of_64_on_5_servers_gets_four_fifths_of_the_mean)
{
	int i, n, least = INT32_MAX, sum;

	rig_start(&rig, _i, "default_pool_size = 5\n");
	add_players(64, rig_pool(&rig, "d1", "u1"), false);
	start_players();
	rig_await(enough_grants, NULL, "so many grants each, on average");
	sum = grants_of(0, n_players);
	for (i = 0; i < n_players; i++) {
		n = atomic_load(&players[i].grants);
		least = n < least ? n : least;
	}
	ck_assert_msg(least * n_players * 5 >= sum * 4,
	    "least %d, mean %.1f", least, (double)sum / n_players);
	stop_players();
	ck_assert_int_le(fake_max_live(rig.fake), 5);
	rig_stop(&rig);
}
END_TEST

/* ---- the bound ---- */

#define WILD_US (700 * USEC_PER_MSEC)

/* Lets them play while servers die. */
static void
play_with_kills(void)
{
	usec_t end = clock_mono_us() + WILD_US;

	while (clock_mono_us() < end) {
		fake_kill(rig.fake, 0);
		pass(5 * USEC_PER_MSEC);
	}
}

START_TEST(bound_is_exact_while_servers_die_and_clients_leave)
{
	rig_start(&rig, _i, "default_pool_size = 7\nserver_login_parallel = 3\n"
	    "server_down_after = 0\n");
	add_players(32, rig_pool(&rig, "d1", "u1"), true);
	start_players();
	play_with_kills();
	stop_players();
	ck_assert_int_le(fake_max_live(rig.fake), 7);
	ck_assert_int_gt(grants_of(0, 32), 200);
	rig_stop(&rig);
}
END_TEST

/* Three pools want four slots; two of them have waiters always. */
START_TEST(bound_of_a_database_is_exact_and_each_pool_gets_its_turn)
{
	rig_start(&rig, _i, "default_pool_size = 4\nmax_db_connections = 4\n"
	    "server_login_parallel = 3\nserver_down_after = 0\n");
	add_players(12, rig_pool(&rig, "d1", "u1"), true);
	add_players(12, rig_pool(&rig, "d1", "u2"), true);
	add_players(2, rig_pool(&rig, "d1", "u3"), true);
	start_players();
	play_with_kills();
	stop_players();
	ck_assert_int_le(fake_max_live(rig.fake), 4);
	ck_assert_int_gt(grants_of(0, 12), 20);
	ck_assert_int_gt(grants_of(12, 24), 20);
	ck_assert_int_gt(grants_of(24, 26), 5);
	rig_stop(&rig);
}
END_TEST

START_TEST(bounds_of_databases_and_users_hold_together)
{
	rig_start(&rig, _i, "default_pool_size = 4\nmax_db_connections = 3\n"
	    "max_user_connections = 2\nserver_down_after = 0\n");
	add_players(8, rig_pool(&rig, "d1", "u1"), true);
	add_players(8, rig_pool(&rig, "d1", "u2"), true);
	add_players(8, rig_pool(&rig, "d2", "u1"), true);
	add_players(8, rig_pool(&rig, "d2", "u2"), true);
	start_players();
	play_with_kills();
	stop_players();
	ck_assert_int_le(fake_max_live(rig.fake), 4);
	rig_stop(&rig);
}
END_TEST

/* What the console does, all the time. */
START_TEST(bound_holds_through_pause_reconnect_and_resume)
{
	usec_t end;
	struct pool *p;

	rig_start(&rig, _i, "default_pool_size = 5\nserver_login_parallel = 3\n"
	    "server_down_after = 0\n");
	p = rig_pool(&rig, "d1", "u1");
	add_players(24, p, true);
	start_players();
	end = clock_mono_us() + WILD_US;
	while (clock_mono_us() < end) {
		registry_pause(rig.hub.registry, NULL);
		pass(USEC_PER_MSEC);
		pool_reconnect(p);
		registry_resume(rig.hub.registry, NULL);
		pass(5 * USEC_PER_MSEC);
	}
	stop_players();
	ck_assert_int_le(fake_max_live(rig.fake), 5);
	rig_stop(&rig);
}
END_TEST

/* ---- logins ---- */

static struct actor actors[16];

static void
add_actors(int n, struct pool *p)
{
	int i;

	for (i = 0; i < n; i++) {
		actor_init(&actors[i], &rig, p, i % rig.hub.n_workers);
		actor_acquire(&actors[i]);
	}
}

static bool
three_pending(void *arg)
{
	(void)arg;
	return fake_pending(rig.fake) == 3;
}

START_TEST(no_more_logins_at_once_than_server_login_parallel)
{
	struct pool *p;
	int i;

	rig_start(&rig, _i, "default_pool_size = 8\n"
	    "server_login_parallel = 3\n");
	p = rig_pool(&rig, "d1", "u1");
	fake_let_in(rig.fake, 0);
	add_actors(12, p);
	for (i = 0; i < 6; i++) {
		rig_await(three_pending, NULL, "three logins at once");
		rig_settle(&rig);
		ck_assert_int_eq(fake_total(rig.fake), i + 3);
		fake_let_in(rig.fake, 1);
		rig_await_live(&rig, i < 5 ? i + 4 : 8);
	}
	fake_let_in(rig.fake, -1);
	for (i = 0; i < 12; i++) {
		actor_await(&actors[i], ACT_GOT);
		actor_release(&actors[i]);
	}
	ck_assert_int_eq(fake_max_pending(rig.fake), 3);
	ck_assert_int_eq(fake_max_live(rig.fake), 8);
	rig_stop(&rig);
}
END_TEST

START_TEST(plain_refusal_fails_those_who_wait_at_once)
{
	struct pool *p;
	int i;

	rig_start(&rig, _i, "default_pool_size = 4\nserver_down_after = 60\n");
	p = rig_pool(&rig, "d1", "u1");
	fake_refuse(rig.fake, NULL, "28P01");
	add_actors(6, p);
	for (i = 0; i < 6; i++) {
		actor_await(&actors[i], ACT_FAILED);
		ck_assert_str_eq(actors[i].err.sqlstate, "28P01");
	}
	rig_stop(&rig);
}
END_TEST

enum outage { NO_SOCKET, STARTING_UP, OUTAGES };

static void
set_outage(enum outage o, bool on)
{
	switch (o) {
	case NO_SOCKET:
		fake_listen(rig.fake, !on);
		break;
	case STARTING_UP:
		fake_refuse(rig.fake, NULL, on ? "57P03" : NULL);
		break;
	case OUTAGES:
		break;
	}
}

START_TEST(outage_is_waited_out_for_server_down_after_and_then_told)
{
	enum outage o = (enum outage)_i;
	usec_t began;
	struct pool *p;
	int i;

	rig_start(&rig, 2, "default_pool_size = 4\nserver_down_after = 0.3\n");
	p = rig_pool(&rig, "d1", "u1");
	set_outage(o, true);
	began = clock_mono_us();
	add_actors(6, p);
	for (i = 0; i < 6; i++) {
		actor_await(&actors[i], ACT_FAILED);
		ck_assert_str_eq(actors[i].err.sqlstate,
		    o == NO_SOCKET ? "08001" : "57P03");
	}
	ck_assert_int_ge(clock_mono_us() - began, 290 * USEC_PER_MSEC);
	/* The first one after it succeeds. */
	set_outage(o, false);
	add_actors(6, p);
	for (i = 0; i < 6; i++) {
		actor_await(&actors[i], ACT_GOT);
		actor_release(&actors[i]);
	}
	rig_stop(&rig);
}
END_TEST

START_TEST(short_outage_is_not_noticed_by_those_who_wait)
{
	enum outage o = (enum outage)_i;
	struct pool *p;
	int i;

	rig_start(&rig, 2, "default_pool_size = 4\nserver_down_after = 60\n");
	p = rig_pool(&rig, "d1", "u1");
	set_outage(o, true);
	add_actors(6, p);
	pass(200 * USEC_PER_MSEC);
	set_outage(o, false);
	for (i = 0; i < 6; i++) {
		actor_await(&actors[i], ACT_GOT);
		actor_release(&actors[i]);
	}
	rig_stop(&rig);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("pool under load");
	TCase *tc = tcase_create("two and four workers");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc,
	    least_served_of_64_on_5_servers_gets_four_fifths_of_the_mean, 2, 3);
	tcase_add_loop_test(tc,
	    least_served_of_64_on_5_servers_gets_four_fifths_of_the_mean, 4, 5);
	tcase_add_loop_test(tc,
	    bound_is_exact_while_servers_die_and_clients_leave, 4, 5);
	tcase_add_loop_test(tc,
	    bound_of_a_database_is_exact_and_each_pool_gets_its_turn, 3, 5);
	tcase_add_loop_test(tc, bounds_of_databases_and_users_hold_together, 4,
	    5);
	tcase_add_loop_test(tc,
	    bound_holds_through_pause_reconnect_and_resume, 3, 4);
	tcase_add_loop_test(tc,
	    no_more_logins_at_once_than_server_login_parallel, 1, 3);
	tcase_add_loop_test(tc, plain_refusal_fails_those_who_wait_at_once, 1,
	    3);
	suite_add_tcase(s, tc);
	tc = tcase_create("outages");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc,
	    outage_is_waited_out_for_server_down_after_and_then_told, 0,
	    OUTAGES);
	tcase_add_loop_test(tc,
	    short_outage_is_not_noticed_by_those_who_wait, 0, OUTAGES);
	suite_add_tcase(s, tc);
	return s;
}

UNIT_MAIN(suite())
