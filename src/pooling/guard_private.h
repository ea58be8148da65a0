/*
 * What the files of the guard share: guard.c (who may come and try) and
 * guard_show.c (what is told of it).
 */
#ifndef GUARD_PRIVATE_H
#define GUARD_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "pooling/guard.h"

#define SHARDS 16
#define BUCKETS 1024 /* of each shard */
#define KEPT_OF_SHARD (GUARD_KEPT / SHARDS)

enum kind { KIND_IP4 = 4, KIND_IP6 = 6, KIND_USER = 'u' };

struct key {
	uint8_t kind; /* enum kind */
	uint8_t n;
	char bytes[USERLIST_NAME_MAX];
};

/* A source or a user. Everything under its shard's lock. */
struct guard_source {
	LIST_ENTRY(guard_source) chain;
	TAILQ_ENTRY(guard_source) idle; /* while it has no connection */
	uint64_t hash;
	int connections;
	int failed;
	usec_t failed_us; /* the last one */
	usec_t blocked_us; /* until then */
	int64_t tokens; /* millionths of a connection */
	int64_t tells; /* the same, of those who are told */
	usec_t tokens_us; /* when both were counted */
	uint64_t refused;
	unsigned next_friend;
	uint64_t *friends; /* sources a user came from; NULL for a source */
	struct key key; /* the last: no longer than it has to be */
};

LIST_HEAD(chain, guard_source);
TAILQ_HEAD(idle_list, guard_source);

struct shard {
	pthread_mutex_t lock;
	struct chain buckets[BUCKETS];
	struct idle_list idle; /* longest untouched first */
	size_t n_idle, n;
};

struct guard {
	struct shard shards[SHARDS];
	_Atomic uint64_t too_many, too_fast, dropped, failed, waiting, evicted;
};

#endif
