/* Members that are left out, and how they come back. */
#include "checkpoint_harness.h"

/* An attempt of node 1, until it is over. */
static void attempt(struct harness *h)
{
    checkpoint_request(&h->nodes[0]->cp, h->now_us, 1);
    h_drain(h, 0);
    h_run(h, H_ALIGN_MS);
}

static bool is_left_out(const struct harness *h)
{
    return checkpoint_health(&h->nodes[0]->cp, 2).is_suspended;
}

/* Node 1 leads, and two attempts were lost to member 2. */
static void start(struct harness *h, struct checkpoint_member member)
{
    h_start(h, 1);
    h->is_watched = false;
    h_fact(h, 0, member);
    attempt(h);
    attempt(h);
    assert_true(is_left_out(h));
}

static void who_answers_no_probe_is_listed_again_after_a_minute(void **state)
{
    struct checkpoint_member member = h_member(2);
    struct harness h;

    (void)state;
    member.speaks_weft = false;
    start(&h, member);
    h_run(&h, CHECKPOINT_MUTE_MS - 1);
    assert_true(is_left_out(&h));
    h_run(&h, CHECKPOINT_PROBE_MS);
    assert_false(is_left_out(&h));
    attempt(&h);
    assert_int_equal(h_latest(&h, 0)->members_count, 2);
    assert_true(is_left_out(&h)); /* one more is enough */
    h_run(&h, CHECKPOINT_MUTE_MS - H_ALIGN_MS);
    assert_true(is_left_out(&h)); /* and counts from anew */
    h_close(&h);
}

static void a_checkpoint_that_is_due_then_lists_it(void **state)
{
    struct checkpoint_member member = h_member(2);
    struct harness h;

    (void)state;
    member.speaks_weft = false;
    start(&h, member);
    for (int i = 0; i < 29; i++) { /* each of which asks those who can */
        attempt(&h);
        assert_int_equal(h_latest(&h, 0)->members_count, 1);
    }
    h_run(&h, H_ALIGN_MS);
    attempt(&h);
    assert_int_equal(h_latest(&h, 0)->members_count, 2);
    h_close(&h);
}

static void who_could_answer_and_does_not_stays_out(void **state)
{
    struct harness h;

    (void)state;
    start(&h, h_member(2));
    h_run(&h, 2 * CHECKPOINT_MUTE_MS);
    assert_true(is_left_out(&h));
    h_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(
                    who_answers_no_probe_is_listed_again_after_a_minute),
            cmocka_unit_test(a_checkpoint_that_is_due_then_lists_it),
            cmocka_unit_test(who_could_answer_and_does_not_stays_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
