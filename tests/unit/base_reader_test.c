/* The reader and its opposite, the writer. */
#include "base/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/writer.h"

/* One field of every kind. */
static const uint8_t fields[] = {0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04, 0x08,
        0x09, 0x0a, 0x0b, 0x13, 0x12, 0x11, 0x10, 0x0f, 0x0e, 0x0d, 0x0c, 0x02,
        0x00, 'a', 'b', 0x01, 'c', 'd', 'e'};

static void expect_fields(struct reader *r)
{
    assert_int_equal(reader_u8(r), 0x01);
    assert_int_equal(reader_u16le(r), 0x0203);
    assert_int_equal(reader_u32le(r), 0x04050607);
    assert_int_equal(reader_u32be(r), 0x08090a0b);
    assert_int_equal(reader_u64le(r), 0x0c0d0e0f10111213);
    assert_true(bytes_equal_text(reader_string16(r), "ab"));
    assert_true(bytes_equal_text(reader_string8(r), "c"));
    assert_true(bytes_equal_text(reader_take(r, 2), "de"));
}

static void write_fields(struct writer *w)
{
    writer_u8(w, 0x01);
    writer_u16le(w, 0x0203);
    writer_u32le(w, 0x04050607);
    writer_u32be(w, 0x08090a0b);
    writer_u64le(w, 0x0c0d0e0f10111213);
    writer_string16(w, bytes_text("ab"));
    writer_string8(w, bytes_text("c"));
    writer_put(w, bytes_text("de"));
}

static void fields_are_read_in_their_order(void **state)
{
    struct reader r = reader_of(bytes_of(fields, sizeof(fields)));

    (void)state;
    expect_fields(&r);
    assert_false(r.failed);
    assert_int_equal(r.rest.size, 0);
}

/* Everything in one order, whatever fails. */
static void read_all(struct reader *r)
{
    (void)reader_u8(r);
    (void)reader_u16le(r);
    (void)reader_u32le(r);
    (void)reader_u32be(r);
    (void)reader_u64le(r);
    (void)reader_string16(r);
    (void)reader_string8(r);
    (void)reader_take(r, 2);
}

static void a_short_input_fails_once_and_stays_failed(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof(fields); size++) {
        struct reader r = reader_of(bytes_of(fields, size));

        read_all(&r);
        assert_true(r.failed);
        assert_int_equal(reader_u8(&r), 0);
        assert_int_equal(reader_u64le(&r), 0);
        assert_int_equal(reader_take(&r, 0).size, 0);
        assert_int_equal(reader_string8(&r).size, 0);
        assert_true(r.failed);
    }
}

static void a_length_beyond_the_end_fails(void **state)
{
    static const uint8_t wide[] = {0xff, 0xff, 'a'};
    struct reader r = reader_of(bytes_of(wide, sizeof(wide)));

    (void)state;
    assert_int_equal(reader_string16(&r).size, 0);
    assert_true(r.failed);
    r = reader_of(bytes_of(wide, sizeof(wide)));
    assert_int_equal(reader_take(&r, SIZE_MAX).size, 0);
    assert_true(r.failed);
}

static void nothing_reads_as_nothing(void **state)
{
    struct reader r = reader_of(bytes_of(NULL, 0));

    (void)state;
    assert_int_equal(reader_take(&r, 0).size, 0);
    assert_false(r.failed);
    assert_int_equal(reader_u8(&r), 0);
    assert_true(r.failed);
}

static void fields_are_written_in_their_order(void **state)
{
    uint8_t out[sizeof(fields)];
    struct writer w = writer_of(out, sizeof(out));

    (void)state;
    write_fields(&w);
    assert_false(w.failed);
    assert_true(
            bytes_equal(writer_bytes(&w), bytes_of(fields, sizeof(fields))));
}

static void what_does_not_fit_is_not_written(void **state)
{
    (void)state;
    for (size_t capacity = 0; capacity < sizeof(fields); capacity++) {
        uint8_t out[sizeof(fields)];
        struct writer w = writer_of(out, capacity);
        size_t before;

        write_fields(&w);
        assert_true(w.failed);
        assert_in_range(w.size, 0, capacity);
        assert_memory_equal(out, fields, w.size);
        before = w.size;
        writer_put(&w, bytes_of(NULL, 0));
        writer_u8(&w, 1);
        assert_int_equal(w.size, before);
    }
}

static void a_string_is_written_whole_or_not_at_all(void **state)
{
    static const uint8_t text[UINT16_MAX + 1];
    static uint8_t out[UINT16_MAX + 8];
    struct writer w = writer_of(out, 4);

    (void)state;
    writer_string16(&w, bytes_of(text, 3));
    assert_true(w.failed);
    assert_int_equal(w.size, 0);
    w = writer_of(out, 4);
    writer_string8(&w, bytes_of(text, 4));
    assert_true(w.failed);
    assert_int_equal(w.size, 0);
    w = writer_of(out, sizeof(out));
    writer_string8(&w, bytes_of(text, UINT8_MAX + 1));
    assert_true(w.failed);
    w = writer_of(out, sizeof(out));
    writer_string16(&w, bytes_of(text, UINT16_MAX + 1));
    assert_true(w.failed);
    w = writer_of(out, sizeof(out));
    writer_string16(&w, bytes_of(text, UINT16_MAX));
    assert_false(w.failed);
    assert_int_equal(w.size, UINT16_MAX + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(fields_are_read_in_their_order),
            cmocka_unit_test(a_short_input_fails_once_and_stays_failed),
            cmocka_unit_test(a_length_beyond_the_end_fails),
            cmocka_unit_test(nothing_reads_as_nothing),
            cmocka_unit_test(fields_are_written_in_their_order),
            cmocka_unit_test(what_does_not_fit_is_not_written),
            cmocka_unit_test(a_string_is_written_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
