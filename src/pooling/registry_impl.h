/*
 * What the files of the registry share: registry.c (databases and users),
 * registry_pool.c (pools made), registry_sleep.c (pools put away while nobody
 * uses them), registry_apply.c (walks, RELOAD, PAUSE).
 */
#ifndef REGISTRY_IMPL_H
#define REGISTRY_IMPL_H

#include "base/buf.h"
#include "base/map.h"
#include "base/slab.h"
#include "pooling/hosts.h"
#include "pooling/registry.h"

/*
 * A (database, user) that there has been a pool for. Most of 100,000 are
 * asleep: of those nothing is kept but the place in the names, what clients
 * are welcomed with, and what was counted (with the database). Waking makes a
 * pool from the configuration as it is then.
 *
 * Made by any thread, taken away by the main thread alone.
 */
struct slot {
	struct pool *pool; /* with a reference; NULL = asleep */
	struct database *db;
	TAILQ_ENTRY(slot) link; /* of those awake, or those asleep */
	LIST_ENTRY(slot) of_db;
	const char *name; /* the map's: "database\0user" */
	/* while asleep */
	struct welcome *welcome; /* NULL = none */
	uint64_t stamp; /* of the target it was heard from */
	uint32_t since_s; /* monotonic */
};
TAILQ_HEAD(slot_list, slot);

TAILQ_HEAD(database_list, database);

struct registry {
	pthread_mutex_t mu; /* over all that follows */
	struct hub *hub;
	struct slab *slab; /* the databases, the slots, the entries of the maps */
	struct host_table *hosts;
	struct map *databases;
	struct map *users;
	struct map *slots; /* by "database\0user" */
	struct slot_list awake;
	struct slot_list asleep; /* in the order they fell asleep */
	/* Automatic databases without a pool awake, in the order they lost the
	 * last one. */
	struct database_list resting;
	struct database_list strangers; /* the same, of the strange ones */
	int n_strange; /* awake or not */
	uint32_t periods; /* of SHOW STATS that have ended */
	size_t n_asleep;
	struct pool_settings *settings; /* all there ever were */
	struct config *cfg; /* the newest; NULL before the first */
	/* What was counted lately by pools that sleep now: in this period of
	 * SHOW STATS, and in the one before. */
	struct buf recent, earlier;
	struct counters recent_sum;
	_Atomic bool paused; /* PAUSE without a name */
	int next_home;
};

/* registry.c: what cfg says of a database; *automatic: by its "*" line. */
const struct database_conf *registry_conf(const struct config *cfg,
    const char *name, bool *automatic);

/* Its record in the map has gone already. */
void registry_free_database(struct registry *r, struct database *d);

/* registry_pool.c */
#define POOL_NAME_MAX 512
struct span registry_pool_name(const char *db, const char *user,
    char buf[POOL_NAME_MAX]);
struct span registry_walsender_name(const struct pool *p,
    char buf[POOL_NAME_MAX]);
struct server_target *registry_make_target(struct registry *r,
    const struct config *cfg, const struct database_conf *conf,
    const char *name, const char *user, const char *login_secret,
    const struct scram_keys *keys);
/* The mutex is held. */
struct pool_settings *registry_settings_locked(struct registry *r,
    const struct config *cfg, const struct database_conf *conf,
    const char *user);
void registry_free_settings(struct pool_settings *s);
/* Takes a pool out of the names. Its reference is the caller's then. */
bool registry_forget_pool(struct registry *r, struct pool *p);

/* registry_sleep.c; _locked: the mutex is held. */
struct slot *registry_new_slot_locked(struct registry *r, struct span name,
    struct database *db);
/* The pool is the slot's from now on, and has the welcome kept for it. */
void registry_wake_locked(struct registry *r, struct slot *s, struct pool *p);
/* Whether it is one that may be forgotten is seen here. */
void registry_note_resting_locked(struct registry *r, struct database *d);
/* Somebody has been let in, or it stands in the configuration now. */
void registry_confirm_locked(struct registry *r, struct database *d);
/* Somebody drops a reference: perhaps the last but the registry's own. */
void registry_rest(struct registry *r, struct pool *p);
/* Takes a slot away whose pool is gone or asleep. */
void registry_drop_slot_locked(struct registry *r, struct span name,
    struct slot *s);
/* What a pool has counted goes to its database. */
void registry_keep_counts_locked(struct registry *r, struct pool *p);

#endif
