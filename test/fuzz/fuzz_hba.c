/*
 * Any bytes as auth_hba_file: rules, or errors with their place; what is read
 * prints as text that reads as the same lists; and any client gets an answer.
 */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "policy/hba.h"

struct world {
	struct span text;
	int errors;
};

static void
note(void *arg, struct err *e)
{
	struct world *w = arg;

	assert(err_is_set(e) && e->file[0] != '\0' && e->line > 0);
	w->errors++;
}

/* One file to name, and the file itself. */
static bool
read_file(void *arg, const char *path, struct buf *out, struct err *e)
{
	struct world *w = arg;

	if (strcmp(path, "hba") == 0)
		buf_append(out, w->text.p, w->text.n);
	else if (strcmp(path, "u") == 0)
		buf_append(out, "a, b\n\"c\"\n", 9);
	else
		return err_set(e, "58P01", "no such file");
	return true;
}

static const struct hba *
read_rules(struct world *w, struct arena *a, const struct ident *ident)
{
	struct hba_input in = { .path = "hba", .text = w->text, .arena = a,
		.ident = ident, .read_file = read_file, .error = note,
		.arg = w };
	const struct hba *h = hba_read(&in);

	assert((h == NULL) == (w->errors > 0));
	return h;
}

static void
check_rule(const struct hba_rule *r)
{
	struct world w = { 0 };
	struct arena *a = arena_new();
	struct buf line = { 0 }, again = { 0 }, names = { 0 };
	const struct hba *h;

	buf_append(&line, "local ", 6);
	hba_names_text(&r->databases, &names);
	buf_append(&line, buf_head(&names), buf_len(&names));
	buf_append(&line, " all trust", 10);
	w.text = buf_span(&line);
	h = read_rules(&w, a, NULL);
	assert(h != NULL && h->n == 1);
	hba_names_text(&h->rules[0].databases, &again);
	assert(span_eq(buf_span(&names), buf_span(&again)));
	buf_free(&line);
	buf_free(&again);
	buf_free(&names);
	arena_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct world w = { .text = SPAN(data, n) }, none = { 0 };
	struct arena *a = arena_new();
	struct ident *ident = ident_read("ident", SPAN_LIT("m x y\n"), note,
	    &none);
	struct hba_client c = { .database = "a", .user = "b" };
	const struct hba *h = n > 4096 ? NULL : read_rules(&w, a, ident);

	if (h != NULL) {
		for (size_t i = 0; i < h->n; i++)
			check_rule(&h->rules[i]);
		for (unsigned i = 0; i < 8; i++) {
			const struct hba_rule *r;

			c.is_unix = i & 1;
			c.is_tls = i & 2;
			c.physical = i & 4;
			c.ip = ip_of((const uint8_t *)"\x0a\0\0\x01", 4);
			r = hba_match(h, &c);
			assert(r == NULL || (r->type == HBA_LOCAL) ==
			    c.is_unix);
		}
	}
	ident_free(ident);
	arena_free(a);
	return 0;
}
