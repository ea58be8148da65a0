/*
 * cli: the command line: options, and what is printed for --help and
 * --version.
 *
 * Thread: main, before everything else.
 */
#ifndef CONTROL_CLI_H
#define CONTROL_CLI_H

#include "base/base.h"

enum cli_action {
	CLI_RUN,
	CLI_CHECK, /* --check-config: read it and tell */
	CLI_PRINT, /* --print-config */
	CLI_EXIT, /* all was said; status is the exit status */
};

struct cli {
	enum cli_action action;
	int status;
	bool daemon;
	bool quiet;
	bool takeover; /* -R */
	int verbose;
	const char *user; /* NULL if not given */
	const char *config_file; /* NULL: from the environment */
};

/* Prints help, version and mistakes itself. */
void cli_parse(struct cli *c, int argc, char **argv);
/* "libevent 2.1.12-stable (epoll), adns: c-ares 1.18.1, tls: OpenSSL ...", the
 * tail of the line `process up: ...`. */
char *cli_libraries(const char *event_method);

#endif
