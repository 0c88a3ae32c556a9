#include "base/inbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    MAX_PAYLOAD = 64 * 1024 * 1024,
};

struct fixture {
    struct budget short_budget;
    struct budget long_budget;
    struct block_pool shorts;
    struct block_pool longs;
    struct inbox in;
};

static struct fixture fixture;

static struct fixture *begin(size_t short_bytes, size_t long_bytes)
{
    fixture.short_budget = (struct budget){.max_bytes = short_bytes};
    fixture.long_budget = (struct budget){.max_bytes = long_bytes};
    block_pool_init(&fixture.shorts, &fixture.short_budget, 1 << 20);
    block_pool_init(&fixture.longs, &fixture.long_budget, 1 << 20);
    inbox_init(&fixture.in, &fixture.shorts, MAX_PAYLOAD);
    return &fixture;
}

static void end(struct fixture *f)
{
    inbox_close(&f->in);
    block_pool_close(&f->shorts);
    block_pool_close(&f->longs);
}

/* Length, tag and `payload` bytes that count up. */
static size_t put_frame(uint8_t *at, uint8_t tag, size_t payload)
{
    frame_put_header(at, tag, payload);
    for (size_t i = 0; i < payload; i++) {
        at[FRAME_HEADER_BYTES + i] = (uint8_t)i;
    }
    return FRAME_HEADER_BYTES + payload;
}

static void expect_frame(struct fixture *f, uint8_t tag, size_t payload)
{
    struct frame frame;

    assert_int_equal(inbox_next(&f->in, &frame), INBOX_FRAME);
    assert_int_equal(frame.tag, tag);
    assert_int_equal(frame.payload.size, payload);
    for (size_t i = 0; i < payload; i++) {
        assert_int_equal(frame.payload.data[i], (uint8_t)i);
    }
}

static void expect(struct fixture *f, enum inbox_status status)
{
    struct frame frame;

    assert_int_equal(inbox_next(&f->in, &frame), status);
}

static void whole_frames_are_handed_out_where_they_lie(void **state)
{
    struct fixture *f = begin(1 << 20, 0);
    uint8_t input[64];
    size_t size = put_frame(input, 1, 3);
    struct frame frame;

    (void)state;
    size += put_frame(input + size, 2, 0);
    inbox_feed(&f->in, bytes_of(input, size));
    assert_int_equal(inbox_next(&f->in, &frame), INBOX_FRAME);
    assert_ptr_equal(frame.payload.data, input + FRAME_HEADER_BYTES);
    expect_frame(f, 2, 0);
    expect(f, INBOX_MORE);
    assert_int_equal(f->short_budget.used_bytes, 0);
    end(f);
}

static void a_frame_cut_at_every_byte_comes_out_whole(void **state)
{
    uint8_t input[64];
    size_t size = put_frame(input, 7, 20);

    (void)state;
    size += put_frame(input + size, 8, 1);
    for (size_t cut = 0; cut <= size; cut++) {
        struct fixture *f = begin(1 << 20, 0);
        int frames = 0;
        struct frame frame;

        inbox_feed(&f->in, bytes_of(input, cut));
        while (inbox_next(&f->in, &frame) == INBOX_FRAME) {
            frames++;
        }
        inbox_feed(&f->in, bytes_of(input + cut, size - cut));
        while (inbox_next(&f->in, &frame) == INBOX_FRAME) {
            frames++;
        }
        assert_int_equal(frames, 2);
        assert_int_equal(inbox_held_bytes(&f->in), 0);
        assert_int_equal(f->short_budget.used_bytes, 0);
        end(f);
    }
}

static void bytes_that_trickle_in_make_the_same_frames(void **state)
{
    struct fixture *f = begin(1 << 20, 0);
    uint8_t input[5005];
    size_t size = put_frame(input, 9, 5000);

    (void)state;
    for (size_t i = 0; i + 1 < size; i++) {
        inbox_feed(&f->in, bytes_of(input + i, 1));
        expect(f, INBOX_MORE);
        assert_int_equal(inbox_held_bytes(&f->in), i + 1);
    }
    inbox_feed(&f->in, bytes_of(input + size - 1, 1));
    expect_frame(f, 9, 5000);
    expect(f, INBOX_MORE);
    end(f);
}

static void a_length_of_zero_is_no_frame(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= 4; cut++) {
        struct fixture *f = begin(1 << 20, 0);

        inbox_feed(&f->in, bytes_of("\0\0\0\0", cut));
        expect(f, cut == 4 ? INBOX_EMPTY : INBOX_MORE);
        if (cut < 4) {
            inbox_feed(&f->in, bytes_of("\0\0\0\0", 4 - cut));
            expect(f, INBOX_EMPTY);
        }
        end(f);
    }
}

static void one_byte_above_64_mib_is_refused_before_its_tag(void **state)
{
    struct fixture *f = begin(1 << 20, 0);

    (void)state;
    inbox_feed(&f->in, bytes_of("\x04\0\0\x02", 4));
    expect(f, INBOX_TOO_LONG);
    end(f);
}

static void exactly_64_mib_is_announced_and_arrives(void **state)
{
    struct fixture *f = begin(1 << 20, (size_t)MAX_PAYLOAD + 64);
    static uint8_t piece[128 * 1024];
    size_t left = (size_t)MAX_PAYLOAD + FRAME_HEADER_BYTES;
    struct frame frame;

    (void)state;
    frame_put_header(piece, 5, MAX_PAYLOAD);
    inbox_feed(&f->in, bytes_of(piece, sizeof(piece)));
    expect(f, INBOX_LONG);
    assert_int_equal(inbox_long_tag(&f->in), 5);
    assert_int_equal(inbox_long_bytes(&f->in), left);
    assert_true(inbox_reserve(&f->in, &f->longs));
    expect(f, INBOX_MORE);
    left -= sizeof(piece);
    memset(piece, 0x33, sizeof(piece));
    while (left > 0) {
        size_t n = left < sizeof(piece) ? left : sizeof(piece);

        inbox_feed(&f->in, bytes_of(piece, n));
        left -= n;
        assert_int_equal(inbox_next(&f->in, &frame),
                left == 0 ? INBOX_FRAME : INBOX_MORE);
    }
    assert_int_equal(frame.payload.size, MAX_PAYLOAD);
    assert_int_equal(frame.payload.data[MAX_PAYLOAD - 1], 0x33);
    expect(f, INBOX_MORE);
    assert_int_equal(f->long_budget.used_bytes, 0);
    assert_int_equal(f->short_budget.used_bytes, 0);
    end(f);
}

static void a_long_frame_waits_for_its_memory_and_loses_nothing(void **state)
{
    struct fixture *f = begin(1 << 20, 300 * 1024);
    static uint8_t input[200 * 1024 + 5];
    size_t size = put_frame(input, 5, 200 * 1024);
    struct block *other = block_new(&f->longs, 256 * 1024);

    (void)state;
    inbox_feed(&f->in, bytes_of(input, 60000));
    expect(f, INBOX_LONG);
    assert_false(inbox_reserve(&f->in, &f->longs));
    inbox_hold(&f->in);
    assert_int_equal(inbox_held_bytes(&f->in), 60000);
    assert_false(inbox_reserve(&f->in, &f->longs));
    block_free(other);
    assert_true(inbox_reserve(&f->in, &f->longs));
    expect(f, INBOX_MORE);
    inbox_feed(&f->in, bytes_of(input + 60000, size - 60000));
    expect_frame(f, 5, 200 * 1024);
    expect(f, INBOX_MORE);
    end(f);
}

static void the_rest_of_a_long_frame_is_read_where_it_belongs(void **state)
{
    struct fixture *f = begin(1 << 20, 1 << 20);
    static uint8_t input[300 * 1024 + 5];
    size_t size = put_frame(input, 5, 300 * 1024);
    size_t room_bytes = 0;
    uint8_t *room;

    (void)state;
    assert_null(inbox_room(&f->in, &room_bytes));
    inbox_feed(&f->in, bytes_of(input, 1000));
    expect(f, INBOX_LONG);
    assert_true(inbox_reserve(&f->in, &f->longs));
    expect(f, INBOX_MORE);
    room = inbox_room(&f->in, &room_bytes);
    assert_non_null(room);
    assert_int_equal(room_bytes, size - 1000);
    memcpy(room, input + 1000, 200 * 1024);
    inbox_feed(&f->in, bytes_of(room, 200 * 1024));
    expect(f, INBOX_MORE);
    room = inbox_room(&f->in, &room_bytes);
    memcpy(room, input + 1000 + 200 * 1024, room_bytes);
    inbox_feed(&f->in, bytes_of(room, room_bytes));
    expect_frame(f, 5, 300 * 1024);
    expect(f, INBOX_MORE);
    end(f);
}

static void a_length_alone_takes_no_long_memory(void **state)
{
    struct fixture *f = begin(1 << 20, 1 << 20);

    (void)state;
    inbox_feed(&f->in, bytes_of("\x00\x0f\0\0", 4));
    expect(f, INBOX_MORE);
    assert_int_equal(f->long_budget.used_bytes, 0);
    assert_int_equal(f->short_budget.used_bytes, 4096);
    end(f);
}

static void without_memory_for_a_piece_the_inbox_is_done(void **state)
{
    struct fixture *f = begin(4096, 0);
    uint8_t input[6000];
    struct block *other = block_new(&f->shorts, 10);

    (void)state;
    put_frame(input, 5, 5000);
    inbox_feed(&f->in, bytes_of(input, 100));
    expect(f, INBOX_NO_MEMORY);
    expect(f, INBOX_NO_MEMORY);
    block_free(other);
    end(f);
}

static void a_full_data_frame_is_short(void **state)
{
    struct fixture *f = begin(1 << 20, 0);
    static uint8_t input[64 * 1024 + 17];
    size_t size = put_frame(input, 0x32, 64 * 1024 + 12);

    (void)state;
    inbox_feed(&f->in, bytes_of(input, 6));
    expect(f, INBOX_MORE);
    inbox_feed(&f->in, bytes_of(input + 6, size - 6));
    expect_frame(f, 0x32, 64 * 1024 + 12);
    expect(f, INBOX_MORE);
    end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(whole_frames_are_handed_out_where_they_lie),
            cmocka_unit_test(a_frame_cut_at_every_byte_comes_out_whole),
            cmocka_unit_test(bytes_that_trickle_in_make_the_same_frames),
            cmocka_unit_test(a_length_of_zero_is_no_frame),
            cmocka_unit_test(one_byte_above_64_mib_is_refused_before_its_tag),
            cmocka_unit_test(exactly_64_mib_is_announced_and_arrives),
            cmocka_unit_test(
                    a_long_frame_waits_for_its_memory_and_loses_nothing),
            cmocka_unit_test(the_rest_of_a_long_frame_is_read_where_it_belongs),
            cmocka_unit_test(a_length_alone_takes_no_long_memory),
            cmocka_unit_test(without_memory_for_a_piece_the_inbox_is_done),
            cmocka_unit_test(a_full_data_frame_is_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
