/* Lines of the log. */
#include "log_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static const struct {
	const char *word;
	int priority;
} levels[] = {
	[LVL_FATAL] = { "FATAL", LOG_CRIT },
	[LVL_ERROR] = { "ERROR", LOG_ERR },
	[LVL_WARNING] = { "WARNING", LOG_WARNING },
	[LVL_LOG] = { "LOG", LOG_INFO },
	[LVL_DEBUG] = { "DEBUG", LOG_DEBUG },
	[LVL_NOISE] = { "NOISE", LOG_DEBUG },
};

const char *
log_level_word(enum log_level lvl)
{
	return levels[lvl].word;
}

int
log_level_priority(enum log_level lvl)
{
	return levels[lvl].priority;
}

/* ---- text ---- */

/* "YYYY-MM-DD HH:MM:SS.mmm TZ ", the seconds made once each per thread. */
static size_t
put_time(char *at, size_t cap)
{
	static _Thread_local time_t cached = -1;
	static _Thread_local char day[32], zone[16];
	usec_t now = clock_wall_us();
	time_t sec = (time_t)(now / USEC_PER_SEC);
	int n;

	if (sec != cached) {
		struct tm tm;

		localtime_r(&sec, &tm);
		strftime(day, sizeof(day), "%Y-%m-%d %H:%M:%S", &tm);
		strftime(zone, sizeof(zone), "%Z", &tm);
		cached = sec;
	}
	n = snprintf(at, cap, "%s.%03d %s ", day,
	    (int)(now % USEC_PER_SEC / USEC_PER_MSEC), zone);
	return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

/*
 * Copies text so that one event stays one line: newlines become newline+tab,
 * and other control characters, which strangers could send to fool whoever
 * reads the log on a terminal, a question mark.
 */
static size_t
put_text(char *at, size_t cap, const char *text)
{
	size_t n = 0;

	for (; *text != '\0' && n + 2 < cap; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '\n') {
			if (text[1] == '\0')
				break;
			at[n++] = '\n';
			at[n++] = '\t';
		} else
			at[n++] = (c < 0x20 && c != '\t') || c == 0x7f ? '?' :
			    (char)c;
	}
	return n;
}

void
log_line_text(char *at, struct log_line *l, enum log_level lvl,
    const char *text)
{
	size_t n = put_time(at, LOG_LINE_MAX);

	n += (size_t)snprintf(at + n, LOG_LINE_MAX - n, "[%d] %s ",
	    (int)getpid(), levels[lvl].word);
	l->level = (uint8_t)lvl;
	l->text_at = (uint16_t)n;
	n += put_text(at + n, LOG_LINE_MAX - n - 1, text);
	at[n++] = '\n';
	l->n = (uint32_t)n;
}

/* ---- JSON ---- */

/* Bytes of the UTF-8 character at s (RFC 3629), or 0 if it is none. */
static size_t
utf8_size(const unsigned char *s)
{
	size_t n, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	for (i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

struct json {
	char *at;
	size_t n, cap;
	bool full;
};

static void
put(struct json *j, const char *s, size_t n)
{
	if (j->full || n > j->cap - j->n) {
		j->full = true;
		return;
	}
	memcpy(j->at + j->n, s, n);
	j->n += n;
}

static void
put_str(struct json *j, const char *s)
{
	put(j, s, strlen(s));
}

/* One character; returns how many bytes of s that was. */
static size_t
put_escaped(struct json *j, const unsigned char *s)
{
	size_t n = utf8_size(s);
	char text[8];

	if (n == 0) {
		put_str(j, "\\ufffd");
		return 1;
	}
	if (*s == '"' || *s == '\\') {
		text[0] = '\\';
		text[1] = (char)*s;
		put(j, text, 2);
	} else if (*s == '\n') {
		put_str(j, "\\n");
	} else if (*s < 0x20 || *s == 0x7f) {
		snprintf(text, sizeof(text), "\\u%04x", *s);
		put(j, text, 6);
	} else {
		put(j, (const char *)s, n);
	}
	return n;
}

/* Cut where there is no more room, but always a whole string. */
static void
put_string(struct json *j, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	put_str(j, "\"");
	while (*s != '\0' && !j->full)
		s += put_escaped(j, s);
}

static void
put_field(struct json *j, const struct log_field *f)
{
	size_t before = j->n;
	char text[32];

	put_str(j, ",");
	put_string(j, f->key);
	put_str(j, "\":");
	if (f->text != NULL) {
		put_string(j, f->text);
		put_str(j, "\"");
	} else {
		snprintf(text, sizeof(text), "%" PRId64, f->number);
		put_str(j, text);
	}
	if (j->full) {
		j->n = before;
		j->full = false;
	}
}

static void
put_head(struct json *j, enum log_level lvl)
{
	usec_t now = clock_wall_us();
	time_t sec = (time_t)(now / USEC_PER_SEC);
	char day[32], head[128];
	struct tm tm;

	gmtime_r(&sec, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(head, sizeof(head), "{\"time\":\"%s.%03dZ\",\"pid\":%d,"
	    "\"level\":\"%s\",\"message\":", day,
	    (int)(now % USEC_PER_SEC / USEC_PER_MSEC), (int)getpid(),
	    levels[lvl].word);
	put_str(j, head);
}

void
log_line_json(char *at, struct log_line *l, enum log_level lvl,
    const char *text, const struct log_field *fields, size_t n_fields)
{
	/* The ends of string, object and line always fit. */
	struct json j = { .at = at, .cap = LOG_LINE_MAX - 8 };
	size_t i;

	put_head(&j, lvl);
	put_string(&j, text);
	j.full = false;
	j.cap += 1;
	put_str(&j, "\"");
	for (i = 0; i < n_fields; i++)
		put_field(&j, &fields[i]);
	j.cap = LOG_LINE_MAX;
	put_str(&j, "}\n");
	l->n = (uint32_t)j.n;
	l->text_at = 0;
	l->level = (uint8_t)lvl;
}
