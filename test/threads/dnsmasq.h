/*
 * dnsmasq: a real name server for tests: unprivileged, on a free port of
 * 127.0.0.1, with the records of a hosts file, no others and no upstream
 * server. It knows the zone "test": a name missing there does not exist; what
 * is outside of it is refused. It dies with the test.
 */
#ifndef TEST_DNSMASQ_H
#define TEST_DNSMASQ_H

#include <stdbool.h>
#include <sys/types.h>

struct dnsmasq {
	pid_t pid;
	int log_fd; /* held open for it to write to */
	char hosts[128];
	char servers[64]; /* for dns_settings */
	char ip[32]; /* 127.0.0.1 unless set before */
	int port; /* any free one unless set before */
	/* More of the command line, up to a NULL; NULL = none. */
	const char *const *more;
};

/* Says so on stderr when the program is missing. */
bool dnsmasq_is_installed(void);
/* All of m but ip, port and more is set here; these are 0 for most.
 * dir: a folder it can read, for the hosts file; hosts: lines "ADDRESS NAME".
 * Aborts the test if it does not start. */
void dnsmasq_start(struct dnsmasq *m, const char *dir, const char *hosts);
void dnsmasq_stop(struct dnsmasq *m);
/* Once more, on the same port, with what is in `more` now. */
void dnsmasq_restart(struct dnsmasq *m);
/* Other records from now on (soon). */
void dnsmasq_set_hosts(struct dnsmasq *m, const char *hosts);
/* Stops answering, without refusing; and goes on. */
void dnsmasq_freeze(struct dnsmasq *m);
void dnsmasq_thaw(struct dnsmasq *m);

void write_file(const char *path, const char *text);

#endif
