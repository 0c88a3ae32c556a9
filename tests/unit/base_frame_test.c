/* docs/wire.md, "Frames". */
#include "base/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_header_is_length_and_tag(void **state)
{
    static const uint8_t empty[] = {0, 0, 0, 1, 0x21};
    static const uint8_t large[] = {0x04, 0, 0, 0x01, 0x05};
    uint8_t header[FRAME_HEADER_BYTES];

    (void)state;
    frame_put_header(header, 0x21, 0);
    assert_memory_equal(header, empty, sizeof(empty));
    frame_put_header(header, 0x05, 64 << 20);
    assert_memory_equal(header, large, sizeof(large));
}

static void a_whole_frame_is_found_at_the_front(void **state)
{
    static const uint8_t input[] = {0, 0, 0, 3, 0x20, 'a', 'b', 0, 0};
    struct frame frame;
    size_t frame_bytes;

    (void)state;
    assert_int_equal(
            frame_peek(bytes_of(input, sizeof(input)), &frame, &frame_bytes),
            FRAME_WHOLE);
    assert_int_equal(frame_bytes, 7);
    assert_int_equal(frame.tag, 0x20);
    assert_true(bytes_equal_text(frame.payload, "ab"));
    assert_ptr_equal(frame.payload.data, input + 5);
}

static void a_frame_may_carry_nothing(void **state)
{
    static const uint8_t input[] = {0, 0, 0, 1, 0xff};
    struct frame frame;
    size_t frame_bytes;

    (void)state;
    assert_int_equal(
            frame_peek(bytes_of(input, sizeof(input)), &frame, &frame_bytes),
            FRAME_WHOLE);
    assert_int_equal(frame_bytes, 5);
    assert_int_equal(frame.tag, 0xff);
    assert_int_equal(frame.payload.size, 0);
}

static void a_partial_frame_tells_what_it_can(void **state)
{
    static const uint8_t input[] = {0, 0, 0, 3, 0x20, 'a', 'b'};

    (void)state;
    for (size_t size = 0; size < sizeof(input); size++) {
        struct frame frame;
        size_t frame_bytes;

        assert_int_equal(
                frame_peek(bytes_of(input, size), &frame, &frame_bytes),
                FRAME_PARTIAL);
        assert_int_equal(frame_bytes, size < 4 ? 0 : sizeof(input));
        if (size >= FRAME_HEADER_BYTES) {
            assert_int_equal(frame.tag, 0x20);
        }
    }
}

static void the_largest_length_is_told_and_not_judged(void **state)
{
    static const uint8_t input[] = {0xff, 0xff, 0xff, 0xff, 0x05};
    struct frame frame;
    size_t frame_bytes;

    (void)state;
    assert_int_equal(
            frame_peek(bytes_of(input, sizeof(input)), &frame, &frame_bytes),
            FRAME_PARTIAL);
    assert_int_equal(frame_bytes, (size_t)UINT32_MAX + 4);
}

static void a_length_of_zero_is_no_frame(void **state)
{
    static const uint8_t input[] = {0, 0, 0, 0, 0x05};
    struct frame frame;
    size_t frame_bytes;

    (void)state;
    for (size_t size = 4; size <= sizeof(input); size++) {
        assert_int_equal(
                frame_peek(bytes_of(input, size), &frame, &frame_bytes),
                FRAME_EMPTY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_header_is_length_and_tag),
            cmocka_unit_test(a_whole_frame_is_found_at_the_front),
            cmocka_unit_test(a_frame_may_carry_nothing),
            cmocka_unit_test(a_partial_frame_tells_what_it_can),
            cmocka_unit_test(the_largest_length_is_told_and_not_judged),
            cmocka_unit_test(a_length_of_zero_is_no_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
