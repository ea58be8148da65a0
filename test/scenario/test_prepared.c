/* Prepared statements on servers that change: what goes to them, and when. */
#include "scenario.h"

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
	hear(s, "S");
	say(s, "Z=I");
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
    a_query_within_a_batch_holds_nobody_up)
