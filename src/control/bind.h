/*
 * bind: listening sockets by the rules of the listen_* and unix_socket_* keys.
 *
 * Private to control. Thread: any, but making the Unix socket changes the
 * process's umask for a moment.
 */
#ifndef CONTROL_BIND_H
#define CONTROL_BIND_H

#include <sys/types.h>
#include <sys/un.h>

#include "base/err.h"
#include "io/stream.h"
#include "io/tcp.h"

struct config;

/* The tcp_* keys. */
struct tcp_tuning bind_tuning(const struct config *c);

/* A socket that listens, non-blocking and close-on-exec; -1 with an error. */
int bind_tcp(const struct addr *a, const struct config *c, struct err *e);

/* The file of a Unix socket, by its inode: by the time we leave, somebody
 * else's may have the name. */
struct bind_file {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	dev_t dev;
	ino_t ino;
	bool is_abstract; /* no file at all; path starts with '@' */
};
/* Likewise; replaces the file of a process that is gone. */
int bind_unix(const struct config *c, struct bind_file *file, struct err *e);
/* Where a listening socket of somebody else's making stands. Files of sockets
 * that lie elsewhere by now are not ours. */
bool bind_describe(int fd, struct addr *a, struct bind_file *file,
    struct err *e);
/* Removes the file if it is still ours. */
void bind_unix_remove(const struct bind_file *file);

#endif
