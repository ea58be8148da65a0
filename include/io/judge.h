/*
 * judge: asks LDAP or PAM whether a password is right. Blocking: for a thread
 * of an offload.
 *
 * Both have time limits of their own: LDAP 3 s for each step; PAM what its
 * modules take. The password is never in an error.
 *
 * Thread: any, several at a time.
 */
#ifndef IO_JUDGE_H
#define IO_JUDGE_H

#include "base/base.h"
#include "base/err.h"

enum judge_kind { JUDGE_LDAP, JUDGE_PAM };

struct judge_question {
	enum judge_kind kind;
	const char *options; /* LDAP: see policy/ldap_options.h */
	const char *service; /* PAM: its name there */
	const char *user;
	const char *password;
	const char *rhost; /* where the client is */
};

/* Whether this build can ask it. */
bool judge_is_here(enum judge_kind kind);
/* False: e says why, for the log. An empty password is never right. */
bool judge_ask(const struct judge_question *q, struct err *e);

#endif
