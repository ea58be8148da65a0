/*
 * hosts: the entries of a host list, and how each of them does.
 *
 * All pools whose `host` and `port` are the same share one list, so that what
 * one of them learns about a host is known to the others. An entry whose last
 * attempt failed is passed over while another has not, and tried again in
 * growing intervals; so a dead host costs an attempt now and then. When all of
 * them are down, the one that failed longest ago is next.
 *
 * Threads: any. The mutex of a list is taken when a connection is begun, made,
 * lost in its login, or over; never per transaction.
 */
#ifndef POOLING_HOSTS_H
#define POOLING_HOSTS_H

#include "base/base.h"
#include "base/err.h"

/* Entries past that are not used. */
#define HOSTS_MAX 64

struct host_table;
struct hosts;

struct host_table *host_table_new(void);
/* Lists that are still referred to live on. */
void host_table_free(struct host_table *t);

/* The list for a text as in `host=`, with a reference; "" and empty entries
 * stand for unix_dir. */
struct hosts *hosts_get(struct host_table *t, const char *text, int port,
    const char *unix_dir);
struct hosts *hosts_ref(struct hosts *h);
void hosts_unref(struct hosts *h);

size_t hosts_count(const struct hosts *h);
/* Without blanks. Lives as long as the list. */
const char *hosts_name(const struct hosts *h, size_t i);
/* The entry for the next connection, which counts from now on. in_turn: one
 * after the other; else one, until it fails. Those of the set avoid (1 << i)
 * are taken only when all others are down. */
size_t hosts_begin(struct hosts *h, bool in_turn, uint64_t avoid, usec_t now);
/* The connection is over, however it went. */
void hosts_end(struct hosts *h, size_t i);
/* A login has succeeded. */
void hosts_reached(struct hosts *h, size_t i);
/* The host could not be reached, or does not take logins now. True: another
 * entry may be tried at once. */
bool hosts_failed(struct hosts *h, size_t i, const struct err *e, usec_t now);
/* Whether there is an entry besides i and those of avoid that is not known to
 * be down. */
bool hosts_has_other(struct hosts *h, size_t i, uint64_t avoid, usec_t now);

/* What SHOW HOSTS prints. Times are monotonic; 0 = none. */
struct host_state {
	const char *list; /* the whole text */
	const char *name;
	int port;
	int connections;
	bool down;
	int failures; /* in a row */
	usec_t since_us; /* down since */
	usec_t next_us; /* not tried before, unless all are down */
	struct err err; /* of the last failure, while down */
};
/* In no order of the lists; fn must not call hosts. */
void hosts_each(struct host_table *t,
    void (*fn)(void *arg, const struct host_state *s), void *arg);

#endif
