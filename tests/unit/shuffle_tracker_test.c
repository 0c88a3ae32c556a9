/* Numbers in names are those of docs/wire.md, "LaminarDB's frames". */
#include "shuffle/shuffle_tracker.h"

#include "aborts.h"

static enum shuffle_tracker_result observe(
        struct shuffle_tracker *tracker, uint32_t input, uint64_t checkpoint)
{
    struct shuffle_wire_barrier barrier = shuffle_barrier(checkpoint, input);
    struct shuffle_wire_barrier aligned;

    return shuffle_tracker_observe(tracker, input, &barrier, &aligned);
}

static void three_inputs_26_align_on_the_third(void **state)
{
    struct shuffle_tracker tracker;

    (void)state;
    shuffle_tracker_init(&tracker, 3);
    assert_int_equal(observe(&tracker, 0, 1), SHUFFLE_TRACKER_WAITING);
    assert_int_equal(observe(&tracker, 1, 1), SHUFFLE_TRACKER_WAITING);
    assert_int_equal(shuffle_tracker_pending(&tracker), 1);
    assert_int_equal(observe(&tracker, 2, 1), SHUFFLE_TRACKER_ALIGNED);
    assert_int_equal(shuffle_tracker_pending(&tracker), 0);
    shuffle_tracker_close(&tracker);
}

static void a_repetition_27_counts_once(void **state)
{
    struct shuffle_tracker tracker;

    (void)state;
    shuffle_tracker_init(&tracker, 2);
    assert_int_equal(observe(&tracker, 0, 5), SHUFFLE_TRACKER_WAITING);
    assert_int_equal(observe(&tracker, 0, 5), SHUFFLE_TRACKER_REPEATED);
    assert_true(shuffle_tracker_has(&tracker, 5, 0));
    assert_false(shuffle_tracker_has(&tracker, 5, 1));
    assert_int_equal(observe(&tracker, 1, 5), SHUFFLE_TRACKER_ALIGNED);
    shuffle_tracker_close(&tracker);
}

static void two_checkpoints_28_align_each_for_itself(void **state)
{
    struct shuffle_tracker tracker;

    (void)state;
    shuffle_tracker_init(&tracker, 2);
    assert_int_equal(observe(&tracker, 0, 2), SHUFFLE_TRACKER_WAITING);
    assert_int_equal(observe(&tracker, 0, 1), SHUFFLE_TRACKER_WAITING);
    assert_int_equal(shuffle_tracker_pending(&tracker), 2);
    assert_int_equal(observe(&tracker, 1, 1), SHUFFLE_TRACKER_ALIGNED);
    assert_int_equal(shuffle_tracker_pending(&tracker), 1);
    assert_int_equal(observe(&tracker, 1, 2), SHUFFLE_TRACKER_ALIGNED);
    assert_int_equal(shuffle_tracker_pending(&tracker), 0);
    shuffle_tracker_close(&tracker);
}

static void observe_input_nine_of_two(void)
{
    struct shuffle_tracker tracker;

    shuffle_tracker_init(&tracker, 2);
    observe(&tracker, 9, 1);
}

static void init_without_inputs(void)
{
    struct shuffle_tracker tracker;

    shuffle_tracker_init(&tracker, 0);
}

static void input_nine_of_two_29_is_a_programming_error(void **state)
{
    (void)state;
    assert_aborts(observe_input_nine_of_two);
}

static void no_inputs_30_are_a_programming_error(void **state)
{
    (void)state;
    assert_aborts(init_without_inputs);
}

static void a_barrier_31_is_24_bytes_and_has_exactly_its_flag(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct shuffle_wire_barrier), 24);
    assert_int_equal(shuffle_barrier(1, 1).flags, 0);
    assert_int_equal(shuffle_barrier_full_snapshot(1, 1).flags, 1);
    assert_int_equal(shuffle_barrier_drain(1, 1).flags, 2);
    assert_int_equal(shuffle_barrier_drain(17, 42).checkpoint, 17);
    assert_int_equal(shuffle_barrier_drain(17, 42).epoch, 42);
}

static void the_first_barrier_seen_is_handed_out(void **state)
{
    struct shuffle_wire_barrier first = shuffle_barrier_full_snapshot(7, 1);
    struct shuffle_wire_barrier second = shuffle_barrier_drain(7, 2);
    struct shuffle_wire_barrier aligned;
    struct shuffle_tracker tracker;

    (void)state;
    shuffle_tracker_init(&tracker, 2);
    shuffle_tracker_observe(&tracker, 1, &first, &aligned);
    assert_int_equal(shuffle_tracker_observe(&tracker, 0, &second, &aligned),
            SHUFFLE_TRACKER_ALIGNED);
    assert_int_equal(aligned.epoch, 1);
    assert_int_equal(aligned.flags, SHUFFLE_FLAG_FULL_SNAPSHOT);
    shuffle_tracker_close(&tracker);
}

static void completing_forgets_all_before_it_and_late_ones_are_old(void **state)
{
    struct shuffle_tracker tracker;

    (void)state;
    shuffle_tracker_init(&tracker, 2);
    observe(&tracker, 0, 3);
    observe(&tracker, 0, 4);
    observe(&tracker, 0, 5);
    assert_int_equal(observe(&tracker, 1, 4), SHUFFLE_TRACKER_ALIGNED);
    assert_int_equal(shuffle_tracker_pending(&tracker), 1);
    assert_int_equal(observe(&tracker, 1, 3), SHUFFLE_TRACKER_OLD);
    assert_int_equal(observe(&tracker, 1, 4), SHUFFLE_TRACKER_OLD);
    assert_int_equal(tracker.done, 4);
    assert_int_equal(observe(&tracker, 1, 5), SHUFFLE_TRACKER_ALIGNED);
    shuffle_tracker_close(&tracker);
}

static void cancelling_forgets_it_and_all_before_it(void **state)
{
    struct shuffle_tracker tracker;

    (void)state;
    shuffle_tracker_init(&tracker, 2);
    observe(&tracker, 0, 3);
    observe(&tracker, 0, 9);
    shuffle_tracker_cancel(&tracker, 4);
    assert_int_equal(shuffle_tracker_pending(&tracker), 1);
    assert_int_equal(observe(&tracker, 1, 3), SHUFFLE_TRACKER_OLD);
    shuffle_tracker_cancel(&tracker, 2);
    assert_int_equal(tracker.done, 4);
    assert_int_equal(observe(&tracker, 1, 9), SHUFFLE_TRACKER_ALIGNED);
    shuffle_tracker_close(&tracker);
}

static void a_full_table_lets_the_lowest_go_and_says_so(void **state)
{
    struct shuffle_tracker tracker;

    (void)state;
    shuffle_tracker_init(&tracker, 2);
    for (uint64_t c = 10; c < 10 + SHUFFLE_TRACKER_MAX; c++) {
        observe(&tracker, 0, c);
    }
    assert_int_equal(observe(&tracker, 0, 9), SHUFFLE_TRACKER_FULL);
    assert_int_equal(observe(&tracker, 0, 20), SHUFFLE_TRACKER_WAITING);
    assert_int_equal(tracker.evicted, 1);
    assert_int_equal(shuffle_tracker_pending(&tracker), SHUFFLE_TRACKER_MAX);
    assert_false(shuffle_tracker_has(&tracker, 10, 0));
    assert_true(shuffle_tracker_has(&tracker, 11, 0));
    assert_true(shuffle_tracker_has(&tracker, 20, 0));
    assert_int_equal(observe(&tracker, 1, 20), SHUFFLE_TRACKER_ALIGNED);
    shuffle_tracker_close(&tracker);
}

static void many_inputs_are_told_apart(void **state)
{
    struct shuffle_tracker tracker;

    (void)state;
    shuffle_tracker_init(&tracker, 200);
    for (uint32_t i = 0; i < 199; i++) {
        assert_int_equal(observe(&tracker, i, 1), SHUFFLE_TRACKER_WAITING);
        assert_int_equal(observe(&tracker, i, 1), SHUFFLE_TRACKER_REPEATED);
    }
    assert_int_equal(observe(&tracker, 199, 1), SHUFFLE_TRACKER_ALIGNED);
    shuffle_tracker_close(&tracker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(three_inputs_26_align_on_the_third),
            cmocka_unit_test(a_repetition_27_counts_once),
            cmocka_unit_test(two_checkpoints_28_align_each_for_itself),
            cmocka_unit_test(input_nine_of_two_29_is_a_programming_error),
            cmocka_unit_test(no_inputs_30_are_a_programming_error),
            cmocka_unit_test(a_barrier_31_is_24_bytes_and_has_exactly_its_flag),
            cmocka_unit_test(the_first_barrier_seen_is_handed_out),
            cmocka_unit_test(
                    completing_forgets_all_before_it_and_late_ones_are_old),
            cmocka_unit_test(cancelling_forgets_it_and_all_before_it),
            cmocka_unit_test(a_full_table_lets_the_lowest_go_and_says_so),
            cmocka_unit_test(many_inputs_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
