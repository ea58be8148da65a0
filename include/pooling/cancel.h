/*
 * cancel: the keys that clients were given, and whom a CancelRequest that
 * carries one is meant for (55.2.7 Canceling Requests in Progress).
 *
 * The table is sharded, since each login and logout writes to it. A key is
 * eight bytes from the kernel's generator, the top bit of the first clear. It
 * never equals a server's key. With a peer id (see peers.h) bytes 1 and 2 are
 * that, and the two low bits of byte 7 are set. A client that speaks protocol
 * 3.2 gets 28 random bytes more behind them: a secret of 32 bytes, as
 * PostgreSQL's. What is asked for has to have every byte of the key.
 *
 * Threads: any.
 */
#ifndef POOLING_CANCEL_H
#define POOLING_CANCEL_H

#include "base/base.h"
#include "io/loop.h"

#define CANCEL_KEY 8 /* bytes, the pid's four with them; in 3.0 */
#define CANCEL_KEY_LONG 36 /* in 3.2 */
#define CANCEL_KEY_MAX 260 /* that a request can have */
#define CANCEL_TTL 3 /* of byte 7: how often it may be passed on */

/* The id of the process that made the key, if it has one. */
static inline int
cancel_key_peer(const uint8_t key[CANCEL_KEY])
{
	return key[1] | key[2] << 8;
}

struct cancel_keys;

/* A CancelRequest on its way to the owner of its key. */
struct cancel_call {
	struct mail mail;
	struct cancel_keys *keys;
	uint16_t key_n; /* at least CANCEL_KEY */
	uint8_t key[CANCEL_KEY_MAX];
	/* Runs on reply_to, when the request has been dealt with or nobody
	 * has the key; then the caller may close and free. */
	void (*over)(struct cancel_call *c);
	struct loop *reply_to;
	void *owner; /* the caller's */
	void *elsewhere; /* whoever looks for it in another process */
};

/* Embedded in whoever has a key. */
struct cancel_entry {
	struct cancel_entry *next;
	uint8_t key_n; /* CANCEL_KEY or CANCEL_KEY_LONG */
	uint8_t key[CANCEL_KEY_LONG];
	bool listed;
	struct loop *loop;
	/* A CancelRequest with this key has come; runs on loop. Must see to it
	 * that cancel_call_over() is called, now or later. */
	void (*called)(struct cancel_entry *e, struct cancel_call *c);
};

struct cancel_keys *cancel_keys_new(void);
void cancel_keys_free(struct cancel_keys *k);
/* Keys made from now on carry this id; 0: none. */
void cancel_keys_set_peer(struct cancel_keys *k, int id);
/* What is behind the pid in BackendKeyData. */
static inline struct span
cancel_key_secret(const struct cancel_entry *e)
{
	return SPAN(e->key + 4, e->key_n - 4u);
}
/* The pid there. */
uint32_t cancel_key_pid(const struct cancel_entry *e);
/* Takes the bytes of a request, CANCEL_KEY to CANCEL_KEY_MAX of them. */
void cancel_call_set(struct cancel_call *c, struct span key);
/* Whether somebody has this very key. */
bool cancel_key_known(struct cancel_keys *k, struct span key);
/* Makes a key of n bytes for an owner that lives on loop l. */
void cancel_key_add(struct cancel_keys *k, struct cancel_entry *e, size_t n,
    struct loop *l,
    void (*called)(struct cancel_entry *e, struct cancel_call *c));
/* The same with a key that another process has made, of CANCEL_KEY to
 * CANCEL_KEY_LONG bytes. Should somebody have it already, a key of our own is
 * made, of which its client knows nothing. */
void cancel_key_keep(struct cancel_keys *k, struct cancel_entry *e,
    struct span key, struct loop *l,
    void (*called)(struct cancel_entry *e, struct cancel_call *c));
/* On the owner's loop; called() does not come any more. */
void cancel_key_remove(struct cancel_keys *k, struct cancel_entry *e);
/* Sends c to the owner of c->key. c must stay put until over(). */
void cancel_call(struct cancel_keys *k, struct cancel_call *c);
void cancel_call_over(struct cancel_call *c);

#endif
