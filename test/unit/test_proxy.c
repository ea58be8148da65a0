/* Headers of the PROXY protocol. */
#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/proxy.h"
#include "unit_suite.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"

static enum proxy_kind
decode(const char *p, size_t n, struct proxy_header *h)
{
	/* In memory of its own size, for the sanitizers. */
	uint8_t *copy = xmalloc(n + 1 - (n > 0));
	enum proxy_kind kind;
	struct err e;

	memcpy(copy, p, n);
	err_clear(&e);
	kind = proxy_decode(SPAN(copy, n), h, &e);
	ck_assert((kind == PROXY_BAD) == err_is_set(&e));
	free(copy);
	return kind;
}

#define DECODE(text, h) decode(text, sizeof(text) - 1, h)

START_TEST(line_of_version_1_tells_the_client)
{
	static const char four[] =
	    "PROXY TCP4 192.168.0.1 10.0.0.2 56324 443\r\nrest";
	static const char six[] = "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n";
	struct proxy_header h;

	ck_assert_int_eq(DECODE(four, &h), PROXY_CLIENT);
	ck_assert_uint_eq(h.size, sizeof(four) - 1 - 4);
	ck_assert_uint_eq(h.ip_len, 4);
	ck_assert_mem_eq(h.ip, "\xc0\xa8\0\1", 4);
	ck_assert_uint_eq(h.port, 56324);
	ck_assert_int_eq(DECODE(six, &h), PROXY_CLIENT);
	ck_assert_uint_eq(h.ip_len, 16);
	ck_assert_uint_eq(h.ip[15], 1);
	ck_assert_uint_eq(h.port, 1);
	ck_assert_int_eq(DECODE("PROXY UNKNOWN\r\n", &h), PROXY_LOCAL);
	ck_assert_uint_eq(h.size, 15);
	ck_assert_int_eq(DECODE("PROXY UNKNOWN a b  c\r\n", &h), PROXY_LOCAL);
}
END_TEST

START_TEST(line_that_is_not_exact_is_bad)
{
	static const char *const cases[] = {
		"PROXY TCP4 192.168.0.1 10.0.0.2 56324 443\n",
		"PROXY  TCP4 192.168.0.1 10.0.0.2 56324 443\r\n",
		"PROXY TCP4  192.168.0.1 10.0.0.2 56324 443\r\n",
		"PROXY TCP4 192.168.0.1 10.0.0.2 56324 443 \r\n",
		"PROXY TCP4 192.168.0.1 10.0.0.2 56324 443 x\r\n",
		"PROXY TCP4 192.168.0.1 10.0.0.2 56324\r\n",
		"PROXY TCP4 192.168.0.1 10.0.0.2 056 443\r\n",
		"PROXY TCP4 192.168.0.1 10.0.0.2 65536 443\r\n",
		"PROXY TCP4 192.168.0.1 10.0.0.2 -1 443\r\n",
		"PROXY TCP4 192.168.0.1 10.0.0.2 99999999999 443\r\n",
		"PROXY TCP4 192.168.0.1 ::1 1 2\r\n",
		"PROXY TCP6 192.168.0.1 10.0.0.2 1 2\r\n",
		"PROXY TCP4 192.168.0 10.0.0.2 1 2\r\n",
		"PROXY TCP4 localhost 10.0.0.2 1 2\r\n",
		"PROXY TCP4\r\n", "PROXY TCP4 \r\n", "PROXY \r\n",
		"PROXY UDP4 1.1.1.1 1.1.1.1 1 2\r\n",
		"PROXY tcp4 1.1.1.1 1.1.1.1 1 2\r\n", "PROXY UNKNOWNx\r\n",
		"PROXY \n",
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct proxy_header h;

		ck_assert_msg(decode(cases[i], strlen(cases[i]), &h) ==
		    PROXY_BAD, "%s", cases[i]);
	}
}
END_TEST

START_TEST(line_has_107_bytes_at_most)
{
	char text[120];
	struct proxy_header h;

	memset(text, 'x', sizeof(text));
	memcpy(text, "PROXY UNKNOWN ", 14);
	ck_assert_int_eq(decode(text, 106, &h), PROXY_MORE);
	ck_assert_int_eq(decode(text, 107, &h), PROXY_BAD);
	text[105] = '\r';
	text[106] = '\n';
	ck_assert_int_eq(decode(text, 120, &h), PROXY_LOCAL);
	ck_assert_uint_eq(h.size, 107);
	text[105] = 'x';
	text[106] = '\r';
	text[107] = '\n';
	ck_assert_int_eq(decode(text, 120, &h), PROXY_BAD);
}
END_TEST

START_TEST(version_2_tells_the_client)
{
	static const char four[] = V2 "\x21\x11\0\x0c\1\2\3\4\5\6\7\x8\x12\x34"
	    "\x15\x38""more";
	static const char six[] = V2 "\x21\x21\0\x27"
	    "AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBB\0\x50\0\x51\xe0\0\0";
	struct proxy_header h;

	ck_assert_int_eq(DECODE(four, &h), PROXY_CLIENT);
	ck_assert_uint_eq(h.size, sizeof(four) - 1 - 4);
	ck_assert_mem_eq(h.ip, "\1\2\3\4", 4);
	ck_assert_uint_eq(h.port, 0x1234);
	ck_assert_int_eq(DECODE(six, &h), PROXY_CLIENT);
	ck_assert_uint_eq(h.ip_len, 16);
	ck_assert_mem_eq(h.ip, "AAAAAAAAAAAAAAAA", 16);
	ck_assert_uint_eq(h.port, 80);
	ck_assert_int_eq(DECODE(V2 "\x20\0\0\0", &h), PROXY_LOCAL);
	ck_assert_uint_eq(h.size, 16);
	/* A balancer's own checks may carry an address; it does not count. */
	ck_assert_int_eq(DECODE(V2 "\x20\x11\0\2ab", &h), PROXY_LOCAL);
	ck_assert_int_eq(DECODE(V2 "\x21\0\0\0", &h), PROXY_LOCAL);
}
END_TEST

START_TEST(version_2_that_does_not_fit_is_bad)
{
	static const struct {
		const char *p;
		size_t n;
	} cases[] = {
#define CASE(s) { s, sizeof(s) - 1 }
		CASE(V2 "\x11\x11\0\x0c\1\2\3\4\5\6\7\x8\x12\x34\x15\x38"),
		CASE(V2 "\x22\x11\0\x0c\1\2\3\4\5\6\7\x8\x12\x34\x15\x38"),
		CASE(V2 "\x21\x12\0\x0c\1\2\3\4\5\6\7\x8\x12\x34\x15\x38"),
		CASE(V2 "\x21\x41\0\x0c\1\2\3\4\5\6\7\x8\x12\x34\x15\x38"),
		CASE(V2 "\x21\x11\0\x0b\1\2\3\4\5\6\7\x8\x12\x34\x15"),
		CASE(V2 "\x21\x21\0\x0c\1\2\3\4\5\6\7\x8\x12\x34\x15\x38"),
		CASE(V2 "\x21\x11\0\x0d\1\2\3\4\5\6\7\x8\x12\x34\x15\x38\1"),
		CASE(V2 "\x21\x11\0\x10\1\2\3\4\5\6\7\x8\x12\x34\x15\x38"
		     "\1\0\2x"),
		CASE(V2 "\x21\x11\xff\xff"),
		CASE(V2 "\x21\x11\x0f\xf1"),
		CASE(V2 "\x21\x11\0\x13\1\2\3\4\5\6\7\x8\x12\x34\x15\x38"
		     "\3\0\4\0\0\0\0"),
		CASE(V2 "\x21\x11\0\x12\1\2\3\4\5\6\7\x8\x12\x34\x15\x38"
		     "\3\0\3\0\0\0"),
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct proxy_header h;

		ck_assert_msg(decode(cases[i].p, cases[i].n, &h) == PROXY_BAD,
		    "case %zu", i);
	}
}
END_TEST

/* The checksum of these very bytes, as another implementation has it. */
START_TEST(right_checksum_is_taken)
{
	static const char text[] = V2 "\x21\x11\0\x13\1\2\3\4\5\6\7\x8\x12\x34"
	    "\x15\x38\3\0\4" "\x6e\xff\x3d\xee";
	struct proxy_header h;

	ck_assert_int_eq(DECODE(text, &h), PROXY_CLIENT);
}
END_TEST

START_TEST(every_truncation_wants_more)
{
	static const char v1[] = "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n";
	static const char v2[] = V2 "\x21\x11\0\x0f\1\2\3\4\5\6\7\x8\x12\x34"
	    "\x15\x38\xe0\0\0";
	struct proxy_header h;

	for (size_t n = 0; n < sizeof(v1) - 1; n++)
		ck_assert_int_eq(decode(v1, n, &h), PROXY_MORE);
	for (size_t n = 0; n < sizeof(v2) - 1; n++)
		ck_assert_int_eq(decode(v2, n, &h), PROXY_MORE);
}
END_TEST

START_TEST(other_beginnings_are_none)
{
	struct proxy_header h;

	ck_assert_int_eq(DECODE("\0\0\0\x08\x04\xd2\x16\x2f", &h), PROXY_NONE);
	ck_assert_int_eq(DECODE("\x16\x03\x01", &h), PROXY_NONE);
	ck_assert_int_eq(DECODE("PROXYx", &h), PROXY_NONE);
	ck_assert_int_eq(DECODE("\r\n\r\nx", &h), PROXY_NONE);
	ck_assert(proxy_looks_like(SPAN_LIT("P")));
	ck_assert(!proxy_looks_like(SPAN("", 0)));
}
END_TEST

UNIT_MAIN(UNIT_SUITE("proxy", line_of_version_1_tells_the_client,
    line_that_is_not_exact_is_bad, line_has_107_bytes_at_most,
    version_2_tells_the_client, version_2_that_does_not_fit_is_bad,
    right_checksum_is_taken, every_truncation_wants_more,
    other_beginnings_are_none))
