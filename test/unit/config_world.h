/*
 * Configurations of tests: files and variables that stand in memory.
 */
#ifndef CONFIG_WORLD_H
#define CONFIG_WORLD_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/config.h"

/* Files and variables of one test; the lists end with NULL. */
struct world {
	const char *files[16][2];
	const char *vars[16][2];
};

static inline bool
read_file(void *arg, const char *path, struct buf *out, struct err *e)
{
	const struct world *w = arg;

	for (int i = 0; w->files[i][0] != NULL; i++) {
		if (strcmp(w->files[i][0], path) != 0)
			continue;
		buf_append(out, w->files[i][1], strlen(w->files[i][1]));
		return true;
	}
	return err_set(e, "58P01", "cannot open file \"%s\"", path);
}

static const char *
env(void *arg, const char *name)
{
	const struct world *w = arg;

	for (int i = 0; w->vars[i][0] != NULL; i++)
		if (strcmp(w->vars[i][0], name) == 0)
			return w->vars[i][1];
	return NULL;
}

static inline struct config *
load_over(const struct world *w, const struct config *running,
    struct config_report *rep)
{
	struct config_input in = { .path = "pooler.ini",
		.read_file = read_file, .env = env,
		.arg = (void *)(uintptr_t)w, .machine_cores = 6,
		.running = running };

	config_report_init(rep);
	return w->files[0][0] != NULL ? config_load(&in, rep) :
					config_from_env(&in, rep);
}

/* A file that must do. */
static inline struct config *
good(const char *text)
{
	struct world w = { .files = { { "pooler.ini", text },
	    { "users", "\"u\" \"secret\"\n\"v\" \"\"\n" } } };
	struct config_report rep;
	struct config *c = load_over(&w, NULL, &rep);
	struct buf out = { 0 };

	config_report_print(&rep, &out);
	ck_assert_msg(c != NULL, "%.*s", (int)buf_len(&out),
	    (const char *)buf_head(&out));
	buf_free(&out);
	config_report_fini(&rep);
	return c;
}

/* The report of a world, as text; the snapshot is let go of. */
static inline char *
report(const struct world *w)
{
	struct config_report rep;
	struct config *c = load_over(w, NULL, &rep);
	struct buf out = { 0 };
	char *s;

	ck_assert((c == NULL) == (rep.n_errors > 0));
	config_report_print(&rep, &out);
	for (size_t i = 0; i < rep.n_warnings; i++)
		buf_printf(&out, "warning: %s\n", rep.warnings[i]);
	buf_append(&out, "", 1);
	s = xstrdup((const char *)buf_head(&out));
	buf_free(&out);
	config_report_fini(&rep);
	config_unref(c);
	return s;
}

static inline void
expect_report(const char *text, const char *want)
{
	struct world w = { .files = { { "pooler.ini", text } } };
	char *got = report(&w);

	/* Too long for ck_assert_str_eq(). */
	if (strcmp(got, want) != 0)
		fprintf(stderr, "got:\n%swant:\n%s", got, want);
	ck_assert(strcmp(got, want) == 0);
	free(got);
}

#define QUIET "[pooler]\nauth_type = trust\n"

#endif
