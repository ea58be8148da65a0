/* Clients at work in threads. */
#include "load.h"

#include "internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct worker {
	struct load *load;
	const char *conninfo;
	pthread_t thread;
	atomic_long done;
};

struct load {
	struct load_plan plan;
	char *base;
	struct worker *workers;
	atomic_bool stop;
	atomic_long failed;
	pthread_mutex_t lock; /* over error */
	char error[512];
};

static void
note_error(struct load *l, const char *text)
{
	atomic_fetch_add(&l->failed, 1);
	pthread_mutex_lock(&l->lock);
	if (l->error[0] == '\0')
		snprintf(l->error, sizeof(l->error), "%s", text);
	pthread_mutex_unlock(&l->lock);
}

static PGconn *
connect_once(struct worker *w)
{
	char *info = fx_format("%s %s", w->load->base, w->conninfo);
	PGconn *c = PQconnectdb(info);

	free(info);
	PQsetNoticeProcessor(c, be_quiet, NULL);
	if (PQstatus(c) == CONNECTION_OK)
		return c;
	note_error(w->load, PQerrorMessage(c));
	PQfinish(c);
	fx_pause_ms(5);
	return NULL;
}

/* One transaction; false: the connection is of no more use. */
static bool
transact(struct worker *w, PGconn *c)
{
	PGresult *r = PQexec(c, w->load->plan.sql);
	ExecStatusType status = PQresultStatus(r);

	if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
		atomic_fetch_add(&w->done, 1);
	else
		note_error(w->load, PQerrorMessage(c));
	if (PQresultStatus(r) == PGRES_FATAL_ERROR && w->load->plan.may_fail)
		fx_pause_ms(5); /* whoever is refused comes again, later */
	PQclear(r);
	return PQstatus(c) == CONNECTION_OK;
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	const struct load_plan *plan = &w->load->plan;
	PGconn *c = NULL;
	int left = 0;

	while (!atomic_load(&w->load->stop)) {
		if (c == NULL) {
			c = connect_once(w);
			left = plan->per_connection;
			continue;
		}
		if (!transact(w, c) || --left == 0) {
			if (plan->impatient) {
				PQsendQuery(c, plan->sql);
				PQflush(c);
			}
			PQfinish(c);
			c = NULL;
		}
	}
	PQfinish(c);
	return NULL;
}

struct load *
load_start(const struct load_plan *plan)
{
	struct load *l = calloc(1, sizeof(*l));
	pthread_attr_t attr;

	l->plan = *plan;
	l->base = fx_format("host=127.0.0.1 port=%d user=alice dbname=app",
	    pooler_current()->port);
	l->workers = calloc((size_t)plan->clients, sizeof(*l->workers));
	pthread_mutex_init(&l->lock, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	for (int i = 0; i < plan->clients; i++) {
		struct worker *w = &l->workers[i];

		w->load = l;
		w->conninfo = plan->n_conninfos > 0 ?
		    plan->conninfos[i % plan->n_conninfos] :
		    "";
		ck_assert_int_eq(pthread_create(&w->thread, &attr, work, w), 0);
	}
	pthread_attr_destroy(&attr);
	return l;
}

long
load_done_by(const struct load *l, int client)
{
	return atomic_load(&l->workers[client].done);
}

long
load_done(const struct load *l)
{
	long sum = 0;

	for (int i = 0; i < l->plan.clients; i++)
		sum += load_done_by(l, i);
	return sum;
}

long
load_failed(const struct load *l)
{
	return atomic_load(&l->failed);
}

void
load_stop(struct load *l)
{
	atomic_store(&l->stop, true);
	for (int i = 0; i < l->plan.clients; i++)
		pthread_join(l->workers[i].thread, NULL);
	ck_assert_msg(l->plan.may_fail || l->error[0] == '\0',
	    "a client failed (%ld times): %s", load_failed(l), l->error);
	pthread_mutex_destroy(&l->lock);
	free(l->workers);
	free(l->base);
	free(l);
}
