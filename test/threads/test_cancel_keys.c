/*
 * Cancel requests meet owners that come and go on other threads: each request
 * is over exactly once, and nobody is called who has taken his key back.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/unit_suite.h"
#include "pool_rig.h"
#include "pooling/cancel.h"

static struct rig rig;
static struct cancel_keys *keys;

struct owner {
	struct cancel_entry entry;
	struct loop *loop;
	_Atomic int called;
	struct cancel_call *kept; /* to be ended later */
	bool keeps;
	size_t key_n;
};

struct request {
	struct cancel_call call;
	_Atomic int over;
};

static void
on_called(struct cancel_entry *e, struct cancel_call *c)
{
	struct owner *o = CONTAINER_OF(e, struct owner, entry);

	atomic_fetch_add(&o->called, 1);
	if (o->keeps)
		o->kept = c;
	else
		cancel_call_over(c);
}

static void
on_over(struct cancel_call *c)
{
	struct request *r = CONTAINER_OF(c, struct request, call);

	ck_assert(loop_is_mine(c->reply_to));
	atomic_fetch_add(&r->over, 1);
}

static void
add_key(void *arg)
{
	struct owner *o = arg;

	cancel_key_add(keys, &o->entry, o->key_n, o->loop, on_called);
}

static void
remove_key(void *arg)
{
	struct owner *o = arg;

	cancel_key_remove(keys, &o->entry);
}

static void
remove_and_add_again(void *arg)
{
	remove_key(arg);
	add_key(arg);
}

static void
end_kept(void *arg)
{
	cancel_call_over(((struct owner *)arg)->kept);
}

static void
owner_init(struct owner *o, int worker)
{
	memset(o, 0, sizeof(*o));
	o->loop = rig.loops[worker];
	o->key_n = worker ? CANCEL_KEY_LONG : CANCEL_KEY;
	rig_on(&rig, worker, add_key, o);
}

static void
request_init(struct request *r, const struct owner *o)
{
	memset(r, 0, sizeof(*r));
	cancel_call_set(&r->call, SPAN(o->entry.key, o->entry.key_n));
	r->call.over = on_over;
	r->call.reply_to = rig.loops[0];
}

static bool
is_over(void *arg)
{
	return atomic_load(&((struct request *)arg)->over) > 0;
}

static void
begin(void)
{
	rig_start(&rig, 2, "%s", "");
	keys = rig.hub.keys;
}

START_TEST(request_reaches_the_owner_on_its_worker)
{
	struct owner o;
	struct request r;

	begin();
	owner_init(&o, 1);
	request_init(&r, &o);
	cancel_call(keys, &r.call);
	rig_await(is_over, &r, "the end of the request");
	ck_assert_int_eq(atomic_load(&o.called), 1);
	rig_on(&rig, 1, remove_key, &o);
	rig_stop(&rig);
}
END_TEST

/* The short key of worker 0's owner and the long one of worker 1's, each with a
 * byte that is another, one too few, and one too many. */
START_TEST(unknown_key_is_over_at_once)
{
	static struct request r[3];
	struct owner o;
	size_t i;

	begin();
	owner_init(&o, _i);
	for (i = 0; i < ARRAY_LEN(r); i++)
		request_init(&r[i], &o);
	r[0].call.key[r[0].call.key_n - 1] ^= 1;
	r[1].call.key_n = _i ? CANCEL_KEY : CANCEL_KEY_LONG;
	r[2].call.key_n++;
	for (i = 0; i < ARRAY_LEN(r); i++) {
		cancel_call(keys, &r[i].call);
		rig_await(is_over, &r[i], "the end of the request");
	}
	ck_assert_int_eq(atomic_load(&o.called), 0);
	rig_on(&rig, _i, remove_key, &o);
	rig_stop(&rig);
}
END_TEST

/* The owner leaves while the request is in its worker's mail; a second time
 * it comes back at the same place, with another key. */
START_TEST(owner_that_has_left_is_not_called)
{
	struct owner o;
	struct request r;
	struct hold h;

	begin();
	owner_init(&o, 1);
	request_init(&r, &o);
	rig_hold(&rig, &h, 1);
	cancel_call(keys, &r.call);
	rig_release(&h, _i ? remove_and_add_again : remove_key, &o);
	rig_await(is_over, &r, "the end of the request");
	rig_settle(&rig);
	ck_assert_int_eq(atomic_load(&o.called), 0);
	ck_assert_int_eq(atomic_load(&r.over), 1);
	rig_on(&rig, 1, remove_key, &o);
	rig_stop(&rig);
}
END_TEST

START_TEST(owner_may_end_the_request_after_it_has_left)
{
	struct owner o;
	struct request r;

	begin();
	owner_init(&o, 1);
	o.keeps = true;
	request_init(&r, &o);
	cancel_call(keys, &r.call);
	rig_settle(&rig);
	ck_assert_int_eq(atomic_load(&o.called), 1);
	ck_assert_int_eq(atomic_load(&r.over), 0);
	rig_on(&rig, 1, remove_key, &o);
	rig_on(&rig, 1, end_kept, &o);
	rig_await(is_over, &r, "the end of the request");
	rig_stop(&rig);
}
END_TEST

#define OWNERS 200

static struct owner owners[OWNERS];
static struct request requests[OWNERS];

static void
turn_over(void *arg)
{
	int worker = *(int *)arg, i;

	for (i = worker; i < OWNERS; i += 2)
		remove_and_add_again(&owners[i]);
}

START_TEST(every_request_is_over_once_while_keys_change)
{
	static int ids[] = { 0, 1 };
	int i, round;

	begin();
	for (i = 0; i < OWNERS; i++)
		owner_init(&owners[i], i % 2);
	for (round = 0; round < 20; round++) {
		for (i = 0; i < OWNERS; i++)
			request_init(&requests[i], &owners[i]);
		for (i = 0; i < OWNERS; i++) {
			cancel_call(keys, &requests[i].call);
			if (i == OWNERS / 2)
				rig_on(&rig, round % 2, turn_over,
				    &ids[round % 2]);
		}
		for (i = 0; i < OWNERS; i++)
			rig_await(is_over, &requests[i], "the end of all");
		rig_settle(&rig);
		for (i = 0; i < OWNERS; i++)
			ck_assert_int_eq(atomic_load(&requests[i].over), 1);
	}
	for (i = 0; i < OWNERS; i++)
		rig_on(&rig, i % 2, remove_key, &owners[i]);
	rig_stop(&rig);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = UNIT_SUITE("cancel keys",
	    request_reaches_the_owner_on_its_worker,
	    owner_may_end_the_request_after_it_has_left,
	    every_request_is_over_once_while_keys_change);
	TCase *tc = tcase_create("leaving");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, unknown_key_is_over_at_once, 0, 2);
	tcase_add_loop_test(tc, owner_that_has_left_is_not_called, 0, 2);
	suite_add_tcase(s, tc);
	return s;
}

UNIT_MAIN(suite())
