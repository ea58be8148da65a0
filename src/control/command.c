#include "control/command.h"

#include <strings.h>

struct scan {
	const uint8_t *p;
	const uint8_t *end;
	bool too_long;
};

static bool
is_word(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	    (c >= 'a' && c <= 'z') || c == '_';
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void
skip_blanks(struct scan *s)
{
	while (s->p < s->end && is_blank(*s->p))
		s->p++;
}

static bool
at_char(const struct scan *s, uint8_t c)
{
	return s->p < s->end && *s->p == c;
}

/* Nothing but blanks and one semicolon is left. */
static bool
at_end(struct scan *s)
{
	struct scan ahead;

	skip_blanks(s);
	ahead = *s;
	if (at_char(&ahead, ';'))
		ahead.p++;
	skip_blanks(&ahead);
	return ahead.p == ahead.end;
}

/* Takes one byte of a word; what does not fit is only remembered, since
 * "too long" is said for something that is a command otherwise. */
static void
put(struct scan *s, char *out, size_t cap, size_t *n, uint8_t c)
{
	if (*n + 1 >= cap) {
		s->too_long = true;
		return;
	}
	out[(*n)++] = (char)c;
}

/* Behind the opening quote; false when it is never closed. */
static bool
take_quoted(struct scan *s, uint8_t quote, char *out, size_t cap)
{
	size_t n = 0;

	for (s->p++; s->p < s->end; s->p++) {
		if (*s->p == quote) {
			if (s->p + 1 == s->end || s->p[1] != quote) {
				s->p++;
				out[n] = '\0';
				return true;
			}
			s->p++;
		}
		/* A C string cannot hold it; no name has one. */
		if (*s->p == '\0')
			return false;
		put(s, out, cap, &n, *s->p);
	}
	return false;
}

static bool
take_word(struct scan *s, char *out, size_t cap)
{
	size_t n = 0;
	const uint8_t *from = s->p;

	if (at_char(s, '"'))
		return take_quoted(s, '"', out, cap);
	for (; s->p < s->end && is_word(*s->p); s->p++)
		put(s, out, cap, &n, *s->p);
	out[n] = '\0';
	return s->p > from;
}

/* Behind `SET key`. */
static bool
take_value(struct scan *s, struct command *out)
{
	char to[4];

	skip_blanks(s);
	if (at_char(s, '=')) {
		s->p++;
	} else {
		if (at_char(s, '"') || !take_word(s, to, sizeof(to)) ||
		    strcasecmp(to, "to") != 0)
			return false;
	}
	skip_blanks(s);
	out->has_value = true;
	if (at_char(s, '\''))
		return take_quoted(s, '\'', out->value, sizeof(out->value));
	return take_word(s, out->value, sizeof(out->value));
}

static bool
take_timeout(struct scan *s, struct command *out)
{
	skip_blanks(s);
	out->has_timeout = true;
	if (at_char(s, '\''))
		return take_quoted(s, '\'', out->timeout,
		    sizeof(out->timeout));
	return take_word(s, out->timeout, sizeof(out->timeout));
}

static bool
is_timeout(const char *word)
{
	return strcasecmp(word, "timeout") == 0;
}

/* What stands behind the argument, which may itself be the word TIMEOUT: a
 * database of that name is meant only where nothing else follows. */
static bool
take_option(struct scan *s, struct command *out, bool quoted)
{
	struct scan ahead = *s;
	char word[sizeof("timeout")];

	if (!at_char(&ahead, '"') && take_word(&ahead, word, sizeof(word)) &&
	    is_timeout(word) && !at_end(&ahead)) {
		s->p = ahead.p;
		return take_timeout(s, out);
	}
	if (quoted || !is_timeout(out->arg))
		return false;
	out->has_arg = false;
	out->arg[0] = '\0';
	return take_timeout(s, out);
}

static bool
take_command(struct scan *s, struct command *out)
{
	bool quoted;

	skip_blanks(s);
	if (!take_word(s, out->verb, sizeof(out->verb)))
		return false;
	if (at_end(s))
		return strcasecmp(out->verb, "set") != 0;
	/* `SHOWpools` is one word, but `SHOW"pools"` would be two. */
	if (!is_blank(s->p[-1]))
		return false;
	quoted = at_char(s, '"');
	if (!take_word(s, out->arg, sizeof(out->arg)))
		return false;
	out->has_arg = true;
	if (strcasecmp(out->verb, "set") == 0)
		return take_value(s, out) && at_end(s);
	return at_end(s) || (take_option(s, out, quoted) && at_end(s));
}

bool
command_invalid(struct span text, struct err *e)
{
	int n = text.n > 200 ? 200 : (int)text.n;

	return err_set(e, "42601", "invalid command '%.*s', use SHOW HELP;", n,
	    text.n > 0 ? (const char *)text.p : "");
}

bool
command_parse(struct span text, struct command *out, struct err *e)
{
	struct scan s = { .p = text.p, .end = text.p + text.n };

	*out = (struct command){ 0 };
	if (text.n == 0 || !take_command(&s, out))
		return command_invalid(text, e);
	if (s.too_long)
		return err_set(e, "22023", "bad arguments");
	return true;
}
