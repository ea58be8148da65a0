/* The first bytes of a connection, and all that is read from them. */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "proto/msg.h"

static void
walk_options(const char *options)
{
	struct buf item = { 0 };
	const char *name, *value;
	size_t at = 0;

	while (options_next(options, &at, &item, &name, &value) == PARAM_ONE)
		assert(name[0] != '\0' && strlen(name) + strlen(value) <
		    buf_len(&item));
	assert(at <= strlen(options));
	buf_free(&item);
}

static void
walk_params(struct span params)
{
	struct startup_param p;
	size_t at = 0, before = 0;

	while (startup_next(params, &at, &p) == PARAM_ONE) {
		assert(at > before && at <= params.n);
		before = at;
		if (strcmp(p.name, "options") == 0)
			walk_options(p.value);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct startup s, again;

	startup_decode(SPAN(data, n), &s);
	walk_params(SPAN(data, n));
	if (s.kind == STARTUP_V3) {
		assert(s.size <= n && s.size <= STARTUP_MAX);
		walk_params(s.params);
	}
	if (s.kind == STARTUP_CANCEL)
		assert(s.key.n >= 8 && s.key.n <= 260);
	/* With fewer bytes nothing else comes out, only MORE. */
	if (n > 0) {
		startup_decode(SPAN(data, n - 1), &again);
		assert(again.kind == s.kind || again.kind == STARTUP_MORE);
	}
	return 0;
}
