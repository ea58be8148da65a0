/* A program's one line of output. */
#include "io/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"

extern char **environ;

/* ---- words ---- */

static bool
bad_text(struct err *e, const char *what)
{
	err_set(e, "22023", "password_command: %s", what);
	err_hint(e, "it is the whole path of a program and its arguments, with "
	    "blanks between; there is no shell");
	return false;
}

/* NULL at the end of text, or with an error in *e. */
static char *
next_word(const char **at, struct arena *a, struct err *e)
{
	const char *p = *at + strspn(*at, " \t");
	char *out = arena_alloc(a, strlen(p) + 1), *w = out;
	char quote = '\0';

	err_clear(e);
	if (*p == '\0')
		return NULL;
	for (; *p != '\0' && (quote || (*p != ' ' && *p != '\t')); p++) {
		if (quote && *p == quote)
			quote = '\0';
		else if (!quote && (*p == '"' || *p == '\''))
			quote = *p;
		else
			*w++ = *p;
	}
	*w = '\0';
	*at = p;
	if (!quote)
		return out;
	bad_text(e, "a quote is not closed");
	return NULL;
}

static bool
split(const char *text, struct arena *a, char *words[COMMAND_WORDS + 1],
    struct err *e)
{
	size_t n = 0;
	char *word;

	while ((word = next_word(&text, a, e)) != NULL) {
		if (n == COMMAND_WORDS)
			return bad_text(e, "too many words");
		words[n++] = word;
	}
	words[n] = NULL;
	if (err_is_set(e))
		return false;
	if (n == 0 || words[0][0] != '/')
		return bad_text(e, "the program is not named by its whole "
				   "path");
	return true;
}

bool
command_check(const char *text, struct err *e)
{
	char *words[COMMAND_WORDS + 1];
	struct arena *a = arena_new();
	bool ok = split(text, a, words, e);

	arena_free(a);
	return ok;
}

/* ---- the child ---- */

static char **
make_env(const char *const *more, struct arena *a)
{
	size_t n = 0, m = 0;
	char **out;

	while (environ[n] != NULL)
		n++;
	while (more[m] != NULL)
		m++;
	out = arena_alloc(a, (n + m + 1) * sizeof(*out));
	for (size_t i = 0; i < m; i++)
		out[i] = (char *)(uintptr_t)more[i];
	memcpy(out + m, environ, n * sizeof(*out));
	return out;
}

/* In a process group of its own, with no descriptor of ours but the pipe. */
static bool
start(char **words, char **env, int out, pid_t *pid, struct err *e)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int rc;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, 1);
	posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP |
	    POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	rc = posix_spawn(pid, words[0], &files, &attr, words, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	if (rc == 0)
		return true;
	return err_set(e, "58000", "password_command: cannot run \"%.100s\": "
	    "%s", words[0], strerror(rc));
}

static bool
late(struct err *e)
{
	return err_set(e, "58000", "password_command: no answer in time "
	    "(password_command_timeout)");
}

/* Waits until fd can be read; false when the time is over. */
static bool
wait_for(int fd, usec_t until_us, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	usec_t left;
	int n;

	do {
		left = until_us - clock_mono_us();
		if (left <= 0)
			return late(e);
		n = poll(&p, 1, (int)((left + 999) / 1000));
	} while (n < 0 && errno == EINTR);
	return n > 0 ? true : late(e);
}

static bool
read_all(int fd, usec_t until_us, struct buf *out, struct err *e)
{
	ssize_t n;

	/* Room for all of it: growing would leave pieces behind. */
	buf_reserve(out, COMMAND_OUTPUT_MAX + 3);
	for (;;) {
		if (!wait_for(fd, until_us, e))
			return false;
		n = read(fd, out->data + out->end,
		    COMMAND_OUTPUT_MAX + 3 - buf_len(out));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, "58000", "password_command: %s",
			    strerror(errno));
		if (n == 0)
			return true;
		out->end += (size_t)n;
		if (buf_len(out) >= COMMAND_OUTPUT_MAX + 3)
			return err_set(e, "58000", "password_command: more "
			    "than %d bytes of output", COMMAND_OUTPUT_MAX);
	}
}

/* It has closed its output; its end is waited for too, as long as there is
 * time. Afterwards nothing of it is left. */
static bool
reap(pid_t pid, usec_t until_us, bool ok, struct err *e)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	int status = 0;

	if (ok && fd >= 0)
		ok = wait_for(fd, until_us, e);
	if (fd >= 0)
		close(fd);
	/* Whatever it has started goes with it. */
	if (!ok)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (!ok)
		return false;
	if (WIFSIGNALED(status))
		return err_set(e, "58000", "password_command: ended by "
		    "signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return err_set(e, "58000", "password_command: exit status %d",
		    WEXITSTATUS(status));
	return true;
}

static bool
take_line(struct buf *out, struct err *e)
{
	const uint8_t *p = buf_head(out);

	if (buf_len(out) > 0 && p[buf_len(out) - 1] == '\n')
		out->end--;
	if (buf_len(out) > 0 && p[buf_len(out) - 1] == '\r')
		out->end--;
	if (buf_len(out) == 0)
		return err_set(e, "58000", "password_command: no output");
	if (memchr(p, '\n', buf_len(out)) != NULL ||
	    memchr(p, '\0', buf_len(out)) != NULL)
		return err_set(e, "58000", "password_command: more than one "
		    "line of output");
	if (buf_len(out) > COMMAND_OUTPUT_MAX)
		return err_set(e, "58000", "password_command: more than %d "
		    "bytes of output", COMMAND_OUTPUT_MAX);
	return true;
}

bool
command_run(const char *text, const char *const *env, usec_t timeout_us,
    struct buf *out, struct err *e)
{
	usec_t until_us = clock_mono_us() + timeout_us;
	struct arena *a = arena_new();
	char *words[COMMAND_WORDS + 1];
	int fds[2] = { -1, -1 };
	pid_t pid;
	bool ok = false;

	if (!split(text, a, words, e))
		goto out;
	if (pipe2(fds, O_CLOEXEC) != 0) {
		err_set(e, "58000", "password_command: %s", strerror(errno));
		goto out;
	}
	if (!start(words, make_env(env, a), fds[1], &pid, e))
		goto out;
	close(fds[1]);
	fds[1] = -1;
	ok = read_all(fds[0], until_us, out, e);
	ok = reap(pid, until_us, ok, e) && take_line(out, e);
out:
	if (fds[0] >= 0)
		close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	arena_free(a);
	return ok;
}
