/* Passwords that programs print. */
#include "pooling/passwords.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "io/command.h"

STAILQ_HEAD(query_list, password_query);

/* One for each command, user and database that was ever asked for: these are
 * the configuration's, and so are their number. */
struct entry {
	char *password; /* NULL: none */
	usec_t until_us;
	bool running;
	struct query_list waiting;
};

struct passwords {
	pthread_mutex_t mu;
	struct offload *offload;
	struct map *entries;
};

/* A run of the program, with all that it needs. */
struct run {
	struct offload_job job;
	struct passwords *pw;
	struct entry *entry;
	char *command;
	char *env[4];
	usec_t lifetime_us;
	usec_t timeout_us;
};

struct passwords *
passwords_new(struct offload *o)
{
	struct passwords *pw = xcalloc(1, sizeof(*pw));

	pthread_mutex_init(&pw->mu, NULL);
	pw->offload = o;
	pw->entries = map_new();
	return pw;
}

static bool
free_entry(void *arg, struct span key, void *value)
{
	struct entry *e = value;

	(void)arg;
	(void)key;
	wipe_free(e->password);
	free(e);
	return true;
}

void
passwords_free(struct passwords *pw)
{
	if (pw == NULL)
		return;
	map_each(pw->entries, free_entry, NULL);
	map_free(pw->entries);
	pthread_mutex_destroy(&pw->mu);
	free(pw);
}

static void
put_key(struct buf *b, const struct password_query *q)
{
	buf_append(b, q->command, strlen(q->command) + 1);
	buf_append(b, q->user, strlen(q->user) + 1);
	buf_append(b, q->database, strlen(q->database) + 1);
}

/* ---- answers ---- */

static void
on_answer(struct mail *m, struct loop *l)
{
	struct password_query *q = CONTAINER_OF(m, struct password_query, mail);

	(void)l;
	q->answered(q);
}

static void
post_answer(struct password_query *q)
{
	q->mail.fn = on_answer;
	loop_post(q->reply_to, &q->mail);
}

/* The run is over: password NULL with why. Takes over the password. */
static void
settle(struct passwords *pw, struct entry *e, char *password,
    usec_t lifetime_us, const struct err *why)
{
	struct query_list list = STAILQ_HEAD_INITIALIZER(list);
	struct password_query *q;
	char *old;

	pthread_mutex_lock(&pw->mu);
	e->running = false;
	old = e->password;
	e->password = password;
	e->until_us = clock_mono_us() + lifetime_us;
	STAILQ_CONCAT(&list, &e->waiting);
	STAILQ_FOREACH(q, &list, next) {
		q->password = password ? xstrdup(password) : NULL;
		if (!password)
			q->err = *why;
	}
	pthread_mutex_unlock(&pw->mu);
	wipe_free(old);
	while ((q = STAILQ_FIRST(&list)) != NULL) {
		STAILQ_REMOVE_HEAD(&list, next);
		post_answer(q);
	}
}

/* ---- running ---- */

static void
run_free(struct run *r)
{
	size_t i;

	for (i = 0; i + 1 < ARRAY_LEN(r->env); i++)
		free(r->env[i]);
	free(r->command);
	free(r);
}

static void
on_run(struct offload_job *j)
{
	struct run *r = CONTAINER_OF(j, struct run, job);
	char *password = NULL;
	struct buf out = { 0 };
	struct err why;

	err_clear(&why);
	if (command_run(r->command, (const char *const *)r->env, r->timeout_us,
		&out, &why))
		password = xstrndup((const char *)buf_head(&out),
		    buf_len(&out));
	buf_wipe_free(&out);
	settle(r->pw, r->entry, password, r->lifetime_us, &why);
	run_free(r);
}

static void
start_run(struct passwords *pw, struct entry *e, const struct password_query *q)
{
	struct run *r = xcalloc(1, sizeof(*r));
	struct err why;

	r->pw = pw;
	r->entry = e;
	r->command = xstrdup(q->command);
	r->env[0] = xasprintf("POOLER_USER=%s", q->user);
	r->env[1] = xasprintf("POOLER_DATABASE=%s", q->database);
	r->env[2] = xasprintf("POOLER_HOST=%s", q->host);
	r->lifetime_us = q->lifetime_us;
	r->timeout_us = q->timeout_us;
	r->job.run = on_run;
	if (offload_submit(pw->offload, &r->job))
		return;
	err_set(&why, "53300", "password_command: too many are waiting to be "
	    "run (auth_threads)");
	settle(pw, e, NULL, 0, &why);
	run_free(r);
}

void
passwords_ask(struct passwords *pw, struct password_query *q)
{
	struct entry *e, *made = xcalloc(1, sizeof(*made));
	bool run = false, have;
	struct buf key = { 0 };

	STAILQ_INIT(&made->waiting);
	q->password = NULL;
	err_clear(&q->err);
	put_key(&key, q);
	pthread_mutex_lock(&pw->mu);
	e = map_get(pw->entries, buf_span(&key));
	if (e == NULL) {
		e = made;
		made = NULL;
		map_put(pw->entries, buf_span(&key), e);
	}
	have = e->password != NULL && clock_mono_us() < e->until_us;
	if (have) {
		q->password = xstrdup(e->password);
	} else {
		run = !e->running;
		e->running = true;
		STAILQ_INSERT_TAIL(&e->waiting, q, next);
	}
	pthread_mutex_unlock(&pw->mu);
	if (have)
		post_answer(q);
	else if (run)
		start_run(pw, e, q);
	buf_free(&key);
	free(made);
}

void
passwords_forget(struct passwords *pw, const struct password_query *q)
{
	struct buf key = { 0 };
	struct entry *e;

	put_key(&key, q);
	pthread_mutex_lock(&pw->mu);
	e = map_get(pw->entries, buf_span(&key));
	if (e != NULL)
		e->until_us = 0;
	pthread_mutex_unlock(&pw->mu);
	buf_free(&key);
}
