/*
 * The front door under attack: who knocks too often or guesses, and what a
 * stranger can make the pooler do or say.
 */
#include "fixture.h"
#include "raw.h"

#include <stdlib.h>
#include <string.h>

#define USERS "\"u\" \"pw\"\n\"v\" \"pw\"\n\"admin\" \"x\"\n"
#define DB "[databases]\napp = host=127.0.0.1 port=@PGPORT@ user=alice\n"

static struct pooler *
start(const char *settings)
{
	struct pooler *p = pooler_prepare(
	    "auth_type = hba\nauth_file = @DIR@/users.txt\n"
	    "auth_hba_file = @DIR@/hba.conf\n%s" DB, settings);
	char path[320];

	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	fx_write_file(path, USERS);
	snprintf(path, sizeof(path), "%s/hba.conf", p->dir);
	fx_write_file(path, "local all all trust\n"
	    "host all v all scram-sha-256\nhost all all all password\n");
	pooler_launch(p);
	return p;
}

/* By the Unix socket, which no limit bounds. */
static PGconn *
boss(const struct pooler *p)
{
	return client_open("host=%s user=admin dbname=pgbouncer", p->dir);
}

/* One cell of SHOW SOURCES. */
static long
source(const struct pooler *p, const char *name, const char *column)
{
	PGconn *c = boss(p);
	PGresult *r = PQexec(c, "SHOW SOURCES");
	long n = -1;

	ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
	for (int i = 0; i < PQntuples(r); i++)
		if (strcmp(PQgetvalue(r, i, 1), name) == 0)
			n = atol(PQgetvalue(r, i, PQfnumber(r, column)));
	PQclear(r);
	PQfinish(c);
	return n;
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

static bool
gets_in(const char *info)
{
	PGconn *c = client_try("%s", info);
	bool ok = PQstatus(c) == CONNECTION_OK;

	PQfinish(c);
	return ok;
}

/* A login up to where the password is asked for. */
static struct raw *
half_way(const struct pooler *p, const char *user)
{
	struct raw *r = raw_connect(p->port);
	struct pkt k = { 0 };

	pkt_startup(&k, user, "app");
	raw_put(r, &k);
	ck_assert_int_eq(raw_next(r, 5000).type, 'R');
	return r;
}

static void
send_password(struct raw *r, const char *password)
{
	struct pkt k = { 0 };

	pkt_password(&k, password);
	raw_put(r, &k);
}

/* --- who knocks too often --- */

START_TEST (connections_of_an_address_are_bounded) {
	struct pooler *p = start("max_source_connections = 3\n");
	struct raw *idle[20];
	PGconn *c[3];
	int dropped = 0;

	for (int i = 0; i < 3; i++)
		c[i] = client_open("user=u password=pw");
	is_refused("user=u password=pw", "too many connections from this "
	    "address (max_source_connections)");
	PQfinish(client_open("host=%s user=u", p->dir));
	WAIT_UNTIL(source(p, "127.0.0.1", "connections") == 3, 5000);
	/* Those that say nothing are not kept for ever more. */
	for (int i = 0; i < 20; i++)
		idle[i] = raw_connect(p->port);
	WAIT_UNTIL(source(p, "dropped without a word", "refused") == 17, 5000);
	for (int i = 0; i < 20; i++)
		if (raw_ready(idle[i], 0))
			dropped++;
	ck_assert_int_eq(dropped, 17);
	for (int i = 0; i < 20; i++)
		raw_close(idle[i]);
	PQfinish(c[0]);
	WAIT_UNTIL(source(p, "127.0.0.1", "connections") == 2, 5000);
	ck_assert(gets_in("user=u password=pw"));
	ck_assert_int_ge(source(p, "max_source_connections", "refused"), 21);
	PQfinish(c[1]);
	PQfinish(c[2]);
	WAIT_UNTIL(source(p, "127.0.0.1", "connections") <= 0, 5000);
}
END_TEST

START_TEST (connections_of_an_address_come_at_a_rate) {
	struct pooler *p = start("max_source_rate = 5\n");
	int in = 0, told = 0;

	/* How many before it depends on how long they take. */
	for (int i = 0; i < 100 && told == 0; i++) {
		PGconn *c = client_try("user=u password=pw");

		in += PQstatus(c) == CONNECTION_OK;
		told += strstr(PQerrorMessage(c), "max_source_rate") != NULL;
		ck_assert_int_eq(in + told, i + 1);
		PQfinish(c);
	}
	ck_assert_int_ge(in, 3);
	ck_assert_int_eq(told, 1);
	WAIT_UNTIL(gets_in("user=u password=pw"), 5000);
	ck_assert_int_ge(source(p, "max_source_rate, max_user_rate",
	    "refused"), told);
}
END_TEST

START_TEST (logins_of_a_user_come_at_a_rate) {
	start("max_user_rate = 3\n");
	for (int i = 0; i < 3; i++)
		ck_assert(gets_in("user=u password=pw"));
	/* With a slow machine a fourth is no wonder; ten are. */
	for (int i = 0; i < 10 && gets_in("user=u password=pw"); i++)
		ck_assert_int_lt(i, 9);
	ck_assert(gets_in("user=v password=pw"));
	WAIT_UNTIL(gets_in("user=u password=pw"), 5000);
}
END_TEST

/* The address that a balancer tells is the one that counts. */
START_TEST (limits_go_by_the_real_address) {
	struct pooler *p = start("max_source_connections = 1\n"
	    "proxy_protocol_networks = 127.0.0.1\n");
	static const char *const from[] = { "10.0.0.1", "10.0.0.2",
		"10.0.0.1" };
	struct raw *r[3];
	struct msg m;

	for (int i = 0; i < 3; i++) {
		struct pkt k = { 0 };
		char line[80];

		r[i] = raw_connect(p->port);
		snprintf(line, sizeof(line), "PROXY TCP4 %s 10.9.9.9 1 2\r\n",
		    from[i]);
		pkt_raw(&k, line, strlen(line));
		pkt_startup(&k, "u", "app");
		raw_put(r[i], &k);
		m = raw_next(r[i], 5000);
		ck_assert_int_eq(m.type, i < 2 ? 'R' : 'E');
	}
	ck_assert_str_eq(msg_field(&m, 'C'), "53300");
	WAIT_UNTIL(source(p, "10.0.0.2", "connections") == 1, 5000);
	ck_assert_int_eq(source(p, "127.0.0.1", "connections"), -1);
	for (int i = 0; i < 3; i++)
		raw_close(r[i]);
}
END_TEST

/* --- who guesses --- */

START_TEST (failed_logins_have_to_wait) {
	static const char *const users[] = { "u", "v" };
	char wrong[60], right[60];
	struct pooler *p = start("auth_fail_max = 3\nauth_fail_backoff = 2\n");
	PGconn *in = client_open("host=%s user=u", p->dir);

	snprintf(wrong, sizeof(wrong), "user=%s password=no", users[_i]);
	snprintf(right, sizeof(right), "user=%s password=pw", users[_i]);
	for (int i = 0; i < 3; i++)
		is_refused(wrong, "authentication failed");
	is_refused(right, "too many failed logins, try again later");
	is_refused("user=ghost password=no",
	    "too many failed logins, try again later");
	/* Who is in is in. */
	ck_assert_str_eq(sql_text(in, "SELECT 1"), "1");
	ck_assert_int_eq(source(p, "failed logins", "refused"), 3);
	WAIT_UNTIL(gets_in(right), 10000);
	PQfinish(in);
}
END_TEST

/* Those who were under way when the limit was reached learn nothing: neither
 * that they were right, nor that they were wrong. */
START_TEST (guesses_at_once_are_worth_no_more) {
	struct pooler *p = start("auth_fail_max = 3\nauth_fail_backoff = 60\n");
	struct raw *r[20];
	int wrong = 0, late = 0;

	for (int i = 0; i < 20; i++)
		r[i] = half_way(p, "u");
	for (int i = 0; i < 19; i++)
		send_password(r[i], "no");
	for (int i = 0; i < 20; i++) {
		struct msg m;

		if (i == 19)
			send_password(r[i], "pw");
		m = raw_next(r[i], 5000);
		ck_assert_int_eq(m.type, 'E');
		wrong += strcmp(msg_field(&m, 'C'), "28P01") == 0;
		late += strcmp(msg_field(&m, 'C'), "28000") == 0;
	}
	ck_assert_int_eq(wrong, 3);
	ck_assert_int_eq(late, 17);
	for (int i = 0; i < 20; i++)
		raw_close(r[i]);
}
END_TEST

START_TEST (answer_to_a_failed_login_can_be_held_back) {
	struct pooler *p = start("auth_fail_delay = 0.7\n");
	struct raw *r[5], *gone;
	int64_t from;

	from = fx_now_ms();
	is_refused("user=v password=no", "SASL authentication failed");
	ck_assert_int_ge(fx_now_ms() - from, 700);
	/* All at once wait at the same time, and hold up nobody else. */
	gone = half_way(p, "u");
	send_password(gone, "no");
	raw_close(gone);
	from = fx_now_ms();
	for (int i = 0; i < 5; i++) {
		r[i] = half_way(p, "u");
		send_password(r[i], "no");
	}
	ck_assert(gets_in("user=u password=pw"));
	ck_assert(!raw_ready(r[0], 0) || fx_now_ms() - from >= 700);
	for (int i = 0; i < 5; i++) {
		struct msg m = raw_next(r[i], 5000);

		ck_assert_int_eq(m.type, 'E');
		ck_assert_str_eq(msg_field(&m, 'C'), "28P01");
		ck_assert_int_ge(fx_now_ms() - from, 700);
		raw_close(r[i]);
	}
}
END_TEST

/* What is said while the answer is held back is not listened to. */
START_TEST (second_guess_is_not_heard) {
	struct pooler *p = start("auth_fail_delay = 0.3\n");
	struct raw *r = half_way(p, "u");

	send_password(r, "no");
	send_password(r, "pw");
	ck_assert_str_eq(raw_types_to_end(r, 5000), "E");
	raw_close(r);
}
END_TEST

/* --- what SHOW says of it --- */

START_TEST (show_hba_lists_the_rules) {
	struct pooler *p = start("");
	PGconn *c = boss(p);
	PGresult *r = PQexec(c, "SHOW HBA");

	ck_assert_int_eq(PQntuples(r), 3);
	ck_assert_str_eq(PQgetvalue(r, 1, PQfnumber(r, "type")), "host");
	ck_assert_str_eq(PQgetvalue(r, 1, PQfnumber(r, "user")), "v");
	ck_assert_str_eq(PQgetvalue(r, 1, PQfnumber(r, "address")), "all");
	ck_assert_str_eq(PQgetvalue(r, 1, PQfnumber(r, "method")),
	    "scram-sha-256");
	ck_assert_str_eq(PQgetvalue(r, 1, PQfnumber(r, "line")), "2");
	PQclear(r);
	PQfinish(c);
}
END_TEST

/* --- what strangers can do --- */

/* Announced is not sent: nothing is set aside for it. */
START_TEST (announced_sizes_reserve_no_memory) {
	struct pooler *p = start("max_login_conn = 1000\n");
	struct raw *r[200];
	long before;

	PQfinish(client_open("user=u password=pw"));
	before = pooler_rss_kb(p);
	for (int i = 0; i < 200; i++) {
		struct pkt k = { 0 };

		r[i] = half_way(p, "u");
		/* The most that a password message may have, but for a byte;
		 * of it comes the head. */
		pkt_u8(&k, 'p');
		pkt_i32(&k, 65534);
		pkt_u8(&k, 'x');
		raw_put(r[i], &k);
	}
	ck_assert(gets_in("user=u password=pw"));
	if (!fx_sanitized())
		ck_assert_int_lt(pooler_rss_kb(p) - before, 200 * 16);
	for (int i = 0; i < 200; i++)
		raw_close(r[i]);
	/* What is more than PostgreSQL would take is refused by its head. */
	for (int i = 0; i < 3; i++) {
		static const uint32_t sizes[] = { 65537, 0x7fffffff,
			0xffffffff };
		struct raw *s = half_way(p, "u");
		struct pkt k = { 0 };

		pkt_u8(&k, 'p');
		pkt_i32(&k, sizes[i]);
		raw_put(s, &k);
		ck_assert_str_eq(raw_types_to_end(s, 5000), "E");
		raw_close(s);
	}
}
END_TEST

/* Lengths inside a SASL message that point past its end, or far away. */
START_TEST (lengths_inside_sasl_messages_are_checked) {
	static const uint32_t sizes[] = { 0x7fffffff, 0x80000000, 0xfffffffe,
		0xffffffff, 32, 30, 0 };
	struct pooler *p = start("");
	struct raw *bystander = half_way(p, "u");

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct raw *r = half_way(p, "v");
		struct pkt k = { 0 };
		struct msg m;

		pkt_begin(&k, 'p');
		pkt_str(&k, "SCRAM-SHA-256");
		pkt_i32(&k, sizes[i]);
		pkt_raw(&k, "n,,n=,r=abcdefghijklmnopqrstuvw", 31);
		pkt_end(&k);
		raw_put(r, &k);
		m = raw_next(r, 5000);
		ck_assert_msg(m.type == 'E', "size %u", sizes[i]);
		raw_close(r);
	}
	/* Those beside it have noticed nothing. */
	send_password(bystander, "pw");
	raw_until(bystander, 'Z', 5000);
	raw_close(bystander);
}
END_TEST

/* An overlong name, or one of odd bytes, is a name that is not there. */
START_TEST (names_of_any_bytes_are_only_names) {
	char longest[128], odd[126], format[] = "%s%n%s%n";
	const char *names[3] = { longest, odd, format };
	struct pooler *p = start("");
	char *log, *line;

	memset(longest, 'x', sizeof(longest) - 1);
	longest[127] = '\0';
	for (size_t i = 0; i < sizeof(odd) - 1; i++)
		odd[i] = (char)(i < 31 ? i + 1 : i + 127);
	odd[sizeof(odd) - 1] = '\0';
	for (int i = 0; i < 9; i++) {
		struct raw *r = raw_connect(p->port);
		struct pkt k = { 0 };
		struct msg m;

		pkt_startup(&k, i < 3 ? "u" : names[i % 3],
		    i >= 3 && i < 6 ? "app" : names[i % 3]);
		raw_put(r, &k);
		ck_assert_int_eq(raw_next(r, 5000).type, 'R');
		send_password(r, "pw");
		m = raw_next(r, 5000);
		ck_assert_int_eq(m.type, 'E');
		ck_assert_str_eq(msg_field(&m, 'C'), i < 3 ? "3D000" :
		    "28P01");
		raw_close(r);
	}
	/* No name can begin a line of the log. */
	ck_assert(gets_in("user=u password=pw"));
	WAIT_UNTIL(pooler_logged(p, "login attempt: db=app user=u"), 5000);
	log = pooler_log(p);
	for (line = log; *line; line += strcspn(line, "\n"), line += *line != 0)
		ck_assert_msg(strncmp(line, "20", 2) == 0 || line[0] == '\t' ||
		    line[0] == '\n', "%.60s", line);
	free(log);
}
END_TEST

/* Neither a failed login nor an unknown name leaves anything behind. */
START_TEST (strangers_make_no_databases_and_no_users) {
	struct pooler *p = start("");
	char info[200];
	PGconn *c;
	PGresult *r;

	pooler_rewrite(p, "auth_type = hba\nauth_file = @DIR@/users.txt\n"
	    "auth_hba_file = @DIR@/hba.conf\n[databases]\n"
	    "* = host=127.0.0.1 port=@PGPORT@ user=alice\n");
	c = boss(p);
	sql_ok(c, "RELOAD");
	for (int i = 0; i < 30; i++) {
		snprintf(info, sizeof(info), "user=%s password=no "
		    "dbname=auto%d", i % 2 ? "ghost" : "u", i);
		is_refused(info, "authentication failed");
	}
	r = PQexec(c, "SHOW DATABASES");
	for (int i = 0; i < PQntuples(r); i++)
		ck_assert_ptr_null(strstr(PQgetvalue(r, i, 0), "auto"));
	PQclear(r);
	r = PQexec(c, "SHOW USERS");
	for (int i = 0; i < PQntuples(r); i++)
		ck_assert_ptr_null(strstr(PQgetvalue(r, i, 0), "ghost"));
	PQclear(r);
	PQfinish(c);
}
END_TEST

/* --- what is never shown --- */

START_TEST (no_table_shows_a_secret) {
	static const char *const tables[] = { "CONFIG", "DATABASES", "USERS",
		"CLIENTS", "SERVERS", "POOLS", "SOCKETS", "ACTIVE_SOCKETS",
		"FDS", "MEM", "LISTS", "HBA", "SOURCES", "PEERS", "STATE",
		"VERSION", "DNS_HOSTS", "STATS" };
	struct pooler *p = pooler_prepare("auth_type = plain\n"
	    "auth_file = @DIR@/users.txt\n[databases]\n"
	    "app = host=127.0.0.1 port=@PGPORT@ user=clear "
	    "password=clear-pw\n");
	char path[320], *out;
	PGconn *in, *c;

	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	fx_write_file(path, "\"u\" \"sesame\"\n\"admin\" \"x\"\n");
	pooler_launch(p);
	in = client_open("user=u password=sesame");
	sql_ok(in, "SELECT 1");
	c = client_open("user=admin password=x dbname=pgbouncer");
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		char sql[60];
		PGresult *r;

		snprintf(sql, sizeof(sql), "SHOW %s", tables[t]);
		r = PQexec(c, sql);
		ck_assert_msg(PQresultStatus(r) == PGRES_TUPLES_OK, "%s: %s",
		    sql, PQresultErrorMessage(r));
		for (int i = 0; i < PQntuples(r) * PQnfields(r); i++) {
			const char *cell = PQgetvalue(r, i / PQnfields(r),
			    i % PQnfields(r));

			ck_assert_msg(!strstr(cell, "sesame") &&
			    !strstr(cell, "clear-pw"), "%s", sql);
		}
		PQclear(r);
	}
	ck_assert_int_eq(fx_shell(&out, "%s --print-config %s", pooler_bin(),
	    p->ini), 0);
	ck_assert_ptr_null(strstr(out, "clear-pw"));
	ck_assert(!pooler_logged(p, "sesame") && !pooler_logged(p,
	    "clear-pw"));
	free(out);
	PQfinish(in);
	PQfinish(c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("security");

	FX_ADD(s, connections_of_an_address_are_bounded, 30);
	FX_ADD(s, connections_of_an_address_come_at_a_rate, 30);
	FX_ADD(s, logins_of_a_user_come_at_a_rate, 30);
	FX_ADD(s, limits_go_by_the_real_address, 20);
	FX_ADD_LOOP(s, failed_logins_have_to_wait, 30, 2);
	FX_ADD(s, guesses_at_once_are_worth_no_more, 20);
	FX_ADD(s, answer_to_a_failed_login_can_be_held_back, 20);
	FX_ADD(s, second_guess_is_not_heard, 20);
	FX_ADD(s, show_hba_lists_the_rules, 20);
	FX_ADD(s, announced_sizes_reserve_no_memory, 30);
	FX_ADD(s, lengths_inside_sasl_messages_are_checked, 20);
	FX_ADD(s, names_of_any_bytes_are_only_names, 20);
	FX_ADD(s, strangers_make_no_databases_and_no_users, 30);
	FX_ADD(s, no_table_shows_a_secret, 20);
	return fx_main(s);
}
