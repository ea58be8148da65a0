/*
 * The log: slow queries, JSON, and what becomes of it when nobody reads it or
 * nothing can be written.
 */
#include "fixture.h"
#include "raw.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- slow queries --- */

/* The last line with these words; "" when there is none. Rotating buffers. */
static const char *
line_with(const struct pooler *p, const char *words)
{
	static char found[4][2048];
	static int at;
	char *log = pooler_log(p), *line, *next = log, *out;

	at = (at + 1) % 4;
	out = found[at];
	out[0] = '\0';
	while ((line = strsep(&next, "\n")) != NULL)
		if (strstr(line, words) != NULL)
			snprintf(out, sizeof(found[0]), "%s", line);
	free(log);
	return out;
}

static void
has(const char *line, const char *words)
{
	ck_assert_msg(strstr(line, words) != NULL, "\"%s\" not in: %s", words,
	    line);
}

/* "fingerprint=..." of a line. */
static const char *
fingerprint_of(const char *line)
{
	static char out[4][20];
	static int next;
	const char *at = strstr(line, "fingerprint=");
	int i = next++ % 4;

	ck_assert_msg(at != NULL, "no fingerprint: %s", line);
	snprintf(out[i], sizeof(out[i]), "%.16s", at + 12);
	return out[i];
}

START_TEST (slow_query_has_a_line) {
	struct pooler *p = pooler_start("log_min_duration = 100\n"
					"worker_threads = 1\n");
	PGconn *c = client_open("application_name=shopping");
	const char *line, *print;
	char pid[32];

	snprintf(pid, sizeof(pid), "pid=%s ", sql_text(c,
	    "SELECT pg_backend_pid()"));
	sql_ok(c, "SELECT i, 'geheim1' FROM generate_series(1, 7) i, "
		  "pg_sleep(0.2)");
	WAIT_UNTIL(pooler_log_count(p, "slow query") == 1, 5000);
	line = line_with(p, "slow query");
	has(line, "app/alice@127.0.0.1:");
	has(line, " rows=7 sqlstate=00000 ");
	has(line, pid);
	has(line, "app=shopping");
	has(line, "wait=0.000ms");
	print = fingerprint_of(line);
	sql_ok(c, "select I, $$geheim2$$ from GENERATE_SERIES(2, 5) i, "
		  "pg_sleep(.15)");
	WAIT_UNTIL(pooler_log_count(p, "slow query") == 2, 5000);
	line = line_with(p, "slow query");
	has(line, " rows=4 ");
	ck_assert_str_eq(fingerprint_of(line), print);
	/* Extended protocol, several rows changed. */
	PQclear(PQexecParams(c, "SELECT g FROM generate_series(1, $1) g, "
	    "pg_sleep(0.15)", 1, NULL, (const char *[]){ "3" }, NULL,
	    NULL, 0));
	WAIT_UNTIL(pooler_log_count(p, "slow query") == 3, 5000);
	has(line_with(p, "slow query"), " rows=3 ");
	/* Prepared before: the statement is known by its name. */
	PQclear(PQprepare(c, "s", "SELECT $1::text FROM pg_sleep(0.15)", 0,
	    NULL));
	PQclear(PQexecPrepared(c, "s", 1, (const char *[]){ "geheim4" }, NULL,
	    NULL, 0));
	WAIT_UNTIL(pooler_log_count(p, "slow query") == 4, 5000);
	print = fingerprint_of(line_with(p, "slow query"));
	sql_ok(c, "SELECT 'geheim5'::text FROM pg_sleep(0.2)");
	WAIT_UNTIL(pooler_log_count(p, "slow query") == 5, 5000);
	ck_assert_str_eq(fingerprint_of(line_with(p, "slow query")), print);
	ck_assert_int_eq(pooler_log_count(p, "geheim"), 0);
	sql_ok(c, "SELECT 1");
	ck_assert_int_eq(pooler_log_count(p, "slow query"), 5);
	PQfinish(c);
}
END_TEST

START_TEST (slow_query_that_fails_or_waits_says_so) {
	struct pooler *p = pooler_start("log_min_duration = 100\n"
	    "default_pool_size = 1\nquery_timeout = 2\n");
	PGconn *c = client_open(" "), *d = client_open(" ");
	const char *line;

	sql_fails(c, "SELECT 1/length(pg_sleep(0.2)::text)", "22012",
	    "division");
	WAIT_UNTIL(pooler_log_count(p, "sqlstate=22012") == 1, 5000);
	/* One waits for the other's server. */
	sql_send(c, "SELECT pg_sleep(0.5)");
	WAIT_UNTIL(show("POOLS", "database=app", "sv_active") == 1, 5000);
	sql_send(d, "SELECT pg_sleep(0.15)");
	sql_result_ok(c, 5000);
	sql_result_ok(d, 5000);
	WAIT_UNTIL(pooler_log_count(p, "slow query") == 3, 5000);
	line = line_with(p, "slow query");
	ck_assert_msg(atof(strstr(line, "wait=") + 5) > 100, "%s", line);
	ck_assert_msg(atof(strstr(line, "run=") + 4) < 450, "%s", line);
	/* One that never ended. */
	sql_send(c, "SELECT pg_sleep(60)");
	result_fails(PQgetResult(c), "57014", "query timeout");
	WAIT_UNTIL(pooler_log_count(p, "slow query") == 4, 5000);
	PQfinish(c);
	PQfinish(d);
}
END_TEST

START_TEST (threshold_follows_reload_and_samples_are_a_share) {
	struct pooler *p = pooler_start("worker_threads = 1\n"
					"pool_mode = session\n");
	PGconn *c = client_open(" ");
	int n;

	sql_ok(c, "SELECT pg_sleep(0.05)");
	console_ok("SET log_min_duration = '0.001'");
	for (int i = 0; i < 10; i++)
		sql_ok(c, "SELECT 1");
	WAIT_UNTIL(pooler_log_count(p, "slow query") == 10, 5000);
	console_ok("SET log_duration_sample = 10");
	for (int i = 0; i < 1000; i++)
		sql_ok(c, "SELECT 1");
	console_ok("SET log_min_duration = 0");
	sql_ok(c, "SELECT pg_sleep(0.05)");
	PQfinish(c);
	WAIT_UNTIL(pooler_logged(p, "client close request"), 5000);
	n = pooler_log_count(p, "slow query") - 10;
	ck_assert_msg(n > 40 && n < 200, "%d of 1000", n);
}
END_TEST

/* --- the forms --- */

START_TEST (json_lines_are_json_and_say_who) {
	struct pooler *p = pooler_start("log_format = json\n"
					"log_min_duration = 50\n"
					"stats_period = 1\n");
	PGconn *c = client_open("application_name='a\"b\\\\c'");
	char *out;

	sql_ok(c, "SELECT pg_sleep(0.1)");
	PQfinish(c);
	c = client_try("dbname=app user=nobody_such");
	PQfinish(c);
	kill(p->pid, SIGHUP);
	WAIT_UNTIL(pooler_logged(p, "\"message\":\"stats: "), 5000);
	WAIT_UNTIL(pooler_logged(p, "\"event\":\"slow_query\""), 5000);
	WAIT_UNTIL(pooler_logged(p, "\"event\":\"disconnect\""), 5000);
	ck_assert_int_eq(fx_shell(&out,
		"sed -n '/process up/,$p' %s | /usr/bin/python3 -c '\n"
		"import sys, json\n"
		"rows = [json.loads(l) for l in sys.stdin]\n"
		"by = {r[\"event\"]: r for r in rows if \"event\" in r}\n"
		"s = by[\"slow_query\"]\n"
		"assert s[\"database\"] == \"app\" and s[\"user\"] == \"alice\", s\n"
		"assert s[\"run_us\"] >= 100000 and s[\"rows\"] == 1, s\n"
		"assert s[\"application\"] == \"a\\\"b\\\\c\", s\n"
		"assert len(s[\"fingerprint\"]) == 16, s\n"
		"assert by[\"login\"][\"address\"].startswith(\"127.0.0.1:\")\n"
		"assert all(\"time\" in r and \"level\" in r for r in rows)\n"
		"'", p->log), 0);
	free(out);
}
END_TEST

START_TEST (sighup_reopens_a_moved_file) {
	struct pooler *p = pooler_start("logfile = @DIR@/my.log\n");
	char path[300], moved[310], *text;

	snprintf(path, sizeof(path), "%s/my.log", p->dir);
	snprintf(moved, sizeof(moved), "%s.1", path);
	for (int i = 0; i < 5; i++) {
		rename(path, moved);
		kill(p->pid, SIGHUP);
		WAIT_UNTIL(access(path, F_OK) == 0, 5000);
		PQfinish(client_open(" "));
		WAIT_UNTIL((text = fx_read_file(path),
			       strstr(text, "login attempt") != NULL),
		    5000);
	}
}
END_TEST

/* --- faults --- */

START_TEST (thousand_probes_leave_no_line) {
	struct pooler *p = pooler_start("worker_threads = 2\n"
					"tcp_defer_accept = 0\n");
	char *before, *after;

	PQfinish(client_open(" "));
	WAIT_UNTIL(pooler_logged(p, "client close request"), 5000);
	before = pooler_log(p);
	for (int i = 0; i < 1000; i++)
		raw_close(raw_connect(p->port));
	/* They are counted, and that is all. */
	WAIT_UNTIL(show("LISTS", "list=probes", "items") >= 1000, 10000);
	after = pooler_log(p);
	ck_assert_msg(strncmp(before, after, strlen(before)) == 0 &&
	    strstr(after + strlen(before), "closing") == NULL, "%s",
	    after + strlen(before));
	free(before);
	free(after);
}
END_TEST

START_TEST (full_disk_stops_nobody) {
	struct pooler *p = pooler_start("logfile = /dev/full\n");
	PGconn *c = client_open(" ");

	for (int i = 0; i < 50; i++)
		PQfinish(client_open(" "));
	ck_assert_int_eq(sql_int(c, "SELECT 5"), 5);
	/* What went to stderr beside it says so. */
	WAIT_UNTIL(pooler_logged(p, "log lines were lost"), 5000);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST (pipe_that_nobody_reads_stops_nobody) {
	struct pooler *p = pooler_prepare("worker_threads = 2\nverbose = 1\n");
	char path[300];
	int64_t begun;
	PGconn *c;
	int fd;

	snprintf(path, sizeof(path), "%s/fifo", p->dir);
	ck_assert_int_eq(mkfifo(path, 0666), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fcntl(fd, F_SETPIPE_SZ, 4096), 0);
	snprintf(p->log, sizeof(p->log), "%.290s", path);
	pooler_launch(p);
	/* Some 200 kB of lines into a pipe of 4. */
	begun = fx_now_ms();
	for (int i = 0; i < 300; i++) {
		c = client_open(" ");
		ck_assert_int_eq(sql_int(c, "SELECT %d", i), i);
		PQfinish(c);
	}
	ck_assert_int_lt(fx_now_ms() - begun, fx_scaled(20000));
	kill(p->pid, SIGTERM);
	ck_assert_int_eq(fx_wait_exit(p->pid, 10000), 0);
	p->pid = 0;
	close(fd);
	unlink(path);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log");

	FX_ADD(s, slow_query_has_a_line, 30);
	FX_ADD(s, slow_query_that_fails_or_waits_says_so, 40);
	FX_ADD(s, threshold_follows_reload_and_samples_are_a_share, 60);
	FX_ADD(s, json_lines_are_json_and_say_who, 30);
	FX_ADD(s, sighup_reopens_a_moved_file, 30);
	FX_ADD(s, thousand_probes_leave_no_line, 60);
	FX_ADD(s, full_disk_stops_nobody, 30);
	FX_ADD(s, pipe_that_nobody_reads_stops_nobody, 60);
	return fx_main(s);
}
