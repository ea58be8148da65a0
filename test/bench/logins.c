/*
 * Logins as load: by SCRAM with a key that is derived once, over TLS with whole
 * or resumed handshakes; and how they are felt by clients that are there
 * already.
 *
 *	logins PORT USER PASSWORD	on 127.0.0.1, database bench
 *
 * It reads commands from its standard input, one a line, and answers each with
 * one line, "ok NUMBER..." or "error TEXT":
 *
 *	login KIND N THREADS	N logins and goodbyes; ok microseconds, and
 *				how many of them were resumed
 *	storm SECONDS CLIENTS SCRAM TLS
 *				so many clients ask 20 times a second each,
 *				while SCRAM and TLS logins a second arrive; ok
 *				p50, p99 and longest answer in microseconds,
 *				and the number of logins
 *	read SQL		over TLS; ok bytes
 *
 * KIND is plain, tls or resumed. Whether SCRAM is spoken is the server's choice.
 * Threads block: what is measured is the other side's CPU time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "base/buf.h"
#include "proto/scram.h"

#define RATE 20 /* questions of a client per second */
#define THREADS_MAX 64

enum kind { PLAIN, TLS, RESUMED };

static int port;
static const char *user, *password;
static SSL_CTX *ctx;

/* What one thread has. */
struct work {
	pthread_t thread;
	enum kind kind;
	int n; /* logins to do; 0: until stop */
	int64_t pause_us; /* between two begins */
	SSL_SESSION *session;
	struct scram_keys keys;
	uint8_t salt[64];
	size_t salt_n; /* of which they are; 0: none yet */
	int done, resumed;
	char error[200];
};

static atomic_bool stop;

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

static void
sleep_until(int64_t us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* ---- one connection ---- */

struct link {
	int fd;
	SSL *ssl;
	uint8_t in[1 << 16];
	size_t at, n;
};

static bool
link_send(struct link *k, const void *p, size_t n)
{
	if (k->ssl != NULL)
		return SSL_write(k->ssl, p, (int)n) == (int)n;
	return send(k->fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool
link_fill(struct link *k)
{
	ssize_t n;

	if (k->ssl != NULL)
		n = SSL_read(k->ssl, k->in, sizeof(k->in));
	else
		n = recv(k->fd, k->in, sizeof(k->in), 0);
	k->at = 0;
	k->n = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static bool
link_take(struct link *k, void *to, size_t n)
{
	uint8_t *p = to;

	while (n > 0) {
		size_t part = k->n - k->at < n ? k->n - k->at : n;

		if (part == 0 && !link_fill(k))
			return false;
		memcpy(p, k->in + k->at, part);
		k->at += part;
		p += part;
		n -= part;
	}
	return true;
}

/* The next message; its body is the caller's. 0: the end. */
static uint8_t
link_message(struct link *k, uint8_t **body, uint32_t *n)
{
	uint8_t head[5];

	if (!link_take(k, head, 5))
		return 0;
	memcpy(n, head + 1, 4);
	*n = ntohl(*n) - 4;
	*body = malloc(*n + 1);
	(*body)[*n] = 0;
	if (link_take(k, *body, *n))
		return head[0];
	free(*body);
	return 0;
}

static void
put_message(struct buf *b, char type, const void *p, size_t n)
{
	uint32_t len = htonl((uint32_t)n + 4);

	buf_append(b, &type, 1);
	buf_append(b, &len, 4);
	buf_append(b, p, n);
}

static bool
send_buf(struct link *k, struct buf *b)
{
	bool ok = link_send(k, buf_head(b), buf_len(b));

	buf_free(b);
	return ok;
}

static bool
dial(struct link *k, struct work *w)
{
	static const uint8_t ssl_request[] = { 0, 0, 0, 8, 4, 210, 22, 47 };
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1;
	char answer;

	k->ssl = NULL;
	k->at = k->n = 0;
	k->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(k->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(k->fd, (struct sockaddr *)&sin, sizeof(sin)) != 0)
		return false;
	if (w->kind == PLAIN)
		return true;
	if (!link_send(k, ssl_request, sizeof(ssl_request)) ||
	    recv(k->fd, &answer, 1, 0) != 1 || answer != 'S')
		return false;
	k->ssl = SSL_new(ctx);
	SSL_set_fd(k->ssl, k->fd);
	if (w->kind == RESUMED && w->session != NULL)
		SSL_set_session(k->ssl, w->session);
	return SSL_connect(k->ssl) == 1;
}

static void
hang_up(struct link *k, struct work *w)
{
	static const uint8_t terminate[] = { 'X', 0, 0, 0, 4 };

	if (k->fd < 0)
		return;
	(void)link_send(k, terminate, sizeof(terminate));
	if (k->ssl != NULL) {
		w->resumed += SSL_session_reused(k->ssl);
		SSL_SESSION_free(w->session);
		w->session = SSL_get1_session(k->ssl);
		/* Else the session counts as broken. */
		SSL_set_shutdown(k->ssl, SSL_SENT_SHUTDOWN |
		    SSL_RECEIVED_SHUTDOWN);
		SSL_free(k->ssl);
	}
	close(k->fd);
}

/* ---- login ---- */

static bool
send_startup(struct link *k)
{
	struct buf b = { 0 }, p = { 0 };
	uint32_t n, version = htonl(3u << 16);

	buf_printf(&p, "user%c%s%cdatabase%cbench%c%c", 0, user, 0, 0, 0, 0);
	n = htonl((uint32_t)buf_len(&p) + 8);
	buf_append(&b, &n, 4);
	buf_append(&b, &version, 4);
	buf_append(&b, buf_head(&p), buf_len(&p));
	buf_free(&p);
	return send_buf(k, &b);
}

static bool
send_first(struct link *k, struct scram_client *c)
{
	struct buf b = { 0 }, first = { 0 }, body = { 0 };
	uint32_t n;

	scram_client_first(c, &first);
	n = htonl((uint32_t)buf_len(&first));
	buf_append(&body, SCRAM_MECHANISM, sizeof(SCRAM_MECHANISM));
	buf_append(&body, &n, 4);
	buf_append(&body, buf_head(&first), buf_len(&first));
	put_message(&b, 'p', buf_head(&body), buf_len(&body));
	buf_free(&first);
	buf_free(&body);
	return send_buf(k, &b);
}

/* With the keys of the last time, if they are of this salt. */
static enum step
give_keys(struct work *w, struct scram_client *c, struct buf *out)
{
	struct span salt;
	uint32_t iterations;
	struct err e;

	if (!scram_client_wants(c, &salt, &iterations))
		return STEP_FAIL;
	if (salt.n > sizeof(w->salt))
		return STEP_FAIL;
	if (salt.n != w->salt_n || memcmp(salt.p, w->salt, salt.n) != 0) {
		scram_keys_derive(password, salt, iterations, &w->keys);
		memcpy(w->salt, salt.p, salt.n);
		w->salt_n = salt.n;
	}
	return scram_client_give(c, &w->keys, out, &e);
}

static bool
sasl(struct link *k, struct work *w, struct scram_client *c, uint32_t code,
    struct span rest)
{
	struct buf out = { 0 }, b = { 0 };
	enum step step;
	struct err e;

	if (code == 10)
		return send_first(k, c);
	if (code != 11 && code != 12)
		return false;
	step = scram_client_step(c, rest, &out, &e);
	if (step == STEP_MORE && code == 11)
		step = give_keys(w, c, &out);
	if (step == STEP_MORE) {
		put_message(&b, 'p', buf_head(&out), buf_len(&out));
		send_buf(k, &b);
	}
	buf_free(&out);
	return step != STEP_FAIL;
}

/* Up to ReadyForQuery; how much came with it. */
static bool
talk(struct link *k, struct work *w, struct scram_client *c, uint64_t *bytes)
{
	for (;;) {
		uint8_t *body;
		uint32_t n, code = 0;
		uint8_t type = link_message(k, &body, &n);
		bool ok = type != 0 && type != 'E';

		if (type == 0)
			return false;
		*bytes += n + 5;
		if (type == 'E')
			snprintf(w->error, sizeof(w->error), "%.150s",
			    n > 0 ? (char *)body + n / 3 : "");
		if (type == 'R' && n >= 4) {
			memcpy(&code, body, 4);
			code = ntohl(code);
			ok = code == 0 || (c != NULL && sasl(k, w, c, code,
			    SPAN(body + 4, n - 4)));
		}
		free(body);
		if (!ok || type == 'Z')
			return ok;
	}
}

static bool
log_in(struct link *k, struct work *w)
{
	struct scram_client *c = scram_client_new(password, NULL);
	uint64_t bytes = 0;
	bool ok;

	scram_client_defer(c);
	ok = dial(k, w) && send_startup(k) && talk(k, w, c, &bytes);
	scram_client_free(c);
	if (!ok && w->error[0] == '\0')
		snprintf(w->error, sizeof(w->error), "login: %s",
		    strerror(errno));
	return ok;
}

static bool
ask(struct link *k, struct work *w, const char *sql, uint64_t *bytes)
{
	struct buf b = { 0 };

	put_message(&b, 'Q', sql, strlen(sql) + 1);
	*bytes = 0;
	return send_buf(k, &b) && talk(k, w, NULL, bytes);
}

/* ---- many logins ---- */

static void *
keep_logging_in(void *arg)
{
	struct work *w = arg;
	struct link *k = malloc(sizeof(*k));
	int64_t next = now_us();
	bool ok = true;

	while (ok && (w->n > 0 ? w->done < w->n : !atomic_load(&stop))) {
		if (w->pause_us > 0) {
			sleep_until(next);
			next += w->pause_us;
		}
		ok = log_in(k, w);
		hang_up(k, w);
		w->done += ok;
	}
	free(k);
	return NULL;
}

static void
begin(struct work *w, int n)
{
	int i;

	for (i = 0; i < n; i++)
		pthread_create(&w[i].thread, NULL, keep_logging_in, &w[i]);
}

/* What they did; an error ends the program's answer. */
static const char *
finish(struct work *w, int n, int *done, int *resumed)
{
	const char *error = NULL;
	int i;

	for (i = 0; i < n; i++) {
		pthread_join(w[i].thread, NULL);
		SSL_SESSION_free(w[i].session);
		*done += w[i].done;
		*resumed += w[i].resumed;
		if (w[i].error[0] != '\0')
			error = w[i].error;
	}
	return error;
}

static void
do_login(const char *kind, int n, int threads)
{
	static struct work w[THREADS_MAX];
	int64_t begun = now_us();
	int i, done = 0, resumed = 0;
	const char *error;

	memset(w, 0, sizeof(w));
	for (i = 0; i < threads; i++) {
		w[i].n = n / threads;
		w[i].kind = strcmp(kind, "plain") == 0 ? PLAIN :
		    strcmp(kind, "tls") == 0 ? TLS : RESUMED;
	}
	begin(w, threads);
	error = finish(w, threads, &done, &resumed);
	if (error != NULL)
		printf("error %s\n", error);
	else
		printf("ok %" PRId64 " %d\n", now_us() - begun, resumed);
}

/* ---- those who are there already ---- */

static int
by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

struct asker {
	struct link k;
	int64_t asked; /* since when; 0: it waits for its time */
	int64_t next;
};

/* One thread asks for all, each at its own time, and notes how long it took.
 * The answer of "SELECT 1" is short: one read takes it. */
static size_t
ask_steadily(struct asker *a, int n, int64_t until, int64_t *took, size_t max)
{
	static const char query[] = "Q\0\0\0\x0dSELECT 1";
	struct pollfd *p = calloc((size_t)n, sizeof(*p));
	size_t got = 0;

	while (got < max) {
		int64_t now = now_us(), next = until;
		struct timespec t;
		int i;

		if (now >= until)
			break;
		for (i = 0; i < n; i++) {
			p[i] = (struct pollfd){ .fd = a[i].k.fd,
				.events = POLLIN };
			if (a[i].asked == 0 && a[i].next <= now) {
				a[i].asked = now;
				a[i].next += 1000000 / RATE;
				link_send(&a[i].k, query, sizeof(query));
			}
			if (a[i].asked == 0 && a[i].next < next)
				next = a[i].next;
		}
		t.tv_sec = 0;
		t.tv_nsec = next > now && next - now < 100000 ?
		    (next - now) * 1000 : 1000;
		if (ppoll(p, (nfds_t)n, &t, NULL) <= 0)
			continue;
		now = now_us();
		for (i = 0; i < n; i++) {
			if (p[i].revents == 0 || a[i].asked == 0)
				continue;
			link_fill(&a[i].k);
			took[got++] = now - a[i].asked;
			a[i].asked = 0;
		}
	}
	free(p);
	return got;
}

static int
put_storm(struct work *w, enum kind kind, int rate)
{
	int i, threads = rate > 0 ? 4 : 0;

	for (i = 0; i < threads; i++) {
		w[i].kind = kind;
		w[i].pause_us = INT64_C(1000000) * threads / rate;
	}
	return threads;
}

static void
do_storm(int seconds, int clients, int scram, int tls)
{
	static struct work w[8];
	struct work me = { .kind = PLAIN };
	struct asker *a = calloc((size_t)clients, sizeof(*a));
	size_t max = (size_t)clients * RATE * (size_t)seconds * 2, n;
	int64_t *took = calloc(max, sizeof(*took)), now;
	int i, threads, done = 0, resumed = 0;
	const char *error = NULL;

	memset(w, 0, sizeof(w));
	atomic_store(&stop, false);
	for (i = 0; i < clients && error == NULL; i++)
		if (!log_in(&a[i].k, &me))
			error = me.error;
	now = now_us();
	for (i = 0; i < clients; i++)
		a[i].next = now + i * INT64_C(1000000) / RATE / clients;
	threads = put_storm(w, PLAIN, scram);
	threads += put_storm(w + threads, TLS, tls);
	begin(w, threads);
	n = ask_steadily(a, clients, now + seconds * INT64_C(1000000), took,
	    max);
	atomic_store(&stop, true);
	if (error == NULL)
		error = finish(w, threads, &done, &resumed);
	else
		finish(w, threads, &done, &resumed);
	for (i = 0; i < clients; i++)
		hang_up(&a[i].k, &me);
	qsort(took, n, sizeof(*took), by_size);
	if (error != NULL || n == 0)
		printf("error %s\n", error != NULL ? error : "no answers");
	else
		printf("ok %" PRId64 " %" PRId64 " %" PRId64 " %d\n",
		    took[n / 2], took[n * 99 / 100], took[n - 1], done);
	free(a);
	free(took);
}

static void
do_read(const char *sql)
{
	struct work w = { .kind = TLS };
	struct link *k = malloc(sizeof(*k));
	uint64_t bytes = 0;
	bool ok = log_in(k, &w) && ask(k, &w, sql, &bytes);

	hang_up(k, &w);
	free(k);
	SSL_SESSION_free(w.session);
	if (ok)
		printf("ok %" PRIu64 "\n", bytes);
	else
		printf("error %s\n", w.error);
}

static void
run(char *line)
{
	int a, b, c, d;
	char kind[20];

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "login %19s %d %d", kind, &a, &b) == 3 && b > 0 &&
	    b <= THREADS_MAX)
		do_login(kind, a, b);
	else if (sscanf(line, "storm %d %d %d %d", &a, &b, &c, &d) == 4)
		do_storm(a, b, c, d);
	else if (strncmp(line, "read ", 5) == 0)
		do_read(line + 5);
	else
		printf("error unknown command\n");
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	char line[1000];

	if (argc != 4) {
		fputs("usage: logins PORT USER PASSWORD\n", stderr);
		return 2;
	}
	port = atoi(argv[1]);
	user = argv[2];
	password = argv[3];
	ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	while (fgets(line, sizeof(line), stdin) != NULL)
		run(line);
	SSL_CTX_free(ctx);
	return 0;
}
