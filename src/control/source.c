#include "control/source.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* Nobody writes a larger one by hand; it is rather a wrong file. */
#define FILE_MAX ((size_t)256 << 20)
#define READ_STEP ((size_t)64 << 10)
/* Databases whose size is told one by one. */
#define SIZES_MAX 100

static bool
file_error(struct err *e, const char *path, const char *what)
{
	err_set(e, "58P01", "%s", what);
	err_at(e, path, 0);
	return false;
}

static bool
read_all(int fd, const char *path, struct buf *out, struct err *e)
{
	size_t total = 0;
	ssize_t n;

	do {
		n = read(fd, buf_reserve(out, READ_STEP), READ_STEP);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return file_error(e, path, strerror(errno));
		out->end += (size_t)n;
		total += (size_t)n;
		if (total > FILE_MAX)
			return file_error(e, path, "the file is too large");
	} while (n != 0);
	return true;
}

static bool
read_file(void *arg, const char *path, struct buf *out, struct err *e)
{
	/* O_NONBLOCK: a FIFO must not stop the process. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	bool ok;

	(void)arg;
	if (fd < 0)
		return file_error(e, path, strerror(errno));
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		ok = file_error(e, path, "it is a directory");
	else
		ok = read_all(fd, path, out, e);
	close(fd);
	return ok;
}

static const char *
read_env(void *arg, const char *name)
{
	(void)arg;
	return getenv(name);
}

/* The cores this process may use; a container may have been given fewer than
 * the machine has. */
static int
machine_cores(void)
{
	cpu_set_t set;
	long n;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		return CPU_COUNT(&set);
	n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? (int)n : 1;
}

struct config *
source_load(const char *path, const struct config *running,
    struct config_report *rep)
{
	struct config_input in = {
		.path = path,
		.read_file = read_file,
		.env = read_env,
		.machine_cores = machine_cores(),
		.running = running,
	};

	return path != NULL ? config_load(&in, rep) : config_from_env(&in, rep);
}

static void
log_error_at(const struct err *e)
{
	const char *hint = e->hint[0] != '\0' ? "; hint: " : "";

	if (e->file[0] == '\0')
		log_error("%s%s%s", e->msg, hint, e->hint);
	else if (e->line == 0)
		log_error("%s: %s%s%s", e->file, e->msg, hint, e->hint);
	else
		log_error("%s:%d: %s%s%s", e->file, e->line, e->msg, hint,
		    e->hint);
}

void
source_log_report(const struct config_report *rep)
{
	size_t i;

	for (i = 0; i < rep->n_errors; i++)
		log_error_at(&rep->errors[i]);
	if (rep->n_untold > 0)
		log_error("%zu more errors", rep->n_untold);
	for (i = 0; i < rep->n_warnings; i++)
		log_warn("%s", rep->warnings[i]);
}

static bool
same_size(const struct database_conf *d, const struct config *old)
{
	const struct database_conf *was;

	if (old == NULL)
		return false;
	was = strcmp(d->name, "*") == 0 ? old->autodb :
					  config_database(old, d->name);
	return was != NULL && was->size == d->size &&
	    strcmp(was->size_reason, d->size_reason) == 0;
}

static void
log_size(const struct database_conf *d)
{
	log_info("pool size of database \"%s\": %s", d->name, d->size_reason);
}

void
source_log_sizes(const struct config *cfg, const struct config *old)
{
	size_t i, told = 0, more = 0;

	for (i = 0; i < cfg->n_databases; i++) {
		if (same_size(cfg->databases[i], old))
			continue;
		if (told < SIZES_MAX) {
			log_size(cfg->databases[i]);
			told++;
		} else {
			more++;
		}
	}
	if (cfg->autodb != NULL && !same_size(cfg->autodb, old))
		log_size(cfg->autodb);
	if (more > 0)
		log_info("pool size of %zu more databases: see SHOW DATABASES",
		    more);
}
