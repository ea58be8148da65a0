/*
 * notify: tells the service manager how the process is doing, by the protocol
 * of sd_notify(3): one datagram of KEY=VALUE lines to the socket that
 * NOTIFY_SOCKET names. It is small enough to be spoken without a library.
 * Without that variable everything here does nothing. A datagram that the
 * manager does not take at once is lost; nobody waits.
 *
 * Watchdog: when the manager asks for signs of life (WATCHDOG_USEC), one is
 * sent every half of that time, but only once every worker has answered a mail
 * since the last one. So a process of which one thread hangs is restarted.
 *
 * Thread: main.
 */
#ifndef CONTROL_NOTIFY_H
#define CONTROL_NOTIFY_H

#include <sys/socket.h>
#include <sys/un.h>

#include "base/base.h"
#include "io/loop.h"
#include "pooling/hub.h"

struct notify {
	int fd; /* -1 = nobody wants to know */
	struct sockaddr_un to;
	socklen_t to_n;
	struct hub *hub;
	struct timer watchdog;
	usec_t period_us; /* 0 = no signs of life are wanted */
};

/* At the start of main(): reads the environment, and takes the variables out of
 * it. */
void notify_init(struct notify *n);
void notify_fini(struct notify *n);
/* READY=1: after the start, and after a RELOAD whether it succeeded or not. */
void notify_ready(struct notify *n);
/* RELOADING=1 with the moment, as Type=notify-reload wants it. */
void notify_reloading(struct notify *n);
/* STOPPING=1. */
void notify_stopping(struct notify *n);
/* STATUS=: one line about what goes on. */
void notify_status(struct notify *n, const char *fmt, ...) PRINTF(2, 3);
/* Begins the signs of life; the workers run. */
void notify_watch(struct notify *n, struct hub *hub);

#endif
