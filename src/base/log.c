#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "log_line.h"

/*
 * Two batches of half a ring each: callers fill one while the writer thread
 * writes the other, then they change places. So a caller holds the lock for
 * the copy of one line only, and the writer for the change.
 */
#define BATCH_BYTES (512 * 1024)
#define BATCH_LINES 16384
#define STOP_WAIT_MS 1000 /* log_stop() waits this long for the writer */
#define STDERR_WAIT_MS 100 /* while a file or syslog waits behind it */

struct batch {
	char *bytes;
	size_t n;
	struct log_line *lines;
	size_t n_lines;
};

/* Where lines go. Immutable; the writer holds one while it writes, so that
 * log_configure() does not wait for a write that blocks. */
struct target {
	atomic_uint refs;
	bool to_stderr;
	bool journal; /* stderr is the journal: it has clocks of its own */
	int fd; /* -1 = no file */
	bool syslog;
	char ident[64];
	int facility;
};

static const struct {
	const char *name;
	int value;
} facilities[] = {
	{ "auth", LOG_AUTH }, { "authpriv", LOG_AUTHPRIV },
	{ "cron", LOG_CRON }, { "daemon", LOG_DAEMON }, { "ftp", LOG_FTP },
	{ "kern", LOG_KERN }, { "lpr", LOG_LPR }, { "mail", LOG_MAIL },
	{ "news", LOG_NEWS }, { "syslog", LOG_SYSLOG }, { "user", LOG_USER },
	{ "uucp", LOG_UUCP }, { "local0", LOG_LOCAL0 },
	{ "local1", LOG_LOCAL1 }, { "local2", LOG_LOCAL2 },
	{ "local3", LOG_LOCAL3 }, { "local4", LOG_LOCAL4 },
	{ "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 },
	{ "local7", LOG_LOCAL7 },
};

static _Atomic int max_level = LVL_LOG;
static atomic_bool as_json;
static _Atomic uint64_t dropped;

/* All below is protected by the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER;
static pthread_cond_t ended; /* monotonic clock; made by log_start() */
static bool running;
static bool stopping;
static bool has_ended;
static struct batch *fill; /* what callers append to */
static struct target *target;
static pthread_t thread;

void
log_set_level(enum log_level lvl)
{
	atomic_store_explicit(&max_level, (int)lvl, memory_order_relaxed);
}

bool
log_enabled(enum log_level lvl)
{
	return (int)lvl <= atomic_load_explicit(&max_level,
	    memory_order_relaxed);
}

uint64_t
log_dropped(void)
{
	return atomic_load_explicit(&dropped, memory_order_relaxed);
}

static void
count_dropped(uint64_t n)
{
	atomic_fetch_add_explicit(&dropped, n, memory_order_relaxed);
}

/* Writing it. */

static bool
fd_takes_more(int fd, int wait_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	int r;

	do
		r = poll(&pfd, 1, wait_ms);
	while (r < 0 && errno == EINTR);
	/* Nobody at the other end, or no descriptor: write() says so. */
	return r > 0;
}

static bool
must_stop(void)
{
	bool r;

	pthread_mutex_lock(&lock);
	r = stopping;
	pthread_mutex_unlock(&lock);
	return r;
}

/* To a pipe at most PIPE_BUF bytes at once: poll() promises room for that
 * many, so write() does not block. False when there is no room in time. */
static bool
write_polled(int fd, const char *p, size_t n, int wait_ms, bool persist)
{
	while (n > 0) {
		size_t part = n < 4096 ? n : 4096;
		ssize_t done;

		while (!fd_takes_more(fd, wait_ms))
			if (!persist || must_stop())
				return false;
		done = write(fd, p, part);
		if (done < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		if (done > 0) {
			p += done;
			n -= (size_t)done;
		}
	}
	return true;
}

/* A full disk: nobody can be told but the counter. */
static void
count_unwritten(const struct batch *b, size_t done)
{
	size_t i, end = 0, lost = 0;

	for (i = 0; i < b->n_lines; i++) {
		end += b->lines[i].n;
		lost += end > done;
	}
	count_dropped(lost);
}

static void
write_file(int fd, const struct batch *b)
{
	size_t at = 0;

	while (at < b->n) {
		ssize_t n = write(fd, b->bytes + at, b->n - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			count_unwritten(b, at);
			return;
		}
		at += (size_t)n;
	}
}

/*
 * The journal puts clock, host and process beside a line itself, and takes its
 * priority from a number before it (sd-daemon(3)). A line feed would begin a
 * record of its own.
 */
static bool
write_journal_line(const char *p, const struct log_line *l, bool persist)
{
	char bytes[LOG_LINE_MAX + 8];
	size_t n = (size_t)snprintf(bytes, 8, "<%d>",
	    log_level_priority(l->level));
	size_t i;

	for (i = l->text_at; i + 1 < l->n; i++)
		if (p[i] != '\n')
			bytes[n++] = p[i] == '\t' ? ' ' : p[i];
	bytes[n++] = '\n';
	return write_polled(STDERR_FILENO, bytes, n, STDERR_WAIT_MS, persist);
}

static void
write_journal(const struct batch *b, bool persist)
{
	size_t i, at = 0;

	for (i = 0; i < b->n_lines; i++) {
		if (!write_journal_line(b->bytes + at, &b->lines[i],
		    persist)) {
			count_dropped(b->n_lines - i);
			return;
		}
		at += b->lines[i].n;
	}
}

/* systemd tells which file the journal's end of stderr is. */
static bool
stderr_is_journal(void)
{
	const char *text = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return text != NULL && sscanf(text, "%llu:%llu", &dev, &ino) == 2 &&
	    fstat(STDERR_FILENO, &st) == 0 &&
	    (unsigned long long)st.st_dev == dev &&
	    (unsigned long long)st.st_ino == ino;
}

static void
write_stderr(const struct batch *b, const struct target *t)
{
	/* A file or syslog must not stand still because nobody reads the
	 * pipe; without them there is nothing better to do than to wait. */
	bool persist = t->fd < 0 && !t->syslog;
	size_t i = 0, at = 0;

	if (t->journal) {
		write_journal(b, persist);
		return;
	}
	while (i < b->n_lines) {
		size_t n = b->lines[i].n, first = i++;

		while (i < b->n_lines && n + b->lines[i].n <= 4096)
			n += b->lines[i++].n;
		if (!write_polled(STDERR_FILENO, b->bytes + at, n,
		    STDERR_WAIT_MS, persist)) {
			count_dropped(b->n_lines - first);
			return;
		}
		at += n;
	}
}

static void
write_syslog(const struct batch *b, const struct target *t)
{
	/* openlog() keeps the pointer, so it must not be the target's. */
	static char ident[64];
	size_t i, at = 0;

	if (strcmp(ident, t->ident) != 0) {
		closelog();
		copy_str(ident, sizeof(ident), t->ident);
		openlog(ident, LOG_PID | LOG_NDELAY, t->facility);
	}
	for (i = 0; i < b->n_lines; i++) {
		const struct log_line *l = &b->lines[i];

		syslog(t->facility | log_level_priority(l->level), "%.*s",
		    (int)(l->n - l->text_at - 1), b->bytes + at + l->text_at);
		at += l->n;
	}
}

static void
write_batch(const struct batch *b, const struct target *t)
{
	if (t == NULL) {
		static const struct target plain = { .to_stderr = true,
			.fd = -1 };

		t = &plain;
	}
	if (t->fd >= 0)
		write_file(t->fd, b);
	if (t->syslog)
		write_syslog(b, t);
	if (t->to_stderr)
		write_stderr(b, t);
}

/* Without the writer thread: one try, so that a full pipe holds up nobody. */
static void
write_direct(const char *p, size_t n)
{
	if (!write_polled(STDERR_FILENO, p, n, 10, false))
		count_dropped(1);
}

/* The ring. */

static struct batch *
batch_new(void)
{
	struct batch *b = xcalloc(1, sizeof(*b));

	b->bytes = xmalloc(BATCH_BYTES);
	b->lines = xcalloc(BATCH_LINES, sizeof(*b->lines));
	return b;
}

static void
batch_free(struct batch *b)
{
	free(b->bytes);
	free(b->lines);
	free(b);
}

static bool
batch_add(struct batch *b, const char *p, const struct log_line *l)
{
	if (l->n > BATCH_BYTES - b->n || b->n_lines == BATCH_LINES)
		return false;
	memcpy(b->bytes + b->n, p, l->n);
	b->n += l->n;
	b->lines[b->n_lines++] = *l;
	return true;
}

static void
put(enum log_level lvl, const char *text, const struct log_field *fields,
    size_t n_fields)
{
	char bytes[LOG_LINE_MAX];
	struct log_line l;
	bool direct;

	if (atomic_load_explicit(&as_json, memory_order_relaxed))
		log_line_json(bytes, &l, lvl, text, fields, n_fields);
	else
		log_line_text(bytes, &l, lvl, text);
	pthread_mutex_lock(&lock);
	direct = !running;
	if (!direct) {
		if (!batch_add(fill, bytes, &l))
			count_dropped(1);
		else if (fill->n_lines == 1)
			pthread_cond_signal(&filled);
	}
	pthread_mutex_unlock(&lock);
	if (direct)
		write_direct(bytes, l.n);
}

static struct target *
target_ref_locked(void)
{
	if (target != NULL)
		atomic_fetch_add(&target->refs, 1);
	return target;
}

static void
target_unref(struct target *t)
{
	if (t == NULL || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	if (t->fd >= 0)
		close(t->fd);
	free(t);
}

/* Tells of lines that were lost since it last did; b is empty and serves. */
static void
tell_dropped(uint64_t *told, struct batch *b, const struct target *t)
{
	uint64_t now = log_dropped();
	char text[96], bytes[LOG_LINE_MAX];
	struct log_line l;

	if (now == *told)
		return;
	snprintf(text, sizeof(text), "%llu log lines were lost, because they "
	    "could not be written in time",
	    (unsigned long long)(now - *told));
	*told = now;
	if (atomic_load_explicit(&as_json, memory_order_relaxed))
		log_line_json(bytes, &l, LVL_WARNING, text, NULL, 0);
	else
		log_line_text(bytes, &l, LVL_WARNING, text);
	batch_add(b, bytes, &l);
	write_batch(b, t);
	b->n = b->n_lines = 0;
}

static void *
writer(void *arg)
{
	struct batch *full = arg;
	uint64_t told = log_dropped();

	pthread_mutex_lock(&lock);
	for (;;) {
		struct batch *swap = fill;
		struct target *t;

		while (fill->n_lines == 0 && !stopping)
			pthread_cond_wait(&filled, &lock);
		if (fill->n_lines == 0)
			break;
		fill = full;
		full = swap;
		t = target_ref_locked();
		pthread_mutex_unlock(&lock);
		write_batch(full, t);
		full->n = full->n_lines = 0;
		tell_dropped(&told, full, t);
		target_unref(t);
		pthread_mutex_lock(&lock);
	}
	batch_free(full);
	has_ended = true;
	pthread_cond_signal(&ended);
	pthread_mutex_unlock(&lock);
	return NULL;
}

static int
facility_of(const char *name)
{
	size_t i;

	for (i = 0; name != NULL && i < ARRAY_LEN(facilities); i++)
		if (strcmp(facilities[i].name, name) == 0)
			return facilities[i].value;
	return LOG_DAEMON;
}

bool
log_configure(const struct log_target *conf)
{
	struct target *t, *old;
	int fd = -1;

	if (conf->file != NULL && conf->file[0] != '\0') {
		fd = open(conf->file, O_WRONLY | O_APPEND | O_CREAT |
		    O_CLOEXEC, 0644);
		if (fd < 0)
			return false;
	}
	t = xcalloc(1, sizeof(*t));
	atomic_init(&t->refs, 1);
	t->fd = fd;
	t->to_stderr = conf->to_stderr;
	t->journal = conf->to_stderr && stderr_is_journal();
	t->syslog = conf->syslog;
	copy_str(t->ident, sizeof(t->ident), conf->syslog_ident != NULL &&
	    conf->syslog_ident[0] != '\0' ? conf->syslog_ident : "pooler");
	t->facility = facility_of(conf->syslog_facility);
	pthread_mutex_lock(&lock);
	old = target;
	target = t;
	pthread_mutex_unlock(&lock);
	target_unref(old);
	atomic_store(&as_json, conf->json);
	return true;
}

static void
tell_ensure(const char *text)
{
	static struct log_limit limit;

	log_limited(&limit, 100 * USEC_PER_MSEC, LVL_ERROR, "%s", text);
}

bool
log_start(void)
{
	struct batch *spare;
	pthread_condattr_t attr;
	sigset_t all, old;
	int r;

	if (running)
		return true;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&ended, &attr);
	pthread_condattr_destroy(&attr);
	tzset();
	fill = batch_new();
	spare = batch_new();
	stopping = has_ended = false;
	/* Signals belong to the main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&thread, NULL, writer, spare);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r != 0) {
		batch_free(fill);
		batch_free(spare);
		fill = NULL;
		errno = r;
		return false;
	}
	pthread_mutex_lock(&lock);
	running = true;
	pthread_mutex_unlock(&lock);
	ensure_set_handler(tell_ensure);
	return true;
}

void
log_stop(void)
{
	struct timespec until;
	int r = 0;

	pthread_mutex_lock(&lock);
	if (!running) {
		pthread_mutex_unlock(&lock);
		return;
	}
	running = false;
	stopping = true;
	pthread_cond_signal(&filled);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STOP_WAIT_MS / 1000;
	while (!has_ended && r == 0)
		r = pthread_cond_timedwait(&ended, &lock, &until);
	pthread_mutex_unlock(&lock);
	ensure_set_handler(NULL);
	if (r != 0) {
		/* It hangs in a write (a dead disk or log daemon); the end of
		 * the process takes it along, and its memory stays its own. */
		pthread_detach(thread);
		return;
	}
	pthread_join(thread, NULL);
	batch_free(fill);
	fill = NULL;
}

static void __attribute__((format(printf, 5, 0)))
log_va(enum log_level lvl, uint64_t repeated, const struct log_field *fields,
    size_t n_fields, const char *fmt, va_list ap)
{
	char text[LOG_LINE_MAX - 128];
	int n;

	n = vsnprintf(text, sizeof(text) - 32, fmt, ap);
	if (n < 0)
		return;
	if (repeated > 0) {
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len,
		    " (repeated %llu times)", (unsigned long long)repeated);
	}
	put(lvl, text, fields, n_fields);
}

void
log_at(enum log_level lvl, const char *fmt, ...)
{
	va_list ap;

	if (!log_enabled(lvl))
		return;
	va_start(ap, fmt);
	log_va(lvl, 0, NULL, 0, fmt, ap);
	va_end(ap);
}

void
log_event(enum log_level lvl, const struct log_field *fields, size_t n,
    const char *fmt, ...)
{
	va_list ap;

	if (!log_enabled(lvl))
		return;
	va_start(ap, fmt);
	log_va(lvl, 0, fields, n, fmt, ap);
	va_end(ap);
}

void
log_limited(struct log_limit *l, usec_t every_us, enum log_level lvl,
    const char *fmt, ...)
{
	usec_t now = clock_mono_us();
	int64_t next = atomic_load(&l->next_us);
	va_list ap;

	if (!log_enabled(lvl))
		return;
	if (now < next ||
	    !atomic_compare_exchange_strong(&l->next_us, &next,
	    now + every_us)) {
		atomic_fetch_add(&l->held, 1);
		return;
	}
	va_start(ap, fmt);
	log_va(lvl, atomic_exchange(&l->held, 0), NULL, 0, fmt, ap);
	va_end(ap);
}
