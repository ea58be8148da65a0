/*
 * A password is being changed: two secrets of one user are valid, whatever
 * their kinds, and it can be seen who still uses the old one.
 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

enum kind { PLAIN, MD5, SCRAM, N_KINDS };
static const char *const kind_names[] = { "plain", "md5", "scram" };
static const char *const methods[] = { "plain", "md5", "scram-sha-256" };

/* Verifiers of one salt: that is what rotation with two of them takes. */
static void
secret_text(enum kind k, const char *password, char out[300])
{
	static const char *const python =
	    "import hashlib,hmac,base64,sys;p=sys.argv[1].encode();"
	    "s=b'one-salt-for-all';b=lambda x:base64.b64encode(x).decode();"
	    "d=hashlib.pbkdf2_hmac('sha256',p,s,4096);"
	    "h=lambda m:hmac.new(d,m,'sha256').digest();"
	    "c=hashlib.sha256(h(b'Client Key')).digest();"
	    "print('SCRAM-SHA-256%c4096:%s%c%s:%s'%(36,b(s),36,b(c),"
	    "b(h(b'Server Key'))),end='')";
	char *said;

	switch (k) {
	case PLAIN:
		snprintf(out, 300, "%s", password);
		break;
	case MD5:
		snprintf(out, 300, "%s", pg_text("SELECT 'md5' || md5('%s' || "
						 "'u')", password));
		break;
	case SCRAM:
		ck_assert_int_eq(fx_shell(&said, "python3 -c \"%s\" %s", python,
		    password), 0);
		snprintf(out, 300, "%s", said);
		break;
	case N_KINDS:
		break;
	}
}

static struct pooler *
start_with_two(const char *method, const char *now, const char *old)
{
	char path[300], list[1000];
	struct pooler *p;

	p = pooler_prepare("auth_type = %s\nauth_file = @DIR@/users.txt\n"
			   "[databases]\n"
			   "app = host=127.0.0.1 port=@PGPORT@ user=alice\n",
	    method);
	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	snprintf(list, sizeof(list), "\"admin\" \"admin-pw\"\n"
				     "\"u\" \"%s\" old \"%s\"\n", now, old);
	fx_write_file(path, list);
	pooler_launch(p);
	return p;
}

static bool
gets_in(const char *password)
{
	PGconn *c = client_try("user=u password=%s", password);
	bool in = PQstatus(c) == CONNECTION_OK;

	if (in)
		ck_assert_str_eq(sql_text(c, "SELECT current_user"), "alice");
	else
		ck_assert_ptr_nonnull(strstr(PQerrorMessage(c),
		    "authentication failed"));
	PQfinish(c);
	return in;
}

/* Whether the secret can be checked in the exchange there is. */
static bool
can_be_checked(int method, enum kind now, enum kind k)
{
	bool by_scram = method == 2 || (method == 1 && now == SCRAM);

	if (method == 0)
		return true;
	return by_scram ? k != MD5 : k != SCRAM;
}

START_TEST (both_secrets_let_in_whatever_their_kinds) {
	int method = _i / (N_KINDS * N_KINDS);
	enum kind a = (enum kind)(_i / N_KINDS % N_KINDS);
	enum kind b = (enum kind)(_i % N_KINDS);
	bool first = can_be_checked(method, a, a);
	bool second = can_be_checked(method, a, b);
	char now[300], old[300];
	struct pooler *p;

	secret_text(a, "new-pw", now);
	secret_text(b, "old-pw", old);
	p = start_with_two(methods[method], now, old);
	for (int again = 0; again < 2; again++) {
		ck_assert_msg(gets_in("new-pw") == first,
		    "%s: %s now, %s old: by the new one", methods[method],
		    kind_names[a], kind_names[b]);
		ck_assert_msg(gets_in("old-pw") == second,
		    "%s: %s now, %s old: by the old one", methods[method],
		    kind_names[a], kind_names[b]);
		ck_assert(!gets_in("no-pw"));
	}
	ck_assert_int_eq(show("USERS", "name=u", "old_secret_logins"),
	    second ? 2 : 0);
	if (second)
		WAIT_UNTIL(pooler_log_count(p, "secret=old") == 2, 3000);
}
END_TEST

START_TEST (the_old_one_goes_with_its_line) {
	struct pooler *p = start_with_two("scram-sha-256", "new-pw", "old-pw");
	char path[300];

	ck_assert(gets_in("old-pw"));
	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	fx_write_file(path, "\"admin\" \"admin-pw\"\n\"u\" \"new-pw\"\n");
	console_ok("RELOAD");
	ck_assert(!gets_in("old-pw"));
	ck_assert(gets_in("new-pw"));
}
END_TEST

START_TEST (salts_that_differ_refuse_the_file) {
	struct pooler *p = start_with_two("scram-sha-256", "new-pw", "old-pw");
	char path[300], list[1000], other[300];

	secret_text(SCRAM, "new-pw", other);
	pg_exec("SET password_encryption = 'scram-sha-256';"
		"DROP ROLE IF EXISTS u; CREATE ROLE u PASSWORD 'old-pw'");
	snprintf(list, sizeof(list), "\"admin\" \"admin-pw\"\n\"u\" \"%s\" old "
	    "\"%s\"\n", other, pg_text("SELECT rolpassword FROM pg_authid "
				       "WHERE rolname = 'u'"));
	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	fx_write_file(path, list);
	sql_fails(console(), "RELOAD", NULL, "different salts or iterations");
	ck_assert(gets_in("new-pw"));
	ck_assert(gets_in("old-pw"));
}
END_TEST

START_TEST (auth_query_may_give_two) {
	char path[300];
	struct pooler *p;

	pg_exec("SET client_min_messages = warning;"
		"DROP ROLE IF EXISTS u; CREATE ROLE u LOGIN");
	p = pooler_prepare("auth_type = scram-sha-256\n"
			   "auth_file = @DIR@/users.txt\nauth_user = postgres\n"
			   "auth_query = SELECT $1::text, 'new-pw', CASE $1 "
			   "WHEN 'u' THEN 'old-pw' END\n");
	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	fx_write_file(path, "\"admin\" \"admin-pw\"\n\"postgres\" \"\"\n");
	pooler_launch(p);
	PQfinish(client_open("user=u password=new-pw"));
	PQfinish(client_open("user=u password=old-pw"));
	ck_assert_int_eq(show("USERS", "name=u", "old_secret_logins"), 1);
	PQfinish(client_open("user=alice password=new-pw"));
	ck_assert_int_eq(PQstatus(client_try("user=alice password=old-pw")),
	    CONNECTION_BAD);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("rotation");

	FX_ADD_LOOP(s, both_secrets_let_in_whatever_their_kinds, 30,
	    3 * N_KINDS * N_KINDS);
	FX_ADD(s, the_old_one_goes_with_its_line, 30);
	FX_ADD(s, salts_that_differ_refuse_the_file, 30);
	FX_ADD(s, auth_query_may_give_two, 30);
	return fx_main(s);
}
