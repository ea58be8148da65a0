/*
 * hub: what the workers, the pools and the control plane share: where the
 * others are, and the counts that bound the whole process. No code of its own.
 */
#ifndef POOLING_HUB_H
#define POOLING_HUB_H

#include <stdatomic.h>

#include "base/base.h"
#include "io/dns.h"
#include "io/loop.h"
#include "io/offload.h"
#include "io/stream.h"
#include "policy/config.h"
#include "pooling/crowd.h"

struct worker;
struct registry;
struct pool;
struct cancel_keys;
struct peers;
struct handover;
struct parcel;
struct server_list;
struct walk_list;
struct tally;
struct welcome_shelf;
struct guard;
struct keycache;
struct passwords;

/* One per process. Fields are set before the workers start and then left
 * alone, but for the atomics and cfg. */
struct hub {
	struct loop *main_loop;
	struct dns *dns;
	struct registry *registry;
	/* A reference to a pool is dropped, perhaps the last but its own. */
	void (*rest)(struct registry *r, struct pool *p);
	struct cancel_keys *keys;
	struct peers *peers; /* NULL: none */
	struct welcome_shelf *welcomes;
	struct guard *guard;
	struct offload *derive; /* NULL: inside the caller (tests) */
	struct offload *blocking; /* LDAP, PAM, password commands */
	struct keycache *keycache;
	struct passwords *passwords;
	struct worker **workers;
	struct loop **loops; /* of the workers */
	int n_workers;
	/* Servers by the worker they are on, touched by that worker alone. */
	struct server_list *servers;
	/* Walks over lists of that worker; the same. */
	struct walk_list *walks;
	/* Its errors; the same. NULL: not counted (tests). */
	struct tally **tallies;
	uint8_t mock_seed[32];
	struct config *cfg; /* the main thread's reference */

	_Atomic uint64_t next_id; /* of clients and servers */
	_Atomic int clients; /* counted against max_client_conn */
	_Atomic int logins; /* connections that have not logged in yet */
	struct crowd waiting; /* clients, for a server */
	_Atomic int consoles; /* console sessions */
	_Atomic bool shutting_down; /* newcomers are refused */
	_Atomic bool fail_waiters; /* SHUTDOWN WAIT_FOR_SERVERS */
	_Atomic uint64_t probes; /* connections closed without a byte */

	/* Where clients go that another process takes over; called on the main
	 * thread. */
	void (*parcel)(void *arg, struct parcel *p);
	void *parcel_arg;
	_Atomic size_t parcel_bytes; /* that wait to be sent there */

	/* Where logged-in console sessions go; called on the main thread. */
	void (*console)(void *arg, struct handover *h);
	void *console_arg;
};

/* A console login, moved to the main thread. The receiver owns everything. */
struct handover {
	struct mail mail;
	struct hub *hub;
	int fd; /* non-blocking; nothing unsent */
	struct stream_tls *tls; /* NULL: plain */
	uint8_t *bytes; /* read already, behind the login; may be NULL */
	size_t n_bytes;
	struct addr peer;
	struct addr local;
	char *user;
	char *application_name; /* "" if none */
	bool admin;
	bool stats;
	uint64_t id;
	bool long_key; /* it speaks protocol 3.2 */
	usec_t connect_wall_us;
};
void handover_free(struct handover *h); /* closes nothing */

#endif
