/*
 * PAM: a service of the test's own, whose module runs a script; so what it says
 * and how long it takes is the test's doing. Needs root, for /etc/pam.d.
 */
#include "fixture.h"
#include "raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char service[64];

static void
remove_service(void)
{
	char path[128];

	snprintf(path, sizeof(path), "/etc/pam.d/%s", service);
	unlink(path);
}

static void
make_service(const char *script)
{
	char path[300], text[1000];

	if (geteuid() != 0) {
		fprintf(stderr, "skipped: PAM services are root's\n");
		_exit(0);
	}
	snprintf(service, sizeof(service), "pooler-test-%d", (int)getpid());
	snprintf(path, sizeof(path), "%s/pam-%d.sh", fx_dir(), (int)getpid());
	snprintf(text, sizeof(text), "#!/bin/sh\npw=$(tr -d '\\000')\n%s\n",
	    script);
	fx_write_file(path, text);
	ck_assert_int_eq(chmod(path, 0755), 0);
	snprintf(text, sizeof(text), "auth required pam_exec.so expose_authtok "
	    "quiet %s\naccount required pam_permit.so\n", path);
	snprintf(path, sizeof(path), "/etc/pam.d/%s", service);
	fx_write_file(path, text);
	atexit(remove_service);
}

static void
is_told(const char *info, const char *text)
{
	PGconn *c = client_try("%s", info);
	const char *said = strstr(PQerrorMessage(c), "FATAL:  ");

	ck_assert_msg(PQstatus(c) == CONNECTION_BAD, "(%s) got in", info);
	ck_assert_msg(said != NULL, "(%s): %s", info, PQerrorMessage(c));
	ck_assert_str_eq(said + 8, text);
	PQfinish(c);
}

#define BY_NAME \
	"[ \"$PAM_USER-pw\" = \"$pw\" ] && [ \"$PAM_RHOST\" = 127.0.0.1 ]"

START_TEST (pam_decides_and_the_server_gets_the_password) {
	PGconn *c;

	make_service(BY_NAME);
	pooler_start("auth_type = pam\nauth_pam_service = %s\n", service);
	c = client_open("user=scrammer password=scrammer-pw");
	ck_assert_str_eq(sql_text(c, "SELECT current_user"), "scrammer");
	PQfinish(c);
	PQfinish(client_open("user=clear password=clear-pw"));
	is_told("user=scrammer password=wrong", "PAM authentication failed\n");
	is_told("user=ghost password=wrong", "PAM authentication failed\n");
	WAIT_UNTIL(pooler_logged(pooler_current(), "PAM authentication: "),
	    3000);
	ck_assert(!pooler_logged(pooler_current(), "scrammer-pw"));
	ck_assert(!pooler_logged(pooler_current(), "wrong"));
	console_ok("SHOW USERS");
}
END_TEST

START_TEST (an_empty_password_is_refused) {
	struct pooler *p;
	struct raw *r;
	struct pkt k = { 0 };
	struct msg m;

	make_service("true");
	p = pooler_start("auth_type = pam\nauth_pam_service = %s\n", service);
	PQfinish(client_open("user=alice password=any"));
	r = raw_connect(p->port);
	pkt_startup(&k, "alice", "app");
	raw_put(r, &k);
	ck_assert_int_eq(raw_next(r, 5000).type, 'R');
	pkt_password(&k, "");
	raw_put(r, &k);
	m = raw_next(r, 5000);
	ck_assert_str_eq(msg_field(&m, 'M'),
	    "empty password returned by client");
	raw_close(r);
}
END_TEST

START_TEST (a_service_that_is_not_there_lets_nobody_in) {
	pooler_start("auth_type = pam\nauth_pam_service = no-such-service\n");
	is_told("user=alice password=alice-pw", "PAM authentication failed\n");
}
END_TEST

START_TEST (a_rule_may_name_the_service) {
	char path[300], line[200];
	struct pooler *p;

	make_service(BY_NAME);
	p = pooler_prepare("auth_type = hba\nauth_hba_file = @DIR@/hba\n");
	snprintf(path, sizeof(path), "%s/hba", p->dir);
	snprintf(line, sizeof(line),
	    "host all all 127.0.0.1/32 pam pamservice=%s\n", service);
	fx_write_file(path, line);
	pooler_launch(p);
	PQfinish(client_open("user=alice password=alice-pw"));
	is_told("user=alice password=bob-pw", "PAM authentication failed\n");
}
END_TEST

/* Modules that take their time hold up nobody but those who ask them. */
START_TEST (a_slow_module_blocks_no_worker) {
	PGconn *c, *slow[3];
	int64_t from;

	make_service("sleep 3; " BY_NAME);
	pooler_start("worker_threads = 1\nauth_type = pam\n"
		     "auth_pam_service = %s\nauth_threads = 2\n", service);
	c = client_open("user=alice password=alice-pw");
	for (int i = 0; i < 3; i++)
		slow[i] = client_start("user=alice password=alice-pw");
	from = fx_now_ms();
	for (int i = 0; i < 3; i++)
		(void)client_poll(slow[i], 50);
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(sql_int(c, "SELECT 1"), 1);
	ck_assert_int_lt(fx_now_ms() - from, fx_scaled(2500));
	for (int i = 0; i < 3; i++) {
		while (client_poll(slow[i], 10000) != PGRES_POLLING_OK)
			ck_assert_int_ne(PQstatus(slow[i]), CONNECTION_BAD);
		PQfinish(slow[i]);
	}
	PQfinish(c);
}
END_TEST

START_TEST (a_full_queue_refuses_and_those_who_left_are_forgotten) {
	struct pooler *p;
	struct raw *r[30];
	struct msg m;
	int refused = 0;

	make_service("sleep 2; " BY_NAME);
	p = pooler_start("auth_type = pam\nauth_pam_service = %s\n"
			 "auth_threads = 1\n", service);
	for (int i = 0; i < 30; i++) {
		struct pkt k = { 0 };

		r[i] = raw_connect(p->port);
		pkt_startup(&k, "alice", "app");
		raw_put(r[i], &k);
		ck_assert_int_eq(raw_next(r[i], 5000).type, 'R');
		pkt_password(&k, "alice-pw");
		raw_put(r[i], &k);
	}
	for (int i = 0; i < 30; i++) {
		if (!raw_ready(r[i], i == 29 ? 1000 : 20))
			continue;
		m = raw_next(r[i], 1000);
		if (m.type != 'E')
			continue;
		ck_assert_str_eq(msg_field(&m, 'C'), "53300");
		ck_assert_str_eq(msg_field(&m, 'M'), "too many logins at once");
		refused++;
	}
	ck_assert_int_ge(refused, 8);
	for (int i = 0; i < 30; i++)
		raw_close(r[i]);
	/* It ends although the queue is full of people who have left. */
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pam");

	FX_ADD(s, pam_decides_and_the_server_gets_the_password, 30);
	FX_ADD(s, an_empty_password_is_refused, 30);
	FX_ADD(s, a_service_that_is_not_there_lets_nobody_in, 30);
	FX_ADD(s, a_rule_may_name_the_service, 30);
	FX_ADD(s, a_slow_module_blocks_no_worker, 60);
	FX_ADD(s, a_full_queue_refuses_and_those_who_left_are_forgotten, 60);
	return fx_main(s);
}
