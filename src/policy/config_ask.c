/*
 * Questions to a snapshot: look-ups, and values after precedence.
 */
#include "policy/config.h"

#include <stdlib.h>
#include <string.h>

#include "config_impl.h"

static int
compare_database(const void *name, const void *at)
{
	const struct database_conf *const *d = at;

	return strcmp(name, (*d)->name);
}

static int
compare_user(const void *name, const void *at)
{
	const struct user_conf *const *u = at;

	return strcmp(name, (*u)->name);
}

static int
compare_secret(const void *name, const void *at)
{
	const struct userlist_entry *u = at;

	return strcmp(name, u->name);
}

const struct database_conf *
config_database(const struct config *c, const char *name)
{
	const struct database_conf *const *d;

	if (c->n_databases == 0)
		return NULL;
	d = bsearch(name, c->databases, c->n_databases, sizeof(*c->databases),
	    compare_database);
	return d != NULL ? *d : NULL;
}

const struct user_conf *
config_user(const struct config *c, const char *name)
{
	const struct user_conf *const *u;

	if (c->n_users == 0)
		return NULL;
	u = bsearch(name, c->users, c->n_users, sizeof(*c->users),
	    compare_user);
	return u != NULL ? *u : NULL;
}

static const struct userlist_entry *
find_secret(const struct config *c, const char *user)
{
	if (c->n_secrets == 0)
		return NULL;
	return bsearch(user, cimpl(c)->secrets, c->n_secrets,
	    sizeof(*cimpl(c)->secrets), compare_secret);
}

const char *
config_secret(const struct config *c, const char *user, bool *known)
{
	const struct userlist_entry *u = find_secret(c, user);

	if (known != NULL)
		*known = u != NULL || config_user(c, user) != NULL;
	return u != NULL ? u->secret : NULL;
}

const char *
config_old_secret(const struct config *c, const char *user)
{
	const struct userlist_entry *u = find_secret(c, user);

	return u != NULL ? u->old_secret : NULL;
}

int
config_secret_line(const struct config *c, const char *user)
{
	const struct userlist_entry *u = find_secret(c, user);

	return u != NULL ? u->line : 0;
}

const char *
config_secret_user(const struct config *c, size_t i)
{
	return i < c->n_secrets ? cimpl(c)->secrets[i].name : NULL;
}

static bool
set_has(const struct name_set *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->names[i], name) == 0)
			return true;
	return false;
}

bool
config_is_admin(const struct config *c, const char *user)
{
	return set_has(&cimpl(c)->admins, user);
}

bool
config_is_stats_user(const struct config *c, const char *user)
{
	return set_has(&cimpl(c)->stats, user);
}

enum session_state
config_session_state(const struct config *c, const struct database_conf *db,
    const char *user)
{
	const struct user_conf *u = config_user(c, user);

	if (u != NULL && u->session_state != OPTION_UNSET)
		return (enum session_state)u->session_state;
	if (db->session_state != OPTION_UNSET)
		return (enum session_state)db->session_state;
	return c->session_state;
}

const char *
config_stateful_functions(const struct config *c,
    const struct database_conf *db)
{
	return db->stateful_functions[0] != '\0' ? db->stateful_functions :
						   c->stateful_functions;
}

enum pool_mode
config_pool_mode(const struct config *c, const struct database_conf *db,
    const char *pool_user)
{
	const struct user_conf *u = config_user(c, pool_user);

	if (u != NULL && u->pool_mode != OPTION_UNSET)
		return (enum pool_mode)u->pool_mode;
	if (db->pool_mode != OPTION_UNSET)
		return (enum pool_mode)db->pool_mode;
	return c->pool_mode;
}

int
config_pool_size(const struct config *c, const struct database_conf *db,
    const char *pool_user)
{
	const struct user_conf *u = config_user(c, pool_user);

	if (u != NULL && u->pool_size != OPTION_UNSET)
		return u->pool_size;
	return db->size;
}

int
config_min_pool_size(const struct config *c, const struct database_conf *db)
{
	return db->min_pool_size != OPTION_UNSET ? db->min_pool_size :
						   c->min_pool_size;
}

int
config_reserve_pool_size(const struct config *c,
    const struct database_conf *db, const char *pool_user)
{
	const struct user_conf *u = config_user(c, pool_user);

	if (u != NULL && u->reserve_pool_size != OPTION_UNSET)
		return u->reserve_pool_size;
	if (db->reserve_pool_size != OPTION_UNSET)
		return db->reserve_pool_size;
	return c->reserve_pool_size;
}

int
config_max_db_connections(const struct config *c,
    const struct database_conf *db)
{
	if (db->max_db_connections > 0)
		return db->max_db_connections;
	if (c->max_db_connections > 0)
		return c->max_db_connections;
	/* The rule is about the server, so it bounds all pools together. */
	return db->size_auto ? db->size : 0;
}

int
config_max_db_client_connections(const struct config *c,
    const struct database_conf *db)
{
	return db->max_db_client_connections > 0 ?
	    db->max_db_client_connections : c->max_db_client_connections;
}

int
config_max_user_connections(const struct config *c, const char *pool_user)
{
	const struct user_conf *u = config_user(c, pool_user);

	return u != NULL && u->max_user_connections > 0 ?
	    u->max_user_connections : c->max_user_connections;
}

int
config_max_user_client_connections(const struct config *c,
    const char *login_user)
{
	const struct user_conf *u = config_user(c, login_user);

	return u != NULL && u->max_user_client_connections > 0 ?
	    u->max_user_client_connections : c->max_user_client_connections;
}

int
config_max_db_waiting(const struct database_conf *db)
{
	return db->max_waiting_clients > 0 ? db->max_waiting_clients : 0;
}

int
config_max_user_waiting(const struct config *c, const char *pool_user)
{
	const struct user_conf *u = config_user(c, pool_user);

	return u != NULL && u->max_waiting_clients > 0 ?
	    u->max_waiting_clients : 0;
}

int64_t
config_server_lifetime_us(const struct config *c,
    const struct database_conf *db)
{
	return db->server_lifetime_us > 0 ? db->server_lifetime_us :
					    c->server_lifetime_us;
}

int64_t
config_query_timeout_us(const struct config *c, const char *pool_user)
{
	const struct user_conf *u = config_user(c, pool_user);

	return u != NULL && u->query_timeout_us > 0 ? u->query_timeout_us :
						      c->query_timeout_us;
}

int64_t
config_idle_transaction_timeout_us(const struct config *c,
    const char *pool_user)
{
	const struct user_conf *u = config_user(c, pool_user);

	return u != NULL && u->idle_transaction_timeout_us > 0 ?
	    u->idle_transaction_timeout_us : c->idle_transaction_timeout_us;
}

int64_t
config_transaction_timeout_us(const struct config *c, const char *pool_user)
{
	const struct user_conf *u = config_user(c, pool_user);

	return u != NULL && u->transaction_timeout_us > 0 ?
	    u->transaction_timeout_us : c->transaction_timeout_us;
}

int64_t
config_client_idle_timeout_us(const struct config *c, const char *login_user)
{
	const struct user_conf *u = config_user(c, login_user);

	return u != NULL && u->client_idle_timeout_us > 0 ?
	    u->client_idle_timeout_us : c->client_idle_timeout_us;
}

int64_t
config_query_wait_timeout_us(const struct config *c,
    const struct database_conf *db, const char *login_user)
{
	const struct user_conf *u = config_user(c, login_user);

	if (u != NULL && u->query_wait_timeout_us != OPTION_UNSET)
		return u->query_wait_timeout_us;
	if (db->query_wait_timeout_us != OPTION_UNSET)
		return db->query_wait_timeout_us;
	return c->query_wait_timeout_us;
}

int64_t
config_server_down_after_us(const struct config *c,
    const struct database_conf *db)
{
	return db->server_down_after_us != OPTION_UNSET ?
	    db->server_down_after_us : c->server_down_after_us;
}

const char *
config_auth_user(const struct config *c, const struct database_conf *db)
{
	return db != NULL && db->auth_user[0] != '\0' ? db->auth_user :
	    c->auth_user;
}

const char *
config_auth_query(const struct config *c, const struct database_conf *db)
{
	return db != NULL && db->auth_query[0] != '\0' ? db->auth_query :
	    c->auth_query;
}

const char *
config_auth_dbname(const struct config *c, const struct database_conf *db)
{
	return db != NULL && db->auth_dbname[0] != '\0' ? db->auth_dbname :
	    c->auth_dbname;
}

const char *
config_password_command(const struct config *c,
    const struct database_conf *db, const char *pool_user)
{
	const struct user_conf *u = config_user(c, pool_user);

	return u != NULL && u->password_command[0] != '\0' ?
	    u->password_command : db->password_command;
}

bool
config_is_console(const char *database)
{
	return strcmp(database, "pgbouncer") == 0 ||
	    strcmp(database, "pooler") == 0;
}
