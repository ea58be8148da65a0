/* A stream of typed messages, framed and decoded by their type. */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "proto/msg.h"
#include "proto/sql.h"
#include "proto/wire.h"

static void
touch(const char *s)
{
	if (s != NULL)
		assert(strlen(s) < 1000000);
}

/* Each decoder whatever the type, since bodies of one look like another's. */
static void
decode(struct span body)
{
	struct notice_fields f;
	const char *a, *b;
	struct span s;
	uint32_t u;
	uint8_t c;

	if (msg_notice(body, &f)) {
		touch(f.severity);
		touch(f.sqlstate);
		touch(f.message);
		touch(f.detail);
		touch(f.hint);
	}
	if (msg_parameter_status(body, &a, &b))
		assert(strlen(a) + strlen(b) + 2 == body.n);
	if (msg_key_data(body, &u, &s))
		assert(s.n + 4 == body.n);
	if (msg_ready(body, &c))
		assert(body.n == 1);
	if (msg_auth(body, &u, &s))
		assert(s.n + 4 == body.n);
	if (msg_query(body, &a)) {
		assert(strlen(a) + 1 == body.n);
		sql_is_commit(span_of(a));
	}
	if (msg_parse(body, &a, &b, &s))
		assert(strlen(a) + strlen(b) + 2 + s.n == body.n);
	if (msg_bind(body, &a, &b))
		assert(strlen(a) + strlen(b) + 2 <= body.n);
	if (msg_execute(body, &a))
		assert(strlen(a) + 5 == body.n);
	if (msg_target(body, &c, &a))
		assert(strlen(a) + 2 == body.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct frame_info f;
	size_t at = 0;

	while (wire_frame(data + at, n - at, 65536, &f) == FRAME_WHOLE) {
		assert(f.size >= WIRE_HEAD && f.size <= n - at);
		decode(SPAN(data + at + WIRE_HEAD, f.size - WIRE_HEAD));
		at += f.size;
	}
	decode(SPAN(data, n));
	return 0;
}
