/* Tests of proto/texts. */
#include "proto/texts.h"
#include "unit.h"

#define A SPAN_LIT("a")

static bool
means(const struct texts *l, struct span name, uint32_t batch,
    const char *text)
{
	struct span s = texts_get(l, name, batch);

	return text ? s.p && span_is(s, text) : !s.p;
}

START_TEST(names_have_texts)
{
	struct texts *l = NULL;

	ck_assert(means(l, A, 0, NULL));
	ck_assert(texts_set(&l, A, SPAN_LIT("SET x TO 1")));
	ck_assert(texts_set(&l, SPAN(NULL, 0), SPAN_LIT("LISTEN y")));
	ck_assert(means(l, A, 0, "SET x TO 1"));
	ck_assert(means(l, SPAN(NULL, 0), 0, "LISTEN y"));
	ck_assert(texts_set(&l, A, SPAN_LIT("RESET x")));
	ck_assert(means(l, A, 0, "RESET x"));
	texts_unset(&l, A);
	ck_assert(means(l, A, 0, NULL));
	texts_unset(&l, SPAN(NULL, 0));
	ck_assert_ptr_null(l);
	texts_unset(&l, A);
	texts_doubt(l, A, 1);
	texts_settle(&l, true);
	texts_free(l);
}
END_TEST

START_TEST(a_replaced_text_is_in_doubt_until_it_is_answered)
{
	struct texts *l = NULL;

	texts_set(&l, A, SPAN_LIT("SET x TO 1"));
	texts_doubt(l, A, 7);
	/* In the batch what was skipped skips its use too. */
	ck_assert(means(l, A, 7, NULL));
	ck_assert(means(l, A, 8, "'"));
	texts_settle(&l, false);
	ck_assert_ptr_null(l);
}
END_TEST

START_TEST(behind_an_error_the_doubt_lasts)
{
	struct texts *l = NULL;

	texts_set(&l, A, SPAN_LIT("SET x TO 1"));
	texts_doubt(l, A, 7);
	texts_settle(&l, true);
	ck_assert(means(l, A, 7, "'"));
	ck_assert(means(l, A, 8, "'"));
	/* What is answered without an error later says nothing of it. */
	texts_settle(&l, false);
	ck_assert(means(l, A, 9, "'"));
	/* Until the name gets another meaning. */
	texts_doubt(l, A, 10);
	ck_assert(means(l, A, 10, NULL));
	texts_settle(&l, false);
	ck_assert_ptr_null(l);
	texts_set(&l, A, SPAN_LIT("SET x TO 1"));
	texts_doubt(l, A, 7);
	texts_settle(&l, true);
	texts_set(&l, A, SPAN_LIT("RESET x"));
	ck_assert(means(l, A, 11, "RESET x"));
	texts_free(l);
}
END_TEST

/* A Parse under a name that is taken fails, and the old text stays. */
START_TEST(a_text_that_came_with_an_error_is_unsure)
{
	struct texts *l = NULL;

	texts_set(&l, A, SPAN_LIT("SET x TO 1"));
	texts_settle(&l, false);
	texts_set(&l, A, SPAN_LIT("SET y TO 1"));
	ck_assert(means(l, A, 0, "SET y TO 1"));
	texts_settle(&l, true);
	ck_assert(means(l, A, 0, "'"));
	texts_settle(&l, true);
	texts_set(&l, A, SPAN_LIT("SET y TO 1"));
	texts_settle(&l, false);
	texts_settle(&l, true);
	ck_assert(means(l, A, 0, "SET y TO 1"));
	texts_free(l);
}
END_TEST

START_TEST(a_list_is_bounded)
{
	struct texts *l = NULL;
	char *big = xcalloc(1, TEXTS_MAX);

	ck_assert(!texts_set(&l, A, SPAN(big, TEXTS_MAX)));
	ck_assert(means(l, A, 0, NULL));
	ck_assert(texts_set(&l, A, SPAN(big, TEXTS_MAX / 2)));
	ck_assert(!texts_set(&l, SPAN_LIT("b"), SPAN(big, TEXTS_MAX / 2)));
	ck_assert(texts_set(&l, A, SPAN(big, TEXTS_MAX / 2)));
	texts_free(l);
	free(big);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("texts");
	TCase *t = tcase_create("texts");

	tcase_add_test(t, names_have_texts);
	tcase_add_test(t, a_replaced_text_is_in_doubt_until_it_is_answered);
	tcase_add_test(t, behind_an_error_the_doubt_lasts);
	tcase_add_test(t, a_text_that_came_with_an_error_is_unsure);
	tcase_add_test(t, a_list_is_bounded);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(suite())
