#include "policy/userlist.h"

#include <string.h>

#include "proto/scram.h"

void
userlist_init(struct userlist *u, struct span text)
{
	*u = (struct userlist){ .p = text.p };
	if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		u->p += 3;
	u->end = text.n > 0 ? text.p + text.n : u->p;
}

/* The first byte that is no blank; end if there is none. */
static const uint8_t *
skip_blanks(const uint8_t *p, const uint8_t *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' ||
	    *p == '\f' || *p == '\v'))
		p++;
	return p;
}

/*
 * One word in double quotes at *at. On success *at stands behind it; the
 * string is the arena's.
 */
static const char *
read_quoted(const uint8_t **at, const uint8_t *end, struct arena *a)
{
	const uint8_t *start = *at, *p;
	char *out;
	size_t n = 0;

	if (start == end || *start != '"')
		return NULL;
	for (p = ++start; p < end; p++, n++) {
		if (*p != '"')
			continue;
		if (end - p < 2 || p[1] != '"')
			break;
		p++;
	}
	if (p == end)
		return NULL;
	*at = p + 1;
	out = arena_alloc(a, n + 1);
	for (char *w = out; start < p; start++) {
		*w++ = (char)*start;
		if (*start == '"')
			start++;
	}
	out[n] = '\0';
	return out;
}

/* A client is told one salt, before it is known which secret it has. */
static bool
secrets_agree(const struct userlist_entry *u, struct err *e)
{
	struct scram_verifier now, old;
	bool ok;

	ok = !scram_verifier_parse(u->secret, &now) ||
	    !scram_verifier_parse(u->old_secret, &old) ||
	    scram_verifier_agrees(&now, &old);
	wipe(&now, sizeof(now));
	wipe(&old, sizeof(old));
	if (ok)
		return true;
	err_set(e, "F0000", "the two SCRAM secrets of user \"%s\" have "
	    "different salts or iterations", u->name);
	err_hint(e, "give one of them as plain text, or make the new one with "
	    "the salt of the old one");
	return false;
}

/* The word, blanks, and a quote behind them; else it is the rest of the line
 * that nobody looks at. */
static bool
read_old_secret(const uint8_t *p, const uint8_t *end, struct arena *a,
    struct userlist_entry *out, struct err *e)
{
	p = skip_blanks(p, end);
	if (end - p < 4 || memcmp(p, "old", 3) != 0)
		return true;
	p += 3;
	if (p == skip_blanks(p, end) || (p = skip_blanks(p, end)) == end ||
	    *p != '"')
		return true;
	out->old_secret = read_quoted(&p, end, a);
	if (out->old_secret == NULL)
		return err_set(e, "F0000", "old secret of user \"%s\" has no "
		    "closing quote", out->name);
	if (strlen(out->old_secret) > USERLIST_SECRET_MAX)
		return err_set(e, "F0000", "old secret of user \"%s\" is "
		    "longer than %d bytes", out->name, USERLIST_SECRET_MAX);
	if (out->secret[0] == '\0' || out->old_secret[0] == '\0')
		return err_set(e, "F0000", "one of the two secrets of user "
		    "\"%s\" is empty", out->name);
	return secrets_agree(out, e);
}

static bool
read_line(const uint8_t *p, const uint8_t *end, struct arena *a,
    struct userlist_entry *out, struct err *e)
{
	if (memchr(p, '\0', (size_t)(end - p)) != NULL)
		return err_set(e, "F0000", "NUL byte in the line");
	out->name = read_quoted(&p, end, a);
	if (out->name == NULL) {
		err_set(e, "F0000", "user name is not in double quotes");
		err_hint(e, "a line is: \"user\" \"secret\"; comments "
		    "start with \";\"");
		return false;
	}
	if (out->name[0] == '\0')
		return err_set(e, "F0000", "empty user name");
	if (strlen(out->name) > USERLIST_NAME_MAX)
		return err_set(e, "F0000",
		    "user name is longer than %d bytes", USERLIST_NAME_MAX);
	p = skip_blanks(p, end);
	out->secret = read_quoted(&p, end, a);
	if (out->secret == NULL) {
		err_set(e, "F0000", "secret of user \"%s\" is not in double "
		    "quotes", out->name);
		err_hint(e, "a quote inside is written twice: \"\"");
		return false;
	}
	if (strlen(out->secret) > USERLIST_SECRET_MAX)
		return err_set(e, "F0000", "secret of user \"%s\" is longer "
		    "than %d bytes", out->name, USERLIST_SECRET_MAX);
	return read_old_secret(p, end, a, out, e);
}

enum userlist_kind
userlist_next(struct userlist *u, struct arena *a, struct userlist_entry *out,
    struct err *e)
{
	while (u->p < u->end) {
		const uint8_t *p = u->p;
		const uint8_t *end = memchr(p, '\n', (size_t)(u->end - p));

		if (end == NULL)
			end = u->end;
		u->p = end < u->end ? end + 1 : end;
		u->line++;
		p = skip_blanks(p, end);
		if (p == end || *p == ';')
			continue;
		*out = (struct userlist_entry){ .line = u->line };
		return read_line(p, end, a, out, e) ? USERLIST_ENTRY :
						      USERLIST_BAD;
	}
	return USERLIST_END;
}
