#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

void
err_clear(struct err *e)
{
	if (e == NULL)
		return;
	e->sqlstate[0] = e->msg[0] = e->detail[0] = e->hint[0] = '\0';
	e->file[0] = e->log[0] = '\0';
	e->line = 0;
}

bool
err_is_set(const struct err *e)
{
	return e != NULL && (e->sqlstate[0] != '\0' || e->msg[0] != '\0');
}

/* A cut in the middle of a UTF-8 character would make the whole message
 * unreadable for drivers that check; takes the broken one off. */
static void
trim_utf8(char *s, size_t n)
{
	size_t at = n;
	size_t need;
	uint8_t lead;

	while (at > 0 && n - at < 3 && ((uint8_t)s[at - 1] & 0xc0) == 0x80)
		at--;
	if (at == 0)
		return;
	lead = (uint8_t)s[at - 1];
	if (lead < 0xc0)
		return;
	need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
	if (n - (at - 1) < need)
		s[at - 1] = '\0';
}

/* By way of a copy, since the arguments may be fields of the same err. */
static void __attribute__((format(printf, 3, 0)))
format(char *dst, size_t cap, const char *fmt, va_list ap)
{
	char text[sizeof(((struct err *)0)->msg)];
	int n;

	n = vsnprintf(text, sizeof(text) < cap ? sizeof(text) : cap, fmt, ap);
	if (n < 0)
		text[0] = '\0';
	else if ((size_t)n >= cap)
		trim_utf8(text, cap - 1);
	copy_str(dst, cap, text);
}

bool
err_set(struct err *e, const char *sqlstate, const char *fmt, ...)
{
	struct err fresh;
	va_list ap;

	if (e == NULL)
		return false;
	err_clear(&fresh);
	copy_str(fresh.sqlstate, sizeof(fresh.sqlstate), sqlstate);
	va_start(ap, fmt);
	format(fresh.msg, sizeof(fresh.msg), fmt, ap);
	va_end(ap);
	err_clear(e);
	copy_str(e->sqlstate, sizeof(e->sqlstate), fresh.sqlstate);
	copy_str(e->msg, sizeof(e->msg), fresh.msg);
	return false;
}

void
err_detail(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (e == NULL)
		return;
	va_start(ap, fmt);
	format(e->detail, sizeof(e->detail), fmt, ap);
	va_end(ap);
}

void
err_hint(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (e == NULL)
		return;
	va_start(ap, fmt);
	format(e->hint, sizeof(e->hint), fmt, ap);
	va_end(ap);
}

void
err_log(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (e == NULL)
		return;
	va_start(ap, fmt);
	format(e->log, sizeof(e->log), fmt, ap);
	va_end(ap);
}

void
err_at(struct err *e, const char *file, int line)
{
	if (e == NULL)
		return;
	copy_str(e->file, sizeof(e->file), file != NULL ? file : "");
	e->line = line;
}
