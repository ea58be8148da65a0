/*
 * reply: encoders of the messages that the pooler says itself, to clients
 * and to servers. Each puts one whole message at the end of out.
 *
 * Pure.
 */
#ifndef PROTO_REPLY_H
#define PROTO_REPLY_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

/* To clients. Severity is "FATAL", "ERROR", "NOTICE"...; fields S, V, C, M and
 * where set D and H. An empty sqlstate becomes XX000 (00000 for notices). */
void reply_error(struct buf *out, const char *severity, const struct err *e);
void reply_notice(struct buf *out, const char *sqlstate, const char *text,
    const char *detail);
void reply_ready(struct buf *out, uint8_t status);
void reply_auth_ok(struct buf *out);
/* Any other authentication request: code and the bytes behind it. */
void reply_auth(struct buf *out, uint32_t code, struct span rest);
void reply_parameter(struct buf *out, const char *name, const char *value);
void reply_key_data(struct buf *out, uint32_t pid, struct span key);
void reply_negotiate(struct buf *out, uint32_t minor_version,
    const char *const *options, size_t n);
void reply_complete(struct buf *out, const char *tag);
/* Messages that are a type byte only: '1' '2' '3' 'n' 'I' 's' ... */
void reply_bare(struct buf *out, uint8_t type);

/* Result tables. */
enum column_type { COL_TEXT, COL_INT4, COL_INT8, COL_NUMERIC, COL_BYTEA };
struct column {
	const char *name;
	enum column_type type;
};
void reply_row_description(struct buf *out, const struct column *c, size_t n);
/* All values as text; NULL is NULL. */
void reply_row(struct buf *out, const char *const *values, size_t n);
void reply_parameter_description_none(struct buf *out);

/* To servers. version is PROTOCOL_3_0 or newer; params is NULL-terminated:
 * name, value, name, value, NULL. */
void request_startup(struct buf *out, uint32_t version,
    const char *const *params);
void request_ssl(struct buf *out);
void request_cancel(struct buf *out, uint32_t pid, struct span key);
void request_query(struct buf *out, const char *sql);
void request_password(struct buf *out, const char *text);
/* Any other 'p' message. */
void request_sasl_initial(struct buf *out, const char *mechanism,
    struct span data);
void request_sasl_response(struct buf *out, struct span data);
void request_terminate(struct buf *out);

#endif
