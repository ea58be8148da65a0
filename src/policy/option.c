#include "policy/option.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longer texts of numbers and words are not worth a look. */
#define SHORT_MAX 64

static void *
field(const struct option *o, void *base)
{
	return (char *)base + o->offset;
}

static const void *
cfield(const struct option *o, const void *base)
{
	return (const char *)base + o->offset;
}

static int
get_int(const struct option *o, const void *base)
{
	int v;

	memcpy(&v, cfield(o, base), sizeof(v));
	return v;
}

static void
set_int(const struct option *o, void *base, int v)
{
	memcpy(field(o, base), &v, sizeof(v));
}

static int64_t
get_time(const struct option *o, const void *base)
{
	int64_t v;

	memcpy(&v, cfield(o, base), sizeof(v));
	return v;
}

static const char *
get_text(const struct option *o, const void *base)
{
	const char *v;

	memcpy(&v, cfield(o, base), sizeof(v));
	return v;
}

static void
set_text(const struct option *o, void *base, const char *v)
{
	memcpy(field(o, base), &v, sizeof(v));
}

/* `"port" must be ..., not "abc"`; a secret is never quoted. */
static bool
refuse(const struct option *o, struct span text, struct err *e,
    const char *what)
{
	if (o->flags & OPT_SECRET)
		return err_set(e, "22023", "bad value for \"%s\": %s", o->name,
		    what);
	return err_set(e, "22023", "bad value \"%.*s\" for \"%s\": %s",
	    (int)(text.n < 80 ? text.n : 80),
	    text.n > 0 ? (const char *)text.p : "", o->name, what);
}

static bool
out_of_range(const struct option *o, struct span text, struct err *e)
{
	char what[80];

	snprintf(what, sizeof(what), "out of range %" PRId64 " .. %" PRId64,
	    o->min, o->max);
	return refuse(o, text, e, what);
}

static bool
parse_bool(const struct option *o, struct span text, void *base,
    struct err *e)
{
	static const char *const yes[] = { "1", "on", "yes", "true" };
	static const char *const no[] = { "0", "off", "no", "false" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (!span_is_nocase(text, yes[i]) &&
		    !span_is_nocase(text, no[i]))
			continue;
		*(bool *)field(o, base) = span_is_nocase(text, yes[i]);
		return true;
	}
	return refuse(o, text, e, "expected 1 or 0");
}

static bool
parse_int(const struct option *o, struct span text, void *base, struct err *e)
{
	char s[SHORT_MAX], *end;
	long long v;

	if (o->type == OPT_AUTO && span_is_nocase(text, "auto")) {
		set_int(o, base, OPTION_AUTO);
		return true;
	}
	/* strtoll() would skip blanks and take a plus sign. */
	if (text.n == 0 || text.n >= sizeof(s) ||
	    !(text.p[0] == '-' || (text.p[0] >= '0' && text.p[0] <= '9')))
		return refuse(o, text, e, o->type == OPT_AUTO ?
		    "expected a number or \"auto\"" : "expected a number");
	memcpy(s, text.p, text.n);
	s[text.n] = '\0';
	errno = 0;
	v = strtoll(s, &end, 0);
	if (*end != '\0' || end == s)
		return refuse(o, text, e, "not a number");
	if (errno == ERANGE || v < o->min || v > o->max)
		return out_of_range(o, text, e);
	set_int(o, base, (int)v);
	return true;
}

/* Decimal digits with a fraction, scaled; digits past the last that counts
 * are cut. -1 if it is no such number, INT64_MAX if it is too big. */
static int64_t
parse_decimal(struct span text, int64_t scale)
{
	int64_t v = 0;
	size_t i = 0, digits = 0;

	for (; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++) {
		if (v > INT64_C(10000000000))
			return INT64_MAX;
		v = v * 10 + (text.p[i] - '0');
		digits++;
	}
	v *= scale;
	if (i < text.n && text.p[i] == '.') {
		i++;
		for (; i < text.n && text.p[i] >= '0' && text.p[i] <= '9';
		    i++) {
			scale /= 10;
			v += scale * (text.p[i] - '0');
			digits++;
		}
	}
	return i == text.n && digits > 0 ? v : -1;
}

static bool
parse_time(const struct option *o, struct span text, void *base,
    struct err *e)
{
	int64_t scale = o->type == OPT_TIME ? USEC_PER_SEC : USEC_PER_MSEC;
	int64_t v = parse_decimal(text, scale);

	if (v < 0) {
		refuse(o, text, e, o->type == OPT_TIME ?
		    "expected a number of seconds" :
		    "expected a number of milliseconds");
		err_hint(e, "a plain number, without a unit, such as %s",
		    o->type == OPT_TIME ? "90 or 0.5" : "10 or 0.5");
		return false;
	}
	if (v < o->min * scale || v > o->max * scale)
		return out_of_range(o, text, e);
	memcpy(field(o, base), &v, sizeof(v));
	return true;
}

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* How many single letters must be put in, taken out or changed to make b of
 * a; without case. Both at most SHORT_MAX long. */
static size_t
edits(struct span a, struct span b)
{
	size_t row[SHORT_MAX + 1];

	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t above = row[j];
			size_t best = diagonal +
			    (lower(a.p[i - 1]) != lower(b.p[j - 1]));

			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			diagonal = above;
		}
	}
	return row[b.n];
}

/* Is `candidate` nearer to text than *best? Takes it then. */
static void
nearer(struct span text, const char *candidate, const char **nearest,
    size_t *best)
{
	struct span c = span_of(candidate);
	size_t d;

	if (text.n > SHORT_MAX || c.n > SHORT_MAX)
		return;
	d = edits(text, c);
	if (d < *best) {
		*best = d;
		*nearest = candidate;
	}
}

static bool
parse_enum(const struct option *o, struct span text, void *base,
    struct err *e)
{
	const char *nearest = NULL;
	size_t best = text.n / 3 + 2;

	for (const struct option_word *w = o->words; w->name != NULL; w++) {
		if (!span_is_nocase(text, w->name)) {
			nearer(text, w->name, &nearest, &best);
			continue;
		}
		if (w->later)
			return err_set(e, "0A000", "%s \"%s\" is not supported "
			    "by this version yet", o->name, w->name);
		set_int(o, base, w->value);
		return true;
	}
	err_set(e, "22023", "unknown %s \"%.*s\"", o->name,
	    (int)(text.n < 80 ? text.n : 80),
	    text.n > 0 ? (const char *)text.p : "");
	if (nearest != NULL) {
		err_hint(e, "did you mean \"%s\"?", nearest);
	} else {
		struct buf list = { 0 };

		option_describe(o, &list);
		err_hint(e, "one of: %.*s", (int)buf_len(&list),
		    (const char *)buf_head(&list));
		buf_free(&list);
	}
	return false;
}

static bool
parse_text(const struct option *o, struct span text, struct arena *a,
    void *base, struct err *e)
{
	if (text.n == 0 && (o->flags & OPT_NONEMPTY))
		return refuse(o, text, e, "must not be empty");
	/* From SET or the environment; no line of a file can hold these, and
	 * a printed line must not. */
	if (text.n > 0 && (memchr(text.p, '\0', text.n) != NULL ||
	    memchr(text.p, '\n', text.n) != NULL))
		return refuse(o, text, e, "line end or NUL byte in it");
	set_text(o, base, text.n == 0 ? "" :
	    arena_strndup(a, (const char *)text.p, text.n));
	return true;
}

bool
option_parse(const struct option *o, struct span text, struct arena *a,
    void *base, struct err *e)
{
	switch (o->type) {
	case OPT_BOOL:
		return parse_bool(o, text, base, e);
	case OPT_INT:
	case OPT_OCTAL:
	case OPT_AUTO:
		return parse_int(o, text, base, e);
	case OPT_TIME:
	case OPT_MSEC:
		return parse_time(o, text, base, e);
	case OPT_ENUM:
		return parse_enum(o, text, base, e);
	case OPT_TEXT:
	case OPT_PATH:
	case OPT_LIST:
		return parse_text(o, text, a, base, e);
	}
	return false;
}

void
option_unset(const struct option *o, void *base)
{
	int64_t unset = OPTION_UNSET;

	switch (o->type) {
	case OPT_BOOL:
		*(bool *)field(o, base) = false;
		break;
	case OPT_INT:
	case OPT_OCTAL:
	case OPT_AUTO:
	case OPT_ENUM:
		set_int(o, base, OPTION_UNSET);
		break;
	case OPT_TIME:
	case OPT_MSEC:
		memcpy(field(o, base), &unset, sizeof(unset));
		break;
	case OPT_TEXT:
	case OPT_PATH:
	case OPT_LIST:
		set_text(o, base, (o->flags & OPT_NULL) ? NULL : "");
		break;
	}
}

bool
option_is_set(const struct option *o, const void *base)
{
	switch (o->type) {
	case OPT_BOOL:
		return true;
	case OPT_INT:
	case OPT_OCTAL:
	case OPT_AUTO:
	case OPT_ENUM:
		return get_int(o, base) != OPTION_UNSET;
	case OPT_TIME:
	case OPT_MSEC:
		return get_time(o, base) != OPTION_UNSET;
	case OPT_TEXT:
	case OPT_PATH:
	case OPT_LIST:
		return get_text(o, base) != NULL &&
		    ((o->flags & OPT_NULL) || get_text(o, base)[0] != '\0');
	}
	return false;
}

static void
format_time(int64_t v, int64_t scale, struct buf *out)
{
	char s[48];
	int digits = scale == USEC_PER_SEC ? 6 : 3;
	size_t n;

	n = (size_t)snprintf(s, sizeof(s), "%" PRId64 ".%0*" PRId64, v / scale,
	    digits, v % scale);
	while (s[n - 1] == '0')
		n--;
	if (s[n - 1] == '.')
		n--;
	buf_append(out, s, n);
}

void
option_format(const struct option *o, const void *base, struct buf *out)
{
	if (!option_is_set(o, base))
		return;
	switch (o->type) {
	case OPT_BOOL:
		buf_printf(out, "%d", *(const bool *)cfield(o, base));
		break;
	case OPT_INT:
	case OPT_OCTAL:
	case OPT_AUTO:
		if (o->type == OPT_AUTO && get_int(o, base) == OPTION_AUTO)
			buf_append(out, "auto", 4);
		else
			buf_printf(out, "%d", get_int(o, base));
		break;
	case OPT_TIME:
		format_time(get_time(o, base), USEC_PER_SEC, out);
		break;
	case OPT_MSEC:
		format_time(get_time(o, base), USEC_PER_MSEC, out);
		break;
	case OPT_ENUM:
		buf_printf(out, "%s", option_word(o->words, get_int(o, base)));
		break;
	case OPT_TEXT:
	case OPT_PATH:
	case OPT_LIST:
		buf_append(out, get_text(o, base), strlen(get_text(o, base)));
		break;
	}
}

bool
option_same(const struct option *o, const void *a, const void *b)
{
	struct buf x = { 0 }, y = { 0 };
	bool same;

	option_format(o, a, &x);
	option_format(o, b, &y);
	same = option_is_set(o, a) == option_is_set(o, b) &&
	    span_eq(buf_span(&x), buf_span(&y));
	buf_wipe_free(&x);
	buf_wipe_free(&y);
	return same;
}

void
option_copy(const struct option *o, void *to, const void *from,
    struct arena *a)
{
	switch (o->type) {
	case OPT_BOOL:
		*(bool *)field(o, to) = *(const bool *)cfield(o, from);
		break;
	case OPT_INT:
	case OPT_OCTAL:
	case OPT_AUTO:
	case OPT_ENUM:
		set_int(o, to, get_int(o, from));
		break;
	case OPT_TIME:
	case OPT_MSEC:
		memcpy(field(o, to), cfield(o, from), sizeof(int64_t));
		break;
	case OPT_TEXT:
	case OPT_PATH:
	case OPT_LIST:
		set_text(o, to, get_text(o, from) == NULL ? NULL :
		    arena_strdup(a, get_text(o, from)));
		break;
	}
}

const struct option *
option_find(const struct option *rows, size_t n, struct span name)
{
	for (size_t i = 0; i < n; i++)
		if (span_is(name, rows[i].name))
			return &rows[i];
	return NULL;
}

const char *
option_nearest(const struct option *rows, size_t n, struct span name)
{
	const char *nearest = NULL;
	size_t best = name.n / 3 + 2;

	for (size_t i = 0; i < n; i++)
		nearer(name, rows[i].name, &nearest, &best);
	return nearest;
}

const char *
option_word(const struct option_word *words, int value)
{
	for (; words->name != NULL; words++)
		if (words->value == value)
			return words->name;
	return "";
}

static void
describe_words(const struct option_word *words, struct buf *out)
{
	for (const struct option_word *w = words; w->name != NULL; w++) {
		if (w->later)
			continue;
		buf_printf(out, "%s%s", buf_len(out) > 0 ? " | " : "",
		    w->name);
	}
}

void
option_describe(const struct option *o, struct buf *out)
{
	switch (o->type) {
	case OPT_BOOL:
		buf_printf(out, "0 | 1");
		break;
	case OPT_INT:
		buf_printf(out, "%s", o->unit != NULL ? o->unit : "number");
		break;
	case OPT_OCTAL:
		buf_printf(out, "octal number");
		break;
	case OPT_AUTO:
		buf_printf(out, "number | auto");
		break;
	case OPT_TIME:
		buf_printf(out, "seconds");
		break;
	case OPT_MSEC:
		buf_printf(out, "milliseconds");
		break;
	case OPT_ENUM:
		describe_words(o->words, out);
		break;
	case OPT_TEXT:
		buf_printf(out, "text");
		break;
	case OPT_PATH:
		buf_printf(out, "path");
		break;
	case OPT_LIST:
		buf_printf(out, "list");
		break;
	}
}
