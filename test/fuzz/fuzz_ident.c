/*
 * Any bytes as auth_ident_file, and any names through its maps. Lines whose
 * regular expression repeats a repetition are left out: they are the
 * operator's own, and the C library takes all the memory there is for some.
 */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "policy/ident.h"

static void
note(void *arg, struct err *e)
{
	assert(err_is_set(e) && strcmp(e->file, "ident") == 0 && e->line > 0);
	++*(int *)arg;
}

static bool
is_costly(const uint8_t *data, size_t n)
{
	size_t signs = 0;

	for (size_t i = 0; i < n; i++)
		signs += strchr("{*+?(|", data[i]) != NULL && data[i] != '\0';
	return n > 512 || signs > 12 || (n > 0 && memchr(data, '{', n));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const names[] = { "", "a", "joe@x", "\\1", "all",
		"root", "aaaaaaaaaaaaaaaaaaaaaaaa" };
	const struct ident_map *m;
	struct ident *i;
	int errors = 0;

	if (is_costly(data, n))
		return 0;
	i = ident_read("ident", SPAN(data, n), note, &errors);
	assert((i == NULL) == (errors > 0));
	m = ident_find(i, "m");
	for (size_t s = 0; m != NULL && s < ARRAY_LEN(names); s++)
		for (size_t u = 0; u < ARRAY_LEN(names); u++) {
			int line = 0;

			if (ident_allows(m, names[s], names[u], &line))
				assert(line > 0 && names[s][0] && names[u][0]);
		}
	ident_free(i);
	return 0;
}
