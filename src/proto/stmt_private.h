/*
 * What the files of the stmt module share: stmt.c (statements, their table),
 * stmt_client.c (a client's names), stmt_carry.c (the same in writing),
 * stmt_server.c (a server's statements, and the operations under way).
 */
#ifndef STMT_PRIVATE_H
#define STMT_PRIVATE_H

#include "proto/stmt.h"

STAILQ_HEAD(op_list, stmt_op);

/* One operation under way. */
struct stmt_op {
	STAILQ_ENTRY(stmt_op) next;
	struct stmt_client *client; /* of name; NULL: it means no name */
	struct stmt_name *name;
	struct stmt *to; /* what the name will mean; NULL: nothing */
	struct stmt_slot *slot; /* of the server; NULL: nothing is sent */
	bool present; /* whether the server will have it */
	bool last; /* a Query behind which all has to wait */
	uint32_t batch;
	struct err *err; /* refused */
	/* A Query: what its statements do, without those that are done. */
	struct op_list steps;
};

/* A name of a client: what it means for certain, and by the newest operation
 * under way. It exists while either does. */
struct stmt_name {
	struct stmt *stmt;
	struct stmt_op *newest;
	bool described; /* its columns, to the client */
	uint32_t n;
	uint8_t text[];
};

struct stmt_client {
	struct map *names;
	size_t count; /* that are certain */
	size_t bytes;
	struct stmt_name *found; /* asked for last; NULL: it is not there */
	struct stmt_name *bound; /* what the unnamed portal is of */
	bool all_described; /* or so it may be */
	struct stmt_unnamed unnamed;
};

/* What the name means from now on, with the caller's reference. */
void stmt_name_set(struct stmt_client *c, struct stmt_name *n,
    struct stmt *s);
/* The name's record, made if there is none. */
struct stmt_name *stmt_name_need(struct stmt_client *c, struct span name);
/* An operation of this name has ended. */
void stmt_name_ended(struct stmt_client *c, struct stmt_name *name,
    struct stmt_op *op, bool done);

#endif
