/* Prepared statements on servers that change: what goes to them, and when. */
#include "scenario.h"

#include <stdio.h>

START_TEST(another_server_gets_it_in_front)
{
	struct peer *s, *s2, *a, *b;

	given("default_pool_size = 2");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	say(a, "P/mine=select 1|S");
	hear(s, "P/PGBOUNCER_1=select 1|S");
	say(s, "1|Z=I");
	hear(a, "1|Z=I");
	begin(b, s);
	say(a, "B/mine|E|S");
	s2 = server_in();
	hear(s2, "P/PGBOUNCER_1=select 1|B/PGBOUNCER_1|E|S");
	say(s2, "1|2|D=1|C=SELECT 1|Z=I");
	hear(a, "2|D=1|C=SELECT 1|Z=I");
	say(b, "P/yours=select 1|Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	hear(b, "1|C=COMMIT|Z=I");
}
END_TEST

START_TEST(what_is_made_up_comes_in_its_turn)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	say(a, "P/a=select 1|S");
	hear(s, "P/PGBOUNCER_1=select 1|S");
	say(s, "1|Z=I");
	hear(a, "1|Z=I");
	say(a, "B/a|E|P/b=select 1|C/b|B/a|E|S");
	hear(s, "B/PGBOUNCER_1|E|B/PGBOUNCER_1|E|S");
	say(s, "2|D=1");
	hear(a, "2|D=1");
	say(s, "C=SELECT 1");
	hear(a, "C=SELECT 1|1|3");
	say(s, "2|D=1|C=SELECT 1|Z=I");
	hear(a, "2|D=1|C=SELECT 1|Z=I");
	/* With nothing before it, at once. */
	say(a, "P/c=select 1");
	hear(a, "1");
	say(a, "C/c");
	hear(a, "3");
	say(a, "S");
	hear(a, "Z=I");
}
END_TEST

START_TEST(ours_comes_in_place_of_the_servers_error)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	say(a, "B|E|B/nope|E|S");
	hear(s, "P/PGBOUNCER_0=refused by the connection pooler|E|"
	    "P/PGBOUNCER_0=refused by the connection pooler|E|S");
	say(s, "E=ERROR 42601 syntax error|Z=I");
	hear(a, "E=ERROR 26000 unnamed prepared statement does not exist|Z=I");
	say(a, "E|B/nope|S");
	hear(s, "E|P/PGBOUNCER_0=*|S");
	say(s, "C=X|E=ERROR 42601 syntax error|Z=I");
	hear(a, "C=X|E=ERROR 26000 prepared statement \"nope\" does not "
	    "exist|Z=I");
	/* An error before it is the server's own. */
	say(a, "E|B/nope|S");
	hear(s, "E|P/PGBOUNCER_0=*|S");
	say(s, "E=ERROR 34000 no portal|Z=I");
	hear(a, "E=ERROR 34000 no portal|Z=I");
}
END_TEST

/* Behind a Sync nothing is believed before the server has answered. */
START_TEST(what_is_not_certain_waits)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	say(a, "P/a=select 1|S|B/a|E|S");
	hear(s, "P/PGBOUNCER_1=select 1|S");
	say(s, "E=ERROR 42601 no|Z=I");
	hear(s, "P/PGBOUNCER_0=*|E|S");
	say(s, "E=ERROR 42601 syntax error|Z=I");
	hear(a, "E=ERROR 42601 no|Z=I|E=ERROR 26000 prepared statement \"a\" "
	    "does not exist|Z=I");
	say(a, "P/a=select 1|S|B/a|E|S|B/a|E|S");
	hear(s, "P/PGBOUNCER_2=select 1|S");
	say(s, "1");
	hear(s, "B/PGBOUNCER_2|E|S|B/PGBOUNCER_2|E|S");
	say(s, "Z=I|2|C=X|Z=I|2|C=X|Z=I");
	hear(a, "1|Z=I|2|C=X|Z=I|2|C=X|Z=I");
	/* One that leaves while it waits. */
	say(a, "P/b=select 2|S|B/b|E|S");
	hear(s, "P/PGBOUNCER_3=select 2|S");
	half_close(a);
	say(s, "1|Z=I");
	hear(s, "B/PGBOUNCER_3|E|S");
	say(s, "2|C=X|Z=I");
	hear(a, "1|Z=I|2|C=X|Z=I|EOF");
}
END_TEST

START_TEST(one_too_many_is_closed_in_front)
{
	struct peer *s, *a;

	given("max_prepared_statements = 1");
	a = client_in("alice", &s);
	say(a, "P/a=select 1|S");
	hear(s, "P/PGBOUNCER_1=select 1|S");
	say(s, "1|Z=I");
	say(a, "P/b=select 2|S");
	hear(s, "C/PGBOUNCER_1|P/PGBOUNCER_2=select 2|S");
	/* The Close is skipped too. */
	say(s, "E=ERROR 25P02 aborted|Z=I");
	hear(a, "1|Z=I|E=ERROR 25P02 aborted|Z=I");
	say(a, "B/a|S");
	hear(s, "B/PGBOUNCER_1|S");
	say(s, "2|Z=I");
	hear(a, "2|Z=I");
	say(a, "P/b=select 2|B/a|S");
	hear(s, "C/PGBOUNCER_1|P/PGBOUNCER_3=select 2|C/PGBOUNCER_3|"
	    "P/PGBOUNCER_1=select 1|B/PGBOUNCER_1|S");
	say(s, "3|1|3|1|2|Z=I");
	hear(a, "1|2|Z=I");
}
END_TEST

START_TEST(the_unnamed_one_comes_again_where_it_is_not)
{
	struct peer *s, *a, *b;

	given("");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	say(a, "P=select 1|S");
	hear(s, "P=select 1|S");
	say(s, "1|Z=I");
	say(a, "B|E|S");
	hear(s, "B|E|S");
	say(s, "2|C=X|Z=I");
	say(b, "P=select 2|B|S");
	hear(s, "P=select 2|B|S");
	say(s, "1|2|Z=I");
	hear(b, "1|2|Z=I");
	say(a, "B|E|S");
	hear(s, "P=select 1|B|E|S");
	say(s, "1|2|C=X|Z=I");
	hear(a, "1|Z=I|2|C=X|Z=I|2|C=X|Z=I");
	/* It fails when it comes again: the client's batch has failed. */
	say(b, "B|E|S");
	hear(s, "P=select 2|B|E|S");
	say(s, "E=ERROR 42P01 it has gone|Z=I");
	hear(b, "E=ERROR 42P01 it has gone|Z=I");
	say(b, "B|E|S");
	hear(s, "P=select 2|B|E|S");
	say(s, "1|2|C=X|Z=I");
	hear(b, "2|C=X|Z=I");
}
END_TEST

START_TEST(a_client_that_goes_leaves_the_server_in_order)
{
	struct peer *s, *a, *b;

	given("");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	say(a, "P/a=select 1|C/a|P/b=select 2|H");
	hear(s, "P/PGBOUNCER_1=select 1|P/PGBOUNCER_2=select 2|H");
	hang_up(a);
	hear(s, "Q=ROLLBACK|S");
	say(s, "1|E=ERROR 42601 no|Z=I");
	say(b, "P/x=select 1|B/x|P/y=select 2|S");
	hear(s, "B/PGBOUNCER_1|P/PGBOUNCER_3=select 2|S");
	say(s, "2|1|Z=I");
	hear(b, "1|2|1|Z=I");
}
END_TEST

START_TEST(names_in_sql)
{
	struct peer *s, *s2, *a, *b;

	given("default_pool_size = 2");
	a = client_in("alice", &s);
	b = client_in("alice", NULL);
	say(a, "Q=prepare \"X\" (int) as select $1");
	hear(s, "Q=prepare \"PGBOUNCER_1\" (int) as select $1");
	say(s, "C=PREPARE|Z=I");
	begin(b, s);
	say(a, "Q=execute \"X\"(1);execute x(2)");
	s2 = server_in();
	hear(s2, "Q=PREPARE \"PGBOUNCER_1\" (int) as select $1|S|"
	    "Q=execute \"PGBOUNCER_1\"(1);execute x(2)");
	say(s2, "C=PREPARE|Z=I|Z=I|T|D=1|C=SELECT 1|E=ERROR 26000 no x|Z=I");
	hear(a, "C=PREPARE|Z=I|T|D=1|C=SELECT 1|E=ERROR 26000 no x|Z=I");
	say(a, "Q=deallocate \"X\"");
	hear(s2, "Q=deallocate \"PGBOUNCER_1\"");
	say(s2, "C=DEALLOCATE|Z=I");
	hear(a, "C=DEALLOCATE|Z=I");
	say(b, "Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
}
END_TEST

START_TEST(discard_all_takes_them_all)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	say(a, "P/a=select 1|S");
	hear(s, "P/PGBOUNCER_1=select 1|S");
	say(s, "1|Z=I");
	say(a, "Q=discard all|P/a=select 1|S");
	hear(s, "Q=discard all");
	say(s, "C=DISCARD ALL|Z=I");
	hear(s, "P/PGBOUNCER_2=select 1|S");
	say(s, "1|Z=I");
	hear(a, "1|Z=I|C=DISCARD ALL|Z=I|1|Z=I");
}
END_TEST

/* In a batch that has no Sync the server may skip the Query: nothing waits. */
START_TEST(a_query_within_a_batch_holds_nobody_up)
{
	struct peer *s, *a;

	given("");
	a = client_in("alice", &s);
	say(a, "P/a=select 1|S");
	hear(s, "P/PGBOUNCER_1=select 1|S");
	say(s, "1|Z=I");
	hear(a, "1|Z=I");
	say(a, "B/nope|Q=discard all|B/a|E|S");
	hear(s, "P/PGBOUNCER_0=*|Q=discard all|B/PGBOUNCER_1|E|S");
	say(s, "E=ERROR 42601 no|Z=I");
	hear(a, "E=ERROR 26000 *|Z=I");
	say(a, "B/a|E|S");
	hear(s, "B/PGBOUNCER_1|E|S");
	say(s, "2|C=X|Z=I");
	hear(a, "2|C=X|Z=I");
}
END_TEST

START_TEST(a_close_needs_no_server)
{
	struct peer *s, *a, *b;

	given("default_pool_size = 1");
	a = client_in("alice", &s);
	say(a, "P/a=select 1|S");
	hear(s, "P/PGBOUNCER_1=select 1|S");
	say(s, "1|Z=I");
	hear(a, "1|Z=I");
	b = client_in("alice", NULL);
	begin(b, s);
	/* The only one is taken. */
	say(a, "C/a|S|C/nope");
	hear(a, "3|Z=I|3");
	say(a, "S");
	hear(a, "Z=I");
	/* What else is in the batch does. */
	say(a, "C/a|B/a|E|S");
	hear(a, "3");
	say(b, "Q=commit");
	hear(s, "Q=commit");
	say(s, "C=COMMIT|Z=I");
	hear(b, "C=COMMIT|Z=I");
	hear(s, "P/PGBOUNCER_0=*|E|S");
	say(s, "E=ERROR 42601 syntax error|Z=I");
	hear(a, "E=ERROR 26000 prepared statement \"a\" does not exist|"
	    "Z=I");
}
END_TEST

/* ---- a plan whose columns have changed ---- */

#define STALE "E=ERROR 0A000 cached plan must not change result type"

/* Somebody has prepared it; who is given knows no columns of it. */
static struct peer *
prepared_by_another(int _i, struct peer **s)
{
	struct peer *a;

	given("default_pool_size = 1");
	a = client_in("alice", s);
	say(a, "P/a=select 1|S");
	hear(*s, "P/PGBOUNCER_1=select 1|S");
	say(*s, "1|Z=I");
	hear(a, "1|Z=I");
	return client_in("alice", NULL);
}

START_TEST(a_stale_plan_is_made_afresh_unseen)
{
	static const char *const batches[][3] = {
		{ "B/b|E|S", "B/PGBOUNCER_1|E|S", "2|D=1|C=SELECT 1|Z=I" },
		{ "D/b|S", "D/PGBOUNCER_1|S", "t|T|Z=I" },
		{ "D/b|B/b|E|S", "D/PGBOUNCER_1|B/PGBOUNCER_1|E|S",
		    "t|T|2|D=1|C=SELECT 1|Z=I" },
	};
	struct peer *s, *b;
	char again[200];
	size_t i;

	for (i = 0; i < ARRAY_LEN(batches); i++) {
		b = prepared_by_another(_i, &s);
		say(b, "P/b=select 1");
		hear(b, "1");
		say(b, batches[i][0]);
		hear(s, batches[i][1]);
		/* Of parameters the server tells before it fails. */
		say(s, batches[i][0][0] == 'D' ? "t|" STALE : STALE);
		hear(b, batches[i][0][0] == 'D' ? "t" : "");
		say(s, "Z=I");
		snprintf(again, sizeof(again), "C/PGBOUNCER_1|"
		    "P/PGBOUNCER_1=select 1|%s", batches[i][1]);
		hear(s, again);
		say(s, "3|1");
		say(s, batches[i][2]);
		hear(b, batches[i][2] + (batches[i][0][0] == 'D' ? 2 : 0));
		/* It is as any other now. */
		say(b, "B/b|E|S");
		hear(s, "B/PGBOUNCER_1|E|S");
		say(s, "2|C=X|Z=I");
		hear(b, "2|C=X|Z=I");
		world_close();
	}
}
END_TEST

START_TEST(what_is_held_goes_on_behind_the_second_time)
{
	struct peer *s, *b = prepared_by_another(_i, &s);

	say(b, "P/b=select 1|B/b|H");
	hear(s, "B/PGBOUNCER_1|H");
	/* The Sync that gets the server going is ours. */
	say(s, STALE);
	hear(s, "S");
	say(b, "E|S|Q=next");
	hear(s, "");
	say(s, "Z=I");
	hear(s, "C/PGBOUNCER_1|P/PGBOUNCER_1=select 1|B/PGBOUNCER_1|H|E|S|"
	    "Q=next");
	say(s, "3|1|2|D=1|C=SELECT 1|Z=I|C=NEXT|Z=I");
	hear(b, "1|2|D=1|C=SELECT 1|Z=I|C=NEXT|Z=I");
}
END_TEST

/* Names and what the server has are as they would be without. */
START_TEST(other_statements_of_the_batch_come_again_too)
{
	struct peer *s, *b = prepared_by_another(_i, &s);

	say(b, "P/b=select 1|B/b|E|P/c=select 2|B/c|E|C/b|S");
	hear(s, "B/PGBOUNCER_1|E|P/PGBOUNCER_2=select 2|B/PGBOUNCER_2|E|S");
	say(s, STALE "|Z=I");
	hear(s, "C/PGBOUNCER_1|P/PGBOUNCER_1=select 1|B/PGBOUNCER_1|E|"
	    "P/PGBOUNCER_2=select 2|B/PGBOUNCER_2|E|S");
	say(s, "3|1|2|C=X|1|2|C=Y|Z=I");
	hear(b, "1|2|C=X|1|2|C=Y|3|Z=I");
	say(b, "B/c|E|S");
	hear(s, "C/PGBOUNCER_2|P/PGBOUNCER_2=select 2|B/PGBOUNCER_2|E|S");
}
END_TEST

/* Whoever was told of columns may take new ones for them, unless it asks. */
START_TEST(who_knows_the_columns_is_told)
{
	static const char *const ask[][3] = {
		{ "D/b|S", "D/PGBOUNCER_1|S", "t|T|Z=I" },
		{ "B/b|D|S", "B/PGBOUNCER_1|D|S", "2|T|Z=I" },
	};
	struct peer *s, *b;
	size_t i;

	for (i = 0; i < ARRAY_LEN(ask); i++) {
		b = prepared_by_another(_i, &s);
		say(b, "P/b=select 1|S");
		hear(s, "S");
		say(s, "Z=I");
		hear(b, "1|Z=I");
		say(b, ask[i][0]);
		hear(s, ask[i][1]);
		say(s, ask[i][2]);
		hear(b, ask[i][2]);
		say(b, "B/b|E|D|S");
		hear(s, "B/PGBOUNCER_1|E|D|S");
		say(s, STALE "|Z=I");
		hear(b, STALE "|Z=I");
		/* It is prepared afresh all the same. */
		say(b, "B/b|D|E|S");
		hear(s, "C/PGBOUNCER_1|P/PGBOUNCER_1=select 1|"
		    "B/PGBOUNCER_1|D|E|S");
		say(s, "3|1|2|T|C=X|Z=I");
		hear(b, "2|T|C=X|Z=I");
		say(b, "B/b|D|E|S");
		hear(s, "B/PGBOUNCER_1|D|E|S");
		say(s, STALE "|Z=I");
		hear(s, "C/PGBOUNCER_1|P/PGBOUNCER_1=select 1|"
		    "B/PGBOUNCER_1|D|E|S");
		say(s, "3|1|2|T|C=X|Z=I");
		hear(b, "2|T|C=X|Z=I");
		/* Another statement of that name is another matter. */
		say(b, "C/b|P/b=select 1|B/b|E|S");
		hear(s, "B/PGBOUNCER_1|E|S");
		say(s, STALE "|Z=I");
		hear(s, "C/PGBOUNCER_1|P/PGBOUNCER_1=select 1|"
		    "B/PGBOUNCER_1|E|S");
		say(s, "3|1|2|C=X|Z=I");
		hear(b, "3|1|2|C=X|Z=I");
		world_close();
	}
}
END_TEST

/* What has run cannot be undone, nor what comes behind put off. */
START_TEST(a_stale_plan_among_other_things_is_told)
{
	static const char *const batches[][3] = {
		{ "E|B/b|E|S", "E|B/PGBOUNCER_1|E|S", "C=X|" STALE "|Z=I" },
		{ "B/b|E|S|S", "B/PGBOUNCER_1|E|S|S", STALE "|Z=I|Z=I" },
		{ "Q=begin|B/b|E|S", "Q=begin|B/PGBOUNCER_1|E|S",
		    "C=BEGIN|Z=T|" STALE "|Z=E" },
	};
	struct peer *s, *b;
	size_t i;

	for (i = 0; i < ARRAY_LEN(batches); i++) {
		b = prepared_by_another(_i, &s);
		say(b, "P/b=select 1");
		hear(b, "1");
		say(b, batches[i][0]);
		hear(s, batches[i][1]);
		say(s, batches[i][2]);
		hear(b, batches[i][2]);
		world_close();
	}
	b = prepared_by_another(_i, &s);
	say(b, "P/b=select 1|Q=begin");
	hear(s, "Q=begin");
	say(s, "C=BEGIN|Z=T");
	say(b, "B/b|E|S");
	hear(s, "B/PGBOUNCER_1|E|S");
	say(s, STALE "|Z=E");
	hear(b, "1|C=BEGIN|Z=T|" STALE "|Z=E");
}
END_TEST

START_TEST(it_is_tried_once)
{
	struct peer *s, *b;
	int gone;

	for (gone = 0; gone < 2; gone++) {
		b = prepared_by_another(_i, &s);
		say(b, "P/b=select 1|B/b|E|S");
		hear(s, "B/PGBOUNCER_1|E|S");
		say(s, STALE "|Z=I");
		hear(s, "C/PGBOUNCER_1|P/PGBOUNCER_1=select 1|"
		    "B/PGBOUNCER_1|E|S");
		if (gone) {
			say(s, "3|E=ERROR 42P01 no such table|Z=I");
			hear(b, "1|E=ERROR 42P01 no such table|Z=I");
			say(b, "B/b|E|S");
			hear(s, "P/PGBOUNCER_1=select 1|B/PGBOUNCER_1|E|S");
			say(s, "1|2|C=X|Z=I");
		} else {
			say(s, "3|1|" STALE "|Z=I");
			hear(b, "1|" STALE "|Z=I");
			say(b, "B/b|E|S");
			hear(s, "C/PGBOUNCER_1|P/PGBOUNCER_1=select 1|"
			    "B/PGBOUNCER_1|E|S");
			say(s, "3|1|2|C=X|Z=I");
		}
		hear(b, "2|C=X|Z=I");
		world_close();
	}
}
END_TEST

START_TEST(a_server_that_ends_or_lies_meanwhile)
{
	struct peer *s, *b;
	int what;

	for (what = 0; what < 3; what++) {
		b = prepared_by_another(_i, &s);
		say(b, "P/b=select 1|B/b|E|S");
		hear(s, "B/PGBOUNCER_1|E|S");
		say(s, STALE);
		if (what == 0) {
			say(s, "E=FATAL 57P01 terminating");
			half_close(s);
			hear(b, "1|E=FATAL 57P01 terminating|EOF");
		} else {
			say(s, what == 1 ? "2" : "Z=T");
			hear(b, "1|E=FATAL 08P01 bad pkt header|EOF");
		}
		world_close();
	}
}
END_TEST

START_TEST(what_was_sent_whole_is_done_for_one_that_goes)
{
	struct peer *s, *b = prepared_by_another(_i, &s), *c;

	say(b, "P/b=select 1|B/b|E|S");
	hear(s, "B/PGBOUNCER_1|E|S");
	say(s, STALE);
	hear(b, "1");
	hang_up(b);
	say(s, "Z=I");
	hear(s, "C/PGBOUNCER_1|P/PGBOUNCER_1=select 1|B/PGBOUNCER_1|E|S");
	say(s, "3|1|2|C=X|Z=I");
	c = client_in("alice", NULL);
	say(c, "P/c=select 1|B/c|E|S");
	hear(s, "B/PGBOUNCER_1|E|S");
	say(s, "2|C=X|Z=I");
	hear(c, "1|2|C=X|Z=I");
}
END_TEST

SCENARIOS("prepared",
    another_server_gets_it_in_front,
    what_is_made_up_comes_in_its_turn,
    ours_comes_in_place_of_the_servers_error,
    what_is_not_certain_waits,
    one_too_many_is_closed_in_front,
    the_unnamed_one_comes_again_where_it_is_not,
    a_client_that_goes_leaves_the_server_in_order,
    names_in_sql,
    discard_all_takes_them_all,
    a_query_within_a_batch_holds_nobody_up,
    a_close_needs_no_server,
    a_stale_plan_is_made_afresh_unseen,
    what_is_held_goes_on_behind_the_second_time,
    other_statements_of_the_batch_come_again_too,
    who_knows_the_columns_is_told,
    a_stale_plan_among_other_things_is_told,
    it_is_tried_once,
    a_server_that_ends_or_lies_meanwhile,
    what_was_sent_whole_is_done_for_one_that_goes)
