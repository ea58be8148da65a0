/* IP networks. */
#include <check.h>
#include <string.h>

#include "policy/net.h"
#include "unit_suite.h"

static struct ip
ip(const char *text)
{
	struct ip a;

	ck_assert_msg(ip_parse(&a, span_of(text)), "%s", text);
	return a;
}

START_TEST(network_holds_what_its_mask_covers)
{
	static const struct {
		const char *net, *in, *out;
	} cases[] = {
		{ "10.0.0.0/8", "10.255.3.4", "11.0.0.0" },
		{ "10.1.2.3", "10.1.2.3", "10.1.2.2" },
		{ "10.1.2.3/32", "10.1.2.3", "10.1.2.4" },
		{ "192.168.4.0/23", "192.168.5.255", "192.168.6.0" },
		{ "0.0.0.0/0", "255.255.255.255", "::1" },
		{ "::/0", "::1", "1.2.3.4" },
		{ "fd00::/9", "fd7f::1", "fd80::1" },
		{ "2001:db8::1", "2001:db8::1", "2001:db8::2" },
		/* IPv4 in IPv6's dress is IPv4. */
		{ "10.0.0.0/8", "::ffff:10.1.1.1", "::10.1.1.1" },
		{ "::ffff:10.0.0.0/104", "10.1.1.1", "11.1.1.1" },
		{ "::/64", "::2", "::ffff:1.2.3.4" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ip in = ip(cases[i].in), out = ip(cases[i].out);
		struct net n;
		struct err e;

		ck_assert_msg(net_parse(&n, span_of(cases[i].net), &e), "%s",
		    cases[i].net);
		ck_assert_msg(net_has(&n, &in), "%s", cases[i].net);
		ck_assert_msg(!net_has(&n, &out), "%s", cases[i].net);
	}
}
END_TEST

START_TEST(no_network_holds_a_unix_socket)
{
	struct ip none = { 0 };
	struct net n;
	struct err e;

	ck_assert(net_parse(&n, SPAN_LIT("0.0.0.0/0"), &e));
	ck_assert(!net_has(&n, &none));
	ck_assert_uint_eq(ip_of((const uint8_t *)"abc", 3).family, 0);
}
END_TEST

START_TEST(what_is_no_network_is_refused)
{
	static const char *const cases[] = { "", "/", "10.0.0.0/", "10/8",
		"10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8 ", " 10.0.0.0/8",
		"10.0.0.0/8x", "10.0.0.0/0008", "::/129", "fd00::1/64",
		"10.0.0.1/8", "::1%lo", "010.0.0.1x", "example.org",
		"10.0.0.0/255.0.0.0", "1.2.3", "::ffff:10.0.0.1/104" };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct net n;
		struct err e;

		err_clear(&e);
		ck_assert_msg(!net_parse(&n, span_of(cases[i]), &e), "%s",
		    cases[i]);
		ck_assert(err_is_set(&e));
	}
}
END_TEST

START_TEST(stray_bits_are_told_with_the_right_network)
{
	struct net n;
	struct err e;

	ck_assert(!net_parse(&n, SPAN_LIT("10.1.2.3/8"), &e));
	ck_assert_str_eq(e.msg,
	    "address \"10.1.2.3/8\" has bits outside its mask");
	ck_assert_ptr_nonnull(strstr(e.hint, "\"10.0.0.0/8\""));
}
END_TEST

START_TEST(mask_may_stand_apart)
{
	static const struct {
		const char *address, *mask, *text;
	} cases[] = {
		{ "10.0.0.0", "255.0.0.0", "10.0.0.0/8" },
		{ "10.1.2.3", "255.255.255.255", "10.1.2.3/32" },
		{ "0.0.0.0", "0.0.0.0", "0.0.0.0/0" },
		{ "fd00::", "ff00::", "fd00::/8" },
		{ "fd00::", "ffff::", "fd00::/16" },
		{ "10.0.0.0", "255.0.255.0", NULL },
		{ "10.0.0.0", "ff00::", NULL },
		{ "10.0.0.1", "255.0.0.0", NULL },
		{ "10.0.0.0", "8", NULL },
		{ "x", "255.0.0.0", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[NET_TEXT];
		struct net n;
		struct err e;
		bool ok = net_parse_mask(&n, span_of(cases[i].address),
		    span_of(cases[i].mask), &e);

		ck_assert_msg(ok == (cases[i].text != NULL), "%s %s",
		    cases[i].address, cases[i].mask);
		if (!ok)
			continue;
		net_text(&n, text);
		ck_assert_str_eq(text, cases[i].text);
	}
}
END_TEST

UNIT_MAIN(UNIT_SUITE("net", network_holds_what_its_mask_covers,
    no_network_holds_a_unix_socket, what_is_no_network_is_refused,
    stray_bits_are_told_with_the_right_network, mask_may_stand_apart))
