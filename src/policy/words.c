#include "policy/words.h"

#include <string.h>

void
lines_init(struct lines *l, struct span text)
{
	*l = (struct lines){ .p = text.p };
	/* A byte order mark, as some editors leave it. */
	if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
		l->p += 3;
	l->end = text.n > 0 ? text.p + text.n : l->p;
}

bool
lines_next(struct lines *l, struct span *line)
{
	const uint8_t *p = l->p, *end;

	if (p == l->end)
		return false;
	end = memchr(p, '\n', (size_t)(l->end - p));
	l->p = end != NULL ? end + 1 : l->end;
	if (end == NULL)
		end = l->end;
	if (end > p && end[-1] == '\r')
		end--;
	l->line++;
	*line = SPAN(p, end - p);
	return true;
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static const uint8_t *
skip_blanks(const uint8_t *p, const uint8_t *end)
{
	while (p < end && is_blank(*p))
		p++;
	return p;
}

void
words_init(struct words *w, struct span line, struct arena *a)
{
	*w = (struct words){ .p = line.p, .arena = a };
	w->end = line.n > 0 ? line.p + line.n : line.p;
}

/* The word at *at, which stands behind it then. */
static enum word_kind
take_word(const uint8_t **at, const uint8_t *end, char *text, struct err *e)
{
	const uint8_t *p = *at;
	bool quoted = false;

	for (; p < end; p++) {
		if (*p == '\0') {
			err_set(e, "F0000", "NUL byte in the line");
			return WORD_BAD;
		}
		if (*p == '"') {
			if (quoted && end - p >= 2 && p[1] == '"')
				*text++ = (char)*p++;
			else
				quoted = !quoted;
		} else if (!quoted &&
		    (is_blank(*p) || *p == ',' || *p == '#')) {
			break;
		} else {
			*text++ = (char)*p;
		}
	}
	*text = '\0';
	*at = p;
	if (!quoted)
		return WORD_TEXT;
	err_set(e, "F0000", "quote without its closing quote");
	return WORD_BAD;
}

enum word_kind
words_peek(const struct words *w)
{
	const uint8_t *p = skip_blanks(w->p, w->end);

	if (p == w->end || *p == '#')
		return WORD_END;
	return *p == ',' ? WORD_COMMA : WORD_TEXT;
}

enum word_kind
words_next(struct words *w, struct word *out, struct err *e)
{
	const uint8_t *p = skip_blanks(w->p, w->end);
	char *text;

	w->p = p;
	*out = (struct word){ .text = "" };
	if (p == w->end || *p == '#') {
		w->p = w->end;
		return WORD_END;
	}
	if (*p == ',') {
		w->p++;
		return WORD_COMMA;
	}
	out->quoted = *p == '"';
	text = arena_alloc(w->arena, (size_t)(w->end - p) + 1);
	out->text = text;
	return take_word(&w->p, w->end, text, e);
}

const char *
words_rest(struct words *w)
{
	const uint8_t *p = skip_blanks(w->p, w->end), *end = p;
	bool quoted = false;

	for (; end < w->end && (quoted || *end != '#'); end++)
		if (*end == '"')
			quoted = !quoted;
	while (end > p && is_blank(end[-1]))
		end--;
	w->p = w->end;
	return arena_strndup(w->arena, (const char *)p, (size_t)(end - p));
}
