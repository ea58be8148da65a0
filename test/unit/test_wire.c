/* Tests of proto/wire and of what proto/reply makes with it. */
#include <string.h>

#include "proto/msg.h"
#include "proto/reply.h"
#include "proto/wire.h"
#include "unit.h"

START_TEST(reader_takes_fields_in_order)
{
	static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 0xff, 0xff,
		0xff, 0xfe, 'a', 'b', 0, 9 };
	struct reader r;

	reader_init(&r, SPAN(bytes, sizeof(bytes)));
	ck_assert_uint_eq(reader_u8(&r), 1);
	ck_assert_uint_eq(reader_u16(&r), 0x0203);
	ck_assert_uint_eq(reader_u32(&r), 0x04050607);
	ck_assert_int_eq(reader_i32(&r), -2);
	ck_assert_str_eq(reader_cstr(&r), "ab");
	ck_assert(!reader_done(&r));
	ck_assert(span_is(reader_bytes(&r, 1), "\x09"));
	ck_assert(reader_done(&r));
	ck_assert_uint_eq(reader_left(&r), 0);
	ck_assert_uint_eq(reader_bytes(&r, 0).n, 0);
	ck_assert(reader_done(&r));
}
END_TEST

START_TEST(reader_stays_bad)
{
	struct reader r;

	reader_init(&r, SPAN_LIT("abc"));
	ck_assert_uint_eq(reader_u32(&r), 0);
	ck_assert(r.bad);
	ck_assert_uint_eq(reader_u8(&r), 0);
	ck_assert_str_eq(reader_cstr(&r), "");
	ck_assert_ptr_null(reader_bytes(&r, 1).p);
	ck_assert(!reader_done(&r));
	reader_init(&r, SPAN_LIT("abc"));
	reader_bytes(&r, SIZE_MAX);
	ck_assert(r.bad);
	reader_init(&r, SPAN_LIT("abc"));
	ck_assert_str_eq(reader_cstr(&r), "");
	ck_assert(r.bad);
	reader_init(&r, SPAN(NULL, 0));
	ck_assert(reader_done(&r));
	ck_assert_uint_eq(reader_u8(&r), 0);
	ck_assert(r.bad);
}
END_TEST

START_TEST(writer_patches_its_own_length)
{
	struct buf out = { 0 };
	struct writer w;
	struct frame_info f;

	buf_append(&out, "skip", 4);
	buf_consume(&out, 2);
	writer_begin(&w, &out, 'X');
	writer_u16(&w, 0x0102);
	writer_cstr(&w, "abc");
	writer_bytes(&w, NULL, 0);
	writer_end(&w);
	ck_assert(span_eq(buf_span(&out),
	    SPAN("ipX\0\0\0\x0a\x01\x02" "abc", 13)));
	ck_assert_int_eq(wire_frame(buf_head(&out) + 2, 11, 100, &f),
	    FRAME_WHOLE);
	ck_assert_uint_eq(f.type, 'X');
	ck_assert_uint_eq(f.size, 11);
	buf_free(&out);
}
END_TEST

START_TEST(frame_tells_what_is_there)
{
	static const struct {
		uint8_t head[5];
		size_t avail;
		enum frame frame;
	} cases[] = {
		{ { 'Q', 0, 0, 0, 4 }, 0, FRAME_MORE },
		{ { 'Q', 0, 0, 0, 4 }, 4, FRAME_MORE },
		{ { 'Q', 0, 0, 0, 4 }, 5, FRAME_WHOLE },
		{ { 'Q', 0, 0, 0, 5 }, 5, FRAME_PART },
		{ { 'Q', 0, 0, 0, 5 }, 6, FRAME_WHOLE },
		{ { 'Q', 0, 0, 0, 3 }, 5, FRAME_BAD },
		{ { 'Q', 0, 0, 0, 0 }, 5, FRAME_BAD },
		{ { 'Q', 0, 0, 4, 0 }, 5, FRAME_PART },
		{ { 'Q', 0, 0, 4, 1 }, 5, FRAME_BAD },
		{ { 'Q', 0x7f, 255, 255, 255 }, 5, FRAME_BAD },
		{ { 'Q', 0x80, 0, 0, 0 }, 5, FRAME_BAD },
		{ { 'Q', 255, 255, 255, 255 }, 5, FRAME_BAD },
	};
	struct frame_info f;
	size_t i;

	for (i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_int_eq(wire_frame(cases[i].head, cases[i].avail,
		    1024, &f), cases[i].frame);
	ck_assert_int_eq(wire_frame(cases[9].head, 5, UINT32_MAX, &f),
	    FRAME_PART);
	ck_assert_uint_eq(f.size, 0x80000000u);
	ck_assert_int_eq(wire_frame(cases[10].head, 5, UINT32_MAX, &f),
	    FRAME_BAD);
}
END_TEST

/* The bytes that PostgreSQL's documentation, 55.7, gives for each. */
static void
expect(struct buf *out, const void *bytes, size_t n)
{
	ck_assert_uint_eq(buf_len(out), n);
	ck_assert_mem_eq(buf_head(out), bytes, n);
	buf_free(out);
}

#define EXPECT(out, lit) expect(out, lit, sizeof(lit) - 1)

START_TEST(replies_are_as_documented)
{
	struct buf out = { 0 };
	static const char *const options[] = { "_pq_.a", "_pq_.b" };

	reply_ready(&out, 'T');
	EXPECT(&out, "Z\0\0\0\5T");
	reply_auth_ok(&out);
	EXPECT(&out, "R\0\0\0\10\0\0\0\0");
	reply_auth(&out, 5, SPAN_LIT("salt"));
	EXPECT(&out, "R\0\0\0\14\0\0\0\5salt");
	reply_parameter(&out, "a", "b");
	EXPECT(&out, "S\0\0\0\10a\0b\0");
	reply_key_data(&out, 0x01020304, SPAN_LIT("keys"));
	EXPECT(&out, "K\0\0\0\14\1\2\3\4keys");
	reply_negotiate(&out, 196608, options, 2);
	EXPECT(&out, "v\0\0\0\x1a\0\3\0\0\0\0\0\2_pq_.a\0_pq_.b\0");
	reply_complete(&out, "SHOW");
	EXPECT(&out, "C\0\0\0\11SHOW\0");
	reply_bare(&out, '1');
	EXPECT(&out, "1\0\0\0\4");
	reply_parameter_description_none(&out);
	EXPECT(&out, "t\0\0\0\6\0\0");
	reply_notice(&out, NULL, "m", NULL);
	EXPECT(&out, "N\0\0\0\37SNOTICE\0VNOTICE\0C00000\0Mm\0\0");
}
END_TEST

START_TEST(rows_are_as_documented)
{
	static const struct column columns[] = { { "a", COL_INT4 },
		{ "b", COL_TEXT } };
	static const char *const values[] = { "12", NULL, "" };
	struct buf out = { 0 };

	reply_row_description(&out, columns, 2);
	EXPECT(&out, "T\0\0\0\56\0\2"
	    "a\0\0\0\0\0\0\0\0\0\0\27\0\4\377\377\377\377\0\0"
	    "b\0\0\0\0\0\0\0\0\0\0\31\377\377\377\377\377\377\0\0");
	reply_row(&out, values, 3);
	EXPECT(&out, "D\0\0\0\24\0\3\0\0\0\2" "12\377\377\377\377\0\0\0\0");
}
END_TEST

START_TEST(requests_are_as_documented)
{
	static const char *const params[] = { "user", "u", NULL };
	struct buf out = { 0 };

	request_startup(&out, PROTOCOL_3_0, params);
	EXPECT(&out, "\0\0\0\20\0\3\0\0user\0u\0\0");
	request_startup(&out, PROTOCOL_3_2, params);
	EXPECT(&out, "\0\0\0\20\0\3\0\2user\0u\0\0");
	request_ssl(&out);
	EXPECT(&out, "\0\0\0\10\4\322\26\57");
	request_cancel(&out, 1, SPAN_LIT("keys"));
	EXPECT(&out, "\0\0\0\20\4\322\26\56\0\0\0\1keys");
	request_query(&out, "x");
	EXPECT(&out, "Q\0\0\0\6x\0");
	request_password(&out, "x");
	EXPECT(&out, "p\0\0\0\6x\0");
	request_sasl_initial(&out, "M", SPAN_LIT("n,,"));
	EXPECT(&out, "p\0\0\0\15M\0\0\0\0\3n,,");
	request_sasl_response(&out, SPAN_LIT("c="));
	EXPECT(&out, "p\0\0\0\6c=");
	request_terminate(&out);
	EXPECT(&out, "X\0\0\0\4");
}
END_TEST

START_TEST(errors_read_back_as_they_were_made)
{
	struct notice_fields f;
	struct buf out = { 0 };
	struct err e;

	err_set(&e, "28P01", "password authentication failed");
	err_detail(&e, "d");
	err_hint(&e, "h");
	reply_error(&out, "FATAL", &e);
	ck_assert(msg_notice(SPAN(buf_head(&out) + 5, buf_len(&out) - 5),
	    &f));
	ck_assert_str_eq(f.severity, "FATAL");
	ck_assert_str_eq(f.sqlstate, "28P01");
	ck_assert_str_eq(f.message, e.msg);
	ck_assert_str_eq(f.detail, "d");
	ck_assert_str_eq(f.hint, "h");
	buf_reset(&out);
	err_set(&e, "", "m");
	reply_error(&out, "ERROR", &e);
	ck_assert(msg_notice(SPAN(buf_head(&out) + 5, buf_len(&out) - 5),
	    &f));
	ck_assert_str_eq(f.sqlstate, "XX000");
	ck_assert_ptr_null(f.detail);
	ck_assert_ptr_null(f.hint);
	buf_free(&out);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("wire");
	TCase *t = tcase_create("wire");

	tcase_add_test(t, reader_takes_fields_in_order);
	tcase_add_test(t, reader_stays_bad);
	tcase_add_test(t, writer_patches_its_own_length);
	tcase_add_test(t, frame_tells_what_is_there);
	suite_add_tcase(s, t);
	t = tcase_create("reply");
	tcase_add_test(t, replies_are_as_documented);
	tcase_add_test(t, rows_are_as_documented);
	tcase_add_test(t, requests_are_as_documented);
	tcase_add_test(t, errors_read_back_as_they_were_made);
	suite_add_tcase(s, t);
	return s;
}

UNIT_MAIN(suite())
