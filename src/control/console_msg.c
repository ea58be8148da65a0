/*
 * console_msg: what each message of a console client means.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "control/console_impl.h"
#include "control/verb.h"
#include "proto/msg.h"
#include "proto/wire.h"

static const struct rows_formats as_text;

/* ---- answers ---- */

static void
error(struct console *c, const struct err *e)
{
	struct err told = *e;

	if (c->plane->hub->cfg->pgbouncer_sqlstates &&
	    strcmp(e->sqlstate, "F0000") != 0)
		copy_str(told.sqlstate, sizeof(told.sqlstate), "08P01");
	reply_error(&c->out, "ERROR", &told);
}

/* In the extended protocol the rest up to Sync is dropped. */
static void
error_skip(struct console *c, const struct err *e)
{
	error(c, e);
	c->skip = true;
}

static struct rows_formats
portal_formats(const struct portal *p)
{
	return (struct rows_formats){ .v = p->format, .n = p->n_formats };
}

/* The rows that a portal still has, at most max (0 = all). */
static void
send_portal(struct console *c, struct portal *p, uint32_t max)
{
	size_t left = p->columns != NULL ? p->rows.n - p->at : 0;
	size_t n = max > 0 && max < left ? max : left;

	for (; n > 0; n--)
		rows_send(&p->rows, p->at++, portal_formats(p), &c->out);
	if (p->columns != NULL && p->at < p->rows.n)
		reply_bare(&c->out, 's');
	else
		reply_complete(&c->out, p->tag);
}

/* The rows move to the portal, from where they may go in portions. */
static void
answer_execute(struct console *c, struct portal *p, struct order *q)
{
	if (err_is_set(&q->err)) {
		error_skip(c, &q->err);
		return;
	}
	p->ran = true;
	copy_str(p->tag, sizeof(p->tag), q->tag);
	if (q->rows.columns != NULL) {
		p->rows = q->rows;
		q->rows = (struct rows){ 0 };
	}
	send_portal(c, p, c->max_rows);
}

static void
answer_query(struct console *c, struct order *q)
{
	size_t i;

	if (err_is_set(&q->err)) {
		error(c, &q->err);
		reply_ready(&c->out, 'I');
		return;
	}
	if (q->rows.columns != NULL) {
		rows_describe(q->rows.columns, q->rows.n_columns, as_text,
		    &c->out);
		for (i = 0; i < q->rows.n; i++)
			rows_send(&q->rows, i, as_text, &c->out);
	}
	reply_complete(&c->out, q->tag);
	reply_ready(&c->out, 'I');
}

static void
count_command(struct console *c)
{
	struct counters *n = &c->plane->console;
	usec_t us = clock_mono_us() - c->seat.request_us;

	n->queries++;
	n->xacts++;
	n->query_us += (uint64_t)us;
	n->xact_us += (uint64_t)us;
	c->seat.request_us = 0;
}

static void
done(struct order *q)
{
	struct console *c = q->owner;
	struct portal *p = c->portal;

	c->order = NULL;
	c->portal = NULL;
	count_command(c);
	if (q->hang_up) {
		order_free(q);
		console_close(c, "client close request");
		return;
	}
	if (buf_len(&q->notices) > 0)
		buf_append(&c->out, buf_head(&q->notices),
		    buf_len(&q->notices));
	if (p != NULL)
		answer_execute(c, p, q);
	else
		answer_query(c, q);
	order_free(q);
	console_work(c);
}

static void
run(struct console *c, const struct command *cmd, struct span text,
    struct portal *p)
{
	struct order *q = order_new(c->plane, &c->seat, done, c);

	q->command = *cmd;
	q->text = text;
	c->order = q;
	c->portal = p;
	c->seat.request_us = clock_mono_us();
	c->seat.request_wall_us = clock_wall_us();
	order_run(q);
}

/* ---- simple query ---- */

static void
on_query(struct console *c, struct span body)
{
	struct command cmd;
	const char *text;
	struct err e;

	if (!msg_query(body, &text))
		err_set(&e, "08P01", "invalid message format");
	else if (command_parse(span_of(text), &cmd, &e)) {
		run(c, &cmd, span_of(text), NULL);
		return;
	}
	error(c, &e);
	reply_ready(&c->out, 'I');
}

/* ---- statements and portals ---- */

static void
statement_free(struct statement *s)
{
	if (s == NULL)
		return;
	free(s->text);
	free(s);
}

static void
portal_free(struct portal *p)
{
	if (p == NULL)
		return;
	if (p->rows.columns != NULL)
		rows_fini(&p->rows);
	free(p->format);
	free(p->text);
	free(p);
}

static bool
drop_statement(void *arg, struct span key, void *value)
{
	map_del(arg, key);
	statement_free(value);
	return true;
}

static bool
drop_portal(void *arg, struct span key, void *value)
{
	map_del(arg, key);
	portal_free(value);
	return true;
}

void
console_drop_names(struct console *c)
{
	map_each(c->portals, drop_portal, c->portals);
	map_each(c->statements, drop_statement, c->statements);
}

static bool
has_room(const struct map *m, struct err *e)
{
	if (map_count(m) < CONSOLE_NAMES_MAX)
		return true;
	return err_set(e, "54000",
	    "the console keeps at most %d statements and portals",
	    CONSOLE_NAMES_MAX);
}

/* Blanks and a semicolon: PostgreSQL takes it for an empty query, and so do
 * the drivers that send one to see whether the connection lives. */
static bool
is_empty(const char *text)
{
	return text[strspn(text, " \t\r\n\f\v;")] == '\0';
}

static bool
parse_statement(struct statement *s, struct err *e)
{
	s->empty = is_empty(s->text);
	if (s->empty)
		return true;
	if (!command_parse(span_of(s->text), &s->command, e) ||
	    !verb_check(&s->command, span_of(s->text), e))
		return false;
	verb_columns(&s->command, &s->columns, &s->n_columns);
	return true;
}

static void
on_parse(struct console *c, struct span body)
{
	const char *name, *text;
	struct span types;
	struct statement *s;
	struct err e;

	err_clear(&e);
	if (!msg_parse(body, &name, &text, &types)) {
		err_set(&e, "08P01", "invalid message format");
		error_skip(c, &e);
		return;
	}
	if (name[0] != '\0' && map_get(c->statements, span_of(name)) != NULL)
		err_set(&e, "42P05", "prepared statement \"%s\" already exists",
		    name);
	else
		has_room(c->statements, &e);
	if (err_is_set(&e)) {
		error_skip(c, &e);
		return;
	}
	s = xcalloc(1, sizeof(*s));
	s->text = xstrdup(text);
	if (!parse_statement(s, &e)) {
		statement_free(s);
		error_skip(c, &e);
		return;
	}
	statement_free(map_put(c->statements, span_of(name), s));
	reply_bare(&c->out, '1');
}

/* ---- Bind ---- */

struct bind {
	const char *portal;
	const char *statement;
	uint16_t n_params;
	uint16_t *format;
	size_t n_formats;
};

/* True when it is well formed; format is to be freed either way. */
static bool
read_bind(struct span body, struct bind *b)
{
	struct reader r;
	size_t i, n;

	*b = (struct bind){ 0 };
	reader_init(&r, body);
	b->portal = reader_cstr(&r);
	b->statement = reader_cstr(&r);
	n = reader_u16(&r);
	reader_bytes(&r, n * 2);
	b->n_params = reader_u16(&r);
	for (i = 0; i < b->n_params && !r.bad; i++) {
		int32_t len = reader_i32(&r);

		if (len > 0)
			reader_bytes(&r, (size_t)len);
	}
	n = reader_u16(&r);
	if (r.bad || reader_left(&r) != n * 2)
		return false;
	b->format = xcalloc(n + 1, sizeof(*b->format));
	for (b->n_formats = 0; b->n_formats < n; b->n_formats++)
		b->format[b->n_formats] = reader_u16(&r);
	return reader_done(&r);
}

static bool
formats_fit(const struct bind *b, const struct statement *s, struct err *e)
{
	size_t i;

	if (b->n_formats > 1 && b->n_formats != s->n_columns)
		return err_set(e, "08P01",
		    "bind message has %zu result "
		    "formats but query has %zu columns",
		    b->n_formats, s->n_columns);
	for (i = 0; i < b->n_formats; i++)
		if (b->format[i] > 1)
			return err_set(e, "22023",
			    "unsupported format code: %u", b->format[i]);
	return true;
}

static bool
bind_fits(struct console *c, const struct bind *b, struct statement **out,
    struct err *e)
{
	struct statement *s = map_get(c->statements, span_of(b->statement));

	*out = s;
	if (s == NULL)
		return err_set(e, "26000",
		    "prepared statement \"%s\" does not exist", b->statement);
	if (b->n_params > 0) {
		err_set(e, "08P01",
		    "bind message supplies %u parameters, but "
		    "prepared statement \"%s\" requires 0",
		    b->n_params, b->statement);
		err_hint(e,
		    "commands of the console have no parameters; "
		    "write the value into the command");
		return false;
	}
	if (b->portal[0] != '\0' &&
	    map_get(c->portals, span_of(b->portal)) != NULL)
		return err_set(e, "42P03", "cursor \"%s\" already exists",
		    b->portal);
	return has_room(c->portals, e) && formats_fit(b, s, e);
}

static void
on_bind(struct console *c, struct span body)
{
	struct statement *s;
	struct portal *p;
	struct bind b;
	struct err e;

	if (!read_bind(body, &b)) {
		err_set(&e, "08P01", "invalid message format");
		error_skip(c, &e);
	} else if (!bind_fits(c, &b, &s, &e)) {
		error_skip(c, &e);
	} else {
		p = xcalloc(1, sizeof(*p));
		p->command = s->command;
		p->text = xstrdup(s->text);
		p->empty = s->empty;
		p->columns = s->columns;
		p->n_columns = s->n_columns;
		p->format = b.format;
		p->n_formats = b.n_formats;
		b.format = NULL;
		portal_free(map_put(c->portals, span_of(b.portal), p));
		reply_bare(&c->out, '2');
	}
	free(b.format);
}

/* ---- Describe, Execute, Close ---- */

static bool
missing(struct console *c, uint8_t kind, const char *name)
{
	struct err e;

	if (kind == 'S')
		err_set(&e, "26000", "prepared statement \"%s\" does not exist",
		    name);
	else
		err_set(&e, "34000", "portal \"%s\" does not exist", name);
	error_skip(c, &e);
	return false;
}

static void
describe(struct console *c, const struct rows_column *columns, size_t n,
    struct rows_formats f)
{
	if (columns == NULL)
		reply_bare(&c->out, 'n');
	else
		rows_describe(columns, n, f, &c->out);
}

static void
on_describe(struct console *c, struct span body)
{
	const struct statement *s;
	const struct portal *p;
	const char *name;
	uint8_t kind;
	struct err e;

	if (!msg_target(body, &kind, &name)) {
		err_set(&e, "08P01", "invalid message format");
		error_skip(c, &e);
		return;
	}
	if (kind == 'S') {
		s = map_get(c->statements, span_of(name));
		if (s == NULL && !missing(c, kind, name))
			return;
		reply_parameter_description_none(&c->out);
		describe(c, s->columns, s->n_columns, as_text);
	} else {
		p = map_get(c->portals, span_of(name));
		if (p == NULL && !missing(c, kind, name))
			return;
		describe(c, p->columns, p->n_columns, portal_formats(p));
	}
}

static void
on_execute(struct console *c, struct span body)
{
	struct portal *p;
	struct reader r;
	const char *name;
	uint32_t max;
	struct err e;

	reader_init(&r, body);
	name = reader_cstr(&r);
	max = reader_u32(&r);
	if (!reader_done(&r)) {
		err_set(&e, "08P01", "invalid message format");
		error_skip(c, &e);
		return;
	}
	p = map_get(c->portals, span_of(name));
	if (p == NULL) {
		missing(c, 'P', name);
	} else if (p->empty) {
		reply_bare(&c->out, 'I');
	} else if (p->ran) {
		send_portal(c, p, max);
	} else {
		c->max_rows = max > INT32_MAX ? 0 : max;
		run(c, &p->command, span_of(p->text), p);
	}
}

static void
on_close(struct console *c, struct span body)
{
	const char *name;
	uint8_t kind;
	struct err e;

	if (!msg_target(body, &kind, &name)) {
		err_set(&e, "08P01", "invalid message format");
		error_skip(c, &e);
		return;
	}
	if (kind == 'S')
		statement_free(map_del(c->statements, span_of(name)));
	else
		portal_free(map_del(c->portals, span_of(name)));
	reply_bare(&c->out, '3');
}

/* ---- the rest ---- */

static void
on_sync(struct console *c)
{
	c->skip = false;
	map_each(c->portals, drop_portal, c->portals);
	reply_ready(&c->out, 'I');
}

static void
on_function_call(struct console *c)
{
	struct err e;

	err_set(&e, "0A000", "the admin console has no functions");
	error(c, &e);
	reply_ready(&c->out, 'I');
}

static void
on_unknown(struct console *c, uint8_t type)
{
	struct err e;

	err_set(&e, "08P01", "unsupported packet type for admin console: %u",
	    type);
	console_fatal(c, &e);
}

void
console_message(struct console *c, uint8_t type, struct span body)
{
	if (c->skip && type != 'S' && type != 'X')
		return;
	switch (type) {
	case 'Q':
		on_query(c, body);
		break;
	case 'P':
		on_parse(c, body);
		break;
	case 'B':
		on_bind(c, body);
		break;
	case 'D':
		on_describe(c, body);
		break;
	case 'E':
		on_execute(c, body);
		break;
	case 'C':
		on_close(c, body);
		break;
	case 'S':
		on_sync(c);
		break;
	case 'F':
		on_function_call(c);
		break;
	case 'X':
		console_close(c, "client close request");
		break;
	case 'H': /* everything is sent at once anyway */
	case 'd': /* left over from a copy that there was not */
	case 'c':
	case 'f':
		break;
	default:
		on_unknown(c, type);
		break;
	}
}
