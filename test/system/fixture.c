/*
 * The program around the tests: temporary directory, keeper, child
 * processes, time, files.
 */
#include "internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char top[64];

/* What a test leaves behind when it ends is no leak worth a word. */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}

const char *
fx_dir(void)
{
	return top;
}

int64_t
fx_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool
fx_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
	return true;
#endif
#endif
	return getenv("TEST_TIME_SCALE") != NULL;
}

int
fx_scaled(int ms)
{
	const char *env = getenv("TEST_TIME_SCALE");
	int scale = env != NULL ? atoi(env) : fx_sanitized() ? 3 : 1;

	return ms * (scale > 0 ? scale : 1);
}

void
fx_pause_ms(int ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

void
fx_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "fixture: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	exit(EXIT_FAILURE);
}

char *
fx_vformat(const char *fmt, va_list ap)
{
	char *s;

	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	return s;
}

char *
fx_format(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = fx_vformat(fmt, ap);
	va_end(ap);
	return s;
}

int
fx_free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) != 0)
		fx_die("no free port: %s", strerror(errno));
	close(fd);
	return ntohs(a.sin_port);
}

/* --- child processes --- */

const struct passwd *
fx_unprivileged(void)
{
	return getuid() == 0 ? getpwnam("nobody") : NULL;
}

void
fx_give_away(const char *path)
{
	const struct passwd *pw = fx_unprivileged();

	if (pw != NULL && chown(path, pw->pw_uid, pw->pw_gid) != 0)
		fx_die("chown %s: %s", path, strerror(errno));
}

pid_t
fx_spawn(const char *logfile, bool unprivileged, char *const argv[])
{
	const struct passwd *pw = unprivileged ? fx_unprivileged() : NULL;
	pid_t pid;
	int fd;

	fflush(NULL);
	pid = fork();
	if (pid != 0)
		return pid;
	fd = open(logfile != NULL ? logfile : "/dev/null",
	    O_WRONLY | O_CREAT | O_APPEND, 0644);
	dup2(open("/dev/null", O_RDONLY), 0);
	dup2(fd, 1);
	dup2(fd, 2);
	for (int i = 3; i < 256; i++)
		close(i);
	if (pw != NULL &&
	    (setgroups(0, NULL) != 0 || setgid(pw->pw_gid) != 0 ||
		setuid(pw->pw_uid) != 0 || chdir("/") != 0))
		_exit(126);
	execvp(argv[0], argv);
	_exit(127);
}

static int
exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int
fx_wait_exit(pid_t pid, int ms)
{
	int64_t until = fx_now_ms() + fx_scaled(ms);
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (fx_now_ms() > until)
			return -1;
		fx_pause_ms(3);
	}
	return exit_code(status);
}

int
fx_shell(char **out, const char *fmt, ...)
{
	va_list ap;
	char *cmd, *all, *text = NULL;
	size_t size = 0, got;
	char part[4096];
	FILE *pipe, *mem;
	int status;

	va_start(ap, fmt);
	cmd = fx_vformat(fmt, ap);
	va_end(ap);
	all = fx_format("{ %s\n} 2>&1 </dev/null", cmd);
	fflush(NULL);
	pipe = popen(all, "r");
	mem = open_memstream(&text, &size);
	if (pipe == NULL || mem == NULL)
		abort();
	while ((got = fread(part, 1, sizeof(part), pipe)) > 0)
		fwrite(part, 1, got, mem);
	fclose(mem);
	status = pclose(pipe);
	free(cmd);
	free(all);
	if (out != NULL)
		*out = text;
	else
		free(text);
	return exit_code(status);
}

/* --- files --- */

char *
fx_read_file(const char *path)
{
	char *text = NULL, part[8192];
	size_t size = 0, got;
	FILE *f = fopen(path, "r"), *mem = open_memstream(&text, &size);

	if (mem == NULL)
		abort();
	while (f != NULL && (got = fread(part, 1, sizeof(part), f)) > 0)
		fwrite(part, 1, got, mem);
	if (f != NULL)
		fclose(f);
	fclose(mem);
	return text;
}

void
fx_write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		fx_die("cannot write %s: %s", path, strerror(errno));
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

/* --- the keeper --- */

/*
 * Whatever still runs with a file of ours among its arguments: a pooler that
 * changed its user is not told by the kernel that its parent died.
 */
static void
kill_leftovers(void)
{
	char mine[80], args[4096];
	glob_t g;

	snprintf(mine, sizeof(mine), "%s/", top);
	if (glob("/proc/[0-9]*/cmdline", 0, NULL, &g) != 0)
		return;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		FILE *f = fopen(g.gl_pathv[i], "r");
		size_t n = f != NULL ? fread(args, 1, sizeof(args), f) : 0;
		pid_t pid = (pid_t)atoi(g.gl_pathv[i] + strlen("/proc/"));

		if (f != NULL)
			fclose(f);
		if (n > 0 && memmem(args, n, mine, strlen(mine)) != NULL &&
		    pid != getpid())
			kill(pid, SIGKILL);
	}
	globfree(&g);
}

/*
 * A process that outlives the program by the moment it takes to stop the
 * cluster and remove the files, however the program ended.
 */
static pid_t
keeper_start(void)
{
	pid_t parent = getpid(), pid;
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fflush(NULL);
	pid = fork();
	if (pid != 0) {
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		return pid;
	}
	setsid();
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	if (getppid() == parent)
		sigwait(&set, &sig);
	if (getenv("KEEP") != NULL)
		fprintf(stderr, "kept: %s\n", top);
	cluster_remove();
	kill_leftovers();
	if (getenv("KEEP") == NULL)
		nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	_exit(0);
}

/* The last words of the poolers whose tests failed. */
static void
show_logs(void)
{
	char *pattern = fx_format("%s/p*/pooler.log", top);
	glob_t g;

	if (glob(pattern, 0, NULL, &g) == 0) {
		for (size_t i = 0; i < g.gl_pathc; i++) {
			char *log = fx_read_file(g.gl_pathv[i]);
			size_t n = strlen(log);

			printf("--- end of %s\n%s", g.gl_pathv[i],
			    log + (n > 2500 ? n - 2500 : 0));
			free(log);
		}
		globfree(&g);
	}
	free(pattern);
}

static void
clean_environment(void)
{
	static const char *const vars[] = { "PGHOST", "PGPORT", "PGUSER",
		"PGDATABASE", "PGPASSWORD", "PGOPTIONS", "PGAPPNAME",
		"PGSSLMODE", "PGSERVICE", "PGTZ", "PGDATESTYLE", "DB_HOST",
		"DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD",
		"DB_PASSWORD_FILE", "PGCLIENTENCODING" };

	for (size_t i = 0; i < sizeof(vars) / sizeof(vars[0]); i++)
		unsetenv(vars[i]);
	setenv("LC_ALL", "C", 1);
	setenv("PGCONNECT_TIMEOUT", "60", 1);
}

int
fx_main(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	pid_t keeper;
	int failed;

	clean_environment();
	if (!cluster_available()) {
		fprintf(stderr,
		    "skipped: no PostgreSQL server programs found "
		    "(Debian: postgresql-15; or set PGBINDIR)\n");
		return 77;
	}
	snprintf(top, sizeof(top), "/tmp/pooler-test-XXXXXX");
	if (mkdtemp(top) == NULL || chmod(top, 0755) != 0)
		fx_die("mkdtemp: %s", strerror(errno));
	signal(SIGPIPE, SIG_IGN);
	cluster_init();
	keeper = keeper_start();
	cluster_create();
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	show_logs();
	srunner_free(runner);
	kill(keeper, SIGUSR1);
	waitpid(keeper, NULL, 0);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* In the child of each test, before it: die with the program. */
static void
test_begin(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	cluster_ensure_up();
}

/* After a test that came to its end; a failed one does not get here. */
static void
test_end(void)
{
	pooler_end_all();
}

void
fx_add_loop(Suite *suite, const char *name, const TTest *test, int seconds,
    int n)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, fx_scaled(seconds * 1000) / 1000.0);
	tcase_add_checked_fixture(tc, test_begin, test_end);
	tcase_add_loop_test(tc, test, 0, n);
	suite_add_tcase(suite, tc);
}

void
fx_add(Suite *suite, const char *name, const TTest *test, int seconds)
{
	fx_add_loop(suite, name, test, seconds, 1);
}
