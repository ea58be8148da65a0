/*
 * takeover: a new process takes the place of a running one (-R).
 *
 * The running one listens on a socket of its own beside that of its clients
 * (unix_socket_dir/.s.PGSQL.PORT.takeover), which only its own user may use. They
 * speak in packets; a descriptor goes with an L and a C:
 *
 *	new -> old	H/format version	who asks
 *	old -> new	L		a listening socket; one packet each
 *	old -> new	G		that was all; serve, and say R
 *	new -> old	R		the new one accepts clients
 *	old -> new	D		the old one has let go of its sockets, pid
 *					file and this socket's name
 *	old -> new	C ... c ...	a client; see proto/moved.h
 *	new -> old	K key		a cancel request whose key is not known
 *
 * Until R nothing has happened to the old process; if the new one cannot start,
 * or has another format, it just goes on. From then on it drains: every client is sent over as soon as
 * it stands between two transactions. Those that cannot be sent stay until they
 * leave, or until drain_timeout, and then the old process ends, with which the
 * connection closes.
 *
 * The sockets are those of the old process: listen_addr and its kin count again
 * at the next start from nothing.
 *
 * Thread: main.
 */
#ifndef CONTROL_TAKEOVER_H
#define CONTROL_TAKEOVER_H

#include "base/err.h"
#include "control/inherit.h"
#include "control/plane.h"

/*
 * -R: asks the running process for its sockets, at most some seconds. Sets *fd
 * to the connection, or to -1 when nobody runs there. False with an error when
 * somebody does and it did not work.
 */
bool takeover_ask(const struct config *cfg, struct inherited *in, int *fd,
    struct err *e);
/* Everything runs: lets the old process go, and takes its clients. fd is from
 * takeover_ask(); -1: only listens for successors, as it does afterwards. Without
 * a Unix socket nobody can come; an error is a warning in the log. */
void takeover_ready(struct plane *pl, int fd);
void takeover_close(struct plane *pl);

#endif
