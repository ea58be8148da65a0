/*
 * command: runs a program and takes the one line that it prints, for
 * password_command. Blocking, with a time limit: for a thread of an offload.
 *
 * There is no shell: the text is split into words at blanks, and words in
 * single or double quotes are taken as they are. The program is named by its
 * whole path. What a client chose gets nowhere near the words; what the program
 * may want to know stands in its environment.
 *
 * Thread: any, several at a time.
 */
#ifndef IO_COMMAND_H
#define IO_COMMAND_H

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"

/* A line has at most this many bytes. */
#define COMMAND_OUTPUT_MAX 65530
#define COMMAND_WORDS 64

/* Whether the text can be run at all; e says why not. */
bool command_check(const char *text, struct err *e);
/* env: "NAME=value" with NULL at the end, added to our own environment. The
 * line, without its end, is put into out, which the caller wipes. False with
 * what went wrong; never a part of the output. */
bool command_run(const char *text, const char *const *env, usec_t timeout_us,
    struct buf *out, struct err *e);

#endif
