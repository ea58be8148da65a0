#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proto/msg.h"
#include "proto/wire.h"

#define STARTUP_HEAD 8 /* length and code */
#define TLS_HANDSHAKE 0x16
#define KEY_MIN 4 /* secret of a cancel key, without the pid */
#define KEY_MAX 256

/* What the code says, by itself. */
static enum startup_kind
startup_kind_of(uint32_t code)
{
	if (code == CODE_CANCEL)
		return STARTUP_CANCEL;
	if (code == CODE_SSL)
		return STARTUP_SSL;
	if (code == CODE_GSS)
		return STARTUP_GSS;
	if (code >> 16 == 3)
		return STARTUP_V3;
	if (code >> 16 == 2)
		return STARTUP_V2;
	return STARTUP_BAD;
}

static bool
startup_size_fits(enum startup_kind kind, uint32_t size)
{
	switch (kind) {
	case STARTUP_V3:
		return size > STARTUP_HEAD && size <= STARTUP_MAX;
	case STARTUP_V2:
		return size >= STARTUP_HEAD && size <= STARTUP_MAX;
	case STARTUP_CANCEL:
		return size >= STARTUP_HEAD + 4 + KEY_MIN &&
		    size <= STARTUP_HEAD + 4 + KEY_MAX;
	case STARTUP_SSL:
	case STARTUP_GSS:
		return size == STARTUP_HEAD;
	case STARTUP_MORE:
	case STARTUP_TLS_HELLO:
	case STARTUP_BAD:
		return false;
	}
	return false;
}

enum startup_kind
startup_decode(struct span bytes, struct startup *s)
{
	struct reader r;
	struct span body;

	*s = (struct startup){ .kind = STARTUP_MORE };
	if (bytes.n > 0 && bytes.p[0] == TLS_HANDSHAKE)
		return s->kind = STARTUP_TLS_HELLO;
	if (bytes.n < STARTUP_HEAD)
		return s->kind;
	reader_init(&r, bytes);
	s->size = reader_u32(&r);
	s->version = reader_u32(&r);
	s->kind = startup_kind_of(s->version);
	if (!startup_size_fits(s->kind, s->size))
		return s->kind = STARTUP_BAD;
	if (s->kind == STARTUP_V2)
		return s->kind; /* refused: what else it says is no matter */
	if (s->size > bytes.n)
		return s->kind = STARTUP_MORE;
	body = reader_bytes(&r, s->size - STARTUP_HEAD);
	if (s->kind == STARTUP_V3)
		s->params = body;
	else if (s->kind == STARTUP_CANCEL)
		s->key = body;
	return s->kind;
}

enum startup_next
startup_next(struct span params, size_t *at, struct startup_param *p)
{
	struct reader r;

	if (*at > params.n)
		return PARAM_BAD;
	reader_init(&r, SPAN(params.p + *at, params.n - *at));
	p->name = reader_cstr(&r);
	if (r.bad)
		return PARAM_BAD;
	if (p->name[0] == '\0')
		return reader_left(&r) == 0 ? PARAM_END : PARAM_BAD;
	p->value = reader_cstr(&r);
	if (r.bad)
		return PARAM_BAD;
	*at = params.n - reader_left(&r);
	return PARAM_ONE;
}

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Copies the next word without its escapes; false when there is none. */
static bool
options_word(const char *options, size_t *at, struct buf *out)
{
	const char *p = options + *at;

	while (is_blank(*p))
		p++;
	if (*p == '\0') {
		*at = (size_t)(p - options);
		return false;
	}
	for (; *p != '\0' && !is_blank(*p); p++) {
		if (*p == '\\' && *++p == '\0')
			break; /* a last backslash is nothing, as there */
		buf_append(out, p, 1);
	}
	*at = (size_t)(p - options);
	return true;
}

enum startup_next
options_next(const char *options, size_t *at, struct buf *out,
    const char **name, const char **value)
{
	char *item, *eq, *p;
	size_t skip = 2;

	buf_reset(out);
	if (!options_word(options, at, out))
		return PARAM_END;
	if (span_is(buf_span(out), "-c")) {
		buf_reset(out);
		skip = 0;
		if (!options_word(options, at, out))
			return PARAM_BAD;
	} else if (buf_len(out) < 2 || (memcmp(buf_head(out), "-c", 2) != 0 &&
	    memcmp(buf_head(out), "--", 2) != 0))
		return PARAM_BAD;
	buf_append(out, "", 1);
	item = (char *)out->data + out->start + skip;
	eq = strchr(item, '=');
	if (eq == NULL || eq == item)
		return PARAM_BAD;
	*eq = '\0';
	for (p = item; *p != '\0'; p++)
		if (*p == '-')
			*p = '_';
	*name = item;
	*value = eq + 1;
	return PARAM_ONE;
}

bool
msg_notice(struct span body, struct notice_fields *f)
{
	const char *severity = NULL;
	struct reader r;
	uint8_t field;

	*f = (struct notice_fields){ 0 };
	reader_init(&r, body);
	while ((field = reader_u8(&r)) != 0) {
		const char *text = reader_cstr(&r);

		if (r.bad)
			break;
		switch (field) {
		case 'S': severity = text; break;
		case 'V': f->severity = text; break;
		case 'C': f->sqlstate = text; break;
		case 'M': f->message = text; break;
		case 'D': f->detail = text; break;
		case 'H': f->hint = text; break;
		case 'R': f->routine = text; break;
		}
	}
	if (f->severity == NULL)
		f->severity = severity;
	return reader_done(&r);
}

bool
notice_is_stale_plan(const struct notice_fields *f)
{
	return f->routine != NULL && f->sqlstate != NULL &&
	    strcmp(f->routine, "RevalidateCachedQuery") == 0 &&
	    strcmp(f->sqlstate, "0A000") == 0;
}

bool
msg_parameter_status(struct span body, const char **name, const char **value)
{
	struct reader r;

	reader_init(&r, body);
	*name = reader_cstr(&r);
	*value = reader_cstr(&r);
	return reader_done(&r);
}

bool
msg_key_data(struct span body, uint32_t *pid, struct span *key)
{
	struct reader r;

	reader_init(&r, body);
	*pid = reader_u32(&r);
	*key = reader_bytes(&r, reader_left(&r));
	return reader_done(&r) && key->n >= KEY_MIN && key->n <= KEY_MAX;
}

bool
msg_ready(struct span body, uint8_t *status)
{
	struct reader r;

	reader_init(&r, body);
	*status = reader_u8(&r);
	return reader_done(&r) &&
	    (*status == 'I' || *status == 'T' || *status == 'E');
}

bool
msg_auth(struct span body, uint32_t *code, struct span *rest)
{
	struct reader r;

	reader_init(&r, body);
	*code = reader_u32(&r);
	*rest = reader_bytes(&r, reader_left(&r));
	return reader_done(&r);
}

bool
msg_query(struct span body, const char **text)
{
	struct reader r;

	reader_init(&r, body);
	*text = reader_cstr(&r);
	return reader_done(&r);
}

bool
msg_parse(struct span body, const char **name, const char **text,
    struct span *types)
{
	struct reader r;

	reader_init(&r, body);
	*name = reader_cstr(&r);
	*text = reader_cstr(&r);
	*types = SPAN(r.p, reader_left(&r));
	reader_bytes(&r, (size_t)reader_u16(&r) * 4);
	return reader_done(&r);
}

bool
msg_bind(struct span body, const char **portal, const char **statement)
{
	struct reader r;

	reader_init(&r, body);
	*portal = reader_cstr(&r);
	*statement = reader_cstr(&r);
	return !r.bad;
}

bool
msg_execute(struct span body, const char **portal)
{
	struct reader r;

	reader_init(&r, body);
	*portal = reader_cstr(&r);
	reader_u32(&r); /* most rows to return */
	return reader_done(&r);
}

bool
msg_is_prepare_tag(struct span body)
{
	return span_eq(body, SPAN("PREPARE", 8)) ||
	    span_eq(body, SPAN("DEALLOCATE", 11));
}

bool
msg_is_deallocate_all(struct span body)
{
	return span_eq(body, SPAN("DEALLOCATE ALL", 15)) ||
	    span_eq(body, SPAN("DISCARD ALL", 12));
}

bool
msg_target(struct span body, uint8_t *kind, const char **name)
{
	struct reader r;

	reader_init(&r, body);
	*kind = reader_u8(&r);
	*name = reader_cstr(&r);
	return reader_done(&r) && (*kind == 'S' || *kind == 'P');
}

bool
msg_bad_header(struct span bytes, struct err *e)
{
	char hex[17] = "";
	size_t i;

	for (i = 0; i < bytes.n && i < 8; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes.p[i]);
	return err_set(e, "08P01", "bad packet header: '%s'", hex);
}
