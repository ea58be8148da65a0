/* The lines of auth_file. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "policy/userlist.h"
#include "unit_suite.h"

START_TEST(line_gives_user_and_secret)
{
	static const struct {
		const char *text, *name, *secret;
	} cases[] = {
		{ "\"u\" \"s\"", "u", "s" },
		{ "\"u\" \"s\" what else", "u", "s" },
		{ "\"u\"\"s\"", NULL, NULL }, /* u"s and no secret */
		{ "  \"u\"\t\"s\"\r", "u", "s" },
		{ "\"u\" \"\"", "u", "" },
		{ "\"a\"\"b\" \"c\"\"\"\"d\"", "a\"b", "c\"\"d" },
		{ "\"#u\" \"s;\"", "#u", "s;" },
		{ "u s", NULL, NULL },
		{ "'u' 's'", NULL, NULL },
		{ "\"u\" s", NULL, NULL },
		{ "\"u\"", NULL, NULL },
		{ "\"u\" \"s", NULL, NULL },
		{ "\"u", NULL, NULL },
		{ "\"\" \"s\"", NULL, NULL },
		{ "# c", NULL, NULL }, /* only ; starts a comment */
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new();
		struct userlist u;
		struct userlist_entry x;
		struct err e;
		enum userlist_kind kind;

		userlist_init(&u, span_of(cases[i].text));
		kind = userlist_next(&u, a, &x, &e);
		if (cases[i].name == NULL) {
			ck_assert_msg(kind == USERLIST_BAD, "%s",
			    cases[i].text);
		} else {
			ck_assert_msg(kind == USERLIST_ENTRY, "%s",
			    cases[i].text);
			ck_assert_str_eq(x.name, cases[i].name);
			ck_assert_str_eq(x.secret, cases[i].secret);
		}
		ck_assert_int_eq(userlist_next(&u, a, &x, &e), USERLIST_END);
		arena_wipe_free(a);
	}
}
END_TEST

#define VERIFIER(salt, iterations) \
	"SCRAM-SHA-256$" iterations ":" salt "$" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

/* NULL, NULL: the line is refused. */
START_TEST(second_secret_stands_behind_the_word_old)
{
	static const struct {
		const char *text, *secret, *old;
	} cases[] = {
		{ "\"u\" \"s\" old \"t\"", "s", "t" },
		{ "\"u\" \"s\"\told\t\"t\"\"t\" and so on", "s", "t\"t" },
		{ "\"u\" \"s\"", "s", NULL },
		/* The rest of a line may be anything. */
		{ "\"u\" \"s\" old", "s", NULL },
		{ "\"u\" \"s\" old t", "s", NULL },
		{ "\"u\" \"s\" old\"t\"", "s", NULL },
		{ "\"u\" \"s\" older \"t\"", "s", NULL },
		{ "\"u\" \"s\" \"t\"", "s", NULL },
		{ "\"u\" \"s\" old \"t", NULL, NULL },
		{ "\"u\" \"s\" old \"\"", NULL, NULL },
		{ "\"u\" \"\" old \"t\"", NULL, NULL },
		{ "\"u\" \"" VERIFIER("c2FsdA==", "4096") "\" old \""
		  VERIFIER("c2FsdA==", "4096") "\"",
		    VERIFIER("c2FsdA==", "4096"),
		    VERIFIER("c2FsdA==", "4096") },
		{ "\"u\" \"" VERIFIER("c2FsdA==", "4096") "\" old \""
		  VERIFIER("c2FsdDI=", "4096") "\"", NULL, NULL },
		{ "\"u\" \"" VERIFIER("c2FsdA==", "4096") "\" old \""
		  VERIFIER("c2FsdA==", "4097") "\"", NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new();
		struct userlist u;
		struct userlist_entry x;
		struct err e;
		bool ok;

		userlist_init(&u, span_of(cases[i].text));
		ok = userlist_next(&u, a, &x, &e) == USERLIST_ENTRY;
		ck_assert_msg(ok == (cases[i].secret != NULL), "%s",
		    cases[i].text);
		if (ok) {
			ck_assert_str_eq(x.secret, cases[i].secret);
			ck_assert_pstr_eq(x.old_secret, cases[i].old);
		}
		arena_wipe_free(a);
	}
}
END_TEST

START_TEST(comments_are_skipped_and_lines_counted)
{
	struct arena *a = arena_new();
	struct userlist u;
	struct userlist_entry x;
	struct err e;

	userlist_init(&u, SPAN_LIT("\n ; c\nbad\n\"u\" \"s\""));
	ck_assert_int_eq(userlist_next(&u, a, &x, &e), USERLIST_BAD);
	ck_assert_int_eq(u.line, 3);
	ck_assert_int_eq(userlist_next(&u, a, &x, &e), USERLIST_ENTRY);
	ck_assert_int_eq(x.line, 4);
	ck_assert_int_eq(userlist_next(&u, a, &x, &e), USERLIST_END);
	arena_wipe_free(a);
}
END_TEST

/* One line with a name and a secret of those lengths. */
static enum userlist_kind
read_lengths(size_t name, size_t secret)
{
	struct arena *a = arena_new();
	struct buf text = { 0 };
	struct userlist u;
	struct userlist_entry x;
	struct err e;
	enum userlist_kind kind;

	buf_append(&text, "\"", 1);
	while (name-- > 0)
		buf_append(&text, "n", 1);
	buf_append(&text, "\" \"", 3);
	while (secret-- > 0)
		buf_append(&text, "s", 1);
	buf_append(&text, "\"", 1);
	userlist_init(&u, buf_span(&text));
	kind = userlist_next(&u, a, &x, &e);
	buf_free(&text);
	arena_wipe_free(a);
	return kind;
}

START_TEST(lengths_are_bounded)
{
	ck_assert_int_eq(read_lengths(127, 65530), USERLIST_ENTRY);
	ck_assert_int_eq(read_lengths(128, 1), USERLIST_BAD);
	ck_assert_int_eq(read_lengths(1, 65531), USERLIST_BAD);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
	static const char text[] = "\"u\"\"v\" \"s\"\"t\"";

	for (size_t n = 1; n < sizeof(text) - 1; n++) {
		struct arena *a = arena_new();
		char *copy = xmalloc(n);
		struct userlist u;
		struct userlist_entry x;
		struct err e;
		enum userlist_kind kind;

		memcpy(copy, text, n);
		userlist_init(&u, SPAN(copy, n));
		kind = userlist_next(&u, a, &x, &e);
		/* Cut between the doubled quotes, the secret ends there. */
		if (n == sizeof(text) - 4)
			ck_assert_int_eq(kind, USERLIST_ENTRY);
		else
			ck_assert_msg(kind == USERLIST_BAD, "%zu", n);
		free(copy);
		arena_wipe_free(a);
	}
}
END_TEST

START_TEST(error_never_shows_the_secret)
{
	static const char *const cases[] = { "\"u\" \"sesame",
		"\"u\" sesame", "\"u\" 'sesame'" };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new();
		struct userlist u;
		struct userlist_entry x;
		struct err e;

		userlist_init(&u, span_of(cases[i]));
		ck_assert_int_eq(userlist_next(&u, a, &x, &e), USERLIST_BAD);
		ck_assert_ptr_null(strstr(e.msg, "sesame"));
		ck_assert_ptr_null(strstr(e.hint, "sesame"));
		arena_wipe_free(a);
	}
}
END_TEST

UNIT_MAIN(UNIT_SUITE("userlist", line_gives_user_and_secret,
    second_secret_stands_behind_the_word_old,
    comments_are_skipped_and_lines_counted, lengths_are_bounded,
    every_truncation_is_refused, error_never_shows_the_secret))
