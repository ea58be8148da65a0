/* Rules of auth_hba_file. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "policy/hba.h"
#include "unit_suite.h"

/* A file, what it may name by @, and the maps. */
struct world {
	struct arena *arena;
	struct ident *ident;
	const char *files[4][2];
	struct buf errors;
};

static void
note(void *arg, struct err *e)
{
	struct world *w = arg;

	buf_printf(&w->errors, "%s:%d: %s\n", e->file, e->line, e->msg);
	if (e->hint[0] != '\0')
		buf_printf(&w->errors, "hint: %s\n", e->hint);
}

static bool
read_file(void *arg, const char *path, struct buf *out, struct err *e)
{
	struct world *w = arg;

	for (size_t i = 0; w->files[i][0] != NULL; i++)
		if (strcmp(w->files[i][0], path) == 0) {
			buf_append(out, w->files[i][1],
			    strlen(w->files[i][1]));
			return true;
		}
	return err_set(e, "58P01", "No such file or directory");
}

static const struct hba *
read_text(struct world *w, struct span text)
{
	struct hba_input in = { .path = "etc/hba", .text = text,
		.read_file = read_file, .error = note, .arg = w };

	w->arena = arena_new();
	w->ident = ident_read("ident", SPAN_LIT("m root app\n"), note, w);
	in.arena = w->arena;
	in.ident = w->ident;
	return hba_read(&in);
}

static const struct hba *
read_good(struct world *w, const char *text)
{
	const struct hba *h = read_text(w, span_of(text));

	ck_assert_msg(h != NULL, "%.*s", (int)buf_len(&w->errors),
	    (const char *)buf_head(&w->errors));
	return h;
}

static void
world_end(struct world *w)
{
	arena_free(w->arena);
	ident_free(w->ident);
	buf_free(&w->errors);
}

/* "local shop/app", "tcp 10.0.0.7 shop/app", "tls ...", "+physical". */
static int
line_for(const struct hba *h, const char *kind, const char *address,
    const char *database, const char *user)
{
	struct hba_client c = { .database = database, .user = user };
	const struct hba_rule *r;

	c.is_unix = strcmp(kind, "unix") == 0;
	c.is_tls = strncmp(kind, "tls", 3) == 0;
	c.physical = strchr(kind, '+') != NULL;
	if (!c.is_unix)
		ck_assert(ip_parse(&c.ip, span_of(address)));
	r = hba_match(h, &c);
	return r ? r->line : 0;
}

START_TEST(first_rule_that_fits_decides)
{
	static const char text[] =
	    "# rules\n"					/* 1 */
	    "local all postgres peer map=m\n"		/* 2 */
	    "host shop app,\"web app\" 10.0.0.0/8 md5\n"	/* 3 */
	    "hostssl all all 192.168.0.0 255.255.0.0 cert\n" /* 4 */
	    "hostnossl all evil all reject\n"		/* 5 */
	    "host sameuser all all scram-sha-256\n"	/* 6 */
	    "host replication repl all md5\n"		/* 7 */
	    "host \"all\" bob , carol ::1/128 trust\n"	/* 8 */
	    "host all alice 10.0.0.5/32 password\n"	/* 9 */
	    "host all alice all reject\n"		/* 10 */
	    "local all all trust";			/* 11 */
	static const struct {
		const char *kind, *address, *database, *user;
		int line;
	} cases[] = {
		{ "unix", "", "x", "postgres", 2 },
		{ "unix", "", "x", "other", 11 },
		{ "tcp", "10.9.9.9", "shop", "app", 3 },
		{ "tcp", "::ffff:10.9.9.9", "shop", "app", 3 },
		{ "tcp", "10.9.9.9", "shop", "web app", 3 },
		{ "tcp", "10.9.9.9", "shop", "web", 0 },
		{ "tcp", "11.9.9.9", "shop", "app", 0 },
		{ "tcp", "10.9.9.9", "shopx", "app", 0 },
		{ "tls", "192.168.7.7", "shop", "app", 4 },
		{ "tcp", "192.168.7.7", "shop", "app", 0 },
		{ "tcp", "1.1.1.1", "x", "evil", 5 },
		{ "tls", "1.1.1.1", "x", "evil", 0 },
		{ "tcp", "1.1.1.1", "u", "u", 6 },
		{ "tcp", "1.1.1.1", "u", "U", 0 },
		/* Physical replication is nobody's but `replication`'s. */
		{ "tcp+", "1.1.1.1", "repl", "repl", 7 },
		{ "tcp+", "1.1.1.1", "u", "u", 0 },
		{ "unix+", "", "u", "u", 11 },
		{ "tcp", "1.1.1.1", "replication", "repl", 0 },
		{ "tcp", "::1", "all", "bob", 8 },
		{ "tcp", "::1", "all", "carol", 8 },
		{ "tcp", "::1", "other", "carol", 0 },
		{ "tcp", "10.0.0.5", "any", "alice", 9 },
		{ "tcp", "10.0.0.6", "any", "alice", 10 },
	};
	struct world w = { 0 };
	const struct hba *h = read_good(&w, text);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool physical_local = strcmp(cases[i].kind, "unix+") == 0;
		int line = line_for(h, physical_local ? "unix" : cases[i].kind,
		    cases[i].address, cases[i].database, cases[i].user);

		ck_assert_msg(line == cases[i].line, "%s %s %s/%s: line %d",
		    cases[i].kind, cases[i].address, cases[i].database,
		    cases[i].user, line);
	}
	ck_assert_str_eq(ident_map_name(h->rules[0].map), "m");
	ck_assert_int_eq(h->rules[2].method, HBA_CERT);
	world_end(&w);
}
END_TEST

START_TEST(lists_come_from_files_beside_the_file)
{
	struct world w = { .files = {
	    { "etc/users", "\n# who\nalice, bob\n\"+odd\"\r\n @more" },
	    { "etc/more", "carol" },
	    { "/abs", "shop all" } } };
	const struct hba *h = read_good(&w,
	    "host @/abs,x @users,dave all trust\n");

	ck_assert(h->rules[0].databases.all);
	ck_assert_int_eq(line_for(h, "tcp", "1.1.1.1", "x", "alice"), 1);
	ck_assert_int_eq(line_for(h, "tcp", "1.1.1.1", "x", "bob"), 1);
	ck_assert_int_eq(line_for(h, "tcp", "1.1.1.1", "x", "+odd"), 1);
	ck_assert_int_eq(line_for(h, "tcp", "1.1.1.1", "x", "carol"), 1);
	ck_assert_int_eq(line_for(h, "tcp", "1.1.1.1", "x", "dave"), 1);
	ck_assert_int_eq(line_for(h, "tcp", "1.1.1.1", "x", "eve"), 0);
	world_end(&w);
}
END_TEST

START_TEST(file_that_names_itself_is_refused)
{
	struct world w = { .files = { { "etc/a", "@a @a" } } };

	ck_assert_ptr_null(read_text(&w, SPAN_LIT("local @a all trust")));
	world_end(&w);
}
END_TEST

START_TEST(mistake_in_an_included_file_is_told_there)
{
	struct world w = { .files = { { "etc/a", "ok\n+group\n" } } };
	static const char want[] = "etc/a:2: groups are not known here: "
	    "\"+group\"\n";

	ck_assert_ptr_null(read_text(&w, SPAN_LIT("local all @a trust")));
	ck_assert_uint_ge(buf_len(&w.errors), sizeof(want) - 1);
	ck_assert(memcmp(buf_head(&w.errors), want, sizeof(want) - 1) == 0);
	world_end(&w);
}
END_TEST

START_TEST(bad_line_refuses_the_file_and_says_why)
{
	static const struct {
		const char *line, *message;
	} cases[] = {
		{ "reject", "unknown connection type \"reject\"" },
		{ "hots all all all reject", "unknown connection type" },
		{ "hostgssenc all all all md5", "unknown connection type" },
		{ "include other.conf", "unknown connection type" },
		{ "\"host\" all all all md5", "unknown connection type" },
		{ "host all", "line ends where a user is expected" },
		{ "host all all", "line ends where an address is expected" },
		{ "host all all all", "line ends where a method is expected" },
		{ "local all all", "line ends where a method is expected" },
		{ "host all all all rejct", "unknown method \"rejct\"" },
		{ "host all all all scram", "unknown method \"scram\"" },
		{ "host all all all any", "unknown method \"any\"" },
		{ "host all all all gss", "method \"gss\" is not supported" },
		{ "local all all ident", "method \"ident\" is not supported" },
		{ "host all all all peer", "is for \"local\" only" },
		{ "local all all cert", "needs TLS" },
		{ "hostnossl all all all cert", "needs TLS" },
		{ "host all all 10.0.0.1 md5", "without a mask" },
		{ "host all all 10.0.0.1/8 md5", "bits outside its mask" },
		{ "host all all 10.0.0.0/40 md5", "bad mask" },
		{ "host all all example.org md5", "host names" },
		{ "host all all .example.org md5", "host names" },
		{ "host all all samehost md5", "\"samehost\" is not known" },
		{ "host all all samenet md5", "\"samenet\" is not known" },
		{ "host all +staff all md5", "groups are not known" },
		{ "host +staff all all md5", "groups are not known" },
		{ "host all /^a all md5", "regular expressions" },
		{ "host samerole all all md5", "roles are not known" },
		{ "host samegroup all all md5", "roles are not known" },
		{ "host ,a all all md5", "unexpected comma" },
		{ "host a, , all md5", "unexpected comma" },
		{ "host all all all, md5", "unexpected comma" },
		{ "host \"\" all all md5", "empty name" },
		{ "host all \"a all md5", "without its closing quote" },
		{ "host all all all md5 x=y", "takes no options" },
		{ "host all all all reject ,", "unexpected comma" },
		{ "local all all peer map=", "unknown map" },
		{ "local all all peer map=nope", "unknown map \"nope\"" },
		{ "local all all peer map=m map=m", "stands there twice" },
		{ "local all all peer clientcert=1", "unknown option" },
		{ "host @none all all md5", "cannot read \"etc/none\"" },
		{ "host @ all all md5", "without the name of a file" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w = { 0 };
		char *text = xasprintf("local all all trust\n\n%s\n",
		    cases[i].line);

		ck_assert_msg(read_text(&w, span_of(text)) == NULL, "%s",
		    cases[i].line);
		buf_append(&w.errors, "", 1);
		ck_assert_msg(memcmp(buf_head(&w.errors), "etc/hba:3: ", 11) ==
		    0, "%s", (const char *)buf_head(&w.errors));
		ck_assert_msg(strstr((const char *)buf_head(&w.errors),
		    cases[i].message) != NULL, "%s: %s", cases[i].line,
		    (const char *)buf_head(&w.errors));
		free(text);
		world_end(&w);
	}
}
END_TEST

START_TEST(all_bad_lines_are_told)
{
	struct world w = { 0 };
	int lines = 0;

	ck_assert_ptr_null(read_text(&w, SPAN_LIT("a\nb\nlocal all all trust"
	    "\nhost\0all all all md5\n")));
	for (size_t i = 0; i < buf_len(&w.errors); i++)
		lines += memcmp(buf_head(&w.errors) + i, "etc/hba:", 8) == 0 &&
		    i + 8 < buf_len(&w.errors);
	ck_assert_int_eq(lines, 3);
	world_end(&w);
}
END_TEST

START_TEST(ldap_takes_the_rest_of_the_line)
{
	struct world w = { 0 };
	const struct hba *h = read_good(&w,
	    "host all all all ldap  ldapserver=\"a # b\" x=y  # comment\n"
	    "host all all all pam\n");

	ck_assert_str_eq(h->rules[0].options, "ldapserver=\"a # b\" x=y");
	ck_assert_str_eq(h->rules[1].options, "");
	world_end(&w);
}
END_TEST

START_TEST(no_rule_lets_nobody_in)
{
	struct world w = { 0 };
	const struct hba *h = read_good(&w, "# nothing\n\n");

	ck_assert_uint_eq(h->n, 0);
	ck_assert_int_eq(line_for(h, "unix", "", "a", "b"), 0);
	world_end(&w);
}
END_TEST

START_TEST(lists_print_as_they_may_be_written)
{
	struct world w = { 0 };
	const struct hba *h = read_good(&w, "host replication,\"all\","
	    "sameuser,x,\"a\"\"b\",\"+c\" all 10.0.0.0/8 md5");
	struct buf out = { 0 };
	char address[NET_TEXT];

	hba_names_text(&h->rules[0].databases, &out);
	buf_append(&out, "", 1);
	ck_assert_str_eq((const char *)buf_head(&out), "sameuser,replication,"
	    "\"+c\",\"a\"\"b\",\"all\",x");
	hba_address_text(&h->rules[0], address);
	ck_assert_str_eq(address, "10.0.0.0/8");
	buf_free(&out);
	world_end(&w);
}
END_TEST

UNIT_MAIN(UNIT_SUITE("hba", first_rule_that_fits_decides,
    lists_come_from_files_beside_the_file, file_that_names_itself_is_refused,
    mistake_in_an_included_file_is_told_there,
    bad_line_refuses_the_file_and_says_why, all_bad_lines_are_told,
    ldap_takes_the_rest_of_the_line, no_rule_lets_nobody_in,
    lists_print_as_they_may_be_written))
