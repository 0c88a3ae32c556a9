#include "shuffle/shuffle_sent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* An outbox, as far as it is looked at: frames queued, and those of the block
 * that is being written. */
static void note(struct shuffle_sent *sent, uint64_t bytes, uint64_t frames,
        uint64_t queued, uint32_t in_front)
{
    struct block *front = calloc(1, sizeof(*front));
    struct outbox out = {.queued_frames = queued};

    assert_non_null(front);
    front->frames = in_front;
    out.flight.head = in_front == 0 ? NULL : front;
    shuffle_sent_note(sent, bytes, frames, &out);
    free(front);
}

static void before_anything_is_written_nothing_has_left(void **state)
{
    struct shuffle_sent sent = {.is_told = true};

    (void)state;
    assert_int_equal(shuffle_sent_unsent(&sent, 7), 7);
    assert_int_equal(shuffle_sent_unacked(&sent, 7), 7);
}

static void what_the_system_does_not_say_is_not_guessed(void **state)
{
    struct shuffle_sent sent = {0};

    (void)state;
    note(&sent, 100, 5, 2, 0);
    assert_int_equal(shuffle_sent_unsent(&sent, 5), 2);
    assert_int_equal(shuffle_sent_unacked(&sent, 5), UINT64_MAX);
}

/* Ten writes of 64 KiB, each ten frames; two more frames wait. */
static void bytes_become_frames_again(void **state)
{
    struct shuffle_sent sent = {.is_told = true};

    (void)state;
    for (uint64_t i = 1; i <= 10; i++) {
        note(&sent, i * 65536, 102, 102 - i * 10, 0);
    }
    assert_int_equal(shuffle_sent_unsent(&sent, 102), 2);
    assert_int_equal(shuffle_sent_unacked(&sent, 102), 2);
    sent.unsent_bytes = 65536;
    sent.unacked_bytes = 3 * 65536;
    assert_int_equal(shuffle_sent_unsent(&sent, 102), 12);
    assert_int_equal(shuffle_sent_unacked(&sent, 102), 32);
    /* Inside a write the two lean to the careful side. */
    sent.unsent_bytes = 65536 + 1;
    sent.unacked_bytes = 3 * 65536 + 1;
    assert_int_equal(shuffle_sent_unsent(&sent, 102), 12);
    assert_int_equal(shuffle_sent_unacked(&sent, 102), 42);
    sent.unsent_bytes = 100 * 65536;
    assert_int_equal(shuffle_sent_unsent(&sent, 102), 102);
}

static void a_block_written_in_part_is_in_doubt(void **state)
{
    struct shuffle_sent sent = {.is_told = true};

    (void)state;
    note(&sent, 1000, 20, 15, 8);
    assert_int_equal(shuffle_sent_unsent(&sent, 20), 7);
    assert_int_equal(shuffle_sent_unacked(&sent, 20), 15);
}

static void small_writes_share_a_mark_and_old_marks_are_forgotten(void **state)
{
    struct shuffle_sent sent = {.is_told = true};

    (void)state;
    for (uint64_t i = 1; i <= 100000; i++) {
        note(&sent, i * 100, 100000, 100000 - i, 0);
        assert_in_range(sent.count, 1, SHUFFLE_SENT_MARKS);
    }
    assert_int_equal(shuffle_sent_unsent(&sent, 100000), 0);
    sent.unsent_bytes = 400000;
    assert_in_range(shuffle_sent_unsent(&sent, 100000), 3800, 4000);
    sent.unacked_bytes = 400000;
    assert_in_range(shuffle_sent_unacked(&sent, 100000), 4000, 4200);
    sent.unacked_bytes = 9000000; /* older than the oldest mark */
    assert_in_range(shuffle_sent_unacked(&sent, 100000), 90000, 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(before_anything_is_written_nothing_has_left),
            cmocka_unit_test(what_the_system_does_not_say_is_not_guessed),
            cmocka_unit_test(bytes_become_frames_again),
            cmocka_unit_test(a_block_written_in_part_is_in_doubt),
            cmocka_unit_test(
                    small_writes_share_a_mark_and_old_marks_are_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
