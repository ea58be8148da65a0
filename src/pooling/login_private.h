/*
 * What the files of the login module share: login.c (packets, what is asked
 * for) and login_auth.c (the proof). Thread: the client's.
 */
#ifndef LOGIN_PRIVATE_H
#define LOGIN_PRIVATE_H

#include "base/arena.h"
#include "pooling/keycache.h"
#include "pooling/login.h"
#include "proto/auth.h"

/* What the login waits for before it can go on. */
enum login_wait {
	WAITS_FOR_CLIENT,
	WAITS_FOR_KEYS, /* of a plain secret */
	WAITS_FOR_JUDGE, /* of a cleartext password */
};

/* Apart from the login, which it may outlive. */
struct login_keys {
	struct key_query query;
	struct login *login; /* NULL: it has gone */
};

struct login {
	struct hub *hub;
	struct loop *loop;
	int worker;
	void (*resume)(void *arg);
	void *resume_arg;
	enum login_wait waits;
	bool answered; /* what it waits for has come */
	struct login_keys *keys; /* WAITS_FOR_KEYS, WAITS_FOR_JUDGE */
	struct config *cfg;
	struct arena *arena;
	struct addr peer;
	uint32_t peer_uid;
	bool is_unix;
	bool late; /* it came after the shutdown had begun */
	bool started;
	bool counted; /* against max_client_conn */
	bool no_database;
	struct auth_server *auth;
	uint8_t key[8];
	const char *wild; /* a value that not every encoding can quote */
	struct login_result r;
};

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
