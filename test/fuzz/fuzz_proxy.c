/*
 * Any bytes as a PROXY header: what is decided does not depend on how many of
 * them had come, and never reaches past them.
 */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "proto/proxy.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct proxy_header whole, part;
	struct err e;
	enum proxy_kind kind, some;

	err_clear(&e);
	kind = proxy_decode(SPAN(data, n), &whole, &e);
	assert((kind == PROXY_BAD) == err_is_set(&e));
	if (kind == PROXY_CLIENT || kind == PROXY_LOCAL)
		assert(whole.size <= n && whole.size <= PROXY_MAX);
	if (kind == PROXY_CLIENT)
		assert(whole.ip_len == 4 || whole.ip_len == 16);
	if (kind == PROXY_MORE)
		assert(n < PROXY_MAX);
	for (size_t i = 0; i < n && i < 200; i++) {
		some = proxy_decode(SPAN(data, i), &part, &e);
		assert(some == PROXY_MORE || some == kind);
		if (some != PROXY_MORE)
			assert(part.size == whole.size);
	}
	return 0;
}
