/*
 * What is left once all lines are read: order, sets of names, checks that
 * need more than one key, and warnings.
 */
#include "policy/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_impl.h"
#include "policy/ldap_options.h"
#include "policy/ini.h"

static void
make_set(struct config_impl *c, struct name_set *set, const char *list)
{
	struct span item;
	size_t n = 0;

	for (const char *at = list; list_next(&at, &item);)
		n++;
	set->n = 0;
	set->names = arena_alloc(c->arena, (n + 1) * sizeof(*set->names));
	for (const char *at = list; list_next(&at, &item);)
		set->names[set->n++] = arena_strndup(c->arena,
		    (const char *)item.p, item.n);
}

void
config_make_sets(struct config_impl *c)
{
	make_set(c, &c->admins, c->pub.admin_users);
	make_set(c, &c->stats, c->pub.stats_users);
	config_make_nets(c);
}

/* ---- order ---- */

struct numbered {
	void *item;
	size_t seq; /* later lines of one name come later */
};

static int
compare_seq(const struct numbered *x, const struct numbered *y, int by_key)
{
	return by_key != 0 ? by_key : (x->seq > y->seq) - (x->seq < y->seq);
}

static int
compare_databases(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;
	const struct database_conf *p = x->item, *q = y->item;

	return compare_seq(x, y, strcmp(p->name, q->name));
}

static int
compare_users(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;
	const struct user_conf *p = x->item, *q = y->item;

	return compare_seq(x, y, strcmp(p->name, q->name));
}

static int
compare_peers(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;
	const struct peer_conf *p = x->item, *q = y->item;

	return compare_seq(x, y, (p->id > q->id) - (p->id < q->id));
}

/*
 * The lines sorted, in the arena; of several with one key the last counts, as
 * in the reference, and `twice` tells of each that does not.
 */
static void **
sort_lines(struct builder *b, struct line_list *l,
    int (*compare)(const void *, const void *),
    bool (*same)(struct builder *b, const void *x, const void *y), size_t *n)
{
	struct numbered *all = xcalloc(l->n + 1, sizeof(*all));
	void **out = arena_alloc(b->c->arena, (l->n + 1) * sizeof(*out));

	for (size_t i = 0; i < l->n; i++)
		all[i] = (struct numbered){ l->items[i], i };
	qsort(all, l->n, sizeof(*all), compare);
	*n = 0;
	for (size_t i = 0; i < l->n; i++) {
		if (*n > 0 && same(b, out[*n - 1], all[i].item))
			(*n)--;
		out[(*n)++] = all[i].item;
	}
	free(all);
	return out;
}

static void
tell_twice(struct builder *b, const char *what, const char *name,
    const char *file, int line, int first)
{
	struct place at = { file, line };

	report_warning(b->rep, &at, "%s \"%s\" was given before, in line %d; "
	    "this line counts", what, name, first);
}

static bool
same_database(struct builder *b, const void *x, const void *y)
{
	const struct database_conf *p = x, *q = y;

	if (strcmp(p->name, q->name) != 0)
		return false;
	tell_twice(b, "database", q->name, q->file, q->line, p->line);
	return true;
}

static bool
same_user(struct builder *b, const void *x, const void *y)
{
	const struct user_conf *p = x, *q = y;

	if (strcmp(p->name, q->name) != 0)
		return false;
	tell_twice(b, "user", q->name, q->file, q->line, p->line);
	return true;
}

static bool
same_peer(struct builder *b, const void *x, const void *y)
{
	const struct peer_conf *p = x, *q = y;
	char id[16];

	if (p->id != q->id)
		return false;
	snprintf(id, sizeof(id), "%d", q->id);
	tell_twice(b, "peer", id, q->file, q->line, p->line);
	return true;
}

void
config_sort_lines(struct builder *b)
{
	struct config *c = &b->c->pub;
	void **list;
	size_t n;

	list = sort_lines(b, &b->databases, compare_databases, same_database,
	    &n);
	for (size_t i = 0; i < n; i++) {
		const struct database_conf *d = list[i];

		if (strcmp(d->name, "*") != 0)
			continue;
		c->autodb = d;
		memmove(&list[i], &list[i + 1], (n - i) * sizeof(*list));
		n--;
	}
	c->databases = (const struct database_conf *const *)list;
	c->n_databases = n;
	c->users = (const struct user_conf *const *)sort_lines(b, &b->users,
	    compare_users, same_user, &c->n_users);
	c->peers = (const struct peer_conf *const *)sort_lines(b, &b->peers,
	    compare_peers, same_peer, &c->n_peers);
}

/* ---- a reload keeps what is read at start only ---- */

void
config_keep_running(struct builder *b)
{
	const struct config *old = b->in->running;
	size_t n;
	const struct option *rows = config_options(SCOPE_GLOBAL, &n);

	for (size_t i = 0; old != NULL && i < n; i++) {
		const struct option *o = &rows[i];
		struct buf was = { 0 };

		if ((o->flags & (OPT_RELOAD | OPT_IGNORED)) != 0 ||
		    option_same(o, old, b->c))
			continue;
		option_format(o, old, &was);
		report_warning(b->rep, &b->where[i],
		    "\"%s\" is read at start only: it stays \"%.*s\" until a "
		    "restart", o->name, (int)buf_len(&was),
		    buf_len(&was) > 0 ? (const char *)buf_head(&was) : "");
		buf_free(&was);
		option_copy(o, b->c, old, b->c->arena);
	}
}

/* ---- checks ---- */

static bool
check_ldap(const struct config *c, struct err *e)
{
	struct arena *a;
	struct ldap_options o;
	bool ok;

	if (c->auth_ldap_options[0] == '\0') {
		if (c->auth_type != AUTH_TYPE_LDAP)
			return true;
		err_set(e, "22023", "auth_ldap_options is null");
		err_hint(e, "auth_type ldap needs to know whom to ask, e.g. "
		    "auth_ldap_options = ldapserver=ldap.example.com "
		    "ldapprefix=\"uid=\" ldapsuffix=\",dc=example,dc=com\"");
		return false;
	}
	a = arena_new();
	ok = ldap_options_parse(c->auth_ldap_options, a, &o, e);
	arena_wipe_free(a);
	return ok;
}

static bool
check_client_tls(const struct config *c, struct err *e)
{
	if (c->client_tls_sslmode != TLS_DISABLE &&
	    (!c->client_tls_key_file[0] || !c->client_tls_cert_file[0]))
		return err_set(e, "22023", "client_tls_sslmode needs "
		    "client_tls_key_file and client_tls_cert_file");
	if (c->client_tls_sslmode >= TLS_VERIFY_CA &&
	    !c->client_tls_ca_file[0]) {
		err_set(e, "22023", "client_tls_sslmode verify-ca and "
		    "verify-full need client_tls_ca_file");
		err_hint(e, "the system's authorities give certificates to "
		    "anybody");
		return false;
	}
	if (c->auth_type == AUTH_TYPE_CERT &&
	    c->client_tls_sslmode != TLS_VERIFY_FULL)
		return err_set(e, "22023", "auth_type \"cert\" needs "
		    "client_tls_sslmode verify-full");
	return true;
}

static bool
check_server_tls(const struct config *c, struct err *e)
{
	if (c->server_tls_sslnegotiation == SSLNEGOTIATION_DIRECT &&
	    c->server_tls_sslmode < TLS_REQUIRE)
		return err_set(e, "22023", "server_tls_sslnegotiation direct "
		    "needs server_tls_sslmode require or stronger");
	return true;
}

static bool
check_auth(const struct config *c, struct err *e)
{
	if (config_is_console(c->auth_dbname))
		return err_set(e, "22023", "cannot use the reserved \"%s\" "
		    "database as an auth_dbname", c->auth_dbname);
	return check_ldap(c, e);
}

bool
config_check_values(const struct config *c, struct err *e)
{
	return check_client_tls(c, e) && check_server_tls(c, e) &&
	    check_auth(c, e);
}

/* How it is split is another matter: it must be somebody's file. */
static void
check_command(struct builder *b, const char *command, const char *file,
    int line)
{
	struct err e;

	command += strspn(command, " \t\"'");
	if (*command == '\0' || *command == '/')
		return;
	b->here = (struct place){ file, line };
	err_set(&e, "22023", "password_command does not begin with the whole "
	    "path of a program");
	err_hint(&e, "there is no shell to find it; /bin/sh -c '...' would be "
	    "one");
	builder_error(b, &e);
}

/* What can be said of one line of [databases]. */
static void
check_line(struct builder *b, const struct database_conf *d)
{
	struct err e;

	check_command(b, d->password_command, d->file, d->line);
	if (!config_is_console(d->auth_dbname))
		return;
	b->here = (struct place){ d->file, d->line };
	err_set(&e, "22023", "cannot use the reserved \"%s\" database as an "
	    "auth_dbname", d->auth_dbname);
	builder_error(b, &e);
}

void
config_check(struct builder *b)
{
	struct err e;

	b->here = *builder_where(b, "client_tls_sslmode");
	if (b->here.file == NULL)
		b->here = *builder_where(b, "auth_type");
	if (!check_client_tls(&b->c->pub, &e))
		builder_error(b, &e);
	b->here = *builder_where(b, "server_tls_sslnegotiation");
	if (!check_server_tls(&b->c->pub, &e))
		builder_error(b, &e);
	b->here = *builder_where(b, "auth_ldap_options");
	if (b->here.file == NULL)
		b->here = *builder_where(b, "auth_type");
	if (check_ldap(&b->c->pub, &e)) {
		b->here = *builder_where(b, "auth_dbname");
		if (!check_auth(&b->c->pub, &e))
			builder_error(b, &e);
	} else {
		builder_error(b, &e);
	}
	for (size_t i = 0; i < b->c->pub.n_databases; i++)
		check_line(b, b->c->pub.databases[i]);
	if (b->c->pub.autodb != NULL)
		check_line(b, b->c->pub.autodb);
	for (size_t i = 0; i < b->c->pub.n_users; i++)
		check_command(b, b->c->pub.users[i]->password_command,
		    b->c->pub.users[i]->file, b->c->pub.users[i]->line);
	b->here = *builder_where(b, "proxy_protocol_networks");
	if (!config_check_nets(&b->c->pub, &e))
		builder_error(b, &e);
	b->here = (struct place){ 0 };
}

/* ---- warnings ---- */

static bool
is_default(const struct builder *b, const struct option *o)
{
	struct config_impl other = { 0 };
	struct arena *a = arena_new();
	struct err e;
	bool same;

	if (o->def != NULL)
		option_parse(o, span_of(o->def), a, &other, &e);
	else
		option_unset(o, &other);
	same = option_same(o, b->c, &other);
	arena_free(a);
	return same;
}

static void
warn_without_effect(struct builder *b)
{
	size_t n;
	const struct option *rows = config_options(SCOPE_GLOBAL, &n);

	for (size_t i = 0; i < n; i++) {
		const struct option *o = &rows[i];

		if (b->where[i].file == NULL || is_default(b, o))
			continue;
		if (o->flags & OPT_LATER)
			report_warning(b->rep, &b->where[i],
			    "\"%s\" has no effect in this version yet",
			    o->name);
	}
}

static void
warn_facility(struct builder *b)
{
	static const char *const names[] = { "auth", "authpriv", "daemon",
		"user", "local0", "local1", "local2", "local3", "local4",
		"local5", "local6", "local7" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (span_is_nocase(span_of(b->c->pub.syslog_facility),
		    names[i]))
			return;
	report_warning(b->rep, builder_where(b, "syslog_facility"),
	    "unknown syslog_facility \"%s\": using daemon",
	    b->c->pub.syslog_facility);
}

static void
warn_logins(struct builder *b)
{
	const struct config *c = &b->c->pub;
	bool secrets_wanted = c->auth_type == AUTH_TYPE_PLAIN ||
	    c->auth_type == AUTH_TYPE_MD5 || c->auth_type == AUTH_TYPE_SCRAM;

	for (size_t i = 0; i <= c->n_databases; i++)
		if (config_auth_user(c, i < c->n_databases ?
		    c->databases[i] : c->autodb)[0] != '\0')
			secrets_wanted = false;
	if (secrets_wanted && c->n_secrets == 0 && b->rep->n_errors == 0)
		report_warning(b->rep, NULL, "nobody can log in: auth_type "
		    "\"%s\" needs users, and auth_file %s",
		    auth_type_name(c->auth_type),
		    c->auth_file[0] != '\0' ? "has none" : "is not set");
}

/* ---- warnings about databases: one line each, however many they are ---- */

static bool
has_idle_password(const struct config *c, const struct database_conf *d)
{
	(void)c;
	return d->password != NULL && d->user[0] == '\0';
}

static bool
lets_nobody_in(const struct config *c, const struct database_conf *d)
{
	return c->auth_type == AUTH_TYPE_ANY && d->user[0] == '\0';
}

static bool
has_idle_reserve(const struct config *c, const struct database_conf *d)
{
	return d->size_auto && d->max_db_connections <= 0 &&
	    c->max_db_connections == 0 && (d->reserve_pool_size > 0 ||
	    (d->reserve_pool_size == OPTION_UNSET && c->reserve_pool_size > 0));
}

static const struct database_warning {
	bool (*applies)(const struct config *c, const struct database_conf *d);
	const char *text;
	bool tells_size;
} database_warnings[] = {
	{ has_idle_password, "password= has no effect without user=", false },
	{ lets_nobody_in, "nobody can log in, as auth_type \"any\" needs "
	    "user=", false },
	{ has_idle_reserve, "reserve_pool_size has no effect, as the pool size "
	    "rule bounds the whole database", true },
	{ config_size_is_guess, "the pool size is a guess, as the server is "
	    "another machine whose cores are not given; set server_cores and "
	    "server_spindles, or cores= and spindles=", true },
};

static void
warn_databases(struct builder *b, const struct database_warning *w)
{
	const struct config *c = &b->c->pub;
	const struct database_conf *first = NULL;
	char others[64] = "";
	size_t more = 0;

	for (size_t i = 0; i <= c->n_databases; i++) {
		const struct database_conf *d = i < c->n_databases ?
		    c->databases[i] : c->autodb;

		if (d == NULL || !w->applies(c, d))
			continue;
		if (first == NULL)
			first = d;
		else
			more++;
	}
	if (first == NULL)
		return;
	if (more > 0)
		snprintf(others, sizeof(others), " (and %zu more)", more);
	report_warning(b->rep, &(struct place){ first->file, first->line },
	    "database \"%s\"%s: %s%s%s", first->name, others, w->text,
	    w->tells_size ? "; taking " : "",
	    w->tells_size ? first->size_reason : "");
}

void
config_warn(struct builder *b)
{
	warn_without_effect(b);
	warn_facility(b);
	warn_logins(b);
	for (size_t i = 0; i < ARRAY_LEN(database_warnings); i++)
		warn_databases(b, &database_warnings[i]);
}
