/*
 * show_hosts: SHOW HOSTS: the hosts that servers are on, and how they do.
 */
#include "control/show_tables.h"
#include "io/dns.h"
#include "pooling/hosts.h"
#include "pooling/registry.h"

static const struct rows_column host_columns[] = {
	{ "host", COL_TEXT, "Name, address or directory of a Unix socket." },
	{ "port", COL_INT4, "" },
	{ "list", COL_TEXT, "The host list that it stands in, as configured." },
	{ "addrs", COL_TEXT,
	    "Addresses of a name, as last looked up, separated by commas; NULL "
	    "if it is none." },
	{ "state", COL_TEXT, "up or down, as the last attempt went." },
	{ "reason", COL_TEXT, "Why it is down; NULL while it is up." },
	{ "since", COL_TEXT, "When it went down, in local time; or NULL." },
	{ "next_attempt_ms", COL_INT8,
	    "Milliseconds until it may be tried again; NULL while it is up." },
	{ "failures", COL_INT4, "Attempts in a row that failed." },
	{ "connections", COL_INT4,
	    "Servers there now, those included that connect." },
};

static void
add_addrs(void *arg, const struct dns_name_state *s)
{
	struct buf *list = arg;
	size_t i;

	for (i = 0; i < s->n; i++) {
		char text[ADDR_TEXT];

		addr_host(&s->addrs[i], text, sizeof(text));
		buf_printf(list, "%s%s", i > 0 ? "," : "", text);
	}
}

static void
put_addrs(struct order *q, const char *name)
{
	struct buf list = { 0 };

	(void)dns_look(q->plane->hub->dns, name, add_addrs, &list);
	if (buf_len(&list) > 0) {
		buf_append(&list, "", 1);
		rows_text(&q->rows, (const char *)buf_head(&list));
	} else {
		rows_null(&q->rows);
	}
	buf_free(&list);
}

static void
put_down(struct rows *r, const struct host_state *s)
{
	usec_t now = clock_mono_us();

	if (!s->down) {
		rows_null(r);
		rows_null(r);
		rows_null(r);
		return;
	}
	rows_text(r, s->err.msg);
	show_time(r, clock_wall_us() - (now - s->since_us));
	rows_int(r, s->next_us > now ? (s->next_us - now) / USEC_PER_MSEC : 0);
}

static void
add_host(void *arg, const struct host_state *s)
{
	struct order *q = arg;
	struct rows *r = &q->rows;

	rows_add(r, 0);
	rows_text(r, s->name);
	rows_int(r, s->port);
	rows_text(r, s->list);
	put_addrs(q, s->name);
	rows_text(r, s->down ? "down" : "up");
	put_down(r, s);
	rows_int(r, s->failures);
	rows_int(r, s->connections);
}

static void
run_hosts(struct order *q)
{
	hosts_each(registry_hosts(q->plane->hub->registry), add_host, q);
	rows_sort_text(&q->rows);
	order_finish(q);
}

const struct show show_hosts = {
	.name = "HOSTS",
	.readers = true,
	.columns = host_columns,
	.n_columns = ARRAY_LEN(host_columns),
	.run = run_hosts,
	.help = "The hosts of the servers. A host that is down is passed over "
		"while another one of its list is not.",
};
