/*
 * client: one client connection, from accept to close.
 *
 *   startup -> login -> [greet] -> idle <-> waiting -> active -> idle
 *      |          |                   any -> closing -> closed
 *      |          |          active -> hearing -> idle
 *      '-> cancel '-> (the console: moved to the main thread)
 *
 * startup: nothing or part of the first packet is here. login: the password
 * exchange. greet: proven, and waits for the pool's welcome. idle: logged in,
 * without a server. waiting: in its pool's queue. active: linked to a server by
 * a relay. hearing: it is not linked any more, but its LISTEN has yet to be
 * carried out. closing: the last words are being sent.
 *
 * client_enter() is the only writer of the state.
 *
 * Thread: its worker's, for ever.
 */
#ifndef POOLING_CLIENT_H
#define POOLING_CLIENT_H

#include <sys/queue.h>

#include "base/base.h"
#include "base/err.h"
#include "base/log.h"
#include "io/stream.h"
#include "pooling/cancel.h"
#include "pooling/hub.h"
#include "pooling/login.h"
#include "pooling/pool.h"
#include "pooling/registry.h"
#include "pooling/relay.h"

enum client_state {
	CL_STARTUP,
	CL_LOGIN,
	CL_GREET,
	CL_IDLE,
	CL_WAITING,
	CL_ACTIVE,
	CL_HEARING,
	CL_CANCEL,
	CL_CLOSING,
	CL_CLOSED,
	CL_STATES
};

struct parcel;
struct client_ear;
TAILQ_HEAD(client_list, client);

/* What the clients of one worker share. */
struct client_home {
	struct hub *hub;
	struct loop *loop;
	int worker;
	struct config *cfg;
	struct relay_pool *relays;
	struct client_list clients; /* logged in */
	struct client_list logins; /* not yet, oldest first */
	int n_logins;
	uint64_t login_turn; /* ... in which so many steps of logins were */
	int login_steps;
	bool moving; /* clients go to another process */
	struct log_limit full; /* lines about queries refused at once */
	uint64_t dice; /* which slow queries are logged */
	/* What the last one asked for, which most others ask for too. */
	struct param_set *asked;
	_Atomic int load; /* connections of any kind */
};

struct client {
	struct stream stream;
	struct client_home *home;
	enum client_state state;
	bool is_unix;
	bool counted; /* against max_client_conn */
	bool login_listed; /* counted in hub->logins */
	bool gone; /* it has sent all it will */
	bool parts; /* leaving: by being told to */
	bool outdated; /* leaving: since its server has to go */
	bool leaving; /* it is closed, or moved, when its transaction is over */
	bool skip_sync; /* its messages are dropped up to a Sync */
	bool closes; /* its batch was nothing but Close as yet: see close_here() */
	bool tls_noted; /* the login knows of it */
	bool told; /* closing: it was sent an error */
	bool notified; /* of being queued */
	bool greeting; /* active: not welcomed yet, its settings are tried */
	uint32_t skip; /* bytes of a message to drop */
	uint64_t id;
	struct pool *pool;
	struct database *db;
	struct user *user; /* the login name's record */
	struct param_set *params;
	struct settings *settings; /* what it has set; NULL = nothing */
	struct settings *startup; /* what it asked for at login */
	struct param_set *asked; /* ... of tracked names; NULL = nothing */
	struct channels *heard; /* what it listens on, by the pool's fanout */
	struct client_ear *ear; /* NULL until it has listened */
	struct texts *texts; /* statements that touch the session */
	uint64_t settings_key; /* greeting: of those that are tried */
	struct stmt_client *stmts; /* NULL until used */
	struct relay *relay;
	struct login *login;
	struct keep held;
	struct waiter waiter;
	struct cancel_entry cancel;
	struct guard_source *source; /* counts us; NULL: nobody does */
	struct err *verdict; /* on its login, held back; or NULL */
	struct cancel_call *call; /* CL_CANCEL */
	struct timer timer;
	struct addr peer;
	usec_t connect_us;
	usec_t connect_wall_us;
	usec_t request_us;
	usec_t query_wait_us; /* effective timeouts */
	usec_t idle_timeout_us;
	usec_t notify_us;
	struct task bury;
	TAILQ_ENTRY(client) link;
};

/* Takes over fd. */
void client_new(struct client_home *h, int fd, const struct addr *peer,
    bool is_unix);
/* Sends FATAL e and closes. */
void client_kill(struct client *c, const struct err *e);
/* RECONNECT, RELOAD: if it keeps a server that has to go, and nobody else will
 * ever get it, it is closed: a replication client at once, and with
 * server_fast_close one in session mode when its transaction is over. */
void client_drop_outdated(struct client *c);
/*
 * A drain: it is closed with 57P01 when its transaction is over, in session
 * mode too; at once if it has been idle for idle_us. True when it was.
 */
bool client_leave(struct client *c, usec_t idle_us);
/* To the process that takes our place: whether that can be done now (see
 * pooling/parcel.h), and to do it, by way of hub->parcel(). False: it stays. */
bool client_can_move(const struct client *c);
bool client_move(struct client *c);
/* From the process before us; takes over p. It counts in h->load already. */
void client_adopt(struct client_home *h, struct parcel *p);
/* At the end of everything: no words, no waiting. */
void client_drop(struct client *c);
/* Takes over what a new snapshot says. */
void client_refresh(struct client *c, const struct config *cfg);
const char *client_state_show(const struct client *c);
const char *client_state_socket(const struct client *c);
#define CLIENT_LABEL 300
void client_label(const struct client *c, char out[CLIENT_LABEL]);

#endif
