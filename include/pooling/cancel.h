/*
 * cancel: the keys that clients were given, and whom a CancelRequest that
 * carries one is meant for (55.2.7 Canceling Requests in Progress).
 *
 * The table is sharded, since each login and logout writes to it. A key is
 * eight bytes from the kernel's generator, the top bit of the first clear. It
 * never equals a server's key. With a peer id (see peers.h) bytes 1 and 2 are
 * that, and the two low bits of byte 7 are set.
 *
 * Threads: any.
 */
#ifndef POOLING_CANCEL_H
#define POOLING_CANCEL_H

#include "base/base.h"
#include "io/loop.h"

#define CANCEL_KEY 8
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
	uint8_t key[CANCEL_KEY];
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
	uint8_t key[CANCEL_KEY];
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
/* Whether somebody has this very key. */
bool cancel_key_known(struct cancel_keys *k, const uint8_t key[CANCEL_KEY]);
/* Makes a key for an owner that lives on loop l. */
void cancel_key_add(struct cancel_keys *k, struct cancel_entry *e,
    struct loop *l,
    void (*called)(struct cancel_entry *e, struct cancel_call *c));
/* The same with a key that another process has made. Should somebody have it
 * already, a key of our own is made, of which its client knows nothing. */
void cancel_key_keep(struct cancel_keys *k, struct cancel_entry *e,
    const uint8_t key[CANCEL_KEY], struct loop *l,
    void (*called)(struct cancel_entry *e, struct cancel_call *c));
/* On the owner's loop; called() does not come any more. */
void cancel_key_remove(struct cancel_keys *k, struct cancel_entry *e);
/* Sends c to the owner of c->key. c must stay put until over(). */
void cancel_call(struct cancel_keys *k, struct cancel_call *c);
void cancel_call_over(struct cancel_call *c);

#endif
