/* Tests of proto/pipeline. */
#include <string.h>

#include "proto/pipeline.h"
#include "unit.h"

/*
 * A script is a list of words:
 *   +x    the client's message x is sent          =x  one of our own
 *   -x    x comes and is forwarded                ~x  ... is swallowed
 *   !x    x comes and fits nothing
 *   @x    the client's x is not sent on: a fake   >x  its answer is due
 *   %x    in place of something refused x is sent <x  its error comes
 *   #x    a tracked one of our own                ^x  one of the client
 *   .     no fake is due
 *   gone  the client has left
 *   done2 lost1  so many more have come to this end
 *   -ZI   ReadyForQuery with a status, like all of the three
 *   again  synced  once   it can be sent again (its Sync has been), or not
 *   twice                 it will be
 *   idle  settled  busy  doubtful  own             what must be true now
 */
static bool
run_word(struct pipeline *p, const char *w)
{
	uint8_t type = (uint8_t)w[1];
	uint8_t status = type == 'Z' ? (uint8_t)w[2] : 0;
	bool synced;

	switch (w[0]) {
	case '+':
		return pipeline_sent(p, type);
	case '=':
		return pipeline_own_sent(p, type);
	case '-':
		return pipeline_got(p, type, status) == PIPE_FORWARD;
	case '~':
		return pipeline_got(p, type, status) == PIPE_SWALLOW;
	case '!':
		return pipeline_got(p, type, status) == PIPE_BAD;
	case '<':
		return pipeline_got(p, type, status) == PIPE_REPLACE;
	case '@':
		return pipeline_fake_sent(p, type);
	case '>':
		return p->news && pipeline_take_fake(p) == type;
	case '%':
		return pipeline_refused_sent(p, type);
	case '#':
		return pipeline_tracked_sent(p, type, true);
	case '^':
		return pipeline_tracked_sent(p, type, false);
	case '.':
		return pipeline_take_fake(p) == 0;
	}
	if (strcmp(w, "gone") == 0) {
		pipeline_abandon(p);
		return true;
	}
	if (strncmp(w, "done", 4) == 0 || strncmp(w, "lost", 4) == 0) {
		uint32_t *n = w[0] == 'd' ? &p->done : &p->lost;
		bool ok = *n == (uint32_t)atoi(w + 4);

		*n = 0;
		return ok;
	}
	if (strcmp(w, "idle") == 0)
		return pipeline_is_idle(p) && !pipeline_is_doubtful(p);
	if (strcmp(w, "settled") == 0)
		return pipeline_is_settled(p) && !pipeline_is_idle(p);
	if (strcmp(w, "busy") == 0)
		return !pipeline_is_settled(p) && !pipeline_is_idle(p) &&
		    !pipeline_is_doubtful(p);
	if (strcmp(w, "doubtful") == 0)
		return pipeline_is_doubtful(p) && !pipeline_is_idle(p);
	if (strcmp(w, "again") == 0)
		return pipeline_can_repeat(p, &synced) && !synced;
	if (strcmp(w, "synced") == 0)
		return pipeline_can_repeat(p, &synced) && synced;
	if (strcmp(w, "once") == 0)
		return !pipeline_can_repeat(p, &synced);
	if (strcmp(w, "twice") == 0)
		return pipeline_repeat(p);
	return strcmp(w, "own") == 0 && pipeline_own_turn(p);
}

static void
run(const char *script)
{
	struct pipeline p;
	char text[1024], *word, *rest = text;
	int at = 0;

	pipeline_init(&p);
	ck_assert_msg(run_word(&p, "~ZI"), "the login's ReadyForQuery");
	ck_assert_uint_lt(strlen(script), sizeof(text));
	strcpy(text, script);
	while ((word = strtok_r(rest, " ", &rest)) != NULL) {
		at++;
		ck_assert_msg(run_word(&p, word), "word %d, \"%s\", of: %s",
		    at, word, script);
	}
	pipeline_fini(&p);
}

/* What comes was recorded from PostgreSQL 15, unless it says else. */
static const char *const scripts[] = {
	/* simple queries */
	"idle +Q busy -T -D -C busy -ZI idle",
	"+Q -I -ZI idle",
	"+Q -T -D -C -T -C -ZT settled +Q -C -ZI idle",
	"+Q -E -ZI idle",
	"+Q -C -E -ZE settled",
	"+Q +Q +Q -T -C -ZI busy -E -ZI busy -C -ZI idle",
	/* function calls */
	"+F -V -ZI idle",
	"+F -E -ZI idle",
	"+F +Q -V -ZI -T -C -ZI idle",
	/* messages at any time */
	"-N -S -A idle",
	"+Q -N -T -S -D -A -N -C -N -ZI idle",
	"+P +S -N -1 -N -ZI idle",
	/* extended protocol */
	"+P +B +D +E +S -1 -2 -T -D -C busy -ZI idle",
	"+P +B +D +E +S -1 -2 -n -I -ZI idle",
	"+P +D +S -1 -t -T -ZI idle",
	"+P +D +S -1 -t -n -ZI idle",
	"+P +B +D +E +E +S -1 -2 -T -D -s -D -D -C -ZI idle",
	"+C +S -3 -ZI idle",
	"+S -ZI idle",
	"+P +H busy -1 busy +B +E +S -2 -C -ZI idle",
	"+H idle",
	"+P +H -1 busy +Q -T -D -C -ZI idle",
	"+P +B +E +S +P +B +E +S -1 -2 -C -ZI busy -1 -2 -C -ZI idle",
	/* a deferred constraint fails at the Sync itself */
	"+P +B +D +E +S -1 -2 -n -C -E -ZI idle",
	/* a batch that is sent again, behind a Close and a Parse of ours */
	"once +B again +D +E again +S synced twice own busy ~3 ~1 done2 -2 "
	"-T -C -ZI idle",
	"@P >1 done1 +D again +B #P +B @C +E +S synced +S once",
	"+B +S twice ~3 -E busy -ZI done1 lost1 idle",
	"+P once +B +S once -1 once -2 once -ZI idle",
	"=B once", "#P +B once", "+B +Q once", "+B +S +Q once", "%P +B once",
	"+E once", "+B +c once", "+B -2 once +B once", "+B +S -E once",
	"+Q -C -ZT +B +S once",
	"+B +B +B +B +B +B +B +B +B +B +B +B +B +B +B +B +B +B +B +B +B +B +B "
	"+S synced twice ~3 ~1 done2 -2 -2 -2 -2 -2 -2 -2 -2 -2 -2 -2 -2 -2 "
	"-2 -2 -2 -2 -2 -2 -2 -2 -2 -2 -ZI idle",
	/* errors skip to the Sync, a Query and a FunctionCall too */
	"+P +B +D +E +S -E busy -ZI idle",
	"+P +B +D +E +S -1 -2 -T -D -E -ZI idle",
	"+P +Q -E busy +S busy -ZI +Q -T -D -C -ZI idle",
	"+P +H -E busy +Q +F busy +S -ZI idle",
	"+P +E +S +P +S -E -ZI busy -1 -ZI idle",
	"+P +S -E -N -S -ZI idle",
	/* COPY out */
	"+Q -H -d -d -c -C -ZI idle",
	"+P +B +E +S -1 -2 -H -d -c -C -ZI idle",
	"+Q -H -d -E -ZI idle",
	/* COPY in by a simple Query */
	"+Q -G busy +d +d +c busy -C -ZI idle",
	"+Q +d +c -G -C -ZI idle",
	"+Q -G +d +c -C -G +d +c -C -ZI idle",
	"+Q +d +c +d +c +Q -G -C -T -D -C -G -C -ZI -T -D -C -ZI idle",
	"+Q -G +d +f -E -ZI idle",
	"+Q -G +d -E busy -ZI busy +d busy +c idle",
	"+Q -G +d -E -ZI busy +f idle",
	"+Q -G +d -E -ZI busy +Q -T -C -ZI idle",
	"+Q -G +d +c +Q -E -ZI busy -T -C -ZI idle",
	"+Q +S +d +S +c -G -C -ZI idle",
	"+Q -G -N -S -A +c -C -ZI idle",
	/* COPY in by the extended protocol: the first Sync is ignored */
	"+P +B +D +E +S -1 -2 -n -G busy +d +c +S -C busy -ZI idle",
	"+P +B +D +E +S +d +c +S -1 -2 -n -G -C busy -ZI idle",
	"+P +B +E +S +H +S +d +c +S -1 -2 -G -C -ZI idle",
	"+P +B +E +S +d +c +E +S -1 -2 -G -C -E -ZI idle",
	"+P +B +E -1 -2 -G +d -E busy +c +S busy -ZI idle",
	"+P +B +E -1 -2 -G +d -E +S busy -ZI idle",
	/* ... unless COPY failed before it read anything (a view) */
	"+P +B +D +E +S -1 -2 -n -G -E -ZI busy +d +c +S -ZI idle",
	"+P +B +D +E +S +d +c +S -1 -2 -n -G -E -ZI doubtful -ZI idle",
	"+Q +S +d +c -G -E -ZI doubtful -ZI idle",
	/* ... or it did read it, and no second answer comes */
	"+P +B +D +E +S -1 -2 -n -G +d -E +d +c +S -ZI doubtful",
	"+P +B +D +E +S -1 -2 -n -G +d -E +d +c +S -ZI "
	    "+Q busy -T -D -C -ZI idle",
	"+P +B +D +E +S -1 -2 -n -G +d +f +S -E -ZI doubtful "
	    "+P +B +E +S busy -1 -2 -C -ZI idle",
	"+P +B +D +E +S -1 -2 -n -G +d +f +S -E -ZI +Q -E -ZI doubtful "
	    "+Q -I -ZI doubtful",
	"+Q -G +S +d -E -ZI +c doubtful +Q -T -C -ZI idle",
	/* CopyDone and the like where there is no COPY */
	"+c idle",
	"+d +c +f idle",
	"+Q +c -T -D -C -ZI idle",
	"+Q +c +c +Q +c -T -C -ZI -C -ZI idle",
	"+P +c +B +c +E +c +S +c -1 -2 -C -ZI idle",
	"+Q +c +Q +d +c -C -ZI -G busy -C -ZI idle",
	/* COPY both (replication); both sides end it */
	"+Q -W -d +d -d -c busy +c -C -C -ZI idle",
	"+Q -W -d +d +c -c -T -D -C -C -ZI idle",
	"+Q -W -d -E -ZI busy +Q -T -C -ZI idle",
	"+Q -W -d -C busy", /* a walsender that shuts down */
	/* what we sent ourselves */
	"=Q own +Q busy ~S ~C ~S ~C ~ZI -T -D -C -ZI idle",
	"=Q ~N ~T ~D ~C -A ~ZI idle",
	"=Q ~E ~ZI idle",
	"=P =B =D =E =S ~1 ~2 ~T ~D ~C ~ZI idle",
	"=P ~1 busy +B +E +S -2 -C -ZI idle",
	"=P +B +E +S -E -ZI idle",
	"=P =S ~E ~ZI idle",
	"+P +B +E +S =C -1 -2 -C -ZI ~3 busy",
	/* fakes, in their turn */
	"@P busy >1 idle done1",
	"@P @C >1 >3 . idle done2",
	"+Q @P . -C . -ZI >1 idle done1",
	"@P +S >1 -ZI idle done1",
	"+B @C +E @P +S . -2 >3 . -C >1 -ZI idle done2",
	"^P @C ^P +S -1 >3 -1 -ZI idle done3",
	"+P @P +c @C +S -1 >1 >3 -ZI idle done2",
	/* ... or skipped */
	"+B @P ^P +S -E . lost0 -ZI idle lost2",
	"+B @P +S @C +S -E . -ZI lost1 >3 -ZI idle done1",
	"^P @C +S -E . -ZI idle lost2 done0",
	"#C ^P +B +S ~3 -E -ZI idle done1 lost1",
	"#P +B +E +S -E -ZI idle lost1",
	"#P +B +E +S ~1 -2 -C -ZI idle done1",
	/* what is refused */
	"%Q <E -ZI idle lost1",
	"%P +S <E -ZI idle lost1",
	"%P +B +E +S <E busy -ZI idle lost1",
	"+B %P @P +S -E . -ZI idle lost2",
	"+B %P @P +S -2 <E . -ZI idle lost2",
	/* nobody waits for them any more */
	"^P @C ^P @C +S gone -1 done2 lost0 -E -ZI idle lost2 done0",
	"@P gone idle done1",
	"+Q @P gone -C -ZI idle done1",
	/* in COPY, which does not see what is not sent */
	"+E +S @C +d +c +S -G -C -ZI idle lost1",
	/* a farewell */
	"-E busy",
	"+Q -C -ZT settled -E busy",
	"-E +Q -C -ZI busy",
	"+Q -T -D -E",
	"+Q -E -E", /* PostgreSQL's answer to a Query inside COPY in */
};

START_TEST(scripts_of_the_protocol)
{
	run(scripts[_i]);
}
END_TEST

static const char *const bad_scripts[] = {
	"!Z", "!ZX", "!ZI", "!T", "!C", "!D", "!1", "!G", "!H", "!d",
	"!K", "!R", "!v", "!x", "!p",
	"+Q !1", "+Q !2", "+Q !3", "+Q !n", "+Q !t", "+Q !s", "+Q !V",
	"+Q -C -ZI !ZI", "+Q -C -ZI !C", "+Q -C !ZX",
	"+P !T", "+P !ZI", "+P !2", "+P !C", "+P +S -1 -ZI !1",
	"+P +B +S -1 !C", "+P +B +S !2",
	"+B +S -2 !T", "+D +S -T !T", "+E +S !T", "+F !T", "+F !C",
	"+S !C", "+S !1", "+P +D +E +S !G", "+F !G", "+S !W",
	"+P +H -E !ZI", "+P +S -E !1", "+P +B +S -E !2",
	"%Q !C", "%Q !T", "%P !1", "@P !1", "+Q @P -C -ZI !1",
	"+Q -G !G", "+Q -G !ZI", "+Q -G +d +c -C -ZI !C",
	"=Q !1", "=Q ~C ~ZI !ZI",
	/* the doubt lets one Sync go unanswered and no more */
	"+P +B +D +E +S -1 -2 -n -G +d -E +d +c +S -ZI !T",
	"+P +B +D +E +S +d +c +S -1 -2 -n -G -E -ZI -ZI !ZI",
};

START_TEST(what_nobody_is_owed_is_bad)
{
	run(bad_scripts[_i]);
}
END_TEST

START_TEST(every_answer_to_nothing_is_bad)
{
	struct pipeline p;
	int type;

	for (type = 0; type < 256; type++) {
		enum pipe_verdict v;

		pipeline_init(&p);
		pipeline_got(&p, 'Z', 'I');
		v = pipeline_got(&p, (uint8_t)type, 'I');
		if (type != 0 && strchr("ENSA", type) != NULL)
			ck_assert_int_eq(v, PIPE_FORWARD);
		else
			ck_assert_int_eq(v, PIPE_BAD);
		pipeline_fini(&p);
	}
}
END_TEST

START_TEST(thousands_of_queries_grow_and_give_back)
{
	struct pipeline p;
	uint32_t i, n = 70000;

	pipeline_init(&p);
	pipeline_got(&p, 'Z', 'I');
	/* Not from slot 0, so that growing has to unwrap. */
	for (i = 0; i < 17; i++)
		pipeline_sent(&p, 'Q');
	for (i = 0; i < 16; i++)
		pipeline_got(&p, 'Z', 'I');
	for (i = 0; i < n; i++) {
		ck_assert(pipeline_sent(&p, i % 2 != 0 ? 'Q' : 'F'));
		ck_assert_int_eq(pipeline_is_full(&p),
		    i + 2 >= PIPELINE_FULL);
	}
	ck_assert_int_eq(pipeline_got(&p, 'C', 0), PIPE_FORWARD);
	ck_assert_int_eq(pipeline_got(&p, 'Z', 'I'), PIPE_FORWARD);
	for (i = 0; i < n; i++) {
		ck_assert_int_eq(pipeline_got(&p, i % 2 != 0 ? 'C' : 'V', 0),
		    PIPE_FORWARD);
		ck_assert(!pipeline_is_idle(&p));
		ck_assert_int_eq(pipeline_got(&p, 'Z', 'I'), PIPE_FORWARD);
	}
	ck_assert(pipeline_is_idle(&p));
	ck_assert_ptr_null(p.ring);
	ck_assert_uint_eq(p.owed, 0);
	pipeline_fini(&p);
}
END_TEST

START_TEST(more_than_the_limit_is_refused)
{
	struct pipeline p;
	uint32_t i;

	pipeline_init(&p);
	for (i = 0; i < PIPELINE_MAX; i++)
		ck_assert(pipeline_sent(&p, 'Q'));
	ck_assert(!pipeline_sent(&p, 'Q'));
	ck_assert(!pipeline_own_sent(&p, 'Q'));
	ck_assert(!pipeline_sent(&p, 'c'));
	ck_assert(pipeline_sent(&p, 'd'));
	pipeline_fini(&p);
}
END_TEST

START_TEST(own_error_tells_of_the_last_own_message)
{
	struct pipeline p;

	pipeline_init(&p);
	pipeline_got(&p, 'Z', 'I');
	pipeline_own_sent(&p, 'Q');
	pipeline_got(&p, 'E', 0);
	ck_assert(p.own_error);
	pipeline_got(&p, 'Z', 'I');
	ck_assert(p.own_error);
	pipeline_own_sent(&p, 'Q');
	ck_assert(!p.own_error);
	pipeline_got(&p, 'C', 0);
	pipeline_got(&p, 'Z', 'I');
	pipeline_sent(&p, 'Q');
	pipeline_got(&p, 'E', 0);
	pipeline_got(&p, 'Z', 'E');
	ck_assert(!p.own_error);
	ck_assert_uint_eq(p.status, 'E');
	pipeline_fini(&p);
}
END_TEST

START_TEST(frontend_types_are_those_of_the_table)
{
	int type;

	for (type = 1; type < 256; type++) {
		ck_assert_int_eq(frontend_type_is_known((uint8_t)type),
		    strchr("QFPBDECSHdcf", type) != NULL);
		ck_assert_int_eq(frontend_type_is_copy((uint8_t)type),
		    strchr("dcf", type) != NULL);
	}
	ck_assert(!frontend_type_is_known(0));
	ck_assert(!frontend_type_is_copy(0));
}
END_TEST

/*
 * Against a model of PostgreSQL: a server that reads the client's messages
 * one by one and answers by PostgreSQL's rules, with what happens (rows,
 * errors, COPY, COPY that fails before or after it read something) drawn by
 * lot, and both directions delivered at random times.
 */

#define WIRE_MAX 4096

struct fifo {
	uint8_t type[WIRE_MAX];
	bool own[WIRE_MAX];
	size_t head, n;
};

static void
fifo_put(struct fifo *f, uint8_t type, bool own)
{
	ck_assert_uint_lt(f->n, WIRE_MAX);
	f->type[f->n] = type;
	f->own[f->n] = own;
	f->n++;
}

enum mode { M_NORMAL, M_SKIP, M_COPY_SIMPLE, M_COPY_EXTENDED, M_DEAD };

struct model {
	struct fifo up, down;
	enum mode mode;
	bool batch; /* extended messages since the last Sync */
	bool own; /* whose message is being answered */
	bool streaming; /* the client thinks it is in a COPY */
	bool doubted;
	struct pipeline p;
};

static unsigned
lot(unsigned n)
{
	return (unsigned)random() % n;
}

static void
say(struct model *m, const char *types)
{
	for (; *types != '\0'; types++)
		fifo_put(&m->down, (uint8_t)*types, m->own);
}

static void
model_statement(struct model *m, bool simple)
{
	unsigned what = lot(m->own ? 5 : 9);

	switch (what) {
	case 0:
		say(m, "I");
		break;
	case 1:
		say(m, simple ? "TDC" : "DC");
		break;
	case 2:
		say(m, simple ? "NTDSCTC" : "s");
		break;
	case 3:
		say(m, simple ? "TDE" : "DE");
		break;
	case 4:
		say(m, "C");
		break;
	case 5:
		say(m, "HddcC");
		break;
	default:
		say(m, "G");
		if (lot(4) == 0) { /* into a view */
			say(m, "E");
			what = 3;
			break;
		}
		m->mode = simple ? M_COPY_SIMPLE : M_COPY_EXTENDED;
		return;
	}
	if (simple)
		say(m, "Z");
	else if (what == 3)
		m->mode = M_SKIP;
}

static void
model_normal(struct model *m, uint8_t type)
{
	static const char answers[] = "P1B2C3";

	switch (type) {
	case 'Q':
		m->batch = false;
		model_statement(m, true);
		break;
	case 'F':
		say(m, lot(3) == 0 ? "EZ" : "VZ");
		m->batch = false;
		break;
	case 'S':
		say(m, lot(8) == 0 ? "EZ" : "Z");
		m->batch = false;
		break;
	case 'E':
		m->batch = true;
		model_statement(m, false);
		break;
	case 'D':
		m->batch = true;
		say(m, lot(2) == 0 ? "tT" : "n");
		break;
	case 'P':
	case 'B':
	case 'C':
		m->batch = true;
		if (lot(6) == 0) {
			say(m, "E");
			m->mode = M_SKIP;
		} else {
			char one[2] = { strchr(answers, type)[1], '\0' };

			say(m, one);
		}
		break;
	}
}

static void
model_copy(struct model *m, uint8_t type)
{
	bool simple = m->mode == M_COPY_SIMPLE;
	bool fails = type == 'f' || (type != 'H' && lot(6) == 0);

	if (strchr("dcfSH", type) == NULL) {
		say(m, "EE");
		m->mode = M_DEAD;
		return;
	}
	if (fails) {
		say(m, simple ? "EZ" : "E");
		m->mode = simple ? M_NORMAL : M_SKIP;
	} else if (type == 'c') {
		say(m, "C");
		m->mode = M_NORMAL;
		if (simple && lot(3) == 0) {
			say(m, "G");
			m->mode = M_COPY_SIMPLE;
		} else if (simple)
			say(m, "Z");
	}
}

static void
model_read(struct model *m)
{
	uint8_t type = m->up.type[m->up.head];

	/* The answer to a batch with our own Sync is our own. */
	m->own = m->up.own[m->up.head++];
	switch (m->mode) {
	case M_NORMAL:
		model_normal(m, type);
		break;
	case M_SKIP:
		if (type == 'S') {
			say(m, "Z");
			m->batch = false;
			m->mode = M_NORMAL;
		}
		break;
	case M_COPY_SIMPLE:
	case M_COPY_EXTENDED:
		model_copy(m, type);
		break;
	case M_DEAD:
		break;
	}
}

static bool
model_is_quiet(const struct model *m)
{
	size_t i;

	/* What is still to be read must be something that owes nothing. */
	for (i = m->up.head; i < m->up.n; i++)
		if (strchr("dcfH", m->up.type[i]) == NULL)
			return false;
	return m->down.head == m->down.n && m->mode == M_NORMAL && !m->batch;
}

static void
client_sends(struct model *m)
{
	static const char freely[] = "QQQFPBDEESSHPBES";
	static const char in_copy[] = "dddcdcfSH";
	uint8_t type;

	if (pipeline_is_settled(&m->p) && lot(4) == 0) {
		fifo_put(&m->up, 'Q', true);
		pipeline_own_sent(&m->p, 'Q');
		return;
	}
	if (m->streaming || lot(12) == 0)
		type = (uint8_t)in_copy[lot(sizeof(in_copy) - 1)];
	else
		type = (uint8_t)freely[lot(sizeof(freely) - 1)];
	if (type == 'c' || type == 'f')
		m->streaming = false;
	/* Now and then all of libpq's COPY in one burst. */
	if (type == 'E' && lot(6) == 0) {
		static const char burst[] = "ESddcS";
		size_t i;

		for (i = 0; i < sizeof(burst) - 1; i++) {
			fifo_put(&m->up, (uint8_t)burst[i], false);
			pipeline_sent(&m->p, (uint8_t)burst[i]);
		}
		return;
	}
	fifo_put(&m->up, type, false);
	pipeline_sent(&m->p, type);
}

static void
pooler_reads(struct model *m, int seed)
{
	uint8_t type = m->down.type[m->down.head];
	bool own = m->down.own[m->down.head++];
	enum pipe_verdict v;

	v = pipeline_got(&m->p, type, type == 'Z' ? 'I' : 0);
	ck_assert_msg(v != PIPE_BAD, "seed %d: '%c' was bad", seed, type);
	m->doubted = m->doubted || m->p.doubt > 0;
	if (!m->doubted)
		ck_assert_msg((v == PIPE_SWALLOW) == own,
		    "seed %d: '%c' went to the wrong one", seed, type);
	if (type == 'G')
		m->streaming = true;
}

static void
trial(int seed)
{
	struct model *m = calloc(1, sizeof(*m));
	int i;

	srandom((unsigned)seed);
	pipeline_init(&m->p);
	pipeline_got(&m->p, 'Z', 'I');
	for (i = 0; i < 300 && m->mode != M_DEAD; i++) {
		switch (lot(3)) {
		case 0:
			client_sends(m);
			break;
		case 1:
			if (m->up.head < m->up.n)
				model_read(m);
			break;
		case 2:
			if (m->down.head < m->down.n)
				pooler_reads(m, seed);
			break;
		}
		/* The one that matters: no answer may be on its way. */
		if (pipeline_is_settled(&m->p))
			ck_assert_msg(model_is_quiet(m) ||
			    m->mode == M_DEAD, "seed %d: released too early",
			    seed);
	}
	/* And nobody is held for ever. */
	while (m->mode != M_DEAD &&
	    (m->up.head < m->up.n || m->down.head < m->down.n)) {
		if (m->up.head < m->up.n)
			model_read(m);
		while (m->down.head < m->down.n)
			pooler_reads(m, seed);
	}
	if (m->mode == M_NORMAL && !m->batch && !m->p.copy_stream)
		ck_assert_msg(pipeline_is_idle(&m->p) || m->doubted,
		    "seed %d: never released", seed);
	pipeline_fini(&m->p);
	free(m);
}

START_TEST(agrees_with_a_model_of_the_server)
{
	int i;

	for (i = 0; i < 4000; i++)
		trial(_i * 4000 + i);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("pipeline");
	TCase *t = tcase_create("pipeline");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, scripts_of_the_protocol, 0,
	    (int)ARRAY_LEN(scripts));
	tcase_add_loop_test(t, what_nobody_is_owed_is_bad, 0,
	    (int)ARRAY_LEN(bad_scripts));
	tcase_add_test(t, every_answer_to_nothing_is_bad);
	tcase_add_test(t, thousands_of_queries_grow_and_give_back);
	tcase_add_test(t, more_than_the_limit_is_refused);
	tcase_add_test(t, own_error_tells_of_the_last_own_message);
	tcase_add_test(t, frontend_types_are_those_of_the_table);
	tcase_add_loop_test(t, agrees_with_a_model_of_the_server, 0, 5);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(suite())
