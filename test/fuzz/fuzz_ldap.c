/*
 * Any text as the options of LDAP: options that lead somewhere, or an error;
 * what is searched for has the user's name in it and nothing behind the end.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "policy/ldap_options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup(size > 0 ? (const char *)data : "", size);
	struct arena *a = arena_new();
	struct ldap_options o;
	char *search, *uris;
	struct err e;

	err_clear(&e);
	if (ldap_options_parse(text, a, &o, &e)) {
		assert(o.basedn != NULL || *o.prefix || *o.suffix);
		assert(o.port >= 0 && o.port <= 65535);
		search = ldap_options_search(&o, a, "joe");
		assert(strstr(search, "joe") != NULL);
		uris = ldap_options_uris(&o, a);
		assert(uris == NULL || strncmp(uris, "ldap", 4) == 0);
	} else {
		assert(err_is_set(&e));
	}
	(void)ldap_name_is_plain(text);
	arena_wipe_free(a);
	free(text);
	return 0;
}
