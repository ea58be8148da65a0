/* Secrets: plain, md5 hashes, SCRAM verifiers. */
#include <string.h>

#include "auth_impl.h"

#define MD5_HEX (2 * MD5_LEN)

static bool
is_md5_secret(const char *secret)
{
	return strncmp(secret, "md5", 3) == 0 &&
	    strspn(secret + 3, "0123456789abcdef") == MD5_HEX &&
	    secret[3 + MD5_HEX] == '\0';
}

enum secret_kind
secret_kind(const char *secret)
{
	struct scram_verifier v;

	if (secret == NULL || secret[0] == '\0')
		return SECRET_NONE;
	if (is_md5_secret(secret))
		return SECRET_MD5;
	if (scram_verifier_parse(secret, &v))
		return SECRET_SCRAM;
	return SECRET_PLAIN;
}

/* "md5" + hex of MD5(a b), or "", which matches nothing. */
static bool
md5_text(struct span a, struct span b, char out[36])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t raw[MD5_LEN];
	size_t i;

	out[0] = '\0';
	if (!digest_md5(a, b, raw))
		return false;
	memcpy(out, "md5", 3);
	for (i = 0; i < MD5_LEN; i++) {
		out[3 + 2 * i] = hex[raw[i] >> 4];
		out[4 + 2 * i] = hex[raw[i] & 15];
	}
	out[3 + MD5_HEX] = '\0';
	return true;
}

void
md5_secret(const char *password, const char *user, char out[36])
{
	md5_text(span_of(password), span_of(user), out);
}

bool
auth_md5_response(const char *secret, const uint8_t salt[AUTH_MD5_SALT], char out[36])
{
	return md5_text(SPAN(secret + 3, MD5_HEX), SPAN(salt, AUTH_MD5_SALT), out);
}
