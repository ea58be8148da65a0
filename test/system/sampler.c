/* The thread that counts backends. */
#include "sampler.h"

#include "internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct sampler {
	pthread_t thread;
	PGconn *conn;
	char *sql;
	atomic_bool stop;
	atomic_long max, count;
};

static void *
work(void *arg)
{
	struct sampler *s = arg;

	while (!atomic_load(&s->stop)) {
		PGresult *r = PQexec(s->conn, s->sql);

		/* A restart of PostgreSQL only makes a gap. */
		if (PQresultStatus(r) == PGRES_TUPLES_OK) {
			long n = atol(PQgetvalue(r, 0, 0));

			if (n > atomic_load(&s->max))
				atomic_store(&s->max, n);
			atomic_fetch_add(&s->count, 1);
		} else if (PQstatus(s->conn) == CONNECTION_BAD) {
			PQreset(s->conn);
		}
		PQclear(r);
		fx_pause_ms(10);
	}
	return NULL;
}

struct sampler *
sampler_start(const char *cond)
{
	struct sampler *s = calloc(1, sizeof(*s));
	char *info = fx_format("host=%s port=%d user=postgres dbname=postgres",
	    pg_socket_dir(), pg_port());

	s->conn = PQconnectdb(info);
	free(info);
	ck_assert_int_eq(PQstatus(s->conn), CONNECTION_OK);
	s->sql = fx_format("SELECT count(*) FROM pg_stat_activity WHERE "
			   "backend_type = 'client backend' AND "
			   "usename <> 'postgres' AND (%s)",
	    cond);
	ck_assert_int_eq(pthread_create(&s->thread, NULL, work, s), 0);
	WAIT_UNTIL(sampler_count(s) > 0, 5000);
	return s;
}

long
sampler_max(struct sampler *s)
{
	return atomic_load(&s->max);
}

long
sampler_count(struct sampler *s)
{
	return atomic_load(&s->count);
}

long
sampler_stop(struct sampler *s)
{
	long max;

	atomic_store(&s->stop, true);
	pthread_join(s->thread, NULL);
	PQfinish(s->conn);
	max = atomic_load(&s->max);
	free(s->sql);
	free(s);
	return max;
}
