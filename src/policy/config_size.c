/*
 * The pool size rule: cores * 2 + spindles of the database server.
 */
#include "policy/config.h"

#include <stdio.h>
#include <string.h>

#include "config_impl.h"
#include "policy/ini.h"

/* Is every server of this host list on this machine for sure? */
static bool
is_this_machine(const char *hosts)
{
	struct span host;

	while (list_next(&hosts, &host)) {
		bool here = host.p[0] == '/' || host.p[0] == '@' ||
		    span_is_nocase(host, "localhost") || span_is(host, "::1") ||
		    (host.n > 4 && memcmp(host.p, "127.", 4) == 0);

		if (!here)
			return false;
	}
	return true;
}

static bool
rule_applies(const struct config *c, const struct database_conf *d)
{
	return d->pool_size == OPTION_AUTO ||
	    (d->pool_size == OPTION_UNSET && c->pool_size_auto);
}

bool
config_size_is_guess(const struct config *c, const struct database_conf *d)
{
	return rule_applies(c, d) && d->cores == OPTION_UNSET &&
	    c->server_cores_text == OPTION_AUTO && !is_this_machine(d->host);
}

static const char *
cores_origin(const struct config *c, const struct database_conf *d)
{
	if (d->cores != OPTION_UNSET)
		return "cores= of [databases]";
	if (c->server_cores_text != OPTION_AUTO)
		return "server_cores";
	return config_size_is_guess(c, d) ? "cores of this machine, a guess" :
					    "cores of this machine";
}

static const char *
spindles_origin(const struct config *c, const struct database_conf *d)
{
	if (d->spindles != OPTION_UNSET)
		return ", spindles= of [databases]";
	return c->server_spindles_text != OPTION_AUTO ? ", server_spindles" :
							"";
}

#define REASON_MAX 200

/* Most lines say the same: they share the text. */
static void
share_reason(struct config_impl *c, struct database_conf *d, const char *reason)
{
	const char *last = c->last_reason;

	if (last == NULL || strcmp(last, reason) != 0)
		c->last_reason = last = arena_strdup(c->arena, reason);
	d->size_reason = last;
}

static void
size_by_rule(struct config_impl *c, struct database_conf *d)
{
	int cores = d->cores != OPTION_UNSET ? d->cores : c->pub.server_cores;
	int spindles = d->spindles != OPTION_UNSET ? d->spindles :
						     c->pub.server_spindles;
	char reason[REASON_MAX];

	d->size_auto = true;
	d->size = cores * 2 + spindles;
	snprintf(reason, sizeof(reason),
	    "%d = %d core%s * 2 + %d spindle%s (%s%s)", d->size, cores,
	    cores == 1 ? "" : "s", spindles, spindles == 1 ? "" : "s",
	    cores_origin(&c->pub, d), spindles_origin(&c->pub, d));
	share_reason(c, d, reason);
}

static void
size_by_number(struct config_impl *c, struct database_conf *d)
{
	bool own = d->pool_size != OPTION_UNSET;
	const char *origin = own ? "pool_size= of [databases]" :
				   "default_pool_size";
	char reason[REASON_MAX];

	d->size_auto = false;
	d->size = own ? d->pool_size : c->pub.default_pool_size;
	if (d->size == 0)
		snprintf(reason, sizeof(reason), "no limit (%s)", origin);
	else
		snprintf(reason, sizeof(reason), "%d (%s)", d->size, origin);
	share_reason(c, d, reason);
}

static void
size_database(struct config_impl *c, const struct database_conf *d)
{
	/* Still being made: nobody else has seen it. */
	struct database_conf *own = (struct database_conf *)(uintptr_t)d;

	if (rule_applies(&c->pub, d))
		size_by_rule(c, own);
	else
		size_by_number(c, own);
}

void
config_resolve(struct config_impl *c)
{
	struct config *p = &c->pub;

	p->worker_threads = p->worker_threads_text == OPTION_AUTO ?
	    c->machine_cores : p->worker_threads_text;
	p->server_cores = p->server_cores_text == OPTION_AUTO ?
	    c->machine_cores : p->server_cores_text;
	p->server_spindles = p->server_spindles_text == OPTION_AUTO ?
	    1 : p->server_spindles_text;
	p->pool_size_auto = p->default_pool_size_text == OPTION_AUTO;
	p->default_pool_size = p->pool_size_auto ?
	    p->server_cores * 2 + p->server_spindles :
	    p->default_pool_size_text;
	for (size_t i = 0; i < p->n_databases; i++)
		size_database(c, p->databases[i]);
	if (p->autodb != NULL)
		size_database(c, p->autodb);
}
