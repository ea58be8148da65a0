/*
 * Logins of both sides and stored secrets. The first byte says who listens;
 * the rest is split at each 0xff into messages (SCRAM is ASCII).
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "proto/auth.h"
#include "proto/base64.h"

static struct span
next_message(struct span *rest)
{
	const uint8_t *end = rest->n > 0 ? memchr(rest->p, 0xff, rest->n) :
	    NULL;
	struct span m = *rest;

	if (end == NULL) {
		*rest = SPAN(NULL, 0);
		return m;
	}
	m.n = (size_t)(end - rest->p);
	*rest = SPAN(end + 1, rest->n - m.n - 1);
	return m;
}

static void
as_server(enum auth_method method, const char *secret, struct span end_point,
    struct span rest)
{
	struct auth_server_args a = { .method = method, .user = "joe",
		.secret = secret, .scram_iterations = 1,
		.end_point = end_point };
	struct auth_server *s = auth_server_new(&a);
	struct buf out = { 0 };
	struct err e;
	enum step step = auth_server_step(s, NULL, &out, &e);

	while (step == STEP_MORE && rest.n > 0) {
		struct span m = next_message(&rest);

		step = auth_server_step(s, &m, &out, &e);
	}
	/* Nobody guesses a proof. */
	if (method == AUTH_SCRAM)
		assert(step != STEP_DONE);
	buf_free(&out);
	auth_server_free(s);
}

/* "%N" in what the server says stands for our nonce. */
static void
put_with_nonce(struct buf *to, struct span m, struct span nonce)
{
	size_t i;

	for (i = 0; i < m.n; i++) {
		if (m.p[i] == '%' && i + 1 < m.n && m.p[i + 1] == 'N') {
			buf_append(to, nonce.p, nonce.n);
			i++;
		} else
			buf_append(to, m.p + i, 1);
	}
}

static void
as_scram_client(struct span rest)
{
	struct scram_client *c = scram_client_new("pencil", NULL);
	struct buf first = { 0 }, in = { 0 }, out = { 0 };
	enum step step = STEP_MORE;
	struct err e;

	scram_client_first(c, &first);
	while (step == STEP_MORE && rest.n > 0) {
		struct span m = next_message(&rest);
		const char *count = NULL;

		buf_reset(&in);
		put_with_nonce(&in, m, SPAN(buf_head(&first) + 8,
		    buf_len(&first) - 8));
		/* Large counts are legal, and too slow for a fuzzer. */
		buf_append(&in, "", 1);
		count = strstr((const char *)in.data, "i=");
		in.end--;
		if (count != NULL && strlen(count) > 5)
			break;
		step = scram_client_step(c, buf_span(&in), &out, &e);
		assert(step != STEP_DONE);
	}
	buf_free(&first);
	buf_free(&in);
	buf_free(&out);
	scram_client_free(c);
}

static void
as_client(const char *secret, struct span end_point, struct span rest)
{
	struct auth_client_args a = { .user = "joe", .secret = secret,
		.end_point = end_point };
	struct auth_client *c = auth_client_new(&a);
	struct buf out = { 0 };
	enum step step = STEP_MORE;
	struct err e;

	while (step == STEP_MORE && rest.n > 0)
		step = auth_client_step(c, next_message(&rest), &out, &e);
	buf_free(&out);
	auth_client_free(c);
}

static void
as_secret(struct span text)
{
	char *secret = xstrndup((const char *)text.p, text.n);
	struct scram_verifier v;
	struct buf raw = { 0 }, again = { 0 };

	if (scram_verifier_parse(secret, &v))
		assert(v.salt_n >= 1 && v.salt_n <= sizeof(v.salt) &&
		    v.iterations >= 1);
	if (base64_decode(&raw, text)) {
		base64_encode(&again, buf_head(&raw), buf_len(&raw));
		assert(span_eq(buf_span(&again), text));
	}
	buf_free(&raw);
	buf_free(&again);
	free(secret);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span rest, none = SPAN(NULL, 0), hash = SPAN_LIT("hash");

	if (n < 2)
		return 0;
	rest = SPAN(data + 1, n - 1);
	/* The newer ones are capitals, so that old corpora mean what they
	 * did. */
	switch (data[0]) {
	case 'S': as_server(AUTH_SCRAM, "pencil", hash, rest); return 0;
	case 'C': as_client("pencil", hash, rest); return 0;
	}
	switch (data[0] % 8) {
	case 0: as_server(AUTH_SCRAM, "pencil", none, rest); break;
	case 1: as_server(AUTH_SCRAM, NULL, none, rest); break;
	case 2: as_server(AUTH_MD5, "pencil", none, rest); break;
	case 3: as_server(AUTH_PLAIN, "pencil", none, rest); break;
	case 4: as_scram_client(rest); break;
	case 5: as_client("pencil", none, rest); break;
	case 6: as_client(NULL, none, rest); break;
	case 7: as_secret(rest); break;
	}
	return 0;
}
