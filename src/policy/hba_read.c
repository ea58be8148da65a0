/* The lines of auth_hba_file. */
#include "policy/hba.h"

#include <stdlib.h>
#include <string.h>

#include "policy/words.h"

#define INCLUDE_DEPTH_MAX 10
#define INCLUDE_FILES_MAX 1000
#define HBA_NAME_MAX 1023

/* Names are collected here before they are sorted into the arena. */
struct collector {
	const char **names;
	size_t n, cap;
};

struct reading {
	const struct hba_input *in;
	struct hba_rule *rules;
	size_t n, cap;
	int files; /* read for @file */
	bool failed;
};

/* What may stand where a name is expected. */
enum list_kind { LIST_DATABASES, LIST_USERS };

/* ---- lists of names ---- */

static void
collect(struct collector *c, const char *name)
{
	if (c->n == c->cap) {
		c->cap = c->cap > 0 ? 2 * c->cap : 16;
		c->names = xrealloc(c->names, c->cap * sizeof(*c->names));
	}
	c->names[c->n++] = name;
}

static bool
refuse_word(const char *text, const char *why, const char *hint,
    struct err *e)
{
	err_set(e, "0A000", "%s: \"%s\"", why, text);
	err_hint(e, "%s", hint);
	return false;
}

/* A word that is not quoted, and starts with what no name starts with. */
static bool
check_sign(const char *text, struct err *e)
{
	if (text[0] == '+')
		return refuse_word(text, "groups are not known here",
		    "list the users, or put them in a file and name it @file",
		    e);
	if (text[0] == '/')
		return refuse_word(text, "regular expressions for names are "
		    "not supported", "list the names; in quotes it is a plain "
		    "name", e);
	return true;
}

static bool
is_role_word(const char *text)
{
	return strcmp(text, "samerole") == 0 || strcmp(text, "samegroup") == 0;
}

static bool read_names_of(struct reading *r, const char *path,
    const char *name, enum list_kind kind, int depth, struct hba_names *out,
    struct collector *c, struct err *e);

static bool
take_name(struct reading *r, const char *path, const struct word *w,
    enum list_kind kind, int depth, struct hba_names *out,
    struct collector *c, struct err *e)
{
	const char *text = w->text;

	if (text[0] == '\0')
		return err_set(e, "F0000", "empty name");
	if (strlen(text) > HBA_NAME_MAX)
		return err_set(e, "F0000", "name \"%.40s...\" is too long",
		    text);
	if (w->quoted) {
		collect(c, text);
		return true;
	}
	if (text[0] == '@')
		return read_names_of(r, path, text + 1, kind, depth, out, c, e);
	if (!check_sign(text, e))
		return false;
	if (strcmp(text, "all") == 0)
		out->all = true;
	else if (kind == LIST_DATABASES && strcmp(text, "sameuser") == 0)
		out->sameuser = true;
	else if (kind == LIST_DATABASES && strcmp(text, "replication") == 0)
		out->replication = true;
	else if (kind == LIST_DATABASES && is_role_word(text))
		return refuse_word(text, "roles are not known here",
		    "name the databases; in quotes it is a plain name", e);
	else
		collect(c, text);
	return true;
}

/* The name beside the file that names it, unless it is absolute. */
static const char *
beside(struct reading *r, const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	if (name[0] == '/' || slash == NULL)
		return name;
	return arena_printf(r->in->arena, "%.*s/%s", (int)(slash - path), path,
	    name);
}

/* Names of a file: blanks, commas and line ends are all the same. */
static bool
read_name_lines(struct reading *r, const char *path, struct span text,
    enum list_kind kind, int depth, struct hba_names *out,
    struct collector *c, struct err *e)
{
	struct lines lines;
	struct span line;

	lines_init(&lines, text);
	while (lines_next(&lines, &line)) {
		enum word_kind word = WORD_TEXT;
		struct words w;
		struct word one;
		bool ok = true;

		words_init(&w, line, r->in->arena);
		while (ok && (word = words_next(&w, &one, e)) != WORD_END &&
		    word != WORD_BAD)
			if (word == WORD_TEXT)
				ok = take_name(r, path, &one, kind, depth, out,
				    c, e);
		if (ok && word != WORD_BAD)
			continue;
		/* The innermost file is where the mistake is. */
		if (e->file[0] == '\0')
			err_at(e, path, lines.line);
		return false;
	}
	return true;
}

static bool
read_names_of(struct reading *r, const char *path, const char *name,
    enum list_kind kind, int depth, struct hba_names *out,
    struct collector *c, struct err *e)
{
	struct buf text = { 0 };
	const char *file;
	bool ok;

	if (name[0] == '\0')
		return err_set(e, "F0000", "\"@\" without the name of a file");
	if (depth == INCLUDE_DEPTH_MAX)
		return err_set(e, "54000", "@files nested more than %d deep",
		    INCLUDE_DEPTH_MAX);
	if (++r->files > INCLUDE_FILES_MAX)
		return err_set(e, "54000", "more than %d @files",
		    INCLUDE_FILES_MAX);
	file = beside(r, path, name);
	ok = r->in->read_file(r->in->arg, file, &text, e);
	if (!ok) {
		struct err why = *e;

		err_set(e, "58P01", "cannot read \"%s\": %s", file, why.msg);
	} else {
		ok = read_name_lines(r, file, buf_span(&text), kind, depth + 1,
		    out, c, e);
	}
	buf_free(&text);
	return ok;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
keep_names(struct reading *r, struct hba_names *out, struct collector *c)
{
	const char **own;

	if (c->n > 0) {
		qsort(c->names, c->n, sizeof(*c->names), compare_names);
		own = arena_alloc(r->in->arena, c->n * sizeof(*own));
		memcpy(own, c->names, c->n * sizeof(*own));
		out->names = own;
		out->n = c->n;
	}
	free(c->names);
}

static bool
next_text(struct words *w, struct word *out, const char *what, struct err *e)
{
	enum word_kind kind = words_next(w, out, e);

	if (kind == WORD_TEXT)
		return true;
	if (kind == WORD_COMMA)
		err_set(e, "F0000", "unexpected comma, expected %s", what);
	else if (kind == WORD_END)
		err_set(e, "F0000", "line ends where %s is expected", what);
	if (kind != WORD_BAD)
		err_hint(e, "a line is: TYPE DATABASE USER ADDRESS METHOD "
		    "[OPTIONS], and ADDRESS is left out for local");
	return false;
}

static bool
read_list(struct reading *r, struct words *w, enum list_kind kind,
    struct hba_names *out, struct err *e)
{
	struct collector c = { 0 };
	struct word word;
	bool ok;

	do {
		ok = next_text(w, &word, kind == LIST_DATABASES ?
		    "a database" : "a user", e) &&
		    take_name(r, r->in->path, &word, kind, 0, out, &c, e);
		if (!ok || words_peek(w) != WORD_COMMA)
			break;
		words_next(w, &word, e);
	} while (true);
	keep_names(r, out, &c);
	if (ok && !out->all && !out->sameuser && !out->replication && !out->n)
		return err_set(e, "F0000", "the list has no names");
	return ok;
}

/* ---- the other fields ---- */

static bool
read_type(struct words *w, struct hba_rule *rule, struct err *e)
{
	struct word word;
	enum hba_type t;

	if (!next_text(w, &word, "a connection type", e))
		return false;
	for (t = HBA_LOCAL; t <= HBA_HOSTNOSSL; t++)
		if (!word.quoted && strcmp(word.text, hba_type_name(t)) == 0) {
			rule->type = t;
			return true;
		}
	err_set(e, "F0000", "unknown connection type \"%.80s\"", word.text);
	if (strncmp(word.text, "include", 7) == 0)
		err_hint(e, "HBA files cannot be included; only names can, by "
		    "@file");
	else if (strncmp(word.text, "host", 4) == 0 &&
	    strstr(word.text, "gss") != NULL)
		err_hint(e, "there is no GSSAPI here; hostnossl and hostssl "
		    "are known");
	else
		err_hint(e, "one of: local, host, hostssl, hostnossl");
	return false;
}

static bool
name_for_address(const char *text, struct err *e)
{
	err_set(e, "0A000", "host names are not looked up here: \"%.80s\"",
	    text);
	err_hint(e, "write the address or network, such as 10.0.0.0/8, or "
	    "all");
	return false;
}

/* Does it look as if it was meant as a number? */
static bool
is_numeric(const char *text)
{
	return strchr(text, ':') != NULL ||
	    strspn(text, "0123456789./") == strlen(text);
}

static bool
read_address(struct words *w, struct hba_rule *rule, struct err *e)
{
	struct word word, mask;

	if (rule->type == HBA_LOCAL)
		return true;
	if (!next_text(w, &word, "an address", e))
		return false;
	if (!word.quoted && strcmp(word.text, "all") == 0) {
		rule->any_address = true;
		return true;
	}
	if (!word.quoted && (strcmp(word.text, "samehost") == 0 ||
	    strcmp(word.text, "samenet") == 0)) {
		err_set(e, "0A000", "\"%s\" is not known here", word.text);
		err_hint(e, "write the addresses or networks of this machine");
		return false;
	}
	if (!is_numeric(word.text))
		return name_for_address(word.text, e);
	if (strchr(word.text, '/') != NULL)
		return net_parse(&rule->net, span_of(word.text), e);
	if (!next_text(w, &mask, "a mask", e)) {
		err_hint(e, "write \"%.60s/32\" (IPv6: /128) for one address",
		    word.text);
		return false;
	}
	if (!is_numeric(mask.text)) {
		err_set(e, "F0000", "address \"%.80s\" without a mask",
		    word.text);
		err_hint(e, "write \"%.60s/%s\" for the one address",
		    word.text, strchr(word.text, ':') ? "128" : "32");
		return false;
	}
	return net_parse_mask(&rule->net, span_of(word.text),
	    span_of(mask.text), e);
}

static bool
unknown_method(const char *text, struct err *e)
{
	static const char *const foreign[] = { "gss", "sspi", "ident", "radius",
		"bsd", "oauth" };

	for (size_t i = 0; i < ARRAY_LEN(foreign); i++)
		if (strcmp(text, foreign[i]) == 0) {
			err_set(e, "0A000", "method \"%s\" is not supported",
			    text);
			if (strcmp(text, "ident") == 0)
				err_hint(e, "on a Unix socket it is called "
				    "\"peer\"");
			return false;
		}
	err_set(e, "F0000", "unknown method \"%.80s\"", text);
	if (strcmp(text, "plain") == 0)
		err_hint(e, "here it is called \"password\"");
	else if (strncmp(text, "scram", 5) == 0)
		err_hint(e, "did you mean \"scram-sha-256\"?");
	else
		err_hint(e, "one of: trust, reject, md5, password, "
		    "scram-sha-256, peer, cert, ldap, pam");
	return false;
}

/* Methods that cannot be where they stand. */
static bool
check_method(const struct hba_rule *r, struct err *e)
{
	if (r->method == HBA_PEER && r->type != HBA_LOCAL)
		return err_set(e, "F0000", "method \"peer\" is for \"local\" "
		    "only");
	if (r->method == HBA_CERT &&
	    (r->type == HBA_LOCAL || r->type == HBA_HOSTNOSSL)) {
		err_set(e, "F0000", "method \"cert\" needs TLS, which \"%s\" "
		    "has not", hba_type_name(r->type));
		err_hint(e, "use \"hostssl\"");
		return false;
	}
	return true;
}

static bool
read_method(struct words *w, struct hba_rule *rule, struct err *e)
{
	struct word word;
	enum hba_method m;

	if (!next_text(w, &word, "a method", e))
		return false;
	for (m = HBA_TRUST; m <= HBA_PAM; m++)
		if (strcmp(word.text, hba_method_name(m)) == 0) {
			rule->method = m;
			return check_method(rule, e);
		}
	return unknown_method(word.text, e);
}

static bool
read_map(struct reading *r, const char *text, struct hba_rule *rule,
    struct err *e)
{
	if (strncmp(text, "map=", 4) != 0) {
		err_set(e, "F0000", "unknown option \"%.80s\"", text);
		err_hint(e, "the only option of \"%s\" is map=NAME",
		    hba_method_name(rule->method));
		return false;
	}
	if (rule->map != NULL)
		return err_set(e, "F0000", "map= stands there twice");
	rule->map = ident_find(r->in->ident, text + 4);
	if (rule->map != NULL)
		return true;
	err_set(e, "F0000", "unknown map \"%.80s\"", text + 4);
	err_hint(e, r->in->ident == NULL ? "set auth_ident_file" :
	    "no line of auth_ident_file begins with that name");
	return false;
}

static bool
read_options(struct reading *r, struct words *w, struct hba_rule *rule,
    struct err *e)
{
	enum word_kind kind;
	struct word word;

	rule->options = "";
	if (rule->method == HBA_LDAP || rule->method == HBA_PAM) {
		rule->options = words_rest(w);
		return true;
	}
	while ((kind = words_next(w, &word, e)) == WORD_TEXT) {
		if (rule->method != HBA_PEER && rule->method != HBA_CERT)
			return err_set(e, "F0000", "method \"%s\" takes no "
			    "options: \"%.80s\"",
			    hba_method_name(rule->method), word.text);
		if (!read_map(r, word.text, rule, e))
			return false;
	}
	if (kind == WORD_COMMA)
		return err_set(e, "F0000", "unexpected comma behind the "
		    "method");
	return kind == WORD_END;
}

/* ---- the file ---- */

static bool
read_rule(struct reading *r, struct words *w, struct hba_rule *rule,
    struct err *e)
{
	return read_type(w, rule, e) &&
	    read_list(r, w, LIST_DATABASES, &rule->databases, e) &&
	    read_list(r, w, LIST_USERS, &rule->users, e) &&
	    read_address(w, rule, e) && read_method(w, rule, e) &&
	    read_options(r, w, rule, e);
}

static void
read_line(struct reading *r, const char *path, struct span line, int number)
{
	struct hba_rule rule = { .file = path, .line = number };
	struct words w;
	struct err e;

	words_init(&w, line, r->in->arena);
	if (words_peek(&w) == WORD_END)
		return;
	err_clear(&e);
	if (!read_rule(r, &w, &rule, &e)) {
		if (e.file[0] == '\0')
			err_at(&e, path, number);
		r->in->error(r->in->arg, &e);
		r->failed = true;
		return;
	}
	if (r->n == r->cap) {
		r->cap = r->cap > 0 ? 2 * r->cap : 32;
		r->rules = xrealloc(r->rules, r->cap * sizeof(*r->rules));
	}
	r->rules[r->n++] = rule;
}

const struct hba *
hba_read(const struct hba_input *in)
{
	struct reading r = { .in = in };
	const char *path = arena_strdup(in->arena, in->path);
	struct hba *h = NULL;
	struct lines lines;
	struct span line;

	lines_init(&lines, in->text);
	while (lines_next(&lines, &line))
		read_line(&r, path, line, lines.line);
	if (!r.failed) {
		struct hba_rule *own = arena_alloc(in->arena,
		    (r.n + 1) * sizeof(*own));

		if (r.n > 0)
			memcpy(own, r.rules, r.n * sizeof(*own));
		h = arena_alloc(in->arena, sizeof(*h));
		*h = (struct hba){ .rules = own, .n = r.n };
	}
	free(r.rules);
	return h;
}
