/* The script's hands and eyes. What messages look like stands in talk.c. */
#include "scenario.h"

#include <stdio.h>

#include "base/log.h"
#include "pooling/cancel.h"
#include "pooling/client.h"
#include "pooling/registry.h"
#include "pooling/worker.h"
#include "proto/msg.h"
#include "proto/reply.h"
#include "talk.h"

/* Turns without time passing, after which something must be spinning. */
#define TURNS_MAX 3000000

static struct hub hub;
static struct peer *peers;
static bool is_open;

/* ---- what must hold at all times ---- */

static void
check_pool(void *arg, struct pool *p)
{
	int i, sum = 0;

	(void)arg;
	for (i = 0; i < SV_CLOSED; i++) {
		ck_assert_int_ge(p->count[i], 0);
		sum += p->count[i];
	}
	ck_assert_int_eq(sum, p->total);
	ck_assert_int_ge(p->n_waiting, 0);
	if (p->set->size > 0)
		ck_assert_int_le(p->total, p->set->size + p->set->reserve);
}

static void
check_world(void)
{
	registry_each_pool(hub.registry, check_pool, NULL);
	ck_assert_uint_eq(ensure_failures(), 0);
}

void
settle(void)
{
	long turns = 0;
	bool did;
	int i;

	do {
		did = fake_loop_turn(hub.main_loop);
		for (i = 0; i < hub.n_workers; i++)
			did |= fake_loop_turn(hub.loops[i]);
		ck_assert_msg(++turns < TURNS_MAX, "a loop spins");
	} while (did);
	check_world();
}

void
advance(usec_t us)
{
	usec_t end = fake_clock + us, at, first;
	int i;

	settle();
	for (;;) {
		first = end;
		for (i = 0; i < hub.n_workers; i++) {
			at = fake_loop_deadline(hub.loops[i]);
			if (at && at < first)
				first = at;
		}
		if (first > fake_clock)
			fake_clock = first;
		settle();
		if (first >= end)
			break;
	}
}

/* ---- the world ---- */

struct texts {
	char ini[8192];
	const char *users;
};

static bool
read_text(void *arg, const char *path, struct buf *out, struct err *e)
{
	struct texts *t = arg;
	const char *text = strcmp(path, "test.ini") == 0 ? t->ini : t->users;

	(void)e;
	buf_append(out, text, strlen(text));
	return true;
}

static struct config *
make_config(const char *settings, const char *database)
{
	struct config_report rep;
	struct buf said = { 0 };
	struct texts t = { .users = "\"alice\" \"wonder\"\n"
				    "\"bob\" \"builder\"\n" };
	struct config_input in = { .path = "test.ini",
		.read_file = read_text, .arg = &t, .machine_cores = 1 };
	struct config *c;

	snprintf(t.ini, sizeof(t.ini), "[databases]\napp = host=10.0.0.1 %s\n"
	    "[pooler]\nlisten_addr = 127.0.0.1\nauth_type = trust\n"
	    "auth_file = users\npool_mode = transaction\n"
	    "default_pool_size = 1\nworker_threads = 1\n"
	    "server_login_parallel = 1\n%s\n", database, settings);
	config_report_init(&rep);
	c = config_load(&in, &rep);
	if (!c) {
		config_report_print(&rep, &said);
		ck_abort_msg("%.*s", (int)buf_len(&said),
		    (const char *)buf_head(&said));
	}
	config_report_fini(&rep);
	return c;
}

void
world_open(int way, const char *settings, const char *database)
{
	const char *verbose = getenv("SCENARIO_VERBOSE");

	log_set_level(verbose ? LVL_NOISE : LVL_FATAL);
	fake_chunk = way ? 1 : 0;
	fake_net = 0;
	memset(&hub, 0, sizeof(hub));
	hub.main_loop = loop_new();
	hub.cfg = make_config(settings, database);
	hub.next_id = 1;
	hub.keys = cancel_keys_new();
	hub.registry = registry_new(&hub);
	workers_new(&hub, hub.cfg->worker_threads);
	is_open = true;
}

static void
kill_pool(void *arg, struct pool *p)
{
	struct err e;

	(void)arg;
	err_set(&e, "57P01", "the end");
	pool_kill(p, &e);
}

static void
pool_is_empty(void *arg, struct pool *p)
{
	(void)arg;
	ck_assert_int_eq(p->total, 0);
	ck_assert_int_eq(p->n_waiting, 0);
	ck_assert_int_eq(p->db->waiting.n, 0);
	ck_assert_int_eq(p->db->refs, p->db->n_awake);
	ck_assert_int_eq(p->user->waiting.n, 0);
	ck_assert_int_eq(p->hub->waiting.n, 0);
	ck_assert_int_eq(atomic_load(&p->n_clients), 0);
	ck_assert_int_eq(atomic_load(&p->target->cancels), 0);
	ck_assert_int_eq(atomic_load(&p->target->cancels_waiting), 0);
	/* The registry's, and the one for this visit. */
	ck_assert_int_eq(atomic_load(&p->refs), 2);
}

/* Everybody leaves; whatever is still there then has leaked. */
void
world_close(void)
{
	int i;

	if (!is_open)
		return;
	fake_net = ECONNREFUSED;
	fake_hang_up(false);
	advance(USEC_PER_SEC);
	registry_each_pool(hub.registry, kill_pool, NULL);
	fake_hang_up(true);
	advance(200 * USEC_PER_SEC);
	ck_assert_int_eq(fake_dialed_open(), 0);
	registry_each_pool(hub.registry, pool_is_empty, NULL);
	ck_assert_int_eq(atomic_load(&hub.clients), 0);
	ck_assert_int_eq(atomic_load(&hub.logins), 0);
	for (i = 0; i < hub.n_workers; i++) {
		ck_assert_int_eq(worker_load(hub.workers[i]), 0);
		ck_assert(TAILQ_EMPTY(&hub.servers[i]));
	}
	registry_free(hub.registry);
	cancel_keys_free(hub.keys);
	for (i = 0; i < hub.n_workers; i++)
		loop_free(hub.loops[i]);
	workers_free(&hub);
	loop_free(hub.main_loop);
	config_unref(hub.cfg);
	peers_free(&peers);
	fake_socks_free();
	is_open = false;
}

void
by_chunks(size_t n)
{
	if (fake_chunk)
		fake_chunk = n;
}

int
servers_open(void)
{
	settle();
	return fake_dialed_open();
}

struct wanted {
	const char *user;
	struct pool_counts counts;
	struct counters stats;
	bool found;
};

static void
read_pool(void *arg, struct pool *p)
{
	struct wanted *w = arg;

	if (strcmp(p->user_name, w->user) != 0)
		return;
	w->found = true;
	pool_read(p, fake_clock, &w->counts, &w->stats);
}

static struct wanted
find_pool(const char *user)
{
	struct wanted w = { .user = user };

	settle();
	registry_each_pool(hub.registry, read_pool, &w);
	ck_assert_msg(w.found, "there is no pool of %s", user);
	return w;
}

struct pool_counts
pool_of(const char *user)
{
	return find_pool(user).counts;
}

struct counters
stats_of(const char *user)
{
	return find_pool(user).stats;
}

/* ---- clients ---- */

struct peer *
client_connects(void)
{
	struct addr a = { .family = AF_INET, .port = 5000,
		.ip = { 127, 0, 0, 1 } };
	struct sock *k = fake_sock_new();

	workers_accept(&hub, k->fd, &a, false);
	return peer_new(&peers, k, false);
}

void
say_startup(struct peer *c, const char *const *params)
{
	struct buf b = { 0 };

	request_startup(&b, PROTOCOL_3_0, params);
	say_bytes(c, buf_head(&b), buf_len(&b));
	buf_free(&b);
}

void
hear_welcome(struct peer *c)
{
	hear(c, "R|S=server_version:15.5|S=DateStyle:*|S=client_encoding:*|"
	    "S=TimeZone:*|S=standard_conforming_strings:*|"
	    "S=application_name:*|S=IntervalStyle:*|K|Z=I");
}

struct peer *
client_in(const char *user, struct peer **server)
{
	struct peer *c = client_connects();

	say_startup(c, (const char *const[]){ "user", user, "database", "app",
	    NULL });
	if (server)
		*server = server_in();
	hear_welcome(c);
	return c;
}

struct peer *
client_cancels(struct peer *c)
{
	struct peer *k = client_connects();
	struct buf b = { 0 };

	request_cancel(&b, peer_pid(c), peer_key(c));
	say_bytes(k, buf_head(&b), buf_len(&b));
	buf_free(&b);
	return k;
}

/* ---- servers ---- */

struct peer *
server_dialed(void)
{
	struct sock *k;

	settle();
	k = fake_dialed();
	ck_assert_msg(k != NULL, "no connection was made to the server");
	return peer_new(&peers, k, true);
}

void
server_welcomes(struct peer *s)
{
	say(s, "R|S=server_version:15.5|S=DateStyle:ISO, MDY|"
	    "S=client_encoding:UTF8|S=TimeZone:UTC|"
	    "S=standard_conforming_strings:on|S=application_name:|"
	    "S=IntervalStyle:postgres|K|Z=I");
}

void
server_notices(struct peer *s)
{
	say(s, "N=NOTICE 00000 please wait");
}

struct peer *
server_maybe(void)
{
	struct sock *k;

	settle();
	k = fake_dialed();
	return k ? peer_new(&peers, k, true) : NULL;
}

struct peer *
server_in(void)
{
	struct peer *s = server_dialed();

	hear(s, "startup=*");
	server_welcomes(s);
	return s;
}

void
nobody_dials(void)
{
	settle();
	ck_assert_msg(fake_dialed() == NULL, "a connection was made");
}

void
cancel_comes(struct peer *s)
{
	struct peer *k = server_dialed();
	char text[40];

	snprintf(text, sizeof(text), "cancel=%u", peer_pid(s));
	hear(k, text);
	hang_up(k);
	settle();
}

/* ---- common scenes ---- */

void
one_query(struct peer *c, struct peer *s)
{
	say(c, "Q=select 1");
	hear(s, "Q=select 1");
	say(s, "T|D=1|C=SELECT 1|Z=I");
	hear(c, "T|D=1|C=SELECT 1|Z=I");
}

void
begin(struct peer *c, struct peer *s)
{
	say(c, "Q=begin");
	hear(s, "Q=begin");
	say(s, "C=BEGIN|Z=T");
	hear(c, "C=BEGIN|Z=T");
}

/* ---- running ---- */

int
scenario_main(const char *name, const TTest *const *tests, size_t n)
{
	Suite *suite = suite_create(name);
	TCase *tc = tcase_create(name);
	SRunner *r;
	int failed;
	size_t i;

	for (i = 0; i < n; i++)
		tcase_add_loop_test(tc, tests[i], 0, WAYS);
	tcase_add_checked_fixture(tc, NULL, world_close);
	/* Sanitizers on a busy machine take their time. */
	tcase_set_timeout(tc, 300);
	suite_add_tcase(suite, tc);
	r = srunner_create(suite);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
