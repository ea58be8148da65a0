/*
 * Messages in both directions in any order: a byte below 128 is sent by the
 * client, or by us behind a 0; one above comes from the server.
 */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "proto/pipeline.h"

static void
check(const struct pipeline *p)
{
	assert(p->owed <= p->count && p->count <= p->cap);
	assert((p->ring == NULL) == (p->cap == PIPELINE_INLINE));
	assert(p->head < p->cap);
	if (p->count == 0)
		assert(p->ring == NULL && !p->in_doubt && !p->failed);
	if (pipeline_is_idle(p))
		assert(pipeline_is_settled(p) && p->status == 'I');
	if (pipeline_is_settled(p))
		assert(p->count == 0 && !p->copy_in &&
		    !pipeline_is_doubtful(p) && !pipeline_own_turn(p));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t status[] = { 'I', 'T', 'E', 'I' };
	struct pipeline p;
	size_t i;

	pipeline_init(&p);
	for (i = 0; i < n; i++) {
		uint8_t c = data[i] & 0x7f;

		if (data[i] >= 0x80) {
			if (pipeline_got(&p, c, status[i % 4]) == PIPE_BAD)
				break;
		} else if (c == 0 && i + 1 < n) {
			pipeline_own_sent(&p, data[++i] & 0x7f);
		} else
			pipeline_sent(&p, c);
		check(&p);
	}
	pipeline_fini(&p);
	return 0;
}
