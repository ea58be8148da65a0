/*
 * pgbench, unchanged, in every protocol mode, with far more clients than
 * servers, and without one error.
 */
#include "fixture.h"
#include "sampler.h"

#include <stdlib.h>
#include <string.h>

static void
load_tables(void)
{
	char *out;
	int rc;

	if (sql_int(pg_direct("app"),
		"SELECT count(*) FROM pg_class WHERE "
		"relname = 'pgbench_accounts'") > 0)
		return;
	rc = fx_shell(&out, "%s/pgbench -i -q -s 2 -h %s -p %d -U alice app",
	    pg_bindir(), pg_socket_dir(), pg_port());
	ck_assert_msg(rc == 0, "%s", out);
	free(out);
}

static void
bench(const char *args)
{
	char *out;
	const char *done;
	int rc;

	rc = fx_shell(&out,
	    "%s/pgbench -n -j 2 %s -h 127.0.0.1 -p %d -U alice "
	    "app",
	    pg_bindir(), args, pooler_current()->port);
	ck_assert_msg(rc == 0, "pgbench %s: status %d\n%s", args, rc, out);
	ck_assert_msg(strstr(out, "number of failed transactions: 0 ") != NULL,
	    "%s", out);
	done = strstr(out, "actually processed: ");
	ck_assert_msg(done != NULL && atol(done + 20) > 0, "%s", out);
	free(out);
}

START_TEST (two_hundred_clients_on_five_servers) {
	static const char *const args[] = { "-S -c 200 -t 100",
		"-S -M extended -c 200 -t 100", "-c 200 -t 10",
		"-N -M extended -c 200 -t 10", "-S -c 200 -t 2 -C" };
	struct sampler *s;

	load_tables();
	pooler_start("default_pool_size = 5\nworker_threads = 2\n");
	s = sampler_start("true");
	bench(args[_i]);
	ck_assert_int_le(sampler_max(s), 5);
	ck_assert_int_ge(sampler_stop(s), 1);
}
END_TEST

START_TEST (twenty_clients_in_session_mode) {
	static const char *const args[] = { "-S -c 20 -t 500",
		"-S -M prepared -c 20 -t 500", "-c 20 -t 50",
		"-S -c 20 -t 30 -C", "-M prepared -c 20 -t 20 -C" };
	struct sampler *s;

	load_tables();
	pooler_start("pool_mode = session\ndefault_pool_size = 20\n"
		     "worker_threads = 2\n");
	s = sampler_start("true");
	bench(args[_i]);
	ck_assert_int_le(sampler_stop(s), 20);
}
END_TEST

START_TEST (one_to_four_workers) {
	static const int workers[] = { 1, 2, 4 };

	load_tables();
	pooler_start("default_pool_size = 5\nworker_threads = %d\n",
	    workers[_i]);
	bench("-c 50 -t 20 -M extended");
	/* Every delta of the history is in the accounts, once. */
	ck_assert_int_eq(sql_int(pg_direct("app"),
			     "SELECT sum(abalance) - (SELECT sum(delta) "
			     "FROM pgbench_history) FROM pgbench_accounts"),
	    0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pgbench");

	FX_ADD_LOOP(s, two_hundred_clients_on_five_servers, 90, 5);
	FX_ADD_LOOP(s, twenty_clients_in_session_mode, 60, 5);
	FX_ADD_LOOP(s, one_to_four_workers, 60, 3);
	return fx_main(s);
}
