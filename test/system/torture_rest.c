/* What is left when everybody has gone home: nothing, but what was promised. */
#include "torture.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

long
backends(const char *cond)
{
	return pg_int("SELECT count(*) FROM pg_stat_activity WHERE "
		      "backend_type = 'client backend' AND "
		      "usename <> 'postgres' AND (%s)",
	    cond);
}

/* --- nobody waits, and nothing is held for anyone --- */

/* Sum over the pools of the databases that are tortured. */
static long
pools(const char *column)
{
	enum mode mode;
	char key[40];
	long sum = 0;

	for (mode = 0; mode < MODES; mode++) {
		snprintf(key, sizeof(key), "database=%s", mode_db[mode]);
		sum += show("POOLS", key, column);
	}
	return sum;
}

static bool
no_client_is_linked(void)
{
	return pools("cl_active") == 0;
}

static bool
no_client_waits(void)
{
	return pools("cl_waiting") == 0;
}

static bool
no_cancel_is_under_way(void)
{
	return pools("cl_active_cancel_req") == 0 &&
	    pools("cl_waiting_cancel_req") == 0 &&
	    pools("sv_active_cancel") == 0 && pools("sv_being_canceled") == 0;
}

static bool
no_server_is_busy(void)
{
	return pools("sv_active") == 0 && pools("sv_login") == 0 &&
	    pools("sv_tested") == 0;
}

/* Ourselves, on the console. */
static bool
one_client_is_left(void)
{
	return show_rows("CLIENTS", NULL) == 1 &&
	    show("LISTS", "list=used_clients", "items") <= 1 &&
	    show("LISTS", "list=login_clients", "items") == 0;
}

static bool
no_backend_is_busy(void)
{
	return backends("state <> 'idle'") == 0;
}

static bool
all_count_the_same_servers(void)
{
	long n = backends("true");

	return show_rows("SERVERS", NULL) == n &&
	    pools("sv_idle") + pools("sv_used") == n;
}

static const struct rule {
	const char *name;
	bool (*holds)(void);
} rules[] = {
#define RULE(name)          \
	{                   \
#name, name \
	}
	RULE(no_client_is_linked),
	RULE(no_client_waits),
	RULE(no_cancel_is_under_way),
	RULE(no_server_is_busy),
	RULE(one_client_is_left),
	RULE(no_backend_is_busy),
	RULE(all_count_the_same_servers),
#undef RULE
};

/* What the console and the server say, for whoever has to find out why. */
void
tell_all(void)
{
	static const char *const what[] = { "POOLS", "CLIENTS", "SERVERS" };
	PQprintOpt opt = { .header = 1, .align = 1, .fieldSep = (char *)"|" };
	PGresult *r;
	size_t i;

	for (i = 0; i < (trial.direct ? 0 : 3); i++) {
		r = console_query("SHOW %s", what[i]);
		PQprint(stderr, r, &opt);
		PQclear(r);
	}
	r = PQexec(pg_direct("postgres"),
	    "SELECT pid, datname, usename, state, application_name, "
	    "now() - state_change AS since, left(query, 60) AS query FROM "
	    "pg_stat_activity "
	    "WHERE backend_type = 'client backend'");
	PQprint(stderr, r, &opt);
	PQclear(r);
}

void
check_all_at_rest(void)
{
	int64_t until = fx_now_ms() + trial.grace_ms + 5000;
	size_t i;
	bool good;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		/* Servers grow old meanwhile: it has to hold once. */
		while (!(good = rules[i].holds()) && fx_now_ms() < until)
			fx_pause_ms(10);
		if (good)
			continue;
		trial_fail("all clients have gone, and not: %s", rules[i].name);
		tell_all();
		return;
	}
}

/* Open files of the pooler but for its connections to servers. */
int
open_files(const struct pooler *pooler)
{
	char path[64];
	struct dirent *e;
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pooler->pid);
	dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while ((e = readdir(dir)) != NULL)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n - show_rows("SERVERS", NULL);
}

/* --- what was promised --- */

static int
by_id(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Each row whose COMMIT was answered is there. */
static void
check_kept(enum mode mode, const int64_t *ids, size_t n)
{
	size_t have = 0, missing = 0;
	int64_t *found;
	PGresult *r;
	int i;

	r = PQexec(pg_direct(mode_db[mode]),
	    "SELECT id FROM torture_ledger ORDER BY id");
	ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
	found = calloc((size_t)PQntuples(r) + 1, sizeof(*found));
	ck_assert_ptr_nonnull(found);
	for (i = 0; i < PQntuples(r); i++)
		found[have++] = atoll(PQgetvalue(r, i, 0));
	PQclear(r);
	for (; n > 0; n--)
		if (bsearch(&ids[n - 1], found, have, sizeof(*found), by_id) ==
		    NULL)
			missing++;
	free(found);
	if (missing > 0)
		trial_fail("%zu committed rows are missing in %s", missing,
		    mode_db[mode]);
}

static long
ledger_count(enum mode mode, const char *cond)
{
	char sql[200];
	PGresult *r;
	long n;

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", cond);
	r = PQexec(pg_direct(mode_db[mode]), sql);
	ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
	n = atol(PQgetvalue(r, 0, 0));
	PQclear(r);
	return n;
}

void
check_promises(const struct peer *peers, int n)
{
	long never = 0, abandoned = 0, forgotten = 0;
	struct ledger all;
	enum mode mode;
	int i;
	size_t k;

	for (mode = 0; mode < MODES; mode++) {
		memset(&all, 0, sizeof(all));
		for (i = 0; i < n; i++)
			for (k = 0; k < peers[i].ledger[mode].n; k++)
				ledger_keep(&all,
				    peers[i].ledger[mode].kept[k]);
		check_kept(mode, all.kept, all.n);
		free(all.kept);
		never += ledger_count(mode, "torture_ledger WHERE promise = 0");
		forgotten += ledger_count(mode,
		    "torture_ledger WHERE promise = 2");
		abandoned += ledger_count(mode,
		    "torture_copy WHERE who = 'abandoned'");
	}
	if (never > 0)
		trial_fail("%ld rows are there that nobody committed", never);
	if (abandoned > 0)
		trial_fail("%ld lines of abandoned COPYs are there", abandoned);
	/* A killed server takes at most what one client had sent. */
	forgotten = atomic_load(&trial.forgotten) - forgotten;
	if (forgotten > atomic_load(&trial.killed))
		trial_fail("%ld of %ld sent whole before leaving are lost, "
			   "and only %ld servers were killed",
		    forgotten, atomic_load(&trial.forgotten),
		    atomic_load(&trial.killed));
	if (atomic_load(&trial.lost) > atomic_load(&trial.killed))
		trial_fail("%ld clients lost their connection, and only %ld "
			   "servers were killed",
		    atomic_load(&trial.lost), atomic_load(&trial.killed));
}
