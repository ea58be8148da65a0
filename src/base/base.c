#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

struct span
span_of(const char *str)
{
	return str != NULL ? SPAN(str, strlen(str)) : SPAN(NULL, 0);
}

bool
span_eq(struct span a, struct span b)
{
	/* memcmp() must not see the NULL of an empty span. */
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
span_is(struct span a, const char *str)
{
	return span_eq(a, span_of(str));
}

bool
span_is_nocase(struct span a, const char *str)
{
	struct span b = span_of(str);

	return a.n == b.n && (a.n == 0 ||
	    strncasecmp((const char *)a.p, (const char *)b.p, a.n) == 0);
}

static void __attribute__((noreturn))
out_of_memory(void)
{
	/* No stdio: it may want memory itself. */
	static const char text[] = "pooler: out of memory\n";
	ssize_t ignored;

	ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)ignored;
	abort();
}

void *
xmalloc(size_t n)
{
	void *p = malloc(n != 0 ? n : 1);

	if (UNLIKELY(p == NULL))
		out_of_memory();
	return p;
}

void *
xcalloc(size_t count, size_t n)
{
	void *p;

	if (count == 0 || n == 0)
		count = n = 1;
	p = calloc(count, n);
	if (UNLIKELY(p == NULL))
		out_of_memory();
	return p;
}

void *
xrealloc(void *old, size_t n)
{
	void *p = realloc(old, n != 0 ? n : 1);

	if (UNLIKELY(p == NULL))
		out_of_memory();
	return p;
}

char *
xstrdup(const char *s)
{
	return xstrndup(s, strlen(s));
}

char *
xstrndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *copy = xmalloc(len + 1);

	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}

char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return xstrdup("");
	s = xmalloc((size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}

void *
try_malloc(size_t n)
{
	return malloc(n != 0 ? n : 1);
}

void *
try_realloc(void *old, size_t n)
{
	return realloc(old, n != 0 ? n : 1);
}

void
copy_str(char *dst, size_t cap, const char *src)
{
	size_t n;

	if (cap == 0)
		return;
	n = strnlen(src, cap - 1);
	memmove(dst, src, n);
	dst[n] = '\0';
}

void
wipe(void *p, size_t n)
{
	if (p != NULL && n > 0)
		explicit_bzero(p, n);
}

void
wipe_free(char *s)
{
	if (s == NULL)
		return;
	wipe(s, strlen(s));
	free(s);
}

void
random_bytes(void *p, size_t n)
{
	uint8_t *at = p;

	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			/* Guessable nonces and cancel keys would be worse. */
			fprintf(stderr, "pooler: no random bytes: %s\n",
			    strerror(errno));
			abort();
		}
		at += got;
		n -= (size_t)got;
	}
}

static usec_t
clock_us(clockid_t which)
{
	struct timespec ts;

	clock_gettime(which, &ts);
	return (usec_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

usec_t
clock_mono_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

usec_t
clock_wall_us(void)
{
	return clock_us(CLOCK_REALTIME);
}

static _Atomic uint64_t ensure_count;
static void (*_Atomic ensure_handler)(const char *text);

bool
ensure_failed(const char *file, int line, const char *cond)
{
	void (*fn)(const char *text) = atomic_load(&ensure_handler);
	char text[512];

	atomic_fetch_add_explicit(&ensure_count, 1, memory_order_relaxed);
	snprintf(text, sizeof(text), "%s:%d: ensure failed: %s", file, line,
	    cond);
	if (fn != NULL)
		fn(text);
	else
		fprintf(stderr, "pooler: %s\n", text);
#ifdef POOLER_ENSURE_ABORTS
	/* The handler may be a writer thread that will not get to it now. */
	if (fn != NULL)
		fprintf(stderr, "pooler: %s\n", text);
	abort();
#else
	return false;
#endif
}

uint64_t
ensure_failures(void)
{
	return atomic_load_explicit(&ensure_count, memory_order_relaxed);
}

void
ensure_set_handler(void (*fn)(const char *text))
{
	atomic_store(&ensure_handler, fn);
}
