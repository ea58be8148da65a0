/*
 * In the place of a PgBouncer: the console of the one that is installed here
 * side by side with ours, and its files.
 *
 * What differs is printed, and has to stand in a table below with its reason:
 * the installed one is older than what this program follows (1.25). Where none
 * is installed (Debian: pgbouncer) the tests that need it say so and pass.
 */
#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHIPPED "/etc/pgbouncer/pgbouncer.ini"

static const char *
pgbouncer(void)
{
	static const char *const places[] = { "/usr/sbin/pgbouncer",
		"/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	printf("no pgbouncer here: not compared\n");
	return NULL;
}

static void
be_quiet(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

static PGconn *
console_of(const struct pooler *p)
{
	char info[100];
	PGconn *c;

	snprintf(info, sizeof(info), "host=127.0.0.1 port=%d user=admin "
	    "dbname=pgbouncer", p->port);
	c = PQconnectdb(info);
	ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s", PQerrorMessage(c));
	PQsetNoticeProcessor(c, be_quiet, NULL);
	return c;
}

static struct pooler *
start_pgbouncer(void)
{
	struct pooler *p = pooler_prepare(" ");
	char *argv[] = { (char *)pgbouncer(), p->ini, NULL };
	char ini[1500];

	snprintf(ini, sizeof(ini), "[databases]\napp = host=127.0.0.1 port=%d\n"
	    "[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n"
	    "unix_socket_dir =\nauth_type = trust\nauth_file = %s/users.txt\n"
	    "admin_users = admin\nstats_users = stat\n"
	    "pool_mode = transaction\n", pg_port(), p->port, fx_dir());
	fx_write_file(p->ini, ini);
	p->pid = fx_spawn(p->log, true, argv);
	WAIT_UNTIL(pooler_is_up(p), 10000);
	return p;
}

/* It ends with a status of its own. */
static void
end_pgbouncer(struct pooler *p)
{
	kill(p->pid, SIGINT);
	fx_wait_exit(p->pid, 10000);
	p->pid = 0;
}

static struct pooler *
start_ours(void)
{
	return pooler_start("pgbouncer_sqlstates = 1\nworker_threads = 2\n"
			    "[databases]\napp = host=127.0.0.1 port=%d\n",
	    pg_port());
}

/* --- what is asked on both --- */

struct known {
	const char *command;
	const char *why;
};

/* Why an answer differs from the one of an older version. */
static const struct known known[] = {
	{ "SHOW DATABASES", "reserve_pool is reserve_pool_size since 1.23" },
	{ "SET listen_port = 1",
	    "what cannot be changed while it runs is an error here" },
	{ "ENABLE pgbouncer", "the newest says cannot enable too" },
};

static const char *
reason_for(const char *command)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].command, command) == 0)
			return known[i].why;
	return NULL;
}

/* The answer as a line: how it ended, and with which words. */
static void
outcome(PGconn *c, const char *command, char *out, size_t size)
{
	PGresult *r = PQexec(c, command);

	switch (PQresultStatus(r)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
		snprintf(out, size, "%s", PQcmdStatus(r));
		break;
	case PGRES_EMPTY_QUERY:
		snprintf(out, size, "(empty)");
		break;
	case PGRES_FATAL_ERROR:
		snprintf(out, size, "%s %s %s", error_field(r,
		    PG_DIAG_SEVERITY), error_field(r, PG_DIAG_SQLSTATE),
		    error_field(r, PG_DIAG_MESSAGE_PRIMARY));
		break;
	case PGRES_COPY_OUT:
	case PGRES_COPY_IN:
	case PGRES_BAD_RESPONSE:
	case PGRES_NONFATAL_ERROR:
	case PGRES_COPY_BOTH:
	case PGRES_SINGLE_TUPLE:
	case PGRES_PIPELINE_SYNC:
	case PGRES_PIPELINE_ABORTED:
		snprintf(out, size, "?");
		break;
	}
	PQclear(r);
}

/* Every column of theirs, in their order, is one of ours with its type. */
static bool
has_columns(PGconn *theirs, PGconn *ours, const char *command, char *why,
    size_t size)
{
	PGresult *a = PQexec(theirs, command), *b = PQexec(ours, command);
	int at = -1;
	bool same = true;

	why[0] = '\0';
	for (int i = 0; i < PQnfields(a) && same; i++) {
		const char *name = PQfname(a, i);
		int col = PQfnumber(b, name);

		same = col > at && PQftype(a, i) == PQftype(b, col);
		if (col < 0)
			snprintf(why, size, "no column %s", name);
		else if (col < at)
			snprintf(why, size, "%s stands elsewhere", name);
		else if (!same)
			snprintf(why, size, "type of %s is %u, not %u", name,
			    PQftype(b, col), PQftype(a, i));
		at = col;
	}
	PQclear(a);
	PQclear(b);
	return same;
}

static const char *const asked[] = { "SHOW CLIENTS", "SHOW CONFIG",
	"SHOW DATABASES", "SHOW DNS_HOSTS", "SHOW DNS_ZONES", "SHOW FDS",
	"SHOW LISTS", "SHOW MEM", "SHOW POOLS", "SHOW SERVERS", "SHOW SOCKETS",
	"SHOW ACTIVE_SOCKETS", "SHOW STATS", "SHOW STATS_AVERAGES",
	"SHOW STATS_TOTALS", "SHOW TOTALS", "SHOW USERS", "SHOW VERSION",
	"SHOW HELP", "SHOW", "show version", "Select Version", "SHOW VERSION;",
	"  SHOW  VERSION ; ", "SHOW VERSION; SHOW VERSION", "SHOW VERSION X",
	"SHOW NOTHING", "SHOW \"VERSION\"", "SHOW 1", "", ";", " ", "FROB",
	"FROB app", "'", "\"", "SHOW '", "SHOW \"", "SHOW client_encoding",
	"SHOW default_transaction_isolation", "SHOW standard_conforming_strings",
	"SHOW datestyle", "SHOW timezone", "SHOW TimeZone",
	"SET client_encoding = utf8", "SET datestyle = 'ISO'",
	"SET timezone TO 'CET'", "SET", "SET x", "SET x =", "SET x = ",
	"SET nothing = 1", "SET pool_mode = frob", "SET max_client_conn = x",
	"SET max_client_conn = '100'", "SET max_client_conn TO 100",
	"SET server_lifetime = '0.5'", "SET server_lifetime = 0.5",
	"SET server_lifetime = -1", "SET listen_port = 1",
	"SET default_pool_size = 20", "SET log_connections=1",
	"SET verbose = 0", "RELOAD", "RELOAD x", "reload;", "SUSPEND x",
	"SHUTDOWN x", "PAUSE nothing", "PAUSE pgbouncer", "PAUSE app",
	"PAUSE app", "RESUME app", "RESUME app", "RESUME nothing",
	"RESUME pgbouncer", "RESUME", "PAUSE", "PAUSE", "SUSPEND", "KILL",
	"KILL app", "RESUME", "RESUME app", "DISABLE", "DISABLE nothing",
	"DISABLE pgbouncer", "DISABLE app", "DISABLE app", "ENABLE",
	"ENABLE nothing", "ENABLE pgbouncer", "ENABLE app", "ENABLE app",
	"RECONNECT", "RECONNECT app", "RECONNECT nothing",
	"RECONNECT pgbouncer", "WAIT_CLOSE", "WAIT_CLOSE app",
	"WAIT_CLOSE nothing", "WAIT_CLOSE pgbouncer", "KILL nothing",
	"KILL pgbouncer", "KILL app", "RESUME app", "PAUSE app app",
	"PAUSE app, app", "PAUSE 'app'", "PAUSE \"app\"", "RESUME \"app\"",
	"PAUSE \"no\"\"such\"",
	"PAUSE 0123456789012345678901234567890123456789012345678901234567890123"
	"456789", "ABCDEFGHIJKLMNOPQRSTUVW", "SUSPEND", "SUSPEND", "PAUSE",
	"RESUME", "RESUME" };

/* One thing of each; false where they differ and no reason is known. */
static bool
is_alike(PGconn *theirs, PGconn *ours, const char *command)
{
	const char *why = reason_for(command);
	char a[500], b[500], note[200];
	bool same;

	outcome(theirs, command, a, sizeof(a));
	outcome(ours, command, b, sizeof(b));
	same = strcmp(a, b) == 0;
	if (same && strncmp(b, "SHOW", 4) == 0)
		same = has_columns(theirs, ours, command, note, sizeof(note));
	else
		snprintf(note, sizeof(note), "%.80s | ours: %.80s", a, b);
	if (same)
		printf("same     %-30.60s %s\n", command, b);
	else
		printf("differs  %-30.60s %s (%s)\n", command, note,
		    why != NULL ? why : "WHY?");
	return same || why != NULL;
}

START_TEST (console_answers_as_the_one_that_is_installed) {
	struct pooler *other;
	PGconn *theirs, *ours;
	int bad = 0;

	if (pgbouncer() == NULL)
		return;
	other = start_pgbouncer();
	theirs = console_of(other);
	ours = console_of(start_ours());
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
		bad += !is_alike(theirs, ours, asked[i]);
	ck_assert_int_eq(bad, 0);
	PQfinish(theirs);
	PQfinish(ours);
	end_pgbouncer(other);
}
END_TEST

/* --- its files --- */

/* text with every a replaced; text is freed. */
static char *
replaced(char *text, const char *a, const char *b)
{
	char *out = calloc(1, strlen(text) * (strlen(b) + 1) + 1), *to = out;
	const char *p = text, *at;

	while ((at = strstr(p, a)) != NULL) {
		to = mempcpy(to, p, (size_t)(at - p));
		to = mempcpy(to, b, strlen(b));
		p = at + strlen(a);
	}
	strcpy(to, p);
	free(text);
	return out;
}

/* As Debian ships it, full of comments; only the places are others, where a
 * test may write. */
START_TEST (shipped_ini_runs) {
	struct pooler *p = pooler_prepare(" ");
	char *argv[] = { (char *)pooler_bin(), p->ini, NULL };
	char *text = fx_read_file(SHIPPED), port[10], list[300];
	PGconn *c;

	if (text[0] == '\0') {
		printf("no %s that can be read: not tried\n", SHIPPED);
		free(text);
		return;
	}
	snprintf(list, sizeof(list), "%s/userlist.txt", p->dir);
	fx_write_file(list, "\"marie\" \"secret\"\n");
	snprintf(port, sizeof(port), "%d", p->port);
	text = replaced(text, "/var/log/postgresql", p->dir);
	text = replaced(text, "/var/run/postgresql", p->dir);
	text = replaced(text, "/etc/pgbouncer/userlist.txt", list);
	text = replaced(text, "6432", port);
	fx_write_file(p->ini, text);
	free(text);
	p->pid = fx_spawn(p->log, true, argv);
	WAIT_UNTIL(pooler_is_up(p), 10000);
	pooler_use(p);
	c = client_try("user=marie password=secret dbname=nothing");
	ck_assert_ptr_nonnull(strstr(PQerrorMessage(c), "no such database"));
	PQfinish(c);
	ck_assert(!pooler_logged(p, " ERROR "));
	ck_assert(!pooler_logged(p, "has no effect"));
	pooler_stop(p);
}
END_TEST

/* What differs from one process to the next. */
static bool
is_own(const char *key)
{
	static const char *const own[] = { "listen_addr", "listen_port",
		"unix_socket_dir", "auth_file", "admin_users", "stats_users",
		"conffile", "logfile", "pidfile", "user", "job_name",
		"service_name" };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strcmp(own[i], key) == 0)
			return true;
	return false;
}

/* Every key that it has, with the value that it shows. */
static char *
every_key(PGconn *theirs)
{
	PGresult *r = PQexec(theirs, "SHOW CONFIG");
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ck_assert_int_gt(PQntuples(r), 80);
	for (int i = 0; i < PQntuples(r); i++) {
		const char *key = PQgetvalue(r, i, 0);
		const char *value = PQgetvalue(r, i, 1);

		if (!is_own(key) && !PQgetisnull(r, i, 1))
			fprintf(out, "%s = %s\n", key, value);
	}
	fclose(out);
	PQclear(r);
	return text;
}

START_TEST (every_key_of_theirs_is_taken_and_shown_alike) {
	struct pooler *other;
	PGconn *theirs;
	PGresult *r;
	char *text, key[100];
	int bad = 0;

	if (pgbouncer() == NULL)
		return;
	other = start_pgbouncer();
	theirs = console_of(other);
	text = every_key(theirs);
	pooler_start("%s", text);
	r = PQexec(theirs, "SHOW CONFIG");
	for (int i = 0; i < PQntuples(r); i++) {
		const char *value = PQgetvalue(r, i, 1), *ours;

		snprintf(key, sizeof(key), "key=%s", PQgetvalue(r, i, 0));
		ck_assert_msg(show_rows("CONFIG", key) == 1, "no %s", key);
		ours = show_text("CONFIG", key, "value");
		if (is_own(key + 4) || strcmp(ours, value) == 0)
			continue;
		printf("differs  %s: \"%s\", ours \"%s\"\n", key, value, ours);
		bad++;
	}
	ck_assert_int_eq(bad, 0);
	PQclear(r);
	free(text);
	PQfinish(theirs);
	end_pgbouncer(other);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("swap");

	FX_ADD(s, console_answers_as_the_one_that_is_installed, 60);
	FX_ADD(s, shipped_ini_runs, 30);
	FX_ADD(s, every_key_of_theirs_is_taken_and_shown_alike, 30);
	return fx_main(s);
}
