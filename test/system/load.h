/*
 * load: many clients at work in threads of their own, through the current
 * pooler, until told to stop. They check nothing but their own success; the
 * claim about it belongs to the test.
 */
#ifndef TEST_SYSTEM_LOAD_H
#define TEST_SYSTEM_LOAD_H

#include <stdbool.h>

struct load_plan {
	int clients;
	/* Client i connects with conninfos[i % n]: "dbname=app user=bob". */
	const char *const *conninfos;
	int n_conninfos;
	const char *sql; /* one transaction */
	int per_connection; /* then connect afresh; 0: never */
	bool impatient; /* leave right behind the last query */
	bool may_fail; /* errors are counted, not remembered */
};

struct load;

struct load *load_start(const struct load_plan *plan);
/* Transactions done so far, by all, and by one client. */
long load_done(const struct load *l);
long load_done_by(const struct load *l, int client);
long load_failed(const struct load *l);
/* Ends all clients and frees it; a first error fails the test, unless they
 * may fail. */
void load_stop(struct load *l);

#endif
