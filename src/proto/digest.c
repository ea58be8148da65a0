#include <pthread.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "proto/digest.h"

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;
static EVP_MD *md5;

static void
fetch(void)
{
	/* They live as long as the process. */
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	md5 = EVP_MD_fetch(NULL, "MD5", NULL);
}

static bool
hash_two(const EVP_MD *md, struct span a, struct span b, uint8_t *out,
    size_t out_n)
{
	EVP_MD_CTX *ctx;
	bool ok;

	memset(out, 0, out_n);
	if (md == NULL)
		return false;
	ctx = EVP_MD_CTX_new();
	ok = ctx != NULL && EVP_DigestInit_ex(ctx, md, NULL) == 1 &&
	    (a.n == 0 || EVP_DigestUpdate(ctx, a.p, a.n) == 1) &&
	    (b.n == 0 || EVP_DigestUpdate(ctx, b.p, b.n) == 1) &&
	    EVP_DigestFinal_ex(ctx, out, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	if (!ok)
		memset(out, 0, out_n);
	return ok;
}

bool
digest_sha256(struct span in, uint8_t out[SHA256_LEN])
{
	pthread_once(&fetch_once, fetch);
	return hash_two(sha256, in, SPAN(NULL, 0), out, SHA256_LEN);
}

bool
digest_md5(struct span a, struct span b, uint8_t out[MD5_LEN])
{
	pthread_once(&fetch_once, fetch);
	return hash_two(md5, a, b, out, MD5_LEN);
}

/* RFC 2104 by hand: a handful of HMACs per login does not pay for an
 * EVP_MAC context each. */
bool
digest_hmac_sha256(struct span key, struct span in, uint8_t out[SHA256_LEN])
{
	uint8_t pad[64], inner[SHA256_LEN], k[64] = { 0 };
	size_t i;
	bool ok;

	pthread_once(&fetch_once, fetch);
	if (key.n > sizeof(k))
		ok = digest_sha256(key, k);
	else {
		if (key.n > 0)
			memcpy(k, key.p, key.n);
		ok = true;
	}
	for (i = 0; i < sizeof(pad); i++)
		pad[i] = k[i] ^ 0x36;
	ok = hash_two(sha256, SPAN(pad, sizeof(pad)), in, inner,
	    sizeof(inner)) && ok;
	for (i = 0; i < sizeof(pad); i++)
		pad[i] = k[i] ^ 0x5c;
	ok = hash_two(sha256, SPAN(pad, sizeof(pad)),
	    SPAN(inner, sizeof(inner)), out, SHA256_LEN) && ok;
	wipe(k, sizeof(k));
	wipe(pad, sizeof(pad));
	wipe(inner, sizeof(inner));
	if (!ok)
		memset(out, 0, SHA256_LEN);
	return ok;
}

bool
digest_pbkdf2(struct span password, struct span salt, uint32_t iterations,
    uint8_t out[SHA256_LEN])
{
	bool ok;

	pthread_once(&fetch_once, fetch);
	memset(out, 0, SHA256_LEN);
	ok = sha256 != NULL && password.n <= INT32_MAX &&
	    salt.n <= INT32_MAX && iterations >= 1 &&
	    iterations <= INT32_MAX &&
	    PKCS5_PBKDF2_HMAC(password.n > 0 ? (const char *)password.p : "",
	    (int)password.n, salt.p, (int)salt.n, (int)iterations, sha256,
	    SHA256_LEN, out) == 1;
	if (!ok)
		memset(out, 0, SHA256_LEN);
	return ok;
}

bool
digest_same(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}
