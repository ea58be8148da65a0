/* SET and RESET, and the values of settings. */
#include <string.h>

#include "proto/sql_scan.h"

/* Behind the first word of a name: whether it was a name, not a keyword. */
static bool
name_goes_on(const struct scan *s)
{
	return scan_is_char(s, '.') || scan_is(s, "to") ||
	    (s->tok.type == TOK_OP && s->tok.first == '=' && s->tok.n == 1);
}

/* If s->tok is this word and is used as a keyword, goes on. */
static bool
take_keyword(struct scan *s, const char *word)
{
	struct sql_lexer peek = s->lex;
	struct scan after = { .lex = peek };

	if (!scan_is(s, word))
		return false;
	after.tok = sql_lex(&after.lex);
	if (name_goes_on(&after))
		return false;
	scan_next(s);
	return true;
}

/* name.name.name, as it stands. */
static struct sql_range
take_setting(struct scan *s)
{
	struct sql_token first = s->tok;

	if (head_name(s).n == 0)
		return (struct sql_range){ 0 };
	while (scan_is_char(s, '.')) {
		scan_next(s);
		if (head_name(s).n == 0)
			break;
	}
	return scan_range(first, s->end);
}

/* The rest of the statement. SET x TO DEFAULT, and SET TIME ZONE LOCAL, are a
 * RESET. */
static void
take_value(struct scan *s)
{
	struct sql_token first = s->tok;
	bool reset = scan_is(s, "default") ||
	    (scan_is(s, "local") && s->stmt.setting);

	while (!scan_at_end(s)) {
		if (sql_is_string(s->tok.type)) {
			buf_reset(&s->scratch);
			if (sql_decode(&s->lex, s->tok, &s->scratch) &&
			    sql_mentions_temp(buf_span(&s->scratch)))
				s->stmt.flags |= SQL_TEMP;
		}
		scan_next(s);
	}
	if (scan_range(first, s->end).n == 0)
		reset = true;
	if (reset)
		s->stmt.kind = SQL_RESET;
	else
		s->stmt.value = scan_range(first, s->end);
}

static void
special(struct scan *s, const char *setting)
{
	s->stmt.setting = setting;
	take_value(s);
}

/* These are set back at the end of every transaction. */
static bool
is_of_transaction(struct scan *s)
{
	static const char *const names[] = { "transaction_isolation",
		"transaction_read_only", "transaction_deferrable" };
	bool found = false;
	size_t i;

	buf_reset(&s->scratch);
	if (!sql_setting(s->info, &s->stmt, &s->scratch))
		return false;
	for (i = 0; i < ARRAY_LEN(names); i++)
		found |= span_is(buf_span(&s->scratch), names[i]);
	return found;
}

static void
generic(struct scan *s)
{
	s->stmt.name = take_setting(s);
	if (s->stmt.name.n == 0)
		scan_unsure(s, "a SET that is not known");
	if (is_of_transaction(s)) {
		s->stmt.kind = SQL_SET_TRANSACTION;
		return;
	}
	if (scan_is(s, "from")) {
		s->stmt.flags |= SQL_FROM_CURRENT;
		return;
	}
	if (!name_goes_on(s)) {
		scan_unsure(s, "a SET that is not known");
		return;
	}
	scan_next(s);
	take_value(s);
}

/* SESSION was taken, and something else than a name follows. */
static bool
set_session(struct scan *s)
{
	if (take_keyword(s, "characteristics")) {
		s->stmt.kind = SQL_SET_CHARACTERISTICS;
		scan_take(s, "as");
		scan_take(s, "transaction");
		take_value(s);
		s->stmt.kind = SQL_SET_CHARACTERISTICS;
		return true;
	}
	if (take_keyword(s, "authorization")) {
		special(s, "session_authorization");
		return true;
	}
	s->stmt.flags |= SQL_SESSION;
	return false;
}

void
head_set(struct scan *s)
{
	s->stmt.kind = SQL_SET;
	scan_next(s);
	if (take_keyword(s, "local"))
		s->stmt.flags |= SQL_LOCAL;
	if (take_keyword(s, "session") && set_session(s))
		return;
	/* SET SESSION SESSION AUTHORIZATION x, indeed */
	if (take_keyword(s, "session") && set_session(s))
		return;
	if (take_keyword(s, "transaction") || take_keyword(s, "constraints") ||
	    take_keyword(s, "catalog"))
		s->stmt.kind = SQL_SET_TRANSACTION;
	else if (take_keyword(s, "time")) {
		scan_take(s, "zone");
		special(s, "timezone");
	} else if (take_keyword(s, "names"))
		special(s, "client_encoding");
	else if (take_keyword(s, "schema"))
		special(s, "search_path");
	else if (take_keyword(s, "role"))
		special(s, "role");
	else if (take_keyword(s, "xml")) {
		scan_take(s, "option");
		special(s, "xmloption");
	} else
		generic(s);
}

void
head_reset(struct scan *s)
{
	s->stmt.kind = SQL_RESET;
	scan_next(s);
	if (scan_is(s, "all"))
		s->stmt.kind = SQL_RESET_ALL;
	else if (take_keyword(s, "time"))
		s->stmt.setting = scan_is(s, "zone") ? "timezone" : "time";
	else if (scan_is(s, "session") || scan_is(s, "transaction")) {
		bool session = scan_is(s, "session");

		s->stmt.name = take_setting(s);
		if (session && scan_is(s, "authorization"))
			s->stmt.setting = "session_authorization";
		else if (scan_is(s, "isolation"))
			s->stmt.kind = SQL_SET_TRANSACTION;
	} else
		s->stmt.name = take_setting(s);
	if (s->stmt.kind == SQL_RESET && is_of_transaction(s))
		s->stmt.kind = SQL_SET_TRANSACTION;
}
