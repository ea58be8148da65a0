#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/journal.h"
#include "proto/wire.h"

struct journal_savepoint {
	struct journal_savepoint *next;
	struct journal_state state;
	char name[];
};

void
pin_names(unsigned pins, char *out, size_t cap)
{
	static const char *const names[] = { "temp", "cursor", "lock",
		"listen", "load", "seed", "state" };
	size_t i, at = 0;

	out[0] = '\0';
	for (i = 0; i < ARRAY_LEN(names) && at < cap; i++)
		if (pins & 1u << i)
			at += (size_t)snprintf(out + at, cap - at, "%s%s",
			    at > 0 ? "," : "", names[i]);
}

/* States. */

static struct journal_state
state_copy(const struct journal_state *s)
{
	return (struct journal_state){ settings_ref(s->want),
		settings_ref(s->have), channels_ref(s->heard), s->pins };
}

static void
state_drop(struct journal_state *s)
{
	settings_unref(s->want);
	settings_unref(s->have);
	channels_unref(s->heard);
	*s = (struct journal_state){ 0 };
}

static void
state_set(struct journal_state *to, const struct journal_state *from)
{
	struct journal_state fresh = state_copy(from);

	state_drop(to);
	*to = fresh;
}

static void
drop_savepoint(struct journal *j)
{
	struct journal_savepoint *sp = j->saves;

	j->saves = sp->next;
	state_drop(&sp->state);
	free(sp);
}

static void
drop_savepoints(struct journal *j)
{
	while (j->saves != NULL)
		drop_savepoint(j);
}

void
journal_init(struct journal *j, struct settings *want, struct settings *have,
    struct settings *startup)
{
	*j = (struct journal){ 0 };
	j->now.want = settings_ref(want);
	j->now.have = settings_ref(have);
	j->begun = state_copy(&j->now);
	j->startup = settings_ref(startup);
}

void
journal_hear(struct journal *j, struct channels *heard)
{
	channels_unref(j->now.heard);
	channels_unref(j->begun.heard);
	j->now.heard = channels_ref(heard);
	j->begun.heard = channels_ref(heard);
}

static void
forget_asks(struct journal *j)
{
	while (j->nasks > 0)
		free(j->asks[--j->nasks]);
}

void
journal_fini(struct journal *j)
{
	drop_savepoints(j);
	state_drop(&j->now);
	state_drop(&j->begun);
	settings_unref(j->startup);
	forget_asks(j);
	*j = (struct journal){ 0 };
}

/* Transactions. */

static void
commit(struct journal *j)
{
	drop_savepoints(j);
	state_set(&j->begun, &j->now);
	j->local = false;
}

static void
rollback(struct journal *j)
{
	drop_savepoints(j);
	state_set(&j->now, &j->begun);
	j->local = false;
}

static void
savepoint(struct journal *j, const char *name)
{
	size_t n = strlen(name) + 1;
	struct journal_savepoint *sp = xmalloc(sizeof(*sp) + n);

	memcpy(sp->name, name, n);
	sp->state = state_copy(&j->now);
	sp->next = j->saves;
	j->saves = sp;
}

static struct journal_savepoint *
find_savepoint(struct journal *j, const char *name)
{
	struct journal_savepoint *sp = j->saves;

	while (sp != NULL && strcmp(sp->name, name) != 0)
		sp = sp->next;
	return sp;
}

static void
release(struct journal *j, const char *name)
{
	struct journal_savepoint *sp = find_savepoint(j, name), *top;

	/* One made before the journal was begun has nothing above it here. */
	do {
		top = j->saves;
		if (top != NULL)
			drop_savepoint(j);
	} while (top != NULL && top != sp);
}

static void
rollback_to(struct journal *j, const char *name)
{
	struct journal_savepoint *sp = find_savepoint(j, name);

	if (sp == NULL) {
		/* Made before the journal was begun: before anything. */
		drop_savepoints(j);
		state_set(&j->now, &j->begun);
		return;
	}
	while (j->saves != sp)
		drop_savepoint(j);
	state_set(&j->now, &sp->state);
}

/* Settings. */

static void
ask_for(struct journal *j, const char *name)
{
	size_t i;

	for (i = 0; i < j->nasks; i++)
		if (strcmp(j->asks[i], name) == 0)
			return;
	if (j->nasks == JOURNAL_ASKS)
		j->pins |= PIN_STATE;
	else
		j->asks[j->nasks++] = xstrdup(name);
}

/* Servers tell of these themselves, and they follow their client by that. */
static bool
is_reported(const struct journal *j, const char *name)
{
	int i = j->names != NULL ? param_index(j->names, name) : -1;

	return i >= 0 && j->reported != NULL &&
	    param_get(j->reported, (size_t)i) != NULL;
}

static void
forget_setting(struct journal *j, const char *name)
{
	j->now.want = settings_without(j->now.want, name);
	j->now.have = settings_without(j->now.have, name);
}

static void
keep_setting(struct journal *j, const char *name, struct span sql)
{
	if (settings_size_with(j->now.want, name, sql) > SETTINGS_MAX) {
		j->pins |= PIN_STATE;
		return;
	}
	j->now.want = settings_with(j->now.want, name, sql);
	j->now.have = settings_with(j->now.have, name, sql);
}

static bool
is_name(struct journal *j, const char *name)
{
	if (is_reported(j, name)) {
		forget_setting(j, name);
		return false;
	}
	if (strcmp(name, "seed") == 0) {
		j->pins |= PIN_SEED;
		return false;
	}
	/* The new identity comes without a role. */
	if (strcmp(name, "session_authorization") == 0)
		forget_setting(j, "role");
	return true;
}

static const char *
text_of(struct buf *b)
{
	buf_append(b, "", 1);
	return (const char *)buf_head(b);
}

static void
done_set(struct journal *j, const struct sql_info *info,
    const struct sql_stmt *st)
{
	struct buf name = { 0 }, sql = { 0 };
	const char *n;

	if (st->flags & SQL_LOCAL) {
		j->local = true;
		return;
	}
	/* Whatever is made there is temporary, without saying so. */
	if (st->flags & SQL_TEMP)
		j->pins |= PIN_STATE;
	if (!sql_setting(info, st, &name)) {
		j->pins |= PIN_STATE;
		buf_free(&name);
		return;
	}
	n = text_of(&name);
	if (is_name(j, n)) {
		buf_printf(&sql, "SET ");
		settings_put_name(&sql, n);
		buf_printf(&sql, " TO ");
		if (sql_value(info, st, &sql))
			keep_setting(j, n, buf_span(&sql));
		else
			ask_for(j, n);
	}
	buf_free(&name);
	buf_free(&sql);
}

static void
done_reset(struct journal *j, const struct sql_info *info,
    const struct sql_stmt *st)
{
	struct buf name = { 0 };
	const char *n;
	struct span sql;

	if (st->flags & SQL_LOCAL) {
		j->local = true;
		return;
	}
	if (!sql_setting(info, st, &name)) {
		j->pins |= PIN_STATE;
		buf_free(&name);
		return;
	}
	n = text_of(&name);
	if (is_name(j, n)) {
		forget_setting(j, n);
		/* To the client its startup options are the defaults. */
		sql = settings_find(j->startup, n);
		if (sql.p != NULL)
			j->now.want = settings_with(j->now.want, n, sql);
	}
	buf_free(&name);
}

/* RESET ALL leaves the identity; DISCARD ALL does not. */
static void
done_reset_all(struct journal *j, bool identity)
{
	static const char *const names[] = { "session_authorization", "role" };
	struct settings *have = NULL, *want = settings_ref(j->startup);
	size_t i;

	for (i = 0; i < ARRAY_LEN(names) && !identity; i++) {
		struct span sql = settings_find(j->now.have, names[i]);

		if (sql.p == NULL)
			continue;
		have = settings_with(have, names[i], sql);
		want = settings_with(want, names[i], sql);
	}
	settings_unref(j->now.want);
	settings_unref(j->now.have);
	j->now.want = want;
	j->now.have = have;
	forget_asks(j);
}

static bool
put_literal(const struct sql_info *info, struct sql_range r, struct buf *sql)
{
	struct buf text = { 0 };
	bool ok = sql_literal(info, r, &text);

	if (ok)
		sql_put_literal(sql, buf_span(&text));
	buf_free(&text);
	return ok;
}

/* The name that set_config() is called for, in lower case. */
static bool
config_name(const struct sql_info *info, const struct sql_call *c,
    struct buf *out)
{
	size_t i;

	if (c->nargs != 3 || c->arg_kind[0] != SQL_ARG_STRING ||
	    !sql_literal(info, c->arg[0], out))
		return false;
	for (i = out->start; i < out->end; i++)
		if (out->data[i] >= 'A' && out->data[i] <= 'Z')
			out->data[i] = (uint8_t)(out->data[i] + 'a' - 'A');
	buf_append(out, "", 1);
	return strlen((const char *)buf_head(out)) + 1 == buf_len(out);
}

static void
done_set_config(struct journal *j, const struct sql_info *info,
    const struct sql_call *c)
{
	struct buf name = { 0 }, sql = { 0 };
	const char *n;

	if (c->nargs == 3 && c->arg_kind[2] == SQL_ARG_TRUE) {
		j->local = true;
		return;
	}
	if (!config_name(info, c, &name)) {
		j->pins |= PIN_STATE;
		buf_free(&name);
		return;
	}
	n = (const char *)buf_head(&name);
	if (c->nargs == 3 && c->arg_kind[2] != SQL_ARG_FALSE)
		j->local = true;
	if (is_name(j, n)) {
		buf_printf(&sql, "SELECT pg_catalog.set_config(");
		sql_put_literal(&sql, span_of(n));
		buf_printf(&sql, ",");
		if (c->certain && c->arg_kind[1] == SQL_ARG_STRING &&
		    c->arg_kind[2] == SQL_ARG_FALSE &&
		    put_literal(info, c->arg[1], &sql)) {
			buf_printf(&sql, ",false)");
			keep_setting(j, n, buf_span(&sql));
		} else {
			ask_for(j, n);
		}
		if (strcmp(n, "search_path") == 0 &&
		    sql_mentions_temp(buf_span(&sql)))
			j->pins |= PIN_STATE;
	}
	buf_free(&name);
	buf_free(&sql);
}

/* Statements. */

static void
done_calls(struct journal *j, const struct sql_info *info,
    const struct sql_stmt *st)
{
	uint32_t i;

	for (i = 0; i < st->ncalls; i++) {
		const struct sql_call *c = &info->calls[st->first_call + i];

		switch (c->kind) {
		case SQL_CALL_SET_CONFIG:
			done_set_config(j, info, c);
			break;
		case SQL_CALL_LOCK:
		case SQL_CALL_UNLOCK:
		case SQL_CALL_UNLOCK_ALL:
			j->check = true;
			break;
		case SQL_CALL_UNKNOWN:
		case SQL_CALL_SEED:
		case SQL_CALL_SEQ_WRITE:
		case SQL_CALL_SEQ_READ:
		case SQL_CALL_NOTIFY:
		case SQL_CALL_STATE:
			break;
		}
	}
}

static void
with_name(struct journal *j, const struct sql_info *info,
    const struct sql_stmt *st, void (*fn)(struct journal *, const char *))
{
	struct buf name = { 0 };

	if (sql_name(info, st->name, &name))
		fn(j, text_of(&name));
	else
		j->dirty = true;
	buf_free(&name);
}

static void
pin(struct journal *j, unsigned what)
{
	j->now.pins |= what;
	j->check = true;
}

/* The tag of what was sent as another statement says so. */
static void
done_listen(struct journal *j, const struct sql_info *info,
    const struct sql_stmt *st, struct span tag)
{
	struct buf name = { 0 };

	if (!span_is(tag, "UNLISTEN"))
		pin(j, PIN_LISTEN);
	else if (sql_name(info, st->name, &name))
		j->now.heard = channels_with(j->now.heard, buf_span(&name));
	buf_free(&name);
}

static void
done_unlisten(struct journal *j, const struct sql_info *info,
    const struct sql_stmt *st)
{
	struct buf name = { 0 };

	if (sql_name(info, st->name, &name))
		j->now.heard = channels_without(j->now.heard, buf_span(&name));
	buf_free(&name);
}

static void
hear_nothing(struct journal *j)
{
	channels_unref(j->now.heard);
	j->now.heard = NULL;
}

/* A DROP, say. */
static void
maybe_taken_away(struct journal *j)
{
	j->check = j->check || journal_pins(j) & PIN_ASKABLE;
}

void
journal_done(struct journal *j, const struct sql_info *info,
    const struct sql_stmt *st, struct span tag)
{
	if (st->flags & SQL_TEMP && st->kind != SQL_SET)
		pin(j, PIN_TEMP);
	done_calls(j, info, st);
	switch (st->kind) {
	case SQL_COMMIT:
		/* Of a failed transaction it is a rollback, and says so. */
		if (span_is(tag, "ROLLBACK"))
			rollback(j);
		else
			commit(j);
		break;
	case SQL_PREPARE_TRANSACTION:
		commit(j);
		break;
	case SQL_ROLLBACK:
		rollback(j);
		break;
	case SQL_SAVEPOINT:
		with_name(j, info, st, savepoint);
		break;
	case SQL_RELEASE:
		with_name(j, info, st, release);
		break;
	case SQL_ROLLBACK_TO:
		with_name(j, info, st, rollback_to);
		break;
	case SQL_SET:
		done_set(j, info, st);
		break;
	case SQL_RESET:
		done_reset(j, info, st);
		break;
	case SQL_RESET_ALL:
		done_reset_all(j, false);
		break;
	case SQL_SET_CHARACTERISTICS:
		ask_for(j, "default_transaction_isolation");
		ask_for(j, "default_transaction_read_only");
		ask_for(j, "default_transaction_deferrable");
		break;
	case SQL_DISCARD_ALL:
		done_reset_all(j, true);
		j->now.pins = 0;
		j->pins &= PIN_FOREVER;
		hear_nothing(j);
		commit(j);
		break;
	case SQL_DECLARE:
		if (st->flags & SQL_HOLD)
			pin(j, PIN_CURSOR);
		break;
	case SQL_LISTEN:
		done_listen(j, info, st, tag);
		break;
	case SQL_UNLISTEN:
		done_unlisten(j, info, st);
		maybe_taken_away(j);
		break;
	case SQL_UNLISTEN_ALL:
		hear_nothing(j);
		maybe_taken_away(j);
		break;
	case SQL_PLAIN:
	case SQL_CLOSE:
	case SQL_CLOSE_ALL:
	case SQL_DISCARD_TEMP:
		maybe_taken_away(j);
		break;
	case SQL_BEGIN:
	case SQL_COMMIT_PREPARED:
	case SQL_ROLLBACK_PREPARED:
	case SQL_SET_TRANSACTION:
	case SQL_PREPARE:
	case SQL_EXECUTE:
	case SQL_DEALLOCATE:
	case SQL_DEALLOCATE_ALL:
	case SQL_NOTIFY:
	case SQL_DISCARD_PLANS:
	case SQL_DISCARD_SEQUENCES:
	case SQL_LOAD:
	case SQL_DO:
	case SQL_CALL:
	case SQL_COPY:
		break;
	}
}

void
journal_sent(struct journal *j, const struct sql_info *info)
{
	uint32_t calls = info->calls_made;

	if (info->unsure)
		j->dirty = true;
	if (calls & SQL_CALL_BIT(SQL_CALL_LOCK)) {
		j->pins |= PIN_LOCK;
		j->check = true;
	}
	if (calls & SQL_CALL_BIT(SQL_CALL_SEED))
		j->pins |= PIN_SEED;
	if (calls & SQL_CALL_BIT(SQL_CALL_STATE))
		j->pins |= PIN_STATE;
	if (info->kinds & SQL_BIT(SQL_LOAD))
		j->pins |= PIN_LOAD;
	/* It may run text of any kind. */
	if (info->kinds & SQL_BIT(SQL_DO) && info->flags & SQL_BODY_STATE)
		j->dirty = true;
}

void
journal_tag(struct journal *j, bool committed)
{
	if (committed)
		commit(j);
	else
		rollback(j);
}

void
journal_synced(struct journal *j, struct settings *s)
{
	struct journal_state both = { s, s, j->now.heard, j->now.pins };

	state_set(&j->now, &both);
	state_set(&j->begun, &both);
}

void
journal_error(struct journal *j)
{
	j->failed = true;
}

void
journal_ready(struct journal *j, uint8_t status)
{
	if (status == 'I') {
		if (j->failed)
			rollback(j);
		else
			commit(j);
	}
	j->failed = false;
}

/* The question. */

bool
journal_has_question(const struct journal *j)
{
	return j->nasks > 0 || (j->check && journal_pins(j) & PIN_ASKABLE);
}

/* Every name is written out: the client's search_path may lead anywhere. */
#define EQ " OPERATOR(pg_catalog.=) "

void
journal_question(const struct journal *j, struct buf *sql)
{
	size_t i;

	/* All that lies in a schema depends on it, whatever kind it is of. */
	buf_printf(sql, "SELECT "
	    "EXISTS (SELECT FROM pg_catalog.pg_depend WHERE refclassid" EQ
	    "2615 AND refobjid" EQ "pg_catalog.pg_my_temp_schema()),"
	    "EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable),"
	    "EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype" EQ
	    "'advisory' AND pid" EQ "pg_catalog.pg_backend_pid()),"
	    "EXISTS (SELECT FROM pg_catalog.pg_listening_channels())");
	for (i = 0; i < j->nasks; i++) {
		buf_printf(sql, ",pg_catalog.current_setting(");
		sql_put_literal(sql, span_of(j->asks[i]));
		buf_printf(sql, ",true)");
	}
}

/* A value read back. */
static void
answered(struct journal *j, const char *name, struct span value)
{
	struct buf sql = { 0 };

	buf_printf(&sql, "SELECT pg_catalog.set_config(");
	sql_put_literal(&sql, span_of(name));
	buf_printf(&sql, ",");
	sql_put_literal(&sql, value);
	buf_printf(&sql, ",false)");
	keep_setting(j, name, buf_span(&sql));
	if (strcmp(name, "search_path") == 0 && sql_mentions_temp(value))
		j->pins |= PIN_STATE;
	buf_free(&sql);
}

void
journal_unanswered(struct journal *j)
{
	j->pins |= PIN_STATE;
	j->check = false;
	forget_asks(j);
}

bool
journal_answer(struct journal *j, struct span row)
{
	static const unsigned pins[] = { PIN_TEMP, PIN_CURSOR, PIN_LOCK,
		PIN_LISTEN };
	unsigned found = 0;
	struct reader r;
	size_t i, n;

	reader_init(&r, row);
	n = reader_u16(&r);
	if (n != ARRAY_LEN(pins) + j->nasks)
		return false;
	for (i = 0; i < n; i++) {
		int32_t len = reader_i32(&r);
		struct span v = reader_bytes(&r, len > 0 ? (size_t)len : 0);

		if (r.bad)
			return false;
		if (i >= ARRAY_LEN(pins)) {
			if (len >= 0)
				answered(j, j->asks[i - ARRAY_LEN(pins)], v);
		} else if (span_is(v, "t")) {
			found |= pins[i];
		}
	}
	if (!reader_done(&r))
		return false;
	j->pins = (j->pins & ~PIN_ASKABLE) | found;
	j->now.pins = 0;
	j->check = false;
	forget_asks(j);
	commit(j);
	return true;
}
