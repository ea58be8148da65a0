/* Messages as text, both ways. */
#include "talk.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "proto/msg.h"
#include "proto/reply.h"
#include "proto/wire.h"

struct peer {
	struct peer *next;
	struct sock *sock;
	bool is_server;
	bool started; /* a server: the first packet has come */
	bool told_end;
	uint32_t pid;
	uint8_t key[4];
	struct buf text; /* heard */
};

struct peer *
peer_new(struct peer **list, struct sock *k, bool is_server)
{
	struct peer *p = xcalloc(1, sizeof(*p));

	p->sock = k;
	p->is_server = is_server;
	p->started = !is_server;
	if (is_server) {
		p->pid = (uint32_t)k->fd;
		memcpy(p->key, "keys", 4);
	}
	p->next = *list;
	*list = p;
	return p;
}

struct peer *
peer_next(const struct peer *p)
{
	return p->next;
}

void
peers_free(struct peer **list)
{
	struct peer *p;

	while ((p = *list)) {
		*list = p->next;
		buf_free(&p->text);
		free(p);
	}
}

uint32_t
peer_pid(const struct peer *p)
{
	return p->pid;
}

uint32_t
peer_number(const struct peer *p)
{
	return p->pid;
}

struct span
peer_key(const struct peer *p)
{
	return SPAN(p->key, sizeof(p->key));
}

/* ---- text to messages ---- */

static void
put_fault(struct buf *out, uint8_t type, const char *arg)
{
	char severity[20], code[6], s[] = "S", v[] = "V", c[] = "C", m[] = "M";
	struct writer w;
	int at = 0;

	if (sscanf(arg, "%19s %5s %n", severity, code, &at) != 2 || !at)
		ck_abort_msg("no severity, code and text: %s", arg);
	writer_begin(&w, out, type);
	writer_bytes(&w, s, 1);
	writer_cstr(&w, severity);
	writer_bytes(&w, v, 1);
	writer_cstr(&w, severity);
	writer_bytes(&w, c, 1);
	writer_cstr(&w, code);
	writer_bytes(&w, m, 1);
	writer_cstr(&w, arg + at);
	/* By which this one is told, in whatever language. */
	if (strncmp(arg + at, "cached plan", 11) == 0)
		writer_cstr(&w, "RRevalidateCachedQuery");
	writer_u8(&w, 0);
	writer_end(&w);
}

static void
put_auth(struct buf *out, const char *arg)
{
	uint32_t code = (uint32_t)atoi(arg);
	struct span rest = SPAN_LIT("");

	if (code == 5)
		rest = SPAN_LIT("salt");
	else if (code == 10)
		rest = SPAN_LIT("SCRAM-SHA-256\0\0");
	else if (strchr(arg, ' '))
		rest = span_of(strchr(arg, ' ') + 1);
	if (code)
		reply_auth(out, code, rest);
	else
		reply_auth_ok(out);
}

static void
put_backend_body(const struct peer *p, struct writer *w, uint8_t type,
    const char *arg)
{
	const char *colon;

	switch (type) {
	case 'K':
		writer_u32(w, p->pid);
		writer_bytes(w, p->key, sizeof(p->key));
		break;
	case 'S':
		colon = strchr(arg, ':');
		ck_assert(colon != NULL);
		writer_bytes(w, arg, (size_t)(colon - arg));
		writer_u8(w, 0);
		writer_cstr(w, colon + 1);
		break;
	case 'Z':
		writer_u8(w, (uint8_t)arg[0]);
		break;
	case 'C':
		writer_cstr(w, arg);
		break;
	case 'D':
		writer_u16(w, 1);
		writer_u32(w, (uint32_t)strlen(arg));
		writer_bytes(w, arg, strlen(arg));
		break;
	case 'A':
		writer_u32(w, p->pid);
		writer_cstr(w, "channel");
		writer_cstr(w, "");
		break;
	case 'T':
	case 't':
		writer_u16(w, 0);
		break;
	case 'G':
	case 'H':
	case 'W':
		writer_u8(w, 0);
		writer_u16(w, 0);
		break;
	case 'V':
		writer_u32(w, UINT32_MAX);
		break;
	default:
		writer_bytes(w, arg, strlen(arg));
		break;
	}
}

static void
put_frontend_body(struct writer *w, uint8_t type, const char *name,
    const char *arg)
{
	switch (type) {
	case 'Q':
	case 'f':
	case 'p':
		writer_cstr(w, arg);
		break;
	case 'P':
		writer_cstr(w, name);
		writer_cstr(w, arg);
		writer_u16(w, 0);
		break;
	case 'B':
		writer_cstr(w, "");
		writer_cstr(w, name);
		writer_u16(w, 0);
		writer_u16(w, 0);
		writer_u16(w, 0);
		break;
	case 'D':
	case 'C':
		writer_u8(w, name[0] ? 'S' : 'P');
		writer_cstr(w, name);
		break;
	case 'E':
		writer_cstr(w, "");
		writer_u32(w, 0);
		break;
	case 'F':
		writer_u32(w, 1);
		writer_u16(w, 0);
		writer_u16(w, 0);
		writer_u16(w, 0);
		break;
	default:
		writer_bytes(w, arg, strlen(arg));
		break;
	}
}

/* TYPE, TYPE=arg or TYPE/name=arg */
static void
put_message(const struct peer *p, const char *word, struct buf *out)
{
	const char *eq = strchr(word, '='), *arg = eq ? eq + 1 : "";
	char name[64] = "";
	struct writer w;

	if (p->is_server && word[0] == 'R') {
		put_auth(out, arg);
		return;
	}
	if (p->is_server && (word[0] == 'E' || word[0] == 'N')) {
		put_fault(out, (uint8_t)word[0], arg);
		return;
	}
	if (word[1] == '/')
		copy_str(name, sizeof(name), word + 2);
	name[strcspn(name, "=")] = '\0';
	writer_begin(&w, out, (uint8_t)word[0]);
	if (p->is_server)
		put_backend_body(p, &w, (uint8_t)word[0], arg);
	else
		put_frontend_body(&w, (uint8_t)word[0], name, arg);
	writer_end(&w);
}

void
talk_encode(const struct peer *p, const char *text, struct buf *out)
{
	char *copy = xstrdup(text), *at = copy, *word;

	while ((word = strsep(&at, "|")))
		if (word[0])
			put_message(p, word, out);
	free(copy);
}

/* ---- messages to text ---- */

static void
add_text(struct peer *p, const char *word, struct span arg)
{
	if (buf_len(&p->text))
		buf_printf(&p->text, "|");
	buf_printf(&p->text, "%s", word);
	if (arg.n > 60)
		buf_printf(&p->text, "=%zu bytes", arg.n);
	else if (arg.n > 0)
		buf_printf(&p->text, "=%.*s", (int)arg.n, (const char *)arg.p);
}

static void
hear_fault(struct peer *p, const char *type, struct span body)
{
	struct notice_fields f;
	char text[600];

	ck_assert_msg(msg_notice(body, &f), "malformed error");
	snprintf(text, sizeof(text), "%s=%s %s %s", type,
	    f.severity ? f.severity : "?", f.sqlstate ? f.sqlstate : "?",
	    f.message ? f.message : "?");
	add_text(p, text, SPAN(NULL, 0));
}

static void
hear_backend(struct peer *p, uint8_t type, struct span body)
{
	char word[2] = { (char)type, '\0' }, text[400];
	const char *name, *value;
	struct span key, arg = SPAN(NULL, 0);
	uint32_t code;

	switch (type) {
	case 'R':
		ck_assert(msg_auth(body, &code, &arg));
		snprintf(text, sizeof(text), "R=%u", code);
		add_text(p, code ? text : "R", SPAN(NULL, 0));
		return;
	case 'K':
		ck_assert(msg_key_data(body, &p->pid, &key) && key.n == 4);
		memcpy(p->key, key.p, 4);
		break;
	case 'S':
		ck_assert(msg_parameter_status(body, &name, &value));
		snprintf(text, sizeof(text), "S=%s:%s", name, value);
		add_text(p, text, SPAN(NULL, 0));
		return;
	case 'E':
	case 'N':
		hear_fault(p, word, body);
		return;
	case 'Z':
	case 'd':
		arg = body;
		break;
	case 'C':
		arg = SPAN(body.p, body.n - 1);
		break;
	case 'D':
		arg = SPAN(body.p + 6, body.n - 6);
		break;
	default:
		break;
	}
	add_text(p, word, arg);
}

static void
hear_frontend(struct peer *p, uint8_t type, struct span body)
{
	char word[80] = { (char)type, '\0' };
	struct span arg = SPAN(NULL, 0);
	const char *name, *text;
	struct span types;
	uint8_t kind;

	switch (type) {
	case 'Q':
	case 'f':
	case 'p':
		arg = SPAN(body.p, body.n - 1);
		break;
	case 'd':
		arg = body;
		break;
	case 'P':
		ck_assert(msg_parse(body, &name, &text, &types));
		if (name[0])
			snprintf(word, sizeof(word), "P/%.60s", name);
		arg = span_of(text);
		break;
	case 'B':
		ck_assert(msg_bind(body, &text, &name));
		if (name[0])
			snprintf(word, sizeof(word), "B/%.60s", name);
		break;
	case 'D':
	case 'C':
		ck_assert(msg_target(body, &kind, &name));
		if (name[0])
			snprintf(word, sizeof(word), "%c/%.60s", type, name);
		break;
	default:
		break;
	}
	add_text(p, word, arg);
}

/* What a server hears first. False while it is not whole. */
static bool
hear_first(struct peer *p, struct span bytes, size_t *used)
{
	struct startup s;
	struct startup_param a;
	const char *user = "", *database = "";
	char text[200];
	struct reader r;
	size_t at = 0;

	switch (startup_decode(bytes, &s)) {
	case STARTUP_V3:
		while (startup_next(s.params, &at, &a) == PARAM_ONE) {
			if (strcmp(a.name, "user") == 0)
				user = a.value;
			else if (strcmp(a.name, "database") == 0)
				database = a.value;
		}
		snprintf(text, sizeof(text), "startup=%s@%s", user, database);
		break;
	case STARTUP_CANCEL:
		reader_init(&r, s.key);
		snprintf(text, sizeof(text), "cancel=%u", reader_u32(&r));
		ck_assert_uint_eq(reader_left(&r), 4);
		ck_assert_mem_eq(r.p, "keys", 4);
		break;
	case STARTUP_MORE:
		return false;
	case STARTUP_SSL:
	case STARTUP_GSS:
	case STARTUP_TLS_HELLO:
	case STARTUP_V2:
	case STARTUP_BAD:
		ck_abort_msg("the server hears nonsense");
	}
	add_text(p, text, SPAN(NULL, 0));
	*used = s.size;
	p->started = true;
	return true;
}

static void
hear_all(struct peer *p)
{
	struct buf *b = &p->sock->out;
	struct frame_info f;
	struct span body;
	size_t used;

	if (!p->started && buf_len(b) > 0) {
		if (!hear_first(p, buf_span(b), &used))
			return;
		buf_consume(b, used);
	}
	while (wire_frame(buf_head(b), buf_len(b), INT32_MAX, &f) ==
	    FRAME_WHOLE) {
		body = SPAN(buf_head(b) + WIRE_HEAD, f.size - WIRE_HEAD);
		if (p->is_server)
			hear_frontend(p, f.type, body);
		else
			hear_backend(p, f.type, body);
		buf_consume(b, f.size);
	}
	if (is_closed(p) && !p->told_end) {
		if (buf_len(b))
			add_text(p, "(half a message)", SPAN(NULL, 0));
		add_text(p, p->sock->rude ? "RST" : "EOF", SPAN(NULL, 0));
		p->told_end = true;
	}
}

void
peer_takes_body(struct peer *p, struct buf *body)
{
	struct buf *b = &p->sock->out;
	struct frame_info f;

	settle();
	if (wire_frame(buf_head(b), buf_len(b), INT32_MAX, &f) != FRAME_WHOLE)
		ck_abort_msg("no message came");
	buf_append(body, buf_head(b) + WIRE_HEAD, f.size - WIRE_HEAD);
	buf_consume(b, f.size);
}

const char *
heard(struct peer *p)
{
	settle();
	buf_reset(&p->text);
	hear_all(p);
	buf_append(&p->text, "", 1);
	p->text.end--;
	return (const char *)buf_head(&p->text);
}

static bool
word_fits(const char *want, const char *got)
{
	size_t n = strlen(want);

	if (strcmp(want, "BYE") == 0)
		return strcmp(got, "EOF") == 0 || strcmp(got, "RST") == 0;
	if (n > 0 && want[n - 1] == '*')
		return strncmp(want, got, n - 1) == 0;
	return strcmp(want, got) == 0;
}

static bool
text_fits(const char *want, const char *got)
{
	char *w = xstrdup(want), *g = xstrdup(got), *wat = w, *gat = g;
	char *a, *b;
	bool ok = true;

	do {
		a = strsep(&wat, "|");
		b = strsep(&gat, "|");
		ok = ok && (a && b ? word_fits(a, b) : a == b);
	} while (ok && a && b);
	free(w);
	free(g);
	return ok;
}

void
peer_hears(struct peer *p, const char *text, const char *file, int line)
{
	const char *got = heard(p);

	if (!text_fits(text, got))
		ck_abort_msg("%s:%d: expected %.900s\n  heard    %.900s", file,
		    line, text, got);
}

size_t
unheard(struct peer *p)
{
	settle();
	return buf_len(&p->sock->out);
}

/* ---- speaking ---- */

void
say_bytes(struct peer *p, const void *bytes, size_t n)
{
	if (!p->sock->closed)
		buf_append(&p->sock->in, bytes, n);
	settle();
}

void
mutter(struct peer *p, const char *messages)
{
	struct buf b = { 0 };

	talk_encode(p, messages, &b);
	if (!p->sock->closed && buf_len(&b))
		buf_append(&p->sock->in, buf_head(&b), buf_len(&b));
	buf_free(&b);
}

void
say(struct peer *p, const char *messages)
{
	mutter(p, messages);
	settle();
}

static void
say_piece(struct peer *p, const char *message, size_t from, size_t to)
{
	struct buf b = { 0 };

	talk_encode(p, message, &b);
	if (to > buf_len(&b))
		to = buf_len(&b);
	ck_assert_uint_lt(from, to);
	say_bytes(p, buf_head(&b) + from, to - from);
	buf_free(&b);
}

void
say_part(struct peer *p, const char *message, size_t n)
{
	say_piece(p, message, 0, n);
}

void
say_rest(struct peer *p, const char *message, size_t n)
{
	say_piece(p, message, n, SIZE_MAX);
}

void
hang_up(struct peer *p)
{
	p->sock->in_eof = true;
	p->sock->gone = true;
	p->sock->room = SIZE_MAX;
	settle();
}

void
half_close(struct peer *p)
{
	p->sock->in_eof = true;
	settle();
}

void
reset(struct peer *p)
{
	buf_reset(&p->sock->in);
	p->sock->in_eof = true;
	p->sock->in_reset = true;
	p->sock->gone = true;
	settle();
}

void
take_only(struct peer *p, size_t n)
{
	p->sock->room = n;
}

bool
is_closed(struct peer *p)
{
	return p->sock->shut || p->sock->closed;
}

size_t
unread(struct peer *p)
{
	settle();
	return buf_len(&p->sock->in);
}
