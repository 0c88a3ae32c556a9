/* Records into DATA frames: how many fit, and which go alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "node/packer.h"

static uint8_t memory[PACKER_ROOM_BYTES + SHUFFLE_RECORD_MAX];
static uint8_t body[SHUFFLE_RECORD_MAX];

static struct bytes body_of(size_t size)
{
    return bytes_of(body, size);
}

static void the_head_is_written_when_the_frame_is_closed(void **context)
{
    struct packer p;
    size_t size;

    (void)context;
    packer_init(&p);
    packer_begin(&p, memory, PACKER_ROOM_BYTES);
    assert_int_equal(packer_close(&p), 0);
    assert_true(packer_add_whole(&p, bytes_text("the")));
    assert_true(packer_add_whole(&p, bytes_text("loom")));
    size = packer_close(&p);
    assert_int_equal(size, 32);
    assert_memory_equal(memory,
            "\0\0\0\x1c\x32\0\0\0\0\0\0\0\0\0\0\0\0\3\0\0\0the\4\0\0\0loom",
            32);
    assert_int_equal(packer_close(&p), 0);
    packer_begin(&p, memory, PACKER_ROOM_BYTES);
    assert_true(packer_add_whole(&p, bytes_text("")));
    assert_int_equal(packer_close(&p), 21);
    assert_int_equal(memory[9], 2); /* two records went before it */
}

static void a_key_is_a_place_in_the_record(void **context)
{
    const struct bytes line = bytes_text("a\tbc\td");
    struct packer p;

    (void)context;
    packer_init(&p);
    packer_begin(&p, memory, PACKER_ROOM_BYTES);
    assert_true(packer_add_keyed(&p, line, bytes_of(line.data + 2, 2)));
    assert_int_equal(packer_close(&p), PACKER_HEAD_BYTES + 18);
    assert_memory_equal(
            memory + PACKER_HEAD_BYTES, "\6\0\0\0\2\0\0\0\2\0\0\0a\tbc\td", 18);
}

static void records_share_a_frame_up_to_its_bound(void **context)
{
    enum {
        ROOM = PACKER_ROOM_BYTES - PACKER_HEAD_BYTES,
        HALF = ROOM / 2 - SHUFFLE_WHOLE_HEAD_BYTES,
    };
    struct packer p;

    (void)context;
    packer_init(&p);
    packer_begin(&p, memory, PACKER_ROOM_BYTES);
    assert_true(packer_add_whole(&p, body_of(HALF)));
    assert_false(packer_add_whole(&p, body_of(HALF + 2)));
    assert_true(packer_add_whole(&p, body_of(HALF)));
    assert_false(packer_add_whole(&p, body_of(0)));
    assert_true(
            packer_close(&p) <= FRAME_HEADER_BYTES + SHUFFLE_DATA_FRAME_MAX);
    assert_int_equal(p.records, 2);
}

/* In the room that a large record was given, nothing small rides along. */
static void a_large_record_goes_alone(void **context)
{
    enum {
        LARGE = SHUFFLE_RECORD_MAX - SHUFFLE_WHOLE_HEAD_BYTES,
    };
    struct packer p;

    (void)context;
    packer_init(&p);
    packer_begin(&p, memory, sizeof(memory));
    assert_true(packer_add_whole(&p, body_of(LARGE)));
    assert_false(packer_add_whole(&p, body_of(0)));
    assert_int_equal(packer_close(&p), PACKER_HEAD_BYTES + SHUFFLE_RECORD_MAX);
    packer_begin(&p, memory, sizeof(memory));
    assert_true(packer_add_whole(&p, body_of(1)));
    assert_false(packer_add_whole(&p, body_of(LARGE)));
}

int main(void)
{
    const struct CMUnitTest cases[] = {
            cmocka_unit_test(the_head_is_written_when_the_frame_is_closed),
            cmocka_unit_test(a_key_is_a_place_in_the_record),
            cmocka_unit_test(records_share_a_frame_up_to_its_bound),
            cmocka_unit_test(a_large_record_goes_alone),
    };

    return cmocka_run_group_tests(cases, NULL, NULL);
}
