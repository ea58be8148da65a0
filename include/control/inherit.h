/*
 * inherit: listening sockets that somebody else has opened for us: the service
 * manager (socket activation, sd_listen_fds(3)), or the process whose place we
 * take.
 *
 * Thread: main.
 */
#ifndef CONTROL_INHERIT_H
#define CONTROL_INHERIT_H

#include "base/base.h"
#include "base/err.h"

#define INHERIT_MAX 64

struct inherited {
	int fd[INHERIT_MAX];
	size_t n; /* 0 = none: listen as the configuration says */
	bool owned; /* files of Unix sockets are ours to remove */
};

/*
 * At the start of main(), before anything is opened: the descriptors from 3 on
 * that LISTEN_FDS counts, if LISTEN_PID is us. The variables are removed. They
 * become non-blocking and close-on-exec. False with an error if one of them is
 * not a stream socket that listens.
 */
bool inherit_take(struct inherited *in, struct err *e);
/* Whether fd is such a socket: Unix, IPv4 or IPv6. */
bool inherit_check(int fd, struct err *e);
/* Those that nobody took. */
void inherit_close(struct inherited *in);

#endif
