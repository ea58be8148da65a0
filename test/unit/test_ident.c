/* Maps of auth_ident_file. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "policy/ident.h"
#include "unit_suite.h"

/* Errors as "file:line: message" lines. */
static void
note(void *arg, struct err *e)
{
	buf_printf(arg, "%s:%d: %s\n", e->file, e->line, e->msg);
}

static struct ident *
read_good(const char *text)
{
	struct buf errors = { 0 };
	struct ident *i = ident_read("ident", span_of(text), note, &errors);

	ck_assert_msg(i != NULL, "%.*s", (int)buf_len(&errors),
	    (const char *)buf_head(&errors));
	return i;
}

START_TEST(map_says_who_may_be_whom)
{
	static const char text[] =
	    "# comment\n"
	    "m  root      postgres\n"
	    "m  root      admin  # another\n"
	    "m  \"a b\"   \"x y\"\n"
	    "m  any       all\n"
	    "m  one       \"all\"\r\n"
	    "n  root      other\n"
	    "r  /^(.*)@example\\.org$  \\1\n"
	    "r  /^adm-    root\n"
	    "r  /^sys-(a)?(b)$  s\\1\n"
	    "r  \"/^x (y)$\" pre\\1post\n"
	    "r  /boss     all\n";
	static const struct {
		const char *map, *system, *user;
		int line; /* 0: no */
	} cases[] = {
		{ "m", "root", "postgres", 2 },
		{ "m", "root", "admin", 3 },
		{ "m", "root", "other", 0 },
		{ "m", "Root", "admin", 0 },
		{ "m", "a b", "x y", 4 },
		{ "m", "any", "whoever", 5 },
		{ "m", "any", "", 0 },
		{ "m", "one", "all", 6 },
		{ "m", "one", "whoever", 0 },
		{ "m", "", "postgres", 0 },
		{ "n", "root", "other", 7 },
		{ "n", "root", "postgres", 0 },
		{ "r", "joe@example.org", "joe", 8 },
		{ "r", "joe@example.org", "jo", 0 },
		{ "r", "joe@example.org", "joe@", 0 },
		{ "r", "joe@example.org", "joee", 0 },
		{ "r", "joe@example_org", "joe", 0 },
		{ "r", "joe@example.org.evil", "joe", 0 },
		{ "r", "joe@example.org\n", "joe", 0 },
		{ "r", "adm-x", "root", 9 },
		{ "r", "xadm-", "root", 0 },
		{ "r", "sys-ab", "sa", 10 },
		/* Parentheses that matched nothing stand for nothing. */
		{ "r", "sys-b", "s", 0 },
		{ "r", "x y", "preypost", 11 },
		/* Not anchored: matches anywhere, as PostgreSQL has it. */
		{ "r", "the boss is", "anyone", 12 },
	};
	struct ident *i = read_good(text);

	for (size_t n = 0; n < ARRAY_LEN(cases); n++) {
		const struct ident_map *m = ident_find(i, cases[n].map);
		int line = 0;

		ck_assert_ptr_nonnull(m);
		ck_assert_msg(ident_allows(m, cases[n].system, cases[n].user,
		    &line) == (cases[n].line > 0), "%s -> %s",
		    cases[n].system, cases[n].user);
		ck_assert_int_eq(line, cases[n].line);
	}
	ck_assert_ptr_null(ident_find(i, "o"));
	ck_assert_ptr_null(ident_find(NULL, "m"));
	ident_free(i);
}
END_TEST

START_TEST(long_system_names_match_nothing)
{
	struct ident *i = read_good("m /a all\n");
	char name[IDENT_NAME_MAX + 2];

	memset(name, 'a', sizeof(name));
	name[IDENT_NAME_MAX + 1] = '\0';
	ck_assert(!ident_allows(ident_find(i, "m"), name, "u", NULL));
	name[IDENT_NAME_MAX] = '\0';
	ck_assert(ident_allows(ident_find(i, "m"), name, "u", NULL));
	ident_free(i);
}
END_TEST

START_TEST(bad_line_refuses_the_file)
{
	static const char *const cases[] = { "m", "m root", "m root a b",
		"m root \"a", "m,root a", "m root +group", "m root /re",
		"m /( u", "m /x \\1", "m root \"\"", "m /[ all" };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct buf errors = { 0 };
		char *text = xasprintf("m good good\n\n%s\nm more more\n",
		    cases[i]);

		ck_assert_msg(ident_read("f", span_of(text), note, &errors) ==
		    NULL, "%s", cases[i]);
		ck_assert_msg(buf_len(&errors) > 5 &&
		    memcmp(buf_head(&errors), "f:3: ", 5) == 0, "%s",
		    cases[i]);
		buf_free(&errors);
		free(text);
	}
}
END_TEST

START_TEST(nul_byte_is_refused)
{
	struct buf errors = { 0 };

	ck_assert_ptr_null(ident_read("f", SPAN_LIT("m ro\0ot u\n"), note,
	    &errors));
	buf_free(&errors);
}
END_TEST

UNIT_MAIN(UNIT_SUITE("ident", map_says_who_may_be_whom,
    long_system_names_match_nothing, bad_line_refuses_the_file,
    nul_byte_is_refused))
