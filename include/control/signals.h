/*
 * signals: what the process does when it is sent one. They are taken on the
 * main loop; all other threads have them blocked.
 *
 *	SIGHUP	RELOAD			SIGTERM	SHUTDOWN WAIT_FOR_CLIENTS
 *	SIGUSR1	PAUSE			SIGINT	SHUTDOWN WAIT_FOR_SERVERS
 *	SIGUSR2	RESUME			SIGQUIT	SHUTDOWN
 *
 * SIGTERM and SIGINT end the process at once when a shutdown is under way.
 *
 * Thread: main.
 */
#ifndef CONTROL_SIGNALS_H
#define CONTROL_SIGNALS_H

#include "control/plane.h"

/* Before any thread is started: blocks them here, and so in all threads that
 * are started from now on. SIGPIPE is ignored from here on. */
void signals_block(void);
/* When the plane is ready: takes them, and unblocks them in this thread. */
void signals_start(struct plane *pl);
void signals_stop(void);

#endif
