/*
 * A load that pgbench cannot make: thousands of clients that do nothing, a
 * hundred thousand pools that are visited once, and a big result that is read
 * as fast as it comes.
 *
 *	load HOST PORT USER		HOST with a slash is a socket folder
 *
 * It reads commands from its standard input, one a line, and answers each with
 * one line, "ok NUMBER" or "error TEXT":
 *
 *	open DBNAME N		N more clients, logged in and kept; ok N
 *	query			every kept client runs SELECT 1; ok clients
 *	close			all kept clients say goodbye; ok clients
 *	visit PREFIX FIRST N	log in to PREFIX%06d once for each, and leave;
 *				ok N
 *	read DBNAME SQL		run it, throw the result away; ok bytes
 *
 * There is one thread, and it waits for all its clients with epoll: the load
 * must stay cheap beside what it measures.
 */

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* So many log in, or query, at once; more would only measure the backlog. */
#define IN_FLIGHT 64
#define LOGIN_MAX 512
/* Nothing here takes this long; a run that hangs has to say so. */
#define PATIENCE_MS 60000

struct client {
	int fd;
	/* Of the message in progress: header bytes seen, body bytes to come. */
	uint8_t head[5];
	unsigned head_len;
	uint32_t body_left;
	char error[200];
	unsigned error_len;
};

struct load {
	const char *host;
	int port;
	const char *user;
	int epoll;
	struct client **kept;
	size_t nkept;
	size_t in_flight;
	uint64_t bytes;
	char error[400];
};

enum progress { MORE, READY, BROKEN };

__attribute__((format(printf, 2, 3))) static bool
load_fail(struct load *ld, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ld->error, sizeof(ld->error), fmt, ap);
	va_end(ap);
	return false;
}

static void *
allocate(size_t n)
{
	void *p = calloc(1, n);

	if (p == NULL) {
		fputs("load: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

static int
dial_unix(const struct load *ld)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%.80s/.s.PGSQL.%d",
	    ld->host, ld->port);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
dial_tcp(const struct load *ld)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)ld->port),
	};
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	inet_pton(AF_INET, ld->host, &sin.sin_addr);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Everything we send is short and the socket's buffer is empty then. */
static bool
client_send(struct client *c, const void *p, size_t n)
{
	return send(c->fd, p, n, MSG_NOSIGNAL) == (ssize_t)n;
}

static bool
client_login(const struct load *ld, struct client *c, const char *db)
{
	uint8_t msg[LOGIN_MAX];
	uint32_t n, version = htonl(3u << 16);
	int len;

	len = snprintf((char *)msg + 8, sizeof(msg) - 9,
	    "user%c%s%cdatabase%c%s%c", 0, ld->user, 0, 0, db, 0);
	if (len < 0 || (size_t)len >= sizeof(msg) - 9)
		return false;
	msg[8 + len] = 0;
	n = htonl((uint32_t)len + 9);
	memcpy(msg, &n, 4);
	memcpy(msg + 4, &version, 4);
	return client_send(c, msg, (size_t)len + 9);
}

static bool
client_ask(struct client *c, const char *sql)
{
	size_t len = strlen(sql) + 1;
	uint32_t n = htonl((uint32_t)len + 4);
	uint8_t *msg = allocate(len + 5);
	bool sent;

	msg[0] = 'Q';
	memcpy(msg + 1, &n, 4);
	memcpy(msg + 5, sql, len);
	sent = client_send(c, msg, len + 5);
	free(msg);
	return sent;
}

static void
client_free(struct client *c, bool goodbye)
{
	static const uint8_t terminate[] = { 'X', 0, 0, 0, 4 };

	if (goodbye)
		(void)client_send(c, terminate, sizeof(terminate));
	close(c->fd);
	free(c);
}

static struct client *
client_new(struct load *ld, const char *db)
{
	struct client *c = allocate(sizeof(*c));
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

	c->fd = strchr(ld->host, '/') != NULL ? dial_unix(ld) : dial_tcp(ld);
	if (c->fd < 0) {
		load_fail(ld, "connect: %s", strerror(errno));
		free(c);
		return NULL;
	}
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	if (!client_login(ld, c, db) ||
	    epoll_ctl(ld->epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0) {
		load_fail(ld, "login: %s", strerror(errno));
		client_free(c, false);
		return NULL;
	}
	return c;
}

/* Of an error's body the start is enough to say what went wrong. */
static void
keep_error(struct client *c, const uint8_t *p, size_t n)
{
	size_t i;

	for (i = 0; i < n && c->error_len < sizeof(c->error) - 1; i++)
		c->error[c->error_len++] = p[i] == 0 ? ' ' : (char)p[i];
}

/* Walks over whole and partial messages; a ReadyForQuery ends it. */
static enum progress
client_scan(struct client *c, const uint8_t *p, size_t n)
{
	enum progress got = MORE;
	uint32_t len;
	size_t take;

	while (n > 0) {
		if (c->head_len < sizeof(c->head)) {
			c->head[c->head_len++] = *p++;
			n--;
			if (c->head_len < sizeof(c->head))
				continue;
			memcpy(&len, c->head + 1, 4);
			c->body_left = ntohl(len) - 4;
		}
		take = c->body_left < n ? c->body_left : n;
		if (c->head[0] == 'E')
			keep_error(c, p, take);
		p += take;
		n -= take;
		c->body_left -= (uint32_t)take;
		if (c->body_left == 0) {
			if (c->head[0] == 'Z')
				got = READY;
			c->head_len = 0;
		}
	}
	return got;
}

static enum progress
client_read(struct load *ld, struct client *c)
{
	static uint8_t buf[1 << 18];
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);
	enum progress got;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return MORE;
	if (n > 0)
		ld->bytes += (uint64_t)n;
	got = n > 0 ? client_scan(c, buf, (size_t)n) : BROKEN;
	if (got == BROKEN || (got == READY && c->error_len > 0)) {
		load_fail(ld, "%s",
		    c->error_len > 0 ? c->error : "connection closed");
		return BROKEN;
	}
	return got;
}

/* Waits until at most LIMIT are in flight; LEAVE: the ready ones say goodbye. */
static bool
drain(struct load *ld, size_t limit, bool leave)
{
	struct epoll_event ev[IN_FLIGHT];
	struct client *c;
	int i, n;

	while (ld->in_flight > limit) {
		n = epoll_wait(ld->epoll, ev, IN_FLIGHT, PATIENCE_MS);
		if (n == 0)
			return load_fail(ld, "no answer within %d s",
			    PATIENCE_MS / 1000);
		for (i = 0; i < n; i++) {
			c = ev[i].data.ptr;
			switch (client_read(ld, c)) {
			case MORE:
				break;
			case READY:
				ld->in_flight--;
				if (leave)
					client_free(c, true);
				break;
			case BROKEN:
				return false;
			}
		}
	}
	return true;
}

static bool
do_open(struct load *ld, const char *db, size_t n)
{
	size_t i;

	ld->kept = realloc(ld->kept, (ld->nkept + n) * sizeof(*ld->kept));
	if (ld->kept == NULL)
		return load_fail(ld, "out of memory");
	for (i = 0; i < n; i++) {
		struct client *c = client_new(ld, db);

		if (c == NULL)
			return false;
		ld->kept[ld->nkept++] = c;
		ld->in_flight++;
		if (!drain(ld, IN_FLIGHT, false))
			return false;
	}
	return drain(ld, 0, false);
}

static bool
do_query(struct load *ld)
{
	size_t i;

	for (i = 0; i < ld->nkept; i++) {
		if (!client_ask(ld->kept[i], "SELECT 1"))
			return load_fail(ld, "send: %s", strerror(errno));
		ld->in_flight++;
		if (!drain(ld, IN_FLIGHT, false))
			return false;
	}
	return drain(ld, 0, false);
}

static void
do_close(struct load *ld)
{
	size_t i;

	for (i = 0; i < ld->nkept; i++)
		client_free(ld->kept[i], true);
	free(ld->kept);
	ld->kept = NULL;
	ld->nkept = 0;
}

static bool
do_visit(struct load *ld, const char *prefix, size_t first, size_t n)
{
	char db[128];
	size_t i;

	for (i = first; i < first + n; i++) {
		snprintf(db, sizeof(db), "%s%06zu", prefix, i);
		if (client_new(ld, db) == NULL)
			return false;
		ld->in_flight++;
		if (!drain(ld, IN_FLIGHT, true))
			return false;
	}
	return drain(ld, 0, true);
}

static bool
do_read(struct load *ld, const char *db, const char *sql)
{
	struct client *c = client_new(ld, db);
	bool good;

	if (c == NULL)
		return false;
	ld->in_flight = 1;
	good = drain(ld, 0, false);
	ld->bytes = 0;
	if (good) {
		good = client_ask(c, sql) || load_fail(ld, "send failed");
		ld->in_flight = 1;
		good = good && drain(ld, 0, false);
	}
	client_free(c, good);
	return good;
}

/* One command; *number is what "ok" is followed by. */
static bool
run(struct load *ld, char *line, uint64_t *number)
{
	char db[100];
	size_t first, n;
	int at;

	ld->in_flight = 0;
	if (sscanf(line, "open %99s %zu", db, &n) == 2) {
		*number = n;
		return do_open(ld, db, n);
	}
	if (strcmp(line, "query") == 0) {
		*number = ld->nkept;
		return do_query(ld);
	}
	if (strcmp(line, "close") == 0) {
		*number = ld->nkept;
		do_close(ld);
		return true;
	}
	if (sscanf(line, "visit %99s %zu %zu", db, &first, &n) == 3) {
		*number = n;
		return do_visit(ld, db, first, n);
	}
	if (sscanf(line, "read %99s %n", db, &at) == 1) {
		bool good = do_read(ld, db, line + at);

		*number = ld->bytes;
		return good;
	}
	return load_fail(ld, "unknown command");
}

int
main(int argc, char **argv)
{
	struct load ld = { 0 };
	char line[1024];
	uint64_t number;

	if (argc != 4) {
		fputs("usage: load HOST PORT USER\n", stderr);
		return 2;
	}
	ld.host = argv[1];
	ld.port = atoi(argv[2]);
	ld.user = argv[3];
	ld.epoll = epoll_create1(EPOLL_CLOEXEC);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		number = 0;
		if (run(&ld, line, &number))
			printf("ok %" PRIu64 "\n", number);
		else
			printf("error %s\n", ld.error);
		fflush(stdout);
	}
	do_close(&ld);
	return 0;
}
