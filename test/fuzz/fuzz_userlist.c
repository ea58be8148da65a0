/*
 * Any bytes as auth_file: entries within their bounds, or errors that do not
 * show a secret's line.
 */
#include <assert.h>
#include <string.h>

#include "policy/userlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct userlist u;
	struct userlist_entry x;
	enum userlist_kind kind;
	struct err e;
	int line = 0;

	userlist_init(&u, SPAN(data, size));
	err_clear(&e);
	while ((kind = userlist_next(&u, a, &x, &e)) != USERLIST_END) {
		assert(u.line > line);
		line = u.line;
		if (kind == USERLIST_BAD) {
			assert(err_is_set(&e));
			continue;
		}
		assert(x.line == line);
		assert(strlen(x.name) >= 1);
		assert(strlen(x.name) <= USERLIST_NAME_MAX);
		assert(strlen(x.secret) <= USERLIST_SECRET_MAX);
	}
	arena_wipe_free(a);
	return 0;
}
