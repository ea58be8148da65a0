/*
 * config: an immutable snapshot of everything the operator has said.
 *
 * It is made whole or not at all: config_load() reads the file, what it
 * includes and the auth_file through a callback, collects every error, and
 * gives a snapshot only if there was none. Nothing in it changes afterwards,
 * so any thread may read it while it holds a reference. RELOAD makes a new
 * one; SET makes a new one with one key changed.
 *
 * Fields are named as their keys. Times are microseconds (_us). Texts are
 * never NULL unless said; "" = empty or unset. What a field means stands in
 * the table of options (config_options()) and in pooler.ini(5), which is made
 * from it. Do not pick database and user overrides by hand: the functions at
 * the end apply the precedence.
 *
 * Pure: files come through a callback; no clock, socket, log or global state.
 */
#ifndef POLICY_CONFIG_H
#define POLICY_CONFIG_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "policy/hba.h"
#include "policy/option.h"
#include "proto/param.h"

enum pool_mode { POOL_SESSION, POOL_TRANSACTION, POOL_STATEMENT };
/* What becomes of session state in transaction and statement mode. */
enum session_state {
	STATE_TRACK,
	STATE_RESET,
	STATE_PIN,
	STATE_DENY,
	STATE_ALLOW
};
enum unknown_functions { FUNCTIONS_CLEAN, FUNCTIONS_DIRTY };
/* "session", "transaction", "statement" */
const char *pool_mode_name(enum pool_mode m);

enum auth_type {
	AUTH_TYPE_ANY,
	AUTH_TYPE_TRUST,
	AUTH_TYPE_PLAIN,
	AUTH_TYPE_MD5,
	AUTH_TYPE_SCRAM,
	AUTH_TYPE_HBA,
	AUTH_TYPE_CERT,
	AUTH_TYPE_LDAP,
	AUTH_TYPE_PAM,
};
const char *auth_type_name(enum auth_type t);

enum tls_mode {
	TLS_DISABLE,
	TLS_ALLOW,
	TLS_PREFER,
	TLS_REQUIRE,
	TLS_VERIFY_CA,
	TLS_VERIFY_FULL,
};

enum sslnegotiation { SSLNEGOTIATION_POSTGRES, SSLNEGOTIATION_DIRECT };

/* What servers are asked for: see server_protocol. */
enum server_protocol {
	SERVER_PROTOCOL_AUTO,
	SERVER_PROTOCOL_3_0,
	SERVER_PROTOCOL_3_2,
};

enum client_gone { CLIENT_GONE_CANCEL, CLIENT_GONE_FINISH };
enum load_balance { LOAD_BALANCE_ROUND_ROBIN, LOAD_BALANCE_DISABLE };

#define DATABASE_NAME_MAX 63

/* One line of [databases]. Numbers and times: OPTION_UNSET (-1) = not given. */
struct database_conf {
	const char *name; /* "*" for the template */
	const char *dbname; /* on the server; "" in the template = as asked */
	const char *host; /* as written, may be a list; "" = Unix socket */
	int port;
	const char *user; /* forced user, "" = the login name */
	const char *password; /* of the forced user; NULL if unset */
	const char *auth_user, *auth_query, *auth_dbname;
	const char *password_command;
	int pool_size; /* may be OPTION_AUTO */
	int min_pool_size;
	int reserve_pool_size;
	int pool_mode; /* enum pool_mode or -1 */
	int session_state; /* enum session_state or -1 */
	const char *stateful_functions; /* "" = the global list */
	int max_db_connections;
	int max_db_client_connections;
	int max_waiting_clients;
	int64_t server_lifetime_us;
	int64_t query_wait_timeout_us;
	int64_t server_down_after_us;
	int load_balance_hosts; /* enum load_balance; never unset */
	int cores, spindles;
	const char *connect_query;
	const char *client_encoding, *datestyle, *timezone;
	const char *application_name;

	/* The pool size rule, worked out: what config_pool_size() says for a
	 * user without an override, and why, ready for a log line, e.g.
	 * "9 = 4 cores * 2 + 1 spindle (cores= and spindles= of this
	 * database)" or "20 (default_pool_size)". */
	bool size_auto; /* the rule was used: it bounds the whole database */
	int size; /* 0 = no limit */
	const char *size_reason;

	const char *file; /* where the line stands; "" = nowhere */
	int line;
};

/* One line of [users]. */
struct user_conf {
	const char *name;
	const char *password_command;
	int pool_size;
	int reserve_pool_size;
	int pool_mode;
	int session_state;
	int max_user_connections;
	int max_user_client_connections;
	int max_waiting_clients;
	int64_t query_timeout_us;
	int64_t query_wait_timeout_us;
	int64_t idle_transaction_timeout_us;
	int64_t transaction_timeout_us;
	int64_t client_idle_timeout_us;
	const char *file;
	int line;
};

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* One line of [peers]. */
struct peer_conf {
	int id;
	const char *host;
	int port;
	int pool_size; /* -1: as default_pool_size */
	const char *file;
	int line;
};

struct config {
	/* process, files, log */
	const char *logfile;
	bool syslog;
	const char *syslog_ident;
	const char *syslog_facility;
	enum log_format log_format;
	int64_t log_min_duration_us; /* 0 = off */
	int log_duration_sample; /* percent */
	bool log_connections, log_disconnections, log_pooler_errors, log_stats;
	int64_t stats_period_us;
	int verbose;
	const char *pidfile;
	const char *user; /* OS user to become */
	const char *conffile; /* what RELOAD reads; "" without a file */
	const char *job_name;
	int worker_threads; /* resolved, at least 1 */

	/* where to listen */
	const char *listen_addr; /* list; "" = Unix socket only */
	int listen_port;
	int listen_backlog;
	const char *unix_socket_dir; /* "" = none */
	int unix_socket_mode;
	const char *unix_socket_group;
	bool so_reuseport;
	const char *proxy_protocol_networks; /* see config_is_proxy() */
	int peer_id;

	/* pooling */
	enum pool_mode pool_mode;
	int default_pool_size; /* resolved; 0 = no limit */
	bool pool_size_auto; /* default_pool_size = auto */
	int server_cores, server_spindles; /* resolved */
	int min_pool_size;
	int reserve_pool_size;
	int64_t reserve_pool_timeout_us;
	bool server_round_robin;
	int server_login_parallel;
	int64_t handover_slack_us;
	int max_prepared_statements;
	int max_inspected_statement;
	enum session_state session_state;
	enum unknown_functions unknown_functions;
	const char *stateful_functions;
	int64_t pin_timeout_us;
	const char *server_reset_query; /* "" = none */
	bool server_reset_query_always;
	bool server_fast_close;
	const char *track_extra_parameters;
	const char *ignore_startup_parameters;
	bool application_name_add_host;
	enum server_protocol server_protocol;
	bool disable_pqexec;
	enum client_gone client_gone;
	int64_t client_gone_grace_us;
	bool pgbouncer_sqlstates;

	/* limits */
	int max_client_conn;
	int max_login_conn;
	int max_cancel_conn;
	int max_db_connections;
	int max_db_client_connections;
	int max_user_connections;
	int max_user_client_connections;
	int max_waiting_clients;
	int max_packet_size;
	int max_source_connections, max_source_rate, max_user_rate;

	/* timeouts; 0 = off unless the table says otherwise */
	int64_t server_lifetime_us;
	int64_t server_idle_timeout_us;
	int64_t server_connect_timeout_us;
	int64_t server_login_retry_us;
	int64_t server_down_after_us; /* 0 = wait out query_wait_timeout */
	int64_t client_login_timeout_us;
	int64_t client_idle_timeout_us;
	int64_t client_write_timeout_us;
	int64_t query_timeout_us;
	int64_t query_wait_timeout_us;
	int64_t query_wait_notify_us;
	int64_t cancel_wait_timeout_us;
	int64_t idle_transaction_timeout_us;
	int64_t transaction_timeout_us;
	int64_t drain_timeout_us;
	int64_t autodb_idle_timeout_us;
	int64_t pool_idle_timeout_us;
	int64_t suspend_timeout_us;

	/* health check; "<empty>" = an empty query, "" = no check */
	const char *server_check_query;
	int64_t server_check_delay_us;

	/* console and messages */
	const char *admin_users, *stats_users; /* see config_is_admin() */
	const char *login_notify_message;

	/* authentication */
	enum auth_type auth_type;
	const char *auth_file, *auth_hba_file, *auth_ident_file;
	const char *auth_ldap_options;
	const char *auth_pam_service;
	int auth_threads;
	int64_t password_command_lifetime_us;
	int64_t password_command_timeout_us;
	const char *auth_user, *auth_query, *auth_dbname;
	int scram_iterations;
	int auth_fail_max;
	int64_t auth_fail_backoff_us, auth_fail_delay_us;

	/* TLS */
	enum tls_mode client_tls_sslmode;
	const char *client_tls_key_file, *client_tls_cert_file;
	const char *client_tls_ca_file, *client_tls_protocols;
	const char *client_tls_ciphers, *client_tls13_ciphers;
	const char *client_tls_dheparams, *client_tls_ecdhcurve;
	const char *client_tls_crl_file, *client_tls_ticket_file;
	enum tls_mode server_tls_sslmode;
	const char *server_tls_key_file, *server_tls_cert_file;
	const char *server_tls_ca_file, *server_tls_protocols;
	const char *server_tls_ciphers, *server_tls13_ciphers;
	const char *server_tls_crl_file;
	enum sslnegotiation server_tls_sslnegotiation;
	struct tls_set *tls; /* what came of them; see tls_set.h */

	/* DNS */
	int64_t dns_max_ttl_us, dns_nxdomain_ttl_us;
	int64_t dns_zone_check_period_us;
	const char *resolv_conf;

	/* low level */
	int pkt_buf, sbuf_loopcnt;
	bool tcp_defer_accept, tcp_keepalive;
	int tcp_keepcnt, tcp_keepidle, tcp_keepintvl; /* s; 0 = the system's */
	int tcp_user_timeout; /* ms; 0 = the system's */
	int tcp_socket_buffer; /* bytes; 0 = the system's */

	/* What was written where the fields above hold what came of it;
	 * for the table of options only. */
	int worker_threads_text, default_pool_size_text;
	int server_cores_text, server_spindles_text;

	/* made from track_extra_parameters */
	struct param_names *param_names;

	/* the other sections, each sorted by name (peers by id) */
	const struct database_conf *const *databases; /* without "*" */
	size_t n_databases;
	const struct database_conf *autodb; /* "*", or NULL */
	const struct user_conf *const *users;
	size_t n_users;
	const struct peer_conf *const *peers;
	size_t n_peers;
	size_t n_secrets; /* users of auth_file */
	const struct hba *hba; /* NULL unless auth_type is hba */
};

/* Has set go with the snapshot, which nobody else may have seen yet. */
struct tls_set;
void config_hang_tls(struct config *c, struct tls_set *set,
    void (*unref)(struct tls_set *set));

/* Atomic count. All memory is overwritten at the end. */
struct config *config_ref(struct config *c);
void config_unref(struct config *c); /* NULL is fine */

/* What a load found. Errors have file, line and mostly a hint. */
struct config_report {
	struct err *errors;
	size_t n_errors;
	size_t n_untold; /* errors past CONFIG_ERRORS_MAX, only counted */
	char **warnings; /* one line each, without a line end */
	size_t n_warnings;
};
#define CONFIG_ERRORS_MAX 200

void config_report_init(struct config_report *r);
void config_report_fini(struct config_report *r);
/* Every error as "file:line: message" and, on its own line, "hint: ...". */
void config_report_print(const struct config_report *r, struct buf *out);

/* Where a load takes things from. */
struct config_input {
	const char *path; /* of the file; also what errors call it */
	/* Appends the whole file to out, or says why not. It may hold
	 * secrets: make room for all of it first, as growing leaves pieces
	 * behind; out is wiped here. */
	bool (*read_file)(void *arg, const char *path, struct buf *out,
	    struct err *e);
	/* The environment; NULL for an unset variable. Only for
	 * config_from_env(). */
	const char *(*env)(void *arg, const char *name);
	void *arg;
	int machine_cores; /* of this machine, at least 1 */
	/* The snapshot in use, or NULL at start. Keys that are read at start
	 * only keep its value, with a warning where the file differs. */
	const struct config *running;
};

/* A snapshot with one reference, or NULL with at least one error in rep,
 * which is fresh from config_report_init(). */
struct config *config_load(const struct config_input *in,
    struct config_report *rep);
/*
 * Without a file: the variables of config_variables[]. Clients log in as
 * DB_USER with its password by SCRAM; DB_USER may use the console.
 */
struct config *config_from_env(const struct config_input *in,
    struct config_report *rep);
struct config_variable {
	const char *name;
	const char *key; /* of [pooler] that it sets, or NULL */
	const char *def; /* NULL = none */
	const char *help;
};
extern const struct config_variable config_variables[];
extern const size_t n_config_variables;

/*
 * SET of the console: a new snapshot that differs from old in one key, or
 * NULL with an error: unknown key, bad value, a key read at start only, or
 * one that names a file to read (those need RELOAD). What SET changed is lost
 * at the next config_load(). It shares old's memory, but has lines of
 * [databases] of its own.
 */
struct config *config_with(struct config *old, const char *key,
    const char *value, struct err *e);

/* The table of keys of one scope, in the order of the man page. Rows with
 * OPT_ALIAS are second spellings, not shown anywhere. */
const struct option *config_options(enum option_scope s, size_t *n);
/* The value of row `index` of SCOPE_GLOBAL as SHOW CONFIG has it; false past
 * the end. The default of a row is its `def`. */
bool config_value(const struct config *c, size_t index, struct buf *out);
/* Everything as a pooler.ini that config_load() takes. Secrets are left out,
 * with a comment in their place. */
void config_print(const struct config *c, struct buf *out);

/* ---- questions ---- */

/* Exact name; NULL if there is none. Never the "*" template. */
const struct database_conf *config_database(const struct config *c,
    const char *name);
const struct user_conf *config_user(const struct config *c, const char *name);
/* The secret of a user in auth_file, or NULL. *known (may be NULL): the user
 * stands in auth_file or in [users]. An empty secret lets nobody in. */
const char *config_secret(const struct config *c, const char *user,
    bool *known);
/* Its second one, which is valid too, or NULL. */
const char *config_old_secret(const struct config *c, const char *user);
/* The line of auth_file that has the secret; 0 if none has. */
int config_secret_line(const struct config *c, const char *user);
/* The name of user i of auth_file, i < n_secrets, sorted by name. */
const char *config_secret_user(const struct config *c, size_t i);
/* May, and must, it say by a PROXY header for whom it speaks? */
bool config_is_proxy(const struct config *c, const struct ip *ip);
bool config_is_admin(const struct config *c, const char *user);
bool config_is_stats_user(const struct config *c, const char *user);

/*
 * Values after precedence. db is never NULL; a pool user is the forced user
 * of the database or else the login user. Users by name, known or not.
 */
enum session_state config_session_state(const struct config *c,
    const struct database_conf *db, const char *user);
const char *config_stateful_functions(const struct config *c,
    const struct database_conf *db);
enum pool_mode config_pool_mode(const struct config *c,
    const struct database_conf *db, const char *pool_user);
/* Servers per pool; 0 = no limit. */
int config_pool_size(const struct config *c, const struct database_conf *db,
    const char *pool_user);
int config_min_pool_size(const struct config *c,
    const struct database_conf *db);
int config_reserve_pool_size(const struct config *c,
    const struct database_conf *db, const char *pool_user);
/* Servers per database; 0 = no limit. With the pool size rule and nothing
 * set it is the rule's figure. */
int config_max_db_connections(const struct config *c,
    const struct database_conf *db);
int config_max_db_client_connections(const struct config *c,
    const struct database_conf *db);
int config_max_user_connections(const struct config *c, const char *pool_user);
/* max_waiting_clients of one line; 0 = no limit. */
int config_max_db_waiting(const struct database_conf *db);
int config_max_user_waiting(const struct config *c, const char *pool_user);
int config_max_user_client_connections(const struct config *c,
    const char *login_user);
int64_t config_server_lifetime_us(const struct config *c,
    const struct database_conf *db);
int64_t config_query_timeout_us(const struct config *c, const char *pool_user);
int64_t config_idle_transaction_timeout_us(const struct config *c,
    const char *pool_user);
int64_t config_transaction_timeout_us(const struct config *c,
    const char *pool_user);
int64_t config_client_idle_timeout_us(const struct config *c,
    const char *login_user);
int64_t config_query_wait_timeout_us(const struct config *c,
    const struct database_conf *db, const char *login_user);
int64_t config_server_down_after_us(const struct config *c,
    const struct database_conf *db);
/* auth_user and its kin: the database's, else the global one. Here db may be
 * NULL: the global ones. */
const char *config_auth_user(const struct config *c,
    const struct database_conf *db);
const char *config_auth_query(const struct config *c,
    const struct database_conf *db);
const char *config_auth_dbname(const struct config *c,
    const struct database_conf *db);
/* Of the pool user's line, else of the database's; "" = none. */
const char *config_password_command(const struct config *c,
    const struct database_conf *db, const char *pool_user);
/* A name of the admin console's. */
bool config_is_console(const char *database);

#endif
