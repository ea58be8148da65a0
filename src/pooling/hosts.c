/* Which host of a list is next. */
#include "pooling/hosts.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

/* How long a host that is down is passed over: from, factor 2, to. */
#define REST_MIN_US (500 * USEC_PER_MSEC)
#define REST_MAX_US (10 * USEC_PER_SEC)

struct host {
	char *name;
	int connections;
	int failures;
	usec_t since_us;
	usec_t last_us;
	usec_t next_us;
	struct err *err; /* NULL = it is up */
};

struct hosts {
	struct host_table *table;
	int refs; /* under the table's mutex */
	char *key;
	const char *text; /* in the key, behind the port */
	int port;
	size_t n;
	struct host *v;
	pthread_mutex_t mu; /* over all that follows, and v[] */
	size_t turn;
};

struct host_table {
	pthread_mutex_t mu;
	int refs; /* one for each list, and the owner's */
	struct map *lists;
};

struct host_table *
host_table_new(void)
{
	struct host_table *t = xcalloc(1, sizeof(*t));

	pthread_mutex_init(&t->mu, NULL);
	t->refs = 1;
	t->lists = map_new();
	return t;
}

/* Drops a reference, and the mutex, which is held. */
static void
table_leave(struct host_table *t)
{
	bool last = --t->refs == 0;

	pthread_mutex_unlock(&t->mu);
	if (!last)
		return;
	map_free(t->lists);
	pthread_mutex_destroy(&t->mu);
	free(t);
}

void
host_table_free(struct host_table *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->mu);
	table_leave(t);
}

/* ---- lists ---- */

static char *
trimmed(const char *p, size_t n, const char *unix_dir)
{
	while (n > 0 && (*p == ' ' || *p == '\t'))
		p++, n--;
	while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
		n--;
	return n > 0 ? xstrndup(p, n) : xstrdup(unix_dir);
}

static void
split(struct hosts *h, const char *unix_dir)
{
	const char *p = h->text;
	size_t n = 1;

	for (; *p; p++)
		n += *p == ',';
	h->n = n < HOSTS_MAX ? n : HOSTS_MAX;
	h->v = xcalloc(h->n, sizeof(*h->v));
	p = h->text;
	for (n = 0; n < h->n; n++) {
		size_t len = strcspn(p, ",");

		h->v[n].name = trimmed(p, len, unix_dir);
		p += len + 1;
	}
}

/* The unix_dir belongs to it, as it stands for what is not said. */
static char *
key_of(const char *text, int port, const char *unix_dir, size_t *head)
{
	size_t n = strlen(text) + strlen(unix_dir) + 32;
	char *key = xmalloc(n);

	*head = (size_t)snprintf(key, n, "%s:%d ", unix_dir, port);
	snprintf(key + *head, n - *head, "%s", text);
	return key;
}

struct hosts *
hosts_get(struct host_table *t, const char *text, int port,
    const char *unix_dir)
{
	size_t head;
	char *key = key_of(text, port, unix_dir, &head);
	struct hosts *h;

	pthread_mutex_lock(&t->mu);
	h = map_get(t->lists, span_of(key));
	if (h) {
		h->refs++;
		free(key);
	} else {
		h = xcalloc(1, sizeof(*h));
		h->table = t;
		h->refs = 1;
		h->key = key;
		h->text = key + head;
		h->port = port;
		pthread_mutex_init(&h->mu, NULL);
		split(h, unix_dir);
		map_put(t->lists, span_of(key), h);
		t->refs++;
	}
	pthread_mutex_unlock(&t->mu);
	return h;
}

struct hosts *
hosts_ref(struct hosts *h)
{
	pthread_mutex_lock(&h->table->mu);
	h->refs++;
	pthread_mutex_unlock(&h->table->mu);
	return h;
}

void
hosts_unref(struct hosts *h)
{
	struct host_table *t;
	size_t i;

	if (!h)
		return;
	t = h->table;
	pthread_mutex_lock(&t->mu);
	if (--h->refs > 0) {
		pthread_mutex_unlock(&t->mu);
		return;
	}
	map_del(t->lists, span_of(h->key));
	table_leave(t);
	for (i = 0; i < h->n; i++) {
		free(h->v[i].name);
		free(h->v[i].err);
	}
	pthread_mutex_destroy(&h->mu);
	free(h->v);
	free(h->key);
	free(h);
}

size_t
hosts_count(const struct hosts *h)
{
	return h->n;
}

const char *
hosts_name(const struct hosts *h, size_t i)
{
	return h->v[i].name;
}

/* ---- which is next ---- */

static bool
is_ready(const struct host *e, usec_t now)
{
	return !e->err || now >= e->next_us;
}

static usec_t
rest_us(int failures)
{
	usec_t us = REST_MIN_US;

	for (; failures > 1 && us < REST_MAX_US; failures--)
		us *= 2;
	return us < REST_MAX_US ? us : REST_MAX_US;
}

static bool
is_avoided(uint64_t avoid, size_t i)
{
	return avoid >> i & 1;
}

/* False: all are down (or avoided), and out is the one that failed longest
 * ago. */
static bool
choose_locked(const struct hosts *h, uint64_t avoid, usec_t now, size_t *out)
{
	size_t i, k;

	*out = h->turn % h->n;
	for (k = 0; k < h->n; k++) {
		i = (h->turn + k) % h->n;
		if (is_ready(&h->v[i], now) && !is_avoided(avoid, i)) {
			*out = i;
			return true;
		}
		if (h->v[i].last_us < h->v[*out].last_us)
			*out = i;
	}
	return false;
}

size_t
hosts_begin(struct hosts *h, bool in_turn, uint64_t avoid, usec_t now)
{
	size_t best;

	pthread_mutex_lock(&h->mu);
	if (!choose_locked(h, avoid, now, &best))
		(void)choose_locked(h, 0, now, &best);
	/* A host that is tried again is tried by one. */
	if (h->v[best].err)
		h->v[best].next_us = now + rest_us(h->v[best].failures);
	if (in_turn)
		h->turn = best + 1;
	h->v[best].connections++;
	pthread_mutex_unlock(&h->mu);
	return best;
}

void
hosts_end(struct hosts *h, size_t i)
{
	pthread_mutex_lock(&h->mu);
	h->v[i].connections--;
	pthread_mutex_unlock(&h->mu);
}

void
hosts_reached(struct hosts *h, size_t i)
{
	struct err *old;

	pthread_mutex_lock(&h->mu);
	old = h->v[i].err;
	h->v[i].err = NULL;
	h->v[i].failures = 0;
	h->v[i].since_us = 0;
	pthread_mutex_unlock(&h->mu);
	free(old);
}

static bool
has_other_locked(const struct hosts *h, size_t i, uint64_t avoid, usec_t now)
{
	size_t k;

	for (k = 0; k < h->n; k++)
		if (k != i && !is_avoided(avoid, k) && is_ready(&h->v[k], now))
			return true;
	return false;
}

bool
hosts_failed(struct hosts *h, size_t i, const struct err *e, usec_t now)
{
	struct host *f = &h->v[i];
	struct err *fresh = xmalloc(sizeof(*fresh)), *old;
	bool other;

	*fresh = *e;
	pthread_mutex_lock(&h->mu);
	old = f->err;
	f->err = fresh;
	if (!old)
		f->since_us = now;
	f->failures++;
	f->last_us = now;
	f->next_us = now + rest_us(f->failures);
	if (h->turn % h->n == i)
		h->turn = i + 1;
	other = has_other_locked(h, i, 0, now);
	pthread_mutex_unlock(&h->mu);
	free(old);
	return other;
}

bool
hosts_has_other(struct hosts *h, size_t i, uint64_t avoid, usec_t now)
{
	bool other;

	pthread_mutex_lock(&h->mu);
	other = has_other_locked(h, i, avoid, now);
	pthread_mutex_unlock(&h->mu);
	return other;
}

/* ---- what SHOW says ---- */

struct each {
	void (*fn)(void *arg, const struct host_state *s);
	void *arg;
};

static bool
each_list(void *arg, struct span key, void *value)
{
	const struct each *each = arg;
	struct hosts *h = value;
	size_t i;

	(void)key;
	for (i = 0; i < h->n; i++) {
		struct host_state s = { .list = h->text, .port = h->port };
		const struct host *f = &h->v[i];

		pthread_mutex_lock(&h->mu);
		s.name = f->name;
		s.connections = f->connections;
		s.down = f->err != NULL;
		s.failures = f->failures;
		s.since_us = f->since_us;
		s.next_us = s.down ? f->next_us : 0;
		if (s.down)
			s.err = *f->err;
		pthread_mutex_unlock(&h->mu);
		each->fn(each->arg, &s);
	}
	return true;
}

void
hosts_each(struct host_table *t,
    void (*fn)(void *arg, const struct host_state *s), void *arg)
{
	struct each each = { fn, arg };

	pthread_mutex_lock(&t->mu);
	map_each(t->lists, each_list, &each);
	pthread_mutex_unlock(&t->mu);
}
