/*
 * hba: host-based authentication: which method a client has to use, by where
 * it comes from and what it asks for. The first rule that fits decides; no
 * rule, no login.
 *
 *	TYPE DATABASE USER ADDRESS METHOD [OPTIONS]
 *
 * TYPE: local (Unix socket), host (TCP), hostssl, hostnossl. DATABASE: names,
 * all, sameuser, replication, @file. USER: names, all, @file. ADDRESS (not for
 * local): all, IP/BITS, IP MASK. METHOD: trust, reject, md5, password,
 * scram-sha-256, peer, cert, ldap, pam. OPTIONS: map=NAME for peer and cert;
 * for ldap and pam the rest of the line. Lists have commas; words in quotes
 * are plain names; # starts a comment.
 *
 * `all` does not cover physical replication, which asks for no database: only
 * `replication` does, as in PostgreSQL. Logical replication goes by its
 * database.
 *
 * What PostgreSQL knows and we cannot (host names, samehost, samenet, groups
 * and roles, regular expressions for names, includes) is refused, and so is
 * the whole file for any bad line: a `reject` that is skipped for a slip of
 * the pen would let everybody in.
 *
 * Pure. Immutable once read, so any thread may ask.
 */
#ifndef POLICY_HBA_H
#define POLICY_HBA_H

#include "base/arena.h"
#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "policy/ident.h"
#include "policy/net.h"

enum hba_type { HBA_LOCAL, HBA_HOST, HBA_HOSTSSL, HBA_HOSTNOSSL };
const char *hba_type_name(enum hba_type t);

enum hba_method {
	HBA_TRUST,
	HBA_REJECT,
	HBA_MD5,
	HBA_PASSWORD,
	HBA_SCRAM,
	HBA_PEER,
	HBA_CERT,
	HBA_LDAP,
	HBA_PAM,
};
const char *hba_method_name(enum hba_method m);

struct hba_names {
	bool all, sameuser, replication;
	const char *const *names; /* sorted */
	size_t n;
};

struct hba_rule {
	enum hba_type type;
	struct hba_names databases;
	struct hba_names users;
	bool any_address;
	struct net net;
	enum hba_method method;
	const struct ident_map *map; /* NULL: the names must be the same */
	const char *options; /* ldap, pam: as written, else "" */
	const char *file;
	int line;
};

struct hba {
	const struct hba_rule *rules;
	size_t n;
};

struct hba_input {
	const char *path;
	struct span text;
	const struct ident *ident; /* NULL: there are no maps */
	struct arena *arena; /* all that comes out is its */
	/* For @file; a relative name is one beside the file it stands in. */
	bool (*read_file)(void *arg, const char *path, struct buf *out,
	    struct err *e);
	/* Every error, with file and line. */
	void (*error)(void *arg, struct err *e);
	void *arg;
};

/* The rules, or NULL if an error was told. */
const struct hba *hba_read(const struct hba_input *in);

/* A client, as far as rules look at it. */
struct hba_client {
	bool is_unix;
	bool is_tls;
	struct ip ip;
	const char *database;
	const char *user;
	bool physical; /* replication without a database */
};

/* The rule that decides, or NULL. */
const struct hba_rule *hba_match(const struct hba *h,
    const struct hba_client *c);

/* A list of names as it may stand in a file. */
void hba_names_text(const struct hba_names *n, struct buf *out);
/* "all", "10.0.0.0/8"; "" for local. */
void hba_address_text(const struct hba_rule *r, char out[NET_TEXT]);

#endif
