/*
 * preface: what comes before the first message to a server (55.2.11 SSL Session
 * Encryption): SSLRequest and its answer, or direct TLS, and the handshake. For
 * servers and for cancel requests alike.
 *
 * Thread: the stream's loop.
 */
#ifndef POOLING_PREFACE_H
#define POOLING_PREFACE_H

#include "base/base.h"
#include "io/stream.h"
#include "pooling/target.h"

struct preface {
	enum { PREFACE_NONE, PREFACE_ASKED, PREFACE_SHAKING } phase;
};

enum preface_step {
	PREFACE_MORE, /* call preface_readable() from readable() */
	PREFACE_DONE, /* go on with the StartupMessage or CancelRequest */
	PREFACE_FAILED, /* why tells */
};
#define PREFACE_WHY 400

/* The stream has just connected to host. must: nothing but TLS will do, as
 * the session it is for has it. */
enum preface_step preface_begin(struct preface *p, struct stream *s,
    const struct server_target *t, const char *host, bool must,
    char why[PREFACE_WHY]);
enum preface_step preface_readable(struct preface *p, struct stream *s,
    const struct server_target *t, const char *host, bool must,
    char why[PREFACE_WHY]);
/* It is waiting for something. */
static inline bool
preface_is_on(const struct preface *p)
{
	return p->phase != PREFACE_NONE;
}

#endif
