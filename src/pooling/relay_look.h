/*
 * One message of a client that has to do with prepared statements: what
 * relay_stmt.c (the protocol's) and relay_sql.c (SQL's) have in common.
 */
#ifndef POOLING_RELAY_LOOK_H
#define POOLING_RELAY_LOOK_H

#include "relay_private.h"

/* A message that is being looked at. */
struct look {
	struct relay *r;
	struct server *s;
	struct gather *out;
	const struct frame_info *f;
	const uint8_t **from; /* what is not yet in out begins here */
	const uint8_t *p; /* its first byte */
	const uint8_t *body;
	size_t n; /* of the body, as much as is there */
	bool whole;
	bool full; /* the pipeline took no more */
	bool has; /* look_find(): the server has what was found */
};

struct look look_at(struct relay *r, const struct frame_info *f,
    const uint8_t *p, size_t n, const uint8_t **from);
/* What up becomes, if the pipeline took no more. */
enum relay_up look_end(const struct look *k, enum relay_up up,
    struct err *e);
/* ok: what the pipeline said to something that is sent. */
void look_book(struct look *k, bool ok);
/* Something comes in front of the message, or in its place: put it into the
 * buf, and call gather_close(). */
struct buf *look_insert(struct look *k);
/* Made when they are needed. */
struct stmt_server *look_on_server(struct look *k);
struct stmt_client *look_of_client(struct look *k);
/* The head of a message of size bytes (type and length included) in which
 * `old` bytes become `fresh`. */
void look_put_head(struct buf *b, uint8_t type, size_t size, size_t old,
    size_t fresh);
/* The message is not sent on; in its place goes one of this type, Q or P, that
 * fails, and the client is told e. */
void look_refuse(struct look *k, uint8_t type, const struct err *e);
/* Of the settings that a text is understood by. */
uint64_t look_fingerprint(const struct relay *r);
/* Nothing that was sent before this message may change one. */
bool look_is_steady(const struct look *k);
/* The statement of a name, as it has to be on this server. */
enum stmt_state look_find(struct look *k, struct span name,
    struct stmt **found);
/* The unnamed statement, if its text has a name of SQL's PREPARE; else
 * RELAY_UP_PASS, and nothing has been done. */
enum relay_up look_parse_sql(struct look *k, struct span text);
/* A Parse under a name: whether it has one. */
bool look_is_sql(struct look *k, struct span text);
/* The same for LISTEN: what a Parse of it (text, and what is behind) becomes on
 * the server, if others listen for the client; or false. */
bool look_listen(struct look *k, struct span tail, struct buf *fresh);
/* Id of an unnamed statement that the server has now. */
uint64_t look_new_unnamed(struct look *k);
/* Closes in front what is too many on the server with st. */
void look_room(struct look *k, struct stmt *st);
/* Prepares it in front, if the server lacks it. */
void look_need_on_server(struct look *k, struct stmt *st);

#endif
