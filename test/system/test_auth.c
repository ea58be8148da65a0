/*
 * Who gets in, by which method, with which kind of stored secret; what a
 * stranger can learn; and how the pooler itself logs in to the server.
 */
#include "fixture.h"
#include "raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Secrets of one password, `pw`, for user u, in each form. The verifier is
 * PostgreSQL's own, taken from pg_authid at run time. */
enum secret { PLAIN, MD5, SCRAM, N_SECRETS };

static const char *
secret_text(enum secret s)
{
	switch (s) {
	case PLAIN:
		return "pw";
	case MD5:
		return pg_text("SELECT 'md5' || md5('pw' || 'u')");
	case SCRAM:
		pg_exec("SET password_encryption = 'scram-sha-256';"
			"DROP ROLE IF EXISTS u; CREATE ROLE u PASSWORD 'pw'");
		return pg_text("SELECT rolpassword FROM pg_authid WHERE "
			       "rolname = 'u'");
	case N_SECRETS:
		break;
	}
	return "";
}

/* Clients log in to the pooler as u; the server is reached as alice. */
static struct pooler *
start_with(const char *auth_type, const char *userlist)
{
	char path[300];
	struct pooler *p;

	p = pooler_prepare("auth_type = %s\nauth_file = @DIR@/users.txt\n"
			   "admin_users = boss\n[databases]\n"
			   "app = host=127.0.0.1 port=@PGPORT@ user=alice\n",
	    auth_type);
	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	fx_write_file(path, userlist);
	pooler_launch(p);
	return p;
}

static struct pooler *
start_with_secret(const char *auth_type, const char *secret)
{
	char list[1000];

	snprintf(list, sizeof(list), "\"u\" \"%s\"\n\"boss\" \"boss-pw\"\n",
	    secret);
	return start_with(auth_type, list);
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
	PQfinish(c);
}

START_TEST (each_method_takes_the_secrets_it_can) {
	static const struct {
		const char *method, *failure;
		bool takes[N_SECRETS];
	} cases[] = {
		{ "plain", "password authentication failed",
		    { true, true, true } },
		/* A stored SCRAM secret turns md5 into SCRAM. */
		{ "md5", "authentication failed", { true, true, true } },
		{ "scram-sha-256", "SASL authentication failed",
		    { true, false, true } },
	};
	size_t n = (size_t)_i / N_SECRETS;
	enum secret s = (enum secret)(_i % N_SECRETS);

	start_with_secret(cases[n].method, secret_text(s));
	if (cases[n].takes[s]) {
		gets_in("user=u password=pw");
		gets_in("user=u password=pw");
	} else {
		is_refused("user=u password=pw", cases[n].failure);
	}
	is_refused("user=u password=wrong", cases[n].failure);
	is_refused("user=u password=pww", cases[n].failure);
}
END_TEST

START_TEST (trust_lets_known_users_in_without_a_password) {
	start_with_secret("trust", "whatever");
	gets_in("user=u");
	is_refused("user=stranger", "\"trust\" authentication failed");
}
END_TEST

START_TEST (any_lets_everybody_in_as_the_forced_user) {
	pooler_start("auth_type = any\n[databases]\n"
		     "app = host=127.0.0.1 port=@PGPORT@ user=alice\n"
		     "app2 = host=127.0.0.1 port=@PGPORT@\n");
	gets_in("user=whoever");
	is_refused("user=whoever dbname=app2", "bouncer config error");
}
END_TEST

/* What of /proc/PID would show memory is root's then. */
START_TEST (memory_with_secrets_cannot_be_dumped) {
	struct pooler *p = start_with_secret("plain", "pw");
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)p->pid);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_uid, 0);
}
END_TEST

/* --- what strangers learn --- */

static const char *const methods[] = { "plain", "md5", "scram-sha-256" };

/* Everything the pooler says in a login with this password, with what is
 * random taken out: types and error fields. */
static void
conversation(const char *user, const char *db, char *out, size_t size)
{
	char info[200];
	PGconn *c;

	snprintf(info, sizeof(info), "user=%s dbname=%s password=wrong", user,
	    db);
	c = client_try("%s", info);
	ck_assert_int_eq(PQstatus(c), CONNECTION_BAD);
	/* Cut off "connection to server at ... failed: ". */
	snprintf(out, size, "%s",
	    strstr(PQerrorMessage(c), "FATAL") != NULL ?
		strstr(PQerrorMessage(c), "FATAL") :
		PQerrorMessage(c));
	PQfinish(c);
}

START_TEST (unknown_user_looks_like_a_wrong_password) {
	char known[500], unknown[500];

	start_with_secret(methods[_i], "pw");
	conversation("u", "app", known, sizeof(known));
	conversation("nobody-here", "app", unknown, sizeof(unknown));
	ck_assert_str_eq(known, unknown);
}
END_TEST

START_TEST (unknown_database_is_told_only_after_the_password) {
	char known[500], unknown[500];

	start_with_secret(methods[_i], "pw");
	conversation("u", "app", known, sizeof(known));
	conversation("u", "no_such_db", unknown, sizeof(unknown));
	ck_assert_str_eq(known, unknown);
	is_refused("user=u password=pw dbname=no_such_db",
	    "no such database: no_such_db");
}
END_TEST

START_TEST (failures_carry_postgresqls_sqlstates) {
	struct pooler *p = start_with_secret("plain", "pw");
	struct raw *r = raw_connect(p->port);
	struct pkt k = { 0 };
	struct msg m;

	pkt_startup(&k, "u", "app");
	raw_put(r, &k);
	ck_assert_int_eq(raw_next(r, 5000).type, 'R');
	pkt_password(&k, "wrong");
	raw_put(r, &k);
	m = raw_next(r, 5000);
	ck_assert_int_eq(m.type, 'E');
	ck_assert_str_eq(msg_field(&m, 'S'), "FATAL");
	ck_assert_str_eq(msg_field(&m, 'C'), "28P01");
	ck_assert_str_eq(raw_types_to_end(r, 5000), "");
	raw_close(r);

	r = raw_connect(p->port);
	pkt_startup(&k, "u", "nowhere");
	raw_put(r, &k);
	raw_next(r, 5000);
	pkt_password(&k, "pw");
	raw_put(r, &k);
	m = raw_next(r, 5000);
	ck_assert_str_eq(msg_field(&m, 'C'), "3D000");
	raw_close(r);
}
END_TEST

/* In SCRAM the salt for a name that is not there must not change. */
START_TEST (mock_salt_is_the_same_each_time) {
	struct pooler *p = start_with_secret("scram-sha-256", "pw");
	char salt[2][64];

	for (int i = 0; i < 2; i++) {
		struct raw *r = raw_connect(p->port);
		struct pkt k = { 0 };
		struct msg m;
		const char *at;

		pkt_startup(&k, "ghost", "app");
		raw_put(r, &k);
		m = raw_next(r, 5000);
		ck_assert_int_eq(m.type, 'R');
		pkt_begin(&k, 'p');
		pkt_str(&k, "SCRAM-SHA-256");
		pkt_i32(&k, 31);
		pkt_raw(&k, "n,,n=,r=abcdefghijklmnopqrstuvw", 31);
		pkt_end(&k);
		raw_put(r, &k);
		m = raw_next(r, 5000);
		ck_assert_int_eq(m.type, 'R');
		at = memmem(m.body, m.n, ",s=", 3);
		ck_assert_ptr_nonnull(at);
		snprintf(salt[i], sizeof(salt[i]), "%.*s",
		    (int)strcspn(at + 3, ","), at + 3);
		ck_assert_ptr_nonnull(memmem(m.body, m.n, "i=4096", 6));
		raw_close(r);
	}
	ck_assert_str_eq(salt[0], salt[1]);
}
END_TEST

START_TEST (empty_password_never_gets_in) {
	struct pooler *p = start_with_secret(methods[_i], "");
	struct raw *r;
	struct pkt k = { 0 };
	struct msg m;

	/* libpq would not even send one. */
	is_refused("user=u password=pw", "authentication failed");
	if (_i != 0)
		return;
	r = raw_connect(p->port);
	pkt_startup(&k, "u", "app");
	raw_put(r, &k);
	raw_next(r, 5000);
	pkt_password(&k, "");
	raw_put(r, &k);
	m = raw_next(r, 5000);
	ck_assert_str_eq(msg_field(&m, 'M'),
	    "empty password returned by client");
	raw_close(r);
}
END_TEST

START_TEST (removed_user_is_out_after_reload) {
	struct pooler *p = start_with_secret(methods[_i], "pw");
	char path[300];

	gets_in("user=u password=pw");
	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	fx_write_file(path, "\"other\" \"pw\"\n\"boss\" \"boss-pw\"\n");
	PQfinish(client_open("user=boss password=boss-pw dbname=pgbouncer"));
	{
		PGconn *c = client_open("user=boss password=boss-pw "
					"dbname=pgbouncer");

		sql_ok(c, "RELOAD");
		PQfinish(c);
	}
	is_refused("user=u password=pw", "authentication failed");
	gets_in("user=other password=pw");
}
END_TEST

START_TEST (bad_auth_file_keeps_the_old_one_at_reload) {
	struct pooler *p = start_with_secret("plain", "pw");
	PGconn *c = client_open("user=boss password=boss-pw dbname=pgbouncer");
	char path[300];

	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	fx_write_file(path, "\"other\" \"pw\"\nthis is no line\n");
	sql_fails(c, "RELOAD", "F0000", "RELOAD failed");
	gets_in("user=u password=pw");
	is_refused("user=other password=pw", "authentication failed");
	ck_assert(pooler_logged(p, "users.txt:2"));
	PQfinish(c);
}
END_TEST

/* --- the server's side --- */

static void
logs_in_to_server(const char *line, const char *client, const char *as)
{
	PGconn *c;

	pooler_start("[databases]\napp = host=127.0.0.1 port=@PGPORT@ %s\n",
	    line);
	c = client_open("%s", client);
	ck_assert_str_eq(sql_text(c, "SELECT current_user"), as);
	PQfinish(c);
}

START_TEST (server_login_by_each_method) {
	static const char *const users[] = { "scrammer", "md5er", "clear",
		"alice" };
	char line[100], client[100];

	/* The forced user's password, then the same from auth_file. */
	snprintf(line, sizeof(line), "user=%s password=%s-pw", users[_i / 2],
	    users[_i / 2]);
	snprintf(client, sizeof(client), "user=%s", users[_i / 2]);
	if (_i % 2 == 0)
		logs_in_to_server(line, "user=bob", users[_i / 2]);
	else
		logs_in_to_server("", client, users[_i / 2]);
}
END_TEST

START_TEST (md5_secret_suffices_for_an_md5_server) {
	struct pooler *p = pooler_prepare(
	    "auth_file = @DIR@/users.txt\n[databases]\n"
	    "app = host=127.0.0.1 port=@PGPORT@\n");
	char path[300], line[200];
	PGconn *c;

	snprintf(line, sizeof(line), "\"md5er\" \"%s\"\n",
	    pg_text("SELECT rolpassword FROM pg_authid WHERE "
		    "rolname = 'md5er'"));
	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	fx_write_file(path, line);
	pooler_launch(p);
	c = client_open("user=md5er");
	ck_assert_str_eq(sql_text(c, "SELECT current_user"), "md5er");
	PQfinish(c);
}
END_TEST

START_TEST (scram_keys_are_passed_through) {
	struct pooler *p = pooler_prepare(
	    "auth_type = scram-sha-256\nauth_file = @DIR@/users.txt\n"
	    "[databases]\napp = host=127.0.0.1 port=@PGPORT@\n");
	char path[300], line[400];
	PGconn *c;

	snprintf(line, sizeof(line), "\"scrammer\" \"%s\"\n",
	    pg_text("SELECT rolpassword FROM pg_authid WHERE "
		    "rolname = 'scrammer'"));
	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	fx_write_file(path, line);
	pooler_launch(p);
	for (int i = 0; i < 3; i++) {
		c = client_open("user=scrammer password=scrammer-pw");
		ck_assert_str_eq(sql_text(c, "SELECT current_user"),
		    "scrammer");
		PQfinish(c);
	}
	is_refused("user=scrammer password=wrong",
	    "SASL authentication failed");
}
END_TEST

/* The reference lets the keys of the login displace the password of the
 * forced user, after which every server login of that database fails. */
START_TEST (scram_login_leaves_the_forced_users_password_alone) {
	struct pooler *p = pooler_prepare(
	    "auth_type = scram-sha-256\nauth_file = @DIR@/users.txt\n"
	    "default_pool_size = 3\n[databases]\n"
	    "app = host=127.0.0.1 port=@PGPORT@ user=scrammer "
	    "password=scrammer-pw\n");
	char path[300], line[400];
	PGconn *c[3];

	snprintf(line, sizeof(line), "\"u\" \"%s\"\n", secret_text(SCRAM));
	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	fx_write_file(path, line);
	pooler_launch(p);
	for (int i = 0; i < 3; i++) {
		c[i] = client_open("user=u password=pw");
		sql_ok(c[i], "BEGIN");
	}
	for (int i = 0; i < 3; i++)
		PQfinish(c[i]);
}
END_TEST

START_TEST (hash_is_never_sent_in_clear) {
	struct pooler *p = pooler_prepare(
	    "auth_file = @DIR@/users.txt\nserver_down_after = 1\n"
	    "[databases]\napp = host=127.0.0.1 port=@PGPORT@\n");
	char path[300], line[400];

	snprintf(line, sizeof(line), "\"clear\" \"%s\"\n",
	    pg_text("SELECT rolpassword FROM pg_authid WHERE "
		    "rolname = 'clear'"));
	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	fx_write_file(path, line);
	pooler_launch(p);
	is_refused("user=clear", "wrong password type");
}
END_TEST

START_TEST (passwords_never_reach_the_log) {
	struct pooler *p = start_with_secret("plain", "topsecret-stored");

	is_refused("user=u password=topsecret-tried",
	    "password authentication failed");
	gets_in("user=u password=topsecret-stored");
	ck_assert(!pooler_logged(p, "topsecret"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("auth");

	FX_ADD_LOOP(s, each_method_takes_the_secrets_it_can, 20, 3 * N_SECRETS);
	FX_ADD(s, trust_lets_known_users_in_without_a_password, 20);
	FX_ADD(s, memory_with_secrets_cannot_be_dumped, 10);
	FX_ADD(s, any_lets_everybody_in_as_the_forced_user, 20);
	FX_ADD_LOOP(s, unknown_user_looks_like_a_wrong_password, 20, 3);
	FX_ADD_LOOP(s, unknown_database_is_told_only_after_the_password, 20, 3);
	FX_ADD(s, failures_carry_postgresqls_sqlstates, 20);
	FX_ADD(s, mock_salt_is_the_same_each_time, 20);
	FX_ADD_LOOP(s, empty_password_never_gets_in, 20, 3);
	FX_ADD_LOOP(s, removed_user_is_out_after_reload, 20, 3);
	FX_ADD(s, bad_auth_file_keeps_the_old_one_at_reload, 20);
	FX_ADD_LOOP(s, server_login_by_each_method, 20, 8);
	FX_ADD(s, md5_secret_suffices_for_an_md5_server, 20);
	FX_ADD(s, scram_keys_are_passed_through, 20);
	FX_ADD(s, scram_login_leaves_the_forced_users_password_alone, 20);
	FX_ADD(s, hash_is_never_sent_in_clear, 20);
	FX_ADD(s, passwords_never_reach_the_log, 20);
	return fx_main(s);
}
