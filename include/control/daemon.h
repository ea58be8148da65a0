/*
 * daemon: what the process does about itself before it serves anybody: pid
 * file, background, the user it runs as, its limit of open files.
 *
 * Order in main(): daemon_check_pidfile(), daemon_fork(), daemon_drop_root(),
 * daemon_write_pidfile(), daemon_raise_nofile(), ..., listeners, and last
 * daemon_ready(). So the pid file is written, and later removed, by the user
 * that the process runs as.
 *
 * Thread: the main thread, and daemon_fork() before there is any other thread,
 * event base or socket.
 */
#ifndef CONTROL_DAEMON_H
#define CONTROL_DAEMON_H

#include <sys/types.h>

#include "base/err.h"

struct config;

/* ---- pid file: the pid in decimal and a line feed, mode 0644 ---- */

/*
 * Nobody else runs with this pid file; "" is always fine. A file of a live
 * process, or one without a pid in it, is an error, as it may be a process that
 * is just starting. A file of a dead one, or with our own pid (a container that
 * was started anew), is stale, and no error.
 */
bool daemon_check_pidfile(const char *path, struct err *e);
/* Checks, removes a stale one, and makes ours. Two processes that start at once
 * cannot both succeed. */
bool daemon_write_pidfile(const char *path, struct err *e);
/* Removes it if it is still ours. */
void daemon_remove_pidfile(const char *path);
/*
 * Whether the file at path names, in its first line, a process that may be
 * alive; *pid (may be NULL) is that process or 0 if the file does not tell.
 * PostgreSQL's .lock files have this form too.
 */
bool daemon_pid_alive(const char *path, pid_t *pid);

/* ---- background ---- */

/* Opens /dev/null where stdin, stdout or stderr are closed: else a socket gets
 * that number, and is written to as if it were stderr. First thing in main. */
void daemon_fill_stdio(void);

struct daemon_link {
	bool is_parent; /* we are the process that was started */
	int status; /* parent: the exit status to end with */
	int fd; /* daemon: to the parent */
};

/*
 * Puts the process into the background. It returns twice: in the daemon, with
 * a session of its own, stdin and stdout on /dev/null and stderr still where it
 * was, so that a failing start is seen; and in the parent, after the daemon has
 * called daemon_ready() (status 0) or has ended without (status 1). The
 * working directory stays.
 */
bool daemon_fork(struct daemon_link *link, struct err *e);
/* Lets the parent go; stderr moves to /dev/null. Nothing for {0}, that is,
 * without a daemon_fork(). */
void daemon_ready(struct daemon_link *link);

/* ---- user ---- */

/*
 * Becomes `user` with all its groups, for good. "" is fine unless we are root:
 * the pooler refuses to run as root. Not root: only our own name is fine.
 */
bool daemon_drop_root(const char *user, struct err *e);

/* ---- descriptors ---- */

/* Raises the soft limit of open files to the hard one and logs both, beside
 * what this configuration can need; warns when that is more. */
void daemon_raise_nofile(const struct config *c);
/* Clients, servers as far as the configuration bounds them, and ourselves. */
uint64_t daemon_expected_fds(const struct config *c);

#endif
