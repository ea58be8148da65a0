/*
 * show_dns: SHOW DNS_HOSTS and SHOW DNS_ZONES: names of servers, and the zones
 * that they lie in.
 */
#include "control/show_tables.h"
#include "io/dns.h"

static const struct rows_column host_columns[] = {
	{ "hostname", COL_TEXT, "" },
	{ "ttl", COL_INT8, "Seconds until it is looked up again." },
	{ "addrs", COL_TEXT,
	    "Its addresses, separated by commas; those of a service (SRV) "
	    "with their ports." },
	{ "age", COL_INT8,
	    "Seconds since the last good answer; NULL if there was none." },
	{ "state", COL_TEXT,
	    "ok; stale: the last look-up failed, and the addresses of the one "
	    "before are used; failed: there are none." },
	{ "last_error", COL_TEXT,
	    "Why a look-up failed last; NULL if none did." },
	{ "last_error_age", COL_INT8, "Seconds since then." },
	{ "connections", COL_INT4,
	    "Servers that were found by this name; while there are any it is "
	    "looked up again whenever its time is over." },
	{ "changes", COL_INT8, "Answers from which addresses had gone." },
};

static void
put_addrs(struct rows *r, const struct addr *addrs, size_t n)
{
	struct buf list = { 0 };
	size_t i;

	for (i = 0; i < n; i++) {
		char text[ADDR_TEXT];

		if (addrs[i].port == 0)
			addr_host(&addrs[i], text, sizeof(text));
		else
			addr_text(&addrs[i], text, sizeof(text));
		buf_printf(&list, "%s%s", i > 0 ? "," : "", text);
	}
	buf_append(&list, "", 1);
	rows_text(r, (const char *)buf_head(&list));
	buf_free(&list);
}

static void
put_age(struct rows *r, usec_t us)
{
	if (us < 0)
		rows_null(r);
	else
		rows_int(r, us / USEC_PER_SEC);
}

static void
add_host(void *arg, const struct dns_name_state *s)
{
	struct rows *r = arg;

	rows_add(r, 0);
	rows_text(r, s->name);
	rows_int(r, s->ttl_us / USEC_PER_SEC);
	put_addrs(r, s->addrs, s->n);
	put_age(r, s->age_us);
	rows_text(r, s->why == NULL ? "ok" : s->n > 0 ? "stale" : "failed");
	rows_text(r, s->last_why);
	put_age(r, s->last_why != NULL ? s->last_us : -1);
	rows_int(r, s->users);
	rows_uint(r, s->changes);
}

static void
run_hosts(struct order *q)
{
	dns_each(q->plane->hub->dns, add_host, &q->rows);
	rows_sort_text(&q->rows);
	order_finish(q);
}

const struct show show_dns_hosts = {
	.name = "DNS_HOSTS",
	.readers = true,
	.columns = host_columns,
	.n_columns = ARRAY_LEN(host_columns),
	.run = run_hosts,
	.help = "Host names that have been looked up.",
};

static const struct rows_column zone_columns[] = {
	{ "zonename", COL_TEXT, "" },
	{ "serial", COL_INT8, "Of its SOA record; 0 while it is not known." },
	{ "count", COL_INT4, "Names in it." },
	{ "age", COL_INT8,
	    "Seconds since the serial was told; NULL while it is not known." },
	{ "last_error", COL_TEXT,
	    "Why the last question for it failed; NULL if it did not." },
};

static void
add_zone(void *arg, const struct dns_zone_state *s)
{
	struct rows *r = arg;

	rows_add(r, 0);
	rows_text(r, s->zone);
	rows_int(r, s->serial);
	rows_int(r, (int64_t)s->names);
	put_age(r, s->age_us);
	rows_text(r, s->why);
}

static void
run_zones(struct order *q)
{
	dns_each_zone(q->plane->hub->dns, add_zone, &q->rows);
	rows_sort_text(&q->rows);
	order_finish(q);
}

const struct show show_dns_zones = {
	.name = "DNS_ZONES",
	.readers = true,
	.columns = zone_columns,
	.n_columns = ARRAY_LEN(zone_columns),
	.run = run_zones,
	.help = "Zones that names of servers lie in. Serials are asked for "
		"with dns_zone_check_period only.",
};
