/*
 * moved: a client in writing, for the process that takes our place: who it is,
 * what servers are logged in to with for it, and what it has set and prepared.
 *
 *	'C' length	as the protocol's own messages
 *	text database, text user, u8 n and cancel key
 *	u8 family, u16 port, u32 pid, 16 bytes address; u8 Unix socket
 *	u32 u32		when it connected, microseconds of the wall clock
 *	params, those of its start (or none): u8 1, text name, text value;
 *			... u8 0
 *	secret		u8 0, or u8 1 and text
 *	keys		u8 0, or u8 1 and both SCRAM keys
 *	settings, those of its start, texts, statements: see settings_put(),
 *	texts_put(), stmt_client_put()
 *
 * Texts end in a NUL, numbers are in network order. Whoever changes this makes
 * MOVED_FORMAT another one: processes talk only to those with the same.
 *
 * Pure.
 */
#ifndef PROTO_MOVED_H
#define PROTO_MOVED_H

#include "base/base.h"
#include "base/buf.h"
#include "proto/param.h"
#include "proto/scram.h"
#include "proto/settings.h"
#include "proto/stmt.h"
#include "proto/texts.h"

#define MOVED_FORMAT "3"
#define MOVED_MAX (4u << 20) /* bytes; a larger one stays where it is */

struct moved {
	const char *database, *user;
	const char *secret; /* or NULL */
	struct span key; /* for cancel requests; at most 255 bytes */
	struct {
		uint8_t family;
		uint16_t port;
		uint32_t pid;
		uint8_t ip[16];
	} peer;
	bool is_unix;
	bool has_keys;
	struct scram_keys keys;
	int64_t connect_wall_us;
	struct param_set *params, *asked; /* asked: written if not NULL */
	struct settings *settings, *startup; /* NULL: none */
	struct texts *texts; /* NULL: none */
};

/* Whether the parts that vary stay within MOVED_MAX, and can be written. */
bool moved_fits(const struct texts *texts, const struct stmt_client *stmts);
/* The message at the end of out. Borrows all of m, whose params are named by
 * names. */
void moved_put(const struct moved *m, const struct param_names *names,
    const struct stmt_client *stmts, struct buf *out);
/*
 * Reads a message up to its statements, which need a table that is not known
 * yet: r stands there then. Texts are borrowed from the message; params (those
 * that names has), settings, startup and texts are new, and wiped and freed by
 * moved_fini(), also after false: it is no such message.
 */
bool moved_take(struct span message, const struct param_names *names,
    struct moved *m, struct reader *r);
void moved_fini(struct moved *m);

#endif
