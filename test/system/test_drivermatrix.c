/*
 * The driver matrix: what applications do, in each driver's own way, in
 * session and in transaction mode. Each driver has one small application in
 * drivers/matrix/, which prints a line per cell. Four of them run at once on
 * a pool of two servers; a cell is ok when all four say so.
 *
 * What is not installed is told with the name of its package, and skipped.
 * An application also runs alone: it wants what run_apps() exports.
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define APPS 4
#define REASON 400
#define DIR SYSTEM_SRCDIR "/test/system/drivers/matrix/"
#define BUILT "driver-matrix/" /* in the build folder */

static const char *const features[] = { "prepared", "pipeline", "cursor",
	"set", "txn", "listen", "copy", "cancel", "lock",
	"ownpid" };
#define NFEATURES (sizeof(features) / sizeof(features[0]))

struct driver {
	const char *name;
	const char *needs; /* shell: fails when it is not there */
	const char *package; /* what to install then, on Debian */
	const char *build; /* or NULL; makes something in BUILT */
	const char *run;
};

#define PYTHON "/usr/bin/python3 "
#define HAS(module) PYTHON "-c 'import " module "'"
#define NODE "env NODE_PATH=node-driver/node_modules:/usr/share/nodejs node "
/* What only npm has: fetched once, when that was asked for (make check-drivers),
 * and kept in the build folder. */
#define NPM(module, packages)                                         \
	NODE "-e 'require(\"" module "\")' 2>/dev/null || "             \
	     "{ test -n \"$DRIVERS_FETCH\" && timeout 120 npm install " \
	     "--silent --no-audit --no-fund --prefix node-driver "     \
	     packages "; }"
#define JAR "/usr/share/java/postgresql.jar"
#define PQ_GO "/usr/share/gocode/src/github.com/lib/pq"

/*
 * Cells that are left out, because of what the pooler cannot do yet: the
 * application is told in APP_SKIP. The reason is printed.
 */
static const struct gap {
	const char *driver;
	const char *mode;
	const char *feature;
	const char *why;
} gaps[] = {
	{ "postgres.js", "session", "listen", "its listener is a connection of "
	    "its own, and four sessions hold two servers each" },
};
#define NGAPS (sizeof(gaps) / sizeof(gaps[0]))

/* Columns of a row; "" until an application has said something. */
struct row {
	char cell[NFEATURES][REASON];
};

/* --- what the applications say --- */

static int
feature_of(const char *name, size_t len)
{
	for (size_t i = 0; i < NFEATURES; i++)
		if (strlen(features[i]) == len &&
		    memcmp(features[i], name, len) == 0)
			return (int)i;
	return -1;
}

/* The first that is not well stays. */
static void
note(char *cell, const char *outcome, size_t len)
{
	if (cell[0] != '\0' && strcmp(cell, "ok") != 0 &&
	    strcmp(cell, "-") != 0)
		return;
	snprintf(cell, REASON, "%.*s", (int)len, outcome);
}

/* cell FEATURE OUTCOME */
static void
read_line(struct row *row, bool *seen, const char *line, size_t len)
{
	const char *name = line + 5, *end = line + len, *space;
	int i;

	if (len < 6 || memcmp(line, "cell ", 5) != 0)
		return;
	space = memchr(name, ' ', (size_t)(end - name));
	if (space == NULL)
		return;
	i = feature_of(name, (size_t)(space - name));
	ck_assert_msg(i >= 0, "no such feature: %.*s", (int)len, line);
	seen[i] = true;
	note(row->cell[i], space + 1, (size_t)(end - space - 1));
}

/* What an application did not come to, it failed in; what it did not speak of
 * until its end, its driver does not have. */
static void
read_output(struct row *row, const char *text)
{
	bool seen[NFEATURES] = { false };
	const char *unseen = "it did not get there";
	size_t len;

	if (strstr(text, "done\n") != NULL)
		unseen = "-";
	for (const char *p = text; *p != '\0'; p += len + (p[len] == '\n')) {
		len = strcspn(p, "\n");
		read_line(row, seen, p, len);
	}
	for (size_t i = 0; i < NFEATURES; i++)
		if (!seen[i])
			note(row->cell[i], unseen, strlen(unseen));
	if (strcmp(unseen, "-") != 0)
		printf("%s\n", text);
}

/* --- running them --- */

static const struct gap *
gap_of(const struct driver *d, const char *mode, const char *feature)
{
	for (size_t i = 0; i < NGAPS; i++)
		if (strcmp(gaps[i].driver, d->name) == 0 &&
		    strcmp(gaps[i].mode, mode) == 0 &&
		    strcmp(gaps[i].feature, feature) == 0)
			return &gaps[i];
	return NULL;
}

/* What goes into APP_SKIP: names with a blank on both sides. */
static void
list_gaps(char *out, size_t size, const struct driver *d, const char *mode)
{
	size_t len = (size_t)snprintf(out, size, " ");

	for (size_t i = 0; i < NFEATURES; i++)
		if (gap_of(d, mode, features[i]) != NULL && len < size)
			len += (size_t)snprintf(out + len, size - len, "%s ",
			    features[i]);
}

static void
run_apps(const struct driver *d, const char *mode, struct row *row)
{
	struct pooler *p = pooler_start("pool_mode = %s\n"
					"default_pool_size = 2\n"
					"worker_threads = 2\n",
	    mode);
	char path[320], skip[128], *out;
	int rc;

	list_gaps(skip, sizeof(skip), d, mode);
	rc = fx_shell(&out,
	    "export APP_HOST=127.0.0.1 APP_PORT=%d APP_MODE=%s APP_DIR=%s "
	    "APP_SKIP='%s' PYTHONDONTWRITEBYTECODE=1\n"
	    "for n in 1 2 3 4; do\n"
	    "APP_WORKER=$n PGOPTIONS=\"-c lock_timeout=1000$n\" "
	    "timeout %d %s >%s/app.$n 2>&1 &\n"
	    "done; wait\n",
	    p->port, mode, p->dir, skip, fx_scaled(40000) / 1000, d->run, p->dir);
	ck_assert_msg(rc == 0, "%s", out);
	free(out);
	for (int n = 1; n <= APPS; n++) {
		snprintf(path, sizeof(path), "%s/app.%d", p->dir, n);
		out = fx_read_file(path);
		read_output(row, out);
		free(out);
	}
	pooler_stop(p);
}

static bool
is_well(const char *cell)
{
	return strcmp(cell, "ok") == 0 || strcmp(cell, "-") == 0;
}

/* Below a row: why a cell is not what it should be. */
static int
explain(const struct driver *d, const char *mode, const struct row *row)
{
	const struct gap *gap;
	int bad = 0;

	for (size_t i = 0; i < NFEATURES; i++) {
		if (!is_well(row->cell[i])) {
			printf("    %s: %s\n", features[i], row->cell[i]);
			bad++;
		}
		gap = gap_of(d, mode, features[i]);
		if (gap != NULL)
			printf("    %s: left out: %s\n", gap->feature,
			    gap->why);
	}
	return bad;
}

/* One line of the matrix, with what there is to say about it. */
static int
print_row(const struct driver *d, const char *mode, const struct row *row)
{
	const char *shown;
	int bad;

	printf("%-16s %-12s", d->name, mode);
	for (size_t i = 0; i < NFEATURES; i++) {
		shown = is_well(row->cell[i]) ? row->cell[i] : "FAILS";
		if (gap_of(d, mode, features[i]) != NULL)
			shown = "gap";
		printf(" %-8s", shown);
	}
	printf("\n");
	bad = explain(d, mode, row);
	fflush(stdout);
	return bad;
}

/* Under a lock: two runs may share a build folder. */
static void
build(const struct driver *d)
{
	char *out;
	int rc;

	if (d->build == NULL)
		return;
	rc = fx_shell(&out,
	    "mkdir -p " BUILT " && flock " BUILT "lock sh -c '%s'", d->build);
	ck_assert_msg(rc == 0, "%s does not compile: %s", d->name, out);
	free(out);
}

static void
run_driver(const struct driver *d)
{
	static const char *const modes[] = { "session", "transaction" };
	int bad = 0;

	if (fx_shell(NULL, "%s", d->needs) != 0) {
		printf("%-16s skipped: not installed (Debian: %s)\n", d->name,
		    d->package);
		fflush(stdout);
		return;
	}
	build(d);
	for (size_t m = 0; m < 2; m++) {
		struct row row = { { "" } };

		run_apps(d, modes[m], &row);
		bad += print_row(d, modes[m], &row);
	}
	ck_assert_msg(bad == 0, "%s: %d cells fail", d->name, bad);
}

/* --- the drivers --- */

#define DRIVER(id, ...)                                          \
	START_TEST (id) {                                        \
		static const struct driver d = { __VA_ARGS__ };  \
		run_driver(&d);                                  \
	}                                                        \
	END_TEST

DRIVER(psql, "psql", "command -v psql", "postgresql-client", NULL,
    "sh " DIR "psql.sh")
DRIVER(libpq, "libpq pipeline", "true", "libpq-dev", NULL,
    "test/system/drivers/matrix/libpq_app")
DRIVER(psycopg3, "psycopg 3", HAS("psycopg"), "python3-psycopg", NULL,
    PYTHON DIR "psy3.py 0")
DRIVER(psycopg3_t1, "psycopg 3 t=1", HAS("psycopg"), "python3-psycopg", NULL,
    PYTHON DIR "psy3.py 1")
DRIVER(psycopg3_async, "psycopg 3 async", HAS("psycopg"), "python3-psycopg",
    NULL, PYTHON DIR "psy3_async.py 0")
DRIVER(psycopg3_async_t1, "async t=1", HAS("psycopg"),
    "python3-psycopg", NULL, PYTHON DIR "psy3_async.py 1")
DRIVER(psycopg2, "psycopg 2", HAS("psycopg2"), "python3-psycopg2", NULL,
    PYTHON DIR "psy2.py")
DRIVER(asyncpg, "asyncpg", HAS("asyncpg"), "python3-asyncpg", NULL,
    PYTHON DIR "apg.py")
DRIVER(sqlalchemy, "SQLAlchemy", HAS("sqlalchemy, psycopg2"),
    "python3-sqlalchemy python3-psycopg2", NULL, PYTHON DIR "sqla.py")
DRIVER(node_postgres, "node-postgres", NODE "-e 'require(\"pg\")'",
    "nodejs node-pg", NULL, NODE DIR "node_pg.js")
DRIVER(django, "Django", HAS("django, psycopg2"),
    "python3-django python3-psycopg2", NULL, PYTHON DIR "django_app.py")
DRIVER(postgres_js, "postgres.js", NPM("postgres", "postgres@3"),
    "nodejs npm, which fetches the package postgres", NULL,
    NODE DIR "postgres_js.js")
DRIVER(sequelize, "Sequelize", NPM("sequelize", "sequelize@6 pg@8"),
    "nodejs npm, which fetches the package sequelize", NULL,
    NODE DIR "sequelize.js")
DRIVER(dbd_pg, "DBD::Pg", "perl -MDBD::Pg -e 1", "libdbd-pg-perl", NULL,
    "perl " DIR "dbd_pg.pl")
DRIVER(pdo, "PDO", "php -r 'exit(extension_loaded(\"pdo_pgsql\") ? 0 : 1);'",
    "php-cli php-pgsql", NULL, "php " DIR "pdo.php")
DRIVER(ruby_pg, "Ruby pg", "ruby -e 'require \"pg\"'", "ruby ruby-pg", NULL,
    "ruby " DIR "ruby_pg.rb")
DRIVER(pgjdbc, "pgjdbc", "command -v javac && test -e " JAR,
    "libpostgresql-jdbc-java default-jdk-headless",
    "test " BUILT "Jdbc.class -nt " DIR "Jdbc.java || "
    "javac -cp " JAR " -d " BUILT " " DIR "Jdbc.java",
    "java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp " JAR ":" BUILT
    " Jdbc")
DRIVER(lib_pq, "lib/pq", "command -v go && test -d " PQ_GO,
    "golang-go golang-github-lib-pq-dev",
    "test " BUILT "lib_pq -nt " DIR "lib_pq.go || "
    "GOCACHE=$PWD/" BUILT "cache GO111MODULE=off GOFLAGS= "
    "GOPATH=/usr/share/gocode go build -o " BUILT "lib_pq " DIR "lib_pq.go",
    BUILT "lib_pq")

/* How the columns are called, before the first row. */
static void
print_head(void)
{
	printf("%-16s %-12s", "driver", "mode");
	for (size_t i = 0; i < NFEATURES; i++)
		printf(" %-8s", features[i]);
	printf("\n");
	fflush(stdout);
}

int
main(void)
{
	Suite *s = suite_create("driver matrix");

	FX_ADD(s, psql, 120);
	FX_ADD(s, libpq, 120);
	FX_ADD(s, psycopg3, 120);
	FX_ADD(s, psycopg3_t1, 120);
	FX_ADD(s, psycopg3_async, 120);
	FX_ADD(s, psycopg3_async_t1, 120);
	FX_ADD(s, psycopg2, 120);
	FX_ADD(s, asyncpg, 120);
	FX_ADD(s, sqlalchemy, 120);
	FX_ADD(s, django, 120);
	FX_ADD(s, node_postgres, 120);
	FX_ADD(s, postgres_js, 300);
	FX_ADD(s, sequelize, 300);
	FX_ADD(s, dbd_pg, 120);
	FX_ADD(s, pdo, 120);
	FX_ADD(s, ruby_pg, 120);
	FX_ADD(s, pgjdbc, 150);
	FX_ADD(s, lib_pq, 240);
	print_head();
	return fx_main(s);
}
