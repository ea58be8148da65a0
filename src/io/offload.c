/* A bounded queue in front of a few threads. */
#include "io/offload.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"

STAILQ_HEAD(job_list, offload_job);

struct offload {
	pthread_mutex_t mu;
	pthread_cond_t work; /* a job has come, or the end */
	pthread_cond_t idle; /* a thread has ended */
	char name[16];
	struct job_list queue;
	int n_queued;
	int n_running;
	int n_threads; /* that run */
	pthread_t *threads; /* all that were started */
	int n_started;
	int max_threads;
	int max_queue;
	uint64_t refused;
	bool stopping;
};

struct offload *
offload_new(const char *name, int max_threads, int max_queue)
{
	struct offload *o = xcalloc(1, sizeof(*o));
	pthread_condattr_t a;

	pthread_mutex_init(&o->mu, NULL);
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&o->work, NULL);
	pthread_cond_init(&o->idle, &a);
	pthread_condattr_destroy(&a);
	copy_str(o->name, sizeof(o->name), name);
	STAILQ_INIT(&o->queue);
	o->max_threads = max_threads;
	o->threads = xcalloc((size_t)max_threads, sizeof(*o->threads));
	o->max_queue = max_queue;
	return o;
}

static void
on_done(struct mail *m, struct loop *l)
{
	struct offload_job *j = CONTAINER_OF(m, struct offload_job, mail);

	(void)l;
	j->done(j);
}

/* The job is not ours any more afterwards. */
static void
run_job(struct offload_job *j)
{
	struct loop *reply_to = j->reply_to;

	j->run(j);
	if (reply_to == NULL)
		return;
	j->mail.fn = on_done;
	loop_post(reply_to, &j->mail);
}

static struct offload_job *
next_job_locked(struct offload *o)
{
	struct offload_job *j;

	while (!o->stopping && STAILQ_EMPTY(&o->queue))
		pthread_cond_wait(&o->work, &o->mu);
	if (o->stopping)
		return NULL;
	j = STAILQ_FIRST(&o->queue);
	STAILQ_REMOVE_HEAD(&o->queue, next);
	o->n_queued--;
	o->n_running++;
	return j;
}

static void *
thread_main(void *arg)
{
	struct offload *o = arg;
	struct offload_job *j;

	pthread_mutex_lock(&o->mu);
	while ((j = next_job_locked(o)) != NULL) {
		pthread_mutex_unlock(&o->mu);
		run_job(j);
		pthread_mutex_lock(&o->mu);
		o->n_running--;
	}
	o->n_threads--;
	pthread_cond_signal(&o->idle);
	pthread_mutex_unlock(&o->mu);
	return NULL;
}

static bool
start_thread(struct offload *o)
{
	sigset_t all, old;
	pthread_t t;
	bool ok;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ok = pthread_create(&t, NULL, thread_main, o) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!ok)
		return false;
	(void)pthread_setname_np(t, o->name);
	pthread_mutex_lock(&o->mu);
	o->threads[o->n_started++] = t;
	pthread_mutex_unlock(&o->mu);
	return true;
}

/* A thread that could not be started is no thread; without any at all nothing
 * would ever be done. */
static bool
one_more(struct offload *o)
{
	bool ok = start_thread(o);
	int left;

	if (ok)
		return true;
	pthread_mutex_lock(&o->mu);
	left = --o->n_threads;
	pthread_mutex_unlock(&o->mu);
	log_warn("cannot start another thread \"%s\"", o->name);
	return left > 0;
}

bool
offload_submit(struct offload *o, struct offload_job *j)
{
	bool grow;

	if (o == NULL) {
		run_job(j);
		return true;
	}
	pthread_mutex_lock(&o->mu);
	grow = o->n_running + o->n_queued >= o->n_threads &&
	    o->n_threads < o->max_threads;
	if (o->stopping || o->n_queued >= o->max_queue) {
		o->refused++;
		pthread_mutex_unlock(&o->mu);
		return false;
	}
	if (grow)
		o->n_threads++;
	pthread_mutex_unlock(&o->mu);
	if (grow && !one_more(o))
		return false;
	pthread_mutex_lock(&o->mu);
	STAILQ_INSERT_TAIL(&o->queue, j, next);
	o->n_queued++;
	pthread_cond_signal(&o->work);
	pthread_mutex_unlock(&o->mu);
	return true;
}

int
offload_pending(struct offload *o)
{
	int n;

	pthread_mutex_lock(&o->mu);
	n = o->n_queued + o->n_running;
	pthread_mutex_unlock(&o->mu);
	return n;
}

uint64_t
offload_refused(struct offload *o)
{
	uint64_t n;

	pthread_mutex_lock(&o->mu);
	n = o->refused;
	pthread_mutex_unlock(&o->mu);
	return n;
}

void
offload_free(struct offload *o, usec_t patience_us)
{
	usec_t until = clock_mono_us() + patience_us;
	struct timespec ts = {
		.tv_sec = until / USEC_PER_SEC,
		.tv_nsec = until % USEC_PER_SEC * 1000,
	};
	bool gone;
	int i;

	if (o == NULL)
		return;
	pthread_mutex_lock(&o->mu);
	o->stopping = true;
	pthread_cond_broadcast(&o->work);
	while (o->n_threads > 0)
		if (pthread_cond_timedwait(&o->idle, &o->mu, &ts) == ETIMEDOUT)
			break;
	gone = o->n_threads == 0;
	pthread_mutex_unlock(&o->mu);
	/* Nobody waits for one that hangs in a library. */
	if (!gone)
		return;
	for (i = 0; i < o->n_started; i++)
		pthread_join(o->threads[i], NULL);
	free(o->threads);
	pthread_cond_destroy(&o->work);
	pthread_cond_destroy(&o->idle);
	pthread_mutex_destroy(&o->mu);
	free(o);
}
