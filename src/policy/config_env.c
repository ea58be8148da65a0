/*
 * A configuration without a file: one server, named by the environment.
 */
#include "policy/config.h"

#include <string.h>

#include "config_impl.h"

const struct config_variable config_variables[] = {
	{ "DB_HOST", NULL, NULL, "The server, as host= of [databases]. "
	    "Required." },
	{ "DB_PORT", NULL, "5432", "Its port." },
	{ "DB_NAME", NULL, NULL, "A database to list by name. Every other "
	    "name is handed on to the server all the same." },
	{ "DB_USER", NULL, NULL, "The user that clients log in as, and who "
	    "may use the admin console. Required." },
	{ "DB_PASSWORD", NULL, NULL, "The password of that user, for the "
	    "server and for clients. Required, unless there is "
	    "DB_PASSWORD_FILE." },
	{ "DB_PASSWORD_FILE", NULL, NULL, "A file that holds the password; a "
	    "line end behind it is cut." },
	{ "LISTEN_ADDR", "listen_addr", "127.0.0.1", "As listen_addr." },
	{ "LISTEN_PORT", "listen_port", "6432", "As listen_port." },
	{ "POOL_MODE", "pool_mode", "transaction", "As pool_mode." },
	{ "POOL_SIZE", "default_pool_size", "auto", "As default_pool_size." },
	{ "SERVER_CORES", "server_cores", "auto", "As server_cores." },
	{ "SERVER_SPINDLES", "server_spindles", "auto",
	    "As server_spindles." },
};
const size_t n_config_variables = ARRAY_LEN(config_variables);

static const char *
env(const struct builder *b, const char *name)
{
	const char *v = b->in->env(b->in->arg, name);

	return v != NULL ? v : "";
}

/* A variable's value as a key, under the variable's name if it will not do. */
static void
set_from(struct builder *b, const struct config_variable *var)
{
	const char *v = env(b, var->name);

	if (var->key == NULL)
		return;
	b->here = (struct place){ var->name, 0 };
	builder_set(b, span_of(var->key), span_of(*v != '\0' ? v : var->def));
}

static void
set_in_database(struct builder *b, struct database_conf *d, const char *key,
    const char *name)
{
	const char *v = env(b, name);

	b->here = (struct place){ name, 0 };
	if (d != NULL && *v != '\0')
		builder_set_in_line(b, SCOPE_DATABASE, d, span_of(key),
		    span_of(v));
}

static void
missing(struct builder *b, const char *what, const char *hint)
{
	struct err e;

	b->here = (struct place){ "environment", 0 };
	err_set(&e, "F0000", "%s", what);
	err_hint(&e, "%s", hint);
	builder_error(b, &e);
}

/* The password, in the arena; "" with an error if there is none. */
static const char *
read_password_file(struct builder *b, const char *path)
{
	struct buf text = { 0 };
	struct err e;
	const char *out = "";
	size_t n;

	b->here = (struct place){ "DB_PASSWORD_FILE", 0 };
	err_clear(&e);
	if (!b->in->read_file(b->in->arg, path, &text, &e)) {
		if (!err_is_set(&e))
			err_set(&e, "58030", "cannot read file \"%s\"", path);
		builder_error(b, &e);
		buf_wipe_free(&text);
		return out;
	}
	n = buf_len(&text);
	while (n > 0 && (buf_head(&text)[n - 1] == '\n' ||
	    buf_head(&text)[n - 1] == '\r'))
		n--;
	if (n == 0 || n > USERLIST_SECRET_MAX ||
	    memchr(buf_head(&text), '\0', n) != NULL) {
		err_set(&e, "F0000", "file \"%s\" holds no password", path);
		builder_error(b, &e);
	} else {
		out = arena_strndup(b->c->arena,
		    (const char *)buf_head(&text), n);
	}
	buf_wipe_free(&text);
	return out;
}

static const char *
find_password(struct builder *b)
{
	const char *text = env(b, "DB_PASSWORD");
	const char *path = env(b, "DB_PASSWORD_FILE");

	if (*text != '\0' && *path != '\0') {
		missing(b, "DB_PASSWORD and DB_PASSWORD_FILE are both set",
		    "leave one of them out");
		return "";
	}
	if (*path != '\0')
		return read_password_file(b, path);
	if (*text == '\0')
		missing(b, "DB_PASSWORD is not set", "clients log in with it; "
		    "any text will do if the server asks for none");
	return arena_strdup(b->c->arena, text);
}

/* The application keeps its name and password: they are good here too. */
static void
add_secret(struct builder *b, const char *user, const char *password)
{
	struct userlist_entry *own = arena_alloc(b->c->arena, sizeof(*own));

	own->name = arena_strdup(b->c->arena, user);
	own->secret = password;
	b->c->secrets = own;
	b->c->pub.n_secrets = 1;
}

/* Commas would make a list of it. */
static bool
is_one_name(const char *user)
{
	return strpbrk(user, ",\n") == NULL &&
	    strlen(user) <= USERLIST_NAME_MAX &&
	    user[strspn(user, " \t")] != '\0';
}

static void
add_databases(struct builder *b)
{
	const char *name = env(b, "DB_NAME");
	struct database_conf *d;

	for (int i = 0; i < 2; i++) {
		b->here = (struct place){ "DB_NAME", 0 };
		if (i == 0 && *name == '\0')
			continue;
		d = builder_database(b, i == 0 ? span_of(name) : SPAN_LIT("*"));
		set_in_database(b, d, "host", "DB_HOST");
		set_in_database(b, d, "port", "DB_PORT");
	}
}

struct config *
config_from_env(const struct config_input *in, struct config_report *rep)
{
	struct builder b;
	const char *user;

	builder_init(&b, in, rep);
	b.saw_pooler = true;
	user = env(&b, "DB_USER");
	if (*env(&b, "DB_HOST") == '\0')
		missing(&b, "DB_HOST is not set",
		    "name a configuration file, or set DB_HOST, DB_USER and "
		    "DB_PASSWORD");
	if (*user == '\0')
		missing(&b, "DB_USER is not set",
		    "it is the user that clients log in as");
	else if (!is_one_name(user))
		missing(&b, "DB_USER is no name that will do here",
		    "use a configuration file");
	for (size_t i = 0; i < ARRAY_LEN(config_variables); i++)
		set_from(&b, &config_variables[i]);
	b.here = (struct place){ "environment", 0 };
	builder_set(&b, span_of("auth_type"), span_of("scram-sha-256"));
	builder_set(&b, span_of("admin_users"), span_of(user));
	add_secret(&b, user, find_password(&b));
	add_databases(&b);
	return builder_finish(&b);
}
