#include <stdlib.h>
#include <string.h>

#include "proto/sql_scan.h"

void
scan_unsure(struct scan *s, const char *why)
{
	s->info->unsure = true;
	if (!s->info->why)
		s->info->why = why;
}

bool
scan_is_char(const struct scan *s, char c)
{
	return s->tok.type == TOK_CHAR && s->tok.first == (uint8_t)c;
}

bool
scan_at_end(const struct scan *s)
{
	if (s->tok.type == TOK_END || s->tok.type == TOK_BAD)
		return true;
	return scan_is_char(s, ';') && s->depth == 0 && !s->in_body;
}

bool
scan_is(const struct scan *s, const char *word)
{
	return sql_tok_is(s->lex.p, s->tok, word);
}

bool
scan_take(struct scan *s, const char *word)
{
	if (!scan_is(s, word))
		return false;
	scan_next(s);
	return true;
}

struct sql_range
scan_range(struct sql_token from, uint32_t end)
{
	if (end <= from.at)
		return (struct sql_range){ 0 };
	return (struct sql_range){ .at = from.at, .n = end - from.at };
}

void
scan_next(struct scan *s)
{
	if (scan_at_end(s))
		return;
	s->end = s->tok.at + s->tok.n;
	s->prev3 = s->prev2;
	s->prev2 = s->prev;
	s->prev = s->tok;
	s->tok = sql_lex(&s->lex);
	if (s->tok.type == TOK_BAD)
		scan_unsure(s, "a quote or comment does not end");
	if (!scan_at_end(s))
		track_token(s);
}

void
scan_rest(struct scan *s)
{
	while (!scan_at_end(s))
		scan_next(s);
}

/* Room for one more at *items, which begin at first. */
static bool
grow(void *items, const void *first, size_t size, size_t n, size_t *cap)
{
	void *old = *(void **)items, *new;

	if (n < *cap)
		return true;
	new = try_realloc(old == first ? NULL : old, 2 * *cap * size);
	if (!new)
		return false;
	if (old == first)
		memcpy(new, old, n * size);
	*(void **)items = new;
	*cap *= 2;
	return true;
}

static void
add_stmt(struct scan *s)
{
	struct sql_info *i = s->info;
	struct sql_stmt *st = &s->stmt;

	i->kinds |= SQL_BIT(st->kind);
	i->flags |= st->flags;
	if (st->kind == SQL_PLAIN && !st->flags && st->ncalls == 0 &&
	    i->nstmts >= SQL_PLAIN_LISTED) {
		i->nplain++;
	} else if (i->nstmts == SQL_MAX_STMTS ||
	    !grow(&i->stmts, i->inline_stmts, sizeof(*st), i->nstmts,
	    &i->stmt_cap)) {
		scan_unsure(s, "too many statements");
	} else
		i->stmts[i->nstmts++] = *st;
}

struct sql_call *
scan_add_call(struct scan *s)
{
	struct sql_info *i = s->info;

	if (i->ncalls == SQL_MAX_CALLS || !grow(&i->calls, i->inline_calls,
	    sizeof(*i->calls), i->ncalls, &i->call_cap)) {
		scan_unsure(s, "too many function calls");
		return NULL;
	}
	s->stmt.ncalls++;
	i->calls[i->ncalls] = (struct sql_call){ 0 };
	return &i->calls[i->ncalls++];
}

/* From s->tok, which is no semicolon and not the end. */
static void
scan_stmt(struct scan *s)
{
	struct sql_token first = s->tok;

	s->stmt = (struct sql_stmt){
		.first_call = (uint32_t)s->info->ncalls };
	s->prev = s->prev2 = s->prev3 = (struct sql_token){ 0 };
	s->last = s->schema = s->before = (struct sql_token){ 0 };
	s->parts = s->depth = s->nopen = 0;
	s->in_body = s->is_create = s->routine = false;
	s->sets_by_view = false;
	s->only_calls = true;
	s->end = first.at;
	track_token(s);
	head_parse(s);
	scan_rest(s);
	if (s->depth > 0 || s->in_body)
		scan_unsure(s, "a parenthesis or body does not end");
	track_end(s);
	s->stmt.text = scan_range(first, s->end);
	add_stmt(s);
}

static bool
has_high_byte(struct span text)
{
	uint8_t all = 0;

	for (size_t i = 0; i < text.n; i++)
		all |= text.p[i];
	return (all & 0x80) != 0;
}

void
sql_scan(struct sql_info *info, struct span text, unsigned options)
{
	struct scan s = { .info = info };

	info->unsure = false;
	info->why = NULL;
	info->kinds = 0;
	info->flags = info->calls_made = 0;
	info->nstmts = info->ncalls = info->nplain = 0;
	info->text = text;
	info->options = options;
	if (text.n >= INT32_MAX) {
		scan_unsure(&s, "the text is too long");
		return;
	}
	if (text.n == 0)
		return;
	if ((options & SQL_UNSAFE_ENCODING) && has_high_byte(text))
		scan_unsure(&s, "bytes may be halves of characters");
	if (memchr(text.p, 0, text.n))
		scan_unsure(&s, "a zero byte");
	sql_lexer_init(&s.lex, text, options);
	for (;;) {
		s.tok = sql_lex(&s.lex);
		if (s.tok.type == TOK_BAD)
			scan_unsure(&s, "a quote or comment does not end");
		if (s.tok.type == TOK_END || s.tok.type == TOK_BAD)
			break;
		s.depth = 0;
		s.in_body = false;
		if (!scan_is_char(&s, ';'))
			scan_stmt(&s);
		if (s.tok.type == TOK_END || s.tok.type == TOK_BAD)
			break;
	}
	if (s.lex.doubt)
		scan_unsure(&s, "a string may be read in two ways");
	buf_free(&s.scratch);
}

void
sql_info_init(struct sql_info *info)
{
	memset(info, 0, sizeof(*info));
	info->stmts = info->inline_stmts;
	info->calls = info->inline_calls;
	info->stmt_cap = info->call_cap = SQL_INLINE;
}

void
sql_info_fini(struct sql_info *info)
{
	if (info->stmts != info->inline_stmts)
		free(info->stmts);
	if (info->calls != info->inline_calls)
		free(info->calls);
	sql_info_init(info);
}
