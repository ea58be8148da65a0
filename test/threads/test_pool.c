/*
 * The races of a pool, each forced: what architecture.md says of servers that
 * move between workers, and of waiters that leave.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/unit_suite.h"
#include "pool_rig.h"

#define ONE_SERVER "default_pool_size = 1\n"
#define TWO_SERVERS "default_pool_size = 2\nserver_login_parallel = 2\n"

static struct rig rig;
static struct pool *pool;

/* An actor that has had a server, which now lies on its worker's shelf. */
static uint32_t
leave_idle(struct actor *a, int worker)
{
	uint32_t pid;

	actor_init(a, &rig, pool, worker);
	actor_acquire(a);
	actor_await(a, ACT_GOT);
	pid = a->server->pid;
	actor_release(a);
	ck_assert_int_gt(pool_count_of(pool, SV_IDLE), 0);
	return pid;
}

static void
begin(int n_workers, const char *lines)
{
	rig_start(&rig, n_workers, "%s", lines);
	pool = rig_pool(&rig, "d1", "u1");
}

/* Nobody holds anything: exactly n servers, all idle. */
static void
all_idle(int n)
{
	rig_settle(&rig);
	rig_await_total(pool, n);
	rig_await_live(&rig, n);
	ck_assert_int_eq(pool_count_of(pool, SV_IDLE), n);
}

/* ---- a server dies while it is stolen ---- */

static void
wake_server(void *arg)
{
	struct server *s = arg;

	/* The end is seen now, before the mail that fetches it. */
	stream_wake(&s->stream);
}

static bool
is_dead(void *arg)
{
	(void)arg;
	return fake_live(rig.fake) == 0;
}

static void
die_in_flight(bool seen_first)
{
	struct actor a, b;
	struct hold h;
	struct server *s;
	uint32_t pid;

	begin(2, ONE_SERVER);
	pid = leave_idle(&a, 0);
	s = TAILQ_FIRST(&pool->side[0].idle);
	rig_hold(&rig, &h, 0);
	actor_init(&b, &rig, pool, 1);
	actor_acquire(&b);
	ck_assert_int_eq(pool_count_of(pool, SV_MIGRATING), 1);
	fake_kill(rig.fake, pid);
	rig_await(is_dead, NULL, "the end of the server");
	rig_release(&h, seen_first ? wake_server : NULL, s);
	actor_await(&b, ACT_GOT);
	ck_assert_uint_ne(b.server->pid, pid);
	ck_assert_int_eq(pool_total(pool), 1);
	ck_assert_int_eq(fake_total(rig.fake), 2);
	actor_release(&b);
	all_idle(1);
	ck_assert_int_eq(fake_max_live(rig.fake), 1);
	rig_stop(&rig);
}

START_TEST(stolen_server_that_died_on_its_old_worker_is_replaced)
{
	die_in_flight(true);
}
END_TEST

START_TEST(stolen_server_that_dies_under_way_is_replaced)
{
	die_in_flight(false);
}
END_TEST

/* ---- the world changes while a server moves ---- */

enum stage { AT_SOURCE, AT_DESTINATION, STAGES };

/* b waits on worker 1; the server that is to serve it stands still, taken off
 * the shelf of worker 0, or posted to worker 1. */
static uint32_t
stop_in_flight(struct actor *b, enum stage stage, struct hold *h)
{
	struct hold source;
	struct actor a;
	uint32_t pid = leave_idle(&a, 0);

	rig_hold(&rig, stage == AT_SOURCE ? h : &source, 0);
	actor_init(b, &rig, pool, 1);
	actor_acquire(b);
	if (stage == AT_DESTINATION) {
		rig_hold(&rig, h, 1);
		rig_release(&source, NULL, NULL);
		rig_on(&rig, 0, NULL, NULL);
	}
	ck_assert_int_eq(pool_count_of(pool, SV_MIGRATING), 1);
	return pid;
}

START_TEST(server_that_moves_while_its_pool_is_paused_is_closed)
{
	struct actor b;
	struct hold h;
	uint32_t pid;

	begin(2, ONE_SERVER);
	pid = stop_in_flight(&b, (enum stage)_i, &h);
	pool_pause(pool);
	ck_assert_int_eq(pool_busy(pool), 1);
	rig_release(&h, NULL, NULL);
	rig_await_total(pool, 0);
	rig_await_live(&rig, 0);
	ck_assert_int_eq(pool_busy(pool), 0);
	ck_assert_int_eq(atomic_load(&b.act), ACT_WAITING);
	pool_resume(pool);
	actor_await(&b, ACT_GOT);
	ck_assert_uint_ne(b.server->pid, pid);
	actor_release(&b);
	all_idle(1);
	ck_assert_int_eq(fake_max_live(rig.fake), 1);
	rig_stop(&rig);
}
END_TEST

START_TEST(server_that_moves_during_reconnect_is_closed)
{
	struct actor b;
	struct hold h;
	uint32_t pid;

	begin(2, ONE_SERVER);
	pid = stop_in_flight(&b, (enum stage)_i, &h);
	pool_reconnect(pool);
	rig_release(&h, NULL, NULL);
	actor_await(&b, ACT_GOT);
	ck_assert_uint_ne(b.server->pid, pid);
	ck_assert_int_eq(fake_total(rig.fake), 2);
	ck_assert_int_eq(fake_max_live(rig.fake), 1);
	actor_release(&b);
	all_idle(1);
	rig_stop(&rig);
}
END_TEST

START_TEST(server_that_moves_while_its_pool_is_killed_is_closed)
{
	struct actor b;
	struct hold h;
	struct err e;

	begin(2, ONE_SERVER);
	(void)stop_in_flight(&b, (enum stage)_i, &h);
	err_set(&e, "57P01", "killed");
	pool_kill(pool, &e);
	rig_release(&h, NULL, NULL);
	actor_await(&b, ACT_FAILED);
	ck_assert_str_eq(b.err.msg, "killed");
	rig_await_total(pool, 0);
	rig_await_live(&rig, 0);
	rig_stop(&rig);
}
END_TEST

/* A login that ends well behind the kill must not bring the pool to life, nor
 * take away what those who come later are told. */
START_TEST(login_that_ends_after_the_kill_does_not_revive_the_pool)
{
	struct actor a, b;
	struct err e;

	begin(1, ONE_SERVER);
	fake_let_in(rig.fake, 0);
	actor_init(&a, &rig, pool, 0);
	actor_acquire(&a);
	rig_await_live(&rig, 1);
	err_set(&e, "57P01", "killed");
	pool_kill(pool, &e);
	actor_await(&a, ACT_FAILED);
	fake_let_in(rig.fake, -1);
	rig_await_total(pool, 0);
	actor_init(&b, &rig, pool, 0);
	actor_acquire(&b);
	actor_await(&b, ACT_FAILED);
	ck_assert_str_eq(b.err.msg, "killed");
	rig_stop(&rig);
}
END_TEST

/* ---- waiters leave ---- */

struct pair {
	struct actor *from, *to;
};

static void
release_then_leave(void *arg)
{
	struct pair *p = arg;

	actor_release_here(p->from);
	ck_assert_int_eq(p->to->w.state, WAITER_GRANTED);
	actor_leave_here(p->to);
}

/* With _i others behind the one who leaves. */
START_TEST(granted_waiter_that_leaves_at_once_passes_the_server_on)
{
	struct actor a, b, c;
	struct pair p = { &a, &b };

	begin(2, ONE_SERVER);
	actor_init(&a, &rig, pool, 0);
	actor_init(&b, &rig, pool, 0);
	actor_init(&c, &rig, pool, _i == 2 ? 1 : 0);
	actor_acquire(&a);
	actor_await(&a, ACT_GOT);
	actor_acquire(&b);
	if (_i > 0)
		actor_acquire(&c);
	rig_on(&rig, 0, release_then_leave, &p);
	ck_assert(!b.stayed);
	if (_i > 0) {
		actor_await(&c, ACT_GOT);
		actor_release(&c);
	}
	all_idle(1);
	ck_assert_int_eq(atomic_load(&b.told), 0);
	ck_assert_int_eq(fake_total(rig.fake), 1);
	rig_stop(&rig);
}
END_TEST

START_TEST(waiter_stays_put_while_its_failure_is_in_the_mail)
{
	struct actor a, *b = malloc(sizeof(*b));
	struct hold h;
	struct err e;

	begin(2, ONE_SERVER);
	actor_init(&a, &rig, pool, 0);
	actor_init(b, &rig, pool, 1);
	actor_acquire(&a);
	actor_await(&a, ACT_GOT);
	actor_acquire(b);
	rig_hold(&rig, &h, 1);
	err_set(&e, "57P01", "no more");
	pool_fail_waiters(pool, &e);
	rig_release(&h, actor_leave_here, b);
	ck_assert(b->stayed);
	actor_await(b, ACT_FAILED);
	ck_assert_int_eq(atomic_load(&b->told), 1);
	free(b);
	actor_release(&a);
	all_idle(1);
	rig_stop(&rig);
}
END_TEST

START_TEST(waiter_that_has_left_is_not_failed)
{
	struct actor a, *b = malloc(sizeof(*b));
	struct err e;

	begin(2, ONE_SERVER);
	actor_init(&a, &rig, pool, 0);
	actor_init(b, &rig, pool, 1);
	actor_acquire(&a);
	actor_await(&a, ACT_GOT);
	actor_acquire(b);
	actor_leave(b);
	ck_assert(!b->stayed);
	free(b);
	err_set(&e, "57P01", "no more");
	pool_fail_waiters(pool, &e);
	rig_settle(&rig);
	actor_release(&a);
	all_idle(1);
	rig_stop(&rig);
}
END_TEST

/* ---- a stolen server comes too late ---- */

/* Two servers: one idle on worker 0, one in use by a on worker 1. */
static void
one_idle_one_used(struct actor *a)
{
	struct actor first;

	actor_init(&first, &rig, pool, 0);
	actor_init(a, &rig, pool, 1);
	actor_acquire(&first);
	actor_await(&first, ACT_GOT);
	actor_acquire(a);
	actor_await(a, ACT_GOT);
	actor_release(&first);
	rig_settle(&rig);
	ck_assert_int_eq(pool_count_of(pool, SV_IDLE), 1);
}

START_TEST(stolen_server_that_comes_too_late_is_shelved)
{
	struct actor a, b;
	struct hold h;

	begin(2, TWO_SERVERS);
	one_idle_one_used(&a);
	rig_hold(&rig, &h, 0);
	actor_init(&b, &rig, pool, 1);
	actor_acquire(&b);
	ck_assert_int_eq(pool_count_of(pool, SV_MIGRATING), 1);
	actor_release(&a);
	actor_await(&b, ACT_GOT);
	rig_release(&h, NULL, NULL);
	rig_settle(&rig);
	ck_assert_int_eq(pool_count_of(pool, SV_IDLE), 1);
	ck_assert_int_eq(atomic_load(&b.told), 1);
	actor_release(&b);
	all_idle(2);
	ck_assert_int_eq(fake_total(rig.fake), 2);
	rig_stop(&rig);
}
END_TEST

START_TEST(stolen_server_that_comes_too_late_moves_on_to_the_next)
{
	struct actor a, b, c;
	struct hold h;

	begin(3, TWO_SERVERS);
	one_idle_one_used(&a);
	rig_hold(&rig, &h, 0);
	actor_init(&b, &rig, pool, 1);
	actor_init(&c, &rig, pool, 2);
	actor_acquire(&b);
	actor_release(&a);
	actor_await(&b, ACT_GOT);
	actor_acquire(&c);
	rig_release(&h, NULL, NULL);
	actor_await(&c, ACT_GOT);
	ck_assert_ptr_ne(b.server, c.server);
	actor_release(&b);
	actor_release(&c);
	all_idle(2);
	ck_assert_int_eq(fake_total(rig.fake), 2);
	rig_stop(&rig);
}
END_TEST

START_TEST(stolen_server_whose_waiter_has_left_is_shelved)
{
	struct actor b;
	struct hold h;

	begin(2, ONE_SERVER);
	(void)stop_in_flight(&b, (enum stage)_i, &h);
	if (_i == AT_DESTINATION) {
		rig_release(&h, actor_leave_here, &b);
	} else {
		actor_leave(&b);
		rig_release(&h, NULL, NULL);
	}
	all_idle(1);
	ck_assert_int_eq(fake_total(rig.fake), 1);
	ck_assert_int_eq(atomic_load(&b.told), 0);
	rig_stop(&rig);
}
END_TEST

/* ---- whatever comes free first ---- */

START_TEST(release_goes_to_a_waiter_on_another_worker)
{
	struct actor a, b;

	begin(2, ONE_SERVER);
	actor_init(&a, &rig, pool, 0);
	actor_init(&b, &rig, pool, 1);
	actor_acquire(&a);
	actor_await(&a, ACT_GOT);
	actor_acquire(&b);
	actor_release(&a);
	actor_await(&b, ACT_GOT);
	ck_assert_int_eq(b.server->worker, 1);
	actor_release(&b);
	all_idle(1);
	ck_assert_uint_eq(pool->handovers, 1);
	rig_stop(&rig);
}
END_TEST

/* It waits for no login of its own when another server comes free. */
START_TEST(waiter_whose_login_is_slow_gets_a_server_from_another_worker)
{
	struct actor a, b;

	begin(2, TWO_SERVERS);
	actor_init(&a, &rig, pool, 0);
	actor_init(&b, &rig, pool, 1);
	actor_acquire(&a);
	actor_await(&a, ACT_GOT);
	fake_let_in(rig.fake, 0);
	actor_acquire(&b);
	rig_await_live(&rig, 2);
	actor_release(&a);
	actor_await(&b, ACT_GOT);
	fake_let_in(rig.fake, -1);
	actor_release(&b);
	rig_await_live(&rig, 2);
	rig_stop(&rig);
}
END_TEST

/* ... also when that one lay idle before: the one that moves to a waiter in
 * vain leaves another waiter behind its own login. */
START_TEST(idle_server_is_fetched_for_a_waiter_whose_login_is_slow)
{
	struct actor a, b, c;
	struct hold h;

	begin(3, TWO_SERVERS);
	actor_init(&a, &rig, pool, 0);
	actor_acquire(&a);
	actor_await(&a, ACT_GOT);
	fake_let_in(rig.fake, 0);
	actor_init(&b, &rig, pool, 1);
	actor_acquire(&b);
	rig_await_live(&rig, 2);
	/* The first server goes to b, who leaves before it has come. */
	rig_hold(&rig, &h, 1);
	actor_release(&a);
	actor_init(&c, &rig, pool, 2);
	actor_acquire(&c);
	rig_release(&h, actor_leave_here, &b);
	actor_await(&c, ACT_GOT);
	fake_let_in(rig.fake, -1);
	actor_release(&c);
	rig_stop(&rig);
}
END_TEST

static void
acquire_both(void *arg)
{
	struct pair *p = arg;

	actor_acquire_here(p->from);
	actor_acquire_here(p->to);
}

/* Servers that are due for a check are on the same shelf as the waiters. */
START_TEST(all_idle_servers_are_checked_when_many_come_at_once)
{
	struct actor a, b;
	struct pair p = { &a, &b };

	begin(_i, TWO_SERVERS "server_check_delay = 0\n"
	    "server_check_query = select 1\n");
	actor_init(&a, &rig, pool, 0);
	actor_init(&b, &rig, pool, 0);
	rig_on(&rig, 0, acquire_both, &p);
	actor_await(&a, ACT_GOT);
	actor_await(&b, ACT_GOT);
	actor_release(&a);
	actor_release(&b);
	all_idle(2);
	rig_on(&rig, 0, acquire_both, &p);
	actor_await(&a, ACT_GOT);
	actor_await(&b, ACT_GOT);
	actor_release(&a);
	actor_release(&b);
	rig_stop(&rig);
}
END_TEST

/* ---- what must not move ---- */

/* The start of a message stays on the worker that read it, and so does its
 * server; but who waits elsewhere is not forgotten. */
START_TEST(server_with_half_a_message_does_not_strand_a_waiter)
{
	static const uint8_t half[] = { 'S', 0, 0 };
	struct actor a, b;

	begin(2, ONE_SERVER);
	actor_init(&a, &rig, pool, 0);
	actor_init(&b, &rig, pool, 1);
	actor_acquire(&a);
	actor_await(&a, ACT_GOT);
	actor_acquire(&b);
	/* As a relay leaves it that has read these bytes. */
	ck_assert(keep_append(loop_keeps(rig.loops[0]), &a.server->in, half,
	    sizeof(half)));
	actor_release(&a);
	actor_await(&b, ACT_GOT);
	actor_release(&b);
	all_idle(1);
	rig_stop(&rig);
}
END_TEST

static void
stuff(void *arg)
{
	struct actor *a = arg;
	static char junk[1 << 20];

	/* More than the socket takes: a server that answers before it has
	 * heard the question leaves this to its pool. */
	(void)stream_write(&a->server->stream, junk, sizeof(junk));
	actor_release_here(a);
}

START_TEST(server_that_has_not_heard_everything_is_not_given_on)
{
	struct actor a, b;
	uint32_t pid;

	begin(2, ONE_SERVER);
	actor_init(&a, &rig, pool, 0);
	actor_init(&b, &rig, pool, 1);
	actor_acquire(&a);
	actor_await(&a, ACT_GOT);
	pid = a.server->pid;
	fake_deafen(rig.fake, pid);
	actor_acquire(&b);
	rig_on(&rig, 0, stuff, &a);
	ck_assert_int_eq(pool_count_of(pool, SV_CLOSING), 1);
	fake_kill(rig.fake, pid);
	actor_await(&b, ACT_GOT);
	ck_assert_uint_ne(b.server->pid, pid);
	actor_release(&b);
	all_idle(1);
	rig_stop(&rig);
}
END_TEST

/* A message and a half follow the ReadyForQuery of the login at once. */
START_TEST(what_comes_right_behind_the_login_is_not_lost)
{
	static const char rest[] = "ASCII";
	static const char extra[] = "S\0\0\0\031client_encoding\0BIG5"
	    "\0S\0\0\0\032client_encoding";
	struct actor a;
	struct param_names *names;
	int i;

	begin(1, ONE_SERVER);
	names = rig.hub.cfg->param_names;
	i = param_index(names, "client_encoding");
	fake_add_to_welcome(rig.fake, extra, sizeof(extra));
	actor_init(&a, &rig, pool, 0);
	actor_acquire(&a);
	actor_await(&a, ACT_GOT);
	ck_assert_str_eq(param_get(a.server->params, (size_t)i), "BIG5");
	fake_say(rig.fake, a.server->pid, rest, sizeof(rest));
	actor_release(&a);
	rig_settle(&rig);
	all_idle(1);
	actor_acquire(&a);
	actor_await(&a, ACT_GOT);
	ck_assert_str_eq(param_get(a.server->params, (size_t)i), "ASCII");
	actor_release(&a);
	all_idle(1);
	ck_assert_int_eq(fake_total(rig.fake), 1);
	rig_stop(&rig);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = UNIT_SUITE("pool",
	    stolen_server_that_died_on_its_old_worker_is_replaced,
	    stolen_server_that_dies_under_way_is_replaced,
	    login_that_ends_after_the_kill_does_not_revive_the_pool,
	    waiter_stays_put_while_its_failure_is_in_the_mail,
	    waiter_that_has_left_is_not_failed,
	    stolen_server_that_comes_too_late_is_shelved,
	    stolen_server_that_comes_too_late_moves_on_to_the_next,
	    release_goes_to_a_waiter_on_another_worker,
	    waiter_whose_login_is_slow_gets_a_server_from_another_worker,
	    idle_server_is_fetched_for_a_waiter_whose_login_is_slow,
	    server_with_half_a_message_does_not_strand_a_waiter,
	    server_that_has_not_heard_everything_is_not_given_on,
	    what_comes_right_behind_the_login_is_not_lost);
	TCase *tc = tcase_create("cases");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc,
	    server_that_moves_while_its_pool_is_paused_is_closed, 0, STAGES);
	tcase_add_loop_test(tc, server_that_moves_during_reconnect_is_closed, 0,
	    STAGES);
	tcase_add_loop_test(tc,
	    server_that_moves_while_its_pool_is_killed_is_closed, 0, STAGES);
	tcase_add_loop_test(tc, stolen_server_whose_waiter_has_left_is_shelved,
	    0, STAGES);
	tcase_add_loop_test(tc,
	    granted_waiter_that_leaves_at_once_passes_the_server_on, 0, 3);
	tcase_add_loop_test(tc,
	    all_idle_servers_are_checked_when_many_come_at_once, 1, 3);
	suite_add_tcase(s, tc);
	return s;
}

UNIT_MAIN(suite())
