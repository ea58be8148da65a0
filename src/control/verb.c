#include "control/verb.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "control/verb_impl.h"

static void do_show(struct order *q);

static const char *const shutdown_words[] = {
	"WAIT_FOR_SERVERS",
	"WAIT_FOR_CLIENTS",
	NULL,
};

static const struct verb verbs[] = {
	{ .name = "SHOW",
	    .arg = VERB_ITEM,
	    .readers = true,
	    .run = do_show,
	    .syntax = "item",
	    .help = "Prints one of the tables below. SELECT is another name "
		    "for it. SHOW HELP lists the commands." },
	{ .name = "SET",
	    .arg = VERB_SET,
	    .run = do_set,
	    .syntax = "key = value",
	    .help = "Changes a setting until the next RELOAD. A value with "
		    "other characters than letters, digits and underscores "
		    "stands in single quotes. SHOW CONFIG tells which keys "
		    "can be changed." },
	{ .name = "RELOAD",
	    .arg = VERB_BARE,
	    .run = do_reload,
	    .help = "Reads the configuration again, and the auth_file. "
		    "Nothing changes unless all of it is right. It is in "
		    "force everywhere when the command answers." },
	{ .name = "PAUSE",
	    .arg = VERB_PAUSE,
	    .gerund = "pause",
	    .run = do_pause,
	    .syntax = "[database] [TIMEOUT time]",
	    .help = "Lets no more queries through to the servers, and closes "
		    "every server as soon as its client lets go of it, which "
		    "is by the pool mode: in session mode when the client "
		    "leaves. Queries wait meanwhile. Answers when no server "
		    "is in use any more. Ctrl-C takes it back. With TIMEOUT "
		    "it ends by itself after that time, complete or not: "
		    "500ms, 5s, 2min, 1h; a number alone is in seconds." },
	{ .name = "RESUME",
	    .arg = VERB_DATABASE,
	    .run = do_resume,
	    .syntax = "[database]",
	    .help = "Ends PAUSE or SUSPEND, or with a database PAUSE or "
		    "KILL of that one." },
	{ .name = "DISABLE",
	    .arg = VERB_ONE_DATABASE,
	    .gerund = "disable",
	    .run = do_disable,
	    .syntax = "database",
	    .help = "Refuses new logins to the database. Clients that are "
		    "there go on." },
	{ .name = "ENABLE",
	    .arg = VERB_ONE_DATABASE,
	    .gerund = "enable",
	    .run = do_enable,
	    .syntax = "database",
	    .help = "Ends DISABLE." },
	{ .name = "RECONNECT",
	    .arg = VERB_DATABASE,
	    .gerund = "reconnect",
	    .run = do_reconnect,
	    .syntax = "[database]",
	    .help = "Replaces every server connection by a new one, those in "
		    "use when their clients let go of them." },
	{ .name = "KILL",
	    .arg = VERB_DATABASE,
	    .gerund = "kill",
	    .run = do_kill,
	    .syntax = "[database]",
	    .help = "Disconnects all clients of the database and closes its "
		    "servers. It stays paused until RESUME names it. Without "
		    "a database: every database that is in use." },
	{ .name = "KILL_CLIENT",
	    .arg = VERB_ID,
	    .run = do_kill_client,
	    .syntax = "id",
	    .help = "Disconnects the client with this id of SHOW CLIENTS." },
	{ .name = "SHUTDOWN",
	    .arg = VERB_WORD,
	    .words = shutdown_words,
	    .run = do_shutdown,
	    .syntax = "[WAIT_FOR_SERVERS | WAIT_FOR_CLIENTS]",
	    .help = "Ends the pooler: at once, without an answer; or pauses, "
		    "refuses those who wait, and ends when no server "
		    "connection is left; or ends when no client is left, "
		    "consoles included. New logins are refused meanwhile." },
	{ .name = "WAIT_CLOSE",
	    .arg = VERB_DATABASE,
	    .gerund = "wait in",
	    .run = do_wait_close,
	    .syntax = "[database]",
	    .help = "Answers when every server connection that RECONNECT or a "
		    "changed configuration has marked is closed. Ctrl-C ends "
		    "the waiting." },
	{ .name = "SUSPEND",
	    .arg = VERB_BARE,
	    .run = do_suspend,
	    .help = "Accepts and reads nothing any more, and answers when all "
		    "that was read has been sent on; who does not take it "
		    "within suspend_timeout is disconnected. Ends with RESUME, "
		    "with Ctrl-C, or with the console session that gave it. "
		    "Timeouts do not pass meanwhile." },
};

/* Parameters that drivers ask for; they cannot be changed. */
static const struct fake {
	struct rows_column column;
	const char *value;
} fakes[] = {
	{ { "client_encoding", COL_TEXT, "" }, "UTF-8" },
	{ { "default_transaction_isolation", COL_TEXT, "" }, "read committed" },
	{ { "standard_conforming_strings", COL_TEXT, "" }, "on" },
	{ { "datestyle", COL_TEXT, "" }, "ISO" },
	{ { "timezone", COL_TEXT, "" }, "GMT" },
};

const struct verb *
verb_at(size_t i)
{
	return i < ARRAY_LEN(verbs) ? &verbs[i] : NULL;
}

static const struct verb *
verb_find(const char *name)
{
	size_t i;

	if (strcasecmp(name, "SELECT") == 0)
		name = "SHOW";
	for (i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcasecmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static const struct fake *
fake_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(fakes); i++)
		if (strcasecmp(fakes[i].column.name, name) == 0)
			return &fakes[i];
	return NULL;
}

static bool
is_help(const struct command *c)
{
	return strcasecmp(c->arg, "HELP") == 0;
}

static bool
is_one_of(const char *word, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcasecmp(word, *words) == 0)
			return true;
	return false;
}

/* ---- words ---- */

static bool
words_fit(const struct verb *v, const struct command *c)
{
	if (c->has_timeout && v->arg != VERB_PAUSE)
		return false;
	switch (v->arg) {
	case VERB_BARE:
		return !c->has_arg;
	case VERB_WORD:
		return !c->has_arg || is_one_of(c->arg, v->words);
	case VERB_ITEM:
		return c->has_arg &&
		    (is_help(c) || show_find(c->arg) || fake_find(c->arg));
	case VERB_SET:
		return c->has_value;
	case VERB_DATABASE:
	case VERB_PAUSE:
	case VERB_ONE_DATABASE:
	case VERB_ID:
		return true;
	}
	return false;
}

bool
verb_check(const struct command *c, struct span text, struct err *e)
{
	const struct verb *v = verb_find(c->verb);

	if (v == NULL || !words_fit(v, c))
		return command_invalid(text, e);
	return true;
}

void
verb_columns(const struct command *c, const struct rows_column **columns,
    size_t *n)
{
	const struct verb *v = verb_find(c->verb);
	const struct show *s;
	const struct fake *f;

	*columns = NULL;
	*n = 0;
	if (v == NULL || v->arg != VERB_ITEM)
		return;
	s = show_find(c->arg);
	f = fake_find(c->arg);
	if (s != NULL) {
		*columns = s->columns;
		*n = s->n_columns;
	} else if (f != NULL) {
		*columns = &f->column;
		*n = 1;
	}
}

/* ---- rights ---- */

static bool
may_run(const struct verb *v, const struct order *q)
{
	const struct show *s;

	if (q->seat->admin)
		return true;
	/* Harmless, and drivers send it unasked. */
	if (v->arg == VERB_SET)
		return fake_find(q->command.arg) != NULL;
	if (!v->readers)
		return false;
	s = v->arg == VERB_ITEM ? show_find(q->command.arg) : NULL;
	return s == NULL || s->readers;
}

/* ---- arguments that name a database ---- */

static bool
database_fits(const struct verb *v, struct order *q)
{
	const struct command *c = &q->command;

	if (v->arg == VERB_ONE_DATABASE && !c->has_arg) {
		order_fail(q, "22023", "a database is required");
		return false;
	}
	if (c->has_arg && plane_is_console(c->arg) && v->gerund != NULL) {
		order_fail(q, "22023", "cannot %s admin db: %s", v->gerund,
		    c->arg);
		return false;
	}
	return true;
}

static bool
arguments_fit(const struct verb *v, struct order *q)
{
	switch (v->arg) {
	case VERB_DATABASE:
	case VERB_PAUSE:
	case VERB_ONE_DATABASE:
		return database_fits(v, q);
	case VERB_BARE:
	case VERB_WORD:
	case VERB_ID:
	case VERB_ITEM:
	case VERB_SET:
		return true;
	}
	return false;
}

/* ---- running ---- */

void
verb_log(const struct order *q)
{
	const struct command *c = &q->command;
	const struct verb *v = verb_find(c->verb);
	char addr[ADDR_TEXT];

	addr_text(&q->seat->peer, addr, sizeof(addr));
	if (!c->has_arg)
		log_info("C-%llu: %s/%s@%s %s command issued",
		    (unsigned long long)q->seat->id, CONSOLE_DATABASE,
		    q->seat->user, addr, v->name);
	else
		log_info("C-%llu: %s/%s@%s %s '%s' command issued",
		    (unsigned long long)q->seat->id, CONSOLE_DATABASE,
		    q->seat->user, addr, v->name, c->arg);
}

static void
help_text(struct buf *out)
{
	size_t i;

	buf_printf(out, "\n\tSHOW HELP");
	for (i = 0; show_at(i) != NULL; i++)
		buf_printf(out, "%s%s", i % 6 == 5 ? "\n\t\t|" : "|",
		    show_at(i)->name);
	for (i = 0; i < ARRAY_LEN(verbs); i++) {
		const struct verb *v = &verbs[i];

		if (v->arg != VERB_ITEM)
			buf_printf(out, "\n\t%s%s%s", v->name,
			    v->syntax != NULL ? " " : "",
			    v->syntax != NULL ? v->syntax : "");
	}
	buf_append(out, "", 1);
}

static void
show_help(struct order *q)
{
	struct buf text = { 0 };

	help_text(&text);
	reply_notice(&q->notices, "00000", "Console usage",
	    (const char *)buf_head(&text));
	buf_free(&text);
	order_finish(q);
}

static void
show_fake(struct order *q, const struct fake *f)
{
	rows_init(&q->rows, &f->column, 1);
	rows_add(&q->rows, 0);
	rows_text(&q->rows, f->value);
	order_finish(q);
}

static void
do_show(struct order *q)
{
	const struct show *s = show_find(q->command.arg);

	if (s != NULL)
		show_run(s, q);
	else if (is_help(&q->command))
		show_help(q);
	else
		show_fake(q, fake_find(q->command.arg));
}

void
order_run(struct order *q)
{
	const struct verb *v = verb_find(q->command.verb);

	if (!verb_check(&q->command, q->text, &q->err)) {
		order_fail_err(q);
		return;
	}
	copy_str(q->tag, sizeof(q->tag), v->name);
	if (!may_run(v, q)) {
		order_fail(q, "42501", "admin access needed");
	} else if (v->arg == VERB_SET && fake_find(q->command.arg) != NULL) {
		reply_notice(&q->notices, "00000", "SET ignored", NULL);
		order_finish(q);
	} else if (arguments_fit(v, q)) {
		v->run(q);
	}
}
