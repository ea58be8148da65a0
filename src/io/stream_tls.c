/*
 * A stream over TLS: moves bytes between the socket, a session (io/tls) and the
 * owner.
 *
 * One recv() takes what the socket has into a buffer of the loop, and all of
 * its records are opened from there; what is sealed is gathered in another one
 * and leaves with one send(). Both belong to the loop, so an idle connection has
 * no buffer of ours, and OpenSSL gives back its own.
 *
 * Bytes that are opened, or here but not opened yet, raise no event. When a
 * read leaves some behind, the stream runs readable() itself, later in the same
 * turn; it takes nothing from the socket then, so that this ends.
 */
#include "stream_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "io/tls.h"

/* What one recv() takes. With what OpenSSL has of a record already it fits the
 * loop's read buffer. */
#define IN_MAX (LOOP_RBUF - 17 * 1024)
/* Sealed bytes that are worth a send(). */
#define OUT_STEP (96 * 1024)
#define RECORD 16384
/* Handshakes cost up to a millisecond of CPU each: of one loop's turn they get
 * this much, and one. Others come next turn, since their bytes stay where they
 * are. */
#define HANDSHAKES_US (2 * USEC_PER_MSEC)

/* One per loop, made when it first has TLS. */
struct shared {
	struct loop_extra extra;
	struct buf out;
	uint64_t turn;
	usec_t spent_us; /* on handshakes in that turn */
	uint8_t in[IN_MAX];
	uint8_t record[RECORD];
};

/* What a stream has beside its session. */
struct stream_tls {
	struct tls *tls;
	struct stream *stream;
	struct keep in; /* ciphertext that came and was not opened */
	struct buf late; /* sealed; leaves with what is written next */
	bool pending; /* readable() is owed without an event */
	bool closed; /* the peer said close_notify */
	bool said_close; /* we did */
	struct task wake;
	struct timer again;
};

static void
free_shared(struct loop_extra *x)
{
	struct shared *sh = CONTAINER_OF(x, struct shared, extra);

	buf_wipe_free(&sh->out);
	wipe(sh->in, sizeof(sh->in));
	wipe(sh->record, sizeof(sh->record));
	free(sh);
}

static struct shared *
shared_of(struct stream *s)
{
	struct loop_extra **at = loop_extra(s->loop);
	struct shared *sh;

	if (LIKELY(*at))
		return CONTAINER_OF(*at, struct shared, extra);
	sh = xcalloc(1, sizeof(*sh));
	sh->extra.free = free_shared;
	*at = &sh->extra;
	return sh;
}

/* ---- readable() without an event ---- */

static void
run_again(struct stream_tls *t)
{
	if (t->pending && t->stream->reading)
		t->stream->ops->readable(t->stream);
}

static void
on_wake(struct task *task)
{
	run_again(CONTAINER_OF(task, struct stream_tls, wake));
}

static void
on_again(struct timer *timer)
{
	run_again(CONTAINER_OF(timer, struct stream_tls, again));
}

static void
set_pending(struct stream *s, bool pending)
{
	s->tls->pending = pending;
	if (pending)
		loop_defer(s->loop, &s->tls->wake);
}

void
stream_tls_resumed(struct stream *s)
{
	if (s->tls->pending)
		loop_defer(s->loop, &s->tls->wake);
}

/* ---- life ---- */

bool
stream_start_tls(struct stream *s, struct tls_ctx *ctx,
    const struct tls_peer *peer, struct span got)
{
	struct stream_tls *t;
	struct tls *tls = tls_new(ctx, peer);

	assert(!s->tls && !s->connecting);
	if (!tls)
		return false;
	t = xcalloc(1, sizeof(*t));
	t->tls = tls;
	t->stream = s;
	t->wake.fn = on_wake;
	timer_init(&t->again, on_again);
	s->tls = t;
	if (!keep_append(loop_keeps(s->loop), &t->in, got.p, got.n)) {
		stream_tls_close(s);
		return false;
	}
	/* Else there is nothing to be done before something comes. */
	if (tls_speaks_first(tls) || got.n > 0)
		set_pending(s, true);
	return true;
}

static void
free_tls(struct stream_tls *t)
{
	free(t->in.data);
	buf_free(&t->late);
	tls_free(t->tls);
	free(t);
}

/* The session's last words go out if the socket takes them at once. A peer that
 * has said goodbye has mostly gone, and is told by the end of file if not. */
static void
say_goodbye(struct stream *s)
{
	struct stream_tls *t = s->tls;

	if (s->broken || keep_len(&s->out) || t->said_close || t->closed)
		return;
	tls_close(t->tls, &t->late);
	if (buf_len(&t->late))
		(void)send(s->fd, buf_head(&t->late), buf_len(&t->late),
		    MSG_NOSIGNAL | MSG_DONTWAIT);
}

void
stream_tls_close(struct stream *s)
{
	struct stream_tls *t = s->tls;

	if (s->attached) {
		say_goodbye(s);
		loop_undefer(s->loop, &t->wake);
		timer_fini(&t->again);
		keep_clear(loop_keeps(s->loop), &t->in);
	}
	s->tls = NULL;
	free_tls(t);
}

struct stream_tls *
stream_take_tls(struct stream *s)
{
	struct stream_tls *t = s->tls;

	if (!t)
		return NULL;
	loop_undefer(s->loop, &t->wake);
	timer_fini(&t->again);
	s->tls = NULL;
	t->stream = NULL;
	return t;
}

void
stream_give_tls(struct stream *s, struct stream_tls *t)
{
	if (!t)
		return;
	s->tls = t;
	t->stream = s;
	stream_tls_resumed(s);
}

void
stream_tls_drop(struct stream_tls *t)
{
	if (t)
		free_tls(t);
}

void
stream_tls_detach(struct stream *s)
{
	loop_undefer(s->loop, &s->tls->wake);
	timer_fini(&s->tls->again);
}

/* ---- sending ---- */

static bool
send_sealed(struct stream *s, struct shared *sh)
{
	struct buf *late = &s->tls->late;
	bool ok = true;

	if (UNLIKELY(buf_len(late)) && buf_len(&sh->out)) {
		buf_append(late, buf_head(&sh->out), buf_len(&sh->out));
		ok = stream_raw_write(s, buf_head(late), buf_len(late));
		buf_free(late);
	} else if (buf_len(&sh->out)) {
		ok = stream_raw_write(s, buf_head(&sh->out),
		    buf_len(&sh->out));
	}
	buf_reset(&sh->out);
	return ok;
}

static bool
seal(struct stream *s, struct shared *sh, const uint8_t *p, size_t n)
{
	while (n > 0) {
		size_t part = n < OUT_STEP ? n : OUT_STEP;

		if (!tls_write(s->tls->tls, &sh->out, p, part)) {
			buf_reset(&sh->out);
			stream_break(s, EPROTO, true);
			return false;
		}
		if (buf_len(&sh->out) >= OUT_STEP && !send_sealed(s, sh))
			return false;
		p += part;
		n -= part;
	}
	return true;
}

/* Nothing may be said before the handshake is over, or after our goodbye. */
static bool
is_mute(const struct stream *s)
{
	return !tls_is_up(s->tls->tls) || s->tls->said_close;
}

bool
stream_tls_write(struct stream *s, const void *p, size_t n)
{
	struct shared *sh = shared_of(s);

	if (is_mute(s))
		return true;
	return seal(s, sh, p, n) && send_sealed(s, sh);
}

/* Small pieces fill records together. */
bool
stream_tls_writev(struct stream *s, const struct iovec *v, int n)
{
	struct shared *sh = shared_of(s);
	size_t have = 0;
	int i;

	if (is_mute(s))
		return true;
	for (i = 0; i < n; i++) {
		const uint8_t *p = v[i].iov_base;
		size_t left = v[i].iov_len;

		while (left > 0) {
			size_t part = RECORD - have;

			if (have == 0 && left >= RECORD) {
				part = left - left % RECORD;
				if (!seal(s, sh, p, part))
					return false;
			} else {
				part = left < part ? left : part;
				memcpy(sh->record + have, p, part);
				have += part;
			}
			p += part;
			left -= part;
			if (have == RECORD) {
				if (!seal(s, sh, sh->record, have))
					return false;
				have = 0;
			}
		}
	}
	return seal(s, sh, sh->record, have) && send_sealed(s, sh);
}

void
stream_tls_shutdown(struct stream *s)
{
	struct shared *sh = shared_of(s);

	if (s->broken || s->tls->said_close)
		return;
	s->tls->said_close = true;
	tls_close(s->tls->tls, &sh->out);
	(void)send_sealed(s, sh);
}

/* ---- reading ---- */

/* Whether this turn has time for a handshake. */
static bool
may_shake(struct stream *s, struct shared *sh)
{
	if (sh->turn != loop_turns(s->loop)) {
		sh->turn = loop_turns(s->loop);
		sh->spent_us = 0;
	}
	if (sh->spent_us < HANDSHAKES_US)
		return true;
	/* What is here already raises no event. */
	if (s->tls->pending)
		timer_set(s->loop, &s->tls->again, loop_now(s->loop));
	return false;
}

/* Opens records of in into p; what it came to. */
static enum tls_step
open_records(struct stream *s, struct shared *sh, struct span *in, uint8_t *p,
    size_t cap, size_t *done)
{
	enum tls_step step = TLS_DONE;
	size_t n;

	while (*done < cap && step == TLS_DONE) {
		step = tls_read(s->tls->tls, in, &sh->out, p + *done,
		    cap - *done, &n);
		*done += n;
	}
	return step;
}

static enum tls_step
open_or_shake(struct stream *s, struct shared *sh, struct span *in, uint8_t *p,
    size_t cap, size_t *done)
{
	struct tls *tls = s->tls->tls;
	enum tls_step step;
	usec_t begun;

	if (LIKELY(tls_is_up(tls)))
		return open_records(s, sh, in, p, cap, done);
	begun = clock_mono_us();
	step = tls_handshake(tls, in, &sh->out);
	sh->spent_us += clock_mono_us() - begun;
	if (step != TLS_DONE)
		return step;
	if (tls_may_wait(tls)) {
		buf_append(&s->tls->late, buf_head(&sh->out),
		    buf_len(&sh->out));
		buf_reset(&sh->out);
	}
	return open_records(s, sh, in, p, cap, done);
}

static ssize_t
conclude(struct stream *s, enum tls_step step, ssize_t got, size_t done)
{
	struct stream_tls *t = s->tls;

	switch (step) {
	case TLS_FAILED:
		if (done > 0) {
			set_pending(s, true);
			return (ssize_t)done;
		}
		stream_break(s, EPROTO, false);
		return STREAM_ERROR;
	case TLS_CLOSED:
		t->closed = true;
		if (done > 0)
			set_pending(s, true);
		return done > 0 ? (ssize_t)done : STREAM_EOF;
	case TLS_DONE:
	case TLS_MORE:
		break;
	}
	if (done > 0)
		return (ssize_t)done;
	return got < 0 ? got : STREAM_AGAIN;
}

ssize_t
stream_tls_read(struct stream *s, uint8_t *p, size_t cap)
{
	struct stream_tls *t = s->tls;
	struct shared *sh = shared_of(s);
	bool fresh = !t->pending;
	struct span in = SPAN(sh->in, keep_len(&t->in));
	enum tls_step step = TLS_MORE;
	ssize_t got = 0;
	size_t done = 0;

	if (t->closed)
		return STREAM_EOF;
	if (UNLIKELY(!tls_is_up(t->tls)) && !may_shake(s, sh))
		return STREAM_AGAIN;
	if (in.n) {
		assert(in.n <= sizeof(sh->in));
		memcpy(sh->in, keep_head(&t->in), in.n);
		keep_clear(loop_keeps(s->loop), &t->in);
	}
	if (!fresh)
		step = open_or_shake(s, sh, &in, p, cap, &done);
	/* Nothing came of what was here: the rest of it is in the socket. */
	if (step == TLS_MORE && done == 0 && in.n == 0) {
		got = stream_raw_read(s, sh->in, sizeof(sh->in));
		in = SPAN(sh->in, got > 0 ? got : 0);
		if (got > 0)
			step = open_or_shake(s, sh, &in, p, cap, &done);
	}
	/* What was to be answered, or an alert; unless the socket broke. */
	if (s->broken)
		buf_reset(&sh->out);
	else if (!send_sealed(s, sh))
		return STREAM_ERROR;
	if (in.n && !keep_append(loop_keeps(s->loop), &t->in, in.p, in.n)) {
		stream_break(s, ENOMEM, false);
		return STREAM_ERROR;
	}
	set_pending(s, in.n > 0 || tls_has_plain(t->tls));
	return conclude(s, step, got, done);
}

int
stream_handshake(struct stream *s)
{
	ssize_t n = s->broken ? STREAM_ERROR : stream_tls_read(s, NULL, 0);

	if (n < 0)
		return (int)n;
	return tls_is_up(s->tls->tls) ? 1 : STREAM_AGAIN;
}

/*
 * Records may lie in the socket that hold no bytes for the owner: a
 * close_notify, tickets. So they are opened, and bytes that do come wait.
 */
bool
stream_tls_has_ended(struct stream *s)
{
	struct stream_tls *t = s->tls;
	struct shared *sh = shared_of(s);
	struct span in;
	ssize_t got;
	uint8_t c;

	if (t->closed)
		return true;
	if (t->pending)
		return false;
	for (;;) {
		got = stream_raw_read(s, sh->in, sizeof(sh->in));
		if (got <= 0)
			return got < 0;
		in = SPAN(sh->in, got);
		switch (tls_peek(t->tls, &in, &sh->out, &c)) {
		case TLS_MORE:
			(void)send_sealed(s, sh);
			continue;
		case TLS_CLOSED:
		case TLS_FAILED:
			buf_reset(&sh->out);
			return true;
		case TLS_DONE:
			break;
		}
		(void)send_sealed(s, sh);
		(void)keep_append(loop_keeps(s->loop), &t->in, in.p, in.n);
		set_pending(s, true);
		return false;
	}
}

/* ---- questions ---- */

bool
stream_is_secure(const struct stream *s)
{
	return s->tls && tls_is_up(s->tls->tls);
}

const struct tls *
stream_tls(const struct stream *s)
{
	return s->tls ? s->tls->tls : NULL;
}

const char *
stream_why(const struct stream *s)
{
	return s->tls ? tls_why(s->tls->tls) : "";
}

void
stream_tls_text(const struct stream *s, char *out, size_t cap)
{
	if (stream_is_secure(s))
		tls_describe(s->tls->tls, out, cap);
	else
		out[0] = '\0';
}
