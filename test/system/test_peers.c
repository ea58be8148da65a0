/*
 * Peers: a cancel request that a balancer has brought to another process finds
 * its way, and hits nobody else.
 */
#define _GNU_SOURCE /* memmem() */
#include "fixture.h"
#include "raw.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FLEET = 3 };

static struct pooler *fleet[FLEET];

/* Three poolers who know each other; more is for all of them. */
static void
fleet_start(const char *more)
{
	char peers[400];
	int port[FLEET];

	for (int i = 0; i < FLEET; i++)
		port[i] = fx_free_port();
	snprintf(peers, sizeof(peers), "[peers]\n"
	    "1 = host=127.0.0.1 port=%d\n"
	    "2 = host=localhost port=%d pool_size=50\n"
	    "3 = host=127.0.0.1 port=%d\n", port[0], port[1], port[2]);
	for (int i = 0; i < FLEET; i++) {
		fleet[i] = pooler_prepare("worker_threads = 2\n"
		    "listen_port = %d\npeer_id = %d\ndefault_pool_size = 30\n"
		    "log_connections = 0\nlog_disconnections = 0\n%s%s",
		    port[i], i + 1, more, peers);
		fleet[i]->port = port[i];
		pooler_launch(fleet[i]);
	}
}

static int
connect_to(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* One CancelRequest; back when the pooler has closed. */
static bool
cancel_at(int port, uint32_t pid, uint32_t key)
{
	uint32_t words[4] = { htonl(16), htonl(80877102), htonl(pid),
		htonl(key) };
	int fd = connect_to(port);
	char scrap[8];
	bool ok = fd >= 0;

	ok = ok && send(fd, words, sizeof(words), MSG_NOSIGNAL) ==
	    (ssize_t)sizeof(words);
	while (ok && recv(fd, scrap, sizeof(scrap), 0) > 0)
		;
	if (fd >= 0)
		close(fd);
	return ok;
}

START_TEST (keys_are_laid_out_as_pgbouncers) {
	struct pooler *p = pooler_start("peer_id = 4660\n"); /* 0x1234 */
	uint32_t seen_or = 0, seen_and = ~0u;

	for (int i = 0; i < 40; i++) {
		struct raw *r = raw_login(p->port, "alice", "app");

		ck_assert_uint_eq(r->pid >> 31, 0);
		ck_assert_uint_eq(r->pid >> 16 & 0xff, 0x34);
		ck_assert_uint_eq(r->pid >> 8 & 0xff, 0x12);
		ck_assert_uint_eq(r->key & 3, 3);
		seen_or |= r->key;
		seen_and &= r->key;
		raw_close(r);
	}
	/* The rest is random. */
	ck_assert_uint_eq(seen_or, 0xffffffffu);
	ck_assert_uint_eq(seen_and, 3);
}
END_TEST

/* A running statement of a session at fleet[0]. */
static struct raw *
busy_session(void)
{
	struct raw *r = raw_login(fleet[0]->port, "alice", "app");
	struct pkt k = { 0 };

	pkt_query(&k, "DO $$ BEGIN RAISE NOTICE 'x'; PERFORM pg_sleep(60); "
		      "END $$");
	raw_put(r, &k);
	raw_until(r, 'N', 10000);
	return r;
}

static void
was_cancelled(struct raw *r)
{
	struct msg m = raw_until(r, 'E', 10000);

	ck_assert_str_eq(msg_field(&m, 'C'), "57014");
	raw_until(r, 'Z', 5000);
}

START_TEST (request_reaches_the_process_it_is_for) {
	struct raw *r;

	fleet_start("");
	for (int i = 0; i < FLEET; i++) {
		r = busy_session();
		ck_assert(cancel_at(fleet[i]->port, r->pid, r->key));
		was_cancelled(r);
		raw_close(r);
	}
	/* By the name of a host too. */
	r = raw_login(fleet[1]->port, "alice", "app");
	ck_assert(cancel_at(fleet[0]->port, r->pid, r->key));
	ck_assert_str_eq(raw_query(r, "SELECT 5"), "5");
	raw_close(r);
	pooler_use(fleet[1]);
	ck_assert_int_eq(show_rows("PEER_POOLS", "peer_id=1"), 1);
	ck_assert_int_eq(show_rows("PEER_POOLS", NULL), 1);
	ck_assert_int_eq(show("PEER_POOLS", NULL, "cl_active_cancel_req"), 0);
	ck_assert_int_eq(show_rows("PEERS", NULL), 3);
}
END_TEST

START_TEST (worn_out_unknown_and_wrong_keys_are_dropped) {
	struct raw *r;

	fleet_start("");
	r = busy_session();
	/* May not be passed on any more. */
	ck_assert(cancel_at(fleet[1]->port, r->pid, r->key & ~3u));
	/* A process that is not there; the id of another; a wrong secret. */
	ck_assert(cancel_at(fleet[1]->port, (r->pid & 0xff0000ffu) | 9 << 16,
	    r->key));
	ck_assert(cancel_at(fleet[1]->port, (r->pid & 0xff0000ffu) | 3 << 16,
	    r->key));
	ck_assert(cancel_at(fleet[1]->port, r->pid, r->key ^ 0x100));
	WAIT_UNTIL(pooler_logged(fleet[1], "dropped a cancel request for peer "
				 "9, which is not in [peers]"), 5000);
	ck_assert(!raw_ready(r, 300));
	/* It is still there, also when worn out but at the right place. */
	ck_assert(cancel_at(fleet[0]->port, r->pid, r->key & ~3u));
	was_cancelled(r);
	raw_close(r);
}
END_TEST

START_TEST (peer_that_is_down_costs_nobody_else) {
	struct raw *r, *own;
	uint32_t pid, key;

	fleet_start("cancel_wait_timeout = 2\n");
	r = busy_session();
	pid = r->pid;
	key = r->key;
	kill(fleet[0]->pid, SIGKILL);
	fx_wait_exit(fleet[0]->pid, 5000);
	fleet[0]->pid = 0;
	raw_close(r);
	for (int i = 0; i < 20; i++)
		ck_assert(cancel_at(fleet[1]->port, pid, key));
	ck_assert(pooler_logged(fleet[1], "a cancel request could not be "
				"passed on to peer 1 at 127.0.0.1"));
	ck_assert_int_eq(pooler_log_count(fleet[1], "could not be passed on"),
	    1);
	own = raw_login(fleet[1]->port, "alice", "app");
	ck_assert_str_eq(raw_query(own, "SELECT 5"), "5");
	raw_close(own);
}
END_TEST

START_TEST (reload_changes_the_peers) {
	struct pooler *p[2];
	struct raw *r;

	p[0] = pooler_start("peer_id = 1\n");
	p[1] = pooler_start("peer_id = 2\n");
	fleet[0] = p[0];
	r = busy_session();
	ck_assert(cancel_at(p[1]->port, r->pid, r->key));
	ck_assert(!raw_ready(r, 200));
	pooler_rewrite(p[1], "peer_id = 2\n[peers]\n1 = host=%s port=%d\n",
	    p[0]->dir, p[0]->port);
	console_ok("RELOAD");
	ck_assert(cancel_at(p[1]->port, r->pid, r->key));
	was_cancelled(r);
	raw_close(r);
	/* Keys from before the id still do. */
	r = busy_session();
	pooler_use(p[0]);
	pooler_rewrite(p[0], "peer_id = 7\n");
	console_ok("RELOAD");
	ck_assert(cancel_at(p[0]->port, r->pid, r->key));
	was_cancelled(r);
	raw_close(r);
}
END_TEST

/* --- a balancer that knows nothing --- */

enum { CANCELLERS = 16, WATCHERS = 8 };

/* Sessions all over the fleet. Cancellers run something long, and when it
 * surely runs send its cancel anywhere; watchers are cancelled by nobody. */
struct crowd {
	int each; /* cancels of one session */
	atomic_int effective, lost, foreign;
	atomic_bool stop;
};

struct member {
	struct crowd *all;
	int me;
	pthread_t thread;
};

static bool
is_cancelled(const struct msg *m)
{
	return m->type == 'E' && memmem(m->body, m->n, "57014", 5) != NULL;
}

/* Sends a query; false when an error comes before (or in place of) its first
 * message of this type. */
static bool
ask(struct raw *r, const char *sql, char type)
{
	struct pkt k = { 0 };
	struct msg m;

	pkt_query(&k, sql);
	if (!raw_put(r, &k))
		return false;
	do
		m = raw_next(r, 60000);
	while (m.type != type && m.type != 'E' && m.type != 0);
	return m.type == type;
}

static void *
canceller(void *arg)
{
	struct member *me = arg;
	struct crowd *all = me->all;
	unsigned seed = (unsigned)me->me;
	struct raw *r = raw_login(fleet[me->me % FLEET]->port,
	    me->me % 2 ? "alice" : "bob", "app");

	for (int i = 0; i < all->each; i++) {
		int port = fleet[rand_r(&seed) % FLEET]->port;

		if (!ask(r, "DO $$ BEGIN RAISE NOTICE 'x'; "
			    "PERFORM pg_sleep(20); END $$", 'N')) {
			all->foreign++;
			break;
		}
		if (cancel_at(port, r->pid, r->key)) {
			struct msg m = raw_next(r, 30000);

			if (is_cancelled(&m))
				all->effective++;
			else
				all->lost++;
		}
		raw_until(r, 'Z', 30000);
	}
	raw_close(r);
	return NULL;
}

static void *
watcher(void *arg)
{
	struct member *me = arg;
	struct raw *r = raw_login(fleet[me->me % FLEET]->port, "alice", "app");

	while (!me->all->stop)
		if (!ask(r, "SELECT pg_sleep(0.005)", 'Z'))
			me->all->foreign++;
	raw_close(r);
	return NULL;
}

START_TEST (cancels_through_a_random_balancer_all_arrive) {
	static struct crowd all;
	static struct member m[CANCELLERS + WATCHERS];
	int total;

	all.each = getenv("TEST_LONG") ? 625 : 40;
	total = all.each * CANCELLERS;
	fleet_start("");
	for (int i = 0; i < CANCELLERS + WATCHERS; i++) {
		m[i].all = &all;
		m[i].me = i;
		pthread_create(&m[i].thread, NULL, i < CANCELLERS ? canceller :
								    watcher,
		    &m[i]);
	}
	for (int i = 0; i < CANCELLERS; i++)
		pthread_join(m[i].thread, NULL);
	all.stop = true;
	for (int i = CANCELLERS; i < CANCELLERS + WATCHERS; i++)
		pthread_join(m[i].thread, NULL);
	ck_assert_int_eq(all.foreign, 0);
	ck_assert_msg(all.effective * 1000 >= total * 999,
	    "%d of %d cancels were effective, %d were not", (int)all.effective,
	    total, (int)all.lost);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("peers");

	FX_ADD(s, keys_are_laid_out_as_pgbouncers, 30);
	FX_ADD(s, request_reaches_the_process_it_is_for, 60);
	FX_ADD(s, worn_out_unknown_and_wrong_keys_are_dropped, 40);
	FX_ADD(s, peer_that_is_down_costs_nobody_else, 60);
	FX_ADD(s, reload_changes_the_peers, 40);
	FX_ADD(s, cancels_through_a_random_balancer_all_arrive, 600);
	return fx_main(s);
}
