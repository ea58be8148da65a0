/*
 * login: a client from its first byte to "proven": the first packets (PROXY
 * header, SSLRequest, GSSENCRequest, StartupMessage; 55.2.1), limits, the
 * password exchange, and who it is. An engine: bytes in, bytes out; the client
 * owns the socket.
 *
 * Nothing a stranger sent has an effect before the proof: an unknown user or
 * database goes through the same exchange and fails at its end, with the same
 * words.
 *
 * Some answers come from elsewhere: derived keys, a secret that has to be looked
 * up, a judge. Meanwhile LOGIN_MORE is given and nothing is eaten; resume() says
 * that it is to be fed again, if only with what it has not eaten yet.
 *
 * Thread: the client's. It holds a reference to one configuration snapshot.
 */
#ifndef POOLING_LOGIN_H
#define POOLING_LOGIN_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "io/addr.h"
#include "policy/config.h"
#include "pooling/hub.h"
#include "proto/param.h"
#include "proto/scram.h"
#include "proto/settings.h"

struct login;
struct guard_source;

enum login_step {
	LOGIN_MORE, /* feed it more, or wait for resume() */
	LOGIN_PROVEN, /* see login_result() */
	LOGIN_CANCEL, /* a CancelRequest: see login_cancel_key() */
	LOGIN_FAILED, /* tell the client e, FATAL, and close */
	LOGIN_CLOSE, /* close without a word */
	LOGIN_TLS, /* go on in TLS; then login_set_tls() */
	LOGIN_DIRECT_TLS, /* the same, and what was fed is TLS already */
	LOGIN_DROP, /* the same, and without a line in the log */
};

struct login_args {
	struct hub *hub;
	struct config *cfg;
	const struct addr *peer;
	uint32_t peer_uid;
	bool is_unix;
	struct loop *loop;
	int worker;
	/* On the loop, never inside login_feed(). */
	void (*resume)(void *arg);
	void *arg;
	/* Is set when the source has been counted, here or later: to be
	 * given back by guard_leave() with the connection. */
	struct guard_source **source;
};
struct login *login_new(const struct login_args *a);
/* At any time; what it asked for elsewhere is dropped when it comes. */
void login_free(struct login *l);
/* Eats whole packets at the start of in (*used bytes), which may be empty; what
 * it has to say is put at the end of out. */
enum login_step login_feed(struct login *l, struct span in, size_t *used,
    struct buf *out, struct err *e);
/* What LOGIN_PROVEN came with (SCRAM's last message) and has not been sent: it
 * may go out with the welcome, in one write. */
struct buf *login_last_words(struct login *l);
/* The client has sent its StartupMessage. */
bool login_has_started(const struct login *l);
/* Where it comes from: the socket's peer until a PROXY header says better. */
const struct addr *login_peer(const struct login *l);
/* There are far too many from where it comes: to be closed at once. */
bool login_is_dropped(const struct login *l);
/* After LOGIN_FAILED: it did not prove itself (auth_fail_delay). */
bool login_failed_proof(const struct login *l);
/* It counts against max_client_conn: whoever ends it takes one off. */
bool login_is_counted(const struct login *l);
/* The connection is encrypted now. cert_name: the common name of a client
 * certificate that was verified, or NULL. end_point: what SCRAM may bind to, or
 * empty. Both are copied. */
void login_set_tls(struct login *l, const char *cert_name,
    struct span end_point);
/* LOGIN_CANCEL: pid and secret; borrowed. */
struct span login_cancel_key(const struct login *l);

/* Good as long as the login is. Names are known, at least as claimed, from the
 * StartupMessage on. */
struct login_result {
	const char *user; /* NULL before the StartupMessage */
	const char *database;
	const char *application_name; /* "" if none */
	const struct database_conf *conf; /* NULL: the console */
	bool console;
	bool admin, stats;
	bool long_key; /* speaks protocol 3.2: see CANCEL_KEY_LONG */
	bool has_keys; /* proven keys for pass-through */
	struct scram_keys keys;
	const char *secret; /* the proven user's own, or NULL */
	bool used_old; /* proven by its old secret */
	const char *replication; /* "none", "logical", "physical" */
	const char *options; /* of a replication client, as sent; else "" */
	struct param_set *params; /* what the client asked for; borrowed */
	/* The same beyond the tracked names: each is set with SQL before the
	 * client's first query; borrowed. */
	struct settings *settings;
};
bool login_is_replication(const struct login_result *r);
const struct login_result *login_result(const struct login *l);
/* After LOGIN_PROVEN, when another snapshot is in force: is it still let in?
 * False with what the client is told. To be asked just before the welcome. */
bool login_recheck(const struct login *l, const struct config *now,
    struct err *e);
struct config *login_config(const struct login *l);

#endif
