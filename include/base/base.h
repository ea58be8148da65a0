/*
 * base: what every other file may use without thinking: memory that cannot
 * fail, byte spans, a clock, and the checks for "this is our own bug".
 *
 * Memory: fixed-size allocations go through x*(); they abort with a message
 * when the machine is out of memory. Sizes that a peer chose go through
 * try_malloc(), whose NULL becomes SQLSTATE 53200 for that peer alone.
 *
 * Threads: everything here may be called from any thread.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Microseconds; a point in time is of the monotonic clock, 0 = never. */
typedef int64_t usec_t;

#define USEC_PER_SEC ((usec_t)1000000)
#define USEC_PER_MSEC ((usec_t)1000)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PRINTF(f, a) __attribute__((format(printf, f, a)))

/* Bytes that belong to somebody else; valid until the owner's next read. */
struct span {
	const uint8_t *p;
	size_t n;
};

#define SPAN(ptr, len) \
	((struct span){ .p = (const uint8_t *)(ptr), .n = (size_t)(len) })
/* A string literal as a span, without its NUL. */
#define SPAN_LIT(s) SPAN(s, sizeof(s) - 1)
struct span span_of(const char *str); /* NULL gives an empty span */
bool span_eq(struct span a, struct span b);
bool span_is(struct span a, const char *str);
bool span_is_nocase(struct span a, const char *str);

void *xmalloc(size_t n);
void *xcalloc(size_t count, size_t n);
void *xrealloc(void *old, size_t n);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
char *xasprintf(const char *fmt, ...) PRINTF(1, 2);
void *try_malloc(size_t n);
void *try_realloc(void *old, size_t n);

/* Copies src into dst of size cap, cut if need be, always terminated. */
void copy_str(char *dst, size_t cap, const char *src);

/* Overwrites memory so that the compiler cannot leave it out. */
void wipe(void *p, size_t n);
/* wipe() of the whole string, then free(); NULL is fine. */
void wipe_free(char *s);

/* Fills with bytes from the kernel's generator; aborts if there are none. */
void random_bytes(void *p, size_t n);

/* Monotonic clock, now. In a worker use loop_now(), which is cached. */
usec_t clock_mono_us(void);
/* Wall clock, microseconds since 1970. */
usec_t clock_wall_us(void);

/*
 * ensure(cond): an illegal move or an event that cannot be, in one session.
 * True when cond holds. Else it is logged with its place and counted; the
 * caller closes that client and server and nobody else notices. Builds with
 * POOLER_ENSURE_ABORTS (tests, sanitizers) abort instead.
 *
 * For memory or locks that can no longer be trusted use assert(), which stays
 * on in release builds.
 */
#define ensure(cond) \
	(LIKELY(cond) ? true : ensure_failed(__FILE__, __LINE__, #cond))
bool ensure_failed(const char *file, int line, const char *cond);
/* How often ensure() has failed since the start. */
uint64_t ensure_failures(void);
/* Who is told of a failure instead of stderr (NULL: stderr). The log sets
 * it. */
void ensure_set_handler(void (*fn)(const char *text));

#endif
