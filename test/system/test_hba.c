/*
 * Rules of auth_hba_file: who gets in from where, what the client is told and
 * what the log, and what a RELOAD does to rules and to logins under way.
 */
#include "fixture.h"
#include "raw.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
put_file(const struct pooler *p, const char *name, const char *text)
{
	char path[320];

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	fx_write_file(path, text);
}

#define USERS "\"u\" \"pw\"\n\"v\" \"pw\"\n\"admin\" \"boss-pw\"\n"
#define ADMIN_RULE "host pgbouncer admin all trust\n"

static struct pooler *
prepare(const char *rules, const char *ident, const char *more)
{
	struct pooler *p = pooler_prepare("auth_type = hba\n"
	    "auth_file = @DIR@/users.txt\nauth_hba_file = @DIR@/hba.conf\n"
	    "auth_ident_file = @DIR@/ident.conf\n%s"
	    "[databases]\napp = host=127.0.0.1 port=@PGPORT@ user=alice\n"
	    "other = host=127.0.0.1 port=@PGPORT@ user=alice dbname=app\n",
	    more);

	put_file(p, "users.txt", USERS);
	put_file(p, "hba.conf", rules);
	put_file(p, "ident.conf", ident);
	return p;
}

static struct pooler *
start(const char *rules)
{
	struct pooler *p = prepare(rules, "", "");

	pooler_launch(p);
	return p;
}

static void
gets_in(const char *info)
{
	PGconn *c = client_open("%s", info);

	ck_assert_str_eq(sql_text(c, "SELECT current_user"), "alice");
	PQfinish(c);
}

static void
is_refused(const char *info, const char *text)
{
	PGconn *c = client_try("%s", info);

	ck_assert_msg(PQstatus(c) == CONNECTION_BAD, "(%s) got in", info);
	ck_assert_msg(strstr(PQerrorMessage(c), text) != NULL,
	    "(%s) expected \"%s\", got: %s", info, text, PQerrorMessage(c));
	/* Where the rule stands is the operator's to know. */
	ck_assert_ptr_null(strstr(PQerrorMessage(c), "hba.conf"));
	PQfinish(c);
}

/* The log has a thread of its own. */
static void
logged(const struct pooler *p, const char *text)
{
	WAIT_UNTIL(pooler_logged(p, text), 5000);
}

/* --- rules --- */

START_TEST (first_rule_that_fits_decides) {
	struct pooler *p = start("local all all trust\n"
	    "host app u 127.0.0.1/32 password\n"
	    "host app v 127.0.0.2/32 trust\n"
	    "host other u all reject\n"
	    "host other v all scram-sha-256\n");
	char local[400];

	gets_in("user=u password=pw");
	is_refused("user=u password=no", "password authentication failed");
	is_refused("user=v password=pw",
	    "no authentication method is found");
	is_refused("user=u password=pw dbname=other", "login rejected");
	gets_in("user=v password=pw dbname=other");
	is_refused("user=v password=no dbname=other",
	    "SASL authentication failed");
	snprintf(local, sizeof(local), "host=%s user=v", p->dir);
	gets_in(local);
	/* The log knows which rule and which secret it was. */
	logged(p, "login rejected [by ");
	logged(p, "hba.conf:4]");
	logged(p, "no rule of ");
	logged(p, "method password by ");
	logged(p, "user \"u\" has a plain password in ");
	logged(p, "users.txt:1");
}
END_TEST

START_TEST (each_method_works_by_a_rule) {
	static const char *const methods[] = { "password", "md5",
		"scram-sha-256" };
	char rules[100];

	snprintf(rules, sizeof(rules), "host all all all %s\n", methods[_i]);
	start(rules);
	gets_in("user=u password=pw");
	is_refused("user=u password=pww", "authentication failed");
	is_refused("user=ghost password=pw", "authentication failed");
	is_refused("user=u password=pw dbname=nowhere",
	    "no such database: nowhere");
	is_refused("user=u password=no dbname=nowhere",
	    "authentication failed");
}
END_TEST

START_TEST (trust_and_peer_want_a_known_user) {
	const struct passwd *pw = getpwuid(getuid());
	char ident[200], info[500];
	struct pooler *p;

	snprintf(ident, sizeof(ident), "m %s u\nm %s ghost\n"
	    "r /^(.*)$ v\n", pw->pw_name, pw->pw_name);
	p = prepare("host all all all trust\nlocal app v,u,ghost peer map=m\n"
	    "local other v peer map=r\nlocal other u peer\n", ident, "");
	pooler_launch(p);
	is_refused("user=ghost", "\"trust\" authentication failed");
	snprintf(info, sizeof(info), "host=%s user=u", p->dir);
	gets_in(info);
	snprintf(info, sizeof(info), "host=%s user=v", p->dir);
	is_refused(info, "unix socket login rejected");
	logged(p, "no line of map \"m\" lets \"");
	snprintf(info, sizeof(info), "host=%s user=ghost", p->dir);
	is_refused(info, "unix socket login rejected");
	snprintf(info, sizeof(info), "host=%s user=v dbname=other", p->dir);
	gets_in(info);
	snprintf(info, sizeof(info), "host=%s user=u dbname=other", p->dir);
	is_refused(info, "unix socket login rejected");
	logged(p, "the system user's name is \"");
}
END_TEST

START_TEST (physical_replication_wants_its_word) {
	PGconn *c;

	start("host all u all trust\nhost replication v all trust\n");
	is_refused("user=u replication=true",
	    "no authentication method is found");
	gets_in("user=u");
	is_refused("user=v", "no authentication method is found");
	/* With the word it goes on to a server, which has its own say. */
	c = client_try("user=v replication=true");
	ck_assert_ptr_null(strstr(PQerrorMessage(c), "authentication method"));
	PQfinish(c);
}
END_TEST

START_TEST (refusals_carry_28000) {
	struct pooler *p = start("host all u all reject\n");
	static const char *const users[] = { "u", "v" };

	for (size_t i = 0; i < 2; i++) {
		struct raw *r = raw_connect(p->port);
		struct pkt k = { 0 };
		struct msg m;

		pkt_startup(&k, users[i], "app");
		raw_put(r, &k);
		m = raw_next(r, 5000);
		ck_assert_int_eq(m.type, 'E');
		ck_assert_str_eq(msg_field(&m, 'C'), "28000");
		ck_assert_str_eq(msg_field(&m, 'D'), "");
		raw_close(r);
	}
}
END_TEST

/* --- files --- */

START_TEST (bad_rule_refuses_the_start_and_the_check) {
	struct pooler *p = prepare("host all all all trust\n"
	    "host all u all rejct\n", "", "");
	char *out;

	ck_assert_int_ne(fx_shell(&out, "%s --check-config %s", pooler_bin(),
	    p->ini), 0);
	ck_assert_ptr_nonnull(strstr(out, "hba.conf:2: unknown method "
	    "\"rejct\""));
	free(out);
	put_file(p, "hba.conf", "host all all all trust\n");
	put_file(p, "ident.conf", "m root\n");
	ck_assert_int_ne(fx_shell(&out, "%s --check-config %s", pooler_bin(),
	    p->ini), 0);
	ck_assert_ptr_nonnull(strstr(out, "ident.conf:1: "));
	free(out);
}
END_TEST

START_TEST (bad_rule_at_reload_leaves_the_old_rules) {
	struct pooler *p = start(ADMIN_RULE "host all u all reject\n"
	    "host all all all trust\n");

	put_file(p, "hba.conf", ADMIN_RULE "host all u all rejct\n"
	    "host all all all trust\n");
	sql_fails(console(), "RELOAD", "F0000", "RELOAD failed");
	logged(p, "hba.conf:2: unknown method \"rejct\"");
	is_refused("user=u", "login rejected");
	gets_in("user=v");
	sql_fails(console(), "SET auth_hba_file = '/x'", NULL, "SET failed");
}
END_TEST

START_TEST (reload_takes_new_rules_and_maps) {
	struct pooler *p = start(ADMIN_RULE "host all u all reject\n"
	    "host all v all trust\n");
	PGconn *stays = client_open("user=v");

	put_file(p, "hba.conf", ADMIN_RULE "host all @who all trust\n");
	put_file(p, "who", "\nu\n");
	console_ok("RELOAD");
	gets_in("user=u");
	is_refused("user=v", "no authentication method is found");
	/* Who is in stays in. */
	ck_assert_str_eq(sql_text(stays, "SELECT 1"), "1");
	PQfinish(stays);
}
END_TEST

/* --- a RELOAD in the middle of a login --- */

static struct raw *
half_logged_in(const struct pooler *p, const char *user)
{
	struct raw *r = raw_connect(p->port);
	struct pkt k = { 0 };

	pkt_startup(&k, user, "app");
	raw_put(r, &k);
	ck_assert_int_eq(raw_next(r, 5000).type, 'R');
	return r;
}

static void
ends_in(struct raw *r, const char *password, const char *state,
    const char *text)
{
	struct pkt k = { 0 };
	struct msg m;

	pkt_password(&k, password);
	raw_put(r, &k);
	m = raw_next(r, 5000);
	if (state == NULL) {
		ck_assert_int_eq(m.type, 'R');
		raw_until(r, 'Z', 5000);
	} else {
		ck_assert_int_eq(m.type, 'E');
		ck_assert_str_eq(msg_field(&m, 'C'), state);
		ck_assert_str_eq(msg_field(&m, 'M'), text);
	}
	raw_close(r);
}

START_TEST (reload_reaches_logins_under_way) {
	static const struct {
		const char *rules, *users, *state, *text;
	} cases[] = {
		/* Nothing that concerns it. */
		{ "host all all all password\nhost all x all reject\n",
		    USERS "\"w\" \"w\"\n", NULL, NULL },
		{ "host all u all reject\nhost all all all password\n", USERS,
		    "28000", "login rejected" },
		{ "host all v all password\n", USERS, "28000",
		    "no authentication method is found" },
		{ "host all all all md5\n", USERS, "28000",
		    "authentication settings changed during the login" },
		{ "host all all all password\n", "\"v\" \"pw\"\n", "28000",
		    "authentication settings changed during the login" },
		{ "host all all all password\n", "\"u\" \"new\"\n", "28000",
		    "authentication settings changed during the login" },
	};
	struct pooler *p = start(ADMIN_RULE "host all all all password\n");
	char *rules, *users;
	struct raw *r;

	PQfinish(client_open("user=u password=pw"));
	r = half_logged_in(p, "u");
	ck_assert_int_ge(asprintf(&rules, "%s%s", ADMIN_RULE,
	    cases[_i].rules), 0);
	ck_assert_int_ge(asprintf(&users, "%s%s", cases[_i].users,
	    strstr(cases[_i].users, "admin") ? "" : "\"admin\" \"x\"\n"), 0);
	put_file(p, "hba.conf", rules);
	put_file(p, "users.txt", users);
	console_ok("RELOAD");
	ends_in(r, "pw", cases[_i].state, cases[_i].text);
	free(rules);
	free(users);
}
END_TEST

/* The console's door is no other: there an admin who is one no more. */
START_TEST (reload_reaches_console_logins_under_way) {
	struct pooler *p = start(ADMIN_RULE "host all all all password\n");
	struct raw *r = raw_connect(p->port);
	struct pkt k = { 0 };

	pooler_rewrite(p, "auth_type = hba\nauth_file = @DIR@/users.txt\n"
	    "auth_hba_file = @DIR@/hba.conf\nadmin_users = admin, u\n");
	console_ok("RELOAD");
	pkt_startup(&k, "u", "pgbouncer");
	raw_put(r, &k);
	ck_assert_int_eq(raw_next(r, 5000).type, 'R');
	if (_i == 0)
		put_file(p, "users.txt", "\"u\" \"new\"\n\"admin\" \"x\"\n");
	else
		pooler_rewrite(p, "auth_type = hba\n"
		    "auth_file = @DIR@/users.txt\n"
		    "auth_hba_file = @DIR@/hba.conf\nadmin_users = admin\n");
	console_ok("RELOAD");
	ends_in(r, "pw", _i == 0 ? "28000" : "42501", _i == 0 ?
	    "authentication settings changed during the login" :
	    "not allowed");
}
END_TEST

/* It has proven itself, and waits for the first server of its pool. */
START_TEST (reload_reaches_logins_that_wait_for_a_server) {
	struct pooler *p = start(ADMIN_RULE "host all all all password\n");
	struct pkt k = { 0 };
	struct raw *r;
	struct msg m;

	console_ok("PAUSE");
	r = half_logged_in(p, "u");
	pkt_password(&k, "pw");
	raw_put(r, &k);
	WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 1, 5000);
	put_file(p, "users.txt", "\"v\" \"pw\"\n\"admin\" \"x\"\n");
	console_ok("RELOAD");
	console_ok("RESUME");
	m = raw_next(r, 5000);
	ck_assert_int_eq(m.type, 'E');
	ck_assert_str_eq(msg_field(&m, 'C'), "28000");
	raw_close(r);
	gets_in("user=v password=pw");
	WAIT_UNTIL(show("POOLS", "database=app", "cl_waiting") == 0, 5000);
}
END_TEST

/* SET auth_type can go away from the rules and come back to them. */
START_TEST (set_switches_between_hba_and_others) {
	start(ADMIN_RULE "host all u all reject\nhost all all all trust\n");
	is_refused("user=u", "login rejected");
	console_ok("SET auth_type = 'trust'");
	gets_in("user=u");
	console_ok("SET auth_type = 'hba'");
	is_refused("user=u", "login rejected");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hba");

	FX_ADD(s, first_rule_that_fits_decides, 20);
	FX_ADD_LOOP(s, each_method_works_by_a_rule, 20, 3);
	FX_ADD(s, trust_and_peer_want_a_known_user, 20);
	FX_ADD(s, physical_replication_wants_its_word, 20);
	FX_ADD(s, refusals_carry_28000, 20);
	FX_ADD(s, bad_rule_refuses_the_start_and_the_check, 20);
	FX_ADD(s, bad_rule_at_reload_leaves_the_old_rules, 20);
	FX_ADD(s, reload_takes_new_rules_and_maps, 20);
	FX_ADD_LOOP(s, reload_reaches_logins_under_way, 20, 6);
	FX_ADD_LOOP(s, reload_reaches_console_logins_under_way, 20, 2);
	FX_ADD(s, reload_reaches_logins_that_wait_for_a_server, 20);
	FX_ADD(s, set_switches_between_hba_and_others, 20);
	return fx_main(s);
}
