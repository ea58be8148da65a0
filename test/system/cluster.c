/*
 * The PostgreSQL behind the pooler: one throw-away cluster per program,
 * tuned to start and work fast, not to survive.
 */
#include "internal.h"

#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char bindir[256];
static char datadir[256];
static char socketdir[256];
static int port;

static const char hba[] = "local all all trust\n"
			  "host all scrammer 127.0.0.1/32 scram-sha-256\n"
			  "host all md5er 127.0.0.1/32 md5\n"
			  "host all clear 127.0.0.1/32 password\n"
			  "host all refused 127.0.0.1/32 reject\n"
			  "host replication postgres 127.0.0.1/32 trust\n"
			  "host all all 127.0.0.1/32 trust\n";

static const char conf[] = "listen_addresses = '127.0.0.1'\n"
			   "max_connections = 150\n"
			   "shared_buffers = 64MB\n"
			   "fsync = off\n"
			   "synchronous_commit = off\n"
			   "full_page_writes = off\n"
			   "wal_level = logical\n"
			   "max_wal_senders = 8\n"
			   "autovacuum = off\n"
			   "log_min_messages = warning\n"
			   "log_line_prefix = '%m [%p] %u@%d '\n"
			   "unix_socket_permissions = 0777\n";

static const char *const roles =
    "SET password_encryption = 'scram-sha-256';"
    "CREATE ROLE alice LOGIN PASSWORD 'alice-pw';"
    "CREATE ROLE bob LOGIN PASSWORD 'bob-pw';"
    "CREATE ROLE carol LOGIN PASSWORD 'carol-pw';"
    "CREATE ROLE dave LOGIN PASSWORD 'dave-pw';"
    "CREATE ROLE scrammer LOGIN PASSWORD 'scrammer-pw';"
    "CREATE ROLE clear LOGIN PASSWORD 'clear-pw';"
    "CREATE ROLE refused LOGIN PASSWORD 'refused-pw';"
    "CREATE ROLE limited LOGIN PASSWORD 'limited-pw' CONNECTION LIMIT 2;"
    "SET password_encryption = 'md5';"
    "CREATE ROLE md5er LOGIN PASSWORD 'md5er-pw';";

const char *
pg_bindir(void)
{
	return bindir;
}

int
pg_port(void)
{
	return port;
}

const char *
pg_socket_dir(void)
{
	return socketdir;
}

bool
cluster_available(void)
{
	const char *env = getenv("PGBINDIR");
	char path[300];
	glob_t g;

	if (env != NULL) {
		snprintf(bindir, sizeof(bindir), "%s", env);
	} else if (glob("/usr/lib/postgresql/*/bin", 0, NULL, &g) == 0) {
		snprintf(bindir, sizeof(bindir), "%s",
		    g.gl_pathv[g.gl_pathc - 1]);
		globfree(&g);
	} else {
		return false;
	}
	snprintf(path, sizeof(path), "%s/initdb", bindir);
	return access(path, X_OK) == 0;
}

/* Runs one of PostgreSQL's programs as the unprivileged user. */
static int
run(const char *program, const char *a, const char *b, const char *c,
    const char *d, const char *e)
{
	char *path = fx_format("%s/%s", bindir, program);
	char *log = fx_format("%s/cluster.log", fx_dir());
	char *argv[] = { path, (char *)"-D", datadir, (char *)a, (char *)b,
		(char *)c, (char *)d, (char *)e, NULL };
	int rc = fx_wait_exit(fx_spawn(log, true, argv), 120000);

	free(path);
	free(log);
	return rc;
}

static void
configure(void)
{
	char *path = fx_format("%s/pg_hba.conf", datadir);
	char *text = fx_format("%sport = %d\nunix_socket_directories = '%s'\n",
	    conf, port, socketdir);

	fx_write_file(path, hba);
	free(path);
	path = fx_format("%s/postgresql.conf", datadir);
	fx_write_file(path, text);
	free(path);
	free(text);
}

static bool
start(void)
{
	char *log = fx_format("%s/postgres.log", socketdir);
	int rc = run("pg_ctl", "-w", "-s", "-l", log, "start");

	free(log);
	return rc == 0;
}

/* Check's macros work inside tests only, and this is before them. */
static void
must(PGconn *conn, const char *sql)
{
	PGresult *r = PQexec(conn, sql);

	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		fx_die("%s", PQerrorMessage(conn));
	PQclear(r);
}

void
cluster_init(void)
{
	snprintf(datadir, sizeof(datadir), "%s/data", fx_dir());
	snprintf(socketdir, sizeof(socketdir), "%s/pg", fx_dir());
}

void
cluster_create(void)
{
	static const char *const dbs[] = { "app", "app2", "app3" };
	PGconn *conn;
	char *info;

	if (mkdir(datadir, 0700) != 0 || mkdir(socketdir, 0755) != 0)
		fx_die("mkdir: %s", strerror(errno));
	fx_give_away(datadir);
	fx_give_away(socketdir);
	if (run("initdb", "-Upostgres", "-Atrust", "-N", "-EUTF8",
		"--locale=C") != 0)
		fx_die("initdb failed, see KEEP=1 and cluster.log");
	/* Somebody else may take the free port before PostgreSQL does. */
	for (int i = 0;; i++) {
		port = fx_free_port();
		configure();
		if (start())
			break;
		if (i == 5)
			fx_die("PostgreSQL does not start in %s", datadir);
	}
	info = fx_format("host=%s port=%d user=postgres dbname=postgres",
	    socketdir, port);
	conn = PQconnectdb(info);
	free(info);
	must(conn, roles);
	for (size_t i = 0; i < sizeof(dbs) / sizeof(dbs[0]); i++) {
		info = fx_format("CREATE DATABASE %s OWNER alice", dbs[i]);
		must(conn, info);
		free(info);
	}
	PQfinish(conn);
}

static bool
is_up(void)
{
	char *path = fx_format("%s/postmaster.pid", datadir);
	char *text = fx_read_file(path);
	pid_t pid = (pid_t)atoi(text);

	free(path);
	free(text);
	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

void
cluster_ensure_up(void)
{
	if (!is_up())
		pg_start();
	/* Backends that the killed pooler of the last test left behind. */
	pg_exec("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
		"WHERE backend_type = 'client backend' AND "
		"usename <> 'postgres'");
}

void
cluster_remove(void)
{
	if (is_up())
		run("pg_ctl", "-s", "-m", "immediate", "-w", "stop");
}

void
pg_stop(const char *mode)
{
	ck_assert_int_eq(run("pg_ctl", "-s", "-w", "-m", mode, "stop"), 0);
	pg_forget();
}

void
pg_start(void)
{
	ck_assert_msg(start(), "PostgreSQL does not start again");
}
