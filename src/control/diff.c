#include "control/diff.h"

#include <string.h>

#include "base/buf.h"
#include "base/log.h"

struct diff {
	size_t told;
	size_t untold;
};

static void
tell(struct diff *d, const char *text)
{
	if (d->told < DIFF_MAX) {
		log_info("config changed: %s", text);
		d->told++;
	} else {
		d->untold++;
	}
}

/* "pool_size = 3 (was 5)" */
static void
put_change(const struct option *o, const void *now, const void *old,
    struct buf *out)
{
	buf_printf(out, "%s", o->name);
	if (o->flags & OPT_SECRET) {
		buf_printf(out, " (secret)");
		return;
	}
	if (option_is_set(o, now)) {
		buf_printf(out, " = ");
		option_format(o, now, out);
	} else {
		buf_printf(out, " not set");
	}
	buf_printf(out, " (was ");
	if (option_is_set(o, old))
		option_format(o, old, out);
	else
		buf_printf(out, "not set");
	buf_printf(out, ")");
}

/* Every field that differs, behind what stands in line already. */
static bool
put_changes(enum option_scope scope, const void *now, const void *old,
    struct buf *line)
{
	size_t n, i;
	const struct option *o = config_options(scope, &n);
	bool any = false;

	for (i = 0; i < n; i++) {
		if ((o[i].flags & OPT_ALIAS) || option_same(&o[i], now, old))
			continue;
		buf_printf(line, "%s", any ? ", " : "");
		put_change(&o[i], now, old, line);
		any = true;
	}
	return any;
}

static void
tell_line(struct diff *d, struct buf *line)
{
	buf_append(line, "", 1);
	tell(d, (const char *)buf_head(line));
}

static void
diff_keys(struct diff *d, const struct config *cfg, const struct config *old)
{
	struct buf line = { 0 };
	size_t n, i;
	const struct option *o = config_options(SCOPE_GLOBAL, &n);

	for (i = 0; i < n; i++) {
		if ((o[i].flags & OPT_ALIAS) || option_same(&o[i], cfg, old))
			continue;
		buf_reset(&line);
		put_change(&o[i], cfg, old, &line);
		tell_line(d, &line);
	}
	buf_free(&line);
}

/* One object of two snapshots; one of them may lack it. */
static void
diff_one(struct diff *d, enum option_scope scope, const char *what,
    const char *name, const void *now, const void *old)
{
	struct buf line = { 0 };
	bool changed = true;

	buf_printf(&line, "%s \"%s\" ", what, name);
	if (old == NULL)
		buf_printf(&line, "added");
	else if (now == NULL)
		buf_printf(&line, "removed");
	else
		changed = put_changes(scope, now, old, &line);
	if (changed)
		tell_line(d, &line);
	buf_free(&line);
}

static void
diff_databases(struct diff *d, const struct config *cfg,
    const struct config *old)
{
	size_t i;

	for (i = 0; i < cfg->n_databases; i++) {
		const char *name = cfg->databases[i]->name;

		diff_one(d, SCOPE_DATABASE, "database", name, cfg->databases[i],
		    config_database(old, name));
	}
	for (i = 0; i < old->n_databases; i++) {
		const char *name = old->databases[i]->name;

		if (config_database(cfg, name) == NULL)
			diff_one(d, SCOPE_DATABASE, "database", name, NULL,
			    old->databases[i]);
	}
	if (cfg->autodb != NULL || old->autodb != NULL)
		diff_one(d, SCOPE_DATABASE, "database", "*", cfg->autodb,
		    old->autodb);
}

static void
diff_users(struct diff *d, const struct config *cfg, const struct config *old)
{
	size_t i;

	for (i = 0; i < cfg->n_users; i++) {
		const char *name = cfg->users[i]->name;

		diff_one(d, SCOPE_USER, "user", name, cfg->users[i],
		    config_user(old, name));
	}
	for (i = 0; i < old->n_users; i++) {
		const char *name = old->users[i]->name;

		if (config_user(cfg, name) == NULL)
			diff_one(d, SCOPE_USER, "user", name, NULL,
			    old->users[i]);
	}
}

void
diff_log(const struct config *cfg, const struct config *old)
{
	struct diff d = { 0 };

	diff_keys(&d, cfg, old);
	diff_databases(&d, cfg, old);
	diff_users(&d, cfg, old);
	if (d.untold > 0)
		log_info("config changed: %zu more", d.untold);
}
