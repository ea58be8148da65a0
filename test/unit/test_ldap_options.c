/* What auth_ldap_options says. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/ldap_options.h"
#include "unit_suite.h"

/* As "URIS|PREFIX|SUFFIX|BASEDN|SEARCH of joe|SCOPE|TLS", or the error. */
static void
describe(const char *text, char *out, size_t cap)
{
	struct arena *a = arena_new();
	struct ldap_options o;
	const char *uris;
	struct err e;

	if (!ldap_options_parse(text, a, &o, &e)) {
		snprintf(out, cap, "%s", e.msg);
		ck_assert_str_eq(e.sqlstate, "22023");
		ck_assert_ptr_null(strstr(e.msg, "sesame"));
		ck_assert_ptr_null(strstr(e.hint, "sesame"));
	} else {
		uris = ldap_options_uris(&o, a);
		snprintf(out, cap, "%s|%s|%s|%s|%s|%d|%d", uris ? uris : "",
		    o.prefix, o.suffix, o.basedn ? o.basedn : "",
		    ldap_options_search(&o, a, "joe"), (int)o.scope,
		    o.starttls);
	}
	arena_wipe_free(a);
}

START_TEST(options_say_whom_to_ask_and_how)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "ldapserver=h ldapprefix=\"uid=\" "
		  "ldapsuffix=\",dc=x,dc=y\"",
		    "ldap://h:389|uid=|,dc=x,dc=y||(uid=joe)|2|0" },
		{ "ldapserver=\"a b\",ldapport=1389,ldapsuffix=\"@x\" "
		  "ldaptls=1",
		    "ldap://a:1389 ldap://b:1389||@x||(uid=joe)|2|1" },
		{ "ldapserver=h ldapscheme=ldaps ldapbasedn=\"dc=x\"",
		    "ldaps://h:636|||dc=x|(uid=joe)|2|0" },
		{ "ldapbasedn=\"dc=x\" ldapsearchattribute=cn",
		    "|||dc=x|(cn=joe)|2|0" },
		{ "ldapserver=h ldapbasedn=\"dc=x\" "
		  "ldapsearchfilter=\"(|(uid=$username)(mail=$username))\"",
		    "ldap://h:389|||dc=x|(|(uid=joe)(mail=joe))|2|0" },
		{ "ldapserver=h ldapbasedn=dc ldapsearchfilter=uid=$username",
		    "ldap://h:389|||dc|(uid=joe)|2|0" },
		{ "ldapurl=ldap://h/dc=x",
		    "ldap://h:389|||dc=x|(uid=joe)|2|0" },
		{ "ldapurl=\"ldap://h/dc=x,dc=y\"",
		    "ldap://h:389|||dc=x,dc=y|(uid=joe)|2|0" },
		{ "ldapurl=\"ldaps://h:99/dc=x?cn?one\"",
		    "ldaps://h:99|||dc=x|(cn=joe)|1|0" },
		{ "ldapurl=\"ldap://[::1]:99/dc=x??base?(a=$username)\"",
		    "ldap://[::1]:99|||dc=x|(a=joe)|0|0" },
		{ "ldapurl=\"ldap:///dc=x%20y\"", "|||dc=x y|(uid=joe)|2|0" },
		{ "ldapserver=h ldapsuffix=\"a\"\"b\"",
		    "ldap://h:389||a\"b||(uid=joe)|2|0" },
	};
	char got[300];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		describe(cases[i].text, got, sizeof(got));
		ck_assert_str_eq(got, cases[i].want);
	}
}
END_TEST

START_TEST(bad_options_are_refused_without_showing_values)
{
	static const char *const cases[] = { "", "ldapserver=h", "sesame",
		"=sesame", "ldapbindpasswd=\"sesame", "what=sesame",
		"ldapserver=\"h\"sesame", "ldapserver=h ldapport=sesame",
		"ldapserver=h ldapport=0 ldapsuffix=x",
		"ldapserver=h ldapport=65536 ldapsuffix=x",
		"ldapserver=h ldapscheme=sesame ldapsuffix=x",
		"ldapserver=h ldaptls=2 ldapsuffix=x",
		"ldapserver=h ldapprefix=x ldapbasedn=y",
		"ldapserver=h ldapprefix=x ldapbindpasswd=sesame",
		"ldapprefix=x", "ldapserver=h ldapscheme=ldaps ldaptls=1 "
		"ldapsuffix=x", "ldapserver=h ldapbasedn=x "
		"ldapsearchfilter=(uid=sesame)", "ldapurl=http://sesame/x",
		"ldapurl=ldap://sesame", "ldapurl=ldap://sesame/",
		"ldapurl=ldap://sesame:x/y", "ldapurl=ldap://h/%zz",
		"ldapurl=ldap://h/%0", "ldapurl=ldap://h/a%00b",
		"ldapurl=ldap://h/x?a?b", "ldapurl=ldap://h/x?a?sub?f?sesame",
		"ldapurl=ldap://[::1/x" };
	char got[500];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		describe(cases[i], got, sizeof(got));
		ck_assert_msg(strncmp(got, "LDAP options: ", 14) == 0,
		    "%s: %s", cases[i], got);
	}
}
END_TEST

START_TEST(every_truncation_gives_options_or_an_error)
{
	static const char text[] = "ldapserver=\"a b\" ldapport=99 ldaptls=1 "
	    "ldapurl=\"ldaps://[::1]:5/dc=%41?cn?one?(a=$username)\" "
	    "ldapbindpasswd=\"se\"\"same\"";
	char cut[sizeof(text)], got[500];

	for (size_t n = 0; n < sizeof(text); n++) {
		memcpy(cut, text, n);
		cut[n < sizeof(cut) ? n : sizeof(cut) - 1] = '\0';
		describe(cut, got, sizeof(got));
	}
}
END_TEST

START_TEST(names_with_a_meaning_are_told_apart)
{
	ck_assert(ldap_name_is_plain("joe o'neill-1.x@y"));
	ck_assert(!ldap_name_is_plain("jo*"));
	ck_assert(!ldap_name_is_plain("joe)(uid=*"));
	ck_assert(!ldap_name_is_plain("a\\2a"));
	ck_assert(!ldap_name_is_plain("a/b"));
	ck_assert(!ldap_name_is_plain("a\tb"));
}
END_TEST

UNIT_MAIN(UNIT_SUITE("ldap_options", options_say_whom_to_ask_and_how,
    bad_options_are_refused_without_showing_values,
    every_truncation_gives_options_or_an_error,
    names_with_a_meaning_are_told_apart))
