/* Where to connect, and what was said there. */
#include "pooling/target.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/map.h"
#include "pooling/hosts.h"
#include "proto/auth.h"

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

static void
free_strings(struct server_target *t)
{
	char **p;

	free(t->database);
	free(t->host);
	free(t->dbname);
	free(t->user);
	wipe_free(t->secret);
	free(t->secret_file);
	free(t->password_command);
	free(t->connect_query);
	for (p = t->startup; p && *p; p++)
		free(*p);
	free(t->startup);
	free(t->unix_socket_dir);
}

void
target_unref(struct server_target *t)
{
	if (!t || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	if (t->block) {
		wipe(t->block, t->block_n);
		free(t->block);
	} else {
		free_strings(t);
	}
	param_names_unref(t->names);
	hosts_unref(t->hosts);
	tls_ctx_unref(t->tls);
	wipe(&t->keys, sizeof(t->keys));
	free(t);
}

/* Copies a string to *at, which moves on; without a place it only measures. */
static char *
put(char **at, size_t *n, const char *s)
{
	size_t len;
	char *to;

	if (!s)
		return NULL;
	len = strlen(s) + 1;
	*n += len;
	if (!*at)
		return NULL;
	to = memcpy(*at, s, len);
	*at += len;
	return to;
}

static size_t
put_all(struct server_target *to, const struct server_target *from,
    char **startup, char *at)
{
	size_t i, n = 0;

	to->database = put(&at, &n, from->database);
	to->host = put(&at, &n, from->host);
	to->dbname = put(&at, &n, from->dbname);
	to->user = put(&at, &n, from->user);
	to->secret = put(&at, &n, from->secret);
	to->secret_file = put(&at, &n, from->secret_file);
	to->password_command = put(&at, &n, from->password_command);
	to->connect_query = put(&at, &n, from->connect_query);
	to->unix_socket_dir = put(&at, &n, from->unix_socket_dir);
	for (i = 0; from->startup[i]; i++) {
		char *s = put(&at, &n, from->startup[i]);

		if (startup)
			startup[i] = s;
	}
	to->startup = startup;
	return n;
}

void
target_pack(struct server_target *t)
{
	struct server_target old = { .database = t->database,
		.host = t->host, .dbname = t->dbname, .user = t->user,
		.secret = t->secret, .secret_file = t->secret_file,
		.password_command = t->password_command,
		.connect_query = t->connect_query,
		.startup = t->startup, .unix_socket_dir = t->unix_socket_dir };
	struct server_target scratch;
	size_t list = 1;

	while (old.startup[list - 1])
		list++;
	list *= sizeof(char *);
	t->block_n = list + put_all(&scratch, &old, NULL, NULL);
	t->block = xcalloc(1, t->block_n);
	put_all(t, &old, (char **)(void *)t->block, t->block + list);
	free_strings(&old);
}

/* Unpacked, and without a StartupMessage's list. */
static struct server_target *
copy(const struct server_target *t)
{
	struct server_target *c = target_new();

	c->database = xstrdup(t->database);
	c->host = xstrdup(t->host);
	c->port = t->port;
	c->hosts = t->hosts ? hosts_ref(t->hosts) : NULL;
	c->in_turn = t->in_turn;
	c->protocol = t->protocol;
	c->patience_us = t->patience_us;
	c->dbname = xstrdup(t->dbname);
	c->user = xstrdup(t->user);
	c->secret = t->secret ? xstrdup(t->secret) : NULL;
	c->secret_file = t->secret_file ? xstrdup(t->secret_file) : NULL;
	c->secret_line = t->secret_line;
	c->learnt = t->learnt;
	c->password_command = t->password_command ?
	    xstrdup(t->password_command) : NULL;
	c->password_lifetime_us = t->password_lifetime_us;
	c->password_timeout_us = t->password_timeout_us;
	c->passwords = t->passwords;
	c->keys = t->keys;
	c->has_keys = t->has_keys;
	c->connect_query = xstrdup(t->connect_query);
	c->names = param_names_ref(t->names);
	c->unix_socket_dir = xstrdup(t->unix_socket_dir);
	c->connect_timeout_us = t->connect_timeout_us;
	c->log_connections = t->log_connections;
	c->log_disconnections = t->log_disconnections;
	c->dns = t->dns;
	c->keycache = t->keycache;
	c->tcp = t->tcp;
	c->tls = tls_ctx_ref(t->tls);
	c->tls_required = t->tls_required;
	c->tls_direct = t->tls_direct;
	c->max_cancels = t->max_cancels;
	c->cancel_wait_us = t->cancel_wait_us;
	return c;
}

static const char *
kind_of(const char *secret)
{
	switch (secret_kind(secret)) {
	case SECRET_NONE:
		return "nothing, as no secret is known";
	case SECRET_PLAIN:
		return "a plain password";
	case SECRET_MD5:
		return "an md5 hash";
	case SECRET_SCRAM:
		return "a SCRAM verifier";
	}
	return "";
}

void
target_credential(const struct server_target *t, char out[TARGET_CREDENTIAL])
{
	const char *what = t->has_keys ? "SCRAM keys of a client's login" :
	    kind_of(t->secret);

	if (t->password_command)
		copy_str(out, TARGET_CREDENTIAL, "what password_command "
		    "printed");
	else if (t->has_keys || secret_kind(t->secret) == SECRET_NONE)
		copy_str(out, TARGET_CREDENTIAL, what);
	else if (t->secret_file)
		snprintf(out, TARGET_CREDENTIAL, "%s of %s:%d", what,
		    t->secret_file, t->secret_line);
	else
		snprintf(out, TARGET_CREDENTIAL, "%s%s", what, t->learnt ?
		    " of a client's login" : "");
}

struct server_target *
target_with_startup(const struct server_target *t, char **startup)
{
	struct server_target *c = copy(t);

	c->startup = startup;
	target_pack(c);
	return c;
}

struct server_target *
target_with_login(const struct server_target *t, const char *secret,
    const struct scram_keys *keys)
{
	size_t i, n = 0;
	char **startup;
	struct server_target *c = copy(t);

	if (secret) {
		wipe_free(c->secret);
		c->secret = xstrdup(secret);
		c->learnt = true;
		free(c->secret_file);
		c->secret_file = NULL;
		c->secret_line = 0;
	}
	if (keys)
		c->keys = *keys;
	c->has_keys = t->has_keys || keys;
	while (t->startup[n])
		n++;
	startup = xcalloc(n + 1, sizeof(*startup));
	for (i = 0; i < n; i++)
		startup[i] = xstrdup(t->startup[i]);
	c->startup = startup;
	target_pack(c);
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
	    tls_ctx_alike(a->tls, b->tls) &&
	    a->tls_required == b->tls_required &&
	    a->tls_direct == b->tls_direct &&
	    same_list(a->startup, b->startup);
}

bool
target_equal(const struct server_target *a, const struct server_target *b)
{
	return target_same(a, b) && same_text(a->secret, b->secret) &&
	    a->has_keys == b->has_keys && a->secret_line == b->secret_line &&
	    same_text(a->secret_file, b->secret_file) &&
	    same_text(a->password_command, b->password_command) &&
	    a->password_lifetime_us == b->password_lifetime_us &&
	    a->password_timeout_us == b->password_timeout_us &&
	    memcmp(&a->keys, &b->keys, sizeof(a->keys)) == 0 &&
	    a->names == b->names && a->tls == b->tls &&
	    a->protocol == b->protocol &&
	    a->connect_timeout_us == b->connect_timeout_us &&
	    a->log_connections == b->log_connections &&
	    a->log_disconnections == b->log_disconnections &&
	    a->max_cancels == b->max_cancels &&
	    a->cancel_wait_us == b->cancel_wait_us;
}

static uint64_t
mix(uint64_t sum, const char *s)
{
	return (sum << 7 | sum >> 57) * 31 + hash_bytes(s, strlen(s) + 1);
}

uint64_t
target_stamp(const struct server_target *t)
{
	uint64_t sum = (uint64_t)t->port;
	char **p;

	sum = mix(sum, t->host);
	sum = mix(sum, t->dbname);
	sum = mix(sum, t->user);
	sum = mix(sum, t->connect_query);
	sum = mix(sum, t->unix_socket_dir);
	for (p = t->startup; *p; p++)
		sum = mix(sum, *p);
	return sum;
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

uint64_t
target_standbys(const struct server_target *t, usec_t now)
{
	if (now >= atomic_load(&t->standbys_until_us))
		return 0;
	return atomic_load(&t->standbys);
}

void
target_add_standby(struct server_target *t, size_t i, usec_t now)
{
	/* What was known before is asked again, if it is long ago. */
	if (now >= atomic_load(&t->standbys_until_us))
		atomic_store(&t->standbys, 0);
	atomic_fetch_or(&t->standbys, UINT64_C(1) << i);
	atomic_store(&t->standbys_until_us, now + TARGET_STANDBY_US);
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
	struct welcome *w = xcalloc(1, sizeof(*w) + bytes.n);

	atomic_init(&w->refs, 1);
	w->params = param_set_ref(params);
	w->n = bytes.n;
	if (bytes.n)
		memcpy(w->bytes, bytes.p, bytes.n);
	return w;
}

bool
welcome_has_taken(const struct welcome *w, uint64_t key)
{
	size_t i;

	for (i = 0; i < WELCOME_TAKEN; i++)
		if (atomic_load(&w->taken[i]) == key)
			return true;
	return false;
}

void
welcome_take(struct welcome *w, uint64_t key)
{
	if (!welcome_has_taken(w, key))
		atomic_store(&w->taken[atomic_fetch_add(&w->n_taken, 1) %
		    WELCOME_TAKEN], key);
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

#define SHELF 16

struct welcome_shelf {
	pthread_mutex_t mu;
	struct welcome *w[SHELF];
	unsigned next;
};

struct welcome_shelf *
welcome_shelf_new(void)
{
	struct welcome_shelf *sh = xcalloc(1, sizeof(*sh));

	pthread_mutex_init(&sh->mu, NULL);
	return sh;
}

void
welcome_shelf_free(struct welcome_shelf *sh)
{
	size_t i;

	if (!sh)
		return;
	for (i = 0; i < SHELF; i++)
		welcome_unref(sh->w[i]);
	pthread_mutex_destroy(&sh->mu);
	free(sh);
}

static bool
welcome_equal(const struct welcome *a, const struct welcome *b)
{
	return a->n == b->n && memcmp(a->bytes, b->bytes, a->n) == 0 &&
	    param_set_same(a->params, b->params);
}

struct welcome *
welcome_share(struct welcome_shelf *sh, struct welcome *w)
{
	struct welcome *drop;
	size_t i;

	if (!sh || !w)
		return w;
	pthread_mutex_lock(&sh->mu);
	for (i = 0; i < SHELF; i++)
		if (sh->w[i] && welcome_equal(sh->w[i], w))
			break;
	if (i < SHELF) {
		drop = w;
		w = welcome_ref(sh->w[i]);
	} else {
		i = sh->next++ % SHELF;
		drop = sh->w[i];
		sh->w[i] = welcome_ref(w);
	}
	pthread_mutex_unlock(&sh->mu);
	welcome_unref(drop);
	return w;
}
