/* Tests of proto/fingerprint. */
#include <stdio.h>
#include <string.h>

#include "proto/fingerprint.h"
#include "unit_suite.h"

static uint64_t
of(const char *text)
{
	return sql_fingerprint(span_of(text));
}

START_TEST(values_and_looks_do_not_count)
{
	static const char *const same[][2] = {
		{ "SELECT * FROM t WHERE id = 7",
		    "select *\n\tfrom T where ID=12345" },
		{ "SELECT 'a'", "SELECT 'it''s longer'" },
		{ "SELECT 'a'", "SELECT E'it\\'s'" },
		{ "SELECT 'a'", "SELECT $$it's$$" },
		{ "SELECT 'a'", "SELECT $q$it's $$ $q$" },
		{ "SELECT 'a'", "SELECT U&'d\\0061'" },
		{ "SELECT 'a'", "SELECT $1" },
		{ "SELECT 1", "SELECT 1.5e-10" },
		{ "SELECT 1", "SELECT .5" },
		{ "SELECT 1", "SELECT /* a /* nested */ one */ 0x1F" },
		{ "SELECT 1", "-- who\nSELECT 1 -- there" },
		{ "SELECT 1 IN (1,2,3)", "SELECT 1 IN (4)" },
		{ "SELECT 1 IN (1,2,3)", "SELECT $1 IN ('x' , 'y')" },
		{ "SELECT 'cut off", "SELECT 'cut somewhere else" },
		{ "SELECT $a$ cut", "SELECT $a$ never $b$" },
	};

	for (size_t i = 0; i < ARRAY_LEN(same); i++)
		ck_assert_msg(of(same[i][0]) == of(same[i][1]), "%s | %s",
		    same[i][0], same[i][1]);
}
END_TEST

START_TEST(what_it_does_counts)
{
	static const char *const differ[] = { "SELECT 1", "SELECT a",
		"SELECT \"a\"", "SELECT \"A\"", "SELECT a, b", "SELECT ab",
		"SELECT a b", "SELECT (1)", "SELECT 1, a", "SELECT a, 1",
		"SELECT 1;", "SELECT -1", "SELECT 1 + 1", "SELECT f(1)",
		"SELECT f(1), 1", "SELECT $x", "UPDATE t SET a = 1",
		"UPDATE t SET b = 1" };

	for (size_t i = 0; i < ARRAY_LEN(differ); i++) {
		ck_assert(of(differ[i]) != 0);
		for (size_t j = 0; j < i; j++)
			ck_assert_msg(of(differ[i]) != of(differ[j]),
			    "%s | %s", differ[i], differ[j]);
	}
}
END_TEST

START_TEST(nothing_is_zero)
{
	ck_assert(of("") == 0);
	ck_assert(of(" \n -- nothing") == 0);
	ck_assert(of("/* never ends") == 0);
}
END_TEST

START_TEST(any_cut_is_read_to_its_end)
{
	static const char text[] = "SELECT E'a\\'b', U&'x', \"n\"\"m\", "
	    "$t$ $$ $t$, 1.5e+3, x'1f' /* a /* b */ c */ -- d\n FROM t$1";

	for (size_t n = 0; n < sizeof(text); n++) {
		/* Exactly as much memory, so that a look beyond is seen. */
		char *copy = xmalloc(n ? n : 1);

		memcpy(copy, text, n);
		(void)sql_fingerprint(SPAN(copy, n));
		free(copy);
	}
}
END_TEST

UNIT_MAIN(UNIT_SUITE("fingerprint", values_and_looks_do_not_count,
    what_it_does_counts, nothing_is_zero, any_cut_is_read_to_its_end))
