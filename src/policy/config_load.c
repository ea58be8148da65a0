/*
 * Reading pooler.ini, what it includes, and the auth_file, into a builder.
 */
#include "policy/config.h"

#include <stdlib.h>
#include <string.h>

#include "config_impl.h"
#include "policy/ini.h"

#define INCLUDE_DEPTH_MAX 10
#define INCLUDE_FILES_MAX 1000

void
builder_init(struct builder *b, const struct config_input *in,
    struct config_report *rep)
{
	size_t n;
	const struct option *rows = config_options(SCOPE_GLOBAL, &n);
	struct config_impl *c = xcalloc(1, sizeof(*c));

	*b = (struct builder){ .in = in, .rep = rep, .c = c };
	b->where = xcalloc(n, sizeof(*b->where));
	atomic_init(&c->refs, 1);
	c->arena = arena_new();
	c->machine_cores = in->machine_cores > 0 ? in->machine_cores : 1;
	for (size_t i = 0; i < n; i++) {
		struct err e;

		/* A number without a default (verbose) stays 0. */
		if (rows[i].def != NULL)
			option_parse(&rows[i], span_of(rows[i].def), c->arena,
			    c, &e);
		else if (rows[i].type == OPT_TEXT || rows[i].type == OPT_PATH ||
		    rows[i].type == OPT_LIST)
			option_unset(&rows[i], c);
	}
}

static void
builder_fini(struct builder *b)
{
	free(b->where);
	free(b->databases.items);
	free(b->users.items);
	free(b->peers.items);
}

bool
builder_error(struct builder *b, struct err *e)
{
	if (b->here.file != NULL)
		err_at(e, b->here.file, b->here.line);
	report_error(b->rep, e);
	return false;
}

const struct place *
builder_where(const struct builder *b, const char *key)
{
	size_t n;
	const struct option *rows = config_options(SCOPE_GLOBAL, &n);

	return &b->where[option_find(rows, n, span_of(key)) - rows];
}

static bool
unknown_key(struct builder *b, const struct option *rows, size_t n,
    struct span key, const char *where)
{
	const char *nearest = option_nearest(rows, n, key);
	struct err e;

	err_set(&e, "42704", "unknown key \"%.*s\" in %s",
	    (int)(key.n < 80 ? key.n : 80), (const char *)key.p, where);
	if (nearest != NULL)
		err_hint(&e, "did you mean \"%s\"?", nearest);
	return builder_error(b, &e);
}

bool
builder_set(struct builder *b, struct span key, struct span value)
{
	size_t n;
	const struct option *rows = config_options(SCOPE_GLOBAL, &n);
	const struct option *o = option_find(rows, n, key);
	struct err e;

	if (o == NULL)
		return unknown_key(b, rows, n, key, "[pooler]");
	err_clear(&e);
	if (!option_parse(o, value, b->c->arena, b->c, &e))
		return builder_error(b, &e);
	b->where[o - rows] = b->here;
	return true;
}

static void
list_add(struct line_list *l, void *item)
{
	if (l->n == l->cap) {
		l->cap = l->cap > 0 ? 2 * l->cap : 16;
		l->items = xrealloc(l->items, l->cap * sizeof(*l->items));
	}
	l->items[l->n++] = item;
}

/* Unset everywhere, defaults where the row has one. */
static void
init_line(struct builder *b, enum option_scope s, void *line)
{
	size_t n;
	const struct option *rows = config_options(s, &n);
	struct err e;

	for (size_t i = 0; i < n; i++) {
		option_unset(&rows[i], line);
		if (rows[i].def != NULL)
			option_parse(&rows[i], span_of(rows[i].def),
			    b->c->arena, line, &e);
	}
}

/* Both names of the console are taken; a database of that name could never
 * be reached. */
static bool
name_is_free(struct builder *b, struct span name)
{
	struct err e;

	if (name.n == 0 || memchr(name.p, '\0', name.n) != NULL ||
	    memchr(name.p, '\n', name.n) != NULL) {
		err_set(&e, "42602", "bad database name");
	} else if (name.n > DATABASE_NAME_MAX) {
		err_set(&e, "42622", "database name \"%.*s\" is longer than %d "
		    "bytes", (int)(name.n < 80 ? name.n : 80),
		    (const char *)name.p, DATABASE_NAME_MAX);
	} else if (span_is(name, "pgbouncer") || span_is(name, "pooler")) {
		err_set(&e, "42939", "database name \"%.*s\" is reserved for "
		    "the admin console", (int)name.n, (const char *)name.p);
		err_hint(&e, "give it another name and say dbname=%.*s",
		    (int)name.n, (const char *)name.p);
	} else {
		return true;
	}
	return builder_error(b, &e);
}

struct database_conf *
builder_database(struct builder *b, struct span name)
{
	struct database_conf *d;

	if (!name_is_free(b, name))
		return NULL;
	d = arena_alloc(b->c->arena, sizeof(*d));
	init_line(b, SCOPE_DATABASE, d);
	d->name = arena_strndup(b->c->arena, (const char *)name.p, name.n);
	if (strcmp(d->name, "*") != 0)
		d->dbname = d->name;
	d->file = b->here.file != NULL ? b->here.file : "";
	d->line = b->here.line;
	list_add(&b->databases, d);
	return d;
}

static struct user_conf *
builder_user(struct builder *b, struct span name)
{
	struct user_conf *u;
	struct err e;

	if (name.n == 0 || name.n > USERLIST_NAME_MAX) {
		err_set(&e, "42622", "user name is not of 1 to %d bytes",
		    USERLIST_NAME_MAX);
		builder_error(b, &e);
		return NULL;
	}
	u = arena_alloc(b->c->arena, sizeof(*u));
	init_line(b, SCOPE_USER, u);
	u->name = arena_strndup(b->c->arena, (const char *)name.p, name.n);
	u->file = b->here.file;
	u->line = b->here.line;
	list_add(&b->users, u);
	return u;
}

static struct peer_conf *
builder_peer(struct builder *b, struct span name)
{
	static const struct option id = { .name = "peer id", .type = OPT_INT,
		.min = 1, .max = 65535,
		.offset = offsetof(struct peer_conf, id) };
	struct peer_conf *p = arena_alloc(b->c->arena, sizeof(*p));
	struct err e;

	err_clear(&e);
	init_line(b, SCOPE_PEER, p);
	if (!option_parse(&id, name, b->c->arena, p, &e)) {
		builder_error(b, &e);
		return NULL;
	}
	p->file = b->here.file;
	p->line = b->here.line;
	list_add(&b->peers, p);
	return p;
}

/* Of 100,000 lines most have the same host as the line before: they share it.
 * Not what a warning may be about. */
static bool
share_text(struct builder *b, const struct option *o, struct span value,
    void *line)
{
	const char *text;
	void *before;

	if (o->type != OPT_TEXT || (o->flags & OPT_LATER) ||
	    b->databases.n < 2)
		return false;
	before = b->databases.items[b->databases.n - 2];
	memcpy(&text, (const char *)before + o->offset, sizeof(text));
	if (text == NULL || value.n == 0 || !span_is(value, text))
		return false;
	memcpy((char *)line + o->offset, &text, sizeof(text));
	return true;
}

bool
builder_set_in_line(struct builder *b, enum option_scope s, void *line,
    struct span key, struct span value)
{
	static const char *const where[N_SCOPES] = {
		[SCOPE_GLOBAL] = "[pooler]",
		[SCOPE_DATABASE] = "a line of [databases]",
		[SCOPE_USER] = "a line of [users]",
		[SCOPE_PEER] = "a line of [peers]",
	};
	size_t n;
	const struct option *rows = config_options(s, &n);
	const struct option *o = option_find(rows, n, key);
	struct err e;

	if (o == NULL)
		return unknown_key(b, rows, n, key, where[s]);
	err_clear(&e);
	if (s == SCOPE_DATABASE && share_text(b, o, value, line))
		return true;
	if (!option_parse(o, value, b->c->arena, line, &e))
		return builder_error(b, &e);
	if ((o->flags & OPT_LATER) &&
	    (o->def == NULL || !span_is_nocase(value, o->def)))
		report_warning(b->rep, &b->here,
		    "\"%s\" has no effect in this version yet", o->name);
	return true;
}

/* `password=two words=`: the second word is no key, and must not be shown. */
static bool
is_secret_rest(struct builder *b, const struct option *before,
    const struct option *o)
{
	struct err e;

	if (o != NULL || before == NULL || !(before->flags & OPT_SECRET))
		return false;
	err_set(&e, "F0000", "expected key=value after \"%s\"", before->name);
	err_hint(&e, "a value with blanks needs quotes: '...'");
	builder_error(b, &e);
	return true;
}

static void
read_pairs(struct builder *b, enum option_scope s, void *line,
    struct span text)
{
	size_t n;
	const struct option *rows = config_options(s, &n), *o, *before = NULL;
	struct connstr cs;
	enum connstr_kind kind;
	struct err e;

	if (line == NULL)
		return;
	err_clear(&e);
	connstr_init(&cs, text);
	while ((kind = connstr_next(&cs, &e)) == CONNSTR_PAIR) {
		o = option_find(rows, n, cs.key);
		if (is_secret_rest(b, before, o))
			break;
		builder_set_in_line(b, s, line, cs.key, cs.value);
		before = o;
	}
	if (kind == CONNSTR_BAD)
		builder_error(b, &e);
	connstr_fini(&cs);
}

static void
read_key(struct builder *b, struct span key, struct span value)
{
	struct err e;
	struct peer_conf *p;

	switch (b->section) {
	case SECTION_NONE:
		err_set(&e, "F0000", "key \"%.*s\" before the first section",
		    (int)(key.n < 80 ? key.n : 80), (const char *)key.p);
		err_hint(&e, "start the file with [pooler]");
		builder_error(b, &e);
		break;
	case SECTION_POOLER:
		builder_set(b, key, value);
		break;
	case SECTION_DATABASES:
		read_pairs(b, SCOPE_DATABASE, builder_database(b, key), value);
		break;
	case SECTION_USERS:
		read_pairs(b, SCOPE_USER, builder_user(b, key), value);
		break;
	case SECTION_PEERS:
		p = builder_peer(b, key);
		read_pairs(b, SCOPE_PEER, p, value);
		if (p != NULL && p->host[0] == '\0') {
			err_set(&e, "F0000", "peer %d without host=", p->id);
			builder_error(b, &e);
		}
		break;
	case SECTION_UNKNOWN:
		break;
	}
}

static void
enter_section(struct builder *b, struct span name)
{
	struct err e;

	if (span_is(name, "pooler") || span_is(name, "pgbouncer")) {
		b->section = SECTION_POOLER;
		if (span_is(name, "pooler"))
			b->saw_pooler = true;
		else
			b->saw_pgbouncer = true;
	} else if (span_is(name, "databases")) {
		b->section = SECTION_DATABASES;
	} else if (span_is(name, "users")) {
		b->section = SECTION_USERS;
	} else if (span_is(name, "peers")) {
		b->section = SECTION_PEERS;
	} else {
		b->section = SECTION_UNKNOWN;
		err_set(&e, "42704", "unknown section [%.*s]",
		    (int)(name.n < 80 ? name.n : 80), (const char *)name.p);
		err_hint(&e, "sections are [pooler], [databases], [users] and "
		    "[peers]");
		builder_error(b, &e);
	}
}

static void read_ini(struct builder *b, const char *path);

static void
include(struct builder *b, struct span name)
{
	struct place outer = b->here;
	struct err e;

	if (b->depth == INCLUDE_DEPTH_MAX || b->files == INCLUDE_FILES_MAX) {
		err_set(&e, "54000", b->depth == INCLUDE_DEPTH_MAX ?
		    "%%include nested more than %d deep" :
		    "more than %d files included", b->depth ==
		    INCLUDE_DEPTH_MAX ? INCLUDE_DEPTH_MAX : INCLUDE_FILES_MAX);
		builder_error(b, &e);
		return;
	}
	b->depth++;
	b->files++;
	read_ini(b, arena_strndup(b->c->arena, (const char *)name.p, name.n));
	b->depth--;
	b->here = outer;
}

/* A file that cannot be read is told at the line that names it. */
bool
builder_read_file(struct builder *b, const char *path, struct buf *text)
{
	struct err e;

	err_clear(&e);
	if (b->in->read_file(b->in->arg, path, text, &e))
		return true;
	if (!err_is_set(&e))
		err_set(&e, "58030", "cannot read file \"%s\"", path);
	return builder_error(b, &e);
}

static void
read_ini(struct builder *b, const char *path)
{
	struct buf text = { 0 };
	struct ini ini;
	struct err e;
	enum ini_kind kind;

	if (!builder_read_file(b, path, &text)) {
		buf_wipe_free(&text);
		return;
	}
	err_clear(&e);
	ini_init(&ini, buf_span(&text));
	while ((kind = ini_next(&ini, &e)) != INI_END) {
		b->here = (struct place){ .file = path, .line = ini.line };
		switch (kind) {
		case INI_SECTION:
			enter_section(b, ini.key);
			break;
		case INI_KEY:
			read_key(b, ini.key, ini.value);
			break;
		case INI_INCLUDE:
			include(b, ini.value);
			break;
		case INI_BAD:
			builder_error(b, &e);
			break;
		case INI_END:
			break;
		}
	}
	ini_fini(&ini);
	buf_wipe_free(&text);
}

static int
compare_entries(const void *a, const void *b)
{
	const struct userlist_entry *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c != 0 ? c : (x->line > y->line) - (x->line < y->line);
}

/* Sorts by name; of a name that stands there twice the later line counts. */
static void
keep_secrets(struct builder *b, struct userlist_entry *list, size_t n,
    const char *path)
{
	struct userlist_entry *own;
	size_t kept = 0;

	if (n == 0)
		return;
	qsort(list, n, sizeof(*list), compare_entries);
	own = arena_alloc(b->c->arena, n * sizeof(*own));
	for (size_t i = 0; i < n; i++) {
		if (kept > 0 && strcmp(own[kept - 1].name, list[i].name) == 0) {
			struct place at = { path, list[i].line };

			report_warning(b->rep, &at, "user \"%s\" stands in "
			    "line %d already; this line counts",
			    list[i].name, own[kept - 1].line);
			kept--;
		}
		own[kept++] = list[i];
	}
	b->c->secrets = own;
	b->c->pub.n_secrets = kept;
}

static void
read_auth_file(struct builder *b, const char *path, const struct place *at)
{
	struct buf text = { 0 };
	struct userlist_entry *list = NULL, entry;
	struct userlist u;
	enum userlist_kind kind;
	size_t n = 0, cap = 0;
	struct err e;

	b->here = *at;
	if (!builder_read_file(b, path, &text))
		goto out;
	err_clear(&e);
	userlist_init(&u, buf_span(&text));
	while ((kind = userlist_next(&u, b->c->arena, &entry, &e)) !=
	    USERLIST_END) {
		if (kind == USERLIST_BAD) {
			b->here = (struct place){ path, u.line };
			builder_error(b, &e);
			continue;
		}
		if (n == cap) {
			cap = cap > 0 ? 2 * cap : 64;
			list = xrealloc(list, cap * sizeof(*list));
		}
		list[n++] = entry;
	}
	keep_secrets(b, list, n, path);
out:
	free(list);
	buf_wipe_free(&text);
}

/* Under [pgbouncer] alone some defaults are the reference's. With both
 * headers in a file [pooler]'s count: who wrote it knew us. */
static void
apply_compat(struct builder *b)
{
	size_t n;
	const struct option *rows = config_options(SCOPE_GLOBAL, &n);
	struct err e;

	if (b->saw_pooler || !b->saw_pgbouncer)
		return;
	for (size_t i = 0; i < n; i++)
		if (rows[i].def_compat != NULL && b->where[i].file == NULL)
			option_parse(&rows[i], span_of(rows[i].def_compat),
			    b->c->arena, b->c, &e);
}

struct config *
builder_finish(struct builder *b)
{
	struct config *c = &b->c->pub;
	struct err e;

	b->here = (struct place){ 0 };
	config_sort_lines(b);
	config_keep_running(b);
	config_resolve(b->c);
	config_make_sets(b->c);
	err_clear(&e);
	c->param_names = param_names_new(c->track_extra_parameters, &e);
	if (c->param_names == NULL) {
		b->here = *builder_where(b, "track_extra_parameters");
		builder_error(b, &e);
	}
	config_check(b);
	config_warn(b);
	builder_fini(b);
	if (b->rep->n_errors == 0)
		return c;
	if (c->param_names != NULL)
		param_names_unref(c->param_names);
	ident_free(b->c->ident);
	arena_wipe_free(b->c->arena);
	free(b->c);
	return NULL;
}

struct config *
config_load(const struct config_input *in, struct config_report *rep)
{
	struct builder b;
	struct config *c;
	struct err e;

	builder_init(&b, in, rep);
	c = &b.c->pub;
	c->conffile = arena_strdup(b.c->arena, in->path);
	b.here = (struct place){ in->path, 0 };
	read_ini(&b, c->conffile);
	if (rep->n_errors == 0 && !b.saw_pooler && !b.saw_pgbouncer) {
		b.here = (struct place){ in->path, 0 };
		err_set(&e, "F0000", "no [pooler] section");
		builder_error(&b, &e);
	}
	apply_compat(&b);
	if (c->auth_file[0] != '\0' && c->auth_type != AUTH_TYPE_ANY)
		read_auth_file(&b, c->auth_file,
		    builder_where(&b, "auth_file"));
	config_read_hba(&b);
	return builder_finish(&b);
}
