/* What a LaminarDB leader, which goes by epochs and uses them again, finds in
 * our key. */
#include "checkpoint_harness.h"

static void start(struct harness *h)
{
    struct checkpoint_member leader = h_member(1);

    h_init(h, 1);
    h_boot(h, h_add(h, 5));
    leader.speaks_weft = false;
    h_fact(h, 0, leader);
}

static void hear(struct harness *h, uint64_t version, enum control_phase phase)
{
    h_hear(h, 0, 1, version,
            (struct control_announcement){
                    .epoch = 5, .checkpoint_id = 42, .phase = phase});
    h_run(h, 1);
}

static bool says(const struct harness *h, const char *words)
{
    return strstr(h->nodes[0]->ack.text, words) != NULL;
}

static void an_ack_is_no_word_on_the_next_attempt(void **state)
{
    struct harness h;

    (void)state;
    start(&h);
    hear(&h, 10, CONTROL_PREPARE);
    assert_true(says(&h, "\"ok\":true"));
    hear(&h, 11, CONTROL_ABORT);
    assert_string_equal(h.nodes[0]->ack.text, "");
    h.nodes[0]->is_stuck = true;
    hear(&h, 12, CONTROL_PREPARE);
    assert_string_equal(h.nodes[0]->ack.text, "");
    h_close(&h);
}

/* One of them would be enough for all that come, for the leader ends them before
 * anybody has seen them. */
static void nor_is_a_refusal(void **state)
{
    struct harness h;

    (void)state;
    start(&h);
    h.nodes[0]->is_stuck = true;
    h.nodes[0]->lack = "stage words, 41 KiB unread";
    hear(&h, 10, CONTROL_PREPARE);
    h_run(&h, H_ALIGN_MS);
    assert_true(says(&h, "\"ok\":false"));
    hear(&h, 11, CONTROL_ABORT);
    assert_string_equal(h.nodes[0]->ack.text, "");
    h_close(&h);
}

/* After a failure behind its Commit it begins the same epoch once more. */
static void nor_when_it_was_committed_or_is_unknown(void **state)
{
    struct harness h;

    (void)state;
    start(&h);
    hear(&h, 10, CONTROL_PREPARE);
    hear(&h, 11, CONTROL_COMMIT);
    assert_string_equal(h.nodes[0]->ack.text, "");
    hear(&h, 12, CONTROL_PREPARE);
    assert_true(says(&h, "\"ok\":true"));
    h_run(&h, CHECKPOINT_LAMINAR_MS + CHECKPOINT_SILENCE_MS);
    assert_int_equal(h.nodes[0]->unknowns, 1);
    assert_string_equal(h.nodes[0]->ack.text, "");
    hear(&h, 13, CONTROL_COMMIT);
    assert_int_equal(h.nodes[0]->commits, 2);
    assert_string_equal(h.nodes[0]->ack.text, "");
    h_close(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(an_ack_is_no_word_on_the_next_attempt),
            cmocka_unit_test(nor_is_a_refusal),
            cmocka_unit_test(nor_when_it_was_committed_or_is_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
