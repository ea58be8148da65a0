/*
 * fixture: what every system test stands on. A system test is a black-box
 * test: the real program `pooler` in front of a real PostgreSQL, spoken to
 * with libpq, with raw bytes (raw.h), or put in front of a server that
 * misbehaves on purpose (fakepg.h).
 *
 * One test program owns one throw-away PostgreSQL cluster, which fx_main()
 * makes before the first test and removes after the last. Each test runs in
 * a child of its own (Check's CK_FORK) and starts the poolers it needs with
 * its own settings, which takes some 20 ms; whatever it leaves running is
 * killed with its process group. A keeper process removes the cluster and
 * every file even when the program itself is killed.
 *
 * Nobody sleeps to let something happen: WAIT_UNTIL() looks until it has
 * happened, with a deadline that fails the test.
 *
 * Works as root (servers drop to "nobody") and as an ordinary user.
 *
 * Environment:
 *	POOLER_BIN	the program under test (default ./pooler)
 *	PGBINDIR	where initdb and pg_ctl are (default: newest found)
 *	KEEP=1		leave the temporary directory behind, and say where
 *	TEST_LONG=1	also the tests that take half a minute
 *	TEST_TIME_SCALE	multiplies every deadline (for sanitizers, valgrind)
 */
#ifndef TEST_SYSTEM_FIXTURE_H
#define TEST_SYSTEM_FIXTURE_H

#include <check.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FX_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* --- the program ------------------------------------------------------- */

/*
 * Runs the suite against a fresh cluster and returns what main() returns:
 * EXIT_SUCCESS, EXIT_FAILURE, or 77 (skipped, with the reason on stderr) when
 * there is no PostgreSQL on this machine.
 */
int fx_main(Suite *suite);

/*
 * One claim of a suite: a test case of its own (so that CK_RUN_CASE=NAME
 * runs it alone) with a time limit in seconds.
 */
void fx_add(Suite *suite, const char *name, const TTest *test, int seconds);
#define FX_ADD(suite, name, seconds) fx_add(suite, #name, name, seconds)
/* The same, n times with _i = 0 .. n-1. */
void fx_add_loop(Suite *suite, const char *name, const TTest *test, int seconds,
    int n);
#define FX_ADD_LOOP(suite, name, seconds, n) \
	fx_add_loop(suite, #name, name, seconds, n)

/* Temporary directory of this program, made by fx_main(). */
const char *fx_dir(void);
/* Monotonic milliseconds. */
int64_t fx_now_ms(void);
/* A deadline, stretched by TEST_TIME_SCALE. */
int fx_scaled(int ms);
/* A TCP port of 127.0.0.1 that nobody listens on at the moment. */
int fx_free_port(void);
void fx_pause_ms(int ms); /* one step of a polling loop, never a guess */

#define WAIT_UNTIL(cond, ms)                                               \
	do {                                                               \
		int64_t until_ = fx_now_ms() + fx_scaled(ms);              \
		while (!(cond)) {                                          \
			ck_assert_msg(fx_now_ms() < until_,                \
			    "not within %d ms: %s", fx_scaled(ms), #cond); \
			fx_pause_ms(3);                                    \
		}                                                          \
	} while (0)

/* Built with a sanitizer: memory figures mean nothing, all is slower. */
bool fx_sanitized(void);

/* --- other programs ---------------------------------------------------- */

/*
 * Runs a shell command and gives its exit status (128 + n when a signal
 * ended it). *out, if wanted, is its stdout and stderr, to be freed.
 */
int fx_shell(char **out, const char *fmt, ...) FX_PRINTF(2, 3);

/* The same, but in the background, in this test's process group. */
pid_t fx_spawn(const char *logfile, bool unprivileged, char *const argv[]);
/* Exit status once it has ended, or -1 when it is still running after ms. */
int fx_wait_exit(pid_t pid, int ms);

/* Whole file as text, to be freed; "" when it cannot be read. */
char *fx_read_file(const char *path);
void fx_write_file(const char *path, const char *text);

/* --- PostgreSQL -------------------------------------------------------- */

/*
 * Superuser postgres through the Unix socket. Databases app (owner alice),
 * app2 and app3. Users: alice bob carol dave (trust), and one for each way
 * to log in: scrammer, md5er, clear (cleartext), whose passwords are their
 * names with "-pw" behind.
 */
int pg_port(void);
const char *pg_socket_dir(void);
PGconn *pg_direct(const char *db); /* kept open; never close it */
void pg_exec(const char *fmt, ...) FX_PRINTF(1, 2);
long pg_int(const char *fmt, ...) FX_PRINTF(1, 2);
const char *pg_text(const char *fmt, ...) FX_PRINTF(1, 2);
/* Stops it ("fast", "immediate"); the next test finds it started again. */
void pg_stop(const char *mode);
void pg_start(void);
const char *pg_bindir(void);

/* --- the pooler -------------------------------------------------------- */

struct pooler {
	pid_t pid;
	int port;
	char dir[256]; /* its Unix socket, pid file, log */
	char ini[300];
	char log[300];
};

/*
 * Starts a pooler with these settings and waits until it listens. The text
 * goes below a [pooler] header and may go on with other sections. What it
 * does not set is: listen_addr 127.0.0.1, auth_type trust, transaction
 * mode, admin_users admin, stats_users stat, and `*` to our PostgreSQL in
 * [databases]. In it, @PGPORT@, @PGSOCKET@, @DIR@ (its directory), @PORT@
 * and @TOP@ (fx_dir()) are replaced.
 */
struct pooler *pooler_start(const char *fmt, ...) FX_PRINTF(1, 2);
/* The pooler started last: what client_open() and show() talk to. */
struct pooler *pooler_current(void);
void pooler_use(struct pooler *p);
/* Rewrites its ini file with other settings (same base); no RELOAD yet. */
void pooler_rewrite(struct pooler *p, const char *fmt, ...) FX_PRINTF(2, 3);
/*
 * Ends it with SIGTERM (SIGQUIT if clients hold it up) and fails the test if
 * it does not go, goes with another status than 0, or a sanitizer spoke.
 */
void pooler_stop(struct pooler *p);
char *pooler_log(const struct pooler *p); /* to be freed */
bool pooler_logged(const struct pooler *p, const char *text);
int pooler_log_count(const struct pooler *p, const char *text);
/* Peak resident kB, from /proc. */
long pooler_peak_kb(const struct pooler *p);
long pooler_rss_kb(const struct pooler *p);
/* The file under test; and whether it is not ours (a PgBouncer). */
const char *pooler_bin(void);
bool pooler_is_foreign(void);
/* Writes the ini of a pooler without starting it; and starts that, waits
 * until it listens, and makes it the current one. */
struct pooler *pooler_prepare(const char *fmt, ...) FX_PRINTF(1, 2);
void pooler_launch(struct pooler *p);
bool pooler_is_up(const struct pooler *p);

/* --- libpq clients ----------------------------------------------------- */

/*
 * Connect through the current pooler, as alice to app unless the text (a
 * conninfo fragment, "" for none) says otherwise. client_open() fails the
 * test when that fails; client_try() hands back the broken connection.
 */
PGconn *client_open(const char *fmt, ...) FX_PRINTF(1, 2);
PGconn *client_try(const char *fmt, ...) FX_PRINTF(1, 2);
/* Without waiting; client_poll() drives it, PGRES_POLLING_* comes back. */
PGconn *client_start(const char *fmt, ...) FX_PRINTF(1, 2);
PostgresPollingStatusType client_poll(PGconn *c, int ms);

/* Runs SQL that must succeed; the first value of the last result, in one of
 * a few rotating buffers ("" for none). */
const char *sql_text(PGconn *c, const char *fmt, ...) FX_PRINTF(2, 3);
long sql_int(PGconn *c, const char *fmt, ...) FX_PRINTF(2, 3);
void sql_ok(PGconn *c, const char *fmt, ...) FX_PRINTF(2, 3);
/* Runs it and gives the last result, or the first that is an error: PQexec()
 * would hand out "connection lost" in place of a server's last words. */
PGresult *sql_exec(PGconn *c, const char *sql);
/* SQL that must fail with this SQLSTATE (NULL: any) and these words. */
void sql_fails(PGconn *c, const char *sql, const char *state, const char *text);

/* Sends without waiting; sql_done() says whether a whole answer is there;
 * sql_result() waits at most ms for it and gives the last result. */
void sql_send(PGconn *c, const char *fmt, ...) FX_PRINTF(2, 3);
bool sql_done(PGconn *c);
PGresult *sql_result(PGconn *c, int ms);
void sql_result_ok(PGconn *c, int ms);
/* Checks an error result: state NULL is any, text is a part of it. */
void result_fails(PGresult *r, const char *state, const char *text);
/* One field of an error, "" when it is not there. */
const char *error_field(const PGresult *r, int field);
/* Waits until the pooler has closed this connection; reads what is left. */
bool client_lost(PGconn *c, int ms);

/* --- the console ------------------------------------------------------- */

/* As admin on database pgbouncer; the result is the caller's. */
PGconn *console(void); /* kept open */
void console_close(void);
PGresult *console_query(const char *fmt, ...) FX_PRINTF(1, 2);
void console_ok(const char *fmt, ...) FX_PRINTF(1, 2);
/*
 * Sum of a column over the rows of SHOW what that match: key is
 * "column=value", several joined by '&', or NULL for all rows.
 */
long show(const char *what, const char *key, const char *column);
/* Text of the first such row, "" when there is none. */
const char *show_text(const char *what, const char *key, const char *column);
/* How many rows match. */
int show_rows(const char *what, const char *key);

#endif
