/* Where to connect, and what was said there. */
#include "pooling/target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct server_target *
target_new(void)
{
	struct server_target *t = xcalloc(1, sizeof(*t));

	atomic_store(&t->refs, 1);
	return t;
}

struct server_target *
target_ref(struct server_target *t)
{
	atomic_fetch_add(&t->refs, 1);
	return t;
}

void
target_unref(struct server_target *t)
{
	char **p;

	if (!t || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	free(t->database);
	free(t->host);
	free(t->dbname);
	free(t->user);
	wipe_free(t->secret);
	free(t->connect_query);
	for (p = t->startup; p && *p; p++)
		free(*p);
	free(t->startup);
	free(t->unix_socket_dir);
	param_names_unref(t->names);
	wipe(&t->keys, sizeof(t->keys));
	free(t);
}

struct server_target *
target_with_keys(const struct server_target *t, const struct scram_keys *keys)
{
	struct server_target *c = target_new();
	size_t i, n = 0;

	c->database = xstrdup(t->database);
	c->host = xstrdup(t->host);
	c->port = t->port;
	c->dbname = xstrdup(t->dbname);
	c->user = xstrdup(t->user);
	c->secret = t->secret ? xstrdup(t->secret) : NULL;
	c->keys = *keys;
	c->has_keys = true;
	c->connect_query = xstrdup(t->connect_query);
	while (t->startup[n])
		n++;
	c->startup = xcalloc(n + 1, sizeof(*c->startup));
	for (i = 0; i < n; i++)
		c->startup[i] = xstrdup(t->startup[i]);
	c->names = param_names_ref(t->names);
	c->unix_socket_dir = xstrdup(t->unix_socket_dir);
	c->connect_timeout_us = t->connect_timeout_us;
	c->log_connections = t->log_connections;
	c->log_disconnections = t->log_disconnections;
	c->dns = t->dns;
	c->tcp = t->tcp;
	c->max_cancels = t->max_cancels;
	c->cancel_wait_us = t->cancel_wait_us;
	return c;
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
same_list(char **a, char **b)
{
	for (; *a && *b; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return !*a && !*b;
}

bool
target_same(const struct server_target *a, const struct server_target *b)
{
	return same_text(a->host, b->host) && a->port == b->port &&
	    same_text(a->dbname, b->dbname) && same_text(a->user, b->user) &&
	    same_text(a->connect_query, b->connect_query) &&
	    same_text(a->unix_socket_dir, b->unix_socket_dir) &&
	    same_list(a->startup, b->startup);
}

bool
target_equal(const struct server_target *a, const struct server_target *b)
{
	return target_same(a, b) && same_text(a->secret, b->secret) &&
	    a->has_keys == b->has_keys &&
	    memcmp(&a->keys, &b->keys, sizeof(a->keys)) == 0 &&
	    a->names == b->names &&
	    a->connect_timeout_us == b->connect_timeout_us &&
	    a->log_connections == b->log_connections &&
	    a->log_disconnections == b->log_disconnections &&
	    a->max_cancels == b->max_cancels &&
	    a->cancel_wait_us == b->cancel_wait_us;
}

void
target_host(struct server_target *t, char out[TARGET_HOST])
{
	const char *p = t->host;
	unsigned n = 1, pick;
	size_t len;

	for (; *p; p++)
		n += *p == ',';
	pick = n > 1 ? atomic_fetch_add(&t->turn, 1) % n : 0;
	for (p = t->host; pick > 0; pick--)
		p = strchr(p, ',') + 1;
	while (*p == ' ' || *p == '\t')
		p++;
	len = strcspn(p, ",");
	while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t'))
		len--;
	if (len == 0)
		snprintf(out, TARGET_HOST, "%s", t->unix_socket_dir);
	else
		snprintf(out, TARGET_HOST, "%.*s", (int)len, p);
}

bool
host_is_unix(const char *host)
{
	return host[0] == '/' || host[0] == '@';
}

/* DIR/.s.PGSQL.PORT; a leading @ means the abstract name space. */
static socklen_t
unix_address(const struct server_target *t, const char *dir,
    struct sockaddr_un *un)
{
	int n;

	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	n = snprintf(un->sun_path, sizeof(un->sun_path), "%s/.s.PGSQL.%d", dir,
	    t->port);
	if (n < 0 || (size_t)n >= sizeof(un->sun_path))
		return 0;
	if (un->sun_path[0] == '@')
		un->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n +
	    (dir[0] == '@' ? 0 : 1));
}

int
target_dial(const struct server_target *t, const char *host,
    const struct addr *a)
{
	struct sockaddr_storage ss;
	struct sockaddr_un un;
	const struct sockaddr *sa = (const struct sockaddr *)&ss;
	socklen_t n;
	int fd, err;

	if (host_is_unix(host)) {
		n = unix_address(t, host, &un);
		sa = (const struct sockaddr *)&un;
	} else {
		n = addr_to_sockaddr(a, &ss);
	}
	if (!n) {
		errno = EINVAL;
		return -1;
	}
	fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (fd < 0)
		return -1;
	if (sa->sa_family != AF_UNIX) {
		tcp_tune(fd, &t->tcp);
		tcp_tune_buffers(fd, &t->tcp);
	}
	if (connect(fd, sa, n) == 0 || errno == EINPROGRESS)
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

struct welcome *
welcome_new(struct span bytes, struct param_set *params)
{
	struct welcome *w = xmalloc(sizeof(*w) + bytes.n);

	atomic_init(&w->refs, 1);
	w->params = param_set_ref(params);
	w->n = bytes.n;
	if (bytes.n)
		memcpy(w->bytes, bytes.p, bytes.n);
	return w;
}

struct welcome *
welcome_ref(struct welcome *w)
{
	atomic_fetch_add(&w->refs, 1);
	return w;
}

void
welcome_unref(struct welcome *w)
{
	if (!w || atomic_fetch_sub(&w->refs, 1) != 1)
		return;
	param_set_unref(w->params);
	free(w);
}
