/*
 * Any bytes as a console command: words or an error, never a crash. Words
 * that are written down again, in quotes, are read as the same words.
 */
#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "control/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
quote(struct buf *out, char mark, const char *word)
{
	buf_append(out, &mark, 1);
	for (; *word != '\0'; word++) {
		if (*word == mark)
			buf_append(out, &mark, 1);
		buf_append(out, word, 1);
	}
	buf_append(out, &mark, 1);
}

static void
write_down(const struct command *c, struct buf *out)
{
	quote(out, '"', c->verb);
	if (c->has_arg) {
		buf_append(out, " ", 1);
		quote(out, '"', c->arg);
	}
	if (c->has_value) {
		buf_append(out, "=", 1);
		quote(out, '\'', c->value);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct command c, again;
	struct buf text = { 0 };
	struct err e;

	if (!command_parse(SPAN(data, size), &c, &e)) {
		assert(err_is_set(&e));
		return 0;
	}
	write_down(&c, &text);
	assert(command_parse(buf_span(&text), &again, &e));
	assert(strcmp(c.verb, again.verb) == 0);
	assert(c.has_arg == again.has_arg && strcmp(c.arg, again.arg) == 0);
	assert(c.has_value == again.has_value);
	assert(strcmp(c.value, again.value) == 0);
	buf_free(&text);
	return 0;
}
