/*
 * plane: the control plane's own state: who sits at a console, which command
 * waits for what, whether a shutdown is under way. One per process.
 *
 * A command under way is an order. It answers at once or later, with
 * order_finish(); meanwhile other sessions go on. What it waits for is a
 * predicate, looked at by a timer that runs only while somebody waits, each
 * order for its own condition.
 *
 * Thread: main.
 */
#ifndef CONTROL_PLANE_H
#define CONTROL_PLANE_H

#include <sys/queue.h>

#include "base/base.h"
#include "base/err.h"
#include "control/command.h"
#include "control/names.h"
#include "control/notify.h"
#include "control/rows.h"
#include "io/loop.h"
#include "io/stream.h"
#include "pooling/hub.h"
#include "pooling/stats.h"

struct plane;
struct listener;
struct takeover;

/* ---- sessions ---- */

/* One console session, as others see it. Embedded in it. */
struct seat {
	TAILQ_ENTRY(seat) link;
	uint64_t id;
	const char *user;
	const char *application_name;
	bool admin;
	struct addr peer, local;
	usec_t connect_wall_us;
	usec_t request_wall_us; /* last command; 0 = none yet */
	usec_t request_us; /* when the running command began; 0 = none */
	/* Ends the session with FATAL e. */
	void (*kill)(struct seat *s, const struct err *e);
};

/* ---- orders ---- */

struct order {
	struct plane *plane;
	struct command command;
	struct span text; /* as it was written; good until order_run() ends */
	struct seat *seat; /* NULL once the session has gone */
	/* the answer; err set = it failed and nothing else counts */
	struct rows rows; /* columns NULL: no result */
	struct buf notices; /* NoticeResponses */
	char tag[COMMAND_ARG + COMMAND_VALUE + 8];
	struct err err;
	bool hang_up; /* no answer, the connection closes */
	/* Told when it is finished; must end in order_free(). */
	void (*done)(struct order *q);
	void *owner;
	/* while it waits: is it over? may fill in err; and what to undo when
	 * the user cancels (may be NULL) */
	bool (*ready)(struct order *q);
	void (*canceled)(struct order *q);
	bool waiting;
	TAILQ_ENTRY(order) link;
	char name[COMMAND_ARG]; /* of the database it is about; "" = all */
	usec_t until_us; /* when what it began ends by itself; 0 = never */
};

TAILQ_HEAD(order_list, order);

struct order *order_new(struct plane *pl, struct seat *seat,
    void (*done)(struct order *q), void *owner);
void order_free(struct order *q);
/* The answer is complete. q may be gone afterwards. */
void order_finish(struct order *q);
/* Finish with an error of this SQLSTATE (08P01 under pgbouncer_sqlstates). */
void order_fail(struct order *q, const char *sqlstate, const char *fmt, ...)
    PRINTF(3, 4);
/* Like order_fail() with what stands in q->err already. */
void order_fail_err(struct order *q);
/* Finishes when ready() says so. */
void order_wait(struct order *q, bool (*ready)(struct order *q),
    void (*canceled)(struct order *q));
/* A waiting order fails with 57014; others are too quick to be cancelled. */
void order_cancel(struct order *q);
/* The session has gone: a waiting order is freed, one that is still under
 * way is freed when it finishes; done() will not be called. */
void order_abandon(struct order *q);

/* ---- the plane ---- */

enum shutdown_mode {
	SHUTDOWN_NO,
	SHUTDOWN_SERVERS, /* until no server connection is left */
	SHUTDOWN_CLIENTS, /* until no client is left */
	SHUTDOWN_NOW,
};

/* What the command line said and no configuration changes. */
struct plane_args {
	const char *config_file; /* NULL: from the environment */
	bool quiet; /* nothing to stderr */
	int verbose;
};

struct plane {
	struct hub *hub;
	struct listener *listener;
	struct notify notify;
	struct takeover *takeover; /* NULL: no successor can come */
	struct plane_args args;
	TAILQ_HEAD(, seat) seats;
	struct order_list waits;
	struct timer poll; /* runs while waits has entries */
	TAILQ_HEAD(, pause_end) pause_ends; /* of pause.c */
	/* of suspend.c */
	struct {
		bool on;
		bool looking; /* workers are being asked */
		bool drained; /* nothing is unsent */
		usec_t until_us; /* then the rest is dropped; 0 = never */
		uint64_t seat; /* who gave the command */
	} suspend;
	/* shutdown */
	enum shutdown_mode shutdown;
	struct timer drain;
	bool successor; /* another process takes our clients */
	usec_t drain_begun_us;
	usec_t drain_over_us; /* when all have to be gone; 0 = no deadline */
	usec_t drain_empty_us; /* since when nobody is left; 0 = not yet */
	usec_t drain_told_us; /* the last line about it */
	bool drain_forced; /* time was over: the rest is being closed */
	/* statistics */
	struct counters console; /* of the database pgbouncer */
	struct counters console_mid, console_old;
	usec_t mid_us, old_us; /* ends of the last periods */
	struct timer period;
	struct timer sweep;
	bool rolling; /* a period's end is being worked on */
};

void plane_init(struct plane *pl, struct hub *hub,
    const struct plane_args *args);
void plane_fini(struct plane *pl);
void plane_sit(struct plane *pl, struct seat *s);
void plane_leave(struct plane *pl, struct seat *s);
/* True for both names of the console's database. */
bool plane_is_console(const char *database);
/* Puts the configuration's log targets and level to work; false with an
 * error when the file cannot be opened. */
bool plane_log_targets(const struct plane *pl, const struct config *cfg,
    struct err *e);

#endif
