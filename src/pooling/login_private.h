/*
 * What the files of the login module share: login.c (packets, what is asked
 * for), login_method.c (how it has to prove itself) and login_auth.c (the
 * proof). Thread: the client's.
 */
#ifndef LOGIN_PRIVATE_H
#define LOGIN_PRIVATE_H

#include "base/arena.h"
#include "io/judge.h"
#include "pooling/cancel.h"
#include "pooling/keycache.h"
#include "pooling/guard.h"
#include "pooling/login.h"
#include "pooling/lookup.h"
#include "proto/auth.h"

/* What the login waits for before it can go on. */
enum login_wait {
	WAITS_FOR_CLIENT,
	WAITS_FOR_SECRET, /* auth_query runs */
	WAITS_FOR_KEYS, /* of a plain secret */
	WAITS_FOR_JUDGE, /* of a cleartext password */
	WAITS_FOR_OTHERS, /* LDAP or PAM */
};

/* Apart from the login, which it may outlive; so are its texts. */
struct login_asking {
	struct offload_job job;
	struct judge_question q;
	struct arena *arena;
	struct login *login; /* NULL: it has gone */
	bool good;
	struct err why;
};

/* Apart from the login, which it may outlive. */
struct login_keys {
	struct key_query query;
	struct login *login; /* NULL: it has gone */
};

enum login_method {
	METHOD_REJECT,
	METHOD_ANY,
	METHOD_TRUST,
	METHOD_PASSWORD,
	METHOD_MD5,
	METHOD_SCRAM,
	METHOD_PEER,
	METHOD_CERT,
	METHOD_LDAP,
	METHOD_PAM,
};

/* Borrows from the snapshot it was made of. */
struct login_choice {
	enum login_method method;
	const struct hba_rule *rule; /* NULL: it is auth_type */
	const char *options; /* of the rule, else "" */
};

/* One of the two secrets that may be valid. */
struct login_secret {
	const char *text; /* NULL: none */
	struct scram_verifier verifier;
	bool ready; /* the verifier is; or there never will be one */
};

struct login {
	struct hub *hub;
	struct loop *loop;
	int worker;
	void (*resume)(void *arg);
	void *resume_arg;
	enum login_wait waits;
	bool answered; /* what it waits for has come */
	struct lookup *lookup; /* WAITS_FOR_SECRET, until it has come */
	bool looked_up; /* r.secret is what auth_query gave, if it did */
	bool lookup_failed;
	/* The current one (text is r.secret) and the old one. */
	struct login_secret secrets[2];
	int deriving; /* which of them */
	struct login_asking *asking; /* WAITS_FOR_OTHERS */
	struct login_keys *keys; /* WAITS_FOR_KEYS, WAITS_FOR_JUDGE */
	struct config *cfg;
	struct arena *arena;
	struct addr peer;
	uint32_t peer_uid;
	bool is_unix;
	bool late; /* it came after the shutdown had begun */
	bool is_tls;
	bool wants_header; /* of the PROXY protocol, before all else */
	char *cert_name; /* of a verified client certificate, or NULL */
	struct buf last_words;
	uint8_t end_point[SCRAM_BINDING_MAX];
	size_t end_point_n; /* 0: SCRAM has nothing to bind to */
	struct guard_source **source; /* the client's */
	struct err *refusal; /* by the guard, to be told */
	bool dropped; /* by the guard, without a word */
	bool failed_proof;
	bool started;
	bool counted; /* against max_client_conn */
	bool no_database;
	struct login_choice choice;
	struct auth_server *auth;
	uint8_t key[CANCEL_KEY_MAX]; /* of a CancelRequest */
	size_t key_n;
	const char *wild; /* a value that not every encoding can quote */
	struct login_result r;
};

/* login.c */
/* Its line of [databases], or the "*" line; NULL if neither. */
const struct database_conf *login_find_conf(const struct config *cfg,
    const char *name);

/* login_proxy.c */
/* While wants_header. */
enum login_step login_take_header(struct login *l, struct span in,
    size_t *used, struct err *e);
/* Is it a header, where none may come? Then with what to say. */
bool login_refuse_header(struct span in, struct err *e);

/* login_method.c */
/* False, with what the client is told, where a rule says so or none fits. */
bool login_choose(const struct login *l, const struct config *cfg,
    struct login_choice *out, struct err *e);
/* METHOD_PEER and METHOD_CERT: the system's or the certificate's name. */
bool login_vouched(const struct login *l, const struct config *cfg,
    const struct login_choice *c, struct err *e);
/* Adds, for the log, which credential failed by which rule. */
void login_explain(const struct login *l, struct err *e);

/* login_guard.c */
/* Its address is known. */
void login_meet(struct login *l);
/* Around the proof; false with the error of one who has to wait. */
bool login_may_try(struct login *l, struct err *e);
bool login_confirm(struct login *l, struct err *e);
/* The proof has failed, as e says. */
enum login_step login_refute(struct login *l, struct err *e);

/* login_judge.c: LDAP and PAM. */
/* False when too many are asked already. */
bool login_ask_others(struct login *l, const char *password);
/* Behind it: whether the password is right; else e->log says why. */
bool login_others_said(struct login *l, struct err *why);
void login_stop_asking(struct login *l);

/* login_auth.c */
/* The StartupMessage has been taken: begins the password exchange. */
enum login_step login_begin_auth(struct login *l, struct buf *out,
    struct err *e);
/* The next message of the exchange; in NULL = the first step. */
enum login_step login_auth_step(struct login *l, const struct span *in,
    struct buf *out, struct err *e);
/* What it waited for has come. */
enum login_step login_go_on(struct login *l, struct buf *out, struct err *e);
/* Lets go of what is under way. */
void login_abandon(struct login *l);
/* It is who it says it is: is it admitted? */
enum login_step login_proven(struct login *l, struct err *e);
/* Our own user, on the Unix socket, needs no password for the console. */
bool login_is_own_uid(const struct login *l);

#endif
