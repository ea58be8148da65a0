/*
 * Clients and servers that do whatever comes to their mind, for a while, with
 * two workers. Each client asks for its own name, in its own time zone: a
 * server checks that the zone is that of the one who asks, a client that the
 * answer is for it. What must hold at all times, and at the end, is looked
 * after by scenario.c.
 *
 * SCENARIO_VERBOSE=1 tells the number of each run, SCENARIO_SEED=N runs one
 * alone, SCENARIO_SEEDS=N more of them.
 */
#include "scenario.h"

#include <stdio.h>

#define CLIENTS 5
#define SERVERS 400
#define STEPS 300
#define SEEDS 60

static struct actor {
	struct peer *peer;
	int name;
	bool open;
} clients[CLIENTS];

static struct backend {
	struct peer *peer;
	char zone[16];
	char asked[24]; /* by the last Parse or Query */
	char *todo; /* heard, not answered yet */
	char status;
	bool dead, asleep, failed, copying;
	bool bound; /* the unnamed portal is there */
} servers[SERVERS];

static size_t n_servers;
static int next_name;
static unsigned n_answers; /* that came, to who had asked */
static uint32_t seed;

static unsigned
dice(unsigned n)
{
	seed = seed * 1664525 + 1013904223;
	return seed / 65536 % n;
}

static void
answer(struct backend *b, const char *fmt, const char *arg)
{
	char text[200], ready[8];

	snprintf(ready, sizeof(ready), "Z=%c", b->status);
	snprintf(text, sizeof(text), "%s%s|%s", fmt, arg, ready);
	mutter(b->peer, text);
}

/* Who asks is in the zone that it asked for. */
static void
check_zone(const struct backend *b, const char *sql)
{
	char zone[24];

	copy_str(zone, sizeof(zone), sql + strlen("select "));
	ck_assert_msg(strncmp(zone, b->zone, strlen(b->zone)) == 0,
	    "%s was asked in zone %s", sql, b->zone);
}

static void
on_query(struct backend *b, const char *sql)
{
	char text[80];
	const char *zone = strstr(sql, "TimeZone='");

	if (strcmp(sql, "sleep") == 0) {
		b->asleep = true;
	} else if (strcmp(sql, "begin") == 0) {
		b->status = 'T';
		answer(b, "C=BEGIN", "");
	} else if (strcmp(sql, "commit") == 0 || strcmp(sql, "ROLLBACK") == 0) {
		b->status = 'I';
		answer(b, "C=COMMIT", "");
	} else if (strcmp(sql, "copy") == 0) {
		b->copying = true;
		mutter(b->peer, "G");
	} else if (strncmp(sql, "select ", 7) == 0) {
		check_zone(b, sql);
		snprintf(text, sizeof(text), "T|D=%.20s|C=SELECT 1", sql + 7);
		answer(b, text, "");
	} else if (zone) {
		snprintf(b->zone, sizeof(b->zone), "%.*s",
		    (int)strcspn(zone + 10, "'"), zone + 10);
		answer(b, "C=SET|S=TimeZone:", b->zone);
	} else {
		answer(b, sql[0] ? "C=DISCARD ALL" : "I", "");
	}
}

static void
wake(struct backend *b)
{
	if (!b->asleep)
		return;
	b->asleep = false;
	answer(b, "E=ERROR 57014 canceling statement", "");
}

static void
die(struct backend *b, bool rudely)
{
	b->dead = true;
	if (rudely)
		reset(b->peer);
	else
		hang_up(b->peer);
}

static void
on_cancel(struct backend *k, const char *pid)
{
	uint32_t number = (uint32_t)strtoul(pid, NULL, 10);
	size_t i;

	for (i = 0; i < n_servers; i++)
		if (!servers[i].dead && peer_number(servers[i].peer) == number)
			wake(&servers[i]);
	die(k, false);
}

/* Skips to Sync. */
static void
refuse(struct backend *b, const char *why)
{
	char text[80];

	b->failed = true;
	if (b->status == 'T')
		b->status = 'E';
	snprintf(text, sizeof(text), "E=ERROR %s", why);
	mutter(b->peer, text);
}

static void
on_extended(struct backend *b, const char *word)
{
	char text[80];

	if (word[0] == 'S') {
		b->failed = false;
		b->bound = b->bound && b->status != 'I';
		answer(b, "", "");
	} else if (b->failed) {
		return;
	} else if (word[0] == 'P' && strstr(word, "refused by")) {
		/* In the place of a message that has been refused. */
		refuse(b, "42601 syntax error");
	} else if (word[0] == 'P') {
		copy_str(b->asked, sizeof(b->asked), word + 2);
		mutter(b->peer, "1");
	} else if (word[0] == 'B') {
		b->bound = true;
		mutter(b->peer, "2");
	} else if (!b->bound) {
		refuse(b, "34000 portal \"\" does not exist");
	} else if (word[0] == 'D') {
		mutter(b->peer, "T");
	} else if (word[0] == 'E' && strcmp(b->asked, "fail") == 0) {
		refuse(b, "22012 division by zero");
	} else if (word[0] == 'E') {
		check_zone(b, b->asked);
		snprintf(text, sizeof(text), "D=%s|C=SELECT 1", b->asked + 7);
		mutter(b->peer, text);
	}
}

static void
on_word(struct backend *b, const char *word)
{
	if (b->dead)
		return;
	if (strncmp(word, "startup", 7) == 0) {
		strcpy(b->zone, "UTC");
		b->status = 'I';
		server_welcomes(b->peer);
	} else if (strncmp(word, "cancel=", 7) == 0) {
		on_cancel(b, word + 7);
	} else if (strcmp(word, "EOF") == 0 || strcmp(word, "RST") == 0) {
		die(b, false);
	} else if (strcmp(word, "X") == 0 || word[0] == '(') {
		return;
	} else if (b->copying) {
		if (word[0] != 'c' && word[0] != 'f')
			return;
		b->copying = false;
		answer(b, word[0] == 'c' ? "C=COPY 1" :
		    "E=ERROR 57014 COPY failed", "");
	} else if (word[0] == 'Q') {
		b->bound = false;
		on_query(b, word[1] ? word + 2 : "");
	} else if (strchr("PBDES", word[0])) {
		on_extended(b, word);
	}
}

/* Answers what it has heard, up to something that it sleeps over. */
static void
work(struct backend *b)
{
	const char *more = heard(b->peer);
	char *all = xasprintf("%s%s%s", b->todo ? b->todo : "",
	    b->todo && more[0] ? "|" : "", more);
	char *at = all, *word;

	free(b->todo);
	b->todo = NULL;
	while (!b->asleep && !b->dead && (word = strsep(&at, "|")))
		if (word[0])
			on_word(b, word);
	if (at && at[0])
		b->todo = xstrdup(at);
	free(all);
	settle();
}

static void
serve(void)
{
	struct peer *p;
	size_t i;

	while ((p = server_maybe()) != NULL) {
		ck_assert_uint_lt(n_servers, SERVERS);
		servers[n_servers++] = (struct backend){ .peer = p };
	}
	for (i = 0; i < n_servers; i++)
		if (!servers[i].dead && !servers[i].asleep)
			work(&servers[i]);
}

/* ---- clients ---- */

static void
login(struct actor *a)
{
	char zone[16];

	a->name = ++next_name;
	snprintf(zone, sizeof(zone), "z%dz", a->name);
	a->peer = client_connects();
	a->open = true;
	say_startup(a->peer, (const char *const[]){ "user", "alice",
	    "database", "app", "TimeZone", zone, NULL });
}

static void
listen_to(struct actor *a)
{
	char *copy = xstrdup(heard(a->peer)), *at = copy, *word, mine[16];

	snprintf(mine, sizeof(mine), "z%dz", a->name);
	while ((word = strsep(&at, "|")))
		if (strncmp(word, "D=", 2) == 0 && ++n_answers)
			ck_assert_msg(strcmp(word + 2, mine) == 0,
			    "%s got %s", mine, word);
	free(copy);
	if (is_closed(a->peer)) {
		hang_up(a->peer);
		a->open = false;
	}
}

static void
act(struct actor *a)
{
	static const char *const lines[] = { "Q=select %s", "Q=begin",
		"Q=commit", "Q=sleep", "P=select %s|B|D|E|S", "P=select %s|B|E",
		"S", "P=fail|B|E|S", "Q=copy", "d=x|d=y", "c", "f=no",
		"Q=select %s|Q=select %s", "H", "Q=begin|Q=select %s|Q=commit",
		"X", "Q=select %s|X" };
	char mine[16], text[200];
	unsigned what = dice(40);

	if (!a->open) {
		login(a);
		return;
	}
	snprintf(mine, sizeof(mine), "z%dz", a->name);
	if (what < 30) {
		const char *l = lines[what % ARRAY_LEN(lines)], *at;
		size_t n = 0;

		for (at = l; *at; at++) {
			if (at[0] == '%') {
				n += (size_t)snprintf(text + n,
				    sizeof(text) - n, "%s", mine);
				at++;
			} else {
				text[n++] = *at;
			}
		}
		text[n] = '\0';
		mutter(a->peer, text);
	} else if (what < 32) {
		say_part(a->peer, "Q=a query that is cut off somewhere",
		    1 + dice(20));
		if (dice(2))
			half_close(a->peer);
		else
			hang_up(a->peer);
	} else if (what < 34) {
		reset(a->peer);
	} else if (what < 36) {
		half_close(a->peer);
	} else if (peer_number(a->peer)) {
		(void)client_cancels(a->peer);
	}
}

static void
trouble(void)
{
	struct backend *b = n_servers ? &servers[dice((unsigned)n_servers)] :
					NULL;
	unsigned what = dice(30);

	if (what == 0) {
		fake_net = fake_net ? 0 : ECONNREFUSED;
	} else if (b && !b->dead && what < 3) {
		die(b, what == 1);
	} else if (b && !b->dead && what == 3) {
		mutter(b->peer, "N=NOTICE 00000 hello|A");
	} else if (b && !b->dead && what == 4) {
		mutter(b->peer, "E=FATAL 57P01 terminating");
		die(b, false);
	} else if (b && !b->dead && what < 14) {
		wake(b);
	} else if (what < 20) {
		advance((usec_t)dice(3000) * USEC_PER_MSEC);
	}
}

static void
monkey(int way, uint32_t with)
{
	static const char *const modes[] = { "transaction", "session",
		"transaction", "statement" };
	char settings[300];
	size_t i, step;

	seed = with * 7919;
	n_servers = 0;
	next_name = 0;
	memset(clients, 0, sizeof(clients));
	snprintf(settings, sizeof(settings), "worker_threads = 2\n"
	    "default_pool_size = 2\npool_mode = %s\nserver_lifetime = 20\n"
	    "server_check_delay = 1\nquery_wait_timeout = 20\n"
	    "idle_transaction_timeout = %u\nquery_timeout = %u\n"
	    "client_gone_grace = 0.5\nserver_idle_timeout = 3\n",
	    modes[with % 4], dice(10), dice(10));
	world_open(way, settings, "");
	for (step = 0; step < STEPS && n_servers < SERVERS - 50; step++) {
		act(&clients[dice(CLIENTS)]);
		trouble();
		if (dice(3))
			serve();
		for (i = 0; i < CLIENTS; i++)
			if (clients[i].open)
				listen_to(&clients[i]);
	}
	for (i = 0; i < n_servers; i++)
		free(servers[i].todo);
	world_close();
}

START_TEST(nobody_gets_what_is_not_his)
{
	const char *one = getenv("SCENARIO_SEED");
	const char *more = getenv("SCENARIO_SEEDS");
	uint32_t i, n = more ? (uint32_t)atoi(more) : SEEDS;

	if (one)
		monkey(_i, (uint32_t)atoi(one));
	for (i = 0; !one && i < n; i++) {
		if (getenv("SCENARIO_VERBOSE"))
			fprintf(stderr, "seed %u\n", i);
		monkey(_i, i);
	}
	/* It must not have been all idle talk. */
	ck_assert_uint_gt(n_answers, one ? 0 : 5 * n);
	if (getenv("SCENARIO_VERBOSE"))
		fprintf(stderr, "%u answers\n", n_answers);
}
END_TEST

SCENARIOS("monkey", nobody_gets_what_is_not_his)
