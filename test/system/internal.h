/*
 * internal: what the parts of the fixture share with each other and hide
 * from the tests.
 */
#ifndef TEST_SYSTEM_INTERNAL_H
#define TEST_SYSTEM_INTERNAL_H

#include "fixture.h"

#include <stdarg.h>

struct passwd;

/* Trouble outside a test: message and exit. */
void fx_die(const char *fmt, ...) FX_PRINTF(1, 2) __attribute__((noreturn));
char *fx_format(const char *fmt, ...) FX_PRINTF(1, 2);
char *fx_vformat(const char *fmt, va_list ap) FX_PRINTF(1, 0);

/* The account that servers get when we are root; NULL otherwise. */
const struct passwd *fx_unprivileged(void);
/* chown() to it. */
void fx_give_away(const char *path);

bool cluster_available(void);
void cluster_init(void); /* its paths; before the keeper starts */
void cluster_create(void); /* initdb, start, users, databases */
void cluster_ensure_up(void); /* after a test that stopped it */
void cluster_remove(void); /* keeper: stop it, whatever its state */
/* Forgets the kept direct connections without closing them. */
void pg_forget(void);

/* A notice processor that drops them. */
void be_quiet(void *arg, const char *text);
/* A test came to its end: stops its poolers, checking each, and removes
 * their logs, so that the logs which stay belong to failed tests. */
void pooler_end_all(void);

#endif
