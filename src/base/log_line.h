/*
 * log_line: how a line looks, as text or as a JSON object. Private to log.
 *
 * Threads: any.
 */
#ifndef BASE_LOG_LINE_H
#define BASE_LOG_LINE_H

#include "base/log.h"

/* A line as it goes to a file, with its line feed. */
struct log_line {
	uint32_t n;
	uint16_t text_at; /* where the text begins, behind the LEVEL */
	uint8_t level;
};

#define LOG_LINE_MAX 16384 /* a longer line is cut */

/* "FATAL", ... and the syslog priority. */
const char *log_level_word(enum log_level lvl);
int log_level_priority(enum log_level lvl);

/* Makes a line at `at`, which has room for LOG_LINE_MAX bytes. */
void log_line_text(char *at, struct log_line *l, enum log_level lvl,
    const char *text);
/* The same as one JSON object; fields that do not fit are left out. */
void log_line_json(char *at, struct log_line *l, enum log_level lvl,
    const char *text, const struct log_field *fields, size_t n_fields);

#endif
