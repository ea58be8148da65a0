/*
 * Queries that take long. Nothing is computed before one has: while it runs,
 * the beginning of its text is kept, and the count of its rows.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/fingerprint.h"
#include "proto/msg.h"
#include "relay_private.h"

void
relay_set_slow(struct relay *r, usec_t slow_us)
{
	r->a.slow_us = slow_us;
	if (slow_us)
		relay_slow_begin(r);
}

/* Once for each relay there ever is. */
void
relay_slow_new(struct relay *r)
{
	r->slow = xcalloc(1, sizeof(*r->slow));
}

void
relay_slow_keep(struct relay *r, uint8_t type, const uint8_t *body, size_t n)
{
	struct relay_slow *sl = r->slow;
	const uint8_t *text = body, *end;

	if (type == 'P') {
		end = memchr(body, 0, n);
		if (!end)
			return;
		text = end + 1;
		n -= (size_t)(text - body);
	}
	sl->text_n = n < sizeof(sl->text) ? n : sizeof(sl->text);
	memcpy(sl->text, text, sl->text_n);
}

void
relay_slow_count(struct relay *r, const uint8_t *body, size_t n)
{
	uint64_t rows = 0, unit = 1;

	if (n && body[n - 1] == 0)
		n--;
	for (; n && body[n - 1] >= '0' && body[n - 1] <= '9' &&
	    unit < UINT64_C(1000000000000000000); n--, unit *= 10)
		rows += (uint64_t)(body[n - 1] - '0') * unit;
	r->slow->rows += rows;
}

/* What stands behind the first NUL of a Query belongs to nobody. */
static struct span
text_of(const struct relay_slow *sl)
{
	const uint8_t *end = memchr(sl->text, 0, sl->text_n);

	return SPAN(sl->text, end ? (size_t)(end - sl->text) : sl->text_n);
}

uint64_t
relay_slow_fingerprint(const struct relay *r)
{
	if (!r->a.slow_us || !r->slow || !r->slow->text_n)
		return 0;
	return sql_fingerprint(text_of(r->slow));
}

void
relay_slow_tell(struct relay *r, usec_t run_us)
{
	struct relay_slow *sl = r->slow;
	struct slow_query q = {
		.run_us = run_us,
		.wait_us = r->a.wait_us,
		.rows = sl->rows,
		.pid = relay_server_of(r)->pid,
		.sqlstate = sl->sqlstate,
		.fingerprint = sql_fingerprint(text_of(sl)),
	};

	r->a.owner->slow(r->a.arg, &q);
}
