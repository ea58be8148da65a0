/*
 * msg: decoders of the messages that the pooler has to understand. Each takes
 * the body (behind type and length) as a span and says whether it is well
 * formed to the last byte. What comes out borrows from the input.
 *
 * Source: PostgreSQL documentation, 55.7 Message Formats; the limits before
 * authentication are PostgreSQL's own (startup 10000 bytes, password 65535).
 *
 * Pure.
 */
#ifndef PROTO_MSG_H
#define PROTO_MSG_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

#define STARTUP_MAX 10000 /* largest first packet */
#define AUTH_MSG_MAX 65535 /* largest 'p' message */

#define PROTOCOL_3_0 196608u
#define PROTOCOL_3_2 196610u /* longer cancel keys, nothing else */
#define CODE_CANCEL 80877102u
#define CODE_SSL 80877103u
#define CODE_GSS 80877104u

enum startup_kind {
	STARTUP_MORE, /* need more bytes */
	STARTUP_V3, /* a StartupMessage of 3.x */
	STARTUP_CANCEL,
	STARTUP_SSL,
	STARTUP_GSS,
	STARTUP_TLS_HELLO, /* first byte 0x16: direct TLS */
	STARTUP_V2, /* old protocol */
	STARTUP_BAD, /* none of these, or a length out of range */
};

struct startup {
	enum startup_kind kind;
	uint32_t size; /* bytes the packet takes, once known */
	/* The code as sent, once 8 bytes are here; so a BAD one that meant to
	 * cancel can be closed without an answer. */
	uint32_t version;
	struct span params; /* V3: name\0value\0 ... \0 */
	struct span key; /* CANCEL: pid and key, 8 bytes (3.0) up to 260 */
};

/* The first bytes of a connection. Any number of bytes may be there. */
enum startup_kind startup_decode(struct span bytes, struct startup *s);

/* Walks the parameters of a StartupMessage. `at` starts at {0}. */
struct startup_param {
	const char *name;
	const char *value;
};
enum startup_next { PARAM_ONE, PARAM_END, PARAM_BAD };
/* PARAM_BAD: no terminator where it has to be, or bytes behind it. */
enum startup_next startup_next(struct span params, size_t *at,
    struct startup_param *p);

/*
 * One item of the startup parameter `options`: -c name=value, -cname=value or
 * --name=value, blanks between, a backslash takes the next character as it is.
 * Dashes in a --name count as underscores. Copies into out (NUL-terminated
 * "name\0value\0"), which is emptied first. Trailing blanks are fine.
 */
enum startup_next options_next(const char *options, size_t *at,
    struct buf *out, const char **name, const char **value);

/* The established words for a length that cannot be: "bad packet header: 'HEX'"
 * with up to eight first bytes, 08P01. Returns false. */
bool msg_bad_header(struct span bytes, struct err *e);

/* ErrorResponse and NoticeResponse. Every field may be absent: NULL. */
struct notice_fields {
	const char *severity; /* 'V' when there is one, else 'S' */
	const char *sqlstate;
	const char *message;
	const char *detail;
	const char *hint;
	const char *routine;
};
bool msg_notice(struct span body, struct notice_fields *f);
/* It is "cached plan must not change result type", in any language. */
bool notice_is_stale_plan(const struct notice_fields *f);

bool msg_parameter_status(struct span body, const char **name,
    const char **value);
/* Cancel key: pid and the secret behind it (4 bytes in 3.0, to 256 in 3.2). */
bool msg_key_data(struct span body, uint32_t *pid, struct span *key);
/* 'I', 'T' or 'E'. */
bool msg_ready(struct span body, uint8_t *status);
/* Authentication request: its code and what follows the code. */
bool msg_auth(struct span body, uint32_t *code, struct span *rest);
/* Query: its text. */
bool msg_query(struct span body, const char **text);
/* Parse: name, text and the parameter types as they stand, count first. */
bool msg_parse(struct span body, const char **name, const char **text,
    struct span *types);
/* Bind's and Execute's leading strings (the rest of Bind is not looked at). */
bool msg_bind(struct span body, const char **portal, const char **statement);
bool msg_execute(struct span body, const char **portal);
/* CommandComplete of DEALLOCATE ALL or DISCARD ALL. */
bool msg_is_deallocate_all(struct span body);
/* CommandComplete of PREPARE or DEALLOCATE in SQL, not of DEALLOCATE ALL. */
bool msg_is_prepare_tag(struct span body);
static inline bool
msg_deallocates_all(struct span body)
{
	return UNLIKELY(body.n > 0 && body.p[0] == 'D') &&
	    msg_is_deallocate_all(body);
}
/* Describe and Close: 'S' or 'P', and the name. */
bool msg_target(struct span body, uint8_t *kind, const char **name);

#endif
