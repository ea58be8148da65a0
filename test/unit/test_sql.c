/* Tests of proto/sql. */
#include <stdio.h>
#include <string.h>

#include "proto/sql.h"
#include "sql_cases.h"
#include "sql_show.h"
#include "unit_suite.h"

/* What the scanner says, in a buffer of the next call but none. */
static const char *
shown(const char *text, unsigned options)
{
	static struct buf out;
	struct sql_info i;

	buf_reset(&out);
	sql_info_init(&i);
	sql_scan(&i, span_of(text), options);
	sql_show(&out, &i);
	sql_info_fini(&i);
	return (const char *)buf_head(&out);
}

START_TEST(texts_are_what_the_table_says)
{
	for (size_t i = 0; i < ARRAY_LEN(sql_cases); i++) {
		const struct sql_case *c = &sql_cases[i];

		ck_assert_msg(strcmp(shown(c->text, SQL_STD_STRINGS),
		    c->shown) == 0, "%s\n is  %s\n not %s", c->text,
		    shown(c->text, SQL_STD_STRINGS), c->shown);
		ck_assert_msg((int)sql_quick(span_of(c->text)) == c->quick,
		    "%s: %d at a glance", c->text,
		    sql_quick(span_of(c->text)));
	}
}
END_TEST

/* What the filter lets pass the scanner must find harmless, and every
 * statement that it knows must be one of that kind. */
START_TEST(the_filter_passes_nothing_that_the_scanner_finds)
{
	struct sql_info info;
	uint64_t kinds;

	sql_info_init(&info);
	for (size_t i = 0; i < ARRAY_LEN(sql_cases); i++) {
		const char *text = sql_cases[i].text;
		enum sql_quick q = sql_quick(span_of(text));

		sql_scan(&info, span_of(text), SQL_STD_STRINGS);
		kinds = info.kinds;
		if (q == SQL_QUICK_SCAN)
			continue;
		ck_assert_msg(info.calls_made == 0, "%s", text);
		/* A broken text does nothing. */
		if (info.unsure || kinds == 0)
			continue;
		if (q == SQL_QUICK_PLAIN)
			ck_assert_msg(kinds == SQL_BIT(SQL_PLAIN), "%s", text);
		if (q == SQL_QUICK_BEGIN)
			ck_assert_msg(kinds == SQL_BIT(SQL_BEGIN), "%s", text);
		if (q == SQL_QUICK_COMMIT)
			ck_assert_msg(kinds == SQL_BIT(SQL_COMMIT), "%s",
			    text);
		if (q == SQL_QUICK_ROLLBACK)
			ck_assert_msg(kinds == SQL_BIT(SQL_ROLLBACK), "%s",
			    text);
	}
	sql_info_fini(&info);
}
END_TEST

START_TEST(tags_are_told_apart)
{
	static const char *const plain[] = { "SELECT 1", "INSERT 0 1",
		"UPDATE 3", "DELETE 0", "COPY 12", "FETCH 1", "MERGE 2",
		"MOVE 1", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT",
		"RELEASE", "START TRANSACTION", "PREPARE TRANSACTION",
		"COMMIT PREPARED", "ALTER TABLE", "DROP TABLE", "SHOW",
		"TRUNCATE TABLE", "SET CONSTRAINTS", "NOTIFY" };
	static const char *const other[] = { "", "SET", "RESET", "PREPARE",
		"DEALLOCATE", "DEALLOCATE ALL", "DISCARD ALL", "LISTEN",
		"UNLISTEN", "DECLARE CURSOR", "CLOSE CURSOR", "LOAD", "DO",
		"CALL", "CREATE TABLE", "CREATE TABLE AS", "CREATE VIEW",
		"select 1", "BEGINNING", "S", "\377" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(plain); i++)
		ck_assert_msg(sql_tag_is_plain(span_of(plain[i])), "%s",
		    plain[i]);
	for (i = 0; i < ARRAY_LEN(other); i++)
		ck_assert_msg(!sql_tag_is_plain(span_of(other[i])), "%s",
		    other[i]);
}
END_TEST

UNIT_MAIN(UNIT_SUITE("sql", texts_are_what_the_table_says,
    the_filter_passes_nothing_that_the_scanner_finds, tags_are_told_apart))
