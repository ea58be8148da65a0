/*
 * config_text: a configuration from a text in the test. The text follows
 * "[pooler]" and two lines that no configuration can do without.
 */
#ifndef TEST_CONFIG_TEXT_H
#define TEST_CONFIG_TEXT_H

#include "base/base.h"
#include "policy/config.h"

/* Aborts the test, with all errors, if there is one. */
struct config *config_text(const char *fmt, ...) PRINTF(1, 2);

#endif
