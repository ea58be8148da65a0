/*
 * target: where a pool's servers are, as whom to log in there, and what the
 * first of them said (the welcome).
 *
 * Both are immutable and counted; a changed configuration makes new ones.
 * Threads: any, but for the counters, which are atomic.
 */
#ifndef POOLING_TARGET_H
#define POOLING_TARGET_H

#include <stdatomic.h>

#include "base/base.h"
#include "io/addr.h"
#include "io/dns.h"
#include "io/tcp.h"
#include "io/tls.h"
#include "policy/config.h"
#include "proto/param.h"
#include "proto/scram.h"

struct hosts;
struct keycache;
struct passwords;

/* Protocol 3.2 is asked of who is known to have it, so that no login is lost
 * by the asking. */
enum target_speaks { SPEAKS_UNKNOWN, SPEAKS_3_2, SPEAKS_ONLY_3_0 };

struct server_target {
	_Atomic int refs;
	char *database; /* the name clients use, for messages */
	char *host; /* "" = unix_socket_dir; "/..." or "@..." = directory; may
		     * be a comma list */
	int port;
	char *dbname;
	char *user;
	char *secret; /* of any kind, NULL if there is none */
	char *secret_file; /* ... which it stands in, or NULL */
	int secret_line; /* ... and its line; 0 = it is not a file's */
	bool learnt; /* ... from a login, not from the configuration */
	struct scram_keys keys; /* pass-through */
	bool has_keys;
	/* The program that prints the password, instead of secret; NULL = none.
	 * It is asked when a server wants a password. */
	char *password_command;
	usec_t password_lifetime_us;
	usec_t password_timeout_us;
	struct passwords *passwords;
	char *connect_query; /* "" = none */
	char **startup; /* name, value, ..., NULL: into the StartupMessage */
	struct param_names *names;
	char *unix_socket_dir;
	usec_t connect_timeout_us; /* 0 = none */
	bool log_connections;
	bool log_disconnections;
	struct dns *dns;
	struct keycache *keycache; /* NULL: keys are derived on the spot */
	struct tcp_tuning tcp;
	enum server_protocol protocol;
	_Atomic int speaks; /* enum target_speaks: what servers have shown */
	struct hosts *hosts; /* of `host`; NULL: what has one host */
	bool in_turn; /* load_balance_hosts */
	usec_t patience_us; /* for a host, while there are others; 0 = none */
	/* A pool that was told to write to a standby asks for no more of them:
	 * the entries of its list that are some, until then. */
	_Atomic bool wants_primary;
	_Atomic uint64_t standbys;
	_Atomic int64_t standbys_until_us;
	_Atomic unsigned turn; /* next entry of a host list, without hosts */
	struct tls_ctx *tls; /* NULL: plain */
	bool tls_required; /* a server that has none will not do */
	bool tls_direct; /* without asking */
	_Atomic int cancels; /* cancel connections under way */
	_Atomic int cancels_waiting;
	int max_cancels;
	usec_t cancel_wait_us;
	char *block; /* all strings, once packed */
	size_t block_n;
};
/* All strings must be malloc'ed; the last unref frees (and wipes) them. */
struct server_target *target_new(void);
/* Moves all strings into one block: there may be 100,000 of these. */
void target_pack(struct server_target *t);
struct server_target *target_ref(struct server_target *t);
void target_unref(struct server_target *t);
/* A copy that logs in with what a login has brought: another secret, other
 * keys, or both (NULL = as before). */
struct server_target *target_with_login(const struct server_target *t,
    const char *secret, const struct scram_keys *keys);
/* A copy with another list for the StartupMessage, which it takes over. */
struct server_target *target_with_startup(const struct server_target *t,
    char **startup);
/* Whether servers made for one serve for the other: same place, same user,
 * same session settings. Passwords, limits and times do not count. */
bool target_same(const struct server_target *a, const struct server_target *b);
/* The same in every respect. */
bool target_equal(const struct server_target *a,
    const struct server_target *b);

/* What it logs in with, and where that is from, for messages; never the secret
 * itself. */
#define TARGET_CREDENTIAL 300
void target_credential(const struct server_target *t,
    char out[TARGET_CREDENTIAL]);
/* The same for those that target_same() calls the same, and hardly ever for
 * others. */
uint64_t target_stamp(const struct server_target *t);

/* The next host of the list, into out; for targets without `hosts`. */
#define TARGET_HOST 256
void target_host(struct server_target *t, char out[TARGET_HOST]);
/* The set of entries that are known to be standbys, for TARGET_STANDBY_US. */
#define TARGET_STANDBY_US (10 * USEC_PER_SEC)
uint64_t target_standbys(const struct server_target *t, usec_t now);
void target_add_standby(struct server_target *t, size_t i, usec_t now);
/* Whether a host is a directory of Unix sockets. */
bool host_is_unix(const char *host);
/* A non-blocking socket, connected or on its way; -1 with errno. a is for
 * TCP; a Unix host needs none. */
int target_dial(const struct server_target *t, const char *host,
    const struct addr *a);

#define WELCOME_TAKEN 4

/* What a pool's first server told at login; clients are welcomed from it. */
struct welcome {
	_Atomic int refs;
	struct param_set *params; /* the tracked ones */
	/* Keys of startup settings that such servers took; 0 = none. */
	_Atomic uint64_t taken[WELCOME_TAKEN];
	_Atomic unsigned n_taken;
	size_t n; /* bytes of ParameterStatus messages, untracked ones */
	uint8_t bytes[];
};
/* Servers of one kind say the same: a shelf of the last few distinct ones lets
 * pools share them. Any thread. */
struct welcome_shelf;
struct welcome_shelf *welcome_shelf_new(void);
void welcome_shelf_free(struct welcome_shelf *sh);
/* Gives back w, or drops it and gives an equal one, with a reference. Without
 * a shelf (NULL) it is w. */
struct welcome *welcome_share(struct welcome_shelf *sh, struct welcome *w);
struct welcome *welcome_new(struct span bytes, struct param_set *params);
struct welcome *welcome_ref(struct welcome *w);
void welcome_unref(struct welcome *w);
/* Startup settings are tried once; then their key is known, as long as no four
 * others come. */
bool welcome_has_taken(const struct welcome *w, uint64_t key);
void welcome_take(struct welcome *w, uint64_t key);

#endif
