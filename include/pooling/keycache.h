/*
 * keycache: what plain passwords come to, so that a login by SCRAM does not
 * derive keys each time: 4096 HMACs are 1 to 3 ms of processor.
 *
 * An entry is of one credential: user, password, salt and iterations. It is
 * found by a keyed hash of these, so the password itself is not kept. A
 * derivation is done by an offload, once for all who ask meanwhile. Entries are
 * bounded in number (the one unused for longest goes), and wiped when they go
 * and when RELOAD has given their user another secret.
 *
 * Towards clients the salt is of our own making, one for each credential; to
 * servers it is the server's. A cleartext password can be judged against a
 * stored verifier: only what fits is kept.
 *
 * Threads: any; the answer comes to the loop that the query names.
 */
#ifndef POOLING_KEYCACHE_H
#define POOLING_KEYCACHE_H

#include "base/base.h"
#include "io/loop.h"
#include "io/offload.h"
#include "policy/config.h"
#include "proto/scram.h"

struct keycache;

#define KEY_SALT_MAX 64

/* Stays put until answered() has run, if keycache_ask() gave KEYS_LATER; the
 * asker remembers that it no longer cares. */
struct key_query {
	/* the asker fills in */
	const char *user;
	const char *password; /* user and password are not needed later */
	uint8_t salt[KEY_SALT_MAX];
	size_t salt_n; /* 0: one of our own making */
	uint32_t iterations;
	bool judge; /* ok only if the keys are those of stored_key */
	uint8_t stored_key[SCRAM_KEY];
	struct loop *reply_to;
	void (*answered)(struct key_query *q); /* on reply_to's thread */
	/* the answer */
	bool ok;
	struct scram_keys keys;
	struct scram_verifier verifier;
	/* inside */
	struct mail mail;
	STAILQ_ENTRY(key_query) next;
};

enum keys_when { KEYS_NOW, KEYS_LATER, KEYS_REFUSED };

struct keycache *keycache_new(struct offload *o, int max_entries);
void keycache_free(struct keycache *kc); /* NULL is fine */
/* KEYS_NOW: the answer is in q, and answered() does not come. KEYS_REFUSED: too
 * many derivations wait already. */
enum keys_when keycache_ask(struct keycache *kc, struct key_query *q);
/* RELOAD: wipes the entries that the secrets of auth_file do not confirm. */
void keycache_sweep(struct keycache *kc, const struct config *cfg);
/* Entries, and derivations done so far. */
size_t keycache_count(struct keycache *kc);
uint64_t keycache_derived(struct keycache *kc);
/* Wipes what an answer holds. */
void key_query_wipe(struct key_query *q);

#endif
