/*
 * Any bytes as pooler.ini: a snapshot or errors, never a crash. A snapshot
 * must print as a file that gives the same print again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "policy/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
read_file(void *arg, const char *path, struct buf *out, struct err *e)
{
	const struct span *text = arg;

	/* One include, so that coming back out of it is seen too. */
	if (strcmp(path, "again") == 0)
		buf_append(out, "max_client_conn = 5\n[databases]\n", 32);
	else if (strcmp(path, "users") == 0)
		buf_append(out, "\"u\" \"s\"\n", 8);
	else if (strcmp(path, "pooler.ini") == 0)
		buf_append(out, text->p, text->n);
	else
		return err_set(e, "58P01", "no such file");
	return true;
}

static struct config *
load(struct span text)
{
	struct config_input in = { .path = "pooler.ini",
		.read_file = read_file, .arg = &text, .machine_cores = 2 };
	struct config_report rep;
	struct config *c;
	struct buf out = { 0 };

	config_report_init(&rep);
	c = config_load(&in, &rep);
	assert((c == NULL) == (rep.n_errors > 0));
	config_report_print(&rep, &out);
	buf_free(&out);
	config_report_fini(&rep);
	return c;
}

/* What is left out of the print, and so may differ. */
static void
drop_secrets(struct buf *b)
{
	static const char line[] = ";\tpassword=<hidden>\n";
	size_t n = sizeof(line) - 1;

	for (size_t i = b->start; i + n <= b->end;) {
		if (memcmp(b->data + i, line, n) == 0 &&
		    (i == 0 || b->data[i - 1] == '\n')) {
			memmove(b->data + i, b->data + i + n,
			    b->end - i - n);
			b->end -= n;
		} else {
			i++;
		}
	}
}

static void
check_print(const struct config *c)
{
	struct buf first = { 0 }, second = { 0 };
	struct config *again;

	config_print(c, &first);
	drop_secrets(&first);
	again = load(buf_span(&first));
	assert(again != NULL);
	config_print(again, &second);
	drop_secrets(&second);
	/* conffile is printed as a comment, so it is not read back. */
	if (strcmp(c->conffile, again->conffile) == 0)
		assert(span_eq(buf_span(&first), buf_span(&second)));
	config_unref(again);
	buf_free(&first);
	buf_free(&second);
}

static void
ask(const struct config *c, const struct database_conf *d)
{
	if (d == NULL)
		return;
	assert(d->name != NULL && d->dbname != NULL && d->host != NULL);
	assert(d->size >= 0 && d->size_reason != NULL);
	assert(d->port >= 1 && d->port <= 65535);
	assert(config_pool_size(c, d, "u") >= 0);
	assert(config_max_db_connections(c, d) >= 0);
	assert(config_query_wait_timeout_us(c, d, "u") >= 0);
	assert(config_server_down_after_us(c, d) >= 0);
	assert(*pool_mode_name(config_pool_mode(c, d, "u")) != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *c = load(SPAN(data, size)), *set;
	struct err e;

	if (c == NULL)
		return 0;
	for (size_t i = 0; i < c->n_databases; i++) {
		ask(c, c->databases[i]);
		assert(config_database(c, c->databases[i]->name) ==
		    c->databases[i]);
	}
	ask(c, c->autodb);
	for (size_t i = 0; i < c->n_users; i++)
		assert(config_user(c, c->users[i]->name) == c->users[i]);
	check_print(c);
	set = config_with(c, "default_pool_size", "auto", &e);
	assert(set != NULL && set->pool_size_auto);
	config_unref(c);
	for (size_t i = 0; i < set->n_databases; i++)
		ask(set, set->databases[i]);
	config_unref(set);
	return 0;
}
