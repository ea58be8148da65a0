/*
 * tcp: socket options of TCP connections, to clients and to servers.
 *
 * The values are those of the tcp_* keys. TCP_NODELAY is always set. Unix
 * sockets have no such options; do not call it for them.
 */
#ifndef IO_TCP_H
#define IO_TCP_H

#include "base/base.h"

struct tcp_tuning {
	bool keepalive;
	int keepcnt, keepidle_s, keepintvl_s; /* 0 = the system's */
	int user_timeout_ms; /* 0 = the system's */
	int socket_buffer; /* bytes, each way; 0 = the system's */
};

/* An option that the kernel refuses is left at its default: a connection that
 * works is better than none. */
void tcp_tune(int fd, const struct tcp_tuning *t);
/* The same in two parts: a socket takes TCP_NODELAY and SO_KEEPALIVE over from
 * the one it was accepted by, so they need not be set on each. The others stay
 * with each, since "the system's" cannot be set back. */
void tcp_tune_listening(int fd, const struct tcp_tuning *t);
void tcp_tune_accepted(int fd, const struct tcp_tuning *t);
/* The buffers alone, before listen() or connect(): a receive buffer past 64 kB
 * counts for the window only from then on. */
void tcp_tune_buffers(int fd, const struct tcp_tuning *t);

#endif
