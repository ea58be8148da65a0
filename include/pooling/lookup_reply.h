/*
 * lookup_reply: what comes out of the answer to an auth_query. One call per
 * message of the answer, then the verdict.
 *
 * What has to do with this one user (no row, two rows, another name, a name
 * that is no text in the server's encoding) looks like a user that there is
 * not; only what would be so for everybody is a failure.
 *
 * Pure.
 */
#ifndef POOLING_LOOKUP_REPLY_H
#define POOLING_LOOKUP_REPLY_H

#include "base/base.h"
#include "pooling/lookup.h"

/* A secret has 65530 bytes at most; there may be two. */
#define LOOKUP_MESSAGE_MAX (192 * 1024)
/* Enough to see that it is more than one. */
#define LOOKUP_ROWS_MAX 2

struct lookup_reply {
	int columns; /* of the description; -1 = none came */
	int rows;
	bool described;
	bool bad_row; /* malformed */
	char *name, *secret, *old_secret; /* of the row; NULL for NULL */
	bool failed; /* ErrorResponse: err */
	struct err err;
};

/* Zeroed is fresh. Wipes. */
void lookup_reply_fini(struct lookup_reply *r);
void lookup_reply_message(struct lookup_reply *r, uint8_t type,
    struct span body);
/* What out points to is r's. */
void lookup_reply_result(const struct lookup_reply *r, const char *user,
    struct lookup_result *out);

#endif
