/*
 * log: one line per event, to stderr, a file and syslog.
 *
 * Callers never block: a line is formatted into a bounded ring and one writer
 * thread takes it from there. When the ring is full (a pipe nobody reads)
 * lines are dropped and counted, and the writer says how many once it can
 * write again. Before log_start() and after log_stop() lines go to stderr
 * directly.
 *
 * A line is
 *
 *	YYYY-MM-DD HH:MM:SS.mmm TZ [PID] LEVEL text
 *
 * or, with json, one object {"time", "pid", "level", "message"} with the fields
 * of log_event() behind; its time is UTC. Where stderr is systemd's journal a
 * line there is only its text, with its priority.
 *
 * LEVEL is one of FATAL ERROR WARNING LOG DEBUG NOISE. Newlines inside text
 * become newline+tab, other control characters a question mark. A line is cut
 * at 16 kB. Per-connection prefixes are the caller's doing.
 *
 * Never pass a secret or a parameter value. What can repeat without end goes
 * through log_limited().
 *
 * Threads: any. The configuration calls are for the main thread.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>

#include "base/base.h"

enum log_level {
	LVL_FATAL,
	LVL_ERROR,
	LVL_WARNING,
	LVL_LOG,
	LVL_DEBUG,
	LVL_NOISE,
};

struct log_target {
	bool to_stderr;
	const char *file; /* NULL or "" = none; appended */
	bool json; /* lines are JSON objects */
	bool syslog;
	const char *syslog_ident;
	const char *syslog_facility; /* unknown names mean daemon */
};

/* Sets where lines go; opens (or reopens) the file. False with errno set when
 * the file cannot be opened; the old targets then stay. Strings are copied. */
bool log_configure(const struct log_target *t);
/* Starts and stops the writer thread; stop writes what is left, for a second
 * at most, after which what cannot be written is given up. While it runs,
 * failures of ensure() come here too. A daemon forks before it starts it. */
bool log_start(void);
void log_stop(void);
/* Lines above this level are not made. Default LVL_LOG. */
void log_set_level(enum log_level lvl);
bool log_enabled(enum log_level lvl);
/* Lines lost to a full ring since the start. */
uint64_t log_dropped(void);

void log_at(enum log_level lvl, const char *fmt, ...) PRINTF(2, 3);

/* The same with what a program that reads JSON wants apart; as text the line
 * is what fmt says, and nothing else. */
struct log_field {
	const char *key;
	const char *text; /* NULL: the number */
	int64_t number;
};
void log_event(enum log_level lvl, const struct log_field *fields, size_t n,
    const char *fmt, ...) PRINTF(4, 5);

#define log_fatal(...) log_at(LVL_FATAL, __VA_ARGS__)
#define log_error(...) log_at(LVL_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LVL_WARNING, __VA_ARGS__)
#define log_info(...) log_at(LVL_LOG, __VA_ARGS__)
#define log_debug(...) \
	do { \
		if (UNLIKELY(log_enabled(LVL_DEBUG))) \
			log_at(LVL_DEBUG, __VA_ARGS__); \
	} while (0)
#define log_noise(...) \
	do { \
		if (UNLIKELY(log_enabled(LVL_NOISE))) \
			log_at(LVL_NOISE, __VA_ARGS__); \
	} while (0)

/*
 * A line that can repeat: at most one each `every_us`; the next one that is
 * let through ends in " (repeated N times)". {0} is a fresh limit.
 */
struct log_limit {
	_Atomic int64_t next_us;
	_Atomic uint64_t held;
};
void log_limited(struct log_limit *l, usec_t every_us, enum log_level lvl,
    const char *fmt, ...) PRINTF(4, 5);

#endif
