/* The trials: how one is set up, and how what is left is judged. */
#include "torture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "fixture.h"

#define CLIENTS_MAX 1000
#define WATCHERS 3
/* Of the clients one in ten uses libpq. */
#define LIBPQ_SHARE 10
/* What a heap may still grow by once it has seen everything. */
#define GROWTH_MAX_KB 2048

struct trial trial;
const char *const mode_db[MODES] = { "app", "app2", "app3" };

static struct peer peers[CLIENTS_MAX];
static int n_clients;
static pthread_mutex_t failure_lock = PTHREAD_MUTEX_INITIALIZER;
static char first_failure[400];

/* --- failures, chance, promises --- */

void
trial_fail(const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&failure_lock);
	if (first_failure[0] == '\0')
		memcpy(first_failure, text, sizeof(text));
	/* The rest is mostly the consequence; a few dozen tell the story. */
	if (atomic_fetch_add(&trial.failures, 1) < 40)
		fprintf(stderr, "torture: %s\n", text);
	pthread_mutex_unlock(&failure_lock);
}

const char *
trial_first_failure(void)
{
	return first_failure[0] != '\0' ? first_failure : NULL;
}

/* Is the name one of a list with commas? */
static bool
listed(const char *list, const char *name)
{
	size_t len = strlen(name);
	const char *at = list;

	while (at != NULL && *at != '\0') {
		if (strncmp(at, name, len) == 0 &&
		    (at[len] == ',' || at[len] == '\0'))
			return true;
		at = strchr(at, ',');
		at += at != NULL;
	}
	return false;
}

bool
trial_wants(const char *name)
{
	const char *only = getenv("TORTURE_ONLY");
	const char *skip = getenv("TORTURE_SKIP");

	return (only == NULL || listed(only, name)) &&
	    (skip == NULL || !listed(skip, name));
}

/* splitmix64 */
static uint64_t
rng_next(struct rng *r)
{
	uint64_t z = (r->state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

uint32_t
rng_below(struct rng *r, uint32_t n)
{
	return n == 0 ? 0 : (uint32_t)(rng_next(r) % n);
}

bool
rng_chance(struct rng *r, unsigned percent)
{
	return rng_below(r, 100) < percent;
}

void
ledger_keep(struct ledger *l, int64_t id)
{
	if (l->n == l->cap) {
		l->cap = l->cap * 2 + 64;
		l->kept = realloc(l->kept, l->cap * sizeof(*l->kept));
		if (l->kept == NULL)
			abort();
	}
	l->kept[l->n++] = id;
}

int64_t
peer_id(const struct peer *p)
{
	return (int64_t)p->slot << 48 | (int64_t)p->incarnation << 28 |
	    (p->seq & 0xfffffff);
}

static long
setting(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text != NULL && text[0] != '\0' ? atol(text) : otherwise;
}

/* --- one half of a trial: everybody in, everybody home --- */

static pthread_t
start(void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 1 << 19);
	ck_assert_int_eq(pthread_create(&thread, &attr, run, arg), 0);
	pthread_attr_destroy(&attr);
	return thread;
}

static void
run_clients(int ms)
{
	static pthread_t clients[CLIENTS_MAX], watchers[WATCHERS];
	int64_t until = fx_now_ms() + ms;
	int i, n = 0;

	atomic_store(&trial.stop, false);
	if (!trial.direct) {
		watchers[n++] = start(watch_activity, NULL);
		if (trial_wants("console"))
			watchers[n++] = start(watch_console, NULL);
	}
	if (trial.kills)
		watchers[n++] = start(kill_servers, NULL);
	for (i = 0; i < n_clients; i++)
		clients[i] = start(i % LIBPQ_SHARE == 0 &&
			    trial_wants("libpq") ?
			live_libpq :
			live_raw,
		    &peers[i]);
	/* One failure is enough; the rest would only be noise. */
	while (fx_now_ms() < until && atomic_load(&trial.failures) == 0)
		fx_pause_ms(20);
	if (atomic_load(&trial.failures) > 0)
		tell_all();
	atomic_store(&trial.stop, true);
	for (i = 0; i < n_clients; i++)
		pthread_join(clients[i], NULL);
	for (i = 0; i < n; i++)
		pthread_join(watchers[i], NULL);
}

static void
make_peers(void)
{
	int i;

	memset(peers, 0, sizeof(peers));
	for (i = 0; i < n_clients; i++) {
		peers[i].slot = i + 1;
		peers[i].fd = -1;
		peers[i].rng.state = trial.seed * 1000003 + (uint64_t)i;
		/* Half in transactions, a quarter each in the others. */
		peers[i].mode = i / LIBPQ_SHARE % 4 < 2 ? MODE_TRANSACTION :
		    i / LIBPQ_SHARE % 4 == 2		? MODE_SESSION :
							  MODE_STATEMENT;
	}
}

static void
forget_peers(void)
{
	int i, m;

	for (i = 0; i < n_clients; i++) {
		free(peers[i].in);
		for (m = 0; m < MODES; m++)
			free(peers[i].ledger[m].kept);
	}
}

/* --- a trial --- */

static void
make_tables(void)
{
	enum mode mode;
	PGresult *r;

	for (mode = 0; mode < MODES; mode++) {
		r = PQexec(pg_direct(mode_db[mode]),
		    "DROP TABLE IF EXISTS torture_ledger, torture_copy; "
		    "CREATE TABLE torture_ledger (id bigint, promise int); "
		    "CREATE TABLE torture_copy (who text, n int); "
		    "GRANT ALL ON torture_ledger, torture_copy TO PUBLIC");
		ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "%s",
		    PQerrorMessage(pg_direct(mode_db[mode])));
		PQclear(r);
	}
}

/* TORTURE_INI, with its \n made true. */
static char *
more_settings(void)
{
	const char *text = getenv("TORTURE_INI");
	char *copy = strdup(text != NULL ? text : ""), *at;

	while ((at = strstr(copy, "\\n")) != NULL) {
		at[0] = '\n';
		memmove(at + 1, at + 2, strlen(at + 2) + 1);
	}
	return copy;
}

static struct pooler *
start_pooler(void)
{
	char *more = more_settings();
	char ours[80];
	struct pooler *p;

	snprintf(ours, sizeof(ours),
	    "worker_threads = %d\n"
	    "client_gone_grace = 0.2\n",
	    trial.workers);
	p = pooler_start(
	    "max_client_conn = 2000\n"
	    "log_connections = 0\n"
	    "log_disconnections = 0\n"
	    "query_wait_timeout = 60\n"
	    "server_lifetime = 2\n"
	    "server_idle_timeout = 1\n"
	    "server_check_delay = %d\n"
	    "server_round_robin = %d\n"
	    "%s%s\n"
	    "[users]\n"
	    "%s\n"
	    "[databases]\n"
	    "app = host=127.0.0.1 port=@PGPORT@ pool_mode=transaction "
	    "pool_size=%d max_db_connections=%d\n"
	    "app2 = host=127.0.0.1 port=@PGPORT@ pool_mode=session "
	    "pool_size=%d max_db_connections=%d\n"
	    "app3 = host=127.0.0.1 port=@PGPORT@ pool_mode=statement "
	    "pool_size=%d max_db_connections=%d\n",
	    trial.workers == 2 ? 0 : 30, trial.workers == 4,
	    pooler_is_foreign() ? "" : ours, more,
	    pooler_is_foreign() ?
		"" :
		"dave = query_timeout=1 idle_transaction_timeout=1",
	    BOUND, BOUND, BOUND, BOUND, BOUND, BOUND);
	free(more);
	return p;
}

static void
report(double seconds)
{
	fprintf(stderr,
	    "torture: %d workers, seed %llu, %d clients, %.1f s: "
	    "%ld answers, %ld logins, %ld vanished (%ld fire and forget), "
	    "%ld cancels (%ld hit), %ld timeouts, %ld servers killed (%ld "
	    "clients lost), %ld samples, %ld failures\n",
	    trial.workers, (unsigned long long)trial.seed, n_clients, seconds,
	    atomic_load(&trial.answers), atomic_load(&trial.logins),
	    atomic_load(&trial.gone), atomic_load(&trial.forgotten),
	    atomic_load(&trial.cancels), atomic_load(&trial.cancelled),
	    atomic_load(&trial.timeouts), atomic_load(&trial.killed),
	    atomic_load(&trial.lost), atomic_load(&trial.samples),
	    atomic_load(&trial.failures));
}

static uint64_t
choose_seed(void)
{
	uint32_t seed = 0;

	if (getenv("TORTURE_SEED") != NULL)
		return strtoull(getenv("TORTURE_SEED"), NULL, 10);
	ck_assert_int_eq(getrandom(&seed, sizeof(seed), 0), sizeof(seed));
	return seed;
}

static void
set_up(int workers)
{
	memset(&trial, 0, sizeof(trial));
	trial.workers = workers;
	trial.kills = workers > 0 && trial_wants("kills");
	trial.direct = workers == 0;
	trial.seed = choose_seed();
	trial.patience_ms = fx_scaled(30000);
	trial.grace_ms = fx_scaled(5000);
	n_clients = (int)setting("TORTURE_CLIENTS", 200);
	ck_assert_int_le(n_clients, CLIENTS_MAX);
	fprintf(stderr, "torture: TORTURE_SEED=%llu\n",
	    (unsigned long long)trial.seed);
	make_tables();
}

/* What the trial found; the counts first, which may explain it. */
static void
judge(int64_t began)
{
	report((double)(fx_now_ms() - began) / 1000);
	ck_assert_msg(trial_first_failure() == NULL, "%s (seed %llu)",
	    trial_first_failure(), (unsigned long long)trial.seed);
	ck_assert_int_gt(atomic_load(&trial.answers), 0);
	forget_peers();
}

/* Two halves, so that what the second one adds to the memory is a leak. */
static void
both_halves(struct pooler *pooler, int ms)
{
	int files = open_files(pooler);
	long before, after;

	run_clients(ms);
	if (trial_first_failure() != NULL)
		return;
	check_all_at_rest();
	if (trial_first_failure() != NULL)
		return;
	before = pooler_rss_kb(pooler);
	run_clients(ms);
	if (trial_first_failure() != NULL)
		return;
	check_all_at_rest();
	if (trial_first_failure() != NULL)
		return;
	after = pooler_rss_kb(pooler);
	fprintf(stderr, "torture: resident %ld kB, then %ld kB\n", before,
	    after);
	if (!fx_sanitized() && after - before > GROWTH_MAX_KB)
		trial_fail("resident: %ld kB, then %ld kB", before, after);
	WAIT_UNTIL(open_files(pooler) <= files, 5000);
	check_promises(peers, n_clients);
}

START_TEST (nobody_gets_a_foreign_answer) {
	static const int workers[] = { 1, 2, 4 };
	int64_t began = fx_now_ms();
	struct pooler *pooler;

	if (setting("TORTURE_WORKERS", workers[_i]) != workers[_i])
		return;
	set_up(workers[_i]);
	make_peers();
	pooler = start_pooler();
	trial.port = pooler->port;
	ck_assert_int_eq(show_rows("CLIENTS", NULL), 1);
	both_halves(pooler, (int)(setting("TORTURE_SECONDS", 18) * 1000 / 6));
	ck_assert_int_gt(atomic_load(&trial.samples), 0);
	judge(began);
}
END_TEST

/*
 * What is held against the pooler has to hold for PostgreSQL itself, or it is
 * the torturer who is wrong.
 */
START_TEST (on_postgresql_itself_nothing_is_found) {
	int64_t began = fx_now_ms();

	if (getenv("TORTURE_WORKERS") != NULL)
		return;
	set_up(0);
	n_clients = n_clients < 60 ? n_clients : 60;
	make_peers();
	trial.port = pg_port();
	pg_exec("ALTER ROLE dave SET statement_timeout = '1s'");
	pg_exec("ALTER ROLE dave SET idle_in_transaction_session_timeout = "
		"'1s'");
	run_clients(1000);
	WAIT_UNTIL(backends("query NOT LIKE '%pg_sleep(20)%'") == 0, 10000);
	check_promises(peers, n_clients);
	pg_exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
		"WHERE usename <> 'postgres'");
	pg_exec("ALTER ROLE dave RESET ALL");
	judge(began);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("torture");
	int seconds = (int)setting("TORTURE_SECONDS", 18) / 3 + 180;

	FX_ADD(s, on_postgresql_itself_nothing_is_found, 120);
	FX_ADD_LOOP(s, nobody_gets_a_foreign_answer, seconds, 3);
	return fx_main(s);
}
