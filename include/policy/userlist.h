/*
 * userlist: the lines of auth_file.
 *
 *	"user" "secret" anything
 *	"user" "secret" old "secret" anything
 *
 * The second form is for a change of passwords: both secrets are valid, and
 * SHOW USERS counts the logins by the old one. Two SCRAM verifiers of one user
 * must have the same salt and iterations.
 *
 * Both in double quotes, `""` inside for a quote; the rest of the line is not
 * looked at. Lines whose first character behind blanks is `;` are comments,
 * empty lines are skipped. A user has at most 127 bytes, a secret 65530.
 * Secret: plain text, "md5" + 32 hex digits, or a SCRAM verifier (see
 * proto/auth.h). Anything else on a line is an error: config refuses the
 * whole file then.
 *
 * Pure.
 */
#ifndef POLICY_USERLIST_H
#define POLICY_USERLIST_H

#include "base/arena.h"
#include "base/base.h"
#include "base/err.h"

#define USERLIST_NAME_MAX 127
#define USERLIST_SECRET_MAX 65530

struct userlist_entry {
	const char *name;
	const char *secret;
	const char *old_secret; /* valid too; NULL = none */
	int line;
};

enum userlist_kind { USERLIST_ENTRY, USERLIST_BAD, USERLIST_END };

struct userlist {
	const uint8_t *p;
	const uint8_t *end;
	int line; /* of the item given last, from 1 */
};

void userlist_init(struct userlist *u, struct span text);
/* Strings of the entry are put into the arena, which should be wiped at its
 * end. After USERLIST_BAD reading may go on with the next line; the error
 * has no file and line, and never a part of the secret. */
enum userlist_kind userlist_next(struct userlist *u, struct arena *a,
    struct userlist_entry *out, struct err *e);

#endif
