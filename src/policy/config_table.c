/*
 * The keys of [pooler]: one row each. Man page, example file, SHOW CONFIG,
 * --print-config and the parser all read this table.
 *
 * Order: as in the man page. The field has the key's name; a time's field
 * ends in _us.
 */
#include "policy/config.h"
#include "config_impl.h"

const struct option_word pool_mode_words[] = {
	{ .name = "session", .value = POOL_SESSION },
	{ .name = "transaction", .value = POOL_TRANSACTION },
	{ .name = "statement", .value = POOL_STATEMENT },
	{ .name = NULL },
};

const struct option_word session_state_words[] = {
	{ .name = "track", .value = STATE_TRACK },
	{ .name = "reset", .value = STATE_RESET },
	{ .name = "pin", .value = STATE_PIN },
	{ .name = "deny", .value = STATE_DENY },
	{ .name = "allow", .value = STATE_ALLOW },
	{ .name = NULL },
};

static const struct option_word unknown_functions_words[] = {
	{ .name = "clean", .value = FUNCTIONS_CLEAN },
	{ .name = "dirty", .value = FUNCTIONS_DIRTY },
	{ .name = NULL },
};

/* Whether this build can ask them. */
#ifdef HAVE_LDAP
#define HAS_LDAP true
#else
#define HAS_LDAP false
#endif
#ifdef HAVE_PAM
#define HAS_PAM true
#else
#define HAS_PAM false
#endif

const struct option_word auth_type_words[] = {
	{ .name = "any", .value = AUTH_TYPE_ANY },
	{ .name = "trust", .value = AUTH_TYPE_TRUST },
	{ .name = "plain", .value = AUTH_TYPE_PLAIN },
	{ .name = "md5", .value = AUTH_TYPE_MD5 },
	{ .name = "scram-sha-256", .value = AUTH_TYPE_SCRAM },
	{ .name = "cert", .value = AUTH_TYPE_CERT },
	{ .name = "hba", .value = AUTH_TYPE_HBA },
	{ .name = "ldap", .value = AUTH_TYPE_LDAP, .later = !HAS_LDAP },
	{ .name = "pam", .value = AUTH_TYPE_PAM, .later = !HAS_PAM },
	{ .name = NULL },
};

bool
config_method_is_later(enum hba_method m)
{
	switch (m) {
	case HBA_TRUST:
	case HBA_REJECT:
	case HBA_MD5:
	case HBA_PASSWORD:
	case HBA_SCRAM:
	case HBA_PEER:
	case HBA_CERT:
		return false;
	case HBA_LDAP:
		return !HAS_LDAP;
	case HBA_PAM:
		return !HAS_PAM;
	}
	return true;
}

static const struct option_word tls_mode_words[] = {
	{ .name = "disable", .value = TLS_DISABLE },
	{ .name = "allow", .value = TLS_ALLOW },
	{ .name = "prefer", .value = TLS_PREFER },
	{ .name = "require", .value = TLS_REQUIRE },
	{ .name = "verify-ca", .value = TLS_VERIFY_CA },
	{ .name = "verify-full", .value = TLS_VERIFY_FULL },
	{ .name = NULL },
};

static const struct option_word log_format_words[] = {
	{ .name = "text", .value = LOG_FORMAT_TEXT },
	{ .name = "json", .value = LOG_FORMAT_JSON },
	{ .name = NULL },
};

static const struct option_word sslnegotiation_words[] = {
	{ .name = "postgres", .value = SSLNEGOTIATION_POSTGRES },
	{ .name = "direct", .value = SSLNEGOTIATION_DIRECT },
	{ .name = NULL },
};

static const struct option_word server_protocol_words[] = {
	{ .name = "auto", .value = SERVER_PROTOCOL_AUTO },
	{ .name = "3.0", .value = SERVER_PROTOCOL_3_0 },
	{ .name = "3.2", .value = SERVER_PROTOCOL_3_2 },
	{ .name = NULL },
};

static const struct option_word client_gone_words[] = {
	{ .name = "cancel", .value = CLIENT_GONE_CANCEL },
	{ .name = "finish", .value = CLIENT_GONE_FINISH },
	{ .name = NULL },
};

#define AT(field) .offset = offsetof(struct config, field)
#define BOOL(f, d) .name = #f, .type = OPT_BOOL, .def = d, AT(f)
#define INT(f, d, lo, hi) .name = #f, .type = OPT_INT, .def = d, .min = lo, \
	.max = hi, AT(f)
#define COUNT(f, d) INT(f, d, 0, COUNT_MAX)
#define TIME(f, d) .name = #f, .type = OPT_TIME, .def = d, .unit = "s", \
	.max = SECONDS_MAX, AT(f##_us)
#define MSEC(f, d, hi) .name = #f, .type = OPT_MSEC, .def = d, .unit = "ms", \
	.max = hi, AT(f##_us)
#define TEXT(f, d) .name = #f, .type = OPT_TEXT, .def = d, AT(f)
#define FILE_(f, d) .name = #f, .type = OPT_PATH, .def = d, AT(f)
#define LIST(f, d) .name = #f, .type = OPT_LIST, .def = d, AT(f)
#define ENUM(f, d, w) .name = #f, .type = OPT_ENUM, .def = d, .words = w, \
	AT(f)
/* The field has what was written, another one what came of it. */
#define AUTO(f, d, lo, hi) .name = #f, .type = OPT_AUTO, .def = d, \
	.min = lo, .max = hi, AT(f##_text)
#define HELP(text) .help = text

/* Every name says where it comes from: a search_path that somebody has left
 * behind must not put another one in its place. */
#define AUTH_QUERY "SELECT rolname, CASE WHEN rolvaliduntil " \
	"OPERATOR(pg_catalog.<) pg_catalog.now() THEN NULL " \
	"ELSE rolpassword END FROM pg_catalog.pg_authid " \
	"WHERE rolname OPERATOR(pg_catalog.=) $1 AND rolcanlogin"

static const struct option global_options[] = {
/* ---- process, files, log ---- */
#define ROW(kind, fl) kind, .group = GROUP_PROCESS, .flags = fl
{ ROW(FILE_(logfile, ""), OPT_RELOAD), HELP(
"File that log lines are appended to. It is opened anew at RELOAD. Lines go "
"to standard error all the same, unless -q or -d says otherwise.") },
{ ROW(BOOL(syslog, "0"), OPT_RELOAD), HELP("Log to syslog too.") },
{ ROW(TEXT(syslog_ident, "pgbouncer"), OPT_RELOAD), HELP(
"Name that syslog lines carry.") },
{ ROW(TEXT(syslog_facility, "daemon"), OPT_RELOAD), HELP(
"One of auth, authpriv, daemon, user, local0 ... local7.") },
{ ROW(ENUM(log_format, "text", log_format_words), OPT_RELOAD | OPT_OURS), HELP(
"A line of text for each event, as PgBouncer's, or a JSON object in one line, "
"with what is known about the client in fields of its own.") },
{ ROW(MSEC(log_min_duration, "0", 86400000), OPT_RELOAD | OPT_OURS), HELP(
"Log queries that take at least this long, with client, times, rows, SQLSTATE "
"and a fingerprint of their text; never the text itself. 0: none.") },
{ ROW(INT(log_duration_sample, "100", 1, 100), OPT_RELOAD | OPT_OURS),
.unit = "percent", HELP(
"How many of these queries are logged, picked at random.") },
{ ROW(BOOL(log_connections, "1"), OPT_RELOAD), HELP(
"Log logins of clients and new server connections.") },
{ ROW(BOOL(log_disconnections, "1"), OPT_RELOAD), HELP(
"Log why and at what age a connection was closed.") },
{ ROW(BOOL(log_pooler_errors, "1"), OPT_RELOAD), HELP(
"Log every error that the pooler itself sends to a client.") },
{ ROW(BOOL(log_stats, "1"), OPT_RELOAD), HELP(
"Log one line of statistics each stats_period.") },
{ ROW(TIME(stats_period, "60"), OPT_RELOAD), .min = 1, HELP(
"Time over which SHOW STATS averages, and between two lines of log_stats.") },
{ ROW(INT(verbose, NULL, 0, 10), OPT_RELOAD), HELP(
"How much more to log: 1 adds debugging lines, 2 noise. As repeating -v.") },
{ ROW(FILE_(pidfile, ""), 0), HELP(
"File to hold the process id. Needed for -d.") },
{ ROW(TEXT(user, NULL), 0), HELP(
"Operating system user to become when started as root; -u wins over it. "
"Running on as root is refused.") },
{ ROW(FILE_(conffile, NULL), OPT_RELOAD), HELP(
"File that the next RELOAD reads. Normally the one of the command line.") },
{ ROW(TEXT(job_name, "pgbouncer"), OPT_IGNORED), HELP(
"Taken for compatibility; has no effect.") },
{ .name = "service_name", .type = OPT_TEXT, .group = GROUP_PROCESS,
.flags = OPT_IGNORED | OPT_ALIAS, .def = "pgbouncer", AT(job_name), HELP("Taken for compatibility; has no effect.") },
{ ROW(AUTO(worker_threads, "auto", 1, 256), OPT_OURS), HELP(
"Threads that serve clients; auto is one for each core of this machine. All "
"limits hold for the process as a whole, whatever the number.") },
#undef ROW

/* ---- where to listen ---- */
#define ROW(kind, fl) kind, .group = GROUP_LISTEN, .flags = fl
{ ROW(LIST(listen_addr, ""), 0), HELP(
"TCP addresses or host names to listen on; * is every address. Empty: only "
"the Unix socket.") },
{ ROW(INT(listen_port, "6432", 1, 65535), 0), HELP(
"TCP port, and the number in the name of the Unix socket.") },
{ ROW(INT(listen_backlog, "128", 1, 65535), 0), HELP(
"How many connections the kernel keeps waiting to be accepted.") },
{ ROW(FILE_(unix_socket_dir, "/tmp"), 0), HELP(
"Directory of our Unix socket, .s.PGSQL.PORT, and of servers without a host. "
"A name that starts with @ is abstract. Empty: no Unix socket.") },
{ .name = "unix_socket_mode", .type = OPT_OCTAL, .group = GROUP_LISTEN,
.def = "0777", .max = 07777, AT(unix_socket_mode), HELP(
"File mode of the Unix socket. Write it with a leading 0.") },
{ ROW(TEXT(unix_socket_group, ""), 0), HELP(
"Group of the Unix socket, by name or number.") },
{ ROW(LIST(proxy_protocol_networks, ""), OPT_RELOAD | OPT_OURS), HELP(
"Addresses and networks of load balancers that pass connections on with a "
"PROXY protocol header, version 1 or 2. From there a header must come, and "
"the address in it is the client's for rules, limits, log and SHOW. From "
"anywhere else a header is refused.") },
{ ROW(BOOL(so_reuseport, "0"), 0), HELP(
"Let several processes listen on one port (SO_REUSEPORT); each needs a "
"unix_socket_dir and a pidfile of its own.") },
{ ROW(INT(peer_id, "0", 0, 16383), OPT_RELOAD), HELP(
"Number of this process among its [peers]; 0: it has none. Cancel requests "
"that a balancer has brought to the wrong process then find the right one.") },
#undef ROW

/* ---- pooling ---- */
#define ROW(kind, fl) kind, .group = GROUP_POOLING, .flags = fl
{ ROW(ENUM(pool_mode, "session", pool_mode_words), OPT_RELOAD), HELP(
"When a server connection goes back to the pool: when the client leaves, "
"when its transaction ends, or after each statement. In statement mode a "
"transaction of several statements is refused.") },
{ ROW(AUTO(default_pool_size, "auto", 0, COUNT_MAX), OPT_RELOAD), .def_compat = "20",
HELP(
"Server connections of one pool at most. A pool is a pair of database and "
"user. auto is the pool size rule, see POOL SIZE; 0 is no limit.") },
{ ROW(AUTO(server_cores, "auto", 1, CORES_MAX), OPT_RELOAD | OPT_OURS), HELP(
"Processor cores of the database server, for the pool size rule. auto takes "
"those of this machine, which is a guess if the server is another one.") },
{ ROW(AUTO(server_spindles, "auto", 0, CORES_MAX), OPT_RELOAD | OPT_OURS),
HELP(
"Disks of the database server that can work at the same time, for the pool "
"size rule; auto is 1, and 0 fits a server whose data is all in memory.") },
{ ROW(COUNT(min_pool_size, "0"), OPT_RELOAD), HELP(
"Server connections to keep open in each pool that is in use, so that the "
"first clients after a quiet time need not wait.") },
{ ROW(COUNT(reserve_pool_size, "0"), OPT_RELOAD), HELP(
"More connections for a pool whose first client has waited "
"reserve_pool_timeout. No effect where the pool size rule is used.") },
{ ROW(TIME(reserve_pool_timeout, "5"), OPT_RELOAD), HELP(
"Wait after which the reserve is used; 0: never.") },
{ ROW(BOOL(server_round_robin, "0"), OPT_RELOAD), HELP(
"Use the connection that was idle for longest, to spread the load over all. "
"Normally the last used one comes first, so that surplus ones grow old.") },
{ ROW(INT(server_login_parallel, "4", 1, 1000), OPT_RELOAD | OPT_OURS), HELP(
"Server connections that one pool opens at the same time at most.") },
{ ROW(MSEC(handover_slack, "1", 60000), OPT_RELOAD | OPT_OURS), HELP(
"A freed server goes to a client of the same worker thread, unless the "
"longest waiting one of all has waited longer by this.") },
{ ROW(COUNT(max_prepared_statements, "200"), OPT_RELOAD), HELP(
"Prepared statements kept on each server connection in transaction and "
"statement mode; past it, the one not used for longest is closed there. A "
"client may have any number, in every mode. 0: they are not tracked.") },
{ ROW(INT(max_inspected_statement, "1048576", 1024, 1073741824),
OPT_RELOAD | OPT_OURS), HELP(
"Bytes of a statement that is looked at as a whole. A longer one cannot be "
"prepared under a name in transaction mode.") },
{ ROW(ENUM(session_state, "track", session_state_words),
OPT_RELOAD | OPT_OURS), HELP(
"What becomes of what a client leaves in its session (SET, temporary tables, "
"advisory locks, LISTEN...) when its server goes to another client, in "
"transaction and statement mode. track: settings follow the client, the rest "
"keeps it on its server. reset: the server is cleaned. pin: all of it keeps "
"the client on its server. deny: such statements are refused. allow: it stays, "
"for whoever comes next. See SESSION STATE.") },
{ ROW(TIME(pin_timeout, "3600"), OPT_RELOAD | OPT_OURS), HELP(
"How long a client that has to keep its server may idle before it is closed; "
"0: for ever.") },
{ ROW(ENUM(unknown_functions, "clean", unknown_functions_words),
OPT_RELOAD | OPT_OURS), HELP(
"Whether a function that is not one of PostgreSQL's own is taken to leave the "
"session as it was, or the server is reset behind it.") },
{ ROW(LIST(stateful_functions, ""), OPT_RELOAD | OPT_OURS), HELP(
"Names of functions behind which the server is reset, whatever "
"unknown_functions says.") },
{ ROW(TEXT(server_reset_query, "DISCARD ALL"), OPT_RELOAD), HELP(
"SQL sent when a client has left, before the connection is used again, in "
"session mode. Empty: none.") },
{ ROW(BOOL(server_reset_query_always, "0"), OPT_RELOAD), HELP(
"Send server_reset_query in every pool mode.") },
{ ROW(BOOL(server_fast_close, "0"), OPT_RELOAD), HELP(
"In session mode, close a connection that has to go (RECONNECT, changed "
"settings) at the end of the transaction, and its client with it.") },
{ ROW(LIST(track_extra_parameters, "IntervalStyle"), 0), HELP(
"Settings that follow a client from server to server besides DateStyle, "
"client_encoding, TimeZone, standard_conforming_strings and "
"application_name. Only settings that the server reports can be listed.") },
{ ROW(LIST(ignore_startup_parameters, ""), OPT_RELOAD), HELP(
"Startup parameters to drop in silence where they would be refused, for "
"example extra_float_digits for JDBC. With options listed, unknown names "
"inside options are dropped too.") },
{ ROW(BOOL(application_name_add_host, "0"), OPT_RELOAD), HELP(
"Add the client's address and port to its application_name at login.") },
{ ROW(ENUM(server_protocol, "auto", server_protocol_words),
OPT_RELOAD | OPT_OURS), HELP(
"Version of the protocol that servers are asked for. 3.2 brings longer keys "
"for cancel requests. auto asks for 3.0 at first, and for 3.2 once a server "
"of the pool has said that it is PostgreSQL 18 or newer. A server that "
"refuses 3.2 is asked for 3.0 at once, and from then on. Clients get what "
"they ask for, whatever this says.") },
{ ROW(BOOL(disable_pqexec, "0"), 0), HELP(
"Refuse simple queries, which can hold several statements.") },
{ ROW(ENUM(client_gone, "cancel", client_gone_words), OPT_RELOAD | OPT_OURS),
HELP(
"What becomes of a query whose client has left: it is cancelled and its "
"transaction rolled back, or left to finish. What the client sent whole "
"before it left is carried out either way.") },
{ ROW(TIME(client_gone_grace, "0.5"), OPT_RELOAD | OPT_OURS), HELP(
"Time that such a query gets before it is cancelled.") },
{ ROW(BOOL(pgbouncer_sqlstates, "0"), OPT_RELOAD | OPT_OURS), HELP(
"Give the pooler's own errors the SQLSTATE 08P01, as PgBouncer does, rather "
"than the one PostgreSQL has for the case.") },
#undef ROW

/* ---- limits ---- */
#define ROW(kind, fl) kind, .group = GROUP_LIMITS, .flags = fl
{ ROW(COUNT(max_client_conn, "100"), OPT_RELOAD), HELP(
"Client connections at most, counted from the startup message on. Console "
"and cancel requests do not count.") },
{ ROW(INT(max_login_conn, "1000", 1, COUNT_MAX), OPT_RELOAD | OPT_OURS), HELP(
"Connections that have not said who they are yet. Past it the one that has "
"been silent for longest is dropped.") },
{ ROW(INT(max_cancel_conn, "10", 1, COUNT_MAX), OPT_RELOAD | OPT_OURS), HELP(
"Connections of one pool that carry cancel requests to the server at the "
"same time. They do not count as server connections.") },
{ ROW(COUNT(max_db_connections, "0"), OPT_RELOAD), HELP(
"Server connections of one database, all users together; 0: no limit, or "
"the figure of the pool size rule where that is used.") },
{ ROW(COUNT(max_db_client_connections, "0"), OPT_RELOAD), HELP(
"Client connections of one database; 0: no limit.") },
{ ROW(COUNT(max_user_connections, "0"), OPT_RELOAD), HELP(
"Server connections of one user, all databases together; 0: no limit.") },
{ ROW(COUNT(max_user_client_connections, "0"), OPT_RELOAD), HELP(
"Client connections of one user; 0: no limit.") },
{ ROW(COUNT(max_waiting_clients, "0"), OPT_RELOAD | OPT_OURS), HELP(
"Clients that wait for a server at the same time, of all pools together. One "
"more gets an error at once (53300) and may go on; at login it is "
"disconnected. 0: no limit.") },
{ ROW(COUNT(max_source_connections, "0"), OPT_RELOAD | OPT_OURS), HELP(
"Connections from one address at most, whether they have logged in or not; "
"of IPv6, from one /64 network. Unix sockets do not count. 0: no limit.") },
{ ROW(INT(max_source_rate, "0", 0, 1000000), OPT_RELOAD | OPT_OURS), HELP(
"New connections from one address in a second; 0: no limit.") },
{ ROW(INT(max_user_rate, "0", 0, 1000000), OPT_RELOAD | OPT_OURS), HELP(
"Logins of one user in a second, by TCP; 0: no limit.") },
{ ROW(INT(max_packet_size, "2147483647", 1024, 2147483647), OPT_RELOAD),
.unit = "bytes", HELP(
"Longest message of the protocol; who announces a longer one is "
"disconnected.") },
#undef ROW

/* ---- timeouts ---- */
#define ROW(kind, fl) kind, .group = GROUP_TIMEOUTS, .flags = fl
{ ROW(TIME(server_lifetime, "3600"), OPT_RELOAD), HELP(
"Age at which a server connection is closed when it is next free. Those "
"opened together do not close together. 0: use once.") },
{ ROW(TIME(server_idle_timeout, "600"), OPT_RELOAD), HELP(
"Close server connections idle for longer, down to min_pool_size; 0: "
"never.") },
{ ROW(TIME(server_connect_timeout, "15"), OPT_RELOAD), HELP(
"Longest time for connecting to a server and logging in; 0: no limit.") },
{ ROW(TIME(server_login_retry, "15"), OPT_RELOAD), HELP(
"Longest pause between attempts to reach a server that failed.") },
{ ROW(TIME(server_down_after, "2"), OPT_RELOAD | OPT_OURS), HELP(
"When no server can be reached for this long, waiting clients get an error "
"with the cause; 0: they wait out query_wait_timeout.") },
{ ROW(TIME(client_login_timeout, "60"), OPT_RELOAD), HELP(
"Longest time from a client's connecting to its being logged in; 0: no "
"limit.") },
{ ROW(TIME(client_idle_timeout, "0"), OPT_RELOAD), HELP(
"Close clients idle for longer that hold no server; 0: never.") },
{ ROW(TIME(client_write_timeout, "60"), OPT_RELOAD | OPT_OURS), HELP(
"Close a client that takes none of its results for this long, as it keeps a "
"server from others; 0: never.") },
{ ROW(TIME(query_timeout, "0"), OPT_RELOAD), HELP(
"Longest time of one query, waiting included; then server and client are "
"closed. 0: no limit.") },
{ ROW(TIME(query_wait_timeout, "120"), OPT_RELOAD), HELP(
"Longest time a query may wait for a server, also during PAUSE; 0: no "
"limit.") },
{ ROW(TIME(query_wait_notify, "5"), OPT_RELOAD), HELP(
"A client that waits for longer gets a notice; 0: none.") },
{ ROW(TIME(cancel_wait_timeout, "10"), OPT_RELOAD), HELP(
"Drop a cancel request that could not be handed on for this long; 0: "
"never.") },
{ ROW(TIME(idle_transaction_timeout, "0"), OPT_RELOAD), HELP(
"Close clients that stay idle inside a transaction for longer; 0: never.") },
{ ROW(TIME(transaction_timeout, "0"), OPT_RELOAD), HELP(
"Longest time of one transaction; 0: no limit.") },
{ ROW(TIME(drain_timeout, "0"), OPT_RELOAD | OPT_OURS), HELP(
"At SIGTERM and SHUTDOWN WAIT_FOR_CLIENTS, close each client at the end of a "
"transaction, one after the other, and be gone after this time at the latest; "
"0: wait until the clients leave by themselves.") },
{ ROW(TIME(autodb_idle_timeout, "3600"), OPT_RELOAD), HELP(
"Forget a database made from the * line, with what was counted for it, when "
"no pool of it had a client or a server for about this long; not while it is "
"paused or disabled, nor within two stats_periods. 0: never.") },
{ ROW(TIME(pool_idle_timeout, "0"), OPT_RELOAD), HELP(
"Forget a pool that had neither clients nor servers for about this long. Its "
"figures stay in those of its database. 0: never.") },
{ ROW(TIME(suspend_timeout, "10"), OPT_RELOAD), HELP(
"During SUSPEND, drop connections that cannot be drained in this time; 0: "
"wait for them.") },
#undef ROW

/* ---- health check ---- */
#define ROW(kind, fl) kind, .group = GROUP_CHECK, .flags = fl
{ ROW(TEXT(server_check_query, "<empty>"), OPT_RELOAD), HELP(
"SQL that tells whether an idle connection is alive. <empty> stands for an "
"empty query; nothing at all turns the check off.") },
{ ROW(TIME(server_check_delay, "30"), OPT_RELOAD), HELP(
"A connection idle for longer is checked before use; 0: always.") },
#undef ROW

/* ---- console and messages ---- */
#define ROW(kind, fl) kind, .group = GROUP_CONSOLE, .flags = fl
{ ROW(LIST(admin_users, ""), OPT_RELOAD), HELP(
"Users who may do everything on the admin console.") },
{ ROW(LIST(stats_users, ""), OPT_RELOAD), HELP(
"Users who may read on the admin console.") },
{ ROW(TEXT(login_notify_message, ""), OPT_RELOAD | OPT_LATER), HELP(
"Notice sent to each client that logs in.") },
#undef ROW

/* ---- authentication ---- */
#define ROW(kind, fl) kind, .group = GROUP_AUTH, .flags = fl
{ ROW(ENUM(auth_type, "md5", auth_type_words), OPT_RELOAD), HELP(
"How clients prove who they are. md5 becomes SCRAM for a user whose secret "
"is a SCRAM one. trust asks for no password. any does not even look at the "
"name and needs user= on each database. hba goes by the rules of "
"auth_hba_file. ldap and pam ask for the password in clear text and have it "
"judged there, see LDAP AND PAM. cert goes by the common name of a client's "
"certificate, exactly, and needs client_tls_sslmode verify-full. Over TLS, "
"SCRAM offers channel binding (SCRAM-SHA-256-PLUS).") },
{ ROW(FILE_(auth_file, NULL), OPT_RELOAD), HELP(
"File of users and their secrets, see AUTH FILE.") },
{ ROW(FILE_(auth_hba_file, ""), OPT_RELOAD), HELP(
"Rules of host-based authentication, for auth_type hba; see HBA FILE.") },
{ ROW(FILE_(auth_ident_file, NULL), OPT_RELOAD), HELP(
"Maps from certificate or system names to users, for auth_type hba; see "
"IDENT FILE.") },
{ ROW(TEXT(auth_ldap_options, NULL), OPT_RELOAD | OPT_SECRET), HELP(
"Options for auth_type ldap, see LDAP AND PAM. Never shown, since a password "
"may stand in it.") },
{ ROW(TEXT(auth_pam_service, "pgbouncer"), OPT_RELOAD | OPT_OURS), HELP(
"Name of the PAM service that auth_type pam asks.") },
{ ROW(INT(auth_threads, "10", 1, 1000), OPT_OURS), HELP(
"Threads that ask LDAP and PAM and run password commands, at most. Twenty times "
"as many may wait for them; who comes then is refused.") },
{ ROW(TIME(password_command_lifetime, "300"), OPT_RELOAD | OPT_OURS), HELP(
"How long the output of a password_command is used before the program is run "
"again. A server that refuses it ends that time.") },
{ ROW(TIME(password_command_timeout, "10"), OPT_RELOAD | OPT_OURS), .min = 1,
HELP(
"How long a password_command may take before it is killed.") },
{ ROW(TEXT(auth_user, NULL), OPT_RELOAD), HELP(
"User under which auth_query looks up those who are not in auth_file. Its own "
"secret stands in auth_file.") },
{ ROW(TEXT(auth_query, AUTH_QUERY), OPT_RELOAD), HELP(
"Query for a user's secret: $1 is the user; two columns, user and secret. A "
"third column is a second secret that is valid too. No row, more than one, "
"and another user's name are all no such user; NULL is a secret that nothing "
"matches.") },
{ ROW(TEXT(auth_dbname, NULL), OPT_RELOAD), HELP(
"Database of [databases] in which auth_query runs; not given: the one that the "
"client wants. With a * line it should be given, as every name that a stranger "
"thinks of is looked up in a database of that name else; of such names, 200 "
"are kept at most until somebody is let in.") },
{ ROW(INT(auth_fail_max, "0", 0, 1000000), OPT_RELOAD | OPT_OURS), HELP(
"Failed logins from one address, or of one user, after which more are "
"refused for a while: 1 second at first, and twice as long with each further "
"failure. A user is not refused where he has logged in from before. 0: no "
"limit.") },
{ ROW(TIME(auth_fail_backoff, "60"), OPT_RELOAD | OPT_OURS), .min = 1, HELP(
"Longest time for which they are refused. After twice that time without a "
"failure all is forgotten.") },
{ ROW(TIME(auth_fail_delay, "0"), OPT_RELOAD | OPT_OURS), HELP(
"Time by which the answer to a failed login is held back.") },
{ ROW(INT(scram_iterations, "4096", 1, 1000000), OPT_RELOAD), HELP(
"Work factor of SCRAM verifiers that are made from plain secrets.") },
#undef ROW

/* ---- TLS ---- */
#define ROW(kind, fl) kind, .group = GROUP_CLIENT_TLS, \
	.flags = OPT_RELOAD | fl
{ ROW(ENUM(client_tls_sslmode, "disable", tls_mode_words), 0), HELP(
"Whether clients may use TLS. disable: no. allow and prefer: those who ask. "
"require: all, but for Unix sockets and plain cancel requests. verify-ca and "
"verify-full: the same, with a certificate of client_tls_ca_file. TLS may begin "
"with an SSLRequest, or directly if the client names the protocol (ALPN).") },
{ ROW(FILE_(client_tls_key_file, ""), 0), HELP(
"Our private key towards clients, without a passphrase. Read again at RELOAD, "
"as all files of TLS; connections that are up go on.") },
{ ROW(FILE_(client_tls_cert_file, ""), 0), HELP(
"Our certificate towards clients, and those between it and its authority.") },
{ ROW(FILE_(client_tls_ca_file, ""), 0), HELP(
"Authorities whose client certificates are good. Without it clients are not "
"asked for one; with it one that a client shows must be good in every mode.") },
{ ROW(FILE_(client_tls_crl_file, ""), OPT_OURS), HELP(
"Lists of revoked client certificates, one of each authority.") },
{ ROW(TEXT(client_tls_protocols, "secure"), 0), HELP(
"TLS versions towards clients: tlsv1.0, tlsv1.1, tlsv1.2, tlsv1.3, all, or "
"secure (1.2 and 1.3); !word takes one away.") },
{ ROW(TEXT(client_tls_ciphers, "default"), 0), HELP(
"Ciphers up to TLS 1.2, as a list of OpenSSL; default: the library's.") },
{ ROW(TEXT(client_tls13_ciphers, NULL), 0), HELP(
"Cipher suites of TLS 1.3; not set: the library's.") },
{ ROW(TEXT(client_tls_dheparams, "auto"), 0), HELP(
"Finite-field key exchange: none or auto.") },
{ ROW(TEXT(client_tls_ecdhcurve, "auto"), 0), HELP(
"Curve of the key exchange: none, auto or a name.") },
{ ROW(FILE_(client_tls_ticket_file, ""), OPT_OURS), HELP(
"Keys of session tickets, for several poolers behind one address: lines of 160 "
"hexadecimal digits, of which the first writes and all read. Empty: keys of our "
"own, made anew each hour.") },
#undef ROW
#define ROW(kind, fl) kind, .group = GROUP_SERVER_TLS, \
	.flags = OPT_RELOAD | fl
{ ROW(ENUM(server_tls_sslmode, "prefer", tls_mode_words), 0), HELP(
"Whether servers are asked for TLS, and what is asked of them. disable: no. "
"allow and prefer: TLS if the server has it. require: TLS, of whomever. "
"verify-ca: its certificate must be good. verify-full: and made out for the "
"host. Never on Unix sockets. Cancel requests do as their session. Where the "
"server offers channel binding (SCRAM-SHA-256-PLUS), it is used.") },
{ ROW(ENUM(server_tls_sslnegotiation, "postgres", sslnegotiation_words),
OPT_OURS), HELP(
"How TLS begins: postgres asks first; direct begins at once, which PostgreSQL "
"17 and later understand, and needs at least require.") },
{ ROW(FILE_(server_tls_ca_file, ""), 0), HELP(
"Authorities whose server certificates are good; empty: the system's.") },
{ ROW(FILE_(server_tls_crl_file, ""), OPT_OURS), HELP(
"Lists of revoked server certificates, one of each authority.") },
{ ROW(FILE_(server_tls_key_file, ""), 0), HELP("Our key towards servers.") },
{ ROW(FILE_(server_tls_cert_file, ""), 0), HELP(
"Our certificate towards servers.") },
{ ROW(TEXT(server_tls_protocols, "secure"), 0), HELP(
"TLS versions towards servers.") },
{ ROW(TEXT(server_tls_ciphers, "default"), 0), HELP(
"Ciphers up to TLS 1.2.") },
{ ROW(TEXT(server_tls13_ciphers, NULL), 0), HELP(
"Cipher suites of TLS 1.3.") },
#undef ROW

/* ---- DNS ---- */
#define ROW(kind, fl) kind, .group = GROUP_DNS, .flags = fl
{ ROW(TIME(dns_max_ttl, "15"), OPT_RELOAD), HELP(
"How long the addresses of a server's name are used, whatever the records say. "
"A name by which servers are connected is then looked up again; servers at "
"addresses that have gone are closed, those in use when they are free. While no "
"name server answers, the last good addresses are used on.") },
{ ROW(TIME(dns_nxdomain_ttl, "15"), OPT_RELOAD), HELP(
"How long it is believed that a name does not exist. What is no answer (a "
"name server that is silent or fails) is believed for a second.") },
{ ROW(TIME(dns_zone_check_period, "0"), OPT_RELOAD), HELP(
"Period in which the serials of the zones of servers' names are asked for; the "
"names of a zone that has changed are looked up again at once. 0: never.") },
{ ROW(FILE_(resolv_conf, ""), OPT_RELOAD), HELP(
"A resolv.conf of our own; empty: the system's. A file that changes is taken "
"up by itself.") },
#undef ROW

/* ---- low level ---- */
#define ROW(kind, fl) kind, .group = GROUP_LOW_LEVEL, .flags = fl
{ ROW(INT(pkt_buf, "4096", 1, COUNT_MAX), OPT_IGNORED), .unit = "bytes", HELP(
"Taken for compatibility; connections here have no buffer of their own.") },
{ ROW(INT(sbuf_loopcnt, "5", 0, COUNT_MAX), OPT_RELOAD | OPT_IGNORED), HELP(
"Taken for compatibility; each connection's share of a turn is fixed "
"here.") },
{ ROW(BOOL(tcp_defer_accept, "1"), 0), HELP(
"Let the kernel hold back connections that have not sent anything yet "
"(TCP_DEFER_ACCEPT).") },
{ ROW(BOOL(tcp_keepalive, "1"), OPT_RELOAD), HELP(
"Let the kernel probe silent peers.") },
{ ROW(INT(tcp_keepcnt, "0", 0, 32767), OPT_RELOAD), HELP(
"Lost probes that end a connection; 0: the system's.") },
{ ROW(INT(tcp_keepidle, "0", 0, 32767), OPT_RELOAD), .unit = "seconds", HELP(
"Silence before the first probe; 0: the system's.") },
{ ROW(INT(tcp_keepintvl, "0", 0, 32767), OPT_RELOAD), .unit = "seconds", HELP(
"Time between two probes; 0: the system's.") },
{ ROW(INT(tcp_user_timeout, "0", 0, COUNT_MAX), OPT_RELOAD),
.unit = "milliseconds", HELP(
"Longest time that sent data may stay unacknowledged; 0: the system's.") },
{ ROW(INT(tcp_socket_buffer, "0", 0, COUNT_MAX), OPT_RELOAD),
.unit = "bytes", HELP(
"Size of the kernel's buffers of each socket; 0: the system's.") },
#undef ROW
};

const struct option *
config_options(enum option_scope s, size_t *n)
{
	switch (s) {
	case SCOPE_GLOBAL:
		*n = ARRAY_LEN(global_options);
		return global_options;
	case SCOPE_DATABASE:
	case SCOPE_USER:
	case SCOPE_PEER:
		return config_line_options(s, n);
	}
	*n = 0;
	return NULL;
}
