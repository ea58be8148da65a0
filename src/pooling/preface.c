/* Before the first message to a server. */
#include "pooling/preface.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "io/tls.h"
#include "proto/reply.h"

static enum preface_step
fail(struct preface *p, const char *text, char why[PREFACE_WHY])
{
	copy_str(why, PREFACE_WHY, text);
	p->phase = PREFACE_NONE;
	return PREFACE_FAILED;
}

/* Whose certificate it must be. Of a service (_postgresql._tcp.db.example) that
 * is the domain (RFC 6125): the names of its targets come from the DNS, which
 * anybody may have forged. */
static const char *
name_of(const char *host)
{
	const char *dot = host;

	while (dot != NULL && dot[0] == '_') {
		dot = strchr(dot, '.');
		if (dot != NULL)
			dot++;
	}
	return dot != NULL && dot[0] != '\0' ? dot : host;
}

static enum preface_step
shake(struct preface *p, struct stream *s, const struct server_target *t,
    const char *host, char why[PREFACE_WHY])
{
	struct tls_peer peer = { .host = name_of(host), .direct = t->tls_direct };

	p->phase = PREFACE_SHAKING;
	if (!stream_start_tls(s, t->tls, &peer, SPAN(NULL, 0)))
		return fail(p, "TLS could not be set up", why);
	return PREFACE_MORE;
}

enum preface_step
preface_begin(struct preface *p, struct stream *s,
    const struct server_target *t, const char *host, bool must,
    char why[PREFACE_WHY])
{
	struct buf b = { 0 };

	p->phase = PREFACE_NONE;
	if (!t->tls || host_is_unix(host))
		return must ? fail(p, "TLS is switched off", why) :
			      PREFACE_DONE;
	if (t->tls_direct)
		return shake(p, s, t, host, why);
	request_ssl(&b);
	stream_write(s, buf_head(&b), buf_len(&b));
	buf_free(&b);
	p->phase = PREFACE_ASKED;
	return PREFACE_MORE;
}

/* One byte, and nothing behind it: what a stranger slips in between must not
 * be taken for the server's. */
static enum preface_step
answered(struct preface *p, struct stream *s, const struct server_target *t,
    const char *host, bool must, char why[PREFACE_WHY])
{
	uint8_t in[16];
	char text[80];
	ssize_t n = stream_read(s, in, sizeof(in));

	if (n == STREAM_AGAIN)
		return PREFACE_MORE;
	if (n < 0)
		return fail(p, n == STREAM_EOF ?
		    "it closed the connection at SSLRequest" :
		    strerror(s->err), why);
	if (n > 1 && in[0] != 'E')
		return fail(p, "received unencrypted data after SSL response",
		    why);
	if (in[0] == 'S')
		return shake(p, s, t, host, why);
	if (in[0] == 'N' && !must && !t->tls_required) {
		p->phase = PREFACE_NONE;
		return PREFACE_DONE;
	}
	if (in[0] == 'N')
		return fail(p, "server refused SSL", why);
	snprintf(text, sizeof(text), "it answered SSLRequest with byte 0x%02x",
	    in[0]);
	return fail(p, in[0] == 'E' ?
	    "it answered SSLRequest with an error message" : text, why);
}

static enum preface_step
shaking(struct preface *p, struct stream *s, char why[PREFACE_WHY])
{
	int n = stream_handshake(s);

	if (n == STREAM_AGAIN)
		return PREFACE_MORE;
	if (n == 1) {
		p->phase = PREFACE_NONE;
		return PREFACE_DONE;
	}
	if (n == STREAM_EOF)
		return fail(p, "it closed the connection in the TLS handshake",
		    why);
	p->phase = PREFACE_NONE;
	snprintf(why, PREFACE_WHY, "TLS handshake failed: %s",
	    stream_why(s)[0] ? stream_why(s) : strerror(s->err));
	return PREFACE_FAILED;
}

enum preface_step
preface_readable(struct preface *p, struct stream *s,
    const struct server_target *t, const char *host, bool must,
    char why[PREFACE_WHY])
{
	switch (p->phase) {
	case PREFACE_ASKED:
		return answered(p, s, t, host, must, why);
	case PREFACE_SHAKING:
		return shaking(p, s, why);
	case PREFACE_NONE:
		break;
	}
	return PREFACE_DONE;
}
