/*
 * The matrix of secrets: each kind, from each place, for each use. A cell works
 * or gives the error that is written here; the table is printed.
 *
 *	kinds	plain, md5 hash, SCRAM verifier, SCRAM verifier with the keys of
 *		a client that has just proven itself by SCRAM
 *	places	auth_file, auth_query
 *	uses	clients prove themselves (by each auth_type); the pooler logs in
 *		to the server (which asks in each way); auth_user's own login
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { PLAIN, MD5, SCRAM, KEYS, N_KINDS };
static const char *const kinds[] = { "plain", "md5", "scram", "keys" };
static const char *const places[] = { "auth_file", "auth_query" };

#define WORKS "works"
#define PW "password authentication failed"
#define SASL "SASL authentication failed"
#define TYPE "server login failed: wrong password type"
#define CONFIG "bouncer config error"

/* What a server asks for, and who is asked so. */
static const char *const asked[] = { "scram", "md5", "clear" };
static const char *const roles[] = { "scrammer", "md5er", "clear" };
static const char *const auth_types[] = { "plain", "md5", "scram-sha-256" };

/* A role's password is its name and "-pw". */
static void
secret_of(const char *role, enum kind k, char out[300])
{
	switch (k) {
	case PLAIN:
		snprintf(out, 300, "%s-pw", role);
		break;
	case MD5:
		snprintf(out, 300, "%s", pg_text("SELECT 'md5' || md5('%s-pw' "
						 "|| '%s')", role, role));
		break;
	case SCRAM:
	case KEYS:
		/* The server's own, so that a client's keys fit there; of the
		 * other roles one that is made for it. */
		pg_exec("SET client_min_messages = warning;"
			"SET password_encryption = 'scram-sha-256';"
			"DROP ROLE IF EXISTS made; CREATE ROLE made PASSWORD "
			"'%s-pw'", role);
		snprintf(out, 300, "%s", pg_text("SELECT rolpassword FROM "
		    "pg_authid WHERE rolname = '%s'",
		    strcmp(role, "scrammer") == 0 ? role : "made"));
		break;
	case N_KINDS:
		break;
	}
}

/* asker asks the server by trust, so that its own login is no part of it. */
static struct pooler *
start_with(const char *auth_type, int place, const char *role,
    const char *secret)
{
	char more[900], list[600], path[300];
	struct pooler *p;

	pg_exec("SET client_min_messages = warning;"
		"DROP ROLE IF EXISTS asker; CREATE ROLE asker LOGIN");
	snprintf(more, sizeof(more), "auth_user = asker\nauth_query = SELECT "
	    "$1::text, '%s' WHERE $1 = '%s'\n", secret, role);
	p = pooler_prepare("auth_type = %s\nauth_file = @DIR@/users.txt\n%s",
	    auth_type, place == 1 ? more : "");
	snprintf(list, sizeof(list), "\"admin\" \"admin-pw\"\n");
	if (place == 0)
		snprintf(list + strlen(list), sizeof(list) - strlen(list),
		    "\"%s\" \"%s\"\n", role, secret);
	snprintf(path, sizeof(path), "%s/users.txt", p->dir);
	fx_write_file(path, list);
	pooler_launch(p);
	return p;
}

/* "works", or what the client is told, in one line. */
static void
outcome(const char *role, char out[200])
{
	PGconn *c = client_try("user=%s password=%s-pw", role, role);
	const char *said = PQerrorMessage(c), *at;

	if (PQstatus(c) == CONNECTION_OK) {
		ck_assert_str_eq(sql_text(c, "SELECT current_user"), role);
		snprintf(out, 200, "%s", WORKS);
	} else {
		at = strstr(said, "FATAL:  ");
		at = at != NULL ? at + 8 : said;
		snprintf(out, 200, "%.*s", (int)strcspn(at, "\n"), at);
	}
	PQfinish(c);
}

static void
print_cell(const char *use, int place, enum kind k, const char *with,
    const char *got, const char *want)
{
	printf("%-9s %-10s %-6s %-14s %s\n", use, places[place], kinds[k],
	    with, got);
	fflush(stdout);
	ck_assert_msg(strcmp(got, want) == 0, "%s, %s, %s, %s: got \"%s\", not "
	    "\"%s\"", use, places[place], kinds[k], with, got, want);
}

START_TEST (clients_prove_themselves) {
	static const char *const want[N_KINDS][3] = {
		[PLAIN] = { WORKS, WORKS, WORKS },
		[MD5] = { WORKS, WORKS, SASL },
		[SCRAM] = { WORKS, WORKS, WORKS },
		[KEYS] = { WORKS, WORKS, WORKS },
	};
	int place = _i / N_KINDS;
	enum kind k = (enum kind)(_i % N_KINDS);
	char secret[300], got[200];

	/* The server trusts this one. */
	pg_exec("SET client_min_messages = warning;"
		"DROP ROLE IF EXISTS u; CREATE ROLE u LOGIN");
	secret_of("u", k, secret);
	for (int m = 0; m < 3; m++) {
		struct pooler *p = start_with(auth_types[m], place, "u",
		    secret);

		outcome("u", got);
		/* With the keys of the login before. */
		if (k == KEYS)
			outcome("u", got);
		print_cell("client", place, k, auth_types[m], got, want[k][m]);
		pooler_stop(p);
	}
}
END_TEST

START_TEST (the_pooler_logs_in_to_the_server) {
	static const char *const want[N_KINDS][3] = {
		[PLAIN] = { WORKS, WORKS, WORKS },
		[MD5] = { TYPE, WORKS, TYPE },
		[SCRAM] = { TYPE, TYPE, TYPE },
		[KEYS] = { WORKS, TYPE, TYPE },
	};
	int place = _i / N_KINDS;
	enum kind k = (enum kind)(_i % N_KINDS);
	char secret[300], got[200];

	for (int a = 0; a < 3; a++) {
		struct pooler *p;

		secret_of(roles[a], k, secret);
		p = start_with(k == KEYS ? "scram-sha-256" : "trust", place,
		    roles[a], secret);
		outcome(roles[a], got);
		print_cell("server", place, k, asked[a], got, want[k][a]);
		pooler_stop(p);
	}
}
END_TEST

/* Its secret stands in auth_file: who would look it up? */
START_TEST (auth_user_logs_in_to_the_server) {
	static const char *const want[N_KINDS][3] = {
		[PLAIN] = { WORKS, WORKS, WORKS },
		[MD5] = { CONFIG, WORKS, CONFIG },
		[SCRAM] = { CONFIG, CONFIG, CONFIG },
		[KEYS] = { WORKS, CONFIG, CONFIG },
	};
	int place = _i / N_KINDS;
	enum kind k = (enum kind)(_i % N_KINDS);

	pg_exec("SET client_min_messages = warning;"
		"DROP ROLE IF EXISTS u; CREATE ROLE u LOGIN");
	for (int a = 0; a < 3; a++) {
		char secret[300], list[500], path[300], got[200];
		const char *expected = place == 1 ? CONFIG : want[k][a];
		struct pooler *p;

		secret_of(roles[a], k, secret);
		p = pooler_prepare("auth_type = scram-sha-256\n"
		    "auth_file = @DIR@/users.txt\nauth_user = %s\n"
		    "auth_query = SELECT $1::text, CASE $1 WHEN 'u' THEN 'u-pw'"
		    " ELSE '%s' END\nserver_login_retry = 0.2\n", roles[a],
		    secret);
		snprintf(list, sizeof(list), "\"admin\" \"admin-pw\"\n");
		if (place == 0)
			snprintf(list, sizeof(list), "\"admin\" \"admin-pw\"\n"
			    "\"%s\" \"%s\"\n", roles[a], secret);
		snprintf(path, sizeof(path), "%s/users.txt", p->dir);
		fx_write_file(path, list);
		pooler_launch(p);
		/* auth_user itself comes as a client, and leaves its keys. */
		if (k == KEYS)
			outcome(roles[a], got);
		outcome("u", got);
		print_cell("auth_user", place, k, asked[a], got, expected);
		pooler_stop(p);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("matrix");

	setvbuf(stdout, NULL, _IOLBF, 0);
	FX_ADD_LOOP(s, clients_prove_themselves, 60, 2 * N_KINDS);
	FX_ADD_LOOP(s, the_pooler_logs_in_to_the_server, 60, 2 * N_KINDS);
	FX_ADD_LOOP(s, auth_user_logs_in_to_the_server, 60, 2 * N_KINDS);
	return fx_main(s);
}
