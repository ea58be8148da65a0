/*
 * Every message in every state. What the peer may say is answered as the
 * protocol has it, anything else ends that session (or that server), and
 * nothing ever takes the process along.
 *
 * A row names the types after which the connection goes on; all others must
 * end it. Types are the letters and digits, and a few that never were any.
 */
#include "scenario.h"

#include <ctype.h>

static struct peer *c, *s;
static int way;

/* Those that are tried; false at the end. */
static bool
next_type(int *type)
{
	do
		++*type;
	while (*type < 256 && !isalnum(*type) &&
	    !memchr("\0\1\26 !~\177\200\377", *type, 9));
	return *type < 256;
}

static void
open_world(const char *settings)
{
	world_open(way, settings, "");
}

/* Any type at all, with the body that belongs to it or with none. */
static void
say_type(struct peer *p, int type)
{
	static const char *const proper[256] = { ['S'] = "S=DateStyle:ISO, MDY",
		['Z'] = "Z=I", ['C'] = "C=SELECT 1", ['D'] = "D=1",
		['E'] = "E=ERROR XX000 boo", ['N'] = "N=NOTICE 00000 boo",
		['A'] = "A", ['T'] = "T", ['t'] = "t", ['G'] = "G", ['H'] = "H",
		['W'] = "W", ['V'] = "V", ['K'] = "K", ['R'] = "R" };
	static const char *const asked[256] = { ['Q'] = "Q=select 9",
		['P'] = "P=select 9", ['B'] = "B", ['D'] = "D", ['E'] = "E",
		['C'] = "C", ['F'] = "F", ['f'] = "f=why", ['p'] = "p=secret" };
	const char *text = (p == s ? proper : asked)[type];
	uint8_t bare[5] = { (uint8_t)type, 0, 0, 0, 4 };

	if (text)
		say(p, text);
	else
		say_bytes(p, bare, sizeof(bare));
}

static void
say_junk(struct peer *p, int type)
{
	uint8_t junk[9] = { (uint8_t)type, 0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff };

	say_bytes(p, junk, sizeof(junk));
}

/* The types after which speaker goes on, in a world made by setup. */
static void
check_row(void (*setup)(void), struct peer **speaker, const char *fine,
    const char *file, int line)
{
	char goes_on[300] = "";
	size_t n = 0;
	int type = -1;

	while (next_type(&type)) {
		setup();
		say_type(*speaker, type);
		if (!is_closed(*speaker))
			goes_on[n++] = isgraph(type) ? (char)type : '?';
		advance(USEC_PER_SEC);
		world_close();
		setup();
		say_junk(*speaker, type);
		advance(USEC_PER_SEC);
		/* Cut off in the middle, then gone. */
		if (!is_closed(*speaker)) {
			uint8_t half[7] = { (uint8_t)type, 0, 0, 1, 0, 'a' };

			say_bytes(*speaker, half, sizeof(half));
			hang_up(*speaker);
			advance(USEC_PER_SEC);
		}
		world_close();
	}
	goes_on[n] = '\0';
	ck_assert_msg(strcmp(goes_on, fine) == 0,
	    "%s:%d: goes on after \"%s\", expected \"%s\"", file, line, goes_on,
	    fine);
}

#define ROW(setup, speaker, fine) \
	check_row((setup), &(speaker), (fine), __FILE__, __LINE__)

/* ---- states of a client ---- */

static void
fresh(void)
{
	open_world("");
	s = NULL;
	c = client_connects();
}

static void
asked_for_md5(void)
{
	open_world("auth_type = md5");
	s = NULL;
	c = client_connects();
	say_startup(c, (const char *const[]){ "user", "alice", "database",
	    "app", NULL });
	hear(c, "R=5");
}

static void
asked_for_scram(void)
{
	open_world("auth_type = scram-sha-256");
	s = NULL;
	c = client_connects();
	say_startup(c, (const char *const[]){ "user", "alice", "database",
	    "app", NULL });
	hear(c, "R=10");
}

static void
greeting(void)
{
	open_world("server_down_after = 0");
	s = NULL;
	c = client_connects();
	say_startup(c, (const char *const[]){ "user", "alice", "database",
	    "app", NULL });
	hear(c, "");
}

static void
idle(void)
{
	open_world("");
	c = client_in("alice", &s);
}

static void
waiting(void)
{
	struct peer *first;

	open_world("");
	first = client_in("alice", &s);
	begin(first, s);
	c = client_in("alice", NULL);
	say(c, "Q=select 1");
	ck_assert_int_eq(pool_of("alice").waiting, 1);
}

static void
skipping(void)
{
	waiting();
	c = client_in("alice", NULL);
	say(c, "P=one");
	(void)client_cancels(c);
	hear(c, "E=ERROR 57014 *");
}

static void
in_query(void)
{
	idle();
	say(c, "Q=select 1");
	hear(s, "Q=select 1");
}

static void
in_batch(void)
{
	idle();
	say(c, "P=one|B|D|E|S");
	hear(s, "P=one|B|D|E|S");
}

static void
in_flushed_batch(void)
{
	idle();
	say(c, "P=one|B|E|H");
	hear(s, "P=one|B|E|H");
	say(s, "1|2|C=SELECT 1");
}

static void
in_failed_batch(void)
{
	in_batch();
	say(s, "1|E=ERROR 22012 division by zero");
}

static void
in_transaction(void)
{
	idle();
	begin(c, s);
}

static void
in_copy_in(void)
{
	idle();
	say(c, "Q=copy t from stdin");
	hear(s, "Q=copy t from stdin");
	say(s, "G");
	hear(c, "G");
}

static void
in_copy_out(void)
{
	idle();
	say(c, "Q=copy t to stdout");
	hear(s, "Q=copy t to stdout");
	say(s, "H|d=1");
	hear(c, "H|d=1");
}

static void
in_function(void)
{
	idle();
	say(c, "F");
	hear(s, "F");
}

static void
syncing(void)
{
	open_world("");
	(void)client_in("alice", &s);
	c = client_connects();
	say_startup(c, (const char *const[]){ "user", "alice", "database",
	    "app", "application_name", "Mars", NULL });
	hear_welcome(c);
	say(c, "Q=select 1");
	hear(s, "Q=SET *");
}

START_TEST(what_clients_may_say)
{
	int type = -1;

	way = _i;
	while (next_type(&type)) {
		fresh();
		say_junk(c, type);
		ck_assert_msg(is_closed(c), "type %d", type);
		world_close();
	}
	/* A wrong password ends it too. */
	ROW(asked_for_md5, c, "");
	ROW(asked_for_scram, c, "");
	ROW(idle, c, "BCDEFHPQScdf");
	ROW(in_query, c, "BCDEFHPQScdf");
	ROW(in_batch, c, "BCDEFHPQScdf");
	ROW(in_flushed_batch, c, "BCDEFHPQScdf");
	ROW(in_failed_batch, c, "BCDEFHPQScdf");
	ROW(in_transaction, c, "BCDEFHPQScdf");
	ROW(in_copy_in, c, "BCDEFHPQScdf");
	ROW(in_copy_out, c, "BCDEFHPQScdf");
	ROW(in_function, c, "BCDEFHPQScdf");
	ROW(skipping, c, "BCDEFHPQScdf");
}
END_TEST

/* Held bytes are looked at when their turn comes. */
START_TEST(what_clients_may_say_while_they_wait)
{
	int type = -1;

	way = _i;
	while (next_type(&type)) {
		greeting();
		say_type(c, type);
		ck_assert(!is_closed(c));
		s = server_in();
		advance(USEC_PER_SEC);
		world_close();
		waiting();
		say_type(c, type);
		ck_assert(!is_closed(c));
		say(s, "Z=I");
		advance(USEC_PER_SEC);
		world_close();
		syncing();
		say_type(c, type);
		ck_assert(!is_closed(c));
		say(s, "C=SET|S=application_name:Mars|Z=I");
		say(s, "C=SELECT 1|Z=I");
		advance(USEC_PER_SEC);
		world_close();
	}
}
END_TEST

/* ---- states of a server ---- */

static void
dialed(void)
{
	greeting();
	s = server_dialed();
	hear(s, "startup=alice@app");
}

static void
let_in(void)
{
	dialed();
	say(s, "R");
}

static void
asking_for_scram(void)
{
	dialed();
	say(s, "R=10");
	hear(s, "p=*");
}

static void
resetting(void)
{
	open_world("pool_mode = session");
	c = client_in("alice", &s);
	one_query(c, s);
	say(c, "X");
	hear(s, "Q=DISCARD ALL");
}

static void
checking(void)
{
	open_world("server_check_delay = 0");
	c = client_in("alice", &s);
	say(c, "Q=select 1");
	hear(s, "Q");
}

static void
draining(void)
{
	in_query();
	reset(c);
}

static void
rolling_back(void)
{
	in_transaction();
	reset(c);
	hear(s, "Q=ROLLBACK");
}

static void
canceling(void)
{
	in_query();
	(void)client_cancels(c);
	hear(server_dialed(), "cancel=*");
	say(s, "E=ERROR 57014 canceling|Z=I");
	hear(c, "E=ERROR 57014 canceling|Z=I");
	ck_assert_int_eq(pool_of("alice").sv[SV_CANCELING], 1);
}

START_TEST(what_servers_may_say)
{
	way = _i;
	ROW(dialed, s, "NRSv");
	ROW(let_in, s, "KNSZv");
	ROW(asking_for_scram, s, "NSv");
	ROW(idle, s, "ANS");
	ROW(in_query, s, "ACDEGHINSTWZcd");
	ROW(in_batch, s, "1AENS");
	ROW(in_flushed_batch, s, "AENS");
	ROW(in_failed_batch, s, "AENSZ");
	ROW(in_transaction, s, "AENS");
	ROW(in_copy_in, s, "ACDEHINSTcd");
	ROW(in_copy_out, s, "ACDEGHINSTWZcd");
	ROW(in_function, s, "AENSVZ");
	ROW(syncing, s, "ACDEGHINSTWZcd");
	ROW(resetting, s, "ACDEGHINSTWZcd");
	ROW(checking, s, "ACDEGHINSTWZcd");
	ROW(draining, s, "ACDEGHINSTWZcd");
	ROW(rolling_back, s, "ACDEGHINSTWZcd");
	ROW(canceling, s, "ANS");
}
END_TEST

SCENARIOS("table",
    what_clients_may_say,
    what_clients_may_say_while_they_wait,
    what_servers_may_say)
