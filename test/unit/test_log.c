/* Tests of base/log. Each runs in a process of its own (Check forks). */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "unit.h"

static char path[64];

static void
setup(void)
{
	snprintf(path, sizeof(path), "/tmp/pooler-test-log-%d",
	    (int)getpid());
}

static void
teardown(void)
{
	unlink(path);
}

static void
to_file(const char *file)
{
	struct log_target t = { .file = file };

	ck_assert(log_configure(&t));
}

static char *
contents(const char *file)
{
	struct buf b = { 0 };
	FILE *f = fopen(file, "r");
	size_t n;

	ck_assert_ptr_nonnull(f);
	while ((n = fread(buf_reserve(&b, 65536), 1, 65536, f)) > 0)
		b.end += n;
	fclose(f);
	buf_append(&b, "", 1);
	return (char *)b.data;
}

static size_t
count_of(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

START_TEST(lines_have_the_form)
{
	char *text;
	regex_t re;

	to_file(path);
	ck_assert(log_start());
	log_warn("C-%d: hello", 17);
	log_stop();
	text = contents(path);
	ck_assert_int_eq(regcomp(&re, "^[0-9]{4}-[0-9]{2}-[0-9]{2} "
	    "[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3} [A-Z+0-9-]+ \\[[0-9]+\\] "
	    "WARNING C-17: hello\n$", REG_EXTENDED | REG_NOSUB), 0);
	ck_assert_msg(regexec(&re, text, 0, NULL, 0) == 0, "%s", text);
	regfree(&re);
	free(text);
}
END_TEST

START_TEST(one_event_stays_one_line)
{
	char *text;

	to_file(path);
	log_start();
	log_info("a\nb\x1b[31m\r\x7f\tc\n");
	log_stop();
	text = contents(path);
	ck_assert_ptr_nonnull(strstr(text, " LOG a\n\tb?[31m??\tc\n"));
	free(text);
}
END_TEST

START_TEST(json_is_one_object_a_line)
{
	struct log_target t = { .file = path, .json = true };
	struct log_field fields[] = { { .key = "user", .text = "a\"b\\c" },
		{ .key = "n", .number = -5 } };
	char *text;
	regex_t re;

	ck_assert(log_configure(&t));
	log_start();
	log_event(LVL_WARNING, fields, 2, "C-%d: \x1b[1m\n\"q\" \xff \xc3\xa4 "
	    "\xe2\x82", 17);
	log_stop();
	text = contents(path);
	ck_assert_int_eq(regcomp(&re, "^\\{\"time\":\"[0-9]{4}-[0-9]{2}-"
	    "[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z\",\"pid\":[0-9]+,"
	    "\"level\":\"WARNING\",\"message\":\"", REG_EXTENDED | REG_NOSUB),
	    0);
	ck_assert_msg(regexec(&re, text, 0, NULL, 0) == 0, "%s", text);
	regfree(&re);
	ck_assert_msg(strstr(text, "\"message\":\"C-17: \\u001b[1m\\n"
	    "\\\"q\\\" \\ufffd \xc3\xa4 \\ufffd\\ufffd\","
	    "\"user\":\"a\\\"b\\\\c\",\"n\":-5}\n") != NULL, "%s", text);
	free(text);
}
END_TEST

START_TEST(json_stays_whole_when_it_is_cut)
{
	struct log_target t = { .file = path, .json = true };
	struct log_field fields[] = { { .key = "a", .text = "x" },
		{ .key = "b", .text = NULL } };
	static char big[40000];
	char *text;

	ck_assert(log_configure(&t));
	log_start();
	memset(big, '"', sizeof(big) - 1);
	log_event(LVL_LOG, fields, 2, "%s", big);
	memset(big, 'x', sizeof(big) - 1);
	fields[1].text = big;
	log_event(LVL_LOG, fields, 2, "short");
	log_stop();
	text = contents(path);
	ck_assert_uint_eq(count_of(text, "\"}\n"), 2);
	ck_assert_ptr_nonnull(strstr(text, "\\\"\"}\n"));
	ck_assert_ptr_nonnull(strstr(text, "\"short\",\"a\":\"x\"}\n"));
	free(text);
}
END_TEST

START_TEST(journal_gets_priority_and_text_only)
{
	struct log_target t = { .to_stderr = true };
	struct stat st;
	char where[64], *text;
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

	ck_assert_int_ge(fd, 0);
	fstat(fd, &st);
	snprintf(where, sizeof(where), "%llu:%llu",
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", where, 1);
	dup2(fd, STDERR_FILENO);
	ck_assert(log_configure(&t));
	log_start();
	log_info("one\ntwo");
	log_error("three");
	log_stop();
	text = contents(path);
	ck_assert_str_eq(text, "<6>one two\n<3>three\n");
	free(text);
}
END_TEST

START_TEST(full_disk_loses_lines_and_nothing_else)
{
	uint64_t before = log_dropped();
	int i;

	to_file("/dev/full");
	log_start();
	for (i = 0; i < 1000; i++)
		log_info("line %d", i);
	for (i = 0; log_dropped() - before < 1000 && i < 5000; i++)
		usleep(1000);
	log_stop();
	ck_assert_uint_ge(log_dropped() - before, 1000);
}
END_TEST

START_TEST(levels_filter)
{
	char *text;

	to_file(path);
	log_start();
	ck_assert(!log_enabled(LVL_DEBUG));
	log_debug("no1");
	log_set_level(LVL_DEBUG);
	log_debug("yes1");
	log_noise("no2");
	log_set_level(LVL_ERROR);
	log_warn("no3");
	log_error("yes2");
	log_fatal("yes3");
	log_stop();
	text = contents(path);
	ck_assert_uint_eq(count_of(text, "yes"), 3);
	ck_assert_uint_eq(count_of(text, "no"), 0);
	ck_assert_ptr_nonnull(strstr(text, "] FATAL yes3\n"));
	free(text);
}
END_TEST

START_TEST(long_lines_are_cut)
{
	char big[40000], *text;

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	to_file(path);
	log_start();
	log_info("%s", big);
	log_info("next");
	log_stop();
	text = contents(path);
	ck_assert_uint_lt(strlen(text), 17000);
	ck_assert_uint_gt(strlen(text), 16000);
	ck_assert_ptr_nonnull(strstr(text, "x\n"));
	ck_assert_ptr_nonnull(strstr(text, "next"));
	free(text);
}
END_TEST

START_TEST(configure_reopens_the_file)
{
	char moved[80], *text;

	snprintf(moved, sizeof(moved), "%s.1", path);
	to_file(path);
	log_start();
	log_info("first");
	usleep(100000);
	ck_assert_int_eq(rename(path, moved), 0);
	to_file(path);
	log_info("second");
	log_stop();
	text = contents(path);
	ck_assert_ptr_null(strstr(text, "first"));
	ck_assert_ptr_nonnull(strstr(text, "second"));
	free(text);
	text = contents(moved);
	ck_assert_ptr_nonnull(strstr(text, "first"));
	free(text);
	unlink(moved);
}
END_TEST

START_TEST(a_file_that_cannot_be_keeps_the_old_target)
{
	struct log_target t = { .file = "/nonexistent/x/y" };
	char *text;

	to_file(path);
	log_start();
	ck_assert(!log_configure(&t));
	ck_assert_int_eq(errno, ENOENT);
	log_info("still here");
	log_stop();
	text = contents(path);
	ck_assert_ptr_nonnull(strstr(text, "still here"));
	free(text);
}
END_TEST

static int
stderr_becomes_a_pipe(void)
{
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	close(fds[1]);
	return fds[0];
}

START_TEST(a_pipe_nobody_reads_holds_up_nobody)
{
	struct log_target t = { .to_stderr = true };
	usec_t begin = clock_mono_us(), longest = 0;
	int i, fd;

	fd = stderr_becomes_a_pipe();
	log_configure(&t);
	log_start();
	for (i = 0; i < 50000; i++) {
		usec_t at = clock_mono_us();

		log_info("line %d of many, none of which is read", i);
		at = clock_mono_us() - at;
		longest = at > longest ? at : longest;
	}
	ck_assert_uint_gt(log_dropped(), 0);
	log_stop();
	/* Nor a line to a full pipe afterwards. */
	log_info("bye");
	ck_assert_int_lt(clock_mono_us() - begin, 10 * USEC_PER_SEC);
	ck_assert_int_lt(longest, USEC_PER_SEC / 2);
	close(fd);
}
END_TEST

START_TEST(lost_lines_are_told_of)
{
	struct log_target t = { .to_stderr = true };
	static char got[4000000];
	size_t n = 0;
	int i, fd;

	fd = stderr_becomes_a_pipe();
	log_configure(&t);
	log_start();
	for (i = 0; i < 50000; i++)
		log_info("line %d of many", i);
	ck_assert_uint_gt(log_dropped(), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (i = 0; i < 500; i++) {
		ssize_t r = read(fd, got + n, sizeof(got) - 1 - n);

		if (r > 0)
			n += (size_t)r;
		else
			usleep(1000);
	}
	ck_assert_ptr_nonnull(strstr(got, " log lines were lost"));
	ck_assert_uint_eq(count_of(got, "of many") + log_dropped(), 50000);
	log_stop();
	close(fd);
}
END_TEST

START_TEST(a_stuck_pipe_does_not_stop_the_file)
{
	struct log_target t = { .to_stderr = true, .file = path };
	char *text;
	int i, fd;

	fd = stderr_becomes_a_pipe();
	log_configure(&t);
	log_start();
	for (i = 0; i < 3000; i++)
		log_info("line %d of a good many that fill the pipe", i);
	log_stop();
	text = contents(path);
	ck_assert_uint_eq(count_of(text, "good many"), 3000);
	free(text);
	close(fd);
}
END_TEST

static void *
four_thousand(void *arg)
{
	int i;

	for (i = 0; i < 4000; i++) {
		log_info("<thread %d>", *(int *)arg);
		if (i % 100 == 0)
			usleep(500);
	}
	return NULL;
}

START_TEST(threads_do_not_mix)
{
	int ids[4] = { 0, 1, 2, 3 }, i;
	pthread_t threads[4];
	size_t whole = 0;
	char *text;

	to_file(path);
	log_start();
	for (i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, four_thousand, &ids[i]);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	log_stop();
	text = contents(path);
	for (i = 0; i < 4; i++) {
		char line[32];

		snprintf(line, sizeof(line), "LOG <thread %d>\n", i);
		whole += count_of(text, line);
	}
	ck_assert_uint_eq(whole, 16000 - log_dropped());
	ck_assert_uint_eq(count_of(text, "<thread"), 16000 - log_dropped());
	free(text);
}
END_TEST

START_TEST(limited_lines_tell_how_many_were_held)
{
	struct log_limit limit = { 0 };
	char *text;
	int i;

	to_file(path);
	log_start();
	for (i = 0; i < 10; i++)
		log_limited(&limit, 50 * USEC_PER_MSEC, LVL_WARNING, "again");
	usleep(60000);
	log_limited(&limit, 50 * USEC_PER_MSEC, LVL_WARNING, "again");
	log_stop();
	text = contents(path);
	ck_assert_uint_eq(count_of(text, "again"), 2);
	ck_assert_ptr_nonnull(strstr(text, "again\n"));
	ck_assert_ptr_nonnull(strstr(text, "again (repeated 9 times)\n"));
	free(text);
}
END_TEST

START_TEST(failures_of_ensure_are_logged)
{
	char *text;

	to_file(path);
	log_start();
#ifdef POOLER_ENSURE_ABORTS
	unlink(path); /* nobody comes to do it later */
#endif
	ck_assert(!ensure(1 + 1 == 3));
	ck_assert_uint_eq(ensure_failures(), 1);
	log_stop();
	text = contents(path);
	ck_assert_ptr_nonnull(strstr(text, "ensure failed: 1 + 1 == 3"));
	free(text);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("log");
	TCase *t = tcase_create("log");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, lines_have_the_form);
	tcase_add_test(t, one_event_stays_one_line);
	tcase_add_test(t, json_is_one_object_a_line);
	tcase_add_test(t, json_stays_whole_when_it_is_cut);
	tcase_add_test(t, journal_gets_priority_and_text_only);
	tcase_add_test(t, full_disk_loses_lines_and_nothing_else);
	tcase_add_test(t, levels_filter);
	tcase_add_test(t, long_lines_are_cut);
	tcase_add_test(t, configure_reopens_the_file);
	tcase_add_test(t, a_file_that_cannot_be_keeps_the_old_target);
	tcase_add_test(t, a_pipe_nobody_reads_holds_up_nobody);
	tcase_add_test(t, lost_lines_are_told_of);
	tcase_add_test(t, a_stuck_pipe_does_not_stop_the_file);
	tcase_add_test(t, threads_do_not_mix);
	tcase_add_test(t, limited_lines_tell_how_many_were_held);
#ifdef POOLER_ENSURE_ABORTS
	tcase_add_test_raise_signal(t, failures_of_ensure_are_logged,
	    SIGABRT);
#else
	tcase_add_test(t, failures_of_ensure_are_logged);
#endif
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(suite())
