/*
 * verb_process: the commands about the process: RELOAD, SET, SHUTDOWN.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "control/reload.h"
#include "control/shutdown.h"
#include "control/verb_impl.h"

static void
reloaded(void *arg, const struct err *e)
{
	struct order *q = arg;

	if (e == NULL) {
		order_finish(q);
		return;
	}
	q->err = *e;
	order_fail_err(q);
}

void
do_reload(struct order *q)
{
	verb_log(q);
	reload_all(q->plane, reloaded, q);
}

/* `SET key=value`, the value as it is kept. */
static void
set_tag(struct order *q)
{
	const struct config *cfg = q->plane->hub->cfg;
	struct buf value = { 0 };
	size_t i, n;
	const struct option *o = config_options(SCOPE_GLOBAL, &n);

	for (i = 0; i < n; i++)
		if (strcmp(o[i].name, q->command.arg) == 0)
			break;
	if (i < n)
		config_value(cfg, i, &value);
	snprintf(q->tag, sizeof(q->tag), "SET %s=%.*s", q->command.arg,
	    (int)buf_len(&value),
	    buf_len(&value) > 0 ? (const char *)buf_head(&value) : "");
	buf_free(&value);
}

static void
was_set(void *arg, const struct err *e)
{
	struct order *q = arg;

	if (e == NULL)
		set_tag(q);
	reloaded(q, e);
}

void
do_set(struct order *q)
{
	verb_log(q);
	reload_key(q->plane, q->command.arg, q->command.value, was_set, q);
}

void
do_shutdown(struct order *q)
{
	const char *how = q->command.has_arg ? q->command.arg : "";

	verb_log(q);
	if (strcasecmp(how, "WAIT_FOR_SERVERS") == 0) {
		shutdown_begin(q->plane, SHUTDOWN_SERVERS);
	} else if (strcasecmp(how, "WAIT_FOR_CLIENTS") == 0) {
		shutdown_begin(q->plane, SHUTDOWN_CLIENTS);
	} else {
		shutdown_begin(q->plane, SHUTDOWN_NOW);
		q->hang_up = true;
	}
	order_finish(q);
}
