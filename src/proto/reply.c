#include <string.h>

#include "proto/msg.h" /* the codes */
#include "proto/reply.h"
#include "proto/wire.h"

static void
put_field(struct writer *w, uint8_t field, const char *text)
{
	writer_u8(w, field);
	writer_cstr(w, text);
}

static void
put_notice(struct buf *out, uint8_t type, const char *severity,
    const char *sqlstate, const char *text, const char *detail,
    const char *hint)
{
	struct writer w;

	writer_begin(&w, out, type);
	put_field(&w, 'S', severity);
	put_field(&w, 'V', severity);
	put_field(&w, 'C', sqlstate);
	put_field(&w, 'M', text);
	if (detail != NULL && detail[0] != '\0')
		put_field(&w, 'D', detail);
	if (hint != NULL && hint[0] != '\0')
		put_field(&w, 'H', hint);
	writer_u8(&w, 0);
	writer_end(&w);
}

void
reply_error(struct buf *out, const char *severity, const struct err *e)
{
	put_notice(out, 'E', severity,
	    e->sqlstate[0] != '\0' ? e->sqlstate : "XX000", e->msg,
	    e->detail, e->hint);
}

void
reply_notice(struct buf *out, const char *sqlstate, const char *text,
    const char *detail)
{
	if (sqlstate == NULL || sqlstate[0] == '\0')
		sqlstate = "00000";
	put_notice(out, 'N', "NOTICE", sqlstate, text, detail, NULL);
}

void
reply_ready(struct buf *out, uint8_t status)
{
	struct writer w;

	writer_begin(&w, out, 'Z');
	writer_u8(&w, status);
	writer_end(&w);
}

void
reply_auth_ok(struct buf *out)
{
	reply_auth(out, 0, SPAN(NULL, 0));
}

void
reply_auth(struct buf *out, uint32_t code, struct span rest)
{
	struct writer w;

	writer_begin(&w, out, 'R');
	writer_u32(&w, code);
	writer_bytes(&w, rest.p, rest.n);
	writer_end(&w);
}

void
reply_parameter(struct buf *out, const char *name, const char *value)
{
	struct writer w;

	writer_begin(&w, out, 'S');
	writer_cstr(&w, name);
	writer_cstr(&w, value);
	writer_end(&w);
}

void
reply_key_data(struct buf *out, uint32_t pid, struct span key)
{
	struct writer w;

	writer_begin(&w, out, 'K');
	writer_u32(&w, pid);
	writer_bytes(&w, key.p, key.n);
	writer_end(&w);
}

void
reply_negotiate(struct buf *out, uint32_t minor_version,
    const char *const *options, size_t n)
{
	struct writer w;
	size_t i;

	writer_begin(&w, out, 'v');
	writer_u32(&w, minor_version);
	writer_u32(&w, (uint32_t)n);
	for (i = 0; i < n; i++)
		writer_cstr(&w, options[i]);
	writer_end(&w);
}

void
reply_complete(struct buf *out, const char *tag)
{
	struct writer w;

	writer_begin(&w, out, 'C');
	writer_cstr(&w, tag);
	writer_end(&w);
}

void
reply_bare(struct buf *out, uint8_t type)
{
	struct writer w;

	writer_begin(&w, out, type);
	writer_end(&w);
}

/* pg_type's oid and length of each. */
static const struct {
	uint32_t oid;
	int16_t len;
} column_types[] = {
	[COL_TEXT] = { 25, -1 },
	[COL_INT4] = { 23, 4 },
	[COL_INT8] = { 20, 8 },
	[COL_NUMERIC] = { 1700, -1 },
	[COL_BYTEA] = { 17, -1 },
};

void
reply_row_description(struct buf *out, const struct column *c, size_t n)
{
	struct writer w;
	size_t i;

	writer_begin(&w, out, 'T');
	writer_u16(&w, (uint16_t)n);
	for (i = 0; i < n; i++) {
		writer_cstr(&w, c[i].name);
		writer_u32(&w, 0); /* of no table */
		writer_u16(&w, 0);
		writer_u32(&w, column_types[c[i].type].oid);
		writer_u16(&w, (uint16_t)column_types[c[i].type].len);
		writer_u32(&w, UINT32_MAX); /* no type modifier */
		writer_u16(&w, 0); /* text */
	}
	writer_end(&w);
}

void
reply_row(struct buf *out, const char *const *values, size_t n)
{
	struct writer w;
	size_t i;

	writer_begin(&w, out, 'D');
	writer_u16(&w, (uint16_t)n);
	for (i = 0; i < n; i++) {
		size_t len;

		if (values[i] == NULL) {
			writer_u32(&w, UINT32_MAX);
			continue;
		}
		len = strlen(values[i]);
		writer_u32(&w, (uint32_t)len);
		writer_bytes(&w, values[i], len);
	}
	writer_end(&w);
}

void
reply_parameter_description_none(struct buf *out)
{
	struct writer w;

	writer_begin(&w, out, 't');
	writer_u16(&w, 0);
	writer_end(&w);
}

void
request_startup(struct buf *out, uint32_t version,
    const char *const *params)
{
	struct writer w;

	writer_begin(&w, out, 0);
	writer_u32(&w, version);
	for (; *params != NULL; params++)
		writer_cstr(&w, *params);
	writer_u8(&w, 0);
	writer_end(&w);
}

void
request_ssl(struct buf *out)
{
	struct writer w;

	writer_begin(&w, out, 0);
	writer_u32(&w, CODE_SSL);
	writer_end(&w);
}

void
request_cancel(struct buf *out, uint32_t pid, struct span key)
{
	struct writer w;

	writer_begin(&w, out, 0);
	writer_u32(&w, CODE_CANCEL);
	writer_u32(&w, pid);
	writer_bytes(&w, key.p, key.n);
	writer_end(&w);
}

static void
put_text_message(struct buf *out, uint8_t type, const char *text)
{
	struct writer w;

	writer_begin(&w, out, type);
	writer_cstr(&w, text);
	writer_end(&w);
}

void
request_query(struct buf *out, const char *sql)
{
	put_text_message(out, 'Q', sql);
}

void
request_password(struct buf *out, const char *text)
{
	put_text_message(out, 'p', text);
}

void
request_sasl_initial(struct buf *out, const char *mechanism,
    struct span data)
{
	struct writer w;

	writer_begin(&w, out, 'p');
	writer_cstr(&w, mechanism);
	writer_u32(&w, (uint32_t)data.n);
	writer_bytes(&w, data.p, data.n);
	writer_end(&w);
}

void
request_sasl_response(struct buf *out, struct span data)
{
	struct writer w;

	writer_begin(&w, out, 'p');
	writer_bytes(&w, data.p, data.n);
	writer_end(&w);
}

void
request_terminate(struct buf *out)
{
	reply_bare(out, 'X');
}
