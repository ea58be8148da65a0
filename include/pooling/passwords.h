/*
 * passwords: what password_commands have printed, for as long as it is good.
 *
 * A password is kept by command, user and database, for its lifetime, or until
 * a server has refused it. Whoever asks while the program runs waits for the
 * same run. A failure is not kept: the pool that asked waits before it tries
 * again.
 *
 * Threads: any; the answer comes to the loop that the query names.
 */
#ifndef POOLING_PASSWORDS_H
#define POOLING_PASSWORDS_H

#include "base/base.h"
#include "base/err.h"
#include "io/loop.h"
#include "io/offload.h"

struct passwords;

/* Stays put until answered() has run. */
struct password_query {
	/* the asker fills in; texts are not needed later */
	const char *command;
	const char *user;
	const char *database;
	const char *host;
	usec_t lifetime_us;
	usec_t timeout_us;
	struct loop *reply_to;
	void (*answered)(struct password_query *q);
	/* the answer: a copy, to be wiped and freed by the asker */
	char *password; /* NULL: err */
	struct err err;
	/* inside */
	struct mail mail;
	STAILQ_ENTRY(password_query) next;
};

struct passwords *passwords_new(struct offload *o);
void passwords_free(struct passwords *pw);
/* Always answered by mail. */
void passwords_ask(struct passwords *pw, struct password_query *q);
/* A server has refused it: the next one who asks has the program run. Only
 * those of command, user and database count. */
void passwords_forget(struct passwords *pw, const struct password_query *q);

#endif
