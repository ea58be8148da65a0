/*
 * password_command: a program whose output is the password for the server.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char script[300], calls[300];

/* A script of the test's own, which counts its calls in a file. */
static void
make_script(const char *body)
{
	char text[2000];

	snprintf(script, sizeof(script), "%s/cmd-%d.sh", fx_dir(),
	    (int)getpid());
	snprintf(calls, sizeof(calls), "%s/calls-%d", fx_dir(), (int)getpid());
	fx_write_file(calls, "");
	ck_assert_int_eq(chmod(calls, 0666), 0);
	snprintf(text, sizeof(text), "#!/bin/sh\necho called \"$@\" >>%s\n%s\n",
	    calls, body);
	fx_write_file(script, text);
	ck_assert_int_eq(chmod(script, 0755), 0);
}

static int
n_calls(void)
{
	char *text = fx_read_file(calls), *p = text;
	int n = 0;

	while ((p = strstr(p, "called")) != NULL) {
		n++;
		p++;
	}
	free(text);
	return n;
}

static struct pooler *
start(const char *more)
{
	return pooler_start("auth_type = any\n%s[databases]\n"
	    "app = host=127.0.0.1 port=@PGPORT@ user=scrammer "
	    "password_command='%s one \"two three\" ; $(id) `id`'\n"
	    "app2 = host=127.0.0.1 port=@PGPORT@ user=clear "
	    "password_command='%s'\n"
	    "app3 = host=127.0.0.1 port=@PGPORT@ user=md5er\n"
	    "[users]\nmd5er = password_command='%s'\n", more, script, script,
	    script);
}

START_TEST (its_output_logs_in_to_the_server) {
	PGconn *c, *d;
	char *text;

	make_script("echo \"$POOLER_USER-pw\"; echo noise >&2");
	start("\n");
	c = client_open("%s", "");
	ck_assert_str_eq(sql_text(c, "SELECT current_user"), "scrammer");
	/* The words as they are: no shell has seen them. */
	text = fx_read_file(calls);
	ck_assert_str_eq(text, "called one two three ; $(id) `id`\n");
	free(text);
	/* Kept for its lifetime. */
	d = client_open("%s", "");
	sql_ok(c, "BEGIN");
	ck_assert_int_eq(sql_int(d, "SELECT 1"), 1);
	ck_assert_int_eq(n_calls(), 1);
	PQfinish(c);
	PQfinish(d);
	c = client_open("dbname=app2");
	ck_assert_str_eq(sql_text(c, "SELECT current_user"), "clear");
	PQfinish(c);
	c = client_open("dbname=app3");
	ck_assert_str_eq(sql_text(c, "SELECT current_user"), "md5er");
	PQfinish(c);
	ck_assert_int_eq(n_calls(), 3);
	ck_assert(!pooler_logged(pooler_current(), "scrammer-pw"));
}
END_TEST

START_TEST (many_servers_at_once_run_it_once) {
	PGconn *c[10];

	make_script("sleep 0.3; echo scrammer-pw");
	start("default_pool_size = 10\n");
	for (int i = 0; i < 10; i++)
		c[i] = client_start("%s", "");
	for (int i = 0; i < 10; i++)
		while (client_poll(c[i], 10000) != PGRES_POLLING_OK)
			ck_assert_int_ne(PQstatus(c[i]), CONNECTION_BAD);
	for (int i = 0; i < 10; i++)
		sql_ok(c[i], "BEGIN");
	ck_assert_int_eq(n_calls(), 1);
	for (int i = 0; i < 10; i++)
		PQfinish(c[i]);
}
END_TEST

START_TEST (a_lifetime_and_a_refusal_have_it_run_again) {
	char state[320];
	PGconn *c;

	make_script("cat $0.pw");
	snprintf(state, sizeof(state), "%s.pw", script);
	fx_write_file(state, "scrammer-pw\n");
	chmod(state, 0644);
	start("password_command_lifetime = 3600\nserver_login_retry = 0.2\n");
	c = client_open("%s", "");
	ck_assert_int_eq(sql_int(c, "SELECT 1"), 1);
	/* The token has changed: what is kept is refused once, then it works. */
	pg_exec("SET password_encryption = 'scram-sha-256';"
		"ALTER ROLE scrammer PASSWORD 'token-2'");
	fx_write_file(state, "token-2\n");
	console_ok("RECONNECT");
	PQfinish(c);
	WAIT_UNTIL(PQstatus(c = client_try("%s", "")) == CONNECTION_OK &&
	    PQresultStatus(PQexec(c, "SELECT 1")) == PGRES_TUPLES_OK, 10000);
	ck_assert_int_eq(n_calls(), 2);
	pg_exec("SET password_encryption = 'scram-sha-256';"
		"ALTER ROLE scrammer PASSWORD 'scrammer-pw'");
}
END_TEST

static const struct {
	const char *body, *said;
} failures[] = {
	{ "exit 3", "password_command: exit status 3" },
	{ "kill -9 $$", "password_command: ended by signal 9" },
	{ "true", "password_command: no output" },
	{ "echo sesame; echo b", "password_command: more than one line" },
	{ "printf 'sesame\\000b'", "password_command: more than one line" },
	{ "yes sesame | head -c 100000 | tr -d '\\n'",
	    "password_command: more than 65530 bytes" },
	{ "echo sesame; sleep 100", "password_command: no answer in time" },
	{ "sleep 100 & echo sesame", "password_command: no answer in time" },
	{ "echo sesame", "password authentication failed" },
};
#define N_FAILURES ((int)(sizeof(failures) / sizeof(failures[0])))

START_TEST (what_goes_wrong_is_told_but_not_the_output) {
	struct pooler *p;
	int64_t from = fx_now_ms();
	PGconn *c;

	make_script(failures[_i].body);
	p = start("password_command_timeout = 1\nclient_login_timeout = 20\n");
	c = client_try("%s", "");
	ck_assert_int_eq(PQstatus(c), CONNECTION_BAD);
	ck_assert_msg(strstr(PQerrorMessage(c), failures[_i].said) != NULL,
	    "%s: %s", failures[_i].body, PQerrorMessage(c));
	ck_assert_ptr_null(strstr(PQerrorMessage(c), "sesame"));
	ck_assert(!pooler_logged(p, "sesame"));
	ck_assert_int_lt(fx_now_ms() - from, fx_scaled(8000));
	/* Nothing of it is left running. */
	WAIT_UNTIL(fx_shell(NULL, "pgrep -f 'cmd-%d[.]sh' >/dev/null",
	    (int)getpid()) != 0, 3000);
}
END_TEST

START_TEST (a_program_that_is_not_there) {
	make_script("true");
	strcpy(script, "/nonexistent/program");
	start("\n");
	ck_assert_ptr_nonnull(strstr(PQerrorMessage(client_try("%s", "")),
	    "cannot run \"/nonexistent/program\": No such file"));
}
END_TEST

START_TEST (a_name_without_a_path_refuses_the_configuration) {
	struct pooler *p = pooler_prepare("[databases]\n"
	    "app = password_command='aws rds token'\n");
	char *said;

	ck_assert_int_ne(fx_shell(&said, "%s --check-config %s", pooler_bin(),
	    p->ini), 0);
	ck_assert_ptr_nonnull(strstr(said, "whole path of a program"));
}
END_TEST

START_TEST (it_holds_up_nobody) {
	PGconn *c, *slow;

	make_script("sleep 2; echo \"$POOLER_USER-pw\"");
	pooler_start("worker_threads = 1\nauth_type = any\n[databases]\n"
	    "app = host=127.0.0.1 port=@PGPORT@ user=scrammer "
	    "password_command=%s\n"
	    "app2 = host=127.0.0.1 port=@PGPORT@ user=alice\n", script);
	slow = client_start("%s", "");
	(void)client_poll(slow, 200);
	c = client_open("dbname=app2");
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(sql_int(c, "SELECT 1"), 1);
	ck_assert_int_ne(client_poll(slow, 1), PGRES_POLLING_OK);
	while (client_poll(slow, 10000) != PGRES_POLLING_OK)
		ck_assert_int_ne(PQstatus(slow), CONNECTION_BAD);
	PQfinish(slow);
	PQfinish(c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("passcmd");

	FX_ADD(s, its_output_logs_in_to_the_server, 30);
	FX_ADD(s, many_servers_at_once_run_it_once, 30);
	FX_ADD(s, a_lifetime_and_a_refusal_have_it_run_again, 30);
	FX_ADD_LOOP(s, what_goes_wrong_is_told_but_not_the_output, 30,
	    N_FAILURES);
	FX_ADD(s, a_program_that_is_not_there, 30);
	FX_ADD(s, a_name_without_a_path_refuses_the_configuration, 30);
	FX_ADD(s, it_holds_up_nobody, 30);
	return fx_main(s);
}
