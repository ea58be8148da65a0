/* The body of a DO. */
#include "proto/sql_call.h"
#include "proto/sql_scan.h"

/* Commands that change the session where they begin a statement. */
static const char *const commands[] = { "set", "reset", "listen", "unlisten",
	"load", "discard", "prepare", "deallocate" };
/* A command that is made up at run time, and temporary tables, anywhere. */
static const char *const words[] = { "execute", "temp", "temporary" };

static bool
is_one_of(const uint8_t *text, struct sql_token t, const char *const *list,
    size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (sql_tok_is(text, t, list[i]))
			return true;
	return false;
}

/* Whether a statement of PL/pgSQL may begin behind this. */
static bool
is_start(const uint8_t *text, struct sql_token before)
{
	static const char *const openers[] = { "begin", "then", "else",
		"loop" };

	if (before.type == TOK_END || before.type == TOK_OP)
		return true; /* <<label>> */
	if (before.type == TOK_CHAR)
		return before.first == ';';
	return is_one_of(text, before, openers, ARRAY_LEN(openers));
}

/* Of those that matter less only the kind is told. */
static bool
is_call_with_effect(struct scan *s, const struct sql_lexer *l,
    struct sql_token t)
{
	enum sql_call_kind kind;

	buf_reset(&s->scratch);
	if (!sql_decode(l, t, &s->scratch) || buf_len(&s->scratch) > 63 ||
	    sql_name_class(buf_span(&s->scratch), &kind) != SQL_NAME_EFFECT)
		return false;
	s->info->calls_made |= SQL_CALL_BIT(kind);
	return kind != SQL_CALL_NOTIFY && kind != SQL_CALL_SEQ_READ &&
	    kind != SQL_CALL_SEQ_WRITE;
}

static bool
is_dangerous(struct scan *s, const struct sql_lexer *l, struct sql_token t,
    struct sql_token before)
{
	struct span name;

	if (t.type == TOK_BAD)
		return true;
	if (!sql_is_identifier(t.type))
		return false;
	if (is_one_of(l->p, t, words, ARRAY_LEN(words)))
		return true;
	if (is_start(l->p, before) &&
	    is_one_of(l->p, t, commands, ARRAY_LEN(commands)))
		return true;
	if (is_call_with_effect(s, l, t))
		return true;
	name = buf_span(&s->scratch);
	return span_is(name, "pg_settings") || sql_mentions_temp(name);
}

static bool
text_has_state(struct scan *s, struct span text)
{
	struct sql_token t, before = { 0 };
	struct sql_lexer l;

	sql_lexer_init(&l, text, s->lex.options);
	do {
		t = sql_lex(&l);
		if (is_dangerous(s, &l, t, before))
			return true;
		before = t;
	} while (t.type != TOK_END);
	return l.doubt;
}

bool
body_has_state(struct scan *s, struct sql_token body)
{
	struct buf text = { 0 };
	bool found;

	found = !sql_decode(&s->lex, body, &text) ||
	    text_has_state(s, buf_span(&text));
	buf_free(&text);
	return found;
}
