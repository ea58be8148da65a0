/*
 * worker: a thread with an event loop, its clients and the servers linked to
 * them.
 *
 * Thread: functions marked (any) may be called from any thread, (main) from
 * the main thread, the rest from the worker's own.
 */
#ifndef POOLING_WORKER_H
#define POOLING_WORKER_H

#include "base/base.h"
#include "io/loop.h"
#include "io/stream.h"
#include "policy/config.h"
#include "pooling/hub.h"
#include "pooling/registry.h"

struct worker;
struct parcel;
struct client;
struct server;

/* (main) Makes n workers, not running yet. */
void workers_new(struct hub *h, int n);
bool workers_start(struct hub *h);
/* Stops the loops, joins the threads. */
void workers_stop(struct hub *h);
void workers_free(struct hub *h);

/* (main) A new connection for the least loaded worker; takes over fd. */
void workers_accept(struct hub *h, int fd, const struct addr *peer,
    bool is_unix);
/* (main) Takes over a reference to cfg and gives every worker its own; done()
 * runs on the main thread when all have it. done may be NULL. */
void workers_config(struct hub *h, struct config *cfg,
    void (*done)(void *arg), void *arg);
/* (main) A drain: parts with all clients within window_us, and moves those that
 * can be moved (see drain.h), from when every worker knows of it; done() then
 * runs on the main thread. */
void workers_drain(struct hub *h, usec_t window_us, bool move,
    void (*done)(void *arg), void *arg);
/* (main) A client of the process before us, for the least loaded worker. */
void workers_adopt(struct hub *h, struct parcel *p);
/* (main) Time is over: closes the clients that are left. */
void workers_drain_finish(struct hub *h);
/* (main) After registry_apply(): clients of what is no more are closed. */
void workers_close_removed(struct hub *h);
/*
 * (main) Runs visit on every worker's thread, then done on the main thread.
 * slot is the worker's index, so each can fill its own place in arg.
 */
void workers_visit(struct hub *h,
    void (*visit)(struct worker *w, int slot, void *arg),
    void (*done)(void *arg), void *arg);

enum walk_over {
	WALK_LOGINS = 1, /* clients that have not logged in yet */
	WALK_CLIENTS = 2,
	WALK_SERVERS = 4,
};

/* What is done on every worker's thread: begin first, then client or server
 * for each object of these lists, one list behind the other. An object that
 * changes lists meanwhile may come twice; ids tell. Static. */
struct walker {
	unsigned lists;
	void (*begin)(struct worker *w, void *arg); /* may be NULL */
	void (*client)(struct worker *w, struct client *c, int slot,
	    void *arg);
	void (*server)(struct worker *w, struct server *s, int slot,
	    void *arg);
};
/* (main) In slices of some ms at most, and then done on the main thread; done
 * may be NULL. slot is as above. */
void workers_walk(struct hub *h, const struct walker *how,
    void (*done)(void *arg), void *arg);
/* (main) Adds what running relays have counted to their pools. */
void workers_flush_stats(struct hub *h, void (*done)(void *arg), void *arg);
/* (main) After names have changed their addresses: servers at those that have
 * gone are closed, those in use when they are free. */
void workers_close_moved(struct hub *h);
/* (main) Closes all clients of a database (NULL = all) with FATAL e. */
/* Some pools' servers have to go: clients that keep one for themselves are
 * closed, see client_drop_outdated(). */
void workers_drop_outdated(struct hub *h);
void workers_kill_database(struct hub *h, struct database *db,
    const struct err *e, void (*done)(void *arg), void *arg);

struct hub *worker_hub(struct worker *w);
int worker_index(const struct worker *w);
struct loop *worker_loop(struct worker *w);
/* The snapshot in use; good until the end of the turn. */
const struct config *worker_config(const struct worker *w);

/* What SHOW CLIENTS, SHOW SERVERS and SHOW SOCKETS print; texts borrow from
 * the object and are good during the call. */
struct conn_info {
	bool is_server;
	const char *user; /* "(nouser)" when unknown */
	const char *database; /* "(nodb)" */
	const char *replication; /* "none", "logical", "physical" */
	const char *state; /* as SHOW CLIENTS / SERVERS has it */
	const char *socket_state; /* as SHOW SOCKETS has it */
	struct addr peer, local;
	usec_t connect_wall_us; /* since 1970 */
	usec_t request_wall_us; /* 0 = none yet */
	usec_t wait_us; /* since the current query began, else 0 */
	bool close_needed;
	const void *ptr;
	const void *link; /* NULL if none */
	int remote_pid;
	char tls[STREAM_TLS_TEXT]; /* "" = plain */
	const char *application_name;
	uint64_t id;
	bool logged_in; /* clients in login are in SHOW SOCKETS only */
	size_t recv_kept, send_kept; /* bytes held */
	size_t prepared; /* statements */
	unsigned pins; /* why client and server stay together: enum pin */
	int worker;
};
void worker_describe_client(struct worker *w, const struct client *c,
    struct conn_info *i);
void worker_describe_server(struct worker *w, const struct server *s,
    struct conn_info *i);
/* Why a client waits, if it does. */
struct wait_info {
	usec_t since_us; /* monotonic */
	bool welcome; /* it is not welcomed yet: only that is wanted */
	struct pool_bind bind;
};
bool worker_describe_wait(const struct client *c, struct wait_info *out);
/* By whom a server is held, if it is not idle. */
struct hold_info {
	const struct client *client; /* NULL: by the pooler itself */
	const char *state; /* a literal */
	usec_t since_us; /* 0 = not known */
	usec_t xact_us; /* 0 = no transaction is open */
	uint64_t fingerprint; /* of what it runs; 0 = not known */
};
bool worker_describe_hold(const struct server *s, struct hold_info *out);
/* Closes the client with FATAL e; false if it is not here. */
bool worker_kill_client(struct worker *w, uint64_t id, const struct err *e);
/* SUSPEND: nothing is read and no timer runs, until it is taken back. */
void worker_hold(struct worker *w, bool on);
/* Sends what is unsent either way; returns how many clients still have some.
 * drop: these are closed. */
size_t worker_flush_bytes(struct worker *w, bool drop);
/* Clients of any kind on this worker, logins included (any). */
int worker_load(const struct worker *w);
/* Bytes of a client object, for SHOW MEM (any). */
size_t worker_client_size(void);

#endif
