/*
 * talk: the peers of a scenario, and their messages as text (scenario.h tells
 * the notation).
 */
#ifndef TALK_H
#define TALK_H

#include "scenario.h"

struct peer *peer_new(struct peer **list, struct sock *k, bool is_server);
struct peer *peer_next(const struct peer *p);
void peers_free(struct peer **list);
/* The cancel key: a client's as it was told, a server's as it tells it. */
uint32_t peer_pid(const struct peer *p);
struct span peer_key(const struct peer *p);

/* Puts the messages of a text at the end of out. */
void talk_encode(const struct peer *p, const char *text, struct buf *out);

#endif
