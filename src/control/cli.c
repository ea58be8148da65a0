#include "control/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ares.h>
#include <event2/event.h>
#include <openssl/crypto.h>

#include "control/names.h"

#define OPT_CHECK 256
#define OPT_PRINT 257

static const struct option_help {
	struct option opt;
	const char *arg;
	const char *help;
} options[] = {
	{ { "daemon", no_argument, NULL, 'd' }, NULL,
	    "go to the background; needs pidfile in the configuration" },
	{ { "quiet", no_argument, NULL, 'q' }, NULL,
	    "do not log to standard error" },
	{ { "verbose", no_argument, NULL, 'v' }, NULL,
	    "log more; may be repeated" },
	{ { "user", required_argument, NULL, 'u' }, "NAME",
	    "started as root: become this user" },
	{ { "check-config", no_argument, NULL, OPT_CHECK }, NULL,
	    "read the configuration, say what is wrong with it, and exit" },
	{ { "print-config", no_argument, NULL, OPT_PRINT }, NULL,
	    "print the configuration as a file, without secrets, and exit" },
	{ { "reboot", no_argument, NULL, 'R' }, NULL,
	    "take the place, sockets and clients of the running process" },
	{ { "version", no_argument, NULL, 'V' }, NULL,
	    "print versions and exit" },
	{ { "help", no_argument, NULL, 'h' }, NULL, "print this and exit" },
};

static void
print_option(const struct option_help *o)
{
	char left[40];
	int n = 0;

	if (o->opt.val < 256)
		n = snprintf(left, sizeof(left), "-%c, ", o->opt.val);
	else
		n = snprintf(left, sizeof(left), "    ");
	snprintf(left + n, sizeof(left) - (size_t)n, "--%s%s%s", o->opt.name,
	    o->arg ? "=" : "", o->arg ? o->arg : "");
	printf("  %-22s %s\n", left, o->help);
}

static void
print_help(void)
{
	size_t i;

	printf("pooler stands between applications and PostgreSQL and lets "
	       "many clients share\na few server connections.\n\n"
	       "Usage: pooler [OPTION]... [CONFIG_FILE]\n\n"
	       "Without CONFIG_FILE the server is taken from DB_HOST, "
	       "DB_PORT, DB_NAME,\nDB_USER and DB_PASSWORD (or "
	       "DB_PASSWORD_FILE) in the environment.\n\nOptions:\n");
	for (i = 0; i < ARRAY_LEN(options); i++)
		print_option(&options[i]);
	printf("\nExamples:\n"
	       "  pooler /etc/pooler/pooler.ini\n"
	       "  pooler -d -u postgres /etc/pooler/pooler.ini\n"
	       "  pooler --check-config pooler.ini\n"
	       "  DB_HOST=10.0.0.5 DB_NAME=shop DB_USER=app "
	       "DB_PASSWORD_FILE=secret pooler\n"
	       "  psql -h 127.0.0.1 -p 6432 -U app pgbouncer "
	       "-c 'SHOW POOLS'\n\n"
	       "pooler(1), pooler.ini(5) and pooler-console(7) say more.\n");
}

char *
cli_libraries(const char *event_method)
{
	return xasprintf("libevent %s (%s), adns: c-ares %s, tls: %s",
	    event_get_version(), event_method, ares_version(NULL),
	    OpenSSL_version(OPENSSL_VERSION));
}

static void
print_version(void)
{
	printf("%s %s\n"
	       "libevent %s\n"
	       "c-ares %s\n"
	       "%s\n"
	       "The console follows that of PgBouncer %s.\n",
	    PACKAGE_NAME, PACKAGE_VERSION, event_get_version(),
	    ares_version(NULL), OpenSSL_version(OPENSSL_VERSION),
	    CONSOLE_SPEAKS);
}

static void
finish(struct cli *c, int status)
{
	c->action = CLI_EXIT;
	c->status = status;
}

static void
mistake(struct cli *c, const char *text)
{
	fprintf(stderr, "pooler: %s\nhint: pooler --help lists the options\n",
	    text);
	finish(c, 1);
}

static void
take_option(struct cli *c, int val)
{
	switch (val) {
	case 'd':
		c->daemon = true;
		break;
	case 'q':
		c->quiet = true;
		break;
	case 'v':
		c->verbose++;
		break;
	case 'u':
		c->user = optarg;
		break;
	case OPT_CHECK:
		c->action = CLI_CHECK;
		break;
	case OPT_PRINT:
		c->action = CLI_PRINT;
		break;
	case 'V':
		print_version();
		finish(c, 0);
		break;
	case 'h':
		print_help();
		finish(c, 0);
		break;
	case 'R':
		c->takeover = true;
		break;
	default: /* getopt has said what is wrong */
		fprintf(stderr, "hint: pooler --help lists the options\n");
		finish(c, 1);
		break;
	}
}

static void
take_file(struct cli *c, int n, char **args)
{
	if (n > 1) {
		mistake(c, "more than one configuration file was given");
	} else if (n == 1) {
		c->config_file = args[0];
	} else if (c->action == CLI_CHECK && getenv("DB_HOST") == NULL) {
		mistake(c, "--check-config needs a configuration file");
	} else if (getenv("DB_HOST") == NULL) {
		fprintf(stderr,
		    "pooler: neither a configuration file was "
		    "given nor is DB_HOST set\n"
		    "hint: pooler --help has examples of both\n");
		finish(c, 1);
	}
}

void
cli_parse(struct cli *c, int argc, char **argv)
{
	struct option table[ARRAY_LEN(options) + 1] = { 0 };
	size_t i;
	int val;

	*c = (struct cli){ 0 };
	for (i = 0; i < ARRAY_LEN(options); i++)
		table[i] = options[i].opt;
	while (c->action != CLI_EXIT &&
	    (val = getopt_long(argc, argv, "dqvu:RVh", table, NULL)) != -1)
		take_option(c, val);
	if (c->action != CLI_EXIT)
		take_file(c, argc - optind, argv + optind);
}
