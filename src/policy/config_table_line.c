/*
 * The keys of one line of [databases], [users] and [peers].
 */
#include "policy/config.h"
#include "config_impl.h"

static const struct option_word load_balance_words[] = {
	{ .name = "round-robin", .value = LOAD_BALANCE_ROUND_ROBIN },
	{ .name = "disable", .value = LOAD_BALANCE_DISABLE },
	{ .name = NULL },
};

#define NUMBER(s, f, lo, hi) .name = #f, .type = OPT_INT, .min = lo, \
	.max = hi, .offset = offsetof(struct s, f), .flags = OPT_RELOAD
#define COUNT(s, f) NUMBER(s, f, 0, COUNT_MAX)
#define TIME(s, f) .name = #f, .type = OPT_TIME, .max = SECONDS_MAX, \
	.unit = "s", .offset = offsetof(struct s, f##_us)
#define TEXT(s, f, fl) .name = #f, .type = OPT_TEXT, \
	.offset = offsetof(struct s, f), .flags = OPT_RELOAD | (fl)
#define MODE(s, f) .name = #f, .type = OPT_ENUM, .words = pool_mode_words, \
	.offset = offsetof(struct s, f), .flags = OPT_RELOAD
#define STATE(s, f) .name = #f, .type = OPT_ENUM, \
	.words = session_state_words, .offset = offsetof(struct s, f), \
	.flags = OPT_RELOAD | OPT_OURS
#define HELP(text) .help = text

static const struct option database_options[] = {
{ TEXT(database_conf, dbname, OPT_NONEMPTY), HELP(
"Database on the server; the same name if not given.") },
{ TEXT(database_conf, host, 0), HELP(
"Server: a name, an address, a directory of Unix sockets (starting with / or "
"@), or a comma list of these. A name that begins with _, as in "
"_postgresql._tcp.db.example, is a service (SRV records: targets and their "
"ports, priorities, weights); server_tls_sslmode=verify-full then wants a "
"certificate for the part behind _tcp. Not given: a Unix socket in "
"unix_socket_dir.") },
{ NUMBER(database_conf, port, 1, 65535), .def = "5432", HELP(
"Port of the server, also in the name of its Unix socket.") },
{ TEXT(database_conf, user, OPT_NONEMPTY), HELP(
"Forced user: every client of this database is served by one pool that logs "
"in to the server under this name.") },
{ TEXT(database_conf, password, OPT_SECRET | OPT_NULL), HELP(
"Password of the forced user; not given: the one in auth_file.") },
{ TEXT(database_conf, auth_user, 0), HELP(
"Instead of the global auth_user.") },
{ TEXT(database_conf, auth_query, 0), HELP(
"Instead of the global auth_query.") },
{ TEXT(database_conf, auth_dbname, 0), HELP(
"Instead of the global auth_dbname.") },
{ TEXT(database_conf, password_command, OPT_OURS), HELP(
"Program whose output is the password for the login to the server: its whole "
"path and its arguments, with blanks between. There is no shell. It finds "
"POOLER_USER, POOLER_DATABASE and POOLER_HOST in its environment.") },
{ .name = "pool_size", .type = OPT_AUTO, .max = COUNT_MAX,
.flags = OPT_RELOAD, .offset = offsetof(struct database_conf, pool_size), HELP(
"Instead of default_pool_size.") },
{ .name = "cores", .type = OPT_INT, .min = 1, .max = CORES_MAX,
.flags = OPT_RELOAD | OPT_OURS,
.offset = offsetof(struct database_conf, cores), HELP(
"Processor cores of this database's server, for the pool size rule.") },
{ .name = "spindles", .type = OPT_INT, .max = CORES_MAX,
.flags = OPT_RELOAD | OPT_OURS,
.offset = offsetof(struct database_conf, spindles), HELP(
"Disks of this database's server that can work at the same time, for the "
"pool size rule.") },
{ COUNT(database_conf, min_pool_size), HELP(
"Instead of the global min_pool_size. With a forced user it holds before the "
"first client comes.") },
{ COUNT(database_conf, reserve_pool_size), HELP(
"Instead of the global reserve_pool_size.") },
{ .name = "reserve_pool", .type = OPT_INT, .max = COUNT_MAX,
.flags = OPT_RELOAD | OPT_ALIAS,
.offset = offsetof(struct database_conf, reserve_pool_size), HELP("As reserve_pool_size.") },
{ MODE(database_conf, pool_mode), HELP("Instead of the global pool_mode.") },
{ STATE(database_conf, session_state), HELP(
"Instead of the global session_state.") },
{ TEXT(database_conf, stateful_functions, OPT_OURS), HELP(
"Instead of the global stateful_functions.") },
{ COUNT(database_conf, max_db_connections), HELP(
"Instead of the global max_db_connections; 0 is as not given.") },
{ COUNT(database_conf, max_db_client_connections), HELP(
"Instead of the global max_db_client_connections; 0 is as not given.") },
{ NUMBER(database_conf, max_waiting_clients, 0, COUNT_MAX) | OPT_OURS, HELP(
"Clients of this database that wait for a server at the same time, beside the "
"global max_waiting_clients and the user's; 0: no limit.") },
{ TIME(database_conf, server_lifetime), .flags = OPT_RELOAD, HELP(
"Instead of the global server_lifetime; 0 is as not given.") },
{ TIME(database_conf, query_wait_timeout), .flags = OPT_RELOAD, HELP(
"Instead of the global query_wait_timeout.") },
{ TIME(database_conf, server_down_after), .flags = OPT_RELOAD | OPT_OURS, HELP(
"Instead of the global server_down_after.") },
{ .name = "load_balance_hosts", .type = OPT_ENUM,
.words = load_balance_words, .def = "round-robin",
.flags = OPT_RELOAD,
.offset = offsetof(struct database_conf, load_balance_hosts), HELP(
"With a list of hosts: take them in turn, or stay with one while it "
"works. Either way one that does not answer is passed over while another "
"does.") },
{ TEXT(database_conf, connect_query, 0), HELP(
"SQL sent to a server after login, before its first use. Its errors are only "
"logged.") },
{ TEXT(database_conf, client_encoding, 0), HELP(
"client_encoding to log in to the server with.") },
{ TEXT(database_conf, datestyle, 0), HELP(
"DateStyle to log in to the server with.") },
{ TEXT(database_conf, timezone, 0), HELP(
"TimeZone to log in to the server with.") },
{ TEXT(database_conf, application_name, 0), HELP(
"application_name to log in to the server with.") },
};

static const struct option user_options[] = {
{ TEXT(user_conf, password_command, OPT_OURS), HELP(
"As in [databases], for every pool that logs in as this user; it counts before "
"that of the database.") },
{ COUNT(user_conf, pool_size), HELP("Instead of default_pool_size.") },
{ COUNT(user_conf, reserve_pool_size), HELP(
"Instead of reserve_pool_size.") },
{ MODE(user_conf, pool_mode), HELP("Instead of pool_mode.") },
{ STATE(user_conf, session_state), HELP("Instead of session_state.") },
{ COUNT(user_conf, max_user_connections), HELP(
"Instead of the global max_user_connections; 0 is as not given.") },
{ COUNT(user_conf, max_user_client_connections), HELP(
"Instead of the global max_user_client_connections; 0 is as not given.") },
{ NUMBER(user_conf, max_waiting_clients, 0, COUNT_MAX) | OPT_OURS, HELP(
"Clients that wait for a server of this user's pools at the same time, beside "
"the global max_waiting_clients and the database's; 0: no limit.") },
{ TIME(user_conf, query_timeout), .flags = OPT_RELOAD, HELP(
"Instead of the global query_timeout; 0 is as not given.") },
{ TIME(user_conf, query_wait_timeout), .flags = OPT_RELOAD, HELP(
"Instead of query_wait_timeout; goes by the name of the login.") },
{ TIME(user_conf, idle_transaction_timeout), .flags = OPT_RELOAD, HELP(
"Instead of the global idle_transaction_timeout; 0 is as not given.") },
{ TIME(user_conf, transaction_timeout), .flags = OPT_RELOAD, HELP(
"Instead of the global transaction_timeout; 0 is as not given.") },
{ TIME(user_conf, client_idle_timeout), .flags = OPT_RELOAD, HELP(
"Instead of the global client_idle_timeout; 0 is as not given. Goes by the "
"name of the login.") },
};

static const struct option peer_options[] = {
{ TEXT(peer_conf, host, OPT_NONEMPTY), HELP(
"Where cancel requests for that peer go: a name, an address or the directory "
"of a Unix socket. Required.") },
{ NUMBER(peer_conf, port, 1, 65535), .def = "6432", HELP(
"Port of the peer.") },
{ COUNT(peer_conf, pool_size), HELP(
"Cancel requests on their way to the peer at the same time; not given: "
"default_pool_size.") },
};

const struct option *
config_line_options(enum option_scope s, size_t *n)
{
	switch (s) {
	case SCOPE_DATABASE:
		*n = ARRAY_LEN(database_options);
		return database_options;
	case SCOPE_USER:
		*n = ARRAY_LEN(user_options);
		return user_options;
	case SCOPE_PEER:
		*n = ARRAY_LEN(peer_options);
		return peer_options;
	case SCOPE_GLOBAL:
		break;
	}
	*n = 0;
	return NULL;
}
