/*
 * The program under test as a process: its settings file, its start and its
 * end, its log, its memory.
 */
#include "internal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_POOLERS 8

static struct pooler poolers[MAX_POOLERS];
static int n_poolers;
static struct pooler *current;

/* --- which program --- */

const char *
pooler_bin(void)
{
	static char path[PATH_MAX];
	const char *env = getenv("POOLER_BIN");

	if (path[0] == '\0' &&
	    realpath(env != NULL ? env : "./pooler", path) == NULL)
		ck_abort_msg("no program at %s (set POOLER_BIN)",
		    env != NULL ? env : "./pooler");
	return path;
}

bool
pooler_is_foreign(void)
{
	return strstr(pooler_bin(), "pgbouncer") != NULL;
}

/* --- its settings --- */

static void
put_replaced(FILE *out, const char *text, const struct pooler *p)
{
	const struct {
		const char *name, *text;
		int number;
	} vars[] = {
		{ "@PGPORT@", NULL, pg_port() },
		{ "@PGSOCKET@", pg_socket_dir(), 0 },
		{ "@DIR@", p->dir, 0 },
		{ "@PORT@", NULL, p->port },
		{ "@TOP@", fx_dir(), 0 },
	};
	size_t i;

	while (*text != '\0') {
		for (i = 0; i < sizeof(vars) / sizeof(vars[0]); i++)
			if (strncmp(text, vars[i].name, strlen(vars[i].name)) ==
			    0)
				break;
		if (i == sizeof(vars) / sizeof(vars[0])) {
			fputc(*text++, out);
			continue;
		}
		if (vars[i].text != NULL)
			fputs(vars[i].text, out);
		else
			fprintf(out, "%d", vars[i].number);
		text += strlen(vars[i].name);
	}
}

/* Does some line of the text set this key? */
static bool
sets(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = text; p != NULL; p = strchr(p, '\n')) {
		p += strspn(p, "\n \t");
		if (strncmp(p, key, n) == 0 && strchr(" \t=", p[n]) != NULL)
			return true;
		if (*p == '\0')
			break;
	}
	return false;
}

/* A PgBouncer stands in only for what it knows. */
static bool
foreign_refuses(const char *line)
{
	static const char *const ours[] = { "worker_threads", "client_gone",
		"server_down_after", "client_write_timeout", "max_login_conn",
		"handover_slack", "pgbouncer_sqlstates", "max_cancel_conn",
		"server_login_parallel", "server_cores", "server_spindles",
		"query_wait_notify", "transaction_timeout" };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strncmp(line, ours[i], strlen(ours[i])) == 0)
			return true;
	return strstr(line, "= auto") != NULL;
}

static void
put_lines(FILE *out, const char *text)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		if (!pooler_is_foreign() || !foreign_refuses(text)) {
			fwrite(text, 1, n, out);
			fputc('\n', out);
		}
		text += n + (text[n] == '\n');
	}
}

static const char users[] = "\"alice\" \"alice-pw\"\n"
			    "\"bob\" \"bob-pw\"\n"
			    "\"carol\" \"carol-pw\"\n"
			    "\"dave\" \"dave-pw\"\n"
			    "\"scrammer\" \"scrammer-pw\"\n"
			    "\"md5er\" \"md5er-pw\"\n"
			    "\"clear\" \"clear-pw\"\n"
			    "\"refused\" \"refused-pw\"\n"
			    "\"limited\" \"limited-pw\"\n"
			    "\"admin\" \"admin-pw\"\n"
			    "\"stat\" \"stat-pw\"\n"
			    "\"postgres\" \"x\"\n";

static void
write_ini(struct pooler *p, const char *given)
{
	static const struct {
		const char *key, *value;
	} base[] = {
		{ "listen_addr", "127.0.0.1" },
		{ "listen_port", "@PORT@" },
		{ "unix_socket_dir", "@DIR@" },
		{ "auth_type", "trust" },
		{ "auth_file", "@TOP@/users.txt" },
		{ "admin_users", "admin" },
		{ "stats_users", "stat" },
		{ "pool_mode", "transaction" },
		{ "max_client_conn", "1000" },
		{ "ignore_startup_parameters", "extra_float_digits" },
	};
	char *text = NULL, *path;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	fprintf(out, "[%s]\n", pooler_is_foreign() ? "pgbouncer" : "pooler");
	for (size_t i = 0; i < sizeof(base) / sizeof(base[0]); i++) {
		if (sets(given, base[i].key))
			continue;
		fprintf(out, "%s = ", base[i].key);
		put_replaced(out, base[i].value, p);
		fputc('\n', out);
	}
	if (fx_unprivileged() != NULL && !sets(given, "user"))
		fprintf(out, "user = nobody\n");
	put_replaced(out, given, p);
	if (strstr(given, "[databases]") == NULL)
		fprintf(out, "\n[databases]\n* = host=127.0.0.1 port=%d\n",
		    pg_port());
	fclose(out);
	out = fopen(p->ini, "w");
	put_lines(out, text);
	fclose(out);
	free(text);
	path = fx_format("%s/users.txt", fx_dir());
	if (access(path, F_OK) != 0)
		fx_write_file(path, users);
	free(path);
}

static struct pooler *
prepare(const char *text)
{
	struct pooler *p = &poolers[n_poolers++];
	char dir[sizeof(p->dir)];

	ck_assert_msg(n_poolers <= MAX_POOLERS, "too many poolers");
	snprintf(dir, sizeof(dir), "%s/p%d-%d", fx_dir(), (int)getpid(),
	    n_poolers);
	memcpy(p->dir, dir, sizeof(dir));
	snprintf(p->ini, sizeof(p->ini), "%s/pooler.ini", dir);
	snprintf(p->log, sizeof(p->log), "%s/pooler.log", dir);
	p->port = fx_free_port();
	p->pid = 0;
	if (mkdir(p->dir, 0755) != 0)
		ck_abort_msg("mkdir %s", p->dir);
	fx_give_away(p->dir);
	write_ini(p, text);
	return p;
}

struct pooler *
pooler_prepare(const char *fmt, ...)
{
	va_list ap;
	char *text;
	struct pooler *p;

	va_start(ap, fmt);
	text = fx_vformat(fmt, ap);
	va_end(ap);
	p = prepare(text);
	free(text);
	return p;
}

void
pooler_rewrite(struct pooler *p, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = fx_vformat(fmt, ap);
	va_end(ap);
	write_ini(p, text);
	free(text);
}

/* --- start and end --- */

bool
pooler_is_up(const struct pooler *p)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)p->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool up = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	close(fd);
	return up;
}

void
pooler_launch(struct pooler *p)
{
	char *argv[] = { (char *)pooler_bin(), p->ini, NULL };
	int64_t until = fx_now_ms() + fx_scaled(10000);

	pooler_use(p);
	p->pid = fx_spawn(p->log, pooler_is_foreign(), argv);
	while (!pooler_is_up(p)) {
		int rc = fx_wait_exit(p->pid, 0);

		if (rc >= 0 || fx_now_ms() > until) {
			char *log = pooler_log(p);

			p->pid = rc >= 0 ? 0 : p->pid;
			ck_abort_msg("pooler did not start (status %d):\n%s",
			    rc, log);
		}
		fx_pause_ms(3);
	}
}

struct pooler *
pooler_start(const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = fx_vformat(fmt, ap);
	va_end(ap);
	pooler_launch(prepare(text));
	free(text);
	return current;
}

struct pooler *
pooler_current(void)
{
	ck_assert_msg(current != NULL, "no pooler was started");
	return current;
}

void
pooler_use(struct pooler *p)
{
	console_close();
	current = p;
}

static void
check_sanitizers(const struct pooler *p)
{
	static const char *const signs[] = { "ERROR: AddressSanitizer",
		"WARNING: ThreadSanitizer", "ERROR: LeakSanitizer",
		"runtime error:", "assertion failed" };

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		ck_assert_msg(!pooler_logged(p, signs[i]),
		    "the pooler's log has \"%s\"", signs[i]);
}

void
pooler_stop(struct pooler *p)
{
	int rc;

	if (p->pid == 0)
		return;
	if (p == current)
		console_close();
	kill(p->pid, SIGTERM);
	rc = fx_wait_exit(p->pid, 300);
	if (rc < 0) {
		kill(p->pid, SIGQUIT);
		rc = fx_wait_exit(p->pid, 10000);
	}
	check_sanitizers(p);
	ck_assert_msg(rc == 0 || pooler_is_foreign(),
	    "pooler ended with status %d", rc);
	p->pid = 0;
}

void
pooler_end_all(void)
{
	for (int i = 0; i < n_poolers; i++) {
		pooler_stop(&poolers[i]);
		unlink(poolers[i].log);
	}
}

/* --- what it says and uses --- */

char *
pooler_log(const struct pooler *p)
{
	return fx_read_file(p->log);
}

int
pooler_log_count(const struct pooler *p, const char *text)
{
	char *log = pooler_log(p);
	int n = 0;

	for (char *s = log; (s = strstr(s, text)) != NULL; s++)
		n++;
	free(log);
	return n;
}

bool
pooler_logged(const struct pooler *p, const char *text)
{
	return pooler_log_count(p, text) > 0;
}

static long
status_kb(const struct pooler *p, const char *field)
{
	char path[64], *text, *at;
	long kb;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)p->pid);
	text = fx_read_file(path);
	at = strstr(text, field);
	kb = at != NULL ? atol(at + strlen(field)) : -1;
	free(text);
	ck_assert_msg(kb > 0, "no %s of the pooler", field);
	return kb;
}

long
pooler_peak_kb(const struct pooler *p)
{
	return status_kb(p, "VmHWM:");
}

long
pooler_rss_kb(const struct pooler *p)
{
	return status_kb(p, "VmRSS:");
}
