/*
 * listener: the sockets that clients connect to: TCP on listen_addr and
 * listen_port, and the Unix socket unix_socket_dir/.s.PGSQL.PORT.
 *
 * It accepts on its loop and hands each new socket, set up, to its owner. A
 * burst of connections is taken in portions, so that others get their turn.
 * When descriptors run out it stops for LISTENER_REST_US, with one warning,
 * instead of spinning; who knocks meanwhile waits in the kernel's queue.
 *
 * Thread: the loop's.
 */
#ifndef CONTROL_LISTENER_H
#define CONTROL_LISTENER_H

#include "base/err.h"
#include "io/loop.h"
#include "io/stream.h"

struct config;
struct inherited;
struct listener;

#define LISTENER_REST_US (1 * USEC_PER_SEC)
#define LISTENER_BURST 64 /* connections per socket and turn */

/*
 * A new client. fd is non-blocking, close-on-exec, with the tcp_* options set,
 * and the callee's to close. peer is valid during the call. The callback may
 * call everything here but listener_close().
 */
typedef void listener_accepted_fn(void *arg, int fd, const struct addr *peer,
    bool is_unix);

/*
 * Opens everything that the configuration names. A TCP address that cannot be
 * bound is a warning. NULL with an error: a name in listen_addr that cannot be
 * resolved (this blocks), a Unix socket that is in use or cannot be made, or
 * nothing to listen on at the end. A socket file whose process is gone is
 * replaced. Logs `listening on ...` for each.
 *
 * Where sockets were handed over (in may be NULL) these are taken, out of in,
 * and nothing else is opened.
 */
struct listener *listener_open(struct loop *l, const struct config *c,
    struct inherited *in,
    listener_accepted_fn *accepted, void *arg, struct err *e);
/* RELOAD: the tcp_* options for sockets accepted from now on. */
void listener_configure(struct listener *ln, const struct config *c);
/* Closes everything and removes the socket file if it is still ours; NULL is
 * fine. */
void listener_close(struct listener *ln);
/* Another process goes on with all of them: closes ours, and leaves the files. */
void listener_release(struct listener *ln);
/* A drain: TCP connections that wait to be accepted are, later ones are
 * refused; the Unix socket goes on. */
void listener_close_tcp(struct listener *ln);
/* Stops and goes on accepting; what comes meanwhile waits in the queue. */
void listener_pause(struct listener *ln);
void listener_resume(struct listener *ln);

/* Calls fn for each open socket; where is "127.0.0.1:6432" or "unix:PATH". */
void listener_each(const struct listener *ln,
    void (*fn)(void *arg, int fd, const struct addr *addr, const char *where),
    void *arg);

#endif
