#include "policy/ident.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/arena.h"
#include "policy/words.h"

struct ident_line {
	STAILQ_ENTRY(ident_line) link;
	const char *system; /* "/..." has a regex */
	const char *user;
	bool all;
	bool is_regex;
	regex_t regex;
	int line;
};

struct ident_map {
	STAILQ_ENTRY(ident_map) link;
	const char *name;
	STAILQ_HEAD(, ident_line) lines;
};

struct ident {
	struct arena *arena;
	STAILQ_HEAD(, ident_map) maps;
};

/* ---- reading ---- */

static struct ident_map *
find_or_add(struct ident *i, const char *name)
{
	struct ident_map *m;

	STAILQ_FOREACH(m, &i->maps, link)
		if (strcmp(m->name, name) == 0)
			return m;
	m = arena_alloc(i->arena, sizeof(*m));
	m->name = name;
	STAILQ_INIT(&m->lines);
	STAILQ_INSERT_TAIL(&i->maps, m, link);
	return m;
}

/* On failure nothing is left to free. */
static bool
compile(struct ident_line *l, struct err *e)
{
	char why[120];
	int rc;

	if (l->system[0] != '/')
		return true;
	rc = regcomp(&l->regex, l->system + 1, REG_EXTENDED);
	if (rc != 0) {
		regerror(rc, &l->regex, why, sizeof(why));
		return err_set(e, "2201B", "bad regular expression \"%s\": %s",
		    l->system + 1, why);
	}
	l->is_regex = true;
	if (strstr(l->user, "\\1") != NULL && l->regex.re_nsub == 0) {
		regfree(&l->regex);
		err_set(e, "2201B", "regular expression \"%s\" has no "
		    "parentheses, but \"%s\" has \\1", l->system + 1, l->user);
		err_hint(e, "put parentheses around the part that \\1 stands "
		    "for");
		return false;
	}
	return true;
}

static bool
check_user(const struct word *user, struct err *e)
{
	if (!user->quoted && user->text[0] == '+') {
		err_set(e, "0A000", "groups are not known here: \"%s\"",
		    user->text);
		err_hint(e, "name the users, one line each, or use \\1");
		return false;
	}
	if (!user->quoted && user->text[0] == '/')
		return err_set(e, "0A000", "a regular expression can stand "
		    "for the system user only: \"%s\"", user->text);
	if (user->text[0] == '\0')
		return err_set(e, "F0000", "empty name of a database user");
	return true;
}

/* A map, a system user, a database user; false with the error. */
static bool
read_line(struct ident *i, struct words *w, int line, struct err *e)
{
	struct word word[3], more;
	struct ident_line *l;
	enum word_kind kind;

	for (size_t n = 0; n < ARRAY_LEN(word); n++) {
		kind = words_next(w, &word[n], e);
		if (kind == WORD_BAD)
			return false;
		if (kind == WORD_TEXT)
			continue;
		err_set(e, "F0000", kind == WORD_COMMA ? "unexpected comma" :
		    "a line has three names");
		err_hint(e, "MAP SYSTEM-USER DATABASE-USER; a name with a "
		    "blank or a comma in it needs quotes");
		return false;
	}
	kind = words_next(w, &more, e);
	if (kind == WORD_BAD)
		return false;
	if (kind != WORD_END)
		return err_set(e, "F0000", "unexpected text behind the "
		    "database user");
	if (!check_user(&word[2], e))
		return false;
	l = arena_alloc(i->arena, sizeof(*l));
	l->system = word[1].text;
	l->user = word[2].text;
	l->all = !word[2].quoted && strcmp(l->user, "all") == 0;
	l->line = line;
	if (!compile(l, e))
		return false;
	STAILQ_INSERT_TAIL(&find_or_add(i, word[0].text)->lines, l, link);
	return true;
}

struct ident *
ident_read(const char *path, struct span text,
    void (*error)(void *arg, struct err *e), void *arg)
{
	struct ident *i = xcalloc(1, sizeof(*i));
	struct lines lines;
	struct span line;
	struct err e;
	bool ok = true;

	i->arena = arena_new();
	STAILQ_INIT(&i->maps);
	lines_init(&lines, text);
	while (lines_next(&lines, &line)) {
		struct words w;

		words_init(&w, line, i->arena);
		err_clear(&e);
		if (words_peek(&w) == WORD_END ||
		    read_line(i, &w, lines.line, &e))
			continue;
		err_at(&e, path, lines.line);
		error(arg, &e);
		ok = false;
	}
	if (ok)
		return i;
	ident_free(i);
	return NULL;
}

void
ident_free(struct ident *i)
{
	struct ident_map *m;
	struct ident_line *l;

	if (i == NULL)
		return;
	STAILQ_FOREACH(m, &i->maps, link)
		STAILQ_FOREACH(l, &m->lines, link)
			if (l->is_regex)
				regfree(&l->regex);
	arena_free(i->arena);
	free(i);
}

/* ---- asking ---- */

const struct ident_map *
ident_find(const struct ident *i, const char *map)
{
	const struct ident_map *m;

	if (i == NULL)
		return NULL;
	STAILQ_FOREACH(m, &i->maps, link)
		if (strcmp(m->name, map) == 0)
			return m;
	return NULL;
}

/* Is `user` what comes of the pattern when every \1 in it is `part`? */
static bool
is_expansion(const char *pattern, struct span part, const char *user)
{
	while (*pattern != '\0') {
		if (pattern[0] == '\\' && pattern[1] == '1') {
			if (strncmp(user, (const char *)part.p, part.n) != 0)
				return false;
			user += part.n;
			pattern += 2;
		} else if (*pattern++ != *user++) {
			return false;
		}
	}
	return *user == '\0';
}

static bool
line_allows(const struct ident_line *l, const char *system, const char *user)
{
	regmatch_t at[2];

	if (!l->is_regex)
		return strcmp(l->system, system) == 0 &&
		    (l->all || strcmp(l->user, user) == 0);
	if (regexec(&l->regex, system, ARRAY_LEN(at), at, 0) != 0)
		return false;
	if (l->all)
		return true;
	/* Parentheses in a branch that was not taken match nothing at all. */
	if (strstr(l->user, "\\1") != NULL && at[1].rm_so < 0)
		return false;
	return is_expansion(l->user, at[1].rm_so < 0 ? SPAN(system, 0) :
	    SPAN(system + at[1].rm_so, at[1].rm_eo - at[1].rm_so), user);
}

bool
ident_allows(const struct ident_map *m, const char *system, const char *user,
    int *line)
{
	const struct ident_line *l;

	if (system[0] == '\0' || user[0] == '\0' ||
	    strlen(system) > IDENT_NAME_MAX)
		return false;
	STAILQ_FOREACH(l, &m->lines, link) {
		if (!line_allows(l, system, user))
			continue;
		if (line != NULL)
			*line = l->line;
		return true;
	}
	return false;
}

const char *
ident_map_name(const struct ident_map *m)
{
	return m->name;
}
