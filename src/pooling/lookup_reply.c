/* The answer to an auth_query. */
#include "pooling/lookup_reply.h"

#include <stdlib.h>
#include <string.h>

#include "policy/userlist.h"
#include "proto/msg.h"
#include "proto/wire.h"

void
lookup_reply_fini(struct lookup_reply *r)
{
	free(r->name);
	wipe_free(r->secret);
	wipe_free(r->old_secret);
	memset(r, 0, sizeof(*r));
}

/* NULL for NULL. */
static char *
take_value(struct reader *r)
{
	int32_t n = reader_i32(r);
	struct span v;

	if (n < 0) {
		r->bad = r->bad || n != -1;
		return NULL;
	}
	v = reader_bytes(r, (size_t)n);
	if (r->bad || (n > 0 && memchr(v.p, '\0', v.n) != NULL)) {
		r->bad = true;
		return NULL;
	}
	return xstrndup(v.n > 0 ? (const char *)v.p : "", v.n);
}

static void
take_row(struct lookup_reply *lr, struct span body)
{
	struct reader r;
	int n;

	if (lr->rows++ > 0)
		return;
	reader_init(&r, body);
	n = reader_u16(&r);
	if (n != lr->columns || n < 2 || n > 3) {
		lr->bad_row = true;
		return;
	}
	lr->name = take_value(&r);
	lr->secret = take_value(&r);
	lr->old_secret = n == 3 ? take_value(&r) : NULL;
	lr->bad_row = !reader_done(&r);
}

static void
take_error(struct lookup_reply *lr, struct span body)
{
	struct notice_fields f;

	if (lr->failed)
		return;
	lr->failed = true;
	if (!msg_notice(body, &f)) {
		err_set(&lr->err, "XX000", "auth_query: error without a text");
		return;
	}
	err_set(&lr->err, f.sqlstate ? f.sqlstate : "XX000",
	    "auth_query failed: %s", f.message ? f.message : "");
	if (f.detail)
		err_detail(&lr->err, "%s", f.detail);
}

void
lookup_reply_message(struct lookup_reply *lr, uint8_t type, struct span body)
{
	struct reader r;

	switch (type) {
	case 'T':
		reader_init(&r, body);
		lr->columns = reader_u16(&r);
		lr->described = true;
		break;
	case 'D':
		take_row(lr, body);
		break;
	case 'E':
		take_error(lr, body);
		break;
	default:
		break; /* the pipeline has judged it */
	}
}

static bool
is_too_long(const char *secret)
{
	return secret != NULL && strlen(secret) > USERLIST_SECRET_MAX;
}

/* Why the one row is not to be believed; NULL if it is. */
static const char *
row_trouble(const struct lookup_reply *lr, const char *user)
{
	if (lr->rows > 1)
		return "auth_query gave more than one row";
	if (lr->bad_row)
		return "auth_query gave a malformed row";
	if (lr->name == NULL)
		return "auth_query gave NULL for the user name";
	if (strcmp(lr->name, user) != 0)
		return "auth_query gave another user's name";
	if (is_too_long(lr->secret) || is_too_long(lr->old_secret))
		return "auth_query gave a secret that is too long";
	return NULL;
}

void
lookup_reply_result(const struct lookup_reply *lr, const char *user,
    struct lookup_result *out)
{
	const char *trouble;

	memset(out, 0, sizeof(*out));
	out->verdict = LOOKUP_FAILED;
	if (lr->failed) {
		/* Class 22, data exception: it is the name's doing. */
		if (strncmp(lr->err.sqlstate, "22", 2) == 0)
			out->verdict = LOOKUP_NONE;
		out->err = lr->err;
		return;
	}
	if (!lr->described || lr->columns < 2 || lr->columns > 3) {
		err_set(&out->err, "42601", "auth_query gave %d columns",
		    lr->described ? lr->columns : 0);
		err_hint(&out->err, "it has to give user and secret, and may "
		    "give a second secret that is valid too");
		return;
	}
	out->verdict = LOOKUP_NONE;
	if (lr->rows == 0)
		return;
	trouble = row_trouble(lr, user);
	if (trouble != NULL) {
		err_set(&out->err, "28000", "%s", trouble);
		return;
	}
	out->verdict = LOOKUP_FOUND;
	out->secret = lr->secret != NULL ? lr->secret : "";
	out->old_secret = lr->old_secret != NULL && lr->old_secret[0] != '\0' ?
	    lr->old_secret : NULL;
}
