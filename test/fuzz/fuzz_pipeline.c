/*
 * Messages in both directions in any order: a byte below 128 is sent by the
 * client, or by us behind a 0, or in one of the ways of prepared statements
 * behind a 1 to 6; one above comes from the server.
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

static uint32_t tracked;

static void
statement(struct pipeline *p, uint8_t how, uint8_t what)
{
	uint8_t type = what & 1 ? 'P' : 'C';

	switch (how) {
	case 1:
		tracked += pipeline_tracked_sent(p, type, what & 2);
		break;
	case 2:
		tracked += pipeline_fake_sent(p, type);
		break;
	case 3:
		tracked += pipeline_refused_sent(p, what & 1 ? 'P' : 'Q');
		break;
	case 4:
		pipeline_unnamed_sent(p, what & 1);
		break;
	case 5:
		pipeline_abandon(p);
		break;
	case 6:
		pipeline_take_fake(p);
		break;
	}
}

/* All that is tracked ends, and none ends twice. */
static void
take_news(struct pipeline *p, uint32_t *ended)
{
	while (pipeline_take_fake(p) != 0)
		;
	*ended += p->lost + p->done;
	p->lost = p->done = 0;
	assert(*ended <= tracked);
	if (p->count == 0)
		assert(*ended == tracked);
}

/* What passes at a glance does what it would do otherwise. */
static enum pipe_verdict
got(struct pipeline *p, uint8_t type, uint8_t status)
{
	struct pipeline at_a_glance = *p;
	bool passes = type == 'Z' ? pipeline_ready(&at_a_glance, status) :
				    pipeline_pass(&at_a_glance, type);
	enum pipe_verdict v = pipeline_got(p, type, status);

	if (passes) {
		assert(v == PIPE_FORWARD);
		assert(p->head == at_a_glance.head &&
		    p->count == at_a_glance.count &&
		    p->owed == at_a_glance.owed &&
		    p->open == at_a_glance.open &&
		    p->news == at_a_glance.news &&
		    p->copy_in == at_a_glance.copy_in &&
		    p->ring == at_a_glance.ring &&
		    p->status == at_a_glance.status &&
		    p->doubt == at_a_glance.doubt &&
		    p->abandoned == at_a_glance.abandoned);
	}
	return v;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t status[] = { 'I', 'T', 'E', 'I' };
	struct pipeline p;
	uint32_t ops = 0;
	size_t i;

	tracked = 0;
	pipeline_init(&p);
	for (i = 0; i < n; i++) {
		uint8_t c = data[i] & 0x7f;

		if (data[i] >= 0x80) {
			if (got(&p, c, status[i % 4]) == PIPE_BAD)
				break;
		} else if (c == 0 && i + 1 < n) {
			pipeline_own_sent(&p, data[++i] & 0x7f);
		} else if (c <= 6 && i + 1 < n)
			statement(&p, c, data[++i]);
		else
			pipeline_sent(&p, c);
		take_news(&p, &ops);
		check(&p);
	}
	pipeline_fini(&p);
	return 0;
}
