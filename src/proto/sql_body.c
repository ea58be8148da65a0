/* The body of a DO. */
#include "proto/sql_call.h"
#include "proto/sql_scan.h"

/* Commands that change the session where they begin a statement. */
static const char *const commands[] = { "set", "reset", "listen", "unlisten",
	"load", "discard", "prepare", "deallocate", "declare" };
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

static bool
is_call_with_effect(struct scan *s, const struct sql_lexer *l,
    struct sql_token t)
{
	enum sql_call_kind kind;

	buf_reset(&s->scratch);
	return sql_decode(l, t, &s->scratch) && buf_len(&s->scratch) < 64 &&
	    sql_name_class(buf_span(&s->scratch), &kind) == SQL_NAME_EFFECT;
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
	    is_one_of(l->p, t, commands, ARRAY_LEN(commands)) &&
	    !sql_tok_is(l->p, t, "declare"))
		return true;
	if (is_call_with_effect(s, l, t))
		return true;
	name = buf_span(&s->scratch);
	return span_is(name, "pg_settings") || sql_mentions_temp(name);
}

bool
body_has_state(struct scan *s, struct sql_token body)
{
	struct buf text = { 0 };
	struct sql_token t, before = { 0 };
	struct sql_lexer l;
	bool found = true;

	if (!sql_decode(&s->lex, body, &text))
		return true;
	sql_lexer_init(&l, buf_span(&text), s->lex.options);
	for (;;) {
		t = sql_lex(&l);
		found = is_dangerous(s, &l, t, before);
		if (found || t.type == TOK_END)
			break;
		before = t;
	}
	buf_free(&text);
	return found || l.doubt;
}
