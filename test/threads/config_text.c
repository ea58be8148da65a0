/* Configurations for tests. */
#include "config_text.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool
read_text(void *arg, const char *path, struct buf *out, struct err *e)
{
	if (strcmp(path, "test.ini") != 0)
		return err_set(e, "58P01", "no file \"%s\"", path);
	buf_printf(out, "[pooler]\nauth_type = any\n%s\n", (const char *)arg);
	return true;
}

struct config *
config_text(const char *fmt, ...)
{
	char text[4096];
	struct config_report rep;
	struct config_input in = {
		.path = "test.ini",
		.read_file = read_text,
		.arg = text,
		.machine_cores = 2,
	};
	struct config *c;
	struct buf said = { 0 };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	config_report_init(&rep);
	c = config_load(&in, &rep);
	if (c == NULL) {
		config_report_print(&rep, &said);
		ck_abort_msg("%.*s", (int)buf_len(&said), buf_head(&said));
	}
	config_report_fini(&rep);
	return c;
}
