#include "policy/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_impl.h"

const char *
pool_mode_name(enum pool_mode m)
{
	return option_word(pool_mode_words, (int)m);
}

const char *
auth_type_name(enum auth_type t)
{
	return option_word(auth_type_words, (int)t);
}

struct config *
config_ref(struct config *c)
{
	atomic_fetch_add_explicit(&impl(c)->refs, 1, memory_order_relaxed);
	return c;
}

void
config_unref(struct config *c)
{
	struct config_impl *origin;

	if (c == NULL || atomic_fetch_sub_explicit(&impl(c)->refs, 1,
	    memory_order_acq_rel) != 1)
		return;
	origin = impl(c)->origin;
	if (origin == NULL)
		ident_free(impl(c)->ident);
	if (impl(c)->tls_unref != NULL)
		impl(c)->tls_unref(c->tls);
	param_names_unref(c->param_names);
	arena_wipe_free(impl(c)->arena);
	free(c);
	if (origin != NULL)
		config_unref(&origin->pub);
}

void
config_hang_tls(struct config *c, struct tls_set *set,
    void (*unref)(struct tls_set *set))
{
	c->tls = set;
	impl(c)->tls_unref = unref;
}

bool
config_value(const struct config *c, size_t index, struct buf *out)
{
	size_t n;
	const struct option *rows = config_options(SCOPE_GLOBAL, &n);

	if (index >= n)
		return false;
	option_format(&rows[index], c, out);
	return true;
}

/* May SET change this key? */
static bool
is_settable(const struct option *o, const char *key, struct err *e)
{
	size_t n;
	const struct option *rows = config_options(SCOPE_GLOBAL, &n);
	const char *nearest;

	if (o == NULL) {
		err_set(e, "42704", "unknown key \"%s\"", key);
		nearest = option_nearest(rows, n, span_of(key));
		if (nearest != NULL)
			err_hint(e, "did you mean \"%s\"?", nearest);
		return false;
	}
	if (!(o->flags & OPT_RELOAD)) {
		err_set(e, "55P02", "\"%s\" is read at start only", o->name);
		err_hint(e, "change it in the configuration file and restart");
		return false;
	}
	/* No file is read here, and a name without its content is a lie. */
	if (strcmp(o->name, "auth_file") == 0 ||
	    strcmp(o->name, "auth_hba_file") == 0 ||
	    strcmp(o->name, "auth_ident_file") == 0) {
		err_set(e, "55P02", "\"%s\" cannot be changed by SET", o->name);
		err_hint(e, "change it in the configuration file and RELOAD");
		return false;
	}
	return true;
}

/* SET reads no files, so rules must have been read before. */
static bool
has_rules(const struct config *c, struct err *e)
{
	if (c->auth_type != AUTH_TYPE_HBA || c->hba != NULL)
		return true;
	err_set(e, "55P02", "auth_type \"hba\" cannot be chosen by SET, as its "
	    "rules are not read yet");
	err_hint(e, "change it in the configuration file and RELOAD");
	return false;
}

/* Lines of [databases] of our own: resolving writes to them. */
static void
copy_databases(struct config_impl *c, const struct config *old)
{
	struct database_conf **list =
	    arena_alloc(c->arena, (old->n_databases + 1) * sizeof(*list));
	struct database_conf *all = arena_alloc(c->arena,
	    (old->n_databases + 1) * sizeof(*all));

	for (size_t i = 0; i < old->n_databases; i++) {
		all[i] = *old->databases[i];
		list[i] = &all[i];
	}
	if (old->autodb != NULL) {
		all[old->n_databases] = *old->autodb;
		c->pub.autodb = &all[old->n_databases];
	}
	c->pub.databases = (const struct database_conf *const *)list;
}

/*
 * The new snapshot uses the memory of the one that was read from files, never
 * that of another SET; so a thousand SETs hold two arenas, not a thousand.
 * Texts that an earlier SET put into old's arena are copied.
 */
struct config *
config_with(struct config *old, const char *key, const char *value,
    struct err *e)
{
	size_t n;
	const struct option *rows = config_options(SCOPE_GLOBAL, &n);
	const struct option *o = option_find(rows, n, span_of(key));
	struct config_impl *from = impl(old), *c;

	if (!is_settable(o, key, e))
		return NULL;
	c = xcalloc(1, sizeof(*c));
	c->pub = *old;
	c->pub.tls = NULL;
	c->arena = arena_new();
	c->machine_cores = from->machine_cores;
	c->origin = from->origin != NULL ? from->origin : from;
	c->secrets = from->secrets;
	atomic_init(&c->refs, 1);
	config_ref(&c->origin->pub);
	param_names_ref(c->pub.param_names);
	if (from->origin != NULL)
		for (size_t i = 0; i < n; i++)
			option_copy(&rows[i], c, old, c->arena);
	copy_databases(c, old);
	if (!option_parse(o, span_of(value), c->arena, c, e) ||
	    !has_rules(&c->pub, e) || !config_check_values(&c->pub, e) ||
	    !config_check_nets(&c->pub, e)) {
		config_unref(&c->pub);
		return NULL;
	}
	config_resolve(c);
	config_make_sets(c);
	return &c->pub;
}

/* ---- what a load found ---- */

void
config_report_init(struct config_report *r)
{
	*r = (struct config_report){ 0 };
}

void
config_report_fini(struct config_report *r)
{
	for (size_t i = 0; i < r->n_warnings; i++)
		free(r->warnings[i]);
	free(r->warnings);
	free(r->errors);
	config_report_init(r);
}

void
report_error(struct config_report *r, const struct err *e)
{
	if (r->n_errors == CONFIG_ERRORS_MAX) {
		r->n_untold++;
		return;
	}
	r->errors = xrealloc(r->errors,
	    (r->n_errors + 1) * sizeof(*r->errors));
	r->errors[r->n_errors++] = *e;
}

void
report_warning(struct config_report *r, const struct place *place,
    const char *fmt, ...)
{
	char text[800];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->warnings = xrealloc(r->warnings,
	    (r->n_warnings + 1) * sizeof(*r->warnings));
	r->warnings[r->n_warnings++] = place != NULL && place->line > 0 ?
	    xasprintf("%s:%d: %s", place->file, place->line, text) :
	    xstrdup(text);
}

void
config_report_print(const struct config_report *r, struct buf *out)
{
	for (size_t i = 0; i < r->n_errors; i++) {
		const struct err *e = &r->errors[i];

		if (e->file[0] != '\0' && e->line > 0)
			buf_printf(out, "%s:%d: ", e->file, e->line);
		else if (e->file[0] != '\0')
			buf_printf(out, "%s: ", e->file);
		buf_printf(out, "%s\n", e->msg);
		if (e->hint[0] != '\0')
			buf_printf(out, "hint: %s\n", e->hint);
	}
	if (r->n_untold > 0)
		buf_printf(out, "%zu more errors\n", r->n_untold);
}
