/* The client that checks every answer. */
#include "torture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"

/* A bigger message is no part of any act. */
#define MESSAGE_MAX (64u << 20)
/* Past this a split message goes in larger pieces, or it would take minutes. */
#define SPLIT_MAX 1500

enum got { GOT_MESSAGE, GOT_END, GOT_NOTHING };

/* --- connections --- */

static int
dial(void)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)trial.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

bool
peer_dial(struct peer *p)
{
	p->used = p->have = 0;
	p->incarnation++;
	p->cancelled = false;
	p->status = 'I';
	p->me[0] = '\0';
	p->pid = p->key = 0;
	snprintf(p->who, sizeof(p->who), "T%d.%u.", p->slot, p->incarnation);
	snprintf(p->app, sizeof(p->app), "%sapp", p->who);
	p->fd = dial();
	if (p->fd < 0)
		trial_fail("%s cannot connect: %s", p->who, strerror(errno));
	return p->fd >= 0;
}

void
peer_leave(struct peer *p, enum leaving how)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (p->fd < 0)
		return;
	if (how == LEAVE_TERMINATE)
		(void)send(p->fd, "X\0\0\0\4", 5, MSG_NOSIGNAL);
	else if (how == LEAVE_RST)
		setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(p->fd);
	p->fd = -1;
}

enum leaving
peer_any_leaving(struct peer *p)
{
	return (enum leaving)rng_below(&p->rng, LEAVINGS);
}

void
peer_cancel(const struct peer *p, uint32_t pid, uint32_t key)
{
	struct pkt k = { 0 };
	int fd = dial();

	atomic_fetch_add(&trial.cancels, 1);
	if (fd < 0) {
		trial_fail("%s cannot connect to cancel: %s", p->who,
		    strerror(errno));
		return;
	}
	pkt_cancel(&k, pid, key);
	(void)send(fd, k.p, k.n, MSG_NOSIGNAL);
	pkt_free(&k);
	close(fd);
}

/* --- bytes --- */

/*
 * The socket blocks, and the pooler may rightly not read from us while it has
 * no server. What it does not take within the patience is an end of its own.
 */
static bool
send_all(struct peer *p, const uint8_t *b, size_t n)
{
	struct pollfd pfd = { .fd = p->fd, .events = POLLOUT };
	ssize_t sent;

	while (n > 0) {
		sent = send(p->fd, b, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent > 0) {
			b += sent;
			n -= (size_t)sent;
		} else if (sent < 0 && errno == EAGAIN) {
			if (poll(&pfd, 1, trial.patience_ms) == 0) {
				trial_fail("%s nobody reads what it sends",
				    p->who);
				return false;
			}
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

bool
peer_send(struct peer *p, struct pkt *k)
{
	size_t at, step;
	bool good = true;

	for (at = 0; good && at < k->n; at += step) {
		step = k->n - at;
		if (p->split)
			step = at < SPLIT_MAX ?
			    1 :
			    1 + rng_below(&p->rng, (uint32_t)step);
		good = send_all(p, k->p + at, step);
		if (p->split && rng_chance(&p->rng, 10))
			sched_yield();
	}
	pkt_free(k);
	return good;
}

/* At least one more byte, in time. */
static enum got
receive(struct peer *p, int64_t until)
{
	struct pollfd pfd = { .fd = p->fd, .events = POLLIN };
	int64_t left = until - fx_now_ms();
	ssize_t n;

	if (p->used > 0) {
		memmove(p->in, p->in + p->used, p->have - p->used);
		p->have -= p->used;
		p->used = 0;
	}
	if (p->cap - p->have < 4096) {
		p->cap = p->cap * 2 + 16384;
		p->in = realloc(p->in, p->cap);
		if (p->in == NULL)
			abort();
	}
	if (left <= 0 || poll(&pfd, 1, (int)left) == 0)
		return GOT_NOTHING;
	n = recv(p->fd, p->in + p->have, p->cap - p->have, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return GOT_MESSAGE;
	if (n <= 0)
		return GOT_END;
	p->have += (size_t)n;
	return GOT_MESSAGE;
}

/* The body is good until the next call. */
static enum got
next_message(struct peer *p, struct msg *m, int64_t until)
{
	uint32_t len;
	enum got got;

	for (;;) {
		if (p->have - p->used >= 5) {
			memcpy(&len, p->in + p->used + 1, 4);
			len = ntohl(len);
			if (len < 4 || len > MESSAGE_MAX) {
				trial_fail("%s message '%c' of length %u",
				    p->who, p->in[p->used], len);
				return GOT_END;
			}
			if (p->have - p->used >= (size_t)len + 1)
				break;
		}
		got = receive(p, until);
		if (got != GOT_MESSAGE)
			return got;
	}
	m->type = (char)p->in[p->used];
	m->n = len - 4;
	m->body = p->in + p->used + 5;
	p->used += (size_t)len + 1;
	return GOT_MESSAGE;
}

/* --- what answers say --- */

/* A field of an error or notice: it borrows from the message. */
static const char *
field(const struct msg *m, char which)
{
	const char *at = (const char *)m->body, *end = at + m->n;

	while (at < end && *at != '\0' && end[-1] == '\0') {
		if (*at == which)
			return at + 1;
		at += strlen(at) + 1;
	}
	return "";
}

/* Does this value say "T12.3.45", and nothing else? */
static bool
is_token(const struct peer *p, unsigned seq, const void *v, size_t n)
{
	char token[48];
	int len = snprintf(token, sizeof(token), "%s%u", p->who, seq);

	return n == (size_t)len && memcmp(v, token, n) == 0;
}

static bool
is_filler(const struct peer *p, unsigned seq, unsigned times, const char *v,
    size_t n)
{
	char token[48];
	size_t len, i;

	len = (size_t)snprintf(token, sizeof(token), "%s%u ", p->who, seq);
	if (n != len * times)
		return false;
	for (i = 0; i < times; i++)
		if (memcmp(v + i * len, token, len) != 0)
			return false;
	return true;
}

struct value {
	const char *p;
	size_t n;
};

static bool
value_is(const struct value *v, const char *text)
{
	return v->n == strlen(text) && memcmp(v->p, text, v->n) == 0;
}

/* Columns of a DataRow; at most max, NULL is like the empty string. */
static unsigned
row_values(const struct msg *m, struct value *v, unsigned max)
{
	const uint8_t *at = m->body + 2, *end = m->body + m->n;
	unsigned i, n = m->n < 2 ? 0 : (unsigned)m->body[0] << 8 | m->body[1];
	uint32_t len;

	for (i = 0; i < n && i < max && end - at >= 4; i++) {
		memcpy(&len, at, 4);
		len = ntohl(len);
		at += 4;
		if (len == UINT32_MAX)
			len = 0;
		if (len > (size_t)(end - at))
			break;
		v[i] = (struct value){ (const char *)at, len };
		at += len;
	}
	return i;
}

/* Lines of COPY have the same columns, between tabs. */
static unsigned
line_values(const struct msg *m, struct value *v, unsigned max)
{
	const char *at = (const char *)m->body, *end = at + m->n;
	unsigned n = 0;

	while (n < max && at < end) {
		const char *stop = at;

		while (stop < end && *stop != '\t' && *stop != '\n')
			stop++;
		v[n++] = (struct value){ at, (size_t)(stop - at) };
		if (stop == end || *stop == '\n')
			break;
		at = stop + 1;
	}
	return n;
}

/*
 * The heart of it: is this row the next one of this very question, asked by
 * this very client, with its own parameters, in its own transaction?
 */
static void
check_row(struct peer *p, const struct segment *seg, unsigned nth,
    const struct value *v, unsigned n)
{
	unsigned seq = seg->first + nth;

	if (nth >= seg->rows || n < 3 || !is_token(p, seq, v[0].p, v[0].n))
		trial_fail("%s FOREIGN ANSWER: expected %s%u (row %u of %u) "
			   "and got %u columns \"%.*s\"",
		    p->who, p->who, seq, nth, seg->rows, n,
		    n > 0 ? (int)(v[0].n > 60 ? 60 : v[0].n) : 0,
		    n > 0 ? v[0].p : "");
	else if (!value_is(&v[1], p->app))
		trial_fail("%s application_name is \"%.*s\", not \"%s\"",
		    p->who, (int)v[1].n, v[1].p, p->app);
	else if (!value_is(&v[2], p->me))
		trial_fail("%s is in the transaction of \"%.*s\", not \"%s\"",
		    p->who, (int)v[2].n, v[2].p, p->me);
	else if (seg->filler > 0 &&
	    (n < 4 || !is_filler(p, seq, seg->filler, v[3].p, v[3].n)))
		trial_fail("%s%u its big column is not its own", p->who, seq);
	else if (seg->extra[0] != '\0' &&
	    (n < 4 || !value_is(&v[3], seg->extra)))
		trial_fail("%s%u says \"%.*s\", not \"%s\"", p->who, seq,
		    n < 4 ? 0 : (int)v[3].n, n < 4 ? "" : v[3].p, seg->extra);
	atomic_fetch_add(&trial.answers, 1);
}

/* Whatever names a client in a notice or a parameter must name this one. */
static void
check_aside(struct peer *p, const struct msg *m)
{
	size_t len = strlen(p->who), name;
	const char *text;

	if (m->type == 'N') {
		text = field(m, 'M');
		if (text[0] == 'T' && text[1] >= '0' && text[1] <= '9' &&
		    strncmp(text, p->who, len) != 0)
			trial_fail("%s got the notice of \"%.60s\"", p->who,
			    text);
		return;
	}
	if (m->type != 'S' || m->n == 0 || m->body[m->n - 1] != 0)
		return;
	text = (const char *)m->body;
	name = strlen(text);
	if (strcmp(text, "application_name") == 0 && name + 1 < m->n &&
	    text[name + 1] != '\0' &&
	    strncmp(text + name + 1, p->who, len) != 0)
		trial_fail("%s was told the application_name \"%s\"", p->who,
		    text + name + 1);
}

/* Its server was killed, or it ran into its timeout: it may happen. */
static bool
lost_lawfully(const struct peer *p, const char *state, const char *text)
{
	if (p->limited && strstr(text, "timeout") != NULL) {
		atomic_fetch_add(&trial.timeouts, 1);
		return true;
	}
	if (trial.kills &&
	    (strncmp(state, "57P0", 4) == 0 || strncmp(state, "08", 2) == 0)) {
		atomic_fetch_add(&trial.lost, 1);
		return true;
	}
	return false;
}

static enum fate
check_error(struct peer *p, const struct segment *seg, const struct msg *m)
{
	char state[6], text[200], severity[8];

	snprintf(state, sizeof(state), "%s", field(m, 'C'));
	snprintf(severity, sizeof(severity), "%s", field(m, 'S'));
	snprintf(text, sizeof(text), "%s", field(m, 'M'));
	if (seg->want != NULL && strcmp(state, seg->want) == 0)
		return FATE_OK;
	if (p->cancelled && strcmp(state, "57014") == 0 &&
	    strstr(text, "user request") != NULL) {
		atomic_fetch_add(&trial.cancelled, 1);
		return FATE_ERROR;
	}
	if (lost_lawfully(p, state, text))
		return strcmp(severity, "ERROR") == 0 ? FATE_ERROR : FATE_LOST;
	trial_fail("%s unexpected %s %s: %s (after %u.%u, wanted %s)", p->who,
	    severity, state, text, p->incarnation, seg->first,
	    seg->want != NULL ? seg->want : "none");
	return FATE_LOST;
}

/*
 * The pooler hung up without a word. A killed server excuses that, and so does
 * a timeout in the middle of a message, where no other can be put.
 */
static enum fate
lost_silently(struct peer *p)
{
	if (p->limited && p->have > p->used) {
		atomic_fetch_add(&trial.timeouts, 1);
		return FATE_LOST;
	}
	if (!trial.kills)
		trial_fail("%s connection closed without a reason", p->who);
	atomic_fetch_add(&trial.lost, 1);
	return FATE_LOST;
}

/* A FunctionCallResponse: one value, as a row of one column. */
static void
check_result(struct peer *p, const struct segment *seg, unsigned nth,
    const struct msg *m)
{
	struct value v[3];

	if (m->n < 4) {
		trial_fail("%s a function result of %zu bytes", p->who, m->n);
		return;
	}
	v[0] = (struct value){ (const char *)m->body + 4, m->n - 4 };
	v[1] = (struct value){ p->app, strlen(p->app) };
	v[2] = (struct value){ p->me, strlen(p->me) };
	check_row(p, seg, nth, v, 3);
}

struct answer {
	unsigned rows;
	bool failed; /* an error came; the segment's rest is skipped */
	bool done;
	enum fate fate;
};

static void
take_key(struct peer *p, const struct msg *m)
{
	if (m->n < 8)
		return;
	memcpy(&p->pid, m->body, 4);
	memcpy(&p->key, m->body + 4, 4);
	p->pid = ntohl(p->pid);
	p->key = ntohl(p->key);
}

static void
take_ready(struct peer *p, const struct segment *seg, const struct msg *m,
    struct answer *a)
{
	p->status = m->n == 1 ? (char)m->body[0] : '?';
	a->done = true;
	if (!a->failed && (a->rows != seg->rows || seg->want != NULL))
		trial_fail("%s %u rows of %u after token %u, error %s", p->who,
		    a->rows, seg->rows, seg->first,
		    seg->want != NULL ? seg->want : "none");
}

static void
take(struct peer *p, const struct segment *seg, const struct msg *m,
    struct answer *a)
{
	struct value v[8];

	switch (m->type) {
	case 'D':
		check_row(p, seg, a->rows++, v, row_values(m, v, 8));
		break;
	case 'd':
		check_row(p, seg, a->rows++, v, line_values(m, v, 8));
		break;
	case 'V':
		check_result(p, seg, a->rows++, m);
		break;
	case 'E':
		a->failed = true;
		a->fate = check_error(p, seg, m);
		a->done = a->fate == FATE_LOST;
		break;
	case 'C':
		snprintf(p->tag, sizeof(p->tag), "%.*s", (int)m->n,
		    (const char *)m->body);
		break;
	case 'K':
		take_key(p, m);
		break;
	case 'N':
	case 'S':
	case 'A':
		check_aside(p, m);
		break;
	case 'Z':
		take_ready(p, seg, m, a);
		break;
	default:
		if (m->type == 0 || strchr("R123ntTIscHG", m->type) == NULL) {
			trial_fail("%s message of type %d", p->who, m->type);
			a->fate = FATE_LOST;
			a->done = true;
		}
		break;
	}
}

/* Up to ReadyForQuery, or to a message of type STOP, which is left out. */
static enum fate
answer(struct peer *p, const struct segment *seg, char stop)
{
	int64_t until = fx_now_ms() + trial.patience_ms;
	struct answer a = { .fate = FATE_OK };
	struct msg m;

	while (!a.done) {
		switch (next_message(p, &m, until)) {
		case GOT_MESSAGE:
			break;
		case GOT_END:
			return lost_silently(p);
		case GOT_NOTHING:
			trial_fail("%s waits for ever: row %u of %u after "
				   "token %u, status %c",
			    p->who, a.rows, seg->rows, seg->first, p->status);
			return FATE_LOST;
		}
		if (m.type == stop)
			return FATE_OK;
		take(p, seg, &m, &a);
	}
	return stop != 0 && a.fate == FATE_OK ? FATE_ERROR : a.fate;
}

enum fate
peer_answer(struct peer *p, const struct segment *seg)
{
	return answer(p, seg, 0);
}

enum fate
peer_await(struct peer *p, char type)
{
	static const struct segment none;

	return answer(p, &none, type);
}

void
peer_read_out(struct peer *p, const struct segment *seg)
{
	int64_t until = fx_now_ms() + trial.patience_ms;
	struct answer a = { .fate = FATE_OK };
	struct msg m;
	enum got got;

	while ((got = next_message(p, &m, until)) == GOT_MESSAGE)
		if (!a.done)
			take(p, seg, &m, &a);
	if (got == GOT_NOTHING)
		trial_fail("%s said goodbye and was not let go", p->who);
}

bool
peer_open(struct peer *p, const char *user)
{
	static const struct segment none;
	struct pkt k = { 0 };

	if (!peer_dial(p))
		return false;
	pkt_begin(&k, 0);
	pkt_i32(&k, 196608);
	pkt_str(&k, "user");
	pkt_str(&k, user);
	pkt_str(&k, "database");
	pkt_str(&k, mode_db[p->mode]);
	pkt_str(&k, "application_name");
	pkt_str(&k, p->app);
	pkt_u8(&k, 0);
	pkt_end(&k);
	atomic_fetch_add(&trial.logins, 1);
	if (peer_send(p, &k) && peer_answer(p, &none) == FATE_OK)
		return true;
	peer_leave(p, LEAVE_FIN);
	return false;
}
